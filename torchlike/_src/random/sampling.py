"""Random arrays with torch's numbers: one word (or one 64-bit word) of the stream for each number.

Every function takes the generator first (None means the default one), then the shape and the NumPy dtype of
the result, then the distribution's own parameters, and checks them as torch does. Normals are in `normal`, integers
and permutations in `integers`, what rejects some of its draws in `rejection`.
"""

import math
from collections.abc import Callable

import ml_dtypes
import numpy as np

from torchlike._src.random.generator import Generator, resolve
from torchlike._src.random.integers import random, randperm
from torchlike._src.random.kinds import CXX_TYPE, DIGITS, FLOAT32, FLOAT64, SCALAR_TYPE, is_float, not_implemented
from torchlike._src.random.normal import normal, pairs
from torchlike._src.random.rejection import binomial, dirichlet, poisson, standard_gamma
from torchlike._src.random.rounding import cast, fused_multiply_add

__all__ = [
    "bernoulli", "binomial", "cauchy", "dirichlet", "exponential", "geometric", "in_memory_order", "log_normal",
    "multinomial", "normal", "poisson", "random", "randperm", "standard_gamma", "uniform",
]  # fmt: skip

Shape = tuple[int, ...]


def in_memory_order(draw: Callable[[Shape], np.ndarray], shape: Shape, strides: Shape) -> np.ndarray:
    """Draw as torch fills a tensor that is not contiguous: in the order in which its elements lie in memory.

    Args:
        draw: from a shape to an array of that shape.
    """
    order = sorted(range(len(shape)), key=lambda dim: -strides[dim])
    return draw(tuple([shape[dim] for dim in order])).transpose(np.argsort(order))


def uniform(generator: Generator | None, shape: Shape, dtype: np.dtype, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """Uniform numbers in ``[low, high)``, as ``Tensor.uniform_``; both parts of a complex one.

    Raises:
        RuntimeError: if the range is empty or does not fit ``dtype``.
    """
    generator = resolve(generator)
    dtype = np.dtype(dtype)
    if dtype.kind == "c":
        part = np.dtype(f"f{dtype.itemsize // 2}")
        return uniform(generator, (*shape, 2), part, low, high).view(dtype)[..., 0]
    if not is_float(dtype):
        raise not_implemented("check_uniform_bounds", dtype)
    low, high = float(low), float(high)
    limit = float(ml_dtypes.finfo(dtype).max)
    for name, value in (("from", low), ("to", high)):
        if not -limit <= value <= limit:
            raise RuntimeError(f"{name} is out of bounds for {CXX_TYPE[dtype.name]}")
    if low > high:
        raise RuntimeError(f"uniform_ expects to return a [from, to) range, but found from={low:g} > to={high:g}")
    if high - low > limit:
        raise RuntimeError(
            f"uniform_ expects to-from <= std::numeric_limits<{SCALAR_TYPE[dtype.name]}>::max(), but found to={high:g} "
            f"and from={low:g} which result in to-from to exceed the limit"
        )
    size = math.prod(shape)
    standard = (low, high) == (0.0, 1.0)
    if dtype == FLOAT64:
        result = generator.twister.doubles(size)
        if not standard:
            result = fused_multiply_add(result, high - low, low)
    else:
        result = generator.twister.floats(size)
    if dtype != FLOAT64 and not standard:
        low32, high32 = np.float32(low), np.float32(high)
        # one rounding, as the hardware's fused multiply-add; the product is exact in double precision
        result = (result * np.float64(high32 - low32) + np.float64(low32)).astype(np.float32)
    result = result.astype(dtype, copy=False)
    if not standard or DIGITS[dtype] < 24:
        result[result == dtype.type(high)] = dtype.type(low)  # rounding may have reached `high`
    return result.reshape(shape)


def bernoulli(generator: Generator | None, shape: Shape, dtype: np.dtype, p: float | np.ndarray = 0.5) -> np.ndarray:
    """1 with probability ``p``, else 0, as ``Tensor.bernoulli_``.

    Args:
        p: a number, or an array that broadcasts to ``shape``.
    Raises:
        RuntimeError: if a probability is outside ``[0, 1]``.
    """
    generator = resolve(generator)
    dtype = np.dtype(dtype)
    size = math.prod(shape)
    if not isinstance(p, np.ndarray):
        if not 0 <= p <= 1:
            raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p:g}")
        if (dtype.kind == "c" or dtype.name in ("uint16", "uint32", "uint64")) and size:
            raise not_implemented("bernoulli_scalar_cpu_", dtype)
        return (generator.twister.doubles(size) < p).astype(dtype).reshape(shape)
    if not is_float(p.dtype):
        raise not_implemented("bernoulli_tensor_cpu_p_", p.dtype)
    if p.ndim > len(shape) or any(a not in (1, b) for a, b in zip(p.shape[::-1], shape[::-1], strict=False)):
        dim = next((d for d in range(1, min(p.ndim, len(shape)) + 1) if p.shape[-d] not in (1, shape[-d])), len(shape))
        raise RuntimeError(
            f"The expanded size of the tensor ({shape[-dim]}) must match the existing size ({p.shape[-dim]}) at "
            f"non-singleton dimension {len(shape) - dim}.  Target sizes: {list(shape)}.  Tensor sizes: {list(p.shape)}"
        )
    if not ((p >= 0) & (p <= 1)).all():
        raise RuntimeError(
            "Expected p_in >= 0 && p_in <= 1 to be true, but got false.  (Could this error message be improved?  "
            "If so, please report an enhancement request to PyTorch.)"
        )
    draw = generator.twister.doubles if p.dtype == FLOAT64 else generator.twister.floats
    uniforms = draw(size).reshape(shape)
    return (uniforms < p.astype(uniforms.dtype)).astype(dtype)


