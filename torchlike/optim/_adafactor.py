"""Adafactor: a second moment of rows and columns in place of one of every element."""

from types import SimpleNamespace
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from torchlike._src.tensor import Tensor
from torchlike.optim._recorded import RecordedOptimizer
from torchlike.optim._rule import Options, Rule, Scalar, Zeros, lerp, switches
from torchlike.optim.optimizer import ParamsT

__all__ = ["Adafactor"]

Array = jax.Array


class AdafactorState(NamedTuple):
    """The state of a tree: rows and columns of parameters with two dimensions and more, else ``variance``."""

    step: Array
    row_var: Any
    col_var: Any
    variance: Any


def _slots(options: Options, shape: tuple[int, ...]) -> dict[str, Any]:
    if len(shape) > 1:
        return {"row_var": Zeros((*shape[:-1], 1)), "col_var": Zeros((*shape[:-2], 1, shape[-1]))}
    return {"variance": 0.0}


def _numbers(options: Options) -> tuple[Scalar, ...]:
    eps1, eps2 = options["eps"]
    return (
        options["lr"],
        options["beta2_decay"],
        -1.0 if eps1 is None else eps1,
        eps2,
        options["d"],
        options["weight_decay"],
    )


def _coefficients(
    step: Scalar, lr: Scalar, beta2_decay: Scalar, eps1: Scalar, eps2: Scalar, d: Scalar, weight_decay: Scalar
) -> dict[str, Scalar]:
    bound = step**-0.5
    return {
        "weight": step**beta2_decay,
        "rho": lr * (lr <= bound) + bound * (lr > bound),
        "keep": 1 - lr * weight_decay,
        "eps1": eps1,
        "eps2": eps2,
        "d": d,
    }


def _rms(x: Array) -> Array:
    return jnp.sqrt(jnp.sum(x * x)) / x.size**0.5


def _leaf(
    param: Array, grad: Array, state: SimpleNamespace, c: SimpleNamespace, flags: frozenset[str]
) -> tuple[Array, dict[str, Array]]:
    eps1 = jnp.asarray(jnp.finfo(param.dtype).eps, param.dtype) if "default_eps" in flags else c.eps1
    step_size = jnp.maximum(c.eps2, _rms(param)) * c.rho
    if "weight_decay" in flags:
        param = param * c.keep
    if grad.ndim > 1:
        row_var = lerp(state.row_var, jnp.mean(grad * grad, axis=-1, keepdims=True), c.weight)
        col_var = lerp(state.col_var, jnp.mean(grad * grad, axis=-2, keepdims=True), c.weight)
        mean = jnp.maximum(jnp.mean(row_var, axis=-2, keepdims=True), eps1)
        variance, new = row_var * col_var / mean, {"row_var": row_var, "col_var": col_var}
    else:
        variance = lerp(state.variance, grad * grad, c.weight)
        new = {"variance": variance}
    update = grad / jnp.sqrt(jnp.maximum(variance, eps1 * eps1))
    clipping = jnp.maximum(1.0, _rms(update) / c.d)
    return param - step_size / clipping * update, new


class Adafactor(RecordedOptimizer):
    """Adafactor: Adam without momentum, whose mean square is told from means over rows and over columns.

    The step is in units of the parameter's root mean square (at least ``eps[1]``), times
    ``rho = min(lr, 1 / sqrt(step))``, and is clipped to a root mean square of ``d``. As in PyTorch, and unlike the
    paper, ``lr`` bounds ``rho``, ``eps[0]`` acts where the variance is used, and weight decay is decoupled.

    Args:
        params: tensors, named tensors, or dicts that each describe a group of them.
        lr: bound of the relative step.
        beta2_decay: ``step**beta2_decay`` is the weight of the new gradient in the means; not positive.
        eps: the least root of a variance (None: the dtype's epsilon) and the least size of a parameter.
        d: clipping threshold, at least 1.
        weight_decay: by how much parameters shrink, in units of the learning rate.
        foreach: accepted; a step is one program here whatever it says.
        maximize: climb instead of descending.
    Raises:
        ValueError: if a number is out of its range.
    Source:
        Shazeer and Stern 2018, https://arxiv.org/abs/1804.04235; arithmetic as PyTorch.
    """

    rule = Rule(
        AdafactorState,
        _slots,
        _numbers,
        lambda o: switches(weight_decay=o["weight_decay"], maximize=o["maximize"], default_eps=o["eps"][0] is None),
        _coefficients,
        _leaf,
        shaped=True,
    )
    _upgrades: ClassVar[dict[str, Any]] = {"foreach": None}

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not lr >= 0.0:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not beta2_decay <= 0.0:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        if eps[0] is not None and not eps[0] >= 0.0:
            raise ValueError(f"epsilon1 should be >= 0 but is: {eps[0]}")
        if not eps[1] >= 0.0:
            raise ValueError(f"epsilon2 should be >= 0 but is: {eps[1]}")
        if not d >= 1.0:
            raise ValueError(f"Clipping threshold d should be >= 1 but is: {d}")
        if not weight_decay >= 0.0:
            raise ValueError(f"weight_decay should be >= 0 but is: {weight_decay}")
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check_parameter(self, p: Tensor, group: dict[str, Any]) -> None:
        super()._check_parameter(p, group)
        if p.is_complex():
            raise RuntimeError("Adafactor does not support complex parameters")
