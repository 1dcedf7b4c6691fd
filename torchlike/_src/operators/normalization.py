"""Normalization: subtract a mean, divide by a standard deviation, scale and shift, over various axes.

Batch, instance, layer and group normalization are one function, `affine_norm`, over different axes.
"""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from torchlike._src.operators.nn_checks import is_complex, is_floating, require_floating, sizes
from torchlike._src.operators.pooling import require_averaged
from torchlike._src.operators.precision import floated, opmath, rounded
from torchlike._src.operators.registry import Array, Number, composite, op, ops

Ints = tuple[int, ...]


def _moments(x: Array, axes: Ints) -> tuple[Array, Array]:
    """Mean and biased variance over ``axes``, kept as dimensions of size 1."""
    mean = jnp.mean(x, axes, keepdims=True)
    return mean, jnp.mean(jnp.square(x - mean), axes, keepdims=True)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4, 5))
def affine_norm(
    x: Array, weight: Array | None, bias: Array | None, axes: Ints, eps: float, kept: Any = None
) -> tuple[Array, Array, Array]:
    """``(x - mean) / sqrt(var + eps) * weight + bias``, with the mean and the biased variance over ``axes``.

    Args:
        x: any shape.
        weight: broadcasts against ``x``; so does ``bias``.
        bias: see ``weight``.
        axes: what the moments are taken over.
        eps: added to the variance.
        kept: the dtype in which torch keeps the moments between two kernels, if that is not wider than ``x``.
    Returns:
        The result, the mean and the variance, the last two with ``axes`` of size 1 and without a gradient.
    """
    return _affine_norm_fwd(x, weight, bias, axes, eps, kept)[0]


def _affine_norm_fwd(x: Array, weight: Array | None, bias: Array | None, axes: Ints, eps: float, kept: Any) -> Any:
    # The barriers keep the small things small: without them XLA writes out normalized values and broadcast moments,
    # as large as x, and reads them again (batch_norm 16x64x32x32: 4.8 ms, with them 2.6).
    wide = opmath(x)
    mean = lax.optimization_barrier(jnp.mean(wide, axes, keepdims=True))
    var = jnp.mean(jnp.square(wide - mean), axes, keepdims=True)
    rstd = lax.optimization_barrier(rounded(lax.rsqrt(var + eps), kept))
    center = rounded(mean, kept)
    if weight is None:
        result = (wide - center) * rstd
    elif _constant_along(weight, axes, x.ndim):
        result = (wide - center) * lax.optimization_barrier(rstd * weight)
    else:
        result = (wide - center) * rstd * weight
    if bias is not None:
        result = result + bias
    # Beside x only what is small is kept: normalized values are cheaper to compute again than to store.
    return (result.astype(x.dtype), mean, var), (x, center, rstd, weight, bias)


def _constant_along(parameter: Array, axes: Ints, ndim: int) -> bool:
    """Whether a parameter has one value for all that is normalized together, as in batch normalization."""
    lead = ndim - parameter.ndim
    return all(axis < lead or parameter.shape[axis - lead] == 1 for axis in axes)


def _affine_norm_bwd(axes: Ints, eps: float, kept: Any, saved: Any, cotangents: tuple[Array, Array, Array]) -> Any:
    x, mean, rstd, weight, bias = saved
    count = math.prod(x.shape[a] for a in axes)
    wide, mean, rstd, g = lax.optimization_barrier((opmath(x), mean, rstd, opmath(cotangents[0])))
    if all(p is None or _constant_along(p, axes, x.ndim) for p in (weight, bias)):
        # Two sums serve the parameters and the input; what is left is linear in g and x.
        by_bias = jnp.sum(g, axes, keepdims=True)
        by_weight = jnp.sum(g * (wide - mean), axes, keepdims=True) * rstd
        by_bias, by_weight = lax.optimization_barrier((by_bias, by_weight))
        scale = rstd if weight is None else rstd * weight
        slope = -scale * rstd * by_weight / count
        scale, slope, offset = lax.optimization_barrier((scale, slope, -scale * by_bias / count - slope * mean))
        dx = scale * g + slope * wide + offset
    else:
        scaled = g if weight is None else g * weight
        along = lax.optimization_barrier(
            (
                jnp.mean(scaled, axes, keepdims=True),
                jnp.mean(scaled * ((wide - mean) * rstd), axes, keepdims=True) * rstd,
            )
        )
        dx = rstd * (scaled - along[0] - (wide - mean) * along[1])
        wide, mean, rstd, g = lax.optimization_barrier((opmath(x), mean, rstd, opmath(cotangents[0])))
        by_bias, by_weight = g, g * ((wide - mean) * rstd)
    d_weight = None if weight is None else _sum_to(by_weight, weight)
    d_bias = None if bias is None else _sum_to(by_bias, bias)
    return dx.astype(x.dtype), d_weight, d_bias


