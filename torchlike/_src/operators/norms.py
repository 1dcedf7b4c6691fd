"""Norms of vectors and matrices, and distances made of them."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from torchlike._src.operators.arithmetic import check_difference
from torchlike._src.operators.promotion import CATEGORY, COMPLEX, FLOAT, scalar_type
from torchlike._src.operators.registry import EXACT, NOTHING, Array, composite, op, ops
from torchlike._src.operators.rounding import abs as modulus
from torchlike._src.operators.support import HALF, Dims, normalize_dim, normalize_dims, refuse, widen


def _safe_root(x: Array, p: float = 2) -> Array:
    """``x ** (1 / p)`` with gradient 0, not infinity, at 0."""
    still = x == 0
    inner = jnp.where(still, 1, x)
    root = jnp.sqrt(inner) if p == 2 else inner ** (1 / p)
    return jnp.where(still, 0 if p > 0 else np.inf, root).astype(x.dtype)


def _p_norm(x: Array, p: float, axes: tuple[int, ...], keepdims: bool) -> Array:
    """The norm of order ``p`` over ``axes``, with torch's gradients where it has corners."""
    if p == 2:
        squares = jnp.real(x * jnp.conj(x)) if jnp.iscomplexobj(x) else x * x
        return _safe_root(jnp.sum(squares, axes, keepdims=keepdims))
    size = modulus(x)
    if p == 1:
        return jnp.sum(size, axes, keepdims=keepdims)
    if p == 0:
        return jnp.sum(size != 0, axes, keepdims=keepdims).astype(size.dtype)
    if math.isinf(p):
        return (jnp.max if p > 0 else jnp.min)(size, axes, keepdims=keepdims)
    zero = size == 0
    powers = jnp.where(zero, 0 if p > 0 else np.inf, jnp.where(zero, 1, size) ** p).astype(size.dtype)
    return _safe_root(jnp.sum(powers, axes, keepdims=keepdims), p)


def _check_dtype(name: str, x: Array, dtype: np.dtype | None) -> Array:
    """``x`` in ``dtype``, which must be able to hold it."""
    have = np.dtype(x.dtype)
    if CATEGORY[have] < FLOAT:
        raise RuntimeError(f"{name}: Expected a floating point or complex tensor as input. Got {scalar_type(have)}")
    if dtype is None:
        return x
    if CATEGORY[dtype] < FLOAT:
        raise RuntimeError(f"{name}: dtype should be floating point or complex, but got {scalar_type(dtype)}")
    if CATEGORY[dtype] != CATEGORY[have]:
        kinds = ("complex", "complex") if CATEGORY[have] == COMPLEX else ("real", "real")
        raise RuntimeError(f"{name}: dtype should be {kinds[0]} for {kinds[1]} inputs, but got {scalar_type(dtype)}")
    return x.astype(dtype)


def _of_a_count(input: Any, ord: float, *rest: Any) -> dict[str, str] | None:
    return {"input": NOTHING} if ord == 0 else None


@op("linalg.vector_norm", out=EXACT, saves=("input", "result"), grad_name="LinalgVectorNormBackward0", shortcut=_of_a_count)
def vector_norm(input: Array, ord: float = 2, dim: Dims = None, keepdim: bool = False, *, dtype: np.dtype | None = None) -> Array:
    """``sum(|x| ** ord) ** (1 / ord)`` over ``dim``, or of all elements; the limits for ±inf, a count for 0."""
    x = _check_dtype("linalg.vector_norm", input, dtype)
    axes = normalize_dims(dim, x.ndim)
    if (ord < 0 or math.isinf(ord)) and any(x.shape[a] == 0 for a in (axes if x.ndim else ())):
        if dim is None or dim == ():
            raise RuntimeError(
                f"linalg.vector_norm cannot compute the {ord:g} norm on an empty tensor because the operation does not "
                "have an identity"
            )
        if math.isinf(ord) or ord < 0:
            axis = next(a for a in axes if x.shape[a] == 0)
            raise RuntimeError(
                f"linalg.vector_norm cannot compute the {ord:g} norm on the dimension {axis} because this dimension "
                "is empty and the operation does not have an identity"
            )
    result = np.dtype(jnp.real(x).dtype if jnp.iscomplexobj(x) else x.dtype)
    (x,) = widen(x)
    return _p_norm(x, ord, axes, keepdim).astype(result)


