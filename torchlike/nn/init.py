"""Initial values of parameters: torch's numbers for torch's seeds.

What draws plain uniform or normal numbers calls the tensor's own methods; the rest is worked out on the host and
copied in, so that building a model compiles nothing.
"""

import functools
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import torchlike as torch
from torchlike._src.random import sampling
from torchlike._src.random.kinds import SCALAR_TYPE
from torchlike._src.tensor.core import Tensor

__all__ = [
    "calculate_gain",
    "constant",
    "constant_",
    "dirac",
    "dirac_",
    "eye",
    "eye_",
    "kaiming_normal",
    "kaiming_normal_",
    "kaiming_uniform",
    "kaiming_uniform_",
    "normal",
    "normal_",
    "ones_",
    "orthogonal",
    "orthogonal_",
    "sparse",
    "sparse_",
    "trunc_normal_",
    "uniform",
    "uniform_",
    "xavier_normal",
    "xavier_normal_",
    "xavier_uniform",
    "xavier_uniform_",
    "zeros_",
]  # fmt: skip

_LINEAR = {
    "linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "sigmoid",
}  # fmt: skip
_GAIN = {"tanh": 5.0 / 3, "relu": math.sqrt(2.0), "selu": 3.0 / 4}
_TWO_DIMENSIONS = "Only tensors with 2 dimensions are supported"


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """By how much to scale weights that feed a nonlinearity, to keep the variance of what flows through.

    Args:
        nonlinearity: name of a function of `nn.functional`: ``"linear"``, ``"relu"``, ``"tanh"``, ...
        param: the negative slope of ``"leaky_relu"``; None means 0.01.
    Raises:
        ValueError: for other names, or a slope that is not a number.
    """
    if nonlinearity in _LINEAR:
        return 1
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity not in _GAIN:
        raise ValueError(f"Unsupported nonlinearity {nonlinearity}")
    return _GAIN[nonlinearity]


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
    """Fill with uniform numbers in ``[a, b)``."""
    with torch.no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
    """Fill with normal numbers."""
    with torch.no_grad():
        return tensor.normal_(mean, std, generator=generator)


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one number."""
    with torch.no_grad():
        return tensor.fill_(val)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with ones."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with zeros."""
    with torch.no_grad():
        return tensor.zero_()


