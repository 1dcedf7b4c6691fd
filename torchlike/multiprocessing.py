"""``torch.multiprocessing``: Python's, whose pickles carry tensors by NumPy."""

from multiprocessing import *  # noqa: F403 - torch's own way
from multiprocessing import get_context as get_context

_strategy = "file_descriptor"


def get_all_sharing_strategies() -> set[str]:
    """Names torch knows."""
    return {"file_descriptor", "file_system"}


def get_sharing_strategy() -> str:
    """What `set_sharing_strategy` chose."""
    return _strategy


def set_sharing_strategy(new_strategy: str) -> None:
    """Kept for scripts that set it; tensors travel by value here."""
    global _strategy
    if new_strategy not in get_all_sharing_strategies():
        raise AssertionError(f"{new_strategy} is not one of {get_all_sharing_strategies()}")
    _strategy = new_strategy
