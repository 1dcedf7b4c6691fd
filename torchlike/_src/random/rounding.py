"""Rounding as torch's compiled kernels do it."""

import numpy as np

from torchlike._src.random.kinds import BFLOAT16, FLOAT16


def cast(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """To ``dtype``; to a 16-bit float by way of float32, so that ties round twice, as in torch."""
    if dtype in (FLOAT16, BFLOAT16) and values.dtype == np.float64:
        values = values.astype(np.float32)
    return values.astype(dtype, copy=False)


def fused_multiply_add(a: np.ndarray, b: float, c: float) -> np.ndarray:
    """``a * b + c`` in float64 with one rounding (up to ties): the rounding errors of both steps are added back.

    Source:
        Dekker 1971, doi:10.1007/BF01397083 (product); Knuth, TAOCP vol. 2, 4.2.2 (sum).
    """
    split = 134217729.0  # 2**27 + 1
    product = a * b
    a_high = a * split - (a * split - a)
    b_high = b * split - (b * split - b)
    a_low, b_low = a - a_high, b - b_high
    error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    total = product + c
    shift = total - product
    return total + (((product - (total - shift)) + (c - shift)) + error)
