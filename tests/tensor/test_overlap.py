"""What memory an op that writes may share with its inputs, and what becomes of memory that a tensor shows twice."""

import pytest

from tests.programs import same

WRITES = {
    "a mask of several": lambda torch, m: m.index_put_((m,), torch.tensor([False, True])),
    "a mask of one value": lambda torch, m: m.index_put_((m,), torch.tensor([False])),
    "a mask, added": lambda torch, m: m.int().index_put_((m,), torch.tensor([1, 2], dtype=torch.int32), accumulate=True),
    "an assignment to its own mask": lambda torch, m: m.__setitem__(m, torch.tensor([False, True])),
    "one value to its own mask": lambda torch, m: m.__setitem__(m, False),
    "masked_fill_ by itself": lambda torch, m: m.masked_fill_(m, False),
    "masked_fill_ by a part": lambda torch, m: m.masked_fill_(m[1:2], False),
    "masked_fill_ by an element": lambda torch, m: m.masked_fill_(m[1], False),
    "masked_fill_ of a part": lambda torch, m: m[:2].masked_fill_(m[1:], False),
    "masked_fill_ with an element": lambda torch, m: m.masked_fill_(torch.tensor([True, False, False]), m[1]),
    "masked_scatter_ by itself": lambda torch, m: m.masked_scatter_(m, m),
    "masked_scatter_ by a part": lambda torch, m: m[:2].masked_scatter_(m[1:], torch.tensor([True, True])),
}  # fmt: skip


@pytest.mark.parametrize("write", WRITES.values(), ids=list(WRITES))
def test_masks_may_share_the_memory_that_is_written_to_where_torch_lets_them(write) -> None:
    def program(torch):
        mask = torch.tensor([True, False, True])
        write(torch, mask)
        return mask

    same(program)


INDEXED = {
    "its own index": lambda torch, i: i.index_fill_(0, i, 3),
    "an index in it": lambda torch, i: i[:2].index_fill_(0, i[:1], 3),
    "an index beside it": lambda torch, i: i[1:2].index_fill_(0, i[:1], 3),
    "a value in it": lambda torch, i: i.index_fill_(0, torch.tensor([0]), i[1]),
    "index_put_ at itself": lambda torch, i: i.index_put_((i,), torch.tensor([3, 4, 5])),
    "index_put_ of itself": lambda torch, i: i.index_put_((torch.tensor([0, 1]),), i[:2]),
}  # fmt: skip


@pytest.mark.parametrize("write", INDEXED.values(), ids=list(INDEXED))
def test_indices_may_not_share_the_memory_that_is_written_to(write) -> None:
    def program(torch):
        index = torch.tensor([0, 1, 2])
        write(torch, index)
        return index

    same(program)


def test_a_complex_number_overlaps_with_its_real_part() -> None:
    def program(torch):
        number = torch.tensor(1 - 2j)
        return number.real.addcmul_(number, number)

    same(program)


FIRST = {
    "lerp_ of another dtype": lambda torch, x, c: torch.view_as_real(c).lerp_(c, 0.5),
    "lerp_ of another size": lambda torch, x, c: torch.view_as_real(c).lerp_(torch.view_as_real(c)[:, :1].expand(3, 2), 0.5),
    "neg_ of bools": lambda torch, x, c: x.bool().expand(2, 3).neg_(),
    "addcdiv_ of integers": lambda torch, x, c: x.int().expand(2, 3).addcdiv_(x.int(), x.int()),
    "sign_ of complex numbers": lambda torch, x, c: c.expand(2, 3).sign_(),
    "abs_ of complex numbers": lambda torch, x, c: c.expand(2, 3).abs_(),
    "floor_": lambda torch, x, c: x.expand(2, 3).floor_(),
    "erfinv_ of complex numbers": lambda torch, x, c: c.expand(2, 3).erfinv_(),
}  # fmt: skip


@pytest.mark.parametrize("write", FIRST.values(), ids=list(FIRST))
def test_arguments_that_an_op_refuses_come_before_memory_and_shapes_and_kernels_after(write) -> None:
    same(lambda torch: write(torch, torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1 + 2j, 2 - 1j, 1j])))


TWICE = {
    "expand": lambda b: b.expand(2, 4),
    "unfold": lambda b: b.unfold(0, 3, 1),
    "as_strided": lambda b: b.as_strided((3, 2), (1, 2)),
    "turned": lambda b: b.expand(2, 4).t()[:, 1:],
    "below": lambda b: b.view(2, 2)[:, None].expand(2, 3, 2)[1],
}
AT_PLACES = {
    "index_put_": lambda torch, v: v.index_put_((torch.tensor([1]), torch.tensor([1])), torch.tensor([7.0])),
    "index_put_ of a row": lambda torch, v: v.index_put_((torch.tensor([1]),), torch.tensor(7.0)),
    "masked_fill_": lambda torch, v: v.masked_fill_(torch.arange(v.numel()).reshape(v.shape) == 1, 9),
    "index_fill_": lambda torch, v: v.index_fill_(0, torch.tensor([1]), 5),
    "index_fill_ of a column": lambda torch, v: v.index_fill_(1, torch.tensor([1]), 5),
    "tril_": lambda torch, v: v.tril_(), "triu_": lambda torch, v: v.triu_(1), "tril_ of nothing": lambda torch, v: v.tril_(9),
    "an assignment": lambda torch, v: v.__setitem__((torch.tensor([0, 1]), torch.tensor([1, 1])), 7),
    "an assignment to a mask": lambda torch, v: v.__setitem__(torch.arange(v.numel()).reshape(v.shape) == 3, 7),
    "an assignment to a row": lambda torch, v: v.__setitem__((torch.tensor([0]), slice(0, 1)), 7),
}  # fmt: skip


@pytest.mark.parametrize("grad", [False, True], ids=["plain", "grad"])
@pytest.mark.parametrize("view", TWICE.values(), ids=list(TWICE))
@pytest.mark.parametrize("write", AT_PLACES.values(), ids=list(AT_PLACES))
def test_memory_that_a_view_shows_twice_is_written_where_one_place_is(write, view, grad: bool) -> None:
    def program(torch):
        base = torch.tensor([0.0, 1.0, float("nan"), 3.0], requires_grad=grad) * 1
        shown = view(base)
        write(torch, shown)
        return shown.detach(), base.detach()

    same(program)
