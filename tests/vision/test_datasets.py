"""Datasets read the real formats, refuse damaged files, and download with checksums."""

import contextlib
import functools
import gzip
import hashlib
import http.server
import os
import pathlib
import pickle
import tarfile
import threading

import numpy as np
import PIL.Image
import pytest
import torch as real

import torchlike
from tests.vision.on_torch import vision
from torchlike.vision import datasets, transforms
from torchlike.vision.datasets import download, formats


def digits(n=7, seed=0):
    """Images and labels as MNIST's."""
    rng = np.random.RandomState(seed)
    return rng.randint(0, 256, (n, 28, 28), dtype=np.uint8), rng.randint(0, 10, n).astype(np.uint8)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("name", ["a", "a.gz"])
def test_idx_files(tmp_path, dtype, name):
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    formats.write_idx(tmp_path / name, array)
    found = formats.read_idx(tmp_path / name)
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)
    raw = (tmp_path / name).read_bytes()
    raw = gzip.decompress(raw) if name.endswith("gz") else raw
    codes = {np.uint8: 0x08, np.int8: 0x09, np.int16: 0x0B, np.int32: 0x0C, np.float32: 0x0D, np.float64: 0x0E}
    assert raw[:4] == bytes([0, 0, codes[dtype], 3])
    assert raw[4:16] == b"\0\0\0\2\0\0\0\3\0\0\0\4"


def test_damaged_idx_files(tmp_path):
    path = tmp_path / "x"
    formats.write_idx(path, np.zeros((3, 4), np.uint8))
    good = path.read_bytes()
    for bad, words in {
        b"": "is no idx file",
        good[:3]: "is no idx file",
        b"PK" + good[2:]: "is no idx file: it begins with 50 4b 08 02",
        good[:9]: "header says 2 dimensions",
        good[:-1]: "has 11 bytes of data",
        good + b"x": "has 13 bytes of data",
        good[:2] + b"\x0a" + good[3:]: "is no idx file",
        gzip.compress(good)[:-4]: "is damaged",
    }.items():
        path.write_bytes(bad)
        with pytest.raises(ValueError, match=words):
            formats.read_idx(path)
    with pytest.raises(ValueError, match="not int64"):
        formats.write_idx(path, np.zeros(3, np.int64))


def test_mnist_reads_what_was_written(tmp_path):
    train, test = digits(9), digits(4, seed=1)
    formats.write_mnist(tmp_path, train, test)
    for torch in (real, torchlike):
        for flag, (images, labels) in ((True, train), (False, test)):
            data = vision(torch).datasets.MNIST(tmp_path, train=flag, transform=vision(torch).transforms.ToTensor())
            assert len(data) == len(images)
            assert data.data.shape == images.shape
            assert str(data.data.dtype) == "torch.uint8"
            assert data.targets.tolist() == labels.tolist()
            image, label = data[2]
            np.testing.assert_array_equal(image.numpy()[0], images[2] / np.float32(255))
            assert label == labels[2]
            assert isinstance(label, int)
    assert repr(data).splitlines()[:3] == [
        "Dataset MNIST",
        "    Number of datapoints: 4",
        f"    Root location: {tmp_path}",
    ]
    assert "Split: Test" in repr(data)
    assert data.classes[3] == "3 - three"


@pytest.mark.parametrize("torch", [real, torchlike], ids=["torch", "torchlike"])
def test_what_a_script_does_to_mnists_tensors_shows(tmp_path, torch):
    formats.write_mnist(tmp_path, digits(), digits())
    data = vision(torch).datasets.MNIST(tmp_path)
    before = np.asarray(data[1][0])
    data.data[1] = 255 - data.data[1]
    data.targets[1] = 77
    np.testing.assert_array_equal(np.asarray(data[1][0]), 255 - before)
    assert data[1][1] == 77
    data.data, data.targets = data.data[2:4], [5, 6]
    assert len(data) == 2
    assert data[1][1] == 6
    np.testing.assert_array_equal(np.asarray(data[0][0]), digits()[0][2])


