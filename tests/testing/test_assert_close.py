"""`testing.assert_close` and `make_tensor` say and do what torch's do."""

from typing import Any

import numpy as np
import pytest
import torch

from tests.differential import agree, library
from torchlike.testing.conformance.bridge import Bridge

t = torch.tensor
NAN, INF = float("nan"), float("inf")

PAIRS = [
    (t([1.0, 2, 3]), t([1.0, 2.5, 3])),
    (t([1.0, 2, 3]), t([1.0, 2.0000001, 3])),
    (t([1, 2, 3]), t([1, 2, 4])),
    (t([[1.0, 2], [5, 4]]), t([[1.0, 2], [3, 4]])),
    (1.0, 1.1),
    (1.0, 1.0 + 1e-9),
    (1, 2),
    (1.0, 2),
    (1.0, NAN),
    (INF, 1.0),
    (1.0, INF),
    (True, False),
    (None, None),
    (None, 1),
    (t(1.0), t(2.0)),
    (t(1), t(2)),
    ([t(1.0), t(2.0)], [t(1.0), t(3.0)]),
    ((1, t(1.0)), [1, t(2.0)]),
    ([t(1.0)], [t(1.0), t(2.0)]),
    ({"a": t(1.0)}, {"a": t(2.0)}),
    ({"a": [t(1.0)]}, {"a": [t(2.0)]}),
    ({"a": t(1.0)}, {"b": t(1.0)}),
    (t([1.0]), t([1.0], dtype=torch.float64)),
    (t([1.0]), t([1.0, 2.0])),
    (t([]), t([1.0])),
    (t([1.0]), [1.0]),
    (t([1.0]), 1.0),
    ("a", "a"),
    (t([NAN, 1]), t([NAN, 1])),
    (t([INF]), t([1.0])),
    (t([INF]), t([INF])),
    (t([1.0, 2]), t([0.0, 2])),
    (t([True, False]), t([True, True])),
    (t([1], dtype=torch.uint8), t([255], dtype=torch.uint8)),
    (t([1 + 1j]), t([1 + 2j])),
    (t([1.0, 2], dtype=torch.float16), t([1.0, 2.1], dtype=torch.float16)),
    (np.array([1.0]), np.array([2.0])),
    (np.array([1.0]), np.array([1.0])),
]
OPTIONS: list[dict[str, Any]] = [
    {}, {"rtol": 0.0, "atol": 0.0}, {"rtol": 0.3, "atol": 0.5}, {"equal_nan": True}, {"check_dtype": False},
    {"rtol": 0.1}, {"atol": 0.1}, {"msg": "hello"}, {"msg": lambda usual: f"before {usual}"},
]  # fmt: skip


def outcome(lib: Any, pair: Any, options: dict[str, Any]) -> tuple[type, str] | None:
    try:
        lib.testing.assert_close(*(Bridge(lib).over(v) for v in pair), **options)
    except Exception as error:
        return type(error), str(error).replace("torchlike._src.tensor.core", "torch").replace("torchlike", "torch")
    return None


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: " ".join(o) or "defaults")
@pytest.mark.parametrize("pair", PAIRS, ids=lambda p: " ".join(map(repr, p)).replace("\n", ""))
def test_outcome_and_message_are_torch_s(pair: Any, options: dict[str, Any]) -> None:
    assert outcome(library, pair, options) == outcome(torch, pair, options)


def test_strides_are_compared_on_request() -> None:
    a = torch.zeros(2, 3)
    agree(lambda torch, a, b: torch.testing.assert_close(a, b), a, torch.zeros(3, 2).t())
    agree(lambda torch, a, b: torch.testing.assert_close(a, b, check_stride=True), a, torch.zeros(3, 2).t())


DTYPES = ["bool", "uint8", "int8", "int64", "float16", "bfloat16", "float32", "float64", "complex64", "complex128"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("options", [{}, {"low": 1}, {"high": 2}, {"noncontiguous": True}, {"exclude_zero": True}], ids=str)
def test_make_tensor_makes_torch_s_numbers(dtype: str, options: dict[str, Any]) -> None:
    agree(
        lambda torch: torch.testing.make_tensor(3, 4, dtype=getattr(torch, dtype), device="cpu", **options),
        strides=True,
    )


@pytest.mark.parametrize(
    "options",
    [{"low": 3, "high": 3}, {"low": NAN}, {"low": 1e9, "high": 1e10}, {"requires_grad": True}],
    ids=str,
)
def test_make_tensor_refuses_what_torch_refuses(options: dict[str, Any]) -> None:
    agree(lambda torch: torch.testing.make_tensor(2, dtype=torch.int32, device="cpu", **options))


def test_make_tensor_can_require_grad() -> None:
    agree(lambda torch: torch.testing.make_tensor((2,), dtype=torch.float32, device="cpu", requires_grad=True).requires_grad)
