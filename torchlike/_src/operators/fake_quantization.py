"""Rounding to what a quantized type could hold, in floating point: what training for quantization looks at."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchlike._src.operators.promotion import scalar_type
from torchlike._src.operators.registry import Array, Number, composite, is_tensor, op, ops
from torchlike._src.operators.support import normalize_dim


@jax.custom_vjp
def _quantized(input: Array, scale: Array, zero_point: Array, low: int, high: int) -> Array:
    steps = _steps(input, scale, zero_point)
    return ((jnp.clip(steps, low, high) - zero_point) * scale).astype(input.dtype)


def _steps(input: Array, scale: Array, zero_point: Array) -> Array:
    # torch multiplies by the reciprocal; a division would round elsewhere now and then.
    return jnp.rint(input.astype(np.float32) * (np.float32(1) / scale)) + zero_point


def _forward(input: Array, scale: Array, zero_point: Array, low: int, high: int) -> tuple[Array, Any]:
    steps = _steps(input, scale, zero_point)
    return _quantized(input, scale, zero_point, low, high), (steps >= low) & (steps <= high)


def _backward(inside: Array, cotangent: Array) -> tuple[Array | None, ...]:
    """As if nothing had been rounded, where nothing was cut off."""
    return jnp.where(inside, cotangent, 0), None, None, None, None


_quantized.defvjp(_forward, _backward)


def _check_range(quant_min: int, quant_max: int) -> None:
    if quant_min > quant_max:
        raise RuntimeError("`quant_min` should be less than or         equal to `quant_max`.")


@op("_fake_quantize_numbers", method=False, saves=("~",), grad_name="FakeQuantizePerTensorAffineCachemaskBackward0")
def _fake_quantize_numbers(input: Array, scale: Number, zero_point: Number, quant_min: int, quant_max: int) -> Array:
    return _quantized(input, jnp.float32(scale), jnp.float32(zero_point), quant_min, quant_max)


@op("_fake_quantize_tensors", method=False, saves=("~",), grad_name="FakeQuantizePerTensorAffineCachemaskTensorQparamsBackward0")
def _fake_quantize_tensors(input: Array, scale: Array, zero_point: Array, quant_min: int, quant_max: int) -> Array:
    return _quantized(input, scale.astype(np.float32), zero_point.astype(np.float32), quant_min, quant_max)


@op("_fake_quantize_channels", method=False, saves=("~",), grad_name="FakeQuantizePerChannelAffineCachemaskBackward0")
def _fake_quantize_channels(
    input: Array, scale: Array, zero_point: Array, axis: int, quant_min: int, quant_max: int
) -> Array:  # fmt: skip
    shape = [1] * input.ndim
    shape[normalize_dim(axis, input.ndim)] = -1
    scale, zero_point = (x.astype(np.float32).reshape(shape) for x in (scale, zero_point))
    return _quantized(input, scale, zero_point, quant_min, quant_max)


@composite("fake_quantize_per_tensor_affine", method=False)
def fake_quantize_per_tensor_affine(input: Any, scale: Any, zero_point: Any, quant_min: int, quant_max: int) -> Any:
    """``input`` rounded to multiples of ``scale``, as integers in a range with ``zero_point`` for 0 could hold it.

    Args:
        input: floating point.
        scale: the step, a number or a tensor of one.
        zero_point: the integer that stands for 0.
        quant_min: the least integer.
        quant_max: the greatest.
    Returns:
        As ``input``; its gradient is that of the identity where nothing was cut off, else 0.
    """
    _check_range(quant_min, quant_max)
    if not is_tensor(zero_point) and not quant_min <= zero_point <= quant_max:
        raise RuntimeError("`zero_point` must be between `quant_min` and `quant_max`.")
    if is_tensor(scale):
        return ops._fake_quantize_tensors(input, scale.detach(), zero_point, quant_min, quant_max)
    return ops._fake_quantize_numbers(input, scale, zero_point, quant_min, quant_max)


@composite("fake_quantize_per_channel_affine", method=False)
def fake_quantize_per_channel_affine(input: Any, scale: Any, zero_point: Any, axis: int, quant_min: int, quant_max: int) -> Any:
    """`fake_quantize_per_tensor_affine` with a scale and a zero point for each slice along ``axis``."""
    kind = zero_point.dtype.np
    if kind not in (np.int32, np.float32, np.float16):
        raise RuntimeError(f"Zero-point must be Int32, Float or Half, found {scalar_type(kind)}")
    if scale.shape != zero_point.shape:
        raise RuntimeError("scale and zero-point need to have the same dimensions")
    if scale.shape != (input.shape[axis],):
        raise RuntimeError("dimensions of scale and zero-point are not consistent with input tensor")
    _check_range(quant_min, quant_max)
    return ops._fake_quantize_channels(input, scale.detach(), zero_point, axis, quant_min, quant_max)
