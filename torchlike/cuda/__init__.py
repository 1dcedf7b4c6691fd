"""``torch.cuda``: JAX's GPUs under torch's names."""

import contextlib
import importlib
from collections.abc import Iterator
from typing import Any

from torchlike._src import engine
from torchlike._src.engine import memory
from torchlike._src.random.generator import default_generator, manual_seed
from torchlike._src.tensor import devices as _devices
from torchlike._src.tensor.devices import device as _device

__all__ = [
    "current_device", "device", "device_count", "empty_cache", "get_device_name", "get_device_properties", "init",
    "is_available", "is_bf16_supported", "is_initialized", "manual_seed", "manual_seed_all", "max_memory_allocated",
    "mem_get_info", "memory_allocated", "memory_reserved", "reset_peak_memory_stats", "set_device", "synchronize",
]  # fmt: skip

manual_seed_all = manual_seed


def is_available() -> bool:
    """Whether JAX sees a GPU."""
    return device_count() > 0


def device_count() -> int:
    """How many GPUs JAX sees in this process."""
    return _devices.count("cuda")


def is_initialized() -> bool:
    return is_available()


def init() -> None:
    """Nothing to do: JAX starts its backends when they are first used."""


def _jax_device(device: Any = None) -> Any:
    if device is None or isinstance(device, int):
        device = _device("cuda", device)
    return _devices.place_of(device).device


def current_device() -> int:
    """The number of the GPU that ``"cuda"`` means."""
    _jax_device()
    return _devices._current_index["cuda"]


def set_device(device: Any) -> None:
    """Let ``"cuda"`` mean this GPU."""
    index = device if isinstance(device, int) else _device(device).index
    if index is not None and index >= 0:
        _devices.place_of(_device("cuda", index))
        _devices._current_index["cuda"] = index


class device:
    """A context in which ``"cuda"`` means another GPU."""

    def __init__(self, device: Any) -> None:
        self.index = device if isinstance(device, int) else _device(device).index

    def __enter__(self) -> None:
        self.before = _devices._current_index["cuda"]
        if self.index is not None and self.index >= 0:
            _devices._current_index["cuda"] = self.index

    def __exit__(self, *_: object) -> None:
        _devices._current_index["cuda"] = self.before


def get_device_name(device: Any = None) -> str:
    """The GPU's model name."""
    return _jax_device(device).device_kind


def get_device_properties(device: Any = None) -> Any:
    """Name and memory of a GPU."""
    import types

    d = _jax_device(device)
    stats = d.memory_stats() or {}
    major, minor = (*map(int, str(getattr(d, "compute_capability", "0.0")).split(".")), 0)[:2]
    return types.SimpleNamespace(
        name=d.device_kind, total_memory=stats.get("bytes_limit", 0), major=major, minor=minor,
        multi_processor_count=getattr(d, "core_count", 0),
    )  # fmt: skip


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """The compute capability."""
    found = get_device_properties(device)
    return found.major, found.minor


def _stat(name: str, device: Any) -> int:
    if not is_available():
        return 0
    return int((_jax_device(device).memory_stats() or {}).get(name, 0))


def memory_allocated(device: Any = None) -> int:
    """Bytes in use on the GPU."""
    return _stat("bytes_in_use", device)


def max_memory_allocated(device: Any = None) -> int:
    """The most bytes that were in use."""
    return _stat("peak_bytes_in_use", device)


def memory_reserved(device: Any = None) -> int:
    """Bytes that JAX's allocator holds."""
    return _stat("bytes_reserved", device) or _stat("pool_bytes", device)


max_memory_reserved = memory_reserved


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """(free, total) bytes."""
    total = _stat("bytes_limit", device)
    return total - memory_allocated(device), total


def reset_peak_memory_stats(device: Any = None) -> None:
    """JAX keeps one peak for the whole process; it cannot be reset."""


def empty_cache() -> None:
    """Give memory that is not in use back to the system."""
    memory.trim()


def synchronize(device: Any = None) -> None:
    """Run what was recorded and wait until it is done."""
    engine.synchronize()


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether bfloat16 can be used: always, under XLA."""
    return is_available()


def get_rng_state(device: Any = None) -> Any:
    """The state of the one generator there is."""
    return default_generator.get_state()


def set_rng_state(new_state: Any, device: Any = None) -> None:
    """Set the state of the one generator there is."""
    default_generator.set_state(new_state)


@contextlib.contextmanager
def stream(stream: Any) -> Iterator[None]:
    """XLA orders its own work: streams are accepted and change nothing."""
    yield


def __getattr__(name: str) -> Any:
    if name == "amp":  # stands above this module
        return importlib.import_module("torchlike.cuda.amp")
    raise AttributeError(f"module 'torchlike.cuda' has no attribute {name!r}")
