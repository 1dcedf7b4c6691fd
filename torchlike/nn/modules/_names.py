"""`typename`: how error messages name the type of a thing; public as ``torch.typename``."""

from __future__ import annotations

from typing import Any

from torchlike._src.tensor.core import Tensor


def typename(obj: Any) -> str:
    """``"torch.FloatTensor"`` for a tensor, else the dotted name of a class or function, or of an object's class."""
    if isinstance(obj, Tensor):
        return obj.type()
    named = obj if hasattr(obj, "__qualname__") or hasattr(obj, "__name__") else type(obj)
    name = getattr(named, "__qualname__", None) or named.__name__
    module = getattr(named, "__module__", None) or ""
    return name if module in ("", "builtins") else f"{module}.{name}"
