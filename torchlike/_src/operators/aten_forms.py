"""Functions that torch has a second time directly under ``torch``, as ATen names and calls them.

Their usual forms stand elsewhere (``nn.functional.kl_div``, ``linalg.matrix_norm``, ``nn.functional.conv2d``); here are only
the differences: reductions by number, and arguments without defaults.
"""

from collections.abc import Sequence
from typing import Any

from torchlike._src.operators.registry import composite, ops

#: ATen's numbers for reductions; any other means none.
_REDUCTIONS = {1: "mean", 2: "sum"}


def _reduction(number: int) -> str:
    return _REDUCTIONS.get(number, "none")


@composite("kl_div", method=False)
def kl_div(input: Any, target: Any, reduction: int = 0, *, log_target: bool = False) -> Any:
    """`nn.functional.kl_div`, with a number (0: none, 1: mean, 2: sum) for its reduction."""
    return ops["nn.functional.kl_div"](input, target, reduction=_reduction(reduction), log_target=log_target)


@composite("poisson_nll_loss", method=False)
def poisson_nll_loss(input: Any, target: Any, log_input: bool, full: bool, eps: float, reduction: int) -> Any:
    """`nn.functional.poisson_nll_loss`, with a number for its reduction."""
    return ops["nn.functional.poisson_nll_loss"](
        input, target, log_input=log_input, full=full, eps=eps, reduction=_reduction(reduction)
    )


@composite("binary_cross_entropy_with_logits", method=False)
def binary_cross_entropy_with_logits(
    input: Any, target: Any, weight: Any = None, pos_weight: Any = None, reduction: int = 0
) -> Any:  # fmt: skip
    """`nn.functional.binary_cross_entropy_with_logits`, with a number for its reduction."""
    return ops["nn.functional.binary_cross_entropy_with_logits"](
        input, target, weight, pos_weight=pos_weight, reduction=_reduction(reduction)
    )


@composite("frobenius_norm", method=False)
def frobenius_norm(input: Any, dim: Any, keepdim: bool = False, *, out: Any = None) -> Any:
    """The square root of the sum of squares along ``dim``; of all elements if that is empty."""
    return ops["linalg.vector_norm"](input, 2, dim or None, keepdim, out=out)


@composite("nuclear_norm", method=False)
def nuclear_norm(input: Any, dim: Any = None, keepdim: bool = False, *, out: Any = None) -> Any:
    """The sum of the singular values of the matrices in two dimensions; `linalg.matrix_norm`."""
    if isinstance(dim, bool):  # torch's other form: nuclear_norm(input, keepdim)
        dim, keepdim = None, dim
    return ops["linalg.matrix_norm"](input, "nuc", (-2, -1) if dim is None else tuple(dim), keepdim, out=out)


@composite("norm_except_dim", method=False)
def norm_except_dim(v: Any, pow: int = 2, dim: int = 0) -> Any:
    """The norm over all dimensions but one (-1: over all), which weight normalization divides by."""
    if dim == -1:
        return ops.norm(v, pow)
    rest = [d for d in range(v.ndim) if d != dim]
    return ops.norm(v, pow, rest, keepdim=True)


@composite("convolution", method=False)
def convolution(
    input: Any, weight: Any, bias: Any, stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int], transposed: bool,
    output_padding: Sequence[int], groups: int,
) -> Any:  # fmt: skip
    """A convolution over one to three dimensions, or its transpose."""
    form = f"nn.functional.conv{'_transpose' if transposed else ''}{weight.ndim - 2}d"
    if transposed:
        return ops[form](input, weight, bias, stride, padding, output_padding, groups, dilation)
    return ops[form](input, weight, bias, stride, padding, dilation, groups)


@composite("lobpcg", method=False)
def lobpcg(
    A: Any, k: int | None = None, B: Any = None, X: Any = None, n: int | None = None, iK: Any = None, niter: int | None = None,
    tol: float | None = None, largest: bool | None = None, method: str | None = None, tracker: Any = None,
    ortho_iparams: Any = None, ortho_fparams: Any = None, ortho_bparams: Any = None,
) -> tuple[Any, Any]:  # fmt: skip
    """The ``k`` largest (or smallest) eigenvalues of a symmetric matrix and their vectors, of ``A x = λ B x`` if B is given.

    torch iterates towards them (Knyazev's LOBPCG). Here they come from a complete decomposition, `linalg.eigh`: exact whatever
    ``niter`` and ``tol``, differentiable, and dearer for large matrices of which few pairs are wanted.

    Args:
        A: symmetric (positive definite, if torch is to converge), shape ``(*, m, m)``.
        k: how many; by default as many as ``X`` has columns, or ``n``, or 1.
        B: symmetric positive definite; None: the identity.
        X: a first guess ``(*, m, n)``, of which only the number of columns is used.
        largest: the largest eigenvalues first, by default; else the smallest.
        n, iK, niter, tol, method, tracker, ortho_iparams, ortho_fparams, ortho_bparams: of the iteration.
    Returns:
        Eigenvalues ``(*, k)`` and vectors ``(*, m, k)``.
    Raises:
        ValueError: for fewer than 3 k rows, where LOBPCG does not work.
    """
    m = A.shape[-1]
    columns = n if n is not None else X.shape[-1] if X is not None else k or 1
    k = columns if k is None else k
    if m < 3 * columns:
        raise ValueError(
            f"LOBPCG algorithm is not applicable when the number of A rows (={m}) is smaller than 3 x the number of requested "
            f"eigenpairs (={columns})"
        )
    factor = None if B is None else ops["linalg.cholesky"](B)
    if factor is not None:
        half = ops["linalg.solve_triangular"](factor, A, upper=False)
        A = ops["linalg.solve_triangular"](factor, half.mT, upper=False)
    values, vectors = ops["linalg.eigh"](A)
    if largest is None or largest:
        values, vectors = values.flip(-1), vectors.flip(-1)
    values, vectors = values[..., :k], vectors[..., :k]
    return values, vectors if factor is None else ops["linalg.solve_triangular"](factor.mT, vectors, upper=True)
