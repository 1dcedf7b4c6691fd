"""The backward pass: walking the tape from results to leaves.

Nodes are visited from the youngest to the oldest, which is a topological order since a node only depends on older ones.
Gradients are engine values while nobody asks to differentiate them; with ``create_graph`` they are Tensors, and each
node's backward is recorded as an op of (inputs, cotangents) that is itself differentiable.
"""

import heapq
import itertools
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from torchlike._src.autograd import routes, saving
from torchlike._src.autograd.dependence import dependence, without_empty
from torchlike._src.engine.program import ARRAY, Call, Nest, apply_pullback
from torchlike._src.engine.trace import local
from torchlike._src.operators import registry
from torchlike._src.operators.registry import OPS, Arrays, Numbers, ops
from torchlike._src.tensor import dtypes
from torchlike._src.tensor.core import Tensor, levels
from torchlike._src.tensor.devices import device_of
from torchlike._src.tensor.dispatch import Kernel, _new, record
from torchlike._src.tensor.strides import is_dense
from torchlike._src.tensor.tape import AccumulateGrad, GradNode, accumulator, goes_nowhere

FREED = (
    "Trying to backward through the graph a second time (or directly access saved tensors after they have already been freed). "
    "Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). Specify retain_graph=True if "
    "you need to backward through the graph a second time or if you need to access saved tensors after calling backward."
)


#: The 1 that most backward passes start from, by its aval: uploaded once.
_ones: dict[Any, Tensor] = {}


def initial_gradient(root: Tensor, given: Tensor | None, create_graph: bool) -> Tensor:
    """The gradient that the pass starts from at ``root``."""
    if given is None:
        if root.numel() != 1:
            raise RuntimeError("grad can be implicitly created only for scalar outputs")
        if not root.dtype.is_floating_point:
            raise RuntimeError(f"grad can be implicitly created only for real scalar outputs but got {root.dtype}")
        kind = root._aval()
        one = _ones.get(kind)
        if one is None:
            one = _ones[kind] = ops.ones_like(root)
        return one.detach() if create_graph else one
    if given.shape != root.shape:
        raise RuntimeError(
            f"Mismatch in shape: grad_output[0] has a shape of {given.shape} and output[0] has a shape of {root.shape}."
        )
    if given.dtype.is_complex != root.dtype.is_complex:
        raise RuntimeError(
            "For complex Tensors, both grad_output and output are required to have the same dtype. Mismatch in dtype: "
            f"grad_output[0] has a dtype of {given.dtype} and output[0] has a dtype of {root.dtype}."
        )
    return given if given.dtype is root.dtype else given.to(root.dtype)


def _started(roots: Sequence[Tensor], given: Sequence[Any], create_graph: bool) -> list[Tensor]:
    """The gradients that a pass starts from, checked."""
    for g in given:
        if g is not None and not isinstance(g, Tensor):
            raise TypeError(f"gradients can be either Tensors or None, but got {type(g).__name__}")
    if len(given) != len(roots):
        raise RuntimeError(f"got {len(roots)} tensors and {len(given)} gradients")
    needless = {id(r) for r, g in zip(roots, given, strict=True) if g is None and not r.requires_grad}
    started = [initial_gradient(r, g, create_graph) for r, g in zip(roots, given, strict=True) if id(r) not in needless]
    for i, r in enumerate(roots):
        if not r.requires_grad or goes_nowhere(r):
            raise RuntimeError(f"element {i} of tensors does not require grad and does not have a grad_fn")
    return started


class _Pass(threading.local):
    depth = 0
    #: Tells passes apart, for hooks that wait for several gradients.
    number = 0
    roots: Sequence[Tensor] = ()
    #: Callbacks to run at the end of the outermost pass.
    callbacks: list[Callable[[], None]] | None = None

    def reaches(self, t: Tensor) -> bool:
        """Whether the running pass can bring a gradient to ``t``."""
        target = t if t.grad_fn is None else t.grad_fn
        seen: set[int] = set()
        todo = [r.grad_fn or r for r in self.roots]
        while todo:
            node = todo.pop()
            if node is target:
                return True
            if id(node) not in seen and isinstance(node, GradNode):
                seen.add(id(node))
                todo += [n for n, _ in node.edges]
        return False


current = _Pass()
_numbers = itertools.count(1)


