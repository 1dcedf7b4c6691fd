"""Matrix factorizations: Cholesky, QR, LU, eigenvalues, singular values.

torch raises for a factorization that fails, which takes a look at the result: the functions here do so too, and their
``_ex`` forms, which return ``info`` instead, do not.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlike._src.operators.promotion import BOOL, CATEGORY, FLOAT, INTEGER, scalar_type, to_complex
from torchlike._src.operators.registry import EXACT, Array, Out, composite, op, ops
from torchlike._src.operators.support import into, refuse, unbroadcast

_LOW = ("float16", "bfloat16")


class LinAlgError(RuntimeError):
    """A factorization or a solution that does not exist."""


LinAlgError.__name__ = LinAlgError.__qualname__ = "_LinAlgError"
LinAlgError.__module__ = "torch._C"


def check_matrix(name: str, A: Any, square: bool = False, letter: str = "A", kernel: str = "", integers: bool = False) -> None:
    """Raise torch's errors for what is no batch of (square) floating point matrices.

    Args:
        kernel: torch's, if it is this that has no half and bfloat16; else the function itself refuses them.
        integers: they come as far as to the kernel, too.
    """
    dtype = np.dtype(A.dtype)
    if A.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor {letter} must have at least 2 dimensions.")
    if square and A.shape[-1] != A.shape[-2]:
        raise RuntimeError(
            f"{name}: {letter} must be batches of square matrices, but they are {A.shape[-2]} by {A.shape[-1]} matrices"
        )
    if CATEGORY[dtype] < FLOAT and not integers:
        raise RuntimeError(f"{name}: Expected a floating point or complex tensor as input. Got {scalar_type(dtype)}")
    if kernel:
        require_blas(A, kernel)
    if dtype.name in _LOW:
        raise RuntimeError(f"{name}: Low precision dtypes not supported. Got {scalar_type(dtype)}")


def is_blas(dtype: np.dtype) -> bool:
    """Whether BLAS knows a dtype: single or double precision, real or complex."""
    return dtype.char in "fdFD"


def require_blas(x: Any, kernel: str) -> None:
    """Raise torch's NotImplementedError unless BLAS knows the dtype."""
    dtype = np.dtype(x.dtype)
    if not is_blas(dtype):
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{scalar_type(dtype)}'")


def raise_for(info: Any, message: str) -> None:
    """Look at ``info``, and raise if a factorization failed; ``{k}`` in the message is the first that is not zero.

    Raises:
        LinAlgError: with the number of the matrix in its batch.
    """
    info = info._whole()
    if not bool(ops.any(info)):
        return
    found = np.atleast_1d(np.asarray(info.tolist()))
    first = int(np.flatnonzero(found.reshape(-1))[0])
    name, _, rest = message.partition(": ")
    batch = f"(Batch element {first}): " if info.ndim else ""
    raise LinAlgError(f"{name}: {batch}{rest.format(k=found.reshape(-1)[first])}")


_NOT_POSITIVE = (
    "{name}: The factorization could not be completed because the input is not positive-definite (the leading minor of "
    "order {{k}} is not positive-definite)."
)


def _adjoint(x: Array) -> Array:
    return jnp.conj(jnp.swapaxes(x, -1, -2))


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def hermitian(A: Array, lower: bool) -> Array:
    """The Hermitian matrix of which one triangle is read.

    Its gradient goes to both triangles alike, though only one is read: that is torch's choice.
    """
    half = jnp.tril(A, -1) if lower else jnp.triu(A, 1)
    diagonal = jnp.real(jnp.diagonal(A, axis1=-2, axis2=-1)).astype(A.dtype)
    return half + _adjoint(half) + diagonal[..., None] * jnp.eye(A.shape[-1], dtype=A.dtype)


hermitian.defvjp(
    lambda A, lower: (hermitian(A, lower), None), lambda lower, _, cotangent: ((cotangent + _adjoint(cotangent)) / 2,)
)


