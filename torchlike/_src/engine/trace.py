"""Recording: a trie of ops, and for each thread a recorder that walks it.

Recording an op that was recorded at this place before is one dictionary lookup; the node found knows the shapes of the
results. What a step recorded runs as one program when somebody reads a value, see `Recorder.flush`.
"""

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from operator import itemgetter
from sys import getrefcount
from typing import Any, TypeVar

import jax
import numpy as np

from torchlike._src.engine import errors, host, memory, report, tiering
from torchlike._src.engine.program import Call, Program, Pullback, run_one_by_one
from torchlike._src.engine.value import CPU, Aval, Borrowed, Place, Value, aval

_Made = TypeVar("_Made")
_new = object.__new__
_epochs = itertools.count(1)
#: All threads' recorders. That of a thread which has ended stays while values of its trace may still be read.
_recorders: list["Recorder"] = []


class Node:
    """One recorded op at one place: what follows it, what it reads and makes, the programs that end here.

    Attributes:
        call: the op; of a root, the settings.
        refs: numbers of the values it reads, in order.
        base: number of the first value it adds; first come the inputs it brings in (``enters``), then its results.
        outs: `Aval` of each result; with a ``mask`` of inputs that need a gradient, the last is None: the pullback.
        numbers: how many Python numbers it takes from the trace's list.
        grads: `Aval` of each gradient that its pullback makes.
        backward: whether a pullback was applied on the way here.
        pick: takes the values it reads from the trace's list; where there is a ``mask``.
        routes, saves: the backward passes that were walked from here, what the op keeps for backward; the tape's business.
    """

    __slots__ = (
        "backward", "base", "call", "children", "depth", "enters", "grads", "loose", "mask", "numbers", "outs", "parent", "pick",
        "programs", "refs", "routes", "saves", "seen", "sights",
    )  # fmt: skip

    def __init__(self, parent: "Node | None", call: Any = None) -> None:
        self.parent = parent
        self.call = call
        self.children: dict[Any, Node] = {}
        self.loose: dict[Any, Any] | None = None
        self.routes: dict[Any, Any] | None = None
        self.saves: tuple[int, ...] | None = None
        self.pick: Any = None
        self.programs: dict[Any, Program] = {}
        self.sights = 0
        self.seen: Any = None
        self.depth = 0 if parent is None else parent.depth + 1
        self.refs: tuple[int, ...] = ()
        self.enters: tuple[Any, ...] = ()
        self.outs: tuple[Any, ...] = ()
        self.mask = 0
        self.grads: tuple[Aval, ...] = ()
        self.numbers = 0
        self.base = 0
        self.backward = False

    def path(self) -> list["Node"]:
        """The nodes from the root to here, without the root."""
        nodes = []
        node = self
        while node.parent is not None:
            nodes.append(node)
            node = node.parent
        nodes.reverse()
        return nodes


class Trie:
    """The roots, one for each setting under which ops are recorded (default dtype, precision, ...)."""

    def __init__(self) -> None:
        self.roots: dict[Any, Node] = {}
        self.nodes = 0
        self.config: tuple[Any, ...] = ()
        self.next_look = tiering.LOOK_EVERY

    def root(self) -> Node:
        if self.nodes > tiering.MAX_NODES or self._overflows():
            self.forget()
        found = self.roots.get(self.config)
        if found is None:
            found = self.roots[self.config] = Node(None, self.config)
        return found

    def _overflows(self) -> bool:
        if report.executables < self.next_look:
            return False
        self.next_look = report.executables + tiering.LOOK_EVERY
        return memory.mappings_run_out()

    def forget(self) -> None:
        """Drop every program: code that never repeats must not fill the memory. What is needed again is compiled again."""
        self.roots.clear()
        Call.forget()
        jax.clear_caches()
        self.nodes = 0


trie = Trie()


