"""Views: what they show, how they lie in memory, and who sees a write; in-place view ops, as_strided, set_, resize_."""

import itertools

import pytest

from tests.differential import library
from tests.programs import Table, programs, same


def _facts(base, v):
    return [v, list(v.shape), v.stride(), v.storage_offset(), v.is_contiguous(), v.data_ptr() - base.data_ptr() if v._is_view() and v.numel() else v.data_ptr() == base.data_ptr(),
            v._is_view(), v._base is base]  # fmt: skip


VIEWS = {
    "view": lambda x: x.view(6, 4),
    "view with -1": lambda x: x.view(-1, 2),
    "view to one": lambda x: x.view(-1),
    "view of the same shape": lambda x: x.view(2, 3, 4),
    "view with ones": lambda x: x.view(1, 2, 1, 12, 1),
    "reshape": lambda x: x.reshape(4, 6),
    "reshape of a transposed tensor that fits": lambda x: x.transpose(0, 1).reshape(3, 2, 2, 2),
    "flatten": lambda x: x.flatten(),
    "flatten two": lambda x: x.flatten(1),
    "unflatten": lambda x: x.unflatten(2, (2, 2)),
    "unflatten with -1": lambda x: x.unflatten(-1, (-1, 2)),
    "transpose": lambda x: x.transpose(0, 2),
    "transpose negative": lambda x: x.transpose(-1, -2),
    "swapaxes": lambda x: x.swapaxes(0, 1),
    "permute": lambda x: x.permute(2, 0, 1),
    "permute identity": lambda x: x.permute(0, 1, 2),
    "movedim": lambda x: x.movedim(0, -1),
    "movedim several": lambda x: x.movedim((0, 1), (1, 2)),
    "T": lambda x: x[0].T,
    "mT": lambda x: x.mT,
    "t": lambda x: x[1].t(),
    "t of a vector": lambda x: x[1, 1].t(),
    "squeeze": lambda x: x.unsqueeze(0).squeeze(),
    "squeeze a dim": lambda x: x.unsqueeze(1).squeeze(1),
    "squeeze a dim that is not one": lambda x: x.squeeze(1),
    "squeeze several": lambda x: x[:1, :1].squeeze((0, 1)),
    "unsqueeze 0": lambda x: x.unsqueeze(0),
    "unsqueeze 1": lambda x: x.unsqueeze(1),
    "unsqueeze -1": lambda x: x.unsqueeze(-1),
    "unsqueeze of a transposed tensor": lambda x: x.transpose(0, 2).unsqueeze(1),
    "expand": lambda x: x.unsqueeze(0).expand(5, 2, 3, 4),
    "expand with -1": lambda x: x[:, :1].expand(-1, 3, -1),
    "expand more": lambda x: x.expand(1, 1, 2, 3, 4),
    "expand_as": lambda x: x[:1].expand_as(x),
    "broadcast_to": lambda x: x[:1].broadcast_to((2, 3, 4)),
    "select": lambda x: x.select(1, 2),
    "select negative": lambda x: x.select(-1, -1),
    "narrow": lambda x: x.narrow(2, 1, 2),
    "narrow negative": lambda x: x.narrow(2, -3, 2),
    "narrow nothing": lambda x: x.narrow(1, 3, 0),
    "index": lambda x: x[1],
    "index twice": lambda x: x[1, 2],
    "index thrice": lambda x: x[1, 2, 3],
    "negative index": lambda x: x[-1, :, -2],
    "slices": lambda x: x[:, 1:, ::2],
    "a slice from behind": lambda x: x[..., -2:],
    "a slice beyond": lambda x: x[:, 1:100],
    "an empty slice": lambda x: x[:, 3:1],
    "a slice with a step": lambda x: x[:, ::2, 1::2],
    "a slice with a large step": lambda x: x[:, :, ::100],
    "None": lambda x: x[None, :, None],
    "Ellipsis": lambda x: x[..., 0],
    "Ellipsis in the middle": lambda x: x[1, ..., 1],
    "Ellipsis alone": lambda x: x[...],
    "a full slice": lambda x: x[:],
    "an empty tuple": lambda x: x[()],
    "diagonal": lambda x: x.diagonal(),
    "diagonal of others": lambda x: x.diagonal(1, 1, 2),
    "diagonal below": lambda x: x.diagonal(-1, -2, -1),
    "diagonal beyond": lambda x: x.diagonal(7, 0, 1),
    "unfold": lambda x: x.unfold(2, 2, 1),
    "unfold with a step": lambda x: x.unfold(1, 2, 2),
    "as_strided": lambda x: x.as_strided((2, 2), (3, 1), 5),
    "as_strided overlapping": lambda x: x.as_strided((3, 3), (1, 1)),
    "as_strided of a view": lambda x: x[1].as_strided((2, 2), (4, 1)),
    "as_strided of a view with an offset": lambda x: x[1].as_strided((2, 2), (4, 1), 1),
    "detach": lambda x: x.detach(),
    "data": lambda x: x.data,
    "view_as": lambda x: x.view_as(x[...].view(4, 6)),
    "view_as_real": lambda x: __import__("operator").methodcaller("view", x.dtype)(x),
    "alias": lambda x: x.view(2, 3, 4)[...],
    "chained": lambda x: x.transpose(0, 2)[1:].unsqueeze(0).select(2, 1)[..., None],
    "chained reshape": lambda x: x.permute(2, 0, 1)[1:3].reshape(-1, 6)[1],
    "contiguous": lambda x: x.contiguous(),
    "contiguous of a transposed tensor": lambda x: x.transpose(0, 1).contiguous(),
}


