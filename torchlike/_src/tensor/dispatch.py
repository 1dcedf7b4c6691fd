"""From a call on Tensors to a recorded op: the one path that every op takes.

`record` is hot: it runs for every op of every step. It builds the key under which the trie knows the op, and on a hit
nothing else is computed. What a key does not show is checked when the op is first seen (`_learn`).
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from torchlike._src.engine import host as host_side, stored
from torchlike._src.engine.program import ARRAY, NUMBER, Call, Nest
from torchlike._src.engine.trace import Elsewhere, Node, PlaceChanged, Recorder, local
from torchlike._src.engine.value import CPU, Aval, Value, aval, host_value
from torchlike._src.operators import promotion
from torchlike._src.operators.numbers import held, scalar
from torchlike._src.operators.registry import OPS, Op
from torchlike._src.operators.support import class_name
from torchlike._src.tensor import dtypes
from torchlike._src.tensor.arguments import Parameter, misfit, parameters, spoken
from torchlike._src.tensor.core import Tensor, alias, levels
from torchlike._src.tensor.pointwise import is_pointwise
from torchlike._src.tensor.reading import LIVE, NUMBERS, OPERAND, STATIC, TENSOR, TENSORS, StaleView, plain, reader, view_value
from torchlike._src.tensor.refusals import NotStrided, no_overload
from torchlike._src.tensor.storage import Storage
from torchlike._src.tensor.strides import strides_of_result
from torchlike._src.tensor.tape import extras, goes_nowhere, node_class, nowhere, order

_SMALL = host_side.SMALL
ANY_SIZE = 1 << 62
_CODE = {
    "tensor": TENSOR, "tensor?": TENSOR, "operand": OPERAND, "operand?": OPERAND, "number": OPERAND,
    "number?": OPERAND, "tensors": TENSORS, "live": LIVE, "seed": LIVE, "numbers": OPERAND,
}  # fmt: skip


#: What these read of a large input on the host is as much as they return: a batch of a data set.
_GATHERS = {"index", "index_select", "gather", "take"}


class Kernel:
    """An op as the dispatcher sees it: what each argument is, and the pure function with promotion applied.

    Attributes:
        codes: for each argument, one of ``_STATIC``, ``_TENSOR``, ...
        live: its numbers are inputs of the program from the start.
        host: the NumPy twin, or None.
        saves: (argument, arguments of which one must need a gradient) for what torch saves; see `registry.op`.
        saves_results: (result, argument that must be a tensor, or -1) for results that torch saves.
        depends: arguments that the gradient depends on, though they are not saved; ``keeps_more``: something else is.
        saves_known: whether these are all; ``saves_nothing``: whether there are none.
    """

    __slots__ = (
        "__name__", "annotated", "check", "codes", "depends", "differentiable", "eager", "fn", "grad_name", "host", "keeps_more",
        "keywords", "layout", "lead", "limit", "live", "name", "node", "numbers_alone_refused", "operands", "overloaded", "params",
        "positional", "promote", "read", "returns", "saves", "saves_known", "saves_nothing", "saves_results", "vet",
    )  # fmt: skip

    def __init__(self, op: Op) -> None:
        self.name = self.__name__ = op.name
        self.fn = op.fn
        self.params = op.params
        self.keywords = tuple([p.name for p in op.params if p.keyword_only])  # the last ones
        self.positional = len(op.params) - len(self.keywords)
        self.codes = tuple([_CODE.get(p.kind, STATIC) for p in op.params])
        #: Takes a tensor first, and then a tensor or a number: in torch these are two functions of one name.
        self.overloaded = self.codes[:1] == (TENSOR,) and any(p.kind == "operand" for p in op.params)
        self.live = any(c == LIVE for c in self.codes)
        self.host = op.host
        #: Where the first tensor stands, if there is a host rule; -1 without one.
        self.lead = (
            -1 if op.host is None or self.live or op.eager else next((i for i, c in enumerate(self.codes) if c != STATIC), 0)
        )
        self.read = first_reading
        #: The parameters that are no tensors and whose types are known, found when they are first looked at.
        self.annotated: tuple[tuple[int, Parameter], ...] | None = None
        #: Looks at values that are on the host, see `checked`.
        self.check = getattr(op.fn, "check", None)
        #: Looks at numbers that change, see `vetted`.
        self.vet = getattr(op.fn, "vet", None)
        self.numbers_alone_refused = any(p.kind == "operand" for p in op.params)
        #: Inputs on the host may be this large for the host rule; 0: as `host_side.SMALL`.
        self.limit = ANY_SIZE if op.name in _GATHERS else 0
        self.differentiable = op.differentiable
        self.eager = op.eager
        self.grad_name = op.grad_name
        self.node = None if callable(op.grad_name) else node_class(op.grad_name)
        self.returns = op.returns
        self.promote = op.promote
        self.operands = tuple([i for i, p in enumerate(op.params) if p.kind in _PROMOTED]) if op.promote else ()
        #: Found out where it is not declared; what draws on the device goes by places.
        self.layout = None if op.layout == "" and self.live else op.layout
        self.saves_known = op.saves is not None
        self._read_saves(op)

    def _read_saves(self, op: Op) -> None:
        names = [p.name for p in op.params]
        results = ("result",) if op.returns is None else op.returns
        saves: list[tuple[int, tuple[int, ...] | None]] = []
        kept: list[tuple[int, int]] = []
        depends: list[int] = []
        for entry in op.saves or ():
            name, _, why = entry.lstrip("~").partition(":")
            needs = tuple([names.index(w) for w in why.split(",")]) if why else None
            if entry.startswith("~"):
                depends += [names.index(name)] if name else []
            elif name in names:
                saves.append((names.index(name), needs))
            elif name in results:
                kept.append((results.index(name), -1 if needs is None else needs[0]))
            else:
                raise ValueError(f"{op}: saves={op.saves} names neither parameters nor results")
        # torch looks at what it saved by name, which tells where more than one was written to.
        saves.sort(key=lambda s: "self" if names[s[0]] == "input" else names[s[0]])
        self.saves, self.saves_results, self.depends = tuple(saves), tuple(kept), tuple(depends)
        self.saves_nothing = op.saves is not None and not op.saves
        self.keeps_more = any(entry.startswith("~") for entry in op.saves or ())

    def __call__(self, *args: Any) -> Any:
        return self._call(self.fn, args)

    def identity(self) -> Any:
        """What another process would know the kernel by, see `stored.key_of`."""
        if type(self) is not Kernel:  # one that does something else with the op
            raise stored.Unnamed(self.name)
        declared = OPS.get(self.name)
        named = ("op", self.name) if declared is not None and declared.fn is self.fn else stored.name_of(self.fn)
        return (named, self.promote, self.keywords)

    def on_host(self, args: Sequence[Any]) -> Any:
        """Run the NumPy twin; NumPy's warnings about inf and NaN are not torch's."""
        with np.errstate(all="ignore"):
            return self._call(self.host, args)

    def _call(self, fn: Any, args: Sequence[Any]) -> Any:
        if self.promote is not None:
            args = self._promoted(args)
        n = self.positional
        if not self.keywords:
            return fn(*args)
        return fn(*args[:n], **dict(zip(self.keywords, args[n:], strict=True)))

    def _promoted(self, args: Sequence[Any]) -> list[Any]:
        """The arguments with tensors and operands cast to their common dtype."""
        args = list(args)
        flat: list[Any] = []
        for i in self.operands:
            if isinstance(args[i], tuple):
                flat += args[i]
            else:
                flat.append(args[i])
        cast = iter(promotion.promote(flat, self.promote))
        for i in self.operands:
            args[i] = tuple([next(cast) for _ in args[i]]) if isinstance(args[i], tuple) else next(cast)
        return args


_PROMOTED = {"tensor", "tensor?", "operand", "operand?", "tensors"}


def first_reading(kernel: Kernel, *rest: Any) -> Any:
    """Stands for a kernel's reader until it is used: making those of all ops would take a fifth of the import."""
    kernel.read = reader(kernel.codes, wrong_argument)
    return kernel.read(kernel, *rest)


