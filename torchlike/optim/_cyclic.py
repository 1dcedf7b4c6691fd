"""Schedulers that move the momentum against the learning rate: `CyclicLR` and `OneCycleLR`."""

import math
import types
from collections.abc import Callable
from typing import Any, Literal

from torchlike.optim._scheduler import LRScheduler, format_param, require_optimizer, update_param_group_val
from torchlike.optim.optimizer import Optimizer


class _MomentumScheduler(LRScheduler):
    """What `CyclicLR` and `OneCycleLR` share: they also move the momentum, or Adam's first beta."""

    cycle_momentum: bool
    use_beta1: bool

    def _start_momentum(self, max_momentums: list[Any], base_momentums: list[Any], write: bool) -> None:
        for group, most, least in zip(self.optimizer.param_groups, max_momentums, base_momentums, strict=True):
            if write:
                self._set_momentum(group, most)
                group["max_momentum"] = most
                group["base_momentum"] = least

    def _find_momentum(self) -> None:
        defaults = self.optimizer.defaults
        if "momentum" not in defaults and "betas" not in defaults:
            raise ValueError("optimizer must support momentum or beta1 with `cycle_momentum` option enabled")
        self.use_beta1 = "betas" in defaults

    def _set_momentum(self, group: dict[str, Any], momentum: Any) -> None:
        if self.use_beta1:
            group["betas"] = (momentum, *group["betas"][1:])
        else:
            group["momentum"] = momentum


class CyclicLR(_MomentumScheduler):
    """Up from ``base_lr`` to ``max_lr`` and down again, over and over; steps are batches, not epochs.

    Args:
        optimizer: the optimizer.
        base_lr: the learning rate at the bottom, or a list, one a group.
        max_lr: the learning rate at the top of the first cycle, or a list.
        step_size_up: batches on the way up.
        step_size_down: batches on the way down; as many by default.
        mode: ``"triangular"``: cycles alike; ``"triangular2"``: each half as high as the last; ``"exp_range"``: the
            height falls by ``gamma`` every batch.
        gamma: for ``"exp_range"``.
        scale_fn: in place of ``mode``: the height, from the number of the cycle (from 1) or of the batch.
        scale_mode: what ``scale_fn`` takes: ``"cycle"`` or ``"iterations"``.
        cycle_momentum: also move the momentum, against the learning rate.
        base_momentum: its value where the learning rate is highest.
        max_momentum: its value where the learning rate is lowest.
        last_epoch: see `LRScheduler`.
    Source:
        Smith 2015, https://arxiv.org/abs/1506.01186.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: Literal["triangular", "triangular2", "exp_range"] = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: Literal["cycle", "iterations"] = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float = 0.8,
        max_momentum: float = 0.9,
        last_epoch: int = -1,
    ) -> None:
        require_optimizer(optimizer)
        self.optimizer = optimizer
        base_lrs = format_param("base_lr", optimizer, base_lr)
        if last_epoch == -1:
            for lr, group in zip(base_lrs, optimizer.param_groups, strict=True):
                update_param_group_val(group, "lr", lr)
        self.max_lrs = format_param("max_lr", optimizer, max_lr)
        up = float(step_size_up)
        self.total_size = up + (up if step_size_down is None else float(step_size_down))
        self.step_ratio = up / self.total_size
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError("mode is invalid and scale_fn is None")
        self.mode = mode
        self.gamma = gamma
        self._scale_fn_custom = scale_fn
        self.scale_mode = scale_mode
        if scale_fn is None:
            self.scale_mode = "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._find_momentum()
            self.base_momentums = format_param("base_momentum", optimizer, base_momentum)
            self.max_momentums = format_param("max_momentum", optimizer, max_momentum)
            self._start_momentum(self.max_momentums, self.base_momentums, write=last_epoch == -1)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: float) -> float:
        """The height of the cycle, where the first has 1."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        if self.mode == "triangular":
            return 1.0
        if self.mode == "triangular2":
            return 1 / (2.0 ** (x - 1))
        return self.gamma**x

    def get_lr(self) -> list[Any]:
        self._warn_outside_step()
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        position = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        scale = self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            bounds = zip(self.base_momentums, self.max_momentums, strict=True)
            momentums = [most - (most - least) * position * scale for least, most in bounds]
            for group, momentum in zip(self.optimizer.param_groups, momentums, strict=True):
                self._set_momentum(group, momentum)
        return [least + (most - least) * position * scale for least, most in zip(self.base_lrs, self.max_lrs, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        state = super().state_dict()
        fn = state.pop("_scale_fn_custom")
        plain = fn is None or isinstance(fn, types.FunctionType)
        state["_scale_fn_custom"] = None if plain else fn.__dict__.copy()
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        saved = state_dict.get("_scale_fn_custom")
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "_scale_fn_custom"})
        if saved is not None and self._scale_fn_custom is not None:
            self._scale_fn_custom.__dict__.update(saved)


