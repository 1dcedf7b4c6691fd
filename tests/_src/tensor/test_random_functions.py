"""The public random functions and methods: torch's numbers, dtype, strides and errors for torch's seed."""

import math

import pytest
import torch

from tests.differential import agree, rand, tensor

FLOATS = ["float16", "bfloat16", "float32", "float64", "complex64", "complex128"]
SHAPES = [(), (3,), (4, 5), (100,), (0,), (2, 3, 4, 5)]


def drawn(t, tensors):
    """What was drawn, and the next number, which shows where the generator stands."""
    if getattr(tensors, "dtype", None) is t.bfloat16:  # NumPy, by which results are compared, has no bfloat16
        return str(tensors.dtype).rpartition(".")[2], tensors.float(), t.rand(1)
    return tensors, t.rand(1)


@pytest.mark.parametrize("dtype", [*FLOATS, None, "int64"])
@pytest.mark.parametrize("name", ["rand", "randn", "normal", "uniform_", "normal_", "rand_like", "randn_like"])
def test_floats(name, dtype):
    for shape in SHAPES:

        def program(t, shape=shape):
            kind = None if dtype is None else getattr(t, dtype)
            t.manual_seed(7)
            if name in ("rand", "randn"):
                return drawn(t, getattr(t, name)(shape, dtype=kind))
            if name == "normal":
                return drawn(t, t.normal(2.0, 3.0, shape, dtype=kind))
            if name.endswith("_like"):
                return drawn(t, getattr(t, name)(t.empty(shape), dtype=kind))
            return drawn(t, getattr(t.empty(shape, dtype=kind), name)(-1.0, 2.0))

        agree(program)


FILLS = [
    ("exponential_", ()), ("exponential_", (2.0,)), ("geometric_", (0.3,)), ("log_normal_", ()),
    ("log_normal_", (0.1, 0.2)),
    ("cauchy_", ()), ("cauchy_", (1.0, 2.0)), ("random_", ()), ("random_", (10,)), ("random_", (-4, 10)),
    ("uniform_", ()),
    ("normal_", ()), ("bernoulli_", ()), ("bernoulli_", (0.2,)), ("exponential_", (-1.0,)), ("uniform_", (3, 2)),
    ("normal_", (0.0, -1.0)), ("geometric_", (2.0,)), ("log_normal_", (0.0, -1.0)), ("cauchy_", (0.0, 0.0)),
    ("random_", (5, 5)), ("bernoulli_", (1.5,)),
]  # fmt: skip
LAYOUTS = {
    "contiguous": lambda t: t.empty(6, 5),
    "transposed": lambda t: t.empty(6, 5).t(),
    "transposed, few": lambda t: t.empty(3, 2).t(),
    "every other column": lambda t: t.empty(6, 8)[:, ::2],
    "channels last": lambda t: t.empty(2, 3, 4, 5).to(memory_format=t.channels_last),
    "permuted": lambda t: t.empty(4, 6, 7).permute(2, 0, 1),
    "rows of a base": lambda t: t.empty(4, 5)[1:3],
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_fills_go_through_memory_in_torchs_order(layout):
    for name, args in FILLS:

        def program(t, name=name, args=args):
            t.manual_seed(3)
            return drawn(t, getattr(LAYOUTS[layout](t), name)(*args))

        agree(program, strides=True)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["rand_like", "randn_like"])
def test_likes_go_through_memory_in_torchs_order(layout, name):
    def program(t):
        t.manual_seed(3)
        return drawn(t, getattr(t, name)(LAYOUTS[layout](t)))

    agree(program, strides=True)


def test_writing_to_views_fills_the_base():
    def program(t):
        t.manual_seed(3)
        base = t.zeros(4, 40)
        base[:, 1].normal_()
        base[2:].uniform_()
        base.t()[3:20].exponential_()
        return drawn(t, base)

    agree(program)


