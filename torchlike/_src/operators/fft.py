"""Discrete Fourier transforms, and their frequencies."""

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from torchlike._src.operators.promotion import CATEGORY, COMPLEX, FLOAT, default_dtype, scalar_type, to_complex
from torchlike._src.operators.registry import Array, Out, composite, op, ops
from torchlike._src.operators.support import Dims, normalize_dim

_NORMS = (None, "backward", "forward", "ortho")


def _floating(x: Array) -> Array:
    """Integers as floats: halves have no transform here, as on torch's CPU."""
    dtype = np.dtype(x.dtype)
    if CATEGORY[dtype] < FLOAT:
        return x.astype(default_dtype())
    if dtype.itemsize == 2:
        raise RuntimeError(f"Unsupported dtype {scalar_type(dtype)}")
    return x


def _complex(x: Array) -> Array:
    x = _floating(x)
    return x.astype(to_complex(np.dtype(x.dtype)))


def _real(name: str, x: Array) -> Array:
    if CATEGORY[np.dtype(x.dtype)] == COMPLEX:
        raise RuntimeError(f"{name} expects a real input tensor, but got {scalar_type(np.dtype(x.dtype))}")
    return _floating(x)


def _check_norm(norm: str | None) -> None:
    if norm not in _NORMS:
        raise RuntimeError(f'Invalid normalization mode: "{norm}"')


def _resized(x: Array, n: int, axis: int) -> Array:
    """``x`` cut to ``n`` along ``axis``, or filled with zeros at its end."""
    size = x.shape[axis]
    if n <= size:
        return jnp.take(x, np.arange(n), axis) if n < size else x
    return jnp.pad(x, [(0, n - size if d == axis else 0) for d in range(x.ndim)])


def _axis(dim: int, ndim: int) -> int:
    """The dimension counted from the front; a 0-d tensor has none to transform along."""
    axis = normalize_dim(dim, ndim)
    if not ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    return axis


def _one(name: str, x: Array, n: int | None, dim: int, norm: str | None, to_size: Callable[[int], int]) -> tuple[Array, int]:
    """The input made ready for a transform along one dimension: cut or filled to its size."""
    _check_norm(norm)
    axis = _axis(dim, x.ndim)
    if (n is not None and n < 1) or (n is None and not (x.ndim and x.shape[axis])):
        raise RuntimeError(f"Invalid number of data points ({x.shape[axis] if n is None else n}) specified")
    return x if n is None else _resized(x, to_size(n), axis), axis


def _same(n: int) -> int:
    return n


def _half(n: int) -> int:
    return n // 2 + 1


def _complex_out(name: str) -> Out:
    return Out(f"{name} expects a complex output tensor, but got {{Given}}", cast=True)


@op("fft.fft", out=_complex_out("fft"), grad_name="FftC2CBackward0", saves=())
def fft(input: Array, n: int | None = None, dim: int = -1, norm: str | None = None) -> Array:
    """The discrete Fourier transform along ``dim``, of ``n`` points (cut, or filled with zeros).

    Args:
        norm: ``"backward"`` (the default) scales only the inverse, ``"forward"`` only this one, ``"ortho"`` both.
    """
    x, axis = _one("fft", _complex(input), n, dim, norm, _same)
    return jnp.fft.fft(x, axis=axis, norm=norm)


@op("fft.ifft", out=_complex_out("ifft"), grad_name="FftC2CBackward0", saves=())
def ifft(input: Array, n: int | None = None, dim: int = -1, norm: str | None = None) -> Array:
    """The inverse of `fft`."""
    x, axis = _one("ifft", _complex(input), n, dim, norm, _same)
    return jnp.fft.ifft(x, axis=axis, norm=norm)


@op("fft.rfft", out=_complex_out("rfft"), grad_name="FftR2CBackward0", saves=())
def rfft(input: Array, n: int | None = None, dim: int = -1, norm: str | None = None) -> Array:
    """`fft` of a real signal: the half that determines the rest."""
    x, axis = _one("rfft", _real("rfft", input), n, dim, norm, _same)
    return jnp.fft.rfft(x, axis=axis, norm=norm)


def _output_size(x: Array, n: int | None, dim: int) -> int:
    size = 2 * (x.shape[_axis(dim, x.ndim)] - 1) if n is None else n
    if size < 1:
        raise RuntimeError(f"Invalid number of data points ({size}) specified")
    return size


@op("fft.irfft", out=True, grad_name="FftC2RBackward0", saves=())
def irfft(input: Array, n: int | None = None, dim: int = -1, norm: str | None = None) -> Array:
    """The inverse of `rfft`, with ``n`` points (twice the input's less 2)."""
    x = _complex(input)
    size = _output_size(x, n, dim)
    x, axis = _one("irfft", x, size, dim, norm, _half)
    return jnp.fft.irfft(x, size, axis=axis, norm=norm)


