"""Tables of small programs, each a function of the library with a sentence for a name.

``same`` runs a program in real torch and here, and compares everything: values, dtypes, shapes, strides, and, where torch
raises, the very exception type and message.
"""

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests import differential
from torchlike.testing.conformance.checks import disagree


def programs(table: Any) -> Any:
    """Parametrise a test over a table: sentence → program, or a `Table`."""
    return pytest.mark.parametrize("program", list(table.values()), ids=list(table))


class Table(dict[str, Callable[[Any], Any]]):
    """Programs too long for a lambda: decorating a function puts it into the table, under its name in words."""

    def __call__(self, program: Callable[[Any], Any]) -> Callable[[Any], Any]:
        self[program.__name__.strip("_").replace("_", " ")] = program
        return program


def same(program: Callable[[Any], Any], *, message: bool = True, strides: bool = True, warned: bool = False) -> None:
    """The program does in both libraries the same.

    Args:
        message: also the message of an exception, its first line.
        strides: also the strides of resulting tensors.
        warned: also the warnings, by category and first line.
    """
    outcomes, noises = [], []
    for lib in (torch, differential.library):
        differential.seed(lib)
        result, error, noise = _run(program, lib)
        outcomes.append((result, error))
        noises.append(noise)
    (_, theirs), (_, ours) = outcomes
    found = disagree(*outcomes, differential.library, strides=strides)
    if found is None and theirs is not None:
        if type(theirs).__name__ != type(ours).__name__:
            found = f"expected exactly {type(theirs).__name__}, got {type(ours).__name__}: {ours}"
        elif message and _first_line(theirs) != _first_line(ours):
            found = f"expected the message\n  {_first_line(theirs)!r}, got\n  {_first_line(ours)!r}"
    if found is None and warned and noises[0] != noises[1]:
        found = f"expected the warnings {noises[0]}, got {noises[1]}"
    if found:
        raise AssertionError(found) from ours


def _run(program: Callable[[Any], Any], lib: Any) -> tuple[Any, Exception | None, list[tuple[str, str]]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result, error = program(lib), None
        except Exception as e:  # the very thing under test
            result, error = None, e
    noise = [(w.category.__name__, _first_line(w.message).split(" (Triggered internally")[0]) for w in caught]
    return result, error, noise


def _first_line(error: Any) -> str:
    text = str(error).strip().split("\nException raised from")[0].splitlines()
    return text[0].replace("torchlike", "torch") if text else ""


def run_line(line: str, torch: Any) -> Any:
    """The value of the last of the statements of a line, in which short names stand for small tensors of each kind."""
    x = torch.arange(6.0).reshape(2, 3) + 1
    names = {
        "torch": torch, "nn": torch.nn, "F": torch.nn.functional, "x": x, "y": x * 2, "v": torch.arange(3.0), "d": x.double(),
        "i": torch.arange(6).reshape(2, 3), "i32": torch.arange(6, dtype=torch.int32).reshape(2, 3), "c": x * (1 + 1j),
        "b": torch.tensor([[True, False, True]] * 2), "u8": torch.arange(4, dtype=torch.uint8), "h": x.half(),
        "Z": torch.zeros, "R": torch.ones, "I": lambda *s: torch.zeros(*s, dtype=torch.int64), "L": lambda *v: torch.tensor(v),
    }  # fmt: skip
    *before, last = line.split(";")
    exec("\n".join(statement.strip() for statement in before), names)
    return eval(last.strip(), names)
