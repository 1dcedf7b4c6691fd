"""Files that are cut short, tampered with, foreign or hostile: a clear error of torch's type, and no harm done."""

import io
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest
import torch as real
from hypothesis import HealthCheck, given, settings, strategies as st

import torchlike
from torchlike._src.formats import rebuild
from torchlike.serialization import load

#: What a bad file may raise.
ERRORS = (RuntimeError, pickle.UnpicklingError, EOFError, ValueError)


def written(obj=None, **options):
    """A file of torch's."""
    file = io.BytesIO()
    real.save({"w": real.arange(1000.0), "n": [1, "two", (3.0, None)]} if obj is None else obj, file, **options)
    return file.getvalue()


GOOD = written()
LEGACY = written(_use_new_zipfile_serialization=False)


def rezipped(change=lambda name, data: data, drop=(), extra=(), method=zipfile.ZIP_STORED):
    """GOOD with other records; checksums and directory are right."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(GOOD)) as old, zipfile.ZipFile(out, "w", method) as new:
        for path in old.namelist():
            name = path.split("/", 1)[1]
            if name not in drop:
                new.writestr(path, change(name, old.read(path)))
        for path, data in extra:
            new.writestr(path, data)
    return out.getvalue()


def with_record(name, data):
    """GOOD with one record replaced."""
    return rezipped(lambda own, old: data if own == name else old)


def flipped(position):
    """GOOD with one bit changed."""
    data = bytearray(GOOD)
    data[position] ^= 1
    return bytes(data)


def other_zip(name):
    """An archive that has nothing to do with torch."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, "x")
    return out.getvalue()


READER = "PytorchStreamReader failed"
DAMAGED = {
    "empty": (b"", EOFError, ""),
    "cut in half": (
        GOOD[: len(GOOD) // 2],
        RuntimeError,
        f"{READER} reading zip archive: failed finding central directory",
    ),
    "one byte short": (GOOD[:-1], RuntimeError, READER),
    "only the magic": (b"PK\3\4" + bytes(100), RuntimeError, READER),
    "text": (b"hello world, this is no checkpoint", pickle.UnpicklingError, "Weights only load failed"),
    "zeros": (bytes(100), pickle.UnpicklingError, "Weights only load failed"),
    "a bit of the data": (
        flipped(GOOD.index(struct.pack("<f", 500.0))),
        RuntimeError,
        f"{READER} reading file data/0.*CRC",
    ),
    "a bit of the pickle": (flipped(GOOD.index(b"FloatStorage")), RuntimeError, f"{READER} reading file data.pkl.*CRC"),
    "no pickle": (rezipped(drop=["data.pkl"]), RuntimeError, f"{READER} locating file data.pkl: file not found"),
    "no data": (rezipped(drop=["data/0"]), RuntimeError, f"{READER} locating file data/0: file not found"),
    "no version": (rezipped(drop=["version"]), RuntimeError, "no record named version"),
    "a later version": (with_record("version", b"99\n"), RuntimeError, "version 99, but the maximum supported version"),
    "an earlier version": (
        with_record("version", b"0\n"),
        RuntimeError,
        "version 0, but the minimum supported version",
    ),
    "a version in words": (with_record("version", b"xx\n"), RuntimeError, "Couldn't parse the version"),
    "less data": (rezipped(lambda n, d: d[:400] if n == "data/0" else d), RuntimeError, r"record size \(400 bytes\)"),
    "more data": (rezipped(lambda n, d: d * 2 if n == "data/0" else d), RuntimeError, r"record size \(8000 bytes\)"),
    "a byte order of its own": (with_record("byteorder", b"middle"), ValueError, "Unknown endianness type: middle"),
    "TorchScript": (rezipped(extra=[("archive/constants.pkl", b"x")]), RuntimeError, "TorchScript archives"),
    "an empty pickle": (with_record("data.pkl", b""), EOFError, ""),
    "half a pickle": (rezipped(lambda n, d: d[:60] if n == "data.pkl" else d), EOFError, ""),
    "another archive": (other_zip("hello.txt"), RuntimeError, "file in archive is not in a subdirectory: hello.txt"),
    "another folder": (other_zip("a/hello.txt"), RuntimeError, "no record named version"),
    "legacy, cut": (LEGACY[:-1], RuntimeError, "unexpected EOF"),
    "legacy, cut before the data": (LEGACY[:-4008], EOFError, ""),
    "legacy, another number": (pickle.dumps(5, 2) + LEGACY[14:], RuntimeError, "Invalid magic number; corrupt file"),
}


@pytest.mark.parametrize(("data", "kind", "words"), DAMAGED.values(), ids=DAMAGED)
def test_damaged_and_foreign_files(data, kind, words, tmp_path):
    (tmp_path / "x.pt").write_bytes(data)
    for file in (io.BytesIO(data), tmp_path / "x.pt"):
        with pytest.raises(kind, match=f"(?s){words}"):
            load(file)
        with pytest.raises(ERRORS if kind is pickle.UnpicklingError else (kind, pickle.UnpicklingError)):
            load(file, weights_only=False) if isinstance(file, os.PathLike) else load(io.BytesIO(data), weights_only=False)


def test_an_archive_that_somebody_compressed_is_read():
    found = load(io.BytesIO(rezipped(method=zipfile.ZIP_DEFLATED)))
    assert found["w"].tolist() == list(range(1000))


def test_a_file_written_without_checksums_is_read():
    real.serialization.set_crc32_options(False)
    try:
        data = written()
    finally:
        real.serialization.set_crc32_options(True)
    assert load(io.BytesIO(data))["w"].sum().item() == 499500
    torchlike.serialization.set_crc32_options(False)
    try:
        file = io.BytesIO()
        torchlike.save(torchlike.ones(3), file)
    finally:
        torchlike.serialization.set_crc32_options(True)
    file.seek(0)
    assert real.load(file).tolist() == [1, 1, 1]


@pytest.mark.parametrize("data", [GOOD, LEGACY], ids=["zip", "legacy"])
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 10**9), value=st.integers(0, 255), cut=st.booleans())
def test_a_changed_byte_gives_the_same_tensors_or_an_error(data, position, value, cut):
    changed = bytearray(data)
    position %= len(changed)
    changed[position] = value
    if cut:
        del changed[position + 1 :]
    try:
        found = load(io.BytesIO(bytes(changed)))
    except ERRORS:
        return
    if isinstance(found, dict) and isinstance(found.get("w"), torchlike.Tensor) and data is GOOD:
        assert found["w"].numel() <= 1000