@op("fft.hfft", out=True, grad_name="FftC2RBackward0", saves=())
def hfft(input: Array, n: int | None = None, dim: int = -1, norm: str | None = None) -> Array:
    """`fft` of a signal of which half is given, the rest being its conjugate mirror image: a real result."""
    x = _complex(input)
    size = _output_size(x, n, dim)
    x, axis = _one("hfft", x, size, dim, norm, _half)
    return jnp.fft.irfft(jnp.conj(x), size, axis=axis, norm=_swapped(norm))


@op("fft.ihfft", out=_complex_out("ihfft"), grad_name="ConjPhysicalBackward0", saves=())
def ihfft(input: Array, n: int | None = None, dim: int = -1, norm: str | None = None) -> Array:
    """The inverse of `hfft`."""
    x, axis = _one("ihfft", _real("ihfft", input), n, dim, norm, _same)
    return jnp.conj(jnp.fft.rfft(x, axis=axis, norm=_swapped(norm)))


def _swapped(norm: str | None) -> str | None:
    """The scaling of the other direction."""
    return {None: "forward", "backward": "forward", "forward": "backward", "ortho": "ortho"}[norm]


def _many(x: Array, s: Sequence[int] | None, dim: Sequence[int] | None, norm: str | None) -> tuple[list[int], list[int]]:
    """The sizes and dimensions of a transform over several."""
    _check_norm(norm)
    if isinstance(dim, int):
        dim = (dim,)
    if isinstance(s, int):
        s = (s,)
    if dim is not None:
        axes = [_axis(d, x.ndim) for d in dim]
        if len(set(axes)) != len(axes):
            raise RuntimeError("FFT dims must be unique")
        if s is not None and len(s) != len(axes):
            raise RuntimeError("When given, dim and shape arguments must have the same length")
    elif s is not None:
        if len(s) > x.ndim:
            raise RuntimeError(f"Got shape with {len(s)} values but input tensor only has {x.ndim} dimensions.")
        axes = list(range(x.ndim - len(s), x.ndim))
    else:
        axes = list(range(x.ndim))
    sizes = [x.shape[a] if s is None or s[i] == -1 else s[i] for i, a in enumerate(axes)]
    for n in sizes:
        if n < 1:
            raise RuntimeError(f"Invalid number of data points ({n}) specified")
    return sizes, axes


def _cut(x: Array, sizes: Sequence[int], axes: Sequence[int]) -> Array:
    for n, a in zip(sizes, axes, strict=True):
        x = _resized(x, n, a)
    return x


def _each_axis(transform: Callable[..., Array], x: Array, axes: Sequence[int], norm: str | None) -> Array:
    for a in axes:
        x = transform(x, axis=a, norm=norm)
    return x


@op("fft.fftn", out=_complex_out("fftn"), grad_name="FftC2CBackward0", saves=())
def fftn(input: Array, s: Dims = None, dim: Dims = None, norm: str | None = None) -> Array:
    """`fft` along each of the dimensions ``dim`` (all), of sizes ``s``."""
    x = _complex(input)
    sizes, axes = _many(x, s, dim, norm)
    return _each_axis(jnp.fft.fft, _cut(x, sizes, axes), axes, norm)


@op("fft.ifftn", out=_complex_out("ifftn"), grad_name="FftC2CBackward0", saves=())
def ifftn(input: Array, s: Dims = None, dim: Dims = None, norm: str | None = None) -> Array:
    """The inverse of `fftn`."""
    x = _complex(input)
    sizes, axes = _many(x, s, dim, norm)
    return _each_axis(jnp.fft.ifft, _cut(x, sizes, axes), axes, norm)


@op("fft.rfftn", out=_complex_out("rfftn"), grad_name="FftR2CBackward0", saves=())
def rfftn(input: Array, s: Dims = None, dim: Dims = None, norm: str | None = None) -> Array:
    """`fftn` of a real signal: along the last dimension `rfft`."""
    x = _real("rfftn", input)
    sizes, axes = _many(x, s, dim, norm)
    if not axes:
        raise RuntimeError("rfftn must transform at least one axis")
    x = jnp.fft.rfft(_cut(x, sizes, axes), axis=axes[-1], norm=norm)
    return _each_axis(jnp.fft.fft, x, axes[:-1], norm)


