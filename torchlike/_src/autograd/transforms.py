"""Transforms of functions, as ``torch.func`` has them: gradients, Jacobian products, Jacobians, and `vmap`.

Reverse mode runs on the tape, from leaves of its own; forward mode and ``vmap`` on levels (`forward_mode.py`, `batching.py`).
So they nest in any order. Arguments and results are structures of tensors.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from torchlike._src.autograd import batching, forward_mode
from torchlike._src.autograd.backward import grad as tape_grad
from torchlike._src.engine.trace import local
from torchlike._src.operators.registry import ops
from torchlike._src.tensor.core import Tensor, levels
from torchlike._src.tensor.dispatch import _new
from torchlike._src.tensor.tape import GradNode

Argnums = int | tuple[int, ...]


class Structure:
    """Nested tuples, lists and dictionaries without their leaves."""

    def __init__(self, kind: Any, keys: Any, children: "Sequence[Structure]") -> None:
        self.kind, self.keys, self.children = kind, keys, children

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Structure) and self._key() == other._key()

    __hash__ = None  # type: ignore[assignment]

    def _key(self) -> Any:
        return self.kind, self.keys, [c._key() for c in self.children]

    def fill(self, leaves: Iterator[Any]) -> Any:
        """The structure with leaves."""
        if self.kind is None:
            return next(leaves)
        made = [c.fill(leaves) for c in self.children]
        if self.keys is not None:
            return self.kind(zip(self.keys, made, strict=True))
        return self.kind(*made) if hasattr(self.kind, "_make") else self.kind(made)

    def __repr__(self) -> str:
        if self.kind is None:
            return "*"
        inner = ", ".join(map(repr, self.children))
        return f"TreeSpec({self.kind.__name__}, {None if self.keys is None else list(self.keys)}, [{inner}])"

    def __str__(self) -> str:
        if self.kind is None:
            return "*"
        if self.keys is not None:
            return "{" + ", ".join(f"{k!r}: {c}" for k, c in zip(self.keys, self.children, strict=True)) + "}"
        inner = ", ".join(map(str, self.children))
        return f"[{inner}]" if self.kind is list else f"({inner}{',' * (len(self.children) == 1)})"


_LEAF = Structure(None, None, ())


def _flatten(tree: Any) -> tuple[list[Any], Structure]:
    if isinstance(tree, dict):
        parts, kind, keys = list(tree.values()), type(tree), tuple(tree)
    elif isinstance(tree, (tuple, list)):
        parts, kind, keys = list(tree), type(tree), None
    else:
        return [tree], _LEAF
    flat = [_flatten(p) for p in parts]
    return [leaf for leaves, _ in flat for leaf in leaves], Structure(kind, keys, [s for _, s in flat])


def _unflatten(structure: Structure, leaves: Sequence[Any]) -> Any:
    return structure.fill(iter(leaves))


def _map(fn: Callable[[Any], Any], tree: Any) -> Any:
    leaves, structure = _flatten(tree)
    return _unflatten(structure, [fn(leaf) if isinstance(leaf, Tensor) else leaf for leaf in leaves])


class _recording:
    """A context in which ops go on the tape; ``outside`` tells whether they did before."""

    def __enter__(self) -> bool:
        rec = local.recorder
        self.before = rec.grad
        rec.grad = True
        return self.before

    def __exit__(self, *_: object) -> None:
        local.recorder.grad = self.before


def _own(t: Any) -> Tensor:
    """A tensor that a transform differentiates with respect to: a leaf, or a step in the history that ``t`` has already."""
    if not isinstance(t, Tensor):
        raise ValueError(f"Thing passed to transform API must be Tensor, got {type(t)}")
    if t.requires_grad and local.recorder.grad:
        return t.view_as(t)
    new = _same(t)
    return new.requires_grad_()


def _same(t: Tensor) -> Tensor:
    """The same value and tangents, without the history that is on the tape of this level."""
    new = _new(t._value())
    if t._geometry is not None:
        new._set_strides(*t._geometry)
    if levels:
        levels[-1].carry(t, new, lambda tangent: tangent)
    return new


def _cut(t: Tensor, own: set[int], outside: bool) -> Tensor:
    """A result as those outside see it: with a history only if it depends on more than the transform's own leaves.

    What an op for one example recorded for all of them knows such leaves too, where they are the same for all.
    """
    keeps = t.requires_grad and outside and _reaches_out(t, own)
    value = t._value()
    whole = value.physical if isinstance(value, batching.Batched) else None
    cut = whole if whole is None else _cut(whole, own, outside)
    if cut is whole and keeps == t.requires_grad and not forward_mode.visible_tangents(t):
        return t
    new = _new(value) if cut is whole else batching.wrap(cut, value.level)  # type: ignore[arg-type, attr-defined]
    if t._geometry is not None:
        new._set_strides(*t._geometry)
    if levels:
        levels[-1].carry(t, new, lambda tangent: _cut(tangent, own, outside))
    if keeps:
        new._node, new._number, new._requires_grad = t._node, t._number, True
        new._leaf = None if t._node is not None else t if t._leaf is None else t._leaf
    return new


def _reaches_out(t: Tensor, own: set[int]) -> bool:
    seen: set[int] = set()
    todo: list[Any] = [t.grad_fn or t]
    while todo:
        node = todo.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, Tensor):
            if id(node) not in own:
                return True
        elif isinstance(node, GradNode):
            todo += [n for n, _ in node.edges]
    return False


def _chosen(args: tuple[Any, ...], argnums: Argnums) -> Any:
    """The arguments at ``argnums``: one, or a tuple.

    Raises:
        RuntimeError: for a number that there is no argument for.
    """

    def one(i: int) -> Any:
        if not -len(args) <= i < len(args):
            raise RuntimeError(f"Got argnum={i}, but only {len(args)} positional inputs")
        return args[i]

    if isinstance(argnums, int):
        return one(argnums)
    if not argnums:
        raise RuntimeError("argnums must be non-empty")
    chosen = tuple([one(i) for i in argnums])
    if len({i % len(args) for i in argnums}) != len(argnums):
        raise RuntimeError(f"argnums elements must be unique, got {argnums}")
    return chosen


def _replaced(args: tuple[Any, ...], argnums: Argnums, chosen: Any) -> tuple[Any, ...]:
    full = list(args)
    for i, new in zip((argnums,) if isinstance(argnums, int) else argnums, (chosen,) if isinstance(argnums, int) else chosen,
                      strict=True):  # fmt: skip
        full[i] = new
    return tuple(full)


def _split_aux(out: Any, has_aux: bool, name: str) -> tuple[Any, Any]:
    if not has_aux:
        return out, None
    if not (isinstance(out, tuple) and len(out) == 2):
        raise RuntimeError(f"{name}: output of function f should be a tuple: (output, aux) if has_aux is True")
    return out


def _check_tensors(leaves: Sequence[Any], name: str) -> None:
    if not leaves:
        raise RuntimeError(f"{name}: expected f to be a function that has non-empty output (got output = {list(leaves)})")
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            raise RuntimeError(f"{name}: expected f(*primals) to return only tensors, got unsupported type {type(leaf)}")


def _grads(outs: Sequence[Tensor], inputs: Sequence[Tensor], cotangents: Sequence[Any], create_graph: bool) -> list[Tensor]:
    """The gradients, zeros where nothing leads."""
    used = [(o, c) for o, c in zip(outs, cotangents, strict=True) if o.requires_grad]
    found: Sequence[Any] = [None] * len(inputs)
    if used:
        found = tape_grad([o for o, _ in used], inputs, [c for _, c in used], True, create_graph, allow_unused=True)
    return [ops.zeros_like(_same(t)) if g is None else g for g, t in zip(found, inputs, strict=True)]


def grad_and_value(func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The function that returns (gradient of ``func``, its value); with ``has_aux`` (gradient, (value, auxiliary output)).

    Args:
        func: returns a scalar tensor, or with ``has_aux`` a pair of that and anything.
        argnums: which arguments to differentiate with respect to; each may be a structure of tensors.
        has_aux: whether there is an auxiliary output.
    """

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        name = "grad_and_value(f)(*args)"
        with _recording() as outside:
            leaves, structure = _flatten(_chosen(args, argnums))
            own = [_own(t) for t in leaves]
            ids = set(map(id, own))
            out, aux = _split_aux(func(*_replaced(args, argnums, _unflatten(structure, own)), **kwargs), has_aux, name)
            if not isinstance(out, Tensor):
                raise RuntimeError(f"{name}: Expected f(*args) to return a Tensor, got {type(out)}")
            if out.ndim:
                raise RuntimeError(
                    f"{name}: Expected f(*args) to return a scalar Tensor, got tensor with {out.ndim} dims. Maybe you wanted to use "
                    "the vjp or jacrev APIs instead?"
                )
            found = _grads([out], own, [None], create_graph=True)
            result = _unflatten(structure, [_cut(g, ids, outside) for g in found])
            value = _cut(out, ids, outside)
            return result, ((value, _map(lambda t: _cut(t, ids, outside), aux)) if has_aux else value)

    return wrapper


