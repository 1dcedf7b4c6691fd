"""The device's random numbers, and dropout from them."""

import math
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import torchlike
from torchlike._src.operators import random
from torchlike._src.operators.registry import ops

N = 1 << 18
F = torchlike.nn.functional


def words(seed, shape=(N,), stream=0):
    return np.asarray(jax.jit(lambda s: random.words(s, shape, stream))(seed))


def excess(counts):
    """How many standard deviations the chi-square of equally likely counts is from its mean."""
    expected = counts.sum() / len(counts)
    chi = ((counts - expected) ** 2 / expected).sum()
    return (chi - (len(counts) - 1)) / math.sqrt(2 * (len(counts) - 1))


def correlation(a, b):
    """In standard deviations."""
    a, b = ((x / 2.0**32 - 0.5) * math.sqrt(12) for x in (a, b))
    return abs((a * b).mean()) * math.sqrt(len(a))


@pytest.mark.parametrize("seed", [0, 1, 2, 1 << 32, (1 << 63) - 1, 12345678901234567])
def test_words_are_uniform_and_uncorrelated(seed):
    drawn = words(seed)
    for shift in (0, 8, 16, 24):
        assert abs(excess(np.bincount((drawn >> shift) & 255, minlength=256))) < 5
    neighbours = (drawn[:-1] >> 28 << 4) | (drawn[1:] >> 28)
    assert abs(excess(np.bincount(neighbours, minlength=256))) < 5
    for lag in (*range(1, 17), 32, 100, 128, 256, 1000, 1024, 4096, 65536):
        assert correlation(drawn[:-lag], drawn[lag:]) < 5


def test_each_bit_of_the_seed_makes_other_words():
    base = words(99)
    for bit in range(63):
        other = words(99 ^ (1 << bit))
        for lag in (0, 1, 2):
            assert correlation(base[lag:], other[: N - lag]) < 5
        assert abs((base[:1000] == other[:1000]).mean()) < 0.01
    assert correlation(base, words(99, stream=1)) < 5


def test_each_bit_of_the_position_flips_half_of_the_bits():
    drawn = words(7)
    positions = np.arange(N)
    for bit in range(18):
        flipped = drawn ^ drawn[positions ^ (1 << bit)]
        rates = np.array([((flipped >> k) & 1).mean() for k in range(32)])
        assert np.abs(rates - 0.5).max() < 5 * 0.5 / math.sqrt(N)


@pytest.mark.parametrize("p", [0.0, 1e-3, 0.1, 0.5, 0.9, 1.0])
def test_chosen_has_its_probability_in_rows_and_columns(p):
    traced = jax.jit(lambda s, p: random.chosen(s, (512, 512), p))
    mask = np.asarray(jax.jit(lambda s: random.chosen(s, (512, 512), p))(5))
    assert np.array_equal(mask, traced(5, p))
    spread = math.sqrt(p * (1 - p))
    assert abs(mask.mean() - p) <= 5 * spread / 512
    for axis in (0, 1):
        deviations = mask.sum(axis) - 512 * p
        if spread:
            assert 0.85 < deviations.std() / (spread * math.sqrt(512)) < 1.15


def moments(x):
    return [float(np.mean(np.asarray(x, np.float64) ** k)) for k in (1, 2, 3, 4)]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_device_samplers(dtype):
    kind = np.dtype(jnp.dtype(dtype))
    u = random.device_uniform((N,), -1.0, 3.0, dtype=kind, seed=3)
    assert u.dtype == kind
    np.testing.assert_allclose(moments(u), [1.0, 7 / 3, 5.0, 12.2], rtol=0.03)
    assert float(u.min()) >= -1
    assert float(u.max()) <= 3
    z = random.device_normal((N,), 1.0, 2.0, dtype=kind, seed=3)
    assert z.dtype == kind
    np.testing.assert_allclose(moments((z.astype("f8") - 1) / 2), [0, 1, 0, 3], atol=0.06)
    b = random.device_bernoulli(jnp.full((N,), 0.25, kind), seed=3)
    assert b.dtype == kind
    assert abs(float(b.astype("f8").mean()) - 0.25) < 0.01


def test_doubles_use_all_their_digits():
    u = np.asarray(random.unit_interval(3, (1000,), np.dtype("f8"))) * 2.0**53
    assert np.array_equal(u, np.floor(u))
    assert (u % 2).mean() == pytest.approx(0.5, abs=0.1)


@pytest.fixture
def torch_mode():
    torchlike.random.set_mode("torch")
    yield
    torchlike.random.set_mode("device")


