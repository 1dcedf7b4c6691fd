"""RMSprop, plain, centered, and with momentum."""

from types import SimpleNamespace
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from torchlike.optim._recorded import RecordedOptimizer, check_lr, check_nonnegative
from torchlike.optim._rule import Options, Rule, Scalar, lerp, switches
from torchlike.optim.optimizer import ParamsT

__all__ = ["RMSprop"]

Array = jax.Array


class RMSpropState(NamedTuple):
    """The state of a tree of parameters."""

    step: Array
    square_avg: Any
    momentum_buffer: Any = None
    grad_avg: Any = None


def _slots(options: Options, shape: tuple[int, ...]) -> dict[str, Any]:
    slots = {"square_avg": 0.0}
    if switches(momentum=options["momentum"]):
        slots["momentum_buffer"] = 0.0
    if options["centered"]:
        slots["grad_avg"] = 0.0
    return slots


def _coefficients(
    step: Scalar, lr: Scalar, alpha: Scalar, eps: Scalar, weight_decay: Scalar, momentum: Scalar
) -> dict[str, Scalar]:
    return {
        "lr": lr,
        "alpha": alpha,
        "weight": 1 - alpha,
        "eps": eps,
        "weight_decay": weight_decay,
        "momentum": momentum,
    }


def _leaf(
    param: Array, grad: Array, state: SimpleNamespace, c: SimpleNamespace, flags: frozenset[str]
) -> tuple[Array, dict[str, Array]]:
    if "weight_decay" in flags:
        grad = grad + c.weight_decay * param
    square_avg = state.square_avg * c.alpha + c.weight * grad * grad
    new = {"square_avg": square_avg}
    if "centered" in flags:
        new["grad_avg"] = lerp(state.grad_avg, grad, c.weight)
        square_avg = square_avg - new["grad_avg"] * new["grad_avg"]
    scale = jnp.sqrt(square_avg) + c.eps
    if "momentum" not in flags:
        return param - c.lr * grad / scale, new
    new["momentum_buffer"] = state.momentum_buffer * c.momentum + grad / scale
    return param - c.lr * new["momentum_buffer"], new


class RMSprop(RecordedOptimizer):
    """RMSprop: the gradient, divided by the root of its mean square.

    ``v = alpha v + (1 - alpha) g²`` and ``p -= lr * g / (sqrt(v) + eps)``; ``eps`` is outside of the root. Centered,
    the square of the mean gradient is taken off ``v``. With momentum, the scaled gradients are summed first:
    ``buffer = momentum * buffer + g / (sqrt(v) + eps)``, ``p -= lr * buffer``.

    Args:
        params: tensors, named tensors, or dicts that each describe a group of them.
        lr: learning rate.
        alpha: what is kept of the mean square at each step.
        eps: added to the root.
        weight_decay: added to the gradient, times the parameter.
        momentum: what is kept of the buffer at each step.
        centered: divide by the standard deviation instead of the root mean square.
        capturable: accepted on accelerators, where it changes nothing; an error on the CPU, as in PyTorch.
        foreach: accepted; a step is one program here whatever it says.
        maximize: climb instead of descending.
        differentiable: not supported here; use `RMSprop.transform`.
    Raises:
        ValueError: if a number is out of its range.
    Source:
        Hinton 2012, https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf; centered: Graves
        2013, https://arxiv.org/abs/1308.0850; arithmetic as PyTorch.
    """

    rule = Rule(
        RMSpropState,
        _slots,
        lambda o: (o["lr"], o["alpha"], o["eps"], o["weight_decay"], o["momentum"]),
        lambda o: switches(
            weight_decay=o["weight_decay"],
            momentum=o["momentum"],
            centered=o["centered"],
            maximize=o["maximize"],
        ),
        _coefficients,
        _leaf,
    )
    _upgrades: ClassVar[dict[str, Any]] = {"momentum": 0, "centered": False, **RecordedOptimizer._upgrades}

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        check_nonnegative("epsilon value", eps)
        check_nonnegative("momentum value", momentum)
        check_nonnegative("weight_decay value", weight_decay)
        check_nonnegative("alpha value", alpha)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)
