"""Normal numbers by Box and Muller's method, with torch's rounding.

torch fills 16 numbers at a time from 16 uniforms (the first eight give the radii, the last eight the angles), with
single-precision polynomials and fused multiply-adds. Those steps are repeated here one by one, so that seeded
weights come out bit for bit; fewer than 16 numbers are drawn in pairs in double precision instead.

Source:
    Box and Muller 1958, doi:10.1214/aoms/1177706645; polynomials of the Cephes library (Moshier 1984–2000),
    logf.c and sinf.c.
"""

import math

import numpy as np

from torchlike._src.random.generator import Generator, resolve
from torchlike._src.random.kinds import FLOAT32, FLOAT64, is_float, not_implemented
from torchlike._src.random.rounding import cast, fused_multiply_add

_BLOCK = 16  # one AVX2 register of radii, one of angles
_CHUNK = 1024  # blocks worked on at once: the scratch arrays stay in the L1 cache

_f32 = np.float32
_LOG = [_f32(c) for c in (7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
                          -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1)]  # fmt: skip
_LN2_HIGH, _LN2_LOW = float(_f32(0.693359375)), float(_f32(-2.12194440e-4))
_SQRT_HALF = _f32(0.707106781186547524)
_COS = [_f32(c) for c in (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)]
_SIN = [_f32(c) for c in (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)]
_PI_4 = [float(_f32(c)) for c in (-0.78515625, -2.4187564849853515625e-4, -3.77489497744594108e-8)]
_4_PI = _f32(1.27323954473516)
_2PI = _f32(2 * math.pi)


