"""Masked reductions and normalizations: what a mask takes out is first replaced by what does not change the result."""

import math
from typing import Any

import torchlike as torch
from torchlike._src.operators import promotion
from torchlike._src.tensor import dtypes
from torchlike._src.tensor.core import Tensor

_SMALL_INTEGERS = (torch.uint8, torch.bool, torch.int8, torch.int16, torch.int32)


def _canonical_dim(dim: Any, ndim: int) -> tuple[int, ...]:
    """The dimensions to reduce, sorted: all of them for None and ``()``."""
    if dim is None or dim == ():
        return tuple(range(ndim))
    ndim = max(ndim, 1)
    dims: list[int] = []
    for d in (dim,) if isinstance(dim, int) else dim:
        if d in dims:
            raise RuntimeError(f"dim={d} appears multiple times in the list of dims")
        if d >= ndim or d < -ndim:
            raise IndexError(f"Dimension out of range (expected to be in range of [{-ndim}, {ndim - 1}], but got {d})")
        dims.append(d % ndim)
    return tuple(sorted(dims))


def _lowest(name: str, dtype: Any) -> float:
    if dtype.is_floating_point:
        return -math.inf
    if dtype is torch.bool or dtype.is_complex:
        raise NotImplementedError(f"identity of {name} on {dtype} input")
    return torch.iinfo(dtype).min


def _highest(name: str, dtype: Any) -> float:
    if dtype.is_floating_point:
        return math.inf
    if dtype is torch.bool or dtype.is_complex:
        raise NotImplementedError(f"identity of {name} on {dtype} input")
    return torch.iinfo(dtype).max


def _input_mask(input: Tensor, mask: Tensor) -> Tensor:
    """The mask as booleans, one for each element of ``input``."""
    if mask.shape != input.shape:
        if mask.ndim > input.ndim:
            raise IndexError("_input_mask expected broadcastable mask (got mask dimensionality higher than of the input)")
        mask = torch.broadcast_to(mask, input.shape)
    return mask.to(dtype=torch.bool)


def _fill(input: Tensor, mask: Tensor | None, value: Any) -> Tensor:
    """``input`` with ``value`` in the places that the mask takes out."""
    if mask is None:
        return input
    return torch.where(_input_mask(input, mask), input, torch.tensor(value, dtype=input.dtype, device=input.device))


def _wide(input: Tensor, dtype: Any) -> Any:
    """The dtype of a sum: int64 for smaller integers, unless one is asked for."""
    if dtype is not None:
        return dtype
    return torch.int64 if input.dtype in _SMALL_INTEGERS else input.dtype


