"""Who made a tensor, by `grad_fn.name()`, once it was written to."""

import pytest

from tests.programs import same


@pytest.mark.parametrize("view", [False, True])
@pytest.mark.parametrize("key", [..., (), slice(None)], ids=str)
@pytest.mark.parametrize("shape", [(2,), ()], ids=str)
def test_who_made_what_was_filled(view, key, shape) -> None:
    def program(torch):
        base = torch.ones(shape, requires_grad=True) * 1
        given = base.view_as(base) if view else base
        given[key] = 5
        return [(t.grad_fn.name(), t._version, t) for t in (base, given)]

    same(program)


SEEN_OTHERWISE = {
    "conj": lambda torch, t: t.conj(), "view_as_real": lambda torch, t: torch.view_as_real(t), "real": lambda torch, t: t.real,
    "a part": lambda torch, t: t[0:1],
}  # fmt: skip
TURNED = {
    "transpose_": lambda t: t.transpose_(0, 1), "unsqueeze_": lambda t: t.unsqueeze_(0), "both": lambda t: t.t_().unsqueeze_(0),
    "a view of it": lambda t: t.transpose(0, 1),
}  # fmt: skip


@pytest.mark.parametrize("turn", TURNED.values(), ids=list(TURNED))
@pytest.mark.parametrize("see", SEEN_OTHERWISE.values(), ids=list(SEEN_OTHERWISE))
@pytest.mark.parametrize("written", ["base", "view", "both"])
def test_who_made_a_view_that_was_turned_in_place_and_written_to(see, turn, written) -> None:
    def program(torch):
        base = torch.tensor([[1 + 2j, 2.0], [3.0, 4j]], requires_grad=True) * 1
        view = turn(see(torch, base))
        if written != "base":
            view.mul_(2)
        before = view.grad_fn.name()
        if written != "view":
            base.mul_(3)
        return before, view.grad_fn.name(), view.detach().clone()

    same(program)


@pytest.mark.parametrize("key", [..., slice(None), (slice(0, 1), ...), (0, 0)], ids=str)
def test_who_made_what_was_turned_in_place_and_filled(key) -> None:
    def program(torch):
        x = (torch.ones(2, 2, requires_grad=True) * 1).unsqueeze_(0)
        x[key] = -1
        return x.grad_fn.name(), x

    same(program)
