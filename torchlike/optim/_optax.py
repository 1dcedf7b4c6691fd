"""`from_optax`: any optax transformation as a torch-style optimizer."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from torchlike._src.tensor import Tensor, dispatch
from torchlike.optim._rule import Array
from torchlike.optim.optimizer import Optimizer, ParamsT, evaluated

__all__ = ["OptaxOptimizer", "from_optax"]


def from_optax(tx: Any, params: ParamsT | None = None, **defaults: Any) -> Any:
    """Use an optax transformation where PyTorch code expects an optimizer.

    A transformation made by ``optax.inject_hyperparams`` shows its numbers as options of the parameter groups
    (optax's ``learning_rate`` under PyTorch's name, ``lr``), so that schedulers and per-group options work and a
    change does not compile anew. Any other transformation is fixed.

    Args:
        tx: an optax ``GradientTransformation``, with extra arguments or without.
        params: as in any optimizer; named parameters (``model.named_parameters()``) are given to optax as a dict, so
            that masks and labels can name them, others as a list.
        defaults: numbers that differ from those injected; only those that ``tx`` has.
    Returns:
        An `OptaxOptimizer`; without ``params``, a function from parameters to one.
    Raises:
        TypeError: if ``tx`` is not a transformation.
        ValueError: if ``tx`` has no such number.
    Examples:
        >>> optimizer = torch.optim.from_optax(optax.lion(1e-4), model.parameters())
        >>> make = torch.optim.from_optax(optax.inject_hyperparams(optax.adamw)(learning_rate=1e-3))
        >>> optimizer = make(model.parameters())
        >>> scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 30)
    """
    if not (callable(getattr(tx, "init", None)) and callable(getattr(tx, "update", None))):
        raise TypeError(
            f"from_optax expects an optax transformation (with init and update), got {type(tx).__name__}. "
            "Call optax's factory first: from_optax(optax.adam(1e-3), params)."
        )
    if params is None:
        return lambda params, **more: OptaxOptimizer(params, tx, **{**defaults, **more})
    return OptaxOptimizer(params, tx, **defaults)


class _Layout(NamedTuple):
    """How the optax state of one group looks, and of which parameters it is."""

    params: list[Tensor]
    names: tuple[str, ...] | None
    paths: tuple[str, ...]
    treedef: Any


class _Plan(NamedTuple):
    """What the program of one group looks like; hashable."""

    names: tuple[str, ...] | None
    moving: tuple[bool, ...]
    numbers: tuple[str, ...]
    extra: tuple[str, ...]
    treedef: Any


class OptaxOptimizer(Optimizer):
    """A torch-style optimizer around an optax transformation; see `from_optax`.

    Every parameter group has its own optax state, kept in ``state["group 0"]`` and so on: a dict from the path of
    each leaf (``".mu[0]"``) to a tensor. A parameter without a gradient does not move; where the transformation
    looks at all gradients at once, its gradient counts as zero.

    Attributes:
        transform: the optax transformation.
    """

    def __init__(self, params: ParamsT, tx: Any, **defaults: Any) -> None:
        import optax

        self.transform = optax.with_extra_args_support(tx)
        injected = _injected(tx)
        unknown = [name for name in defaults if name not in injected]
        if unknown:
            raise ValueError(
                f"from_optax: this transformation has no number called {unknown[0]!r}; it has "
                f"{sorted(injected) or 'none'}. Make it with optax.inject_hyperparams to have its numbers as options."
            )
        self._layouts: dict[str, _Layout] = {}
        super().__init__(params, {**injected, **defaults})

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._layouts = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "transform": self.transform}

    def step(self, closure: Callable[[], Any] | None = None, **extra: Any) -> Any:  # type: ignore[override]
        """Take one step.

        Args:
            closure: computes the loss and its gradients anew, and returns the loss.
            extra: tensors and numbers for the transformation's ``update`` (``value=loss``, ...).
        Returns:
            What the closure returned; None without one.
        """
        loss = None if closure is None else evaluated(closure)
        for i, group in enumerate(self.param_groups):
            self._step_group(group, f"group {i}", extra)
        dispatch.boundary("optimizer.step")
        return loss

    def _step_group(self, group: dict[str, Any], key: str, extra: dict[str, Any]) -> None:
        params = group["params"]
        moving = tuple(p.grad is not None for p in params)
        if not any(moving):
            return
        layout = self._layouts.get(key)
        if layout is None or not _same(layout.params, params):
            layout = self._layouts[key] = self._layout(group)
        names, treedef = layout.names, layout.treedef
        state = self.state[key]
        if not state:
            start = dispatch.fused(
                lambda arrays, _: jax.tree.leaves(self.transform.init(_tree(arrays, names))),
                ("optax init", self.transform, names),
                params,
                [],
            )
            state.update(zip(layout.paths, start, strict=True))
        leaves = [state[path] for path in layout.paths]

        numbers = {name: group[name] for name in self.defaults if name != "differentiable"}
        values = {name: value for name, value in extra.items() if not isinstance(value, Tensor)}
        tensors = {name: value for name, value in extra.items() if isinstance(value, Tensor)}
        plan = _Plan(names, moving, tuple(numbers), (*values, *tensors), treedef)
        dispatch.update(
            _program(self.transform, plan),
            ("optax", self.transform, plan),
            [*params, *(p.grad for p in params if p.grad is not None), *leaves, *tensors.values()],
            [float(x) for x in (*numbers.values(), *values.values())],
            [p for p, moves in zip(params, moving, strict=True) if moves] + leaves,
        )

    def _layout(self, group: dict[str, Any]) -> "_Layout":
        params = list(group["params"])
        names = tuple(group["param_names"]) if "param_names" in group else None
        template = jax.eval_shape(self.transform.init, _tree([_spec(p) for p in params], names))
        leaves, treedef = jax.tree.flatten_with_path(template)
        return _Layout(params, names, tuple(jax.tree_util.keystr(path) for path, _ in leaves), treedef)


def _program(tx: Any, plan: _Plan) -> Callable[[list[Array], list[Any]], list[Array]]:
    """One step of a group as a pure function; parameters that do not move are read only."""

    def program(arrays: list[Array], numbers: list[Any]) -> list[Array]:
        rest = iter(arrays)
        params = [next(rest) for _ in plan.moving]
        grads = [next(rest) if moves else jnp.zeros_like(p) for p, moves in zip(params, plan.moving, strict=True)]
        state = plan.treedef.unflatten([next(rest) for _ in range(plan.treedef.num_leaves)])
        own, others = numbers[: len(plan.numbers)], [*numbers[len(plan.numbers) :], *rest]
        state = _with_numbers(state, dict(zip(plan.numbers, own, strict=True)))
        extra = dict(zip(plan.extra, others, strict=True))
        updates, new = tx.update(_tree(grads, plan.names), state, _tree(params, plan.names), **extra)
        moved = [
            (p + update).astype(p.dtype)
            for p, update, moves in zip(params, _leaves(updates, plan.names), plan.moving, strict=True)
            if moves
        ]
        dtypes = [leaf.dtype for leaf in jax.tree.leaves(state)]
        # optax may promote where a state met a number; the state keeps its dtypes.
        return moved + [jnp.asarray(x).astype(t) for x, t in zip(jax.tree.leaves(new), dtypes, strict=True)]

    return program


def _tree(leaves: list[Any], names: tuple[str, ...] | None) -> Any:
    return leaves if names is None else dict(zip(names, leaves, strict=True))


def _leaves(tree: Any, names: tuple[str, ...] | None) -> list[Any]:
    return tree if names is None else [tree[name] for name in names]  # JAX sorts dicts, so not `jax.tree.leaves`


def _same(a: list[Tensor], b: list[Tensor]) -> bool:
    return len(a) == len(b) and all(x is y for x, y in zip(a, b, strict=True))


def _spec(p: Tensor) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(tuple(p.shape), p.dtype.np)


def _is_injected(state: Any) -> bool:
    return hasattr(state, "hyperparams") and hasattr(state, "_replace")


def _torch_name(name: str) -> str:
    return "lr" if name == "learning_rate" else name


def _injected(tx: Any) -> dict[str, float]:
    """The numbers of all `optax.inject_hyperparams` in a transformation, under PyTorch's names."""
    numbers: dict[str, float] = {}
    try:
        state = tx.init([jnp.zeros((1,), jnp.float64)])
    except Exception:  # a mask or labels made for the real parameters: they tell nothing about numbers
        return numbers
    for part in jax.tree.leaves(state, is_leaf=_is_injected):
        if _is_injected(part):
            for name in _settable(part):
                numbers.setdefault(_torch_name(name), float(part.hyperparams[name]))
    return numbers


def _settable(part: Any) -> list[str]:
    """The numbers that no optax schedule sets."""
    scheduled = getattr(part, "hyperparams_states", {})
    return [name for name, value in part.hyperparams.items() if name not in scheduled and jnp.size(value) == 1]


def _with_numbers(state: Any, numbers: dict[str, Any]) -> Any:
    """The state with its injected numbers replaced."""
    if not numbers:
        return state

    def replace(part: Any) -> Any:
        if not _is_injected(part):
            return part
        fresh = {
            name: jnp.asarray(numbers[_torch_name(name)]).astype(old.dtype)
            for name, old in part.hyperparams.items()
            if _torch_name(name) in numbers and name in _settable(part)
        }
        return part._replace(hyperparams={**part.hyperparams, **fresh})

    return jax.tree.map(replace, state, is_leaf=_is_injected)
