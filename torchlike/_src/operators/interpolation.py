"""Resizing images and signals.

Every mode is separable: along each axis an output is a weighted sum of a few inputs, at places and with weights that
depend on sizes only. So there is one function, `_resample`, and a table of places and weights for each mode.
"""

import functools
import math
import warnings
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchlike._src.operators.nn_checks import is_floating, scalar_type, sizes
from torchlike._src.operators.precision import opmath
from torchlike._src.operators.registry import Array, composite, op, ops
from torchlike._src.operators.support import int_list

_AXES_OF = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}
_SMOOTH = (*_AXES_OF,)


class _Taps:
    """For each output along an axis the inputs that it sees and their weights: arrays of shape ``(out, taps)``."""

    def __init__(self, places: np.ndarray, weights: np.ndarray, size: int) -> None:
        self.places, self.weights, self.size = places, weights, size

    def matrix(self) -> np.ndarray:
        """The same map as an array of shape ``(out, in)``."""
        dense = np.zeros((len(self.places), self.size), self.weights.dtype)
        for row, (where, what) in enumerate(zip(self.places, self.weights, strict=True)):
            np.add.at(dense[row], where, what)
        return dense


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _resample(x: Array, axis: int, taps: _Taps) -> Array:
    total = None
    for places, weights in zip(taps.places.T, taps.weights.T, strict=True):
        shape = [1] * x.ndim
        shape[axis] = -1
        part = jnp.take(x, jnp.asarray(places), axis, mode="clip") * jnp.asarray(weights, x.dtype).reshape(shape)
        total = part if total is None else total + part
    return total


def _resample_bwd(axis: int, taps: _Taps, _: None, g: Array) -> tuple[Array]:
    # A product with the map as a matrix: on a CPU far faster than scattering one by one.
    matrix = jnp.asarray(taps.matrix(), g.dtype)
    return (jnp.moveaxis(jnp.tensordot(g, matrix, axes=((axis,), (0,))), -1, axis),)


_resample.defvjp(lambda x, axis, taps: (_resample(x, axis, taps), None), _resample_bwd)


def _resample_bytes(x: Array, axis: int, taps: _Taps) -> Array:
    """`_resample` of uint8 in fixed point, as torch does: weights of 16 bits, and rounding to a byte after each axis."""
    places, weights = taps.places, taps.weights.copy()
    for j in range(1, places.shape[1]):  # beyond the border the same input counts several times: one weight for it
        for i in range(j):
            same = places[:, i] == places[:, j]
            weights[same, i] += weights[same, j]
            weights[same, j] = 0
    largest = weights.max()
    digits = next((p for p in range(22) if int(0.5 + largest * (1 << (p + 1))) >= 1 << 15), 22)
    scaled = weights * (1 << digits)
    whole = np.trunc(np.where(scaled < 0, scaled - 0.5, scaled + 0.5)).astype(np.int32)
    total = jnp.asarray(1 << (digits - 1), np.int32)
    for where, what in zip(places.T, whole.T, strict=True):
        shape = [1] * x.ndim
        shape[axis] = -1
        total = total + jnp.take(x, jnp.asarray(where), axis, mode="clip").astype(np.int32) * jnp.asarray(what).reshape(shape)
    return jnp.clip(total >> digits, 0, 255).astype(np.uint8)


def _ratio(size: int, out: int, scale: float | None, align_corners: bool) -> float:
    """How far apart in the input neighbouring outputs are."""
    if align_corners:
        return (size - 1) / (out - 1) if out > 1 else 0.0
    return 1 / scale if scale is not None and scale > 0 else size / out


def _nearest(size: int, out: int, scale: float | None, exact: bool, dtype: Any) -> _Taps:
    # float32 whatever the dtype, as torch: a rounded-down place may depend on it.
    ratio = np.float32(_ratio(size, out, scale, False))
    position = (np.arange(out, dtype=np.float32) + np.float32(0.5 if exact else 0)) * ratio
    places = np.minimum(np.floor(position).astype(np.int64), size - 1)
    return _Taps(places[:, None], np.ones((out, 1), dtype), size)


def _linear(size: int, out: int, scale: float | None, align_corners: bool, dtype: Any) -> _Taps:
    ratio = np.asarray(_ratio(size, out, scale, align_corners), dtype)
    at = np.arange(out, dtype=dtype)
    position = at * ratio if align_corners else np.maximum((at + dtype.type(0.5)) * ratio - dtype.type(0.5), 0)
    low = np.minimum(np.floor(position).astype(np.int64), size - 1)
    part = np.clip(position - low, 0, 1).astype(dtype)
    return _Taps(np.stack([low, np.minimum(low + 1, size - 1)], 1), np.stack([1 - part, part], 1), size)


