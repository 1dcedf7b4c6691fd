"""The functions that pickles of tensors call, under torch's names (``torch._utils._rebuild_tensor_v2``, ...).

A file is not to be trusted: what arrives here is checked before memory is looked at through it.
"""

from typing import Any

import torchlike as torch
from torchlike._src.formats import tensors
from torchlike._src.tensor import core, dtypes, layouts
from torchlike._src.tensor.core import Tensor
from torchlike.storage import TypedStorage, UntypedStorage


def _rebuild_tensor(storage: TypedStorage, storage_offset: int, size: Any, stride: Any) -> Tensor:
    _expect(storage, TypedStorage, "a typed storage")
    return _strided(storage.untyped(), storage.dtype, storage_offset, size, stride)


def _rebuild_tensor_v2(
    storage: TypedStorage,
    storage_offset: int,
    size: Any,
    stride: Any,
    requires_grad: bool,
    backward_hooks: object,
    metadata: dict[str, bool] | None = None,
) -> Tensor:
    tensor = _with_metadata(_rebuild_tensor(storage, storage_offset, size, stride), metadata)
    return tensor.requires_grad_() if requires_grad else tensor


def _rebuild_tensor_v3(
    storage: TypedStorage | UntypedStorage,
    storage_offset: int,
    size: Any,
    stride: Any,
    requires_grad: bool,
    backward_hooks: object,
    dtype: dtypes.dtype,
    metadata: dict[str, bool] | None = None,
) -> Tensor:
    _expect(dtype, dtypes.dtype, "a dtype")
    untyped = storage.untyped() if isinstance(storage, TypedStorage) else storage
    _expect(untyped, UntypedStorage, "a storage")
    tensor = _with_metadata(_strided(untyped, dtype, storage_offset, size, stride), metadata)
    return tensor.requires_grad_() if requires_grad else tensor


def _rebuild_parameter(data: Tensor, requires_grad: bool, backward_hooks: object) -> "torch.nn.Parameter":
    _expect(data, Tensor, "a tensor")
    return torch.nn.Parameter(data, bool(requires_grad))


def _rebuild_parameter_with_state(data: Tensor, requires_grad: bool, backward_hooks: object, state: Any) -> "torch.nn.Parameter":
    parameter = _rebuild_parameter(data, requires_grad, backward_hooks)
    _set_state(parameter, state)
    return parameter


def _rebuild_from_type_v2(func: Any, new_type: type[Tensor], args: tuple[Any, ...], state: Any) -> Tensor:
    tensor = func(*args)
    _expect(tensor, Tensor, "a tensor")
    if type(tensor) is not new_type:
        tensor = tensor.as_subclass(new_type)
    if getattr(new_type, "__setstate__", None) is not getattr(Tensor, "__setstate__", None):
        tensor.__setstate__(state)
    else:
        _set_state(tensor, state)
    return tensor


def _get_layout(name: str) -> object:
    found = getattr(layouts, name.removeprefix("torch."), None)
    if type(found) is not layouts.layout:
        raise NotImplementedError(f"the layout {name} is not supported: torchlike has strided and sparse tensors")
    return found


def _unsupported(what: str) -> Any:
    def rebuild(*_: object) -> Tensor:
        raise NotImplementedError(
            f"the file holds {what}, which torchlike does not have. Load it with torch, convert it there "
            "(`.to_dense()`, `.dequantize()`, `.cpu()`), and save it again."
        )

    return rebuild


def _rebuild_sparse_tensor(layout: Any, data: tuple[Any, ...]) -> Tensor:
    _expect(layout, layouts.layout, "a layout")
    _expect(data, tuple, "the parts of a sparse tensor")
    for part in data[: 2 if layout is layouts.sparse_coo else 3]:
        _expect(part, Tensor, "a tensor")
    if layout is torch.sparse_coo:
        indices, values, size, *coalesced = data
        return torch.sparse_coo_tensor(indices, values, size, is_coalesced=coalesced[0] if coalesced else None)
    first, second, values, size = data
    return torch.sparse_compressed_tensor(first, second, values, size, layout=layout)


_rebuild_qtensor = _unsupported("a quantized tensor")
_rebuild_nested_tensor = _unsupported("a nested tensor")
_rebuild_meta_tensor_no_storage = _unsupported("a tensor on the meta device")
_rebuild_wrapper_subclass = _unsupported("a wrapper subclass of Tensor")
_rebuild_device_tensor_from_numpy = _unsupported("a tensor of a device of its own")
_rebuild_device_tensor_from_cpu_tensor = _unsupported("a tensor of a device of its own")


def _strided(storage: UntypedStorage, dtype: dtypes.dtype, offset: int, size: Any, stride: Any) -> Tensor:
    for name, numbers in (("size", size), ("stride", stride), ("storage_offset", (offset,))):
        if not isinstance(numbers, tuple) or not all(type(n) is int for n in numbers):
            raise TypeError(f"{name} of a saved tensor must be made of ints, got {str(numbers)[:80]}")
    if len(size) != len(stride):
        raise RuntimeError(f"unequal size length ({len(size)}) and stride length ({len(stride)})")
    if offset < 0:
        raise RuntimeError(f"Tensor: invalid storage offset {offset}")
    if any(n < 0 for n in size):
        raise RuntimeError(f"Trying to create tensor with negative dimension: {list(size)}")
    if any(n < 0 for n in stride):
        raise RuntimeError(f"as_strided: Negative strides are not supported at the moment, got strides: {list(stride)}")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if 0 not in size and last >= storage.nbytes() // dtype.itemsize:
        raise RuntimeError(
            f"sizes {list(size)}, strides {list(stride)}, storage offset {offset}, and itemsize {dtype.itemsize} "
            f"requiring a storage size of {(last + 1) * dtype.itemsize} are out of bounds for storage of size "
            f"{storage.nbytes()}"
        )
    return tensors.strided(storage, dtype, offset, size, stride)


def _with_metadata(tensor: Tensor, metadata: dict[str, bool] | None) -> Tensor:
    """torch's lazily conjugated and negated views are computed at once here."""
    if metadata and metadata.get("conj"):
        tensor = tensor.conj().resolve_conj()
    if metadata and metadata.get("neg"):
        tensor = -tensor
    return tensor


def _set_state(tensor: Tensor, state: Any) -> None:
    """Set attributes that a script had put on a tensor; never the tensor's own."""
    for part in state if isinstance(state, tuple) else (state,):
        for name, value in (part or {}).items():
            if name in core._INTERNAL or hasattr(Tensor, name):
                raise RuntimeError(f"the saved state of a tensor would overwrite its attribute {name!r}")
            setattr(tensor, name, value)


def _expect(value: object, kind: type, words: str) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"the file is damaged: expected {words}, got {type(value).__name__}")
