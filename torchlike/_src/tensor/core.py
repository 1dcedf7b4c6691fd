"""Tensor: a handle on a value that can be replaced, and views of it.

A Tensor is (storage, chain of view ops). The storage holds the present value; writing replaces it. Here stand what a
tensor is and how it is read and written; what can be computed with it is installed from the ops' records
(`install.py`), views are in `views.py`, making tensors in `from_data.py` and `creation.py`.
"""

import copy
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from torchlike._src.engine.trace import local
from torchlike._src.engine.value import CPU, Aval, Value
from torchlike._src.operators.promotion import cpp_name
from torchlike._src.operators.registry import name_tensor_class
from torchlike._src.tensor import devices, dtypes
from torchlike._src.tensor.overlap import overlaps, overlaps_in_part, resolved_first
from torchlike._src.tensor.storage import Counter, SharedStorage, Storage, data_of, share
from torchlike._src.tensor.strides import contiguous_strides
from torchlike._src.tensor.tape import RemovableHandle, plain_name

_new_tuple = tuple.__new__
#: The open levels of forward mode (`autograd/forward_mode.py`); empty nearly always.
levels: list[Any] = []


class Size(tuple):
    """The shape of a tensor, as ``torch.Size``."""

    __slots__ = ()

    def __new__(cls, sizes: Any = ()) -> "Size":
        sizes = tuple(sizes)
        for i, n in enumerate(sizes):
            if not hasattr(n, "__index__"):
                raise TypeError(f"torch.Size() takes an iterable of 'int' (item {i} is '{type(n).__name__}')")
        return _new_tuple(cls, sizes)

    def numel(self) -> int:
        """The number of elements."""
        n = 1
        for s in self:
            n *= s
        return n

    def __repr__(self) -> str:
        return f"torch.Size([{', '.join(map(str, self))}])"

    __str__ = __repr__

    def __add__(self, other: Any) -> "Size":
        return Size(tuple.__add__(self, tuple(other)))

    def __radd__(self, other: Any) -> "Size":
        return Size(tuple(other) + tuple(self))

    def __mul__(self, other: Any) -> "Size":
        return Size(tuple.__mul__(self, other))

    __rmul__ = __mul__

    def __getitem__(self, index: Any) -> Any:
        found = tuple.__getitem__(self, index)
        return Size(found) if isinstance(index, slice) else found

    def __reduce__(self) -> Any:
        return Size, (tuple(self),)


