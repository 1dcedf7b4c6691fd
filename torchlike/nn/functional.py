"""`nn.functional`: functions of tensors. The ops come from the registry; what is built on top of them is here."""

from __future__ import annotations

import warnings
from typing import Any

import torchlike as torch
from torchlike._src.operators.registry import ops
from torchlike._src.operators.scaled_matmul import ScalingType as ScalingType, SwizzleType as SwizzleType
from torchlike._src.tensor.core import Tensor
from torchlike._src.tensor.install import public_names
from torchlike.nn._multi_head_attention import (
    _canonical_mask as _canonical_mask,
    _in_projection as _in_projection,
    _in_projection_packed as _in_projection_packed,
    _mha_shape_check as _mha_shape_check,
    _none_or_dtype as _none_or_dtype,
    multi_head_attention_forward as multi_head_attention_forward,
)

_PREFIX = "nn.functional."
globals().update({name.removeprefix(_PREFIX): fn for name, fn in public_names().items() if name.startswith(_PREFIX)})


#: Those of `torch.overrides`, which stands above; looked up when they are asked for.
_OVERRIDES = ("handle_torch_function", "has_torch_function", "has_torch_function_unary", "has_torch_function_variadic")


def __getattr__(name: str) -> Any:
    if name in _OVERRIDES:
        return getattr(torch.overrides, name)
    raise AttributeError(f"module 'torch.nn.functional' has no attribute {name!r}")


def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """Sample from the Gumbel-softmax distribution: nearly one-hot, and with a gradient.

    Args:
        logits: unnormalized log-probabilities.
        tau: temperature; the smaller the nearer to one-hot.
        hard: give one-hot vectors, with the gradient of the soft ones.
        eps: deprecated, without effect.
        dim: over which the classes run.
    Source:
        Jang et al. 2016, https://arxiv.org/abs/1611.01144.
    """
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=2)
    noise = -torch.empty_like(logits).exponential_().log()
    soft = ((logits + noise) / tau).softmax(dim)
    if not hard:
        return soft
    index = soft.argmax(dim, keepdim=True)
    one_hot = torch.zeros_like(logits).scatter_(dim, index, 1.0)
    return one_hot - soft.detach() + soft  # the value of the first, the gradient of the last


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: Any = None,
) -> Tensor:
    """The cross entropy of a linear layer's output.

    Args:
        input: ``(in_features,)`` or ``(N, in_features)``.
        linear_weight: ``(C, in_features)``, or ``(C, *, in_features)`` for several predictions a sample.
        target: as of `cross_entropy`, for logits ``(N, C, *)``.
        linear_bias: ``(C, *)``.
        weight: ``(C,)``, a weight a class.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.
        ignore_index: class that does not count; -100 by default.
        label_smoothing: part of the target that is spread evenly over all classes.
        options: how torch splits the work. XLA plans its own memory; here they make half precision compute in float32, as
            torch's chunks do.
    Raises:
        RuntimeError: for shapes that do not fit, or ``ignore_index`` with a target of probabilities.
    """
    if input.dim() not in (1, 2):
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {input.dim()}")
    if linear_weight.dim() < 2:
        raise RuntimeError(f"expected linear_weight with dimensionality at least 2, got {linear_weight.dim()}")
    classes, *outputs, in_features = linear_weight.shape
    if input.shape[-1] != in_features:
        raise RuntimeError(
            "expected equal input and linear_weight last dimensions (in_features), got "
            f"{input.shape[-1]} and {in_features}, respectively"
        )
    if linear_bias is not None and linear_bias.shape != (classes, *outputs):
        raise RuntimeError(f"expected linear_bias shape {(classes, *outputs)}, got {tuple(linear_bias.shape)}")
    if outputs and input.dim() == 1:
        raise RuntimeError(
            f"K-dimensional loss defined by linear_weight shape {tuple(linear_weight.shape)} requires batched input, "
            f"(N, {in_features}), got unbatched input with shape {tuple(input.shape)}"
        )
    shape = (*input.shape[:-1], classes, *outputs)
    if target.shape == shape and ignore_index is not None:
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    fits = not outputs and reduction in ("mean", "sum", "none") and label_smoothing == 0.0 and target.dtype == torch.int64
    if options is not None and not fits:
        warnings.warn(
            "linear_cross_entropy: ``options`` ignored; they need reduction in {'mean','sum','none'}, label_smoothing == 0, "
            f"target.dtype == int64 and a two-dimensional weight. Got reduction={reduction!r}, label_smoothing={label_smoothing}, "
            f"target.dtype={target.dtype}, out_features={tuple(outputs)}.",
            stacklevel=2,
        )
    dtype = input.dtype
    bias = None if linear_bias is None else linear_bias.reshape(-1)
    if options is not None and fits and dtype in (torch.float16, torch.bfloat16):
        input, linear_weight = input.float(), linear_weight.float()
        bias, weight = (t if t is None else t.float() for t in (bias, weight))
    logits = ops["nn.functional.linear"](input, linear_weight.reshape(-1, in_features), bias).reshape(shape)
    return ops["nn.functional.cross_entropy"](
        logits,
        target,
        weight=weight,
        reduction=reduction,
        ignore_index=-100 if ignore_index is None else ignore_index,
        label_smoothing=label_smoothing,
    ).to(dtype)


