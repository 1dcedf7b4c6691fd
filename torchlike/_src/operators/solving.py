"""Inverses, determinants, solutions of linear equations, and functions of matrices made of them."""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.linalg import expm

from torchlike._src.operators import registry
from torchlike._src.operators.factorizations import (
    _adjoint,
    _zero_pivot,
    check_matrix,
    hermitian,
    is_blas,
    raise_for,
    require_blas,
    svdvals,
)  # fmt: skip
from torchlike._src.operators.promotion import BOOL, scalar_type
from torchlike._src.operators.registry import CONSTANT, EXACT, Array, composite, op, ops
from torchlike._src.operators.support import as_dtype, broadcast_shapes, into, is_number, normalize_dim, refuse, widen

_SINGULAR = (
    "{name}: The diagonal element {{k}} is zero, the inversion could not be completed because the input matrix is singular."
)


@op("_inv_ex", method=False, returns=("inverse", "info"), saves=("inverse",), grad_name="LinalgInvExBackward0")
def _inv_ex(A: Array) -> tuple[Array, Array]:
    check_matrix("linalg.inv", A, square=True)
    LU, _, _ = lax.linalg.lu(lax.stop_gradient(A))
    return jnp.linalg.inv(A), _zero_pivot(LU)


@composite("linalg.inv_ex", method=False)
def inv_ex(A: Any, *, check_errors: bool = False, out: Any = None) -> Any:
    """The inverse and ``info``: 0, or the number of the pivot that is zero."""
    found = ops._inv_ex(A)
    if check_errors:
        raise_for(found[1], _SINGULAR.format(name="linalg.inv_ex"))
    return into(out, found, name="linalg_inv_ex")


@composite("linalg.inv", "inverse", method="inverse")
def inv(A: Any, *, out: Any = None) -> Any:
    """The inverses of square matrices.

    Raises:
        LinAlgError: if one is singular.
    """
    inverse, info = ops._inv_ex(A)
    raise_for(info, _SINGULAR.format(name="linalg.inv"))
    return into(out, inverse, name="linalg_inv_ex")


def _of_no_elements(A: Any) -> dict[str, str] | None:
    return {"A": CONSTANT} if 0 in A.shape else None


@op("linalg.det", "det", out=EXACT, grad_name="LinalgDetBackward0", shortcut=_of_no_elements)
def det(A: Array) -> Array:
    """The determinants of square matrices."""
    check_matrix("linalg.det", A, square=True, kernel="lu_cpu")
    return jnp.linalg.det(A) if A.size else jnp.ones(A.shape[:-2], A.dtype)


@op("linalg.slogdet", "slogdet", out=EXACT, returns=("sign", "logabsdet"), grad_name="LinalgSlogdetBackward0")
def slogdet(A: Array) -> tuple[Array, Array]:
    """The sign of the determinant and the logarithm of its modulus."""
    check_matrix("linalg.slogdet", A, square=True)
    sign, logabsdet = jnp.linalg.slogdet(A)
    return sign, logabsdet


@op("logdet", grad_name="WhereBackward0")
def logdet(input: Array) -> Array:
    """The logarithm of the determinant; NaN if it is negative."""
    check_matrix("logdet", input, square=True)
    sign, logabsdet = jnp.linalg.slogdet(input)
    if jnp.iscomplexobj(sign):
        return logabsdet.astype(sign.dtype) + jnp.log(sign)
    return jnp.where(sign == -1, jnp.nan, logabsdet)


def _as_matrices(A: Array, B: Array, left: bool) -> tuple[Array, Array, bool]:
    """``A`` and ``B`` with common leading dimensions; whether ``B`` holds vectors."""
    vectors = B.ndim == 1 or (A.ndim - 1 == B.ndim and B.shape == A.shape[:-1])
    full = B[..., None] if vectors else B
    size = A.shape[-1]
    if full.ndim < 2 or full.shape[-2 if left else -1] != size:
        shape = f"{full.shape[-2]}x{full.shape[-1]}"
        raise RuntimeError(
            f"linalg.solve: Incompatible shapes of A and B for the equation {'AX = B' if left else 'XA = B'} "
            f"({A.shape[-2]}x{A.shape[-1]} and {shape})"
        )
    lead = broadcast_shapes(A.shape[:-2], full.shape[:-2])
    return jnp.broadcast_to(A, (*lead, size, size)), jnp.broadcast_to(full, (*lead, *full.shape[-2:])), vectors


