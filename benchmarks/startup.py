"""How long a script takes to get going: imports, and the third step with a cold and a warm compile cache."""

import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from typing import Any

from benchmarks.sides import initial_parameters, prepare


def import_seconds(module: str, repeats: int = 7) -> float:
    """The median time of ``import module`` in a fresh interpreter."""
    program = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    runs = [subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True) for _ in range(repeats)]
    return statistics.median(float(r.stdout) for r in runs)


def third_step(side: str, workload: str, cache: str) -> dict[str, float]:
    """Seconds to the third loss in a fresh process whose compile cache is the folder `cache`.

    Returns:
        ``total``, from the start of the process, and ``steps``, from when everything is imported.
    """
    if side.startswith("jax"):
        initial_parameters(workload)  # not a part of what is measured
    environment = os.environ | {"TORCHLIKE_CACHE_DIR": cache, "TORCHLIKE_BENCH_STARTED": repr(time.time())}
    if side.startswith("jax"):
        environment |= {
            "JAX_COMPILATION_CACHE_DIR": cache,
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        }
    command = [sys.executable, "-m", "benchmarks.startup", side, workload]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def cold_and_warm(side: str, workload: str, repeats: int = 3) -> dict[str, dict[str, float]]:
    """`third_step` with an empty cache and again with the one it left; the fastest of a few."""
    cold, warm = [], []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as cache:
            cold.append(third_step(side, workload, cache))
            warm.append(third_step(side, workload, cache))
    return {name: {key: min(r[key] for r in runs) for key in runs[0]} for name, runs in (("cold", cold), ("warm", warm))}


def _main(side: str, workload: str) -> dict[str, Any]:
    warnings.simplefilter("ignore")
    # Hand-written JAX takes some ops from torchlike: importing them is not a part of its steps.
    for module in {"torchlike": ["torchlike"], "jax": ["optax", "torchlike"], "jax-plain": ["optax"]}.get(side, ["torch"]):
        importlib.import_module(module)
    imported = time.time()
    train = prepare(side, workload)
    for _ in range(3):
        train(1)
    now = time.time()
    return {"total": now - float(os.environ["TORCHLIKE_BENCH_STARTED"]), "steps": now - imported}


if __name__ == "__main__":
    print(json.dumps(_main(*sys.argv[1:])))