def run(
    roots: Sequence[Tensor], gradients: Sequence[Tensor], *, retain_graph: bool, create_graph: bool,
    inputs: Sequence[Tensor] | None, accumulate: bool,
) -> list[Any]:  # fmt: skip
    """Propagate ``gradients`` from ``roots``.

    Args:
        inputs: collect the gradients of these (and of nothing else); None means every leaf.
        accumulate: add gradients to ``grad``, as ``backward()`` does; else they are only returned.

    Returns:
        The gradients of ``inputs``, None where nothing arrived.
    """
    rec = local.recorder
    before = rec.grad
    rec.grad = create_graph
    retain_graph = retain_graph or create_graph
    create_graph = create_graph or bool(levels)  # gradients may be dual: they stay tensors, and backwards ops
    wanted: dict[Any, int] = {}
    collected: list[Any] = [None] * len(inputs or ())
    leaves: dict[int, tuple[Tensor, Any]] = {}
    if inputs is not None:
        for i, t in enumerate(inputs):
            node = t.grad_fn
            wanted.setdefault((id(t), -1) if node is None else (id(node), t._number), []).append(i)  # type: ignore[attr-defined]
    needed = _ancestors_of(roots, inputs, accumulate) if inputs is not None else None
    pending: dict[GradNode, list[Any]] = {}
    heap: list[tuple[int, GradNode]] = []
    current.depth += 1
    outermost = current.depth == 1
    simple = len(roots) == 1 and inputs is None and accumulate and not create_graph
    around = current.number, current.roots
    current.number, current.roots = next(_numbers), roots
    if outermost:
        current.callbacks = []

    survey: routes.Survey | None = None

    def send(target: Any, number: int, gradient: Any) -> None:
        if number < 0:
            if inputs is None or (id(target), -1) in wanted:
                seen = leaves.get(id(target))
                leaves[id(target)] = (target, gradient if seen is None else _add(seen[1], gradient))
            return
        if needed is not None and target not in needed:
            return
        slots = pending.get(target)
        if slots is None:
            slots = pending[target] = [None] * _outputs(target)
            heapq.heappush(heap, (-target.order, target))
        slots[number] = gradient if slots[number] is None else _add(slots[number], gradient)

    try:
        for root, g in zip(roots, gradients, strict=True):
            start = g if create_graph else g._value()
            node = root.grad_fn
            if simple and node is not None:
                found = routes.follow(rec, node, root._number, start, not retain_graph)
                if found is not None:
                    for leaf, gradient in found:
                        leaves[id(leaf)] = (leaf, gradient)
                    break
                survey = routes.Survey(rec, node, root._number, start)
            send(*((root if root._leaf is None else root._leaf, -1) if node is None else (node, root._number)), start)
        while heap:
            _, node = heapq.heappop(heap)
            cotangents = pending.pop(node)
            if survey is not None:
                survey.visit(node)
            goes_on = needed is None or any(n in needed if k >= 0 else (id(n), -1) in wanted for n, k in node.edges)
            if goes_on and wanted:  # as in torch, what is asked for here is what arrives before the hooks
                _collect(node, cotangents, wanted, collected)
            if node.hooks or node.retained or node.pre_hooks:
                cotangents = _run_hooks(node, cotangents, create_graph)
            if not goes_on:
                _collect(node, cotangents, wanted, collected)
                if not accumulate:
                    continue  # `backward(inputs=)` runs the node of a result that is asked for, to no use
            made = backward_of(node, cotangents, create_graph)
            if node.paths is not None:
                made = _along_paths(node, made, cotangents)
            if node.post_hooks:
                made = _run_post_hooks(node, made, cotangents, create_graph)
            if node.forward_trace is not None and rec.modes.get("check_nan", True):
                _check_nan(node, made)
            if not retain_graph:
                node.release()
            for (target, number), g in zip(node.edges, made, strict=True):
                if g is not None:
                    send(target, number, g)
        if survey is not None:
            survey.keep(list(leaves.values()))
        for leaf, g in leaves.values():
            _deliver(leaf, g, create_graph, accumulate and (inputs is None or (id(leaf), -1) in wanted), collected, wanted)
        if outermost:
            for callback in current.callbacks or ():
                callback()
    finally:
        rec.grad = before
        current.depth -= 1
        current.number, current.roots = around
        if outermost:
            current.callbacks = None
    return [None if g is None else as_tensor(g, create_graph) for g in collected]


