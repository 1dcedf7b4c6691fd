"""Order statistics: medians, quantiles, the k-th and the most frequent value."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlike._src.operators.promotion import BOOL, CATEGORY, COMPLEX, FLOAT, scalar_type
from torchlike._src.operators.registry import NOTHING, Array, Operand, Out, composite, op, ops
from torchlike._src.operators.support import as_dtype, is_number, normalize_dim, refuse, vetted


def _ordered(input: Array, axis: int) -> Array:
    """The indices that sort along ``axis``: stably, NaN last."""
    return jnp.argsort(lax.stop_gradient(input), axis, stable=True)


def _element(input: Array, index: Array, axis: int, keepdim: bool) -> tuple[Array, Array]:
    """The elements at ``index``, which has size 1 along ``axis``, and the index."""
    values = jnp.take_along_axis(input, index, axis, mode="promise_in_bounds")
    return (values, index) if keepdim else (values.squeeze(axis), index.squeeze(axis))


def _middle(name: str, input: Array, axis: int, keepdim: bool) -> tuple[Array, Array]:
    """The lower median; for ``nanmedian`` of what is not NaN, else NaN if there is one."""
    size = input.shape[axis]
    if size == 0:
        raise IndexError(f"{name}(): Expected reduction dim {axis} to have non-zero size.")
    order = _ordered(input, axis)
    floating = CATEGORY[np.dtype(input.dtype)] == FLOAT
    missing = jnp.sum(jnp.isnan(input), axis, keepdims=True) if floating else 0
    place = (size - 1 - missing) // 2 if name == "nanmedian" else (size - 1) // 2
    place = jnp.where(missing == size, 0, jnp.maximum(place, 0))
    if name == "median":
        place = jnp.where(missing > 0, size - missing, place)  # the first NaN in order
    shape = (*input.shape[:axis], 1, *input.shape[axis + 1 :])
    index = jnp.take_along_axis(order, jnp.broadcast_to(place, shape), axis)
    return _element(input, index, axis, keepdim)


def _median_all(name: str, input: Array) -> Array:
    if input.size == 0:
        return jnp.full((), np.nan, input.dtype)
    refuse("median_cpu", input, BOOL, COMPLEX)
    return _middle(name, input.reshape(-1), 0, False)[0]


def _median_dim(name: str, input: Array, dim: int, keepdim: bool) -> tuple[Array, Array]:
    axis = normalize_dim(dim, input.ndim)
    refuse("median_out", input, BOOL, COMPLEX)
    if input.ndim == 0:
        return input, jnp.zeros((), np.int64)
    return _middle(name, input, axis, keepdim)


def _tensor_type(dtype: np.dtype) -> str:
    return f"torch.{scalar_type(dtype)}Tensor"


_MEDIAN = Out((
    lambda made, given: f"Expected tensor for 'values' to have the same type as tensor for argument #2 'self'; but type "
    f"{_tensor_type(given)} does not equal {_tensor_type(made)} (while checking arguments for median)",
    lambda _, given: f"Expected tensor for argument #1 'indices' to have scalar type Long; but got {_tensor_type(given)} "
    "instead (while checking arguments for median)",
))  # fmt: skip


@op("_median_all", method=False, out=True, saves=("input", "result"), grad_name="MedianBackward0")
def _median_of_all(input: Array) -> Array:
    return _median_all("median", input)


@op("_median_dim", method=False, out=_MEDIAN, returns=("values", "indices"), grad_name="MedianBackward1")
def _median_over(input: Array, dim: int, keepdim: bool = False) -> tuple[Array, Array]:
    return _median_dim("median", input, dim, keepdim)


@op("_nanmedian_all", method=False, out=True, saves=("input", "result"), grad_name="NanmedianBackward0")
def _nanmedian_of_all(input: Array) -> Array:
    return _median_all("nanmedian", input)


@op("_nanmedian_dim", method=False, out=_MEDIAN, returns=("values", "indices"), grad_name="NanmedianBackward1")
def _nanmedian_over(input: Array, dim: int, keepdim: bool = False) -> tuple[Array, Array]:
    return _median_dim("nanmedian", input, dim, keepdim)


@composite("median")
def median(input: Any, dim: int | None = None, keepdim: bool = False, *, out: Any = None) -> Any:
    """The lower median of everything, or over ``dim`` as ``(values, indices)``; NaN if there is any."""
    into = {} if out is None else {"out": out}
    return ops._median_all(input, **into) if dim is None else ops._median_dim(input, dim, keepdim, **into)


@composite("nanmedian")
def nanmedian(input: Any, dim: int | None = None, keepdim: bool = False, *, out: Any = None) -> Any:
    """`median` of what is not NaN."""
    into = {} if out is None else {"out": out}
    return ops._nanmedian_all(input, **into) if dim is None else ops._nanmedian_dim(input, dim, keepdim, **into)


_KTH = Out(("output values must be of same type as input", "output indices must be of scalar type Long"), apart=True)


@op("kthvalue", out=_KTH, returns=("values", "indices"), saves=("indices",))
def kthvalue(input: Array, k: int, dim: int = -1, keepdim: bool = False) -> tuple[Array, Array]:
    """The ``k``-th smallest along ``dim``, counted from 1."""
    axis = normalize_dim(dim, input.ndim)
    size = input.shape[axis] if input.ndim else 1
    if size == 0:
        raise IndexError(f"kthvalue(): Expected reduction dim {axis} to have non-zero size.")
    if not 1 <= k <= size:
        raise RuntimeError("kthvalue(): selected number k out of range for dimension " + str(axis))
    refuse("kthvalue_cpu", input, BOOL, COMPLEX)
    if input.ndim == 0:
        return input, jnp.zeros((), np.int64)
    index = lax.slice_in_dim(_ordered(input, axis), k - 1, k, axis=axis)
    return _element(input, index, axis, keepdim)


@op(
    "mode",
    out=Out(tuple([f"expected scalar type '{{Made}}' but got '{{Given}}' for {name} output" for name in ("values", "indices")])),
    returns=("values", "indices"),
    saves=("indices",),
)
def mode(input: Array, dim: int = -1, keepdim: bool = False) -> tuple[Array, Array]:
    """The most frequent value along ``dim``, the smallest of several, and its last index."""
    axis = normalize_dim(dim, input.ndim)
    if input.ndim == 0:
        return input, jnp.zeros((), np.int64)
    size = input.shape[axis]
    if size == 0:
        raise IndexError(f"mode(): Expected reduction dim {axis} to have non-zero size.")
    if input.size:
        refuse("mode_cpu", input, COMPLEX)
    order = jnp.moveaxis(_ordered(input, axis), axis, -1)
    ranked = jnp.take_along_axis(jnp.moveaxis(lax.stop_gradient(input), axis, -1), order, -1)
    place = lax.broadcasted_iota(np.int64, ranked.shape, ranked.ndim - 1)
    fresh = jnp.concatenate([jnp.ones_like(ranked[..., :1], bool), ranked[..., 1:] != ranked[..., :-1]], -1)
    run = place - lax.cummax(jnp.where(fresh, place, 0), axis=ranked.ndim - 1)  # how often seen before, so far
    last = jnp.argmax(run, -1, keepdims=True)  # where the longest run, the first of them, ends
    index = jnp.moveaxis(jnp.take_along_axis(order, last, -1), -1, axis)
    return _element(input, index, axis, keepdim)


_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def _check_share(name: str) -> Any:
    def check(input: Any, q: Any, *_: Any) -> None:
        if is_number(q) and not 0 <= q <= 1:
            raise RuntimeError(f"{name}() q must be in the range [0, 1] but got {q:g}")

    return check


def _quantile(name: str, input: Array, q: Any, dim: int | None, keepdim: bool, interpolation: str) -> Array:
    """Quantiles by torch's steps: ``q`` comes first in the result if it is 1-d."""
    if interpolation not in _INTERPOLATIONS:
        raise RuntimeError(
            f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, but got {interpolation}"
        )
    if input.size == 0:
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    if input.dtype not in (np.float32, np.float64):
        raise RuntimeError("quantile() input tensor must be either float or double dtype")
    _check_share(name)(input, q)
    if getattr(q, "ndim", 0) > 1:
        raise RuntimeError(f"{name}() q must be a scalar or 1D tensor")
    if getattr(q, "ndim", 0) and q.dtype != input.dtype:
        raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor")
    axis = 0 if dim is None else normalize_dim(dim, input.ndim)
    shape = list(input.shape)
    values = input.reshape(-1, 1) if dim is None or input.ndim == 0 else jnp.moveaxis(input, axis, 0)
    if dim is None:
        shape = [1] * input.ndim if keepdim else []
    elif input.ndim:
        shape = shape[:axis] + ([1] if keepdim else []) + shape[axis + 1 :]
    order = _ordered(values, 0)
    ranked = jnp.take_along_axis(values, order, 0, mode="promise_in_bounds")
    missing = jnp.isnan(values)
    size = values.shape[0]
    q = as_dtype(q, np.dtype(input.dtype))
    points = jnp.atleast_1d(q)[:, None]
    if name == "nanquantile":
        rank = points * (size - 1 - jnp.sum(missing, 0).reshape(1, -1)).astype(input.dtype)
        rank = jnp.maximum(rank, 0)
    else:
        rank = jnp.broadcast_to(points * np.asarray(size - 1, input.dtype), (points.shape[0], values[0].size))
        rank = jnp.where(missing.any(0).reshape(1, -1), np.asarray(size - 1, input.dtype), rank)
    if interpolation == "lower":
        rank = jnp.floor(rank)
    elif interpolation == "higher":
        rank = jnp.ceil(rank)
    elif interpolation == "nearest":
        rank = jnp.round(rank)
    flat = ranked.reshape(size, -1)
    below = rank.astype(np.int64)
    low = jnp.take_along_axis(flat, below, 0)
    if interpolation in ("linear", "midpoint"):
        weight = jnp.full_like(rank, 0.5) if interpolation == "midpoint" else rank - below.astype(rank.dtype)
        high = jnp.take_along_axis(flat, jnp.ceil(rank).astype(np.int64), 0)
        low = jnp.where(weight < 0.5, low + weight * (high - low), high - (high - low) * (1 - weight))
    return low.reshape(tuple(shape) if q.ndim == 0 else (q.shape[0], *shape))


def _at_a_rank(input: Any, q: Any, dim: Any, keepdim: bool, interpolation: str) -> dict[str, str] | None:
    """Only between two ranks does the result change with ``q``."""
    return None if interpolation == "linear" else {"q": NOTHING}


_SAME_DTYPE = "quantile() out tensor must be same dtype as the input tensor"


@op("quantile", out=_SAME_DTYPE, grad_name="SqueezeBackward4", shortcut=_at_a_rank)
@vetted(_check_share("quantile"))
def quantile(input: Array, q: Operand, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear") -> Array:
    """The value below which the fraction ``q`` lies, along ``dim`` or of everything; NaN if there is any."""
    return _quantile("quantile", input, q, dim, keepdim, interpolation)


@op("nanquantile", out=_SAME_DTYPE, grad_name="SqueezeBackward4", shortcut=_at_a_rank)
@vetted(_check_share("nanquantile"))
def nanquantile(
    input: Array, q: Operand, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Array:
    """`quantile` of what is not NaN."""
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation)
