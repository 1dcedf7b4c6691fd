"""The steps of recurrent layers: scans over time that start where the product of input and weights ends.

A scan does only what depends on the step before. Its derivative is written out, because autodiff of a scan would
accumulate the gradient of the recurrent weights step by step; here that is one matmul over all steps.

Shapes: ``pre`` ``(T, B, gates * H)``, states ``(B, H)``, ``u`` ``(gates * H, H)``, ``mask`` ``(T, B)`` or None: False where
a sequence of a packed batch has ended, and its state stays.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from torchlike._src.operators.registry import Array


def rows(x: Array, w: Array) -> Array:
    """``x @ w.T`` over the last axis, without transposing the weights."""
    return lax.dot_general(x, w, (((x.ndim - 1,), (1,)), ((), ())))


def _summed_outer(d: Array, x: Array) -> Array:
    """Sum over steps and batch of ``d.T @ x``: shape ``(gates * H, H)``."""
    return lax.dot_general(d.reshape(-1, d.shape[-1]), x.reshape(-1, x.shape[-1]), (((0,), (0,)), ((), ())))


def _started_from(first: Array, states: Array, reverse: bool) -> Array:
    """The state that each step started from, given the states that the steps ended in."""
    return jnp.concatenate([states[1:], first[None]] if reverse else [first[None], states[:-1]])


def _choose(mask: Array | None, new: Array, old: Array | int) -> Array:
    return new if mask is None else jnp.where(mask[:, None], new, old)


@functools.partial(jax.custom_vjp, nondiff_argnums=(5,))
def lstm_scan(pre: Array, h0: Array, c0: Array, u: Array, mask: Array | None, reverse: bool) -> tuple[Array, Array, Array]:
    """``i, f, g, o = pre + h u.T; c = f c + i g; h = o tanh(c)``: all ``h``, the last ``h`` and ``c``."""
    return _lstm_fwd(pre, h0, c0, u, mask, reverse)[0]


def _gate_scale(hidden: int, dtype: Any) -> Array:
    """sigmoid(z) = tanh(z / 2) / 2 + 1 / 2, so that one tanh serves the gates i, f, o and the candidate g."""
    half, one = jnp.full(hidden, 0.5, dtype), jnp.ones(hidden, dtype)
    return jnp.concatenate([half, half, one, half])


def _lstm_fwd(pre: Array, h0: Array, c0: Array, u: Array, mask: Array | None, reverse: bool) -> Any:
    scale = _gate_scale(h0.shape[1], pre.dtype)
    turned = u.T  # once, not at every step

    def step(carry: tuple[Array, Array], now: Any) -> Any:
        h, c = carry
        z, m = now
        t = jnp.tanh((z + lax.dot(h, turned)) * scale)
        i, f, g, o = jnp.split(t, 4, axis=1)
        new_c = (f * 0.5 + 0.5) * c + (i * 0.5 + 0.5) * g
        new_h = (o * 0.5 + 0.5) * jnp.tanh(new_c)
        h, c = _choose(m, new_h, h), _choose(m, new_c, c)
        return (h, c), (h, c, t)

    (h, c), (hs, cs, ts) = lax.scan(step, (h0, c0), (pre, mask), reverse=reverse)
    return (hs, h, c), (h0, c0, u, mask, hs, cs, ts)


def _lstm_bwd(reverse: bool, saved: Any, cotangents: tuple[Array, Array, Array]) -> Any:
    h0, c0, u, mask, hs, cs, ts = saved
    by_output, dh, dc = cotangents
    squared = jnp.square(_gate_scale(h0.shape[1], ts.dtype))

    def step(carry: tuple[Array, Array], now: Any) -> Any:
        dh, dc = carry
        dy, t, c, c_before, m = now
        dh = dh + dy
        i, f, g, o = jnp.split(t, 4, axis=1)
        tanh_c = jnp.tanh(c)
        through = dc + dh * (o * 0.5 + 0.5) * (1 - tanh_c * tanh_c)
        by_gate = jnp.concatenate([through * g, through * c_before, through * (i * 0.5 + 0.5), dh * tanh_c], 1)
        dz = _choose(m, by_gate * (1 - t * t) * squared, 0)
        dh_before = lax.dot_general(dz, u, (((1,), (0,)), ((), ())))
        if m is not None:
            dh_before = dh_before + jnp.where(m[:, None], 0, dh)
        return (dh_before, _choose(m, through * (f * 0.5 + 0.5), dc)), dz

    befores = _started_from(c0, cs, reverse)
    (dh0, dc0), dz = lax.scan(step, (dh, dc), (by_output, ts, cs, befores, mask), reverse=not reverse)
    return dz, dh0, dc0, _summed_outer(dz, _started_from(h0, hs, reverse)), None


lstm_scan.defvjp(_lstm_fwd, _lstm_bwd)


@functools.partial(jax.custom_vjp, nondiff_argnums=(5,))
def gru_scan(pre: Array, h0: Array, u: Array, b: Array | None, mask: Array | None, reverse: bool) -> tuple[Array, Array]:
    """``r, z = sigmoid(pre + h u.T + b); n = tanh(pre + r (h u.T + b)); h = n + z (h - n)``: all ``h``, the last one."""
    return _gru_fwd(pre, h0, u, b, mask, reverse)[0]


def _gru_fwd(pre: Array, h0: Array, u: Array, b: Array | None, mask: Array | None, reverse: bool) -> Any:
    hidden = h0.shape[1]
    turned = u.T

    def step(h: Array, now: Any) -> Any:
        x, m = now
        y = lax.dot(h, turned) if b is None else lax.dot(h, turned) + b
        rz = jax.nn.sigmoid(x[:, : 2 * hidden] + y[:, : 2 * hidden])
        r, z = jnp.split(rz, 2, axis=1)
        recurrent = y[:, 2 * hidden :]
        n = jnp.tanh(x[:, 2 * hidden :] + r * recurrent)
        h = _choose(m, n + z * (h - n), h)
        return h, (h, rz, n, recurrent)

    h, (hs, rzs, ns, recurrents) = lax.scan(step, h0, (pre, mask), reverse=reverse)
    return (hs, h), (h0, u, b, mask, hs, rzs, ns, recurrents)


def _gru_bwd(reverse: bool, saved: Any, cotangents: tuple[Array, Array]) -> Any:
    h0, u, b, mask, hs, rzs, ns, recurrents = saved
    by_output, dh = cotangents

    def step(dh: Array, now: Any) -> Any:
        dy, rz, n, recurrent, h_before, m = now
        dh = dh + dy
        r, z = jnp.split(rz, 2, axis=1)
        dn = dh * (1 - z) * (1 - n * n)
        d_rz = jnp.concatenate([dn * recurrent, dh * (h_before - n)], 1) * rz * (1 - rz)
        d_pre = _choose(m, jnp.concatenate([d_rz, dn], 1), 0)
        d_recurrent = _choose(m, jnp.concatenate([d_rz, dn * r], 1), 0)
        dh_before = lax.dot_general(d_recurrent, u, (((1,), (0,)), ((), ()))) + _choose(m, dh * z, dh)
        return dh_before, (d_pre, d_recurrent)

    befores = _started_from(h0, hs, reverse)
    dh0, (d_pre, d_recurrent) = lax.scan(step, dh, (by_output, rzs, ns, recurrents, befores, mask), reverse=not reverse)
    db = None if b is None else jnp.sum(d_recurrent, (0, 1))
    return d_pre, dh0, _summed_outer(d_recurrent, befores), db, None


gru_scan.defvjp(_gru_fwd, _gru_bwd)


@functools.partial(jax.custom_vjp, nondiff_argnums=(4, 5))
def rnn_scan(pre: Array, h0: Array, u: Array, mask: Array | None, relu: bool, reverse: bool) -> tuple[Array, Array]:
    """``h = f(pre + h u.T)`` with tanh or ReLU: all ``h``, and the last one."""
    return _rnn_fwd(pre, h0, u, mask, relu, reverse)[0]


def _rnn_fwd(pre: Array, h0: Array, u: Array, mask: Array | None, relu: bool, reverse: bool) -> Any:
    turned = u.T

    def step(h: Array, now: Any) -> Any:
        x, m = now
        z = x + lax.dot(h, turned)
        h = _choose(m, jnp.where(z <= 0, 0, z) if relu else jnp.tanh(z), h)
        return h, h

    h, hs = lax.scan(step, h0, (pre, mask), reverse=reverse)
    return (hs, h), (h0, u, mask, hs)


def _rnn_bwd(relu: bool, reverse: bool, saved: Any, cotangents: tuple[Array, Array]) -> Any:
    h0, u, mask, hs = saved
    by_output, dh = cotangents

    def step(dh: Array, now: Any) -> Any:
        dy, h, m = now
        dh = dh + dy
        dz = _choose(m, jnp.where(h > 0, dh, 0) if relu else dh * (1 - h * h), 0)
        dh_before = lax.dot_general(dz, u, (((1,), (0,)), ((), ())))
        if m is not None:
            dh_before = dh_before + jnp.where(m[:, None], 0, dh)
        return dh_before, dz

    dh0, dz = lax.scan(step, dh, (by_output, hs, mask), reverse=not reverse)
    return dz, dh0, _summed_outer(dz, _started_from(h0, hs, reverse)), None


rnn_scan.defvjp(_rnn_fwd, _rnn_bwd)
