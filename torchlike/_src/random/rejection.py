"""Distributions that reject some of their draws: Poisson, gamma, Dirichlet, binomial.

How many words one number takes depends on the words, so these draw one by one from a `Lookahead`, in torch's order.
"""

import math
from collections.abc import Callable

import numpy as np

from torchlike._src.random.generator import Generator, resolve
from torchlike._src.random.kinds import DIGITS, FLOAT32, FLOAT64, SCALAR_TYPE, is_float, not_implemented
from torchlike._src.random.rounding import cast

Draw = Callable[[], float]


def poisson(generator: Generator | None, rate: np.ndarray) -> np.ndarray:
    """Poisson counts of the given rates, as ``torch.poisson``; shape and dtype of ``rate``.

    Raises:
        RuntimeError: if a rate is negative.
    """
    generator = resolve(generator)
    if not is_float(rate.dtype):
        raise not_implemented("poisson_cpu", rate.dtype)
    if not (rate >= 0).all():
        raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
    rates = rate.astype(np.float64).ravel().tolist()
    with generator.lock, generator.lookahead() as draw:
        counts = [_poisson(r, draw) for r in rates]
    return cast(np.array(counts, np.float64), rate.dtype).reshape(rate.shape)


def _poisson(rate: float, draw: Draw) -> int:
    """Source: Hörmann 1993, doi:10.1016/0167-6687(93)90997-4 (PTRS); for small rates, Knuth's product of uniforms."""
    if rate == 0:
        return 0
    if rate < 10:
        floor, product, count = math.exp(-rate), draw(), 0
        while product > floor:
            product *= draw()
            count += 1
        return count
    log_rate = math.log(rate)
    b = 0.931 + 2.53 * math.sqrt(rate)
    a = -0.059 + 0.02483 * b
    log_inverse_alpha = math.log(1.1239 + 1.1328 / (b - 3.4))
    squeeze = 0.9277 - 3.6224 / (b - 2)
    while True:
        u = draw() - 0.5
        v = draw()
        us = 0.5 - abs(u)
        k = math.floor((2 * a / us + b) * u + rate + 0.43)
        if us >= 0.07 and v <= squeeze:
            return k
        if k < 0 or (us < 0.013 and v > us):
            continue
        accept = math.log(v) + log_inverse_alpha - math.log(a / (us * us) + b)
        if accept <= -rate + k * log_rate - math.lgamma(k + 1.0):
            return k


def standard_gamma(generator: Generator | None, alpha: np.ndarray) -> np.ndarray:
    """Gamma numbers of shape ``alpha`` and scale 1, as ``torch._standard_gamma``; shape and dtype of ``alpha``."""
    if alpha.dtype not in (FLOAT32, FLOAT64):
        raise not_implemented("gamma_cpu", alpha.dtype)
    samples = _gammas(resolve(generator), alpha, alpha.dtype)
    return np.fmax(samples.astype(alpha.dtype), np.finfo(alpha.dtype).tiny)


def dirichlet(generator: Generator | None, alpha: np.ndarray) -> np.ndarray:
    """Points of the simplex, as ``torch._sample_dirichlet``; the last dimension of ``alpha`` holds one distribution."""
    if alpha.dtype not in (FLOAT32, FLOAT64):
        raise not_implemented("dirichlet", alpha.dtype)
    gammas = np.fmax(_gammas(resolve(generator), alpha, FLOAT64), np.finfo(np.float64).tiny)
    ratio = (gammas / gammas.sum(axis=-1, keepdims=True)).astype(alpha.dtype)
    below_one = np.nextafter(alpha.dtype.type(1), alpha.dtype.type(0))
    return np.clip(ratio, np.finfo(alpha.dtype).tiny, below_one)


def _gammas(generator: Generator, alpha: np.ndarray, precision: np.dtype) -> np.ndarray:
    """``precision``: the dtype in which torch keeps ``alpha`` and the sample."""
    values = alpha.ravel().tolist()
    with generator.lock, generator.lookahead() as draw:
        normal = _Normals(generator, draw)
        samples = [_gamma(a, draw, normal, np.dtype(precision)) for a in values]
    return np.array(samples, np.float64).reshape(alpha.shape)


class _Normals:
    """Standard normals from a lookahead's uniforms, in pairs; see `normal.pairs`."""

    def __init__(self, generator: Generator, draw: Draw) -> None:
        self._generator = generator
        self._draw = draw

    def __call__(self) -> float:
        generator = self._generator
        if generator.next_normal is not None:
            value, generator.next_normal = generator.next_normal, None
            return value
        angle = 2.0 * math.pi * self._draw()
        radius = math.sqrt(-2.0 * math.log1p(-self._draw()))
        generator.next_normal = radius * math.sin(angle)
        return radius * math.cos(angle)


