"""torch's file format before 1.6: pickles one behind the other, then the bytes of the storages."""

import pickle
import struct
import sys
from typing import Any, BinaryIO

import numpy as np

from torchlike._src.formats import archive
from torchlike._src.formats.locations import MapLocation, restorer
from torchlike._src.formats.pickler import StorageTable, torch_pickler
from torchlike._src.formats.unpickler import BoundedFile, Survey, WeightsUnpickler, torch_unpickler
from torchlike._src.formats.zipformat import checked_id, storage_dtype, swapped
from torchlike._src.tensor import dtypes
from torchlike.storage import TypedStorage, UntypedStorage

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001


def save(obj: object, file: BinaryIO, pickle_module: Any, protocol: int) -> None:
    """Write ``obj`` in the old format."""
    system = {
        "protocol_version": _PROTOCOL,
        "little_endian": sys.byteorder == "little",
        "type_sizes": {"short": 2, "int": 4, "long": 4},
    }
    for part in (_MAGIC, _PROTOCOL, system):
        pickle.dump(part, file, protocol)
    table = StorageTable()
    torch_pickler(pickle_module)(file, protocol, table, legacy=True).dump(obj)
    pickle.dump([str(index) for index in range(len(table.wholes))], file, protocol)
    for index, dtype in enumerate(table.dtypes):
        memory = table.bytes(index)
        file.write(struct.pack("<q", memory.nbytes // dtype.itemsize))
        file.write(memoryview(memory))


def load(file: BinaryIO, map_location: MapLocation, pickle_module: Any, weights_only: bool, **options: Any) -> Any:
    """Read an object in the old format; the file is left behind its last byte, where another may begin.

    Storages lie behind the pickle that refers to them. So the pickle is walked through first, for what it
    refers to, and read when that is there: no tensor is ever seen without its data.
    """
    source = BoundedFile(file, archive.bytes_left(file))
    if _plain(source, options) != _MAGIC:
        raise RuntimeError("Invalid magic number; corrupt file?")
    protocol = _plain(source, options)
    if protocol != _PROTOCOL:
        raise RuntimeError(f"Invalid protocol version: {str(protocol)[:80]}")
    system = _plain(source, options)
    little = system.get("little_endian", True) if isinstance(system, dict) else True

    start = file.tell()
    survey = Survey(source, **options)
    survey.load()
    wanted = {}
    for pid in survey.persistent:
        if isinstance(pid, tuple) and pid and pid[0] in ("storage", b"storage"):
            _, cls, key, location, numel = checked_id(pid, 6)
            wanted[key] = (storage_dtype(cls), location, numel)
    keys = _plain(source, options)
    restore = restorer(map_location)
    storages = {
        key: _read_storage(file, *_expected(wanted, key), restore, little != (sys.byteorder == "little"))
        for key in (keys if isinstance(keys, list) else ())
    }
    end = file.tell()

    file.seek(start)
    if weights_only:
        reader = WeightsUnpickler(source, **options)
    else:
        reader = torch_unpickler(pickle_module.Unpickler)(file, **options)
    reader.persistent_load = lambda pid: _persistent(pid, storages)
    found = reader.load()
    file.seek(end)
    return found


def global_names(file: BinaryIO) -> set[str]:
    """The names that the pickle uses, without loading it."""
    source = BoundedFile(file, archive.bytes_left(file))
    for _ in range(3):
        _plain(source, {})
    survey = Survey(source)
    survey.load()
    return survey.globals


def _plain(source: BoundedFile, options: dict[str, Any]) -> Any:
    """One of the small pickles: numbers, strings and containers."""
    return WeightsUnpickler(source, **options).load()


def _expected(wanted: dict[str, Any], key: Any) -> Any:
    if not isinstance(key, str) or key not in wanted:
        raise RuntimeError(f"the file holds a storage {str(key)[:40]!r} that nothing refers to; corrupt file?")
    return wanted[key]


def _read_storage(file: BinaryIO, dtype: dtypes.dtype, location: str, numel: int, restore: Any, swap: bool) -> Any:
    header = file.read(8)
    if len(header) != 8:
        raise EOFError("the file ends before the data of its tensors")
    (found,) = struct.unpack("<q", header)
    if found != numel:
        raise RuntimeError(f"storage has wrong byte size: expected {numel} got {found}")
    size = numel * dtype.itemsize
    if size > archive.bytes_left(file):
        raise RuntimeError(f"unexpected EOF, expected {size - archive.bytes_left(file)} more bytes. The file might be corrupted.")
    memory = archive.aligned_empty(size)
    archive.read_exactly(file, memoryview(memory))
    storage = UntypedStorage._wrap(swapped(memory, dtype) if swap else memory)
    return TypedStorage(wrap_storage=restore(storage, location), dtype=dtype)


def _persistent(pid: Any, storages: dict[str, TypedStorage]) -> Any:
    if isinstance(pid, tuple) and len(pid) == 4 and pid[0] in ("module", b"module"):
        return pid[1]  # a class, with its source at the time
    _, _, key, _, _ = checked_id(pid, 6)
    if key not in storages:
        raise RuntimeError(f"the data of the storage {key[:40]!r} is missing; corrupt file?")
    storage = storages[key]
    place = pid[-1]
    if place is None:
        return storage
    _, offset, numel = place  # before torch 0.4 a storage could be part of another
    if not (type(offset) is int and type(numel) is int and offset >= 0 and 0 <= numel <= storage.size() - offset):
        raise pickle.UnpicklingError("a part of a storage lies outside of it")
    width = storage.dtype.itemsize
    part = np.ascontiguousarray(storage.untyped()._bytes()[offset * width : (offset + numel) * width])
    return TypedStorage(wrap_storage=UntypedStorage._wrap(part), dtype=storage.dtype)
