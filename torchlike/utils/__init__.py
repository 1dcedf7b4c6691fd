"""Utilities, as ``torch.utils``; submodules are imported when they are first used."""

import importlib
from typing import Any

_SUBMODULES = frozenset({"checkpoint", "data", "dlpack", "hooks"})


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"torchlike.utils.{name}")
    raise AttributeError(f"module 'torchlike.utils' has no attribute {name!r}")
