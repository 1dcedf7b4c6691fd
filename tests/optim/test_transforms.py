"""The optax side: each optimizer's pure transformation against torch's own step, for all its options."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch

import torchlike
from tests.optim.cases import OPTIONS, ROWS, described

SHAPES = {"matrix": (3, 4), "vector": (4,)}
#: Steps compared, and by how much results may differ after them: some units in the last place.
STEPS, TOLERANCE = 25, {"float32": 1e-5, "float64": 1e-11, "complex64": 1e-5}


def _numbers(dtype: str, salt: int) -> dict[str, np.ndarray]:
    random = np.random.RandomState(salt)
    found = {name: random.standard_normal(shape).astype(dtype) for name, shape in SHAPES.items()}
    if dtype.startswith("complex"):
        found = {name: (x + 1j * random.standard_normal(x.shape)).astype(dtype) for name, x in found.items()}
    return found


def _torch_steps(name, options, dtype):
    params = {k: torch.from_numpy(np.array(v)).requires_grad_() for k, v in _numbers(dtype, 0).items()}
    optimizer = getattr(torch.optim, name)(params.values(), **options)
    for i in range(STEPS):
        for k, grad in _numbers(dtype, i + 1).items():
            params[k].grad = torch.from_numpy(np.array(grad))
        optimizer.step()
    return {k: p.detach().numpy() for k, p in params.items()}, {k: optimizer.state[p] for k, p in params.items()}


def _optax_steps(tx, dtype):
    params = {k: jnp.asarray(v) for k, v in _numbers(dtype, 0).items()}
    state = tx.init(params)
    update = jax.jit(tx.update)
    for i in range(STEPS):
        updates, state = update({k: jnp.asarray(v) for k, v in _numbers(dtype, i + 1).items()}, state, params)
        params = optax.apply_updates(params, updates)
    return params, state


CASES = [(*row, "float32") for row in ROWS] + [(name, rows[-1], "float64") for name, rows in OPTIONS.items()]


@pytest.mark.parametrize(("name", "options", "dtype"), CASES, ids=described)
def test_transformation_follows_torch(name, options, dtype):
    expected, states = _torch_steps(name, options, dtype)
    params, state = _optax_steps(getattr(torchlike.optim, name).transform(**options), dtype)
    tolerance = TOLERANCE[dtype]
    for k in SHAPES:
        np.testing.assert_allclose(params[k], expected[k], rtol=tolerance, atol=tolerance, err_msg=k)
        for slot, value in states[k].items():
            found = state.step if slot == "step" else getattr(state, slot)[k]
            np.testing.assert_allclose(found, value.numpy(), rtol=tolerance, atol=tolerance, err_msg=f"{slot} of {k}")


@pytest.mark.parametrize("name", [name for name in OPTIONS if name != "Adafactor"])  # it refuses them, as torch's
def test_complex_parameters_are_pairs_of_reals(name):
    options = OPTIONS[name][-1]
    expected, _ = _torch_steps(name, options, "complex64")
    params, _ = _optax_steps(getattr(torchlike.optim, name).transform(**options), "complex64")
    for k in SHAPES:
        np.testing.assert_allclose(params[k], expected[k], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_parameters_keep_their_dtype(name, dtype):
    tx = getattr(torchlike.optim, name).transform(**OPTIONS[name][-1])
    params = {"p": jnp.linspace(-1, 1, 7).astype(dtype)}
    updates, state = tx.update({"p": jnp.ones(7, dtype)}, tx.init(params), params)
    assert updates["p"].dtype == dtype
    assert bool(jnp.all(jnp.isfinite(updates["p"])))
    slots = [x for x in jax.tree.leaves(state) if x.ndim and x.size]
    assert all(x.dtype == dtype for x in slots)


def test_transform_is_optax_to_the_type_and_chains():
    tx = torchlike.optim.Adam.transform(lr=0.1)
    assert isinstance(tx, optax.GradientTransformationExtraArgs)
    clipped = optax.chain(optax.clip(1.0), tx)
    params = jnp.zeros(3)
    updates, _ = clipped.update(jnp.array([5.0, -5.0, 1.0]), clipped.init(params), params)
    np.testing.assert_allclose(updates, [-0.1, 0.1, -0.1], rtol=1e-5)


def test_options_can_be_given_anew_and_traced():
    tx = torchlike.optim.SGD.transform(lr=1.0)
    params = jnp.ones(2)

    @jax.jit
    def step(lr):
        return tx.update(jnp.ones(2), tx.init(params), params, lr=lr)[0]

    np.testing.assert_allclose(step(0.25), -0.25)


def test_transform_knows_the_constructors_options_only():
    with pytest.raises(TypeError, match="moment"):
        torchlike.optim.SGD.transform(moment=0.9)


def test_transform_needs_the_parameters():
    tx = torchlike.optim.SGD.transform()
    with pytest.raises(ValueError, match="pass `params`"):
        tx.update(jnp.ones(2), tx.init(jnp.ones(2)))
