"""Tensors from what Python has: numbers, nested sequences, NumPy arrays, buffers, other libraries' arrays."""

import itertools
import numbers
import os
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from torchlike._src.engine import host
from torchlike._src.engine.trace import local
from torchlike._src.engine.value import CPU, Place, Value, aval, host_value
from torchlike._src.operators import promotion
from torchlike._src.operators.numbers import fits, overflow
from torchlike._src.operators.registry import composite
from torchlike._src.operators.support import class_name
from torchlike._src.tensor import devices, dtypes, scalars
from torchlike._src.tensor.casts import cast_on_host
from torchlike._src.tensor.core import Tensor
from torchlike._src.tensor.dispatch import _new
from torchlike._src.tensor.storage import Storage, share

#: torch looks for so many levels of nesting: a string, which holds a string, has them all.
_MAX_DIMS = 128
_PYTHON = {bool, int, float, complex}
_INT64 = np.dtype(np.int64)


def on_place(array: np.ndarray, place: Place) -> Tensor:
    """A tensor of host data, which nobody writes to any more, on a place."""
    if place is CPU:
        return _new(host_value(array))
    return _new(Value(aval(array.shape, array.dtype, place), host.upload(array, place)))


def finish(t: Tensor, requires_grad: bool) -> Tensor:
    """What every factory does at its end: ``requires_grad``, and the mark of inference mode."""
    if requires_grad:
        if t._aval().dtype.kind in "biu":
            raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
        t._requires_grad = True
    if local.recorder.inference:
        t._inference = True
    return t


#: Python's own types as dtypes.
_TYPES = {bool: dtypes.bool_, int: dtypes.int64, float: dtypes.float64, complex: dtypes.complex128}


def np_dtype(dtype: Any, default: Any = None, function: str = "") -> np.dtype:
    """NumPy's dtype for torch's (or for ``float``, ``int``, ``bool``); None means the default float dtype.

    Raises:
        TypeError: for anything else.
    """
    if dtype is None:
        return promotion.default_dtype() if default is None else default
    if not isinstance(dtype, dtypes.dtype):
        found = _TYPES.get(dtype) if isinstance(dtype, type) else None
        if found is None:
            start = f"{function}(): argument 'dtype'" if function else "dtype"
            raise TypeError(f"{start} must be torch.dtype, not {class_name(dtype)}")
        return found.np
    return dtype.np


def infer(data: Any) -> np.dtype:
    """The dtype torch infers for Python data.

    Raises:
        RuntimeError: for what is neither a number nor a sequence.
    """
    cls = type(data)
    if cls is bool:
        return np.dtype(bool)
    if cls is int:
        return _INT64
    if isinstance(data, Tensor):
        return data._aval().dtype
    if isinstance(data, (np.generic, np.ndarray)):
        return dtypes.of_numpy(data.dtype).np
    if isinstance(data, float):
        return promotion.default_dtype()
    if isinstance(data, numbers.Integral):
        return _INT64
    if isinstance(data, complex):
        return promotion.to_complex(promotion.default_dtype())
    if isinstance(data, (str, bytes)):
        raise TypeError(f"new(): invalid data type '{cls.__name__}'")
    if not _is_sequence(data):
        raise RuntimeError(f"Could not infer dtype of {class_name(data)}")
    found = None
    if isinstance(data, (list, tuple)):
        types = set(map(type, data))
        if types <= _PYTHON:  # the usual case, at C's speed
            for one in (bool, int, float, complex):
                if one in types:
                    found = infer(one(0))
            return promotion.default_dtype() if found is None else found
    for item in data:
        if item is data:
            raise TypeError("new(): self-referential lists are incompatible")
        kind = infer(item)
        found = kind if found is None or found == kind else promotion.promote_types(found, kind)
        if found == np.complex128:
            break
    return promotion.default_dtype() if found is None else found


def _is_sequence(data: Any) -> bool:
    if isinstance(data, (dict, set, frozenset)):
        return False
    return isinstance(data, Sequence) or (hasattr(type(data), "__getitem__") and hasattr(type(data), "__len__"))


