"""`functional_call`: a module called with other tensors in place of its own."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

from torchlike._src.tensor.core import Tensor
from torchlike.nn.modules.module import Module
from torchlike.nn.utils._named_member_accessor import NamedMemberAccessor

__all__ = ["functional_call"]


def _untie_named_tensors_map(module: Module, parameters_and_buffers: dict[str, Tensor]) -> dict[str, Tensor]:
    """Extend the given tensors to all names of tensors that the module has under several."""
    names_of: dict[Tensor, set[str]] = {}
    for name, tensor in NamedMemberAccessor(module).named_tensors(remove_duplicate=False):
        names_of.setdefault(tensor, set()).add(name)
    untied = dict(parameters_and_buffers)
    for tied in names_of.values():
        given = {name: parameters_and_buffers[name] for name in tied if name in parameters_and_buffers}
        if not given:
            continue
        if len(set(given.values())) > 1:
            raise ValueError(
                f"functional_call got multiple values for keys {sorted(tied)}, which are tied. Consider using tie_weights=False"
            )
        untied.update(dict.fromkeys(tied, next(iter(given.values()))))
    return untied


@contextlib.contextmanager
def _reparametrize_module(
    module: Module,
    parameters_and_buffers: dict[str, Tensor],
    tie_weights: bool = False,
    strict: bool = False,
    stack_weights: bool = False,
) -> Iterator[None]:
    """Inside, the module has the given tensors; what it replaces meanwhile is written back to the dict."""
    tensors = parameters_and_buffers
    if tie_weights:
        tensors = _untie_named_tensors_map(module, parameters_and_buffers)
    accessor = NamedMemberAccessor(module)
    if strict:
        _check_keys(module, accessor, tensors)
    before: dict[str, Any] = {}
    try:
        before, _ = accessor.swap_tensors_dict(tensors, allow_missing=True)
        yield
    finally:
        if stack_weights:  # several contexts may end in another order than they began
            before = dict(reversed(before.items()))
        after, _ = accessor.swap_tensors_dict(before, allow_missing=True)
        parameters_and_buffers.update({k: after[k] for k in parameters_and_buffers if k in after})


def _check_keys(module: Module, accessor: NamedMemberAccessor, tensors: dict[str, Tensor]) -> None:
    missing, unexpected = accessor.check_keys(tensors)
    errors = [
        f"{kind} key(s): {', '.join(map(repr, keys))}."
        for kind, keys in (("Unexpected", unexpected), ("Missing", missing))
        if keys
    ]
    if errors:
        raise RuntimeError("Error(s) in reparametrizing for {}:\n\t{}".format(module._get_name(), "\n\t".join(errors)))


def functional_call(
    module: Module,
    parameters_and_buffers: dict[str, Tensor],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Deprecated place of `torch.func.functional_call`."""
    warnings.warn(
        "`torch.nn.utils.stateless.functional_call` is deprecated as of PyTorch 2.0 and will be removed in a future "
        "version of PyTorch. Please use `torch.func.functional_call` instead which is a drop-in replacement.",
        FutureWarning,
        stacklevel=2,
    )
    return _functional_call(module, parameters_and_buffers, args, kwargs, tie_weights=tie_weights, strict=strict)


def _functional_call(
    module: Module,
    parameters_and_buffers: dict[str, Tensor],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call ``module`` with some or all of its parameters and buffers replaced.

    Args:
        module: what to call.
        parameters_and_buffers: tensors by dotted name.
        args: arguments; what is not a tuple is the one argument.
        kwargs: keyword arguments.
        tie_weights: a tensor given under one name is used under all names that the module has for it.
        strict: every tensor of the module must be given, and no others.
    """
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    with _reparametrize_module(module, parameters_and_buffers, tie_weights, strict):
        return module(*args, **(kwargs or {}))
