"""The same workloads by hand in JAX: one jitted step each, optax for the optimizer, everything donated.

The heavy ops come from a `Lowering`: JAX's own (`PLAIN`), or the pure functions that torchlike runs too
(`same_lowering`), so that what is compared is how a step is put together, not which convolution is used.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from benchmarks import workloads

Parameters = dict[str, jax.Array]


def _conv2d(x: Any, w: Any, bias: Any, stride: int, padding: int) -> Any:
    y = lax.conv_general_dilated(x, w, (stride, stride), [(padding, padding)] * 2)
    return y if bias is None else y + bias[None, :, None, None]


def _max_pool2d(x: Any, size: int) -> Any:
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, size, size), (1, 1, size, size), "VALID")


def _batch_norm(x: Any, mean: Any, var: Any, weight: Any, bias: Any) -> tuple[Any, Any, Any]:
    batch_mean = x.mean((0, 2, 3))
    centred = x - batch_mean[None, :, None, None]
    batch_var = jnp.square(centred).mean((0, 2, 3))
    scale = weight * lax.rsqrt(batch_var + 1e-5)
    count = x.size // x.shape[1]
    mean = 0.9 * mean + 0.1 * lax.stop_gradient(batch_mean)
    var = 0.9 * var + 0.1 * lax.stop_gradient(batch_var) * (count / (count - 1))
    return centred * scale[None, :, None, None] + bias[None, :, None, None], mean, var


def _layer_norm(x: Any, weight: Any, bias: Any) -> Any:
    mean = x.mean(-1, keepdims=True)
    variance = jnp.square(x - mean).mean(-1, keepdims=True)
    return (x - mean) * lax.rsqrt(variance + 1e-5) * weight + bias


def _lstm(x: Any, h: Any, c: Any, weights: list[Any]) -> tuple[Any, Any, Any]:
    """Layers of an LSTM: ``weights`` are w_ih, w_hh, b_ih, b_hh for each; the last states of all layers stacked."""

    def step(u: Any, carry: Any, z: Any) -> Any:
        h, c = carry
        i, f, g, o = jnp.split(z + h @ u.T, 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    last = []
    for layer in range(len(weights) // 4):
        w, u, bw, bu = weights[4 * layer : 4 * layer + 4]
        states, x = lax.scan(functools.partial(step, u), (h[layer], c[layer]), x @ w.T + bw + bu)
        last.append(states)
    h, c = (jnp.stack(s) for s in zip(*last, strict=True))
    return x, h, c


def _attention(q: Any, k: Any, v: Any) -> Any:
    q, k, v = (u.swapaxes(1, 2) for u in (q, k, v))
    return jax.nn.dot_product_attention(q, k, v, is_causal=True).swapaxes(1, 2)


def _cross_entropy(logits: Any, targets: Any) -> Any:
    return optax.softmax_cross_entropy_with_integer_labels(logits, targets).mean()


def _dropout(x: Any, rate: float, seed: Any) -> Any:
    keep = jax.random.bernoulli(jax.random.key(seed), 1 - rate, x.shape)
    return jnp.where(keep, x / (1 - rate), jnp.zeros((), x.dtype))


def _normal(shape: tuple[int, ...], seed: Any) -> Any:
    return jax.random.normal(jax.random.key(seed), shape, jnp.float32)


@dataclasses.dataclass(frozen=True)
class Lowering:
    """How the ops that have more than one good formulation are computed."""

    conv2d: Callable[..., Any] = _conv2d
    max_pool2d: Callable[..., Any] = _max_pool2d
    batch_norm: Callable[..., Any] = _batch_norm
    layer_norm: Callable[..., Any] = _layer_norm
    lstm: Callable[..., Any] = _lstm
    attention: Callable[..., Any] = _attention
    cross_entropy: Callable[..., Any] = _cross_entropy
    dropout: Callable[..., Any] = _dropout
    normal: Callable[..., Any] = _normal


PLAIN = Lowering()


def same_lowering() -> Lowering:
    """torchlike's own op functions, called as the plain functions that they are."""
    import torchlike  # noqa: F401 (declares the ops)
    from torchlike._src.operators.registry import OPS

    def fn(name: str) -> Callable[..., Any]:
        return OPS[name].fn

    conv2d, max_pool2d, batch_norm = fn("conv2d"), fn("max_pool2d"), fn("_batch_norm_train")
    layer_norm, recurrent = fn("nn.functional.layer_norm"), fn("_recurrent_layers")
    attention = fn("_scaled_dot_product_attention")
    dropout, normal = fn("_device_dropout"), fn("_device_normal")
    return Lowering(
        conv2d=lambda x, w, bias, stride, padding: conv2d(x, w, bias, stride, padding),
        max_pool2d=lambda x, size: max_pool2d(x, size),
        batch_norm=lambda x, mean, var, weight, bias: batch_norm(x, mean, var, weight, bias, 0.1, 1e-5),
        layer_norm=lambda x, weight, bias: layer_norm(x, (x.shape[-1],), weight, bias),
        lstm=lambda x, h, c, weights: recurrent(x, [h, c], weights, None, "lstm", True, False, False),
        attention=lambda q, k, v: attention(q, k, v, is_causal=True),
        cross_entropy=fn("nn.functional.cross_entropy"),
        dropout=lambda x, rate, seed: dropout(x, rate, False, seed=seed),
        normal=lambda shape, seed: normal(shape, 0.0, 1.0, dtype=np.dtype(np.float32), seed=seed),
    )


