"""Moving windows over trailing dimensions: their maxima and sums, and how gradients go back through them.

A window has taps, numbered in row-major order. Every tap is a strided slice of the padded input, so that XLA fuses
all of them into one loop; the gradient is gathered by *phases*: the positions of the input that are congruent modulo
the stride are reached by the same taps, so that each phase is a sum of shifted arrays, and no scatter is needed.
"""

import functools
import itertools
import math
import typing

import jax
import jax.numpy as jnp
from jax import lax

from torchlike._src.operators.fusion import apart, computed_once
from torchlike._src.operators.registry import Array

Ints = tuple[int, ...]


class Window(typing.NamedTuple):
    """Static geometry, hashable; one entry a spatial dimension. ``size`` is the input's, ``out`` the result's."""

    size: Ints
    kernel: Ints
    stride: Ints
    padding: Ints
    dilation: Ints
    out: Ints

    @property
    def taps(self) -> list[Ints]:
        """The positions inside the window, in row-major order."""
        return list(itertools.product(*map(range, self.kernel)))


def lowest(dtype: jnp.dtype) -> float | int:
    """The identity of ``max``."""
    return -math.inf if jnp.issubdtype(dtype, jnp.floating) else int(jnp.iinfo(dtype).min)


def _pad(x: Array, window: Window, value: float) -> Array:
    """Pad so that every window fits; ceil mode may need more behind than in front, floor mode may need less."""
    config = [(0, 0, 0)] * (x.ndim - len(window.out))
    for n, k, s, p, d, o in zip(*window, strict=True):
        config.append((p, (o - 1) * s + d * (k - 1) + 1 - n - p, 0))
    if all(c == (0, 0, 0) for c in config):
        return x
    return lax.pad(x, jnp.asarray(value, x.dtype), config)


def _tap(padded: Array, window: Window, tap: Ints) -> Array:
    """What one tap sees: shape ``(*, *window.out)``."""
    lead = padded.ndim - len(tap)
    start = [t * d for t, d in zip(tap, window.dilation, strict=True)]
    limit = [a + (o - 1) * s + 1 for a, o, s in zip(start, window.out, window.stride, strict=True)]
    return lax.slice(padded, [0] * lead + start, list(padded.shape[:lead]) + limit, [1] * lead + list(window.stride))


