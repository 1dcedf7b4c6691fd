"""State dicts: what a module writes into one, and how one is read back with a strict report.

`Module` keeps torch's overridable methods (``_save_to_state_dict``, ``_load_from_state_dict``, ...); their
bodies are here.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict, namedtuple
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torchlike as torch
from torchlike import __future__ as switches
from torchlike._src.tensor.core import Tensor
from torchlike.nn.parameter import Parameter, is_lazy

if TYPE_CHECKING:
    from torchlike.nn.modules.module import Module

_EXTRA_STATE_KEY_SUFFIX = "_extra_state"

_POST_HOOK_RETURNED = (
    "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to return new values, if "
    "incompatible_keys need to be modified, it should be done inplace."
)
_LOADING_INTO_META = (
    "for {key}: copying from a non-meta parameter in the checkpoint to a meta parameter in the current model, which "
    "is a no-op. (Did you mean to pass `assign=True` to assign items in the state dictionary to their corresponding "
    "key in the module instead of copying them in place?)"
)
_MODULE_LOAD_RETURNED_INPUT = (
    "module_load returned one of self or other, please .detach() the result if returning one of the inputs in module_load"
)


class _IncompatibleKeys(namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    """What did not match in `Module.load_state_dict`: two lists of keys."""

    __slots__ = ()

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return super().__repr__()

    __str__ = __repr__


_IncompatibleKeys.__module__ = "torchlike.nn.modules.module"


def persistent_members(module: Module) -> Iterator[tuple[str, Tensor]]:
    """Name and tensor of what a module itself saves: its parameters, then its persistent buffers."""
    for name, param in module._parameters.items():
        if param is not None:
            yield name, param
    for name, buffer in module._buffers.items():
        if buffer is not None and name not in module._non_persistent_buffers_set:
            yield name, buffer


def load_into(module: Module, state_dict: Mapping[str, Any], strict: bool, assign: bool) -> _IncompatibleKeys:
    """`Module.load_state_dict`: walk the modules, let each take its own keys, then report what did not fit."""
    if not isinstance(state_dict, Mapping):
        raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
    missing: list[str] = []
    unexpected: list[str] = []
    errors: list[str] = []
    metadata = getattr(state_dict, "_metadata", None)
    state_dict = OrderedDict(state_dict)  # hooks may change it; the caller's stays as it was
    if metadata is not None:
        state_dict._metadata = metadata

    def load(module: Module, state_dict: Any, prefix: str) -> None:
        local_metadata = {} if metadata is None else metadata.get(prefix[:-1], {})
        if assign:
            local_metadata["assign_to_params_buffers"] = assign
        module._load_from_state_dict(state_dict, prefix, local_metadata, True, missing, unexpected, errors)
        for name, child in module._modules.items():
            if child is not None:
                child_prefix = f"{prefix}{name}."
                load(child, {k: v for k, v in state_dict.items() if k.startswith(child_prefix)}, child_prefix)
        incompatible = _IncompatibleKeys(missing, unexpected)
        for hook in module._load_state_dict_post_hooks.values():
            if hook(module, incompatible) is not None:
                raise AssertionError(_POST_HOOK_RETURNED)

    load(module, state_dict, "")
    if strict:
        errors[:0] = [
            f"{kind} key(s) in state_dict: {_quoted(keys)}. "
            for kind, keys in (("Missing", missing), ("Unexpected", unexpected))
            if keys
        ]
    if errors:
        raise RuntimeError("Error(s) in loading state_dict for {}:\n\t{}".format(type(module).__name__, "\n\t".join(errors)))
    return _IncompatibleKeys(missing, unexpected)


def _quoted(keys: list[str]) -> str:
    return ", ".join(f'"{key}"' for key in keys)


def load_own(
    module: Module,
    state_dict: dict[str, Any],
    prefix: str,
    local_metadata: dict[str, Any],
    strict: bool,
    missing_keys: list[str],
    unexpected_keys: list[str],
    error_msgs: list[str],
    *,
    sets_extra_state: bool,
) -> None:
    """`Module._load_from_state_dict`: the module's own tensors and extra state, not its children's."""
    for hook in module._load_state_dict_pre_hooks.values():
        hook(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)

    assign = local_metadata.get("assign_to_params_buffers", False)
    members = dict(persistent_members(module))
    for name, member in members.items():
        key = prefix + name
        if key in state_dict:
            error = _load_member(module, name, member, key, state_dict[key], assign)
            if error is not None:
                error_msgs.append(error)
        elif strict:
            missing_keys.append(key)

    extra_key = prefix + _EXTRA_STATE_KEY_SUFFIX
    if sets_extra_state:
        if extra_key in state_dict:
            module.set_extra_state(state_dict[extra_key])
        elif strict:
            missing_keys.append(extra_key)
    elif strict and extra_key in state_dict:
        unexpected_keys.append(extra_key)

    if strict:
        for key in state_dict:
            if key.startswith(prefix) and key != extra_key:
                name, *rest = key[len(prefix) :].split(".", 1)
                if name not in (module._modules if rest else members):
                    unexpected_keys.append(key)


def _load_member(module: Module, name: str, member: Tensor, key: str, value: Any, assign: bool) -> str | None:
    """Load one parameter or buffer; returns what is wrong with it, for the report."""
    if not (isinstance(value, Tensor) or hasattr(value, "__torch_function__")):
        return (
            f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like object from checkpoint '
            f"but received {type(value)}"
        )
    if not is_lazy(member):
        if len(member.shape) == 0 and len(value.shape) == 1 and value.shape[0] == 1:
            value = value[0]  # scalars were saved as vectors of one element before torch 0.4
        if value.shape != member.shape:
            return (
                f"size mismatch for {key}: copying a param with shape {value.shape} from checkpoint, "
                f"the shape in current model is {member.shape}."
            )
    if member.is_meta and not value.is_meta and not assign:
        warnings.warn(_LOADING_INTO_META.format(key=key), stacklevel=6)
    swap = switches.get_swap_module_params_on_conversion()
    try:
        with torch.no_grad():
            if swap:
                _swap_in(member, value, assign)
            elif assign:
                setattr(module, name, _as_parameter_like(value, member))
            else:
                member.copy_(value)
    except Exception as error:
        return (
            f'While {"swapping" if swap else "copying"} the parameter named "{key}", whose dimensions in the model '
            f"are {member.size()} and whose dimensions in the checkpoint are {value.size()}, an exception occurred : "
            f"{error.args}."
        )
    return None


def _as_parameter_like(value: Tensor, member: Tensor) -> Tensor:
    """``value``, as a parameter with the same ``requires_grad`` if ``member`` is a parameter."""
    if not isinstance(member, Parameter):
        return value
    if isinstance(value, Parameter):
        return value.requires_grad_(member.requires_grad)
    return Parameter(value, requires_grad=member.requires_grad)


def _swap_in(member: Tensor, value: Tensor, assign: bool) -> None:
    loaded = member.module_load(value, assign=assign)
    if loaded is value or loaded is member:
        raise RuntimeError(_MODULE_LOAD_RETURNED_INPUT)
    torch.utils.swap_tensors(member, _as_parameter_like(loaded, member))
