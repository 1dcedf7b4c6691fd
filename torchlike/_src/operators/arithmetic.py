"""Sums, products, quotients and powers of tensors and numbers. Clamping and other choices are in `selection`."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlike._src.operators.numbers import fitting
from torchlike._src.operators.precision import quotient, rounded
from torchlike._src.operators.promotion import BOOL, CATEGORY, COMPLEX, FLOAT, INTEGER, cpp_name, promote, to_float
from torchlike._src.operators.registry import FOUND, Array, Number, Operand, composite, is_tensor, op, ops
from torchlike._src.operators.support import (
    as_dtype,
    broadcast_shapes,
    checked,
    is_array,
    is_number,
    on_host,
    operands,
    other_dtype,
    overload,
    refuse,
    underivable,
    vetted,
    widen,
    wrap,
)

_BOOL = np.dtype(bool)


def _combined(plus: Callable[[Any, Any], Any], input: Any, other: Any, alpha: Any, sign: int = 1) -> Any:
    """``plus(input, alpha * other)``, refusing an ``alpha`` that, with its ``sign``, their dtype cannot hold."""
    dtype = np.dtype(input.dtype)
    if is_number(alpha):
        if alpha is True and CATEGORY[dtype] == BOOL:
            return plus(input, other)
        if isinstance(alpha, bool) and CATEGORY[dtype] != BOOL:
            raise RuntimeError("Boolean alpha only supported for Boolean results.")
        if isinstance(alpha, float) and CATEGORY[dtype] < FLOAT:
            raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number.")
        if isinstance(alpha, complex) and CATEGORY[dtype] < COMPLEX:
            raise RuntimeError("For non-complex input tensors, argument alpha must not be a complex number.")
        if alpha == 1:
            return plus(input, other)
        fitting(sign * alpha, dtype)
    input, other, alpha = widen(input, other, as_dtype(alpha, dtype))
    return plus(input, other * alpha).astype(dtype)


def _host_add(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    return on_host(lambda a, b: _combined(np.add, a, b, alpha))(input, other)


@op("add", promote="common", inplace=True, out=True, operators=("__add__", "__radd__", "__iadd__"), host=_host_add, saves=())
def add(input: Operand, other: Operand, *, alpha: Number = 1) -> Array:
    """``input + alpha * other``."""
    input, other = operands(input, other)
    return _combined(jnp.add, input, other, alpha)


def check_difference(input: Any, other: Any) -> None:
    """Raise torch's RuntimeError for a difference with a bool."""
    bools = [(is_array(x) and CATEGORY[np.dtype(x.dtype)] == BOOL) or isinstance(x, bool) for x in (input, other)]
    if all(bools):
        raise RuntimeError(
            "Subtraction, the `-` operator, with two bool tensors is not supported. "
            "Use the `^` or `logical_xor()` operator instead."
        )
    if any(bools):
        raise RuntimeError(
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, "
            "use the `~` or `logical_not()` operator instead."
        )


def _difference_operands(input: Any, other: Any) -> tuple[Any, Any]:
    check_difference(input, other)
    input, other = promote((input, other), "common")
    return input, other