# Sizes, strides and offsets


def tensor_file(numel=1000, offset=0, size=(10,), stride=(1,), key="0", requires_grad=False):
    """A file whose pickle makes claims about the thousand floats in it."""

    def part(value):
        return pickle.dumps(value, 2)[2:-1]

    return with_record(
        "data.pkl",
        b"\x80\2ctorch._utils\n_rebuild_tensor_v2\n(("
        + part("storage")
        + b"ctorch\nFloatStorage\n"
        + part(key)
        + part("cpu")
        + part(numel)
        + b"tQ"
        + part(offset)
        + part(size)
        + part(stride)
        + part(requires_grad)
        + b"ccollections\nOrderedDict\n)RtR.",
    )


CLAIMS = {
    "fewer elements": ({"numel": 10}, RuntimeError, "record size"),
    "more elements": ({"numel": 2000}, RuntimeError, "record size"),
    "huge": ({"numel": 10**15}, RuntimeError, "record size"),
    "negative": ({"numel": -5}, pickle.UnpicklingError, "must be a tuple that describes a storage"),
    "fractional": ({"numel": 1e3}, pickle.UnpicklingError, "must be a tuple that describes a storage"),
    "offset": ({"offset": 995}, RuntimeError, "out of bounds for storage of size 4000"),
    "negative offset": ({"offset": -1}, RuntimeError, "invalid storage offset -1"),
    "size": ({"size": (2000,)}, RuntimeError, "out of bounds"),
    "negative size": ({"size": (-2,)}, RuntimeError, "negative dimension"),
    "stride": ({"size": (3,), "stride": (2**62,)}, RuntimeError, "out of bounds"),
    "negative stride": ({"stride": (-1,)}, RuntimeError, "Negative strides are not supported"),
    "strides without sizes": ({"stride": (1, 1)}, RuntimeError, r"unequal size length \(1\) and stride length \(2\)"),
    "overflow": ({"size": (2**62, 2**62), "stride": (1, 1)}, RuntimeError, "out of bounds"),
    "windows without end": ({"size": (200,) * 5, "stride": (1,) * 5}, RuntimeError, "claims to lie in 1000 elements"),
    "size of words": ({"size": ("a",)}, pickle.UnpicklingError, "must be made of ints"),
    "no size": ({"size": None}, pickle.UnpicklingError, "must be made of ints"),
    "another key": ({"key": "7"}, RuntimeError, "data/7: file not found"),
    "a path as key": ({"key": "../version"}, RuntimeError, "file not found"),
}


