"""Sliding blocks and shuffles against real torch."""

from tests.differential import Case, check, ints, randn, table

F = "nn.functional."
CASES = [
    Case(F + "unfold", randn(2, 3, 5, 6), 2),
    Case(F + "unfold", randn(2, 3, 7, 6), (3, 2), dilation=(2, 1), padding=(1, 0), stride=(2, 3)),
    Case(F + "unfold", randn(3, 5, 6), 3, padding=1),
    Case(F + "fold", randn(2, 12, 9), (4, 4), 2),
    Case(F + "fold", randn(12, 9), 4, 2),
    Case(F + "fold", randn(1, 18, 12), (7, 6), (3, 2), dilation=(2, 1), padding=(2, 0), stride=(2, 2)),
    Case(F + "pixel_shuffle", randn(2, 12, 3, 4), 2),
    Case(F + "pixel_unshuffle", randn(2, 3, 4, 6), 2),
    Case(F + "channel_shuffle", randn(2, 6, 3, 2), 3),
    Case("channel_shuffle", ints(2, 6, 3), 2),
    Case(F + "unfold", randn(1, 3, 2, 2), 3, raises=RuntimeError, message="equal"),
    Case(F + "unfold", randn(2, 3), 2, raises=IndexError, message="equal"),
    Case(F + "unfold", ints(1, 3, 4, 4), 2, raises=NotImplementedError, message="equal"),
    Case(F + "unfold", randn(1, 3, 4, 4), 0, raises=RuntimeError, message="equal"),
    Case(F + "unfold", randn(1, 3, 4, 4), (2, 2, 2), raises=RuntimeError, message="equal"),
    Case(F + "unfold", randn(1, 3, 4, 4), 2, stride=0, raises=RuntimeError, message="equal"),
    Case(F + "unfold", randn(1, 3, 4, 4), 2, padding=-1, raises=RuntimeError, message="equal"),
    Case(F + "fold", randn(1, 11, 9), (4, 4), 2, raises=RuntimeError, message="equal"),
    Case(F + "fold", randn(1, 12, 8), (4, 4), 2, raises=RuntimeError, message="equal"),
    Case(F + "fold", randn(9), (4, 4), 2, raises=RuntimeError, message="equal"),
    Case(F + "pixel_shuffle", randn(1, 3, 4, 4), 2, raises=RuntimeError, message="equal"),
    Case(F + "pixel_shuffle", randn(4, 4), 2, raises=RuntimeError, message="equal"),
    Case(F + "pixel_unshuffle", randn(1, 3, 5, 4), 2, raises=RuntimeError, message="equal"),
    Case(F + "pixel_unshuffle", randn(1, 4, 4, 4), -1, raises=RuntimeError, message="equal"),
    Case(F + "channel_shuffle", randn(1, 3, 4, 4), 2, raises=RuntimeError, message="equal"),
    Case(F + "channel_shuffle", randn(3, 4), 1, raises=RuntimeError, message="equal"),
]


@table(CASES)
def test_folding(case):
    check(case)
