"""torch's dtypes, each with the NumPy dtype that JAX holds it in."""

from typing import Any

import ml_dtypes
import numpy as np


class dtype:
    """A data type, as ``torch.dtype``. ``np`` is its NumPy dtype; there is one object for each type."""

    __slots__ = ("is_complex", "is_floating_point", "is_signed", "itemsize", "name", "np", "storage_name")

    def __init__(self, name: str, np_dtype: object, storage_name: str) -> None:
        self.name = name
        self.np = np.dtype(np_dtype)
        self.itemsize = self.np.itemsize
        kind = self.np.kind
        self.is_complex = kind == "c"
        self.is_floating_point = kind == "f" or (kind == "V" and "float" in name)
        self.is_signed = kind not in "ub" and name != "float8_e8m0fnu"
        self.storage_name = storage_name

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> Any:
        return by_name, (self.name,)

    def to_complex(self) -> "dtype":
        """The complex type with this type's precision."""
        if self is float64 or self is complex128:
            return complex128
        return complex64

    def to_real(self) -> "dtype":
        """The type of this type's real part."""
        return {complex64: float32, complex128: float64}.get(self, self)


bool_ = dtype("bool", np.bool_, "BoolStorage")
uint8 = dtype("uint8", np.uint8, "ByteStorage")
uint16 = dtype("uint16", np.uint16, "UInt16Storage")
uint32 = dtype("uint32", np.uint32, "UInt32Storage")
uint64 = dtype("uint64", np.uint64, "UInt64Storage")
int8 = dtype("int8", np.int8, "CharStorage")
int16 = dtype("int16", np.int16, "ShortStorage")
int32 = dtype("int32", np.int32, "IntStorage")
int64 = dtype("int64", np.int64, "LongStorage")
float16 = dtype("float16", np.float16, "HalfStorage")
bfloat16 = dtype("bfloat16", ml_dtypes.bfloat16, "BFloat16Storage")
float32 = dtype("float32", np.float32, "FloatStorage")
float64 = dtype("float64", np.float64, "DoubleStorage")
complex64 = dtype("complex64", np.complex64, "ComplexFloatStorage")
complex128 = dtype("complex128", np.complex128, "ComplexDoubleStorage")
float8_e4m3fn = dtype("float8_e4m3fn", ml_dtypes.float8_e4m3fn, "Float8_e4m3fnStorage")
float8_e4m3fnuz = dtype("float8_e4m3fnuz", ml_dtypes.float8_e4m3fnuz, "Float8_e4m3fnuzStorage")
float8_e5m2 = dtype("float8_e5m2", ml_dtypes.float8_e5m2, "Float8_e5m2Storage")
float8_e5m2fnuz = dtype("float8_e5m2fnuz", ml_dtypes.float8_e5m2fnuz, "Float8_e5m2fnuzStorage")
float8_e8m0fnu = dtype("float8_e8m0fnu", ml_dtypes.float8_e8m0fnu, "Float8_e8m0fnuStorage")

ALL = (
    bool_, uint8, uint16, uint32, uint64, int8, int16, int32, int64, float16, bfloat16, float32, float64, complex64,
    complex128, float8_e4m3fn, float8_e4m3fnuz, float8_e5m2, float8_e5m2fnuz, float8_e8m0fnu,
)  # fmt: skip

#: From NumPy's dtype to torch's.
OF_NUMPY: dict[np.dtype, dtype] = {d.np: d for d in ALL}

#: torch's other names.
ALIASES = {
    "bool": bool_, "half": float16, "float": float32, "double": float64, "short": int16, "int": int32, "long": int64,
    "cfloat": complex64, "cdouble": complex128,
}  # fmt: skip

#: The words of torch's messages: "Float", "Long", ...
SCALAR_NAMES = {
    d: d.storage_name.removesuffix("Storage") for d in ALL
}  # fmt: skip


def by_name(name: str) -> dtype:
    """The dtype called ``name``: ``"float32"``, ``"bool"``."""
    return next(d for d in ALL if d.name == name)


def of_numpy(np_dtype: object) -> dtype:
    """torch's dtype for NumPy's; TypeError, in torch's words, if there is none."""
    found = OF_NUMPY.get(np.dtype(np_dtype))  # type: ignore[arg-type]
    if found is None:
        raise TypeError(
            f"can't convert np.ndarray of type numpy.{np.dtype(np_dtype).type.__name__}. The only supported types are: "
            "float64, float32, "
            "float16, complex64, complex128, int64, int32, int16, int8, uint64, uint32, uint16, uint8, and bool."
        )
    return found


class finfo:
    """Limits of a floating point type, as ``torch.finfo``."""

    def __init__(self, type: dtype | None = None) -> None:
        if type is None:
            from torchlike._src.operators.promotion import default_dtype

            type = OF_NUMPY[default_dtype()]
        type = type.to_real()
        if not type.is_floating_point:
            raise TypeError(f"torch.finfo() requires a floating point input type. Use torch.iinfo to handle '{type!r}'")
        info = ml_dtypes.finfo(type.np)
        self.bits = type.itemsize * 8
        self.eps = float(info.eps)
        self.max = float(info.max)
        self.min = float(info.min)
        self.tiny = self.smallest_normal = float(info.smallest_normal)
        self.resolution = float(info.resolution)
        self.dtype = type.name

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g}, "
            f"smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, dtype={self.dtype})"
        )


class iinfo:
    """Limits of an integer type, as ``torch.iinfo``."""

    def __init__(self, type: dtype) -> None:
        if type.is_floating_point or type.is_complex or type is bool_:
            raise TypeError(f"torch.iinfo() requires an integer input type. Use torch.finfo to handle '{type!r}'")
        info = np.iinfo(type.np)
        self.bits = info.bits
        self.min = int(info.min)
        self.max = int(info.max)
        self.dtype = type.name

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"
