"""Special functions: error, gamma and Bessel functions and their kin."""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy import special as jsp

from torchlike._src.operators.promotion import BOOL, COMPLEX, INTEGER, promote
from torchlike._src.operators.registry import Array, Operand, composite, op, ops
from torchlike._src.operators.support import HALF, operands, overload, refuse, widen


@op("erf", "special.erf", promote="float", inplace=True, out=True, saves=("input",))
def erf(input: Array) -> Array:
    """The error function: ``2/√π`` times the integral of ``exp(-t²)`` from 0 to ``input``."""
    refuse("erf_vml_cpu", input, COMPLEX)
    return jsp.erf(input)


@op("erfc", "special.erfc", promote="float", inplace=True, out=True, saves=("input",))
def erfc(input: Array) -> Array:
    """``1 - erf(input)``, accurate in the tail."""
    refuse("erfc_vml_cpu", input, COMPLEX)
    return jsp.erfc(input)


@op("erfinv", "special.erfinv", promote="float", inplace=True, out=True, saves=("input",))
def erfinv(input: Array) -> Array:
    """The inverse of `erf`, on (-1, 1)."""
    refuse("erfinv_vml_cpu", input, COMPLEX)
    return jsp.erfinv(input)


@op("special.ndtr", promote="float", out=True, grad_name="MulBackward0")
def ndtr(input: Array) -> Array:
    """The normal distribution function."""
    refuse("erf_vml_cpu", input, COMPLEX)
    x = input * np.asarray(math.sqrt(0.5), input.dtype)
    return jnp.where(jnp.abs(x) < 1, 0.5 + 0.5 * lax.erf(x), jnp.where(x > 0, 1 - 0.5 * lax.erfc(x), 0.5 * lax.erfc(-x)))


@op("special.ndtri", promote="float", out=True, saves=("result",), grad_name="SpecialNdtriBackward0")
def ndtri(input: Array) -> Array:
    """The inverse of the normal distribution function."""
    refuse("ndtri_cpu", input, COMPLEX, HALF)
    return jsp.ndtri(input)


@op("special.log_ndtr", promote="float", out=True, saves=("input", "result"), grad_name="SpecialLogNdtrBackward0")
def log_ndtr(input: Array) -> Array:
    """The logarithm of the normal distribution function."""
    refuse("log_ndtr_cpu", input, COMPLEX, HALF)
    return jsp.log_ndtr(input)


@op("special.erfcx", promote="float", out=True, saves=("input", "result"), grad_name="SpecialErfcxBackward0")
def erfcx(input: Array) -> Array:
    """``exp(x²) * erfc(x)``: `erfc` without its decay."""
    refuse("erfcx_cpu", input, COMPLEX)
    return _erfcx(input)


@jax.custom_jvp
def _erfcx(x: Array) -> Array:
    # Beyond 5 by Laplace's continued fraction (DLMF 7.9.2), whose first 40 terms are exact there; before, directly.
    wide = x.astype(jnp.float64)
    far = jnp.maximum(wide, 1.0)
    tail = jnp.zeros_like(far)
    for k in range(60, 0, -1):
        tail = (k / 2) / (far + tail)
    large = 1 / (math.sqrt(math.pi) * (far + tail))
    near = jnp.exp(wide * wide) * lax.erfc(wide)
    return jnp.where(wide > 2.5, large, near).astype(x.dtype)


@_erfcx.defjvp
def _erfcx_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    (x,), (dx,) = primals, tangents
    y = _erfcx(x)
    return y, dx * (2 * x * y - np.asarray(2 / math.sqrt(math.pi), x.dtype))


@op("special.entr", promote="float", out=True, saves=("input",), grad_name="SpecialEntrBackward0")
def entr(input: Array) -> Array:
    """``-x ln x``; 0 at 0, ``-inf`` below."""
    refuse("entr_cpu", input, COMPLEX)
    return jsp.entr(input)


@op("lgamma", "special.gammaln", promote="float", inplace=True, out=True, saves=("input",))
def lgamma(input: Array) -> Array:
    """The logarithm of the gamma function's modulus."""
    refuse("lgamma_vml_cpu", input, COMPLEX)
    return _lgamma(input)


@op("digamma", "special.digamma", "special.psi", promote="float", inplace=True, out=True, saves=("input",))
def digamma(input: Array) -> Array:
    """The derivative of `lgamma`; at 0 it is ``-inf`` (``inf`` at -0.0), at the other poles NaN."""
    refuse("digamma", input, COMPLEX)
    return _digamma(*widen(input)).astype(input.dtype)


