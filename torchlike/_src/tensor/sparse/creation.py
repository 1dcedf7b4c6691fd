"""Making sparse tensors from indices and values: `sparse_coo_tensor`, `sparse_csr_tensor` and their kin."""

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from torchlike._src.operators.registry import composite, ops
from torchlike._src.tensor import layouts, views
from torchlike._src.tensor.core import Tensor
from torchlike._src.tensor.from_data import tensor as from_data
from torchlike._src.tensor.sparse import patterns
from torchlike._src.tensor.sparse.handle import BLOCKED, COMPRESSED, SWAPPED, SparseTensor, coo, make, on


class _Checks(threading.local):
    enabled = False


checks = _Checks()


def _values(given: Any, dtype: Any, device: Any, requires_grad: bool, grad_name: str) -> Tensor:
    """The values: on the memory of the tensor that was given, with its history, or as a leaf of their own."""
    if not isinstance(given, Tensor):
        return from_data(given, dtype=dtype, device=device, requires_grad=requires_grad)
    if isinstance(given, SparseTensor):
        raise RuntimeError(f"the values of a sparse tensor must be dense, got layout {given.layout}")
    t = given
    if dtype is not None or device is not None:
        t = t.to(device=t.device if device is None else device, dtype=t.dtype if dtype is None else dtype)
    if requires_grad:
        return t.detach().requires_grad_()
    if not t.requires_grad:
        return t.detach()
    return views.make(t, views.reshape, (t._aval().shape, t.stride()), grad_name)


def _indices(given: Any, values: Tensor, keep_int32: bool = False) -> Tensor:
    t = given.detach() if isinstance(given, Tensor) else from_data(given)
    if not (keep_int32 and t.dtype.name == "int32"):
        t = t.long()
    return t if t.device == values.device else t.to(values.device)


def _on_host(t: Tensor) -> np.ndarray:
    return t._numpy("the pattern of a sparse tensor, on which shapes depend")


def _sizes(size: Any, name: str) -> tuple[int, ...]:
    out = tuple([int(n) for n in size])
    if any(n < 0 for n in out):
        raise RuntimeError(f"{name}: found negative size in {list(out)}")
    return out


def empty(size: Sequence[int], layout: Any, dtype: Any, device: Any, requires_grad: bool = False) -> SparseTensor:
    """A sparse tensor that stores nothing."""
    size = _sizes(size, "empty")
    if layout is layouts.sparse_coo:
        values = ops.zeros(0, dtype=dtype, device=device, requires_grad=requires_grad)
        return coo(on(np.zeros((len(size), 0), np.int64), values), values, size, True)
    if layout in BLOCKED or layout not in COMPRESSED:
        raise NotImplementedError(f"a tensor of layout {layout} cannot be made from a size alone; use sparse_coo or sparse_csr")
    if len(size) < 2:
        raise RuntimeError(f"{layout} tensors have at least 2 dimensions, got size {list(size)}")
    batch, rows = size[:-2], size[-1] if layout in SWAPPED else size[-2]
    values = ops.zeros(*batch, 0, dtype=dtype, device=device, requires_grad=requires_grad)
    starts, plain = np.zeros((*batch, rows + 1), np.int64), np.zeros((*batch, 0), np.int64)
    return make(layout, (on(starts, values), on(plain, values)), values, size, True)


@composite("sparse_coo_tensor", method=False)
def sparse_coo_tensor(
    indices: Any, values: Any = None, size: Any = None, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
    check_invariants: bool | None = None, is_coalesced: bool | None = None, pin_memory: bool = False, layout: Any = None,
) -> Tensor:  # fmt: skip
    """A tensor in COO layout.

    Args:
        indices: shape ``(sparse_dim, nnz)``; or, alone, the size of a tensor that stores nothing.
        values: shape ``(nnz, *dense)``.
        size: by default the smallest that holds the indices.
        is_coalesced: whether the indices are in order and without repetitions; checked if ``check_invariants``.
    Raises:
        RuntimeError: for indices outside ``size``. (torch accepts those, unless invariants are checked.)
    """
    if values is None:
        return empty(indices, layouts.sparse_coo, dtype, device, requires_grad)
    data = _values(values, dtype, device, requires_grad, "SparseCooTensorWithDimsAndTensorsBackward0")
    where = _indices(indices, data)
    if where.ndim == 1 and not where.numel():
        where = where.reshape(0, 0)
    if where.ndim != 2:
        raise RuntimeError(f"indices must be sparse_dim x nnz, but got: {list(where.shape)}")
    if data.ndim == 0 and where.shape[1] == 1:
        data = data.reshape(1)
    m, n = where.shape
    if data.ndim == 0 or data.shape[0] != n:
        raise RuntimeError(
            f"number of columns of indices must match the length of values, got {list(where.shape)} and {list(data.shape)}"
        )
    pattern = _on_host(where)
    if n and pattern.size and int(pattern.min()) < 0:
        raise RuntimeError(f"found negative index {int(pattern.min())} for dim {int(np.argmin(pattern.min(axis=1)))}")
    if size is None:
        size = (*(pattern.max(axis=1) + 1 if n else np.zeros(m, np.int64)).tolist(), *data.shape[1:])
    size = _sizes(size, "sparse_coo_tensor")
    if len(size) != m + data.ndim - 1:
        raise RuntimeError(f"number of dimensions must be sparse_dim ({m}) + dense_dim ({data.ndim - 1}), but got {len(size)}")
    if tuple(size[m:]) != tuple(data.shape[1:]):
        raise RuntimeError(f"values has incorrect size, expected {[n, *size[m:]]}, got {list(data.shape)}")
    for d in range(m):
        if n and int(pattern[d].max()) >= size[d]:
            raise RuntimeError(
                f"size is inconsistent with indices: for dim {d}, size is {size[d]} but found index {int(pattern[d].max())}"
            )
    if is_coalesced and (checks.enabled if check_invariants is None else check_invariants):
        numbers = patterns.flat(pattern, size[:m])
        if (np.diff(numbers) <= 0).any():
            raise RuntimeError("cannot set is_coalesced to true if indices correspond to uncoalesced COO tensor")
    return coo(where, data, size, n < 2 if is_coalesced is None else is_coalesced)


