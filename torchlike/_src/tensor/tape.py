"""The tape: one node for each differentiable op that was recorded, linked to the nodes of its inputs.

Walking the tape (the backward pass) is `autograd/backward.py`'s job, which stands above Tensor.
"""

import functools
import itertools
import re
import traceback
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from torchlike._src.engine.program import ARRAY, Nest
from torchlike._src.engine.trace import Node as TrieNode, local
from torchlike._src.engine.value import Value
from torchlike._src.operators.registry import CONSTANT, LINEAR, NOTHING
from torchlike._src.tensor import devices

#: Numbers the nodes as they are made.
order = itertools.count()
_NAMESPACED = {"AccumulateGrad", "CopyBackwards", "CopySlices", "NotImplemented"}
_WRAPS_NUMBERS = {"add", "sub", "mul", "true_divide", "_where"}
_STATISTICS = {"running_mean", "running_var"}  # a layer's own, not inputs
_FLOAT = np.dtype(np.float32)
#: Not empty while anybody wants to know of each node that is made (anomaly detection, checkpoints, hooks on what is saved).
extras: list[Any] = []
#: Not empty from the first tensor on whose gradient goes nowhere.
nowhere: list[Any] = []


def edge_of(t: Any) -> tuple[Any, int]:
    """Where the gradient of a tensor goes: a node and which of its outputs, or a leaf and -1."""
    node = t._node
    if node is not None:
        return node, t._number
    return (t if t._leaf is None else t._leaf), -1


def goes_nowhere(t: Any) -> bool:
    """Whether the gradient of what says that it requires grad is dropped; see `views.require_nothing`."""
    return bool(nowhere) and t._node is None and t._leaf is not None and t._leaf._made == "nothing"


class Result(weakref.ref):
    """A result that its own node saves, held weakly."""

    __slots__ = ("kind", "number")  # set where the node's place in the trie does not tell


class ViewResult(Result):
    """One that was put into a view; torch's messages name the node through which the view shows it, while that lives."""

    __slots__ = ("shown_by",)

    def __init__(self, result: Any) -> None:
        self.shown_by = weakref.ref(result.grad_fn)


_DETACHED = (
    "Trying to use a saved tensor that has been detached in-place, i.e. with .detach_().This is not supported, please use "
    "out-of-place `.detach()` instead"
)

#: What of a node is there for the tensor whose ``grad_fn`` it is.
_OF_ITS_TENSOR = {"hooks", "pre_hooks", "post_hooks", "retained", "metadata"}