def shape_of(data: Any) -> tuple[int, ...]:
    """The sizes that nested sequences have along their first elements."""
    shape: list[int] = []
    while True:
        if isinstance(data, Tensor):
            # A tensor of one element inside a list counts as a number.
            return (*shape, *data._aval().shape) if data.numel() != 1 or not shape else tuple(shape)
        if isinstance(data, np.ndarray):
            return (*shape, *data.shape)
        if not _is_sequence(data) or isinstance(data, np.generic):
            return tuple(shape)
        shape.append(len(data))
        if len(shape) > _MAX_DIMS:
            raise ValueError(f"too many dimensions '{class_name(data)}'")
        if not len(data):
            return tuple(shape)
        data = data[0]


def to_numpy(data: Any, dtype: np.dtype | None) -> np.ndarray:
    """Python data as a new array of the dtype that torch gives it.

    Raises:
        ValueError: for ragged sequences and integers beyond 64 bits.
        TypeError: for elements that are no numbers.
        RuntimeError: for numbers that the dtype cannot hold.
    """
    if isinstance(data, (str, bytes)):
        raise TypeError(f"new(): invalid data type '{class_name(data)}'")
    if isinstance(data, Tensor):
        return _cast(data._numpy("a copy"), dtype)
    if isinstance(data, np.ndarray):
        _check_strides(data)
        return _cast(data, dtype)
    shape = shape_of(data)
    kind = infer(data) if dtype is None else dtype
    if shape and isinstance(data, (list, tuple)) and isinstance(data[0] if data else None, np.ndarray):
        warnings.warn(
            "Creating a tensor from a list of numpy.ndarrays is extremely slow. Please consider converting the list to a "
            "single numpy.ndarray with numpy.array() before converting to a tensor.",
            UserWarning,
            stacklevel=4,
        )
    fast = _all_at_once(data, shape, kind)
    if fast is not None:
        return fast
    out = np.zeros(shape, kind)
    _store(out, (), data, shape, kind)
    return out


def _cast(array: np.ndarray, dtype: np.dtype | None) -> np.ndarray:
    target = dtypes.of_numpy(array.dtype).np if dtype is None else dtype
    return (
        np.array(array, order="C")
        if array.dtype == target
        else np.ascontiguousarray(cast_on_host(array, target)).reshape(array.shape)
    )


def _all_at_once(data: Any, shape: tuple[int, ...], kind: np.dtype) -> np.ndarray | None:
    """The array by NumPy's own conversion, where that is sure to be torch's; None where it may not be."""
    level: Any = [data]
    for n in shape:
        if set(map(type, level)) - {list, tuple} or set(map(len, level)) != {n}:
            return None
        level = list(itertools.chain.from_iterable(level))
    types = set(map(type, level))
    if not types <= _PYTHON or (complex in types and kind.kind not in "cb"):
        return None
    try:
        if kind.kind in "fcVb":
            with np.errstate(all="ignore"):
                wide = np.complex128 if complex in types else np.float64 if types != {bool} else bool
                return cast_on_host(np.array(level, wide), kind).reshape(shape)
        if float in types:
            return None
        wide = np.array(level, _INT64)
        info = np.iinfo(kind)
        if wide.size and not (info.min <= int(wide.min()) and int(wide.max()) <= info.max):
            return None
        return wide.astype(kind).reshape(shape)
    except OverflowError:
        return None


def _store(out: np.ndarray, index: tuple[int, ...], data: Any, shape: tuple[int, ...], kind: np.dtype) -> None:
    dim = len(index)
    if dim == len(shape):
        out[index] = _element(data, kind)
        return
    if not _is_sequence(data):
        raise TypeError("not a sequence")
    if len(data) != shape[dim]:
        raise ValueError(f"expected sequence of length {shape[dim]} at dim {dim} (got {len(data)})")
    for i in range(shape[dim]):
        _store(out, (*index, i), data[i], shape, kind)


def _element(x: Any, kind: np.dtype) -> Any:
    """One element, converted as torch's tensor constructor does: laxer than `numbers.fitting` with floats."""
    if isinstance(x, Tensor):
        if x.numel() != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        x = x.item()
    elif isinstance(x, np.ndarray) and x.ndim == 0:
        x = x.item()
    if kind.kind == "b":
        if isinstance(x, (bool, np.bool_, float, complex)):
            return bool(x)
        return bool(_as_int(x))
    if kind.kind == "c":
        return complex(x) if isinstance(x, (complex, np.complexfloating)) else _as_float(x)
    if kind.kind not in "iu":
        return cast_on_host(np.asarray(_as_float(x), np.float64), kind)
    if kind == np.uint64:
        if not isinstance(x, (int, np.integer)):
            raise TypeError("an integer is required")
        if x < 0:
            raise OverflowError("can't convert negative int to unsigned")
        if x >= 2**64:
            raise OverflowError("int too big to convert")
        return int(x)
    value = float(x) if isinstance(x, float) else _as_int(x)
    if not isinstance(value, float) and not -(2**63) <= value < 2**63:
        raise ValueError("Overflow when unpacking long long")
    if not fits(value, kind):
        raise overflow(kind.name)
    return scalars.element(value, kind)


