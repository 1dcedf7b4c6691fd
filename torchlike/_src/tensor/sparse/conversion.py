"""Between layouts: `to_dense`, `to_sparse` and its kin, `sparse_mask`."""

from typing import Any

import numpy as np

from torchlike._src.operators.registry import composite, ops
from torchlike._src.tensor import layouts
from torchlike._src.tensor.core import Tensor
from torchlike._src.tensor.dispatch import record
from torchlike._src.tensor.sparse import kernels, patterns
from torchlike._src.tensor.sparse.handle import BLOCKED, COMPRESSED, SWAPPED, SparseTensor, coo, like, make, on


@composite("Tensor.to_dense")
def to_dense(self: Tensor, dtype: Any = None, *, masked_grad: bool | None = None) -> Tensor:
    """All elements, those that are not stored as zeros; a dense tensor is returned as it is.

    Args:
        dtype: of the result.
        masked_grad: gradients reach the stored elements only, whether asked for or not.
    """
    out = dense_of(self) if isinstance(self, SparseTensor) else self
    return out if dtype is None else out.to(dtype)


def dense_of(s: SparseTensor) -> Tensor:
    pattern, values = s._elements()
    return record(kernels.scatter, (values, pattern, s._size[: len(s._size) - s.dense_dim()]))


def as_coo(s: SparseTensor) -> SparseTensor:
    """The same tensor in COO layout; coalesced unless ``s`` is COO and is not."""
    if s._layout is layouts.sparse_coo:
        return s
    pattern, values = s._elements()
    return coo(pattern, values, s._size, False).coalesce()


def with_layout(s: SparseTensor, layout: Any, block: tuple[int, int] | None = None) -> SparseTensor:
    """The same tensor in another layout."""
    if s._layout is layout and (block is None or block == s._block()):
        return s
    if layout is layouts.sparse_coo:
        return as_coo(s)
    c = as_coo(s).coalesce()
    size, values, pattern = c._size, c._data, c._pattern()
    dims = c.sparse_dim()
    if dims < 2:
        raise RuntimeError(f"conversion to {layout} needs a tensor with at least 2 sparse dimensions, got {dims}")
    if layout in BLOCKED:
        if block is None:
            raise RuntimeError(f"conversion to {layout} needs a blocksize")
        if size[dims - 2] % block[0] or size[dims - 1] % block[1]:
            raise RuntimeError(
                f"tensor sparse size ({size[dims - 2]},{size[dims - 1]}) must be divisible by given blocksize "
                f"({block[0]},{block[1]})"
            )
        pattern, values, grid = _blocks(pattern, values, size[:dims], block)
    else:
        grid = size[:dims]
    starts, plain, order = patterns.compressed(pattern, grid, layout in SWAPPED)
    if not np.array_equal(order, np.arange(len(order))):
        values = record(kernels.take, (values, on(order, values)))
    if plain.ndim > 1:
        values = record(kernels.reshaped, (values, (*plain.shape, *values.shape[1:])))
    return make(layout, (on(starts, values), on(plain, values)), values, size, True)