@composite("linalg.matrix_norm")
def matrix_norm(
    input: Any, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None, out: Any = None
) -> Any:
    """The norm of the matrices over two dimensions: ``"fro"``, ``"nuc"``, ±1, ±2 or ±inf."""
    dim = tuple(dim)
    if len(dim) == 2 and ord == "fro" and input.ndim >= 2 and dim[0] % input.ndim != dim[1] % input.ndim:
        into = {} if out is None else {"out": out}
        return ops["linalg.vector_norm"](input, 2, dim, keepdim, dtype=dtype, **into)
    return ops._matrix_norm(input, ord, dim, keepdim, dtype=dtype, **({} if out is None else {"out": out}))


@op(
    "_matrix_norm",
    method=False,
    out="linalg.matrix_norm expected out tensor dtype {Made} but got: {Given}",
    grad_name="LinalgVectorNormBackward0",
)
def _matrix_norm(input: Array, ord: Any, dim: tuple[int, ...], keepdim: bool, *, dtype: np.dtype | None = None) -> Array:
    name = "linalg.matrix_norm"
    if input.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor A must have at least 2 dimensions.")
    if len(dim) != 2:
        raise RuntimeError(f"{name}: dim must be a 2-tuple. Got {' '.join(map(str, dim))}")
    rows, columns = (normalize_dim(d, input.ndim) for d in dim)
    if rows == columns:
        raise RuntimeError(f"{name}: dims must be different. Got ({dim[0]}, {dim[1]})")
    if ord not in ("fro", "nuc") and (isinstance(ord, str) or abs(ord) not in (1, 2, math.inf)):
        raise RuntimeError(f"{name}: Order {ord if isinstance(ord, str) else format(ord, 'g')} not supported.")
    x = _check_dtype(name, input, dtype)
    if ord == "fro":
        return vector_norm(x, 2, (rows, columns), keepdim)
    x = jnp.moveaxis(x, (rows, columns), (-2, -1))
    if ord == "nuc" or abs(ord) == 2:
        if x.dtype.itemsize == 2:
            raise RuntimeError(f"{name}: Low precision dtypes not supported. Got {scalar_type(np.dtype(x.dtype))}")
        if ord == -2 and 0 in x.shape[-2:]:
            raise IndexError("amin(): Expected reduction dim -1 to have non-zero size.")
        values = jnp.linalg.svd(x, compute_uv=False)
        if not values.shape[-1]:
            values = jnp.zeros((*values.shape[:-1], 1), values.dtype)
        if ord == "nuc":
            result = jnp.sum(values, -1)
        else:
            result = jnp.max(values, -1) if ord > 0 else jnp.min(values, -1)
    else:
        sums = jnp.sum(modulus(x), -2 if abs(ord) == 1 else -1)
        if ord < 0 and not sums.shape[-1]:
            summed, left = (rows, columns) if ord == -1 else (columns, rows)
            left -= not keepdim and summed < left
            raise IndexError(f"amin(): Expected reduction dim {left} to have non-zero size.")
        result = jnp.max(sums, -1, initial=0) if ord > 0 else jnp.min(sums, -1)
    return jnp.expand_dims(result, (rows, columns)) if keepdim else result


