"""Parametrizations: a module's parameter computed from another tensor by a module, at every access.

The module's class is replaced by a subclass that has a property in place of the parameter; the original tensor and
the modules that compute from it live in ``module.parametrizations[name]``, a `ParametrizationList`.
"""

from __future__ import annotations

import copy
import copyreg
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import torchlike as torch
from torchlike import __future__ as switches
from torchlike._src.tensor.core import Tensor
from torchlike.nn.modules.container import ModuleDict, ModuleList
from torchlike.nn.modules.module import Module
from torchlike.nn.parameter import Parameter

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "transfer_parametrizations_and_params",
    "type_before_parametrizations",
]

_cache_enabled = 0
_cache: dict[tuple[int, str], Tensor | None] = {}

_NOT_PICKLABLE = (
    "Serialization of parametrized modules is only supported through state_dict(). See:\n"
    "https://pytorch.org/tutorials/beginner/saving_loading_models.html"
    "#saving-loading-a-general-checkpoint-for-inference-and-or-resuming-training"
)
_SEQUENCE_STAYS = (
    "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in terms of a sequence of tensors."
)


@contextmanager
def cached() -> Iterator[None]:
    """Compute each parametrized tensor once inside the context, instead of at every access."""
    global _cache_enabled
    _cache_enabled += 1
    try:
        yield
    finally:
        _cache_enabled -= 1
        if not _cache_enabled:
            _cache.clear()


def _register(module: Module, name: str, tensor: Tensor) -> None:
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


def _replace_values(target: Tensor, source: Tensor) -> None:
    """Put other values, perhaps of another shape, into a tensor that others hold."""
    if switches.get_swap_module_params_on_conversion():
        if isinstance(target, Parameter) and not isinstance(source, Parameter):
            source = Parameter(source, requires_grad=target.requires_grad)
        torch.utils.swap_tensors(target, source)
    else:
        target.set_(source)


def _require_same(what: str, change: str, names: tuple[str, str], values: tuple[Any, Any]) -> None:
    if values[0] != values[1]:
        raise ValueError(f"{what}{change}\n{names[0]}: {values[0]}\n{names[1]}: {values[1]}")


