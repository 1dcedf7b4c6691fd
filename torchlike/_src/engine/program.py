"""From a path of recorded ops to an XLA program: one for the whole path, or one for each op."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.dtypes import float0

from torchlike._src.engine import host, memory, report, stored
from torchlike._src.engine.value import CPU, Aval, PullbackAval, Value

#: Markers in a template: here goes the next array, the next number.
ARRAY = type("ARRAY", (), {"__repr__": lambda self: "ARRAY"})()
NUMBER = type("NUMBER", (), {"__repr__": lambda self: "NUMBER"})()


#: XLA's older way to write loops takes a third to two thirds of the time of its newer one for most ops (sums gain nothing), and its
#: programs run about as fast, but for a few (transposed copies: 8 times slower). So an op alone is compiled this way where it has so
#: few elements that its run does not count.
_QUICK = {"xla_cpu_use_fusion_emitters": False}
_few = 2**14  # none, where XLA does not know the option


class Nest(tuple):
    """Several template items that are one argument: a list of tensors, the starts of a slice."""

    __slots__ = ()


class Call:
    """A kernel with its static arguments bound: arrays and numbers in, a tuple of arrays out.

    Interned by (kernel, template), so that what JAX remembers about it (its trace, its linearisation)
    serves every place where it is recorded.
    """

    __slots__ = ("derived", "jit", "kernel", "pullbacks", "quick", "shapes", "template")

    _all: ClassVar[dict[Hashable, Any]] = {}

    def __new__(cls, kernel: Callable[..., Any], key: Hashable, template: tuple[Any, ...]) -> "Call":
        found = cls._all.get((kernel, key))
        if found is None:
            found = cls._all[kernel, key] = super().__new__(cls)
            found.kernel, found.template = kernel, template
            found.shapes, found.pullbacks = {}, {}
            found.derived = {}  # what autograd makes of it
            call = found.__call__
            found.jit, found.quick = jax.jit(call), jax.jit(call, compiler_options=_QUICK)
        return found

    @classmethod
    def forget(cls) -> None:
        """Drop all calls that nothing else holds."""
        cls._all.clear()

    @property
    def name(self) -> str:
        return getattr(self.kernel, "__name__", repr(self.kernel))

    def identity(self) -> Any:
        """What another process would know this call by.

        Raises:
            stored.Unnamed: if there is no such thing.
        """
        identity = getattr(self.kernel, "identity", None)
        return (stored.name_of(self.kernel) if identity is None else identity(), _named(self.template))

    def __call__(self, arrays: Sequence[Any], numbers: Sequence[Any]) -> tuple[jax.Array, ...]:
        arrays_left, numbers_left = iter(arrays), iter(numbers)

        def fill(item: Any) -> Any:
            if item is ARRAY:
                return next(arrays_left)
            if item is NUMBER:
                return next(numbers_left)
            if item.__class__ is Nest:
                return tuple([fill(i) for i in item])
            return item

        out = self.kernel(*[fill(item) for item in self.template])
        return tuple([_strong(o) for o in (out if isinstance(out, (tuple, list)) else (out,))])

    def outputs(self, avals: tuple[Aval, ...], numbers: tuple[Any, ...]) -> tuple[jax.ShapeDtypeStruct, ...]:
        """Shapes and dtypes of the results; raises what the kernel raises for inputs it refuses."""
        key = (avals, tuple(map(type, numbers)))
        found = self.shapes.get(key)
        if found is None:
            try:
                found = self.shapes[key] = jax.eval_shape(self.__call__, tuple(a.struct for a in avals), numbers)
            except Exception as error:  # the kernel's own refusal, which JAX has added a note on its traceback to
                error.__notes__ = [note for note in getattr(error, "__notes__", ()) if "JAX has removed" not in note]
                raise
        return found

    def alone(self, mask: int, quick: bool) -> Callable[..., Any]:
        """The jitted function, which also returns the pullback to the arrays in ``mask`` if there are any."""
        if not mask:
            return self.quick if quick else self.jit
        found = self.pullbacks.get((mask, quick))
        if found is None:
            options = _QUICK if quick else None
            found = jax.jit(lambda arrays, numbers: self.vjp(mask, arrays, numbers, self), compiler_options=options)
            self.pullbacks[mask, quick] = found
        return found

    def vjp(self, mask: int, arrays: Sequence[Any], numbers: Sequence[Any], fn: Callable[..., Any]) -> Any:
        wanted = [i for i in range(len(arrays)) if mask >> i & 1]

        def of_wanted(*some: Any) -> tuple[jax.Array, ...]:
            full = list(arrays)
            for i, a in zip(wanted, some, strict=True):
                full[i] = a
            return fn(tuple(full), numbers)

        return jax.vjp(of_wanted, *[arrays[i] for i in wanted])


def _named(template: tuple[Any, ...]) -> Any:
    return tuple([
        ("marker", repr(item)) if item is ARRAY or item is NUMBER
        else ("nest", _named(item)) if item.__class__ is Nest
        else stored.plain(item)
        for item in template
    ])  # fmt: skip


def _strong(x: Any) -> jax.Array:
    """A result without JAX's weak type: torch's dtypes are what they say."""
    if isinstance(x, jax.Array):
        return jax.lax.convert_element_type(x, x.dtype) if x.weak_type else x
    return jnp.asarray(x)


def apply_pullback(pullback: Any, cotangents: Sequence[Any], avals: Sequence[Any]) -> tuple[Any, ...]:
    """Apply a pullback to cotangents, where None stands for zero.

    A gradient in torch is the conjugate of JAX's cotangent: df/dx + i df/dy for a real f.
    """
    full = []
    for ct, a in zip(cotangents, avals, strict=True):
        if not jnp.issubdtype(a.dtype, jnp.inexact):
            full.append(np.zeros(a.shape, float0))
        else:
            full.append(jnp.zeros(a.shape, a.dtype) if ct is None else _conjugate(ct))
    return tuple([_conjugate(g) for g in pullback(tuple(full))])


def _conjugate(x: Any) -> Any:
    return jnp.conj(x) if jnp.iscomplexobj(x) else x


_apply_pullback = jax.jit(apply_pullback, static_argnums=2)


class Pullback:
    """The call that applies the pullback of ``forward``; its arrays are (pullback, the cotangents that are there)."""

    __slots__ = ("avals", "given", "name")

    def __init__(self, forward: Call, avals: tuple[Any, ...], given: int) -> None:
        self.name = f"{forward.name} backward"
        self.avals = avals
        self.given = given

    def identity(self) -> Any:
        """As `Call.identity`; whose pullback it is shows in what it reads."""
        return ("backward", self.given)

    def cotangents(self, arrays: Sequence[Any]) -> tuple[Any, ...]:
        left = iter(arrays)
        return tuple([next(left) if self.given >> i & 1 else None for i in range(len(self.avals))])


class Numbers:
    """The Python numbers that a program was last given. Uploading one costs some 7 us a call: those that stay are kept as arrays."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: list[tuple[Any, Any]] = []  # (number, array or None): in one piece, since threads share programs

    def arrays(self, numbers: list[Any]) -> tuple[Any, ...]:
        """The numbers as arguments of the program: those that are the very objects of last time as weakly typed arrays."""
        last = self._last
        if len(last) != len(numbers):
            self._last = [(x, None) for x in numbers]
            # JAX compiles a conversion for each type: now, not at a later step.
            for x in {x.__class__: x for x in numbers}.values():
                jnp.asarray(x)
            return tuple(numbers)
        given = []
        for k, x in enumerate(numbers):
            known, array = last[k]
            if x is not known:
                last[k] = (x, None)
                given.append(x)
                continue
            if array is None:
                array = jnp.asarray(x)
                last[k] = (x, array)
            given.append(array)
        return tuple(given)


