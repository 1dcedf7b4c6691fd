"""What nodes of the tape keep, in other hands: hooks on saved tensors, and regions that are computed anew (checkpoints).

Both need to see each node that is made. `tape.extras` is not empty once either was used, and until then costs nothing.
"""

from collections.abc import Callable, Sequence
from typing import Any

from torchlike._src.engine.trace import local
from torchlike._src.tensor import tape
from torchlike._src.tensor.core import Tensor
from torchlike._src.tensor.tape import GradNode

Pack = Callable[[Tensor], Any]
Unpack = Callable[[Any], Tensor]


class saved_tensors_hooks:
    """Within this context, what is saved for backward goes through ``pack_hook``, and comes back through ``unpack_hook``.

    An op whose gradient depends on its result, not on its inputs, is computed from the inputs here: the hooks are called
    for the result, and what unpacking gives is checked, but not used.
    """

    def __init__(self, pack_hook: Pack, unpack_hook: Unpack) -> None:
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self) -> None:
        modes = local.recorder.modes
        if modes.get("no_saved_hooks"):
            raise RuntimeError(modes["no_saved_hooks"])
        tape.extras.append(self)
        modes.setdefault("saved_hooks", []).append((self.pack_hook, self.unpack_hook))

    def __exit__(self, *_: object) -> None:
        tape.extras.remove(self)
        local.recorder.modes["saved_hooks"].pop()


class save_on_cpu(saved_tensors_hooks):
    """Keep what is saved for backward in the host's memory."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        super().__init__(lambda t: (t.device, t.cpu()), lambda packed: packed[1].to(packed[0]))


class disable_saved_tensors_hooks:
    """Within this context, entering `saved_tensors_hooks` raises RuntimeError with this message."""

    def __init__(self, error_message: str) -> None:
        self.message = error_message

    def __enter__(self) -> None:
        modes = local.recorder.modes
        self.before = modes.get("no_saved_hooks")
        modes["no_saved_hooks"] = self.message

    def __exit__(self, *_: object) -> None:
        local.recorder.modes["no_saved_hooks"] = self.before


class allow_mutation_on_saved_tensors:
    """Within this context, what was saved for backward may be written to: backward sees the value that was saved.

    Values are never changed here, only replaced, so that nothing has to be cloned: the check of versions is left out.
    """

    def __enter__(self) -> "allow_mutation_on_saved_tensors":
        modes = local.recorder.modes
        if modes.get("may_write"):
            raise RuntimeError("allow_mutation_on_saved_tensors contexts cannot be nested")
        modes["may_write"] = True
        tape.extras.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        local.recorder.modes["may_write"] = False
        tape.extras.remove(self)


def current_hooks() -> tuple[Pack, Unpack] | None:
    """The innermost pair of hooks in force."""
    hooks = local.recorder.modes.get("saved_hooks")
    return hooks[-1] if hooks else None


def packed(hooks: tuple[Pack, Unpack], t: Tensor) -> Any:
    """What the pack hook makes of a tensor, which it sees without history."""
    rec = local.recorder
    before, rec.grad = rec.grad, False
    try:
        return hooks[0](t.detach())
    finally:
        rec.grad = before


def unpacked(hooks: tuple[Pack, Unpack], data: Any, like: Tensor | None = None) -> Tensor:
    """What the unpack hook gives back.

    Raises:
        TypeError: if that is no tensor.
    """
    rec = local.recorder
    before, rec.grad = rec.grad, False
    try:
        t = hooks[1](data)
    finally:
        rec.grad = before
    if not isinstance(t, Tensor):
        raise TypeError(f"Output of saved tensor unpack_hook expected to be a Tensor but got result of type {type(t).__name__}")
    return t


def keep_packed(node: GradNode, args: Sequence[Any], made: Sequence[Any]) -> None:
    """Called for each node of an op: hand what torch saves to the hooks in force."""
    hooks = current_hooks()
    if local.recorder.modes.get("may_write"):
        node.saved = None
    if hooks is None or not (node.saved or node.trie.call.kernel.saves_results):
        return
    kept: list[tuple[int, Any]] = []  # (which of the arrays that the op read, what the hook made of it)
    saved = {id(holder) for holder, _, _ in node.saved or ()}
    at = 0
    for a in args:
        for t in a if isinstance(a, (tuple, list)) else (a,):
            if isinstance(t, Tensor):
                if id(t) in saved:
                    kept.append((at, packed(hooks, t)))
                at += 1
    for k, _ in node.trie.call.kernel.saves_results:
        kept.append((-1, packed(hooks, made[k])))
    node.packed = (hooks, kept)
    node.saved = None


def unpack(node: GradNode) -> None:
    """Before a node's backward: put what the hooks give back in the place of what the op read."""
    hooks, kept = node.packed
    values = list(node.values or ())
    for at, data in kept:
        t = unpacked(hooks, data)
        if at >= 0:
            values[at] = t._value()
    node.values = values


class Region:
    """The nodes made by a function whose intermediate results are not kept: its forward runs again before its backward."""

    def __init__(self, again: Callable[[], Any]) -> None:
        self.again = again
        self.nodes: list[GradNode] = []

    def __enter__(self) -> None:
        tape.extras.append(self)
        local.recorder.modes.setdefault("regions", []).append(self)

    def __exit__(self, *_: object) -> None:
        tape.extras.remove(self)
        local.recorder.modes["regions"].remove(self)

    def forget(self) -> None:
        """Let go of everything the nodes keep for backward."""
        for node in self.nodes:
            node.pullback, node.values, node.region = None, None, self
            if hasattr(node, "ctx"):
                node.ctx._saved_now = ()

    def recompute(self) -> None:
        """Run the forward again, and let the nodes have what its nodes keep.

        Raises:
            RuntimeError: if it records other ops than before.
        """
        rec = local.recorder
        before, rec.grad = rec.grad, True
        second = Region(self.again)
        try:
            with second:
                self.again()
        finally:
            rec.grad = before
        names, others = [n.name() for n in self.nodes], [n.name() for n in second.nodes]
        if names != others:
            raise RuntimeError(
                "torch.utils.checkpoint: A different number of tensors was saved during the original forward and recomputation.\n"
                f"Number of tensors saved during forward: {len(names)}\nNumber of tensors saved during recomputation: {len(others)}."
            )
        for node, other in zip(self.nodes, second.nodes, strict=True):
            node.trie, node.pullback, node.values, node.numbers = other.trie, other.pullback, other.values, other.numbers
            node.region = None
            if hasattr(node, "ctx"):
                node.ctx = other.ctx
        self.nodes = []
