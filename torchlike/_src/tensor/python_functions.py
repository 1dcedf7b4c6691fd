"""Tensors through functions of Python numbers, and other methods that users call on a tensor by name: `apply_`, `dim_order`."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from torchlike._src.operators.registry import composite, ops
from torchlike._src.tensor import layouts
from torchlike._src.tensor.core import Tensor
from torchlike._src.tensor.from_data import on_place
from torchlike._src.tensor.strides import channels_last_strides, contiguous_strides, equal


def _mapped(name: str, self: Tensor, others: Sequence[Tensor], function: Callable[..., Any]) -> Tensor:
    for t in (self, *others):
        if t.requires_grad:
            raise RuntimeError(f"Can't call {name}() on Variable that requires grad. Use var.detach().{name}() instead.")
    for given, number in zip(others, ("", "1", "2")[len(others) > 1 :], strict=False):
        if given.dtype is not self.dtype:
            wanted, got = self.type(), given.type()
            raise TypeError(f"{name}: expected {wanted} for 'other{number}' (got {got})")
    arrays = [self._numpy(name), *[o.expand(self.shape)._numpy(name) for o in others]]
    made = np.empty(self.shape, self._aval().dtype)
    flat = made.reshape(-1)
    for i, items in enumerate(zip(*[a.reshape(-1).tolist() for a in arrays], strict=True)):
        flat[i] = function(*items)
    version = self._counter().version
    self._write(on_place(made, self._aval().place)._value())
    self._counter().version = version  # torch does not count this as a write
    return self


@composite("Tensor.apply_")
def apply_(self: Tensor, callable: Callable[[Any], Any]) -> Tensor:
    """Replace each element by a Python function of it. Slow: for tests and for what no op does."""
    return _mapped("apply_", self, (), callable)


@composite("Tensor.map_")
def map_(self: Tensor, tensor: Tensor, callable: Callable[[Any, Any], Any]) -> Tensor:
    """Replace each element by a Python function of it and its counterpart in ``tensor``."""
    return _mapped("map_", self, (tensor,), callable)


@composite("Tensor.map2_")
def map2_(self: Tensor, x: Tensor, y: Tensor, callable: Callable[[Any, Any, Any], Any]) -> Tensor:
    """`map_` with two other tensors."""
    return _mapped("map2_", self, (x, y), callable)


@composite("Tensor.fill_diagonal_")
def fill_diagonal_(self: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """Write a number on the main diagonal: where all indices are equal.

    Args:
        fill_value: the number.
        wrap: begin anew below the square of a tall matrix, with a row left out between.
    Raises:
        RuntimeError: for a vector, or more than two dimensions that are not equal.
    """
    if self.ndim < 2:
        raise RuntimeError("dimensions must larger than 1")
    rows, columns = self.shape[0], self.shape[1]
    if self.ndim > 2 and len(set(self.shape)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    stride, start = sum(self.stride()), self.storage_offset()
    n = min(self.shape)
    ops.as_strided(self, (n,), (stride,), start).fill_(fill_value)
    if wrap and self.ndim == 2 and rows > columns + 1:
        step = (columns + 1) * self.stride(0)
        for top in range(columns + 1, rows, columns + 1):
            n = min(rows - top, columns)
            ops.as_strided(self, (n,), (stride,), start + step * (top // (columns + 1))).fill_(fill_value)
    return self


@composite("Tensor.dim_order")
def dim_order(self: Tensor, *, ambiguity_check: bool | list[Any] = False) -> tuple[int, ...]:
    """The dimensions from outer to inner, as they lie in memory.

    Args:
        ambiguity_check: True: there must be only one answer; a list of memory formats: exactly one of them must fit.
    Raises:
        RuntimeError: if the check fails.
        TypeError: if ``ambiguity_check`` is neither.
    """
    formats = ambiguity_check if isinstance(ambiguity_check, list) else []
    if not isinstance(ambiguity_check, (bool, list)) or not all(isinstance(f, layouts.memory_format) for f in formats):
        raise TypeError("The ambiguity_check argument must be a bool or a list of memory formats.")
    shape, strides = tuple(self.shape), self.stride()
    if ambiguity_check is True:
        unclear = _unclear(shape, strides)
    else:
        fitting = [f for f in formats if equal(shape, strides, _strides_in(shape, f))] if formats else [None]
        unclear = len(fitting) != 1
    if unclear:
        raise RuntimeError("The tensor does not have unique dim order, or cannot map to exact one of the given memory formats.")
    return tuple(sorted(range(len(shape)), key=lambda d: -strides[d] if strides[d] else -(1 << 62)))


def _strides_in(shape: tuple[int, ...], wanted: Any) -> tuple[int, ...]:
    if wanted is layouts.contiguous_format or len(shape) not in (4, 5):
        return contiguous_strides(shape)
    return channels_last_strides(shape)


def _unclear(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    return any(n == 1 for n in shape) or len(set(strides)) < len(strides)


@composite("is_same_size")
def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape."""
    return input.shape == other.shape


@composite("is_distributed")
def is_distributed(input: Tensor) -> bool:
    """Whether a tensor is spread over processes by torch's old means: never."""
    return False


@composite("is_signed", method=False)
def is_signed(input: Tensor) -> bool:
    """Whether the dtype has a sign."""
    return input.is_signed()


@composite("get_device", method=False)
def get_device(input: Tensor) -> int:
    """The number of a tensor's device, -1 on the CPU."""
    return input.get_device()


@composite("Tensor.const_data_ptr")
def const_data_ptr(self: Tensor) -> int:
    """`data_ptr`, for those who will not write."""
    return self.data_ptr()


@composite("Tensor.storage_type")
def storage_type(self: Tensor) -> type:
    """The class of its storage: ``torch.FloatStorage``."""
    from torchlike.storage import BY_DTYPE

    return BY_DTYPE[self.dtype]


@composite("Tensor.module_load")
def module_load(self: Tensor, other: Tensor, assign: bool = False) -> Tensor:
    """What `nn.Module.load_state_dict` puts in the place of ``self`` when it swaps parameters."""
    return other.detach() if assign else self.copy_(other).detach()


@composite("Tensor.resize")
def resize(self: Tensor, *sizes: Any) -> Tensor:
    """The same elements with another shape; `reshape`, by its oldest name.

    Raises:
        RuntimeError: if the number of elements differs.
    """
    warnings.warn("non-inplace resize is deprecated", stacklevel=2)
    size = tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)) else sizes
    n = np.prod(size, dtype=np.int64)
    if n != self.numel():
        given, have = "x".join(map(str, size)), "x".join(map(str, self.shape))
        raise RuntimeError(
            f"requested resize to {given} ({n} elements in total), but the given tensor has a size of {have} ({self.numel()} "
            "elements). autograd's resize can only change the shape of a given tensor, while preserving the number of elements. "
        )
    return self.contiguous().view(size)


@composite("Tensor.resize_as")
def resize_as(self: Tensor, tensor: Tensor) -> Tensor:
    """`resize` to the shape of another tensor."""
    return resize(self, *tensor.shape)
