"""Circular and hyperbolic functions, and their inverses. Angles are in radians."""

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlike._src.operators.promotion import COMPLEX, FLOAT
from torchlike._src.operators.registry import Array, op
from torchlike._src.operators.support import on_host, operands, refuse, refuse_complex, widen


@op("sin", promote="float", inplace=True, out=True, saves=("input",), host=on_host(np.sin))
def sin(input: Array) -> Array:
    """The sine."""
    return jnp.sin(input)


@op("cos", promote="float", inplace=True, out=True, saves=("input",), host=on_host(np.cos))
def cos(input: Array) -> Array:
    """The cosine."""
    return jnp.cos(input)


@op("tan", promote="float", inplace=True, out=True, saves=("result",))
def tan(input: Array) -> Array:
    """The tangent."""
    return jnp.tan(input)


@op("asin", "arcsin", promote="float", inplace=True, out=True, saves=("input",))
def asin(input: Array) -> Array:
    """The angle in [-π/2, π/2] whose sine is ``input``."""
    return jnp.arcsin(input)


@op("acos", "arccos", promote="float", inplace=True, out=True, saves=("input",))
def acos(input: Array) -> Array:
    """The angle in [0, π] whose cosine is ``input``."""
    return jnp.arccos(input)


@op("atan", "arctan", promote="float", inplace=True, out=True, saves=("input",))
def atan(input: Array) -> Array:
    """The angle in (-π/2, π/2) whose tangent is ``input``."""
    return jnp.arctan(input)


@op("atan2", "arctan2", promote="float", inplace=True, out=True, saves=("input", "other"))
def atan2(input: Array, other: Array) -> Array:
    """The angle in (-π, π] of the point ``(other, input)``."""
    refuse("atan2_cpu", input, COMPLEX)
    input, other = operands(input, other)
    # At the origin torch lets nothing through where the derivative would be 0/0.
    origin = (input == 0) & (other == 0)
    angle = jnp.arctan2(jnp.where(origin, lax.stop_gradient(input), input), jnp.where(origin, 1, other))
    return jnp.where(origin, lax.stop_gradient(jnp.arctan2(input, other)), angle)


@op("sinh", promote="float", inplace=True, out=True, saves=("input",))
def sinh(input: Array) -> Array:
    """The hyperbolic sine."""
    return jnp.sinh(input)


@op("cosh", promote="float", inplace=True, out=True, saves=("input",))
def cosh(input: Array) -> Array:
    """The hyperbolic cosine."""
    return jnp.cosh(input)


@op("tanh", promote="float", inplace=True, out=True, saves=("result",), host=on_host(np.tanh))
def tanh(input: Array) -> Array:
    """The hyperbolic tangent."""
    return jnp.tanh(input)


@op("asinh", "arcsinh", promote="float", inplace=True, out=True, saves=("input",))
def asinh(input: Array) -> Array:
    """The inverse of `sinh`."""
    return jnp.arcsinh(input)


@op("acosh", "arccosh", promote="float", inplace=True, out=True, saves=("input",))
def acosh(input: Array) -> Array:
    """The inverse of `cosh`, at least 0."""
    return jnp.arccosh(input)


@op("atanh", "arctanh", promote="float", inplace=True, out=True, saves=("input",))
def atanh(input: Array) -> Array:
    """The inverse of `tanh`."""
    return jnp.arctanh(input)


@op("sinc", "special.sinc", promote="float", inplace=True, out=True, saves=("input",))
def sinc(input: Array) -> Array:
    """``sin(π x) / (π x)``, 1 at 0."""
    return jnp.sinc(*widen(input)).astype(input.dtype)


@op("deg2rad", promote="float", inplace=True, out=True, saves=())
def deg2rad(input: Array) -> Array:
    """Degrees to radians."""
    refuse_complex("deg2rad is not supported for complex tensors.", input)
    return input * np.asarray(np.pi / 180, input.dtype)


@op("rad2deg", promote="float", inplace=True, out=True, saves=())
def rad2deg(input: Array) -> Array:
    """Radians to degrees."""
    refuse_complex("rad2deg is not supported for complex tensors.", input)
    return input * np.asarray(180 / np.pi, input.dtype)


@op("hypot", promote="common", inplace=True, out=True, saves=("input:input", "other:other", "result"))
def hypot(input: Array, other: Array) -> Array:
    """``sqrt(input² + other²)`` without overflow."""
    refuse("hypot_cpu", input, *(c for c in range(4) if c != FLOAT))
    dtype = input.dtype
    return jnp.hypot(*widen(*operands(input, other))).astype(dtype)
