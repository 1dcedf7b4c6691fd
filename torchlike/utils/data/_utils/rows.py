"""Rows of a tensor on the host, however large it is: what a batch takes from a whole dataset."""

from collections.abc import Sequence

import numpy as np

import torchlike as torch
from torchlike._src.engine.value import CPU, host_value
from torchlike._src.tensor.dispatch import _new
from torchlike._src.tensor.dtypes import of_numpy


def rows(tensor: torch.Tensor, indices: list[int]) -> torch.Tensor:
    """``tensor[indices]``, along the first dimension.

    On the CPU only these rows are read. As an op of the program all of the tensor would be its input, which costs a
    copy each time if the memory is shared with a NumPy array that the script still holds.

    Raises:
        IndexError: in torch's words.
    """
    if tensor.requires_grad or tensor._aval().place is not CPU:
        return tensor[torch.as_tensor(indices, dtype=torch.int64)]
    array = np.asarray(tensor._array("a batch of its rows"))
    try:
        return owned(array.take(np.asarray(indices, np.int64), axis=0))
    except IndexError:
        size = len(array)
        wrong = next(i for i in indices if not -size <= i < size)
        raise IndexError(f"index {wrong} is out of bounds for dimension 0 with size {size}") from None


def array_of(tensor: torch.Tensor) -> np.ndarray | None:
    """The data of a tensor that lies on the host and has no history; None for others."""
    data = None if tensor.requires_grad else tensor._value().data
    return data if type(data) is np.ndarray else None


def alike(arrays: Sequence[np.ndarray | None]) -> bool:
    """Whether these are arrays of one shape and type."""
    first = arrays[0]
    return first is not None and all(
        array is not None and array.shape == first.shape and array.dtype == first.dtype for array in arrays
    )


def stacked(arrays: Sequence[np.ndarray]) -> torch.Tensor:
    """Arrays of one shape as the rows of a tensor."""
    if not arrays[0].ndim:
        return owned(np.array(arrays))
    return owned(np.concatenate(arrays).reshape(len(arrays), *arrays[0].shape))


def owned(array: np.ndarray) -> torch.Tensor:
    """A tensor of an array that nobody else holds.

    Raises:
        TypeError: for a type that torch lacks, in its words.
    """
    of_numpy(array.dtype)
    return _new(host_value(array))
