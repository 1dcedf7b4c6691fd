"""One op at a time: our lowering, XLA's own where it differs, and eager torch, forward and backward.

``python -m benchmarks.operators [WORD ...] [--threads N] [--seconds S]`` prints a table of milliseconds. One thread is
the default: then a process's CPU time is its wall time, and the table can be trusted on a machine that others use too.
The sides take turns and each keeps its minimum.
"""

import argparse
import ctypes
import os
import sys
import time
from collections.abc import Callable
from typing import Any

Thunk = Callable[[], Any]


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*", help="only cases whose name contains one of these")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0.5, help="at least, a side")
    return parser.parse_args()


def prepare(threads: int) -> None:
    """Fix threads and the allocator; before JAX is imported."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    if threads == 1:
        os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    libc = ctypes.CDLL("libc.so.6")
    arena_max, mmap_max, trim_threshold = -8, -4, -1
    for parameter, value in ((arena_max, 1), (mmap_max, 0), (trim_threshold, 2**31 - 1)):
        libc.mallopt(parameter, value)


def minima(sides: dict[str, Thunk], seconds: float, clock: Callable[[], float]) -> dict[str, float]:
    """Milliseconds of each side, the sides taking turns."""
    for side in sides.values():
        side()
        side()
    best = dict.fromkeys(sides, float("inf"))
    end = time.perf_counter() + seconds * len(sides)
    rounds = 0
    while rounds < 5 or (time.perf_counter() < end and rounds < 200):
        for name, side in sides.items():
            start = clock()
            side()
            best[name] = min(best[name], clock() - start)
        rounds += 1
    return {name: 1e3 * value for name, value in best.items()}


def main() -> None:
    """Run the cases and print the table."""
    options = arguments()
    prepare(options.threads)
    import torch

    from benchmarks.operators.cases import cases  # imports JAX and torch

    torch.set_num_threads(options.threads)
    clock = time.process_time if options.threads == 1 else time.perf_counter
    print(f"{'':42}{'torch':>9}{'XLA':>9}{'ours':>9}{'ours/torch':>12}")
    for name, make in cases():
        if options.words and not any(word in name for word in options.words):
            continue
        found = minima(make(), options.seconds, clock)
        plain = f"{found['xla']:9.2f}" if "xla" in found else f"{'':9}"
        print(
            f"{name:42}{found['torch']:9.2f}{plain}{found['ours']:9.2f}{found['ours'] / found['torch']:12.2f}",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())
