"""Parameters and buffers: the tensors a `Module` registers when they are assigned to it."""

from __future__ import annotations

from typing import Any

import torchlike as torch
from torchlike._src.tensor.core import Tensor
from torchlike._src.tensor.storage import Storage

__all__ = [
    "Buffer",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "UninitializedTensorMixin",
    "is_lazy",
]

_SHAPE_OF_UNINITIALIZED = (
    "Can't access the shape of an uninitialized parameter or buffer. This error usually happens in `load_state_dict` "
    "when trying to load an uninitialized parameter into an initialized one. Call `forward` to initialize the "
    "parameters before accessing their attributes."
)
_SHARE_UNINITIALIZED = (
    "Can't share memory on an uninitialized parameter or buffer. Call `forward` to initialize the parameters before "
    "calling `module.share_memory()`."
)
_USE_OF_UNINITIALIZED = (
    "Attempted to use an uninitialized parameter. This error happens when you are using a `LazyModule` or explicitly "
    "manipulating `torch.nn.parameter.UninitializedParameter` objects. When using LazyModules Call `forward` with a "
    "dummy batch to initialize the parameters before calling torch functions"
)
_NO_GRADIENT = "Only Tensors of floating point and complex dtype can require gradients"
_DETACH_CHANGES_TYPE = (
    "Creating a Parameter from an instance of type {given} requires that detach() returns an instance of the same "
    "type, but return type {returned} was found instead. To use the type as a Parameter, please correct the detach() "
    "semantics defined by its __torch_dispatch__() implementation."
)


class _MarkedMeta(type(Tensor)):
    """Lets a tensor subclass pass for a Parameter or Buffer by a mark, because its own type must survive."""

    def __instancecheck__(cls, instance: object) -> bool:
        mark = cls.__dict__.get("_instance_mark")
        if mark is not None and isinstance(instance, Tensor) and getattr(instance, mark, False):
            return True
        return super().__instancecheck__(instance)


class Parameter(Tensor, metaclass=_MarkedMeta):
    """A tensor that becomes one of a module's parameters when it is assigned to the module.

    Args:
        data: the values, shared and not copied; an empty tensor by default. A tensor of a user's own
            subclass keeps its class and is only marked as a parameter.
        requires_grad: whether `backward` accumulates into ``grad``; also inside ``no_grad``.
    """

    _instance_mark = "_is_param"

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Parameter:
        if data is None:
            data = torch.empty(0)
        detached = data.detach()
        if requires_grad and not (data.is_floating_point() or data.is_complex()):
            raise RuntimeError(_NO_GRADIENT)
        if type(data) is Tensor or type(data) is Parameter:
            return cls._from_tensor(detached, requires_grad)
        marked = detached.requires_grad_(requires_grad)
        if type(marked) is not type(data):
            raise RuntimeError(_DETACH_CHANGES_TYPE.format(given=type(data).__name__, returned=type(marked).__name__))
        marked._is_param = True
        return marked

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: `__new__` has done it, and Tensor's takes other arguments."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        if id(self) not in memo:
            values = self.data.clone(memory_format=torch.preserve_format)
            memo[id(self)] = type(self)(values, self.requires_grad)
        return memo[id(self)]

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


class _NoValue(Storage):
    """The storage of an uninitialized tensor: it knows dtype and device, and refuses to be read."""

    def __init__(self, aval: Any) -> None:
        self.aval = aval

    @property
    def value(self) -> Any:  # type: ignore[override]
        raise ValueError(_USE_OF_UNINITIALIZED)


def _without_values(tensor: Tensor) -> Tensor:
    """Make every op refuse a tensor."""
    tensor._storage = _NoValue(Tensor._aval(tensor))
    return tensor


class UninitializedTensorMixin:
    """A parameter or buffer whose shape is not known yet: it can be moved, cast and materialized, nothing else."""

    cls_to_become: type[Tensor]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Nothing, as in `Parameter`."""

    def _aval(self) -> Any:
        return self._storage.aval

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Allocate the values and turn into an ordinary tensor; device and dtype are kept unless given."""
        device = self.device if device is None else device
        values = torch.empty(shape, device=device, dtype=self.dtype if dtype is None else dtype)
        self.__class__ = self.cls_to_become
        self.data = values

    @property
    def data(self) -> Tensor:
        """A tensor of no elements, with the dtype and device that the values will have."""
        return torch.empty(0, device=self.device, dtype=self.dtype)

    @data.setter
    def data(self, values: Tensor) -> None:
        self._storage = _NoValue(values._aval())

    @property
    def shape(self) -> Any:
        raise RuntimeError(_SHAPE_OF_UNINITIALIZED)

    def copy_(self, source: Tensor, non_blocking: bool = False) -> Any:
        """Nothing for another uninitialized tensor, as when a state dict is loaded; refuses any other."""
        if is_lazy(source):
            return self
        raise ValueError(_USE_OF_UNINITIALIZED)

    def share_memory_(self) -> Any:
        raise RuntimeError(_SHARE_UNINITIALIZED)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.requires_grad, self.device, self.dtype)
        return memo[id(self)]

    def __reduce_ex__(self, protocol: int) -> tuple[Any, ...]:
        return type(self), (self.requires_grad,)


def _through_data(name: str) -> Any:
    def convert(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return getattr(self.data, name)(*args, **kwargs)

    convert.__name__ = name
    return convert


# What a module's `to` and its like do before the first forward.
for _name in "to cuda cpu float double half bfloat16 char short int long".split():
    setattr(UninitializedTensorMixin, _name, _through_data(_name))


def is_lazy(param: Any) -> bool:
    """Whether ``param`` is still without a shape."""
    return isinstance(param, UninitializedTensorMixin)


class UninitializedParameter(UninitializedTensorMixin, Parameter):
    """A parameter that gets its shape from the first batch; see `torch.nn.modules.lazy.LazyModuleMixin`."""

    cls_to_become = Parameter

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> UninitializedParameter:
        return _without_values(cls._from_tensor(torch.empty(0, device=device, dtype=dtype), requires_grad))


class Buffer(Tensor, metaclass=_MarkedMeta):
    """A tensor that becomes a buffer of the module it is assigned to: state that no gradient updates.

    Args:
        data: the values, shared and not copied.
        persistent: whether ``state_dict`` includes it.
    """

    _instance_mark = "_is_buffer"

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Tensor:
        if data is None:
            data = torch.empty(0)
        buffer = data.detach().requires_grad_(data.requires_grad)
        buffer.persistent = persistent
        buffer._is_buffer = True
        return buffer


class UninitializedBuffer(UninitializedTensorMixin, Tensor):
    """A buffer that gets its shape from the first batch."""

    cls_to_become = Tensor

    def __new__(
        cls, requires_grad: bool = False, device: Any = None, dtype: Any = None, persistent: bool = True
    ) -> UninitializedBuffer:
        buffer = _without_values(cls._from_tensor(torch.empty(0, device=device, dtype=dtype), requires_grad))
        buffer.persistent = persistent
        buffer._is_buffer = True
        return buffer
