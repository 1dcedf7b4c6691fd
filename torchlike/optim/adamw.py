"""AdamW: `Adam` whose weight decay stays out of the running means."""

from typing import Any, ClassVar

from torchlike.optim.adam import Adam
from torchlike.optim.optimizer import ParamsT

__all__ = ["AdamW"]


class AdamW(Adam):
    """Adam with decoupled weight decay: each step first shrinks the parameter by ``1 - lr * weight_decay``.

    Args:
        params: tensors, named tensors, or dicts that each describe a group of them.
        lr, betas, eps, amsgrad, maximize, foreach, capturable, differentiable, fused: as in `Adam`.
        weight_decay: by how much parameters shrink, in units of the learning rate.
    Source:
        Loshchilov and Hutter 2017, https://arxiv.org/abs/1711.05101; arithmetic as PyTorch.
    """

    _fixed: ClassVar[dict[str, Any]] = {"decoupled_weight_decay": True}

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-3,
        betas: tuple[Any, Any] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:  # also after loading a state dict of Adam
            group["decoupled_weight_decay"] = True
