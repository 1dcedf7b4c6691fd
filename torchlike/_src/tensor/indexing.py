"""``x[...]`` and ``x[...] = v``: basic indices become views, tensors and lists one gather or scatter."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from torchlike._src.engine.trace import local
from torchlike._src.engine.value import host_value
from torchlike._src.operators import promotion
from torchlike._src.operators.numbers import fitting
from torchlike._src.operators.registry import ops
from torchlike._src.operators.support import broadcast_shapes, class_name
from torchlike._src.tensor import conversion, dtypes, from_data, view_functions, views
from torchlike._src.tensor.core import Tensor, levels
from torchlike._src.tensor.dispatch import _new
from torchlike._src.tensor.strides import contiguous_strides, strides_in_order_of
from torchlike._src.tensor.tape import node_class

_INTS = (int, np.integer)


class Parsed:
    """An index taken apart: a view first (``spec``, ``starts``), then index tensors at these dimensions of it."""

    __slots__ = ("name", "plain", "spec", "starts", "tensors")

    def __init__(self) -> None:
        self.spec: list[Any] = []
        self.starts: list[int] = []
        self.tensors: dict[int, Tensor] = {}
        self.plain = True
        self.name = "AliasBackward0"


def _invalid(item: Any) -> IndexError:
    return IndexError(
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices (got "
        f"{class_name(item)})"
    )


def _consumed(item: Any) -> int:
    if item is None or item is Ellipsis or isinstance(item, (bool, np.bool_)):
        return 0
    if isinstance(item, Tensor) and item._aval().dtype.kind == "b":
        return item.ndim
    if isinstance(item, Tensor) and item._aval().dtype == np.uint8:
        return item.ndim
    return 1


def _as_index(item: Any) -> Any:
    """Lists, arrays and ranges as index tensors; other things as they are."""
    if isinstance(item, (list, range, tuple)):
        array = np.asarray([np.asarray(i._numpy("an index")) if isinstance(i, Tensor) else i for i in item])
        if array.size == 0 and array.dtype.kind == "f":
            array = array.astype(np.int64)
        if array.dtype == object or array.dtype.kind not in "biu":
            raise _invalid(next((i for i in item if not isinstance(i, (int, list, tuple))), item))
        return _new(host_value(np.array(array)))
    if isinstance(item, np.ndarray):
        return from_data.tensor(item)
    return item


def parse(self: Tensor, key: Any) -> Parsed:
    """Take an index apart.

    Raises:
        IndexError: for what is no index, too many indices, or one out of range, in torch's words.
    """
    items = list(key) if isinstance(key, tuple) else [key]
    if isinstance(key, list) and any(isinstance(k, slice) or k is None or k is Ellipsis for k in key):
        items = list(key)
    items = [_as_index(i) for i in items]
    shape = self._aval().shape
    n = len(shape)
    given = sum(map(_consumed, items))
    if given > n:
        if n == 0 and isinstance(key, _INTS):
            raise IndexError(
                f"index {key} is out of bounds for dimension 0 with size 0"
                if key
                else "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to convert a "
                "0-dim tensor to a number"
            )
        if n == 0 and isinstance(key, slice):
            raise IndexError("slice() cannot be applied to a 0-dim tensor.")
        raise IndexError(f"too many indices for tensor of dimension {n}")
    out = Parsed()
    spec, starts = out.spec, out.starts
    dim, at = 0, 0  # dimension of the input, and of the view
    seen_ellipsis = False
    for place, item in enumerate(items):
        if item is Ellipsis:
            if seen_ellipsis:
                continue
            seen_ellipsis = True
            rest = n - given
            spec += [()] * rest
            dim += rest
            at += rest
        elif item is None:
            spec.append(None)
            at += 1
            out.name = "UnsqueezeBackward0"
        elif isinstance(item, (bool, np.bool_)):
            spec.append(None)
            out.tensors[at] = _new(host_value(np.array([bool(item)])))
            at += 1
        elif isinstance(item, slice):
            size = shape[dim]
            step = 1 if item.step is None else item.step.__index__()
            if step == 0:
                raise ValueError("slice step cannot be zero")
            if step < 0:
                raise ValueError("step must be greater than zero")
            try:
                start, stop, _ = slice(
                    None if item.start is None else item.start.__index__(),
                    None if item.stop is None else item.stop.__index__(),
                    step,
                ).indices(size)
            except AttributeError:
                raise TypeError("slice indices must be integers or None or have an __index__ method") from None
            # What is counted from the back, or starts beyond the end, torch slices though it be all.
            straight = not item.start and (item.stop is None or item.stop.__index__() >= 0)
            if start == 0 and stop == size and step == 1 and straight:
                spec.append(())
                out.name = "SliceBackward0" if key is item else out.name
            else:
                spec.append((max((stop - start + step - 1) // step, 0), step))
                starts.append(start)
                out.plain = False
                out.name = "SliceBackward0"
            dim += 1
            at += 1
        elif isinstance(item, Tensor):
            kind = item._aval().dtype
            if item.ndim == 0 and kind.kind in "iu" and kind != np.uint8 and _on_host(item):
                _select(out, int(item.item()), shape[dim], place)
                dim += 1
                continue
            if kind.kind == "b" or kind == np.uint8:
                for k in range(item.ndim):
                    if item.shape[k] != shape[dim + k]:
                        raise IndexError(
                            f"The shape of the mask {list(item.shape)} at index {k} does not match the shape of the indexed "
                            f"tensor {list(shape)} at index {dim + k}"
                        )
                out.tensors[at] = item if kind.kind == "b" else item.to(dtypes.bool_)
                spec += [()] * item.ndim
                if item.ndim == 0:
                    spec.append(None)
                    out.tensors[at] = item.reshape(1)
                dim += item.ndim
                at += max(item.ndim, 1)
            elif kind.kind in "iu":
                out.tensors[at] = item
                spec.append(())
                dim += 1
                at += 1
            else:
                raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
        elif isinstance(item, _INTS) or (hasattr(item, "__index__") and not isinstance(item, (float, str))):
            _select(out, item.__index__(), shape[dim], place)
            dim += 1
        else:
            raise _invalid(item)
    spec += [()] * (n - dim)
    return out


def _select(out: Parsed, index: int, size: int, place: int) -> None:
    if not -size <= index < size:  # torch names the place in what was written, not the dimension
        raise IndexError(f"index {index} is out of bounds for dimension {place} with size {size}")
    out.spec.append((-1, 1))
    out.starts.append(index % size)
    out.plain = False
    out.name = "SelectBackward0"


def _view(self: Tensor, parsed: Parsed) -> Tensor:
    if parsed.plain and None not in parsed.spec:
        return self
    return view_functions.index_view(self, tuple(parsed.spec), tuple(parsed.starts), parsed.name)


def _index_list(view: Tensor, parsed: Parsed) -> list[Tensor | None]:
    """One entry for each dimension of the view: an integer index tensor, or None."""
    out: list[Tensor | None] = []
    shape = view._aval().shape
    while len(out) < len(shape):
        t = parsed.tensors.get(len(out))
        if t is None:
            out.append(None)
        elif t._aval().dtype.kind == "b":
            out += ops.nonzero(t, as_tuple=True)
        else:
            out.append(t)
    while out and out[-1] is None:
        out.pop()
    return out


def _on_host(t: Tensor) -> bool:
    """Whether the elements can be looked at for nothing."""
    return not (levels and levels[-1].is_batched(t)) and t._value().data.__class__ is np.ndarray


def getitem(self: Tensor, key: Any) -> Tensor:
    """``self[key]``."""
    parsed = parse(self, key)
    if not parsed.tensors:
        if parsed.plain and None not in parsed.spec and not isinstance(key, slice):
            return view_functions.detach_like(self)
        return view_functions.index_view(self, tuple(parsed.spec), tuple(parsed.starts), parsed.name)
    view = _view(self, parsed)
    indices = _index_list(view, parsed)
    made = ops["index"](view, indices)
    if view._geometry is not None or any(t is not None and t._geometry is not None for t in indices):
        made._set_strides(_strides_of_indexed(view, indices))
    return made


def _strides_of_indexed(view: Tensor, indices: Sequence[Tensor | None]) -> tuple[int, ...]:
    """How ``view[indices]`` lies in memory.

    To torch this is an elementwise op of the view, with stride 0 where it is indexed, and the indices.
    """
    shape, strides = view._aval().shape, view.stride()
    at = [d for d, t in enumerate(indices) if t is not None]
    common = broadcast_shapes(*[t._aval().shape for t in indices if t is not None])
    lead = at[0] if at[-1] - at[0] == len(at) - 1 else 0  # else the indices come first
    rest = [d for d in range(len(shape)) if d not in at]
    made = (*[shape[d] for d in rest[:lead]], *common, *[shape[d] for d in rest[lead:]])
    window = (*[strides[d] for d in rest[:lead]], *[0] * len(common), *[strides[d] for d in rest[lead:]])
    operands = []
    for t in indices:
        if t is not None:
            size = (1,) * lead + t._aval().shape + (1,) * (len(rest) - lead)
            strides = view_functions.view_strides(t._aval().shape, t.stride(), size)
            operands.append((size, strides or contiguous_strides(size)))
    return strides_in_order_of(made, ((made, window), *operands))


def setitem(self: Tensor, key: Any, value: Any) -> None:
    """``self[key] = value``: a tensor of its own dtype or a number; one that broadcasts to what ``key`` selects."""
    if not isinstance(value, Tensor):
        value = _assigned(value, self)
    if key is False:
        return
    parsed = parse(self, None if key is True else key)
    view = _view(self, parsed)
    if not parsed.tensors:
        if isinstance(value, Tensor):
            if value.ndim == 0 and view.ndim:
                conversion.fill_(view, value)
                return
            if value.shape != view.shape:
                value = _drop_leading(value)
                _fit(value, view)
                value = value if value.shape == view.shape else view_functions.expand(value, view.shape)
            conversion.copy_(view, value)
        else:
            view._check_write("fill_")
            view._check_overlap()
            conversion.fill_(view, value)
            if view is self and self._base_tensor is None and self._node is not None and local.recorder.grad:
                # In torch the number becomes a tensor first, which is copied if it has the very shape.
                self._node.__class__ = node_class("FillBackward3" if self.ndim else "CopyBackwards")
        return
    self._check_write("index_put_", (value,))
    mask = next(iter(parsed.tensors.values())) if len(parsed.tensors) == 1 else None
    masked = mask is not None and mask._aval().dtype.kind == "b"
    if not isinstance(value, Tensor):
        value = from_data.tensor(value, dtype=self.dtype, device=self.device)
    if masked and value.numel() == 1 and (value.ndim == 0 or value.dtype is self.dtype):
        value = value.reshape(()) if value.ndim else value
        at = next(iter(parsed.tensors))
        shaped = mask.reshape(*mask.shape, *(1,) * (view.ndim - at - mask.ndim))
        result = ops.where(shaped, value.to(self.dtype) if value.dtype is not self.dtype else value, view)
        if result._node is not None:
            result._node.__class__ = node_class("IndexPutBackward0")
    else:
        if value.dtype is not self.dtype:
            raise RuntimeError(
                "Index put requires the source and destination dtypes match, got "
                f"{dtypes.SCALAR_NAMES[self.dtype]} for the destination and "
                f"{dtypes.SCALAR_NAMES[value.dtype]} for the source."
            )
        value = _drop_leading(value)
        indices = _index_list(view, parsed)
        view._refuse_shared((value, *indices, *parsed.tensors.values()))
        result = ops._index_put(view, indices, value)
    conversion.write_result(view, views.agreed(view, result))


def _assigned(value: Any, target: Tensor) -> Any:
    """A number as torch assigns it: one that a half cannot hold becomes infinite, elsewhere it is refused."""
    if isinstance(value, (np.integer, np.float64, np.complex128)):
        value = value.item()
    if not isinstance(value, (bool, int, float, complex)):
        raise TypeError(f"can't assign a {class_name(value)} to a {target.type()}")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("Overflow when unpacking long long")
    dtype = target._aval().dtype
    if isinstance(value, complex) and not value.imag and not promotion.is_complex(dtype):
        value = value.real
    if dtype.itemsize == 2 and promotion.is_floating(dtype):
        with np.errstate(over="ignore"):
            return float(np.asarray(fitting(value, np.dtype(np.float64))).astype(dtype))
    return fitting(value, dtype)


def _drop_leading(value: Tensor) -> Tensor:
    """Without the leading dimensions of size 1."""
    shape = value._aval().shape
    first = next((d for d, n in enumerate(shape) if n != 1), len(shape))
    return view_functions.view(value, shape[first:]) if first else value


def _fit(value: Tensor, view: Tensor) -> None:
    have, given = view._aval().shape, value._aval().shape
    lead = len(given) - len(have)
    if lead > 0 and any(n != 1 for n in given[:lead]):
        raise RuntimeError(
            f"expand({value.type_name()}{{{list(given)}}}, size={list(have)}): the "
            f"number of sizes provided ({len(have)}) must be greater or equal to the number of dimensions in the tensor "
            f"({len(given)})"
        )
    for i in range(1, min(len(have), len(given)) + 1):
        if given[-i] not in (1, have[-i]):
            raise RuntimeError(
                f"The expanded size of the tensor ({have[-i]}) must match the existing size ({given[-i]}) at non-singleton "
                f"dimension {len(have) - i}.  Target sizes: {list(have)}.  Tensor sizes: {list(given)}"
            )


Tensor.__getitem__ = getitem  # type: ignore[attr-defined]
Tensor.__setitem__ = setitem  # type: ignore[attr-defined]
