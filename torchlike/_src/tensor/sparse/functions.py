"""The functions of ``torch.sparse``, the old ones beside ``torch.mm``, and the methods that only sparse tensors have."""

from collections.abc import Callable
from typing import Any

from torchlike._src.operators.registry import composite, ops
from torchlike._src.operators.support import int_list
from torchlike._src.tensor import layouts
from torchlike._src.tensor.core import Tensor
from torchlike._src.tensor.creation import dense_only
from torchlike._src.tensor.dispatch import record
from torchlike._src.tensor.sparse import kernels, rules
from torchlike._src.tensor.sparse.conversion import as_coo, to_sparse
from torchlike._src.tensor.sparse.creation import empty
from torchlike._src.tensor.sparse.handle import COMPRESSED, SparseTensor, coo, like
from torchlike._src.tensor.view_copies import copied
from torchlike._src.tensor.view_functions import wrap_dim


def _sparse(name: str, t: Any) -> SparseTensor:
    if not isinstance(t, SparseTensor):
        raise RuntimeError(f"{name} expected a tensor in a sparse layout, got one of layout {t.layout}; see Tensor.to_sparse()")
    return t


@composite("sparse.mm", method=False)
def mm(mat1: Tensor, mat2: Tensor, reduce: str | None = None) -> Tensor:
    """The product of matrices, of which one is sparse, or both; the result is sparse if both are.

    Args:
        reduce: with ``mat1`` in CSR: what becomes of the terms of each element: ``"sum"``, ``"mean"``, ``"amax"`` or ``"amin"``.
    """
    if reduce is None:
        if not isinstance(mat1, SparseTensor) and not isinstance(mat2, SparseTensor):
            raise RuntimeError("torch.sparse.mm expects that one of the matrices is sparse, got two dense ones; use torch.mm")
        return rules.multiply(mat1, mat2)
    if not isinstance(mat1, SparseTensor) or mat1._layout is not layouts.sparse_csr or isinstance(mat2, SparseTensor):
        raise RuntimeError(f"sparse.mm with reduce expects a CSR and a dense matrix, got {mat1.layout} and {mat2.layout}")
    if reduce not in ("sum", "mean", "amax", "amin"):
        raise RuntimeError(f"sparse.mm: reduce must be 'sum', 'mean', 'amax' or 'amin', got {reduce!r}")
    rules.check_matrices(mat1, mat2)
    pattern, values = mat1._elements()
    args = values, pattern, mat2, mat1._size[0]
    if reduce == "sum":
        return record(kernels.product, (*args, False))
    return record(kernels.means, args) if reduce == "mean" else record(kernels.extremes, (*args, reduce == "amax"))


