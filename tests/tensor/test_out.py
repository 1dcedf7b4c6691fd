"""``out=``: which dtypes, sizes, strides and overlaps it may have, what a factory fills, and where autograd stands in the way."""

import warnings
from typing import Any

import pytest

from tests.differential import agree

#: Results of one dtype into an ``out`` of another.
DTYPES = """
torch.add(x, y, out=Z(2, 3, dtype=torch.int64))
torch.add(x, y, out=Z(2, 3, dtype=torch.complex64))
torch.div(i, i + 1, out=Z(2, 3, dtype=torch.int64))
torch.eq(x, y, out=Z(2, 3, dtype=torch.uint8))
torch.sum(x, 0, out=Z(3, dtype=torch.int64))
torch.sum(x, 0, dtype=torch.float64, out=Z(3))
torch.nansum(x, 0, out=Z(3, dtype=torch.int64))
torch.prod(x, 0, out=Z(3, dtype=torch.int64))
torch.prod(i, 0, out=Z(3))
torch.cumsum(x, 0, out=Z(2, 3, dtype=torch.int64))
torch.cumprod(x, 0, dtype=torch.float64, out=Z(2, 3))
torch.mean(x, 0, out=Z(3, dtype=torch.float64))
torch.all(x, 0, out=Z(3))
torch.all(x, 0, out=Z(3, dtype=torch.uint8))
torch.any(x.byte(), 0, out=Z(3, dtype=torch.bool))
torch.any(x, 0, out=Z(3, dtype=torch.int64))
torch.logsumexp(i, 0, out=Z(3, dtype=torch.int64))
torch.median(x, 0, out=(Z(3, dtype=torch.float64), Z(3, dtype=torch.int64)))
torch.median(x, 0, out=(Z(3), Z(3)))
torch.nanmedian(x, 0, out=(Z(3), Z(3)))
torch.kthvalue(x, 1, 0, out=(Z(3), Z(3)))
torch.kthvalue(x, 1, 0, out=(Z(3, dtype=torch.float64), Z(3, dtype=torch.int64)))
torch.mode(x, out=(Z(2), Z(2)))
torch.frexp(x, out=(Z(2, 3), Z(2, 3, dtype=torch.int64)))
torch.cat([x, y], out=Z(4, 3, dtype=torch.int64))
torch.stack([x, y], out=Z(2, 2, 3, dtype=torch.int64))
torch.hstack([x, i], out=Z(2, 6, dtype=torch.int64))
torch.cat([i, i], out=Z(4, 3))
torch.mv(x, v, out=Z(2, dtype=torch.float64))
torch.addbmm(Z(2, 2), x[None], x.T[None], out=Z(2, 2, dtype=torch.float64))
torch.take(x, L(0, 1), out=Z(2, dtype=torch.float64))
torch.masked_select(x, x > 2, out=Z(4, dtype=torch.float64))
torch.nonzero(x, out=Z(6, 2))
torch.clamp(x, 0, 1, out=Z(2, 3, dtype=torch.float64))
torch.clamp_min(x, y, out=Z(2, 3, dtype=torch.int64))
torch.clamp_min(x, y, out=Z(2, 3, dtype=torch.float64))
torch.abs(x * 1j, out=Z(2, 3, dtype=torch.float64))
torch.abs(x * 1j, out=Z(2, 3, dtype=torch.int64))
torch.heaviside(x, y, out=Z(2, 3, dtype=torch.float64))
torch.polar(x, y, out=Z(2, 3))
torch.histc(x, 3, out=Z(3, dtype=torch.float64))
torch.bucketize(x, v, out=Z(2, 3))
torch.searchsorted(v, x, out_int32=True, out=Z(2, 3, dtype=torch.int64))
torch.fft.fft(x, out=Z(2, 3))
torch.fft.rfftn(x, out=Z(2, 3))
torch.nn.functional.logsigmoid(x, out=Z(2, 3, dtype=torch.float64))
torch.linalg.eigvals(x[:, :2], out=Z(2))
torch.linalg.eig(x[:, :2], out=(Z(2), Z(2, 2)))
torch.linalg.matrix_power(x[:, :2], 2, out=Z(2, 2, dtype=torch.float64))
torch.arange(3, dtype=torch.float64, out=Z(3))
torch.zeros(3, dtype=torch.float64, out=Z(3))
torch.full((2,), 3, dtype=torch.int64, out=Z(2))
torch.full((2,), 3.5, out=Z(2, dtype=torch.int64))
torch.linspace(0, 1, 3, dtype=torch.float64, out=Z(3))
torch.eye(2, 3, dtype=torch.float64, out=Z(2, 3))
torch.zeros(3, out=Z(3), layout=torch.sparse_coo)
torch.rand(3, out=Z(3, dtype=torch.float64))
torch.rand(3, out=Z(3, dtype=torch.int64))
torch.randn(3, out=Z(3, dtype=torch.bool))
torch.randint(3, (3,), out=Z(3))
torch.normal(v, 1.0, out=Z(3, dtype=torch.float64))
torch.normal(v, v, out=Z(0))
torch.normal(v[:1], 1.0, out=Z(0))
torch.normal(0.0, 1.0, (3,), out=Z(3, dtype=torch.int64))
torch.randperm(3, dtype=torch.int32, out=Z(3, dtype=torch.int64))
""".strip().splitlines()