def _cholesky_info(A: Array, L: Array) -> Array:
    """The order of the first leading minor that is not positive: where a row-by-row factorization breaks down."""
    bad = ~jnp.isfinite(jnp.diagonal(jnp.real(L), axis1=-2, axis2=-1))
    failed = bad.any(-1)
    # LAPACK's routine leaves only NaN behind; the order of the failure is found by eliminating again, by hand.

    def step(k: Any, state: tuple[Array, Array]) -> tuple[Array, Array]:
        rest, order = state
        pivot = jnp.real(rest[..., k, k])
        order = jnp.where((order == 0) & ~(pivot > 0), k + 1, order)
        column = rest[..., :, k]
        update = column[..., :, None] * jnp.conj(column)[..., None, :] / pivot[..., None, None].astype(rest.dtype)
        return rest - update, order

    _, order = lax.cond(
        failed.any(),
        lambda: lax.fori_loop(0, A.shape[-1], step, (A, jnp.zeros(A.shape[:-2], np.int64))),
        lambda: (A, jnp.zeros(A.shape[:-2], np.int64)),
    )
    return jnp.where(failed, order, 0).astype(np.int32)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _lower_factor(A: Array, upper: bool) -> Array:
    return lax.linalg.cholesky(hermitian(A, not upper), symmetrize_input=False)


