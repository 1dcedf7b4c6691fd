"""Writing at indices: scatter, index_add, index_put, masked_fill and their relatives, all out of place.

JAX's derivative of an overwriting scatter sorts out which of several writes to one place won; torch's rule needs no
more than a gather, so that is what stands here.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlike._src.operators import registry
from torchlike._src.operators.gathering import _entries, _select_range, check_indices, flat_range, index_range
from torchlike._src.operators.numbers import fitting
from torchlike._src.operators.promotion import BOOL, CATEGORY, COMPLEX, FLOAT, scalar_type, type_name
from torchlike._src.operators.registry import EXACT, Array, Arrays, InPlace, Number, Operand, composite, op, ops
from torchlike._src.operators.support import (
    as_dtype,
    broadcast_shapes,
    checked,
    is_array,
    is_number,
    normalize_dim,
    overload,
    refuse,
    unbroadcast,
)


def _check_scatter(input: Any, dim: int, index: Any, src: Any = None, name: str = "scatter") -> int:
    axis = normalize_dim(dim, input.ndim)
    if index.size and index.dtype not in (np.int32, np.int64):
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index")
    if src is not None and src.dtype != input.dtype:
        raise RuntimeError(f"{name}(): Expected self.dtype to be equal to src.dtype")
    if index.size == 0:
        return axis
    if max(index.ndim, 1) != max(input.ndim, 1):
        raise RuntimeError("Index tensor must have the same number of dimensions as self tensor")
    if src is not None and max(index.ndim, 1) != max(src.ndim, 1):
        raise RuntimeError("Index tensor must have the same number of dimensions as src tensor")
    too_large = any(n > m for d, (n, m) in enumerate(zip(index.shape, input.shape, strict=False)) if d != axis)
    beyond_src = src is not None and any(n > m for n, m in zip(index.shape, src.shape, strict=False))
    if too_large or beyond_src:
        raise RuntimeError(
            f"Expected index {list(index.shape)} to be no larger than self {list(input.shape)} apart from dimension "
            f"{axis}" + ("" if src is None else f" and to be no larger size than src {list(src.shape)}")
        )
    return axis


def _places(index: Array, axis: int) -> "Places":
    """The place that each element of ``index`` speaks of, a coordinate at a time."""
    return Places(tuple(index if d == axis else lax.broadcasted_iota(index.dtype, index.shape, d) for d in range(index.ndim)))


def _within(src: Array, index: Array) -> Array:
    """The part of ``src`` that the index covers."""
    return src[tuple(slice(n) for n in index.shape)]


class Places:
    """Where to write, as a JAX value: index arrays, and slices for the dimensions that are taken whole."""

    def __init__(self, entries: tuple[Any, ...]) -> None:
        self.arrays = tuple(e for e in entries if not isinstance(e, slice))
        self.whole = tuple(isinstance(e, slice) for e in entries)

    @property
    def entries(self) -> tuple[Any, ...]:
        """As an index."""
        arrays = iter(self.arrays)
        return tuple(slice(None) if whole else next(arrays) for whole in self.whole)


def _rebuild(whole: tuple[bool, ...], arrays: Sequence[Any]) -> Places:
    places = Places(())
    places.arrays, places.whole = tuple(arrays), whole
    return places


jax.tree_util.register_pytree_node(Places, lambda p: (p.arrays, p.whole), _rebuild)


@jax.custom_vjp
def _overwrite(input: Array, places: Places, values: Array) -> Array:
    return input.at[places.entries].set(values, mode="drop")


def _overwrite_forward(input: Array, places: Places, values: Array) -> tuple[Array, Any]:
    return _overwrite(input, places, values), (places, jnp.zeros((*values.shape, 0), bool))


def _overwrite_backward(saved: Any, cotangent: Array) -> tuple[Array, None, Array]:
    places, shape = saved
    at = cotangent.at[places.entries]
    return at.set(0, mode="drop"), None, unbroadcast(at.get(mode="fill", fill_value=0), shape.shape[:-1])


_overwrite.defvjp(_overwrite_forward, _overwrite_backward)


def _add_at(input: Array, places: Places, values: Array) -> Array:
    at = input.at[places.entries]
    return at.max(values, mode="drop") if input.dtype == bool else at.add(values, mode="drop")


def _flat(x: Array) -> Array:
    """A 0-d array as a vector."""
    return x.reshape(1) if x.ndim == 0 else x


def _scatter(input: Array, dim: int, index: Array, values: Any) -> Array:
    if not index.size:
        return input
    shape = input.shape
    input, index = _flat(input), _flat(index)
    return _overwrite(input, _places(index, normalize_dim(dim, input.ndim)), values).reshape(shape)


def _scatter_range(input: Any, dim: int, index: Any, src: Any, *_: Any, **__: Any) -> None:
    if isinstance(index, np.ndarray) and index.dtype.kind == "i" and index.size:
        axis = _check_scatter(input, dim, index, src if hasattr(src, "shape") else None)
        check_indices(index, input.shape[axis] if input.ndim else 1, axis, negative=False, error=RuntimeError)


def _slice_range(input: Any, dim: int, index: Any, **how: Any) -> None:
    if isinstance(index, np.ndarray) and index.dtype.kind == "i" and index.size:
        axis = normalize_dim(dim, input.ndim)
        check_indices(index, input.shape[axis] if input.ndim else 1, axis, **how)


def _copy_range(input: Any, dim: int, index: Any, *_: Any) -> None:
    _slice_range(input, dim, index, negative=False, prefix="index_copy_(): ")


def _fill_range(input: Any, dim: int, index: Any, value: Any) -> None:
    _slice_range(input, dim, index)
    fitting(value, np.dtype(input.dtype))


def _value_range(input: Any, dim: int, index: Any, value: Any) -> None:
    _scatter_range(input, dim, index, None)
    fitting(value, np.dtype(input.dtype))


def _add_range(input: Any, dim: int, index: Any, source: Any, alpha: Any = 1) -> None:
    if input.ndim > 1 and normalize_dim(dim, input.ndim) == 0 and is_number(alpha) and alpha == 1:  # torch takes scatter's path
        _slice_range(input, dim, index, negative=False, error=RuntimeError)
    else:
        _select_range(input, dim, index)


@op("_scatter_src", method=False, inplace="apart", out=EXACT, saves=("index",), grad_name="ScatterBackward0")
@checked(_scatter_range)
def _scatter_src(input: Array, dim: int, index: Array, src: Array) -> Array:
    _check_scatter(input, dim, index, src)
    return _scatter(input, dim, index, _within(_flat(src), _flat(index)))


@op("_scatter_value", method=False, inplace="apart", out=EXACT, saves=("index",), grad_name="ScatterBackward1")
@checked(_value_range)
def _scatter_value(input: Array, dim: int, index: Array, value: Number) -> Array:
    _check_scatter(input, dim, index)
    return _scatter(input, dim, index, as_dtype(value, np.dtype(input.dtype)))


def _choose_scatter(suffix: str, input: Any, dim: int, index: Any, src: Any, value: Any, reduce: Any, out: Any) -> Any:
    into = {} if out is None else {"out": out}
    given = src if value is None else value
    if reduce is not None:
        if reduce not in ("add", "multiply"):
            raise RuntimeError("reduce argument must be either add or multiply.")
        return ops["_scatter_reduced" + suffix](input, dim, index, given, reduce, **into)
    if registry.is_tensor(given):
        return ops["_scatter_src" + suffix](input, dim, index, given, **into)
    return ops["_scatter_value" + suffix](input, dim, index, given, **into)


@composite("scatter")
def scatter(
    input: Any, dim: int, index: Any, src: Any = None, *, value: Any = None, reduce: str | None = None, out: Any = None
) -> Any:
    """A copy of ``input`` with ``src``, a tensor or a number, written at ``index`` along ``dim``.

    Args:
        input: any shape.
        dim: the dimension that ``index`` is about.
        index: int32 or int64; no larger than ``input`` but along ``dim``, and than ``src``.
        src: the values; of several for one place, any may win.
        value: a number, as ``src``.
        reduce: ``"add"`` or ``"multiply"`` to combine instead of overwriting.
    """
    return _choose_scatter("", input, dim, index, src, value, reduce, out)


@composite("scatter_", method="scatter_")
def scatter_(input: Any, dim: int, index: Any, src: Any = None, *, value: Any = None, reduce: str | None = None) -> Any:
    """`scatter`, written into ``input``."""
    return _choose_scatter("_", input, dim, index, src, value, reduce, None)


@op("_scatter_reduced", method=False, inplace="apart", out=True, saves=("index",), grad_name="ScatterReduceBackward0")
@checked(_scatter_range)
def _scatter_reduced(input: Array, dim: int, index: Array, src: Operand, reduce: str) -> Array:
    """The older form of reducing scatters, with its two reductions."""
    axis = _check_scatter(input, dim, index, src if is_array(src) else None)
    if not index.size:
        return input
    shape = input.shape
    flat, index = _flat(input), _flat(index)
    values = _within(_flat(src), index) if is_array(src) else as_dtype(src, np.dtype(input.dtype))
    combine = _add_at if reduce == "add" else _multiply_at
    return combine(flat, _places(index, axis), jnp.broadcast_to(values, index.shape)).reshape(shape)


@op("scatter_add", inplace="apart", out=EXACT, saves=("index:src",))
@checked(_scatter_range)
def scatter_add(input: Array, dim: int, index: Array, src: Array) -> Array:
    """``input`` with the elements of ``src`` added at ``index`` along ``dim``."""
    axis = _check_scatter(input, dim, index, src, "scatter")
    if not index.size:
        return input
    flat, index = _flat(input), _flat(index)
    values = _within(_flat(src), index)
    return _add_at(flat, _places(index, axis), values).reshape(input.shape)


_REDUCTIONS = ("sum", "prod", "mean", "amax", "amin")


@op("scatter_reduce", inplace="apart", out=EXACT, saves=("input", "index", "src", "result"))
@checked(_scatter_range)
def scatter_reduce(input: Array, dim: int, index: Array, src: Array, reduce: str, *, include_self: bool = True) -> Array:
    """``input`` with all elements of ``src`` for a place combined: ``sum``, ``prod``, ``mean``, ``amax`` or ``amin``.

    Args:
        include_self: whether what stands in ``input`` takes part.
    """
    if reduce not in _REDUCTIONS:
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    axis = _check_scatter(input, dim, index, src, "scatter")
    if not index.size:
        return input
    if reduce in ("amax", "amin"):
        refuse(f"scatter_gather_tensor_cpu_reduce_{reduce}", input, COMPLEX)
    if reduce == "mean":
        refuse("scatter_gather_tensor_cpu_reduce_mean", input, BOOL)
    shape = input.shape
    input, index = _flat(input), _flat(index)
    values = _within(_flat(src), index)
    return reduce_at(input, _places(index, axis), values, reduce, include_self).reshape(shape)


def _limit(dtype: np.dtype, sign: int) -> Any:
    """The least (``sign`` -1) or greatest number of a dtype."""
    if CATEGORY[dtype] == FLOAT:
        return np.asarray(sign * np.inf, dtype)
    if dtype.kind == "b":
        return np.asarray(sign > 0)
    return np.iinfo(dtype).max if sign > 0 else np.iinfo(dtype).min


def reduce_at(input: Array, places: Places, values: Array, reduce: str, include_self: bool) -> Array:
    """``input`` with all ``values`` for one of the ``places`` combined there."""
    dtype = np.dtype(input.dtype)
    if not include_self:
        neutral = _limit(dtype, -1 if reduce == "amax" else 1) if reduce in ("amax", "amin") else int(reduce == "prod")
        # Untouched places keep their value: only those written to start from the neutral element.
        input = _overwrite(input, places, jnp.broadcast_to(jnp.asarray(neutral, dtype), values.shape))
    if reduce == "sum":
        return _add_at(input, places, values)
    if reduce == "mean":
        count = jnp.zeros(input.shape, dtype).at[places.entries].add(jnp.ones(values.shape, dtype), mode="drop")
        count = count + 1 if include_self else jnp.maximum(count, 1)
        total = input.at[places.entries].add(values, mode="drop")
        if CATEGORY[dtype] >= FLOAT:
            return total / count
        return jnp.floor_divide(total, count)
    if reduce == "prod":
        return _multiply_at(input, places, values)
    return _extreme_at(input, places, values, reduce == "amax", include_self)


@jax.custom_vjp
def _multiply_at(input: Array, places: Places, values: Array) -> Array:
    at = input.at[places.entries]
    return at.min(values, mode="drop") if input.dtype == bool else at.multiply(values, mode="drop")


def _multiply_forward(input: Array, places: Places, values: Array) -> tuple[Array, Any]:
    return _multiply_at(input, places, values), (input, places, values)


def _multiply_backward(saved: Any, cotangent: Array) -> tuple[Array, None, Array]:
    """The product of all others: over the product of the nonzero ones, zeros counted apart.

    A single zero among the others stands there as the factor it is, so that the second gradient finds it.
    """
    input, places, values = saved
    zeros = (input == 0).astype(np.int32).at[places.entries].add((values == 0).astype(np.int32), mode="drop")
    rest = _multiply_at(jnp.where(input == 0, 1, input), places, jnp.where(values == 0, 1, values))
    null = jnp.where(input == 0, input, 0).at[places.entries].add(jnp.where(values == 0, values, 0), mode="drop")

    def others(own: Array, zero_count: Array, product: Array, zero: Array) -> Array:
        mine = own == 0
        product, zero = product / jnp.where(mine, 1, own), zero - jnp.where(mine, own, 0)
        return jnp.where(zero_count == mine, product, jnp.where(zero_count - mine == 1, zero * product, 0))

    at_places = cotangent.at[places.entries].get(mode="fill", fill_value=0)
    there = (x.at[places.entries].get(mode="clip") for x in (zeros, rest, null))
    return cotangent * others(input, zeros, rest, null), None, at_places * others(values, *there)


_multiply_at.defvjp(_multiply_forward, _multiply_backward)


def _extreme_at(input: Array, places: Places, values: Array, largest: bool, include_self: bool) -> Array:
    frozen, new = lax.stop_gradient(input), lax.stop_gradient(values)
    result = frozen.at[places.entries].max(new, mode="drop") if largest else frozen.at[places.entries].min(new, mode="drop")
    if CATEGORY[np.dtype(input.dtype)] != FLOAT:
        return result
    nan = jnp.isnan(frozen).at[places.entries].max(jnp.isnan(new), mode="drop")
    result = jnp.where(nan, jnp.nan, result)
    return _share(input, places, values, result, include_self)


def _share_value(input: Array, places: Places, values: Array, result: Array, include_self: bool) -> Array:
    return result


_share = jax.custom_vjp(_share_value, nondiff_argnums=(4,))


def _share_forward(input: Array, places: Places, values: Array, result: Array, include_self: bool) -> tuple[Array, Any]:
    return result, (input, places, values, result)


def _share_backward(include_self: bool, saved: Any, cotangent: Array) -> tuple[Array, None, Array, Array]:
    """Equal extrema share the gradient."""
    input, places, values, result = saved
    own = (input == result).astype(input.dtype)
    hits = (values == result.at[places.entries].get(mode="clip")).astype(values.dtype)
    count = own.at[places.entries].add(hits, mode="drop")
    part = cotangent / jnp.where(count == 0, 1, count)
    return own * part, None, hits * part.at[places.entries].get(mode="clip"), jnp.zeros_like(result)


_share.defvjp(_share_forward, _share_backward)


def _check_index_vector(name: str, input: Any, dim: int, index: Any) -> int:
    if index.ndim > 1:
        raise IndexError(f"{name}(): Index is supposed to be a vector")
    if index.dtype not in (np.int32, np.int64):
        if name == "index_fill_":
            raise IndexError("index_fill_(): Expected dtype int64 for index.")
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index")
    return normalize_dim(dim, input.ndim)


def _slices(index: Array, axis: int) -> Places:
    return Places((slice(None),) * axis + (index.reshape(-1),))


def _check_source(name: str, input: Any, axis: int, index: Any, source: Any) -> None:
    if index.size != (source.shape[axis] if source.ndim else 1):
        raise RuntimeError(
            f"{name}(): Number of indices ({index.size}) should be equal to source.size(dim): "
            f"({source.shape[axis] if source.ndim else 1}), for dim: {axis}"
        )


@op("index_add", inplace="apart", out=EXACT, saves=("index:source", "source:source"))
@checked(_add_range)
def index_add(input: Array, dim: int, index: Array, source: Array, *, alpha: Number = 1) -> Array:
    """``input`` with ``alpha * source`` added to its slices at ``index`` along ``dim``."""
    axis = _check_index_vector("index_add_", input, dim, index)
    if source.dtype != input.dtype:
        a, b = (scalar_type(np.dtype(x.dtype)) for x in (input, source))
        raise RuntimeError(f"index_add_(): self ({a}) and source ({b}) must have the same scalar type")
    _check_source("index_add_", input, axis, index, source)
    if source.ndim and input.ndim:
        rest = [x.shape[:axis] + x.shape[axis + 1 :] for x in (input, source)]
        if rest[0] != rest[1]:
            raise RuntimeError(
                "source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = "
                f"{list(input.shape)} source.shape = {list(source.shape)}"
            )
    if not (is_number(alpha) and alpha == 1):
        source = source * as_dtype(fitting(alpha, np.dtype(input.dtype)), np.dtype(input.dtype))
    flat, source = _flat(input), source.reshape(-1) if not input.ndim or not source.ndim else source
    return _add_at(flat, _slices(index, axis), source).reshape(input.shape)


@op("index_copy", inplace="apart", out=EXACT, saves=("index", "source:source"))
@checked(_copy_range)
def index_copy(input: Array, dim: int, index: Array, source: Array) -> Array:
    """``input`` with ``source`` in place of its slices at ``index`` along ``dim``."""
    axis = _check_index_vector("index_copy_", input, dim, index)
    if source.dtype != input.dtype:
        a, b = (scalar_type(np.dtype(x.dtype)) for x in (input, source))
        raise RuntimeError(f"index_copy_(): self and source expected to have the same dtype, but got (self) {a} and (source) {b}")
    mine, theirs = (x.shape[:axis] + x.shape[axis + 1 :] for x in (input, source))
    if mine != theirs:
        raise RuntimeError(
            "index_copy_(): Source/destination tensor must have same slice shapes. Destination slice shape: "
            f"{' '.join(map(str, mine))} at dimension {axis} and source slice shape: {' '.join(map(str, theirs))} at "
            f"dimension {axis}."
        )
    if index.size != (source.shape[axis] if source.ndim else 1):
        raise IndexError(
            f"index_copy_(): Number of indices ({index.size}) should be equal to source.size(dim) "
            f"({source.shape[axis] if source.ndim else 1})"
        )
    flat, source = _flat(input), _flat(source)
    return _overwrite(flat, _slices(index, axis), source).reshape(input.shape)


@op("index_fill", inplace=InPlace(itself=True, apart=("index",)), saves=("index",), layout="first")
@checked(_fill_range)
def index_fill(input: Array, dim: int, index: Array, value: Operand) -> Array:
    """``input`` with ``value`` in its slices at ``index`` along ``dim``."""
    axis = _check_index_vector("index_fill_", input, dim, index)
    if is_array(value) and value.ndim:
        raise RuntimeError(
            f"index_fill_ only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s)."
        )
    size = input.shape[axis] if input.ndim else 1
    filled = jnp.zeros(size, bool).at[index.reshape(-1)].set(True, mode="drop")
    shape = (1,) * axis + (-1,) + (1,) * (input.ndim - axis - 1) if input.ndim else ()
    return jnp.where(filled.reshape(shape), as_dtype(value, np.dtype(input.dtype)), input)


@op("index_reduce", inplace="apart", out=EXACT, saves=("input", "index", "source", "result"))
@checked(_select_range)
def index_reduce(input: Array, dim: int, index: Array, source: Array, reduce: str, *, include_self: bool = True) -> Array:
    """`scatter_reduce` of whole slices: ``prod``, ``mean``, ``amax`` or ``amin``."""
    axis = _check_index_vector("index_reduce_", input, dim, index)
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}.")
    if source.dtype != input.dtype:
        raise RuntimeError("index_reduce_(): self and source expected to have the same dtype")
    _check_source("index_reduce_", input, axis, index, source)
    if reduce in ("amax", "amin"):
        refuse("maximum_cpu" if reduce == "amax" else "minimum_cpu", input, COMPLEX)
    if reduce == "mean":
        refuse("div_floor_cpu", input, BOOL)
    flat, source = _flat(input), _flat(source)
    return reduce_at(flat, _slices(index, axis), source, reduce, include_self).reshape(input.shape)


def _host_put(input: Any, indices: Sequence[Any], values: Any, accumulate: bool = False) -> Any:
    entries, _ = _entries(input, indices)
    _check_put(input, values)
    result = np.array(input)
    if accumulate:
        np.add.at(result, entries, values)
    else:
        result[entries] = values
    return result


def _check_put(input: Any, values: Any) -> None:
    if values.dtype != input.dtype:
        a, b = (scalar_type(np.dtype(x.dtype)) for x in (input, values))
        raise RuntimeError(
            f"Index put requires the source and destination dtypes match, got {a} for the destination and {b} for the source."
        )


@op(
    "_index_put", method=False, inplace=InPlace(itself=True, apart=("indices", "values")), saves=("indices",), layout="first",
    host=_host_put, grad_name="IndexPutBackward0",
)  # fmt: skip
@checked(index_range)
def _index_put(input: Array, indices: Arrays, values: Array, accumulate: bool = False) -> Array:
    entries, _ = _entries(input, indices)
    _check_put(input, values)
    room = jax.eval_shape(lambda x: x[entries], input).shape  # slices among the entries are no arguments for JAX
    if values.ndim > len(room) or any(n not in (1, m) for n, m in zip(values.shape[::-1], room[::-1], strict=False)):
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(values.shape)} cannot be broadcast to indexing result of shape "
            f"{list(room)}"
        )
    return (_add_at if accumulate else _overwrite)(input, Places(entries), values)


def _without_masks(indices: Sequence[Any]) -> tuple[Any, ...]:
    """Masks as the places where they hold."""
    plain: list[Any] = []
    for k, i in enumerate(indices):
        if i is None:
            raise TypeError(f"expected Tensor as element {k} in argument 0, but got NoneType")
        if str(i.dtype) in ("torch.bool", "torch.uint8"):
            plain += ops.nonzero(i, as_tuple=True)
        else:
            plain.append(i)
    return tuple(plain)


@composite("index_put")
def index_put(input: Any, indices: Sequence[Any], values: Any, accumulate: bool = False) -> Any:
    """``input`` with ``input[indices] = values``, or ``+=`` if ``accumulate``.

    Args:
        indices: integer or bool tensors, one for each dimension from the first.
        values: broadcasts to the shape of ``input[indices]``.
    """
    return ops._index_put(input, _without_masks(indices), values, accumulate)


@composite("index_put_", method="index_put_")
def index_put_(input: Any, indices: Sequence[Any], values: Any, accumulate: bool = False) -> Any:
    """`index_put`, written into ``input``."""
    if accumulate or len(indices) > 1 or values.numel() != 1:  # else torch fills, and has a mask for itself
        input._refuse_shared(indices)
    return ops._index_put_(input, _without_masks(indices), values, accumulate)


@op("put", inplace="apart", saves=("index", "source:source"), layout="first")
@checked(flat_range)
def put(input: Array, index: Array, source: Array, accumulate: bool = False) -> Array:
    """``input`` with the elements of ``source`` at places of the flattened tensor, or added there."""
    if index.dtype != np.int64:
        raise RuntimeError(f"put_(): Expected a long tensor for index, but got {scalar_type(np.dtype(index.dtype))}")
    if source.dtype != input.dtype:
        a, b = (scalar_type(np.dtype(x.dtype)) for x in (input, source))
        raise RuntimeError(
            f"put_(): self and source expected to have the same dtype, but got self.dtype = {a} and source.dtype = {b}"
        )
    if index.size != source.size:
        raise IndexError(
            "put_(): Expected source and index to have the same number of elements, but got source.numel() = "
            f"{source.size}, index.numel() = {index.size}"
        )
    if index.size and not input.size:
        raise IndexError("put_(): Tried to put elements into an empty tensor")
    flat, at, values = input.reshape(-1), index.reshape(-1), source.reshape(-1)
    return (_add_at if accumulate else _overwrite)(flat, Places((at,)), values).reshape(input.shape)


def _check_fill(input: Any, mask: Any, value: Any) -> None:
    if mask.dtype != bool:
        raise RuntimeError(f"masked_fill_ only supports boolean masks, but got mask with dtype {type_name(np.dtype(mask.dtype))}")
    dtype = np.dtype(input.dtype)
    if is_array(value):
        if value.ndim:
            raise RuntimeError(
                f"masked_fill_ only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s)."
            )
        if isinstance(value, np.ndarray):
            fitting(value.item(), dtype)
    else:
        fitting(value, dtype)
    broadcast_shapes(mask.shape, input.shape)


def _host_fill(input: Any, mask: Any, value: Any) -> Any:
    _check_fill(input, mask, value)
    return np.asarray(np.where(mask, as_dtype(value, input.dtype), input))


@op(
    "masked_fill", inplace=InPlace(itself=True, whole=("mask",)), saves=("mask",), layout=None, host=_host_fill,
    grad_name=overload("MaskedFill", 1, value=0),
)  # fmt: skip
@checked(_check_fill)
def masked_fill(input: Array, mask: Array, value: Operand) -> Array:
    """``value`` where ``mask`` holds, else ``input``."""
    _check_fill(input, mask, value)
    return jnp.where(mask, as_dtype(value, np.dtype(input.dtype)), input)


@op("masked_scatter", inplace=InPlace(), saves=("mask",))
def masked_scatter(input: Array, mask: Array, source: Array) -> Array:
    """``input`` with the elements of ``source``, in order, where ``mask`` holds."""
    if mask.dtype != bool:
        raise RuntimeError(
            f"masked_scatter_ only supports boolean masks, but got mask with dtype {scalar_type(np.dtype(mask.dtype))}"
        )
    if source.dtype != input.dtype:
        a, b = (scalar_type(np.dtype(x.dtype)) for x in (input, source))
        raise RuntimeError(f"masked_scatter: expected self and source to have same dtypes but got{a} and {b}")
    shape = broadcast_shapes(input.shape, mask.shape)
    if not source.size:
        return jnp.broadcast_to(input, shape)
    mask = jnp.broadcast_to(mask, shape)
    order = jnp.cumsum(mask.reshape(-1), dtype=np.int64) - 1
    values = source.reshape(-1).at[jnp.maximum(order, 0)].get(mode="clip").reshape(shape)
    return jnp.where(mask, values, input)