@pytest.mark.parametrize(("claim", "kind", "words"), CLAIMS.values(), ids=CLAIMS)
def test_claims_beyond_the_data(claim, kind, words):
    with pytest.raises(kind, match=words):
        load(io.BytesIO(tensor_file(**claim)))
    with pytest.raises((kind, TypeError), match=words):
        load(io.BytesIO(tensor_file(**claim)), weights_only=False)


def test_claims_that_are_odd_but_true():
    assert load(io.BytesIO(tensor_file(offset=995, size=(5,)))).tolist() == [995, 996, 997, 998, 999]
    assert load(io.BytesIO(tensor_file(size=(10**6, 10**6), stride=(0, 0)))).shape == (10**6, 10**6)
    assert load(io.BytesIO(tensor_file(size=(0,), offset=5000))).tolist() == []
    assert load(io.BytesIO(tensor_file(size=(), stride=(), offset=7))).item() == 7
    assert load(io.BytesIO(tensor_file(requires_grad=True))).requires_grad


# What a pickle may name and do


class Call:
    """Pickles as a call."""

    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


class Plain:
    """A class that nobody has allowed."""


class Stateful:
    """A class that restores itself."""

    def __setstate__(self, state):
        self.__dict__.update(state)
        self.restored = True

    def __getstate__(self):
        return {"x": 1}


HOSTILE = {
    "os.system": Call(os.system, "touch /tmp/torchlike-was-here"),
    "eval": Call(eval, "1"),
    "getattr": Call(getattr, "x", "upper"),
    "a module's function": Call(os.path.join, "a", "b"),
    "numpy": np.float64(1),
    "a class": Plain,
    "an instance": Plain(),
    "a huge bytearray": Call(bytearray, 10**12),
    "a huge tensor": Call(real.Tensor, 10**12),
    "a generator": Call(real.Generator),
}


@pytest.mark.parametrize("obj", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_weights_only_refuses(obj, zipped):
    data = written({"a": real.ones(1), "b": obj}, _use_new_zipfile_serialization=zipped)
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        load(io.BytesIO(data))
    assert not os.path.exists("/tmp/torchlike-was-here")


def test_the_error_names_what_to_allow():
    for lib in (real, torchlike):
        with pytest.raises(pickle.UnpicklingError) as caught:
            lib.load(io.BytesIO(written({"a": Plain()})))
        text = str(caught.value)
        assert text.startswith("Weights only load failed. This file can still be loaded, to do so you have two options, ")
        assert f"GLOBAL {__name__}.Plain was not an allowed global by default." in text
        assert f"`torch.serialization.add_safe_globals([{__name__}.Plain])`" in text
        with pytest.raises(
            pickle.UnpicklingError,
            match=r"Trying to load unsupported GLOBAL posix\.system whose module posix is blocked",
        ):
            lib.load(io.BytesIO(written(HOSTILE["os.system"])))


def pickled(body):
    """GOOD with a pickle of these ops."""
    return with_record("data.pkl", b"\x80\2" + body + b".")


def shared_tuples(depth):
    """A key that holds its part twice, and that its part twice, ..."""
    return b"K\1" + b"q\0h\0\x86" * depth


OPS = {
    "an unknown op": b"\xff",
    "an op of another age": b"(i__main__\nPlain\n",
    "a string beyond the end": b"X\xff\xff\xff\x7fabc",
    "a frame beyond the end": b"\x95\xff\xff\xff\xff\xff\xff\xff\x7fabc",
    "a bytearray beyond the end": b"\x96\xff\xff\xff\xff\xff\xff\xff\x0fabc",
    "a memo that is not there": b"h\7",
    "a huge memo": b"K\1r\xff\xff\xff\xff\x81",
    "a stack that is empty": b"R",
    "a mark that is missing": b"t",
    "calling a tuple": b"K\1\x85)R",
    "calling a dtype": b"ctorch\nfloat32\n)R",
    "calling a storage class": b"ctorch\nFloatStorage\n)R",
    "calling Tensor": b"ctorch\nTensor\nK\5\x85R",
    "a new Tensor": b"ctorch\nTensor\n)\x81",
    "building a list": b"]}b",
    "building a size": b"ctorch\nSize\n)\x85R}b",
    "appending to a dict": b"}K\1a",
    "extending a dict": b"}(K\1e",
    "items of a list": b"]K\1K\1s",
    "items of a size": b"ctorch\nSize\n)\x85R(K\0K\1u",
    "adding to a list": b"](K\1\x90",
    "a persistent id that is a number": b"K\5Q",
    "a persistent id of something else": b"X\5\0\0\0other\x85Q",
    "another codec": b"c_codecs\nencode\nX\1\0\0\0aX\4\0\0\0zlib\x86R",
    "a bytearray of a length": b"c__builtin__\nbytearray\nJ\xff\xff\xff\x7f\x85R",
    "hiding a method": b"ccollections\nOrderedDict\n)R}X\5\0\0\0itemsK\1sb",
    "a key that takes for ever to hash": b"}" + shared_tuples(60) + b"K\1s",
    "keys that take for ever to hash": b"}(" + shared_tuples(60) + b"K\1u",
    "a set of such keys": b"c__builtin__\nset\n]" + shared_tuples(60) + b"a\x85R",
    "a list as key": b"}]K\1s",
    "rebuilding by a set": b"ctorch._tensor\n_rebuild_from_type_v2\n(cbuiltins\nset\nctorch\nTensor\n)}tR",
    "rebuilding by Tensor": b"ctorch._tensor\n_rebuild_from_type_v2\n(ctorch\nTensor\nctorch\nTensor\nK\5\x85}tR",
    "a parameter of nothing": b"ctorch._utils\n_rebuild_parameter\n(NN}tR",
    "an extension": b"\x82\1",
    "no text": b"X\2\0\0\0\xff\xff",
}


@pytest.mark.parametrize("body", OPS.values(), ids=OPS)
def test_ops_that_weights_do_not_need_are_refused(body):
    with pytest.raises((pickle.UnpicklingError, EOFError)):
        load(io.BytesIO(pickled(body)))


def test_a_pickle_in_a_legacy_file_is_no_more_trusted():
    head = b"".join(pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}))
    for body in OPS.values():
        with pytest.raises((pickle.UnpicklingError, EOFError)):
            load(io.BytesIO(head + b"\x80\2" + body + b"." + pickle.dumps([], 2)))


