"""What `functional` does to tensors ``(*, C, H, W)``. Ints are rounded where interpolation makes fractions."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torchlike as torch
from torchlike.nn import functional as nn

_LARGEST = {
    torch.uint8: 255, torch.int8: 127, torch.int16: 32767, torch.uint16: 65535, torch.int32: 2**31 - 1,
    torch.int64: 2**63 - 1,
}  # fmt: skip


def _largest(dtype: torch.dtype) -> int:
    """White: 1 for floats."""
    return _LARGEST.get(dtype, 1)


def _check_channels(image: torch.Tensor) -> int:
    channels = 1 if image.ndim == 2 else image.shape[-3]
    if channels not in (1, 3):
        raise TypeError(f"Input image tensor permitted channel values are [1, 3], but found {channels}")
    return channels


def convert_image_dtype(image: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Another dtype, scaled to its range."""
    if image.dtype == dtype:
        return image
    if image.is_floating_point():
        if dtype.is_floating_point:
            return image.to(dtype)
        if dtype == torch.int64 or (dtype == torch.int32 and image.dtype == torch.float32):
            raise RuntimeError(f"The cast from {image.dtype} to {dtype} cannot be performed safely.")
        return image.mul(_largest(dtype) + 1.0 - 1e-3).to(dtype)  # 1.0 is the largest; each value gets an equal share
    if dtype.is_floating_point:
        return image.to(dtype) / float(_largest(image.dtype))
    before, after = _largest(image.dtype) + 1, _largest(dtype) + 1
    if before > after:
        return torch.div(image, before // after, rounding_mode="floor").to(dtype)
    return image.to(dtype) * (after // before)


# Geometry


def pad(image: torch.Tensor, left: int, top: int, right: int, bottom: int, fill: Any, padding_mode: str) -> torch.Tensor:
    """A border, or a crop where a side is negative."""
    if padding_mode == "symmetric":
        return _pad_symmetric(image, left, top, right, bottom)
    if isinstance(fill, tuple | list):
        if len(fill) != 1:
            raise TypeError("tensors are padded with one number")
        fill = fill[0]
    border = [left, right, top, bottom]
    if padding_mode == "constant":
        return nn.pad(image, border, mode="constant", value=float(fill or 0))
    mode = "replicate" if padding_mode == "edge" else "reflect"
    return _as_batch_of_floats(image, lambda batch: nn.pad(batch, border, mode=mode))


def _pad_symmetric(image: torch.Tensor, left: int, top: int, right: int, bottom: int) -> torch.Tensor:
    """Mirrored with the edge repeated."""
    height, width = image.shape[-2:]
    image = image[..., max(-top, 0) : height - max(-bottom, 0), max(-left, 0) : width - max(-right, 0)]
    height, width = image.shape[-2:]
    rows = [*range(max(top, 0) - 1, -1, -1), *range(height), *range(height - 1, height - 1 - max(bottom, 0), -1)]
    columns = [*range(max(left, 0) - 1, -1, -1), *range(width), *range(width - 1, width - 1 - max(right, 0), -1)]
    return image[..., torch.tensor(rows, device=image.device), :][..., torch.tensor(columns, device=image.device)]


def resize(image: torch.Tensor, size: list[int], mode: str, antialias: bool) -> torch.Tensor:
    """To ``(height, width)``."""
    smooth = mode in ("bilinear", "bicubic")
    options: dict[str, Any] = {"align_corners": False, "antialias": antialias} if smooth else {}

    def change(batch: torch.Tensor) -> torch.Tensor:
        batch = nn.interpolate(batch, size=size, mode=mode, **options)
        return batch.clamp(0, 255) if mode == "bicubic" and image.dtype == torch.uint8 else batch

    return _as_batch_of_floats(image, change)


def _as_batch_of_floats(image: torch.Tensor, change: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """Apply what works on ``(N, C, H, W)`` of floats to an image of any shape and type."""
    lead = image.shape[:-3]
    batch = image.reshape(-1, *image.shape[-3:]) if image.ndim > 2 else image[None, None]
    whole = not image.is_floating_point()
    narrow = whole or image.dtype not in (torch.float32, torch.float64)
    batch = change(batch.to(torch.float32) if narrow else batch)
    if whole:
        batch = batch.round()
    batch = batch.to(image.dtype) if narrow else batch
    return batch.reshape(*lead, *batch.shape[1:]) if image.ndim > 2 else batch[0, 0]


def affine(image: torch.Tensor, matrix: Sequence[float], mode: str, fill: Any, expand: bool = False) -> torch.Tensor:
    """Each pixel from where the matrix says; coordinates in pixels from the middle of the image."""
    height, width = image.shape[-2:]
    out_height, out_width = _rotated_size(matrix, height, width) if expand else (height, width)
    y = torch.arange(out_height, dtype=torch.float32, device=image.device)[:, None] + (0.5 - 0.5 * out_height)
    x = torch.arange(out_width, dtype=torch.float32, device=image.device)[None, :] + (0.5 - 0.5 * out_width)
    a, b, c, d, e, f = matrix
    grid = torch.stack(((a * x + b * y + c) / (0.5 * width), (d * x + e * y + f) / (0.5 * height)), -1)
    return _sample(image, grid, mode, fill)


def _rotated_size(matrix: Sequence[float], height: int, width: int) -> tuple[int, int]:
    """The box around the turned corners, as PIL works it out."""
    corners = [(x * width, y * height) for x in (-0.5, 0.5) for y in (-0.5, 0.5)]
    found = []
    for size, row in ((height, matrix[3:]), (width, matrix[:3])):
        places = [row[0] * x + row[1] * y + row[2] + size * 0.5 for x, y in corners]
        low, high = round(min(places), 4), round(max(places), 4)  # 3.00001 is 3
        found.append(math.ceil(high) - math.floor(low))
    return found[0], found[1]


def perspective(image: torch.Tensor, coefficients: Sequence[float], mode: str, fill: Any) -> torch.Tensor:
    """Each pixel from where the coefficients say; coordinates in pixels from the corner."""
    height, width = image.shape[-2:]
    a, b, c, d, e, f, g, h = coefficients
    y = torch.arange(height, dtype=torch.float32, device=image.device)[:, None] + 0.5
    x = torch.arange(width, dtype=torch.float32, device=image.device)[None, :] + 0.5
    depth = g * x + h * y + 1
    grid = torch.stack(((a * x + b * y + c) / depth / (0.5 * width) - 1, (d * x + e * y + f) / depth / (0.5 * height) - 1), -1)
    return _sample(image, grid, mode, fill)


def _sample(image: torch.Tensor, grid: torch.Tensor, mode: str, fill: Any) -> torch.Tensor:
    """The image at the places of the grid, ``(H, W, 2)`` from -1 to 1; ``fill`` outside of it."""
    if mode not in ("nearest", "bilinear"):
        raise ValueError(f"Interpolation mode '{mode}' is unsupported with Tensor input")
    channels = 1 if image.ndim == 2 else image.shape[-3]
    fills = [float(fill)] if isinstance(fill, int | float) else [float(value) for value in fill or ()]
    if len(fills) > 1 and len(fills) != channels:
        raise ValueError(
            "The number of elements in 'fill' cannot broadcast to match the number of channels of the image "
            f"({len(fills)} != {channels})"
        )

    def change(batch: torch.Tensor) -> torch.Tensor:
        grids = grid.to(batch.dtype).expand(batch.shape[0], *grid.shape)
        if not fills:
            return nn.grid_sample(batch, grids, mode=mode, padding_mode="zeros", align_corners=False)
        inside = torch.ones_like(batch[:, :1])
        batch = nn.grid_sample(torch.cat((batch, inside), 1), grids, mode=mode, padding_mode="zeros", align_corners=False)
        batch, inside = batch[:, :-1], batch[:, -1:]
        background = torch.tensor(fills, dtype=batch.dtype, device=batch.device).view(1, -1, 1, 1)
        if mode == "nearest":
            return torch.where(inside < 0.5, background, batch)
        return batch * inside + (1.0 - inside) * background

    return _as_batch_of_floats(image, change)


def gaussian_blur(image: torch.Tensor, sizes: Sequence[int], sigmas: Sequence[float]) -> torch.Tensor:
    """By convolution, the edges mirrored."""
    column, row = (_gaussian(sizes[i], sigmas[i], image) for i in (1, 0))

    def change(batch: torch.Tensor) -> torch.Tensor:
        x, y = sizes[0] // 2, sizes[1] // 2
        channels = batch.shape[1]
        kernel = (column[:, None] * row[None, :]).to(batch.dtype).expand(channels, 1, sizes[1], sizes[0])
        return nn.conv2d(nn.pad(batch, [x, x, y, y], mode="reflect"), kernel, groups=channels)

    return _as_batch_of_floats(image, change)


def _gaussian(size: int, sigma: float, image: torch.Tensor) -> torch.Tensor:
    half = (size - 1) * 0.5
    dtype = image.dtype if image.is_floating_point() else torch.float32
    places = torch.linspace(-half, half, steps=size, dtype=dtype, device=image.device)
    weights = torch.exp(-0.5 * (places / sigma).pow(2))
    return weights / weights.sum()


# Colour


def rgb_to_grayscale(image: torch.Tensor, num_output_channels: int = 1) -> torch.Tensor:
    """ITU-R 601's weights."""
    if image.ndim < 3:
        raise TypeError(f"Input image tensor should have at least 3 dimensions, but found {image.ndim}")
    if num_output_channels not in (1, 3):
        raise ValueError("num_output_channels should be either 1 or 3")
    if _check_channels(image) == 3:
        red, green, blue = image.unbind(-3)
        grey = (0.2989 * red + 0.587 * green + 0.114 * blue).to(image.dtype).unsqueeze(-3)
    else:
        grey = image.clone()
    return grey.expand(*image.shape[:-3], 3, *image.shape[-2:]) if num_output_channels == 3 else grey


def _blend(image: torch.Tensor, other: Any, ratio: float) -> torch.Tensor:
    mixed = float(ratio) * image + (1.0 - float(ratio)) * other
    return mixed.clamp(0, _largest(image.dtype)).to(image.dtype)


def _check_factor(name: str, factor: float) -> None:
    if factor < 0:
        raise ValueError(f"{name} ({factor}) is not non-negative.")


def adjust_brightness(image: torch.Tensor, factor: float) -> torch.Tensor:
    """Blend with black."""
    _check_factor("brightness_factor", factor)
    _check_channels(image)
    return _blend(image, 0.0, factor)


def adjust_contrast(image: torch.Tensor, factor: float) -> torch.Tensor:
    """Blend with the mean grey."""
    _check_factor("contrast_factor", factor)
    grey = rgb_to_grayscale(image) if _check_channels(image) == 3 else image
    mean = grey.to(image.dtype if image.is_floating_point() else torch.float32).mean(dim=(-3, -2, -1), keepdim=True)
    return _blend(image, mean, factor)


def adjust_saturation(image: torch.Tensor, factor: float) -> torch.Tensor:
    """Blend with the image in grey."""
    _check_factor("saturation_factor", factor)
    return image if _check_channels(image) == 1 else _blend(image, rgb_to_grayscale(image), factor)


def adjust_hue(image: torch.Tensor, factor: float) -> torch.Tensor:
    """By way of HSV."""
    if _check_channels(image) == 1:
        return image
    hue, saturation, value = _to_hsv(convert_image_dtype(image, torch.float32))
    return convert_image_dtype(_from_hsv((hue + factor) % 1.0, saturation, value), image.dtype)


def _to_hsv(image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    red, green, blue = image.unbind(-3)
    high, low = image.amax(-3), image.amin(-3)
    grey = high == low
    one = torch.ones_like(high)
    spread = torch.where(grey, one, high - low)
    r, g, b = ((high - part) / spread for part in (red, green, blue))
    hue = torch.where(high == red, b - g, torch.where(high == green, 2.0 + r - b, 4.0 + g - r))
    hue = torch.where(grey, 0.0 * one, torch.fmod(hue / 6.0 + 1.0, 1.0))
    return hue, (high - low) / torch.where(grey, one, high), high


def _from_hsv(hue: torch.Tensor, saturation: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Each channel is a trapezoid over the hue, shifted by a third of the circle."""

    def channel(shift: float) -> torch.Tensor:
        k = (hue * 6.0 + shift) % 6.0
        return value * (1.0 - saturation * torch.minimum(k, 4.0 - k).clamp(0.0, 1.0))

    return torch.stack((channel(5.0), channel(3.0), channel(1.0)), -3)


def adjust_gamma(image: torch.Tensor, gamma: float, gain: float) -> torch.Tensor:
    """Power law."""
    _check_channels(image)
    floats = image if image.is_floating_point() else convert_image_dtype(image, torch.float32)
    return convert_image_dtype((gain * floats**gamma).clamp(0, 1), image.dtype)


def adjust_sharpness(image: torch.Tensor, factor: float) -> torch.Tensor:
    """Blend with a blurred image, whose edge pixels are the image's own."""
    _check_factor("sharpness_factor", factor)
    channels = _check_channels(image)
    if min(image.shape[-2:]) <= 2:
        return image
    kernel = torch.tensor([[1.0, 1.0, 1.0], [1.0, 5.0, 1.0], [1.0, 1.0, 1.0]], device=image.device) / 13.0

    def change(batch: torch.Tensor) -> torch.Tensor:
        return nn.conv2d(batch, kernel.to(batch.dtype).expand(channels, 1, 3, 3), groups=channels)

    blurred = image.clone()
    blurred[..., 1:-1, 1:-1] = _as_batch_of_floats(image, change)
    return _blend(image, blurred, factor)


def invert(image: torch.Tensor) -> torch.Tensor:
    """White minus the image."""
    _check_channels(image)
    return _largest(image.dtype) - image


def posterize(image: torch.Tensor, bits: int) -> torch.Tensor:
    """Clear the low bits."""
    if image.dtype != torch.uint8:
        raise TypeError(f"Only torch.uint8 image tensors are supported, but found {image.dtype}")
    _check_channels(image)
    return image & (256 - 2 ** (8 - bits))


def solarize(image: torch.Tensor, threshold: float) -> torch.Tensor:
    """Invert the light parts."""
    if threshold > _largest(image.dtype):
        raise TypeError("Threshold should be less than bound of img.")
    return torch.where(image >= threshold, invert(image), image)


def autocontrast(image: torch.Tensor) -> torch.Tensor:
    """Channels of one value stay as they are."""
    _check_channels(image)
    white = _largest(image.dtype)
    dtype = image.dtype if image.is_floating_point() else torch.float32
    low, high = (bound(dim=(-2, -1), keepdim=True).to(dtype) for bound in (image.amin, image.amax))
    scale = white / (high - low)
    flat = ~torch.isfinite(scale)
    low, scale = torch.where(flat, torch.zeros_like(low), low), torch.where(flat, torch.ones_like(scale), scale)
    return ((image - low) * scale).clamp(0, white).to(image.dtype)


def equalize(image: torch.Tensor) -> torch.Tensor:
    """By the cumulated histogram of each channel, in steps as PIL's."""
    if image.dtype != torch.uint8:
        raise TypeError(f"Only torch.uint8 image tensors are supported, but found {image.dtype}")
    _check_channels(image)
    planes = image.reshape(-1, *image.shape[-2:])
    return torch.stack([_equalize_plane(plane) for plane in planes.unbind(0)]).reshape(image.shape)


def _equalize_plane(plane: torch.Tensor) -> torch.Tensor:
    counts = torch.bincount(plane.reshape(-1).to(torch.int64), minlength=256)
    step = int(counts[counts != 0][:-1].sum()) // 255
    if step == 0:
        return plane
    before = torch.cumsum(counts, 0) - counts
    table = torch.div(before + step // 2, step, rounding_mode="floor").clamp(0, 255).to(torch.uint8)
    return table[plane.to(torch.int64)]
