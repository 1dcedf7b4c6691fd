"""Clipping gradients, in place: all together by their norm, or each by value."""

from __future__ import annotations

import types
import warnings
from collections.abc import Iterable
from typing import Any

import jax.numpy as jnp
from jax import Array

import torchlike as torch
from torchlike._src.engine.value import aval
from torchlike._src.operators.norms import vector_norm
from torchlike._src.tensor import dispatch
from torchlike._src.tensor.core import Tensor

__all__ = ["clip_grad_norm", "clip_grad_norm_", "clip_grad_value_"]

_NON_FINITE = (
    "The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it cannot be clipped. To "
    "disable this error and scale the gradients by the non-finite norm anyway, set `error_if_nonfinite=False`"
)


def _as_list(tensors: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _grads(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [p.grad for p in _as_list(parameters) if p.grad is not None]


def _alike(tensors: list[Tensor]) -> list[list[Tensor]]:
    """The tensors by device and dtype: what one recorded op can take together."""
    groups: dict[Any, list[Tensor]] = {}
    for t in tensors:
        a = t._aval()
        groups.setdefault((a.place, a.dtype), []).append(t)
    return list(groups.values())


def _norms(tensors: list[Tensor], norm_type: float, total: bool) -> Tensor:
    """The norm of each, or the ``total`` norm of these, in one recorded op."""

    def norms(arrays: list[Array], _: list[Any]) -> list[Array]:
        each = jnp.stack([vector_norm(a, norm_type) for a in arrays])
        return [vector_norm(each, norm_type) if total else each]

    first = tensors[0]._aval()
    known = total and first.dtype.kind == "f"
    outs = [aval((), first.dtype, first.place)] if known else None
    return dispatch.fused(norms, ("norms", norm_type, total), tensors, [], outs)[0]


@torch.no_grad()
def _get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of all tensors as if they were one vector: the norm of their norms.

    Args:
        tensors: one or several.
        norm_type: p of the norm; infinity for the maximum.
        error_if_nonfinite: raise RuntimeError if the norm is infinite or NaN; reads the value.
        foreach: accepted as in torch; one program computes all norms anyway.
    Returns:
        A scalar tensor on the first tensor's device.
    """
    tensors = _as_list(tensors)
    norm_type = float(norm_type)
    if not tensors:
        return torch.tensor(0.0)
    groups = _alike(tensors)
    if len(groups) == 1:
        total = _norms(tensors, norm_type, True)
    else:
        device = tensors[0].device
        total = torch.linalg.vector_norm(torch.cat([_norms(group, norm_type, False).to(device) for group in groups]), norm_type)
    if error_if_nonfinite and not torch.isfinite(total):
        raise RuntimeError(_NON_FINITE.format(norm_type=norm_type))
    return total


@torch.no_grad()
def _clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Scale the gradients so that a total norm of ``total_norm`` becomes at most ``max_norm``."""
    grads = _grads(parameters)
    if not grads:
        return
    for group in _alike(grads):
        here = group[0]._aval().place is total_norm._aval().place
        norm = total_norm if here else total_norm.to(group[0].device)
        dispatch.update(_scaled, "scaled", [norm, *group], [float(max_norm)], group, alike=True)


def _scaled(arrays: list[Array], numbers: list[Any]) -> list[Array]:
    norm, *rest = arrays
    # Always multiplied, by 1 if need be: choosing by the value would stop the program to read it.
    factor = jnp.minimum(numbers[0] / (norm + 1e-6), 1.0)
    return [(a * factor).astype(a.dtype) for a in rest]


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale the gradients of ``parameters`` so that their norm, as of one vector, is at most ``max_norm``.

    Args:
        parameters: one or several; those without a gradient do not count.
        max_norm: largest norm.
        norm_type: p of the norm; infinity for the maximum.
        error_if_nonfinite: raise RuntimeError if the norm is infinite or NaN; reads the value.
        foreach: accepted as in torch; one program scales all gradients anyway.
    Returns:
        The norm before clipping, a scalar tensor.
    """
    is_generator = isinstance(parameters, types.GeneratorType)
    parameters = _as_list(parameters)
    if is_generator and not parameters:
        warnings.warn("`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=2)
    total_norm = _get_total_norm(_grads(parameters), norm_type, error_if_nonfinite, foreach)
    _clip_grads_with_norm_(parameters, max_norm, total_norm, foreach)
    return total_norm


def clip_grad_norm(
    parameters: Any, max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
) -> Tensor:
    """Deprecated name of `clip_grad_norm_`."""
    warnings.warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated in favor of `torch.nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


@torch.no_grad()
def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None) -> None:
    """Clamp every element of the gradients of ``parameters`` to ``-clip_value ... clip_value``."""
    clip_value = float(clip_value)
    for group in _alike(_grads(parameters)):
        dispatch.update(_clamped, "clamped", group, [clip_value], group, alike=True)


def _clamped(arrays: list[Array], numbers: list[Any]) -> list[Array]:
    (bound,) = numbers
    return [jnp.clip(a, -bound, bound) for a in arrays]
