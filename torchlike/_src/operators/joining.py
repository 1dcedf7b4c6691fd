"""Joining tensors: cat, stack and their relatives."""

import itertools
import warnings
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from torchlike._src.operators.registry import CONSTANT, Array, Arrays, Out, composite, is_tensor, op, ops
from torchlike._src.operators.support import normalize_dim


def _legacy(x: Any) -> bool:
    """An empty 1-d tensor joins with anything: torch kept this from its beginnings."""
    return x.ndim == 1 and x.shape[0] == 0


def _check_given(tensors: Sequence[Any]) -> None:
    for i, x in enumerate(tensors):
        if x is None:
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got NoneType")


def _check_cat(tensors: Sequence[Any], dim: int) -> tuple[list[Any], int]:
    """The tensors that count, and the dimension."""
    if not len(tensors):
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    _check_given(tensors)
    for i, x in enumerate(tensors):
        if x.ndim == 0:
            raise RuntimeError(f"zero-dimensional tensor (at position {i}) cannot be concatenated")
    kept = [(i, x) for i, x in enumerate(tensors) if not _legacy(x)]
    if not kept:
        return list(tensors), 0  # whatever dim is
    first = kept[0][1]
    dim = normalize_dim(dim, first.ndim)
    for i, x in kept[1:]:
        if x.ndim != first.ndim:
            raise RuntimeError(f"Tensors must have same number of dimensions: got {first.ndim} and {x.ndim}")
        for have, want, d in zip(x.shape, first.shape, range(x.ndim), strict=True):
            if have != want and d != dim:
                raise RuntimeError(
                    f"Sizes of tensors must match except in dimension {dim}. Expected size {want} but got size {have} "
                    f"for tensor number {i} in the list."
                )
    return [x for _, x in kept], dim


def _host_cat(tensors: Sequence[Any], dim: int = 0) -> Any:
    return np.concatenate(*_check_cat(tensors, dim))


_JOINED = Out("torch.cat(): input types can't be cast to the desired output type {Given}", TypeError, cast=True, apart=True)


def _of_nothing(tensors: Sequence[Any], dim: int) -> dict[str, Any] | None:
    """Empty vectors are skipped, whatever the shape of the others."""
    skipped = [t.shape == (0,) for t in tensors]
    return {"tensors": tuple([CONSTANT if s else None for s in skipped])} if any(skipped) else None


@op(
    "cat", "concat", "concatenate", promote="common", method=False, out=_JOINED, host=_host_cat, saves=(), layout="format",
    shortcut=_of_nothing,
)  # fmt: skip
def cat(tensors: Arrays, dim: int = 0) -> Array:
    """The tensors one after another along ``dim``; their other sizes are equal."""
    return jnp.concatenate(*_check_cat(tensors, dim))


def _check_stack(tensors: Sequence[Any], dim: int) -> int:
    if not len(tensors):
        raise RuntimeError("stack expects a non-empty TensorList")
    _check_given(tensors)
    first = tensors[0].shape
    dim = normalize_dim(dim, len(first) + 1)
    for i, x in enumerate(tensors):
        if x.shape != first:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(first)} at entry 0 and {list(x.shape)} at entry {i}"
            )
    return dim


def _host_stack(tensors: Sequence[Any], dim: int = 0) -> Any:
    return np.stack(tensors, _check_stack(tensors, dim))


@op("stack", promote="common", method=False, out=_JOINED, host=_host_stack, saves=())
def stack(tensors: Arrays, dim: int = 0) -> Array:
    """The tensors, of one shape, along a new dimension."""
    return jnp.stack(tensors, _check_stack(tensors, dim))


def _into(out: Any) -> dict[str, Any]:
    return {} if out is None else {"out": out}


def _some(name: str, tensors: Sequence[Any]) -> Sequence[Any]:
    if not len(tensors):
        raise RuntimeError(f"{name} expects a non-empty TensorList")
    return tensors


@composite("hstack", method=False)
def hstack(tensors: Arrays, *, out: Any = None) -> Any:
    """`cat` along the second dimension, of vectors along the first."""
    rows = [ops.atleast_1d(t) for t in _some("hstack", tensors)]
    return ops.cat(rows, 0 if rows[0].ndim == 1 else 1, **_into(out))


@composite("vstack", "row_stack", method=False)
def vstack(tensors: Arrays, *, out: Any = None) -> Any:
    """`cat` along the first dimension, vectors as rows."""
    return ops.cat([ops.atleast_2d(t) for t in _some("vstack", tensors)], 0, **_into(out))


@composite("dstack", method=False)
def dstack(tensors: Arrays, *, out: Any = None) -> Any:
    """`cat` along the third dimension."""
    return ops.cat([ops.atleast_3d(t) for t in _some("dstack", tensors)], 2, **_into(out))


@composite("column_stack", method=False)
def column_stack(tensors: Arrays, *, out: Any = None) -> Any:
    """`cat` along the second dimension, vectors as columns."""
    columns = [t.reshape(t.numel(), 1) if t.ndim <= 1 else t for t in _some("column_stack", tensors)]
    return ops.cat(columns, 1, **_into(out))


