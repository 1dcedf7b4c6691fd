"""RAdam: Adam with a rectified warm-up."""

from types import SimpleNamespace
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from torchlike.optim._recorded import RecordedOptimizer, check_betas, check_lr, check_nonnegative
from torchlike.optim._rule import Rule, Scalar, lerp, switches
from torchlike.optim.optimizer import ParamsT

__all__ = ["RAdam"]

Array = jax.Array


class RAdamState(NamedTuple):
    """The state of a tree of parameters."""

    step: Array
    exp_avg: Any
    exp_avg_sq: Any


def _coefficients(step: Scalar, lr: Scalar, beta1: Scalar, beta2: Scalar, eps: Scalar, weight_decay: Scalar) -> dict[str, Scalar]:
    correction2 = 1 - beta2**step
    longest = 2 / (1 - beta2) - 1
    length = longest - 2 * step * beta2**step / correction2
    adaptive = length > 5
    # Not used before the mean is long enough; 5 keeps the root real until then.
    length = length * adaptive + 5 * (1 - adaptive)
    rectified = ((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)) ** 0.5
    return {
        "lr": lr,
        "weight_decay": weight_decay,
        "keep": 1 - lr * weight_decay,
        "weight1": 1 - beta1,
        "beta2": beta2,
        "weight2": 1 - beta2,
        "correction1": 1 - beta1**step,
        "root2": correction2**0.5,
        "rectified": rectified,
        "adaptive": adaptive,
        "eps": eps,
    }


def _leaf(
    param: Array, grad: Array, state: SimpleNamespace, c: SimpleNamespace, flags: frozenset[str]
) -> tuple[Array, dict[str, Array]]:
    if "weight_decay" in flags:
        if "decoupled" in flags:
            param = param * c.keep
        else:
            grad = grad + c.weight_decay * param
    exp_avg = lerp(state.exp_avg, grad, c.weight1)
    exp_avg_sq = state.exp_avg_sq * c.beta2 + c.weight2 * grad * grad
    update = exp_avg / c.correction1 * c.lr
    scaled = update * (c.root2 / (jnp.sqrt(exp_avg_sq) + c.eps)) * c.rectified
    return param - jnp.where(c.adaptive != 0, scaled, update), {"exp_avg": exp_avg, "exp_avg_sq": exp_avg_sq}


class RAdam(RecordedOptimizer):
    """RAdam: plain momentum until the mean square has seen enough gradients, then Adam, faded in.

    Args:
        params: tensors, named tensors, or dicts that each describe a group of them.
        lr: learning rate.
        betas: what is kept of the means of the gradient and of its square at each step.
        eps: added to the denominator.
        weight_decay: added to the gradient, times the parameter (or see ``decoupled_weight_decay``).
        decoupled_weight_decay: shrink the parameter by ``1 - lr * weight_decay`` instead.
        foreach: accepted; a step is one program here whatever it says.
        maximize: climb instead of descending.
        capturable: accepted on accelerators, where it changes nothing; an error on the CPU, as in PyTorch.
        differentiable: not supported here; use `RAdam.transform`.
    Raises:
        ValueError: if a number is out of its range.
    Source:
        Liu et al. 2019, https://arxiv.org/abs/1908.03265, algorithm 2; arithmetic as PyTorch.
    """

    rule = Rule(
        RAdamState,
        lambda o, _: {"exp_avg": 0.0, "exp_avg_sq": 0.0},
        lambda o: (o["lr"], *o["betas"], o["eps"], o["weight_decay"]),
        lambda o: switches(weight_decay=o["weight_decay"], decoupled=o["decoupled_weight_decay"], maximize=o["maximize"]),
        _coefficients,
        _leaf,
    )
    _upgrades: ClassVar[dict[str, Any]] = {**RecordedOptimizer._upgrades, "decoupled_weight_decay": False}

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
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
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)