def _collect(node: GradNode, cotangents: list[Any], wanted: dict[Any, Any], collected: list[Any]) -> None:
    for k, ct in enumerate(cotangents):
        for i in wanted.get((id(node), k), ()):
            collected[i] = ct


def _outputs(node: GradNode) -> int:
    return len(node.trie.outs) - 1 if node.trie is not None else node.outputs


def _ancestors_of(roots: Sequence[Tensor], inputs: Sequence[Tensor], accumulate: bool) -> set[GradNode]:
    """The nodes between the roots and the inputs; only these need to run, the last of them only if ``accumulate``."""
    targets = {id(t.grad_fn) if t.grad_fn is not None else id(t) for t in inputs}
    ones = {id(t.grad_fn.one) for t in inputs if t.grad_fn is not None and t.grad_fn.one is not None}
    reaches: dict[GradNode, bool] = {}
    stack: list[tuple[GradNode, bool]] = [(r.grad_fn, False) for r in roots if r.grad_fn is not None]

    def goes_on(node: GradNode) -> bool:
        return any((id(n) in targets) if k < 0 else reaches.get(n, False) for n, k in node.edges)

    while stack:
        node, expanded = stack.pop()
        if expanded:
            reaches[node] = id(node) in targets or id(node.one) in ones or goes_on(node)
            continue
        if node in reaches:
            continue
        reaches[node] = False
        stack.append((node, True))
        stack += [(n, False) for n, k in node.edges if k >= 0 and n not in reaches]
    found = {n for n, r in reaches.items() if r}
    for node in [n for n in found if n.grad_name == "CopySlices" and (accumulate or goes_on(n))]:
        # To torch what was written is a part of this node, and runs with it.
        while node.grad_name == "CopySlices" and node.trie is not None and node.trie.mask & 2 and node.edges[-1][1] >= 0:
            node = node.edges[-1][0]
            found.add(node)
    return found


def as_tensor(g: Any, create_graph: bool) -> Tensor:
    return g if isinstance(g, Tensor) else _new(g)


def _carry(t: Tensor, create_graph: bool) -> Any:
    """A gradient as a pass carries it: by its value, unless it has a history or is sparse."""
    return t if create_graph or t._layout is not None else t._value()


def _add(a: Any, b: Any) -> Any:
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        a, b = as_tensor(a, True), as_tensor(b, True)
        return b + a if a._layout is not None and b._layout is None else a + b  # sparse tensors are added to dense ones
    return record(_add_kernel(), (_new(a), _new(b), 1))._storage.value


_kernels: dict[str, Kernel] = {}


def _add_kernel() -> Kernel:
    found = _kernels.get("add")
    if found is None:
        found = _kernels["add"] = Kernel(OPS["add"])
    return found


def backward_of(node: GradNode, cotangents: list[Any], create_graph: bool) -> Sequence[Any]:
    """The gradients of a node's inputs."""
    if node.region is not None:
        node.region.recompute()
    if node.trie is None:
        return node.apply(cotangents, create_graph)  # type: ignore[attr-defined]
    if node.grad_name == "NotImplemented":  # at once, not when the program is traced
        raise RuntimeError(f"derivative for aten::{node.trie.call.kernel.name} is not implemented")
    if node.values is None and not saves_nothing(node):
        raise RuntimeError(FREED)
    if node.saved:
        try:
            node.check_saved()
        except RuntimeError:
            _explain_anomaly(node)
            raise
    if node.packed is not None:
        saving.unpack(node)
    if create_graph or node.values is None or node.packed is not None:
        made = _differentiable_backward(node, cotangents, create_graph)
        return made if create_graph else [g._value() for g in made]
    rec = local.recorder
    return rec.whole(lambda: rec.record_pullback(node.trie, node.pullback, cotangents))


def saves_nothing(node: GradNode) -> bool:
    """Whether torch keeps nothing for the node's backward, so that it can run again after the graph was freed."""
    kernel = node.trie.call.kernel
    if kernel.saves_nothing:
        return True
    if not kernel.saves_known or kernel.saves_results or kernel.keeps_more:
        return False
    places, mask = _places(node.trie.call), _kept_for(node)
    # torch makes a tensor of a number, and keeps it, unless there is an overload for numbers.
    numbers = getattr(kernel.grad_name, "numbers", ())
    kept = [needs for i, needs in kernel.saves if places[i] or kernel.params[i].name not in numbers]
    return not any(needs is None or any(places[k] & mask for k in needs) for needs in kept)


