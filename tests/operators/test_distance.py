"""Distances of pairs against real torch."""

import torch

from tests.differential import Case, check, ints, randn, table

X, Y = randn(4, 5), randn(4, 5, salt=1)
CASES = [
    *(
        Case("nn.functional.pairwise_distance", X, Y, p=p, keepdim=k)
        for p in (1.0, 2.0, 3.0, float("inf"))
        for k in (True, False)
    ),
    Case("pairwise_distance", X, X),
    Case("nn.functional.pairwise_distance", X, Y[:1]),
    Case("nn.functional.pairwise_distance", ints(2, 3), ints(2, 3)),
    Case("nn.functional.cosine_similarity", X, Y),
    Case("nn.functional.cosine_similarity", X, Y, dim=0),
    Case("nn.functional.cosine_similarity", randn(2, 3, 4), randn(3, 4, salt=1), dim=-1),
    Case("nn.functional.cosine_similarity", X * 1e-9, Y),
    Case("nn.functional.cosine_similarity", torch.zeros(2, 3), randn(2, 3), grad=False),
    Case("nn.functional.pairwise_distance", X, randn(4, 6), raises=RuntimeError, message="equal"),
    Case("nn.functional.cosine_similarity", X, randn(4), raises=RuntimeError, message="equal"),
    Case("nn.functional.cosine_similarity", X, Y, dim=3, raises=IndexError, message="equal"),
    Case("nn.functional.cosine_similarity", ints(2, 3), ints(2, 3), raises=RuntimeError, message="equal"),
]


@table(CASES)
def test_distances(case):
    check(case)
