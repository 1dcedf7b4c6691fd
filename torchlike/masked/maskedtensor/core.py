"""MaskedTensor: a handle on data and a mask, and what it answers about itself. What ops do with it stands in `rules.py`."""

import warnings
from typing import Any

from torchlike._src.engine.value import Aval, Value
from torchlike._src.operators.registry import ops
from torchlike._src.tensor import dtypes, layouts
from torchlike._src.tensor.core import Tensor
from torchlike._src.tensor.refusals import NotStrided
from torchlike._src.tensor.sparse.handle import SparseTensor

_PROTOTYPE = (
    "The PyTorch API of MaskedTensors is in prototype stage and will change in the near future. Please open a Github issue for "
    "features requests and see our documentation on the torch.masked module for further information about the project."
)
_NEEDS_GRAD = (
    "It is not recommended to create a MaskedTensor with a tensor that requires_grad. To avoid this, you can use "
    "data.detach().clone()"
)
_DTYPES = (dtypes.float16, dtypes.float32, dtypes.float64, dtypes.bool_, dtypes.int8, dtypes.int16, dtypes.int32, dtypes.int64)
_LAYOUTS = (layouts.strided, layouts.sparse_coo, layouts.sparse_csr)


def is_masked_tensor(obj: Any, /) -> bool:
    """Whether it is a `MaskedTensor`."""
    return isinstance(obj, MaskedTensor)


class MaskedTensor(Tensor):
    """A tensor of which some elements are specified and others are not, as ``torch.masked.MaskedTensor``.

    Ops on elements keep the mask, and demand that two masked tensors have the same one; reductions skip what is not specified;
    what moves elements moves the mask too. Autograd sees the data; ``grad`` has the mask of the tensor.

    Args:
        data: dense, COO or CSR; copied.
        mask: booleans of the same shape and layout: True where an element counts; of sparse tensors the same pattern.
        requires_grad: whether autograd records what is done with it.
    Raises:
        TypeError: for other layouts and dtypes, or what is no tensor.
        ValueError: if shapes or patterns differ.
    Examples:
        >>> masked_tensor(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([True, False, True])).sum()
        MaskedTensor(  4.0000, True)
    """

    _data: Tensor
    _mask: Tensor
    __module__ = "torch.masked.maskedtensor.core"

    # For code that looks at handles: a view, up to date, of which nothing is cached. Autograd sees the data, as of sparse tensors.
    _chain = ()
    _seen = 0
    for _name in ("_storage", "_requires_grad", "_node", "_number", "_inference", "_retains", "requires_grad", "grad_fn",
                  "_set_requires_grad", "retain_grad"):  # fmt: skip
        locals()[_name] = SparseTensor.__dict__[_name]
    del _name

    def __init__(self, data: Any, mask: Any, requires_grad: bool = False) -> None:
        _check_kinds(data, mask)
        warnings.warn(_PROTOTYPE, UserWarning, stacklevel=2)
        if data.requires_grad:
            warnings.warn(_NEEDS_GRAD, UserWarning, stacklevel=2)
        data, mask = _fitted(data.detach(), mask)
        self._data, self._mask = data.clone(), mask.clone()
        _validate(self._data, self._mask)
        if requires_grad:
            self.requires_grad_()

    @staticmethod
    def _from_values(data: Any, mask: Any) -> "MaskedTensor":
        _check_kinds(data, mask)
        data, mask = _fitted(data, mask)
        _validate(data, mask)
        if data.requires_grad and data.layout is layouts.strided:  # what the mask takes out gets no gradient, not even a NaN
            data = ops.where(mask, data, data.detach())
        return wrapped(data, mask)

    def _value(self) -> Value:
        from torchlike.masked.maskedtensor.rules import answer

        raise NotStrided("this needs a tensor without a mask, and got a MaskedTensor. See get_data() and to_tensor().", answer)

    def _aval(self) -> Aval:
        return self._data._aval()

    def get_data(self) -> Tensor:
        """The data; what the mask does not mark may be anything."""
        return ops.alias(self._data) if self._data._layout is None else self._data

    def get_mask(self) -> Tensor:
        """The mask."""
        return self._mask

    def to_tensor(self, value: Any) -> Tensor:
        """The data, with ``value`` wherever the mask does not mark."""
        return self.get_data().masked_fill(~self._mask, value)  # type: ignore[attr-defined]

    _masked_data = property(lambda self: self._data)
    _masked_mask = property(lambda self: self._mask)

    @property
    def grad(self) -> "Tensor | None":  # type: ignore[override]
        """The gradient, with the mask of the tensor."""
        found = self._data.grad
        return None if found is None else wrapped(found, self._mask)

    @grad.setter
    def grad(self, new: Any) -> None:
        self._data.grad = new._data if isinstance(new, MaskedTensor) else new

    _grad = grad  # type: ignore[assignment]

    def _carrier(self) -> Tensor:
        return self._data._carrier()

    def _carried(self, gradient: Any) -> Any:
        if isinstance(gradient, MaskedTensor):
            gradient = gradient._data if gradient._data._layout is not None else gradient.to_tensor(0)
        return self._data._carried(gradient)

    def _as_gradient(self, gradient: Tensor) -> "MaskedTensor":
        return wrapped(self._data._as_gradient(gradient), self._mask)

    def register_hook(self, hook: Any) -> Any:
        """``hook(gradient)`` sees the gradient with the mask of the tensor, and may replace it."""

        def on_data(g: Tensor) -> Any:
            made = hook(wrapped(g, self._mask))
            return made._data if isinstance(made, MaskedTensor) else made

        return self._data.register_hook(on_data)

    # What it is

    @property
    def layout(self) -> Any:
        return self._data.layout

    def is_sparse_coo(self) -> bool:
        """Whether data and mask are in COO layout."""
        return self.layout is layouts.sparse_coo

    def is_sparse_csr(self) -> bool:  # type: ignore[override]
        """Whether data and mask are in CSR layout."""
        return self.layout is layouts.sparse_csr

    @property
    def is_sparse(self) -> bool:  # type: ignore[override]
        """Whether data and mask are in a sparse layout."""
        return self._data._layout is not None

    def is_contiguous(self, memory_format: Any = layouts.contiguous_format) -> bool:
        """Whether the data is.

        Raises:
            ValueError: if it is sparse.
        """
        if self.is_sparse:
            raise ValueError("MaskedTensors with sparse data do not have is_contiguous")
        return self._data.is_contiguous(memory_format=memory_format)  # type: ignore[attr-defined]

    def stride(self, dim: int | None = None) -> Any:
        return self._data.stride(dim)

    def item(self) -> Any:
        """The one element, which must be specified."""
        if not self._mask.item():
            raise ValueError("item() of a MaskedTensor whose element is not specified: the mask is False")
        return self._data.item()

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        data, mask = (t.detach().to_dense() if t._layout is not None else t.detach() for t in (self._data, self._mask))  # type: ignore[attr-defined]
        if self.ndim == 0:
            marked = mask.item()
            return f"MaskedTensor({_shown(data.item()) if marked else '--'}, {marked})"
        lines = _lines(data.tolist(), mask.tolist(), self.ndim)
        return "MaskedTensor(\n" + "\n".join("  " + line for line in lines) + "\n)"

    def _become(self, other: "MaskedTensor") -> "MaskedTensor":
        """Take over data and mask: what every in-place op comes down to."""
        if self.requires_grad and self._data.is_leaf:
            raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
        self._data, self._mask = other._data, other._mask
        return self


