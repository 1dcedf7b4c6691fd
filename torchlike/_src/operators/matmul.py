"""Products of vectors and matrices. Contractions by subscripts are in `contraction`."""

import itertools
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlike._src.operators.numbers import fitting
from torchlike._src.operators.promotion import BFLOAT16, BOOL, CATEGORY, FLOAT, scalar_type, type_name
from torchlike._src.operators.registry import EXACT, Array, Arrays, Number, composite, is_tensor, op, ops
from torchlike._src.operators.support import as_dtype, broadcast_shapes, class_name, is_number, refuse, widen

_MATRIX = (((1,), (0,)), ((), ()))
_BATCHED = (((2,), (1,)), ((0,), (0,)))
_DOT_OUT = "result dtype {Given} does not match input dtype {Made}"


def _names(*arrays: Any) -> list[str]:
    return [scalar_type(np.dtype(a.dtype)) for a in arrays]


def _shape(x: Any) -> str:
    return str(list(x.shape))


def _check_mm(mat1: Any, mat2: Any) -> None:
    if mat1.ndim != 2:
        raise RuntimeError("self must be a matrix")
    if mat2.ndim != 2:
        raise RuntimeError("mat2 must be a matrix")
    _check_product(mat1, mat2)


def _check_product(mat1: Any, mat2: Any) -> None:
    if mat1.shape[1] != mat2.shape[0]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({mat1.shape[0]}x{mat1.shape[1]} and {mat2.shape[0]}x{mat2.shape[1]})"
        )
    if mat1.dtype != mat2.dtype:
        first, second = (type_name(np.dtype(m.dtype)) for m in (mat1, mat2))
        raise RuntimeError(f"expected m1 and m2 to have the same dtype, but got: {first} != {second}")
    refuse("addmm_impl_cpu_", mat1, BOOL)


def _host_mm(input: Any, mat2: Any) -> Any:
    _check_mm(input, mat2)
    return np.asarray(input @ mat2).astype(input.dtype, copy=False)  # NumPy makes float32 of bfloat16


@op("mm", out=EXACT, saves=("input:mat2", "mat2:input"), host=_host_mm)
def mm(input: Array, mat2: Array) -> Array:
    """The product of matrices ``(N, K)`` and ``(K, M)``: ``(N, M)``."""
    _check_mm(input, mat2)
    return lax.dot_general(input, mat2, _MATRIX)


def _check_mv(mat: Any, vec: Any) -> None:
    if mat.ndim != 2 or vec.ndim != 1:
        raise RuntimeError(f"vector + matrix @ vector expected, got 1, {mat.ndim}, {vec.ndim}")
    rows, columns = mat.shape
    if columns != vec.shape[0]:
        raise RuntimeError(f"size mismatch, got input ({rows}), mat ({rows}x{columns}), vec ({vec.shape[0]})")
    if mat.dtype != vec.dtype:
        a, b = _names(mat, vec)
        raise RuntimeError(f"addmv input tensors must have the same dtype, but got {b}, {a}, and {b}")
    refuse("addmv_impl_cpu", mat, BOOL)


@op(
    "mv",
    out="addmv input tensors must have the same dtype, but got {Given}, {Made}, and {Made}",
    saves=("input:vec", "vec:input"),
)
def mv(input: Array, vec: Array) -> Array:
    """The product of a matrix ``(N, K)`` and a vector ``(K,)``: ``(N,)``."""
    _check_mv(input, vec)
    return lax.dot_general(input, vec, _MATRIX)


def _check_dot(input: Any, other: Any) -> None:
    if input.ndim != 1 or other.ndim != 1:
        raise RuntimeError(f"1D tensors expected, but got {input.ndim}D and {other.ndim}D tensors")
    if input.dtype != other.dtype:
        a, b = _names(input, other)
        raise RuntimeError(f"dot : expected both vectors to have same dtype, but found {a} and {b}")
    if input.shape != other.shape:
        raise RuntimeError(
            f"inconsistent tensor size, expected tensor {_shape(input)} and src {_shape(other)} to have the same number "
            f"of elements, but got {input.shape[0]} and {other.shape[0]} elements respectively"
        )
    refuse("dot", input, BOOL)


