"""Pooling to a given output size, pooling at random places, and the way back from a maximum to its place."""

import functools
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlike._src.operators.nn_checks import require_floating, scalar_type, sizes
from torchlike._src.operators.precision import averaged, opmath
from torchlike._src.operators.promotion import COMPLEX
from torchlike._src.operators.reduction import mean_dtype
from torchlike._src.operators.registry import LINEAR, Array, composite, op, ops
from torchlike._src.operators.support import refuse

Target = int | tuple[int | None, ...] | None


def _target(name: str, n: int, output_size: Any, spatial: tuple[int, ...], wrong: str) -> tuple[int, ...]:
    """The output size; None keeps the input's."""
    values = (output_size,) * n if output_size is None or isinstance(output_size, int) else tuple(output_size)
    if len(values) != n:
        raise RuntimeError(wrong.format(name=name, n=n, got=len(values)))
    return tuple(size if v is None else v for v, size in zip(values, spatial, strict=True))


def _check(name: str, n: int, input: Array, colon: str) -> None:
    if input.ndim not in (n + 1, n + 2):
        if n == 1:
            raise RuntimeError(
                f"Expected 2 to 3 dimensions, but got {input.ndim}-dimensional tensor for argument #1 'self' "
                f"(while checking arguments for {name})"
            )
        raise RuntimeError(f"{name}(): Expected {n + 1}D or {n + 2}D tensor, but got{colon} {sizes(input.shape)}")
    for axis in range(input.ndim - n, input.ndim):
        if input.shape[axis] == 0:
            raise RuntimeError(
                f"{name}(): Expected input to have non-zero size for non-batch dimensions, "
                f"but input has sizes {sizes(input.shape)} with dimension {axis} being empty"
            )


