"""Connectionist temporal classification.

Source:
    Graves et al. 2006, equations 6 to 8. The recursion runs over time for all samples and all positions at once.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlike._src.operators.loss import check_reduction
from torchlike._src.operators.nn_checks import require_floating
from torchlike._src.operators.registry import Array, composite, is_tensor, op, ops
from torchlike._src.operators.support import HALF, checked, refuse

#: Logarithm of an impossible path. Finite, so that differences of two are 0 and not NaN.
_NEVER = -1e30


def _logsumexp(*terms: Array) -> Array:
    stacked = jnp.stack(terms)
    high = lax.stop_gradient(jnp.max(stacked, 0))
    return high + jnp.log(jnp.sum(jnp.exp(stacked - high), 0))


def _lengths_on_host(log_probs: Any, targets: Any, input_lengths: Any, target_lengths: Any, *_: Any) -> None:
    for name, lengths in (("input_lengths", input_lengths), ("target_lengths", target_lengths)):
        if isinstance(lengths, np.ndarray):
            _check_lengths(log_probs, targets, lengths.reshape(-1).tolist(), name)


@op("_ctc_loss", method=False, saves=("log_probs", "targets"), grad_name="CtcLossBackward0")
@checked(_lengths_on_host)
def _ctc_loss(
    log_probs: Array,
    targets: Array,
    input_lengths: Array,
    target_lengths: Array,
    blank: int,
    reduction: str,
    zero_infinity: bool,
) -> Array:
    """See `ctc_loss`; the lengths are arrays of shape ``(N,)``."""
    check_reduction(reduction)
    require_floating(log_probs, "ctc_loss_cpu")
    refuse("ctc_loss_cpu", log_probs, HALF)
    batched = log_probs.ndim == 3
    x = log_probs if batched else log_probs[:, None]  # (T, N, C)
    steps, batch, classes = x.shape
    if not 0 <= blank < classes:
        raise RuntimeError("blank must be in label range")
    input_lengths, target_lengths = input_lengths.reshape(-1), target_lengths.reshape(-1)
    for name, lengths in (("input_lengths", input_lengths), ("target_lengths", target_lengths)):
        if lengths.size != batch:
            raise RuntimeError(f"{name} must be of size batch_size")
    if targets.ndim == 1 and batched:
        starts = jnp.cumsum(target_lengths) - target_lengths
        places = jnp.minimum(starts[:, None] + jnp.arange(targets.size), max(targets.size - 1, 0))
        targets = targets[places] if targets.size else jnp.zeros((batch, 0), targets.dtype)
    else:
        targets = targets.reshape(-1, targets.shape[-1])
        if targets.shape[0] != batch:
            raise RuntimeError(
                f"Expected tensor to have size {batch} at dimension 0, but got size {targets.shape[0]} for argument "
                "#2 'targets' (while checking arguments for ctc_loss_allocate_outputs)"
            )
    # A label between every two blanks: positions 0 ... 2 S.
    longest = targets.shape[1]
    labels = jnp.full((batch, 2 * longest + 1), blank, jnp.int64).at[:, 1::2].set(targets.astype(jnp.int64))
    before_last = jnp.pad(labels, ((0, 0), (2, 0)), constant_values=blank)[:, : labels.shape[1]]
    may_skip = (labels != blank) & (labels != before_last)  # a blank may be left out between different labels
    at_labels = jnp.take_along_axis(x, jnp.broadcast_to(labels, (steps, *labels.shape)), 2)
    never = jnp.asarray(_NEVER, x.dtype)
    positions = jnp.arange(labels.shape[1])
    first = jnp.where(positions < jnp.where(target_lengths > 0, 2, 1)[:, None], at_labels[0], never)

    def step(alpha: Array, now: tuple[Array, Array]) -> tuple[Array, None]:
        t, probabilities = now
        moved = [jnp.pad(alpha, ((0, 0), (k, 0)), constant_values=_NEVER)[:, : alpha.shape[1]] for k in (1, 2)]
        new = _logsumexp(alpha, moved[0], jnp.where(may_skip, moved[1], never)) + probabilities
        return jnp.where((t < input_lengths)[:, None], jnp.maximum(new, never), alpha), None

    alpha, _ = lax.scan(step, first, (jnp.arange(1, steps), at_labels[1:]))
    end = 2 * target_lengths[:, None].astype(jnp.int64)
    last = jnp.take_along_axis(alpha, end, 1)[:, 0]
    before = jnp.take_along_axis(alpha, jnp.maximum(end - 1, 0), 1)[:, 0]
    loss = -_logsumexp(last, jnp.where(target_lengths > 0, before, never))
    possible = loss < -_NEVER / 2
    loss = jnp.where(possible, loss, 0 if zero_infinity else jnp.inf)
    # torch's derivative is the one by logits whose log-softmax log_probs is: it has a term exp(log_probs) more.
    read = (jnp.arange(steps)[:, None] < input_lengths) & possible
    total = jnp.sum(jnp.where(read[:, :, None], jnp.exp(x), 0), (0, 2))
    loss = loss + (total - lax.stop_gradient(total))
    if reduction == "none":
        return loss if batched else loss[0]
    if reduction == "sum":
        return jnp.sum(loss)
    return jnp.mean(loss / jnp.maximum(target_lengths, 1).astype(loss.dtype))


@composite("ctc_loss", "nn.functional.ctc_loss", method=False)
def ctc_loss(
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Any:
    """``-log`` of the probability that the labels are read, in order, with blanks and repeats left out.

    Args:
        log_probs: shape ``(T, N, C)`` or ``(T, C)``, log-softmax over the classes.
        targets: labels, shape ``(N, S)``, or all of them in one row of ``sum(target_lengths)``.
        input_lengths: shape ``(N,)``, Tensor or numbers.
        target_lengths: shape ``(N,)``, Tensor or numbers.
        blank: the class that stands for no label.
        reduction: ``"none"``, ``"mean"`` (of the losses divided by the target lengths) or ``"sum"``.
        zero_infinity: count a target that cannot be read as 0 instead of infinity.
    """
    reduction = ("none", "mean", "sum")[reduction] if isinstance(reduction, int) else reduction
    check_reduction(reduction)
    given = []
    for position, (name, lengths) in enumerate((("input_lengths", input_lengths), ("target_lengths", target_lengths)), start=2):
        if is_tensor(lengths):
            if lengths.is_floating_point():
                raise RuntimeError(f"{name} must be integral")
        else:
            wrong = next((type(n).__name__ for n in lengths if not isinstance(n, int)), None)
            if wrong:
                raise TypeError(
                    f"ctc_loss(): argument '{name}' failed to unpack the object at pos {position} with error "
                    f'"type must be tuple of ints,but got {wrong}"'
                )
            lengths = ops.tensor(list(lengths), dtype=targets.dtype, device=targets.device)
        given.append(lengths)
    return ops["_ctc_loss"](log_probs, targets, *given, blank, reduction, zero_infinity)


def _check_lengths(log_probs: Any, targets: Any, lengths: Any, name: str) -> None:
    """What can be checked of lengths that are given as numbers, or as tensors on the host."""
    where = "(while checking arguments for ctc_loss_allocate_outputs)"
    longest, steps = max(lengths, default=0), log_probs.shape[0]
    if name == "input_lengths":
        if longest > steps:
            raise RuntimeError(f"Expected input_lengths to have value at most {steps}, but got value {longest} {where}")
        return
    if targets.ndim == 1 and log_probs.ndim == 3 and targets.shape[0] != sum(lengths):
        raise RuntimeError(
            f"Expected tensor to have size {sum(lengths)} at dimension 0, but got size {targets.shape[0]} for argument "
            f"#2 'targets' {where}"
        )
    if targets.ndim == 2 and targets.shape[1] < longest:
        raise RuntimeError(
            f"Expected tensor to have size at least {longest} at dimension 1, but got size {targets.shape[1]} for "
            f"argument #2 'targets' {where}"
        )
