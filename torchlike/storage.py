"""Storages: the flat memory that tensors look at, as pickles and `map_location` functions name it.

A Tensor's own storage lives in ``torchlike._src.tensor``; the classes here are handles to one, made when a
script asks (`Tensor.untyped_storage`) and while files are read and written.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from torchlike._src.formats import tensors
from torchlike._src.tensor import dtypes

if TYPE_CHECKING:
    from torchlike._src.tensor.core import Tensor
    from torchlike._src.tensor.devices import device

__all__ = ["TypedStorage", "UntypedStorage"]


class UntypedStorage:
    """Bytes that tensors look at.

    Args:
        size: how many bytes (they are zero), or the bytes themselves.
        device: where they lie.
    """

    __slots__ = ("_array", "_base", "_device")

    def __init__(self, size: int | Sequence[int] | np.ndarray = 0, *, device: Any = "cpu") -> None:
        self._array = np.zeros(size, np.uint8) if isinstance(size, int) else np.asarray(size, np.uint8)
        self._base: Tensor | None = None
        self._device = device

    @classmethod
    def _wrap(cls, memory: np.ndarray) -> "UntypedStorage":
        """A storage that takes over bytes which nobody else will write to."""
        self = cls.__new__(cls)
        self._array, self._base, self._device = memory, None, "cpu"
        return self

    @classmethod
    def _of(cls, base: "Tensor") -> "UntypedStorage":
        """The storage that ``base``, a tensor of the whole of it, looks at."""
        self = cls.__new__(cls)
        self._array, self._base, self._device = None, base, base.device
        return self

    def _bytes(self) -> np.ndarray:
        return self._array if self._base is None else tensors.memory_of(self._base)

    def _flat(self, dtype: dtypes.dtype) -> "Tensor":
        """All of it as a flat tensor of ``dtype``; every call looks at the same memory."""
        if self._base is None:
            self._base = tensors.flat_tensor(self._array, dtype, self._device)
            self._array = None
        return self._base if self._base.dtype is dtype else self._base.view(dtype)

    @property
    def device(self) -> "device":
        """Where the bytes lie."""
        return tensors.as_device(self._device)

    @property
    def is_cuda(self) -> bool:
        """Whether they lie on a GPU."""
        return self.device.type == "cuda"

    @property
    def _cdata(self) -> int:
        return self.data_ptr()

    def data_ptr(self) -> int:
        """The number that tells storages apart: two tensors share memory if their storages' numbers agree."""
        return self._array.ctypes.data if self._base is None else self._base.data_ptr()

    def nbytes(self) -> int:
        """How many bytes there are."""
        return self._array.nbytes if self._base is None else tensors.storage_of(self)[2]

    size = __len__ = nbytes

    def element_size(self) -> int:
        """1: bytes have no type."""
        return 1

    def __getitem__(self, index: Any) -> Any:
        found = self._bytes()[index]
        return int(found) if found.ndim == 0 else UntypedStorage(found.copy(), device=self._device)

    def tolist(self) -> list[int]:
        """The bytes as Python numbers."""
        return self._bytes().tolist()

    def clone(self) -> "UntypedStorage":
        """A copy."""
        return UntypedStorage(self._bytes().copy(), device=self._device)

    def to(self, device: Any, non_blocking: bool = False) -> "UntypedStorage":
        """The same bytes on another device; itself if they are there."""
        if tensors.as_device(device) == self.device:
            return self
        if self._base is not None:
            return UntypedStorage._of(self._base.detach().to(device))
        moved = UntypedStorage(0, device=tensors.checked_device(device))
        moved._array = self._array
        return moved

    def cpu(self) -> "UntypedStorage":
        """The same bytes on the CPU."""
        return self.to("cpu")

    def cuda(self, device: Any = None, non_blocking: bool = False) -> "UntypedStorage":
        """The same bytes on a GPU."""
        return self.to("cuda:0" if device is None else f"cuda:{device}" if isinstance(device, int) else device)

    def __repr__(self) -> str:
        return f"[{self.__class__.__name__}(device={self.device}) of size {self.nbytes()}]"