def exponential(generator: Generator | None, shape: Shape, dtype: np.dtype, lambd: float = 1.0) -> np.ndarray:
    """Exponential numbers of rate ``lambd``, as ``Tensor.exponential_``.

    Raises:
        RuntimeError: if ``lambd`` is not positive, or ``dtype`` not floating.
    """
    generator = resolve(generator)
    dtype = np.dtype(dtype)
    _require_float(dtype, "Exponential", SCALAR_TYPE[dtype.name])
    if not lambd > 0.0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd:g}")
    uniforms = generator.twister.doubles(math.prod(shape))
    np.negative(uniforms, out=uniforms)
    np.log1p(uniforms, out=uniforms)
    uniforms *= -1.0 / lambd
    return cast(uniforms, dtype).reshape(shape)


def geometric(generator: Generator | None, shape: Shape, dtype: np.dtype, p: float) -> np.ndarray:
    """How many trials of probability ``p`` until the first success, as ``Tensor.geometric_``.

    Raises:
        RuntimeError: if ``p`` is outside ``(0, 1)``.
    """
    generator = resolve(generator)
    dtype = np.dtype(dtype)
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p:g}")
    if (dtype.name in ("bool", "uint16", "uint32", "uint64") or dtype.kind == "c") and math.prod(shape):
        raise not_implemented("geometric_cpu", dtype)
    uniforms = generator.twister.doubles(math.prod(shape))
    with np.errstate(divide="ignore"):
        trials = np.ceil(np.log(uniforms) / math.log1p(-p))
    return cast(trials if is_float(dtype) else trials.astype(np.int64), dtype).reshape(shape)


def log_normal(generator: Generator | None, shape: Shape, dtype: np.dtype, mean: float = 1.0, std: float = 2.0) -> np.ndarray:
    """``exp`` of normal numbers, as ``Tensor.log_normal_``.

    Raises:
        RuntimeError: if ``std`` is not positive.
    """
    generator = resolve(generator)
    dtype = np.dtype(dtype)
    if not std > 0.0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std:g}")
    if not is_float(dtype) and math.prod(shape):
        raise not_implemented("log_normal_cpu", dtype)
    with generator.lock:
        normals = fused_multiply_add(pairs(generator, math.prod(shape)), float(std), float(mean))
    return cast(np.exp(normals), dtype).reshape(shape)


