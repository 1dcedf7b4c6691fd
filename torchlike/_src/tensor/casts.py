"""Casts between dtypes with the results of torch's CPU: C's conversions, saturating float8, the real part of complex.

Each is written once, for NumPy and for JAX (``xp`` is the one or the other).
"""

from typing import Any

import jax.numpy as jnp
import ml_dtypes
import numpy as np

from torchlike._src.operators.registry import Array

_E4M3 = np.dtype(ml_dtypes.float8_e4m3fn)
_E8M0 = np.dtype(ml_dtypes.float8_e8m0fnu)
_BOOL = np.dtype(bool)


def cast(input: Array, dtype: Any) -> Array:
    """``input`` as ``dtype``."""
    return _cast(jnp, input, np.dtype(dtype))


def cast_on_host(input: np.ndarray, dtype: Any) -> np.ndarray:
    """`cast` in NumPy."""
    with np.errstate(all="ignore"):
        return _cast(np, input, np.dtype(dtype))


def _cast(xp: Any, x: Any, new: np.dtype) -> Any:
    old = np.dtype(x.dtype)
    if new == _BOOL:
        return x != 0
    if old.kind == "c" and new.kind != "c":
        x = xp.real(x)
        old = np.dtype(x.dtype)
    if old.kind in "fV" and new.kind in "iu":
        return _to_integer(xp, x, old, new)
    if new in (_E4M3, _E8M0) and old != new:
        return _to_float8(xp, x, new)
    if old == _E8M0:
        x = x.astype(np.float32)  # NumPy knows no way from one float8 to the other
    return x.astype(new)


def _to_integer(xp: Any, x: Any, old: np.dtype, new: np.dtype) -> Any:
    """Towards zero. What does not fit becomes the smallest int32 (or int64), of which narrower types keep the low bits."""
    x = xp.trunc(x.astype(np.float32) if old.itemsize < 4 else x)
    wide = np.dtype(np.int64 if new.itemsize == 8 or new == np.uint32 else np.int32)
    bound = 2.0 ** (8 * wide.itemsize - 1)
    if new == np.uint64:  # the upper half: beyond int64
        high = (x >= bound) & (x < 2 * bound)
        lower = _to_integer(xp, xp.where(high, x - np.asarray(bound, x.dtype), x), np.dtype(x.dtype), np.dtype(np.int64))
        return lower.astype(new) + xp.where(high, np.uint64(2**63), np.uint64(0))
    fits = (x >= -bound) & (x < bound)
    zero = np.zeros((), x.dtype)
    return xp.where(fits, xp.where(fits, x, zero).astype(wide), np.iinfo(wide).min).astype(wide).astype(new)


def _to_float8(xp: Any, x: Any, new: np.dtype) -> Any:
    """float8_e4m3fn has no infinity: large values become its largest. float8_e8m0fnu is an exponent: no sign, no zero."""
    x = x.astype(np.float32)
    if new == _E4M3:
        largest = np.float32(448.0)
        return xp.clip(x, -largest, largest).astype(new)
    smallest = np.float32(2.0**-126)
    made = xp.abs(xp.where(x == 0, smallest, x)).astype(new)
    return xp.where(x == 0, np.zeros((), np.uint8).view(new), made)