#: What is no ``out`` at all.
KINDS = """
torch.add(x, y, out=[Z(2, 3)])
torch.cat([x], out=(Z(2, 3),))
torch.max(x, 0, out=(Z(3), 3))
torch.sort(x, out=(Z(2, 3),))
torch.zeros(3, out=3)
""".strip().splitlines()

MEMORY = """
o = Z(0); torch.normal(v[:1], v[:1], out=o); o
o = Z(3, 2).T; torch.add(x, y, out=o); (o, o.stride())
o = Z(2, 6)[:, ::2]; torch.cumsum(x, 1, out=o); (o, o.stride(), o._base)
o = Z(2, 6)[:, ::2]; torch.sort(x, out=(o, Z(2, 3, dtype=torch.int64))); (o, o.stride(), o._base)
o = Z(2, 6)[:, ::2]; torch.arange(6.0, out=o); (o, o.stride())
o = Z(2, 6)[:, ::2]; torch.rand(2, 3, out=o); (o, o.stride())
o = Z(4, 3); torch.add(x, y, out=o[1:3]); o
torch.add(x, y, out=Z(3).expand(2, 3))
torch.arange(3, out=Z(1).expand(3))
a = torch.arange(6.0); torch.add(a[:5], 1, out=a[1:])
a = torch.arange(6.0); torch.add(a[:3], 1, out=a[3:]); a
a = torch.arange(6.0); torch.cat([a[:2], a[2:4]], out=a[:4])
a = torch.arange(4.0).view(2, 2); torch.stack([a[0], a[1]], out=a)
a = torch.arange(6.0); torch.index_select(a, 0, L(1, 0, 2, 3, 4, 5), out=a)
a = torch.arange(6.0); torch.gather(a, 0, L(1, 0, 2, 3, 4, 5), out=a)
a = torch.arange(4.0).view(2, 2); torch.add(a, a.T, out=a)
""".strip().splitlines()

GRAD = """
torch.add(p, y, out=Z(2, 3))
torch.add(x, y, out=Z(2, 3).requires_grad_())
torch.max(p, 0, out=(Z(3), Z(3, dtype=torch.int64)))
torch.sort(p, out=(Z(2, 3), Z(2, 3, dtype=torch.int64)))
torch.where(x > 2, p, y, out=Z(2, 3))
torch.eq(p, y, out=Z(2, 3, dtype=torch.bool))
torch.argmax(p, 0, out=Z(3, dtype=torch.int64))
torch.linalg.inv(p[:, :2], out=Z(2, 2))
torch.linalg.solve(p[:, :2], y, out=Z(2, 3))
torch.linalg.qr(p, out=(Z(2, 2), Z(2, 3)))
torch.linalg.cholesky(torch.eye(2).requires_grad_(), out=Z(2, 2))
torch.complex(p, p, out=Z(2, 3, dtype=torch.complex64))
torch.masked_select(p, p > 2, out=Z(4))
torch.bernoulli(p * 0, out=Z(2, 3))
torch.normal(p, 1.0, out=Z(2, 3))
torch.zeros(3, out=Z(3).requires_grad_())
torch.full((2,), 1.0, out=Z(2).requires_grad_())
torch.arange(3, out=Z(3).requires_grad_())
torch.rand(3, out=Z(3).requires_grad_())
torch.zeros(3, out=Z(3), requires_grad=True)
""".strip().splitlines()

RESIZED = """
torch.add(x, y, out=Z(7))
torch.add(x, y, out=Z(0))
torch.sort(x, out=(Z(4), Z(5, dtype=torch.int64)))
torch.masked_select(x, x > 2, out=Z(7))
torch.diag(v, out=Z(7))
torch.linalg.inv(torch.eye(2), out=Z(7))
torch.zeros(2, out=Z(7))
torch.eye(2, out=Z(7))
torch.linspace(0, 1, 3, out=Z(7))
torch.linspace(0, 1, 4, out=Z(2, 2))
torch.rand(3, out=Z(7))
torch.arange(5, out=Z(2))
torch.arange(4, out=Z(2, 2))
""".strip().splitlines()


def _run(line: str, torch: Any) -> Any:
    """The value of the last of the statements of a line."""
    x = torch.arange(6.0).reshape(2, 3) + 1
    names = {
        "torch": torch, "Z": torch.zeros, "L": lambda *values: torch.tensor(values), "x": x, "y": x * 2, "v": torch.arange(3.0),
        "i": torch.arange(6).reshape(2, 3), "p": x.clone().requires_grad_(),
    }  # fmt: skip
    *before, last = line.split(";")
    exec("\n".join(statement.strip() for statement in before), names)
    return eval(last.strip(), names)


@pytest.mark.parametrize("line", [*DTYPES, *KINDS, *MEMORY, *GRAD])
def test_what_out_may_be(line: str) -> None:
    agree(lambda torch: _run(line, torch))


@pytest.mark.parametrize("line", RESIZED)
def test_out_of_another_size_is_resized_with_torchs_warning(line: str) -> None:
    def program(torch: Any) -> Any:
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            made = _run(line, torch)
        return made, [str(w.message).partition(" (Triggered")[0] for w in seen]

    agree(program)
