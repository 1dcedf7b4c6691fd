"""Convolutions and transposed convolutions over one, two and three spatial dimensions.

What is here: torch's arguments and errors. How the sums are computed is `convolution_lowering`'s job.
"""

import math
from collections.abc import Sequence

import jax.numpy as jnp

from torchlike._src.operators import convolution_lowering as lowering
from torchlike._src.operators.nn_checks import c_type, scalar_type, sizes
from torchlike._src.operators.promotion import BOOL
from torchlike._src.operators.registry import Array, op
from torchlike._src.operators.support import refuse

Extent = int | tuple[int, ...]


def _expand(value: int | Sequence[int], n: int, name: str) -> tuple[int, ...]:
    """One entry for each spatial dimension."""
    values = (value,) if isinstance(value, int) else tuple(value)
    if len(values) == 1:
        return values * n
    if len(values) != n:
        raise RuntimeError(
            f"expected {name} to be a single integer value or a list of {n} values to match the convolution "
            f"dimensions, but got {name}={sizes(values)}"
        )
    return values


def _spatial(input: Array, weight: Array, groups: int, n: int, name: str) -> int:
    """How many spatial dimensions the arguments are for: torch goes by the weight, and complains about it later."""
    if input.ndim not in (n + 1, n + 2):
        raise RuntimeError(
            f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {name}, but got input of size: {sizes(input.shape)}"
        )
    if weight.ndim < 3:
        raise RuntimeError("weight should have at least three dimensions")
    if groups <= 0:
        raise RuntimeError("non-positive groups is not supported")
    return weight.ndim - 2


def _extent(value: int | Sequence[int], n: int, spatial: int, name: str) -> tuple[int, ...]:
    """An argument for ``n`` dimensions, held against the weight's ``spatial`` ones."""
    return _expand((value,) * n if isinstance(value, int) else value, spatial, name)


def _check(
    input: Array,
    weight: Array,
    bias: Array | None,
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    padding: tuple[int, ...],
    output_padding: tuple[int, ...],
    groups: int,
    n: int,
    transposed: bool,
) -> None:
    """torch's complaints about extents, ranks and channel counts; ``input`` may lack its batch dimension."""
    if min(padding) < 0:
        raise RuntimeError("negative padding is not supported")
    if output_padding and min(output_padding) < 0:
        raise RuntimeError("negative output_padding is not supported")
    if min(stride) <= 0:
        raise RuntimeError("non-positive stride is not supported")
    if min(dilation) < 0:
        raise RuntimeError("dilation should be greater than zero")
    shape = sizes(weight.shape)
    batched = input.shape if input.ndim == n + 2 else (1, *input.shape)
    if weight.ndim != n + 2:
        raise RuntimeError(
            f"Expected {weight.ndim}-dimensional input for {weight.ndim}-dimensional weight {shape}, "
            f"but got {n + 2}-dimensional input of size {sizes(batched)} instead"
        )
    if weight.shape[0] < groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be at least {groups} at dimension 0, "
            f"but got weight of size {shape} instead"
        )
    if weight.shape[0] % groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, "
            f"but got weight of size [{shape}] instead"
        )
    if transposed:
        if batched[1] != weight.shape[0]:
            raise RuntimeError(
                f"Given transposed=1, weight of size {shape}, expected input{sizes(batched)} to have "
                f"{weight.shape[0]} channels, but got {batched[1]} channels instead"
            )
        channels, given = weight.shape[1] * groups, "transposed=1, weight"
    else:
        if batched[1] != weight.shape[1] * groups:
            raise RuntimeError(
                f"Given groups={groups}, weight of size {shape}, expected input{sizes(batched)} to have "
                f"{weight.shape[1] * groups} channels, but got {batched[1]} channels instead"
            )
        channels, given = weight.shape[0], "weight"
        if bias is not None and bias.dtype != input.dtype:
            raise RuntimeError(f"Input type ({c_type(input.dtype)}) and bias type ({c_type(bias.dtype)}) should be the same")
    if bias is not None and bias.shape != (channels,):
        raise RuntimeError(
            f"Given {given} of size {shape}, expected bias to be 1-dimensional with {channels} elements, "
            f"but got bias of size {sizes(bias.shape)} instead"
        )


