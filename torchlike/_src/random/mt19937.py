"""The Mersenne Twister as torch runs it: the same words, in the same order, in the same state.

NumPy's twister does the arithmetic; here is what torch does around it (how a seed fills the state, how
two words make a 64-bit one, what "position" means before the first draw). Distributions are in `sampling`.
"""

from collections.abc import Callable, Iterator
from operator import length_hint
from typing import NamedTuple

import numpy as np

N = 624
_SMALL = 32  # below this, NumPy's bounded-integer machinery costs more than the draws


class Position(NamedTuple):
    """Where a twister stands, in torch's terms: 624 words, how many are left, which comes next."""

    key: np.ndarray
    left: int
    next: int


class MersenneTwister:
    """A stream of 32-bit words.

    Args:
        seed: any integer; its low 32 bits count, as in torch.
    """

    def __init__(self, seed: int) -> None:
        self._bits = np.random.MT19937(0)
        self._integers = np.random.Generator(self._bits).integers
        self.seed(seed)

    def seed(self, seed: int) -> None:
        """Start again from ``seed``."""
        self._put(np.random.RandomState(seed & 0xFFFFFFFF).get_state()[1], N)
        # torch says "next 0, left 1" before the first draw and "next 624, left 1" after the 624th: same words
        # to come, but two states to the byte.
        self._fresh = True

    def words(self, count: int) -> np.ndarray:
        """The next ``count`` words, uint32."""
        if count:
            self._fresh = False
        if count < _SMALL:
            return self._bits.random_raw(count).astype(np.uint32)
        return self._integers(0, 1 << 32, size=count, dtype=np.uint32)

    def words64(self, count: int) -> np.ndarray:
        """The next ``count`` 64-bit words, uint64; of the two 32-bit words in each, the first is the high one."""
        halves = self.words(2 * count)
        result = halves[0::2].astype(np.uint64)
        result <<= np.uint64(32)
        result |= halves[1::2]
        return result

    def floats(self, count: int) -> np.ndarray:
        """Uniform float32 in [0, 1): the low 24 bits of each word."""
        result = (self.words(count) & np.uint32(0xFFFFFF)).astype(np.float32)
        result *= np.float32(2.0**-24)
        return result

    def doubles(self, count: int) -> np.ndarray:
        """Uniform float64 in [0, 1): the low 53 bits of each 64-bit word."""
        result = (self.words64(count) & np.uint64((1 << 53) - 1)).astype(np.float64)
        result *= 2.0**-53
        return result

    @property
    def position(self) -> Position:
        state = self._bits.state["state"]
        pos = int(state["pos"])
        return Position(state["key"], 1, 0) if self._fresh else Position(state["key"], N + 1 - pos, pos)

    @position.setter
    def position(self, value: Position) -> None:
        self._put(value.key, N if value.left == 1 else value.next)
        self._fresh = value.left == 1 and value.next == 0

    def _put(self, key: np.ndarray, pos: int) -> None:
        self._bits.state = {"bit_generator": "MT19937", "state": {"key": key, "pos": pos}}


class Lookahead:
    """Draws whose number is not known beforehand (rejection samplers), taken in bulk.

    As a context it gives a function that returns the next double in [0, 1). On leaving, the twister stands just
    behind the last word that was used, as if the words had been drawn one by one.
    """

    def __init__(self, twister: MersenneTwister) -> None:
        self._twister = twister

    def __enter__(self) -> Callable[[], float]:
        self._start = self._twister.position
        self._drawn = 0
        self._block: Iterator[float] = iter(())
        return self._doubles().__next__

    def __exit__(self, *_: object) -> None:
        used = self._drawn - length_hint(self._block)
        self._twister.position = self._start
        self._twister.words(2 * used)

    def _doubles(self) -> Iterator[float]:
        while True:
            size = min(max(64, self._drawn), 1 << 16)
            self._block = iter(self._twister.doubles(size).tolist())
            self._drawn += size
            yield from self._block
