"""``torch.cpu``: what ``torch.cuda`` has, for code that takes either."""

import contextlib
import os
import platform
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from torchlike._src import engine

__all__ = [
    "Event", "Stream", "StreamContext", "current_device", "current_stream", "device_count", "get_capabilities", "is_available",
    "is_initialized", "set_device", "stream", "synchronize",
]  # fmt: skip


def is_available() -> bool:
    """True: there is always a CPU."""
    return True


def is_initialized() -> bool:
    """True: there is nothing to prepare."""
    return True


def device_count() -> int:
    """1: the CPU is one device, however many cores it has."""
    return 1


def current_device() -> str:
    """``"cpu"``."""
    return "cpu"


def set_device(device: Any) -> None:
    """Nothing to choose from."""


def synchronize(device: Any = None) -> None:
    """Run what was recorded and wait until it is done."""
    engine.synchronize()


class Stream:
    """A queue of work, of which the CPU has one."""

    def __init__(self, priority: int = -1) -> None: ...

    def wait_stream(self, stream: Any) -> None:
        """Nothing to wait for."""

    def record_event(self) -> None:
        """Nothing to mark."""

    def wait_event(self, event: Any) -> None:
        """Nothing to wait for."""


class Event:
    """A mark in the work of the CPU, which is always reached."""

    def query(self) -> bool:
        """True."""
        return True

    def record(self, stream: Any = None) -> None:
        """Nothing to mark."""

    def synchronize(self) -> None:
        """Nothing to wait for."""

    def wait(self, stream: Any = None) -> None:
        """Nothing to wait for."""


_current = Stream()


def current_stream(device: Any = None) -> Stream:
    """The stream that `stream` has chosen."""
    return _current


class StreamContext(contextlib.AbstractContextManager):  # type: ignore[type-arg]
    """A context in which `current_stream` is another; None changes nothing."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def __enter__(self) -> None:
        global _current
        self.prev_stream = _current
        if self.stream is not None:
            _current = self.stream

    def __exit__(self, *_: object) -> None:
        global _current
        _current = self.prev_stream


def stream(stream: Any) -> StreamContext:
    """The context of a stream."""
    return StreamContext(stream)


#: torch's names where Linux has others.
_FLAGS = {
    "sse": "sse", "sse2": "sse2", "sse3": "pni", "ssse3": "ssse3", "sse4_1": "sse4_1", "sse4_2": "sse4_2", "sse4a": "sse4a",
    "avx": "avx", "avx2": "avx2", "avx_vnni": "avx_vnni", "avx512_f": "avx512f", "avx512_cd": "avx512cd", "avx512_dq": "avx512dq",
    "avx512_bw": "avx512bw", "avx512_vl": "avx512vl", "avx512_ifma": "avx512ifma", "avx512_vbmi": "avx512vbmi",
    "avx512_vbmi2": "avx512_vbmi2", "avx512_bitalg": "avx512_bitalg", "avx512_vpopcntdq": "avx512_vpopcntdq",
    "avx512_vnni": "avx512_vnni", "avx512_bf16": "avx512_bf16", "avx512_fp16": "avx512_fp16",
    "avx512_vp2intersect": "avx512_vp2intersect", "amx_bf16": "amx_bf16", "amx_tile": "amx_tile", "amx_int8": "amx_int8",
    "amx_fp16": "amx_fp16", "fma3": "fma", "fma4": "fma4", "f16c": "f16c", "bmi": "bmi1", "bmi2": "bmi2", "popcnt": "popcnt",
    "lzcnt": "abm", "aes": "aes", "sha": "sha_ni", "clflush": "clflush", "clflushopt": "clflushopt", "clwb": "clwb",
}  # fmt: skip


@lru_cache(None)
def get_capabilities() -> Mapping[str, Any]:
    """What the processor can do, by torch's names, read from ``/proc/cpuinfo``; where that is missing, its kind and cores only."""
    found: dict[str, Any] = {"architecture": platform.machine(), "num_logical_cores": os.cpu_count() or 1}
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as file:
        lines = dict(line.strip().split(":", 1) for line in file if ":" in line)
        facts = {key.strip(): value.strip() for key, value in lines.items()}
        flags = set(facts.get("flags", "").split())
        found.update({name: linux in flags for name, linux in _FLAGS.items()} if flags else {})
        if "model name" in facts:
            found["cpu_name"] = facts["model name"]
    return MappingProxyType(found)
