"""``rearrange``: reshaping and transposing by a pattern of names."""

import math
import re
from collections.abc import Sequence

from torchlike._src.operators.registry import ops
from torchlike._src.tensor.core import Tensor

Groups = list[list[str]]


class Joined(list[str]):
    """Names in parentheses."""


def rearrange(tensor: Tensor | Sequence[Tensor], pattern: str, **axes_lengths: int) -> Tensor:
    """The elements of a tensor in other dimensions, told by names: ``rearrange(x, "b (h w) c -> b c h w", h=4)``.

    Args:
        tensor: one, or several of one shape, which are stacked along a new first dimension.
        pattern: the dimensions before and after ``->``; parentheses join several into one, ``...`` stands for any number of
            dimensions, ``1`` for one of size 1.
        axes_lengths: sizes of names that are joined on the left; one in each parenthesis may be left out.
    Raises:
        ValueError: if the pattern does not fit.
    """
    if not isinstance(tensor, Tensor):
        tensor = ops.stack(list(tensor))
    left, right = _sides(pattern)
    rest = tensor.ndim - (len(left) - (["..."] in left))
    if rest < 0 or (rest and ["..."] not in left):
        raise ValueError(f"Number of dimensions in pattern ({len(left)}) and tensor ({tensor.ndim}) must be equal: {pattern!r}")
    between = [f"...{i}" for i in range(rest)]
    left = [g for group in left for g in ([[name] for name in between] if group == ["..."] else [group])]
    sizes = dict(axes_lengths)
    for group, n in zip(left, tensor.shape, strict=True):
        _solve(group, n, sizes, pattern)
    names = [name for group in left for name in group if name != "1"]
    groups = [
        g for group in right for g in (
            [[name] for name in between] if group == ["..."] and not isinstance(group, Joined) else [_spread(group, between)]
        )
    ]  # fmt: skip
    order = [name for group in groups for name in group if name != "1"]
    if sorted(order) != sorted(names):
        raise ValueError(f"Identifiers only on one side of the pattern, or repeated: {pattern!r}")
    unknown = [name for name in axes_lengths if name not in names]
    if unknown:
        raise ValueError(f"Sizes of axes that are not in the pattern: {unknown} in {pattern!r}")
    apart = tensor.reshape([sizes[name] for name in names])
    moved = apart.permute([names.index(name) for name in order])
    return moved.reshape([math.prod(sizes[name] for name in group if name != "1") for group in groups])


def _spread(group: list[str], between: list[str]) -> list[str]:
    return [n for name in group for n in (between if name == "..." else [name])]


def _sides(pattern: str) -> tuple[Groups, Groups]:
    sides = pattern.split("->")
    if len(sides) != 2:
        raise ValueError(f"Pattern must contain exactly one '->' separator: {pattern!r}")
    return _parse(sides[0], pattern), _parse(sides[1], pattern)


def _parse(side: str, pattern: str) -> Groups:
    groups: Groups = []
    joined: list[str] | None = None
    for token in re.findall(r"\.\.\.|\w+|\S", side):
        if token == "(" and joined is None:
            joined = Joined()
        elif token == ")" and joined is not None:
            groups.append(joined)
            joined = None
        elif token == "..." or token == "1" or token.isidentifier():
            if joined is None:
                groups.append([token])
            else:
                joined.append(token)
        else:
            raise ValueError(f"Unexpected {token!r} in pattern {pattern!r}")
    named = [name for group in groups for name in group if name != "1"]
    if joined is not None or len(set(named)) != len(named):
        raise ValueError(f"An open parenthesis, or a name used twice on one side of pattern {pattern!r}")
    return groups


def _solve(group: list[str], n: int, sizes: dict[str, int], pattern: str) -> None:
    """Work out the sizes of the names that are joined to a dimension of size ``n``."""
    open_ = [name for name in group if name != "1" and name not in sizes]
    known = math.prod(sizes[name] for name in group if name in sizes)
    if len(open_) > 1 or n % max(known, 1) or (not open_ and known != n):
        raise ValueError(f"A dimension of size {n} does not fit {' '.join(group)!r} in pattern {pattern!r}; give sizes by name")
    if open_:
        sizes[open_[0]] = n // known if known else 0