def _sum_to(g: Array, parameter: Array) -> Array:
    """Sum over the axes along which ``parameter`` was broadcast."""
    lead = g.ndim - parameter.ndim
    axes = tuple(i for i in range(g.ndim) if i < lead or (parameter.shape[i - lead] == 1 and g.shape[i] != 1))
    return jnp.sum(g, axes).reshape(parameter.shape).astype(parameter.dtype)


affine_norm.defvjp(_affine_norm_fwd, _affine_norm_bwd)


def _per_channel(parameter: Array | None, ndim: int) -> Array | None:
    """``(C,)`` → ``(1, C, 1, ...)``."""
    return None if parameter is None else parameter.reshape((1, -1, *(1,) * (ndim - 2))[-ndim:])


def _check_mixed(x: Array, *parameters: Array | None) -> None:
    """Parameters have the dtype of the input, or float32 beside halves."""
    half = x.dtype in (jnp.float16, jnp.bfloat16)
    for p in parameters:
        if p is not None and p.dtype != x.dtype and not (half and p.dtype == jnp.float32):
            if half or x.dtype == jnp.float32:
                raise RuntimeError("mixed dtype (CPU): expect parameter to have scalar type of Float")
            raise RuntimeError("mixed dtype (CPU): all inputs must share same datatype.")


def _check_parameters(x: Array, channels: int, **parameters: Array | None) -> None:
    for name, p in parameters.items():
        if p is not None and p.size != channels:
            raise RuntimeError(f"{name} should contain {channels} elements not {p.size}")
    require_floating(x, "batch_norm")
    _check_mixed(x, *parameters.values())