def _kept_for(node: GradNode) -> int:
    """The inputs, as a mask, for whose gradients torch keeps what they need: not those that go nowhere."""
    mask, edges = node.trie.mask, iter(node.edges)
    for i in range(mask.bit_length()):
        if mask >> i & 1:
            leaf, k = next(edges)
            if k < 0 and leaf._made == "nothing":
                mask ^= 1 << i
    return mask


def _places(call: Call) -> list[int]:
    """For each argument of a call, the mask of its arrays."""
    places: list[int] = []
    at = 0
    for item in call.template:
        n = sum(i is ARRAY for i in item) if item.__class__ is Nest else int(item is ARRAY)
        places.append(((1 << n) - 1) << at)
        at += n
    return places


def _paths(
    trie: Any, backward: Kernel, primals: Sequence[Any], cotangents: Sequence[Any], numbers: Any, without: int
) -> tuple[int, ...]:
    """For each gradient of an op, what it depends on in a differentiable way: a mask of what the op read, then of the cotangents.

    This is read off what JAX makes of the backward, and adds to it what the op declares, see `registry.op`: torch gives zeros,
    not None, where its formula for the gradient is differentiated though the derivative is zero.
    """
    structs = [v.aval.struct if hasattr(v, "aval") else v.struct for v in primals], [t._aval().struct for t in cotangents]
    places = _places(trie.call)

    def gradients(p: Any, c: Any) -> Any:
        return backward(tuple(p), tuple(c), numbers)

    empty = [0 in a.shape for group in structs for a in group]
    try:
        found = dependence(gradients, *(without_empty(structs) if any(empty) else structs))
    except Exception:  # the op was told these sizes
        if not any(empty):
            raise
        found = dependence(gradients, *structs)
        return tuple(found if all(empty) else _supposed(trie, places, structs, found))
    declared = 0
    for i in trie.call.kernel.depends:
        declared |= places[i]
    return tuple([(mask and mask | declared) & ~without for mask in found])


def _supposed(trie: Any, places: list[int], structs: tuple[list[Any], list[Any]], found: list[int]) -> list[int]:
    """What gradients depend on in torch, where JAX has dropped what something empty is made of: on the cotangents where nothing was
    left, and empty ones on what torch keeps."""
    kernel, (reads, cotangents) = trie.call.kernel, structs
    kept = (1 << len(reads)) - 1 if kernel.saves_results else 0
    for i, needs in kernel.saves:
        if needs is None or any(places[k] & trie.mask for k in needs):
            kept |= places[i]
    given = ((1 << len(cotangents)) - 1) << len(reads)
    inputs = [a for i, a in enumerate(reads) if trie.mask >> i & 1]
    nothing_comes = any(0 in c.shape for c in cotangents)
    return [
        (mask or given) | kept if 0 in a.shape else mask or (given if nothing_comes else 0)
        for mask, a in zip(found, inputs, strict=True)
    ]


def _differentiable_backward(node: GradNode, cotangents: list[Any], create_graph: bool) -> Sequence[Any]:
    """A node's backward as an op of its inputs and the cotangents; inputs that it does not depend on are constants."""
    trie = node.trie
    assert trie is not None
    call, mask = trie.call, trie.mask
    given = tuple([ct is not None for ct in cotangents])
    key = (mask, given)
    kernel = call.derived.get(key)
    if kernel is None:
        kernel = call.derived[key] = _vjp_kernel(call, mask, given, node.grad_name)
    some = [as_tensor(ct, create_graph) for ct in cotangents if ct is not None]
    numbers = tuple(node.numbers or ())
    read = node.avals if node.values is None else node.values
    known = (*key, trie.outs, tuple([v if node.values is None else v.aval for v in read]))
    paths = call.derived.get(known)
    if paths is None:
        paths = call.derived[known] = _paths(trie, kernel, read, some, numbers, node.without)
    needed = 0
    for path in paths:
        needed |= path
    edges = iter(node.edges)
    primals = []
    for i, v in enumerate(read):
        t = _new(v) if node.values is not None else _zeros(v)
        if mask >> i & 1:
            target, number = next(edges)
            if needed >> i & 1:
                t._requires_grad = True
                if number < 0:
                    t._leaf = target
                else:
                    t._node, t._number = target, number
        if node.duals is not None:
            t._tangents = node.duals[i]
        primals.append(t)
    some = [t if needed >> k & 1 else t.detach() for k, t in enumerate(some, len(primals))]
    made = record(kernel, (primals, some, numbers))
    made = made if isinstance(made, tuple) else (made,)
    for t, path in zip(made, paths, strict=True):
        if t._node is not None:
            t._node.paths = paths
            if not path:
                t._node, t._number, t._requires_grad = None, 0, False
    return made