#: What autocast makes of the arguments of an op (or of a view, by its name); empty until a region is first opened (`autocast.py`).
recasts: dict[Kernel | str, Callable[[Sequence[Any]], Sequence[Any]]] = {}


def record(kernel: Kernel, args: Sequence[Any]) -> Any:
    """Record an op; returns its result as a Tensor, or several as a tuple of them."""
    if recasts and (recast := recasts.get(kernel)) is not None:
        args = recast(args)
    if levels and (made := levels[-1].record(kernel, args)) is not None:
        return made
    rec = local.recorder
    rec.busy = True
    if rec.halted:
        rec.wait()
    values = rec.values
    node, size, count = rec.node, len(values), len(rec.numbers)
    try:
        return _record(kernel, args, rec)
    except StaleView:
        rec.rollback(node, size, count)
        return record(kernel, _read_anew(args, rec.grad and kernel.differentiable))
    except Elsewhere as other:
        rec.rollback(node, size, count)
        rec.take_over(other.value)
        return record(kernel, args)
    except PlaceChanged as change:
        rec.rollback(node, size, count)
        rec.flush("a change of device")
        return _record_elsewhere(kernel, args, rec, change)
    except NotStrided as other:
        rec.rollback(node, size, count)
        answer = other.answer
    except BaseException as error:
        if rec.values is values:
            rec.rollback(node, size, count)
        if error.__class__ is TypeError:  # an argument that no key can hold, perhaps
            numbers = _tensors_as_ints(kernel, args)
            if numbers is not None:
                return record(kernel, numbers)
            _check_kinds(kernel, args)
        raise
    finally:
        rec.busy = False
    return answer(kernel, args)


