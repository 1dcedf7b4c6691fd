"""Programs kept on disk as executables: a script's next start finds them by what it records, and neither traces nor compiles.

JAX's compilation cache saves the compiling, but its key is the lowered program, and getting there takes longer than the
loading: 0.7 s for the step of a small GPT. Here the key is the path of recorded ops itself, so everything that decides what a
path means must be in it (see `key_of`). What cannot be named for certain is not kept.
"""

import functools
import hashlib
import logging
import os
import pickle
import platform
import sys
from collections.abc import Callable, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

import jax
import numpy as np

from torchlike._src import atomic

log = logging.getLogger("torchlike.programs")

#: Ops in a program that is worth a file: a smaller one is traced as fast, and called faster by `jax.jit` (by some 35 us).
WORTH = 100
#: Bytes that the folder may take; what was used longest ago goes first (a changed source file or a new JAX leaves many unusable).
ROOM = 2 << 30
_PLAIN = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis))


class Unnamed(Exception):
    """Something has no name by which another process would know it."""


def name_of(fn: Callable[..., Any]) -> tuple[str, str]:
    """Where a function of this package is found.

    Raises:
        Unnamed: for one that was made inside another, or is somebody else's.
    """
    module, path = getattr(fn, "__module__", ""), getattr(fn, "__qualname__", "")
    if not module or module.partition(".")[0] != __name__.partition(".")[0] or "<" in path:
        raise Unnamed(f"{module}.{path}")
    try:
        found = attrgetter(path)(sys.modules[module])
    except AttributeError:
        found = None
    if found is not fn:
        raise Unnamed(f"{module}.{path}")
    return module, path


def plain(x: Any) -> Any:
    """Static arguments as nested tuples of what ``repr`` shows in full.

    Raises:
        Unnamed: for anything else.
    """
    if x.__class__ in _PLAIN:
        return x
    if isinstance(x, (tuple, list)):
        return (type(x).__name__, *map(plain, x))
    if isinstance(x, frozenset):
        return ("frozenset", *sorted(map(plain, x), key=repr))
    if isinstance(x, np.dtype):
        return ("dtype", x.name)
    if isinstance(x, slice):
        return ("slice", *map(plain, (x.start, x.stop, x.step)))
    if isinstance(x, type) and x.__module__ in ("builtins", "numpy", "ml_dtypes"):
        return ("type", x.__module__, x.__qualname__)
    raise Unnamed(repr(x))


@functools.cache
def _surroundings() -> str:
    """What decides, besides the path, what a program computes and where it can run: versions, settings, sources, the machine."""
    package = Path(__file__).parents[2]
    sources = [(str(p.relative_to(package)), s.st_size, s.st_mtime_ns) for p in sorted(package.rglob("*.py")) for s in [p.stat()]]
    cpu = ""
    if os.path.exists("/proc/cpuinfo"):  # an executable is made for the instructions that this processor has
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = "".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))
    flags = sorted((k, v) for k, v in os.environ.items() if k.startswith(("XLA_", "LIBTPU_", "TORCHLIKE_")) and "CACHE" not in k)
    devices = [(d.platform, d.device_kind) for d in jax.local_devices()]
    versions = (sys.version, jax.__version__, jax.lib.__version__, np.__version__)  # type: ignore[attr-defined]
    return repr((versions, platform.machine(), cpu, os.cpu_count(), flags, devices, sources))


def _settings() -> Any:
    """JAX's settings, as they are now."""
    values = jax.config.values  # type: ignore[attr-defined]
    return sorted((k, repr(v)) for k, v in values.items() if "cache" not in k and isinstance(v, _PLAIN))


def key_of(path: Sequence[Any], live: Sequence[int], donated: Sequence[Any], numbers: Sequence[Any]) -> str | None:
    """The name of a program's file; None if something in it cannot be named.

    Args:
        path: the nodes; the root above them has the settings under which they were recorded.
        live: the values that it returns.
        donated: the inputs that it may overwrite, and by what.
        numbers: its Python numbers; only their types count.
    """
    try:
        ops = [
            (
                node.call.identity(),
                node.refs,
                node.mask,
                node.numbers,
                node.base,
                list(map(_kind, node.enters)),
                list(map(_kind, node.outs)),
            )
            for node in path
        ]
        settings = plain(path[0].parent.call)
    except Unnamed as error:
        log.info("a program of %d ops is not kept on disk: %s has no name", len(path), error)
        return None
    text = repr((_surroundings(), _settings(), settings, ops, live, donated, [type(n).__name__ for n in numbers]))
    return hashlib.sha256(text.encode()).hexdigest()


def _kind(a: Any) -> Any:
    if a is None:  # a pullback that is only recorded
        return None
    if not hasattr(a, "dtype"):
        raise Unnamed("the pullback of an earlier program")
    return a.shape, a.dtype.name, repr(a.place)


_cache_hits = [0]


def _listen(event: str, **_: Any) -> None:
    _cache_hits[0] += event == "/jax/compilation_cache/cache_hits"


jax.monitoring.register_event_listener(_listen)


def _folder() -> Path | None:
    folder = jax.config.jax_compilation_cache_dir
    return Path(folder) / "torchlike-programs" if folder else None


def load(key: str) -> tuple[Any, Callable[..., Any]] | None:
    """What was kept under a key: the plan of the outputs and the executable; None if there is nothing that can be used."""
    folder = _folder()
    if folder is None:
        return None
    from jax.experimental.serialize_executable import deserialize_and_load

    try:
        plan, *program = pickle.loads((folder / key).read_bytes())
        os.utime(folder / key)
        return plan, deserialize_and_load(*program)
    except FileNotFoundError:
        return None
    except Exception as error:  # best effort: it is traced and compiled instead
        log.info("the program kept as %s cannot be used: %s", key, error)
        return None


def freshly_compiled(lowered: Any) -> Any:
    """Compile; None if JAX's own cache had the program: XLA's CPU executables cannot be written again once they were read."""
    before = _cache_hits[0]
    compiled = lowered.compile()
    return compiled if _cache_hits[0] == before else None


def keep(key: str, plan: Any, compiled: Any) -> None:
    """Keep an executable."""
    folder = _folder()
    if folder is None:
        return
    from jax.experimental.serialize_executable import serialize

    try:
        data = pickle.dumps((plan, *serialize(compiled)))
        folder.mkdir(parents=True, exist_ok=True)
        with atomic.replacing(str(folder / key)) as file:
            file.write(data)
        _make_room(folder)
    except Exception as error:
        log.info("a program cannot be kept on disk: %s", error)


def _make_room(folder: Path) -> None:
    """Delete what was used longest ago until the rest fits; other processes may be doing the same."""
    files = sorted(((s.st_mtime_ns, s.st_size, p) for p in folder.iterdir() for s in [p.stat()]), reverse=True)
    taken = 0
    for _, size, path in files:
        taken += size
        if taken > ROOM:
            path.unlink(missing_ok=True)
