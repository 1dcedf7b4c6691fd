"""What a gradient depends on: read off the jaxpr of an op's backward.

A second gradient exists where there is a differentiable path from an input, through the gradient, to whoever asks. Torch
knows these paths from its formulas; here they are found in what JAX makes of the pullback.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

#: Primitives without a derivative, though their results are floating point: nothing flows through them.
_FLAT = frozenset(("ceil", "floor", "round", "sign", "stop_gradient", "population_count", "clz"))


def dependence(backward: Callable[..., Any], *groups: Any) -> int:
    """Which of the first group's arrays the results depend on in a differentiable way, as a mask.

    Args:
        backward: pure.
        groups: its arguments, `jax.ShapeDtypeStruct` for arrays.
    """
    jaxpr = jax.make_jaxpr(backward)(*groups).jaxpr
    sources: dict[Any, int] = {v: 1 << i for i, v in enumerate(jaxpr.invars[: len(groups[0])])}
    found = 0
    for mask in _flow(jaxpr, [sources.get(v, 0) for v in jaxpr.invars]):
        found |= mask
    return found


def _flow(jaxpr: Any, inputs: Sequence[int]) -> list[int]:
    """For each result of a jaxpr, the mask of what flows into it, given that of each input."""
    reach: dict[Any, int] = dict(zip(jaxpr.invars, inputs, strict=True))

    def mask_of(atom: Any) -> int:
        return 0 if hasattr(atom, "val") else reach.get(atom, 0)

    for eqn in jaxpr.eqns:
        given = [mask_of(v) for v in eqn.invars]
        made = _through(eqn, given)
        for v, mask in zip(eqn.outvars, made, strict=True):
            reach[v] = mask if jnp.issubdtype(v.aval.dtype, jnp.inexact) else 0
    return [mask_of(v) for v in jaxpr.outvars]


def _through(eqn: Any, given: list[int]) -> list[int]:
    name = eqn.primitive.name
    if name in _FLAT or not any(given):
        return [0] * len(eqn.outvars)
    inner = eqn.params.get("jaxpr") or eqn.params.get("call_jaxpr") or eqn.params.get("fun_jaxpr")
    inner = getattr(inner, "jaxpr", inner)
    if name in ("scan", "while", "cond") or inner is None or len(inner.invars) != len(given):
        everything = 0
        for mask in given:
            everything |= mask
        return [everything] * len(eqn.outvars)
    return _flow(inner, given)