def _host_dot(input: Any, tensor: Any) -> Any:
    _check_dot(input, tensor)
    return np.asarray(input @ tensor).astype(input.dtype, copy=False)  # NumPy makes float32 of bfloat16


@op("dot", out=_DOT_OUT, saves=("input:tensor", "tensor:input"), host=_host_dot)
def dot(input: Array, tensor: Array) -> Array:
    """The sum of the products of two vectors ``(N,)``."""
    _check_dot(input, tensor)
    return lax.dot_general(input, tensor, (((0,), (0,)), ((), ())))


@op("vdot", out=_DOT_OUT, saves=("input:other", "other:input"))
def vdot(input: Array, other: Array) -> Array:
    """`dot` with the conjugate of ``input``."""
    return dot(jnp.conj(input), other)


def _check_bmm(batch1: Any, batch2: Any) -> None:
    for i, batch in ((1, batch1), (2, batch2)):
        if batch.ndim != 3:
            raise RuntimeError(f"batch{i} must be a 3D tensor")
    batches, _, inner = batch1.shape
    if batch2.shape[:2] != (batches, inner):
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{batches}, {inner}] but got: "
            f"[{batch2.shape[0]}, {batch2.shape[1]}]."
        )
    if batch1.dtype != batch2.dtype:
        a, b = _names(batch1, batch2)
        raise RuntimeError(f"expected scalar type {a} but found {b}")
    refuse("bmm", batch1, BOOL)


def _host_bmm(input: Any, mat2: Any) -> Any:
    _check_bmm(input, mat2)
    return np.asarray(input @ mat2).astype(input.dtype, copy=False)  # NumPy makes float32 of bfloat16


@op("bmm", out=EXACT, saves=("input:mat2", "mat2:input"), host=_host_bmm)
def bmm(input: Array, mat2: Array) -> Array:
    """The products of matrices ``(B, N, K)`` and ``(B, K, M)``, pair by pair: ``(B, N, M)``."""
    _check_bmm(input, mat2)
    return lax.dot_general(input, mat2, _BATCHED)


@op("_matmul_batches", method=False, out=True, saves=("input:other", "other:input"), grad_name="UnsafeViewBackward0")
def _matmul_batches(input: Array, other: Array) -> Array:
    """Products of which one factor has more than two dimensions: leading ones broadcast."""
    if other.ndim <= 2:
        return _matmul_folded(input, other)
    left = input[None, :] if input.ndim == 1 else input
    right = other
    lead = broadcast_shapes(left.shape[:-2], right.shape[:-2])
    rows, inner, columns = left.shape[-2], left.shape[-1], right.shape[-1]
    count = int(np.prod(lead))
    if right.shape[-2] != inner:
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{count}, {inner}] but got: "
            f"[{count}, {right.shape[-2]}]."
        )
    if left.dtype != right.dtype:
        a, b = _names(left, right)
        raise RuntimeError(f"expected scalar type {a} but found {b}")
    refuse("bmm", left, BOOL)
    if left.ndim <= 2:  # one matrix on the left of many: the batch of the right stays where it is
        result = lax.dot_general(left, right, (((1,), (right.ndim - 2,)), ((), ())))
        result = jnp.moveaxis(result, 0, -2)
    else:
        left, right = jnp.broadcast_to(left, (*lead, rows, inner)), jnp.broadcast_to(right, (*lead, inner, columns))
        n = len(lead)
        batch = tuple(range(n))
        result = lax.dot_general(left, right, (((n + 1,), (n,)), (batch, batch)))
    return result.reshape(lead + (() if input.ndim == 1 else (rows,)) + (columns,))


