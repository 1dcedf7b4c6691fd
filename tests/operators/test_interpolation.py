"""Resizing against real torch."""

import pytest
import torch

from tests.differential import Case, check, ints, randn, table

N = "nn.functional.interpolate"
ONE, TWO, THREE = randn(2, 3, 5), randn(1, 2, 5, 4), randn(1, 2, 3, 4, 5)

CASES = [
    *(Case(N, x, size=s, mode=m) for x, s in ((ONE, 7), (TWO, (7, 3)), (THREE, 4)) for m in ("nearest", "nearest-exact", "area")),
    *(Case(N, x, scale_factor=1.7, mode="nearest") for x in (ONE, TWO, THREE)),
    *(
        Case(N, x, size=s, mode=m, align_corners=a)
        for x, s, m in ((ONE, 7, "linear"), (TWO, (7, 3), "bilinear"), (TWO, (9, 2), "bicubic"), (THREE, (4, 2, 7), "trilinear"))
        for a in (True, False)
    ),
    *(
        Case(N, TWO, scale_factor=(1.7, 0.6), mode=m, recompute_scale_factor=r)
        for m in ("bilinear", "bicubic")
        for r in (True, False)
    ),
    *(Case(N, randn(1, 2, 9, 8), size=s, mode=m, antialias=True) for s in ((4, 3), (12, 10)) for m in ("bilinear", "bicubic")),
    Case(N, TWO, size=(1, 1), mode="bilinear", align_corners=True),
    Case(N, TWO.double(), size=(7, 3), mode="bilinear"),
    Case(N, ints(1, 2, 4, 4, dtype=torch.uint8), size=7),
    *(
        Case(N, ints(1, 3, 9, 8, low=0, high=256, dtype=torch.uint8), size=s, mode=m, align_corners=c, antialias=a)
        for s in ((4, 3), (12, 10))
        for m in ("bilinear", "bicubic")
        for c in (True, False)
        for a in (True, False)
    ),
    Case(N, torch.zeros(0, 3, 4, 4), size=2),
    Case(N, TWO, raises=ValueError, message="equal"),
    Case(N, TWO, size=2, scale_factor=2, raises=ValueError, message="equal"),
    Case(N, TWO, size=(2, 2, 2), raises=ValueError, message="equal"),
    Case(N, TWO, scale_factor=(2, 2, 2), raises=ValueError, message="equal"),
    Case(N, randn(3, 4), size=2, raises=NotImplementedError, message="equal"),
    Case(N, ONE, size=2, mode="bilinear", raises=NotImplementedError, message="equal"),
    Case(N, TWO, size=2, mode="linear", raises=NotImplementedError, message="equal"),
    Case(N, TWO, size=2, align_corners=True, raises=ValueError, message="equal"),
    Case(N, TWO, size=2, mode="foo", raises=NotImplementedError, message="equal"),
    Case(N, TWO, size=0, raises=RuntimeError, message="equal"),
    Case(N, ONE, size=2, mode="linear", antialias=True, raises=ValueError, message="equal"),
    Case(N, TWO, size=2, recompute_scale_factor=True, raises=ValueError, message="equal"),
    Case(N, randn(1, 0, 4, 4), size=2, raises=RuntimeError, message="equal"),
]


@table(CASES)
def test_interpolation(case):
    check(case)


@pytest.mark.filterwarnings("ignore")
@table([Case("nn.functional.upsample", TWO, 7), Case("nn.functional.upsample_bilinear", TWO, scale_factor=2), Case("nn.functional.upsample_nearest", TWO, 3)])  # fmt: skip
def test_old_names(case):
    check(case)
