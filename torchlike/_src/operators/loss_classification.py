"""Losses over classes: cross entropy and the negative log-likelihood."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlike._src.operators.activation import log_softmax
from torchlike._src.operators.loss import Flag, check_reduction, reduction_of
from torchlike._src.operators.nn_checks import is_floating, require_floating, scalar_type, sizes
from torchlike._src.operators.precision import opmath, quotient
from torchlike._src.operators.registry import Array, op
from torchlike._src.operators.support import checked

_ONE_TARGET = "0D or 1D target tensor expected, multi-target not supported"


def _at(x: Array, target: Array, axis: int) -> Array:
    """``x[target]`` along ``axis``; NaN where ``target`` is out of range, which only a run can find out."""
    index = jnp.expand_dims(jnp.where(target < 0, x.shape[axis], target), axis)
    return jnp.take_along_axis(x, index, axis, mode="fill", fill_value=jnp.nan).squeeze(axis)


def _hits(target: Array, classes: int, axis: int) -> Array:
    """One-hot of ``target`` along ``axis``: a comparison, which XLA fuses into what reads it, unlike a scatter."""
    target = jnp.expand_dims(target, axis)
    shape = (*target.shape[:axis], classes, *target.shape[axis + 1 :])
    return lax.broadcasted_iota(target.dtype, shape, axis) == target


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _pick(x: Array, target: Array, axis: int, classes: int) -> Array:
    return _at(x, target, axis)


_pick.defvjp(
    lambda x, target, axis, classes: (_at(x, target, axis), target),
    lambda axis, classes, target, g: (jnp.where(_hits(target, classes, axis), jnp.expand_dims(g, axis), 0), None),
)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _logits_nll(logits: Array, target: Array, axis: int) -> tuple[Array, Array]:
    """``logsumexp(logits) - logits[target]``, and ``logsumexp(logits)``.

    The log-probabilities are never stored: what is kept for the gradient is the logits and one number a row.
    """
    high = jnp.max(logits, axis)
    lse = jnp.log(jnp.sum(jnp.exp(logits - jnp.expand_dims(high, axis)), axis)) + high
    return lse - _at(logits, target, axis), lse


def _logits_nll_fwd(logits: Array, target: Array, axis: int) -> Any:
    nll, lse = _logits_nll(logits, target, axis)  # pyright: ignore[reportGeneralTypeIssues]
    return (nll, lse), (logits, target, lse)


def _logits_nll_bwd(axis: int, saved: tuple[Array, Array, Array], cotangents: tuple[Array, Array]) -> Any:
    logits, target, lse = saved
    at_target, everywhere = (jnp.expand_dims(g, axis) for g in (cotangents[0], cotangents[0] + cotangents[1]))
    softmax = jnp.exp(logits - jnp.expand_dims(lse, axis))
    hits = _hits(target, logits.shape[axis], axis)
    return softmax * everywhere - jnp.where(hits, at_target, 0), None


_logits_nll.defvjp(_logits_nll_fwd, _logits_nll_bwd)


def _check_classes(input: Array, target: Array, weight: Array | None) -> int:
    """torch's complaints about class indices; returns the class axis."""
    if input.ndim == 0:
        raise ValueError("Expected 1 or more dimensions (got 0)")
    if input.ndim == 1 and target.ndim == 1 and target.size != 1:
        raise ValueError(f"For 1D input, 1D target must have size 1, but got target size: {target.size}")
    classes = input.shape[1] if input.ndim > 1 else input.shape[0]
    if input.ndim <= 2:
        if target.ndim > 1 or (input.ndim == 1 and target.size != 1):
            raise RuntimeError(_ONE_TARGET)
        if input.ndim == 2 and target.shape != input.shape[:1]:
            raise ValueError(
                f"Expected input batch_size ({input.shape[0]}) to match target batch_size "
                f"({target.shape[0] if target.ndim else 0})."
            )
    elif input.ndim == 4:
        if target.ndim != 3:
            raise RuntimeError(
                f"only batches of spatial targets supported (3D tensors) but got targets of dimension: {target.ndim}"
            )
        if target.shape != input.shape[:1] + input.shape[2:]:
            raise RuntimeError(f"size mismatch (got input: {sizes(input.shape)} , target: {sizes(target.shape)}")
    elif target.shape != input.shape[:1] + input.shape[2:]:
        raise RuntimeError(f"Expected target size {sizes(input.shape[:1] + input.shape[2:])}, got {sizes(target.shape)}")
    if target.dtype not in (jnp.int64, jnp.uint8):
        raise RuntimeError(f"expected target dtype to be Long or Byte, but got {scalar_type(target.dtype)}")
    if weight is not None:
        if weight.shape != (classes,):
            raise RuntimeError(
                f"weight tensor should be defined either for all {classes} classes or no classes "
                f"but got weight tensor of shape: {sizes(weight.shape)}"
            )
        if weight.dtype != input.dtype:
            raise RuntimeError(f"expected scalar type {scalar_type(input.dtype)} but found {scalar_type(weight.dtype)}")
    return 1 if input.ndim > 1 else 0


def _reduce_classes(
    loss: Array, target: Array, weight: Array | None, ignore_index: int, reduction: str, smooth: Array | None = None,
    smoothing: float = 0.0,
) -> Array:  # fmt: skip
    """Leave out what is ignored, weigh by class, reduce; a mean is the mean of what is left, weighted."""
    kept = target != ignore_index
    shares = None if weight is None else jnp.where(kept, _at(_rows(weight, target), target, 0), 0)
    if shares is not None:
        loss = loss * shares
    if smoothing:
        loss = loss * (1 - smoothing) + smooth * smoothing  # pyright: ignore[reportOptionalOperand]
    loss = jnp.where(kept, loss, 0)
    if reduction == "none":
        return loss
    total = jnp.sum(loss)
    if reduction == "sum":
        return total
    return total / jnp.sum(kept.astype(loss.dtype) if shares is None else shares)


