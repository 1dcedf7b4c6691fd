"""Exponentials, logarithms and roots, and the functions made of them."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlike._src.operators.promotion import BOOL, COMPLEX, INTEGER
from torchlike._src.operators.registry import Array, Number, Operand, op
from torchlike._src.operators.support import as_dtype, on_host, operands, overload, refuse, widen


@op("exp", promote="float", inplace=True, out=True, saves=("result",), host=on_host(np.exp))
def exp(input: Array) -> Array:
    """``e ** input``."""
    return jnp.exp(input)


@op("exp2", "special.exp2", promote="float", inplace=True, out=True, saves=("result",))
def exp2(input: Array) -> Array:
    """``2 ** input``."""
    return jnp.exp2(*widen(input)).astype(input.dtype)


@op("expm1", "special.expm1", promote="float", inplace=True, out=True, saves=("result",))
def expm1(input: Array) -> Array:
    """``exp(input) - 1``, accurate near 0."""
    return jnp.expm1(input)


@op("log", promote="float", inplace=True, out=True, saves=("input",), host=on_host(np.log))
def log(input: Array) -> Array:
    """The natural logarithm."""
    return jnp.log(input)


@op("log2", promote="float", inplace=True, out=True, saves=("input",))
def log2(input: Array) -> Array:
    """The logarithm to base 2."""
    return jnp.log2(input)


@op("log10", promote="float", inplace=True, out=True, saves=("input",))
def log10(input: Array) -> Array:
    """The logarithm to base 10."""
    return jnp.log10(input)


@op("log1p", "special.log1p", promote="float", inplace=True, out=True, saves=("input",))
def log1p(input: Array) -> Array:
    """``log(1 + input)``, accurate near 0."""
    return jnp.log1p(input)


@op("sqrt", promote="float", inplace=True, out=True, saves=("result",), host=on_host(np.sqrt))
def sqrt(input: Array) -> Array:
    """The square root."""
    return jnp.sqrt(input)


@op("rsqrt", promote="float", inplace=True, out=True, saves=("result",))
def rsqrt(input: Array) -> Array:
    """``1 / sqrt(input)``."""
    return lax.rsqrt(input)


@op("sigmoid", "special.expit", promote="float", inplace=True, out=True, saves=("result",))
def sigmoid(input: Array) -> Array:
    """``1 / (1 + exp(-input))``."""
    return lax.logistic(input)


@op("logit", "special.logit", promote="float", inplace=True, out=True, saves=("input",))
def logit(input: Array, eps: Number | None = None) -> Array:
    """``log(x / (1 - x))``, with ``x`` first clamped to ``[eps, 1 - eps]``; outside [0, 1] it is NaN."""
    refuse("logit_cpu", input, COMPLEX)
    if eps is not None:
        eps = as_dtype(eps, input.dtype)
        inside = (input >= eps) & (input <= 1 - eps)
        clamped = lax.stop_gradient(jnp.where(input < eps, eps, 1 - eps))
        input = jnp.where(inside | jnp.isnan(input), input, clamped)
    return jnp.log(input / (1 - input))


@jax.custom_vjp
def _logaddexp(x: Array, y: Array) -> Array:
    return jnp.logaddexp(x, y)


def _logaddexp_backward(saved: tuple[Array, Array], cotangent: Array) -> tuple[Array, Array]:
    x, y = saved  # from their difference, not from the result, which is rounded at its own size
    return cotangent / (1 + jnp.exp(y - x)), cotangent / (1 + jnp.exp(x - y))


_logaddexp.defvjp(lambda x, y: (_logaddexp(x, y), (x, y)), _logaddexp_backward)


@op("logaddexp", promote="common", out=True, saves=("input", "other"))
def logaddexp(input: Array, other: Array) -> Array:
    """``log(exp(input) + exp(other))`` without overflow."""
    refuse("logaddexp_cpu", input, BOOL, INTEGER)
    input, other = operands(input, other)
    if not jnp.iscomplexobj(input):
        return _logaddexp(*jnp.broadcast_arrays(input, other))
    # The imaginary part is not brought back into (-pi, pi], as torch does not.
    less = jnp.real(input) < jnp.real(other)
    low, high = jnp.where(less, input, other), jnp.where(less, other, input)
    infinite = jnp.isneginf(jnp.real(high))
    return jnp.where(infinite, high, high + jnp.log1p(jnp.exp(jnp.where(infinite, -jnp.inf, low - high))))


@op("logaddexp2", promote="common", out=True, saves=("input", "other"))
def logaddexp2(input: Array, other: Array) -> Array:
    """``log2(2 ** input + 2 ** other)`` without overflow."""
    refuse("logaddexp2_cpu", input, BOOL, INTEGER, COMPLEX)
    input, other = operands(input, other)
    log_2 = np.asarray(math.log(2), input.dtype)
    return _logaddexp(*jnp.broadcast_arrays(input * log_2, other * log_2)) / log_2


@op(
    "xlogy", "special.xlogy", promote="float", inplace=True, out=True, saves=("input", "other"),
    grad_name=overload("Xlogy", 0, input=1, other=2),
)  # fmt: skip
def xlogy(input: Operand, other: Operand) -> Array:
    """``input * log(other)``: 0 where ``input`` is 0, NaN where ``other`` is."""
    input, other = jnp.broadcast_arrays(*operands(input, other))
    refuse("xlogy_cpu", input, COMPLEX)
    zero = (input == 0) & ~jnp.isnan(other)
    product = input * jnp.log(jnp.where(zero, 1, other))
    # The derivative by input stays log(other) at input 0 (if other > 0), as torch has it.
    return jnp.where(zero & (other <= 0), 0, jnp.where(zero, input * jnp.log(jnp.where(other <= 0, 1, other)), product))


@op(
    "special.xlog1py", promote="float", out=True, saves=("input", "other"),
    grad_name=overload("SpecialXlog1Py", 0, input=1, other=2),
)  # fmt: skip
def xlog1py(input: Operand, other: Operand) -> Array:
    """``input * log1p(other)``: 0 where ``input`` is 0, NaN where ``other`` is."""
    input, other = jnp.broadcast_arrays(*operands(input, other))
    refuse("xlog1py_cpu", input, COMPLEX)
    zero = (input == 0) & ~jnp.isnan(other)
    product = input * jnp.log1p(jnp.where(zero & (other <= -1), 0, other))
    return jnp.where(zero & (other <= -1), 0, product)
