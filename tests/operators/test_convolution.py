"""Convolutions against real torch."""

import pytest
import torch
import torch.nn.functional as F

from tests.operators.pure_nn import compare, rand, same_error
from torchlike._src.operators import convolution as ours

#: torch says it once a process, at whichever of these comes first.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")

CONV2D = [
    ((2, 3, 8, 8), (4, 3, 3, 3), {}),
    ((2, 3, 8, 9), (4, 3, 3, 3), {"padding": 1}),
    ((2, 3, 9, 8), (4, 3, 3, 3), {"padding": 1, "stride": 2}),
    ((2, 3, 8, 8), (4, 3, 1, 1), {"stride": 2}),
    ((2, 3, 8, 8), (4, 3, 1, 1), {}),
    ((2, 1, 7, 7), (4, 1, 3, 3), {}),
    ((2, 3, 11, 9), (4, 3, 3, 2), {"padding": (2, 1), "stride": (3, 2), "dilation": (2, 3)}),
    ((2, 3, 8, 8), (4, 3, 4, 3), {"padding": "same"}),
    ((2, 3, 8, 8), (4, 3, 3, 3), {"padding": "same", "dilation": 2}),
    ((2, 3, 8, 8), (4, 3, 3, 3), {"padding": "valid"}),
    ((2, 4, 8, 8), (6, 2, 3, 3), {"groups": 2, "padding": 1}),
    ((2, 4, 8, 8), (8, 1, 3, 3), {"groups": 4, "stride": 2}),
    ((2, 4, 8, 8), (4, 1, 3, 3), {"groups": 4, "padding": 1}),
    ((3, 8, 8), (4, 3, 3, 3), {}),
    ((0, 3, 8, 8), (4, 3, 3, 3), {}),
    ((2, 3, 8, 8), (4, 3, 8, 8), {}),
    ((2, 3, 10, 10), (4, 3, 5, 5), {"stride": 4, "padding": 2}),
    ((2, 16, 12, 12), (32, 16, 3, 3), {"padding": 1}),
    ((2, 3, 16, 16), (8, 3, 7, 7), {"padding": 3, "stride": 2}),
    # one for each way of lowering: many positions, few, filters that outweigh the images, in one and in many portions
    ((3, 2, 20, 18), (4, 2, 3, 3), {}),
    ((3, 2, 20, 37), (4, 2, 3, 3), {"padding": 1, "stride": (1, 2)}),
    ((4, 16, 4, 4), (32, 16, 3, 3), {"padding": 1}),
    ((40, 4, 8, 8), (64, 4, 9, 9), {"padding": 4}),
    ((5, 8, 24, 24), (16, 8, 1, 1), {"stride": 2}),
]


@pytest.mark.parametrize(("x", "w", "options"), CONV2D, ids=str)
def test_conv2d(x, w, options):
    compare(ours.conv2d, F.conv2d, rand(*x), rand(*w), rand(w[0]), scale=3, **options)


@pytest.mark.parametrize(("x", "w", "options"), CONV2D[::3], ids=str)
def test_conv2d_in_double_precision(x, w, options):
    compare(ours.conv2d, F.conv2d, rand(*x, dtype=torch.float64), rand(*w, dtype=torch.float64), **options)


def test_conv2d_in_half_precision_and_integers():
    compare(ours.conv2d, F.conv2d, rand(2, 3, 8, 8).bfloat16(), rand(4, 3, 3, 3).bfloat16(), scale=4)
    ones = torch.arange(2 * 3 * 64).reshape(2, 3, 8, 8)
    compare(ours.conv2d, F.conv2d, ones, torch.arange(27 * 4).reshape(4, 3, 3, 3), padding=1)


def test_conv1d():
    compare(ours.conv1d, F.conv1d, rand(2, 3, 10), rand(4, 3, 3), rand(4), stride=2, padding=1)
    compare(ours.conv1d, F.conv1d, rand(2, 4, 10), rand(4, 2, 4), groups=2, padding="same")
    compare(ours.conv1d, F.conv1d, rand(3, 10), rand(4, 3, 3), dilation=3)


def test_conv3d():
    compare(ours.conv3d, F.conv3d, rand(2, 3, 5, 6, 7), rand(4, 3, 3, 3, 2), rand(4), padding=1, stride=(1, 2, 1))
    compare(ours.conv3d, F.conv3d, rand(2, 4, 5, 5, 5), rand(4, 2, 2, 2, 2), groups=2)