def _compressed_tensor(
    layout: Any, starts: Any, plain: Any, values: Any, size: Any, dtype: Any, device: Any, requires_grad: bool
) -> SparseTensor:
    data = _values(values, dtype, device, requires_grad, "SparseCompressedTensorBackward0")
    first, second = _indices(starts, data, True), _indices(plain, data, True)
    names = ("ccol_indices", "row_indices") if layout in SWAPPED else ("crow_indices", "col_indices")
    extra = 2 if layout in BLOCKED else 0
    batch = first.ndim - 1
    if first.dtype is not second.dtype:
        raise RuntimeError(f"{names[0]} and {names[1]} must have the same dtype, but got {first.dtype} and {second.dtype}")
    if first.ndim < 1 or second.ndim != first.ndim or data.ndim < batch + 1 + extra:
        raise RuntimeError(
            f"{names[0]}, {names[1]} and values must have as many batch dimensions, got shapes {list(first.shape)}, "
            f"{list(second.shape)} and {list(data.shape)}"
        )
    if tuple(first.shape[:batch]) != tuple(second.shape[:batch]) or tuple(data.shape[: batch + 1]) != tuple(second.shape):
        raise RuntimeError(
            f"the shapes of {names[0]} {list(first.shape)}, {names[1]} {list(second.shape)} and values {list(data.shape)} do not "
            "fit together"
        )
    if first.shape[-1] < 1:
        raise RuntimeError(f"{names[0]} must have at least one element, the start of the first row or column")
    high, wide = data.shape[batch + 1 : batch + 3] if extra else (1, 1)
    dense = tuple(data.shape[batch + 1 + extra :])
    a, b = _on_host(first), _on_host(second)
    count = a.shape[-1] - 1
    if size is None:
        other = int(b.max()) + 1 if b.size else 0
        rows, columns = (other, count) if layout in SWAPPED else (count, other)
        size = (*a.shape[:-1], rows * high, columns * wide, *dense)
    size = _sizes(size, "sparse_compressed_tensor")
    if len(size) != batch + 2 + len(dense) or size[batch + 2 :] != dense or size[:batch] != tuple(a.shape[:-1]):
        raise RuntimeError(f"size {list(size)} does not fit values of shape {list(data.shape)} with {batch} batch dimensions")
    rows, columns = size[batch] // high, size[batch + 1] // wide
    major, minor, kind = (columns, rows, "nrows") if layout in SWAPPED else (rows, columns, "ncols")
    if count != major or size[batch] % high or size[batch + 1] % wide:
        raise RuntimeError(f"{names[0]}.shape[-1] must be {major + 1} for size {list(size)}, got {count + 1}")
    if (a[..., 0] != 0).any():
        raise RuntimeError(f"`{names[0]}[..., 0] == 0` is not satisfied.")
    if (a[..., -1] != b.shape[-1]).any():
        raise RuntimeError(f"`{names[0]}[..., -1] == nnz` is not satisfied.")
    if (np.diff(a, axis=-1) < 0).any():
        raise RuntimeError(f"`0 <= {names[0]}[..., 1:] - {names[0]}[..., :-1]` is not satisfied.")
    if b.size and (int(b.min()) < 0 or int(b.max()) >= minor):
        raise RuntimeError(f"`0 <= {names[1]} < {kind}` is not satisfied.")
    return make(layout, (first, second), data, size, True)


