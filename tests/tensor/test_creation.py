"""Making tensors: dtypes inferred and asked for, values, shapes, and what is refused, as in torch."""

import numpy as np
import pytest

from tests.programs import programs, same

DTYPES = """bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64 complex128
float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz float8_e8m0fnu""".split()
PLAIN = DTYPES[:15]


class HasIndex:
    def __index__(self):
        return 7


INFERRED = {
    "a bool": lambda torch: torch.tensor(True),
    "an int": lambda torch: torch.tensor(3),
    "a float": lambda torch: torch.tensor(2.5),
    "a complex": lambda torch: torch.tensor(1 + 2j),
    "a list of ints": lambda torch: torch.tensor([1, 2, 3]),
    "a tuple of floats": lambda torch: torch.tensor((1.0, 2.0)),
    "ints and floats": lambda torch: torch.tensor([1, 2.5]),
    "bools and ints": lambda torch: torch.tensor([True, 2]),
    "bools and floats": lambda torch: torch.tensor([True, 2.5]),
    "ints and complex": lambda torch: torch.tensor([1, 2j]),
    "nested lists": lambda torch: torch.tensor([[1, 2], [3, 4]]),
    "an empty list": lambda torch: torch.tensor([]),
    "nested empty lists": lambda torch: torch.tensor([[], []]),
    "three levels of emptiness": lambda torch: torch.tensor([[[]], [[]]]),
    "a range": lambda torch: torch.tensor(range(4)),
    "NumPy scalars": lambda torch: torch.tensor([np.float32(1.5), np.float32(2)]),
    "NumPy float64 scalars in a list": lambda torch: torch.tensor([np.float64(1.5)]),
    "NumPy int scalars": lambda torch: torch.tensor([np.int16(3), np.int16(4)]),
    "one NumPy scalar": lambda torch: torch.tensor(np.float64(2.5)),
    "one NumPy int8": lambda torch: torch.tensor(np.int8(-3)),
    "one NumPy bool": lambda torch: torch.tensor(np.bool_(True)),
    "an array": lambda torch: torch.tensor(np.arange(6.0).reshape(2, 3)),
    "an int32 array": lambda torch: torch.tensor(np.arange(4, dtype=np.int32)),
    "a float16 array": lambda torch: torch.tensor(np.ones(3, np.float16)),
    "a transposed array": lambda torch: torch.tensor(np.arange(6).reshape(2, 3).T),
    "a flipped array": lambda torch: torch.tensor(np.arange(6)[::-1]),
    "a list of arrays": lambda torch: torch.tensor([np.ones(2), np.zeros(2)]),
    "a list of 0-d tensors": lambda torch: torch.tensor([torch.tensor(1), torch.tensor(2)]),
    "a list of 0-d float tensors": lambda torch: torch.tensor([torch.tensor(1.5), torch.tensor(2.0)]),
    "a list of tensors of one element": lambda torch: torch.tensor([torch.tensor([1]), torch.tensor([2])]),
    "a tensor": lambda torch: torch.tensor(torch.arange(3)),
    "tensors and numbers": lambda torch: torch.tensor([torch.tensor(1), 2.5]),
    "infinities and NaN": lambda torch: torch.tensor([float("inf"), float("-inf"), float("nan")]),
    "the largest int": lambda torch: torch.tensor(2**63 - 1),
    "the smallest int": lambda torch: torch.tensor(-(2**63)),
    "an int too large": lambda torch: torch.tensor(2**63),
    "an int far too large": lambda torch: torch.tensor(2**64),
    "an int too large in a list": lambda torch: torch.tensor([1, 2**70]),
    "a string": lambda torch: torch.tensor("abc"),
    "a list of strings": lambda torch: torch.tensor(["a"]),
    "None": lambda torch: torch.tensor(None),
    "a list with None": lambda torch: torch.tensor([1, None]),
    "a dict": lambda torch: torch.tensor({}),
    "a set": lambda torch: torch.tensor({1}),
    "an object": lambda torch: torch.tensor(object()),
    "a list with an object": lambda torch: torch.tensor([HasIndex()]),
    "ragged lists": lambda torch: torch.tensor([[1, 2], [3]]),
    "ragged below": lambda torch: torch.tensor([[[1, 2], [3]], [[1, 2], [3, 4]]]),
    "a number where a list was": lambda torch: torch.tensor([[1, 2], 3]),
    "a list where a number was": lambda torch: torch.tensor([1, [2, 3]]),
    "an empty list where a number was": lambda torch: torch.tensor([1, []]),
    "ragged arrays": lambda torch: torch.tensor([np.ones(2), np.ones(3)]),
    "an array of objects": lambda torch: torch.tensor(np.array([None, 1])),
    "an array of strings": lambda torch: torch.tensor(np.array(["a"])),
    "a datetime array": lambda torch: torch.tensor(np.array(["2020-01-01"], dtype="datetime64[D]")),
    "data twice": lambda torch: torch.tensor(1, 2),
    "an unknown argument": lambda torch: torch.tensor(1, shape=2),
    "bytes": lambda torch: torch.tensor(b"abc"),
    "a bytearray": lambda torch: torch.tensor(bytearray(b"abc")),
}


