"""Bags of embeddings, renormalization and one-hot rows against real torch."""

import pytest
import torch

from tests.differential import Case, agree, check, ints, randn, table, tensor

B, E, ONE_HOT = "nn.functional.embedding_bag", "nn.functional.embedding", "nn.functional.one_hot"
TABLE = randn(6, 4)
FLAT, STARTS = tensor([1, 2, 1, 5, 0, 3, 3]), tensor([0, 2, 2, 5])
BAGS = tensor([[1, 2, 1], [5, 0, 3]])

CASES = [
    *(Case(B, BAGS, TABLE, mode=m) for m in ("sum", "mean", "max")),
    *(Case(B, FLAT, TABLE, STARTS, mode=m) for m in ("sum", "mean", "max")),
    *(Case(B, FLAT, TABLE, STARTS, mode=m, padding_idx=1) for m in ("sum", "mean", "max")),
    Case(B, FLAT, TABLE, tensor([0, 2, 7]), mode="sum", include_last_offset=True),
    Case(B, BAGS, TABLE, mode="sum", per_sample_weights=randn(2, 3)),
    # rows as often as each other: else torch divides the gradients of some by the counts of others
    Case(B, tensor([[1, 2, 1], [2, 4, 4]]), TABLE, mode="sum", scale_grad_by_freq=True),
    Case(B, FLAT.int(), TABLE, STARTS.int()),
    Case(B, FLAT, TABLE, raises=ValueError, message="equal"),
    Case(B, BAGS, TABLE, mode="x", raises=ValueError, message="equal"),
    Case(B, BAGS, TABLE, per_sample_weights=randn(2, 3), raises=NotImplementedError, message="equal"),
    Case(B, BAGS, TABLE, mode="sum", per_sample_weights=randn(2, 2), raises=ValueError, message="equal"),
    Case(B, BAGS, TABLE, mode="max", scale_grad_by_freq=True, raises=ValueError, message="equal"),
    Case(B, ints(1, 2, 3), TABLE, raises=ValueError, message="equal"),
    Case(B, BAGS, TABLE, padding_idx=9, raises=RuntimeError, message="equal"),
    Case(E, BAGS, TABLE, padding_idx=-5),
    Case(E, BAGS, TABLE, scale_grad_by_freq=True),
    Case(E, BAGS, TABLE, padding_idx=6, raises=AssertionError, message="equal"),
    Case(E, randn(2), TABLE, raises=RuntimeError, message="equal"),
    Case(ONE_HOT, BAGS),
    Case(ONE_HOT, BAGS, 8),
    Case(ONE_HOT, tensor(2)),
    Case(ONE_HOT, tensor([0, -1]), raises=RuntimeError, message="equal"),
    Case(ONE_HOT, tensor([0.0, 2.0]), raises=RuntimeError, message="equal"),
    Case(ONE_HOT, BAGS[:0], raises=RuntimeError, message="equal"),
    Case(ONE_HOT, BAGS[:0], 3),
]


@table(CASES)
def test_embedding(case):
    check(case)


def test_max_norm_scales_the_rows_that_are_used_in_place():
    def program(torch, table, indices):
        rows = torch.nn.functional.embedding(indices, table, max_norm=0.7, norm_type=1.0)
        return rows, table

    agree(program, randn(6, 4), BAGS)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("mode", ["sum", "mean"])
def test_bags_of_half_precision_are_summed_in_float32(dtype, mode):
    table, bags = randn(50, 8, dtype=dtype), ints(4, 30, high=50)
    agree(lambda lib, w, ix: lib.nn.functional.embedding_bag(ix, w, mode=mode), table, bags)
    if mode == "sum":
        factors = randn(4, 30, dtype=dtype)
        agree(
            lambda lib, w, ix, f: lib.nn.functional.embedding_bag(ix, w, mode=mode, per_sample_weights=f),
            table, bags, factors, tolerance=0.0,
        )  # fmt: skip
