"""Max and average pooling over windows of fixed size. Adaptive, fractional and un-pooling: `pooling_adaptive`."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlike._src.operators.nn_checks import (
    is_complex,
    is_floating,
    normalize_dim,
    on_cpu,
    require_floating,
    scalar_type,
    sizes,
)
from torchlike._src.operators.pooling_windows import Window, window_max, window_sum
from torchlike._src.operators.precision import opmath, quotient
from torchlike._src.operators.registry import EXACT, Array, composite, op, ops
from torchlike._src.operators.support import HALF, refuse

Extent = int | tuple[int, ...]
_COUNT = {1: "one", 2: "two", 3: "three"}


def _expand(value: Any, n: int, name: str, what: str) -> tuple[int, ...]:
    values = (value,) if isinstance(value, int) else tuple(value)
    if len(values) == 1:
        return values * n
    if len(values) != n:
        if n == 1:
            raise RuntimeError(f"{name}() argument '{what}' should contain one int (got {len(values)})")
        either = "" if name == "avg_pool3d" else "either "
        may = "omitted, a single int" if what == "stride" else "a single int"
        raise RuntimeError(f"{name}: {what} must {either}be {may}, or a tuple of {_COUNT[n]} ints")
    return values


def _extents(name: str, n: int, kernel_size: Any, stride: Any, padding: Any) -> tuple[tuple[int, ...], ...]:
    kernel = _expand(kernel_size, n, name, "kernel_size")
    stride = kernel if stride is None or stride == () else _expand(stride, n, name, "stride")
    return kernel, stride, _expand(padding, n, name, "padding")


def _window(
    name: str,
    x: Array,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    ceil_mode: bool,
) -> Window:
    """The geometry, or torch's complaint about it; ``x`` has its batch dimension or lacks it."""
    n = len(kernel)
    if x.ndim not in (n + 1, n + 2):
        if n == 1:
            raise RuntimeError(
                f"Expected 2 to 3 dimensions, but got {x.ndim}-dimensional tensor for argument #1 'self' "
                f"(while checking arguments for {name})"
            )
        if name == "avg_pool2d":
            normalize_dim(-3, x.ndim)
        raise RuntimeError(f"non-empty {n + 1}D or {n + 2}D (batch mode) tensor expected for input")
    if n == 1:  # torch pools a row as an image of height 1, and says so
        _window_of(name, (*x.shape[:-1], 1, x.shape[-1]), (1, *kernel), (1, *stride), (0, *padding), (1, *dilation), ceil_mode)
    window = _window_of(name, x.shape, kernel, stride, padding, dilation, ceil_mode)
    return Window(x.shape[-n:], kernel, stride, padding, dilation, window)