@composite("sparse_compressed_tensor", method=False)
def sparse_compressed_tensor(
    compressed_indices: Any, plain_indices: Any, values: Any, size: Any = None, *, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, check_invariants: bool | None = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor with compressed rows or columns, as ``layout`` says.

    Args:
        compressed_indices: where each row (column) begins among the elements, shape ``(*batch, rows + 1)``.
        plain_indices: the column (row) of each element, shape ``(*batch, nnz)``.
        values: shape ``(*batch, nnz, *block, *dense)``.
    Raises:
        RuntimeError: for indices that make no sense. (torch accepts some of those, unless invariants are checked.)
    """
    if layout not in COMPRESSED:
        raise RuntimeError(
            "sparse_compressed_tensor expected sparse compressed tensor layout but got "
            + ("none" if layout is None else str(layout))
        )
    return _compressed_tensor(layout, compressed_indices, plain_indices, values, size, dtype, device, requires_grad)


def _creator(name: str, layout: Any, first: str, second: str) -> None:
    text = f"""
def {name}({first}, {second}, values, size=None, *, dtype=None, layout=None, device=None, requires_grad=False,
           check_invariants=None, pin_memory=False):
    if layout is not None and layout is not wanted:
        raise RuntimeError(f"{name} expected layout {{wanted}} but got {{layout}}")
    return make(wanted, {first}, {second}, values, size, dtype, device, requires_grad)
"""
    space: dict[str, Any] = {"wanted": layout, "make": _compressed_tensor}
    exec(compile(text, f"<torchlike {name}>", "exec"), space)
    fn = space[name]
    fn.__doc__ = f"`sparse_compressed_tensor` with ``layout={layout}``."
    fn.__module__ = __name__
    composite(name, method=False)(fn)


_creator("sparse_csr_tensor", layouts.sparse_csr, "crow_indices", "col_indices")
_creator("sparse_csc_tensor", layouts.sparse_csc, "ccol_indices", "row_indices")
_creator("sparse_bsr_tensor", layouts.sparse_bsr, "crow_indices", "col_indices")
_creator("sparse_bsc_tensor", layouts.sparse_bsc, "ccol_indices", "row_indices")


def spdiags(diagonals: Tensor, offsets: Tensor, shape: Any, layout: Any = None) -> Tensor:
    """A sparse matrix with the rows of ``diagonals`` on its diagonals.

    Args:
        diagonals: shape ``(D, N)``, or ``(N,)`` for one diagonal; element ``j`` of a row stands in column ``j``.
        offsets: which diagonal each row is; those above the main one are positive.
        shape: of the result.
        layout: of the result; COO by default.
    """
    rows, numbers = ops.atleast_2d(diagonals), _on_host(ops.atleast_1d(offsets)).astype(np.int64)
    if offsets._aval().dtype != np.int64:
        raise RuntimeError(f"Offset Tensor must have dtype Long but got {offsets.dtype}")
    size = _sizes(shape, "spdiags")
    if len(size) != 2:
        raise RuntimeError("Output shape must be 2d")
    if numbers.ndim != 1 or rows.ndim != 2 or len(numbers) != rows.shape[0]:
        raise RuntimeError(f"Number of diagonals ({rows.shape[0]}) does not match the number of offsets ({numbers.size})")
    if len(set(numbers.tolist())) != len(numbers):
        raise RuntimeError("Offset tensor contains duplicate values")
    if layout not in (None, layouts.sparse_coo, layouts.sparse_csr, layouts.sparse_csc):
        raise RuntimeError(f"Only output layouts (Sparse, SparseCsr, SparseCsc) are supported, got {layout}")
    found, taken = [], []
    for k, offset in enumerate(numbers.tolist()):
        column = np.arange(max(offset, 0), max(min(size[1], size[0] + offset, rows.shape[1]), max(offset, 0)))
        found.append(np.stack([column - offset, column]))
        taken.append(np.stack([np.full(len(column), k), column]))
    from torchlike._src.tensor.dispatch import record
    from torchlike._src.tensor.sparse import kernels
    from torchlike._src.tensor.sparse.conversion import with_layout

    empty_pattern = np.zeros((2, 0), np.int64)
    values = record(kernels.gather, (rows, on(np.concatenate([empty_pattern, *taken], axis=1), rows)))
    made = coo(on(np.concatenate([empty_pattern, *found], axis=1), values), values, size, False)
    return made if layout in (None, layouts.sparse_coo) else with_layout(made, layout)


class check_sparse_tensor_invariants:
    """Whether to check that sparse tensors make sense where they are made; a context, a decorator, and a switch.

    Indices out of range are always refused here, since XLA would leave them out in silence. What is checked besides is
    that a tensor made with ``is_coalesced=True`` is.
    """

    def __init__(self, enable: bool = True) -> None:
        self.state = enable
        self.saved: bool | None = None

    @staticmethod
    def is_enabled() -> bool:
        """Whether invariants are checked now."""
        return checks.enabled

    @staticmethod
    def enable() -> None:
        """Check from now on."""
        checks.enabled = True

    @staticmethod
    def disable() -> None:
        """Do not check any more."""
        checks.enabled = False

    def __enter__(self) -> None:
        if self.saved is not None:
            raise RuntimeError(
                "This context manager instance is already activated. Use a different context manager instance instead."
            )
        self.saved, checks.enabled = checks.enabled, self.state

    def __exit__(self, *_: object) -> None:
        checks.enabled, self.saved = bool(self.saved), None

    def __call__(self, fn: Any) -> Any:
        import functools

        @functools.wraps(fn)
        def checked(*args: Any, **kwargs: Any) -> Any:
            with type(self)(self.state):
                return fn(*args, **kwargs)

        return checked
