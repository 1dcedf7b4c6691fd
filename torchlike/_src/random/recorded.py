"""Box and Muller's method as part of a program: the steps of `normal`, one by one, on arrays of JAX.

On the host the 70 NumPy calls that these take cost more than anything else in the step of a small variational autoencoder.
The numbers are those of `normal` bit for bit: what torch computes with one rounding is computed in double precision, where
products of single-precision numbers are exact, and rounded.
"""

import jax.numpy as jnp
from jax import Array, lax

from torchlike._src.random import normal

_COS, _SIN, _LOG = (list(map(float, coefficients)) for coefficients in (normal._COS, normal._SIN, normal._LOG))


def _rounded(x: Array) -> Array:
    return x.astype(jnp.float32).astype(jnp.float64)


def _fma(a: Array, b: Array | float, c: Array | float) -> Array:
    return _rounded(a * b + c)


def _log(x: Array) -> Array:
    """Natural logarithm of float32 ``x`` in (0, 1], as float64 that holds float32 values."""
    bits = lax.bitcast_convert_type(x, jnp.int32)
    exponent = (bits >> 23) - 126
    fraction = lax.bitcast_convert_type((bits & 0x7FFFFF) | (126 << 23), jnp.float32)  # in [0.5, 1)
    small = fraction < normal._SQRT_HALF
    e = (exponent - small.astype(jnp.int32)).astype(jnp.float64)
    x = jnp.where(small, fraction + fraction, fraction).astype(jnp.float64) - 1.0
    z = _rounded(x * x)
    y = _fma(x, _LOG[0], _LOG[1])
    for c in _LOG[2:]:
        y = _fma(y, x, c)
    y = _fma(_rounded(y * x), z, _rounded(e * normal._LN2_LOW))
    return _fma(e, normal._LN2_HIGH, _rounded(_fma(z, -0.5, y) + x))


def _sincos(x: Array) -> tuple[Array, Array]:
    """Sine and cosine of float32 ``x`` in [0, 2π], as float32."""
    octant = ((x * normal._4_PI).astype(jnp.int32) + 1) & ~1
    y, x = octant.astype(jnp.float64), x.astype(jnp.float64)
    for c in normal._PI_4:
        x = _rounded(x + y * c)
    z = _rounded(x * x)
    cosine = _rounded(_fma(_fma(z, _COS[0], _COS[1]), z, _COS[2]) * z)
    cosine = (_fma(cosine, z, z * -0.5) + 1.0).astype(jnp.float32)
    sine = _rounded(_fma(_fma(z, _SIN[0], _SIN[1]), z, _SIN[2]) * z)
    sine = (sine * x + x).astype(jnp.float32)
    swap = (octant & 2) != 0
    waves = jnp.where(swap, cosine, sine), jnp.where(swap, sine, cosine)
    signed = [
        lax.bitcast_convert_type(lax.bitcast_convert_type(wave, jnp.int32) ^ ((octants & 4) << 29), jnp.float32)
        for wave, octants in zip(waves, (octant, octant + 2), strict=True)
    ]
    return signed[0], signed[1]


def box_muller(uniforms: Array, shape: tuple[int, ...]) -> Array:
    """Standard normals of ``shape`` from as many float32 uniforms, a multiple of 16."""
    blocks = uniforms.reshape(-1, 2, normal._BLOCK // 2)
    radius = jnp.sqrt((_log(jnp.float32(1) - blocks[:, 0]) * -2.0).astype(jnp.float32))
    sine, cosine = _sincos(blocks[:, 1] * normal._2PI)
    return jnp.stack((cosine * radius, sine * radius), 1).reshape(shape)
