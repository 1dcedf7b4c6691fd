"""Python numbers as elements of arrays on the host. Which of them a dtype can hold is in `operators.numbers`."""

from typing import Any

import numpy as np

from torchlike._src.tensor.casts import cast_on_host


def element(value: Any, dtype: np.dtype) -> np.ndarray:
    """A Python number as a 0-d array; integers wrap, floats are cut off towards zero."""
    kind = dtype.kind
    with np.errstate(all="ignore"):
        if kind == "b":
            return np.asarray(bool(value))
        if kind in "iu":
            bits = 8 * dtype.itemsize
            return np.asarray(int(value.real) & ((1 << bits) - 1), f"u{dtype.itemsize}").view(dtype)
        if kind == "c":
            return np.asarray(value, np.complex128).astype(dtype)
        return cast_on_host(np.asarray(float(value.real)), dtype)
