"""Deprecated: `torch.amp`'s names with the device ``"cuda"`` filled in."""

import warnings
from collections.abc import Callable
from typing import Any

import torchlike as torch
from torchlike.amp import autocast_mode

__all__ = ["autocast", "custom_bwd", "custom_fwd"]


def _deprecated(old: str, new: str) -> None:
    warnings.warn(f"`torch.cuda.amp.{old}` is deprecated. Please use `torch.amp.{new}` instead.", FutureWarning, stacklevel=3)


class autocast(autocast_mode.autocast):
    """Deprecated: ``torch.autocast("cuda", ...)``."""

    def __init__(self, enabled: bool = True, dtype: torch.dtype = torch.float16, cache_enabled: bool = True) -> None:
        _deprecated("autocast(args...)", "autocast('cuda', args...)")
        super().__init__("cuda", enabled=enabled, dtype=dtype, cache_enabled=cache_enabled)


def custom_fwd(fwd: Callable[..., Any] | None = None, *, cast_inputs: torch.dtype | None = None) -> Callable[..., Any]:
    """Deprecated: `torch.amp.custom_fwd` with ``device_type="cuda"``."""
    _deprecated("custom_fwd(args...)", "custom_fwd(args..., device_type='cuda')")
    return autocast_mode.custom_fwd(fwd, device_type="cuda", cast_inputs=cast_inputs)


def custom_bwd(bwd: Callable[..., Any]) -> Callable[..., Any]:
    """Deprecated: `torch.amp.custom_bwd` with ``device_type="cuda"``."""
    _deprecated("custom_bwd(args...)", "custom_bwd(args..., device_type='cuda')")
    return autocast_mode.custom_bwd(bwd, device_type="cuda")


def _cast(value: Any, dtype: torch.dtype) -> Any:
    """Deprecated: `torch.amp.autocast_mode._cast` with ``"cuda"``."""
    _deprecated("autocast_mode._cast(value, dtype)", "autocast_mode._cast(value, 'cuda', dtype)")
    return autocast_mode._cast(value, "cuda", dtype)
