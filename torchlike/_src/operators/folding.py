"""Sliding blocks and rearranged channels: ``unfold``, ``fold``, pixel and channel shuffles."""

from typing import Any

import jax.numpy as jnp

from torchlike._src.operators.nn_checks import is_complex, is_floating, normalize_dim, scalar_type, sizes
from torchlike._src.operators.pooling_windows import Window, window_taps, window_taps_transposed
from torchlike._src.operators.registry import Array, op

Pair = int | tuple[int, ...]


def _pair(name: str, value: Any) -> tuple[int, int]:
    values = (value, value) if isinstance(value, int) else tuple(value)
    if len(values) == 1:
        values *= 2
    if len(values) != 2:
        raise RuntimeError(f"It is expected {name} equals to 2, but got size {len(values)}")
    return values


def _window(size: tuple[int, int], kernel_size: Pair, dilation: Pair, padding: Pair, stride: Pair) -> Window:
    kernel, dilation = _pair("kernel_size", kernel_size), _pair("dilation", dilation)
    padding, stride = _pair("padding", padding), _pair("stride", stride)
    for what, name, (h, w) in (
        ("kernel size", "kernel", kernel),
        ("dilation", "dilation", dilation),
        ("stride", "stride", stride),
    ):
        if min(h, w) <= 0:
            raise RuntimeError(f"{what} should be greater than zero, but got {name}_height: {h} {name}_width: {w}")
    if min(padding) < 0:
        raise RuntimeError(f"padding should be non-negative, but got pad_height: {padding[0]} pad_width: {padding[1]}")
    out = tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, d, p, s in zip(size, kernel, dilation, padding, stride, strict=True)
    )
    return Window(tuple(size), kernel, stride, padding, dilation, out)


def _require_number(x: Array, kernel: str) -> None:
    if not (is_floating(x) or is_complex(x) or x.dtype == jnp.bool_):
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{scalar_type(x.dtype)}'")


@op("nn.functional.unfold", "_C._nn.im2col", grad_name="Im2ColBackward0", saves=())
def unfold(input: Array, kernel_size: Pair, dilation: Pair = 1, padding: Pair = 0, stride: Pair = 1) -> Array:
    """The blocks of an image that a sliding window sees, as columns.

    Args:
        input: shape ``(N, C, H, W)`` or ``(C, H, W)``.
        kernel_size: one number or two; so are the others.
        dilation: distance between the elements of a block.
        padding: zeros on both sides.
        stride: step of the window.
    Returns:
        Shape ``(N, C * KH * KW, blocks)`` or without ``N``.
    """
    if input.ndim not in (3, 4):
        normalize_dim(2, input.ndim)
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, "
            f"but got: {sizes(input.shape)}"
        )
    window = _window(input.shape[-2:], kernel_size, dilation, padding, stride)
    if min(window.out) < 1:
        raise RuntimeError(
            f"Given input with spatial size ({input.shape[-2]}, {input.shape[-1]}), kernel_size={window.kernel}, "
            f"dilation={window.dilation}, padding={window.padding}, calculated shape of the array of sliding blocks as "
            f"{window.out}, but its components must be at least one."
        )
    _require_number(input, "im2col_out_cpu")
    taps = window_taps(input, window)  # (*, C, taps, OH, OW)
    *lead, channels, _, _ = input.shape
    return taps.reshape(*lead, channels * len(window.taps), window.out[0] * window.out[1])


