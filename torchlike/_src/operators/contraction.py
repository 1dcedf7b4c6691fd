"""Contractions named by subscripts or by dimensions: ``einsum`` and ``tensordot``."""

import functools
import string
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlike._src.operators import registry
from torchlike._src.operators.promotion import CATEGORY, INTEGER, scalar_type
from torchlike._src.operators.registry import Array, Arrays, composite, is_tensor, op, ops
from torchlike._src.operators.support import class_name, normalize_dim


@composite("einsum", "functional.einsum", method=False)
def einsum(equation: Any, *operands: Any) -> Any:
    """Sums of products by subscripts: ``einsum("ij,jk->ik", a, b)`` is ``a @ b``.

    Args:
        equation: the subscripts; or, in NumPy's other form, operands and lists of ints in turn.
        operands: the tensors, one for each term; or one sequence of them.
    Raises:
        RuntimeError: if the equation is malformed or does not fit the operands.
    """
    if isinstance(equation, str) and len(operands) == 1 and isinstance(operands[0], (tuple, list)):
        operands = tuple(operands[0])
    if not operands:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, or at least one operand and its subscripts list"
        )
    if not isinstance(equation, str):
        equation, operands = _from_lists((equation, *operands))
    for k, t in enumerate(operands):
        if not is_tensor(t):
            raise TypeError(f"expected Tensor as element {k} in argument 1, but got {class_name(t)}")
    equation = equation.replace(" ", "")
    if len(operands) == 1:
        (term,), result = _labels(equation, (operands[0].ndim,))
        if set(term) == set(result):  # nothing is summed: a view
            return _rearranged(operands[0], term, result)
    return ops._einsum(tuple(operands), equation)


def _rearranged(view: Any, term: str, result: str) -> Any:
    """A tensor's diagonals along repeated subscripts, its dimensions in the order of those of the result."""
    for c in result:
        while term.count(c) > 1:
            i = term.index(c)
            j = term.index(c, i + 1)
            if view.shape[i] != view.shape[j]:
                raise RuntimeError(
                    f"einsum(): subscript {c} is repeated for operand 0 but the sizes don't match, {view.shape[j]} != {view.shape[i]}"
                )
            view = ops.diagonal(view, 0, i, j)
            term = term[:i] + term[i + 1 : j] + term[j + 1 :] + c
    return view.permute([term.index(c) for c in result])


def _from_lists(items: Sequence[Any]) -> tuple[str, tuple[Any, ...]]:
    """``(a, [0, 1], b, [1, 2], [0, 2])`` as an equation and its operands."""

    alphabet = string.ascii_uppercase + string.ascii_lowercase

    def letters(entry: Sequence[Any]) -> str:
        return "".join("..." if i is Ellipsis else alphabet[i] for i in entry)

    pairs = len(items) // 2
    equation = ",".join(letters(items[2 * i + 1]) for i in range(pairs))
    if len(items) % 2:
        equation += "->" + letters(items[-1])
    return equation, tuple(items[2 * i] for i in range(pairs))


def _terms(equation: str, ndims: Sequence[int]) -> tuple[list[str], str | None]:
    """The subscripts of each operand and of the result, checked in torch's order and words."""
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    if len(terms) > len(ndims):
        raise RuntimeError("einsum(): fewer operands were provided than specified in the equation")
    if len(terms) < len(ndims):
        raise RuntimeError("einsum(): more operands were provided than specified in the equation")
    at = 0
    for number, (term, ndim) in enumerate(zip(terms, ndims, strict=True)):
        plain = term.replace("...", "", 1)
        for i, c in enumerate(term):
            if c not in string.ascii_letters and c != ".":
                raise RuntimeError(
                    f"einsum(): invalid subscript given at index {at + i} in the equation string, subscripts must be in [a-zA-Z]"
                )
        if "." in plain:
            raise RuntimeError(f"einsum(): found '.' for operand {number} that is not part of any ellipsis")
        if "..." in term:
            if len(plain) > ndim:
                raise RuntimeError(
                    f"einsum(): the number of subscripts in the equation ({len(plain)}) is more than the number of "
                    f"dimensions ({ndim}) for operand {number}"
                )
        elif len(plain) != ndim:
            raise RuntimeError(
                f"einsum(): the number of subscripts in the equation ({len(plain)}) "
                f"does not match the number of dimensions ({ndim}) for operand {number} and no ellipsis was given"
            )
        at += len(term) + 1
    return terms, right if arrow else None


