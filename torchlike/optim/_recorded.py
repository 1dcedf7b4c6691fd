"""The step of the optimizers in this package: all parameters of all groups in one recorded op.

What changes from step to step (the numbers in the groups, the step count) is an input of that op, so a
scheduler never causes a new program; the first step reads states of zeros, so it is not a special one.
"""

import functools
import inspect
import operator
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp
import numpy as np

import torchlike as torch
from torchlike._src.engine import stored
from torchlike._src.tensor import Tensor, dispatch
from torchlike._src.tensor.creation import on_place
from torchlike._src.tensor.refusals import NotStrided
from torchlike.optim._rule import Array, Rule, Single, Zeros, advance, transformation
from torchlike.optim.optimizer import (
    Optimizer,
    ParamsT,
    _get_scalar_dtype,
    _global_optimizer_post_hooks,
    _global_optimizer_pre_hooks,
    evaluated,
)

#: Where PyTorch lets ``capturable=True`` run; a CPU is not among them.
_CAPTURABLE_DEVICES = ["cuda", "xpu", "hpu", "privateuseone", "xla"]


class Cohort(NamedTuple):
    """Parameters of one group that have taken the same number of steps; they share every scalar."""

    flags: frozenset[str]
    size: int
    slots: tuple[str, ...]
    numbers: int


class _SparseGradient(Exception):
    """A gradient is sparse: the step has to be taken parameter by parameter."""


class Work(NamedTuple):
    """What a step reads and writes on one device, as the cohorts have it one after another."""

    inputs: list[Tensor]
    outputs: list[Tensor]
    numbers: list[float]
    cohorts: list[Cohort]
    clocks: list[tuple[int, float, list[Tensor]]]


class Clock(NamedTuple):
    """How many steps the parameters of a group have taken, as long as nobody writes to their ``step``."""

    steps: list[Tensor]
    versions: list[int]
    count: float | None  # None: only the device knows, since a step may have been skipped


#: By steps taken, device and kinds of state: parameters, their gradients, their states (one's after another's), their steps.
Members = dict[tuple[float, Any, tuple[str, ...]], tuple[list[Tensor], list[Tensor], list[Tensor], list[Tensor]]]


