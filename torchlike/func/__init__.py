"""Transforms of functions, as ``torch.func``."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

from torchlike._src.autograd import batching
from torchlike._src.autograd.transforms import (
    grad as grad,
    grad_and_value as grad_and_value,
    hessian as hessian,
    jacfwd as jacfwd,
    jacrev as jacrev,
    jvp as jvp,
    linearize as linearize,
    vjp as vjp,
    vmap as vmap,
)
from torchlike._src.operators.registry import ops
from torchlike._src.tensor.core import Tensor
from torchlike.func._rearrange import rearrange as rearrange
from torchlike.nn.modules.batchnorm import _BatchNorm
from torchlike.nn.modules.module import Module
from torchlike.nn.utils.stateless import _functional_call

__all__ = [
    "debug_unwrap", "functional_call", "functionalize", "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize",
    "rearrange", "replace_all_batch_norm_modules_", "stack_module_state", "vjp", "vmap",
]  # fmt: skip


def functional_call(
    module: Module, parameter_and_buffer_dicts: Any, args: Any = None, kwargs: dict[str, Any] | None = None, *,
    tie_weights: bool = True, strict: bool = False,
) -> Any:  # fmt: skip
    """Call a module with other parameters and buffers than its own, given by name in one dictionary or several.

    Args:
        module: what to call.
        parameter_and_buffer_dicts: ``{"weight": tensor, ...}``, or a sequence of such without common names.
        args: arguments; what is not a tuple is the one argument.
        kwargs: keyword arguments.
        tie_weights: a tensor given under one name is used under all names that the module has for it.
        strict: every tensor of the module must be given, and no others.
    Raises:
        ValueError: for a name in several dictionaries, or what is no dictionary.
    """
    if isinstance(parameter_and_buffer_dicts, dict):
        given = parameter_and_buffer_dicts
    elif isinstance(parameter_and_buffer_dicts, Sequence):
        given = {}
        for d in parameter_and_buffer_dicts:
            if not isinstance(d, dict):
                raise ValueError("Expected all elements of parameter_and_buffer_dicts to be dictionaries")
            repeated = [key for key in d if key in given]
            if repeated:
                raise ValueError(f"{repeated[0]} appeared in multiple dictionaries; behavior of functional call is ambiguous")
            given.update(d)
    else:
        raise ValueError(
            "Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got "
            f"{type(parameter_and_buffer_dicts)}"
        )
    return _functional_call(module, given, args, kwargs, tie_weights=tie_weights, strict=strict)


def functionalize(func: Callable[..., Any], *, remove: str = "mutations") -> Callable[..., Any]:
    """``func`` itself: what is recorded never has mutations or views. Ops in place record the new value, and views are reads.

    Args:
        func: any function.
        remove: ``"mutations"`` or ``"mutations_and_views"``; neither is left in a program.
    """
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(
            f"functionalize(f, remove='mutations'): received invalid argument for remove={remove}. Valid options are:\n"
            "     remove='mutations': all inplace and out= operators will be removed from the program, and replaced\n"
            "     with their out-of-place equivalents.\n"
            "     remove='mutations_and_views': In addition to the above, all aliasing operators {view} will be\n"
            "     replaced with their non-aliasing counterparts, {view}_copy.\n"
        )

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return func(*args, **kwargs)

    return wrapper


def stack_module_state(models: Sequence[Module]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters and the buffers of modules of one kind, each stacked along a new first dimension, for `vmap`.

    Raises:
        RuntimeError: for no models, models of several classes, or of several modes.
    """
    if not len(models):
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if not (all(m.training for m in models) or not any(m.training for m in models)):
        raise RuntimeError("stack_module_state: Expected all models to have the same training/eval mode.")
    if len({type(m) for m in models}) > 1:
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")

    def stacked(columns: list[dict[str, Tensor]], parameters: bool) -> dict[str, Any]:
        made = {}
        for name in columns[0]:
            tensors = [c[name] for c in columns]
            if parameters and len({t.requires_grad for t in tensors}) > 1:
                raise RuntimeError(f"Expected {name} parameter from each model to have the same .requires_grad")
            made[name] = ops.stack([t.detach() for t in tensors]).requires_grad_(tensors[0].requires_grad)
        return made

    return stacked([dict(m.named_parameters()) for m in models], True), stacked([dict(m.named_buffers()) for m in models], False)


def replace_all_batch_norm_modules_(root: Module) -> Module:
    """Let all batch norms of a module do without running statistics, in place: `vmap` cannot write them."""
    for module in root.modules():
        if isinstance(module, _BatchNorm):
            module.running_mean = module.running_var = module.num_batches_tracked = None
            module.track_running_stats = False
    return root


def debug_unwrap(tensor: Tensor, *, recurse: bool = True) -> Tensor:
    """What a tensor inside of `vmap` is for all examples, at the innermost level or (``recurse``) at all. For debugging."""
    value = tensor._value()
    while isinstance(value, batching.Batched):
        tensor = value.physical
        if not recurse:
            break
        value = tensor._value()
    return tensor