class Recorder:
    """One thread's recorder: the place in the trie, the values and the numbers recorded so far.

    It also carries what else belongs to the thread: the modes of autograd, which the tape reads and sets.
    """

    __slots__ = (
        "busy", "calls", "eager", "epoch", "grad", "halted", "inference", "lock", "modes", "node", "numbers", "place", "running",
        "thread", "values",
    )  # fmt: skip

    def __init__(self) -> None:
        self.modes: dict[str, Any] = {}
        self.calls = 0
        self.busy = False  # an op is half recorded
        self.halted = False  # another thread waits for it to be whole
        self.running = -1  # the epoch of the trace that is being run
        self.lock = threading.RLock()  # held while a trace is being run
        self.values: list[Value] = []
        self.numbers: list[Any] = []
        self.place: Place = CPU
        self.grad = True
        self.inference = False
        self.eager = False
        self.thread = threading.current_thread()
        self._restart()
        _recorders[:] = [r for r in _recorders if r.thread.is_alive() or r.node.parent is not None]
        _recorders.append(self)

    def _restart(self) -> None:
        self.epoch = next(_epochs)
        self.node = trie.root()

    def enter(self, value: Value) -> Any:
        """Make a concrete value an input of this trace; returns its aval, which is its part of the key."""
        if value.data is None:
            raise Elsewhere(value)
        if value.aval.place is not self.place:
            if self.values:
                raise PlaceChanged(value.aval.place)
            self.place = value.aval.place
        if value.__class__ is Borrowed:
            value.data = memory.private_copy(value.data)
        value.epoch = self.epoch
        value.index = len(self.values)
        self.values.append(value)
        return value.aval

    def refer(self, given: list[Value]) -> list[Any]:
        """What stands for each of the values in a key: its number, or the aval of one that comes in here."""
        epoch, values, place = self.epoch, self.values, self.place
        refs: list[Any] = []
        for v in given:
            if v.epoch == epoch:
                refs.append(v.index)
            elif v.data is not None and v.aval.place is place and v.__class__ is Value:  # as `enter`, which is for the others
                v.epoch, v.index = epoch, len(values)
                values.append(v)
                refs.append(v.aval)
            else:
                refs.append(self.enter(v))
                place = self.place
        return refs

    def take_over(self, value: Value) -> None:
        """Have a value computed that another thread has recorded. Never with an op half recorded here: that thread may wait too."""
        self.busy = False
        owner = next((r for r in list(_recorders) if value.epoch in (r.epoch, r.running)), self)
        if owner is not self:
            with owner.lock:
                if owner.epoch == value.epoch:
                    owner.halted = True
                    try:
                        while owner.busy:
                            time.sleep(0)
                        owner.flush("a read in another thread")
                    finally:
                        owner.halted = False
        if value.data is None:
            raise RuntimeError(
                "This tensor's value was lost: running the program that was to compute it failed. The error was raised where "
                "it was first read."
            )

    def wait(self) -> None:
        """Let another thread run what was recorded here."""
        while self.halted:
            self.busy = False
            time.sleep(0)
        self.busy = True

    def rollback(self, node: Node, size: int, numbers: int) -> None:
        """Go back to where an op began that was refused: forget the inputs and numbers that it brought in, and its results."""
        self.node = node
        for value in self.values[size:]:
            value.epoch = -1
        del self.values[size:]
        del self.numbers[numbers:]

    def whole(self, attempt: Callable[[], _Made]) -> _Made:
        """Record an op with ``attempt``, or nothing of it; again after what it reads was run elsewhere or on another device.

        `dispatch.record` does the same in its own words, since it has more ways out and every op comes through it.

        Raises:
            PlaceChanged: if what the op reads is on two devices.
        """
        self.busy = True
        if self.halted:
            self.wait()
        node, values, size, count = self.node, self.values, len(self.values), len(self.numbers)
        try:
            return attempt()
        except Elsewhere as other:
            self.rollback(node, size, count)
            self.take_over(other.value)
        except PlaceChanged:
            self.rollback(node, size, count)
            if not size:
                raise
            self.flush("a change of device")
        except BaseException:
            if self.values is values:
                self.rollback(node, size, count)
            raise
        finally:
            self.busy = False
        return self.whole(attempt)

    def learn(
        self, key: Any, call: Call, refs: tuple[int, ...], size: int, mask: int, numbers: tuple[Any, ...],
        outs: Sequence[Aval] | None = None,
    ) -> Node:  # fmt: skip
        """A node for an op that was not recorded here before.

        Args:
            key: what it will be found by.
            refs: numbers of the values it reads; those from ``size`` on came in with it.
            mask: which of them need a gradient.
            numbers: the Python numbers that are inputs of the program, not constants of ``call``.
            outs: kinds of the results, if they are known.
        """
        values = self.values
        if outs is None:
            structs = call.outputs(tuple([values[r].aval for r in refs]), numbers)
            place = self.place
            outs = [aval(s.shape, np.dtype(s.dtype), place) for s in structs]
        node = self._grow(key, call, refs, size, mask, len(numbers), (*outs, None) if mask else tuple(outs))
        node.grads = tuple([values[r].aval for i, r in enumerate(refs) if mask >> i & 1])
        return node

    def _grow(self, key: Any, call: Any, refs: tuple[int, ...], size: int, mask: int, numbers: int,
              outs: tuple[Any, ...]) -> Node:  # fmt: skip
        node = Node(self.node, call)
        node.refs, node.mask, node.numbers, node.base, node.outs = refs, mask, numbers, size, outs
        node.enters = tuple([v.aval for v in self.values[size:]])
        if mask:
            first, *others = refs
            node.pick = itemgetter(first, *others) if others else itemgetter(slice(first, first + 1))
        node.backward = self.node.backward or call.__class__ is Pullback
        self.node.children[key] = node
        trie.nodes += 1
        return node

    def push(self, node: Node) -> list[Value]:
        """Go to ``node`` and return the values it makes."""
        values = self.values
        epoch = self.epoch
        i = len(values)
        made = []
        for a in node.outs:
            v = _new(Value)
            v.aval, v.epoch, v.index = a, epoch, i
            made.append(v)
            i += 1
        values += made
        self.node = node
        if self.eager or i > tiering.MAX_VALUES:
            self.flush("eager()" if self.eager else "the trace grew past its limit")
        return made

    def record_pullback(self, forward: Node, pullback: Value, cotangents: list[Value | None]) -> list[Value]:
        """Record that the pullback of the op at ``forward`` is applied; returns the gradients of its masked inputs."""
        epoch = self.epoch
        size = len(self.values)
        given = 0
        refs: list[Any] = [pullback.index if pullback.epoch == epoch else self.enter(pullback)]
        for i, ct in enumerate(cotangents):
            if ct is not None:
                given |= 1 << i
                refs.append(ct.index if ct.epoch == epoch else self.enter(ct))
        key = (forward.call, forward.mask, given, *refs)
        node = self.node.children.get(key)
        if node is None:
            numbers = (pullback.index, *[ct.index for ct in cotangents if ct is not None])
            call = Pullback(forward.call, forward.outs[:-1], given)
            node = self._grow(key, call, numbers, size, 0, 0, forward.grads)
        return self.push(node)

    def flush(self, reason: str) -> None:
        """Run what was recorded. The values that somebody still holds get their data."""
        self.busy = False
        with self.lock:
            self._flush(reason)

    def _flush(self, reason: str) -> None:
        node = self.node
        if node.parent is None:
            if self.values:
                self.rollback(node, 0, 0)
            return
        host.check_process()
        values, numbers = self.values, self.numbers
        references = list(map(getrefcount, values))
        seen = node.seen
        if seen is None or seen.references != references:  # equal counts, as at the same place of a loop, give equal answers
            seen = node.seen = Liveness(values, references)
        live = seen.live
        donated = seen.donated(values) if seen.spare else ()
        self.values, self.numbers = [], []
        self.running = self.epoch
        self._restart()
        try:
            program = node.programs.get((live, donated))
            if program is None:
                node.sights += 1
                if not self.eager and tiering.compile_whole(node):
                    program = Program(node.path(), len(values), live, donated)
                    node.programs[live, donated] = program
                    report.building(program, node, reason)
            with host.on(self.place):
                if program is None:
                    report.ran(node, reason, None, run_one_by_one(node.path(), len(values), live, values, numbers))
                else:
                    program.run(values, numbers)
                    tiering.ran(program)
                    report.ran(node, reason, program, 0)
        except jax.errors.JaxRuntimeError as error:
            errors.raise_as_torch(error, self.place is not CPU)
        finally:
            self.running = -1