def _matmul_folded(input: Array, other: Array) -> Array:
    """Many rows times one matrix, or one vector."""
    rows = int(np.prod(input.shape[:-1]))
    if other.ndim == 1:
        if input.shape[-1] != other.shape[0]:
            raise RuntimeError(f"size mismatch, got input ({rows}), mat ({rows}x{input.shape[-1]}), vec ({other.shape[0]})")
        if input.dtype != other.dtype:
            a, b = _names(input, other)
            raise RuntimeError(f"addmv input tensors must have the same dtype, but got {b}, {a}, and {b}")
    elif input.shape[-1] != other.shape[0]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({rows}x{input.shape[-1]} and {other.shape[0]}x{other.shape[1]})"
        )
    elif input.dtype != other.dtype:
        first, second = (type_name(np.dtype(m.dtype)) for m in (input, other))
        raise RuntimeError(f"expected m1 and m2 to have the same dtype, but got: {first} != {second}")
    refuse("addmm_impl_cpu_", input, BOOL)
    return lax.dot_general(input, other, (((input.ndim - 1,), (0,)), ((), ())))


# `dot` and `mv` again: autocast casts what `matmul` is given, and has other rules for theirs.
op(
    "_matmul_vectors",
    method=False,
    out=_DOT_OUT,
    saves=("input:tensor", "tensor:input"),
    host=_host_dot,
    grad_name="DotBackward0",
)(dot)
op("_matmul_vector", method=False, out=True, saves=("input:vec", "vec:input"), grad_name="MvBackward0")(mv)


@composite("matmul", "linalg.matmul", operators=("__matmul__",))
def matmul(input: Any, other: Any, *, out: Any = None) -> Any:
    """The matrix product: of vectors their dot product, of more than two dimensions pair by pair, broadcast.

    Args:
        input: shape ``(K,)`` or ``(*, N, K)``.
        other: shape ``(K,)`` or ``(*, K, M)``.
    Raises:
        RuntimeError: for sizes or dtypes that do not fit, and for 0-d tensors.
    """
    for position, (name, x) in enumerate((("input", input), ("other", other)), 1):
        if not is_tensor(x):
            raise TypeError(f"matmul(): argument '{name}' (position {position}) must be Tensor, not {class_name(x)}")
    a, b = input.ndim, other.ndim
    into = {} if out is None else {"out": out}
    if a == 2 and b == 2:
        return ops.mm(input, other, **into)
    if not a or not b:
        raise RuntimeError(f"both arguments to matmul need to be at least 1D, but they are {a}D and {b}D")
    if a == 1 and b == 1:
        return ops._matmul_vectors(input, other, **into)
    if a == 2 and b == 1:
        return ops._matmul_vector(input, other, **into)
    if a == 1 and b == 2:
        return ops._vector_matrix(input, other, **into)
    return ops._matmul_batches(input, other, **into)


@composite("_reflected_matmul", method=False, operators=("__rmatmul__",))
def _reflected_matmul(input: Any, other: Any) -> Any:
    return ops.matmul(other, input)


@op("_vector_matrix", method=False, out=True, saves=("input:other", "other:input"), grad_name="SqueezeBackward4")
def _vector_matrix(input: Array, other: Array) -> Array:
    if input.shape[0] != other.shape[0]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied (1x{input.shape[0]} and {other.shape[0]}x{other.shape[1]})"
        )
    _check_product(input[None], other)
    return lax.dot_general(input, other, (((0,), (0,)), ((), ())))


@op("outer", "ger", out=True, saves=("input:vec2", "vec2:input"), promote="common", grad_name="MulBackward0")
def outer(input: Array, vec2: Array) -> Array:
    """The products of each element of one vector with each of another: ``(N,)`` and ``(M,)`` give ``(N, M)``."""
    for name, x in (("self", input), ("vec2", vec2)):
        if x.ndim != 1:
            raise RuntimeError(f"outer: Expected 1-D argument {name}, but got {x.ndim}-D")
    return input[:, None] * vec2[None, :]


