"""Cross entropy and the negative log-likelihood against real torch."""

import pytest
import torch
import torch.nn.functional as F

from tests.operators.pure_nn import compare, rand, same_error
from torchlike._src.operators.loss_classification import cross_entropy, nll_loss

REDUCTIONS = ["none", "mean", "sum"]
SHAPES = [((6, 4), (6,)), ((4,), ()), ((3, 4, 5), (3, 5)), ((2, 4, 3, 5), (2, 3, 5)), ((0, 4), (0,))]


def targets(*shape: int, classes: int = 4) -> torch.Tensor:
    return torch.randint(0, classes, shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("x", "y"), SHAPES, ids=str)
def test_class_indices(x, y, reduction):
    for mine, theirs in ((cross_entropy, F.cross_entropy), (nll_loss, F.nll_loss)):
        compare(mine, theirs, rand(*x), targets(*y), reduction=reduction)
        weight = rand(4).abs()
        compare(mine, theirs, rand(*x), targets(*y), weight, grad=[0], ignore_index=1, reduction=reduction)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_label_smoothing(reduction):
    for x, y in SHAPES[:4]:
        options = {"label_smoothing": 0.2, "reduction": reduction, "ignore_index": 1}
        compare(cross_entropy, F.cross_entropy, rand(*x), targets(*y), **options)
        compare(cross_entropy, F.cross_entropy, rand(*x), targets(*y), rand(4).abs(), grad=[0], **options)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(6, 4), (4,), (3, 4, 5)], ids=str)
def test_class_probabilities(shape, reduction):
    y = torch.softmax(rand(*shape, seed=1), 1 if len(shape) > 1 else 0)
    compare(cross_entropy, F.cross_entropy, rand(*shape), y, reduction=reduction)
    compare(
        cross_entropy, F.cross_entropy, rand(*shape), y, rand(4).abs(), grad=[0, 1],
        label_smoothing=0.1, reduction=reduction,
    )  # fmt: skip


def test_extremes():
    x = torch.tensor([[1e4, 0.0, -1e4], [-float("inf"), 0.0, 1.0]])
    compare(cross_entropy, F.cross_entropy, x, torch.tensor([2, 0]), reduction="none", grad=[])
    compare(cross_entropy, F.cross_entropy, rand(2, 3), torch.full((2,), -100))  # nothing is left: NaN
    compare(cross_entropy, F.cross_entropy, rand(6, 4).bfloat16(), targets(6))
    compare(cross_entropy, F.cross_entropy, rand(6, 4), targets(6).byte())


def test_cross_entropy_errors():
    long = torch.ones(2, dtype=torch.long)
    same_error(cross_entropy, F.cross_entropy, rand(2, 3), long[:1])
    same_error(cross_entropy, F.cross_entropy, rand(2, 3), long.int())
    same_error(cross_entropy, F.cross_entropy, rand(2, 3), rand(2))
    same_error(cross_entropy, F.cross_entropy, rand(2, 3), rand(2, 4))
    same_error(cross_entropy, F.cross_entropy, rand(2, 3), long, rand(4))
    same_error(cross_entropy, F.cross_entropy, rand(2, 3), long, label_smoothing=1.5)
    same_error(cross_entropy, F.cross_entropy, rand(2, 3, 4), targets(2, 5))
    same_error(cross_entropy, F.cross_entropy, rand(2, 3, 4), long)
    same_error(cross_entropy, F.cross_entropy, rand(2, 3), long, reduction="foo")
    same_error(cross_entropy, F.cross_entropy, rand(2, 3), rand(2, 3), ignore_index=1)
    same_error(cross_entropy, F.cross_entropy, torch.ones(2, 3).long(), long)
    same_error(cross_entropy, F.cross_entropy, rand(2, 3), long, rand(3).double())
    same_error(cross_entropy, F.cross_entropy, rand(2, 3), torch.ones(2, 3).long())
    same_error(cross_entropy, F.cross_entropy, rand(2, 3), long.bool())


def test_nll_loss_errors():
    long = torch.ones(2, dtype=torch.long)
    same_error(nll_loss, F.nll_loss, rand(2, 3), torch.ones(3).long())
    same_error(nll_loss, F.nll_loss, rand(2, 3), rand(2))
    same_error(nll_loss, F.nll_loss, rand(), long)
    same_error(nll_loss, F.nll_loss, rand(2, 3, 4), long)
    same_error(nll_loss, F.nll_loss, rand(2, 3, 4, 5), targets(2, 4, 6))
    same_error(nll_loss, F.nll_loss, rand(2, 3), long, rand(4))
    same_error(nll_loss, F.nll_loss, rand(2, 3, 4, 4), long)
    same_error(nll_loss, F.nll_loss, torch.ones(2, 3).long(), long)
