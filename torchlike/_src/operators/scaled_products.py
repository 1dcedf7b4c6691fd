"""Products of float8 matrices with scales: `torch._scaled_mm`, computed in float32."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from torchlike._src.operators.promotion import scalar_type
from torchlike._src.operators.registry import composite, ops
from torchlike._src.operators.support import into

_WIDE = "float32"
#: `ScalingType` by number: one scale for all, or one for each row (of ``mat2``: for each column).
_TENSOR, _ROW = 0, 1


def _check(a: Any, b: Any, scale_a: Any, scale_b: Any) -> None:
    for name, m in (("mat1", a), ("mat2", b)):
        if m.ndim != 2:
            raise RuntimeError(f"{name} must be a matrix")
    if a.shape[1] != b.shape[0]:
        raise RuntimeError(
            f"mat_a and mat_b shapes cannot be multiplied ({a.shape[0]}x{a.shape[1]} and {b.shape[0]}x{b.shape[1]})"
        )
    eight = all(m.dtype.name.startswith("float8") for m in (a, b))
    single = all(s.dtype.name == _WIDE and s.numel() == 1 for s in (scale_a, scale_b))
    rows = (tuple(scale_a.shape), tuple(scale_b.shape)) == ((a.shape[0], 1), (1, b.shape[1]))
    if not eight or not (single or (rows and scale_a.dtype.name == scale_b.dtype.name == _WIDE)):
        kinds = [f"{scalar_type(np.dtype(t._aval().dtype))}{list(t.shape)}" for t in (a, b, scale_a, scale_b)]
        raise ValueError(
            "Invalid scaling configuration. Expected float8 matrices, and float scales: one for each matrix, or of sizes "
            f"({a.shape[0]}, 1) and (1, {b.shape[1]}); got mat_a {kinds[0]}, mat_b {kinds[1]}, scale_a {kinds[2]}, scale_b {kinds[3]}"
        )


@composite("_scaled_mm", method=False)
def scaled_mm(
    input: Any, mat2: Any, scale_a: Any, scale_b: Any, bias: Any = None, scale_result: Any = None, out_dtype: Any = None,
    use_fast_accum: bool = False, *, out: Any = None,
) -> Any:  # fmt: skip
    """``(input * scale_a) @ (mat2 * scale_b) + bias`` of float8 matrices ``(N, K)`` and ``(K, M)``.

    Args:
        scale_a: one number, or one for each row: ``(N, 1)``; ``scale_b``: one, or one for each column: ``(1, M)``.
        scale_result: without effect on results of more than 8 bits, as in torch.
        out_dtype: by default that of ``input``.
        use_fast_accum: without effect.
    Raises:
        NotImplementedError: for ``scale_result`` and a float8 result.
        ValueError: for other dtypes or scales of other sizes, and for an ``out`` of another dtype than the result.
    """
    _check(input, mat2, scale_a, scale_b)
    wanted = input.dtype if out_dtype is None else out_dtype
    if out is not None and out.dtype is not wanted:
        raise ValueError(f"out_dtype must match output matrix type: {wanted} is asked for, out is {out.dtype}")
    if scale_result is not None and wanted.name.startswith("float8"):
        raise NotImplementedError("_scaled_mm: scale_result with a float8 result; ask for float32, scale it and cast it")
    if scale_a.numel() == 1 and scale_b.numel() == 1:
        scale_a, scale_b = scale_a.reshape(()), scale_b.reshape(())
    product = ops.mm(input.float(), mat2.float()) * scale_a * scale_b
    return into(out, (product if bias is None else product + bias.float()).to(wanted))


@composite("_scaled_mm_v2", method=False)
def scaled_mm_v2(
    input: Any, mat2: Any, scale_a: Sequence[Any], recipe_a: Sequence[Any], swizzle_a: Sequence[Any], scale_b: Sequence[Any],
    recipe_b: Sequence[Any], swizzle_b: Sequence[Any], bias: Any, out_dtype: Any, contraction_dim: Sequence[int] = (),
    use_fast_accum: bool = False, *, out: Any = None,
) -> Any:  # fmt: skip
    """`scaled_mm` with the kinds of scales (``recipe``: 0 for one, 1 for one each row) and their order in memory.

    Raises:
        NotImplementedError: for blocks, other orders in memory, and other dimensions to contract.
    """
    recipes = [int(r) for r in (*recipe_a, *recipe_b)]
    if recipes not in ([_TENSOR] * 2, [_ROW] * 2) or any(int(s) for s in (*swizzle_a, *swizzle_b)) or len(contraction_dim):
        raise NotImplementedError(
            f"_scaled_mm_v2 takes one scale for each matrix, or one for each row, not swizzled; got recipes {recipes}, "
            f"contraction_dim={list(contraction_dim)}. Multiply by the scales yourself, in float32"
        )
    return scaled_mm(input, mat2, scale_a[0], scale_b[0], bias, None, out_dtype, use_fast_accum, out=out)
