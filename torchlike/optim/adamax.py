"""Adamax: Adam with the infinity norm."""

from types import SimpleNamespace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from torchlike.optim._recorded import RecordedOptimizer, check_betas, check_lr, check_nonnegative
from torchlike.optim._rule import Rule, Scalar, lerp, switches
from torchlike.optim.optimizer import ParamsT

__all__ = ["Adamax"]

Array = jax.Array


class AdamaxState(NamedTuple):
    """The state of a tree of parameters."""

    step: Array
    exp_avg: Any
    exp_inf: Any


def _coefficients(step: Scalar, lr: Scalar, beta1: Scalar, beta2: Scalar, eps: Scalar, weight_decay: Scalar) -> dict[str, Scalar]:
    return {
        "step_size": lr / (1 - beta1**step),
        "weight": 1 - beta1,
        "beta2": beta2,
        "eps": eps,
        "weight_decay": weight_decay,
    }


def _leaf(
    param: Array, grad: Array, state: SimpleNamespace, c: SimpleNamespace, flags: frozenset[str]
) -> tuple[Array, dict[str, Array]]:
    if "weight_decay" in flags:
        grad = grad + c.weight_decay * param
    exp_avg = lerp(state.exp_avg, grad, c.weight)
    exp_inf = jnp.maximum(state.exp_inf * c.beta2, jnp.abs(grad) + c.eps)
    return param - c.step_size * exp_avg / exp_inf, {"exp_avg": exp_avg, "exp_inf": exp_inf}


class Adamax(RecordedOptimizer):
    """Adam, with the largest recent gradient where Adam has the root of the mean square.

    ``u = max(beta2 u, |g| + eps)`` and ``p -= lr / (1 - beta1**step) * m / u``.

    Args:
        params: tensors, named tensors, or dicts that each describe a group of them.
        lr: learning rate.
        betas: what is kept of the mean gradient and of the norm at each step.
        eps: added to the gradient's magnitude.
        weight_decay: added to the gradient, times the parameter.
        foreach: accepted; a step is one program here whatever it says.
        maximize: climb instead of descending.
        differentiable: not supported here; use `Adamax.transform`.
        capturable: accepted on accelerators, where it changes nothing; an error on the CPU, as in PyTorch.
    Raises:
        ValueError: if a number is out of its range.
    Source:
        Kingma and Ba 2014, https://arxiv.org/abs/1412.6980, section 7.1; arithmetic as PyTorch.
    """

    rule = Rule(
        AdamaxState,
        lambda o, _: {"exp_avg": 0.0, "exp_inf": 0.0},
        lambda o: (o["lr"], *o["betas"], o["eps"], o["weight_decay"]),
        lambda o: switches(weight_decay=o["weight_decay"], maximize=o["maximize"]),
        _coefficients,
        _leaf,
    )

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        check_nonnegative("epsilon value", eps)
        check_betas(betas)
        check_nonnegative("weight_decay value", weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)
