"""Padding: with a constant, by reflection, by the edge, or around."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlike._src.operators.nn_checks import sizes
from torchlike._src.operators.numbers import fitting
from torchlike._src.operators.promotion import BOOL
from torchlike._src.operators.registry import Array, Number, composite, op, ops
from torchlike._src.operators.support import as_dtype, is_number, refuse

_NUMPY_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


@composite("nn.functional.pad")
def pad(input: Any, pad: Any, mode: str = "constant", value: float | None = None) -> Any:
    """Add to both ends of the last dimensions; a negative amount takes off.

    Args:
        input: any shape for ``"constant"``; else 2 to 5 dimensions.
        pad: pairs (before, after) from the last dimension backwards.
        mode: ``"constant"``, ``"reflect"``, ``"replicate"`` or ``"circular"``; other than ``"constant"`` at most the last
            three dimensions, and one or two more in front of them.
        value: the constant, 0 by default.
    """
    return (
        ops._pad_edges(input, pad, mode, value)
        if mode in ("reflect", "replicate")
        else ops["_C._nn.pad"](input, pad, mode, value)
    )


@op(
    "_pad_edges", method=False, saves=("input", "~input"),
    grad_name=lambda given: f"{'Reflection' if given['mode'] == 'reflect' else 'Replication'}Pad{len(given['pad']) // 2}dBackward0",
)  # fmt: skip
def _pad_edges(input: Array, pad: tuple[int, ...], mode: str, value: Number | None = None) -> Array:
    return _padded(input, pad, mode, value)


@op("_C._nn.pad", grad_name="ConstantPadNdBackward0", saves=())
def _padded(input: Array, pad: tuple[int, ...], mode: str = "constant", value: Number | None = None) -> Array:
    """See `pad`."""
    if len(pad) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    if len(pad) > 2 * input.ndim:
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension "
            f"but got padding length {len(pad)} and input of dimension {input.ndim}"
        )
    count = len(pad) // 2
    pairs = [(0, 0)] * (input.ndim - count) + [(pad[2 * i], pad[2 * i + 1]) for i in reversed(range(count))]
    if mode == "constant":
        return _pad_constant(input, pairs, 0.0 if value is None else float(value) if is_number(value) else value)
    if is_number(value) and value != 0:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if count not in (1, 2, 3) or input.ndim - count not in (1, 2):
        raise NotImplementedError(f"Padding size {len(pad)} is not supported for {input.ndim}D input tensor.")
    if mode not in _NUMPY_MODES:
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if mode == "circular":
        for (low, high), n in zip(pairs, input.shape, strict=True):
            if low > n or high > n:
                raise RuntimeError("Padding value causes wrapping around more than once.")
            if n + low + high < 0:
                raise RuntimeError("Negative padding value is resulting in an empty dimension")
    else:
        _check_edges(input, pairs, mode, count)
    cut = [(min(low, 0), min(high, 0), 0) for low, high in pairs]
    zero = jnp.zeros((), input.dtype)
    if mode == "circular" and any(map(any, cut)):  # what goes round is what is left; edges are those of the whole
        input, cut = lax.pad(input, zero, cut), []
    made = jnp.pad(input, [(max(low, 0), max(high, 0)) for low, high in pairs], mode=_NUMPY_MODES[mode])
    return lax.pad(made, zero, cut) if any(map(any, cut)) else made


def _check_edges(input: Array, pairs: list[tuple[int, int]], mode: str, count: int) -> None:
    """torch's complaints about reflection and replication."""
    if 0 in input.shape[1:] or (input.ndim == count + 1 and input.shape[0] == 0):
        raise RuntimeError(
            f"Expected {count + 1}D or {count + 2}D (batch mode) tensor with possibly 0 batch size and other non-zero "
            f"dimensions for input, but got: {sizes(input.shape)}"
        )
    for axis in reversed(range(input.ndim - count, input.ndim)):
        (low, high), n = pairs[axis], input.shape[axis]
        if mode == "reflect" and max(low, high) >= n:
            raise RuntimeError(
                f"Argument #{4 + 2 * (input.ndim - 1 - axis)}: Padding size should be less than the corresponding "
                f"input dimension, but got: padding ({low}, {high}) at dimension {axis} of input {sizes(input.shape)}"
            )
    if mode == "reflect":
        refuse(f"reflection_pad{count}d", input, BOOL)
    spatial = input.shape[-count:]
    made = [n + low + high for n, (low, high) in zip(spatial, pairs[-count:], strict=True)]
    if min(made) < 1:
        letters = "DHW"[-count:]
        given, got = ([f"{c}: {v}" for c, v in zip(letters, vs, strict=True)] for vs in (spatial, made))
        shown = f"{', '.join(given)} " if mode == "replicate" and count == 2 else " ".join(given)  # each in words of its own
        raise RuntimeError(f"input ({shown}) is too small. Calculated output {' '.join(got)}")


def _pad_constant(input: Array, pairs: list[tuple[int, int]], value: Number) -> Array:
    for (low, high), n in zip(pairs, input.shape, strict=True):
        if n + min(low, 0) + min(high, 0) < 0:
            raise RuntimeError("narrow(): length must be non-negative.")
    fill = as_dtype(fitting(value, np.dtype(input.dtype)), np.dtype(input.dtype))
    return lax.pad(input, fill, [(low, high, 0) for low, high in pairs])


@op("constant_pad_nd", method=False, saves=())
def constant_pad_nd(input: Array, pad: tuple[int, ...], value: Number = 0) -> Array:
    """`nn.functional.pad` with a constant."""
    count = len(pad) // 2
    pairs = [(0, 0)] * (input.ndim - count) + [(pad[2 * i], pad[2 * i + 1]) for i in reversed(range(count))]
    return _pad_constant(input, pairs, value)
