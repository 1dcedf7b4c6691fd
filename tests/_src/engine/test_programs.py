"""What becomes a program, and when: ordinary training loops build nothing after their third step and run once a step."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import torchlike as torch
from torchlike import nn
from torchlike._src.engine import program

F = nn.functional


def _model() -> tuple[nn.Module, torch.optim.Optimizer, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    return model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9), torch.randn(40, 6), torch.randint(0, 3, (40,))


def _plain() -> Callable[[int], Any]:
    model, optimizer, x, y = _model()

    def step(i: int) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def _scheduler() -> Callable[[int], Any]:
    model, optimizer, x, y = _model()
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.97)

    def step(i: int) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        scheduler.step()
        return loss

    return step


def _moving_slice() -> Callable[[int], Any]:
    model, optimizer, x, y = _model()
    x = x * 1.0 + torch.zeros(40, 6, requires_grad=True)  # recorded, not a host array
    x = x.detach()

    def step(i: int) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x[i : i + 8]), y[i : i + 8])
        loss.backward()
        optimizer.step()
        return loss

    return step


def _changing_number() -> Callable[[int], Any]:
    model, optimizer, x, y = _model()

    def step(i: int) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(torch.add(model(x), model(x).detach(), alpha=i / 100), y) * (1 + i / 50)
        loss.backward()
        optimizer.step()
        return loss

    return step


def _clipping() -> Callable[[int], Any]:
    model, optimizer, x, y = _model()

    def step(i: int) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        return loss

    return step


def _accumulation() -> Callable[[int], Any]:
    model, optimizer, x, y = _model()

    def step(i: int) -> Any:
        optimizer.zero_grad()
        for k in range(2):
            loss = F.cross_entropy(model(x[20 * k : 20 * k + 20]), y[20 * k : 20 * k + 20]) / 2
            loss.backward()
        optimizer.step()
        return loss

    return step


def _dropout() -> Callable[[int], Any]:
    model, optimizer, x, y = _model()
    dropout = nn.Dropout(0.5)

    def step(i: int) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(dropout(x)), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def _fresh_batches() -> Callable[[int], Any]:
    model, optimizer, x, y = _model()
    data = torch.utils.data.TensorDataset(x, y)
    batches = [batch for _ in range(4) for batch in torch.utils.data.DataLoader(data, batch_size=10, shuffle=True)]

    def step(i: int) -> Any:
        xb, yb = batches[i]
        optimizer.zero_grad()
        loss = F.cross_entropy(model(xb), yb)
        loss.backward()
        optimizer.step()
        return loss

    return step


LOOPS = {
    "plain": _plain, "a scheduler each step": _scheduler, "a moving slice": _moving_slice, "a changing number": _changing_number,
    "clipped gradients": _clipping, "accumulated gradients": _accumulation, "dropout": _dropout, "fresh batches": _fresh_batches,
}  # fmt: skip


@pytest.mark.parametrize("build", LOOPS.values(), ids=LOOPS)
def test_a_loop_builds_nothing_after_its_third_step_and_runs_once_a_step(build):
    step = build()
    for i in range(3):
        step(i).item()
    torch.explain.reset()
    for i in range(3, 13):
        loss = step(i)
        if i == 7:
            loss.item()
    assert np.isfinite(loss.item())
    explained = torch.explain()
    assert explained.programs == 0, str(explained)
    assert explained.compilations == 0, str(explained)
    assert explained.runs == 10, str(explained)


def test_reading_the_loss_before_backward_takes_two_runs_a_step():
    model, optimizer, x, y = _model()
    for i in range(13):
        if i == 3:
            torch.explain.reset()
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        assert np.isfinite(loss.item())
        loss.backward()
        optimizer.step()
    assert (torch.explain().programs, torch.explain().runs) == (0, 20)


def test_the_first_step_and_the_later_ones_are_one_program():
    model = nn.Linear(7, 5)  # no other test has a program of this shape
    optimizer = torch.optim.Adam(model.parameters())
    x = torch.randn(3, 7)

    def step(i):
        optimizer.zero_grad()
        model(x).sum().backward()
        optimizer.step()

    torch.explain.reset()
    for i in range(5):
        step(i)
    assert torch.explain().programs == 1, str(torch.explain())


def test_inference_is_compiled_at_second_sight():
    model, _, x, _ = _model()
    torch.explain.reset()
    with torch.no_grad():
        model(x)
        assert torch.explain().whole_runs == 0
        model(x)
        assert torch.explain().whole_runs == 1
        model(x)
    assert torch.explain().whole_runs == 2
    assert torch.explain().reasons["the end of a module's call without grad"] == 3


def test_shapes_that_never_repeat_go_back_to_single_ops():
    w = torch.randn(5, requires_grad=True)
    wholes = []
    for n in range(2, 22):
        torch.explain.reset()
        (torch.randn(n, 5) * w).sum().backward()
        w.grad.sum().item()
        wholes.append(torch.explain().whole_runs)
        w.grad = None
    assert sum(wholes[-5:]) == 0, wholes


def test_explain_names_the_users_line_and_the_reason():
    x = torch.randn(3, requires_grad=True)
    torch.explain.reset()
    for _ in range(3):  # at second sight, whatever other tests have made of the policy, it is a program
        (x * x * 1.25).sum().backward()
        assert np.isfinite((x.grad / 7)[0].item())
        x.grad = None
    report = str(torch.explain())
    assert "3 runs forced by item()" in report
    assert f"built at {__file__}:" in report


def test_other_results_held_are_another_program():
    x = torch.randn(3, 11, requires_grad=True)

    def run(keep):
        y = x * 2
        z = y.sum()
        z.backward()
        kept = y if keep else None
        x.grad[0, 0].item()
        x.grad = None
        return kept

    for keep in (False, False, True, True):
        run(keep)
    torch.explain.reset()
    for keep in (False, True, False):
        run(keep)
    assert (torch.explain().programs, torch.explain().runs) == (0, 3)


def test_an_optimizers_old_values_are_donated_but_not_what_the_user_still_holds():
    model, optimizer, x, y = _model()
    weight = model[0].weight
    for _ in range(3):
        held = weight.detach().clone()
        expected = held.numpy().copy()
        kept = weight.data
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        assert np.array_equal(held.numpy(), expected)
        assert kept.data_ptr() == weight.data_ptr()
        assert not np.array_equal(weight.detach().numpy(), expected)
    view = weight.detach().numpy()  # memory that NumPy holds
    before = view.copy()
    optimizer.zero_grad()
    F.cross_entropy(model(x), y).backward()
    optimizer.step()
    assert not np.array_equal(view, before), "the array shares the parameter's memory, as in torch"
    assert np.array_equal(view, weight.detach().numpy())


def test_what_an_optimizer_writes_takes_the_buffers_of_what_it_replaces(monkeypatch):
    seen = []
    run = program.Program.run

    def noted(self, values, numbers):
        donated = [values[i] for i in self.donated]
        run(self, values, numbers)
        seen.append((donated, [values[i] for i in self.heirs], [values[i] for i in self.order]))

    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4))  # of one shape: any buffer would fit
    optimizer = torch.optim.Adam(model.parameters())

    def written() -> list[int]:
        """What the optimizer writes to, by the ids of the values: holding these would keep them from being donated."""
        states = [s for p in model.parameters() for k, s in optimizer.state[p].items() if k != "step"]
        return [id(t._storage.value) for t in (*model.parameters(), *states)]

    for _ in range(3):
        seen.clear()
        optimizer.zero_grad()
        model(torch.ones(2, 4)).sum().backward()
        before = written()
        monkeypatch.setattr(program.Program, "run", noted)
        optimizer.step()
        monkeypatch.undo()
        heir_of = dict(zip(before, written(), strict=False))  # states are made by the first step
    donated, heirs, outputs = seen[-1]
    assert len(donated) == len(heirs) == 18  # six parameters, two moments each
    assert outputs[:18] == heirs
    assert [id(heir) for heir in heirs] == [heir_of[id(old)] for old in donated]


def test_small_ops_that_run_alone_are_compiled_quickly_unless_xla_does_not_know_how(monkeypatch):
    options = []
    jit = program.jax.jit
    monkeypatch.setattr(
        program.jax, "jit", lambda *args, **named: options.append(named.get("compiler_options")) or jit(*args, **named)
    )

    def compute(n: int) -> float:
        a = torch.full((n,), 0.5, requires_grad=True)
        return (a.cosh() * 3 - 1).asinh().mean().item()  # a trace without backward: op by op

    with torch.eager():
        expected = compute(7)
        assert options
        assert all(o is program._QUICK for o in options if o)
        monkeypatch.setitem(program._QUICK, "xla_of_another_version", 1)
        monkeypatch.setattr(program, "_few", program._few)
        monkeypatch.setattr(program.Call, "_all", {})  # nothing has been compiled yet
        assert compute(9) == pytest.approx(expected)
        assert program._few == -1
        assert compute(11) == pytest.approx(expected)
