"""Losses with a margin: rankings, embeddings, triplets, and classes by hinge."""

import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlike._src.operators.arithmetic import check_difference, neg
from torchlike._src.operators.distance import distance
from torchlike._src.operators.loss import Flag, check_reduction, reduced, reduction_of, require_broadcast
from torchlike._src.operators.nn_checks import is_complex, is_floating, on_cpu, require_floating, scalar_type, sizes
from torchlike._src.operators.precision import floated, opmath, rounded
from torchlike._src.operators.reduction import mean_dtype
from torchlike._src.operators.registry import Array, composite, op, ops
from torchlike._src.operators.support import HALF, checked, refuse, refuse_complex


def _hinge(x: Array) -> Array:
    """``max(x, 0)`` with the derivative 1 at 0, as torch's ``clamp_min``."""
    refuse_complex("clamp is not supported for complex types", x, NotImplementedError)
    return jnp.where(x < 0, jnp.zeros((), x.dtype), x)


@op("margin_ranking_loss", "nn.functional.margin_ranking_loss", method=False, promote="common", grad_name="MeanBackward0")
def margin_ranking_loss(
    input1: Array,
    input2: Array,
    target: Array,
    margin: float = 0,
    size_average: Flag = None,
    reduce: Flag = None,
    reduction: str = "mean",
) -> Array:
    """``max(0, -target (input1 - input2) + margin)``: ``target`` 1 wants the first to be larger, -1 the second."""
    reduction = reduction_of(size_average, reduce, reduction)
    check_reduction(reduction)
    if not input1.ndim == input2.ndim == target.ndim:
        shapes = [f"torch.Size({sizes(x.shape)})" for x in (input1, input2, target)]
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {shapes[0]}, input2: {shapes[1]}, target: {shapes[2]} "
        )
    require_broadcast(input1, input2)
    check_difference(input1, input2)
    return reduced(_hinge(floated(-target * (input1 - input2)) + margin), reduction)


@op(
    "hinge_embedding_loss", "nn.functional.hinge_embedding_loss", method=False, grad_name="MeanBackward0",
    without_grad={"target": None},
)  # fmt: skip
def hinge_embedding_loss(
    input: Array,
    target: Array,
    margin: float = 1.0,
    size_average: Flag = None,
    reduce: Flag = None,
    reduction: str = "mean",
) -> Array:
    """``input`` where ``target`` is 1, ``max(0, margin - input)`` where it is -1."""
    reduction = reduction_of(size_average, reduce, reduction)
    check_reduction(reduction)
    require_broadcast(target, input)
    check_difference(input if input.dtype == jnp.bool_ else margin, input)
    if reduction == "mean":
        mean_dtype(np.dtype(input.dtype), None)
    zero = jnp.zeros((), input.dtype)
    loss = jnp.where(target != 1, _hinge(margin - input), zero) + jnp.where(target != -1, input, zero)
    return reduced(loss, reduction)


