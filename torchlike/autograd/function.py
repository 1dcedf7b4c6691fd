"""``torch.autograd.function``: `Function` and what belongs to it."""

from torchlike._src.autograd.function import Function as Function
from torchlike._src.autograd.function import FunctionCtx as FunctionCtx
from torchlike._src.autograd.function import InplaceFunction as InplaceFunction
from torchlike._src.autograd.function import once_differentiable as once_differentiable

__all__ = ["Function", "FunctionCtx", "InplaceFunction", "once_differentiable"]
