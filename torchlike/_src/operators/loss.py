"""Losses that compare numbers: regression, binary targets, distributions. Classes: `loss_classification`."""

import math
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlike._src.operators.arithmetic import check_difference
from torchlike._src.operators.nn_checks import is_complex, is_floating, require_floating, scalar_type, sizes
from torchlike._src.operators.precision import averaged, floated, opmath
from torchlike._src.operators.promotion import COMPLEX, cpp_name
from torchlike._src.operators.reduction import mean_dtype
from torchlike._src.operators.registry import Array, op
from torchlike._src.operators.support import broadcast_shapes, checked, refuse

Flag = bool | None


def reduction_of(size_average: Flag, reduce: Flag, reduction: str) -> str:
    """The reduction asked for, by the present argument or by the two that torch has deprecated for it."""
    if size_average is not None or reduce is not None:
        average = size_average is None or size_average
        reduction = "none" if reduce is not None and not reduce else "mean" if average else "sum"
        warnings.warn(
            f"size_average and reduce args will be deprecated, please use reduction='{reduction}' instead.",
            stacklevel=4,
        )
    return reduction


def check_reduction(reduction: str, *more: str) -> None:
    """Raise torch's ValueError for an unknown reduction."""
    if reduction not in ("none", "mean", "sum", *more):
        raise ValueError(f"{reduction} is not a valid value for reduction")


def reduced(loss: Array, reduction: str) -> Array:
    """``loss``, its mean or its sum; half precision is accumulated in float32."""
    check_reduction(reduction)
    if reduction == "none":
        return loss
    if reduction == "mean":
        mean_dtype(np.dtype(loss.dtype), None)
    return (averaged if reduction == "mean" else jnp.sum)(opmath(loss)).astype(loss.dtype)


def _check_broadcast(input: Array, target: Array) -> None:
    """torch's warning for sizes that differ, and its error where they do not broadcast."""
    if input.shape == target.shape:
        return
    warnings.warn(
        f"Using a target size (torch.Size({sizes(target.shape)})) that is different to the input size "
        f"(torch.Size({sizes(input.shape)})). This will likely lead to incorrect results due to broadcasting. "
        "Please ensure they have the same size.",
        stacklevel=4,
    )
    require_broadcast(input, target)


def require_broadcast(a: Array, b: Array) -> None:
    """torch's RuntimeError for shapes that do not broadcast."""
    for i in range(1, min(a.ndim, b.ndim) + 1):
        m, n = a.shape[-i], b.shape[-i]
        if m != n and 1 not in (m, n):
            raise RuntimeError(
                f"The size of tensor a ({m}) must match the size of tensor b ({n}) at non-singleton dimension "
                f"{max(a.ndim, b.ndim) - i}"
            )


def magnitude(d: Array) -> Array:
    """``|d|`` with the derivative 0 at 0, where JAX's is 1."""
    if jnp.issubdtype(d.dtype, jnp.complexfloating):
        zero = d == 0  # there the derivative of JAX's is NaN
        return jnp.where(zero, 0, jnp.abs(jnp.where(zero, 1, d)))
    return d * lax.stop_gradient(jnp.sign(d))


def _weighted(loss: Array, weight: Array | None, reduction: str) -> Array:
    """Reduce with weights of the loss's own shape; their mean is the weighted one."""
    if weight is None:
        return reduced(loss, reduction)
    if weight.shape != loss.shape:
        raise ValueError("Inputs and weight must have the same size.")
    loss = loss * weight
    return jnp.sum(loss) / jnp.sum(weight) if reduction == "mean" else reduced(loss, reduction)


@op("nn.functional.mse_loss", promote="common", saves=("input", "target", "weight"))
def mse_loss(
    input: Array,
    target: Array,
    size_average: Flag = None,
    reduce: Flag = None,
    reduction: str = "mean",
    weight: Array | None = None,
) -> Array:
    """``(input - target)²``.

    Args:
        input: any shape.
        target: the same shape; another that broadcasts is taken with a warning.
        size_average: deprecated, see ``reduction``; so is ``reduce``.
        reduce: see ``size_average``.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.
        weight: of the same shape; a mean is then the weighted mean.
    """
    _check_broadcast(input, target)
    reduction = reduction_of(size_average, reduce, reduction)
    check_reduction(reduction)
    require_floating(input, "mse_cpu")
    return _weighted(jnp.square(input - target), weight, reduction)


