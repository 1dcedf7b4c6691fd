"""The handle on a sparse tensor: its parts, what it answers about itself, and how it is read."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from torchlike._src.engine.trace import local
from torchlike._src.engine.value import Aval, Value, aval, host_value
from torchlike._src.operators.registry import ops
from torchlike._src.tensor import layouts
from torchlike._src.tensor.core import Tensor
from torchlike._src.tensor.dispatch import _new, record
from torchlike._src.tensor.refusals import NotStrided
from torchlike._src.tensor.sparse import kernels, patterns
from torchlike._src.tensor.storage import SharedStorage

BLOCKED = (layouts.sparse_bsr, layouts.sparse_bsc)
SWAPPED = (layouts.sparse_csc, layouts.sparse_bsc)
COMPRESSED = (layouts.sparse_csr, layouts.sparse_csc, *BLOCKED)
_SHOWN = {"sparse_coo": "Sparse", "sparse_csr": "SparseCsr", "sparse_csc": "SparseCsc", "sparse_bsr": "SparseBsr",
          "sparse_bsc": "SparseBsc"}  # fmt: skip


class _NoStorage:
    """Stands where a dense tensor has its storage."""

    writes = version = 0

    def __init__(self, owner: "SparseTensor") -> None:
        self.owner = owner

    def __getattr__(self, name: str) -> Any:
        return self.owner._value()  # which raises


class SparseTensor(Tensor):
    """A tensor of which only some elements are stored.

    Attributes:
        _layout: ``torch.sparse_coo`` or a compressed one.
        _parts: the index tensors: COO ``(dims, n)``; compressed: the starts ``(*batch, rows + 1)``, and ``(*batch, n)``.
        _data: the values, which carry the history: COO ``(n, *dense)``; compressed ``(*batch, n, *block, *dense)``.
        _size: the shape.
        _sorted: COO: the pattern is in order and without repetitions.
    """

    _layout: Any
    _parts: tuple[Tensor, ...]
    _data: Tensor
    _size: tuple[int, ...]
    _sorted: bool
    _known: Any = None  # the pattern, and how often the parts had been written to
    _placed: Any = None  # the pattern, and the same as a tensor
    __module__ = "torch"

    # For code that looks at handles: a view, up to date, of which nothing is cached.
    _chain = ()
    _seen = 0
    _storage = property(_NoStorage)  # type: ignore[assignment]

    def _value(self) -> Value:
        from torchlike._src.tensor.sparse.rules import answer

        raise NotStrided(
            f"this needs a dense tensor, and got a sparse one (layout={self._layout}, shape {list(self._size)}). "
            "Convert it first: .to_dense()",
            answer,
        )

    def _aval(self) -> Aval:
        have = self._data._aval()
        return aval(self._size, have.dtype, have.place)

    # History: that of the values

    _requires_grad = property(lambda self: self._data._requires_grad)
    _node = property(lambda self: self._data._node)
    _number = property(lambda self: self._data._number)
    _inference = property(lambda self: self._data._inference)
    _retains = property(lambda self: self._data._retains)
    requires_grad = property(
        lambda self: self._data.requires_grad, lambda self, value: self._data._set_requires_grad(value, setter=True)
    )
    grad_fn = property(lambda self: self._data.grad_fn)
    _version = property(lambda self: self._data._version)

    def _set_requires_grad(self, requires_grad: bool, setter: bool = False) -> "Tensor":
        self._data._set_requires_grad(requires_grad, setter)
        return self

    @property
    def grad(self) -> "Tensor | None":  # type: ignore[override]
        """The gradient of the stored elements, with their pattern."""
        found = self._data.grad
        return None if found is None else self._as_gradient(found)

    @grad.setter
    def grad(self, new: Any) -> None:
        if new is None:
            self._data.grad = None
            return
        raise NotImplementedError("the grad of a sparse tensor can only be set to None; compute with .to_dense() instead")

    _grad = grad  # type: ignore[assignment]

    def _carrier(self) -> Tensor:
        """The dense tensor that autograd sees in place of this one."""
        return self._data

    def _carried(self, gradient: Any) -> Any:
        if gradient is None:
            return None
        if gradient.shape != self.shape:
            raise RuntimeError(f"Mismatch in shape: a gradient of shape {gradient.shape} for an output of shape {self.shape}.")
        return ops.sparse_mask(gradient, self)._data

    def _as_gradient(self, values: Tensor) -> "SparseTensor":
        """A gradient of the values as that of this tensor: repeated elements have one gradient, not one each."""
        if self._layout is not layouts.sparse_coo or self._sorted:
            return like(self, values)
        pattern, into = patterns.unique(self._pattern(), self._size[: self.sparse_dim()])
        if pattern.shape[1] == len(into):
            return like(self, values)
        first = np.zeros(pattern.shape[1], np.int64)
        first[into[::-1]] = np.arange(len(into))[::-1]
        return coo(on(pattern, values), record(kernels.take, (values, on(first, values))), self._size, True)

    def retain_grad(self) -> None:
        """Keep the gradient of a tensor that is not a leaf."""
        self._data.retain_grad()

    def register_hook(self, hook: Any) -> Any:
        """``hook(gradient)`` sees the gradient as a sparse tensor, and may replace it by one of the same pattern."""

        def on_values(g: Tensor) -> Any:
            answer = hook(like(self, g))
            return None if answer is None else answer._data

        return self._data.register_hook(on_values)

    # The parts

    def _pattern(self) -> np.ndarray:
        """One column of indices for each stored number, on the host; see `patterns`."""
        writes = tuple([p._storage.writes for p in self._parts])
        if self._known is not None and self._known[0] == writes:
            return self._known[1]
        parts = [p._numpy("the pattern of a sparse tensor, on which shapes depend") for p in self._parts]
        if self._layout is layouts.sparse_coo:
            found = parts[0].astype(np.int64)
        else:
            found = patterns.expanded(parts[0], parts[1], self._layout in SWAPPED, self._block())
        if not any(p._storage.__class__ is SharedStorage for p in self._parts):
            self._known = writes, found
        return found

    def _elements(self) -> tuple[Tensor, Tensor]:
        """The pattern and the values as COO has them."""
        if self._layout is layouts.sparse_coo:
            return self._parts[0], self._data
        shape = self._data.shape
        lead = self._parts[1].ndim + (2 if self._layout in BLOCKED else 0)
        pattern = self._pattern()
        values = self._data
        if lead != 1:
            values = record(kernels.reshaped, (values, (pattern.shape[1], *shape[lead:])))
        if self._placed is None or self._placed[0] is not pattern or self._placed[1].device != values.device:
            self._placed = pattern, on(pattern, values)
        return self._placed[1], values

    def _block(self) -> tuple[int, int] | None:
        if self._layout not in BLOCKED:
            return None
        at = self._parts[1].ndim
        return tuple(self._data.shape[at : at + 2])  # type: ignore[return-value]

    def _need(self, name: str, *wanted: Any) -> None:
        if self._layout not in wanted:
            rows = "row" if layouts.sparse_csr in wanted else "column"
            kind = "coordinate" if layouts.sparse_coo in wanted else f"{rows} compressed"
            raise RuntimeError(f"{name} expected sparse {kind} tensor layout but got {_SHOWN[self._layout._name]}")

    def indices(self) -> Tensor:
        """The pattern of a coalesced COO tensor, shape ``(sparse_dim, nnz)``."""
        self._need("indices", layouts.sparse_coo)
        self._need_coalesced("indices")
        return self._parts[0].detach()

    def values(self) -> Tensor:
        """The stored elements of a coalesced, or compressed, tensor; gradients flow through them."""
        if self._layout is layouts.sparse_coo:
            self._need_coalesced("values")
        return ops.alias(self._data)

    def _need_coalesced(self, name: str) -> None:
        if not self._sorted:
            raise RuntimeError(f"Cannot get {name} on an uncoalesced tensor, please call .coalesce() first")

    def _indices(self) -> Tensor:
        self._need("_indices", layouts.sparse_coo)
        return self._parts[0].detach()

    def _values(self) -> Tensor:
        self._need("_values", layouts.sparse_coo)
        return self._data.detach()

    def crow_indices(self) -> Tensor:
        """Where each row begins among the elements."""
        self._need("crow_indices", layouts.sparse_csr, layouts.sparse_bsr)
        return self._parts[0].detach()

    def col_indices(self) -> Tensor:
        """The column of each element."""
        self._need("col_indices", layouts.sparse_csr, layouts.sparse_bsr)
        return self._parts[1].detach()

    def ccol_indices(self) -> Tensor:
        """Where each column begins among the elements."""
        self._need("ccol_indices", layouts.sparse_csc, layouts.sparse_bsc)
        return self._parts[0].detach()

    def row_indices(self) -> Tensor:
        """The row of each element."""
        self._need("row_indices", layouts.sparse_csc, layouts.sparse_bsc)
        return self._parts[1].detach()

    def _nnz(self) -> int:
        return self._parts[-1].shape[-1]

    def sparse_dim(self) -> int:
        """How many dimensions the pattern has; 2 for compressed layouts."""
        return self._parts[0].shape[0] if self._layout is layouts.sparse_coo else 2

    def dense_dim(self) -> int:
        """How many dimensions each element has."""
        if self._layout is layouts.sparse_coo:
            return self._data.ndim - 1
        return self._data.ndim - self._parts[1].ndim - (2 if self._layout in BLOCKED else 0)

    def is_coalesced(self) -> bool:
        """Whether the pattern is known to be in order and without repetitions."""
        self._need("is_coalesced", layouts.sparse_coo)
        return self._sorted

    def coalesce(self) -> "SparseTensor":
        """The same tensor with its pattern in order and repeated elements added up."""
        self._need("coalesce", layouts.sparse_coo)
        if self._sorted:
            return self
        pattern, into = patterns.unique(self._pattern(), self._size[: self.sparse_dim()])
        values = self._data
        if np.array_equal(into, np.arange(pattern.shape[1])):
            values = shared(values)
        else:
            values = record(kernels.segments, (values, on(into, values), pattern.shape[1]))
        return coo(on(pattern, values), values, self._size, True)

    def _coalesced_(self, flag: bool) -> "SparseTensor":
        self._sorted = flag
        return self

    # What it is

    @property
    def layout(self) -> Any:
        return self._layout

    is_sparse = property(lambda self: self._layout is layouts.sparse_coo)  # type: ignore[assignment]
    is_sparse_csr = property(lambda self: self._layout is layouts.sparse_csr)  # type: ignore[assignment]

    def stride(self, dim: int | None = None) -> Any:
        raise RuntimeError("sparse tensors do not have strides; those of .values() or .to_dense() do")

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """No: there is no order of all elements in memory."""
        return False

    def storage(self) -> Any:
        raise NotImplementedError("Cannot access storage of a sparse tensor; take that of .values() or of an index tensor")

    untyped_storage = _typed_storage = storage

    def data_ptr(self) -> int:
        raise RuntimeError("Cannot access data pointer of Tensor that doesn't have storage")

    def type(self, dtype: Any = None, non_blocking: bool = False, **_: Any) -> Any:
        """The type's name, or a cast to it."""
        if dtype is None:
            return self._data.type().replace("torch.", "torch.sparse.", 1)
        return like(self, self._data.type(dtype))

    def numpy(self, *, force: bool = False) -> np.ndarray:
        raise TypeError(f"can't convert {_SHOWN[self._layout._name]} layout tensor to numpy. Use Tensor.to_dense() first.")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.numpy()

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        from torchlike._src.tensor.sparse.representation import sparse_repr

        return sparse_repr(self)

    # Copies

    def detach(self) -> "SparseTensor":
        """The same parts without history."""
        return like(self, self._data.detach())

    def detach_(self) -> "SparseTensor":
        """Cut the history in place."""
        self._data = self._data.detach()
        return self

    data = property(lambda self: like(self, self._data.data))

    def clone(self, *, memory_format: Any = None) -> "SparseTensor":
        """A copy, through which gradients flow."""
        new = like(self, self._data.clone())
        new._parts = tuple([p.clone() for p in self._parts])
        return new

    def to(self, *args: Any, **kwargs: Any) -> "SparseTensor":
        """This tensor with another dtype or on another device; itself if nothing changes."""
        from torchlike._src.tensor.conversion import parse_to

        _, _, _, _, memory_format = parse_to(args, kwargs)
        if memory_format is not None and memory_format is not layouts.preserve_format:
            raise RuntimeError(f"sparse tensors have no memory format, got {memory_format}")
        if args and isinstance(args[0], SparseTensor):
            args = (args[0]._data, *args[1:])
        values = self._data.to(*args, **kwargs)
        if values is self._data:
            return self
        new = like(self, values)
        if new.device != self.device:
            new._parts = tuple([p.to(new.device) for p in self._parts])
        return new

    def cpu(self, memory_format: Any = None) -> "SparseTensor":
        return self.to("cpu")

    def cuda(self, device: Any = None, non_blocking: bool = False, memory_format: Any = None) -> "SparseTensor":
        return self.to("cuda" if device is None else device)

    def __deepcopy__(self, memo: dict[int, Any]) -> "SparseTensor":
        if id(self) not in memo:
            new = memo[id(self)] = like(self, copy.deepcopy(self._data, memo))
            new._parts = tuple([copy.deepcopy(p, memo) for p in self._parts])
            for key, value in self.__dict__.items():
                if key not in new.__dict__:
                    new.__dict__[key] = copy.deepcopy(value, memo)
        return memo[id(self)]

    def __copy__(self) -> "SparseTensor":
        return like(self, copy.copy(self._data))

    def __reduce_ex__(self, protocol: Any) -> Any:
        return make, (self._layout, self._parts, self._data, self._size, self._sorted)

    def _become(self, other: Tensor) -> "SparseTensor":
        """Take over the parts of ``other``: what every in-place op comes down to."""
        if not isinstance(other, SparseTensor) or other._layout is not self._layout:
            raise NotImplementedError(
                f"an in-place op cannot turn a sparse tensor (layout={self._layout}) into one of layout {other.layout}; "
                "use the form that is not in place"
            )
        if self.requires_grad and local.recorder.grad and self._data.is_leaf:
            raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
        if other.dtype is not self.dtype:
            other = other.to(self.dtype)
        self._parts, self._data, self._size, self._sorted = other._parts, other._data, other._size, other._sorted
        self._known, self._placed = other._known, other._placed
        return self


