"""Automatic differentiation, as ``torch.autograd``."""

from torchlike._src.autograd.backward import backward as backward, grad as grad
from torchlike._src.autograd.function import Function as Function, FunctionCtx as FunctionCtx
from torchlike._src.autograd.modes import (
    detect_anomaly as detect_anomaly,
    enable_grad as enable_grad,
    inference_mode as inference_mode,
    is_anomaly_enabled as is_anomaly_enabled,
    no_grad as no_grad,
    set_detect_anomaly as set_detect_anomaly,
    set_grad_enabled as set_grad_enabled,
    set_multithreading_enabled as set_multithreading_enabled,
)
from torchlike._src.tensor.core import Tensor as Variable
from torchlike.autograd import (
    forward_ad as forward_ad,
    function as function,
    functional as functional,
    grad_mode as grad_mode,
    graph as graph,
    variable as variable,
)
from torchlike.autograd.gradcheck import gradcheck as gradcheck, gradgradcheck as gradgradcheck

__all__ = [
    "Function", "Variable", "backward", "detect_anomaly", "enable_grad", "forward_ad", "function", "functional", "grad", "grad_mode",
    "gradcheck", "gradgradcheck", "graph", "inference_mode", "is_anomaly_enabled", "no_grad", "set_detect_anomaly", "set_grad_enabled",
    "set_multithreading_enabled", "variable",
]  # fmt: skip
