"""The process: JAX's settings, the compile cache, forks, the device that programs run on."""

import contextlib
import logging
import os
import pathlib
from typing import Any

import jax
import numpy as np

from torchlike._src.engine import memory
from torchlike._src.engine.value import CPU, Place

#: NumPy arrays up to this many elements are computed on at once, by the ops that have a host rule.
SMALL = 1 << 18

_pid = os.getpid()
_used = False


def configure() -> None:
    """Settings of JAX and of Python's and C's memory that torchlike relies on; called once, at import."""
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_default_matmul_precision", "highest")
    memory.keep()
    memory.collect_less_often()
    _persist_programs()


def _persist_programs() -> None:
    """Keep compiled programs on disk (``TORCHLIKE_CACHE_DIR``; empty: off), so that a second start does not compile."""
    default = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "torchlike"
    folder = os.environ.get("TORCHLIKE_CACHE_DIR", str(default))
    if not folder or jax.config.jax_compilation_cache_dir:
        return
    jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    # On some CPUs every entry is refused with a page of log lines (jax#38445); the cache is best effort.
    logging.getLogger("jax._src.compiler").setLevel(logging.ERROR)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def check_process() -> None:
    """Refuse to compute in a forked child of a process that has used JAX: it would hang."""
    global _used, _pid
    pid = os.getpid()
    if pid != _pid:
        if _used:
            raise RuntimeError(
                "Cannot compute with JAX in a forked subprocess: the parent process has used it already, and a program "
                "run here would hang. Keep to NumPy and small host tensors in DataLoader workers, or pass "
                "multiprocessing_context='spawn' (or 'forkserver')."
            )
        _pid = pid
    _used = True


def takes_numpy(place: Place) -> bool:
    """Whether programs on ``place`` may be given NumPy arrays as they are: cheaper than uploading them first."""
    return place is CPU and jax.default_backend() == "cpu"


def upload(array: Any, place: Place) -> jax.Array:
    """A NumPy or JAX array on a device.

    What comes from the host is not committed to JAX's default device: results made there are not either, and a program
    would be compiled once more for every mixture of the two.
    """
    device = place.device
    if isinstance(array, jax.Array) and next(iter(array.devices())).platform == "cpu":
        array = np.asarray(array)
    if isinstance(array, jax.Array) or device != jax.local_devices()[0]:
        return jax.device_put(array, device)
    return jax.device_put(array)


def on(place: Place) -> Any:
    """A context in which programs without inputs run on ``place``."""
    if takes_numpy(place):
        return _NOWHERE
    return jax.default_device(place.device)


_NOWHERE = contextlib.nullcontext()
