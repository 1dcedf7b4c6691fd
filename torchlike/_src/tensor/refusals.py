"""Torch's words for arguments that fit none of a function's overloads."""

from collections.abc import Callable, Sequence
from typing import Any

from torchlike._src.operators.support import class_name


def no_overload(function: str, args: Sequence[Any], named: dict[str, Any], *signatures: str) -> TypeError:
    """The error for a call that no overload takes.

    Args:
        function: its name.
        args, named: what was given.
        signatures: what would have been right: ``"Tensor input, Number other"``.
    """
    given = [class_name(a) for a in args]
    given += [f"{k}={class_name(v)}" for k, v in named.items()]
    if named and not args:
        given.append("")  # torch's own comma
    forms = "".join(f"\n * ({s})" for s in signatures)
    return TypeError(
        f"{function}() received an invalid combination of arguments - got ({', '.join(given)}), but expected one of:{forms}\n"
    )


class NotStrided(NotImplementedError):
    """A tensor that is no single array was read as one.

    Attributes:
        answer: ``answer(kernel, args)`` computes an op of such tensors, or raises.
    """

    def __init__(self, message: str, answer: Callable[[Any, Sequence[Any]], Any]) -> None:
        super().__init__(message)
        self.answer = answer
