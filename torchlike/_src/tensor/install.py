"""From op records to public functions, methods, in-place and ``out=`` forms.

What a record says once becomes here everything that users call. The functions are made from source text, so that they
bind their arguments as fast as hand-written ones and show their signatures to `inspect` and to editors.
"""

import functools
import inspect
import keyword
import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from torchlike._src.engine.trace import local
from torchlike._src.operators import promotion
from torchlike._src.operators.registry import EXACT, INPLACE, OPS, Array, Arrays, InPlace, Op, Out, anonymous
from torchlike._src.operators.support import NOT_DIFFERENTIATED, broadcast_shapes, class_name, other_dtype
from torchlike._src.tensor import dtypes
from torchlike._src.tensor.arguments import check, explained, spoken
from torchlike._src.tensor.core import Tensor, levels
from torchlike._src.tensor.dispatch import Kernel, recasts, record, saved, saved_places
from torchlike._src.tensor.views import agreed

_REFLECTED = {
    f"__r{n}__"
    for n in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor", "lshift", "rshift", "div")
}
_ALIASES = {"axis": "dim", "keepdims": "keepdim", "x": "input", "x1": "input", "x2": "other"}
_LIBRARY = __name__.partition(".")[0]
_PLAIN = (bool, int, float, complex)
#: The kernel of each op that is no composite, by its first public name.
KERNELS: dict[str, Kernel] = {}


def install() -> None:
    """Make every declared op callable, and give Tensor its methods. Called once, when all ops are declared."""
    for op in OPS.values():
        if op.composite:
            path = next((n for n in op.names if not n.startswith("_C.")), op.names[0])
            _place(op.fn, path)
            op.call = op.fn if _is_python(path) else explained(op.fn, spoken(path), False)
            _set_methods(op, explained(op.fn, spoken(path), True))
            continue
        kernel = KERNELS[op.names[0]] = Kernel(op)
        op.call = _function(op, kernel)
        _set_methods(op, _as_method(op.call))
        if op.inplace:
            _set_inplace(op, kernel)
        for dunder in op.operators:
            setattr(Tensor, dunder, _operator(op, kernel, dunder))


def _is_python(path: str) -> bool:
    """Whether a function is Python in torch, too: there its arguments are checked by what it calls."""
    return path.startswith("nn.functional.")


def _set_methods(op: Op, fn: Callable[..., Any]) -> None:
    if isinstance(op.method, str):
        names = [op.method]
    else:
        names = [name.rsplit(".", 1)[-1] for name in op.names if op.method or name.startswith("Tensor.")]
    for name in names:
        setattr(Tensor, name, fn)
    if names and fn is not op.call:
        _place(fn, f"Tensor.{names[0]}")
    if op.composite:
        for dunder in op.operators:
            setattr(Tensor, dunder, _composite_operator(fn, dunder))


