"""Normalizations as ATen names them, which return the moments too: mean and one over the standard deviation.

The normalizations themselves stand in `normalization.py`. As in torch gradients flow through the moments of groups only.
"""

from typing import Any

import jax.numpy as jnp
from jax import lax

from torchlike._src.operators.nn_checks import scalar_type
from torchlike._src.operators.normalization import opmath
from torchlike._src.operators.registry import Array, composite, op, ops
from torchlike._src.operators.support import into


@op("_row_moments", method=False, differentiable=False)
def _row_moments(input: Array, count: int, eps: float, dtype: Any) -> tuple[Array, Array]:
    """Over the last ``count`` dimensions."""
    axes = tuple(range(input.ndim - count, input.ndim))
    wide = opmath(input)
    if not input.size:
        shape = (*input.shape[: input.ndim - count], *[1] * count)
        return jnp.zeros(shape, dtype), jnp.zeros(shape, dtype)
    mean = jnp.mean(wide, axes, keepdims=True)
    var = jnp.mean(jnp.square(wide - mean), axes, keepdims=True)
    return mean.astype(dtype), lax.rsqrt(var + eps).astype(dtype)


@composite("native_layer_norm", method=False)
def native_layer_norm(input: Any, normalized_shape: Any, weight: Any, bias: Any, eps: float) -> tuple[Any, Any, Any]:
    """`nn.functional.layer_norm`, the mean, and one over the standard deviation."""
    result = ops["nn.functional.layer_norm"](input, normalized_shape, weight, bias, eps)
    dtype = input.dtype if weight is None else weight.dtype
    return result, *ops._row_moments(input, len(normalized_shape), eps, dtype)


@op("native_group_norm", method=False, saves=("input", "weight"), grad_name="NativeGroupNormBackward0")
def native_group_norm(
    input: Array, weight: Array | None, bias: Array | None, N: int, C: int, HxW: int, group: int, eps: float
) -> tuple[Array, Array, Array]:
    """`nn.functional.group_norm`, the mean, and one over the standard deviation; gradients flow through all three."""
    dtype = input.dtype if weight is None else weight.dtype
    if not input.size:
        return input, jnp.zeros((N, group), dtype), jnp.zeros((N, group), dtype)
    x = opmath(input.reshape(N, group, C // group, HxW))
    mean = jnp.mean(x, (2, 3), keepdims=True)
    rstd = lax.rsqrt(jnp.mean(jnp.square(x - mean), (2, 3), keepdims=True) + eps)
    result = (x - mean) * rstd
    if weight is not None:
        result = result * weight.reshape(1, group, C // group, 1)
    if bias is not None:
        result = result + bias.reshape(1, group, C // group, 1)
    moments = [m.reshape(N, group).astype(dtype) for m in (mean, rstd)]
    return result.reshape(input.shape).astype(input.dtype), moments[0], moments[1]


@op("_batch_moments", method=False, differentiable=False)
def _batch_moments(input: Array, eps: float, dtype: Any) -> tuple[Array, Array]:
    wide = opmath(input)
    axes = (0, *range(2, input.ndim))
    mean = jnp.mean(wide, axes)
    shape = [1, -1] + [1] * (input.ndim - 2)
    var = jnp.mean(jnp.square(wide - mean.reshape(shape)), axes)
    return mean.astype(dtype), lax.rsqrt(var + eps).astype(dtype)


def _native_batch_norm(
    input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, training: bool, momentum: float, eps: float,
    out: Any,
) -> Any:  # fmt: skip
    result = ops.batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)
    parameter = next((p for p in (weight, running_mean) if p is not None), input)
    if training:
        mean, rstd = ops._batch_moments(input, eps, parameter.dtype)
    else:
        mean = rstd = ops.zeros(0, dtype=parameter.dtype, device=input.device)
    return into(out, (result, mean, rstd))


@composite("native_batch_norm", method=False)
def native_batch_norm(
    input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, training: bool, momentum: float, eps: float, *,
    out: Any = None,
) -> Any:  # fmt: skip
    """`nn.functional.batch_norm`, and in training the moments of the batch."""
    return _native_batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps, out)


@composite("_native_batch_norm_legit", method=False)
def _native_batch_norm_legit(input: Any, weight: Any, bias: Any, *rest: Any, out: Any = None) -> Any:
    """`native_batch_norm`; without running moments: ``training, momentum, eps`` only."""
    moments = rest[:2] if len(rest) == 5 else (None, None)
    return _native_batch_norm(input, weight, bias, *moments, *rest[-3:], out)


@op("_batch_variance", method=False, differentiable=False)
def _batch_variance(input: Array) -> tuple[Array, Array, Array]:
    """The mean of each channel, its variance and its unbiased variance, in the precision that sums are kept in."""
    wide = opmath(input)
    axes = (0, *range(2, input.ndim))
    mean = jnp.mean(wide, axes, keepdims=True)
    var = jnp.mean(jnp.square(wide - mean), axes)
    n = input.size // input.shape[1]
    return mean.reshape(-1), var, var * (n / (n - 1) if n > 1 else jnp.nan)


@composite("batch_norm_update_stats", method=False)
def batch_norm_update_stats(input: Any, running_mean: Any, running_var: Any, momentum: float) -> tuple[Any, Any]:
    """The mean and variance of each channel of a batch; the running ones, if given, move towards them.

    Args:
        input: shape ``(N, C, *)``, floating point.
        running_mean, running_var: shape ``(C,)`` or None; changed in place.
        momentum: how far they move.
    Raises:
        RuntimeError: for an empty batch.
    """
    if input.dim() < 2:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-input.dim()}, {input.dim() - 1}], but got 1)")
    if not input.is_floating_point():
        raise NotImplementedError(f"\"batch_norm_update_stats_cpu\" not implemented for '{scalar_type(input.dtype.np)}'")
    if not input.numel():
        raise RuntimeError(f"input tensor must have at least one element, but got input_sizes = {list(input.shape)}")
    mean, var, unbiased = ops._batch_variance(input)
    for running, found in ((running_mean, mean), (running_var, unbiased)):
        if running is not None:
            running.copy_((1 - momentum) * running + momentum * found)
    return mean, var