def make(layout: Any, parts: Sequence[Tensor], values: Tensor, size: Sequence[int], is_sorted: bool) -> SparseTensor:
    """A handle on these parts; nothing is checked."""
    new = Tensor.__new__(SparseTensor)
    new._layout, new._parts, new._data, new._size, new._sorted = layout, tuple(parts), values, tuple(size), is_sorted
    return new


def coo(indices: Tensor, values: Tensor, size: Sequence[int], is_sorted: bool) -> SparseTensor:
    """A COO tensor."""
    return make(layouts.sparse_coo, (indices,), values, size, is_sorted)


def like(s: SparseTensor, values: Tensor) -> SparseTensor:
    """A tensor with the pattern of ``s`` and other values."""
    new = make(s._layout, s._parts, values, s._size, s._sorted)
    new._known, new._placed = s._known, s._placed
    return new


def shared(values: Tensor) -> Tensor:
    """The same values for another handle, with their history."""
    return ops.alias(values) if values.requires_grad and local.recorder.grad else values.detach()


def on(array: np.ndarray, values: Tensor) -> Tensor:
    """Indices as a tensor on the device of ``values``."""
    made = _new(host_value(np.ascontiguousarray(array, np.int64)))
    return made if values.device.type == "cpu" else made.to(values.device)