def test_mnist_in_a_loader_with_workers(tmp_path):
    formats.write_mnist(tmp_path, digits(12), digits(4))
    found = []
    for torch in (real, torchlike):
        T = vision(torch).transforms
        steps = [T.RandomCrop(24, padding=2), T.RandomHorizontalFlip(), T.ToTensor(), T.Normalize((0.13,), (0.3,))]
        data = vision(torch).datasets.MNIST(tmp_path, transform=T.Compose(steps))
        torch.manual_seed(4)
        found.append([(x.numpy(), y.tolist()) for x, y in torch.utils.data.DataLoader(data, 5, shuffle=True, num_workers=1)])
    for (a, b), (c, d) in zip(*found, strict=True):
        np.testing.assert_allclose(a, c, rtol=1e-6)
        assert b == d


def test_mnist_refuses_files_of_another_kind(tmp_path):
    images, labels = digits()
    formats.write_mnist(tmp_path, (images, labels), (images, labels))
    raw = tmp_path / "MNIST" / "raw"
    formats.write_idx(raw / "train-labels-idx1-ubyte", labels[:-1])
    with pytest.raises(ValueError, match="7 images but 6 labels"):
        datasets.MNIST(tmp_path)
    formats.write_idx(raw / "train-images-idx3-ubyte", images.astype(np.int16))
    with pytest.raises(ValueError, match="should hold uint8 images"):
        datasets.MNIST(tmp_path)
    (raw / "train-images-idx3-ubyte").unlink()
    with pytest.raises(RuntimeError, match="You can use download=True to download it"):
        datasets.MNIST(tmp_path)


def cifar(n=11, seed=0):
    """Images and labels as CIFAR's."""
    rng = np.random.RandomState(seed)
    return rng.randint(0, 256, (n, 32, 32, 3), dtype=np.uint8), rng.randint(0, 3, n)


def test_cifar10_reads_what_was_written(tmp_path):
    train, test = cifar(), cifar(4, seed=1)
    formats.write_cifar10(tmp_path, train, test, ["cat", "dog", "ship"])
    data = datasets.CIFAR10(tmp_path, check_md5=False)
    np.testing.assert_array_equal(data.data, train[0])
    assert data.targets == train[1].tolist()
    assert data.classes == ["cat", "dog", "ship"]
    assert data.class_to_idx["ship"] == 2
    image, label = datasets.CIFAR10(tmp_path, train=False, check_md5=False, target_transform=lambda t: t + 100)[1]
    np.testing.assert_array_equal(np.asarray(image), test[0][1])
    assert label == test[1][1] + 100
    with pytest.raises(RuntimeError, match="Dataset not found or corrupted"):
        datasets.CIFAR10(tmp_path)


