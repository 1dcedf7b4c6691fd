"""Module hooks: those that hold for every module, and a module's call with hooks around ``forward``.

Only a call that has hooks comes here; the fast path is `Module._call_impl`.
"""

from __future__ import annotations

import functools
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from torchlike._src.tensor.core import Tensor
from torchlike.utils.hooks import BackwardHook, RemovableHandle

if TYPE_CHECKING:
    from torchlike.nn.modules.module import Module

Hooks = OrderedDict[int, Any]

_global_buffer_registration_hooks: Hooks = OrderedDict()
_global_module_registration_hooks: Hooks = OrderedDict()
_global_parameter_registration_hooks: Hooks = OrderedDict()

_global_backward_pre_hooks: Hooks = OrderedDict()
_global_backward_hooks: Hooks = OrderedDict()
_global_forward_pre_hooks: Hooks = OrderedDict()
_global_forward_hooks: Hooks = OrderedDict()
_global_forward_hooks_always_called: Hooks = OrderedDict()
_global_forward_hooks_with_kwargs: Hooks = OrderedDict()
_global_is_full_backward_hook: bool | None = None  # None until the first backward hook decides

MIXED_BACKWARD_HOOKS = (
    "Cannot use both regular backward hooks and full backward hooks on a single Module. Please use only one of them."
)
_MIXED_GLOBAL_BACKWARD_HOOKS = (
    "Cannot use both regular backward hooks and full backward hooks as a global Module hook. Please use only one of them."
)


def _has_any_global_hook() -> bool:
    return bool(
        _global_backward_pre_hooks
        or _global_backward_hooks
        or _global_forward_pre_hooks
        or _global_forward_hooks
        or _global_forward_hooks_always_called
        or _global_forward_hooks_with_kwargs
    )


def add_hook(hooks: Hooks, hook: Any, *, flags: Sequence[tuple[Hooks, bool]] = (), prepend: bool = False) -> RemovableHandle:
    """Put a hook into a registry.

    Args:
        hooks: the registry.
        hook: what to call.
        flags: registries of flags that hooks of this kind may have, and whether this one has them.
        prepend: run before the hooks that are there already.
    """
    handle = RemovableHandle(hooks, extra_dict=[registry for registry, _ in flags])
    hooks[handle.id] = hook
    for registry, is_set in flags:
        if is_set:
            registry[handle.id] = True
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


def register_module_buffer_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Run ``hook(module, name, buffer)`` at every `register_buffer`; a result that is not None replaces the buffer."""
    return add_hook(_global_buffer_registration_hooks, hook)


def register_module_module_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Run ``hook(module, name, submodule)`` whenever a submodule is set; a result replaces the submodule."""
    return add_hook(_global_module_registration_hooks, hook)


def register_module_parameter_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Run ``hook(module, name, param)`` at every `register_parameter`; a result replaces the parameter."""
    return add_hook(_global_parameter_registration_hooks, hook)


def register_module_forward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Run ``hook(module, args)`` before the forward of every module; a result replaces ``args``."""
    return add_hook(_global_forward_pre_hooks, hook)


