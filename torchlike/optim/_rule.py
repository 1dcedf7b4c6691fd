"""What an optimizer computes, apart from Tensors, state dicts and options: a `Rule`.

A rule gives one optax transformation (`transformation`) and, over lists of arrays, one step of a
`torch.optim` class (`advance`). Both run the same formula, in PyTorch's order of operations. No optax here:
its tuple type is only needed by whoever asks for it, and importing it takes time.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

Array = jax.Array
#: A Python number while it is fixed, a traced scalar once it is an input of the program.
Scalar = Any
Options = Mapping[str, Any]


class Single(float):
    """The initial value of a state that is one number a parameter, whatever the parameter's shape."""


class Zeros(NamedTuple):
    """The initial value of a state that has a shape of its own."""

    shape: tuple[int, ...]


class Rule(NamedTuple):
    """An optimizer's mathematics.

    Attributes:
        state: the state as optax sees it: a named tuple of ``step`` and of PyTorch's state names.
        slots: from the options and the parameter's shape, the states that the parameter has and what each is filled
            with at first: a number, a `Single` or `Zeros`.
        numbers: from the options, the hyperparameters that are inputs of the program.
        flags: from the options, the names of the switches that are on; they select the program.
        coefficients: from the step's number (1, 2, ...) and the `numbers`, in double precision, every
            scalar that the formula needs.
        leaf: the formula: from a parameter, its gradient and its states, the new parameter and states.
    """

    state: type
    slots: Callable[[Options, tuple[int, ...]], dict[str, Any]]
    numbers: Callable[[Options], tuple[Scalar, ...]]
    flags: Callable[[Options], frozenset[str]]
    coefficients: Callable[..., dict[str, Scalar]]
    leaf: Callable[[Array, Array, SimpleNamespace, SimpleNamespace, frozenset[str]], tuple[Array, dict[str, Array]]]
    #: Whether the slots depend on the shape.
    shaped: bool = False


def switches(**conditions: Any) -> frozenset[str]:
    """The names of the conditions that hold. A number holds unless it is a Python zero: PyTorch tests so too."""
    return frozenset(name for name, value in conditions.items() if not (isinstance(value, (bool, int, float)) and value == 0))


def lerp(start: Array, end: Array, weight: Array) -> Array:
    """``start + weight * (end - start)``, from the nearer end, so that a weight of 1 gives exactly ``end``."""
    near = weight < 0.5
    return jnp.where(near, start, end) + jnp.where(near, weight, weight - 1) * (end - start)


def advance(
    rule: Rule,
    flags: frozenset[str],
    step: Scalar,
    numbers: Sequence[Scalar],
    params: Sequence[Array],
    grads: Sequence[Array],
    states: Sequence[dict[str, Array]],
) -> tuple[list[Array], list[dict[str, Array]]]:
    """One step over a list of parameters that have taken the same number of steps."""
    exact = {name: jnp.asarray(value, jnp.float64) for name, value in rule.coefficients(step, *numbers).items()}
    results = [_leaf(rule, flags, exact, *leaf) for leaf in zip(params, grads, states, strict=True)]
    return [param for param, _ in results], [state for _, state in results]


@partial(jax.jit, static_argnums=(0, 1))  # parameters of one shape are traced once
def _leaf(
    rule: Rule, flags: frozenset[str], exact: dict[str, Array], param: Array, grad: Array, state: dict[str, Array]
) -> tuple[Array, dict[str, Array]]:
    """Apply the formula to one parameter: 16-bit numbers in float32, complex ones as pairs of reals."""
    dtype = param.dtype
    widen = _widened(dtype)
    real = jnp.finfo(widen(param).dtype).dtype
    coefficients = SimpleNamespace(**{name: value.astype(real) for name, value in exact.items()})
    grad = widen(grad)
    result, states = rule.leaf(
        widen(param),
        -grad if "maximize" in flags else grad,
        SimpleNamespace(**{name: widen(value) if value.dtype == dtype else value for name, value in state.items()}),
        coefficients,
        flags,
    )
    narrow = partial(_narrowed, dtype=dtype)
    return narrow(result), {
        name: narrow(states[name]) if value.dtype == dtype else states[name].astype(value.dtype) for name, value in state.items()
    }


def _widened(dtype: Any) -> Callable[[Array], Array]:
    if jnp.issubdtype(dtype, jnp.complexfloating):
        return lambda x: jnp.stack([x.real, x.imag], axis=-1)  # (*, 2)
    if jnp.finfo(dtype).bits < 32:
        return lambda x: x.astype(jnp.float32)
    return lambda x: x


def _narrowed(x: Array, dtype: Any) -> Array:
    if jnp.issubdtype(dtype, jnp.complexfloating):
        return jax.lax.complex(x[..., 0], x[..., 1])
    return x.astype(dtype)


class Transformation(NamedTuple):
    """A pair of pure functions: optax's ``GradientTransformationExtraArgs`` to the letter, short of its type."""

    init: Callable[[Any], Any]
    update: Callable[..., tuple[Any, Any]]


def transformation(rule: Rule, options: Options) -> Transformation:
    """The rule as an optax transformation.

    ``update`` needs ``params``, and takes any option as an extra argument (``update(grads, state, params,
    lr=schedule(i))``); numbers may be traced. Adding its updates gives what the `torch.optim` class gives.
    """

    names = [name for name in rule.state._fields if name != "step"]

    def init(params: Any) -> Any:
        def start(name: str, param: Array) -> Array:
            slots = rule.slots(options, param.shape)
            return initial(slots[name], param) if name in slots else _absent()

        kept = names if rule.shaped else [name for name in names if name in rule.slots(options, ())]
        trees = {name: jax.tree.map(partial(start, name), params) for name in kept}
        return rule.state(step=jnp.zeros((), jnp.float32), **trees)

    def update(grads: Any, state: Any, params: Any = None, **extra: Any) -> tuple[Any, Any]:
        if params is None:
            raise ValueError("This transformation follows torch.optim, which needs the parameters: pass `params`.")
        chosen = {**options, **extra}
        leaves, tree = jax.tree.flatten(params)
        kept = [name for name in names if getattr(state, name) is not None]
        slots = {name: tree.flatten_up_to(getattr(state, name)) for name in kept}
        states = [{name: slots[name][i] for name in rule.slots(options, leaf.shape)} for i, leaf in enumerate(leaves)]
        step = state.step + 1
        new, states = advance(
            rule,
            rule.flags(chosen),
            step.astype(jnp.float64),
            rule.numbers(chosen),
            leaves,
            tree.flatten_up_to(grads),
            states,
        )
        updates = tree.unflatten([after - before for after, before in zip(new, leaves, strict=True)])
        trees = {name: tree.unflatten([own.get(name, _absent()) for own in states]) for name in kept}
        return updates, state._replace(step=step, **trees)

    return Transformation(init, update)


def _absent() -> Array:
    """In place of a state that other parameters have."""
    return jnp.zeros((0,))


def initial(value: Any, param: Array) -> Array:
    """A state at its first value."""
    if isinstance(value, Zeros):
        return jnp.zeros(value.shape, param.dtype)
    if isinstance(value, Single):
        return jnp.full((), value, jnp.float32)
    if jnp.issubdtype(param.dtype, jnp.complexfloating):
        return jnp.full_like(param, complex(value, value))
    return jnp.full_like(param, value)