class _Float32:
    """Single-precision arithmetic on doubles that hold float32 values: each result is rounded in place.

    In double precision the product of two such values is exact, so ``fma`` rounds once, as the hardware's does
    (but for ties that the double sum creates, one in some 2**29).
    """

    def __init__(self, size: int) -> None:
        self._narrow = np.empty(size, np.float32)

    def round(self, a: np.ndarray) -> np.ndarray:
        self._narrow[...] = a
        a[...] = self._narrow
        return a

    def fma(self, a: np.ndarray, b: np.ndarray | float, c: np.ndarray | float) -> np.ndarray:
        """``a = a * b + c``."""
        a *= b
        a += c
        return self.round(a)

    def mul(self, a: np.ndarray, b: np.ndarray | float) -> np.ndarray:
        """``a = a * b``."""
        a *= b
        return self.round(a)

    def log(self, x: np.ndarray) -> np.ndarray:
        """Natural logarithm of float32 ``x`` in (0, 1]."""
        fraction, exponent = np.frexp(x)
        small = fraction < _SQRT_HALF
        exponent -= small
        fraction *= small + _f32(1)  # doubling is exact
        e = exponent.astype(np.float64)
        x = fraction.astype(np.float64)
        x -= 1.0
        z = self.round(x * x)
        y = self.round(x * _LOG[0] + _LOG[1])
        for c in _LOG[2:]:
            self.fma(y, x, c)
        self.mul(y, x)
        self.fma(y, z, self.round(e * _LN2_LOW))
        self.fma(z, -0.5, y)
        self.round(np.add(z, x, out=x))
        return self.fma(e, _LN2_HIGH, x)

    def sincos(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sine and cosine of float32 ``x`` in [0, 2π], as float32."""
        octant = (x * _4_PI).astype(np.int32)
        octant += 1
        octant &= ~1
        y = octant.astype(np.float64)
        x = x.astype(np.float64)
        for c in _PI_4:
            x += y * c
            self.round(x)
        z = self.round(x * x)
        cosine = self.fma(self.round(z * _COS[0] + _COS[1]), z, _COS[2])
        self.mul(cosine, z)
        self.fma(cosine, z, z * -0.5)
        cosine += 1.0
        cosine = cosine.astype(np.float32)
        sine = self.fma(self.round(z * _SIN[0] + _SIN[1]), z, _SIN[2])
        self.mul(sine, z)
        sine *= x
        sine += x
        sine = sine.astype(np.float32)
        swap = (octant & 2).astype(bool)
        result = np.where(swap, cosine, sine), np.where(swap, sine, cosine)
        for wave, octants in zip(result, (octant, octant + 2), strict=True):
            wave.view(np.int32)[...] ^= (octants & 4) << 29  # the sign bit, in the lower half plane
        return result


def _fill(uniforms: np.ndarray, mean: float, std: float) -> None:
    """Turn float32 uniforms into normals in place; the size is a multiple of 16."""
    blocks = uniforms.reshape(-1, 2, _BLOCK // 2)
    mean, std = float(_f32(mean)), float(_f32(std))
    plain = mean == 0 and std == 1
    for start in range(0, len(blocks), _CHUNK):
        chunk = blocks[start : start + _CHUNK]
        half = chunk[:, 0].shape
        lanes = _Float32(chunk.size // 2)
        radius = lanes.log((_f32(1) - chunk[:, 0]).ravel())
        radius *= -2.0
        radius = radius.astype(np.float32)
        np.sqrt(radius, out=radius)
        for row, wave in enumerate(reversed(lanes.sincos((chunk[:, 1] * _2PI).ravel()))):
            wave *= radius
            chunk[:, row] = (wave if plain else lanes.fma(wave.astype(np.float64), std, mean)).reshape(half)


def uniforms(generator: Generator | None, count: int) -> np.ndarray | None:
    """What `normal` makes ``count`` float32 numbers from, drawn; None where that is more than one uniform for each."""
    if count % _BLOCK or not count:
        return None
    generator = resolve(generator)
    with generator.lock:
        return generator.twister.floats(count)


def _fill_wanted(uniforms: np.ndarray, mean: float, std: float, wanted: np.ndarray) -> None:
    """`_fill`, working out only the pairs in which a number is wanted; the others stay uniforms."""
    blocks = uniforms.reshape(-1, 2, _BLOCK // 2)
    chosen = wanted.reshape(blocks.shape).any(axis=1)
    count = int(chosen.sum())
    dense = np.zeros((-(-count // 8) * 8, 2), np.float32)
    dense[:count, 0], dense[:count, 1] = blocks[:, 0][chosen], blocks[:, 1][chosen]
    packed = np.ascontiguousarray(dense.reshape(-1, 8, 2).transpose(0, 2, 1))
    _fill(packed.ravel(), mean, std)
    blocks[:, 0][chosen] = packed[:, 0].ravel()[:count]
    blocks[:, 1][chosen] = packed[:, 1].ravel()[:count]


def _fill_double(uniforms: np.ndarray, mean: float, std: float) -> None:
    """The same for float64, without torch's single-precision polynomials."""
    blocks = uniforms.reshape(-1, 2, _BLOCK // 2)
    radius = np.sqrt(-2.0 * np.log(1.0 - blocks[:, 0]))
    angle = 2.0 * math.pi * blocks[:, 1]
    blocks[:, 0] = fused_multiply_add(radius * np.cos(angle), std, mean)
    blocks[:, 1] = fused_multiply_add(radius * np.sin(angle), std, mean)


def pairs(generator: Generator, count: int) -> np.ndarray:
    """``count`` standard normals one by one, in float64; the odd one of a pair waits in the generator."""
    result = np.empty(count + 1)
    taken = 0
    if generator.next_normal is not None and count:
        result[0], generator.next_normal, taken = generator.next_normal, None, 1
    missing = count - taken
    uniforms = generator.twister.doubles(missing + missing % 2)
    angle, radius = 2.0 * math.pi * uniforms[0::2], uniforms[1::2]
    if missing < _BLOCK:  # the C library's functions, which NumPy's differ from in the last bit
        angle = angle.tolist()
        radius = np.array([math.sqrt(-2.0 * math.log1p(-u)) for u in radius.tolist()])
        cosine, sine = [math.cos(a) for a in angle], [math.sin(a) for a in angle]
    else:
        radius = np.sqrt(-2.0 * np.log1p(-radius))
        cosine, sine = np.cos(angle), np.sin(angle)
    drawn = result[taken : taken + len(uniforms)]
    drawn[0::2] = radius * cosine
    drawn[1::2] = radius * sine
    if missing % 2:
        generator.next_normal = float(drawn[-1])
    return result[:count]


def normal(
    generator: Generator | None,
    shape: tuple[int, ...],
    dtype: np.dtype,
    mean: float = 0.0,
    std: float = 1.0,
    *,
    contiguous: bool = True,
    wanted: np.ndarray | None = None,
) -> np.ndarray:
    """Normal numbers, as ``Tensor.normal_``; complex ones have variance ``std**2`` shared by both parts.

    Args:
        contiguous: whether torch would fill a contiguous tensor; others it fills one number at a time.
        wanted: a mask of the numbers that will be used, if not all: the rest is drawn, but not always worked out.
    Raises:
        RuntimeError: if ``std`` is negative.
    """
    if not std >= 0.0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std:g}")
    generator = resolve(generator)
    dtype = np.dtype(dtype)
    mean, std = float(mean), float(std)
    if dtype.kind == "c":
        part = np.dtype(f"f{dtype.itemsize // 2}")
        return normal(generator, (*shape, 2), part, mean, std / math.sqrt(2), contiguous=contiguous).view(dtype)[..., 0]
    size = math.prod(shape)
    if not size:
        return np.empty(shape, dtype)
    if not is_float(dtype):
        raise not_implemented("normal_kernel_cpu", dtype)
    with generator.lock:
        if size < _BLOCK or not contiguous:
            result = fused_multiply_add(pairs(generator, size), std, mean)
            return cast(result, dtype).reshape(shape)
        twister = generator.twister
        draw, fill = (twister.doubles, _fill_double) if dtype == FLOAT64 else (twister.floats, _fill)
        whole = size - size % _BLOCK
        result = draw(whole)
        if wanted is None or fill is not _fill:
            fill(result, mean, std)
        else:
            _fill_wanted(result, mean, std, wanted.ravel()[:whole])
        if size != whole:  # a ragged end: its last 16 are drawn afresh
            if dtype in (FLOAT32, FLOAT64):
                draw(size - whole)  # torch has drawn all of them by now, and forgets these
            last = draw(_BLOCK)
            fill(last, mean, std)
            result = np.concatenate([result[: size - _BLOCK], last])
    return cast(result, dtype).reshape(shape)
