"""Padding against real torch."""

from tests.differential import Case, check, ints, randn, table

MODES = ["constant", "reflect", "replicate", "circular"]

CASES = [
    *(Case("nn.functional.pad", randn(2, 3, 5), (2, 1), mode=m) for m in MODES),
    *(Case("nn.functional.pad", randn(2, 3, 5, 4), (2, 1, 0, 3), mode=m) for m in MODES),
    *(Case("nn.functional.pad", randn(1, 2, 4, 3, 5), (1, 2, 0, 1, 2, 1), mode=m) for m in MODES),
    *(Case("nn.functional.pad", randn(2, 3, 5), (-1, 2), mode=m) for m in MODES),
    *(Case("nn.functional.pad", ints(1, 3, 4), (1, 2), mode=m) for m in MODES),
    Case("nn.functional.pad", randn(2, 3), (1, 2, 0, 1), value=2.5),
    Case("nn.functional.pad", randn(3), (1, -2), value=-1),
    Case("nn.functional.pad", randn(2, 3), ()),
    Case("nn.functional.pad", randn(2, 3), (1,), raises=RuntimeError, message="equal"),
    Case("nn.functional.pad", randn(2, 3), (1, 1, 1, 1, 1, 1), raises=RuntimeError, message="equal"),
    Case("nn.functional.pad", randn(1, 3, 4, 4), (5, 5, 1, 1), mode="reflect", raises=RuntimeError, message="equal"),
    Case("nn.functional.pad", randn(1, 3, 4, 4), (1, 1, 4, 1), mode="reflect", raises=RuntimeError, message="equal"),
    Case("nn.functional.pad", randn(1, 3, 4), (5, 0), mode="circular", raises=RuntimeError, message="equal"),
    Case("nn.functional.pad", randn(4), (1, 1), mode="reflect", raises=NotImplementedError, message="equal"),
    Case("nn.functional.pad", randn(1, 3, 4, 4), (1, 1), mode="reflect", raises=NotImplementedError, message="equal"),
    Case("nn.functional.pad", randn(3, 4), (1, 1), mode="foo", raises=NotImplementedError, message="equal"),
    Case("nn.functional.pad", randn(1, 3, 4), (1, 1), mode="reflect", value=1.0, raises=RuntimeError, message="equal"),
    Case("nn.functional.pad", randn(1, 3, 4), (-5, 1), mode="replicate", raises=RuntimeError, message="equal"),
    Case("nn.functional.pad", randn(3, 4), (-5, 0), raises=RuntimeError, message="equal"),
]


@table(CASES)
def test_padding(case):
    check(case)