def cauchy(generator: Generator | None, shape: Shape, dtype: np.dtype, median: float = 0.0, sigma: float = 1.0) -> np.ndarray:
    """Cauchy numbers, as ``Tensor.cauchy_``.

    Raises:
        RuntimeError: if ``sigma`` is not positive, or ``dtype`` not floating.
    """
    generator = resolve(generator)
    dtype = np.dtype(dtype)
    _require_float(dtype, "Cauchy", CXX_TYPE.get(dtype.name, dtype.name))
    if not sigma > 0.0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma:g}")
    uniforms = generator.twister.doubles(math.prod(shape))
    tangents = np.tan(math.pi * (uniforms - 0.5))
    return cast(fused_multiply_add(tangents, float(sigma), float(median)), dtype).reshape(shape)


def _require_float(dtype: np.dtype, distribution: str, name: str) -> None:
    if not is_float(dtype):
        raise RuntimeError(
            f"{distribution} distribution is a continuous probability distribution. dtype must be a floating point "
            f"but you specified {name}"
        )


def multinomial(generator: Generator | None, weights: np.ndarray, num_samples: int, replacement: bool = False) -> np.ndarray:
    """Indices drawn with probability proportional to ``weights``, as ``torch.multinomial``.

    Args:
        weights: floating, shape ``(C,)`` or ``(N, C)``; rows need not sum to one.
    Returns:
        int64, shape ``(num_samples,)`` or ``(N, num_samples)``.
    Raises:
        RuntimeError: if a weight is negative or not finite, a row sums to zero, or there are too few to draw from.
    """
    generator = resolve(generator)
    if weights.ndim not in (1, 2):
        raise RuntimeError("prob_dist must be 1 or 2 dim")
    if not is_float(weights.dtype):
        raise RuntimeError(f"multinomial only supports floating-point dtypes for input, got: {SCALAR_TYPE[weights.dtype.name]}")
    if num_samples <= 0:
        raise RuntimeError("cannot sample n_sample <= 0 samples")
    categories = weights.shape[-1]
    if not replacement and num_samples > categories:
        raise RuntimeError("cannot sample n_sample > prob_dist.size(-1) samples without replacement")
    if categories > 1 << 24:
        raise RuntimeError("number of categories cannot exceed 2^24")
    shape = (*weights.shape[:-1], num_samples)
    if not math.prod(shape):
        return np.empty(shape, np.int64)
    if not categories:
        raise RuntimeError("aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity.")
    one_by_one = replacement and num_samples > 1
    if not (valid := (weights >= 0) & np.isfinite(weights)).all():
        if one_by_one:
            which = "= infinity or NaN" if weights.reshape(-1)[valid.argmin()] == np.inf else "< 0"
            raise RuntimeError(f"invalid multinomial distribution (encountering probability entry {which})")
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if not weights.any(axis=-1).all():
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    if one_by_one:
        return _with_replacement(generator, weights, num_samples)
    # the exponential race: argmax of weight / Exp(1)
    race = exponential(generator, weights.shape, weights.dtype)
    with np.errstate(divide="ignore", invalid="ignore"):
        race = weights / race
    if num_samples == 1:
        return race.argmax(axis=-1, keepdims=True)
    return np.argsort(-race.astype(np.float64), axis=-1, kind="stable")[..., :num_samples].copy()


def _with_replacement(generator: Generator, weights: np.ndarray, num_samples: int) -> np.ndarray:
    """Invert the cumulative distribution, summed one by one in the weights' own precision."""
    wide = weights.astype(FLOAT64 if weights.dtype == FLOAT64 else FLOAT32)
    cumulative = np.cumsum(wide, axis=-1, dtype=wide.dtype)
    cumulative /= cumulative[..., -1:].copy()
    cumulative[..., -1] = 1
    draws = generator.twister.doubles(math.prod(weights.shape[:-1]) * num_samples).reshape(-1, num_samples)
    rows = cumulative.reshape(-1, weights.shape[-1]).astype(np.float64)
    picked = np.stack([np.searchsorted(row, draw) for row, draw in zip(rows, draws, strict=True)])
    return picked.reshape(*weights.shape[:-1], num_samples)