def upsample(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """Deprecated name of `interpolate`."""
    _deprecate("upsample")
    return ops["nn.functional.interpolate"](input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """Deprecated: ``interpolate(mode="nearest")``."""
    _deprecate("upsample_nearest")
    return ops["nn.functional.interpolate"](input, size, scale_factor, mode="nearest")


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """Deprecated: ``interpolate(mode="bilinear", align_corners=True)``."""
    _deprecate("upsample_bilinear")
    return ops["nn.functional.interpolate"](input, size, scale_factor, mode="bilinear", align_corners=True)


def _deprecate(name: str) -> None:
    warnings.warn(f"`nn.functional.{name}` is deprecated. Use `nn.functional.interpolate` instead.", UserWarning, stacklevel=3)


def sigmoid(input: Tensor) -> Tensor:
    """`torch.sigmoid`."""
    return input.sigmoid()


def tanh(input: Tensor) -> Tensor:
    """`torch.tanh`."""
    return input.tanh()


#: What `grid_sample` calls its modes, with ATen's numbers for them.
GRID_SAMPLE_INTERPOLATION_MODES = {"bilinear": 0, "nearest": 1, "bicubic": 2}
GRID_SAMPLE_PADDING_MODES = {"zeros": 0, "border": 1, "reflection": 2}


def assert_int_or_pair(arg: Any, arg_name: str, message: str) -> None:
    """Assert that an argument is an int or has two items; ``message`` has a place for its name."""
    assert isinstance(arg, int) or len(arg) == 2, message.format(arg_name)


def boolean_dispatch(
    arg_name: str, arg_index: int, default: bool, if_true: Any, if_false: Any, module_name: str, func_name: str
) -> Any:  # fmt: skip
    """A function that calls one of two, as a flag among its arguments says.

    Args:
        arg_name: the flag's name.
        arg_index: its position.
        default: what it is when it is not given.
        if_true: called if it is true.
        if_false: called otherwise.
        module_name: of the function that is made.
        func_name: its name.
    """

    def dispatched(*args: Any, **kwargs: Any) -> Any:
        flag = kwargs.get(arg_name, args[arg_index] if arg_index < len(args) else default)
        return (if_true if flag else if_false)(*args, **kwargs)

    dispatched.__doc__ = if_true.__doc__ or if_false.__doc__
    dispatched.__module__, dispatched.__name__ = module_name or dispatched.__module__, func_name or dispatched.__name__
    return dispatched