@op("nn.functional.l1_loss", promote="common", saves=("~input", "~target", "~weight"), grad_name="MeanBackward0")
def l1_loss(
    input: Array,
    target: Array,
    size_average: Flag = None,
    reduce: Flag = None,
    reduction: str = "mean",
    weight: Array | None = None,
) -> Array:
    """``|input - target|``; arguments as `mse_loss`."""
    _check_broadcast(input, target)
    reduction = reduction_of(size_average, reduce, reduction)
    check_reduction(reduction)
    check_difference(input, target)
    return _weighted(magnitude(input - target), weight, reduction)


@op("nn.functional.smooth_l1_loss", promote="common", saves=("input", "target", "~input", "~target"))
def smooth_l1_loss(
    input: Array,
    target: Array,
    size_average: Flag = None,
    reduce: Flag = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Array:
    """Squared below ``beta``, absolute above: ``z² / (2 beta)`` or ``z - beta / 2`` with ``z = |input - target|``."""
    _check_broadcast(input, target)
    reduction = reduction_of(size_average, reduce, reduction)
    check_reduction(reduction)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    if beta == 0:
        return reduced(magnitude(input - target), reduction)
    require_floating(input, "smooth_l1_cpu")
    z = magnitude(input - target)
    return reduced(jnp.where(z < beta, z * z * (0.5 / beta), z - 0.5 * beta), reduction)


@op("nn.functional.huber_loss", promote="common", saves=("input", "target", "weight"))
def huber_loss(input: Array, target: Array, reduction: str = "mean", delta: float = 1.0, weight: Array | None = None) -> Array:
    """``z² / 2`` below ``delta``, else ``delta (z - delta / 2)``, with ``z = |input - target|``.

    Source:
        Huber 1964.
    """
    _check_broadcast(input, target)
    check_reduction(reduction)
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    require_floating(input, "huber_cpu")
    z = magnitude(opmath(input) - opmath(target))
    loss = jnp.where(z <= delta, 0.5 * z * z, delta * (z - 0.5 * delta)).astype(input.dtype)
    if weight is None:
        return reduced(loss, reduction)
    if weight.shape != loss.shape:
        raise ValueError("Inputs and weight must have the same size.")
    return reduced(loss * weight, reduction)  # unlike mse_loss and l1_loss, torch divides by the count here


@jax.custom_jvp
def _binary_cross_entropy(p: Array, target: Array) -> Array:
    # torch bounds the logarithms at -100, so that a sure and wrong guess costs 100, not infinity.
    log_p = jnp.where(jnp.log(p) < -100, -100, jnp.log(p))
    log_not = jnp.where(jnp.log1p(-p) < -100, -100, jnp.log1p(-p))
    return (target - 1) * log_not - target * log_p


@_binary_cross_entropy.defjvp
def _binary_cross_entropy_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    # As torch: the bound is not seen by the derivative, the denominator has a bound of its own.
    p, target = primals
    by_target = jnp.log1p(-p) - jnp.log(p)
    return _binary_cross_entropy(p, target), _slope(p, target) * tangents[0] + by_target * tangents[1]


@jax.custom_jvp
def _slope(p: Array, target: Array) -> Array:
    return (p - target) / jnp.maximum((1 - p) * p, 1e-12)


@_slope.defjvp
def _slope_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    p, target = primals
    by_p = (p * p - 2 * p * target + target) / jnp.square((p + 1e-12) * (1 - p + 1e-12))
    return _slope(p, target), by_p * tangents[0] - tangents[1] / jnp.maximum((1 - p) * p, 1e-12)


def _check_probabilities(input: Any, target: Any, *_: Any) -> None:
    for name, x in (("input", input), ("target", target)):
        if isinstance(x, np.ndarray) and not ((x >= 0) & (x <= 1)).all():
            raise RuntimeError(f"all elements of {name} should be between 0 and 1")


@op("nn.functional.binary_cross_entropy", saves=("input", "target", "weight"), without_grad={"weight": "binary_cross_entropy"})
@checked(_check_probabilities)
def binary_cross_entropy(
    input: Array,
    target: Array,
    weight: Array | None = None,
    size_average: Flag = None,
    reduce: Flag = None,
    reduction: str = "mean",
) -> Array:
    """``-target log(input) - (1 - target) log(1 - input)``, logarithms bounded at -100.

    Args:
        input: probabilities.
        target: in ``[0, 1]``, the same shape and dtype.
        weight: broadcasts to the shape of ``target``.
        size_average: deprecated, see ``reduction``; so is ``reduce``.
        reduce: see ``size_average``.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.
    Raises:
        ValueError: if the sizes differ.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    check_reduction(reduction)
    if input.shape != target.shape:
        raise ValueError(
            f"Using a target size (torch.Size({sizes(target.shape)})) that is different to the input size "
            f"(torch.Size({sizes(input.shape)})) is deprecated. Please ensure they have the same size."
        )
    if target.dtype != input.dtype:
        raise RuntimeError(f"Found dtype {scalar_type(target.dtype)} but expected {scalar_type(input.dtype)}")
    require_floating(input, "binary_cross_entropy")
    loss = _binary_cross_entropy(input, target)
    if weight is not None:
        loss = loss * _broadcast_weight(weight, target.shape)
    return reduced(loss, reduction)


def _broadcast_weight(weight: Array, shape: tuple[int, ...]) -> Array:
    lead = len(shape) - weight.ndim
    for i, n in enumerate(weight.shape):
        if lead < 0 or n not in (1, shape[lead + i]):
            raise RuntimeError(
                f"Attempting to broadcast a dimension of length {n} at {i - weight.ndim}! Mismatching argument at "
                f"index 1 had torch.Size({sizes(weight.shape)}); but expected shape should be broadcastable to "
                f"{sizes(shape)}"
            )
    return jnp.broadcast_to(weight, shape)


@op(
    "nn.functional.binary_cross_entropy_with_logits", saves=("input", "target", "weight", "pos_weight"),
    without_grad=dict.fromkeys(("weight", "pos_weight"), "binary_cross_entropy_with_logits"),
)  # fmt: skip
def binary_cross_entropy_with_logits(
    input: Array,
    target: Array,
    weight: Array | None = None,
    size_average: Flag = None,
    reduce: Flag = None,
    reduction: str = "mean",
    pos_weight: Array | None = None,
) -> Array:
    """`binary_cross_entropy` of ``sigmoid(input)``, without its overflow.

    Args:
        input: log-odds.
        target: the same shape.
        weight: broadcasts against the loss.
        size_average: deprecated, see ``reduction``; so is ``reduce``.
        reduce: see ``size_average``.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.
        pos_weight: weight of the positive part, broadcasts against ``target``.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    check_reduction(reduction)
    if input.shape != target.shape:
        raise ValueError(
            f"Target size (torch.Size({sizes(target.shape)})) must be the same as input size (torch.Size({sizes(input.shape)}))"
        )
    require_floating(input, "log_sigmoid_cpu")
    if not jnp.issubdtype(target.dtype, jnp.inexact):
        raise RuntimeError(
            f"result type {scalar_type(input.dtype)} can't be cast to the desired output type {scalar_type(target.dtype)}"
        )
    minus_log_sigmoid = jnp.logaddexp(-input, jnp.zeros((), input.dtype))
    if pos_weight is not None:
        require_broadcast(pos_weight, target)
        minus_log_sigmoid = minus_log_sigmoid * ((pos_weight - 1) * target + 1)
    loss = (1 - target) * input + minus_log_sigmoid
    if weight is not None:
        require_broadcast(loss, weight)
        loss = loss * weight
    return reduced(loss, reduction)


@op("nn.functional.kl_div", promote="common", saves=("input:target", "target", "~input", "~target"))
def kl_div(
    input: Array,
    target: Array,
    size_average: Flag = None,
    reduce: Flag = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Array:
    """``target (log(target) - input)``: the divergence of ``exp(input)`` from ``target``.

    Args:
        input: log-probabilities.
        target: probabilities, or their logarithms with ``log_target``.
        size_average: deprecated, see ``reduction``; so is ``reduce``.
        reduce: see ``size_average``.
        reduction: also ``"batchmean"``, the sum divided by the batch size, which is the divergence proper.
        log_target: see ``target``.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    check_reduction(reduction, "batchmean")
    broadcast_shapes(target.shape, input.shape)
    if not is_floating(input):
        raise RuntimeError(f"kl_div: {'Complex' if is_complex(input) else 'Integral'} inputs not supported.")
    if reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size."
            "'batchmean' divides only by the batch size, and aligns with the KL div math definition."
            "'mean' will be changed to behave the same as 'batchmean' in the next major release.",
            stacklevel=3,
        )
    if log_target:
        loss = jnp.exp(target) * (target - input)
    else:
        loss = jax.scipy.special.xlogy(target, target) - target * input
    if reduction == "batchmean":
        total = jnp.sum(loss)
        return total / input.shape[0] if input.ndim else total
    return reduced(loss, reduction)


@op("nn.functional.poisson_nll_loss", promote="common")
def poisson_nll_loss(
    input: Array,
    target: Array,
    log_input: bool = True,
    full: bool = False,
    size_average: Flag = None,
    eps: float = 1e-8,
    reduce: Flag = None,
    reduction: str = "mean",
) -> Array:
    """``exp(input) - target input``, or ``input - target log(input + eps)`` without ``log_input``.

    Args:
        input: logarithm of the rate, or the rate.
        target: counts.
        log_input: see ``input``.
        full: add Stirling's approximation of ``log(target!)`` where ``target > 1``.
        size_average: deprecated, see ``reduction``; so is ``reduce``.
        eps: keeps the logarithm finite.
        reduce: see ``size_average``.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    check_reduction(reduction)
    require_broadcast(target, input)
    if log_input:
        check_difference(floated(input), target * input)
        loss = jnp.exp(floated(input)) - target * input
    else:
        loss = input - target * jnp.log(floated(input) + eps)
    if full:
        safe = jnp.where(target > 1, floated(target), 2)
        stirling = safe * jnp.log(safe) - safe + 0.5 * jnp.log(2 * math.pi * safe)
        loss = loss + jnp.where(target > 1, stirling, 0)
    return reduced(loss, reduction)


def _check_variance(input: Any, target: Any, var: Any, *_: Any) -> None:
    if isinstance(var, np.ndarray) and (var < 0).any():
        raise ValueError("var has negative entry/entries")


@op("nn.functional.gaussian_nll_loss", promote="common")
@checked(_check_variance)
def gaussian_nll_loss(
    input: Array,
    target: Array,
    var: Array,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Array:
    """``(log(var) + (input - target)² / var) / 2`` with ``var`` at least ``eps``, which the gradient does not see.

    Args:
        input: expectation of the normal distribution.
        target: a sample of it.
        var: its variance; the shape of ``input``, or that with a last dimension of 1 or without it.
        full: add ``log(2 pi) / 2``.
        eps: lower bound of ``var``.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.
    """
    if var.shape != input.shape:
        if var.shape == input.shape[:-1]:
            var = var[..., None]
        elif not (
            var.ndim == input.ndim
            and sum(m != n for m, n in zip(var.shape, input.shape, strict=True)) == 1
            and all(m in (1, n) for m, n in zip(var.shape, input.shape, strict=True))
        ):
            raise ValueError("var is of incorrect size")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(reduction + " is not valid")
    if not is_floating(var):
        if is_complex(var):
            refuse("lt_cpu", var, COMPLEX)
        raise RuntimeError(f"result type Float can't be cast to the desired output type {cpp_name(np.dtype(var.dtype))}")
    check_difference(input, target)
    var = var + lax.stop_gradient(jnp.where(var < eps, eps - var, 0))
    require_broadcast(input, target)
    square = jnp.square(input - target)
    require_broadcast(square, var)
    loss = 0.5 * (jnp.log(var) + square / var)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return reduced(loss, reduction)
