"""Memory that tensors share: with NumPy, with each other, through DLPack; copies, pickles and deep copies."""

import copy
import io
import pickle

import numpy as np

from tests.programs import programs, same


def _written(array, index, value):
    array[index] = value
    return array


SHARED = {
    "a write to the array is seen": lambda torch: (lambda a, t: (_written(a, 0, 9), t))(a := np.zeros(3), torch.from_numpy(a))[1],
    "a write to the tensor is seen": lambda torch: (lambda a, t: (t.add_(1), a.copy()))(a := np.zeros(3), torch.from_numpy(a))[1],
    "an item write to the tensor is seen": lambda torch: (lambda a, t: (t.__setitem__(1, 5), a.copy()))(a := np.zeros(3), torch.from_numpy(a))[1],
    "a write to numpy() is seen": lambda torch: (lambda t: (_written(t.numpy(), 0, 9), t))(torch.zeros(3))[1],
    "a write after numpy() is seen in the array": lambda torch: (lambda t, a: (t.mul_(2), a.copy()))(t := torch.ones(3), t.numpy())[1],
    "numpy() of a view shares": lambda torch: (lambda t, a: (_written(a, 0, 9), t))(t := torch.zeros(2, 3), t[1].numpy())[1],
    "numpy() of a transposed view shares": lambda torch: (lambda t, a: (_written(a, (2, 1), 9), t, a.strides))(t := torch.zeros(2, 3), t.t().numpy())[1:],
    "numpy() of a strided slice shares": lambda torch: (lambda t, a: (_written(a, 1, 9), t))(t := torch.zeros(6), t[1::2].numpy())[1],
    "numpy() of an expanded tensor": lambda torch: torch.ones(1, 3).expand(2, 3).numpy().strides,
    "views of from_numpy see the array": lambda torch: (lambda a, v: (_written(a, (0, 1), 7), v))(a := np.zeros((2, 2)), torch.from_numpy(a).t())[1],
    "writes through views reach the array": lambda torch: (lambda a, v: (v.fill_(3), a.copy()))(a := np.zeros((2, 2)), torch.from_numpy(a)[0])[1],
    "as_tensor of an array shares": lambda torch: (lambda a, t: (_written(a, 0, 9), t))(a := np.zeros(3), torch.as_tensor(a))[1],
    "as_tensor with another dtype copies": lambda torch: (lambda a, t: (_written(a, 0, 9), t))(a := np.zeros(3), torch.as_tensor(a, dtype=torch.float32))[1],
    "as_tensor of a tensor is itself": lambda torch: (lambda t: torch.as_tensor(t) is t)(torch.ones(2)),
    "tensor of an array copies": lambda torch: (lambda a, t: (_written(a, 0, 9), t))(a := np.zeros(3), torch.tensor(a))[1],
    "asarray of an array shares": lambda torch: (lambda a, t: (_written(a, 0, 9), t))(a := np.zeros(3), torch.asarray(a))[1],
    "asarray with copy": lambda torch: (lambda a, t: (_written(a, 0, 9), t))(a := np.zeros(3), torch.asarray(a, copy=True))[1],
    "asarray of a tensor is itself": lambda torch: (lambda t: torch.asarray(t) is t)(torch.ones(2)),
    "asarray of a list": lambda torch: torch.asarray([1, 2.5]),
    "asarray without copy of a list": lambda torch: torch.asarray([1, 2], copy=False),
    "asarray without copy to another dtype": lambda torch: torch.asarray(torch.ones(2), dtype=torch.int32, copy=False),
    "asarray with requires_grad": lambda torch: torch.asarray([1.0], requires_grad=True).requires_grad,
    "frombuffer shares": lambda torch: (lambda b, t: (t.add_(1), bytes(b)))(b := bytearray(b"abcd"), torch.frombuffer(b, dtype=torch.uint8))[1],
    "frombuffer with count and offset": lambda torch: torch.frombuffer(bytearray(range(16)), dtype=torch.int16, count=2, offset=4),
    "frombuffer of nothing": lambda torch: torch.frombuffer(bytearray(), dtype=torch.uint8),
    "frombuffer with a bad offset": lambda torch: torch.frombuffer(bytearray(4), dtype=torch.uint8, offset=9),
    "frombuffer of a ragged length": lambda torch: torch.frombuffer(bytearray(5), dtype=torch.int32),
    "frombuffer beyond the end": lambda torch: torch.frombuffer(bytearray(4), dtype=torch.int16, count=3),
    "frombuffer of a list": lambda torch: torch.frombuffer([1, 2], dtype=torch.int16),
    "from_numpy keeps strides": lambda torch: torch.from_numpy(np.arange(6).reshape(2, 3).T).stride(),
    "from_numpy of a slice": lambda torch: (lambda t: [t, t.stride(), t.is_contiguous()])(torch.from_numpy(np.arange(10)[::3])),
    "from_numpy of a flipped array": lambda torch: torch.from_numpy(np.arange(3)[::-1]),
    "from_numpy of a list": lambda torch: torch.from_numpy([1, 2]),
    "from_numpy of a scalar": lambda torch: torch.from_numpy(np.float32(1)),
    "from_numpy of strings": lambda torch: torch.from_numpy(np.array(["a"])),
    "from_numpy of big-endian": lambda torch: torch.from_numpy(np.arange(3, dtype=">i4")),
    "from_numpy of a 0-d array": lambda torch: torch.from_numpy(np.array(2.5)),
    "from_numpy of a structured array": lambda torch: torch.from_numpy(np.zeros(2, [("a", "i4")])),
    "numpy of a tensor that requires grad": lambda torch: torch.ones(2, requires_grad=True).numpy(),
    "numpy of a result that requires grad": lambda torch: (torch.ones(2, requires_grad=True) * 2).numpy(),
    "numpy by force": lambda torch: torch.ones(2, requires_grad=True).numpy(force=True),
    "np.asarray of a tensor that requires grad": lambda torch: np.asarray(torch.ones(2, requires_grad=True)),
    "numpy of bfloat16": lambda torch: torch.ones(2, dtype=torch.bfloat16).numpy(),
    "numpy of float8": lambda torch: torch.ones(2, dtype=torch.float8_e5m2).numpy(),
    "np.array of a tensor copies": lambda torch: (lambda t: (_written(np.array(t), 0, 9), t))(torch.zeros(3))[1],
    "np.asarray of a tensor shares": lambda torch: (lambda t: (_written(np.asarray(t), 0, 9), t))(torch.zeros(3))[1],
    "np.asarray with a dtype": lambda torch: np.asarray(torch.ones(2), np.int32),
    "detach shares": lambda torch: (lambda x: (x.detach().fill_(7), x))(torch.zeros(2))[1],
    "data shares": lambda torch: (lambda x: (x.data.fill_(7), x))(torch.zeros(2))[1],
    "assigning to data": lambda torch: (lambda x: (setattr(x, "data", torch.ones(3)), x))(torch.zeros(2))[1],
    "assigning to data of another dtype": lambda torch: (lambda x: (setattr(x, "data", torch.ones(3, dtype=torch.int32)), x))(torch.zeros(2))[1],
    "assigning no tensor to data": lambda torch: setattr(torch.zeros(2), "data", 3),
    "data_ptr of views": lambda torch: (lambda x: [x.data_ptr() == x.view(-1).data_ptr(), x.data_ptr() == x[0].data_ptr(), x[1].data_ptr() - x.data_ptr(), x.data_ptr() == x.clone().data_ptr(), x.detach().data_ptr() == x.data_ptr(), x.t().data_ptr() == x.data_ptr()])(torch.zeros(2, 3)),
    "data_ptr of an empty tensor": lambda torch: torch.zeros(0).data_ptr(),
    "is_set_to": lambda torch: (lambda x: [x.is_set_to(x.detach()), x.is_set_to(x.clone()), x.is_set_to(x.t()), x.view(3, 2).is_set_to(x)])(torch.zeros(2, 3)),
    "is_pinned": lambda torch: torch.zeros(2).is_pinned(),
}  # fmt: skip


