"""DLPack: handing arrays to other libraries, and taking theirs, on the host or on a device."""

from typing import Any

import jax
import numpy as np

from torchlike._src.engine.value import CPU, device_value
from torchlike._src.tensor import dtypes, from_data
from torchlike._src.tensor.core import Tensor
from torchlike._src.tensor.dispatch import _new


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor of another library's array, by DLPack; without a copy for NumPy and CPU arrays."""
    if isinstance(ext_tensor, Tensor):
        return ext_tensor.detach()
    if isinstance(ext_tensor, jax.Array):
        return from_jax(ext_tensor)
    if type(ext_tensor).__name__ == "PyCapsule":
        ext_tensor = _Capsule(ext_tensor)
    if not hasattr(ext_tensor, "__dlpack__"):
        raise RuntimeError(
            "from_dlpack received an invalid capsule. Note that DLTensor capsules can be consumed only once, so you might have "
            "already constructed a tensor from it once."
        )
    where = ext_tensor.__dlpack_device__() if hasattr(ext_tensor, "__dlpack_device__") else (1, 0)
    if where[0] == 1:
        try:
            array = np.from_dlpack(ext_tensor)
        except (BufferError, RuntimeError, TypeError):
            return _new(device_value(jax.dlpack.from_dlpack(ext_tensor)))
        array = array if array.flags.writeable else array.copy()
        out = from_data.from_numpy(array.copy() if copy else array)
    else:
        out = _new(device_value(jax.dlpack.from_dlpack(ext_tensor)))
    return out if device is None else out.to(device)


class _Capsule:
    """A bare capsule, of CPU memory, as an object that importers take."""

    def __init__(self, capsule: Any) -> None:
        self.capsule = capsule

    def __dlpack__(self, **_: Any) -> Any:
        return self.capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0


def from_jax(array: jax.Array) -> Tensor:
    """A tensor that holds a JAX array; no copy, since neither side writes to it."""
    dtypes.of_numpy(array.dtype)
    return _new(device_value(array))


def _exported(self: Tensor) -> Any:
    if self.requires_grad:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    if self._aval().place is CPU and self._aval().dtype.kind != "V":
        return self.numpy()  # shares memory, as torch's export does
    return jax.numpy.asarray(self._array("an export by DLPack"))


def _dlpack(self: Tensor, *, stream: Any = None, **options: Any) -> Any:
    """A DLPack capsule of the tensor's memory."""
    return _exported(self).__dlpack__()


def _dlpack_device(self: Tensor) -> tuple[int, int]:
    """(device type, index) by DLPack's numbers."""
    place = self._aval().place
    return {"cpu": 1, "gpu": 2}.get(place.platform, 1), place.index


Tensor.__dlpack__ = _dlpack  # type: ignore[attr-defined]
Tensor.__dlpack_device__ = _dlpack_device  # type: ignore[attr-defined]