def _along_paths(node: GradNode, made: Sequence[Any], cotangents: list[Any]) -> list[Any]:
    """The gradients that a backward's own backward makes, None where nothing leads to them from the cotangents given."""
    reached = 0
    for path, ct in zip(node.paths, cotangents, strict=True):
        if ct is not None:
            reached |= path
    mask = node.trie.mask  # type: ignore[union-attr]
    inputs = [i for i in range(mask.bit_length()) if mask >> i & 1]
    return [g if reached >> i & 1 else None for g, i in zip(made, inputs, strict=True)]


def _zeros(a: Any) -> Tensor:
    return ops.zeros(a.shape, dtype=dtypes.OF_NUMPY[a.dtype], device=device_of(a.place))


def _vjp_kernel(call: Call, mask: int, given: tuple[bool, ...], name: str) -> Kernel:
    def backward(primals: Arrays, cotangents: Arrays, numbers: Numbers) -> tuple[Any, ...]:
        outs, pullback = call.vjp(mask, primals, numbers, call)
        left = iter(cotangents)
        return apply_pullback(pullback, [next(left) if g else None for g in given], outs)

    backward.__name__ = f"{call.name}_backward"
    return Kernel(registry.anonymous(backward, grad_name=name.replace("Backward", "BackwardBackward")))


def _run_hooks(node: GradNode, cotangents: list[Any], create_graph: bool) -> list[Any]:
    """A node's hooks on the gradients of its outputs, in torch's order: tensor pre-hooks, retained grads, node pre-hooks."""
    for k, ct in enumerate(cotangents):
        hooks = list(((node.hooks or {}).get(k) or {}).values())
        if ct is None:
            for hook in hooks:
                if hook(None) is not None:
                    raise RuntimeError("can't replace a None gradient with a non-None value")
            continue
        t = as_tensor(ct, create_graph)
        for hook in hooks:
            answer = hook(t)
            if answer is not None:
                t = _checked(hook, answer, t)
        if node.retained and k in node.retained:
            owner = node.retained[k]()
            if owner is not None:
                owner._grad = t if owner._grad is None else owner._grad + t
        cotangents[k] = t if create_graph else t._value()
    if node.pre_hooks:
        given = tuple([None if ct is None else as_tensor(ct, create_graph) for ct in cotangents])
        for hook in list(node.pre_hooks.values()):
            given = _replaced(hook, hook(given), given)
        cotangents = [None if t is None else _carry(t, create_graph) for t in given]
    return cotangents


def _hook_name(hook: Any) -> str:
    return getattr(hook, "__name__", "<unknown>")


def _checked(hook: Any, answer: Any, before: Tensor) -> Tensor:
    if not isinstance(answer, Tensor):
        raise TypeError(f"expected Variable, but hook returned '{type(answer).__name__}'")
    if answer.dtype is not before.dtype:
        raise RuntimeError(f"hook '{_hook_name(hook)}' has changed the type of value (was {before.type()} got {answer.type()})")
    if answer.shape != before.shape:
        raise RuntimeError(f"hook '{_hook_name(hook)}' has changed the size of value")
    return answer


def _replaced(hook: Any, answer: Any, before: tuple[Any, ...]) -> tuple[Any, ...]:
    """What a node's hook returned, in place of the gradients it was given."""
    if answer is None:
        return before
    if len(before) == 1 and isinstance(answer, Tensor):
        return (answer,)
    if not isinstance(answer, tuple):
        raise TypeError(f"expected tuple, but hook returned '{type(answer).__name__}'")
    if len(answer) != len(before):
        raise RuntimeError(
            f"hook '{_hook_name(hook)}' has returned an incorrect number of values (got {len(answer)}, but expected {len(before)})"
        )
    return answer


def _run_post_hooks(node: GradNode, made: Sequence[Any], cotangents: list[Any], create_graph: bool) -> Sequence[Any]:
    """A node's hooks on the gradients of its inputs, where those that need none are None."""
    places = node.inputs()
    grads = tuple([None if i is None or made[i] is None else as_tensor(made[i], create_graph) for i in places])
    given = tuple([None if g is None else as_tensor(g, create_graph) for g in cotangents])
    for hook in list((node.post_hooks or {}).values()):
        grads = _replaced(hook, hook(grads, given), grads)
    return [None if g is None else _carry(g, create_graph) for g, i in zip(grads, places, strict=True) if i is not None]


