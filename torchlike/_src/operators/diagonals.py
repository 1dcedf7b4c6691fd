"""Diagonals and triangles of matrices."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlike._src.operators.promotion import CATEGORY, FLOAT, scalar_type
from torchlike._src.operators.registry import EXACT, Array, InPlace, composite, op, ops
from torchlike._src.operators.support import into, normalize_dim


def _host_triangle(keep: Any) -> Any:
    def host(input: Any, diagonal: int = 0) -> Any:
        return keep(input, diagonal) if input.ndim >= 2 else NotImplemented

    return host


def _triangle(name: str, input: Array) -> tuple[Array, Array]:
    """Row and column numbers, that broadcast over the matrices."""
    if input.ndim < 2:
        raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions")
    rows, columns = input.shape[-2:]
    return lax.broadcasted_iota(np.int32, (rows, 1), 0), lax.broadcasted_iota(np.int32, (1, columns), 1)


@op("tril", inplace=InPlace(itself=True), out=EXACT, host=_host_triangle(np.tril), saves=())
def tril(input: Array, diagonal: int = 0) -> Array:
    """The elements on and below a diagonal, the others 0."""
    rows, columns = _triangle("tril", input)
    return jnp.where(columns - rows <= diagonal, input, jnp.zeros((), input.dtype))


@op("triu", inplace=InPlace(itself=True), out=EXACT, host=_host_triangle(np.triu), saves=())
def triu(input: Array, diagonal: int = 0) -> Array:
    """The elements on and above a diagonal, the others 0."""
    rows, columns = _triangle("triu", input)
    return jnp.where(columns - rows >= diagonal, input, jnp.zeros((), input.dtype))


def _check_sizes(row: int, col: int) -> None:
    for name, n in (("row", row), ("col", col)):
        if n < 0:
            raise RuntimeError(f"{name} must be non-negative, got{n}")


def _indices(find: Any, row: int, col: int, offset: int, dtype: Any) -> Any:
    _check_sizes(row, col)
    return np.stack(find(row, offset, col)).astype(np.int64 if dtype is None else dtype)


def _host_tril_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None) -> Any:
    return _indices(np.tril_indices, row, col, offset, dtype)


def _host_triu_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None) -> Any:
    return _indices(np.triu_indices, row, col, offset, dtype)


@op("_tril_indices", method=False, differentiable=False, host=_host_tril_indices)
def _tril_indices(row: int, col: int, offset: int = 0, *, dtype: np.dtype | None = None) -> Array:
    return jnp.asarray(_host_tril_indices(row, col, offset, dtype=dtype))


@op("_triu_indices", method=False, differentiable=False, host=_host_triu_indices)
def _triu_indices(row: int, col: int, offset: int = 0, *, dtype: np.dtype | None = None) -> Array:
    return jnp.asarray(_host_triu_indices(row, col, offset, dtype=dtype))


@composite("tril_indices", method=False)
def tril_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None, layout: Any = None) -> Any:
    """Rows and columns of the elements on and below a diagonal: shape ``(2, N)``."""
    made = ops._tril_indices(row, col, offset, dtype=dtype)
    return made if device is None else made.to(device)


@composite("triu_indices", method=False)
def triu_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None, layout: Any = None) -> Any:
    """Rows and columns of the elements on and above a diagonal: shape ``(2, N)``."""
    made = ops._triu_indices(row, col, offset, dtype=dtype)
    return made if device is None else made.to(device)


@op("trace", saves=())
def trace(input: Array) -> Array:
    """The sum of a matrix's diagonal; integers sum to int64."""
    if input.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input.ndim}")
    dtype = input.dtype if CATEGORY[np.dtype(input.dtype)] >= FLOAT else np.int64
    return jnp.sum(jnp.diagonal(input), dtype=dtype)


@op("diag_embed", saves=())
def diag_embed(input: Array, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Array:
    """Matrices, in dimensions ``dim1`` and ``dim2``, with the last dimension of ``input`` on a diagonal."""
    ndim = input.ndim + 1
    a, b = normalize_dim(dim1, ndim), normalize_dim(dim2, ndim)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    size = input.shape[-1] + abs(offset)
    padded = jnp.pad(input, [(0, 0)] * (input.ndim - 1) + [(abs(offset), 0)])
    rows, columns = (lax.broadcasted_iota(np.int32, (size, size), k) for k in (0, 1))
    # Each element stands in its column when the diagonal is above, else in its row.
    spread = padded[..., None, :] if offset >= 0 else padded[..., :, None]
    result = jnp.where(columns - rows == offset, spread, jnp.zeros((), input.dtype))
    return jnp.moveaxis(result, (-2, -1), (a, b))


@composite("diag")
def diag(input: Any, diagonal: int = 0, *, out: Any = None) -> Any:
    """A square matrix with a vector on its diagonal, or the diagonal of a matrix, copied."""
    if input.ndim not in (1, 2):
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")
    made = ops.diag_embed(input, diagonal) if input.ndim == 1 else ops.diagonal(input, diagonal).clone()
    return into(out, made)


@composite("diagflat")
def diagflat(input: Any, offset: int = 0) -> Any:
    """A square matrix with all elements of ``input`` on its diagonal."""
    return ops.diag_embed(input.reshape(-1), offset)


@op("vander", method=False, grad_name="FlipBackward0")
def vander(x: Array, N: int | None = None, increasing: bool = False) -> Array:
    """The powers of each element of a vector as rows, highest first unless ``increasing``."""
    if x.ndim != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    if N is not None and N < 0:
        raise RuntimeError("N must be non-negative.")
    return _powers(x, x.shape[0] if N is None else N, increasing)


def _powers(x: Array, count: int, increasing: bool) -> Array:
    if CATEGORY[np.dtype(x.dtype)] < FLOAT:
        x = x.astype(np.int64)
    columns = [jnp.ones_like(x)]
    while len(columns) < count:
        columns.append(columns[-1] * x)
    columns = columns[:count]
    if not count:
        return jnp.zeros((*x.shape, 0), x.dtype)
    return jnp.stack(columns if increasing else columns[::-1], -1)


@op("_linalg_vander", method=False, grad_name="CumprodBackward0")
def _linalg_vander(x: Array, N: int | None = None) -> Array:
    """Powers from 0, lowest first, over the last dimension."""
    x, dtype = jnp.atleast_1d(x), np.dtype(x.dtype)
    if dtype == np.bool_ or (dtype.itemsize == 2 and CATEGORY[dtype] == FLOAT):
        raise RuntimeError(f"linalg.vander supports floating point, complex, and integer tensors, but got {scalar_type(dtype)}")
    if N is not None and N <= 1:
        raise RuntimeError("N must be greater than 1.")
    return _powers(x, x.shape[-1] if N is None else N, True)


@composite("linalg.vander", method=False)
def linalg_vander(x: Any, N: int | None = None) -> Any:
    """The powers of each element along the last dimension, from 0 up."""
    return ops._linalg_vander(x, N)
