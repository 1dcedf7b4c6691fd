"""Looking up rows of a table and reducing each bag of them at once."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchlike._src.operators.embedding import check_indices, lookup, renorm_in_place, scale_gradient
from torchlike._src.operators.registry import Array, composite, op, ops
from torchlike._src.operators.support import checked


def _row_range(weight: Any, indices: Any, offsets: Any, *_: Any) -> None:
    if isinstance(offsets, np.ndarray) and offsets.size:
        if offsets[0] != 0:
            raise RuntimeError(
                "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0. However, got "
                f"{offsets[0]}"
            )
        if offsets[-1] > indices.shape[0]:
            raise RuntimeError(
                f"offsets[-1] can not be greater than input's length {indices.shape[0]} but got offsets[-1] of {offsets[-1]}"
            )
    if isinstance(indices, np.ndarray):
        flat = indices.reshape(-1)
        bad = np.flatnonzero((flat < 0) | (flat >= weight.shape[0]))
        if bad.size:
            raise RuntimeError(
                f"Index {bad[0]} of input takes value {flat[bad[0]]} which is not in the valid range [0, {weight.shape[0]})"
            )


@op("_embedding_bag", method=False, saves=("~weight", "indices", "~per_sample_weights"))
@checked(_row_range)
def _embedding_bag(
    weight: Array,
    indices: Array,
    offsets: Array | None,
    per_sample_weights: Array | None,
    mode: str,
    scale_grad_by_freq: bool,
    include_last_offset: bool,
    padding_idx: int,
) -> Array:
    """See `embedding_bag`; ``offsets`` is None for bags of equal length, ``padding_idx`` is -1 for none."""
    check_indices(indices, "embedding_bag")
    if offsets is None:
        bags, flat = indices.shape[0], indices.reshape(-1)
        bag = jnp.repeat(jnp.arange(bags), indices.shape[1])
    else:
        bags, flat = offsets.shape[0] - include_last_offset, indices
        bag = jnp.searchsorted(offsets[:bags], jnp.arange(flat.size), side="right") - 1
    rows = lookup(weight, flat)  # (indices, D)
    if scale_grad_by_freq:
        counts = jnp.zeros(weight.shape[0], jnp.int64).at[flat].add(1)
        rows = scale_gradient(rows, 1 / counts[flat][:, None].astype(rows.dtype))
    kept = flat != padding_idx
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.reshape(-1, 1)
    if mode == "max":
        return _bag_max(rows, bag, kept, bags)
    total = jnp.zeros((bags, weight.shape[1]), rows.dtype).at[bag].add(jnp.where(kept[:, None], rows, 0))
    if mode == "sum":
        return total
    count = jnp.zeros(bags, jnp.int64).at[bag].add(kept)
    return total / jnp.maximum(count, 1)[:, None].astype(total.dtype)


def _bag_max(rows: Array, bag: Array, kept: Array, bags: int) -> Array:
    """The maximum of each bag, its gradient to the first row that has it; an empty bag gives 0."""
    if rows.shape[0] == 0:
        return jnp.zeros((bags, rows.shape[1]), rows.dtype)
    values = jax.lax.stop_gradient(jnp.where(kept[:, None], rows, -jnp.inf))
    best = jax.ops.segment_max(values, bag, bags)
    numbers = jnp.arange(rows.shape[0])[:, None]
    candidates = jnp.where(kept[:, None] & (values == best[bag]), numbers, rows.shape[0])
    first = jax.ops.segment_min(candidates, bag, bags)
    found = first < rows.shape[0]
    picked = jnp.take_along_axis(rows, jnp.minimum(first, rows.shape[0] - 1), 0)
    return jnp.where(found, picked, 0)


@composite("nn.functional.embedding_bag")
def embedding_bag(
    input: Any,
    weight: Any,
    offsets: Any = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Any:
    """Sums, means or maxima of bags of rows of ``weight``.

    Args:
        input: int64 or int32; shape ``(B, n)``, bags of ``n``; or ``(N,)``, cut at ``offsets``.
        weight: shape ``(V, D)``.
        offsets: where each bag starts in a one-dimensional ``input``.
        max_norm: rows that are used and longer are scaled down in place first.
        norm_type: the norm that is meant.
        scale_grad_by_freq: divide the gradient of a row by how often it is used; not for ``"max"``.
        mode: ``"sum"``, ``"mean"`` or ``"max"``.
        sparse: ignored: gradients are dense.
        per_sample_weights: factors for the rows, in the shape of ``input``, for ``"sum"``.
        include_last_offset: ``offsets`` ends with the length of ``input``.
        padding_idx: a row that does not count.
    Returns:
        Shape ``(B, D)``.
    """
    if per_sample_weights is not None and input.shape != per_sample_weights.shape:
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({per_sample_weights.shape}) is not None, then it must have the same "
            f"shape as the input ({input.shape})"
        )
    if weight.dim() != 2:
        raise ValueError(f"weight has to be a 2D Tensor, but got Tensor of dimension {weight.dim()}")
    if input.dim() == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length "
                f"sequences. However, found offsets of type {type(offsets)}"
            )
    elif input.dim() == 1:
        if offsets is None:
            raise ValueError("offsets has to be a 1D Tensor but got None")
        if offsets.dim() != 1:
            raise ValueError("offsets has to be a 1D Tensor")
    else:
        raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.dim()}")
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("max mode does not support scaling the gradient by the frequency")
    if mode == "max" and sparse:
        raise ValueError("max mode does not support sparse weights")
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum' "
            f"(got mode='{mode}'). Please open a feature request on GitHub."
        )
    rows = weight.shape[0]
    if padding_idx is not None and not -rows <= padding_idx < rows:
        raise RuntimeError(
            f"padding_idx must be within the number of embeddings, {-rows} through {rows - 1}, but got {padding_idx}"
        )
    if max_norm is not None:
        renorm_in_place(weight, input, max_norm, norm_type)
    padding = -1 if padding_idx is None else padding_idx % rows
    return ops["_embedding_bag"](
        weight, input, offsets, per_sample_weights, mode, scale_grad_by_freq, include_last_offset, padding
    )