def _check_nan(node: GradNode, made: Sequence[Any]) -> None:
    for k, g in enumerate(made):
        if g is not None and np.isnan(np.asarray(as_tensor(g, False).detach()._numpy("anomaly detection"))).any():
            _explain_anomaly(node)
            raise RuntimeError(f"Function '{node.grad_name}' returned nan values in its {k}th output.")


def _explain_anomaly(node: GradNode) -> None:
    if node.forward_trace:
        import warnings

        warnings.warn(
            f"Error detected in {node.grad_name}. Traceback of forward call that caused the error:\n{''.join(node.forward_trace)}",
            UserWarning,
            stacklevel=2,
        )


def _deliver(leaf: Tensor, g: Any, create_graph: bool, accumulate: bool, collected: list[Any], wanted: Any) -> None:
    """Bring a gradient to a leaf: through its hooks, then into ``grad`` or to whoever asked."""
    if not leaf._requires_grad:
        return
    if leaf._hooks:
        t = as_tensor(g, create_graph)
        for hook in list(leaf._hooks.values()):
            answer = hook(t)
            if answer is not None:
                t = _checked(hook, answer, t)
        g = _carry(t, create_graph)
    for i in wanted.get((id(leaf), -1), ()):
        collected[i] = g
    if not accumulate:
        return
    if leaf._node is not None:
        raise RuntimeError("leaf variable has been moved into the graph interior")
    node = leaf._accumulator
    if node is not None and node.pre_hooks:
        given: tuple[Any, ...] = (as_tensor(g, create_graph),)
        for hook in list(node.pre_hooks.values()):
            given = _replaced(hook, hook(given), given)
        g = _carry(given[0], create_graph)
    if leaf._grad_dtype != "own":
        g = _in_grad_dtype(leaf, g, create_graph)
    old = leaf._grad
    if old is None:
        leaf._grad = as_tensor(g, create_graph)
        if leaf._geometry is not None and is_dense(leaf._aval().shape, leaf._geometry[0]):
            leaf._grad._set_strides(leaf._geometry[0])
    elif create_graph or old._layout is not None or isinstance(g, Tensor):
        leaf._grad = _add(old, g)
    else:
        old._assign(record(_add_kernel(), (old.detach() if old._requires_grad else old, _new(g), 1)))
    if node is not None and node.post_hooks:
        for hook in list(node.post_hooks.values()):
            hook((), (as_tensor(g, create_graph),))
    if leaf._after_hooks:
        for hook in list(leaf._after_hooks.values()):
            hook(leaf)


def _in_grad_dtype(leaf: Tensor, g: Any, create_graph: bool) -> Any:
    """A gradient in the dtype that was asked for with `Tensor.grad_dtype`; None takes any."""
    wanted = leaf._grad_dtype
    return g if wanted is None else _carry(as_tensor(g, create_graph).to(wanted), create_graph)


def _sequence(gradients: Any, n: int) -> list[Any]:
    if gradients is None:
        return [None] * n
    if isinstance(gradients, Tensor):
        return [gradients]
    return list(gradients) if isinstance(gradients, (tuple, list)) else [gradients]


def _carried(roots: list[Any], given: list[Any]) -> tuple[list[Any], list[Any]]:
    """What autograd sees in place of the roots and their gradients: of sparse tensors the values."""
    if len(given) == len(roots):
        given = [r._carried(g) for r, g in zip(roots, given, strict=True)]
    return [r._carrier() for r in roots], given


def backward(
    tensors: Any, grad_tensors: Any = None, retain_graph: bool | None = None, create_graph: bool = False,
    grad_variables: Any = None, inputs: Any = None,
) -> None:  # fmt: skip
    """Add up the gradients of ``tensors`` in the leaves, as ``torch.autograd.backward``.

    Raises:
        RuntimeError: in torch's words, for a tensor without history, a non-scalar without a gradient, a graph that was freed.
    """
    roots = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    given = _sequence(grad_tensors, len(roots))
    if inputs is not None:
        inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
        if not inputs:
            raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
        inputs = [t._carrier() if isinstance(t, Tensor) else t for t in inputs]
        for t in inputs:
            if isinstance(t, Tensor) and not (t.requires_grad and t.is_leaf):
                t.retain_grad()
    roots, given = _carried(roots, given)
    started = _started(roots, given, create_graph)
    retain = create_graph if retain_graph is None else retain_graph
    run(roots, started, retain_graph=retain, create_graph=create_graph, inputs=inputs, accumulate=True)


