"""Saving objects to files and loading them: `torch.save`, `torch.load`, and what is allowed in a file.

Files are torch's own: what real torch writes loads here, and the other way round. The formats themselves are in
``torchlike._src.formats``.
"""

import contextlib
import enum
import mmap as mmap_module
import os
import pickle
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from typing import IO, Any, BinaryIO

from torchlike._src import atomic
from torchlike._src.formats import allowed, legacy, zipformat
from torchlike._src.formats.allowed import add_safe_globals, clear_safe_globals, get_safe_globals, safe_globals
from torchlike._src.formats.archive import is_archive
from torchlike._src.formats.locations import MapLocation, default_restore_location, location_tag
from torchlike._src.tensor import devices as _devices
from torchlike._src.tensor.devices import device
from torchlike.storage import BY_DTYPE

__all__ = [
    "LoadEndianness", "SourceChangeWarning", "StorageType", "add_safe_globals", "check_module_version_greater_or_equal",
    "clear_safe_globals", "default_restore_location", "get_crc32_options", "get_default_load_endianness",
    "get_default_mmap_options", "get_safe_globals", "get_unsafe_globals_in_checkpoint", "load", "location_tag", "mkdtemp",
    "normalize_storage_type", "safe_globals", "save", "set_crc32_options", "set_default_load_endianness",
    "set_default_mmap_options", "validate_cuda_device",
]  # fmt: skip

DEFAULT_PROTOCOL = 2
FileLike = str | os.PathLike[str] | IO[bytes]

BY_NAME = {cls.__name__: cls for cls in BY_DTYPE.values()}
_TRUE = ("1", "y", "yes", "true")
_UNSAFE_HINT = (
    "Loading with `weights_only=False` will likely succeed, but it can result in arbitrary code execution: do that "
    "only if you got the file from a trusted source."
)
_checksums = True
_endianness: "LoadEndianness | None" = None


class SourceChangeWarning(Warning):
    """What torch once warned with when the source of a saved class had changed."""


class LoadEndianness(enum.Enum):
    """The order of bytes in a file that does not tell."""

    NATIVE = 1
    LITTLE = 2
    BIG = 3


class StorageType:
    """The name of a storage's class in a file, where the class itself is not wanted."""

    def __init__(self, name: str) -> None:
        self._dtype = BY_NAME[name].dtype if name in BY_NAME else None

    @property
    def dtype(self) -> Any:
        """The dtype that the name stands for."""
        return self._dtype

    def __str__(self) -> str:
        return f"StorageType(dtype={self.dtype})"


def get_default_load_endianness() -> LoadEndianness | None:
    """What `set_default_load_endianness` chose; None: the order of this machine."""
    return _endianness


def set_default_load_endianness(endianness: LoadEndianness | None) -> None:
    """Choose the order of bytes for files that do not tell it; those that `save` writes do.

    Raises:
        TypeError: for what is neither a `LoadEndianness` nor None.
        NotImplementedError: for the order that this machine does not have.
    """
    global _endianness
    if endianness is not None and not isinstance(endianness, LoadEndianness):
        raise TypeError("Invalid argument type in function set_default_load_endianness")
    if endianness not in (None, LoadEndianness.NATIVE, LoadEndianness[sys.byteorder.upper()]):
        raise NotImplementedError(
            f"files of {endianness.name} byte order that do not say so cannot be loaded here: load and save them with torch, which "
            "writes the order down"
        )
    _endianness = endianness


def get_default_mmap_options() -> int:
    """How `load` maps files with ``mmap=True``: ``mmap.MAP_PRIVATE``, so that writes do not reach them."""
    return mmap_module.MAP_PRIVATE


class set_default_mmap_options:
    """How `load` is to map files with ``mmap=True``; a function and a context. There is one way here, ``mmap.MAP_PRIVATE``.

    Raises:
        ValueError: for another number than ``mmap.MAP_PRIVATE`` or ``mmap.MAP_SHARED``.
        NotImplementedError: for ``mmap.MAP_SHARED``.
    """

    def __init__(self, flags: int) -> None:
        if flags not in (mmap_module.MAP_PRIVATE, mmap_module.MAP_SHARED):
            raise ValueError(
                "Invalid argument in function set_default_mmap_options, expected mmap.MAP_PRIVATE or mmap.MAP_SHARED, but got "
                f"{flags}"
            )
        if flags == mmap_module.MAP_SHARED:
            raise NotImplementedError(
                "mmap.MAP_SHARED is not supported: a tensor that is written to gets new memory, not the file's. Save it again, or "
                "use torch.from_file(shared=True)"
            )

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


