"""Files go from torch to torchlike and back: values, dtypes, strides, shared memory, models and optimizers."""

import collections
import io
import os
import pathlib
import pickle
import stat
import threading

import numpy as np
import pytest
import torch as real

import torchlike

pytestmark = pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")

DTYPES = [
    "bool",
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "bfloat16",
    "float32",
    "float64",
    "complex64",
    "complex128",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
]
#: From whom to whom.
WAYS = [(real, torchlike), (torchlike, real), (torchlike, torchlike)]
ways = pytest.mark.parametrize(("writer", "reader"), WAYS, ids=["from torch", "to torch", "ours"])
formats = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])


def send(writer, reader, obj, zipped=True, **options):
    """What the reader makes of the writer's file."""
    file = io.BytesIO()
    writer.save(obj, file, _use_new_zipfile_serialization=zipped)
    file.seek(0)
    return reader.load(file, **options)


def facts(tensor):
    """All that a file keeps of a tensor."""
    numbers = tensor.detach()
    if "float8" in str(tensor.dtype) or "bfloat16" in str(tensor.dtype):
        numbers = numbers.to(real.float32 if isinstance(tensor, real.Tensor) else torchlike.float32)
    kind = type(tensor).__name__
    return (
        kind,
        str(tensor.dtype),
        tuple(tensor.shape),
        tuple(tensor.stride()),
        tensor.storage_offset(),
        tensor.requires_grad,
        numbers.numpy().tolist(),
    )


def assert_same(a, b):
    """Equal structure, and tensors with equal facts."""
    if isinstance(a, real.Tensor | torchlike.Tensor):
        assert facts(a) == facts(b)
    elif isinstance(a, dict):
        assert type(a) is type(b)
        assert list(a) == list(b)
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert type(a).__name__ == type(b).__name__
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    elif type(a).__module__ in ("builtins", "collections"):
        assert a == b
    else:
        assert repr(a) == repr(b)


@ways
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype(writer, reader, dtype):
    def make(torch):
        x = torch.tensor([[1.0, 2.0, 4.0], [8.0, 16.0, 0.0 if dtype == "bool" else 32.0]])  # exact in all of them
        return [t.to(getattr(torch, dtype)) for t in (x, x[0, 0], x[:0])]

    assert_same(send(writer, reader, make(writer)), make(reader))


def layouts(torch):
    """Tensors in all sorts of memory."""
    base = torch.arange(120.0).view(2, 3, 4, 5)
    return {
        "contiguous": base,
        "slice": base[1:, ::2],
        "transposed": base.transpose(1, 3),
        "permuted": base.permute(3, 1, 0, 2)[2:],
        "diagonal": base.diagonal(0, 2, 3),
        "expanded": torch.ones(3, 1).expand(3, 7),
        "repeated": torch.ones(1).expand(2, 2),
        "windows": torch.arange(20.0).unfold(0, 4, 1),
        "scalar": base[1, 2, 3, 4],
        "empty": torch.empty(3, 0, 2)[1:],
        "channels last": (base * 2).contiguous(memory_format=torch.channels_last),
        "ones": torch.ones(1, 1, 1),
        "tail": torch.arange(5)[5:],
        "gaps": torch.arange(20).as_strided((2, 3), (9, 2), 1),
    }


@ways
@formats
def test_every_layout(writer, reader, zipped):
    assert_same(send(writer, reader, layouts(writer), zipped), layouts(reader))


@ways
@formats
def test_views_of_one_base_share_memory_again(writer, reader, zipped):
    base = writer.arange(10.0)
    one, part, turned, alias = send(writer, reader, [base, base[2:6], base.view(2, 5).t(), base.detach()], zipped)
    one[3] = 100
    assert part.tolist() == [2, 100, 4, 5]
    assert turned[3, 0].item() == 100
    turned[4, 1] = 7
    assert one[9].item() == 7
    assert alias[9].item() == 7
    assert one.untyped_storage().data_ptr() == part.untyped_storage().data_ptr() == turned.untyped_storage().data_ptr()


def test_a_file_holds_shared_memory_once(tmp_path):
    base = torchlike.zeros(10_000)
    torchlike.save([base, base[5:], base.view(100, 100)], tmp_path / "x.pt")
    assert os.path.getsize(tmp_path / "x.pt") < 42_000