def _window_of(
    name: str,
    shape: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    ceil_mode: bool,
) -> tuple[int, ...]:
    """How many windows there are along each dimension, or torch's complaint in torch's order."""
    n = len(kernel)
    for k, s, p, d in zip(kernel, stride, padding, dilation, strict=True):
        if s == 0:
            raise RuntimeError("stride should not be zero")
        if p < 0:
            raise RuntimeError(f"pad must be non-negative, but got pad: {p}")
        if p > (d * (k - 1) + 1) // 2:
            raise RuntimeError(
                f"pad should be at most half of effective kernel size, but got pad={p}, kernel_size={k} and dilation={d}"
            )
    for what, letter, values in (("kernel size", "k", kernel), ("stride", "d", stride), ("dilation", "dilation", dilation)):
        if min(values) <= 0:
            named = " ".join(f"{letter}{c}: {v}" for c, v in zip("THW"[3 - n :], values, strict=True))
            raise RuntimeError(f"{what} should be greater than zero, but got {named}")
    if 0 in shape[-n - 1 :]:
        if n == 3:
            where = "max_pool3d_with_indices_out_cpu_template" if name == "max_pool3d" else name
            raise RuntimeError(
                f"{where}(): Expected input's non-batch dimensions to have positive length, but input has a shape of "
                f"{sizes(shape)} and non-batch dimension 0 has length zero!"
            )
        raise RuntimeError(
            f"Expected {n + 1}D or {n + 2}D (batch mode) tensor with optional 0 dim batch size for input, but got:{sizes(shape)}"
        )
    if name == "avg_pool3d" and any(size < k for size, k in zip(shape[-n:], kernel, strict=True)):
        image, window = (
            " ".join(f"{before}{c}: {v}" for c, v in zip("THW", values, strict=True))
            for before, values in (("", shape[-n:]), ("k", kernel))
        )
        raise RuntimeError(f"input image ({image}) smaller than kernel size ({window})")
    out = []
    for size, k, s, p, d in zip(shape[-n:], kernel, stride, padding, dilation, strict=True):
        last = size + 2 * p - d * (k - 1) - 1
        o = (last + (s - 1 if ceil_mode else 0)) // s + 1
        if ceil_mode and (o - 1) * s >= size + p:
            o -= 1  # the last window would start in the padding behind
        out.append(o)
    if min(out) < 1:
        given, made = ("x".join(map(str, (shape[-n - 1], *v))) for v in (shape[-n:], out))
        raise RuntimeError(f"Given input size: ({given}). Calculated output size: ({made}). Output size is too small")
    return tuple(out)


