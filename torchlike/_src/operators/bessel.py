"""Bessel and Airy functions of ``torch.special`` that have no gradient there; `special.py` has those that have one.

All compute in float64, by formulas whose error falls exponentially with the number of points rather than by tables of fitted
coefficients: the trapezoidal rule over a period of an analytic function, or over all of the line (Trefethen and Weideman 2014),
and beyond `_FAR` the asymptotic series of Hankel (DLMF 10.17, 10.40).
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.scipy import special as jsp

from torchlike._src.operators.promotion import COMPLEX
from torchlike._src.operators.registry import Array, op
from torchlike._src.operators.support import HALF, refuse

#: From here on the asymptotic series' smallest term is below float64's resolution.
_FAR = 25.0
_EULER = 0.5772156649015329


def _declare(name: str, doc: str, function: Callable[[Array], Array]) -> None:
    def public(input: Array) -> Array:
        refuse(f"{name}_cpu", input, COMPLEX, HALF)
        return function(input.astype(jnp.float64)).astype(input.dtype)

    public.__name__, public.__doc__ = name, doc
    op(f"special.{name}", promote="float", out=True, differentiable=False)(public)


def _hankel(order: int, terms: int = 40) -> list[float]:
    """The coefficients ``a_k`` of the asymptotic series (DLMF 10.17.1)."""
    found = [1.0]
    for k in range(1, terms):
        found.append(found[-1] * (4 * order**2 - (2 * k - 1) ** 2) / (8 * k))
    return found


def _series(coefficients: Any, x: Array) -> Array:
    total = jnp.zeros_like(x)
    for c in reversed(list(coefficients)):
        total = total * x + c
    return total


# J and Y. cos(x sin t) has the even, sin(x sin t) the odd Bessel functions as its Fourier coefficients, and Neumann's series
# (DLMF 10.8.1, Watson 3.52) gives Y as a sum of all of them: both are sums over the same points, with other weights.

_POINTS = 128  # J of order 64 and more, which alias with those below, are 1e-17 at 25
_ANGLES = 2 * np.pi * (np.arange(_POINTS) + 0.5) / _POINTS
_SINES = np.sin(_ANGLES)
_K = np.arange(1, 32)[:, None]
_SIGNS = (-1.0) ** _K
#: Weights of J0, J1, and of the sums of J_2k and J_(2k+1) that Y0 and Y1 contain.
_J0 = np.full(_POINTS, 1.0) / _POINTS
_J1 = _SINES / _POINTS
_Y0 = (_SIGNS / _K * np.cos(2 * _K * _ANGLES)).sum(0) / _POINTS
_Y1 = (_SIGNS * (2 * _K + 1) / (_K * (_K + 1)) * np.sin((2 * _K + 1) * _ANGLES)).sum(0) / _POINTS


def _phase(order: int, x: Array) -> tuple[Array, Array, Array, Array]:
    """``P``, ``Q``, and the cosine and sine of ``x - (2 order + 1) π/4``, times ``√(2 / πx)``; for large ``x``."""
    a = _hankel(order, 24)
    square = -1 / (x * x)
    P, Q = _series(a[::2], square), _series(a[1::2], square) / x
    half = np.sqrt(0.5)
    cosine, sine = half * (jnp.cos(x) + jnp.sin(x)), half * (jnp.sin(x) - jnp.cos(x))  # of x - π/4
    if order:
        cosine, sine = sine, -cosine
    size = jnp.sqrt(2 / (np.pi * x))
    return P, Q, size * cosine, size * sine


def _bessel_j(order: int, x: Array) -> Array:
    size = jnp.abs(x)
    near, far = jnp.minimum(size, _FAR), jnp.maximum(size, _FAR)
    waves = (jnp.sin if order else jnp.cos)(near[..., None] * _SINES)
    small = jnp.sum(waves * (_J1 if order else _J0), -1)
    P, Q, cosine, sine = _phase(order, far)
    value = jnp.where(size < _FAR, small, P * cosine - Q * sine)
    return value * jnp.sign(x) if order else value


def _bessel_y(order: int, x: Array) -> Array:
    near, far = jnp.clip(x, 1e-300, _FAR), jnp.maximum(x, _FAR)
    logarithm = jnp.log(near / 2) + _EULER
    waves = near[..., None] * _SINES
    if order:
        rest = jnp.sum(jnp.sin(waves) * _Y1, -1)
        small = 2 * ((logarithm - 1) * _bessel_j(1, near) - _bessel_j(0, near) / near - rest) / np.pi
    else:
        rest = jnp.sum(jnp.cos(waves) * _Y0, -1)
        small = (2 * logarithm * _bessel_j(0, near) - 4 * rest) / np.pi
    P, Q, cosine, sine = _phase(order, far)
    value = jnp.where(x < _FAR, small, P * sine + Q * cosine)
    return jnp.where(x == 0, -jnp.inf, jnp.where(x < 0, jnp.nan, value))


# K: exp(x) K_n(x) is the integral of exp(-x (cosh t - 1)) cosh(nt) from 0 on (DLMF 10.32.9), which is cut where it is 1e-20.

_NODES = np.arange(128)


def _scaled_k(order: float, x: Array) -> Array:
    """``exp(x) K(x)`` for ``x`` from 1e-8 on."""
    near, far = jnp.clip(x, 1e-8, _FAR), jnp.maximum(x, _FAR)
    end = jnp.arccosh(1 + 46 / near)
    step = (end / (_NODES.size - 1))[..., None]
    t = step * _NODES
    values = jnp.exp(-near[..., None] * (jnp.cosh(t) - 1)) * jnp.cosh(order * t)
    small = step[..., 0] * (jnp.sum(values, -1) - 0.5)
    large = jnp.sqrt(np.pi / (2 * far)) * _series(_hankel(order, 40), 1 / far)
    return jnp.where(x < _FAR, small, large)


def _k(order: int, scaled: bool, x: Array) -> Array:
    tiny = (1 / x if order else -jnp.log(x / 2) - _EULER) * (1 + x if scaled else 1.0)
    value = jnp.where(x < 1e-8, tiny, _scaled_k(order, x) * (1.0 if scaled else jnp.exp(-x)))
    return jnp.where(x == 0, jnp.inf, jnp.where(x < 0, jnp.nan, value))


def _airy(x: Array) -> Array:
    """``Ai``: by K beyond 1, by its power series down to -7, and by oscillating asymptotics (DLMF 9.7.9) before."""
    right = jnp.maximum(x, 1.0)
    zeta = 2 / 3 * right * jnp.sqrt(right)
    decaying = jnp.sqrt(right / 3) / np.pi * _scaled_k(1 / 3, zeta) * jnp.exp(-zeta)
    middle = jnp.clip(x, -7.0, 1.0)
    cube = middle**3
    first, second = jnp.ones_like(x), middle
    term, other = first, second
    for k in range(1, 60):
        term = term * cube / ((3 * k - 1) * (3 * k))
        other = other * cube / ((3 * k) * (3 * k + 1))
        first, second = first + term, second + other
    power = 0.3550280538878172 * first - 0.2588194037928068 * second
    left = jnp.maximum(-x, 7.0)
    zeta = 2 / 3 * left * jnp.sqrt(left)
    u = [1.0]
    for k in range(1, 24):
        u.append(u[-1] * (6 * k - 5) * (6 * k - 1) / (72 * k))
    square = -1 / (zeta * zeta)
    angle = zeta - np.pi / 4
    wave = jnp.cos(angle) * _series(u[::2], square) + jnp.sin(angle) * _series(u[1::2], square) / zeta
    waving = wave / (np.sqrt(np.pi) * left**0.25)
    value = jnp.where(x > 1, decaying, jnp.where(x < -7, waving, power))
    return jnp.where(jnp.isinf(x), jnp.nan, jnp.where(x > 103.892, 0.0, value))  # as torch has it for both infinities


def _spherical_j0(x: Array) -> Array:
    safe = jnp.where(x == 0, 1.0, x)
    return jnp.where(jnp.isinf(x), 0.0, jnp.where(x == 0, 1.0, jnp.sin(safe) / safe))


for _n, _which in enumerate(("zero", "one")):
    _declare(f"bessel_j{_n}", f"The Bessel function of the first kind of order {_which}.", lambda x, n=_n: _bessel_j(n, x))
    _declare(f"bessel_y{_n}", f"The Bessel function of the second kind of order {_which}.", lambda x, n=_n: _bessel_y(n, x))
    _declare(
        f"modified_bessel_i{_n}", f"The modified Bessel function of the first kind of order {_which}.",
        lambda x, n=_n: (jsp.i1 if n else jsp.i0)(x),
    )  # fmt: skip
    _declare(
        f"modified_bessel_k{_n}", f"The modified Bessel function of the second kind of order {_which}.",
        lambda x, n=_n: _k(n, False, x),
    )  # fmt: skip
    _declare(
        f"scaled_modified_bessel_k{_n}", f"``exp(x)`` times `modified_bessel_k{_n}`, which so does not vanish.",
        lambda x, n=_n: _k(n, True, x),
    )  # fmt: skip
_declare("airy_ai", "The Airy function ``Ai``.", _airy)
_declare("spherical_bessel_j0", "``sin(x) / x``, the spherical Bessel function of the first kind of order zero.", _spherical_j0)
