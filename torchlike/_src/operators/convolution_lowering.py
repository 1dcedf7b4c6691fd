"""How convolutions are computed. Shapes are checked and complete here: batch, channels, pairs of paddings.

On a GPU, XLA's convolution is cuDNN's and there is nothing to add. On a CPU it reaches what the machine can for images
that are large beside their filters, forward and for the gradient of the input. Four things it does not (jax 0.10.2,
measured by `benchmarks/operators/convolutions.py`):

- the gradient of the weights, which XLA makes a convolution whose window is the whole image, takes two to four times
  what its arithmetic needs;
- where filters outweigh the images (the last stages of a ResNet), it spends its time on rearranging the weights;
- a convolution without any padding goes to a slower kernel than one with padding;
- its result has the channels last, and whatever reads that reads it in strides, a pooling and its gradient eight times
  over: it is written out in order once (`computed_once`; one thread took 8 to 24 % longer over a step of the MNIST CNN without).

The first two are computed as matrix products here, over *columns*: row ``(c, tap)`` holds what tap ``tap`` sees of
channel ``c``. Weights of shape ``(O, C, *kernel)`` are then a matrix as they are, and so is their gradient.
"""

import functools
import math

import jax
import jax.numpy as jnp
from jax import lax

from torchlike._src.operators.fusion import computed_once
from torchlike._src.operators.nn_checks import on_cpu
from torchlike._src.operators.pooling_windows import Window, gather_phases
from torchlike._src.operators.registry import Array

Ints = tuple[int, ...]
Pads = tuple[tuple[int, int], ...]

#: Small images are taken together until they have so many output positions: enough to make a good matrix product.
_POSITIONS = 1024
#: From so many positions on, one image is enough.
_LARGE = 256


class _Geometry(Window):
    """A `Window` whose taps are those of a filter; ``padding`` is what stands in front."""

    @property
    def positions(self) -> int:
        """Output positions of one image."""
        return math.prod(self.out)


def convolve(x: Array, w: Array, stride: Ints, pads: Pads, dilation: Ints, groups: int) -> Array:
    """Cross-correlation of ``(N, C, *)`` with ``(O, C // groups, *)``."""
    out = tuple(
        (n + low + high - d * (k - 1) - 1) // s + 1
        for n, (low, high), d, k, s in zip(x.shape[2:], pads, dilation, w.shape[2:], stride, strict=True)
    )
    if x.size == 0 or w.size == 0:
        return jnp.zeros((x.shape[0], w.shape[0], *out), x.dtype)
    if groups == 1 and on_cpu() and x.dtype in (jnp.float32, jnp.float64):
        return _on_cpu(x, w, _Geometry(x.shape[2:], w.shape[2:], stride, tuple(p for p, _ in pads), dilation, out))
    return lax.conv_general_dilated(x, w, stride, pads, rhs_dilation=dilation, feature_group_count=groups)


def _by_xla(x: Array, w: Array, geometry: _Geometry) -> Array:
    pads = []
    for n, k, s, p, d, o in zip(*geometry, strict=True):
        pads.append((p, (o - 1) * s + d * (k - 1) + 1 - n - p))
    if any(map(any, pads)):
        return lax.conv_general_dilated(x, w, geometry.stride, pads, rhs_dilation=geometry.dilation)
    pads[0] = (0, geometry.stride[0])  # one row more than wanted, to have some padding
    result = lax.conv_general_dilated(x, w, geometry.stride, pads, rhs_dilation=geometry.dilation)
    return lax.slice_in_dim(result, 0, geometry.out[0], axis=2)


def _as_matrices(x: Array, w: Array, geometry: _Geometry) -> bool:
    """Whether filters outweigh images; or pixels are left out, of which XLA would rearrange all."""
    return w.size > x.size or (math.prod(geometry.kernel) == 1 and max(geometry.stride) > 1)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _on_cpu(x: Array, w: Array, geometry: _Geometry) -> Array:
    if not _as_matrices(x, w, geometry):
        return computed_once(_by_xla(x, w, geometry))
    matrix = w.reshape(w.shape[0], -1)

    def some(images: Array) -> Array:
        product = lax.dot(matrix, _columns(images, geometry))  # (O, n * positions)
        return product.reshape(-1, images.shape[0], geometry.positions).swapaxes(0, 1)

    return _in_portions(some, geometry, x).reshape(x.shape[0], w.shape[0], *geometry.out)


def _on_cpu_bwd(geometry: _Geometry, saved: tuple[Array, Array], g: Array) -> tuple[Array, Array]:
    x, w = saved
    if _as_matrices(x, w, geometry):
        dx = _input_gradient(g, w, geometry)
    else:
        (dx,) = jax.vjp(lambda x: _by_xla(x, w, geometry), x)[1](g)
    return dx, _weight_gradient(x, g, geometry).reshape(w.shape)


_on_cpu.defvjp(lambda x, w, geometry: (_on_cpu(x, w, geometry), (x, w)), _on_cpu_bwd)