@op(
    "inner",
    out="tensordot: Expected the output tensor to have dtype {Made}, but got an output tensor with dtype {Given}",
    saves=("input:other", "other:input"),
    grad_name="ViewBackward0",
)
def inner(input: Array, other: Array) -> Array:
    """The sums of products along the last dimension of both; with a 0-d tensor the product."""
    if input.ndim == 0 or other.ndim == 0:
        return input * other
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError(
            f"inner() the last dimension must match on both input tensors but got shapes {_shape(input)} and {_shape(other)}"
        )
    if input.dtype != other.dtype:
        first, second = (type_name(np.dtype(m.dtype)) for m in (input, other))
        raise RuntimeError(f"expected m1 and m2 to have the same dtype, but got: {first} != {second}")
    return lax.dot_general(input, other, (((input.ndim - 1,), (other.ndim - 1,)), ((), ())))


def _plus(input: Array, product: Array, beta: Any, alpha: Any, halves: bool = True) -> Array:
    """``beta * input + alpha * product``; with ``beta`` 0, ``input`` is ignored, NaN and all.

    Args:
        halves: whether the numbers of a product of halves need not be halves themselves.
    """
    dtype = np.dtype(product.dtype)
    for number in (beta, alpha):
        fitting(number, dtype if halves else np.dtype(input.dtype))
    target = list(product.shape)
    offset = len(target) - input.ndim
    for i, (have, want) in enumerate(zip(input.shape, target[max(offset, 0) :], strict=False)):
        if have not in (1, want) or offset < 0:
            raise RuntimeError(
                f"The expanded size of the tensor ({want}) must match the existing size ({have}) at non-singleton "
                f"dimension {i + offset}.  Target sizes: {target}.  Tensor sizes: {list(input.shape)}"
            )
    if not (is_number(alpha) and alpha == 1):
        product = product * as_dtype(alpha, dtype)
    if is_number(beta) and beta == 0:
        return product
    (input,) = widen(input)
    return (input if is_number(beta) and beta == 1 else input * as_dtype(beta, dtype)) + product


def _product(a: Array, b: Array, numbers: Any) -> Array:
    """`lax.dot_general`, in float32 for halves: what is added to it is added before rounding."""
    wide = np.float32 if a.dtype in (BFLOAT16, np.float16) else a.dtype
    return lax.dot_general(a, b, numbers, preferred_element_type=wide)


def _same_dtype(input: Any, other: Any) -> None:
    if input.dtype != other.dtype:
        a, b = _names(input, other)
        raise RuntimeError(f"self and mat2 must have the same dtype, but got {a} and {b}")


@op("addmm", inplace=True, out=EXACT, saves=("mat1:mat2", "mat2:mat1"))
def addmm(input: Array, mat1: Array, mat2: Array, *, beta: Number = 1, alpha: Number = 1) -> Array:
    """``beta * input + alpha * (mat1 @ mat2)``, ``input`` broadcast to ``(N, M)``."""
    for name, m in (("mat1", mat1), ("mat2", mat2)):
        if m.ndim != 2:
            raise RuntimeError(f"{name} must be a matrix, got {m.ndim}-D tensor")
    if mat1.shape[1] != mat2.shape[0]:
        _check_product(mat1, mat2)
    _same_dtype(input, mat2)
    _check_product(mat1, mat2)
    return _plus(input, _product(mat1, mat2, _MATRIX), beta, alpha).astype(input.dtype)