@ways
@formats
def test_structures(writer, reader, zipped):
    def make(torch):
        x = torch.ones(2)
        return {
            "list": [1, 2.5, "three", None, True, b"bytes", 2**70, -1, 1j, ""],
            "tuple": (x, (), [x]),
            "ordered": collections.OrderedDict([("b", x), ("a", {})]),
            "counter": collections.Counter("aab"),
            "set": {1, 2},
            "bytearray": bytearray(b"xyz"),
            3: "int key",
            (1, "a"): "tuple key",
            "ü": "…",
            "size": torch.Size([2, 3]),
            "dtype": torch.float32,
            "bool": torch.bool,
            "device": torch.device("cuda", 1),
            "layout": torch.strided,
            "parameter": torch.nn.Parameter(x * 2),
            "frozen": torch.nn.Parameter(x, requires_grad=False),
            "leaf": torch.ones(1, requires_grad=True),
            "result": torch.ones(1, requires_grad=True) * 2,
        }

    found = send(writer, reader, make(writer), zipped)
    assert_same(found, make(reader))
    assert found["tuple"][0] is found["tuple"][2][0]
    assert found["result"].is_leaf


@ways
def test_attributes_of_tensors_are_kept(writer, reader):
    p, t = writer.nn.Parameter(writer.ones(2)), writer.ones(1)
    p.tag, t.tag = "weight", {"a": 1}
    buffer = writer.nn.Buffer(writer.ones(2), persistent=False)
    p2, t2, b2 = send(writer, reader, [p, t, buffer])
    assert (p2.tag, t2.tag) == ("weight", {"a": 1})
    assert isinstance(b2, reader.nn.Buffer)


@ways
def test_recursive_structures(writer, reader):
    a = [writer.ones(1)]
    a.append(a)
    found = send(writer, reader, a)
    assert found[1] is found


def models(torch):
    """One of each kind of module."""
    nn = torch.nn
    return {
        "perceptron": nn.Sequential(
            collections.OrderedDict(a=nn.Linear(2, 3), b=nn.BatchNorm1d(3), c=nn.GELU(), d=nn.Dropout(0.1))
        ),
        "convolution": nn.Sequential(
            nn.Conv2d(1, 2, 3, padding="same"), nn.MaxPool2d(2), nn.ConvTranspose2d(2, 1, 2), nn.Flatten()
        ),
        "recurrent": nn.ModuleDict({"lstm": nn.LSTM(2, 3, 2, bidirectional=True), "gru": nn.GRUCell(2, 3)}),
        "transformer": nn.ModuleList([nn.TransformerEncoderLayer(4, 2), nn.TransformerEncoderLayer(4, 2, activation="gelu")]),
        "embedding": nn.Embedding(5, 3, padding_idx=0),
        "loss": nn.CrossEntropyLoss(torch.ones(3)),
        "norm": nn.GroupNorm(1, 3),
    }


@ways
@formats
@pytest.mark.parametrize("name", models(real))
def test_whole_models(writer, reader, name, zipped):
    writer.manual_seed(0)
    model = models(writer)[name]
    found = send(writer, reader, model, zipped, weights_only=False)
    assert type(found).__module__ == type(model).__module__.replace(writer.__name__, reader.__name__, 1)
    assert repr(found) == repr(model)
    for (path, mine), (_, its) in zip(found.named_modules(), models(reader)[name].named_modules(), strict=True):
        assert set(mine.__dict__) == set(its.__dict__), path
    for (key, a), (_, b) in zip(model.state_dict().items(), found.state_dict().items(), strict=True):
        assert facts(a) == facts(b), key


@ways
def test_a_loaded_model_computes_what_the_saved_one_did(writer, reader):
    writer.manual_seed(0)
    model = models(writer)["perceptron"].eval()
    found = send(writer, reader, model, weights_only=False)
    expected = model(writer.arange(4.0).view(2, 2)).detach().numpy()
    np.testing.assert_allclose(found(reader.arange(4.0).view(2, 2)).detach().numpy(), expected, rtol=1e-5)


