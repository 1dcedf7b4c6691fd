"""Views: tensors that read and write a part of another tensor's storage.

A view is a chain of view ops from its base. Each view op knows three things: how to read (`read`, a pure function), what
sizes, strides and offset the result has (`geometry`), and how to put new content back into the base (`put`, pure).
Sizes and strides are worked out in Python as torch does, so that `stride()` and `view()`'s refusals agree with it.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchlike._src.engine.trace import local
from torchlike._src.engine.value import CPU, Borrowed, Value, aval
from torchlike._src.operators import registry
from torchlike._src.operators.registry import Array, Numbers
from torchlike._src.tensor import dispatch
from torchlike._src.tensor.core import Tensor, alias, levels, move_retained, view_refused
from torchlike._src.tensor.dispatch import ANY_SIZE, Kernel, record
from torchlike._src.tensor.refusals import NotStrided
from torchlike._src.tensor.storage import SharedStorage, Storage
from torchlike._src.tensor.strides import contiguous_strides
from torchlike._src.tensor.tape import goes_nowhere, node_class, nowhere

Geometry = tuple[tuple[int, ...], tuple[int, ...], int]


class ViewOp:
    """A kind of view; ``kernel`` reads it, ``putter`` writes it back, by the functions ``read`` and ``put``."""

    __slots__ = ("geometry", "kernel", "name", "put", "putter", "read")

    def __init__(self, name: str, read: Callable[..., Any], put: Callable[..., Any] | None,
                 geometry: Callable[..., Geometry], host: Callable[..., Any] | None) -> None:  # fmt: skip
        self.name, self.read, self.put = name, read, put
        self.kernel = _kernel(name, read, host)
        self.kernel.limit = ANY_SIZE  # NumPy makes a view without touching the elements
        self.putter = None if put is None else _kernel(f"put_{name}", put, None, "CopySlices")
        self.geometry = geometry


def _kernel(name: str, fn: Callable[..., Any], host: Callable[..., Any] | None, grad_name: str | None = None) -> Kernel:
    saves = ("~",) if grad_name == "CopySlices" else ()  # torch's CopySlices cannot run a second time, though it saves nothing
    return Kernel(
        registry.anonymous(fn, host=host, name=name, saves=saves, grad_name=grad_name or registry.camel(name) + "Backward0")
    )


def view_op(cls: Any) -> ViewOp:
    """Declare a view op from a class with static methods ``read``, ``geometry`` and perhaps ``host`` and ``put``."""
    return ViewOp(cls.__name__, cls.read, getattr(cls, "put", None), cls.geometry, getattr(cls, "host", None))


# The kinds of views


@view_op
class permute:
    @staticmethod
    def read(input: Array, dims: tuple) -> Array:
        return jnp.transpose(input, dims)

    @staticmethod
    def host(input: np.ndarray, dims: tuple) -> np.ndarray:
        return np.transpose(input, dims)

    @staticmethod
    def put(base: Array, new: Array, dims: tuple) -> Array:
        return jnp.transpose(new, np.argsort(dims))

    @staticmethod
    def geometry(shape: Any, strides: Any, offset: int, dims: tuple) -> Geometry:
        return tuple([shape[d] for d in dims]), tuple([strides[d] for d in dims]), offset


@view_op
class reshape:
    @staticmethod
    def read(input: Array, size: tuple, strides: tuple) -> Array:
        return jnp.reshape(input, size)

    @staticmethod
    def host(input: np.ndarray, size: tuple, strides: tuple) -> np.ndarray:
        return np.reshape(input, size)

    @staticmethod
    def put(base: Array, new: Array, size: tuple, strides: tuple) -> Array:
        return jnp.reshape(new, base.shape)

    @staticmethod
    def geometry(shape: Any, strides: Any, offset: int, size: tuple, new: tuple) -> Geometry:
        return size, new, offset


@view_op
class expand:
    @staticmethod
    def read(input: Array, size: tuple) -> Array:
        return jnp.broadcast_to(input, size)

    @staticmethod
    def host(input: np.ndarray, size: tuple) -> np.ndarray:
        return np.broadcast_to(input, size)

    @staticmethod
    def put(base: Array, new: Array, size: tuple) -> Array:
        lead = len(size) - base.ndim
        index = (0,) * lead + tuple([slice(0, 1) if n == 1 else slice(None) for n in base.shape])
        return new[index]

    @staticmethod
    def geometry(shape: Any, strides: Any, offset: int, size: tuple) -> Geometry:
        if not shape:
            return size, (0,) * len(size), offset
        lead = len(size) - len(shape)
        out = [0 if n != m else s for n, m, s in zip(shape, size[lead:], strides, strict=True)]
        for d in range(lead - 1, -1, -1):
            out.insert(0, 0 if size[d] != 1 else size[d + 1] * out[0])
        return size, tuple(out), offset


@view_op
class index:
    """Selecting, slicing and adding dimensions. ``spec`` has an item for each dimension of the result or the input.

    ``None``: a new dimension; ``()``: the dimension as it is; ``(-1, 1)``: select; ``(n, step)``: slice. Selections and
    slices take their starts from ``starts``, so that a moving slice is one program.
    """

    @staticmethod
    def read(input: Array, spec: tuple, starts: Numbers) -> Array:
        if all(isinstance(s, int) for s in starts):
            return input[index_tuple(spec, starts, input.shape)]
        left = iter(starts)
        dim = 0
        for item in spec:
            if item is None:
                input = jnp.expand_dims(input, dim)
            elif item:
                n, step = item
                start = next(left)
                size = 1 if n < 0 else max((n - 1) * step + 1, 0)
                input = jax.lax.dynamic_slice_in_dim(input, start, size, dim)
                if n < 0:
                    input = jnp.squeeze(input, dim)
                    continue
                if step != 1:
                    input = jax.lax.slice_in_dim(input, 0, None, step, dim)
            dim += 1
        return input

    @staticmethod
    def host(input: np.ndarray, spec: tuple, starts: Numbers) -> np.ndarray:
        return input[index_tuple(spec, starts, input.shape)]

    @staticmethod
    def put(base: Array, new: Array, spec: tuple, starts: Numbers) -> Array:
        if not all(isinstance(s, int) for s in starts):
            left = iter(starts)
            items = [(abs(item[0]), item[1]) if item else (n, 1)
                     for item, n in zip([i for i in spec if i is not None], base.shape, strict=True)]  # fmt: skip
            at = [next(left) if item else 0 for item in spec if item is not None]
            new = jnp.reshape(new, [n for n, _ in items])
            if any(step != 1 for _, step in items):
                around = jax.lax.dynamic_slice(base, at, [max((n - 1) * step + 1, 0) for n, step in items])
                new = around.at[tuple([slice(None, None, step) for _, step in items])].set(new)
            return jax.lax.dynamic_update_slice(base, new, at)
        where = index_tuple(spec, starts, base.shape)
        return base.at[where].set(new, unique_indices=True, indices_are_sorted=True)

    @staticmethod
    def geometry(shape: Any, strides: Any, offset: int, spec: tuple, starts: Numbers) -> Geometry:
        left = iter(starts)
        out_shape, out_strides = [], []
        dim = 0
        for item in spec:
            if item is None:
                out_shape.append(1)
                out_strides.append(shape[dim] * strides[dim] if dim < len(shape) else 1)
                continue
            if item:
                n, step = item
                offset += next(left) * strides[dim]
                if n >= 0:
                    out_shape.append(n)
                    out_strides.append(strides[dim] * step)
            else:
                out_shape.append(shape[dim])
                out_strides.append(strides[dim])
            dim += 1
        return tuple(out_shape), tuple(out_strides), offset


def index_tuple(spec: tuple, starts: Numbers, shape: Sequence[int]) -> tuple[Any, ...]:
    """The index that NumPy and JAX understand."""
    left = iter(starts)
    out: list[Any] = []
    for item in spec:
        if item is None:
            out.append(None)
        elif not item:
            out.append(slice(None))
        elif item[0] < 0:
            out.append(next(left))
        else:
            start, (n, step) = next(left), item
            out.append(slice(start, start + max((n - 1) * step + 1, 0) if n else start, step))
    return tuple(out)


@view_op
class diagonal:
    @staticmethod
    def read(input: Array, offset: int, dim1: int, dim2: int) -> Array:
        return jnp.diagonal(input, offset, dim1, dim2)

    @staticmethod
    def host(input: np.ndarray, offset: int, dim1: int, dim2: int) -> np.ndarray:
        return np.diagonal(input, offset, dim1, dim2)

    @staticmethod
    def put(base: Array, new: Array, offset: int, dim1: int, dim2: int) -> Array:
        n = new.shape[-1]
        moved = jnp.moveaxis(base, (dim1, dim2), (-2, -1))
        rows = np.arange(n) + max(-offset, 0)
        return jnp.moveaxis(moved.at[..., rows, rows + offset].set(new), (-2, -1), (dim1, dim2))

    @staticmethod
    def geometry(shape: Any, strides: Any, at: int, offset: int, dim1: int, dim2: int) -> Geometry:
        n = max(min(shape[dim1] + min(offset, 0), shape[dim2] - max(offset, 0)), 0)
        if n:
            at += offset * strides[dim2] if offset >= 0 else -offset * strides[dim1]
        keep = [d for d in range(len(shape)) if d not in (dim1, dim2)]
        return (
            (*[shape[d] for d in keep], n),
            (*[strides[d] for d in keep], strides[dim1] + strides[dim2]),
            at,
        )


@view_op
class as_strided:
    """Any sizes and strides on a storage; ``order`` says how the base lies in memory (dims from outer to inner)."""

    @staticmethod
    def read(input: Array, size: tuple, stride: tuple, offset: int, order: tuple) -> Array:
        return jnp.reshape(jnp.transpose(input, order), -1)[flat_index(size, stride, offset)]

    @staticmethod
    def host(input: np.ndarray, size: tuple, stride: tuple, offset: int, order: tuple) -> np.ndarray:
        return np.reshape(np.transpose(input, order), -1)[flat_index(size, stride, offset)]

    @staticmethod
    def put(base: Array, new: Array, size: tuple, stride: tuple, offset: int, order: tuple) -> Array:
        laid = jnp.transpose(base, order)
        flat = jnp.reshape(laid, -1).at[flat_index(size, stride, offset)].set(new)
        return jnp.transpose(jnp.reshape(flat, laid.shape), np.argsort(order))

    @staticmethod
    def geometry(shape: Any, strides: Any, at: int, size: tuple, stride: tuple, offset: int, order: tuple) -> Geometry:
        return size, stride, offset


def flat_index(size: Sequence[int], stride: Sequence[int], offset: int) -> np.ndarray:
    """For each element of a strided view, its place in the storage."""
    out = np.full((), offset, np.int64)
    for n, s in zip(size, stride, strict=True):
        out = out[..., None] + np.arange(n, dtype=np.int64) * s
    return out


@view_op
class unfold:
    @staticmethod
    def read(input: Array, dim: int, size: int, step: int) -> Array:
        if input.ndim == 0:
            return jnp.reshape(input, (size,))
        n = (input.shape[dim] - size) // step + 1
        where = np.arange(n)[:, None] * step + np.arange(size)
        return jnp.moveaxis(jnp.take(input, where, axis=dim), dim + 1, -1)

    @staticmethod
    def host(input: np.ndarray, dim: int, size: int, step: int) -> np.ndarray:
        if input.ndim == 0:
            return input.reshape(size)
        n = (input.shape[dim] - size) // step + 1
        return np.moveaxis(np.take(input, np.arange(n)[:, None] * step + np.arange(size), axis=dim), dim + 1, -1)

    @staticmethod
    def put(base: Array, new: Array, dim: int, size: int, step: int) -> Array:
        if base.ndim == 0:
            return jnp.reshape(new, ()) if size else base
        n = (base.shape[dim] - size) // step + 1
        where = np.arange(n)[:, None] * step + np.arange(size)
        moved = jnp.moveaxis(base, dim, 0)
        return jnp.moveaxis(moved.at[where].set(jnp.moveaxis(jnp.moveaxis(new, -1, 0), dim + 1, 0)), 0, dim)

    @staticmethod
    def geometry(shape: Any, strides: Any, offset: int, dim: int, size: int, step: int) -> Geometry:
        if not shape:
            return (size,), (1,), offset
        n = (shape[dim] - size) // step + 1
        return (
            (*shape[:dim], n, *shape[dim + 1 :], size),
            (*strides[:dim], strides[dim] * step, *strides[dim + 1 :], strides[dim]),
            offset,
        )


@view_op
class real:
    @staticmethod
    def read(input: Array) -> Array:
        return jnp.real(input)

    @staticmethod
    def host(input: np.ndarray) -> np.ndarray:
        return np.real(input)

    @staticmethod
    def put(base: Array, new: Array) -> Array:
        return jax.lax.complex(new, jnp.imag(base))

    @staticmethod
    def geometry(shape: Any, strides: Any, offset: int) -> Geometry:
        return shape, tuple([2 * s for s in strides]), 2 * offset


@view_op
class imag:
    @staticmethod
    def read(input: Array) -> Array:
        return jnp.imag(input)

    @staticmethod
    def host(input: np.ndarray) -> np.ndarray:
        return np.imag(input)

    @staticmethod
    def put(base: Array, new: Array) -> Array:
        return jax.lax.complex(jnp.real(base), new)

    @staticmethod
    def geometry(shape: Any, strides: Any, offset: int) -> Geometry:
        return shape, tuple([2 * s for s in strides]), 2 * offset + 1


@view_op
class conj:
    """Conjugated on reading and on writing: torch's conjugate bit."""

    @staticmethod
    def read(input: Array) -> Array:
        return jnp.conj(input)

    @staticmethod
    def host(input: np.ndarray) -> np.ndarray:
        return np.conj(input)

    @staticmethod
    def put(base: Array, new: Array) -> Array:
        return jnp.conj(new)

    @staticmethod
    def geometry(shape: Any, strides: Any, offset: int) -> Geometry:
        return shape, strides, offset


