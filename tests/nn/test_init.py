"""nn.init against real torch: the same numbers for the same seed, the same warnings and errors."""

import warnings

import numpy as np
import pytest
import torch

import torchlike

SHAPES = [(3, 5), (64, 32), (16, 8, 3, 3), (7, 3, 5), (4, 4, 2, 2, 2), (1, 1), (5,), (0, 5)]
DTYPES = ["float32", "float64", "float16", "bfloat16"]
PLAIN = [
    "uniform_", "normal_", "trunc_normal_", "ones_", "zeros_", "eye_", "dirac_", "xavier_uniform_", "xavier_normal_",
    "kaiming_uniform_", "kaiming_normal_", "orthogonal_",
]  # fmt: skip
CASES = [
    ("constant_", (0.3,), {}), ("sparse_", (0.4,), {}), ("sparse_", (0.1, 2.0), {}), ("orthogonal_", (2.5,), {}),
    ("uniform_", (-2.0, 3.0), {}), ("uniform_", (3.0, -2.0), {}), ("normal_", (1.0, 0.3), {}),
    ("normal_", (0.0, -1.0), {}),
    ("kaiming_uniform_", (0.2, "fan_out", "relu"), {}), ("kaiming_normal_", (0.2,), {"mode": "FAN_out"}),
    ("kaiming_normal_", (), {"nonlinearity": "tanh"}), ("kaiming_normal_", (), {"mode": "fan_avg"}),
    ("kaiming_normal_", (), {"nonlinearity": "swish"}), ("xavier_uniform_", (), {"gain": 2.0}), ("dirac_", (2,), {}),
    ("dirac_", (3,), {}), ("trunc_normal_", (0.0, 0.02), {}), ("trunc_normal_", (1.0, 2.0, 3.0, 4.0), {}),
    ("trunc_normal_", (5.0, 1.0, -2.0, 2.0), {}), ("trunc_normal_", (), {"a": 0.5, "b": 0.6}),
    ("xavier_uniform", (), {}), ("normal", (), {}), ("constant", (1.5,), {}), ("kaiming_uniform", (), {}),
]  # fmt: skip


def run(library, name, shape, dtype, args, kwargs):
    """Values (or the exception), warnings, and where the generator stands afterwards."""
    library.manual_seed(3)
    tensor = library.empty(*shape, dtype=getattr(library, dtype))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = getattr(library.nn.init, name)(tensor, *args, **kwargs)
            assert result is tensor
            outcome = library.view_as_real(tensor).numpy() if tensor.is_complex() else tensor.to(library.float64).numpy()
        except (RuntimeError, ValueError, NotImplementedError) as e:
            outcome = (type(e), str(e))
    if library is torchlike and name.endswith("_"):  # others call these, in our file and torch's alike
        assert all(w.filename == __file__ for w in caught)
    return outcome, [(w.category, str(w.message)) for w in caught], library.rand(1).item()


def check(name, shape, dtype, args=(), kwargs=None):
    want, want_warnings, want_next = run(torch, name, shape, dtype, args, kwargs or {})
    got, got_warnings, got_next = run(torchlike, name, shape, dtype, args, kwargs or {})
    if isinstance(want, tuple):
        assert got == want
    else:
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6 if "orthogonal" in name else 1e-15)
    assert got_warnings == want_warnings
    assert got_next == want_next


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("dtype", DTYPES)
def test_defaults(name, dtype):
    for shape in SHAPES:
        check(name, shape, dtype)


@pytest.mark.parametrize(("name", "args", "kwargs"), CASES)
def test_options(name, args, kwargs):
    for dtype in ("float32", "bfloat16") if "trunc" in name else ("float32",):
        for shape in SHAPES:
            check(name, shape, dtype, args, kwargs)


def test_float32_weights_are_torchs_to_the_bit():
    for name in ("uniform_", "normal_", "trunc_normal_", "kaiming_uniform_", "kaiming_normal_", "xavier_normal_"):
        want, _, _ = run(torch, name, (50, 41), "float32", (), {})
        got, _, _ = run(torchlike, name, (50, 41), "float32", (), {})
        assert np.array_equal(got, want)


def test_complex():
    for name in ("uniform_", "normal_", "ones_", "kaiming_uniform_", "orthogonal_"):
        check(name, (4, 6), "complex64")


def test_generator_is_used():
    for name in ("uniform_", "normal_", "trunc_normal_", "kaiming_uniform_", "xavier_normal_", "orthogonal_"):
        results = []
        for library in (torch, torchlike):
            generator = library.Generator().manual_seed(11)
            results.append(getattr(library.nn.init, name)(library.empty(5, 6), generator=generator).numpy())
        np.testing.assert_allclose(results[1], results[0], rtol=1e-6, atol=1e-6)


def test_parameters_stay_leaves():
    parameter = torchlike.nn.Parameter(torchlike.empty(4, 4))
    for name in PLAIN:
        if name != "dirac_":
            getattr(torchlike.nn.init, name)(parameter)
    assert parameter.is_leaf
    assert parameter.requires_grad


@pytest.mark.parametrize(
    "args",
    [("linear",), ("conv3d",), ("sigmoid",), ("tanh",), ("relu",), ("leaky_relu",), ("leaky_relu", 0.3),
     ("leaky_relu", 1), ("selu",), ("leaky_relu", True), ("leaky_relu", "x"), ("gelu",)],
)  # fmt: skip
def test_gain(args):
    try:
        want = torch.nn.init.calculate_gain(*args)
    except ValueError as e:
        with pytest.raises(ValueError) as ours:
            torchlike.nn.init.calculate_gain(*args)
        assert str(ours.value) == str(e)
    else:
        assert torchlike.nn.init.calculate_gain(*args) == want


def test_all_of_torchs_names_are_here():
    assert sorted(torchlike.nn.init.__all__) == sorted(torch.nn.init.__all__)
    assert all(callable(getattr(torchlike.nn.init, n)) for n in torch.nn.init.__all__)
