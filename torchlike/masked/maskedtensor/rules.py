"""What ops do with masked tensors: by the op's name, which `dispatch.record` asks through `answer`, and the methods of views."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torchlike as torch
from torchlike._src.operators.registry import OPS, ops
from torchlike._src.tensor.core import Tensor
from torchlike._src.tensor.dispatch import Kernel, record
from torchlike._src.tensor.sparse.handle import SparseTensor, like
from torchlike.masked import _ops as reductions
from torchlike.masked.maskedtensor.core import MaskedTensor, same_pattern, wrapped

_UNARY = """abs absolute acos arccos acosh arccosh angle asin arcsin asinh arcsinh atan arctan atanh arctanh bitwise_not ceil clamp
clip conj_physical cos cosh deg2rad digamma erf erfc erfinv exp exp2 expm1 fix floor frac lgamma log log10 log1p log2 logit i0
isnan nan_to_num neg negative positive pow rad2deg reciprocal round rsqrt sigmoid sign sgn signbit sin sinc sinh sqrt square tan
tanh trunc""".split()
_BINARY = """add atan2 arctan2 bitwise_and bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift div divide floor_divide fmod
logaddexp logaddexp2 mul multiply nextafter remainder sub subtract true_divide eq ne le ge greater greater_equal gt less_equal lt
less maximum minimum fmax fmin not_equal""".split()
#: Methods that move elements: done to the data and to the mask.
_MOVES = """select transpose split t expand view reshape unsqueeze unfold permute flatten squeeze narrow chunk unbind swapaxes
__getitem__ expand_as view_as reshape_as""".split()

_names = {short: op.name for op in OPS.values() for name in op.names for short in (name.rsplit(".", 1)[-1],)}
_UNARY_KERNELS = {_names[n] for n in _UNARY} - {"positive"}
_BINARY_KERNELS = {_names[n] for n in _BINARY} | {"reflected_sub", "rsub", "_div_rounded"}


def answer(kernel: Kernel, args: Sequence[Any]) -> Any:
    """The result of an op of which an argument is masked.

    Raises:
        TypeError: for an op that masked tensors do not have.
    """
    name = kernel.name
    two = sum(isinstance(a, Tensor) for a in args) > 1 or not isinstance(args[0], MaskedTensor)
    if name in _BINARY_KERNELS:
        return _binary(kernel, args)
    if name in _UNARY_KERNELS:
        if two:
            raise TypeError("MaskedTensor unary ops do not support additional Tensor arguments")
        return _on_data(args[0], lambda data: record(kernel, (data, *args[1:])))
    found = RULES.get(name)
    if found is None:
        raise TypeError(
            f"no implementation found for '{name.strip('_')}' on types that implement __torch_function__: [MaskedTensor]. Compute "
            "with get_data() and get_mask(), or with to_tensor(value)"
        )
    return found(kernel, *args)


def _on_data(m: MaskedTensor, function: Callable[[Tensor], Tensor]) -> MaskedTensor:
    data = m._data
    return wrapped(like(data, function(data._data)) if isinstance(data, SparseTensor) else function(data), m._mask)


def _match(a: Any, b: Any) -> bool:
    if not (isinstance(a, MaskedTensor) and isinstance(b, MaskedTensor)) or a._mask is b._mask:
        return True
    x, y = a._mask, b._mask
    if x.layout is not y.layout:
        raise ValueError(f"`a` and `b` must have the same layout. Got {x.layout} and {y.layout}")
    if isinstance(x, SparseTensor) and isinstance(y, SparseTensor):
        return same_pattern(x, y) and bool(ops.eq(x._data, y._data).all().item())
    return x.dim() == y.dim() and bool(ops.eq(x, y).all().item())


def _data_of(x: Any) -> Any:
    return x._data if isinstance(x, MaskedTensor) else x


def _binary(kernel: Kernel, args: Sequence[Any]) -> MaskedTensor:
    if any(isinstance(a, Tensor) for a in args[2:]):
        raise TypeError("MaskedTensor binary ops do not support Tensor arguments aside from the lhs and rhs")
    if not _match(args[0], args[1]):
        raise ValueError("Input masks must match. If you need support for this, please open an issue on Github.")
    masked = next(a for a in args if isinstance(a, MaskedTensor))
    first, second = _data_of(args[0]), _data_of(args[1])
    pattern = next((d for d in (first, second) if isinstance(d, SparseTensor)), None)
    if pattern is None:
        made = record(kernel, (first, second, *args[2:]))
        mask = masked._mask
        return wrapped(made, mask if mask.shape == made.shape else ops.expand(mask, made.shape))
    if isinstance(first, SparseTensor) and isinstance(second, SparseTensor) and not same_pattern(first, second):
        name = pattern.layout._name
        raise ValueError(f"{name} indices must match. If you need support for this, please open an issue on Github.")
    values = [d._data if isinstance(d, SparseTensor) else d for d in (first, second)]
    return wrapped(like(pattern, record(kernel, (*values, *args[2:]))), masked._mask)


# Reductions


def _any(mask: Tensor, dim: Any, keepdim: bool) -> Tensor:
    if dim is None:
        return ops.any(mask)
    for d in sorted((dim,) if isinstance(dim, int) else dim, reverse=True):
        mask = ops.any(mask, d, keepdim)
    return mask


def _every(data: Tensor, dim: Any = None, *, keepdim: bool = False, mask: Tensor, dtype: Any = None) -> Tensor:
    filled = data.masked_fill(~mask, True)  # type: ignore[attr-defined, operator]
    return ops.all(filled) if dim is None else ops.all(filled, dim, keepdim)


def _reduction(name: str) -> Callable[..., MaskedTensor]:
    compute = _every if name == "all" else getattr(reductions, name)

    def reduce(self: MaskedTensor, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> MaskedTensor:
        data, mask = self._data, self._mask
        if isinstance(data, SparseTensor) and isinstance(mask, SparseTensor):
            if dim is not None or name in ("argmin", "argmax"):
                warnings.warn(f"The sparse version of {name} is not implemented in reductions.", stacklevel=2)
                raise TypeError(
                    f"{name} over a dimension of a sparse MaskedTensor is not implemented; see MaskedTensor.to_dense()"
                )
            data, mask = data._data, mask._data
        options = {} if dtype is None else {"dtype": dtype}
        where = () if dim is None else (2.0, dim) if name == "norm" else (dim,)
        made = compute(data, *where, **({} if dim is None else {"keepdim": keepdim}), mask=mask, **options)
        return wrapped(made, _any(mask, dim, keepdim))

    reduce.__name__ = name
    reduce.__doc__ = f"`torch.masked.{name}` of the specified elements; what has none is not specified."
    return reduce


_REDUCTIONS = {n: _reduction(n) for n in "sum mean amin amax argmin argmax prod all norm var std".split()}


def _by_kernel(name: str) -> Callable[..., MaskedTensor]:
    def rule(kernel: Kernel, input: Any, dim: Any = None, keepdim: bool = False, *rest: Any) -> MaskedTensor:
        over = None if dim is None or dim == () else dim
        return _REDUCTIONS[name](input, over, keepdim)

    return rule


# The rest


def _softmax(kernel: Kernel, input: MaskedTensor, dim: int, *rest: Any) -> MaskedTensor:
    return wrapped(reductions.softmax(input._data, dim, mask=input._mask), input._mask)


def _marked(x: Any) -> tuple[Tensor, Tensor]:
    return (x._data, x._mask) if isinstance(x, MaskedTensor) else (x, ops.ones_like(x, dtype=torch.bool))


def where(condition: Tensor, input: Any, other: Any) -> MaskedTensor:
    """Data and mask of ``input`` where ``condition`` holds, else of ``other``."""
    (a, x), (b, y) = _marked(input), _marked(other)
    return wrapped(ops.where(condition, a, b), ops.where(condition, x, y))


def _joined(kernel: Kernel, tensors: Sequence[Any], *rest: Any) -> MaskedTensor:
    data, masks = zip(*map(_marked, tensors), strict=True)
    return wrapped(record(kernel, (data, *rest)), record(kernel, (masks, *rest)))


def _moved(kernel: Kernel, input: MaskedTensor, *rest: Any) -> MaskedTensor:
    return wrapped(record(kernel, (input._data, *rest)), record(kernel, (input._mask, *rest)))


RULES: dict[str, Callable[..., Any]] = {
    **{name: _by_kernel(name) for name in _REDUCTIONS},
    "softmax": _softmax, "cat": _joined, "stack": _joined, "index_select": _moved,
    "_where": lambda kernel, condition, a, b: where(condition, a, b), "_clone_read": lambda kernel, m, *rest: m.clone(),
    "cast": lambda kernel, m, *rest: _on_data(m, lambda data: record(kernel, (data, *rest))),
}  # fmt: skip


def _move(name: str) -> Callable[..., Any]:
    def method(self: MaskedTensor, *args: Any, **kwargs: Any) -> Any:
        data, mask = (getattr(t, name)(*args, **kwargs) for t in (self._data, self._mask))
        return tuple(map(wrapped, data, mask)) if isinstance(data, tuple) else wrapped(data, mask)

    method.__name__ = name
    method.__doc__ = f"`Tensor.{name.strip('_')}`, of the data and of the mask."
    return method


def _in_place(name: str) -> Callable[..., Any]:
    def method(self: MaskedTensor, *args: Any, **kwargs: Any) -> MaskedTensor:
        return self._become(getattr(self, name)(*args, **kwargs))

    method.__name__ = name + "_"
    return method


def _converted(layout: Any) -> Callable[[MaskedTensor], MaskedTensor]:
    def method(self: MaskedTensor) -> MaskedTensor:
        if self.layout is layout:
            return self
        if layout is torch.strided:
            return wrapped(self._data.to_dense(), self._mask.to_dense())  # type: ignore[attr-defined]
        if layout is torch.sparse_csr and self.ndim != 2:
            raise ValueError(f"Only 2D tensors can be converted to the SparseCsr layout but got shape: {self.shape}")
        mask = self._mask.to_sparse(layout=layout)  # type: ignore[attr-defined]
        return wrapped(self._data.sparse_mask(mask), mask)  # type: ignore[attr-defined]

    method.__doc__ = f"The same tensor in the layout {layout}; a sparse one stores what the mask marks."
    return method


def _clone(self: MaskedTensor, *, memory_format: Any = torch.preserve_format) -> MaskedTensor:
    """A copy, through which gradients flow."""
    return wrapped(self._data.clone(), self._mask.clone())  # type: ignore[attr-defined]


def _detach(self: MaskedTensor) -> MaskedTensor:
    """The same data and mask without history."""
    return wrapped(self._data.detach(), self._mask)


def _to(self: MaskedTensor, *args: Any, **kwargs: Any) -> MaskedTensor:
    """This tensor with another dtype or on another device; itself if nothing changes."""
    data = self._data.to(*args, **kwargs)  # type: ignore[attr-defined]
    if data is self._data:
        return self
    return wrapped(data, self._mask if data.device == self._mask.device else self._mask.to(data.device))  # type: ignore[attr-defined]


def _where(self: MaskedTensor, condition: Tensor, other: Any) -> MaskedTensor:
    """`torch.where`."""
    return where(condition, self, other)


def _install() -> None:
    methods: dict[str, Any] = {
        **_REDUCTIONS, **{name: _move(name) for name in _MOVES}, "to_dense": _converted(torch.strided), "clone": _clone,
        "to_sparse": _converted(torch.sparse_coo), "to_sparse_csr": _converted(torch.sparse_csr), "detach": _detach, "to": _to,
        "where": _where, "contiguous": lambda self, memory_format=None: self if self.is_contiguous() else self.clone(),
        "positive": lambda self: self, "__pos__": lambda self: self,
        "softmax": lambda self, dim, dtype=None: _softmax(None, self, dim),  # type: ignore[arg-type]
    }  # fmt: skip
    for name, method in methods.items():
        setattr(MaskedTensor, name, method)
    for name in (*_UNARY, *_BINARY):
        if hasattr(Tensor, name + "_"):
            setattr(MaskedTensor, name + "_", _in_place(name))
    for sign in ("add", "sub", "mul"):
        setattr(MaskedTensor, f"__i{sign}__", _in_place(sign))


_install()
