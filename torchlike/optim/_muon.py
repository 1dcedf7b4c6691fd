"""Muon: momentum, made orthogonal."""

import math
from types import SimpleNamespace
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from torchlike._src.tensor import Tensor
from torchlike.optim._recorded import RecordedOptimizer
from torchlike.optim._rule import Options, Rule, Scalar, lerp, switches
from torchlike.optim.optimizer import ParamsT

__all__ = ["Muon"]

Array = jax.Array


class MuonState(NamedTuple):
    """The state of a tree of matrices; PyTorch keeps no ``step``."""

    step: Array
    momentum_buffer: Any


def _numbers(options: Options) -> tuple[Scalar, ...]:
    scalars = options["lr"], options["weight_decay"], options["momentum"], options["eps"], options["ns_steps"]
    return *scalars, *options["ns_coefficients"]


def _flags(options: Options) -> frozenset[str]:
    return switches(
        nesterov=options["nesterov"],
        original=options["adjust_lr_fn"] in (None, "original"),
    )


def _coefficients(
    step: Scalar,
    lr: Scalar,
    weight_decay: Scalar,
    momentum: Scalar,
    eps: Scalar,
    ns_steps: Scalar,
    a: Scalar,
    b: Scalar,
    c: Scalar,
) -> dict[str, Scalar]:
    return {
        "lr": lr,
        "keep": 1 - lr * weight_decay,
        "momentum": momentum,
        "weight": 1 - momentum,
        "eps": eps,
        "ns_steps": ns_steps,
        "a": a,
        "b": b,
        "c": c,
    }


def _orthogonal(x: Array, c: SimpleNamespace) -> Array:
    """A matrix with the singular vectors of ``x`` and singular values near 1, by Newton–Schulz in bfloat16."""

    def matmul(a: Array, b: Array) -> Array:
        return jnp.matmul(a, b, preferred_element_type=jnp.float32)

    def improve(_: Any, x: Array) -> Array:
        gram = matmul(x, x.T).astype(jnp.bfloat16)
        polynomial = (c.b * gram + c.c * matmul(gram, gram)).astype(jnp.bfloat16)
        return (c.a * x + matmul(polynomial, x)).astype(jnp.bfloat16)

    tall = x.shape[0] > x.shape[1]
    x = (x.T if tall else x).astype(jnp.bfloat16)
    norm = jnp.sqrt(jnp.sum(jnp.square(x.astype(jnp.float32)))).astype(jnp.bfloat16)
    x = x / jnp.maximum(norm, c.eps.astype(jnp.bfloat16))
    x = jax.lax.fori_loop(0, c.ns_steps.astype(jnp.int32), improve, x)
    return x.T if tall else x


def _leaf(
    param: Array, grad: Array, state: SimpleNamespace, c: SimpleNamespace, flags: frozenset[str]
) -> tuple[Array, dict[str, Array]]:
    buffer = lerp(state.momentum_buffer, grad, c.weight)
    update = _orthogonal(lerp(grad, buffer, c.momentum) if "nesterov" in flags else buffer, c)
    rows, columns = param.shape
    ratio = math.sqrt(max(1, rows / columns)) if "original" in flags else 0.2 * math.sqrt(max(rows, columns))
    param = param * c.keep - c.lr * ratio * update.astype(param.dtype)
    return param, {"momentum_buffer": buffer}


class Muon(RecordedOptimizer):
    """Muon: steps along the momentum with all its singular values set to about 1. For matrices of hidden layers.

    The momentum is a running mean, ``buffer = momentum buffer + (1 - momentum) grad``; weight decay is decoupled.
    Embeddings, biases and the output layer want another optimizer, such as AdamW.

    Args:
        params: matrices, named matrices, or dicts that each describe a group of them.
        lr: learning rate.
        weight_decay: by how much parameters shrink, in units of the learning rate.
        momentum: what is kept of the buffer at each step.
        nesterov: look ahead by one momentum step.
        ns_coefficients: of the polynomial ``a x + b x³ + c x⁵`` that is applied to the singular values.
        eps: the least norm that a matrix is divided by.
        ns_steps: how often it is applied; less than 100.
        adjust_lr_fn: how the learning rate follows the shape ``(A, B)``: ``"original"`` (the default),
            ``sqrt(max(1, A / B))``; or ``"match_rms_adamw"``, ``0.2 sqrt(max(A, B))``, for AdamW's learning rates.
    Raises:
        ValueError: for a parameter that is not a matrix, a negative number, or an unknown ``adjust_lr_fn``.
    Source:
        Jordan 2024, https://kellerjordan.github.io/posts/muon/; Liu et al. 2025, https://arxiv.org/abs/2502.16982;
        arithmetic as PyTorch, up to bfloat16's rounding.
    """

    rule = Rule(MuonState, lambda o, _: {"momentum_buffer": 0.0}, _numbers, _flags, _coefficients, _leaf)
    _counts_steps = False
    _upgrades: ClassVar[dict[str, Any]] = {}

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not lr >= 0.0:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not momentum >= 0.0:
            raise ValueError(f"momentum should be >= 0 but is: {momentum}")
        if not weight_decay >= 0.0:
            raise ValueError(f"weight decay should be >= 0 but is: {weight_decay}")
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:
            for p in group["params"]:
                if p.ndim != 2:
                    raise ValueError(f"Muon only supports 2D parameters whereas we found a parameter with size: {p.size()}")

    def _check_parameter(self, p: Tensor, group: dict[str, Any]) -> None:
        super()._check_parameter(p, group)
        if p.is_complex():
            raise RuntimeError("Muon does not support complex parameters")
        if group["ns_steps"] >= 100:
            raise ValueError("Number of steps must be less than 100 for computational efficiency")
        if len(group["ns_coefficients"]) != 3:
            raise ValueError("Coefficients must be a tuple of exactly 3 values")
