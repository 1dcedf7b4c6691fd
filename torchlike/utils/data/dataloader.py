"""The `DataLoader`: batches from a dataset, fetched here or by worker processes. The workers are in `_utils.pool`."""

import itertools
import math
import multiprocessing
import multiprocessing.context
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

import torchlike as torch
from torchlike.utils.data._utils.collate import default_collate, default_convert
from torchlike.utils.data._utils.exceptions import ExceptionWrapper
from torchlike.utils.data._utils.fetch import IterableFetcher, MapFetcher
from torchlike.utils.data._utils.pool import WorkerPool
from torchlike.utils.data._utils.worker import Job, StreamEnded, get_worker_info
from torchlike.utils.data.dataset import Dataset, IterableDataset
from torchlike.utils.data.sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler, draw_seed

__all__ = ["DataLoader", "default_collate", "default_convert", "get_worker_info"]

T_co = TypeVar("T_co", covariant=True)


class _DatasetKind:
    Map = 0
    Iterable = 1

    @staticmethod
    def create_fetcher(kind: int, dataset: Any, auto_collation: bool, collate_fn: Any, drop_last: bool) -> Any:
        fetcher = MapFetcher if kind == _DatasetKind.Map else IterableFetcher
        return fetcher(dataset, auto_collation, collate_fn, drop_last)


class _InfiniteConstantSampler(Sampler[None]):
    """What a stream is asked for: one more."""

    def __iter__(self) -> Iterator[None]:
        return itertools.repeat(None)


