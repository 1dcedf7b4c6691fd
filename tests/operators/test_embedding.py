"""Embedding lookups against real torch."""

import torch
import torch.nn.functional as F

from tests.operators.pure_nn import compare, rand, same_error
from torchlike._src.operators.embedding import _embedding


def theirs(weight, indices, padding_idx=-1, scale_grad_by_freq=False):
    """torch's, in ATen's order of arguments."""
    return torch.embedding(weight, indices, padding_idx, scale_grad_by_freq)


def test_lookup_with_repeated_rows():
    indices = torch.tensor([[1, 2, 1], [0, 5, 1]])
    compare(_embedding, theirs, rand(6, 3), indices)
    compare(_embedding, theirs, rand(6, 3), indices.int())
    compare(_embedding, theirs, rand(6, 3), indices, 1)
    compare(_embedding, theirs, rand(6, 3), indices, 1, True)
    compare(_embedding, theirs, rand(6, 3), torch.tensor(2))
    compare(_embedding, theirs, torch.arange(12).reshape(6, 2), indices)


def test_errors():
    for weight, indices in (
        (rand(3, 2), rand(2)),
        (rand(3), torch.tensor([1])),
        (rand(3, 2), torch.tensor([1]).short()),
    ):
        same_error(lambda i, w: _embedding(w, i), F.embedding, indices, weight)
