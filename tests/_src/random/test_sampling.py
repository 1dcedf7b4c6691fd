"""Every sampler against real torch: the same numbers, dtype, shape, and the stream left at the same place."""

import warnings

import ml_dtypes
import numpy as np
import pytest
import torch

from torchlike._src.random import sampling
from torchlike._src.random.generator import Generator

NUMPY = {
    torch.float16: np.float16, torch.bfloat16: ml_dtypes.bfloat16, torch.float32: np.float32,
    torch.float64: np.float64, torch.complex64: np.complex64, torch.complex128: np.complex128, torch.bool: np.bool_,
    torch.uint8: np.uint8, torch.int8: np.int8, torch.int16: np.int16, torch.int32: np.int32, torch.int64: np.int64,
    torch.uint16: np.uint16, torch.uint32: np.uint32, torch.uint64: np.uint64,
}  # fmt: skip
FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
INTEGERS = [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64]
SHAPES = [(), (1,), (0,), (3,), (15,), (16,), (17,), (4, 5), (33, 31), (5000,)]


def as_numpy(tensor):
    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return tensor.numpy()


def check(mine, real, ulps=0):
    """Draw three times in a row from both, with two seeds."""
    for seed in (0, 1234):
        generator, oracle = Generator().manual_seed(seed), torch.Generator().manual_seed(seed)
        for _ in range(3):
            got, want = mine(generator), as_numpy(real(oracle))
            assert got.dtype == want.dtype
            assert got.shape == want.shape
            if ulps:
                np.testing.assert_allclose(got, want, rtol=ulps * np.finfo(got.dtype).eps, atol=1e-15)
            else:
                np.testing.assert_array_equal(got, want)
        assert np.array_equal(generator.state_array(), oracle.get_state().numpy())


def last_bits(dtype):
    """NumPy's double-precision functions differ from the C library's in the last bit, now and then."""
    return 8 if dtype in (torch.float64, torch.complex128) else 0


@pytest.mark.parametrize("dtype", [*FLOATS, torch.complex64, torch.complex128])
@pytest.mark.parametrize("low_high", [(0, 1), (-0.3, 0.77), (100, 101), (5, 5)])
def test_uniform(dtype, low_high):
    for shape in (*SHAPES, (50_001,)):
        check(
            lambda g, s=shape: sampling.uniform(g, s, NUMPY[dtype], *low_high),
            lambda g, s=shape: torch.empty(s, dtype=dtype).uniform_(*low_high, generator=g),
        )


@pytest.mark.parametrize("dtype", [*FLOATS, torch.complex64, torch.complex128])
@pytest.mark.parametrize("mean_std", [(0, 1), (0.3, 2.7), (5, 0)])
def test_normal(dtype, mean_std):
    for shape in (*SHAPES, (50_001,)):
        check(
            lambda g, s=shape: sampling.normal(g, s, NUMPY[dtype], *mean_std),
            lambda g, s=shape: torch.empty(s, dtype=dtype).normal_(*mean_std, generator=g),
            ulps=last_bits(dtype),
        )


def test_normal_of_what_is_not_contiguous_is_drawn_one_by_one():
    check(
        lambda g: sampling.normal(g, (40, 31), np.float32, contiguous=False),
        lambda g: torch.empty(40, 62)[:, ::2].normal_(generator=g),
    )