def _tensors_as_ints(kernel: Kernel, args: Sequence[Any]) -> list[Any] | None:
    """The arguments with tensors of one integer read where the op takes no tensor; None if there are none."""
    found = [
        int(a) if code == STATIC and isinstance(a, Tensor) and a._aval().size == 1 and a._aval().dtype.kind in "iu" else a
        for a, code in zip(args, kernel.codes, strict=True)
    ]
    return found if any(a is not b for a, b in zip(found, args, strict=True)) else None


def _read_anew(args: Sequence[Any], grad: bool) -> list[Any]:
    """The arguments with stale views read anew, and their histories where they count.

    Views whose histories are lost are stale for good, so that they are refused whenever they are used with grad: without it,
    what they show stands in for them.
    """
    read: list[Any] = []
    for a in args:
        if isinstance(a, (tuple, list)) and any(isinstance(t, Tensor) for t in a):
            a = _read_anew(a, grad)
        elif isinstance(a, Tensor) and a._chain is not None:
            if grad:
                a._read_history()
            a._value()
            if a._seen != a._storage.writes:
                a = alias(a, Tensor.__new__(Tensor))
                a._seen = a._storage.writes
        read.append(a)
    return read


def _record_elsewhere(kernel: Kernel, args: Sequence[Any], rec: Recorder, change: PlaceChanged) -> Any:
    """Record after a change of device; if its inputs are on two devices, only 0-d CPU tensors may differ."""
    try:
        return _record(kernel, args, rec)
    except PlaceChanged as again:
        rec.rollback(rec.node, 0, 0)
        from torchlike._src.tensor.devices import device_of

        places = {change.place, again.place, rec.place}
        other = next((p for p in places if p is not CPU), CPU)
        moved = [
            a.to(device_of(other)) if isinstance(a, Tensor) and a.ndim == 0 and a._value().aval.place is CPU else a for a in args
        ]
        tensors = [a for a in moved if isinstance(a, Tensor)]
        found = list(dict.fromkeys(str(t.device) for t in tensors))
        if len(found) > 1:
            raise RuntimeError(
                f"Expected all tensors to be on the same device, but found at least two devices, {found[0]} and "
                f"{found[1]}! (when checking the arguments of {kernel.name}; move one with .to())"
            ) from None
        return _record(kernel, moved, rec)


