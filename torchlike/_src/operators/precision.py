"""How precisely ops compute: halves in float32, rounded where torch rounds them, quotients to the last bit."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchlike._src.operators.promotion import default_dtype


def opmath(x: jax.Array) -> jax.Array:
    """Half-precision values widened to float32, as torch's kernels do before they accumulate."""
    return x.astype(jnp.float32) if x.dtype in (jnp.float16, jnp.bfloat16) else x


def rounded(x: jax.Array, dtype: Any) -> jax.Array:
    """``x`` with the precision of ``dtype``: what torch computes in several ops is rounded between them, also where XLA
    would fuse them and keep the precision."""
    if dtype not in (jnp.float16, jnp.bfloat16):
        return x
    exponent, mantissa = (5, 10) if dtype == jnp.float16 else (8, 7)
    return jax.lax.reduce_precision(x, exponent, mantissa)


def quotient(x: jax.Array, y: jax.Array | np.ndarray) -> jax.Array:
    """``x / y``, rounded correctly also where ``y`` is one number or a constant.

    XLA multiplies by the reciprocal then, which misses by a unit in the last place, and what is floored by a whole one.
    """
    known = y.size == 1 or isinstance(y, np.ndarray)
    return _quotient(x, y) if known and jnp.issubdtype(x.dtype, jnp.floating) else jnp.true_divide(x, y)


@jax.custom_jvp
def _quotient(x: jax.Array, y: jax.Array) -> jax.Array:
    return x / jnp.where(x == x, y, x)  # XLA cannot see what this is, and NaN / NaN is NaN


@_quotient.defjvp
def _quotient_jvp(primals: tuple[jax.Array, ...], tangents: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
    return _quotient(*primals), jax.jvp(jnp.true_divide, primals, tangents)[1]


def averaged(x: jax.Array, axes: Any = None, *, keepdims: bool = False) -> jax.Array:
    """The mean, its `quotient` rounded correctly: that of ones is 1."""
    count = x.size if axes is None else math.prod(x.shape[a] for a in axes)
    return quotient(jnp.sum(x, axes, keepdims=keepdims), np.asarray(count, x.dtype))


def floated(x: jax.Array) -> jax.Array:
    """Integers and bools in the default dtype, as where a Python float takes part."""
    return x if jnp.issubdtype(x.dtype, jnp.inexact) else x.astype(default_dtype())
