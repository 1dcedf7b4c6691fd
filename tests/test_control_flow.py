"""`torch.cond`, and futures."""

import pytest

import torchlike
from tests.programs import Table, programs, same

PROGRAMS = Table({
    "cond on a bool": lambda torch: torch.cond(True, lambda x: x * 2, lambda x: x * 3, (torch.ones(2),)),
    "cond on a float": lambda torch: torch.cond(0.0, lambda x: x * 2, lambda x: x * 3, [torch.ones(2)]),
    "cond on a tensor": lambda torch: torch.cond(torch.tensor([False]), lambda x: x * 2, lambda x: x * 3, [torch.ones(2)]),
    "cond with containers": lambda torch: torch.cond(
        torch.tensor(True), lambda x: (x["a"] + 1, {"b": x["a"] + 2}), lambda x: (x["a"] - 1, {"b": x["a"] - 2}), ({"a": torch.ones(2)},)),
    "cond without operands": lambda torch: torch.cond(True, lambda: torch.ones(2), lambda: torch.zeros(2)),
    "cond on two": lambda torch: torch.cond(torch.tensor([True, True]), lambda x: x, lambda x: x, [torch.ones(2)]),
    "cond on a string": lambda torch: torch.cond("a", lambda x: x, lambda x: x, [torch.ones(2)]),
    "cond without a function": lambda torch: torch.cond(True, 1, lambda x: x, [torch.ones(2)]),
    "a future": lambda torch: (f := torch.futures.Future(), g := f.then(lambda f: f.value() + 1), f.done(), f.set_result(3),
                               f.wait(), g.wait(), f.done(), torch.futures.wait_all([f, g]))[2:],
    "a future twice": lambda torch: (f := torch.futures.Future(), f.set_result(1), f.set_result(2)),
    "a future's exception": lambda torch: (f := torch.futures.Future(), f.set_exception(ValueError("x")), f.wait()),
    "a future's exception, read": lambda torch: (f := torch.futures.Future(), f.set_exception(ValueError("x")), f.value()),
    "a future that is not done": lambda torch: (torch.futures.Future().done()),
    "no exception": lambda torch: torch.futures.Future().set_exception(3),
    "a failing callback": lambda torch: (f := torch.futures.Future(), g := f.then(lambda f: 1 / 0), f.set_result(1), g.wait()),
    "a device without a number": lambda torch: torch.futures.Future(devices=["cpu"]),
    "several": lambda torch: (fs := [torch.futures.Future() for _ in range(3)], [f.set_result(1) for f in fs],
                              [f.value() for f in torch.futures.collect_all(fs).wait()])[2],
    "none": lambda torch: torch.futures.collect_all([]).wait(),
    "one fails": lambda torch: torch.futures.wait_all(
        [(f := torch.futures.Future(), f.set_exception(ValueError("x")))[0]]),
    "torch.Future": lambda torch: issubclass(torch.futures.Future, torch.Future),
})  # fmt: skip


@programs(PROGRAMS)
def test_a_program_does_the_same(program) -> None:
    same(program)


@pytest.mark.parametrize("holds", [True, False])
def test_gradients_flow_through_the_branch_that_ran(holds: bool) -> None:
    def program(torch):
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        y = torch.cond(torch.tensor(holds), lambda x: x * 2, lambda x: x**3, (x,))
        y.sum().backward()
        return x.grad, y.requires_grad

    same(program)


@pytest.mark.parametrize("branch", [lambda x: x.add_(1), lambda x: x[:1]], ids=["writes", "returns a view"])
def test_branches_must_not_touch_their_operands(branch) -> None:
    # torch's own error comes from its compiler, and is a RuntimeError of many lines
    same(lambda torch: _refused(torch, branch))


def _refused(torch, branch) -> bool:
    try:
        torch.cond(torch.tensor(True), branch, branch, (torch.ones(2),))
    except RuntimeError:
        return True
    return False


def test_a_future_is_completed_from_another_thread() -> None:
    import threading

    future: torchlike.futures.Future = torchlike.futures.Future()
    seen = []
    future.add_done_callback(lambda f: seen.append(f.value()))
    threading.Timer(0.05, future.set_result, ["there"]).start()
    assert future.wait() == "there" and seen == ["there"]
