"""What may be assigned to an index: tensors and numbers, and which NumPy numbers count as such."""

import warnings

import numpy as np
import pytest
import torch

from tests import differential
from tests.programs import programs, same

VALUES = [
    [1.0, 2.0, 3.0], (1, 2, 3), np.ones(3), np.array(2.0), "a", b"a", None, True, 3, 2.5, 1j, 2 + 0j, complex("nan"), 1e40, 2**63,
    np.float64(2.5), np.float32(2.5), np.float16(1.5), np.int64(3), np.int8(3), np.uint64(3), np.bool_(True), np.complex128(2),
    np.complex64(1),
]  # fmt: skip
KEYS = {
    "a number": lambda torch: 0,
    "a slice": lambda torch: slice(0, 2),
    "indices": lambda torch: torch.tensor([0, 1]),
    "a mask": lambda torch: torch.tensor([True, False, True]),
    "an index out of range": lambda torch: 3,
}


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "bool", "complex64"])
@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("value", VALUES, ids=lambda v: f"{type(v).__name__} {v!r}")
def test_assigned_values(value, key, dtype):
    def program(torch):
        x = torch.zeros(3, dtype=getattr(torch, dtype))
        x[KEYS[key](torch)] = value
        return x

    same(program)


TRANSPOSED = {
    f"{name} of {n} dimensions": lambda torch, n=n, name=name: getattr(torch.ones((2,) * n), name)
    for name in ("T", "mT", "H", "mH", "adjoint")
    for n in (0, 1, 2, 3)
}


@programs(TRANSPOSED)
def test_transposes(program):
    def called(torch):
        made = program(torch)
        return made() if callable(made) else made

    same(called)


@pytest.mark.parametrize("name", ["T", "mT", "H", "mH"])
def test_transposes_of_numbers_are_deprecated(name):
    said = []
    for lib in (torch, differential.library):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            getattr(lib.ones(()), name)
        said.append([str(w.message).partition(" (Triggered")[0] for w in caught])
    assert said[1] and said[0] in ([], said[1])  # torch says it once a process