@op(
    "cosine_embedding_loss", "nn.functional.cosine_embedding_loss", method=False, grad_name="MeanBackward0",
    without_grad={"target": None},
)  # fmt: skip
def cosine_embedding_loss(
    input1: Array,
    input2: Array,
    target: Array,
    margin: float = 0,
    size_average: Flag = None,
    reduce: Flag = None,
    reduction: str = "mean",
) -> Array:
    """``1 - cos`` where ``target`` is 1, ``max(0, cos - margin)`` where it is -1.

    Args:
        input1: shape ``(N, D)`` or ``(D,)``; so is ``input2``.
        input2: see ``input1``.
        target: shape ``(N,)`` or ``()``.
        margin: between -1 and 1.
        size_average: deprecated, see ``reduction``; so is ``reduce``.
        reduce: see ``size_average``.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    check_reduction(reduction)
    if target.ndim not in (0, 1):
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if not input1.ndim == input2.ndim == target.ndim + 1:
        raise RuntimeError(
            f"{target.ndim}D target tensor expects {target.ndim + 1}D input tensors, "
            f"but found inputs with sizes {sizes(input1.shape)} and {sizes(input2.shape)}."
        )
    require_broadcast(input1, input2)
    product = jnp.sum(input1 * input2, -1)
    square1, square2 = (floated(jnp.sum(x * x, -1)) + 1e-12 for x in (input1, input2))
    cosine = product.astype(square1.dtype) / jnp.sqrt(square1 * square2)
    require_broadcast(target, cosine)
    zero = jnp.zeros((), cosine.dtype)
    loss = jnp.where(target == 1, 1 - cosine, zero) + jnp.where(target == -1, _hinge(cosine - margin), zero)
    return reduced(loss, reduction)


@op("triplet_margin_loss", method=False, grad_name="MeanBackward0")
def _triplet_margin_loss(
    anchor: Array,
    positive: Array,
    negative: Array,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> Array:
    """See `triplet_margin_loss`."""
    check_reduction(reduction)
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: "
            f"anchor {anchor.ndim}D, positive {positive.ndim}D, and negative {negative.ndim}D inputs"
        )
    near, far = distance(anchor, positive, p, eps), distance(anchor, negative, p, eps)
    if swap:
        other = distance(positive, negative, p, eps)
        far = jnp.minimum(far, other)
    return reduced(_hinge(margin + near - far), reduction)


@composite("nn.functional.triplet_margin_loss")
def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: Flag = None,
    reduce: Flag = None,
    reduction: str = "mean",
) -> Any:
    """``max(0, |anchor - positive| - |anchor - negative| + margin)``, distances along the last dimension.

    Args:
        anchor: shape ``(N, D)`` or ``(D,)``; so are the others.
        positive: what the anchor should be near to.
        negative: what it should be far from.
        margin: how much farther.
        p: order of the norm.
        eps: added to the differences.
        swap: take the distance of positive and negative where it is the smaller one (Balntas et al. 2016).
        size_average: deprecated, see ``reduction``; so is ``reduce``.
        reduce: see ``size_average``.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.
    """
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    reduction = reduction_of(size_average, reduce, reduction)
    return ops["triplet_margin_loss"](anchor, positive, negative, margin, p, eps, swap, reduction)


@composite("nn.functional.triplet_margin_with_distance_loss")
def triplet_margin_with_distance_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    *,
    distance_function: Callable[[Any, Any], Any] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Any:
    """`triplet_margin_loss` with any distance of two Tensors."""
    check_reduction(reduction)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    measure = distance_function or ops["pairwise_distance"]
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: "
            f"anchor {anchor.ndim}D, positive {positive.ndim}D, and negative {negative.ndim}D inputs"
        )
    near, far = measure(anchor, positive), measure(anchor, negative)
    if swap:
        far = ops.minimum(far, measure(positive, negative))
    loss = ops.clamp_min(margin + near - far, 0)
    return loss if reduction == "none" else loss.mean() if reduction == "mean" else loss.sum()


@op(
    "nn.functional.soft_margin_loss", "_C._nn.soft_margin_loss", saves=("input", "target"),
    without_grad={"target": "soft_margin_loss"},
)  # fmt: skip
def soft_margin_loss(
    input: Array, target: Array, size_average: Flag = None, reduce: Flag = None, reduction: str = "mean"
) -> Array:
    """``log(1 + exp(-target input))`` with ``target`` 1 or -1."""
    reduction = reduction_of(size_average, reduce, reduction)
    check_reduction(reduction)
    require_broadcast(input, target)
    if input.dtype == jnp.bool_:
        neg(input)  # says what is wrong
    if not (is_floating(input) or is_complex(input)):
        name = scalar_type(input.dtype)
        raise RuntimeError(f"result type Float can't be cast to the desired output type {name}")
    if target.dtype == jnp.bool_:
        target = target.astype(input.dtype)
    # As torch's, infinite where the exponential is, in half precision soon.
    power = rounded(jnp.exp(-target * input), input.dtype)
    return reduced(jnp.log1p(power), reduction)


@op("nn.functional.multilabel_soft_margin_loss", grad_name="MeanBackward0")
def multilabel_soft_margin_loss(
    input: Array,
    target: Array,
    weight: Array | None = None,
    size_average: Flag = None,
    reduce: Flag = None,
    reduction: str = "mean",
) -> Array:
    """The mean over classes of the binary cross entropy of ``sigmoid(input)``; ``weight`` has shape ``(C,)``."""
    reduction = reduction_of(size_average, reduce, reduction)
    require_broadcast(target, input)
    require_floating(input, "log_sigmoid_cpu")
    given = [input, target] if weight is None else [input, target, weight]
    wide, wanted, *weights = map(opmath, given)
    zero = jnp.zeros((), wide.dtype)
    loss = wanted * jnp.logaddexp(-wide, zero) + (1 - wanted) * jnp.logaddexp(wide, zero)
    for w in weights:
        loss = loss * w
    loss = jnp.sum(loss, -1) / input.shape[-1]
    check_reduction(reduction)
    return reduced(loss, reduction).astype(jnp.result_type(*given))


def _check_classes(input: Any, target: Any, *_: Any) -> None:
    if isinstance(target, np.ndarray) and ((target < 0) | (target >= (input.shape[-1] if input.ndim else 1))).any():
        raise RuntimeError("target out of range")


@op(
    "nn.functional.multi_margin_loss", "_C._nn.multi_margin_loss", saves=("input", "target"),
    without_grad={"weight": "multi_margin_loss"},
)  # fmt: skip
@checked(_check_classes)
def multi_margin_loss(
    input: Array,
    target: Array,
    p: int = 1,
    margin: float = 1.0,
    weight: Array | None = None,
    size_average: Flag = None,
    reduce: Flag = None,
    reduction: str = "mean",
) -> Array:
    """``sum over the other classes of max(0, margin - input[target] + input[class])^p / C``.

    Args:
        input: shape ``(N, C)`` or ``(C,)``.
        target: class indices, int64, shape ``(N,)`` or ``()``.
        p: 1 or 2.
        margin: how far the target should stand out.
        weight: of each target class, shape ``(C,)``.
        size_average: deprecated, see ``reduction``; so is ``reduce``.
        reduce: see ``size_average``.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    check_reduction(reduction)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.ndim != 1:
        raise ValueError("weight must be one-dimensional")
    if input.ndim > 2 or 0 in input.shape[1:]:
        raise RuntimeError(f"Expected non-empty vector or matrix with optional 0-dim batch size, but got: {sizes(input.shape)}")
    classes = input.shape[-1] if input.ndim else 1
    x = input.reshape(math.prod(input.shape[:-1]), classes)
    n = x.shape[0]
    if not classes:
        raise RuntimeError(f"Expected non-empty vector or matrix with optional 0-dim batch size, but got: {sizes(input.shape)}")
    if target.ndim > 1 or target.size != n:
        raise RuntimeError(
            "multi_margin_loss: target tensor should be 1-D with size equal to the number of input samples (batch "
            f"size). Expected target size [{n}], but got {sizes(target.shape)}. Input has shape {sizes(input.shape)}."
        )
    if weight is not None and weight.shape != (classes,):
        raise RuntimeError(f"inconsistent weight size, expected {classes} but got {sizes(weight.shape)}")
    if target.dtype != jnp.int64:
        raise RuntimeError(f"expected scalar type Long but found {scalar_type(target.dtype)}")
    require_floating(input, "multi_margin_loss_cpu_kernel")
    if on_cpu():
        refuse("multi_margin_loss_cpu_kernel", input, HALF)
    t = target.reshape(-1, 1)
    short = margin - jnp.take_along_axis(x, t, 1) + x
    short = jnp.where((short > 0) & (jnp.arange(classes) != t), short, 0)
    if weight is not None:
        short = short if p == 1 else short * short
        loss = jnp.sum(short * lax.stop_gradient(weight)[t], 1) / classes
    else:
        loss = jnp.sum(short if p == 1 else short * short, 1) / classes
    return reduced(loss.reshape(input.shape[:-1]), reduction)


