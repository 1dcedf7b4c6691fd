"""Operators that only ``torch.ops.aten`` has, or has with other arguments than the public function of the name.

They are declared as ``ops.aten.NAME``; what else ``torch.ops`` offers it finds by rule (`torchlike/_ops.py`). Derivatives that
ATen has as operators (``tanh_backward``) are those that JAX makes of the function.
"""

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from torchlike._src.operators import activation, exponential, loss, loss_margin, pooling  # noqa: F401 - so that they are declared below
from torchlike._src.operators.precision import opmath
from torchlike._src.operators.registry import OPS, Array, composite, op, ops
from torchlike._src.operators.support import normalize_dim

_REDUCTIONS = ("none", "mean", "sum")


@composite("ops.aten.slice", method=False)
def slice_(input: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Any:
    """A view of ``input[start:end:step]`` along ``dim``."""
    if input.ndim == 0:
        raise IndexError("slice() cannot be applied to a 0-dim tensor.")
    if step <= 0:
        raise RuntimeError("slice step must be positive")
    return input[(slice(None),) * normalize_dim(dim, input.ndim) + (slice(start, end, step),)]


@composite("_softmax", "ops.aten._softmax", method=False)
def _softmax(input: Any, dim: int, half_to_float: bool) -> Any:
    """`softmax`; of half precision into float32 if ``half_to_float``, which torch has on CUDA alone."""
    return _without_cast("softmax", input, dim, half_to_float)


@composite("_log_softmax", "ops.aten._log_softmax", method=False)
def _log_softmax(input: Any, dim: int, half_to_float: bool) -> Any:
    """`log_softmax`; of half precision into float32 if ``half_to_float``, which torch has on CUDA alone."""
    return _without_cast("log_softmax", input, dim, half_to_float)


def _without_cast(name: str, input: Any, dim: int, half_to_float: bool) -> Any:
    if half_to_float:
        raise RuntimeError(f"{name} with half to float conversion is not supported on CPU")
    return ops[name](input, dim)


@op("_softmax_backward_data", "ops.aten._softmax_backward_data", method=False, saves=("grad_output", "output"))
def _softmax_backward_data(grad_output: Array, output: Array, dim: int, input_dtype: Any) -> Array:
    """The gradient of `softmax` with respect to its input.

    Args:
        grad_output: the gradient with respect to ``output``.
        output: of `softmax` along ``dim``.
        input_dtype: the dtype of what the gradient is for.
    """
    axis = normalize_dim(dim, output.ndim)
    grad, y = opmath(grad_output), opmath(output)
    total = jnp.sum(y * grad, axis, keepdims=True) if y.ndim else y * grad
    return (y * (grad - total)).astype(input_dtype)


@op("_log_softmax_backward_data", "ops.aten._log_softmax_backward_data", method=False, saves=("grad_output", "output"))
def _log_softmax_backward_data(grad_output: Array, output: Array, dim: int, input_dtype: Any) -> Array:
    """The gradient of `log_softmax` with respect to its input; arguments as `_softmax_backward_data`."""
    axis = normalize_dim(dim, output.ndim)
    grad, y = opmath(grad_output), opmath(output)
    total = jnp.sum(grad, axis, keepdims=True) if y.ndim else grad
    return (grad - jnp.exp(y) * total).astype(input_dtype)


@composite("ops.aten.native_dropout_backward", method=False)
def native_dropout_backward(grad_output: Any, mask: Any, scale: float) -> Any:
    """``grad_output * mask * scale``: the gradient of ``native_dropout``."""
    return ops.mul(grad_output, ops.mul(mask.type_as(grad_output), scale))


@op("ops.aten.tanh_backward", method=False, saves=("grad_output", "output"))
def tanh_backward(grad_output: Array, output: Array) -> Array:
    """The gradient of `tanh`, by its result."""
    return grad_output * jnp.conj(1 - output * output)


@op("ops.aten.sigmoid_backward", method=False, saves=("grad_output", "output"))
def sigmoid_backward(grad_output: Array, output: Array) -> Array:
    """The gradient of `sigmoid`, by its result."""
    return grad_output * jnp.conj((1 - output) * output)


#: Functions whose gradient ATen calls ``NAME_backward(grad_output, input, *the other arguments)``, and where they are declared.
_PULLED_BACK = {
    "avg_pool2d": "nn.functional.avg_pool2d", "avg_pool3d": "nn.functional.avg_pool3d", "gelu": "nn.functional.gelu",
    "glu": "nn.functional.glu", "hardshrink": "hardshrink", "hardsigmoid": "_C._nn.hardsigmoid",
    "hardswish": "_C._nn.hardswish", "hardtanh": "_C._nn.hardtanh", "logit": "logit", "mish": "_C._nn.mish",
    "silu": "_C._nn.silu", "softplus": "nn.functional.softplus", "softshrink": "nn.functional.softshrink",
}  # fmt: skip


def _declare_backward(name: str, function: Callable[..., Any]) -> None:
    signature = inspect.signature(function)
    first, *rest = signature.parameters.values()

    def backward(grad_output: Array, *args: Any, **kwargs: Any) -> Array:
        bound = signature.bind(*args, **kwargs)
        (input, *others), named = bound.args, bound.kwargs
        _, pull = jax.vjp(lambda x: function(x, *others, **named), input)
        return pull(grad_output)[0]

    grad = inspect.Parameter("grad_output", first.kind, annotation=Array)
    backward.__signature__ = signature.replace(parameters=[grad, first, *rest])  # type: ignore[attr-defined]
    backward.__name__ = f"{name}_backward"
    backward.__doc__ = f"The gradient of `{name}` with respect to its input."
    op(f"ops.aten.{name}_backward", method=False, saves=("grad_output", first.name))(backward)


@composite("ops.aten.select_backward", method=False)
def select_backward(grad_output: Any, input_sizes: Sequence[int], dim: int, index: int) -> Any:
    """The gradient of `select`: ``grad_output`` where it was taken from, zeros elsewhere."""
    return ops.select_scatter(_zeros(grad_output, input_sizes), grad_output, dim, index)


@composite("ops.aten.slice_backward", method=False)
def slice_backward(grad_output: Any, input_sizes: Sequence[int], dim: int, start: int, end: int, step: int) -> Any:
    """The gradient of ``aten.slice``: ``grad_output`` where it was taken from, zeros elsewhere."""
    return ops.slice_scatter(_zeros(grad_output, input_sizes), grad_output, dim, start, end, step)


@composite("ops.aten.diagonal_backward", method=False)
def diagonal_backward(grad_output: Any, input_sizes: Sequence[int], offset: int, dim1: int, dim2: int) -> Any:
    """The gradient of `diagonal`: ``grad_output`` where it was taken from, zeros elsewhere."""
    return ops.diagonal_scatter(_zeros(grad_output, input_sizes), grad_output, offset, dim1, dim2)


def _zeros(like: Any, sizes: Sequence[int]) -> Any:
    return ops.zeros(tuple(sizes), dtype=like.dtype, device=like.device)


def _declare_loss_backward(name: str, *extra: str) -> None:
    function = OPS[f"nn.functional.{name}"].fn

    def backward(grad_output: Array, input: Array, target: Array, reduction: int, *rest: Any) -> Array:
        named = dict(zip(extra, rest, strict=True))
        made, pull = jax.vjp(lambda x: function(x, target, reduction=_REDUCTIONS[reduction], **named), input)
        return pull(jnp.broadcast_to(grad_output, made.shape))[0]

    four, kind = [*inspect.signature(backward).parameters.values()][:4], inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [*four, *(inspect.Parameter(e, kind, annotation=float) for e in extra)]
    backward.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    backward.__name__ = f"{name}_backward"
    backward.__doc__ = f"The gradient of `nn.functional.{name}` with respect to its input; reductions are numbers."
    op(f"ops.aten.{name}_backward", method=False, saves=("grad_output", "input", "target"))(backward)


@op("ops.aten.threshold_backward", method=False, saves=("input", "~grad_output"))
def threshold_backward(grad_output: Array, input: Array, threshold: float) -> Array:
    """The gradient of `threshold`, and with 0 of `relu`: ``grad_output`` where ``input`` is above."""
    return jnp.where(input <= threshold, jnp.zeros((), grad_output.dtype), grad_output)


@op("ops.aten.leaky_relu_backward", method=False, saves=("~input",))
def leaky_relu_backward(grad_output: Array, input: Array, negative_slope: float, self_is_result: bool) -> Array:
    """The gradient of `leaky_relu`, by its input or (``self_is_result``) its result, which have the same sign."""
    return jnp.where(input > 0, grad_output, grad_output * negative_slope)


@op("ops.aten.max_pool2d_with_indices_backward", method=False, saves=("~input", "indices"))
def max_pool2d_with_indices_backward(
    grad_output: Array, input: Array, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, indices: Array
) -> Array:  # fmt: skip
    """The gradient of ``max_pool2d_with_indices``: each window's goes to where its maximum stood.

    Args:
        grad_output: shape ``(N, C, H', W')`` or ``(C, H', W')``.
        input: of the pooling; only its shape and dtype matter, as the windows are known by ``indices``.
        indices: into the flattened last two dimensions of ``input``.
    """
    planes = input.reshape(math.prod(input.shape[:-2]), -1)
    rows = jnp.arange(planes.shape[0])[:, None]
    count = grad_output.shape[-2] * grad_output.shape[-1]
    wide = opmath(grad_output.reshape(-1, count))
    places = indices.reshape(-1, count)
    return jnp.zeros(planes.shape, wide.dtype).at[rows, places].add(wide).reshape(input.shape).astype(grad_output.dtype)


@composite("ops.aten._batch_norm_with_update", method=False)
def _batch_norm_with_update(
    input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, momentum: float, eps: float
) -> tuple[Any, Any, Any, Any]:
    """``native_batch_norm`` in training, which moves the running moments, and what cuDNN would keep: nothing."""
    made = ops.native_batch_norm(input, weight, bias, running_mean, running_var, True, momentum, eps)
    return *made, ops.zeros(0, dtype=ops.gt(input, 0).dtype, device=input.device).byte()


def _declare_upsample(name: str, dims: int, mode: str, smooth: bool, antialias: bool = False) -> None:
    def resized(input: Any, output_size: Any, scales: Sequence[float | None] | None, align_corners: bool = False) -> Any:
        if input.ndim != dims + 2:
            raise RuntimeError(f"It is expected input_size equals to {dims + 2}, but got size {input.ndim}")
        spatial = tuple(input.shape[2:])
        if output_size is None:
            if scales is None:
                raise RuntimeError("Must specify exactly one of output_size and scale_factors")
            output_size = [int(n * s) for n, s in zip(spatial, scales, strict=True)]
        scales = scales or (None,) * dims
        return ops["_interpolate"](input, tuple(output_size), tuple(scales), mode, bool(align_corners), antialias)

    def upsample(input: Any, output_size: Any, *args: Any, **kwargs: Any) -> Any:
        if smooth:
            align_corners, args = (args[0], args[1:]) if args else (kwargs.pop("align_corners"), args)
        else:
            align_corners = False
        if "scale_factors" in kwargs or (args and isinstance(args[0], (list, tuple))):  # the overload "vec"
            return resized(input, output_size, kwargs.pop("scale_factors", *args), align_corners)
        letters = ["scales"] if dims == 1 else [f"scales_{c}" for c in "dhw"[-dims:]]
        given = dict(zip(letters, args, strict=False)) | kwargs
        return resized(input, output_size, [given.get(letter) for letter in letters], align_corners)

    upsample.__name__, upsample.__doc__ = name, f"`nn.functional.interpolate` with ``mode={mode!r}``."
    composite(f"ops.aten.{name}", method=False)(upsample)


def _declare_pad(name: str, mode: str) -> None:
    def pad(input: Any, padding: Any) -> Any:
        return ops["_C._nn.pad"](input, tuple(padding), mode)

    pad.__name__, pad.__doc__ = name, f"`nn.functional.pad` with ``mode={mode!r}``."
    composite(f"ops.aten.{name}", method=False)(pad)


for _n, _linear in enumerate(("linear1d", "bilinear2d", "trilinear3d"), 1):
    _declare_upsample(f"upsample_nearest{_n}d", _n, "nearest", False)
    _declare_upsample(f"_upsample_nearest_exact{_n}d", _n, "nearest-exact", False)
    _declare_upsample(f"upsample_{_linear}", _n, _linear[:-2], True)
    _declare_pad(f"reflection_pad{_n}d", "reflect")
    _declare_pad(f"replication_pad{_n}d", "replicate")
_declare_upsample("upsample_bicubic2d", 2, "bicubic", True)
_declare_upsample("_upsample_bilinear2d_aa", 2, "bilinear", True, True)
_declare_upsample("_upsample_bicubic2d_aa", 2, "bicubic", True, True)
for _name, _path in _PULLED_BACK.items():
    _declare_backward(_name, OPS[_path].fn)
for _name, _extra in {"mse_loss": (), "soft_margin_loss": (), "smooth_l1_loss": ("beta",), "huber_loss": ("delta",)}.items():
    _declare_loss_backward(_name, *_extra)


@composite("ops.aten.nll_loss", "ops.aten.nll_loss_nd", "ops.aten.nll_loss2d", method=False)
def nll_loss(input: Any, target: Any, weight: Any = None, reduction: int = 1, ignore_index: int = -100) -> Any:
    """`nn.functional.nll_loss`, with a number (0: none, 1: mean, 2: sum) for its reduction."""
    return ops["nn.functional.nll_loss"](input, target, weight, ignore_index=ignore_index, reduction=_REDUCTIONS[reduction])


@composite("ops.aten.cross_entropy_loss", method=False)
def cross_entropy_loss(
    input: Any, target: Any, weight: Any = None, reduction: int = 1, ignore_index: int = -100, label_smoothing: float = 0.0
) -> Any:
    """`nn.functional.cross_entropy`, with a number (0: none, 1: mean, 2: sum) for its reduction."""
    return ops["nn.functional.cross_entropy"](
        input, target, weight, ignore_index=ignore_index, reduction=_REDUCTIONS[reduction], label_smoothing=label_smoothing
    )


@composite("ops.aten.nll_loss_forward", "ops.aten.nll_loss2d_forward", method=False)
def nll_loss_forward(input: Any, target: Any, weight: Any, reduction: int, ignore_index: int) -> tuple[Any, Any]:
    """`nn.functional.nll_loss`, and the sum of the weights of the targets, by which a mean divides."""
    result = nll_loss(input, target, weight, reduction, ignore_index)
    if reduction == 0:
        return result, ops.zeros((), dtype=input.dtype, device=input.device)
    counted = ops.ne(target, ignore_index)
    if weight is not None:
        counted = ops.where(counted, weight.detach()[ops.where(counted, target, 0)], 0)
    return result, counted.sum().to(input.dtype)


@composite("ops.aten.log_sigmoid_forward", method=False)
def log_sigmoid_forward(input: Any) -> tuple[Any, Any]:
    """`nn.functional.logsigmoid`, and what its gradient reads: ``exp(-abs(input))``."""
    return ops["_C._nn.log_sigmoid"](input), ops.exp(-input.detach().abs())


@composite("ops.aten._to_copy", method=False)
def _to_copy(
    input: Any, *, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: bool | None = None,
    non_blocking: bool = False, memory_format: Any = None,
) -> Any:  # fmt: skip
    """A copy, cast and moved where that is asked for."""
    format = {} if memory_format is None else {"memory_format": memory_format}
    return input.to(device=device or input.device, dtype=dtype or input.dtype, copy=True, **format)


@composite("ops.aten._unsafe_view", "ops.aten._reshape_alias", method=False)
def _unsafe_view(input: Any, size: Sequence[int], stride: Sequence[int] | None = None) -> Any:
    """`Tensor.view`."""
    return input.view(size)


@composite("ops.aten.lift_fresh", "ops.aten.lift", method=False)
def lift_fresh(input: Any) -> Any:
    """``input`` itself."""
    return input


@composite("ops.aten._local_scalar_dense", method=False)
def _local_scalar_dense(input: Any) -> Any:
    """`Tensor.item`."""
    return input.item()


@composite("_unique2", "ops.aten._unique2", method=False)
def _unique2(input: Any, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False) -> tuple[Any, Any, Any]:
    """`unique`; what is not asked for is empty."""
    return _or_empty(ops.unique(input, sorted, True, True), (True, return_inverse, return_counts))


@composite("ops.aten.unique_dim", method=False)
def unique_dim(
    input: Any, dim: int, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False
) -> tuple[Any, Any, Any]:  # fmt: skip
    """`unique` of slices along ``dim``, with all that it can say."""
    return ops.unique(input, sorted, True, True, dim)


@composite("ops.aten.unique_consecutive", method=False)
def unique_consecutive(
    input: Any, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> tuple[Any, Any, Any]:  # fmt: skip
    """`torch.unique_consecutive`; what is not asked for is empty."""
    return _or_empty(ops.unique_consecutive(input, True, True, dim), (True, return_inverse, return_counts))


def _or_empty(results: Sequence[Any], wanted: Sequence[bool]) -> tuple[Any, Any, Any]:
    values, inverse, counts = (r if want else r.new_empty(0) for r, want in zip(results, wanted, strict=True))
    return values, inverse, counts


@composite("ops.aten._prelu_kernel", method=False)
def _prelu_kernel(input: Any, weight: Any) -> Any:
    """``input`` where it is positive, else ``weight * input``; weights have the dimensions of the input."""
    return ops.where(ops.gt(input, 0), input, weight * input)


@composite("ops.aten.max_unpool2d", "ops.aten.max_unpool3d", method=False)
def max_unpool(input: Any, indices: Any, output_size: Sequence[int], stride: Any = None, padding: Any = None) -> Any:
    """`nn.functional.max_unpool2d` and its like, where the size of the result is known."""
    return ops._max_unpool(input, indices, tuple(output_size), f"max_unpooling{len(output_size)}d")


#: ATen's private names for functions of the same arguments that are declared under another name.
SAME = {
    "_adaptive_avg_pool2d": "nn.functional.adaptive_avg_pool2d", "_adaptive_avg_pool3d": "nn.functional.adaptive_avg_pool3d",
    "_chunk_cat": "_chunk_cat", "_conj": "conj", "_conj_physical": "conj_physical",
    "_native_batch_norm_legit": "_native_batch_norm_legit", "_pdist_forward": "nn.functional.pdist",
    "_sample_dirichlet": "_sample_dirichlet", "_scaled_mm": "_scaled_mm",
    "_scaled_mm_v2": "_scaled_mm_v2", "_standard_gamma": "_standard_gamma",
    "_unsafe_masked_index": "_unsafe_masked_index",
    "_unsafe_masked_index_put_accumulate": "_unsafe_masked_index_put_accumulate", "unfold": "Tensor.unfold",
}  # fmt: skip
