"""torch's file format since 1.6: an archive with one pickle and a record for each storage."""

import io
import os
import pickle
import sys
from typing import Any, BinaryIO

import numpy as np

from torchlike import storage
from torchlike._src.formats import names
from torchlike._src.formats.archive import ALIGNMENT, ArchiveReader, ArchiveWriter
from torchlike._src.formats.locations import MapLocation, restorer
from torchlike._src.formats.pickler import StorageTable, torch_pickler
from torchlike._src.formats.unpickler import Named, Survey, WeightsUnpickler, torch_unpickler
from torchlike._src.tensor import dtypes
from torchlike.storage import TypedStorage, UntypedStorage


def save(obj: object, file: BinaryIO, name: str, pickle_module: Any, protocol: int, checksums: bool) -> None:
    """Write ``obj`` as an archive whose folder is ``name``."""
    table, data = StorageTable(), io.BytesIO()
    torch_pickler(pickle_module)(data, protocol, table).dump(obj)

    writer = ArchiveWriter(file.write, name, checksums)
    writer.record("data.pkl", data.getbuffer())
    writer.record(".format_version", b"1")  # records of storages are in the order of their keys
    writer.record(".storage_alignment", b"%d" % ALIGNMENT)
    writer.record("byteorder", sys.byteorder.encode())
    for index in range(len(table.wholes)):
        writer.record(f"data/{index}", memoryview(table.bytes(index)))
    writer.finish()


def load(
    file: BinaryIO,
    map_location: MapLocation,
    pickle_module: Any,
    weights_only: bool,
    mmap_path: str | None,
    **options: Any,
) -> Any:
    """Read the object of an archive.

    Args:
        file: at the archive's start.
        map_location: as of `torch.load`.
        pickle_module: whose Unpickler reads, unless ``weights_only``.
        weights_only: read with the restricted unpickler.
        mmap_path: the file's name, to map storages into memory instead of reading them.
        options: for the Unpickler.
    """
    archive = ArchiveReader(file)
    if "constants.pkl" in archive:
        raise RuntimeError(
            "Cannot use ``weights_only=True`` with TorchScript archives passed to ``torch.load``, and torchlike cannot "
            "run TorchScript at all: export the model's state_dict() with torch and load that."
        )
    storages = _Storages(archive, map_location, mmap_path)
    unpickler = WeightsUnpickler if weights_only else torch_unpickler(pickle_module.Unpickler)
    reader = unpickler(io.BytesIO(archive.read("data.pkl")), **options)
    reader.persistent_load = storages.get
    return reader.load()


def global_names(file: BinaryIO) -> set[str]:
    """The names that an archive's pickle uses, without loading it."""
    survey = Survey(io.BytesIO(ArchiveReader(file).read("data.pkl")))
    survey.load()
    return survey.globals


class _Storages:
    """Reads each storage of an archive when the pickle first refers to it."""

    def __init__(self, archive: ArchiveReader, map_location: MapLocation, mmap_path: str | None) -> None:
        self._archive = archive
        self._restore = restorer(map_location)
        self._loaded: dict[str, TypedStorage] = {}
        self._file = np.memmap(mmap_path, np.uint8, "c") if mmap_path and os.path.getsize(mmap_path) else None
        order = archive.read("byteorder") if "byteorder" in archive else b"little"
        if order not in (b"little", b"big"):
            raise ValueError(f"Unknown endianness type: {order[:20].decode(errors='replace')}")
        self._swap = order.decode() != sys.byteorder

    def get(self, pid: Any) -> TypedStorage:
        """The storage for a persistent id."""
        kind, cls, key, location, numel = checked_id(pid, 5)
        if kind != "storage":
            raise pickle.UnpicklingError(f"Unknown typename for persistent_load, expected 'storage' but got {kind!r}")
        if key not in self._loaded:
            dtype = storage_dtype(cls)
            memory = self._read(f"data/{key}", numel * dtype.itemsize)
            storage = UntypedStorage._wrap(swapped(memory, dtype) if self._swap else memory)
            self._loaded[key] = TypedStorage(wrap_storage=self._restore(storage, location), dtype=dtype)
        return self._loaded[key]

    def _read(self, name: str, size: int) -> np.ndarray:
        if self._file is None:
            return self._archive.read_array(name, size)
        start = self._archive.span(name, size)
        return self._file[start : start + size]


def checked_id(pid: Any, length: int) -> tuple[str, Any, str, str, Any]:
    """The parts of a persistent id, of the types that they must have."""
    if not isinstance(pid, tuple) or len(pid) != length:
        raise pickle.UnpicklingError("persistent_load id must be a tuple that describes a storage")
    kind, cls, key, location, numel = (p.decode("ascii") if isinstance(p, bytes) else p for p in pid[:5])
    if not (isinstance(key, str) and isinstance(location, str) and type(numel) is int and numel >= 0):
        raise pickle.UnpicklingError("persistent_load id must be a tuple that describes a storage")
    return kind, cls, key, location, numel


def storage_dtype(cls: Any) -> dtypes.dtype:
    """The type of the elements of a storage class, or of the class that a `Survey` has found the name of."""
    if isinstance(cls, Named):  # nothing is imported for it: the file may name anything
        module, name = names.our_name(cls.module, cls.name)
        cls = getattr(storage, name, None) if module == storage.__name__ else name
    if cls is UntypedStorage:
        return dtypes.uint8
    if not (isinstance(cls, type) and issubclass(cls, TypedStorage)):
        raise pickle.UnpicklingError(f"{str(cls)[:80]} is no storage type")
    return cls.dtype


def swapped(memory: np.ndarray, dtype: dtypes.dtype) -> np.ndarray:
    """Bytes from a machine of the other endianness; the halves of a complex number are swapped one by one."""
    width = dtype.itemsize // 2 if dtype.is_complex else dtype.itemsize
    return np.ascontiguousarray(memory.reshape(-1, width)[:, ::-1]).reshape(-1)
