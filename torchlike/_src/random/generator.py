"""`Generator`, torch's handle on a random stream, and the default one that every call without a generator uses.

A generator holds two streams that share a seed: torch's Mersenne Twister, from which host-side sampling draws
torch's own numbers, and a counter, from which random ops inside a compiled step take their seeds.
"""

import contextlib
import secrets
import struct
import threading
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import numpy as np

from torchlike._src.random.mt19937 import Lookahead, MersenneTwister, N, Position
from torchlike._src.tensor.devices import device_of, place_of

#: The seed of a new `Generator`, as in torch.
DEFAULT_SEED = 67280421310721

# torch's layout (5056 bytes): seed, left, seeded, next, 624 words widened to 64 bits; then normal_x, normal_y,
# normal_rho, normal_is_valid of the double-precision pair cache, and the single-precision cache. torch writes 0 to
# normal_rho and never reads it: the device counter travels there, so that a saved state repeats dropout masks too.
_LAYOUT = struct.Struct(f"<QiiQ{8 * N}sddQi4xf?3x")
STATE_SIZE = _LAYOUT.size

_MASK = (1 << 64) - 1


class Generator:
    """A source of random numbers with torch's CPU numbers for torch's seeds.

    Args:
        device: where tensors drawn from it live; the streams themselves are the same for every device.

    Attributes:
        device: a `torch.device`.
        next_normal: the second half of the last Box–Muller pair, which the next scalar draw returns.
    """

    def __init__(self, device: Any = "cpu") -> None:
        place = place_of(device)  # raises for a device that is not there
        self.device = device_of(place)
        self._seed = DEFAULT_SEED
        self._counter = 0
        self.twister = MersenneTwister(DEFAULT_SEED)
        self.next_normal: float | None = None
        self._next_float_normal: float | None = None
        self.lock = threading.RLock()

    def manual_seed(self, seed: int) -> "Generator":
        """Start both streams again from ``seed``.

        Args:
            seed: in ``[-2**63, 2**64)``; a negative one means ``2**64 + seed``.
        Raises:
            ValueError: out of that range.
            RuntimeError: not an integer.
        """
        if type(seed) is not int:
            if isinstance(seed, bool) or not hasattr(seed, "__index__"):
                raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}")
            seed = seed.__index__()
        if not -(1 << 63) <= seed <= _MASK:
            raise ValueError("Overflow when unpacking long long")
        with self.lock:
            self._seed = seed & _MASK
            self._counter = 0
            self.twister.seed(self._seed)
            self.next_normal = self._next_float_normal = None
        return self

    def seed(self) -> int:
        """Seed from the operating system's randomness; returns the seed."""
        seed = secrets.randbits(64)
        self.manual_seed(seed)
        return seed

    def initial_seed(self) -> int:
        """The seed this generator was last started from."""
        return self._seed

    def lookahead(self) -> Lookahead:
        """See `Lookahead`."""
        return Lookahead(self.twister)

    def next_device_seed(self) -> int:
        """A fresh seed in ``[0, 2**63)`` for one random op on the device.

        It depends on the generator's seed and on how many were taken, not on the numbers drawn on the host.

        Source:
            The output function of SplitMix64: Steele, Lea and Flood 2014, doi:10.1145/2660193.2660195.
        """
        with self.lock:
            self._counter += 1
            z = (self._seed + self._counter * 0x9E3779B97F4A7C15) & _MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return (z ^ (z >> 31)) >> 1

    def state_array(self) -> np.ndarray:
        """The whole state, in torch's layout: real torch can load it, and this class torch's.

        Returns:
            uint8, shape ``(5056,)``.
        """
        with self.lock:
            key, left, following = self.twister.position
            packed = _LAYOUT.pack(
                self._seed, left, 1, following, key.astype("<u8").tobytes(),
                0.0, self.next_normal or 0.0, self._counter, self.next_normal is not None,
                self._next_float_normal or 0.0, self._next_float_normal is not None,
            )  # fmt: skip
        return np.frombuffer(packed, np.uint8).copy()

    def load_state_array(self, new_state: np.ndarray) -> "Generator":
        """Continue from a state that `state_array` gave, here or in real torch.

        Raises:
            TypeError: not an array of uint8.
            RuntimeError: of another size, or not a state.
        """
        if not isinstance(new_state, np.ndarray):
            raise TypeError(f"expected a torch.ByteTensor, but got {type(new_state).__name__}")
        if new_state.dtype != np.uint8:
            raise TypeError("RNG state must be a torch.ByteTensor")
        if new_state.size != STATE_SIZE:
            raise RuntimeError(
                f"Expected a CPUGeneratorImplState of size {STATE_SIZE} but found the input RNG state size to be {new_state.size}"
            )
        (seed, left, seeded, following, key, _, normal, counter, normal_valid, float_normal, float_valid) = _LAYOUT.unpack(
            new_state.tobytes()
        )
        if not seeded or not 0 < left <= N or following > N:
            raise RuntimeError("Invalid mt19937 state")
        with self.lock:
            self._seed, self._counter = seed, counter
            self.twister.position = Position(np.frombuffer(key, "<u8").astype(np.uint32), left, following)
            self.next_normal = normal if normal_valid else None
            self._next_float_normal = float_normal if float_valid else None
        return self

    # torch's names; the tensor layer replaces these two by ones that give and take tensors.
    get_state = state_array
    set_state = load_state_array

    def clone_state(self) -> "Generator":
        """An independent generator that will draw the same numbers."""
        return type(self)(self.device).load_state_array(self.state_array())

    def get_offset(self) -> int:
        raise RuntimeError("CPU Generator does not use offset")

    def set_offset(self, offset: int) -> None:
        raise RuntimeError("CPU Generator does not use offset")

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.device, self.state_array())