@contextlib.contextmanager
def mkdtemp() -> Iterator[str]:
    """A folder that is gone when the context ends."""
    with tempfile.TemporaryDirectory() as path:
        yield path


def normalize_storage_type(storage_type: Any) -> Any:
    """A class of storages by its path under ``torch``."""
    return BY_NAME[storage_type.__name__]


def check_module_version_greater_or_equal(module: Any, req_version_tuple: Sequence[Any], error_if_malformed: bool = True) -> bool:
    """Whether a module is at least of a version.

    Args:
        module: with ``__version__``, such as ``"1.2.3"``.
        req_version_tuple: numbers, or what else the parts are.
        error_if_malformed: raise RuntimeError, or else warn, where the version cannot be compared.
    """
    try:
        parts = zip(req_version_tuple, module.__version__.split("."), strict=False)
        return tuple([type(wanted)(part) for wanted, part in parts]) >= tuple(req_version_tuple)
    except Exception as error:
        message = (
            f"'{module.__name__}' module version string is malformed '{module.__version__}' and cannot be compared with tuple "
            f"{req_version_tuple}"
        )
        if error_if_malformed:
            raise RuntimeError(message) from error
        warnings.warn(f"{message}, but continuing assuming that requirement is met", stacklevel=2)
        return True


def validate_cuda_device(location: str) -> int:
    """The number of the GPU that a file names.

    Raises:
        RuntimeError: if it is not there.
    """
    if not _devices.count("cuda"):
        raise RuntimeError(
            "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False. If you are running on a "
            "CPU-only machine, please use torch.load with map_location=torch.device('cpu') to map your storages to the CPU."
        )
    index = device(location).index or 0
    if index >= _devices.count("cuda"):
        raise RuntimeError(
            f"Attempting to deserialize object on CUDA device {index} but torch.cuda.device_count() is {_devices.count('cuda')}. "
            "Please use torch.load with map_location to map your storages to an existing device."
        )
    return index


def get_crc32_options() -> bool:
    """Whether `save` writes a checksum for each record."""
    return _checksums


def set_crc32_options(compute_crc32: bool) -> None:
    """Choose whether `save` writes checksums. Without them saving is a little faster, and damage goes unnoticed."""
    global _checksums
    _checksums = compute_crc32


def save(
    obj: object,
    f: FileLike,
    pickle_module: Any = pickle,
    pickle_protocol: int = DEFAULT_PROTOCOL,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
) -> None:
    """Write an object to a file that `load`, and torch's own ``torch.load``, can read.

    Tensors that share memory share it again when loaded. A file that is named takes the place of an old one only
    when it is complete.

    Args:
        obj: tensors, containers of them, state dicts, or any object that pickles.
        f: a file's name, or a binary file with ``write``.
        pickle_module: whose Pickler writes the object's structure.
        pickle_protocol: of the pickle; torch's ``weights_only`` loading knows protocol 2 only.
        _use_new_zipfile_serialization: False writes the format from before torch 1.6.
    Raises:
        RuntimeError: if the folder does not exist, or tensors of different dtypes view the same memory.
    """
    if not isinstance(f, str | os.PathLike) and not hasattr(f, "write"):
        raise AttributeError("expected 'f' to be string, path, or a file-like object with a 'write' attribute")

    def write(file: BinaryIO, name: str) -> None:
        if _use_new_zipfile_serialization:
            zipformat.save(obj, file, name, pickle_module, pickle_protocol, _checksums)
        else:
            legacy.save(obj, file, pickle_module, pickle_protocol)

    if isinstance(f, str | os.PathLike):
        path = os.fspath(f)
        with atomic.replacing(path) as file:
            write(file, os.path.splitext(os.path.basename(path))[0] or "archive")
    else:
        write(f, "archive")
        getattr(f, "flush", lambda: None)()