@ways
@formats
def test_state_dicts_of_models(writer, reader, zipped):
    writer.manual_seed(0)
    state = models(writer)["perceptron"].state_dict()
    found = send(writer, reader, state, zipped)
    assert found._metadata == state._metadata
    fresh = models(reader)["perceptron"]
    assert not fresh.load_state_dict(found).missing_keys
    for key in state:
        assert facts(state[key]) == facts(fresh.state_dict()[key])


@ways
@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta"])
def test_optimizers(writer, reader, name):
    def step(torch, model, optimizer):
        model(torch.arange(4.0).view(2, 2)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()

    def make(torch):
        model = torch.nn.Linear(2, 3)
        options = {"momentum": 0.9} if name == "SGD" else {}
        return model, getattr(torch.optim, name)(model.parameters(), lr=0.1, **options)

    writer.manual_seed(0)
    model, optimizer = make(writer)
    step(writer, model, optimizer)
    weights, state = send(writer, reader, [model.state_dict(), optimizer.state_dict()])
    other, continued = make(reader)
    other.load_state_dict(weights)
    continued.load_state_dict(state)
    step(writer, model, optimizer)
    step(reader, other, continued)
    np.testing.assert_allclose(other.weight.detach().numpy(), model.weight.detach().numpy(), rtol=1e-5)
    whole = send(writer, reader, optimizer, weights_only=False)
    assert type(whole).__name__ == name


class Net(torchlike.nn.Module):
    """A user's model."""

    def __init__(self):
        super().__init__()
        self.layer = torchlike.nn.Linear(2, 2)
        self.activation = torchlike.nn.functional.relu


def test_a_users_model():
    found = send(torchlike, torchlike, Net(), weights_only=False)
    assert type(found) is Net
    assert found.activation is torchlike.nn.functional.relu


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_other_protocols(protocol):
    file = io.BytesIO()
    obj = {"x": torchlike.ones(2), "set": {1, 2}, "bytes": b"1", "dtype": torchlike.int8, "long": "s" * 300}
    torchlike.save(obj, file, pickle_protocol=protocol)
    for options in ({}, {"weights_only": False}):
        file.seek(0)
        assert_same(torchlike.load(file, **options), obj)
    file.seek(0)
    assert_same(real.load(file, weights_only=False)["x"], real.ones(2))


def test_another_pickle_module():
    file = io.BytesIO()
    torchlike.save({"x": torchlike.ones(2)}, file, pickle_module=pickle)
    file.seek(0)
    assert torchlike.load(file, pickle_module=pickle)["x"].tolist() == [1, 1]
    file.seek(0)
    with pytest.raises(RuntimeError, match="Can not safely load weights when explicit pickle_module is specified"):
        torchlike.load(file, pickle_module=pickle, weights_only=True)


def test_storages_can_be_saved():
    x = torchlike.arange(4, dtype=torchlike.int16)
    for kind in (x.untyped_storage(), x.storage()):
        assert send(torchlike, torchlike, kind).tolist() == kind.tolist()
        assert send(torchlike, real, kind).tolist() == kind.tolist()
    assert send(real, torchlike, real.arange(3).storage()).tolist() == [0, 1, 2]


def test_big_endian_files():
    file = io.BytesIO()
    x = real.arange(5.0)
    real.save([x, real.tensor([1 + 2j])], file)
    data = file.getvalue().replace(b"little", b"bigxxx", 1)
    swapped = data.replace(x.numpy().tobytes(), x.numpy().byteswap().tobytes())
    complexes = np.array([1 + 2j], np.complex64)
    swapped = swapped.replace(complexes.tobytes(), complexes.byteswap().tobytes())
    assert swapped.count(b"bigxxx") == 1
    import zipfile

    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(_without_checksums(swapped))) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, b"big" if name.endswith("byteorder") else old.read(name))
    out.seek(0)
    found = torchlike.load(out)
    assert found[0].tolist() == [0, 1, 2, 3, 4]
    assert found[1].tolist() == [1 + 2j]


