"""Methods that torch keeps only to say what to use in their place, and those for devices that are not here."""

import warnings
from typing import Any

from torchlike._src.operators.registry import composite
from torchlike._src.tensor.core import Tensor

_REMOVED = "This function was deprecated since version 1.9 and is now removed. "


@composite("Tensor.eig")
def eig(self: Tensor, eigenvectors: bool = False) -> Any:
    """Removed from torch: `torch.linalg.eig`, which returns complex tensors, takes its place."""
    raise RuntimeError(
        f"{_REMOVED}`torch.linalg.eig` returns complex tensors of dtype `cfloat` or `cdouble` rather than real tensors mimicking "
        "complex tensors.\n\nIn the place of torch.eig(A, eigenvectors=...) use torch.linalg.eigvals(A) or torch.linalg.eig(A)."
    )


@composite("Tensor.lstsq")
def lstsq(self: Tensor, other: Tensor) -> Any:
    """Removed from torch: `torch.linalg.lstsq`, with its arguments the other way round, takes its place."""
    raise RuntimeError(
        f"{_REMOVED}`torch.lstsq` is deprecated in favor of `torch.linalg.lstsq`.\n\ntorch.lstsq(B, A) becomes "
        "torch.linalg.lstsq(A, B); what remains is in the field `residuals`, and torch.linalg.qr gives the decomposition."
    )


@composite("Tensor.solve")
def solve(self: Tensor, other: Tensor) -> Any:
    """Removed from torch: `torch.linalg.solve`, with its arguments the other way round, takes its place."""
    raise RuntimeError(
        f"{_REMOVED}`torch.solve` is deprecated in favor of `torch.linalg.solve`. `torch.linalg.solve` has its arguments reversed "
        "and does not return the LU factorization.\n\ntorch.solve(B, A) becomes torch.linalg.solve(A, B); see torch.linalg.lu_factor."
    )


@composite("Tensor.symeig")
def symeig(self: Tensor, eigenvectors: bool = False) -> Any:
    """Removed from torch: `torch.linalg.eigh`, which reads the other triangle by default, takes its place."""
    raise RuntimeError(
        f"{_REMOVED}The default behavior has changed from using the upper triangular portion of the matrix by default to using the "
        "lower triangular portion.\n\nIn the place of torch.symeig(A, upper=...) use torch.linalg.eigvalsh(A, UPLO=...) or "
        "torch.linalg.eigh(A, UPLO=...)."
    )


@composite("Tensor.reinforce")
def reinforce(self: Tensor, reward: Any) -> Any:
    """Removed from torch: a loss of ``-log_prob(action) * reward`` takes its place."""
    raise RuntimeError(
        "reinforce() was removed.\nDraw the action from a distribution m, and call backward() on -m.log_prob(action) * reward."
    )


def _volatile(self: Tensor) -> bool:
    """False: once, whether a tensor keeps others from being recorded; `torch.no_grad` does that now."""
    warnings.warn("volatile was removed (Variable.volatile is always False)", stacklevel=2)
    return False


def _set_volatile(self: Tensor, value: Any) -> None:
    warnings.warn("volatile was removed and now has no effect. Use `with torch.no_grad():` instead.", stacklevel=2)


Tensor.volatile = property(_volatile, _set_volatile)  # type: ignore[attr-defined]


def _absent(kind: str, error: Exception) -> None:
    def move(self: Tensor, device: Any = None, non_blocking: bool = False, memory_format: Any = None) -> Tensor:
        raise type(error)(*error.args)

    move.__name__ = kind
    move.__doc__ = f"A copy on a device of type ``{kind}``: refused, as by a torch that was built without it."
    composite(f"Tensor.{kind}")(move)


_absent("xpu", AssertionError("Torch not compiled with XPU enabled"))
_absent("mtia", AssertionError("Torch not compiled with MTIA enabled. JAX has no such device; use 'cpu', 'cuda' or 'xla'."))
_absent("ipu", RuntimeError("PyTorch is not linked with support for ipu devices"))
