"""Products of float8 matrices and their scales: `nn.functional.scaled_mm`."""

import enum
from typing import Any

import jax.numpy as jnp

from torchlike._src.operators.nn_checks import scalar_type
from torchlike._src.operators.registry import Array, composite, op, ops


class ScalingType(enum.IntEnum):
    """How many elements share a scale."""

    TensorWise = 0
    RowWise = 1
    BlockWise1x16 = 2
    BlockWise1x32 = 3
    BlockWise1x128 = 4
    BlockWise128x128 = 5


class SwizzleType(enum.IntEnum):
    """How scales lie in memory."""

    NO_SWIZZLE = 0
    SWIZZLE_32_4_4 = 1


@op("_scaled_product", method=False, differentiable=False)
def _scaled_product(a: Array, b: Array, scale_a: Array, scale_b: Array, bias: Array | None, dtype: Any) -> Array:
    product = jnp.matmul(a.astype(jnp.float32), b.astype(jnp.float32), precision="highest") * (scale_a * scale_b)
    if bias is not None:
        product = product + bias.astype(jnp.float32)
    return product.astype(dtype)


def _one(given: Any) -> Any:
    """What torch takes alone or as a list of one."""
    if isinstance(given, (list, tuple)):
        if len(given) != 1:
            raise NotImplementedError(f"scaled_mm with {len(given)} scales a matrix is not supported: multiply them into one")
        return given[0]
    return given


@composite("nn.functional.scaled_mm")
def scaled_mm(
    mat_a: Any, mat_b: Any, scale_a: Any, scale_recipe_a: Any, scale_b: Any, scale_recipe_b: Any, swizzle_a: Any = None,
    swizzle_b: Any = None, bias: Any = None, output_dtype: Any = jnp.bfloat16, contraction_dim: Any = (),
    use_fast_accum: bool = False,
) -> Any:  # fmt: skip
    """``(mat_a * scale_a) @ (mat_b * scale_b) + bias`` of float8 matrices, summed up in float32.

    Args:
        mat_a: shape ``(M, K)``; ``mat_b``: ``(K, N)``.
        scale_a: float32: one number, or with `ScalingType.RowWise` ``(M, 1)``; ``scale_b``: the same, or ``(1, N)``.
        scale_recipe_a, scale_recipe_b: which of these it is.
        swizzle_a, swizzle_b: how the scales lie in memory; `SwizzleType.NO_SWIZZLE` only.
        bias: shape ``(N,)``.
        output_dtype: of the result.
        contraction_dim: not supported; transpose instead.
        use_fast_accum: accepted; sums are exact in any case.
    Returns:
        Shape ``(M, N)``, without a gradient, as in torch on the CPU.
    Raises:
        ValueError: for matrices that are not float8, or scales of another shape or kind.
    """
    a, b, sa, sb = mat_a, mat_b, _one(scale_a), _one(scale_b)
    recipes = (_one(scale_recipe_a), _one(scale_recipe_b))
    if len(contraction_dim):
        raise NotImplementedError("scaled_mm with contraction_dim is not supported: transpose the matrices")
    if any(_one(s) not in (None, SwizzleType.NO_SWIZZLE) for s in (swizzle_a, swizzle_b)):
        raise NotImplementedError("scaled_mm with swizzled scales is not supported: give them as they are, with NO_SWIZZLE")
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        raise RuntimeError(f"scaled_mm: expected matrices (M, K) and (K, N), got shapes {list(a.shape)} and {list(b.shape)}")
    float8 = all("float8" in t.dtype.np.name for t in (a, b)) and all(s.dtype.np.name == "float32" for s in (sa, sb))
    wholes = recipes == (ScalingType.TensorWise,) * 2 and sa.numel() == sb.numel() == 1
    rows = recipes == (ScalingType.RowWise,) * 2 and sa.shape == (a.shape[0], 1) and sb.shape == (1, b.shape[1])
    if not float8 or not (wholes or rows):
        facts = [f"{n}.dtype()={scalar_type(t.dtype.np)}, size {list(t.shape)}" for n, t in
                 (("mat_a", a), ("scale_a", sa), ("mat_b", b), ("scale_b", sb))]  # fmt: skip
        raise ValueError(
            "Invalid scaling configuration.\n- For TensorWise scaling, a and b should be float8, scales should be float and "
            "singletons.\n- For RowWise scaling, a and b should be float8, scales should be float, "
            f"scale_a should be ({a.shape[0]}, 1) and scale_b should be (1, {b.shape[1]}), and both should be contiguous.\n"
            f"Got {', '.join(facts)}"
        )
    if wholes:
        sa, sb = sa.reshape(()), sb.reshape(())
    dtype = getattr(output_dtype, "np", output_dtype)
    return ops["_scaled_product"](a, b, sa, sb, bias, jnp.bfloat16 if dtype is None else dtype)
