"""The text of a tensor against real torch's, letter by letter."""

import itertools

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

import torchlike
from torchlike._src.tensor import printing

FLOAT8 = [
    torch.float8_e4m3fn, torch.float8_e4m3fnuz, torch.float8_e5m2, torch.float8_e5m2fnuz, torch.float8_e8m0fnu,
]  # fmt: skip
FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
INTEGERS = [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.uint16, torch.uint32, torch.uint64]


@pytest.fixture(autouse=True)
def default_options():
    yield
    torch.set_printoptions(profile="default")
    printing.set_printoptions(profile="default")


def name(dtype):
    return str(dtype).removeprefix("torch.")


def as_numpy(tensor):
    tensor = tensor.detach()
    if tensor.dtype == torch.bfloat16:
        return tensor.contiguous().view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    if tensor.dtype in FLOAT8:
        return tensor.contiguous().view(torch.uint8).numpy().view(getattr(ml_dtypes, name(tensor.dtype)))
    return tensor.numpy()


def ours(tensor):
    return printing.format_tensor(
        as_numpy(tensor),
        torch_dtype_name=name(tensor.dtype),
        requires_grad=tensor.requires_grad,
        grad_fn_name=None if tensor.grad_fn is None else type(tensor.grad_fn).__name__,
        default_dtype=name(torch.get_default_dtype()),
    )


def check(tensor):
    assert ours(tensor) == repr(tensor)


SHAPES = [(), (1,), (3,), (17,), (40,), (2, 3), (5, 1), (2, 3, 4), (1, 1, 1, 1), (2, 1, 3, 2), (0,), (0, 3), (2, 0, 4),
          (1001,), (2000,), (40, 40), (7, 200), (300, 4), (6, 6, 40), (7, 7, 7, 7), (2, 1000), (1000, 2),
          (3, 7, 60)]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS, *FLOAT8, torch.bool, torch.complex64, torch.complex128])
def test_shapes_and_dtypes(shape, dtype):
    generator = torch.Generator().manual_seed(len(shape))
    for scale in (1, 3000, 1e-3):
        values = torch.randn(shape, generator=generator, dtype=torch.float64) * scale
        if dtype.is_complex:
            values = torch.complex(values, torch.randn(shape, generator=generator, dtype=torch.float64))
        elif dtype in INTEGERS:
            values = (values * 40).abs().long() if "uint" in str(dtype) else (values * 40).long()
        elif dtype == torch.bool:
            values = values > 0
        check(values.to(dtype))


INF, NAN = float("inf"), float("nan")
VALUES = [
    [0.0], [-0.0], [1.0], [1.5], [1.0, 2.0], [1.0, 2.5], [1e8], [1e8 + 8], [100000001.5], [1e-4], [9.9e-5], [1e-5],
    [1.0, 1000.0], [1.0, 1001.0], [1.0, 1001.5], [0.001, 1.0], [0.001, 1.1], [INF], [NAN], [-INF], [INF, 1.0],
    [NAN, 1.5], [NAN, 1e10], [INF, -INF, NAN, 0.0], [0.0, 1e-10], [-1.0, 10.0, NAN], [123456.789], [1e38],
    [3.4e38, 1e-38],
    [0.1, 0.2, 0.30000001], [-1.5, INF], [-5.0, INF], [100.0, -INF], [0.0, 0.0, NAN], [1e5, 2e5], [99999.0, 1.0],
    [0.99995], [0.99999999], [9.99995], [2.5, 3.5, 1e3], [1e-45], [5.0, 0.00001], [-0.0, 0.5], [-0.0, 1.0],
    [-0.0, 1e9],
]  # fmt: skip


@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("dtype", [*FLOATS, *FLOAT8])
def test_notations(values, dtype):
    check(torch.tensor(values).to(dtype))
    check(torch.tensor(values[0]).to(dtype))


@pytest.mark.parametrize(("real", "imag"), list(itertools.product([[1.0], [-0.5], [NAN], [1e9], [0.0]], repeat=2)))
def test_complex_parts(real, imag):
    check(torch.complex(torch.tensor(real), torch.tensor(imag)))
    check(torch.complex(torch.tensor(real * 3), torch.tensor([imag[0], -imag[0], 3.0])))
    check(torch.complex(torch.tensor(real[0]), torch.tensor(-0.0)))


def test_integers_at_the_ends():
    check(torch.tensor([-(2**63), 2**63 - 1, 0]))
    check(torch.tensor([0, 255], dtype=torch.uint8))
    check(torch.tensor([2**64 - 1], dtype=torch.uint64))