def _record(kernel: Kernel, args: Sequence[Any], rec: Recorder) -> Any:
    lead = kernel.lead
    if lead >= 0:
        a = args[lead]
        if not isinstance(a, Tensor) or (a._storage.value if a._chain is None else view_value(a)).data.__class__ is np.ndarray:
            out = _on_host(kernel, args, rec)
            if out is not NotImplemented:
                return out
    if kernel.eager:
        return _eager(kernel, args, rec)
    values = rec.values
    size = len(values)
    found, mask, edges, bent = kernel.read(kernel, args, rec, rec.grad and kernel.differentiable)
    live: list[Any] | None = None
    if not kernel.live:
        node = rec.node.children.get(found)
        if node is None:
            node, live = _find_loose(kernel, args, found, rec, size)
    else:
        loose = _loosen(kernel, found)
        node = rec.node.children.get(loose)
        live = _numbers(kernel, args)
        if node is None:
            node = _learn(kernel, args, loose, found, rec, size, tuple(live))
    if live:
        rec.numbers += live
    if kernel.check is not None:
        kernel.check(*map(_seen_on_host, args))
    outs = rec.push(node)
    if mask:
        made = _wrap_with_grad(kernel, node, outs, edges, args, values, live)
    elif len(outs) == 1:
        made = _new(outs[0])
    else:
        made = _pack(kernel, [_new(v) for v in outs])
    if rec.inference:
        _mark_inference(made)
    return _laid_out(kernel, args, made) if bent and kernel.layout is not None else made


def _seen_on_host(a: Any) -> Any:
    """An argument as checks of values see it: an array that is on the host, or else its shape and dtype."""
    if isinstance(a, Tensor):
        v = a._value()
        return v.data if v.data.__class__ is np.ndarray else v.aval
    return tuple(map(_seen_on_host, a)) if isinstance(a, (tuple, list)) else _static(a)


def _mark_inference(made: Any) -> None:
    for t in made if isinstance(made, tuple) else (made,):
        t._inference = True


def _laid_out(kernel: Kernel, args: Sequence[Any], made: Any) -> Any:
    """Give results the strides that torch gives them for inputs that are not all contiguous."""
    if kernel.layout == "":
        pointwise = is_pointwise(kernel, [_struct(a) for a in args])
        if pointwise is not None:  # known for good
            kernel.layout = "elementwise" if pointwise else None
        if not pointwise:
            return made
    tensors = [t for a in args for t in (a if isinstance(a, (tuple, list)) else (a,)) if isinstance(t, Tensor)]
    operands = tuple([(t._aval().shape, t.stride()) for t in tensors])
    for t in made if isinstance(made, tuple) else (made,):
        strides = strides_of_result(kernel.layout, t._aval().shape, operands)
        if strides is not None:
            t._geometry = (strides, 0)
            t._storage._strides = strides
    return made


def _struct(a: Any) -> Any:
    if isinstance(a, Tensor):
        return a._aval().struct
    return tuple(map(_struct, a)) if isinstance(a, (tuple, list)) else _static(a)


_make = object.__new__


def _new(value: Value) -> Tensor:
    t = _make(Tensor)
    t._storage = storage = _make(Storage)
    storage.value = value
    return t


def wrong_argument(kernel: Kernel, position: int, given: Any) -> str:
    p = kernel.params[position]
    wanted = "tuple of Tensors" if p.kind == "tensors" else "Number" if p.kind.startswith("number") else "Tensor"
    where = "" if p.keyword_only else f" (position {position + 1})"
    return f"{spoken(kernel.name)}(): argument '{p.name}'{where} must be {wanted}, not {class_name(given)}"


def _no_overload(kernel: Kernel, args: Sequence[Any]) -> TypeError:
    given = list(args)
    while given and given[-1] is kernel.params[len(given) - 1].default:
        given.pop()
    forms = [
        ", ".join(f"{kind if p.kind == 'operand' else 'Tensor'} {p.name}" for p in kernel.params) for kind in ("Tensor", "Number")
    ]
    return no_overload(kernel.name, given, {}, *forms)