INTEGERS = {
    "high": lambda t: t.randint(10, (3, 4)),
    "low, high": lambda t: t.randint(-5, 10, (3, 4)),
    "named": lambda t: t.randint(low=2, high=10, size=(3,)),
    "size named": lambda t: t.randint(10, size=(3,)),
    "empty range": lambda t: t.randint(3, 3, (2,)),
    "float": lambda t: t.randint(0, 10, (5,), dtype=t.float32),
    "uint8": lambda t: t.randint(0, 10, (5,), dtype=t.uint8),
    "uint8, too large": lambda t: t.randint(0, 300, (5,), dtype=t.uint8),
    "wide": lambda t: t.randint(2**40, (3,)),
    "like": lambda t: t.randint_like(t.empty(3, 4), 10),
    "like, int32": lambda t: t.randint_like(t.empty(3, 4, dtype=t.int32), 5, 10),
    "randperm": lambda t: t.randperm(10),
    "randperm, float": lambda t: t.randperm(10, dtype=t.float32),
    "randperm, negative": lambda t: t.randperm(-1),
    "randperm, out": lambda t: t.randperm(5, out=t.empty(0, dtype=t.int32)),
    "generator": lambda t: t.randint(10, (3,), generator=t.Generator().manual_seed(3)),
}


@pytest.mark.parametrize("case", INTEGERS)
def test_integers(case):
    agree(lambda t: drawn(t, INTEGERS[case](t)))


NORMALS = [
    (tensor([1.0, 2]), tensor([0.5, 1])), (tensor([1.0, 2]), 0.5), (2.0, tensor([0.5, 1])),
    (tensor([1.0, 2]), tensor([0.5, 1], torch.float64)), (tensor([1.0, 2], torch.float64), tensor([0.5, 1])),
    (tensor([1, 2]), 1.0), (0.0, tensor([1, 2])), (tensor([1.0, 2]), tensor([-1.0, 1])), (tensor([1.0, 2]), -1.0),
    (tensor([[1.0], [2]]), tensor([0.5, 1])), (torch.zeros(20), tensor(0.1)), (torch.zeros(20), 0.1),
    (torch.zeros(3), torch.ones(2)), (torch.zeros(3), torch.ones(3, dtype=torch.complex64)),
]  # fmt: skip


@pytest.mark.parametrize(("mean", "std"), NORMALS)
def test_normal_of_tensors(mean, std):
    agree(lambda t, mean, std: drawn(t, t.normal(mean, std)), mean, std)


P = rand(4, 5)
SAMPLES = {
    "bernoulli": lambda t, p: t.bernoulli(p),
    "bernoulli, method": lambda t, p: p.bernoulli(),
    "bernoulli, number": lambda t, p: t.bernoulli(p, 0.3),
    "bernoulli, float64": lambda t, p: t.bernoulli(p.double()),
    "bernoulli, int": lambda t, p: t.bernoulli(t.ones(3, dtype=t.int64)),
    "bernoulli, 2": lambda t, p: t.bernoulli(t.tensor([2.0])),
    "bernoulli_": lambda t, p: t.empty(4, 5, dtype=t.bool).bernoulli_(p),
    "multinomial": lambda t, p: t.multinomial(p, 3),
    "multinomial, replacement": lambda t, p: p.multinomial(8, True),
    "multinomial, one row": lambda t, p: t.multinomial(p[0], 2, replacement=True),
    "multinomial, too many": lambda t, p: t.multinomial(t.ones(3), 4),
    "poisson": lambda t, p: t.poisson(p * 20),
    "binomial": lambda t, p: t.binomial(p.mul(20).round(), p),
    "gamma": lambda t, p: t._standard_gamma(p),
    "dirichlet": lambda t, p: t._sample_dirichlet(p),
    "out": lambda t, p: t.rand(3, out=t.empty(0)),
    "out, same shape": lambda t, p: t.randn(3, 4, out=t.empty(3, 4)),
    "negative size": lambda t, p: t.rand(-1),
    "requires_grad": lambda t, p: t.rand(3, requires_grad=True),
    "a generator": lambda t, p: t.rand(3, generator=t.Generator().manual_seed(3)),
    "named": lambda t, p: (t.empty(3).uniform_(to=5), t.empty(3).normal_(std=5), t.empty(3).exponential_(lambd=5)),
    "from": lambda t, p: (t.empty(3).uniform_(**{"from": 1, "to": 5}), t.empty(3).random_(**{"from": 1, "to": 5})),
    "a leaf": lambda t, p: t.ones(3, requires_grad=True).uniform_(),
    "int uniform": lambda t, p: t.empty(3, dtype=t.int64).uniform_(),
    "uniform of nan": lambda t, p: t.empty(3).uniform_(math.nan, 1),
}