@op("fft.irfftn", out=True, grad_name="FftC2RBackward0", saves=())
def irfftn(input: Array, s: Dims = None, dim: Dims = None, norm: str | None = None) -> Array:
    """The inverse of `rfftn`."""
    x = _complex(input)
    _, axes = _many(x, s, dim, norm)
    if not axes:
        raise RuntimeError("irfftn must transform at least one axis")
    sizes, last = _hermitian_sizes(x, s, dim, axes, norm)
    x = _cut(x, [*sizes[:-1], last // 2 + 1], axes)
    return jnp.fft.irfft(_each_axis(jnp.fft.ifft, x, axes[:-1], norm), last, axis=axes[-1], norm=norm)


def _hermitian_sizes(x: Array, s: Any, dim: Any, axes: Sequence[int], norm: str | None) -> tuple[list[int], int]:
    """The sizes, and that of the last dimension in the result, of which the input holds half."""
    given = (s,) if isinstance(s, int) else s
    whole = 2 * (x.shape[axes[-1]] - 1) if given is None or given[-1] == -1 else given[-1]
    if whole < 1:
        raise RuntimeError(f"Invalid number of data points ({whole}) specified")
    sizes, _ = _many(x, s, dim, norm)
    return sizes, whole


@op("fft.hfftn", out=True, grad_name="FftC2RBackward0", saves=())
def hfftn(input: Array, s: Dims = None, dim: Dims = None, norm: str | None = None) -> Array:
    """`fftn` of a signal of which half is given along the last dimension: a real result."""
    x = _complex(input)
    _, axes = _many(x, s, dim, norm)
    if not axes:
        raise RuntimeError("hfftn must transform at least one axis")
    sizes, last = _hermitian_sizes(x, s, dim, axes, norm)
    x = _each_axis(jnp.fft.fft, _cut(x, [*sizes[:-1], last // 2 + 1], axes), axes[:-1], norm)
    return jnp.fft.irfft(jnp.conj(x), last, axis=axes[-1], norm=_swapped(norm))


@op("fft.ihfftn", out=_complex_out("ihfftn"), grad_name="FftC2CBackward0", saves=())
def ihfftn(input: Array, s: Dims = None, dim: Dims = None, norm: str | None = None) -> Array:
    """The inverse of `hfftn`."""
    x = _real("ihfftn", input)
    sizes, axes = _many(x, s, dim, norm)
    if not axes:
        raise RuntimeError("ihfftn must transform at least one axis")
    x = jnp.conj(jnp.fft.rfft(_cut(x, sizes, axes), axis=axes[-1], norm=_swapped(norm)))
    return _each_axis(jnp.fft.ifft, x, axes[:-1], norm)


def _declare_planes() -> None:
    """The transforms over two dimensions: those over many, with the last two as the default."""
    for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"):

        def plane(
            input: Any, s: Dims = None, dim: Dims = (-2, -1), norm: str | None = None, *, out: Any = None, name: str = name
        ) -> Any:
            return ops[f"fft.{name}n"](input, s, dim, norm, **({} if out is None else {"out": out}))

        plane.__doc__ = f"`{name}n` over two dimensions."
        plane.__name__ = f"{name}2"
        composite(f"fft.{name}2", method=False)(plane)


_declare_planes()


def _axes(x: Array, dim: Any) -> list[int]:
    if dim is None:
        return list(range(x.ndim))
    return [normalize_dim(d, x.ndim) for d in ((dim,) if isinstance(dim, int) else dim)]


@op("fft.fftshift", grad_name="RollBackward0", saves=())
def fftshift(input: Array, dim: Any = None) -> Array:
    """The zero frequency moved to the middle."""
    axes = _axes(input, dim)
    return jnp.roll(input, [input.shape[a] // 2 for a in axes], axes)


@op("fft.ifftshift", grad_name="RollBackward0", saves=())
def ifftshift(input: Array, dim: Any = None) -> Array:
    """The inverse of `fftshift`."""
    axes = _axes(input, dim)
    return jnp.roll(input, [(input.shape[a] + 1) // 2 for a in axes], axes)


def _frequencies(n: int, d: float, half: bool, dtype: Any) -> Any:
    values = np.arange(n // 2 + 1) if half else np.fft.fftfreq(n, 1 / n)
    return (values / (n * d)).astype(default_dtype() if dtype is None else dtype)


@op("_frequencies", method=False, differentiable=False, host=_frequencies)
def _frequency_op(n: int, d: float, half: bool, dtype: np.dtype | None) -> Array:
    return jnp.asarray(_frequencies(n, d, half, dtype))


def _as_asked(made: Any, device: Any, requires_grad: bool, out: Any) -> Any:
    if out is not None:
        return out.copy_(made)
    made = made if device is None else made.to(device)
    return made.requires_grad_() if requires_grad else made


@composite("fft.fftfreq", method=False)
def fftfreq(
    n: int, d: float = 1.0, *, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Any:  # fmt: skip
    """The frequencies of `fft`'s results, for samples ``d`` apart."""
    return _as_asked(ops._frequencies(n, d, False, dtype), device, requires_grad, out)


@composite("fft.rfftfreq", method=False)
def rfftfreq(
    n: int, d: float = 1.0, *, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Any:  # fmt: skip
    """The frequencies of `rfft`'s results, for samples ``d`` apart."""
    return _as_asked(ops._frequencies(n, d, True, dtype), device, requires_grad, out)
