"""What XLA's allocator tells of a GPU's memory, under torch's names."""

import warnings
from collections import OrderedDict
from typing import Any

from torchlike._src.tensor import devices as _devices
from torchlike._src.tensor.devices import device as _device

#: torch's names for what XLA counts.
STATISTICS = {
    "active_bytes.all.current": "bytes_in_use", "active_bytes.all.peak": "peak_bytes_in_use",
    "allocated_bytes.all.current": "bytes_in_use", "allocated_bytes.all.peak": "peak_bytes_in_use",
    "allocation.all.allocated": "num_allocs", "reserved_bytes.all.current": "pool_bytes",
    "reserved_bytes.all.peak": "peak_pool_bytes",
}  # fmt: skip


def _found(device: Any) -> dict[str, int]:
    if not _devices.count("cuda"):
        return {}
    where = device if isinstance(device, _device) else _device("cuda", device) if not isinstance(device, str) else _device(device)
    return _devices.place_of(where).device.memory_stats() or {}


def memory_stats(device: Any = None) -> dict[str, Any]:
    """What is known of the memory of a GPU: ``"allocated_bytes.all.current"`` and so on; nothing where there is none."""
    found = _found(device)
    return OrderedDict((name, int(found[xla])) for name, xla in sorted(STATISTICS.items()) if xla in found)


def memory_stats_as_nested_dict(device: Any = None) -> dict[str, Any]:
    """`memory_stats` by the parts of the names."""
    nested: dict[str, Any] = {}
    for name, value in memory_stats(device).items():
        *path, last = name.split(".")
        at = nested
        for part in path:
            at = at.setdefault(part, {})
        at[last] = value
    return nested


def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    """`memory_stats` as a table for people."""
    lines = [f"{name:<32} {value / 2**20:>12.1f} MiB" if "bytes" in name else f"{name:<32} {value:>12}"
             for name, value in memory_stats(device).items()]  # fmt: skip
    return "\n".join(["CUDA memory, as XLA's allocator counts it", *(lines or ["no GPU"])])


def host_memory_stats() -> dict[str, Any]:
    """Nothing: JAX keeps no pool of pinned memory."""
    return OrderedDict()


def host_memory_stats_as_nested_dict() -> dict[str, Any]:
    """Nothing: JAX keeps no pool of pinned memory."""
    return {}


def _old(old: str, new: str) -> None:
    warnings.warn(f"`torch.cuda.{old}` has been renamed to `torch.cuda.{new}`", FutureWarning, stacklevel=3)


def memory_cached(device: Any = None) -> int:
    """Old name of `torch.cuda.memory_reserved`."""
    _old("memory_cached", "memory_reserved")
    return memory_stats(device).get("reserved_bytes.all.current", 0)


def max_memory_cached(device: Any = None) -> int:
    """Old name of `torch.cuda.max_memory_reserved`."""
    _old("max_memory_cached", "max_memory_reserved")
    return memory_stats(device).get("reserved_bytes.all.peak", 0)


def get_allocator_backend() -> str:
    """``"native"``: XLA's own, which torch has no word for."""
    return "native"