@pytest.mark.parametrize("make", list(VIEWS.values()), ids=list(VIEWS))
def test_a_view_lies_where_torch_puts_it(make):
    same(lambda torch: _facts(x := torch.arange(24.0).reshape(2, 3, 4).clone(), make(x)))


@pytest.mark.parametrize("name", list(VIEWS))
def test_writes_go_both_ways(name):
    make = VIEWS[name]

    def program(torch):
        x = torch.arange(24.0).reshape(2, 3, 4).clone()
        v = make(x)
        x.add_(100)
        seen = v.clone()
        if "overlapping" in name or name == "unfold":
            return seen, x  # torch computes elements that share memory one after the other
        try:
            v.mul_(2)
        except RuntimeError as e:
            return seen, x, str(e).split("\n")[0]
        x[0, 0, 0] = -1
        return seen, v, x, x._version, v._version

    same(program)


MULTI = {
    "split": lambda x: x.split(2, 2),
    "split unevenly": lambda x: x.split(2, 1),
    "split sizes": lambda x: x.split([1, 3], 2),
    "chunk": lambda x: x.chunk(2, 2),
    "chunk unevenly": lambda x: x.chunk(2, 1),
    "chunk too many": lambda x: x.chunk(9, 1),
    "tensor_split": lambda x: x.tensor_split(3, 2),
    "tensor_split at": lambda x: x.tensor_split((1, 3), 2),
    "tensor_split at beyond": lambda x: x.tensor_split((1, 9, -1), 2),
    "unbind": lambda x: x.unbind(1),
    "hsplit": lambda x: x.hsplit(3),
    "vsplit": lambda x: x.vsplit(2),
    "dsplit": lambda x: x.dsplit([1]),
    "iteration": lambda x: tuple(x),
    "split_with_sizes": lambda x: x.split_with_sizes([2, 1], 1),
    "unsafe_split": lambda x: x.unsafe_split(2, 2),
    "unsafe_chunk": lambda x: x.unsafe_chunk(2, 2),
}


@pytest.mark.parametrize("make", list(MULTI.values()), ids=list(MULTI))
def test_several_views_at_once(make):
    def program(torch):
        x = torch.arange(24.0).reshape(2, 3, 4).clone()
        parts = make(x)
        facts = [(p, p.stride(), p.storage_offset(), p._is_view()) for p in parts]
        parts[0].fill_(-1)
        return type(parts).__name__, facts, x

    same(program)


