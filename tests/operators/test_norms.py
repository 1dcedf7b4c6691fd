"""Norms of nothing, and in half precision, against real torch."""

import math

import torch

from tests.differential import Case, check, randn, table

CASES = [
    *(
        Case("linalg.matrix_norm", torch.zeros(shape), order, dim, keepdim)
        for shape in ((2, 0), (3, 2, 0))
        for order, dim in ((1, (-1, -2)), (math.inf, (-2, -1)), (2, (-2, -1)), ("nuc", (-2, -1)))
        for keepdim in (False, True)
    ),
    *(Case("linalg.matrix_norm", torch.zeros(3, 2, 0), order, dim) for order, dim in ((1, (-2, -1)), (math.inf, (-1, -2)))),
    *(
        Case("linalg.matrix_norm", torch.zeros(shape), order, dim, keepdim, raises=IndexError, message="equal")
        for shape in ((2, 0), (3, 2, 0))
        for order, dim in ((-1, (-2, -1)), (-math.inf, (-1, -2)), (-2, (-2, -1)))
        for keepdim in (False, True)
    ),
    *(Case("linalg.matrix_norm", randn(2, 3).half(), order, raises=RuntimeError, message="equal") for order in (2, -2, "nuc")),
    Case("linalg.matrix_norm", randn(2, 3).half(), 1),
    Case("linalg.vecdot", randn(2, 300).bfloat16(), randn(2, 300).bfloat16() + 1),
    *(
        Case("addr", torch.tensor([[True, False]]), torch.tensor([True]), torch.tensor([False, True]), beta=b, alpha=a)
        for a in (0, 1, True)
        for b in (0, 2, False)
    ),
]


@table(CASES)
def test_norms(case):
    check(case)
