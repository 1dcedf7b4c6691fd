"""The zip container: torch and zipfile read it, records are where they should be, and large ones are too."""

import io
import zipfile

import numpy as np
import pytest
import torch as real

from torchlike._src.formats import archive


def written(records, **options):
    """The bytes of an archive."""
    file = io.BytesIO()
    writer = archive.ArchiveWriter(file.write, "archive", **options)
    for name, data in records.items():
        writer.record(name, data)
    writer.finish()
    return file.getvalue()


def copied(data):
    """An archive of torch's, written again by us."""
    reader = archive.ArchiveReader(io.BytesIO(data))
    own = ("version", ".data/serialization_id")
    return written({name: reader.read(name) for name in reader.names() if name not in own})


def of_torch():
    """An archive of torch's."""
    file = io.BytesIO()
    real.save({"w": real.arange(1000.0), "b": real.ones(3, 5), "e": real.empty(0)}, file)
    return file.getvalue()


def test_archives_are_torchs_byte_for_byte_but_for_their_identity():
    theirs = of_torch()
    ours = copied(theirs)
    assert len(ours) == len(theirs)
    identity = theirs.index(b"archive/.data/serialization_id")
    assert ours[:identity] == theirs[:identity]


@pytest.mark.parametrize("limit", [1, 500, 3000, 5000])
def test_large_records_and_places(monkeypatch, limit):
    """A limit of 4 GiB, brought down."""
    monkeypatch.setattr(archive, "_LARGE", limit)
    data = copied(of_torch())
    assert real.load(io.BytesIO(data))["w"].tolist() == list(range(1000))
    with zipfile.ZipFile(io.BytesIO(data)) as seen:
        assert seen.testzip() is None
    reader = archive.ArchiveReader(io.BytesIO(data))
    assert reader.read_array("data/0", 4000).view(np.float32).tolist() == list(range(1000))
    for name in ("data.pkl", "data/0", "data/1", "version"):
        size = len(reader.read(name))
        assert reader.span(name, size) % 64 == 0


def test_arrays_are_read_into_aligned_memory():
    reader = archive.ArchiveReader(io.BytesIO(of_torch()))
    assert reader.read_array("data/0", 4000).ctypes.data % 64 == 0


class ReadOnly:
    """A file without ``readinto``, as some libraries make them."""

    def __init__(self, data):
        self._file = io.BytesIO(data)
        self.read, self.seek = self._file.read, self._file.seek
        self.tell, self.seekable = self._file.tell, self._file.seekable


def test_files_that_only_read():
    assert archive.ArchiveReader(ReadOnly(of_torch())).read_array("data/0", 4000).view(np.float32)[999] == 999


def test_overlapping_records_are_refused():
    data = bytearray(written({"a": b"x" * 100, "b": b"y" * 100}))
    second = data.index(b"PK\1\2", data.index(b"PK\1\2") + 4)
    data[second + 42 : second + 46] = (10).to_bytes(4, "little")  # where the second record begins
    with pytest.raises(RuntimeError, match="overlaps another"):
        archive.ArchiveReader(io.BytesIO(bytes(data)))


def test_a_compressed_record_with_an_impossible_size():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        new.writestr("archive/version", b"3\n")
        new.writestr("archive/data/0", bytes(10_000))
    data = bytearray(file.getvalue())
    entry = data.index(b"archive/data/0", data.index(b"PK\1\2")) - 46
    data[entry + 24 : entry + 28] = (2**31).to_bytes(4, "little")
    with pytest.raises(RuntimeError, match="its size is impossible"):
        archive.ArchiveReader(io.BytesIO(bytes(data))).read("data/0")
