"""Rprop: resilient backpropagation."""

from types import SimpleNamespace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from torchlike.optim._recorded import RecordedOptimizer, check_lr
from torchlike.optim._rule import Rule, Scalar, switches
from torchlike.optim.optimizer import ParamsT

__all__ = ["Rprop"]

Array = jax.Array


class RpropState(NamedTuple):
    """The state of a tree of parameters: the gradient of the step before, and how far each element moves."""

    step: Array
    prev: Any
    step_size: Any


def _coefficients(step: Scalar, minus: Scalar, plus: Scalar, least: Scalar, most: Scalar) -> dict[str, Scalar]:
    return {"minus": minus, "plus": plus, "least": least, "most": most}


def _leaf(
    param: Array, grad: Array, state: SimpleNamespace, c: SimpleNamespace, flags: frozenset[str]
) -> tuple[Array, dict[str, Array]]:
    agreement = grad * state.prev
    factor = jnp.where(agreement > 0, c.plus, jnp.where(agreement < 0, c.minus, jnp.ones_like(c.plus)))
    step_size = jnp.clip(state.step_size * factor, c.least, c.most)
    grad = jnp.where(agreement < 0, 0, grad)  # after a change of sign, wait for one step
    sign = (grad > 0).astype(grad.dtype) - (grad < 0)  # 0 where the gradient is NaN, as torch.sign
    return param - sign * step_size, {"prev": grad, "step_size": step_size}


class Rprop(RecordedOptimizer):
    """Resilient backpropagation: only the sign of the gradient counts, and each element has its own step size.

    The step size grows while the sign stays, and shrinks when it changes. Meant for full batches.

    Args:
        params: tensors, named tensors, or dicts that each describe a group of them.
        lr: every step size at the start.
        etas: by what a step size is multiplied when the sign changed, and when it stayed.
        step_sizes: the least and the greatest step size.
        capturable: accepted on accelerators, where it changes nothing; an error on the CPU, as in PyTorch.
        foreach: accepted; a step is one program here whatever it says.
        maximize: climb instead of descending.
        differentiable: not supported here; use `Rprop.transform`.
    Raises:
        ValueError: if the learning rate is negative, or the etas are not on the two sides of 1.
    Source:
        Riedmiller and Braun 1993, https://doi.org/10.1109/ICNN.1993.298623; arithmetic as PyTorch.
    """

    rule = Rule(
        RpropState,
        lambda o, _: {"prev": 0.0, "step_size": o["lr"]},
        lambda o: (*o["etas"], *o["step_sizes"]),
        lambda o: switches(maximize=o["maximize"]),
        _coefficients,
        _leaf,
    )

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)
