"""Sampling images at given places: ``grid_sample``, and ``affine_grid``, which makes the places."""

import itertools
import warnings
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jax import lax

from torchlike._src.operators.nn_checks import require_floating, scalar_type, sizes
from torchlike._src.operators.precision import rounded
from torchlike._src.operators.registry import Array, composite, op, ops

_MODES = ("bilinear", "nearest", "bicubic")
_PADDINGS = ("zeros", "border", "reflection")


def _to_pixels(coordinate: Array, size: int, align_corners: bool) -> Array:
    """-1 ... 1 → pixel numbers; -1 and 1 are the centres of the outermost pixels, or their outer edges."""
    return (coordinate + 1) / 2 * (size - 1) if align_corners else ((coordinate + 1) * size - 1) / 2


def _clip(x: Array, size: int) -> Array:
    """Into the image; the derivative is 0 outside and, as in torch, on the border."""
    return jnp.where(x <= 0, 0, jnp.where(x >= size - 1, size - 1, x)).astype(x.dtype)


def _reflect(x: Array, low: float, high: float) -> Array:
    """Back and forth between the two mirrors."""
    span = high - low
    if span <= 0:
        return jnp.zeros_like(x)
    x = x - low
    x = jnp.where(x < 0, -x, x)
    flips = lax.stop_gradient(jnp.floor(x / span))
    rest = x - flips * span
    return jnp.where(flips % 2 == 0, rest + low, span - rest + low)


def _into(x: Array, size: int, padding_mode: str, align_corners: bool) -> Array:
    """Apply the padding mode to pixel coordinates."""
    if padding_mode == "border":
        return _clip(x, size)
    if padding_mode == "reflection":
        return _clip(_reflect(x, 0, size - 1) if align_corners else _reflect(x, -0.5, size - 0.5), size)
    return x


def _gather(image: Array, places: list[Array]) -> Array:
    """``image`` ``(N, C, *)`` at whole pixels, each ``(N, *out)``; outside it is 0. Result ``(N, C, *out)``."""
    n, c, *spatial = image.shape
    inside, flat = True, jnp.zeros((), jnp.int64)
    for place, size in zip(places, spatial, strict=True):
        inside &= (place >= 0) & (place <= size - 1)
        # NaN and far-away places become 0 before they become integers.
        flat = flat * size + jnp.where((place >= 0) & (place <= size - 1), place, 0).astype(jnp.int64)
    values = jnp.take_along_axis(image.reshape(n, c, -1), flat.reshape(n, 1, -1), 2, mode="clip")
    values = values.reshape(n, c, *flat.shape[1:])
    return jnp.where(inside[:, None], values, 0)


def _step(x: Array) -> Array:
    """A value in between, which torch's kernels round to half precision."""
    return rounded(x, x.dtype)


def _cubic_weights(t: Array) -> list[Array]:
    """Keys 1981 with a = -0.75: weights of the pixels at -1, 0, 1 and 2 from the place ``t`` in [0, 1)."""
    a = -0.75

    def near(x: Array) -> Array:
        return _step(_step(_step(_step(_step((a + 2) * x) - (a + 3)) * x) * x) + 1)

    def far(x: Array) -> Array:
        return _step(_step(_step(_step(_step(_step(a * x) - 5 * a) * x) + 8 * a) * x) - 4 * a)

    return [far(_step(t + 1)), near(t), near(_step(1 - t)), far(_step(2 - t))]


@op("_grid_sampler", method=False, saves=("input", "grid", "~grid"), grad_name="GridSampler2DBackward0")
def _grid_sampler(input: Array, grid: Array, mode: str, padding_mode: str, align_corners: bool) -> Array:
    """See `grid_sample`."""
    if input.ndim not in (4, 5) and grid.ndim in (4, 5) and grid.shape[-1] == input.ndim - 2:
        raise RuntimeError(
            "grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but got input with sizes "
            f"{sizes(input.shape)} and grid with sizes {sizes(grid.shape)}"
        )
    n = input.ndim - 2
    if input.shape[0] != grid.shape[0]:
        raise RuntimeError(
            "grid_sampler(): expected grid and input to have same batch size, but got input with sizes "
            f"{sizes(input.shape)} and grid with sizes {sizes(grid.shape)}"
        )
    if grid.shape[-1] != n:
        raise RuntimeError(
            f"grid_sampler(): expected grid to have size {n} in last dimension, but got grid with sizes {sizes(grid.shape)}"
        )
    for axis in range(2, input.ndim):
        if input.shape[axis] == 0:
            raise RuntimeError(
                "grid_sampler(): expected input to have non-empty spatial dimensions, but input has sizes "
                f"{sizes(input.shape)} with dimension {axis} being empty"
            )
    if input.ndim != grid.ndim or input.ndim not in (4, 5):
        raise RuntimeError(
            "grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but got input with sizes "
            f"{sizes(input.shape)} and grid with sizes {sizes(grid.shape)}"
        )
    if n == 3 and mode == "bicubic":
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")
    require_floating(input, "grid_sampler_2d_cpu_kernel_impl" if n == 2 else "grid_sampler3d_cpu")
    if input.dtype != grid.dtype:
        raise RuntimeError(f"expected scalar type {scalar_type(input.dtype)} but found {scalar_type(grid.dtype)}")
    spatial = input.shape[2:]
    # The grid's last dimension runs x, y(, z): from the last dimension of the image backwards.
    places = [_to_pixels(grid[..., n - 1 - i], size, align_corners) for i, size in enumerate(spatial)]
    if mode == "bicubic":
        return _bicubic(input, places, padding_mode, align_corners)
    places = [_into(p, size, padding_mode, align_corners) for p, size in zip(places, spatial, strict=True)]
    if mode == "nearest":
        return _gather(input, [jnp.round(lax.stop_gradient(p)) for p in places]) + 0 * sum(places)[:, None]
    low = [lax.stop_gradient(jnp.floor(p)) for p in places]
    total = None
    for corner in itertools.product((0, 1), repeat=n):
        weight = 1
        for p, base, far in zip(places, low, corner, strict=True):
            weight = weight * (p - base if far else 1 - (p - base))
        part = _gather(input, [base + far for base, far in zip(low, corner, strict=True)]) * weight[:, None]
        total = part if total is None else total + part
    return total