def _bounds(size: int, out: int) -> list[tuple[int, int]]:
    """Output ``i`` sees the inputs from ``floor(i size / out)`` up to ``ceil((i + 1) size / out)``."""
    return [(i * size // out, -(-(i + 1) * size // out)) for i in range(out)]


def _adaptive_avg_pool(n: int, input: Array, output_size: Any) -> Array:
    name = f"adaptive_avg_pool{n}d"
    wrong = "{name}() argument 'output_size' should contain one int (got {got})" if n == 1 else "{name}: output_size must be {n}"
    spatial = input.shape[input.ndim - n :] if input.ndim >= n else ()
    target = _target(name, n, output_size, spatial or (0,) * n, wrong)
    if min(target) < 0:
        raise RuntimeError(
            f"{name}: elements of output_size must be greater than or equal to 0 but received "
            "{" + ", ".join(map(str, target)) + "}"
        )
    _check(name, n, input, "")
    if set(target) == {1}:  # torch takes the mean then
        mean_dtype(np.dtype(input.dtype), None)
    else:
        require_floating(input, "adaptive_avg_pool2d" if n < 3 else "adaptive_avg_pool3d_cpu")
    x = opmath(input)
    for axis, (size, out) in enumerate(zip(spatial, target, strict=True), input.ndim - n):
        if out and size % out == 0:
            x = averaged(x.reshape(*x.shape[:axis], out, size // out, *x.shape[axis + 1 :]), (axis + 1,))
        else:
            # Windows of an adaptive average are products of intervals: one small matrix an axis.
            mean = np.zeros((size, out))
            for i, (first, end) in enumerate(_bounds(size, out)):
                mean[first:end, i] = 1 / (end - first)
            x = jnp.moveaxis(jnp.tensordot(x, jnp.asarray(mean, x.dtype), axes=((axis,), (0,))), -1, axis)
    return x.astype(input.dtype)


def _adaptive_max_pool(n: int, input: Array, output_size: Any) -> tuple[Array, Array]:
    name = f"adaptive_max_pool{n}d"
    wrong = (
        "{name}() argument 'output_size' should contain one int (got {got})"
        if n == 1
        else "{name}(): internal error: output_size.size() must be {n}"
    )
    _check(name, n, input, ":")
    spatial = input.shape[input.ndim - n :]
    target = _target(name, n, output_size, spatial, wrong)
    if min(target) < 0:
        made = [*input.shape[: input.ndim - n], *target]
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(target)}: {sizes(made)}")
    require_floating(input, "adaptive_max_pool2d" if n < 3 else "adaptive_max_pool3d_cpu")
    starts, longest = [], []
    for size, out in zip(spatial, target, strict=True):
        bounds = _bounds(size, out)
        starts.append(np.array([b[0] for b in bounds], np.int64))
        longest.append(max((b[1] - b[0] for b in bounds), default=1))
    ends = [np.array([b[1] for b in _bounds(size, out)], np.int64) for size, out in zip(spatial, target, strict=True)]
    return _max_at(input, starts, ends, longest)


def _max_at(input: Array, starts: list[Any], ends: list[Any], longest: list[int]) -> tuple[Array, Array]:
    """The maximum over boxes of any places, and its flat index: all elements of a box side by side, those of short ones repeated."""
    n = len(starts)
    lead, spatial = input.shape[: input.ndim - n], input.shape[input.ndim - n :]
    flat = input.reshape(*lead, math.prod(spatial))
    index = jnp.zeros((), jnp.int64)
    for axis, (first, end, length, size) in enumerate(zip(starts, ends, longest, spatial, strict=True)):
        place = jnp.minimum(jnp.asarray(first)[..., None] + jnp.arange(length), jnp.asarray(end)[..., None] - 1)
        shape = [1] * (2 * n)
        shape[axis], shape[n + axis] = place.shape[-2:]
        index = index * size + place.reshape(place.shape[:-2] + tuple(shape))
    index = index.reshape(*index.shape[:-n], math.prod(longest))
    if all(
        isinstance(first, np.ndarray) and len(first) * k == size for first, k, size in zip(starts, longest, spatial, strict=True)
    ):
        # Boxes that tile the input need no gather, which is slow on CPUs.
        cut = input.reshape(*lead, *(v for first, k in zip(starts, longest, strict=True) for v in (len(first), k)))
        order = [len(lead) + 2 * axis + part for part in (0, 1) for axis in range(n)]
        values = cut.transpose(*range(len(lead)), *order).reshape(*lead, *index.shape)
    elif index.ndim == n + 1:
        values = flat[..., index]
    else:
        values = _at(flat, index, n + 1)
    values = lax.stop_gradient(values)
    best = jnp.max(values, -1, keepdims=True)
    # A box is in the order of its indices. Of equal values the first one wins, and of NaN the last, as in torch.
    earliest = jnp.min(jnp.where(values == best, index, flat.shape[-1]), -1)
    latest_nan = jnp.max(jnp.where(jnp.isnan(values), index, -1), -1)
    where = jnp.where(latest_nan < 0, earliest, latest_nan)
    return _at(flat, where, n), where


def _at(flat: Array, index: Array, n: int) -> Array:
    """Elements of ``flat``, whose last dimension the last ``n`` of ``index`` stand for."""
    if not flat.size:
        return jnp.zeros(index.shape, flat.dtype)
    places = index.reshape(*index.shape[:-n], math.prod(index.shape[-n:]))
    return jnp.take_along_axis(flat, places, -1).reshape(index.shape)


def _check_rank(n: int, input: Any, output_size: Any) -> None:
    """What torch's Python front checks of an output size that is not one number."""
    if n > 1 and not isinstance(output_size, int) and input.ndim <= len(output_size):
        raise ValueError(f"Input dimension should be at least {len(output_size) + 1}")


def _to_one(input: Any, output_size: Any) -> dict[str, str] | None:
    """A pool of everything is a mean."""
    target = (output_size,) if isinstance(output_size, int) else output_size
    return {"input": LINEAR} if all(n == 1 for n in target) else None


def _declare_adaptive(n: int) -> None:
    def adaptive_avg_pool(input: Array, output_size: Target) -> Array:
        _check_rank(n, input, output_size)
        return _adaptive_avg_pool(n, input, output_size)

    def adaptive_max_pool(input: Array, output_size: Target) -> tuple[Array, Array]:
        return _adaptive_max_pool(n, input, output_size)

    def functional(input: Any, output_size: Any, return_indices: bool = False) -> Any:
        both = functional_with_indices(input, output_size)
        return both if return_indices else both[0]

    def functional_with_indices(input: Any, output_size: Any, return_indices: bool = False) -> Any:
        _check_rank(n, input, output_size)
        return ops[f"_adaptive_max_pool{n}d"](input, output_size)

    what = f"the last {n} dimension(s) of a batched or single input, cut into ``output_size`` windows as equal as can be"
    adaptive_avg_pool.__doc__ = f"The means of {what}."
    adaptive_max_pool.__doc__ = f"The maxima of {what}, and their flat int64 indices."
    functional.__doc__ = f"The maxima of {what}; with ``return_indices`` also where they stand."
    functional_with_indices.__doc__ = adaptive_max_pool.__doc__
    adaptive_avg_pool.__name__ = f"adaptive_avg_pool{n}d"
    functional.__name__ = adaptive_max_pool.__name__ = f"adaptive_max_pool{n}d"
    functional_with_indices.__name__ = f"adaptive_max_pool{n}d_with_indices"
    public = f"nn.functional.adaptive_avg_pool{n}d"
    names = ("adaptive_avg_pool1d", public) if n == 1 else (public, f"_C._nn.adaptive_avg_pool{n}d")
    grad = "MeanBackward1" if n == 1 else f"AdaptiveAvgPool{n}DBackward0"
    op(*names, method=False, saves=("input", "~input"), grad_name=grad, shortcut=_to_one)(adaptive_avg_pool)
    grad = f"AdaptiveMaxPool{max(n, 2)}DBackward0"
    op(f"_adaptive_max_pool{n}d", method=False, saves=("input", "~input"), grad_name=grad)(adaptive_max_pool)
    composite(f"nn.functional.adaptive_max_pool{n}d")(functional)
    names = [f"nn.functional.adaptive_max_pool{n}d_with_indices"]
    names.append("adaptive_max_pool1d" if n == 1 else f"_C._nn.adaptive_max_pool{n}d")
    composite(*names, method=False)(functional_with_indices)


for _n in (1, 2, 3):
    _declare_adaptive(_n)


@op("_max_unpool", method=False, saves=("indices",))
def _max_unpool(input: Array, indices: Array, output_size: tuple[int, ...], name: str) -> Array:
    """Put values at flat ``indices`` of zeros of the spatial size ``output_size``; out of range they are lost."""
    n = len(output_size)
    require_floating(input, f"max_unpool{max(n, 2)}d")
    if indices.dtype != jnp.int64:
        raise RuntimeError(f"elements in indices should be type int64 but got: {scalar_type(indices.dtype)}")
    if indices.shape != input.shape:
        raise RuntimeError(
            f"Expected shape of indices to be same as that of the input tensor ({sizes(input.shape)}) "
            f"but got indices tensor with shape: {sizes(indices.shape)}"
        )
    if input.ndim not in (n + 1, n + 2):
        raise RuntimeError(
            f"Input to {name} should be a {n + 1}d or {n + 2}d Tensor, but got a tensor with {input.ndim} dimensions."
        )
    lead = input.shape[: input.ndim - n]
    rows, flat = math.prod(lead), math.prod(output_size)
    per_row = math.prod(input.shape[input.ndim - n :])
    return _placed(input.reshape(rows, per_row), indices.reshape(rows, per_row), flat).reshape(*lead, *output_size)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _placed(values: Array, indices: Array, size: int) -> Array:
    """Rows of zeros with ``values`` at ``indices``. As in torch every value gets the gradient of its place, also one
    that a later one at the same place has overwritten."""
    rows = jnp.arange(values.shape[0])[:, None]
    return jnp.zeros((values.shape[0], size), values.dtype).at[rows, indices].set(values, mode="drop")


_placed.defvjp(
    lambda values, indices, size: (_placed(values, indices, size), indices),
    lambda size, indices, g: (jnp.take_along_axis(g, indices, 1, mode="fill", fill_value=0), None),
)


def _declare_unpool(n: int) -> None:
    def max_unpool(
        input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
    ) -> Any:
        def every(value: Any) -> tuple[int, ...]:
            return (value,) * n if isinstance(value, int) else tuple(value)

        kernel = every(kernel_size)
        step = kernel if stride is None else every(stride)
        least = [
            (size - 1) * s + k - 2 * p
            for size, s, k, p in zip(input.shape[input.ndim - n :], step, kernel, every(padding), strict=True)
        ]
        return ops["_max_unpool"](input, indices, _unpooled(output_size, least, step), f"max_unpooling{n}d")

    max_unpool.__name__ = f"max_unpool{n}d"
    max_unpool.__doc__ = f"""Put the maxima of `max_pool{n}d` back where they stood; everything else is 0.

    Args:
        input: what was pooled, batched or not.
        indices: what `max_pool{n}d` returned with ``return_indices``.
        kernel_size: as in the pooling; so are ``stride`` and ``padding``.
        stride: see ``kernel_size``.
        padding: see ``kernel_size``.
        output_size: which of the sizes that pool to the same size is meant; may have the leading dimensions too.
    """
    composite(f"nn.functional.max_unpool{n}d")(max_unpool)


def _unpooled(output_size: Sequence[int] | None, default: list[int], step: tuple[int, ...]) -> tuple[int, ...]:
    if output_size is None:
        return tuple(default)
    n = len(default)
    if len(output_size) == n + 2:
        output_size = output_size[2:]
    if len(output_size) != n:
        raise ValueError(
            f"output_size should be a sequence containing {n} or {n + 2} elements, but it has a length of '{len(output_size)}'"
        )
    for d, (size, usual, s) in enumerate(zip(output_size, default, step, strict=True)):
        if not usual - s < size < usual + s:
            raise ValueError(f'invalid output_size "{output_size}" (dim {d} must be between {usual - s} and {usual + s})')
    return tuple(output_size)


for _n in (1, 2, 3):
    _declare_unpool(_n)


@op("_fractional_max_pool", method=False, saves=("input", "~input"), without_grad={"samples": None})
def _fractional_max_pool(
    input: Array, samples: Array, kernel_size: tuple[int, ...], output_size: tuple[int, ...]
) -> tuple[Array, Array]:
    """Maxima over boxes whose places depend on ``samples`` in [0, 1), shape ``(N, C, dims)``."""
    n = len(kernel_size)
    name = f"fractional_max_pool{n}d"
    x = input if input.ndim == n + 2 else input[None]
    words = ("time", "height", "width")[3 - n :]
    refuse(f"{name}_out_frame", input, COMPLEX)
    starts = []
    for axis, (size, k, out) in enumerate(zip(x.shape[2:], kernel_size, output_size, strict=True)):
        if out + k - 1 > size:
            raise RuntimeError(f"{name}(): pool {words[axis]} {k} too large relative to input {words[axis]} {size}")
        # samples are in the order width, height, time
        u = samples[..., n - 1 - axis : n - axis]
        alpha = (size - k) / (out - 1) if out > 1 else 0.0
        at = jnp.arange(out)
        first = jnp.floor((at + u) * alpha).astype(jnp.int64) - jnp.floor(u * alpha).astype(jnp.int64)
        starts.append(jnp.where(at == out - 1, size - k, first))
    ends = [s + k for s, k in zip(starts, kernel_size, strict=True)]
    best, where = _max_at(x, starts, ends, list(kernel_size))
    return (best, where) if input.ndim == n + 2 else (best[0], where[0])


def _declare_fractional(n: int) -> None:
    def with_indices(
        input: Any,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Any = None,
    ) -> Any:
        if output_size is None and output_ratio is None:
            raise ValueError(f"fractional_max_pool{n}d requires specifying either an output_size or an output_ratio")
        spatial = [input.size(i - n) for i in range(n)]
        if output_size is None:
            ratios = (output_ratio,) * n if isinstance(output_ratio, float) else tuple(output_ratio)
            output_size = tuple(int(size * r) for size, r in zip(spatial, ratios, strict=True))
        kernel, out = ((v,) * n if isinstance(v, int) else tuple(v) for v in (kernel_size, output_size))
        if _random_samples is None:
            batch = 1 if input.dim() == n + 1 else input.size(0)
            _random_samples = ops.rand(batch, input.size(-n - 1), n, dtype=input.dtype, device=input.device)
        return ops["_fractional_max_pool"](input, _random_samples, kernel, out)

    def functional(
        input: Any,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Any = None,
    ) -> Any:
        both = with_indices(input, kernel_size, output_size, output_ratio, return_indices, _random_samples)
        return both if return_indices else both[0]

    functional.__name__ = f"fractional_max_pool{n}d"
    with_indices.__name__ = f"fractional_max_pool{n}d_with_indices"
    functional.__doc__ = f"""Maxima of windows over the last {n} dimensions that stand at pseudo-random places.

    Args:
        input: batched or not.
        kernel_size: of a window.
        output_size: how many windows; or else ``output_ratio``.
        output_ratio: output size by input size.
        return_indices: also return where the maxima stand.
        _random_samples: uniform numbers, shape ``(N, C, {n})``, instead of drawing them.

    Source:
        Graham 2014, https://arxiv.org/abs/1412.6071.
    """
    with_indices.__doc__ = f"`fractional_max_pool{n}d` with the indices."
    composite(f"nn.functional.fractional_max_pool{n}d")(functional)
    composite(f"nn.functional.fractional_max_pool{n}d_with_indices")(with_indices)


for _n in (2, 3):
    _declare_fractional(_n)
