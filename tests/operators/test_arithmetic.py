"""Arithmetic against torch: where the operator database does not look. Corners of division, powers, alpha, dunders."""

import pytest
import torch

from tests.differential import Case, agree, bools, check, full, ints, rand, randn, table, tensor

F64 = torch.float64
EDGES = [0.0, -0.0, 1.0, -1.0, 2.5, -2.5, float("inf"), float("-inf"), float("nan")]
PAIRS = (tensor([a for a in EDGES for _ in EDGES]), tensor(EDGES * len(EDGES)))
SIGNED = (ints(6, 7, low=-9, high=9), ints(6, 7, low=1, high=5))

CASES = [
    *(Case(name, *PAIRS, grad=False) for name in ("floor_divide", "remainder", "fmod", "div", "pow")),
    *(Case("div", *PAIRS, rounding_mode=mode, grad=False) for mode in ("floor", "trunc")),
    *(Case(name, *SIGNED) for name in ("floor_divide", "remainder", "fmod", "div", "pow")),
    *(Case(name, SIGNED[0], -SIGNED[1]) for name in ("floor_divide", "remainder", "fmod")),
    Case("div", *SIGNED, rounding_mode="trunc"),
    Case("pow", ints(5, low=-2, high=3), ints(5, low=-3, high=3)),
    Case("pow", ints(5, dtype=torch.uint8), 3),
    Case("pow", tensor([0.0, 0.0, 2.0, -2.0], F64), tensor([0.0, 2.0, 0.0, 3.0], F64)),
    *(Case("pow", rand(4, dtype=F64) + 0.5, e, second=True) for e in (1, 2, 3, -1, -2, 0.5, -0.5, 1.7)),
    Case("pow", rand(4, dtype=F64), 0),
    *(Case("pow", b, rand(4, dtype=F64)) for b in (2, 0.5, 0)),
    Case("pow", bools(5), 2),
    Case("add", randn(3, 1), randn(4), alpha=2.5, inplace=False, out=True, method=True),
    Case("add", ints(3), 2.5),
    Case("add", ints(3, dtype=torch.uint8), 300),
    Case("add", ints(3, dtype=torch.uint8), -1),
    Case("add", bools(4), bools(4)),
    Case("sub", ints(3), ints(3), alpha=2),
    Case("mul", bools(4), bools(4)),
    Case("mul", rand(3), 2j),
    Case("rsub", rand(3), 2.0, alpha=3),
    Case("square", bools(3)),
    Case("float_power", ints(4), 2),
    Case("float_power", 2, rand(3)),
    Case("lerp", rand(3), rand(3, dtype=torch.float32), 0.25, inplace=True),
    Case("lerp", rand(2, 3, dtype=F64), rand(3, dtype=F64), rand(2, 1, dtype=F64), second=True),
    Case("addcmul", rand(3), rand(2, 3), rand(1, 3), value=0.5),
    Case("addcdiv", rand(3, dtype=torch.bfloat16), rand(3, dtype=torch.bfloat16), full((3,), 2.0, torch.bfloat16)),
    Case("reciprocal", ints(4)),
    Case("ldexp", rand(3), ints(3)),
    Case("gcd", ints(5, low=-20, high=20), ints(5)),
    Case("lcm", ints(5, low=-20, high=20, dtype=torch.int32), ints(5, dtype=torch.int32)),
    Case("clamp", tensor([-1.0, 0.0, 0.5, 1.0, 2.0, float("nan")]), 0, 1),
    Case("clamp", tensor([-1.0, 0.0, 0.5]), tensor([0.0, 0.0, 0.7]), tensor([1.0, -1.0, 0.2])),
    Case("clamp", ints(4), min=0.5),
    Case("clamp", rand(3), max=float("nan"), grad=False),
    Case("maximum", tensor([1.0, 2.0, float("nan")]), tensor([1.0, 3.0, 0.0])),
    Case("fmax", tensor([1.0, 2.0, float("nan")]), tensor([1.0, 3.0, 0.0])),
    Case("where", tensor([True, False]), rand(3, 2), 1),
    Case("where", tensor([True, False]), 1, 2.5),
    Case("where", tensor([True, False]), tensor([1.0, float("nan")]), tensor([0.0, 1.0])),
    Case("where", tensor([[True, False], [False, True]])),
    Case("nan_to_num", tensor([float("nan"), float("inf"), float("-inf"), 1.0]), 1.0, posinf=2.0),
    Case("abs", tensor([-1.0, 0.0, 2.0])),
    Case("abs", tensor([0j, 3 + 4j])),
    Case("sgn", tensor([0j, 3 + 4j])),
    Case("atan2", tensor([0.0, 1.0], F64), tensor([0.0, -1.0], F64)),
    Case("round", tensor([0.5, 1.5, -0.5, 2.345, -7.5]), decimals=1),
    Case("logaddexp", tensor([float("-inf"), 800.0]), tensor([float("-inf"), 799.0])),
    Case("xlogy", tensor([0.0, 0.0, 1.0]), tensor([0.0, float("nan"), 2.0]), grad=False),
    Case("bitwise_left_shift", ints(4), tensor([0, 63, 64, -1])),
    Case("bitwise_right_shift", ints(4, low=-9, high=9), tensor([0, 62, 64, -1])),
    Case("isclose", tensor([1.0, float("inf"), float("nan")]), tensor([1.0 + 1e-9, float("inf"), float("nan")]), equal_nan=True),
    Case("frexp", tensor([0.0, 1.0, -3.5])),
    Case("copysign", tensor([1.0, -2.0, 0.0]), tensor([-0.0, 1.0, -1.0])),
]


