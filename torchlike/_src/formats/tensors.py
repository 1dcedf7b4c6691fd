"""Between files and Tensors: the only module here that knows how a Tensor keeps its data."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from torchlike._src.engine.value import host_value
from torchlike._src.tensor import core, devices, dtypes
from torchlike._src.tensor.core import Tensor
from torchlike._src.tensor.storage import Storage

if TYPE_CHECKING:
    from torchlike.storage import UntypedStorage

#: Views whose elements overlap (as those of `unfold`) are copied out to be read: a bound on what a small file can ask.
_LARGEST_OVERLAP = 1024


def from_memory(memory: np.ndarray, dtype: dtypes.dtype, size: tuple[int, ...], device: Any = "cpu") -> Tensor:
    """A tensor that takes over bytes which nobody else will write to."""
    array = memory.view(dtype.np).reshape(size)
    if dtype is dtypes.bool_ and (memory > 1).any():
        array = (memory != 0).reshape(size)  # bytes that are no bool confuse NumPy and XLA
    tensor = Tensor.__new__(Tensor)
    tensor._storage = Storage(host_value(array))
    device = as_device(device)
    return tensor if device.type == "cpu" else tensor.to(device)


def flat_tensor(memory: np.ndarray, dtype: dtypes.dtype, device: Any) -> Tensor:
    """As `from_memory`, of one dimension."""
    return from_memory(memory, dtype, (memory.nbytes // dtype.itemsize,), device)


def strided(
    storage: "UntypedStorage", dtype: dtypes.dtype, offset: int, size: tuple[int, ...], stride: tuple[int, ...]
) -> Tensor:
    """The tensor that sees a storage's memory in this way; it shares the memory with all others made from it.

    Bounds are the caller's to check. A tensor that covers the storage, as nearly all do, becomes its base.
    """
    numel = math.prod(size)
    if numel == 0:
        return _with_strides(from_memory(np.empty(0, np.uint8), dtype, size, storage._device), stride, offset)
    base = storage._base
    if offset == 0 and numel * dtype.itemsize == storage.nbytes() and is_contiguous(size, stride):
        if base is None:
            storage._base = base = from_memory(storage._array, dtype, size, storage._device)
            storage._array = None
            return _with_strides(base, stride, offset)
        if base.dtype is dtype and base.shape == size:
            return _with_strides(base.detach(), stride, offset)
    return _with_strides(_view(storage._flat(dtype), offset, size, stride), stride, offset)


def _view(base: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    """A view of a contiguous tensor's memory: by slicing, permuting and expanding, where that gives it."""
    flat = base.detach().view(-1)
    own = tuple(n if step else 1 for n, step in zip(size, stride, strict=True))  # without what is only repeated
    order = sorted(range(len(own)), key=lambda d: (-stride[d], own[d] == 1))
    dense = [own[d] for d in order]
    count = math.prod(own)
    if is_contiguous(tuple(dense), tuple(stride[d] for d in order)):
        view = flat[offset : offset + count].view(dense).permute([order.index(d) for d in range(len(own))])
    elif count > _LARGEST_OVERLAP * max(flat.numel(), 1024):
        raise RuntimeError(f"a saved tensor of size {list(size)} claims to lie in {flat.numel()} elements of memory")
    else:
        view = flat.as_strided(own, stride, offset)
    return view.expand(size)


def _with_strides(tensor: Tensor, stride: tuple[int, ...], offset: int) -> Tensor:
    """Note the strides of the file, which may say anything where a size is 1."""
    if stride != tensor.stride() or offset != tensor.storage_offset():
        tensor._geometry = (stride, offset)
    return tensor


def is_contiguous(size: tuple[int, ...], stride: tuple[int, ...]) -> bool:
    """Whether the elements lie one behind the other in row-major order."""
    step = 1
    for n, s in zip(reversed(size), reversed(stride), strict=True):
        if n != 1 and s != step:
            return 0 in size
        step *= n
    return True


def storage_of(owner: "Tensor | UntypedStorage") -> tuple[object, Any, int]:
    """What a tensor or a handle looks at: an object that stands for it, what holds it whole, and its bytes."""
    if not isinstance(owner, Tensor):
        if owner._base is None:
            return owner, owner, owner.nbytes()
        owner = owner._base
    whole = whole_of(owner)
    return owner._storage, whole, _extent(whole) * whole.element_size()


def whole_of(tensor: Tensor) -> Tensor:
    """A tensor that looks at all of the same storage."""
    return (tensor if tensor._base_tensor is None else tensor._base_tensor).detach()


def _extent(whole: Tensor) -> int:
    """How many elements its memory has, gaps included."""
    if whole.numel() == 0:
        return 0
    return 1 + sum((n - 1) * s for n, s in zip(whole.shape, whole.stride(), strict=True))


def memory_of(whole: Tensor) -> np.ndarray:
    """The bytes of a tensor that holds its storage whole, in the order that its strides say."""
    array = whole._numpy("saving")
    size, stride = tuple(whole.shape), tuple(whole.stride())
    if not is_contiguous(size, stride):
        memory = np.zeros(_extent(whole), array.dtype)
        steps = [s * array.itemsize for s in stride]
        np.lib.stride_tricks.as_strided(memory, size, steps)[...] = array
        array = memory
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


def attributes(tensor: Tensor) -> dict[str, Any]:
    """What a script has put on a tensor: the attributes that are not the tensor's own."""
    return {name: value for name, value in tensor.__dict__.items() if name not in core._INTERNAL}


def as_device(device: Any) -> devices.device:
    """A device, from its name if need be."""
    return device if isinstance(device, devices.device) else devices.device(device)


def checked_device(device: Any) -> devices.device:
    """A device that is there.

    Raises:
        RuntimeError: if it is not, as `torch.load` says it.
    """
    found = as_device(device)
    if found.type == "cpu":
        return found
    if found.type == "meta":
        raise NotImplementedError("map_location='meta' is not supported: torchlike has no meta tensors; use 'cpu'")
    kind = found.type.upper()
    there = devices.count(found.type) if found.type in ("cuda", "xla") else 0
    if not there:
        raise RuntimeError(
            f"Attempting to deserialize object on a {kind} device but torch.{found.type}.is_available() is False. If "
            "you are running on a CPU-only machine, please use torch.load with map_location=torch.device('cpu') to map "
            "your storages to the CPU."
        )
    if (found.index or 0) >= there:
        raise RuntimeError(
            f"Attempting to deserialize object on {kind} device {found.index} but torch.{found.type}.device_count() is "
            f"{there}. Please use torch.load with map_location to map your storages to an existing device."
        )
    return found