class Tensor:
    """A multi-dimensional array with torch's semantics; see ``torch.Tensor``."""

    # Defaults of what most tensors never set, so that making one costs a single assignment.
    _storage: Storage
    _chain: tuple[Any, ...] | None = None  # view ops from the base; None for a tensor that reads its storage whole
    _turned = 0  # how many of the last of these were applied in place
    _base_tensor: "Tensor | None" = None
    _geometry: tuple[tuple[int, ...], int] | None = None  # (strides, offset); None when contiguous from 0
    _seen = -1
    _born = 0  # a view: the version of its storage that its history is about
    _cached: Value | None = None
    _requires_grad = False
    _node: Any = None
    _number = 0
    _leaf: "Tensor | None" = None
    _grad: "Tensor | None" = None
    _hooks: dict[int, Any] | None = None
    _after_hooks: dict[int, Any] | None = None
    _own_counter: Counter | None = None
    _accumulator: Any = None
    _tangents: dict[int, "Tensor | None"] | None = None  # by level of forward mode
    _retains = False
    _grad_dtype: Any = "own"  # that of `grad`: the tensor's, or another, or None for any
    _inference = False
    _detached = -1  # where on the tape `detach_` cut its history
    _output = 0  # its place among several views that one function returned
    #: Why a view must not be written to with history: "no_grad", "inference", "multi", "function". "nothing": see `goes_nowhere`.
    _made: str | None = None
    name: str | None = None
    names: Any = None
    _layout: Any = None  # None: strided
    __array_priority__ = 1000
    __module__ = "torch"

    def __new__(cls, *args: Any, **kwargs: Any) -> "Tensor":
        return object.__new__(cls)

    def __init__(self, *args: Any, device: Any = None) -> None:
        if not hasattr(self, "_storage"):
            from torchlike._src.tensor import legacy

            legacy.legacy_constructor(self, args, device)

    # Reading and writing

    def _value(self) -> Value:
        """The present value; a view whose base was written to since is read anew."""
        if self._chain is None:
            return self._storage.value
        storage = self._storage
        if self._seen != storage.writes or storage.__class__ is SharedStorage:
            from torchlike._src.tensor import views

            views.refresh(self)
        return self._cached  # type: ignore[return-value]

    def _aval(self) -> Aval:
        """Shape and dtype, without reading."""
        if self._chain is not None:
            return self._cached.aval  # type: ignore[union-attr]
        return self._storage.value.aval

    def _array(self, reason: str) -> Any:
        """The data as a JAX array, or a NumPy array if it is on the host; runs what was recorded if need be."""
        return data_of(self._value(), reason)

    def _numpy(self, reason: str) -> np.ndarray:
        """The data as a NumPy array that must not be written to."""
        return np.asarray(self._array(reason))

    def _whole(self) -> "Tensor":
        """Itself, or inside of ``vmap`` the tensor of all examples."""
        return levels[-1].whole(self) if levels else self

    def _counter(self) -> Any:
        return self._own_counter or self._storage

    def _write(self, value: Value, node: Any = None, number: int = 0, requires_grad: bool = False) -> None:
        """Replace the tensor's value: what every in-place op and ``out=`` come down to."""
        if levels:
            levels[-1].before_write(self, value)
        if self._chain is None:
            self._storage.set(value)
            if requires_grad:
                if self._retains:
                    move_retained(self, node, number)
                self._node, self._number, self._requires_grad, self._leaf = node, number, True, None
            self._counter().version += 1
        else:
            from torchlike._src.tensor import views

            views.write(self, value, node, number, requires_grad)

    def _assign(self, result: "Tensor") -> None:
        """Take over the value of ``result``, unseen by autograd."""
        self._write(result._value())

    def _check_write(self, name: str, others: Any = ()) -> None:
        """Refuse writes that torch refuses.

        Args:
            name: of the op.
            others: the other inputs: if one needs a gradient, so will this tensor.
        """
        rec = local.recorder
        base = self._base_tensor
        if rec.grad and (
            self.requires_grad
            or (base is not None and base._requires_grad)
            or any(isinstance(t, Tensor) and t.requires_grad for t in others)
        ):
            if base is not None:
                if self._made is not None:
                    raise RuntimeError(view_refused(self, "is being"))
                if self._requires_grad and base._node is None:
                    raise RuntimeError("a view of a leaf Variable that requires grad is being used in an in-place operation.")
            if self._requires_grad and self._node is None:
                raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
        if self._inference and not rec.inference:
            raise RuntimeError(_INFERENCE)

    def _check_overlap(self, others: Any = (), resolved: bool = True, itself: bool = False) -> None:
        """Refuse writes to memory that several elements share, or that inputs show in part.

        Args:
            others: inputs, perhaps.
            resolved: conjugates are copied first.
            itself: elements may share memory.
        """
        if not itself and self._chain is not None and self._geometry is not None and 0 in self._geometry[0] and self._aval().size:
            for n, s in zip(self._aval().shape, self._geometry[0], strict=True):
                if s == 0 and n > 1:
                    raise RuntimeError(_OVERLAP.format("more than one element of the written-to tensor refers"))
        for t in others:
            if isinstance(t, Tensor) and t._storage is self._storage and t is not self and overlaps_in_part(self, t):
                if not (resolved and resolved_first(self, t)):
                    self._refuse_overlap()

    def _refuse_shared(self, args: Sequence[Any], anywhere: bool = False) -> None:
        """Refuse writes to the memory of an input, for ops that read an element after others were written.

        Args:
            args: inputs, lists of them, and other things.
            anywhere: in its storage, not only where they overlap now.
        """
        for a in args:
            for given in a if isinstance(a, (tuple, list)) else (a,):
                if isinstance(given, Tensor) and given._storage is self._storage:
                    if (anywhere and not resolved_first(self, given)) or overlaps(self, given):
                        self._refuse_overlap()

    def _refuse_overlap(self) -> None:
        raise RuntimeError(_OVERLAP.format("some elements of the input tensor and the written-to tensor refer"))

    # What it is

    @property
    def shape(self) -> Size:
        """The sizes of its dimensions."""
        return _new_tuple(Size, self._aval().shape)

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one dimension."""
        if dim is None:
            return _new_tuple(Size, self._aval().shape)
        shape = self._aval().shape
        n = len(shape)
        if not hasattr(dim, "__index__"):
            raise TypeError(f"size(): argument 'dim' (position 1) must be int, not {type(dim).__name__}")
        if not -max(n, 1) <= dim < max(n, 1) or n == 0:
            if n == 0:
                raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
            raise IndexError(f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim})")
        return shape[dim]

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self._aval().ndim

    def dim(self) -> int:
        """The number of dimensions."""
        return self._aval().ndim

    ndimension = dim

    def numel(self) -> int:
        """The number of elements."""
        return self._aval().size

    nelement = numel

    @property
    def dtype(self) -> dtypes.dtype:
        """The data type."""
        return dtypes.OF_NUMPY[self._aval().dtype]

    @property
    def device(self) -> devices.device:
        """Where it is."""
        return devices.device_of(self._aval().place)

    @property
    def layout(self) -> Any:
        from torchlike._src.tensor import layouts

        return layouts.strided

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return self._aval().dtype.itemsize

    def element_size(self) -> int:
        """Bytes of an element."""
        return self._aval().dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self._aval().size * self._aval().dtype.itemsize

    def get_device(self) -> int:
        """The device's number, -1 on the CPU."""
        index = self.device.index
        return -1 if index is None else index

    is_cpu = property(lambda self: self._aval().place.platform == "cpu")
    is_cuda = property(lambda self: self._aval().place.platform == "gpu")
    is_xla = property(lambda self: self._aval().place.platform == "tpu")
    is_meta = is_sparse = is_sparse_csr = is_quantized = is_mkldnn = is_mps = is_xpu = is_nested = is_vulkan = False
    is_ipu = is_mtia = is_maia = False

    def type_name(self) -> str:
        """What torch's messages call its type: ``torch.FloatTensor``."""
        return devices.type_name(self._aval())

    def is_floating_point(self) -> bool:
        """Whether the dtype is a floating point one."""
        return self.dtype.is_floating_point

    def is_complex(self) -> bool:
        """Whether the dtype is complex."""
        return self.dtype.is_complex

    def is_signed(self) -> bool:
        """Whether the dtype has a sign."""
        return self.dtype.is_signed

    def is_inference(self) -> bool:
        """Whether it was made in inference mode."""
        return self._inference

    def is_set_to(self, other: "Tensor") -> bool:
        """Whether both are the same view of the same storage."""
        return self._storage is other._storage and self.shape == other.shape and self.stride() == other.stride()

    def is_shared(self) -> bool:
        return False

    def share_memory_(self) -> "Tensor":
        return self

    def is_pinned(self, device: Any = None) -> bool:
        return False

    def pin_memory(self, device: Any = None) -> "Tensor":
        """Itself: JAX moves host memory by its own means."""
        return self

    # Autograd's facts

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to it."""
        base = self._base_tensor
        return self._requires_grad if base is None else base._requires_grad or (self._requires_grad and self._leaf is None)

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self._set_requires_grad(value, setter=True)

    def requires_grad_(self, requires_grad: bool = True) -> "Tensor":
        """Ask autograd to record what is done with it (or to stop); in place."""
        return self._set_requires_grad(requires_grad)

    def _set_requires_grad(self, requires_grad: bool, setter: bool = False) -> "Tensor":
        if self._node is not None:
            if not requires_grad:
                raise RuntimeError(
                    "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in "
                    "a subgraph that doesn't require differentiation use var_no_grad = var.detach()."
                )
            return self
        if requires_grad and not (self.dtype.is_floating_point or self.dtype.is_complex):
            raise RuntimeError(f"only Tensors of floating point{' and complex' if setter else ''} dtype can require gradients")
        if requires_grad and self._inference and not local.recorder.inference:
            raise RuntimeError("Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.")
        if bool(requires_grad) != self._requires_grad:
            self._storage.writes += 1  # views that were made before look at their history once more
        self._leaf = None  # if its gradient went nowhere, it comes to itself from now on
        self._requires_grad = bool(requires_grad)
        return self

    @property
    def grad_fn(self) -> Any:
        """The node of the tape that made it, None for a leaf."""
        if self._chain is not None and self._seen != self._storage.writes:
            self._read_history()
        return self._node

    def _read_history(self) -> None:
        from torchlike._src.tensor import views

        views.check_history(self)
        self._value()

    @property
    def is_leaf(self) -> bool:
        """Whether it was made by the user rather than by a recorded op."""
        return self.grad_fn is None

    @property
    def output_nr(self) -> int:
        return self._output if self._made == "multi" and self._node is not None else self._number

    @property
    def _version(self) -> int:
        if self._inference:
            raise RuntimeError("Inference tensors do not track version counter.")
        return self._counter().version

    @property
    def _base(self) -> "Tensor | None":
        return self._base_tensor

    def _is_view(self) -> bool:
        return self._base_tensor is not None

    @property
    def retains_grad(self) -> bool:
        """Whether a non-leaf keeps its gradient in ``grad``."""
        return self._retains

    @property
    def grad(self) -> "Tensor | None":
        """The gradient that `backward` has added up here."""
        if self._grad is None and self._node is not None and not self._retains:
            import warnings

            warnings.warn(
                "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute won't "
                "be populated during autograd.backward(). If you indeed want the .grad field to be populated for a "
                "non-leaf Tensor, use .retain_grad() on the non-leaf Tensor.",
                UserWarning,
                stacklevel=2,
            )
        return self._grad

    @grad.setter
    def grad(self, value: "Tensor | None") -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(f"assigned grad expected to be a Tensor or None but got grad of type {type(value).__name__}")
            if value is self:
                raise RuntimeError("can't assign Variable as its own grad")
            wanted = self.dtype if self._grad_dtype == "own" else self._grad_dtype
            if wanted is not None and value.dtype is not wanted:
                raise RuntimeError(
                    f"attempting to assign a gradient with dtype '{cpp_name(value.dtype.np)}' to a tensor "
                    f"with grad_dtype '{dtypes.SCALAR_NAMES[wanted]}'. The gradient must match "
                    "the tensor's grad_dtype (defaults to the tensor's dtype). "
                    "You can set the tensor's grad_dtype attribute with a specific dtype, or None to allow any dtype. Set "
                    "grad_dtype with caution. Diverging the dtypes of a tensor and its gradient may break downstream systems "
                    "that assume they match."
                )
            if value.device != self.device:
                raise RuntimeError(
                    f"attempting to assign a gradient located on device with type '{value.device.type}' to a tensor of "
                    f"device type '{self.device.type}'. Please ensure that the gradient and the tensor are on the same device"
                )
            if value.shape != self.shape:
                raise RuntimeError(
                    f"attempting to assign a gradient of size '{list(value.shape)}' to a tensor of size "
                    f"'{list(self.shape)}'. Please ensure that the gradient and the tensor are the same size"
                )
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    @property
    def grad_dtype(self) -> Any:
        """The dtype that ``grad`` has: by default the tensor's own; None: that in which the gradient arrives.

        Raises:
            RuntimeError: for a tensor that is no leaf; when set, if ``grad`` is there in another dtype.
        """
        if self.grad_fn is not None:
            raise RuntimeError("grad_dtype can only be accessed on leaf tensors.")
        return self.dtype if self._grad_dtype == "own" else self._grad_dtype

    @grad_dtype.setter
    def grad_dtype(self, wanted: Any) -> None:
        if self.grad_fn is not None:
            raise RuntimeError("grad_dtype can only be set on leaf tensors.")
        if wanted is not None and not isinstance(wanted, dtypes.dtype):
            raise RuntimeError(f"grad_dtype must be a torch.dtype or None, but got {type(wanted).__name__}")
        have = self._grad
        if wanted is not None and have is not None and have.dtype is not wanted:
            raise RuntimeError(
                f"Cannot set grad_dtype to '{dtypes.SCALAR_NAMES[wanted]}' because there is already a gradient with dtype "
                f"'{cpp_name(have.dtype.np)}'. Please clear the gradient (.grad = None) before changing grad_dtype, or ensure the "
                "new grad_dtype matches the existing gradient's dtype."
            )
        self._grad_dtype = wanted

    def register_hook(self, hook: Any) -> RemovableHandle:
        """``hook(grad)`` runs whenever the gradient with respect to this tensor is computed; it may return another.

        Raises:
            RuntimeError: if the tensor needs no gradient.
        """
        if not self.requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        node = self.grad_fn
        if node is None:
            if self._hooks is None:
                self._hooks = {}
            return RemovableHandle(self._hooks, hook)
        if node.hooks is None:
            node.hooks = {}
        return RemovableHandle(node.hooks.setdefault(self._number, {}), hook)

    def register_post_accumulate_grad_hook(self, hook: Any) -> RemovableHandle:
        """``hook(tensor)`` runs after a leaf's ``grad`` was added to."""
        if not self.requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        if self.grad_fn is not None:
            raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
        if self._after_hooks is None:
            self._after_hooks = {}
        return RemovableHandle(self._after_hooks, hook)

    def _carrier(self) -> "Tensor":
        """The tensor that autograd sees in place of this one: of a sparse tensor, that of its values."""
        return self

    def _carried(self, gradient: Any) -> Any:
        """A gradient of this tensor as one of its carrier; `_as_gradient` is the inverse."""
        return gradient

    def _as_gradient(self, gradient: "Tensor") -> "Tensor":
        return gradient

    def retain_grad(self) -> None:
        """Keep the gradient of this non-leaf in ``grad``."""
        if not self.requires_grad:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if self._node is None or self._retains:  # torch does not look at what became of its base either
            return
        node = self.grad_fn
        import weakref

        self._retains = True
        if node.retained is None:
            node.retained = {}
        node.retained[self._number] = weakref.ref(self)

    # Data for Python

    def item(self) -> Any:
        """The value of a tensor with one element, as a Python number."""
        if self._aval().size != 1:
            raise RuntimeError(f"a Tensor with {self._aval().size} elements cannot be converted to Scalar")
        return self._numpy("item()").reshape(()).item()

    def tolist(self) -> Any:
        """The data as nested lists of Python numbers."""
        array = self._numpy("tolist()")
        return array.astype(np.float32).tolist() if array.dtype.kind == "V" else array.tolist()

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """The data as a NumPy array that shares its memory with a CPU tensor, as in torch.

        Raises:
            RuntimeError: if the tensor needs a gradient and ``force`` is not set.
            TypeError: for a tensor that is not on the CPU, or a dtype that NumPy lacks.
        """
        if force:
            return self.detach().cpu().numpy()
        if self._aval().place is not CPU:
            raise TypeError(
                f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host "
                "memory first."
            )
        if self.requires_grad:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        if self._aval().dtype.type.__module__ != "numpy":  # not `isbuiltin`: a dtype that was unpickled is a copy
            raise TypeError(f"Got unsupported ScalarType {dtypes.SCALAR_NAMES[self.dtype]}")
        if self._chain is not None:
            from torchlike._src.tensor import views

            for bit, name, cure in (self.is_conj(), "conjugate", "conj"), (self.is_neg(), "negative", "neg"):
                if bit:
                    raise RuntimeError(
                        f"Can't call numpy() on Tensor that has {name} bit set. Use tensor.resolve_{cure}().numpy() instead."
                    )
            return views.numpy_view(self)
        return self._shared_array().view()

    def _shared_array(self) -> np.ndarray:
        """The memory of this tensor, not a view, as an array that others may hold and write to."""
        storage = self._storage
        if storage.__class__ is not SharedStorage:
            array = self._array("numpy()")
            strides = None if self._geometry is None else self._geometry[0]
            order = None if strides is None else sorted(range(array.ndim), key=lambda d: -strides[d])
            if order is None or order == list(range(array.ndim)):
                memory = np.array(array, order="C")  # what was broadcast has other strides
            else:  # channels-last and the like: dimensions in the order of the strides
                memory = np.empty([array.shape[d] for d in order], array.dtype).transpose(np.argsort(order))
                memory[...] = array
            share(storage, memory)
        return storage.exported

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if self.requires_grad:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        if dtype is None and not copy and self._aval().place is CPU:
            return self.numpy()
        array = self._numpy("a conversion to NumPy")
        return array.astype(dtype) if dtype is not None and array.dtype != dtype else np.array(array)

    def __array_wrap__(self, array: np.ndarray, context: Any = None, return_scalar: bool = False) -> "Tensor":
        """What NumPy's functions make of tensors, as a tensor on NumPy's memory; uint8 for bools, as in torch."""
        from torchlike._src.tensor.from_data import from_numpy

        return from_numpy(array.astype(np.uint8) if array.dtype == bool else array)

    def __jax_array__(self) -> jax.Array:
        return jax.numpy.asarray(self._array("a conversion to JAX"))

    def __bool__(self) -> bool:
        n = self._aval().size
        if n == 0:
            raise RuntimeError("Boolean value of Tensor with no values is ambiguous")
        if n > 1:
            raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous")
        return bool(self._numpy("a condition (bool)").reshape(()).item())

    def __int__(self) -> int:
        return int(self._only("a conversion to int", "int64_t"))

    def __float__(self) -> float:
        return float(self._only("a conversion to float", "double"))

    def __complex__(self) -> complex:
        return complex(self._only("a conversion to complex"))

    def _only(self, reason: str, real: str | None = None) -> Any:
        """The one element; a complex one must be ``real`` where a real C++ type is named."""
        if self._aval().size != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        value = self._numpy(reason).reshape(()).item()
        if real is not None and isinstance(value, complex):
            if value.imag:
                raise RuntimeError(f"value cannot be converted to type {real} without overflow")
            return value.real
        return value

    def __index__(self) -> int:
        if self._aval().size != 1 or self._aval().dtype.kind not in "iub":
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self._only("an index"))

    def __len__(self) -> int:
        shape = self._aval().shape
        if not shape:
            raise TypeError("len() of a 0-d tensor")
        return shape[0]

    def __iter__(self) -> Any:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return iter(self.unbind(0))

    def __contains__(self, element: Any) -> bool:
        if isinstance(element, (Tensor, bool, int, float, complex)):
            return bool((element == self).any().item())
        raise RuntimeError(f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}.")

    __hash__ = object.__hash__  # by identity; ``__eq__`` would take it away

    def __reversed__(self) -> "Tensor":
        return self if self.ndim == 0 else self.flip(0)

    def __dir__(self) -> list[str]:
        return sorted({*dir(type(self)), *self.__dict__})

    def __format__(self, spec: str) -> str:
        if self.ndim == 0 and type(self) is Tensor:
            return format(self.item(), spec)
        return object.__format__(self, spec)

    # Identity of memory

    def _set_strides(self, strides: tuple[int, ...], offset: int = 0) -> None:
        """Strides other than the contiguous ones of a tensor that was just made."""
        if offset or strides != contiguous_strides(self._aval().shape):
            self._geometry = (strides, offset)
            if self._chain is None:
                self._storage._strides = strides

    def stride(self, dim: int | None = None) -> Any:
        """The strides in elements, or that of one dimension."""
        strides = self._geometry[0] if self._geometry is not None else contiguous_strides(self._aval().shape)
        return strides if dim is None else strides[dim]

    def storage_offset(self) -> int:
        """Where in its storage the tensor begins, in elements."""
        return self._geometry[1] if self._geometry is not None else 0

    def untyped_storage(self) -> Any:
        """A handle on the memory that the tensor shares with its views, as bytes."""
        from torchlike import storage

        return storage.untyped_storage_of(self)

    def storage(self) -> Any:
        """As `untyped_storage`, with the tensor's dtype."""
        from torchlike import storage

        return storage.typed_storage_of(self)

    _typed_storage = storage

    def data_ptr(self) -> int:
        """A number that tells memory apart: equal for the same place in the same storage. Not an address."""
        if self._aval().size == 0:
            return 0
        return self._storage.address + self.storage_offset() * self.itemsize

    def __deepcopy__(self, memo: dict[int, Any]) -> "Tensor":
        if not self.is_leaf:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment.  "
                "If you were attempting to deepcopy a module, this may be because of a torch.nn.utils.weight_norm usage, see "
                "https://github.com/pytorch/pytorch/pull/103001"
            )
        if id(self) in memo:
            return memo[id(self)]
        new = Tensor.__new__(type(self))
        memo[id(self)] = new
        storages = memo.setdefault("torchlike storages", {})
        storage = storages.get(id(self._storage))
        if storage is None:
            value = self._storage.value
            storage = Storage(value if value.__class__ is Value else value.own())
            storages[id(self._storage)] = storage
            memo.setdefault("torchlike originals", []).append(self._storage)  # so that no other gets its id meanwhile
        new._storage = storage
        new._geometry = self._geometry
        if self._chain is not None:  # it shows the same part of the copied storage, and is nobody's view
            new._chain, new._cached, new._seen = self._chain, self._value(), -1
        new._requires_grad = self._requires_grad
        if self._grad is not None:
            new._grad = copy.deepcopy(self._grad, memo)
        for key, value in self.__dict__.items():
            if key not in _INTERNAL:
                new.__dict__[key] = copy.deepcopy(value, memo)
        return new

    def __copy__(self) -> "Tensor":
        new = self._from_tensor(self, self._requires_grad)
        new.__dict__.update({key: value for key, value in self.__dict__.items() if key not in _INTERNAL})
        return new

    def __reduce_ex__(self, protocol: Any) -> Any:
        from torchlike._src.tensor import pickling

        return pickling.reduce(self, protocol)

    def __setstate__(self, state: Any) -> None:
        self.__dict__.update(state)

    @classmethod
    def _from_tensor(cls, tensor: "Tensor", requires_grad: bool = False) -> Any:
        """A leaf of class ``cls`` that shares the storage of ``tensor``."""
        new = Tensor.__new__(cls)
        alias(tensor, new)
        new._requires_grad = requires_grad
        return new

    @staticmethod
    def _make_subclass(cls: Any, data: "Tensor", require_grad: bool = False) -> Any:
        return cls._from_tensor(data, require_grad)

    def as_subclass(self, cls: Any) -> Any:
        """This tensor as an instance of a subclass, with the same history."""
        new = cls._from_tensor(self, self._requires_grad)
        new._node, new._number = self._node, self._number
        return new


