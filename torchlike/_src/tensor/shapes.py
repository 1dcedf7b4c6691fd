"""Broadcasting of shapes."""

from typing import Any


def _rank(shape: Any) -> int:
    return 1 if isinstance(shape, int) else len(shape)


def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """The common shape; RuntimeError in torch's words if there is none."""
    out: list[int] = []
    for position, shape in enumerate(shapes):
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        if len(shape) > len(out):
            out[:0] = [1] * (len(shape) - len(out))
        for i in range(1, len(shape) + 1):
            if shape[-i] != 1 and out[-i] != shape[-i]:
                if out[-i] != 1:
                    fits = [1] * (max(map(_rank, shapes)) - len(out)) + out
                    raise RuntimeError(
                        f"Attempting to broadcast a dimension of length {shape[-i]} at {-i}! Mismatching argument at index "
                        f"{position} had {shape}; but expected shape should be broadcastable to {fits}"
                    )
                out[-i] = shape[-i]
    return tuple(out)
