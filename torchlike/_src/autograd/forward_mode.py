"""Forward mode: tensors that carry tangents, and the ops that carry them on.

A dual tensor is a Tensor that has a tangent, which is a Tensor too, at one or several *levels*. While a level is open,
`dispatch.record` shows it every op first. An op with a dual input is then recorded twice: as it is, and as an op of the same
arguments and the tangents, whose pure function is `jax.jvp` of the op's own (`Derivative`). A program that computes both
computes what they share once. Tangents may be dual at lower levels and have a history like any tensor, so forward mode
composes with itself and with the tape.

A view's tangent is the same view of its source's tangent. Writing to a dual tensor writes to its tangent. So tangents follow
views and in-place ops by the rules of storage, as the values do.
"""

import contextlib
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from torchlike._src.autograd import batching
from torchlike._src.engine.trace import local
from torchlike._src.operators.registry import Param, ops
from torchlike._src.tensor import reading, view_functions, views
from torchlike._src.tensor.core import Tensor, levels
from torchlike._src.tensor.dispatch import Kernel, first_reading, record
from torchlike._src.tensor.layouts import contiguous_format

#: No level is hidden.
ALL = 1 << 30


class Level:
    """An open level of forward mode or, with a ``size``, of ``vmap``. The last of `levels` speaks for all of them.

    Attributes:
        size: how many examples there are; None for forward mode.
        randomness: whether random ops draw the same numbers for all examples: ``"same"``, ``"different"``, or ``"error"``.
    """

    def __init__(self, size: int | None = None, randomness: str = "same") -> None:
        self.index, self.size, self.randomness = len(levels), size, randomness
        self._duals: list[weakref.ref[Tensor]] = []
        self._replaced: list[tuple[weakref.ref[Any], Any]] = []
        self._carried: list[dict[int, Tensor]] = []  # what nodes of the tape know of tangents
        levels.append(self)

    def close(self) -> None:
        """Take away the tangents of this level. Only the last level may be closed."""
        levels.pop()
        for reference in self._duals:
            t = reference()
            if t is not None and t._tangents:
                t._tangents.pop(self.index, None)
        for found in self._carried:
            found.pop(self.index, None)

    def record(self, kernel: Kernel, args: Sequence[Any]) -> Any:
        """Record an op with dual inputs; None if there are none at the levels that are visible."""
        if local.recorder.inference:
            return batching.record_batched(kernel, args)
        tensors = [t for a in args for t in (a if isinstance(a, (tuple, list)) else (a,)) if isinstance(t, Tensor)]
        modes = local.recorder.modes
        limit = modes.get("forward", ALL)
        carried = [visible_tangents(t) for t in tensors]
        top = max((i for found in carried for i in found), default=-1)
        if top < 0:
            return batching.record_batched(kernel, args)
        modes["forward"] = top  # what is recorded here sees the lower levels only
        try:
            made = record(kernel, args)
            results = made if isinstance(made, tuple) else (made,)
            if results[0] is not None and results[0]._node is not None:
                results[0]._node.duals = carried
                for found in carried:
                    for i in found:
                        levels[i]._carried.append(found)
            changing = [r for r in results if r is not None and r._aval().dtype.kind in "fcV"]
            if not kernel.differentiable or not changing:
                return made
            tangents = iter([found.get(top) for found in carried])
            places = tuple(
                [
                    tuple([isinstance(t, Tensor) and next(tangents) is not None for t in a])
                    if isinstance(a, (tuple, list))
                    else isinstance(a, Tensor) and next(tangents) is not None
                    for a in args
                ]
            )
            given = [found[top] for found in carried if top in found]
            moved = record(_derivative(kernel, places), (*args, given))
        finally:
            modes["forward"] = limit
        for r, t in zip(changing, moved if isinstance(moved, tuple) else (moved,), strict=True):
            if r._geometry is not None:
                t._set_strides(*r._geometry)
            set_tangent(r, t, top)
        return made

    def tangent(self, t: Tensor) -> Tensor | None:
        """A tensor's tangent at this level."""
        return visible_tangents(t).get(self.index)

    def detach(self, t: Tensor) -> Tensor | None:
        """A batched tensor without history; None for any other."""
        return batching.detach(t) if self.is_batched(t) else None

    def whole(self, t: Tensor) -> Tensor:
        """The tensor of all examples of all levels that ``t`` stands for."""
        while self.is_batched(t):
            t = t._value().physical  # type: ignore[attr-defined]
        return t

    def is_batched(self, t: Tensor) -> bool:
        """Whether a tensor stands for the examples of a ``vmap``."""
        return batching.level_of(t) >= 0

    def is_dual(self, t: Any) -> bool:
        """Whether a tensor has a tangent at any level."""
        return isinstance(t, Tensor) and bool(visible_tangents(t))

    def carry(self, source: Tensor, target: Tensor, step: Callable[[Tensor], Tensor]) -> None:
        """``target`` was made from ``source`` by ``step``, which is linear: so are its tangents."""
        target._tangents = None
        for level, tangent in (source._tangents or {}).items():
            if tangent is None:
                set_tangent(target, None, level)
        for level, tangent in visible_tangents(source).items():
            set_tangent(target, step(tangent), level)

    def before_write(self, target: Tensor, value: Any) -> None:
        """Remember what held one value and is to hold one for each example: it must not outlive its ``vmap``."""
        if isinstance(value, batching.Batched) and not self.is_batched(target):
            storage = target._storage
            levels[value.level]._replaced.append((weakref.ref(storage), storage.value))

    def refuse_escape(self) -> None:
        """At the end of a ``vmap``: give back their value to tensors from outside that were written to.

        Raises:
            RuntimeError: if there are any.
        """
        escaped = [(s, value) for reference, value in self._replaced if (s := reference()) is not None]
        for storage, value in reversed(escaped):
            storage.set(value)
        if escaped:
            raise RuntimeError(
                "vmap: an in-place operation wrote a value for each example into a tensor from outside, which has room for one. "
                "Pass that tensor as an input, return the new value instead, or (for the running statistics of batch norms) use "
                "torch.func.replace_all_batch_norm_modules_."
            )

    def write(self, target: Tensor, result: Tensor) -> None:
        """``result`` was written into ``target``: so are its tangents, or zeros where it has none."""
        new, old = visible_tangents(result), visible_tangents(target)
        for level in {**new, **old}:
            tangent = new[level] if level in new else ops.zeros_like(old[level])
            if level not in old and (target._base_tensor is None or level in (target._tangents or {})):
                set_tangent(target, tangent, level)
                continue
            if level not in old:
                base = target._base_tensor
                set_tangent(base, ops.zeros_like(base.detach()), level)  # type: ignore[arg-type, union-attr]
            own = visible_tangents(target)[level]
            own._write(tangent._value(), tangent._node, tangent._number, tangent._requires_grad)
            self.write(own, tangent)

    def refuse(self, name: str, tensors: Sequence[Any]) -> None:
        """Refuse dual tensors where torch does.

        Raises:
            NotImplementedError: in torch's words.
        """
        if any(isinstance(t, Tensor) and visible_tangents(t) for t in tensors):
            raise NotImplementedError(
                f"Trying to use forward AD with {name}_out that does not support it because it is an out= function"
            )


