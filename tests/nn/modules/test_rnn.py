"""Recurrent modules: every form of input, gradients, packed sequences, errors; and the cells."""

import pytest

from tests.differential import agree, randn
from tests.nn.told import told

OPTIONS = [
    {},
    {"num_layers": 2, "bidirectional": True},
    {"batch_first": True, "bias": False},
    {"num_layers": 2, "bidirectional": True, "batch_first": True, "bias": False},
]
_IDS = ["plain", "two-layers-both-ways", "batch-first-no-bias", "all"]


def _gradients(torch, net, *results):
    sum((r * r).sum() for r in results).backward()
    return [p.grad for p in net.parameters()]


@pytest.mark.parametrize("options", OPTIONS, ids=_IDS)
@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_sequences(kind, options):
    def program(torch, x):
        net = getattr(torch.nn, kind)(3, 4, **options)
        output, state = net(x)
        states = state if isinstance(state, tuple) else (state,)
        again = net(x, state)[0]
        single = net(x[:, 0] if not options.get("batch_first") else x[0])
        return output, states, again, single, _gradients(torch, net, output, *states)

    agree(program, randn(5, 5, 3), tolerance=10.0)  # sums over time in another order


@pytest.mark.parametrize("options", OPTIONS, ids=_IDS)
@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("enforce_sorted", [True, False])
def test_packed_sequences(kind, options, enforce_sorted):
    def program(torch, x):
        rnn = torch.nn.utils.rnn
        net = getattr(torch.nn, kind)(3, 4, **options)
        lengths = [5, 3, 2] if enforce_sorted else [2, 5, 3]
        first = options.get("batch_first", False)
        packed = rnn.pack_padded_sequence(x, lengths, batch_first=first, enforce_sorted=enforce_sorted)
        output, state = net(packed)
        padded, given = rnn.pad_packed_sequence(output, batch_first=first)
        states = state if isinstance(state, tuple) else (state,)
        again, _ = net(packed, state)
        return tuple(output), padded, given, states, again.data, _gradients(torch, net, padded, *states)

    agree(program, randn(*(3, 5) if options.get("batch_first") else (5, 3), 3), tolerance=10.0)  # as above


def test_relu_and_projection():
    def program(torch, x):
        relu = torch.nn.RNN(3, 4, nonlinearity="relu", num_layers=2)
        projected = torch.nn.LSTM(3, 4, 2, proj_size=2, bidirectional=True)
        output, (h, c) = projected(x)
        return relu(x), output, h, c, _gradients(torch, projected, output, h, c)

    agree(program, randn(5, 2, 3), tolerance=10.0)  # as above


def test_dropout_acts_between_layers_in_training_only():
    def program(torch, x):
        net = torch.nn.LSTM(3, 4, 2, dropout=1.0)
        dropped = net(x)[0]
        return dropped, net.eval()(x)[0]

    agree(program, randn(5, 2, 3), tolerance=10.0)  # as above


def test_errors_are_torchs():
    def program(torch, x):
        nn = torch.nn
        packed = nn.utils.rnn.pack_sequence([x[:, 0], x[:3, 0]])

        def make(kind, *args, **kwargs):
            return lambda: repr(getattr(nn, kind)(*args, **kwargs))

        statements = [
            make("LSTM", 2, 3, dropout=2),
            make("LSTM", 2, 3, dropout=True),
            make("LSTM", 2, 3, bias=1),
            make("LSTM", 2, 3, batch_first=1),
            make("LSTM", 2.0, 3),
            make("LSTM", 0, 3),
            make("LSTM", 2, 3.0),
            make("LSTM", 2, 0),
            make("LSTM", 2, 3, 0),
            make("LSTM", 2, 3, proj_size=-1),
            make("LSTM", 2, 3, proj_size=3),
            make("GRU", 2, 3, proj_size=1),
            make("RNN", 2, 3, proj_size=1),
            make("RNN", 2, 3, nonlinearity="x"),
            make("RNNBase", "X", 2, 3),
        ]
        for kind in ("RNN", "GRU", "LSTM"):
            net = getattr(nn, kind)(3, 4)

            def with_state(*shape, given=x, net=net, pair=kind == "LSTM"):
                state = torch.zeros(shape)
                return lambda: net(given, (state, state) if pair else state)

            statements += [
                lambda net=net: net(torch.zeros(3)),
                lambda net=net: net(torch.zeros(5, 2, 3, 1)),
                lambda net=net: net(torch.zeros(5, 2, 4)),
                lambda net=net: net(torch.zeros(5, 2, 3, dtype=torch.float64)),
                with_state(1, 4),
                with_state(1, 2, 4, given=x[:, 0]),
                with_state(1, 3, 4),
                with_state(2, 2, 4),
            ]
            if kind != "LSTM":  # torch checks these two only; here all three
                statements.append(with_state(1, 3, 4, given=packed))
        return told(*statements)

    agree(program, randn(5, 2, 3))


@pytest.mark.parametrize("kind", ["RNNCell", "GRUCell", "LSTMCell"])
def test_cells(kind):
    def program(torch, x):
        cell = getattr(torch.nn, kind)(3, 4)
        state = cell(x)
        state = cell(x, state)
        flat = cell(x[0], tuple(s[0] for s in state) if isinstance(state, tuple) else state[0])
        states = state if isinstance(state, tuple) else (state,)
        without = getattr(torch.nn, kind)(3, 4, bias=False)(x)
        bad = told(lambda: cell(x[None]), lambda: cell(torch.zeros(2, 5)))
        return states, flat, without, bad[0], _gradients(torch, cell, *states)

    agree(program, randn(2, 3))


def test_replaced_weights_are_used():
    def program(torch, x):
        net = torch.nn.LSTM(3, 4)
        before = net(x)[0]
        net.weight_ih_l0 = torch.nn.Parameter(torch.zeros_like(net.weight_ih_l0))
        after = net(x)[0]
        swapped = torch.nn.utils.stateless._functional_call(net, {"bias_ih_l0": torch.ones(16)}, x)[0]
        halves = net.double()
        return (
            before,
            after,
            swapped,
            net(x.double())[0],
            halves._flat_weights[0] is net.weight_ih_l0,
            net(x.double())[0],
        )

    agree(program, randn(5, 2, 3))


def test_all_weights_and_names():
    def program(torch):
        net = torch.nn.GRU(3, 4, 2, bidirectional=True)
        net.flatten_parameters()
        return net._flat_weights_names, [[w.shape for w in layer] for layer in net.all_weights], net._all_weights

    agree(program)
