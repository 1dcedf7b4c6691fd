"""What a gradient depends on: read off the jaxpr of an op's backward.

A second gradient exists where there is a differentiable path from an input, through the gradient, to whoever asks. Torch
knows these paths from its formulas; here they are found in what JAX makes of the pullback.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

#: Primitives without a derivative, though their results are floating point: nothing flows through them. Not so ``sign``:
#: torch differentiates it, to zeros, where it is a part of a formula, as in that of `abs`.
_FLAT = frozenset(("ceil", "floor", "round", "stop_gradient"))


def dependence(function: Callable[..., Any], *groups: Any) -> list[int]:
    """For each result, which of the arrays it depends on in a differentiable way, as a mask.

    Args:
        function: pure.
        groups: its arguments, lists of `jax.ShapeDtypeStruct`; the mask counts through them all.
    """
    jaxpr = jax.make_jaxpr(function)(*groups).jaxpr
    return _flow(jaxpr, [1 << i for i in range(len(jaxpr.invars))])


def without_empty(groups: Any) -> Any:
    """The arguments of a backward with 1 for each size of 0: of empty arrays JAX drops what would depend on them."""

    def filled(a: Any) -> Any:
        dtype = jnp.int64 if a.dtype in (jnp.uint8, jnp.int8, jnp.int16) else a.dtype  # an empty index may be of any dtype
        return jax.ShapeDtypeStruct([n or 1 for n in a.shape], dtype) if 0 in a.shape else a

    return jax.tree_util.tree_map(filled, groups)


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
    if name == "cond":  # the first operand chooses
        ways = [_flow(branch.jaxpr, given[1:]) for branch in eqn.params["branches"]]
        return [functools.reduce(int.__or__, masks) for masks in zip(*ways, strict=True)]
    if name == "scan":
        body, consts, carried = eqn.params["jaxpr"].jaxpr, eqn.params["num_consts"], eqn.params["num_carry"]
        before, carry, after = given[:consts], given[consts : consts + carried], given[consts + carried :]
        while True:  # until one more step brings nothing new
            made = _flow(body, [*before, *carry, *after])
            grown = [a | b for a, b in zip(carry, made[:carried], strict=True)]
            if grown == carry:
                return [*carry, *made[carried:]]
            carry = grown
    inner = eqn.params.get("jaxpr") or eqn.params.get("call_jaxpr") or eqn.params.get("fun_jaxpr")
    inner = getattr(inner, "jaxpr", inner)
    if name == "while" or inner is None or len(inner.invars) != len(given):
        return [functools.reduce(int.__or__, given)] * len(eqn.outvars)
    return _flow(inner, given)