@op("_solve_ex", method=False, returns=("result", "info"), saves=("A", "result"), grad_name="LinalgSolveExBackward0")
def _solve_ex(A: Array, B: Array, left: bool = True) -> tuple[Array, Array]:
    check_matrix("linalg.solve", A, square=True, kernel="lu_cpu")
    if A.dtype != B.dtype:
        raise RuntimeError(
            f"linalg.solve: Expected A and B to have the same dtype, but found A of type {scalar_type(np.dtype(A.dtype))} "
            f"and B of type {scalar_type(np.dtype(B.dtype))} instead"
        )
    a, b, vectors = _as_matrices(A, B, left)
    LU, _, _ = lax.linalg.lu(lax.stop_gradient(A))
    if left:
        result = jnp.linalg.solve(a, b)
    else:
        result = jnp.swapaxes(jnp.linalg.solve(jnp.swapaxes(a, -1, -2), jnp.swapaxes(b, -1, -2)), -1, -2)
    return (result.squeeze(-1) if vectors else result), _zero_pivot(LU)


@composite("linalg.solve_ex", method=False)
def solve_ex(A: Any, B: Any, *, left: bool = True, check_errors: bool = False, out: Any = None) -> Any:
    """`solve` and ``info``: 0, or the number of the pivot that is zero."""
    found = ops._solve_ex(A, B, left)
    if check_errors:
        raise_for(found[1], "torch.linalg.solve_ex: The solver failed because the input matrix is singular.")
    return into(out, found, name="_linalg_solve_ex")


@composite("linalg.solve", method=False)
def solve(A: Any, B: Any, *, left: bool = True, out: Any = None) -> Any:
    """``X`` with ``A @ X = B``, or ``X @ A = B`` unless ``left``.

    Raises:
        LinAlgError: if a matrix is singular.
    """
    result, info = ops._solve_ex(A, B, left)
    raise_for(info, "torch.linalg.solve: The solver failed because the input matrix is singular.")
    return into(out, result, name="_linalg_solve_ex")


@op(
    "linalg.solve_triangular",
    method=False,
    out="expected scalar type {Made} but found {Given}",
    saves=("A", "result"),
    grad_name="LinalgSolveTriangularBackward0",
)
def solve_triangular(A: Array, B: Array, *, upper: bool, left: bool = True, unitriangular: bool = False) -> Array:
    """``X`` with ``A @ X = B`` for triangular ``A``, or ``X @ A = B`` unless ``left``."""
    name = "linalg.solve_triangular"
    kernel = "triangular_solve_cpu"
    check_matrix(name, A, square=True, kernel=kernel, integers=True)
    check_matrix(name, B, letter="B", kernel=kernel, integers=True)
    if A.shape[-1] != B.shape[-2 if left else -1]:
        raise RuntimeError(
            f"{name}: Incompatible shapes of A and B for the equation {'AX = B' if left else 'XA = B'} "
            f"({A.shape[-2]}x{A.shape[-1]} and {B.shape[-2]}x{B.shape[-1]})"
        )
    lead = broadcast_shapes(A.shape[:-2], B.shape[:-2])
    A, B = jnp.broadcast_to(A, (*lead, *A.shape[-2:])), jnp.broadcast_to(B, (*lead, *B.shape[-2:]))
    return lax.linalg.triangular_solve(A, B, left_side=left, lower=not upper, unit_diagonal=unitriangular)


