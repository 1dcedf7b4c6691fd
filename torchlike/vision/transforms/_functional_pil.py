"""What `functional` does to PIL images where PIL itself has no word for it."""

from typing import Any

import numpy as np
import PIL.Image
from PIL import ImageEnhance as ImageEnhance, ImageOps as ImageOps

_WIDE = {"I": np.int32, "I;16": np.int16, "F": np.float32}


def to_array(image: PIL.Image.Image) -> np.ndarray:
    """The pixels, ``(H, W)`` or ``(H, W, C)``; black-and-white images as 0 and 255."""
    array = np.asarray(image, _WIDE.get(image.mode, np.uint8))
    return array * np.uint8(255) if image.mode == "1" else array


def fill_of(fill: Any, image: PIL.Image.Image) -> Any:
    """The fill in the form that PIL wants: a value for each band."""
    bands = len(image.getbands())
    if fill is None:
        fill = 0
    if isinstance(fill, int | float) and bands > 1:
        return (fill,) * bands
    if isinstance(fill, int | float):
        return fill
    if len(fill) == 1:
        fill = tuple(fill) * bands
    if len(fill) != bands:
        raise ValueError(
            f"The number of elements in 'fill' does not match the number of channels of the image ({len(fill)} != {bands})"
        )
    return tuple(fill) if bands > 1 else fill[0]


def pad(image: PIL.Image.Image, left: int, top: int, right: int, bottom: int, fill: Any, padding_mode: str) -> PIL.Image.Image:
    """A border, or a crop where a side is negative."""
    if padding_mode == "constant":
        padded = ImageOps.expand(image, (left, top, right, bottom), fill_of(fill, image))
    else:
        crop = [max(-side, 0) for side in (left, top, right, bottom)]
        if any(crop):
            image = image.crop((crop[0], crop[1], image.width - crop[2], image.height - crop[3]))
        array = np.asarray(image)
        border = ((max(top, 0), max(bottom, 0)), (max(left, 0), max(right, 0)), (0, 0))[: array.ndim]
        padded = PIL.Image.fromarray(np.pad(array, border, padding_mode))  # type: ignore[call-overload]
    if image.mode == "P":
        padded.putpalette(image.getpalette())
    return padded


def adjust_hue(image: PIL.Image.Image, factor: float) -> PIL.Image.Image:
    """Turn the hue; images without colour stay as they are."""
    if image.mode in ("L", "1", "I", "F"):
        return image
    hue, saturation, value = image.convert("HSV").split()
    turned = np.asarray(hue) + np.uint8(int(factor * 255) % 256)  # wraps around, as hues do
    return PIL.Image.merge("HSV", (PIL.Image.fromarray(turned), saturation, value)).convert(image.mode)


def adjust_gamma(image: PIL.Image.Image, gamma: float, gain: float) -> PIL.Image.Image:
    """By a table of all 256 values."""
    table = [int((255 + 1 - 1e-3) * gain * (value / 255.0) ** gamma) for value in range(256)] * 3
    return image.convert("RGB").point(table).convert(image.mode)


def to_grayscale(image: PIL.Image.Image, num_output_channels: int) -> PIL.Image.Image:
    """In grey, with one channel or three equal ones."""
    if num_output_channels not in (1, 3):
        raise ValueError("num_output_channels should be either 1 or 3")
    grey = image.convert("L")
    return grey if num_output_channels == 1 else PIL.Image.merge("RGB", (grey, grey, grey))
