"""Sparse gradients of tables: what ``sparse=True`` of `nn.functional.embedding` and ``embedding_bag`` asks for."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from torchlike._src.engine.trace import local
from torchlike._src.operators.registry import composite, ops
from torchlike._src.tensor.core import Tensor
from torchlike._src.tensor.dispatch import _new
from torchlike._src.tensor.sparse.handle import coo, on
from torchlike._src.tensor.tape import GradNode


class _Rows(GradNode):
    """The tape's node of a lookup: its gradient has the rows of the cotangent, each where it was looked up."""

    grad_name = "EmbeddingBackward0"
    outputs = 1

    def __init__(self, weight: Tensor, indices: Tensor, padding_idx: int) -> None:
        super().__init__(None, None, [weight], [], None)
        self.size, self.indices, self.padding_idx = tuple(weight.shape), indices, padding_idx

    def apply(self, cotangents: list[Any], create_graph: bool) -> Sequence[Any]:
        (g,) = cotangents
        rows = (g if isinstance(g, Tensor) else _new(g)).reshape(-1, self.size[1])
        where = self.indices._numpy("the pattern of a sparse gradient, on which shapes depend").reshape(-1).astype(np.int64)
        if self.padding_idx >= 0:
            (kept,) = np.nonzero(where != self.padding_idx)
            where, rows = where[kept], ops.index_select(rows, 0, on(kept, rows))
        return (coo(on(where[None], rows), rows, self.size, False),)


@composite("_embedding_rows", method=False)
def embedding_rows(weight: Tensor, indices: Tensor, padding_idx: int, scale_grad_by_freq: bool) -> Tensor:
    """`nn.functional.embedding`, with a sparse gradient."""
    made = ops["_embedding"](weight.detach(), indices, padding_idx, False)
    if not (local.recorder.grad and weight.requires_grad):
        return made
    if scale_grad_by_freq:
        raise RuntimeError("embedding_backward: scale_grad_by_freq not supported with sparse gradients")
    made._node, made._requires_grad = _Rows(weight, indices.detach(), padding_idx), True
    return made


@composite("_bag_sums", method=False)
def bag_sums(
    weight: Tensor, indices: Tensor, offsets: Any, per_sample_weights: Any, mode: str, scale_grad_by_freq: bool,
    include_last_offset: bool, padding_idx: int,
) -> Tensor:  # fmt: skip
    """Sums or means of bags with a sparse gradient: the rows are looked up first, and then are a table without repetitions."""
    given = (per_sample_weights, mode, False, include_last_offset)
    if not (local.recorder.grad and weight.requires_grad):
        return ops["_embedding_bag"](weight, indices, offsets, *given, padding_idx)
    if not isinstance(offsets, Tensor):
        ops["_embedding_bag"](weight.detach(), indices, None, None, mode, False, False, padding_idx)  # its checks
    rows = embedding_rows(weight, indices.reshape(-1), padding_idx, scale_grad_by_freq)
    n = rows.shape[0]
    numbers = ops.arange(n, device=rows.device)
    if padding_idx >= 0:
        numbers = ops.where(ops.eq(indices.reshape(-1), padding_idx), n, numbers)
        rows = ops.cat([rows, rows.detach()[:1]])
    return ops["_embedding_bag"](rows, numbers.reshape(indices.shape), offsets, *given, n if padding_idx >= 0 else -1)