def _cubic_kernel(x: np.ndarray, a: float) -> np.ndarray:
    """Keys 1981: the cubic convolution kernel."""
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


def _cubic(size: int, out: int, scale: float | None, align_corners: bool, dtype: Any) -> _Taps:
    ratio = np.asarray(_ratio(size, out, scale, align_corners), dtype)
    at = np.arange(out, dtype=dtype)
    position = at * ratio if align_corners else (at + dtype.type(0.5)) * ratio - dtype.type(0.5)
    low = np.floor(position)
    offsets = np.arange(-1, 3)
    weights = _cubic_kernel((position - low)[:, None] - offsets, -0.75)
    places = np.clip(low.astype(np.int64)[:, None] + offsets, 0, size - 1)
    return _Taps(places, weights.astype(dtype), size)


def _antialiased(size: int, out: int, scale: float | None, align_corners: bool, dtype: Any, cubic: bool) -> _Taps:
    """A kernel that widens with the ratio, so that every input counts; its weights add up to 1."""
    ratio = _ratio(size, out, scale, align_corners)
    stretch = max(ratio, 1.0)
    support = (2 if cubic else 1) * stretch
    taps = math.ceil(support) * 2 + 1
    center = ratio * (np.arange(out) + 0.5)
    first = np.maximum((center - support + 0.5).astype(np.int64), 0)
    count = np.minimum((center + support + 0.5).astype(np.int64), size) - first
    k = np.arange(taps)
    distance = (k + first[:, None] - center[:, None] + 0.5) / stretch
    weights = _cubic_kernel(distance, -0.5) if cubic else np.maximum(1 - np.abs(distance), 0)
    weights = np.where(k < count[:, None], weights, 0)
    weights = weights / weights.sum(1, keepdims=True)
    return _Taps(np.minimum(first[:, None] + k, size - 1), weights.astype(dtype), size)


@op("_interpolate", method=False, saves=())
def _interpolate(
    input: Array,
    size: tuple[int, ...],
    scales: tuple[float | None, ...],
    mode: str,
    align_corners: bool,
    antialias: bool,
) -> Array:
    """See `interpolate`: sizes are known, scales are those that the user gave, if any."""
    spatial = input.shape[2:]
    if min(*size, *spatial) <= 0:
        letters = "DHW"[-len(size) :]
        given, made = (", ".join(f"{c}: {v}" for c, v in zip(letters, vs, strict=True)) for vs in (spatial, size))
        raise RuntimeError(f"Input and output sizes should be greater than 0, but got input ({given}) output ({made})")
    if input.shape[1] == 0:
        raise RuntimeError(f"Non-empty {input.ndim}D data tensor expected but got a tensor with sizes {sizes(input.shape)}")
    byte = input.dtype == jnp.uint8
    if not is_floating(input) and not (byte and mode not in ("linear", "trilinear")):
        words = {"linear": "linear", "bilinear": "linear", "trilinear": "linear", "bicubic": "cubic"}
        kernel = "compute_index_ranges_weights" if antialias else f"compute_indices_weights_{words.get(mode, 'nearest')}"
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{scalar_type(input.dtype)}'")
    fixed = byte and mode in _SMOOTH
    x = opmath(input)
    dtype = np.dtype(np.float64 if fixed else x.dtype if is_floating(x) else np.float32)
    axes = list(enumerate(zip(spatial, size, scales, strict=True)))
    for i, (n, out, scale) in reversed(axes) if fixed else axes:
        if antialias:
            taps = _antialiased(n, out, scale, align_corners, dtype, mode == "bicubic")
        elif mode == "bicubic":
            taps = _cubic(n, out, scale, align_corners, dtype)
        elif mode in _SMOOTH:
            taps = _linear(n, out, scale, align_corners, dtype)
        else:
            taps = _nearest(n, out, scale, mode == "nearest-exact", np.dtype(x.dtype))
        if mode not in _SMOOTH or n != out or not np.array_equal(taps.matrix(), np.eye(n)):
            x = (_resample_bytes if fixed else _resample)(x, 2 + i, taps)
    return x.astype(input.dtype)


