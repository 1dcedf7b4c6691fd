"""What runs in a worker process: it waits for indices, fetches, and sends batches back. NumPy only, never JAX."""

import gc
import os
import queue
import random
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import jax
import numpy as np

import torchlike as torch
from torchlike._src.engine.value import CPU, Value
from torchlike._src.tensor import dispatch
from torchlike.utils.data._utils import MP_STATUS_CHECK_INTERVAL, transport
from torchlike.utils.data._utils.exceptions import ExceptionWrapper


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """Where code runs that a worker calls.

    Attributes:
        id: the worker's number.
        num_workers: how many there are.
        seed: what this worker's generators are seeded with.
        dataset: this worker's copy of the dataset.
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any
    rng: Any = None
    worker_method: str | None = "multiprocessing"


_worker_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """Facts about the loader's worker that this code runs in; None in the main process."""
    return _worker_info


@dataclass(frozen=True)
class StreamEnded:
    """A worker's copy of an `IterableDataset` has no more samples."""


@dataclass(frozen=True)
class Resume:
    """Asks a persistent worker to begin a new pass, and is its answer."""


@dataclass(frozen=True)
class Job:
    """All that a worker needs to know; pickled if it is not forked."""

    make_fetcher: Callable[..., Any]
    dataset: Any
    is_stream: bool
    auto_collation: bool
    collate_fn: Callable[..., Any]
    drop_last: bool
    base_seed: int
    init_fn: Callable[[int], Any] | None
    num_workers: int

    def fetcher(self) -> Any:
        """A fetcher at the beginning of the dataset."""
        return self.make_fetcher(self.dataset, self.auto_collation, self.collate_fn, self.drop_last)


def stay_on_host() -> None:
    """Let this process compute in NumPy alone, whatever the size, also with tensors that it inherited from JAX."""
    for value in [o for o in gc.get_objects() if type(o) is Value]:
        if isinstance(value.data, jax.Array) and value.aval.place is CPU:
            value.data = np.asarray(value.data)  # ready before the fork: this only looks at its memory
    dispatch._SMALL = sys.maxsize
    gc.freeze()  # inherited arrays must not be collected here: freeing them would call into JAX


def numpy_seed(base_seed: int, worker_id: int) -> list[int]:
    """The seed of NumPy's global generator in a worker: other numbers than `random` and torch draw, as in torch."""
    words = [worker_id, base_seed & 0xFFFFFFFF, base_seed >> 32, 0]
    return np.random.SeedSequence(words).generate_state(4).tolist()


def run(job: Job, worker_id: int, connection: Connection, others: list[Connection]) -> None:
    """A worker's main function.

    Args:
        job: what to do.
        worker_id: its number.
        connection: tasks come in, results go out.
        others: the main process's ends of all connections, inherited by a fork: they are closed here, so that
            the workers notice when the main process is gone.
    """
    global _worker_info
    try:
        for other in others:
            other.close()
        stay_on_host()
        seed = job.base_seed + worker_id
        random.seed(seed)
        torch.manual_seed(seed)
        np.random.seed(numpy_seed(job.base_seed, worker_id))  # noqa: NPY002 - what datasets draw from
        _worker_info = WorkerInfo(worker_id, job.num_workers, seed, job.dataset)
        _serve(job, worker_id, connection)
    except (KeyboardInterrupt, BrokenPipeError, ConnectionResetError):
        pass  # the main process reports the first, and is gone in the other cases


def _serve(job: Job, worker_id: int, connection: Connection) -> None:
    where = f"in DataLoader worker process {worker_id}"
    tasks = _read_ahead(connection)
    fetcher, failure = _attempt(lambda: _begin(job, worker_id), where)
    ended = False
    while (task := tasks.get()) is not None:
        if isinstance(task, Resume):
            ended = False
            fetcher, failure = _attempt(job.fetcher, where)
            transport.send(connection, transport.dumps((task, None)))
            continue
        if ended:
            continue
        number, index = task
        try:
            parts = transport.dumps((number, failure or fetcher.fetch(index)))
        except Exception as error:
            ended = job.is_stream and isinstance(error, StopIteration)
            parts = _dump_failure(number, StreamEnded() if ended else ExceptionWrapper(where=where))
        transport.send(connection, parts)
        del parts


def _begin(job: Job, worker_id: int) -> Any:
    if job.init_fn is not None:
        job.init_fn(worker_id)
    return job.fetcher()


def _attempt(make: Callable[[], Any], where: str) -> tuple[Any, ExceptionWrapper | None]:
    try:
        return make(), None
    except Exception:
        return None, ExceptionWrapper(where=where)


def _dump_failure(number: int, failure: Any) -> list[Any]:
    try:
        return transport.dumps((number, failure))
    except Exception:  # the exception's class cannot be named in a pickle
        failure.exc_msg += f"(raised as RuntimeError: {failure.exc_type.__qualname__} cannot be sent between processes)"
        failure.exc_type = RuntimeError
        return transport.dumps((number, failure))


def _read_ahead(connection: Connection) -> "queue.SimpleQueue[Any]":
    """Take in tasks on a thread, so that the main process never waits to hand one over; None ends.

    Without that both sides could be stuck: a worker that cannot get rid of a large batch reads no tasks.
    """
    tasks: queue.SimpleQueue[Any] = queue.SimpleQueue()
    parent = os.getppid()

    def read() -> None:
        task: Any = ...
        while task is not None:
            try:
                while not connection.poll(MP_STATUS_CHECK_INTERVAL):
                    if os.getppid() != parent:
                        raise EOFError  # the main process is gone, though another process still holds its end
                task = connection.recv()
            except (EOFError, OSError):
                task = None
            tasks.put(task)
        if os.getppid() != parent:
            os._exit(1)  # the main thread may be busy for long, and nobody waits for what it does

    threading.Thread(target=read, daemon=True, name="torchlike-tasks").start()
    return tasks
