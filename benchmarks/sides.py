"""The sides that are compared: each turns a workload into a function that trains some steps and reads the loss."""

import importlib
import itertools
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.workloads import WORKLOADS, Workload, parameters_of

#: Side → (its title, the process it shares). torchlike and hand-written JAX share one, and so the allocator
#: that torchlike sets up; torch has its own, so that its thread pool disturbs nobody.
SIDES = {
    "torchlike": ("torchlike", "jax"),
    "jax": ("JAX, same lowering", "jax"),
    "jax-plain": ("JAX, plain", "jax"),
    "torch": ("eager torch", "torch"),
    "torch-compile": ("torch.compile", "torch"),
    "torchax": ("torchax", "torchax"),
}
#: The loss is read every so many steps, as a script that prints its progress does.
READ_EVERY = 10

Train = Callable[[int], float]


def prepare(side: str, name: str, device: str = "cpu") -> Train:
    """``train(steps) -> last loss`` for a side and a workload; nothing is compiled or run yet."""
    workload = WORKLOADS[name]
    once, read = _jax(workload, side) if side.startswith("jax") else _torch(workload, side, device)
    position = itertools.count()

    def train(steps: int) -> float:
        value = float("nan")
        for i in range(steps):
            loss = once(next(position))
            if (i + 1) % READ_EVERY == 0 or i + 1 == steps:
                value = read(loss)
        return value

    return train


def _torch(workload: Workload, side: str, device: str) -> tuple[Callable[[int], Any], Callable[[Any], float]]:
    torch = importlib.import_module("torchlike" if side == "torchlike" else "torch")
    if side == "torchax":
        importlib.import_module("torchax").enable_globally()
        device = "jax"
    elif side != "torchlike" and not torch.cuda.is_available():
        device = "cpu"
    torch.manual_seed(0)
    _, step = workload.build(torch, device)
    if side == "torch-compile":
        step = torch.compile(step)
    batches = [tuple(torch.from_numpy(a).to(device) for a in batch) for batch in workload.batches()]
    return lambda i: step(*batches[i % len(batches)]), lambda loss: loss.item()


def _jax(workload: Workload, side: str) -> tuple[Callable[[int], Any], Callable[[Any], float]]:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    from benchmarks import jax_steps

    low = jax_steps.PLAIN if side == "jax-plain" else jax_steps.same_lowering()
    with np.load(initial_parameters(workload.name)) as saved:
        step = jax_steps.build(workload.name, dict(saved), low)
    batches = [tuple(map(jnp.asarray, batch)) for batch in workload.batches()]
    state = step.state

    def once(i: int) -> Any:
        nonlocal state
        state, loss = step.run(state, *batches[i % len(batches)])
        return loss

    return once, float


def initial_parameters(name: str) -> Path:
    """A file with torch's initial parameters of a workload, made on first use.

    Made in a process of its own: real torch in the process of the JAX sides would bring its thread pool along.
    """
    folder = Path(os.environ.get("TORCHLIKE_BENCH_PARAMETERS") or tempfile.gettempdir()) / "torchlike-benchmarks"
    path = folder / f"{name}.npz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "benchmarks.sides", name, str(path)], check=True)
    return path


def _save_parameters(name: str, path: str) -> None:
    import torch

    torch.manual_seed(0)
    model, _ = WORKLOADS[name].build(torch, "cpu")
    partial = f"{path}.{os.getpid()}.npz"
    np.savez(partial, **parameters_of(model))
    os.replace(partial, path)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    _save_parameters(*sys.argv[1:])