def gather_phases(tap_values: list[Array], window: Window) -> Array:
    """Add up, for each input position, the values of the (output, tap) pairs that look at it."""
    first, spatial = tap_values[0], window.size
    lead = first.shape[: first.ndim - len(spatial)]
    taps = window.taps
    padded = [n + p for n, p in zip(spatial, window.padding, strict=True)]
    quotients = [-(-n // s) for n, s in zip(padded, window.stride, strict=True)]
    zero = jnp.zeros((), first.dtype)
    parts = []
    for phase in itertools.product(*map(range, window.stride)):
        total = None
        for tap, values in zip(taps, tap_values, strict=True):
            offsets = [t * d - r for t, d, r in zip(tap, window.dilation, phase, strict=True)]
            if any(a % s for a, s in zip(offsets, window.stride, strict=True)):
                continue
            shifts = [a // s for a, s in zip(offsets, window.stride, strict=True)]
            config = [(0, 0, 0)] * len(lead) + [(m, q - o - m, 0) for m, q, o in zip(shifts, quotients, window.out, strict=True)]
            shifted = lax.pad(values, zero, config)
            total = shifted if total is None else total + shifted
        parts.append(jnp.zeros((*lead, *quotients), first.dtype) if total is None else total)
    if len(parts) == 1:
        whole = parts[0]
    else:
        n = len(spatial)
        whole = jnp.stack(parts, -1).reshape(*lead, *quotients, *window.stride)
        order = [len(lead) + i + j * n for i in range(n) for j in (0, 1)]
        whole = whole.transpose(*range(len(lead)), *order)
        whole = whole.reshape(*lead, *(q * s for q, s in zip(quotients, window.stride, strict=True)))
    start = [0] * len(lead) + list(window.padding)
    return lax.slice(whole, start, [*lead, *padded])


def _max_and_tap(x: Array, window: Window) -> tuple[Array, Array]:
    padded = _pad(x, window, lowest(x.dtype))
    tap_dtype = jnp.uint8 if len(window.taps) <= 256 else jnp.int32
    best = which = None
    for number, tap in enumerate(window.taps):
        values = _tap(padded, window, tap)
        if best is None:
            best, which = values, jnp.zeros(values.shape, tap_dtype)
            continue
        better = values > best  # strictly: of equal values the first one wins, as in torch
        if jnp.issubdtype(x.dtype, jnp.floating):
            better |= jnp.isnan(values)
        best = jnp.where(better, values, best)
        which = jnp.where(better, jnp.asarray(number, tap_dtype), which)
    return best, which


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def window_max(x: Array, window: Window) -> tuple[Array, Array]:
    """The maximum of each window, and the number of the tap that saw it first."""
    return _max_and_tap(x, window)


def _window_max_fwd(x: Array, window: Window) -> tuple[tuple[Array, Array], Array]:
    best, which = apart(lambda x: _max_and_tap(x, window))(x)
    return (best, which), which


def _window_max_bwd(window: Window, which: Array, cotangents: tuple[Array, Array]) -> tuple[Array]:
    # A tap number of a byte is all that is kept; XLA's select_and_scatter searches each window again.
    g = computed_once(cotangents[0])  # not for every tap
    zero = jnp.zeros((), g.dtype)
    exact = all(n == o * s for n, o, s in zip(window.size, window.out, window.stride, strict=True))
    if window.kernel == window.stride and exact and not any(window.padding) and max(window.dilation) == 1:
        # Windows tile the input: one comparison, broadcast over the taps.
        lead = g.shape[: g.ndim - len(window.size)]
        spread = (*lead, *(v for o in window.out for v in (o, 1)))
        full = (1,) * len(lead) + tuple(v for k in window.kernel for v in (1, k))
        numbers = jnp.arange(math.prod(window.kernel), dtype=which.dtype).reshape(full)
        result = jnp.where(which.reshape(spread) == numbers, g.reshape(spread), zero)
        return (result.reshape(*lead, *window.size),)
    return (gather_phases([jnp.where(which == number, g, zero) for number in range(len(window.taps))], window),)


window_max.defvjp(_window_max_fwd, _window_max_bwd)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def window_sum(x: Array, window: Window) -> Array:
    """The sum of each window, padding counted as zero."""
    padded = _pad(x, window, 0)
    return functools.reduce(jnp.add, [_tap(padded, window, tap) for tap in window.taps])


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def window_spread(g: Array, window: Window) -> Array:
    """The transpose of `window_sum`."""
    if window.kernel == window.stride and max(window.dilation) == 1:
        lead = g.ndim - len(window.size)
        for axis, k in enumerate(window.kernel, lead):
            g = jnp.repeat(g, k, axis)
        config = [(0, 0, 0)] * lead + [
            (-p, n + p - have, 0) for p, n, have in zip(window.padding, window.size, g.shape[lead:], strict=True)
        ]
        return lax.pad(g, jnp.zeros((), g.dtype), config)
    return gather_phases([g] * len(window.taps), window)


window_sum.defvjp(lambda x, window: (window_sum(x, window), None), lambda window, _, g: (window_spread(g, window),))
window_spread.defvjp(lambda g, window: (window_spread(g, window), None), lambda window, _, g: (window_sum(g, window),))


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def window_taps(x: Array, window: Window) -> Array:
    """What every tap sees: ``(*, *window.size)`` → ``(*, taps, *window.out)``."""
    padded = _pad(x, window, 0)
    return jnp.stack([_tap(padded, window, tap) for tap in window.taps], x.ndim - len(window.size))


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def window_taps_transposed(taps: Array, window: Window) -> Array:
    """The transpose of `window_taps`: every value is added where it was seen."""
    axis = taps.ndim - len(window.size) - 1
    return gather_phases([lax.index_in_dim(taps, i, axis, keepdims=False) for i in range(len(window.taps))], window)


window_taps.defvjp(lambda x, window: (window_taps(x, window), None), lambda window, _, g: (window_taps_transposed(g, window),))
window_taps_transposed.defvjp(
    lambda taps, window: (window_taps_transposed(taps, window), None), lambda window, _, g: (window_taps(g, window),)
)
