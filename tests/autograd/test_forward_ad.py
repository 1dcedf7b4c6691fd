"""Forward mode: dual tensors through ops, views, writes, the tape and user's functions, as in torch."""

import pytest

from tests.programs import Table, programs, same

PROGRAMS = Table()


def seeds(torch, *shape):
    """(values, tangents)"""
    n = torch.arange(float(torch.tensor(shape).prod())).reshape(shape)
    return (n * 0.7).sin(), (n * 1.3).cos()


def unpacked(torch, *tensors):
    return [tuple(torch.autograd.forward_ad.unpack_dual(t)) for t in tensors]


@PROGRAMS
def ops_carry_tangents(torch):
    fw = torch.autograd.forward_ad
    with fw.dual_level():
        d = fw.make_dual(*seeds(torch, 3, 4))
        w = seeds(torch, 4, 2)[0]
        return unpacked(
            torch, d.exp(), d @ w, d.softmax(1), d.sort(1)[0], torch.cat([d, d * d]), d.floor(), d > 0, torch.ones_like(d)
        )


@PROGRAMS
def kernels_with_a_gradient_written_by_hand(torch):
    fw, F = torch.autograd.forward_ad, torch.nn.functional
    with fw.dual_level():
        d = fw.make_dual(*seeds(torch, 2, 3, 4, 4))
        return unpacked(
            torch, F.max_pool2d(d, 2), F.batch_norm(d, None, None, training=True), F.embedding(torch.tensor([1, 0]), d[0, 0])
        )


@PROGRAMS
def views_and_writes_carry_tangents(torch):
    fw = torch.autograd.forward_ad
    with fw.dual_level():
        base = torch.zeros(2, 3)
        early = base[0]
        d = fw.make_dual(*seeds(torch, 3))
        early.copy_(d)
        late = base.t()[1:]
        late.mul_(2)
        d2 = d.clone()
        d2[1] = 5.0
        return unpacked(torch, base, early, late, d2, base.view(-1).zero_(), base)


@PROGRAMS
def writing_to_a_dual_writes_to_its_tangent(torch):
    fw = torch.autograd.forward_ad
    x, t = seeds(torch, 3)
    with fw.dual_level():
        d = fw.make_dual(x, t)
        d.mul_(3)
        return x, t, fw.unpack_dual(d).tangent is t


@PROGRAMS
def tangents_end_with_their_level(torch):
    fw = torch.autograd.forward_ad
    x, t = seeds(torch, 3)
    with fw.dual_level():
        d = fw.make_dual(x, t)
        y = d * 2
        plain = unpacked(torch, d.detach(), fw.unpack_dual(d).primal * 2)
        with fw._set_fwd_grad_enabled(False):
            off = unpacked(torch, d * 2, d)
        with torch.no_grad():
            on = unpacked(torch, d * 2)
    return plain, off, on, unpacked(torch, y)


@PROGRAMS
def a_tangent_that_lies_otherwise_is_copied(torch):
    fw = torch.autograd.forward_ad
    with fw.dual_level():
        tangent = seeds(torch, 3, 2)[1].t()
        d = fw.make_dual(seeds(torch, 2, 3)[0], tangent)
        kept = fw.unpack_dual(d).tangent
        return kept, kept.stride(), kept is tangent


@PROGRAMS
def gradients_flow_through_values_and_tangents(torch):
    fw = torch.autograd.forward_ad
    x, t = (s.requires_grad_() for s in seeds(torch, 3))
    with fw.dual_level():
        y, moved = fw.unpack_dual(fw.make_dual(x, t) ** 3)
        return torch.autograd.grad(moved.sum(), [x, t], retain_graph=True), torch.autograd.grad(y.sum(), x)


@PROGRAMS
def backward_of_dual_tensors_is_dual(torch):
    fw = torch.autograd.forward_ad
    x, t = seeds(torch, 4)
    with fw.dual_level():
        d = fw.make_dual(x.requires_grad_(), t)
        (g,) = torch.autograd.grad((d.exp() * d).sum(), d)
        return unpacked(torch, g)


