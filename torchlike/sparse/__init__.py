"""Sparse tensors, as ``torch.sparse``. The functions are installed from the ops' records."""

from collections.abc import Callable
from typing import Any

from torchlike._src.tensor.install import namespace
from torchlike._src.tensor.sparse.creation import (
    check_sparse_tensor_invariants as check_sparse_tensor_invariants,
    spdiags as spdiags,
)
from torchlike._src.tensor.sparse.handle import SparseTensor, like


def as_sparse_gradcheck(gradcheck: Callable[..., bool]) -> Callable[..., bool]:
    """`torch.autograd.gradcheck`, or one with some arguments filled in, for functions of and to sparse tensors.

    The sparse inputs are made of dense values inside of the function that is checked, and sparse results are made dense. Gradients
    of sparse tensors have their pattern here, so that what is checked are the stored elements, with ``masked=True`` or without.

    Args:
        gradcheck: what checks functions of dense tensors.
    Returns:
        A function with its parameters and ``masked``.
    """

    def check(func: Callable[..., Any], inputs: Any, **kwargs: Any) -> bool:
        kwargs.pop("masked", None)
        given = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
        patterns = [x if isinstance(x, SparseTensor) and x.requires_grad else None for x in given]

        def of_values(*args: Any) -> Any:
            rebuilt = [a if p is None else like(p, a) for p, a in zip(patterns, args, strict=True)]
            made = func(*rebuilt)
            outs = made if isinstance(made, (tuple, list)) else (made,)
            dense = tuple([o.to_dense() if isinstance(o, SparseTensor) else o for o in outs])  # type: ignore[attr-defined]
            return dense if isinstance(made, (tuple, list)) else dense[0]

        values = [x if p is None else p._data.detach().requires_grad_() for x, p in zip(given, patterns, strict=True)]
        return gradcheck(of_values, tuple(values), **kwargs)

    return check


_found = namespace("sparse")
__all__ = sorted([*_found, "as_sparse_gradcheck", "check_sparse_tensor_invariants", "spdiags"])  # noqa: PLE0605 - made from the records
globals().update(_found)
