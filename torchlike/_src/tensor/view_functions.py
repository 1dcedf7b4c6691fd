"""The public functions that make views: argument checks and sizes; what a view is stands in `views.py`."""

import itertools
import operator
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from torchlike._src.engine.trace import local
from torchlike._src.operators.registry import camel, composite, ops
from torchlike._src.operators.support import broadcast_shapes, int_list
from torchlike._src.tensor import dtypes, views
from torchlike._src.tensor.core import Tensor, alias, levels
from torchlike._src.tensor.dispatch import recasts, record
from torchlike._src.tensor.refusals import NotStrided, no_overload
from torchlike._src.tensor.storage import Counter
from torchlike._src.tensor.strides import contiguous_strides
from torchlike._src.tensor.tape import node_class, order
from torchlike._src.tensor.views import make, memory_order


def wrap_dim(dim: int, ndim: int) -> int:
    """A dimension counted from the front; IndexError in torch's words when out of range."""
    n = max(ndim, 1)
    if not isinstance(dim, int):
        dim = operator.index(dim)
    if not -n <= dim < n:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim})")
    return dim % n


def infer_size(size: tuple[int, ...], numel: int) -> tuple[int, ...]:
    """Replace -1 by what is left."""
    known, unknown = 1, None
    for i, n in enumerate(size):
        if n == -1:
            if unknown is not None:
                raise RuntimeError("only one dimension can be inferred")
            unknown = i
        elif n < 0:
            raise RuntimeError(f"invalid shape dimension {n} at index {i} of shape {list(size)}")
        else:
            known *= n
    if unknown is None:
        if known == numel:
            return size
    elif known > 0 and numel % known == 0:
        return (*size[:unknown], numel // known, *size[unknown + 1 :])
    elif known == 0 and numel == 0:
        raise RuntimeError(
            f"cannot reshape tensor of 0 elements into shape {list(size)} because the unspecified dimension size -1 can be "
            "any value and is ambiguous"
        )
    raise RuntimeError(f"shape '{list(size)}' is invalid for input of size {numel}")


def view_strides(shape: tuple[int, ...], strides: tuple[int, ...], size: tuple[int, ...]) -> tuple[int, ...] | None:
    """The strides with which the same memory can be seen as ``size``; None if it cannot."""
    numel = 1
    for n in shape:
        numel *= n
    if numel == 0:
        return contiguous_strides(size) if shape != size else strides
    out = [0] * len(size)
    at = len(size) - 1
    chunk_base = strides[-1] if strides else 1
    have = want = 1
    for d in range(len(shape) - 1, -1, -1):
        have *= shape[d]
        if d == 0 or (shape[d - 1] != 1 and strides[d - 1] != have * chunk_base):
            while at >= 0 and (want < have or size[at] == 1):
                out[at] = want * chunk_base
                want *= size[at]
                at -= 1
            if want != have:
                return None
            if d > 0:
                chunk_base = strides[d - 1]
                have = want = 1
    if not shape:
        return (1,) * len(size)
    return tuple(out) if at == -1 else None


@composite("view")
def view(self: Tensor, *size: Any, dtype: Any = None) -> Tensor:
    """The same memory with another shape, or read as another dtype; see ``torch.Tensor.view``."""
    if dtype is not None or (len(size) == 1 and isinstance(size[0], dtypes.dtype)):
        return view_as_dtype(self, dtype or size[0])
    shape = self._aval().shape
    new = infer_size(int_list(size, "view"), self._aval().size)
    strides = contiguous_strides(new) if self._geometry is None else view_strides(shape, self.stride(), new)
    if strides is None:
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
            "contiguous subspaces). Use .reshape(...) instead."
        )
    return make(self, views.reshape, (new, strides), "ViewBackward0")


@composite("reshape")
def reshape(input: Tensor, *shape: Any) -> Tensor:
    """The same elements with another shape: a view where that is possible, else a copy."""
    new = infer_size(int_list(shape, "reshape", "shape"), input._aval().size)
    old = input._aval().shape
    if input._geometry is None:
        return make(input, views.reshape, (new, contiguous_strides(new)), "ViewBackward0")
    strides = view_strides(old, input.stride(), new)
    if strides is not None:
        name = "ViewBackward0" if input.is_contiguous() else "ReshapeAliasBackward0"  # type: ignore[attr-defined]
        return make(input, views.reshape, (new, strides), name)
    # Where there is a history, it shows torch's two steps.
    source = ops.clone(input) if input._requires_grad and local.recorder.grad else input
    out = record(views.reshape.kernel, (source, new, contiguous_strides(new)))
    if out._node is not None:
        out._node.__class__ = node_class("UnsafeViewBackward0")
    return out


