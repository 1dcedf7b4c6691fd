"""`torch.ops`: ATen's operators by ATen's names, ``torch.ops.aten.add.Tensor``, as programs write that walk over graphs.

Every operator is a function that torch has under some other name too, and is found by that name: directly, in
``linalg``, ``fft`` or ``special`` (``aten.linalg_det``), as a function of ``nn.functional``, or as a method. What ATen alone
has, or calls differently, is declared as ``ops.aten.NAME`` in `_src/operators/aten_only.py`. One function serves all overloads
of an operator, since it sees for itself what it is given. Overloads of TorchScript alone, for numbers and lists, are not here.
"""

import functools
import inspect
import re
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

from torchlike._src.operators.aten_only import SAME
from torchlike._src.operators.aten_overloads import OVERLOADS, PYTHON_ONLY
from torchlike._src.operators.registry import INPLACE, OPS, ops as _declared
from torchlike._src.operators.support import into
from torchlike._src.tensor.core import Tensor
from torchlike._src.tensor.layouts import strided

#: Names of ATen's that begin with the module: ``linalg_det`` is ``linalg.det``.
_MODULES = ("linalg", "fft", "special")
#: Operators of Python that ATen has, too.
_OPERATORS = {f"__{i}{name}__" for name in ("and", "or", "xor", "lshift", "rshift") for i in ("", "i")}
#: Operators whose result is a list.
_LISTS = re.compile("split|unbind|chunk$|meshgrid|broadcast_tensors|^gradient$|nonzero_numpy")
_REDUCTIONS = ("none", "mean", "sum")


class OpOverload:
    """One overload of an operator: ``torch.ops.aten.add.Tensor``."""

    def __init__(self, packet: "OpOverloadPacket", overload: str) -> None:
        self.overloadpacket = packet
        self._overloadname = overload
        self._op = packet._op
        self.namespace = packet._namespace
        self.__name__ = f"{packet.__name__}.{overload}"
        self.__module__ = packet.__module__
        self.__qualname__ = self._name = packet._qualified_op_name + ("" if overload == "default" else f".{overload}")
        self.__doc__ = packet.__doc__

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._op(*args, **kwargs)

    def name(self) -> str:
        """``"aten::add.Tensor"``."""
        return self._name

    def __str__(self) -> str:
        return f"{self.overloadpacket}.{self._overloadname}"

    def __repr__(self) -> str:
        return f"<OpOverload(op='{self.overloadpacket}', overload='{self._overloadname}')>"

    def __deepcopy__(self, memo: Any = None) -> "OpOverload":
        return self

    def __reduce__(self) -> Any:
        return _at, (f"{self}",)


class OpOverloadPacket:
    """An operator with all its overloads: ``torch.ops.aten.add``. Called, it is each of them."""

    def __init__(self, namespace: str, name: str, function: Callable[..., Any]) -> None:
        self._namespace = namespace
        self.__name__ = name
        self.__module__ = f"torchlike.ops.{namespace}"
        self.__doc__ = function.__doc__
        self._qualified_op_name = f"{namespace}::{name}"
        self._op = _called_as_aten_does(function, name)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._op(*args, **kwargs)

    def overloads(self) -> list[str]:
        """Names of the overloads."""
        usual = ("default",) if self.__name__.endswith("_") else ("default", "out")
        return list(OVERLOADS.get(self.__name__, usual))

    def __getattr__(self, name: str) -> OpOverload:
        if name.startswith("__"):
            raise AttributeError(f"'{self}' can't have an overload name beginning with '__'")
        if name not in self.overloads():
            raise AttributeError(f"The underlying op of '{self}' has no overload name '{name}'")
        found = self.__dict__[name] = OpOverload(self, name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self.overloads())

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self.overloads()})

    def __str__(self) -> str:
        return f"{self._namespace}.{self.__name__}"

    def __repr__(self) -> str:
        return f"<OpOverloadPacket(op='{self}')>"

    def __deepcopy__(self, memo: Any = None) -> "OpOverloadPacket":
        return self

    def __reduce__(self) -> Any:
        return _at, (f"{self}",)