@_lower_factor.defjvp
def _lower_factor_jvp(upper: bool, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    """``L' = L phi(L^-1 A' L^-H)``, where ``phi`` is half the diagonal and the Hermitian part below it.

    Of a Hermitian ``A'`` that is the derivative. It is the one whose adjoint gives torch's gradient, in which the diagonal of
    ``phi``'s argument is complex, too.
    """
    L = _lower_factor(*primals, upper)
    half = lax.linalg.triangular_solve(L, *tangents, left_side=True, lower=True)
    inner = lax.linalg.triangular_solve(L, half, left_side=False, lower=True, transpose_a=True, conjugate_a=True)
    diagonal = jnp.eye(L.shape[-1], dtype=L.dtype) * inner
    return L, L @ ((jnp.tril(inner + _adjoint(inner), -1) + diagonal) / 2)


@op("_cholesky_ex", method=False, returns=("L", "info"), saves=("L",), grad_name="LinalgCholeskyExBackward0")
def _cholesky_ex(A: Array, upper: bool = False) -> tuple[Array, Array]:
    check_matrix("linalg.cholesky", A, square=True, kernel="cholesky_cpu")
    if not A.size:
        return A, jnp.zeros(A.shape[:-2], np.int32)
    L = _lower_factor(A, upper)
    return (_adjoint(L) if upper else L), _cholesky_info(*lax.stop_gradient((hermitian(A, not upper), L)))


@composite("linalg.cholesky_ex", method=False)
def cholesky_ex(A: Any, *, upper: bool = False, check_errors: bool = False, out: Any = None) -> Any:
    """`cholesky` and ``info``: 0, or the order of the first leading minor that is not positive."""
    found = ops._cholesky_ex(A, upper)
    if check_errors:
        raise_for(found[1], _NOT_POSITIVE.format(name="linalg.cholesky_ex"))
    return into(out, found, name="linalg_cholesky_ex")


def _cholesky(name: str, A: Any, upper: bool, out: Any) -> Any:
    if name == "cholesky":
        refuse("cholesky_cpu", np.empty(0, A.dtype.np), BOOL, INTEGER)
    L, info = ops._cholesky_ex(A, upper)
    raise_for(info, _NOT_POSITIVE.format(name=name))
    return into(out, L, cast=name == "cholesky", name="cholesky" if name == "cholesky" else "linalg_cholesky_ex")


@composite("linalg.cholesky", method=False)
def linalg_cholesky(A: Any, *, upper: bool = False, out: Any = None) -> Any:
    """The lower triangular ``L`` with ``A = L @ L.mH``, of positive definite matrices; or the upper one.

    Raises:
        LinAlgError: if a matrix is not positive definite.
    """
    return _cholesky("linalg.cholesky", A, upper, out)


@composite("cholesky")
def cholesky(input: Any, upper: bool = False, *, out: Any = None) -> Any:
    """`linalg.cholesky`, by its older name."""
    return _cholesky("cholesky", input, upper, out)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _cholesky_solve(B: Array, L: Array, upper: bool) -> Array:
    lower = _adjoint(jnp.triu(L)) if upper else jnp.tril(L)
    lead = jnp.broadcast_shapes(B.shape[:-2], L.shape[:-2])
    B, lower = jnp.broadcast_to(B, (*lead, *B.shape[-2:])), jnp.broadcast_to(lower, (*lead, *L.shape[-2:]))
    half = lax.linalg.triangular_solve(lower, B, left_side=True, lower=True)
    return lax.linalg.triangular_solve(lower, half, left_side=True, lower=True, transpose_a=True, conjugate_a=True)


def _cholesky_solve_forward(B: Array, L: Array, upper: bool) -> tuple[Array, Any]:
    X = _cholesky_solve(B, L, upper)
    return X, (L, X, jnp.zeros((*B.shape, 0), bool))


def _cholesky_solve_backward(upper: bool, saved: Any, cotangent: Array) -> tuple[Array, Array]:
    """torch's rule, which also gives a gradient to the triangle that is not read."""
    L, X, shape = saved
    to_B = jnp.conj(_cholesky_solve(jnp.conj(cotangent), L, upper))
    common = jnp.conj(to_B) @ _adjoint(X)
    common = common + _adjoint(common)
    to_L = -jnp.conj(L @ common if upper else common @ L)
    return unbroadcast(to_B, shape.shape[:-1]), unbroadcast(to_L, L.shape)


_cholesky_solve.defvjp(_cholesky_solve_forward, _cholesky_solve_backward)


@op("cholesky_solve", out=True, saves=("L", "result"))
def cholesky_solve(B: Array, L: Array, upper: bool = False) -> Array:
    """``X`` with ``A @ X = B``, given the Cholesky factor of ``A``."""
    require_blas(B, "cholesky_solve_cpu")
    return _cholesky_solve(B, L, upper)


@op("cholesky_inverse", out=True, saves=("input", "result"))
def cholesky_inverse(input: Array, upper: bool = False) -> Array:
    """The inverse of ``A``, given its Cholesky factor."""
    require_blas(input, "cholesky_inverse_out_cpu")
    return _cholesky_solve(jnp.broadcast_to(jnp.eye(input.shape[-1], dtype=input.dtype), input.shape), input, upper)


_QR_MODES = {"reduced": False, "complete": True, "r": False}


@op("linalg.qr", method=False, out=EXACT, returns=("Q", "R"), saves=("Q", "R"), grad_name="LinalgQrBackward0")
def linalg_qr(A: Array, mode: str = "reduced") -> tuple[Array, Array]:
    """``A = Q @ R`` with orthonormal columns in ``Q`` and an upper triangular ``R``."""
    if mode not in _QR_MODES:
        raise RuntimeError(f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'")
    check_matrix("linalg.qr", A, kernel="geqrf_cpu")
    if mode == "r":
        return jnp.zeros((0,), A.dtype), jnp.linalg.qr(A, mode="r")
    m, n = A.shape[-2:]
    if mode == "reduced" and m < n:  # JAX differentiates square and tall ones: the rest of R follows from Q
        Q, R = lax.linalg.qr(A[..., :m], full_matrices=False)
        return Q, jnp.concatenate([R, _adjoint(Q) @ A[..., m:]], -1)
    return tuple(lax.linalg.qr(A, full_matrices=_QR_MODES[mode]))


@composite("qr")
def qr(input: Any, some: bool = True, *, out: Any = None) -> Any:
    """`linalg.qr`, by its older name."""
    return ops["linalg.qr"](input, "reduced" if some else "complete", **({} if out is None else {"out": out}))


def _full_svd(A: Array) -> tuple[Array, Array, Array]:
    """All singular vectors; as in torch, no gradient flows through those that singular values do not belong to."""
    U, S, Vh = jnp.linalg.svd(A, full_matrices=False)
    m, n = A.shape[-2:]
    if m != n:
        full_U, _, full_Vh = jnp.linalg.svd(lax.stop_gradient(A), full_matrices=True)
        U = jnp.concatenate([U, full_U[..., :, U.shape[-1] :]], -1)
        Vh = jnp.concatenate([Vh, full_Vh[..., Vh.shape[-2] :, :]], -2)
    return U, S, Vh


@op(
    "linalg.svd", method=False, out=EXACT, returns=("U", "S", "Vh"), saves=("U", "S", "Vh"),
    grad_name="LinalgSvdBackward0",
)  # fmt: skip
def linalg_svd(A: Array, full_matrices: bool = True, *, driver: str | None = None) -> tuple[Array, Array, Array]:
    """``A = U @ diag(S) @ Vh``, singular values in descending order."""
    check_matrix("linalg.svd", A, kernel="linalg_svd_cpu")
    return _full_svd(A) if full_matrices else tuple(jnp.linalg.svd(A, full_matrices=False))


@op("linalg.svdvals", method=False, out=EXACT, grad_name="LinalgSvdBackward0")
def svdvals(A: Array, *, driver: str | None = None) -> Array:
    """The singular values, in descending order."""
    check_matrix("linalg.svd", A, kernel="linalg_svd_cpu")
    return jnp.linalg.svd(A, compute_uv=False)


@op("svd", out=EXACT, returns=("U", "S", "V"), grad_name="LinalgSvdBackward0")
def svd(input: Array, some: bool = True, compute_uv: bool = True) -> tuple[Array, Array, Array]:
    """``input = U @ diag(S) @ V.mH``, by the older name, which returns ``V``."""
    check_matrix("linalg.svd", input, kernel="linalg_svd_cpu")
    m, n = input.shape[-2:]
    if not compute_uv:
        lead = input.shape[:-2]
        zeros = [jnp.zeros((*lead, k, k), input.dtype) for k in (m, n)]
        return zeros[0], jnp.linalg.svd(input, compute_uv=False), zeros[1]
    U, S, Vh = jnp.linalg.svd(input, full_matrices=False) if some else _full_svd(input)
    return U, S, _adjoint(Vh)


def _uplo(UPLO: str) -> bool:
    if UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    return UPLO.upper() == "L"


@op(
    "linalg.eigh", method=False, out=EXACT, returns=("eigenvalues", "eigenvectors"),
    saves=("eigenvalues", "eigenvectors"), grad_name="LinalgEighBackward0",
)  # fmt: skip
def eigh(A: Array, UPLO: str = "L") -> tuple[Array, Array]:
    """Eigenvalues, ascending, and eigenvectors of Hermitian matrices, of which one triangle is read."""
    lower = _uplo(UPLO)
    check_matrix("linalg.eigh", A, square=True, kernel="linalg_eigh_cpu", integers=True)
    vectors, values = lax.linalg.eigh(hermitian(A, lower), lower=lower, symmetrize_input=False)
    return values, vectors


@op("linalg.eigvalsh", method=False, out=EXACT, grad_name="LinalgEighBackward0")
def eigvalsh(A: Array, UPLO: str = "L") -> Array:
    """The eigenvalues of Hermitian matrices, ascending."""
    return eigh(A, UPLO)[0]


def _eigen_out(name: str, *results: str) -> Out:
    texts = [
        f"torch.linalg.{name}: Expected {result} to be safely castable from {{Made}} dtype, but got {result} with dtype {{Given}}"
        for result in results
    ]
    return Out(tuple(texts), cast=True)


def _check_eigen(name: str, A: Array) -> None:
    dtype = np.dtype(A.dtype)
    if CATEGORY[dtype] < FLOAT:
        raise RuntimeError(f"Unknown Complex ScalarType for {scalar_type(dtype)}")
    check_matrix(name, A, square=True, kernel="linalg_eig_out_cpu")


@op(
    "linalg.eig", method=False, out=_eigen_out("eig", "eigenvalues", "eigenvectors"),
    returns=("eigenvalues", "eigenvectors"), grad_name="LinalgEigBackward0",
)  # fmt: skip
def eig(A: Array) -> tuple[Array, Array]:
    """Eigenvalues and eigenvectors of square matrices: always complex. On the CPU only."""
    _check_eigen("linalg.eig", A)
    return _eig(A)


@jax.custom_jvp
def _eig(A: Array) -> tuple[Array, Array]:
    if not A.size:
        empty = A.astype(to_complex(np.dtype(A.dtype)))
        return jnp.zeros(A.shape[:-1], empty.dtype), empty
    values, vectors = lax.linalg.eig(A, compute_left_eigenvectors=False)
    return values, vectors


@_eig.defjvp
def _eig_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
    """The derivative in torch's gauge: the eigenvectors keep their lengths, and what turns their phases is zero."""
    values, vectors = _eig(*primals)
    inner = jnp.linalg.solve(vectors, tangents[0].astype(vectors.dtype) @ vectors)
    change = jnp.diagonal(inner, axis1=-2, axis2=-1)
    apart = values[..., None, :] - values[..., :, None] + jnp.eye(values.shape[-1], dtype=values.dtype)
    mixed = (inner - change[..., None] * jnp.eye(values.shape[-1], dtype=values.dtype)) / apart
    moved = vectors @ mixed
    along = jnp.sum(jnp.real(jnp.conj(vectors) * moved), -2)
    return (values, vectors), (change, moved - vectors * along[..., None, :])


@jax.custom_jvp
def _eigvals(A: Array) -> Array:
    if not A.size:
        return jnp.zeros(A.shape[:-1], to_complex(np.dtype(A.dtype)))
    return lax.linalg.eig(A, compute_left_eigenvectors=False, compute_right_eigenvectors=False)[0]


@_eigvals.defjvp
def _eigvals_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    (values, _), (change, _) = _eig_jvp(primals, tangents)
    return values, change


@op("linalg.eigvals", method=False, out=_eigen_out("eigvals", "eigenvalues"), grad_name="LinalgEigBackward0")
def eigvals(A: Array) -> Array:
    """The eigenvalues of square matrices: always complex. On the CPU only."""
    _check_eigen("linalg.eigvals", A)
    return _eigvals(A)


def _zero_pivot(LU: Array) -> Array:
    """The number, from 1, of the first zero on the diagonal of ``U``, or 0."""
    zero = jnp.diagonal(LU, axis1=-2, axis2=-1) == 0
    if not zero.shape[-1]:
        return jnp.zeros(LU.shape[:-2], np.int32)
    return jnp.where(zero.any(-1), jnp.argmax(zero, -1) + 1, 0).astype(np.int32)


def _check_for_lu(name: str, A: Array) -> None:
    if A.ndim < 2:
        raise RuntimeError(f"{name}: Expected tensor with 2 or more dimensions. Got size: {list(A.shape)} instead")
    require_blas(A, "lu_cpu")


@op("_lu_factor_ex", method=False, returns=("LU", "pivots", "info"), grad_name="LinalgLuFactorExBackward0")
def _lu_factor_ex(A: Array, pivot: bool = True) -> tuple[Array, Array, Array]:
    if not pivot:
        raise NotImplementedError("linalg.lu_factor: LU without pivoting is not implemented; use pivot=True")
    _check_for_lu("torch.lu_factor", A)
    LU, pivots, _ = lax.linalg.lu(A)
    return LU, pivots + 1, _zero_pivot(lax.stop_gradient(LU))


@composite("linalg.lu_factor_ex", method=False)
def lu_factor_ex(A: Any, *, pivot: bool = True, check_errors: bool = False, out: Any = None) -> Any:
    """`lu_factor` and ``info``: 0, or the number of the first zero on the diagonal of ``U``."""
    return into(out, ops._lu_factor_ex(A, pivot))


@op("linalg.lu_factor", method=False, out=EXACT, returns=("LU", "pivots"), grad_name="LinalgLuFactorExBackward0")
def lu_factor(A: Array, *, pivot: bool = True) -> tuple[Array, Array]:
    """``L`` and ``U`` in one matrix, and the pivots: which row was swapped with which, from 1."""
    LU, pivots, _ = _lu_factor_ex(A, pivot)
    return LU, pivots


@op("linalg.lu", method=False, out=EXACT, returns=("P", "L", "U"), grad_name="LinalgLuBackward0")
def lu(A: Array, *, pivot: bool = True) -> tuple[Array, Array, Array]:
    """``A = P @ L @ U``: a permutation, a unit lower and an upper triangular matrix."""
    if not pivot:
        raise NotImplementedError("linalg.lu: LU without pivoting is not implemented; use pivot=True")
    _check_for_lu("linalg.lu", A)
    LU, _, permutation = lax.linalg.lu(A)
    m, n = A.shape[-2:]
    k = min(m, n)
    P = jnp.swapaxes(permutation[..., None] == jnp.arange(m), -1, -2).astype(A.dtype)
    L = jnp.tril(LU[..., :, :k], -1) + jnp.eye(m, k, dtype=A.dtype)
    return P, L, jnp.triu(LU[..., :k, :])


@op("linalg.lu_solve", method=False, out=EXACT, saves=("LU", "pivots", "result"), grad_name="LinalgLuSolveBackward0")
def lu_solve(LU: Array, pivots: Array, B: Array, *, left: bool = True, adjoint: bool = False) -> Array:
    """``X`` with ``A @ X = B`` (or ``X @ A = B``), given what `lu_factor` returns."""
    check_matrix("torch.linalg.lu_solve", LU, square=True, kernel="linalg.lu_solve_cpu")
    permutation = lax.linalg.lu_pivots_to_permutation(pivots - 1, LU.shape[-1])
    lead = jnp.broadcast_shapes(LU.shape[:-2], B.shape[:-2])
    n = LU.shape[-1]
    LU = jnp.broadcast_to(LU, (*lead, n, n))
    permutation = jnp.broadcast_to(permutation, (*lead, n))
    B = jnp.broadcast_to(B, (*lead, *B.shape[-2:]))
    if not left:
        solved = lu_solve(LU, jnp.broadcast_to(pivots, (*lead, n)), _adjoint(B), adjoint=not adjoint)
        return _adjoint(solved)
    options = {"left_side": True}
    if not adjoint:
        moved = jnp.take_along_axis(B, permutation[..., None], -2)
        half = lax.linalg.triangular_solve(LU, moved, lower=True, unit_diagonal=True, **options)
        return lax.linalg.triangular_solve(LU, half, lower=False, **options)
    options |= {"transpose_a": True, "conjugate_a": True}
    half = lax.linalg.triangular_solve(LU, B, lower=False, **options)
    half = lax.linalg.triangular_solve(LU, half, lower=True, unit_diagonal=True, **options)
    return jnp.take_along_axis(half, jnp.argsort(permutation, -1)[..., None], -2)


@composite("lu_solve")
def older_lu_solve(b: Any, LU_data: Any, LU_pivots: Any, *, out: Any = None) -> Any:
    """`linalg.lu_solve`, by its older name and order."""
    return ops["linalg.lu_solve"](LU_data, LU_pivots, b, **({} if out is None else {"out": out}))