def _check_max_pool1d(input: Array, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> None:
    """What torch checks, in words of its own, where no indices are asked for."""
    if input.ndim not in (2, 3) or 0 in input.shape[-2:]:
        raise RuntimeError(
            "max_pool1d: Expected 2D or 3D (batch mode) tensor with optional 0 dim batch size for input, "
            f"but got:{sizes(input.shape)}"
        )
    given = {"kernel_size": kernel_size, "stride": kernel_size if stride in (None, ()) else stride, "padding": padding}
    single = {}
    for what, value in {**given, "dilation": dilation}.items():
        values = (value,) if isinstance(value, int) else tuple(value)
        if len(values) != 1:
            may = "None, an int, list of ints, or" if what == "stride" else "an int, list of ints or"
            raise RuntimeError(f"max_pool1d() {what} must be {may} tuple of ints of size 1 but got size {len(values)}")
        single[what] = values[0]
    k, s, p, d = single.values()
    for what, value in (("kernel_size", k), ("stride", s)):
        if value <= 0:
            raise RuntimeError(f"max_pool1d() {what} must be greater than zero, but got {value}")
    if p < 0:
        raise RuntimeError(f"max_pool1d() padding must be non-negative, but got {p}")
    if p > k // 2:
        raise RuntimeError(f"max_pool1d() padding should be at most half of kernel size, but got padding={p} and kernel_size={k}")
    if d <= 0:
        raise RuntimeError(f"max_pool1d() dilation must be greater than zero, but got {d}")
    out = (input.shape[-1] + 2 * p - d * (k - 1) - 1 + (s - 1 if ceil_mode else 0)) // s + 1
    if out <= 0:
        raise RuntimeError(f"max_pool1d() Invalid computed output size: {out}")


def _max_pool(
    n: int, input: Array, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> tuple[Array, Array, Window]:
    name = f"max_pool{n}d"
    kernel, stride, padding = _extents(name, n, kernel_size, stride, padding)
    window = _window(name, input, kernel, stride, padding, _expand(dilation, n, name, "dilation"), bool(ceil_mode))
    if is_complex(input) or input.dtype == jnp.bool_:
        raise NotImplementedError(f"\"{name}\" not implemented for '{scalar_type(input.dtype)}'")
    return *window_max(input, window), window


def _flat_indices(which: Array, window: Window) -> Array:
    """Tap numbers → positions in the flattened spatial dimensions of the input."""
    which = which.astype(jnp.int64)
    n = len(window.size)
    flat = jnp.zeros((), jnp.int64)
    for axis, size in enumerate(window.size):
        tap = which // math.prod(window.kernel[axis + 1 :]) % window.kernel[axis]
        shape = [1] * n
        shape[axis] = -1
        start = jnp.arange(window.out[axis], dtype=jnp.int64).reshape(shape) * window.stride[axis]
        # A window of nothing but -inf may name a tap in the padding; torch names its first real element.
        position = jnp.clip(start - window.padding[axis] + tap * window.dilation[axis], 0, size - 1)
        flat = flat * size + position
    return flat


def _declare_max_pool(n: int) -> None:
    """Declare the pooled value, the pair with indices, and the public function that chooses between them."""

    def max_pool(
        input: Array,
        kernel_size: Extent,
        stride: Extent | None = None,
        padding: Extent = 0,
        dilation: Extent = 1,
        ceil_mode: bool = False,
    ) -> Array:
        if n == 1:
            _check_max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode)
            require_floating(input, "max_pool1d_impl")
        return _max_pool(n, input, kernel_size, stride, padding, dilation, ceil_mode)[0]

    def first(
        input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
    ) -> Any:
        # As in torch, the indices are computed, too; a compiled program leaves out what nobody takes.
        return ops[f"nn.functional.max_pool{n}d_with_indices"](input, kernel_size, stride, padding, dilation, ceil_mode)[0]

    def max_pool_with_indices(
        input: Array,
        kernel_size: Extent,
        stride: Extent | None = None,
        padding: Extent = 0,
        dilation: Extent = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> tuple[Array, Array]:
        best, which, window = _max_pool(n, input, kernel_size, stride, padding, dilation, ceil_mode)
        return best, _flat_indices(which, window)

    def functional(
        input: Any,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any:
        name = f"nn.functional.max_pool{n}d_with_indices" if return_indices else f"max_pool{n}d"
        return ops[name](input, kernel_size, stride, padding, dilation, ceil_mode)

    value = f"The maximum of each window over the last {n} dimension(s); of equal values the first counts."
    max_pool.__doc__ = first.__doc__ = value
    max_pool_with_indices.__doc__ = value + " With flat int64 indices of the maxima."
    functional.__doc__ = f"""{value}

    Args:
        input: batched or not: {n + 2} or {n + 1} dimensions.
        kernel_size: one number, or one a dimension.
        stride: by default ``kernel_size``.
        padding: minus infinity on both sides, at most half a window.
        dilation: distance between the elements of a window.
        ceil_mode: keep windows that reach over the end.
        return_indices: also return where each maximum stands, in the flattened spatial dimensions.
    """
    max_pool.__name__ = first.__name__ = functional.__name__ = f"max_pool{n}d"
    max_pool_with_indices.__name__ = f"max_pool{n}d_with_indices"
    grad = {1: "MaxPool1DBackward0", 2: "MaxPool2DWithIndicesBackward0", 3: "MaxPool3DWithIndicesBackward0"}[n]
    if n == 2:
        composite("max_pool2d", method=False)(first)
    else:  # autocast knows the third
        op(f"max_pool{n}d", method=False, saves=("input", "~input"), grad_name=grad)(max_pool)
    with_indices = [f"nn.functional.max_pool{n}d_with_indices", f"_C._nn.max_pool{n}d_with_indices"]
    if n == 1:
        with_indices.append("max_pool1d_with_indices")
    op(*with_indices, method=False, saves=("input", "~input"), grad_name=grad)(max_pool_with_indices)
    composite(f"nn.functional.max_pool{n}d")(functional)


for _n in (1, 2, 3):
    _declare_max_pool(_n)


def _avg_pool(
    n: int,
    input: Array,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Array:
    name = f"avg_pool{n}d"
    kernel, stride, padding = _extents(name, n, kernel_size, stride, padding)
    window = _window(name, input, kernel, stride, padding, (1,) * n, bool(ceil_mode))
    if divisor_override == 0:
        raise RuntimeError("divisor must be not zero")
    require_averaged(input, "avg_pool3d_out_frame" if n == 3 else "avg_pool2d")
    if n == 3 and on_cpu():
        refuse("avg_pool3d_out_frame", input, HALF)
    total = window_sum(opmath(input), window)
    divisor = _divisors(window, count_include_pad) if divisor_override is None else divisor_override
    if not is_floating(input):
        return lax.div(total, jnp.broadcast_to(jnp.asarray(divisor, total.dtype), total.shape))
    return quotient(total, np.asarray(divisor, total.dtype)).astype(input.dtype)


def require_averaged(input: Array, kernel: str) -> None:
    """Raise torch's NotImplementedError for what it cannot average over windows: of integers it can int64."""
    if not is_floating(input) and input.dtype != jnp.int64:
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{scalar_type(input.dtype)}'")


def _divisors(window: Window, count_include_pad: bool) -> int | np.ndarray:
    """How many elements each window averages; one number where all agree."""
    counts = np.ones((), np.int64)
    for size, k, s, p, _, o in zip(*window, strict=True):
        start = np.arange(o) * s - p
        end = np.minimum(start + k, size + p)
        if not count_include_pad:
            start, end = np.maximum(start, 0), np.minimum(end, size)
        counts = counts[..., None] * (end - start)
    return int(counts.flat[0]) if (counts == counts.flat[0]).all() else counts


@op("avg_pool1d", "nn.functional.avg_pool1d", method=False, saves=("input", "~input"), grad_name="AvgPool2DBackward0")
def avg_pool1d(
    input: Array,
    kernel_size: Extent,
    stride: Extent | None = None,
    padding: Extent = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Array:
    """The mean of each window of ``(N, C, L)`` or ``(C, L)``; arguments as `avg_pool2d`."""
    return _avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


@op("nn.functional.avg_pool2d", "_C._nn.avg_pool2d", out=EXACT, saves=("input", "~input"), grad_name="AvgPool2DBackward0")
def avg_pool2d(
    input: Array,
    kernel_size: Extent,
    stride: Extent | None = None,
    padding: Extent = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """The mean of each window of ``(N, C, H, W)`` or ``(C, H, W)``.

    Args:
        input: floating point or int64.
        kernel_size: one number, or one a dimension.
        stride: by default ``kernel_size``.
        padding: zeros on both sides, at most half a window.
        ceil_mode: keep windows that reach over the end.
        count_include_pad: whether padding counts in the mean.
        divisor_override: divide by this instead of the count.
    """
    return _avg_pool(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@op("nn.functional.avg_pool3d", "_C._nn.avg_pool3d", out=EXACT, saves=("input", "~input"), grad_name="AvgPool3DBackward0")
def avg_pool3d(
    input: Array,
    kernel_size: Extent,
    stride: Extent | None = None,
    padding: Extent = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """The mean of each window of ``(N, C, D, H, W)`` or ``(C, D, H, W)``; arguments as `avg_pool2d`."""
    return _avg_pool(3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def _lp_pool(n: int, input: Any, norm_type: float, kernel_size: Any, stride: Any, ceil_mode: bool) -> Any:
    kernel = _expand(kernel_size, n, f"lp_pool{n}d", "kernel_size")
    means = ops["avg_pool1d" if n == 1 else f"nn.functional.avg_pool{n}d"](input.pow(norm_type), kernel, stride, 0, ceil_mode)
    return (means.sign() * ops.relu(means.abs())).mul(math.prod(kernel)).pow(1.0 / norm_type)


def _declare_lp_pool(n: int) -> None:
    def lp_pool(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
        return _lp_pool(n, input, norm_type, kernel_size, stride, ceil_mode)

    lp_pool.__name__ = f"lp_pool{n}d"
    lp_pool.__doc__ = f"The ``norm_type``-norm of each window over the last {n} dimension(s)."
    composite(f"nn.functional.lp_pool{n}d")(lp_pool)


for _n in (1, 2, 3):
    _declare_lp_pool(_n)