def test_nothing_is_imported_for_a_name_in_a_file():
    import sys

    sys.modules.pop("antigravity", None)
    for zipped in (True, False):
        data = written(real.ones(3), _use_new_zipfile_serialization=zipped)
        hostile = data.replace(b"ctorch\nFloatStorage\n", b"cantigravity\nXStorage\n")
        if zipped:
            with zipfile.ZipFile(io.BytesIO(data)) as old:
                body = old.read("archive/data.pkl").replace(b"ctorch\nFloatStorage\n", b"cantigravity\nXStorage\n")
            hostile = with_record("data.pkl", body)
        with pytest.raises(pickle.UnpicklingError):
            load(io.BytesIO(hostile))
    assert "antigravity" not in sys.modules


def test_attributes_of_a_tensor_cannot_be_overwritten():
    state = {"_storage": 1}
    tensor = real.ones(2)
    tensor.harmless = 1
    data = written(tensor)
    assert load(io.BytesIO(data)).harmless == 1
    hostile = data.replace(b"X\x08\0\0\0harmlessq", b"X\x08\0\0\0_storageq")
    with zipfile.ZipFile(io.BytesIO(data)) as old:
        body = old.read("archive/data.pkl").replace(b"harmless", b"_storage")
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, body if name.endswith("data.pkl") else old.read(name))
    assert hostile != data
    assert state
    for options in ({}, {"weights_only": False}):
        with pytest.raises(RuntimeError, match="would overwrite its attribute '_storage'"):
            load(io.BytesIO(out.getvalue()), **options)


# The list of what is allowed


def test_safe_globals():
    data = written({"a": Plain(), "b": Stateful()})
    serialization = torchlike.serialization
    assert serialization.get_unsafe_globals_in_checkpoint(io.BytesIO(data)) == [
        f"{__name__}.Plain",
        f"{__name__}.Stateful",
    ]
    with serialization.safe_globals([Plain, Stateful]):
        found = load(io.BytesIO(data))
        assert isinstance(found["a"], Plain)
        assert found["b"].restored
        assert set(serialization.get_safe_globals()) == {Plain, Stateful}
        assert serialization.get_unsafe_globals_in_checkpoint(io.BytesIO(data)) == []
    with pytest.raises(pickle.UnpicklingError):
        load(io.BytesIO(data))
    serialization.add_safe_globals([Plain, (Stateful, f"{__name__}.Stateful")])
    try:
        assert load(io.BytesIO(data))["b"].x == 1
    finally:
        serialization.clear_safe_globals()
    assert serialization.get_safe_globals() == []


