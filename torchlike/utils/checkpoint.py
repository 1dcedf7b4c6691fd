"""``torch.utils.checkpoint``: keep less for backward, and compute it again.

The forward of a checkpointed function is recorded again in the backward pass, behind a barrier that keeps XLA from
finding that it has the results already.
"""

import contextlib
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import jax

import torchlike as torch
from torchlike._src.autograd.saving import Region
from torchlike._src.operators.registry import Array, anonymous
from torchlike._src.tensor import autocast
from torchlike._src.tensor.core import Tensor
from torchlike._src.tensor.dispatch import Kernel, record

__all__ = [
    "CheckpointError", "CheckpointFunction", "DefaultDeviceType", "check_backward_validity", "checkpoint", "checkpoint_sequential",
    "detach_variable", "get_device_states", "noop_context_fn", "set_checkpoint_debug_enabled", "set_checkpoint_early_stop",
    "set_device_states",
]  # fmt: skip


class CheckpointError(RuntimeError):
    """The forward did something else when it was run again."""


def _barrier(input: Array) -> Array:
    return jax.lax.optimization_barrier(input)


_BARRIER = Kernel(anonymous(_barrier, differentiable=False))


def noop_context_fn() -> tuple[Any, Any]:
    """Contexts that do nothing, for forward and recomputation."""
    return contextlib.nullcontext(), contextlib.nullcontext()


@contextlib.contextmanager
def set_checkpoint_early_stop(enable: bool) -> Any:
    """Kept for scripts that ask: recomputation never does more than is needed, since what nobody reads is not computed."""
    yield


_debug: bool | None = None


@contextlib.contextmanager
def set_checkpoint_debug_enabled(enabled: bool | None) -> Any:
    """Within this context, ``debug`` of `checkpoint` is what is given here; None leaves it."""
    global _debug
    before, _debug = _debug, enabled
    try:
        yield
    finally:
        _debug = before


class DefaultDeviceType:
    """The type of device that `checkpoint` takes generators from where no argument tells: ``"cuda"``, unless set."""

    _default_device_type = "cuda"

    @staticmethod
    def set_device_type(device: str = "cuda") -> None:
        """Choose the type."""
        DefaultDeviceType._default_device_type = device

    @staticmethod
    def get_device_type() -> str:
        """The type that is chosen; the accelerator's, if it was not."""
        if DefaultDeviceType._default_device_type == "cuda" and not torch.cuda.is_available():
            found = torch.accelerator.current_accelerator()
            return "cpu" if found is None else found.type
        return DefaultDeviceType._default_device_type


def get_device_states(*args: Any) -> tuple[list[int], list[Tensor]]:
    """The numbers of the accelerators that tensors among ``args`` are on, and the state of the generator for each."""
    found = {t.get_device() for t in jax.tree_util.tree_leaves(args) if isinstance(t, Tensor) and t.device.type != "cpu"}
    return sorted(found), [torch.get_rng_state() for _ in found]


def set_device_states(devices: Sequence[int], states: Sequence[Tensor], *, device_type: str | None = None) -> None:
    """Set the state of the generator, of which there is one for all devices, to what `get_device_states` gave."""
    for state in states:
        torch.set_rng_state(state)


