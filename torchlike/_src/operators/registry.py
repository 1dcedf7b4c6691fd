"""Declaring an op: one decorated function states everything there is to know about it.

The decorated function is pure: JAX arrays and numbers in, JAX arrays out, no Tensor in sight. Its
signature is the public signature and its annotations say what each parameter is; the public function,
the method, the in-place and ``out=`` forms, the gradient and the dtype rule are derived from the
record (`Op`) that is kept here. Turning records into functions of Tensors is `tensor/dispatch.py`'s job.
"""

import inspect
import typing
from collections.abc import Callable, Sequence
from typing import Any, NewType, TypeAlias

import jax

Array = jax.Array
Arrays = Sequence[Array]
if typing.TYPE_CHECKING:  # to a type checker they are what arrives
    Operand: TypeAlias = Any
    Number: TypeAlias = Any
    Live: TypeAlias = Any
    Seed: TypeAlias = Any
    Size: TypeAlias = Sequence[Any]
    Numbers: TypeAlias = Sequence[Any]
else:
    #: A Tensor or a Python number that takes part in type promotion; arrives as an array or as a number.
    Operand = NewType("Operand", object)
    #: A Python number. Arrives as a Python number, or as a weakly typed traced scalar once it changes between steps.
    Number = NewType("Number", object)
    #: A number that is an input of the program from the start (learning rate, step count).
    Live = NewType("Live", object)
    #: A random seed (uint64 traced scalar), filled in by the generator; the public form is ``generator=None``.
    Seed = NewType("Seed", object)
    #: A tuple of ints; the method form also takes them one by one: ``x.view(2, 3)``.
    Size = NewType("Size", object)

    #: A tuple of Python ints that may change between steps, like the starts of slices; each is a `Number`.
    Numbers = NewType("Numbers", object)

_KINDS = {
    Array: "tensor",
    Array | None: "tensor?",
    Operand: "operand",
    Operand | None: "operand?",
    Arrays: "tensors",
    Number: "number",
    Number | None: "number?",
    Live: "live",
    Seed: "seed",
    Size: "size",
    Numbers: "numbers",
}


#: What is said of an ``out`` that has another dtype than the result; in capitals as `scalar_type` names them, else as `type_name`.
EXACT = "Expected out tensor to have dtype {made}, but got {given} instead"
FOUND = "Found dtype {Given} but expected {Made}"


class Out(typing.NamedTuple):
    """What an op asks of its ``out``.

    Args:
        message: what a user is told of an ``out`` whose dtype will not do, as `EXACT`; one text for all results, or one for each;
            or a function of the result's dtype and that of ``out``. Empty: any will do to which the result can be cast.
        error: the exception that says so.
        cast: dtypes to which the result can be cast will do; otherwise only its own and those of ``also``.
        apart: it may share no memory with the inputs.
        casts: for which arguments (all of them are passed) dtypes to which the result can be cast will do after all.
        typed: the result is computed in the dtype of ``out`` unless the op's ``dtype`` says otherwise.
    """

    message: Any = ""
    error: type[Exception] = RuntimeError
    cast: bool = False
    also: tuple[str, ...] = ()
    apart: bool = False
    casts: Callable[..., bool] | None = None
    typed: bool = False


class InPlace(typing.NamedTuple):
    """What memory the inputs of an op may share with the tensor that it is written into.

    Args:
        itself: elements of that tensor may share memory with one another.
        apart: the inputs that may share no element with it, by name.
        whole: those that may share all of its elements, but not some.
    """

    itself: bool = False
    apart: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()


class Param(typing.NamedTuple):
    """One parameter of an op: its name, what it is (see `_KINDS`; else ``"static"``), default, keyword-only."""

    name: str
    kind: str
    default: Any
    keyword_only: bool


