"""Python numbers as operands: which a dtype can hold, and how precisely those count beside half precision."""

import math

import pytest
import torch

from tests.differential import Case, agree, check, full, ints, randn, table

HALVES = [randn(200).mul(3).to(dtype) for dtype in (torch.float16, torch.bfloat16)]

SCALED = [
    *(Case(f"Tensor.{name}", x, 2.7) for x in HALVES for name in ("mul", "div", "__mul__", "__rmul__", "__rtruediv__")),
    *(Case("floor_divide", (torch.arange(-20, 20) * 2.7).to(x.dtype), 2.7) for x in HALVES),
    *(Case(name, x, torch.tensor(2.7)) for x in HALVES for name in ("mul", "div", "hypot")),
    *(Case("mul", torch.tensor(2.7), x) for x in HALVES),
    *(Case("Tensor.mul", x, 2.7, inplace=True) for x in HALVES),
    *(Case("lerp", x, x + 1, 0.3) for x in HALVES),
    *(Case("nn.functional.leaky_relu", x, 0.3) for x in HALVES),
    *(Case("nn.functional.softshrink", x, 0.3) for x in HALVES),
    *(Case("exp2", x) for x in HALVES),
]


@table(SCALED)
def test_half_precision_is_rounded_once(case):
    case.grad, case.how["tolerance"] = False, 0.0  # the very bits, where torch.testing allows bfloat16 two of them
    check(case)


@table([Case("digamma", torch.linspace(1.3, 1.6, 50).to(x.dtype)) for x in HALVES])
def test_digamma_of_halves_is_accurate_near_its_root(case):
    check(case)


