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


PLACES = {
    "everything": lambda torch: ..., "True": lambda torch: True, "False": lambda torch: False, "new dimensions": lambda torch: (None, ..., None),
    "a row": lambda torch: 0, "rows": lambda torch: [0, 1], "a row twice": lambda torch: [0, 0], "a slice": lambda torch: slice(0, 1),
    "rows in two dimensions": lambda torch: torch.tensor([[0], [1]]), "columns": lambda torch: (slice(None), [0, 1]), "places": lambda torch: ([0], [1]),
    "columns of a row": lambda torch: (0, [0, 2]), "a mask": lambda torch: torch.tensor([[True, False, True], [False, True, False]]),
    "a mask of rows": lambda torch: torch.tensor([True, False]), "a mask of nothing": lambda torch: torch.tensor([False, False]),
}  # fmt: skip
SIZES = [(), (1,), (3,), (2,), (1, 1), (1, 3), (2, 3), (2, 1), (1, 1, 3), (1, 2, 3), (2, 1, 3), (0,), (4,)]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("place", PLACES.values(), ids=list(PLACES))
def test_sizes_that_fit_what_is_assigned_to(place, size) -> None:
    def program(torch):
        x = torch.zeros(2, 3)
        x[place(torch)] = torch.ones(size).cumsum(0) if size else torch.tensor(7.0)
        return x

    same(program)


@pytest.mark.parametrize("place", PLACES.values(), ids=list(PLACES))
def test_a_part_of_a_split_tensor_takes_no_value_with_a_gradient(place) -> None:
    def program(torch):
        part, _ = torch.zeros(4, 3).split(2)
        part[place(torch)] = torch.tensor(7.0, requires_grad=True)

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
