"""Comparisons, and logic on truth values and on bits."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlike._src.operators.promotion import BOOL, CATEGORY, COMPLEX, FLOAT, scalar_type
from torchlike._src.operators.registry import FOUND, Array, Operand, composite, is_tensor, op, ops
from torchlike._src.operators.support import class_name, on_host, operands, refuse


def _ordered(kernel: str, input: Any, other: Any) -> tuple[Any, Any]:
    input, other = operands(input, other)
    refuse(kernel, input, COMPLEX)
    return input, other


def _host_ordered(kernel: str, function: Callable[..., Any]) -> Callable[..., Any]:
    compare = on_host(function)

    def host(input: Any, other: Any) -> Any:
        refuse(kernel, input if isinstance(input, np.ndarray) else other, COMPLEX)
        return compare(input, other)

    return host


@op("eq", promote="common", inplace=True, out=True, operators=("__eq__",), host=on_host(np.equal), differentiable=False)
def eq(input: Array, other: Operand) -> Array:
    """``input == other``."""
    input, other = operands(input, other)
    return jnp.equal(input, other)


@op(
    "ne", "not_equal", promote="common", inplace=True, out=True, operators=("__ne__",), host=on_host(np.not_equal),
    differentiable=False,
)  # fmt: skip
def ne(input: Array, other: Operand) -> Array:
    """``input != other``."""
    input, other = operands(input, other)
    return jnp.not_equal(input, other)


@op(
    "lt", "less", promote="common", inplace=True, out=True, operators=("__lt__",),
    host=_host_ordered("lt_cpu", np.less), differentiable=False,
)  # fmt: skip
def lt(input: Array, other: Operand) -> Array:
    """``input < other``."""
    return jnp.less(*_ordered("lt_cpu", input, other))


@op(
    "le", "less_equal", promote="common", inplace=True, out=True, operators=("__le__",),
    host=_host_ordered("le_cpu", np.less_equal), differentiable=False,
)  # fmt: skip
def le(input: Array, other: Operand) -> Array:
    """``input <= other``."""
    return jnp.less_equal(*_ordered("le_cpu", input, other))


@op(
    "gt", "greater", promote="common", inplace=True, out=True, operators=("__gt__",),
    host=_host_ordered("gt_cpu", np.greater), differentiable=False,
)  # fmt: skip
def gt(input: Array, other: Operand) -> Array:
    """``input > other``."""
    return jnp.greater(*_ordered("gt_cpu", input, other))


@op(
    "ge", "greater_equal", promote="common", inplace=True, out=True, operators=("__ge__",),
    host=_host_ordered("ge_cpu", np.greater_equal), differentiable=False,
)  # fmt: skip
def ge(input: Array, other: Operand) -> Array:
    """``input >= other``."""
    return jnp.greater_equal(*_ordered("ge_cpu", input, other))


@op("isclose", differentiable=False)
def isclose(input: Array, other: Array, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Array:
    """Where ``|input - other| <= atol + rtol * |other|``.

    Raises:
        RuntimeError: if the dtypes differ.
    """
    if input.dtype != other.dtype:
        raise RuntimeError(f"{scalar_type(np.dtype(input.dtype))} did not match {scalar_type(np.dtype(other.dtype))}")
    if rtol < 0:
        raise RuntimeError(f"rtol must be greater than or equal to zero, but got {rtol:g}")
    if atol < 0:
        raise RuntimeError(f"atol must be greater than or equal to zero, but got {atol:g}")
    input, other = operands(input, other)
    close = input == other
    category = CATEGORY[np.dtype(input.dtype)]
    if equal_nan and category >= FLOAT:
        close |= jnp.isnan(input) & jnp.isnan(other)
    if rtol == 0 and atol == 0:
        return close
    if category < FLOAT:  # whole numbers are compared as doubles: int64 differences may wrap
        input, other = input.astype(jnp.float64), other.astype(jnp.float64)
    real = jnp.abs(other).dtype
    allowed = np.asarray(atol, real) + jnp.abs(np.asarray(rtol, real) * other)
    distance = jnp.abs(input - other)
    return close | (jnp.isfinite(distance) & (distance <= allowed))


@composite("equal")
def equal(input: Any, other: Any) -> bool:
    """Whether both have one shape and the same elements."""
    if not is_tensor(other):
        raise TypeError(f"equal(): argument 'other' (position 2) must be Tensor, not {class_name(other)}")
    return input.shape == other.shape and bool(ops.all(ops.eq(input, other)))


@composite("allclose")
def allclose(input: Array, other: Array, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> bool:
    """Whether all elements are close (see `isclose`)."""
    return bool(ops.all(ops.isclose(input, other, rtol, atol, equal_nan)))


@op("logical_not", inplace="unseen", out=True, differentiable=False, host=on_host(np.logical_not))
def logical_not(input: Array) -> Array:
    """Where ``input`` is zero."""
    return jnp.logical_not(input)


@op("logical_and", inplace="unseen", out=True, differentiable=False, host=on_host(np.logical_and))
def logical_and(input: Array, other: Array) -> Array:
    """Where both are nonzero."""
    return jnp.logical_and(*_truth(input, other))


@op("logical_or", inplace="unseen", out=True, differentiable=False, host=on_host(np.logical_or))
def logical_or(input: Array, other: Array) -> Array:
    """Where either is nonzero."""
    return jnp.logical_or(*_truth(input, other))


@op("logical_xor", inplace="unseen", out=True, differentiable=False, host=on_host(np.logical_xor))
def logical_xor(input: Array, other: Array) -> Array:
    """Where just one is nonzero."""
    return jnp.logical_xor(*_truth(input, other))


def _truth(input: Array, other: Array) -> tuple[Array, Array]:
    return operands(input.astype(bool), other.astype(bool))


@op("bitwise_not", inplace=True, out=FOUND, differentiable=False, host=on_host(np.invert))
def bitwise_not(input: Array) -> Array:
    """The complement of the bits; of bools the negation."""
    refuse("bitwise_not_cpu", input, FLOAT, COMPLEX)
    return jnp.bitwise_not(input)


@composite("_invert", method=False, operators=("__invert__",))
def _invert(input: Any) -> Any:
    """The operator ``~``."""
    if input.is_floating_point() or input.is_complex():
        raise TypeError("~ (operator.invert) is only implemented on integer and Boolean-type tensors")
    return ops.bitwise_not(input)


@op(
    "bitwise_and", promote="common", inplace=True, out=True, operators=("__and__", "__rand__", "__iand__"), differentiable=False,
    host=on_host(np.bitwise_and),
)  # fmt: skip
def bitwise_and(input: Operand, other: Operand) -> Array:
    """The bits set in both."""
    return jnp.bitwise_and(*_bits("bitwise_and_cpu", input, other))


@op(
    "bitwise_or", promote="common", inplace=True, out=True, operators=("__or__", "__ror__", "__ior__"), differentiable=False,
    host=on_host(np.bitwise_or),
)  # fmt: skip
def bitwise_or(input: Operand, other: Operand) -> Array:
    """The bits set in either."""
    return jnp.bitwise_or(*_bits("bitwise_or_cpu", input, other))


@op(
    "bitwise_xor", promote="common", inplace=True, out=True, operators=("__xor__", "__rxor__", "__ixor__"), differentiable=False,
    host=on_host(np.bitwise_xor),
)  # fmt: skip
def bitwise_xor(input: Operand, other: Operand) -> Array:
    """The bits set in just one."""
    return jnp.bitwise_xor(*_bits("bitwise_xor_cpu", input, other))


def _bits(kernel: str, input: Any, other: Any, *refused: int) -> tuple[Any, Any]:
    input, other = operands(input, other)
    refuse(kernel, input, FLOAT, COMPLEX, *refused)
    return input, other


@op(
    "bitwise_left_shift", promote="common", inplace=True, out=True, operators=("__lshift__", "__rlshift__", "__ilshift__"),
    differentiable=False,
)  # fmt: skip
def bitwise_left_shift(input: Operand, other: Operand) -> Array:
    """The bits moved up by ``other``; 0 if it is negative or not less than the width."""
    input, other = jnp.broadcast_arrays(*_bits("lshift_cpu", input, other, BOOL))
    width = 8 * input.dtype.itemsize
    outside = (other < 0) | (other >= width)
    return jnp.where(outside, 0, lax.shift_left(input, jnp.where(outside, 0, other)))


@op(
    "bitwise_right_shift", promote="common", inplace=True, out=True, operators=("__rshift__", "__rrshift__", "__irshift__"),
    differentiable=False,
)  # fmt: skip
def bitwise_right_shift(input: Operand, other: Operand) -> Array:
    """The bits moved down by ``other``, filling with the sign; a shift out of range leaves only the sign."""
    input, other = jnp.broadcast_arrays(*_bits("rshift_cpu", input, other, BOOL))
    signed = input.dtype.kind == "i"
    width = 8 * input.dtype.itemsize
    limit = width - 1 if signed else width  # torch's bound on the shift
    outside = (other < 0) | (other >= limit)
    shift = lax.shift_right_arithmetic if signed else lax.shift_right_logical
    far = shift(input, jnp.full_like(input, width - 1)) if signed else jnp.zeros_like(input)
    return jnp.where(outside, far, shift(input, jnp.where(outside, 0, other)))
