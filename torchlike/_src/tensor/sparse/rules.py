"""What ops do with sparse tensors: a table by the op's name, which `dispatch.record` asks through `answer`.

A rule takes the op's kernel and its arguments. It is composed of recorded ops on the parts. What has no rule is an error.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from torchlike._src.operators.registry import ops
from torchlike._src.tensor import layouts
from torchlike._src.tensor.core import Tensor
from torchlike._src.tensor.dispatch import Kernel, record
from torchlike._src.tensor.sparse import kernels, patterns
from torchlike._src.tensor.sparse.conversion import as_coo, dense_of, to_dense, with_layout
from torchlike._src.tensor.sparse.handle import COMPRESSED, SparseTensor, coo, like, make, on, shared
from torchlike._src.tensor.view_functions import wrap_dim

RULES: dict[str, Callable[..., Any]] = {}
_COO = layouts.sparse_coo
_CSR, _CSC = layouts.sparse_csr, layouts.sparse_csc


def answer(kernel: Kernel, args: Sequence[Any]) -> Any:
    """The result of an op of which an argument is sparse.

    Raises:
        NotImplementedError: for an op without a rule.
    """
    found = RULES.get(kernel.name)
    flat = [t for a in args for t in (a if isinstance(a, (tuple, list)) else (a,))]
    some = next((t for t in flat if isinstance(t, SparseTensor)), None)
    if found is None or some is None:
        layout = "" if some is None else f" (layout={some._layout})"
        name = kernel.name.strip("_")
        raise NotImplementedError(f"{name} is not implemented for sparse tensors{layout}. Convert them first: .to_dense()")
    return found(kernel, *args)


def rule(*names: str) -> Callable[[Any], Any]:
    def declare(fn: Any) -> Any:
        for name in names:
            RULES[name] = fn
        return fn

    return declare


def _refused(name: str, *given: Any) -> NotImplementedError:
    kinds = ", ".join([str(g.layout) if isinstance(g, Tensor) else type(g).__name__ for g in given])
    return NotImplementedError(f"{name} is not implemented for ({kinds}). Convert sparse tensors first: .to_dense()")


def _number(x: Any) -> bool:
    return not isinstance(x, Tensor) or (not isinstance(x, SparseTensor) and x.ndim == 0)


# Element by element


def settled(s: SparseTensor) -> SparseTensor:
    """Without repetitions, so that a function may be applied to each element."""
    return s.coalesce() if s._layout is _COO else s


@rule(
    "abs", "asin", "asinh", "atan", "atanh", "ceil", "deg2rad", "erf", "erfinv", "expm1", "floor", "frac", "isinf", "isnan",
    "isneginf", "isposinf", "log1p", "nan_to_num", "rad2deg", "relu", "round", "sgn", "sign", "signbit", "sin", "sinh", "sqrt",
    "square", "tan", "tanh", "trunc", "conj_physical",
)  # fmt: skip
def _each(kernel: Kernel, input: SparseTensor, *rest: Any) -> SparseTensor:
    """A function that keeps zero, applied to the stored elements."""
    if kernel.name == "nan_to_num" and rest[0]:
        raise _refused("nan_to_num with nan other than zero", input)
    s = settled(input)
    return like(s, record(kernel, (s._data, *rest)))


@rule("neg", "_clone_read", "cast")
def _linear(kernel: Kernel, input: SparseTensor, *rest: Any) -> SparseTensor:
    """Applied to every stored number, repeated or not (as torch does with casts, which are nearly linear)."""
    return like(input, record(kernel, (input._data, *rest)))


@rule("pow")
def _pow(kernel: Kernel, input: Any, exponent: Any) -> Any:
    if not isinstance(input, SparseTensor) or isinstance(exponent, Tensor):
        raise _refused("pow", input, exponent)
    if exponent == 0:
        raise RuntimeError("pow: cannot raise to zeroth power on sparse tensor; it would make the result tensor dense")
    if isinstance(exponent, complex) or exponent < 0:
        raise NotImplementedError(
            f"pow of a sparse tensor to the power {exponent} would be infinite where nothing is stored; use .to_dense()"
        )
    return _each(kernel, input, exponent)


@rule("add", "sub", "rsub")
def _add(kernel: Kernel, input: Any, other: Any, alpha: Any) -> Any:
    if kernel.name == "rsub":
        input, other = other, input
    a, b = isinstance(input, SparseTensor), isinstance(other, SparseTensor)
    name = "add" if kernel.name == "add" else "sub"
    if not (a and b):
        if isinstance(input, Tensor) and not a:
            return ops[name](input, dense_of(other), alpha=alpha)
        if a and isinstance(other, Tensor) and input._layout in COMPRESSED:
            return ops[name](dense_of(input), other, alpha=alpha)
        raise RuntimeError("add(sparse, dense) is not supported. Use add(dense, sparse) instead.")
    if input._size != other._size:
        raise RuntimeError(
            f"{name}: expected 'self' and 'other' to have same size, but self has size {list(input._size)} while other has size "
            f"{list(other._size)} (sparse tensors do not broadcast)"
        )
    if input._layout is not other._layout:
        raise _refused(name, input, other)
    scaled = other if name == "add" and alpha == 1 else like(other, ops.mul(other._data, alpha if name == "add" else -alpha))
    x, y = as_coo(input), as_coo(scaled)
    if x.sparse_dim() != y.sparse_dim():
        raise _refused(f"{name} of sparse tensors with {x.sparse_dim()} and {y.sparse_dim()} sparse dimensions", input, other)
    values = ops.cat((x._data, y._data))
    total = coo(on(np.concatenate([x._pattern(), y._pattern()], axis=1), values), values, input._size, False)
    total = total.coalesce()
    total._sorted = x._sorted and y._sorted  # what torch knows of it
    return with_layout(total, input._layout, input._block())


@rule("mul")
def _mul(kernel: Kernel, input: Any, other: Any) -> Any:
    if not isinstance(input, SparseTensor):
        input, other = other, input
    if _number(other):
        return like(input, ops.mul(input._data, other))
    if isinstance(other, SparseTensor):
        return _mul_sparse(input, other)
    lead = len(input._size) - other.ndim
    if lead < 0 or any(n not in (1, m) for n, m in zip(other.shape, input._size[lead:], strict=True)):
        raise NotImplementedError(
            f"a sparse tensor of shape {list(input._size)} is not broadcast to a dense factor of shape {list(other.shape)}; "
            "use .to_dense()"
        )
    pattern, values = input._elements()
    factors = record(kernels.mask, (ops.broadcast_to(other, input._size), pattern))
    product = ops.mul(values, factors)
    shape = input._data.shape
    return like(input, product if product.shape == shape else record(kernels.reshaped, (product, tuple(shape))))


def _mul_sparse(a: SparseTensor, b: SparseTensor) -> SparseTensor:
    if a._size != b._size or a._layout is not b._layout:
        raise _refused(f"mul of shapes {list(a._size)} and {list(b._size)}", a, b)
    x, y = as_coo(a).coalesce(), as_coo(b).coalesce()
    if x.sparse_dim() != y.sparse_dim():
        raise _refused(f"mul of sparse tensors with {x.sparse_dim()} and {y.sparse_dim()} sparse dimensions", a, b)
    pattern, left, right = patterns.common(x._pattern(), y._pattern(), a._size[: x.sparse_dim()])
    values = ops.mul(record(kernels.take, (x._data, on(left, x._data))), record(kernels.take, (y._data, on(right, y._data))))
    return with_layout(coo(on(pattern, values), values, a._size, True), a._layout, a._block())


@rule("true_divide", "_div_rounded", "floor_divide")
def _divide(kernel: Kernel, input: Any, other: Any, *rest: Any) -> Any:
    if not isinstance(input, SparseTensor) or not _number(other):
        shape = list(getattr(other, "shape", ()))
        raise RuntimeError(f"Sparse division requires a scalar or zero-dim dense tensor divisor (got shape {shape} for divisor)")
    s = input if kernel.name == "true_divide" else settled(input)
    return like(s, record(kernel, (s._data, other, *rest)))


# Products


def _check_product(a: Any, b: Any) -> None:
    if a.shape[-1] != b.shape[0 if b.ndim < 3 else -2]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({'x'.join(map(str, a.shape))} and {'x'.join(map(str, b.shape))})"
        )
    if a.dtype is not b.dtype:
        raise RuntimeError(f"expected m1 and m2 to have the same dtype, but got: {a.dtype} != {b.dtype}")


def _matrix(s: Any) -> None:
    if s.ndim != 2 or (isinstance(s, SparseTensor) and s.dense_dim()):
        dense = s.dense_dim() if isinstance(s, SparseTensor) else 0
        raise RuntimeError(f"expected a matrix without dense dimensions, got {s.ndim} dimensions, of which {dense} are dense")


def check_matrices(a: Any, b: Any) -> None:
    """Refuse what cannot be multiplied."""
    _matrix(a)
    if b.ndim != 1:
        _matrix(b)
    _check_product(a, b)


def multiply(a: Any, b: Any) -> Any:
    """The product of matrices, of which one is sparse; with a vector if ``b`` is one. Sparse if both are."""
    check_matrices(a, b)
    if isinstance(a, SparseTensor) and isinstance(b, SparseTensor):
        return _multiply_sparse(a, b)
    if isinstance(a, SparseTensor):
        pattern, values = a._elements()
        return record(kernels.product, (values, pattern, b, a._size[0], False))
    pattern, values = b._elements()
    return ops.t(record(kernels.product, (values, pattern, ops.t(a), b._size[1], True)))


def _multiply_sparse(a: SparseTensor, b: SparseTensor) -> SparseTensor:
    x, y = as_coo(a), as_coo(b)
    size = a._size[0], b._size[1]
    pattern, left, right, into = patterns.product(x._pattern(), y._pattern(), size)
    terms = ops.mul(record(kernels.take, (x._data, on(left, x._data))), record(kernels.take, (y._data, on(right, y._data))))
    values = record(kernels.segments, (terms, on(into, terms), pattern.shape[1]))
    made = coo(on(pattern, values), values, size, True)
    return with_layout(made, _CSR) if a._layout in COMPRESSED and b._layout in COMPRESSED else made


@rule("mm", "mv", "_matmul_vector")
def _mm(kernel: Kernel, input: Any, mat2: Any) -> Any:
    if kernel.name != "mm" and isinstance(mat2, SparseTensor):
        raise _refused("mv", input, mat2)
    return multiply(input, mat2)


@rule("addmm", "addmv")
def _addmm(kernel: Kernel, input: Any, mat1: Any, mat2: Any, beta: Any, alpha: Any) -> Any:
    if not (isinstance(mat1, SparseTensor) or isinstance(mat2, SparseTensor)):
        raise _refused(kernel.name, input, mat1, mat2)
    product = multiply(mat1, mat2)
    if isinstance(input, SparseTensor) and not isinstance(product, SparseTensor):
        raise _refused(kernel.name, input, mat1, mat2)
    if alpha != 1:
        product = ops.mul(product, alpha)
    if beta == 0 and tuple(input.shape) == tuple(product.shape):
        return product if product.layout is input.layout else to_dense(product)
    scaled = input if beta == 1 else ops.mul(input, beta)
    return ops.add(scaled, product)


@rule("bmm")
def _bmm(kernel: Kernel, input: Any, mat2: Any) -> Any:
    if not isinstance(input, SparseTensor) or isinstance(mat2, SparseTensor) or input.dense_dim():
        raise _refused("bmm", input, mat2)
    if input.ndim != 3 or mat2.ndim != 3 or input.shape[0] != mat2.shape[0]:
        raise RuntimeError(
            f"bmm: expected two batches of as many matrices, got shapes {list(input.shape)} and {list(mat2.shape)}"
        )
    _check_product(input, mat2)
    pattern, values = input._elements()
    return record(kernels.product, (values, pattern, mat2, input._size[1], False))


# Shape


def permuted(s: SparseTensor, dims: tuple[int, ...]) -> SparseTensor:
    """With the dimensions in another order; those of the pattern and those of the elements stay apart."""
    size = tuple([s._size[d] for d in dims])
    if dims == tuple(range(len(dims))):
        return like(s, shared(s._data))
    if s._layout is _COO:
        m = s.sparse_dim()
        if any(d >= m for d in dims[:m]):
            raise RuntimeError(
                f"permute(sparse): sparse and dense dimensions cannot be exchanged, got dims={dims} for a tensor with {m} sparse ones"
            )
        values = shared(s._data)
        if m < len(dims):
            values = ops.permute(values, (0, *[d - m + 1 for d in dims[m:]]))
        if dims[:m] == tuple(range(m)):
            return coo(s._parts[0], values, size, s._sorted)
        return coo(on(s._pattern()[list(dims[:m])], values), values, size, False)
    n = len(dims)
    if dims != (*range(n - 2), n - 1, n - 2) or s.dense_dim() or s._layout not in (_CSR, _CSC):
        raise _refused(f"permute to {dims}", s)
    return make(_CSC if s._layout is _CSR else _CSR, s._parts, shared(s._data), size, True)


@rule("permute")
def _permute(kernel: Kernel, input: SparseTensor, dims: tuple[int, ...]) -> SparseTensor:
    return permuted(input, dims)


def _need_coo(name: str, s: Any) -> None:
    if not isinstance(s, SparseTensor) or s._layout is not _COO:
        raise _refused(name, s)


@rule("cat")
def _cat(kernel: Kernel, tensors: Sequence[Any], dim: int) -> SparseTensor:
    for t in tensors:
        _need_coo("cat", t)
    first = tensors[0]
    m, n = first.sparse_dim(), first.ndim
    at = wrap_dim(dim, n)
    rest = [(*t._size[:at], *t._size[at + 1 :], t.sparse_dim()) for t in tensors]
    if any(r != rest[0] for r in rest):
        raise RuntimeError(
            f"cat: expected sparse tensors that agree in all dimensions but {at} and in sparse_dim, got sizes "
            f"{[list(t._size) for t in tensors]} with sparse_dim {[t.sparse_dim() for t in tensors]}"
        )
    size = (*first._size[:at], sum(t._size[at] for t in tensors), *first._size[at + 1 :])
    found, values, start = [], [], 0
    for t in tensors:
        pattern, data = t._pattern(), t._data
        if at < m:
            pattern = pattern + start * (np.arange(m) == at)[:, None]
        else:
            after = [ops.zeros(*data.shape[: at - m + 1], k, *data.shape[at - m + 2 :], dtype=data.dtype, device=data.device)
                     for k in (start, size[at] - start - t._size[at])]  # fmt: skip
            data = ops.cat((after[0], data, after[1]), at - m + 1)
        start += t._size[at]
        found.append(pattern)
        values.append(data)
    data = ops.cat(values)
    return coo(on(np.concatenate(found, axis=1), data), data, size, False)


@rule("stack")
def _stack(kernel: Kernel, tensors: Sequence[Any], dim: int) -> SparseTensor:
    for t in tensors:
        _need_coo("stack", t)
    return ops.cat([unsqueezed(t, dim) for t in tensors], wrap_dim(dim, tensors[0].ndim + 1))


def unsqueezed(s: SparseTensor, dim: int) -> SparseTensor:
    """With one more dimension of size 1."""
    _need_coo("unsqueeze", s)
    at = wrap_dim(dim, s.ndim + 1)
    m = s.sparse_dim()
    size = (*s._size[:at], 1, *s._size[at:])
    if at > m:
        return coo(s._parts[0], ops.unsqueeze(s._data, at - m + 1), size, s._sorted)
    return coo(on(np.insert(s._pattern(), at, 0, axis=0), s._data), shared(s._data), size, s._sorted)


@rule("index_select")
def _index_select(kernel: Kernel, input: Any, dim: int, index: Any) -> SparseTensor:
    _need_coo("index_select", input)
    at, m = wrap_dim(dim, input.ndim), input.sparse_dim()
    chosen = index._numpy("index_select of a sparse tensor").reshape(-1).astype(np.int64)
    n = input._size[at]
    outside = chosen[(chosen < 0) | (chosen >= n)]
    if outside.size:
        raise IndexError(
            f"index_select(): index {outside[0]} is out of range for a tensor of size {list(input._size)} at dimension {at}"
        )
    size = (*input._size[:at], len(chosen), *input._size[at + 1 :])
    if at >= m:
        return coo(input._parts[0], ops.index_select(input._data, at - m + 1, index), size, input._sorted)
    pattern = input._pattern()
    place, column = np.nonzero(chosen[:, None] == pattern[at][None, :])
    found = pattern[:, column]
    found[at] = place
    values = record(kernels.take, (input._data, on(column, input._data)))
    return coo(on(found, values), values, size, False)


def narrowed(s: SparseTensor, dim: int, start: int, stop: int) -> SparseTensor:
    """The part from ``start`` to ``stop`` of one dimension."""
    _need_coo("narrow_copy", s)
    m = s.sparse_dim()
    size = (*s._size[:dim], stop - start, *s._size[dim + 1 :])
    if dim >= m:
        return coo(s._parts[0], ops.narrow(s._data, dim - m + 1, start, stop - start), size, s._sorted)
    pattern = s._pattern()
    columns = np.nonzero((pattern[dim] >= start) & (pattern[dim] < stop))[0]
    found = pattern[:, columns] - start * (np.arange(m) == dim)[:, None]
    values = record(kernels.take, (s._data, on(columns, s._data)))
    return coo(on(found, values), values, size, s._sorted)


def selected(s: SparseTensor, dim: int, index: int) -> Tensor:
    """One slice; dense if no dimension of the pattern is left."""
    at = wrap_dim(dim, s.ndim)
    n = s._size[at]
    if not -n <= index < n:
        raise IndexError(f"select(): index {index} out of range for tensor of size {list(s._size)} at dimension {dim}")
    c = as_coo(s)
    m = c.sparse_dim()
    size = (*c._size[:at], *c._size[at + 1 :])
    if at >= m:
        return coo(c._parts[0], ops.select(c._data, at - m + 1, index), size, c._sorted)
    part = narrowed(c, at, index % n, index % n + 1)
    if m == 1:
        return ops.sum(part._data, 0) if part.dtype.name != "bool" else ops.any(part._data, 0)
    return coo(on(np.delete(part._pattern(), at, axis=0), part._data), part._data, size, part._sorted)


# Reductions


@rule("sum")
def _sum(kernel: Kernel, input: SparseTensor, dim: Any, keepdim: bool, dtype: Any) -> Any:
    if dim is None:
        return ops.sum(input._data, dtype=dtype)
    if input._layout in COMPRESSED and not keepdim:
        raise RuntimeError("reduction operations on CSR tensors with keepdim=False is unsupported")
    total = reduced(as_coo(input), dim if isinstance(dim, (tuple, list)) else (dim,), keepdim, dtype)
    return with_layout(total, input._layout, input._block()) if input._layout in COMPRESSED else total


def reduced(s: SparseTensor, dims: Sequence[int], keepdim: bool, dtype: Any) -> Any:
    """Sums over ``dims`` (all, if none is named); dense if no dimension of the pattern is left."""
    n, m = s.ndim, s.sparse_dim()
    over = sorted({wrap_dim(d, n) for d in dims}) or list(range(n))
    if len(over) < len(dims):
        raise RuntimeError(f"a dimension appears more than once in dim={list(dims)}")
    inner = [d - m + 1 for d in over if d >= m]
    values = ops.sum(s._data, inner, keepdim, dtype=dtype) if inner else ops.sum(ops.unsqueeze(s._data, 0), 0, dtype=dtype)
    kept = [d for d in range(m) if d not in over]
    size = tuple([1 if d in over else k for d, k in enumerate(s._size) if keepdim or d not in over])
    if not kept and not keepdim:
        return ops.sum(values, 0)
    pattern = s._pattern()
    if len(kept) == m:
        return coo(s._parts[0], values, size, s._sorted)
    pattern = pattern * np.array([d in kept for d in range(m)])[:, None] if keepdim else pattern[kept]
    return coo(on(pattern, values), values, size, False).coalesce()


@rule("any")
def _any(kernel: Kernel, input: SparseTensor, dim: Any, keepdim: bool) -> Any:
    if dim is not None:
        raise _refused("any over a dimension", input)
    return ops.any(settled(input)._data)


@rule("vector_norm")
def _norm(kernel: Kernel, input: SparseTensor, ord: Any, dim: Any, keepdim: bool, dtype: Any) -> Any:
    every = dim is None or sorted(wrap_dim(d, input.ndim) for d in (dim if isinstance(dim, (tuple, list)) else (dim,))) == list(
        range(input.ndim)
    )
    if not every or keepdim or ord <= 0:
        raise _refused(f"norm with p={ord}, dim={dim}, keepdim={keepdim}", input)
    return record(kernel, (settled(input)._data, ord, None, False, dtype))


def softmaxed(s: SparseTensor, dim: int, dtype: Any, log: bool) -> SparseTensor:
    """Softmax along a dimension over the stored elements: what is not stored counts as minus infinity."""
    _need_coo("softmax", s)
    at, c = wrap_dim(dim, s.ndim), s.coalesce()
    m = c.sparse_dim()
    values = c._data if dtype is None else c._data.to(dtype)
    if at >= m:
        return like(c, (ops.log_softmax if log else ops.softmax)(values, at - m + 1))
    if not (values.is_floating_point() or values.is_complex()):
        raise RuntimeError(f"softmax is not implemented for {values.dtype}; pass dtype= to have it computed in floating point")
    others = [d for d in range(m) if d != at]
    groups, into = patterns.unique(c._pattern()[others], [c._size[d] for d in others])
    return like(c, record(kernels.softmax, (values, on(into, values), groups.shape[1], log)))