@PROGRAMS
def a_function_with_its_own_jvp(torch):
    fw = torch.autograd.forward_ad

    class Scale(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a, b, n):
            ctx.save_for_forward(a, b)
            ctx.n = n
            return a * b * n, a > 0

        @staticmethod
        def jvp(ctx, ta, tb, tn):
            a, b = ctx.saved_tensors
            assert tn is None
            return (ta * b + a * tb) * ctx.n, None

    a, t = seeds(torch, 3)
    with fw.dual_level():
        return unpacked(torch, *Scale.apply(fw.make_dual(a, t), a + 1, 2))


@PROGRAMS
def a_dual_tensor_shows_its_tangent(torch):
    fw = torch.autograd.forward_ad
    with fw.dual_level():
        return str(fw.make_dual(torch.tensor([1.0, 2.0]), torch.tensor([0.5, 1.0])))


@PROGRAMS
def a_window_on_a_part_of_a_storage(torch):
    base = torch.arange(20.0)
    part = base[5:15].requires_grad_()
    part.as_strided((2, 3), (1, 4), 3).sum().backward()
    return part.grad


@programs(PROGRAMS)
def test_agrees_with_torch(program):
    same(program)


REFUSED = {
    "no level": lambda torch, fw, x: fw.make_dual(x, x),
    "nested": lambda torch, fw, x: [fw.enter_dual_level(), fw.enter_dual_level()],
    "integers": lambda torch, fw, x: [fw.enter_dual_level(), fw.make_dual(x.long(), x)],
    "another shape": lambda torch, fw, x: [fw.enter_dual_level(), fw.make_dual(x, x[:2])],
    "twice": lambda torch, fw, x: [fw.enter_dual_level(), fw.make_dual(fw.make_dual(x, x), x)],
    "out=": lambda torch, fw, x: [fw.enter_dual_level(), torch.exp(fw.make_dual(x, x), out=x.clone())],
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_refuses_what_torch_refuses(name):
    def program(torch):
        fw = torch.autograd.forward_ad
        try:
            REFUSED[name](torch, fw, torch.ones(3))
        except Exception as error:
            return type(error).__name__, str(error)
        finally:
            if name != "no level":
                fw.exit_dual_level()

    same(program)


class Wrong:
    """Twice the identity, whose forward mode says it is the identity."""

    @staticmethod
    def of(torch):
        class Double(torch.autograd.Function):
            @staticmethod
            def forward(ctx, a):
                return a * 2

            @staticmethod
            def backward(ctx, g):
                return g * 2

            @staticmethod
            def jvp(ctx, t):
                return t.clone()

        return Double


CHECKED = {
    "forward mode": lambda torch, x: torch.autograd.gradcheck(torch.tanh, x, check_forward_ad=True, check_backward_ad=False),
    "complex": lambda torch, x: torch.autograd.gradcheck(
        torch.angle, torch.complex(x.detach(), x.detach() + 1).requires_grad_(), check_forward_ad=True
    ),
    "forward over reverse": lambda torch, x: torch.autograd.gradgradcheck(
        lambda a: (a**3).prod(), x, torch.ones((), dtype=torch.float64).requires_grad_(), check_fwd_over_rev=True
    ),
    "a wrong jvp": lambda torch, x: torch.autograd.gradcheck(
        Wrong.of(torch).apply, x, check_forward_ad=True, raise_exception=False
    ),
    "a wrong jvp, unlooked at": lambda torch, x: torch.autograd.gradcheck(Wrong.of(torch).apply, x),
    "nothing": lambda torch, x: torch.autograd.gradcheck(torch.tanh, x, check_backward_ad=False),
}


@pytest.mark.parametrize("name", list(CHECKED))
def test_gradcheck_looks_at_forward_mode(name):
    same(lambda torch: CHECKED[name](torch, torch.tensor([0.3, -0.7, 1.1], dtype=torch.float64, requires_grad=True)))
