"""Whether there is a GPU to use mixed precision on."""

from torchlike._src.tensor.devices import count

__all__ = ["amp_definitely_not_available"]


def amp_definitely_not_available() -> bool:
    """Whether there is neither a GPU nor a TPU."""
    return not (count("cuda") or count("xla"))