def dropped(output, keep):
    """Which elements are gone; the others must have been scaled."""
    values = output.detach().numpy()
    assert np.isin(values, [0, np.float32(1 / keep)]).all()
    return values == 0


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_drops_and_scales(p):
    torchlike.manual_seed(1)
    x = torchlike.ones(400, 500)
    first, second = (dropped(F.dropout(x, p), 1 - p) for _ in range(2))
    for mask in (first, second):
        assert abs(mask.mean() - p) < 5 * math.sqrt(p * (1 - p) / x.numel())
    assert abs((first & second).mean() - p * p) < 0.01  # independent of each other
    torchlike.manual_seed(1)
    assert np.array_equal(first, dropped(F.dropout(x, p), 1 - p))


def test_dropout_uses_a_new_mask_in_each_step_of_one_program():
    torchlike.manual_seed(0)
    x = torchlike.ones(50)
    masks = {tuple(F.dropout(x + 0, 0.5).tolist()) for _ in range(10)}
    assert len(masks) == 10


@pytest.mark.parametrize("call", [F.dropout, F.alpha_dropout, F.feature_alpha_dropout, F.dropout2d, F.dropout3d])
@pytest.mark.parametrize("mode", ["device", "torch"])
def test_gradient_uses_the_same_mask(call, mode):
    torchlike.random.set_mode(mode)
    try:
        x = torchlike.ones(3, 20, 4, 4, *(() if call is F.dropout2d else (4,)), requires_grad=True)
        y = call(x, 0.4, True)
        weight = torchlike.arange(x.numel()).view(x.shape).float()
        (y * weight).sum().backward()
        kept = y.detach().numpy() == y.detach().numpy().max()
        scale = (x.grad / weight.clamp(min=1)).numpy()
        assert (scale[kept] != 0).sum() >= kept.sum() - 1
        assert (scale[~kept] == 0).all()
        assert len(np.unique(scale[kept][1:].round(5))) == 1
    finally:
        torchlike.random.set_mode("device")


@pytest.mark.parametrize("call", ["dropout2d", "dropout3d", "feature_alpha_dropout", "dropout1d"])
def test_channels_go_together(call):
    torchlike.manual_seed(0)
    shape = {"dropout1d": (40, 50, 6), "dropout2d": (40, 50, 3, 2)}.get(call, (40, 50, 3, 2, 1))
    y = getattr(F, call)(torchlike.ones(*shape), 0.3, True).numpy().reshape(40, 50, -1)
    assert (y == y[:, :, :1]).all()
    assert abs((y[:, :, 0] == y.min()).mean() - 0.3) < 0.06


def test_alpha_dropout_keeps_mean_and_variance():
    torchlike.manual_seed(0)
    y = F.alpha_dropout(torchlike.randn(200_000), 0.3, True).numpy()
    assert abs(y.mean()) < 0.02
    assert abs(y.std() - 1) < 0.02


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("dropout", (7, 9)), ("alpha_dropout", (7, 9)), ("feature_alpha_dropout", (3, 4, 5)), ("dropout1d", (3, 4, 5)),
        ("dropout1d", (4, 5)), ("dropout2d", (2, 3, 4, 5)), ("dropout3d", (2, 3, 4, 5, 2)), ("dropout3d", (3, 4, 5, 2)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("inplace", [False, True])
def test_in_torch_mode_the_numbers_are_torchs(name, shape, p, inplace, torch_mode):
    values = torch.randn(shape)
    torch.manual_seed(5)
    torchlike.manual_seed(5)
    want = getattr(torch.nn.functional, name)(values.clone(), p, True, inplace)
    x = torchlike.tensor(values.numpy())
    got = getattr(F, name)(x, p, True, inplace)
    np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-6)
    assert (got is x) == (inplace or p == 0)


@pytest.mark.parametrize("name", ["dropout", "alpha_dropout", "feature_alpha_dropout", "dropout2d"])
def test_in_place_writes_into_the_input_and_records_it(name):
    leaf = torchlike.ones(2, 3, 4, 5, requires_grad=True)
    x = leaf * 1
    assert getattr(F, name)(x, 0.5, True, True) is x
    assert x.grad_fn is not None
    x.sum().backward()
    assert ((leaf.grad == 0).numpy() == (x == x.min()).numpy()).all()
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad is being used in an in-place operation"):
        getattr(F, name)(leaf, 0.5, True, True)


