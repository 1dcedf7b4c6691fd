"""Sorting, and searching in what is sorted. Sets of values are in `sets`."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlike._src.operators.promotion import BOOL, CATEGORY, COMPLEX, FLOAT, promote, scalar_type
from torchlike._src.operators.registry import EXACT, Array, Operand, Out, composite, op, ops
from torchlike._src.operators.support import as_dtype, is_array, normalize_dim, refuse


def _check(input: Array, dim: int) -> int:
    if CATEGORY[np.dtype(input.dtype)] == COMPLEX:
        raise RuntimeError(" Sort does not support complex dtypes on CPU")
    return normalize_dim(dim, input.ndim)


def sorted_with_index(input: Array, axis: int, descending: bool) -> tuple[Array, Array]:
    """Values in order and their places, equal ones in their former order; NaN counts as the greatest."""
    place = lax.broadcasted_iota(np.int64, input.shape, axis)
    if descending:  # of the mirror image, so that equal elements keep their order when it is turned back
        input, place = jnp.flip(input, axis), jnp.flip(place, axis)
    values, index = lax.sort((input, place), dimension=axis, is_stable=True, num_keys=1)
    return (jnp.flip(values, axis), jnp.flip(index, axis)) if descending else (values, index)


@op(
    "_sort", method=False, out=EXACT, returns=("values", "indices"), saves=("indices",), layout="first", grad_name="SortBackward0"
)
def _sort(input: Array, dim: int, descending: bool) -> tuple[Array, Array]:
    axis = _check(input, dim)
    if not input.ndim:
        return input, jnp.zeros((), np.int64)
    return sorted_with_index(input, axis, descending)


@composite("sort")
def sort(input: Any, dim: int = -1, descending: bool = False, stable: bool = False, *, out: Any = None) -> Any:
    """The elements in order along ``dim``, as ``(values, indices)``; always stably. NaN is greatest."""
    return ops._sort(input, dim, descending, **({} if out is None else {"out": out}))


@op("argsort", differentiable=False, layout="first")
def argsort(input: Array, dim: int = -1, descending: bool = False, stable: bool = False) -> Array:
    """The indices that `sort` along ``dim``."""
    return _sort(input, dim, descending)[1]


@op("msort", out=EXACT, layout="first")
def msort(input: Array) -> Array:
    """The elements in order along the first dimension."""
    return _sort(input, 0, False)[0]


@op("topk", out=EXACT, returns=("values", "indices"), saves=("indices",))
def topk(input: Array, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> tuple[Array, Array]:
    """The ``k`` largest, or smallest, along ``dim``, in order, as ``(values, indices)``."""
    axis = normalize_dim(dim, input.ndim)
    size = input.shape[axis] if input.ndim else 1
    if not 0 <= k <= size:
        raise RuntimeError("selected index k out of range")
    if CATEGORY[np.dtype(input.dtype)] == COMPLEX:
        raise RuntimeError(" topk does not support complex dtypes on CPU")
    if CATEGORY[np.dtype(input.dtype)] == BOOL:
        raise RuntimeError("topk does not support bool dtypes on CPU")
    if not input.ndim:
        return input, jnp.zeros((), np.int64)
    if largest and CATEGORY[np.dtype(input.dtype)] == FLOAT:
        values, index = lax.top_k(jnp.moveaxis(input, axis, -1), k)
        return jnp.moveaxis(values, -1, axis), jnp.moveaxis(index, -1, axis).astype(np.int64)
    values, index = sorted_with_index(input, axis, largest)
    return lax.slice_in_dim(values, 0, k, axis=axis), lax.slice_in_dim(index, 0, k, axis=axis)


def _side(side: str | None, right: bool) -> str:
    if side not in (None, "left", "right"):
        raise RuntimeError(f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}")
    if side == "left" and right:
        raise RuntimeError(
            "torch.searchsorted(): side and right can't be set to opposites, got side of left while right was True"
        )
    return "right" if right or side == "right" else "left"


_INDEX_OUT = Out(
    lambda made, given: (
        "torch.searchsorted(): output tensor's dtype is wrong, it can only be Int(int32) or Long(int64) depending "
        f"on whether out_int32 flag is True, but we got output tensor's dtype {{Given}} and out_int32 flag is {made == np.int32}"
    )
)


@op("searchsorted", method=False, out=_INDEX_OUT, differentiable=False)
def searchsorted(
    sorted_sequence: Array,
    input: Operand,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Array | None = None,
) -> Array:
    """Where each value would stand in a sorted row: before its equals, or behind them (``right``).

    Args:
        sorted_sequence: one row, or a row for each row of ``input``: shape ``(*, N)``.
        input: the values, shape ``(*, M)`` or, for one row, any.
        sorter: indices that sort the rows, if they are not sorted.
    """
    where = _side(side, right)
    if sorted_sequence.size:
        refuse("searchsorted_out_cpu", sorted_sequence, BOOL, COMPLEX)
    dtype = np.int32 if out_int32 else np.int64
    if not is_array(input):
        if sorted_sequence.ndim != 1:
            raise RuntimeError(
                "torch.searchsorted(): input value can be a scalar only when boundaries tensor dimension is 1, but we "
                f"got boundaries tensor dim({sorted_sequence.ndim}) and input value's dim(0) numel(1)"
            )
        common = np.dtype(sorted_sequence.dtype)
        input = jnp.asarray(as_dtype(input, common if not isinstance(input, float) else np.dtype(np.float64)))
        sorted_sequence = sorted_sequence.astype(input.dtype)
    elif sorted_sequence.dtype != input.dtype:
        raise RuntimeError(
            "torch.searchsorted(): boundary tensor and input value tensor should have same dtype, but got boundary tensor "
            f"data type {scalar_type(np.dtype(sorted_sequence.dtype))} and input value tensor data type "
            f"{scalar_type(np.dtype(input.dtype))}"
        )
    if sorter is not None:
        if sorter.shape != sorted_sequence.shape:
            raise RuntimeError(
                "torch.searchsorted(): boundary and sorter must have the same size, but got boundary tensor "
                f"{list(sorted_sequence.shape)}and got sorter tensor {list(sorter.shape)}"
            )
        sorted_sequence = jnp.take_along_axis(sorted_sequence, sorter, -1)
    if sorted_sequence.ndim == 1:
        return jnp.searchsorted(sorted_sequence, input, side=where, method="scan_unrolled").astype(dtype)
    if sorted_sequence.shape[:-1] != input.shape[:-1]:
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries tensor "
            f"and input value tensor must match, but we got boundaries tensor {list(sorted_sequence.shape)} and input "
            f"value tensor {list(input.shape)}"
        )
    rows = sorted_sequence.reshape(int(np.prod(sorted_sequence.shape[:-1])), sorted_sequence.shape[-1])
    values = input.reshape(rows.shape[0], input.shape[-1])
    found = jax.vmap(lambda row, v: jnp.searchsorted(row, v, side=where, method="scan_unrolled"))(rows, values)
    return found.reshape(input.shape).astype(dtype)


@op("bucketize", method=False, out=_INDEX_OUT, differentiable=False)
def bucketize(input: Operand, boundaries: Array, *, out_int32: bool = False, right: bool = False) -> Array:
    """The number of the bucket between sorted ``boundaries`` into which each value falls."""
    if boundaries.ndim != 1:
        raise RuntimeError(f"boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})")
    if is_array(input):
        input, boundaries = promote((input, boundaries), "common")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)
