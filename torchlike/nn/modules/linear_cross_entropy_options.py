"""`LinearCrossEntropyOptions`: how torch splits a linear layer and its cross entropy into chunks."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import torchlike as torch

__all__ = ["LinearCrossEntropyOptions"]

_ACC_DTYPES = ("float16", "bfloat16", "float32", "float64")


@dataclasses.dataclass(slots=True, frozen=True)
class LinearCrossEntropyOptions:
    """Options of `nn.functional.linear_cross_entropy`: checked as in torch, and without effect.

    In torch they trade memory for speed. Here the whole step is one XLA program, which plans its own memory.

    Args:
        allow_retain_graph: backward may run twice; here it always may.
        batch_chunk_size: rows a chunk.
        chunking_method: ``"auto"``, ``"aspect_ratio"`` or ``"aspect_ratio:N"``.
        acc_policy: which intermediate results are kept in ``acc_dtype``.
        acc_dtype: a floating-point dtype, or None.
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: Literal["accurate", "balanced", "compact", "auto"] = "auto"
    acc_dtype: Any = None

    def __post_init__(self) -> None:
        if self.acc_policy not in {"auto", "accurate", "balanced", "compact"}:
            raise ValueError(f"invalid acc_policy: {self.acc_policy!r}")
        if self.chunking_method is not None and self.chunking_method != "auto":
            name, colon, factor = self.chunking_method.partition(":")
            factor = factor if colon else "1"
            if not (name == "aspect_ratio" and factor.isdigit() and int(factor) > 0):
                raise ValueError(f"invalid chunking_method: {self.chunking_method!r}")
        size = self.batch_chunk_size
        if size is not None and not (isinstance(size, int) and size > 0):
            raise ValueError(f"batch_chunk_size must be positive int or None, got {size!r}")
        if self.acc_dtype is not None and self.acc_dtype not in [getattr(torch, name) for name in _ACC_DTYPES]:
            raise ValueError(
                "acc_dtype must be one of {None, torch.float16, torch.bfloat16, torch.float32, torch.float64}, got "
                f"{self.acc_dtype!r}. Pass acc_dtype=None to let the op pick automatically."
            )
