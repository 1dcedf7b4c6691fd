"""The container of torch's files: a zip archive of uncompressed, 64-byte aligned records.

Bytes in, bytes out: nothing here knows of tensors or pickles. The layout follows what `torch.save` writes
(names under one folder, a padding field before each record, sizes and checksum behind it), so that both
libraries map each other's records into memory. Reading checks everything that it relies on.
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable
from typing import BinaryIO

import numpy as np

ALIGNMENT = 64
#: The version of the container written by `torch.save`, and those that it reads.
VERSION, OLDEST_VERSION, NEWEST_VERSION = 3, 1, 10

#: From here on a size or place does not fit into 32 bits; this number then says that it stands elsewhere.
_LARGE = _ELSEWHERE = 0xFFFFFFFF
_HAS_DESCRIPTOR, _UTF8_NAMES = 1 << 3, 1 << 11
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_CENTRAL_HEADER = struct.Struct("<4s6H3I5H2I")
_JANUARY_1980 = 0  # torch leaves the time stamp empty: equal objects give equal files

_CORRUPT_HINT = (
    "The checkpoint is probably corrupted: it was not saved to its end, was cut short in transfer, or was "
    "changed after saving. Save or download it again."
)


def corrupt(action: str, reason: str) -> RuntimeError:
    """The error for a damaged archive, opening as torch's does: people search for these words."""
    return RuntimeError(f"PytorchStreamReader failed {action}: {reason}. {_CORRUPT_HINT}")


class ArchiveWriter:
    """Writes records one after another; needs nothing of the file but ``write``.

    Args:
        write: takes bytes-like objects, in order.
        name: the folder that all records lie in.
        checksums: whether to compute CRC-32; without it the field is 0, as in torch.
    """

    def __init__(self, write: Callable[[memoryview], object], name: str, checksums: bool = True) -> None:
        self._write = write
        self._name = name
        self._checksums = checksums
        self._position = 0
        self._directory: list[bytes] = []
        self._checksum_of_names = self._checksum_of_data = b""

    def record(self, name: str, data: bytes | memoryview) -> None:
        """Append the record ``name``."""
        path = f"{self._name}/{name}".encode()
        data = memoryview(data).cast("B")
        size, start = len(data), self._position
        large_size, large_start = size >= _LARGE, start >= _LARGE
        checksum = zlib.crc32(data) if self._checksums else 0
        flags = _UTF8_NAMES | (_HAS_DESCRIPTOR if size else 0)

        extra = b""
        if large_size or large_start:  # sizes of 0: the real ones stand in the descriptor
            fields = ([0, 0] if large_size else []) + ([start] if large_start else [])
            extra = struct.pack(f"<HH{len(fields)}Q", 1, 8 * len(fields), *fields)
        unpadded = start + _LOCAL_HEADER.size + len(path) + len(extra) + 4
        padding = -unpadded % ALIGNMENT
        extra += struct.pack("<2sH", b"FB", padding) + b"Z" * padding
        header = _LOCAL_HEADER.pack(
            b"PK\3\4", 0, flags, 0, _JANUARY_1980, _JANUARY_1980, 0,
            _ELSEWHERE if large_size else 0, _ELSEWHERE if large_size else 0, len(path), len(extra),
        )  # fmt: skip
        self._emit(header + path + extra)
        self._emit(data)
        if size:
            sizes = "<4sIQQ" if large_size or large_start else "<4sIII"
            self._emit(struct.pack(sizes, b"PK\7\10", checksum, size, size))

        fields = ([size, size] if large_size else []) + ([start] if large_start else [])
        extra = struct.pack(f"<HH{len(fields)}Q", 1, 8 * len(fields), *fields) if fields else b""
        shown = _ELSEWHERE if large_size else size
        self._directory.append(
            _CENTRAL_HEADER.pack(
                b"PK\1\2", 0, 0, flags, 0, _JANUARY_1980, _JANUARY_1980, checksum, shown, shown,
                len(path), len(extra), 0, 0, 0, 0, _ELSEWHERE if large_start else start,
            ) + path + extra
        )  # fmt: skip
        self._checksum_of_names += name.encode() + b"\0"
        self._checksum_of_data += struct.pack("<QI", size, checksum)

    def finish(self) -> None:
        """Write the version, the identity of the contents, and the directory."""
        self.record("version", b"%d\n" % VERSION)
        identity = "".join(
            f"{int.from_bytes(_digest(text), 'big') % 10**20:020d}" for text in (self._checksum_of_names, self._checksum_of_data)
        )
        self.record(".data/serialization_id", identity.encode())

        start, count, directory = self._position, len(self._directory), b"".join(self._directory)
        size = len(directory)
        self._emit(directory)
        end = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 798, 45, 0, 0, count, count, size, start)
        locator = struct.pack("<4sIQI", b"PK\6\7", 0, start + size, 1)
        short = struct.pack(
            "<4s4H2IH", b"PK\5\6", 0, 0, min(count, 0xFFFF), min(count, 0xFFFF),
            min(size, _ELSEWHERE), _ELSEWHERE if start >= _LARGE else start, 0,
        )  # fmt: skip
        self._emit(end + locator + short)

    def _emit(self, data: bytes | memoryview) -> None:
        self._write(data)
        self._position += len(data)


