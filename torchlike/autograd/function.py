"""``torch.autograd.function``: `Function` and what belongs to it."""

from torchlike._src.autograd.function import (
    Function as Function,
    FunctionCtx as FunctionCtx,
    InplaceFunction as InplaceFunction,
    once_differentiable as once_differentiable,
)

__all__ = ["Function", "FunctionCtx", "InplaceFunction", "once_differentiable"]
