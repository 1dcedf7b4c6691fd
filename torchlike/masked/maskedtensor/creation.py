"""Making tensors with masks, as `torch.tensor` and `torch.as_tensor` make those without."""

from typing import Any

from torchlike.masked.maskedtensor.core import MaskedTensor


def masked_tensor(data: Any, mask: Any, requires_grad: bool = False) -> MaskedTensor:
    """A leaf: ``data``, copied, of which only counts what ``mask`` marks; see `MaskedTensor`."""
    return MaskedTensor(data, mask, requires_grad)


def as_masked_tensor(data: Any, mask: Any) -> MaskedTensor:
    """As `masked_tensor`, with the history of ``data``: what is marked passes gradients to it, what is not gives zeros."""
    return MaskedTensor._from_values(data, mask)