REFUSED = {
    "view of a transposed tensor": lambda torch: torch.zeros(2, 3).t().view(6),
    "view to a wrong size": lambda torch: torch.zeros(2, 3).view(5),
    "view with two unknowns": lambda torch: torch.zeros(2, 3).view(-1, -1),
    "view with an unknown that does not fit": lambda torch: torch.zeros(2, 3).view(4, -1),
    "view with a negative size": lambda torch: torch.zeros(2, 3).view(-2, 3),
    "view of nothing with an unknown": lambda torch: torch.zeros(0, 3).view(0, -1),
    "view of nothing": lambda torch: torch.zeros(0, 3).view(3, 0),
    "reshape to a wrong size": lambda torch: torch.zeros(2, 3).reshape(5),
    "expand a dim that is not one": lambda torch: torch.zeros(2, 3).expand(4, 3),
    "expand to fewer dims": lambda torch: torch.zeros(2, 3).expand(3),
    "expand with -1 in front": lambda torch: torch.zeros(3).expand(-1, 3),
    "expand to a negative size": lambda torch: torch.zeros(1).expand(-2),
    "permute with too few": lambda torch: torch.zeros(2, 3).permute(0),
    "permute with repeats": lambda torch: torch.zeros(2, 3).permute(0, 0),
    "permute out of range": lambda torch: torch.zeros(2, 3).permute(0, 2),
    "transpose out of range": lambda torch: torch.zeros(2, 3).transpose(0, 2),
    "transpose of a 0-d tensor": lambda torch: torch.zeros(()).transpose(0, 1),
    "t of three dimensions": lambda torch: torch.zeros(2, 3, 4).t(),
    "movedim with repeats": lambda torch: torch.zeros(2, 3, 4).movedim((0, 0), (1, 2)),
    "movedim with repeated destinations": lambda torch: torch.zeros(2, 3, 4).movedim((0, 1), (1, 1)),
    "movedim with unequal numbers": lambda torch: torch.zeros(2, 3, 4).movedim((0, 1), (1,)),
    "squeeze out of range": lambda torch: torch.zeros(2, 3).squeeze(2),
    "unsqueeze out of range": lambda torch: torch.zeros(2, 3).unsqueeze(4),
    "select out of range": lambda torch: torch.zeros(2, 3).select(0, 2),
    "select a bad dim": lambda torch: torch.zeros(2, 3).select(2, 0),
    "select of a 0-d tensor": lambda torch: torch.zeros(()).select(0, 0),
    "narrow beyond": lambda torch: torch.zeros(2, 3).narrow(1, 2, 2),
    "narrow from beyond": lambda torch: torch.zeros(2, 3).narrow(1, 4, 1),
    "narrow with a negative length": lambda torch: torch.zeros(2, 3).narrow(1, 0, -1),
    "narrow of a 0-d tensor": lambda torch: torch.zeros(()).narrow(0, 0, 1),
    "split of zero": lambda torch: torch.zeros(2, 3).split(0),
    "split of a negative size": lambda torch: torch.zeros(2, 3).split(-1),
    "split of wrong sizes": lambda torch: torch.zeros(2, 3).split([1, 1], 1),
    "split of a negative among the sizes": lambda torch: torch.zeros(2, 3).split([4, -1], 1),
    "split of a 0-d tensor": lambda torch: torch.zeros(()).split(1),
    "chunk of zero": lambda torch: torch.zeros(2, 3).chunk(0),
    "chunk of a 0-d tensor": lambda torch: torch.zeros(()).chunk(1),
    "tensor_split of zero": lambda torch: torch.zeros(2, 3).tensor_split(0),
    "hsplit that does not divide": lambda torch: torch.zeros(2, 3).hsplit(2),
    "vsplit of a vector": lambda torch: torch.zeros(3).vsplit(3),
    "dsplit of a matrix": lambda torch: torch.zeros(3, 3).dsplit(3),
    "unbind of a 0-d tensor": lambda torch: torch.zeros(()).unbind(),
    "diagonal of one dim": lambda torch: torch.zeros(2, 3).diagonal(0, 1, 1),
    "diagonal of a vector": lambda torch: torch.zeros(3).diagonal(),
    "unfold beyond": lambda torch: torch.zeros(3).unfold(0, 4, 1),
    "unfold with step 0": lambda torch: torch.zeros(3).unfold(0, 2, 0),
    "unfold with a negative size": lambda torch: torch.zeros(3).unfold(0, -1, 1),
    "unflatten that does not fit": lambda torch: torch.zeros(2, 3).unflatten(1, (2, 2)),
    "unflatten to nothing": lambda torch: torch.zeros(2, 3).unflatten(1, ()),
    "flatten backwards": lambda torch: torch.zeros(2, 3, 4).flatten(2, 1),
    "flatten out of range": lambda torch: torch.zeros(2, 3, 4).flatten(0, 3),
    "as_strided out of bounds": lambda torch: torch.zeros(4).as_strided((3, 3), (1, 2)),
    "as_strided of unequal lengths": lambda torch: torch.zeros(4).as_strided((2,), (1, 1)),
    "as_strided with a negative stride": lambda torch: torch.zeros(4).as_strided((2,), (-1,)),
    "a write to an expanded tensor": lambda torch: torch.zeros(1, 3).expand(2, 3).add_(1),
    "a copy into an expanded tensor": lambda torch: torch.zeros(1, 3).expand(2, 3).copy_(torch.ones(2, 3)),
    "filling an expanded tensor": lambda torch: torch.zeros(1, 3).expand(2, 3).fill_(1),
    "an item of an expanded tensor": lambda torch: torch.zeros(1, 3).expand(2, 3).__setitem__((0, 0), 1),
    "real of a real tensor is itself": lambda torch: (lambda x: x.real is x)(torch.ones(2)),
    "view_as_real of a real tensor": lambda torch: torch.view_as_real(torch.ones(2)),
    "view_as_complex of a wrong size": lambda torch: torch.view_as_complex(torch.ones(3)),
    "view_as_complex of ints": lambda torch: torch.view_as_complex(torch.ones(2, dtype=torch.int64)),
    "view_as_complex of a 0-d tensor": lambda torch: torch.view_as_complex(torch.ones(())),
    "view_as_complex of a wrong stride": lambda torch: torch.view_as_complex(torch.ones(2, 3).t()),
    "view_as_complex of an odd offset": lambda torch: torch.view_as_complex(torch.ones(4)[1:3]),
    "broadcast_to that does not fit": lambda torch: torch.zeros(2, 3).broadcast_to((2, 2)),
    "broadcast_tensors": lambda torch: [list(t.shape) for t in torch.broadcast_tensors(torch.zeros(2, 1), torch.zeros(3))],
    "broadcast_tensors that do not fit": lambda torch: torch.broadcast_tensors(torch.zeros(2), torch.zeros(3)),
    "broadcast_shapes": lambda torch: torch.broadcast_shapes((2, 1), (3,), (1, 1, 1)),
    "broadcast_shapes that do not fit": lambda torch: torch.broadcast_shapes((2, 1), (3, 3), (4, 1)),
    "view of a string": lambda torch: torch.zeros(2).reshape("a"),
    "reshape of a float": lambda torch: torch.zeros(2).reshape(2.5),
    "permute of a float": lambda torch: torch.zeros(2).permute(0.5),
    "expand to a string": lambda torch: torch.zeros(2).expand("a"),
}


