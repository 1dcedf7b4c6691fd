"""In-place forms: what they write, and what they refuse, line by line as torch does."""

import pytest

from tests.differential import agree
from tests.programs import run_line

LINES = """
h[0] = 1e6; h
i.bitwise_and_(x)
i.bitwise_and_(1.5)
i.cumsum_(0, dtype=torch.float32)
x.cumsum_(0, dtype=torch.float64)
x.cumprod_(0, dtype=torch.int64)
b.cumsum_(0)
Z(2).addmm_(x, y.T)
Z(2).baddbmm_(x[None], y.T[None])
x.copy_(1)
x.addr_(v[:2], v, beta=1j)
x.renorm_(2, 0, 1j)
x.index_fill_(0, L(0.), 1.)
x.put_(L(0, 1), L(1.))
x.add_(1j)
i.add_(x)
b.add_(i)
b.mul_(2)
b.sub_(1)
b.neg_()
b.bitwise_and_(i)
b.abs_()
b.sign_()
i.div_(2)
i.floor_divide_(2)
i.remainder_(2.5)
i.pow_(2.)
i.exp_()
i.reciprocal_()
i.addcmul_(i, i, value=1.5)
i.lerp_(i, 0.5)
i.hypot_(i)
i.lgamma_()
i.trunc_()
i.fill_(1.5)
i.copy_(x)
x.lt_(1)
x.bitwise_and_(y)
c.abs_()
c.imag.mul_(2); c
c.clamp_(0)
c.conj_physical_()
x.sgn_()
i.float_power_(2)
u8.sub_(300)
u8.add_(-1)
u8.fill_(-1)
h.add_(x)
h.fill_(1e6)
i.cumsum_(0)
x.add_(Z(4))
v.mul_(x)
v.copy_(x)
v.lerp_(x, 0.5)
v.where(x > 1, x)
v.atan2_(x)
Z(3).addmv_(x, v)
Z(2,2).addbmm_(x[None], y.T[None])
Z(1,2,2).baddbmm_(x[None].double(), y.T[None])
v.fill_(torch.tensor(2.))
v.masked_fill_(v, 1)
v.index_copy_(0, L(0), i[0,:1])
v.index_put_((L(0,1,2),), x)
v.scatter_add_(0, L(0,1,2), i[0])
v[0] = 1j; v
v[L(0,1)] = L(1, 2); v
x[:, 0] = L(1,2); x
i[i > 2] = 1.7; i
b[0] = 2; b
u8[0] = -1; u8
i32[0, 0] = 2**40; i32
e=v.expand(2,3); e.add_(1)
e=v.expand(2,3); e.fill_(1); v
e=v.expand(2,3); e[0].add_(1); v
e=v.expand(2,3); e.scatter_(0, L([0,1,0]), 0.)
e=v.expand(2,3); torch.relu_(e)
e=v.expand(2,3); e.fill_diagonal_(1)
e=v.expand(2,3); e.eq_(1)
e=v.expand(2,3); e.put_(L(0), L(1.))
e=v.expand(2,3); e.squeeze_(); e
e=v.expand(3,3); e.addmm_(x.T, x)
e=v.expand(2,3); e.lerp_(x, .5)
e=v.expand(2,3); F.hardtanh_(e)
e=v.expand(2,3); F.mish(e, inplace=True)
e=v.expand(2,3); e.set_(v); e
a=torch.arange(6.); a[:3].add_(a[3:]); a
a=torch.arange(4.).reshape(2,2); a.mul_(a[0])
a=torch.arange(4.); a[1:].copy_(a[:-1])
a=torch.arange(4.); a.scatter_(0, L(0,1), a[:2])
a=torch.arange(4.); a.masked_fill_((a > 1), a[0])
a=torch.arange(4.); a[1:].addcmul_(a[:-1], a[:-1])
x.requires_grad_().zero_()
x.requires_grad_(); x.view(6).add_(1)
x.requires_grad_(); x.copy_(y)
x.requires_grad_(); x.index_fill_(0, L(0), 1)
x.requires_grad_(); F.relu(x, inplace=True)
x.requires_grad_(); x.squeeze_(0)
x.requires_grad_(); i.add_(x)
x.requires_grad_(); y.copy_(x); (y.requires_grad, y.is_leaf)
x.requires_grad_(); y[0].add_(x[0]); (y.requires_grad, y.is_leaf)
x.requires_grad_(); a, b_ = (x*1).unbind(0); a.add_(1)
x.requires_grad_(); torch.no_grad().__enter__(); z = x.view(-1); torch.set_grad_enabled(True); z.add_(1)
i //= 2; i
i %= 2.5
i |= b
b &= b; b
b += 1
x &= 1
x += 'a'
v += x
i %= 0
torch.tensor(1) - x
i.add_(i, alpha=1.5)
b.add_(b, alpha=True)
x.add_(1, beta=3)
x.triu_(1); x
v.fill_diagonal_(0)
x.transpose_(0, 5)
x.squeeze_(5)
torch.relu_(i)
torch.sigmoid_(i)
torch.celu_(x); x
torch.clamp_(x, 1, 0); x
torch.fill_(x, 1j)
i.xlogy_(i)
i.heaviside_(x)
i.digamma_()
i.erfinv_()
i.expm1_()
i.addr_(i[:,0], i[0], alpha=1.5)
x.scatter_reduce_(0, L([0,0,0]), y, 'foo')
x.scatter_(0, L([0,0,0]), i)
x.index_copy_(0, L(5), y[:1])
""".strip().splitlines()


@pytest.mark.parametrize("line", LINES)
def test_writes_and_refuses_as_torch_does(line: str) -> None:
    agree(lambda torch: run_line(line, torch))
