"""Spread, covariance, histograms. Medians and quantiles are in `order_statistics`."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlike._src.operators.precision import averaged, quotient, rounded
from torchlike._src.operators.promotion import BOOL, CATEGORY, COMPLEX, FLOAT, INTEGER, default_dtype, scalar_type
from torchlike._src.operators.registry import Array, Number, composite, op, ops
from torchlike._src.operators.support import Dims, as_dtype, checked, is_number, normalize_dims, refuse, vetted, widen


def _variance(name: str, input: Array, dim: Dims, correction: complex, keepdim: bool) -> tuple[Array, Array]:
    """Variance and mean over ``dim``, in float32 for halves."""
    if CATEGORY[np.dtype(input.dtype)] < FLOAT:
        raise RuntimeError(f"{name} only support floating point and complex dtypes")
    axes = normalize_dims(dim, input.ndim)
    (input,) = widen(input)
    mean = averaged(input, axes, keepdims=True)
    off = input - mean
    squares = jnp.real(off * jnp.conj(off)) if jnp.iscomplexobj(off) else off * off
    count = int(np.prod([input.shape[a] for a in axes], dtype=np.int64))
    if is_number(correction):
        freedom: Any = np.asarray(max(count - correction, 0), squares.dtype)
    else:
        freedom = jnp.maximum(count - correction, 0).astype(squares.dtype)
    variance = quotient(jnp.sum(squares, axes, keepdims=keepdim), freedom)
    return variance, mean if keepdim or not input.ndim else mean.squeeze(axes)


def _root(variance: Array) -> Array:
    """The square root, with gradient 0 where there is no spread: torch's choice."""
    still = variance == 0
    return jnp.where(still, 0, jnp.sqrt(jnp.where(still, 1, variance)))


@op("_var", method=False, out=True, saves=("input",), grad_name="VarBackward0")
def _var(input: Array, dim: Dims, correction: Number, keepdim: bool) -> Array:
    return _variance("std and var", input, dim, correction, keepdim)[0].astype(_real(input))


@op("_std", method=False, out=True, saves=("input", "result"), grad_name="StdBackward0")
def _std(input: Array, dim: Dims, correction: Number, keepdim: bool) -> Array:
    return _root(_variance("std and var", input, dim, correction, keepdim)[0]).astype(_real(input))


@op("_var_mean", method=False, saves=("input",), grad_name="VarMeanBackward0")
def _var_mean(input: Array, dim: Dims, correction: Number, keepdim: bool) -> tuple[Array, Array]:
    variance, mean = _variance("var_mean", input, dim, correction, keepdim)
    return variance.astype(_real(input)), mean.astype(input.dtype)


@op("_std_mean", method=False, saves=("input", "result"), grad_name="StdMeanBackward0")
def _std_mean(input: Array, dim: Dims, correction: Number, keepdim: bool) -> tuple[Array, Array]:
    variance, mean = _variance("std_mean", input, dim, correction, keepdim)
    return _root(variance).astype(_real(input)), mean.astype(input.dtype)


def _real(input: Array) -> np.dtype:
    return jnp.real(input).dtype if jnp.iscomplexobj(input) else input.dtype