@composite("linalg.norm")
def norm_(input: Any, ord: Any = None, dim: Any = None, keepdim: bool = False, *, out: Any = None, dtype: Any = None) -> Any:
    """`vector_norm` or `matrix_norm`, whichever ``ord`` and the number of dimensions ask for."""
    into = {} if out is None else {"out": out}
    count = input.ndim if dim is None else (1 if isinstance(dim, int) else len(dim))
    if ord is not None and dim is None and input.ndim not in (1, 2):
        raise RuntimeError(f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {input.ndim}D.")
    if ord is not None and (isinstance(ord, str) or count == 2):
        return ops["linalg.matrix_norm"](input, ord, (-2, -1) if dim is None else dim, keepdim, dtype=dtype, **into)
    return ops["linalg.vector_norm"](input, 2 if ord is None else ord, dim, keepdim, dtype=dtype, **into)


@composite("norm")
def norm(input: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, out: Any = None, dtype: Any = None) -> Any:
    """The ``p``-norm over ``dim``, or of all elements; ``"fro"`` is 2, ``"nuc"`` is for matrices."""
    into = {} if out is None else {"out": out}
    if p == "nuc":
        if dim is None:
            dim = (-2, -1)
        return ops["linalg.matrix_norm"](input, "nuc", dim, keepdim, dtype=dtype, **into)
    order = 2.0 if p in ("fro", None) else p
    return ops["linalg.vector_norm"](input, order, dim, keepdim, dtype=dtype, **into)


@op("dist", saves=("input", "other", "result"), promote="common")
def dist(input: Array, other: Array, p: float = 2) -> Array:
    """The ``p``-norm of ``input - other``."""
    check_difference(input, other)
    dtype = np.dtype(input.dtype)
    if CATEGORY[dtype] < FLOAT:
        raise RuntimeError(f"norm(): input dtype should be either floating point or complex. Got {scalar_type(dtype)} instead.")
    return vector_norm(input - other, p)


@op("renorm", inplace=True, out=EXACT, saves=("input",))
def renorm(input: Array, p: float, dim: int, maxnorm: float) -> Array:
    """The slices along ``dim`` whose ``p``-norm exceeds ``maxnorm``, scaled down to it."""
    axis = normalize_dim(dim, input.ndim)
    if input.ndim < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions")
    if p <= 0:
        raise RuntimeError("renorm: non-positive-norm not supported")
    if isinstance(maxnorm, complex):
        raise RuntimeError("renorm: maxnorm must be real-valued")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm:g}")
    (x,) = widen(_check_dtype("linalg.vector_norm", input, None))  # norms of halves may exceed what halves hold
    norms = _p_norm(x, p, tuple(a for a in range(x.ndim) if a != axis), True)
    return (x * jnp.where(norms > maxnorm, maxnorm / (norms + 1e-7), 1).astype(x.dtype)).astype(input.dtype)


@op("cdist", method=False, saves=("x1", "x2", "result"))
def cdist(x1: Array, x2: Array, p: float = 2.0, compute_mode: str | None = "use_mm_for_euclid_dist_if_necessary") -> Array:
    """The ``p``-norm distances between the rows of ``x1`` ``(*, P, M)`` and ``x2`` ``(*, R, M)``: ``(*, P, R)``."""
    for i, x in ((1, x1), (2, x2)):
        if CATEGORY[np.dtype(x.dtype)] != FLOAT:
            raise RuntimeError(f"cdist only supports floating-point dtypes, X{i} got: {scalar_type(np.dtype(x.dtype))}")
        if x.ndim < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, X{i} got: {x.ndim}D")
    if x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(f"X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} X2: {x2.shape[-1]}")
    refuse("cdist", x1, HALF)
    if p < 0:
        raise RuntimeError("cdist only supports non-negative p values")
    large = x1.shape[-2] > 25 or x2.shape[-2] > 25
    use_products = compute_mode == "use_mm_for_euclid_dist" or (
        large and compute_mode in (None, "use_mm_for_euclid_dist_if_necessary")
    )
    if p == 2 and use_products:
        # As torch: |a|^2 - 2ab + |b|^2 is one product of longer rows, which rounds less than three terms.
        left, right = jnp.sum(x1 * x1, -1, keepdims=True), jnp.sum(x2 * x2, -1, keepdims=True)
        rows = jnp.concatenate([-2 * x1, left, jnp.ones_like(left)], -1)
        columns = jnp.concatenate([x2, jnp.ones_like(right), right], -1)
        return _safe_root(jnp.maximum(rows @ jnp.swapaxes(columns, -1, -2), 0))
    return _p_norm(x1[..., :, None, :] - x2[..., None, :, :], p, (-1,), False)


@op("nn.functional.pdist", "pdist", method=False, saves=("input", "result"))
def pdist(input: Array, p: float = 2.0) -> Array:
    """The ``p``-norm distances between all pairs of rows of ``(N, M)``: ``(N * (N - 1) / 2,)``."""
    if input.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.ndim}D")
    if p < 0:
        raise RuntimeError("pdist only supports non-negative p values")
    if CATEGORY[np.dtype(input.dtype)] != FLOAT:
        raise RuntimeError("pdist only supports floating-point dtypes")
    refuse("pdist", input, HALF)
    first, second = np.triu_indices(input.shape[0], 1)
    return _p_norm(input[first] - input[second], p, (1,), False)
