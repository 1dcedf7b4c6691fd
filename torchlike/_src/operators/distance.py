"""Distances and similarities of pairs of vectors. All pairs: `cdist` and `pdist`."""

import jax.numpy as jnp
from jax import lax

from torchlike._src.operators.arithmetic import check_difference
from torchlike._src.operators.loss import require_broadcast
from torchlike._src.operators.nn_checks import is_floating, normalize_dim, scalar_type
from torchlike._src.operators.norms import vector_norm
from torchlike._src.operators.precision import opmath, rounded
from torchlike._src.operators.registry import Array, op


def distance(x1: Array, x2: Array, p: float, eps: float, keepdim: bool = False) -> Array:
    """The ``p``-norm of ``x1 - x2 + eps`` along the last axis."""
    require_broadcast(x1, x2)
    check_difference(x1, x2)
    difference = x1 - x2 + jnp.asarray(eps, jnp.result_type(x1, x2) if is_floating(x1) else jnp.float32)
    if difference.ndim == 0:
        return jnp.abs(difference)
    return vector_norm(difference, p, -1, keepdim)


@op("pairwise_distance", "nn.functional.pairwise_distance", method=False, promote="common", saves=("x1", "x2"))
def pairwise_distance(x1: Array, x2: Array, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Array:
    """The ``p``-norm of ``x1 - x2 + eps`` along the last dimension.

    Args:
        x1: shape ``(*, D)``; so is ``x2``, up to broadcasting.
        x2: see ``x1``.
        p: order of the norm.
        eps: keeps the derivative finite where the vectors are equal.
        keepdim: whether the last dimension stays, with size 1.
    """
    return distance(x1, x2, p, eps, keepdim)


@op("cosine_similarity", "nn.functional.cosine_similarity", method=False, promote="common", saves=("x1", "x2"))
def cosine_similarity(x1: Array, x2: Array, dim: int = 1, eps: float = 1e-8) -> Array:
    """``x1 · x2 / (max(|x1|, eps) max(|x2|, eps))`` along ``dim``."""
    require_broadcast(x1, x2)
    if not is_floating(x1):
        raise RuntimeError(f"expected common dtype to be floating point, yet common dtype is {scalar_type(x1.dtype)}")
    a, b = jnp.broadcast_arrays(opmath(x1), opmath(x2))
    axis = normalize_dim(dim, a.ndim)
    if a.ndim == 0:
        a, b = a[None], b[None]

    def unit(x: Array) -> Array:
        norm = rounded(vector_norm(x, 2, axis, True), x1.dtype)
        # Below eps the bound divides but, as in torch, the derivative still goes through the norm.
        return rounded(x / (norm + lax.stop_gradient(jnp.where(norm < eps, eps - norm, 0))), x1.dtype)

    return jnp.sum(rounded(unit(a) * unit(b), x1.dtype), axis).astype(x1.dtype)