@pytest.mark.parametrize(
    "options",
    [
        {"precision": 2}, {"precision": 10}, {"precision": 0}, {"threshold": 5}, {"threshold": 5, "edgeitems": 1},
        {"threshold": 5, "edgeitems": 0}, {"linewidth": 40}, {"linewidth": 10}, {"linewidth": 200},
        {"profile": "short"},
        {"profile": "full"}, {"sci_mode": True}, {"sci_mode": False}, {"profile": "short", "precision": 6},
        {"edgeitems": 5},
    ],
)  # fmt: skip
def test_options(options):
    torch.set_printoptions(**options)
    printing.set_printoptions(**options)
    assert printing.get_printoptions() == torch._tensor_str.get_printoptions()
    for shape in ((), (1,), (20,), (4, 4), (3, 4, 5), (1500,), (40, 40), (0, 2), (9, 9, 30)):
        values = torch.randn(shape)
        for tensor in (
            values,
            (values * 100).round(),
            (values * 100).int(),
            values * 1e-6,
            values.to(torch.complex64) * 1j,
        ):
            check(tensor)


def test_options_in_a_block():
    with printing.printoptions(precision=1):
        assert ours(torch.tensor([0.25])) == "tensor([0.2])"
    assert ours(torch.tensor([0.25])) == "tensor([0.2500])"


def test_gradients_and_line_breaks():
    for n in range(1, 24):
        x = torch.arange(float(n)).requires_grad_()
        for tensor in (x, x * 2.5, x.double(), x.sum(), (x * 2).view(-1, 1), x.half().exp(), x.log_softmax(0)):
            check(tensor)


def test_other_default_dtype_is_not_shown():
    torch.set_default_dtype(torch.float64)
    try:
        for dtype in (torch.float32, torch.float64, torch.complex64, torch.complex128, torch.float16):
            check(torch.ones(2, dtype=dtype))
            check(torch.ones(0, dtype=dtype))
    finally:
        torch.set_default_dtype(torch.float32)


def test_device_and_class_are_shown():
    kwargs = {"torch_dtype_name": "int32", "device": "cuda:0", "requires_grad": True, "class_name": "MyTensor"}
    assert printing.format_tensor(np.arange(2, dtype=np.int32), **kwargs) == (
        "MyTensor([0, 1], device='cuda:0', dtype=torch.int32, requires_grad=True)"
    )


def test_subclass_name_sets_the_indent():
    class Thing(torch.Tensor):
        pass

    values = torch.randn(4, 30)
    mine = printing.format_tensor(values.numpy(), torch_dtype_name="float32", class_name="Thing")
    assert mine == repr(values.as_subclass(Thing))


@settings(max_examples=300, deadline=None)
@given(
    hnp.arrays(
        st.sampled_from(["f2", "f4", "f8", "i1", "i4", "i8", "u1", "?", "c8", "c16"]),
        hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=9),
    )
)
def test_any_array(array):
    check(torch.from_numpy(array.copy()) if array.ndim else torch.tensor(array[()]))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.floats(width=32) | st.integers(-1000, 1000).map(float) | st.sampled_from([INF, NAN, -0.0, 0.5]), max_size=30),
    st.integers(0, 6),
    st.integers(20, 120),
    st.integers(0, 30),
    st.integers(0, 4),
    st.sampled_from([None, True, False]),
)
def test_any_values_with_any_options(values, precision, linewidth, threshold, edgeitems, sci_mode):
    options = {"precision": precision, "linewidth": linewidth, "threshold": threshold, "edgeitems": edgeitems}
    torch.set_printoptions(**options, sci_mode=sci_mode)
    printing.set_printoptions(**options, sci_mode=sci_mode)
    check(torch.tensor(values))


def _subclass(t):
    class Thing(t.Tensor):
        pass

    return t.ones(2, 3).as_subclass(Thing)


REPRS = {
    "result": lambda t: t.ones(2, 3, requires_grad=True) * 2,
    "leaf": lambda t: t.ones(2, 3, requires_grad=True),
    "view": lambda t: (t.ones(2, 3, requires_grad=True) * 2).t()[0],
    "parameter": lambda t: t.nn.Parameter(t.zeros(2)),
    "frozen parameter": lambda t: t.nn.Parameter(t.zeros(2), requires_grad=False),
    "bfloat16": lambda t: t.tensor([1.5, 2.25], dtype=t.bfloat16),
    "float8": lambda t: t.tensor([1.5, 2.25]).to(t.float8_e5m2),
    "empty": lambda t: t.zeros(0, 3),
    "scalar": lambda t: t.tensor(3),
    "transposed": lambda t: t.arange(6).view(2, 3).t(),
    "subclass": _subclass,
    "in a list": lambda t: [t.tensor(1.0), t.tensor([True])],
}


@pytest.mark.parametrize("case", REPRS)
def test_tensors_themselves(case):
    assert repr(REPRS[case](torchlike)) == repr(REPRS[case](torch))
    assert str(REPRS[case](torchlike)) == str(REPRS[case](torch))


def test_a_value_formats_as_a_number():
    for t in (torch, torchlike):
        assert f"{t.tensor(1.5):.3f} {t.tensor(7):>4d}" == "1.500    7"
