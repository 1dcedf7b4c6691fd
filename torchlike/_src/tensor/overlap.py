"""Whether two tensors on one storage show the same elements: what torch refuses to write to while it reads."""

from typing import Any

from torchlike._src.tensor.strides import is_dense


def resolved_first(a: Any, b: Any) -> bool:
    """Whether one of two tensors on a storage is a conjugate or a negative: torch copies it, so that nothing overlaps."""
    return any(t._chain is not None and (t.is_conj() or t.is_neg()) for t in (a, b))


def overlaps(a: Any, b: Any) -> bool:
    """Whether two dense tensors on a storage share elements; False where strides make it hard to say."""
    if resolved_first(a, b):
        return False
    return (a is b and a._aval().size > 0) or _shows_the_same(a, b) or overlaps_in_part(a, b)


def _same_place(a: Any, b: Any) -> bool:
    n, m = a._aval(), b._aval()
    if n.shape != m.shape or n.dtype.itemsize != m.dtype.itemsize:
        return False
    return a.storage_offset() == b.storage_offset() and a.stride() == b.stride()


def _shows_the_same(a: Any, b: Any) -> bool:
    n = a._aval()
    return n.size > 0 and _same_place(a, b) and is_dense(n.shape, a.stride())


def overlaps_in_part(a: Any, b: Any) -> bool:
    """Whether two dense tensors on a storage share some, but not all elements; False where strides make it hard to say."""
    n, m = a._aval(), b._aval()
    if not n.size or not m.size:
        return False
    if _same_place(a, b) or not (is_dense(n.shape, a.stride()) and is_dense(m.shape, b.stride())):
        return False
    start, other = a.storage_offset() * n.dtype.itemsize, b.storage_offset() * m.dtype.itemsize
    end, other_end = start + n.size * n.dtype.itemsize, other + m.size * m.dtype.itemsize
    if (start, end) == (other, other_end):
        return a.stride() != b.stride()
    return start < other_end and other < end