@programs(REFUSED)
def test_what_views_refuse(program):
    same(program)


DTYPE_VIEWS = Table()


@DTYPE_VIEWS
def the_same_width(torch):
    x = torch.tensor([1.0, -2.0])
    v = x.view(torch.int32)
    v[0] = 0
    return v, x


@DTYPE_VIEWS
def narrower(torch):
    x = torch.arange(4, dtype=torch.int32)
    v = x.view(torch.uint8)
    v[4] = 7
    return v, x, v.stride(), v.shape


@DTYPE_VIEWS
def wider(torch):
    x = torch.arange(16, dtype=torch.uint8)
    v = x.view(torch.int64)
    return v, v.stride(), x[8:].view(torch.int64).storage_offset()


@DTYPE_VIEWS
def wider_that_does_not_fit(torch):
    torch.arange(7, dtype=torch.uint8).view(torch.int32)


@DTYPE_VIEWS
def wider_at_a_bad_offset(torch):
    torch.arange(9, dtype=torch.uint8)[1:].view(torch.int32)


@DTYPE_VIEWS
def a_transposed_tensor(torch):
    torch.zeros(2, 4).t().view(torch.int16)


@DTYPE_VIEWS
def a_0_d_tensor(torch):
    return torch.tensor(1.0).view(torch.int32), torch.tensor(1.0).view(torch.int16)


@DTYPE_VIEWS
def bool_and_uint8(torch):
    return torch.tensor([True, False]).view(torch.uint8), torch.tensor([1, 0], dtype=torch.uint8).view(torch.bool)


@DTYPE_VIEWS
def bfloat16_bits(torch):
    return torch.tensor([1.0, -2.5]).bfloat16().view(torch.int16)


@DTYPE_VIEWS
def complex_and_real(torch):
    x = torch.tensor([[1 + 2j, 3 - 1j]])
    r = torch.view_as_real(x)
    r[0, 0, 1] = 9
    x.real[0, 1] = -5
    x.imag.mul_(2)
    y = torch.arange(8.0).reshape(2, 2, 2)
    c = torch.view_as_complex(y)
    c[0] = 1j
    return x, r, r.stride(), x.real, x.real.stride(), x.imag.storage_offset(), c, y, x.view(torch.float32)


