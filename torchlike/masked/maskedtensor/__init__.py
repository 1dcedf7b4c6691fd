"""Tensors that carry a mask; see `core.MaskedTensor`."""

from torchlike.masked.maskedtensor.core import MaskedTensor as MaskedTensor, is_masked_tensor as is_masked_tensor
from torchlike.masked.maskedtensor.creation import as_masked_tensor as as_masked_tensor, masked_tensor as masked_tensor

__all__ = ["MaskedTensor", "as_masked_tensor", "is_masked_tensor", "masked_tensor"]
