"""Matrix products of groups of different sizes: what mixtures of experts are made of."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlike._src.operators.promotion import BFLOAT16
from torchlike._src.operators.registry import Array, op


@op("nn.functional.grouped_mm", method=False, saves=("mat_a", "mat_b", "offs"), grad_name="GroupedMmBackward0")
def grouped_mm(
    mat_a: Array, mat_b: Array, *, offs: Array | None = None, bias: Array | None = None, out_dtype: Any = None
) -> Array:  # fmt: skip
    """A product for each group. A matrix instead of a stack is cut into groups along the dimension that the other lacks.

    Args:
        mat_a: ``(G, M, K)``; or ``(M, K)``, cut along ``M``, or along ``K`` if ``mat_b`` is a matrix too.
        mat_b: ``(G, K, N)``; or ``(K, N)``, cut along ``N``, or along ``K``.
        offs: int32 ``(G,)``, where each group ends; for two stacks None.
        bias: not supported, as in torch.
        out_dtype: that of the inputs.
    Returns:
        ``(G, M, N)`` of two stacks or two matrices, else ``(M, N)``.
    Raises:
        RuntimeError: for shapes or dtypes that do not go together.
    """
    for name, x in (("mat_a", mat_a), ("mat_b", mat_b)):
        if x.dtype not in (BFLOAT16, np.float32, np.float16):
            raise RuntimeError(f"Expected {name} to be Float32, BFloat16 or Float16 matrix, got {x.dtype}")
        if x.ndim not in (2, 3):
            raise RuntimeError(f"{name} has to be 2 or 3d")
    if bias is not None:
        raise RuntimeError("Bias not supported yet")
    if out_dtype is not None and out_dtype != mat_a.dtype:
        raise RuntimeError("Grouped gemm output dtype must match `mat_a` dtype")
    stacked = mat_a.ndim == 3 and mat_b.ndim == 3
    if stacked != (offs is None):
        raise RuntimeError("Have to provide offsets if there is a 2d matrix, or no offset if both matrices are 3d")
    if mat_a.shape[-1] != mat_b.shape[-2]:
        raise RuntimeError("contraction dimension of mat_a and mat_b must match")
    if offs is None:
        return jnp.matmul(mat_a, mat_b)
    if mat_a.ndim == 2 and mat_b.ndim == 3:
        return lax.ragged_dot(mat_a, mat_b, jnp.diff(offs, prepend=0).astype(np.int32))
    if mat_a.ndim == 2:
        return jnp.einsum("mk,gk,kn->gmn", mat_a, _members(offs, mat_a.shape[1], mat_a.dtype), mat_b)
    return jnp.einsum("gmk,gn,kn->mn", mat_a, _members(offs, mat_b.shape[1], mat_a.dtype), mat_b)


def _members(offs: Array, count: int, dtype: Any) -> Array:
    """1 where a place belongs to a group, shape ``(G, count)``."""
    at = lax.broadcasted_iota(offs.dtype, (offs.shape[0], count), 1)
    start = jnp.concatenate([jnp.zeros_like(offs[:1]), offs[:-1]])
    return ((at >= start[:, None]) & (at < offs[:, None])).astype(dtype)