@op(
    "_batch_norm_train",
    method=False,
    saves=("input", "weight", "~running_mean", "~running_var"),
    grad_name="NativeBatchNormBackward0",
    without_grad=dict.fromkeys(("running_mean", "running_var"), "native_batch_norm"),
)
def batch_norm_train(
    input: Array,
    running_mean: Array | None,
    running_var: Array | None,
    weight: Array | None,
    bias: Array | None,
    momentum: Number,
    eps: float,
) -> tuple[Array, Array, Array]:
    """Batch normalization by the moments of the batch, and the running moments moved towards them.

    Returns:
        The result; the new running mean and variance, shape ``(C,)`` (the moments themselves where none are kept).
        As in torch the variance that normalizes is biased, the one that is kept is not.
    """
    channels = input.shape[1]
    _check_parameters(input, channels, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    axes = (0, *range(2, input.ndim))
    parameters = (weight, bias, running_mean, running_var)
    kept = None if any(p is not None and p.dtype != input.dtype for p in parameters) else input.dtype
    result, mean, var = affine_norm(input, _per_channel(weight, input.ndim), _per_channel(bias, input.ndim), axes, eps, kept)  # pyright: ignore[reportGeneralTypeIssues]
    mean, var = mean.reshape(channels), var.reshape(channels)
    count = input.size // max(channels, 1)
    unbiased = var * (count / (count - 1) if count > 1 else math.nan)
    return result, _moved(running_mean, mean, momentum), _moved(running_var, unbiased, momentum)


def _moved(running: Array | None, new: Array, momentum: Any) -> Array:
    new = lax.stop_gradient(new)
    if running is None:
        return new
    return (lax.stop_gradient(running) * (1 - momentum) + new.astype(running.dtype) * momentum).astype(running.dtype)


@op(
    "_batch_norm_eval",
    method=False,
    saves=("input", "weight", "~running_mean", "~running_var"),
    grad_name="NativeBatchNormBackward0",
    without_grad=dict.fromkeys(("running_mean", "running_var"), "native_batch_norm"),
)
def batch_norm_eval(
    input: Array,
    running_mean: Array | None,
    running_var: Array | None,
    weight: Array | None,
    bias: Array | None,
    eps: float,
) -> Array:
    """Batch normalization by given moments of shape ``(C,)``."""
    for name, p in (("running_mean", running_mean), ("running_var", running_var)):
        if p is None:
            raise RuntimeError(f"{name} must be defined in evaluation mode")
    channels = input.shape[1] if input.ndim > 1 else 0
    _check_parameters(input, channels, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    scale = lax.rsqrt(opmath(running_var) + eps)
    if weight is not None:
        scale = scale * weight
    result = (opmath(input) - _per_channel(running_mean, input.ndim)) * _per_channel(scale, input.ndim)
    if bias is not None:
        result = result + _per_channel(bias, input.ndim)
    return result.astype(input.dtype)


def _batch_norm(
    input: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    training: bool,
    momentum: float,
    eps: float,
) -> Any:
    if not training:
        return ops["_batch_norm_eval"](input, running_mean, running_var, weight, bias, eps)
    if input.ndim < 2 and not input.numel():  # torch looks at the sizes of an empty input no further
        return input.clone()
    if (running_mean is None) != (running_var is None):
        raise ValueError("running_mean and running_var must either both be None or neither be None")
    result, new_mean, new_var = ops["_batch_norm_train"](input, running_mean, running_var, weight, bias, momentum, eps)
    # An empty batch has no moments to move towards.
    if input.numel():
        for running, new in ((running_mean, new_mean), (running_var, new_var)):
            if running is not None:
                running.copy_(new.detach())
    return result


@composite("batch_norm", method=False)
def batch_norm(
    input: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = True,
) -> Any:
    """`nn.functional.batch_norm` in ATen's order of arguments."""
    return _batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)


@composite("nn.functional.batch_norm")
def functional_batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Normalize each channel over the batch and all positions.

    Args:
        input: shape ``(N, C, *)``.
        running_mean: shape ``(C,)``, written in place when ``training``; so is ``running_var``.
        running_var: see ``running_mean``; unbiased.
        weight: shape ``(C,)``.
        bias: shape ``(C,)``.
        training: normalize by the moments of ``input`` instead of the running ones.
        momentum: share of the new moments in the running ones.
        eps: added to the variance.
    Raises:
        ValueError: if a channel has one value only when training.
    Source:
        Ioffe and Szegedy 2015, https://arxiv.org/abs/1502.03167.
    """
    if training:
        per_channel = math.prod(input.shape[:1] + input.shape[2:])
        if per_channel == 1:
            raise ValueError(f"Expected more than 1 value per channel when training, got input size torch.Size({[*input.shape]})")
    return _batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)


@composite("nn.functional.instance_norm")
def functional_instance_norm(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Normalize each channel of each sample over its positions; arguments as `batch_norm`.

    Source:
        Ulyanov et al. 2016, https://arxiv.org/abs/1607.08022.
    """
    if use_input_stats and math.prod(input.shape[2:]) == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size torch.Size({[*input.shape]})")
    return instance_norm(input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps)


@composite("instance_norm", method=False)
def instance_norm(
    input: Any,
    weight: Array | None,
    bias: Array | None,
    running_mean: Array | None,
    running_var: Array | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = True,
) -> Any:
    """`nn.functional.instance_norm` in ATen's order of arguments."""
    if not use_input_stats and (running_mean is None or running_var is None):
        raise RuntimeError("Expected running_mean and running_var to be defined when use_input_stats is false")
    n, c = input.shape[0], input.shape[1]

    def repeated(p: Any) -> Any:
        return None if p is None else p.repeat(n)

    means, variances = repeated(running_mean), repeated(running_var)
    # Every channel of every sample is a channel of one big sample.
    result = _batch_norm(
        input.reshape(1, n * c, *input.shape[2:]),
        repeated(weight), repeated(bias), means, variances, use_input_stats, momentum, eps,
    )  # fmt: skip
    if use_input_stats:
        for running, moved in ((running_mean, means), (running_var, variances)):
            if running is not None:
                running.copy_(moved.view(n, c).mean(0))
    return result.view(input.shape)


def _check_normalized(input: Array, normalized_shape: Ints, star: str) -> tuple[int, ...]:
    shape = tuple(normalized_shape)
    if not shape:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, "
            "but got normalized_shape = []"
        )
    if input.shape[input.ndim - len(shape) :] != shape or input.ndim < len(shape):
        inner = ", ".join(map(str, shape))
        raise RuntimeError(
            f"Given normalized_shape={sizes(shape)}, expected input with shape [*{star}{inner}], "
            f"but got input of size{sizes(input.shape)}"
        )
    return shape