def test_cifar100_reads_pickles_of_python_2(tmp_path):
    """As the real files: byte strings as keys, and more keys than are used."""
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    images, labels = cifar(5)
    rows = images.transpose(0, 3, 1, 2).reshape(5, -1)
    body = pickle.dumps({"data": rows, "fine_labels": labels.tolist(), "coarse_labels": [0] * 5}, 2)
    old = body.replace(b"X\x04\0\0\0data", b"U\x04data").replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")
    assert old != body
    (folder / "train").write_bytes(old)
    (folder / "test").write_bytes(body)
    (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": ["a", "b", "c"]}, 2))
    data = datasets.CIFAR100(tmp_path, check_md5=False)
    np.testing.assert_array_equal(data.data, images)
    assert data.targets == labels.tolist()


class Evil:
    """Runs a command when it is read."""

    def __reduce__(self):
        return os.system, ("touch /tmp/torchlike-was-here",)


@pytest.mark.parametrize("obj", [Evil(), {"data": Evil()}, [1], "text"], ids=["call", "call inside", "list", "string"])
def test_cifar_files_run_nothing(obj):
    with pytest.raises(pickle.UnpicklingError, match="CIFAR"):
        formats.read_cifar(pickle.dumps(obj, 2))
    with pytest.raises(pickle.UnpicklingError):
        formats.read_cifar(b"no pickle")
    assert not os.path.exists("/tmp/torchlike-was-here")


# Folders


def folders(root):
    """Two classes of images, one in a folder of its own."""
    for name, colour in (("cat/a.png", 10), ("cat/more/b.JPG", 20), ("dog/c.ppm", 30), ("dog/notes.txt", None)):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if colour is None:
            path.write_text("x")
        else:
            PIL.Image.new("L", (3, 2), colour).save(path)


def test_image_folder(tmp_path):
    folders(tmp_path)
    data = datasets.ImageFolder(tmp_path, transform=transforms.PILToTensor())
    assert data.classes == ["cat", "dog"]
    assert data.class_to_idx == {"cat": 0, "dog": 1}
    assert [(os.path.relpath(path, tmp_path), n) for path, n in data.samples] == [
        ("cat/a.png", 0),
        ("cat/more/b.JPG", 0),
        ("dog/c.ppm", 1),
    ]
    assert data.targets == [0, 0, 1]
    assert data.imgs is data.samples
    image, label = data[2]
    assert image.shape == (3, 2, 3)
    assert (image == 30).all()
    assert label == 1


def test_folders_that_do_not_fit(tmp_path):
    with pytest.raises(FileNotFoundError, match="Couldn't find any class folder"):
        datasets.ImageFolder(tmp_path)
    folders(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"Found no valid file for the classes empty\. Supported extensions are: .jpg"):
        datasets.ImageFolder(tmp_path)
    assert len(datasets.ImageFolder(tmp_path, allow_empty=True)) == 3
    text = datasets.DatasetFolder(
        tmp_path,
        loader=lambda p: pathlib.Path(p).read_text(),
        is_valid_file=lambda p: p.endswith("txt"),
        allow_empty=True,
    )
    assert text[0] == ("x", 1)
    with pytest.raises(ValueError, match="cannot be None or not None at the same time"):
        datasets.folder.make_dataset(tmp_path, extensions=(".png",), is_valid_file=str)


def test_fake_data_is_torchs():
    found = []
    for torch in (real, torchlike):
        torch.manual_seed(1)
        data = vision(torch).datasets.FakeData(5, (3, 6, 7), 4, random_offset=2)
        samples = [(np.asarray(image), label) for image, label in (data[3], data[0], data[3])]
        found.append([*samples, torch.rand(1).item()])
    for a, b in zip(*found, strict=True):
        if isinstance(a, float):
            assert a == b
        else:
            assert a[1] == b[1]
            np.testing.assert_allclose(a[0].astype(int), b[0].astype(int), atol=1)
    with pytest.raises(IndexError):
        data[5]


def test_transforms_come_one_way_only(tmp_path):
    with pytest.raises(ValueError, match="Only transforms or transform/target_transform"):
        datasets.VisionDataset(tmp_path, transforms=lambda x, y: (x, y), transform=str)


# Downloads, from a server on this machine


@contextlib.contextmanager
def server(folder):
    """Serves a folder on the loopback interface; gives the address."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    handler.log_message = lambda *args: None
    http.server.SimpleHTTPRequestHandler.log_message = lambda *args: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/"
        running.shutdown()


def test_downloads(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    (source / "a.bin").write_bytes(b"contents")
    md5 = hashlib.md5(b"contents").hexdigest()
    with server(source) as address:
        assert download.download_url(address + "a.bin", target, md5=md5) == str(target / "a.bin")
        (source / "a.bin").write_bytes(b"changed")
        download.download_url(address + "a.bin", target, md5=md5)  # there already
        assert (target / "a.bin").read_bytes() == b"contents"
        download.download_url([address + "missing", address + "a.bin"], target, "b.bin")  # the second mirror
        assert (target / "b.bin").read_bytes() == b"changed"
        with pytest.raises(RuntimeError, match=f"(?s)Error downloading c.bin:.*The MD5 sum is .*, not {md5}|the MD5 sum is"):
            download.download_url(address + "a.bin", target, "c.bin", md5)
        with pytest.raises(RuntimeError, match=r"(?s)missing: File not found.*by other means"):
            download.download_url(address + "missing", target)
    with pytest.raises(RuntimeError, match=r"(?s)Connection refused.*If this machine is offline"):
        download.download_url(address + "d.bin", target)
    assert sorted(os.listdir(target)) == ["a.bin", "b.bin"]


def test_mnist_downloads_what_is_missing(tmp_path, monkeypatch):
    images, labels = digits()
    formats.write_mnist(tmp_path / "made", (images, labels), (images, labels))
    raw, served = tmp_path / "made" / "MNIST" / "raw", tmp_path / "served"
    served.mkdir()
    resources = []
    for path in sorted(raw.iterdir()):
        data = gzip.compress(path.read_bytes())
        (served / f"{path.name}.gz").write_bytes(data)
        resources.append((f"{path.name}.gz", hashlib.md5(data).hexdigest()))
    monkeypatch.setattr(datasets.MNIST, "resources", resources)
    with server(served) as address:
        monkeypatch.setattr(datasets.MNIST, "mirrors", ["http://127.0.0.1:9/", address])
        data = datasets.MNIST(tmp_path / "root", download=True)
        np.testing.assert_array_equal(data.data.numpy(), images)
    assert len(datasets.MNIST(tmp_path / "root", train=False, download=True)) == 7
    with pytest.raises(RuntimeError, match="Error downloading"):
        datasets.MNIST(tmp_path / "other", download=True)


def test_cifar_downloads_and_unpacks(tmp_path, monkeypatch):
    formats.write_cifar10(tmp_path, cifar(), cifar(4), ["a", "b", "c"])
    archive = tmp_path / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "cifar-10-batches-py", "cifar-10-batches-py")

    def sums(names):
        return [[name, download.md5_of(tmp_path / "cifar-10-batches-py" / name)] for name in names]

    monkeypatch.setattr(datasets.CIFAR10, "tgz_md5", download.md5_of(archive))
    monkeypatch.setattr(datasets.CIFAR10, "train_list", sums([f"data_batch_{i}" for i in range(1, 6)]))
    monkeypatch.setattr(datasets.CIFAR10, "test_list", sums(["test_batch"]))
    monkeypatch.setattr(datasets.CIFAR10, "meta", {**datasets.CIFAR10.meta, "md5": sums(["batches.meta"])[0][1]})
    with server(tmp_path) as address:
        monkeypatch.setattr(datasets.CIFAR10, "url", address + archive.name)
        assert len(datasets.CIFAR10(tmp_path / "root", download=True)) == 11
    (tmp_path / "root" / "cifar-10-batches-py" / "test_batch").write_bytes(b"damaged")
    with pytest.raises(RuntimeError, match="Dataset not found or corrupted"):
        datasets.CIFAR10(tmp_path / "root")


def test_archives_stay_in_their_folder(tmp_path):
    (tmp_path / "evil").write_text("x")
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        tar.add(tmp_path / "evil", "../escaped")
    with pytest.raises(tarfile.FilterError):
        download.extract_archive(str(tmp_path / "evil.tar"), str(tmp_path / "inner"))
    assert not (tmp_path / "escaped").exists()
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"text"))
    unpacked = download.extract_archive(str(tmp_path / "a.gz"), remove_finished=True)
    assert pathlib.Path(unpacked).read_text() == "text"
    assert not (tmp_path / "a.gz").exists()
    (tmp_path / "a.what").write_text("x")
    with pytest.raises(RuntimeError, match="Unknown compression or archive type"):
        download.extract_archive(str(tmp_path / "a.what"))
