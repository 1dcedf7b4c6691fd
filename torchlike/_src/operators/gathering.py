"""Reading at indices: gather, index_select, advanced indexing, and finding where."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from torchlike._src.operators.promotion import CATEGORY, INTEGER
from torchlike._src.operators.registry import Array, Arrays, Out, composite, op, ops
from torchlike._src.operators.support import broadcast_shapes, checked, into, normalize_dim


def check_indices(
    index: Any, size: int, dim: int, negative: bool = True, error: type[Exception] = IndexError, prefix: str = ""
) -> None:
    """Raise torch's error for the first index, of a NumPy array, that is out of range.

    Raises:
        IndexError: or ``error``; ``index 5 is out of bounds for dimension 0 with size 3``.
    """
    bad = index[(index >= size) | (index < (-size if negative else 0))]
    if bad.size:
        raise error(f"{prefix}index {bad.flat[0]} is out of bounds for dimension {dim} with size {size}")


def _check_gather(input: Any, dim: int, index: Any) -> int:
    axis = normalize_dim(dim, input.ndim)
    if index.size == 0:
        return axis
    if index.dtype not in (np.int32, np.int64):
        raise RuntimeError("gather(): Expected dtype int32/int64 for index")
    if max(index.ndim, 1) != max(input.ndim, 1):
        raise RuntimeError("Index tensor must have the same number of dimensions as input tensor")
    for d, (have, limit) in enumerate(zip(index.shape, input.shape, strict=False)):
        if d != axis and have > limit:
            raise RuntimeError(
                f"Size does not match at dimension {d} expected index {list(index.shape)} to be no larger than self "
                f"{list(input.shape)} apart from dimension {axis}"
            )
    return axis


def _host_gather(input: Any, dim: int, index: Any, *, sparse_grad: bool = False) -> Any:
    axis = _check_gather(input, dim, index)
    if not index.size:
        return np.zeros(index.shape, input.dtype)
    return _gather(np, input, axis, index)


def _gather_range(input: Any, dim: int, index: Any, *_: Any, **__: Any) -> None:
    if isinstance(index, np.ndarray) and index.dtype.kind == "i" and index.size:
        axis = _check_gather(input, dim, index)
        check_indices(index, input.shape[axis] if input.ndim else 1, axis, negative=False, error=RuntimeError)


def _gather(xp: Any, input: Any, axis: int, index: Any) -> Any:
    if not input.ndim or not index.ndim:
        return input.reshape(-1)[index.reshape(-1)].reshape(index.shape)
    within = tuple(slice(None) if d == axis else slice(n) for d, n in enumerate(index.shape))
    part = input[within]
    if xp is np:
        return np.take_along_axis(part, index, axis)
    return jnp.take_along_axis(part, index, axis, mode="promise_in_bounds")


@op("gather", out="exact", saves=("input", "index"), host=_host_gather)
@checked(_gather_range)
def gather(input: Array, dim: int, index: Array, *, sparse_grad: bool = False) -> Array:
    """The elements of ``input`` at ``index`` along ``dim``; otherwise at their own place.

    Args:
        input: any shape.
        dim: the dimension that ``index`` is about.
        index: int32 or int64, as many dimensions as ``input``, no larger but along ``dim``.
    Returns:
        The shape of ``index``.
    """
    axis = _check_gather(input, dim, index)
    if not index.size:
        return input.reshape(-1)[:0].reshape(index.shape)
    return _gather(jnp, input, axis, index)


def _check_select(input: Any, dim: int, index: Any) -> int:
    if index.ndim > 1:
        raise IndexError("index_select(): Index is supposed to be a vector")
    if index.dtype not in (np.int32, np.int64):
        raise RuntimeError("index_select(): Expected dtype int32 or int64 for index")
    return normalize_dim(dim, input.ndim)


def _host_select(input: Any, dim: int, index: Any) -> Any:
    axis = _check_select(input, dim, index)
    return np.take(input, index.reshape(-1), axis) if input.ndim else np.array(input)


def _select_range(input: Any, dim: int, index: Any, *_: Any) -> None:
    if isinstance(index, np.ndarray) and index.dtype.kind == "i" and index.size:
        size = input.shape[normalize_dim(dim, input.ndim)] if input.ndim else 1
        if index.min() < 0 or index.max() >= size:
            raise IndexError("index out of range in self")


@op(
    "index_select",
    out=Out("index_select(): self and result must have the same scalar type", apart=True),
    saves=("index",),
    host=_host_select,
)
@checked(_select_range)
def index_select(input: Array, dim: int, index: Array) -> Array:
    """The slices of ``input`` at the places ``index``, a vector, of ``dim``."""
    axis = _check_select(input, dim, index)
    if not input.ndim:
        return input
    if not input.shape[axis] and index.size:
        if input.ndim == 1:
            raise IndexError("index out of range in self")
        raise RuntimeError("index_select(): self indexing axis dim should be positive")
    return jnp.take(input, index.reshape(-1), axis, mode="clip")


def _entries(input: Any, indices: Sequence[Any]) -> tuple[tuple[Any, ...], tuple[int, ...]]:
    """The index as NumPy has it, with slices for None, and the shape that the index arrays broadcast to."""
    if len(indices) > input.ndim:
        raise IndexError(f"too many indices for tensor of dimension {input.ndim} (got {len(indices)})")
    arrays = [i for i in indices if i is not None]
    try:
        shape = broadcast_shapes(*(a.shape for a in arrays))
    except RuntimeError:
        shapes = ", ".join(str(list(a.shape)) for a in arrays)
        raise IndexError(f"shape mismatch: indexing tensors could not be broadcast together with shapes {shapes}") from None
    if 0 not in shape and any(not n for i, n in zip(indices, input.shape, strict=False) if i is not None):
        raise IndexError("index is out of bounds for dimension with size 0")
    return tuple(slice(None) if i is None else i for i in indices), shape


def _host_index(input: Any, indices: Sequence[Any]) -> Any:
    entries, _ = _entries(input, indices)
    found = input[entries]
    return found.copy() if np.may_share_memory(found, input) else found


def index_range(input: Any, indices: Sequence[Any], *_: Any) -> None:
    """The check of values for `index` and `index_put`."""
    taken = [(dim, i) for dim, i in enumerate(indices[: input.ndim]) if i is not None]
    for number, (dim, i) in enumerate(taken):  # torch counts the indices, not the dimensions
        if isinstance(i, np.ndarray) and i.dtype.kind in "iu":
            check_indices(i, input.shape[dim], number)


@op("index", method=False, saves=("indices",), host=_host_index)
@checked(index_range)
def index(input: Array, indices: Arrays) -> Array:
    """``input[indices]`` with integer arrays, which broadcast together; None takes a whole dimension.

    The dimensions of the index arrays come where the first of them is, or first of all if they are not side by side.
    Indices out of range are clamped on the device, and refused where their values are known.
    """
    entries, _ = _entries(input, indices)
    return input.at[entries].get(mode="clip")


def _host_take(input: Any, index: Any) -> Any:
    _check_long("take", index)
    return np.asarray(input.reshape(-1)[index])


def flat_range(input: Any, index: Any, *_: Any) -> None:
    """The check of values for `take` and `put`."""
    size = int(np.prod(input.shape, dtype=np.int64))
    if isinstance(index, np.ndarray) and index.dtype == np.int64 and size:
        bad = index[(index >= size) | (index < -size)]
        if bad.size:
            raise IndexError(f"out of range: tried to access index {bad.flat[0]} on a tensor of {size} elements.")


def _check_long(name: str, index: Any) -> None:
    if index.dtype != np.int64:
        raise RuntimeError(f"{name}(): Expected a long tensor for index, but got {index.dtype}")


_TAKEN = Out(
    "take(): self and out expected to have the same dtype, but got self.dtype = {Made} and out.dtype = {Given}", apart=True
)


@op("take", out=_TAKEN, saves=("input", "index"), host=_host_take)
@checked(flat_range)
def take(input: Array, index: Array) -> Array:
    """The elements of the flattened ``input`` at ``index``."""
    _check_long("take", index)
    if not input.size:
        if index.size:
            raise IndexError("take(): tried to take from an empty tensor")
        return jnp.zeros(index.shape, input.dtype)
    return input.reshape(-1).at[index].get(mode="clip")


@composite("take_along_dim")
def take_along_dim(input: Any, indices: Array, dim: int | None = None, *, out: Any = None) -> Any:
    """`gather` with broadcasting; flattened without ``dim``."""
    into = {} if out is None else {"out": out}
    if dim is None:
        return ops.gather(input.reshape(-1), 0, indices.reshape(-1), **into)
    if input.ndim != indices.ndim:
        raise RuntimeError(
            "torch.take_along_dim(): input and indices should have the same number of dimensions, but got "
            f"{input.ndim} dimensions for input, and {indices.ndim} dimensions for indices"
        )
    axis = normalize_dim(dim, input.ndim)
    if input.shape and input.shape[axis]:
        indices = ops.remainder(indices, input.shape[axis])  # torch wraps them, more than once if need be
    a, b = list(input.shape), list(indices.shape)
    common = list(broadcast_shapes((*a[:axis], 1, *a[axis + 1 :]), (*b[:axis], 1, *b[axis + 1 :])))
    full = input.expand([*common[:axis], a[axis], *common[axis + 1 :]])
    return ops.gather(full, axis, indices.expand([*common[:axis], b[axis], *common[axis + 1 :]]), **into)


@op("_nonzero", method=False, eager=True, differentiable=False)
def _nonzero(input: Array) -> Array:
    """The places of what is not zero, one a row: shape ``(N, input.ndim)``."""
    found = np.asarray(input)
    return np.stack(np.nonzero(found), 1) if found.ndim else np.zeros((int(found != 0), 0), np.int64)


@op("_nonzero_tuple", method=False, eager=True, differentiable=False)
def _nonzero_tuple(input: Array) -> tuple[Array, ...]:
    return tuple(i.astype(np.int64) for i in np.nonzero(np.atleast_1d(np.asarray(input))))


@composite("nonzero")
def nonzero(input: Any, *, as_tuple: bool = False, out: Any = None) -> Any:
    """The places of what is not zero: shape ``(N, input.ndim)``, or a tuple of a vector for each dimension."""
    if as_tuple and not isinstance(out, (tuple, list)):  # these are refused below
        if out is not None:
            raise RuntimeError("nonzero does not support the out kwarg when as_tuple is True")
        found = ops._nonzero_tuple(input)
        return found if isinstance(found, tuple) else (found,)
    made = argwhere(input)
    return into(out, made, message="nonzero: Expected out tensor to have scalar type {Made} but got scalar type{Given}")


@composite("argwhere")
def argwhere(input: Any) -> Any:
    """`nonzero` as rows."""
    made = ops._nonzero(input)
    if input.ndim:
        made._set_strides((1, len(made)))  # torch fills in one dimension after the other
    return made


@op("_flat_places", method=False, eager=True, differentiable=False)
def _flat_places(mask: Array) -> Array:
    return np.flatnonzero(np.asarray(mask)).astype(np.int64)


@op("_at_places", method=False, saves=("input", "mask"), grad_name="MaskedSelectBackward0")
def _at_places(input: Array, mask: Array, places: Array, shape: tuple[int, ...]) -> Array:
    """``mask``, of which ``places`` tell all, is here since torch keeps it for backward."""
    return jnp.broadcast_to(input, shape).reshape(-1)[places]


@composite("masked_select")
def masked_select(input: Any, mask: Array, *, out: Any = None) -> Any:
    """The elements where ``mask`` holds, in a vector; both broadcast."""
    if str(mask.dtype) != "torch.bool":
        raise RuntimeError("masked_select: expected BoolTensor for mask")
    shape = broadcast_shapes(tuple(mask.shape), tuple(input.shape))
    if out is not None and out.numel() and out._storage in (input._storage, mask._storage):
        out._refuse_overlap()
    made = ops._at_places(input, mask, ops._flat_places(mask.expand(shape)), shape)
    return into(out, made, name="masked_select", message="masked_select(): self and result must have the same scalar type")


@composite("unravel_index", method=False)
def unravel_index(indices: Any, shape: Any) -> tuple[Any, ...]:
    """Flat indices as a tuple of indices into ``shape``, of dtype int64."""
    if CATEGORY[indices.dtype.np] != INTEGER:
        raise TypeError(f"expected 'indices' to be integer dtype, but got {indices.dtype}")
    if not isinstance(shape, (int, Sequence)):
        raise TypeError(f"expected 'shape' to be int or sequence of ints, but got {type(shape)}")
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    for size in sizes:
        if not isinstance(size, int):
            raise TypeError(f"expected 'shape' sequence to only contain ints, but got {type(size)}")
    if any(size < 0 for size in sizes):
        raise ValueError(f"'shape' cannot have negative values, but got {sizes}")
    found = []
    indices = indices.long()
    for size in reversed(sizes):
        found.append(indices % size)
        indices = ops.div(indices, size, rounding_mode="floor")
    return tuple(reversed(found))


@composite("nonzero_static")
def nonzero_static(input: Any, *, size: int, fill_value: int = -1, out: Any = None) -> Any:
    """The first ``size`` rows of `nonzero`, filled up with ``fill_value`` if there are fewer."""
    if size < 0:
        raise RuntimeError(f"nonzero_static: 'size' must be an non-negative integer, but got {size}")
    return into(out, ops._nonzero_static(input, size, fill_value))


@op("_nonzero_static", method=False, differentiable=False)
def _nonzero_static(input: Array, size: int, fill_value: int) -> Array:
    if not input.size or not input.ndim:
        return jnp.full((size, input.ndim), fill_value, np.int64)
    found = jnp.nonzero(input, size=size, fill_value=fill_value)
    return jnp.stack(found, -1).astype(np.int64)


@composite("_unsafe_masked_index", method=False)
def _unsafe_masked_index(input: Any, mask: Any, indices: Any, fill: Any) -> Any:
    """``input[indices]`` where ``mask`` holds, and ``fill`` elsewhere; indices are clamped."""
    if not input.numel():
        raise RuntimeError("_unsafe_masked_index with an input that has no elements")
    where = [None if i is None else ops.clamp(i, -n, n - 1) for i, n in zip(indices, input.shape, strict=False)]
    return ops.where(mask, ops.index(input, where), fill)


@composite("_unsafe_masked_index_put_accumulate", method=False)
def _unsafe_masked_index_put_accumulate(input: Any, mask: Any, indices: Any, values: Any) -> Any:
    """``input`` with ``values`` added at ``indices`` where ``mask`` holds; indices are clamped."""
    where = [None if i is None else ops.clamp(i, -n, n - 1) for i, n in zip(indices, input.shape, strict=False)]
    return ops._index_put(input, where, ops.masked_fill(values, ops.logical_not(mask), 0), True)
