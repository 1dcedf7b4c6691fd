"""``repr`` of a Tensor: its values, and what a reader would not guess of its dtype, device and history."""

from typing import Any

from torchlike._src.engine.value import CPU
from torchlike._src.operators import promotion
from torchlike._src.tensor import dtypes, printing
from torchlike._src.tensor.core import Tensor, levels


def tensor_repr(t: Tensor) -> str:
    """What ``repr(t)`` shows, as in torch."""
    node = t.grad_fn
    place = t._aval().place
    return printing.format_tensor(
        t._numpy("repr"),
        torch_dtype_name=t.dtype.name,
        device=None if place is CPU else str(t.device),
        requires_grad=t.requires_grad,
        grad_fn_name=None if node is None else type(node).__name__,
        class_name="tensor" if type(t) is Tensor or type(t).__name__ in ("Parameter", "Buffer") else type(t).__name__,
        default_dtype=dtypes.OF_NUMPY[promotion.default_dtype()].name,
        tangent=levels[-1].tangent(t) if levels else None,
    )


def _repr(self: Tensor, *, tensor_contents: Any = None) -> str:
    return tensor_repr(self)


Tensor.__repr__ = _repr  # type: ignore[method-assign]
