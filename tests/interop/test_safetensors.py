"""safetensors files go to the library's own torch functions and come from them."""

import pytest
import safetensors.torch as theirs
import torch as real

import torchlike as torch
from torchlike.interop import safetensors as ours

DTYPES = [
    "bool", "uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64", "float16", "bfloat16", "float32",
    "float64", "complex64", "float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu",
]  # fmt: skip


def made(torch):
    """A tensor of each dtype and some shapes."""
    base = torch.arange(6).view(2, 3).to(torch.float32)
    named = {name: base.to(getattr(torch, name)) for name in DTYPES}
    return named | {"scalar": torch.tensor(2.5), "empty": torch.zeros(0, 3)}


def bytes_of(tensor):
    """The memory of a tensor of either library, whatever its dtype."""
    return tensor.contiguous().view(-1).view(real.uint8 if isinstance(tensor, real.Tensor) else torch.uint8).tolist()


def assert_same(a, b):
    """Equal names, dtypes, shapes and bytes."""
    assert set(a) == set(b)
    for name in a:
        assert str(a[name].dtype) == str(b[name].dtype)
        assert a[name].shape == b[name].shape
        if a[name].numel():
            assert bytes_of(a[name]) == bytes_of(b[name]), name


def test_files_of_theirs(tmp_path):
    path = tmp_path / "model.safetensors"
    theirs.save_file(made(real), path, metadata={"format": "pt"})
    assert_same(ours.load_file(path), made(real))
    assert_same(torch.load(path), made(real))
    assert_same(torch.load(str(path), map_location=torch.device("cpu")), made(real))
    assert_same(ours.load(path.read_bytes()), made(real))


def test_files_of_ours(tmp_path):
    path = tmp_path / "model.safetensors"
    ours.save_file(made(torch), path, metadata={"format": "pt"})
    assert_same(theirs.load_file(path), made(torch))
    path.write_bytes(ours.save(made(torch)))  # theirs.load(bytes) lacks some of the types
    assert_same(theirs.load_file(path), made(torch))


def test_what_is_read_can_be_changed_without_changing_the_file(tmp_path):
    path = tmp_path / "model.safetensors"
    ours.save_file({"x": torch.zeros(3)}, path)
    x = ours.load_file(path)["x"]
    x += 1
    assert x.tolist() == [1, 1, 1]
    assert ours.load_file(path)["x"].tolist() == [0, 0, 0]


def test_shared_memory_and_gaps_are_refused(tmp_path):
    x = torch.zeros(4)
    with pytest.raises(RuntimeError, match="Some tensors share memory"):
        ours.save({"a": x, "b": x[1:]})
    with pytest.raises(ValueError, match="non contiguous tensor: `a`"):
        ours.save({"a": torch.zeros(2, 3).t()})
    with pytest.raises(ValueError, match="Expected a dict"):
        ours.save([x])


@pytest.mark.parametrize("damage", [lambda d: d[:-1], lambda d: d[:20], lambda d: b"", lambda d: b"\xff" * len(d)])
def test_damaged_files_are_errors(tmp_path, damage):
    from safetensors import SafetensorError

    data = ours.save({"x": torch.arange(100)})
    path = tmp_path / "model.safetensors"
    path.write_bytes(damage(data))
    with pytest.raises((SafetensorError, OSError)):
        ours.load_file(path)
    with pytest.raises(SafetensorError):
        ours.load(damage(data))


def test_a_device_that_is_not_there(tmp_path):
    path = tmp_path / "model.safetensors"
    ours.save_file({"x": torch.zeros(3)}, path)
    with pytest.raises(RuntimeError, match="Attempting to deserialize object on a CUDA device"):
        ours.load_file(path, device="cuda:0")
    with pytest.raises(RuntimeError, match="takes a device or its name"):
        torch.load(path, map_location={"cpu": "cpu"})