@programs(SHARED)
def test_who_sees_a_write(program):
    same(program)


DLPACK = {
    "a round trip shares": lambda torch: (lambda x, y: (y.add_(1), x, y))(x := torch.zeros(3), torch.from_dlpack(x))[1:],
    "numpy imports a tensor": lambda torch: (lambda x, a: (x.add_(1), a.copy()))(x := torch.zeros(3), np.from_dlpack(x))[1],
    "a tensor imports an array": lambda torch: (lambda a, x: (_written(a, 0, 9), x))(a := np.zeros(3), torch.from_dlpack(a))[1],
    "a view goes too": lambda torch: np.from_dlpack(torch.arange(6).reshape(2, 3).t()),
    "the device": lambda torch: tuple(map(int, torch.zeros(2).__dlpack_device__())),
    "a tensor that requires grad": lambda torch: torch.ones(2, requires_grad=True).__dlpack__(),
    "a list": lambda torch: torch.from_dlpack([1]),
    "to and from capsules": lambda torch: torch.utils.dlpack.from_dlpack(torch.utils.dlpack.to_dlpack(torch.arange(3))),
    "with a copy": lambda torch: (lambda a, x: (_written(a, 0, 9), x))(a := np.zeros(3), torch.from_dlpack(a, copy=True))[1],
}


@programs(DLPACK)
def test_dlpack(program):
    same(program)


def _pickled(x, protocol=2):
    return pickle.loads(pickle.dumps(x, protocol))


