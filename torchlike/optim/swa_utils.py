"""Averages of a model's weights over training: stochastic weight averaging and exponential moving averages."""

import itertools
import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from typing import Any, Literal

import torchlike as torch
from torchlike._src.tensor import Tensor
from torchlike.nn import Module
from torchlike.nn.modules.batchnorm import _BatchNorm
from torchlike.optim._scheduler import LRScheduler, format_param
from torchlike.optim.optimizer import Optimizer

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]

AvgFn = Callable[[Tensor, Tensor, Any], Tensor]
MultiAvgFn = Callable[[Sequence[Tensor], Sequence[Tensor], Any], None]


def _check_decay(decay: float) -> None:
    if decay < 0.0 or decay > 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")


def get_ema_avg_fn(decay: float = 0.999) -> AvgFn:
    """``decay * average + (1 - decay) * current``, for one parameter."""
    _check_decay(decay)

    @torch.no_grad()
    def ema_update(ema_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_ema_multi_avg_fn(decay: float = 0.999) -> MultiAvgFn:
    """``decay * average + (1 - decay) * current``, in place, for lists of parameters."""
    _check_decay(decay)

    @torch.no_grad()
    def ema_update(averages: Sequence[Tensor], currents: Sequence[Tensor], num_averaged: Any) -> None:
        for average, current in zip(averages, currents, strict=True):
            if average.is_floating_point() or average.is_complex():
                average.lerp_(current, 1 - decay)
            else:
                average.copy_(average * decay + current * (1 - decay))

    return ema_update


def get_swa_avg_fn() -> AvgFn:
    """The mean of all so far, for one parameter."""

    @torch.no_grad()
    def swa_update(averaged_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


def get_swa_multi_avg_fn() -> MultiAvgFn:
    """The mean of all so far, in place, for lists of parameters."""
    mean = get_swa_avg_fn()

    @torch.no_grad()
    def swa_update(averages: Sequence[Tensor], currents: Sequence[Tensor], num_averaged: Any) -> None:
        for average, current in zip(averages, currents, strict=True):
            average.copy_(mean(average, current, num_averaged))

    return swa_update


class AveragedModel(Module):
    """A copy of a model whose parameters are averages of the model's over time.

    Args:
        model: what is averaged; copied.
        device: where the averages are kept; the model's by default.
        avg_fn: from the average, the present value and how many were averaged, the new average; the mean of all by
            default.
        multi_avg_fn: the same in place for lists of parameters; see `get_ema_multi_avg_fn`.
        use_buffers: average buffers too, rather than copy them.
    Attributes:
        module: the averaged model.
        n_averaged: how often `update_parameters` was called; int64 of no dimension.
    Raises:
        AssertionError: if both functions are given.
    Source:
        Izmailov et al. 2018, https://arxiv.org/abs/1803.05407.
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: AvgFn | None = None,
        multi_avg_fn: MultiAvgFn | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", torch.tensor(0, dtype=torch.long, device=device))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the averaged model gives."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the model's present parameters into the average; the first call copies them."""
        averages = [p.detach() for p in self._averaged(self.module)]
        currents = [p.detach().to(average.device) for p, average in zip(self._averaged(model), averages, strict=False)]
        if self.n_averaged == 0:
            for average, current in zip(averages, currents, strict=True):
                average.copy_(current)
        elif self.avg_fn is not None:
            for average, current in zip(averages, currents, strict=True):
                average.copy_(self.avg_fn(average, current, self.n_averaged.to(average.device)))
        else:
            update = self.multi_avg_fn or get_swa_multi_avg_fn()
            for device, dtype in dict.fromkeys((a.device, a.dtype) for a in averages):
                alike = [i for i, a in enumerate(averages) if a.device == device and a.dtype == dtype]
                update([averages[i] for i in alike], [currents[i] for i in alike], self.n_averaged.to(device))
        if not self.use_buffers:
            for own, buffer in zip(self.module.buffers(), model.buffers(), strict=True):
                own.detach().copy_(buffer.detach().to(own.device))
        self.n_averaged += 1

    def _averaged(self, model: Module) -> Iterable[Tensor]:
        return itertools.chain(model.parameters(), model.buffers()) if self.use_buffers else model.parameters()


@torch.no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Compute the running statistics of a model's batch norms anew, by one pass over the data.

    Args:
        loader: gives inputs, or tuples and lists that begin with one.
        model: its mode is as before afterwards.
        device: where inputs are moved first.
    """
    momenta = {module: module.momentum for module in model.modules() if isinstance(module, _BatchNorm)}
    if not momenta:
        return
    was_training = model.training
    model.train()
    for module in momenta:
        module.reset_running_stats()
        module.momentum = None  # a plain mean over all batches
    for batch in loader:
        input = batch[0] if isinstance(batch, (list, tuple)) else batch
        model(input if device is None else input.to(device))
    for module, momentum in momenta.items():
        module.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """Moves the learning rate to ``swa_lr``, where it stays while weights are averaged.

    Args:
        optimizer: the optimizer.
        swa_lr: the last learning rate, or a list, one a group.
        anneal_epochs: how long that takes.
        anneal_strategy: ``"cos"`` or ``"linear"``.
        last_epoch: see `LRScheduler`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float,
        anneal_epochs: int = 10,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        last_epoch: int = -1,
    ) -> None:
        for value, group in zip(format_param("swa_lr", optimizer, swa_lr), optimizer.param_groups, strict=True):
            group["swa_lr"] = value
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def anneal_func(self, t: float) -> float:
        """The share of the way that is done, from the share of the time."""
        return (1 - math.cos(math.pi * t)) / 2 if self._anneal_strategy == "cos" else t

    def get_lr(self) -> list[Any]:
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, please use `get_last_lr()`.",
                UserWarning,
                stacklevel=2,
            )
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)

        def done(steps: int) -> float:
            return self.anneal_func(max(0, min(1, steps / max(1, self.anneal_epochs))))

        before, now = done(step - 1), done(step)
        values = []
        for group in self.optimizer.param_groups:
            lr, target = group["lr"], group["swa_lr"]
            # Where the way began, told from the present learning rate: it may have been changed meanwhile.
            start = target if before == 1 else (lr - before * target) / (1 - before)
            values.append(target * now + start * (1 - now))
        return values