def _as_int(x: Any) -> int:
    if not hasattr(type(x), "__index__"):
        raise TypeError(f"'{class_name(x)}' object cannot be interpreted as an integer")
    return x.__index__()


def _as_float(x: Any) -> float:
    if isinstance(x, (complex, np.complexfloating)) or not (hasattr(type(x), "__float__") or hasattr(type(x), "__index__")):
        raise TypeError(f"must be real number, not {class_name(x)}")
    return float(x)


def _check_strides(array: np.ndarray) -> None:
    if any(s < 0 for s in array.strides):
        raise ValueError(
            "At least one stride in the given numpy array is negative, and tensors with negative strides are not currently "
            "supported. (You can probably work around this by making a copy of your array  with array.copy().) "
        )


@composite("tensor", method=False)
def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False) -> Tensor:
    """A new tensor from Python data, a NumPy array or a tensor; always a copy. See ``torch.tensor``.

    Raises:
        ValueError: ragged data.
        RuntimeError: a dtype that cannot be inferred, an overflow.
    """
    kind = None if dtype is None else np_dtype(dtype, function="tensor")
    if isinstance(data, Tensor):
        warnings.warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor(sourceTensor).",
            UserWarning,
            stacklevel=2,
        )
        out = data.detach().clone().to(device=device or data.device, dtype=None if kind is None else dtypes.OF_NUMPY[kind])
        return finish(out, requires_grad)
    made = on_place(to_numpy(data, kind), devices.place_of(device))
    if isinstance(data, np.ndarray):
        _keep_strides(made, data)
    return finish(made, requires_grad)


