"""Streams and events of a GPU; see `torch.Stream` for what they do here."""

from typing import Any

from torchlike._src import streams as _streams
from torchlike._src.tensor import devices as _devices
from torchlike._src.tensor.devices import device as _device


def _where(name: str, device: Any) -> _device:
    if not _devices.count("cuda"):
        raise RuntimeError(f"torch.cuda.{name} requires CUDA support")
    return _device("cuda", device) if device is None or isinstance(device, int) else _device(device)


class Stream(_streams.Stream):
    """A queue of work on a GPU.

    Args:
        device: which; by default the current one.
        priority: kept, without effect.
    Raises:
        RuntimeError: where there is no GPU.
    """

    def __init__(self, device: Any = None, priority: int = 0, **_: Any) -> None:
        super().__init__(_where("Stream", device), priority=priority)
        self.priority = priority

    __module__ = "torch.cuda"


class Event(_streams.Event):
    """A mark in the work of the current GPU; with ``enable_timing`` it measures, see `torch.Event`.

    Raises:
        RuntimeError: where there is no GPU.
    """

    def __init__(
        self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False, external: bool = False
    ) -> None:
        super().__init__(_where("Event", None), enable_timing=enable_timing, blocking=blocking, interprocess=interprocess)

    __module__ = "torch.cuda"


class StreamContext:
    """A context in which a stream is current; None changes nothing."""

    def __init__(self, stream: _streams.Stream | None) -> None:
        self.stream = stream

    def __enter__(self) -> None:
        if self.stream is not None:
            self.stream.__enter__()

    def __exit__(self, *_: object) -> None:
        if self.stream is not None:
            self.stream.__exit__()


def stream(stream: _streams.Stream | None) -> StreamContext:
    """The context of a stream."""
    return StreamContext(stream)


def set_stream(stream: _streams.Stream | None) -> None:
    """Make a stream the current one of its GPU; None changes nothing."""
    if stream is not None:
        _streams.set_stream(stream)


def _on_gpu(device: Any) -> _device:
    where = _device("cuda", device) if device is None or isinstance(device, int) else _device(device)
    return _devices.device_of(_devices.place_of(where))


def default_stream(device: Any = None) -> Stream:
    """The first stream of a GPU."""
    return _streams.default_stream(_on_gpu(device), Stream)  # type: ignore[return-value]


def current_stream(device: Any = None) -> Stream:
    """The stream that is current on a GPU."""
    where = _on_gpu(device)
    default_stream(where)
    return _streams.current_stream(where)  # type: ignore[return-value]
