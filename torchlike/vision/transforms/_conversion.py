"""Transforms between images and tensors, and of values without regard to place."""

from collections.abc import Sequence
from typing import Any

import torchlike as torch
from torchlike.vision.transforms import functional


class ToTensor:
    """A PIL image or array ``(H, W, C)`` as a tensor ``(C, H, W)``; bytes become floats from 0 to 1."""

    def __call__(self, pic: Any) -> torch.Tensor:
        return functional.to_tensor(pic)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class PILToTensor:
    """A PIL image as a tensor of the same type."""

    def __call__(self, pic: Any) -> torch.Tensor:
        return functional.pil_to_tensor(pic)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class ToPILImage:
    """A tensor ``(C, H, W)`` or array ``(H, W, C)`` as a PIL image."""

    def __init__(self, mode: str | None = None) -> None:
        self.mode = mode

    def __call__(self, pic: Any) -> Any:
        return functional.to_pil_image(pic, self.mode)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'' if self.mode is None else f'mode={self.mode}'})"


class ConvertImageDtype(torch.nn.Module):
    """Another dtype, with values scaled to its range."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        if not isinstance(dtype, torch.dtype):
            raise TypeError("Argument dtype should be of type torch.dtype")
        self.dtype = dtype

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return functional.convert_image_dtype(image, self.dtype)


class Normalize(torch.nn.Module):
    """``(image - mean) / std``, channel by channel."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        super().__init__()
        self.mean = mean
        self.std = std
        self.inplace = inplace

    def forward(self, tensor: torch.Tensor) -> torch.Tensor:
        return functional.normalize(tensor, self.mean, self.std, self.inplace)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(mean={self.mean}, std={self.std})"


class LinearTransformation(torch.nn.Module):
    """Subtract a mean from the flattened image and multiply it by a matrix, as for whitening.

    Args:
        transformation_matrix: shape ``(D, D)``, ``D = C * H * W``.
        mean_vector: shape ``(D,)``.
    """

    def __init__(self, transformation_matrix: torch.Tensor, mean_vector: torch.Tensor) -> None:
        super().__init__()
        rows, columns = transformation_matrix.shape
        if rows != columns:
            raise ValueError(f"transformation_matrix should be square. Got {(rows, columns)} rectangular matrix.")
        if mean_vector.shape[0] != rows:
            raise ValueError(
                f"mean_vector should have the same length {mean_vector.shape[0]} as any one of the dimensions of the "
                f"transformation_matrix [{(rows, columns)}]"
            )
        self.transformation_matrix = transformation_matrix
        self.mean_vector = mean_vector

    def forward(self, tensor: torch.Tensor) -> torch.Tensor:
        n = tensor.shape[-3] * tensor.shape[-2] * tensor.shape[-1]
        if n != self.transformation_matrix.shape[0]:
            raise ValueError(
                "Input tensor and transformation matrix have incompatible shape."
                f"{list(tensor.shape[-3:])} != {self.transformation_matrix.shape[0]}"
            )
        flat = tensor.reshape(-1, n) - self.mean_vector
        return torch.mm(flat, self.transformation_matrix).reshape(tensor.shape)
