"""What the neural-network ops check before they compute, in torch's words."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

#: torch's C++ names of the dtypes, as its error messages print them.
SCALAR_TYPES = {
    "bool": "Bool", "uint8": "Byte", "uint16": "UInt16", "uint32": "UInt32", "uint64": "UInt64",
    "int8": "Char", "int16": "Short", "int32": "Int", "int64": "Long",
    "float16": "Half", "bfloat16": "BFloat16", "float32": "Float", "float64": "Double",
    "complex64": "ComplexFloat", "complex128": "ComplexDouble",
    "float8_e4m3fn": "Float8_e4m3fn", "float8_e5m2": "Float8_e5m2",
}  # fmt: skip

_C_TYPES = {
    "bool": "bool", "uint8": "unsigned char", "int8": "signed char", "int16": "short int", "int32": "int",
    "int64": "long int", "float16": "c10::Half", "bfloat16": "c10::BFloat16", "float32": "float",
    "float64": "double", "complex64": "c10::complex<float>", "complex128": "c10::complex<double>",
}  # fmt: skip


def scalar_type(dtype: Any) -> str:
    """``float32`` → ``Float``, as torch's messages call it."""
    name = np.dtype(dtype).name
    return SCALAR_TYPES.get(name, name)


def c_type(dtype: Any) -> str:
    """``int64`` → ``long int``: the C++ type, as some of torch's messages call it."""
    name = np.dtype(dtype).name
    return _C_TYPES.get(name, name)


def is_floating(x: jax.Array) -> bool:
    """Whether the dtype is a real floating-point type, bfloat16 and float8 included."""
    return jnp.issubdtype(x.dtype, jnp.floating)


def is_complex(x: jax.Array) -> bool:
    """Whether the dtype is complex."""
    return jnp.issubdtype(x.dtype, jnp.complexfloating)


def require_floating(x: jax.Array, kernel: str) -> None:
    """Raise torch's NotImplementedError unless ``x`` is real floating point."""
    if not is_floating(x):
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{scalar_type(x.dtype)}'")


def normalize_dim(dim: int, ndim: int) -> int:
    """A dimension counted from the front; a 0-d tensor is treated as having one.

    Raises:
        IndexError: if ``dim`` is out of range.
    """
    bound = max(ndim, 1)
    if not -bound <= dim < bound:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-bound}, {bound - 1}], but got {dim})")
    return dim % bound


def sizes(shape: Sequence[int]) -> str:
    """``(2, 3)`` → ``[2, 3]``, as torch prints sizes."""
    return "[" + ", ".join(map(str, shape)) + "]"


def on_cpu() -> bool:
    """Whether lowerings should be chosen for the CPU; read while an op is traced."""
    return jax.default_backend() == "cpu"