def _rows(weight: Array, target: Array) -> Array:
    """``(C,)`` → ``(C, 1, ...)``, broadcast to one column for each target."""
    return jnp.broadcast_to(weight.reshape((-1,) + (1,) * target.ndim), (weight.size, *target.shape))


def _target_range(
    input: Any, target: Any, weight: Any = None, size_average: Any = None, ignore_index: int = -100, *_: Any
) -> None:
    """The check of values for class indices."""
    if isinstance(target, np.ndarray) and target.dtype.kind in "iu" and input.shape:
        bad = target[((target < 0) | (target >= input.shape[min(1, input.ndim - 1)])) & (target != ignore_index)]
        if bad.size:
            raise IndexError(f"Target {bad.flat[0]} is out of bounds.")


@op("nn.functional.cross_entropy", saves=("~input", "target", "weight"), grad_name="NllLossBackward0")
@checked(_target_range)
def cross_entropy(
    input: Array,
    target: Array,
    weight: Array | None = None,
    size_average: Flag = None,
    ignore_index: int = -100,
    reduce: Flag = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Array:
    """``-log softmax(input)[target]``, or ``-sum(target * log softmax(input))`` for a target of probabilities.

    Args:
        input: logits, shape ``(N, C)``, ``(C,)`` or ``(N, C, d1, ...)``.
        target: class indices, int64 or uint8, shape ``(N,)``, ``()`` or ``(N, d1, ...)``; or probabilities in the
            shape of ``input``.
        weight: of each class, shape ``(C,)``.
        size_average: deprecated, see ``reduction``; so is ``reduce``.
        ignore_index: a target that costs nothing and is left out of a mean.
        reduce: see ``size_average``.
        reduction: ``"none"``, ``"mean"`` (weighted by the weights of the targets) or ``"sum"``.
        label_smoothing: share of the uniform distribution that is mixed into the target.
    Returns:
        A scalar, or the shape of an index target.
    Note:
        An index outside ``0 ... C - 1`` makes the loss NaN.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    check_reduction(reduction)
    if not 0 <= label_smoothing <= 1:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing:g}")
    if target.shape == input.shape and input.ndim:
        return _probability_cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)
    if not is_floating(input):
        log_softmax(input, 1 if input.ndim > 1 else 0)
    axis = _check_classes(input, target, weight)
    if input.ndim == 1:
        target = target.reshape(())
    logits = opmath(input)
    if weight is not None:
        weight = lax.stop_gradient(weight.astype(logits.dtype))
    safe = jnp.where(target == ignore_index, 0, target).astype(target.dtype)
    loss, lse = _logits_nll(logits, safe, axis)  # pyright: ignore[reportGeneralTypeIssues]
    smooth = None
    if label_smoothing:
        classes = input.shape[axis]
        if weight is None:
            smooth = lse - jnp.mean(logits, axis)
        else:
            shape = (-1,) + (1,) * (input.ndim - axis - 1)
            smooth = (lse * jnp.sum(weight) - jnp.sum(logits * weight.reshape(shape), axis)) / classes
    loss = _reduce_classes(loss, target, weight, ignore_index, reduction, smooth, label_smoothing)
    return loss.astype(input.dtype)


def _probability_cross_entropy(
    input: Array, target: Array, weight: Array | None, ignore_index: int, reduction: str, smoothing: float
) -> Array:
    if not is_floating(target):
        raise RuntimeError(f"Expected floating point type for target with class probabilities, got {scalar_type(target.dtype)}")
    if ignore_index >= 0:
        raise RuntimeError("ignore_index is not supported for floating point target")
    axis = 1 if input.ndim > 1 else 0
    classes = input.shape[axis]
    if weight is not None and weight.shape != (classes,):
        raise RuntimeError(
            f"cross_entropy: weight tensor should be defined either for all {classes} classes or no classes "
            f"but got weight tensor of shape: {sizes(weight.shape)}"
        )
    if smoothing:
        target = target * (1 - smoothing) + smoothing / classes
    loss = log_softmax(input, axis) * target
    if weight is not None:
        loss = loss * weight.reshape((-1,) + (1,) * (input.ndim - axis - 1))
    if reduction == "none":
        return -jnp.sum(loss, axis)
    total = -jnp.sum(loss)
    return quotient(total, np.asarray(input.size // classes, total.dtype)) if reduction == "mean" else total


@op("nn.functional.nll_loss", saves=("input", "target", "weight", "~input"), without_grad={"weight": "nll_loss_forward"})
@checked(_target_range)
def nll_loss(
    input: Array,
    target: Array,
    weight: Array | None = None,
    size_average: Flag = None,
    ignore_index: int = -100,
    reduce: Flag = None,
    reduction: str = "mean",
) -> Array:
    """``-input[target]`` for log-probabilities ``input``; arguments as `cross_entropy`."""
    reduction = reduction_of(size_average, reduce, reduction)
    check_reduction(reduction)
    axis = _check_classes(input, target, weight)
    require_floating(input, "nll_loss_out_frame")
    if input.ndim == 1:
        target = target.reshape(())
    safe = jnp.where(target == ignore_index, 0, target).astype(target.dtype)
    if weight is not None:
        weight = lax.stop_gradient(weight)
    loss = -_pick(input, safe, axis, input.shape[axis])
    return _reduce_classes(loss, target, weight, ignore_index, reduction).astype(input.dtype)