def _check_kinds(kernel: Kernel, args: Sequence[Any]) -> None:
    for i, (a, p) in enumerate(zip(args, kernel.params, strict=True)):
        if isinstance(a, Tensor) and kernel.codes[i] in (STATIC, TENSORS):
            raise TypeError(wrong_argument(kernel, i, a))
        if isinstance(a, Tensor) or (a is None and (p.kind.endswith("?") or p.kind in ("static", "tensors"))):
            continue
        if p.kind in ("tensor", "tensor?"):
            raise _no_overload(kernel, args) if i == 0 and kernel.overloaded else TypeError(wrong_argument(kernel, i, a))
        if p.kind in ("operand", "number", "operand?", "number?") and not isinstance(plain(a), NUMBERS):
            raise TypeError(wrong_argument(kernel, i, a))
    if kernel.numbers_alone_refused and not any(isinstance(a, Tensor) for a in args):
        kinds = ", ".join([class_name(a) for a, p in zip(args, kernel.params, strict=True) if p.kind == "operand"])
        raise TypeError(
            f"{kernel.name}() received an invalid combination of arguments - got ({kinds}), but expected a Tensor among them"
        )


def _check_statics(kernel: Kernel, args: Sequence[Any]) -> None:
    """Refuse what is neither a tensor nor of the type that the op's annotations tell; asked once a signature."""
    if kernel.annotated is None:
        known = kernel.name in OPS and OPS[kernel.name].fn is kernel.fn
        found = parameters(kernel.fn) if known else ()
        kernel.annotated = tuple([(i, p) for i, p in enumerate(found) if p.kinds and kernel.codes[i] == STATIC])
    for i, p in kernel.annotated:
        said = misfit(p, args[i], f"(position {i + 1}) " if p.positional else "")
        if said:
            raise TypeError(f"{spoken(kernel.name)}(): argument '{p.name}' {said}")


def _loosen(kernel: Kernel, key: tuple[Any, ...]) -> tuple[Any, ...]:
    """The key without the values of its numbers."""
    out: list[Any] = [key[0]]
    for item, code in zip(key[1:-1], kernel.codes, strict=True):
        if code == OPERAND and item.__class__ is tuple:
            if item and item[0].__class__ is tuple:
                out.append(tuple([i[0] for i in item]))
            elif item:
                out.append(item[0])
            else:
                out.append(item)
        else:
            out.append(item)
    out.append(key[-1])
    return tuple(out)


def _numbers(kernel: Kernel, args: Sequence[Any]) -> list[Any]:
    """The Python numbers among the arguments, in order."""
    found: list[Any] = []
    for a, code in zip(args, kernel.codes, strict=True):
        if code in (OPERAND, LIVE) and a is not None and not isinstance(a, Tensor):
            if isinstance(a, (tuple, list)):
                found += map(plain, a)
            else:
                found.append(plain(a))
    return found


def _find_loose(
    kernel: Kernel, args: Sequence[Any], key: tuple[Any, ...], rec: Recorder, size: int
) -> tuple[Node, list[Any] | None]:
    """The node for a key that the trie does not know: new, or one that differs in its numbers only.

    A number that is not what it was last time at this place becomes an input of the program, unless an op could refuse it
    or wrap it: one that the dtype of a tensor does not hold stays a constant, which the op sees.
    """
    numbers = _numbers(kernel, args)
    if not numbers or not _held(numbers, args):
        return _learn(kernel, args, key, key, rec, size, None), None
    if kernel.vet is not None:
        kernel.vet(*map(_seen_on_host, args))
    loose = _loosen(kernel, key)
    place = rec.node
    if place.loose is None:
        place.loose = {}
    before = place.loose.get(loose)
    if before is None:
        node = _learn(kernel, args, key, key, rec, size, None)
        place.loose[loose] = key
        return node, None
    if before is not True:
        node = _learn(kernel, args, loose, key, rec, size, tuple(numbers))
        place.children.pop(before, None)
        place.loose[loose] = True
        return node, numbers
    return place.children[loose], numbers


def _held(numbers: Sequence[Any], args: Sequence[Any]) -> bool:
    """Whether all of these are numbers that each tensor's dtype holds. A bool has but two values, and JAX no weak type for it.

    Raises:
        OverflowError: for an integer that no tensor can hold.
    """
    kinds = [a._aval().dtype for a in args if isinstance(a, Tensor)]
    for n in numbers:
        if n.__class__ in NUMBERS:
            scalar(n)
            for dtype in kinds:
                if n.__class__ is bool or not held(n, dtype):
                    return False
    return True


