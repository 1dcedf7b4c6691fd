"""Sums, products, truth and extrema over dimensions."""

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlike._src.operators import registry
from torchlike._src.operators.precision import averaged
from torchlike._src.operators.promotion import BFLOAT16, BOOL, CATEGORY, COMPLEX, FLOAT, INTEGER, scalar_type
from torchlike._src.operators.registry import EXACT, LINEAR, Array, Out, composite, op, ops
from torchlike._src.operators.support import Dims, normalize_dim, normalize_dims, refuse, refuse_complex

_INT64 = np.dtype(np.int64)
_HALVES = (BFLOAT16, np.dtype(np.float16))


def _sum_dtype(dtype: np.dtype, wanted: np.dtype | None) -> np.dtype:
    """What a sum of ``dtype`` is: int64 for bools and integers."""
    if wanted is not None:
        return wanted
    return _INT64 if CATEGORY[dtype] <= INTEGER else dtype


#: Sums and products are computed in the dtype of their ``out``.
_TYPED = Out(EXACT, typed=True)


def _by_overload(name: str) -> Callable[[dict[str, Any]], str]:
    """torch numbers its overloads: 0 reduces everything, 1 over given dims."""
    return lambda bound: f"{name}Backward{0 if bound['dim'] is None else 1}"


def _host_sum(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    axes = normalize_dims(dim, input.ndim)
    dtype = _sum_dtype(input.dtype, dtype)
    wide = np.dtype(np.float32) if dtype in _HALVES else dtype
    return np.asarray(input.sum(axes, dtype=wide, keepdims=keepdim)).astype(dtype, copy=False)


@op("sum", out=_TYPED, host=_host_sum, grad_name=_by_overload("Sum"), saves=())
def sum(input: Array, dim: Dims = None, keepdim: bool = False, *, dtype: np.dtype | None = None) -> Array:
    """The sum over ``dim`` (all dimensions for None and for ``()``); bools and integers sum to int64."""
    axes = normalize_dims(dim, input.ndim)
    dtype = _sum_dtype(np.dtype(input.dtype), dtype)
    wide = np.dtype(np.float32) if dtype in _HALVES else dtype
    return jnp.sum(input.astype(wide), axes, dtype=wide, keepdims=keepdim).astype(dtype)


@op("nansum", out=Out("nansum: provided dtype must match dtype of result. Got {Given} and {Made}.", typed=True), saves=("input",))
def nansum(input: Array, dim: Dims = None, keepdim: bool = False, *, dtype: np.dtype | None = None) -> Array:
    """`sum`, NaN counting as zero."""
    normalize_dims(dim, input.ndim)
    if CATEGORY[np.dtype(input.dtype)] == COMPLEX:
        raise RuntimeError("nansum on CPU does not support complex inputs")
    if CATEGORY[np.dtype(input.dtype)] == FLOAT:
        if dtype is not None:
            refuse("nansum_cpu", np.empty(0, dtype), BOOL, INTEGER)
        input = jnp.where(jnp.isnan(input), 0, input)
    return sum(input, dim, keepdim, dtype=dtype)


def mean_dtype(dtype: np.dtype, wanted: np.dtype | None) -> np.dtype:
    found = dtype if wanted is None else wanted
    if CATEGORY[found] < FLOAT:
        which = "Input dtype" if wanted is None else "Optional dtype"
        raise RuntimeError(
            f"mean(): could not infer output dtype. {which} must be either a floating point or complex dtype. "
            f"Got: {scalar_type(found)}"
        )
    return found


def _host_mean(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    dtype = mean_dtype(input.dtype, dtype)
    axes = normalize_dims(dim, input.ndim)
    wide = np.dtype(np.float32) if dtype in _HALVES else dtype
    count = int(np.prod([input.shape[a] for a in axes], dtype=np.int64))
    with np.errstate(all="ignore"):
        total = input.sum(axes, dtype=wide, keepdims=keepdim) / np.asarray(count, wide)
    return np.asarray(total).astype(dtype, copy=False)


@op("mean", out=True, host=_host_mean, grad_name=_by_overload("Mean"), saves=())
def mean(input: Array, dim: Dims = None, keepdim: bool = False, *, dtype: np.dtype | None = None) -> Array:
    """The mean over ``dim``, of floats; NaN of nothing.

    Raises:
        RuntimeError: for bools and integers.
    """
    dtype = mean_dtype(np.dtype(input.dtype), dtype)
    axes = normalize_dims(dim, input.ndim)
    wide = np.dtype(np.float32) if dtype in _HALVES else dtype
    return averaged(input.astype(wide), axes, keepdims=keepdim).astype(dtype)


@op("nanmean", out=True, grad_name="DivBackward0")
def nanmean(input: Array, dim: Dims = None, keepdim: bool = False, *, dtype: np.dtype | None = None) -> Array:
    """The mean of what is not NaN."""
    if CATEGORY[np.dtype(input.dtype)] < FLOAT:
        raise RuntimeError(
            f"nanmean(): expected input to have floating point or complex dtype but got {scalar_type(np.dtype(input.dtype))}"
        )
    refuse_complex("nansum on CPU does not support complex inputs", input)
    missing = jnp.isnan(input)
    axes = normalize_dims(dim, input.ndim)
    total = sum(jnp.where(missing, 0, input), dim, keepdim, dtype=dtype)
    return total / jnp.sum(~missing, axes, keepdims=keepdim).astype(total.dtype)


def _of_one(input: Any, *rest: Any) -> dict[str, str] | None:
    return None if input.ndim else {"input": LINEAR}


@op("prod", out=_TYPED, saves=("input", "result", "~input"), grad_name=_by_overload("Prod"), shortcut=_of_one)
def prod(input: Array, dim: int | None = None, keepdim: bool = False, *, dtype: np.dtype | None = None) -> Array:
    """The product over ``dim``, or of everything; bools and integers give int64."""
    axes = normalize_dims(dim, input.ndim)
    return jnp.prod(input, axes, dtype=_sum_dtype(np.dtype(input.dtype), dtype), keepdims=keepdim)


def _truth_dtype(x: Any) -> Any:
    """Truth is bool, but of uint8 it is uint8: torch's first bools."""
    return np.uint8 if x.dtype == np.uint8 else np.bool_


def _host_all(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    axes = normalize_dims(dim, input.ndim)
    return np.asarray(np.all(input != 0, axes, keepdims=keepdim)).astype(_truth_dtype(input))


def _host_any(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    axes = normalize_dims(dim, input.ndim)
    return np.asarray(np.any(input != 0, axes, keepdims=keepdim)).astype(_truth_dtype(input))


@op(
    "all",
    out=Out("all only supports bool tensor for result, got: {Given}", also=("bool", "uint8")),
    differentiable=False,
    host=_host_all,
)
def all(input: Array, dim: Dims = None, keepdim: bool = False) -> Array:
    """Whether everything over ``dim`` is nonzero."""
    return jnp.all(input != 0, normalize_dims(dim, input.ndim), keepdims=keepdim).astype(_truth_dtype(input))


@op(
    "any",
    out=Out("any only supports bool tensor for result, got: {Given}", also=("bool", "uint8")),
    differentiable=False,
    host=_host_any,
)
def any(input: Array, dim: Dims = None, keepdim: bool = False) -> Array:
    """Whether anything over ``dim`` is nonzero."""
    return jnp.any(input != 0, normalize_dims(dim, input.ndim), keepdims=keepdim).astype(_truth_dtype(input))


@op("count_nonzero", differentiable=False)
def count_nonzero(input: Array, dim: Dims = None) -> Array:
    """How many elements over ``dim`` are not zero."""
    return jnp.sum(input != 0, normalize_dims(dim, input.ndim), dtype=np.int64)


def _check_extremum(name: str, x: Any, dims: Sequence[int]) -> None:
    """Extrema of nothing do not exist. No ``dims`` are all."""
    if not dims and x.size == 0:
        raise RuntimeError(
            f"{name}(): Expected reduction dim to be specified for input.numel() == 0. "
            "Specify the reduction dim with the 'dim' argument."
        )
    for number in dims:
        if x.ndim and x.shape[normalize_dim(number, x.ndim)] == 0:  # named as it was given
            raise IndexError(f"{name}(): Expected reduction dim {number} to have non-zero size.")


def _extremum(name: str, reduce: Callable[..., Array], kernel: str, input: Array, dim: Dims, keepdim: bool) -> Array:
    _check_extremum(name, input, dim if isinstance(dim, (tuple, list)) else () if dim is None else (dim,))
    axes = normalize_dims(dim, input.ndim)
    if input.size:
        refuse(kernel, input, COMPLEX)
    elif CATEGORY[np.dtype(input.dtype)] == COMPLEX:
        return jnp.sum(input, axes, keepdims=keepdim)
    return reduce(input, axes, keepdims=keepdim)


@op(
    "amax",
    out="Expected the dtype for input and out to match, but got {Made} for input's dtype and {Given} for out's dtype.",
    saves=("input", "result"),
)
def amax(input: Array, dim: Dims = (), keepdim: bool = False) -> Array:
    """The maximum over ``dim``; equal maxima share the gradient."""
    return _extremum("amax", jnp.max, "max_values_cpu", input, dim, keepdim)


@op(
    "amin",
    out="Expected the dtype for input and out to match, but got {Made} for input's dtype and {Given} for out's dtype.",
    saves=("input", "result"),
)
def amin(input: Array, dim: Dims = (), keepdim: bool = False) -> Array:
    """The minimum over ``dim``; equal minima share the gradient."""
    return _extremum("amin", jnp.min, "min_values_cpu", input, dim, keepdim)


@op("aminmax", out="exact", returns=("min", "max"), saves=("input", "min", "max"))
def aminmax(input: Array, *, dim: int | None = None, keepdim: bool = False) -> tuple[Array, Array]:
    """Minimum and maximum at once."""
    axes = normalize_dims(dim, input.ndim)
    if input.size == 0 and (dim is None or input.shape[axes[0]] == 0):
        if dim is not None:
            raise IndexError(f"aminmax: Expected reduction dim {axes[0]} to have non-zero size.")
        raise RuntimeError("aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity.")
    refuse("aminmax_cpu", input, COMPLEX)
    return jnp.min(input, axes, keepdims=keepdim), jnp.max(input, axes, keepdims=keepdim)


def _host_extremum(reduce: Callable[..., Any]) -> Callable[..., Any]:
    def host(input: Any) -> Any:
        if input.size == 0 or input.dtype.kind == "c":
            return NotImplemented  # the device says what is wrong
        return np.asarray(reduce(input))

    return host


@op("_max_all", method=False, out=True, saves=("input", "result"), grad_name="MaxBackward1", host=_host_extremum(np.max))
def _max_all(input: Array) -> Array:
    return _extremum("max", jnp.max, "max_all", input, None, False)


@op("_min_all", method=False, out=True, saves=("input", "result"), grad_name="MinBackward1", host=_host_extremum(np.min))
def _min_all(input: Array) -> Array:
    return _extremum("min", jnp.min, "min_all", input, None, False)


def _first(input: Array, best: Array, axis: int) -> Array:
    """The first index along ``axis`` that holds ``best``, or the first NaN: several times faster than argmax on CPU."""
    found = input == best
    if CATEGORY[np.dtype(input.dtype)] == FLOAT:
        found |= jnp.isnan(input)
    index = lax.broadcasted_iota(np.int64, input.shape, axis)
    return jnp.min(jnp.where(found, index, input.shape[axis]), axis, keepdims=True)


def _with_index(name: str, reduce: Callable[..., Array], input: Array, dim: int, keepdim: bool) -> tuple[Array, Array]:
    axis = normalize_dim(dim, input.ndim)
    _check_extremum(name, input, (axis,))
    if CATEGORY[np.dtype(input.dtype)] == COMPLEX:
        raise RuntimeError(f"{name}(): does not support complex input")
    if input.ndim == 0:
        return input, jnp.zeros((), np.int64)
    index = _first(input, lax.stop_gradient(reduce(lax.stop_gradient(input), axis, keepdims=True)), axis)
    # Gathered, so that the gradient goes to that one element and not to its equals.
    values = jnp.take_along_axis(input, index, axis, mode="promise_in_bounds")
    return (values, index) if keepdim else (values.squeeze(axis), index.squeeze(axis))


@op("_max_dim", method=False, out=EXACT, returns=("values", "indices"), saves=("indices",), grad_name="MaxBackward0")
def _max_dim(input: Array, dim: int, keepdim: bool = False) -> tuple[Array, Array]:
    return _with_index("max", jnp.max, input, dim, keepdim)


@op("_min_dim", method=False, out=EXACT, returns=("values", "indices"), saves=("indices",), grad_name="MinBackward0")
def _min_dim(input: Array, dim: int, keepdim: bool = False) -> tuple[Array, Array]:
    return _with_index("min", jnp.min, input, dim, keepdim)


@composite("max")
def max(input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None, out: Any = None) -> Any:
    """The maximum of everything; over ``dim``, as ``(values, indices)``; or of two tensors, as `maximum`."""
    return _overloads("max", ops.maximum, input, dim, keepdim, other, out)


@composite("min")
def min(input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None, out: Any = None) -> Any:
    """The minimum of everything; over ``dim``, as ``(values, indices)``; or of two tensors, as `minimum`."""
    return _overloads("min", ops.minimum, input, dim, keepdim, other, out)


def _overloads(name: str, of_two: Any, input: Any, dim: Any, keepdim: bool, other: Any, out: Any) -> Any:
    into = {} if out is None else {"out": out}
    if other is not None or registry.is_tensor(dim):
        return of_two(input, dim if other is None else other, **into)
    if dim is None:
        return ops[f"_{name}_all"](input, **into)
    return ops[f"_{name}_dim"](input, dim, keepdim, **into)


def _argument(name: str, reduce: Callable[..., Array], input: Array, dim: int | None, keepdim: bool) -> Array:
    if dim is None and input.size == 0:
        raise IndexError(f"{name}(): Expected reduction dim to be specified for input.numel() == 0.")
    for kind, word in ((COMPLEX, "complex"), (BOOL, "bool")):
        if CATEGORY[np.dtype(input.dtype)] == kind:
            raise RuntimeError(f"{name}(): does not support {word} input")
    if dim is None:
        index = _first(input.reshape(-1), reduce(input), 0)
        return index.reshape((1,) * input.ndim if keepdim else ())
    axis = normalize_dim(dim, input.ndim)
    _check_extremum(name, input, (axis,))
    if input.ndim == 0:
        return jnp.zeros((), np.int64)
    index = _first(input, reduce(input, axis, keepdims=True), axis)
    return index if keepdim else index.squeeze(axis)


def _host_argument(reduce: Callable[..., Any]) -> Callable[..., Any]:
    def host(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
        if input.size == 0 or input.dtype.kind in "bc" or input.ndim == 0:
            return NotImplemented  # the device says what is wrong
        axis = None if dim is None else normalize_dim(dim, input.ndim)
        return np.asarray(reduce(input, axis, keepdims=keepdim))

    return host


@op("argmax", out=EXACT, differentiable=False, host=_host_argument(np.argmax))
def argmax(input: Array, dim: int | None = None, keepdim: bool = False) -> Array:
    """The index of the first maximum along ``dim``, or in the flattened input."""
    return _argument("argmax", jnp.max, input, dim, keepdim)


@op("argmin", out=EXACT, differentiable=False, host=_host_argument(np.argmin))
def argmin(input: Array, dim: int | None = None, keepdim: bool = False) -> Array:
    """The index of the first minimum along ``dim``, or in the flattened input."""
    return _argument("argmin", jnp.min, input, dim, keepdim)


@op(
    "logsumexp", "special.logsumexp", promote="float", saves=("input", "result"),
    out=Out("logsumexp(): Expected floating point type for result tensor, but got: {Given}", cast=True),
)  # fmt: skip
def logsumexp(input: Array, dim: Dims, keepdim: bool = False) -> Array:
    """``log(sum(exp(input)))`` over ``dim`` without overflow."""
    axes = normalize_dims(dim, input.ndim)
    if input.size == 0:
        return jnp.log(jnp.sum(jnp.exp(input), axes, keepdims=keepdim))
    top = lax.stop_gradient(jnp.max(jnp.real(input), axes, keepdims=True))
    top = jnp.where(jnp.isfinite(top), top, 0)
    total = jnp.log(jnp.sum(jnp.exp(input - top), axes, keepdims=True)) + top
    return total if keepdim or not input.ndim else total.squeeze(axes)
