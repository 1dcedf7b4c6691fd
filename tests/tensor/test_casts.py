"""Casts between all dtypes: C's conversions of floats, wrapping integers, saturating float8, parts of complex."""

import numpy as np
import pytest

from tests.programs import programs, same

DTYPES = """bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64 complex128
float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz float8_e8m0fnu""".split()
INF, NAN = float("inf"), float("nan")
# Beyond int32, C leaves the conversion to unsigned types undefined: those values are only cast to what has a defined result.
SMALL = [0.0, -0.0, 0.5, -0.5, 1.9, -1.9, 3.0, 100.25, -100.0, 127.9, 128.0, -129.0, 192.0, 224.0, -208.7, 240.0]
LARGE = [
    *SMALL,
    255.9,
    300.7,
    448.0,
    1e3,
    32768.0,
    -32769.0,
    65536.5,
    2147483520.0,
    4294967296.0,
    1e10,
    -1e10,
    9.2e18,
    1e30,
    -1e30,
    INF,
    -INF,
    NAN,
]


@pytest.mark.parametrize("new", DTYPES)
@pytest.mark.parametrize("old", DTYPES)
def test_every_dtype_becomes_every_other(old, new):
    def program(torch):
        source = torch.tensor(SMALL, dtype=torch.float64).to(getattr(torch, old))
        moved = source.to(getattr(torch, new))
        written = torch.zeros(len(SMALL), dtype=getattr(torch, new)).copy_(source)
        return source, moved, written

    same(program)


@pytest.mark.parametrize(
    "new", "bool uint8 int8 int16 int32 int64 float16 bfloat16 float8_e4m3fn float8_e5m2 float8_e4m3fnuz".split()
)
@pytest.mark.parametrize("old", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("where", ["on the host", "in a program"])
def test_floats_that_do_not_fit(old, new, where):
    def program(torch):
        source = torch.tensor(LARGE, dtype=getattr(torch, old))
        if where == "in a program" and torch.__name__ == "torchlike":
            source = torch.from_dlpack(__import__("jax").numpy.asarray(source))
        return source.to(getattr(torch, new))

    same(program)


INTEGERS = [
    0,
    1,
    -1,
    127,
    128,
    255,
    256,
    -129,
    32768,
    65536,
    2**31 - 1,
    2**31,
    -(2**31) - 1,
    2**32,
    2**53 + 1,
    2**63 - 1,
    -(2**63),
]


@pytest.mark.parametrize("new", DTYPES)
def test_integers_wrap_or_round(new):
    same(lambda torch: torch.tensor(INTEGERS).to(getattr(torch, new)))


def test_large_unsigned_integers_become_floats():
    def program(torch):
        x = torch.tensor([0, 2**63, 2**64 - 1, 2**53 + 1], dtype=torch.uint64)
        return [x.to(d) for d in (torch.float32, torch.float64, torch.int64, torch.uint8)]

    same(program)


METHODS = {
    name: lambda torch, name=name: getattr(torch.tensor([0.0, 1.5, -2.5]), name)()
    for name in "bool byte char short int long half bfloat16 float double cfloat cdouble".split()
}


@programs(METHODS)
def test_methods_named_after_types(program):
    same(program)


IDENTITY = {
    "to the same dtype is the tensor itself": lambda torch: (lambda x: x.to(torch.float32) is x)(torch.ones(2)),
    "to with copy is another": lambda torch: (lambda x: x.to(torch.float32, copy=True) is x)(torch.ones(2)),
    "to a device it is on is itself": lambda torch: (lambda x: x.to("cpu") is x)(torch.ones(2)),
    "to nothing is itself": lambda torch: (lambda x: (x.to() is x, x.to(None) is x))(torch.ones(2)),
    "to another tensor's dtype": lambda torch: torch.ones(2).to(torch.zeros(1, dtype=torch.int8)),
    "to tensor by keyword": lambda torch: torch.ones(2).to(tensor=torch.zeros(1, dtype=torch.int8)),
    "to dtype, non_blocking, copy": lambda torch: torch.ones(2).to(torch.float64, True, True),
    "to device, dtype, non_blocking, copy": lambda torch: torch.ones(2).to("cpu", torch.float64, True, True),
    "to device and dtype by keyword": lambda torch: torch.ones(2).to(device="cpu", dtype=torch.int8),
    "to Python's float": lambda torch: torch.ones(2).to(float),
    "to Python's int": lambda torch: torch.ones(2).to(int),
    "to channels last": lambda torch: torch.ones(2, 3, 4, 5).to(memory_format=torch.channels_last).stride(),
    "float is itself": lambda torch: (lambda x: x.float() is x)(torch.ones(2)),
    "cpu is itself": lambda torch: (lambda x: x.cpu() is x)(torch.ones(2)),
    "a cast keeps strides": lambda torch: torch.ones(2, 3, 4).permute(2, 0, 1).to(torch.int32).stride(),
    "a cast of a slice is dense": lambda torch: torch.ones(4, 6)[:, ::2].to(torch.int32).stride(),
    "to an unknown device": lambda torch: torch.ones(2).to("float32"),
    "to two dtypes": lambda torch: torch.ones(2).to(torch.float64, torch.float32),
    "to an unknown keyword": lambda torch: torch.ones(2).to("cpu", foo=1),
}


@programs(IDENTITY)
def test_to_and_its_overloads(program):
    same(program)


def test_gradients_flow_through_casts_of_floats_only():
    def program(torch):
        x = torch.tensor([1.5, -2.5], requires_grad=True)
        y = x.double()
        y.square().sum().backward()
        return (
            x.grad,
            y.requires_grad,
            x.int().requires_grad,
            x.bool().requires_grad,
            type(y.grad_fn).__name__,
            x.half().requires_grad,
        )

    same(program)


def test_the_gradient_of_a_complex_part():
    def program(torch):
        x = torch.tensor([1.5, -2.5], requires_grad=True)
        y = x.to(torch.complex64) * (1 + 2j)
        (y.real.sum() + 3 * y.imag.sum()).backward()
        return x.grad

    same(program)


NUMPY_DTYPES = [np.bool_, np.uint8, np.uint16, np.uint32, np.uint64, np.int8, np.int16, np.int32, np.int64, np.float16, np.float32,
                np.float64, np.complex64, np.complex128]  # fmt: skip


@pytest.mark.parametrize("kind", NUMPY_DTYPES, ids=lambda k: k.__name__)
def test_numpy_dtypes_go_both_ways(kind):
    same(lambda torch: (x := torch.from_numpy(np.array([0, 1], kind)), str(x.numpy().dtype), torch.tensor(np.array(1, kind))))
