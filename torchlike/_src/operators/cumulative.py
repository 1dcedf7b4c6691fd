"""Running sums, products and extrema along a dimension, and their relatives."""

import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlike._src.operators.promotion import BOOL, CATEGORY, COMPLEX, FLOAT, INTEGER, default_dtype, promote
from torchlike._src.operators.registry import EXACT, LINEAR, NOTHING, Array, Out, op
from torchlike._src.operators.support import normalize_dim, refuse, widen


def _running_dtype(x: Array, dtype: np.dtype | None) -> np.dtype:
    if dtype is not None:
        return dtype
    return np.dtype(np.int64) if CATEGORY[np.dtype(x.dtype)] <= INTEGER else np.dtype(x.dtype)


@op("cumsum", inplace=True, out=Out(EXACT, typed=True), saves=())
def cumsum(input: Array, dim: int, *, dtype: np.dtype | None = None) -> Array:
    """The sums of the elements up to each one along ``dim``."""
    axis = normalize_dim(dim, input.ndim)
    input = input.astype(_running_dtype(input, dtype))
    if not input.size:
        return input
    refuse("cumsum_out_cpu", input, BOOL)
    if not input.ndim:
        return input
    (wide,) = widen(input)
    return jnp.cumsum(wide, axis, dtype=wide.dtype).astype(input.dtype)


def _of_one(input: Any, *rest: Any) -> dict[str, str] | None:
    return {"input": LINEAR} if math.prod(input.shape) <= 1 else None


@op("cumprod", inplace=True, out=Out(EXACT, typed=True), saves=("input", "result"), shortcut=_of_one)
def cumprod(input: Array, dim: int, *, dtype: np.dtype | None = None) -> Array:
    """The products of the elements up to each one along ``dim``."""
    axis = normalize_dim(dim, input.ndim)
    input = input.astype(_running_dtype(input, dtype))
    if not input.size:
        return input
    refuse("cumprod_out_cpu", input, BOOL)
    if not input.ndim:
        return input
    (wide,) = widen(input)
    return jnp.cumprod(wide, axis, dtype=wide.dtype).astype(input.dtype)


def _running(input: Array, dim: int, kernel: str, better: Callable[[Array, Array], Array]) -> tuple[Array, Array]:
    """The best so far and its index, the last of equals; NaN is best of all."""
    axis = normalize_dim(dim, input.ndim)
    if not input.size:
        return input, jnp.zeros(input.shape, np.int64)
    refuse(kernel, input, COMPLEX)
    if input.ndim == 0:
        return input, jnp.zeros((), np.int64)
    floating = CATEGORY[np.dtype(input.dtype)] == FLOAT

    def combine(left: tuple[Array, Array], right: tuple[Array, Array]) -> tuple[Array, Array]:
        takes = better(right[0], left[0])
        if floating:
            takes = (takes & ~jnp.isnan(left[0])) | jnp.isnan(right[0])
        return jnp.where(takes, right[0], left[0]), jnp.where(takes, right[1], left[1])

    place = lax.broadcasted_iota(np.int64, input.shape, axis)
    _, index = lax.associative_scan(combine, (lax.stop_gradient(input), place), axis=axis)
    return jnp.take_along_axis(input, index, axis, mode="promise_in_bounds"), index


@op("cummax", out="expected scalar_type {Made} but found {Given}", returns=("values", "indices"), saves=("input", "indices"))
def cummax(input: Array, dim: int) -> tuple[Array, Array]:
    """The maximum of the elements up to each one along ``dim``, and where it is."""
    return _running(input, dim, "cummax_cpu", lambda new, old: new >= old)


@op("cummin", out="expected scalar_type {Made} but found {Given}", returns=("values", "indices"), saves=("input", "indices"))
def cummin(input: Array, dim: int) -> tuple[Array, Array]:
    """The minimum of the elements up to each one along ``dim``, and where it is."""
    return _running(input, dim, "cummin_cpu", lambda new, old: new <= old)


@op("logcumsumexp", out="expected scalar_type {Made} but found {Given}", saves=("input", "result"))
def logcumsumexp(input: Array, dim: int) -> Array:
    """``log(cumsum(exp(input)))`` along ``dim`` without overflow."""
    axis = normalize_dim(dim, input.ndim)
    refuse("logcumsumexp_out_cpu", input, BOOL, INTEGER)
    if not input.ndim or not input.size:
        return input
    if jnp.iscomplexobj(input):
        from torchlike._src.operators.exponential import logaddexp

        return lax.associative_scan(logaddexp, input, axis=axis)
    return lax.cumlogsumexp(input, axis=axis)