@programs(INFERRED)
def test_tensor_infers_the_dtype_or_refuses(program):
    same(program)


DATA = [0, 1, 2.75, -1.5, True, 127, 300, -129, 1e10, float("inf"), float("nan"), 2j, 65504.0, 1e300, 2**40, -1, 256]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", DATA, ids=repr)
def test_a_number_as_each_dtype(dtype, value):
    same(lambda torch: torch.tensor(value, dtype=getattr(torch, dtype)))
    same(lambda torch: torch.tensor([[value]], dtype=getattr(torch, dtype)))
    same(lambda torch: torch.full((2,), value, dtype=getattr(torch, dtype)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_factories_make_each_dtype(dtype):
    def program(torch):
        d = getattr(torch, dtype)
        x = torch.zeros(2, 3, dtype=d)
        made = [
            x, torch.ones((2, 3), dtype=d), torch.empty(0, dtype=d), torch.zeros((), dtype=d), torch.zeros_like(x), torch.ones_like(x),
            x.new_zeros(2), x.new_ones((1, 2)), x.new_empty(0, 4), torch.empty_like(x).shape, torch.empty_strided((2, 3), (1, 2), dtype=d).stride(),
            torch.full_like(x, 1), x.new_full((2,), 1), x.new_tensor([1, 0]),
        ]  # fmt: skip
        return [*made, x.element_size(), x.itemsize, x.nbytes, x.is_floating_point(), x.is_complex(), x.is_signed(), x.type()]

    same(program)


FILLED = {
    "full takes an int's dtype": lambda torch: torch.full((2,), 3),
    "full takes a bool's dtype": lambda torch: torch.full((2,), True),
    "full takes a float's dtype": lambda torch: torch.full((2, 1), 1.5),
    "full takes a complex's dtype": lambda torch: torch.full((2,), 1j),
    "full with a tensor": lambda torch: torch.full((2,), torch.tensor(3)),
    "full of an int size": lambda torch: torch.full(2, 3),
    "full in an out tensor": lambda torch: torch.full((2,), 3, out=torch.zeros(4)),
    "full of NaN as int": lambda torch: torch.full((2,), float("nan"), dtype=torch.int64),
    "full_like with another dtype": lambda torch: torch.full_like(torch.zeros(2), 3, dtype=torch.int32),
    "full_like keeps the dtype": lambda torch: torch.full_like(torch.zeros(2, dtype=torch.int8), 3.7),
    "zeros of sizes one by one": lambda torch: torch.zeros(2, 3),
    "zeros of a list": lambda torch: torch.zeros([2, 3]),
    "zeros of a Size": lambda torch: torch.zeros(torch.Size([2, 3])),
    "zeros of a tensor's shape": lambda torch: torch.zeros(torch.ones(2, 0).shape),
    "zeros by keyword": lambda torch: torch.zeros(size=(2, 3)),
    "zeros of nothing": lambda torch: torch.zeros(()),
    "zeros with tensor sizes": lambda torch: torch.zeros(torch.tensor(2), 3),
    "zeros with NumPy sizes": lambda torch: torch.zeros(np.int64(2), 3),
    "ones with out": lambda torch: torch.ones(2, out=torch.empty(2, dtype=torch.int32)),
    "a negative size": lambda torch: torch.zeros(-1),
    "a negative size among others": lambda torch: torch.ones(2, -3, 4),
    "a negative size in empty": lambda torch: torch.empty((2, -1)),
    "a negative size in full": lambda torch: torch.full((-2,), 1),
    "a negative size in new_zeros": lambda torch: torch.zeros(2).new_zeros(-1),
    "a float size": lambda torch: torch.zeros(2.5),
    "a float size in a tuple": lambda torch: torch.zeros((2.5, 1)),
    "a string size": lambda torch: torch.zeros("a"),
    "a size of None": lambda torch: torch.zeros(None),
    "a bad dtype": lambda torch: torch.zeros(2, dtype="float32"),
    "a Python type as dtype": lambda torch: torch.zeros(2, dtype=float),
    "an int type as dtype": lambda torch: torch.ones(2, dtype=int),
    "a bool type as dtype": lambda torch: torch.tensor([1, 0], dtype=bool),
    "NumPy's dtype": lambda torch: torch.zeros(2, dtype=np.float32),
    "an unknown keyword": lambda torch: torch.zeros(2, foo=1),
    "a device by name": lambda torch: torch.zeros(2, device="cpu").device,
    "a device that is none": lambda torch: torch.zeros(2, device="gpu"),
    "a device of a wrong kind": lambda torch: torch.zeros(2, device=1.5),
    "requires_grad": lambda torch: torch.zeros(2, requires_grad=True).requires_grad,
    "ints cannot require grad": lambda torch: torch.zeros(2, dtype=torch.int64, requires_grad=True),
    "an int tensor cannot require grad": lambda torch: torch.tensor([1, 2], requires_grad=True),
    "ones_like of a transposed tensor": lambda torch: torch.ones_like(torch.zeros(2, 3).t()),
    "ones_like made contiguous": lambda torch: torch.ones_like(torch.zeros(2, 3).t(), memory_format=torch.contiguous_format),
    "zeros_like of a slice": lambda torch: torch.zeros_like(torch.zeros(4, 6)[::2, ::3]),
    "zeros_like of an expanded tensor": lambda torch: torch.zeros_like(torch.zeros(1, 3).expand(2, 3)),
    "zeros_like of a permuted tensor": lambda torch: torch.zeros_like(torch.zeros(2, 3, 4).permute(2, 0, 1)),
    "zeros_like with a dtype": lambda torch: torch.zeros_like(torch.zeros(2), dtype=torch.bool),
    "zeros_like of a list": lambda torch: torch.zeros_like([1, 2]),
    "empty_strided": lambda torch: torch.empty_strided((2, 3), (1, 2)).stride(),
    "empty_permuted": lambda torch: torch.empty_permuted((2, 3, 4), (2, 0, 1)).stride(),
    "new_tensor keeps the dtype": lambda torch: torch.zeros(1, dtype=torch.int16).new_tensor([1.7, 2]),
    "new_tensor with a dtype": lambda torch: torch.zeros(1).new_tensor([1, 2], dtype=torch.int32),
    "new_full": lambda torch: torch.zeros(1, dtype=torch.int64).new_full((2,), 2.9),
    "new_zeros by keyword": lambda torch: torch.zeros(1).new_zeros(size=(2,)),
    "new_empty_strided": lambda torch: torch.zeros(1).new_empty_strided((2, 2), (1, 2)).stride(),
    "channels last": lambda torch: torch.empty(2, 3, 4, 5, memory_format=torch.channels_last).stride(),
    "channels last of a wrong rank": lambda torch: torch.empty(2, 3, memory_format=torch.channels_last),
    "scalar_tensor": lambda torch: [torch.scalar_tensor(3), torch.scalar_tensor(2.5, dtype=torch.float64)],
    "zeros_like keeps no grad": lambda torch: torch.zeros_like(torch.ones(2, requires_grad=True)).requires_grad,
}


@programs(FILLED)
def test_filled_tensors(program):
    same(program)


RANGES = {
    "arange of an int": lambda torch: torch.arange(5),
    "arange of a float": lambda torch: torch.arange(2.5),
    "arange from, to": lambda torch: torch.arange(2, 7),
    "arange with a step": lambda torch: torch.arange(2, 11, 3),
    "arange downwards": lambda torch: torch.arange(5, 0, -2),
    "arange with a float step": lambda torch: torch.arange(0, 1, 0.1),
    "arange with a float step downwards": lambda torch: torch.arange(1, 0, -0.25),
    "arange with a dtype": lambda torch: torch.arange(5, dtype=torch.float32),
    "arange of floats as ints": lambda torch: torch.arange(0.5, 5.7, 1.3, dtype=torch.int64),
    "arange of nothing": lambda torch: torch.arange(0),
    "arange in bfloat16": lambda torch: torch.arange(0, 2, 0.3, dtype=torch.bfloat16),
    "arange in float16": lambda torch: torch.arange(0, 700, 7.7, dtype=torch.float16),
    "arange in uint8": lambda torch: torch.arange(250, 256, dtype=torch.uint8),
    "arange by keywords": lambda torch: torch.arange(start=1, end=4, step=2),
    "arange with end by keyword": lambda torch: torch.arange(end=4),
    "arange with 0-d tensors": lambda torch: torch.arange(torch.tensor(1), torch.tensor(4)),
    "arange with a float tensor": lambda torch: torch.arange(torch.tensor(3.0)),
    "arange with out": lambda torch: torch.arange(3, out=torch.empty(0)),
    "arange against the sign": lambda torch: torch.arange(5, 0),
    "arange against the sign downwards": lambda torch: torch.arange(0, 5, -1),
    "arange with step 0": lambda torch: torch.arange(0, 5, 0),
    "arange to infinity": lambda torch: torch.arange(0, float("inf")),
    "arange to NaN": lambda torch: torch.arange(0, float("nan")),
    "arange of a string": lambda torch: torch.arange("a"),
    "arange of nothing at all": lambda torch: torch.arange(),
    "arange of bools": lambda torch: torch.arange(True),
    "arange asking for bool": lambda torch: torch.arange(2, dtype=torch.bool),
    "arange of large ints": lambda torch: torch.arange(2**60, 2**60 + 3),
    "range": lambda torch: torch.range(1, 4),
    "range with a step": lambda torch: torch.range(1, 4, 0.5),
    "range with step 0": lambda torch: torch.range(1, 4, 0),
    "linspace": lambda torch: torch.linspace(0, 1, 7),
    "linspace of one": lambda torch: torch.linspace(2, 5, 1),
    "linspace of none": lambda torch: torch.linspace(2, 5, 0),
    "linspace of ints": lambda torch: torch.linspace(0, 10, 4, dtype=torch.int64),
    "linspace downwards": lambda torch: torch.linspace(3, -10, 9),
    "linspace in float64": lambda torch: torch.linspace(-3, 10, 50, dtype=torch.float64),
    "linspace in float16": lambda torch: torch.linspace(-3, 10, 21, dtype=torch.float16),
    "linspace in bfloat16": lambda torch: torch.linspace(-3, 10, 21, dtype=torch.bfloat16),
    "linspace in complex": lambda torch: torch.linspace(0, 1 + 1j, 4, dtype=torch.complex64),
    "linspace with complex bounds": lambda torch: torch.linspace(0, 1j, 3),
    "linspace by keywords": lambda torch: torch.linspace(start=0, end=1, steps=3),
    "linspace with tensors": lambda torch: torch.linspace(torch.tensor(0.0), torch.tensor(3.0), 4),
    "linspace with negative steps": lambda torch: torch.linspace(0, 1, -1),
    "linspace in uint8": lambda torch: torch.linspace(0, 255, 6, dtype=torch.uint8),
    "linspace with out": lambda torch: torch.linspace(0, 1, 3, out=torch.empty(3, dtype=torch.float64)),
    "logspace": lambda torch: torch.logspace(-2, 2, 5),
    "logspace of base 2": lambda torch: torch.logspace(0, 10, 11, base=2, dtype=torch.float64),
    "logspace of ints": lambda torch: torch.logspace(0, 4, 5, base=2, dtype=torch.int64),
    "logspace of one": lambda torch: torch.logspace(1, 2, 1),
    "logspace with negative steps": lambda torch: torch.logspace(0, 1, -1),
    "eye": lambda torch: torch.eye(3),
    "eye of a rectangle": lambda torch: torch.eye(2, 4, dtype=torch.int64),
    "eye of nothing": lambda torch: torch.eye(0),
    "eye of bools": lambda torch: torch.eye(2, dtype=torch.bool),
    "eye of a negative size": lambda torch: torch.eye(-1),
    "eye of a negative width": lambda torch: torch.eye(1, -1),
    "eye of a float": lambda torch: torch.eye(2.0),
    "tril_indices": lambda torch: torch.tril_indices(3, 4, 1),
    "triu_indices": lambda torch: torch.triu_indices(3, 3, offset=1, dtype=torch.int32),
    "complex from parts": lambda torch: torch.complex(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])),
    "complex from parts of two types": lambda torch: torch.complex(torch.ones(1), torch.ones(1, dtype=torch.float64)),
    "complex from ints": lambda torch: torch.complex(torch.ones(1, dtype=torch.int64), torch.ones(1, dtype=torch.int64)),
    "polar": lambda torch: torch.polar(torch.tensor([1.0, 2.0]), torch.tensor([0.5, 3.0])),
    "heaviside of made values": lambda torch: torch.heaviside(torch.tensor([-1.0, 0, 1]), torch.tensor(0.5)),
}