@op("addmv", inplace=True, out=EXACT, saves=("mat:vec", "vec:mat"))
def addmv(input: Array, mat: Array, vec: Array, *, beta: Number = 1, alpha: Number = 1) -> Array:
    """``beta * input + alpha * (mat @ vec)``."""
    if mat.ndim != 2 or vec.ndim != 1 or input.ndim > 1:
        raise RuntimeError(f"vector + matrix @ vector expected, got {input.ndim}, {mat.ndim}, {vec.ndim}")
    rows, columns = mat.shape
    size = input.shape[0] if input.ndim else 1
    if columns != vec.shape[0] or size not in (1, rows):
        raise RuntimeError(f"size mismatch, got input ({size}), mat ({rows}x{columns}), vec ({vec.shape[0]})")
    if not input.dtype == mat.dtype == vec.dtype:
        a, b, c = _names(input, mat, vec)
        raise RuntimeError(f"addmv input tensors must have the same dtype, but got {a}, {b}, and {c}")
    refuse("addmv_impl_cpu", mat, BOOL)
    return _plus(input, _product(mat, vec, _MATRIX), beta, alpha, halves=False).astype(input.dtype)


@op("addr", inplace=True, out=True, saves=("vec1:vec2", "vec2:vec1"), promote="common")
def addr(input: Array, vec1: Array, vec2: Array, *, beta: Number = 1, alpha: Number = 1) -> Array:
    """``beta * input + alpha * outer(vec1, vec2)``."""
    for name, x in (("vec1", vec1), ("vec2", vec2)):
        if x.ndim != 1:
            raise RuntimeError(f"addr: Expected 1-D argument {name}, but got {x.ndim}-D")
    if CATEGORY[np.dtype(input.dtype)] < FLOAT and (isinstance(alpha, float) or isinstance(beta, float)):
        which = "beta" if isinstance(beta, float) else "alpha"
        raise RuntimeError(f"For integral input tensors, argument {which} must not be a floating point number.")
    if input.dtype == bool:
        alpha, beta = (jnp.asarray(number).astype(bool) for number in (alpha, beta))
        return (vec1[:, None] & vec2[None, :] & alpha) | (input & beta)
    vec1, vec2 = widen(vec1, vec2)
    return _plus(input, vec1[:, None] * vec2[None, :], beta, alpha, halves=False).astype(input.dtype)


@op("baddbmm", inplace=True, out=EXACT, saves=("batch1:batch2", "batch2:batch1"))
def baddbmm(input: Array, batch1: Array, batch2: Array, *, beta: Number = 1, alpha: Number = 1) -> Array:
    """``beta * input + alpha * (batch1 @ batch2)``, matrices ``(B, N, K)`` and ``(B, K, M)``."""
    if not input.dtype == batch1.dtype == batch2.dtype:
        a, b, c = (type_name(np.dtype(x.dtype)) for x in (input, batch1, batch2))
        raise RuntimeError(f"Input dtypes must be the same, got: input {a}, batch1: {b}, batch2: {c}")
    _check_bmm(batch1, batch2)
    return _plus(input, _product(batch1, batch2, _BATCHED), beta, alpha).astype(input.dtype)


@op(
    "addbmm", inplace=True, saves=("batch1:batch2", "batch2:batch1"),
    out="self and mat2 must have the same dtype, but got {Given} and {Made}",
)  # fmt: skip
def addbmm(input: Array, batch1: Array, batch2: Array, *, beta: Number = 1, alpha: Number = 1) -> Array:
    """``beta * input + alpha * (batch1 @ batch2).sum(0)``."""
    for i, batch in ((1, batch1), (2, batch2)):
        if batch.ndim != 3:
            raise RuntimeError(f"batch{i} must be a 3D tensor")
    if batch1.shape[0] != batch2.shape[0]:
        raise RuntimeError(f"batch1 and batch2 must have same number of batches, got {batch1.shape[0]} and {batch2.shape[0]}")
    if batch1.shape[2] != batch2.shape[1]:
        raise RuntimeError(
            f"Incompatible matrix sizes for bmm ({batch1.shape[1]}x{batch1.shape[2]} and {batch2.shape[1]}x{batch2.shape[2]})"
        )
    _same_dtype(input, batch2)
    _check_bmm(batch1, batch2)
    return _plus(input, _product(batch1, batch2, (((0, 2), (0, 1)), ((), ()))), beta, alpha).astype(input.dtype)


