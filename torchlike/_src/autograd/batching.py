"""Batched values: what `torch.func.vmap` gives to a function, a tensor for each example that is one tensor for all.

Inside of ``vmap`` a tensor shows the shape of one example; its value is a `Batched`, which holds the *physical* tensor with
the examples along its first dimension. An op on such tensors is recorded once, on the physical ones, with `jax.vmap` of the
op's pure function. Since it is the value that is batched, views and writes work as ever. Histories and tangents from outside
belong to the physical tensors, those from inside to the tensors of one example.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchlike._src.engine.program import ARRAY, Call, Nest
from torchlike._src.engine.trace import local
from torchlike._src.engine.value import Value, aval
from torchlike._src.operators import promotion
from torchlike._src.tensor import dispatch, reading
from torchlike._src.tensor.core import Tensor, levels
from torchlike._src.tensor.dispatch import Kernel, _new, record
from torchlike._src.tensor.tape import node_class

_READ = (
    "vmap: It looks like you're reading the value of a Tensor, by .item(), by printing it, or by using it in some data-dependent "
    "control flow. Inside of vmap a Tensor stands for all examples and has no one value: rewrite it with other operations, "
    "torch.where for a condition."
)
_RANDOM = (
    "vmap: called random operation while in randomness error mode. Please either use the 'same' or 'different' randomness flags "
    "on vmap or perform the randomness operation out of vmap"
)
#: Sets the seeds of the examples of a batch apart.
_STRIDE = np.uint64(0x9E3779B97F4A7C15)


class Batched(Value):
    """One value for each example of the ``vmap`` at ``level``: the slices of ``physical`` along its first dimension."""

    def __init__(self, physical: Tensor, level: int) -> None:
        a = physical._aval()
        self.aval = aval(a.shape[1:], a.dtype, a.place)
        self.physical, self.level = physical, level

    @property
    def data(self) -> Any:
        raise RuntimeError(_READ)

    def own(self) -> Value:
        return self


def wrap(physical: Tensor, level: int) -> Tensor:
    """The tensor of one example."""
    made = _new(Batched(physical, level))
    if physical._geometry is not None:
        strides, offset = physical._geometry
        made._set_strides(strides[1:], offset)
    return made


def level_of(t: Tensor) -> int:
    """The innermost ``vmap`` that a tensor differs for the examples of; -1: none."""
    value = t._value()
    return value.level if isinstance(value, Batched) else -1


def physical(t: Tensor, level: int) -> Tensor:
    """All examples of a tensor at one level, along a new first dimension; it may be batched at others."""
    value = t._value()
    if not isinstance(value, Batched) or value.level < level:
        return t.expand(levels[level].size, *t.shape)
    if value.level == level:
        return value.physical
    inner = physical(value.physical, level)  # (this level, the value's level, *)
    return wrap(inner.transpose(0, 1), value.level)


def detach(t: Tensor) -> Tensor:
    """A batched tensor without history, inside and outside."""
    value = t._value()
    return wrap(value.physical.detach(), value.level) if isinstance(value, Batched) else t.detach()


class Site:
    """What the tape asks of a node of the trie, for an op on the tensors of one example, which is not in the trie as such."""

    def __init__(self, kernel: Kernel, args: Sequence[Any], tensors: Sequence[Tensor], outs: Sequence[Tensor]) -> None:
        template = tuple([_item(a, code) for a, code in zip(args, kernel.codes, strict=True)])
        kinds = tuple([_kind(item) for item in template])
        self.call = Call(kernel, ("one example", kinds, promotion.default_dtype()), template)
        self.mask = sum(1 << i for i, t in enumerate(tensors) if t._requires_grad)
        self.enters = tuple([t._aval() for t in tensors])
        self.outs = (*[t._aval() for t in outs], None)
        self.refs = range(len(tensors))

    def path(self) -> "list[Site]":
        return [self]


def _item(a: Any, code: int) -> Any:
    """An argument in the template of a call; numbers are constants of it."""
    if isinstance(a, Tensor):
        return ARRAY
    if code == reading.TENSORS and a is not None:
        return Nest([None if t is None else ARRAY for t in a])
    if code in (reading.OPERAND, reading.LIVE) and a is not None:
        return tuple(map(reading.plain, a)) if isinstance(a, (tuple, list)) else reading.plain(a)
    return dispatch._static(a)


def _kind(item: Any) -> Any:
    """An item of a template as a key, in which 1, 1.0 and True differ."""
    return tuple(map(_kind, item)) if isinstance(item, tuple) else (item.__class__, item)


def _with_history(kernel: Kernel, args: Sequence[Any], tensors: Sequence[Tensor], made: Any) -> Any:
    """Give results for one example their node on the tape."""
    outs = made if isinstance(made, tuple) else (made,)
    name = kernel.grad_name
    make = kernel.node
    if make is None:
        make = node_class(name({p.name: a for p, a in zip(kernel.params, args, strict=True)}))
    edges = [t for t in tensors if t._requires_grad]
    node = make(Site(kernel, args, tensors, outs), None, edges, [t._value() for t in tensors], ())
    for k, t in enumerate(outs):
        if t._aval().dtype.kind in "fcV":
            t._node, t._number, t._requires_grad = node, k, True
    return made


class Vectorised(Kernel):
    """An op for all examples at once; ``places`` says for each argument whether it is batched; see `Derivative`."""

    __slots__ = ("of", "places", "seeds", "size")

    def __init__(self, of: Kernel, places: tuple[Any, ...], size: int, seeds: tuple[int, ...]) -> None:
        for name in Kernel.__slots__:
            setattr(self, name, getattr(of, name))
        self.of, self.places, self.size, self.seeds = of, places, size, seeds
        self.name = self.__name__ = f"{of.name}_vmap"
        self.lead = -1
        self.host = self.check = self.vet = self.layout = self.returns = None
        self.saves = self.saves_results = self.depends = ()
        self.saves_known = self.saves_nothing = self.keeps_more = False

    def __call__(self, *args: Any) -> Any:
        chosen = [x for a, place in zip(args, self.places, strict=True) for x in _wanted(a, place)]

        def example(number: Any, *some: Any) -> Any:
            left = iter(some)
            filled = [_filled(a, place, left) for a, place in zip(args, self.places, strict=True)]
            for i in self.seeds:
                filled[i] = jnp.asarray(filled[i]).astype(jnp.uint64) + number * _STRIDE
            return self.of(*filled)

        return jax.vmap(example, axis_size=self.size)(jnp.arange(self.size, dtype=jnp.uint64), *chosen)


def _wanted(a: Any, place: Any) -> list[Any]:
    if isinstance(place, tuple):
        return [x for x, p in zip(a, place, strict=True) if p]
    return [a] if place else []


def _filled(a: Any, place: Any, left: Any) -> Any:
    if isinstance(place, tuple):
        return tuple([next(left) if p else x for x, p in zip(a, place, strict=True)])
    return next(left) if place else a


_vectorised: dict[Any, Vectorised] = {}


def record_batched(kernel: Kernel, args: Sequence[Any]) -> Any:
    """Record an op with batched inputs for all examples; None if there are none."""
    tensors = [t for a in args for t in (a if isinstance(a, (tuple, list)) else (a,)) if isinstance(t, Tensor)]
    top = max(map(level_of, tensors), default=-1)
    seeds = tuple([i for i, p in enumerate(kernel.params) if p.kind == "seed"])
    modes = local.recorder.modes
    limit = modes.get("vmap", len(levels))
    if seeds:
        mapping = [level for level in levels[:limit] if level.size is not None]
        if any(level.randomness == "error" for level in mapping):
            raise RuntimeError(_RANDOM)
        apart = [level.index for level in mapping if level.randomness == "different"]
        top = max(top, *apart) if apart else top
        seeds = seeds if top in apart else ()
    if top < 0:
        return None
    if kernel.eager:
        raise RuntimeError(f"vmap: the size of the result of {kernel.name} depends on data, so it may differ for each example.")

    def place_of(a: Any) -> Any:
        if isinstance(a, (tuple, list)) and any(isinstance(t, Tensor) for t in a):
            return tuple(map(place_of, a))
        return isinstance(a, Tensor) and level_of(a) == top

    def given(a: Any) -> Any:
        if isinstance(a, (tuple, list)) and any(isinstance(t, Tensor) for t in a):
            return list(map(given, a))
        return a._value().physical if place_of(a) else a  # type: ignore[union-attr]

    places = tuple(map(place_of, args))
    key = (kernel, places, levels[top].size, seeds)
    found = _vectorised.get(key)
    if found is None:
        found = _vectorised[key] = Vectorised(kernel, places, levels[top].size, seeds)
    modes["vmap"] = top  # a random op that is recorded here is told apart for the examples of outer levels
    try:
        made = record(found, tuple(map(given, args)))
    finally:
        modes["vmap"] = limit
    made = dispatch._pack(kernel, [wrap(t, top) for t in made]) if isinstance(made, tuple) else wrap(made, top)
    if local.recorder.grad and kernel.differentiable and any(t._requires_grad for t in tensors):
        return _with_history(kernel, args, tensors, made)
    return made


def unwrapped(t: Tensor, level: Any, dim: int) -> Tensor:
    """A result with its examples along ``dim``."""
    whole = physical(t, level.index)
    return whole if dim == 0 else whole.movedim(0, dim)