class _OpNamespace(types.ModuleType):
    """``torch.ops.aten``; other namespaces are empty."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{__package__}.ops.{name}")
        self.name = name

    def __getattr__(self, name: str) -> OpOverloadPacket:
        function = None if self.name != "aten" else _function(name)
        if function is None:
            raise AttributeError(f"'_OpNamespace' '{self.name}' object has no attribute '{name}'")
        packet = self.__dict__[name] = OpOverloadPacket(self.name, name, function)
        return packet


class _Ops(types.ModuleType):
    """``torch.ops``."""

    def __getattr__(self, name: str) -> _OpNamespace:
        if name.startswith("__"):
            raise AttributeError(name)
        namespace = self.__dict__[name] = _OpNamespace(name)
        return namespace


def _at(path: str) -> Any:
    """What stands at ``path`` under `ops`."""
    return functools.reduce(getattr, path.split("."), ops)


def _function(name: str) -> Callable[..., Any] | None:
    """The function that ATen calls ``name``, if it is here."""
    module, _, rest = name.partition("_")
    places = [f"ops.aten.{name}", SAME.get(name, "")]
    if name in PYTHON_ONLY or (name.startswith("_") and name not in _OPERATORS):
        names = places  # a private name here need not be what ATen means by it
    else:
        inside = [f"{module}.{rest}"] if module in _MODULES and not name.endswith("_") else []
        names = [*places, name, *inside, f"_C._nn.{name}", f"nn.functional.{name}"]
    for place in names:
        if place in _by_name() or place in INPLACE:
            return _declared[place]
    method = None if names is places else getattr(Tensor, name, None)
    return method if inspect.isroutine(method) else None


@functools.cache
def _by_name() -> dict[str, Any]:
    return {name: op for op in OPS.values() for name in op.names}


def _called_as_aten_does(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """A public function under ATen's conventions.

    The first argument is ``self``; a reduction is a number; what Python's signature has in addition (``size_average``, ``inplace``)
    is not counted; keyword-only arguments can be given in order; tensors of other names than the parameters' are ``out=``;
    everything that makes tensors takes ``layout`` and ``pin_memory``; as many tensors as there happen to be are a list.
    """
    listed = _LISTS.search(name) is not None
    parameters = inspect.signature(function).parameters
    kinds = inspect.Parameter
    python_only = {"inplace", "_stacklevel"} | ({"size_average", "reduce"} if "size_average" in parameters else set())
    names = [n for n, p in parameters.items() if n not in python_only and n != "out" and p.kind is not kinds.VAR_KEYWORD]
    # Until where positions are the same in both.
    default = getattr(parameters.get("reduction"), "default", kinds.empty)
    words = isinstance(default, str)
    plain = 0
    for given, (own, p) in zip(names, parameters.items(), strict=False):
        if p.kind is kinds.VAR_POSITIONAL:
            plain = sys.maxsize
        if given != own or p.kind is kinds.KEYWORD_ONLY or (words and own == "reduction"):
            break
        plain += 1
    known = {*parameters}

    def call(*args: Any, **kwargs: Any) -> Any:
        if len(args) > plain:
            kwargs.update(zip(names[plain:], args[plain:], strict=False))
        if "self" in kwargs and "self" not in known:
            kwargs[names[0]] = kwargs.pop("self")
        if words and isinstance(kwargs.get("reduction"), int):
            kwargs["reduction"] = _REDUCTIONS[kwargs["reduction"]]
        elif default == 0 and names.index("reduction") >= len(args):
            kwargs.setdefault("reduction", 1)  # torch's Python function has another default than ATen
        targets = []
        for key in [k for k in kwargs if k not in known]:
            value = kwargs[key]
            if isinstance(value, Tensor):
                targets.append(kwargs.pop(key))
            elif key == "out":
                raise RuntimeError(f"{name}: expected a Tensor for 'out', found {type(value).__name__}")
            elif (key == "pin_memory" and not value) or (key == "layout" and value in (None, strided)):
                del kwargs[key]
        if targets and "out" in known:
            kwargs["out"] = targets[0] if len(targets) == 1 else tuple(targets)
            targets = []
        made = function(*args[:plain], **kwargs)
        if targets:
            results = made if isinstance(made, tuple) else (made,)
            if len(results) != len(targets):
                raise RuntimeError(f"{name}: expected {len(results)} tensors to write the results into, got {len(targets)}")
            into(tuple(targets), tuple(results))
            return tuple(targets) if isinstance(made, tuple) else targets[0]
        return list(made) if listed and isinstance(made, tuple) else made

    return call


ops = _Ops(f"{__package__}.ops", __doc__)
