"""Random programs over tensors, views and writes: how they are drawn; `side_by_side` runs them in two libraries.

A program is a list of lines of Python about ``torch`` and tensors ``t0``, ``t1``, ...; one that fails is printed, and can be
pasted into a file as it is. It is drawn while real torch runs it, since what makes sense next depends on shapes, dtypes and
values; about one line in twenty makes no sense on purpose, so that exceptions are compared too.
"""

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from tests.side_by_side import Side, floats, refused, rounded_bits, too_large
from torchlike._src.tensor.strides import is_dense
from torchlike.testing.conformance.bridge import name_of

#: Few shapes, dtypes and numbers, so that the programs of single ops are soon compiled, and found again.
SHAPES = [(), (1,), (3,), (4,), (6,), (2, 3), (3, 4), (4, 4), (1, 4), (3, 1), (2, 3, 4), (2, 2, 3), (0,), (2, 0)]
DTYPES = ["float32"] * 5 + ["int64", "int32", "uint8", "bool", "float64", "float16", "complex64"]
NUMBERS = [0, 1, 2, -1, 3]
_TURNED = re.compile(r"(t\d+)\.(?:t|squeeze|unsqueeze|transpose|swapaxes)_\(")


class Draw:
    """Draws one line after the other.

    Args:
        roll: ``roll(n)`` is an integer from 0 to n - 1.
        env: the names that the program has made so far, in real torch.
    """

    def __init__(self, roll: Callable[[int], int], env: dict[str, Any]) -> None:
        self.roll, self.env = roll, env
        self.count = 0

    def pick(self, items: Any) -> Any:
        return items[self.roll(len(items))]

    def chance(self, percent: int) -> bool:
        return self.roll(100) >= 100 - percent  # so that hypothesis shrinks to "no"

    def names(self) -> list[str]:
        return [k for k, v in self.env.items() if isinstance(v, torch.Tensor)]

    def new(self) -> str:
        self.count += 1
        return f"t{self.count - 1}"

    def tensor(self, fits: Callable[[torch.Tensor], bool] = lambda t: True) -> str | None:
        found = [k for k in self.names() if _holds(fits, self.env[k])]
        return self.pick(found) if found else None

    def dim(self, t: torch.Tensor) -> int:
        n = max(t.ndim, 1)
        return self.roll(2 * n) - n if not self.chance(3) else n

    def shares(self, t: torch.Tensor) -> Callable[[torch.Tensor], bool]:
        """Whether it is undefined in torch to read a tensor while ``t`` is written to."""
        where = t.untyped_storage().data_ptr()

        def shared(o: torch.Tensor) -> bool:
            if o is t or o.untyped_storage().data_ptr() != where:
                return False
            same = (o.shape, o.stride(), o.storage_offset()) == (t.shape, t.stride(), t.storage_offset())
            return not same and not all(is_dense(tuple(x.shape), x.stride()) for x in (o, t))

        return shared

    def number(self, dtype: torch.dtype) -> str:
        if dtype is torch.bool:
            return self.pick(["True", "False", "1"])
        if dtype.is_complex and self.chance(30):
            return "(1-2j)"
        if (dtype.is_floating_point or dtype.is_complex) and self.chance(60):
            return self.pick(["0.5", "-1.5", "2.0", "0.25"])
        return str(self.pick(NUMBERS[:3] if dtype is torch.uint8 else NUMBERS))

    def like(self, t: torch.Tensor, percent: int = 90) -> str | None:
        """A tensor that broadcasts to the shape of ``t``, mostly."""
        if not self.chance(percent):
            return self.tensor(lambda o: not self.shares(t)(o) and _goes_with(o, t))

        shared = self.shares(t)

        def fits(o: torch.Tensor) -> bool:
            return (
                not shared(o)
                and _goes_with(o, t)
                and o.ndim <= t.ndim
                and all(n in (1, m) for n, m in zip(reversed(o.shape), reversed(t.shape), strict=False))
            )

        return self.tensor(fits)

    def operand(self, t: torch.Tensor) -> str:
        name = None if self.chance(35) else self.like(t)
        return name or self.number(t.dtype)

    def literal(self, shape: tuple[int, ...], dtype: str, high: int | None = None) -> str:
        """An expression for a new tensor; its numbers are small multiples of a half, so that most sums are exact."""
        n = math.prod(shape)
        if high is not None:
            data: list[Any] = [self.roll(high) for _ in range(min(n, 4))]
        elif dtype == "bool":
            data = [self.roll(2) == 1 for _ in range(min(n, 4))]
        elif dtype.startswith(("int", "uint")):
            data = [self.roll(5) - (0 if dtype == "uint8" else 2) for _ in range(min(n, 4))]
        elif dtype.startswith("complex"):
            data = [complex(self.roll(5) - 2, self.roll(3) - 1) for _ in range(min(n, 4))]
        else:
            data = [(self.roll(9) - 4) / 2 for _ in range(min(n, 4))]
        step = 0 if high is not None or dtype == "bool" else 1
        data = [data[i % 4] + i // 4 if step else data[i % 4] for i in range(n)]
        if not n:
            return f"torch.zeros({shape}, dtype=torch.{dtype})"
        nested = np.array(data, dtype=object).reshape(shape).tolist() if shape else data[0]
        return f"torch.tensor({nested}, dtype=torch.{dtype})"

    def line(self) -> str:
        names = self.names()
        if len(names) > 7 and self.chance(60):
            return f"del {self.pick(names)}"
        for _ in range(8):
            kind = self.pick(KINDS) if len(names) >= 2 else "leaf"
            line = getattr(self, "_" + kind)()
            if line is None:
                continue
            turned = _TURNED.match(line)
            if turned and self.env[turned[1]].requires_grad:
                return line  # without a history of it, torch's own gradients have the shape of what was turned
            return f"with torch.no_grad(): {line}" if kind in ("view", "write", "value") and self.chance(6) else line
        return self._leaf()

    def _leaf(self) -> str:
        dtype = self.pick(DTYPES)
        made = self.literal(self.pick(SHAPES), dtype)
        if dtype.startswith(("float", "complex")) and self.chance(45):
            made = f"{made[:-1]}, requires_grad=True)"
        return f"{self.new()} = {made}"

    def _view(self) -> str | None:
        name = self.tensor()
        assert name is not None
        made = self.pick(VIEWS)(self, name, self.env[name])
        if made is None:
            return None
        if made.startswith("*"):
            return ", ".join(self.new() for _ in range(int(made[1]))) + f", *_ = {made[2:]}"
        return f"{self.new()} = {made}"

    def _write(self) -> str | None:
        name = self.tensor(lambda t: t.grad_fn is not None or not t.requires_grad) if self.chance(90) else self.tensor()
        if name is None or torch._debug_has_internal_overlap(self.env[name]) == 2:
            return None  # elements that lie in one place: which write wins is an accident
        if torch._debug_has_internal_overlap(self.env[name]) == 1:
            if self.env[name].requires_grad:
                return None
            return f"{name}.{self.pick(['add_(1)', 'fill_(1)', 'sin_()', f'copy_({self.pick(self.names())})'])}"
        return self.pick(WRITES)(self, name, self.env[name])

    def _value(self) -> str | None:
        name = self.tensor()
        assert name is not None
        made = self.pick(VALUES)(self, name, self.env[name])
        return None if made is None else f"{self.new()} = {made}"

    def _grad(self) -> str | None:
        return self.pick(GRADS)(self)


def _goes_with(a: torch.Tensor, b: torch.Tensor) -> bool:
    """JAX has no complex32, to which torch promotes halves and complex numbers."""
    return torch.float16 not in (a.dtype, b.dtype) or not (a.is_complex() or b.is_complex())


def _holds(fits: Callable[[torch.Tensor], bool], t: torch.Tensor) -> bool:
    try:
        return fits(t)
    except RuntimeError:  # a view whose history torch cannot tell
        return False


KINDS = ["view"] * 8 + ["write"] * 8 + ["value"] * 5 + ["leaf"] * 2 + ["grad"] * 2

# Views


def _index(d: Draw, t: torch.Tensor) -> str:
    items = []
    for n in t.shape[: d.roll(t.ndim + 1)]:
        what = d.roll(6)
        if what == 0 and n:
            items.append(str(d.roll(2 * n) - n))
        elif what in (1, 2) and n:
            start, step = d.roll(n), d.pick([1, 1, 2])
            items.append(f"{start}:{start + 1 + d.roll(n - start)}" + (f":{step}" if step > 1 else ""))
        elif what == 3:
            items.append("None")
        elif what == 4:
            items.append(d.pick(["-2:", ":-1", "1:", "::2", ":0", ":"]))
        else:
            items.append(":")
    if d.chance(10):
        items.insert(d.roll(len(items) + 1), "...")
    if d.chance(3) and t.ndim:  # of a number torch reads a size that is not there
        items.append(d.pick(["9", "None", "1.5"]))
    return ", ".join(items) or d.pick(["...", "None", ":" if t.ndim else "()"])


def _size(d: Draw, t: torch.Tensor) -> tuple[int, ...]:
    n = t.numel()
    sizes = [(n,), (-1,), (1, n), (n, 1), (1, -1, 1)]
    sizes += [(k, n // k) for k in (2, 3, 4) if n % k == 0] + [(2, -1), (2, 2, -1)]
    return d.pick(sizes)


def _as_strided(d: Draw, name: str, t: torch.Tensor) -> str | None:
    room = t.untyped_storage().nbytes() // t.element_size()
    if t.requires_grad and t._is_view():
        return None  # torch gives no gradient to what the view does not show
    size = d.pick([(2,), (2, 2), (3,), (1, 2), ()])
    stride = tuple(d.pick([1, 1, 2, 3, 0]) for _ in size)
    offset = d.roll(3)
    if sum((n - 1) * s for n, s in zip(size, stride, strict=True)) + offset >= room or t.is_conj():
        return None
    return (
        f"{name}.as_strided({size}, {stride}, {offset})"
        if d.chance(70) or t.storage_offset()
        else f"{name}.as_strided({size}, {stride})"
    )


def _expand(d: Draw, name: str, t: torch.Tensor) -> str:
    size = [n if n != 1 or d.chance(30) else d.pick([3, 4]) for n in t.shape]
    return f"{name}.expand({[d.pick([2, 1]), *size] if d.chance(40) else [-1 if d.chance(20) else n for n in size]})"


def _permute(d: Draw, name: str, t: torch.Tensor) -> str:
    dims = list(range(t.ndim))
    for i in range(t.ndim - 1):
        j = i + d.roll(t.ndim - i)
        dims[i], dims[j] = dims[j], dims[i]
    return f"{name}.permute({dims})"


VIEWS: list[Callable[[Draw, str, torch.Tensor], str | None]] = [
    lambda d, n, t: f"{n}[{_index(d, t)}]",
    lambda d, n, t: f"{n}[{_index(d, t)}]",
    lambda d, n, t: f"{n}[{_index(d, t)}]",
    lambda d, n, t: f"{n}.transpose({d.dim(t)}, {d.dim(t)})",
    lambda d, n, t: f"{n}.t()" if t.ndim <= 2 or d.chance(5) else f"{n}.mT",
    _permute,
    _expand,
    _expand,
    lambda d, n, t: f"{n}.reshape({_size(d, t)})",
    lambda d, n, t: f"{n}.view({_size(d, t)})",
    lambda d, n, t: f"{n}.flatten({d.dim(t)}, -1)",
    lambda d, n, t: f"{n}.squeeze({d.pick(['', d.dim(t)])})",
    lambda d, n, t: f"{n}.unsqueeze({d.dim(t)})",
    lambda d, n, t: f"{n}.select({d.dim(t)}, 0)",
    lambda d, n, t: f"{n}.narrow({d.dim(t)}, {d.roll(2)}, {d.roll(3)})",
    lambda d, n, t: f"{n}.diagonal({d.roll(3) - 1}, {d.dim(t)}, {d.dim(t)})" if t.ndim > 1 else None,
    lambda d, n, t: f"{n}.unfold({d.dim(t)}, {d.pick([2, 1, 3])}, {d.pick([1, 2])})",
    _as_strided,
    _as_strided,
    lambda d, n, t: f"*1{n}.chunk({d.pick([2, 3])}, {d.dim(t)})",
    lambda d, n, t: f"*1{n}.split({d.pick([1, 2, 3])}, {d.dim(t)})",
    lambda d, n, t: f"*2{n}.unbind({d.dim(t)})" if t.ndim else None,
    lambda d, n, t: f"*2{n}.tensor_split({d.pick(['2', '3', '(1, 2)'])}, {d.dim(t)})",
    lambda d, n, t: f"torch.view_as_real({n})" if t.is_complex() else None,
    lambda d, n, t: f"{n}.real" if t.is_complex() or d.chance(20) else None,
    lambda d, n, t: f"{n}.imag" if t.is_complex() or d.chance(5) else None,
    lambda d, n, t: f"{n}.conj()" if t.is_complex() or d.chance(20) else None,
    lambda d, n, t: f"torch.view_as_complex({n})" if t.dtype == torch.float32 and t.shape[-1:] == (2,) else None,
    lambda d, n, t: f"{n}.view(torch.{d.pick(['int32', 'float32', 'uint8', 'int64'])})" if t.dtype in (torch.float32, torch.int32) else None,
    lambda d, n, t: f"{n}.detach()",
    lambda d, n, t: f"{n}.detach()",
    lambda d, n, t: f"{n}.movedim({d.dim(t)}, {d.dim(t)})",
    lambda d, n, t: f"{n}.swapaxes({d.dim(t)}, {d.dim(t)})",
    lambda d, n, t: f"{n}.unflatten({d.dim(t)}, (-1, {d.pick([1, 2])}))" if t.ndim else None,
    lambda d, n, t: f"{n}.contiguous()",
    lambda d, n, t: f"{n}.{d.pick(['T', 'mT', 'H'])}" if t.ndim == 2 else None,
    lambda d, n, t: f"{n}.alias()" if False else f"{n}.view_as({n})",
]  # fmt: skip

# Writes


def _rows(d: Draw, t: torch.Tensor, n: int, size: int) -> str:
    return d.literal((n,), "int64", high=max(size, 1))


def _index_write(method: str, tail: str = "") -> Callable[[Draw, str, torch.Tensor], str | None]:
    def made(d: Draw, name: str, t: torch.Tensor) -> str | None:
        if t.ndim == 0 or 0 in t.shape:
            return None
        dim = d.roll(t.ndim)
        k = t.shape[dim] if d.chance(50) else 1
        # Where a row is named twice, the last one wins in torch by accident of its loops.
        where = _rows(d, t, k, t.shape[dim]) if "copy" not in method or k == 1 else f"torch.arange({k})"
        if method == "index_fill_":
            return f"{name}.index_fill_({dim}, {where}, {d.number(t.dtype)})"
        shape = list(t.shape)
        shape[dim] = k
        source = d.tensor(lambda o: list(o.shape) == shape and o.dtype == t.dtype and not d.shares(t)(o))
        return f"{name}.{method}({dim}, {where}, {source or d.literal(tuple(shape), name_of(t.dtype))}{tail})"

    return made


def _scatter(d: Draw, name: str, t: torch.Tensor) -> str | None:
    if t.ndim == 0 or 0 in t.shape:
        return None
    dim = d.roll(t.ndim)
    shape = tuple(1 if k == dim else n for k, n in enumerate(t.shape))
    index = d.literal(shape, "int64", high=t.shape[dim])
    if d.chance(30):
        return f"{name}.scatter_({dim}, {index}, {d.number(t.dtype)})"
    # torch cannot differentiate by a source that is larger than the index.
    source = d.tensor(lambda o: o.shape == shape and o.dtype == t.dtype and not d.shares(t)(o)) or d.literal(
        shape, name_of(t.dtype)
    )
    return f"{name}.{d.pick(['scatter_', 'scatter_add_'])}({dim}, {index}, {source})"


def _mask(d: Draw, t: torch.Tensor) -> str:
    found = d.tensor(lambda o: o.dtype == torch.bool and o.shape == t.shape)
    return found if found and d.chance(60) else f"({d.literal(tuple(t.shape), 'bool')})"


def _copy(d: Draw, name: str, t: torch.Tensor) -> str | None:
    other = d.like(t)
    if other is None or not _castable(d.env[other], t.dtype):
        return None
    return f"{name}.copy_({other})"


def _set(d: Draw, name: str, t: torch.Tensor) -> str | None:
    index = _index(d, t)
    try:
        view = t[eval(f"np.s_[{index}]", {"np": np})]
    except Exception:
        return f"{name}[{index}] = 1"
    value = d.operand(view)
    if value in d.env:
        given = d.env[value]
        undifferentiable = t.is_complex() and not given.is_complex() and given.ndim == 0  # torch fails to differentiate that
        if _one_storage(given, t) or not _castable(given, t.dtype) or undifferentiable:
            value = d.number(t.dtype)
    return f"{name}[{index}] = {value}"


def _set_at(d: Draw, name: str, t: torch.Tensor) -> str | None:
    if t.ndim == 0 or 0 in t.shape:
        return None
    if d.chance(50):
        return f"{name}[{_mask(d, t)}] = {d.number(t.dtype)}"
    where = [d.roll(t.shape[0])]
    rest = (len(where), *t.shape[1:])
    source = d.tensor(lambda o: tuple(o.shape) == rest and o.dtype == t.dtype and not d.shares(t)(o))
    return f"{name}[{where}] = {source or d.number(t.dtype)}"


def _augmented(d: Draw, name: str, t: torch.Tensor) -> str | None:
    index = _index(d, t)
    if t.ndim and d.chance(20):
        index = d.pick([f"[{d.roll(max(t.shape[0], 1))}]", f"..., {_rows(d, t, 1, t.shape[-1])}", _mask(d, t)])
    if 0 in t.shape:
        return None
    return f"{name}[{index}] {d.pick(['+=', '*=', '-=' if t.dtype != torch.bool else '+='])} {d.number(t.dtype)}"


def _put_in_place(d: Draw, name: str, t: torch.Tensor) -> str | None:
    if t.ndim == 0 or 0 in t.shape:
        return None
    dtype = name_of(t.dtype)
    if d.chance(30):
        mask = _mask(d, t)
        found = int(eval(mask, dict(d.env)).sum())
        return f"{name}[{mask}] = {d.literal((found,), dtype)}"
    k = d.pick([1, 2])  # of two that are one, the last wins by accident
    value = d.literal(d.pick([(), (1,), tuple(t.shape[1:])]), dtype)
    rows = _rows(d, t, k, t.shape[0])
    return f"{name}.index_put_(({rows},), {value}, accumulate={k == 2})"


def _castable(source: torch.Tensor, dtype: torch.dtype) -> bool:
    """Whether a cast is defined: C++ leaves open what becomes of floats that an integer type cannot hold."""
    if dtype.is_floating_point or dtype.is_complex or not floats(source):
        return True
    if source.requires_grad:  # an integer tensor with a history: torch half believes in it
        return False
    with torch.no_grad():
        values = source.detach().resolve_conj()
        values = values.real if values.is_complex() else values
        low = 0 if dtype is torch.uint8 else -200
        return bool(((values >= low) & (values <= 200)).all())


def _addmm(d: Draw, name: str, t: torch.Tensor) -> str | None:
    if t.ndim != 2 or t.dtype == torch.bool:
        return None
    left = d.tensor(lambda o: o.ndim == 2 and o.dtype == t.dtype and len(o) == len(t) and not _one_storage(o, t))
    if left is None:
        return None
    shape = (d.env[left].shape[1], t.shape[1])
    right = d.tensor(lambda o: o.shape == shape and o.dtype == t.dtype and not _one_storage(o, t))
    return f"{name}.addmm_({left}, {right or d.literal(shape, name_of(t.dtype))})"


def _compare(d: Draw, name: str, t: torch.Tensor) -> str | None:
    other = d.operand(t)
    if other in d.env and d.env[other].requires_grad and not floats(t):  # torch gives an integer tensor a history then
        return None
    return f"{name}.{d.pick(['eq_', 'lt_', 'logical_and_'])}({other})"


def _turn(d: Draw, name: str, t: torch.Tensor) -> str:
    turned = ["t_()", "squeeze_()", "unsqueeze_(0)", "squeeze_(0)", f"transpose_({d.dim(t)}, {d.dim(t)})", "swapaxes_(0, -1)"]
    return f"{name}.{d.pick(turned)}"


def _data(d: Draw, name: str, t: torch.Tensor) -> str | None:
    if any(d.env[o].grad_fn is not None for o in d.names()):
        return None  # what was saved keeps its value here; torch computes gradients with the new one
    return f"{name}.data.{d.pick(['add_(1)', 'fill_(1)', f'copy_({d.like(t, 100)}.detach())', 'mul_(2)'])}"


def _one_storage(a: torch.Tensor, b: torch.Tensor) -> bool:
    return a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()


def _arithmetic(method: str) -> Callable[[Draw, str, torch.Tensor], str | None]:
    def made(d: Draw, name: str, t: torch.Tensor) -> str | None:
        other = d.operand(t)
        if (method == "floor_divide_" and t.requires_grad) or (method == "sub_" and t.dtype == torch.bool):
            return None
        if "div" in method or "remainder" in method:
            other = d.pick(["2", "4", "0.5" if floats(t) else "3"])
        return f"{name}.{method}({other})"

    return made


WRITES: list[Callable[[Draw, str, torch.Tensor], str | None]] = [
    _arithmetic("add_"),
    _arithmetic("add_"),
    _arithmetic("mul_"),
    _arithmetic("mul_"),
    _arithmetic("sub_"),
    _arithmetic("div_"),
    _arithmetic("floor_divide_"),
    _arithmetic("remainder_"),
    _copy,
    _copy,
    _copy,
    lambda d, n, t: f"{n}.fill_({d.number(t.dtype)})",
    lambda d, n, t: f"{n}.zero_()",
    _set,
    _set,
    _set,
    _set_at,
    _augmented,
    _augmented,
    _put_in_place,
    lambda d, n, t: f"{n}.masked_fill_({_mask(d, t)}, {d.number(t.dtype)})",
    _index_write("index_add_"),
    _index_write("index_add_", ", alpha=2"),
    _index_write("index_copy_"),
    _index_write("index_fill_"),
    _scatter,
    _scatter,
    lambda d, n, t: f"{n}.clamp_({d.pick(['-1', '0', 'min=0'])}, {d.pick(['max=2', 'max=1'])})" if t.dtype != torch.bool else None,
    lambda d, n, t: f"{n}.{d.pick(['neg_', 'square_', 'sign_', 'relu_' if t.is_complex() else 'abs_'])}()",
    lambda d, n, t: f"{n}.{d.pick(['sin_', 'tanh_', 'sigmoid_', 'cos_'])}()" if floats(t) or d.chance(20) else None,
    lambda d, n, t: f"{n}.{d.pick(['relu_', 'logical_not_', 'bitwise_not_'])}()",
    lambda d, n, t: f"{n}.lerp_({d.like(t, 100)}, 0.5)",
    lambda d, n, t: f"{n}.addcmul_({d.like(t)}, {d.like(t)}, value=2)",
    _turn,
    _data,
    lambda d, n, t: f"{n} += {d.operand(t)}",
    lambda d, n, t: f"{n} *= {d.operand(t)}",
    lambda d, n, t: f"torch.add({n}, {d.like(t, 100) or 2}, out={n})",
    lambda d, n, t: f"torch.mul({n}, {d.like(t, 100) or 2}, out={n})",
    lambda d, n, t: f"{n}.{d.pick(['triu_', 'tril_'])}({d.roll(3) - 1})" if t.ndim > 1 or d.chance(10) else None,
    lambda d, n, t: f"{n}.cumsum_({d.dim(t)})" if t.dtype != torch.bool else None,
    lambda d, n, t: f"{n}.masked_scatter_({_mask(d, t)}, {n}.clone())",
    _addmm,
    _compare,
    lambda d, n, t: f"{n}.put_({d.literal((1,), 'int64', high=max(t.numel(), 1))}, {d.literal((1,), name_of(t.dtype))}, accumulate=True)" if t.numel() else None,
]  # fmt: skip

# Values


def _cat(d: Draw, name: str, t: torch.Tensor) -> str:
    other = d.tensor(lambda o: _goes_with(o, t) and (o.shape == t.shape or d.chance(2)))
    return f"torch.{d.pick(['cat', 'stack'])}([{name}, {other}], {d.dim(t)})"


def _matmul(d: Draw, name: str, t: torch.Tensor) -> str | None:
    # Where nothing is added up, torch writes zeros to some of its results, which shows in their versions; as do products of a
    # vector and a matrix, of which it squeezes the result in place.
    other = d.tensor(
        lambda o: 0 < t.ndim < 3 and 0 < o.ndim < 3 and o.dtype == t.dtype and o.shape[-2 if o.ndim > 1 else 0] == t.shape[-1] > 0
    )
    if other is None or not t.is_floating_point():
        return None
    return f"({name} @ {other}).clone()" if t.ndim == 1 and d.env[other].ndim == 2 else f"{name} @ {other}"


def _to(d: Draw, name: str, t: torch.Tensor) -> str | None:
    dtype = d.pick(DTYPES)
    return f"{name}.to(torch.{dtype})" if _castable(t, getattr(torch, dtype)) else None


def _take(d: Draw, name: str, t: torch.Tensor) -> str | None:
    if t.ndim == 0 or 0 in t.shape:
        return None
    dim = d.roll(t.ndim)
    what = d.roll(7)
    if what > 3:
        rows = _rows(d, t, d.pick([1, 2, 3]), t.shape[-1])
        first = _rows(d, t, 2, t.shape[0])
        return d.pick([f"{name}[..., {rows}]", f"{name}[None, {first}]", f"{name}[{first}[:, None]]", f"{name}[{first}, ..., :1]",
                       f"{name}[{first}, :, {rows}[:1]]" if t.ndim > 2 else f"{name}[{first}]"])  # fmt: skip
    if what == 0:
        return f"{name}[{_mask(d, t)}]"
    if what == 1:
        return f"{name}.index_select({dim}, {_rows(d, t, d.pick([1, 2]), t.shape[dim])})"
    if what == 2:
        return f"{name}[{_rows(d, t, 2, t.shape[0])}]"
    shape = tuple(1 if k == dim else n for k, n in enumerate(t.shape))
    return f"{name}.gather({dim}, {d.literal(shape, 'int64', high=t.shape[dim])})"


def _where(d: Draw, name: str, t: torch.Tensor) -> str:
    other = d.operand(t)
    if other in d.env and d.env[other].is_complex() != t.is_complex():  # torch fails to differentiate that
        other = "1"
    return f"torch.where({_mask(d, t)}, {name}, {other})"


def _promoted(d: Draw, name: str, t: torch.Tensor) -> str | None:
    """Arithmetic with a number, or a 0-d tensor, of another kind than the tensor's."""
    other = d.pick(["2", "-1", "1.5", "True", "(1+2j)"])
    if d.chance(40):
        other = d.tensor(lambda o: o.ndim == 0 and _goes_with(o, t)) or other
    if t.dtype == torch.float16 and other == "(1+2j)":
        return None
    what = d.pick([f"{name} + {other}", f"{name} * {other}", f"{other} + {name}", f"{other} * {name}"])
    if d.chance(30) and t.dtype != torch.bool and other != "True" and d.env.get(other, t).dtype != torch.bool:
        what = d.pick([f"{name} - {other}", f"{other} - {name}", f"{name} ** 2", f"-{name}"])
    return what


def _reduced(d: Draw, name: str, t: torch.Tensor) -> str | None:
    dims = str(d.dim(t))
    if t.ndim > 1 and d.chance(40):
        dims = d.pick(["(0, 1)", "(-1, 0)", "[1]", "(0, 0)"])
    method = d.pick(["sum", "mean", "amax", "amin", "all", "any", "count_nonzero", "logsumexp", "std", "var", "nansum"])
    if method in ("logsumexp", "std", "var") and (t.dtype == torch.float16 or not t.is_floating_point()):
        return None
    keep = "" if method == "count_nonzero" else f", keepdim={d.pick(['True', 'False'])}"
    return f"{name}.{method}({dims}{', correction=0' if method in ('std', 'var') else ''}{keep})"


_CONTRACTIONS = {
    1: ["torch.dot({0}, {1})", "torch.outer({0}, {1})", "torch.einsum('i,i->', {0}, {1})", "torch.einsum('i,j->ji', {0}, {1})"],
    2: ["torch.einsum('ij,ij->i', {0}, {1})", "torch.einsum('ij,kj->ik', {0}, {1})", "torch.mm({0}, {1}.t())", "{0}.matmul({1}.mT)",
        "torch.addmm({0} @ {1}.t(), {0}, {1}.t(), beta=2)", "torch.einsum('ij,ij', {0}, {1})", "torch.einsum('ii->i', {0} @ {1}.t())",
        "torch.nn.functional.linear({0}, {1})", "torch.tensordot({0}, {1}, 2)"],
    3: ["torch.bmm({0}, {1}.mT)", "{0} @ {1}.transpose(1, 2)", "torch.einsum('bij,bkj->bik', {0}, {1})", "{0} @ {1}[0].t()",
        "torch.einsum('...i,...i', {0}, {1})"],
}  # fmt: skip


def _contracted(d: Draw, name: str, t: torch.Tensor) -> str | None:
    if not t.ndim or not t.is_floating_point() or t.dtype == torch.float16 or 0 in t.shape:
        return None
    other = d.tensor(lambda o: o.shape == t.shape and o.dtype == t.dtype)
    # Some of torch's results are views of what only it knows of, and so is what it saves.
    contiguous = "clone(memory_format=torch.contiguous_format)"
    made = d.pick(_CONTRACTIONS[t.ndim]).format(f"{name}.clone()", f"{other}.clone()") if t.ndim < 4 else None
    return made and f"{made}.{contiguous}"


def _into(d: Draw, name: str, t: torch.Tensor) -> str | None:
    """A result in a new tensor of the right shape, or one that has to grow."""
    size = d.pick([str(tuple(t.shape)), "0", "(1, 2)"])
    dtype = d.pick([name_of(t.dtype)] * 3 + ["float64", "int64"])
    if t.requires_grad and d.chance(80):
        name = f"{name}.detach()"
    other = d.number(t.dtype)
    call = d.pick([f"torch.add({name}, {other}", f"torch.mul({name}, {other}", f"torch.sum({name}, {d.dim(t)}",
                   f"torch.cat([{name}, {name}], {d.dim(t)}", f"torch.eq({name}, {other}", f"torch.neg({name}",
                   f"torch.stack([{name}], {d.dim(t)}", f"torch.cumsum({name}, {d.dim(t)}", f"torch.clamp({name}, 0"])  # fmt: skip
    # torch says once, in a warning, that it resizes.
    return f"{call}, out=torch.zeros({size}, dtype=torch.{dtype}))"


def _complex(d: Draw, name: str, t: torch.Tensor) -> str | None:
    if t.is_complex():
        made = d.pick(["{}.conj().resolve_conj()", "{}.abs()", "{}.conj() * {}", "torch.view_as_real({}.resolve_conj()).sum(-1)",
                       "{}.real + {}.imag", "{}.conj().imag", "{}.conj().real", "{} * {}.real", "{}.mH if {}.ndim > 1 else {}",
                       "torch.polar({}.abs(), {}.imag)", "{}.conj().clone()", "{}.conj() + 1", "{}.imag.neg()"])  # fmt: skip
        return made.replace("{}", name)
    if t.dtype != torch.float32:
        return None
    other = d.tensor(lambda o: o.dtype == t.dtype and o.shape == t.shape)
    return d.pick(
        [f"torch.complex({name}, {other})", f"torch.polar({name}.abs(), {other})", f"{name}.to(torch.complex64).conj()"]
    )


def _put(d: Draw, name: str, t: torch.Tensor) -> str | None:
    if t.ndim == 0 or 0 in t.shape:
        return None
    rows = _rows(d, t, 2, t.shape[0])
    source = d.literal((), name_of(t.dtype))
    if d.chance(20) and not t.is_complex():  # of which torch cannot differentiate these; of others it copies all of the storage
        cloned = f"{name}.clone()"
        return d.pick([
            f"{cloned}.select_scatter({source}.expand({tuple(t.shape[1:])}), 0, 0)", f"{cloned}.slice_scatter({name}[:1], 0, 0, 1)",
        ])  # fmt: skip
    return d.pick([
        f"{name}.index_put(({rows},), {source}, accumulate=True)",
        f"{name}.scatter(0, {d.literal((1,) * t.ndim, 'int64', high=t.shape[0])}, {d.number(t.dtype)})",
        f"{name}.index_fill(0, {rows}, {d.number(t.dtype)})",
        f"{name}.take({d.literal((2,), 'int64', high=t.numel())})",
        f"{name}.masked_select({_mask(d, t)})",
    ])  # fmt: skip


VALUES: list[Callable[[Draw, str, torch.Tensor], str | None]] = [
    lambda d, n, t: f"{n} + {d.operand(t)}",
    lambda d, n, t: f"{n} * {d.operand(t)}",
    lambda d, n, t: f"{n} * {d.operand(t)}",
    lambda d, n, t: f"{n} - {d.operand(t)}",
    lambda d, n, t: f"{n} / {d.pick(['2', '4', '0.5'])}",
    lambda d, n, t: f"{n} > {d.operand(t)}",
    lambda d, n, t: f"{n} == {d.operand(t)}",
    lambda d, n, t: f"{n}.{d.pick(['sum', 'mean', 'amax', 'prod', 'any'])}({d.pick(['', d.dim(t)])})",
    lambda d, n, t: f"{n}.sum({d.dim(t)}, keepdim=True)",
    lambda d, n, t: f"{n}.{d.pick(['clone', 'contiguous', 'abs', 'neg', 'square', 'logical_not'])}()",
    lambda d, n, t: f"{n}.{d.pick(['sin', 'tanh', 'sigmoid', 'relu', 'cos'])}()",
    lambda d, n, t: f"{n}.clone()",
    _cat,
    _cat,
    _matmul,
    _to,
    _to,
    _take,
    _take,
    _where,
    _promoted,
    _promoted,
    _reduced,
    _reduced,
    _contracted,
    _contracted,
    _into,
    _complex,
    _complex,
    _put,
    lambda d, n, t: f"torch.where({n} > {d.number(t.dtype)}, {d.pick(['1.5', '0', n])}, {d.pick(['-1', '2.0', n])})" if not t.is_complex() else None,
    lambda d, n, t: f"{n}.flip({d.dim(t)})",
    lambda d, n, t: f"{n}.sort({d.dim(t)}).values" if not t.is_complex() else None,
    lambda d, n, t: f"{n}.topk(1, {d.dim(t)}).values" if t.numel() and not t.is_complex() and (not t.requires_grad or len(t.detach().unique()) == t.numel()) else None,
    lambda d, n, t: f"{n}.{d.pick(['norm', 'std', 'var'])}()" if t.is_floating_point() and t.numel() > 1 and t.dtype != torch.float16 else None,
    lambda d, n, t: f"{n}.clone().detach().requires_grad_()" if floats(t) else None,
    lambda d, n, t: f"{n}.expand_as({d.like(t, 100)})",
    lambda d, n, t: f"{n}.double()" if not t.is_complex() else None,
    lambda d, n, t: f"{n}.roll({d.pick([1, -1])}, {d.dim(t)})",
    lambda d, n, t: f"{n}.cumsum({d.dim(t)})",
    lambda d, n, t: f"{n}.masked_fill({_mask(d, t)}, {d.number(t.dtype)})",
    lambda d, n, t: f"{n}.repeat({[d.pick([1, 2])] * max(t.ndim, 1)})",
    lambda d, n, t: f"torch.{d.pick(['zeros_like', 'ones_like'])}({n})",
    lambda d, n, t: f"{n}.new_{d.pick(['zeros', 'ones'])}({d.pick(SHAPES)})",
    lambda d, n, t: f"{n}.{d.pick(['tril', 'triu'])}()" if t.ndim > 1 else None,
    lambda d, n, t: f"{n}.softmax({d.dim(t)})" if t.is_floating_point() else None,
    lambda d, n, t: f"{n}.add({d.operand(t)}, alpha=2)",
    lambda d, n, t: f"{n}.clamp(-1, 1)",
    lambda d, n, t: f"{n}.{d.pick(['min', 'max'])}({d.dim(t)}).values" if t.numel() else None,
]  # fmt: skip

# Autograd


def _backward(d: Draw) -> str | None:
    name = d.tensor(lambda t: t.requires_grad and t.numel() > 0) if d.chance(95) else d.tensor()
    if name is None:
        return None
    keep = d.pick(["", "retain_graph=True"])
    return f"{name}{'.abs()' if d.env[name].is_complex() else ''}.sum().backward({keep})"


def _grad_of(d: Draw) -> str | None:
    """A gradient as a value, which may have a gradient of its own."""
    name = d.tensor(lambda t: t.grad_fn is not None and t.numel() > 0)
    if name is None:
        return None
    leaf = d.tensor(lambda t: t.requires_grad) or name
    made = f"{name}{'.abs()' if d.env[name].is_complex() else ''}.sum()"
    how = d.pick(["create_graph=True", "create_graph=True", "retain_graph=True"])
    # Many of torch's gradients are views, expanded ones among them: here they are never.
    contiguous = "clone(memory_format=torch.contiguous_format)"
    return f"{d.new()} = torch.autograd.grad({made}, [{leaf}], {how}, materialize_grads=True)[0].{contiguous}"


def _hook(d: Draw) -> str | None:
    name = d.tensor(lambda t: t.requires_grad)
    return name and f"_ = {name}.register_hook(lambda g: {d.pick(['g * 2', 'g + 1', 'None', 'g.conj()'])})"


GRADS: list[Callable[[Draw], str | None]] = [
    _grad_of,
    _grad_of,
    _hook,
    _backward,
    _backward,
    lambda d: (n := d.tensor(lambda t: t.grad_fn is not None)) and f"{n}.retain_grad()",
    lambda d: (n := d.tensor(lambda t: t.grad_fn is None and floats(t) and not t._is_view())) and f"{n}.requires_grad_()",
    lambda d: (n := d.tensor(lambda t: t.grad_fn is not None)) and f"{n}.requires_grad_({d.pick(['True', 'False'])})",
    lambda d: (n := d.tensor(lambda t: not t._is_view() or d.chance(5))) and f"{n}.detach_()",
    lambda d: (n := d.tensor(lambda t: t.requires_grad and t.numel() > 0)) and f"{n}.backward(torch.ones_like({n}))",
    lambda d: (n := d.tensor(lambda t: t.grad_fn is not None and not t.is_complex())) and (m := d.tensor(lambda t: t.requires_grad)) and f"{n}.sum().backward(inputs=[{m}])",
    lambda d: (n := d.tensor(lambda t: t.is_leaf and t.grad is not None)) and f"{n}.grad.{d.pick(['zero_()', 'mul_(2)', 'add_(1)'])}",
    lambda d: (n := d.tensor(lambda t: t.is_leaf and t.grad is not None)) and f"{d.new()} = {n}.grad.clone()",
    lambda d: (n := d.tensor(lambda t: t.is_leaf and t.grad is not None)) and f"{n}.grad = None",
    lambda d: (n := d.tensor(lambda t: t.requires_grad and t.is_leaf)) and f"with torch.no_grad(): {n} -= {d.like(d.env[n], 100) or 1}",
]  # fmt: skip


def draw_program(roll: Callable[[int], int], length: int) -> list[str]:
    """A program of so many lines, and a last one that runs backward through all that is left."""
    side = Side(torch)
    draw = Draw(roll, side.env)
    lines: list[str] = []
    for _ in range(length):
        line = draw.line()
        lines.append(line)
        if side.run(line) and "backward(" in line:
            return lines
        for name in [*refused(side), *too_large(side), *rounded_bits(side)]:
            if name in side.env:
                lines.append(f"del {name}")
                side.run(lines[-1])
    ends = [f"({k}.abs() if {k}.is_complex() else {k}).sum()" for k, t in side.tensors().items() if _holds(_differentiable, t)]
    return [*lines, f"sum([{', '.join(ends)}]).backward()"] if ends else lines


def _differentiable(t: torch.Tensor) -> bool:
    return t.requires_grad and t.grad_fn is not None and t.numel() > 0
