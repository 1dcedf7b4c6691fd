"""Moving between channels and pixels: `PixelShuffle` and its inverse."""

from __future__ import annotations

from torchlike._src.tensor.core import Tensor
from torchlike.nn import functional as F
from torchlike.nn.modules.module import Module

__all__ = ["PixelShuffle", "PixelUnshuffle"]


class PixelShuffle(Module):
    """Spread each r² channels over r × r pixels, r the ``upscale_factor``.

    Shape:
        ``(*, C·r², H, W)`` → ``(*, C, H·r, W·r)``

    Source:
        Shi et al. 2016, https://arxiv.org/abs/1609.05158.
    """

    upscale_factor: int

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """The inverse of `PixelShuffle`: gather each r × r pixels into r² channels, r the ``downscale_factor``.

    Shape:
        ``(*, C, H·r, W·r)`` → ``(*, C·r², H, W)``
    """

    downscale_factor: int

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"
