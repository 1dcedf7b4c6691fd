"""What a call of an op shows of its arguments: the key under which the trie knows it, and what the tape wants to know.

This runs for every op of every step. The function that does it is made from source text for the kinds of an op's
parameters, one block an argument: a loop over the arguments takes half as long again.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from torchlike._src.engine.trace import Recorder, number_key
from torchlike._src.engine.value import Value
from torchlike._src.operators.support import class_name
from torchlike._src.tensor.core import Tensor
from torchlike._src.tensor.storage import Storage
from torchlike._src.tensor.tape import edge_of

#: Kinds of arguments: no tensor; a tensor or None; a number or a tensor; tensors; a number that is an input of the program.
STATIC, TENSOR, OPERAND, TENSORS, LIVE = range(5)
NUMBERS = (bool, int, float, complex)

#: ``(key, mask of the tensors that need a gradient, their edges, whether a tensor is not contiguous)``
Reading = tuple[tuple[Any, ...], int, list[Any], bool]


class StaleView(Exception):
    """An op reads a view whose base was written to: reading it anew is an op itself, which has to come first."""


def view_value(view: Tensor) -> Value:
    """The value of a view, if it is the present one.

    Raises:
        StaleView: else.
    """
    storage = view._storage
    if view._seen != storage.writes:
        raise StaleView
    return view._cached if storage.__class__ is Storage else view._value()  # type: ignore[return-value]


def plain(a: Any) -> Any:
    """NumPy scalars and subclasses of numbers as Python numbers."""
    if a.__class__ in NUMBERS:
        return a
    if isinstance(a, np.generic):
        return a.item()
    for cls in NUMBERS:
        if isinstance(a, cls):
            return cls(a)
    if hasattr(a, "__index__") and not isinstance(a, np.ndarray):
        return a.__index__()
    return a


def _number(a: Any) -> Any:
    if a is None:
        return None
    if isinstance(a, (tuple, list)):
        return tuple([number_key(plain(i)) for i in a])
    return number_key(plain(a))


def _tensors(
    tensors: Any, position: int, rec: Recorder, grad: bool, bit: int, edges: list[Any]
) -> tuple[tuple[Any, ...], int, int, bool]:
    """A list of tensors: what stands for it in the key, the part of the mask, the next bit, whether one is not contiguous."""
    epoch = rec.epoch
    mask, bent = 0, False
    refs: list[Any] = []
    for t in tensors:
        if t is None:
            refs.append(None)
            continue
        if not isinstance(t, Tensor):
            raise TypeError(f"expected Tensor as element {len(refs)} in argument {position}, but got {class_name(t)}")
        v = t._storage.value if t._chain is None else view_value(t)
        if grad and t._requires_grad:
            mask |= bit
            edges.append(edge_of(t))
        bit <<= 1
        if t._geometry is not None:
            bent = True
        refs.append(v.index if v.epoch == epoch else rec.enter(v))
    return tuple(refs), mask, bit, bent


_TENSOR = """
{indent}v = a{i}._storage.value if a{i}._chain is None else view_value(a{i})
{indent}if grad and a{i}._requires_grad:
{indent}    mask |= bit
{indent}    edges.append(edge_of(a{i}))
{indent}bit <<= 1
{indent}if a{i}._geometry is not None:
{indent}    bent = True
{indent}a{i} = v.index if v.epoch == epoch else rec.enter(v)
"""

_BLOCKS = {
    STATIC: """
    if a{i}.__class__ is list:
        a{i} = tuple(a{i})
""",
    TENSOR: """
    if isinstance(a{i}, Tensor):"""
    + _TENSOR.format(i="{i}", indent=" " * 8)
    + """    elif a{i}.__class__ is list:
        a{i} = tuple(a{i})
""",
    OPERAND: """
    kind = a{i}.__class__
    if kind is int or (kind is float and a{i} and a{i} == a{i}):
        a{i} = (kind, a{i})
    elif isinstance(a{i}, Tensor):"""
    + _TENSOR.format(i="{i}", indent=" " * 8)
    + """    else:
        a{i} = number(a{i})
""",
    TENSORS: """
    if isinstance(a{i}, (tuple, list)):
        a{i}, some, bit, odd = tensors(a{i}, {i}, rec, grad, bit, edges)
        mask |= some
        bent |= odd
    elif a{i} is not None:
        raise TypeError(wrong_argument(kernel, {i}, a{i}))
""",
    LIVE: """
    if isinstance(a{i}, Tensor):"""
    + _TENSOR.format(i="{i}", indent=" " * 8)
    + """    else:
        a{i} = a{i}.__class__
""",
}


@functools.cache
def reader(kinds: tuple[int, ...], wrong_argument: Callable[..., str]) -> Callable[[Any, Sequence[Any], Recorder, bool], Reading]:
    """``read(kernel, args, recorder, grad)`` for ops whose parameters are of these kinds.

    Args:
        kinds: ``STATIC``, ``TENSOR``, ...
        wrong_argument: the message for an argument of the wrong kind, from (kernel, position, argument).
    """
    names = "".join(f"a{i}, " for i in range(len(kinds)))
    lines = ["def read(kernel, args, rec, grad):"]
    if kinds:
        lines.append(f"    {names}= args")
    lines += ["    epoch = rec.epoch", "    mask, bit, edges, bent = 0, 1, [], False"]
    text = "\n".join(lines) + "".join(_BLOCKS[kind].format(i=i) for i, kind in enumerate(kinds))
    text += f"\n    return (kernel, {names}mask), mask, edges, bent\n"
    space: dict[str, Any] = {
        "Tensor": Tensor, "view_value": view_value, "edge_of": edge_of, "number": _number, "tensors": _tensors,
        "wrong_argument": wrong_argument,
    }  # fmt: skip
    exec(compile(text, f"<torchlike reader {kinds}>", "exec"), space)
    return space["read"]
