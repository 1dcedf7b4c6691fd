"""Where XLA's fusion should stop.

On a CPU, XLA fuses whatever makes an element into whatever reads it, and computes it once for every reader: a dropout's
mask four times over for a 2×2 pooling behind it. `lax.optimization_barrier` does not help, for it is gone before XLA
fuses. A call that is not inlined does: nothing is fused across its border.
"""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import jax
from jax.experimental.xla_metadata import set_xla_metadata

from torchlike._src.operators.nn_checks import on_cpu
from torchlike._src.operators.registry import Array

P = ParamSpec("P")
T = TypeVar("T")


def apart(function: Callable[P, T]) -> Callable[P, T]:
    """``function``, its arguments computed before it and its results before their readers, each once."""

    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        if not on_cpu():
            return function(*args, **kwargs)
        with set_xla_metadata(inlineable="false"):
            return jax.jit(function)(*args, **kwargs)

    return call


@apart
def computed_once(x: Array) -> Array:
    """``x``, which its readers will not compute anew; costs a copy."""
    return x
