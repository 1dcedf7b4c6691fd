"""Type promotion: what dtype an op computes in, by the rules of ``torch.result_type``.

Only NumPy dtypes occur here. The names of torch's dtypes, and Tensors, live above this layer.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import jax
import ml_dtypes
import numpy as np

#: An operand as promotion sees it: ``(dtype, ndim)`` of an array, or the type of a Python number.
Kind = tuple[np.dtype, int] | type

BOOL, INTEGER, FLOAT, COMPLEX = range(4)

_FLOAT8 = {
    "float8_e4m3fn": "Float8_e4m3fn",
    "float8_e4m3fnuz": "Float8_e4m3fnuz",
    "float8_e5m2": "Float8_e5m2",
    "float8_e5m2fnuz": "Float8_e5m2fnuz",
    "float8_e8m0fnu": "Float8_e8m0fnu",
}
_BAREBONES = {"uint16": "UInt16", "uint32": "UInt32", "uint64": "UInt64"}
#: The names that torch's messages give to dtypes.
_SCALAR_TYPES = {
    "bool": "Bool", "uint8": "Byte", "int8": "Char", "int16": "Short", "int32": "Int", "int64": "Long",
    "float16": "Half", "bfloat16": "BFloat16", "float32": "Float", "float64": "Double",
    "complex64": "ComplexFloat", "complex128": "ComplexDouble", **_BAREBONES, **_FLOAT8,
}  # fmt: skip
_TYPE_NAMES = {
    "Bool": "bool", "Byte": "unsigned char", "Char": "signed char", "Short": "short", "Int": "int",
    "Long": "long int", "Half": "c10::Half", "BFloat16": "c10::BFloat16", "Float": "float", "Double": "double",
    "ComplexFloat": "c10::complex<float>", "ComplexDouble": "c10::complex<double>",
}  # fmt: skip

_FULL_NAMES = {"int64": "long int", "int16": "short int"}

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


def _dtype(name: str) -> np.dtype:
    return np.dtype(getattr(ml_dtypes, name)) if hasattr(ml_dtypes, name) else np.dtype(name)


def _category_of(dtype: np.dtype) -> int:
    return {"b": BOOL, "i": INTEGER, "u": INTEGER, "f": FLOAT, "c": COMPLEX}.get(dtype.kind, FLOAT)


#: Bool, integer, float or complex, for each dtype that a tensor can have.
CATEGORY: dict[np.dtype, int] = {d: _category_of(d) for d in map(_dtype, _SCALAR_TYPES)}
_NUMBER_DTYPES = {bool: np.dtype(bool), int: np.dtype(np.int64)}
_COMPLEX_OF = {np.dtype(np.float64): np.dtype(np.complex128)}
_REAL_OF = {np.dtype(np.complex64): np.dtype(np.float32), np.dtype(np.complex128): np.dtype(np.float64)}


class _Default:
    """The default floating point dtype, read by every op that makes floats out of something else."""

    dtype = np.dtype(np.float32)


def default_dtype() -> np.dtype:
    """The dtype of Python floats, of ``torch.rand`` and of integer division: float32 unless set."""
    return _Default.dtype


def set_default_dtype(dtype: np.dtype) -> None:
    """Make ``dtype``, a floating point one, the default."""
    _Default.dtype = np.dtype(dtype)


def category(dtype: np.dtype) -> int:
    """`BOOL`, `INTEGER`, `FLOAT` or `COMPLEX`."""
    return CATEGORY[dtype]


def is_floating(dtype: np.dtype) -> bool:
    """Whether ``dtype`` is a real floating point type."""
    return CATEGORY[dtype] == FLOAT


def is_complex(dtype: np.dtype) -> bool:
    """Whether ``dtype`` is complex."""
    return CATEGORY[dtype] == COMPLEX


def is_integral(dtype: np.dtype, include_bool: bool = False) -> bool:
    """Whether ``dtype`` is an integer (or, if asked, bool)."""
    return CATEGORY[dtype] == INTEGER or (include_bool and CATEGORY[dtype] == BOOL)


def to_complex(dtype: np.dtype) -> np.dtype:
    """The complex dtype whose parts have ``dtype``. There is no complex32 here: half becomes complex64."""
    if is_complex(dtype):
        return dtype
    if dtype.name in _FLOAT8:
        raise RuntimeError(f"Unknown Complex ScalarType for {scalar_type(dtype)}")
    return _COMPLEX_OF.get(dtype, np.dtype(np.complex64))


def to_real(dtype: np.dtype) -> np.dtype:
    """The dtype of the parts of a complex ``dtype``; others stay."""
    return _REAL_OF.get(dtype, dtype)


def scalar_type(dtype: np.dtype) -> str:
    """The name torch's messages use: ``Float``, ``Long``, ``Byte``."""
    return _SCALAR_TYPES[dtype.name]


def type_name(dtype: np.dtype) -> str:
    """The C++ name that some of torch's messages use: ``float``, ``long``, ``c10::Half``."""
    return _TYPE_NAMES.get(_SCALAR_TYPES[dtype.name], dtype.name)


def cpp_name(dtype: np.dtype) -> str:
    """The same in full, as messages about tensors' own types have it: ``long int``."""
    return _FULL_NAMES.get(dtype.name) or type_name(dtype)