def _check_shaped(name: str, parameter: Array | None, shape: Ints) -> None:
    if parameter is not None and parameter.shape != shape:
        raise RuntimeError(
            f"Expected {name} to be of same shape as normalized_shape, "
            f"but got {name} of shape {sizes(parameter.shape)} and normalized_shape = {sizes(shape)}"
        )


@op("nn.functional.layer_norm", saves=("input", "weight", "bias"), grad_name="NativeLayerNormBackward0")
def layer_norm(
    input: Array,
    normalized_shape: Ints,
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
) -> Array:
    """Normalize over the last dimensions, those of ``normalized_shape``.

    Args:
        input: shape ``(*, *normalized_shape)``.
        normalized_shape: a tuple.
        weight: shape ``normalized_shape``.
        bias: shape ``normalized_shape``.
        eps: added to the variance.
    Source:
        Ba et al. 2016, https://arxiv.org/abs/1607.06450.
    """
    if isinstance(normalized_shape, int):
        raise TypeError("layer_norm(): argument 'normalized_shape' (position 2) must be tuple of ints, not int")
    shape = _check_normalized(input, normalized_shape, ", ")
    _check_shaped("weight", weight, shape)
    _check_shaped("bias", bias, shape)
    _check_mixed(input, weight, bias)
    require_floating(input, "LayerNormKernelImpl")
    if input.size == 0:
        return input
    axes = tuple(range(input.ndim - len(shape), input.ndim))
    return affine_norm(input, weight, bias, axes, eps)[0]


