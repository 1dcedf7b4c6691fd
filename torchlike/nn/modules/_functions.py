"""Functions behind modules that are neither ops nor part of `nn.functional`."""

from __future__ import annotations

from typing import Any

import torchlike as torch
from torchlike._src.tensor.core import Tensor
from torchlike.nn import functional as F


class BackwardHookFunction(torch.autograd.Function):
    """The identity: a node for module backward hooks to hang on."""

    @staticmethod
    def forward(ctx: Any, *args: Tensor) -> tuple[Tensor, ...]:
        return args

    @staticmethod
    def backward(ctx: Any, *args: Any) -> tuple[Any, ...]:
        return args


def cross_map_lrn2d(input: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
    """``x / (k + alpha/size · Σ x²)^beta``, the sum over ``size`` neighbouring channels.

    The sum as torch forms it: over an odd number of channels, 3 for size 4; and channel 0 stays in it for all
    channels behind the first window. The gradient is that of this function; torch's is shifted by one channel.

    Raises:
        ValueError: if the input is not 4-D.
    """
    if input.dim() != 4:
        raise ValueError(f"CrossMapLRN2d: Expected input to be 4D, got {input.dim()}D instead.")
    channels = input.size(1)
    reach = int((size - 1) / 2 + 1)  # the window of channel c is c - reach + 1 ... c + reach - 1
    squares = input * input
    padded = F.pad(squares, (0, 0, 0, 0, reach - 1, reach - 1))
    total = sum(padded.narrow(1, i, channels) for i in range(2 * reach - 1))
    if channels > reach:
        total = torch.cat([total[:, :reach], total[:, reach:] + squares[:, :1]], dim=1)
    return input * (total * (alpha / size) + k).pow(-beta)
