"""L-BFGS, with a fixed step or a line search for the strong Wolfe conditions."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import torchlike as torch
from torchlike._src.engine.value import CPU
from torchlike._src.tensor import Tensor, dispatch
from torchlike._src.tensor.creation import on_place
from torchlike.optim._recorded import check_lr
from torchlike.optim.optimizer import Optimizer, ParamsT, evaluated

__all__ = ["LBFGS"]


class LBFGS(Optimizer):
    """L-BFGS: Newton's method with a Hessian estimated from the last gradients.

    Needs a closure, which it calls several times a step. Meant for full batches. It has one parameter group and one
    state for all parameters, kept under the first. Its own arithmetic runs on the host; only the closure is a program.

    Args:
        params: the parameters, in one group.
        lr: learning rate.
        max_iter: iterations a step.
        max_eval: evaluations of the closure a step; five quarters of ``max_iter`` by default.
        tolerance_grad: stop when no element of the gradient is larger.
        tolerance_change: stop when neither loss nor parameters change by more.
        history_size: how many gradients are remembered.
        line_search_fn: None or ``"strong_wolfe"``.
    Raises:
        ValueError: if the learning rate is negative, or there are several groups.
        RuntimeError: in ``step``, for another line search.
    Source:
        Nocedal and Wright 2006, Numerical Optimization, algorithms 7.4, 7.5, 3.5 and 3.6; as PyTorch.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_lr(lr)
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    @property
    def _params(self) -> list[Tensor]:
        return self.param_groups[0]["params"]

    @torch.no_grad()
    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Take one step of up to ``max_iter`` iterations.

        Args:
            closure: computes the loss and its gradients anew, and returns the loss.
        Returns:
            The loss before the step.
        """
        group = self.param_groups[0]
        lr = float(group["lr"])
        state = self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)

        first_loss = evaluated(closure)
        loss = float(first_loss)
        grad = self._flat_grad()
        evaluations = 1
        state["func_evals"] += 1
        if _largest(grad) <= group["tolerance_grad"]:
            return first_loss

        memory = _Memory(state, group["history_size"])
        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            direction = memory.direction(grad, first=state["n_iter"] == 1)
            previous_loss = loss
            slope = float(grad @ direction)
            start = min(1.0, 1.0 / float(np.abs(grad).sum())) if state["n_iter"] == 1 else 1.0
            memory.t = start * lr
            if slope > -group["tolerance_change"]:
                break

            used = 0
            if group["line_search_fn"] is not None:
                if group["line_search_fn"] != "strong_wolfe":
                    raise RuntimeError("only 'strong_wolfe' is supported")
                origin = _Trial(0.0, loss, grad, slope)
                found, used = self._line_search(closure, origin, memory.t, direction, group["max_eval"] - evaluations)
                loss, grad, memory.t = found.loss, found.grad, found.t
                self._move(found.t, direction)
            else:
                self._move(memory.t, direction)
                if iteration != group["max_iter"]:  # the gradient after the last move is nobody's concern
                    loss = float(evaluated(closure))
                    grad = self._flat_grad()
                    used = 1
            evaluations += used
            state["func_evals"] += used

            if iteration == group["max_iter"] or evaluations >= group["max_eval"]:
                break
            if _largest(grad) <= group["tolerance_grad"]:
                break
            if _largest(direction * memory.t) <= group["tolerance_change"]:
                break
            if abs(loss - previous_loss) < group["tolerance_change"]:
                break
        state.update(memory.state(), prev_loss=previous_loss)
        dispatch.boundary("optimizer.step")
        return first_loss

    def _line_search(
        self, closure: Callable[[], Any], origin: "_Trial", t: float, direction: np.ndarray, max_iterations: int
    ) -> "tuple[_Trial, int]":
        """Look along the direction; the parameters end where they started."""
        before = [p.clone() for p in self._params]

        def attempt(t: float) -> _Trial:
            self._move(t, direction)
            loss = float(evaluated(closure))
            grad = self._flat_grad()
            for p, old in zip(self._params, before, strict=True):
                p.copy_(old)
            return _Trial(t, loss, grad, float(grad @ direction))

        tolerance = self.param_groups[0]["tolerance_change"]
        return _strong_wolfe(attempt, origin, t, _largest(direction), tolerance, max_iterations)

    def _flat_grad(self) -> np.ndarray:
        """All gradients in one vector; complex ones as pairs of reals."""
        parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in self._params]
        return torch.cat([_real(part).reshape(-1) for part in parts]).detach().cpu().numpy().copy()

    def _move(self, t: float, direction: np.ndarray) -> None:
        offset = 0
        for p in self._params:
            target = _real(p)
            size = target.numel()
            part = direction[offset : offset + size].reshape(target.shape)
            target.add_(on_place(part.copy(), target._aval().place), alpha=t)
            offset += size


class _Memory:
    """The last steps and changes of the gradient, and the direction that they tell.

    It is kept and computed on the host: it grows with every iteration, so that each would be another program.

    Attributes:
        t: the length of the present step.
    """

    def __init__(self, state: dict[str, Any], size: int) -> None:
        self.size = size
        self.t = float(state.get("t", 0.0))
        self.changes = [_array(x) for x in state.get("old_dirs", [])]
        self.moves = [_array(x) for x in state.get("old_stps", [])]
        self.inverses = [float(x) for x in state.get("ro", [])]
        self.scale = float(state.get("H_diag", 1))
        self.previous = _array(state["prev_flat_grad"]) if "prev_flat_grad" in state else np.empty(0)
        self.last = _array(state["d"]) if "d" in state else np.empty(0)

    def direction(self, grad: np.ndarray, first: bool) -> np.ndarray:
        """Minus the gradient, times the inverse Hessian as the remembered steps tell it."""
        if first:
            self.changes, self.moves, self.inverses, self.scale = [], [], [], 1.0
            result = -grad
        else:
            self._remember(grad)
            factors = [0.0] * len(self.changes)
            q = -grad
            for i in reversed(range(len(self.changes))):
                factors[i] = float(self.moves[i] @ q) * self.inverses[i]
                q -= factors[i] * self.changes[i]
            result = q * self.scale
            for i in range(len(self.changes)):
                result += self.moves[i] * (factors[i] - float(self.changes[i] @ result) * self.inverses[i])
        self.previous, self.last = grad, result
        return result

    def _remember(self, grad: np.ndarray) -> None:
        change = grad - self.previous
        move = self.last * self.t
        curvature = float(change @ move)
        if curvature <= 1e-10:
            return
        for history, new in ((self.changes, change), (self.moves, move), (self.inverses, 1.0 / curvature)):
            if len(history) == self.size:
                history.pop(0)
            history.append(new)
        self.scale = curvature / float(change @ change)

    def state(self) -> dict[str, Any]:
        """What a state dict keeps, under PyTorch's names."""
        return {
            "d": _tensor(self.last),
            "t": self.t,
            "old_dirs": [_tensor(x) for x in self.changes],
            "old_stps": [_tensor(x) for x in self.moves],
            "ro": list(self.inverses),
            "H_diag": self.scale,
            "prev_flat_grad": _tensor(self.previous),
        }


