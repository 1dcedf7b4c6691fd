"""The cases: the layers of the models that `benchmarks` times, forward and backward."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
import torch.nn.functional as F
from jax import lax

from torchlike._src.operators.activation import log_softmax, softmax
from torchlike._src.operators.attention import _scaled_dot_product_attention
from torchlike._src.operators.convolution import conv2d
from torchlike._src.operators.embedding import _embedding
from torchlike._src.operators.linear import linear
from torchlike._src.operators.loss_classification import cross_entropy
from torchlike._src.operators.normalization import batch_norm_train, layer_norm
from torchlike._src.operators.pooling import avg_pool2d
from torchlike._src.operators.recurrent import recurrent_layers
from torchlike._src.operators.registry import OPS

jax.config.update("jax_enable_x64", True)

Sides = dict[str, Callable[[], Any]]
max_pool2d = OPS["max_pool2d"].fn

#: batch, channels, size, filters, kernel, stride, padding
CONVOLUTIONS = {
    "MNIST CNN 1": (64, 1, 28, 32, 3, 1, 0),
    "MNIST CNN 2": (64, 32, 26, 64, 3, 1, 0),
    "ResNet stem": (16, 3, 32, 64, 3, 1, 1),
    "ResNet 64": (16, 64, 32, 64, 3, 1, 1),
    "ResNet 64-128": (16, 64, 32, 128, 3, 2, 1),
    "ResNet 128": (16, 128, 16, 128, 3, 1, 1),
    "ResNet 128-256": (16, 128, 16, 256, 3, 2, 1),
    "ResNet 256": (16, 256, 8, 256, 3, 1, 1),
    "ResNet 256-512": (16, 256, 8, 512, 3, 2, 1),
    "ResNet 512": (16, 512, 4, 512, 3, 1, 1),
    "ResNet shortcut": (16, 64, 32, 128, 1, 2, 0),
}


def sides(
    theirs: Callable[..., torch.Tensor],
    ours: Callable[..., jax.Array],
    *inputs: torch.Tensor,
    xla: Callable[..., jax.Array] | None = None,
) -> Sides:
    """Value and gradients of every floating-point input, for a fixed cotangent, on each side."""
    leaves = [x.requires_grad_() if x.is_floating_point() else x for x in inputs]
    wanted = [i for i, x in enumerate(inputs) if x.is_floating_point()]
    result = theirs(*leaves)
    cotangent = torch.randn(result.shape)
    arrays = [jnp.asarray(x.detach().numpy().copy()) for x in inputs]
    g = jnp.asarray(cotangent.numpy())

    def with_torch() -> Any:
        return torch.autograd.grad(theirs(*leaves), [leaves[i] for i in wanted], cotangent)

    def with_jax(function: Callable[..., jax.Array]) -> Callable[[], Any]:
        @jax.jit
        def run(arrays: list[jax.Array], g: jax.Array) -> Any:
            def of_wanted(*primals: jax.Array) -> jax.Array:
                full = list(arrays)
                for i, p in zip(wanted, primals, strict=True):
                    full[i] = p
                return function(*full)

            value, pullback = jax.vjp(of_wanted, *[arrays[i] for i in wanted])
            return value, pullback(g)

        np.testing.assert_allclose(run(arrays, g)[0], result.detach().numpy(), rtol=1e-3, atol=1e-3)
        return lambda: jax.block_until_ready(run(arrays, g))

    made = {"torch": with_torch, "ours": with_jax(ours)}
    if xla is not None:
        made["xla"] = with_jax(xla)
    return made


def _convolution(n: int, c: int, size: int, o: int, k: int, s: int, p: int) -> Sides:
    return sides(
        lambda x, w: F.conv2d(x, w, None, s, p),
        lambda x, w: conv2d(x, w, None, s, p),
        torch.randn(n, c, size, size),
        torch.randn(o, c, k, k) * 0.1,
        xla=lambda x, w: lax.conv_general_dilated(x, w, (s, s), ((p, p), (p, p))),
    )


def _reduce_window(x: jax.Array, k: int, s: int, p: int) -> jax.Array:
    around = ((0, 0), (0, 0), (p, p), (p, p))
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, k, k), (1, 1, s, s), around)


def _max_pool(shape: tuple[int, ...], k: int, s: int, p: int) -> Sides:
    return sides(
        lambda x: F.max_pool2d(x, k, s, p),
        lambda x: max_pool2d(x, k, s, p),
        torch.randn(shape),
        xla=lambda x: _reduce_window(x, k, s, p),
    )


def _lstm(steps: int, batch: int, hidden: int, layers: int) -> Sides:
    module = torch.nn.LSTM(hidden, hidden, layers)
    weights = [p.detach() for p in module.parameters()]
    state = torch.zeros(layers, batch, hidden)

    def theirs(x: torch.Tensor, *w: torch.Tensor) -> torch.Tensor:
        return torch._VF.lstm(x, (state, state), list(w), True, layers, 0.0, True, False, False)[0]

    def ours(x: jax.Array, *w: jax.Array) -> jax.Array:
        zero = jnp.zeros((layers, batch, hidden), jnp.float32)
        return recurrent_layers(x, [zero, zero], list(w), None, "lstm", True, False, False)[0]

    return sides(theirs, ours, torch.randn(steps, batch, hidden), *weights)


def _attention(batch: int, heads: int, steps: int, width: int) -> Sides:
    return sides(
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        lambda q, k, v: _scaled_dot_product_attention(q, k, v, None, True),
        *[torch.randn(batch, heads, steps, width) for _ in range(3)],
        xla=lambda q, k, v: jax.nn.dot_product_attention(*[x.swapaxes(1, 2) for x in (q, k, v)], is_causal=True).swapaxes(1, 2),
    )


def _xla_layer_norm(x: jax.Array, w: jax.Array, b: jax.Array) -> jax.Array:
    centred = x - x.mean(-1, keepdims=True)
    return centred * lax.rsqrt(jnp.mean(centred**2, -1, keepdims=True) + 1e-5) * w + b


def _xla_batch_norm(x: jax.Array, w: jax.Array, b: jax.Array) -> jax.Array:
    centred = x - x.mean((0, 2, 3), keepdims=True)
    normal = centred * lax.rsqrt(jnp.mean(centred**2, (0, 2, 3), keepdims=True) + 1e-5)
    return normal * w[:, None, None] + b[:, None, None]


def _batch_norm(*shape: int) -> Sides:
    return sides(
        lambda x, w, b: F.batch_norm(x, None, None, w, b, True),
        lambda x, w, b: batch_norm_train(x, None, None, w, b, 0.1, 1e-5)[0],
        torch.randn(shape),
        torch.randn(shape[1]),
        torch.randn(shape[1]),
        xla=_xla_batch_norm,
    )


def _layer_norm(rows: int, width: int) -> Sides:
    return sides(
        lambda x, w, b: F.layer_norm(x, (width,), w, b),
        lambda x, w, b: layer_norm(x, (width,), w, b),
        torch.randn(rows, width),
        torch.randn(width),
        torch.randn(width),
        xla=_xla_layer_norm,
    )


def _cross_entropy(rows: int, classes: int) -> Sides:
    return sides(
        F.cross_entropy,
        cross_entropy,
        torch.randn(rows, classes),
        torch.randint(0, classes, (rows,)),
        xla=lambda x, t: -jnp.take_along_axis(jax.nn.log_softmax(x), t[:, None], 1).mean(),
    )


def _linear(rows: int, inputs: int, outputs: int) -> Sides:
    return sides(
        F.linear,
        linear,
        torch.randn(rows, inputs),
        torch.randn(outputs, inputs),
        torch.randn(outputs),
        xla=lambda x, w, b: x @ w.T + b,
    )


def cases() -> Iterator[tuple[str, Callable[[], Sides]]]:
    """Names, and functions that make the sides of a case."""
    for name, layer in CONVOLUTIONS.items():
        yield f"conv2d {name}", lambda layer=layer: _convolution(*layer)
    yield "max_pool2d 64x64x24x24, 2", lambda: _max_pool((64, 64, 24, 24), 2, 2, 0)
    yield "max_pool2d 16x64x32x32, 3 stride 2", lambda: _max_pool((16, 64, 32, 32), 3, 2, 1)
    yield (
        "avg_pool2d 16x64x32x32, 2",
        lambda: sides(lambda x: F.avg_pool2d(x, 2), lambda x: avg_pool2d(x, 2), torch.randn(16, 64, 32, 32)),
    )
    yield "batch_norm 16x64x32x32", lambda: _batch_norm(16, 64, 32, 32)
    yield "batch_norm 16x512x4x4", lambda: _batch_norm(16, 512, 4, 4)
    yield "layer_norm 768x128", lambda: _layer_norm(768, 128)
    yield "layer_norm 4096x1024", lambda: _layer_norm(4096, 1024)
    for name, theirs, ours in (("softmax", F.softmax, softmax), ("log_softmax", F.log_softmax, log_softmax)):
        yield (
            f"{name} 4096x1024",
            lambda theirs=theirs, ours=ours: sides(lambda x: theirs(x, 1), lambda x: ours(x, 1), torch.randn(4096, 1024)),
        )
    yield "attention 12x4x64x32, causal", lambda: _attention(12, 4, 64, 32)
    yield "attention 8x8x256x64, causal", lambda: _attention(8, 8, 256, 64)
    yield "LSTM T35 B20 H200, 2 layers", lambda: _lstm(35, 20, 200, 2)
    yield "LSTM T64 B32 H256", lambda: _lstm(64, 32, 256, 1)
    yield "cross_entropy 700x5000", lambda: _cross_entropy(700, 5000)
    yield "cross_entropy 64x10", lambda: _cross_entropy(64, 10)
    yield (
        "embedding 5000x200, 700 rows",
        lambda: sides(lambda w, i: F.embedding(i, w), _embedding, torch.randn(5000, 200), torch.randint(0, 5000, (700,))),
    )
    for rows, inputs, outputs in ((64, 784, 128), (128, 784, 400), (768, 128, 512), (700, 200, 5000)):
        yield (
            f"linear {rows}x{inputs} -> {outputs}",
            lambda rows=rows, inputs=inputs, outputs=outputs: _linear(rows, inputs, outputs),
        )