class RecordedOptimizer(Optimizer):
    """An optimizer whose step is a `Rule`, recorded as one op.

    A subclass gives the ``rule`` and its constructor; state names, state dicts and `transform` follow.
    """

    rule: ClassVar[Rule]
    #: Whether PyTorch keeps a ``step`` with the state.
    _counts_steps: ClassVar[bool] = True
    #: Options that old checkpoints lack, and what they meant then.
    _upgrades: ClassVar[dict[str, Any]] = {
        "maximize": False,
        "foreach": None,
        "capturable": False,
        "differentiable": False,
    }
    #: One parameter's step from a sparse gradient; None: refused.
    _sparse_step: ClassVar[Any] = None
    _instead_of_sparse: ClassVar[str] = ""
    #: Options that the constructor does not have.
    _fixed: ClassVar[dict[str, Any]] = {}

    def __init__(self, params: ParamsT, defaults: dict[str, Any]) -> None:
        super().__init__(params, defaults)
        self._clocks: dict[int, Clock] = {}
        if defaults.get("fused"):
            self._step_supports_amp_scaling = True  # PyTorch's word to `GradScaler`

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._clocks = {}
        for group in self.param_groups:
            for name, value in self._upgrades.items():
                group.setdefault(name, value)
            for p in group["params"]:
                own = self.state.get(p, {})
                for name in ("step", "mu_product", "eta", "mu"):  # plain numbers in old checkpoints
                    if name in own and not isinstance(own[name], Tensor):
                        own[name] = self._scalar(float(own[name]), p, group)

    @classmethod
    def transform(cls, **options: Any) -> Any:
        """This optimizer as an optax transformation, for use with plain JAX.

        ``params + updates`` is what a step gives; the state is a named tuple of PyTorch's state names.
        ``update(grads, state, params, lr=...)`` takes any option anew, traced or not.

        Args:
            options: the constructor's options.
        Returns:
            An ``optax.GradientTransformationExtraArgs``.
        Raises:
            TypeError: if the constructor has no such option.
        Examples:
            >>> tx = SGD.transform(lr=0.1)
            >>> state = tx.init(params)
            >>> updates, state = tx.update(grads, state, params)
        """
        import optax

        bound = inspect.signature(cls).bind(None, **options)
        bound.apply_defaults()
        chosen = {**bound.arguments, **cls._fixed}
        del chosen["params"]
        return optax.GradientTransformationExtraArgs(*transformation(cls.rule, chosen))

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step: every parameter that has a gradient moves.

        Args:
            closure: computes the loss and its gradients anew, and returns the loss.
        Returns:
            What the closure returned; None without one.
        """
        loss = None if closure is None else evaluated(closure)
        if self.__dict__.get("found_inf") is not None:
            self._record_unless(self.found_inf, self.__dict__.get("grad_scale"))
        else:
            try:
                self._record()
            except (NotStrided, _SparseGradient):
                self._record_with_sparse()
        dispatch.boundary("optimizer.step")
        return loss

    def _can_skip(self) -> bool:
        """Whether `_record_unless` is what calling ``step`` or not calling it would be, seen from outside."""
        own = self.__dict__.get("step")
        if inspect.unwrap(type(self).step) is not RecordedOptimizer.step or not (
            own is None or hasattr(own, "_wrapped_by_lr_sched")
        ):
            return False
        mine = self._optimizer_step_pre_hooks or self._optimizer_step_post_hooks
        if mine or _global_optimizer_pre_hooks or _global_optimizer_post_hooks:
            return False
        for group in self.param_groups:
            stateful = self._counts_steps or bool(self.rule.slots(group, (1,)))
            for p in group["params"]:
                if p._grad is not None and p._grad._layout is not None:
                    return False
                if p._grad is not None and stateful:
                    state = self.state.get(p)
                    if not state or None in state.values():
                        return False
                    if self._counts_steps and state["step"]._aval().place is not p._aval().place:
                        return False
        return True

    def _record_unless(self, found_inf: Tensor, grad_scale: Tensor | None) -> None:
        """As `_record`, but if ``found_inf`` is not 0 everything stays as it is. So the steps taken are counted on the device.

        Args:
            grad_scale: gradients are divided by it, in place.
        """
        rule = self.rule
        scales = [] if grad_scale is None else [grad_scale]
        works: dict[Any, Work] = {}
        for position, group in enumerate(self.param_groups):
            flags = rule.flags(group)
            own = [float(x) for x in rule.numbers(group)]
            members = self._in_step(position, group, counted=False) or self._members(group)
            for (count, place, slots), (params, grads, states, steps) in members.items():
                work = works.get(place)
                if work is None:
                    device = params[0].device
                    works[place] = work = Work([t.to(device) for t in (found_inf, *scales)], [], [], [], [])
                work.inputs.extend((*params, *grads, *states, *steps[:1]))
                work.outputs.extend((*params, *states, *(grads if scales else ()), *steps[:1]))
                work.numbers.extend((count + 1, *own))
                work.cohorts.append(Cohort(flags, len(params), slots, len(own)))
                work.clocks.append((position, count, steps))
        for inputs, outputs, numbers, cohorts, clocks in works.values():
            program = _program(rule, tuple(cohorts), self._counts_steps, bool(scales))
            dispatch.update(program, program, inputs, numbers, outputs, alike=True)
            for position, _, steps in clocks:
                if steps:
                    dispatch.assign(steps[1:], [steps[0]._value()] * (len(steps) - 1))
                    self._clocks[position] = Clock(steps, _versions(steps), None)

    def _record_with_sparse(self) -> None:
        """A step in which some gradients are sparse: these are taken one by one, the others as always."""
        found = [
            (p, p._grad, group)
            for group in self.param_groups
            for p in group["params"]
            if p._grad is not None and p._grad.is_sparse
        ]
        if any(p._layout is not None for group in self.param_groups for p in group["params"]):
            raise NotImplementedError(
                f"{type(self).__name__} does not take sparse parameters: optimize their values, and make the sparse tensor of them in "
                "forward; or optimize .to_dense()"
            )
        if not found or self._sparse_step is None:
            raise RuntimeError(f"{type(self).__name__} does not support sparse gradients{self._instead_of_sparse}")
        with torch.no_grad():
            for p, grad, group in found:
                self._sparse_step(p, -grad if group["maximize"] else grad, group, self.state[p])
        for p, _, _ in found:
            p._grad = None
        try:
            self._record()
        finally:
            for p, grad, _ in found:
                p._grad = grad

    def _record(self) -> None:
        rule = self.rule
        works: dict[Any, Work] = {}
        for position, group in enumerate(self.param_groups):
            flags = rule.flags(group)
            own = [float(x) for x in rule.numbers(group)]
            members = self._in_step(position, group) or self._members(group)
            for (count, place, slots), (params, grads, states, steps) in members.items():
                work = works.get(place)
                if work is None:
                    works[place] = work = Work([], [], [], [], [])
                work.inputs.extend((*params, *grads, *states))
                work.outputs.extend((*params, *states))
                work.numbers.extend((count + 1, *own))
                work.cohorts.append(Cohort(flags, len(params), slots, len(own)))
                work.clocks.append((position, count + 1, steps))
        for inputs, outputs, numbers, cohorts, clocks in works.values():
            program = _program(rule, tuple(cohorts))
            dispatch.update(program, program, inputs, numbers, outputs, alike=True)
            for position, count, steps in clocks:
                self._set_counts(position, steps, count)

    def _in_step(self, position: int, group: dict[str, Any], counted: bool = True) -> Members | None:
        """As `_members`, without looking at each parameter, where all of a group took the same steps, as most do.

        Args:
            counted: their number is asked for.
        """
        rule = self.rule
        if rule.shaped:
            return None
        params = [p for p in group["params"] if p._grad is not None]
        slots = tuple(rule.slots(group, ()))
        states: list[Tensor] = []
        steps: list[Tensor] = []
        count = 0.0
        if self._counts_steps or slots:
            all_states = self.state
            own = [all_states[p] for p in params]
            try:
                states = [state[slot] for state in own for slot in slots]
                steps = [state["step"] for state in own] if self._counts_steps else []
            except KeyError:  # a first step
                return None
            if self._counts_steps:
                clock = self._clocks.get(position)
                if clock is None or len(steps) != len(clock.steps) or not all(map(operator.is_, steps, clock.steps)):
                    return None
                if _versions(steps) != clock.versions:
                    return None
                count = clock.count if clock.count is not None else steps[0].item() if counted and steps else 0.0
            elif any(state is None for state in states):
                return None
            else:
                count = 1.0
        places = {(p._storage.value if p._chain is None else p._cached).aval.place for p in params}  # type: ignore[union-attr]
        if len(places) != 1:
            return None
        return {(count, places.pop(), slots): (params, [p._grad for p in params], states, steps)}  # type: ignore[misc]

    def _members(self, group: dict[str, Any]) -> Members:
        """The parameters that will move."""
        members: Members = {}
        rule = self.rule
        slots = tuple(rule.slots(group, ()))
        stateful = self._counts_steps or bool(slots)
        shaped, counts_steps = rule.shaped, self._counts_steps
        all_states = self.state
        key = params = grads = states = steps = None
        for p in group["params"]:
            grad = p._grad
            if grad is None:
                continue
            if grad._layout is not None:  # before its state is made, which is another
                raise _SparseGradient
            if shaped:
                slots = tuple(rule.slots(group, tuple(p.shape)))
            state = all_states[p] if stateful else {}
            count = self._count(p, group, state, slots) if stateful else 0.0
            place = p._aval().place
            if key is None or count != key[0] or place is not key[1] or slots is not key[2]:
                key = (count, place, slots)
                params, grads, states, steps = members.setdefault(key, ([], [], [], []))
            params.append(p)
            grads.append(grad)
            for slot in slots:
                states.append(state[slot])
            if counts_steps:
                steps.append(state["step"])
        return members

    def _count(self, p: Tensor, group: dict[str, Any], state: dict[str, Any], slots: tuple[str, ...]) -> float:
        """How many steps the parameter has taken; makes its state before the first."""
        if not self._counts_steps:
            if state.get(slots[-1]) is None:
                self._start(p, group, state)
                return 0.0
            return 1.0
        if not state:
            self._start(p, group, state)
        return state["step"].item()

    def _set_counts(self, position: int, steps: list[Tensor], count: float) -> None:
        if not steps:
            return
        kind = steps[0]._aval()
        value = on_place(np.asarray(count, kind.dtype), kind.place)._value()
        dispatch.assign(steps, [value] * len(steps))
        self._clocks[position] = Clock(steps, _versions(steps), count)

    def _start(self, p: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        """Fill a parameter's state with its first values, under PyTorch's names and in its order."""
        self._check_parameter(p, group)
        if self._counts_steps:
            state["step"] = self._scalar(0.0, p, group)
        for name, value in self.rule.slots(group, tuple(p.shape)).items():
            if isinstance(value, Single):  # read by the program, so where the parameter is
                dtype = _get_scalar_dtype(group.get("fused"))
                state[name] = torch.tensor(float(value), dtype=dtype, device=p.device)
            elif isinstance(value, Zeros):
                state[name] = torch.zeros(value.shape, dtype=p.dtype, device=p.device)
            elif value == 0:
                state[name] = torch.zeros_like(p, memory_format=torch.preserve_format, requires_grad=False)
            else:
                fill = complex(value, value) if p.is_complex() else value
                state[name] = torch.full_like(p, fill, memory_format=torch.preserve_format, requires_grad=False)

    def _check_parameter(self, p: Tensor, group: dict[str, Any]) -> None:
        """Refuse what the options or the parameter make impossible; before the first step only."""
        if group.get("differentiable"):
            raise NotImplementedError(
                "differentiable=True is not supported: a step is one recorded program outside of autograd. "
                "Use the optimizer's `transform(...)` and differentiate through it with JAX."
            )
        if group.get("capturable") and p.device.type not in _CAPTURABLE_DEVICES:
            raise AssertionError(
                f"If capturable=True, params and state_steps must be on supported devices: {_CAPTURABLE_DEVICES}."
            )

    def _scalar(self, value: float, p: Tensor, group: dict[str, Any]) -> Tensor:
        fused = group.get("fused")
        on_device = fused or group.get("capturable")
        return torch.tensor(value, dtype=_get_scalar_dtype(fused), device=p.device if on_device else None)


@functools.cache
def _program(
    rule: Rule, cohorts: tuple[Cohort, ...], counts: bool | None = None, scaled: bool = False
) -> Callable[[list[Array], list[Any]], list[Array]]:
    """The step as a pure function: parameters, gradients and states in; new parameters and states out.

    Cached, so that the function itself is the key of what it computes.

    Args:
        rule: what is computed.
        cohorts: for which parameters.
        counts: None, or whether steps are counted, in a step that may be skipped; see `_record_unless`.
        scaled: such a step also divides the gradients.
    """

    may_skip = counts is not None

    def program(arrays: list[Array], numbers: list[Any]) -> list[Array]:
        out: list[Array] = []
        take, take_number = _taker(arrays), _taker(numbers)
        skipped = take(1)[0] != 0 if may_skip else None
        scale = take(1)[0] if scaled else None
        for flags, size, slots, count in cohorts:
            params, grads, flat = take(size), take(size), take(size * len(slots))
            states = [dict(zip(slots, flat[i * len(slots) : (i + 1) * len(slots)], strict=True)) for i in range(size)]
            step = take_number(1)[0]
            taken = take(1) if counts else []
            before = [*params, *flat, *(grads if scaled else ()), *taken]
            if taken:
                step = taken[0].astype(jnp.float64) + 1
            if scale is not None:
                grads = [(g.astype(jnp.promote_types(g.dtype, scale.dtype)) / scale).astype(g.dtype) for g in grads]
            params, states = advance(rule, flags, step, take_number(count), params, grads, states)
            after = [*params, *(state[name] for state in states for name in slots)]
            if may_skip:
                after += [*(grads if scaled else ()), *(t + 1 for t in taken)]
                after = [jnp.where(skipped, old, new) for old, new in zip(before, after, strict=True)]
            out += after
        return out

    def identity() -> Any:
        formula = [stored.name_of(part) for part in (rule.state, rule.coefficients, rule.leaf)]
        return ("step", counts, scaled, *formula, *[stored.plain(tuple(cohort)) for cohort in cohorts])

    program.identity = identity  # type: ignore[attr-defined]
    return program


def _versions(tensors: list[Tensor]) -> list[int]:
    return [(t._own_counter or t._storage).version for t in tensors]


def _taker(values: list[Any]) -> Callable[[int], list[Any]]:
    rest = iter(values)
    return lambda n: [next(rest) for _ in range(n)]


def check_lr(lr: Any) -> None:
    """The learning rate's test, shared by all optimizers."""
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")
    if not lr >= 0.0:
        raise ValueError(f"Invalid learning rate: {lr}")


def check_nonnegative(what: str, value: Any) -> None:
    """Test one other number; ``what`` names it in PyTorch's words."""
    if not value >= 0.0:
        raise ValueError(f"Invalid {what}: {value}")


def check_betas(betas: tuple[Any, Any]) -> None:
    """Both betas are in [0, 1)."""
    for i in (0, 1):
        if not 0.0 <= betas[i] < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {betas[i]}")


def forbid_together(fused: bool | None, foreach: bool | None, differentiable: bool) -> None:
    """``fused`` excludes the two other ways to run a step."""
    if fused and differentiable:
        raise RuntimeError("`fused` does not support `differentiable`")
    if fused and foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