def register_module_forward_hook(
    hook: Callable[..., Any], *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Run ``hook(module, args, output)`` after the forward of every module; a result replaces the output.

    Args:
        with_kwargs: the hook takes ``(module, args, kwargs, output)``.
        always_call: the hook runs even when the forward raises.
    """
    return add_hook(
        _global_forward_hooks,
        hook,
        flags=[
            (_global_forward_hooks_with_kwargs, with_kwargs),
            (_global_forward_hooks_always_called, always_call),
        ],
    )


def _add_global_backward_hook(hook: Callable[..., Any], full: bool) -> RemovableHandle:
    global _global_is_full_backward_hook
    if _global_is_full_backward_hook is (not full):
        raise RuntimeError(_MIXED_GLOBAL_BACKWARD_HOOKS)
    _global_is_full_backward_hook = full
    return add_hook(_global_backward_hooks, hook)


def register_module_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Deprecated form of `register_module_full_backward_hook`: sees the last autograd node only."""
    return _add_global_backward_hook(hook, full=False)


def register_module_full_backward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Run ``hook(module, grad_output)`` before every module's backward; a result replaces ``grad_output``."""
    return add_hook(_global_backward_pre_hooks, hook)


def register_module_full_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Run ``hook(module, grad_input, grad_output)`` when a module's input gradients are known.

    A result that is not None is used in place of ``grad_input``.
    """
    return _add_global_backward_hook(hook, full=True)


class _WrappedHook:
    """A hook bound to its module by a weak reference, so that a module and its hooks do not keep each other alive."""

    def __init__(self, hook: Callable[..., Any], module: Module | None = None) -> None:
        self.hook = hook
        functools.update_wrapper(self, hook)
        self.with_module = module is not None
        if module is not None:
            self.module = weakref.ref(module)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self.with_module:
            return self.hook(*args, **kwargs)
        module = self.module()
        if module is None:
            raise RuntimeError("You are trying to call the hook of a dead Module!")
        return self.hook(module, *args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        state = {"hook": self.hook, "with_module": self.with_module}
        if self.with_module:
            state["module"] = self.module()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.hook = state["hook"]
        self.with_module = state["with_module"]
        if self.with_module:
            if state["module"] is None:
                raise RuntimeError("You are trying to revive the hook of a dead Module!")
            self.module = weakref.ref(state["module"])


# Pickles of whole models name it here, in torch's files and in ours.
_WrappedHook.__module__ = "torchlike.nn.modules.module"


class HookedCall:
    """One call of a module with hooks around its forward.

    An object rather than a function because ``always_call`` hooks, when something raised, need to see how far
    the call came: the arguments as the pre-hooks left them, the result if there was one, and who has run.
    """

    def __init__(self, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.module = module
        self.args = args
        self.kwargs = kwargs
        self.result: Any = None
        self.always_called: set[int] = set()

    def run(self) -> Any:
        """Pre-hooks, forward, hooks; then hang the backward hooks on the graph."""
        module = self.module
        pre, full, plain = module._get_backward_pre_hooks(), *module._get_backward_hooks()
        try:
            self._run_pre_hooks()
            backward = BackwardHook(module, full, pre) if full or pre else None
            if backward is not None:
                self.args = backward.setup_input_hook(self.args)
            self.result = module.forward(*self.args, **self.kwargs)
            self._run_forward_hooks()
            if backward is not None:
                self._hang_full_backward_hook(backward)
            if plain:
                self._hang_plain_backward_hooks(plain)
            return self.result
        except Exception:
            self._run_hooks_always_called()
            raise

    def _run_pre_hooks(self) -> None:
        module = self.module
        for key, hook in (*_global_forward_pre_hooks.items(), *module._forward_pre_hooks.items()):
            if key in module._forward_pre_hooks_with_kwargs:
                replaced = hook(module, self.args, self.kwargs)
                if replaced is None:
                    continue
                if not (isinstance(replaced, tuple) and len(replaced) == 2):
                    raise RuntimeError(
                        f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {replaced}."
                    )
                self.args, self.kwargs = replaced
            else:
                replaced = hook(module, self.args)
                if replaced is not None:
                    self.args = replaced if isinstance(replaced, tuple) else (replaced,)

    def _run_forward_hooks(self) -> None:
        module = self.module
        for key, hook in (*_global_forward_hooks.items(), *module._forward_hooks.items()):
            if key in module._forward_hooks_always_called or key in _global_forward_hooks_always_called:
                self.always_called.add(key)
            with_kwargs = key in module._forward_hooks_with_kwargs or key in _global_forward_hooks_with_kwargs
            self._run_forward_hook(hook, with_kwargs)

    def _run_forward_hook(self, hook: Any, with_kwargs: bool) -> None:
        passed = (self.args, self.kwargs) if with_kwargs else (self.args,)
        replaced = hook(self.module, *passed, self.result)
        if replaced is not None:
            self.result = replaced

    def _run_hooks_always_called(self) -> None:
        """After an exception: what ``always_call`` promised. Their own exceptions only warn, the first one counts."""
        module = self.module
        for scope, hooks, always, with_kwargs in (
            ("global module", _global_forward_hooks, _global_forward_hooks_always_called, {}),
            ("module", module._forward_hooks, module._forward_hooks_always_called, module._forward_hooks_with_kwargs),
        ):
            for key, hook in hooks.items():
                if key not in always or key in self.always_called:
                    continue
                try:
                    self._run_forward_hook(hook, key in with_kwargs)
                except Exception as error:
                    warnings.warn(
                        f"{scope} forward hook with ``always_call=True`` raised an exception that was silenced as "
                        f"another error was raised in forward: {error}",
                        stacklevel=4,
                    )

    def _hang_full_backward_hook(self, backward: BackwardHook) -> None:
        if not isinstance(self.result, (Tensor, tuple)):
            warnings.warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors but received "
                f"{type(self.result)}",
                stacklevel=4,
            )
        self.result = backward.setup_output_hook(self.result)

    def _hang_plain_backward_hooks(self, hooks: list[Any]) -> None:
        var = self.result
        while not isinstance(var, Tensor):
            var = next(v for v in var.values() if isinstance(v, Tensor)) if isinstance(var, dict) else var[0]
        if var.grad_fn is None:
            return
        for hook in hooks:
            var.grad_fn.register_hook(_WrappedHook(hook, self.module))
        self.module._maybe_warn_non_full_backward_hook(self.args, self.result, var.grad_fn)


_USE_FULL_HOOK = "Please use register_full_backward_hook to get the documented behavior."


def warn_of_plain_backward_hook(inputs: Any, result: Any, grad_fn: Any) -> None:
    """Warn when a deprecated backward hook, hung on ``grad_fn`` alone, will not see all of the module's gradients."""
    case = _what_plain_hook_misses(inputs, result, grad_fn)
    if case is None:
        return
    situation, missing = case
    warnings.warn(
        f"Using {situation} is deprecated and will be removed in future versions. This hook will be missing some {missing}",
        FutureWarning,
        stacklevel=5,
    )


def _what_plain_hook_misses(inputs: Any, result: Any, grad_fn: Any) -> tuple[str, str] | None:
    results, tensors = _as_tensors(result), _as_tensors(inputs)
    if results is None:
        situation = "non-full backward hooks on a Module that does not return a single Tensor or a tuple of Tensors"
        return situation, f"of the grad_output. {_USE_FULL_HOOK}"
    if tensors is None:
        situation = "non-full backward hooks on a Module that does not take as input a single Tensor or a tuple of Tensors"
        return situation, f"of the grad_input. {_USE_FULL_HOOK}"
    nodes = {r.grad_fn for r in results if r.grad_fn is not None}
    if len(nodes) > 1:
        situation = "a non-full backward hook when outputs are generated by different autograd Nodes"
        return situation, f"grad_output. {_USE_FULL_HOOK}"
    if grad_fn not in nodes:
        return "a non-full backward hook when outputs are nested in python data structure", "grad_output."
    if {i.grad_fn for i in tensors if i.grad_fn is not None} != {node for node, _ in grad_fn.next_functions}:
        situation = "a non-full backward hook when the forward contains multiple autograd Nodes"
        return situation, f"grad_input. {_USE_FULL_HOOK}"
    return None


def _as_tensors(value: Any) -> tuple[Tensor, ...] | None:
    if isinstance(value, Tensor):
        return (value,)
    return value if isinstance(value, tuple) and all(isinstance(v, Tensor) for v in value) else None