class OneCycleLR(_MomentumScheduler):
    """One cycle: up from a low learning rate to ``max_lr``, then down to a far lower one; steps are batches.

    The length is ``total_steps``, or ``epochs * steps_per_epoch``.

    Args:
        optimizer: the optimizer.
        max_lr: the highest learning rate, or a list, one a group.
        total_steps: batches in the cycle.
        epochs, steps_per_epoch: their product is used without ``total_steps``.
        pct_start: the share of the way up.
        anneal_strategy: ``"cos"`` or ``"linear"``.
        cycle_momentum: also move the momentum, against the learning rate.
        base_momentum: its value where the learning rate is highest.
        max_momentum: its value where the learning rate is lowest.
        div_factor: ``max_lr`` over the first learning rate.
        final_div_factor: the first learning rate over the last.
        three_phase: first mirror the way up, then go down to the end.
        last_epoch: see `LRScheduler`.
    Raises:
        ValueError: for a length that is missing or not positive, and when it is stepped beyond its end.
    Source:
        Smith and Topin 2017, https://arxiv.org/abs/1708.07120; two phases as in fastai.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        require_optimizer(optimizer)
        self.optimizer = optimizer
        self.total_steps = _cycle_length(total_steps, epochs, steps_per_epoch)
        self._schedule_phases = _phases(self.total_steps, pct_start, three_phase)
        if pct_start < 0 or pct_start > 1 or not isinstance(pct_start, float):
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        self._anneal_func_type = anneal_strategy
        max_lrs = format_param("max_lr", optimizer, max_lr)
        if last_epoch == -1:
            for group, most in zip(optimizer.param_groups, max_lrs, strict=True):
                group["initial_lr"] = most / div_factor
                group["max_lr"] = most
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._find_momentum()
            self._start_momentum(
                format_param("max_momentum", optimizer, max_momentum),
                format_param("base_momentum", optimizer, base_momentum),
                write=last_epoch == -1,
            )
        super().__init__(optimizer, last_epoch)

    def _anneal_func(self, start: Any, end: Any, pct: float) -> Any:
        if self._anneal_func_type == "cos":
            return end + (start - end) / 2.0 * (math.cos(math.pi * pct) + 1)
        return (end - start) * pct + start

    def get_lr(self) -> list[Any]:
        self._warn_outside_step()
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(f"Tried to step {step} times. The specified number of total steps is {self.total_steps}")
        begin = 0.0
        for phase in self._schedule_phases:
            if step <= phase["end_step"] or phase is self._schedule_phases[-1]:
                break
            begin = phase["end_step"]
        pct = (step - begin) / (phase["end_step"] - begin)
        values = []
        for group in self.optimizer.param_groups:
            values.append(self._anneal_func(group[phase["start_lr"]], group[phase["end_lr"]], pct))
            if self.cycle_momentum:
                start, end = group[phase["start_momentum"]], group[phase["end_momentum"]]
                self._set_momentum(group, self._anneal_func(start, end, pct))
        return values


def _cycle_length(total_steps: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    def positive(name: str, value: Any) -> int:
        if value <= 0 or not isinstance(value, int):
            raise ValueError(f"Expected positive integer {name}, but got {value}")
        return value

    if total_steps is not None:
        return positive("total_steps", total_steps)
    if epochs is None or steps_per_epoch is None:
        raise ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")
    return positive("epochs", epochs) * positive("steps_per_epoch", steps_per_epoch)


def _phases(total_steps: int, pct_start: float, three_phase: bool) -> list[dict[str, Any]]:
    """The parts of a one-cycle schedule: where each ends, and between which of a group's options it moves."""

    def phase(end_step: float, lr: tuple[str, str], momentum: tuple[str, str]) -> dict[str, Any]:
        return {
            "end_step": end_step,
            "start_lr": lr[0],
            "end_lr": lr[1],
            "start_momentum": momentum[0],
            "end_momentum": momentum[1],
        }

    up = phase(float(pct_start * total_steps) - 1, ("initial_lr", "max_lr"), ("max_momentum", "base_momentum"))
    last = total_steps - 1
    if not three_phase:
        return [up, phase(last, ("max_lr", "min_lr"), ("base_momentum", "max_momentum"))]
    middle = float(2 * pct_start * total_steps) - 2
    return [
        up,
        phase(middle, ("max_lr", "initial_lr"), ("base_momentum", "max_momentum")),
        phase(last, ("initial_lr", "min_lr"), ("max_momentum", "max_momentum")),
    ]
