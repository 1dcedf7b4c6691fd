"""The window functions: each a formula over equally spaced points.

All take ``M``, the number of points, and ``sym``: False for a periodic window, as spectral analysis wants it, which is the
symmetric one of ``M + 1`` points without its last.
"""

import math
from collections.abc import Iterable
from typing import Any

import torchlike as torch
from torchlike._src.tensor.core import Tensor


class _Made:
    """How a window is to be made, checked: its length, and the keyword arguments of torch's factories."""

    def __init__(self, name: str, M: int, dtype: Any, layout: Any, device: Any, requires_grad: bool) -> None:
        dtype = torch.get_default_dtype() if dtype is None else dtype
        if M < 0:
            raise ValueError(f"{name} requires non-negative window length, got M={M}")
        if layout is not torch.strided:
            raise ValueError(f"{name} is implemented for strided tensors only, got: {layout}")
        if dtype not in (torch.float32, torch.float64):
            raise ValueError(f"{name} expects float32 or float64 dtypes, got: {dtype}")
        self.M = M
        self.how = {"dtype": dtype, "device": device, "requires_grad": requires_grad}

    def ones(self) -> Tensor:
        """The window of at most one point."""
        return torch.ones((self.M,), **self.how)

    def points(self, start: Any, step: Any) -> Tensor:
        """``M`` points from ``start`` on."""
        return torch.linspace(start, start + (self.M - 1) * step, self.M, **self.how)


def exponential(
    M: int, *, center: float | None = None, tau: float = 1.0, sym: bool = True, dtype: Any = None,
    layout: Any = torch.strided, device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """``exp(-|n - center| / tau)``; only a periodic window may have a ``center`` of its own."""
    made = _Made("exponential", M, dtype, layout, device, requires_grad)
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError("Center must be None for symmetric windows")
    if M == 0:
        return made.ones()
    if center is None:
        center = (M if not sym and M > 1 else M - 1) / 2.0
    return torch.exp(-torch.abs(made.points(-center / tau, 1 / tau)))


def cosine(
    M: int, *, sym: bool = True, dtype: Any = None, layout: Any = torch.strided, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """``sin(π (n + 1/2) / M)``, half a period of the sine."""
    made = _Made("cosine", M, dtype, layout, device, requires_grad)
    if M == 0:
        return made.ones()
    step = math.pi / (M + 1 if not sym and M > 1 else M)
    return torch.sin(made.points(0.5 * step, step))


def gaussian(
    M: int, *, std: float = 1.0, sym: bool = True, dtype: Any = None, layout: Any = torch.strided, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """``exp(-(n / std)² / 2)``, counted from the middle."""
    made = _Made("gaussian", M, dtype, layout, device, requires_grad)
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")
    if M == 0:
        return made.ones()
    step = 1 / (std * math.sqrt(2))
    return torch.exp(-(made.points(-(M if not sym and M > 1 else M - 1) / 2.0 * step, step) ** 2))


def kaiser(
    M: int, *, beta: float = 12.0, sym: bool = True, dtype: Any = None, layout: Any = torch.strided, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """``i0(beta √(1 - t²)) / i0(beta)`` for ``t`` from -1 to 1."""
    made = _Made("kaiser", M, dtype, layout, device, requires_grad)
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")
    if M < 2:
        return made.ones()
    top = torch.tensor(beta, dtype=made.how["dtype"]).item()  # rounded once, so that no root is of a negative number
    step = 2.0 * top / (M if not sym else M - 1)
    k = torch.linspace(-top, min(top, -top + (M - 1) * step), M, **made.how)
    square = torch.tensor(top, dtype=k.dtype, device=k.device) ** 2
    return torch.i0(torch.sqrt(square - k**2)) / torch.i0(torch.tensor(top, dtype=k.dtype, device=k.device))


def bartlett(
    M: int, *, sym: bool = True, dtype: Any = None, layout: Any = torch.strided, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The triangle ``1 - |t|`` for ``t`` from -1 to 1."""
    made = _Made("bartlett", M, dtype, layout, device, requires_grad)
    return made.ones() if M < 2 else 1 - torch.abs(made.points(-1, 2 / (M if not sym else M - 1)))


def _cosines(made: _Made, a: Iterable[float], sym: bool) -> Tensor:
    if made.M < 2:
        return made.ones()
    if not isinstance(a, Iterable):
        raise TypeError("Coefficients must be a list/tuple")
    if not a:
        raise ValueError("Coefficients cannot be empty")
    k = made.points(0, 2 * math.pi / (made.M if not sym else made.M - 1))
    weights = torch.tensor([(-1) ** i * w for i, w in enumerate(a)], **made.how)
    order = torch.arange(weights.shape[0], **made.how)
    return (weights.unsqueeze(-1) * torch.cos(order.unsqueeze(-1) * k)).sum(0)


def general_cosine(
    M: int, *, a: Iterable[float], sym: bool = True, dtype: Any = None, layout: Any = torch.strided, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The sum of ``(-1)^i a[i] cos(2π i n / (M - 1))``."""
    return _cosines(_Made("general_cosine", M, dtype, layout, device, requires_grad), a, sym)


def general_hamming(
    M: int, *, alpha: float = 0.54, sym: bool = True, dtype: Any = None, layout: Any = torch.strided, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """``alpha - (1 - alpha) cos(2π n / (M - 1))``."""
    return _cosines(_Made("general_cosine", M, dtype, layout, device, requires_grad), [alpha, 1.0 - alpha], sym)


def _named(name: str, a: list[float], checked_as: str = "general_cosine") -> Any:
    """A sum of cosines that has a name of its own."""

    def window(
        M: int, *, sym: bool = True, dtype: Any = None, layout: Any = torch.strided, device: Any = None,
        requires_grad: bool = False,
    ) -> Tensor:  # fmt: skip
        return _cosines(_Made(checked_as, M, dtype, layout, device, requires_grad), a, sym)

    window.__name__ = window.__qualname__ = name
    window.__doc__ = f"`general_cosine` with the coefficients {', '.join(f'{w:.7g}' for w in a)}."
    return window


hamming = _named("hamming", [0.54, 1.0 - 0.54])
hann = _named("hann", [0.5, 0.5])
blackman = _named("blackman", [0.42, 0.5, 0.08], "blackman")
nuttall = _named("nuttall", [0.3635819, 0.4891775, 0.1365995, 0.0106411])