@view_op
class view_as_real:
    @staticmethod
    def read(input: Array) -> Array:
        return jnp.stack((jnp.real(input), jnp.imag(input)), -1)

    @staticmethod
    def host(input: np.ndarray) -> np.ndarray:
        return np.stack((np.real(input), np.imag(input)), -1)

    @staticmethod
    def put(base: Array, new: Array) -> Array:
        return jax.lax.complex(new[..., 0], new[..., 1])

    @staticmethod
    def geometry(shape: Any, strides: Any, offset: int) -> Geometry:
        return (*shape, 2), (*[2 * s for s in strides], 1), 2 * offset


@view_op
class view_as_complex:
    @staticmethod
    def read(input: Array) -> Array:
        return jax.lax.complex(input[..., 0], input[..., 1])

    @staticmethod
    def host(input: np.ndarray) -> np.ndarray:
        made = np.empty(input.shape[:-1], np.result_type(input.dtype, np.complex64))
        made.real, made.imag = input[..., 0], input[..., 1]
        return made

    @staticmethod
    def put(base: Array, new: Array) -> Array:
        return jnp.stack((jnp.real(new), jnp.imag(new)), -1)

    @staticmethod
    def geometry(shape: Any, strides: Any, offset: int) -> Geometry:
        return shape[:-1], tuple([s // 2 for s in strides[:-1]]), offset // 2


@view_op
class view_dtype:
    """The same bytes read as another type."""

    @staticmethod
    def read(input: Array, dtype: Any) -> Array:
        return _bitcast(input, dtype)

    @staticmethod
    def host(input: np.ndarray, dtype: Any) -> np.ndarray:
        same = input.dtype.itemsize == np.dtype(dtype).itemsize
        return (input if same else np.ascontiguousarray(input)).view(dtype)

    @staticmethod
    def put(base: Array, new: Array, dtype: Any) -> Array:
        return _bitcast(new, base.dtype)

    @staticmethod
    def geometry(shape: Any, strides: Any, offset: int, dtype: Any) -> Geometry:
        raise AssertionError("worked out by view_as_dtype")


def _bitcast(x: Array, dtype: Any) -> Array:
    old, new = np.dtype(x.dtype), np.dtype(dtype)
    if old == np.bool_:
        x, old = x.astype(np.uint8), np.dtype(np.uint8)
    if old.kind == "c" or new.kind == "c":
        part = np.dtype(np.float32 if (old if old.kind == "c" else new).itemsize == 8 else np.float64)
        if old.kind == "c":
            x = jnp.reshape(jnp.stack((jnp.real(x), jnp.imag(x)), -1), (*x.shape[:-1], 2 * x.shape[-1]))
            return x if new == part else _bitcast(x, new)
        x = x if old == part else _bitcast(x, part)
        return jax.lax.complex(x[..., ::2], x[..., 1::2])
    target = np.dtype(np.uint8) if new == np.bool_ else new
    if old.itemsize > target.itemsize:
        out = jax.lax.bitcast_convert_type(x, target)
        out = jnp.reshape(out, (*x.shape[:-1], out.shape[-2] * out.shape[-1]))
    elif old.itemsize < target.itemsize:
        ratio = target.itemsize // old.itemsize
        out = jax.lax.bitcast_convert_type(jnp.reshape(x, (*x.shape[:-1], x.shape[-1] // ratio, ratio)), target)
    else:
        out = jax.lax.bitcast_convert_type(x, target)
    return out.astype(np.bool_) if new == np.bool_ else out


# Making, refreshing and writing views

_geometries: dict[Any, Geometry] = {}


def make(source: Tensor, op: ViewOp, args: tuple[Any, ...], grad_name: str | None = None) -> Tensor:
    """A view of ``source`` by ``op``."""
    shape = source._aval().shape
    known = source._geometry
    key = (op, shape, known, args)
    found = _geometries.get(key)
    if found is None:
        strides, offset = known if known is not None else (contiguous_strides(shape), 0)
        found = op.geometry(shape, strides, offset, *args)
        if len(_geometries) > 16384:
            _geometries.clear()
        _geometries[key] = found
    return _make(source, op, args, found, grad_name)


#: Views that show the very elements of their source, in order, if their shape is its shape: nothing to record.
_SAME_IF_SHAPED_ALIKE = (reshape, expand)


def _make(source: Tensor, op: ViewOp, args: tuple[Any, ...], geometry: Geometry, grad_name: str | None) -> Tensor:
    if (
        geometry[0] == source._aval().shape
        and op in _SAME_IF_SHAPED_ALIKE
        and not (source._requires_grad and local.recorder.grad)
    ):
        view = dispatch._new(source._value())
    else:
        view = record(op.kernel, (source, *args))
    try:
        read = view._storage.value
    except NotStrided:  # what shows a sparse tensor in another way is a handle of its own
        return view
    if grad_name is not None and view._node is not None:
        view._node.__class__ = node_class(grad_name)
    storage = source._storage
    base = source._base_tensor
    view._storage = storage
    view._base_tensor = source if base is None else base
    view._chain = ((op, args),) if source._chain is None else (*source._chain, (op, args))
    view._cached = read
    view._seen = storage.writes
    if geometry[2] or geometry[1] != contiguous_strides(geometry[0]):
        view._geometry = geometry[1:]
    if source._own_counter is not None:
        view._own_counter = source._own_counter
    rec = local.recorder
    if source._made is not None or not rec.grad:
        view._made = source._made if rec.grad else "inference" if rec.inference else "no_grad"
        if not rec.grad and view._base_tensor.requires_grad:
            require_nothing(view)
    version = (source._own_counter or storage).version
    if version:
        view._born = version
    if view._inference is not source._inference:
        view._inference = source._inference
    if levels:
        levels[-1].carry(source, view, lambda tangent: _make(tangent, op, args, geometry, None))
    return view


def require_nothing(view: Tensor) -> None:
    """Let a view without a history of its own say that it requires grad, as its base does; its gradient goes nowhere."""
    view._requires_grad = True
    view._leaf = alias(view, Tensor.__new__(Tensor))
    view._leaf._requires_grad, view._leaf._made = True, "nothing"
    nowhere[:] = [True]


def several(views: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Views that one function returned together: torch forbids to write to them with history."""
    one = object()
    for number, v in enumerate(views):
        v._output = number
        if v._node is not None:
            v._node.one = one
        if local.recorder.grad:  # else that is why
            v._made = "multi"
    return tuple(views)


def flows(view: Tensor) -> bool:
    """Whether the history of a view is that of its base."""
    base = view._base_tensor
    return base is not None and base._requires_grad and view._made not in ("no_grad", "inference", "function")


def cut_off(view: Tensor) -> bool:
    """Whether a view has a history still that its base has lost (`detach_`): the next write ends that of the view, too."""
    base = view._base_tensor
    return base is not None and not base._requires_grad and view._made is None and view._node is not None


def lost(view: Tensor) -> bool:
    """Whether torch cannot say any more what the history of a view is, since its base was written to."""
    base = view._base_tensor
    if base is None or view._made is None or view._counter().version == view._born:
        return False
    return base._requires_grad or view._node is not None


def check_history(view: Tensor) -> None:
    """Refuse to use a view in a graph where torch cannot say what its history is.

    Raises:
        RuntimeError: in torch's words.
    """
    if lost(view):
        raise RuntimeError(view_refused(view, "its base or another view of its base has been"))


def junction(view: Tensor, base: Tensor) -> tuple[int, tuple[int, ...] | None]:
    """Where on the way from the storage to a view the history of its base comes in.

    Returns:
        How many view ops lead there. If the base has been turned in place since (`t_`), they lead past it: then also, for each
        element of what they show, its place in the base.
    """
    start, chain = base._chain or (), view._chain or ()
    if len(chain) > len(start) and chain[: len(start)] == start:
        return len(start), None
    same = next((i for i, (a, b) in enumerate(zip(chain, start, strict=False)) if a != b), min(len(chain), len(start)))
    there = next((i for i in range(same, len(chain)) if chain[i][0] in _OTHER_ELEMENTS), len(chain))
    at = whole(view._storage)
    found = at._aval().shape, at.stride(), 0
    for op, args in chain[:there]:
        found = op.geometry(*found, *args)
    return there, places_in(base, *found)


def places_in(part: Tensor, size: tuple[int, ...], stride: tuple[int, ...], offset: int) -> tuple[int, ...]:
    """For each element of a window on the storage, its place among the elements of ``part``, or -1."""
    shown = {int(k): i for i, k in enumerate(flat_index(part.shape, part.stride(), part.storage_offset()).reshape(-1))}
    return tuple([shown.get(int(k), -1) for k in flat_index(size, stride, offset).reshape(-1)])


def _shown_by(part: Array, window: Array, places: tuple) -> Array:
    """``window``, which shows elements of ``part`` at these places, and at -1 others of the storage."""
    at = np.asarray(places, np.int64).reshape(window.shape)
    return jnp.where(at >= 0, jnp.reshape(part, -1)[at], window)


def _put_shown(part: Array, window: Array, places: tuple) -> Array:
    """``part`` with its elements at these places as in ``window``."""
    at = np.asarray(places, np.int64)
    seen = np.flatnonzero(at >= 0)
    return jnp.reshape(jnp.reshape(part, -1).at[at[seen]].set(jnp.reshape(window, -1)[seen]), part.shape)


#: The history of a window on a storage of which a tensor with a history shows only a part, and that of a write through it.
SHOWN_BY = _kernel("shown_by", _shown_by, None, "AsStridedBackward0")
_PUT_SHOWN = _kernel("put_shown", _put_shown, None, "CopySlices")


#: Views that `as_strided` cannot make, so that histories that are written anew show them by name.
_NEVER_STRIDED = (view_as_real, view_as_complex, conj)


def refresh(view: Tensor) -> None:
    """Read a view anew after its storage was written to; its history is that of the base now."""
    storage, chain, base = view._storage, view._chain, view._base_tensor
    assert chain is not None
    cut = cut_off(view)
    flowing = cut or flows(view)
    if storage.__class__ is SharedStorage and (not flowing or view._seen == storage.writes):
        array = storage.exported
        for op, args in chain:  # never recorded: the op that reads the view may have been recorded in part
            run = op.kernel if op.kernel.host is None else op.kernel.on_host
            array = np.asarray(run((array, *[a.np if hasattr(a, "np") else a for a in args])))
        view._cached = Borrowed(aval(array.shape, array.dtype, CPU), array)
        view._seen = storage.writes
        _follow(view)
        return
    rec = local.recorder
    before = rec.grad
    version = view._counter().version
    unsure = lost(view)
    renewed = flowing and version != view._born and not unsure  # else the write was one that autograd does not see
    above, places = junction(view, base) if renewed else (0, None)  # type: ignore[arg-type]
    if renewed and cut:
        base = alias(base, Tensor.__new__(Tensor))  # type: ignore[arg-type]
        require_nothing(base)
    rec.grad = False
    try:
        t = base if renewed and places is None else whole(storage)
        if places is not None:
            for op, args in chain[:above]:
                t = record(op.kernel, (t, *args))
            rec.grad = True
            t = record(SHOWN_BY, (base, t, places))
        rec.grad = renewed
        for op, args in chain[above:]:
            t = record(op.kernel, (t, *args))
    finally:
        rec.grad = before
    view._cached = t._storage.value  # type: ignore[union-attr]
    view._seen = -1 if unsure else storage.writes
    if not renewed:
        _follow(view)
    else:
        view._born = version
        node, number = t._node, t._number  # type: ignore[union-attr]
        made = chain[-1 - view._turned][0] if view._turned < len(chain) else as_strided  # what turns it in place has no part
        if made not in _NEVER_STRIDED:
            node.__class__ = node_class("AsStridedBackward0")
        elif view._turned:
            node.__class__ = node_class(made.kernel.grad_name)
        if view._retains:
            move_retained(view, node, number)
        view._node, view._number, view._requires_grad, view._leaf = node, number, True, None


def _follow(view: Tensor) -> None:
    """Have a view without a history of its own require grad if its base does."""
    base = view._base_tensor
    if base is None or view._node is not None:
        return
    if not base._requires_grad and goes_nowhere(view):
        view._requires_grad, view._leaf = False, None
    elif base._requires_grad and not view._requires_grad:
        require_nothing(view)


def whole(storage: Storage) -> Tensor:
    """A tensor of all of a storage, without history."""
    t = Tensor.__new__(Tensor)
    t._storage = storage
    t._set_strides(storage.strides)
    return t


def memory_order(input: Tensor) -> tuple[int, ...]:
    """The dimensions from outer to inner as they lie in memory."""
    strides, shape = input.stride(), input._aval().shape
    return tuple(sorted(range(len(shape)), key=lambda d: (-strides[d], -shape[d], d)))


#: Views that may show an element more than once, and those whose elements are not those of their source.
_OVERLAPPING = (as_strided, unfold, expand)
_OTHER_ELEMENTS = (real, imag, conj, view_as_real, view_as_complex, view_dtype)


def _agree(old: Array, new: Array, stride: tuple) -> Array:
    """``new``, in which what these strides show more than once is what was last changed of it."""
    _, at = np.unique(flat_index(new.shape, stride, 0), return_inverse=True)
    at = at.reshape(-1)
    changed = jnp.reshape((new != old) & ~((new != new) & (old != old)), -1)
    last = jnp.full(at.size, -1).at[at].max(jnp.where(changed, np.arange(at.size), -1))[at].reshape(new.shape)
    return jnp.where(last < 0, old, jnp.reshape(new, -1)[last])


_AGREE = _kernel("agree", _agree, None)


def agreed(view: Tensor, new: Tensor) -> Tensor:
    """What a view becomes by an op that writes only some of its elements, of which several may be the same memory."""
    if not new.numel() or not any(op in _OVERLAPPING for op, _ in view._chain or ()):
        return new
    return record(_AGREE, (view, new, view.stride()))


def write(view: Tensor, value: Value, node: Any, number: int, requires_grad: bool) -> None:
    """Write ``value``, which has this history, into the part of the storage that ``view`` shows."""
    storage, chain, base = view._storage, view._chain, view._base_tensor
    assert chain is not None
    rec = local.recorder
    tracked = rec.grad and (requires_grad or flows(view))
    if storage.__class__ is SharedStorage and not tracked and all(op.kernel.host and op.putter for op, _ in chain):
        array = numpy_view(view)
        if array.flags.writeable:  # else it is a copy: a conjugate
            np.copyto(array, dispatch._new(value)._array("a write to memory shared with NumPy"))
            storage.writes += 1
            view._seen = -1
            view._counter().version += 1
            return
    new = dispatch._new(value)
    if requires_grad:
        if node is not None:
            node.pass_by(view, view._node)
        new._node, new._number, new._requires_grad = node, number, True
    owner = view if base is None else base  # whose history the write becomes
    levels = [whole(storage)]
    above, places = (len(chain), None) if base is None else junction(view, base)
    # Level by level, what other elements of a level show of the same memory would be written over it.
    alone = base is None or above == 0 or not tracked  # no history begins in the middle
    window, passed = (view, chain[:-1]) if alone else (base, chain[:above])
    steps = len(chain) if window is view else above
    shared = places is None and any(op in _OVERLAPPING for op, _ in passed)
    if shared and not any(op in _OTHER_ELEMENTS for op, _ in chain[:steps]):
        step = as_strided, (window._aval().shape, window.stride(), window.storage_offset(), memory_order(levels[0]))
        chain, above = (step, *chain[steps:]), min(above, 1)
    before = rec.grad
    try:
        rec.grad = False
        old = None if places is None else _continued(dispatch._new(base._value()), base)  # type: ignore[union-attr]
        for k in range(len(chain)):
            rec.grad = tracked and k >= above
            if k == above:
                levels[-1] = _continued(levels[-1], base) if old is None else record(SHOWN_BY, (old, levels[-1], places))
            if k < len(chain) - 1:
                op, args = chain[k]
                levels.append(record(op.kernel, (levels[-1], *args)))
        made: Any = new if above == len(chain) else None
        for k in range(len(chain) - 1, -1, -1):
            rec.grad = tracked and k >= above
            op, args = chain[k]
            if op.putter is None:
                raise NotImplementedError(f"Writing through a view made by {op.name} is not supported; clone() it first.")
            new = record(op.putter, (levels[k], new, *args))
            if k == above:
                made = new
        if old is not None:
            rec.grad = tracked
            made = record(_PUT_SHOWN, (old, made, places))
    finally:
        rec.grad = before
    storage.set(new._storage.value)
    if made._requires_grad:
        if owner._retains:
            move_retained(owner, made._node, made._number)
        owner._node, owner._number, owner._requires_grad, owner._leaf = made._node, made._number, True, None
    view._seen = -1
    view._counter().version += 1
    if made._requires_grad and view._node is not None:
        if view._retains:
            refresh(view)
        else:
            view._node = made._node  # until it is read anew; what it had is done with, and may go


def _continued(level: Tensor, base: Tensor | None) -> Tensor:
    """The value of a base, while it is written to, with the history of the base."""
    if base is not None and base._requires_grad:
        level._node, level._number, level._requires_grad, level._leaf = base._node, base._number, True, base
    return level


def numpy_view(view: Tensor) -> np.ndarray:
    """The NumPy array of a view, sharing memory with that of its storage."""
    base = Tensor.__new__(Tensor)
    base._storage = view._storage
    array = base._shared_array()
    for op, args in view._chain or ():
        if op.name == "index":
            array = array[(*index_tuple(*args, array.shape), ...)]  # with `...`, a single element is an array too
        elif op.name == "as_strided":
            size, stride, offset, order = args
            flat = np.reshape(np.transpose(array, order), -1)
            array = np.lib.stride_tricks.as_strided(flat[offset:], size, [s * array.itemsize for s in stride])
        elif op.name == "unfold":
            dim, size, step = args
            shape, strides, _ = op.geometry(array.shape, array.strides, 0, dim, size, step)
            array = np.lib.stride_tricks.as_strided(array, shape, strides)
        elif op.name == "view_as_real":
            array = array[..., None].view(array.real.dtype)
        elif op.name == "view_as_complex":
            array = array.view(np.result_type(array.dtype, np.complex64))[..., 0]
        else:
            shares = array.flags.writeable and op.name not in ("expand", "conj")
            array = np.asarray(op.kernel.on_host((array, *[a.np if hasattr(a, "np") else a for a in args])))
            array.flags.writeable = shares and array.base is not None
    return array
