"""Adam, and with ``decoupled_weight_decay`` AdamW."""

from types import SimpleNamespace
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from torchlike._src.tensor import Tensor
from torchlike.optim._recorded import RecordedOptimizer, check_betas, check_lr, check_nonnegative, forbid_together
from torchlike.optim._rule import Options, Rule, Scalar, lerp, switches
from torchlike.optim.optimizer import ParamsT, _to_scalar

__all__ = ["Adam"]

Array = jax.Array


class AdamState(NamedTuple):
    """The state of a tree of parameters."""

    step: Array
    exp_avg: Any
    exp_avg_sq: Any
    max_exp_avg_sq: Any = None


def _slots(options: Options, shape: tuple[int, ...]) -> dict[str, Any]:
    slots = {"exp_avg": 0.0, "exp_avg_sq": 0.0}
    return {**slots, "max_exp_avg_sq": 0.0} if options["amsgrad"] else slots


def _numbers(options: Options) -> tuple[Scalar, ...]:
    return options["lr"], *options["betas"], options["eps"], options["weight_decay"]


def _flags(options: Options) -> frozenset[str]:
    return switches(
        amsgrad=options["amsgrad"],
        maximize=options["maximize"],
        weight_decay=options["weight_decay"],
        decoupled=options["decoupled_weight_decay"],
    )


def _coefficients(step: Scalar, lr: Scalar, beta1: Scalar, beta2: Scalar, eps: Scalar, weight_decay: Scalar) -> dict[str, Scalar]:
    return {
        "weight_decay": weight_decay,
        "keep": 1 - lr * weight_decay,
        "weight1": 1 - beta1,
        "beta2": beta2,
        "weight2": 1 - beta2,
        "step_size": lr / (1 - beta1**step),
        "correction": (1 - beta2**step) ** 0.5,
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
    new = {"exp_avg": exp_avg, "exp_avg_sq": exp_avg_sq}
    if "amsgrad" in flags:
        exp_avg_sq = new["max_exp_avg_sq"] = jnp.maximum(state.max_exp_avg_sq, exp_avg_sq)
    denominator = jnp.sqrt(exp_avg_sq) / c.correction + c.eps
    return param - c.step_size * exp_avg / denominator, new


class Adam(RecordedOptimizer):
    """Adam: steps along the mean gradient, scaled by the root of the mean squared gradient.

    ``m = beta1 m + (1 - beta1) g``, ``v = beta2 v + (1 - beta2) g²``, both divided by what they lack of a full
    mean (``1 - beta**step``), then ``p -= lr * m / (sqrt(v) + eps)``. ``eps`` is added after the division by the
    correction, as in the paper's algorithm 1, not as in its efficient form.

    Args:
        params: tensors, named tensors, or dicts that each describe a group of them.
        lr: learning rate.
        betas: what is kept of the means of the gradient and of its square at each step.
        eps: added to the denominator.
        weight_decay: added to the gradient, times the parameter (or see ``decoupled_weight_decay``).
        amsgrad: divide by the largest mean square so far.
        foreach: accepted; a step is one program here whatever it says.
        maximize: climb instead of descending.
        capturable: accepted on accelerators, where it changes nothing; an error on the CPU, as in PyTorch.
        differentiable: not supported here; use `Adam.transform`.
        fused: accepted; a step is one program here whatever it says.
        decoupled_weight_decay: shrink the parameter by ``1 - lr * weight_decay`` instead: AdamW.
    Raises:
        ValueError: if a number is out of its range.
    Source:
        Kingma and Ba 2014, https://arxiv.org/abs/1412.6980; Reddi et al. 2018,
        https://openreview.net/forum?id=ryQu7f-RZ (AMSGrad); arithmetic as PyTorch.
    """

    _instead_of_sparse = ", please consider SparseAdam instead"
    rule = Rule(AdamState, _slots, _numbers, _flags, _coefficients, _leaf)
    _upgrades: ClassVar[dict[str, Any]] = {
        "amsgrad": False,
        **RecordedOptimizer._upgrades,
        "decoupled_weight_decay": False,
        "fused": None,
    }

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-3,
        betas: tuple[Any, Any] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and foreach and not capturable:
            raise ValueError("lr as a Tensor is not supported for capturable=False and foreach=True")
        check_lr(lr)
        check_nonnegative("epsilon value", eps)
        check_betas(betas)
        check_nonnegative("weight_decay value", weight_decay)
        _check_beta_types(betas, bool(foreach) and not capturable)
        defaults = {
            "lr": lr,
            "betas": tuple(_to_scalar(beta) for beta in betas),
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)
        forbid_together(fused, foreach, differentiable)


def _check_beta_types(betas: tuple[Any, Any], numbers_only: bool) -> None:
    if not (all(isinstance(b, float) for b in betas) or all(isinstance(b, Tensor) for b in betas)):
        raise ValueError("betas must be either both floats or both Tensors")
    for i, beta in enumerate(betas):
        if not isinstance(beta, Tensor):
            continue
        if numbers_only:
            raise ValueError(f"betas[{i}] as a Tensor is not supported for capturable=False and foreach=True")
        if beta.numel() != 1:
            raise ValueError(f"Tensor betas[{i}] must be 1-element")
