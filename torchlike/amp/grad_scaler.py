"""`GradScaler`: keeps small gradients of half precision alive by scaling the loss, and skips steps in which they overflow."""

from __future__ import annotations

import inspect
import warnings
from collections import abc, defaultdict
from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

import torchlike as torch
from torchlike._src.operators.registry import Array
from torchlike._src.tensor import Tensor, dispatch
from torchlike._src.tensor.devices import count

if TYPE_CHECKING:
    from torchlike.optim.optimizer import Optimizer

__all__ = ["GradScaler", "OptState"]

_NO_SCALE = (
    "Attempted {} but {} is None.  This may indicate your script did not use scaler.scale(loss or outputs) earlier in the "
    "iteration."
)
_NEW_SCALE = "new_scale should be a float or a 1-element torch.cuda.FloatTensor or torch.FloatTensor with requires_grad=False."


class OptState(Enum):
    """How far an optimizer has come since the last `GradScaler.update`."""

    READY = 0
    UNSCALED = 1
    STEPPED = 2


def _refresh_per_optimizer_state() -> dict[str, Any]:
    return {"stage": OptState.READY, "found_inf_per_device": {}}


class _MultiDeviceReplicator:
    """Copies of a tensor on other devices, each made once."""

    def __init__(self, master_tensor: Tensor) -> None:
        self.master = master_tensor
        self._per_device_tensors: dict[torch.device, Tensor] = {}

    def get(self, device: torch.device) -> Tensor:
        found = self._per_device_tensors.get(device)
        if found is None:
            found = self._per_device_tensors[device] = self.master.to(device=device, copy=True)
        return found


def _unscaled(arrays: list[Array], numbers: list[Any]) -> list[Array]:
    *grads, found_inf, inv_scale = arrays
    overflow = jnp.logical_not(jnp.stack([jnp.isfinite(g).all() for g in grads]).all())
    wide = [g.astype(jnp.promote_types(g.dtype, jnp.float32)) * inv_scale for g in grads]
    return [*(w.astype(g.dtype) for w, g in zip(wide, grads, strict=True)), jnp.where(overflow, 1, found_inf)]


def _amp_foreach_non_finite_check_and_unscale_(self: Sequence[Tensor], found_inf: Tensor, inv_scale: Tensor) -> None:
    """Multiply gradients by ``inv_scale`` in place, and set ``found_inf`` to 1 if one of them is not finite."""
    grads = list(self)
    for name, t in (("found_inf", found_inf), ("inv_scale", inv_scale)):
        if t.numel() != 1 or t.dtype is not torch.float32:
            raise RuntimeError(f"{name} must be a 1-element float tensor.")
    for g in grads:
        if not g.is_floating_point():
            raise NotImplementedError(f"gradients of dtype {g.dtype} cannot be unscaled: scale real floating point losses only.")
    if grads:
        dispatch.update(_unscaled, "unscale", [*grads, found_inf, inv_scale], (), [*grads, found_inf], alike=True)


def _updated(arrays: list[Array], numbers: list[Any]) -> list[Array]:
    scale, tracker, found_inf = arrays
    growth, backoff, interval = (jnp.asarray(n, jnp.float64) for n in numbers)
    lower, higher = ((scale.astype(jnp.float64) * factor).astype(scale.dtype) for factor in (backoff, growth))
    grows = tracker + 1 == interval
    kept = jnp.where(grows & jnp.isfinite(higher), higher, scale)
    return [
        jnp.where(found_inf != 0, lower, kept),
        jnp.where((found_inf != 0) | grows, 0, tracker + 1).astype(tracker.dtype),
    ]


def _amp_update_scale_(
    self: Tensor, growth_tracker: Tensor, found_inf: Tensor, scale_growth_factor: float, scale_backoff_factor: float,
    growth_interval: int,
) -> Tensor:  # fmt: skip
    """Move the scale ``self`` and its ``growth_tracker``, in place; see `GradScaler.update`."""
    numbers = [float(scale_growth_factor), float(scale_backoff_factor), float(growth_interval)]
    written = [self, growth_tracker]
    dispatch.update(_updated, "update scale", [*written, found_inf], numbers, written, alike=True)
    return self