def _learn(
    kernel: Kernel, args: Sequence[Any], key: tuple[Any, ...], full: tuple[Any, ...], rec: Recorder, size: int,
    numbers: tuple[Any, ...] | None,
) -> Node:  # fmt: skip
    """Check the arguments, work out the results' shapes, and put a new node into the trie."""
    _check_kinds(kernel, args)
    _check_statics(kernel, args)
    template: list[Any] = []
    statics: list[Any] = []
    refs: list[int] = []
    came_in = itertools.count(size)  # the key shows an input that came in with this op by its aval
    for a, code, item in zip(args, kernel.codes, full[1:-1], strict=True):
        if isinstance(a, Tensor):
            template.append(ARRAY)
            refs.append(item if item.__class__ is int else next(came_in))
        elif code == TENSORS and a is not None:
            template.append(Nest([None if t is None else ARRAY for t in a]))
            refs += [i if i.__class__ is int else next(came_in) for i in item if i is not None]
        elif code in (OPERAND, LIVE) and a is not None:
            if numbers is None:
                template.append(tuple(map(plain, a)) if isinstance(a, (tuple, list)) else plain(a))
            else:
                template.append(Nest([NUMBER] * len(a)) if isinstance(a, (tuple, list)) else NUMBER)
        else:
            template.append(_static(a))
    # What tells this call from others of the kernel: the key without the numbers of values.
    for item, part in zip(key[1:-1], template, strict=True):
        if part is ARRAY or part is NUMBER or part.__class__ is Nest:
            statics.append(part)
        else:
            statics.append(item)
    call = Call(kernel, (*statics, promotion.default_dtype()), tuple(template))
    return rec.learn(key, call, tuple(refs), size, full[-1], numbers or ())


def _static(a: Any) -> Any:
    """A static argument as kernels want it: NumPy's dtype for torch's, tuples for lists."""
    if isinstance(a, dtypes.dtype):
        return a.np
    if isinstance(a, (list, tuple)):
        return tuple([_static(i) for i in a])
    return a.item() if isinstance(a, np.generic) else a


def _concrete(a: Any) -> Any:
    return None if a is None else a._value().data


def _on_host(kernel: Kernel, args: Sequence[Any], rec: Recorder) -> Any:
    """Run the NumPy twin of an op at once; NotImplemented where an input is not small and on the host, or it leaves these alone."""
    grad = rec.grad and kernel.differentiable
    limit = kernel.limit or _SMALL
    bent = False
    for a in args:
        for t in a if isinstance(a, (tuple, list)) else (a,):
            if isinstance(t, Tensor):
                v = t._storage.value if t._chain is None else view_value(t)
                if v.data.__class__ is not np.ndarray or v.aval.size > limit or (grad and t._requires_grad):
                    return NotImplemented
                bent |= t._geometry is not None
    _check_kinds(kernel, args)
    given = [
        a._value().data
        if isinstance(a, Tensor)
        else tuple(map(_concrete, a))
        if code == TENSORS and a is not None
        else scalar(plain(a))
        if code == OPERAND and not isinstance(a, (tuple, list))
        else _static(a)
        for a, code in zip(args, kernel.codes, strict=True)
    ]
    try:
        out = kernel.on_host(given)
    except Exception:  # what NumPy refuses is recorded, and refused in torch's words, or found to be right
        return NotImplemented
    if out is NotImplemented:
        return out
    if kernel.check is not None:
        kernel.check(*given)
    if isinstance(out, (tuple, list)):
        made = _pack(kernel, [_new(host_value(np.asarray(o))) for o in out])
    else:
        made = _new(host_value(np.asarray(out)))
    if rec.inference:
        _mark_inference(made)
    return _laid_out(kernel, args, made) if bent and kernel.layout is not None else made


