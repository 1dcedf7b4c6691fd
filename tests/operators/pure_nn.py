"""Compare an op's pure function with real torch: values, dtypes, shapes, gradients, and exceptions."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

jax.config.update("jax_enable_x64", True)
torch.set_num_threads(1)

#: (relative, absolute), as `torch.testing.assert_close`, with room for sums in another order.
TOLERANCE = {
    torch.float64: (1e-7, 1e-9), torch.float32: (1e-5, 2e-5), torch.float16: (2e-3, 2e-3), torch.bfloat16: (2e-2, 2e-2)
}  # fmt: skip


def rand(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> torch.Tensor:
    """Normal numbers, the same ones for the same shape and seed."""
    generator = torch.Generator().manual_seed(seed + sum(shape) * 31 + len(shape))
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def to_jax(value: Any) -> Any:
    """Tensors to arrays, through lists and tuples; everything else as it is."""
    if isinstance(value, torch.Tensor):
        if value.dtype == torch.bfloat16:
            return jnp.asarray(value.detach().float().numpy()).astype(jnp.bfloat16)
        return jnp.asarray(value.detach().numpy().copy())
    if isinstance(value, (list, tuple)) and any(isinstance(v, (torch.Tensor, list)) for v in value):
        return type(value)(to_jax(v) for v in value)
    return value


def assert_same(ours: Any, theirs: torch.Tensor, what: str = "result", scale: float = 1.0) -> None:
    """Equal shape and dtype, close values."""
    name = str(theirs.dtype).removeprefix("torch.")
    assert str(ours.dtype) == name, f"{what}: dtype {ours.dtype}, torch has {name}"
    assert tuple(ours.shape) == tuple(theirs.shape), f"{what}: shape {ours.shape}, torch has {tuple(theirs.shape)}"
    wide = theirs.detach().double().numpy() if theirs.is_floating_point() else theirs.detach().numpy()
    rtol, atol = TOLERANCE.get(theirs.dtype, (0, 0))
    mine = np.asarray(ours).astype(wide.dtype)
    np.testing.assert_allclose(mine, wide, rtol=rtol * scale, atol=atol * scale, err_msg=what)


def flat(value: Any) -> list[Any]:
    """Leaves of nested tuples and lists."""
    return [leaf for v in value for leaf in flat(v)] if isinstance(value, (tuple, list)) else [value]


def compare(
    ours: Callable[..., Any],
    theirs: Callable[..., Any],
    *args: Any,
    grad: Sequence[int] | None = None,
    scale: float = 1.0,
    **kwargs: Any,
) -> None:
    """Both on the same arguments, under `jax.jit`; gradients of the floating-point tensor arguments too.

    Args:
        ours: the pure function.
        theirs: torch's.
        args: torch tensors (also in lists) and static values.
        grad: positions of the arguments to differentiate; by default all floating-point tensors (not in lists).
        scale: widens the tolerance.
        kwargs: passed to both.
    """
    if grad is None:
        grad = [i for i, a in enumerate(args) if isinstance(a, torch.Tensor) and a.is_floating_point()]
    leaves = [a.detach().clone().requires_grad_(i in grad) if isinstance(a, torch.Tensor) else a for i, a in enumerate(args)]
    expected = theirs(*leaves, **kwargs)
    traced = [i for i, a in enumerate(args) if any(isinstance(v, torch.Tensor) for v in flat(a))]

    def call(*arrays: Any) -> Any:
        full = list(args)
        for i, a in zip(traced, arrays, strict=True):
            full[i] = a
        return ours(*full, **{k: to_jax(v) for k, v in kwargs.items()})

    arrays = [to_jax(args[i]) for i in traced]
    result = jax.jit(call)(*arrays)
    for i, (mine, true) in enumerate(zip(flat(result), flat(expected), strict=True)):
        assert_same(mine, true, f"result {i}", scale)
    outputs = [e for e in flat(expected) if e.requires_grad]
    if not grad or not outputs:
        return
    cotangents = [rand(*e.shape, dtype=e.dtype, seed=7 + i) for i, e in enumerate(outputs)]
    true_grads = torch.autograd.grad(outputs, [leaves[i] for i in grad], cotangents, allow_unused=True)
    kept = [i for i, e in enumerate(flat(expected)) if e.requires_grad]

    def scalars(*primals: Any) -> Any:
        full = list(arrays)
        for i, p in zip(grad, primals, strict=True):
            full[traced.index(i)] = p
        found = flat(call(*full))
        return [found[i] for i in kept]

    def pulled(primals: Any, cts: Any) -> Any:
        return jax.vjp(scalars, *primals)[1](cts)

    mine = jax.jit(pulled)([arrays[traced.index(i)] for i in grad], [to_jax(c) for c in cotangents])
    for i, m, t in zip(grad, mine, true_grads, strict=True):
        if t is not None:
            assert_same(m, t, f"gradient of argument {i}", 4 * scale)


def same_error(ours: Callable[..., Any], theirs: Callable[..., Any], *args: Any, message: bool = True, **kwargs: Any) -> None:
    """Both raise the same type; and the same first line, unless ``message`` is False."""
    with pytest.raises(Exception) as expected:
        theirs(*args, **kwargs)
    with pytest.raises(Exception) as raised:
        jax.eval_shape(lambda: ours(*[to_jax(a) for a in args], **{k: to_jax(v) for k, v in kwargs.items()}))
    assert raised.type is expected.type, f"{raised.value!r}, torch has {expected.value!r}"
    if message:
        line = str(expected.value).split("\n")[0]
        assert str(raised.value).split("\n")[0] == line