class GradScaler:
    """Multiplies the loss by a scale, so that gradients are not lost in half precision, and finds that scale.

    A step whose gradients overflow is skipped, and the scale shrinks; it grows after many that did not. Nothing is read from
    the device in `scale`, `unscale_` and `update`. `step` decides on the device whether an optimizer of this package
    moves, so that a training step stays one program; see there when it cannot.

    Args:
        device: ``"cuda"`` or ``"cpu"``; where there is no GPU, ``"cuda"`` turns the scaler off, with a warning.
        init_scale: the first scale.
        growth_factor: the scale is multiplied by it after ``growth_interval`` steps in a row without overflow.
        backoff_factor: the scale is multiplied by it after a step with overflow.
        growth_interval: see ``growth_factor``.
        enabled: False makes `step` call the optimizer's, and the other methods do nothing.
    Raises:
        AssertionError: if a factor is on the wrong side of 1.
    Examples:
        >>> scaler.scale(loss).backward()
        >>> scaler.step(optimizer)
        >>> scaler.update()
    Source:
        Micikevicius et al. 2018, https://arxiv.org/abs/1710.03740, section 3.2; as PyTorch.
    """

    def __init__(
        self, device: str = "cuda", init_scale: float = 2.0**16, growth_factor: float = 2.0, backoff_factor: float = 0.5,
        growth_interval: int = 2000, enabled: bool = True,
    ) -> None:  # fmt: skip
        self._device = device
        self._enabled = enabled
        if device == "cuda" and enabled and not (count("cuda") or count("xla")):
            warnings.warn("torch.cuda.amp.GradScaler is enabled, but CUDA is not available.  Disabling.", stacklevel=2)
            self._enabled = False
        if self._enabled:
            if growth_factor <= 1.0:
                raise AssertionError("The growth factor must be > 1.0.")
            if backoff_factor >= 1.0:
                raise AssertionError("The backoff factor must be < 1.0.")
            self._init_scale = init_scale
            self._scale: Tensor | None = None  # made by the first call of `scale`, which knows the device
            self._growth_factor = growth_factor
            self._backoff_factor = backoff_factor
            self._growth_interval = growth_interval
            self._init_growth_tracker = 0
            self._growth_tracker: Tensor | None = None
            self._per_optimizer_states: dict[int, dict[str, Any]] = defaultdict(_refresh_per_optimizer_state)

    def _check_scale_growth_tracker(self, funcname: str) -> tuple[Tensor, Tensor]:
        if self._scale is None:
            raise AssertionError(_NO_SCALE.format(funcname, "_scale"))
        if self._growth_tracker is None:
            raise AssertionError(_NO_SCALE.format(funcname, "_growth_tracker"))
        return self._scale, self._growth_tracker

    def _lazy_init_scale_growth_tracker(self, dev: torch.device) -> None:
        if self._growth_tracker is not None:
            raise AssertionError("_growth_tracker initialized before _scale")
        self._scale = torch.full((), self._init_scale, dtype=torch.float32, device=dev)
        self._growth_tracker = torch.full((), self._init_growth_tracker, dtype=torch.int32, device=dev)

    def scale(self, outputs: Any) -> Any:
        """Outputs times the scale.

        Args:
            outputs: a tensor, or lists, tuples, other iterables of them.
        Raises:
            ValueError: for something else.
        """
        if not self._enabled:
            return outputs
        copies: list[_MultiDeviceReplicator] = []

        def scaled(value: Any) -> Any:
            if isinstance(value, Tensor):
                if not copies:
                    if self._scale is None:
                        self._lazy_init_scale_growth_tracker(value.device)
                    assert self._scale is not None
                    copies.append(_MultiDeviceReplicator(self._scale))
                own = copies[0].master
                return value * (own if own.device == value.device else copies[0].get(value.device))
            if isinstance(value, abc.Iterable):
                made = map(scaled, value)
                return type(value)(made) if isinstance(value, (list, tuple)) else made  # type: ignore[call-arg]
            raise ValueError("outputs must be a Tensor or an iterable of Tensors")

        return scaled(outputs)

    def _unscale_grads_(
        self, optimizer: Optimizer, inv_scale: Tensor, found_inf: Tensor, allow_fp16: bool
    ) -> dict[torch.device, Tensor]:
        inverses, found = _MultiDeviceReplicator(inv_scale), _MultiDeviceReplicator(found_inf)
        per_device: dict[torch.device, list[Tensor]] = defaultdict(list)
        for group in optimizer.param_groups:
            for param in group["params"]:
                if not isinstance(param, Tensor):
                    raise AssertionError(f"expected param to be torch.Tensor, got {type(param).__name__}")
                grad = param.grad
                if grad is None:
                    continue
                if not allow_fp16 and grad.dtype is torch.float16:
                    raise ValueError("Attempting to unscale FP16 gradients.")
                if grad.is_sparse:
                    if grad.dtype is torch.float16:  # sums of what has the same index may overflow: sum first
                        param.grad = grad = grad.coalesce()
                    grad = grad._values()
                per_device[grad.device].append(grad)
        for device, grads in per_device.items():
            _amp_foreach_non_finite_check_and_unscale_(grads, found.get(device), inverses.get(device))
        return found._per_device_tensors

    def unscale_(self, optimizer: Optimizer) -> None:
        """Divide an optimizer's gradients by the scale: to clip or to look at them before `step`, which does it otherwise.

        Raises:
            RuntimeError: if it was done already, or the step was taken.
            ValueError: for float16 gradients; keep parameters in float32.
        """
        if not self._enabled:
            return
        scale, _ = self._check_scale_growth_tracker("unscale_")
        state = self._per_optimizer_states[id(optimizer)]
        if state["stage"] is OptState.UNSCALED:
            raise RuntimeError("unscale_() has already been called on this optimizer since the last update().")
        if state["stage"] is OptState.STEPPED:
            raise RuntimeError("unscale_() is being called after step().")
        inv_scale = scale.double().reciprocal().float()
        found_inf = torch.full((), 0.0, dtype=torch.float32, device=scale.device)
        state["found_inf_per_device"] = self._unscale_grads_(optimizer, inv_scale, found_inf, False)
        state["stage"] = OptState.UNSCALED

    def _maybe_opt_step(self, optimizer: Optimizer, optimizer_state: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        if not sum(v.item() for v in optimizer_state["found_inf_per_device"].values()):
            return optimizer.step(*args, **kwargs)
        return None

    def step(self, optimizer: Optimizer, *args: Any, **kwargs: Any) -> Any:
        """Unscale the optimizer's gradients, unless that was done, and take its step if they are finite.

        Whether they are is read on the host, as in PyTorch, in the first step of a parameter, if the optimizer's ``step`` was
        overridden or has hooks (they are not called when the step is skipped), and if its step count is not where the
        parameters are (on a GPU: without ``fused=True`` or ``capturable=True``). Otherwise the step stays one program:
        the optimizer is called, and its program leaves everything as it is if there was an overflow.

        Args:
            optimizer: whose step; with ``_step_supports_amp_scaling`` it finds ``grad_scale`` and ``found_inf`` in its attributes.
            args: for ``optimizer.step``, as are keyword arguments.
        Returns:
            What ``optimizer.step`` returned; None if it was skipped.
        Raises:
            RuntimeError: for a closure, and if the step was taken already.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        self._check_scale_growth_tracker("step")
        state = self._per_optimizer_states[id(optimizer)]
        if state["stage"] is OptState.STEPPED:
            raise RuntimeError("step() has already been called since the last update().")
        if getattr(optimizer, "_step_supports_amp_scaling", False):
            result = self._step_by_the_optimizer(optimizer, state, args, kwargs)
        else:
            if state["stage"] is OptState.READY:
                self.unscale_(optimizer)
            if not state["found_inf_per_device"]:
                raise AssertionError("No inf checks were recorded for this optimizer.")
            if not args and not kwargs and getattr(optimizer, "_can_skip", lambda: False)():
                result = self._with_found_inf(optimizer, state, None, {})
            else:
                result = self._maybe_opt_step(optimizer, state, *args, **kwargs)
        state["stage"] = OptState.STEPPED
        return result

    def _step_by_the_optimizer(self, optimizer: Any, state: dict[str, Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Leave scale and skipping to an optimizer that says it can: PyTorch's contract, in its old and its present form."""
        if "grad_scaler" in inspect.signature(optimizer.step).parameters:
            warnings.warn(
                "GradScaler is going to stop passing itself as a keyword argument to the passed "
                "optimizer. In the near future GradScaler registers `grad_scale: Tensor` and "
                "`found_inf: Tensor` to the passed optimizer and let the optimizer use them directly.",
                FutureWarning,
                stacklevel=3,
            )
            return optimizer.step(*args, **kwargs, grad_scaler=self)
        scale: Any = getattr(optimizer, "grad_scale", None)
        if state["stage"] is OptState.READY:
            self._check_inf_per_device(optimizer)
            scale = self._scale if scale is None else self._scale * scale
        return self._with_found_inf(optimizer, state, scale, kwargs, *args)

    def _with_found_inf(self, optimizer: Any, state: dict[str, Any], scale: Any, kwargs: dict[str, Any], *args: Any) -> Any:
        assert self._scale is not None
        first, *others = [t.to(self._scale.device) for t in state["found_inf_per_device"].values()]
        optimizer.grad_scale, optimizer.found_inf = scale, sum(others, first)
        try:
            return optimizer.step(*args, **kwargs)
        finally:
            del optimizer.grad_scale
            del optimizer.found_inf

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Move the scale; to be called once an iteration, after the steps of all optimizers.

        Args:
            new_scale: set it to this instead.
        Raises:
            AssertionError: if no optimizer's gradients were looked at, or ``new_scale`` is no number on the scaler's device.
        """
        if not self._enabled:
            return
        scale, tracker = self._check_scale_growth_tracker("update")
        if new_scale is not None:
            if isinstance(new_scale, float):
                scale.fill_(new_scale)
            else:
                if new_scale.device.type != self._device or new_scale.numel() != 1 or new_scale.requires_grad:  # type: ignore[union-attr]
                    raise AssertionError(_NEW_SCALE)
                scale.copy_(new_scale)
        else:
            states = self._per_optimizer_states.values()
            found = [t.to(device=scale.device) for state in states for t in state["found_inf_per_device"].values()]
            if not found:
                raise AssertionError("No inf checks were recorded prior to update.")
            _amp_update_scale_(
                scale, tracker, sum(found[1:], found[0]), self._growth_factor, self._backoff_factor, self._growth_interval
            )
        self._per_optimizer_states = defaultdict(_refresh_per_optimizer_state)

    def _get_scale_async(self) -> Tensor | None:
        return self._scale

    def get_scale(self) -> float:
        """The scale as a number; 1.0 if scaling is off. Reading it runs what was recorded."""
        if not self._enabled:
            return 1.0
        return self._init_scale if self._scale is None else self._scale.item()

    def get_growth_factor(self) -> float:
        """What the scale is multiplied by to grow."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Choose what the scale is multiplied by to grow."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What the scale is multiplied by after an overflow."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Choose what the scale is multiplied by after an overflow."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """After how many steps in a row without overflow the scale grows."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Choose after how many steps in a row without overflow the scale grows."""
        self._growth_interval = new_interval

    def _get_growth_tracker(self) -> int:
        if not self._enabled:
            return 0
        return self._init_growth_tracker if self._growth_tracker is None else self._growth_tracker.item()

    def is_enabled(self) -> bool:
        """Whether this scaler scales."""
        return self._enabled

    def state_dict(self) -> dict[str, Any]:
        """The state as numbers, to be taken after `update`; empty if scaling is off."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._get_growth_tracker(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` gave; nothing if scaling is off.

        Raises:
            RuntimeError: for an empty one, of a scaler that was off.
        """
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled instance of GradScaler."
            )
        self._init_scale = state_dict["scale"]
        if self._scale is not None:
            self._scale.fill_(state_dict["scale"])
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._init_growth_tracker = state_dict["_growth_tracker"]
        if self._growth_tracker is not None:
            self._growth_tracker.fill_(state_dict["_growth_tracker"])

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        if self._enabled:
            if self._per_optimizer_states:
                raise AssertionError(
                    "A GradScaler instance may only be pickled at the beginning "
                    "of an iteration, or at the end after scaler.update()."
                )
            state["_init_scale"] = self.get_scale()
            state["_init_growth_tracker"] = self._get_growth_tracker()
            state["_scale"] = state["_growth_tracker"] = None
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def _check_inf_per_device(self, optimizer: Optimizer) -> dict[torch.device, Tensor]:
        scale, _ = self._check_scale_growth_tracker("_check_inf_per_device")
        one = torch.full((), 1.0, dtype=torch.float32, device=scale.device)
        found_inf = torch.full((), 0.0, dtype=torch.float32, device=scale.device)
        found = self._unscale_grads_(optimizer, one, found_inf, True)
        self._per_optimizer_states[id(optimizer)]["found_inf_per_device"] = found
        return found

    def _found_inf_per_device(self, optimizer: Optimizer) -> dict[torch.device, Tensor]:
        return self._per_optimizer_states[id(optimizer)]["found_inf_per_device"]