def load(
    f: FileLike,
    map_location: MapLocation = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Read an object that `save`, or torch's own ``torch.save``, has written; or a ``.safetensors`` file.

    Args:
        f: a file's name, or a binary file that can seek.
        map_location: where tensors go: a device or its name, a dict from saved to wanted locations, or a function
            ``(storage, location) -> storage``. By default to where they were.
        pickle_module: whose Unpickler reads the structure; implies that the file is trusted.
        weights_only: refuse everything but tensors, containers, and what `add_safe_globals` allows; such a file can
            do no harm. The default, unless a ``pickle_module`` is given.
        mmap: map the file into memory, and read data when it is used.
        pickle_load_args: for the Unpickler, such as ``encoding``.
    Raises:
        pickle.UnpicklingError: if the file holds what ``weights_only`` does not allow, or a damaged pickle.
        RuntimeError: if it is damaged otherwise, or its devices are not there.
        EOFError: if it ends early.
    """
    weights_only = _resolve_weights_only(weights_only, pickle_module)
    if weights_only and pickle_module is not None:
        raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
    if pickle_load_args and weights_only:
        warnings.warn("pickle_load_args only works if `weights_only=False`.", stacklevel=2)
    options = {"encoding": "utf-8", **pickle_load_args}
    pickle_module = pickle_module or pickle

    path = os.fspath(f) if isinstance(f, str | os.PathLike) else None
    if path is not None and path.endswith(".safetensors"):
        return _load_safetensors(path, map_location)
    file = open(path, "rb") if path is not None else _seekable(f)  # noqa: SIM115 - closed below, if it is ours
    try:
        if not is_archive(file):
            if mmap:
                raise RuntimeError(
                    "mmap can only be used with files saved with `torch.save(_use_new_zipfile_serialization=True)`; "
                    "save the checkpoint again in that way, or load it with mmap=False"
                )
            return legacy.load(file, map_location, pickle_module, weights_only, **options)
        if mmap and path is None:
            raise ValueError("f must be a file path in order to use the mmap argument")
        return zipformat.load(file, map_location, pickle_module, weights_only, path if mmap else None, **options)
    except allowed.NotAllowed as error:
        raise pickle.UnpicklingError(_explain(str(error))) from None
    except pickle.UnpicklingError as error:
        if not weights_only:
            raise
        raise pickle.UnpicklingError(
            f"Weights only load failed. The file is damaged, or torch.save did not write it: {error}"
        ) from None
    finally:
        if path is not None:
            file.close()


def get_unsafe_globals_in_checkpoint(f: FileLike) -> list[str]:
    """The names in a file that ``weights_only=True`` would refuse. Nothing of the file is loaded."""
    file = open(f, "rb") if isinstance(f, str | os.PathLike) else _seekable(f)  # noqa: SIM115 - closed below
    start = file.tell()
    try:
        names = zipformat.global_names(file) if is_archive(file) else legacy.global_names(file)
    finally:
        file.seek(start)
        if file is not f:
            file.close()
    known = (allowed.calls(), allowed.values(), allowed.added())
    return sorted(name for name in names if not any(name in table for table in known))


def _resolve_weights_only(asked: bool | None, pickle_module: Any) -> bool:
    """What was asked for, or the default; torch's environment variables may override either."""
    force = os.getenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "0").lower() in _TRUE
    force_not = os.getenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "0").lower() in _TRUE
    if force and force_not:
        raise RuntimeError(
            "Only one of `TORCH_FORCE_WEIGHTS_ONLY_LOAD` or `TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD` should be set, but both were set."
        )
    if force:
        return True
    if asked is None and force_not:
        warnings.warn(
            "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD is set and `weights_only` was not given: loading without it.",
            UserWarning,
            stacklevel=3,
        )
        return False
    return pickle_module is None if asked is None else bool(asked)


def _seekable(file: Any) -> BinaryIO:
    try:
        file.seek(file.tell())
    except (OSError, AttributeError) as error:
        raise type(error)(
            f"{error}. You can only torch.load from a file that is seekable. Please pre-load the data into a buffer "
            "like io.BytesIO and try to load from it instead."
        ) from None
    return file


def _explain(message: str) -> str:
    if "was not an allowed global by default" in message:
        return (
            "Weights only load failed. This file can still be loaded, to do so you have two options, do those steps "
            f"only if you trust the source of the checkpoint.\n\t(1) {_UNSAFE_HINT}\n\t(2) Alternatively, to load with "
            f"`weights_only=True`, allow what the file names:\n\tWeightsUnpickler error: {message}"
        )
    return f"Weights only load failed. {_UNSAFE_HINT}\nWeightsUnpickler error: {message}"


def _load_safetensors(path: str, map_location: MapLocation) -> Any:
    from torchlike.interop import safetensors

    if map_location is not None and not isinstance(map_location, (str, device)):
        raise RuntimeError(
            "a safetensors file takes a device or its name as map_location, not a dict or a function: it keeps no "
            "locations to map from"
        )
    return safetensors.load_file(path, device="cpu" if map_location is None else map_location)
