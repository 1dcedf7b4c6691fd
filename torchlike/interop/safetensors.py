"""safetensors files: named tensors without any code, as Hugging Face's hub has them.

The functions are those of ``safetensors.torch``. The safetensors library writes, and checks what is read.
"""

import json
import os
import struct
from typing import Any

import numpy as np

import torchlike as torch
from torchlike._src import atomic
from torchlike._src.formats import tensors
from torchlike._src.tensor import dtypes

__all__ = ["load", "load_file", "save", "save_file"]

#: The format's names of types.
_DTYPES = {
    "BOOL": dtypes.bool_, "U8": dtypes.uint8, "I8": dtypes.int8, "U16": dtypes.uint16, "I16": dtypes.int16,
    "U32": dtypes.uint32, "I32": dtypes.int32, "U64": dtypes.uint64, "I64": dtypes.int64, "F16": dtypes.float16,
    "BF16": dtypes.bfloat16, "F32": dtypes.float32, "F64": dtypes.float64, "C64": dtypes.complex64,
    "F8_E4M3": dtypes.float8_e4m3fn, "F8_E4M3FNUZ": dtypes.float8_e4m3fnuz, "F8_E5M2": dtypes.float8_e5m2,
    "F8_E5M2FNUZ": dtypes.float8_e5m2fnuz, "F8_E8M0": dtypes.float8_e8m0fnu,
}  # fmt: skip


def save_file(
    tensors: dict[str, "torch.Tensor"], filename: str | os.PathLike[str], metadata: dict[str, str] | None = None
) -> None:
    """Write named tensors to a file, which takes the place of an old one when it is complete.

    Args:
        tensors: contiguous, and without shared memory: the format has no word for it.
        filename: where to.
        metadata: strings to keep beside them.
    Raises:
        RuntimeError: if tensors share memory.
        ValueError: if one is not contiguous.
    """
    from safetensors import serialize_file

    specs, alive = _specs(tensors)
    with atomic.replacing(os.fspath(filename)) as file:
        serialize_file(specs, file.name, metadata=metadata)
    del alive


def save(tensors: dict[str, "torch.Tensor"], metadata: dict[str, str] | None = None) -> bytes:
    """As `save_file`, into bytes."""
    from safetensors import serialize

    specs, alive = _specs(tensors)
    data = bytes(serialize(specs, metadata=metadata))
    del alive
    return data


def load_file(filename: str | os.PathLike[str], device: Any = "cpu", **_: Any) -> dict[str, "torch.Tensor"]:
    """Read a file's tensors. The file is mapped into memory; data is read when it is used.

    Args:
        filename: where from.
        device: where the tensors go.
    Raises:
        safetensors.SafetensorError: for a damaged file.
    """
    from safetensors import safe_open

    path = os.fspath(filename)
    with safe_open(path, framework="np"):  # checks the header, and that all of the data is there
        pass
    return _tensors(np.memmap(path, np.uint8, "c"), device)


def load(data: bytes) -> dict[str, "torch.Tensor"]:
    """As `load_file`, from bytes."""
    from safetensors import deserialize

    deserialize(data)  # checks
    return _tensors(np.frombuffer(bytearray(data), np.uint8), "cpu")


def _tensors(memory: np.ndarray, device: Any) -> dict[str, "torch.Tensor"]:
    """The tensors of a file that the library has checked."""
    device = tensors.checked_device(f"cuda:{device}" if isinstance(device, int) else device)
    (size,) = struct.unpack("<Q", memory[:8].tobytes())
    header = json.loads(memory[8 : 8 + size].tobytes())
    header.pop("__metadata__", None)
    found = {}
    for name, entry in header.items():
        dtype = _DTYPES.get(entry["dtype"])
        if dtype is None:
            raise NotImplementedError(f"{name} is of type {entry['dtype']}, which torchlike does not have")
        start, end = (8 + size + offset for offset in entry["data_offsets"])
        found[name] = tensors.from_memory(memory[start:end], dtype, tuple(entry["shape"]), device)
    return found


def _specs(named: dict[str, "torch.Tensor"]) -> tuple[dict[str, Any], list[np.ndarray]]:
    """What the library wants, and the arrays that it points to."""
    from safetensors import TensorSpec

    if not isinstance(named, dict) or not all(isinstance(t, torch.Tensor) for t in named.values()):
        raise ValueError(f"Expected a dict of [str, torch.Tensor] but received {type(named).__name__}")
    storages: dict[int, list[str]] = {}
    for name, tensor in named.items():
        if tensor.numel():
            storages.setdefault(id(tensors.storage_of(tensor)[0]), []).append(name)
    shared = [names for names in storages.values() if len(names) > 1]
    if shared:
        raise RuntimeError(
            f"Some tensors share memory, this will lead to duplicate memory on disk and potential differences when "
            f"loading them again: {shared}. Save one of each group, or clone the others."
        )
    specs, alive = {}, []
    for name, tensor in named.items():
        if not tensor.is_contiguous():
            raise ValueError(
                f"You are trying to save a non contiguous tensor: `{name}` which is not allowed. Pack it before saving "
                "(`.contiguous()`)."
            )
        array = np.ascontiguousarray(tensor.detach()._numpy("saving"))
        alive.append(array)
        specs[name] = TensorSpec(
            dtype=tensor.dtype.name, shape=list(tensor.shape), data_ptr=array.ctypes.data, data_len=array.nbytes
        )
    return specs, alive
