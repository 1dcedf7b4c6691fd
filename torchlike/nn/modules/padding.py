"""Padding: with a constant, by reflection, by repeating the edge, or around the circle, over 1 to 3 dimensions."""

from __future__ import annotations

from collections.abc import Sequence

from torchlike._src.tensor.core import Tensor
from torchlike.nn import functional as F
from torchlike.nn.common_types import _size_any_t
from torchlike.nn.modules.batchnorm import check_input_dim
from torchlike.nn.modules.module import Module
from torchlike.nn.modules.utils import _ntuple

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class _PadNd(Module):
    """Padding of the last dimensions, in `F.pad`'s order: the last dimension first, each before and after."""

    padding: Sequence[int]
    _num_spatial_dims: int
    _mode: str

    def __init__(self, padding: _size_any_t) -> None:
        super().__init__()
        self.padding = _ntuple(2 * self._num_spatial_dims)(padding)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _CircularPadNd(_PadNd):
    _mode = "circular"

    def _check_input_dim(self, input: Tensor) -> None:
        check_input_dim(input, (self._num_spatial_dims + 1, self._num_spatial_dims + 2))

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        return super().forward(input)


class _ReflectionPadNd(_PadNd):
    _mode = "reflect"


class _ReplicationPadNd(_PadNd):
    _mode = "replicate"


class _ConstantPadNd(_PadNd):
    _mode = "constant"
    value: float

    def __init__(self, padding: _size_any_t, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class _ZeroPadNd(_ConstantPadNd):
    """Constructor and representation of `ZeroPad1d` and its like, which derive from the constant pads too."""

    def __init__(self, padding: _size_any_t) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


_PAD_DOC = """Pad {dims} {how}.

    Args:
        padding: an int for all sides or {sides}.{more}

    Shape:
        ``(N, C, {sizes})`` or ``(C, {sizes})`` → the same with padded {sizes}.
    """
_DIMS = (
    {"dims": "sequences", "sides": "(left, right)", "sizes": "W"},
    {"dims": "images", "sides": "(left, right, top, bottom)", "sizes": "H, W"},
    {"dims": "volumes", "sides": "(left, right, top, bottom, front, back)", "sizes": "D, H, W"},
)
_VALUE = "\n        value: the constant."


class CircularPad1d(_CircularPadNd):
    __doc__ = _PAD_DOC.format(how="with the values of the opposite side", more="", **_DIMS[0])
    _num_spatial_dims = 1


class CircularPad2d(_CircularPadNd):
    __doc__ = _PAD_DOC.format(how="with the values of the opposite side", more="", **_DIMS[1])
    _num_spatial_dims = 2


class CircularPad3d(_CircularPadNd):
    __doc__ = _PAD_DOC.format(how="with the values of the opposite side", more="", **_DIMS[2])
    _num_spatial_dims = 3


class ConstantPad1d(_ConstantPadNd):
    __doc__ = _PAD_DOC.format(how="with a constant", more=_VALUE, **_DIMS[0])
    _num_spatial_dims = 1


class ConstantPad2d(_ConstantPadNd):
    __doc__ = _PAD_DOC.format(how="with a constant", more=_VALUE, **_DIMS[1])
    _num_spatial_dims = 2


class ConstantPad3d(_ConstantPadNd):
    __doc__ = _PAD_DOC.format(how="with a constant", more=_VALUE, **_DIMS[2])
    _num_spatial_dims = 3


class ReflectionPad1d(_ReflectionPadNd):
    __doc__ = _PAD_DOC.format(how="by mirroring at the edge, which is not repeated", more="", **_DIMS[0])
    _num_spatial_dims = 1


class ReflectionPad2d(_ReflectionPadNd):
    __doc__ = _PAD_DOC.format(how="by mirroring at the edge, which is not repeated", more="", **_DIMS[1])
    _num_spatial_dims = 2


class ReflectionPad3d(_ReflectionPadNd):
    __doc__ = _PAD_DOC.format(how="by mirroring at the edge, which is not repeated", more="", **_DIMS[2])
    _num_spatial_dims = 3


class ReplicationPad1d(_ReplicationPadNd):
    __doc__ = _PAD_DOC.format(how="with the values of the edge", more="", **_DIMS[0])
    _num_spatial_dims = 1


class ReplicationPad2d(_ReplicationPadNd):
    __doc__ = _PAD_DOC.format(how="with the values of the edge", more="", **_DIMS[1])
    _num_spatial_dims = 2


class ReplicationPad3d(_ReplicationPadNd):
    __doc__ = _PAD_DOC.format(how="with the values of the edge", more="", **_DIMS[2])
    _num_spatial_dims = 3


class ZeroPad1d(_ZeroPadNd, ConstantPad1d):
    __doc__ = _PAD_DOC.format(how="with zeros", more="", **_DIMS[0])
    _num_spatial_dims = 1


class ZeroPad2d(_ZeroPadNd, ConstantPad2d):
    __doc__ = _PAD_DOC.format(how="with zeros", more="", **_DIMS[1])
    _num_spatial_dims = 2


class ZeroPad3d(_ZeroPadNd, ConstantPad3d):
    __doc__ = _PAD_DOC.format(how="with zeros", more="", **_DIMS[2])
    _num_spatial_dims = 3