def current() -> int:
    """The level of forward mode that was opened last; -1 if there is none."""
    return max((level.index for level in levels if level.size is None), default=-1)


def visible_tangents(t: Tensor) -> dict[int, Tensor]:
    """A tensor's tangents by level, without those of levels that are hidden now."""
    limit = local.recorder.modes.get("forward", ALL)
    found = t._tangents
    base = t._base_tensor
    if base is not None and base._tangents:
        found = {**_through_views(t, base), **(found or {})}
    return {level: t for level, t in found.items() if level < limit and t is not None} if found else {}


def _through_views(view: Tensor, base: Tensor) -> dict[int, Tensor]:
    """Tangents of a view that was made before its base had one."""
    for level, tangent in (base._tangents or {}).items():
        if tangent is not None and (view._tangents is None or level not in view._tangents):
            for op, args in (view._chain or ())[len(base._chain or ()) :]:
                tangent = views.make(tangent, op, args)
            set_tangent(view, tangent, level)
    return view._tangents or {}


def set_tangent(t: Tensor, tangent: Tensor | None, level: int) -> None:
    """Give a tensor its tangent at a level; None: it has none, though it be a view of a tensor that has."""
    t._tangents = {**(t._tangents or {}), level: tangent}
    levels[level]._duals.append(weakref.ref(t))


class Derivative(Kernel):
    """The directional derivative of an op, as an op: its arguments, then a list of tangents.

    ``places`` says for each argument whether it has a tangent; for a list, for each of its items.
    """

    __slots__ = ("of", "places")

    def __init__(self, of: Kernel, places: tuple[Any, ...]) -> None:
        for name in Kernel.__slots__:
            setattr(self, name, getattr(of, name))
        self.of, self.places = of, places
        self.name = self.__name__ = f"{of.name}_jvp"
        self.params = (*of.params, Param("tangents", "tensors", None, False))
        self.codes = (*of.codes, reading.TENSORS)
        self.read, self.lead = first_reading, -1
        self.host = self.check = self.vet = self.layout = self.returns = None
        self.saves = self.saves_results = self.depends = ()
        self.saves_known = self.saves_nothing = self.keeps_more = False

    def __call__(self, *args: Any) -> Any:
        *primals, tangents = args
        chosen = [
            x
            for a, place in zip(primals, self.places, strict=True)
            for x, wanted in (zip(a, place, strict=True) if isinstance(place, tuple) else ((a, place),))
            if wanted
        ]

        def function(*some: Any) -> tuple[Any, ...]:
            left = iter(some)

            def fill(a: Any, place: Any) -> Any:
                if isinstance(place, tuple):
                    return tuple([fill(x, p) for x, p in zip(a, place, strict=True)])
                return next(left) if place else a

            out = self.of(*[fill(a, place) for a, place in zip(primals, self.places, strict=True)])
            outs = [jnp.asarray(o) for o in (out if isinstance(out, (tuple, list)) else (out,)) if o is not None]
            return tuple([o for o in outs if jnp.issubdtype(o.dtype, jnp.inexact)])

        return directional(function, chosen, list(tangents))


