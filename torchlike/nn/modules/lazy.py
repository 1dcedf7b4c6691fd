"""`LazyModuleMixin`: modules that learn the shapes of their parameters from the first batch."""

from __future__ import annotations

import itertools
from typing import Any

import torchlike as torch
from torchlike.nn.parameter import is_lazy

__all__ = ["LazyModuleMixin"]


class LazyModuleMixin:
    """Put before a module class: its parameters start uninitialized and the first forward gives them their shapes.

    A subclass creates `UninitializedParameter`s in ``__init__`` and materializes them in
    `initialize_parameters`, which gets the arguments of the first forward. After that forward, or after
    loading a state dict, the module has become an instance of ``cls_to_become``. Run one batch (on the right
    device and dtype) before making the optimizer, or it will hold parameters that are replaced.

    Attributes:
        cls_to_become: the class without the laziness; None keeps the lazy one.
    """

    cls_to_become: type[Any] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._load_hook = self._register_load_state_dict_pre_hook(self._lazy_load_hook)
        self._initialize_hook = self.register_forward_pre_hook(self._infer_parameters, with_kwargs=True)

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        # As `Module`'s, but an uninitialized tensor goes in as it is: it cannot be detached.
        persistent = (item for item in self._buffers.items() if item[0] not in self._non_persistent_buffers_set)
        for name, member in itertools.chain(self._parameters.items(), persistent):
            if member is not None:
                destination[prefix + name] = member if keep_vars or is_lazy(member) else member.detach()

    def _lazy_load_hook(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Take the shapes from the state dict that is about to be loaded."""
        for name, member in itertools.chain(self._parameters.items(), self._buffers.items()):
            value = state_dict.get(prefix + name)
            if value is not None and is_lazy(member) and not is_lazy(value):
                with torch.no_grad():
                    member.materialize(value.shape)

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """To override: materialize the parameters; gets the arguments of the first forward."""
        raise NotImplementedError(f"initialize_parameters is not implemented for {type(self).__name__}")

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or buffer has no shape yet."""
        return any(is_lazy(member) for member in itertools.chain(self._parameters.values(), self._buffers.values()))

    def _infer_parameters(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> None:
        """The pre-hook of the first forward: initialize, then turn into the ordinary module."""
        module.initialize_parameters(*args, **(kwargs or {}))
        if module.has_uninitialized_params():
            raise RuntimeError(f"module {self._get_name()} has not been fully initialized")
        module._initialize_hook.remove()
        module._load_hook.remove()
        del module._initialize_hook
        del module._load_hook
        if module.cls_to_become is not None:
            module.__class__ = module.cls_to_become

    def _replicate_for_data_parallel(self) -> Any:
        raise RuntimeError(
            "Modules with uninitialized parameters can't be used with `DataParallel`. Run a dummy forward pass to "
            "correctly initialize the modules"
        )
