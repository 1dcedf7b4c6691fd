"""Carrying values between real torch and a library that has torch's API, with NumPy in between.

Not here: comparing them (`compare.py`).
"""

import importlib
import types
from typing import Any

import ml_dtypes
import numpy as np
import torch
from torch._ops import OpOverload, OpOverloadPacket

#: Dtypes that NumPy lacks: torch's name → (an integer dtype of the same width, the NumPy extension dtype).
_BITS = {
    torch.bfloat16: (torch.int16, np.dtype(ml_dtypes.bfloat16)),
    torch.float8_e4m3fn: (torch.uint8, np.dtype(ml_dtypes.float8_e4m3fn)),
    torch.float8_e4m3fnuz: (torch.uint8, np.dtype(ml_dtypes.float8_e4m3fnuz)),
    torch.float8_e5m2: (torch.uint8, np.dtype(ml_dtypes.float8_e5m2)),
    torch.float8_e5m2fnuz: (torch.uint8, np.dtype(ml_dtypes.float8_e5m2fnuz)),
    torch.float8_e8m0fnu: (torch.uint8, np.dtype(ml_dtypes.float8_e8m0fnu)),
}
_TORCH_NAMESPACES = (
    "nn.functional", "linalg", "fft", "special", "signal.windows", "masked", "sparse", "nn.init", "nn",
)  # fmt: skip


def name_of(dtype: Any) -> str:
    """``"float32"`` for `torch.float32`, whichever library it comes from."""
    return str(dtype).rsplit(".", 1)[-1]


def resolve(library: Any, path: str) -> Any:
    """The object at a dotted public path, ``"nn.functional.relu"`` or ``"Tensor.add_"``; AttributeError if missing."""
    found = library
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except (AttributeError, ImportError):
            if not isinstance(found, types.ModuleType):
                raise
            try:
                found = importlib.import_module(f"{found.__name__}.{part}")
            except ModuleNotFoundError:
                raise AttributeError(f"{found.__name__} has no attribute {part!r}") from None
    return found


def public_paths() -> dict[int, str]:
    """``id(object)`` → public path, for every function of torch's public namespaces."""
    paths: dict[int, str] = {}
    for namespace in ("", *_TORCH_NAMESPACES):
        owner = resolve(torch, namespace) if namespace else torch
        for name, value in vars(owner).items():
            if callable(value) and not name.startswith("_"):
                paths.setdefault(id(value), f"{namespace}.{name}" if namespace else name)
    for name in dir(torch.Tensor):
        paths.setdefault(id(getattr(torch.Tensor, name)), f"Tensor.{name}")
    return paths


def to_numpy(tensor: Any, library: Any = torch) -> np.ndarray:
    """A private NumPy copy of a tensor of either library, of the matching (extension) dtype."""
    tensor = tensor.detach()
    tensor = tensor.resolve_conj().resolve_neg()  # lazily conjugated and negated tensors refuse numpy(), as zero tensors do
    if library is torch:
        tensor = torch.zeros_like(tensor) if tensor._is_zerotensor() else tensor
    for dtype, (bits, extension) in _BITS.items():
        if name_of(dtype) == name_of(tensor.dtype):
            # A view of another dtype wants dense memory, and refuses 0-d tensors only when the widths differ.
            dense = tensor.contiguous()
            return np.array(dense.view(getattr(library, name_of(bits))).numpy()).view(extension)
    if name_of(tensor.dtype) == "complex32":  # NumPy has no pair of halves
        return np.array(tensor.to(library.complex64).numpy())
    return np.array(tensor.numpy())


def from_numpy(array: np.ndarray, library: Any = torch) -> Any:
    """A contiguous tensor holding `array`, which it may share."""
    array = np.ascontiguousarray(array).reshape(array.shape)  # ascontiguousarray makes 0-d arrays 1-d
    for dtype, (bits, extension) in _BITS.items():
        if extension == array.dtype:
            raw = library.from_numpy(array.view(np.dtype(name_of(bits))))
            return raw.view(getattr(library, name_of(dtype)))
    return library.from_numpy(array)