def _check_labels(input: Any, target: Any, *_: Any) -> None:
    if isinstance(target, np.ndarray) and ((target < -1) | (target >= (input.shape[-1] if input.ndim else 1))).any():
        raise RuntimeError("argument #2 'target' is out of range")


@op("nn.functional.multilabel_margin_loss", "_C._nn.multilabel_margin_loss", saves=("input", "target"))
@checked(_check_labels)
def multilabel_margin_loss(
    input: Array, target: Array, size_average: Flag = None, reduce: Flag = None, reduction: str = "mean"
) -> Array:
    """``sum over labels y and other classes i of max(0, 1 - input[y] + input[i]) / C``.

    Args:
        input: shape ``(N, C)`` or ``(C,)``.
        target: int64 labels of the same shape; what follows the first negative one is not meant.
        size_average: deprecated, see ``reduction``; so is ``reduce``.
        reduce: see ``size_average``.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    check_reduction(reduction)
    if input.ndim > 2 or input.shape[-1:] == (0,):
        raise RuntimeError(f"Expected non-empty vector or matrix with optional 0-dim batch size, but got: {sizes(input.shape)}")
    if target.shape != input.shape:
        raise RuntimeError(f"inconsistent target size: {sizes(target.shape)} for input of size: {sizes(input.shape)}")
    if target.dtype != jnp.int64:
        raise RuntimeError(f"expected scalar type Long but found {scalar_type(target.dtype)}")
    require_floating(input, "multilabel_margin_loss_forward_out_frame")
    if on_cpu():
        refuse("multilabel_margin_loss_forward_out_frame", input, HALF)
    classes = input.shape[-1] if input.ndim else 1
    rows = math.prod(input.shape[:-1])
    x, t = input.reshape(rows, classes), target.reshape(rows, classes)
    meant = jnp.cumsum(t < 0, 1) == 0
    safe = jnp.where(meant, t, 0)
    is_label = jnp.any((safe[:, :, None] == jnp.arange(classes)) & meant[:, :, None], 1)  # (N, C)
    short = 1 - jnp.take_along_axis(x, safe, 1)[:, :, None] + x[:, None, :]  # (N, labels, C)
    counted = (short > 0) & meant[:, :, None] & ~is_label[:, None, :]
    loss = jnp.sum(jnp.where(counted, short, 0), (1, 2)) / classes
    return reduced(loss.reshape(input.shape[:-1]), reduction)