def test_draws_of_different_kinds_interleave():
    def mine(g):
        return np.concatenate([
            sampling.normal(g, (3,), np.float32), sampling.uniform(g, (2,), np.float32),
            sampling.normal(g, (4,), np.float32), sampling.normal(g, (20,), np.float32),
            sampling.normal(g, (2,), np.float32), sampling.randperm(g, 5).astype(np.float32),
            sampling.standard_gamma(g, np.full(3, 0.5, np.float32)), sampling.log_normal(g, (1,), np.float32),
        ])  # fmt: skip

    def real(g):
        return torch.cat([
            torch.empty(3).normal_(generator=g), torch.rand(2, generator=g), torch.empty(4).normal_(generator=g),
            torch.randn(20, generator=g), torch.randn(2, generator=g), torch.randperm(5, generator=g).float(),
            torch._standard_gamma(torch.full((3,), 0.5), generator=g), torch.empty(1).log_normal_(generator=g),
        ])  # fmt: skip

    check(mine, real)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    ("name", "args"),
    [("exponential", (1.7,)), ("log_normal", (0.2, 0.7)), ("cauchy", (0.2, 0.7)), ("geometric", (0.1,))],
)
def test_continuous_samplers(name, args, dtype):
    for shape in ((), (7,), (40, 50)):
        ulps = 100 * last_bits(dtype) if name == "cauchy" else last_bits(dtype)  # the tangent's poles
        check(
            lambda g, s=shape: getattr(sampling, name)(g, s, NUMPY[dtype], *args),
            lambda g, s=shape: getattr(torch.empty(s, dtype=dtype), name + "_")(*args, generator=g),
            ulps,
        )


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS, torch.bool])
def test_bernoulli(dtype):
    check(
        lambda g: sampling.bernoulli(g, (40, 50), NUMPY[dtype], 0.3),
        lambda g: torch.empty(40, 50, dtype=dtype).bernoulli_(0.3, generator=g),
    )
    for p_dtype in FLOATS:
        p = torch.rand(50, dtype=torch.float64).to(p_dtype)
        check(
            lambda g, p=p: sampling.bernoulli(g, (40, 50), NUMPY[dtype], as_numpy(p)),
            lambda g, p=p: torch.empty(40, 50, dtype=dtype).bernoulli_(p, generator=g),
        )


@pytest.mark.parametrize("dtype", [d for d in NUMPY if not d.is_complex])
@pytest.mark.parametrize(
    "bounds",
    [
        (None, None), (0, 2), (0, 100), (0, 257), (-100, -3), (0, 2**27), (0, 2**28), (0, 2**31), (-3, 2**32),
        (-(2**63), None), (3, None), (-(2**63), 2**63 - 1), (0, 2**24 + 1), (2**24 + 1, 2**24 + 9), (0, 65519),
        (-(2**40) - 1, 2**40 + 1), (5, 5), (7, 3),
    ],
)  # fmt: skip
def test_random_integers(dtype, bounds):
    def real(g):
        tensor = torch.empty(50, dtype=dtype)
        return tensor.random_(generator=g) if bounds == (None, None) else tensor.random_(*bounds, generator=g)

    def mine(g):
        return sampling.random(g, (50,), NUMPY[dtype], *bounds)

    with warnings.catch_warnings(record=True) as theirs:
        warnings.simplefilter("always")
        try:
            real(torch.Generator())
        except (RuntimeError, NotImplementedError) as e:
            with pytest.raises(type(e)) as raised:
                mine(Generator())
            assert str(raised.value) == str(e)
            return
    with warnings.catch_warnings(record=True) as ours:
        warnings.simplefilter("always")
        mine(Generator())
    assert [str(w.message).partition(" (Triggered")[0] for w in theirs] == [str(w.message) for w in ours]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(mine, real)


def test_geometric_integers():
    for dtype in INTEGERS:
        check(
            lambda g, d=dtype: sampling.geometric(g, (500,), NUMPY[d], 0.1),
            lambda g, d=dtype: torch.empty(500, dtype=d).geometric_(0.1, generator=g),
        )


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8, *FLOATS])
def test_randperm(dtype):
    for n in (0, 1, 2, 7, 49, 50, 51, 100, *((1000, 2049) if dtype != torch.uint8 else ())):
        check(
            lambda g, n=n: sampling.randperm(g, n, NUMPY[dtype]),
            lambda g, n=n: torch.randperm(n, dtype=dtype, generator=g),
        )


def test_randperm_of_a_dataset():
    check(lambda g: sampling.randperm(g, 60_000), lambda g: torch.randperm(60_000, generator=g))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("replacement", [False, True])
def test_multinomial(dtype, replacement):
    weights = torch.rand(10, dtype=dtype)
    weights[3] = 0
    for w in (weights, torch.rand(20, 300, dtype=dtype)):
        for n in (1, 2, 9):
            check(
                lambda g, w=w, n=n: sampling.multinomial(g, w.numpy(), n, replacement),
                lambda g, w=w, n=n: torch.multinomial(w, n, replacement, generator=g),
            )