class GradNode:
    """A ``grad_fn``: how to get from gradients of results to gradients of inputs.

    Attributes:
        edges: for each input that needs a gradient, ``(node, number of its output)``, or ``(leaf tensor, -1)``.
        order: position on the tape; every node that it depends on has a smaller one.
        values: what the op read, kept for ``create_graph``; None once the node was used up.
        saved: ``(tensor, version)`` of what torch saves for backward, to notice writes in between.
    """

    # Class-level defaults, so that making a node sets only what every node has.
    saved: Any = None
    hooks: dict[int, Any] | None = None
    pre_hooks: dict[int, Callable[..., Any]] | None = None
    post_hooks: dict[int, Callable[..., Any]] | None = None
    retained: dict[int, Any] | None = None
    forward_trace: list[str] | None = None
    outputs = 1
    region: Any = None  # where it is computed anew before its backward
    without = 0  # the inputs, as a mask, that no gradient depends on, whatever is seen in the jaxpr of the backward
    paths: Any = None  # of a backward: what each gradient depends on, as a mask of its inputs
    had: Any = None  # of a write to a view: the node that showed the view before, which messages may name as long as it lives
    one: Any = None  # what the nodes of views that one function returned have in common: torch has one node for all
    packed: Any = None  # what hooks keep instead of what was saved
    duals: Any = None  # for each tensor that the op read, its tangents in forward mode

    grad_name = "Node"

    def __init__(
        self, trie: TrieNode | None, pullback: Value | None, inputs: Sequence[Any], values: list[Value],
        numbers: Sequence[Any] | None,
    ) -> None:  # fmt: skip
        self.trie = trie
        self.pullback = pullback
        self.values: list[Value] | None = values
        self.numbers = numbers
        self.edges = [edge_of(t) for t in inputs]
        self.order = next(order)
        if extras:
            self.tell()

    def tell(self) -> None:
        """Let those in `extras` know that the node was made."""
        modes = local.recorder.modes
        if modes.get("anomaly"):
            self.forward_trace = traceback.format_stack()[:-3]
        for region in modes.get("regions", ()):
            region.nodes.append(self)

    def save_result(self, result: Any) -> None:
        """The op's own result is saved too; weakly, since the result holds this node."""
        counter = result._counter()
        holder = Result(result) if result._chain is None else ViewResult(result)
        self.saved = [*(self.saved or ()), (holder, counter, counter.version)]

    def check_saved(self) -> None:
        """Notice writes to what was saved.

        Raises:
            RuntimeError: in torch's words.
        """
        for holder, counter, version in self.saved or ():
            own = isinstance(holder, Result)
            if not own and holder._detached > self.order and holder._node is None:
                raise RuntimeError(_DETACHED)
            if counter.version != version:
                kind, number = self._result(holder) if own else (holder._aval(), holder._number)
                made = f" [{devices.type_name(kind)} {list(kind.shape)}]"
                node = self if own else holder.grad_fn
                if isinstance(holder, ViewResult):
                    node = holder.shown_by() or self
                origin = f", which is output {number} of {plain_name(node)}," if node is not None else ""
                hint = (
                    "the backtrace further above shows the operation that failed to compute its gradient. The variable in "
                    "question was changed in there or anywhere later. Good luck!"
                    if self.forward_trace
                    else "enable anomaly detection to find the operation that failed to compute its gradient, with "
                    "torch.autograd.set_detect_anomaly(True, check_nan=False)."
                )
                raise RuntimeError(
                    "one of the variables needed for gradient computation has been modified by an inplace operation:"
                    f"{made}{origin} is at version {counter.version}; expected version {version} instead. Hint: {hint}"
                )

    def _result(self, holder: Result) -> tuple[Any, int]:
        """Of which kind a result was when it was saved, and which of the node's."""
        if self.trie is None:
            return holder.kind, holder.number
        call = self.trie.call
        numbers = [k for k, needs in call.kernel.saves_results if needs < 0 or call.template[needs] is ARRAY]
        own = [h for h, _, _ in self.saved if isinstance(h, Result)]
        number = numbers[own.index(holder) % len(numbers)]  # in place, the result is saved once more, as what was written to
        return self.trie.outs[number], number

    def pass_by(self, view: Any, had: Any) -> None:
        """If the first gradient is of a view that the op writes to, let it go to the view's base at once, as in torch: the
        ``grad_fn`` that the view ``had``, those of the views between, their hooks and what they retain have no part in it."""
        if view._base_tensor is None or had is None:
            return
        self.had = had
        if self.edges[0][0] is not had:
            return
        end, node = view._base_tensor._node, self
        made: list[GradNode] = []
        for _ in view._chain:
            first, number = node.edges[0]
            if first is end or number < 0:
                break
            own = first.__class__.__new__(first.__class__)
            own.__dict__.update({k: v for k, v in first.__dict__.items() if k not in _OF_ITS_TENSOR})
            own.edges = list(first.edges)
            node.edges[0] = own, number
            made.append(own)
            node = own
        for node in (*reversed(made), self):
            node.order = next(order)

    def release(self) -> None:
        """Let go of everything kept for backward."""
        self.pullback = self.values = self.saved = self.packed = self.duals = self.had = None

    @property
    def avals(self) -> list[Any]:
        """The kinds of what the op read; the path to it in the trie knows them."""
        made: list[Any] = []
        for node in self.trie.path():  # type: ignore[union-attr]
            made += [*node.enters, *node.outs]
        return [made[r] for r in self.trie.refs]  # type: ignore[union-attr]

    @property
    def released(self) -> bool:
        return self.values is None

    def name(self) -> str:
        """The node's name, e.g. ``"MulBackward0"``."""
        return f"torch::autograd::{self.grad_name}" if self.grad_name in _NAMESPACED else self.grad_name

    @functools.cached_property
    def metadata(self) -> dict[Any, Any]:
        return {}

    def inputs(self) -> list[int | None]:
        """For each differentiable input of the op, which of the ``edges`` belongs to it; None if it needs no gradient."""
        if self.trie is None:
            return list(range(len(self.edges)))
        call, mask = self.trie.call, self.trie.mask
        bits, edge = 0, 0
        out: list[int | None] = []
        params = call.kernel.params
        # Where it has a place though it was not given: the weight and bias of layers, the other bound of a clamp.
        layer = any(p.name == "bias" for p in params)
        clamp = any(p.kind == "operand?" and item is ARRAY for p, item in zip(params, call.template, strict=True))
        for param, item in zip(params, call.template, strict=True):
            if param.name in _STATISTICS:
                bits += item is ARRAY
                continue
            if item is None and ((param.kind == "tensor?" and layer) or (param.kind == "operand?" and clamp)):
                out.append(None)
                continue
            for one in item if item.__class__ is Nest else (item,):  # pyright: ignore[reportOptionalIterable]
                if one is ARRAY:
                    if mask >> bits & 1:
                        out.append(edge)
                        edge += 1
                    elif self.values is None or getattr(self.values[bits].aval, "dtype", _FLOAT).kind in "fcV":
                        out.append(None)
                    bits += 1
                elif param.kind == "operand" and call.kernel.name in _WRAPS_NUMBERS:
                    out.append(None)  # torch makes a tensor of the number
        return out

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        edges = [(n, k) if k >= 0 else (None if n._made == "nothing" else accumulator(n), 0) for n, k in self.edges]
        return tuple([(None, 0) if i is None else edges[i] for i in self.inputs()])

    def register_hook(self, fn: Callable[..., Any]) -> "RemovableHandle":
        """``fn(grad_inputs, grad_outputs)`` runs after the node's gradients are there; it may replace them."""
        if self.post_hooks is None:
            self.post_hooks = {}
        return RemovableHandle(self.post_hooks, fn)

    def register_prehook(self, fn: Callable[..., Any]) -> "RemovableHandle":
        """``fn(grad_outputs)`` runs before the node; it may replace them."""
        if self.pre_hooks is None:
            self.pre_hooks = {}
        return RemovableHandle(self.pre_hooks, fn)

    def take_shortcut(self, instead: dict[str, Any]) -> None:
        """Give other gradients than the op's derivative, by parameter; see `shortcut` of `registry.op`."""
        call, mask = self.trie.call, self.trie.mask  # type: ignore[union-attr]
        ways: list[str | None] = []
        for param, item in zip(call.kernel.params, call.template, strict=True):
            way = instead.get(param.name)
            count = sum(i is ARRAY for i in item) if item.__class__ is Nest else int(item is ARRAY)  # pyright: ignore[reportOptionalIterable]
            ways += way if isinstance(way, tuple) else [way] * count
        self.without = sum(1 << bit for bit, way in enumerate(ways) if way in (NOTHING, LINEAR))
        needy = [way for bit, way in enumerate(ways) if mask >> bit & 1]
        shortcuts = [None if edge is None else needy[edge] for edge in self.inputs()]

        if not {NOTHING, CONSTANT} & set(shortcuts):
            return

        def replaced(gradients: tuple[Any, ...], _: Any) -> tuple[Any, ...]:
            return tuple([
                None if how is NOTHING else g.detach() if how is CONSTANT and g is not None else g
                for g, how in zip(gradients, shortcuts, strict=True)
            ])  # fmt: skip

        self.register_hook(replaced)

    def __repr__(self) -> str:
        return f"<{self.grad_name} object at {id(self):#x}>"