@op("triangular_solve", out=EXACT, returns=("solution", "cloned_coefficient"), saves=("A", "solution"))
def triangular_solve(
    b: Array, A: Array, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> tuple[Array, Array]:
    """``X`` with ``A @ X = b``, and ``A`` again: the older form of `linalg.solve_triangular`."""
    for name, x in (("b", b), ("A", A)):
        if x.ndim < 2:
            raise RuntimeError(
                f"torch.triangular_solve: Expected {name} to have at least 2 dimensions, but it has {x.ndim} dimensions instead"
            )
    (n, m), (rows, columns) = A.shape[-2:], b.shape[-2:]
    if n != m:
        raise RuntimeError(f"A must be batches of square matrices, but they are {n} by {m} matrices")
    if n != rows:
        raise RuntimeError(
            f"Incompatible matrix sizes for triangular_solve: each A matrix is {n} by {m} but each b matrix is {rows} by {columns}"
        )
    require_blas(A, "triangular_solve_cpu")
    lead = broadcast_shapes(A.shape[:-2], b.shape[:-2])
    A, b = jnp.broadcast_to(A, (*lead, *A.shape[-2:])), jnp.broadcast_to(b, (*lead, *b.shape[-2:]))
    solution = lax.linalg.triangular_solve(
        A, b, left_side=True, lower=not upper, transpose_a=transpose, unit_diagonal=unitriangular
    )
    return solution, A


def _tolerances(shape: tuple[int, ...], dtype: np.dtype, atol: Any, rtol: Any) -> tuple[Any, Any]:
    """torch's defaults: ``rtol`` is ``max(M, N) * eps`` unless ``atol`` is given and positive."""
    default = float(jnp.finfo(dtype).eps) * max(shape[-2:])
    if rtol is None:
        if atol is None:
            rtol = default
        elif is_number(atol):
            rtol = 0.0 if atol > 0 else default
        else:
            rtol = jnp.where(atol > 0, 0.0, default)
    return 0.0 if atol is None else atol, rtol


def _bounds(values: Array, shape: tuple[int, ...], atol: Any, rtol: Any) -> Array:
    """The size up to which a singular value counts as zero."""
    atol, rtol = (as_dtype(t, np.dtype(values.dtype)) for t in _tolerances(shape, values.dtype, atol, rtol))
    return jnp.maximum(atol, rtol * jnp.max(values, -1, initial=0))


def _check_precision(input: Array) -> None:
    if not is_blas(np.dtype(input.dtype)):
        raise RuntimeError("This function doesn't handle types other than float and double")


@op("_matrix_rank", method=False, out=True, differentiable=False)
def _matrix_rank(input: Array, atol: Array | None, rtol: Array | None, hermitian_: bool) -> Array:
    _check_precision(input)
    check_matrix("torch.linalg.matrix_rank", input, square=hermitian_, letter="input")
    lower = hermitian(input, True) if hermitian_ else input
    values = jnp.abs(jnp.linalg.eigvalsh(lower)) if hermitian_ else jnp.linalg.svd(input, compute_uv=False)
    return jnp.sum(values > _bounds(values, input.shape, atol, rtol)[..., None], -1, dtype=np.int64)


@op("_pinv", method=False, out=True, grad_name="LinalgPinvBackward0")
def _pinv(input: Array, atol: Array | None, rtol: Array | None, hermitian: bool) -> Array:
    if input.ndim < 2 or not is_blas(np.dtype(input.dtype)):
        raise RuntimeError(
            f"linalg.pinv({scalar_type(np.dtype(input.dtype))}{{{list(input.shape)}}}): expected a tensor with 2 or more "
            "dimensions of float, double, cfloat or cdouble types"
        )
    if input.size == 0:
        return jnp.zeros((*input.shape[:-2], input.shape[-1], input.shape[-2]), input.dtype)
    bounds = tuple(None if t is None else as_dtype(t, jnp.real(input).dtype) for t in (atol, rtol))
    return _pseudoinverse(input, *_tolerances(input.shape, jnp.real(input).dtype, *bounds), hermitian)


@functools.partial(jax.custom_jvp, nondiff_argnums=(3,))
def _pseudoinverse(A: Array, atol: Any, rtol: Any, hermitian_: bool) -> Array:
    if hermitian_:
        values, vectors = jnp.linalg.eigh(hermitian(A, True), symmetrize_input=False)
        size = jnp.abs(values)
        left, right = vectors, _adjoint(vectors)
    else:
        U, values, Vh = jnp.linalg.svd(A, full_matrices=False)
        size, left, right = values, _adjoint(Vh), _adjoint(U)
    bound = jnp.maximum(atol, rtol * jnp.max(size, -1, initial=0))
    kept = size > bound[..., None]
    return (left * jnp.where(kept, 1 / jnp.where(kept, values, 1), 0)[..., None, :].astype(A.dtype)) @ right


@_pseudoinverse.defjvp
def _pseudoinverse_jvp(hermitian_: bool, primals: Any, tangents: Any) -> tuple[Array, Array]:
    """The derivative at constant rank (Golub and Pereyra 1973, equation 4.12); torch takes it for Hermitian ones too."""
    A, dA = primals[0], tangents[0]
    P = _pseudoinverse(*primals, hermitian_)
    PH, dAH = _adjoint(P), _adjoint(dA)
    m, n = A.shape[-2:]
    change = -P @ dA @ P
    change += P @ PH @ dAH @ (jnp.eye(m, dtype=A.dtype) - A @ P)
    return P, change + (jnp.eye(n, dtype=A.dtype) - P @ A) @ dAH @ PH @ P


@composite("linalg.matrix_rank", method=False)
def matrix_rank(
    input: Any, tol: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None, out: Any = None
) -> Any:
    """The number of singular values above ``max(atol, rtol * largest)``."""
    if tol is not None:
        atol, rtol = tol, 0.0
    return ops._matrix_rank(input, _threshold(input, atol), _threshold(input, rtol), hermitian, **_out(out))


@composite("linalg.pinv", method=False)
def pinv(input: Any, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None, out: Any = None) -> Any:
    """The pseudoinverse, singular values up to ``max(atol, rtol * largest)`` counting as zero."""
    if rcond is not None:
        rtol = rcond
    return ops._pinv(input, _threshold(input, atol), _threshold(input, rtol), hermitian, **_out(out))


@composite("pinverse")
def pinverse(input: Any, rcond: float = 1e-15) -> Any:
    """`linalg.pinv`, by its older name."""
    return ops["linalg.pinv"](input, rtol=rcond)


def _out(out: Any) -> dict[str, Any]:
    return {} if out is None else {"out": out}


def _threshold(input: Any, value: Any) -> Any:
    """A tolerance as a tensor."""
    if value is None or registry.is_tensor(value):
        return value
    return ops.full((), value, dtype=input.dtype if not input.is_complex() else None, device=input.device)


@composite("linalg.cond", method=False)
def cond(A: Any, p: Any = None, *, out: Any = None) -> Any:
    """The condition number: the norm of ``A`` times that of its inverse; for ``p`` None, 2 and -2 by singular values."""
    return ops._cond(A, p, **_out(out))


@op("_cond", method=False, out=True, grad_name="DivBackward0")
def _cond(A: Array, p: Any) -> Array:
    if A.ndim < 2:
        raise RuntimeError("linalg.cond: The input tensor must have at least 2 dimensions.")
    if p is None or p in (2, -2):
        if not A.size:
            return jnp.zeros(A.shape[:-2], jnp.real(A).dtype)
        values = svdvals(A)
        return values[..., -1] / values[..., 0] if p == -2 else values[..., 0] / values[..., -1]
    if isinstance(p, str) and p not in ("fro", "nuc"):
        raise RuntimeError(f"linalg.cond got an invalid norm type: {p}")
    check_matrix("linalg.inv", A, square=True)
    from torchlike._src.operators.norms import _matrix_norm

    def size(x: Array) -> Array:
        return _matrix_norm(x, p, (-2, -1), False)

    LU, _, _ = lax.linalg.lu(lax.stop_gradient(A))
    singular = _zero_pivot(LU) != 0
    return jnp.where(singular, jnp.inf, size(A) * size(jnp.linalg.inv(A)))


@composite("linalg.lstsq", method=False)
def lstsq(A: Any, B: Any, rcond: Any = None, *, driver: str | None = None, out: Any = None) -> Any:
    """The least squares solutions of ``A @ X = B``, with residuals, rank and singular values where ``driver`` has them.

    Args:
        driver: ``"gels"``, ``"gelsy"`` (the default on the CPU), ``"gelsd"`` or ``"gelss"``.
    """
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError("torch.linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)")
    if rcond is None:
        rcond = -1.0
    found = ops._lstsq(A, B, float(rcond), driver or "gelsy")
    return into(out, type(found)((*found[:3], found[3].detach())), cast=True, name="linalg_lstsq")


@op(
    "_lstsq", method=False, returns=("solution", "residuals", "rank", "singular_values"),
    grad_name="LinalgLstsqBackward0",
)  # fmt: skip
def _lstsq(A: Array, B: Array, rcond: float, driver: str) -> tuple[Array, Array, Array, Array]:
    if A.ndim < 2:
        raise RuntimeError("torch.linalg.lstsq: input must have at least 2 dimensions.")
    if B.ndim < 1:
        raise RuntimeError("torch.linalg.lstsq: other must have at least 1 dimension.")
    vectors = A.ndim - 1 == B.ndim and B.shape == A.shape[:-1]
    full = B[..., None] if vectors else B
    m, n = A.shape[-2:]
    if full.shape[-2] != m:
        which = "other.size(-1)" if vectors else "other.size(-2)"
        raise RuntimeError(f"torch.linalg.lstsq: input.size(-2) should match {which}")
    _check_precision(A)
    bound = float(jnp.finfo(A.dtype).eps) * max(m, n) if rcond < 0 else rcond
    real = jnp.real(A).dtype
    limit = jnp.asarray(bound, real)
    solution = _pinv(A, None, limit, False) @ full
    values = jnp.linalg.svd(lax.stop_gradient(A), compute_uv=False)
    rank = jnp.sum(values > limit * values[..., :1], -1, dtype=np.int64)
    none = jnp.zeros((0,), real)
    residuals = none
    if m > n and driver != "gelsy":
        residuals = jnp.sum(jnp.abs(full - A @ solution) ** 2, -2)
    return (
        solution.squeeze(-1) if vectors else solution,
        residuals,
        jnp.zeros((0,), np.int64) if driver == "gels" else rank,
        values if driver in ("gelsd", "gelss") else none,
    )


@composite("linalg.matrix_power", "matrix_power", method="matrix_power")
def matrix_power(A: Any, n: int, *, out: Any = None) -> Any:
    """``A`` multiplied with itself ``n`` times; its inverse for a negative ``n``."""
    check_shape = [int(s) for s in A.shape]
    if len(check_shape) < 2:
        raise RuntimeError("linalg.matrix_power: The input tensor A must have at least 2 dimensions.")
    if check_shape[-1] != check_shape[-2]:
        raise RuntimeError(
            "linalg.matrix_power: A must be batches of square matrices, but they are "
            f"{check_shape[-2]} by {check_shape[-1]} matrices"
        )
    base = ops["linalg.inv"](A) if n < 0 else A
    result = None
    count = abs(n)
    if count == 0:
        result = ops._identity_like(A)
    while count:
        if count & 1:
            result = base if result is None else ops.matmul(result, base)
        count >>= 1
        if count:
            base = ops.matmul(base, base)
    if result is A:
        result = A.clone()
    return into(out, result, name="matmul" if n not in (0, 1) else "")


@op("_identity_like", method=False)
def _identity_like(A: Array) -> Array:
    return jnp.broadcast_to(jnp.eye(A.shape[-1], dtype=A.dtype), A.shape)


@op("linalg.matrix_exp", "matrix_exp", grad_name="LinalgMatrixExpBackward0")
def matrix_exp(A: Array) -> Array:
    """The matrix exponential: the sum of ``A ** k / k!``."""
    (wide,) = widen(A)
    check_matrix("linalg.matrix_exp", wide, square=True)
    if not A.size:
        return A
    if A.ndim == 2:
        return expm(wide, max_squarings=64).astype(A.dtype)
    flat = wide.reshape(-1, *A.shape[-2:])
    return jnp.stack([expm(a, max_squarings=64) for a in flat]).reshape(A.shape).astype(A.dtype)


@op(
    "linalg.cross",
    method=False,
    out=EXACT,
    saves=("input:other", "other:input"),
    promote="common",
    grad_name="LinalgCrossBackward0",
)
def linalg_cross(input: Array, other: Array, *, dim: int = -1) -> Array:
    """The vector products along ``dim``, of size 3."""
    if input.ndim != other.ndim:
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    axis = normalize_dim(dim, input.ndim)
    if input.shape[axis] != 3 or other.shape[axis] != 3:
        raise RuntimeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {input.shape[axis]} and {other.shape[axis]}"
        )
    shape = broadcast_shapes(input.shape, other.shape)
    refuse("cross", input, BOOL)
    a, b = jnp.broadcast_to(input, shape), jnp.broadcast_to(other, shape)
    return jnp.roll(a, -1, axis) * jnp.roll(b, -2, axis) - jnp.roll(a, -2, axis) * jnp.roll(b, -1, axis)