@pytest.mark.parametrize("dtype", FLOATS)
def test_poisson(dtype):
    rate = (torch.rand(50, 40, dtype=torch.float64) * 30).to(dtype)
    rate[0, :5] = 0
    check(lambda g: sampling.poisson(g, as_numpy(rate)), lambda g: torch.poisson(rate, generator=g))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [0.1, 1, 20])
def test_gamma_and_dirichlet(dtype, scale):
    alpha = torch.rand(200, 4, dtype=dtype) * scale
    alpha[0] = torch.tensor([0.0, -1.0, float("nan"), 1.0])
    check(lambda g: sampling.standard_gamma(g, alpha.numpy()), lambda g: torch._standard_gamma(alpha, generator=g), ulps=4)
    check(
        lambda g: sampling.dirichlet(g, alpha[1:].numpy()),
        lambda g: torch._sample_dirichlet(alpha[1:], generator=g),
        ulps=4,
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_binomial(dtype):
    count = torch.randint(0, 100, (500, 1)).to(dtype)
    prob = torch.tensor([0.0, 0.05, 0.5, 0.51, 0.99, 1.0], dtype=dtype)
    check(
        lambda g: sampling.binomial(g, count.numpy(), prob.numpy()),
        lambda g: torch.binomial(*(t.contiguous() for t in torch.broadcast_tensors(count, prob)), generator=g),
    )


def empty(dtype=torch.float32):
    return torch.empty(3, dtype=dtype)


F32, I32, U16, C64 = (np.dtype(t) for t in ("f4", "i4", "u2", "c8"))
BAD = {
    "uniform, empty range": (lambda: empty().uniform_(1, 0), lambda: sampling.uniform(None, (3,), F32, 1, 0)),
    "uniform, nan": (lambda: empty().uniform_(torch.nan, 1), lambda: sampling.uniform(None, (3,), F32, np.nan, 1)),
    "uniform, inf": (lambda: empty().uniform_(0, torch.inf), lambda: sampling.uniform(None, (3,), F32, 0, np.inf)),
    "uniform, int": (lambda: empty(torch.int32).uniform_(), lambda: sampling.uniform(None, (3,), I32)),
    "uniform, range too wide": (
        lambda: empty().uniform_(-3e38, 3e38),
        lambda: sampling.uniform(None, (3,), F32, -3e38, 3e38),
    ),
    "uniform, too large for float16": (
        lambda: empty(torch.float16).uniform_(0, 1e6),
        lambda: sampling.uniform(None, (3,), np.float16, 0, 1e6),
    ),
    "normal, negative std": (lambda: empty().normal_(0, -1), lambda: sampling.normal(None, (3,), F32, 0, -1)),
    "normal, nan std": (lambda: empty().normal_(0, torch.nan), lambda: sampling.normal(None, (3,), F32, 0, np.nan)),
    "normal, int": (lambda: empty(torch.int32).normal_(), lambda: sampling.normal(None, (3,), I32)),
    "bernoulli, p": (lambda: empty().bernoulli_(1.5), lambda: sampling.bernoulli(None, (3,), F32, 1.5)),
    "bernoulli, complex": (lambda: empty(torch.complex64).bernoulli_(), lambda: sampling.bernoulli(None, (3,), C64)),
    "bernoulli, uint16": (lambda: empty(torch.uint16).bernoulli_(), lambda: sampling.bernoulli(None, (3,), U16)),
    "bernoulli, tensor p out of range": (
        lambda: empty().bernoulli_(torch.tensor([0.1, 2, 0.3])),
        lambda: sampling.bernoulli(None, (3,), F32, np.array([0.1, 2, 0.3], F32)),
    ),
    "bernoulli, integer p": (
        lambda: empty().bernoulli_(torch.tensor([1, 0, 1])),
        lambda: sampling.bernoulli(None, (3,), F32, np.array([1, 0, 1])),
    ),
    "bernoulli, shape of p": (
        lambda: empty().bernoulli_(torch.ones(2)),
        lambda: sampling.bernoulli(None, (3,), F32, np.ones(2, F32)),
    ),
    "exponential, lambda": (lambda: empty().exponential_(0), lambda: sampling.exponential(None, (3,), F32, 0)),
    "exponential, int": (lambda: empty(torch.int32).exponential_(), lambda: sampling.exponential(None, (3,), I32)),
    "geometric, p": (lambda: empty().geometric_(1.1), lambda: sampling.geometric(None, (3,), F32, 1.1)),
    "geometric, bool": (lambda: empty(torch.bool).geometric_(0.5), lambda: sampling.geometric(None, (3,), bool, 0.5)),
    "log_normal, std": (lambda: empty().log_normal_(0, 0), lambda: sampling.log_normal(None, (3,), F32, 0, 0)),
    "log_normal, int": (lambda: empty(torch.int32).log_normal_(), lambda: sampling.log_normal(None, (3,), I32)),
    "cauchy, sigma": (lambda: empty().cauchy_(0, 0), lambda: sampling.cauchy(None, (3,), F32, 0, 0)),
    "cauchy, int": (lambda: empty(torch.int32).cauchy_(), lambda: sampling.cauchy(None, (3,), I32)),
    "randperm, negative": (lambda: torch.randperm(-1), lambda: sampling.randperm(None, -1)),
    "randperm, uint8": (
        lambda: torch.randperm(300, dtype=torch.uint8),
        lambda: sampling.randperm(None, 300, np.uint8),
    ),
    "randperm, float16": (
        lambda: torch.randperm(3000, dtype=torch.float16),
        lambda: sampling.randperm(None, 3000, np.float16),
    ),
    "randperm, bool": (lambda: torch.randperm(3, dtype=torch.bool), lambda: sampling.randperm(None, 3, np.bool_)),
    "poisson, negative": (
        lambda: torch.poisson(torch.tensor([-1.0])),
        lambda: sampling.poisson(None, np.array([-1], F32)),
    ),
    "poisson, int": (lambda: torch.poisson(torch.tensor([1])), lambda: sampling.poisson(None, np.array([1]))),
    "gamma, int": (
        lambda: torch._standard_gamma(torch.tensor([1])),
        lambda: sampling.standard_gamma(None, np.array([1])),
    ),
    "binomial, int": (
        lambda: torch.binomial(torch.tensor([3]), torch.tensor([0.5])),
        lambda: sampling.binomial(None, np.array([3]), np.array([0.5], F32)),
    ),
    "binomial, dtypes": (
        lambda: torch.binomial(torch.ones(1, dtype=torch.float64), torch.tensor([0.5])),
        lambda: sampling.binomial(None, np.ones(1), np.array([0.5], F32)),
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments_raise_as_torchs(case):
    real, mine = BAD[case]
    with pytest.raises((RuntimeError, ValueError, NotImplementedError)) as theirs:
        real()
    with pytest.raises(theirs.type) as ours:
        mine()
    assert str(ours.value) == str(theirs.value)


MULTINOMIAL = [
    (torch.zeros(3), 2, False), (torch.zeros(3), 2, True), (torch.ones(3), 4, False), (torch.ones(3), 0, False),
    (torch.tensor([-1.0, 2]), 1, False), (torch.tensor([-1.0, 2]), 2, True), (torch.tensor([torch.nan, 2]), 1, True),
    (torch.ones(2, 2, 2), 1, False), (torch.tensor(1.0), 1, False), (torch.ones(3, dtype=torch.int64), 1, False),
    (torch.tensor([1.0, torch.inf]), 2, True), (torch.tensor([1.0, torch.nan]), 2, True),
    (torch.ones(3, 0), 1, False), (torch.ones(3, 0), 1, True),
]  # fmt: skip


@pytest.mark.parametrize("args", MULTINOMIAL)
def test_bad_multinomials_raise_as_torchs(args):
    with pytest.raises(RuntimeError) as theirs:
        torch.multinomial(*args)
    with pytest.raises(RuntimeError) as ours:
        sampling.multinomial(None, args[0].numpy(), *args[1:])
    assert str(ours.value) == str(theirs.value)


def test_multinomial_of_no_rows_is_empty():
    assert sampling.multinomial(None, np.ones((0, 3), F32), 2).shape == (0, 2)
