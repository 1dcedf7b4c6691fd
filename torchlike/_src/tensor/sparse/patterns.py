"""Where the elements of sparse tensors stand: NumPy on the host, no tensors here.

A pattern is an integer array ``(dims, n)``: one column for each element, as the indices of a COO tensor.
"""

from collections.abc import Sequence
from math import prod

import numpy as np


def flat(pattern: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Each column as one number, in the order of the elements.

    Raises:
        RuntimeError: if there are more places than 64 bits can count.
    """
    if prod(size) >= 2**63:
        raise RuntimeError(f"a sparse tensor of size {list(size)} has more places than 64 bits can count")
    out = np.zeros(pattern.shape[1], np.int64)
    for row, n in zip(pattern, size, strict=True):
        out = out * n + row
    return out


def unflat(numbers: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """The inverse of `flat`."""
    out = np.zeros((len(size), len(numbers)), np.int64)
    for d in range(len(size) - 1, -1, -1):
        if len(numbers):
            out[d], numbers = numbers % size[d], numbers // size[d]
    return out


def unique(pattern: np.ndarray, size: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """The pattern in order and without repetitions, and for each old column its number in it."""
    numbers, inverse = np.unique(flat(pattern, size), return_inverse=True)
    return unflat(numbers, size), inverse.reshape(-1).astype(np.int64)


def common(a: np.ndarray, b: np.ndarray, size: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What two patterns without repetitions share, and where that stands in each."""
    numbers, left, right = np.intersect1d(flat(a, size), flat(b, size), assume_unique=True, return_indices=True)
    return unflat(numbers, size), left, right


def product(a: np.ndarray, b: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The pattern of a matrix product: ``(pattern, left, right, into)``.

    The result's element ``into[k]`` gets the product of ``a``'s element ``left[k]`` and ``b``'s element ``right[k]``.
    """
    order = np.argsort(b[0], kind="stable")
    rows = b[0][order]
    start, stop = np.searchsorted(rows, a[1], "left"), np.searchsorted(rows, a[1], "right")
    count = stop - start
    left = np.repeat(np.arange(a.shape[1]), count)
    within = np.arange(len(left)) - np.repeat(np.cumsum(count) - count, count)
    right = order[np.repeat(start, count) + within]
    pattern, into = unique(np.stack([a[0][left], b[1][right]]), size)
    return pattern, left, right, into


def expanded(compressed: np.ndarray, plain: np.ndarray, swapped: bool, block: tuple[int, int] | None) -> np.ndarray:
    """The pattern of a compressed tensor, one column for each stored number, in their order.

    Args:
        compressed: shape ``(*batch, rows + 1)``; ``plain``: ``(*batch, n)``.
        swapped: columns are compressed, not rows (CSC, BSC).
        block: the size of the blocks that each element is.
    """
    batch = plain.shape[:-1]
    starts = compressed.reshape(prod(batch), compressed.shape[-1]).astype(np.int64)
    count = np.diff(starts, axis=1)
    major = np.concatenate([np.repeat(np.arange(count.shape[1]), c) for c in count] or [np.zeros(0, np.int64)])
    minor = plain.reshape(-1).astype(np.int64)
    lead = unflat(np.repeat(np.arange(prod(batch)), plain.shape[-1]), batch)
    row, column = (minor, major) if swapped else (major, minor)
    if block is None:
        return np.concatenate([lead, row[None], column[None]])
    high, wide = block
    row = (row[:, None, None] * high + np.arange(high)[None, :, None] + np.zeros((1, 1, wide), np.int64)).reshape(-1)
    column = (column[:, None, None] * wide + np.arange(wide)[None, None, :] + np.zeros((1, high, 1), np.int64)).reshape(-1)
    return np.concatenate([np.repeat(lead, high * wide, axis=1), row[None], column[None]])


def compressed(pattern: np.ndarray, size: Sequence[int], swapped: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A pattern without repetitions as ``(compressed, plain, order)``; its elements are to be taken in ``order``.

    Raises:
        RuntimeError: if the matrices of a batch hold different numbers of elements.
    """
    batch = tuple(size[:-2])
    row, column = pattern[-2], pattern[-1]
    major, minor, n = (column, row, size[-1]) if swapped else (row, column, size[-2])
    lead = flat(pattern[:-2], batch)
    order = np.lexsort((minor, major, lead))
    counts = np.zeros((prod(batch), n), np.int64)
    np.add.at(counts, (lead, major), 1)
    each = counts.sum(axis=1)
    if len(set(each.tolist())) > 1:
        raise RuntimeError("Expect the same number of specified elements per batch.")
    starts = np.concatenate([np.zeros((len(counts), 1), np.int64), np.cumsum(counts, axis=1)], axis=1)
    count = int(each[0]) if len(each) else 0
    return starts.reshape(*batch, n + 1), minor[order].reshape(*batch, count), order
