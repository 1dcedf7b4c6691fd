"""Singular values and principal components of matrices of low rank, by random projection (Halko et al. 2009)."""

from typing import Any

from torchlike._src.operators.registry import composite, ops


def _basis(A: Any, q: int, niter: int) -> Any:
    """``Q`` with ``q`` orthonormal columns such that ``Q @ Q.mH @ A`` is close to ``A``: algorithm 4.4."""
    qr = ops["linalg.qr"]
    dtype = A.dtype if A.is_floating_point() or A.is_complex() else None
    Q = qr(ops.matmul(A, ops.randn(A.shape[-1], q, dtype=dtype, device=A.device)))[0]
    for _ in range(niter):
        Q = qr(ops.matmul(A.mH, Q))[0]
        Q = qr(ops.matmul(A, Q))[0]
    return Q


@composite("svd_lowrank", method=False)
def svd_lowrank(A: Any, q: int | None = 6, niter: int | None = 2, M: Any = None) -> tuple[Any, Any, Any]:
    """``U``, ``S`` and ``V`` of the ``q`` largest singular values of ``A``, or of ``A - M``: algorithm 5.1."""
    q, niter = 6 if q is None else q, 2 if niter is None else niter
    if M is not None:
        A = A - M.broadcast_to(A.shape)
    m, n = A.shape[-2:]
    tall = A.mH if m < n else A
    Q = _basis(tall, q, niter)
    U, S, Vh = ops["linalg.svd"](ops.matmul(Q.mH, tall), False)
    U, V = ops.matmul(Q, U), Vh.mH
    return (V, S, U) if m < n else (U, S, V)


@composite("pca_lowrank", method=False)
def pca_lowrank(A: Any, q: int | None = None, center: bool = True, niter: int = 2) -> tuple[Any, Any, Any]:
    """The first ``q`` principal components of the rows of ``A``: ``U``, ``S`` and ``V`` of the centred matrix."""
    m, n = A.shape[-2:]
    if q is None:
        q = min(6, m, n)
    elif not 0 <= q <= min(m, n):
        raise ValueError(f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(m, n)}")
    if not niter >= 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    return svd_lowrank(A - A.mean(-2, True) if center else A, q, niter)