@composite("nn.functional.interpolate")
def interpolate(
    input: Any,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Any:
    """Resize the spatial dimensions of ``(N, C, *)``.

    Args:
        input: 3 to 5 dimensions.
        size: the new spatial size; or else ``scale_factor``.
        scale_factor: new size by old size.
        mode: ``"nearest"``, ``"nearest-exact"``, ``"linear"`` (3D input), ``"bilinear"``, ``"bicubic"`` (4D), ``"trilinear"``
            (5D) or ``"area"``.
        align_corners: whether the centres of the corner pixels, rather than their outer edges, stay in place.
        recompute_scale_factor: derive the positions from the sizes instead of ``scale_factor``.
        antialias: average over all inputs when shrinking, for ``"bilinear"`` and ``"bicubic"``.
    """
    if mode in ("nearest", "area", "nearest-exact"):
        if align_corners is not None:
            raise ValueError(
                "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear"
            )
    else:
        align_corners = bool(align_corners)
    spatial = tuple(input.shape[2:])
    dims = input.ndim - 2
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    scales: tuple[float | None, ...] = (None,) * dims
    if size is not None:
        if isinstance(size, (list, tuple)):
            if len(size) != dims:
                raise ValueError(
                    "Input and output must have the same number of spatial dimensions, but got input with spatial "
                    f"dimensions of {[*spatial]} and output size of {size}. Please provide input tensor in "
                    "(N, C, d1, d2, ...,dK) format and output size in (o1, o2, ...,oK) format."
                )
            out = int_list((size,), "interpolate")
        else:
            out = int_list((size,), "interpolate") * dims
    elif scale_factor is not None:
        if isinstance(scale_factor, (list, tuple)):
            if len(scale_factor) != dims:
                raise ValueError(
                    "Input and scale_factor must have the same number of spatial dimensions, but got input with "
                    f"spatial dimensions of {[*spatial]} and scale_factor of shape {scale_factor}. Please provide input "
                    "tensor in (N, C, d1, d2, ...,dK) format and scale_factor in (s1, s2, ...,sK) format."
                )
            scales = tuple(float(s) for s in scale_factor)
        else:
            scales = (float(scale_factor),) * dims
        out = tuple(math.floor(n * s) for n, s in zip(spatial, scales, strict=True))
    else:
        raise ValueError("either size or scale_factor should be defined")
    if recompute_scale_factor:
        if size is not None:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        scales = (None,) * dims
    if antialias and not (mode in ("bilinear", "bicubic") and input.ndim == 4):
        raise ValueError(
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a 4-D tensor as input"
        )
    if not 3 <= input.ndim <= 5 or mode not in (*_AXES_OF, "nearest", "nearest-exact", "area"):
        raise _unsupported(input, mode)
    if mode == "area":
        name = "adaptive_avg_pool1d" if dims == 1 else f"nn.functional.adaptive_avg_pool{dims}d"
        return ops[name](input, out)
    if mode in _AXES_OF and _AXES_OF[mode] != dims:
        if mode == "bicubic":
            raise _unsupported(input, mode)
        raise NotImplementedError(f"Got {input.ndim}D input, but {mode} mode needs {_AXES_OF[mode] + 2}D input")
    return ops["_interpolate"](input, out, scales, mode, bool(align_corners), bool(antialias))


def _unsupported(input: Any, mode: str) -> NotImplementedError:
    return NotImplementedError(
        f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {input.ndim}D) for the modes: nearest | linear | "
        f"bilinear | bicubic | trilinear | lanczos | area | nearest-exact (got {mode})"
    )


@composite("nn.functional.upsample")
def upsample(
    input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None
) -> Any:
    """`interpolate` under its old name."""
    _deprecated("upsample", "interpolate")
    return interpolate(input, size, scale_factor, mode, align_corners)


@composite("nn.functional.upsample_nearest")
def upsample_nearest(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """`interpolate` with ``"nearest"``, under its old name."""
    _deprecated("upsample_nearest", "interpolate")
    return interpolate(input, size, scale_factor, "nearest")


@composite("nn.functional.upsample_bilinear")
def upsample_bilinear(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """`interpolate` with ``"bilinear"`` and aligned corners, under its old name."""
    _deprecated("upsample_bilinear", "interpolate")
    return interpolate(input, size, scale_factor, "bilinear", True)


def _deprecated(old: str, new: str) -> None:
    warnings.warn(f"`nn.functional.{old}` is deprecated. Use `nn.functional.{new}` instead.", stacklevel=3)
