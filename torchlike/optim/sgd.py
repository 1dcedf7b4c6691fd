"""Stochastic gradient descent, with momentum."""

from types import SimpleNamespace
from typing import Any, ClassVar, NamedTuple

import jax

from torchlike._src.tensor import Tensor
from torchlike.optim._recorded import RecordedOptimizer, check_lr, check_nonnegative, forbid_together
from torchlike.optim._rule import Options, Rule, Scalar, switches
from torchlike.optim.optimizer import ParamsT

__all__ = ["SGD"]

Array = jax.Array


class SGDState(NamedTuple):
    """The state of a tree of parameters; PyTorch keeps no ``step``, it has either a buffer or none yet."""

    step: Array
    momentum_buffer: Any = None


def _coefficients(step: Scalar, lr: Scalar, momentum: Scalar, dampening: Scalar, weight_decay: Scalar) -> dict[str, Scalar]:
    # The buffer starts as the first gradient, undampened: that is a buffer of zeros and a factor of 1.
    dampening = dampening * (step > 1)
    return {"lr": lr, "momentum": momentum, "gain": 1 - dampening, "weight_decay": weight_decay}


def _leaf(
    param: Array, grad: Array, state: SimpleNamespace, c: SimpleNamespace, flags: frozenset[str]
) -> tuple[Array, dict[str, Array]]:
    if "weight_decay" in flags:
        grad = grad + c.weight_decay * param
    if "momentum" not in flags:
        return param - c.lr * grad, {}
    buffer = state.momentum_buffer * c.momentum + c.gain * grad
    direction = grad + c.momentum * buffer if "nesterov" in flags else buffer
    return param - c.lr * direction, {"momentum_buffer": buffer}


def _slots(options: Options, shape: tuple[int, ...]) -> dict[str, Any]:
    return {"momentum_buffer": 0.0} if switches(momentum=options["momentum"]) else {}


class SGD(RecordedOptimizer):
    """Stochastic gradient descent: ``p -= lr * d``, where ``d`` is the gradient or its running sum.

    With momentum, ``buffer = momentum * buffer + (1 - dampening) * grad`` (the first gradient enters whole) and
    ``d = buffer``, or ``d = grad + momentum * buffer`` with ``nesterov``. The learning rate multiplies the buffer
    when it is used, not when it is filled, unlike in Sutskever et al.

    Args:
        params: tensors, named tensors, or dicts that each describe a group of them.
        lr: learning rate.
        momentum: how much of the buffer is kept at each step.
        dampening: how much less than the whole gradient enters the buffer.
        weight_decay: added to the gradient, times the parameter.
        nesterov: look ahead by one momentum step; needs a momentum and no dampening.
        maximize: climb instead of descending.
        foreach: accepted; a step is one program here whatever it says.
        differentiable: not supported here; use `SGD.transform` under `torch.func` or JAX.
        fused: accepted; a step is one program here whatever it says.
    Raises:
        ValueError: if a number is out of its range, or nesterov lacks its momentum.
    Source:
        Sutskever et al. 2013, https://proceedings.mlr.press/v28/sutskever13.html; arithmetic as PyTorch.
    """

    rule = Rule(
        SGDState,
        _slots,
        lambda o: (o["lr"], o["momentum"], o["dampening"], o["weight_decay"]),
        lambda o: switches(
            momentum=o["momentum"], nesterov=o["nesterov"], weight_decay=o["weight_decay"], maximize=o["maximize"]
        ),
        _coefficients,
        _leaf,
    )
    _counts_steps = False
    _upgrades: ClassVar[dict[str, Any]] = {
        "nesterov": False,
        "maximize": False,
        "foreach": None,
        "differentiable": False,
        "fused": False,
    }

    def _sparse_step(self, p: Tensor, grad: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:  # type: ignore[override]
        """The rows that have a gradient move; a momentum is kept of the rows that had one so far."""
        if group["weight_decay"] != 0:
            grad = grad.add(p, alpha=group["weight_decay"])
        momentum = group["momentum"]
        if momentum != 0:
            buffer = state.get("momentum_buffer")
            if buffer is None:
                buffer = grad.clone().detach()
            else:
                buffer = buffer.mul(momentum).add(grad, alpha=1 - group["dampening"])
            state["momentum_buffer"] = buffer
            grad = grad.add(buffer, alpha=momentum) if group["nesterov"] else buffer
        p.add_(grad, alpha=-float(group["lr"]))

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: Any = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        check_nonnegative("momentum value", momentum)
        check_nonnegative("weight_decay value", weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        forbid_together(fused, foreach, differentiable)