@pytest.mark.parametrize("case", SAMPLES)
def test_samples(case):
    agree(lambda t, p: drawn(t, SAMPLES[case](t, p)), P)


def test_a_refused_fill_draws_nothing():
    def program(t):
        t.manual_seed(3)
        x = t.ones(3, requires_grad=True)
        with pytest.raises(RuntimeError):
            x.uniform_()
        with pytest.raises(RuntimeError):
            t.ones(3).normal_(0, -1)
        return t.rand(1)

    agree(program)


def test_states_and_forks():
    def program(t):
        t.manual_seed(5)
        state = t.get_rng_state()
        first = t.randn(5)
        with t.random.fork_rng():
            forked = t.rand(3)
        second = t.rand(3)
        t.set_rng_state(state)
        g = t.Generator().manual_seed(9)
        clone = g.clone_state()
        return (
            state,
            first,
            forked,
            second,
            t.randn(5),
            g.get_state(),
            t.rand(2, generator=g),
            t.rand(2, generator=clone),
        )

    agree(program)


def test_what_is_no_generator_is_refused():
    agree(lambda t: t.rand(3, generator=3), message=False)


IN_PLACE = ["normal_", "uniform_", "exponential_", "bernoulli_", "random_", "cauchy_", "log_normal_"]


@pytest.mark.parametrize("name", IN_PLACE)
def test_filling_a_result_cuts_its_gradient(name):
    def program(t):
        x = t.ones(3, requires_grad=True)
        y = x * 2
        getattr(y, name)()
        y.sum().backward()
        return y.grad_fn.name(), x.grad, y.detach()

    agree(program)


DRAWN_FROM = {
    "normal, both": lambda t, a, b: t.normal(a, b),
    "normal, mean": lambda t, a, b: t.normal(a, 2.0),
    "normal, std": lambda t, a, b: t.normal(0.0, b),
    "bernoulli": lambda t, a, b: t.bernoulli(b),
    "bernoulli_": lambda t, a, b: t.empty(3).bernoulli_(b),
    "poisson": lambda t, a, b: t.poisson(b),
}


@pytest.mark.parametrize("case", DRAWN_FROM)
def test_what_is_drawn_has_gradient_zero(case):
    def program(t):
        mean, std = t.zeros(3, requires_grad=True), t.full((3,), 0.5, requires_grad=True)
        y = DRAWN_FROM[case](t, mean, std)
        y.sum().backward()
        with t.no_grad():
            plain = DRAWN_FROM[case](t, mean, std)
        return y.grad_fn.name(), mean.grad, std.grad, y.detach(), plain.requires_grad

    agree(program)


def test_gamma_has_its_implicit_gradient():
    def program(t, alpha):
        alpha.requires_grad_()
        y = t._standard_gamma(alpha)
        y.sum().backward()
        return y.detach(), alpha.grad, y.grad_fn.name()

    # torch's derivative is a rational approximation, good to 1e-3 or so
    agree(program, rand(50, low=0.1, high=20.0, dtype=torch.float64), tolerance=1e5)
