"""`skip_init`: make a module whose weights are going to be loaded."""

from __future__ import annotations

import inspect
from typing import Any

import torchlike as torch
from torchlike.nn.modules.module import Module


def skip_init(module_cls: type[Module], *args: Any, **kwargs: Any) -> Module:
    """``module_cls(*args, **kwargs)`` with weights that hold anything: for loading a state dict into it.

    The random state stays as it was: torch makes such a module on its meta device, and so draws nothing.

    Raises:
        RuntimeError: if it is not a module class, or takes no ``device``.
    """
    if not issubclass(module_cls, Module):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError("Module must support a 'device' arg to skip initialization")
    with torch.random.fork_rng():
        return module_cls(*args, **kwargs)