class ParametrizationList(ModuleList):
    """The original tensor (or tensors) of one parametrized tensor, and the modules applied to it in order.

    Args:
        modules: the parametrizations.
        original: the tensor before; it is passed through the modules' ``right_inverse``s, the last first, where
            there are such. If the result is a sequence, its elements become ``original0``, ``original1``, ...
        unsafe: do not check that shape and dtype stay.
    """

    original: Tensor
    unsafe: bool

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False) -> None:
        if len(modules) == 0:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        shape, dtype = original.shape, original.dtype
        new = self._invert_what_can_be(original)
        if not isinstance(new, (Tensor, Sequence)):
            raise ValueError(
                f"'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). Got {type(new).__name__}"
            )
        self.is_tensor = isinstance(new, Tensor)
        self.ntensors = 1 if self.is_tensor else len(new)
        if self.is_tensor:
            self._take_tensor(original, new)
        else:
            self._take_sequence(original, new)
        if not unsafe:
            self._check_result(shape, dtype)

    def _invert_what_can_be(self, original: Tensor) -> Any:
        new = original
        with torch.no_grad():
            for module in reversed(list(self)):
                if hasattr(module, "right_inverse"):
                    with suppress(NotImplementedError):
                        new = module.right_inverse(new)
        return new

    def _take_tensor(self, original: Tensor, new: Tensor) -> None:
        for kind in ("dtype", "device"):
            _require_same(
                "When `right_inverse` outputs one tensor, ",
                f"it may not change the {kind}.",
                (f"original.{kind}", f"right_inverse(original).{kind}"),
                (getattr(original, kind), getattr(new, kind)),
            )
        with torch.no_grad():
            _replace_values(original, new)
        _register(self, "original", original)

    def _take_sequence(self, original: Tensor, new: Sequence[Any]) -> None:
        for i, part in enumerate(new):
            if not isinstance(part, Tensor):
                raise ValueError(
                    "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). Got element "
                    f"{i} of the sequence with type {type(part).__name__}."
                )
            if isinstance(original, Parameter):
                part = Parameter(part, original.requires_grad)
            part.requires_grad_(original.requires_grad)
            _register(self, f"original{i}", part)

    def _check_result(self, shape: Any, dtype: Any) -> None:
        result = self()
        if not isinstance(result, Tensor):
            raise ValueError(f"A parametrization must return a tensor. Got {type(result).__name__}.")
        for kind, before in (("dtype", dtype), ("shape", shape)):
            _require_same(
                "Registering a parametrization ",
                f"may not change the {kind} of the tensor, unless `unsafe` flag is enabled.",
                (f"unparametrized {kind}", f"parametrized {kind}"),
                (before, getattr(result, kind)),
            )

    def right_inverse(self, value: Tensor) -> None:
        """Set the originals so that the parametrized tensor becomes ``value``: what assigning to it does."""
        with torch.no_grad():
            inverted: Any = value
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(f"parametrization {type(module).__name__} does not implement right_inverse.")
                inverted = module.right_inverse(inverted)
            if self.is_tensor:
                self._set_original(inverted)
            else:
                self._set_originals(inverted)

    def _set_original(self, value: Any) -> None:
        if not isinstance(value, Tensor):
            raise ValueError(f"`right_inverse` should return a tensor. Got {type(value).__name__}")
        if value.dtype != self.original.dtype:
            raise ValueError(
                f"The tensor returned by `right_inverse` has dtype {value.dtype} while `original` has dtype {self.original.dtype}"
            )
        _replace_values(self.original, value)

    def _set_originals(self, values: Any) -> None:
        if not isinstance(values, Sequence):
            raise ValueError(f"'right_inverse' must return a sequence of tensors. Got {type(values).__name__}.")
        if len(values) != self.ntensors:
            raise ValueError(
                f"'right_inverse' must return a sequence of tensors of length {self.ntensors}. "
                f"Got a sequence of length {len(values)}."
            )
        for i, value in enumerate(values):
            original = getattr(self, f"original{i}")
            if not isinstance(value, Tensor):
                raise ValueError(
                    "'right_inverse' must return a sequence of tensors or reference-type opaques. "
                    f"Got element {i} of type {type(value).__name__}."
                )
            if original.dtype != value.dtype:
                raise ValueError(
                    f"Tensor {i} returned by `right_inverse` has dtype {value.dtype} while `original{i}` has dtype "
                    f"{original.dtype}"
                )
            _replace_values(original, value)

    def forward(self) -> Tensor:
        """The parametrized tensor."""
        originals = [self.original] if self.is_tensor else [getattr(self, f"original{i}") for i in range(self.ntensors)]
        first, *others = self
        value = first(*originals)
        for module in others:
            value = module(value)
        return value


def _inject_new_class(module: Module) -> None:
    """Give the module a class of its own, where properties can be put; it has no name that a pickle could find."""
    cls = type(module)

    def default_deepcopy(self: Any, memo: dict[int, Any]) -> Any:
        # The default goes through __getstate__, which refuses.
        if id(self) in memo:
            return memo[id(self)]
        replica = self.__new__(type(self))
        memo[id(self)] = replica
        replica.__dict__ = copy.deepcopy(self.__dict__, memo)
        for slot in copyreg._slotnames(type(self)):
            if hasattr(self, slot):
                setattr(replica, slot, copy.deepcopy(getattr(self, slot), memo))
        return replica

    def getstate(self: Any) -> Any:
        raise RuntimeError(_NOT_PICKLABLE)

    members: dict[str, Any] = {"__getstate__": getstate}
    if not hasattr(cls, "__deepcopy__"):
        members["__deepcopy__"] = default_deepcopy
    module.__class__ = type(f"Parametrized{cls.__name__}", (cls,), members)


def _inject_property(module: Module, tensor_name: str) -> None:
    """Compute the tensor whenever the attribute is read."""
    if hasattr(module, tensor_name):
        raise AssertionError(f"Module already has an attribute named '{tensor_name}'")

    def get_parametrized(self: Module) -> Tensor:
        parametrization = self.parametrizations[tensor_name]
        if not _cache_enabled:
            return parametrization()
        key = (id(self), tensor_name)
        if _cache.get(key) is None:
            _cache[key] = parametrization()
        return _cache[key]

    def set_original(self: Module, value: Tensor) -> None:
        self.parametrizations[tensor_name].right_inverse(value)

    setattr(type(module), tensor_name, property(get_parametrized, set_original))