@DTYPE_VIEWS
def the_gradient_of_a_view_of_another_dtype(torch):
    x = torch.ones(2, requires_grad=True)
    return x.view(torch.int32).requires_grad


@programs(DTYPE_VIEWS)
def test_views_of_another_dtype(program):
    same(program)


WRITES = Table()


@WRITES
def chains_of_views(torch):
    x = torch.arange(24.0).reshape(2, 3, 4).clone()
    a = x.transpose(0, 2)
    b = a[1:3]
    c = b.unsqueeze(1).select(2, 1)
    c.fill_(-1)
    seen = [t.clone() for t in (x, a, b, c)]
    x.zero_()
    b[0, 0] = 5
    return seen, x, a, b, c


@WRITES
def two_views_that_overlap(torch):
    x = torch.zeros(6)
    a, b = x[:4], x[2:]
    a.fill_(1)
    b.add_(10)
    a[3] = 7
    return x, a, b


@WRITES
def a_view_of_a_view_of_the_whole(torch):
    x = torch.zeros(2, 3)
    v = x.view(6).view(3, 2).t()
    v[1] = torch.tensor([1.0, 2.0, 3.0])
    return x, v


@WRITES
def a_write_from_itself(torch):
    x = torch.arange(6.0)
    x[1:] = x[:-1].clone()
    y = torch.arange(4.0).reshape(2, 2)
    y.copy_(y.t().clone())
    return x, y


@WRITES
def overlapping_copies(torch):
    x = torch.arange(6.0)
    x[1:].copy_(x[:-1] * 1)
    return x


@WRITES
def a_partial_overlap_is_refused(torch):
    x = torch.arange(6.0)
    torch.add(x[1:], 1, out=x[:-1])


@WRITES
def a_write_to_a_diagonal(torch):
    x = torch.zeros(3, 4)
    x.diagonal().fill_(1)
    x.diagonal(1).copy_(torch.tensor([5.0, 6.0, 7.0]))
    x.diagonal(-1)[0] = 9
    return x


@WRITES
def a_write_through_unfold(torch):
    x = torch.zeros(6)
    x.unfold(0, 2, 2).copy_(torch.arange(6.0).reshape(3, 2))
    return x


@WRITES
def a_write_through_as_strided(torch):
    x = torch.zeros(3, 3)
    x.as_strided((3,), (4,)).fill_(1)
    x.t().as_strided((2,), (1,), 1).add_(5)
    return x


@WRITES
def views_after_a_whole_write(torch):
    x = torch.zeros(2, 2)
    v = x[0]
    x.copy_(torch.arange(4.0).reshape(2, 2))
    return v, x


@WRITES
def views_of_a_data_swap(torch):
    x = torch.zeros(2, 2)
    v = x[0]
    x.data = torch.ones(2, 2)
    x.add_(1)
    return v, x


@WRITES
def augmented_assignment_to_an_item(torch):
    x = torch.arange(6.0).reshape(2, 3)
    x[0] += 10
    x[:, 1] *= -1
    x[1, 2] -= 0.5
    x[x > 9] /= 2
    x[[0, 1], [0, 0]] += 100
    return x


@WRITES
def iteration_writes(torch):
    x = torch.zeros(3, 2)
    for i, row in enumerate(x):
        row.add_(i)
    return x


@WRITES
def versions(torch):
    x = torch.zeros(3)
    v, d, w = x[0], x.detach(), x.data
    x.add_(1)
    v.add_(1)
    d.add_(1)
    w.add_(1)
    return [t._version for t in (x, v, d, w)]


@WRITES
def the_version_after_item_writes(torch):
    x = torch.zeros(3)
    x[0] = 1
    x[x > 0] = 2
    x[torch.tensor([0, 1])] = 3
    x.fill_(0)
    x.zero_()
    x.copy_(torch.ones(3))
    x.t_()
    x.unsqueeze_(0)
    return x._version


@WRITES
def in_place_view_ops(torch):
    x = torch.arange(6.0).reshape(2, 3)
    v = x[0]
    ids = [x.t_() is x, x.unsqueeze_(0) is x, x.squeeze_(0) is x, x.transpose_(0, 1) is x, x.swapaxes_(0, 1) is x]
    x[0] = -1
    return ids, x, x.stride(), v


