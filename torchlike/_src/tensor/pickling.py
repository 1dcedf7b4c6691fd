"""Pickle and copy protocols of tensors: NumPy carries the data, so that a worker process needs no JAX."""

from collections.abc import Callable
from typing import Any

import numpy as np

from torchlike._src.engine.value import host_value
from torchlike._src.tensor import dtypes
from torchlike._src.tensor.core import _INTERNAL, Tensor
from torchlike._src.tensor.storage import Storage

#: How files are written: set by `serialization` while it saves, so that tensors go there instead of into the pickle.
external: list[Callable[[Tensor], Any]] = []


def reduce(t: Tensor, protocol: Any) -> Any:
    """What pickle stores for a tensor.

    Raises:
        RuntimeError: for a tensor with a history that is not a leaf, as torch does when it crosses processes.
    """
    if external:
        return external[-1](t)
    extra = {k: v for k, v in t.__dict__.items() if k not in _INTERNAL}
    array = t.detach()._numpy("pickling")
    name = t.dtype.name
    raw = array.view(np.uint8) if array.dtype.kind == "V" and array.ndim else array
    if array.dtype.kind == "V" and not array.ndim:
        raw = np.frombuffer(array.tobytes(), np.uint8)
    device = str(t.device)
    cls = None if type(t) is Tensor else type(t)  # its `__module__` is torch, which may be absent or the real one
    return rebuild, (cls, raw, name, tuple(t.shape), t._geometry, t.requires_grad, device, t._grad), extra or None


def rebuild(
    cls: type[Tensor] | None, raw: np.ndarray, name: str, shape: tuple[int, ...], geometry: Any, requires_grad: bool, device: str,
    grad: Any,
) -> Tensor:  # fmt: skip
    """The inverse of `reduce`."""
    dtype = getattr(dtypes, "bool_" if name == "bool" else name)
    array = raw if raw.dtype == dtype.np else np.frombuffer(raw.tobytes(), dtype.np)
    t = Tensor.__new__(cls or Tensor)
    t._storage = Storage(host_value(array.reshape(shape)))
    if geometry is not None:
        from torchlike._src.tensor.strides import dense_like

        if dense_like(shape, geometry[0]) == geometry[0]:
            t._geometry = (geometry[0], 0)
    if device != "cpu":
        moved = t.to(device)
        t._storage = moved._storage
    t._requires_grad = requires_grad
    if grad is not None:
        t._grad = grad
    return t