def _blocks(pattern: np.ndarray, values: Tensor, size: Any, block: tuple[int, int]) -> tuple[np.ndarray, Tensor, tuple[int, ...]]:
    """Elements gathered into the blocks where they stand."""
    scale = np.array([*[1] * (len(size) - 2), *block])
    grid = tuple([n // int(k) for n, k in zip(size, scale, strict=True)])
    found, into = patterns.unique(pattern // scale[:, None], grid)
    within = np.stack([into, pattern[-2] % block[0], pattern[-1] % block[1]])
    return found, record(kernels.scatter, (values, on(within, values), (found.shape[1], *block))), grid


def from_dense(input: Tensor, dims: int) -> SparseTensor:
    """The elements that are not zero; of the last ``input.ndim - dims`` dimensions all, if one is not."""
    array = input._numpy("to_sparse, whose size depends on data")
    nonzero = array != 0
    if array.ndim > dims:
        nonzero = nonzero.any(axis=tuple(range(dims, array.ndim)))
    found = np.stack(np.nonzero(nonzero)) if dims else np.zeros((0, int(bool(nonzero))), np.int64)
    pattern = on(found, input)
    if not dims:
        return coo(pattern, ops.unsqueeze(input, 0)[: found.shape[1]], input.shape, True)
    return coo(pattern, record(kernels.gather, (input, pattern)), input.shape, True)


@composite("Tensor.to_sparse")
def to_sparse(
    self: Tensor, sparse_dim: int | None = None, *, layout: Any = None, blocksize: Any = None, dense_dim: int | None = None
) -> Tensor:
    """In a sparse layout, COO by default.

    Args:
        sparse_dim: how many leading dimensions the pattern has; by default all.
        layout: ``torch.sparse_coo``, ``sparse_csr``, ``sparse_csc``, ``sparse_bsr`` or ``sparse_bsc``.
        blocksize: of the blocks of BSR and BSC.
        dense_dim: how many trailing dimensions each element of a compressed layout has.
    """
    wanted = layouts.sparse_coo if layout is None else layout
    if wanted not in COMPRESSED and wanted is not layouts.sparse_coo:
        raise RuntimeError(f"to_sparse: conversion from {self.layout} to {wanted} is not supported")
    block = None if blocksize is None else tuple(blocksize)
    if isinstance(self, SparseTensor):
        if sparse_dim is not None and sparse_dim != self.sparse_dim():
            raise RuntimeError(
                "to_sparse: conversion from Sparse to Sparse with sparse_dim argument !=self.sparse_dim() is not supported"
            )
        return with_layout(self, wanted, block)
    n = self.ndim
    if wanted is layouts.sparse_coo:
        if sparse_dim is not None and not (0 < sparse_dim <= n or n == sparse_dim == 0):
            raise RuntimeError(
                f"to_sparse: sparse_dim argument must be in >0 when the dense tensor has {n} dimensions, got {sparse_dim}"
            )
        return from_dense(self, n if sparse_dim is None else sparse_dim)
    dims = n - (dense_dim or 0)
    if dims < 2:
        raise RuntimeError(f"to_sparse: conversion to {wanted} needs at least 2 dimensions besides the dense ones, got {dims}")
    return with_layout(from_dense(self, dims), wanted, block)


@composite("Tensor.to_sparse_coo")
def to_sparse_coo(self: Tensor) -> Tensor:
    """In COO layout."""
    return to_sparse(self)


@composite("Tensor.to_sparse_csr")
def to_sparse_csr(self: Tensor, dense_dim: int | None = None) -> Tensor:
    """With compressed rows."""
    return to_sparse(self, layout=layouts.sparse_csr, dense_dim=dense_dim)


@composite("Tensor.to_sparse_csc")
def to_sparse_csc(self: Tensor, dense_dim: int | None = None) -> Tensor:
    """With compressed columns."""
    return to_sparse(self, layout=layouts.sparse_csc, dense_dim=dense_dim)


@composite("Tensor.to_sparse_bsr")
def to_sparse_bsr(self: Tensor, blocksize: Any, dense_dim: int | None = None) -> Tensor:
    """With compressed rows of blocks."""
    return to_sparse(self, layout=layouts.sparse_bsr, blocksize=blocksize, dense_dim=dense_dim)


@composite("Tensor.to_sparse_bsc")
def to_sparse_bsc(self: Tensor, blocksize: Any, dense_dim: int | None = None) -> Tensor:
    """With compressed columns of blocks."""
    return to_sparse(self, layout=layouts.sparse_bsc, blocksize=blocksize, dense_dim=dense_dim)


@composite("Tensor.sparse_mask")
def sparse_mask(self: Tensor, mask: Tensor) -> Tensor:
    """The elements of this tensor where ``mask``, a sparse tensor, stores any.

    Raises:
        RuntimeError: for another shape.
    """
    if not isinstance(mask, SparseTensor):
        raise RuntimeError(f"sparse_mask(): expected a mask in a sparse layout, got one of layout {mask.layout}")
    if tuple(self.shape) != mask._size:
        raise RuntimeError(
            "sparse_mask(): operands have incompatible sizes; self has size "
            f"{list(self.shape)} but mask has size {list(mask.shape)}"
        )
    pattern, _ = mask._elements()
    values = record(kernels.mask, (to_dense(self), pattern))
    shape = mask._data.shape
    return like(mask, values if values.shape == shape else record(kernels.reshaped, (values, tuple(shape))))


def _only_sparse(name: str) -> None:
    """Methods that dense tensors refuse, as torch does."""

    def method(self: Tensor, *_: Any, **__: Any) -> Any:
        raise RuntimeError(f"{name} expected a tensor in a sparse layout but got {self.layout}; see Tensor.to_sparse()")

    method.__name__ = name
    method.__doc__ = f"Of sparse tensors only: `SparseTensor.{name}`."
    composite(f"Tensor.{name}")(method)


for _name in ("indices", "values", "crow_indices", "col_indices", "ccol_indices", "row_indices", "_nnz", "_indices", "_values",
              "coalesce", "is_coalesced", "sparse_resize_", "sparse_resize_and_clear_"):  # fmt: skip
    _only_sparse(_name)


@composite("Tensor.sparse_dim")
def sparse_dim(self: Tensor) -> int:
    """How many dimensions the pattern of a sparse tensor has; 0 for a dense one."""
    return 0


@composite("Tensor.dense_dim")
def dense_dim(self: Tensor) -> int:
    """How many dimensions each element of a sparse tensor has; all those of a dense one."""
    return self.ndim
