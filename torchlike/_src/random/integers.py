"""Random integers and permutations with torch's numbers: a word modulo the range."""

import math
import warnings

import ml_dtypes
import numpy as np

from torchlike._src.random.generator import Generator, resolve
from torchlike._src.random.kinds import BFLOAT16, CXX_TYPE, DIGITS, FLOAT16, FLOAT32, FLOAT64, is_float, not_implemented

_INT64_MIN, _INT64_MAX = -(1 << 63), (1 << 63) - 1
_WIDE = 1 << 28  # from this range on, one 64-bit word a number: the modulo of a 32-bit one would be skewed
_PERMUTABLE = {FLOAT16: 2049, FLOAT32: (1 << 24) + 1, FLOAT64: (1 << 53) + 1}


def random(
    generator: Generator | None,
    shape: tuple[int, ...],
    dtype: np.dtype,
    low: int | None = None,
    high: int | None = None,
) -> np.ndarray:
    """Integers in ``[low, high)``, as ``Tensor.random_``.

    Args:
        low: None means 0; with it alone, up to the largest value of ``dtype`` (``2**digits`` of a float).
        high: without both, all that ``dtype`` holds from 0 on.
    Raises:
        RuntimeError: if the range is empty, or does not fit ``dtype``.
    """
    generator = resolve(generator)
    dtype = np.dtype(dtype)
    size = math.prod(shape)
    if low is None and high is None:
        return _all(generator, size, dtype).reshape(shape)
    low = 0 if low is None else int(low)
    if high is None and low == _INT64_MIN:
        if dtype not in (np.int64, BFLOAT16, FLOAT32, FLOAT64):
            if dtype in (np.uint8, np.int8, np.int16, np.int32):
                raise RuntimeError("random_full_64_bits_range_kernel_cpu handles only int64, double, float and bfloat16")
            raise not_implemented("random_full_64_bits_range_kernel_cpu", dtype)
        return generator.twister.words64(size).view(np.int64).astype(dtype).reshape(shape)
    low, last = _bounds(dtype, low, None if high is None else int(high))
    if not size:
        return np.empty(shape, dtype)
    span = last - low + 1
    draw = generator.twister.words64 if span >= _WIDE else generator.twister.words
    words = draw(size)
    words %= words.dtype.type(span)
    if low or dtype.kind == "f" or dtype == BFLOAT16:
        words = words.astype(np.int64)
        words += low
    return words.astype(dtype).reshape(shape)


def _all(generator: Generator, size: int, dtype: np.dtype) -> np.ndarray:
    """``random_()``: every value of an integer dtype from 0 on, or every integer that a float holds exactly."""
    twister = generator.twister
    if dtype == np.int64:
        return (twister.words64(size) & np.uint64(_INT64_MAX)).view(np.int64)
    if dtype == FLOAT64:
        return (twister.words64(size) % np.uint64((1 << 53) + 1)).astype(dtype)
    if dtype.kind == "b":
        return (twister.words(size) & np.uint32(1)).astype(dtype)
    if is_float(dtype):
        return (twister.words(size) % np.uint32((1 << DIGITS[dtype]) + 1)).astype(dtype)
    if dtype in (np.uint8, np.int8, np.int16, np.int32):
        return (twister.words(size) & np.uint32(np.iinfo(dtype).max)).astype(dtype)
    raise not_implemented("random_kernel_cpu", dtype)


