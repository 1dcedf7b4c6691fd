"""Arguments of a wrong type: torch's exception and words, and the position as the caller counted."""

import pickle

import numpy as np
import pytest
import torch

from tests import differential
from tests.programs import same

#: On ``x`` of shape (2, 3).
WRONG = """
x.transpose('a', 1)
torch.transpose(x, 'a', 1)
torch.transpose(3, 0, 1)
x.transpose(0.5, 1)
x.unsqueeze('a')
x.unsqueeze((0,))
x.select('a', 0)
x.select(0, 1.5)
x.flatten('a')
x.cumsum('a')
torch.cumsum(x, 'a')
torch.cumsum(3, 0)
x.cumsum((0, 1))
x.softmax('a')
torch.softmax(x, 0.5)
x.unbind('a')
x.size('a')
x.chunk('a')
x.chunk(1.5)
x.argmax('a')
x.argmax(0.5, True)
x.mean((0, 'a'))
x.flip('a')
x.flip((0, 'a'))
torch.flip(x, (0, 'a'))
x.roll('a')
x.repeat('a')
x.tile('a')
x.topk('a')
x.kthvalue('a')
x.unfold(0, 'a', 1)
x.gather(0, 3)
torch.gather(x, 0, 3)
x.gather('a', 0)
x.index_select('a', 0)
x.tril('a')
x.diagonal('a')
x.unflatten('a', (1, 2))
x.add('a')
x.add_('a')
torch.add(x, 'a')
x.mul_([1])
x.mm(3)
torch.mm(x, 3)
x.matmul(3)
x.addmm(3, x)
torch.relu(3)
torch.nn.functional.relu(3)
torch.nn.functional.linear(x, 3)
torch.bincount(3)
torch.stack(3)
torch.cat(3)
torch.cat([3])
torch.cat([x, 3])
torch.linalg.inv(3)
torch.fft.fft(x, 'a')
torch.histc(x, 'a')
torch.cross(x, 3)
torch.add(x, np.ones(3))
x.mul_(np.ones(3))
torch.div(x, np.ones(3))
torch.div(x, 'a')
torch.atan2(x, np.ones(3))
torch.sin(np.ones(3))
torch.relu(np.ones(3))
torch.matmul(x, np.ones(3))
torch.cat([x, np.ones(3)])
torch.stack([x, None])
torch.nn.functional.gelu(np.ones(3))
torch.nn.functional.linear(x, np.ones((3, 3)))
torch.nn.Linear(3, 2)(np.ones((2, 3), np.float32))
torch.nn.ReLU()(np.ones(3))
torch.nn.Embedding(3, 2)(np.zeros(2, int))
torch.nn.BatchNorm1d(3)(np.ones((2, 3), np.float32))
torch.nn.LayerNorm(3)(np.ones((2, 3), np.float32))
torch.nn.Sequential(torch.nn.Linear(3, 2))([1.0, 2.0, 3.0])
torch.split(x, 'a')
x.split(1.5)
x.split([1, 'a'])
x.split_with_sizes([1, 1.5])
x.chunk(torch.tensor([1, 1]))
x.chunk(torch.tensor(1.5))
torch.randn('a')
torch.randn(2, 1.5)
torch.randn(torch.tensor(2.0))
torch.randint('a', (2,))
torch.randint(2.5, (2,))
torch.randint(True, (2,))
torch.randint(3, (2, 'a'))
torch.normal(0.0, 1.0, (1, 'a'))
torch.eye(True)
torch.allclose(x, 1)
torch.equal(x, 'a')
torch.einsum('ij', 1)
torch.einsum('ij,jk', x, 1)
torch.add(x, torch.float32)
torch.full((2,), torch.float32)
x.fill_(torch.device('cpu'))
torch.zeros(torch.strided)
torch.zeros()
torch.ones()
torch.empty()
x.new_zeros()
x.new_empty()
x.repeat()
x.expand()
x.permute()
x.reshape()
torch.flip(x)
x.tile()
x.sum_to_size()
x.resize_()
x.backward(1, 2, 3, 4, 5, 6)
torch.broadcast_tensors(x, 3)
torch.meshgrid(x[0], 'a', indexing='ij')
torch.meshgrid([x[0], 1.5], indexing='ij')
torch.cartesian_prod(x[0], 'a')
torch.hstack('a')
torch.vstack([x, 'a'])
torch.column_stack(3)
torch.masked_select(x, 'a')
torch.take_along_dim(x, 3)
torch.istft(x, 4, window='a')
torch.as_strided(x, 'a', (1,))
torch.as_strided(x, (2,), (1.5,))
torch.nn.functional.softshrink(3)
torch.fft.fftn(x, 'a')
torch.fft.fftn(x, None, 'a')
torch.rot90(x, 1.5)
torch.cov(x, correction=1.5)
torch.roll(x, 'a')
torch.mvlgamma(x, 1.5)
torch.renorm(x, 2, 0.5, 1)
torch.unfold_copy(x, 0, 1, 1.5)
torch.tensor([1, 2]).bincount(None, 'a')
"""