class Elsewhere(Exception):
    """An op reads a value that another thread has recorded: have it run there, then record the op anew."""

    def __init__(self, value: Value) -> None:
        self.value = value


class PlaceChanged(Exception):
    """An op reads a value on another device than the trace's: run the trace first, then record the op anew."""

    def __init__(self, place: Place) -> None:
        self.place = place


#: What `getrefcount` says of a value that only the list of the trace holds: nobody will ever read it.
_ALONE = next(map(getrefcount, [Value(None, None)]))


#: Inputs to overwrite, each with the result that takes its place, or -1.
Donated = tuple[tuple[int, int], ...]


class Liveness:
    """Who holds the values of a trace that ends at a node.

    Attributes:
        references: the reference counts that say so.
        live: the results that somebody holds.
        spare: the inputs that nobody holds whose buffer would fit a result.
    """

    __slots__ = ("_known", "live", "references", "spare")

    def __init__(self, values: list[Value], references: list[int]) -> None:
        self.references = references
        self.live = tuple([i for i, n in enumerate(references) if n > _ALONE and values[i].data is None])
        kinds = {values[i].aval for i in self.live}
        self.spare = [
            i for i, n in enumerate(references) if n <= _ALONE and values[i].data is not None and values[i].aval in kinds
        ]
        self._known: tuple[list[int], Donated] = ([], ())  # counts of the arrays, and the answer: threads share it

    def donated(self, values: list[Value]) -> "Donated":
        """Inputs whose buffer nobody else can see, as many as there are results that they fit.

        Those whose place in a storage a result has taken come first, each with that result, which is to have its buffer: the new
        value of a parameter can be written over the old one, any other result only after a copy.
        """
        data = [values[i].data for i in self.spare]
        counts = list(map(getrefcount, data))
        on_host = np.ndarray in set(map(type, data))
        known = self._known
        if counts == known[0] and not on_host:
            return known[1]
        wanted: dict[Any, int] = {}
        live = frozenset(self.live)
        for i in self.live:
            a = values[i].aval
            wanted[a] = wanted.get(a, 0) + 1
        found = []
        for i, array, count in zip(self.spare, data, counts, strict=True):
            v = values[i]
            # The array itself is held by the value, by the list and by the call. Host data has to be copied first; that pays,
            # since it makes the first step of a loop the same program as the others.
            if wanted[v.aval] and (array.__class__ is np.ndarray or count <= 3):
                wanted[v.aval] -= 1
                heir = v.heir if v.heir in live and values[v.heir].aval is v.aval else -1
                found.append((i, heir))
        made = tuple(sorted(found, key=lambda pair: pair[1] < 0))
        if not on_host:
            self._known = counts, made
        return made


class _Local(threading.local):
    def __init__(self) -> None:
        self.recorder = Recorder()


#: ``local.recorder`` is the recorder of the running thread.
local = _Local()


def number_key(x: Any) -> Any:
    """A Python number as part of a key: its type counts, and so do the sign of zero and NaN."""
    if x.__class__ is float and (x == 0.0 or x != x):
        return (float, "nan" if x != x else str(x))  # "0.0" or "-0.0": no number has this key
    return (x.__class__, x)
