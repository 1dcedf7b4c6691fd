"""What the neural-network ops check before they compute, in torch's words."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchlike._src.operators.promotion import default_dtype

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
    return _quotient(x, y) if known and is_floating(x) else jnp.true_divide(x, y)


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


def on_cpu() -> bool:
    """Whether lowerings should be chosen for the CPU; read while an op is traced."""
    return jax.default_backend() == "cpu"
