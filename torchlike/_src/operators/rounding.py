"""Rounding, signs and the parts of floating point numbers."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlike._src.operators.promotion import BOOL, CATEGORY, COMPLEX, FLOAT, INTEGER, scalar_type
from torchlike._src.operators.registry import FOUND, Array, Operand, Out, op
from torchlike._src.operators.support import HALF, on_host, operands, overload, refuse, refuse_complex


def _is_integer(x: Array) -> bool:
    return CATEGORY[np.dtype(x.dtype)] == INTEGER


@op("floor", inplace=True, out=FOUND, host=on_host(np.floor, but="bciu"), saves=())
def floor(input: Array) -> Array:
    """The largest integer not above; integers as they are."""
    refuse("floor_vml_cpu", input, BOOL)
    refuse_complex("floor is not supported for complex inputs", input, NotImplementedError)
    return input if _is_integer(input) else jnp.floor(input)


@op("ceil", inplace=True, out=FOUND, host=on_host(np.ceil, but="bciu"), saves=())
def ceil(input: Array) -> Array:
    """The smallest integer not below; integers as they are."""
    refuse("ceil_vml_cpu", input, BOOL)
    refuse_complex("ceil is not supported for complex inputs", input, NotImplementedError)
    return input if _is_integer(input) else jnp.ceil(input)


@op("trunc", "fix", inplace=True, out=FOUND, host=on_host(np.trunc, but="bciu"), saves=())
def trunc(input: Array) -> Array:
    """The integer part; integers as they are."""
    refuse("trunc_vml_cpu", input, BOOL)
    refuse_complex("trunc is not supported for complex inputs", input, NotImplementedError)
    return input if _is_integer(input) else jnp.trunc(input)


def _host_round(input: np.ndarray, *, decimals: int = 0) -> np.ndarray:
    if decimals:
        return NotImplemented  # on the device, where the steps are torch's
    return on_host(np.rint, but="bciu")(input)


@op(
    "round", "special.round", inplace=True, out=FOUND, host=_host_round,
    grad_name=lambda bound: "RoundBackward1" if bound["decimals"] else "RoundBackward0", saves=(),
)  # fmt: skip
def round(input: Array, *, decimals: int = 0) -> Array:
    """The nearest integer, halves to even; or the nearest multiple of ``10 ** -decimals``."""
    refuse("round_cpu" if decimals else "round_vml_cpu", input, BOOL, COMPLEX)
    if _is_integer(input):
        if decimals:
            refuse("round_cpu", input, INTEGER)
        return input
    if not decimals:
        return jnp.round(input)
    unit = np.asarray(10.0 ** max(decimals, -decimals), input.dtype)
    return jnp.round(input * unit) / unit if decimals > 0 else jnp.round(input / unit) * unit


@op("frac", inplace=True, out=FOUND, saves=())
def frac(input: Array) -> Array:
    """The fractional part, with the sign of ``input``."""
    refuse("frac_cpu", input, BOOL, INTEGER, COMPLEX)
    return input - jnp.trunc(input)


@jax.custom_vjp
def _abs(x: Array) -> Array:
    return jnp.abs(x)


def _abs_backward(x: Array, cotangent: Array) -> tuple[Array]:
    """Zero at zero, for complex numbers too, where the limit depends on the direction."""
    return (cotangent * jnp.conj(_sgn(x)),) if jnp.iscomplexobj(x) else (cotangent * jnp.sign(x),)


_abs.defvjp(lambda x: (jnp.abs(x), x), _abs_backward)


@op(
    "abs", "absolute", inplace=True, operators=("__abs__",), saves=("input",), host=on_host(np.abs, but="b"),
    out=Out(FOUND, casts=lambda input: input.is_complex()),
)  # fmt: skip
def abs(input: Array) -> Array:
    """The absolute value; of a complex number its real modulus."""
    refuse("abs_cpu", input, BOOL)
    return _abs(input)


@op("sign", inplace=True, out=FOUND, host=on_host(np.sign, but="bcfV"), saves=())
def sign(input: Array) -> Array:
    """-1, 0 or 1; NaN becomes 0, as in torch."""
    refuse_complex(
        "Unlike NumPy, torch.sign is not intended to support complex numbers. Please use torch.sgn instead.",
        input, NotImplementedError,
    )  # fmt: skip
    if CATEGORY[np.dtype(input.dtype)] == BOOL:
        return input
    return ((input > 0).astype(jnp.int8) - (input < 0).astype(jnp.int8)).astype(input.dtype)


def _sgn(x: Array) -> Array:
    size = jnp.abs(x)
    zero = size == 0
    return jnp.where(zero, 0, x / jnp.where(zero, 1, size).astype(x.dtype))


@jax.custom_vjp
def _sgn_complex(x: Array) -> Array:
    return _sgn(x)


def _sgn_backward(x: Array, cotangent: Array) -> tuple[Array]:
    size = jnp.abs(x)
    zero = size == 0
    unit = _sgn(x)
    along = jnp.real(unit * cotangent).astype(x.dtype)  # what would change only the modulus
    return (jnp.where(zero, 0, (cotangent - along * jnp.conj(unit)) / jnp.where(zero, 1, size).astype(x.dtype)),)


_sgn_complex.defvjp(lambda x: (_sgn(x), x), _sgn_backward)


@op("sgn", inplace=True, out=FOUND, saves=("input", "result"))
def sgn(input: Array) -> Array:
    """`sign`; of a complex number ``x / |x|``, 0 at 0."""
    return _sgn_complex(input) if jnp.iscomplexobj(input) else sign(input)


@op("signbit", out="signbit does not support non-boolean outputs.", differentiable=False)
def signbit(input: Array) -> Array:
    """Whether the sign bit is set, also of -0.0."""
    refuse_complex("signbit is not implemented for complex tensors.", input, NotImplementedError)
    if CATEGORY[np.dtype(input.dtype)] != FLOAT:
        return input < 0 if _is_integer(input) else jnp.zeros_like(input)
    return jnp.signbit(input)


@op(
    "copysign", promote="float", inplace=True, out=True, saves=("input:input", "result", "~input", "~other"),
    grad_name=overload("Copysign", 0, other=1),
)  # fmt: skip
def copysign(input: Array, other: Operand) -> Array:
    """The modulus of ``input`` with the sign of ``other``."""
    refuse("copysign_cpu", input, COMPLEX)
    input, other = operands(input, other)
    flip = lax.stop_gradient(jnp.where(jnp.signbit(input) == jnp.signbit(other), 1, -1)).astype(input.dtype)
    flipped = jnp.where(input == 0, lax.stop_gradient(jnp.copysign(input, other)), input * flip)
    return jnp.where(jnp.isnan(input), jnp.copysign(input, other), flipped)


@op("nextafter", inplace=True, out=True, saves=("input", "other"))
def nextafter(input: Array, other: Array) -> Array:
    """The next number that the dtype holds after ``input``, towards ``other``; its gradient is that of a step aside."""
    refuse("nextafter_cpu", input, BOOL, INTEGER, COMPLEX)
    input, other = operands(input, other)
    return _nextafter(*jnp.broadcast_arrays(input, other.astype(input.dtype)))


@jax.custom_jvp
def _nextafter(x: Array, y: Array) -> Array:
    return jnp.nextafter(x, y)


_nextafter.defjvps(lambda tangent, _, x, y: jnp.where(x != y, tangent, 0), lambda tangent, _, x, y: jnp.zeros_like(tangent))


@op(
    "frexp",
    out=Out(
        (
            "torch.frexp() expects mantissa to have dtype {made} but got {given}",
            "torch.frexp() expects exponent to have {made} dtype but got {given}",
        )
    ),
    returns=("mantissa", "exponent"),
    saves=("exponent",),
    layout="elementwise",
)
def frexp(input: Array) -> tuple[Array, Array]:
    """The mantissa, of modulus in [0.5, 1), and the int32 exponent: ``input = mantissa * 2 ** exponent``."""
    if CATEGORY[np.dtype(input.dtype)] != FLOAT:
        raise RuntimeError("torch.frexp() only supports floating-point dtypes")
    return _frexp(input)


@jax.custom_vjp
def _frexp(x: Array) -> tuple[Array, Array]:
    mantissa, exponent = jnp.frexp(x)
    return mantissa, exponent.astype(np.int32)


def _frexp_forward(x: Array) -> tuple[tuple[Array, Array], Array]:
    mantissa, exponent = _frexp(x)
    return (mantissa, exponent), exponent


def _frexp_backward(exponent: Array, cotangents: tuple[Array, Any]) -> tuple[Array]:
    return (cotangents[0] / jnp.exp2(exponent.astype(cotangents[0].dtype)),)


_frexp.defvjp(_frexp_forward, _frexp_backward)


def _not_a_float(x: Array) -> bool:
    return CATEGORY[np.dtype(x.dtype)] < FLOAT


@op("isnan", differentiable=False, host=on_host(np.isnan))
def isnan(input: Array) -> Array:
    """Where ``input`` is not a number."""
    return jnp.zeros(input.shape, bool) if _not_a_float(input) else jnp.isnan(input)


@op("isinf", differentiable=False, host=on_host(np.isinf))
def isinf(input: Array) -> Array:
    """Where ``input`` is infinite; a complex number is if a part is."""
    return jnp.zeros(input.shape, bool) if _not_a_float(input) else jnp.isinf(input)


@op("isfinite", differentiable=False, host=on_host(np.isfinite))
def isfinite(input: Array) -> Array:
    """Where ``input`` is neither infinite nor NaN."""
    return jnp.ones(input.shape, bool) if _not_a_float(input) else jnp.isfinite(input)


@op("isposinf", out="isposinf does not support non-boolean outputs.", differentiable=False)
def isposinf(input: Array) -> Array:
    """Where ``input`` is +inf."""
    refuse_complex("isposinf does not support complex inputs.", input)
    return jnp.zeros(input.shape, bool) if _not_a_float(input) else input == jnp.inf


@op("isneginf", out="isneginf does not support non-boolean outputs.", differentiable=False)
def isneginf(input: Array) -> Array:
    """Where ``input`` is -inf."""
    refuse_complex("isneginf does not support complex inputs.", input)
    return jnp.zeros(input.shape, bool) if _not_a_float(input) else input == -jnp.inf


@op("isreal", differentiable=False)
def isreal(input: Array) -> Array:
    """Where the imaginary part is zero."""
    return jnp.isreal(input)


@op("angle", promote="float", out=True, saves=("input",))
def angle(input: Array) -> Array:
    """The argument of a complex number; of a real one 0 or π, and NaN of NaN. Its gradient at 0 is 0."""
    if not jnp.iscomplexobj(input):
        return lax.stop_gradient(jnp.where(jnp.isnan(input), input, jnp.where(input < 0, np.pi, 0.0).astype(input.dtype)))
    zero = input == 0
    value = jnp.where(zero, 1, input)
    return jnp.where(zero, lax.stop_gradient(jnp.angle(input)), jnp.arctan2(jnp.imag(value), jnp.real(value)))


@op("conj_physical", inplace=True, out=FOUND, saves=(), layout="elementwise")
def conj_physical(input: Array) -> Array:
    """The complex conjugate."""
    return jnp.conj(input) if jnp.iscomplexobj(input) else input


def _check_parts(a: Array, b: Array) -> None:
    if CATEGORY[np.dtype(a.dtype)] != FLOAT or CATEGORY[np.dtype(b.dtype)] != FLOAT or a.dtype == jnp.bfloat16:
        names = [scalar_type(np.dtype(x.dtype)) for x in (a, b)]
        raise RuntimeError(f"Expected both inputs to be Half, Float or Double tensors but got {names[0]} and {names[1]}")
    if a.dtype != b.dtype:
        names = [scalar_type(np.dtype(x.dtype)) for x in (a, b)]
        raise RuntimeError(f"Expected object of scalar type {names[0]} but got scalar type {names[1]} for second argument")


def _host_complex(real: Any, imag: Any) -> Any:
    _check_parts(real, imag)
    return (real + 1j * imag).astype(np.result_type(real.dtype, np.complex64))


@op(
    "complex", method=False, out="Expected object of scalar type {Made} but got scalar type {Given} for argument 'out'",
    saves=("real:real", "imag:imag"), host=_host_complex,
)  # fmt: skip
def complex_(real: Array, imag: Array) -> Array:
    """``real + 1j * imag``."""
    _check_parts(real, imag)
    return lax.complex(*jnp.broadcast_arrays(*operands(real, imag)))


@op(
    "polar",
    method=False,
    out="Expected object of scalar type {Made} but got scalar type {Given} for argument 'out'",
    saves=("result",),
)
def polar(abs: Array, angle: Array) -> Array:
    """``abs * exp(1j * angle)``."""
    _check_parts(abs, angle)
    refuse("polar_cpu", abs, HALF)
    abs, angle = jnp.broadcast_arrays(*operands(abs, angle))
    return lax.complex(abs * jnp.cos(angle), abs * jnp.sin(angle))
