"""Scaled dot-product attention against real torch."""

import torch
import torch.nn.functional as F

from tests.operators.pure_nn import compare, rand, same_error
from torchlike._src.operators.attention import _scaled_dot_product_attention as ours


def theirs(query, key, value, attn_mask=None, is_causal=False, scale=None, enable_gqa=False):
    """torch's, in our order of arguments."""
    return F.scaled_dot_product_attention(query, key, value, attn_mask, 0.0, is_causal, scale=scale, enable_gqa=enable_gqa)


def test_without_mask_causal_and_scaled():
    q, k, v = rand(2, 3, 5, 4), rand(2, 3, 7, 4), rand(2, 3, 7, 6)
    compare(ours, theirs, q, k, v)
    compare(ours, theirs, q, k, v, None, True)
    compare(ours, theirs, q, k, v, None, False, 0.3)
    compare(ours, theirs, rand(5, 4), rand(7, 4), rand(7, 4))
    compare(ours, theirs, q.bfloat16(), k.bfloat16(), v.bfloat16(), None, True)


def test_masks():
    q, k, v = rand(2, 3, 5, 4), rand(2, 3, 7, 4), rand(2, 3, 7, 4)
    keep = rand(2, 1, 5, 7) > -0.5
    compare(ours, theirs, q, k, v, keep)
    compare(ours, theirs, q, k, v, rand(5, 7), grad=[0, 1, 2])
    none = torch.ones(5, 7, dtype=torch.bool)
    none[2] = False
    compare(ours, theirs, q, k, v, none)


def test_grouped_queries():
    compare(ours, theirs, rand(2, 6, 5, 4), rand(2, 2, 7, 4), rand(2, 2, 7, 4), None, False, None, True)


def test_errors():
    q, k, v = rand(2, 3, 4), rand(2, 5, 4), rand(2, 5, 6)
    same_error(ours, theirs, rand(4), rand(4), rand(4))
    same_error(ours, theirs, q, k, v.double())
    same_error(ours, theirs, q, k, v, torch.ones(3, 5).bool(), True)
    same_error(ours, theirs, q, k, v, torch.ones(3, 5).long())
    same_error(ours, theirs, q, k, v, torch.ones(3, 5).double())
    same_error(ours, theirs, q, rand(2, 5, 3), v)
    same_error(ours, theirs, q, k, rand(2, 6, 6))
    same_error(ours, theirs, rand(2, 8, 3, 4), rand(2, 3, 5, 4), rand(2, 3, 5, 4), None, False, None, True)
