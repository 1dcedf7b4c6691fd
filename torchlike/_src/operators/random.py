"""Random ops that draw on the device: numbers made from a seed and a position by a hash, and dropout from them.

A hash of a counter needs no state, costs next to nothing once fused, and gives the same mask in forward and backward.
What torch draws on the host (creation, sampling) is in `random/sampling.py`; `random.generator.set_mode("torch")`
makes dropout draw there as well.
"""

import math
import warnings
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlike._src.operators.registry import Array, Arrays, Number, Seed, Size, composite, is_tensor, op, ops
from torchlike._src.operators.support import class_name
from torchlike._src.random import generator as generators, sampling

_CHANNELS = 2  # the dimensions (N, C)
_ALPHA = 1.7580993408473766  # minus the limit of SELU at -inf


def words(seed: Any, shape: tuple[int, ...], stream: int = 0) -> Array:
    """Uniform 32-bit words, uint32, one for each position.

    Args:
        seed: up to 64 bits, however alike two seeds look.
        stream: further words for the same positions.
    """
    seed = jnp.asarray(seed).astype(jnp.uint64)
    low, high = seed.astype(jnp.uint32), (seed >> jnp.uint64(32)).astype(jnp.uint32)
    # Two keys, each from the whole seed. The second enters half way, so that equal words in two streams are an
    # accident and not a shift.
    first = _hash(low + np.uint32(stream * 0x9E3779B9 & 0xFFFFFFFF), high)
    second = _hash(high, first)
    position = lax.iota(jnp.uint32, math.prod(shape)).reshape(shape)
    return _hash(position + first, second)


def _hash(x: Array, key: Array) -> Array:
    """A random-looking bijection of 32-bit words, chosen by ``key``.

    Source:
        Wellons 2018, https://nullprogram.com/blog/2018/07/31/ (triple32; the key is ours).
    """
    x = (x ^ (x >> np.uint32(17))) * np.uint32(0xED5AD4BB)
    x = (x ^ (x >> np.uint32(11))) + key
    x = x * np.uint32(0xAC4C1B51)
    x = (x ^ (x >> np.uint32(15))) * np.uint32(0x31848BAB)
    return x ^ (x >> np.uint32(14))


def chosen(seed: Any, shape: tuple[int, ...], probability: Any) -> Array:
    """True with the given probability (a number, or a traced scalar), independently for each position."""
    drawn = words(seed, shape)
    if isinstance(probability, (bool, int, float)):
        if probability >= 1:
            return jnp.ones(shape, bool)
        return drawn < np.uint32(probability * 2.0**32)
    return drawn.astype(jnp.float64) < jnp.asarray(probability, jnp.float64) * 2.0**32


def unit_interval(seed: Any, shape: tuple[int, ...], dtype: np.dtype, stream: int = 0) -> Array:
    """Uniform numbers in [0, 1), as fine as ``dtype`` is."""
    digits = jnp.finfo(dtype).nmant + 1
    first = words(seed, shape, stream)
    if digits <= 32:
        return (first >> np.uint32(32 - digits)).astype(dtype) * np.asarray(2.0**-digits, dtype)
    wide = (first.astype(jnp.uint64) << np.uint64(32)) | words(seed, shape, stream + 1).astype(jnp.uint64)
    return (wide >> np.uint64(64 - digits)).astype(dtype) * np.asarray(2.0**-digits, dtype)


@op("_device_uniform", method=False, differentiable=False)
def device_uniform(size: Size, low: Number, high: Number, *, dtype: Any, seed: Seed) -> Array:
    """Uniform numbers in ``[low, high)``, drawn on the device; not torch's numbers."""
    u = unit_interval(seed, size, dtype)
    return (u * (high - low) + low).astype(dtype)


@op("_device_uniform_like", method=False, differentiable=False)
def device_uniform_like(input: Array, low: Number, high: Number, *, seed: Seed) -> Array:
    """`device_uniform` with the shape and dtype of ``input``: the slopes of ``rrelu``."""
    return device_uniform(input.shape, low, high, dtype=input.dtype, seed=seed)