def test_dropout_leaves_alone_what_it_has_no_part_in():
    x = torchlike.ones(3, requires_grad=True)
    assert F.dropout(x, 0.0) is x
    assert F.dropout(x, 0.5, False) is x
    assert F.alpha_dropout(x, 0.5) is x
    empty = torchlike.ones(0, requires_grad=True)
    assert F.dropout(empty) is empty
    assert repr(F.dropout(x, 1.0).grad_fn.name()) == "'MulBackward0'"
    assert repr(F.dropout(x, 0.5).grad_fn.name()) == "'MulBackward0'"
    assert repr(F.alpha_dropout(x, 0.5, True).grad_fn.name()) == "'AddBackward0'"


@pytest.mark.parametrize("p", [0.5, 1.0])
def test_dropped_infinities_and_nan_stay_visible(p):
    x = torchlike.tensor([math.nan, math.inf] * 50)
    assert np.isnan(F.dropout(x, p).numpy()[::2]).all()
    assert not np.isfinite(F.dropout(x, p).numpy()).any()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_dropout_keeps_the_dtype(dtype):
    x = torchlike.ones(1000, dtype=getattr(torchlike, dtype))
    y = F.dropout(x, 0.3)
    want = torch.nn.functional.dropout(torch.ones(1000, dtype=getattr(torch, dtype)), 0.3)
    assert y.dtype == x.dtype
    assert set(y.tolist()) == set(want.tolist())


def test_native_dropout_gives_its_mask():
    x = torchlike.randn(50, requires_grad=True)
    for mode in ("device", "torch"):
        torchlike.random.set_mode(mode)
        y, mask = torchlike.native_dropout(x, 0.5, True)
        assert mask.dtype is torchlike.bool
        np.testing.assert_allclose(y.detach().numpy(), (x.detach() * mask * 2).numpy())
    torchlike.random.set_mode("device")
    y, mask = torchlike.native_dropout(x, 0.5, False)
    assert mask.all()
    assert (y == x).all()


BAD = {
    "p above 1": lambda t: t.nn.functional.dropout(t.ones(3), 2.0),
    "p below 0": lambda t: t.nn.functional.dropout(t.ones(3), -1.0),
    "p nan": lambda t: t.nn.functional.dropout(t.ones(3), math.nan),
    "alpha p": lambda t: t.nn.functional.alpha_dropout(t.ones(3), 2.0),
    "torch.dropout": lambda t: t.dropout(t.ones(3), 2.0, True),
    "torch.alpha_dropout": lambda t: t.alpha_dropout(t.ones(3), 2.0, True),
    "torch.feature_dropout": lambda t: t.feature_dropout(t.ones(3, 3), -2.0, True),
    "int": lambda t: t.nn.functional.dropout(t.ones(3, dtype=t.int64)),
    "complex": lambda t: t.nn.functional.dropout(t.ones(3, dtype=t.complex64)),
    "1-D features": lambda t: t.feature_dropout(t.ones(3), 0.5, True),
    "1-D alpha features": lambda t: t.nn.functional.feature_alpha_dropout(t.ones(3), 0.5, True),
    "dropout1d of 1-D": lambda t: t.nn.functional.dropout1d(t.ones(3)),
    "dropout1d of 4-D": lambda t: t.nn.functional.dropout1d(t.ones(2, 2, 2, 2)),
    "native p": lambda t: t.native_dropout(t.ones(3), 2.0, True),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("mode", ["device", "torch"])
def test_bad_arguments_raise_as_torchs(case, mode):
    torchlike.random.set_mode(mode)
    try:
        with pytest.raises((RuntimeError, ValueError, NotImplementedError)) as theirs:
            BAD[case](torch)
        with pytest.raises(theirs.type) as ours:
            BAD[case](torchlike)
        assert str(ours.value) == str(theirs.value)
    finally:
        torchlike.random.set_mode("device")


@pytest.mark.parametrize(("name", "shape"), [("dropout2d", (3, 2)), ("dropout2d", (3, 2, 2)), ("dropout3d", (3, 2, 2))])
def test_odd_dimensions_warn_as_in_torch(name, shape):
    texts = []
    for t in (torch, torchlike):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            getattr(t.nn.functional, name)(t.ones(*shape), 0.5)
        texts.append([str(w.message) for w in caught])
        assert all(w.filename == __file__ for w in caught)
    assert texts[0] == texts[1]
    assert texts[0]


def test_seeded_ops_take_a_generator():
    first, second = (
        ops._device_dropout(torchlike.ones(50), 0.5, generator=torchlike.Generator().manual_seed(3)) for _ in range(2)
    )
    assert first.tolist() == second.tolist()