def _host_sub(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    input, other = _difference_operands(input, other)
    return on_host(lambda a, b: _combined(np.subtract, a, b, alpha, -1))(input, other)


@op("sub", "subtract", inplace=True, out=True, operators=("__sub__", "__isub__"), host=_host_sub, saves=())
def sub(input: Operand, other: Operand, *, alpha: Number = 1) -> Array:
    """``input - alpha * other``; bools have no difference."""
    input, other = operands(*_difference_operands(input, other))  # promoted here: bools are refused before
    return _combined(jnp.subtract, input, other, alpha, -1)


@op("rsub", method=False, grad_name=overload("Rsub", 0, other=1), saves=())
def rsub(input: Array, other: Operand, *, alpha: Number = 1) -> Array:
    """``other - alpha * input``."""
    return sub(other, input, alpha=alpha)


@op("_reflected_sub", method=False, grad_name="RsubBackward1", operators=("__rsub__",), host=_host_sub, saves=())
def _reflected_sub(input: Operand, other: Operand) -> Array:
    return sub(input, other)


def _by_scalar(function: Callable[..., Any], mode: str) -> Callable[[Any, Any], Any]:
    """``function`` of two operands in their common dtype (see `promote`).

    A number, or a 0-d ``other``, is not rounded to half precision: torch scales by it in float32 and rounds the result.
    """

    def apply(input: Any, other: Any) -> Any:
        x, y = promote((input, other), mode)
        if is_array(x) and not getattr(y, "ndim", 0):
            (wide,) = widen(x)
            if wide is not x:
                return function(wide, as_dtype(other, np.dtype(np.float32))).astype(x.dtype)
        return function(*operands(x, y))

    return apply


def _host_by_scalar(function: Callable[..., Any], mode: str) -> Callable[[Any, Any], Any]:
    plain = on_host(function)
    apply = _by_scalar(plain, mode)

    def host(input: Any, other: Any) -> Any:
        if input.__class__ is np.ndarray and input.dtype.kind == "f" and input.dtype.itemsize > 2:  # nothing to promote
            if other.__class__ in (float, int) or (other.__class__ is np.ndarray and other.dtype == input.dtype):
                return plain(input, other)
        return np.asarray(apply(input, other))

    return host


_host_product = _host_by_scalar(np.multiply, "common")


def _number_second(input: Any, other: Any) -> tuple[Any, Any]:
    return (input, other) if is_array(input) else (other, input)


@op(
    "mul", "multiply", inplace=True, out=True, operators=("__mul__", "__rmul__", "__imul__"),
    host=lambda input, other: _host_product(*_number_second(input, other)),
    saves=("input:other", "other:input"),
)  # fmt: skip
def mul(input: Operand, other: Operand) -> Array:
    """``input * other``."""
    return _by_scalar(jnp.multiply, "common")(*_number_second(input, other))


@op(
    "true_divide", inplace=True, out=True, operators=("__truediv__", "__itruediv__", "__idiv__", "__div__"),
    host=_host_by_scalar(np.true_divide, "float"), saves=("input:other", "other"), grad_name="DivBackward0",
)  # fmt: skip
def true_divide(input: Operand, other: Operand) -> Array:
    """``input / other``, a float whatever the inputs."""
    return _by_scalar(quotient, "float")(input, other)


@op(
    "_reflected_div",
    method=False,
    grad_name="MulBackward0",
    operators=("__rtruediv__", "__rdiv__"),
    saves=("input:other", "other"),
)
def _reflected_div(input: Operand, other: Operand) -> Array:
    """``input / other`` with the rounding of torch's ``2 / x``, which is ``x.reciprocal() * 2``."""
    _, other = promote((input, other), "float")
    return mul(rounded(jnp.reciprocal(other), other.dtype), input)


def _check_rounding(rounding_mode: str | None) -> None:
    if rounding_mode not in (None, "trunc", "floor"):
        raise RuntimeError(f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'")


def _check_divisor(input: Any, other: Any, *_: Any, **__: Any) -> None:
    """Integer division by zero is an error where the divisor is known: as a number, or on the host."""
    integers = all(isinstance(x, int) if is_number(x) else CATEGORY[np.dtype(x.dtype)] <= INTEGER for x in (input, other))
    if integers and (is_number(other) or isinstance(other, np.ndarray)):
        beside = np.dtype(getattr(input, "dtype", _BOOL))
        divisor = wrap(other, beside) if type(other) is int and CATEGORY[beside] == INTEGER else np.asarray(other)
        if (divisor.dtype != _BOOL or beside != _BOOL) and not divisor.all():
            raise RuntimeError("ZeroDivisionError")


def _host_division(function: Any) -> Any:
    divide = on_host(function, but="bc")

    def host(input: Any, other: Any) -> Any:
        _check_divisor(input, other)
        return divide(input, other)

    return host


@op(
    "_div_rounded",
    promote="common",
    method=False,
    inplace=True,
    out=True,
    grad_name="DivBackward2",
    saves=("input:other", "other"),
)
@checked(_check_divisor)
def _div_rounded(input: Operand, other: Operand, rounding_mode: str) -> Array:
    """``input / other`` rounded towards zero (``"trunc"``) or down (``"floor"``); the gradient is zero."""
    if rounding_mode == "floor":
        input, other = _division_operands(input, other, "div_floor_cpu")
        if CATEGORY[np.dtype(input.dtype)] == INTEGER:
            return jnp.floor_divide(input, other)
        return lax.stop_gradient(_floor_of_quotient(*jnp.broadcast_arrays(input, other)))
    input, other = _division_operands(input, other, "div_trunc_cpu")
    if CATEGORY[np.dtype(input.dtype)] == INTEGER:
        return lax.div(*jnp.broadcast_arrays(input, other))
    return lax.stop_gradient(jnp.trunc(quotient(input, other)))


@composite("div", "divide")
def div(input: Any, other: Operand, *, rounding_mode: str | None = None, out: Any = None) -> Any:
    """``input / other``: the true quotient, or rounded towards zero (``"trunc"``) or down (``"floor"``).

    Raises:
        RuntimeError: for another ``rounding_mode``; for integer division by the number zero.
    """
    _check_rounding(rounding_mode)
    into = {} if out is None else {"out": out}
    if rounding_mode is None:
        return ops.true_divide(input, other, **into)
    return ops._div_rounded(input, other, rounding_mode, **into)


@composite("div_", "divide_", method=True)
def div_(input: Any, other: Operand, *, rounding_mode: str | None = None) -> Any:
    """`div`, written into ``input``."""
    _check_rounding(rounding_mode)
    if rounding_mode is None:
        return ops.true_divide_(input, other)
    return ops._div_rounded_(input, other, rounding_mode)


def _division_operands(input: Any, other: Any, kernel: str) -> tuple[Any, Any]:
    if is_number(other):
        _check_divisor(input, other)
    input, other = operands(input, other)
    refuse(kernel, input, BOOL, COMPLEX)
    return input, other


def _host_floor_divide(input: Any, other: Any) -> Any:
    halves = any(x.dtype.itemsize == 2 and CATEGORY[x.dtype] == FLOAT for x in (input, other) if isinstance(x, np.ndarray))
    return NotImplemented if halves else _host_division(np.floor_divide)(input, other)


@op(
    "floor_divide", promote="common", inplace=True, out=True, operators=("__floordiv__", "__rfloordiv__", "__ifloordiv__"),
    host=_host_floor_divide, grad_name="NotImplemented",
)  # fmt: skip
@checked(_check_divisor)
def floor_divide(input: Operand, other: Operand) -> Array:
    """``input / other`` rounded down, in the common dtype."""
    x, y = _division_operands(input, other, "div_floor_cpu")
    if CATEGORY[np.dtype(x.dtype)] == INTEGER:
        return jnp.floor_divide(x, y)
    (wide,) = widen(x)
    y = as_dtype(y if is_array(other) else other, np.dtype(wide.dtype))  # a number is not rounded, as in `_by_scalar`
    return _floor_divide(*jnp.broadcast_arrays(wide, y)).astype(x.dtype)


def _floor_of_quotient(input: Array, other: Array) -> Array:
    """From the exact remainder, as Python: rounding ``input / other`` would be off by one now and then."""
    rest = lax.rem(input, other)
    quotient = (input - rest) / other
    quotient = jnp.where((rest != 0) & ((other < 0) != (rest < 0)), quotient - 1, quotient)
    down = jnp.floor(quotient)
    down = jnp.where(quotient - down > 0.5, down + 1, down)
    down = jnp.where(quotient != 0, down, jnp.copysign(jnp.zeros_like(down), input / other))
    return jnp.where(other == 0, input / other, down)


_floor_divide = underivable("floor_divide", _floor_of_quotient)


def _host_remainder(input: Any, other: Any) -> Any:
    rest = np.fmod(input, other)  # np.remainder gives zeros the sign of `other`
    return np.where((rest != 0) & ((other < 0) != (rest < 0)), rest + other, rest)


@op(
    "remainder", promote="common", inplace=True, out=True, operators=("__mod__", "__rmod__", "__imod__"),
    host=_host_division(_host_remainder), saves=("input:other", "other:other"), grad_name=overload("Remainder", 1, other=0),
)  # fmt: skip
@checked(_check_divisor)
def remainder(input: Operand, other: Operand) -> Array:
    """``input - other * floor(input / other)``: the sign of ``other``."""
    input, other = _division_operands(input, other, "remainder_cpu")
    rest = lax.rem(*jnp.broadcast_arrays(input, other))
    return jnp.where((rest != 0) & ((other < 0) != (rest < 0)), rest + other, rest)


@op(
    "fmod", promote="common", inplace=True, out=True, saves=("input:other", "other:other"), host=_host_division(np.fmod),
    grad_name=overload("Fmod", 1, other=0),
)  # fmt: skip
@checked(_check_divisor)
def fmod(input: Array, other: Operand) -> Array:
    """``input - other * trunc(input / other)``: the sign of ``input``."""
    input, other = _division_operands(input, other, "fmod_cpu")
    return lax.rem(*jnp.broadcast_arrays(input, other))


def _pow_grad_name(bound: dict[str, Any]) -> str:
    if is_number(bound["exponent"]):
        return "PowBackward0"
    return "PowBackward2" if is_number(bound["input"]) else "PowBackward1"


def _host_pow(input: Any, exponent: Any) -> Any:
    if not all(isinstance(x, np.ndarray) or x >= 0 for x in (input, exponent)):
        return NotImplemented
    if isinstance(exponent, np.ndarray) and exponent.dtype.kind in "iu":
        base = as_dtype(input, exponent.dtype)
        return np.asarray(_integer_pow(np, *np.broadcast_arrays(base, exponent)), dtype=exponent.dtype)
    return on_host(np.power, but="b")(input, fitting(exponent, input.dtype))


def _check_exponent(input: Any, exponent: Any) -> None:
    integers = is_array(input) and CATEGORY[np.dtype(input.dtype)] == INTEGER and type(exponent) is int
    if integers and exponent < 0:
        raise RuntimeError("Integers to negative integer powers are not allowed.")


@op(
    "pow", promote="common", inplace=True, out=True, operators=("__pow__", "__rpow__", "__ipow__"), host=_host_pow,
    saves=("input", "exponent", "result:exponent", "~input"), grad_name=_pow_grad_name,
)  # fmt: skip
@vetted(_check_exponent)
def pow(input: Operand, exponent: Operand) -> Array:
    """``input ** exponent``.

    Raises:
        RuntimeError: for integers to a negative integer number.
    """
    if is_number(exponent) and is_array(input):
        return _pow_number(input, exponent)
    base = input
    input, exponent = operands(input, exponent)
    refuse("pow", input if is_array(base) else exponent, BOOL)
    if CATEGORY[np.dtype(input.dtype)] == INTEGER:
        return _integer_pow(jnp, *jnp.broadcast_arrays(input, exponent))
    return _pow(*jnp.broadcast_arrays(input, exponent))


def _pow_number(input: Array, exponent: complex) -> Array:
    """Powers that are known: the common ones without ``pow``, exactly and several times faster."""
    category = CATEGORY[np.dtype(input.dtype)]
    if category == BOOL:  # only beside a bool, a number of another type has promoted it
        return input if exponent else jnp.ones_like(input)
    if category <= INTEGER:
        _check_exponent(input, exponent)
        fitting(exponent, np.dtype(input.dtype))
        return lax.integer_pow(input, int(exponent)) if exponent else jnp.ones_like(input)
    if exponent == 0:
        return jnp.ones_like(input)
    if exponent in (0.5, -0.5) and category == FLOAT:
        return jnp.sqrt(input) if exponent > 0 else lax.rsqrt(input)
    if exponent in (1, 2, 3, -1, -2):
        return lax.integer_pow(input, int(exponent.real))
    if input.dtype.itemsize == 2:
        fitting(exponent, np.dtype(input.dtype))
    return _pow(input, jnp.broadcast_to(wrap(exponent, np.dtype(input.dtype)), input.shape))


@jax.custom_vjp
def _pow(base: Array, exponent: Array) -> Array:
    return jnp.power(base, exponent)


def _pow_forward(base: Array, exponent: Array) -> tuple[Array, tuple[Array, Array, Array]]:
    result = jnp.power(base, exponent)
    return result, (base, exponent, result)


def _pow_backward(saved: tuple[Array, Array, Array], cotangent: Array) -> tuple[Array, Array]:
    """torch's rule: nothing flows to the base of ``x ** 0``, nor to the exponent of ``0 ** y`` for ``y >= 0``."""
    base, exponent, result = saved
    to_base = jnp.where(exponent == 0, 0, cotangent * (exponent * _pow(base, exponent - 1)))
    still = (base == 0) & (jnp.real(exponent) >= 0)
    to_exponent = jnp.where(still, 0, cotangent * (result * jnp.log(jnp.where(still, 1, base))))
    return to_base, to_exponent


_pow.defvjp(_pow_forward, _pow_backward)


def _integer_pow(xp: Any, base: Any, exponent: Any) -> Any:
    """Powers of integers by squaring; a negative power is 0, but for the bases 1 and -1."""
    negative = exponent < 0
    odd = (exponent & 1) == 1
    reciprocal = xp.where(base == 1, 1, xp.where(base == -1, xp.where(odd, -1, 1), 0)).astype(base.dtype)
    result, square, left = xp.ones_like(base), base, xp.where(negative, 0, exponent)
    for _ in range(min(8 * base.dtype.itemsize, 64)):
        result = xp.where((left & 1) == 1, result * square, result)
        square, left = square * square, left >> 1
    return xp.where(negative, reciprocal, result)


@op(
    "_float_power",
    promote="common",
    method=False,
    inplace=True,
    out="the output given to float_power has dtype {Given} but the operation's result requires dtype {Made}",
    saves=("result:exponent", "~input", "~"),
    grad_name=_pow_grad_name,
)
def _float_power(input: Operand, exponent: Operand) -> Array:
    """``input ** exponent`` in float64, or complex128."""
    arrays = [v for v in (input, exponent) if is_array(v)]
    complex_ = any(CATEGORY[np.dtype(a.dtype)] == COMPLEX for a in arrays)
    dtype = np.dtype(np.complex128 if complex_ else np.float64)
    return pow(*(as_dtype(v, dtype) if is_array(v) else v for v in (input, exponent)))


@composite("float_power")
def float_power(input: Any, exponent: Any, *, out: Any = None) -> Any:
    """``input ** exponent`` in float64, or complex128."""
    return ops._float_power(input, exponent, **({} if out is None else {"out": out}))


@composite("_float_power_in_place", method="float_power_")
def _float_power_in_place(input: Any, exponent: Any) -> Any:
    """`float_power`, written into ``input``, which must have the dtype of the result."""
    complex_ = any(isinstance(x, complex) or (is_tensor(x) and x.is_complex()) for x in (input, exponent))
    wanted = np.dtype(np.complex128 if complex_ else np.float64)
    if input.dtype.np != wanted:
        raise other_dtype(
            "the base given to float_power_ has dtype {Given} but the operation's result requires dtype {Made}",
            wanted,
            input.dtype.np,
        )
    return ops._float_power_(input, exponent)


@op("square", promote="common", inplace=True, out=True, saves=("input",), grad_name="PowBackward0")
def square(input: Array) -> Array:
    """``input ** 2``."""
    return _pow_number(input.astype(np.int64) if CATEGORY[np.dtype(input.dtype)] == BOOL else input, 2)


@op("addcmul", promote="common", inplace=True, out=True, saves=("tensor1:tensor2", "tensor2:tensor1"))
def addcmul(input: Array, tensor1: Array, tensor2: Array, *, value: Number = 1) -> Array:
    """``input + value * tensor1 * tensor2``."""
    operands(input, tensor1, tensor2)
    refuse("addcmul_cpu_out", input, BOOL)
    dtype = input.dtype
    input, tensor1, tensor2 = widen(input, tensor1, tensor2)
    if not is_number(value) or value != 1:
        tensor1 = as_dtype(fitting(value, np.dtype(input.dtype)), np.dtype(input.dtype)) * tensor1
    return (input + tensor1 * tensor2).astype(dtype)


@op("addcdiv", promote="common", inplace=True, out=True, saves=("tensor1:tensor2", "tensor2"))
def addcdiv(input: Array, tensor1: Array, tensor2: Array, *, value: Number = 1) -> Array:
    """``input + value * tensor1 / tensor2``, of floats."""
    operands(input, tensor1, tensor2)
    if CATEGORY[np.dtype(input.dtype)] <= INTEGER:
        raise RuntimeError(
            "Integer division with addcdiv is no longer supported, and in a future  release addcdiv will perform a "
            "true division of tensor1 and tensor2. The historic addcdiv behavior can be implemented as "
            "(input + value * torch.trunc(tensor1 / tensor2)).to(input.dtype) for integer inputs and as "
            "(input + value * tensor1 / tensor2) for float inputs. The future addcdiv behavior is just the latter "
            "implementation: (input + value * tensor1 / tensor2), for all dtypes."
        )
    dtype = input.dtype
    input, tensor1, tensor2 = widen(input, tensor1, tensor2)
    value = as_dtype(fitting(value, np.dtype(input.dtype)), np.dtype(input.dtype))
    return (input + value * tensor1 / tensor2).astype(dtype)


@op(
    "lerp", inplace=True, out=True, saves=("input:weight", "end:weight", "weight:input,end"),
    grad_name=overload("Lerp", 1, weight=0),
)  # fmt: skip
def lerp(input: Array, end: Array, weight: Operand) -> Array:
    """``input + weight * (end - input)``, exact at both ends."""
    for name, x in (("end", end), ("weight", weight)):
        if is_array(x) and x.dtype != input.dtype:
            expected, got = (cpp_name(np.dtype(a.dtype)) for a in (input, x))
            raise RuntimeError(f"expected dtype {expected} for `{name}` but got dtype {got}")
    refuse("lerp_kernel_scalar" if not is_array(weight) else "lerp_kernel_tensor", input, BOOL, INTEGER)
    dtype = input.dtype
    broadcast_shapes(*(x.shape for x in (input, end, weight) if is_array(x)))
    input, end = widen(input, end)
    weight = as_dtype(fitting(weight, np.dtype(input.dtype)), np.dtype(input.dtype))
    step = end - input
    return jnp.where(jnp.abs(weight) < 0.5, input + weight * step, end - step * (1 - weight)).astype(dtype)


@op("neg", "negative", inplace=True, out=FOUND, operators=("__neg__",), host=on_host(np.negative, but="b"), saves=())
def neg(input: Array) -> Array:
    """``-input``."""
    if CATEGORY[np.dtype(input.dtype)] == BOOL:
        raise RuntimeError(
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, "
            "use the `~` or `logical_not()` operator instead."
        )
    return -input


@composite("positive", operators=("__pos__",))
def positive(input: Any) -> Any:
    """``input`` itself."""
    if str(input.dtype) == "torch.bool":
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


@op("reciprocal", promote="float", inplace=True, out=True, saves=("result",))
def reciprocal(input: Array) -> Array:
    """``1 / input``."""
    return jnp.reciprocal(input)


@op("ldexp", promote="common", inplace=True, out=True)
def ldexp(input: Array, other: Array) -> Array:
    """``input * 2 ** other``, a float."""
    dtype = to_float(np.dtype(input.dtype))
    input, other = operands(input.astype(dtype), other.astype(dtype))
    return input * _pow(jnp.full_like(other, 2), other)


@op("gcd", promote="common", inplace=True, out=True)
def gcd(input: Array, other: Array) -> Array:
    """The greatest common divisor of integers."""
    refuse("gcd_cpu", input, BOOL, FLOAT, COMPLEX)
    return jnp.gcd(*operands(input, other))


@op("lcm", promote="common", inplace=True, out=True)
def lcm(input: Array, other: Array) -> Array:
    """The least common multiple of integers."""
    refuse("lcm_cpu", input, BOOL, FLOAT, COMPLEX)
    return jnp.lcm(*operands(input, other))