def _bicubic(input: Array, places: list[Array], padding_mode: str, align_corners: bool) -> Array:
    low = [lax.stop_gradient(jnp.floor(p)) for p in places]
    weights = [_cubic_weights(p - base) for p, base in zip(places, low, strict=True)]
    total = None
    for i in range(4):  # row by row, each rounded, as in torch
        row: Any = None
        for j in range(4):
            taps = [
                _into(base + offset - 1, size, padding_mode, align_corners)
                for base, offset, size in zip(low, (i, j), input.shape[2:], strict=True)
            ]
            part = _step(_gather(input, [jnp.round(t) for t in taps]) * weights[1][j][:, None])
            row = part if row is None else _step(row + part)
        row = _step(row * weights[0][i][:, None])
        total = row if total is None else _step(total + row)
    return total


@composite("nn.functional.grid_sample")
def grid_sample(
    input: Any, grid: Any, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool | None = None
) -> Any:
    """``input`` at the places that ``grid`` names.

    Args:
        input: shape ``(N, C, H, W)`` or ``(N, C, D, H, W)``.
        grid: places ``x, y(, z)`` from -1 to 1 across the image, shape ``(N, OH, OW, 2)`` or ``(N, OD, OH, OW, 3)``.
        mode: ``"bilinear"`` (over three dimensions trilinear), ``"nearest"`` or, for images, ``"bicubic"``.
        padding_mode: outside the image ``"zeros"``, its ``"border"`` or its ``"reflection"``.
        align_corners: whether -1 and 1 are the centres of the outermost pixels or their outer edges.
    """
    if mode not in _MODES:
        raise ValueError(
            f"nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '{mode}'"
        )
    if padding_mode not in _PADDINGS:
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', "
            f"but got: '{padding_mode}'"
        )
    if align_corners is None:
        _warn_of_default("grid_sample")
    return ops["_grid_sampler"](input, grid, mode, padding_mode, bool(align_corners))


@composite("grid_sampler", method=False)
def grid_sampler(input: Any, grid: Any, interpolation_mode: int, padding_mode: int, align_corners: bool) -> Any:
    """`nn.functional.grid_sample` with numbers for the modes, as ATen."""
    return ops["_grid_sampler"](input, grid, _MODES[interpolation_mode], _PADDINGS[padding_mode], align_corners)


def _warn_of_default(name: str) -> None:
    warnings.warn(
        f"Default {name} and affine_grid behavior has changed to align_corners=False since 1.3.0. Please specify "
        f"align_corners=True if the old behavior is desired. See the documentation of {name} for details.",
        stacklevel=4,
    )


@op("affine_grid_generator", method=False, saves=())
def affine_grid_generator(theta: Array, size: tuple[int, ...], align_corners: bool) -> Array:
    """The places in the input that an affine map assigns to each pixel of an output of shape ``size``."""
    axes = []
    for n in reversed(size[2:]):
        edge = jnp.linspace(-1, 1, n, dtype=theta.dtype) if n > 1 else jnp.zeros(n, theta.dtype)
        axes.append(edge if align_corners else edge * ((n - 1) / n))
    spatial = size[2:]
    parts = []
    for i, axis in enumerate(axes):
        shape = [1] * len(spatial)
        shape[len(spatial) - 1 - i] = -1
        parts.append(jnp.broadcast_to(axis.reshape(shape), spatial))
    base = jnp.stack([*parts, jnp.ones(spatial, theta.dtype)], -1)  # (*spatial, x y (z) 1)
    return jnp.einsum("...k,njk->n...j", base, theta)


@composite("nn.functional.affine_grid")
def affine_grid(theta: Any, size: Sequence[int], align_corners: bool | None = None) -> Any:
    """A grid for `grid_sample` that maps each output pixel by an affine map.

    Args:
        theta: shape ``(N, 2, 3)``, or ``(N, 3, 4)`` for three dimensions.
        size: the shape of the output, ``(N, C, H, W)`` or ``(N, C, D, H, W)``.
        align_corners: as in `grid_sample`.
    """
    size = tuple(int(n) for n in size)
    if align_corners is None:
        _warn_of_default("affine_grid")
    if not theta.is_floating_point():
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    if len(size) not in (4, 5):
        raise NotImplementedError(
            f"affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. Got size {size}."
        )
    n = len(size) - 2
    if theta.dim() != 3 or tuple(theta.shape[-2:]) != (n, n + 1):
        raise ValueError(f"Expected a batch of {n}D affine matrices of shape Nx{n}x{n + 1} for size {size}. Got {theta.shape}.")
    if min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {size}")
    return ops["affine_grid_generator"](theta, size, bool(align_corners))


@composite("grid_sampler_2d", "grid_sampler_3d", method=False)
def grid_sampler_nd(input: Any, grid: Any, interpolation_mode: int, padding_mode: int, align_corners: bool) -> Any:
    """`grid_sampler`, by the names of its kernels."""
    return grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners)
