"""Finding out whether an op works element by element, which in torch decides how its results lie in memory.

Such ops go through torch's TensorIterator, whose results take the order of dimensions of their inputs. Rather than have
every op say so, what JAX makes of it is read: an op is pointwise if it consists of pointwise primitives and broadcasting.
"""

from collections.abc import Sequence
from typing import Any

import jax

#: The primitives whose every result element depends on the elements at the same place alone.
_PRIMITIVES = frozenset(
    "abs acos acosh add add_any and asin asinh atan atan2 atanh bessel_i0e bessel_i1e cbrt ceil clamp complex conj "
    "convert_element_type copy copy_p cos cosh digamma div eq erf erf_inv erfc exp exp2 expm1 floor ge gt igamma igamma_grad_a "
    "igammac imag integer_pow is_finite lgamma log log1p logistic lt le max min mul ne neg nextafter not or polygamma "
    "population_count pow real reduce_precision regularized_incomplete_beta rem round rsqrt select_n shift_left "
    "shift_right_arithmetic shift_right_logical sign sin sinh sqrt square stop_gradient sub tan tanh xor zeta".split()
)


def is_pointwise(kernel: Any, args: Sequence[Any]) -> bool | None:
    """Whether an op works element by element; None if these arguments do not tell.

    Args:
        kernel: the op.
        args: arrays as `jax.ShapeDtypeStruct`, everything else as it is.
    """
    flat, tree = jax.tree_util.tree_flatten(args, is_leaf=lambda a: a is None)
    where = [i for i, a in enumerate(flat) if isinstance(a, jax.ShapeDtypeStruct)]

    def of_arrays(*arrays: Any) -> Any:
        filled = list(flat)
        for i, a in zip(where, arrays, strict=True):
            filled[i] = a
        return kernel(*jax.tree_util.tree_unflatten(tree, filled))

    jaxpr = jax.make_jaxpr(of_arrays)(*[flat[i] for i in where]).jaxpr
    if not jaxpr.eqns:
        return None  # with these arguments it does nothing
    if all(map(_pointwise_equation, jaxpr.eqns)):
        return True
    reduces = any(p.name == "reduction" for p in kernel.params)  # a loss without it may be
    return None if reduces else False


def _pointwise_equation(eqn: Any) -> bool:
    name = eqn.primitive.name
    if name in _PRIMITIVES:
        return True
    if name == "bitcast_convert_type":
        return eqn.invars[0].aval.shape == eqn.outvars[0].aval.shape
    inner = [j for j in jax.tree_util.tree_leaves(list(eqn.params.values()), is_leaf=_is_jaxpr) if _is_jaxpr(j)]
    if inner:
        return all(_pointwise_equation(e) for j in inner for e in getattr(j, "jaxpr", j).eqns)
    if name in ("broadcast_in_dim", "reshape"):
        old, new = eqn.invars[0].aval.shape, eqn.outvars[0].aval.shape
        if name == "reshape":
            return (1,) * (len(new) - len(old)) + old == new
        return tuple(eqn.params["broadcast_dimensions"]) == tuple(range(len(new) - len(old), len(new)))
    return False


def _is_jaxpr(x: Any) -> bool:
    return hasattr(x, "eqns") or hasattr(x, "jaxpr")
