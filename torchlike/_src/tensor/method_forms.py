"""Methods whose parameters are not those of the function of the same name: ``Tensor.norm`` has no ``out``, and so on."""

from typing import Any

from torchlike._src.operators.registry import composite, ops
from torchlike._src.tensor.core import Tensor


@composite("Tensor.split")
def split(self: Tensor, split_size: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """`torch.split`."""
    return ops.split(self, split_size, dim)


@composite("Tensor.lu")
def lu(self: Tensor, pivot: bool = True, get_infos: bool = False) -> Any:
    """`torch.lu`."""
    return ops.lu(self, pivot, get_infos)


@composite("Tensor.norm")
def norm(self: Tensor, p: float | str | None = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Tensor:
    """`torch.norm`."""
    return ops.norm(self, p, dim, keepdim, dtype=dtype)


@composite("Tensor.unflatten")
def unflatten(self: Tensor, dim: int, sizes: Any) -> Tensor:
    """`torch.unflatten`."""
    return ops.unflatten(self, dim, sizes)


@composite("Tensor.unique")
def unique(self: Tensor, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: Any = None) -> Any:
    """`torch.unique`."""
    return ops.unique(self, sorted, return_inverse, return_counts, dim)


@composite("Tensor.unique_consecutive")
def unique_consecutive(self: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: Any = None) -> Any:
    """`torch.unique_consecutive`."""
    return ops.unique_consecutive(self, return_inverse, return_counts, dim)


@composite("Tensor.stft")
def stft(
    self: Tensor, n_fft: int, hop_length: int | None = None, win_length: int | None = None, window: Tensor | None = None,
    center: bool = True, pad_mode: str = "reflect", normalized: bool = False, onesided: bool | None = None,
    return_complex: bool | None = None, align_to_window: bool | None = None,
) -> Tensor:  # fmt: skip
    """`torch.stft`."""
    return ops.stft(
        self, n_fft, hop_length, win_length, window, center, pad_mode, normalized, onesided, return_complex, align_to_window
    )


@composite("Tensor.istft")
def istft(
    self: Tensor, n_fft: int, hop_length: int | None = None, win_length: int | None = None, window: Tensor | None = None,
    center: bool = True, normalized: bool = False, onesided: bool | None = None, length: int | None = None,
    return_complex: bool = False,
) -> Tensor:  # fmt: skip
    """`torch.istft`."""
    return ops.istft(self, n_fft, hop_length, win_length, window, center, normalized, onesided, length, return_complex)
