"""What holds the value of one or more tensors, and counts the writes to it."""

import itertools
from sys import getrefcount
from typing import Any

import numpy as np

from torchlike._src.engine.trace import local
from torchlike._src.engine.value import CPU, Borrowed, Value, aval
from torchlike._src.tensor.strides import contiguous_strides

_addresses = itertools.count(1)


def data_of(value: Value, reason: str) -> Any:
    """The data of a value; what was recorded is run first if need be, for this ``reason``."""
    if value.data is None:
        rec = local.recorder
        if value.epoch == rec.epoch:
            rec.flush(reason)
        else:
            rec.take_over(value)
    return value.data


class Storage:
    """Holds the present value of one or more tensors. ``writes`` counts all writes, ``version`` those autograd sees."""

    writes = 0
    version = 0
    _address = 0
    value: Value
    exported: np.ndarray

    def __init__(self, value: Value) -> None:
        self.value = value

    @property
    def address(self) -> int:
        """A number that no other storage has, 64-byte aligned like an address."""
        if not self._address:
            self._address = 0x1000_0000_0000 + next(_addresses) * 0x1_0000_0000
        return self._address

    @property
    def strides(self) -> tuple[int, ...]:
        """How the value lies in memory, for whoever asks about strides; its shape is that of the whole storage."""
        try:
            return self._strides
        except AttributeError:
            return contiguous_strides(self.value.aval.shape)

    def set(self, value: Value) -> None:
        """Replace the value."""
        self.value.heir = value.index
        self.value = value if value.__class__ is Value else value.own()
        self.writes += 1


class SharedStorage(Storage):
    """A storage whose memory is a NumPy array that somebody else can write to: after `from_numpy` or `Tensor.numpy`.

    Reading gives a `Borrowed` value, and every write goes into the array at once. When the outside has let go of the
    array, the storage becomes a plain one again.
    """

    __slots__ = ()

    @property
    def value(self) -> Value:  # type: ignore[override]
        array = self.exported
        if array.flags.owndata and getrefcount(array) <= 3:  # the storage, this frame and the call: nobody else
            self.__class__ = Storage
            del self.exported
            self.value = Value(aval(array.shape, array.dtype, CPU), array)
            return self.value
        return Borrowed(aval(array.shape, array.dtype, CPU), array)

    def set(self, value: Value) -> None:
        np.copyto(self.exported, data_of(value, "a write to a tensor that shares its memory with a NumPy array"))
        self.writes += 1


def share(storage: Storage, array: np.ndarray) -> None:
    """From now on ``array``, which others can write to, is the storage's memory."""
    storage.__class__ = SharedStorage
    storage.exported = array
    storage.__dict__.pop("value", None)


class Counter:
    """A version counter of its own, for ``x.data``: writes through it go unnoticed by autograd, as in torch."""

    __slots__ = ("version",)

    def __init__(self) -> None:
        self.version = 0
