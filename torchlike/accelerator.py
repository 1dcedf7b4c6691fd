"""``torch.accelerator``: whatever device JAX computes on besides the CPU."""

import importlib
from collections import OrderedDict
from types import ModuleType
from typing import Any

from torchlike import cuda as _cuda
from torchlike._src import engine, streams as _streams
from torchlike._src.tensor import devices as _devices
from torchlike._src.tensor.devices import device

__all__ = [
    "current_accelerator", "current_device_idx", "current_device_index", "current_stream", "device_count", "device_index",
    "empty_cache", "empty_host_cache", "get_device_capability", "get_memory_info", "is_available", "max_memory_allocated",
    "max_memory_reserved", "memory_allocated", "memory_reserved", "memory_stats", "reset_accumulated_memory_stats",
    "reset_peak_memory_stats", "set_device_idx", "set_device_index", "set_stream", "synchronize",
]  # fmt: skip


def current_accelerator(check_available: bool = False) -> device | None:
    """``cuda`` or ``xla`` where there is one, else None."""
    for kind in ("cuda", "xla"):
        if _devices.count(kind):
            return device(kind)
    return None


def is_available() -> bool:
    """Whether there is an accelerator."""
    return current_accelerator() is not None


def device_count() -> int:
    """How many there are."""
    found = current_accelerator()
    return 0 if found is None else _devices.count(found.type)


def current_device_index() -> int:
    """The number of the current one."""
    found = current_accelerator()
    return 0 if found is None else _devices._current_index[found.type]


def _needed() -> device:
    found = current_accelerator()
    if found is None:
        raise RuntimeError("Cannot access accelerator device when none is available.")
    return found


def _index(where: Any) -> int:
    """The number of a device that is given by number, name or `torch.device`; None: that of the current one."""
    kind = _needed().type
    if isinstance(where, int):
        return where
    wanted = device(kind) if where is None else device(where)
    if wanted.type != kind:
        raise ValueError(f"{wanted.type} doesn't match the current accelerator {kind}.")
    return _devices._current_index[kind] if wanted.index is None else wanted.index


def _chosen(where: Any) -> device:
    """The device that is meant by one of the ways to give it."""
    return device(_needed().type, _index(where))


def set_device_index(device: Any, /) -> None:
    """Choose the current one.

    Raises:
        RuntimeError: if there is none.
    """
    index = _index(device)
    _devices.place_of(_chosen(index))
    _devices._current_index[_needed().type] = index


set_device_idx, current_device_idx = set_device_index, current_device_index


def synchronize(device: Any = None, /) -> None:
    """Run what was recorded and wait until it is done."""
    engine.synchronize()


def empty_cache() -> None:
    """Give memory that is not in use back to the system."""
    _cuda.empty_cache()


def empty_host_cache() -> None:
    """Give memory of the host that is not in use back to the system."""
    _needed()
    _cuda.empty_cache()


class device_index:
    """A context in which another device is the current one; None changes nothing."""

    def __init__(self, device: int | None, /) -> None:
        self.idx = device

    def __enter__(self) -> None:
        if self.idx is not None:
            self.before = current_device_index()
            set_device_index(self.idx)

    def __exit__(self, *_: object) -> None:
        if self.idx is not None:
            set_device_index(self.before)


def get_device_capability(device: Any = None, /) -> dict[str, Any]:
    """What a device can do: ``supported_dtypes``."""
    from torchlike._src.tensor import dtypes

    _devices.place_of(_chosen(device))
    return {"supported_dtypes": set(dtypes.ALL)}


def current_stream(device: Any = None, /) -> _streams.Stream:
    """The current stream of a device."""
    return _streams.current_stream(_chosen(device))


def set_stream(stream: _streams.Stream) -> None:
    """Make a stream the current one of its device, and the device the current one."""
    _needed()
    set_device_index(stream.device)
    _streams.set_stream(stream)


def _stats(where: Any) -> dict[str, int]:
    return _devices.place_of(_chosen(where)).device.memory_stats() or {}


def memory_stats(device_index: Any = None, /) -> "OrderedDict[str, Any]":
    """What XLA's allocator says of a device's memory, by torch's names."""
    found = _stats(device_index)
    return OrderedDict((name, int(found[xla])) for name, xla in sorted(_cuda._STATISTICS.items()) if xla in found)


def memory_allocated(device_index: Any = None, /) -> int:
    """Bytes in use."""
    return memory_stats(device_index).get("allocated_bytes.all.current", 0)


def max_memory_allocated(device_index: Any = None, /) -> int:
    """The most bytes that were in use."""
    return memory_stats(device_index).get("allocated_bytes.all.peak", 0)


def memory_reserved(device_index: Any = None, /) -> int:
    """Bytes that XLA's allocator holds."""
    return memory_stats(device_index).get("reserved_bytes.all.current", 0)


def max_memory_reserved(device_index: Any = None, /) -> int:
    """The most bytes that XLA's allocator held."""
    return memory_stats(device_index).get("reserved_bytes.all.peak", memory_reserved(device_index))


def get_memory_info(device_index: Any = None, /) -> tuple[int, int]:
    """(free, total) bytes."""
    found = _stats(device_index)
    total = int(found.get("bytes_limit", 0))
    return total - int(found.get("bytes_in_use", 0)), total


def reset_peak_memory_stats(device_index: Any = None, /) -> None:
    """XLA keeps one peak for the whole process; it cannot be reset."""
    _chosen(device_index)


def reset_accumulated_memory_stats(device_index: Any = None, /) -> None:
    """XLA keeps its counts for the whole process; they cannot be reset."""
    _chosen(device_index)


def get_device_module(device: Any = None) -> ModuleType:
    """The module of a type of device: ``torch.cpu`` or ``torch.cuda``; by default that of the accelerator.

    Raises:
        RuntimeError: for what is no device, or one without a module.
    """
    if device is not None and not isinstance(device, (str, _devices.device)):
        raise RuntimeError(f"Invalid value of device '{device}', expect torch.device, str, or None")
    found = (current_accelerator() or _devices.device("cpu")) if device is None else _devices.device(device)
    if found.type not in ("cpu", "cuda"):
        raise RuntimeError(f"Device '{found.type}' does not have a corresponding module registered as 'torch.{found.type}'.")
    return importlib.import_module(f"torchlike.{found.type}")
