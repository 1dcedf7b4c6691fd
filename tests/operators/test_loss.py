"""Regression and probability losses against real torch."""

import pytest
import torch
import torch.nn.functional as F

from tests.operators.pure_nn import compare, rand, same_error
from torchlike._src.operators import loss as ours

REDUCTIONS = ["none", "mean", "sum"]
LONG = torch.ones(2, 3, dtype=torch.long)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_regression(reduction):
    x, y = rand(4, 5), rand(4, 5, seed=1)
    y[0] = x[0]  # the corner at zero
    for name in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"):
        compare(getattr(ours, name), getattr(F, name), x, y, reduction=reduction)
    compare(ours.smooth_l1_loss, F.smooth_l1_loss, x, y, beta=0.3, reduction=reduction)
    compare(ours.smooth_l1_loss, F.smooth_l1_loss, x, y, beta=0.0, reduction=reduction)
    compare(ours.huber_loss, F.huber_loss, x, y, delta=0.3, reduction=reduction)
    for name in ("mse_loss", "l1_loss", "huber_loss"):
        compare(getattr(ours, name), getattr(F, name), x, y, weight=rand(4, 5, seed=2).abs(), reduction=reduction)


@pytest.mark.filterwarnings("ignore")
def test_broadcast_and_legacy_arguments():
    compare(ours.mse_loss, F.mse_loss, rand(2, 3), rand(3))
    compare(ours.mse_loss, F.mse_loss, rand(2, 3), rand(2, 3), size_average=False)
    compare(ours.mse_loss, F.mse_loss, rand(2, 3), rand(2, 3), reduce=False)
    compare(ours.mse_loss, F.mse_loss, rand(2, 3), rand(2, 3), size_average=True, reduction="sum")


def test_size_mismatch_warns_as_torch_does():
    for library in (F.mse_loss, ours.mse_loss):
        with pytest.warns(UserWarning, match=r"Using a target size \(torch.Size\(\[3\]\)\) that is different"):
            library(*(t if library is F.mse_loss else t.numpy() for t in (rand(2, 3), rand(3))))


@pytest.mark.filterwarnings("ignore")
def test_regression_errors():
    same_error(ours.mse_loss, F.mse_loss, rand(2, 3), rand(2))
    same_error(ours.mse_loss, F.mse_loss, LONG, LONG)
    same_error(ours.mse_loss, F.mse_loss, rand(2, 3), rand(2, 3), reduction="foo")
    same_error(ours.l1_loss, F.l1_loss, LONG, LONG)
    same_error(ours.smooth_l1_loss, F.smooth_l1_loss, rand(2), rand(2), beta=-1.0)
    same_error(ours.huber_loss, F.huber_loss, rand(2), rand(2), delta=0.0)
    same_error(ours.smooth_l1_loss, F.smooth_l1_loss, LONG, LONG)
    same_error(ours.huber_loss, F.huber_loss, LONG, LONG)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_binary_cross_entropy(reduction):
    p, y = torch.sigmoid(rand(4, 5)), torch.sigmoid(rand(4, 5, seed=1))
    compare(ours.binary_cross_entropy, F.binary_cross_entropy, p, y, reduction=reduction)
    compare(ours.binary_cross_entropy, F.binary_cross_entropy, p, y, rand(5).abs(), grad=[0], reduction=reduction)
    corners, hard = torch.tensor([0.0, 1.0, 0.0, 1.0, 1e-30]), torch.tensor([0.0, 1.0, 1.0, 0.0, 1.0])
    compare(ours.binary_cross_entropy, F.binary_cross_entropy, corners, hard, grad=[0], reduction=reduction)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_binary_cross_entropy_with_logits(reduction):
    x, y = rand(4, 5) * 3, torch.sigmoid(rand(4, 5, seed=1))
    x[0, 0], x[0, 1] = 200.0, -200.0
    mine, theirs = ours.binary_cross_entropy_with_logits, F.binary_cross_entropy_with_logits
    compare(mine, theirs, x, y, reduction=reduction)
    compare(mine, theirs, x, y, rand(4, 1), pos_weight=rand(5).abs(), grad=[0], reduction=reduction)


def test_binary_cross_entropy_errors():
    mine, theirs = ours.binary_cross_entropy, F.binary_cross_entropy
    same_error(mine, theirs, torch.rand(2, 3), torch.rand(2))
    same_error(mine, theirs, torch.rand(2), torch.ones(2).long())
    same_error(mine, theirs, torch.rand(2), torch.rand(2), reduction="q")
    same_error(mine, theirs, torch.rand(2), torch.rand(2), torch.rand(3))
    mine, theirs = ours.binary_cross_entropy_with_logits, F.binary_cross_entropy_with_logits
    same_error(mine, theirs, rand(2, 3), rand(2))
    same_error(mine, theirs, rand(2), torch.ones(2).long())
    same_error(mine, theirs, rand(2), rand(2), pos_weight=rand(3))
    same_error(mine, theirs, rand(2), rand(2), rand(5))
    same_error(mine, theirs, LONG, LONG.float())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("reduction", [*REDUCTIONS, "batchmean"])
def test_kl_div(reduction):
    x, y = torch.log_softmax(rand(4, 5), 1), torch.softmax(rand(4, 5, seed=1), 1)
    compare(ours.kl_div, F.kl_div, x, y, reduction=reduction)
    compare(ours.kl_div, F.kl_div, x, y.log(), reduction=reduction, log_target=True)
    y = y.clone()
    y[0, 0] = 0
    compare(ours.kl_div, F.kl_div, x, y, grad=[0], reduction=reduction)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_poisson_and_gaussian_nll(reduction):
    x, y = rand(4, 5), rand(4, 5, seed=1).abs() * 3
    compare(ours.poisson_nll_loss, F.poisson_nll_loss, x, y, grad=[0], reduction=reduction)
    compare(ours.poisson_nll_loss, F.poisson_nll_loss, x.abs(), y, False, True, grad=[0], reduction=reduction)
    for var in (rand(4, 5, seed=2).abs(), rand(4, 1).abs(), rand(4).abs()):
        compare(ours.gaussian_nll_loss, F.gaussian_nll_loss, x, y, var, reduction=reduction, full=True)
    compare(ours.gaussian_nll_loss, F.gaussian_nll_loss, x, y, torch.zeros(4, 5), eps=0.1, reduction=reduction)
    same_error(ours.gaussian_nll_loss, F.gaussian_nll_loss, x, y, rand(3).abs())