def _check_dtypes(input: Array, weight: Array, transposed: bool) -> None:
    if input.dtype != weight.dtype:
        if transposed or jnp.issubdtype(input.dtype, jnp.integer):
            raise RuntimeError(f"expected scalar type {scalar_type(input.dtype)} but found {scalar_type(weight.dtype)}")
        raise RuntimeError(
            f"Input type (torch.{scalar_type(input.dtype)}Tensor) and weight type "
            f"(torch.{scalar_type(weight.dtype)}Tensor) should be the same or input should be a MKLDNN tensor "
            "and weight is a dense tensor"
        )


def _check_window(kernel: tuple[int, ...], dilation: tuple[int, ...], batch: int, transposed: bool) -> None:
    """The complaints of torch's kernels, for which a row is an image of height 1."""
    kernel, dilation = ((1, *v) if len(v) == 1 else v for v in (kernel, dilation))
    words = ("depth", "height", "width")[-len(kernel) :]
    if min(kernel) <= 0:
        if len(kernel) == 3 and not transposed:
            raise RuntimeError(f"kernel size should be greater than zero, but got: {' x '.join(map(str, kernel))} (TxHxW)")
        named = " ".join(f"kernel_{word}: {k}" for word, k in zip(words, kernel, strict=True))
        raise RuntimeError(f"kernel size should be greater than zero, but got {named}")
    if min(dilation) <= 0:
        if batch > 1 and not transposed:  # oneDNN's turn
            raise RuntimeError("non-positive dilation is not supported")
        named = ", ".join(f"dilation_{word}: {d}" for word, d in zip(words, dilation, strict=True))
        raise RuntimeError(f"dilation should be greater than zero, but got {named if transposed else sizes(dilation)}")


def _add_bias(result: Array, bias: Array | None, n: int) -> Array:
    return result if bias is None else result + bias.reshape((-1,) + (1,) * n)


