"""Broadcasting of shapes."""

from typing import Any


def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """The common shape; RuntimeError in torch's words if there is none."""
    out: list[int] = []
    for shape in shapes:
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        if len(shape) > len(out):
            out[:0] = [1] * (len(shape) - len(out))
        for i in range(1, len(shape) + 1):
            if shape[-i] != 1 and out[-i] != shape[-i]:
                if out[-i] != 1:
                    raise RuntimeError(
                        f"The size of tensor a ({out[-i]}) must match the size of tensor b ({shape[-i]}) at non-singleton "
                        f"dimension {max(len(out), len(shape)) - i}"
                    )
                out[-i] = shape[-i]
    return tuple(out)