def _bounds(dtype: np.dtype, low: int, high: int | None) -> tuple[int, int]:
    """The first and the last integer to draw, checked as torch checks them."""
    floating = is_float(dtype)
    if high is not None:
        if low >= high:
            raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
        if floating:
            low, high = _next_from(dtype, low), _previous_to(dtype, high)
            if low >= high:
                raise RuntimeError(
                    "random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, but got "
                    f"from={low} >= to={high}"
                )
        last = high - 1
    elif floating:
        low, last = _next_from(dtype, low), 1 << DIGITS[dtype]
        if low >= last:
            raise RuntimeError(
                "random_ expects 'from' casted to dtype to be less than or equal to 'to_inc' casted to dtype, but got "
                f"from={low} > to_inc={last}"
            )
    elif dtype.kind == "c":
        raise RuntimeError("random_from_to_impl handles only integral, floating-point and boolean types")
    else:
        last = 1 if dtype.kind == "b" else int(np.iinfo(dtype).max)
    if floating:
        limit = float(ml_dtypes.finfo(dtype).max)
        least, most = -limit, limit
    elif dtype.kind == "b":
        least, most = 0, 1
    elif dtype.kind in "iu":
        least, most = int(np.iinfo(dtype).min), min(int(np.iinfo(dtype).max), _INT64_MAX)
    else:
        raise RuntimeError("check_random_bounds handles only integral, floating-point and boolean types")
    cxx = CXX_TYPE[dtype.name]
    for name, value in (("from", low), ("to - 1", last)):
        if not least <= value <= most:
            raise RuntimeError(f"{name} is out of bounds for {cxx}")
        if floating and abs(value) > 1 << DIGITS[dtype]:
            digits = DIGITS[dtype]
            warnings.warn(
                f"{name} is out of bounds [-(2^{digits}), 2^{digits}]. Due to precision limitations {cxx} can support "
                "discrete uniform distribution only within this range. This warning will become an error in version "
                "1.7 release, please fix the code in advance",
                stacklevel=3,
            )
    return low, last


def _next_from(dtype: np.dtype, low: int) -> int:
    """``low``, or the next integer that stays at or above it when cast to ``dtype``."""
    cast = _to_int(dtype, low + 1)
    if cast >= low:
        return low
    return cast + (1 << (abs(low + 1).bit_length() - DIGITS[dtype]))


def _previous_to(dtype: np.dtype, high: int) -> int:
    """``high``, or the next lower integer below which everything stays below ``high`` when cast to ``dtype``."""
    cast = _to_int(dtype, high - 1)
    if cast < high:
        return high
    return cast - (1 << (abs(high - 1).bit_length() - DIGITS[dtype]))


def _to_int(dtype: np.dtype, value: int) -> int:
    """``int64(dtype(value))`` as x86 converts: what does not fit becomes the smallest integer."""
    cast = float(np.array(value, np.int64).astype(dtype))
    return int(cast) if -(2.0**63) <= cast < 2.0**63 else _INT64_MIN


def randperm(generator: Generator | None, n: int, dtype: np.dtype | None = None) -> np.ndarray:
    """A permutation of ``0 … n-1``, as ``torch.randperm``: Fisher and Yates from the left. ``dtype``: None means int64.

    Raises:
        RuntimeError: if ``n`` is negative, or ``dtype`` cannot hold it.
    """
    generator = resolve(generator)
    dtype = np.dtype(dtype or np.int64)
    if n < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {n}: [{n}]")
    if dtype in _PERMUTABLE and n > _PERMUTABLE[dtype]:
        name, limit = {
            FLOAT16: ("Half", "2049"), FLOAT32: ("Float", "2^24+1"), FLOAT64: ("Double", "2^53+1"),
        }[dtype]  # fmt: skip
        raise RuntimeError(f"n cannot be greater than {limit} for {name} type.")
    if dtype in (np.uint8, np.int8, np.int16, np.int32) and n > np.iinfo(dtype).max:
        raise RuntimeError(f"value cannot be converted to type {dtype.name}_t without overflow")
    if not is_float(dtype) and dtype not in (np.uint8, np.int8, np.int16, np.int32, np.int64):
        raise not_implemented("randperm", dtype)
    left = np.arange(n, 1, -1)
    words = generator.twister.words(len(left))
    partners = words % left + np.arange(len(left))
    result = list(range(n))
    # each step depends on the one before; two list accesses a step is the fastest that Python has
    for i, j in enumerate(partners.tolist()):
        result[i], result[j] = result[j], result[i]
    return np.array(result, np.int64).astype(dtype, copy=False)
