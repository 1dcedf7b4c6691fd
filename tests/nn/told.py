"""What a statement says when it fails, as a string that both libraries' results can be compared by."""

import warnings
from collections.abc import Callable
from typing import Any


def told(*statements: Callable[[], Any]) -> list[Any]:
    """For each statement the error it raises, ``"TypeError: ..."``, or what it returns."""
    return [_one(statement) for statement in statements]


def _one(statement: Callable[[], Any]) -> Any:
    try:
        return statement()
    except Exception as error:
        return f"{type(error).__name__}: {error}".replace("torchlike", "torch")


def warned(statement: Callable[[], Any]) -> list[str]:
    """The warnings that a statement gives."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        statement()
    return [f"{w.category.__name__}: {w.message}".replace("torchlike", "torch") for w in caught]