def grad(
    outputs: Any, inputs: Any, grad_outputs: Any = None, retain_graph: bool | None = None, create_graph: bool = False,
    only_inputs: bool = True, allow_unused: bool | None = None, is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:  # fmt: skip
    """The gradients of ``outputs`` with respect to ``inputs``, as ``torch.autograd.grad``.

    Returns:
        One tensor for each input; None for an unused one with ``allow_unused``.

    Raises:
        RuntimeError: for an input that is not in the graph, or needs no gradient.
    """
    roots = [outputs] if isinstance(outputs, (Tensor, GradientEdge)) else list(outputs)
    targets = [inputs] if isinstance(inputs, (Tensor, GradientEdge)) else list(inputs)
    targets = [t.tensor() if isinstance(t, GradientEdge) else t for t in targets]
    roots = [r.tensor() if isinstance(r, GradientEdge) else r for r in roots]
    given = _sequence(grad_outputs, len(roots))
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False."
        )
    allow_unused = materialize_grads if allow_unused is None else allow_unused
    if is_grads_batched:
        rows = [grad(roots, targets, [g[i] for g in given], True, create_graph, True, allow_unused) for i in range(len(given[0]))]
        return tuple([ops.stack(list(column)) if column[0] is not None else None for column in zip(*rows, strict=True)])
    roots, given = _carried(roots, given)
    started = _started(roots, given, create_graph)
    for t in targets:
        if not t.requires_grad:
            raise RuntimeError("One of the differentiated Tensors does not require grad")
    retain = create_graph if retain_graph is None else retain_graph
    carriers = [t._carrier() for t in targets]
    found = run(roots, started, retain_graph=retain, create_graph=create_graph, inputs=carriers, accumulate=False)
    for i, g in enumerate(found):
        if g is not None:
            found[i] = targets[i]._as_gradient(g)
        elif materialize_grads:
            found[i] = ops.zeros_like(targets[i], requires_grad=create_graph)
        elif not allow_unused:
            raise RuntimeError(
                f"The differentiated Tensor at index {i} appears to not have been used in the graph. Set allow_unused=True if "
                "this is the desired behavior."
            )
    return tuple(found)


class GradientEdge(NamedTuple):
    """A place in the graph: a node and the number of its output."""

    node: GradNode | AccumulateGrad
    output_nr: int
    ownership_token: Any = None

    def tensor(self) -> Tensor:
        """A tensor that stands for this place, in `grad`."""
        if isinstance(self.node, AccumulateGrad):
            return self.node.variable
        t = Tensor.__new__(Tensor)
        t._node, t._number, t._requires_grad = self.node, self.output_nr, True
        return t


def gradient_edge(tensor: Tensor) -> GradientEdge:
    """The place of a tensor that needs a gradient.

    Raises:
        RuntimeError: if it needs none.
    """
    if not tensor.requires_grad:
        raise RuntimeError("It is not possible to get the gradient edge for a Tensor that does not require gradients")
    node = tensor.grad_fn
    return GradientEdge(accumulator(tensor), 0) if node is None else GradientEdge(node, tensor.output_nr)


class DeviceCopy(GradNode):
    """The tape node of a copy to another device: the gradient goes back to where the input is."""

    grad_name = "ToCopyBackward0"

    def __init__(self, source: Tensor, place: Any) -> None:
        super().__init__(None, None, [source], [], None)
        self.place = place

    def apply(self, cotangents: list[Any], create_graph: bool) -> Sequence[Any]:
        (g,) = cotangents
        back = as_tensor(g, create_graph).to(device_of(self.place))
        return (back if create_graph else back._value(),)


def _tensor_backward(
    self: Tensor, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False, inputs: Any = None
) -> None:
    """Add up gradients in the leaves; see ``torch.Tensor.backward``."""
    backward(self, gradient, retain_graph, create_graph, inputs=inputs)


_tensor_backward.__qualname__ = "Tensor.backward"  # what Python's messages call it
Tensor.backward = _tensor_backward  # type: ignore[attr-defined]
