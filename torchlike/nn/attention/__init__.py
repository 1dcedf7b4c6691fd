"""Which implementation `scaled_dot_product_attention` may use: torch's switch, kept for scripts that set it.

XLA compiles the one implementation there is; the switch is remembered and can be read, and changes nothing.
"""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Iterable, Iterator

__all__ = ["WARN_FOR_UNFUSED_KERNELS", "SDPBackend", "sdpa_kernel"]

WARN_FOR_UNFUSED_KERNELS = False


class SDPBackend(enum.IntEnum):
    """torch's implementations of attention."""

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4

    __str__ = enum.Enum.__str__


_enabled = [backend for backend in SDPBackend if backend is not SDPBackend.ERROR]


def _cur_sdpa_kernel_backends(with_priority: bool = False) -> list[SDPBackend]:
    return list(_enabled)


@contextlib.contextmanager
def sdpa_kernel(backends: list[SDPBackend] | SDPBackend, set_priority: bool = False) -> Iterator[dict[str, object]]:
    """Inside, only these implementations count as enabled.

    Args:
        backends: one or several.
        set_priority: whether their order is the order of preference.
    """
    global _enabled
    if not isinstance(backends, (list, SDPBackend)):
        raise AssertionError(
            f"Backend must be an instance of SDPBackend or a list of SDPBackend instances, got {type(backends).__name__}"
        )
    chosen: Iterable[SDPBackend] = [backends] if isinstance(backends, SDPBackend) else backends
    before = _enabled
    _enabled = list(dict.fromkeys(chosen))
    try:
        yield {}
    finally:
        _enabled = before
