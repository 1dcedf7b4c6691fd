"""Reductions of segments, checksums, and the joining of chunks that distributed training uses."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlike._src.operators.promotion import BOOL, COMPLEX, FLOAT, INTEGER, category
from torchlike._src.operators.registry import Array, Arrays, composite, op, ops
from torchlike._src.operators.support import into, normalize_dim, normalize_dims, refuse

_STARTS = {"sum": 0.0, "mean": 0.0, "prod": 1.0, "max": -np.inf, "min": np.inf}


@op("_segment_reduce_by", method=False, saves=("data", "result"), grad_name="SegmentReduceBackward0")
def _segment_reduce_by(data: Array, offsets: Array, reduce: str, axis: int, initial: float | None) -> Array:
    """Over ``axis``, between one offset and the next."""
    refuse("_segment_reduce_cpu", data, BOOL, INTEGER, COMPLEX)
    count, n = offsets.shape[-1] - 1, data.shape[axis]
    lead = data.shape[:axis]
    place = jnp.arange(n)
    inside = (place >= offsets[..., :-1, None]) & (place < offsets[..., 1:, None])  # (*lead, count, n)
    inside = inside.reshape(*lead, count, n, *([1] * (data.ndim - axis - 1)))
    start = _STARTS[reduce] if initial is None else initial
    values = jnp.where(inside, jnp.expand_dims(data, axis), np.asarray(_STARTS[reduce], data.dtype))
    if reduce in ("max", "min"):
        found = (jnp.max if reduce == "max" else jnp.min)(values, axis + 1)
        return (jnp.maximum if reduce == "max" else jnp.minimum)(found, np.asarray(start, data.dtype))
    if reduce == "prod":
        return jnp.prod(values, axis + 1) * np.asarray(start, data.dtype)
    total = jnp.sum(values, axis + 1) + np.asarray(start, data.dtype)
    if reduce == "sum":
        return total
    size = jnp.sum(inside, axis + 1)
    mean = total / jnp.maximum(size, 1).astype(data.dtype)
    return jnp.where(size > 0, mean, np.asarray(np.nan if initial is None else start, data.dtype))


@composite("segment_reduce", "_segment_reduce", method=False)
def segment_reduce(
    data: Array, reduce: str, *, lengths: Array | None = None, indices: Array | None = None, offsets: Array | None = None,
    axis: int = 0, unsafe: bool = False, initial: float | None = None,
) -> Any:  # fmt: skip
    """Sum, mean, product, maximum or minimum of consecutive segments, by their lengths or their offsets."""
    if lengths is None and offsets is None:
        raise RuntimeError("segment_reduce(): Either lengths or offsets must be defined.")
    if reduce not in _STARTS:
        raise RuntimeError(f"segment_reduce(): unsupported reduction {reduce!r}")
    if offsets is None:
        zero = ops.zeros(*lengths.shape[:-1], 1, dtype=lengths.dtype, device=lengths.device)
        offsets = ops.cat([zero, ops.cumsum(lengths, -1)], -1)
    return ops._segment_reduce_by(data, offsets, reduce, axis, initial)


@op("hash_tensor", out=True, differentiable=False)
def hash_tensor(input: Array, dim: Any = (), *, keepdim: bool = False, mode: int = 0) -> Array:
    """The exclusive or of the bits of all elements, floats as doubles, over ``dim``."""
    if mode != 0:
        raise RuntimeError(f"Unknown hash_tensor mode: {mode}")
    refuse("xor_sum_cpu", input, COMPLEX)
    axes = normalize_dims(dim, input.ndim)
    if not input.size and dim in (None, ()):
        raise RuntimeError(
            "hash_tensor: Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the "
            "'dim' argument."
        )
    if category(np.dtype(input.dtype)) == FLOAT:
        bits = lax.bitcast_convert_type(input.astype(jnp.float64), np.uint64)
    elif input.dtype == np.bool_ or np.dtype(input.dtype).kind == "u":
        bits = input.astype(np.uint64)
    else:
        bits = lax.bitcast_convert_type(input.astype(np.int64), np.uint64)
    found = lax.reduce(bits, np.uint64(0), lax.bitwise_xor, axes)
    return jnp.expand_dims(found, axes) if keepdim else found


@composite("_chunk_cat", method=False)
def _chunk_cat(tensors: Arrays, dim: int, num_chunks: int, *, out: Any = None) -> Any:
    """Each tensor filled up along ``dim`` and cut into chunks; the chunks joined, row by row."""
    if not len(tensors):
        raise RuntimeError("_chunk_cat expects a non-empty input tensor list")
    if num_chunks <= 0:
        raise RuntimeError("_chunk_cat expects positive num_chunks")
    if dim < 0 and any(x.ndim != tensors[0].ndim for x in tensors):
        raise RuntimeError("_chunk_cat expects non-negative dim when input tensors have different ndims")
    lead = normalize_dim(dim, tensors[0].ndim)
    for x in tensors:
        if lead >= x.ndim:
            raise RuntimeError("_chunk_cat expects dim < ndim for all input tensors")
        if not x.numel():
            raise RuntimeError("_chunk_cat expects non-empty tensor")
        if x.shape[:lead] != tensors[0].shape[:lead]:
            raise RuntimeError("_chunk_cat expects same sizes of 0,...,dim-1 dimensions for all tensors")
    rows = []
    for x in tensors:
        n = x.shape[lead]
        size = -(-n // num_chunks)
        missing = size * num_chunks - n
        if missing:
            pad = ops.zeros(*x.shape[:lead], missing, *x.shape[lead + 1 :], dtype=x.dtype, device=x.device)
            x = ops.cat([x, pad], lead)
        rows.append(x.reshape(*x.shape[:lead], num_chunks, -1))
    return into(out, ops.cat(rows, -1), cast=True)
