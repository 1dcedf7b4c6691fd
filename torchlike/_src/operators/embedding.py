"""Looking up rows of a table, and the other way round: ``embedding`` and ``one_hot``."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlike._src.operators.nn_checks import scalar_type
from torchlike._src.operators.registry import Array, composite, op, ops
from torchlike._src.operators.support import checked


def check_indices(indices: Array, name: str) -> None:
    """Raise torch's RuntimeError unless ``indices`` is int64 or int32."""
    if indices.dtype not in (jnp.int64, jnp.int32):
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got "
            f"torch.{scalar_type(indices.dtype)}Tensor instead (while checking arguments for {name})"
        )


def lookup(table: Array, indices: Array) -> Array:
    """Rows of ``table``; NaN (0 for integers) where an index is out of range, which only a run can find out."""
    if not table.shape[0] and indices.size:
        raise RuntimeError("index_select(): self indexing axis dim should be positive")
    fill = jnp.nan if jnp.issubdtype(table.dtype, jnp.inexact) else 0
    return table.at[indices].get(mode="fill", fill_value=fill, wrap_negative_indices=False)


def _row_range(weight: Any, indices: Any, *_: Any) -> None:
    if isinstance(indices, np.ndarray) and indices.size and (indices.min() < 0 or indices.max() >= weight.shape[0]):
        raise IndexError("index out of range in self")


@op("_embedding", method=False, saves=("indices",))
@checked(_row_range)
def _embedding(weight: Array, indices: Array, padding_idx: int = -1, scale_grad_by_freq: bool = False) -> Array:
    """``weight[indices]``; the row ``padding_idx`` gets no gradient, others as many as they are used.

    Args:
        weight: shape ``(V, D)``.
        indices: int64 or int32, any shape.
        padding_idx: -1 for none.
        scale_grad_by_freq: divide the gradient of a row by how often it is used.
    """
    check_indices(indices, "embedding")
    if weight.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    rows = lookup(weight, indices)
    if padding_idx >= 0:
        rows = jnp.where((indices == padding_idx)[..., None], lax.stop_gradient(rows), rows)
    if scale_grad_by_freq:
        counts = jnp.zeros(weight.shape[0], jnp.int64).at[indices.reshape(-1)].add(1)
        rows = scale_gradient(rows, 1 / counts[indices][..., None].astype(rows.dtype))
    return rows


@jax.custom_vjp
def scale_gradient(x: Array, factor: Array) -> Array:
    """``x``, whose gradient is multiplied by ``factor``."""
    return x


scale_gradient.defvjp(lambda x, factor: (x, factor), lambda factor, g: (g * factor, None))


@composite("embedding", method=False)
def embedding(
    weight: Array, indices: Array, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False
) -> Any:
    """`nn.functional.embedding` in ATen's order of arguments."""
    return ops["_embedding_rows" if sparse else "_embedding"](weight, indices, padding_idx, scale_grad_by_freq)


@op("_embedding_renorm", method=False, differentiable=False)
def _embedding_renorm(weight: Array, indices: Array, max_norm: float, norm_type: float) -> Array:
    """``weight`` with the rows that are looked up scaled down to ``max_norm``."""
    norms = jnp.sum(jnp.abs(weight) ** norm_type, 1, keepdims=True) ** (1 / norm_type)
    used = jnp.zeros(weight.shape[0], bool).at[indices.reshape(-1)].set(True)
    too_long = used[:, None] & (norms > max_norm)
    return jnp.where(too_long, weight * (max_norm / (norms + 1e-7)), weight)


def renorm_in_place(weight: Any, indices: Any, max_norm: float, norm_type: float) -> None:
    """Scale down, in place and unseen by autograd, the rows that are looked up and longer than ``max_norm``."""
    weight.detach().copy_(ops["_embedding_renorm"](weight.detach(), indices, float(max_norm), float(norm_type)))


def _padding(padding_idx: int | None, rows: int) -> int:
    if padding_idx is None:
        return -1
    if not -rows <= padding_idx < rows:
        raise AssertionError("Padding_idx must be within num_embeddings")
    return padding_idx % rows


@composite("nn.functional.embedding")
def functional_embedding(
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Any:
    """Rows of ``weight``.

    Args:
        input: int64 or int32 indices, any shape.
        weight: shape ``(V, D)``.
        padding_idx: a row that gets no gradient.
        max_norm: rows that are used and longer are scaled down in place first.
        norm_type: the norm that is meant.
        scale_grad_by_freq: divide the gradient of a row by how often it is used.
        sparse: the gradient of ``weight`` is a sparse tensor of the rows that were used.
    Returns:
        Shape ``(*input.shape, D)``.
    """
    padding_idx = _padding(padding_idx, weight.shape[0] if weight.ndim else 0)
    if max_norm is not None:
        renorm_in_place(weight, input, max_norm, norm_type)
    return embedding(weight, input, padding_idx, scale_grad_by_freq, sparse)


@composite("embedding_renorm_", method=False)
def embedding_renorm_(input: Any, indices: Any, max_norm: float, norm_type: float) -> Any:
    """Scale down in place the rows of ``input`` that ``indices`` name and that are longer than ``max_norm``."""
    renorm_in_place(input, indices, max_norm, norm_type)
    return input


def _class_range(input: Any, num_classes: int) -> None:
    if isinstance(input, np.ndarray) and input.size:
        if input.min() < 0:
            raise RuntimeError("Class values must be non-negative.")
        if input.max() >= num_classes:
            raise RuntimeError("Class values must be smaller than num_classes.")


@op("_one_hot", method=False, differentiable=False)
@checked(_class_range)
def _one_hot(input: Array, num_classes: int) -> Array:
    """int64 zeros with a one at ``input`` along a new last dimension."""
    return (input[..., None] == jnp.arange(num_classes, dtype=input.dtype)).astype(jnp.int64)


@composite("nn.functional.one_hot", "_C._nn.one_hot")
def one_hot(tensor: Array, num_classes: int = -1) -> Any:
    """Indices as rows with a one: shape ``(*, num_classes)``, int64.

    Args:
        tensor: int64, not negative.
        num_classes: -1 for one more than the largest index, which has to be read for it.
    Raises:
        RuntimeError: if an index is out of range; looking costs a run, so only values on the host are looked at
            where ``num_classes`` is given.
    """
    if tensor.dtype.np != np.int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    if tensor.numel() == 0:
        if num_classes <= 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        return ops["_one_hot"](tensor, num_classes)
    if num_classes == -1:
        if int(tensor.min()) < 0:
            raise RuntimeError("Class values must be non-negative.")
        num_classes = int(tensor.max()) + 1
    elif num_classes < 1:
        raise RuntimeError("Class values must be smaller than num_classes.")
    return ops["_one_hot"](tensor, num_classes)
