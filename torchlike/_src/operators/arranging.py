"""Rearranging and repeating elements: flips, rolls, rotations, repeats."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from torchlike._src.operators.registry import CONSTANT, EXACT, Array, composite, is_tensor, op, ops
from torchlike._src.operators.support import an_int, int_list, normalize_dim, normalize_dims


@op(
    "_flip", method=False, saves=(), layout="first", grad_name="FlipBackward0",
    host=lambda input, dims: np.flip(input, dims).copy(),
)  # fmt: skip
def _flip(input: Array, dims: tuple[int, ...]) -> Array:
    return jnp.flip(input, dims)


@composite("flip")
def flip(input: Any, *axes: Any, dims: Any = None) -> Any:
    """The elements in reverse order along ``dims``, which may be given one by one."""
    axes = int_list(axes if dims is None else (dims,), "flip", "dims")
    return ops._flip(input, normalize_dims(axes, input.ndim)) if axes else input.clone()


@composite("fliplr")
def fliplr(input: Any) -> Any:
    """Columns in reverse order."""
    if input.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return ops.flip(input, 1)


@composite("flipud")
def flipud(input: Any) -> Any:
    """Rows in reverse order."""
    if input.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return ops.flip(input, 0)


def _tuple(x: Any) -> tuple[int, ...]:
    return tuple(x) if isinstance(x, (tuple, list)) else (x,)


@op("roll", saves=(), layout="format")
def roll(input: Array, shifts: int | tuple[int, ...], dims: int | tuple[int, ...] | None = None) -> Array:
    """The elements moved along ``dims``, those that fall off coming back in front; flattened without ``dims``."""
    shifts, dims = _tuple(shifts), () if dims is None else _tuple(dims)
    if not shifts:
        raise RuntimeError("`shifts` required")
    if not dims:
        if len(shifts) != 1:
            raise RuntimeError(f"shifts and dimensions must align. shifts: {len(shifts)}, dims:0")
        return jnp.roll(input.reshape(-1), shifts[0]).reshape(input.shape)
    if len(shifts) != len(dims):
        raise RuntimeError(f"shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(dims)}")
    if not input.ndim:
        raise IndexError(f"Dimension specified as {dims[0]} but tensor has no dimensions")
    if not input.size:  # torch does not even look at the dims
        return input
    return jnp.roll(input, shifts, tuple(normalize_dim(d, input.ndim) for d in dims))


@op("rot90", saves=())
def rot90(input: Array, k: int = 1, dims: Sequence[int] = (0, 1)) -> Array:
    """A quarter turn, ``k`` times, in the plane of ``dims``, from the first towards the second."""
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if input.ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {input.ndim}")
    if dims[0] == dims[1] or abs(dims[0] - dims[1]) == input.ndim:
        raise RuntimeError(f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}")
    for i, d in enumerate(dims):
        if not -input.ndim <= d < input.ndim:
            raise IndexError(f"Rotation dim{i} out of range, dim{i} = {d}")
    return jnp.rot90(input, k, tuple(dims))


def _check_repeats(shape: tuple[int, ...], repeats: tuple[int, ...]) -> None:
    if len(repeats) < len(shape):
        raise RuntimeError("Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor")
    full = [n * r for n, r in zip((1,) * (len(repeats) - len(shape)) + shape, repeats, strict=True)]
    for n in full:
        if n < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {n}: {full}")


def _host_repeat(input: Any, repeats: tuple[int, ...]) -> Any:
    _check_repeats(input.shape, repeats)
    return np.tile(input, repeats) if repeats else np.array(input)


def _not_at_all(input: Any, repeats: tuple[int, ...]) -> dict[str, str] | None:
    return {"input": CONSTANT} if 0 in repeats else None


@op("_repeat", method=False, grad_name="RepeatBackward0", host=_host_repeat, saves=(), shortcut=_not_at_all)
def _repeat(input: Array, repeats: tuple[int, ...]) -> Array:
    _check_repeats(input.shape, repeats)
    return jnp.tile(input, repeats)


@composite("_repeat_method", method="repeat")
def repeat(input: Any, *sizes: Any, repeats: Any = None) -> Any:
    """The tensor repeated along each dimension; more numbers than dimensions add some in front."""
    return ops._repeat(input, int_list(sizes if repeats is None else (repeats,), "repeat", "repeats"))


@composite("tile")
def tile(input: Any, *sizes: Any, dims: Any = None) -> Any:
    """`repeat`, fewer numbers than dimensions counting from the last."""
    repeats = int_list(sizes if dims is None else (dims,), "tile", "dims")
    return ops._repeat(input, (1,) * (input.ndim - len(repeats)) + repeats)


@op("_repeat_each", method=False, grad_name="ViewBackward0", saves=())
def _repeat_each(input: Array, repeats: int, dim: int | None) -> Array:
    if repeats < 0:
        raise RuntimeError("Repeats must be non-negative")
    if dim is None or not input.ndim:
        return jnp.repeat(input.reshape(-1), repeats)
    return jnp.repeat(input, repeats, normalize_dim(dim, input.ndim))


@op("_repeated_places", method=False, eager=True, differentiable=False)
def _repeated_places(repeats: Array) -> Array:
    """The place of each element, as often as it is repeated."""
    counts = np.asarray(repeats)
    if counts.ndim != 1:
        raise RuntimeError("repeat_interleave only accept 1D vector as repeat")
    if counts.dtype not in (np.int32, np.int64):
        raise RuntimeError("repeats has to be Long or Int tensor")
    if (counts < 0).any():
        raise RuntimeError("repeats can not be negative")
    return np.repeat(np.arange(counts.shape[0], dtype=counts.dtype), counts)


@composite("repeat_interleave")
def repeat_interleave(input: Any, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None) -> Any:
    """Each element along ``dim`` repeated in place; with one argument, its places repeated so often."""
    if repeats is None:
        return ops._repeated_places(input)
    if not is_tensor(repeats):
        return ops._repeat_each(input, an_int(repeats, "repeat_interleave", "repeats", 2), dim)
    if dim is None or not input.ndim:
        input, dim = input.reshape(-1), 0
    if repeats.ndim > 1:
        raise RuntimeError("repeats must be 0-dim or 1-dim tensor")
    size = input.shape[dim]
    if repeats.numel() == 1:
        repeats = repeats.reshape(1).expand(size)
    if repeats.shape[0] != size:
        raise RuntimeError(
            "repeats must have the same size as input along dim, but got repeats.size(0) = "
            f"{repeats.shape[0]} and input.size({dim}) = {size}"
        )
    return ops.index_select(input, dim, ops._repeated_places(repeats))


def _check_writable(src: Array, place: tuple[int, ...]) -> None:
    if src.shape != place:
        raise RuntimeError(
            f"expected src to have a size equal to the slice of self. src size = {list(src.shape)}, slice size = {list(place)}"
        )


@op("select_scatter", saves=(), layout="first")
def select_scatter(input: Array, src: Array, dim: int, index: int) -> Array:
    """A copy of ``input`` with ``src`` at ``index`` of ``dim``."""
    axis = normalize_dim(dim, input.ndim)
    size = input.shape[axis]
    if not -size <= index < size:
        raise IndexError(f"select(): index {index} out of range for tensor of size {list(input.shape)} at dimension {axis}")
    at = (slice(None),) * axis + (index % size,)
    _check_writable(src, input.shape[:axis] + input.shape[axis + 1 :])
    return input.at[at].set(src.astype(input.dtype))


@op("slice_scatter", out=EXACT, saves=(), layout="first")
def slice_scatter(
    input: Array, src: Array, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Array:
    """A copy of ``input`` with ``src`` at the slice ``start:end:step`` of ``dim``."""
    axis = normalize_dim(dim, input.ndim)
    picked = range(*slice(start, end, step).indices(input.shape[axis]))
    _check_writable(src, (*input.shape[:axis], len(picked), *input.shape[axis + 1 :]))
    return input.at[(slice(None),) * axis + (slice(start, end, step),)].set(src.astype(input.dtype))


@op("diagonal_scatter", saves=(), layout="first")
def diagonal_scatter(input: Array, src: Array, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Array:
    """A copy of ``input`` with ``src`` on a diagonal."""
    a, b = normalize_dim(dim1, input.ndim), normalize_dim(dim2, input.ndim)
    rows, columns = input.shape[a], input.shape[b]
    count = max(min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns), 0)
    rest = tuple(n for i, n in enumerate(input.shape) if i not in (a, b))
    _check_writable(src, (*rest, count))
    moved = jnp.moveaxis(input, (a, b), (-2, -1))
    step = np.arange(count)
    moved = moved.at[..., step + max(-offset, 0), step + max(offset, 0)].set(src.astype(input.dtype))
    return jnp.moveaxis(moved, (-2, -1), (a, b))
