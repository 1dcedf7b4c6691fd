"""Sparse tensors, as ``torch.sparse``. The functions are installed from the ops' records."""

from torchlike._src.tensor.install import namespace
from torchlike._src.tensor.sparse.creation import (
    check_sparse_tensor_invariants as check_sparse_tensor_invariants,
    spdiags as spdiags,
)

_found = namespace("sparse")
__all__ = sorted([*_found, "check_sparse_tensor_invariants", "spdiags"])  # noqa: PLE0605 - made from the records
globals().update(_found)