def _only_the_input(input: Any, n: int, *rest: Any) -> dict[str, str] | None:
    return {"prepend": NOTHING, "append": NOTHING} if n == 0 else None


@op("diff", out=True, grad_name="SubBackward0", saves=(), layout="first", shortcut=_only_the_input)
def diff(input: Array, n: int = 1, dim: int = -1, prepend: Array | None = None, append: Array | None = None) -> Array:
    """The ``n``-th differences of neighbours along ``dim``."""
    if input.ndim == 0:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    axis = normalize_dim(dim, input.ndim)
    parts = [x.astype(input.dtype) for x in (prepend, input, append) if x is not None]
    x = jnp.concatenate(parts, axis) if len(parts) > 1 and n else input
    size = x.shape[axis]
    for _ in range(min(n, size)):
        head = lax.slice_in_dim(x, 1, x.shape[axis], axis=axis)
        tail = lax.slice_in_dim(x, 0, x.shape[axis] - 1, axis=axis)
        x = head ^ tail if CATEGORY[np.dtype(x.dtype)] == BOOL else head - tail
    return x


def _neighbours(y: Array, axis: int) -> Array:
    size = y.shape[axis]
    return lax.slice_in_dim(y, 0, size - 1, axis=axis) + lax.slice_in_dim(y, 1, size, axis=axis)


def _widths(y: Array, x: Array, axis: int) -> Array:
    """The distances between the points ``x``, ready to be multiplied with the neighbours of ``y`` along ``axis``."""
    size = y.shape[axis]
    if x.ndim == 1 and y.ndim > 1:
        if x.shape[0] != size:
            raise RuntimeError("trapezoid: There must be one `x` value for each sample point")
        return jnp.diff(x).reshape((-1,) + (1,) * (y.ndim - axis - 1))
    return jnp.diff(x, axis=axis - (y.ndim - x.ndim))


def _floating(x: Array) -> Array:
    return x if CATEGORY[np.dtype(x.dtype)] >= FLOAT else x.astype(default_dtype())


def _product(a: Array, b: Array) -> Array:
    return jnp.multiply(*promote((a, b), "common"))


@op("trapezoid", "trapz", method=False, grad_name="MulBackward1")
def trapezoid(y: Array, x: Array | None = None, *, dx: float | None = None, dim: int = -1) -> Array:
    """The integral along ``dim`` by the trapezoidal rule, over points ``x`` or steps of ``dx``."""
    axis = normalize_dim(dim, y.ndim)
    if y.dtype == np.bool_:
        given = "`y`" if x is None else "`x` or `y`"
        raise RuntimeError(f"trapezoid: received a bool input for {given}, but bool is not supported")
    if y.shape[axis] == 0:
        return jnp.zeros(y.shape[:axis] + y.shape[axis + 1 :], y.dtype)
    if x is not None:
        return _floating(jnp.sum(_product(_neighbours(y, axis), _widths(y, x, axis)), axis)) / 2
    ends = lax.index_in_dim(y, 0, axis, keepdims=False) + lax.index_in_dim(y, -1, axis, keepdims=False)
    total = jnp.sum(y, axis, dtype=_running_dtype(y, None))
    return (_floating(total) - _floating(ends) * 0.5) * (1.0 if dx is None else dx)


@op("cumulative_trapezoid", method=False, grad_name="MulBackward1")
def cumulative_trapezoid(y: Array, x: Array | None = None, *, dx: float | None = None, dim: int = -1) -> Array:
    """`trapezoid` up to each point along ``dim``."""
    axis = normalize_dim(dim, y.ndim)
    if x is not None:
        steps = _product(_neighbours(y, axis), _widths(y, x, axis))
        return _floating(jnp.cumsum(steps, axis, dtype=_running_dtype(steps, None))) / 2
    steps = _neighbours(y, axis)
    return _floating(jnp.cumsum(steps, axis, dtype=_running_dtype(steps, None))) * ((1.0 if dx is None else dx) / 2)
