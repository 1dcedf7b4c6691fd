"""Adaptive, fractional and un-pooling against real torch."""

import torch

from tests.differential import Case, agree, check, ints, randn, table, tensor

F = "nn.functional."
NAN, INF = float("nan"), float("inf")
CASES = [
    *(
        Case(F + f"adaptive_{kind}_pool{n}d", randn(2, 3, *(7, 6, 5)[:n]), size)
        for kind in ("avg", "max")
        for n in (1, 2, 3)
        for size in (1, 3)
    ),
    *(Case(F + f"adaptive_{kind}_pool2d", randn(3, 8, 6), (None, 4)) for kind in ("avg", "max")),
    Case(F + "adaptive_max_pool2d", randn(2, 3, 7, 5), (3, 2), return_indices=True),
    Case(F + "adaptive_max_pool2d", ints(2, 3, 7, 5, high=2).float(), (3, 2), return_indices=True),
    *(Case("adaptive_max_pool1d", tensor([[NAN, 1.0, NAN, 2.0, INF, INF, -INF, -INF]]), size) for size in (1, 2, 3, 4, 8, 10)),
    Case(F + "adaptive_max_pool2d", randn(0, 3, 5, 4), 2, return_indices=True),
    Case("adaptive_max_pool1d", randn(2, 3, 7), 3),
    Case("adaptive_avg_pool1d", randn(3, 7), 10),
    Case(F + "adaptive_avg_pool2d", randn(8, 8), 2, raises=RuntimeError, message="equal"),
    Case(F + "adaptive_max_pool2d", randn(8, 8), 2, raises=RuntimeError, message="equal"),
    Case(F + "adaptive_avg_pool2d", ints(2, 3, 8, 8), 2, raises=NotImplementedError, message="equal"),
    Case(F + "adaptive_avg_pool2d", randn(2, 3, 8, 8), (2, 2, 2), raises=RuntimeError, message="equal"),
    Case(F + "adaptive_avg_pool2d", randn(2, 3, 8, 8), (-1, 2), raises=RuntimeError, message="equal"),
    Case(F + "adaptive_avg_pool2d", randn(2, 3, 0, 8), 2, raises=RuntimeError, message="equal"),
    Case(F + "adaptive_avg_pool1d", randn(8), 2, raises=RuntimeError, message="equal"),
    Case(F + "max_unpool2d", randn(1, 2, 2, 2), tensor([[[[0, 3], [8, 10]], [[5, 2], [9, 15]]]]), 2),
    Case(F + "max_unpool1d", randn(2, 2), tensor([[0, 3], [1, 2]]), 2),
    Case(F + "max_unpool2d", randn(1, 1, 2, 2), ints(1, 1, 2, 3), 2, raises=RuntimeError, message="equal"),
    Case(F + "max_unpool2d", randn(1, 1, 2, 2), randn(1, 1, 2, 2), 2, raises=RuntimeError, message="equal"),
    Case(F + "max_unpool2d", randn(1, 1, 2, 2), ints(1, 1, 2, 2), 2, output_size=(9, 9), raises=ValueError, message="equal"),
    Case(
        F + "fractional_max_pool2d",
        randn(2, 3, 8, 9),
        (2, 3),
        output_size=(4, 5),
        return_indices=True,
        _random_samples=torch.rand(2, 3, 2),
    ),
    Case(F + "fractional_max_pool3d", randn(2, 6, 7, 8), 2, output_ratio=0.5, _random_samples=torch.rand(1, 2, 3)),
    Case(F + "fractional_max_pool2d", randn(1, 2, 8, 8), 2, raises=ValueError, message="equal"),
    Case(F + "fractional_max_pool2d", randn(1, 2, 8, 8), 9, output_size=4, raises=RuntimeError, message="equal"),
    Case(F + "lp_pool2d", randn(2, 3, 6, 7).abs(), 2.0, 2),
    Case(F + "lp_pool1d", randn(2, 3, 7).abs(), 3.0, 3, stride=2, ceil_mode=True),
]


@table(CASES)
def test_adaptive_pooling(case):
    check(case)


def test_unpooling_undoes_pooling_at_the_maxima():
    def program(torch, x):
        pooled, where = torch.nn.functional.max_pool2d(x, 2, return_indices=True)
        return torch.nn.functional.max_unpool2d(pooled, where, 2, output_size=x.shape)

    agree(program, randn(2, 3, 7, 6))
