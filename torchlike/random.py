"""Random numbers: seeds and states, as ``torch.random``; ``set_mode`` chooses how ops inside steps draw."""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from torchlike._src.engine.value import CPU
from torchlike._src.random import generator as _generator
from torchlike._src.random.generator import (
    Generator as Generator,
    default_generator as default_generator,
    get_mode as get_mode,
    initial_seed as initial_seed,
    manual_seed as manual_seed,
    seed as seed,
    set_mode as set_mode,
)
from torchlike._src.tensor.core import Tensor
from torchlike._src.tensor.from_data import on_place

__all__ = ["Generator", "default_generator", "fork_rng", "get_mode", "get_rng_state", "initial_seed", "manual_seed",
           "seed", "set_mode", "set_rng_state", "thread_safe_generator"]  # fmt: skip


def _as_array(state: Any) -> np.ndarray:
    if isinstance(state, Tensor):
        return np.array(state._numpy("a generator's state"))
    raise TypeError(f"expected a torch.ByteTensor, but got {type(state).__name__}")


def get_rng_state() -> Tensor:
    """The default generator's state, in torch's layout: uint8, shape (5056,)."""
    return on_place(_generator.get_rng_state(), CPU)


def set_rng_state(new_state: Tensor) -> None:
    """Set the default generator's state; one taken from real torch will do."""
    _generator.set_rng_state(_as_array(new_state))


@contextlib.contextmanager
def fork_rng(
    devices: Iterable[Any] | None = None, enabled: bool = True, _caller: str = "fork_rng", _devices_kw: str = "devices",
    device_type: Any = None,
) -> Iterator[None]:  # fmt: skip
    """Restore the generator's state afterwards. One generator serves all devices, whichever are named."""
    with _generator.fork_rng(devices, enabled):
        yield


def thread_safe_generator() -> Generator | None:
    """The generator of a DataLoader worker that is a thread; None elsewhere, and here workers are always processes."""
    return None


_array_get, _array_set = Generator.get_state, Generator.set_state
Generator.get_state = lambda self: on_place(_array_get(self), CPU)  # type: ignore[method-assign, assignment]
Generator.set_state = lambda self, new_state: _array_set(self, _as_array(new_state))  # type: ignore[method-assign]
