"""Arguments of a wrong type: what torch says of them is worked out when a call has failed, so that calls cost nothing."""

import functools
import inspect
import itertools
import re
import types
import typing
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from torchlike._src.operators.registry import OPS, Array, Operand
from torchlike._src.operators.support import class_name
from torchlike._src.tensor.core import Tensor

#: What torch calls the types that we can tell.
_NAMES = {int: "int", float: "float", bool: "bool", str: "str", Tensor: "Tensor", Operand: "Tensor"}
#: What an op says, which does not know how it was called.
_SAID = re.compile(r"(?P<name>\w+)\(\): argument '(?P<argument>\w+)' (?P<position>\(position \d+\) )?(?P<rest>must be .*)")
_UNIONS = (typing.Union, types.UnionType)


class Parameter(typing.NamedTuple):
    """What a parameter takes.

    Attributes:
        kinds: of `_NAMES`; none: anything.
        several: also sequences of them.
        optional: also None.
        positional: whether it has a position; ``rest``: whether it takes all that are left.
    """

    name: str
    kinds: tuple[type, ...]
    several: bool
    optional: bool
    positional: bool
    rest: bool


@functools.cache
def parameters(fn: Callable[..., Any]) -> tuple[Parameter, ...]:
    """The parameters of a function as their annotations tell them."""
    found = []
    for number, p in enumerate(inspect.signature(fn).parameters.values()):
        members = typing.get_args(p.annotation) if typing.get_origin(p.annotation) in _UNIONS else (p.annotation,)
        kinds: list[type] = []
        several = False
        for m in members:
            if typing.get_origin(m) in (tuple, Sequence):
                several = True
                kinds += [int if a is None else a for a in typing.get_args(m) if a not in (Ellipsis, type(None))]
            elif m is not type(None):
                kinds.append(m)
        if number == 0 and p.name in ("input", "self", "A") and p.annotation is Any:
            kinds = [Tensor]
        kinds = [Tensor if k is Array else k for k in kinds]
        several &= p.kind is not p.VAR_POSITIONAL
        if not all(k in _NAMES for k in kinds) or p.kind is p.VAR_KEYWORD:
            kinds = []
        optional = type(None) in members or p.default is None
        found.append(
            Parameter(p.name, tuple(kinds), several, optional, p.kind is p.POSITIONAL_OR_KEYWORD, p.kind is p.VAR_POSITIONAL)
        )
    return tuple(found)


def _is(kind: type, value: Any) -> bool:
    if kind is Operand:
        return isinstance(value, (Tensor, bool, int, float, complex, np.number))
    if kind is Tensor or kind is str:
        return isinstance(value, kind)
    if isinstance(value, Tensor):
        return kind is float or (value.numel() == 1 and not value.is_floating_point())
    if kind is int:
        return hasattr(value, "__index__")
    return isinstance(value, (bool, np.bool_) if kind is bool else (bool, int, float, complex, np.number))


def misfit(p: Parameter, value: Any, position: str) -> str | None:
    """What torch says of an argument that is not what it must be; None for one that fits."""
    if not p.kinds or (value is None and p.optional):
        return None
    wanted = _NAMES[p.kinds[0]]
    given = class_name(value)
    if p.several:
        wanted = f"tuple of {wanted}s"
        if isinstance(value, (tuple, list)):
            wrong = [i for i, v in enumerate(value) if v is not None and not any(_is(k, v) for k in p.kinds)]
            if not wrong:
                return None
            found = class_name(value[wrong[0]])
            if Tensor in p.kinds:
                raise TypeError(f"expected Tensor as element {wrong[0]} in argument 0, but got {found}") from None
            if wrong[0]:
                error = f'"type must be {wanted},but got {found}"'
                return f"failed to unpack the object at pos {wrong[0] + 1} with error {error}"
            return f"{position}must be {wanted}, but found element of type {found} at pos 0"
    return None if any(_is(k, value) for k in p.kinds) else f"{position}must be {wanted}, not {given}"


def check(fn: Callable[..., Any], name: str, given: Iterable[Any], named: dict[str, Any], method: bool, error: Exception) -> None:
    """Say what was wrong with a call that failed with ``error``, if an argument has a type that it must not have.

    Args:
        fn: the function whose annotations tell what it takes.
        name: its public name.
        given, named: its arguments, by position and by name.
        method: whether it was called as one: then the tensor itself is not counted.

    Raises:
        TypeError: as torch words it.
    """
    if type(error) is TypeError and " received an invalid combination of arguments" in str(error):
        return
    by_name = {p.name: p for p in parameters(fn)}
    listed = list(itertools.takewhile(lambda p: not p.rest, by_name.values()))
    for p in by_name.values():
        if p.rest and p.kinds == (Tensor,):
            rest = list(given)[len(listed) :]
            misfit(p._replace(several=True), rest[0] if len(rest) == 1 and isinstance(rest[0], (tuple, list)) else rest, "")
    arguments = [(p, v, p.positional) for p, v in zip(listed, given, strict=False)]
    arguments += [(by_name[n], v, False) for n, v in named.items() if n in by_name]
    for number, (p, value, counted) in enumerate(arguments, 1 - method):
        said = misfit(p, value, f"(position {number}) " if counted else "")
        if said:
            raise TypeError(f"{name}(): argument '{p.name}' {said}") from None
    said = _SAID.match(str(error)) if type(error) is TypeError else None
    if said and said["argument"] in by_name and name.rstrip("_").endswith(said["name"].removeprefix("linalg_")):
        before = itertools.takewhile(lambda n: n != said["argument"], by_name)
        number = sum(by_name[n].positional for n in before) + 1 - method
        position = f"(position {number}) " if said["position"] else ""
        raise TypeError(f"{name}(): argument '{said['argument']}' {position}{said['rest']}") from None


def spoken(path: str) -> str:
    """A function's name as torch says it in errors: ``linalg_inv`` of ``linalg.inv``, ``max`` of its part ``_max_dim``."""
    home, _, name = path.rpartition(".")
    if name[0] == "_":
        name = name[1:] if name[1:] in OPS else name[1:].partition("_")[0]
    return f"{home}_{name}" if home in ("linalg", "fft", "special") else name


def explained(fn: Callable[..., Any], name: str, method: bool) -> Callable[..., Any]:
    """A function whose failed calls are looked at with `check`."""

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return fn(*args, **kwargs)
        except Exception as error:
            check(fn, name, args, kwargs, method, error)
            raise

    return call
