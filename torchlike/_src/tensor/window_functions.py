"""``torch.hann_window`` and its kin: windows of spectral analysis, periodic unless one asks otherwise.

`torch.signal.windows` has the newer forms, symmetric unless one asks otherwise.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from torchlike._src.operators.registry import composite
from torchlike._src.tensor import layouts
from torchlike._src.tensor.core import Tensor
from torchlike._src.tensor.creation import place_of
from torchlike._src.tensor.from_data import finish, np_dtype, on_place


def _window(
    name: str, formula: Callable[[np.ndarray], np.ndarray], length: int, periodic: bool, dtype: Any, layout: Any, device: Any,
    requires_grad: bool,
) -> Tensor:  # fmt: skip
    """A window from its formula over [0, 1].

    Raises:
        TypeError: if the length is no int.
        RuntimeError: if it is negative; for a dtype that is not floating point, or a sparse layout.
    """
    if not isinstance(length, int):
        raise TypeError(f"{name}(): argument 'window_length' (position 1) must be int, not {type(length).__name__}")
    kind = np_dtype(dtype)
    if layout not in (None, layouts.strided):
        raise RuntimeError(f"{name} is not implemented for sparse types, got: {layout}")
    if kind.kind in "biu":
        raise RuntimeError(f"{name} expects floating point dtypes, got: {dtype}")
    if kind.kind == "c":
        raise NotImplementedError(f"{name} expects real floating point dtypes, got: {dtype}; cast the window to a complex one.")
    if length < 0:
        raise RuntimeError(f"{name} requires non-negative window_length, got window_length={length}")
    points = np.arange(length, dtype=np.float64) / max(length if periodic else length - 1, 1)
    made = np.ones(length) if length == 1 else formula(points)
    return finish(on_place(made.astype(kind), place_of(device, name)), requires_grad)


def _cosines(*coefficients: float) -> Callable[[np.ndarray], np.ndarray]:
    def formula(x: np.ndarray) -> np.ndarray:
        return sum((-1) ** k * a * np.cos(2 * np.pi * k * x) for k, a in enumerate(coefficients)) + np.zeros_like(x)

    return formula


@composite("bartlett_window", method=False)
def bartlett_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """A triangle: ``1 - |2 n / N - 1|``."""
    formula = lambda x: 1 - np.abs(2 * x - 1)
    return _window("bartlett_window", formula, window_length, periodic, dtype, layout, device, requires_grad)


@composite("blackman_window", method=False)
def blackman_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """``0.42 - 0.5 cos(2π n / N) + 0.08 cos(4π n / N)``."""
    formula = _cosines(0.42, 0.5, 0.08)
    return _window("blackman_window", formula, window_length, periodic, dtype, layout, device, requires_grad)


@composite("hamming_window", method=False)
def hamming_window(
    window_length: int, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46, *, dtype: Any = None, layout: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """``alpha - beta cos(2π n / N)``."""
    formula = _cosines(alpha, beta)
    return _window("hamming_window", formula, window_length, periodic, dtype, layout, device, requires_grad)


@composite("hann_window", method=False)
def hann_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """``sin²(π n / N)``."""
    formula = _cosines(0.5, 0.5)
    return _window("hann_window", formula, window_length, periodic, dtype, layout, device, requires_grad)


@composite("kaiser_window", method=False)
def kaiser_window(
    window_length: int, periodic: bool = True, beta: float = 12.0, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """``I₀(β √(1 - (2 n / N - 1)²)) / I₀(β)`` with the modified Bessel function of order 0."""
    formula = lambda x: np.i0(beta * np.sqrt(np.maximum(1 - (2 * x - 1) ** 2, 0))) / np.i0(beta)
    return _window("kaiser_window", formula, window_length, periodic, dtype, layout, device, requires_grad)
