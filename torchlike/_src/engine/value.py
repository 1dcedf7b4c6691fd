"""What an op reads and makes: a value whose shape, dtype and place are known at once, its data perhaps later."""

from typing import Any, ClassVar, Self

import jax
import numpy as np

from torchlike._src.engine import memory


class Place:
    """A device as the engine sees it: a platform and an index. The JAX device is looked up on first use."""

    __slots__ = ("_device", "index", "platform")

    _all: ClassVar[dict[tuple[str, int], Any]] = {}

    def __new__(cls, platform: str, index: int = 0) -> Self:
        place = cls._all.get((platform, index))
        if place is None:
            place = cls._all[platform, index] = super().__new__(cls)
            place.platform, place.index, place._device = platform, index, None
        return place

    @property
    def device(self) -> Any:
        if self._device is None:
            self._device = jax.local_devices(backend=self.platform)[self.index]
        return self._device

    def __repr__(self) -> str:
        return f"{self.platform}:{self.index}"

    def __reduce__(self) -> Any:
        return Place, (self.platform, self.index)


CPU = Place("cpu", 0)


class Aval:
    """Shape, dtype and place of a value. Interned: equal ones are the same object, so keys hash by identity."""

    __slots__ = ("dtype", "inexact", "ndim", "place", "shape", "size", "struct")

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype, place: Place) -> None:
        self.shape = shape
        self.dtype = dtype
        self.place = place
        self.ndim = len(shape)
        self.inexact = dtype.kind in "fcV"  # V: NumPy's word for bfloat16 and its like
        size = 1
        for n in shape:
            size *= n
        self.size = size
        self.struct = jax.ShapeDtypeStruct(shape, dtype)

    def __repr__(self) -> str:
        return f"{self.dtype.name}[{','.join(map(str, self.shape))}]"


_avals: dict[tuple[tuple[int, ...], np.dtype, Place], Aval] = {}


def aval(shape: tuple[int, ...], dtype: np.dtype, place: Place = CPU) -> Aval:
    """The one `Aval` with these properties."""
    key = (shape, dtype, place)
    found = _avals.get(key)
    if found is None:
        found = _avals[key] = Aval(shape, dtype, place)
    return found


class PullbackAval:
    """The type of a pullback that has been computed: its tree of residuals. Interned like `Aval`."""

    __slots__ = ("leaves", "place", "treedef")

    _all: ClassVar[dict[Any, Any]] = {}

    def __new__(cls, treedef: Any, leaves: tuple[Any, ...], place: Place) -> "PullbackAval":
        key = (treedef, leaves, place)
        found = cls._all.get(key)
        if found is None:
            found = cls._all[key] = super().__new__(cls)
            found.treedef, found.leaves, found.place = treedef, leaves, place
        return found


class Value:
    """A result: a JAX array, a NumPy array still on the host, or number ``index`` of the trace ``epoch``.

    A value never changes: NumPy data belongs to the value alone, nobody writes to it. A pullback is a value too; its
    data is the list of its residuals, its aval a `PullbackAval` (None while it is only recorded).
    """

    # Not slots: a recorded value sets three attributes in place of a call of __init__, see `Recorder.push`.
    data: Any = None
    epoch = -1
    index = -1
    #: The number of the recorded value that a write has put in its place, as an optimizer does with a parameter.
    heir = -1
    #: Host data as a JAX array, from the second program on that reads it.
    uploaded: Any = None

    def __init__(self, aval: Any, data: Any) -> None:
        self.aval = aval
        self.data = data


class Borrowed(Value):
    """A value in memory that others can write to: good for reading at once, and copied before it is kept."""

    def own(self) -> Value:
        """The same value in memory of its own."""
        return Value(self.aval, memory.private_copy(self.data))


def host_value(array: np.ndarray) -> Value:
    """A value on the host; the array must not be written to any more."""
    return Value(aval(array.shape, array.dtype, CPU), array)


def device_value(array: jax.Array, place: Place | None = None) -> Value:
    """A value that holds a JAX array."""
    if place is None:
        device = next(iter(array.devices()))
        place = Place(device.platform, local_index(device))
    return Value(aval(array.shape, array.dtype, place), array)


def local_index(device: Any) -> int:
    """The index of a device among this process's devices of its platform."""
    return jax.local_devices(backend=device.platform).index(device)