_derivatives: dict[Any, Derivative] = {}


def _derivative(kernel: Kernel, places: tuple[Any, ...]) -> Derivative:
    found = _derivatives.get((kernel, places))
    if found is None:
        found = _derivatives[kernel, places] = Derivative(kernel, places)
    return found


def directional(function: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """``jax.jvp``'s tangents, also of functions whose gradient is written by hand.

    A `jax.custom_vjp` has no forward rule. But its backward is linear in the cotangent, and the backward of that backward is
    the derivative that is wanted: transposing twice is doing nothing.
    """
    tangents = [t.astype(p.dtype) for t, p in zip(tangents, primals, strict=True)]
    if not _by_hand(jax.make_jaxpr(function)(*primals)):
        return jax.jvp(function, tuple(primals), tuple(tangents))[1]
    outs, pullback = jax.vjp(function, *primals)
    cotangents = jax.tree_util.tree_map(jnp.zeros_like, outs)
    return jax.vjp(pullback, cotangents)[1](tuple(tangents))[0]


def _by_hand(jaxpr: Any) -> bool:
    """Whether a `jax.custom_vjp` is called anywhere in a jaxpr."""
    return any(
        e.primitive.name.startswith("custom_vjp_call") or any(map(_by_hand, jax.core.jaxprs_in_params(e.params)))
        for e in getattr(jaxpr, "jaxpr", jaxpr).eqns
    )


def tangents_of(args: Sequence[Any]) -> tuple[int, list[tuple[Any, Tensor | None]]] | None:
    """The highest level at which one of the arguments is dual, and each argument with its tangent at it; None if none is."""
    carried = [visible_tangents(a) if isinstance(a, Tensor) else {} for a in args]
    top = max((i for found in carried for i in found), default=-1)
    return None if top < 0 else (top, [(a, found.get(top)) for a, found in zip(args, carried, strict=True)])


def check_tangent(tensor: Tensor, tangent: Tensor) -> None:
    """Refuse a tangent of another shape, in torch's words."""
    if tensor.shape != tangent.shape:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original Tensor, this is not supported. "
            f"Tensor is of size {list(tensor.shape)} while the given forward gradient is of size {list(tangent.shape)}."
        )


def make_dual(tensor: Tensor, tangent: Tensor, level: int) -> Tensor:
    """A view of ``tensor`` that carries ``tangent``, which is copied if it lies otherwise in memory.

    Raises:
        RuntimeError: if the sizes differ, or there is a tangent already.
    """
    check_tangent(tensor, tangent)
    if level in visible_tangents(tensor):
        raise RuntimeError(
            "Making a dual Tensor based on a Tensor that already has a forward gradient at the same level "
            f"{level} is not supported."
        )
    if tangent.dtype is not tensor.dtype:
        tangent = tangent.to(tensor.dtype)
    if tangent.stride() != tensor.stride():
        tangent = tangent.clone(memory_format=contiguous_format)
        if tensor._geometry is not None:
            tangent._set_strides(tensor.stride())
    dual = view_functions.detach_like(tensor)
    set_tangent(dual, tangent, level)
    return dual


def unpack(tensor: Tensor, level: int) -> tuple[Tensor, Tensor | None]:
    """(a view of the tensor without the tangent, the tangent) at a level."""
    found = visible_tangents(tensor)
    primal = view_functions.detach_like(tensor)
    set_tangent(primal, None, level)
    return primal, found.get(level)


def without_tangents(t: Tensor) -> Tensor:
    """The tensor, or, if it is dual at any level, a view of it that is not."""
    found = visible_tangents(t)
    if found:
        t = view_functions.detach_like(t)
        for level in found:
            set_tangent(t, None, level)
    return t


class hidden:
    """A context in which tensors have no tangents from a level on; 0: none at all."""

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def __enter__(self) -> None:
        modes = local.recorder.modes
        self.before = modes.get("forward", ALL)
        modes["forward"] = min(self.before, self.limit)

    def __exit__(self, *_: object) -> None:
        local.recorder.modes["forward"] = self.before


@contextlib.contextmanager
def opened(size: int | None = None, randomness: str = "same") -> Iterator[Level]:
    """A context with one more level open."""
    level = Level(size, randomness)
    try:
        yield level
    finally:
        level.close()