def detach_variable(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """The tensors among ``inputs`` without history, as leaves."""
    if not isinstance(inputs, tuple):
        raise RuntimeError("Only tuple of tensors is supported. Got Unsupported input type: ", type(inputs).__name__)
    return tuple([t.detach().requires_grad_(t.requires_grad) if isinstance(t, Tensor) else t for t in inputs])


def check_backward_validity(inputs: Sequence[Any]) -> None:
    """Warn if no input needs a gradient."""
    if not any(t.requires_grad for t in inputs if isinstance(t, Tensor)):
        warnings.warn("None of the inputs have requires_grad=True. Gradients will be None", stacklevel=2)


class _RandomState:
    """The state of the generators, to draw the same numbers again."""

    def __init__(self, keep: bool) -> None:
        self.state = torch.get_rng_state() if keep else None

    @contextlib.contextmanager
    def restored(self) -> Any:
        if self.state is None:
            yield
            return
        with torch.random.fork_rng():
            torch.set_rng_state(self.state)
            yield


def _again(t: Any) -> Any:
    """An input for the second run: the same memory behind a barrier, a leaf if it had a history."""
    if not isinstance(t, Tensor):
        return t
    with torch.no_grad():
        fresh = record(_BARRIER, (t.detach(),))
    fresh._requires_grad = t.requires_grad
    return fresh


class CheckpointFunction(torch.autograd.Function):
    """The reentrant checkpoint: a `Function` whose backward runs the forward again, and its backward."""

    @staticmethod
    def forward(ctx: Any, run_function: Callable[..., Any], preserve_rng_state: bool, *args: Any) -> Any:
        check_backward_validity(args)
        ctx.run_function, ctx.random = run_function, _RandomState(preserve_rng_state)
        ctx.others = [None if isinstance(a, Tensor) else a for a in args]
        ctx.where = [isinstance(a, Tensor) for a in args]
        ctx.save_for_backward(*[a for a in args if isinstance(a, Tensor)])
        ctx.autocast = autocast.remembered()
        with torch.no_grad(), autocast.again(ctx.autocast):
            return run_function(*args)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        tensors = iter(ctx.saved_tensors)
        args = [_again(next(tensors)) if is_tensor else other for is_tensor, other in zip(ctx.where, ctx.others, strict=True)]
        with torch.enable_grad(), ctx.random.restored(), autocast.again(ctx.autocast):
            outputs = ctx.run_function(*args)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        pairs = [(o, g) for o, g in zip(outputs, gradients, strict=True) if isinstance(o, Tensor) and o.requires_grad]
        if not pairs:
            raise RuntimeError("none of output has requires_grad=True, this checkpoint() is not necessary")
        torch.autograd.backward([o for o, _ in pairs], [g for _, g in pairs])
        return (None, None, *[a.grad if isinstance(a, Tensor) else None for a in args])


def checkpoint(
    function: Callable[..., Any], *args: Any, use_reentrant: bool | None = None,
    context_fn: Callable[[], tuple[Any, Any]] = noop_context_fn, determinism_check: str = "default", debug: bool = False,
    early_stop: bool = True, **kwargs: Any,
) -> Any:  # fmt: skip
    """``function(*args)``, of which nothing but the inputs is kept for backward: it is computed again there.

    Args:
        use_reentrant: True: through `CheckpointFunction`, which `torch.autograd.grad` cannot see through; False: node by node.
        context_fn: contexts for the forward and for the recomputation.
        preserve_rng_state: (keyword) draw the same random numbers again; on by default.
    """
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint: the use_reentrant parameter should be passed explicitly. Starting in PyTorch 2.9, calling "
            "checkpoint without use_reentrant will raise an exception. use_reentrant=False is recommended, but if you need to "
            "preserve the current default behavior, you can pass use_reentrant=True. Refer to docs for more details on the "
            "differences between the two variants.",
            stacklevel=2,
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    debug = debug if _debug is None else _debug
    if use_reentrant:
        if kwargs:
            raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
        if context_fn is not noop_context_fn or debug:
            raise ValueError("Passing `context_fn` or `debug` is only supported when use_reentrant=False.")
        return CheckpointFunction.apply(function, preserve, *args)
    random = _RandomState(preserve)
    before, after = context_fn()

    state = autocast.remembered()

    def again() -> None:
        with random.restored(), after, autocast.again(state):
            function(*map(_again, args), **{k: _again(v) for k, v in kwargs.items()})

    region = Region(again)
    with region, before, autocast.again(state):
        out = function(*args, **kwargs)
    region.forget()
    return out


def checkpoint_sequential(functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any) -> Any:
    """The composition of ``functions``, cut into ``segments`` that are checkpointed, all but the last."""
    if use_reentrant is None:
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    steps = list(functions.children()) if isinstance(functions, torch.nn.Sequential) else list(functions)

    def composed(part: list[Callable[..., Any]]) -> Callable[..., Any]:
        def run(value: Any) -> Any:
            for f in part:
                value = f(value)
            return value

        return run

    size = len(steps) // segments
    for start in range(0, size * (segments - 1), size):
        input = checkpoint(composed(steps[start : start + size]), input, use_reentrant=use_reentrant, preserve_rng_state=preserve)
    return composed(steps[size * (segments - 1) :])(input)
