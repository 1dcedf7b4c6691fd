"""Adagrad."""

from types import SimpleNamespace
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

import torchlike as torch
from torchlike._src.tensor import Tensor
from torchlike.optim._recorded import RecordedOptimizer, check_lr, check_nonnegative, forbid_together
from torchlike.optim._rule import Rule, Scalar, switches
from torchlike.optim.optimizer import ParamsT

__all__ = ["Adagrad"]

Array = jax.Array


class AdagradState(NamedTuple):
    """The state of a tree of parameters."""

    step: Array
    sum: Any


def _coefficients(step: Scalar, lr: Scalar, lr_decay: Scalar, weight_decay: Scalar, eps: Scalar) -> dict[str, Scalar]:
    return {"lr": lr / (1 + (step - 1) * lr_decay), "weight_decay": weight_decay, "eps": eps}


def _leaf(
    param: Array, grad: Array, state: SimpleNamespace, c: SimpleNamespace, flags: frozenset[str]
) -> tuple[Array, dict[str, Array]]:
    if "weight_decay" in flags:
        grad = grad + c.weight_decay * param
    total = state.sum + grad * grad
    return param - c.lr * grad / (jnp.sqrt(total) + c.eps), {"sum": total}


class Adagrad(RecordedOptimizer):
    """Adagrad: the gradient, divided by the root of the sum of all squared gradients so far.

    ``s += g²`` and ``p -= lr / (1 + (step - 1) lr_decay) * g / (sqrt(s) + eps)``. Unlike other optimizers it has its
    state from the start.

    Args:
        params: tensors, named tensors, or dicts that each describe a group of them.
        lr: learning rate.
        lr_decay: how fast the learning rate falls.
        weight_decay: added to the gradient, times the parameter.
        initial_accumulator_value: what the sum starts from.
        eps: added to the root.
        foreach: accepted; a step is one program here whatever it says.
        maximize: climb instead of descending.
        differentiable: not supported here; use `Adagrad.transform`.
        fused: accepted; a step is one program here whatever it says.
    Raises:
        ValueError: if a number is out of its range.
    Source:
        Duchi et al. 2011, https://jmlr.org/papers/v12/duchi11a.html; arithmetic as PyTorch.
    """

    rule = Rule(
        AdagradState,
        lambda o, _: {"sum": o["initial_accumulator_value"]},
        lambda o: (o["lr"], o["lr_decay"], o["weight_decay"], o["eps"]),
        lambda o: switches(weight_decay=o["weight_decay"], maximize=o["maximize"]),
        _coefficients,
        _leaf,
    )
    _upgrades: ClassVar[dict[str, Any]] = {"foreach": None, "maximize": False, "differentiable": False, "fused": None}

    def _sparse_step(self, p: Tensor, grad: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:  # type: ignore[override]
        """The rows that have a gradient move, by their own sums."""
        if group["weight_decay"] != 0:
            raise RuntimeError("weight_decay option is not compatible with sparse gradients")
        state["step"] += 1
        lr = float(group["lr"]) / (1 + (state["step"].item() - 1) * group["lr_decay"])
        grad = grad.coalesce()
        state["sum"].add_(grad.pow(2))
        root = state["sum"].sparse_mask(grad)._values().sqrt_().add_(group["eps"])
        p.add_(torch.sparse_coo_tensor(grad._indices(), grad._values() / root, grad.shape), alpha=-lr)

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        check_nonnegative("lr_decay value", lr_decay)
        check_nonnegative("weight_decay value", weight_decay)
        check_nonnegative("initial_accumulator_value value", initial_accumulator_value)
        check_nonnegative("epsilon value", eps)
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        forbid_together(fused, foreach, differentiable)
        for group in self.param_groups:
            # PyTorch starts every group from the argument, whatever the group says.
            started = {**group, "initial_accumulator_value": initial_accumulator_value}
            for p in group["params"]:
                self._start(p, started, self.state[p])

    def share_memory(self) -> None:
        """Move the sums to memory that other processes see."""
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p]["sum"].share_memory_()