def _eager(kernel: Kernel, args: Sequence[Any], rec: Recorder) -> Any:
    """Run an op whose result's size depends on data: on arrays that are there, never traced."""
    _check_kinds(kernel, args)
    _check_statics(kernel, args)

    def array(t: Any) -> Any:
        return None if t is None else t._array(f"{kernel.name}, whose size depends on data")

    place = next(
        (t._value().aval.place for a in args for t in (a if isinstance(a, (tuple, list)) else (a,)) if isinstance(t, Tensor)), CPU
    )
    given = [
        array(a) if isinstance(a, Tensor) else tuple(map(array, a)) if code == TENSORS and a is not None else _static(a)
        for a, code in zip(args, kernel.codes, strict=True)
    ]
    out = kernel(*given)
    many = isinstance(out, (tuple, list))
    made = []
    for o in out if many else (out,):
        if o is None:
            made.append(None)
        elif isinstance(o, np.ndarray) and place is CPU:
            made.append(_new(host_value(o)))
        else:
            o = host_side.upload(o, place)
            made.append(_new(Value(aval(o.shape, np.dtype(o.dtype), place), o)))
    return _pack(kernel, made) if many else made[0]


def _wrap_with_grad(
    kernel: Kernel, node: Node, outs: list[Value], edges: list[Any], args: Sequence[Any], values: list[Value],
    numbers: list[Any] | None,
) -> Any:  # fmt: skip
    make = kernel.node
    if make is None:  # the name depends on the arguments
        make = node_class(kernel.grad_name({p.name: a for p, a in zip(kernel.params, args, strict=True)}))
    grad_node = _make(make)
    grad_node.pullback = outs.pop()
    grad_node.trie, grad_node.values, grad_node.numbers, grad_node.edges = node, node.pick(values), numbers, edges
    grad_node.order = next(order)
    if kernel.saves:
        places = node.saves
        lost = nowhere and any(k < 0 and n._made == "nothing" for n, k in edges)
        if places is None or lost:
            places = saved_places(kernel, args)
            node.saves = None if lost else places
        if places:
            grad_node.saved = saved(places, args)
    if len(outs) == 1 and not kernel.saves_results and not extras:  # nearly always; saves half a microsecond
        t = _new(outs[0])
        if outs[0].aval.inexact:
            t._node = grad_node
            t._requires_grad = True
        return t
    made = []
    for k, v in enumerate(outs):
        t = _new(v)
        if v.aval.inexact:
            t._node = grad_node
            t._number = k
            t._requires_grad = True
        made.append(t)
    for i, needs in kernel.saves_results:
        if needs < 0 or isinstance(args[needs], Tensor):
            grad_node.save_result(made[i])
    if extras:
        grad_node.tell()
        from torchlike._src.autograd.saving import keep_packed

        keep_packed(grad_node, args, made)
    return made[0] if len(made) == 1 else _pack(kernel, made)


def saved_places(kernel: Kernel, args: Sequence[Any], written: int = -1) -> tuple[int, ...]:
    """Which of the arguments torch keeps for backward; the same for all calls that come to one node of the trie, if all
    gradients go somewhere.

    ``written`` is the argument that is about to be written to: torch saves a copy of that one.
    """
    return tuple([
        i
        for i, needs in kernel.saves
        if i != written and args[i] is not None and (needs is None or any(_needs_grad(args[k]) for k in needs))
    ])  # fmt: skip


def saved(places: tuple[int, ...], args: Sequence[Any]) -> list[Any] | None:
    """What torch keeps of the arguments for backward, each with its version counter and version."""
    kept = []
    for i in places:
        a = args[i]
        for t in a if isinstance(a, (tuple, list)) else (a,):
            if isinstance(t, Tensor):
                if t._inference:
                    raise RuntimeError(_NOT_SAVED)
                counter = t._own_counter or t._storage
                kept.append((t, counter, counter.version))
    return kept or None


_NOT_SAVED = (
    "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode in computation tracked "
    "by autograd. To work around this, you can make a clone to get a normal tensor and use it in autograd, or use "
    "`torch.no_grad()` instead of `torch.inference_mode()`."
)


def _needs_grad(a: Any) -> bool:
    if isinstance(a, (tuple, list)):
        return any(isinstance(t, Tensor) and t._requires_grad and not goes_nowhere(t) for t in a)
    return isinstance(a, Tensor) and a._requires_grad and not goes_nowhere(a)