def untyped_storage_of(tensor: "Tensor") -> UntypedStorage:
    """What `Tensor.untyped_storage` gives: the memory that the tensor and its views share."""
    return UntypedStorage._of(tensors.whole_of(tensor))


def typed_storage_of(tensor: "Tensor") -> "TypedStorage":
    """What `Tensor.storage` gives."""
    return TypedStorage(wrap_storage=untyped_storage_of(tensor), dtype=tensor.dtype)


class TypedStorage:
    """A storage that knows the type of its elements. The subclasses (`FloatStorage`, ...) fix the type."""

    dtype: dtypes.dtype

    def __init__(
        self,
        *args: Any,
        device: Any = None,
        dtype: Any = None,
        wrap_storage: UntypedStorage | None = None,
        _internal: bool = False,
    ) -> None:
        if dtype is not None:
            self.dtype = dtype
        if wrap_storage is None:
            size = args[0] if args else 0
            values = np.zeros(size, self.dtype.np) if isinstance(size, int) else np.asarray(size, self.dtype.np)
            wrap_storage = UntypedStorage(values.view(np.uint8))
        self._untyped_storage = wrap_storage

    @property
    def device(self) -> "device":
        """Where the elements lie."""
        return self._untyped_storage.device

    @property
    def is_cuda(self) -> bool:
        """Whether they lie on a GPU."""
        return self._untyped_storage.is_cuda

    def untyped(self) -> UntypedStorage:
        """The same memory without a type."""
        return self._untyped_storage

    def size(self) -> int:
        """How many elements there are."""
        return self._untyped_storage.nbytes() // self.dtype.itemsize

    __len__ = _size = size

    def nbytes(self) -> int:
        """How many bytes there are."""
        return self._untyped_storage.nbytes()

    def element_size(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    def data_ptr(self) -> int:
        """As `UntypedStorage.data_ptr`."""
        return self._untyped_storage.data_ptr()

    def tolist(self) -> list[Any]:
        """The elements as Python numbers."""
        return self._untyped_storage._bytes().view(self.dtype.np).tolist()

    def __getitem__(self, index: int) -> Any:
        return self._untyped_storage._bytes().view(self.dtype.np)[index].item()

    def _on(self, moved: UntypedStorage) -> "TypedStorage":
        return self if moved is self._untyped_storage else TypedStorage(wrap_storage=moved, dtype=self.dtype)

    def to(self, device: Any) -> "TypedStorage":
        """The same elements on another device."""
        return self._on(self._untyped_storage.to(device))

    def cpu(self) -> "TypedStorage":
        """The same elements on the CPU."""
        return self._on(self._untyped_storage.cpu())

    def cuda(self, device: Any = None, non_blocking: bool = False) -> "TypedStorage":
        """The same elements on a GPU."""
        return self._on(self._untyped_storage.cuda(device))

    def pickle_storage_type(self) -> str:
        """The name that stands for this type in files: ``"FloatStorage"``."""
        return self.dtype.storage_name

    def __repr__(self) -> str:
        shown = ", ".join(map(str, self.tolist()[:20]))
        return f"[{shown}]\n[{type(self).__name__}(dtype={self.dtype}, device={self.device}) of size {self.size()}]"


#: The types that torch has a storage class for; newer ones (float8, uint16, ...) are saved as `UntypedStorage`.
BY_DTYPE: dict[dtypes.dtype, type[TypedStorage]] = {
    dtype: type(dtype.storage_name, (TypedStorage,), {"dtype": dtype, "__module__": __name__, "__doc__": f"{dtype}s."})
    for dtype in (
        dtypes.bool_, dtypes.uint8, dtypes.int8, dtypes.int16, dtypes.int32, dtypes.int64, dtypes.float16,
        dtypes.bfloat16, dtypes.float32, dtypes.float64, dtypes.complex64, dtypes.complex128,
    )
}  # fmt: skip
globals().update({cls.__name__: cls for cls in BY_DTYPE.values()})
__all__ += [cls.__name__ for cls in BY_DTYPE.values()]