def _convolution(
    n: int,
    input: Array,
    weight: Array,
    bias: Array | None,
    stride: Extent,
    padding: Extent | str,
    dilation: Extent,
    groups: int,
) -> Array:
    name = f"conv{n}d"
    spatial = _spatial(input, weight, groups, n, name)
    if isinstance(padding, str) and spatial != n:
        raise RuntimeError(
            f"Expected {weight.ndim}-dimensional input for {weight.ndim}-dimensional weight{sizes(weight.shape)}, "
            f"but got {n + 2}-dimensional input of size {sizes(input.shape)} instead"
        )
    stride = _extent(stride, n, spatial, "stride")
    padding = padding if isinstance(padding, str) else _extent(padding, n, spatial, "padding")
    dilation = _extent(dilation, n, spatial, "dilation")
    numbers = (0,) * n if isinstance(padding, str) else padding
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise RuntimeError(f"Invalid padding string: '{padding}'")
        if padding == "same" and max(stride) > 1:
            raise RuntimeError("padding='same' is not supported for strided convolutions")
    _check(input, weight, bias, stride, dilation, numbers, (), groups, n, False)
    if isinstance(padding, str):
        # An odd total puts the extra zero behind, as torch does.
        total = [d * (k - 1) if padding == "same" else 0 for d, k in zip(dilation, weight.shape[2:], strict=True)]
        pads = tuple((t // 2, t - t // 2) for t in total)
    else:
        pads = tuple((p, p) for p in padding)
    x = input if input.ndim == n + 2 else input[None]
    padded = [size + low + high for size, (low, high) in zip(x.shape[2:], pads, strict=True)]
    window = [d * (k - 1) + 1 for d, k in zip(dilation, weight.shape[2:], strict=True)]
    if any(w > p for w, p in zip(window, padded, strict=True)):
        raise RuntimeError(
            f"Calculated padded input size per channel: ({' x '.join(map(str, padded))}). "
            f"Kernel size: ({' x '.join(map(str, window))}). Kernel size can't be greater than actual input size"
        )
    _check_dtypes(input, weight, False)
    refuse(f"slow_conv{max(n, 2)}d_cpu", input, BOOL)
    _check_window(weight.shape[2:], dilation, x.shape[0], False)
    result = _add_bias(lowering.convolve(x, weight, stride, pads, dilation, groups), bias, n)
    return result if input.ndim == n + 2 else result[0]


@op("conv1d", "nn.functional.conv1d", method=False, saves=("input", "weight"), grad_name="ConvolutionBackward0")
def conv1d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Extent = 1,
    padding: Extent | str = 0,
    dilation: Extent = 1,
    groups: int = 1,
) -> Array:
    """Cross-correlation of ``(N, C, L)`` with ``(O, C // groups, K)``; arguments as `conv2d`."""
    return _convolution(1, input, weight, bias, stride, padding, dilation, groups)


@op("conv2d", "nn.functional.conv2d", method=False, saves=("input", "weight"), grad_name="ConvolutionBackward0")
def conv2d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Extent = 1,
    padding: Extent | str = 0,
    dilation: Extent = 1,
    groups: int = 1,
) -> Array:
    """Cross-correlation of images with a bank of filters.

    Args:
        input: shape ``(N, C, H, W)`` or ``(C, H, W)``.
        weight: shape ``(O, C // groups, KH, KW)``.
        bias: shape ``(O,)``.
        stride: step of the window, one number or one a dimension.
        padding: zeros on both sides; or ``"valid"`` (none), or ``"same"`` (output as large as the input, stride 1).
        dilation: distance between the taps of a filter.
        groups: input channels are cut into so many groups, each with its own ``O // groups`` filters.
    Returns:
        Shape ``(N, O, OH, OW)`` or ``(O, OH, OW)``, ``OH = (H + 2 padding - dilation (KH - 1) - 1) // stride + 1``.
    Raises:
        RuntimeError: if ranks, channels or dtypes do not fit, or the window is larger than the padded image.
    """
    return _convolution(2, input, weight, bias, stride, padding, dilation, groups)


@op("conv3d", "nn.functional.conv3d", method=False, saves=("input", "weight"), grad_name="ConvolutionBackward0")
def conv3d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Extent = 1,
    padding: Extent | str = 0,
    dilation: Extent = 1,
    groups: int = 1,
) -> Array:
    """Cross-correlation of ``(N, C, D, H, W)`` with ``(O, C // groups, KD, KH, KW)``; arguments as `conv2d`."""
    return _convolution(3, input, weight, bias, stride, padding, dilation, groups)


