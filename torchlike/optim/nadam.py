"""NAdam: Adam with Nesterov momentum."""

from types import SimpleNamespace
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from torchlike.optim._recorded import RecordedOptimizer, check_betas, check_lr, check_nonnegative
from torchlike.optim._rule import Rule, Scalar, Single, lerp, switches
from torchlike.optim.optimizer import ParamsT

__all__ = ["NAdam"]

Array = jax.Array


class NAdamState(NamedTuple):
    """The state of a tree of parameters; ``mu_product`` is a number a parameter."""

    step: Array
    mu_product: Any
    exp_avg: Any
    exp_avg_sq: Any


def _coefficients(
    step: Scalar,
    lr: Scalar,
    beta1: Scalar,
    beta2: Scalar,
    eps: Scalar,
    weight_decay: Scalar,
    momentum_decay: Scalar,
) -> dict[str, Scalar]:
    return {
        "lr": lr,
        "weight_decay": weight_decay,
        "keep": 1 - lr * weight_decay,
        "weight1": 1 - beta1,
        "beta2": beta2,
        "weight2": 1 - beta2,
        "correction2": 1 - beta2**step,
        "eps": eps,
        "mu": beta1 * (1 - 0.5 * 0.96 ** (step * momentum_decay)),
        "mu_next": beta1 * (1 - 0.5 * 0.96 ** ((step + 1) * momentum_decay)),
    }


def _leaf(
    param: Array, grad: Array, state: SimpleNamespace, c: SimpleNamespace, flags: frozenset[str]
) -> tuple[Array, dict[str, Array]]:
    if "weight_decay" in flags:
        if "decoupled" in flags:
            param = param * c.keep
        else:
            grad = grad + c.weight_decay * param
    # Rounded to float32 at each step, as PyTorch's 0-d tensor is.
    mu_product = (state.mu_product * c.mu.astype(state.mu_product.dtype)).astype(c.mu.dtype)
    exp_avg = lerp(state.exp_avg, grad, c.weight1)
    exp_avg_sq = state.exp_avg_sq * c.beta2 + c.weight2 * grad * grad
    denominator = jnp.sqrt(exp_avg_sq / c.correction2) + c.eps
    param = param - c.lr * (1 - c.mu) / (1 - mu_product) * grad / denominator
    param = param - c.lr * c.mu_next / (1 - mu_product * c.mu_next) * exp_avg / denominator
    return param, {"mu_product": mu_product, "exp_avg": exp_avg, "exp_avg_sq": exp_avg_sq}


class NAdam(RecordedOptimizer):
    """NAdam: Adam that looks one momentum step ahead, with a momentum that warms up.

    With ``mu_t = beta1 (1 - 0.96**(t momentum_decay) / 2)`` and ``M_t`` the product of the ``mu`` so far,
    ``p -= lr ((1 - mu_t) / (1 - M_t) g + mu_{t+1} / (1 - M_{t+1}) m) / (sqrt(v) + eps)``.

    Args:
        params: tensors, named tensors, or dicts that each describe a group of them.
        lr: learning rate.
        betas: what is kept of the means of the gradient and of its square at each step.
        eps: added to the denominator.
        weight_decay: added to the gradient, times the parameter (or see ``decoupled_weight_decay``).
        momentum_decay: how fast the momentum warms up.
        decoupled_weight_decay: shrink the parameter by ``1 - lr * weight_decay`` instead.
        foreach: accepted; a step is one program here whatever it says.
        maximize: climb instead of descending.
        capturable: accepted on accelerators, where it changes nothing; an error on the CPU, as in PyTorch.
        differentiable: not supported here; use `NAdam.transform`.
    Raises:
        ValueError: if a number is out of its range.
    Source:
        Dozat 2016, https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ; arithmetic as PyTorch.
    """

    rule = Rule(
        NAdamState,
        lambda o, _: {"mu_product": Single(1.0), "exp_avg": 0.0, "exp_avg_sq": 0.0},
        lambda o: (o["lr"], *o["betas"], o["eps"], o["weight_decay"], o["momentum_decay"]),
        lambda o: switches(weight_decay=o["weight_decay"], decoupled=o["decoupled_weight_decay"], maximize=o["maximize"]),
        _coefficients,
        _leaf,
    )
    _upgrades: ClassVar[dict[str, Any]] = {**RecordedOptimizer._upgrades, "decoupled_weight_decay": False}

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
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
        check_nonnegative("momentum_decay value", momentum_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)
