"""Settings of the process: default dtype, matmul precision, determinism, threads."""

import os
from typing import Any

import jax

from torchlike._src.engine.trace import local, trie
from torchlike._src.operators import promotion
from torchlike._src.tensor import dtypes

_deterministic = _warn_only = _warn_always = False


def _changed() -> None:
    """Programs depend on the settings: record under another root of the trie from now on."""
    local.recorder.flush("a change of settings")
    trie.config = (promotion.default_dtype(), jax.config.jax_default_matmul_precision)
    local.recorder._restart()


def get_default_dtype() -> dtypes.dtype:
    """The dtype of Python floats and of `rand`."""
    return dtypes.OF_NUMPY[promotion.default_dtype()]


def set_default_dtype(d: dtypes.dtype) -> None:
    """Make ``d``, a floating point type, the dtype of Python floats.

    Raises:
        TypeError: for other types, in torch's words.
    """
    if not isinstance(d, dtypes.dtype):
        raise TypeError(f"invalid dtype object: only floating-point types are supported as the default type")  # noqa: F541
    if not d.is_floating_point:
        raise TypeError("only floating-point types are supported as the default type")
    local.recorder.flush("a change of settings")
    promotion.set_default_dtype(d.np)
    _changed()


_PRECISION = {"highest": "highest", "high": "high", "medium": "default"}


def set_float32_matmul_precision(precision: str) -> None:
    """How float32 matrix products may be computed: ``"highest"`` (the default), ``"high"``, ``"medium"``."""
    if precision not in _PRECISION:
        raise RuntimeError(f"Invalid precision '{precision}' : expected one of 'highest', 'high', 'medium'")
    local.recorder.flush("a change of settings")
    jax.config.update("jax_default_matmul_precision", _PRECISION[precision])
    _changed()


def get_float32_matmul_precision() -> str:
    """What `set_float32_matmul_precision` chose."""
    now: Any = jax.config.jax_default_matmul_precision
    return next((k for k, v in _PRECISION.items() if v == now), "highest")


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Kept for scripts that ask: XLA's CPU programs are deterministic, and on GPU ``XLA_FLAGS`` decides."""
    global _deterministic, _warn_only
    _deterministic, _warn_only = mode, bool(mode and warn_only)


def are_deterministic_algorithms_enabled() -> bool:
    """What `use_deterministic_algorithms` was told."""
    return _deterministic


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether `use_deterministic_algorithms` was told only to warn."""
    return _warn_only


_DEBUG_MODES = {"default": 0, "warn": 1, "error": 2}


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """`use_deterministic_algorithms`, by number or name: 0 ``"default"``, 1 ``"warn"``, 2 ``"error"``.

    Raises:
        RuntimeError: for another number or name.
        TypeError: for something else.
    """
    if not isinstance(debug_mode, (int, str)):
        raise TypeError(f"debug_mode must be str or int, but got {type(debug_mode)}")
    wanted = _DEBUG_MODES.get(debug_mode) if isinstance(debug_mode, str) else debug_mode
    if wanted is None:
        raise RuntimeError(f"invalid value of debug_mode, expected one of `default`, `warn`, `error`, but got {debug_mode}")
    if wanted not in (0, 1, 2):
        raise RuntimeError(f"invalid value of debug_mode, expected 0, 1, or 2, but got {wanted}")
    use_deterministic_algorithms(wanted > 0, warn_only=wanted == 1)


def get_deterministic_debug_mode() -> int:
    """The number that `set_deterministic_debug_mode` takes."""
    return (1 if _warn_only else 2) if _deterministic else 0


def set_warn_always(b: bool, /) -> None:
    """Remembered only: Python's own filters decide how often a warning is shown.

    Raises:
        RuntimeError: for what is no bool.
    """
    global _warn_always
    if not isinstance(b, bool):
        raise RuntimeError(f"setWarnOnlyOnce expects a bool, but got {type(b).__name__}")
    _warn_always = b


def is_warn_always_enabled() -> bool:
    """What `set_warn_always` was told."""
    return _warn_always


def set_flush_denormal(mode: bool) -> bool:
    """False, torch's word for "this system cannot": XLA decides for itself which sub-normal numbers become 0."""
    return False


def set_default_tensor_type(t: Any, /) -> None:
    """`set_default_dtype` by the type of tensors: ``torch.DoubleTensor``, or its name."""
    from torchlike._src.tensor.legacy import dtype_of_type

    set_default_dtype(dtype_of_type(t))


def get_num_threads() -> int:
    """The cores that XLA's CPU client may use; fixed when the process starts."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def set_num_threads(n: int) -> None:
    """XLA fixes its threads when it starts: this only checks the number, as torch does.

    Raises:
        RuntimeError: for a number below 1.
    """
    if n < 1:
        raise RuntimeError("set_num_threads expects a positive integer")


def get_num_interop_threads() -> int:
    """As `get_num_threads`: XLA has one pool for both."""
    return get_num_threads()


def set_num_interop_threads(n: int) -> None:
    """XLA fixes its threads when it starts: this only checks the number, as torch does.

    Raises:
        RuntimeError: for a number below 1.
    """
    if n < 1:
        raise RuntimeError("set_num_interop_threads expects a positive integer")


_changed()  # name the settings at import too: those that are set back later are the same
