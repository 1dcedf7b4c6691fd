"""``torch.autograd.forward_ad``: forward mode through dual tensors."""

from typing import NamedTuple

from torchlike._src.autograd import forward_mode
from torchlike._src.autograd.modes import _Mode
from torchlike._src.engine.trace import local
from torchlike._src.tensor.core import Tensor, levels

__all__ = ["UnpackedDualTensor", "dual_level", "enter_dual_level", "exit_dual_level", "make_dual", "unpack_dual"]


class UnpackedDualTensor(NamedTuple):
    """What `unpack_dual` returns: the value, and the tangent, or None."""

    primal: Tensor
    tangent: Tensor | None


def enter_dual_level() -> int:
    """Open a level, at which tensors may carry tangents; returns its number.

    Raises:
        RuntimeError: if a level is open. `torch.func.jvp` may be nested.
    """
    if forward_mode.current() >= 0:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    return forward_mode.Level().index


def exit_dual_level(*, level: int | None = None) -> None:
    """Close the level that was opened last; the tangents at it are gone."""
    if not levels or level not in (None, levels[-1].index):
        raise RuntimeError("Trying to exit a forward AD level that was not the last one that was created. This is not supported.")
    levels[-1].close()


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """A view of ``tensor`` that carries ``tangent`` at a level, by default the one opened last.

    The tangent is kept as it is if it lies in memory as ``tensor`` does, else copied. Gradients flow through both.

    Raises:
        RuntimeError: outside of a level, and for a tangent of another shape.
        ValueError: for tensors that are neither floating point nor complex.
    """
    level = forward_mode.current() if level is None else level
    if level < 0:
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to enter_dual_level() first."
        )
    for name, t in (("primal", tensor), ("tangent", tangent)):
        if not (t.is_floating_point() or t.is_complex()):
            raise ValueError(f"Expected {name} to be floating point or complex, but got: {t.dtype}")
    return forward_mode.make_dual(tensor, tangent, level)


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """A tensor's value and its tangent at a level; None for a tensor that has none."""
    level = forward_mode.current() if level is None else level
    if not 0 <= level < len(levels):
        return UnpackedDualTensor(tensor, None)
    return UnpackedDualTensor(*forward_mode.unpack(tensor, level))


class dual_level(_Mode):
    """A context with a level open; also a decorator.

    Examples:
        >>> with dual_level():
        ...     dual = make_dual(torch.tensor(3.0), torch.tensor(1.0))
        ...     unpack_dual(dual * dual).tangent
        tensor(6.)
    """

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, *_: object) -> None:
        exit_dual_level()


def _is_fwd_grad_enabled() -> bool:
    return local.recorder.modes.get("forward", 1) > 0


class _set_fwd_grad_enabled(_Mode):
    """Turn forward mode off, or on again: at once, or for a context."""

    def __init__(self, mode: bool) -> None:
        self.mode = mode
        modes = local.recorder.modes
        self.before = modes.get("forward", forward_mode.ALL)
        modes["forward"] = forward_mode.ALL if mode else 0

    def clone(self) -> "_set_fwd_grad_enabled":
        return _set_fwd_grad_enabled(self.mode)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        local.recorder.modes["forward"] = self.before
