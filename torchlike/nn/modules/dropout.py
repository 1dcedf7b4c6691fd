"""Dropout: in training, zero a random part of the input and scale up the rest."""

from __future__ import annotations

from torchlike._src.tensor.core import Tensor
from torchlike.nn import functional as F
from torchlike.nn.modules.module import Module

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"]


class _DropoutNd(Module):
    p: float
    inplace: bool

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if p < 0 or p > 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p = p
        self.inplace = inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_DropoutNd):
    """In training, zero each element with probability ``p`` and multiply the others by ``1 / (1 - p)``.

    Args:
        p: probability of an element to be zeroed.
        inplace: write into the input.

    Shape:
        ``(*)`` → the same.

    Source:
        Hinton et al. 2012, https://arxiv.org/abs/1207.0580.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training, self.inplace)


_CHANNEL_DROPOUT_DOC = """In training, zero whole channels with probability ``p`` and scale the others.

    Args:
        p: probability of a channel to be zeroed.
        inplace: write into the input.

    Shape:
        {shape} → the same.
    """


class Dropout1d(_DropoutNd):
    __doc__ = _CHANNEL_DROPOUT_DOC.format(shape="``(N, C, L)`` or ``(C, L)``")

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_DropoutNd):
    __doc__ = _CHANNEL_DROPOUT_DOC.format(shape="``(N, C, H, W)`` or ``(N, C, L)``")

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_DropoutNd):
    __doc__ = _CHANNEL_DROPOUT_DOC.format(shape="``(N, C, D, H, W)`` or ``(C, D, H, W)``")

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_DropoutNd):
    """Dropout for SELU networks: sets elements to SELU's negative limit and keeps mean and variance.

    Args:
        p: probability of an element to be dropped.
        inplace: accepted as in torch, and as there without effect.

    Shape:
        ``(*)`` → the same.

    Source:
        Klambauer et al. 2017, https://arxiv.org/abs/1706.02515.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(_DropoutNd):
    """`AlphaDropout` of whole channels.

    Args:
        p: probability of a channel to be dropped.
        inplace: accepted as in torch, and as there without effect.

    Shape:
        ``(N, C, *)`` → the same.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.feature_alpha_dropout(input, self.p, self.training)