@op("nn.functional.fold", "_C._nn.col2im", grad_name="Col2ImBackward0", saves=())
def fold(input: Array, output_size: Pair, kernel_size: Pair, dilation: Pair = 1, padding: Pair = 0, stride: Pair = 1) -> Array:
    """The transpose of `unfold`: blocks are added up where they came from.

    Args:
        input: shape ``(N, C * KH * KW, blocks)`` or without ``N``.
        output_size: the size of the image; the others as in `unfold`.
    Returns:
        Shape ``(N, C, *output_size)`` or without ``N``.
    """
    window = _window(_pair("output_size", output_size), kernel_size, dilation, padding, stride)
    if input.ndim not in (2, 3):
        raise RuntimeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero dimensions for "
            f"input, but got: {sizes(input.shape)}"
        )
    area = window.kernel[0] * window.kernel[1]
    lead = input.ndim - 2
    if input.shape[-2] % area:
        raise RuntimeError(
            f"Expected size of input's dimension {lead} to be divisible by the product of kernel_size, "
            f"but got input.size({lead})={input.shape[-2]} and kernel_size={window.kernel}."
        )
    blocks = window.out[0] * window.out[1]
    if input.shape[-1] != blocks:
        raise RuntimeError(
            f"Given output_size={window.size}, kernel_size={window.kernel}, dilation={window.dilation}, "
            f"padding={window.padding}, stride={window.stride}, expected size of input's dimension {lead + 1} to match "
            f"the calculated number of sliding blocks {window.out[0]} * {window.out[1]} = {blocks}, "
            f"but got input.size({lead + 1})={input.shape[-1]}."
        )
    _require_number(input, "col2im_out_cpu")
    taps = input.reshape(*input.shape[:-2], input.shape[-2] // area, area, *window.out)
    return window_taps_transposed(taps, window)


@op("pixel_shuffle", "nn.functional.pixel_shuffle", method=False, saves=())
def pixel_shuffle(input: Array, upscale_factor: int) -> Array:
    """``(*, C r², H, W)`` → ``(*, C, H r, W r)``: channels become pixels.

    Source:
        Shi et al. 2016, https://arxiv.org/abs/1609.05158.
    """
    r = upscale_factor
    if input.ndim < 3:
        raise RuntimeError(
            f"pixel_shuffle expects input to have at least 3 dimensions, but got input with {input.ndim} dimension(s)"
        )
    if r <= 0:
        raise RuntimeError(f"pixel_shuffle expects a positive upscale_factor, but got {r}")
    *lead, c, h, w = input.shape
    if c % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, "
            f"but input.size(-3)={c} is not divisible by {r * r}"
        )
    x = input.reshape(*lead, c // (r * r), r, r, h, w)
    n = len(lead)
    x = x.transpose(*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return x.reshape(*lead, c // (r * r), h * r, w * r)


@op("pixel_unshuffle", "nn.functional.pixel_unshuffle", method=False, saves=())
def pixel_unshuffle(input: Array, downscale_factor: int) -> Array:
    """``(*, C, H r, W r)`` → ``(*, C r², H, W)``: the inverse of `pixel_shuffle`."""
    r = downscale_factor
    if input.ndim < 3:
        raise RuntimeError(
            f"pixel_unshuffle expects input to have at least 3 dimensions, but got input with {input.ndim} dimension(s)"
        )
    if r <= 0:
        raise RuntimeError(f"pixel_unshuffle expects a positive downscale_factor, but got {r}")
    *lead, c, h, w = input.shape
    for name, axis, size in (("height", -2, h), ("width", -1, w)):
        if size % r:
            raise RuntimeError(
                f"pixel_unshuffle expects {name} to be divisible by downscale_factor, "
                f"but input.size({axis})={size} is not divisible by {r}"
            )
    x = input.reshape(*lead, c, h // r, r, w // r, r)
    n = len(lead)
    x = x.transpose(*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return x.reshape(*lead, c * r * r, h // r, w // r)


@op(
    "channel_shuffle", "nn.functional.channel_shuffle", "native_channel_shuffle", "nn.functional.native_channel_shuffle",
    method=False, saves=(),
)  # fmt: skip
def channel_shuffle(input: Array, groups: int) -> Array:
    """Interleave groups of channels of ``(N, C, *)``.

    Source:
        Zhang et al. 2018, https://arxiv.org/abs/1707.01083.
    """
    if input.ndim < 3:
        raise RuntimeError(f"channel_shuffle expects input with > 2 dims, but got input with sizes {sizes(input.shape)}")
    if groups <= 0:
        raise RuntimeError(f"Number of groups to divide channels in must be positive. Value of groups:{groups}")
    n, c = input.shape[:2]
    if c % groups:
        raise RuntimeError(f"Number of channels must be divisible by groups. Got {c} channels and {groups} groups.")
    x = input.reshape(n, groups, c // groups, *input.shape[2:])
    return x.swapaxes(1, 2).reshape(input.shape)