def _each(function: Any, tensors: tuple[Any, ...]) -> Any:
    """One tensor for one, a tuple for several or for a sequence."""
    if len(tensors) == 1 and is_tensor(tensors[0]):
        return function(tensors[0])
    if len(tensors) == 1:
        tensors = tuple(tensors[0])
    return tuple(function(t) for t in tensors)


@composite("atleast_1d", "functional.atleast_1d", method=False)
def atleast_1d(*tensors: Any) -> Any:
    """0-d tensors as vectors; others as they are."""
    return _each(lambda t: t.reshape(1) if t.ndim == 0 else t, tensors)


@composite("atleast_2d", "functional.atleast_2d", method=False)
def atleast_2d(*tensors: Any) -> Any:
    """Vectors as rows; more dimensions as they are."""
    return _each(lambda t: t.reshape(1, 1) if t.ndim == 0 else t.unsqueeze(0) if t.ndim == 1 else t, tensors)


@composite("atleast_3d", "functional.atleast_3d", method=False)
def atleast_3d(*tensors: Any) -> Any:
    """Vectors as ``(1, N, 1)``, matrices as ``(N, M, 1)``; more dimensions as they are."""

    def raised(t: Any) -> Any:
        if t.ndim == 0:
            return t.reshape(1, 1, 1)
        if t.ndim == 1:
            return t.unsqueeze(0).unsqueeze(-1)
        return t.unsqueeze(-1) if t.ndim == 2 else t

    return _each(raised, tensors)


@op("_block_diag", method=False, promote="common", grad_name="BlockDiagBackward0", saves=())
def _block_diag(tensors: Arrays) -> Array:
    for i, x in enumerate(tensors):
        if x.ndim > 2:
            raise RuntimeError(
                f"torch.block_diag: Input tensors must have 2 or fewer dimensions. Input {i} has {x.ndim} dimensions"
            )
    blocks = [jnp.atleast_2d(x) for x in tensors]
    width = sum(b.shape[1] for b in blocks)
    rows, left = [], 0
    for b in blocks:
        rows.append(jnp.pad(b, ((0, 0), (left, width - left - b.shape[1]))))
        left += b.shape[1]
    return jnp.concatenate(rows, 0)


@composite("block_diag", "functional.block_diag", method=False)
def block_diag(*tensors: Array) -> Any:
    """The tensors, as matrices, along the diagonal of one; vectors are rows."""
    if len(tensors) == 1 and not is_tensor(tensors[0]):
        tensors = tuple(tensors[0])
    return ops._block_diag(tensors)


@composite("meshgrid", "functional.meshgrid", method=False)
def meshgrid(*tensors: Array, indexing: str | None = None) -> tuple[Any, ...]:
    """Vectors expanded over the grid of all of them; ``indexing="xy"`` swaps the first two dimensions."""
    if len(tensors) == 1 and not is_tensor(tensors[0]):
        tensors = tuple(tensors[0])
    if not tensors:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    for t in tensors:
        if t.ndim > 1:
            raise RuntimeError(f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {t}")
        if t.dtype != tensors[0].dtype:
            raise RuntimeError("meshgrid expects all tensors to have the same dtype")
    if indexing is None:
        warnings.warn(
            "torch.meshgrid: in an upcoming release, it will be required to pass the indexing argument.",
            UserWarning,
            stacklevel=2,
        )
    swap = indexing == "xy" and len(tensors) >= 2
    order = [tensors[1], tensors[0], *tensors[2:]] if swap else list(tensors)  # pyright: ignore[reportGeneralTypeIssues]
    shape = [t.numel() for t in order]
    n = len(order)
    grids = [t.reshape([-1 if j == i else 1 for j in range(n)]).expand(shape) for i, t in enumerate(order)]
    if swap:
        grids[0], grids[1] = grids[1], grids[0]
    return tuple(grids)


def _check_vector(t: Any) -> None:
    if t.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(t.shape)}")


@composite("cartesian_prod", "functional.cartesian_prod", method=False)
def cartesian_prod(*tensors: Array) -> Any:
    """All tuples that take one element of each vector, as rows."""
    if len(tensors) == 1 and not is_tensor(tensors[0]):
        tensors = tuple(tensors[0])
    for t in tensors:
        _check_vector(t)
    if len(tensors) == 1:
        return tensors[0]
    return ops.stack([g.flatten() for g in ops.meshgrid(*tensors, indexing="ij")], 1)


@composite("combinations", method=False)
def combinations(input: Any, r: int = 2, with_replacement: bool = False) -> Any:
    """All choices of ``r`` elements of a vector, in order, as rows."""
    _check_vector(input)
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    picks = np.array(list(choose(range(input.numel()), r)), dtype=np.int64).reshape(-1, r)
    return ops._pick(input, tuple(map(tuple, picks.tolist())), r)


@op("_pick", method=False, grad_name="IndexBackward0")
def _pick(input: Array, picks: tuple[tuple[int, ...], ...], width: int) -> Array:
    """Rows of elements of a vector, at places known beforehand."""
    return input[np.array(picks, dtype=np.int64).reshape(-1, width)]