def _as_method(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A function made by `_make` that says of wrong arguments what methods say."""
    method = types.FunctionType(fn.__code__, {**fn.__globals__, "_method": True}, fn.__name__, fn.__defaults__, fn.__closure__)
    method.__globals__[fn.__code__.co_name] = method
    return functools.update_wrapper(method, fn, assigned=(*functools.WRAPPER_ASSIGNMENTS, "__kwdefaults__"))


def _set_inplace(op: Op, kernel: Kernel) -> None:
    fn = _make(op, kernel, f"{op.name}_", "inplace")
    method = _as_method(fn)
    for name in op.names:
        short = name.rsplit(".", 1)[-1] + "_"
        INPLACE[name + "_"] = fn
        if op.method:
            setattr(Tensor, short, method)
            _place(method, f"Tensor.{short}")


def public_names() -> dict[str, Callable[..., Any]]:
    """Every public function by its dotted name under ``torch``."""
    found: dict[str, Callable[..., Any]] = {}
    for op in OPS.values():
        for name in op.names:
            if not name.startswith("Tensor."):
                found[name] = op.call  # type: ignore[assignment]
    return {**INPLACE, **found}


def _function(op: Op, kernel: Kernel) -> Callable[..., Any]:
    return _make(op, kernel, op.name, "out" if op.out else "plain")


def _make(op: Op, kernel: Kernel, name: str, form: str) -> Callable[..., Any]:
    """Compile the public function of one form of an op."""
    space: dict[str, Any] = {
        "_kernel": kernel, "_record": record, "_in_place": _in_place_as(op), "_into": _into_as(op),
        "_renamed": renamed, "_seed": next_seed, "_without_grad": without_grad,
        "_shortcut": op.shortcut, "_take": take_shortcut, "_check": check, "_fn": op.fn, "_method": False,
    }  # fmt: skip
    positional, named, passed = [], [], []
    for k, p in enumerate(op.params):
        ident = p.name + "_" if keyword.iskeyword(p.name) else p.name
        if p.kind == "seed":
            named.append("generator=None")
            passed.append("_seed(generator)")
            continue
        text = ident
        if p.default is not inspect.Parameter.empty:
            space[f"_default{k}"] = p.default
            text = f"{ident}=_default{k}"
        (named if p.keyword_only else positional).append(text)
        passed.append(ident)
    if form == "out":
        named.append("out=None")
    signature = ", ".join([*positional, *(["*", *named] if named else []), "**aliases"])
    values = "(" + "".join(f"{p}, " for p in passed) + ")"
    bound = ", ".join(f"{p!r}: {p}" for p in passed if not p.startswith("_seed"))
    fname = name if name.isidentifier() and not keyword.iskeyword(name) else f"{name}_"
    lines = [f"def {fname}({signature}):", "    if aliases:"]
    extra = ", 'out': out" if form == "out" else ""
    lines.append(f"        return _renamed({fname}, aliases, {{{bound}{extra}}}, {len(positional)})")
    for parameter, function in op.without_grad.items():
        lines.append(f"    {parameter} = _without_grad({parameter}, {parameter!r}, {function!r})")
    indent = " " * 8
    lines.append("    try:")
    if form == "inplace":
        lines.append(f"{indent}return _in_place(_kernel, {values})")
    elif form == "out":
        lines += [
            f"{indent}if out is None:",
            *_recorded(op, values, indent + "    "),
            f"{indent}return _into(_kernel, {values}, out)",
        ]
    else:
        lines += _recorded(op, values, indent)
    said = spoken(op.names[0]) + ("_" if form == "inplace" else "")
    given = "(" + "".join("None, " if p.startswith("_seed") else f"{p}, " for p in passed) + ")"
    lines += [
        f"    except {'AttributeError' if _is_python(op.names[0]) else 'Exception'} as error:",
        f"        _check(_fn, {said!r}, {given}, {{}}, _method, error)",
        "        raise",
    ]
    exec(compile("\n".join(lines), f"<torchlike {op.names[0]}>", "exec"), space)
    fn = space[fname]
    _place(fn, op.names[0] + ("_" if form == "inplace" else ""))
    fn.__doc__ = op.fn.__doc__
    return fn


def _recorded(op: Op, values: str, indent: str) -> list[str]:
    """The lines that record an op and return its result."""
    if op.shortcut is None:
        return [f"{indent}return _record(_kernel, {values})"]
    return [
        f"{indent}made = _record(_kernel, {values})",
        f"{indent}return made if made._node is None else _take(_kernel, made, _shortcut(*{values}))",
    ]


def _place(fn: Callable[..., Any], path: str) -> None:
    """Say where a function is found, so that it can be pickled: its dotted name under the library's."""
    home, _, name = path.rpartition(".")
    fn.__name__ = name
    fn.__qualname__ = path if home == "Tensor" else name
    fn.__module__ = _LIBRARY if home in ("", "Tensor") else f"{_LIBRARY}.{home}"


def renamed(fn: Callable[..., Any], aliases: dict[str, Any], given: dict[str, Any], positional: int) -> Any:
    """Call again with NumPy's names for arguments (``axis``, ``keepdims``) as torch's."""
    for name, value in aliases.items():
        target = _ALIASES.get(name)
        if target not in given:
            raise TypeError(f"{fn.__name__}() got an unexpected keyword argument '{name}'")
        given[target] = value
    return fn(**given)


def without_grad(given: Any, parameter: str, function: str | None) -> Any:
    """An argument for a parameter that has no derivative: detached, or refused in the name of torch's ``function``."""
    if not isinstance(given, Tensor) or not given._requires_grad or not local.recorder.grad:
        return given
    if function is not None:
        raise RuntimeError(
            f"The function '{function}' is not differentiable with respect to argument '{parameter}'. "
            "This input cannot have requires_grad True."
        )
    return given.detach()


def take_shortcut(kernel: Kernel, made: Tensor, shortcut: dict[str, Any] | None) -> Tensor:
    """A result whose node gives None or constants for gradients, as torch's does for the op's arguments."""
    if shortcut and made._node.trie is not None and made._node.trie.call.kernel is kernel:
        made._node.take_shortcut(shortcut)
    return made


def next_seed(generator: Any) -> int:
    """A seed for an op that draws on the device."""
    from torchlike._src.random import generator as generators

    return (generator or generators.default_generator).next_device_seed()


def in_place(kernel: Kernel, args: tuple[Any, ...]) -> Tensor:
    """Compute, then write the result into the first argument."""
    self = _written(kernel, args)
    self._check_write(kernel.name + "_", args)
    try:
        self._check_overlap(args)
    except RuntimeError:
        _refuse_arguments(kernel, args)
        raise
    return _compute_and_write(kernel, args, self)


#: Of shapes, of kernels, of `add`'s factor.
_SAID_LATER = ("must match the size of tensor", "not implemented for", "argument alpha", "Boolean alpha")


def _refuse_arguments(kernel: Kernel, args: tuple[Any, ...]) -> None:
    """Raise what an op says of its arguments: torch asks it before it looks at memory, and at shapes and for a kernel after."""
    try:
        made = record(kernel, args)
    except RuntimeError as error:
        if any(words in str(error) for words in _SAID_LATER):
            return
        raise
    _check_complex(kernel, args[0]._aval().dtype, made._aval().dtype)


def _written(kernel: Kernel, args: tuple[Any, ...]) -> Tensor:
    if not isinstance(args[0], Tensor):
        raise TypeError(f"{kernel.name}_(): argument 'input' (position 1) must be Tensor, not {class_name(args[0])}")
    return args[0]


def _in_place_sharing(rule: InPlace, names: list[str]) -> Callable[..., Any]:
    apart, whole = ([names.index(n) for n in of] for of in (rule.apart, rule.whole))

    def in_place(kernel: Kernel, args: tuple[Any, ...]) -> Tensor:
        self = _written(kernel, args)
        self._check_write(kernel.name + "_", args)
        self._check_overlap([args[i] for i in whole], itself=rule.itself)
        self._refuse_shared([args[i] for i in apart])
        return _compute_and_write(kernel, args, self, agreed if rule.itself else None)

    return in_place


def _in_place_unseen(kernel: Kernel, args: tuple[Any, ...]) -> Tensor:
    self = _written(kernel, args)
    self._check_overlap(args)
    rec = local.recorder
    before, rec.grad = rec.grad, False
    try:
        return _compute_and_write(kernel, args, self)
    finally:
        rec.grad = before


_IN_PLACE: dict[Any, Callable[..., Any]] = {True: in_place, "unseen": _in_place_unseen}


def _in_place_as(op: Op) -> Callable[..., Any] | None:
    """How a record is written in place: one that is computed in the dtype of its ``out``, in that of the tensor."""
    names = [p.name for p in op.params]
    rule = InPlace(apart=tuple(names[1:])) if op.inplace == "apart" else op.inplace
    write = _in_place_sharing(rule, names) if isinstance(rule, InPlace) else _IN_PLACE.get(rule)
    if write is None or not (isinstance(op.out, Out) and op.out.typed):
        return write
    place = names.index("dtype")

    def typed(kernel: Kernel, args: tuple[Any, ...]) -> Tensor:
        self = _written(kernel, args)
        return write(kernel, (*args[:place], args[place] or self.dtype, *args[place + 1 :]))

    return typed


#: Their result is bool whatever they compare.
_COMPARISONS = {"lt", "le", "gt", "ge"}


def _compute_and_write(
    kernel: Kernel, args: tuple[Any, ...], self: Tensor, finish: Callable[[Tensor, Tensor], Tensor] | None = None
) -> Tensor:
    have = self._aval()
    try:
        result = _as_given(kernel, args) if recasts else record(kernel, args)
    except NotImplementedError:  # torch looks at shapes and dtypes before it looks for a kernel
        if kernel.promote is not None:
            _check_shape(self, broadcast_shapes(*[a._aval().shape for a in args if isinstance(a, Tensor)]))
            if kernel.name not in _COMPARISONS:
                _check_cast(promotion.result_type([_kind(args[i]) for i in kernel.operands if args[i] is not None]), have.dtype)
        raise
    made = result._aval()
    if made != have and (made.shape != have.shape or made.dtype != have.dtype) and _is_structured(kernel):
        for what, before, after in (
            ("dtype", promotion.cpp_name(have.dtype), promotion.cpp_name(made.dtype)),
            ("size", list(have.shape), list(made.shape)),
        ):
            if before != after:
                raise RuntimeError(
                    f"Bad in-place call: input tensor {what} {before} and output tensor {what} {after} should match"
                )
    if made.shape != have.shape:
        _check_shape(self, made.shape)
    _check_complex(kernel, have.dtype, made.dtype)
    node = result._node
    if node is not None and kernel.saves and node.trie is not None:
        node.saved = saved(saved_places(kernel, args, written=0), args)
    if node is not None and self._chain is not None:
        node.pass_by(self, self._node)
    result = fit_dtype(result, have.dtype)
    if not kernel.differentiable and local.recorder.grad and any(isinstance(a, Tensor) and a._requires_grad for a in args):
        form = int(isinstance(args[-1], Tensor) and len(args) > 1)
        result = record(_constant(kernel.grad_name[:-1] + str(form)), ([a for a in args if isinstance(a, Tensor)], result))
    if finish is not None:
        result = finish(self, result)
    node = result._node
    self._write(result._value(), node, result._number, result._requires_grad)
    if node is not None and node.trie is not None:
        for _, needs in kernel.saves_results:
            if needs < 0 or isinstance(args[needs], Tensor):
                node.save_result(self)
    if levels:
        levels[-1].write(self, result)
    return self


def _as_given(kernel: Kernel, args: tuple[Any, ...]) -> Any:
    """Record an op whose arguments autocast leaves alone: torch's does not know in-place and ``out=`` forms."""
    modes = local.recorder.modes
    autocast = modes.pop("autocast", None)
    try:
        return record(kernel, args)
    finally:
        if autocast is not None:
            modes["autocast"] = autocast


def _kind(a: Any) -> promotion.Kind:
    return (a._aval().dtype, a.ndim) if isinstance(a, Tensor) else type(a)


def _is_structured(kernel: Kernel) -> bool:
    """Whether torch computes it by a kernel that neither broadcasts nor casts what it writes; their ``out`` is exact."""
    op = OPS.get(kernel.name)
    return op is not None and (op.out == EXACT or (isinstance(op.out, Out) and op.out.message == EXACT))


def _check_shape(self: Tensor, made: tuple[int, ...]) -> None:
    have = self._aval().shape
    if made != have:
        raise RuntimeError(f"output with shape {list(have)} doesn't match the broadcast shape {list(made)}")


@functools.cache
def _constant(grad_name: str) -> Kernel:
    """The history of a write whose gradient is zero: of comparisons, say."""

    def constant(inputs: Arrays, value: Array) -> Array:
        return value

    return Kernel(anonymous(constant, grad_name=grad_name, saves=()))


def _check_complex(kernel: Kernel, have: np.dtype, made: np.dtype) -> None:
    if made != have and promotion.is_complex(have) and promotion.is_floating(made):
        raise RuntimeError(f"In-place {kernel.name} is not supported for complex tensors.")


def _check_cast(made: np.dtype, wanted: np.dtype) -> None:
    if not promotion.can_cast(made, wanted):
        raise RuntimeError(
            f"result type {promotion.scalar_type(made)} can't be cast to the desired output type {promotion.scalar_type(wanted)}"
        )


def fit_dtype(result: Tensor, wanted: np.dtype) -> Tensor:
    """Cast a result to the dtype of where it goes; RuntimeError where torch refuses."""
    made = result._aval().dtype
    if made == wanted:
        return result
    _check_cast(made, wanted)
    cast = result.to(dtypes.OF_NUMPY[wanted])
    if cast._node is not None and cast._node is not result._node:
        cast._node.__class__ = result._node.__class__  # torch has one node for both
    return cast


def into(kernel: Kernel, args: tuple[Any, ...], out: Any, rule: Out, name: str) -> Any:
    """Compute, then write into ``out``, which is resized if need be. ``name`` is what messages call the op."""
    targets: Sequence[Any] = out if isinstance(out, (tuple, list)) else (out,)
    if kernel.returns is not None and len(targets) != len(kernel.returns):
        raise TypeError(f"expected tuple of {len(kernel.returns)} elements but got {len(targets)}")
    for i, t in enumerate(targets):
        if not isinstance(t, Tensor) and out is t:
            raise TypeError(f"{name}(): argument 'out' must be Tensor, not {class_name(t)}")
        if not isinstance(t, Tensor):
            raise TypeError(f"expected Tensor as element {i} in argument {len(args)}, but got {class_name(t)}")
    rec = local.recorder
    if (
        rec.grad
        and kernel.differentiable
        and any(
            isinstance(t, Tensor) and t._requires_grad
            for a in (*args, *targets)
            for t in (a if isinstance(a, (tuple, list)) else (a,))
        )
    ):
        raise RuntimeError(NOT_DIFFERENTIATED.format(name))
    if levels:
        levels[-1].refuse(kernel.name, [t for a in (*args, *targets) for t in (a if isinstance(a, (tuple, list)) else (a,))])
    for t in targets:
        t._check_overlap(args)
        if rule.apart:
            t._refuse_shared(args)
    if rule.typed:
        args = tuple([out.dtype if p.name == "dtype" and a is None else a for p, a in zip(kernel.params, args, strict=True)])
    made = _as_given(kernel, args) if recasts else record(kernel, args)
    if out is not targets[0] and not isinstance(made, tuple):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {class_name(out)}")
    results: Sequence[Any] = made if isinstance(made, tuple) else (made,)
    if rule.apart:  # one that is to be resized grows over what lies behind it
        for result, t in zip(results, targets, strict=True):
            if result._aval().shape != t._aval().shape and t.numel():
                t._refuse_shared(args, anywhere=True)
    if rule.message and not (rule.casts and rule.casts(*args)):
        texts = rule.message if isinstance(rule.message, tuple) else [rule.message] * len(results)
        for text, result, target in zip(texts, results, targets, strict=True):
            dtype, given = result._aval().dtype, target._aval().dtype
            if dtype != given and given.name not in rule.also and not (rule.cast and promotion.can_cast(dtype, given)):
                raise rule.error(str(other_dtype(text if isinstance(text, str) else text(dtype, given), dtype, given)))
    for result, target in zip(results, targets, strict=True):
        deliver(result.to(target.dtype) if rule.also and target._aval().dtype.name in rule.also else result, target)
    return type(made)(targets) if isinstance(made, tuple) and type(made) is not tuple else out


def _into_as(op: Op) -> Callable[..., Any]:
    """`into` as a record asks for it."""
    out = op.out
    if isinstance(out, bool):
        out = Out()
    elif out in ("apart", "exact"):
        out = Out(EXACT if out == "exact" else "", apart=True)
    elif isinstance(out, str):
        out = Out(out)
    return functools.partial(into, rule=out, name=spoken(op.names[0]))


def deliver(result: Tensor, target: Tensor) -> None:
    """Write a result into an ``out`` tensor."""
    from torchlike._src.tensor.conversion import resize_out

    if result.device != target.device:
        raise RuntimeError(f"Expected out tensor to have device {result.device}, but got {target.device} instead")
    fitted = fit_dtype(result, target._aval().dtype)
    shape = result._aval().shape
    if target._aval().shape != shape:
        resize_out(target, shape)
        if result._geometry is not None:
            target._geometry = result._geometry
    target._write(fitted._value())


def _operator(op: Op, kernel: Kernel, dunder: str) -> Callable[..., Any]:
    """A dunder method; what it cannot handle is left to the other operand."""
    rest = tuple([p.default for p in op.params[2:]])
    if len(op.params) == 1:
        return op.call  # type: ignore[return-value]
    in_place_form = dunder.startswith("__i") and dunder not in ("__invert__", "__int__", "__index__")
    operand = _compared if dunder in ("__eq__", "__ne__") else _operand

    if in_place_form:

        def operator(self: Tensor, other: Any) -> Any:
            if not isinstance(other, Tensor) and other.__class__ not in _PLAIN:
                other = operand(other)
                if other is NotImplemented:
                    return other
            return in_place(kernel, (self, other, *rest))

    elif dunder in _REFLECTED:

        def operator(self: Tensor, other: Any) -> Any:
            if not isinstance(self, Tensor):
                raise TypeError(f"{dunder} is a method of Tensor: it does not apply to a '{type(self).__name__}' object")
            if not isinstance(other, Tensor) and other.__class__ not in _PLAIN:
                if isinstance(other, np.ndarray) and dunder in ("__rtruediv__", "__rdiv__"):  # Python in torch, and so defined
                    return self.reciprocal() * other
                other = operand(other)
                if other is NotImplemented:
                    return other
            return record(kernel, (other, self, *rest))

    else:

        def operator(self: Tensor, other: Any) -> Any:
            if not isinstance(other, Tensor) and other.__class__ not in _PLAIN:
                other = operand(other)
                if other is NotImplemented:
                    return other
            return record(kernel, (self, other, *rest))

    _place(operator, f"Tensor.{dunder}")
    operator.__doc__ = op.fn.__doc__
    return operator


def _composite_operator(fn: Callable[..., Any], dunder: str) -> Callable[..., Any]:
    tensors_only = "matmul" in dunder
    if len(inspect.signature(fn).parameters) == 1:
        return fn

    @functools.wraps(fn)
    def operator(self: Tensor, other: Any) -> Any:
        if not isinstance(other, Tensor):
            other = _operand(other)
            if other is NotImplemented or (tensors_only and not isinstance(other, Tensor)):
                return NotImplemented
        return fn(self, other)

    _place(operator, f"Tensor.{dunder}")
    return operator


def _operand(other: Any) -> Any:
    """Numbers of other kinds as operands. Arrays are left to NumPy, which computes with the tensor as an array, as with torch's."""
    if isinstance(other, np.generic):
        return other.item()
    return other if isinstance(other, _PLAIN) else NotImplemented


def _compared(other: Any) -> Any:
    """What ``==`` and ``!=`` compare with: arrays, too."""
    if isinstance(other, np.ndarray):
        from torchlike._src.tensor import from_data

        return from_data.tensor(other) if other.dtype in dtypes.OF_NUMPY else NotImplemented
    return _operand(other)


def namespace(prefix: str) -> dict[str, Callable[..., Any]]:
    """The public functions directly under ``prefix``: ``namespace("linalg")["norm"]``."""
    start = prefix + "."
    return {
        name[len(start) :]: fn for name, fn in public_names().items() if name.startswith(start) and "." not in name[len(start) :]
    }
