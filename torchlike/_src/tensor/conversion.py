"""Changing dtype, device and memory: casts, `to`, `clone`, `contiguous`, and writing (`copy_`, `fill_`, ...)."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from torchlike._src.engine import host
from torchlike._src.engine.trace import local
from torchlike._src.engine.value import CPU, Value, aval
from torchlike._src.operators.registry import Array, Number, anonymous, composite, ops
from torchlike._src.operators.support import broadcast_shapes, class_name, int_list, warn_resized
from torchlike._src.tensor import casts, devices, dtypes, layouts, views
from torchlike._src.tensor.core import Tensor, alias, levels
from torchlike._src.tensor.dispatch import Kernel, _new, record
from torchlike._src.tensor.from_data import np_dtype
from torchlike._src.tensor.strides import channels_last_strides, contiguous_strides, dense_like

_CAST = Kernel(anonymous(casts.cast, host=casts.cast_on_host, grad_name="ToCopyBackward0", saves=()))


def _clone_read(input: Array) -> Array:
    return input


_CLONE = Kernel(anonymous(_clone_read, host=np.copy, grad_name="CloneBackward0", saves=()))


def cast(input: Tensor, dtype: dtypes.dtype) -> Tensor:
    """A copy with another dtype."""
    out = record(_CAST, (input, dtype))
    keep_layout(input, out)
    return out


def keep_layout(source: Tensor, out: Tensor) -> None:
    """Give a result the strides of its source, made dense, as torch's preserve_format does."""
    if source._geometry is not None and out is not source:
        out._set_strides(dense_like(source._aval().shape, source._geometry[0]))


@composite("clone")
def clone(input: Tensor, *, memory_format: Any = layouts.preserve_format) -> Tensor:
    """A copy, through which gradients flow."""
    out = record(_CLONE, (input,))
    if memory_format is layouts.preserve_format:
        keep_layout(input, out)
    else:
        set_format(out, memory_format)
    return out


def set_format(t: Tensor, wanted: Any) -> Tensor:
    """Give a fresh tensor the strides of a memory format."""
    strides = layouts.strides_for(t._aval().shape, wanted)
    if strides is not None:
        t._geometry = (strides, 0)
    return t


@composite("Tensor.is_contiguous")
def is_contiguous(self: Tensor, memory_format: Any = layouts.contiguous_format) -> bool:
    """Whether its elements lie one after the other, in this order."""
    shape = self._aval().shape
    if memory_format is layouts.contiguous_format:
        wanted: Any = contiguous_strides(shape)
        if self._geometry is None:
            return True
    elif memory_format is layouts.preserve_format:
        raise RuntimeError("preserve memory format is unsupported by the contiguous operator")
    else:
        if len(shape) != (4 if memory_format is layouts.channels_last else 5):
            return False
        wanted = channels_last_strides(shape)
    if self._aval().size == 0:
        return True
    return all(n == 1 or s == w for n, s, w in zip(shape, self.stride(), wanted, strict=True))


@composite("Tensor.contiguous")
def contiguous(self: Tensor, memory_format: Any = layouts.contiguous_format) -> Tensor:
    """Itself if it is contiguous, else a contiguous copy."""
    if is_contiguous(self, memory_format):
        return self
    return clone(self, memory_format=memory_format)


def _put_on(input: Tensor, place: Any) -> Tensor:
    """A copy on another device. Its gradient comes back to where it was."""
    value = input._value()
    data = input._array("a copy to another device")
    moved = host.upload(data, place) if place is not CPU or data.__class__ is not np.ndarray else data
    new = _new(Value(aval(value.aval.shape, value.aval.dtype, place), moved))
    if input.requires_grad and local.recorder.grad:
        from torchlike._src.autograd.backward import DeviceCopy

        new._node = DeviceCopy(input, value.aval.place)
        new._requires_grad = True
    if input._geometry is not None:
        new._set_strides(dense_like(input.shape, input._geometry[0]))
    if levels:
        levels[-1].carry(input, new, lambda tangent: _put_on(tangent, place))
    return new


_TO = """
 * (torch.device device = None, torch.dtype dtype = None, bool non_blocking = False, bool copy = False, *, \
torch.memory_format memory_format = None)
 * (torch.dtype dtype, bool non_blocking = False, bool copy = False, *, torch.memory_format memory_format = None)
 * (Tensor tensor, bool non_blocking = False, bool copy = False, *, torch.memory_format memory_format = None)
"""


