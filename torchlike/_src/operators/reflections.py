"""Householder reflections: the orthogonal matrix that they make, products with it, and factorizations by LAPACK's own format.

Here too what unpacks LU and LDL factorizations. QR itself is in `factorizations.py`.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlike._src.operators.factorizations import _adjoint, check_matrix, raise_for, require_blas
from torchlike._src.operators.promotion import scalar_type
from torchlike._src.operators.registry import EXACT, NOTHING, Array, composite, op, ops
from torchlike._src.operators.support import into


def _reflect(input: Array, tau: Array, C: Array, first_to_last: bool, adjoint: bool) -> Array:
    """``C`` multiplied from the left with the reflections ``I - tau v v*``, or their adjoints, one after the other.

    The ``v`` stand below the diagonal of ``input``, whose other elements are not read.
    """
    k = tau.shape[-1]
    V = jnp.tril(input[..., :k], -1) + jnp.eye(input.shape[-2], k, dtype=input.dtype)
    factors = jnp.conj(tau) if adjoint else tau

    def step(C: Array, item: tuple[Array, Array]) -> tuple[Array, None]:
        v, factor = item
        row = jnp.einsum("...i,...ij->...j", jnp.conj(v), C)
        return C - factor[..., None, None] * v[..., :, None] * row[..., None, :], None

    items = jnp.moveaxis(V, -1, 0), jnp.moveaxis(factors, -1, 0)
    return lax.scan(step, C, items, reverse=not first_to_last)[0]


def _product(input: Array, tau: Array) -> Array:
    m, n = input.shape[-2:]
    return _reflect(input, tau, jnp.broadcast_to(jnp.eye(m, n, dtype=input.dtype), input.shape), False, False)


@jax.custom_jvp
def _householder_product(input: Array, tau: Array) -> Array:
    return lax.linalg.householder_product(input, tau)


# LAPACK's routine has no derivative; that of the reflections one by one is the same function's.
_householder_product.defjvp(lambda primals, tangents: jax.jvp(_product, primals, tangents))


def _check_reflections(name: str, input: Array) -> None:
    if input.ndim < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")


def _without_reflections(input: Any, tau: Any, *rest: Any) -> dict[str, str] | None:
    return {"input": NOTHING, "tau": NOTHING} if 0 in input.shape or 0 in tau.shape else None


@op(
    "linalg.householder_product", "orgqr", method="orgqr", out=True, saves=("input", "tau", "result"),
    grad_name="LinalgHouseholderProductBackward0", shortcut=_without_reflections,
)  # fmt: skip
def householder_product(input: Array, tau: Array) -> Array:
    """The first columns of the product of Householder reflections, as `geqrf` gives them."""
    _check_reflections("torch.linalg.householder_product", input)
    if input.shape[-2] < input.shape[-1]:
        raise RuntimeError("torch.linalg.householder_product: input.shape[-2] must be greater than or equal to input.shape[-1]")
    if tau.shape[-1:] and input.shape[-1] < tau.shape[-1]:
        raise RuntimeError("torch.linalg.householder_product: input.shape[-1] must be greater than or equal to tau.shape[-1]")
    if tau.ndim != input.ndim - 1:
        raise RuntimeError(
            "torch.linalg.householder_product: Expected tau to have one dimension less than input, but got tau.ndim equal to "
            f"{tau.ndim} and input.ndim is equal to {input.ndim}"
        )
    if tau.shape[:-1] != input.shape[:-2]:
        raise RuntimeError(
            "torch.linalg.householder_product: Expected batch dimensions of tau to be equal to input.shape[:-2], but got "
            f"{list(tau.shape[:-1])}"
        )
    if tau.dtype != input.dtype:
        raise RuntimeError(
            f"torch.linalg.householder_product: tau dtype {scalar_type(np.dtype(tau.dtype))} does not match input dtype "
            f"{scalar_type(np.dtype(input.dtype))}"
        )
    require_blas(input, "orgqr_cpu")
    return _householder_product(input, tau)


@op("ormqr", out=True, saves=("input", "tau", "other", "result"), shortcut=_without_reflections)
def ormqr(input: Array, tau: Array, other: Array, left: bool = True, transpose: bool = False) -> Array:
    """``Q @ other``, or ``other @ Q`` unless ``left``, for the square ``Q`` of the reflections; ``Q.mH`` if ``transpose``."""
    size = other.shape[-2 if left else -1] if other.ndim >= 2 else -1
    _check_reflections("torch.ormqr", input)
    if other.ndim < 2:
        raise RuntimeError("torch.ormqr: other must have at least 2 dimensions.")
    which = "-2" if left else "-1"
    if size < tau.shape[-1]:
        raise RuntimeError(f"torch.ormqr: other.shape[{which}] must be greater than or equal to tau.shape[-1]")
    if size != input.shape[-2]:
        raise RuntimeError(f"torch.ormqr: other.shape[{which}] must be equal to input.shape[-2]")
    if tau.shape[-1] != min(size, input.shape[-1]):
        raise RuntimeError(f"torch.ormqr: tau.shape[-1] must be equal to min(other.shape[{which}], input.shape[-1])")
    require_blas(input, "ormqr_cpu")
    if left:
        return _reflect(input, tau, other, transpose, transpose)
    return _adjoint(_reflect(input, tau, _adjoint(other), not transpose, not transpose))


@op("geqrf", out=True, returns=("a", "tau"), differentiable=False)
def geqrf(input: Array) -> tuple[Array, Array]:
    """The Householder reflections of a QR factorization, below ``R``, and their factors."""
    _check_reflections("torch.geqrf", input)
    require_blas(input, "geqrf_cpu")
    reflections, tau = jnp.linalg.qr(input, mode="raw")
    return jnp.swapaxes(reflections, -1, -2), tau


@op("lu_unpack", method=False, out=EXACT, returns=("P", "L", "U"), saves=())
def lu_unpack(
    LU_data: Array, LU_pivots: Array, unpack_data: bool = True, unpack_pivots: bool = True
) -> tuple[Array, Array, Array]:
    """The permutation, the lower and the upper matrix of an LU factorization; empty what is not asked for."""
    if unpack_pivots and LU_pivots.dtype != np.int32:
        raise RuntimeError(
            "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 dtype.\n"
            "Note: this function is intended to be used with the output produced by torch.linalg.lu_factor"
        )
    m, n = LU_data.shape[-2:]
    k = min(m, n)
    none = jnp.zeros((0,), LU_data.dtype)
    P, L, U = none, none, none
    if unpack_data:
        L = jnp.tril(LU_data[..., :, :k], -1) + jnp.eye(m, k, dtype=LU_data.dtype)
        U = jnp.triu(LU_data[..., :k, :])
    if unpack_pivots:
        rows = lax.linalg.lu_pivots_to_permutation(LU_pivots - 1, m)
        P = jnp.swapaxes(rows[..., None] == jnp.arange(m), -1, -2).astype(LU_data.dtype)
    return P, L, U


@composite("lu")
def lu(A: Any, pivot: bool = True, get_infos: bool = False, out: Any = None) -> Any:
    """`linalg.lu_factor`, by its older name; with ``get_infos`` also the number of the first zero pivot."""
    from torchlike._src.tensor.return_types import named

    LU, pivots, infos = ops._lu_factor_ex(A, pivot)
    if get_infos:
        return into(out, named("linalg_lu_factor_ex", ("LU", "pivots", "info"))((LU, pivots, infos)))
    raise_for(infos, "lu: U[{k},{k}] is zero and using it on lu_solve would result in a division by zero.")
    return into(out, (LU, pivots), cast=True)


def _lapack(name: str, hermitian: bool, A: np.ndarray) -> Any:
    from scipy.linalg import lapack

    letter = {"f": "s", "d": "d", "F": "c", "D": "z"}[A.dtype.char]
    return getattr(lapack, letter + ("he" if hermitian and A.dtype.kind == "c" else "sy") + name)


def _each(shape: tuple[int, ...], function: Any, *arrays: np.ndarray) -> list[np.ndarray]:
    """A function of matrices over all leading dimensions."""
    found = [function(*(a[at] for a in arrays)) for at in np.ndindex(*shape)]
    return [np.stack([np.asarray(f[i]) for f in found]) for i in range(len(found[0]))] if found else []


@op("_ldl_factor_ex", method=False, eager=True, differentiable=False, returns=("LD", "pivots", "info"))
def _ldl_factor_ex(A: Array, hermitian: bool) -> Any:
    """By LAPACK itself, as Bunch and Kaufman's pivots are part of the result."""
    check_matrix("torch.linalg.ldl_factor_ex", A, square=True, kernel="ldl_factor_kernel_cpu")
    a = np.asarray(A)
    lead, n = a.shape[:-2], a.shape[-1]
    if not a.size:
        return a, np.zeros(a.shape[:-1], np.int32), np.zeros(lead, np.int32)
    routine = _lapack("trf", hermitian, a)

    def factor(matrix: np.ndarray) -> Any:
        return routine(matrix, lower=1)

    LD, pivots, info = _each(lead, factor, a)
    LD = np.tril(LD)
    return LD.reshape(a.shape).astype(a.dtype), pivots.reshape(*lead, n).astype(np.int32), info.reshape(lead).astype(np.int32)


