"""Host memory: settings of the C allocator and of the garbage collector, and copies that JAX can take over."""

import contextlib
import ctypes
import gc
import os
import sys

import numpy as np


def mappings_run_out() -> bool:
    """Whether most of the mappings that Linux lets a process have are taken: by machine code, as a rule.

    An executable takes four or five of them, a process may have 65,530 by default, and at the next one XLA dies of a fault.
    """
    try:
        with open("/proc/sys/vm/max_map_count") as limit, open("/proc/self/maps", "rb") as maps:
            return sum(1 for _ in maps) > 0.6 * int(limit.read())
    except OSError:  # not Linux
        return False


def keep() -> None:
    """Let glibc keep large blocks: fresh ones page-fault at every step (20.5 ms against 3.8 for a 38 MB gather)."""
    if not sys.platform.startswith("linux") or os.environ.get("TORCHLIKE_MALLOC", "1") == "0":
        return
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        trim_threshold, mmap_max = -1, -4
        libc.mallopt(mmap_max, 0)
        libc.mallopt(trim_threshold, 2**31 - 1)


#: Objects that may be made before young garbage is looked for: more than the tape of one step has.
_YOUNG = 50_000


def collect_less_often() -> None:
    """Let a step's tape live and die without being searched for cycles, of which it has none.

    With Python's own threshold (700) a tape of 600 ops is searched some eight times while it grows, and its survivors bring on full
    collections, of 100 ms each, every few steps.
    """
    young, *older = gc.get_threshold()
    if 0 < young < _YOUNG:  # 0: somebody has turned it off
        gc.set_threshold(_YOUNG, *older)


def trim() -> None:
    """Give freed memory back to the system."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def private_copy(array: np.ndarray) -> np.ndarray:
    """A C-ordered copy that nobody else holds, 64-byte aligned so that JAX takes it over without another copy."""
    if array.nbytes < 65536:
        return np.array(array, order="C")
    buffer = np.empty(array.nbytes + 64, np.uint8)
    start = -buffer.ctypes.data % 64
    copy = buffer[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    np.copyto(copy, array)
    return copy
