"""What is computed with the values of sparse tensors: pure functions, recorded like any op."""

from typing import Any

import jax
import jax.numpy as jnp

from torchlike._src.operators.registry import Array, anonymous
from torchlike._src.tensor.dispatch import Kernel


def _kernel(fn: Any, grad_name: str) -> Kernel:
    return Kernel(anonymous(fn, grad_name=grad_name, saves=()))


def _added(target: Array, index: Any, values: Array) -> Array:
    where = target.at[index]
    return where.max(values) if values.dtype == jnp.bool_ else where.add(values)


def _scatter(values: Array, pattern: Array, size: tuple) -> Array:
    if not size:
        return jnp.sum(values, axis=0, dtype=values.dtype) if values.dtype != jnp.bool_ else jnp.any(values, axis=0)
    return _added(jnp.zeros((*size, *values.shape[1:]), values.dtype), tuple(pattern), values)


def _gather(input: Array, pattern: Array) -> Array:
    return input[tuple(pattern)]


def _take(values: Array, rows: Array) -> Array:
    return values[rows]


def _segments(values: Array, into: Array, count: int) -> Array:
    return _added(jnp.zeros((count, *values.shape[1:]), values.dtype), into, values)


def _product(values: Array, pattern: Array, dense: Array, rows: int, swapped: bool) -> Array:
    """A sparse matrix ``(*batch, rows, K)``, or its transpose if ``swapped``, times ``(*batch, K, *)``."""
    *batch, row, column = tuple(pattern)
    if swapped:
        row, column = column, row
    terms = values.reshape(-1, *[1] * (dense.ndim - len(batch) - 1)) * dense[(*batch, column)]
    out = jnp.zeros((*dense.shape[: len(batch)], rows, *dense.shape[len(batch) + 1 :]), terms.dtype)
    return out.at[(*batch, row)].add(terms)


def _extremes(values: Array, pattern: Array, dense: Array, rows: int, largest: bool) -> Array:
    """The largest (or smallest) term of each sum that the product is; 0 where there are no terms."""
    row, column = pattern
    terms = values[:, None] * dense[column]
    fn = jax.ops.segment_max if largest else jax.ops.segment_min
    return jnp.where((_counts(row, rows) > 0)[:, None], fn(terms, row, rows), jnp.zeros((), terms.dtype))


def _counts(into: Array, count: int) -> Array:
    return jnp.zeros((count,), into.dtype).at[into].add(1)


def _means(values: Array, pattern: Array, dense: Array, rows: int) -> Array:
    sums = _product(values, pattern, dense, rows, False)
    return sums / jnp.maximum(_counts(pattern[0], rows), 1)[:, None].astype(sums.dtype)


def _sampled(mat1: Array, mat2: Array, pattern: Array) -> Array:
    """The elements of ``mat1 @ mat2`` at the pattern, and no others."""
    *batch, row, column = tuple(pattern)
    return jnp.sum(mat1[(*batch, row)] * jnp.swapaxes(mat2, -1, -2)[(*batch, column)], axis=-1)


def _softmax(values: Array, into: Array, count: int, log: bool) -> Array:
    """Over the elements of each group; what is not stored counts as minus infinity."""
    top = jax.lax.stop_gradient(jax.ops.segment_max(values, into, count))
    shifted = values - top[into]
    total = jax.ops.segment_sum(jnp.exp(shifted), into, count)
    return shifted - jnp.log(total)[into] if log else jnp.exp(shifted) / total[into]


def _reshaped(values: Array, size: tuple) -> Array:
    return jnp.reshape(values, size)


scatter = _kernel(_scatter, "ToDenseBackward0")
gather = _kernel(_gather, "ToSparseBackward0")
mask = _kernel(_gather, "SparseMaskBackward0")
take = _kernel(_take, "IndexSelectBackward0")
segments = _kernel(_segments, "CoalesceBackward0")
product = _kernel(_product, "SparseAddmmBackward0")
means = _kernel(_means, "SparseMmReduceImplBackward0")
extremes = _kernel(_extremes, "SparseMmReduceImplBackward0")
sampled = _kernel(_sampled, "SparseSampledAddmmBackward0")
softmax = _kernel(_softmax, "SparseSoftmaxBackward0")
reshaped = _kernel(_reshaped, "UnsafeViewBackward0")
