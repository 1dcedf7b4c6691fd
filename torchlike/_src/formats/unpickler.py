"""Reading pickles: a restricted reader for files that nobody vouches for, and the ordinary one under torch's names.

The restricted one reads protocols 2 to 5 without the ops that weights do not need; it names only what `allowed`
lists, and checks every op that calls or changes an object. Memory stays in proportion to the file.
"""

import _compat_pickle
import pickle
from collections import Counter, OrderedDict
from typing import Any, BinaryIO

import torchlike as torch
from torchlike._src.formats import allowed, names

_HARMLESS = (
    "PROTO FRAME STOP MARK POP POP_MARK NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 LONG4 BINFLOAT "
    "BINUNICODE SHORT_BINUNICODE BINUNICODE8 SHORT_BINSTRING SHORT_BINBYTES BINBYTES BINBYTES8 "
    "EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST EMPTY_DICT EMPTY_SET BINGET LONG_BINGET BINPUT LONG_BINPUT "
    "MEMOIZE GLOBAL STACK_GLOBAL"
)
#: A key is hashed all the way down, and shared parts are hashed again each time they occur.
_LARGEST_KEY = 10_000


class _Dispatch(dict):  # type: ignore[type-arg]
    """Handlers by op code; a code that is missing is an error of the file."""

    def __missing__(self, code: int) -> Any:
        raise pickle.UnpicklingError(f"Unsupported operand {code}")


class _Careful(pickle._Unpickler):  # type: ignore[misc,name-defined] # the C one hides its stack
    """Reads harmless ops, and reports whatever goes wrong as an `UnpicklingError`."""

    dispatch = _Dispatch(
        {code: pickle._Unpickler.dispatch[code] for op in _HARMLESS.split() for code in getattr(pickle, op)}  # type: ignore[attr-defined]
    )

    def load(self) -> Any:
        try:
            return super().load()
        except (EOFError, RuntimeError, MemoryError, pickle.UnpicklingError):
            raise
        except Exception as error:  # a damaged file may trip any handler
            raise pickle.UnpicklingError(f"the pickle is damaged ({type(error).__name__}: {error})") from error

    def name(self, module: str, name: str) -> tuple[str, str]:
        """A global's name in Python 3: protocol 2 has the names of Python 2."""
        if self.proto >= 3:
            return module, name
        module, name = _compat_pickle.NAME_MAPPING.get((module, name), (module, name))
        return _compat_pickle.IMPORT_MAPPING.get(module, module), name


class WeightsUnpickler(_Careful):
    """Reads tensors, containers and what the user allowed; everything else in the file is an `UnpicklingError`."""

    dispatch = _Dispatch(_Careful.dispatch)

    def find_class(self, module: str, name: str) -> Any:
        module, name = self.name(module, name)
        path = f"{module}.{name}"
        if module in allowed.BLOCKED_MODULES:
            raise allowed.NotAllowed(f"Trying to load unsupported GLOBAL {path} whose module {module} is blocked.")
        try:
            return allowed.lookup(path)
        except KeyError:
            path = path.removeprefix("builtins.")
            raise allowed.NotAllowed(
                f"Unsupported global: GLOBAL {path} was not an allowed global by default. "
                f"Please use `torch.serialization.add_safe_globals([{path}])` or the "
                f"`torch.serialization.safe_globals([{path}])` context manager to allowlist this global if you trust "
                "this class/function."
            ) from None

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("the pickle refers to data outside of it")

    def load_binpersid(self) -> None:
        pid = self.stack.pop()
        if type(pid) is not tuple or not pid or pid[0] not in ("storage", b"storage", "module", b"module"):
            raise allowed.NotAllowed("Only persistent_load of storage is allowed")
        self.append(self.persistent_load(pid))

    def load_reduce(self) -> None:
        args = self.stack.pop()
        function = self.stack[-1]
        if not allowed.may_call(function):
            raise allowed.NotAllowed(f"Trying to call reduce for unrecognized function {_short(function)}")
        if function in (set, Counter, OrderedDict):
            for values in args:
                for key in values if isinstance(values, list | dict | set) else ():
                    _check_key(key)
        self.stack[-1] = function(*args)

    def load_newobj(self) -> None:
        args = self.stack.pop()
        cls = self.stack.pop()
        if cls is torch.nn.Parameter:
            self.append(torch.nn.Parameter(*args))
        elif isinstance(cls, type) and allowed.may_call(cls):
            self.append(cls.__new__(cls, *args))
        else:
            raise allowed.NotAllowed(
                f"Can only create new object for nn.Parameter or classes allowlisted via `add_safe_globals` but got {_short(cls)}"
            )

    def load_build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if type(target) is OrderedDict:
            if any(hasattr(OrderedDict, name) for name in state):
                raise pickle.UnpicklingError("the state of an OrderedDict would hide its methods")
            target.__dict__.update(state)  # state_dict() keeps its `_metadata` there
        elif not any(type(target) is cls for cls in allowed.added().values()):
            raise allowed.NotAllowed(
                "Can only build Tensor, Parameter, OrderedDict or types allowlisted via `add_safe_globals`, but got "
                f"{type(target)}"
            )
        elif hasattr(target, "__setstate__"):
            target.__setstate__(state)
        else:
            attributes, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
            target.__dict__.update(attributes or {})
            for name, value in (slots or {}).items():
                setattr(target, name, value)

    def load_append(self) -> None:
        self._extend(list, "append to", [self.stack.pop()])

    def load_appends(self) -> None:
        self._extend(list, "extend", self.pop_mark())

    def load_additems(self) -> None:
        items = self.pop_mark()
        for key in items:
            _check_key(key)
        self._extend(set, "add to", items)

    def _extend(self, kind: type, verb: str, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not kind:
            raise allowed.NotAllowed(f"Can only {verb} {kind.__name__}s, but got {type(target)}")
        target.update(items) if kind is set else target.extend(items)

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set_items([key, value])

    def load_setitems(self) -> None:
        self._set_items(self.pop_mark())

    def _set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) not in (dict, OrderedDict, Counter):
            raise allowed.NotAllowed(
                f"Can only set items of dict, collections.OrderedDict, collections.Counter, but got {type(target)}"
            )
        for key, value in zip(items[::2], items[1::2], strict=True):
            _check_key(key)
            target[key] = value

    for _op in ("BINPERSID", "REDUCE", "NEWOBJ", "BUILD", "APPEND", "APPENDS", "ADDITEMS", "SETITEM", "SETITEMS"):
        dispatch[getattr(pickle, _op)[0]] = locals()[f"load_{_op.lower()}"]
    del _op