def _portion(geometry: _Geometry, images: int) -> int:
    """How many images to take at a time: a divisor of their number."""
    wanted = max(1, _POSITIONS // geometry.positions)
    return max(n for n in range(1, min(wanted, images) + 1) if images % n == 0)


def _in_portions(f, geometry: _Geometry, *arrays: Array) -> Array:
    """Map ``f`` over portions of the batch; its results have the batch in front."""
    images = arrays[0].shape[0]
    n = _portion(geometry, images)
    if n == images:
        return f(*arrays)
    cut = [a.reshape(images // n, n, *a.shape[1:]) for a in arrays]
    result = lax.map(lambda portion: f(*portion), tuple(cut))
    return result.reshape(images, *result.shape[2:])


def _columns(images: Array, geometry: _Geometry) -> Array:
    """``(n, C, *)`` → ``(C * taps, n * positions)``."""
    seen = _taps(images.swapaxes(0, 1), geometry)  # each (C, n, *out)
    columns = jnp.stack(seen, 1).reshape(images.shape[1] * len(seen), -1)
    # The barrier keeps XLA from computing the columns inside the product, element by element.
    return lax.optimization_barrier(columns)


def _taps(x: Array, geometry: _Geometry) -> list[Array]:
    """What each tap sees: ``(..., *size)`` → ``(..., *out)``."""
    lead = x.ndim - len(geometry.size)
    pads = [(0, 0, 0)] * lead
    for n, k, s, p, d, o in zip(*geometry, strict=True):
        pads.append((p, (o - 1) * s + d * (k - 1) + 1 - n - p, 0))
    padded = lax.pad(x, jnp.zeros((), x.dtype), pads)
    seen = []
    for tap in geometry.taps:
        start = [t * d for t, d in zip(tap, geometry.dilation, strict=True)]
        limit = [a + (o - 1) * s + 1 for a, o, s in zip(start, geometry.out, geometry.stride, strict=True)]
        seen.append(lax.slice(padded, [0] * lead + start, [*padded.shape[:lead], *limit], [1] * lead + [*geometry.stride]))
    return seen


def _weight_gradient(x: Array, g: Array, geometry: _Geometry) -> Array:
    """``(O, C * taps)``: ``g @ columns.T``, added up over images or portions of them."""
    (images, out), channels, taps = g.shape[:2], x.shape[1], math.prod(geometry.kernel)
    if geometry.positions >= _LARGE:
        # Columns in the order (tap, c) and as the left factor: the faster product, if the result is turned at the end.
        pads = [(0, 0), (0, 0)]
        pads += [(p, max(0, (o - 1) * s + d * (k - 1) + 1 - n - p)) for n, k, s, p, d, o in zip(*geometry, strict=True)]
        padded = jnp.pad(x, pads)
        inner = geometry._replace(size=padded.shape[2:], padding=(0,) * len(geometry.size))

        def add(total: Array, image: tuple[Array, Array]) -> tuple[Array, None]:
            columns = lax.optimization_barrier(jnp.concatenate(_taps(image[0], inner)).reshape(taps * channels, -1))
            return total + lax.dot_general(columns, image[1].reshape(out, -1), (((1,), (1,)), ((), ()))), None

        total, _ = lax.scan(add, jnp.zeros((taps * channels, out), x.dtype), (padded, g))
        return total.reshape(taps, channels, out).transpose(2, 1, 0)
    n = _portion(geometry, images)

    def product(pixels: Array, by_output: Array) -> Array:
        rows = by_output.reshape(n, out, -1).swapaxes(0, 1).reshape(out, -1)
        return lax.dot_general(rows, _columns(pixels, geometry), (((1,), (1,)), ((), ())))

    if n == images:
        return product(x, g)
    cut = tuple(a.reshape(images // n, n, *a.shape[1:]) for a in (x, g))
    zero = jnp.zeros((out, channels * taps), x.dtype)
    return lax.scan(lambda total, portion: (total + product(*portion), None), zero, cut)[0]


def _input_gradient(g: Array, w: Array, geometry: _Geometry) -> Array:
    """``(N, C, *)``: ``g.T @ w``, each column's entries added up where they came from."""
    out, channels = w.shape[:2]
    matrix = w.reshape(out, -1)

    def some(by_output: Array) -> Array:
        n = by_output.shape[0]
        rows = by_output.reshape(n, out, -1).swapaxes(1, 2).reshape(-1, out)
        spread = lax.optimization_barrier(lax.dot(rows, matrix))  # (n * positions, C * taps)
        spread = spread.reshape(n, *geometry.out, channels, -1)
        spread = jnp.moveaxis(spread, -2, 1)  # (n, C, *out, taps)
        return gather_phases([spread[..., i] for i in range(spread.shape[-1])], geometry)

    return _in_portions(some, geometry, g)


def convolve_transposed(x: Array, w: Array, spatial: Ints, stride: Ints, pads: Pads, dilation: Ints, groups: int) -> Array:
    """The transpose of `convolve` with respect to its input: ``(N, C, *)`` with ``(C, O // groups, *)``.

    Args:
        spatial: the spatial size of the result, which a stride leaves open.
    """
    channels, out = w.shape[0], w.shape[1] * groups
    if math.prod((x.size, w.size)) == 0:
        return jnp.zeros((x.shape[0], out, *spatial), x.dtype)
    # (C, O // groups, *) → (O, C // groups, *), taps in reverse order
    kernel = w.reshape(groups, channels // groups, *w.shape[1:]).swapaxes(1, 2)
    kernel = kernel.reshape(out, channels // groups, *w.shape[2:])[(..., *(slice(None, None, -1),) * (w.ndim - 2))]
    around = []
    for n, m, s, (low, _), d, k in zip(x.shape[2:], spatial, stride, pads, dilation, w.shape[2:], strict=True):
        first = d * (k - 1) - low
        around.append((first, m + d * (k - 1) - first - ((n - 1) * s + 1)))
    return lax.conv_general_dilated(
        x, kernel, (1,) * len(spatial), around, lhs_dilation=stride, rhs_dilation=dilation, feature_group_count=groups
    )
