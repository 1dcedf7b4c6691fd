"""The random generator of GPUs, which is that of all devices."""

from collections.abc import Iterable
from typing import Any

from torchlike._src.random.generator import default_generator, manual_seed as _manual_seed
from torchlike._src.tensor import devices as _devices

__all__ = [
    "get_rng_state", "get_rng_state_all", "initial_seed", "manual_seed", "manual_seed_all", "seed", "seed_all", "set_rng_state",
    "set_rng_state_all",
]  # fmt: skip


def manual_seed(seed: int) -> None:
    """Seed the generator; see `torch.manual_seed`."""
    _manual_seed(seed)


def manual_seed_all(seed: int) -> None:
    """Seed the generator; see `torch.manual_seed`."""
    _manual_seed(seed)


def seed() -> None:
    """Seed the generator with a number that nobody knows."""
    default_generator.seed()


seed_all = seed


def initial_seed() -> int:
    """What the generator was seeded with."""
    return default_generator.initial_seed()


def get_rng_state(device: Any = "cuda") -> Any:
    """The state of the generator."""
    return default_generator.get_state()


def set_rng_state(new_state: Any, device: Any = "cuda") -> None:
    """Set the state of the generator."""
    default_generator.set_state(new_state)


def get_rng_state_all() -> list[Any]:
    """The state of the generator, once for each GPU."""
    return [default_generator.get_state() for _ in range(_devices.count("cuda"))]


def set_rng_state_all(new_states: Iterable[Any]) -> None:
    """Set the state of the generator to the last of these."""
    for state in new_states:
        default_generator.set_state(state)
