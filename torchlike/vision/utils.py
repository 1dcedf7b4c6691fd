"""Looking at images: many in one, into a file."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import PIL.Image

import torchlike as torch


def make_grid(
    tensor: torch.Tensor | Sequence[torch.Tensor],
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> torch.Tensor:
    """Put images side by side, in rows.

    Args:
        tensor: images ``(N, C, H, W)``, or a list of images of one size; one channel becomes three.
        nrow: images in a row.
        padding: pixels between them.
        normalize: stretch the values to 0 … 1.
        value_range: the values that become 0 and 1; by default the smallest and largest.
        scale_each: stretch each image for itself.
        pad_value: of the pixels between.
    Returns:
        One image, ``(3, H', W')``.
    """
    if not torch.is_tensor(tensor):
        if not isinstance(tensor, list) or not all(torch.is_tensor(image) for image in tensor):
            raise TypeError(f"tensor or list of tensors expected, got {type(tensor)}")
        tensor = torch.stack(tensor, dim=0)
    if tensor.ndim == 2:
        tensor = tensor[None]
    if tensor.ndim == 3:
        tensor = tensor[None]
    if tensor.shape[1] == 1:
        tensor = tensor.expand(-1, 3, -1, -1)
    if value_range is not None and not isinstance(value_range, tuple):
        raise TypeError("value_range has to be a tuple (min, max) if specified. min and max are numbers")
    if normalize:
        tensor = _stretch(tensor, value_range, scale_each)
    count, channels, height, width = tensor.shape
    if count == 1:
        return tensor[0]
    columns = min(nrow, count)
    lines = math.ceil(count / columns)
    high, wide = height + padding, width + padding
    grid = tensor.new_full((channels, high * lines + padding, wide * columns + padding), pad_value)
    for i in range(count):
        top, left = i // columns * high + padding, i % columns * wide + padding
        grid[:, top : top + height, left : left + width] = tensor[i]
    return grid


def _stretch(tensor: torch.Tensor, value_range: tuple[float, float] | None, scale_each: bool) -> torch.Tensor:
    if value_range is not None:
        low, high = (float(bound) for bound in value_range)
        return (tensor.clamp(low, high) - low) / max(high - low, 1e-5)
    dims = (1, 2, 3) if scale_each else (0, 1, 2, 3)
    low, high = tensor.amin(dims, keepdim=True), tensor.amax(dims, keepdim=True)
    return (tensor - low) / (high - low).clamp(min=1e-5)


def save_image(tensor: torch.Tensor | Sequence[torch.Tensor], fp: Any, format: str | None = None, **kwargs: Any) -> None:
    """Write images, in a grid if they are many, to a file.

    Args:
        tensor: as of `make_grid`, values from 0 to 1.
        fp: the file's name, or a file.
        format: of the image, if the name does not tell.
        kwargs: for `make_grid`.
    """
    grid = make_grid(tensor, **kwargs).detach().cpu().to(torch.float32).numpy()
    pixels = np.clip(grid * 255 + 0.5, 0, 255).astype(np.uint8)
    PIL.Image.fromarray(pixels.transpose(1, 2, 0)).save(fp, format=format)
