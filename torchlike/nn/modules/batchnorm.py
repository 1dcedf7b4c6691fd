"""Batch normalization, and `_NormBase`, the running statistics that instance normalization shares with it."""

from __future__ import annotations

from typing import Any

import torchlike as torch
from torchlike._src.tensor.core import Tensor
from torchlike.nn import functional as F, init
from torchlike.nn.modules.lazy import LazyModuleMixin
from torchlike.nn.modules.module import Module
from torchlike.nn.parameter import Parameter, UninitializedBuffer, UninitializedParameter

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "LazyBatchNorm1d",
    "LazyBatchNorm2d",
    "LazyBatchNorm3d",
    "SyncBatchNorm",
]


class _NormBase(Module):
    """Weights and running statistics of batch and instance normalization."""

    _version = 2  # version 2 added num_batches_tracked
    num_features: int
    eps: float
    momentum: float | None
    affine: bool
    track_running_stats: bool

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            values = torch.empty(num_features, device=device, dtype=dtype) if wanted else None
            self.register_parameter(name, None if values is None else Parameter(values))
        if track_running_stats:
            self.register_buffer("running_mean", torch.zeros(num_features, device=device, dtype=dtype))
            self.register_buffer("running_var", torch.ones(num_features, device=device, dtype=dtype))
            self.register_buffer("num_batches_tracked", torch.tensor(0, dtype=torch.long, device=device))
        else:
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                self.register_buffer(name, None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Mean 0, variance 1, no batches seen."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Reset the statistics; weight 1, bias 0."""
        self.reset_running_stats()
        if self.affine:
            init.ones_(self.weight)
            if self.bias is not None:
                init.zeros_(self.bias)

    def _check_input_dim(self, input: Tensor) -> None:
        raise NotImplementedError

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        version = local_metadata.get("version")
        if self.track_running_stats and (version is None or version < 2):
            mine = self.num_batches_tracked
            if mine is None or mine.is_meta:
                mine = torch.tensor(0, dtype=torch.long)
            state_dict.setdefault(prefix + "num_batches_tracked", mine)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)


class _BatchNorm(_NormBase):
    """The forward of all batch norms; a subclass says which inputs it takes."""

    _input_dims: tuple[int, ...] = ()

    def _check_input_dim(self, input: Tensor) -> None:
        if not self._input_dims:
            raise NotImplementedError
        check_input_dim(input, self._input_dims)

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        params, buffers = self._parameters, self._buffers  # as in `Linear.forward`
        try:
            weight, bias = params["weight"], params["bias"]
            mean, var = buffers["running_mean"], buffers["running_var"]
        except KeyError:
            weight, bias, mean, var = self.weight, self.bias, self.running_mean, self.running_var
        training, tracked = self.training, self.track_running_stats
        momentum = self.momentum
        if training and tracked:
            batches = self.num_batches_tracked
            if batches is not None:
                batches.add_(1)
                if momentum is None:  # the cumulative average: the one case that reads a value
                    momentum = 1.0 / float(batches)
        use_batch = training or (mean is None and var is None)
        if training and not tracked:
            mean = var = None
        return F.batch_norm(input, mean, var, weight, bias, use_batch, 0.0 if momentum is None else momentum, self.eps)


def check_input_dim(input: Tensor, dims: tuple[int, ...]) -> None:
    """ValueError unless the input has one of the numbers of dimensions."""
    if input.dim() not in dims:
        raise ValueError(f"expected {' or '.join(f'{d}D' for d in dims)} input (got {input.dim()}D input)")


class _LazyNormBase(LazyModuleMixin, _NormBase):
    """A normalization whose ``num_features`` are those of its first input."""

    weight: UninitializedParameter
    bias: UninitializedParameter

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        # Neither weights nor statistics in the base class: they would be made with 0 features.
        super().__init__(0, eps, momentum, False, False, device=device, dtype=dtype, bias=False)
        self.affine = affine
        self.track_running_stats = track_running_stats
        if affine:
            self.weight = UninitializedParameter(device=device, dtype=dtype)
            if bias:
                self.bias = UninitializedParameter(device=device, dtype=dtype)
        if track_running_stats:
            self.running_mean = UninitializedBuffer(device=device, dtype=dtype)
            self.running_var = UninitializedBuffer(device=device, dtype=dtype)
            self.num_batches_tracked = torch.tensor(0, dtype=torch.long, device=device)

    def reset_parameters(self) -> None:
        """Reset statistics and weights, once they have a shape."""
        if not self.has_uninitialized_params() and self.num_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor) -> None:
        """Give weights and statistics their shapes and values."""
        if not self.has_uninitialized_params():
            return
        self.num_features = input.shape[1]
        members = [self.weight, self.bias] if self.affine else []
        members += [self.running_mean, self.running_var] if self.track_running_stats else []
        for member in members:
            if member is not None:
                member.materialize((self.num_features,))
        self.reset_parameters()


