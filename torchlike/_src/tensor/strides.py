"""How results lie in memory: the strides torch gives them. Only Python's numbers here; nothing is moved."""

import functools

#: Shape and strides of each tensor that an op reads.
Operands = tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]


_contiguous: dict[tuple[int, ...], tuple[int, ...]] = {}


def contiguous_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Row-major strides, in elements."""
    found = _contiguous.get(shape)
    if found is None:
        found = _contiguous[shape] = in_order(shape, range(len(shape)))
    return found


def in_order(shape: tuple[int, ...], order: object) -> tuple[int, ...]:
    """Dense strides with the dimensions in this order, from outer to inner."""
    out = [0] * len(shape)
    step = 1
    for d in reversed(list(order)):  # type: ignore[call-overload]
        out[d] = step
        step *= max(shape[d], 1)
    return tuple(out)


@functools.lru_cache(maxsize=4096)
def dense_like(shape: tuple[int, ...], strides: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of a dense copy whose dimensions are ordered as these: torch's preserve_format."""
    return strides if is_dense(shape, strides) else _sorted(shape, [strides])


def equal(shape: tuple[int, ...], strides: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether strides are the same where they matter: along dimensions of more than one element."""
    return all(n == 1 or a == b for n, a, b in zip(shape, strides, wanted, strict=True))


def is_dense(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    """Whether the elements fill one block of memory without overlap, in whatever order."""
    step = 1
    for s, n in sorted((s, n) for n, s in zip(shape, strides, strict=True) if n != 1):
        if s != step:
            return False
        step *= n
    return True


def is_channels_last(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    """Whether channels vary fastest: torch's guess of a tensor's memory format."""
    if len(shape) not in (4, 5):
        return False
    least = 0
    if strides[1] == 0:
        return False
    for d in (1, *range(len(shape) - 1, 1, -1), 0):
        if shape[d] == 0 or strides[d] < least:
            return False
        if d == 0 and least == strides[1]:  # N111: nothing tells the formats apart
            return False
        least = strides[d] * (shape[d] if shape[d] > 1 else 1)
    return True


def channels_last_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides of a tensor (N, C, *) whose channels vary fastest."""
    return in_order(shape, (0, *range(2, len(shape)), 1))


@functools.lru_cache(maxsize=4096)
def strides_of_result(layout: str, shape: tuple[int, ...], operands: Operands) -> tuple[int, ...] | None:
    """The strides of a result, None for contiguous ones.

    Args:
        layout: ``"elementwise"``, ``"first"`` or ``"format"``, see `registry.op`.
        shape: the result's.
        operands: what the op reads, in order.
    """
    if any(len(own) > len(shape) for own, _ in operands) and layout == "elementwise":
        found: tuple[int, ...] | None = None  # a loss that was reduced
    elif layout == "elementwise":
        found = _elementwise(shape, operands)
    elif layout == "format":
        found = channels_last_strides(shape) if len(shape) in (4, 5) and all(is_channels_last(*o) for o in operands) else None
    else:
        own, strides = operands[0]
        if own == shape:
            found = dense_like(own, strides)
        else:  # the order of dimensions is kept, if these are the same
            found = strides_in_order_of(shape, ((shape, strides),)) if len(own) == len(shape) else None
    return None if found is None or found == contiguous_strides(shape) else found


def _elementwise(shape: tuple[int, ...], operands: Operands) -> tuple[int, ...]:
    """TensorIterator's rule: one layout that all share, or else dimensions sorted by the strides of the first that tells."""
    if all(o[0] == shape for o in operands):
        for wanted in (contiguous_strides(shape), *([channels_last_strides(shape)] if len(shape) in (4, 5) else [])):
            if all(equal(shape, strides, wanted) for _, strides in operands):
                return wanted
        first = operands[0][1]
        if all(strides == first for _, strides in operands) and is_dense(shape, first):
            return first
    return strides_in_order_of(shape, operands)


@functools.lru_cache(maxsize=4096)
def strides_in_order_of(shape: tuple[int, ...], operands: Operands) -> tuple[int, ...]:
    """Dense strides, the dimensions in the order that the strides of the operands, which broadcast to the shape, ask for."""
    return _sorted(shape, [_broadcast(shape, *o) for o in operands])


def _sorted(shape: tuple[int, ...], known: list[tuple[int, ...]]) -> tuple[int, ...]:
    """Dense strides, the dimensions in the order that the strides of the first operand that tells ask for."""
    order = list(range(len(shape) - 1, -1, -1))  # from inner to outer
    for i in range(1, len(order)):
        at = i
        for before in range(i - 1, -1, -1):
            verdict = _compare(order[before], order[at], shape, known)
            if verdict > 0:
                order[before], order[at] = order[at], order[before]
                at = before
            elif verdict < 0:
                break
    return in_order(shape, reversed(order))


def _broadcast(shape: tuple[int, ...], own: tuple[int, ...], strides: tuple[int, ...]) -> tuple[int, ...]:
    lead = len(shape) - len(own)
    return (0,) * lead + tuple([0 if n == 1 and m != 1 else s for n, m, s in zip(own, shape[lead:], strides, strict=True)])


def _compare(a: int, b: int, shape: tuple[int, ...], known: list[tuple[int, ...]]) -> int:
    """Positive if ``a`` belongs outside of ``b``, negative if inside, zero if nothing tells."""
    for strides in known:
        if strides[a] == 0 or strides[b] == 0 or (strides[a] == strides[b] and shape[a] <= shape[b]):
            continue
        return 1 if strides[a] >= strides[b] else -1
    return 0
