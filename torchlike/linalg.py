"""Linear algebra, as ``torch.linalg``. The functions are installed from the ops' records."""

from torchlike._src.operators.factorizations import LinAlgError as LinAlgError
from torchlike._src.tensor.install import namespace

_found = namespace("linalg")
__all__ = sorted(_found)  # noqa: PLE0605 - made from the records
globals().update(_found)