@composite("sparse.addmm", method=False)
def addmm(input: Any, mat1: Any, mat2: Any, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """``beta * input + alpha * (mat1 @ mat2)`` with a sparse ``mat1``."""
    _sparse("sparse.addmm", mat1)
    return ops.addmm(input, mat1, mat2, beta=beta, alpha=alpha)


@composite("sparse.sampled_addmm", method=False)
def sampled_addmm(input: Any, mat1: Tensor, mat2: Tensor, *, beta: Any = 1.0, alpha: Any = 1.0, out: Any = None) -> Tensor:
    """``alpha * (mat1 @ mat2) + beta * input`` at the elements of ``input``, a CSR tensor, and nowhere else.

    Args:
        input: shape ``(*batch, N, M)``.
        mat1: dense, ``(*batch, N, K)``; ``mat2``: dense, ``(*batch, K, M)``.
    """
    s = _sparse("sampled_addmm", input)
    if s._layout is not layouts.sparse_csr:
        raise NotImplementedError(
            f"sampled_addmm expects an input of layout torch.sparse_csr, got {s._layout}; see .to_sparse_csr()"
        )
    for name, mat in (("mat1", mat1), ("mat2", mat2)):
        if isinstance(mat, SparseTensor):
            raise RuntimeError(f"Expected {name} to have strided layout, but got {mat.layout}")
        if mat.dtype is not s.dtype:
            raise RuntimeError(
                f"sampled_addmm: Expected mat1 and mat2 to have the same dtype as input ({s.dtype}), got {mat.dtype}"
            )
    batch = s._size[:-2]
    inner = mat1.shape[-1]
    if (*batch, s._size[-2], inner) != tuple(mat1.shape) or (*batch, inner, s._size[-1]) != tuple(mat2.shape):
        raise RuntimeError(
            f"sampled_addmm: the product of mat1 {list(mat1.shape)} and mat2 {list(mat2.shape)} does not have the shape of input "
            f"{list(s._size)}"
        )
    pattern, _ = s._elements()
    products = record(kernels.sampled, (mat1, mat2, pattern))
    if batch:
        products = record(kernels.reshaped, (products, tuple(s._data.shape)))
    products = products if alpha == 1 else ops.mul(products, alpha)
    made = like(s, products if beta == 0 else ops.add(products, s._data if beta == 1 else ops.mul(s._data, beta)))
    return made if out is None else _sparse("out", out)._become(made)


@composite("sparse.sum", method=False)
def sum_(input: Any, dim: Any = None, dtype: Any = None) -> Tensor:
    """The sum of all elements, dense; or over ``dim``, sparse unless no dimension of the pattern is left."""
    s = _sparse("sparse.sum", input)
    if dim is None:
        return ops.sum(s._data, dtype=dtype)
    return rules.reduced(as_coo(s), tuple(dim) if isinstance(dim, (tuple, list)) else (dim,), False, dtype)


@composite("sparse.softmax", method=False)
def softmax(input: Any, dim: int, *, dtype: Any = None) -> Tensor:
    """Softmax along ``dim`` of a COO tensor: what is not stored counts as minus infinity, and stays unstored."""
    return rules.softmaxed(_sparse("sparse.softmax", input), dim, dtype, False)


@composite("sparse.log_softmax", method=False)
def log_softmax(input: Any, dim: int, *, dtype: Any = None) -> Tensor:
    """The logarithm of `softmax`."""
    return rules.softmaxed(_sparse("sparse.log_softmax", input), dim, dtype, True)


@composite("spmm", "dsmm", method=False)
def spmm(input: Any, mat2: Any, *, out: Any = None) -> Tensor:
    """`torch.mm`, under its names for sparse times dense and dense times sparse."""
    return ops.mm(input, mat2) if out is None else ops.mm(input, mat2, out=out)


@composite("hspmm", "hsmm", method=False)
def hspmm(mat1: Any, mat2: Any) -> Tensor:
    """Sparse times dense, as a tensor with one sparse and one dense dimension."""
    return to_sparse(rules.multiply(_sparse("hspmm", mat1), mat2), 1)


@composite("smm")
def smm(input: Any, mat: Any) -> Tensor:
    """Sparse times dense, as a sparse tensor."""
    return to_sparse(rules.multiply(_sparse("smm", input), mat))


@composite("sspaddmm", "saddmm")
def sspaddmm(input: Any, mat1: Any, mat2: Any, *, beta: Any = 1, alpha: Any = 1, out: Any = None) -> Tensor:
    """``beta * input + alpha * (mat1 @ mat2)`` as a sparse tensor, with a sparse ``input`` and ``mat1``."""
    product = smm(mat1, mat2)
    made = ops.add(ops.mul(_sparse("sspaddmm", input), beta), ops.mul(product, alpha))
    return made if out is None else _sparse("out", out)._become(made)


@composite("native_norm", method=False)
def native_norm(input: Any, p: Any = 2, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Tensor:
    """The ``p``-norm of all elements of a COO tensor.

    Raises:
        RuntimeError: for some of the dimensions only, ``keepdim`` or ``dtype``.
    """
    s = _sparse("native_norm", input)
    over = tuple(dim) if isinstance(dim, (tuple, list)) else () if dim is None else (dim,)
    if over and sorted(wrap_dim(d, s.ndim) for d in over) != list(range(s.ndim)):
        raise RuntimeError(
            "norm_sparse currently only supports full reductions, so 'dim' must either be empty or contain all dimensions of the "
            "input"
        )
    if keepdim:
        raise RuntimeError("norm_sparse currently does not support keepdim=True")
    if dtype is not None:
        raise RuntimeError("norm_sparse currently does not support 'dtype' argument")
    return ops.norm(rules.settled(s)._data, p)


@composite("resize_as_sparse_")
def resize_as_sparse_(input: Any, the_template: Any) -> Tensor:
    """Give a sparse tensor the size of another, as `Tensor.sparse_resize_` does.

    Raises:
        RuntimeError: if elements would fall outside, or change their kind.
    """
    s, template = _sparse("resize_as_sparse_", input), _sparse("resize_as_sparse_", the_template)
    if s._layout is not layouts.sparse_coo or template._layout is not layouts.sparse_coo:
        raise NotImplementedError(
            f"resize_as_sparse_ is implemented for COO tensors, got layouts {s._layout} and {template._layout}; make a new tensor "
            "of the parts"
        )
    if s._size == template._size and s.sparse_dim() == template.sparse_dim():
        return s
    return _resized(s, template._size, template.sparse_dim(), template.dense_dim(), False)


def _copy_of(part: str) -> None:
    """``torch.values_copy`` and its like."""

    def copy(input: Any, *, out: Any = None) -> Tensor:
        return copied(f"{part}_copy", getattr(input, part)(), out)

    copy.__name__ = copy.__qualname__ = f"{part}_copy"
    copy.__doc__ = f"`Tensor.{part}` of a sparse tensor, as a copy."
    composite(f"{part}_copy", method=False)(copy)


for _part in ("indices", "values", "crow_indices", "col_indices", "ccol_indices", "row_indices"):
    _copy_of(_part)


# Methods


def _getitem(self: SparseTensor, key: Any) -> Tensor:
    out: Tensor = self
    dim = 0
    items = key if isinstance(key, tuple) else (key,)
    for item in items:
        if isinstance(item, slice) and item == slice(None):
            dim += 1
        elif isinstance(item, int) and not isinstance(item, bool):
            out = rules.selected(out, dim, item) if isinstance(out, SparseTensor) else out.select(dim, item)
        else:
            raise NotImplementedError(
                f"sparse tensors take ints and full slices as indices, got {type(item).__name__}; see index_select, narrow_copy "
                "and .to_dense()"
            )
    return out


def _narrow_copy(self: SparseTensor, dim: int, start: int, length: int) -> Tensor:
    """The part of ``length`` from ``start`` on of one dimension."""
    at = wrap_dim(dim, self.ndim)
    n = self._size[at]
    start = start + n if start < 0 else start
    if not 0 <= start <= start + length <= n:
        raise RuntimeError(f"Invalid range for narrow_copy: start {start} and length {length} for a dimension of size {n}")
    return rules.narrowed(self, at, start, start + length)


def _resized(self: SparseTensor, size: Any, sparse_dim: int, dense_dim: int, clear: bool) -> Tensor:
    size = tuple(size)
    m = self.sparse_dim()
    if clear or not self._nnz():
        values = ops.zeros(0, *size[sparse_dim:], dtype=self.dtype, device=self.device)
        return self._become(coo(ops.zeros(sparse_dim, 0, dtype=self._parts[0].dtype, device=self.device), values, size, True))
    if (sparse_dim, dense_dim) != (m, self.dense_dim()) or size[m:] != self._size[m:]:
        raise RuntimeError("changing the dense dimensions, or how many there are, on a non-empty sparse tensor is not supported")
    if any(new < old for new, old in zip(size, self._size, strict=True)):
        raise RuntimeError("shrinking the size of sparse dimensions on a non-empty sparse tensor is not supported")
    return self._become(coo(self._parts[0], self._data, size, self._sorted))


def _new(value: int) -> Callable[..., Any]:
    def method(self: SparseTensor, *size: Any, dtype: Any = None, device: Any = None, layout: Any = None,
               requires_grad: bool = False, pin_memory: bool = False) -> Tensor:  # fmt: skip
        wanted = self._layout if layout is None else layout
        kind, place = self.dtype if dtype is None else dtype, self.device if device is None else device
        shape = int_list(size, "new_zeros")
        if wanted is layouts.strided:
            return ops.full(shape, value, dtype=kind, device=place, requires_grad=requires_grad)
        if value:
            dense_only("new_ones", wanted)
        return empty(shape, wanted, kind, place, requires_grad)

    return method


def _new_full(self: SparseTensor, size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, layout: Any = None,
              requires_grad: bool = False, pin_memory: bool = False) -> Tensor:  # fmt: skip
    dense_only("new_full", self._layout if layout is None else layout)
    kind, place = self.dtype if dtype is None else dtype, self.device if device is None else device
    return ops.full(size, fill_value, dtype=kind, device=place, requires_grad=requires_grad)


def _in_place(name: str) -> Any:
    def method(self: SparseTensor, *args: Any, **kwargs: Any) -> Tensor:
        return self._become(ops[name](self, *args, **kwargs))

    method.__name__ = name + "_"
    return method


def _zero(self: SparseTensor) -> Tensor:
    return self._become(empty_like(self))


def empty_like(s: SparseTensor) -> SparseTensor:
    """A tensor of the shape, layout and dtype of ``s`` that stores nothing."""
    if s._layout is layouts.sparse_coo and s.dense_dim():
        values = ops.zeros(0, *s._data.shape[1:], dtype=s.dtype, device=s.device)
        return coo(s._parts[0][:, :0], values, s._size, True)
    return empty(s._size, s._layout, s.dtype, s.device)


def _contiguous(self: SparseTensor, memory_format: Any = layouts.contiguous_format) -> Tensor:
    if self._layout in COMPRESSED:
        return self
    raise RuntimeError("sparse COO tensors have no contiguous form; see coalesce()")


def install() -> None:
    """Give sparse tensors the methods that rules and functions make; called when all ops are callable."""
    methods: dict[str, Any] = {
        "__getitem__": _getitem,
        "__iter__": lambda self: iter([rules.selected(self, 0, i) for i in range(len(self))]),
        "select": rules.selected,
        "unbind": lambda self, dim=0: tuple([rules.selected(self, dim, i) for i in range(self.size(dim))]),
        "unsqueeze": rules.unsqueezed,
        "narrow_copy": _narrow_copy,
        "sparse_resize_": lambda self, size, sparse_dim, dense_dim: _resized(self, size, sparse_dim, dense_dim, False),
        "sparse_resize_and_clear_": lambda self, size, sparse_dim, dense_dim: _resized(self, size, sparse_dim, dense_dim, True),
        "new_zeros": _new(0),
        "new_empty": _new(0),
        "new_ones": _new(1),
        "new_full": _new_full,
        "zero_": _zero,
        "copy_": lambda self, src, non_blocking=False: self._become(to_sparse(src, layout=self._layout).clone()),
        "t_": lambda self: self._become(self.t()),
        "transpose_": lambda self, dim0, dim1: self._become(self.transpose(dim0, dim1)),
        "contiguous": _contiguous,
        "positive": lambda self: self,
        "__pos__": lambda self: self,
    }
    for name, fn in methods.items():
        setattr(SparseTensor, name, fn)
    for name in {*rules.RULES, "div", "multiply", "divide", "subtract", "negative", "absolute"}:
        if hasattr(Tensor, name + "_"):
            setattr(SparseTensor, name + "_", _in_place(name))
    for dunder, name in {"iadd": "add", "isub": "sub", "imul": "mul", "itruediv": "div", "ifloordiv": "floor_divide",
                         "ipow": "pow"}.items():  # fmt: skip
        setattr(SparseTensor, f"__{dunder}__", _in_place(name))