def _gamma(alpha: float, draw: Draw, normal: Draw, precision: np.dtype) -> float:
    """Source: Marsaglia and Tsang 2000, doi:10.1145/358407.358414; ``alpha < 1`` by their section 6."""
    scale = 1.0
    single = precision == FLOAT32
    if alpha < 1.0:
        if alpha == 0.0:
            return 0.0
        inverse = float(np.float32(1.0) / np.float32(alpha)) if single else 1.0 / alpha
        scale = math.pow(1 - draw(), inverse)
        alpha = float(np.float32(alpha) + np.float32(1.0)) if single else alpha + 1.0
    third = float(np.float32(1.0) / np.float32(3.0))  # torch writes 1.0f / 3.0f in both precisions
    d = float(np.float32(alpha) - np.float32(third)) if single else alpha - third
    c = 1.0 / math.sqrt(9.0 * d) if d > 0 else math.nan
    squeeze = float(np.float32(0.0331))
    while True:
        x = normal()
        y = 1.0 + c * x
        while y <= 0:
            x = normal()
            y = 1.0 + c * x
        v = y * y * y
        u = 1 - draw()
        xx = x * x
        if u < 1.0 - squeeze * xx * xx:
            return scale * d * v
        if math.log(u) < 0.5 * xx + d * (1.0 - v + math.log(v)):
            return scale * d * v


def binomial(generator: Generator | None, count: np.ndarray, prob: np.ndarray) -> np.ndarray:
    """Successes in ``count`` trials of probability ``prob``, as ``torch.binomial``; they broadcast.

    Raises:
        ValueError: if ``count`` is not floating.
        RuntimeError: if the dtypes differ.
    """
    generator = resolve(generator)
    for name, value in (("count", count), ("prob", prob)):
        if not is_float(value.dtype):
            kind = SCALAR_TYPE[value.dtype.name]
            raise ValueError(f"binomial only supports floating-point dtypes for {name}, got: {kind}")
    if count.dtype != prob.dtype:
        raise RuntimeError(f"Found dtype {SCALAR_TYPE[prob.dtype.name]} but expected {SCALAR_TYPE[count.dtype.name]}")
    if DIGITS[count.dtype] < 24:
        raise not_implemented("binomial_cpu", count.dtype)
    counts, probs = np.broadcast_arrays(count, prob)
    with generator.lock, generator.lookahead() as draw:
        samples = [_binomial(n, p, draw) for n, p in zip(counts.ravel().tolist(), probs.ravel().tolist(), strict=True)]
    return np.array(samples, np.float64).astype(count.dtype).reshape(counts.shape)


def _binomial(count: float, prob: float, draw: Draw) -> float:
    if count <= 0 or prob <= 0:
        return 0.0
    if prob >= 1:
        return count
    if math.isnan(prob) or math.isnan(count):
        return math.nan
    rare = prob if prob <= 0.5 else 1.0 - prob
    sampler = _binomial_rejection if count * rare >= 10.0 else _binomial_inversion
    successes = sampler(count, rare, draw)
    return successes if prob <= 0.5 else count - successes


def _binomial_inversion(count: float, prob: float, draw: Draw) -> float:
    """Geometric gaps between successes, until they run past ``count``."""
    log_failure = math.log1p(-prob)
    position, successes = 0.0, 0
    while True:
        u = draw()
        position += math.ceil(math.log(u) / log_failure) if u > 0 else math.inf
        if position > count:
            return float(successes)
        successes += 1


def _binomial_rejection(count: float, prob: float, draw: Draw) -> float:
    """Source: Hörmann 1993, doi:10.1080/00949659308811496 (BTRS)."""
    spread = math.sqrt(count * prob * (1 - prob))
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * prob
    c = count * prob + 0.5
    squeeze = 0.92 - 4.2 / b
    odds = prob / (1 - prob)
    alpha = (2.83 + 5.1 / b) * spread
    mode = math.floor((count + 1) * prob)
    while True:
        u = draw() - 0.5
        v = draw()
        us = 0.5 - abs(u)
        k = math.floor((2 * a / us + b) * u + c)
        if us >= 0.07 and v <= squeeze:
            return float(k)
        if k < 0 or k > count:
            continue
        v = math.log(v * alpha / (a / (us * us) + b))
        bound = (
            (mode + 0.5) * math.log((mode + 1) / (odds * (count - mode + 1)))
            + (count + 1) * math.log((count - mode + 1) / (count - k + 1))
            + (k + 0.5) * math.log(odds * (count - k + 1) / (k + 1))
            + _stirling_tail(mode)
            + _stirling_tail(count - mode)
            - _stirling_tail(k)
            - _stirling_tail(count - k)
        )
        if v <= bound:
            return float(k)


def _stirling_tail(k: float) -> float:
    """What Stirling's formula for ``log(k!)`` leaves out."""
    if k < 10:
        return math.lgamma(k + 1) - ((k + 0.5) * math.log(k + 1) - (k + 1) + 0.5 * math.log(2 * math.pi))
    square = (k + 1) * (k + 1)
    return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / (k + 1)
