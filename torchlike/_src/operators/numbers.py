"""Python numbers as operands: what a dtype can hold, and what torch refuses, in its words."""

import math
from typing import Any

import ml_dtypes
import numpy as np

#: The C++ names in ``value cannot be converted to type ... without overflow``.
_CPP = {
    "uint8": "uint8_t", "uint16": "uint16_t", "uint32": "uint32_t", "uint64": "uint64_t", "int8": "int8_t",
    "int16": "int16_t", "int32": "int", "int64": "int64_t", "float16": "c10::Half", "bfloat16": "c10::BFloat16",
    "float32": "float", "float64": "double", "complex64": "c10::complex<float>", "complex128": "c10::complex<double>",
    "float8_e4m3fn": "c10::Float8_e4m3fn", "float8_e4m3fnuz": "c10::Float8_e4m3fnuz", "float8_e5m2": "c10::Float8_e5m2",
    "float8_e5m2fnuz": "c10::Float8_e5m2fnuz", "float8_e8m0fnu": "c10::Float8_e8m0fnu",
}  # fmt: skip
_limits: dict[np.dtype, tuple[float, float, bool]] = {}
_ranges: dict[np.dtype, tuple[float, float]] = {}


def overflow(name: str) -> RuntimeError:
    """The error for a number that a type cannot hold."""
    return RuntimeError(f"value cannot be converted to type {name} without overflow")


def fits(value: Any, dtype: np.dtype) -> bool:
    """Whether torch converts a Python number to ``dtype``: unsigned types take small negative integers, which wrap."""
    kind = dtype.kind
    if kind == "b":
        return True
    if isinstance(value, complex) and kind != "c":
        return value.imag == 0 and fits(value.real, dtype)
    if kind == "c":
        part = np.dtype(np.float32 if dtype.itemsize == 8 else np.float64)
        return fits(value.real, part) and fits(value.imag, part)
    if kind in "iu":
        if value != value or value in (math.inf, -math.inf):
            return False
        info = np.iinfo(dtype)
        if kind == "u" and isinstance(value, int):
            return -int(info.max) <= value <= int(info.max)
        return int(info.min) <= value <= int(info.max)
    low, high, has_infinity = _float_limits(dtype)
    if isinstance(value, int) and low > 0:
        return True
    if has_infinity and value in (math.inf, -math.inf):
        return True
    return value != value or low <= value <= high


def _float_limits(dtype: np.dtype) -> tuple[float, float, bool]:
    found = _limits.get(dtype)
    if found is None:
        info = ml_dtypes.finfo(dtype)
        with np.errstate(all="ignore"):
            infinite = bool(np.isinf(np.float32(np.array(math.inf).astype(dtype).astype(np.float32))))
        low = 2.0**-127 if dtype.name == "float8_e8m0fnu" else float(info.min)
        found = _limits[dtype] = (low, float(info.max), infinite)
    return found


def fitting(value: Any, dtype: np.dtype) -> Any:
    """The number itself; anything else as it is.

    Raises:
        RuntimeError: if ``dtype`` cannot hold the number.
        OverflowError: if no tensor can.
    """
    if isinstance(value, (bool, int, float, complex)) and not fits(value, dtype):
        scalar(value)
        raise overflow(_CPP[dtype.name])
    return value


def scalar(value: Any) -> Any:
    """The number itself; anything else as it is.

    Raises:
        OverflowError: for an integer that no tensor can hold.
    """
    if value.__class__ is int and not -(2**63) <= value < 2**64:
        raise OverflowError("int too big to convert")
    return value


def held(value: Any, dtype: np.dtype) -> bool:
    """Whether ``dtype`` holds the number without a second look: a finite one within its range, 64-bit integers at most."""
    found = _ranges.get(dtype)
    if found is None:
        found = _ranges[dtype] = _range(dtype)
    low, high = found
    if value.__class__ is complex:
        return low <= value.real <= high and low <= value.imag <= high
    return low <= value <= high and (value.__class__ is not int or -(2**63) <= value < 2**63)


def _range(dtype: np.dtype) -> tuple[float, float]:
    if dtype.kind == "b":
        return -math.inf, math.inf
    if dtype.kind in "iu":
        return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    if dtype.kind == "c":
        dtype = np.dtype(np.float32 if dtype.itemsize == 8 else np.float64)
    return _float_limits(dtype)[:2]