class DataLoader(Generic[T_co]):
    """An iterable over the batches of a dataset; each ``iter`` is a pass over it.

    Args:
        dataset: a map-style `Dataset`, or an `IterableDataset`.
        batch_size: samples in a batch; None gives single samples.
        shuffle: a new random order for each pass.
        sampler: an iterable of indices, instead of ``shuffle``.
        batch_sampler: an iterable of lists of indices, instead of all of the above and ``drop_last``.
        num_workers: processes that fetch; 0 fetches in this one. They are forked on Linux, and may use NumPy and
            small host tensors, not JAX.
        collate_fn: makes a batch of a list of samples; by default `default_collate`.
        pin_memory: accepted; JAX moves host memory by its own means.
        drop_last: leave out a last batch that is smaller.
        timeout: seconds to wait for a batch from the workers; 0 waits for ever.
        worker_init_fn: called with the worker's number in each worker, after seeding.
        multiprocessing_context: how to start workers: ``"fork"``, ``"spawn"``, ``"forkserver"`` or a context.
        generator: where shuffles and the workers' seeds come from.
        prefetch_factor: batches that each worker is ahead; 2 by default.
        persistent_workers: keep the workers, and their copies of the dataset, from one pass to the next.
        pin_memory_device: accepted.
        in_order: False gives batches as they come, which is faster when some take long.
    Raises:
        ValueError: for options that contradict each other.
    """

    def __init__(
        self,
        dataset: Dataset[T_co],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler[Any] | Iterable[Any] | None = None,
        batch_sampler: Sampler[list[Any]] | Iterable[list[Any]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        if num_workers < 0:
            raise ValueError("num_workers option should be non-negative; use num_workers=0 to disable multiprocessing.")
        if timeout < 0:
            raise ValueError("timeout option should be non-negative")
        if num_workers == 0 and prefetch_factor is not None:
            raise ValueError(
                "prefetch_factor option could only be specified in multiprocessing."
                "let num_workers > 0 to enable multiprocessing, otherwise set prefetch_factor to None."
            )
        if prefetch_factor is not None and prefetch_factor < 0:
            raise ValueError("prefetch_factor option should be non-negative")
        if persistent_workers and num_workers == 0:
            raise ValueError("persistent_workers option needs num_workers > 0")

        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.in_order = in_order
        self.generator = generator
        self.persistent_workers = persistent_workers

        if isinstance(dataset, IterableDataset):
            self._dataset_kind = _DatasetKind.Iterable
            for name, value in (("shuffle", shuffle or None), ("sampler", sampler), ("batch_sampler", batch_sampler)):
                if value is not None:
                    raise ValueError(
                        f"DataLoader with IterableDataset: expected unspecified {name} option, but got {name}={value}"
                    )
        else:
            self._dataset_kind = _DatasetKind.Map
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError("batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last")
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError("batch_size=None option disables auto-batching and is mutually exclusive with drop_last")
        if sampler is None:
            if self._dataset_kind == _DatasetKind.Iterable:
                sampler = _InfiniteConstantSampler()
            elif shuffle:
                sampler = RandomSampler(dataset, generator=generator)  # type: ignore[arg-type]
            else:
                sampler = SequentialSampler(dataset)  # type: ignore[arg-type]
        if batch_size is not None and batch_sampler is None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)

        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        if collate_fn is None:
            collate_fn = default_collate if self._auto_collation else default_convert
        self.collate_fn = collate_fn
        self._length_reported: int | None = None
        self._iterator: _BaseDataLoaderIter | None = None
        self._settled = True
        self.check_worker_number_rationality()

    def __setattr__(self, name: str, value: Any) -> None:
        fixed = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")
        if name in fixed and self.__dict__.get("_settled"):
            raise ValueError(f"{name} attribute should not be set after {type(self).__name__} is initialized")
        super().__setattr__(name, value)

    @property
    def multiprocessing_context(self) -> Any:
        """How workers are started; None is the system's way, which is a fork on Linux."""
        return self._context

    @multiprocessing_context.setter
    def multiprocessing_context(self, context: Any) -> None:
        if context is not None and self.num_workers == 0:
            raise ValueError(
                "multiprocessing_context can only be used with multi-process loading (num_workers > 0), but got "
                f"num_workers={self.num_workers}"
            )
        if isinstance(context, str):
            methods = multiprocessing.get_all_start_methods()
            if context not in methods:
                raise ValueError(
                    f"multiprocessing_context option should specify a valid start method in {methods!r}, but got "
                    f"multiprocessing_context={context!r}"
                )
            context = multiprocessing.get_context(context)
        if context is not None and not isinstance(context, multiprocessing.context.BaseContext):
            raise TypeError(
                "multiprocessing_context option should be a valid context object or a string specifying the start "
                f"method, but got multiprocessing_context={context}"
            )
        self._context = context

    def __iter__(self) -> "_BaseDataLoaderIter":
        if not self.persistent_workers:
            return self._get_iterator()
        if self._iterator is None:
            self._iterator = self._get_iterator()
        else:
            self._iterator._reset(self)
        return self._iterator

    def _get_iterator(self) -> "_BaseDataLoaderIter":
        return _MultiProcessingDataLoaderIter(self) if self.num_workers else _SingleProcessDataLoaderIter(self)

    @property
    def _auto_collation(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self) -> Any:
        return self.batch_sampler if self._auto_collation else self.sampler

    def __len__(self) -> int:
        if self._dataset_kind == _DatasetKind.Map:
            return len(self._index_sampler)
        length = self._length_reported = len(self.dataset)  # type: ignore[arg-type]
        if self.batch_size is None:
            return length
        return length // self.batch_size if self.drop_last else math.ceil(length / self.batch_size)

    def check_worker_number_rationality(self) -> None:
        """Warn of more workers than processors."""
        there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        if self.num_workers > there:
            warnings.warn(
                f"This DataLoader will create {self.num_workers} worker processes in total. Our suggested max number "
                f"of worker in current system is {there}, which is smaller than what this DataLoader is going to "
                "create: the processes may slow each other down.",
                stacklevel=3,
            )


class _BaseDataLoaderIter:
    """One pass over a loader. It holds no loader, which may hold it: both end when the last name of them does."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        self._dataset = loader.dataset
        self._num_workers = loader.num_workers
        self._index_sampler = loader._index_sampler
        if loader.pin_memory and not torch.accelerator.is_available():
            warnings.warn(
                "'pin_memory' argument is set as true but no accelerator is found, then device pinned memory won't be used.",
                stacklevel=3,
            )
        self._sampler_iter = iter(self._index_sampler)
        self._base_seed = draw_seed(loader.generator)  # before the sampler draws its own, as in torch
        self._num_yielded = 0
        self._reported = loader._length_reported if loader._dataset_kind == _DatasetKind.Iterable else None

    def __iter__(self) -> "_BaseDataLoaderIter":
        return self

    def _reset(self, loader: DataLoader[Any]) -> None:
        self._sampler_iter = iter(self._index_sampler)
        self._num_yielded = 0
        self._reported = loader._length_reported if loader._dataset_kind == _DatasetKind.Iterable else None

    def _next_index(self) -> Any:
        return next(self._sampler_iter)

    def _next_data(self) -> Any:
        raise NotImplementedError

    def __next__(self) -> Any:
        data = self._next_data()
        self._num_yielded += 1
        reported = self._reported
        if reported is not None and self._num_yielded > reported:
            hint = " Does each worker give only its share of the stream (see get_worker_info)?" if self._num_workers else ""
            warnings.warn(
                f"Length of IterableDataset {self._dataset} was reported to be {reported} (when accessing "
                f"len(dataloader)), but {self._num_yielded} samples have been fetched.{hint}",
                stacklevel=2,
            )
        return data

    def __len__(self) -> int:
        return len(self._index_sampler)

    def __getstate__(self) -> Any:
        raise NotImplementedError(f"{type(self).__name__} cannot be pickled")


def _make_fetcher(loader: DataLoader[Any]) -> Callable[..., Any]:
    return MapFetcher if loader._dataset_kind == _DatasetKind.Map else IterableFetcher


class _SingleProcessDataLoaderIter(_BaseDataLoaderIter):
    """Fetches in this process."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        super().__init__(loader)
        if loader.timeout:
            raise AssertionError("timeout needs num_workers > 0")
        self._fetcher = _make_fetcher(loader)(loader.dataset, loader._auto_collation, loader.collate_fn, loader.drop_last)

    def _next_data(self) -> Any:
        return self._fetcher.fetch(self._next_index())


class _MultiProcessingDataLoaderIter(_BaseDataLoaderIter):
    """Has workers fetch, some batches ahead, and puts the batches in order.

    Tasks are numbered. Each goes to the next worker in turn; what arrives early waits in ``_arrived``.
    """

    def __init__(self, loader: DataLoader[Any]) -> None:
        super().__init__(loader)
        if not loader.prefetch_factor:
            raise AssertionError("prefetch_factor must be greater than 0 with workers")
        job = Job(
            _make_fetcher(loader), loader.dataset, loader._dataset_kind == _DatasetKind.Iterable,
            loader._auto_collation, loader.collate_fn, loader.drop_last, self._base_seed, loader.worker_init_fn,
            loader.num_workers,
        )  # fmt: skip
        self._pool = WorkerPool(job, loader.multiprocessing_context, loader.timeout)
        self._in_order = loader.in_order
        self._persistent = loader.persistent_workers
        self._most = loader.prefetch_factor * self._num_workers
        self._begin()

    def _reset(self, loader: DataLoader[Any]) -> None:
        super()._reset(loader)
        self._pool.resume()
        self._begin()

    def _begin(self) -> None:
        self._sent = 0  # the number of the next task
        self._due = 0  # the number of the batch that comes next, in order
        self._assigned: dict[int, int] = {}  # from the tasks that are out to their workers
        self._arrived: dict[int, Any] = {}
        self._active = [True] * self._num_workers  # whose stream has not ended
        self._turn = itertools.cycle(range(self._num_workers))
        for _ in range(self._most):
            self._put_task()

    def _put_task(self) -> None:
        """Hand the sampler's next indices to a worker, if there are any left of either."""
        worker = self._next_worker()
        if worker is None:
            return
        try:
            index = self._next_index()
        except StopIteration:
            return
        self._pool.submit(worker, (self._sent, index))
        self._assigned[self._sent] = worker
        self._sent += 1

    def _next_worker(self) -> int | None:
        """The next in turn; when order does not matter, one that is not busy with more than its share."""
        active = sum(self._active)
        for worker in itertools.islice(self._turn, self._num_workers):
            if self._active[worker] and (self._in_order or list(self._assigned.values()).count(worker) < self._most // active):
                return worker
        return None

    def _next_data(self) -> Any:
        while True:
            if self._due in self._arrived:
                self._due += 1
                return self._give(self._arrived.pop(self._due - 1))
            if not self._assigned:
                if not self._arrived:
                    self._finish()
                self._due = min(self._arrived)
                continue
            if self._in_order and self._due not in self._assigned:
                self._due += 1  # its worker's stream ended before it
                continue
            number, result = self._pool.receive()
            worker = self._assigned.pop(number)
            if isinstance(result, StreamEnded):
                self._end_stream(worker)
            elif self._in_order and number != self._due:
                self._arrived[number] = result
            else:
                self._due = number + 1
                return self._give(result)

    def _end_stream(self, worker: int) -> None:
        """A worker skips the tasks that it has left; others take over."""
        self._active[worker] = False
        for number in [n for n, w in self._assigned.items() if w == worker]:
            del self._assigned[number]
        if not self._persistent:
            self._pool.dismiss(worker)
        self._put_task()

    def _give(self, result: Any) -> Any:
        self._put_task()
        if isinstance(result, ExceptionWrapper):
            result.reraise()
        return result

    def _finish(self) -> None:
        if not self._persistent:
            self._pool.shutdown()
        raise StopIteration