class Program:
    """A path of recorded ops as one jitted function.

    ``live`` are the numbers of the values to return; ``donated`` of the inputs whose buffers it may reuse, in the order of the
    ``heirs``, results that are to have them: JAX gives the buffer of the first donated input to the first output of its kind.
    After the first run, ``plan`` says where each live value is found: among the outputs, or, for residuals that are
    inputs themselves, among those; ``order`` is that of the values among the outputs, where these are all there is.
    """

    __slots__ = (
        "donated", "entry", "fn", "heirs", "inputs", "kept", "live", "numbers", "order", "path", "plan", "runs", "size"
    )  # fmt: skip

    def __init__(self, path: Sequence[Any], size: int, live: tuple[int, ...], pairs: tuple[tuple[int, int], ...]) -> None:
        self.path = path
        self.size = size
        self.live = live
        self.donated = tuple([i for i, _ in pairs])
        self.heirs = tuple([heir for _, heir in pairs if heir >= 0])
        gone = set(self.donated)
        self.inputs = [(node.base + k, a) for node in path for k, a in enumerate(node.enters)]
        self.kept = tuple(i for i, _ in self.inputs if i not in gone)
        self.plan: list[Any] = []
        self.order: tuple[int, ...] | None = None
        self.runs = 0
        self.numbers = Numbers()
        self.fn = jax.jit(self._trace, donate_argnums=(0,) if pairs else ())

    def _trace(self, donated: list[Any], kept: list[Any], numbers: tuple[Any, ...]) -> list[Any]:
        env: list[Any] = [None] * self.size
        avals = dict(self.inputs)
        origin: dict[int, Any] = {}
        for indices, arrays in ((self.donated, donated), (self.kept, kept)):
            for i, a in zip(indices, arrays, strict=True):
                kind = avals[i]
                if isinstance(kind, PullbackAval):
                    env[i] = jax.tree_util.tree_unflatten(kind.treedef, a)
                else:
                    env[i] = a
                    if indices is self.kept:
                        origin[id(a)] = i
        self._replay(env, iter(numbers))
        outputs: list[Any] = []
        where: dict[int, int] = {}

        def place(x: Any) -> tuple[str, int]:
            if id(x) in origin:
                return ("input", origin[id(x)])
            if id(x) not in where:
                where[id(x)] = len(outputs)
                outputs.append(x)
            return ("output", where[id(x)])

        for i in self.heirs:
            place(env[i])
        plan: list[Any] = []
        for i in self.live:
            if _is_pullback(self.path, i):
                leaves, treedef = jax.tree_util.tree_flatten(env[i])
                kinds = tuple((tuple(np.shape(x)), jnp.result_type(x)) for x in leaves)
                plan.append(("pullback", (treedef, kinds), [place(x) for x in leaves]))
            else:
                plan.append(place(env[i]))
        self.plan = plan
        self.order = self._order()
        return outputs

    def _find(self, donated: list[Any], kept: list[Any], numbers: tuple[Any, ...]) -> None:
        """Take the executable that an earlier process has kept, or keep it for later ones."""
        key = stored.key_of(self.path, self.live, (self.donated, self.heirs), numbers)
        if key is None:
            return
        found = stored.load(key)
        if found is not None:
            self.plan, self.fn = found
            self.order = self._order()
            report.loaded()
            return
        lowered = self.fn.lower(donated, kept, numbers)
        compiled = stored.freshly_compiled(lowered)
        # The residuals of a pullback are known by what tracing made, in this process only.
        if compiled is not None and all(at[0] != "pullback" for at in self.plan):
            stored.keep(key, self.plan, compiled)

    def _order(self) -> tuple[int, ...] | None:
        places = [at[1] for at in self.plan if at[0] == "output"]
        if sorted(places) != list(range(len(self.live))):
            return None
        return tuple([i for _, i in sorted(zip(places, self.live, strict=True))])

    def _replay(self, env: list[Any], numbers: Any) -> None:
        for node in self.path:
            arrays = tuple([env[r] for r in node.refs])
            call = node.call
            first = node.base + len(node.enters)
            if call.__class__ is Pullback:
                outs = apply_pullback(arrays[0], call.cotangents(arrays[1:]), call.avals)
            else:
                mine = tuple([next(numbers) for _ in range(node.numbers)])
                if node.mask:
                    outs, env[first + len(node.outs) - 1] = call.vjp(node.mask, arrays, mine, call.jit)
                else:
                    outs = call.jit(arrays, mine)
                assert [(o.shape, o.dtype) for o in outs] == [(a.shape, a.dtype) for a in node.outs[: len(outs)]], call.name
            for k, out in enumerate(outs):
                env[first + k] = out

    def run(self, values: list[Any], numbers: list[Any]) -> None:
        """Run on the data of ``values``; give the live ones theirs."""
        host_array = np.ndarray
        donated = [_private(values[i]) if values[i].data.__class__ is host_array else values[i].data for i in self.donated]
        kept = [_data(values[i]) if values[i].data.__class__ is host_array else values[i].data for i in self.kept]
        given = self.numbers.arrays(numbers) if numbers else ()
        if self.runs == 0 and len(self.path) >= stored.WORTH:
            self._find(donated, kept, given)
        outputs = self.fn(donated, kept, given)
        self.runs += 1
        if self.order is not None:
            for i, out in zip(self.order, outputs, strict=True):
                values[i].data = out
            return

        def find(at: tuple[str, int]) -> Any:
            return outputs[at[1]] if at[0] == "output" else _data(values[at[1]])

        for i, at in zip(self.live, self.plan, strict=True):
            v = values[i]
            if at[0] == "pullback":
                treedef, kinds = at[1]
                v.data = [find(a) for a in at[2]]
                v.aval = PullbackAval(treedef, kinds, _place_of(values, self.path))
            else:
                v.data = find(at)


