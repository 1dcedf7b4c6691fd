"""Seeing what was compiled and run, running op by op, waiting for what runs."""

import contextlib
from collections.abc import Iterator
from typing import Any

from torchlike._src.engine import report
from torchlike._src.engine.report import Explanation
from torchlike._src.engine.trace import local

__all__ = ["Explanation", "eager", "explain", "synchronize"]


class _Explain:
    """``explain()`` gives the counters and the report; ``explain.reset()`` starts them anew."""

    def __call__(self) -> Explanation:
        return report.current

    def reset(self) -> None:
        """Start counting anew."""
        report.reset()


explain = _Explain()


@contextlib.contextmanager
def eager() -> Iterator[None]:
    """Run every op at once, by a program of its own: for debugging."""
    rec = local.recorder
    rec.flush("eager()")
    before = rec.eager
    rec.eager = True
    try:
        yield
    finally:
        rec.eager = before


def synchronize(device: Any = None) -> None:
    """Run what was recorded and wait until it is done."""
    from torchlike._src import engine

    engine.synchronize()
