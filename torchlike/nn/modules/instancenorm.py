"""Instance normalization: each channel of each sample is normalized by itself."""

from __future__ import annotations

import warnings
from typing import Any

from torchlike._src.tensor.core import Tensor
from torchlike.nn import functional as F
from torchlike.nn.modules.batchnorm import _LazyNormBase, _NormBase, check_input_dim

__all__ = [
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LazyInstanceNorm1d",
    "LazyInstanceNorm2d",
    "LazyInstanceNorm3d",
]

_STATS_NOT_TRACKED = (
    "Unexpected running stats buffer(s) {names} for {klass} with track_running_stats=False. If state_dict is a "
    "checkpoint saved before 0.4.0, this may be expected because {klass} does not track running stats by default since "
    "0.4.0. Please remove these keys from state_dict. If the running stats are actually needed, instead set "
    "track_running_stats=True in {klass} to enable them. See the documentation of {klass} for details."
)
_FEATURES_UNUSED = (
    "input's size at dim={dim} does not match num_features. You can silence this warning by not passing in "
    "num_features, which is not used because affine=False"
)


class _InstanceNorm(_NormBase):
    """The forward of all instance norms; a subclass says how many dimensions an input without a batch has."""

    _unbatched_dims = 0

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def _get_no_batch_dim(self) -> int:
        if not self._unbatched_dims:
            raise NotImplementedError
        return self._unbatched_dims

    def _check_input_dim(self, input: Tensor) -> None:
        unbatched = self._get_no_batch_dim()
        check_input_dim(input, (unbatched, unbatched + 1))

    def _handle_no_batch_input(self, input: Tensor) -> Tensor:
        return self._apply_instance_norm(input.unsqueeze(0)).squeeze(0)

    def _apply_instance_norm(self, input: Tensor) -> Tensor:
        return F.instance_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
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
        if local_metadata.get("version") is None and not self.track_running_stats:
            keys = [prefix + n for n in ("running_mean", "running_var") if prefix + n in state_dict]
            if keys:
                names = " and ".join(f'"{key}"' for key in keys)
                error_msgs.append(_STATS_NOT_TRACKED.format(names=names, klass=type(self).__name__))
                for key in keys:
                    state_dict.pop(key)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        dim = input.dim() - self._get_no_batch_dim()
        if input.size(dim) != self.num_features:
            if self.affine:
                raise ValueError(
                    f"expected input's size at dim={dim} to match num_features ({self.num_features}), but got: {input.size(dim)}."
                )
            warnings.warn(_FEATURES_UNUSED.format(dim=dim), stacklevel=2)
        return self._handle_no_batch_input(input) if dim == 0 else self._apply_instance_norm(input)


_INSTANCE_NORM_DOC = """Instance normalization over {input}: each channel of each sample by its own mean and variance.

    Args:
        num_features: number of channels C.
        eps: added to the variance.
        momentum: weight of the batch in the running statistics.
        affine: whether to learn weight and bias.
        track_running_stats: keep running statistics, and use them in evaluation.
        bias: with ``affine``, whether to learn a bias.

    Shape:
        {shape} → the same.

    Source:
        Ulyanov et al. 2016, https://arxiv.org/abs/1607.08022.
    """


class InstanceNorm1d(_InstanceNorm):
    __doc__ = _INSTANCE_NORM_DOC.format(input="sequences", shape="``(N, C, L)`` or ``(C, L)``")
    _unbatched_dims = 2


class LazyInstanceNorm1d(_LazyNormBase, _InstanceNorm):
    """An `InstanceNorm1d` whose ``num_features`` are those of its first input."""

    cls_to_become = InstanceNorm1d
    _unbatched_dims = InstanceNorm1d._unbatched_dims


class InstanceNorm2d(_InstanceNorm):
    __doc__ = _INSTANCE_NORM_DOC.format(input="images", shape="``(N, C, H, W)`` or ``(C, H, W)``")
    _unbatched_dims = 3


class LazyInstanceNorm2d(_LazyNormBase, _InstanceNorm):
    """An `InstanceNorm2d` whose ``num_features`` are those of its first input."""

    cls_to_become = InstanceNorm2d
    _unbatched_dims = InstanceNorm2d._unbatched_dims


class InstanceNorm3d(_InstanceNorm):
    __doc__ = _INSTANCE_NORM_DOC.format(input="volumes", shape="``(N, C, D, H, W)`` or ``(C, D, H, W)``")
    _unbatched_dims = 4


class LazyInstanceNorm3d(_LazyNormBase, _InstanceNorm):
    """An `InstanceNorm3d` whose ``num_features`` are those of its first input."""

    cls_to_become = InstanceNorm3d
    _unbatched_dims = InstanceNorm3d._unbatched_dims