COPIES = {
    "deepcopy keeps requires_grad": lambda torch: (lambda y: [y, y.requires_grad])(copy.deepcopy(torch.ones(2, requires_grad=True))),
    "deepcopy copies": lambda torch: (lambda x: (copy.deepcopy(x).fill_(9), x))(torch.zeros(2))[1],
    "deepcopy keeps grad": lambda torch: (lambda x: (x.sum().backward(), copy.deepcopy(x).grad))(torch.ones(2, requires_grad=True))[1],
    "deepcopy keeps sharing": lambda torch: (lambda x: (lambda p: (p[0].fill_(9), p[1]))(copy.deepcopy([x, x.view(-1)])))(torch.zeros(2, 2))[1],
    "deepcopy keeps sharing with slices": lambda torch: (lambda x: (lambda p: (p[1].fill_(9), p[0]))(copy.deepcopy([x, x[1]])))(torch.zeros(2, 2))[1],
    "deepcopy of the same tensor twice": lambda torch: (lambda x: (lambda p: p[0] is p[1])(copy.deepcopy([x, x])))(torch.zeros(2)),
    "deepcopy of a view alone": lambda torch: (lambda y: [y, y.stride(), y.storage_offset(), y._is_view()])(copy.deepcopy(torch.arange(6).reshape(2, 3).t()[1])),
    "deepcopy of a non-leaf": lambda torch: copy.deepcopy(torch.ones(2, requires_grad=True) * 2),
    "deepcopy of a detached slice": lambda torch: copy.deepcopy(torch.ones(2, requires_grad=True).detach()[1:]),
    "deepcopy of a Parameter": lambda torch: (lambda y: [type(y).__name__, y.requires_grad, y])(copy.deepcopy(torch.nn.Parameter(torch.ones(2)))),
    "deepcopy keeps attributes": lambda torch: (lambda x: (setattr(x, "tag", [1]), copy.deepcopy(x).tag))(torch.ones(2))[1],
    "copy shares": lambda torch: (lambda x: (copy.copy(x).fill_(9), x))(torch.zeros(2))[1],
    "pickle": lambda torch: _pickled(torch.arange(6).reshape(2, 3)),
    "pickle of a transposed tensor": lambda torch: (lambda y: [y, y.stride()])(_pickled(torch.arange(6).reshape(2, 3).t())),
    "pickle keeps requires_grad": lambda torch: _pickled(torch.ones(2, requires_grad=True)).requires_grad,
    "pickle of a Parameter": lambda torch: (lambda y: [type(y).__name__, y.requires_grad, y])(_pickled(torch.nn.Parameter(torch.ones(2), requires_grad=False))),
    "pickle keeps attributes": lambda torch: (lambda x: (setattr(x, "tag", 5), _pickled(x).tag))(torch.ones(2))[1],
    "pickle of bfloat16": lambda torch: _pickled(torch.ones(2, dtype=torch.bfloat16)),

    "pickle of a 0-d tensor": lambda torch: _pickled(torch.tensor(2.5)),
    "pickle of an empty tensor": lambda torch: _pickled(torch.zeros(0, 3)),
    "pickle of a dtype": lambda torch: [_pickled(torch.float32) is torch.float32, _pickled(torch.bool) is torch.bool, _pickled(torch.int64) is torch.int64],
    "pickle of a Size": lambda torch: (lambda s: [s, type(s).__name__])(_pickled(torch.Size([2, 3]))),
    "pickle of a device": lambda torch: _pickled(torch.device("cpu")),
    "pickle keeps sharing": lambda torch: (lambda x: (lambda p: (p[0].fill_(9), p[1]))(_pickled([x, x.view(-1)])))(torch.zeros(2, 2))[1],
    "pickle of a non-leaf": lambda torch: (lambda y: [y.requires_grad, y.is_leaf, y])(_pickled(torch.ones(2, requires_grad=True) * 2)),
    "pickle with protocol 5": lambda torch: _pickled(torch.arange(3), 5),
    "copy.deepcopy of a Size": lambda torch: type(copy.deepcopy(torch.Size([2]))).__name__,
    "clone": lambda torch: (lambda x: (x.clone().fill_(9), x))(torch.zeros(2))[1],
    "clone keeps strides": lambda torch: [torch.zeros(2, 3).t().clone().stride(), torch.zeros(4, 6)[::2, ::2].clone().stride(), torch.zeros(1, 3).expand(2, 3).clone().stride()],
    "clone to a format": lambda torch: torch.zeros(2, 3).t().clone(memory_format=torch.contiguous_format).stride(),
    "saved and loaded": lambda torch: (lambda f: (torch.save([torch.arange(3), {"a": torch.ones(2)}], f), f.seek(0), torch.load(f)))(io.BytesIO())[2],
}  # fmt: skip


@programs(COPIES)
def test_copies_and_pickles(program):
    same(program)