_BATCH_NORM_DOC = """Batch normalization over {input}: ``(x - mean) / √(var + eps) · weight + bias``, per channel.

    In training, mean and (biased) variance are the batch's, and the running statistics move towards them by
    ``momentum`` (with the unbiased variance); in evaluation the running statistics are used.

    Args:
        num_features: number of channels C.
        eps: added to the variance.
        momentum: weight of the batch in the running statistics; None averages over all batches.
        affine: whether to learn weight and bias.
        track_running_stats: without them, the batch's statistics are used in evaluation too.
        bias: with ``affine``, whether to learn a bias.

    Shape:
        {shape} → the same.

    Attributes:
        weight: ``(C,)``, ones. bias: ``(C,)``, zeros.
        running_mean: ``(C,)``, zeros. running_var: ``(C,)``, ones. num_batches_tracked: int64 scalar.

    Source:
        Ioffe and Szegedy 2015, https://arxiv.org/abs/1502.03167.
    """


class BatchNorm1d(_BatchNorm):
    __doc__ = _BATCH_NORM_DOC.format(input="vectors or sequences", shape="``(N, C)`` or ``(N, C, L)``")
    _input_dims = (2, 3)


class LazyBatchNorm1d(_LazyNormBase, _BatchNorm):
    """A `BatchNorm1d` whose ``num_features`` are those of its first input."""

    cls_to_become = BatchNorm1d
    _input_dims = BatchNorm1d._input_dims


class BatchNorm2d(_BatchNorm):
    __doc__ = _BATCH_NORM_DOC.format(input="images", shape="``(N, C, H, W)``")
    _input_dims = (4,)


class LazyBatchNorm2d(_LazyNormBase, _BatchNorm):
    """A `BatchNorm2d` whose ``num_features`` are those of its first input."""

    cls_to_become = BatchNorm2d
    _input_dims = BatchNorm2d._input_dims


class BatchNorm3d(_BatchNorm):
    __doc__ = _BATCH_NORM_DOC.format(input="volumes", shape="``(N, C, D, H, W)``")
    _input_dims = (5,)


class LazyBatchNorm3d(_LazyNormBase, _BatchNorm):
    """A `BatchNorm3d` whose ``num_features`` are those of its first input."""

    cls_to_become = BatchNorm3d
    _input_dims = BatchNorm3d._input_dims


class SyncBatchNorm(_BatchNorm):
    """Batch normalization over the batches of all ranks of a process group.

    Without a process group, or with one rank, it is the batch norm of this rank. Across ranks it is not here yet.

    Args:
        num_features: number of channels C.
        eps: added to the variance.
        momentum: weight of the batch in the running statistics; None averages over all batches.
        affine: whether to learn weight and bias.
        track_running_stats: without them, the batch's statistics are used in evaluation too.
        process_group: the ranks; all of them by default.

    Shape:
        ``(N, C, *)`` → the same.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any = None,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self.process_group = process_group

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"expected at least 2D input (got {input.dim()}D input)")

    def _check_non_zero_input_channels(self, input: Tensor) -> None:
        if input.size(1) == 0:
            raise ValueError("SyncBatchNorm number of input channels should be non-zero")

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        self._check_non_zero_input_channels(input)
        if self.training and _world_size(self.process_group) > 1:
            raise NotImplementedError(
                "SyncBatchNorm does not gather statistics across ranks yet: the process group has "
                f"{_world_size(self.process_group)} ranks. Use BatchNorm, which normalizes each rank's batch by itself."
            )
        return super().forward(input)

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: Any = None) -> Module:
        """``module`` with every batch norm in it replaced by one of this class that shares its tensors."""
        converted = module
        if isinstance(module, _BatchNorm):
            converted = SyncBatchNorm(
                module.num_features,
                module.eps,
                module.momentum,
                module.affine,
                module.track_running_stats,
                process_group,
                bias=module.bias is not None,
            )
            if module.affine:
                with torch.no_grad():
                    converted.weight = module.weight
                    converted.bias = module.bias
            converted.running_mean = module.running_mean
            converted.running_var = module.running_var
            converted.num_batches_tracked = module.num_batches_tracked
            converted.training = module.training
        for name, child in module.named_children():
            converted.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return converted


def _world_size(process_group: Any) -> int:
    distributed = getattr(torch, "distributed", None)
    if distributed is None or not (distributed.is_available() and distributed.is_initialized()):
        return 1
    return distributed.get_world_size(process_group)