@dataclasses.dataclass
class Step:
    """A hand-written training step: ``state, loss = run(state, *batch)``, jitted, its state donated."""

    state: Any
    run: Callable[..., tuple[Any, jax.Array]]


def _linear(p: Parameters, name: str, x: Any) -> Any:
    y = lax.dot_general(x, p[f"{name}.weight"], (((x.ndim - 1,), (1,)), ((), ())))
    return y + p[f"{name}.bias"] if f"{name}.bias" in p else y


def _train(parameters: Parameters, optimizer: optax.GradientTransformation, loss: Callable[..., Any], extra: Any = ()) -> Step:
    """A step for ``loss(parameters, extra, *batch) -> (loss, extra)``, where extra is carried along."""

    @functools.partial(jax.jit, donate_argnums=0)
    def run(state: Any, *batch: Any) -> Any:
        parameters, moments, extra = state
        (value, extra), gradients = jax.value_and_grad(loss, has_aux=True)(parameters, extra, *batch)
        updates, moments = optimizer.update(gradients, moments, parameters)
        return (optax.apply_updates(parameters, updates), moments, extra), value

    # Copies: what is donated must be ours alone.
    parameters = {name: jnp.array(value) for name, value in parameters.items()}
    return Step((parameters, optimizer.init(parameters), extra), run)


def mlp(p: Any, low: Lowering) -> Step:
    def loss(p: Parameters, extra: Any, x: Any, y: Any) -> Any:
        return low.cross_entropy(_linear(p, "fc2", jax.nn.relu(_linear(p, "fc1", x))), y), extra

    return _train(p, optax.sgd(0.01, momentum=0.9), loss)


def cnn(p: Any, low: Lowering) -> Step:
    def loss(p: Parameters, seed: Any, x: Any, y: Any) -> Any:
        x = jax.nn.relu(low.conv2d(x, p["conv1.weight"], p["conv1.bias"], 1, 0))
        x = jax.nn.relu(low.conv2d(x, p["conv2.weight"], p["conv2.bias"], 1, 0))
        x = low.dropout(low.max_pool2d(x, 2), 0.25, seed)
        x = jax.nn.relu(_linear(p, "fc1", x.reshape(x.shape[0], -1)))
        x = _linear(p, "fc2", low.dropout(x, 0.5, seed + np.uint64(1)))
        return low.cross_entropy(x, y), seed + np.uint64(2)

    return _train(p, optax.adadelta(1.0, rho=0.9, eps=1e-6), loss, jnp.zeros((), jnp.uint64))


def resnet18(p: Any, low: Lowering) -> Step:
    names = [name.removesuffix(".weight") for name in p if p[name].ndim == 1 and name.endswith(".weight")]
    running = {n: [jnp.zeros_like(p[f"{n}.weight"]), jnp.ones_like(p[f"{n}.weight"])] for n in names}

    def loss(p: Parameters, running: Any, x: Any, y: Any) -> Any:
        new = {}

        def norm(name: str, x: Any) -> Any:
            y, *new[name] = low.batch_norm(x, *running[name], p[f"{name}.weight"], p[f"{name}.bias"])
            return y

        def block(name: str, x: Any, stride: int) -> Any:
            y = jax.nn.relu(norm(f"{name}.bn1", low.conv2d(x, p[f"{name}.conv1.weight"], None, stride, 1)))
            y = norm(f"{name}.bn2", low.conv2d(y, p[f"{name}.conv2.weight"], None, 1, 1))
            if f"{name}.shortcut.0.weight" in p:
                x = norm(f"{name}.shortcut.1", low.conv2d(x, p[f"{name}.shortcut.0.weight"], None, stride, 0))
            return jax.nn.relu(y + x)

        x = jax.nn.relu(norm("bn1", low.conv2d(x, p["conv1.weight"], None, 1, 1)))
        for i, stride in enumerate((1, 1, 2, 1, 2, 1, 2, 1)):
            x = block(f"blocks.{i}", x, stride)
        return low.cross_entropy(_linear(p, "fc", x.mean((2, 3))), y), new

    optimizer = optax.chain(optax.add_decayed_weights(5e-4), optax.sgd(0.01, momentum=0.9))
    return _train(p, optimizer, loss, running)


