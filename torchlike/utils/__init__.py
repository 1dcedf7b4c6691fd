"""Utilities, as ``torch.utils``; submodules are imported when they are first used."""

import copyreg
import importlib
import weakref
from typing import Any

_SUBMODULES = frozenset({"checkpoint", "data", "dlpack", "hooks"})


def swap_tensors(t1: Any, t2: Any) -> None:
    """Let two tensors change places: each becomes, for everybody who holds it, what the other was.

    A graph that was recorded with a leaf delivers its gradient to the object, whatever it is by then; torch refuses to.

    Raises:
        RuntimeError: if one has weak references, or they have different slots.
    """
    for name, t in (("t1", t1), ("t2", t2)):
        if weakref.getweakrefs(t):
            raise RuntimeError(f"Cannot swap {name} because it has weakref associated with it")
    slots = copyreg._slotnames(t1.__class__)  # type: ignore[attr-defined]
    if set(slots) != set(copyreg._slotnames(t2.__class__)):  # type: ignore[attr-defined]
        raise RuntimeError("Cannot swap t1 and t2 if they have different slots")
    for name in ("__class__", "__dict__", *slots):
        has = [hasattr(t, name) for t in (t1, t2)]
        one, two = getattr(t1, name, None), getattr(t2, name, None)
        for t, other, there in ((t1, two, has[1]), (t2, one, has[0])):
            if there:
                setattr(t, name, other)
            elif hasattr(t, name):
                delattr(t, name)


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"torchlike.utils.{name}")
    raise AttributeError(f"module 'torchlike.utils' has no attribute {name!r}")