def parse_to(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any, bool, bool, Any]:
    """The arguments of ``to``: (device, dtype, non_blocking, copy, memory_format).

    Raises:
        TypeError: for a combination that torch does not know.
    """
    rest, named = list(args), dict(kwargs)
    memory_format = named.pop("memory_format", None)
    device = dtype = None
    if (rest and isinstance(rest[0], Tensor)) or "tensor" in named:
        other = rest.pop(0) if rest else named.pop("tensor")
        device, dtype = other.device, other.dtype
    elif rest and _is_dtype(rest[0]):
        dtype = rest.pop(0)
    else:
        if rest and (rest[0] is None or isinstance(rest[0], (str, int, devices.device))):
            device = rest.pop(0)
            if rest and (_is_dtype(rest[0]) or rest[0] is None):
                dtype = rest.pop(0)
        device, dtype = named.pop("device", device), named.pop("dtype", dtype)
    flags = [rest.pop(0) if rest and isinstance(rest[0], bool) else named.pop(name, False) for name in ("non_blocking", "copy")]
    if rest or named or not (dtype is None or _is_dtype(dtype)):
        kinds = [class_name(a) for a in args] + [f"{k}={class_name(v)}" for k, v in kwargs.items()]
        raise TypeError(
            f"to() received an invalid combination of arguments - got ({', '.join(kinds)}), but expected one of:{_TO}"
        )
    return device, None if dtype is None else dtypes.OF_NUMPY[np_dtype(dtype)], flags[0], flags[1], memory_format


def _is_dtype(x: Any) -> bool:
    return isinstance(x, dtypes.dtype) or (isinstance(x, type) and x in (bool, int, float, complex))


@composite("Tensor.to")
def to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """This tensor with another dtype or on another device; itself if nothing changes. See ``torch.Tensor.to``."""
    device, dtype, _, copy, memory_format = parse_to(args, kwargs)
    out = self
    have = self._aval()
    if dtype is not None and dtype.np != have.dtype:
        out = cast(out, dtype)
    if device is not None:
        place = devices.place_of(device)
        if place is not have.place:
            out = _put_on(out, place)
    if memory_format is not None and memory_format is not layouts.preserve_format:
        if not is_contiguous(out, memory_format):
            out = clone(out, memory_format=memory_format)
    if copy and out is self:
        out = clone(self)
    return out


def _cpu(self: Tensor, memory_format: Any = layouts.preserve_format) -> Tensor:
    """On the CPU."""
    return to(self, devices.device("cpu"))


def _cuda(self: Tensor, device: Any = None, non_blocking: bool = False, memory_format: Any = None) -> Tensor:
    """On a GPU."""
    return to(self, devices.device("cuda") if device is None else devices.device(device))


composite("Tensor.cpu")(_cpu)
composite("Tensor.cuda")(_cuda)


@composite("Tensor.type")
def type_(self: Tensor, dtype: Any = None, non_blocking: bool = False, **_: Any) -> Any:
    """The type's name, or a cast to it."""
    from torchlike._src.tensor import legacy

    if dtype is None:
        prefix = "torch." if self._aval().place is CPU else f"torch.{self.device.type}."
        return f"{prefix}{self.dtype.storage_name.removesuffix('Storage')}Tensor"
    if isinstance(dtype, dtypes.dtype):
        return to(self, dtype)
    return to(self, legacy.dtype_of_type(dtype))


@composite("Tensor.type_as")
def type_as(self: Tensor, other: Tensor) -> Tensor:
    return to(self, other)


def _caster(name: str, dtype: dtypes.dtype) -> None:
    def method(self: Tensor, memory_format: Any = layouts.preserve_format) -> Tensor:
        return to(self, dtype)

    method.__name__ = name
    method.__doc__ = f"``self.to({dtype})``."
    composite(f"Tensor.{name}")(method)


for _name, _dtype in {**dtypes.ALIASES, "byte": dtypes.uint8, "char": dtypes.int8, "bfloat16": dtypes.bfloat16}.items():
    _caster(_name, _dtype)


# Writing


def _copy_kernel(source: Array, shape: tuple, dtype: Any) -> Array:
    return jnp.broadcast_to(casts.cast(source, dtype) if source.dtype != dtype else source, shape)


