"""Automatic differentiation, as ``torch.autograd``."""

from torchlike._src.autograd.backward import backward as backward
from torchlike._src.autograd.backward import grad as grad
from torchlike._src.autograd.function import Function as Function
from torchlike._src.autograd.function import FunctionCtx as FunctionCtx
from torchlike._src.autograd.modes import detect_anomaly as detect_anomaly
from torchlike._src.autograd.modes import enable_grad as enable_grad
from torchlike._src.autograd.modes import inference_mode as inference_mode
from torchlike._src.autograd.modes import is_anomaly_enabled as is_anomaly_enabled
from torchlike._src.autograd.modes import no_grad as no_grad
from torchlike._src.autograd.modes import set_detect_anomaly as set_detect_anomaly
from torchlike._src.autograd.modes import set_grad_enabled as set_grad_enabled
from torchlike._src.tensor.core import Tensor as Variable
from torchlike.autograd import function as function
from torchlike.autograd import functional as functional
from torchlike.autograd import grad_mode as grad_mode
from torchlike.autograd import graph as graph
from torchlike.autograd.gradcheck import gradcheck as gradcheck
from torchlike.autograd.gradcheck import gradgradcheck as gradgradcheck

__all__ = [
    "Function", "Variable", "backward", "detect_anomaly", "enable_grad", "function", "functional", "grad", "grad_mode", "gradcheck",
    "gradgradcheck", "graph", "inference_mode", "is_anomaly_enabled", "no_grad", "set_detect_anomaly", "set_grad_enabled",
]  # fmt: skip
