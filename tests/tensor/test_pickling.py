"""Plain pickles of tensors and functions, and tensors that change places."""

import pickle

import pytest

import torchlike
import torchlike.fft
import torchlike.linalg
import torchlike.nn.functional
import torchlike.special
from tests.programs import Table, programs, same
from torchlike._src.tensor.install import public_names

PICKLES = Table()


def again(x):
    return pickle.loads(pickle.dumps(x))


@PICKLES
def tensors(torch):
    x = torch.arange(4.0)
    return again(x), again(x.view(2, 2).t()), again(x[1:3]), again(x.to(torch.bfloat16)), again(torch.tensor(1 + 2j))


@PICKLES
def leaves(torch):
    x = torch.ones(2, requires_grad=True)
    p = again(torch.nn.Parameter(x.detach()))
    return again(x).requires_grad, p, type(p).__name__


@PICKLES
def shared_storages(torch):
    x = torch.arange(4.0)
    a, b = again((x, x[:2]))
    a.zero_()
    return b


@programs(PICKLES)
def test_pickles(program):
    same(program)


# Ours under ATen's names are no attributes of a module, what `torch.ops` shows of them pickles itself; torch's three upsamplers are wrapped where they stand.
_UNREACHABLE = ("_C.", "ops.aten.", "nn.functional.upsample")


@pytest.mark.parametrize("name", [n for n in public_names() if not n.startswith(_UNREACHABLE)])
def test_functions_are_found_where_they_say(name):
    assert again(public_names()[name]) is public_names()[name]


@pytest.mark.parametrize("name", "add add_ view expand __add__ __matmul__ __rsub__ float new_ones normal_".split())
def test_methods_are_found_where_they_say(name):
    method = getattr(torchlike.Tensor, name)
    assert again(method) is method


SWAPS = Table()


@SWAPS
def plain_tensors(torch):
    a, b = torch.ones(2), torch.zeros(3, 3)
    a.tag = "a"
    first = a
    torch.utils.swap_tensors(a, b)
    return a, b, b.tag, hasattr(a, "tag"), first is a


@SWAPS
def a_parameter_and_a_tensor(torch):
    layer = torch.nn.Linear(2, 1, bias=False)
    weight = layer.weight
    torch.utils.swap_tensors(layer.weight, torch.nn.Parameter(torch.ones(1, 2)))
    layer(torch.ones(1, 2)).sum().backward()
    return weight is layer.weight, weight.grad, type(weight).__name__


@programs(SWAPS)
def test_swaps(program):
    same(program)
