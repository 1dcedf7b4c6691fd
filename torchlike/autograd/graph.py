"""``torch.autograd.graph``: the nodes of the tape, and hooks on several gradients or on what is saved."""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from torchlike._src.autograd.backward import GradientEdge as GradientEdge, current, gradient_edge as get_gradient_edge
from torchlike._src.autograd.saving import (
    allow_mutation_on_saved_tensors as allow_mutation_on_saved_tensors,
    disable_saved_tensors_hooks as disable_saved_tensors_hooks,
    save_on_cpu as save_on_cpu,
    saved_tensors_hooks as saved_tensors_hooks,
)
from torchlike._src.tensor.core import Tensor
from torchlike._src.tensor.tape import GradNode as Node, RemovableHandle

__all__ = [
    "GradientEdge", "Node", "allow_mutation_on_saved_tensors", "disable_saved_tensors_hooks", "get_gradient_edge",
    "increment_version", "region_activation_memory_budget", "register_multi_grad_hook", "save_on_cpu", "saved_tensors_hooks",
]  # fmt: skip


class _Handles(RemovableHandle):
    """The handle of a hook that is registered in several places."""

    def __init__(self, handles: Sequence[RemovableHandle]) -> None:
        self.handles = tuple(handles)

    def remove(self) -> None:
        """Take the hook out everywhere."""
        for handle in self.handles:
            handle.remove()


def register_multi_grad_hook(tensors: Sequence[Tensor], fn: Callable[..., Any], *, mode: str = "all") -> RemovableHandle:
    """``fn`` runs when the gradients of all ``tensors`` that this backward pass reaches are there.

    Args:
        fn: with ``mode="all"`` given the list of gradients, None for those that get none; with ``mode="any"`` given the
            first gradient that arrives.

    Raises:
        ValueError: for another mode.
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    lock = threading.Lock()
    state: dict[str, Any] = {}

    def fresh() -> bool:
        """Whether a new pass has begun."""
        if state.get("pass") == current.number:
            return False
        state.update({"pass": current.number, "seen": 0, "done": False, "grads": [None] * len(tensors)})
        return True

    def one_of_all(grad: Tensor, k: int) -> None:
        with lock:
            if fresh():
                state["expected"] = sum(current.reaches(t) for t in tensors)
            state["grads"][k] = grad
            state["seen"] += 1
            complete = state["seen"] == state["expected"]
        if complete:
            fn(state["grads"])

    def any_of_them(grad: Tensor) -> None:
        with lock:
            fresh()
            first, state["done"] = not state["done"], True
        if first:
            fn(grad)

    if mode == "any":
        return _Handles([t.register_hook(any_of_them) for t in tensors if t.requires_grad])
    return _Handles([t.register_hook(functools.partial(one_of_all, k=k)) for k, t in enumerate(tensors) if t.requires_grad])


def increment_version(tensor: Tensor | Sequence[Tensor]) -> None:
    """Tell autograd that the memory of a tensor was written to by means it does not see."""
    for t in [tensor] if isinstance(tensor, Tensor) else tensor:
        t._counter().version += 1


@contextlib.contextmanager
def region_activation_memory_budget(budget: float) -> Iterator[None]:
    """How much of the activations ``torch.compile`` may keep, from 0 to 1. XLA decides for itself: only the number is checked.

    Raises:
        ValueError: for a number outside of [0, 1].
    """
    if not 0.0 <= budget <= 1.0:
        raise ValueError(f"activation memory budget must be within [0, 1], got {budget}")
    yield


def set_warn_on_accumulate_grad_stream_mismatch(enabled: bool) -> None:
    """Whether to warn of gradients from another stream: there are none here, since XLA orders its own work."""
