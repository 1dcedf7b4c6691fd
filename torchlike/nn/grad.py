"""Gradients of convolutions as functions: with respect to the input or the weight, given the output's gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torchlike as torch
from torchlike._src.tensor.core import Tensor
from torchlike.nn import functional as F


def _gradient(
    convolve: Callable[..., Tensor], input: Tensor | Sequence[int], weight: Tensor | Sequence[int], grad_output: Tensor,
    stride: Any, padding: Any, dilation: Any, groups: int,
) -> Tensor:  # fmt: skip
    """The gradient with respect to the one of ``input`` and ``weight`` of which only the size is given."""
    with torch.enable_grad():
        given = [
            t.detach() if isinstance(t, Tensor) else grad_output.new_zeros(tuple(t)).requires_grad_() for t in (input, weight)
        ]
        output = convolve(*given, None, stride, padding, dilation, groups)
    (wanted,) = (t for t in given if t.requires_grad)
    return torch.autograd.grad(output, wanted, grad_output)[0]


def _input_gradient(dims: int) -> Callable[..., Tensor]:
    def gradient(
        input_size: Sequence[int], weight: Tensor, grad_output: Tensor, stride: Any = 1, padding: Any = 0,
        dilation: Any = 1, groups: int = 1,
    ) -> Tensor:  # fmt: skip
        convolve = getattr(F, f"conv{dims}d")
        return _gradient(convolve, input_size, weight, grad_output, stride, padding, dilation, groups)

    gradient.__name__ = gradient.__qualname__ = f"conv{dims}d_input"
    gradient.__doc__ = f"""The gradient of `conv{dims}d` with respect to an input of ``input_size``."""
    return gradient


def _weight_gradient(dims: int) -> Callable[..., Tensor]:
    def gradient(
        input: Tensor, weight_size: Sequence[int], grad_output: Tensor, stride: Any = 1, padding: Any = 0,
        dilation: Any = 1, groups: int = 1,
    ) -> Tensor:  # fmt: skip
        convolve = getattr(F, f"conv{dims}d")
        return _gradient(convolve, input, weight_size, grad_output, stride, padding, dilation, groups)

    gradient.__name__ = gradient.__qualname__ = f"conv{dims}d_weight"
    gradient.__doc__ = f"""The gradient of `conv{dims}d` with respect to a weight of ``weight_size``."""
    return gradient


conv1d_input, conv2d_input, conv3d_input = map(_input_gradient, (1, 2, 3))
conv1d_weight, conv2d_weight, conv3d_weight = map(_weight_gradient, (1, 2, 3))