def _place_of(values: list[Any], path: Sequence[Any]) -> Any:
    return next(a.place for node in path for a in (*node.outs, *node.enters) if isinstance(a, Aval))


def _is_pullback(path: Sequence[Any], index: int) -> bool:
    for node in path:
        first = node.base + len(node.enters)
        if first <= index < first + len(node.outs):
            return node.outs[index - first] is None
    return False


_READ_ONCE = object()


def _data(value: Value) -> Any:
    """The data of a concrete value, as a program takes it."""
    data = value.data
    if data.__class__ is not np.ndarray:
        return data
    if value.uploaded is None and host.takes_numpy(value.aval.place):  # cheaper for what is read once, such as a batch
        value.uploaded = _READ_ONCE
        return data
    if value.uploaded is None or value.uploaded is _READ_ONCE:
        value.uploaded = host.upload(data, value.aval.place)
    return value.uploaded


def _private(value: Value) -> Any:
    """The data of a value that a program may overwrite."""
    data = value.data
    if data.__class__ is not np.ndarray:
        return data
    return host.upload(memory.private_copy(data), value.aval.place)  # other values may be NumPy views of the same memory


def _results(node: Any) -> range:
    """The numbers of the values that an op makes."""
    first = node.base + len(node.enters)
    return range(first, first + len(node.outs))