def grad(func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The gradient of ``func`` as a function; see `grad_and_value`. With ``has_aux`` it returns (gradient, auxiliary output).

    Examples:
        >>> grad(lambda x: x**3)(torch.tensor(2.0))
        tensor(12.)
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        result, value = both(*args, **kwargs)
        return (result, value[1]) if has_aux else result

    return wrapper


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """(output, function from cotangents to gradients of the primals); with ``has_aux`` the auxiliary output comes third."""
    return _vjp(func, primals, None, has_aux)


def _vjp(func: Callable[..., Any], args: tuple[Any, ...], argnums: Argnums | None, has_aux: bool) -> Any:
    name = "vjp(f, *primals)"
    with _recording() as outside:
        leaves, structure = _flatten(args if argnums is None else _chosen(args, argnums))
        own = [_own(t) for t in leaves]
        ids = set(map(id, own))
        given = _unflatten(structure, own)
        out, aux = _split_aux(func(*(given if argnums is None else _replaced(args, argnums, given))), has_aux, name)
        outs, out_structure = _flatten(out)
        _check_tensors(outs, name)
        for o in outs:
            if not (o.is_floating_point() or o.is_complex()):
                raise RuntimeError(
                    "vjp(f, ...): All outputs of f must be floating-point or complex Tensors, got Tensor with dtype "
                    + str(o.dtype)
                )
        results = _unflatten(out_structure, [_cut(o, ids, outside) for o in outs])
        aux = _map(lambda t: _cut(t, ids, outside), aux)

    def pullback(cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        flat, given_structure = _flatten(cotangents)
        if given_structure != out_structure:
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of outputs to the function. "
                f"cotangents: {given_structure}, primal output: {out_structure}"
            )
        outside = local.recorder.grad
        found = _grads(outs, own, flat, outside if create_graph is None else create_graph)
        return _unflatten(structure, [_cut(g, ids, outside) for g in found])

    return (results, pullback, aux) if has_aux else (results, pullback)


def jvp(func: Callable[..., Any], primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False) -> Any:
    """(output, its derivative in the direction of ``tangents``), by forward mode; with ``has_aux`` the auxiliary output comes third.

    Args:
        primals: the arguments, a tuple.
        tangents: of the same structure and shapes.
        strict: raise RuntimeError if an output does not depend on the inputs, instead of returning zeros.
        has_aux: whether ``func`` returns a pair, of which only the first is differentiated.
    """
    return _jvp(func, primals, tangents, None, strict, has_aux)


def _jvp(func: Any, primals: Any, tangents: Any, argnums: Argnums | None, strict: bool, has_aux: bool) -> Any:
    name = "jvp(f, primals, tangents)"
    if not isinstance(primals, tuple):
        raise RuntimeError(f"{name}: Expected primals to be a tuple. E.g. it should be valid to call f(*primals).")
    flat, structure = _flatten(primals if argnums is None else _chosen(primals, argnums))
    moving, moving_structure = _flatten(tangents)
    if structure != moving_structure:
        raise RuntimeError(
            f"{name}: Expected primals and tangents to have the same python structure. For example, if primals is a tuple of 3 "
            f"tensors, tangents also must be. Got primals with structure {structure!r} and tangents with structure "
            f"{moving_structure!r}"
        )
    for what, leaves in (("primals", flat), ("tangents", moving)):
        if not leaves:
            raise RuntimeError(f"{name}: Expected {what} to contain at least one Tensor.")
        for leaf in leaves:
            if not isinstance(leaf, Tensor):
                raise RuntimeError(f"{name}: Expected {what} to only contain Tensors, got {type(leaf)}")
            if not (leaf.is_floating_point() or leaf.is_complex()):
                raise ValueError(f"Expected {what[:-1]} to be floating point or complex, but got: {leaf.dtype}")
    with forward_mode.opened() as level:
        duals = _unflatten(structure, [forward_mode.make_dual(p, t, level.index) for p, t in zip(flat, moving, strict=True)])
        out, aux = _split_aux(func(*(duals if argnums is None else _replaced(primals, argnums, duals))), has_aux, name)
        outs, out_structure = _flatten(out)
        _check_tensors(outs, name)
        values, moved = [], []
        for o in outs:
            value, tangent = forward_mode.unpack(o, level.index)
            if tangent is None:
                if strict:
                    raise RuntimeError(
                        "jvp(f, primals, tangents, strict=True): The output of f is independent of the inputs. This is not allowed "
                        "with strict=True."
                    )
                tangent = ops.zeros_like(value.detach())
            values.append(value)
            moved.append(tangent)
        aux = _map(lambda t: forward_mode.unpack(t, level.index)[0], aux)
    result = _unflatten(out_structure, values), _unflatten(out_structure, moved)
    return (*result, aux) if has_aux else result


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """(output, the function from tangents of the primals to the tangent of the output)."""
    flat, structure = _flatten(primals)
    output = func(*primals)

    def pushforward(*tangents: Any) -> Any:
        moving, given = _flatten(tangents)
        if given != structure:
            raise RuntimeError(f"Expected the tangents {given!r} to have the same argspec as the primals {structure!r}")
        for i, (t, p) in enumerate(zip(moving, flat, strict=True)):
            for what in ("shape", "device", "dtype"):
                if getattr(t, what) != getattr(p, what):
                    raise RuntimeError(
                        f"tangent:{i} with {what} {getattr(t, what)} in flattened pytree doesn't match the {what} "
                        f"{getattr(p, what)} of the corresponding primal."
                    )
        return jvp(func, primals, tangents)[1]

    return output, pushforward


# Jacobians


def _refuse_complex(name: str, leaves: Any, is_input: bool) -> None:
    for i, t in enumerate(_flatten(leaves)[0]):
        if isinstance(t, Tensor) and t.is_complex():
            raise RuntimeError(
                f"{name}: Expected all {'inputs' if is_input else 'outputs'} to be real but received complex tensor at flattened "
                f"input idx: {i}"
            )


def _basis(tensors: Sequence[Tensor]) -> list[Tensor]:
    """For each tensor a batch of directions, such that together they are the standard basis of all elements."""
    total = sum(t.numel() for t in tensors)
    made, start = [], 0
    for t in tensors:
        rows = ops.zeros(total, t.numel(), dtype=t.dtype, device=t.device)
        rows[start : start + t.numel()] = ops.eye(t.numel(), dtype=t.dtype, device=t.device)
        made.append(rows.view(total, *t.shape))
        start += t.numel()
    return made


def jacrev(
    func: Callable[..., Any], argnums: Argnums = 0, *, has_aux: bool = False, chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Callable[..., Any]:  # fmt: skip
    """The Jacobian of ``func`` as a function, by reverse mode: one backward pass for all elements of the output, vectorised.

    Returns:
        For each output, of the output's structure, for each input: shape ``(*output, *input)``.
    """
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")

    @functools.wraps(func)
    def wrapper(*args: Any) -> Any:
        _refuse_complex("jacrev", args, True)
        out, pullback, *aux = _vjp(func, args, argnums, has_aux)
        outs, out_structure = _flatten(out)
        _refuse_complex("jacrev", outs, False)
        ins, structure = _flatten(_chosen(args, argnums))
        basis = _unflatten(out_structure, _basis(outs))
        rows, _ = _flatten(vmap(pullback, chunk_size=chunk_size)(basis))  # for each input (outputs' elements, *input)
        sizes = [o.numel() for o in outs]
        blocks = [
            [b.view((*o.shape, *i.shape)) for b, o in zip(r.split(sizes, 0), outs, strict=True)]
            for r, i in zip(rows, ins, strict=True)
        ]
        result = _unflatten(out_structure, [_unflatten(structure, list(of_out)) for of_out in zip(*blocks, strict=True)])
        return (result, aux[0]) if has_aux else result

    return wrapper


def jacfwd(
    func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False, *, randomness: str = "error"
) -> Callable[..., Any]:
    """The Jacobian of ``func`` as a function, by forward mode: one pass for all elements of the inputs, vectorised."""

    @functools.wraps(func)
    def wrapper(*args: Any) -> Any:
        _refuse_complex("jacfwd", args, True)
        ins, structure = _flatten(_chosen(args, argnums))
        basis = _unflatten(structure, _basis(ins))

        def push(direction: Any) -> Any:
            value, *moved = _jvp(func, args, direction, argnums, False, has_aux)
            _refuse_complex("jacfwd", value, False)
            return tuple(moved) if has_aux else moved[0]

        made = vmap(push, randomness=randomness)(basis)
        aux = None
        if has_aux:
            made, aux = made
            aux = _map(lambda t: t[0], aux)
        outs, out_structure = _flatten(made)
        sizes = [i.numel() for i in ins]
        blocks = [
            _unflatten(
                structure,
                [b.reshape((*o.shape[1:], *i.shape)) for b, i in zip(o.movedim(0, -1).split(sizes, -1), ins, strict=True)],
            )
            for o in outs
        ]
        result = _unflatten(out_structure, blocks)
        return (result, aux) if has_aux else result

    return wrapper


def hessian(func: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """The Hessian of ``func`` as a function: forward over reverse mode."""
    return jacfwd(jacrev(func, argnums), argnums)


# vmap


def vmap(
    func: Callable[..., Any], in_dims: Any = 0, out_dims: Any = 0, randomness: str = "error", *, chunk_size: int | None = None
) -> Callable[..., Any]:
    """``func``, written for one example, for all examples at once: each op is recorded once, with `jax.vmap`.

    Args:
        func: takes and returns structures of tensors. It must not read values (`item`, conditions on data).
        in_dims: for each argument the dimension along which the examples lie, or None for what is the same for all; a
            structure for arguments that are structures.
        out_dims: the same for the results.
        randomness: ``"error"``, ``"different"`` or ``"same"`` random numbers for the examples.
        chunk_size: how many examples at once; all by default.
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}")
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")
    name = f"vmap({getattr(func, '__name__', repr(func))}, in_dims={in_dims}, ...)(<inputs>)"

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        flat, structure = _flatten((args, kwargs))
        dims = _in_dims(in_dims, args, kwargs, name)
        sizes = [t.shape[d] for t, d in zip(flat, dims, strict=True) if d is not None]
        if not sizes:
            raise ValueError("vmap: Expected at least one Tensor to vmap over")
        if len(set(sizes)) > 1:
            raise ValueError(
                f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes {sizes} for the mapped dimension"
            )
        if chunk_size is None or chunk_size >= sizes[0]:
            return _mapped(func, flat, structure, dims, sizes[0], out_dims, randomness)
        pieces = [t if d is None else t.split(chunk_size, d) for t, d in zip(flat, dims, strict=True)]
        made = []
        for k in range(-(-sizes[0] // chunk_size)):
            part = [p if d is None else p[k] for p, d in zip(pieces, dims, strict=True)]
            size = min(chunk_size, sizes[0] - k * chunk_size)
            made.append(_mapped(func, part, structure, dims, size, out_dims, randomness))
        out_structure = _flatten(made[0])[1]
        places = _broadcast(out_dims, made[0], "out_dims")
        columns = zip(*[_flatten(m)[0] for m in made], strict=True)
        return _unflatten(out_structure, [ops.cat(list(c), d or 0) for c, d in zip(columns, places, strict=True)])

    return wrapper


def _broadcast(dims: Any, tree: Any, what: str) -> list[Any]:
    """For each leaf of a tree its dimension, where ``dims`` is a tree that stops earlier."""
    if dims is None or isinstance(dims, int):
        return [dims] * len(_flatten(tree)[0])
    if isinstance(tree, dict) and isinstance(dims, dict) and dims.keys() == tree.keys():
        return [d for k in tree for d in _broadcast(dims[k], tree[k], what)]
    if isinstance(tree, (tuple, list)) and isinstance(dims, (tuple, list)) and len(dims) == len(tree):
        return [d for k, t in zip(dims, tree, strict=True) for d in _broadcast(k, t, what)]
    if isinstance(tree, Tensor) and isinstance(dims, (tuple, list)) and len(dims) == 1:
        return _broadcast(dims[0], tree, what)
    raise ValueError(
        f"vmap: {what} is not compatible with the structure of the {'inputs' if what == 'in_dims' else 'outputs'}: {dims}"
    )


def _in_dims(in_dims: Any, args: tuple[Any, ...], kwargs: dict[str, Any], name: str) -> list[int | None]:
    """For each flat argument its batched dimension, counted from the front; keyword arguments are batched along the first."""
    if not isinstance(in_dims, (int, tuple, list, dict)):
        raise ValueError(f"{name}: expected `in_dims` to be int or a (potentially nested) tuple matching the structure of inputs, "
                         f"got: {type(in_dims)}.")  # fmt: skip
    if not args and not kwargs:
        raise ValueError(f"{name}: got no inputs. Maybe you forgot to add inputs, or you are trying to vmap over a function with no "
                         "inputs. The latter is unsupported.")  # fmt: skip
    found = [
        *_broadcast(tuple(in_dims) if isinstance(in_dims, list) else in_dims, args, "in_dims"),
        *_broadcast(0, kwargs, "in_dims"),
    ]
    out: list[int | None] = []
    for t, d in zip(_flatten((args, kwargs))[0], found, strict=True):
        if d is None or (not isinstance(t, Tensor) and isinstance(in_dims, int)):
            out.append(None)
            continue
        if not isinstance(t, Tensor):
            raise ValueError(
                f"{name}: Got in_dim={d} for an input but the input is of type {type(t)}. We cannot vmap over non-Tensor arguments, "
                "please use None as the respective in_dim"
            )
        if not -t.ndim <= d < t.ndim:
            raise ValueError(
                f"{name}: Got in_dim={d} for some input, but that input is a Tensor of dimensionality {t.ndim} so expected in_dim to "
                f"satisfy -{t.ndim} <= in_dim < {t.ndim}."
            )
        out.append(d % t.ndim)
    return out


def _enter(t: Tensor, level: int) -> Tensor:
    """A tensor for one example; its tangents are tensors for one example, too, so that forward mode comes first in every op."""
    made = batching.wrap(forward_mode.without_tangents(t), level)
    for k, tangent in forward_mode.visible_tangents(t).items():
        forward_mode.set_tangent(made, _enter(tangent, level), k)
    return made


def _leave(t: Tensor, level: int) -> Tensor:
    """The tensor of all examples."""
    found = forward_mode.visible_tangents(t)
    whole = batching.physical(t, level)
    if found:
        whole = forward_mode.without_tangents(whole)
        for k, tangent in found.items():
            forward_mode.set_tangent(whole, _leave(tangent, level), k)
    return whole


def _mapped(
    func: Any, flat: Sequence[Any], structure: Any, dims: Sequence[Any], size: int, out_dims: Any, randomness: str
) -> Any:
    with forward_mode.opened(size, randomness) as level:
        given = [t if d is None else _enter(t.movedim(d, 0), level.index) for t, d in zip(flat, dims, strict=True)]
        args, kwargs = _unflatten(structure, given)
        outs, out_structure = _flatten(func(*args, **kwargs))
        for o in outs:
            if not isinstance(o, Tensor):
                raise ValueError(
                    f"vmap({getattr(func, '__name__', repr(func))}, ...): `{getattr(func, '__name__', repr(func))}` must only return "
                    f"Tensors, got type {type(o)}. Did you mean to set out_dims= to None for output?"
                )
        places = _broadcast(out_dims, _unflatten(out_structure, outs), "out_dims")
        results = [o if d is None else _leave(o, level.index).movedim(0, d) for o, d in zip(outs, places, strict=True)]
        outs, o, given, args, kwargs = [], None, [], (), {}  # else what was written to would live on
        level.refuse_escape()
    return _unflatten(out_structure, results)
