"""Control flow that depends on a tensor: `torch.cond`."""

from collections.abc import Callable, Sequence
from typing import Any

from torchlike._src.tensor.core import Tensor


def cond(pred: Any, true_fn: Callable[..., Any], false_fn: Callable[..., Any], operands: Sequence[Any] = ()) -> Any:
    """``true_fn(*operands)`` if ``pred`` holds, else ``false_fn(*operands)``.

    A predicate that is a tensor is read, which runs what was recorded; then one branch is recorded like any other code, with
    its gradients. torch traces both: what it demands of them is demanded of the one that runs.

    Args:
        pred: a bool or a number, or a tensor with one element.
        true_fn: takes the operands and returns tensors, or containers of them.
        false_fn: the same for the other case.
        operands: a tuple or list.
    Raises:
        RuntimeError: for another predicate; under a predicate that is a tensor also for a branch that writes to its operands or
            returns one of them.
    """
    if not isinstance(pred, (bool, int, float, Tensor)):
        raise RuntimeError(f"Expected pred to be bool or tensor, but got {pred}.")
    if isinstance(pred, Tensor) and pred.numel() != 1:
        raise RuntimeError(f"Expected pred to be bool or single-element tensor, but got {pred}.")
    if not isinstance(operands, (tuple, list)):
        operands = tuple(operands)
    chosen = true_fn if pred else false_fn
    if not isinstance(pred, Tensor):
        return chosen(*operands)
    given = list(_tensors(operands))
    versions = [t._counter().version for t in given]
    made = chosen(*operands)
    if versions != [t._counter().version for t in given]:
        raise RuntimeError("Higher order ops do not support input mutation: a branch of torch.cond has written to an operand.")
    storages = {id(t._storage) for t in given}
    if any(id(t._storage) in storages for t in _tensors(made)):
        raise RuntimeError(
            "Higher order ops do not support aliasing: a branch of torch.cond returned an operand or a view of one. Replace "
            "`return input` with `return input.clone()` to avoid aliasing."
        )
    return made


def _tensors(items: Any) -> Any:
    if isinstance(items, Tensor):
        yield items
    elif isinstance(items, dict):
        yield from _tensors(list(items.values()))
    elif isinstance(items, (tuple, list)):
        for item in items:
            yield from _tensors(item)