@op("_polygamma", method=False, promote="float", inplace=True, out=True, saves=("input",), grad_name="PolygammaBackward0")
def _polygamma(input: Array, n: int) -> Array:
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    refuse("trigamma", input, COMPLEX)
    (x,) = widen(input)
    return (_digamma(x) if n == 0 else _derivative_of_digamma(n, x)).astype(input.dtype)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _derivative_of_digamma(n: int, x: Array) -> Array:
    if n == 1:  # by reflection, where the zeta function is not defined
        mirrored = jnp.where(x < 0.5, 1 - x, x)
        value = jsp.zeta(np.asarray(2, x.dtype), mirrored)
        phase = x - jnp.round(x)  # first reduced, or the product is rounded away
        # At the poles themselves torch gives what the rounded product makes of them: large, not infinite.
        sine = jnp.sin(np.asarray(np.pi, x.dtype) * jnp.where(phase == 0, x, phase))
        return jnp.where(x < 0.5, (np.asarray(np.pi, x.dtype) / sine) ** 2 - value, value)
    # XLA's zeta is for positive arguments: the terms before are added by hand, as far down as -32.
    below = x < 1
    order = n + 1
    near = sum(jnp.where(below, (x + k) ** -order, 0) for k in range(32))
    value = near + jsp.zeta(np.asarray(order, x.dtype), jnp.where(below, x + 32, x))
    return np.asarray((1 if n % 2 else -1) * math.factorial(n), x.dtype) * value


@_derivative_of_digamma.defjvp
def _derivative_of_digamma_jvp(n: int, primals: Any, tangents: Any) -> tuple[Array, Array]:
    return _derivative_of_digamma(n, *primals), tangents[0] * _derivative_of_digamma(n + 1, *primals)


@jax.custom_jvp
def _digamma(x: Array) -> Array:
    value = lax.digamma(x)
    return jnp.where(x == 0, jnp.copysign(jnp.asarray(jnp.inf, x.dtype), -x), value)


@_digamma.defjvp
def _digamma_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    return _digamma(*primals), tangents[0] * _derivative_of_digamma(1, *primals)


@jax.custom_jvp
def _lgamma(x: Array) -> Array:
    return lax.lgamma(x)


@_lgamma.defjvp
def _lgamma_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    return _lgamma(*primals), tangents[0] * _digamma(*primals)


@composite("polygamma", "special.polygamma", method=False)
def polygamma(n: int, input: Any, *, out: Any = None) -> Any:
    """The ``n``-th derivative of `digamma`."""
    return ops._polygamma(input, n, **({} if out is None else {"out": out}))


@composite("_polygamma_method", method="polygamma")
def _polygamma_method(input: Any, n: int) -> Any:
    """The ``n``-th derivative of `digamma`."""
    return ops._polygamma(input, n)


@composite("_polygamma_in_place", method="polygamma_")
def _polygamma_in_place(input: Any, n: int) -> Any:
    """The ``n``-th derivative of `digamma`, written into ``input``."""
    return ops._polygamma_(input, n)


@op("mvlgamma", "special.multigammaln", inplace=True, out=True, grad_name="MvlgammaBackward0")
def mvlgamma(input: Array, p: int) -> Array:
    """The logarithm of the multivariate gamma function of dimension ``p``."""
    if p < 1:
        raise RuntimeError("p has to be greater than or equal to 1")
    if input.dtype == np.bool_:
        raise RuntimeError("The input tensor may not be a boolean tensor.")
    refuse("arange_cpu", input, COMPLEX)
    (input,) = promote((input,), "float")
    steps = np.arange(p, dtype=input.dtype) / 2
    return jnp.sum(_lgamma(input[..., None] - steps), -1) + np.asarray(p * (p - 1) / 4 * math.log(math.pi), input.dtype)


@op("igamma", "special.gammainc", promote="common", inplace=True, out=True, saves=("input", "other"))
def igamma(input: Array, other: Array) -> Array:
    """The regularized lower incomplete gamma function ``P(input, other)``."""
    refuse("igamma_cpu", input, BOOL, INTEGER, COMPLEX)
    return jsp.gammainc(*operands(input, other))


@op("igammac", "special.gammaincc", promote="common", inplace=True, out=True, saves=("input", "other"))
def igammac(input: Array, other: Array) -> Array:
    """The regularized upper incomplete gamma function ``Q(input, other)``."""
    refuse("igammac_cpu", input, BOOL, INTEGER, COMPLEX)
    return jsp.gammaincc(*operands(input, other))


@op(
    "special.zeta", promote="float", out=True, saves=("input", "other"),
    grad_name=overload("SpecialZeta", 0, input=1, other=2),
)  # fmt: skip
def zeta(input: Operand, other: Operand) -> Array:
    """The Hurwitz zeta function: the sum of ``(k + other) ** -input``."""
    x, q = jnp.broadcast_arrays(*operands(input, other))
    refuse("zeta_cpu", x, COMPLEX, HALF)
    pole = (x == 1) | ((x > 1) & (q <= 0) & (q == jnp.floor(q)))
    return jnp.where(pole, jnp.inf, jnp.where(x < 1, jnp.nan, jsp.zeta(x, q)))


