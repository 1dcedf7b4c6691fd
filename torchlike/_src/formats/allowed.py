"""What a file may name when it is loaded with ``weights_only=True``: a fixed list, and what the user adds to it."""

import functools
import pickle
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any

import torchlike as torch
from torchlike import storage
from torchlike._src.formats import rebuild
from torchlike._src.formats.names import torch_name_of
from torchlike._src.tensor import dtypes


class NotAllowed(pickle.UnpicklingError):
    """The file is sound, but asks for what it may not have."""


#: Never allowed, whatever the user adds.
BLOCKED_MODULES = {"sys", "os", "posix", "nt"}

SafeGlobal = Callable[..., Any] | tuple[Callable[..., Any], str]
_added: set[SafeGlobal] = set()


def _latin1(text: str, encoding: str) -> bytes:
    """How protocol 2 spells bytes; other codecs could unpack much from little."""
    if encoding not in ("latin1", "latin-1") or type(text) is not str:
        raise TypeError("only text in latin1 may be encoded while loading")
    return text.encode("latin1")


def _bytearray(data: Any = b"", encoding: str = "latin1") -> bytearray:
    """A bytearray of contents; never of a length alone."""
    return bytearray(_latin1(data, encoding) if type(data) is str else bytes(memoryview(data)))


@functools.cache
def calls() -> dict[str, Callable[..., Any]]:
    """What a file may call, by torch's name."""
    from torchlike.nn.parameter import Parameter

    functions = {
        f"torch._utils.{name}": getattr(rebuild, name)
        for name in dir(rebuild)
        if name.startswith("_rebuild_") and name != "_rebuild_from_type_v2"
    }
    return functions | {
        "torch._tensor._rebuild_from_type_v2": _rebuild_from_type,
        "torch.serialization._get_layout": rebuild._get_layout,
        "torch.nn.parameter.Parameter": Parameter,
        "torch.Size": torch.Size,
        "torch.device": torch.device,
        "collections.OrderedDict": OrderedDict,
        "collections.Counter": Counter,
        "builtins.set": set,
        "builtins.complex": complex,
        "builtins.bytearray": _bytearray,
        "_codecs.encode": _latin1,
    }


@functools.cache
def values() -> dict[str, object]:
    """What a file may name but not call."""
    found: dict[str, object] = {str(dtype): dtype for dtype in dtypes.ALL}
    for cls in storage.BY_DTYPE.values():
        found[f"torch.{cls.__name__}"] = found[f"torch.cuda.{cls.__name__}"] = cls
    found["torch.storage.UntypedStorage"] = found["torch.UntypedStorage"] = storage.UntypedStorage
    found["torch.storage.TypedStorage"] = storage.TypedStorage
    found["torch.Tensor"] = found["torch._tensor.Tensor"] = torch.Tensor
    return found


def _rebuild_from_type(func: Any, new_type: Any, args: tuple[Any, ...], state: Any) -> Any:
    if not may_call(func) or not (new_type in values().values() or new_type in added().values()):
        raise TypeError(f"{func!r} may not be called to make a {new_type!r}")
    return rebuild._rebuild_from_type_v2(func, new_type, args, state)


def added() -> dict[str, Any]:
    """What the user allows, by the names that files use."""
    found: dict[str, Any] = {}
    for entry in _added:
        if isinstance(entry, tuple):
            if len(entry) != 2:
                raise ValueError(f"Expected tuple of length 2 (global, full path), but got tuple of length: {len(entry)}")
            if type(entry[1]) is not str:
                raise TypeError(f"Expected second item in tuple to be str, but got: {type(entry[1])}")
            found[entry[1]] = entry[0]
        else:
            found[f"{entry.__module__}.{entry.__qualname__}"] = entry
            if place := torch_name_of(entry, entry.__qualname__):
                found[".".join(place)] = entry
    return found


def may_call(value: object) -> bool:
    """Whether a file may call this object."""
    return any(value is known for known in calls().values()) or any(value is known for known in added().values())


def lookup(path: str) -> Any:
    """The object of this name; KeyError if it is not allowed."""
    for table in (calls(), values(), added()):
        if path in table:
            return table[path]
    raise KeyError(path)


def add_safe_globals(safe_globals: list[SafeGlobal]) -> None:
    """Allow these classes and functions in files that are loaded with ``weights_only=True``.

    Args:
        safe_globals: the objects; or pairs of the object and the name that stands for it in the file.
    """
    _added.update(safe_globals)


def get_safe_globals() -> list[SafeGlobal]:
    """What `add_safe_globals` has allowed so far."""
    return list(_added)


def clear_safe_globals() -> None:
    """Take back everything that `add_safe_globals` allowed."""
    _added.clear()


class safe_globals:
    """A context in which these classes and functions are allowed, as by `add_safe_globals`."""

    def __init__(self, safe_globals: list[SafeGlobal]) -> None:
        self.safe_globals = safe_globals

    def __enter__(self) -> None:
        _added.update(self.safe_globals)

    def __exit__(self, *_: object) -> None:
        _added.difference_update(self.safe_globals)
