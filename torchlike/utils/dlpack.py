"""``torch.utils.dlpack``: handing tensors to other libraries and taking theirs."""

from typing import Any

from torchlike._src.tensor.core import Tensor
from torchlike._src.tensor.exchange import from_dlpack as from_dlpack

__all__ = ["from_dlpack", "to_dlpack"]


def to_dlpack(tensor: Tensor) -> Any:
    """A DLPack capsule of the tensor's memory; it can be taken once."""
    return tensor.__dlpack__()
