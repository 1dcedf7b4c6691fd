"""Backward passes that were walked before from the same place of the trie: the tape is compared with them, not walked anew.

A training loop leaves the same tape behind at every step. Where a pass starts at a place of the trie from which one was
walked before, the ops it will record are known, if only the tape is the same. Comparing is a few comparisons a node, where
walking keeps a heap, sorts gradients by node and records op by op.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from torchlike._src.engine import tiering
from torchlike._src.engine.trace import Node as TrieNode, Recorder
from torchlike._src.engine.value import Value
from torchlike._src.tensor.tape import GradNode


class Route(NamedTuple):
    """What a pass came to.

    Attributes:
        steps: for each node in the order of the walk, its place in the trie, its number among what was met (the root first),
            and for each of its edges the number of what it leads to and of which output of that.
        leaves: which of what was met are leaves; for each the number of its gradient, from the first value of the pass on, and
            that gradient's `Aval`.
        size: how many values the pass adds.
        end: where it leaves the recorder.
        dead: stands for the values that nobody holds after the pass.
    """

    steps: tuple[tuple[TrieNode, int, tuple[tuple[int, int], ...]], ...]
    leaves: tuple[tuple[int, int, Any], ...]
    size: int
    end: TrieNode
    dead: Value


def _key(root: GradNode, number: int, start: Value, epoch: int) -> Any:
    return (root.trie, number, start.index if start.epoch == epoch else start.aval)


def _special(node: GradNode) -> bool:
    """Whether somebody takes part in the node's backward, or it is more than the pullback of an op."""
    return bool(
        node.hooks or node.retained or node.pre_hooks or node.post_hooks or node.packed or node.region or node.paths
        or node.forward_trace
    )  # fmt: skip


def follow(rec: Recorder, root: GradNode, number: int, start: Value, release: bool) -> list[tuple[Any, Value]] | None:
    """Record a pass all at once.

    Args:
        root: the node that it starts from, at output ``number``, with the gradient ``start``.
        release: free what the nodes keep, as a pass does that is not asked to retain the graph.

    Returns:
        The leaves with their gradients; None where no pass is known that fits this tape, and nothing was recorded.
    """
    rec.busy = True
    if rec.halted:
        rec.wait()
    try:
        known = rec.node.routes
        route = known.get(_key(root, number, start, rec.epoch)) if known is not None and not rec.eager else None
        met = None if route is None else _compared(route, root, rec.epoch)
        return None if met is None else _record(route, met, rec, start, release)  # type: ignore[arg-type]
    finally:
        rec.busy = False


def _compared(route: Route, root: GradNode, epoch: int) -> list[Any] | None:
    """Nodes and leaves of the tape in the order in which the walk meets them; None if it is not the tape of the route."""
    met: list[Any] = [root]
    for trie, at, targets in route.steps:
        node = met[at]
        # All of them were recorded in this trace: then their places in the trie say all but what the edges lead to.
        if node.trie is not trie or (pullback := node.pullback) is None or pullback.epoch != epoch or _special(node):
            return None
        if node.saved:
            for _, counter, version in node.saved:
                if counter.version != version:
                    return None
        for (target, k), (which, output) in zip(node.edges, targets):  # noqa: B905 - as many, since the op is the same
            if k != output:
                return None
            if which == len(met):
                met.append(target)
            elif met[which] is not target:
                return None
    return met if len({id(m) for m in met}) == len(met) else None


def _record(route: Route, met: list[Any], rec: Recorder, start: Value, release: bool) -> list[tuple[Any, Value]] | None:
    epoch, values = rec.epoch, rec.values
    size = len(values)
    if size + route.size > tiering.MAX_VALUES:
        return None
    made = [route.dead] * route.size
    if start.epoch != epoch:
        if start.data is None or start.aval.place is not rec.place or start.__class__ is not Value:
            return None
        start.epoch, start.index = epoch, size
        made[0] = start
    found = []
    for which, at, a in route.leaves:
        v = object.__new__(Value)
        v.aval, v.epoch, v.index = a, epoch, size + at
        made[at] = v
        found.append((met[which], v))
    values += made
    rec.node = route.end
    if release:
        for _, at, _ in route.steps:
            node = met[at]
            node.pullback = node.values = node.saved = None
    return found


class Survey:
    """Takes down a pass while it is walked."""

    def __init__(self, rec: Recorder, root: GradNode, number: int, start: Value) -> None:
        self.rec = rec
        self.epoch, self.start, self.size, self.count = rec.epoch, rec.node, len(rec.values), len(rec.numbers)
        self.key = _key(root, number, start, rec.epoch)
        self.numbers: dict[int, int] = {id(root): 0}
        self.steps: list[Any] = []
        self.fits = True

    def visit(self, node: GradNode) -> None:
        """Called before a node's backward runs."""
        if node.trie is None or node.pullback is None or node.pullback.epoch != self.epoch or _special(node):
            self.fits = False
        if not self.fits:
            return
        targets = tuple([(self.numbers.setdefault(id(t), len(self.numbers)), k) for t, k in node.edges])
        self.steps.append((node.trie, self.numbers[id(node)], targets))

    def keep(self, leaves: Sequence[tuple[Any, Any]]) -> None:
        """Called when the walk is over, with the gradient of each leaf, before any is delivered."""
        rec, size = self.rec, self.size
        if not self.fits or rec.epoch != self.epoch or len(rec.numbers) != self.count:
            return
        if not all(isinstance(g, Value) and g.epoch == self.epoch and g.index >= size for _, g in leaves):
            return
        places = tuple([(self.numbers[id(t)], g.index - size, g.aval) for t, g in leaves])
        if len({at for _, at, _ in places}) < len(places):
            return
        if self.start.routes is None:
            self.start.routes = {}
        self.start.routes[self.key] = Route(tuple(self.steps), places, len(rec.values) - size, rec.node, Value(None, ()))