def _array(x: Tensor) -> np.ndarray:
    return x.detach().cpu().numpy().copy()


def _tensor(x: Any) -> Tensor:
    return on_place(x.copy(), CPU)


def _real(x: Tensor) -> Tensor:
    return torch.view_as_real(x) if x.is_complex() else x


def _largest(x: np.ndarray) -> float:
    return float(np.abs(x).max())


class _Trial(NamedTuple):
    """A step along the direction, and what was found there; ``slope`` is the directional derivative."""

    t: float
    loss: float
    grad: np.ndarray
    slope: float


def _strong_wolfe(
    attempt: Callable[[float], _Trial],
    origin: _Trial,
    t: float,
    direction_norm: float,
    tolerance: float,
    max_iterations: int,
) -> tuple[_Trial, int]:
    """A step with enough decrease (1e-4) and a slope that is small enough (0.9), and how many were tried.

    First steps grow until two of them bracket such a step, then the bracket shrinks.
    """

    def decreases_too_little(trial: _Trial) -> bool:
        return trial.loss > origin.loss + 1e-4 * trial.t * origin.slope

    def is_flat(trial: _Trial) -> bool:
        return abs(trial.slope) <= -0.9 * origin.slope

    previous, trial = origin, attempt(t)
    iterations = 0
    while iterations < max_iterations:
        if decreases_too_little(trial) or (iterations > 1 and trial.loss >= previous.loss):
            break
        if is_flat(trial):
            return trial, iterations + 1
        if trial.slope >= 0:
            break
        bounds = (trial.t + 0.01 * (trial.t - previous.t), trial.t * 10)
        t = _cubic_minimum(previous, trial, bounds)
        previous, trial = trial, attempt(t)
        iterations += 1
    else:
        previous = origin

    bracket = [previous, trial]
    low = 0 if bracket[0].loss <= bracket[1].loss else 1
    stalled = False
    while iterations < max_iterations:
        if abs(bracket[1].t - bracket[0].t) * direction_norm < tolerance:
            break
        left, right = sorted((bracket[0].t, bracket[1].t))
        t = _cubic_minimum(bracket[0], bracket[1], (left, right))
        margin = 0.1 * (right - left)
        if min(right - t, t - left) < margin:
            # Close to an end: once is fine, the second time move inwards.
            if stalled or t >= right or t <= left:
                t = right - margin if abs(t - right) < abs(t - left) else left + margin
                stalled = False
            else:
                stalled = True
        else:
            stalled = False
        trial = attempt(t)
        iterations += 1
        if decreases_too_little(trial) or trial.loss >= bracket[low].loss:
            bracket[1 - low] = trial
            low = 0 if bracket[0].loss <= bracket[1].loss else 1
            continue
        done = is_flat(trial)
        if not done and trial.slope * (bracket[1 - low].t - bracket[low].t) >= 0:
            bracket[1 - low] = bracket[low]
        bracket[low] = trial
        if done:
            break
    return bracket[low], iterations + 1


def _cubic_minimum(a: _Trial, b: _Trial, bounds: tuple[float, float]) -> float:
    """Where the cubic through two losses and slopes is least, within bounds; their middle if nowhere."""
    least, most = bounds
    if a.t > b.t:
        a, b = b, a
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0:
        return (least + most) / 2
    d2 = math.sqrt(square)
    scale = b.slope - a.slope + 2 * d2
    position = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / scale) if scale else math.nan
    return min(max(position, least), most)