@WRITES
def in_place_as_strided(torch):
    x = torch.arange(6.0)
    x.as_strided_((2, 2), (3, 1), 1)
    x[0, 0] = 99
    return x, x.stride(), x.storage_offset()


@WRITES
def set_to_another(torch):
    x, y = torch.zeros(2), torch.arange(4.0)
    x.set_(y)
    y.add_(1)
    x[0] = -1
    return x, y, x.data_ptr() == y.data_ptr()


@WRITES
def set_to_a_window(torch):
    x, y = torch.zeros(2), torch.arange(6.0)
    x.set_(y, 1, (2, 2), (2, 1))
    x[0, 0] = -1
    return x, y, x.stride(), x.storage_offset()


@WRITES
def set_to_nothing(torch):
    x = torch.zeros(2)
    x.set_()
    return x


@WRITES
def resize_smaller_and_back(torch):
    x = torch.arange(6.0)
    x.resize_(2, 2)
    y = x.clone()
    x.resize_(6)
    return y, x


@WRITES
def resize_keeps_the_tensor(torch):
    x = torch.zeros(0)
    return x.resize_(2, 3) is x, x.shape, x.stride()


@WRITES
def resize_as(torch):
    return torch.arange(6.0).resize_as_(torch.zeros(2, 2))


@WRITES
def resize_where_grad_is_required(torch):
    torch.zeros(2, requires_grad=True).resize_(4)


@WRITES
def swapping_through_a_tuple(torch):
    x = torch.tensor([1.0, 2.0])
    x[0], x[1] = x[1].clone(), x[0].clone()
    return x


@WRITES
def expanded_reads_after_writes(torch):
    x = torch.zeros(1, 3)
    e = x.expand(2, 3)
    x[0, 1] = 5
    return e, e.contiguous(), e.clone().stride()


@WRITES
def squeeze_in_place_of_a_view(torch):
    x = torch.zeros(1, 3)
    v = x[:, 1:]
    v.squeeze_(0)
    v[0] = 7
    return x, v, v.shape


@programs(WRITES)
def test_who_sees_what(program):
    same(program)


FORMATS = Table()


@FORMATS
def channels_last(torch):
    x = torch.arange(120.0).reshape(2, 3, 4, 5).to(memory_format=torch.channels_last)
    return [x, x.stride(), x.is_contiguous(), x.is_contiguous(memory_format=torch.channels_last), x.contiguous().stride(),
            x.clone().stride(), (x + 1).stride(), x.permute(0, 2, 3, 1).is_contiguous(), torch.empty_like(x).stride(), x.double().stride()]  # fmt: skip


@FORMATS
def channels_last_3d(torch):
    x = torch.zeros(1, 2, 3, 4, 5).contiguous(memory_format=torch.channels_last_3d)
    return x.stride(), x.is_contiguous(memory_format=torch.channels_last_3d)


@FORMATS
def channels_last_of_a_wrong_rank(torch):
    torch.zeros(2, 3).to(memory_format=torch.channels_last)