class Op:
    """The record of one op. See `op` for what the fields mean."""

    __slots__ = (
        "name", "names", "fn", "params", "promote", "method", "inplace", "out", "operators", "host",
        "saves", "layout", "differentiable", "eager", "returns", "grad_name", "composite", "cache", "call", "without_grad",
        "shortcut",
    )  # fmt: skip

    def __init__(self, fn: Callable[..., Any], names: tuple[str, ...], **options: Any) -> None:
        self.fn = fn
        self.names = names
        self.name = names[0].rsplit(".", 1)[-1]
        for key, value in options.items():
            setattr(self, key, value)
        self.params = tuple(
            Param(
                p.name,
                "static" if self.composite else kind_of(p.annotation),
                p.default,
                p.kind is p.KEYWORD_ONLY,
            )
            for p in inspect.signature(fn).parameters.values()
        )
        self.cache: dict[Any, Any] = {}
        self.call: Callable[..., Any] | None = None

    def __repr__(self) -> str:
        return f"Op({self.names[0]})"


def kind_of(annotation: Any) -> str:
    """What a parameter is, read from its annotation."""
    try:
        return _KINDS.get(annotation, "static")
    except TypeError:
        return "static"


#: Every op, by its first public name.
OPS: dict[str, Op] = {}


#: What torch's backward gives instead of a gradient where it takes a shortcut; see `op`.
NOTHING, CONSTANT, LINEAR = "nothing", "constant", "linear"


