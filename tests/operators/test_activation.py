"""Activations against real torch."""

import pytest
import torch
import torch.nn.functional as F

from tests.operators.pure_nn import compare, rand, same_error
from torchlike._src.operators import activation as ours

POINTWISE = [
    (ours.relu, F.relu, ()),
    (ours.relu6, F.relu6, ()),
    (ours.hardtanh, F.hardtanh, ()),
    (ours.hardtanh, F.hardtanh, (-2.0, 0.5)),
    (ours.leaky_relu, F.leaky_relu, (0.2,)),
    (ours.elu, F.elu, (0.7,)),
    (ours.selu, F.selu, ()),
    (ours.celu, F.celu, (1.3,)),
    (ours.gelu, F.gelu, ()),
    (ours.silu, F.silu, ()),
    (ours.mish, F.mish, ()),
    (ours.hardswish, F.hardswish, ()),
    (ours.hardsigmoid, F.hardsigmoid, ()),
    (ours.hardshrink, F.hardshrink, (0.4,)),
    (ours.softshrink, F.softshrink, (0.4,)),
    (ours.tanhshrink, F.tanhshrink, ()),
    (ours.softsign, F.softsign, ()),
    (ours.threshold, F.threshold, (0.1, 20.0)),
    (ours.logsigmoid, F.logsigmoid, ()),
    (ours.softplus, F.softplus, ()),
    (ours.softplus, F.softplus, (2.0, 1.5)),
]
IDS = [f"{a.__name__}{c}" for a, _, c in POINTWISE]
EDGES = [0.0, -0.0, 1.0, -1.0, 3.0, -3.0, 6.0, 0.4, -0.4, 0.1, -100.0, 100.0, 1000.0, -1000.0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize(("mine", "theirs", "args"), POINTWISE, ids=IDS)
def test_pointwise_values_and_gradients_also_at_the_corners(mine, theirs, args, dtype):
    compare(mine, theirs, torch.cat([rand(40, dtype=dtype) * 4, torch.tensor(EDGES, dtype=dtype)]), *args)


@pytest.mark.parametrize(("mine", "theirs", "args"), POINTWISE, ids=IDS)
def test_pointwise_keeps_nan_and_infinity(mine, theirs, args):
    values = [float("nan"), float("inf"), -float("inf")]
    if mine in (ours.gelu, ours.hardswish):
        values = values[:1]  # torch's vectorised kernels have NaN for an infinity here, which is no one's wish
    compare(mine, theirs, torch.tensor(values), *args, grad=[])


@pytest.mark.parametrize(("mine", "theirs", "args"), POINTWISE, ids=IDS)
def test_integers_and_bools_do_what_they_do_in_torch(mine, theirs, args):
    for x in (torch.tensor([[1, -2], [3, 7]]), torch.tensor([True, False])):
        if mine in (ours.tanhshrink, ours.softsign):
            continue  # promoted by the dispatcher
        try:
            theirs(x, *args)
        except Exception:
            same_error(mine, theirs, x, *args)
        else:
            compare(mine, theirs, x, *args)


def test_gelu_by_tanh_and_its_error():
    compare(ours.gelu, F.gelu, rand(50) * 3, approximate="tanh")
    same_error(ours.gelu, F.gelu, rand(3), approximate="x")


def test_prelu():
    compare(ours.prelu, F.prelu, rand(2, 3, 4), rand(3))
    compare(ours.prelu, F.prelu, rand(2, 3, 4), rand(1))
    compare(ours.prelu, F.prelu, rand(5), rand(1))
    same_error(ours.prelu, F.prelu, rand(2, 3), rand(2))
    same_error(ours.prelu, F.prelu, rand(2, 3), rand(3).double())
    same_error(ours.prelu, F.prelu, rand(), rand(3))
    same_error(ours.prelu, F.prelu, rand(2, 3), rand(3, 1))


def test_glu():
    compare(ours.glu, F.glu, rand(4, 6))
    compare(ours.glu, F.glu, rand(2, 6, 3), 1)
    compare(ours.glu, F.glu, torch.full((1, 2), -100.0))
    same_error(ours.glu, F.glu, rand(3))
    same_error(ours.glu, F.glu, rand())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax(name, dtype):
    mine, theirs = getattr(ours, name), getattr(torch, name)
    for shape, dim in (((3, 5), 1), ((3, 5), 0), ((2, 3, 4), -2), ((), 0), ((0, 3), 1), ((3, 0), 1)):
        compare(mine, theirs, rand(*shape, dtype=dtype) * 3, dim)
    compare(mine, theirs, rand(3, 5), 1, dtype=None)
    compare(mine, theirs, torch.tensor([[-float("inf")] * 3, [1e4, 0, -1e4]]), 1, grad=[])


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_errors(name):
    mine, theirs = getattr(ours, name), getattr(torch, name)
    same_error(mine, theirs, torch.ones(2, 2, dtype=torch.long), -1)
    same_error(mine, theirs, torch.ones(2, 2, dtype=torch.long), 0)
    same_error(mine, theirs, rand(2, 2), 3)


def test_argument_errors():
    same_error(ours.softshrink, F.softshrink, rand(3), -1.0)
    same_error(ours.celu, F.celu, rand(3), 0.0)
    same_error(ours.hardtanh, F.hardtanh, torch.ones(3, dtype=torch.uint8), -1.0, 1.0)
