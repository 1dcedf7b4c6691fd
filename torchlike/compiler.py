"""``torch.compiler``: everything is compiled here anyway, so these say so and change nothing."""

from collections.abc import Callable
from typing import Any

__all__ = ["compile", "disable", "is_compiling", "reset"]


def compile(
    model: Callable[..., Any] | None = None, *, fullgraph: bool = False, dynamic: bool | None = None, backend: Any = "inductor",
    mode: str | None = None, options: dict[str, Any] | None = None, disable: bool = False,
) -> Any:  # fmt: skip
    """The module or function itself: a step is one XLA program without being asked for (see ``torchlike.explain()``)."""
    if model is None:
        return lambda fn: fn
    if not callable(model):
        raise RuntimeError(f"torch.compile expects a module or a function, got {type(model).__name__}")
    return model


def disable(fn: Callable[..., Any] | None = None, recursive: bool = True) -> Any:
    """The function itself; `torchlike.eager` runs code op by op."""
    return (lambda f: f) if fn is None else fn


def is_compiling() -> bool:
    """False: Python code runs line by line, never inside a compiler's trace."""
    return False


def reset() -> None:
    """Nothing to forget: programs are found by what was recorded."""