def test_classes_of_torch_are_allowed_under_either_name():
    with torchlike.serialization.safe_globals([torchlike.nn.Linear, torchlike.nn.functional.relu, set]):
        found = load(io.BytesIO(written([real.nn.Linear(2, 2), real.nn.functional.relu])))
    assert isinstance(found[0], torchlike.nn.Linear)
    assert found[1] is torchlike.nn.functional.relu


def test_numpy_numbers_can_be_allowed():
    multiarray = np.float64(1).__reduce__()[0]
    data = written({"loss": np.float64(0.25)})
    with torchlike.serialization.safe_globals([(multiarray, "numpy._core.multiarray.scalar"), np.dtype, np.dtypes.Float64DType]):
        assert load(io.BytesIO(data)) == {"loss": 0.25}


@pytest.mark.parametrize(
    ("name", "result"), [("TORCH_FORCE_WEIGHTS_ONLY_LOAD", True), ("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", False)]
)
def test_the_environment_decides(monkeypatch, name, result):
    monkeypatch.setenv(name, "1")
    data = io.BytesIO(written({"a": Plain()}))
    if result:
        with pytest.raises(pickle.UnpicklingError):
            load(data, weights_only=False)
    else:
        with pytest.warns(UserWarning, match="TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"):
            assert isinstance(load(data)["a"], Plain)
        with pytest.raises(pickle.UnpicklingError):
            load(io.BytesIO(data.getvalue()), weights_only=True)
    monkeypatch.setenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "1")
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    with pytest.raises(RuntimeError, match="Only one of"):
        load(io.BytesIO(data.getvalue()))


@pytest.mark.parametrize("make", [lambda: real.ones(2, device="meta")], ids=["meta"])
def test_tensors_that_torchlike_does_not_have(make):
    with pytest.raises((NotImplementedError, pickle.UnpicklingError), match=r"does not have|not supported|was not an allowed"):
        load(io.BytesIO(written(make())))


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")  # torch's, at its first sparse tensor
def test_a_damaged_sparse_tensor_is_refused():
    good = written(real.sparse_coo_tensor([[0, 1]], [1.0, 2.0], (2,)).coalesce())
    assert load(io.BytesIO(good)).to_dense().tolist() == [1.0, 2.0]
    for size in (1, 3, 2**40):
        bad = written(real.sparse_coo_tensor([[0, 1]], [1.0, 2.0], (size,), check_invariants=False))
        if size == 1:
            with pytest.raises(RuntimeError, match="size is inconsistent with indices"):
                load(io.BytesIO(bad))
        else:
            assert load(io.BytesIO(bad)).shape == (size,)
    with pytest.raises(TypeError, match="the file is damaged: expected a layout"):
        rebuild._rebuild_sparse_tensor("torch.sparse_coo", ())
    with pytest.raises(TypeError, match="the file is damaged: expected a tensor"):
        rebuild._rebuild_sparse_tensor(torchlike.sparse_csr, ([0, 1], [0], [1.0], (1, 1)))
    with pytest.raises(NotImplementedError, match=r"the layout torch\.cuda is not supported"):
        rebuild._get_layout("torch.cuda")


def test_a_class_that_torchlike_does_not_have():
    data = written(real.nn.Linear(1, 1)).replace(b"ctorch.nn.modules.linear\nLinear\n", b"ctorch.nn.modules.linear\nLinEAr\n")
    for crc in zipfile.ZipFile(io.BytesIO(data)).infolist():
        if crc.filename.endswith("data.pkl"):
            with zipfile.ZipFile(io.BytesIO(written(real.nn.Linear(1, 1)))) as old:
                body = old.read(crc.filename).replace(b"Linear\n", b"LinEAr\n")
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(written(real.nn.Linear(1, 1)))) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, body if name.endswith("data.pkl") else old.read(name))
    with pytest.raises(AttributeError, match=r"names torch.nn.modules.linear.LinEAr, which torchlike does not have"):
        load(io.BytesIO(out.getvalue()), weights_only=False)