def _restore(cls: type[Generator], device: Any, state: np.ndarray) -> Generator:
    return cls(device).load_state_array(state)


#: What draws when no generator is given; as in torch, its first seed differs from process to process.
default_generator = Generator()
default_generator.seed()


def resolve(generator: Any) -> Generator:
    """The generator that a ``generator=`` argument means; None means the default one.

    Raises:
        TypeError: for anything else.
    """
    if generator is None:
        return default_generator
    if not isinstance(generator, Generator):
        raise TypeError(f"argument 'generator' must be torch.Generator, not {type(generator).__name__}")
    return generator


def manual_seed(seed: Any) -> Generator:
    """Seed the default generator, which all devices share; returns it."""
    return default_generator.manual_seed(int(seed))


def seed() -> int:
    """Seed the default generator from the operating system's randomness; returns the seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed of the default generator."""
    return default_generator.initial_seed()


def get_rng_state() -> np.ndarray:
    """The state of the default generator; uint8, shape ``(5056,)``."""
    return default_generator.state_array()


def set_rng_state(new_state: np.ndarray) -> None:
    """Set the state of the default generator."""
    default_generator.load_state_array(new_state)


@contextlib.contextmanager
def fork_rng(devices: Iterable[Any] | None = None, enabled: bool = True) -> Iterator[None]:
    """On leaving, put the default generator back to where it stood on entering.

    Args:
        devices: of no account here: one generator serves them all.
        enabled: False makes this do nothing.
    """
    if not enabled:
        yield
        return
    state = default_generator.state_array()
    try:
        yield
    finally:
        default_generator.load_state_array(state)


Mode = Literal["torch", "device"]
_mode: Mode = "device"


def set_mode(mode: Mode) -> None:
    """Choose where random ops inside a step (dropout and its kin) take their numbers from.

    Args:
        mode: ``"device"``, a counter-based generator compiled into the step (fast; its own numbers), or ``"torch"``,
            torch's CPU stream, drawn on the host (same masks as torch; slower). Creation, initialisation, sampling
            and shuffling use torch's stream in both.
    """
    global _mode
    if mode not in ("torch", "device"):
        raise ValueError(f'set_mode: expected "torch" or "device", got {mode!r}')
    _mode = mode


def get_mode() -> Mode:
    """The present mode; see `set_mode`."""
    return _mode
