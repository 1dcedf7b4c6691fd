"""View functions that return a copy: ``expand_copy``, ``select_copy``, ... and their ``out=``.

What a view of this kind is stands in `view_functions.py`; here it is only cloned. That the copies are contiguous is torch's
choice.
"""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from torchlike._src.operators.registry import EXACT, composite
from torchlike._src.operators.support import int_list, other_dtype
from torchlike._src.tensor import layouts, view_functions as views
from torchlike._src.tensor.conversion import clone
from torchlike._src.tensor.core import Tensor
from torchlike._src.tensor.install import deliver


def copied(name: str, made: Any, out: Any) -> Any:
    """A view, or several, as dense copies of their own or in ``out``."""
    if isinstance(made, Tensor):
        copy = clone(made, memory_format=layouts.contiguous_format)
        if out is None:
            return copy
        if out.dtype is not copy.dtype:
            raise other_dtype(EXACT, copy.dtype.np, out.dtype.np)
        deliver(copy, out)
        return out
    if out is None:
        return tuple([copied(name, m, None) for m in made])
    if len(out) != len(made):
        raise RuntimeError(f"{name}_out() expected an out= argument of length {len(made)}, got {len(out)}")
    for m, o in zip(made, out, strict=True):
        copied(name, m, o)
    return None  # as torch does for lists of tensors


def _declare(name: str, view: Callable[..., Any], method: bool = False) -> None:
    signature = inspect.signature(view)
    gathers = any(p.kind is p.VAR_POSITIONAL for p in signature.parameters.values())

    @functools.wraps(view)
    def copy(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        if gathers and "size" in kwargs:
            args = (*args, kwargs.pop("size"))
        if gathers and "dims" in kwargs:
            args = (*args, kwargs.pop("dims"))
        return copied(name, view(*args, **kwargs), out)

    copy.__name__ = copy.__qualname__ = name
    copy.__doc__ = f"`{view.__name__}`, as a copy."
    composite(name, method=method)(copy)


def _slice(input: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Tensor:
    """``input[start:end:step]`` along ``dim``."""
    d = views.wrap_dim(dim, input.ndim)
    if step <= 0:
        raise RuntimeError("slice step must be positive")
    first, last, _ = slice(start, end).indices(input._aval().shape[d])
    return views.slice_along(input, d, first, max(first, last), step)


for _name, _view in {
    "alias": views.alias_, "as_strided": views.as_strided, "detach": views.detach, "diagonal": views.diagonal,
    "expand": views.expand, "permute": views.permute, "select": views.select, "slice": _slice, "split": views.split,
    "split_with_sizes": views.split_with_sizes, "squeeze": views.squeeze, "t": views.t, "transpose": views.transpose,
    "unbind": views.unbind, "unfold": views.unfold, "unsqueeze": views.unsqueeze, "view": views.view,
    "view_as_complex": views.view_as_complex, "view_as_real": views.view_as_real,
}.items():  # fmt: skip
    _declare(f"{_name}_copy", _view)


def _narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """`narrow`, with the error of torch's kernel for a dimension too far."""
    if input.ndim and dim >= input.ndim:
        raise RuntimeError(f"narrow_copy: expected dim < {input.ndim} for an input of {input.ndim} dimensions, got {dim}")
    if length < 0:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({input.shape[dim]}).")
    return views.narrow(input, dim, start, length)


_declare("narrow_copy", _narrow, method=True)


@composite("as_strided_scatter")
def as_strided_scatter(
    input: Tensor, src: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> Tensor:
    """A copy of ``input`` in which the window with these sizes and strides holds ``src``."""
    out = clone(input)
    window = views.as_strided(out, size, stride, storage_offset)
    if src.shape != window.shape:
        raise RuntimeError(
            f"expected src to have a size equal to the slice of self. src size = {list(src.shape)}, slice size = "
            f"{list(window.shape)}"
        )
    window.copy_(src)
    return out


@composite("sum_to_size", method=True)
def sum_to_size(self: Tensor, *size: Any) -> Tensor:
    """``self`` summed over the dimensions along which ``size`` was broadcast to its shape."""
    shape, wanted = self._aval().shape, int_list(size, "sum_to_size")
    lead = len(shape) - len(wanted)
    if lead < 0 or any(n not in (1, m) for n, m in zip(wanted, shape[lead:], strict=True)):
        raise RuntimeError(f"size {{{list(wanted)}}} is not expandable to size {{{list(shape)}}}.")
    axes = (*range(lead), *[lead + i for i, n in enumerate(wanted) if n == 1 and shape[lead + i] != 1])
    if not wanted:
        return self.sum()  # which widens integers, also one alone
    return views.view(self.sum(axes, keepdim=True), wanted) if axes else self
