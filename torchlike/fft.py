"""Fourier transforms, as ``torch.fft``. The functions are installed from the ops' records."""

from torchlike._src.tensor.core import Tensor as Tensor
from torchlike._src.tensor.install import namespace

_found = namespace("fft")
__all__ = sorted(_found)  # noqa: PLE0605 - made from the records
globals().update(_found)