class Bridge:
    """Carries structures of torch's objects over to another library with the same API.

    Tensors keep value, dtype, sizes, strides and ``requires_grad``. Tensors that share a storage on
    torch's side share one on the other side too, if carried by the same Bridge.

    Args:
        library: the module to carry to, e.g. ``torchlike`` (or `torch` itself, to test a harness).
    """

    def __init__(self, library: Any) -> None:
        self.library = library
        self._storages: dict[int, tuple[Any, Any]] = {}  # address → (the storage, kept alive; its flat tensor here)
        self._tensors: dict[int, tuple[Any, Any]] = {}  # id → (the tensor, kept alive; the one here)

    def over(self, value: Any) -> Any:
        """`value` with every tensor, dtype, device, function … replaced by the library's own."""
        if isinstance(value, torch.Tensor):
            if id(value) not in self._tensors:
                self._tensors[id(value)] = (value, self._tensor(value))
            return self._tensors[id(value)][1]
        if isinstance(value, (torch.dtype, torch.layout, torch.memory_format)):
            return getattr(self.library, name_of(value))
        if isinstance(value, torch.device):
            return self.library.device(str(value))
        if isinstance(value, torch.Size):
            return self.library.Size(value)
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return type(value)(*map(self.over, value))
        if type(value) in (list, tuple, set):
            return type(value)(map(self.over, value))
        if isinstance(value, dict):
            return type(value)((key, self.over(item)) for key, item in value.items())
        if isinstance(value, slice):
            return slice(self.over(value.start), self.over(value.stop), self.over(value.step))
        if isinstance(value, torch.Generator):
            return self.library.Generator().manual_seed(value.initial_seed())
        if isinstance(value, torch.nn.Module):
            return self._module(value)
        if callable(value):
            return translate(value, self.library)
        return value

    def _module(self, module: torch.nn.Module) -> Any:
        """A module without parameters: its constants say all about it."""
        made = getattr(self.library.nn, type(module).__name__)()
        for name in getattr(module, "__constants__", ()):
            setattr(made, name, self.over(getattr(module, name)))
        return made

    def _tensor(self, tensor: torch.Tensor) -> Any:
        if tensor.layout is not torch.strided:
            return self._sparse(tensor)
        with torch.no_grad(), self.library.no_grad():
            result = self._strided(tensor.detach())
        if isinstance(tensor, torch.nn.Parameter):
            return self.library.nn.Parameter(result, requires_grad=tensor.requires_grad)
        return result.requires_grad_() if tensor.requires_grad else result

    def _strided(self, tensor: torch.Tensor) -> Any:
        # Tests take data_ptr() for identity, but an empty storage has none: those never alias anyway.
        storage = tensor.untyped_storage()
        whole = storage.nbytes() == tensor.numel() * tensor.element_size()
        if not tensor.numel() or tensor.is_conj() or tensor.is_neg() or tensor.dtype == torch.complex32:
            return from_numpy(to_numpy(tensor), self.library)
        key = storage.data_ptr()
        if key not in self._storages and whole and tensor.is_contiguous():
            result = from_numpy(to_numpy(tensor), self.library)
            self._storages[key] = (storage, result)
            return result.detach()
        if key not in self._storages:
            flat = torch.empty(0, dtype=tensor.dtype).set_(storage)
            self._storages[key] = (storage, from_numpy(to_numpy(flat), self.library))
        flat = self._storages[key][1].reshape(-1)
        if name_of(flat.dtype) != name_of(tensor.dtype):
            flat = flat.view(getattr(self.library, name_of(tensor.dtype)))
        return flat.as_strided(tuple(tensor.shape), tensor.stride(), tensor.storage_offset())

    def _sparse(self, tensor: torch.Tensor) -> Any:
        if tensor.layout is torch.sparse_coo:
            result = self.library.sparse_coo_tensor(
                self._strided(tensor.detach()._indices()), self._strided(tensor.detach()._values()), tuple(tensor.shape)
            )
            return result.coalesce() if tensor.is_coalesced() else result
        parts = [tensor.detach().crow_indices(), tensor.detach().col_indices(), tensor.detach().values()]
        return self.library.sparse_csr_tensor(*map(self._strided, parts), tuple(tensor.shape))


_PATHS: dict[int, str] = {}


def translate(function: Any, library: Any) -> Any:
    """The library's counterpart of a callable of torch's.

    Public functions are found by their path. The helpers of torch's own test suite, lambdas above all, are
    copied with the name ``torch`` (and whatever else of torch's they mention) bound to `library`.

    Raises:
        AttributeError: the library lacks it.
    """
    if library is torch:
        return function
    if not _PATHS:
        _PATHS.update(public_paths())
    if isinstance(function, types.ModuleType):
        return _module(function, library)
    path = _PATHS.get(id(function))
    if path is not None:
        return resolve(library, path)
    if isinstance(function, (OpOverload, OpOverloadPacket)):
        return resolve(library, f"ops.{function}")
    if isinstance(function, types.MethodType) and isinstance(function.__self__, type):
        return function
    if hasattr(function, "func") and hasattr(function, "keywords"):  # functools.partial
        bridge = Bridge(library)
        return type(function)(translate(function.func, library), *bridge.over(function.args), **bridge.over(function.keywords))
    if isinstance(function, types.FunctionType):
        return _rebind(function, library, {})
    return function


def _module(module: types.ModuleType, library: Any) -> Any:
    if module is torch:
        return library
    if module.__name__.startswith("torch.") and not module.__name__.startswith("torch.testing"):
        return resolve(library, module.__name__.removeprefix("torch."))
    return module


def _rebind(function: types.FunctionType, library: Any, memo: dict[int, Any]) -> Any:
    if function.__name__ == "wrapper_set_seed":  # op_db's way to make random ops repeatable
        return lambda op, *args, **kwargs: (library.manual_seed(42), op(*args, **kwargs))[1]
    if id(function) in memo:
        return memo[id(function)]
    if not (function.__module__ or "").startswith("torch.testing") and function.__name__ != "<lambda>":
        return function

    def convert(value: Any) -> Any:
        if isinstance(value, types.FunctionType) and id(value) not in _PATHS:
            return _rebind(value, library, memo)
        if isinstance(value, (torch.dtype, torch.device, torch.Tensor, type(torch.add))):
            return Bridge(library).over(value) if not callable(value) else translate(value, library)
        if isinstance(value, types.ModuleType) or id(value) in _PATHS:
            return translate(value, library)
        return value

    memo[id(function)] = function  # a recursive mention keeps the original
    used = _names(function.__code__)
    names = {name: convert(value) for name, value in function.__globals__.items() if name in used}
    closure = tuple(types.CellType(convert(cell.cell_contents)) for cell in function.__closure__ or ())
    copy = types.FunctionType(
        function.__code__,
        {**names, "__builtins__": function.__globals__["__builtins__"], "__name__": function.__module__},
        function.__name__,
        tuple(map(convert, function.__defaults__)) if function.__defaults__ else None,
        closure,
    )
    if function.__kwdefaults__:
        copy.__kwdefaults__ = {name: convert(value) for name, value in function.__kwdefaults__.items()}
    memo[id(function)] = copy
    return copy


def _names(code: types.CodeType) -> set[str]:
    """The global names mentioned in a function, nested ones too."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _names(constant)
    return names
