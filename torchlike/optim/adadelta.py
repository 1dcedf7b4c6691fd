"""Adadelta."""

from types import SimpleNamespace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from torchlike.optim._recorded import RecordedOptimizer, check_lr, check_nonnegative
from torchlike.optim._rule import Rule, Scalar, switches
from torchlike.optim.optimizer import ParamsT

__all__ = ["Adadelta"]

Array = jax.Array


class AdadeltaState(NamedTuple):
    """The state of a tree of parameters."""

    step: Array
    square_avg: Any
    acc_delta: Any


def _coefficients(step: Scalar, lr: Scalar, rho: Scalar, eps: Scalar, weight_decay: Scalar) -> dict[str, Scalar]:
    return {"lr": lr, "rho": rho, "weight": 1 - rho, "eps": eps, "weight_decay": weight_decay}


def _leaf(
    param: Array, grad: Array, state: SimpleNamespace, c: SimpleNamespace, flags: frozenset[str]
) -> tuple[Array, dict[str, Array]]:
    if "weight_decay" in flags:
        grad = grad + c.weight_decay * param
    square_avg = state.square_avg * c.rho + c.weight * grad * grad
    delta = jnp.sqrt(state.acc_delta + c.eps) / jnp.sqrt(square_avg + c.eps) * grad
    acc_delta = state.acc_delta * c.rho + c.weight * delta * delta
    return param - c.lr * delta, {"square_avg": square_avg, "acc_delta": acc_delta}


class Adadelta(RecordedOptimizer):
    """Adadelta: the gradient in units of the steps taken so far.

    ``v = rho v + (1 - rho) g²``, ``d = sqrt(u + eps) / sqrt(v + eps) * g``, ``u = rho u + (1 - rho) d²``,
    ``p -= lr * d``. The paper has no learning rate: that is ``lr=1``.

    Args:
        params: tensors, named tensors, or dicts that each describe a group of them.
        lr: factor of the step.
        rho: what is kept of both mean squares at each step; in [0, 1].
        eps: added under both roots.
        weight_decay: added to the gradient, times the parameter.
        foreach: accepted; a step is one program here whatever it says.
        capturable: accepted on accelerators, where it changes nothing; an error on the CPU, as in PyTorch.
        maximize: climb instead of descending.
        differentiable: not supported here; use `Adadelta.transform`.
    Raises:
        ValueError: if a number is out of its range.
    Source:
        Zeiler 2012, https://arxiv.org/abs/1212.5701; arithmetic as PyTorch.
    """

    rule = Rule(
        AdadeltaState,
        lambda o, _: {"square_avg": 0.0, "acc_delta": 0.0},
        lambda o: (o["lr"], o["rho"], o["eps"], o["weight_decay"]),
        lambda o: switches(weight_decay=o["weight_decay"], maximize=o["maximize"]),
        _coefficients,
        _leaf,
    )

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        check_nonnegative("epsilon value", eps)
        check_nonnegative("weight_decay value", weight_decay)
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)
