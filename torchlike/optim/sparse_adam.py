"""SparseAdam: Adam for the rows of a table that have a gradient."""

import math
from collections.abc import Callable
from typing import Any

import torchlike as torch
from torchlike._src.tensor import Tensor, dispatch
from torchlike.optim._recorded import check_betas
from torchlike.optim.optimizer import Optimizer, ParamsT, evaluated

__all__ = ["SparseAdam"]


class SparseAdam(Optimizer):
    """Adam for gradients in a sparse layout, as ``nn.Embedding(sparse=True)`` gives them.

    Parameters and moments change where the gradient has elements, and nowhere else: Adam would let all moments decay.

    Args:
        params, lr, betas, eps, maximize: as in `Adam`.
    Raises:
        ValueError: if a number is out of its range, or a parameter is complex or sparse.
        RuntimeError: in ``step``, for dense gradients.
    Source:
        Kingma and Ba 2015, https://arxiv.org/abs/1412.6980; arithmetic as PyTorch.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        if not lr > 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not eps > 0.0:
            raise ValueError(f"Invalid epsilon value: {eps}")
        check_betas(betas)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})
        for kind, what in (("Sparse", "is_sparse"), ("Complex", "is_complex")):
            at = [
                [i, j] for i, group in enumerate(self.param_groups) for j, p in enumerate(group["params"])
                if (p.is_complex() if what == "is_complex" else p.is_sparse)
            ]  # fmt: skip
            if at and kind == "Sparse":
                raise ValueError(f"Sparse params at indices {at}: SparseAdam requires dense parameter tensors")
            if at:
                raise ValueError(f"Complex params at indices {at}: SparseAdam does not support complex parameters")

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step: every row that has a gradient moves.

        Args:
            closure: computes the loss and its gradients anew, and returns the loss.
        Returns:
            What the closure returned; None without one.
        """
        loss = None if closure is None else evaluated(closure)
        for group in self.param_groups:
            moving = [p for p in group["params"] if p.grad is not None]
            if any(not p.grad.is_sparse for p in moving):
                raise RuntimeError("SparseAdam does not support dense gradients, please consider Adam instead")
            for p in moving:
                state = self.state[p]
                if not state:
                    state["step"] = 0
                    state["exp_avg"] = torch.zeros_like(p, memory_format=torch.preserve_format)
                    state["exp_avg_sq"] = torch.zeros_like(p, memory_format=torch.preserve_format)
                state["step"] += 1
                self._move(p, -p.grad if group["maximize"] else p.grad, group, state)
        dispatch.boundary("optimizer.step")
        return loss

    def _move(self, p: Tensor, grad: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        grad = grad.coalesce()
        if not grad._nnz():
            return
        beta1, beta2 = group["betas"]
        values = grad._values()

        def stored(new: Tensor) -> Tensor:
            return torch.sparse_coo_tensor(grad._indices(), new, grad.shape)

        moments = []
        for name, beta, fresh in (("exp_avg", beta1, values), ("exp_avg_sq", beta2, values.pow(2))):
            old = state[name].sparse_mask(grad)._values()
            change = (fresh - old) * (1 - beta)
            state[name].add_(stored(change))
            moments.append(old + change)
        first, second = moments
        size = float(group["lr"]) * math.sqrt(1 - beta2 ** state["step"]) / (1 - beta1 ** state["step"])
        p.add_(stored(-size * first / second.sqrt().add_(group["eps"])))
