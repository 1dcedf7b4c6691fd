"""ASGD: averaged stochastic gradient descent."""

from types import SimpleNamespace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from torchlike.optim._recorded import RecordedOptimizer, check_lr, check_nonnegative
from torchlike.optim._rule import Rule, Scalar, Single, switches
from torchlike.optim.optimizer import ParamsT

__all__ = ["ASGD"]

Array = jax.Array


class ASGDState(NamedTuple):
    """The state of a tree of parameters; ``eta`` and ``mu`` are numbers a parameter, ``ax`` is the average."""

    step: Array
    eta: Any
    mu: Any
    ax: Any


def _coefficients(step: Scalar, lr: Scalar, lambd: Scalar, alpha: Scalar, t0: Scalar, weight_decay: Scalar) -> dict[str, Scalar]:
    late = step - t0 > 1
    return {
        "lambd": lambd,
        "weight_decay": weight_decay,
        "eta": lr / (1 + lambd * lr * step) ** alpha,
        "mu": 1 / ((step - t0) * late + (1 - late)),
    }


def _leaf(
    param: Array, grad: Array, state: SimpleNamespace, c: SimpleNamespace, flags: frozenset[str]
) -> tuple[Array, dict[str, Array]]:
    if "weight_decay" in flags:
        grad = grad + c.weight_decay * param
    eta, mu = state.eta.astype(c.eta.dtype), state.mu.astype(c.mu.dtype)
    param = param * (1 - c.lambd * eta)
    param = param - eta * grad
    average = jnp.where(mu == 1, param, state.ax + (param - state.ax) * mu)
    return param, {"eta": c.eta, "mu": c.mu, "ax": average}


class ASGD(RecordedOptimizer):
    """Averaged stochastic gradient descent.

    ``p -= eta (g + lambd p)`` with ``eta = lr / (1 + lambd lr step)**alpha``; from step ``t0`` on, the state ``ax`` is
    the mean of the parameters since then.

    Args:
        params: tensors, named tensors, or dicts that each describe a group of them.
        lr: learning rate at the start.
        lambd: decay of the parameters.
        alpha: how fast the learning rate falls.
        t0: the step from which parameters are averaged.
        weight_decay: added to the gradient, times the parameter.
        foreach: accepted; a step is one program here whatever it says.
        maximize: climb instead of descending.
        differentiable: not supported here; use `ASGD.transform`.
        capturable: accepted on accelerators, where it changes nothing; an error on the CPU, as in PyTorch.
    Raises:
        ValueError: if the learning rate or the weight decay is negative.
    Source:
        Polyak and Juditsky 1992, https://dl.acm.org/citation.cfm?id=131098; arithmetic as PyTorch.
    """

    rule = Rule(
        ASGDState,
        lambda o, _: {"eta": Single(o["lr"]), "mu": Single(1.0), "ax": 0.0},
        lambda o: (o["lr"], o["lambd"], o["alpha"], o["t0"], o["weight_decay"]),
        lambda o: switches(weight_decay=o["weight_decay"], maximize=o["maximize"]),
        _coefficients,
        _leaf,
    )

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        check_nonnegative("weight_decay value", weight_decay)
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)
