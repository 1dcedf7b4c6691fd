"""Grad modes, as contexts and decorators: no_grad, enable_grad, inference_mode, set_grad_enabled, anomaly detection."""

import functools
import inspect
import warnings
from collections.abc import Callable
from typing import Any

from torchlike._src.engine.trace import local
from torchlike._src.tensor.core import Tensor
from torchlike._src.tensor.tape import extras


class _Mode:
    """A context that is also a decorator, of functions and of generators."""

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.isgeneratorfunction(fn):

            @functools.wraps(fn)
            def generate(*args: Any, **kwargs: Any) -> Any:
                running = fn(*args, **kwargs)
                resume: Callable[[], Any] = lambda: next(running)
                while True:
                    try:
                        with self.clone():
                            item = resume()
                    except StopIteration as stop:
                        return stop.value
                    try:
                        sent = yield item
                    except GeneratorExit:
                        with self.clone():
                            running.close()
                        raise
                    except BaseException as thrown:
                        resume = lambda thrown=thrown: running.throw(thrown)
                    else:
                        resume = lambda sent=sent: running.send(sent)

            return generate

        @functools.wraps(fn)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self.clone():
                return fn(*args, **kwargs)

        return call

    def clone(self) -> "_Mode":
        return type(self)()

    def __enter__(self) -> Any:
        raise NotImplementedError

    def __exit__(self, *_: object) -> None:
        local.recorder.grad = self.before  # type: ignore[attr-defined]


def _decorates(cls: type, args: tuple[Any, ...]) -> bool:
    return len(args) == 1 and callable(args[0]) and not isinstance(args[0], bool)


class no_grad(_Mode):
    """Nothing done inside is recorded on the tape."""

    def __new__(cls, fn: Callable[..., Any] | None = None) -> Any:
        made = object.__new__(cls)
        return made if fn is None else made(fn)

    def __init__(self, fn: Any = None) -> None:
        pass

    def __enter__(self) -> None:
        rec = local.recorder
        self.before = rec.grad
        rec.grad = False


class enable_grad(_Mode):
    """What is done inside is recorded on the tape, whatever is around."""

    def __new__(cls, fn: Callable[..., Any] | None = None) -> Any:
        made = object.__new__(cls)
        return made if fn is None else made(fn)

    def __init__(self, fn: Any = None) -> None:
        pass

    def __enter__(self) -> None:
        rec = local.recorder
        self.before = rec.grad
        rec.grad = True


class set_grad_enabled(_Mode):
    """Turn recording on or off: at once as a function, or for a context."""

    def __init__(self, mode: bool) -> None:
        self.mode = mode
        rec = local.recorder
        self.before = rec.grad
        rec.grad = mode

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        local.recorder.grad = self.before
        return super().__call__(fn)

    def clone(self) -> "set_grad_enabled":
        return set_grad_enabled(self.mode)

    def __enter__(self) -> None:
        local.recorder.grad = self.mode


class inference_mode(_Mode):
    """Like `no_grad`, and tensors made inside can never be part of a graph."""

    def __new__(cls, mode: Any = True) -> Any:
        if callable(mode):
            return object.__new__(cls).__init__(True) or cls(True)(mode)
        return object.__new__(cls)

    def __init__(self, mode: bool = True) -> None:
        self.mode = mode if isinstance(mode, bool) else True

    def clone(self) -> "inference_mode":
        return inference_mode(self.mode)

    def __enter__(self) -> None:
        rec = local.recorder
        self.before, self.inference = rec.grad, rec.inference
        rec.grad, rec.inference = (False, True) if self.mode else (True, False)

    def __exit__(self, *_: object) -> None:
        rec = local.recorder
        rec.grad, rec.inference = self.before, self.inference


def is_grad_enabled() -> bool:
    """Whether ops are recorded on the tape now."""
    return local.recorder.grad


def is_inference_mode_enabled() -> bool:
    """Whether inference mode is on."""
    return local.recorder.inference


class set_detect_anomaly:
    """Show where in the forward pass a failing backward came from, and (``check_nan``) fail on NaN; a context, or for good."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        modes = local.recorder.modes
        self.before = modes.get("anomaly", False), modes.get("check_nan", True)
        modes["anomaly"], modes["check_nan"] = mode, check_nan
        if mode and not extras:
            extras.append(True)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        modes = local.recorder.modes
        modes["anomaly"], modes["check_nan"] = self.before


class detect_anomaly(set_detect_anomaly):
    """`set_detect_anomaly` as a context."""

    def __init__(self, check_nan: bool = True) -> None:
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled for debugging.",
            UserWarning,
            stacklevel=2,
        )
        self.check_nan = check_nan

    def __enter__(self) -> None:
        super().__init__(True, self.check_nan)


def is_anomaly_enabled() -> bool:
    """Whether anomaly detection is on."""
    return bool(local.recorder.modes.get("anomaly"))


def is_anomaly_check_nan_enabled() -> bool:
    """Whether anomaly detection fails on NaN."""
    return bool(local.recorder.modes.get("check_nan", True))


def is_inference(input: Tensor) -> bool:
    """Whether a tensor was made in inference mode."""
    return input.is_inference()


def set_anomaly_enabled(enabled: bool, check_nan: bool = True) -> None:
    """`set_detect_anomaly` as a function only."""
    set_detect_anomaly(enabled, check_nan)


class set_multithreading_enabled(_Mode):
    """Kept for scripts that ask: the backward pass is recorded by the thread that asks for it, and XLA runs it."""

    def __init__(self, mode: bool) -> None:
        self.mode = mode

    def clone(self) -> "set_multithreading_enabled":
        return set_multithreading_enabled(self.mode)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: Any) -> None:
        pass