@programs(RANGES)
def test_ranges_and_grids(program):
    same(program)


LEGACY = {
    "Tensor of sizes": lambda torch: torch.Tensor(2, 3).shape,
    "Tensor of a list": lambda torch: torch.Tensor([1, 2, 3]),
    "Tensor of nested lists": lambda torch: torch.Tensor([[1, 2], [3, 4]]),
    "Tensor of nothing": lambda torch: torch.Tensor(),
    "Tensor of a Size": lambda torch: torch.Tensor(torch.Size([2, 2])).shape,
    "Tensor of a tensor shares memory": lambda torch: (lambda x, y: (y.add_(1), x))(x := torch.zeros(2), torch.Tensor(x)),
    "Tensor of a tensor of another dtype": lambda torch: torch.Tensor(torch.tensor([1, 2])),
    "Tensor of a float": lambda torch: torch.Tensor(1.5),
    "Tensor of an array": lambda torch: torch.Tensor(np.array([1, 2])),
    "Tensor of a tuple": lambda torch: torch.Tensor((1, 2)),
    "Tensor of None": lambda torch: torch.Tensor(None),
    "Tensor of a string": lambda torch: torch.Tensor("abc"),
    "Tensor of a negative size": lambda torch: torch.Tensor(-1),
    "FloatTensor of a list": lambda torch: torch.FloatTensor([1, 2]),
    "LongTensor of a list": lambda torch: torch.LongTensor([1, 2]),
    "LongTensor of sizes": lambda torch: torch.LongTensor(2, 3).shape,
    "LongTensor of floats": lambda torch: torch.LongTensor([1.7, 2]),
    "BoolTensor": lambda torch: torch.BoolTensor([0, 1, 2]),
    "ByteTensor": lambda torch: torch.ByteTensor([1, 255]),
    "DoubleTensor": lambda torch: torch.DoubleTensor([1, 2.5]),
    "HalfTensor": lambda torch: torch.HalfTensor([1, 2.5]),
    "IntTensor of an array": lambda torch: torch.IntTensor(np.array([1, 2], np.int32)),
    "isinstance of a typed class": lambda torch: [
        isinstance(torch.zeros(1), torch.FloatTensor),
        isinstance(torch.zeros(1), torch.LongTensor),
        isinstance(torch.zeros(1), torch.Tensor),
        isinstance(1, torch.FloatTensor),
    ],
    "type names": lambda torch: [
        torch.zeros(1, dtype=d).type() for d in (torch.int64, torch.float16, torch.bool, torch.complex64, torch.bfloat16)
    ],
    "type to a string": lambda torch: torch.ones(2).type("torch.LongTensor"),
    "type to a class": lambda torch: torch.ones(2).type(torch.DoubleTensor),
    "type to a dtype": lambda torch: torch.ones(2).type(torch.int8),
    "type to a wrong string": lambda torch: torch.ones(2).type("torch.FooTensor"),
    "type of the same dtype is itself": lambda torch: (lambda x: x.type(torch.float32) is x)(torch.ones(2)),
    "type_as": lambda torch: torch.ones(2).type_as(torch.zeros(1, dtype=torch.int32)),
    "new": lambda torch: torch.zeros(2, dtype=torch.int32).new([1, 2]),
    "new of sizes": lambda torch: torch.zeros(2, dtype=torch.int32).new(2, 3).shape,
    "new of nothing": lambda torch: torch.zeros(2).new(),
}


@programs(LEGACY)
def test_legacy_constructors(program):
    same(program)


def test_the_default_dtype_decides_what_floats_become():
    def program(torch):
        torch.set_default_dtype(torch.float64)
        try:
            return [
                torch.tensor(1.5), torch.zeros(2), torch.tensor([1j]), torch.full((1,), 2.0), torch.arange(0.0, 1.0, 0.5),
                torch.linspace(0, 1, 3), torch.tensor([1]) / 2, torch.Tensor([1]), torch.eye(2), torch.get_default_dtype(),
            ]  # fmt: skip
        finally:
            torch.set_default_dtype(torch.float32)

    same(program)


BAD_DEFAULTS = {
    "an int dtype": lambda torch: torch.set_default_dtype(torch.int64),
    "a string": lambda torch: torch.set_default_dtype("float32"),
}


@programs(BAD_DEFAULTS)
def test_a_bad_default_dtype_is_refused(program):
    same(program)