@pytest.mark.parametrize("name", ["add", "sub"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_alpha_is_rounded_and_the_sum_once(name, dtype):
    def program(lib, x, y):
        return getattr(lib, name)(x, y, alpha=2.7)

    agree(program, randn(256).mul(3).to(dtype), randn(256).add(1).to(dtype))


X8, X16 = ints(4, low=1, dtype=torch.uint8), torch.ones(4, dtype=torch.float16)
REFUSED = [
    *(
        Case("Tensor.index_fill", X8, 0, torch.tensor([1]), v, raises=RuntimeError, message="equal")
        for v in (300, -1.5, math.nan)
    ),
    *(Case("Tensor.scatter", X8, 0, torch.tensor([1]), v, raises=RuntimeError, message="equal") for v in (300, -1.5, math.inf)),
    *(Case("where", X8 > 3, X8, v, raises=RuntimeError, message="equal") for v in (300, -300)),
    *(Case("clamp", X8, max=v, raises=RuntimeError, message="equal") for v in (300, -300)),
    *(Case("nn.functional.threshold", X8, 1, v, raises=RuntimeError, message="equal") for v in (300, -300)),
    *(Case("nn.functional.pad", X8, (1, 1), value=v, raises=RuntimeError, message="equal") for v in (-1, 300)),
    *(Case("add", X8, X8, alpha=v, raises=RuntimeError, message="equal") for v in (300, -300)),
    *(Case("addcmul", X8, X8, X8, value=v, raises=RuntimeError, message="equal") for v in (300, -300)),
    *(Case("masked_fill", X16, X16 > 0, v, raises=RuntimeError, message="equal") for v in (70000.0, 10**10)),
    Case("lerp", X16, X16, 1e300, raises=RuntimeError, message="equal"),
    Case("isin", X8, True, raises=RuntimeError, message="equal"),
    Case("isin", X8 > 3, X8 > 3, raises=RuntimeError, message="equal"),
    Case("addcmul", X8 > 3, X8 > 3, X8 > 3, raises=NotImplementedError, message="equal"),
    Case("where", X16 > 3, X16, 1e300),
    Case("isin", X8, 2.7),
    Case("isin", 3, X8),
    *(Case("clamp", X8, max=v) for v in (-1, 2.5, math.inf)),
]


@table(REFUSED)
def test_numbers_that_a_dtype_cannot_hold(case):
    check(case)


@pytest.mark.parametrize("value", [300, -1.5, math.nan, -1])
def test_a_mask_is_filled_with_what_fits(value):
    def program(_, x):
        x[x > 3] = value
        return x

    agree(program, X8)


@pytest.mark.parametrize("equation", ["i->", "ij->j", "ii->i", "ij->ji", "ii->"])
@pytest.mark.parametrize("dtype", [torch.bool, torch.int16, torch.bfloat16])
def test_einsum_of_one_operand_sums_as_sum(equation, dtype):
    x = torch.ones([3] * len(equation.split("->")[0]), dtype=dtype)
    agree(lambda lib, x: lib.einsum(equation, x), x)


@pytest.mark.parametrize(("start", "end", "steps"), [(1, 1.2, 2), (0.5, 1.5, 4), (1.9, 0.2, 5), (2.1, 0.3, 1)])
@pytest.mark.parametrize("dtype", [torch.int16, torch.float32])
def test_logspace_of_integers_has_whole_exponents(start, end, steps, dtype):
    agree(lambda lib: lib.logspace(start, end, steps, dtype=getattr(lib, str(dtype).removeprefix("torch."))))


@table(
    [
        *(Case("unravel_index", ints(4, high=6, dtype=d), (2, 3)) for d in (torch.int64, torch.int16, torch.uint8)),
        *(Case("Tensor.sum_to_size", ints(2, 3, dtype=d), s) for d in (torch.int16, torch.bool) for s in ((1, 3), (2, 3))),
        *(Case("Tensor.sum_to_size", ints(dtype=d), ()) for d in (torch.int16, torch.bool)),
        Case("unravel_index", torch.ones(2), 3, raises=TypeError),
        Case("unravel_index", ints(2), (2.0, 3), raises=TypeError, message="equal"),
        Case("unravel_index", ints(2), (-1, 3), raises=ValueError, message="equal"),
    ]
)
def test_integers_that_become_int64(case):
    check(case)


@table([Case("special.zeta", ints(7, 1, low=-2, high=4), torch.tensor([-2.5, -2.0, -1.0, 0.0, 0.5, 2.0]))])
def test_zeta_at_its_poles(case):
    check(case)


#: A call and the values that its number takes one after the other at the same place of the program.
CHANGING = [
    ("x + v", torch.uint8, [3, 2, 300, -1, 2**40, 2**64, 5]),
    ("x * v", torch.float32, [1.0, 2.0, 1e39, math.inf, math.nan, 10**30, 2**63, 3.0]),
    ("x // v", torch.uint8, [3, 2, 256, 0, 5]),
    ("x % v", torch.int32, [3, 2, 2**40, 0, 5]),
    ("x ** v", torch.uint8, [3, 2, 300, -1, 4]),
    ("x ** v", torch.int64, [3, 2, -1, 2**63, 4]),
    ("x ** v", torch.float16, [3.0, 2.5, 1e6, 4.0]),
    ("x ** v", torch.bool, [True, False, 2, True]),
    ("x == v", torch.int16, [3, 2, 2**40, 4]),
    ("torch.clamp_max(x, v)", torch.uint8, [3, 2, 300, -1, 5]),
    ("torch.clamp_min(x, v)", torch.bool, [True, False, 2]),
    ("torch.where(x > 2, x, v)", torch.uint8, [3, 2, 300, 5]),
    ("x.masked_fill(x > 2, v)", torch.float16, [3.0, 2.0, 1e6, 5.0]),
    ("torch.add(x, x, alpha=v)", torch.uint8, [3, 2, 300, 5]),
    ("torch.sub(x, x, alpha=v)", torch.int8, [3, 2, 128, -128, 129, 5]),
    ("torch.rsub(x, x, alpha=v)", torch.uint8, [3, 2, 300, 5]),
    ("torch.addcmul(x, x, x, value=v)", torch.uint8, [3, 2, 300, 5]),
    ("torch.addr(x, x, x, beta=v)", torch.float16, [3.0, 2.0, 1e6, 5.0]),
    ("torch.addr(x, x, x, beta=v)", torch.int64, [3, 2, 0.5]),
    ("torch.addmm(x.view(2, 2), x.view(2, 2), x.view(2, 2), alpha=v)", torch.uint8, [3, 2, 300, 5]),
    ("torch.addmv(x[:2], x.view(2, 2), x[:2], alpha=v)", torch.float16, [3.0, 2.0, 1e6, 5.0]),
    ("x.index_add(0, torch.tensor([0]), x[:1], alpha=v)", torch.uint8, [3, 2, 300, 5]),
    ("torch.nn.functional.pad(x, (1, 1), value=v)", torch.uint8, [3, 2, 300, 5]),
    ("torch.nn.functional.threshold(x, 1, v)", torch.float16, [3.0, 2.0, 1e6, 5.0]),
    ("torch.nn.functional.hardshrink(x, v)", torch.float16, [3.0, 2.0, 1e6, 5.0]),
    ("torch.nn.functional.softshrink(x, v)", torch.float32, [3.0, 2.0, -1.0, 5.0]),
    ("torch.nn.functional.celu(x, v)", torch.float32, [3.0, 2.0, 0.0, 5.0]),
    ("torch.nn.functional.hardtanh(x, v, 9)", torch.uint8, [3, 2, -1, 5]),
    ("torch.quantile(x, v)", torch.float32, [0.1, 0.2, 1.5, 0.3]),
    ("torch.histc(x, 3, 1, v)", torch.float32, [3, 4, 0, 5]),
    ("torch.renorm(x.view(2, 2), 2, 0, v)", torch.float32, [3.0, 2.0, -1.0, 5.0]),
]


@pytest.mark.parametrize(
    ("call", "dtype", "values"), CHANGING, ids=[f"{c} {str(d).removeprefix('torch.')}" for c, d, _ in CHANGING]
)
@pytest.mark.parametrize("size", [4, 40_000])  # on the host where an op has a host form, and recorded
def test_a_number_that_became_an_input_is_still_checked(call, dtype, values, size):
    if size > 4 and ("add" in call or "renorm" in call):
        size = 4  # recorded in any case

    def program(lib, x):
        results = []
        for v in values:
            try:
                results.append(eval(call, {"torch": lib, "x": x, "v": v})[..., :4].tolist())
            except (RuntimeError, OverflowError, NotImplementedError) as error:
                results.append(f"{type(error).__name__}: {error}".splitlines()[0])
        return results

    agree(program, torch.tensor([1, 2, 3, 4]).to(dtype).repeat(size // 4))


def test_norms_of_halves_may_exceed_what_halves_hold():
    agree(lambda lib, x: lib.renorm(x, 2, 0, 3.0), full((2, 40_000), 2.0, torch.float16))
