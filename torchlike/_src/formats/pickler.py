"""Writing pickles: tensors as references to storages that lie outside, our globals under torch's names."""

import pickle
import types
from collections import OrderedDict
from typing import Any, BinaryIO, ClassVar

import torchlike as torch
from torchlike import storage as storages
from torchlike._src.formats import names, rebuild, tensors
from torchlike._src.tensor import dtypes
from torchlike._src.tensor.core import Tensor
from torchlike._src.tensor.sparse.handle import SparseTensor, like
from torchlike.nn.parameter import Parameter


class StorageTable:
    """The storages that a pickle refers to, in the order in which it met them.

    Attributes:
        wholes: for each key ("0", "1", ...) a tensor, or an `UntypedStorage`, that holds all of the storage.
        dtypes: the type of its elements.
    """

    def __init__(self) -> None:
        self._keys: dict[int, str] = {}
        self.wholes: list[Any] = []
        self.dtypes: list[dtypes.dtype] = []

    def key(self, identity: object, whole: Any, dtype: dtypes.dtype) -> str:
        """The key of the storage that is the object ``identity``.

        Raises:
            RuntimeError: if it was met with another dtype before: files cannot say that.
        """
        key = self._keys.get(id(identity))
        if key is None:
            key = self._keys[id(identity)] = str(len(self.wholes))
            self.wholes.append(whole)  # keeps the identity alive, too
            self.dtypes.append(dtype)
        elif self.dtypes[int(key)] is not dtype:
            raise RuntimeError("Cannot save multiple tensors or storages that view the same data as different types")
        return key

    def bytes(self, index: int) -> Any:
        """What lies in a storage."""
        whole = self.wholes[index]
        return tensors.memory_of(whole) if isinstance(whole, Tensor) else whole._bytes()


class _Reference:
    """Stands in a pickle for the storage of a tensor."""

    __slots__ = ("pid",)

    def __init__(self, *pid: Any) -> None:
        self.pid = pid


def torch_pickler(pickle_module: Any) -> type:
    """The Pickler class for torch's files, on top of that of ``pickle_module``.

    The standard one is the Python version: the C version lets nobody choose under which name a class is written.
    A module whose Pickler is a C one (cloudpickle) writes our own names, which only torchlike reads.
    """
    base = pickle._Pickler if pickle_module is pickle else pickle_module.Pickler  # type: ignore[attr-defined]

    class TorchPickler(base):  # type: ignore[misc,valid-type]
        dispatch: ClassVar[dict[Any, Any]] = dict(getattr(base, "dispatch", {}))

        def __init__(self, file: BinaryIO, protocol: int, table: StorageTable, legacy: bool = False) -> None:
            super().__init__(file, protocol=protocol)
            self.table = table
            self.legacy = legacy

        def persistent_id(self, obj: object) -> Any:
            if type(obj) is _Reference:
                return obj.pid
            if isinstance(obj, storages.TypedStorage):
                return self._reference(obj.untyped(), obj.dtype).pid
            if isinstance(obj, storages.UntypedStorage):
                return self._reference(obj, None).pid
            return None

        def reducer_override(self, obj: object) -> Any:
            if isinstance(obj, Tensor):
                return self._reduce_tensor(obj)
            if type(obj) is dtypes.dtype:
                return obj.name  # a global: torch.float32
            if type(obj) is torch.layout:  # not the memory formats, which torch cannot save
                return rebuild._get_layout, (str(obj),)
            inherited = getattr(super(), "reducer_override", None)
            return inherited(obj) if inherited is not None else NotImplemented

        def save_global(self, obj: Any, name: str | None = None) -> None:
            found = names.torch_name_of(obj, name or getattr(obj, "__qualname__", None) or obj.__name__)
            if found is None or (self.proto < 4 and "." in found[1]):
                super().save_global(obj, name)
                return
            if self.proto >= 4:
                self.save(found[0])
                self.save(found[1])
                self.write(pickle.STACK_GLOBAL)
            else:
                self.write(pickle.GLOBAL + f"{found[0]}\n{found[1]}\n".encode())
            self.memoize(obj)

        def _save_class(self, obj: type) -> None:
            if names.torch_name_of(obj, obj.__qualname__) is None:
                base.dispatch[type](self, obj)  # knows type(None) and its like
            else:
                self.save_global(obj)

        if dispatch:
            dispatch[type] = _save_class
            dispatch[types.FunctionType] = save_global

        def _reduce_tensor(self, tensor: Tensor) -> Any:
            kind = type(tensor)
            if isinstance(tensor, SparseTensor):
                return self._reduce_sparse(tensor)
            if kind.__reduce_ex__ not in (Tensor.__reduce_ex__, Parameter.__reduce_ex__):
                return NotImplemented  # the class knows better
            state = tensors.attributes(tensor)
            if kind is Parameter:
                parts = (tensor.detach(), tensor.requires_grad, OrderedDict())
                if state:
                    return rebuild._rebuild_parameter_with_state, (*parts, state)
                return rebuild._rebuild_parameter, parts
            function, args = self._parts(tensor)
            if kind is Tensor and not state:
                return function, args
            return rebuild._rebuild_from_type_v2, (function, kind, args, state)

        def _reduce_sparse(self, tensor: SparseTensor) -> Any:
            data = (*[p.detach() for p in tensor._parts], tensor._data.detach(), tensor.shape)
            if tensor.layout is torch.sparse_coo:
                data = (*data, tensor.is_coalesced())
            if not isinstance(tensor, Parameter):
                return rebuild._rebuild_sparse_tensor, (tensor.layout, data)
            return rebuild._rebuild_parameter, (like(tensor, tensor._data.detach()), tensor.requires_grad, OrderedDict())

        def _parts(self, tensor: Tensor) -> Any:
            dtype = tensor.dtype
            known = dtype in storages.BY_DTYPE
            args = (
                self._reference(tensor, dtype if known else None),
                tensor.storage_offset(),
                tuple(tensor.shape),
                tuple(tensor.stride()),
                tensor.requires_grad,
                OrderedDict(),
            )
            return (rebuild._rebuild_tensor_v2, args) if known else (rebuild._rebuild_tensor_v3, (*args, dtype))

        def _reference(self, owner: Any, dtype: dtypes.dtype | None) -> _Reference:
            identity, whole, nbytes = tensors.storage_of(owner)
            cls = storages.UntypedStorage if dtype is None else storages.BY_DTYPE[dtype]
            dtype = dtypes.uint8 if dtype is None else dtype
            key = self.table.key(identity, whole, dtype)
            pid = ("storage", cls, key, str(owner.device), nbytes // dtype.itemsize)
            return _Reference(*pid, None) if self.legacy else _Reference(*pid)  # formerly: which part of the storage

    return TorchPickler
