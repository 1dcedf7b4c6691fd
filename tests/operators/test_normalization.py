"""Normalization against real torch."""

import pytest
import torch
import torch.nn.functional as F

from tests.operators.pure_nn import compare, rand, same_error
from torchlike._src.operators import normalization as ours


def batch_norm_and_new_moments(x, mean, var, weight, bias, momentum, eps):
    """torch's result, and the running moments that it left behind."""
    mean = None if mean is None else mean.detach().clone()
    var = None if var is None else var.detach().clone()
    result = F.batch_norm(x, mean, var, weight, bias, True, momentum, eps)
    return result, mean, var


@pytest.mark.parametrize("shape", [(8, 3), (4, 3, 5), (4, 3, 5, 6), (2, 3, 3, 4, 5)], ids=str)
def test_batch_norm_in_training(shape):
    x = rand(*shape) * 3 + 1
    moments = rand(3), rand(3).abs()
    compare(
        ours.batch_norm_train, batch_norm_and_new_moments,
        x, *moments, rand(3), rand(3), 0.1, 1e-5, grad=[0, 3, 4], scale=4,
    )  # fmt: skip
    compare(ours.batch_norm_train, batch_norm_and_new_moments, x, *moments, None, None, 0.3, 1e-3, grad=[0], scale=4)


@pytest.mark.parametrize("shape", [(8, 3), (4, 3, 5, 6)], ids=str)
def test_batch_norm_in_evaluation(shape):
    def theirs(x, mean, var, weight, bias, eps):
        return F.batch_norm(x, mean, var, weight, bias, False, 0.1, eps)

    compare(ours.batch_norm_eval, theirs, rand(*shape), rand(3), rand(3).abs(), rand(3), rand(3), 1e-5, grad=[0, 3, 4])
    compare(ours.batch_norm_eval, theirs, rand(*shape), rand(3), rand(3).abs(), None, None, 1e-5, grad=[0])


def test_batch_norm_errors():
    def theirs(x, mean, var, weight, bias, momentum, eps):
        return F.batch_norm(x, mean, var, weight, bias, True, momentum, eps)

    mine = ours.batch_norm_train
    same_error(mine, theirs, rand(2, 3), rand(2), rand(3), None, None, 0.1, 1e-5)
    same_error(mine, theirs, rand(2, 3), rand(3), rand(4), None, None, 0.1, 1e-5)
    same_error(mine, theirs, rand(2, 3), rand(3), rand(3), rand(2), None, 0.1, 1e-5)
    same_error(mine, theirs, rand(2, 3), rand(3), rand(3), rand(3), rand(1), 0.1, 1e-5)
    same_error(mine, theirs, torch.ones(2, 3, dtype=torch.long), rand(3), rand(3), None, None, 0.1, 1e-5)
    same_error(mine, theirs, rand(2, 3).double(), rand(3), rand(3), None, None, 0.1, 1e-5)
    same_error(mine, theirs, rand(2, 3), rand(3), rand(3), rand(3).double(), None, 0.1, 1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_layer_norm(dtype):
    x, w, b = rand(4, 3, 8, dtype=dtype), rand(8, dtype=dtype), rand(8, dtype=dtype)
    compare(ours.layer_norm, F.layer_norm, x, (8,), w, b, scale=3)
    compare(ours.layer_norm, F.layer_norm, x, (8,), scale=3)
    compare(ours.layer_norm, F.layer_norm, x, (3, 8), rand(3, 8, dtype=dtype), scale=3)
    compare(ours.layer_norm, F.layer_norm, rand(0, 3), (3,))


def test_layer_norm_errors():
    same_error(ours.layer_norm, F.layer_norm, rand(2, 3), (4,))
    same_error(ours.layer_norm, F.layer_norm, rand(2, 3), ())
    same_error(ours.layer_norm, F.layer_norm, rand(2, 3), (3,), rand(2))
    same_error(ours.layer_norm, F.layer_norm, rand(2, 3), (3,), rand(3), rand(2))
    same_error(ours.layer_norm, F.layer_norm, torch.ones(2, 3, dtype=torch.long), (3,))
    same_error(ours.layer_norm, F.layer_norm, rand(2, 3), 3)
    same_error(ours.layer_norm, F.layer_norm, rand(2, 3), (3,), rand(3).double())


def test_group_norm():
    compare(ours._group_norm, F.group_norm, rand(2, 6, 4, 5), 3, rand(6), rand(6), scale=3)
    compare(ours._group_norm, F.group_norm, rand(2, 6, 4), 1, scale=3)
    same_error(ours._group_norm, F.group_norm, rand(2, 6), 4)
    same_error(ours._group_norm, F.group_norm, rand(2, 6, 3), 2, rand(5))
    same_error(ours._group_norm, F.group_norm, torch.ones(2, 6, 3, dtype=torch.long), 2)


def test_rms_norm():
    compare(ours.rms_norm, F.rms_norm, rand(4, 3, 8), (8,), rand(8))
    compare(ours.rms_norm, F.rms_norm, rand(4, 3, 8), (3, 8), None, 1e-3)
    same_error(ours.rms_norm, F.rms_norm, rand(2, 3), (4,))
    same_error(ours.rms_norm, F.rms_norm, rand(2, 3), (3,), rand(2))
    same_error(ours.rms_norm, F.rms_norm, torch.ones(2, 3, dtype=torch.long), (3,))


def test_local_response_norm():
    for size in (2, 3, 5):
        compare(ours._local_response_norm, F.local_response_norm, rand(2, 6, 4, 4), size, 0.3, 0.7, 1.5)
