"""Distances and similarities of pairs of vectors."""

from __future__ import annotations

from torchlike._src.tensor.core import Tensor
from torchlike.nn import functional as F
from torchlike.nn.modules.module import Module

__all__ = ["CosineSimilarity", "PairwiseDistance"]


class PairwiseDistance(Module):
    """``‖x₁ - x₂ + eps‖ₚ`` over the last dimension.

    Args:
        p: the norm.
        eps: keeps the gradient finite where the vectors are equal.
        keepdim: keep the last dimension, with size 1.

    Shape:
        ``(N, D)``, ``(N, D)`` → ``(N)`` or ``(N, 1)``.
    """

    norm: float
    eps: float
    keepdim: bool

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm = p
        self.eps = eps
        self.keepdim = keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)


class CosineSimilarity(Module):
    """``x₁·x₂ / (max(‖x₁‖, eps) · max(‖x₂‖, eps))`` over ``dim``.

    Shape:
        ``(*₁, D, *₂)``, the same → ``(*₁, *₂)``.
    """

    dim: int
    eps: float

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim = dim
        self.eps = eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.cosine_similarity(x1, x2, self.dim, self.eps)