@pytest.mark.parametrize("line", WRONG.strip().splitlines())
def test_an_argument_of_a_wrong_type_is_told_as_in_torch(line: str) -> None:
    def program(torch):
        x = torch.ones(2, 3)
        return eval(line, {"torch": torch, "x": x, "np": np})

    same(program)
    with pytest.raises((TypeError, AttributeError)):
        program(torch)


@pytest.mark.parametrize(
    "line",
    ["x.sum('a')", "x.squeeze('a')", "x.narrow('a', 0, 1)", "x.sort('a')", "x.movedim('a', 0)", "x.clamp('a')", "x.pow('a')"],
)
def test_where_torch_lists_overloads_the_argument_is_named(line: str) -> None:
    name = line[2:].partition("(")[0]
    with pytest.raises(TypeError, match=rf"^{name}\(\): argument '\w+' \(position 1\) must be .*, not str"):
        eval(line, {"x": differential.library.ones(2, 3)})


@pytest.mark.parametrize("line", [
    "x.split(n)", "torch.split(x, n, 1)", "x.chunk(n)", "x.tensor_split(n)", "x.hsplit(torch.tensor(3))", "x.vsplit(n)",
    "x.repeat_interleave(n)", "torch.eye(n)", "x.tensor_split(torch.tensor([1]))", "x.sum(n - 1)", "torch.roll(x, n)",
    "torch.cumsum(x, n - 1)", "x.softmax(n - 1)", "torch.triu(x, n)", "x.mean(n - 1, keepdim=True)",
])  # fmt: skip
def test_a_tensor_of_one_integer_is_an_int(line: str) -> None:
    same(lambda torch: eval(line, {"torch": torch, "x": torch.arange(6.0).view(2, 3), "n": torch.tensor(2)}))


@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("line", [
    "x.sum(dim=i)", "x.mean(i, True)", "x.cumsum(i)", "x.softmax(np.int32(0))", "torch.triu(x, i)", "torch.roll(x, i)",
    "torch.flip(x, [i])", "x.var(i)", "torch.nn.functional.layer_norm(x, [np.int64(3)])", "torch.nn.functional.normalize(x, dim=i)",
    "torch.nn.functional.conv2d(x[None, None], x[None, None, :1, :1], stride=i)", "torch.nn.functional.pad(x, (i, 1))",
    "torch.nn.functional.cross_entropy(x, torch.tensor([0, 1]), ignore_index=np.int64(-100), label_smoothing=np.float32(0.5))",
    "torch.nn.functional.layer_norm(x, (3,), eps=np.float64(1e-5))", "torch.nn.functional.max_pool1d(x, i)", "x.topk(i)",
])  # fmt: skip
def test_numpy_numbers_are_numbers(line: str, grad: bool) -> None:
    def program(torch):
        x = torch.arange(6.0).view(2, 3).requires_grad_(grad)
        result = eval(line, {"torch": torch, "x": x, "np": np, "i": np.int64(1)})
        return [r.detach() if isinstance(r, torch.Tensor) else r for r in (result if isinstance(result, tuple) else (result,))]

    same(program)


@pytest.mark.parametrize("line", [
    "torch.ones(2, 3).expand(-2, 3)", "torch.ones(1, 3).expand(-2, 3)", "torch.ones(3).expand(-2, 3)",
    "torch.ones(3).expand(-1, 3)", "torch.ones(2, 1).expand(3, -5)", "torch.ones(2, 1).expand(2, -5)", "torch.einsum('ij')",
    "torch.einsum('ij', [])", "torch.tensor(torch.float32)", "torch.tensor([torch.device('cpu')])",
    "torch.ones(2, 3).tensor_split(torch.tensor(1.5))", "torch.ones(2)[torch.float32]",
    "torch.nn.functional.batch_norm(torch.ones(2, 3), torch.ones(3), None, training=True)",
    "torch.nn.functional.instance_norm(torch.ones(2, 3, 4), None, torch.ones(3))",
    "torch.randint_like(torch.ones(2), 3, device='a')",
])  # fmt: skip
def test_what_is_wrong_with_a_value_is_told_as_in_torch(line: str) -> None:
    same(lambda torch: eval(line, {"torch": torch}))
    with pytest.raises((RuntimeError, ValueError, IndexError)):
        eval(line)


def test_randint_like_needs_an_end() -> None:
    x = differential.library.ones(2)
    for wrong in ((), (2.5,), (1, 2.5), (1, 2, 3)):
        with pytest.raises(TypeError, match=r"^randint_like\(\)"):
            differential.library.randint_like(x, *wrong)


def test_an_argument_by_name_has_no_position() -> None:
    same(lambda torch: torch.ones(2, 3).transpose(dim0="a", dim1=1))


def test_a_failed_call_leaves_no_second_exception_behind() -> None:
    with pytest.raises(TypeError) as caught:
        differential.library.ones(2).cumsum("a")
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


def test_functions_that_explain_themselves_are_still_found_by_name() -> None:
    ours = differential.library
    for fn in (ours.transpose, ours.relu, ours.linalg.inv, ours.nn.functional.softmax, ours.squeeze):
        assert pickle.loads(pickle.dumps(fn)) is fn