def _alone(node: Any, mask: int, arrays: tuple[Any, ...], numbers: tuple[Any, ...]) -> tuple[Any, int]:
    """Run one op by a program of its own; its results, and how many programs that made."""
    global _few
    made = [a for a in node.outs if a.__class__ is Aval]
    quick = bool(made) and made[0].place is CPU and all(x.size <= _few for x in (*made, *arrays))
    fn = node.call.alone(mask, quick)
    before = fn._cache_size()
    try:
        return fn(arrays, numbers), fn._cache_size() - before
    except jax.errors.JaxRuntimeError as error:
        if not quick or "No such compile option" not in str(error):
            raise
    _few = -1
    return _alone(node, mask, arrays, numbers)


def run_one_by_one(path: Sequence[Any], size: int, live: Sequence[int], values: list[Any], numbers: list[Any]) -> int:
    """Run each op whose results somebody needs by its own program; returns how many of these were new."""
    env: list[Any] = [None] * size
    until = dict.fromkeys(live, len(path))  # the last op that reads each value; what nobody reads is not here
    for k in range(len(path) - 1, -1, -1):
        node = path[k]
        if any(i in until for i in _results(node)):
            for r in node.refs:
                until.setdefault(r, k)
    new = 0
    left = iter(numbers)
    for k, node in enumerate(path):
        for i, a in enumerate(node.enters, node.base):
            if i in until:
                v = values[i]
                env[i] = jax.tree_util.tree_unflatten(a.treedef, v.data) if isinstance(a, PullbackAval) else _data(v)
        mine = tuple([next(left) for _ in range(node.numbers)])
        results = _results(node)
        if not any(i in until for i in results):
            continue
        arrays = tuple([env[r] for r in node.refs])
        call = node.call
        if call.__class__ is Pullback:
            outs = _apply_pullback(arrays[0], call.cotangents(arrays[1:]), call.avals)
        else:
            with_pullback = node.mask and results[-1] in until
            outs, compiled = _alone(node, node.mask if with_pullback else 0, arrays, mine)
            new += compiled
            if with_pullback:
                outs, env[results[-1]] = outs
        for i, out in zip(results, outs, strict=False):  # the last result may be the pullback
            env[i] = out
        for i in (*node.refs, *results):
            if until.get(i, k) <= k:
                env[i] = None
    for i in live:
        v = values[i]
        if _is_pullback(path, i):
            leaves, treedef = jax.tree_util.tree_flatten(env[i])
            kinds = tuple((tuple(np.shape(x)), jnp.result_type(x)) for x in leaves)
            v.data, v.aval = leaves, PullbackAval(treedef, kinds, _place_of(values, path))
        else:
            v.data = env[i]
    return new
