"""``torch.cuda``: JAX's GPUs under torch's names."""

import importlib
from typing import Any

from torchlike._src import engine
from torchlike._src.engine import memory as _host_memory
from torchlike._src.engine.errors import AcceleratorError as AcceleratorError, OutOfMemoryError as OutOfMemoryError
from torchlike._src.random.generator import default_generator
from torchlike._src.tensor import devices as _devices, legacy as _legacy
from torchlike._src.tensor.core import Tensor
from torchlike._src.tensor.devices import device as _device
from torchlike.cuda import memory as memory, random as random, streams as streams
from torchlike.cuda.memory import (
    STATISTICS as _STATISTICS,
    get_allocator_backend as get_allocator_backend,
    host_memory_stats as host_memory_stats,
    host_memory_stats_as_nested_dict as host_memory_stats_as_nested_dict,
    max_memory_cached as max_memory_cached,
    memory_cached as memory_cached,
    memory_stats as memory_stats,
    memory_stats_as_nested_dict as memory_stats_as_nested_dict,
    memory_summary as memory_summary,
)
from torchlike.cuda.random import (
    get_rng_state as get_rng_state,
    get_rng_state_all as get_rng_state_all,
    initial_seed as initial_seed,
    manual_seed as manual_seed,
    manual_seed_all as manual_seed_all,
    seed as seed,
    seed_all as seed_all,
    set_rng_state as set_rng_state,
    set_rng_state_all as set_rng_state_all,
)
from torchlike.cuda.streams import (
    Event as Event,
    Stream as Stream,
    StreamContext as StreamContext,
    current_stream as current_stream,
    default_stream as default_stream,
    set_stream as set_stream,
    stream as stream,
)

__all__ = [
    "AcceleratorError", "CudaError", "Event", "OutOfMemoryError", "Stream", "StreamContext", "can_device_access_peer", "check_error",
    "cudaStatus", "current_device", "current_stream", "default_stream", "device", "device_count", "device_of", "empty_cache",
    "get_allocator_backend", "get_arch_list", "get_device_capability", "get_device_name", "get_device_properties",
    "get_gencode_flags", "get_rng_state", "get_rng_state_all", "has_half", "has_magma", "host_memory_stats",
    "host_memory_stats_as_nested_dict", "init", "initial_seed", "ipc_collect", "is_available", "is_bf16_supported",
    "is_current_stream_capturing", "is_initialized", "is_tf32_supported", "manual_seed", "manual_seed_all", "max_memory_allocated",
    "max_memory_cached", "max_memory_reserved", "mem_get_info", "memory_allocated", "memory_cached", "memory_reserved",
    "memory_stats", "memory_stats_as_nested_dict", "memory_summary", "reset_accumulated_memory_stats",
    "reset_max_memory_allocated", "reset_max_memory_cached", "reset_peak_memory_stats", "seed", "seed_all", "set_device",
    "set_rng_state", "set_rng_state_all", "set_stream", "stream", "synchronize",
]  # fmt: skip


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


reset_max_memory_allocated = reset_max_memory_cached = reset_accumulated_memory_stats = reset_peak_memory_stats


def empty_cache() -> None:
    """Give memory that is not in use back to the system."""
    _host_memory.trim()


def synchronize(device: Any = None) -> None:
    """Run what was recorded and wait until it is done."""
    engine.synchronize()


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether bfloat16 can be used: always, under XLA."""
    return is_available()


def is_tf32_supported() -> bool:
    """Whether the GPU has TensorFloat-32: from compute capability 8.0 on."""
    return is_available() and get_device_capability() >= (8, 0)


def get_arch_list() -> list[str]:
    """Empty: XLA compiles for the GPU that is there."""
    return []


def get_gencode_flags() -> str:
    """Empty: XLA compiles for the GPU that is there."""
    return ""


def can_device_access_peer(device: Any, peer_device: Any) -> bool:
    """Whether XLA copies directly between two different GPUs of this process: it does."""
    first, second = (_devices.place_of(_device("cuda", d) if isinstance(d, int) else _device(d)) for d in (device, peer_device))
    return first is not second


def ipc_collect() -> None:
    """Nothing to collect: JAX shares no GPU memory with other processes."""


def is_current_stream_capturing() -> bool:
    """False: there are no graphs to capture; a step is one program anyway."""
    return False


class device_of(device):
    """A context in which ``"cuda"`` means the GPU of a tensor; another tensor changes nothing."""

    def __init__(self, obj: Any) -> None:
        self.index = obj.get_device() if getattr(obj, "is_cuda", False) else None


class CudaError(RuntimeError):
    """An error of CUDA's runtime, by its number."""

    def __init__(self, code: int) -> None:
        super().__init__(f"CUDA error {code}")


class cudaStatus:
    """Numbers of CUDA's runtime."""

    SUCCESS: int = 0
    ERROR_NOT_READY: int = 34


def check_error(res: int) -> None:
    """Raise `CudaError` unless a number says success."""
    if res != cudaStatus.SUCCESS:
        raise CudaError(res)


class _OnGpu(type):
    """The class of ``torch.cuda.FloatTensor`` and its like."""

    dtype: Any

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Tensor) and instance.is_cuda and instance.dtype is cls.dtype

    def __call__(cls, *args: Any) -> Tensor:
        if not is_available():
            raise TypeError(f"type torch.cuda.{cls.__name__} not available. Torch not compiled with CUDA enabled.")
        return _legacy.TYPED[cls.__name__](*args).cuda()


globals().update(
    {name: _OnGpu(name, (), {"dtype": made.dtype, "__module__": "torch.cuda"})
     for name, made in _legacy.TYPED.items() if made.dtype.name[:4] not in ("uint", "comp") or made.dtype.name == "uint8"}  # type: ignore[attr-defined]
)  # fmt: skip
has_half = True
has_magma = False


def __getattr__(name: str) -> Any:
    if name == "default_generators":  # when it is asked for: counting GPUs starts JAX
        return tuple([default_generator] * device_count())
    if name == "amp":  # stands above this module
        return importlib.import_module("torchlike.cuda.amp")
    raise AttributeError(f"module 'torch.cuda' has no attribute {name!r}")
