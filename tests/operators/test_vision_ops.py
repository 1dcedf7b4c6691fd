"""Sampling of images against real torch."""

import pytest
import torch

from tests.differential import Case, agree, check, ints, randn, table

G = "nn.functional.grid_sample"
A = "nn.functional.affine_grid"
IMAGE, PLACES = randn(2, 3, 5, 4), randn(2, 6, 7, 2) * 1.2
VOLUME, PLACES3 = randn(1, 2, 3, 4, 5), randn(1, 3, 2, 4, 3) * 1.2

CASES = [
    *(
        Case(G, IMAGE, PLACES, mode=m, padding_mode=p, align_corners=a, tolerance=4)  # coordinates are rounded differently
        for m in ("bilinear", "nearest", "bicubic")
        for p in ("zeros", "border", "reflection")
        for a in (True, False)
    ),
    *(
        Case(G, VOLUME, PLACES3, mode=m, padding_mode=p, align_corners=False, tolerance=4)
        for m in ("bilinear", "nearest")
        for p in ("zeros", "border", "reflection")
    ),
    *(Case(A, randn(2, 2, 3), (2, 3, 4, 5), align_corners=a) for a in (True, False)),
    *(Case(A, randn(1, 3, 4), (1, 3, 4, 5, 2), align_corners=a) for a in (True, False)),
    Case(G, randn(1, 3, 4, 4), randn(2, 2, 2, 2), align_corners=False, raises=RuntimeError, message="equal"),
    Case(G, randn(1, 3, 4, 4), randn(1, 2, 2, 3), align_corners=False, raises=RuntimeError, message="equal"),
    Case(G, randn(1, 3, 4, 4), randn(1, 2, 2, 2), mode="x", raises=ValueError, message="equal"),
    Case(G, randn(1, 3, 4, 4), randn(1, 2, 2, 2), padding_mode="x", raises=ValueError, message="equal"),
    Case(G, randn(1, 3, 4, 4), randn(1, 2, 2, 2).double(), align_corners=False, raises=RuntimeError, message="equal"),
    *(
        Case(G, IMAGE.to(d), PLACES.to(d), mode=m, padding_mode=p, align_corners=True, grad=False)  # rounded step by step
        for d in (torch.float16, torch.bfloat16)
        for m in ("bilinear", "bicubic")
        for p in ("zeros", "border", "reflection")
    ),
    Case(G, VOLUME, PLACES3, mode="bicubic", align_corners=False, raises=RuntimeError, message="equal"),
    Case(G, randn(1, 3, 0, 4), randn(1, 2, 2, 2), align_corners=False, raises=RuntimeError, message="equal"),
    Case(A, randn(1, 3, 3), (1, 3, 4, 4), align_corners=False, raises=ValueError, message="equal"),
    Case(A, ints(1, 2, 3), (1, 3, 4, 4), align_corners=False, raises=ValueError, message="equal"),
    Case(A, randn(1, 2, 3), (1, 3, 4), align_corners=False, raises=NotImplementedError, message="equal"),
    Case(A, randn(1, 2, 3), (1, 3, 0, 4), align_corners=False, raises=ValueError, message="equal"),
]


@table(CASES)
def test_sampling(case):
    check(case)


@pytest.mark.filterwarnings("ignore")
def test_a_spatial_transformer():
    def program(torch, image, theta):
        grid = torch.nn.functional.affine_grid(theta, image.shape)
        return torch.nn.functional.grid_sample(image, grid)

    agree(program, randn(1, 2, 5, 6), randn(1, 2, 3))
