"""``torch.futures``: results that are not there yet, completed from any thread."""

import threading
import traceback
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from torchlike._src.tensor import devices

__all__ = ["Future", "collect_all", "wait_all"]

T = TypeVar("T")
_TWICE = "Attempting to mark a completed Future as complete again. Note that a Future can only be marked completed once."


class Future(Generic[T]):
    """A result that somebody will set, once.

    Args:
        devices: where its tensors may be; each with a number. Kept, without effect.
    Raises:
        ValueError: for a device without a number.
    Examples:
        >>> future = Future()
        >>> doubled = future.then(lambda f: f.value() * 2)
        >>> future.set_result(3)
        >>> doubled.wait()
        6
    """

    def __init__(self, *, devices: Any = None) -> None:
        for d in map(_device, devices or ()):
            if d.index is None:
                raise ValueError(f"Expected devices to have indices, got {d}")
        self._finished = threading.Condition()
        self._done = False
        self._value: Any = None
        self._error: Exception | None = None
        self._callbacks: list[Callable[[Any], Any]] = []

    def done(self) -> bool:
        """Whether a result or an exception was set."""
        return self._done

    def wait(self) -> T:
        """The result, once it is there; raises the exception if one was set instead."""
        with self._finished:
            self._finished.wait_for(lambda: self._done)
        return self.value()

    def value(self) -> T:
        """The result of a future that is done.

        Raises:
            RuntimeError: if it is not; else the exception that was set.
        """
        if not self._done:
            raise RuntimeError("value() of a Future that is not done; use wait()")
        if self._error is not None:
            raise self._error
        return self._value

    def then(self, callback: "Callable[[Future[T]], Any]") -> "Future[Any]":
        """A future of ``callback(self)``, which runs when this one is done; at once if it is."""
        made: Future[Any] = Future()

        def run(done: "Future[T]") -> None:
            try:
                made.set_result(callback(done))
            except Exception as error:
                made.set_exception(_failed(error))

        self._when_done(run)
        return made

    def add_done_callback(self, callback: "Callable[[Future[T]], None]") -> None:
        """Run ``callback(self)`` when this is done; what it raises is printed."""

        def run(done: "Future[T]") -> None:
            try:
                callback(done)
            except Exception:
                traceback.print_exc()

        self._when_done(run)

    def set_result(self, result: T) -> None:
        """Complete the future, and run its callbacks.

        Raises:
            RuntimeError: if it was complete.
        """
        self._complete(result, None)

    def set_exception(self, result: Exception) -> None:
        """Complete the future with an exception, which `wait` and `value` raise."""
        assert isinstance(result, Exception), f"{result} is of type {type(result)}, not an Exception."
        self._complete(None, result)

    def _complete(self, value: Any, error: Exception | None) -> None:
        with self._finished:
            if self._done:
                raise RuntimeError(_TWICE)
            self._value, self._error, self._done = value, error, True
            waiting, self._callbacks = self._callbacks, []
            self._finished.notify_all()
        for callback in waiting:
            callback(self)

    def _when_done(self, callback: Callable[[Any], Any]) -> None:
        with self._finished:
            if not self._done:
                self._callbacks.append(callback)
                return
        callback(self)


def _device(given: Any) -> devices.device:
    found = devices.device(given)
    if found.type not in ("cpu", "cuda", "xla") or (found.type != "cpu" and not devices.count(found.type)):
        raise RuntimeError(f"PyTorch is not linked with support for {found.type} devices")
    return found


def _failed(error: Exception) -> RuntimeError:
    made = RuntimeError(f"Got the following error when running the callback: {type(error).__name__}: {error}")
    made.__cause__ = error
    return made


def collect_all(futures: "list[Future[Any]]") -> "Future[list[Future[Any]]]":
    """A future of all ``futures``, which is done when the last of them is."""
    made: Future[list[Future[Any]]] = Future()
    left = len(futures)
    lock = threading.Lock()

    def one_done(_: Any) -> None:
        nonlocal left
        with lock:
            left -= 1
            last = left == 0
        if last:
            made.set_result(futures)

    if not futures:
        made.set_result(futures)
    for future in futures:
        future._when_done(one_done)
    return made


def wait_all(futures: "list[Future[Any]]") -> list[Any]:
    """The results of all ``futures``, once they are there; raises the first exception among them."""
    return [future.value() for future in collect_all(list(futures)).wait()]
