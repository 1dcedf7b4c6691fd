"""Random tensors for tests."""

import math
from collections.abc import Sequence
from typing import Any

import torchlike as torch
from torchlike._src.tensor import Tensor


def make_tensor(
    *shape: int | Sequence[int],
    dtype: Any,
    device: Any,
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """A tensor of uniform random numbers in ``[low, high)``: the numbers torch makes for the same seed.

    Args:
        shape: sizes, one by one or as one sequence.
        dtype: any dtype; it decides the default range.
        device: where.
        low: smallest value; by default 0 for bool and uint8, else -9. Raised to what the dtype can hold.
        high: bound; by default 2 for bool, 10 for integers, else 9. Lowered to what the dtype can hold.
        requires_grad: for floating-point and complex dtypes.
        noncontiguous: every other element of a tensor twice as wide; no difference below two elements.
        exclude_zero: replace zeros by the smallest positive number, or 1 for integers.
        memory_format: the layout; not together with `noncontiguous`.
    Raises:
        ValueError: an empty range, NaN bounds, `requires_grad` for integers, `noncontiguous` with `memory_format`.
    """
    if len(shape) == 1 and isinstance(shape[0], Sequence):
        shape = tuple(shape[0])
    if noncontiguous and memory_format is not None:
        raise ValueError(
            "The parameters `noncontiguous` and `memory_format` are mutually exclusive, but got "
            f"{noncontiguous=} and {memory_format=}"
        )
    inexact = dtype.is_floating_point or dtype.is_complex
    if requires_grad and not inexact:
        raise ValueError(f"`requires_grad=True` is not supported for boolean and integral dtypes, but got {dtype=}")
    low, high = _range(dtype, low, high)
    noncontiguous = noncontiguous and math.prod(shape) > 1
    if noncontiguous:
        shape = (*shape[:-1], 2 * shape[-1])
    if not inexact:
        result = torch.randint(int(low), int(high), shape, dtype=dtype, device=device)
    elif dtype.is_complex:
        result = torch.empty(shape, dtype=dtype, device=device)
        torch.view_as_real(result).uniform_(low, high)
    elif dtype.itemsize == 1:  # the float8 family has no uniform_
        result = torch.empty(shape, dtype=torch.float32, device=device).uniform_(low, high).to(dtype)
    else:
        result = torch.empty(shape, dtype=dtype, device=device).uniform_(low, high)
    if noncontiguous:
        result = result[..., 1::2]
    elif memory_format is not None:
        result = result.clone(memory_format=memory_format)
    if exclude_zero:
        smallest = torch.finfo(dtype).tiny if inexact else 1
        result[result == 0] = complex(smallest, smallest) if dtype.is_complex else smallest
    return result.requires_grad_() if requires_grad else result


def _range(dtype: Any, low: float | None, high: float | None) -> tuple[float, float]:
    """The range to draw from: what was asked, or the dtype's default, within what the dtype can hold."""
    if dtype is torch.bool:
        default, lowest, highest = (0, 2), 0, 2
    elif dtype.is_floating_point or dtype.is_complex:
        default = (-9, 9)
        info = torch.finfo(dtype)
        lowest, highest = info.min, info.max
    else:
        info = torch.iinfo(dtype)
        default = (0 if info.min == 0 else -9, 10)
        # The bound is exclusive, but the largest int64 has no number after it to be one.
        lowest, highest = info.min, info.max + (dtype is not torch.int64)
    low = default[0] if low is None else low
    high = default[1] if high is None else high
    if low != low or high != high:
        raise ValueError(f"`low` and `high` cannot be NaN, but got {low=} and {high=}")
    if low >= high:
        raise ValueError(f"`low` must be less than `high`, but got {low} >= {high}")
    if high < lowest or low > highest:
        raise ValueError(
            f"The value interval specified by `low` and `high` is [{low}, {high}), "
            f"but {dtype} only supports [{lowest}, {highest})"
        )
    return max(low, lowest), min(high, highest)
