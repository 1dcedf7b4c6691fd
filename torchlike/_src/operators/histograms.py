"""Histograms with edges of one's own, over one or several dimensions. ``histc`` and ``bincount`` are in `statistics.py`."""

from typing import Any

import numpy as np

from torchlike._src.operators.promotion import CATEGORY, FLOAT, scalar_type
from torchlike._src.operators.registry import Array, Arrays, composite, is_tensor, op, ops
from torchlike._src.operators.support import into


def _edges(x: np.ndarray, bins: Any, given: Any, dim: int) -> np.ndarray:
    """The edges along one dimension: equal steps over a range, or those that are given."""
    if isinstance(bins, np.ndarray):
        if bins.ndim != 1:
            raise RuntimeError(
                f"torch.histogramdd: bins tensor should have one dimension, but got {bins.ndim} dimensions in the bins tensor "
                f"for dimension {dim}"
            )
        if bins.dtype != x.dtype:
            raise RuntimeError(
                f"torch.histogramdd: input tensor and bins tensors should have the same dtype, but got input with dtype "
                f"{scalar_type(x.dtype)} and bins for dimension {dim} with dtype {scalar_type(bins.dtype)}"
            )
        return bins
    if bins <= 0:
        raise RuntimeError(f"torch.histogramdd(): bins must be > 0, but got {bins} for dimension {dim}")
    low, high = given if given is not None else (x.min(), x.max()) if x.size else (0.0, 1.0)
    if not (np.isfinite(low) and np.isfinite(high)):
        raise RuntimeError(f"torch.histogramdd: dimension {dim}'s range [{low}, {high}] is not finite")
    if low > high:
        raise RuntimeError(f"torch.histogramdd: min should not exceed max, but got min {low:g} max {high:g} for dimension {dim}")
    if low == high:
        low, high = low - 0.5, high + 0.5
    low, high = x.dtype.type(low), x.dtype.type(high)
    step = (high - low) / x.dtype.type(bins)
    i = np.arange(bins + 1)
    half = (bins + 1) // 2  # as linspace: from either end to the middle
    return np.where(i < half, low + step * i.astype(x.dtype), high - step * (bins - i).astype(x.dtype)).astype(x.dtype)


def _count(x: np.ndarray, edges: list[np.ndarray], weight: np.ndarray | None, density: bool, equal: bool) -> np.ndarray:
    kept = np.ones(len(x), bool)
    places = []
    for column, e in zip(x.T, edges, strict=True):
        n = len(e) - 1
        kept &= (column >= e[0]) & (column <= e[-1])
        if equal:  # where edges are computed, so is the place
            with np.errstate(all="ignore"):
                place = ((column - e[0]) * n / (e[-1] - e[0])).astype(np.int64)
            place = np.clip(place, 0, n - 1)
            place = np.where(column < e[place], place - 1, np.where(column >= e[place + 1], place + 1, place))
        else:
            place = np.searchsorted(e, column, side="right") - 1
        places.append(np.minimum(np.where(column == e[-1], n - 1, place), n - 1))
    found = np.zeros([len(e) - 1 for e in edges], x.dtype)
    np.add.at(found, tuple(p[kept] for p in places), x.dtype.type(1) if weight is None else weight[kept])
    if density:
        volume = np.ones((), x.dtype)
        for d, e in enumerate(edges):
            volume = volume * np.diff(e).reshape([-1 if i == d else 1 for i in range(len(edges))])
        with np.errstate(all="ignore"):
            found = found / (found.sum() * volume)
    return found.astype(x.dtype)


@op("_histogramdd", method=False, eager=True, differentiable=False)
def _histogramdd(
    input: Array, edges: Arrays | None, counts: tuple[int, ...] | None, range: Any, weight: Array | None, density: bool, name: str
) -> Any:
    """The counts, then the edges along each dimension."""
    x = np.asarray(input)
    if x.dtype.name not in ("float32", "float64"):
        kernel = "histogramdd" if x.dtype.itemsize == 2 and CATEGORY[x.dtype] == FLOAT else "histogram_cpu"
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{scalar_type(x.dtype)}'")
    flat = x.reshape(-1, x.shape[-1] if name == "histogramdd" else 1)
    bins: Any = counts if edges is None else [np.asarray(e) for e in edges]
    w = None if weight is None else np.asarray(weight)
    if w is not None:
        if w.dtype != x.dtype:
            raise RuntimeError(
                "torch.histogramdd: if weight tensor is provided, input tensor and weight tensor should have the same dtype, but "
                f"got input({scalar_type(x.dtype)}), and weight({scalar_type(w.dtype)})"
            )
        w = w.reshape(-1)
    pairs = None if range is None else [range[2 * i : 2 * i + 2] for i in np.arange(len(bins))]
    made = [_edges(flat[:, d], b, None if pairs is None else pairs[d], d) for d, b in enumerate(bins)]
    return _count(flat, made, w, density, edges is None), *made


@composite("histogram")
def histogram(input: Any, bins: Any, *, range: Any = None, weight: Any = None, density: bool = False, out: Any = None) -> Any:
    """How many elements (or how much of ``weight``) lie in each bin: a number of equal ones, or between given edges."""
    from torchlike._src.tensor.return_types import named

    if is_tensor(bins):
        found = ops._histogramdd(input, [bins], None, None, weight, density, "histogram")
    else:
        if bins <= 0:
            raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension 0")
        found = ops._histogramdd(input, None, (bins,), None if range is None else tuple(range), weight, density, "histogram")
    return into(out, named("histogram", ("hist", "bin_edges"))(found))


@composite("histogramdd", method=False)
def histogramdd(input: Any, bins: Any, range: Any = None, weight: Any = None, density: bool = False) -> Any:
    """`histogram` of points in several dimensions, the last of ``input``."""
    from torchlike._src.tensor.return_types import named

    if input.ndim < 2:
        raise RuntimeError("torch.histogramdd: input tensor should have at least 2 dimensions")
    n = input.shape[-1]
    bins = (bins,) * n if isinstance(bins, int) else tuple(bins)
    if len(bins) != n:
        raise RuntimeError("histogramdd: The size of bins must be equal to the innermost dimension of the input.")
    if range is not None and len(range) != 2 * n:
        raise RuntimeError(
            f"torch.histogramdd: for a {n}-dimensional histogram range should have {2 * n} elements, but got {len(range)}"
        )
    given = None if range is None else tuple(range)
    if is_tensor(bins[0]):
        found = ops._histogramdd(input, bins, None, given, weight, density, "histogramdd")
    else:
        found = ops._histogramdd(input, None, bins, given, weight, density, "histogramdd")
    return named("histogramdd", ("hist", "bin_edges"))((found[0], tuple(found[1:])))
