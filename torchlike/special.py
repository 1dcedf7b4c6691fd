"""Special functions, as ``torch.special``. The functions are installed from the ops' records."""

from torchlike._src.tensor.install import namespace

_found = namespace("special")
__all__ = sorted(_found)  # noqa: PLE0605 - made from the records
globals().update(_found)