def lstm(p: Any, low: Lowering) -> Step:
    shape = (2, workloads.BATCH, workloads.WIDTH)

    def loss(p: Parameters, hidden: Any, tokens: Any, targets: Any) -> Any:
        kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        weights = [p[f"rnn.{kind}_l{layer}"] for layer in range(2) for kind in kinds]
        x, *hidden = low.lstm(p["encoder.weight"][tokens], *hidden, weights)
        logits = _linear(p, "decoder", x).reshape(-1, workloads.VOCABULARY)
        return low.cross_entropy(logits, targets), lax.stop_gradient(tuple(hidden))

    optimizer = optax.chain(optax.clip_by_global_norm(0.25), optax.sgd(1.0))
    return _train(p, optimizer, loss, (jnp.zeros(shape, jnp.float32), jnp.zeros(shape, jnp.float32)))


def gpt(p: Any, low: Lowering) -> Step:
    heads, width = workloads.HEADS, workloads.EMBED

    def loss(p: Parameters, extra: Any, tokens: Any, targets: Any) -> Any:
        n, t = tokens.shape
        x = p["wte.weight"][tokens] + p["wpe.weight"][:t]
        for i in range(workloads.LAYERS):
            name = f"blocks.{i}"
            y = low.layer_norm(x, p[f"{name}.ln1.weight"], p[f"{name}.ln1.bias"])
            qkv = jnp.split(_linear(p, f"{name}.attn.qkv", y), 3, axis=2)
            q, k, v = (u.reshape(n, t, heads, width // heads).swapaxes(1, 2) for u in qkv)
            y = low.attention(q, k, v).swapaxes(1, 2).reshape(n, t, width)
            x = x + _linear(p, f"{name}.attn.proj", y)
            y = low.layer_norm(x, p[f"{name}.ln2.weight"], p[f"{name}.ln2.bias"])
            y = jax.nn.gelu(_linear(p, f"{name}.up", y), approximate=False)
            x = x + _linear(p, f"{name}.down", y)
        x = low.layer_norm(x, p["ln.weight"], p["ln.bias"])
        logits = _linear(p, "head", x)
        return low.cross_entropy(logits.reshape(-1, workloads.CHARACTERS), targets.reshape(-1)), extra

    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-3, b1=0.9, b2=0.99, eps=1e-8, weight_decay=0.1))
    return _train(p, optimizer, loss)


def vae(p: Any, low: Lowering) -> Step:
    def loss(p: Parameters, seed: Any, x: Any) -> Any:
        x = x.reshape(-1, 784)
        h = jax.nn.relu(_linear(p, "fc1", x))
        mu, logvar = _linear(p, "fc21", h), _linear(p, "fc22", h)
        std = jnp.exp(0.5 * logvar)
        z = mu + low.normal(std.shape, seed) * std
        decoded = jax.nn.sigmoid(_linear(p, "fc4", jax.nn.relu(_linear(p, "fc3", z))))
        # torch clamps the logarithms at -100, so that a certain wrong answer costs a finite amount.
        inside = x * jnp.maximum(jnp.log(decoded), -100.0) + (1 - x) * jnp.maximum(jnp.log1p(-decoded), -100.0)
        return -inside.sum() - 0.5 * jnp.sum(1 + logvar - jnp.square(mu) - jnp.exp(logvar)), seed + np.uint64(1)

    return _train(p, optax.adam(1e-3), loss, jnp.zeros((), jnp.uint64))


STEPS: dict[str, Callable[[Any, Lowering], Step]] = {f.__name__: f for f in (mlp, cnn, resnet18, lstm, gpt, vae)}


def build(name: str, parameters: dict[str, np.ndarray], low: Lowering) -> Step:
    """The step of the workload `name`, starting from torch's parameters."""
    return STEPS[name](parameters, low)


__all__ = ["PLAIN", "STEPS", "Lowering", "Step", "build", "same_lowering"]