def op(
    *names: str,
    promote: str | None = None,
    method: bool | str | None = None,
    inplace: bool | str | InPlace = False,
    out: bool | str | Out = False,
    operators: tuple[str, ...] = (),
    host: Callable[..., Any] | None = None,
    saves: tuple[str, ...] | None = None,
    layout: str | None = "",
    differentiable: bool = True,
    eager: bool = False,
    returns: tuple[str, ...] | None = None,
    grad_name: str | None = None,
    without_grad: dict[str, str | None] | None = None,
    shortcut: Callable[..., Any] | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare a pure function as an op; returns that function unchanged, so that ops compose.

    Args:
        names: public dotted names under ``torch``: ``"add"``, ``"nn.functional.gelu"``, ``"linalg.norm"``.
        promote: None, or ``"common"`` (cast tensor and operand parameters to `torch.result_type`), or
            ``"float"`` (the same, then integers and bools to the default float dtype).
        method: also a Tensor method; None means yes if a name has no dot; a string is the method's name.
        inplace: also ``name_``, as function and method. ``"apart"``: the other inputs may share no memory with the first;
            ``"unseen"``: autograd does not notice. An `InPlace` says what may share memory with what.
        out: also takes ``out=``, into which the result is cast. ``"apart"``: that may share no memory with the inputs;
            ``"exact"``: it must have the very dtype of the result, too. Any other text, as `EXACT`: it must have that
            dtype, and this is what a user is told if it has not. An `Out` says it all.
        operators: dunder methods, e.g. ``("__add__", "__radd__")``; a reflected one swaps its operands.
        host: the same function on NumPy arrays, run at once on small host values that need no grad; it may return
            NotImplemented to leave its arguments to the device.
        saves: what torch keeps for backward: parameters, ``"result"``, or fields of ``returns``. Writing to these in place
            before backward is an error. ``"input:other"``: only if ``other`` needs a gradient (for a result: only if
            ``other`` is a tensor). ``"~input"``: torch's formula for the gradient is differentiated with respect to it,
            if only to zeros, though no path is seen in the jaxpr of the backward (see `autograd/dependence.py`);
            ``"~"``: something else is kept, a mask or indices. After ``()`` backward can run again, as in torch. None:
            nothing is known.
        layout: how the results lie in memory if not all inputs are contiguous. ``"elementwise"``: in the order of
            dimensions of the inputs, as TensorIterator lays them; ``"first"``: as the first input, also if sizes change; ``"format"``:
            channels-last if all inputs are; None: contiguous; ``""``: elementwise if the op is, else contiguous.
        differentiable: False for results that carry no gradient whatever their dtype.
        eager: the size of the result depends on data: runs at once on concrete arrays, never traced.
        returns: field names of the named tuple that is returned, e.g. ``("values", "indices")``.
        grad_name: the name in ``grad_fn``; by default ``AddBackward0`` for ``add``.
        without_grad: tensor parameters that have no derivative in torch. Such a one gets no gradient (None), or, if it comes with
            the name of torch's function, is refused when it requires grad.
        shortcut: told the arguments of a call, the parameters for whose gradients torch's backward takes a shortcut there,
            each with `NOTHING` (it gives None), `CONSTANT` (zeros without a history) or `LINEAR` (no gradient comes from this
            parameter), a list of tensors with a tuple of these and None; None if there are none.
    """

    def declare(fn: Callable[..., Any]) -> Callable[..., Any]:
        record = Op(
            fn, names, promote=promote, inplace=inplace, out=out, operators=operators, host=host, saves=saves,
            layout=layout, differentiable=differentiable, eager=eager, returns=returns, composite=False,
            method=any("." not in n for n in names) if method is None else method,
            without_grad=without_grad or {}, shortcut=shortcut,
            grad_name=grad_name or camel(names[0].rsplit(".", 1)[-1]) + "Backward0",
        )  # fmt: skip
        OPS[names[0]] = record
        return fn

    return declare


def anonymous(
    fn: Callable[..., Any], *, host: Callable[..., Any] | None = None, grad_name: str = "", differentiable: bool = True,
    promote: str | None = None, name: str | None = None, saves: tuple[str, ...] | None = None, layout: str | None = None,
) -> Op:  # fmt: skip
    """The record of a pure function that has no public name: a step inside another function."""
    return Op(
        fn, (name or fn.__name__,), promote=promote, method=False, inplace=False, out=False, operators=(), host=host,
        saves=saves, layout=layout, differentiable=differentiable, eager=False, returns=None, composite=False,
        grad_name=grad_name, without_grad={}, shortcut=None,
    )  # fmt: skip


def composite(*names: str, method: bool | str | None = None, operators: tuple[str, ...] = ()) -> Callable[..., Any]:
    """Declare a function of Tensors built from other ops (`ops.NAME`): overloads, argument handling.

    It is published under the same names and as a method (``"Tensor.to"``: as a method only), and is otherwise an
    ordinary Python function.
    """

    def declare(fn: Callable[..., Any]) -> Callable[..., Any]:
        OPS[names[0]] = Op(
            fn, names, promote=None, inplace=False, out=False, operators=operators, host=None, saves=None,
            layout=None, differentiable=True, eager=False, returns=None, composite=True, grad_name="", without_grad={}, shortcut=None,
            method=any("." not in n for n in names) if method is None else method,
        )  # fmt: skip
        return fn

    return declare


def camel(name: str) -> str:
    """``log_softmax`` → ``LogSoftmax``."""
    return "".join(part[:1].upper() + part[1:] for part in name.strip("_").split("_"))


#: In-place functions by name: ``relu_`` → the function. Filled when the ops are made callable.
INPLACE: dict[str, Callable[..., Any]] = {}


class _Namespace:
    """``ops.add`` is the public function of Tensors for the op named ``add``; ``ops["linalg.norm"]`` for dotted ones."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return self[name]

    def __getitem__(self, name: str) -> Callable[..., Any]:
        call = self.__dict__.get(name) or INPLACE.get(name)
        if call is None:
            record = OPS.get(name) or next((o for o in OPS.values() if name in o.names or f"Tensor.{name}" in o.names), None)
            if record is None:
                raise AttributeError(f"no op named {name!r}")
            call = record.call or record.fn
        self.__dict__[name] = call
        return call


ops = _Namespace()


def is_tensor(x: Any) -> bool:
    """Whether ``x`` is a Tensor. The tensor layer, which stands above, names its class with `name_tensor_class`."""
    return isinstance(x, _tensor_class)


_tensor_class: type = type("NoTensorYet", (), {})


def name_tensor_class(cls: type) -> None:
    """Called once by the tensor layer."""
    global _tensor_class
    _tensor_class = cls