@composite("cross")
def cross(input: Any, other: Any, dim: int | None = None, *, out: Any = None) -> Any:
    """`linalg.cross` along ``dim``, or along the first dimension of size 3."""
    if dim is None:
        sizes = [d for d, n in enumerate(input.shape) if n == 3]
        if not sizes:
            raise RuntimeError("no dimension of size 3 in input")
        dim = sizes[0]
    return ops["linalg.cross"](input, other, dim=dim, **_out(out))


_CASTABLE = "{}: Expected result to be safely castable from {{Made}} dtype, but got result with dtype {{Given}}"


@composite("linalg.tensorinv", method=False)
def tensorinv(A: Any, ind: int = 2, *, out: Any = None) -> Any:
    """The inverse of ``A`` as a map from its last dimensions to its first ``ind``."""
    if ind <= 0:
        raise RuntimeError("Expected a strictly positive integer for 'ind'")
    if ind > A.ndim:
        raise RuntimeError(f"ArrayRef: invalid slice, N = {ind}; size = {A.ndim}")
    rows, columns = A.shape[:ind], A.shape[ind:]
    if math.prod(rows) != math.prod(columns):
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got "
            f"{math.prod(columns)} != {math.prod(rows)}"
        )
    inverse, info = ops._inv_ex(A.reshape(math.prod(rows), math.prod(columns)))
    raise_for(info, _SINGULAR.format(name="inv"))
    return into(out, inverse.reshape((*columns, *rows)), cast=True, message=_CASTABLE.format("tensorinv"))


@composite("linalg.tensorsolve", method=False)
def tensorsolve(A: Any, B: Any, dims: Any = None, *, out: Any = None) -> Any:
    """``X`` with ``tensordot(A, X, X.ndim) = B``; ``dims`` of ``A`` are moved to its end first."""
    if dims is not None:
        A = ops.movedim(A, dims, tuple(range(A.ndim - len(dims), A.ndim)))
    rest = A.shape[B.ndim :]
    if math.prod(rest) != math.prod(A.shape[: B.ndim]):
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == prod(self.shape[:other.ndim]), but "
            f"got {math.prod(rest)} != {math.prod(A.shape[: B.ndim])}"
        )
    result = ops["linalg.solve"](A.reshape(B.numel(), math.prod(rest)), B.reshape(-1))
    return into(out, result.reshape(rest), cast=True, message=_CASTABLE.format("tensorsolve"))