def _check_key(key: object) -> None:
    """Refuse a tuple that would take forever to hash."""
    if type(key) is not tuple:
        return
    waiting, seen = [key], 0
    while waiting:
        part = waiting.pop()
        seen += len(part)
        if seen > _LARGEST_KEY:
            raise pickle.UnpicklingError("a key in the file is too large to be one")
        waiting.extend(p for p in part if type(p) is tuple)


def _short(value: object) -> str:
    return repr(value)[:100]


class BoundedFile:
    """A file for unpicklers that reads no more than there is, whatever length the pickle claims."""

    def __init__(self, file: BinaryIO, left: int) -> None:
        self._file = file
        self._left = left
        self.readline = file.readline

    def read(self, size: int = -1) -> bytes:
        """As a file's read."""
        return self._file.read(min(size, self._left) if size >= 0 else size)


class Named:
    """Stands for the global ``module.name`` in a pickle that is only looked through."""

    def __init__(self, module: str, name: str) -> None:
        self.module = module
        self.name = name


class Survey(_Careful):
    """Walks over a pickle without making, filling or calling any object of it.

    Attributes:
        globals: the names that the pickle uses, as ``module.name``.
        persistent: the ids of the data outside of it, in order; a global in one is a `Named`.
    """

    dispatch = _Dispatch(_Careful.dispatch)

    def __init__(self, file: Any, **options: Any) -> None:
        super().__init__(file, **options)
        self.globals: set[str] = set()
        self.persistent: list[Any] = []

    def find_class(self, module: str, name: str) -> Any:
        module, name = self.name(module, name)
        self.globals.add(f"{module}.{name}")
        return Named(module, name)

    def load_binpersid(self) -> None:
        self.persistent.append(self.stack[-1])
        self.stack[-1] = None

    def _drop_one(self) -> None:  # append, set item's value, build's state, a call's arguments
        self.stack.pop()

    def _drop_two(self) -> None:
        del self.stack[-2:]

    def _drop_mark(self) -> None:
        self.pop_mark()

    def _call(self) -> None:
        self.stack.pop()
        self.stack[-1] = None

    def _call_with_keywords(self) -> None:
        del self.stack[-2:]
        self.stack[-1] = None

    for _handler, _ops in {
        load_binpersid: "BINPERSID", _drop_one: "APPEND BUILD", _drop_two: "SETITEM",
        _drop_mark: "APPENDS SETITEMS ADDITEMS", _call: "REDUCE NEWOBJ", _call_with_keywords: "NEWOBJ_EX",
    }.items():  # fmt: skip
        for _op in _ops.split():
            dispatch[getattr(pickle, _op)[0]] = _handler
    del _handler, _op, _ops


def torch_unpickler(base: type) -> type:
    """The class ``base`` (an Unpickler) with torch's names resolved to ours."""

    class TorchUnpickler(base):  # type: ignore[misc]
        def find_class(self, module: str, name: str) -> Any:
            if names.our_name(module, name) != (module, name):
                return names.find(module, name)
            return super().find_class(module, name)

    return TorchUnpickler