def promote_types(a: np.dtype, b: np.dtype) -> np.dtype:
    """The smallest dtype to which torch promotes both, as ``torch.promote_types``.

    Raises:
        RuntimeError: for float8 types, and for uint16, uint32 and uint64 with anything but a float.
    """
    if a == b:
        return a
    if a.name in _FLOAT8 or b.name in _FLOAT8:
        kinds = "Float8 Types is"
    elif (a.name in _BAREBONES and CATEGORY[b] != FLOAT) or (b.name in _BAREBONES and CATEGORY[a] != FLOAT):
        kinds = "uint16, uint32, uint64 types is"
    else:
        return _join(a, b)
    raise RuntimeError(f"Promotion for {kinds} not supported, attempted to promote {scalar_type(a)} and {scalar_type(b)}")


def _join(a: np.dtype, b: np.dtype) -> np.dtype:
    low, high = sorted((a, b), key=lambda d: CATEGORY[d])
    if CATEGORY[low] == CATEGORY[high] != INTEGER:
        if BFLOAT16 in (a, b):  # neither half format holds the other
            return np.dtype(np.float32) if np.dtype(np.float16) in (a, b) else (b if a == BFLOAT16 else a)
        return np.promote_types(a, b)
    if CATEGORY[low] == INTEGER and CATEGORY[high] == INTEGER:
        return np.promote_types(a, b)  # torch's signed types and uint8 follow the same lattice
    if CATEGORY[low] == FLOAT:  # with a complex type
        return np.dtype(np.complex128) if low == np.dtype(np.float64) else high
    return high


def can_cast(source: np.dtype, target: np.dtype) -> bool:
    """Whether an in-place op may write ``source`` into ``target``: the category does not fall."""
    if CATEGORY[target] == BOOL:
        return CATEGORY[source] == BOOL
    return CATEGORY[source] <= CATEGORY[target]


def result_type(operands: Iterable[Kind], default_float: np.dtype | None = None) -> np.dtype:
    """The dtype in which operands of these kinds meet, as ``torch.result_type``.

    Arrays with dimensions outrank 0-d arrays, which outrank numbers: those of lower rank only raise
    the category (int to float to complex), never the width.

    Args:
        operands: for each, ``(dtype, ndim)``, or a Python number's type.
        default_float: what a Python float is; by default `default_dtype`.
    """
    ranks: list[np.dtype | None] = [None, None, None]
    for kind in operands:
        if isinstance(kind, tuple):
            dtype, rank = kind[0], (0 if kind[1] else 1)
        else:
            dtype, rank = number_dtype(kind, default_float), 2
        seen = ranks[rank]
        ranks[rank] = dtype if seen is None or seen == dtype else promote_types(seen, dtype)
    found = _combine(ranks[0], _combine(ranks[1], ranks[2]))
    if found is None:
        raise ValueError("result_type: at least one operand is needed")
    return found


def _combine(higher: np.dtype | None, lower: np.dtype | None) -> np.dtype | None:
    if higher is None or lower is None:
        return higher if lower is None else lower
    up, down = CATEGORY[higher], CATEGORY[lower]
    if up == COMPLEX:
        return higher
    if up == FLOAT:
        return to_complex(higher) if down == COMPLEX else higher
    if down == COMPLEX:
        return lower
    if up == BOOL or down == FLOAT:
        return promote_types(higher, lower)
    return higher


def number_dtype(kind: type, default_float: np.dtype | None = None) -> np.dtype:
    """The dtype of a 0-d tensor made from a Python number of type ``kind``."""
    if kind in _NUMBER_DTYPES:
        return _NUMBER_DTYPES[kind]
    dtype = _Default.dtype if default_float is None else default_float
    return to_complex(dtype) if issubclass(kind, complex) else dtype


def to_float(dtype: np.dtype) -> np.dtype:
    """``dtype`` if it is floating or complex, else the default float dtype: what ``sqrt`` and ``div`` return."""
    return dtype if CATEGORY[dtype] >= FLOAT else _Default.dtype


def kind_of(value: Any) -> Kind:
    """An array's or number's `Kind`. A weakly typed traced scalar counts as the number it came from."""
    if value.__class__ is np.ndarray:
        return value.dtype, value.ndim
    if isinstance(value, (bool, int, float, complex)):
        return type(value)
    if isinstance(value, jax.Array) and getattr(value.aval, "weak_type", False):
        return (bool, int, float, complex)[CATEGORY[np.dtype(value.dtype)]]
    return np.dtype(value.dtype), value.ndim


def promote(values: Sequence[Any], mode: str) -> list[Any]:
    """Cast arrays to their common dtype; numbers stay as they are.

    Args:
        values: arrays, numbers and Nones.
        mode: ``"common"``, or ``"float"``: then also integers and bools to the default float dtype.
    """
    kinds = [None if v is None else kind_of(v) for v in values]
    key = (mode, _Default.dtype, *kinds)
    dtype = _common.get(key)
    if dtype is None:
        some = [k for k in kinds if k is not None]
        if not some:  # an empty list of tensors, which the op itself refuses
            return list(values)
        dtype = result_type(some)
        dtype = _common[key] = to_float(dtype) if mode == "float" else dtype
    return [
        v if kind.__class__ is not tuple or v.dtype == dtype else v.astype(dtype) for v, kind in zip(values, kinds, strict=True)
    ]


_common: dict[Any, np.dtype] = {}