def _copy_on_host(source: np.ndarray, shape: tuple, dtype: Any) -> np.ndarray:
    cast = casts.cast_on_host(source, dtype) if source.dtype != dtype else source
    return np.broadcast_to(cast, shape) if source.shape != shape else cast


_COPY = Kernel(anonymous(_copy_kernel, host=_copy_on_host, grad_name="CopyBackwards", saves=()))


def _copy_over(old: Array, source: Array, shape: tuple, dtype: Any) -> Array:
    return _copy_kernel(source, shape, dtype)


#: `copy_` into a tensor with a history: that gets a gradient of zeros, as in torch.
_COPY_OVER = Kernel(anonymous(_copy_over, grad_name="CopyBackwards", saves=()))


_FILL = Kernel(anonymous(_copy_kernel, host=_copy_on_host, grad_name="FillBackward3", saves=()))
_FILL_OVER = Kernel(anonymous(_copy_over, grad_name="FillBackward3", saves=()))


def write_result(self: Tensor, result: Tensor) -> Tensor:
    """Write a computed tensor, of the right shape and dtype, into ``self``; its history goes along."""
    self._write(result._value(), result._node, result._number, result._requires_grad)
    if levels:
        levels[-1].write(self, result)
    return self


@composite("Tensor.copy_")
def copy_(self: Tensor, src: Any, non_blocking: bool = False) -> Tensor:
    """Write the elements of ``src``, broadcast and cast, into this tensor; a number everywhere."""
    if isinstance(src, (bool, int, float, complex)):
        return fill_(self, src)
    if not isinstance(src, Tensor):
        raise TypeError(f"copy_(): argument 'other' (position 1) must be Tensor, not {class_name(src)}")
    self._check_write("copy_", (src,) if self._aval().inexact else ())
    itself = src is self or (src._storage is self._storage and _same_view(src, self))
    if not itself:
        self._check_overlap((src,), resolved=False)
    elif not (self.requires_grad or src.requires_grad):
        self._counter().version += 1
        self._storage.writes += 1  # other views look at their history once more
        return self  # as in `x[i] += 1`, where Python writes back what was written in place already
    have, given = self._aval(), src._aval()
    if given.shape != have.shape:
        lead = len(have.shape) - len(given.shape)
        if lead < 0 or any(n != 1 and n != m for n, m in zip(given.shape, have.shape[lead:], strict=True)):
            _cannot_expand(have.shape, given.shape)
    if given.place is not have.place:
        src = _put_on(src, have.place)
    if self._base_tensor is None and self._requires_grad and local.recorder.grad:
        return write_result(self, record(_COPY_OVER, (self, src, have.shape, self.dtype)))
    return write_result(self, record(_COPY, (src, have.shape, self.dtype)))


