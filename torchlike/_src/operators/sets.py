"""Tensors as sets of values: the distinct ones, and membership."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from torchlike._src.operators.promotion import BOOL, CATEGORY, COMPLEX, number_dtype, promote, scalar_type
from torchlike._src.operators.registry import EXACT, Array, Operand, composite, op, ops
from torchlike._src.operators.support import as_dtype, is_array, is_number, normalize_dim, refuse


@op("_unique", method=False, eager=True, differentiable=False)
def _unique(input: Array, dim: int | None) -> tuple[Array, Array, Array]:
    """The distinct values in order, the number of each element's value, and how often each occurs."""
    refuse("unique" if dim is None else "unique_dim", input, COMPLEX)
    x = np.asarray(input)
    if dim is None:
        values, inverse, counts = np.unique(x.reshape(-1), return_inverse=True, return_counts=True, equal_nan=False)
        return values, inverse.reshape(x.shape).astype(np.int64), counts.astype(np.int64)
    axis = normalize_dim(dim, x.ndim)
    values, inverse, counts = np.unique(x, axis=axis, return_inverse=True, return_counts=True)
    return values, inverse.reshape(-1).astype(np.int64), counts.astype(np.int64)


def _wanted(found: tuple[Any, Any, Any], inverse: bool, counts: bool) -> Any:
    chosen = (found[0], *((found[1],) if inverse else ()), *((found[2],) if counts else ()))
    return chosen[0] if len(chosen) == 1 else chosen


@composite("unique", "functional.unique")
def unique(
    input: Any, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The distinct values, in order, of everything or of slices along ``dim``.

    Args:
        sorted: as the values always are.
        return_inverse: also where each element's value stands among them.
        return_counts: also how often each occurs.
    """
    return _wanted(ops._unique(input, dim), return_inverse, return_counts)


@op("_unique_consecutive", method=False, eager=True, differentiable=False)
def _unique_consecutive(input: Array, dim: int | None) -> tuple[Array, Array, Array]:
    x = np.asarray(input)
    rows = x.reshape(-1) if dim is None else np.moveaxis(x, normalize_dim(dim, x.ndim), 0)
    size = rows.shape[0]
    flat = rows.reshape(size, -1) if size else rows.reshape(0, 1)
    fresh = np.ones(size, bool)
    fresh[1:] = (flat[1:] != flat[:-1]).any(1)
    starts = np.flatnonzero(fresh)
    inverse = np.cumsum(fresh) - 1
    counts = np.diff(np.append(starts, size))
    values = rows[starts]
    if dim is None:
        inverse = inverse.reshape(x.shape)
    else:
        values = np.moveaxis(values, 0, normalize_dim(dim, x.ndim))
    return values, inverse.astype(np.int64), counts.astype(np.int64)


@composite("unique_consecutive", "functional.unique_consecutive")
def unique_consecutive(input: Any, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None) -> Any:
    """The values, each once for a run of equal ones."""
    return _wanted(ops._unique_consecutive(input, dim), return_inverse, return_counts)


@op("isin", method=False, out=EXACT, differentiable=False)
def isin(elements: Operand, test_elements: Operand, *, assume_unique: bool = False, invert: bool = False) -> Array:
    """Where an element is among ``test_elements``, or is not (``invert``)."""
    for x in (elements, test_elements):
        dtype = np.dtype(x.dtype) if is_array(x) else number_dtype(type(x)) if is_number(x) else None
        if dtype is not None and CATEGORY[dtype] in (BOOL, COMPLEX):
            raise RuntimeError(f"Unsupported input type encountered for isin(): {scalar_type(dtype)}")
    elements, test_elements = promote((elements, test_elements), "common")
    dtype = np.dtype((elements if is_array(elements) else test_elements).dtype)
    elements, test_elements = (jnp.asarray(as_dtype(x, dtype)) for x in (elements, test_elements))
    return jnp.isin(elements, test_elements, assume_unique=assume_unique, invert=invert)
