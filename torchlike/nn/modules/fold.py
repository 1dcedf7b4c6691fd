"""Sliding windows: cut an image into blocks, or add blocks up to an image."""

from __future__ import annotations

from torchlike._src.tensor.core import Tensor
from torchlike.nn import functional as F
from torchlike.nn.common_types import _size_any_t
from torchlike.nn.modules.module import Module

__all__ = ["Fold", "Unfold"]


class Fold(Module):
    """Put blocks at the places of a sliding window into an image, adding where they overlap.

    Args:
        output_size: height and width of the image.
        kernel_size: size of a block; an int or a pair, as for the next three.
        dilation: step between the elements of a block.
        padding: zeros around the image, taken off again.
        stride: step between blocks.

    Shape:
        ``(N, C·∏ kernel_size, L)`` or without N → ``(N, C, *output_size)``, L the number of blocks.
    """

    def __init__(
        self,
        output_size: _size_any_t,
        kernel_size: _size_any_t,
        dilation: _size_any_t = 1,
        padding: _size_any_t = 0,
        stride: _size_any_t = 1,
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, dilation={self.dilation}, "
            f"padding={self.padding}, stride={self.stride}"
        )


class Unfold(Module):
    """Cut an image into the blocks under a sliding window, each as one column.

    Args:
        kernel_size: size of a block; an int or a pair, as for the next three.
        dilation: step between the elements of a block.
        padding: zeros around the image.
        stride: step between blocks.

    Shape:
        ``(N, C, H, W)`` or without N → ``(N, C·∏ kernel_size, L)``, L the number of blocks.
    """

    def __init__(
        self,
        kernel_size: _size_any_t,
        dilation: _size_any_t = 1,
        padding: _size_any_t = 0,
        stride: _size_any_t = 1,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, stride={self.stride}"
