"""``torch.overrides``: the protocol by which other types take part in functions, for functions of one's own.

`torch.add(x, y)` and its like do not ask their arguments for ``__torch_function__``: every op would pay for it. Functions that are
written with `has_torch_function` and `handle_torch_function`, or decorated by `wrap_torch_function`, do.
"""

import functools
import types
from collections.abc import Callable, Iterable
from typing import Any

import torchlike as torch
from torchlike._src.operators.registry import OPS
from torchlike._src.tensor.core import Tensor

__all__ = [
    "get_ignored_functions", "get_overridable_functions", "handle_torch_function", "has_torch_function", "is_tensor_like",
    "is_tensor_method_or_property", "resolve_name", "wrap_torch_function",
]  # fmt: skip


def _overrides(value: Any) -> bool:
    """Whether an argument wants to be asked: anything with the protocol, but for plain tensors and parameters."""
    if type(value) is Tensor or (type(value).__name__ == "Parameter" and type(value).__module__.startswith(torch.__name__)):
        return False
    return isinstance(value, Tensor) or hasattr(type(value), "__torch_function__")


def has_torch_function(relevant_args: Iterable[Any], /) -> bool:
    """Whether one of these has ``__torch_function__``: a subclass of Tensor, or another type that takes part."""
    return any(map(_overrides, relevant_args))


def has_torch_function_unary(value: Any, /) -> bool:
    """`has_torch_function` of one value."""
    return _overrides(value)


def has_torch_function_variadic(*values: Any) -> bool:
    """`has_torch_function` of several values."""
    return any(map(_overrides, values))


def _in_turn(relevant_args: Iterable[Any]) -> list[Any]:
    """One argument of each type that takes part: subclasses before what they derive from, else from left to right."""
    found: list[Any] = []
    for value in relevant_args:
        kind = type(value)
        if not is_tensor_like(value) or any(type(f) is kind for f in found):
            continue
        at = next((i for i, f in enumerate(found) if issubclass(kind, type(f))), len(found))
        found.insert(at, value)
    return found


def handle_torch_function(public_api: Callable[..., Any], relevant_args: Iterable[Any], *args: Any, **kwargs: Any) -> Any:
    """Ask the types of ``relevant_args`` for what ``public_api(*args, **kwargs)`` is.

    Args:
        public_api: the function that was called.
        relevant_args: the arguments that may take part.
    Returns:
        The first answer that is not NotImplemented.
    Raises:
        TypeError: if there is none.
    """
    asked = _in_turn(relevant_args)
    kinds = tuple([type(a) for a in asked])
    for value in asked:
        answer = getattr(value, "__torch_function__", None)
        if answer is None and all(issubclass(type(value), kind) for kind in kinds):  # a tensor, among none but tensors
            made = getattr(public_api, "__wrapped__", public_api)(*args, **kwargs)
        else:
            made = NotImplemented if answer is None else answer(public_api, kinds, args, kwargs)
        if made is not NotImplemented:
            return made
    if not asked:
        return public_api(*args, **kwargs)
    name = resolve_name(public_api) or f"{public_api.__module__}.{public_api.__name__}"
    raise TypeError(f"no implementation found for '{name}' on types that implement __torch_function__: {list(kinds)}")


def wrap_torch_function(dispatcher: Callable[..., Iterable[Any]]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a function of one's own take part: its arguments are asked first.

    Args:
        dispatcher: takes the same arguments, and returns those that may take part.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def asking(*args: Any, **kwargs: Any) -> Any:
            relevant = tuple(dispatcher(*args, **kwargs))
            if has_torch_function(relevant):
                return handle_torch_function(asking, relevant, *args, **kwargs)
            return function(*args, **kwargs)

        return asking

    return decorate


def is_tensor_like(inp: Any) -> bool:
    """Whether it is a tensor, or has ``__torch_function__``."""
    return isinstance(inp, Tensor) or hasattr(inp, "__torch_function__")


def get_ignored_functions() -> set[Callable[..., Any]]:
    """Functions that take no tensors, so that nobody is asked: those that make them, and that read and set what holds everywhere."""
    makers = """zeros ones empty full rand randn randint randperm arange range linspace logspace eye tensor as_tensor from_numpy
    sparse_coo_tensor sparse_csr_tensor tril_indices triu_indices bartlett_window blackman_window hamming_window hann_window
    kaiser_window empty_strided empty_permuted scalar_tensor from_file""".split()
    settings = """manual_seed initial_seed seed get_rng_state set_rng_state get_default_dtype set_default_dtype get_num_threads
    set_num_threads is_grad_enabled set_grad_enabled is_tensor is_storage compile save load""".split()
    return {getattr(torch, name) for name in (*makers, *settings)}


@functools.cache
def get_overridable_functions() -> dict[Any, list[Callable[..., Any]]]:
    """The functions of tensors, by the module or class that they are in."""
    ignored = get_ignored_functions()
    found: dict[Any, list[Callable[..., Any]]] = {}
    for space in (torch, torch.nn.functional, torch.linalg, torch.fft, torch.special, Tensor):
        functions = [f for n, f in vars(space).items() if not n.startswith("_") and isinstance(f, types.FunctionType)]
        found[space] = [f for f in functions if f not in ignored]
    return found


@functools.cache
def _names() -> dict[Any, str]:
    found: dict[Any, str] = {}
    for op in OPS.values():
        for name in op.names:
            if op.call is not None and not name.startswith("_"):
                found.setdefault(op.call, f"torch.{name}")
    for name in dir(Tensor):
        value = vars(Tensor).get(name)
        if isinstance(value, property):
            found.setdefault(value.fget, f"torch.Tensor.{name}.__get__")
        elif isinstance(value, types.FunctionType):
            found.setdefault(value, f"torch.Tensor.{name}")
    return found


def resolve_name(f: Any) -> str | None:
    """The public name of a function: ``"torch.add"``; None for what is none."""
    try:
        return _names().get(f)
    except TypeError:
        return None


def is_tensor_method_or_property(func: Callable[..., Any]) -> bool:
    """Whether a function is a method of Tensor, or what reads one of its properties."""
    name = resolve_name(func) or ""
    return name.startswith("torch.Tensor.") or (name.startswith("torch.") and vars(Tensor).get(name[6:]) is func)
