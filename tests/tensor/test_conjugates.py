"""Complex conjugates, which torch and we keep as views: what they show, who sees writes, what refuses them."""

import pytest

from tests.programs import Table, programs, same

CONJUGATES = Table()


def _sample(torch):
    return torch.tensor([[1 + 2j, 3 - 4j], [0.5j, 1.0]])


@CONJUGATES
def bits(torch):
    x = _sample(torch)
    y = x.conj()
    views = [x, y, y.t(), y.conj(), y[0], y.real, y.imag, y.reshape(-1), x.H, x.mH, torch.ones(2).conj()]
    return [(v.is_conj(), v.is_neg(), torch.is_conj(v), torch.is_neg(v)) for v in views], y.data_ptr() == x.data_ptr()


@CONJUGATES
def results_are_no_conjugates(torch):
    y = _sample(torch).conj()
    return [(r, r.is_conj()) for r in (y + 1, y @ y, y * y, y.exp(), y.resolve_conj(), y.imag.resolve_neg())]


@CONJUGATES
def writes_through_a_conjugate(torch):
    x = _sample(torch)
    y = x.conj()
    y.mul_(2j)
    y[0] = 1 + 1j
    y.imag.add_(1)
    x[1, 1] = 5j
    return x, y.resolve_conj()


@CONJUGATES
def writes_shared_with_an_array(torch):
    x = _sample(torch)
    array = x.numpy()
    y = x.conj()
    y.mul_(2j)
    y.imag.add_(1)
    array[0, 0] = 7j
    return array.tolist(), y.resolve_conj()


@CONJUGATES
def an_array_of_a_view_as_complex(torch):
    pairs = torch.ones(3, 2)
    z = torch.view_as_complex(pairs)
    array = z.numpy()
    z.add_(1j)
    array[0] = 5
    return array.tolist(), pairs, torch.view_as_real(z).numpy().tolist()


@CONJUGATES
def gradients(torch):
    x = _sample(torch).requires_grad_()
    y = x.H
    (y @ x).imag.sum().backward()
    return x.grad, y.grad_fn.name()


@CONJUGATES
def second_gradients(torch):
    x = _sample(torch).to(torch.complex128).requires_grad_()
    return torch.autograd.gradgradcheck(lambda t: (t.conj() * t * t).real, (x,))


@CONJUGATES
def printed(torch):
    return repr(_sample(torch).conj()), str(_sample(torch).conj().imag)


REFUSED = {
    "numpy of a conjugate": lambda torch: _sample(torch).conj().numpy(),
    "numpy of a negative": lambda torch: _sample(torch).conj().imag.numpy(),
    "view_as_real of a conjugate": lambda torch: torch.view_as_real(_sample(torch).conj()),
}


@programs(CONJUGATES)
def test_conjugates(program):
    same(program, strides=False)


@pytest.mark.parametrize("name", list(REFUSED))
def test_what_refuses_conjugates(name):
    same(REFUSED[name])
