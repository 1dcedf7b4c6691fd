"""NumPy beside tensors: which of the two computes, and what comes out."""

import operator

import numpy as np
import pytest

from tests.programs import programs, same

#: ``!=`` is missing: torch compares a tensor and an array by identity there, and has True; ours compares the elements.
OPERATORS = "add sub mul truediv floordiv mod pow matmul eq lt and_ or_ lshift iadd imul itruediv".split()
TENSORS = {
    "floats": lambda torch: torch.tensor([1.0, 2.0, 3.0]),
    "ints": lambda torch: torch.tensor([1, 2, 3]),
    "with grad": lambda torch: torch.ones(3, requires_grad=True) * 2,
}
OPERANDS = {
    "doubles": np.array([2.0, 4.0, 8.0]),
    "longs": np.array([1, 2, 3]),
    "bools": np.array([True, False, True]),
    "a 0-d array": np.array(3.0),
    "a double": np.float64(2.5),
    "a float": np.float32(2.5),
    "an int": np.int64(3),
}


@pytest.mark.parametrize("operand", OPERANDS)
@pytest.mark.parametrize("tensor", TENSORS)
@pytest.mark.parametrize("name", OPERATORS)
def test_operators(name, tensor, operand):
    function = getattr(operator, name)
    for reflected in (False, True):

        def program(torch, reflected=reflected):
            pair = TENSORS[tensor](torch), OPERANDS[operand].copy()
            return function(*(pair[::-1] if reflected else pair))

        same(program)


FUNCTIONS = {
    "sin": lambda torch: np.sin(torch.ones(3)),
    "add": lambda torch: np.add(torch.ones(3), np.arange(3)),
    "a comparison gives uint8": lambda torch: np.greater(torch.arange(3), 1),
    "of a number": lambda torch: np.sqrt(torch.tensor(4.0)),
    "of a float16": lambda torch: np.exp(torch.ones(2, dtype=torch.float16)),
    "of a bfloat16": lambda torch: np.exp(torch.ones(2, dtype=torch.bfloat16)),
    "with grad": lambda torch: np.exp(torch.ones(2, requires_grad=True)),
    "of a view": lambda torch: np.negative(torch.arange(6.0).reshape(2, 3).t()),
    "two results": lambda torch: np.divmod(torch.arange(3.0), 2.0),
    "reduce": lambda torch: np.add.reduce(torch.arange(3.0)),
    "accumulate": lambda torch: np.maximum.accumulate(torch.tensor([1.0, 3.0, 2.0])),
    "into an array": lambda torch: type(np.add(torch.ones(3), 1, out=np.zeros(3))).__name__,
    "outer": lambda torch: type(np.add.outer(torch.ones(3), np.ones(2))).__name__,
    "isnan": lambda torch: np.isnan(torch.tensor([1.0, float("nan")])),
    "round": lambda torch: np.round(torch.tensor([1.26, 2.0]), 1),
    "concatenate": lambda torch: type(np.concatenate([torch.ones(2), torch.ones(2)])).__name__,
    "wrapping shares memory": lambda torch: (lambda a: (lambda t: (t.add_(1), a.tolist()))(torch.ones(1).__array_wrap__(a)))(np.zeros(2)),
    "wrapping strings": lambda torch: torch.ones(2).__array_wrap__(np.array(["a"])),
    "== with strings": lambda torch: torch.ones(2) == np.array(["a", "b"]),
    "== of sizes that do not fit": lambda torch: torch.ones(3) == np.ones(2),
}  # fmt: skip


@programs(FUNCTIONS)
def test_functions(program):
    same(program)