def _keep_strides(t: Tensor, array: np.ndarray) -> None:
    """The order of dimensions in memory is kept by a copy."""
    if not array.flags.c_contiguous and array.itemsize:
        from torchlike._src.tensor.strides import dense_like

        strides = dense_like(array.shape, tuple([s // array.itemsize for s in array.strides]))
        if strides is not None:
            t._set_strides(strides)


@composite("as_tensor", method=False)
def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """A tensor of the data, without a copy where that is possible."""
    if isinstance(data, Tensor):
        return data.to(device=device or data.device, dtype=None if dtype is None else dtypes.OF_NUMPY[np_dtype(dtype)])
    if isinstance(data, np.ndarray):
        out = from_numpy(data)
        return out.to(
            device=devices.device_of(devices.place_of(device)), dtype=None if dtype is None else dtypes.OF_NUMPY[np_dtype(dtype)]
        )
    if hasattr(data, "__dlpack__") and not isinstance(data, np.generic):
        from torchlike._src.tensor import exchange

        return exchange.from_dlpack(data).to(device=device, dtype=dtype)
    return tensor(data, dtype=dtype, device=device)


@composite("asarray", method=False)
def asarray(obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None, requires_grad: bool = False) -> Tensor:
    """A tensor of any array-like object; ``copy`` says whether memory may be shared.

    Raises:
        ValueError: if ``copy`` is False and a copy is needed.
    """
    wanted = None if dtype is None else dtypes.OF_NUMPY[np_dtype(dtype)]
    if isinstance(obj, (np.ndarray, np.generic)):
        obj = from_numpy(obj if isinstance(obj, np.ndarray) else np.array(obj))
        shared = obj.ndim != 0 or copy is False
        if not shared:
            obj = obj.clone()
    if isinstance(obj, Tensor):
        out = obj.to(device=device or obj.device, dtype=wanted)
        if copy and out is obj:
            out = out.clone()
        if copy is False and out is not obj:
            raise ValueError(
                f"can't alias tensor with dtype '{dtypes.SCALAR_NAMES[obj.dtype]}' into dtype '{dtypes.SCALAR_NAMES[wanted]}'."
                if wanted not in (None, obj.dtype)
                else f"can't alias tensor from device '{obj.device}' to '{device}'."
            )
        if not requires_grad:
            return out.detach() if out.requires_grad else out
        return finish(out if obj.requires_grad else out.detach(), True)
    if copy is False:
        raise ValueError("can't alias arbitrary sequence into a tensor.")
    return finish(as_tensor(obj, dtype, device), requires_grad)


@composite("from_numpy", method=False)
def from_numpy(ndarray: np.ndarray) -> Tensor:
    """A tensor that shares its memory with a NumPy array: writes to either are seen in both.

    Raises:
        TypeError: for what is not an array, or a dtype torch lacks.
        ValueError: for negative strides.
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {class_name(ndarray)})")
    _check_strides(ndarray)
    if ndarray.dtype.byteorder not in "=|" and ndarray.dtype != ndarray.dtype.newbyteorder("="):
        raise ValueError(
            "given numpy array has byte order different from the native byte order. Conversion between byte orders is "
            "currently not supported."
        )
    if any(s % ndarray.itemsize for s in ndarray.strides):
        raise ValueError(
            "given numpy array strides not a multiple of the element byte size. Copy the numpy array to reallocate the memory."
        )
    dtypes.of_numpy(ndarray.dtype)
    if not ndarray.flags.writeable:
        warnings.warn(
            "The given NumPy array is not writable, and PyTorch does not support non-writable tensors. This means writing to "
            "this tensor will result in undefined behavior. You may want to copy the array to protect its data or make it "
            "writable before converting it to a tensor. This type of warning will be suppressed for the rest of this program.",
            UserWarning,
            stacklevel=2,
        )
        ndarray = ndarray.copy()
    t = Tensor.__new__(Tensor)
    t._storage = Storage(None)  # type: ignore[arg-type]
    share(t._storage, ndarray)
    if not ndarray.flags.c_contiguous and ndarray.ndim:
        t._set_strides(tuple([s // ndarray.itemsize for s in ndarray.strides]))
    return finish(t, False)


@composite("frombuffer", method=False)
def frombuffer(buffer: Any, *, dtype: Any, count: int = -1, offset: int = 0, requires_grad: bool = False) -> Tensor:
    """A 1-D tensor on the memory of a Python buffer."""
    item = np_dtype(dtype).itemsize
    try:
        size = len(memoryview(buffer).cast("B"))
    except TypeError:
        raise ValueError("object does not implement Python buffer protocol.") from None
    if size == 0 or count == 0:
        raise ValueError(f"both buffer length ({size}) and count ({count}) must not be 0")
    if not 0 <= offset < size:
        raise ValueError(f"offset ({offset} bytes) must be non-negative and no greater than buffer length ({size} bytes) minus 1")
    if count > 0 and offset + count * item > size:
        raise ValueError(
            f"requested buffer length ({count} * {item} bytes) after offset ({offset} bytes) must not be greater than actual "
            f"buffer length ({size} bytes)"
        )
    if count < 0 and (size - offset) % item:
        raise ValueError(
            f"buffer length ({size - offset} bytes) after offset ({offset} bytes) must be a multiple of element size ({item})"
        )
    array = np.frombuffer(buffer, np_dtype(dtype), count, offset)
    if not array.flags.writeable:
        warnings.warn(
            "The given buffer is not writable, and PyTorch does not support non-writable tensors. This means you can write to "
            "the underlying (supposedly non-writable) buffer using the tensor. You may want to copy the buffer to protect its "
            "data or make it writable before converting it to a tensor. This type of warning will be suppressed for the rest "
            "of this program.",
            UserWarning,
            stacklevel=2,
        )
        array = array.copy()
    return finish(from_numpy(array), requires_grad)


@composite("from_file", method=False)
def from_file(
    filename: str, shared: bool = False, size: int = 0, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """A 1-D tensor on the memory of a file.

    Args:
        filename: its path.
        shared: writes to the tensor go to the file, which is made or grows if it is too small; else they stay in memory.
        size: how many elements.
        dtype: of the elements; by default the default dtype.
    Raises:
        RuntimeError: if the file is too small and not shared.
    """
    kind = np_dtype(dtype)
    wanted = size * kind.itemsize
    have = os.path.getsize(filename) if os.path.exists(filename) else 0
    if have < wanted:
        if not shared:
            raise RuntimeError(f"file <{filename}> is too small: {have} bytes of {wanted}")
        with open(filename, "ab") as file:
            file.truncate(wanted)
    array = np.memmap(filename, kind, "r+" if shared else "c", shape=(size,)) if size else np.zeros(0, kind)
    return finish(from_numpy(np.asarray(array)), requires_grad)