@pytest.mark.parametrize(
    "options",
    [
        {}, {"stride": 2}, {"stride": 2, "padding": 1}, {"stride": 2, "padding": 1, "output_padding": 1},
        {"dilation": 2}, {"stride": 3, "dilation": (2, 1), "output_padding": (2, 1)}, {"padding": 2},
    ],
    ids=str,
)  # fmt: skip
def test_conv_transpose2d(options):
    compare(ours.conv_transpose2d, F.conv_transpose2d, rand(2, 4, 5, 6), rand(4, 3, 3, 3), rand(3), **options)
    compare(ours.conv_transpose2d, F.conv_transpose2d, rand(2, 4, 5, 6), rand(4, 3, 3, 2), groups=2, **options)


def test_conv_transpose_over_one_and_three_dimensions():
    compare(ours.conv_transpose1d, F.conv_transpose1d, rand(2, 4, 5), rand(4, 3, 3), rand(3), stride=2)
    compare(ours.conv_transpose1d, F.conv_transpose1d, rand(4, 5), rand(4, 3, 3), padding=1)
    compare(ours.conv_transpose3d, F.conv_transpose3d, rand(2, 4, 3, 4, 5), rand(4, 2, 2, 3, 2), stride=2, padding=1)


ERRORS = [
    ((2, 1, 8, 8), (4, 3, 3, 3), {}),
    ((2, 3, 2, 2), (4, 3, 3, 3), {}),
    ((8, 8), (4, 3, 3, 3), {}),
    ((1, 8, 8), (4, 3, 3, 3), {}),
    ((2, 4, 8, 8), (3, 2, 3, 3), {"groups": 2}),
    ((2, 3, 8, 8), (4, 3, 3, 3), {"stride": 0}),
    ((2, 3, 8, 8), (4, 3, 3, 3), {"padding": -1}),
    ((2, 3, 8, 8), (4, 3, 3, 3), {"dilation": 0}),
    ((2, 3, 8, 8), (4, 3, 3, 3), {"stride": 2, "padding": "same"}),
    ((2, 3, 8, 8), (4, 3, 3, 3), {"padding": "foo"}),
    ((2, 3, 8, 8), (4, 3, 3, 3), {"stride": (1, 2, 3)}),
    ((2, 3, 8, 8), (4, 3, 3, 3), {"padding": (1, 1, 1)}),
    ((2, 3, 8, 8), (4, 3, 3, 3), {"groups": 0}),
    ((2, 3, 8, 8), (0, 3, 3, 3), {}),
    ((2, 3, 0, 8), (4, 3, 3, 3), {}),
]


@pytest.mark.parametrize(("x", "w", "options"), ERRORS, ids=str)
def test_conv2d_errors(x, w, options):
    same_error(ours.conv2d, F.conv2d, rand(*x), rand(*w), **options)


def test_dtype_and_bias_errors():
    same_error(ours.conv2d, F.conv2d, rand(2, 3, 8, 8), rand(4, 3, 3, 3), rand(5))
    same_error(ours.conv2d, F.conv2d, rand(2, 3, 8, 8), rand(4, 3, 3, 3).double())
    same_error(ours.conv2d, F.conv2d, rand(2, 3, 8, 8), rand(4, 3, 3, 3), rand(4).double())
    same_error(ours.conv2d, F.conv2d, torch.ones(2, 3, 8, 8, dtype=torch.long), rand(4, 3, 3, 3))


def test_conv_transpose_errors():
    x, w = rand(2, 4, 8, 8), rand(4, 3, 3, 3)
    same_error(ours.conv_transpose2d, F.conv_transpose2d, rand(2, 3, 8, 8), w)
    same_error(ours.conv_transpose2d, F.conv_transpose2d, x, w, output_padding=1)
    same_error(ours.conv_transpose2d, F.conv_transpose2d, x, w, output_padding=-1)
    same_error(ours.conv_transpose2d, F.conv_transpose2d, x, w, rand(4))
    same_error(ours.conv_transpose2d, F.conv_transpose2d, x, w, groups=3)
    same_error(ours.conv_transpose2d, F.conv_transpose2d, rand(8, 8), w)
    same_error(ours.conv_transpose2d, F.conv_transpose2d, x, w, padding="same", message=False)
