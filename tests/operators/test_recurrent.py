"""Recurrent layers and cells against real torch."""

import jax.numpy as jnp
import pytest
import torch

from tests.operators.pure_nn import compare, rand, to_jax
from torchlike._src.operators import recurrent as ours
from torchlike._src.operators.recurrent import recurrent_layers

GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}


def parameters(mode, features, hidden, layers, directions, biases, projection=0):
    """Weights in torch's flat order."""
    result, out = [], projection or hidden
    for layer in range(layers):
        for k in range(directions):
            inputs = features if layer == 0 else out * directions
            shapes = [(GATES[mode] * hidden, inputs), (GATES[mode] * hidden, out)]
            shapes += [(GATES[mode] * hidden,)] * 2 if biases else []
            shapes += [(projection, hidden)] if projection else []
            result += [rand(*s, seed=10 * layer + 5 * k + i) * 0.4 for i, s in enumerate(shapes)]
    return result


def check(mode, layers=1, directions=1, biases=True, batch_first=False, projection=0, batch_sizes=None):
    """One configuration, its gradients by the input, the states and every weight."""
    steps, batch, features, hidden = 5, 3, 4, 6
    params = parameters(mode, features, hidden, layers, directions, biases, projection)
    if batch_sizes is None:
        x = rand(batch, steps, features) if batch_first else rand(steps, batch, features)
    else:
        x, batch = rand(sum(batch_sizes), features), batch_sizes[0]
    states = [rand(layers * directions, batch, projection or hidden)]
    if mode == "lstm":
        states.append(rand(layers * directions, batch, hidden, seed=3))
    count = len(states)
    sizes = None if batch_sizes is None else torch.tensor(batch_sizes)

    def theirs(x, *rest):
        hx = tuple(rest[:count]) if count == 2 else rest[0]
        options = (biases, layers, 0.0, False, directions == 2)
        run = getattr(torch._VF, mode)
        if sizes is None:
            return run(x, hx, list(rest[count:]), *options, batch_first)
        return run(x, sizes, hx, list(rest[count:]), *options)

    def mine(x, *rest):
        packed = None if sizes is None else to_jax(sizes)
        return recurrent_layers(
            x, rest[:count], rest[count:], packed, mode, biases, directions == 2, batch_first and sizes is None
        )

    compare(mine, theirs, x, *states, *params, scale=3)


@pytest.mark.parametrize("mode", list(GATES))
def test_layers(mode):
    check(mode)
    check(mode, layers=2, directions=2, batch_first=True)
    check(mode, biases=False, directions=2)


@pytest.mark.parametrize("mode", list(GATES))
def test_packed_sequences(mode):
    check(mode, batch_sizes=[4, 4, 2, 1])
    check(mode, layers=2, directions=2, batch_sizes=[3, 2, 2, 1, 1])


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported")  # torch, once a process
def test_lstm_with_projection():
    check("lstm", projection=2, layers=2, directions=2)
    check("lstm", projection=2, biases=False, batch_sizes=[3, 2, 1])


def test_cells():
    x, h, c = rand(3, 4), rand(3, 6), rand(3, 6, seed=1)
    for name, gates in (("gru_cell", 3), ("rnn_tanh_cell", 1), ("rnn_relu_cell", 1)):
        w = [rand(gates * 6, 4), rand(gates * 6, 6), rand(gates * 6), rand(gates * 6, seed=2)]
        compare(getattr(ours, name), getattr(torch, name), x, h, *w)
        compare(getattr(ours, name), getattr(torch, name), x, h, *w[:2])
    w = [rand(24, 4), rand(24, 6), rand(24), rand(24, seed=2)]
    compare(ours._lstm_cell, lambda x, h, c, *w: torch.lstm_cell(x, (h, c), *w), x, h, c, *w)


def test_one_layer_runs_in_double_precision():
    params = [p.double() for p in parameters("lstm", 4, 6, 1, 1, True)]
    state = rand(1, 3, 6).double()
    out, *_ = recurrent_layers(
        to_jax(rand(5, 3, 4).double()), [to_jax(state)] * 2, to_jax(params), None, "lstm", True, False, False
    )
    assert out.dtype == jnp.float64
