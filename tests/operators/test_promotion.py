"""Promotion against torch.result_type, exhaustively over pairs of operand kinds."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest
import torch

from torchlike._src.operators import promotion

NAMES = sorted(promotion._SCALAR_TYPES)
NUMBERS = (True, 3, 2.5, 1 + 2j)


def np_dtype(name: str) -> np.dtype:
    return promotion._dtype(name)


def operands() -> list:
    tensors = [(n, d) for n in NAMES for d in (0, 1)]
    return tensors + list(NUMBERS)


def oracle(a, b, default):
    made = [torch.zeros((2,) * x[1], dtype=getattr(torch, x[0])) if isinstance(x, tuple) else x for x in (a, b)]
    previous = torch.get_default_dtype()
    torch.set_default_dtype(default)
    try:
        return str(torch.result_type(*made))[6:]
    except RuntimeError as error:
        return str(error)
    finally:
        torch.set_default_dtype(previous)


def ours(a, b, default):
    kinds = [(np_dtype(x[0]), x[1]) if isinstance(x, tuple) else type(x) for x in (a, b)]
    try:
        return promotion.result_type(kinds, default).name
    except RuntimeError as error:
        return str(error)


@pytest.mark.parametrize("default", ["float32", "float64", "bfloat16", "float16"])
def test_result_type_agrees_for_every_pair(default: str) -> None:
    for a, b in itertools.product(operands(), repeat=2):
        expected = oracle(a, b, getattr(torch, default))
        if expected == "complex32":  # JAX has no complex32; ours is the next one up
            expected = "complex64"
        assert ours(a, b, np_dtype(default)) == expected, (a, b)


def test_promote_types_agrees_for_every_pair_with_its_errors() -> None:
    for a, b in itertools.product(NAMES, repeat=2):
        try:
            expected = str(torch.promote_types(getattr(torch, a), getattr(torch, b)))[6:]
        except RuntimeError as error:
            with pytest.raises(RuntimeError) as caught:
                promotion.promote_types(np_dtype(a), np_dtype(b))
            assert str(caught.value) == str(error)
        else:
            assert promotion.promote_types(np_dtype(a), np_dtype(b)).name == expected, (a, b)


def test_can_cast_agrees_for_every_pair() -> None:
    for a, b in itertools.product(NAMES, repeat=2):
        expected = torch.can_cast(getattr(torch, a), getattr(torch, b))
        assert promotion.can_cast(np_dtype(a), np_dtype(b)) == expected, (a, b)


def test_promote_casts_arrays_and_leaves_numbers() -> None:
    a, b, n, none = promotion.promote([jnp.ones(2, jnp.int32), jnp.ones((), jnp.float32), 2.5, None], "common")
    assert a.dtype == b.dtype == np.float32
    assert n == 2.5 and none is None
    (c,) = promotion.promote([np.ones(2, bool)], "float")
    assert c.dtype == np.float32
