"""Making a batch of samples: `default_collate` stacks, `default_convert` only turns arrays into tensors."""

import copy
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

import torchlike as torch
from torchlike.utils.data._utils.rows import alike, array_of, stacked

CollateMap = dict[type | tuple[type, ...], Callable[..., Any]]

_MESSAGE = "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"


def default_convert(data: Any) -> Any:
    """Turn every NumPy array and number within ``data`` into a tensor; leave the structure and all else alone."""
    kind = type(data)
    if isinstance(data, torch.Tensor):
        return data
    if kind.__module__ == "numpy" and not isinstance(data, (np.str_, np.bytes_)):
        return data if kind is np.ndarray and data.dtype.kind in "SUO" else torch.as_tensor(data)
    if isinstance(data, Mapping):
        return _like_mapping(data, {key: default_convert(data[key]) for key in data})
    if isinstance(data, tuple):
        parts = [default_convert(part) for part in data]
        return kind(*parts) if hasattr(data, "_fields") else parts
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return _like_sequence(data, [default_convert(part) for part in data])
    return data


def default_collate(batch: Sequence[Any]) -> Any:
    """Stack samples into a batch.

    Tensors and arrays get a new first dimension, numbers become a tensor, strings stay a list; in dicts and
    sequences this is done for each part (tuples become lists).

    Raises:
        TypeError: for a sample of another type: pass a ``collate_fn`` of your own, or extend `default_collate_fn_map`.
        RuntimeError: if parts differ in size.
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)


def collate(batch: Sequence[Any], *, collate_fn_map: CollateMap | None = None) -> Any:
    """Stack samples by the functions given for the types of their parts.

    Args:
        batch: the samples; the first one decides.
        collate_fn_map: from a type to ``function(parts, *, collate_fn_map)``; subclasses count, in order.
    """
    first = batch[0]
    kind = type(first)
    known = collate_fn_map or {}
    if kind in known:
        return known[kind](batch, collate_fn_map=collate_fn_map)
    for other, function in known.items():
        if isinstance(first, other):
            return function(batch, collate_fn_map=collate_fn_map)
    if isinstance(first, Mapping):
        parts = {key: collate([sample[key] for sample in batch], collate_fn_map=collate_fn_map) for key in first}
        return _like_mapping(first, parts)
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return kind(*(collate(part, collate_fn_map=collate_fn_map) for part in zip(*batch, strict=False)))
    if isinstance(first, Sequence):
        if any(len(sample) != len(first) for sample in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        columns = [collate(part, collate_fn_map=collate_fn_map) for part in zip(*batch, strict=True)]
        return columns if isinstance(first, tuple) else _like_sequence(first, columns)
    raise TypeError(_MESSAGE.format(kind))


def _like_mapping(model: Mapping[Any, Any], parts: dict[Any, Any]) -> Any:
    """A mapping of the model's type, with its other attributes if it has any, or else a dict."""
    try:
        if isinstance(model, MutableMapping):
            clone = copy.copy(model)
            clone.update(parts)
            return clone
        return type(model)(parts)  # type: ignore[call-arg]
    except TypeError:
        return parts


def _like_sequence(model: Sequence[Any], parts: list[Any]) -> Any:
    """A sequence of the model's type, with its other attributes if it has any, or else a list (as for a range)."""
    try:
        if isinstance(model, MutableSequence):
            clone = copy.copy(model)
            for i, part in enumerate(parts):
                clone[i] = part
            return clone
        return type(model)(parts)  # type: ignore[call-arg]
    except TypeError:
        return parts


def collate_tensor_fn(batch: Sequence[Any], *, collate_fn_map: CollateMap | None = None) -> torch.Tensor:
    """Stack tensors; those on the host without the toll of an op."""
    arrays = [array_of(tensor) for tensor in batch]
    return stacked(arrays) if alike(arrays) else torch.stack(list(batch), 0)


def collate_numpy_array_fn(batch: Sequence[Any], *, collate_fn_map: CollateMap | None = None) -> Any:
    """Stack NumPy arrays."""
    if batch[0].dtype.kind in "SUO":
        raise TypeError(_MESSAGE.format(batch[0].dtype))
    if alike(batch):
        return stacked(batch)  # one copy, without a tensor for each
    return collate([torch.as_tensor(array) for array in batch], collate_fn_map=collate_fn_map)


def collate_numpy_scalar_fn(batch: Sequence[Any], *, collate_fn_map: CollateMap | None = None) -> torch.Tensor:
    """NumPy's numbers."""
    return torch.as_tensor(np.asarray(batch))


def collate_float_fn(batch: Sequence[Any], *, collate_fn_map: CollateMap | None = None) -> torch.Tensor:
    """Python floats keep their precision."""
    return torch.tensor(batch, dtype=torch.float64)


def collate_int_fn(batch: Sequence[Any], *, collate_fn_map: CollateMap | None = None) -> torch.Tensor:
    """Python ints (and bools)."""
    return torch.tensor(batch)


def collate_str_fn(batch: Sequence[Any], *, collate_fn_map: CollateMap | None = None) -> Sequence[Any]:
    """Strings stay what they are."""
    return batch


default_collate_fn_map: CollateMap = {
    torch.Tensor: collate_tensor_fn,
    np.ndarray: collate_numpy_array_fn,
    (np.bool_, np.number, np.object_): collate_numpy_scalar_fn,
    float: collate_float_fn,
    int: collate_int_fn,
    str: collate_str_fn,
    bytes: collate_str_fn,
}