def _same_view(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors on a storage show the same elements in the same way."""
    if a._aval() is not b._aval() or a._geometry != b._geometry:
        return False
    return a._chain == b._chain or (a.is_conj(), a.is_neg()) == (b.is_conj(), b.is_neg())  # type: ignore[attr-defined]


def _cannot_expand(target: tuple[int, ...], source: tuple[int, ...]) -> None:
    both = broadcast_shapes(target, source)  # raises where they do not go together at all
    if both != target:
        raise RuntimeError(f"output with shape {list(target)} doesn't match the broadcast shape {list(both)}")


def _full_kernel(value: Number, shape: tuple, dtype: Any) -> Array:
    return jnp.full(shape, value, dtype)


def _full_on_host(value: Any, shape: tuple, dtype: Any) -> np.ndarray:
    return np.full(shape, value, dtype)


_FULL = Kernel(anonymous(_full_kernel, host=_full_on_host, differentiable=False))


@composite("fill", method=False)
def fill(input: Tensor, value: Any) -> Tensor:
    """A tensor of the shape and dtype of ``input``, filled with ``value``."""
    return fill_(clone(input), value)


@composite("fill_")
def fill_(self: Tensor, value: Any) -> Tensor:
    """Write one value everywhere."""
    return _fill(self, value, "fill_")


def _fill(self: Tensor, value: Any, name: str) -> Tensor:
    self._check_write(name, (value,))
    have = self._aval()
    if isinstance(value, Tensor):
        self._check_overlap()
        if value.ndim:
            raise RuntimeError(f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions.")
        if levels:
            return copy_(self, value)
        value = value if value._aval().place is have.place else _put_on(value, have.place)
        if self._requires_grad and local.recorder.grad:
            return write_result(self, record(_FILL_OVER, (self, value, have.shape, self.dtype)))
        return write_result(self, record(_FILL, (value, have.shape, self.dtype)))
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, (bool, int, float, complex)):
        raise TypeError(
            f"fill_() received an invalid combination of arguments - got ({class_name(value)}), but expected one of:\n"
            " * (Tensor value)\n * (Number value)\n"
        )
    result = full_like_aval(have, value)
    if self._requires_grad and local.recorder.grad:
        result = record(_ZERO if value == 0 and name == "zero_" else _CUT, (self, result))
    return write_result(self, result)


def _cut(old: Array, new: Array) -> Array:
    return new


_CUT = Kernel(anonymous(_cut, grad_name="FillBackward2", saves=()))
_ZERO = Kernel(anonymous(_cut, grad_name="ZeroBackward0", saves=()))


def full_like_aval(have: Any, value: Any) -> Tensor:
    """A tensor of this shape, dtype and place, filled with a number."""
    from torchlike._src.tensor import creation

    return creation.filled(have.shape, value, have.dtype, have.place)


@composite("zero_")
def zero_(self: Tensor) -> Tensor:
    """Write zeros everywhere."""
    return _fill(self, 0, "zero_")


@composite("Tensor.set_")
def set_(self: Tensor, source: Any = None, storage_offset: int = 0, size: Any = None, stride: Any = None) -> Tensor:
    """Let this tensor use another one's storage."""
    if source is None:
        from torchlike._src.tensor import creation

        source = creation.filled((0,), 0, self._aval().dtype, self._aval().place)
    if size is not None:
        source = ops.as_strided(source, size, stride or contiguous_strides(tuple(size)), storage_offset)
    self.data = source  # type: ignore[attr-defined]
    return self


@composite("Tensor.resize_")
def resize_(self: Tensor, *sizes: Any, memory_format: Any = None) -> Tensor:
    """Give the tensor another shape; elements beyond the old ones are zero here (undefined in torch)."""
    new = int_list(sizes, "resize_")
    resize_value(self, new)
    return self


def resize_out(target: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Give an ``out`` tensor the shape of the result, with torch's warning where it held something of another shape."""
    if target._aval().shape != shape:
        if target._aval().size:
            warn_resized(target._aval().shape, shape)
        resize_value(target, shape)
    return target


def resize_value(self: Tensor, shape: tuple[int, ...]) -> None:
    """Change the shape in place. The storage stays as it is, unless it is too small: then it is replaced by a larger one.

    In torch a storage that grows stays that of the other tensors on it; here these keep the old one.
    """
    have = self._aval()
    shape = tuple(shape)
    if have.shape == shape:
        return
    if self._requires_grad:
        raise RuntimeError("cannot resize variables that require grad")
    offset, base = self.storage_offset(), views.whole(self._storage)
    stored, size = base._aval(), aval(shape, have.dtype, have.place).size
    if stored.dtype != have.dtype:  # a view that reads the bytes as another type
        base, stored, offset = ops.clone(self), have, 0
    missing = offset + size - stored.size
    if missing > 0:
        from torchlike._src.tensor import creation

        flat = ops.as_strided(base, (stored.size,), (1,), 0)
        grown = ops.cat((flat, creation.filled((missing,), 0, have.dtype, have.place)))
        if not offset:
            grown = record(views.reshape.kernel, (grown, shape, contiguous_strides(shape)))
        grown._storage.version = self._storage.version
        base = grown
    made = base
    if offset or base._aval().size != size or base._geometry is not None:
        made = ops.as_strided(base, shape, contiguous_strides(shape), offset)
    elif base._aval().shape != shape:
        made = ops.view(base, shape)
    for name in ("_chain", "_base_tensor", "_geometry", "_seen", "_cached"):
        self.__dict__.pop(name, None)
    alias(made, self)


@composite("resize_as_")
def resize_as_(self: Tensor, the_template: Tensor, memory_format: Any = None) -> Tensor:
    return resize_(self, tuple(the_template.shape))
