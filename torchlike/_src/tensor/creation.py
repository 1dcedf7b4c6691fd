"""Making tensors filled with a number, and ranges. From data: `from_data.py`; random ones: `random_functions.py`."""

import inspect
import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from torchlike._src.engine.trace import local
from torchlike._src.engine.value import Place
from torchlike._src.operators import promotion
from torchlike._src.operators.numbers import fitting, overflow
from torchlike._src.operators.registry import composite
from torchlike._src.operators.support import NOT_DIFFERENTIATED, an_int, class_name, int_list
from torchlike._src.tensor import devices, dtypes, layouts, scalars
from torchlike._src.tensor.core import Tensor
from torchlike._src.tensor.from_data import finish, infer, np_dtype, on_place, tensor
from torchlike._src.tensor.refusals import no_overload


def filled(shape: tuple[int, ...], value: Any, dtype: np.dtype, place: Place) -> Tensor:
    """A tensor filled with one number.

    Raises:
        RuntimeError: if the dtype cannot hold it.
    """
    if value.__class__ is int and 0 <= value <= 1:
        array = np.zeros(shape, dtype) if value == 0 else np.ones(shape, dtype)
    else:
        array = np.full(shape, scalars.element(fitting(value, dtype), dtype))
    return on_place(array, place)


def _factory(name: str, value: Any) -> Any:
    def make(*size: Any, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
             requires_grad: bool = False, pin_memory: bool = False, memory_format: Any = None, names: Any = None,
             **named: Any) -> Tensor:  # fmt: skip
        shape = int_list(_size_by_name(size, named, name), name)
        if name == "zeros" and any(n < 0 for n in shape):
            raise RuntimeError("zeros: Dimension size must be non-negative.")
        check_sizes(shape)
        if out is not None:
            return _fill_out(name, out, shape, value, dtype, device, layout, requires_grad)
        if layout is not None and layout is not layouts.strided:
            return _sparse(name, shape, layout, dtype, device, requires_grad)
        t = filled(shape, value, np_dtype(dtype, function=name), place_of(device, name))
        return _formatted(finish(t, requires_grad), memory_format)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = (
        f"A tensor filled with {value if name != 'empty' else 'zeros (torch leaves it as it is)'}; see ``torch.{name}``."
    )
    composite(name, method=False)(make)
    return make


def prepared(name: str, out: Any, shape: tuple[int, ...], dtype: Any = None, device: Any = None, layout: Any = None,
             counted: bool = False) -> Tensor:  # fmt: skip
    """The ``out`` of a factory, checked, and of that shape: these resize without a warning.

    Args:
        name: of torch's function, for messages.
        counted: any shape with as many elements will do.
    """
    from torchlike._src.tensor.conversion import resize_value

    if not isinstance(out, Tensor):
        raise TypeError(f"{name.removeprefix('aten::')}(): argument 'out' must be Tensor, not {class_name(out)}")
    have = out._layout or layouts.strided
    for what, asked, given in (
        ("dtype", dtype and dtypes.SCALAR_NAMES[dtype], dtypes.SCALAR_NAMES[out.dtype]),
        ("layout", layout and _layout_name(layout), _layout_name(have)),
        ("device type", device and devices.device(device).type, out.device.type),
    ):
        if asked not in (None, given):
            raise RuntimeError(f"{what} {asked} does not match {what} of out parameter ({given})")
    if out._requires_grad and local.recorder.grad:
        raise RuntimeError(NOT_DIFFERENTIATED.format(name))
    out._check_overlap()
    if not (counted and out.numel() == math.prod(shape)):
        resize_value(out, shape)
    return out


def _layout_name(layout: Any) -> str:
    return "".join(word.capitalize() for word in str(layout).removeprefix("torch.").removesuffix("_coo").split("_"))


def _fill_out(name: str, out: Any, shape: tuple[int, ...], value: Any, dtype: Any, device: Any, layout: Any,
              requires_grad: bool) -> Tensor:  # fmt: skip
    from torchlike._src.tensor.conversion import fill_

    t = fill_(prepared(f"aten::{name}", out, shape, dtype, device, layout), value)
    return t.requires_grad_() if requires_grad else t