def register_parametrization(module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False) -> Module:
    """From now on compute a parameter or buffer of ``module`` by ``parametrization``, on top of others there are.

    Args:
        module: has the tensor.
        tensor_name: its attribute.
        parametrization: a module from tensor to tensor; with a ``right_inverse``, the tensor can be assigned to and
            keeps its value at first.
        unsafe: do not check that shape and dtype stay.
    Raises:
        ValueError: if the module has no such tensor, or the checks fail.
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        if not unsafe:
            _check_on_top(module, tensor_name, parametrization)
        parametrizations = module.parametrizations[tensor_name]
        parametrizations.append(parametrization)
        parametrizations.unsafe |= unsafe
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        original = getattr(module, tensor_name)
        parametrizations = ParametrizationList([parametrization], original, unsafe=unsafe)  # raises first, if at all
        delattr(module, tensor_name)
        if not is_parametrized(module):
            _inject_new_class(module)
            module.parametrizations = ModuleDict()
        _inject_property(module, tensor_name)
        module.parametrizations[tensor_name] = parametrizations
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name '{tensor_name}'"
        )
    return module


def _check_on_top(module: Module, name: str, parametrization: Module) -> None:
    """A parametrization on top of others must keep shape and dtype, and so must its inverse."""
    before = getattr(module, name)
    after = parametrization(before)
    if not isinstance(after, Tensor):
        raise ValueError(f"A parametrization must return a tensor. Got {type(after).__name__}.")
    for kind in ("dtype", "shape"):
        _require_same(
            "Registering a parametrization ",
            f"may not change the {kind} of the tensor, unless the `unsafe` flag is enabled.",
            (f"module.{name}.{kind}", f"parametrization(module.{name}).{kind}"),
            (getattr(before, kind), getattr(after, kind)),
        )
    if not hasattr(parametrization, "right_inverse"):
        return
    try:
        inverted = parametrization.right_inverse(after)
    except NotImplementedError:
        return
    if not isinstance(inverted, Tensor):
        raise ValueError(f"parametrization.right_inverse must return a tensor. Got: {type(inverted).__name__}")
    for kind in ("dtype", "shape"):
        _require_same(
            "The tensor returned by parametrization.right_inverse ",
            f"must have the same {kind} as module.{name}, unless the `unsafe` flag is enabled.",
            (f"module.{name}.{kind}", f"returned {kind}"),
            (getattr(before, kind), getattr(inverted, kind)),
        )


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether the module has parametrized tensors, or this one is."""
    parametrizations = getattr(module, "parametrizations", None)
    if not isinstance(parametrizations, ModuleDict):
        return False
    return len(parametrizations) > 0 if tensor_name is None else tensor_name in parametrizations


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Make a parametrized tensor an ordinary one again.

    Args:
        module: has the tensor.
        tensor_name: its attribute.
        leave_parametrized: keep the computed value rather than the original one.
    Raises:
        ValueError: if it is not parametrized, or there is no one original to go back to.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    parametrizations = module.parametrizations[tensor_name]
    if parametrizations.is_tensor:
        tensor = parametrizations.original
        if leave_parametrized:
            with torch.no_grad():
                _replace_values(tensor, getattr(module, tensor_name))
    elif leave_parametrized:
        value = getattr(module, tensor_name)
        tensor = Parameter(value) if value.requires_grad else value
    else:
        raise ValueError(_SEQUENCE_STAYS)
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    _register(module, tensor_name, tensor)
    if not is_parametrized(module):
        del module.parametrizations
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module: Module) -> type:
    """The class that the module had before it was parametrized."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(from_module: Module, to_module: Module, tensor_name: str | None = None) -> Module:
    """Parametrize ``to_module`` as ``from_module`` is, all tensors or one, with the same originals."""
    if not is_parametrized(from_module):
        return to_module
    for name in list(from_module.parametrizations) if tensor_name is None else [tensor_name]:
        source = from_module.parametrizations[name]
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name)))
        for parametrization in source:
            register_parametrization(to_module, name, parametrization)
        target = to_module.parametrizations[name]
        for original in ["original"] if source.is_tensor else [f"original{i}" for i in range(source.ntensors)]:
            setattr(target, original, getattr(source, original))
    return to_module
