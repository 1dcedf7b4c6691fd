"""``torch.autograd.variable``: where Variable lived before it and Tensor became one."""

from torchlike._src.tensor.core import Tensor as Variable

__all__ = ["Variable"]