_INFERENCE = (
    "Inplace update to inference tensor outside InferenceMode is not allowed.You can make a clone to get a normal tensor before "
    "doing inplace update.See https://github.com/pytorch/rfcs/pull/17 for more details."
)
_OVERLAP = "unsupported operation: {} to a single memory location. Please clone() the tensor before performing the operation."
_WHY = {
    "multi": "This view is the output of a function that returns multiple views. Such functions do not allow the output views to "
    "be modified inplace. You should replace the inplace operation by an out-of-place one.",
    "function": "This view was created inside a custom Function (or because an input was returned as-is) and the autograd logic to "
    "handle view+inplace would override the custom backward associated with the custom Function, leading to incorrect gradients. "
    "This behavior is forbidden. You can fix this by cloning the output of the custom Function.",
    "no_grad": "Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your code by moving both the "
    "view and the inplace either both inside the no_grad block (if you don't want the inplace to be tracked) or both outside (if "
    "you want the inplace to be tracked).",
    "inference": "Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your code by moving both "
    "the view and the inplace either both inside the inference_mode block (if you don't want the inplace to be tracked) or both "
    "outside (if you want the inplace to be tracked).",
}


def view_refused(view: Tensor, what: str) -> str:
    """Torch's message for a write that a view's making forbids; ``what``: "is being" or "its base ... has been"."""
    mode, other = ("inference", "in normal mode") if view._made == "inference" else ("no_grad", "with grad mode enabled")
    if view._node is None:
        start = f"A view was created in {mode} mode and {what} modified inplace {other}."
    elif view._made in ("no_grad", "inference"):
        origin = f"Output {view._output} of {plain_name(view._node)} is a view of a view which was created in {mode} mode"
        start = f"{origin} and {what} modified inplace {other}."
    else:
        start = f"Output {view._output} of {plain_name(view._node)} is a view and {what} modified inplace."
    return f"{start} {_WHY[view._made]}"  # type: ignore[index]


def move_retained(t: Tensor, node: Any, number: int) -> None:
    """A tensor whose gradient is kept was written to: keep that of its new value."""
    import weakref

    if t._node is not None and t._node.retained:
        t._node.retained.pop(t._number, None)
    if node.retained is None:
        node.retained = {}
    node.retained[number] = weakref.ref(t)


def alias(source: Tensor, new: Tensor) -> Tensor:
    """Make ``new`` read the same memory as ``source``, without its history; it is nobody's view."""
    new._storage = source._storage
    if source._chain is not None:
        source._value()
        new._chain = source._chain
        new._cached, new._seen = source._cached, source._seen
    if source._geometry is not None:
        new._geometry = source._geometry
    if source._own_counter is not None:
        new._own_counter = source._own_counter
    return new


_INTERNAL = frozenset(k for k in Tensor.__annotations__) | {
    "_seen", "_born", "_requires_grad", "_number", "_retains", "_inference", "_detached", "_output", "_made", "_accumulator",
}  # fmt: skip


name_tensor_class(Tensor)
