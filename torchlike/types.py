"""``torch.types``: what annotations of torch's users name."""

import os
from typing import IO, Any, TypeAlias

from torchlike._src.tensor.devices import device as _device

__all__ = ["Device", "FileLike", "Number", "Storage"]

Number: TypeAlias = int | float | bool
Device: TypeAlias = _device | str | int | None
FileLike: TypeAlias = str | os.PathLike[str] | IO[bytes]


class Storage:
    """What a storage has, for annotations: a dtype, a device, and a size."""

    _cdata: int
    device: _device
    dtype: Any
