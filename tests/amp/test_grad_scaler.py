"""`GradScaler`: step by step what torch's does, and what is read on the way."""

import pickle
from collections import Counter

import numpy as np
import pytest
import torch as reference

import torchlike as torch
from tests.programs import Table, programs, same

OVERFLOWS = {2, 3, 7}  # the iterations whose gradients are not finite


def _run(lib, make_optimizer, scaler_options=None, *, steps=12, explicit=False, prepare=lambda lib, model, optimizer: None):
    """Train, with an overflow now and then; returns what can be seen after each iteration."""
    model = lib.nn.Linear(3, 2)
    with lib.no_grad():
        for i, p in enumerate(model.parameters()):
            p.copy_(lib.linspace(-1, 1, p.numel()).reshape(p.shape) + i)
    optimizer = make_optimizer(lib, model.parameters())
    prepare(lib, model, optimizer)
    scaler = lib.amp.GradScaler("cpu", init_scale=2.0**10, growth_interval=2, **(scaler_options or {}))
    seen = []
    x = lib.linspace(-1, 1, 12).reshape(4, 3)
    for i in range(steps):
        optimizer.zero_grad()
        loss = (model(x) ** 2).mean() * (float("inf") if i in OVERFLOWS else 1.0)
        scaler.scale(loss).backward()
        if explicit:
            scaler.unscale_(optimizer)
            lib.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        result = scaler.step(optimizer)
        scaler.update()
        counts = [state["step"].item() for state in optimizer.state.values() if "step" in state]
        seen.append([
            result, scaler.state_dict(), counts, [p.detach().clone() for p in model.parameters()],
            None if i in OVERFLOWS else [p.grad.clone() for p in model.parameters()],
        ])  # fmt: skip
    return seen


OPTIMIZERS = {
    "SGD": lambda lib, p: lib.optim.SGD(p, lr=0.1),
    "SGD with momentum and dampening": lambda lib, p: lib.optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.5),
    "Adam": lambda lib, p: lib.optim.Adam(p, lr=0.1),
    "Adam, fused": lambda lib, p: lib.optim.Adam(p, lr=0.1, fused=True),
    "SGD, fused": lambda lib, p: lib.optim.SGD(p, lr=0.1, fused=True),
    "AdamW in two groups": lambda lib, p: lib.optim.AdamW([{"params": [q], "lr": r} for q, r in zip(p, (0.1, 0.2), strict=True)]),
    "NAdam, whose state has numbers": lambda lib, p: lib.optim.NAdam(p, lr=0.1),
    "Adafactor, whose state has shapes": lambda lib, p: lib.optim.Adafactor(p, lr=0.1),
}  # fmt: skip


