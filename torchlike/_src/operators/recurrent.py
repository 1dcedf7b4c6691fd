"""Recurrent layers and cells: LSTM, GRU and the simple RNN, also over packed sequences.

All layers and directions are one op, unless dropout comes between them. The input's product with its weights is one
matmul for all steps; what is left is in `recurrent_scans`.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from torchlike._src.operators.recurrent_scans import gru_scan, lstm_scan, rnn_scan, rows
from torchlike._src.operators.registry import Array, Arrays, composite, op, ops

#: One direction of one layer: (steps of input, initial states, weights, mask, reverse) → (outputs, last states).
Direction = Callable[[Array, list[Array], list[Array], Array | None, bool], tuple[Array, list[Array]]]


class _Packing:
    """A packed batch: row ``offset[t] + b`` of the data is step ``t`` of sequence ``b``, sequences sorted by length.

    Traced, so that one program serves all batches with as many rows, steps and sequences.
    """

    def __init__(self, batch_sizes: Array, count: int, batch: int) -> None:
        ends = jnp.cumsum(batch_sizes)
        offsets = ends - batch_sizes
        places = jnp.arange(batch, dtype=batch_sizes.dtype)
        self.mask = places < batch_sizes[:, None]  # (T, B)
        self.source = jnp.minimum(offsets[:, None] + places, count - 1)
        numbers = jnp.arange(count, dtype=batch_sizes.dtype)
        self.step = jnp.searchsorted(ends, numbers, side="right")
        self.place = numbers - offsets[self.step]

    def padded(self, data: Array) -> Array:
        return data[self.source]

    def packed(self, steps: Array) -> Array:
        return steps[self.step, self.place]


def _lstm_direction(pre: Array, states: list[Array], weights: list[Array], mask: Array | None, reverse: bool) -> Any:
    h0, c0 = states
    if len(weights) % 2:  # with a projection of h, which autodiff handles: rare, and small beside the rest
        return _projected_lstm(pre, h0, c0, weights[1], weights[-1], mask, reverse)
    hs, h, c = lstm_scan(pre, h0, c0, weights[1], mask, reverse)  # pyright: ignore[reportGeneralTypeIssues]
    return hs, [h, c]


def _projected_lstm(pre: Array, h0: Array, c0: Array, u: Array, projection: Array, mask: Array | None, reverse: bool) -> Any:
    def step(carry: tuple[Array, Array], now: Any) -> Any:
        x, m = now
        h, c = _lstm_step(x + rows(carry[0], u), carry[1])
        h = rows(h, projection)
        if m is not None:
            h, c = jnp.where(m[:, None], h, carry[0]), jnp.where(m[:, None], c, carry[1])
        return (h, c), h

    (h, c), hs = lax.scan(step, (h0, c0), (pre, mask), reverse=reverse)
    return hs, [h, c]


def _gru_direction(pre: Array, states: list[Array], weights: list[Array], mask: Array | None, reverse: bool) -> Any:
    hs, h = gru_scan(pre, states[0], weights[1], weights[3] if len(weights) > 2 else None, mask, reverse)  # pyright: ignore[reportGeneralTypeIssues]
    return hs, [h]


def _rnn_direction(relu: bool) -> Direction:
    def direction(pre: Array, states: list[Array], weights: list[Array], mask: Array | None, reverse: bool) -> Any:
        hs, h = rnn_scan(pre, states[0], weights[1], mask, relu, reverse)  # pyright: ignore[reportGeneralTypeIssues]
        return hs, [h]

    return direction


#: By mode: the direction, and whether both biases simply add (a GRU's second one is inside the reset gate).
_MODES: dict[str, tuple[Direction, bool]] = {
    "lstm": (_lstm_direction, True),
    "gru": (_gru_direction, False),
    "rnn_tanh": (_rnn_direction(relu=False), True),
    "rnn_relu": (_rnn_direction(relu=True), True),
}


@op("_recurrent_layers", method=False, saves=("input", "states", "params"))
def recurrent_layers(
    input: Array,
    states: Arrays,
    params: Arrays,
    batch_sizes: Array | None,
    mode: str,
    has_biases: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Array, ...]:
    """Layers of an ``"lstm"``, ``"gru"``, ``"rnn_tanh"`` or ``"rnn_relu"``, each in one or two directions.

    Args:
        input: shape ``(T, B, features)``, or ``(B, T, features)`` with ``batch_first``; or packed, ``(rows, features)``.
        states: ``[h]`` or ``[h, c]``, shape ``(layers * directions, B, H)``.
        params: for each layer and direction ``w_ih, w_hh``, with biases ``b_ih, b_hh``, with a projection ``w_hr``.
        batch_sizes: of a packed input: how many sequences are left at each step; shape ``(T,)``.
        mode: which cell.
        has_biases: see ``params``.
        bidirectional: a second direction reads the steps backwards; its outputs stand beside those of the first.
        batch_first: see ``input``.
    Returns:
        The outputs of the last layer, and the last states of all layers, in the layouts of ``input`` and ``states``.
    """
    run, biases_add = _MODES[mode]
    directions = 2 if bidirectional else 1
    slots = states[0].shape[0]
    each = len(params) // slots
    packing = None if batch_sizes is None else _Packing(batch_sizes, input.shape[0], states[0].shape[1])
    mask = None if packing is None else packing.mask
    x = input.swapaxes(0, 1) if batch_first else input
    last: list[list[Array]] = []
    for slot in range(0, slots, directions):
        outputs = []
        for k in range(slot, slot + directions):
            weights = list(params[each * k : each * (k + 1)])
            pre = rows(x, weights[0])
            if has_biases:
                pre = pre + (weights[2] + weights[3] if biases_add else weights[2])
            if packing is not None:
                pre = packing.padded(pre)
            hs, ended = run(pre, [s[k] for s in states], weights, mask, k != slot)
            outputs.append(hs if packing is None else packing.packed(hs))
            last.append(ended)
        x = outputs[0] if directions == 1 else jnp.concatenate(outputs, -1)
    x = x.swapaxes(0, 1) if batch_first else x
    return (x, *(jnp.stack(s) for s in zip(*last, strict=True)))


def _run_layers(
    mode: str,
    input: Any,
    batch_sizes: Any,
    states: list[Any],
    params: list[Any],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Any, ...]:
    """All layers at once, or one by one with dropout between them."""
    layers = ops["_recurrent_layers"]
    if not (train and dropout) or num_layers == 1:
        return layers(input, states, list(params), batch_sizes, mode, has_biases, bidirectional, batch_first)
    directions = 2 if bidirectional else 1
    each = len(params) // num_layers
    last = []
    for i in range(num_layers):
        if i:
            input = ops["nn.functional.dropout"](input, dropout, True)
        mine = [s[i * directions : (i + 1) * directions] for s in states]
        input, *ended = layers(
            input, mine, list(params[i * each : (i + 1) * each]),
            batch_sizes, mode, has_biases, bidirectional, batch_first,
        )  # fmt: skip
        last.append(ended)
    return (input, *(ops.cat(s) for s in zip(*last, strict=True)))


@composite("lstm", method=False)
def lstm(input: Any, *args: Any) -> tuple[Any, Any, Any]:
    """LSTM layers, as `torch._VF.lstm`.

    Two forms: ``(input, (h, c), params, has_biases, num_layers, dropout, train, bidirectional, batch_first)`` and, for a
    packed batch, ``(data, batch_sizes, (h, c), params, has_biases, num_layers, dropout, train, bidirectional)``.

    Source:
        Hochreiter and Schmidhuber 1997; gates in torch's order i, f, g, o.
    """
    if isinstance(args[0], (tuple, list)):
        states, *rest = args
        return _run_layers("lstm", input, None, list(states), *rest)
    batch_sizes, states, *rest = args
    return _run_layers("lstm", input, batch_sizes, list(states), *rest, False)


def _declare_simple(mode: str, title: str) -> None:
    def layers(input: Any, *args: Any) -> tuple[Any, Any]:
        if isinstance(args[1], (tuple, list)):
            state, *rest = args
            return _run_layers(mode, input, None, [state], *rest)
        batch_sizes, state, *rest = args
        return _run_layers(mode, input, batch_sizes, [state], *rest, False)

    layers.__name__ = mode
    layers.__doc__ = f"{title}, as `torch._VF.{mode}`: the forms of `lstm`, with one state instead of two."
    composite(mode, method=False)(layers)


_declare_simple("gru", "GRU layers (Cho et al. 2014, reset gate applied after the matmul, as in torch and cuDNN)")
_declare_simple("rnn_tanh", "Elman layers with tanh")
_declare_simple("rnn_relu", "Elman layers with ReLU")


def _lstm_step(z: Array, c: Array) -> tuple[Array, Array]:
    i, f, g, o = jnp.split(z, 4, axis=-1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def _check_cell(input: Any, w_ih: Any, w_hh: Any, *states: Any) -> None:
    """The sizes of one step of a cell."""
    if input.shape[-1] != w_ih.shape[1]:
        raise RuntimeError(f"input has inconsistent input_size: got {input.shape[-1]} expected {w_ih.shape[1]}")
    for i, h in enumerate(states):
        if h.ndim and h.shape[-1] != w_hh.shape[1]:
            raise RuntimeError(f"hidden{i} has inconsistent hidden_size: got {h.shape[-1]}, expected {w_hh.shape[1]}")
        if input.ndim == h.ndim == 2 and input.shape[0] != h.shape[0]:
            raise RuntimeError(f"Input batch size {input.shape[0]} doesn't match hidden{i} batch size {h.shape[0]}")


def _affine(x: Array, w: Array, b: Array | None) -> Array:
    if x.shape[-1] != w.shape[1]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({x.size // max(x.shape[-1], 1)}x{x.shape[-1]} and "
            f"{w.shape[1]}x{w.shape[0]})"
        )
    return rows(x, w) if b is None else rows(x, w) + b


@op("_lstm_cell", method=False, saves=("input", "h", "~c", "w_ih", "w_hh"))
def _lstm_cell(
    input: Array, h: Array, c: Array, w_ih: Array, w_hh: Array, b_ih: Array | None = None, b_hh: Array | None = None
) -> tuple[Array, Array]:
    """One step of an LSTM: the new ``h`` and ``c``."""
    _check_cell(input, w_ih, w_hh, h, c)
    return _lstm_step(_affine(input, w_ih, b_ih) + _affine(h, w_hh, b_hh), c)


@composite("lstm_cell", method=False)
def lstm_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> tuple[Any, Any]:
    """One step of an LSTM from ``hx = (h, c)``: the new ``h`` and ``c``."""
    return ops["_lstm_cell"](input, hx[0], hx[1], w_ih, w_hh, b_ih, b_hh)


@op("gru_cell", method=False, saves=("input", "hx", "w_ih", "w_hh"))
def gru_cell(input: Array, hx: Array, w_ih: Array, w_hh: Array, b_ih: Array | None = None, b_hh: Array | None = None) -> Array:
    """One step of a GRU."""
    _check_cell(input, w_ih, w_hh, hx)
    x_r, x_z, x_n = jnp.split(_affine(input, w_ih, b_ih), 3, axis=-1)
    h_r, h_z, h_n = jnp.split(_affine(hx, w_hh, b_hh), 3, axis=-1)
    z = jax.nn.sigmoid(x_z + h_z)
    n = jnp.tanh(x_n + jax.nn.sigmoid(x_r + h_r) * h_n)
    return n + z * (hx - n)


@op("rnn_tanh_cell", method=False, saves=("input", "hx", "w_ih", "w_hh"))
def rnn_tanh_cell(
    input: Array, hx: Array, w_ih: Array, w_hh: Array, b_ih: Array | None = None, b_hh: Array | None = None
) -> Array:
    """One step of an Elman network with tanh."""
    _check_cell(input, w_ih, w_hh, hx)
    return jnp.tanh(_affine(input, w_ih, b_ih) + _affine(hx, w_hh, b_hh))


@op("rnn_relu_cell", method=False, saves=("input", "hx", "w_ih", "w_hh"))
def rnn_relu_cell(
    input: Array, hx: Array, w_ih: Array, w_hh: Array, b_ih: Array | None = None, b_hh: Array | None = None
) -> Array:
    """One step of an Elman network with ReLU."""
    _check_cell(input, w_ih, w_hh, hx)
    z = _affine(input, w_ih, b_ih) + _affine(hx, w_hh, b_hh)
    return jnp.where(z <= 0, 0, z)