_return_types: dict[Kernel, Any] = {}


def _pack(kernel: Kernel, made: list[Any]) -> Any:
    if kernel.returns is None:
        return tuple(made)
    cls = _return_types.get(kernel)
    if cls is None:
        from torchlike._src.tensor.return_types import named

        cls = _return_types[kernel] = named(kernel.name, kernel.returns)
    return cls(made)


class _FusedKernel:
    """Several tensors at once through one pure function: how an optimizer's whole step is one op."""

    __slots__ = ("__name__", "fn", "key")

    def __init__(self, fn: Callable[..., Any], key: Any) -> None:
        self.fn, self.key = fn, key
        self.__name__ = fn.__name__

    def __call__(self, arrays: Sequence[Any], numbers: Sequence[Any]) -> Any:
        return self.fn(list(arrays), list(numbers))

    def identity(self) -> Any:
        """As `Kernel.identity`: a function made inside another is told by its ``key``, where that is plain."""
        own = getattr(self.fn, "identity", None)
        if own is not None:
            return own()
        if self.fn.__module__.partition(".")[0] != __name__.partition(".")[0]:
            raise stored.Unnamed(self.fn.__module__)
        return (self.fn.__module__, self.fn.__qualname__, stored.plain(self.key))

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _FusedKernel) and self.key == other.key


def fused(
    fn: Callable[..., Any], key: Any, tensors: Sequence[Tensor], numbers: Sequence[float], outs: Sequence[Aval] | None = None
) -> list[Tensor]:
    """Record ``fn(arrays, numbers) -> arrays`` over all ``tensors`` as one op without gradient.

    Args:
        fn: pure; ``key`` (hashable) stands for everything static about it.
        tensors: what it reads.
        numbers: Python numbers that are inputs of the program from the start.
        outs: kinds of the results, where they are known; saves a trace of ``fn`` to find them out.
    """
    return [_new(v) for v in _fused(fn, key, tensors, numbers, outs)]


def update(
    fn: Callable[..., Any], key: Any, tensors: Sequence[Tensor], numbers: Sequence[float], written: Sequence[Tensor],
    alike: bool = False,
) -> None:  # fmt: skip
    """As `fused`, with the results written into ``written``, unseen by autograd.

    Args:
        alike: the results are known to be of the kinds of ``written``.
    """
    assign(written, _fused(fn, key, tensors, numbers, [t._aval() for t in written] if alike else None))


def assign(tensors: Sequence[Tensor], values: Sequence[Value]) -> None:
    """Write a value into each tensor, unseen by autograd."""
    for t, v in zip(tensors, values, strict=True):
        storage = t._storage
        if t._chain is None and t._own_counter is None and storage.__class__ is Storage:
            storage.value.heir = v.index
            storage.value = v
            storage.writes += 1
            storage.version += 1
        else:
            t._write(v)


def _fused(
    fn: Callable[..., Any], key: Any, tensors: Sequence[Tensor], numbers: Sequence[float], outs: Sequence[Aval] | None
) -> list[Value]:
    rec = local.recorder

    def attempt() -> list[Value]:
        size = len(rec.values)
        refs = rec.refer(given)
        found = (key, len(numbers), *refs)
        node = rec.node.children.get(found)
        if node is None:
            template = (Nest([ARRAY] * len(tensors)), Nest([NUMBER] * len(numbers)))
            call = Call(_FusedKernel(fn, key), (len(tensors), len(numbers)), template)
            came_in = itertools.count(size)
            indices = tuple([r if r.__class__ is int else next(came_in) for r in refs])
            node = rec.learn(found, call, indices, size, 0, tuple(numbers), outs)
        rec.numbers += numbers
        return rec.push(node)

    given = [t._storage.value if t._chain is None else t._value() for t in tensors]  # before: reading a view may be an op
    try:
        return rec.whole(attempt)
    except PlaceChanged:
        raise RuntimeError("Expected all tensors of a parameter group's step to be on the same device.") from None


def boundary(reason: str) -> None:
    """The end of a step: run what was recorded."""
    local.recorder.flush(reason)