@op(
    "linalg.multi_dot",
    "_multi_dot",
    method=False,
    out="multi_dot(): expected out tensor to have dtype {made} but got {given}",
    grad_name="ViewBackward0",
)
def multi_dot(tensors: Arrays) -> Array:
    """The product of a chain of matrices, in the cheapest order; the ends may be vectors."""
    if len(tensors) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(tensors)}")
    first, last = tensors[0], tensors[-1]
    for i, t in enumerate(tensors):
        edge = i in (0, len(tensors) - 1)
        if t.ndim != 2 and not (edge and t.ndim == 1):
            if edge:
                where = "first" if i == 0 else "last"
                raise RuntimeError(f"multi_dot(): the {where} tensor must be 1D or 2D but got {t.ndim}D")
            raise RuntimeError(f"multi_dot(): tensor {i} must be 2D but got {t.ndim}D")
    chain = [first[None] if first.ndim == 1 else first, *tensors[1:-1], last[:, None] if last.ndim == 1 else last]
    for a, b in itertools.pairwise(chain):
        _check_product(a, b)
    result = _chain(chain)
    return result.reshape((() if first.ndim == 1 else result.shape[:1]) + (() if last.ndim == 1 else result.shape[1:]))


def _chain(chain: list[Array]) -> Array:
    """Multiply by the order that needs the fewest products: the classic dynamic programme."""
    n = len(chain)
    sizes = [c.shape[0] for c in chain] + [chain[-1].shape[1]]
    cost = [[0] * n for _ in range(n)]
    cut = [[0] * n for _ in range(n)]
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            options = [(cost[i][k] + cost[k + 1][j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j)]
            cost[i][j], cut[i][j] = min(options)

    def product(i: int, j: int) -> Array:
        if i == j:
            return chain[i]
        return lax.dot_general(product(i, cut[i][j]), product(cut[i][j] + 1, j), _MATRIX)

    return product(0, n - 1)


@composite("chain_matmul", method=False)
def chain_matmul(*matrices: Any, out: Any = None) -> Any:
    """`linalg.multi_dot` of its arguments; of one, that one."""
    return matrices[0] if len(matrices) == 1 else ops["linalg.multi_dot"](matrices, **({} if out is None else {"out": out}))


@op(
    "linalg.vecdot",
    method=False,
    out="linalg.vecdot: Expected out of dtype{Made} but found {Given}",
    saves=("x:y", "y:x"),
    promote="common",
)
def vecdot(x: Array, y: Array, *, dim: int = -1) -> Array:
    """The sums of ``conj(x) * y`` along ``dim``."""
    if CATEGORY[np.dtype(x.dtype)] < FLOAT:
        name = scalar_type(np.dtype(x.dtype))
        raise RuntimeError(f"linalg.vecdot: Expected a floating point or complex tensor as input. Got {name}")
    broadcast_shapes(x.shape, y.shape)
    dtype = x.dtype
    x, y = widen(x, y)
    return jnp.sum(jnp.conj(x) * y, dim, dtype=x.dtype).astype(dtype)


@op("kron", out=True, promote="common", grad_name="UnsafeViewBackward0", saves=("input:other", "other:input"))
def kron(input: Array, other: Array) -> Array:
    """The Kronecker product: each element of ``input`` times the whole of ``other``."""
    ndim = max(input.ndim, other.ndim)
    a = input.reshape([k for n in (1,) * (ndim - input.ndim) + input.shape for k in (n, 1)])
    b = other.reshape([k for n in (1,) * (ndim - other.ndim) + other.shape for k in (1, n)])
    return jnp.multiply(a, b).reshape([m * n for m, n in zip(a.shape[::2], b.shape[1::2], strict=True)])
