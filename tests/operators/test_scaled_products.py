"""Products of float8 matrices with scales."""

from typing import Any

import pytest

from tests.differential import agree

A = [[((3 * i + 5 * k) % 7 - 3) / 2 for k in range(16)] for i in range(4)]
B = [[((2 * j + k) % 9 - 4) / 4 for k in range(16)] for j in range(32)]


def matrices(torch: Any, first: str = "float8_e4m3fn", second: str = "float8_e4m3fn") -> Any:
    return torch.tensor(A).to(getattr(torch, first)), torch.tensor(B).to(getattr(torch, second)).t()


ONE_SCALE = {
    "float8": {},
    "float32": {"out_dtype": "float32"},
    "bfloat16": {"out_dtype": "bfloat16"},
    "bias": {"out_dtype": "float32", "bias": True},
}


@pytest.mark.parametrize("options", ONE_SCALE.values(), ids=ONE_SCALE)
@pytest.mark.parametrize("kinds", [("float8_e4m3fn", "float8_e4m3fn"), ("float8_e5m2", "float8_e4m3fn")], ids="-".join)
def test_one_scale_a_matrix(options: dict[str, Any], kinds: tuple[str, str]) -> None:
    def program(torch: Any) -> Any:
        a, b = matrices(torch, *kinds)
        named = {"out_dtype": getattr(torch, options["out_dtype"])} if "out_dtype" in options else {}
        bias = torch.arange(32.0) / 8 if "bias" in options else None
        return torch._scaled_mm(a, b, torch.tensor(0.75), torch.tensor(-1.5), bias=bias, **named)

    agree(program)


def test_a_scale_for_each_row_and_column() -> None:
    def program(torch: Any) -> Any:
        rows, columns = torch.arange(1.0, 5.0).reshape(4, 1) / 3, torch.arange(1.0, 33.0).reshape(1, 32) / 7
        first = torch._scaled_mm(*matrices(torch), rows, columns, out_dtype=torch.bfloat16)
        return [first, torch._scaled_mm_v2(*matrices(torch), [rows], [1], [0], [columns], [1], [0], None, torch.bfloat16)]

    agree(program)


REFUSED = {
    "dtypes": lambda torch, a, b, one: torch._scaled_mm(a.float(), b.float(), one, one),
    "sizes": lambda torch, a, b, one: torch._scaled_mm(a, b[:8], one, one),
    "scales": lambda torch, a, b, one: torch._scaled_mm(a, b, torch.ones(3, 1), one),
    "out of another dtype": lambda torch, a, b, one: torch._scaled_mm(
        a, b, one, one, out=torch.empty(0), out_dtype=torch.bfloat16
    ),
    "a vector": lambda torch, a, b, one: torch._scaled_mm(a[0], b, one, one),
}


@pytest.mark.parametrize("program", REFUSED.values(), ids=REFUSED)
def test_refused_as_in_torch(program: Any) -> None:
    agree(lambda torch: program(torch, *matrices(torch), torch.tensor(1.0)), message=False)


def test_what_is_not_there_says_so() -> None:
    import torchlike

    a, b = matrices(torchlike)
    one = torchlike.tensor(1.0)
    with pytest.raises(NotImplementedError, match="ask for float32, scale it and cast it"):
        torchlike._scaled_mm(a, b, one, one, scale_result=one)
    with pytest.raises(NotImplementedError, match="one scale for each matrix"):
        torchlike._scaled_mm_v2(a, b, [one], [2], [0], [one], [2], [0], None, None)
