"""``torch.Tensor(...)``, ``torch.FloatTensor(...)`` and the names of types: how tensors were made before dtypes."""

from typing import Any

import numpy as np

from torchlike._src.engine.value import CPU
from torchlike._src.operators.registry import composite
from torchlike._src.operators.support import class_name, int_list
from torchlike._src.tensor import dtypes
from torchlike._src.tensor.core import Size, Tensor, alias
from torchlike._src.tensor.creation import check_sizes, filled
from torchlike._src.tensor.from_data import np_dtype, on_place, to_numpy


def legacy_constructor(self: Tensor, args: tuple[Any, ...], device: Any, dtype: Any = None) -> None:
    """``torch.Tensor(2, 3)``, ``torch.Tensor([1, 2])``: sizes or data, in the default float dtype.

    Raises:
        TypeError: for a single number that is no int, and other things that are no data.
    """
    kind = np_dtype(dtype)
    only = args[0] if len(args) == 1 else None
    if isinstance(only, Size):
        made = _zeros(tuple(only), kind)
    elif isinstance(only, Tensor):
        made = only.detach()
        if dtype is not None and only.dtype is not dtype:
            raise TypeError(f"expected TensorOptions(dtype={dtype.name}) (got TensorOptions(dtype={only.dtype.name}))")
    elif len(args) == 1 and not isinstance(only, int):
        if isinstance(only, (str, bytes)):
            raise TypeError(f"new(): invalid data type '{class_name(only)}'")
        if not hasattr(only, "__getitem__"):
            raise TypeError(f"new(): data must be a sequence (got {class_name(only)})")
        made = on_place(to_numpy(only, kind), CPU)
    else:
        if args and not isinstance(args[0], int):
            kinds = ", ".join(class_name(a) for a in args)
            raise TypeError(f"new() received an invalid combination of arguments - got ({kinds}), but expected one of:")
        made = _zeros(int_list(args, "new") if args else (0,), kind)
    alias(made, self)


def _zeros(shape: tuple[int, ...], kind: np.dtype) -> Tensor:
    check_sizes(shape)
    return filled(shape, 0, kind, CPU)


@composite("Tensor.new")
def new(self: Tensor, *args: Any, device: Any = None) -> Tensor:
    """Sizes or data as a tensor of this tensor's dtype; see `legacy_constructor`."""
    made = Tensor.__new__(Tensor)
    legacy_constructor(made, args, device, self.dtype)
    return made


class _TypedMeta(type):
    dtype: dtypes.dtype

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Tensor) and instance.dtype is cls.dtype

    def __call__(cls, *args: Any, device: Any = None) -> Tensor:
        t = Tensor.__new__(Tensor)
        legacy_constructor(t, args, device, cls.dtype)
        return t


def typed_class(dtype: dtypes.dtype) -> type:
    """``torch.FloatTensor`` and its like."""
    name = dtype.storage_name.removesuffix("Storage") + "Tensor"
    return _TypedMeta(name, (), {"dtype": dtype, "__module__": "torch"})


TYPED = {t.__name__: t for t in (typed_class(d) for d in dtypes.ALL if "float8" not in d.name)}


def dtype_of_type(name: Any) -> dtypes.dtype:
    """The dtype meant by ``"torch.FloatTensor"`` or by ``torch.FloatTensor``."""
    if isinstance(name, _TypedMeta):
        return name.dtype
    if not isinstance(name, (str, type)):
        raise TypeError("dtype must be a type, str, or dtype object")
    name = name if isinstance(name, str) else name.__name__
    short = name.rsplit(".", 1)[-1]
    if short not in TYPED:
        raise ValueError(f"invalid type: '{name}'")
    return TYPED[short].dtype  # type: ignore[attr-defined]
