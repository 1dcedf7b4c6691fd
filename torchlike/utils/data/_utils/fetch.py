"""From indices to a batch, for both kinds of datasets, in the main process and in workers."""

from collections.abc import Callable
from typing import Any

from torchlike.utils.data._utils.collate import collate_tensor_fn, default_collate, default_collate_fn_map
from torchlike.utils.data.dataset import Subset, TensorDataset


class MapFetcher:
    """Fetches from a dataset with ``__getitem__``."""

    def __init__(self, dataset: Any, auto_collation: bool, collate_fn: Callable[..., Any], drop_last: bool) -> None:
        self.dataset = dataset
        self.auto_collation = auto_collation
        self.collate_fn = collate_fn

    def fetch(self, index: Any) -> Any:
        """The sample, or the batch, for what the sampler gave."""
        dataset = self.dataset
        if not self.auto_collation:
            return self.collate_fn(dataset[index])
        if self.collate_fn is default_collate and (batch := gathered(dataset, index)) is not None:
            return batch
        if getattr(dataset, "__getitems__", None):
            return self.collate_fn(dataset.__getitems__(index))
        return self.collate_fn([dataset[i] for i in index])


class IterableFetcher:
    """Fetches from a stream; what the sampler gives only says how many."""

    def __init__(self, dataset: Any, auto_collation: bool, collate_fn: Callable[..., Any], drop_last: bool) -> None:
        self.auto_collation = auto_collation
        self.collate_fn = collate_fn
        self.drop_last = drop_last
        self.stream = iter(dataset)
        self.ended = False

    def fetch(self, index: Any) -> Any:
        """The next sample or batch; StopIteration at the stream's end."""
        if self.ended:
            raise StopIteration
        if not self.auto_collation:
            return self.collate_fn(next(self.stream))
        samples = []
        for _ in index:
            try:
                samples.append(next(self.stream))
            except StopIteration:
                self.ended = True
                break
        if not samples or (self.drop_last and self.ended):
            raise StopIteration
        return self.collate_fn(samples)


def gathered(dataset: Any, indices: list[Any]) -> list[Any] | None:
    """What `default_collate` would make of samples that are rows of tensors, by one gather; None if they are not."""
    while type(dataset) is Subset:
        indices = [dataset.indices[i] for i in indices]
        dataset = dataset.dataset
    if not isinstance(dataset, TensorDataset) or type(dataset).__getitem__ is not TensorDataset.__getitem__:
        return None
    if default_collate_fn_map.get(type(dataset.tensors[0])) is not collate_tensor_fn:
        return None  # the user collates tensors in another way
    return dataset._gather(indices)