@composite("Tensor.reshape_as")
def reshape_as(self: Tensor, other: Tensor) -> Tensor:
    return reshape(self, other.shape)


@composite("Tensor.view_as")
def view_as(self: Tensor, other: Tensor) -> Tensor:
    return view(self, other.shape)


def view_as_dtype(self: Tensor, dtype: dtypes.dtype) -> Tensor:
    """Reinterpret the bytes."""
    shape, strides, offset = self._aval().shape, self.stride(), self.storage_offset()
    old, new = self.itemsize, dtype.itemsize
    if dtype is self.dtype:
        return detach(self)
    if old != new:
        pair = f"{dtypes.SCALAR_NAMES[self.dtype]} as {dtypes.SCALAR_NAMES[dtype]} (different element sizes)"
        if not shape:
            raise RuntimeError(f"self.dim() cannot be 0 to view {pair}")
        r = max(old, new) // min(old, new)
        if new > old and shape[-1] % r:
            raise RuntimeError(f"self.size(-1) must be divisible by {r} to view {pair}, but got {shape[-1]}")
        if new > old and offset % r:
            raise RuntimeError(f"self.storage_offset() must be divisible by {r} to view {pair}, but got {offset}")
        if strides[-1] != 1:
            raise RuntimeError(f"self.stride(-1) must be 1 to view {pair}, but got {strides[-1]}")
        if old > new:
            shape, strides, offset = (*shape[:-1], shape[-1] * r), (*[s * r for s in strides[:-1]], 1), offset * r
        else:
            for d, s in enumerate(strides[:-1]):
                if s % r:
                    raise RuntimeError(f"self.stride({d}) must be divisible by {r} to view {pair}, but got {s}")
            shape, strides, offset = (*shape[:-1], shape[-1] // r), (*[s // r for s in strides[:-1]], 1), offset // r
    view = views._make(detach(self), views.view_dtype, (dtype,), (shape, strides, offset), None)
    view._base_tensor = None  # on the same memory, but autograd does not know of it
    return view


def detach_like(self: Tensor) -> Tensor:
    """Another tensor on the same memory that keeps the history (``view(dtype)`` with the same dtype)."""
    return make(self, views.reshape, (self._aval().shape, self.stride()), "AliasBackward0")


@composite("detach")
def detach(input: Tensor) -> Tensor:
    """The same memory without history."""
    if levels and (made := levels[-1].detach(input)) is not None:
        return made
    try:
        return alias(input, Tensor.__new__(Tensor))
    except NotStrided:
        return input.detach()


@composite("detach_")
def detach_(input: Tensor) -> Tensor:
    """Cut the history in place."""
    if input._base is not None:
        raise RuntimeError("Can't detach views in-place. Use detach() instead. If you are using DistributedDataParallel "
                           "(DDP) for training, and gradient_as_bucket_view is set as True, gradients are views of DDP "
                           "buckets, and hence detach_() cannot be called on these gradients. To fix this error, please "
                           "refer to the Optimizer.zero_grad() function in torch/optim/optimizer.py as the solution.")  # fmt: skip
    if input._node is not None:
        input._detached = next(order)
    input._node, input._number, input._requires_grad, input._leaf = None, 0, False, None
    input._tangents = None
    input._storage.writes += 1  # its views look at their history once more
    return input


@composite("alias", method=False)
def alias_(input: Tensor) -> Tensor:
    return detach_like(input)


@composite("permute")
def permute(input: Tensor, *dims: Any) -> Tensor:
    """Reorder the dimensions."""
    n = input._aval().ndim
    order = int_list(dims, "permute", "dims")
    if len(order) != n:
        raise RuntimeError(
            f"permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired ordering "
            f"of dimensions i.e. input.dim() = {n} is not equal to len(dims) = {len(order)}"
        )
    order = tuple([wrap_dim(d, n) for d in order])
    if len(set(order)) != n:
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    return make(input, views.permute, (order,), "PermuteBackward0")


@composite("transpose", "swapaxes", "swapdims")
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Swap two dimensions."""
    n = input._aval().ndim
    a, b = wrap_dim(dim0, n), wrap_dim(dim1, n)
    order = list(range(n))
    if n:
        order[a], order[b] = order[b], order[a]
    return make(input, views.permute, (tuple(order),), "TransposeBackward0")


@composite("t")
def t(input: Tensor) -> Tensor:
    """Transpose a matrix."""
    n = input._aval().ndim
    if n > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {n}D")
    return make(input, views.permute, (tuple(range(n))[::-1],), "TBackward0")


@composite("adjoint")
def adjoint(input: Tensor) -> Tensor:
    """Swap the last two dimensions, and conjugate."""
    return _adjoint(input, "adjoint()", 4)


def _adjoint(matrices: Tensor, name: str, level: int = 3) -> Tensor:
    if matrices.ndim == 0:
        said = name if name == "adjoint()" else f"Tensor.{name}"
        warnings.warn(f"{said} is deprecated on 0-D tensors. Consider using x.conj().", stacklevel=level)
        return conj(matrices)
    if matrices.ndim == 1:
        raise RuntimeError(f"tensor.{name} is only supported on matrices or batches of matrices. Got 1-D tensor.")
    return conj(transpose(matrices, -2, -1))


def _reversed(self: Tensor) -> Tensor:
    if self.ndim == 0:
        warnings.warn(_IDENTITY.format("Tensor.T"), stacklevel=2)
    elif self.ndim != 2:
        warnings.warn(
            "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is deprecated and it will throw an error "
            "in a future release. Consider `x.mT` to transpose batches of matrices or "
            "`x.permute(*torch.arange(x.ndim - 1, -1, -1))` to reverse the dimensions of a tensor.",
            stacklevel=2,
        )
    return make(self, views.permute, (tuple(range(self.ndim))[::-1],), "PermuteBackward0")


_IDENTITY = "{} is deprecated on 0-D tensors. This function is the identity in these cases."


def _matrix_transposed(self: Tensor) -> Tensor:
    if self.ndim == 0:
        warnings.warn(_IDENTITY.format("Tensor.mT"), stacklevel=2)
        return self
    if self.ndim == 1:
        raise RuntimeError("tensor.mT is only supported on matrices or batches of matrices. Got 1-D tensor.")
    return transpose(self, -2, -1)


def _conjugate_transposed(self: Tensor) -> Tensor:
    if self.ndim not in (0, 2):
        batches = " For batches of matrices, consider using tensor.mH" if self.ndim > 2 else ""
        raise RuntimeError(f"tensor.H is only supported on matrices (2-D tensors). Got {self.ndim}-D tensor.{batches}")
    return _adjoint(self, "H")


Tensor.T = property(_reversed)  # type: ignore[attr-defined]
Tensor.mT = property(_matrix_transposed)  # type: ignore[attr-defined]
Tensor.H = property(_conjugate_transposed)  # type: ignore[attr-defined]
Tensor.mH = property(lambda self: _adjoint(self, "mH"))  # type: ignore[attr-defined]


def _listed(dims: Any) -> list[int]:
    return [dims] if isinstance(dims, int) else list(dims)


@composite("movedim", "moveaxis")
def movedim(input: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """Move dimensions to new places."""
    n = input.ndim
    src = [source] if isinstance(source, int) else list(source)
    dst = [destination] if isinstance(destination, int) else list(destination)
    if len(src) != len(dst):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({src} dims) should contain the same number of dims as "
            f"destination ({dst} dims)"
        )
    src, dst = [wrap_dim(d, n) for d in src], [wrap_dim(d, n) for d in dst]
    if n == 0:
        return detach_like(input)
    if len(set(src)) != len(src):
        raise RuntimeError(f"movedim: repeated dim in `source` ({_listed(source)})")
    if len(set(dst)) != len(dst):
        raise RuntimeError(f"movedim: repeated dim in `destination` ({_listed(destination)})")
    rest = iter([d for d in range(n) if d not in src])
    where = dict(zip(dst, src, strict=True))
    return make(input, views.permute, (tuple([where[d] if d in where else next(rest) for d in range(n)]),), "PermuteBackward0")


@composite("Tensor.expand")
def expand(self: Tensor, *size: Any, implicit: bool = False) -> Tensor:
    """Repeat dimensions of size 1 without copying."""
    shape = self._aval().shape
    wanted = int_list(size, "expand")
    lead = len(wanted) - len(shape)
    if lead < 0:
        raise RuntimeError(
            f"expand({self.type_name()}{{{list(shape)}}}, size={list(wanted)}): the number "
            f"of sizes provided ({len(wanted)}) must be greater or equal to the number of dimensions in the tensor "
            f"({len(shape)})"
        )
    out = list(wanted)
    for i in range(len(wanted) - 1, -1, -1):  # torch goes from the last
        n = wanted[i]
        if i < lead:
            if n == -1:
                raise RuntimeError(
                    f"The expanded size of the tensor ({n}) isn't allowed in a leading, non-existing dimension {i}"
                )
            continue
        have = shape[i - lead]
        if n == -1:
            out[i] = have
        elif have != 1 and n != have:
            raise RuntimeError(
                f"The expanded size of the tensor ({n}) must match the existing size ({have}) at non-singleton dimension "
                f"{i}.  Target sizes: {list(wanted)}.  Tensor sizes: {list(shape)}"
            )
    if min(out, default=0) < 0:
        raise RuntimeError("numel: integer multiplication overflow")
    return make(self, views.expand, (tuple(out),), "ExpandBackward0")


@composite("broadcast_to")
def broadcast_to(input: Tensor, *size: Any) -> Tensor:
    """`expand`."""
    return expand(input, *size)


@composite("Tensor.expand_as")
def expand_as(self: Tensor, other: Tensor) -> Tensor:
    return expand(self, other.shape)


def index_view(input: Tensor, spec: tuple[Any, ...], starts: tuple[int, ...], grad_name: str) -> Tensor:
    """A view by selection, slicing and new dimensions; see `views.index`."""
    return make(input, views.index, (spec, starts), grad_name)


def _at(n: int, dim: int, item: Any) -> tuple[Any, ...]:
    return ((),) * dim + (item,) + ((),) * (n - dim - 1)


@composite("select")
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """The slice ``index`` along ``dim``, without that dimension."""
    n = input.ndim
    if n == 0:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    d = wrap_dim(dim, n)
    size = input._aval().shape[d]
    i = index.__index__()
    if not -size <= i < size:
        raise IndexError(f"select(): index {i} out of range for tensor of size {list(input.shape)} at dimension {d}")
    return index_view(input, _at(n, d, (-1, 1)), (i % size,), "SelectBackward0")


@composite("narrow")
def narrow(input: Tensor, dim: int, start: int | Tensor, length: int) -> Tensor:
    """``length`` entries along ``dim`` from ``start`` on."""
    n = input.ndim
    if n == 0:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    d = wrap_dim(dim, n)
    size = input._aval().shape[d]
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    if isinstance(start, Tensor):
        if start.ndim or start.is_floating_point() or start.is_complex() or start.dtype.name == "bool":
            raise RuntimeError("start must be an 0-dim integral Tensor.")
    at = start.__index__()
    if not -size <= at <= size:
        raise IndexError(f"start out of range (expected to be in range of [{-size}, {size}], but got {at})")
    at = at + size if at < 0 else at
    if at + length > size:
        raise RuntimeError(f"start ({at}) + length ({length}) exceeds dimension size ({size}).")
    return index_view(input, _at(n, d, (length, 1)), (at,), "SliceBackward0")


def slice_along(input: Tensor, dim: int, start: int, stop: int, step: int = 1, name: str = "SliceBackward0") -> Tensor:
    """``input[start:stop:step]`` along ``dim``, for bounds that are in range."""
    n = max((stop - start + step - 1) // step, 0)
    return index_view(input, _at(input.ndim, dim, (n, step)), (start,), name)


@composite("squeeze")
def squeeze(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """Drop dimensions of size 1."""
    shape = input._aval().shape
    n = len(shape)
    if dim is None:
        drop = {d for d in range(n) if shape[d] == 1}
    else:
        dims = [dim] if isinstance(dim, int) else list(dim)
        drop = {wrap_dim(d, n) for d in dims}
        drop = {d for d in drop if n and shape[d] == 1}
    spec = tuple([(-1, 1) if d in drop else () for d in range(n)])
    form = 0 if dim is None else 1 if isinstance(dim, int) else 2
    return index_view(input, spec, (0,) * len(drop), f"SqueezeBackward{form}")


@composite("unsqueeze")
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """Add a dimension of size 1."""
    n = input.ndim
    d = wrap_dim(dim, n + 1)
    return index_view(input, ((),) * d + (None,) + ((),) * (n - d), (), "UnsqueezeBackward0")


@composite("squeeze_")
def squeeze_(self: Tensor, dim: Any = None) -> Tensor:
    return become(self, lambda: squeeze(self, dim), f"SqueezeBackward{3 if dim is None else 4 if isinstance(dim, int) else 5}")


@composite("unsqueeze_")
def unsqueeze_(self: Tensor, dim: int) -> Tensor:
    return become(self, lambda: unsqueeze(self, dim), "UnsqueezeBackward1")


@composite("transpose_", "swapaxes_", "swapdims_")
def transpose_(self: Tensor, dim0: int, dim1: int) -> Tensor:
    return become(self, lambda: transpose(self, dim0, dim1), "TransposeBackward1")


@composite("as_strided_")
def as_strided_(input: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """`as_strided`, in place."""
    return become(input, lambda: as_strided(input, size, stride, storage_offset), "AsStridedBackward1")


@composite("t_")
def t_(self: Tensor) -> Tensor:
    def turned() -> Tensor:
        if self.ndim > 2:
            raise RuntimeError(f"t_() expects a tensor with <= 2 dimensions, but self is {self.ndim}D")
        return t(self)

    return become(self, turned, "TBackward1")


def become(self: Tensor, made: Callable[[], Tensor], grad_name: str) -> Tensor:
    """Let ``self`` be what a view of it is: in-place view ops."""
    self._check_write("a view")
    view = made()
    before, after = self._chain or (), view._chain or ()
    self._turned = self._turned + len(after) - len(before) if after[: len(before)] == before else 0
    for name in ("_chain", "_cached", "_geometry"):
        setattr(self, name, getattr(view, name))
    self._counter().version += 1
    self._storage.writes += 1  # its views look at their history once more
    self._seen = self._storage.writes if self._base_tensor is None else -1
    if view._node is not None:
        view._node.__class__ = node_class(grad_name)
        self._node, self._number = view._node, view._number
        self._seen, self._born = self._storage.writes, self._counter().version
    return self


@composite("flatten")
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Join the dimensions from ``start_dim`` to ``end_dim``."""
    shape = input._aval().shape
    n = len(shape)
    a, b = wrap_dim(start_dim, n), wrap_dim(end_dim, n)
    if n == 0:
        return reshape(input, (1,))
    if a > b:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if a == b:
        return input
    size = 1
    for m in shape[a : b + 1]:
        size *= m
    return reshape(input, (*shape[:a], size, *shape[b + 1 :]))


@composite("ravel")
def ravel(input: Tensor) -> Tensor:
    """One dimension."""
    return reshape(input, (-1,)) if input.ndim != 1 or input._geometry is not None else input


@composite("unflatten")
def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Split a dimension into several."""
    shape = input._aval().shape
    if not sizes:
        raise RuntimeError("unflatten: sizes must be non-empty")
    d = wrap_dim(dim, len(shape))
    try:
        new = infer_size(tuple(sizes), shape[d])
    except RuntimeError as e:
        if -1 in sizes:
            raise RuntimeError(
                f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {d} ({shape[d]}) in the input tensor"
            ) from e
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {d} ({shape[d]}) in the input tensor"
        ) from e
    return view(input, (*shape[:d], *new, *shape[d + 1 :]))


@composite("split", "functional.split")
def split(tensor: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces of a size along ``dim``, or of these sizes."""
    given = split_size_or_sections
    if isinstance(given, Tensor) and given.numel() == 1:
        given = int(given)
    if not isinstance(given, int):
        return ops.split_with_sizes(tensor, given, dim)
    n = tensor.ndim
    if n == 0:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    d = wrap_dim(dim, n)
    total = tensor._aval().shape[d]
    if given < 0:
        raise RuntimeError(f"split expects split_size be non-negative, but got split_size={given}")
    if given == 0:
        if total:
            raise RuntimeError(f"split_size can only be 0 if dimension size is 0, but got dimension size of {total}")
        return views.several([slice_along(tensor, d, 0, 0, name="SplitBackward0")])
    pieces = [slice_along(tensor, d, i, min(i + given, total), name="SplitBackward0") for i in range(0, max(total, 1), given)]
    return views.several(pieces)


@composite("split_with_sizes")
def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces of these sizes along ``dim``."""
    split_sizes = int_list((split_sizes,), "split_with_sizes", "split_sizes", 2)
    d = wrap_dim(dim, input.ndim)
    total = input._aval().shape[d]
    if sum(split_sizes) != total:
        raise RuntimeError(
            f"split_with_sizes expects split_sizes to sum exactly to {total} (input tensor's size at dimension {dim}), but "
            f"got split_sizes={list(split_sizes)}"
        )
    out, at = [], 0
    for n in split_sizes:
        if n < 0:
            raise RuntimeError(
                f"split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes={list(split_sizes)}"
            )
        out.append(slice_along(input, d, at, at + n, name="SplitWithSizesBackward0"))
        at += n
    return views.several(out)


@composite("chunk")
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most ``chunks`` pieces of equal size along ``dim``."""
    if input.ndim == 0:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    chunks = operator.index(chunks)
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    d = wrap_dim(dim, input.ndim)
    total = input._aval().shape[d]
    size = (total + chunks - 1) // chunks
    if size == 0:
        return views.several([slice_along(input, d, 0, 0, name="SplitWithSizesBackward0") for _ in range(chunks)])
    return split(input, size, d)


def _unsafe(name: str, safe: Any) -> None:
    def pieces(input: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, ...]:
        made = safe(input, *args, **kwargs)
        for m in made:
            m._base_tensor = m._made = None  # on the same memory, but nobody's views
            if m._node is not None:
                m._node.__class__ = node_class(f"{camel(name)}Backward0")
        return made

    pieces.__name__ = name
    pieces.__doc__ = f"`{safe.__name__}` for those who write to none of the pieces, or to all: they do not count as views."
    composite(name)(pieces)


_unsafe("unsafe_split", split)
_unsafe("unsafe_split_with_sizes", split_with_sizes)
_unsafe("unsafe_chunk", chunk)


@composite("tensor_split")
def tensor_split(input: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces along ``dim``: so many of nearly equal size, or cut at these indices."""
    if input.ndim == 0:
        raise RuntimeError("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims")
    d = wrap_dim(dim, input.ndim)
    total = input._aval().shape[d]
    if isinstance(indices_or_sections, Tensor):
        if (kind := indices_or_sections.dtype) is not dtypes.int64:
            raise RuntimeError(
                "tensor_split expected tensor_indices_or_sections to have dtype of long, but got " + dtypes.SCALAR_NAMES[kind]
            )
        indices_or_sections = indices_or_sections.tolist()
    if isinstance(indices_or_sections, int):
        k = indices_or_sections
        if k <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {k}")
        small, extra = divmod(total, k)
        cuts = [i * small + min(i, extra) for i in range(1, k)]
    else:
        cuts = list(int_list((indices_or_sections,), "tensor_split", "indices", 2))
    edges = [0, *[min(max(c + total if c < 0 else c, 0), total) for c in cuts], total]
    return tuple([slice_along(input, d, a, max(a, b)) for a, b in itertools.pairwise(edges)])


def _split_along(name: str, least: int, dim_of: Any) -> Any:
    def along(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
        if input.ndim < least:
            raise RuntimeError(
                f"torch.{name} requires a tensor with at least {least} dimension, but got a tensor with {input.ndim} dimensions!"
            )
        d = dim_of(input)
        if isinstance(indices_or_sections, Tensor) and indices_or_sections.numel() == 1:
            indices_or_sections = operator.index(indices_or_sections)
        if not isinstance(indices_or_sections, (int, tuple, list)):
            forms = ("Tensor input, int sections", "Tensor input, tuple of ints indices")
            raise no_overload(name, (input, indices_or_sections), {}, *forms)
        if isinstance(indices_or_sections, int) and (indices_or_sections <= 0 or input.shape[d] % indices_or_sections):
            raise RuntimeError(
                f"torch.{name} attempted to split along dimension {d}, but the size of the dimension {input.shape[d]} is not "
                f"divisible by the split_size {indices_or_sections}!"
            )
        return tensor_split(input, indices_or_sections, d)

    along.__name__ = name
    return composite(name)(along)


hsplit = _split_along("hsplit", 1, lambda x: 0 if x.ndim == 1 else 1)
vsplit = _split_along("vsplit", 2, lambda x: 0)
dsplit = _split_along("dsplit", 3, lambda x: 2)


@composite("unbind")
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """All slices along ``dim``."""
    if input.ndim == 0:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    d = wrap_dim(dim, input.ndim)
    rows = [index_view(input, _at(input.ndim, d, (-1, 1)), (i,), "UnbindBackward0") for i in range(input._aval().shape[d])]
    return views.several(rows)


@composite("diagonal")
def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal of two dimensions, as the last dimension."""
    n = input.ndim
    a, b = wrap_dim(dim1, n), wrap_dim(dim2, n)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return make(input, views.diagonal, (offset, a, b), "DiagonalBackward0")


@composite("linalg.diagonal", method=False)
def linalg_diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    return diagonal(A, offset, dim1, dim2)


@composite("Tensor.unfold")
def unfold(self: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """All windows of ``size`` along ``dimension``, ``step`` apart."""
    n = self.ndim
    d = wrap_dim(dimension, n)
    have = self._aval().shape[d] if n else 1
    if size < 0:
        raise RuntimeError(f"size is {size} but must be >= 0")
    if size > have:
        raise RuntimeError(f"maximum size for tensor at dimension {d} is {have} but size is {size}")
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    return make(self, views.unfold, (d, size, step), "UnfoldBackward0")


@composite("as_strided")
def as_strided(input: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """Any window on the storage; see ``torch.as_strided``."""
    base = input if input._base_tensor is None else input._base_tensor
    part = input if input.requires_grad and not views.flows(input) else base  # whose history is the window's
    if base._chain is not None:
        base = views.whole(base._storage)
    if base.dtype != input.dtype:  # the input reads the storage as another type, and so does the window
        base = view_as_dtype(as_strided(base, (base.numel(),), (1,), 0), input.dtype)
    offset = input.storage_offset() if storage_offset is None else storage_offset
    size, stride = int_list((size,), "as_strided", "size", 2), int_list((stride,), "as_strided", "stride", 3)
    if len(size) != len(stride):
        raise RuntimeError(f"mismatch in length of strides and shape")  # noqa: F541
    if any(s < 0 for s in stride):
        raise RuntimeError(f"as_strided: Negative strides are not supported at the moment, got strides: {list(stride)}")
    last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True)) if all(size) else -1
    total = base._aval().size
    if last >= total:
        item = base.itemsize
        raise RuntimeError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {offset}, and itemsize {item} requiring a "
            f"storage size of {(last + 1) * item} are out of bounds for storage of size {total * item}"
        )
    window = make(base, views.as_strided, (size, stride, offset, memory_order(base)), "AsStridedBackward0")
    if window._base_tensor is not None and input._chain is not None:
        window._base_tensor = input if input._base_tensor is None else input._base_tensor
    if input._made is not None and local.recorder.grad:
        window._made = input._made
    if part is not base and part.requires_grad and local.recorder.grad:
        shown = record(views.SHOWN_BY, (part, window, views.places_in(part, size, stride, offset)))
        window._node, window._number, window._requires_grad = shown._node, shown._number, True

    def of_tangent(tangent: Tensor) -> Tensor:
        if tangent._storage.value.aval.size == total:
            return as_strided(tangent, size, stride, offset)
        places = views.places_in(input, size, stride, offset)
        return record(views.SHOWN_BY, (tangent, ops.zeros_like(window.detach()), places))

    if levels:
        levels[-1].carry(input, window, of_tangent)
    return window


@composite("real", method=False)
def real(input: Tensor) -> Tensor:
    """The real part, as a view."""
    return make(input, views.real, (), "SelectBackward0") if input.is_complex() else input


@composite("imag", method=False)
def imag(input: Tensor) -> Tensor:
    """The imaginary part, as a view."""
    if not input.is_complex():
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    return make(input, views.imag, (), "SelectBackward0")


@composite("conj")
def conj(input: Tensor) -> Tensor:
    """The complex conjugate, as a view; real tensors are their own."""
    return make(input, views.conj, (), "ConjBackward0") if input.is_complex() else input


def _conjugated(x: Tensor) -> bool:
    """Whether an odd number of the views that it was made by conjugate."""
    return x._chain is not None and sum(op is views.conj for op, _ in x._chain) % 2 == 1


@composite("is_conj")
def is_conj(input: Tensor) -> bool:
    """Whether it is the conjugate of what lies in memory."""
    return input.is_complex() and _conjugated(input)


@composite("is_neg")
def is_neg(input: Tensor) -> bool:
    """Whether it is the negative of what lies in memory: the imaginary part of a conjugate."""
    return not input.is_complex() and _conjugated(input) and any(op is views.imag for op, _ in input._chain)  # type: ignore[union-attr]


@composite("resolve_conj")
def resolve_conj(input: Tensor) -> Tensor:
    """A copy, if it is a conjugate; else itself."""
    return ops.clone(input) if is_conj(input) else input


@composite("resolve_neg")
def resolve_neg(input: Tensor) -> Tensor:
    """A copy, if it is a negative; else itself."""
    return ops.clone(input) if is_neg(input) else input


def _set_real(self: Tensor, value: Any) -> None:
    real(self).copy_(value)


def _set_imag(self: Tensor, value: Any) -> None:
    imag(self).copy_(value)


Tensor.real = property(real, _set_real)  # type: ignore[attr-defined]
Tensor.imag = property(imag, _set_imag)  # type: ignore[attr-defined]


@composite("view_as_real", method=False)
def view_as_real(input: Tensor) -> Tensor:
    """A complex tensor as pairs of reals."""
    if not input.is_complex():
        raise RuntimeError("view_as_real is only supported for complex tensors")
    if is_conj(input):
        raise RuntimeError(
            "view_as_real doesn't work on unresolved conjugated tensors.  To resolve the conjugate tensor so you can view it as "
            "real, use self.resolve_conj(); however, be warned that the resulting tensor will NOT alias the original."
        )
    return make(input, views.view_as_real, (), "ViewAsRealBackward0")


@composite("view_as_complex", method=False)
def view_as_complex(input: Tensor) -> Tensor:
    """Pairs of reals as a complex tensor."""
    if recasts:
        (input,) = recasts["view_as_complex"]((input,))
    if not input.is_floating_point() or input.dtype is dtypes.bfloat16:
        raise RuntimeError(
            f"view_as_complex is only supported for half, float and double tensors, but got a tensor of scalar type: "
            f"{dtypes.SCALAR_NAMES[input.dtype]}"
        )
    if input.ndim == 0:
        raise RuntimeError("Input tensor must have one or more dimensions")
    if input.shape[-1] != 2:
        raise RuntimeError("Tensor must have a last dimension of size 2")
    if input.stride(-1) != 1:
        raise RuntimeError("Tensor must have a last dimension with stride 1")
    if any(s % 2 and n != 1 for n, s in zip(input.shape[:-1], input.stride()[:-1], strict=True)):
        raise RuntimeError("Tensor must have a stride divisible by 2 for all but last dimension")
    if input.storage_offset() % 2:
        raise RuntimeError("Tensor must have a storage_offset divisible by 2")
    return make(input, views.view_as_complex, (), "ViewAsComplexBackward0")


@composite("broadcast_tensors", method=False)
def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """All tensors expanded to their common shape."""
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tuple(tensors[0])
    shape = broadcast_shapes(*[x._aval().shape for x in tensors])
    return tuple([expand(x, shape) for x in tensors])


def _data(self: Tensor) -> Tensor:
    new = detach(self)
    new._own_counter = Counter()
    return new


def _set_data(self: Tensor, other: Tensor) -> None:
    if not isinstance(other, Tensor):
        raise TypeError(f"Variable data has to be a tensor, but got {type(other).__name__}")
    for name in ("_chain", "_base_tensor", "_geometry", "_seen", "_cached", "_made", "_own_counter"):
        self.__dict__.pop(name, None)
    version = self._counter().version
    alias(other, self)
    self._own_counter = Counter()
    self._own_counter.version = version


Tensor.data = property(_data, _set_data)  # type: ignore[attr-defined]