def _spread(name: str, input: Any, dim: Any, unbiased: Any, keepdim: bool, correction: Any, out: Any = None) -> Any:
    """torch's two signatures: ``(dim, *, correction)`` and the older one with ``unbiased``, also first of all."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if unbiased is not None:
        correction = 1 if unbiased else 0
    into = {} if out is None else {"out": out}
    return ops[f"_{name}"](input, dim, 1 if correction is None else correction, keepdim, **into)


@composite("var")
def var(
    input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None, out: Any = None
) -> Any:
    """The variance over ``dim``: squares about the mean, divided by their number less ``correction`` (1)."""
    return _spread("var", input, dim, unbiased, keepdim, correction, out)


@composite("std")
def std(
    input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None, out: Any = None
) -> Any:
    """The standard deviation over ``dim``: the root of `var`."""
    return _spread("std", input, dim, unbiased, keepdim, correction, out)


@composite("var_mean", method=False)
def var_mean(input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None) -> Any:
    """`var` and `mean` at once."""
    return _spread("var_mean", input, dim, unbiased, keepdim, correction)


@composite("std_mean", method=False)
def std_mean(input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None) -> Any:
    """`std` and `mean` at once."""
    return _spread("std_mean", input, dim, unbiased, keepdim, correction)


def _check_weights(name: str, weights: Any, count: int, wanted: int, kind: str) -> None:
    if weights is None:
        return
    dtype = np.dtype(weights.dtype)
    if weights.ndim > 1:
        raise RuntimeError(
            f"cov(): expected {name} to have one or fewer dimensions but got {name} with {weights.ndim} dimensions"
        )
    if CATEGORY[dtype] != wanted:
        raise RuntimeError(f"cov(): expected {name} to have {kind} dtype but got {name} with {scalar_type(dtype)} dtype")
    if weights.size != count:
        raise RuntimeError(
            f"cov(): expected {name} to have the same numel as there are observations in the input but got {weights.size} != "
            f"{count}"
        )


def _negative_weights(input: Any, correction: int = 1, fweights: Any = None, aweights: Any = None) -> None:
    for name, weights in (("fweights", fweights), ("aweights", aweights)):
        if isinstance(weights, np.ndarray) and (weights < 0).any():
            raise RuntimeError(f"cov(): {name} cannot be negative")


@op("cov", grad_name="SqueezeBackward0")
@checked(_negative_weights)
def cov(input: Array, *, correction: int = 1, fweights: Array | None = None, aweights: Array | None = None) -> Array:
    """The covariance matrix of variables in rows; observations, in columns, may be repeated and weighted."""
    if input.ndim > 2:
        raise RuntimeError(f"cov(): expected input to have two or fewer dimensions but got an input with {input.ndim} dimensions")
    if CATEGORY[np.dtype(input.dtype)] == BOOL:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    x = input.reshape(1, -1) if input.ndim < 2 else input
    _check_weights("fweights", fweights, x.shape[1], INTEGER, "integral")
    _check_weights("aweights", aweights, x.shape[1], FLOAT, "floating point")
    if CATEGORY[np.dtype(x.dtype)] < FLOAT:
        x = x.astype(default_dtype())
    weights = None
    if fweights is not None:
        weights = fweights
    if aweights is not None:
        weights = aweights if weights is None else weights * aweights
    count = x.shape[1]
    total: Any = count if weights is None else jnp.sum(weights)
    if weights is None:
        mean = jnp.mean(x, 1, keepdims=True)
    else:
        mean = jnp.sum(x * weights, 1, keepdims=True) / total
    if aweights is not None and correction != 0:
        extra = aweights if fweights is None else aweights * weights
        freedom = total - correction * jnp.sum(weights * extra if fweights is None else extra) / total  # pyright: ignore[reportOptionalOperand]
    else:
        freedom = total - correction
    freedom = jnp.maximum(jnp.asarray(freedom).astype(jnp.real(x - mean).dtype), 0)
    off = x - mean
    weighted = off if weights is None else off * weights
    result = (weighted @ jnp.conj(off).T) / freedom
    return result.reshape(()) if result.size == 1 else result


@op("corrcoef", grad_name="DivBackward0")
def corrcoef(input: Array) -> Array:
    """The correlation matrix of variables in rows: `cov`, scaled to a diagonal of ones."""
    if input.ndim > 2:
        raise RuntimeError(
            f"corrcoef(): expected input to have two or fewer dimensions but got an input with {input.ndim} dimensions"
        )
    c = cov(input)
    if c.ndim == 0:
        return c / c
    spread = jnp.sqrt(jnp.real(jnp.diagonal(c)))
    result = c / spread[:, None] / spread[None, :]
    if jnp.iscomplexobj(result):
        return lax.complex(jnp.clip(jnp.real(result), -1, 1), jnp.clip(jnp.imag(result), -1, 1))
    return jnp.clip(result, -1, 1)


def _check_range(input: Any, bins: int = 100, min: Any = 0, max: Any = 0) -> None:
    if is_number(min) and is_number(max) and min > max:
        raise RuntimeError("torch.histc: max must be larger than min")


@op(
    "histc", differentiable=False,
    out="torch.histogram: input tensor and hist tensor should have the same dtype, but got input {made} and hist {given}",
)  # fmt: skip
@vetted(_check_range)
def histc(input: Array, bins: int = 100, min: Number = 0, max: Number = 0) -> Array:
    """How many elements fall in each of ``bins`` equal intervals of ``[min, max]``; both 0 mean the data's range."""
    if CATEGORY[np.dtype(input.dtype)] != FLOAT:
        refuse("histogram_cpu", input, BOOL, INTEGER, COMPLEX)
    if bins <= 0:
        raise RuntimeError(f"torch.histc(): bins must be > 0, but got {bins}")
    x = input.reshape(-1)
    _check_range(input, bins, min, max)
    low, high = as_dtype(min, x.dtype), as_dtype(max, x.dtype)
    if x.size:
        same = low == high
        low, high = jnp.where(same, jnp.min(x), low), jnp.where(same, jnp.max(x), high)
    same = low == high
    low, high = jnp.where(same, low - 1, low), jnp.where(same, high + 1, high)
    steps = [x - low, np.asarray(bins, x.dtype), high - low]  # rounded step by step, as torch's
    scaled = quotient(rounded(rounded(steps[0], x.dtype) * steps[1], x.dtype), rounded(steps[2], x.dtype))
    place = jnp.floor(rounded(scaled, x.dtype)).astype(np.int64)
    place = jnp.where(x == high, bins - 1, place)
    inside = (x >= low) & (x <= high)
    return jnp.zeros(bins, x.dtype).at[jnp.where(inside, place, bins)].add(1, mode="drop")


@op("bincount", eager=True, differentiable=False)
def bincount(input: Array, weights: Array | None = None, minlength: int = 0) -> Array:
    """How often each whole number occurs, or the sum of its weights."""
    refuse("bincount_cpu", input, BOOL, FLOAT, COMPLEX)
    if minlength < 0:
        raise RuntimeError("minlength should be >= 0")
    counted = np.asarray(input)
    if counted.ndim != 1 or (counted.size and counted.min() < 0):
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if weights is None:
        return jnp.asarray(np.bincount(counted, minlength=minlength).astype(np.int64))
    if weights.shape != input.shape:
        raise RuntimeError("weights should be 1-d and have the same length as input")
    dtype = np.float32 if weights.dtype == np.float32 else np.float64
    return jnp.asarray(np.bincount(counted, np.asarray(weights), minlength).astype(dtype))