def _without_checksums(data):
    """The archive with every CRC field of its directory recomputed, after its bytes were changed."""
    import struct
    import zlib

    data = bytearray(data)
    at = data.find(b"PK\1\2")
    while at >= 0:
        size, name, extra, comment = (
            *struct.unpack_from("<I", data, at + 24),
            *struct.unpack_from("<3H", data, at + 28),
        )
        (offset,) = struct.unpack_from("<I", data, at + 42)
        skip = sum(struct.unpack_from("<2H", data, offset + 26))
        struct.pack_into("<I", data, at + 16, zlib.crc32(data[offset + 30 + skip : offset + 30 + skip + size]))
        at = data.find(b"PK\1\2", at + 46 + name + extra + comment)
    return bytes(data)


# Files and their places


def test_names_of_files(tmp_path):
    x = torchlike.ones(3)
    for path in (tmp_path / "a.pt", str(tmp_path / "b"), tmp_path / "ü…"):
        torchlike.save(x, path)
        assert torchlike.load(path).tolist() == real.load(path).tolist() == [1, 1, 1]
    with open(tmp_path / "c.pt", "wb") as file:
        torchlike.save(x, file)
    with open(tmp_path / "c.pt", "rb") as file:
        assert torchlike.load(file).tolist() == [1, 1, 1]


def test_a_file_may_begin_in_the_middle_of_another():
    file = io.BytesIO(b"before")
    file.seek(6)
    torchlike.save(torchlike.ones(3), file)
    file.seek(6)
    assert torchlike.load(file).tolist() == [1, 1, 1]
    file.seek(6)
    assert real.load(file).tolist() == [1, 1, 1]


def test_legacy_files_one_behind_the_other():
    file = io.BytesIO()
    for i in range(3):
        torchlike.save([torchlike.full((2,), i), i], file, _use_new_zipfile_serialization=False)
    file.seek(0)
    assert [torchlike.load(file)[0].tolist() for _ in range(3)] == [[0, 0], [1, 1], [2, 2]]
    file.seek(0)
    assert [real.load(file)[0].tolist() for _ in range(3)] == [[0, 0], [1, 1], [2, 2]]


def test_records_are_aligned_and_named_as_torchs(tmp_path):
    import zipfile

    obj = {"x": [1.0, 2.0], "y": 3}
    for lib in (real, torchlike):
        lib.save({"x": lib.tensor(obj["x"]), "y": 3}, tmp_path / f"{lib.__name__}.pt")
    theirs, ours = (zipfile.ZipFile(tmp_path / f"{lib.__name__}.pt") for lib in (real, torchlike))
    assert [n.split("/", 1)[1] for n in theirs.namelist()] == [n.split("/", 1)[1] for n in ours.namelist()]
    assert ours.namelist()[0] == "torchlike/data.pkl"
    assert ours.read("torchlike/data.pkl") == theirs.read("torch/data.pkl")
    assert ours.testzip() is None
    raw = (tmp_path / "torchlike.pt").read_bytes()
    assert raw.index(np.float32([1, 2]).tobytes()) % 64 == 0


def test_the_same_object_gives_the_same_bytes():
    first, second = io.BytesIO(), io.BytesIO()
    for file in (first, second):
        torchlike.save({"x": torchlike.ones(3)}, file)
    assert first.getvalue() == second.getvalue()