def wrapped(data: Tensor, mask: Tensor) -> MaskedTensor:
    """A handle on these; nothing is checked or copied."""
    new = Tensor.__new__(MaskedTensor)
    new._data, new._mask = data, mask
    return new


def _check_kinds(data: Any, mask: Any) -> None:
    for name, t in (("data", data), ("mask", mask)):
        if isinstance(t, MaskedTensor) or not isinstance(t, Tensor):
            raise TypeError(f"{name} must be a Tensor")


def _fitted(data: Any, mask: Any) -> tuple[Any, Any]:
    """Sparse data with the pattern of the mask."""
    if data.layout is not mask.layout:
        raise TypeError("data and mask must have the same layout.")
    if data.layout is layouts.sparse_coo:
        data, mask = data.coalesce(), mask.coalesce()
    if data._layout is not None and data._nnz() != mask._nnz():
        data = data.sparse_mask(mask)
    return data, mask


def _validate(data: Any, mask: Any) -> None:
    if data.layout not in _LAYOUTS:
        raise TypeError(f"data layout of {data.layout} is not supported.")
    if data._layout is not None and data.shape == mask.shape and not same_pattern(data, mask):
        kind = "COO" if data.layout is layouts.sparse_coo else "CSR"
        what = "have the same indices" if kind == "COO" else "share either crow or col indices"
        raise ValueError(f"data and mask are both sparse {kind} tensors but do not {what}.")
    if mask.dtype is not dtypes.bool_:
        raise TypeError("mask must have dtype bool.")
    if data.dtype not in _DTYPES:
        raise TypeError(f"{data.dtype} is not supported in MaskedTensor.")
    if data.dim() != mask.dim():
        raise ValueError("data.dim() must equal mask.dim()")
    if data.shape != mask.shape:
        raise ValueError("data.size() must equal mask.size()")


def same_pattern(a: Any, b: Any) -> bool:
    """Whether two sparse tensors store the same elements, in the same order."""
    x, y = a._pattern(), b._pattern()
    return x.shape == y.shape and bool((x == y).all())


def _shown(value: Any) -> str:
    return f"{value:8.4f}" if isinstance(value, float) else str(value)


def _lines(data: Any, mask: Any, ndim: int) -> list[str]:
    if ndim == 1:
        texts = [_shown(x) for x in data]
        width = max([8 if not m else len(t) for t, m in zip(texts, mask, strict=True)], default=0)
        return ["[" + ", ".join(t if m else "--".rjust(width) for t, m in zip(texts, mask, strict=True)) + "]"]
    parts = [["  " + line for line in _lines(d, m, ndim - 1)] for d, m in zip(data, mask, strict=True)]
    return ["[", *",\n".join("\n".join(part) for part in parts).split("\n"), "]"]
