"""`from_optax`: optax's transformations behind torch's interface."""

import copy

import numpy as np
import optax
import pytest

import torchlike as torch


def _train(make, *, named=False, steps=10, each=None):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 1))
    optimizer = make(model.named_parameters() if named else model.parameters())
    x = torch.ones(5, 3)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = (model(x) ** 2).mean()
        loss.backward()
        optimizer.step()
        if each is not None:
            each(optimizer)
    return np.concatenate([p.detach().numpy().ravel() for p in model.parameters()]), optimizer


def test_optaxs_adamw_is_adamw():
    expected, _ = _train(lambda p: torch.optim.AdamW(p, lr=0.01))
    found, optimizer = _train(lambda p: torch.optim.from_optax(optax.adamw(0.01, weight_decay=0.01), p))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert list(optimizer.state_dict()["state"]["group 0"])[:2] == ["[0].count", "[0].mu[0]"]


@pytest.mark.parametrize("named", [False, True])
def test_injected_numbers_are_options_that_schedulers_change(named):
    def lower(optimizer):
        optimizer.param_groups[0]["lr"] *= 0.9

    expected, _ = _train(lambda p: torch.optim.Adam(p, lr=0.01), each=lower)
    make = torch.optim.from_optax(optax.inject_hyperparams(optax.adam)(learning_rate=0.01))
    found, optimizer = _train(make, named=named, each=lower)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert optimizer.param_groups[0]["b1"] == 0.9
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    before = optimizer.param_groups[0]["lr"]
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] == before * 0.5


def test_changing_numbers_build_no_programs():
    seen = []

    def change(optimizer):
        optimizer.param_groups[0]["lr"] *= 0.9
        seen.append(torch.explain().programs)

    _train(torch.optim.from_optax(optax.inject_hyperparams(optax.sgd)(learning_rate=0.1)), each=change)
    assert seen[3] == seen[-1]


def test_optaxs_own_schedules_stay_optaxs():
    schedule = optax.linear_schedule(0.1, 0.0, 5)
    make = torch.optim.from_optax(optax.inject_hyperparams(optax.sgd)(learning_rate=schedule, momentum=0.9))
    _, optimizer = _train(make)
    assert "lr" not in optimizer.param_groups[0]
    assert optimizer.param_groups[0]["momentum"] == 0.9


def test_groups_have_their_own_numbers_and_state():
    tx = optax.inject_hyperparams(optax.sgd)(learning_rate=0.1)
    a, b = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    optimizer = torch.optim.from_optax(tx, [{"params": [a]}, {"params": [b], "lr": 0.5}])
    a.grad, b.grad = torch.ones(2), torch.ones(2)
    optimizer.step()
    np.testing.assert_allclose(a.detach().numpy(), 0.9)
    np.testing.assert_allclose(b.detach().numpy(), 0.5)
    assert list(optimizer.state_dict()["state"]) == ["group 0", "group 1"]


def test_labels_can_name_parameters():
    labels = {"a": "fast", "b": "still"}
    tx = optax.multi_transform({"fast": optax.sgd(1.0), "still": optax.set_to_zero()}, labels)
    a, b = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    optimizer = torch.optim.from_optax(tx, [("b", b), ("a", a)])
    a.grad, b.grad = torch.ones(2), torch.ones(2)
    optimizer.step()
    assert (a.tolist(), b.tolist()) == ([0.0, 0.0], [1.0, 1.0])


def test_parameters_without_gradients_do_not_move():
    a, b = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    optimizer = torch.optim.from_optax(optax.sgd(0.5), [a, b])
    optimizer.step()
    a.grad = torch.ones(2)
    optimizer.step()
    assert (a.tolist(), b.tolist()) == ([0.5, 0.5], [1.0, 1.0])


def test_state_dicts_go_on():
    def start():
        p = torch.ones(3, requires_grad=True)
        return p, torch.optim.from_optax(optax.adam(0.1), [p])

    def steps(p, optimizer, count):
        for _ in range(count):
            p.grad = p.detach() * 2
            optimizer.step()
        return p.tolist()

    p, optimizer = start()
    steps(p, optimizer, 3)
    saved = copy.deepcopy(optimizer.state_dict())
    q, other = start()
    q.data = p.detach().clone()
    other.load_state_dict(saved)
    assert steps(q, other, 3) == steps(p, optimizer, 3)


def test_extra_arguments_reach_the_transformation():
    tx = optax.chain(optax.sgd(1.0), optax.contrib.reduce_on_plateau(factor=0.5, patience=1))
    p = torch.ones(1, requires_grad=True)
    optimizer = torch.optim.from_optax(tx, [p])
    moves = []
    for _ in range(6):
        before = p.item()
        p.grad = torch.ones(1)
        optimizer.step(value=torch.tensor(1.0))
        moves.append(before - p.item())
    assert moves[0] == 1.0
    assert moves[-1] < 1.0


def test_closures():
    p = torch.ones(1, requires_grad=True)
    optimizer = torch.optim.from_optax(optax.sgd(0.1), [p])

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 1.0
    np.testing.assert_allclose(p.item(), 0.8, rtol=1e-6)


def test_what_is_not_a_transformation_is_refused():
    with pytest.raises(TypeError, match="got function"):
        torch.optim.from_optax(optax.adam)


def test_numbers_that_the_transformation_lacks_are_refused():
    with pytest.raises(ValueError, match="no number called 'lr'; it has none"):
        torch.optim.from_optax(optax.sgd(0.1), [torch.ones(1)], lr=0.2)