def plain_name(node: Any) -> str:
    """A node's name as torch's messages give it: ``Mul`` for ``MulBackward0``, ``Prod1`` for ``ProdBackward1``."""
    return re.sub(r"Backward0?(\d*)$", r"\1", node.name())


@functools.cache
def node_class(name: str) -> type[GradNode]:
    """The class of nodes with a name: ``type(x.grad_fn).__name__`` is ``"MulBackward0"``, as in torch."""
    return type(name, (GradNode,), {"grad_name": name, "__module__": "torch.autograd"})


class AccumulateGrad:
    """The end of an edge: adds a gradient to a leaf's ``grad``. Made when somebody asks for it."""

    __slots__ = ("__weakref__", "post_hooks", "pre_hooks", "variable")

    def __init__(self, variable: Any) -> None:
        self.variable = variable
        self.pre_hooks: dict[int, Callable[..., Any]] = {}
        self.post_hooks: dict[int, Callable[..., Any]] = {}

    def name(self) -> str:
        return "torch::autograd::AccumulateGrad"

    @property
    def next_functions(self) -> tuple[()]:
        return ()

    def register_hook(self, fn: Callable[..., Any]) -> "RemovableHandle":
        """``fn((), grad_outputs)`` runs after the gradient was added."""
        return RemovableHandle(self.post_hooks, fn)

    def register_prehook(self, fn: Callable[..., Any]) -> "RemovableHandle":
        """``fn(grad_outputs)`` runs before the gradient is added; it may replace it."""
        return RemovableHandle(self.pre_hooks, fn)

    def __repr__(self) -> str:
        return f"<AccumulateGrad object at {id(self):#x}>"


def accumulator(leaf: Any) -> AccumulateGrad:
    """The node that adds gradients to a leaf's ``grad``; there is one for each leaf."""
    found = leaf._accumulator
    if found is None:
        found = leaf._accumulator = AccumulateGrad(leaf)
    return found


class RemovableHandle:
    """Returned when a hook is registered; ``remove()`` takes the hook out again. Also a context."""

    next_id = 0

    def __init__(self, hooks: dict[Any, Any], fn: Callable[..., Any] | None = None, *, extra_dict: Any = None) -> None:
        self.hooks_dict_ref = hooks
        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1
        self.extra_dict_ref = () if extra_dict is None else tuple(extra_dict) if isinstance(extra_dict, list) else (extra_dict,)
        if fn is not None:
            hooks[self.id] = fn

    def remove(self) -> None:
        """Take the hook out."""
        for hooks in (self.hooks_dict_ref, *self.extra_dict_ref):
            hooks.pop(self.id, None)

    def __getstate__(self) -> tuple[Any, int, tuple[Any, ...]]:
        return self.hooks_dict_ref, self.id, self.extra_dict_ref

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.hooks_dict_ref, self.id = state[0] or {}, state[1]
        self.extra_dict_ref = tuple(state[2]) if len(state) > 2 else ()
        RemovableHandle.next_id = max(RemovableHandle.next_id, self.id + 1)

    def __enter__(self) -> "RemovableHandle":
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()
