"""Looking up rows of a table and reducing each bag of them at once."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchlike._src.operators.embedding import check_indices, lookup, renorm_in_place, scale_gradient
from torchlike._src.operators.nn_checks import is_floating
from torchlike._src.operators.precision import opmath
from torchlike._src.operators.promotion import scalar_type
from torchlike._src.operators.registry import Array, composite, op, ops
from torchlike._src.operators.support import checked


def _row_range(weight: Any, indices: Any, offsets: Any = None, *_: Any) -> None:
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


def _bags(flat: Array, offsets: Array, bags: int) -> Array:
    """The number of the bag that each index is in."""
    return jnp.searchsorted(offsets[:bags], jnp.arange(flat.size), side="right") - 1


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
    if not is_floating(weight):
        raise RuntimeError(
            "Expected tensor for argument #1 'weight' to have one of the following scalar types: Half, BFloat16, Float, Double; "
            f"but got torch.{scalar_type(weight.dtype)}Tensor instead (while checking arguments for embedding_bag)"
        )
    if offsets is None:
        bags, flat = indices.shape[0], indices.reshape(-1)
        bag = jnp.repeat(jnp.arange(bags), indices.shape[1])
    else:
        bags, flat = offsets.shape[0] - include_last_offset, indices
        bag = _bags(flat, offsets, bags)
    rows = lookup(weight, flat)  # (indices, D)
    if scale_grad_by_freq:
        counts = jnp.zeros(weight.shape[0], jnp.int64).at[flat].add(1)
        rows = scale_gradient(rows, 1 / counts[flat][:, None].astype(rows.dtype))
    kept = flat != padding_idx
    if mode == "max":
        return _bag_max(rows, bag, kept, bags)
    rows = opmath(rows)
    if per_sample_weights is not None:
        rows = rows * opmath(per_sample_weights).reshape(-1, 1)
    total = jnp.zeros((bags, weight.shape[1]), rows.dtype).at[bag].add(jnp.where(kept[:, None], rows, 0))
    if mode == "mean":
        count = jnp.zeros(bags, jnp.int64).at[bag].add(kept)
        total = total / jnp.maximum(count, 1)[:, None].astype(total.dtype)
    return total.astype(weight.dtype)


def _bag_max(rows: Array, bag: Array, kept: Array, bags: int) -> Array:
    """The maximum of each bag, its gradient to the first row that has it; an empty bag gives 0."""
    if rows.shape[0] == 0:
        return jnp.zeros((bags, rows.shape[1]), rows.dtype)
    first = _first_of_bag(rows, bag, kept, bags)
    picked = jnp.take_along_axis(rows, jnp.minimum(first, rows.shape[0] - 1), 0)
    return jnp.where(first < rows.shape[0], picked, 0)


def _first_of_bag(rows: Array, bag: Array, kept: Array, bags: int) -> Array:
    """Where the maximum of each bag is found first, shape ``(bags, D)``; the number of rows where there is none."""
    values = jax.lax.stop_gradient(jnp.where(kept[:, None], rows, -jnp.inf))
    best = jax.ops.segment_max(values, bag, bags)
    numbers = jnp.arange(rows.shape[0])[:, None]
    candidates = jnp.where(kept[:, None] & (values == best[bag]), numbers, rows.shape[0])
    return jnp.minimum(jax.ops.segment_min(candidates, bag, bags), rows.shape[0])


_MODES = ("sum", "mean", "max")


@op("_bag_facts", method=False, differentiable=False)
def _bag_facts(
    weight: Array, indices: Array, offsets: Array, mode: str, include_last_offset: bool, padding_idx: int, placed: bool, zeros: int
) -> tuple[Array, Array, Array]:  # fmt: skip
    """The bag of each index (nothing, unless ``placed``), how many rows each bag has, and where its maxima are.

    Of sums, which torch does not count, ``zeros`` zeros.
    """
    dtype = jnp.promote_types(indices.dtype, offsets.dtype)
    bags = offsets.shape[0] - include_last_offset
    bag = _bags(indices, offsets, bags)
    place = bag.astype(dtype) if placed else jnp.zeros(0, dtype)
    if mode == "sum":
        return place, jnp.zeros(zeros, dtype), jnp.zeros(zeros, dtype)
    kept = indices != padding_idx
    sizes = jnp.zeros(bags, dtype).at[bag].add(kept.astype(dtype))
    if mode == "mean":
        return place, sizes, sizes
    if not indices.size:
        return place, sizes, jnp.zeros((bags, weight.shape[1]), dtype)
    first = _first_of_bag(lookup(weight, indices), bag, kept, bags)
    found = indices[jnp.minimum(first, indices.size - 1)]
    return place, sizes, jnp.where(first < indices.size, found, 0).astype(dtype)


@composite("embedding_bag", method=False)
def aten_embedding_bag(
    weight: Any, indices: Any, offsets: Any, scale_grad_by_freq: bool = False, mode: int = 0, sparse: bool = False,
    per_sample_weights: Any = None, include_last_offset: bool = False, padding_idx: int | None = None,
) -> tuple[Any, Any, Any, Any]:  # fmt: skip
    """`nn.functional.embedding_bag` as ATen has it, with what its backward needs.

    Args:
        mode: 0: sum, 1: mean, 2: max.
        padding_idx: a row that does not count; -1 is the last one.
    Returns:
        The result; the bag of each index (empty where torch's kernel does not need it: sums of float32 and 16-bit rows);
        how many rows each bag has, 0 for sums; and for maxima the row each comes from.
    Raises:
        RuntimeError: for another mode, weights with one that is not 0, or offsets that do not start at 0.
    """
    if mode not in (0, 1, 2):
        raise RuntimeError("`mode` must be sum, mean, or max.")
    if per_sample_weights is not None and mode != 0:
        raise RuntimeError("embedding_bag: per_sample_weights only supported with mode='sum'")
    padding = -1 if padding_idx is None else padding_idx % weight.shape[0]
    how = _MODES[mode]
    sums = ops["_bag_sums" if sparse and how != "max" else "_embedding_bag"]
    made = sums(weight, indices, offsets, per_sample_weights, how, scale_grad_by_freq, include_last_offset, padding)
    quick = how == "sum" and padding < 0 and weight.dtype.itemsize <= 4 and weight.stride(1) == 1
    zeros = offsets.shape[0] - (include_last_offset and made.requires_grad)  # torch's kernel without backward makes one more
    facts = ops["_bag_facts"](weight.detach(), indices, offsets, how, include_last_offset, padding, not quick, zeros)
    return made, *facts


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
        sparse: the gradient of ``weight`` is a sparse tensor of the rows that were used; not for ``"max"``.
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
    return ops["_bag_sums" if sparse else "_embedding_bag"](
        weight, input, offsets, per_sample_weights, mode, scale_grad_by_freq, include_last_offset, padding
    )