@op("_device_normal", method=False, differentiable=False)
def device_normal(size: Size, mean: Number, std: Number, *, dtype: Any, seed: Seed) -> Array:
    """Normal numbers, drawn on the device; not torch's numbers.

    Source:
        Box and Muller 1958, doi:10.1214/aoms/1177706645.
    """
    wide = jnp.float64 if dtype == np.float64 else jnp.float32
    radius = jnp.sqrt(-2.0 * jnp.log1p(-unit_interval(seed, size, wide)))
    angle = unit_interval(seed, size, wide, stream=2) * np.asarray(2 * math.pi, wide)
    return (radius * jnp.cos(angle) * std + mean).astype(dtype)


@op("_device_bernoulli", method=False, differentiable=False)
def device_bernoulli(input: Array, *, seed: Seed) -> Array:
    """1 with the probability that ``input`` gives for each element, else 0; drawn on the device."""
    return (words(seed, input.shape).astype(jnp.float64) < input.astype(jnp.float64) * 2.0**32).astype(input.dtype)


@op("_drawn", method=False, grad_name=lambda given: given["name"])
def drawn(sample: Array, parameters: Arrays, name: str) -> Array:
    """``sample``, which was drawn on the host, tied to what it was drawn from, for which its gradient is 0.

    Args:
        name: of the ``grad_fn``.
    """
    for p in parameters:
        sample = jnp.where(np.False_, lax.stop_gradient(p).astype(sample.dtype), sample)
    return sample


@op("_drawn_gamma", method=False, grad_name="StandardGammaBackward0")
def drawn_gamma(sample: Array, alpha: Array) -> Array:
    """``sample``, drawn on the host from the gamma distribution of shape ``alpha``, with its implicit gradient.

    Source:
        Figurnov, Mohamed and Mnih 2018, https://arxiv.org/abs/1805.08498.
    """
    slope = lax.stop_gradient(lax.random_gamma_grad(alpha, sample))
    return sample + (alpha - lax.stop_gradient(alpha)) * slope


def _require_drawable(input: Array) -> None:
    if jnp.issubdtype(input.dtype, jnp.complexfloating):
        kind = "ComplexFloat" if input.dtype == jnp.complex64 else "ComplexDouble"
        raise NotImplementedError(f"\"bernoulli_scalar_cpu_\" not implemented for '{kind}'")
    if not jnp.issubdtype(input.dtype, jnp.floating):
        name = {"bool": "Bool", "uint8": "Byte", "int8": "Char", "int16": "Short", "int32": "Int", "int64": "Long"}
        kind = name.get(input.dtype.name, input.dtype.name)
        raise RuntimeError(f"result type Float can't be cast to the desired output type {kind}")


def _noise_shape(shape: tuple[int, ...], leading: int | None) -> tuple[int, ...]:
    """One number for each position in the first ``leading`` dimensions, or for each element (None)."""
    if leading is None:
        return shape
    if len(shape) < leading:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    return (*shape[:leading], *[1] * (len(shape) - leading))


@op("_device_dropout", method=False, inplace=True, grad_name="MulBackward0", layout="elementwise")
def device_dropout(input: Array, p: Number, leading: int | None = None, *, seed: Seed) -> Array:
    """Zero with probability ``p``, multiply the rest by ``1 / (1 - p)``; ``leading``: see `_noise_shape`."""
    _require_drawable(input)
    shape = _noise_shape(input.shape, leading)
    # Dropped elements are multiplied by 0 too: NaN and infinities stay visible, as in torch.
    return jnp.where(chosen(seed, shape, 1.0 - p), input * (1.0 / (1.0 - p)), input * 0.0)


@op("_device_alpha_dropout", method=False, inplace=True, grad_name="AddBackward0")
def device_alpha_dropout(input: Array, p: Number, leading: int | None = None, *, seed: Seed) -> Array:
    """Set to SELU's negative limit with probability ``p``, then scale and shift so that mean and variance stay."""
    _require_drawable(input)
    shape = _noise_shape(input.shape, leading)
    a = ((_ALPHA * _ALPHA * p + 1.0) * (1.0 - p)) ** -0.5
    shift = _ALPHA * a * p
    return jnp.where(chosen(seed, shape, 1.0 - p), input * a + shift, input * 0.0 + (shift - _ALPHA * a))