def _digest(data: bytes) -> bytes:
    import hashlib

    return hashlib.blake2b(data, digest_size=16).digest()


class ArchiveReader:
    """Reads records by name, checking bounds and checksums; memory is bounded by what the file really holds.

    Args:
        file: binary and seekable; the archive goes from the present position to the end.
    Raises:
        RuntimeError: if this is no archive of torch's, or one that is cut short.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._start = file.tell()
        try:
            self._zip = zipfile.ZipFile(file)
            entries = self._zip.infolist()
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, UnicodeDecodeError) as error:
            raise corrupt("reading zip archive", f"failed finding central directory ({error})") from None
        self._directory_start = self._zip.start_dir
        if not entries:
            raise corrupt("reading zip archive", "it holds no records")
        folder, slash, _ = entries[0].filename.partition("/")
        if not slash:
            raise RuntimeError(
                f"file in archive is not in a subdirectory: {entries[0].filename}. This zip archive was not "
                "written by torch.save."
            )
        self._entries = {entry.filename[len(folder) + 1 :]: entry for entry in entries if entry.filename.startswith(f"{folder}/")}
        self._reject_overlaps(entries)
        self._check_version()

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def names(self) -> Iterable[str]:
        """Names of all records, without the folder."""
        return self._entries.keys()

    def read(self, name: str) -> bytes:
        """The bytes of a small record."""
        entry = self._entry(name)
        buffer = bytearray(entry.file_size) if entry.compress_type == zipfile.ZIP_STORED else b""
        if entry.compress_type == zipfile.ZIP_STORED:
            self._read_stored(name, entry, memoryview(buffer))
            return bytes(buffer)
        return self._inflate(name, entry)

    def read_array(self, name: str, size: int) -> np.ndarray:
        """The record as bytes in memory of its own, aligned so that a device may use it without a copy.

        Raises:
            RuntimeError: if the record is absent, damaged, or not of ``size`` bytes.
        """
        entry = self._entry(name)
        self._check_size(entry, size)
        if entry.compress_type != zipfile.ZIP_STORED:
            return np.frombuffer(bytearray(self._inflate(name, entry)), np.uint8)
        array = aligned_empty(size)
        self._read_stored(name, entry, memoryview(array))
        return array

    def span(self, name: str, size: int) -> int:
        """Where in the file the bytes of an uncompressed record begin."""
        entry = self._entry(name)
        self._check_size(entry, size)
        if entry.compress_type != zipfile.ZIP_STORED:
            raise RuntimeError(f"record {name} is compressed and cannot be mapped into memory; load it with mmap=False")
        return self._data_start(name, entry)

    def _entry(self, name: str) -> zipfile.ZipInfo:
        try:
            return self._entries[name]
        except KeyError:
            raise corrupt(f"locating file {name}", "file not found") from None

    @staticmethod
    def _check_size(entry: zipfile.ZipInfo, size: int) -> None:
        if entry.file_size != size:
            raise RuntimeError(f"record size ({entry.file_size} bytes) does not match expected size ({size} bytes)")

    def _data_start(self, name: str, entry: zipfile.ZipInfo) -> int:
        """Behind the local header, whose lengths may differ from those in the directory."""
        self._file.seek(entry.header_offset)
        header = self._file.read(_LOCAL_HEADER.size)
        if len(header) != _LOCAL_HEADER.size or header[:4] != b"PK\3\4":
            raise corrupt(f"reading file {name}", "no record begins where the directory says")
        *_, name_size, extra_size = _LOCAL_HEADER.unpack(header)
        start = entry.header_offset + _LOCAL_HEADER.size + name_size + extra_size
        if start + entry.compress_size > self._directory_start:
            raise corrupt(f"reading file {name}", "the record reaches beyond the end of the data")
        return start

    def _read_stored(self, name: str, entry: zipfile.ZipInfo, target: memoryview) -> None:
        if entry.flag_bits & 1:
            raise corrupt(f"reading file {name}", "the record is encrypted")
        self._file.seek(self._data_start(name, entry))
        got = read_exactly(self._file, target)
        if got != len(target):
            raise corrupt(f"reading file {name}", f"expected {len(target)} bytes, found {got}")
        if entry.CRC and zlib.crc32(target) != entry.CRC:  # torch writes 0 when told not to compute it
            raise corrupt(f"reading file {name}", "its checksum (CRC-32) does not match")

    def _inflate(self, name: str, entry: zipfile.ZipInfo) -> bytes:
        """A record that someone compressed afterwards. Deflate gives at most 1032 bytes for one."""
        if entry.file_size > 1032 * entry.compress_size:
            raise corrupt(f"reading file {name}", "its size is impossible")
        try:
            with self._zip.open(entry) as record:
                return record.read()
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error, OSError) as error:
            raise corrupt(f"reading file {name}", str(error)) from None

    def _reject_overlaps(self, entries: list[zipfile.ZipInfo]) -> None:
        """Records that share bytes could unfold to far more than the file holds."""
        end = 0
        for entry in sorted(entries, key=lambda e: e.header_offset):
            if entry.header_offset < max(end, self._start):
                raise corrupt("reading zip archive", f"the record {entry.filename} overlaps another")
            if entry.compress_type == zipfile.ZIP_STORED and entry.file_size != entry.compress_size:
                raise corrupt("reading zip archive", f"the record {entry.filename} has two sizes")
            end = entry.header_offset + _LOCAL_HEADER.size + entry.compress_size
        if end > self._directory_start:
            raise corrupt("reading zip archive", "the last record reaches into the directory")

    def _check_version(self) -> None:
        name = ".data/version" if ".data/version" in self else "version"
        if name not in self:
            raise corrupt("reading zip archive", "it has no record named version, so torch.save did not write it")
        text = self.read(name)
        try:
            version = int(text)
        except ValueError:
            raise RuntimeError(f"Couldn't parse the version {text[:20]!r} of the checkpoint as a number.") from None
        if version < OLDEST_VERSION:
            raise RuntimeError(
                f"Attempted to read a PyTorch file with version {version}, but the minimum supported version for "
                f"reading is {OLDEST_VERSION}."
            )
        if version > NEWEST_VERSION:
            raise RuntimeError(
                f"Attempted to read a PyTorch file with version {version}, but the maximum supported version for "
                f"reading is {NEWEST_VERSION}. A newer torchlike may read it."
            )


def read_exactly(file: BinaryIO, target: memoryview) -> int:
    """Fill ``target`` from the file; the number of bytes that were there."""
    done = 0
    while done < len(target):
        if hasattr(file, "readinto"):
            count = file.readinto(target[done:])
        else:  # file-like objects often have only `read`
            chunk = file.read(min(len(target) - done, 1 << 24))
            count = len(chunk)
            target[done : done + count] = chunk
        if not count:
            break
        done += count
    return done


def aligned_empty(size: int) -> np.ndarray:
    """``size`` bytes that begin at a multiple of 64: XLA takes such memory without a copy."""
    raw = np.empty(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size]


def is_archive(file: BinaryIO) -> bool:
    """Whether a zip archive begins at the present position (which is kept)."""
    position = file.tell()
    magic = file.read(4)
    file.seek(position)
    return magic == b"PK\3\4"


def bytes_left(file: BinaryIO) -> int:
    """How many bytes follow the present position (which is kept)."""
    position = file.tell()
    end = file.seek(0, io.SEEK_END)
    file.seek(position)
    return end - position