@FORMATS
def a_view_of_channels_last(torch):
    x = torch.zeros(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    return x[0].stride(), x[:, 1:].stride(), x.flatten(2).stride()


@FORMATS
def a_view_of_channels_last_refused(torch):
    torch.zeros(2, 3, 4, 5).contiguous(memory_format=torch.channels_last).view(-1)


@FORMATS
def writes_to_channels_last(torch):
    x = torch.arange(24.0).reshape(1, 2, 3, 4).contiguous(memory_format=torch.channels_last)
    v = x[0, 1]
    v.fill_(-1)
    x.as_strided((4,), (1,)).add_(100)
    return x, v


@FORMATS
def is_contiguous_with_ones(torch):
    x = torch.zeros(2, 1, 3)
    return [
        x.transpose(0, 1).is_contiguous(),
        x[:, :, :1].is_contiguous(),
        x[:1].transpose(0, 2).is_contiguous(),
        torch.zeros(0, 3).t().is_contiguous(),
    ]


@programs(FORMATS)
def test_memory_formats(program):
    same(program)


SHAPES = [(2, 3), (3,), (1, 3), (2, 1)]
LAYOUTS = {
    "contiguous": lambda x: x, "transposed": lambda x: x.t() if x.dim() == 2 else x, "sliced": lambda x: x[..., ::2],
    "expanded": lambda x: x[..., :1].expand_as(x),
}  # fmt: skip
ELEMENTWISE = {
    "add": lambda torch, a, b: a + b, "scalar": lambda torch, a, b: a * 2, "unary": lambda torch, a, b: a.exp(), "compare": lambda torch, a, b: a > b,
    "where": lambda torch, a, b: torch.where(a > b, a, b), "clamp": lambda torch, a, b: a.clamp(0, 1), "neg": lambda torch, a, b: -a,
    "relu": lambda torch, a, b: a.relu(), "sigmoid": lambda torch, a, b: torch.sigmoid(a), "maximum": lambda torch, a, b: torch.maximum(a, b),
    "not": lambda torch, a, b: ~(a > 0), "lerp": lambda torch, a, b: torch.lerp(a, b, 0.5), "pow": lambda torch, a, b: a**2, "gelu": lambda torch, a, b: torch.nn.functional.gelu(a),
    "to": lambda torch, a, b: a.to(torch.float64), "rand_like": lambda torch, a, b: torch.rand_like(a) * 0, "dropout": lambda torch, a, b: torch.nn.functional.dropout(a, 0.0),
    "masked_fill": lambda torch, a, b: a.masked_fill(a > 0, 1.0), "addcmul": lambda torch, a, b: torch.addcmul(a, a, b), "isnan": lambda torch, a, b: a.isnan(),
    "softmax": lambda torch, a, b: a.softmax(-1), "cumsum": lambda torch, a, b: a.cumsum(0), "sum": lambda torch, a, b: a.sum(0, keepdim=True), "flip": lambda torch, a, b: a.flip(0),
    "roll": lambda torch, a, b: a.roll(1, 0), "tril": lambda torch, a, b: a.tril(), "cat": lambda torch, a, b: torch.cat([a, a]), "sort": lambda torch, a, b: a.sort(0)[0],
    "mse": lambda torch, a, b: torch.nn.functional.mse_loss(a, a, reduction="none"), "leaky": lambda torch, a, b: torch.nn.functional.leaky_relu(a),
    "layer_norm": lambda torch, a, b: torch.nn.functional.layer_norm(a, a.shape[-1:]), "gather": lambda torch, a, b: a.gather(0, torch.zeros(a.shape, dtype=torch.int64)),
}  # fmt: skip


@pytest.mark.parametrize("name", list(ELEMENTWISE))
def test_strides_of_results(name):
    def program(torch):
        found = []
        for make in LAYOUTS.values():
            for shape, order in [((4, 6), (0, 1)), ((2, 3, 4), (2, 0, 1)), ((2, 3, 4), (0, 2, 1)), ((2, 3, 4, 5), (0, 3, 1, 2))]:
                numel = 1
                for n in shape:
                    numel *= n
                a = torch.arange(float(numel)).reshape(shape).permute(order)
                a = make(a) if a.dim() == 2 else a
                b = torch.ones(a.shape)
                found.append(ELEMENTWISE[name](torch, a, b).stride())
                if name in ("add", "where", "maximum"):
                    found.append(ELEMENTWISE[name](torch, b, a).stride())
                    found.append(ELEMENTWISE[name](torch, a, b[:1]).stride())
        return found

    same(program)


def test_every_order_of_dimensions_is_kept():
    def program(torch):
        found = []
        for order in itertools.permutations(range(4)):
            a = torch.zeros(2, 3, 4, 5).permute(order)
            found += [
                (a + 1).stride(),
                a.clone().stride(),
                (a[:, :1] + a).stride(),
                (a * torch.zeros(5, 1, 1)).stride() if order[1] == 3 else 0,
            ]
        return found

    same(program)


@pytest.mark.parametrize("grad", [False, True], ids=["plain", "grad"])
@pytest.mark.parametrize("rest", [(), (slice(0, 2),), (1,)], ids=["", "a slice", "a place"])
def test_moving_slices_with_steps_are_written_through(rest, grad: bool) -> None:
    def program(torch):
        made = []
        for start in range(3):  # from the second on the starts are numbers of one program
            x = torch.arange(48.0).reshape(6, 4, 2).requires_grad_(grad)
            base = x * 1
            part = base[(slice(start, start + 3, 2), slice(start % 2, None, 2), *rest)]
            part.mul_(torch.full_like(part, 3.0)).add_(1)
            if grad:
                (base * base.detach()).sum().backward()
            made.append((base.detach(), part.detach(), x.grad))
        return made

    same(program)
    with library.eager():
        same(program)