@op("_device_native_dropout", method=False, grad_name="NativeDropoutBackward0")
def device_native_dropout(input: Array, p: Number, *, seed: Seed) -> tuple[Array, Array]:
    """`device_dropout` of elements, and the mask of those that stay."""
    _require_drawable(input)
    mask = chosen(seed, input.shape, 1.0 - p)
    return jnp.where(mask, input * (1.0 / (1.0 - p)), input * 0.0), mask


def _host_noise(input: Any, p: float, leading: int | None) -> Any:
    """What torch draws: 1 with probability ``1 - p``, as a tensor like ``input``."""
    shape = _noise_shape(tuple(input.shape), leading)
    mask = sampling.bernoulli(None, shape, input.dtype.np, 1 - p)
    return ops.from_numpy(mask).to(input.device)


def _drop(input: Any, p: float, train: bool, leading: int | None, inplace: bool, alpha: bool = False) -> Any:
    """What all dropouts come down to; ``leading``: see `_noise_shape`."""
    if not is_tensor(input):
        raise TypeError(f"dropout(): argument 'input' (position 1) must be Tensor, not {class_name(input)}")
    if not 0 <= p <= 1:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {p:g}")
    if p == 0 or not train or input.numel() == 0:
        return input
    if p == 1:
        return input.mul_(0) if inplace else input.mul(0)
    if generators.get_mode() == "device":
        name = "_device_alpha_dropout" if alpha else "_device_dropout"
        return ops[name + "_" if inplace else name](input, p, leading)
    if input.dtype.is_complex or not input.dtype.is_floating_point:
        return ops._device_dropout(input, p, leading)  # raises
    noise = _host_noise(input, p, leading)
    if not alpha:
        noise = noise.div_(1 - p)
        return input.mul_(noise) if inplace else input.mul(noise)
    a = 1.0 / math.sqrt((_ALPHA * _ALPHA * p + 1) * (1 - p))
    shift = noise.add(-1).mul_(_ALPHA * a).add_(_ALPHA * a * p)
    noise = noise.mul_(a)
    return input.mul_(noise).add_(shift) if inplace else input.mul(noise).add(shift)


@composite("dropout", method=False)
def dropout(input: Any, p: float, train: bool) -> Any:
    """As `nn.functional.dropout`."""
    return _drop(input, p, train, leading=None, inplace=False)


@composite("dropout_", method=False)
def dropout_(input: Any, p: float, train: bool) -> Any:
    """`dropout` in place."""
    return _drop(input, p, train, leading=None, inplace=True)


@composite("feature_dropout", method=False)
def feature_dropout(input: Any, p: float, train: bool) -> Any:
    """Zero whole channels, dimension 1, with probability ``p``."""
    return _drop(input, p, train, leading=_CHANNELS, inplace=False)


@composite("feature_dropout_", method=False)
def feature_dropout_(input: Any, p: float, train: bool) -> Any:
    """`feature_dropout` in place."""
    return _drop(input, p, train, leading=_CHANNELS, inplace=True)


@composite("alpha_dropout", method=False)
def alpha_dropout(input: Any, p: float, train: bool) -> Any:
    """As `nn.functional.alpha_dropout`."""
    return _drop(input, p, train, leading=None, inplace=False, alpha=True)


@composite("alpha_dropout_", method=False)
def alpha_dropout_(input: Any, p: float, train: bool) -> Any:
    """`alpha_dropout` in place."""
    return _drop(input, p, train, leading=None, inplace=True, alpha=True)


@composite("feature_alpha_dropout", method=False)
def feature_alpha_dropout(input: Any, p: float, train: bool) -> Any:
    """As `nn.functional.feature_alpha_dropout`."""
    return _drop(input, p, train, leading=_CHANNELS, inplace=False, alpha=True)


@composite("feature_alpha_dropout_", method=False)
def feature_alpha_dropout_(input: Any, p: float, train: bool) -> Any:
    """`feature_alpha_dropout` in place."""
    return _drop(input, p, train, leading=_CHANNELS, inplace=True, alpha=True)


