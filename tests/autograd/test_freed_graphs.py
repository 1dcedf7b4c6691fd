"""What torch keeps for backward: whether a graph can run backward again after it was freed, by op and overload."""

import pytest

from tests.programs import same

#: On ``x``, which requires grad, ``o`` of its shape, and the mask ``m``.
OPS = """
x.lerp(o, 0.5)
x.lerp(o, o)
x.fmod(2)
x.fmod(o)
x.remainder(2)
x.remainder(o)
torch.xlogy(x, 2)
torch.xlogy(2, x)
torch.special.xlog1py(x, 2)
x ** 2
x ** 1
x ** 0
2 ** x
torch.float_power(x, 2)
torch.copysign(x, 2)
x.masked_fill(m, 2)
torch.where(m, x, 2)
torch.where(m, 2.0, x)
x.clamp(0, 1)
x.clamp(o, o)
x / 2
2 / x
x * 2
x + 2
2 - x
x - 2
torch.add(x, o, alpha=2)
torch.special.zeta(2, x)
torch.addcmul(x, o, o, value=2)
torch.addcdiv(x, o, o, value=2)
(x + 1).fill_(2)
x // 2
torch.div(x, 2, rounding_mode="trunc")
(x + 1).mul_(2)
(x + 1).div_(2)
x.index_fill(0, torch.tensor([0]), 2)
x.scatter(0, torch.tensor([[0]]), 2)
torch.maximum(x, o)
torch.threshold(x, 1, 2)
torch.nn.functional.leaky_relu(x, 0.1)
x.renorm(2, 0, 1)
torch.nan_to_num(x)
torch.logit(x / 2)
torch.hypot(x, o)
torch.atan2(x, o)
torch.ldexp(x, torch.tensor(2))
x.sgn()
x.abs()
x.cumsum(0)
x.triu()
x.tril()
x.sum(0)
x.mean(0)
x @ o[0]
torch.outer(x[0], o[0])
torch.kron(x, o)
torch.inner(x, o)
torch.tensordot(x, o, 2)
torch.dist(x, o)
x.norm()
torch.linalg.cross(x[:, :3], o[:, :3])
x.repeat(2, 2)
x.gather(0, torch.tensor([[0]]))
x.take(torch.tensor([0]))
x.sort().values
x.topk(1).values
x.max(0).values
x.max()
x.roll(1)
x.diff()
torch.cat([x, o])
torch.stack([x, o])
torch.nn.functional.pad(x, (1, 1))
torch.nn.functional.mse_loss(x, o)
x.var()
x.std()
x.prod()
x.logsumexp(0)
x.softmax(0)
torch.einsum("ij,ij->i", x, o)
x[:, :3].trace()
x.real
x.angle()
x.to(torch.float64)
torch.polar(x, o).real
torch.complex(x, o).real
torch.addmm(x[:, :3], o, o.t())
torch.baddbmm(x[None, :, :3], o[None], o.t()[None])
torch.rsub(x, o, alpha=3)
x.frac()
x.round()
torch.celu(x)
x.movedim(0, 1)
x.unfold(0, 2, 1)
x.cummax(0).values
x.masked_select(m)
x[torch.tensor([0])]
x.index_add(0, torch.tensor([0]), o[:1])
x.masked_scatter(m, o)
x.nansum()
torch.logaddexp(x, o)
x.quantile(0.5)
x.median()
x.kthvalue(1).values
x.mode().values
x.cumprod(0)
x.logcumsumexp(0)
x.flip(0)
x.rot90()
x.tile(2)
x.expand(2, 3, 4)
x[None] @ o.t()[None]
torch.addr(x, o[:, 0], o[0])
torch.addmv(x[:, 0], o, o[0])
x.sign()
torch.heaviside(o, o) * x
torch.nextafter(o, o) * x
torch.nn.functional.gelu(x)
x.unbind()[0]
x.select_scatter(o[0], 0, 0)
x.diag_embed()
torch.block_diag(x, o)
torch.cdist(x, o + 1)
x.put(torch.tensor([0]), o[0, :1])
torch.mvlgamma(x + 3, 2)
x.sinc()
x.rsqrt()
x.sigmoid()
torch.dropout(x, 0.0, True)
x.float_power(2)
""".strip().splitlines()


def _program(line):
    def program(torch):
        x, o = torch.full((3, 4), 1.5, requires_grad=True), torch.full((3, 4), 2.0)
        made = eval(line, {"torch": torch, "x": x, "o": o, "m": o > 1})
        name = made.grad_fn and made.grad_fn.name()
        made.sum().backward()
        try:
            made.sum().backward()
        except RuntimeError as error:
            return name, str(error)
        return name, x.grad

    return program


@pytest.mark.parametrize("line", OPS)
def test_a_graph_runs_backward_again_where_torch_has_kept_nothing(line):
    same(_program(line))


@pytest.mark.parametrize("spoil", [False, True], ids=["kept", "spoiled"])
@pytest.mark.parametrize("wanted", ["result", "input", "grad of result", "grad of input"])
def test_what_was_written_through_a_view_runs_with_what_it_was_written_to(wanted: str, spoil: bool) -> None:
    def program(torch):
        w, c = torch.ones(1, requires_grad=True), torch.full((1,), 2.0)
        y = torch.ones(4, requires_grad=True) * 2
        y.register_hook(lambda g: g * 10)
        y[1:][:1].mul_(w * c)
        if spoil:
            c.add_(1)
        found = []
        for _ in range(2):
            try:
                if wanted.startswith("grad"):
                    found.append(torch.autograd.grad(y.sum(), [y if wanted.endswith("result") else w])[0] * 1)
                else:
                    y.sum().backward(inputs=[y if wanted == "result" else w])
                    found.append((y.grad, w.grad))
            except RuntimeError as error:
                found.append(str(error))
        return found

    same(program)
