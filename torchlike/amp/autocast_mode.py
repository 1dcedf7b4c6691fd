"""`autocast`, the region in which ops choose their precision, and what custom functions need inside of it.

Which op is computed in which precision says `_src/operators/autocast_policy.py`.
"""

import functools
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

import torchlike as torch
from torchlike._src.tensor import Tensor
from torchlike._src.tensor.autocast import is_autocast_available as is_autocast_available
from torchlike._src.tensor.devices import count

__all__ = ["autocast", "autocast_decorator", "custom_bwd", "custom_fwd", "is_autocast_available"]

_NOT_CALLABLE = """autocast()(func) requires a callable, but got {}. Did you mean to use autocast as a context manager? For example:
    with torch.autocast(device_type=...):
        output = model(input)"""


def autocast_decorator(autocast_instance: "autocast", func: Callable[..., Any]) -> Callable[..., Any]:
    """``func``, called within a region."""

    @functools.wraps(func)
    def within(*args: Any, **kwargs: Any) -> Any:
        with autocast_instance:
            return func(*args, **kwargs)

    return within


class autocast:
    """A region in which matrix products run in half precision, and what needs the range of float32 in float32.

    A context, and a decorator. Casts are ops like others: gradients flow through them, so float32 parameters have float32
    gradients, and a step stays one program. A parameter is cast once until the outermost region ends. In-place ops and
    those with ``out=`` take their arguments as they are. The state belongs to the thread.

    Args:
        device_type: whose tensors: ``"cpu"``, ``"cuda"``, ``"xla"``; on others there are no tensors here.
        dtype: the lower precision; by default `torch.get_autocast_dtype`: float16 on CUDA, bfloat16 elsewhere.
        enabled: False for a part of a region that is to run as written. Cast what comes from outside of it yourself.
        cache_enabled: whether casts of parameters are kept; by default as around.
    Raises:
        ValueError: if ``device_type`` is no string.
        RuntimeError: for a device type that there is no autocast for.
    Examples:
        >>> with torch.autocast("cpu"):
        ...     (torch.ones(2, 2) @ torch.ones(2, 2)).dtype
        torch.bfloat16
    Source:
        Micikevicius et al. 2018, https://arxiv.org/abs/1710.03740; lists of ops as PyTorch.
    """

    def __init__(
        self, device_type: str, dtype: torch.dtype | None = None, enabled: bool = True, cache_enabled: bool | None = None
    ) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        self.fast_dtype = torch.get_autocast_dtype(device_type) if dtype is None else dtype
        self.device = device_type
        if not is_autocast_available(device_type):
            raise RuntimeError(f"User specified an unsupported autocast device_type '{device_type}'")
        self._cache_enabled = torch.is_autocast_cache_enabled() if cache_enabled is None else cache_enabled
        if enabled and device_type == "cuda" and not count("cuda"):
            warnings.warn("CUDA is not available or torch_xla is imported. Disabling autocast.", stacklevel=2)
            enabled = False
        elif enabled and device_type != "cuda" and self.fast_dtype not in (torch.bfloat16, torch.float16):
            name = device_type.upper()
            warnings.warn(
                f"In {name} autocast, but the target dtype is not supported. Disabling autocast.\n"
                f"{name} Autocast only supports dtypes of torch.bfloat16, torch.float16 currently.",
                stacklevel=2,
            )
            enabled = False
        self._enabled = enabled

    def __enter__(self) -> "autocast":
        self.prev_cache_enabled = torch.is_autocast_cache_enabled()
        self.prev = torch.is_autocast_enabled(self.device)
        self.prev_fastdtype = torch.get_autocast_dtype(self.device)
        torch.set_autocast_enabled(self.device, self._enabled)
        torch.set_autocast_dtype(self.device, self.fast_dtype)
        torch.autocast_increment_nesting()
        torch.set_autocast_cache_enabled(self._cache_enabled)
        return self

    def __exit__(self, *_: object) -> bool:
        if torch.autocast_decrement_nesting() == 0:
            torch.clear_autocast_cache()
        torch.set_autocast_enabled(self.device, self.prev)
        torch.set_autocast_dtype(self.device, self.prev_fastdtype)
        torch.set_autocast_cache_enabled(self.prev_cache_enabled)
        return False

    def __call__(self, func: Callable[..., Any]) -> Callable[..., Any]:
        if not callable(func):
            raise TypeError(_NOT_CALLABLE.format(type(func).__name__))
        return autocast_decorator(self, func)


def _enter_autocast(*args: Any) -> autocast:
    """Enter a region without a ``with``."""
    region = autocast(*args)
    region.__enter__()
    return region


def _exit_autocast(mode: autocast) -> None:
    """Leave what `_enter_autocast` entered."""
    mode.__exit__(None, None, None)


def _cast(value: Any, device_type: str, dtype: torch.dtype) -> Any:
    """Tensors of a device, also inside of containers, as ``dtype``; float64 stays."""
    if isinstance(value, Tensor):
        eligible = value.is_floating_point() and value.device.type == device_type and value.dtype is not torch.float64
        return value.to(dtype) if eligible else value
    if isinstance(value, (str, bytes, np.ndarray)):
        return value
    if isinstance(value, Mapping):
        return {_cast(k, device_type, dtype): _cast(v, device_type, dtype) for k, v in value.items()}
    if isinstance(value, Iterable):
        items = (_cast(v, device_type, dtype) for v in value)
        return type(value)(items) if isinstance(value, (list, tuple)) else items  # type: ignore[call-arg]
    return value


def custom_fwd(
    fwd: Callable[..., Any] | None = None, *, device_type: str, cast_inputs: torch.dtype | None = None
) -> Callable[..., Any]:
    """Decorates ``forward`` of an `autograd.Function`, so that `custom_bwd` knows the state it ran in.

    Args:
        fwd: the function; without it, a decorator is returned.
        device_type: whose autocast.
        cast_inputs: inside of a region, cast floating point inputs to this, and run with autocast off.
    Raises:
        ValueError: if ``device_type`` is no string.
    """
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def forward(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        ctx._dtype = torch.get_autocast_dtype(device_type)
        enabled = torch.is_autocast_enabled(device_type)
        ctx._fwd_used_autocast = enabled and cast_inputs is None
        if cast_inputs is None or not enabled:
            return fwd(ctx, *args, **kwargs)
        with autocast(device_type=device_type, enabled=False):
            return fwd(ctx, *_cast(args, device_type, cast_inputs), **_cast(kwargs, device_type, cast_inputs))

    return forward


def custom_bwd(bwd: Callable[..., Any] | None = None, *, device_type: str) -> Callable[..., Any]:
    """Decorates ``backward`` of an `autograd.Function`: it runs in the state that `custom_fwd` saw.

    Args:
        bwd: the function; without it, a decorator is returned.
        device_type: whose autocast.
    Raises:
        ValueError: if ``device_type`` is no string.
    """
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def backward(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        with autocast(device_type=device_type, enabled=ctx._fwd_used_autocast, dtype=ctx._dtype):
            return bwd(ctx, *args, **kwargs)

    return backward
