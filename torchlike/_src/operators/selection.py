"""Choosing, element by element, between values: clamping, maxima of two tensors, `where`, masks of numbers."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlike._src.operators.numbers import fitting
from torchlike._src.operators.promotion import BOOL, CATEGORY, COMPLEX, FLOAT, kind_of, result_type, scalar_type
from torchlike._src.operators.registry import FOUND, Array, Number, Operand, Out, composite, is_tensor, op, ops
from torchlike._src.operators.support import (
    as_dtype,
    broadcast_shapes,
    is_array,
    is_number,
    on_host,
    operands,
    refuse,
    refuse_complex,
    underivable,
)


def _is_nan(x: Any) -> Any:
    """`jnp.isnan` for every dtype, and for numbers."""
    if is_number(x):
        return x != x
    return jnp.isnan(x) if CATEGORY[np.dtype(x.dtype)] >= FLOAT else False


def _check_clamp(input: Any, min: Any, max: Any) -> None:
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    refuse_complex("clamp is not supported for complex types", input, NotImplementedError)
    tensors = any(is_array(bound) for bound in (min, max) if bound is not None)
    if min is not None and max is not None:
        refuse("clamp_cpu" if tensors else "clamp_scalar_cpu", input, BOOL)
    elif not tensors:
        refuse("clamp_max_scalar_cpu" if min is None else "clamp_min_scalar_cpu", input, BOOL)


def _host_clamp(input: Any, min: Any = None, max: Any = None) -> Any:
    _check_clamp(input, min, max)
    for bound in (min, max):
        fitting(bound, input.dtype)
    if min is not None:
        input = on_host(np.maximum)(input, min)
    return input if max is None else on_host(np.minimum)(input, max)


#: Between numbers the dtype is that of the result, between tensors any to which it can be cast.
_BOUNDED = Out(FOUND, casts=lambda input, *bounds: any(map(is_tensor, bounds)))


@op(
    "clamp", "clip", promote="common", inplace=True, out=_BOUNDED, saves=("input", "min", "max"), host=_host_clamp,
    grad_name=lambda bound: "ClampBackward0" if is_array(bound["min"] if bound["min"] is not None else bound["max"])
    else "ClampBackward1",
)  # fmt: skip
def clamp(input: Array, min: Operand | None = None, max: Operand | None = None) -> Array:
    """``input`` limited to ``[min, max]``; ``max`` wins where they cross, NaN where any is NaN.

    The gradient passes to ``input`` on the bounds too.
    """
    _check_clamp(input, min, max)
    if min is not None:
        input = _bounded(input, min, jnp.less)
    return input if max is None else _bounded(input, max, jnp.greater)


def _bounded(input: Array, bound: Any, beyond: Callable[[Array, Array], Array]) -> Array:
    fitting(bound, np.dtype(input.dtype))
    input, bound = jnp.broadcast_arrays(*operands(input, bound))
    if CATEGORY[np.dtype(input.dtype)] < FLOAT:
        return jnp.where(beyond(input, bound), bound, input)
    neither = lax.stop_gradient(input + bound)  # NaN if either is, with gradient to neither
    return jnp.where(beyond(input, bound), bound, jnp.where(jnp.isnan(neither), neither, input))


@op("clamp_min", promote="common", inplace=True, out=_BOUNDED, saves=("input", "min"))
def clamp_min(input: Array, min: Operand) -> Array:
    """``input`` where it is not below ``min``, else ``min``."""
    _check_clamp(input, min, None)
    return _bounded(input, min, jnp.less)


@op("clamp_max", promote="common", inplace=True, out=_BOUNDED, saves=("input", "max"))
def clamp_max(input: Array, max: Operand) -> Array:
    """``input`` where it is not above ``max``, else ``max``."""
    _check_clamp(input, None, max)
    return _bounded(input, max, jnp.greater)


def _extreme(function: Callable[[Array, Array], Array], sign: int) -> Callable[[Array, Array], Array]:
    """The larger or smaller of two with torch's gradient: halved between equals, and to both where one is NaN."""

    def forward(x: Array, y: Array) -> tuple[Array, tuple[Array, Array]]:
        return function(x, y), (x, y)

    def backward(saved: tuple[Array, Array], cotangent: Array) -> tuple[Array, Array]:
        x, y = saved
        half = cotangent / 2
        less, greater = (x < y, x > y) if sign > 0 else (x > y, x < y)
        shared = jnp.where(x == y, half, cotangent)
        return jnp.where(less, 0, shared), jnp.where(greater, 0, shared)

    derivable = jax.custom_vjp(function)
    derivable.defvjp(forward, backward)
    return derivable


_maximum, _minimum = _extreme(jnp.maximum, 1), _extreme(jnp.minimum, -1)


@op("maximum", promote="common", out=True, saves=("input", "other"), host=on_host(np.maximum, but="c"))
def maximum(input: Array, other: Array) -> Array:
    """The larger of two; NaN if either is. Equal values share the gradient."""
    refuse_complex("maximum not implemented for complex tensors.", input)
    return _maximum(*jnp.broadcast_arrays(*operands(input, other)))


