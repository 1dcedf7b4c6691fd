"""Normalizations that keep no running statistics: over the last dimensions, groups of channels, or neighbours."""

from __future__ import annotations

import numbers
from typing import Any

import torchlike as torch
from torchlike._src.tensor.core import Tensor
from torchlike.nn import functional as F, init
from torchlike.nn.modules._functions import cross_map_lrn2d
from torchlike.nn.modules.module import Module
from torchlike.nn.parameter import Parameter

__all__ = ["CrossMapLRN2d", "GroupNorm", "LayerNorm", "LocalResponseNorm", "RMSNorm"]

_shape_t = int | list[int] | torch.Size


class LocalResponseNorm(Module):
    """``x / (k + alpha · mean of x²)^beta``, the mean over ``size`` neighbouring channels.

    Args:
        size: number of channels of a neighbourhood.
        alpha: weight of the mean.
        beta: exponent.
        k: constant.

    Shape:
        ``(N, C, *)`` → the same.

    Source:
        Krizhevsky et al. 2012, section 3.3.
    """

    size: int
    alpha: float
    beta: float
    k: float

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: Tensor) -> Tensor:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class CrossMapLRN2d(LocalResponseNorm):
    """Local response normalization of images in an older form; see `cross_map_lrn2d` for how it differs.

    Shape:
        ``(N, C, H, W)`` → the same.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1) -> None:
        super().__init__(size, alpha, beta, k)

    def forward(self, input: Tensor) -> Tensor:
        return cross_map_lrn2d(input, self.size, self.alpha, self.beta, self.k)


class LayerNorm(Module):
    """``(x - mean) / √(var + eps) · weight + bias``, mean and variance over the last dimensions.

    Args:
        normalized_shape: sizes of the last dimensions, or the size of the last one.
        eps: added to the variance.
        elementwise_affine: whether to learn weight and bias.
        bias: with ``elementwise_affine``, whether to learn a bias.

    Shape:
        ``(N, *)`` → the same.

    Attributes:
        weight: ``normalized_shape``, ones. bias: ``normalized_shape``, zeros.

    Source:
        Ba et al. 2016, https://arxiv.org/abs/1607.06450.
    """

    normalized_shape: tuple[int, ...]
    eps: float
    elementwise_affine: bool

    def __init__(
        self,
        normalized_shape: _shape_t,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _as_shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        _make_affine(self, self.normalized_shape, elementwise_affine, elementwise_affine and bias, device, dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1, bias 0."""
        _reset_affine(self)

    def forward(self, input: Tensor) -> Tensor:
        own = self._parameters  # as in `Linear.forward`
        try:
            weight, bias = own["weight"], own["bias"]
        except KeyError:
            weight, bias = self.weight, self.bias
        return F.layer_norm(input, self.normalized_shape, weight, bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


def _as_shape(shape: Any) -> tuple[int, ...]:
    return (shape,) if isinstance(shape, numbers.Integral) else tuple(shape)


def _make_affine(module: Module, shape: Any, weight: bool, bias: bool, device: Any, dtype: Any) -> None:
    for name, wanted in (("weight", weight), ("bias", bias)):
        param = Parameter(torch.empty(shape, device=device, dtype=dtype)) if wanted else None
        module.register_parameter(name, param)


def _reset_affine(module: Module) -> None:
    if module.weight is not None:
        init.ones_(module.weight)
    if module.bias is not None:
        init.zeros_(module.bias)


class GroupNorm(Module):
    """``(x - mean) / √(var + eps) · weight + bias``, mean and variance over each group of channels of a sample.

    Args:
        num_groups: number of groups; divides ``num_channels``.
        num_channels: number of channels C.
        eps: added to the variance.
        affine: whether to learn weight and bias.
        bias: with ``affine``, whether to learn a bias.

    Shape:
        ``(N, C, *)`` → the same.

    Attributes:
        weight: ``(C,)``, ones. bias: ``(C,)``, zeros.

    Source:
        Wu and He 2018, https://arxiv.org/abs/1803.08494.
    """

    num_groups: int
    num_channels: int
    eps: float
    affine: bool

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_channels % num_groups != 0:
            raise ValueError(f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})")
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        _make_affine(self, num_channels, affine, affine and bias, device, dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1, bias 0."""
        _reset_affine(self)

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, bias={self.bias is not None}"


class RMSNorm(Module):
    """``x / √(mean of x² + eps) · weight``, the mean over the last dimensions.

    Args:
        normalized_shape: sizes of the last dimensions, or the size of the last one.
        eps: added to the mean; None takes the dtype's machine epsilon.
        elementwise_affine: whether to learn a weight.

    Shape:
        ``(N, *)`` → the same.

    Attributes:
        weight: ``normalized_shape``, ones.

    Source:
        Zhang and Sennrich 2019, https://arxiv.org/abs/1910.07467.
    """

    normalized_shape: tuple[int, ...]
    eps: float | None
    elementwise_affine: bool

    def __init__(
        self,
        normalized_shape: _shape_t,
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _as_shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        weight = torch.empty(self.normalized_shape, device=device, dtype=dtype) if elementwise_affine else None
        self.register_parameter("weight", None if weight is None else Parameter(weight))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1."""
        if self.elementwise_affine:
            init.ones_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
