"""Handles of registered hooks, and the pair of graph nodes that module backward hooks hang on."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, TypeVar

import torchlike as torch
from torchlike._src.tensor.core import Tensor
from torchlike._src.tensor.tape import RemovableHandle

__all__ = ["BackwardHook", "RemovableHandle", "unserializable_hook", "warn_if_has_hooks"]

F = TypeVar("F")

_NO_INPUT_GRADIENTS = (
    "Full backward hook is firing when gradients are computed with respect to module outputs since no inputs require "
    "gradients. See "
    "https://docs.pytorch.org/docs/main/generated/torch.nn.Module.html#torch.nn.Module.register_full_backward_hook "
    "for more details."
)
_NOTHING_TO_REPLACE = (
    "Backward hook for Modules where no input requires gradient should always return None or None for all gradients."
)


def unserializable_hook(f: F) -> F:
    """Mark a tensor hook as one that need not be saved, so that saving the tensor does not warn about it."""
    f.__torch_unserializable__ = True
    return f


def warn_if_has_hooks(tensor: Tensor) -> None:
    """Warn about each hook of ``tensor`` that saving it will lose."""
    for hook in (getattr(tensor, "_backward_hooks", None) or {}).values():
        if not hasattr(hook, "__torch_unserializable__"):
            warnings.warn(
                f"backward hook {hook!r} on tensor will not be serialized.  If this is expected, you can decorate the "
                "function with @torch.utils.hooks.unserializable_hook to suppress this warning",
                stacklevel=2,
            )


class BackwardHook:
    """Runs a module's full backward hooks, for one call of the module.

    An identity node behind the module's inputs and one behind its outputs are where the gradients pass: the
    output node runs first and keeps ``grad_output``; the input node then has ``grad_input`` and calls the hooks.
    """

    def __init__(self, module: Any, user_hooks: Sequence[Any], user_pre_hooks: Sequence[Any]) -> None:
        self.module = module
        self.user_hooks = user_hooks
        self.user_pre_hooks = user_pre_hooks
        self.grad_outputs: tuple[Any, ...] | None = None
        self.n_inputs = -1
        self.n_outputs = -1
        self.without_gradient: dict[int, Any] = {}
        #: Which arguments passed through the input node; None if no gradient flows there.
        self.input_tensors_index: Any = None
        self.output_tensors_index: Any = None

    def setup_input_hook(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Pass the tensors among a call's arguments through the input node."""
        self.n_inputs = len(args)
        result, self.input_tensors_index = _through_node(args, self._on_grad_inputs)
        # What torch's node hands to hooks as the gradient of a tensor that needs none.
        self.without_gradient = {
            i: (arg.shape, arg.dtype, arg.device)
            for i, arg in enumerate(args)
            if isinstance(arg, Tensor) and i not in (self.input_tensors_index or ())
        }
        return result

    def setup_output_hook(self, result: Any) -> Any:
        """Pass the tensors of a call's result, one or a tuple, through the output node."""
        results = result if isinstance(result, tuple) else (result,)
        self.n_outputs = len(results)
        results, self.output_tensors_index = _through_node(results, self._on_grad_outputs)
        return results if isinstance(result, tuple) else results[0]

    def _on_grad_inputs(self, grad_input: tuple[Any, ...], _: Any) -> tuple[Any, ...] | None:
        if self.grad_outputs is None:
            return None  # the gradient reached the inputs by another way than the outputs, as in double backward
        zeros = {i: torch.zeros(s, dtype=d, device=p) for i, (s, d, p) in self.without_gradient.items()}
        grads = _spread({**zeros, **_numbered(self.input_tensors_index, grad_input)}, self.n_inputs)
        for hook in self.user_hooks:
            replaced = hook(self.module, grads, self.grad_outputs)
            if replaced is None:
                continue
            if len(replaced) != len(grads):
                raise RuntimeError(
                    f"Backward hook returned an invalid number of grad_input, got {len(replaced)}, but expected {len(grads)}"
                )
            grads = replaced
        self.grad_outputs = None
        return tuple(grads[i] for i in self.input_tensors_index)

    def _on_grad_outputs(self, _: Any, grad_output: tuple[Any, ...]) -> tuple[Any, ...]:
        grads = _spread(_numbered(self.output_tensors_index, grad_output), self.n_outputs)
        for hook in self.user_pre_hooks:
            replaced = hook(self.module, grads)
            if replaced is None:
                continue
            if len(replaced) != len(grads):
                raise RuntimeError(
                    f"Backward pre hook returned an invalid number of grad_output, got {len(replaced)}, but expected {len(grads)}"
                )
            grads = replaced
        self.grad_outputs = grads
        if self.input_tensors_index is None:
            self._call_without_grad_inputs()
        return tuple(grads[i] for i in self.output_tensors_index)

    def _call_without_grad_inputs(self) -> None:
        """No input requires a gradient, so no input node will call the hooks: do it here."""
        warnings.warn(_NO_INPUT_GRADIENTS, stacklevel=6)
        nothing = (None,) * self.n_inputs
        for hook in self.user_hooks:
            replaced = hook(self.module, nothing, self.grad_outputs)
            if replaced is not None and not (isinstance(replaced, tuple) and all(r is None for r in replaced)):
                raise RuntimeError(_NOTHING_TO_REPLACE)
        self.grad_outputs = None


def _numbered(indices: Sequence[int], values: Sequence[Any]) -> dict[int, Any]:
    return dict(zip(indices, values, strict=True))


def _spread(values: dict[int, Any], size: int) -> tuple[Any, ...]:
    """A tuple of ``size`` with the values at their places and None elsewhere."""
    return tuple(values.get(i) for i in range(size))


def _through_node(args: tuple[Any, ...], hook: Any) -> tuple[tuple[Any, ...], list[int] | None]:
    """Pass the tensors of a tuple that need gradients through one identity node that calls ``hook`` in backward."""
    indices = [i for i, arg in enumerate(args) if isinstance(arg, Tensor) and arg.requires_grad]
    if not (indices and torch.is_grad_enabled()):
        return args, None
    passed = torch.nn.modules._functions.BackwardHookFunction.apply(*(args[i] for i in indices))
    passed[0].grad_fn.register_hook(hook)
    places = _numbered(indices, passed)
    values = [places.get(i, arg) for i, arg in enumerate(args)]
    return (tuple(values) if type(args) is tuple else type(args)(*values)), indices