@composite("linalg.ldl_factor_ex", method=False)
def ldl_factor_ex(A: Any, *, hermitian: bool = False, check_errors: bool = False, out: Any = None) -> Any:
    """`ldl_factor` and ``info``: 0, or the number of the first zero on the diagonal of ``D``."""
    found = ops._ldl_factor_ex(A, hermitian)
    if check_errors:
        raise_for(found[2], _ZERO_BLOCK.format(name="torch.linalg.ldl_factor_ex"))
    return into(out, found)


_ZERO_BLOCK = (
    "{name}: The factorization was completed, but the diagonal block of D at {{k}} is zero, and using it to solve a system of "
    "equations would divide by zero."
)


@composite("linalg.ldl_factor", method=False)
def ldl_factor(A: Any, *, hermitian: bool = False, out: Any = None) -> Any:
    """``A = P L D L.mT P.mT`` of symmetric (or Hermitian) matrices: ``L`` and ``D`` in one matrix, and the pivots."""
    from torchlike._src.tensor.return_types import named

    LD, pivots, info = ops._ldl_factor_ex(A, hermitian)
    raise_for(info, _ZERO_BLOCK.format(name="torch.linalg.ldl_factor"))
    return into(out, named("linalg_ldl_factor", ("LD", "pivots"))((LD, pivots)))