@composite("layer_norm", method=False)
def aten_layer_norm(
    input: Any,
    normalized_shape: Ints,
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Any:
    """`nn.functional.layer_norm` with ATen's last argument, which is ignored."""
    return ops["nn.functional.layer_norm"](input, normalized_shape, weight, bias, eps)


@op("_group_norm", method=False, saves=("input", "weight", "bias"), grad_name="NativeGroupNormBackward0")
def _group_norm(
    input: Array, num_groups: int, weight: Array | None = None, bias: Array | None = None, eps: float = 1e-5
) -> Array:
    """Normalize each sample over groups of ``C // num_groups`` channels and all positions."""
    if input.ndim < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {input.ndim}")
    _check_mixed(input, weight, bias)
    n, c = input.shape[:2]
    if num_groups <= 0:
        raise RuntimeError(f"Expected num groups to be greater than 0, got {num_groups}")
    if c % num_groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, "
            f"but got input of shape {sizes(input.shape)} and num_groups={num_groups}"
        )
    for name, p in (("weight", weight), ("bias", bias)):
        if p is not None and p.shape != (c,):
            raise RuntimeError(
                f"Expected {name} to be a vector of size equal to the number of channels in input, "
                f"but got {name} of shape {sizes(p.shape)} and input of shape {sizes(input.shape)}"
            )
    require_floating(input, "GroupNormKernelImpl")
    if input.size == 0:
        return input
    grouped = input.reshape(n, num_groups, c // num_groups, -1)
    weight, bias = (p if p is None else p.reshape(1, num_groups, c // num_groups, 1) for p in (weight, bias))
    return affine_norm(grouped, weight, bias, (2, 3), eps)[0].reshape(input.shape)


@composite("nn.functional.group_norm")
def functional_group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Normalize each sample over groups of channels and all positions.

    Args:
        input: shape ``(N, C, *)``.
        num_groups: divides ``C``.
        weight: shape ``(C,)``.
        bias: shape ``(C,)``.
        eps: added to the variance.
    Source:
        Wu and He 2018, https://arxiv.org/abs/1803.08494.
    """
    if input.ndim < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {input.ndim}")
    counted = [input.shape[0] * input.shape[1] // num_groups, num_groups, *input.shape[2:]]
    if math.prod((counted[0], *counted[2:])) == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {counted}")
    return ops["_group_norm"](input, num_groups, weight, bias, eps)


@composite("group_norm", method=False)
def group_norm(
    input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5, cudnn_enabled: bool = True
) -> Any:
    """`nn.functional.group_norm` with ATen's last argument, which is ignored."""
    return ops["_group_norm"](input, num_groups, weight, bias, eps)


@op(
    "rms_norm",
    "nn.functional.rms_norm",
    method=False,
    saves=("input:input", "~input", "weight:input"),
    grad_name="FusedRmsNormBackward0",
)
def rms_norm(input: Array, normalized_shape: Ints, weight: Array | None = None, eps: float | None = None) -> Array:
    """``x / sqrt(mean(x²) + eps) * weight`` over the last dimensions.

    Args:
        input: shape ``(*, *normalized_shape)``.
        normalized_shape: a tuple.
        weight: shape ``normalized_shape``.
        eps: by default the machine epsilon of the dtype that is computed in.
    Source:
        Zhang and Sennrich 2019, https://arxiv.org/abs/1910.07467.
    """
    shape = _check_normalized(input, normalized_shape, "")
    _check_shaped("weight", weight, shape)
    if not (is_floating(input) or is_complex(input)):
        require_floating(input, "rms_norm")
    x = opmath(input)
    eps = float(jnp.finfo(x.dtype).eps) if eps is None else eps
    axes = tuple(range(input.ndim - len(shape), input.ndim))
    result = x * lax.rsqrt(jnp.mean(jnp.square(x), axes, keepdims=True) + eps)
    return (result if weight is None else result * weight).astype(input.dtype)


@composite("nn.functional.local_response_norm")
def local_response_norm(input: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Any:
    """``x / (k + alpha * mean of x² over size neighbouring channels) ** beta``.

    Source:
        Krizhevsky et al. 2012, section 3.3.
    """
    if input.ndim < 3:
        raise ValueError(f"Expected 3D or higher dimensionality                          input (got {input.ndim} dimensions)")
    if input.numel() == 0:
        return input
    if size < 1:
        raise RuntimeError(
            "kernel size should be greater than zero, but got "
            + (f"kH: {size} kW: 1" if input.dim() == 3 else f"kT: {size} kH: 1 kW: 1")
        )
    return ops["_local_response_norm"](input, size, alpha, beta, k)


@op("_local_response_norm", method=False, saves=("input",))
def _local_response_norm(input: Array, size: int, alpha: Number, beta: Number, k: Number) -> Array:
    """See `local_response_norm`; at the ends the missing channels count as zero."""
    require_averaged(input, "avg_pool2d" if input.ndim == 3 else "avg_pool3d_out_frame")
    square = jnp.square(input)
    around = [(0, 0)] * input.ndim
    around[1] = (size // 2, (size - 1) // 2)
    padded = jnp.pad(square, around)
    total = sum(padded[:, i : i + input.shape[1]] for i in range(size))
    mean = total / size if jnp.issubdtype(total.dtype, jnp.inexact) else floated(total // size)  # pooled as they are
    return floated(input) / (mean * alpha + k) ** beta


@composite("nn.functional.normalize")
def normalize(input: Any, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Any = None) -> Any:
    """``input`` divided by its ``p``-norm along ``dim``, or by ``eps`` where the norm is smaller."""
    norm = ops["linalg.vector_norm"](input, p, dim, keepdim=True).clamp_min(eps).expand_as(input)
    return ops.div(input, norm) if out is None else ops.div(input, norm, out=out)
