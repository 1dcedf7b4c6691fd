"""Tensor: the handle, its storage and views, and the path from a call on Tensors to a recorded op."""

from torchlike._src.tensor.core import Tensor as Tensor
