"""``torch.accelerator``: whatever device JAX computes on besides the CPU."""

from typing import Any

from torchlike import cuda as _cuda
from torchlike._src import engine
from torchlike._src.tensor import devices as _devices
from torchlike._src.tensor.devices import device

__all__ = ["current_accelerator", "current_device_index", "device_count", "is_available", "set_device_index", "synchronize"]


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


def set_device_index(device: Any) -> None:
    """Choose the current one."""
    found = current_accelerator()
    if found is None:
        raise RuntimeError("JAX sees no accelerator here.")
    _devices._current_index[found.type] = device if isinstance(device, int) else (device.index or 0)


set_device_idx, current_device_idx = set_device_index, current_device_index


def synchronize(device: Any = None, /) -> None:
    """Run what was recorded and wait until it is done."""
    engine.synchronize()


def empty_cache() -> None:
    """Give memory that is not in use back to the system."""
    _cuda.empty_cache()