def sum(input: Tensor, dim: Any = None, *, keepdim: bool | None = False, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """The sum of what the mask leaves in; 0 of nothing."""
    dims = _canonical_dim(dim, input.ndim)
    return torch.sum(_fill(input, mask, 0), dims, bool(keepdim), dtype=_wide(input, dtype))


def prod(
    input: Tensor, dim: Any = None, *, keepdim: bool | None = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """The product of what the mask leaves in; 1 of nothing."""
    result = _fill(input, mask, 1).to(dtype=_wide(input, dtype))
    for d in reversed(_canonical_dim(dim, input.ndim)):
        result = result.prod(dim=d, keepdim=bool(keepdim))
    return result


def cumsum(input: Tensor, dim: int, *, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """The running sum of what the mask leaves in."""
    dtype = input.dtype if dtype is None else dtype
    return torch.cumsum(_fill(input, mask, 0), _canonical_dim(dim, input.ndim)[0], dtype=dtype)


def cumprod(input: Tensor, dim: int, *, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """The running product of what the mask leaves in."""
    dtype = input.dtype if dtype is None else dtype
    return torch.cumprod(_fill(input, mask, 1), _canonical_dim(dim, input.ndim)[0], dtype=dtype)


def amax(
    input: Tensor, dim: Any = None, *, keepdim: bool | None = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """The largest of what the mask leaves in; of nothing, the lowest number there is."""
    filled = input if mask is None else _fill(input, mask, _lowest("amax", input.dtype))
    return torch.amax(filled, _canonical_dim(dim, input.ndim), bool(keepdim)).to(dtype=dtype or input.dtype)


def amin(
    input: Tensor, dim: Any = None, *, keepdim: bool | None = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """The smallest of what the mask leaves in; of nothing, the highest number there is."""
    filled = input if mask is None else _fill(input, mask, _highest("amin", input.dtype))
    return torch.amin(filled, _canonical_dim(dim, input.ndim), bool(keepdim)).to(dtype=dtype or input.dtype)


def argmax(
    input: Tensor, dim: int | None = None, *, keepdim: bool | None = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """Where the largest of what the mask leaves in is."""
    filled = input if mask is None else _fill(input, mask, _lowest("argmax", input.dtype))
    return torch.argmax(filled, dim, bool(keepdim)).to(dtype=dtype or input.dtype)


def argmin(
    input: Tensor, dim: int | None = None, *, keepdim: bool | None = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """Where the smallest of what the mask leaves in is."""
    filled = input if mask is None else _fill(input, mask, _highest("argmin", input.dtype))
    return torch.argmin(filled, dim, bool(keepdim)).to(dtype=dtype or input.dtype)


def _count(input: Tensor, dim: Any, keepdim: bool, mask: Tensor | None) -> Tensor:
    """How many elements the mask leaves in."""
    kept = torch.ones(input.shape, dtype=torch.int64, device=input.device) if mask is None else _input_mask(input, mask)
    return sum(kept, dim, keepdim=keepdim)


def mean(
    input: Tensor, dim: Any = None, *, keepdim: bool | None = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """The mean of what the mask leaves in; NaN of nothing."""
    source = "Input" if dtype is None else "Optional"
    dtype = input.dtype if dtype is None else dtype
    if not (dtype.is_floating_point or dtype.is_complex):
        raise ValueError(
            f"mean(): Could not infer output dtype. {source} dtype must be either a floating point or complex dtype. Got: {dtype}"
        )
    return sum(input, dim, keepdim=keepdim, dtype=dtype, mask=mask) / _count(input, dim, bool(keepdim), mask)


def median(input: Tensor, dim: int = -1, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """The lower median of what the mask leaves in; NaN of nothing.

    Raises:
        ValueError: for an integer median of nothing.
    """
    given = input.dtype
    values = input if given.is_floating_point else input.to(dtype=torch.float32)
    found = torch.nanmedian(_fill(values, mask, math.nan), _canonical_dim(dim, input.ndim)[0], keepdim).values
    if given.is_floating_point:
        return found
    if torch.isnan(found).any():
        raise ValueError("masked median expects no fully masked out rows if dtype is not floating point")
    return found.to(dtype=dtype or given)


def logsumexp(input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """The logarithm of the sum of the exponentials of what the mask leaves in."""
    filled = input
    if mask is not None:
        filled = _fill(input, mask, -math.inf if input.is_complex() else _lowest("logsumexp", input.dtype))
    dims = _canonical_dim(dim, input.ndim)
    return torch.logsumexp(filled, dims, keepdim=keepdim).to(dtype=dtype or input.dtype)


def logaddexp(
    input: Tensor, other: Tensor, *, dtype: Any = None, input_mask: Tensor | None = None, other_mask: Tensor | None = None
) -> Tensor:
    """``log(exp(input) + exp(other))``, what a mask takes out counting as nothing."""
    a = input if input_mask is None else _fill(input, input_mask, _lowest("logaddexp", input.dtype))
    b = other if other_mask is None else _fill(other, other_mask, _lowest("logaddexp", other.dtype))
    return torch.logaddexp(a, b).to(dtype=dtype or input.dtype)


def norm(
    input: Tensor, ord: float | None = 2.0, dim: Any = None, *, keepdim: bool | None = False, dtype: Any = None,
    mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The vector norm of what the mask leaves in."""
    filled = _fill(input, mask, math.inf if ord == -math.inf else 0)
    dims = _canonical_dim(dim, input.ndim)
    return torch.linalg.vector_norm(filled, ord, dims, bool(keepdim), dtype=dtype or input.dtype)


def _variance(
    input: Tensor, dim: Any, unbiased: bool | None, correction: float | None, keepdim: bool | None, dtype: Any,
    mask: Tensor | None,
) -> Tensor:  # fmt: skip
    if unbiased is not None and correction is not None:
        raise AssertionError("Only one of unbiased and correction may be given")
    if correction is None:
        correction = 1.0 if unbiased is None else float(unbiased)
    inexact = input.dtype.is_floating_point or input.dtype.is_complex
    dtype = dtype or (input.dtype if inexact else torch.float32)
    wide = dtype if dtype.is_floating_point or dtype.is_complex else torch.float32
    count = _count(input, dim, True, mask)
    x = torch.subtract(input, torch.divide(sum(input, dim, keepdim=True, dtype=dtype, mask=mask), count))
    total = sum(x * x.conj(), dim, keepdim=keepdim, dtype=wide, mask=mask)
    if not keepdim:
        count = count.reshape(total.shape)
    if correction != 0:
        real = dtypes.OF_NUMPY[promotion.to_real(wide.np)]
        count = torch.subtract(count.to(real), float(correction))
        count = torch.maximum(count, count.new_zeros([]))
    return torch.divide(total, count).to(dtype=dtype)


def var(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, *, correction: float | None = None,
    keepdim: bool | None = False, dtype: Any = None, mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The variance of what the mask leaves in; NaN of nothing."""
    return _variance(input, dim, unbiased, correction, keepdim, dtype, mask)


def std(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, *, correction: float | None = None,
    keepdim: bool | None = False, dtype: Any = None, mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The standard deviation of what the mask leaves in; NaN of nothing."""
    return torch.sqrt(_variance(input, dim, unbiased, correction, keepdim, dtype, mask))


def _normalized(name: str, doc: str, identity: Any) -> Any:
    def normalization(input: Tensor, dim: int, *, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
        filled = input if mask is None else _fill(input, mask, identity(name, input.dtype))
        return getattr(torch.nn.functional, name)(filled, _canonical_dim(dim, input.ndim)[0], dtype=dtype or input.dtype)

    normalization.__name__ = normalization.__qualname__ = name
    normalization.__doc__ = doc
    return normalization


softmax = _normalized("softmax", "Exponentials of what the mask leaves in, divided by their sum.", _lowest)
log_softmax = _normalized("log_softmax", "The logarithm of `softmax`.", _lowest)
softmin = _normalized("softmin", "`softmax` of the negated input.", _highest)


def normalize(
    input: Tensor, ord: float, dim: int, *, eps: float = 1e-12, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """``input`` divided by its norm along ``dim``, of which the mask takes part out; 0 there."""
    dtype = dtype or input.dtype
    size = norm(input, ord, dim, keepdim=True, dtype=dtype, mask=mask)
    return torch.divide(_fill(input, mask, 0), torch.maximum(size, size.new_full([], eps)))