def test_mmap(tmp_path):
    real.save({"x": real.arange(1000.0), "y": real.ones(2, 2)}, tmp_path / "x.pt")
    found = torchlike.load(tmp_path / "x.pt", mmap=True)
    assert found["x"].sum().item() == 499500
    found["y"][0, 0] = 5
    assert found["y"].tolist() == [[5, 1], [1, 1]]
    assert torchlike.load(tmp_path / "x.pt")["y"].tolist() == [[1, 1], [1, 1]]
    with pytest.raises(ValueError, match="f must be a file path in order to use the mmap argument"):
        torchlike.load(io.BytesIO((tmp_path / "x.pt").read_bytes()), mmap=True)
    torchlike.save(1, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(RuntimeError, match="mmap can only be used with files saved with"):
        torchlike.load(tmp_path / "old.pt", mmap=True)


def test_offsets_that_torch_computes_are_right(tmp_path, monkeypatch):
    from torch.utils.serialization import config

    monkeypatch.setenv("TORCH_SERIALIZATION_DEBUG", "1")
    obj = [torchlike.arange(n) for n in (3, 0, 100, 7)]
    torchlike.save(obj, tmp_path / "x.pt")
    with config.patch("load.calculate_storage_offsets", True):
        assert [x.tolist() for x in real.load(tmp_path / "x.pt", mmap=True)] == [x.tolist() for x in obj]


class Explosive:
    """Fails while it is pickled."""

    def __reduce__(self):
        raise ZeroDivisionError("boom")


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "x.pt"
    torchlike.save("old", path)
    before = path.read_bytes()
    with pytest.raises(ZeroDivisionError, match="boom"):
        torchlike.save(["new", Explosive()], path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["x.pt"]


def test_readers_see_the_old_file_or_the_new_one(tmp_path):
    path = tmp_path / "x.pt"
    torchlike.save(torchlike.zeros(100_000), path)
    done = threading.Event()

    def write():
        for i in range(1, 30):
            torchlike.save(torchlike.full((100_000,), float(i)), path)
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    while not done.is_set():
        found = torchlike.load(path).numpy()
        assert (found == found[0]).all()
    thread.join()


def test_modes_and_links_are_kept(tmp_path):
    path, link = tmp_path / "x.pt", tmp_path / "link.pt"
    torchlike.save(1, path)
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask
    path.chmod(0o640)
    link.symlink_to(path)
    torchlike.save(2, link)
    assert link.is_symlink()
    assert torchlike.load(path) == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    torchlike.save(3, os.devnull)
    assert pathlib.Path(os.devnull).is_char_device()


def test_places_that_cannot_be_written_or_read(tmp_path):
    with pytest.raises(RuntimeError, match=r"Parent directory .*nowhere does not exist\."):
        torchlike.save(1, tmp_path / "nowhere" / "x.pt")
    with pytest.raises(RuntimeError, match="Is a directory"):
        torchlike.save(1, tmp_path)
    with pytest.raises(FileNotFoundError):
        torchlike.load(tmp_path / "x.pt")
    with pytest.raises(AttributeError, match="expected 'f' to be string, path, or a file-like object with a 'write' attribute"):
        torchlike.save(1, None)
    with pytest.raises(AttributeError, match=r"You can only torch\.load from a file that is seekable"):
        torchlike.load(None)


def test_one_memory_in_two_dtypes_cannot_be_saved():
    for torch in (real, torchlike):
        x = torch.zeros(4)
        with pytest.raises(
            RuntimeError, match="Cannot save multiple tensors or storages that view the same data as different types"
        ):
            torch.save([x, x.view(torch.int32)], io.BytesIO())


# Devices


def test_map_location():
    seen = []

    def keep(storage, location):
        seen.append((type(storage).__name__, location, storage.device.type, storage.nbytes()))
        return storage

    for where in (
        "cpu",
        torchlike.device("cpu"),
        {"cpu": "cpu"},
        {"cuda:1": "cpu"},
        keep,
        lambda s, loc: None,
        lambda s, loc: s.cpu(),
    ):
        assert send(real, torchlike, real.ones(3), map_location=where).tolist() == [1, 1, 1]
    assert seen == [("UntypedStorage", "cpu", "cpu", 12)]


def from_cuda():
    """A file that was saved from a GPU."""
    file = io.BytesIO()
    real.save(real.ones(3), file, _use_new_zipfile_serialization=False)
    return file.getvalue().replace(b"X\3\0\0\0cpu", b"X\6\0\0\0cuda:0", 1)


def test_a_device_that_is_not_there_is_torchs_error():
    for torch in (real, torchlike):
        with pytest.raises(
            RuntimeError,
            match=r"Attempting to deserialize object on a CUDA device but torch.cuda.is_available\(\) is False",
        ):
            torch.load(io.BytesIO(from_cuda()))
        assert torch.load(io.BytesIO(from_cuda()), map_location="cpu").tolist() == [1, 1, 1]
        assert torch.load(io.BytesIO(from_cuda()), map_location={"cuda:0": "cpu"}).tolist() == [1, 1, 1]
        with pytest.raises(RuntimeError, match="CUDA"):
            torch.load(io.BytesIO(from_cuda()), map_location={"cuda:0": "cuda:1"})
    with pytest.raises(NotImplementedError, match="meta"):
        torchlike.load(io.BytesIO(from_cuda()), map_location="meta")