@functools.lru_cache(maxsize=1024)
def _labels(equation: str, ndims: tuple[int, ...]) -> tuple[tuple[str, ...], str]:
    """A letter for each dimension of each operand, those under an ellipsis too, and those of the result."""
    terms, result = _terms(equation, ndims)
    spare = [c for c in string.ascii_letters if c not in equation]
    width = max((ndim - len(t) + 3 for t, ndim in zip(terms, ndims, strict=True) if "..." in t), default=0)
    names = "".join(spare[:width])  # the dimensions under the ellipsis, aligned at their ends
    full = []
    for term, ndim in zip(terms, ndims, strict=True):
        count = ndim - len(term) + 3 if "..." in term else 0
        full.append(term.replace("...", names[width - count :]))
    if result is None:
        seen = "".join(full)
        return tuple(full), names + "".join(sorted(c for c in set(seen) - set(names) if seen.count(c) == 1))
    plain = result.replace("...", "", 1)
    for c in plain:
        if c not in string.ascii_letters:
            raise RuntimeError("einsum(): invalid subscript given in the output, subscripts must be in [a-zA-Z]")
        if plain.count(c) > 1:
            raise RuntimeError(f"einsum(): output subscript {c} appears more than once in the output")
        if not any(c in t for t in full):
            raise RuntimeError(f"einsum(): output subscript {c} does not appear in the equation for any input operand")
    return tuple(full), result.replace("...", names)


@op("_einsum", method=False, grad_name="ViewBackward0")
def _einsum(operands: Arrays, equation: str) -> Array:
    full, result = _labels(equation, tuple([x.ndim for x in operands]))
    for x in operands[1:]:
        if x.dtype != operands[0].dtype:
            a, b = (scalar_type(np.dtype(d.dtype)) for d in (operands[0], x))
            raise RuntimeError(f"expected scalar type {a} but found {b}")
    sizes: dict[str, int] = {}
    for number, (term, x) in enumerate(zip(full, operands, strict=True)):
        for c, n in zip(term, x.shape, strict=True):
            seen_size = sizes.get(c, 1)
            if n != seen_size and n != 1 and seen_size != 1:
                raise RuntimeError(
                    f"einsum(): subscript {c} has size {n} for operand {number} which does not broadcast with previously "
                    f"seen size {seen_size}"
                )
            if n != 1 or c not in sizes:
                sizes[c] = n
    arrays, parts = [], []
    for term, x in zip(full, operands, strict=True):
        ones = [i for i, c in enumerate(term) if x.shape[i] == 1 and sizes[c] != 1]
        arrays.append(x.squeeze(ones) if ones else x)
        parts.append("".join(c for i, c in enumerate(term) if i not in ones))
    kept = "".join(c for c in result if any(c in p for p in parts))
    dtype = np.dtype(operands[0].dtype)
    if CATEGORY[dtype] <= INTEGER and any(_summed(k, operands, full, result) for k in range(len(operands))):
        dtype = np.dtype(np.int64)  # that is a `sum`, which widens
        arrays = [x.astype(dtype) for x in arrays]
    return jnp.einsum(f"{','.join(parts)}->{kept}", *arrays, preferred_element_type=dtype)


def _summed(k: int, operands: Sequence[Array], full: Sequence[str], result: str) -> bool:
    """Whether one operand has a dimension that neither another nor the result has."""
    others = {*result}.union(*(term for i, term in enumerate(full) if i != k))
    return any(c not in others and (n != 1 or len(full) == 1) for c, n in zip(full[k], operands[k].shape, strict=True))


@composite("tensordot", "functional.tensordot", method=False)
def tensordot(a: Any, b: Any, dims: Any = 2, out: Any = None) -> Any:
    """Contract the last ``dims`` dimensions of ``a`` with the first of ``b``, or the two lists of dimensions given."""
    if registry.is_tensor(dims):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.ndim, b.ndim):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        first, second = tuple(range(-dims, 0)), tuple(range(dims))
    else:
        first, second = (tuple(d) if isinstance(d, (tuple, list)) else (d,) for d in dims)
    return ops._tensordot(a, b, first, second, **({} if out is None else {"out": out}))


@op(
    "_tensordot",
    method=False,
    out="tensordot: Expected the output tensor to have dtype {Made}, but got an output tensor with dtype {Given}",
    grad_name="ViewBackward0",
    saves=("a:b", "b:a"),
)
def _tensordot(a: Array, b: Array, first: tuple[int, ...], second: tuple[int, ...]) -> Array:
    if len(first) != len(second):
        raise RuntimeError("both dimension lists should have same length")
    if a.dtype != b.dtype:
        raise RuntimeError("both inputs should have same dtype")
    left = [normalize_dim(d, a.ndim) for d in first]
    right = [normalize_dim(d, b.ndim) for d in second]
    for i, j, k, m in zip(left, right, first, second, strict=True):
        if a.shape[i] == 1 or b.shape[j] == 1:  # a size 1 meets any: its sum is taken beforehand
            a = a if a.shape[i] == 1 else jnp.sum(a, i, keepdims=True, dtype=a.dtype)
            b = b if b.shape[j] == 1 else jnp.sum(b, j, keepdims=True, dtype=b.dtype)
        elif a.shape[i] != b.shape[j]:
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {a.shape[i]} in dim {k} and second has size "
                f"{b.shape[j]} in dim {m}"
            )
    return lax.dot_general(a, b, ((left, right), ((), ())))
