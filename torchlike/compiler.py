"""``torch.compiler``: everything is compiled here anyway, so these say so and change nothing."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from jax.tree_util import tree_map

from torchlike._src.tensor.core import Tensor
from torchlike._src.tensor.from_data import from_numpy

__all__ = [
    "allow_in_graph", "assume_constant_result", "compile", "cudagraph_mark_step_begin", "disable", "is_compiling",
    "is_dynamo_compiling", "is_exporting", "list_backends", "nested_compile_region", "reset", "set_stance", "wrap_numpy",
]  # fmt: skip


def compile(
    model: Callable[..., Any] | None = None, *, fullgraph: bool = False, dynamic: bool | None = None, backend: Any = None,
    mode: str | None = None, options: dict[str, Any] | None = None, name: str | None = None, disable: bool = False,
    recompile_limit: int | None = None, isolate_recompiles: bool = False, shapes_spec: Any = None,
) -> Any:  # fmt: skip
    """The module or function itself: a step is one XLA program without being asked for (see ``torchlike.explain()``)."""
    if model is None:
        return lambda fn: fn
    if not callable(model):
        raise RuntimeError(f"torch.compile expects a module or a function, got {type(model).__name__}")
    return model


def disable(fn: Callable[..., Any] | None = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """The function itself; `torchlike.eager` runs code op by op."""
    return (lambda f: f) if fn is None else fn


def is_compiling() -> bool:
    """False: Python code runs line by line, never inside a compiler's trace."""
    return False


def reset() -> None:
    """Nothing to forget: programs are found by what was recorded."""


def is_dynamo_compiling() -> bool:
    """As `is_compiling`."""
    return False


def is_exporting() -> bool:
    """False: nothing is exported."""
    return False


def allow_in_graph(fn: Any) -> Any:
    """The function itself, or the functions: all of them may be used anywhere."""
    return fn


def assume_constant_result(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The function itself: it is called each time, as Python calls it."""
    return fn


def nested_compile_region(fn: Callable[..., Any] | None = None, **_: Any) -> Any:
    """The function itself: equal ops are compiled once wherever they stand."""
    return (lambda f: f) if fn is None else fn


def cudagraph_mark_step_begin() -> None:
    """Nothing to mark: results are never overwritten by a later step."""


def list_backends(exclude_tags: Any = ("debug", "experimental")) -> list[str]:
    """``["xla"]``: there is no other."""
    return ["xla"]


class set_stance:
    """What torch should compile from here on: ``"default"``, ``"force_eager"`` and so on; a function, context and decorator.

    Accepted for scripts; values do not depend on it, and `torchlike.eager` runs code op by op.

    Raises:
        RuntimeError: for another name.
    """

    def __init__(
        self, stance: str = "default", *, skip_guard_eval_unsafe: bool = False, force_backend: Any = None,
        error_on_graph_break: bool | None = None,
    ) -> None:  # fmt: skip
        known = (
            "default",
            "eager_then_compile",
            "aot_eager_then_compile",
            "force_eager",
            "eager_on_recompile",
            "fail_on_recompile",
        )
        if stance not in known:
            raise RuntimeError(f"invalid torch.compile stance {stance!r}: expected one of {known}")
        self.stance = stance

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        return fn


def wrap_numpy(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A function of NumPy arrays as one of tensors: it is given arrays, and its arrays come back as tensors, without gradients."""

    @functools.wraps(fn)
    def on_tensors(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = tree_map(lambda x: x.numpy() if isinstance(x, Tensor) else x, (args, kwargs))
        return tree_map(lambda x: from_numpy(x) if isinstance(x, np.ndarray) else x, fn(*args, **kwargs))

    return on_tensors