@table(CASES)
def test_arithmetic(case: Case) -> None:
    check(case)


DUNDERS = """
1 - x; 2 / x; x / 2; 2 ** x; x ** 2; x // 2; 3 // y; x % 2; -x; +x; abs(x); i & 3; 3 | i; i ^ i; ~i; i << 2; 1 << i
i >> 1; x < 1; 1 < x; x == x; x != 1; i == 1.5; i / i.max(); 2.5 * i; True + i; x @ x.T; divmod(7, 2) and x; x.T @ x[:, 0]
""".replace("\n", ";").split(";")


@pytest.mark.parametrize("expression", [d.strip() for d in DUNDERS if d.strip()])
def test_operator_and_its_grad_fn(expression: str) -> None:
    def program(torch, x, i):
        result = eval(expression, {"x": x, "i": i, "y": x + 1, "abs": abs})
        return result, result.requires_grad, result.grad_fn and result.grad_fn.name()

    agree(program, rand(2, 3).requires_grad_(), ints(2, 3, low=1))


@pytest.mark.parametrize("operation", ["+= 2", "-= y", "*= y", "/= 2", "//= 2", "%= 2", "**= 2"])
def test_operator_in_place(operation: str) -> None:
    def program(torch, x):
        space = {"x": x.clone(), "y": x + 1}
        before = space["x"]
        exec(f"x {operation}", space)
        return before, before is space["x"]

    agree(program, rand(2, 3))


@pytest.mark.parametrize("operation", ["/= 2", "+= 1.5", "//= 1.5", "&= 1", "<<= 1"])
def test_operator_in_place_on_integers(operation: str) -> None:
    def program(torch, x):
        space = {"x": x}
        exec(f"x {operation}", space)
        return x

    agree(program, ints(4))


@pytest.mark.parametrize("n", [41.0, 47.0, 82.0, 93.7])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_quotient_by_one_number_is_correctly_rounded_by_xla_too(n, dtype):
    def program(lib, x, d):
        whole = lib.arange(40_000) % 1000
        return [x / n, x / d, x / d.view(1, 1), lib.floor(x / d) - whole, lib.div(x, d, rounding_mode="trunc") - whole]

    x = (torch.arange(40_000) % 1000).to(dtype) * n
    agree(program, x, tensor(n, dtype), tolerance=0.0)


def test_a_quotient_by_one_number_has_gradients_of_both_orders():
    check(Case("div", randn(40, 1000, dtype=F64), tensor(2.7, F64), second=True))


def test_a_quotient_by_one_number_of_what_is_not_finite():
    x = torch.tensor(EDGES).repeat(5000)
    for divisor in EDGES:
        agree(lambda lib, x, d: [x / d, lib.div(x, d, rounding_mode="trunc")], x, tensor(divisor))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_whole_numbers_are_counted_in_their_own_bins(dtype):
    for bins in (41, 47, 55, 82, 94):
        agree(lambda lib, x, n=bins: [lib.histc(x, n, 0, n), lib.histc(x, n)], torch.arange(bins + 1).to(dtype))


MEANS = {
    "mean": lambda lib, x: x.view(-1, 1).mul(1).mean(0),
    "mse_loss": lambda lib, x: lib.nn.functional.mse_loss(x, x * 0),
    "avg_pool1d": lambda lib, x: lib.nn.functional.avg_pool1d(x[:20_000].view(1, 1, -1), 41),
    "adaptive_avg_pool1d": lambda lib, x: lib.nn.functional.adaptive_avg_pool1d(x.view(1, 1, -1), 1),
    "cross_entropy": lambda lib, x: lib.nn.functional.cross_entropy(x.view(-1, 1), x.view(-1, 1)),
}


@pytest.mark.parametrize("name", MEANS)
def test_a_mean_of_ones_is_one_in_xla_too(name):
    for n in (20_006, 20_024, 20_040, 100_001):  # n * (1 / n) is not 1 in float32
        agree(MEANS[name], torch.ones(n), tolerance=0.0)