def _conv_transpose(
    n: int,
    input: Array,
    weight: Array,
    bias: Array | None,
    stride: Extent,
    padding: Extent,
    output_padding: Extent,
    groups: int,
    dilation: Extent,
) -> Array:
    name = f"conv_transpose{n}d"
    if isinstance(padding, str):
        raise TypeError(f"{name}(): argument 'padding' must be tuple of ints, not str")
    given = _spatial(input, weight, groups, n, name)
    stride, padding = _extent(stride, n, given, "stride"), _extent(padding, n, given, "padding")
    dilation, extra = _extent(dilation, n, given, "dilation"), _extent(output_padding, n, given, "output_padding")
    _check(input, weight, bias, stride, dilation, padding, extra, groups, n, True)
    _check_dtypes(input, weight, True)
    _check_window(weight.shape[2:], dilation, 1, True)
    bias = bias if bias is None else bias.astype(input.dtype)
    if any(e >= s and e >= d for e, s, d in zip(extra, stride, dilation, strict=True)):
        words = ("depth", "height", "width")[3 - n :]
        values = [
            f"{what}_{word}: {v}"
            for what, vs in (("output_padding", extra), ("stride", stride), ("dilation", dilation))
            for word, v in zip(words, vs, strict=True)
        ]
        raise RuntimeError("output padding must be smaller than either stride or dilation, but got " + " ".join(values))
    x = input if input.ndim == n + 2 else input[None]
    spatial = tuple(
        (size - 1) * s - 2 * p + d * (k - 1) + e + 1
        for size, s, p, d, k, e in zip(x.shape[2:], stride, padding, dilation, weight.shape[2:], extra, strict=True)
    )
    if math.prod(x.shape[2:]) == 0:
        image = (*x.shape[:2], 1, *x.shape[2:]) if n == 1 else x.shape
        raise RuntimeError(f"Only zero batch or zero channel inputs are supported, but got input shape: {sizes(image)}")
    if min(spatial) <= 0:
        raise RuntimeError(
            f"Given input size per channel: {sizes(x.shape[2:])}. Calculated output size per channel: "
            f"{sizes(spatial)}. Output size is too small"
        )
    pads = tuple((p, p) for p in padding)
    result = lowering.convolve_transposed(x, weight, spatial, stride, pads, dilation, groups)
    result = _add_bias(result, bias, n)
    return result if input.ndim == n + 2 else result[0]


@op(
    "conv_transpose1d", "nn.functional.conv_transpose1d",
    method=False, saves=("input", "weight"), grad_name="ConvolutionBackward0",
)  # fmt: skip
def conv_transpose1d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Extent = 1,
    padding: Extent = 0,
    output_padding: Extent = 0,
    groups: int = 1,
    dilation: Extent = 1,
) -> Array:
    """Transposed convolution of ``(N, C, L)`` with ``(C, O // groups, K)``; arguments as `conv_transpose2d`."""
    return _conv_transpose(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


@op(
    "conv_transpose2d", "nn.functional.conv_transpose2d",
    method=False, saves=("input", "weight"), grad_name="ConvolutionBackward0",
)  # fmt: skip
def conv_transpose2d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Extent = 1,
    padding: Extent = 0,
    output_padding: Extent = 0,
    groups: int = 1,
    dilation: Extent = 1,
) -> Array:
    """The gradient of `conv2d` with respect to its input, used as a map of its own ("deconvolution").

    Args:
        input: shape ``(N, C, H, W)`` or ``(C, H, W)``.
        weight: shape ``(C, O // groups, KH, KW)``.
        bias: shape ``(O,)``.
        stride: step of the convolution that this one transposes; so the result grows by this factor.
        padding: rows and columns taken off on both sides of the result.
        output_padding: rows and columns added at the end: with a stride, several sizes map to one.
        groups: as in `conv2d`.
        dilation: as in `conv2d`.
    Returns:
        Shape ``(N, O, OH, OW)``, ``OH = (H - 1) stride - 2 padding + dilation (KH - 1) + output_padding + 1``.
    """
    return _conv_transpose(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


@op(
    "conv_transpose3d", "nn.functional.conv_transpose3d",
    method=False, saves=("input", "weight"), grad_name="ConvolutionBackward0",
)  # fmt: skip
def conv_transpose3d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Extent = 1,
    padding: Extent = 0,
    output_padding: Extent = 0,
    groups: int = 1,
    dilation: Extent = 1,
) -> Array:
    """Transposed convolution over ``(N, C, D, H, W)``; arguments as `conv_transpose2d`."""
    return _conv_transpose(3, input, weight, bias, stride, padding, output_padding, groups, dilation)


@op("conv_tbc", "nn.functional.conv_tbc", method=False, saves=("input", "weight"))
def conv_tbc(input: Array, weight: Array, bias: Array, pad: int = 0) -> Array:
    """`conv1d` in another layout: ``(T, B, C)`` with ``(K, C, O)`` gives ``(T', B, O)``."""
    result = conv1d(input.transpose(1, 2, 0), weight.transpose(2, 1, 0), bias, 1, pad)
    return result.transpose(2, 0, 1)
