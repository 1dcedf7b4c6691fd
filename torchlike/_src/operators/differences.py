"""The gradient of samples of a function, by differences of neighbours."""

from typing import Any

from torchlike._src.operators.registry import composite, is_tensor, ops
from torchlike._src.operators.support import normalize_dim


def _along(input: Any, d: int, spacing: Any, edge_order: int) -> Any:
    """Central differences inside, one-sided ones at the ends."""
    n = input.shape[d]

    def at(start: int, stop: int) -> Any:
        return input.narrow(d, start, stop - start)

    if not is_tensor(spacing):
        inside = (at(2, n) - at(0, n - 2)) / (2 * spacing)
        if edge_order == 1:
            first, last = (at(1, 2) - at(0, 1)) / spacing, (at(n - 1, n) - at(n - 2, n - 1)) / spacing
        else:
            first = (-1.5 * at(0, 1) + 2 * at(1, 2) - 0.5 * at(2, 3)) / spacing
            last = (1.5 * at(n - 1, n) - 2 * at(n - 2, n - 1) + 0.5 * at(n - 3, n - 2)) / spacing
        return ops.cat([first, inside, last], d)
    step = spacing[1:] - spacing[:-1]
    shape = [-1 if i == d else 1 for i in range(input.ndim)]
    left, right = step[:-1].reshape(shape), step[1:].reshape(shape)
    a, b, c = -right / (left * (left + right)), (right - left) / (left * right), left / (right * (left + right))
    inside = a * at(0, n - 2) + b * at(1, n - 1) + c * at(2, n)
    if edge_order == 1:
        first, last = (at(1, 2) - at(0, 1)) / step[0], (at(n - 1, n) - at(n - 2, n - 1)) / step[-1]
    else:
        h, k = step[0], step[1]
        first = -(2 * h + k) / (h * (h + k)) * at(0, 1) + (h + k) / (h * k) * at(1, 2) - h / (k * (h + k)) * at(2, 3)
        h, k = step[-2], step[-1]
        last = k / (h * (h + k)) * at(n - 3, n - 2) - (h + k) / (h * k) * at(n - 2, n - 1)
        last = last + (2 * k + h) / (k * (h + k)) * at(n - 1, n)
    return ops.cat([first, inside, last], d)


@composite("gradient", method=False)
def gradient(input: Any, *, spacing: Any = None, dim: Any = None, edge_order: int = 1) -> tuple[Any, ...]:
    """The derivative along each of ``dim`` (all), of values ``spacing`` apart or at the coordinates ``spacing``."""
    dims = list(range(input.ndim)) if dim is None else [dim] if isinstance(dim, int) else list(dim)
    dims = [normalize_dim(d, input.ndim) for d in dims]
    if len(set(dims)) != len(dims):
        twice = next(d for i, d in enumerate(dims) if d in dims[:i])
        raise RuntimeError(f"dim {twice} appears multiple times in the list of dims")
    if input.dtype.name == "uint8":
        raise RuntimeError("torch.gradient does not support uint8 input.")
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    one = spacing is None or isinstance(spacing, (int, float, complex)) or (is_tensor(spacing) and spacing.ndim == 0)
    steps = [1 if spacing is None else spacing] * len(dims) if one else list(spacing)
    if is_tensor(spacing) and not one:
        steps = [spacing]
    if len(steps) != len(dims):
        raise RuntimeError(
            "torch.gradient expected spacing to be unspecified, a scalar or it's spacing and dim arguments to have the same "
            f"length, but got a spacing argument of length {len(steps)} and a dim argument of length {len(dims)}."
        )
    for d, step in zip(dims, steps, strict=True):
        if input.shape[d] < edge_order + 1:
            raise RuntimeError("torch.gradient expected each dimension size to be at least edge_order+1")
        if is_tensor(step) and step.ndim:
            if step.ndim != 1:
                raise RuntimeError("torch.gradient expected each element of spacing to have one dimension, but got an element "
                                   f"with {step.ndim} dimensions!")  # fmt: skip
            if step.shape[0] != input.shape[d]:
                raise RuntimeError("torch.gradient expected each dimension size to be equal to the number of coordinates")
    return tuple([_along(input, d, step, edge_order) for d, step in zip(dims, steps, strict=True)])