@pytest.mark.parametrize("explicit", [False, True])
@pytest.mark.parametrize("make_optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_every_step_is_torchs(make_optimizer, explicit):
    theirs, ours = (_run(lib, make_optimizer, explicit=explicit) for lib in (reference, torch))
    for i, (a, b) in enumerate(zip(theirs, ours, strict=True)):
        assert a[:3] == b[:3], i
        for p, q in zip([*a[3], *(a[4] or [])], [*b[3], *(b[4] or [])], strict=True):
            np.testing.assert_allclose(q.numpy(), p.numpy(), rtol=1e-5, atol=1e-6, err_msg=f"iteration {i}")


def test_an_overflow_in_the_first_steps_leaves_no_state():
    for lib in (reference, torch):
        p = lib.nn.Parameter(lib.ones(2))
        optimizer, scaler = lib.optim.Adam([p]), lib.GradScaler("cpu")
        scaler.scale(p.sum() * float("nan")).backward()
        scaler.step(optimizer)
        scaler.update()
        assert len(optimizer.state) == 0
        assert p.detach().numpy().tolist() == [1, 1]
        assert scaler.get_scale() == 2.0**15


def _hooked(lib, model, optimizer):
    optimizer.calls = Counter()
    optimizer.register_step_pre_hook(lambda *_: optimizer.calls.update(["hook"]))


def _wrapped(lib, model, optimizer):
    optimizer.calls = Counter()
    plain = optimizer.step

    def step(*args, **kwargs):
        optimizer.calls.update(["step"])
        return plain(*args, **kwargs)

    optimizer.step = step


@pytest.mark.parametrize("prepare", [_hooked, _wrapped])
def test_what_listens_to_steps_hears_of_none_that_was_skipped(prepare):
    heard = []

    def listening(lib, model, optimizer):
        prepare(lib, model, optimizer)
        heard.append(optimizer.calls)

    for lib in (reference, torch):
        _run(lib, OPTIMIZERS["Adam"], prepare=listening)
    assert heard[0] == heard[1]
    assert sum(heard[0].values()) == 12 - len(OVERFLOWS)


def test_a_subclass_with_its_own_step_is_not_called_for_a_skipped_one():
    calls = {reference: 0, torch: 0}

    def make(lib, params):
        class Mine(lib.optim.SGD):
            def step(self, closure=None):
                calls[lib] += 1
                return super().step(closure)

        return Mine(params, lr=0.1)

    for lib in (reference, torch):
        _run(lib, make)
    assert calls[reference] == calls[torch] == 12 - len(OVERFLOWS)


def test_step_counts_hold_when_the_scaler_is_left_out_again():
    def train(lib):
        p = lib.nn.Parameter(lib.ones(2))
        optimizer, scaler = lib.optim.Adam([p], lr=0.1), lib.GradScaler("cpu")
        for i in range(6):
            optimizer.zero_grad()
            loss = (p * p).sum() * (float("inf") if i == 2 else 1.0)
            if i < 4:
                scaler.scale(loss).backward()
                scaler.step(optimizer)
                scaler.update()
            else:
                loss.backward()
                optimizer.step()
        return optimizer.state[p]["step"].item(), p.detach().numpy()

    (count, value), (own_count, own_value) = train(reference), train(torch)
    assert count == own_count == 5
    np.testing.assert_allclose(own_value, value, rtol=1e-5)


def test_two_optimizers_share_a_scaler():
    def train(lib):
        ps = [lib.nn.Parameter(lib.ones(2)) for _ in range(2)]
        optimizers, scaler = [lib.optim.SGD([p], lr=0.1) for p in ps], lib.GradScaler("cpu", growth_interval=2)
        scales = []
        for i in range(5):
            for p, optimizer, factor in zip(ps, optimizers, (1.0, float("inf") if i == 3 else 2.0), strict=True):
                optimizer.zero_grad()
                scaler.scale((p * p).sum() * factor).backward()
            for optimizer in optimizers:
                scaler.step(optimizer)
            scaler.update()
            scales.append(scaler.get_scale())
        return scales, [p.detach().numpy().tolist() for p in ps]

    assert train(reference) == train(torch)


def test_a_user_optimizer_that_handles_the_scale_gets_it():
    def train(lib):
        found = []

        class Mine(lib.optim.Optimizer):
            _step_supports_amp_scaling = True

            def step(self, closure=None):
                found.append((self.grad_scale.item(), self.found_inf.item(), self.param_groups[0]["params"][0].grad.tolist()))

        p = lib.nn.Parameter(lib.ones(2))
        optimizer, scaler = Mine([p], {}), lib.GradScaler("cpu", init_scale=8.0)
        for factor in (1.0, float("inf")):
            optimizer.zero_grad()
            scaler.scale((p * factor).sum()).backward()
            scaler.step(optimizer)
            scaler.update()
        return found, hasattr(optimizer, "found_inf"), scaler.state_dict()

    assert train(reference) == train(torch)


def test_a_state_dict_and_a_pickle_go_on_where_they_were():
    def train(lib):
        p = lib.nn.Parameter(lib.ones(2))
        optimizer, scaler = lib.optim.SGD([p], lr=0.1), lib.GradScaler("cpu", init_scale=4.0, growth_interval=3)
        states = []
        for i in range(6):
            optimizer.zero_grad()
            scaler.scale(p.sum()).backward()
            scaler.step(optimizer)
            scaler.update()
            states.append(scaler.state_dict())
            if i == 1:
                other = lib.GradScaler("cpu")
                other.load_state_dict(scaler.state_dict())
                scaler = other
            if i == 3:
                scaler = pickle.loads(pickle.dumps(scaler))
        scaler.update(32.0)
        states.append(scaler.get_scale())
        scaler.update(lib.tensor(16.0))
        return states, scaler.get_scale(), scaler._get_growth_tracker()

    assert train(reference) == train(torch)


def test_reading_in_the_midst_of_a_step_makes_it_two_runs():
    p = torch.nn.Parameter(torch.ones(5))
    optimizer, scaler = torch.optim.SGD([p], lr=1e-3), torch.GradScaler("cpu")
    optimizer.register_step_pre_hook(lambda *_: None)

    def step():
        optimizer.zero_grad()
        scaler.scale((p * p).sum()).backward()
        scaler.step(optimizer)
        scaler.update()

    for _ in range(4):
        step()
    torch.explain.reset()
    for _ in range(5):
        step()
    assert (torch.explain().runs, torch.explain().programs) == (10, 0), str(torch.explain())


STATES = Table({
    "before scale, unscale_ is refused": lambda torch: _scaler(torch).unscale_(_sgd(torch)),
    "before scale, step is refused": lambda torch: _scaler(torch).step(_sgd(torch)),
    "before scale, update is refused": lambda torch: _scaler(torch).update(),
    "a factor that shrinks": lambda torch: torch.GradScaler("cpu", growth_factor=1.0),
    "a factor that grows": lambda torch: torch.GradScaler("cpu", backoff_factor=1.0),
    "scale of what is no tensor": lambda torch: _scaler(torch).scale(3),
    "scale of containers": lambda torch: _scaler(torch).scale([torch.ones(2), (torch.ones(1), [torch.zeros(2)])]),
    "a state dict of nothing": lambda torch: _scaler(torch).load_state_dict({}),
    "a state dict before scale": lambda torch: _scaler(torch).state_dict(),
    "disabled": lambda torch: _disabled(torch),
    "a closure": lambda torch: (lambda s, o: s.step(o, closure=lambda: None))(*_ready(torch)),
    "new_scale with a gradient": lambda torch: (lambda s, o: s.update(torch.ones(1, requires_grad=True)))(*_ready(torch)),
    "update without a step": lambda torch: (lambda s, o: s.update())(*_ready(torch)),
    "CUDA where there is none": lambda torch: torch.GradScaler().is_enabled(),
    "its deprecated name": lambda torch: torch.cuda.amp.GradScaler().is_enabled(),
    "factors": lambda torch: _factors(torch),
    "the scale itself": lambda torch: _moved(torch),
    "unscaling": lambda torch: _unscaled(torch),
})  # fmt: skip


def _scaler(lib):
    return lib.amp.GradScaler("cpu", init_scale=8.0)


def _sgd(lib):
    return lib.optim.SGD([lib.nn.Parameter(lib.ones(2))], lr=0.1)


def _ready(lib):
    scaler, optimizer = _scaler(lib), _sgd(lib)
    scaler.scale(optimizer.param_groups[0]["params"][0].sum()).backward()
    return scaler, optimizer


def _disabled(lib):
    scaler, optimizer = lib.GradScaler("cpu", enabled=False), _sgd(lib)
    p = optimizer.param_groups[0]["params"][0]
    scaler.scale(p.sum()).backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    scaler.load_state_dict({})
    return p.detach(), scaler.state_dict(), scaler.get_scale(), scaler.is_enabled()


@STATES
def a_step_twice(torch):
    scaler, optimizer = _ready(torch)
    scaler.step(optimizer)
    scaler.step(optimizer)


@STATES
def unscaling_after_a_step(torch):
    scaler, optimizer = _ready(torch)
    scaler.step(optimizer)
    scaler.unscale_(optimizer)


@STATES
def unscaling_twice(torch):
    scaler, optimizer = _ready(torch)
    scaler.unscale_(optimizer)
    scaler.unscale_(optimizer)


@STATES
def gradients_of_float16(torch):
    scaler, p = _scaler(torch), torch.ones(2, dtype=torch.float16, requires_grad=True)
    scaler.scale(p.sum()).backward()
    scaler.unscale_(torch.optim.SGD([p], lr=0.1))


@STATES
def a_step_without_gradients(torch):
    scaler, _ = _ready(torch)
    scaler.step(_sgd(torch))


def _factors(lib):
    scaler = _scaler(lib)
    scaler.set_growth_factor(3.0)
    scaler.set_backoff_factor(0.25)
    scaler.set_growth_interval(7)
    return scaler.get_growth_factor(), scaler.get_backoff_factor(), scaler.get_growth_interval()


def _moved(lib):
    scale, tracker, seen = lib.tensor(4.0), lib.tensor(0, dtype=lib.int32), []
    for found in (0.0, 0.0, 0.0, 1.0, 2.0, 0.0, float("nan")):
        lib._amp_update_scale_(scale, tracker, lib.tensor(found), 2.0, 0.5, 2)
        seen.append((scale.item(), tracker.item()))
    scale.fill_(3e38)  # the next would be infinite
    lib._amp_update_scale_(scale, tracker, lib.tensor(0.0), 2.0, 0.5, 1)
    return seen, scale, tracker


def _unscaled(lib):
    grads = [lib.tensor([1.0, 2.0]), lib.tensor([3.0], dtype=lib.bfloat16), lib.tensor([[5.0]], dtype=lib.float64)]
    found = lib.tensor(0.0)
    for few in grads:
        lib._amp_foreach_non_finite_check_and_unscale_([few], found, lib.tensor(1 / 3))
    before = found.clone()
    lib._amp_foreach_non_finite_check_and_unscale_([lib.tensor([1.0, float("-inf")])], found, lib.tensor(1.0))
    return grads, before, found


@programs(STATES)
def test_a_scaler_says_what_torchs_says(program):
    same(program, warned=True)
