"""Pooling against real torch."""

import pytest
import torch
import torch.nn.functional as F

from tests.operators.pure_nn import compare, rand, same_error
from torchlike._src.operators.pooling import avg_pool1d, avg_pool2d, avg_pool3d
from torchlike._src.operators.registry import OPS

max_pool1d, max_pool3d = OPS["max_pool1d"].fn, OPS["max_pool3d"].fn
with_indices = {n: OPS[f"nn.functional.max_pool{n}d_with_indices"].fn for n in (1, 2, 3)}


def max_pool2d(*args, **kwargs):
    return with_indices[2](*args, **kwargs)[0]


WINDOWS = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": (3, 2), "stride": (1, 2)},
    {"kernel_size": 3, "stride": 1, "padding": 1},
    {"kernel_size": 2, "stride": 3},
    {"kernel_size": 2, "ceil_mode": True},
    {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
    {"kernel_size": 3},
]


@pytest.mark.parametrize("options", [*WINDOWS, {"kernel_size": 2, "stride": 2, "dilation": (2, 3)}], ids=str)
def test_max_pool2d_and_its_indices(options):
    compare(max_pool2d, F.max_pool2d, rand(2, 3, 9, 8), **options)
    compare(with_indices[2], F.max_pool2d_with_indices, rand(2, 3, 9, 8), **options)


def test_of_equal_values_the_first_wins_and_gets_the_gradient():
    x = torch.randint(0, 2, (2, 3, 8, 8), generator=torch.Generator().manual_seed(0)).float()
    for options in WINDOWS:
        compare(with_indices[2], F.max_pool2d_with_indices, x, **options)


def test_max_pool_of_nan_infinity_and_integers():
    x = rand(1, 1, 6, 6)
    x[0, 0, 1, 2], x[0, 0, 4, 4] = float("nan"), float("inf")
    x[0, 0, 4:, :2] = -float("inf")
    compare(with_indices[2], F.max_pool2d_with_indices, x, 2, grad=[])
    compare(with_indices[2], F.max_pool2d_with_indices, torch.arange(36).reshape(1, 6, 6) % 7, 3, 1, 1)


def test_max_pool_over_one_and_three_dimensions():
    compare(with_indices[1], F.max_pool1d_with_indices, rand(2, 3, 9), 3, 2, 1)
    compare(max_pool1d, F.max_pool1d, rand(3, 9), 2)
    compare(with_indices[3], F.max_pool3d_with_indices, rand(2, 3, 5, 6, 7), 2)
    compare(max_pool3d, F.max_pool3d, rand(2, 5, 6, 7), (2, 3, 2), 2, 1)
    compare(max_pool2d, F.max_pool2d, rand(0, 3, 8, 8), 2)


@pytest.mark.parametrize("options", WINDOWS, ids=str)
def test_avg_pool2d(options):
    compare(avg_pool2d, F.avg_pool2d, rand(2, 3, 9, 8), **options)
    compare(avg_pool2d, F.avg_pool2d, rand(3, 9, 8), count_include_pad=False, **options)
    compare(avg_pool2d, F.avg_pool2d, rand(2, 3, 9, 8, dtype=torch.float64), divisor_override=5, **options)


def test_avg_pool_over_one_and_three_dimensions():
    compare(avg_pool1d, F.avg_pool1d, rand(2, 3, 9), 3, 2, 1)
    compare(avg_pool3d, F.avg_pool3d, rand(2, 3, 5, 6, 7), 3, 2, 1, True, False)
    compare(avg_pool2d, F.avg_pool2d, torch.arange(64).reshape(1, 8, 8) - 30, 2)


def test_max_pool_errors():
    x = rand(2, 3, 8, 8)
    same_error(max_pool2d, F.max_pool2d, x, 3, 0)
    same_error(max_pool2d, F.max_pool2d, x, 3, padding=2)
    same_error(max_pool2d, F.max_pool2d, x, 3, padding=-1)
    same_error(max_pool2d, F.max_pool2d, x, (2, 2, 2))
    same_error(max_pool2d, F.max_pool2d, x, 2, stride=(1, 2, 3))
    same_error(max_pool2d, F.max_pool2d, x, 2, dilation=0)
    same_error(max_pool2d, F.max_pool2d, x.bool(), 2)
    same_error(max_pool2d, F.max_pool2d, rand(8, 8), 3)
    same_error(max_pool2d, F.max_pool2d, rand(2, 3, 2, 2), 3)
    same_error(max_pool2d, F.max_pool2d, rand(2, 0, 8, 8), 2)
    same_error(max_pool1d, F.max_pool1d, rand(8), 2)
    same_error(max_pool1d, F.max_pool1d, rand(3, 8), 9)
    same_error(max_pool1d, F.max_pool1d, rand(2, 3, 8), 2, padding=2)
    same_error(max_pool3d, F.max_pool3d, rand(3, 8, 8), 2)
    same_error(max_pool3d, F.max_pool3d, rand(2, 3, 2, 8, 8), 3)


def test_avg_pool_errors():
    x = rand(2, 3, 8, 8)
    same_error(avg_pool2d, F.avg_pool2d, x, 3, padding=2)
    same_error(avg_pool2d, F.avg_pool2d, x, 3, 0)
    same_error(avg_pool2d, F.avg_pool2d, x, 2, divisor_override=0)
    same_error(avg_pool2d, F.avg_pool2d, rand(2, 3, 2, 2), 3)
    same_error(avg_pool1d, F.avg_pool1d, rand(8), 2)
    same_error(avg_pool3d, F.avg_pool3d, rand(8, 8), 2)