def _copy_in(tensor: Tensor, array: np.ndarray) -> Tensor:
    with torch.no_grad():
        return tensor.copy_(torch.from_numpy(np.ascontiguousarray(array, tensor.dtype.np)))


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Fill with normal numbers, drawing those outside ``[a, b]`` again."""
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. The distribution of values may be incorrect.",
            stacklevel=2,
        )
    inside = _normal_cdf((b - mean) / std) - _normal_cdf((a - mean) / std)
    draw = _truncated_by_redrawing if inside > 0.3 else _truncated_by_rejection
    return _copy_in(tensor, draw(generator, tuple(tensor.shape), tensor.dtype.np, mean, std, a, b))


def _normal_cdf(x: float) -> float:
    return (1.0 + math.erf(x / math.sqrt(2.0))) / 2.0


def _truncated_by_redrawing(
    generator: Any, shape: tuple[int, ...], dtype: np.dtype, mean: float, std: float, a: float, b: float
) -> np.ndarray:
    low, high = np.array([a, b]).astype(dtype)
    result = sampling.normal(generator, shape, dtype, mean, std)
    while (outside := (result < low) | (result > high)).any():
        fresh = sampling.normal(generator, shape, dtype, mean, std, wanted=outside)
        result = np.where(outside, fresh, result)
    return result


def _truncated_by_rejection(
    generator: Any, shape: tuple[int, ...], dtype: np.dtype, mean: float, std: float, a: float, b: float
) -> np.ndarray:
    """Uniform numbers, accepted in proportion to the density: for intervals that hold little of the normal."""
    peak = -0.5 * ((max(a, min(mean, b)) - mean) / std) ** 2
    work = np.float64 if dtype == np.float64 else np.float32

    def step(fn: Callable[..., Any], x: np.ndarray, *numbers: float) -> np.ndarray:
        return fn(x.astype(work), *map(work, numbers)).astype(dtype)  # torch rounds to the dtype at each step

    def refused(candidates: np.ndarray) -> np.ndarray:
        z = step(np.divide, step(np.subtract, candidates, mean), std)
        log_density = step(np.subtract, step(np.multiply, step(np.square, z), -0.5), peak)
        with np.errstate(divide="ignore"):
            return step(np.log, sampling.uniform(generator, shape, dtype)) > log_density

    result = sampling.uniform(generator, shape, dtype, a, b)
    pending = refused(result)
    while pending.any():
        candidates = sampling.uniform(generator, shape, dtype, a, b)
        result = np.where(pending, candidates, result)
        pending &= refused(candidates)
    return result


def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with the identity, so that a `Linear` layer passes its inputs on.

    Raises:
        ValueError: if it is not a matrix.
    """
    if tensor.ndimension() != 2:
        raise ValueError(_TWO_DIMENSIONS)
    return _copy_in(tensor, np.eye(*tensor.shape))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Fill a convolution's weight so that it passes on as many input channels as it can, in each group.

    Args:
        tensor: shape ``(out, in / groups, *kernel)``, one to three kernel dimensions.
    Raises:
        ValueError: for other shapes.
    """
    if tensor.ndimension() not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    out, channels, *kernel = tensor.shape
    if out % groups:
        raise ValueError("dim 0 must be divisible by groups")
    values = np.zeros(tensor.shape)
    center = tuple([k // 2 for k in kernel])
    for group in range(groups):
        for d in range(min(out // groups, channels)):
            values[(group * (out // groups) + d, d, *center)] = 1
    return _copy_in(tensor, values)


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    if tensor.dim() < 2:
        raise ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
    out, channels, *kernel = tensor.shape
    return channels * math.prod(kernel), out * math.prod(kernel)


def _calculate_correct_fan(tensor: Tensor, mode: str) -> int:
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    return _calculate_fan_in_and_fan_out(tensor)[mode == "fan_out"]


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
    """Uniform numbers of variance ``2 gain² / (fan_in + fan_out)``.

    Source:
        Glorot and Bengio 2010, https://proceedings.mlr.press/v9/glorot10a.html.
    """
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    std = gain * math.sqrt(2.0 / float(fan_in + fan_out))
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
    """Normal numbers of variance ``2 gain² / (fan_in + fan_out)``. Source: see `xavier_uniform_`."""
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / float(fan_in + fan_out)), generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float | None:
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
        return None
    fan = _calculate_correct_fan(tensor, mode)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: torch.Generator | None = None,
) -> Tensor:
    """Uniform numbers of variance ``gain² / fan``.

    Args:
        a: negative slope of the ``"leaky_relu"`` that follows.
        mode: ``"fan_in"`` keeps the variance of the forward pass, ``"fan_out"`` of the backward pass.
        nonlinearity: see `calculate_gain`.
    Source:
        He et al. 2015, https://arxiv.org/abs/1502.01852.
    """
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    if std is None:
        return tensor
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: torch.Generator | None = None,
) -> Tensor:
    """Normal numbers of variance ``gain² / fan``. Arguments and source: see `kaiming_uniform_`."""
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    return tensor if std is None else normal_(tensor, 0, std, generator)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: torch.Generator | None = None) -> Tensor:
    """Fill with a random (semi-)orthogonal matrix, times ``gain``; dimensions after the first are flattened.

    Raises:
        ValueError: for fewer than 2 dimensions.
    Source:
        Saxe et al. 2013, https://arxiv.org/abs/1312.6120; the sign convention that makes it uniform: Mezzadri 2006,
        https://arxiv.org/abs/math-ph/0609050.
    """
    if tensor.ndimension() < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if tensor.numel() == 0:
        return tensor
    dtype = tensor.dtype.np
    rows = tensor.size(0)
    columns = tensor.numel() // rows
    values = sampling.normal(generator, (rows, columns), dtype)
    if dtype.itemsize < 4:
        raise NotImplementedError(f"\"geqrf_cpu\" not implemented for '{SCALAR_TYPE[dtype.name]}'")
    if dtype.kind == "c":
        raise NotImplementedError(
            "Unlike NumPy, torch.sign is not intended to support complex numbers. Please use torch.sgn instead."
        )
    q, r = np.linalg.qr(values.T if rows < columns else values)
    q *= np.sign(np.diag(r))
    q = q.T if rows < columns else q
    return _copy_in(tensor, q.reshape(tensor.shape) * dtype.type(gain))


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: torch.Generator | None = None) -> Tensor:
    """Fill a matrix with normal numbers, but for a fraction ``sparsity`` of each column, which is zero.

    Raises:
        ValueError: if it is not a matrix.
    Source:
        Martens 2010, https://www.cs.toronto.edu/~jmartens/docs/Deep_HessianFree.pdf.
    """
    if tensor.ndimension() != 2:
        raise ValueError(_TWO_DIMENSIONS)
    rows, columns = tensor.shape
    values = sampling.normal(generator, (rows, columns), tensor.dtype.np, 0, std)
    for column in range(columns):
        # As in torch, the places come from the default generator whatever the argument says.
        values[sampling.randperm(None, rows)[: math.ceil(sparsity * rows)], column] = 0
    return _copy_in(tensor, values)


def _deprecated(new: Callable[..., Tensor]) -> Callable[..., Tensor]:
    name = new.__name__[:-1]

    @functools.wraps(new)
    def old(*args: Any, **kwargs: Any) -> Tensor:
        warnings.warn(f"`nn.init.{name}` is now deprecated in favor of `nn.init.{new.__name__}`.", FutureWarning, stacklevel=2)
        return new(*args, **kwargs)

    old.__name__ = old.__qualname__ = name
    old.__doc__ = f"The old name of `{new.__name__}`."
    return old


uniform = _deprecated(uniform_)
normal = _deprecated(normal_)
constant = _deprecated(constant_)
eye = _deprecated(eye_)
dirac = _deprecated(dirac_)
xavier_uniform = _deprecated(xavier_uniform_)
xavier_normal = _deprecated(xavier_normal_)
kaiming_uniform = _deprecated(kaiming_uniform_)
kaiming_normal = _deprecated(kaiming_normal_)
orthogonal = _deprecated(orthogonal_)
sparse = _deprecated(sparse_)
