"""Questions about tensors and types: is_tensor, result_type, can_cast, ..."""

from typing import Any

from torchlike._src.operators import promotion
from torchlike._src.tensor import dtypes
from torchlike._src.tensor.core import Tensor
from torchlike._src.tensor.storage import Storage


def is_tensor(obj: Any, /) -> bool:
    """Whether ``obj`` is a Tensor."""
    return isinstance(obj, Tensor)


def is_storage(obj: Any, /) -> bool:
    """Whether ``obj`` is a storage."""
    return isinstance(obj, Storage) or type(obj).__name__ in ("TypedStorage", "UntypedStorage")


def numel(input: Tensor) -> int:
    """The number of elements."""
    return input.numel()


def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype is a floating point one."""
    return input.is_floating_point()


def is_complex(input: Tensor) -> bool:
    """Whether the dtype is complex."""
    return input.is_complex()


def is_vulkan_available() -> bool:
    """False: JAX has no such device."""
    return False


def is_nonzero(input: Tensor) -> bool:
    """Whether the one element is not zero."""
    if input.numel() != 1:
        what = "no values" if input.numel() == 0 else "more than one value"
        raise RuntimeError(f"Boolean value of Tensor with {what} is ambiguous")
    return bool(input.item())


Tensor.is_nonzero = is_nonzero  # type: ignore[attr-defined]


def promote_types(type1: dtypes.dtype, type2: dtypes.dtype) -> dtypes.dtype:
    """The smallest dtype that both promote to."""
    return dtypes.OF_NUMPY[promotion.promote_types(type1.np, type2.np)]


def can_cast(from_: dtypes.dtype, to: dtypes.dtype) -> bool:
    """Whether a cast is allowed by the promotion rules."""
    return promotion.can_cast(from_.np, to.np)


def result_type(tensor1: Any, tensor2: Any) -> dtypes.dtype:
    """The dtype in which two operands meet."""
    kinds = [(x._aval().dtype, x.ndim) if isinstance(x, Tensor) else type(x) for x in (tensor1, tensor2)]
    return dtypes.OF_NUMPY[promotion.result_type(kinds)]