@composite("native_dropout", method=False)
def native_dropout(input: Any, p: float, train: bool | None) -> Any:
    """Dropout and the mask of the elements that stay, as ``torch.native_dropout``."""
    if train is False or input.numel() == 0:
        return input.clone(), ops.ones_like(input, dtype=ops.gt(input, 0).dtype)
    if not 0 <= p <= 1:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={1 - p:g}")
    if p == 1:
        return input.mul(0), ops.zeros_like(input, dtype=ops.gt(input, 0).dtype)
    if generators.get_mode() == "device":
        return ops._device_native_dropout(input, p)
    noise = _host_noise(input, p, None)
    return input.mul(noise).mul(1 / (1 - p)), ops.gt(noise, 0)


def _check_probability(p: float) -> None:
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


@composite("nn.functional.dropout", method=False)
def functional_dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Zero each element with probability ``p`` and multiply the others by ``1 / (1 - p)``.

    Raises:
        ValueError: if ``p`` is not a probability.
    Source:
        Srivastava et al. 2014, https://jmlr.org/papers/v15/srivastava14a.html.
    """
    _check_probability(p)
    return _drop(input, p, training, leading=None, inplace=inplace)


@composite("nn.functional.alpha_dropout", method=False)
def functional_alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    """Dropout for SELU networks: keeps mean 0 and variance 1.

    Source:
        Klambauer et al. 2017, https://arxiv.org/abs/1706.02515.
    """
    _check_probability(p)
    return _drop(input, p, training, leading=None, inplace=inplace, alpha=True)


@composite("nn.functional.feature_alpha_dropout", method=False)
def functional_feature_alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    """`alpha_dropout` of whole channels."""
    _check_probability(p)
    return _drop(input, p, training, leading=_CHANNELS, inplace=inplace, alpha=True)


@composite("nn.functional.dropout1d", method=False)
def functional_dropout1d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Zero whole channels of ``(N, C, L)`` or ``(C, L)``."""
    _check_probability(p)
    ndim = input.dim()
    if ndim not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {ndim}D input. Note that dropout1d exists to provide "
            "channel-wise dropout on inputs with 1 spatial dimension, a channel dimension, and an optional batch "
            "dimension (i.e. 2D or 3D inputs)."
        )
    return _drop(input, p, training, leading=ndim - 1, inplace=inplace)


def _warn_of_dimensions(name: str, ndim: int, spatial: int) -> None:
    if ndim not in (spatial + 1, spatial + 2):
        warnings.warn(
            f"{name}: Received a {ndim}-D input to {name}, which is deprecated and will result in an error in a future "
            "release. To retain the behavior and silence this warning, please use dropout instead. Note that "
            f"{name} exists to provide channel-wise dropout on inputs with {spatial} spatial dimensions, a channel "
            f"dimension, and an optional batch dimension (i.e. {spatial + 1}D or {spatial + 2}D inputs).",
            stacklevel=3,
        )


@composite("nn.functional.dropout2d", method=False)
def functional_dropout2d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Zero whole channels of ``(N, C, H, W)``; a 3-D input is taken for ``(N, C, L)``, as in torch."""
    _check_probability(p)
    _warn_of_dimensions("dropout2d", input.dim(), 2)
    if input.dim() == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout behavior is desired "
            "- input is interpreted as shape (N, C, L), where C is the channel dim. This behavior will change in a "
            "future release to interpret the input as one without a batch dimension, i.e. shape (C, H, W). To maintain "
            "the 1D channel-wise dropout behavior, please switch to using dropout1d instead.",
            stacklevel=2,
        )
    return _drop(input, p, training, leading=_CHANNELS, inplace=inplace)


@composite("nn.functional.dropout3d", method=False)
def functional_dropout3d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Zero whole channels of ``(N, C, D, H, W)`` or ``(C, D, H, W)``."""
    _check_probability(p)
    _warn_of_dimensions("dropout3d", input.dim(), 3)
    # As in torch, what is not a batch is made one; so its own first dimension is that of channels.
    return _drop(input, p, training, leading=_CHANNELS if input.dim() == 5 else 1, inplace=inplace)
