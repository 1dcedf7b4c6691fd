"""`torch.Stream` and `torch.Event`. XLA orders its own work, so that streams keep nothing apart; events measure time."""

import itertools
import threading
import time
from typing import Any

from torchlike._src import engine
from torchlike._src.tensor import devices
from torchlike._src.tensor.core import Tensor
from torchlike._src.tensor.devices import device

_NUMBERS = {"cpu": 0, "cuda": 1, "xla": 9}
_ids = itertools.count(1)


def _place(name: str, where: Any) -> device:
    """The device that is meant; by default the accelerator, if there is one."""
    if where is None:
        where = next((kind for kind in ("cuda", "xla") if devices.count(kind)), "cpu")
    if not isinstance(where, (str, int, device)):
        raise TypeError(f"{name}(): argument 'device' (position 1) must be torch.device, not {type(where).__name__}")
    found = device(where)
    if found.type != "cpu":
        if found.type not in _NUMBERS or not devices.count(found.type):
            raise RuntimeError(f"PyTorch is not linked with support for {found.type} devices")
        found = devices.device_of(devices.place_of(found))
    return found


class _OnDevice:
    """What streams and events have in common: a device."""

    device: device

    @property
    def device_index(self) -> int:
        """The device's number; -1 for the CPU."""
        return -1 if self.device.index is None else self.device.index

    @property
    def device_type(self) -> int:
        """torch's number for the type of device."""
        return _NUMBERS[self.device.type]

    def _need_events(self) -> None:
        if self.device.type == "cpu":
            raise RuntimeError("cpu backend doesn't support events.")


class Stream(_OnDevice):
    """A queue of work on a device, as ``torch.Stream``.

    Work is done in the order in which it was recorded, whatever stream is current: what a program would do by waiting for
    streams holds anyway.

    Args:
        device: where; by default the accelerator.
        priority: kept, without effect.
    Raises:
        RuntimeError: if there is no such device.
    """

    def __init__(self, device: Any = None, *, priority: int = 0) -> None:
        self.device = _place("Stream", device)
        self.stream_id = 0 if self.device.type == "cpu" else next(_ids)
        self._before: list[Any] = []

    def query(self) -> bool:
        """Whether all work is done: True, for what is not done will be when its result is read."""
        return True

    def synchronize(self) -> None:
        """Run what was recorded and wait until it is done."""
        engine.synchronize()

    def wait_event(self, event: "Event") -> None:
        """Let later work wait for an event: it does."""

    def wait_stream(self, stream: "Stream") -> None:
        """Let later work wait for another stream: it does."""
        self._need_events()

    def record_event(self, event: "Event | None" = None) -> "Event":
        """`Event.record` on this stream, of a new event if none is given."""
        self._need_events()
        event = Event(self.device) if event is None else event
        event.record(self)
        return event

    def is_capturing(self) -> bool:
        """False: there are no graphs to capture."""
        return False

    def __enter__(self) -> "Stream":
        self._before.append(current_stream(self.device))
        set_stream(self)
        return self

    def __exit__(self, *_: object) -> None:
        set_stream(self._before.pop())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and (self.device, self.stream_id) == (other.device, other.stream_id)

    def __hash__(self) -> int:
        return hash((self.device, self.stream_id))

    def __repr__(self) -> str:
        return f"torch.Stream device_type={self.device.type}, device_index={self.device_index}, stream_id={self.stream_id}"

    __module__ = "torch"


class Event(_OnDevice):
    """A mark in the work of a device, as ``torch.Event``.

    With ``enable_timing`` recording it runs what was recorded before and waits, so that the time between two events is that
    of the work between them.

    Args:
        device: where; by default the accelerator.
        enable_timing: measure time.
        blocking: kept, without effect.
        interprocess: kept, without effect.
    """

    def __init__(
        self, device: Any = None, *, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False
    ) -> None:
        self.device = _place("Event", device)
        self.enable_timing = enable_timing
        self.event_id = 0
        self._time: float | None = None

    def record(self, stream: Stream | None = None) -> None:
        """Mark this point of the work.

        Raises:
            RuntimeError: on the CPU.
        """
        self._need_events()
        self.event_id = self.event_id or next(_ids)
        if self.enable_timing:
            engine.synchronize()
            self._time = time.perf_counter()

    def query(self) -> bool:
        """Whether the work before the mark is done: True, see `Stream.query`."""
        return True

    def wait(self, stream: Stream | None = None) -> None:
        """Let later work wait for the event: it does."""

    def synchronize(self) -> None:
        """Run what was recorded and wait until it is done."""
        engine.synchronize()

    def elapsed_time(self, end_event: "Event") -> float:
        """Milliseconds from this event to another.

        Raises:
            ValueError: if they do not measure time, or were not recorded.
        """
        if not (self.enable_timing and end_event.enable_timing):
            raise ValueError("Both events must be created with argument 'enable_timing=True'.")
        if self._time is None or end_event._time is None:
            raise ValueError("Both events must be recorded before calculating elapsed time.")
        return (end_event._time - self._time) * 1e3

    def __repr__(self) -> str:
        return (
            f"torch.Event device_type={self.device.type}, device_index={self.device_index}, "
            f"event_flag={int(self.enable_timing)}, event_id={self.event_id}"
        )

    __module__ = "torch"


class _Current(threading.local):
    def __init__(self) -> None:
        self.streams: dict[device, Stream] = {}


_current = _Current()


def current_stream(where: device) -> Stream:
    """The stream that is current on a device in this thread."""
    found = _current.streams.get(where)
    return default_stream(where) if found is None else found


_defaults: dict[device, Stream] = {}


def default_stream(where: device, kind: type[Stream] = Stream) -> Stream:
    """The first stream of a device."""
    found = _defaults.get(where)
    if found is None:
        found = _defaults[where] = kind(where)
        found.stream_id = 0
    return found


def set_stream(stream: Stream) -> None:
    """Make a stream the current one of its device."""
    _current.streams[stream.device] = stream


def _record_stream(self: Tensor, stream: Stream) -> None:
    """Tell the allocator that a stream uses this tensor: XLA knows by itself who uses what.

    Raises:
        NotImplementedError: on the CPU, as in torch.
    """
    if not isinstance(stream, Stream):
        raise TypeError(f"record_stream(): argument 's' (position 1) must be Stream, not {type(stream).__name__}")
    if self.device.type == "cpu":
        raise NotImplementedError("Could not run 'aten::record_stream' with arguments from the 'CPU' backend: it has no streams.")


Tensor.record_stream = _record_stream  # type: ignore[attr-defined]
