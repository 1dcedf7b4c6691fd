"""`ChannelShuffle`: interleave groups of channels."""

from __future__ import annotations

from torchlike._src.tensor.core import Tensor
from torchlike.nn import functional as F
from torchlike.nn.modules.module import Module

__all__ = ["ChannelShuffle"]


class ChannelShuffle(Module):
    """Take the channels of ``groups`` groups in turn: first of each group, second of each group, ...

    Shape:
        ``(N, C, *)`` → the same; ``groups`` divides C.

    Source:
        Zhang et al. 2017, https://arxiv.org/abs/1707.01083.
    """

    groups: int

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, input: Tensor) -> Tensor:
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"
