"""`linear` and `bilinear` against real torch."""

import torch
import torch.nn.functional as F

from tests.operators.pure_nn import compare, rand, same_error
from torchlike._src.operators.linear import bilinear, linear


def test_linear_over_any_leading_dimensions():
    for shape in ((4, 3), (2, 4, 3), (3,), (0, 3), (2, 0, 3)):
        compare(linear, F.linear, rand(*shape), rand(5, 3), rand(5))
        compare(linear, F.linear, rand(*shape), rand(5, 3))
    compare(linear, F.linear, rand(2, 4, 3), rand(3))
    compare(linear, F.linear, rand(3), rand(3))
    compare(linear, F.linear, rand(4, 3, dtype=torch.float64), rand(5, 3, dtype=torch.float64))


def test_linear_errors():
    same_error(linear, F.linear, rand(64, 784), rand(10, 128))
    same_error(linear, F.linear, rand(2, 4, 3), rand(5, 4))
    same_error(linear, F.linear, rand(3), rand(5, 4))
    same_error(linear, F.linear, rand(4, 3), rand(5, 3), rand(4))
    same_error(linear, F.linear, rand(2, 4, 3), rand(5, 3), rand(4))
    same_error(linear, F.linear, rand(4, 3), rand(5, 3).double())
    same_error(linear, F.linear, rand(4, 3), rand(5, 3), rand(5).double())
    same_error(linear, F.linear, torch.ones(4, 3, dtype=torch.long), rand(5, 3))
    same_error(linear, F.linear, rand(4, 3), rand(2, 5, 3))


def test_bilinear():
    compare(bilinear, F.bilinear, rand(2, 3), rand(2, 4), rand(5, 3, 4), rand(5))
    compare(bilinear, F.bilinear, rand(2, 7, 3), rand(2, 7, 4), rand(5, 3, 4))
    same_error(bilinear, F.bilinear, rand(2, 3), rand(3, 4), rand(5, 3, 4))
    same_error(bilinear, F.bilinear, rand(2, 2), rand(2, 4), rand(5, 3, 4))
    same_error(bilinear, F.bilinear, rand(2, 3), rand(2, 2), rand(5, 3, 4))
    same_error(bilinear, F.bilinear, rand(2, 3), rand(2, 4), rand(5, 3, 4), rand(3))
    same_error(bilinear, F.bilinear, rand(2, 2, 3), rand(2, 4), rand(5, 3, 4))