@op("minimum", promote="common", out=True, saves=("input", "other"), host=on_host(np.minimum, but="c"))
def minimum(input: Array, other: Array) -> Array:
    """The smaller of two; NaN if either is. Equal values share the gradient."""
    refuse_complex("minimum not implemented for complex tensors.", input)
    return _minimum(*jnp.broadcast_arrays(*operands(input, other)))


@op("fmax", promote="common", out=True, saves=("input", "other"))
def fmax(input: Array, other: Array) -> Array:
    """The larger of two, or the one that is not NaN. The gradient of equal values goes to ``input``."""
    refuse_complex("fmax not implemented for complex tensors.", input)
    input, other = operands(input, other)
    return jnp.where((input >= other) | _is_nan(other), input, other)


@op("fmin", promote="common", out=True, saves=("input", "other"))
def fmin(input: Array, other: Array) -> Array:
    """The smaller of two, or the one that is not NaN. The gradient of equal values goes to ``input``."""
    refuse_complex("fmin not implemented for complex tensors.", input)
    input, other = operands(input, other)
    return jnp.where((input <= other) | _is_nan(other), input, other)


def _check_condition(condition: Any) -> None:
    if condition.dtype not in (np.dtype(bool), np.dtype(np.uint8)):
        raise RuntimeError(
            "where expected condition to be a boolean tensor, but got a tensor with dtype "
            f"{scalar_type(np.dtype(condition.dtype))}"
        )


def _chosen(condition: Any, input: Any, other: Any) -> tuple[Any, Any, Any]:
    """Truth values and the two sides in their common dtype; the condition has no say in it."""
    _check_condition(condition)
    dtype = result_type(kind_of(v) for v in (input, other))
    for side in (input, other):
        fitting(side, np.dtype(np.float64) if dtype.itemsize == 2 and CATEGORY[dtype] == FLOAT else dtype)
    return condition.astype(bool), as_dtype(input, dtype), as_dtype(other, dtype)


def _host_where(condition: Any, input: Any, other: Any) -> Any:
    return np.asarray(np.where(*_chosen(condition, input, other)))


@op(
    "_where",
    out="Expected out type to be {Made} but got {Given}",
    method=False,
    saves=("condition",),
    host=_host_where,
    grad_name="WhereBackward0",
)
def _where(condition: Array, input: Operand, other: Operand) -> Array:
    """``input`` where ``condition`` holds, else ``other``; both broadcast and promoted."""
    condition, input, other = _chosen(condition, input, other)
    broadcast_shapes(condition.shape, input.shape, other.shape)
    return jnp.where(condition, input, other)


@composite("where", method=False)
def where(condition: Any, input: Any = None, other: Any = None, *, out: Any = None) -> Any:
    """``input`` where ``condition`` holds, else ``other``; with the condition alone, `nonzero` as a tuple."""
    if input is None and other is None:
        return ops.nonzero(condition, as_tuple=True)
    return ops._where(condition, input, other, **({} if out is None else {"out": out}))


@composite("_where_method", method="where")
def _where_method(input: Any, condition: Any, other: Any) -> Any:
    """``input`` where ``condition`` holds, else ``other``."""
    return ops._where(condition, input, other)


@op(
    "heaviside",
    inplace=True,
    out="heaviside is not yet implemented for tensors with different dtypes.",
    grad_name="NotImplemented",
)
def heaviside(input: Array, values: Array) -> Array:
    """0 below zero, ``values`` at zero, 1 above.

    Raises:
        RuntimeError: if the dtypes differ, or are complex.
    """
    for x in (input, values):
        refuse_complex("heaviside is not yet implemented for complex tensors.", x)
    if input.dtype != values.dtype:
        raise RuntimeError("heaviside is not yet implemented for tensors with different dtypes.")
    input, values = operands(input, values)
    return _heaviside(input, values)


_heaviside = underivable("heaviside", lambda input, values: jnp.where(input == 0, values, (input > 0).astype(input.dtype)))


@op("nan_to_num", inplace=True, out="nan_to_num: dtype of out: {Given} should be same as input: {Made}", saves=("input",))
def nan_to_num(input: Array, nan: Number | None = None, posinf: Number | None = None, neginf: Number | None = None) -> Array:
    """NaN replaced by ``nan`` (0), infinities by ``posinf`` and ``neginf`` (the limits of the dtype)."""
    dtype = np.dtype(input.dtype)
    if CATEGORY[dtype] < FLOAT:
        return input
    if CATEGORY[dtype] == COMPLEX:
        return lax.complex(*(nan_to_num(part, nan, posinf, neginf) for part in (jnp.real(input), jnp.imag(input))))
    limits = jnp.finfo(dtype)
    result = jnp.where(jnp.isnan(input), as_dtype(0.0 if nan is None else nan, dtype), input)
    result = jnp.where(input == jnp.inf, limits.max if posinf is None else as_dtype(posinf, dtype), result)
    return jnp.where(input == -jnp.inf, limits.min if neginf is None else as_dtype(neginf, dtype), result)
