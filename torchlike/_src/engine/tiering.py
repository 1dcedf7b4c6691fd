"""What is compiled whole, and what runs op by op: what repeats, and what does not."""

from collections import deque
from typing import Any

#: Values in a trace before it is run, wherever it stands.
MAX_VALUES = 20_000
#: Nodes in the trie before it is thrown away: code that never repeats must not fill the memory.
MAX_NODES = 100_000
#: Executables after which it is looked whether the process can hold more.
LOOK_EVERY = 500
#: So many whole programs in a row that nobody asked for again: this code does not repeat.
PATIENCE = 6

_recent: deque[Any] = deque(maxlen=PATIENCE)


def compile_whole(node: Any) -> bool:
    """Whether the trace that ends at ``node`` is to become one program now.

    At first sight if it has a backward pass in it, since that is a training step; at second sight otherwise.
    While the last programs were all used only once, at second sight in any case.
    """
    first = 1 if node.backward and not _wasteful() else 2
    return node.sights >= first


def _wasteful() -> bool:
    return len(_recent) == PATIENCE and all(p.runs <= 1 for p in _recent)


def ran(program: Any) -> None:
    """Take note of a run."""
    if program.runs == 1:
        _recent.append(program)


def reset() -> None:
    """Forget what was seen."""
    _recent.clear()
