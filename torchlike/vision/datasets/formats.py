"""The file formats of MNIST (idx) and CIFAR (pickles of NumPy arrays): reading with every check, and writing."""

import gzip
import io
import os
import pickle
import struct
from typing import Any

import numpy as np

_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_IDX_CODES = {np.dtype(name[1:]): code for code, name in _IDX_TYPES.items()}


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """Read an idx file, compressed with gzip or not.

    Returns:
        The array, in the byte order of this machine.
    Raises:
        ValueError: if it is no idx file, or its data is not as long as its header says.
    """
    with open(path, "rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path) if compressed else open(path, "rb") as file:
            data = file.read()
    except (OSError, EOFError) as error:
        raise ValueError(f"{os.fspath(path)} is damaged: {error}") from None
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in _IDX_TYPES:
        raise ValueError(f"{os.fspath(path)} is no idx file: it begins with {data[:4].hex(' ')}")
    dtype, ndim = np.dtype(_IDX_TYPES[data[2]]), data[3]
    start = 4 + 4 * ndim
    if len(data) < start:
        raise ValueError(f"{os.fspath(path)} is cut short: its header says {ndim} dimensions")
    shape = struct.unpack_from(f">{ndim}I", data, 4)
    count = 1
    for n in shape:
        count *= n
    if len(data) - start != count * dtype.itemsize:
        raise ValueError(
            f"{os.fspath(path)} should hold {count} values of {dtype.itemsize} bytes (shape {shape}), but has "
            f"{len(data) - start} bytes of data"
        )
    return np.frombuffer(data, dtype, count, start).reshape(shape).astype(dtype.str[1:])


def write_idx(path: str | os.PathLike[str], array: np.ndarray) -> None:
    """Write an array as an idx file, compressed if the name ends in ``.gz``.

    Raises:
        ValueError: for a type that the format lacks.
    """
    code = _IDX_CODES.get(array.dtype.newbyteorder("="))
    if code is None:
        raise ValueError(f"idx files hold uint8, int8, int16, int32, float32 or float64, not {array.dtype}")
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    data = header + np.ascontiguousarray(array, np.dtype(_IDX_TYPES[code])).tobytes()
    if os.fspath(path).endswith(".gz"):
        data = gzip.compress(data, mtime=0)
    with open(path, "wb") as file:
        file.write(data)


def write_mnist(
    root: str | os.PathLike[str],
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    name: str = "MNIST",
) -> None:
    """Write images and labels as the files of MNIST, where ``MNIST(root)`` finds them.

    Args:
        root: what is passed to `MNIST`.
        train: images, uint8, shape ``(N, H, W)``, and labels from 0 to 9, shape ``(N,)``.
        test: likewise.
        name: the dataset class's name.
    """
    folder = os.path.join(root, name, "raw")
    os.makedirs(folder, exist_ok=True)
    for prefix, (images, labels) in (("train", train), ("t10k", test)):
        write_idx(os.path.join(folder, f"{prefix}-images-idx3-ubyte"), np.asarray(images, np.uint8))
        write_idx(os.path.join(folder, f"{prefix}-labels-idx1-ubyte"), np.asarray(labels, np.uint8))


def read_cifar(data: bytes) -> dict[str, Any]:
    """Read one of CIFAR's pickles without running anything that it names: it may build arrays, and nothing else.

    Raises:
        pickle.UnpicklingError: for a file of another kind.
    """
    try:
        found = _ArraysOnly(io.BytesIO(data), encoding="latin1").load()
    except (EOFError, ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError) as error:
        raise pickle.UnpicklingError(f"this is no file of CIFAR: {error}") from error
    if not isinstance(found, dict):
        raise pickle.UnpicklingError("this is no file of CIFAR: it holds no dict")
    return {key.decode("latin1") if isinstance(key, bytes) else key: value for key, value in found.items()}


class _ArraysOnly(pickle.Unpickler):
    """Knows the names that NumPy's arrays use in pickles."""

    def find_class(self, module: str, name: str) -> Any:
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return np.empty(0).__reduce__()[0]
        if (module, name) == ("numpy", "ndarray"):
            return np.ndarray
        if (module, name) == ("numpy", "dtype"):
            return np.dtype
        if (module, name) == ("_codecs", "encode"):
            return lambda text, encoding: text.encode("latin1")
        raise pickle.UnpicklingError(f"a file of CIFAR may not name {module}.{name}")


def write_cifar10(
    root: str | os.PathLike[str], train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray],
    classes: list[str],
) -> None:  # fmt: skip
    """Write images and labels as the unpacked files of CIFAR-10 (their checksums differ from the real ones').

    Args:
        root: what is passed to `CIFAR10`.
        train: images, uint8, shape ``(N, 32, 32, 3)``, and labels, shape ``(N,)``.
        test: likewise.
        classes: the labels' names.
    """
    folder = os.path.join(root, "cifar-10-batches-py")
    os.makedirs(folder, exist_ok=True)
    parts = list(zip(np.array_split(train[0], 5), np.array_split(train[1], 5), strict=True))
    named = {f"data_batch_{i + 1}": part for i, part in enumerate(parts)} | {"test_batch": test}
    for name, (images, labels) in named.items():
        rows = np.asarray(images, np.uint8).transpose(0, 3, 1, 2).reshape(len(images), -1)
        _dump(os.path.join(folder, name), {"data": rows, "labels": [int(label) for label in labels]})
    _dump(os.path.join(folder, "batches.meta"), {"label_names": list(classes), "num_vis": 3072})


def _dump(path: str, contents: dict[str, Any]) -> None:
    with open(path, "wb") as file:
        pickle.dump(contents, file, protocol=2)