def _sparse(name: str, shape: tuple[int, ...], layout: Any, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    """What `zeros`, `empty` and their kin make in a sparse layout: a tensor that stores nothing."""
    from torchlike._src.tensor.sparse import creation

    if not name.removeprefix("new_").startswith(("zeros", "empty")):
        raise NotImplementedError(
            f"{name} has no elements to leave out in layout {layout}; make a dense tensor, or use .to_sparse()"
        )
    return creation.empty(shape, layout, dtype, device, requires_grad)


def dense_only(name: str, layout: Any) -> None:
    """Refuse a layout that a function cannot make, as torch's kernels do."""
    if layout is not None and layout is not layouts.strided:
        raise NotImplementedError(f"{name}(...) is not implemented for layout {layout}; make a dense tensor and use .to_sparse()")


def _size_by_name(size: tuple[Any, ...], named: dict[str, Any], function: str) -> tuple[Any, ...]:
    if "size" in named:
        size = (named.pop("size"),)
    for other in named:
        raise TypeError(f"{function}() got an unexpected keyword argument '{other}'")
    return size


def place_of(device: Any, function: str) -> Place:
    """The place for a ``device=`` argument.

    Raises:
        TypeError: for what names no device.
    """
    if device is not None and not isinstance(device, (str, int, devices.device)):
        raise TypeError(f"{function}(): argument 'device' must be torch.device, not {class_name(device)}")
    return devices.place_of(device)


def check_sizes(shape: tuple[int, ...]) -> None:
    """Refuse negative sizes, and those beyond what can be counted."""
    total = 1
    for n in shape:
        if n < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {n}: {list(shape)}")
        total *= n
    if total >= 2**63:
        raise RuntimeError(f"Storage size calculation overflowed with sizes={list(shape)}")


def _formatted(t: Tensor, wanted: Any) -> Tensor:
    if wanted is not None and wanted is not layouts.contiguous_format and wanted is not layouts.preserve_format:
        from torchlike._src.tensor.conversion import set_format

        set_format(t, wanted)
    return t


zeros = _factory("zeros", 0)
ones = _factory("ones", 1)
empty = _factory("empty", 0)


@composite("full", method=False)
def full(size: Any, fill_value: Any, *, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
         requires_grad: bool = False, pin_memory: bool = False, names: Any = None) -> Tensor:  # fmt: skip
    """A tensor filled with ``fill_value``, of its kind of dtype unless one is given."""
    dense_only("full", layout)
    value = _fill_value(fill_value, "full")
    if isinstance(size, int):
        raise TypeError("full(): argument 'size' (position 1) must be tuple of ints, not int")
    shape = int_list((size,), "full")
    check_sizes(shape)
    if out is not None:
        return _fill_out("full", out, shape, value, dtype, device, layout, requires_grad)
    t = filled(shape, value, np_dtype(dtype, infer(value), "full"), place_of(device, "full"))
    return finish(t, requires_grad)


def _fill_value(value: Any, function: str) -> Any:
    """A number, or the value of a 0-d tensor or NumPy scalar."""
    if isinstance(value, Tensor) and value.ndim == 0:
        return value.item()
    if isinstance(value, np.generic):
        return value.item()
    if not isinstance(value, (bool, int, float, complex)):
        raise TypeError(f"{function}(): argument 'fill_value' (position 2) must be Number, not {class_name(value)}")
    return value


@composite("empty_strided", method=False)
def empty_strided(size: Any, stride: Any, *, dtype: Any = None, layout: Any = None, device: Any = None,
                  requires_grad: bool = False, pin_memory: bool = False) -> Tensor:  # fmt: skip
    """A tensor with these sizes and strides; it must be dense and not overlap itself, or be a view of one that is."""
    dense_only("empty_strided", layout)
    shape, strides = int_list((size,), "empty_strided"), int_list((stride,), "empty_strided", "stride", 2)
    if len(shape) != len(strides):
        raise RuntimeError(f"dimensionality of sizes ({len(shape)}) must match dimensionality of strides ({len(strides)})")
    check_sizes(shape)
    if any(s < 0 for s in strides):
        raise RuntimeError(f"Storage size calculation overflowed with sizes={list(shape)} and strides={list(strides)}")
    kind, place = np_dtype(dtype, function="empty_strided"), place_of(device, "empty_strided")
    from torchlike._src.tensor.strides import dense_like

    if dense_like(shape, strides) == strides or 0 in shape:
        t = filled(shape, 0, kind, place)
        t._set_strides(strides)
    else:
        from torchlike._src.tensor.view_functions import as_strided

        extent = 1 + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
        t = as_strided(filled((extent,), 0, kind, place), shape, strides)
        t._base_tensor = None
    return finish(t, requires_grad)


@composite("empty_permuted", method=False)
def empty_permuted(size: Any, physical_layout: Sequence[int], *, dtype: Any = None, layout: Any = None, device: Any = None,
                   requires_grad: bool = False, pin_memory: bool = False) -> Tensor:  # fmt: skip
    """A tensor whose dimensions lie in memory in the order ``physical_layout``, from outer to inner."""
    shape = int_list((size,), "empty_permuted")
    if len(shape) != len(physical_layout):
        raise RuntimeError(
            "Number of dimensions in size does not match the length of the physical_layout; i.e. "
            f"len(size) = {len(shape)} is not equal to len(physical_layout) = {len(physical_layout)}"
        )
    for i, d in enumerate(physical_layout):
        if not 0 <= d < len(shape):
            raise RuntimeError(
                f"Dimension out of range (expected to be between 0 and {len(shape) - 1}, but got {d} at index {i}). "
                "NB: negative dims not currently supported; file an issue if you want it."
            )
        if d in physical_layout[:i]:
            raise RuntimeError("Duplicate dim not allowed")
    strides, step = [0] * len(shape), 1
    for d in reversed(physical_layout):
        strides[d] = step
        step *= max(shape[d], 1)
    return empty_strided(shape, strides, dtype=dtype, device=device, requires_grad=requires_grad)


@composite("scalar_tensor", method=False)
def scalar_tensor(s: Any, *, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False,
                  pin_memory: bool = False) -> Tensor:  # fmt: skip
    """A 0-d tensor; of the default float dtype unless one is given."""
    dense_only("scalar_tensor", layout)
    value = _fill_value(s, "scalar_tensor")
    return finish(filled((), value, np_dtype(dtype), place_of(device, "scalar_tensor")), requires_grad)


def _like(name: str, value: Any) -> Any:
    def make(input: Tensor, *, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False,
             pin_memory: bool = False, memory_format: Any = layouts.preserve_format) -> Tensor:  # fmt: skip
        return _fill_like(input, value, dtype, layout, device, requires_grad, memory_format, name)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"`{name.removesuffix('_like')}` with the shape, dtype and device of ``input``."
    composite(name, method=False)(make)
    return make


def _fill_like(input: Tensor, value: Any, dtype: Any, layout: Any, device: Any, requires_grad: bool, memory_format: Any,
               name: str) -> Tensor:  # fmt: skip
    from torchlike._src.tensor.conversion import keep_layout

    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {class_name(input)}")
    have = input._aval()
    wanted = input._layout if layout is None else layout
    if wanted is input._layout and _keeps_pattern(name, wanted):
        values = _fill_like(input._data, value, dtype, None, device, requires_grad, layouts.preserve_format, name)  # type: ignore[attr-defined]
        return with_values(input, values)
    if wanted is not None and wanted is not layouts.strided:
        return _sparse(name, have.shape, wanted, dtype or input.dtype, device or input.device, requires_grad)
    place = have.place if device is None else place_of(device, name)
    t = filled(have.shape, value, np_dtype(dtype, have.dtype, name), place)
    if memory_format is layouts.preserve_format:
        keep_layout(input, t)
    return finish(_formatted(t, memory_format), requires_grad)


def _keeps_pattern(name: str, layout: Any) -> bool:
    """Whether a function has as many elements to fill as its input: of compressed layouts, all but `zeros_like`."""
    return layout is not None and layout is not layouts.sparse_coo and name != "zeros_like"


def with_values(input: Any, values: Tensor) -> Tensor:
    """A compressed tensor with the pattern of ``input`` and other values."""
    from torchlike._src.tensor.sparse.handle import like

    return like(input, values)


zeros_like = _like("zeros_like", 0)
ones_like = _like("ones_like", 1)
empty_like = _like("empty_like", 0)


@composite("full_like", method=False)
def full_like(input: Tensor, fill_value: Any, *, dtype: Any = None, layout: Any = None, device: Any = None,
              requires_grad: bool = False, pin_memory: bool = False,
              memory_format: Any = layouts.preserve_format) -> Tensor:  # fmt: skip
    """`full` with the shape, dtype and device of ``input``."""
    return _fill_like(
        input, _fill_value(fill_value, "full_like"), dtype, layout, device, requires_grad, memory_format, "full_like"
    )


def _new_factory(name: str, value: Any) -> None:
    def make(self: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False,
             layout: Any = None, pin_memory: bool = False, **named: Any) -> Tensor:  # fmt: skip
        shape = int_list(_size_by_name(size, named, name), name)
        check_sizes(shape)
        have = self._aval()
        if layout is not None and layout is not layouts.strided:
            return _sparse(name, shape, layout, dtype or self.dtype, device or self.device, requires_grad)
        place = have.place if device is None else place_of(device, name)
        return finish(filled(shape, value, np_dtype(dtype, have.dtype, name), place), requires_grad)

    make.__name__ = name
    make.__doc__ = f"`{name.removeprefix('new_')}` with the dtype and device of this tensor."
    composite(f"Tensor.{name}")(make)


for _name, _value in (("new_zeros", 0), ("new_ones", 1), ("new_empty", 0)):
    _new_factory(_name, _value)


@composite("Tensor.new_full")
def new_full(self: Tensor, size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None,
             requires_grad: bool = False, layout: Any = None, pin_memory: bool = False) -> Tensor:  # fmt: skip
    """`full` with the dtype and device of this tensor."""
    have = self._aval()
    shape = int_list((size,), "new_full")
    check_sizes(shape)
    place = have.place if device is None else place_of(device, "new_full")
    value = _fill_value(fill_value, "new_full")
    return finish(filled(shape, value, np_dtype(dtype, have.dtype, "new_full"), place), requires_grad)


@composite("Tensor.new_tensor")
def new_tensor(self: Tensor, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
               layout: Any = None, pin_memory: bool = False) -> Tensor:  # fmt: skip
    """`tensor` with the dtype and device of this tensor."""
    return tensor(data, dtype=dtype or self.dtype, device=device or self.device, requires_grad=requires_grad)


@composite("Tensor.new_empty_strided")
def new_empty_strided(self: Tensor, size: Any, stride: Any, *, dtype: Any = None, device: Any = None,
                      requires_grad: bool = False, layout: Any = None, pin_memory: bool = False) -> Tensor:  # fmt: skip
    """`empty_strided` with the dtype and device of this tensor."""
    return empty_strided(size, stride, dtype=dtype or self.dtype, device=device or self.device, requires_grad=requires_grad)


# Ranges


def _scalar(x: Any) -> Any:
    return x.item() if isinstance(x, (Tensor, np.generic)) else x


@composite("arange", method=False)
def arange(*args: Any, start: Any = None, end: Any = None, step: Any = None, out: Any = None, dtype: Any = None,
           layout: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False) -> Tensor:  # fmt: skip
    """``arange(end)``, ``arange(start, end, step=1)``: evenly spaced numbers of the half-open interval."""
    dense_only("arange", layout)
    named = {k: v for k, v in (("end", end), ("start", start), ("step", step)) if v is not None}
    names = ("end",) if len(args) == 1 and not named else ("start", "end", "step")
    bound = dict(zip(names, args, strict=False))
    if len(args) > 3 or bound.keys() & named or not (bound or named) or not (out is None or isinstance(out, Tensor)):
        raise no_overload("arange", args, named, *_ARANGE)
    bound |= named
    if bound.keys() == {"start"}:
        raise TypeError('arange() missing 1 required positional arguments: "end"')
    alone = bound.keys() == {"end"}
    if not alone and ("start" not in bound or "end" not in bound or not all(map(_is_number, bound.values()))):
        raise no_overload("arange", args, named, *_ARANGE)
    start, end, step = (_bound(bound.get(k, d), "arange", k, 1) for k, d in (("start", 0), ("end", None), ("step", 1)))
    kind = np_dtype(dtype, None if out is None else out._aval().dtype, "arange")
    if dtype is None and out is None and not any(isinstance(x, float) for x in (start, end, step)):
        kind = np.dtype(np.int64)
    if kind.kind == "b":
        raise NotImplementedError("\"arange_cpu\" not implemented for 'Bool'")
    _check_range(start, end, step)
    if kind == np.int64:
        start, end, step = int(start), int(end), int(step)
        if step == 0:
            raise ValueError("step must be nonzero")
        n = max(-((start - end) // step), 0)
    else:
        n = int(np.ceil((float(end) - float(start)) / float(step)))
    if isinstance(out, Tensor) and out.numel() not in (0, n):
        warnings.warn(
            f"The number of elements in the out tensor of shape {list(out.shape)} is {out.numel()} which does not match the computed "
            f"number of elements {n}. Note that this may occur as a result of rounding error. The out tensor will be resized to a "
            f"tensor of shape ({n},).",
            UserWarning,
            stacklevel=2,
        )
    return deliver("aten::arange", _steps(start, step, n, kind), out, dtype, device, requires_grad, counted=True)


_ARANGE = ("Number end, ...", "Number start, Number end, ...", "Number start, Number end, Number step = 1, ...")


def _is_number(x: Any) -> bool:
    """Whether torch takes it for a number: 0-d tensors are."""
    return x.ndim == 0 if isinstance(x, Tensor) else isinstance(x, (bool, int, float, complex, np.generic))


def _bound(x: Any, function: str, name: str, position: int) -> Any:
    """A number among the arguments of a range."""
    if not _is_number(x):
        raise TypeError(f"{function}(): argument '{name}' (position {position}) must be Number, not {class_name(x)}")
    if isinstance(x, (Tensor, np.generic)):
        x = x.item()
    if isinstance(x, complex):
        raise overflow("double")
    return x


def _check_range(start: Any, end: Any, step: Any) -> None:
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if any(x != x or x in (float("inf"), float("-inf")) for x in (start, end)):
        raise RuntimeError(f"unsupported range: {start:g} -> {end:g}")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")


def _steps(start: Any, step: Any, n: int, kind: np.dtype) -> np.ndarray:
    """``start + i * step`` in the precision that torch works in: double, or float for the half precisions."""
    if kind.kind in "iu":
        return (int(start) + np.arange(n, dtype=np.int64) * int(step)).astype(kind)
    work = np.float32 if kind.itemsize == 2 else np.float64
    return (work(start) + np.arange(n, dtype=work) * work(step)).astype(kind)


def deliver(name: str, array: np.ndarray, out: Any, dtype: Any, device: Any, requires_grad: bool,
            counted: bool = False) -> Tensor:  # fmt: skip
    """What a factory made, as a tensor or in its ``out``; see `prepared`."""
    if out is not None:
        from torchlike._src.tensor.conversion import copy_

        t = prepared(name, out, array.shape, dtype, device, counted=counted)
        copy_(t, on_place(array.reshape(t.shape), t._aval().place))
        return t.requires_grad_() if requires_grad else t
    return finish(on_place(array, devices.place_of(device)), requires_grad)


@composite("range", method=False)
def range_(start: Any = 0, end: Any = None, step: Any = 1, *, out: Any = None, dtype: Any = None, layout: Any = None,
           device: Any = None, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """Like `arange`, with the end included (deprecated in torch)."""
    warnings.warn(
        "torch.range is deprecated and will be removed in a future release because its behavior is inconsistent with Python's "
        "range builtin. Instead, use torch.arange, which produces values in [start, end).",
        UserWarning,
        stacklevel=2,
    )
    if end is None:
        raise TypeError('range() missing 1 required positional arguments: "end"')
    start, end, step = (_bound(x, "range", n, i) for i, (n, x) in enumerate((("start", start), ("end", end), ("step", step)), 1))
    _check_range(start, end, step)
    kind = np_dtype(dtype, None if out is None else out._aval().dtype, "range")
    made = _steps(start, step, int((end - start) / step + 1), kind)
    return deliver("aten::range", made, out, dtype, device, requires_grad, counted=True)


_MISSING: Any = inspect.Parameter.empty


def _spacing(function: str, start: Any, end: Any, steps: Any, wrong: dict[str, Any]) -> tuple[Any, Any, int]:
    """The checked arguments of `linspace` and `logspace`; ``wrong`` are others that are not what they should be."""
    numbers = all(isinstance(x, Tensor) or _is_number(x) for x in (start, end))
    if wrong or not numbers or isinstance(steps, (bool, float)) or not hasattr(steps, "__index__"):
        more = ", float base = 10.0" if function == "logspace" else ""
        forms = [f"{a} start, {b} end, int steps{more}, ..." for b in ("Tensor", "Number") for a in ("Tensor", "Number")]
        raise no_overload(function, [x for x in (start, end, steps) if x is not _MISSING], wrong, *forms)
    for name, x in (("start", start), ("end", end)):
        if isinstance(x, Tensor) and x.ndim:
            raise RuntimeError(
                f"{function} only supports 0-dimensional start and end tensors, but got {name} with {x.ndim} dimension(s)."
            )
    steps = steps.__index__()
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    return _scalar(start), _scalar(end), steps


@composite("linspace", method=False)
def linspace(start: Any, end: Any, steps: int = _MISSING, *, out: Any = None, dtype: Any = None, layout: Any = None,
             device: Any = None, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """``steps`` evenly spaced numbers from ``start`` to ``end``, both included."""
    dense_only("linspace", layout)
    start, end, steps = _spacing("linspace", start, end, steps, {})
    default = promotion.default_dtype()
    if isinstance(start, complex) or isinstance(end, complex):
        default = promotion.to_complex(default)
    kind = np_dtype(dtype, default if out is None else out._aval().dtype)
    return deliver("aten::linspace", _spaced(start, end, steps, kind), out, dtype, device, requires_grad, counted=True)


def _spaced(start: Any, end: Any, steps: int, kind: np.dtype) -> np.ndarray:
    if steps == 1:
        return np.full((1,), start).astype(kind)
    if kind.kind in "iu":
        start, end = int(start), int(end)  # torch casts the ends, not only what lies between them
        step = (float(end) - float(start)) / max(steps - 1, 1)
        i = np.arange(steps)
        return np.where(i < steps // 2, start + step * i, end - step * (steps - i - 1)).astype(np.int64).astype(kind)
    # As torch: in the result's precision, from either end to the middle.
    work = kind if kind.kind in "fcV" else np.dtype(np.float32)
    first, last = work.type(start), work.type(end)
    step = (last - first) / work.type(max(steps - 1, 1))
    i = np.arange(steps)
    return np.where(i < steps // 2, first + step * i.astype(work), last - step * (steps - i - 1).astype(work)).astype(kind)


@composite("logspace", method=False)
def logspace(start: Any, end: Any, steps: int = _MISSING, base: float = 10.0, *, out: Any = None, dtype: Any = None,
             layout: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """``base`` to the power of evenly spaced exponents."""
    dense_only("logspace", layout)
    start, end, steps = _spacing("logspace", start, end, steps, {} if _is_number(base) else {"base": base})
    base = _scalar(base)
    kind = np_dtype(dtype, None if out is None else out._aval().dtype)
    if kind.kind in "iu" and steps > 1:
        start, end = int(start), int(end)  # as in `_spaced`
    exponents = _spaced(start, end, steps, np.dtype(np.float64 if kind.kind != "c" else np.complex128))
    made = np.power(base, exponents).astype(kind)
    return deliver("aten::logspace", made, out, dtype, device, requires_grad, counted=True)


@composite("eye", method=False)
def eye(n: int, m: int | None = None, *, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
        requires_grad: bool = False) -> Tensor:  # fmt: skip
    """A matrix with ones on the diagonal."""
    dense_only("eye", layout)
    n = an_int(n, "eye", "n", 1)
    if n < 0:
        raise RuntimeError(f"n must be greater or equal to 0, got {n}")
    if m is not None and m < 0:
        raise RuntimeError(f"m must be greater or equal to 0, got {m}")
    return deliver("aten::eye", np.eye(n, m, dtype=np_dtype(dtype)), out, dtype, device, requires_grad)


def _triangle(name: str, keep: Any) -> None:
    def indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, layout: Any = None, device: Any = None,
                pin_memory: bool = False) -> Tensor:  # fmt: skip
        dense_only(name, layout)
        if row < 0 or col < 0:
            which, n = ("row", row) if row < 0 else ("col", col)
            raise RuntimeError(f"{which} must be non-negative, got{n}")
        found = np.stack(keep(row, offset, col)) if row and col else np.zeros((2, 0))
        return on_place(found.astype(np_dtype(dtype, np.dtype(np.int64))), place_of(device, name))

    indices.__name__ = name
    indices.__doc__ = (
        f"Row and column numbers of the {'lower' if name == 'tril_indices' else 'upper'} triangle, shape ``(2, n)``."
    )
    composite(name, method=False)(indices)


_triangle("tril_indices", np.tril_indices)
_triangle("triu_indices", np.triu_indices)