def _bessel(function: Callable[[Array], Array], derivative: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """A function with its derivative, in the form that holds at 0 too."""
    derivable = jax.custom_jvp(function)
    derivable.defjvp(lambda primals, tangents: (derivable(*primals), tangents[0] * derivative(*primals)))
    return derivable


def _over(numerator: Array, x: Array) -> Array:
    """``numerator / x``, 1/2 at 0: the limit for i1."""
    return jnp.where(x == 0, 0.5, numerator / jnp.where(x == 0, 1, x))


_i0 = _bessel(jsp.i0, lambda x: _i1(x))
_i1 = _bessel(jsp.i1, lambda x: jnp.where(x == 0, 0.5, _i0(x) - _over(_i1(x), x)))
_i0e = _bessel(jsp.i0e, lambda x: _i1e(x) - jnp.sign(x) * _i0e(x))
_i1e = _bessel(jsp.i1e, lambda x: jnp.where(x == 0, 0.5, _i0e(x) - jnp.sign(x) * _i1e(x) - _over(_i1e(x), x)))


@op("i0", "special.i0", promote="float", inplace=True, out=True, saves=("input",))
def i0(input: Array) -> Array:
    """The modified Bessel function of the first kind, order 0."""
    refuse("i0_vml_cpu", input, COMPLEX)
    return _i0(input)


@op("special.i0e", promote="float", out=True, saves=("input", "result"), grad_name="SpecialI0EBackward0")
def i0e(input: Array) -> Array:
    """``exp(-|x|) * i0(x)``."""
    refuse("i0e_cpu", input, COMPLEX)
    return _i0e(input)


@op("special.i1", promote="float", out=True, saves=("input", "result"), grad_name="SpecialI1Backward0")
def i1(input: Array) -> Array:
    """The modified Bessel function of the first kind, order 1."""
    refuse("i1_cpu", input, COMPLEX)
    return _i1(input)


@op("special.i1e", promote="float", out=True, saves=("input", "result"), grad_name="SpecialI1EBackward0")
def i1e(input: Array) -> Array:
    """``exp(-|x|) * i1(x)``."""
    refuse("i1e_cpu", input, COMPLEX)
    return _i1e(input)


def _declare_polynomial(name: str, doc: str, recurrence: Callable[[Array, Array, Array, Array], Array], first: Any) -> None:
    """An orthogonal polynomial in ``input`` of degree ``n``, by its three-term recurrence.

    Args:
        recurrence: ``(k, x, p_k, p_{k-1}) -> p_{k+1}``.
        first: ``x -> p_1``.
    """

    def polynomial(input: Operand, n: Operand) -> Array:
        x, degree = jnp.broadcast_arrays(*operands(input, n))
        refuse(f"{name}_cpu", x, COMPLEX, HALF)
        wanted = lax.stop_gradient(degree).astype(np.int64)

        def step(state: tuple[Array, ...]) -> tuple[Array, ...]:
            k, low, high, found = state
            found = jnp.where(wanted == k, high, found)
            return k + 1, high, recurrence(k.astype(x.dtype), x, high, low), found

        one = jnp.ones_like(x)
        start = (jnp.asarray(1, np.int64), one, first(x), jnp.where(wanted < 0, 0, one))
        top = jnp.max(wanted, initial=0)
        return lax.while_loop(lambda s: s[0] <= top, step, start)[3]

    polynomial.__doc__ = doc
    polynomial.__name__ = name
    op(f"special.{name}", promote="float", out=True, differentiable=False)(polynomial)


_CHEBYSHEV = "The Chebyshev polynomial of the {} kind of degree ``n``{}."


def _doubling(k: Array, x: Array, high: Array, low: Array) -> Array:
    return 2 * x * high - low


def _shifted(k: Array, x: Array, high: Array, low: Array) -> Array:
    return 2 * (2 * x - 1) * high - low


for _letter, _kind, _first in (
    ("t", "first", lambda x: x),
    ("u", "second", lambda x: 2 * x),
    ("v", "third", lambda x: 2 * x - 1),
    ("w", "fourth", lambda x: 2 * x + 1),
):
    _declare_polynomial(f"chebyshev_polynomial_{_letter}", _CHEBYSHEV.format(_kind, ""), _doubling, _first)
    _declare_polynomial(
        f"shifted_chebyshev_polynomial_{_letter}", _CHEBYSHEV.format(_kind, ", shifted to [0, 1]"), _shifted,
        lambda x, first=_first: first(2 * x - 1),
    )  # fmt: skip
_declare_polynomial(
    "hermite_polynomial_h", "The physicist's Hermite polynomial of degree ``n``.",
    lambda k, x, high, low: 2 * x * high - 2 * k * low, lambda x: 2 * x,
)  # fmt: skip
_declare_polynomial(
    "hermite_polynomial_he", "The probabilist's Hermite polynomial of degree ``n``.",
    lambda k, x, high, low: x * high - k * low, lambda x: x,
)  # fmt: skip
_declare_polynomial(
    "laguerre_polynomial_l", "The Laguerre polynomial of degree ``n``.",
    lambda k, x, high, low: ((2 * k + 1 - x) * high - k * low) / (k + 1), lambda x: 1 - x,
)  # fmt: skip
_declare_polynomial(
    "legendre_polynomial_p", "The Legendre polynomial of degree ``n``.",
    lambda k, x, high, low: ((2 * k + 1) * x * high - k * low) / (k + 1), lambda x: x,
)  # fmt: skip
