"""Strides of results where inputs are not contiguous: every op, on inputs that lie in memory in different ways."""

import random

import pytest
import torch

from tests import differential
from tests.programs import same

LAYOUTS = {
    "contiguous": lambda torch: torch.ones(4, 3),
    "transposed": lambda torch: torch.ones(3, 4).t(),
    "every second column": lambda torch: torch.ones(3, 8)[:, ::2],
    "expanded": lambda torch: torch.ones(3, 1).expand(3, 4),
    "a slice of permuted dimensions": lambda torch: torch.ones(2, 3, 4).permute(2, 0, 1)[:, 0],
    "three dimensions": lambda torch: torch.ones(4, 3, 5).permute(0, 2, 1),
}

#: On a tensor ``c`` of ones.
OPS = """
c.index_put((i,), v, accumulate=True)
c.index_put((i,), v)
c.index_put((i, i), v)
c.index_add(0, i, rows)
c.index_copy(0, i, rows)
c.index_fill(0, i, 2)
c.index_fill(0, i, v)
c.index_reduce(0, i, rows, "prod")
c.index_select(0, i)
c.put(i, torch.ones(2))
c.take(i)
c.gather(0, at)
c.take_along_dim(at, 0)
c.scatter(0, at, 1.)
c.scatter(0, at, rows[:1])
c.scatter(0, at, rows, reduce="add")
c.scatter_add(0, at, rows)
c.scatter_reduce(0, at, rows, "sum")
c.select_scatter(c[0], 0, 0)
c.slice_scatter(c[:2], 0, 0, 2)
c.diagonal_scatter(torch.zeros_like(c.diagonal()))
c.as_strided_scatter(torch.ones(2), (2,), (1,))
c.masked_fill(c > 0, 1)
c.masked_scatter(c > 0, torch.ones(120))
c.masked_select(c > 0)
c.nonzero()
c.argwhere()
torch.einsum("...i->i...", c)
torch.where(c > 0, c, c)
torch.cat([c, c])
torch.stack([c, c])
torch.addcmul(c, c, c)
torch.bucketize(c, torch.ones(2))
torch.bernoulli(c)
torch.rand_like(c)
torch.zeros_like(c)
torch.complex(c, c)
torch.polar(c, c)
torch.heaviside(c, c)
torch.isin(c, i)
torch.unique(c, dim=0)
torch.dropout(c, 0.5, True)
torch.std_mean(c, 0)
torch.tensordot(c, c, c.ndim)
torch.trapezoid(c)
torch.cumulative_trapezoid(c)
torch.gradient(c)[0]
torch.linalg.cross(c, c, dim=1) if c.shape[1] == 3 else c
torch.fft.fft(c)
c.renorm(2, 0, 1)
c.cumsum(0)
c.cumprod(0)
c.logcumsumexp(0)
c.cummax(0)
c.sort(0)
c.sort(-1)
c.topk(2)
c.kthvalue(1)
c.median(0)
c.mode(0)
c.quantile(0.5, 0)
c.flip(0)
c.rot90()
c.roll(1, 0)
c.roll(1)
c.triu()
c.diff()
c.repeat(2, 2, 2)
c.tile(2)
c.repeat_interleave(2, 0)
c.sum(0, keepdim=True)
c.prod(0)
c.mean(0)
c.var(0)
c.norm(dim=0)
c.logsumexp(0)
c.max(0, keepdim=True)
c.argmax(0, keepdim=True)
c.aminmax(dim=0)
c.count_nonzero(0)
c.softmax(0)
c.lerp(c, 0.5)
c.clamp(0)
c.clone()
c.to(torch.float64)
c.frexp()
c.long() & 1
c.unsqueeze(0) + 1
c @ torch.ones(c.shape[-1], 2)
F.pad(c, (1, 1))
F.relu6(c)
F.gelu(c)
F.logsigmoid(c)
F.softplus(c)
F.mish(c)
F.hardtanh(c)
F.threshold(c, 0, 1)
F.glu(c[..., :2])
F.normalize(c)
F.layer_norm(c, c.shape[-1:])
F.one_hot(c.long())
F.mse_loss(c, c, reduction="none")
F.l1_loss(c, c, reduction="none")
F.binary_cross_entropy(c, c, reduction="none")
F.kl_div(c, c, reduction="none")
F.avg_pool1d(c, 2)
F.max_pool1d(c, 2)
torch.nan_to_num(c)
torch.prelu(c, torch.tensor([0.1]))
torch.rrelu(c)
""".strip().splitlines()

#: What torch lays out otherwise. The list can only shrink.
DIFFERENT = {
    *((f"c.{name}_scatter", "every second column") for name in ("select", "slice", "diagonal", "as_strided")),  # its gaps, too
    *(("c.rot90()", name) for name in ("contiguous", "every second column", "expanded", "three dimensions")),
    *(("torch.rrelu(c)", name) for name in ("transposed", "a slice of permuted dimensions", "three dimensions")),
    ("F.glu", "three dimensions"),  # the stride of a dimension of size 1
    ("F.avg_pool1d", "three dimensions"),  # the same
}


def _program(line, layout):
    def program(torch):
        c = LAYOUTS[layout](torch)
        names = {
            "torch": torch, "F": torch.nn.functional, "c": c, "i": torch.tensor([1, 2]), "v": torch.tensor(2.0),
            "rows": torch.ones(2, *c.shape[1:]), "at": torch.ones(2, *[1] * (c.ndim - 1), dtype=torch.int64),
        }  # fmt: skip
        made = eval(line, names)
        made = made if isinstance(made, tuple) else (made,)
        return [(tuple(t.shape), t.stride()) for t in made]

    return program


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("line", OPS)
def test_results_lie_in_memory_as_in_torch(line, layout):
    if any(line.startswith(start) and layout == where for start, where in DIFFERENT):
        ours, theirs = _program(line, layout)(differential.library), _program(line, layout)(torch)
        assert ours != theirs, "it is as in torch now: take it off the list"
    else:
        same(_program(line, layout))


def _indexed(seed: int):
    """Tensors of all layouts, indexed by integers, slices, None and index tensors that are views themselves."""

    def program(torch):
        r, found = random.Random(seed), []
        for _ in range(40):
            n = r.randrange(1, 5)
            x = torch.zeros([r.choice([1, 2, 3]) for _ in range(n)]).permute(r.sample(range(n), n))
            x = x[tuple([slice(None, None, r.choice([1, 1, 2])) for _ in range(n)])]
            key = []
            for _ in range(n):
                kind = r.randrange(4)
                if kind == 3:
                    index = torch.zeros(r.choice([(2,), (), (3, 2), (1,), (2, 1)]), dtype=torch.int64)
                    turn = r.choice([lambda i: i, lambda i: i.t() if i.ndim else i, lambda i: i[..., None].expand(*i.shape, 2)])
                    key.append(turn(index))
                else:
                    key += [[slice(None)], [None, slice(None)], [0]][kind]
            try:
                made = x[tuple(key)]
                found.append((tuple(made.shape), made.stride()))
            except IndexError as error:  # shapes of indices that do not broadcast
                found.append(str(error))
        return found

    return program


@pytest.mark.parametrize("seed", range(10))
def test_what_is_indexed_lies_in_memory_as_in_torch(seed):
    same(_indexed(seed))