@op("linalg.ldl_solve", method=False, eager=True, differentiable=False, out=EXACT)
def ldl_solve(LD: Array, pivots: Array, B: Array, *, hermitian: bool = False) -> Any:
    """``X`` with ``A @ X = B``, given `ldl_factor` of ``A``."""
    check_matrix("torch.linalg.ldl_solve", LD, square=True, letter="LD", kernel="ldl_solve_kernel_cpu")
    if B.ndim < 2:
        raise RuntimeError(
            f"torch.linalg.ldl_solve: Expected B to have at least 2 dimensions, but it has {B.ndim} dimensions instead"
        )
    if np.dtype(pivots.dtype).kind not in "iu":
        raise RuntimeError(f"torch.linalg.ldl_solve: Expected pivots to be integers. Got {scalar_type(np.dtype(pivots.dtype))}")
    a, p, b = (np.asarray(t) for t in (LD, pivots, B))
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    shape = (*lead, *b.shape[-2:])
    if not int(np.prod(shape)):
        return np.zeros(shape, b.dtype)
    a, b = np.broadcast_to(a, (*lead, *a.shape[-2:])), np.broadcast_to(b, shape)
    p = np.broadcast_to(p, (*lead, p.shape[-1])).astype(np.int32)
    if (p == 0).any() or (np.abs(p) > p.shape[-1]).any():  # LAPACK would read and write beyond the matrix
        raise RuntimeError("torch.linalg.ldl_solve: pivots are those of linalg.ldl_factor, between 1 and the size of the matrix")
    routine = _lapack("trs", hermitian, a)
    solved = _each(lead, lambda matrix, pivot, right: routine(matrix, pivot, right, lower=1)[:1], a, p, b)[0]
    return np.ascontiguousarray(solved.reshape(shape), b.dtype)
