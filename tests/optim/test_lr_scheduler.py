"""Schedulers against torch: equal to the last bit, over hundreds of steps, in both forms, through checkpoints."""

import copy
import random
import warnings

import pytest
import torch

import torchlike
from tests.differential import agree

SCHEDULERS = {
    "LambdaLR": lambda s, o: s.LambdaLR(o, lambda e: 0.95**e),
    "LambdaLR, one a group": lambda s, o: s.LambdaLR(o, [lambda e: 0.95**e, lambda e: e // 30]),
    "MultiplicativeLR": lambda s, o: s.MultiplicativeLR(o, lambda e: 0.97),
    "StepLR": lambda s, o: s.StepLR(o, 7, 0.5),
    "MultiStepLR": lambda s, o: s.MultiStepLR(o, [3, 10, 10, 50], 0.3),
    "ConstantLR": lambda s, o: s.ConstantLR(o, 0.3, 6),
    "LinearLR": lambda s, o: s.LinearLR(o, 0.2, 0.8, 13),
    "ExponentialLR": lambda s, o: s.ExponentialLR(o, 0.98),
    "PolynomialLR": lambda s, o: s.PolynomialLR(o, 40, 2.0),
    "CosineAnnealingLR": lambda s, o: s.CosineAnnealingLR(o, 17, 0.001),
    "CosineAnnealingWarmRestarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 5, 2, 0.001),
    "CosineAnnealingWarmRestarts, equal periods": lambda s, o: s.CosineAnnealingWarmRestarts(o, 5),
    "CyclicLR": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 5, 9),
    "CyclicLR, triangular2": lambda s, o: s.CyclicLR(o, [0.01, 0.02], 0.1, 5, mode="triangular2"),
    "CyclicLR, exp_range": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 5, mode="exp_range", gamma=0.99),
    "CyclicLR, own scale": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 5, scale_fn=lambda x: 1 / x, cycle_momentum=False),
    "OneCycleLR": lambda s, o: s.OneCycleLR(o, 0.5, total_steps=301),
    "OneCycleLR, three phases": lambda s, o: s.OneCycleLR(
        o, [0.5, 0.3], epochs=7, steps_per_epoch=43, three_phase=True, anneal_strategy="linear"
    ),
    "SequentialLR": lambda s, o: s.SequentialLR(
        o, [s.LinearLR(o, 0.1, 1.0, 5), s.CosineAnnealingLR(o, 30), s.ExponentialLR(o, 0.9)], [5, 35]
    ),
    "ChainedScheduler": lambda s, o: s.ChainedScheduler([s.ConstantLR(o, 0.1, 3), s.ExponentialLR(o, 0.99)], o),
    "SequentialLR of a chain": lambda s, o: s.SequentialLR(
        o,
        [s.ChainedScheduler([s.ConstantLR(o, 0.1, 3), s.ExponentialLR(o, 0.99)], o), s.StepLR(o, 4)],
        [20],
    ),
}
COMPOSITE = [name for name in SCHEDULERS if name.startswith(("Seq", "Chain"))]


def _optimizer(lib, kind="SGD"):
    groups = [{"params": [lib.ones(2)]}, {"params": [lib.ones(2)], "lr": 0.05}]
    return lib.optim.Adam(groups, lr=0.1) if kind == "Adam" else lib.optim.SGD(groups, lr=0.1, momentum=0.9)


def _make(lib, name, kind="SGD"):
    optimizer = _optimizer(lib, kind)
    return optimizer, SCHEDULERS[name](lib.optim.lr_scheduler, optimizer)


def _numbers(optimizer):
    return [{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups]


def _walk(optimizer, scheduler, steps):
    seen = []
    for _ in range(steps):
        seen.append((copy.deepcopy(_numbers(optimizer)), scheduler.get_last_lr()))
        optimizer.step()
        scheduler.step()
    return seen


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_number_of_every_group_equals_torchs(name, kind):
    theirs, ours = (_walk(*_make(lib, name, kind), 300) for lib in (torch, torchlike))
    assert ours == theirs


@pytest.mark.parametrize("name", [name for name in SCHEDULERS if name not in COMPOSITE])
@pytest.mark.filterwarnings("ignore:The epoch parameter", "ignore:Detected call")
def test_closed_forms_equal_torchs(name):
    def program(lib):
        _, scheduler = _make(lib, name)
        seen = []
        for epoch in (3, 5, 17, 40, 2, 100):
            scheduler.step(epoch)
            seen.append(scheduler.get_last_lr())
        return seen

    assert program(torchlike) == program(torch)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_checkpoints_go_both_ways(name):
    def saved(lib):
        optimizer, scheduler = _make(lib, name)
        _walk(optimizer, scheduler, 25)
        return copy.deepcopy((_numbers(optimizer), scheduler.state_dict())), _walk(optimizer, scheduler, 40)

    def resumed(lib, numbers, state):
        optimizer, scheduler = _make(lib, name)
        for group, old in zip(optimizer.param_groups, numbers, strict=True):
            group.update(old)
        scheduler.load_state_dict(state)
        return _walk(optimizer, scheduler, 40)

    (theirs, expected), (ours, found) = saved(torch), saved(torchlike)
    assert found == expected
    assert set(ours[1]) == set(theirs[1])
    assert resumed(torchlike, *theirs) == expected
    assert resumed(torch, *ours) == expected


@pytest.mark.parametrize(
    "options",
    [
        {},
        {
            "mode": "max",
            "patience": 2,
            "cooldown": 3,
            "threshold_mode": "abs",
            "threshold": 0.1,
            "min_lr": [1e-3, 2e-3],
        },
        {"factor": 0.5, "patience": 0, "eps": 1e-3},
    ],
    ids=str,
)
def test_reduce_on_plateau(options):
    def program(lib):
        optimizer = _optimizer(lib)
        scheduler = lib.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **options)
        metrics = random.Random(0)
        seen = []
        for _ in range(200):
            scheduler.step(metrics.random())
            seen.append(scheduler.get_last_lr())
        return seen, scheduler.state_dict()

    assert program(torchlike) == program(torch)


def test_plateau_takes_tensors_and_new_groups():
    def program(lib):
        optimizer = _optimizer(lib)
        scheduler = lib.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0)
        scheduler.step(lib.tensor(1.0))
        optimizer.add_param_group({"params": [lib.ones(1)], "lr": 1.0})
        scheduler.step(lib.tensor(2.0))
        return [group["lr"] for group in optimizer.param_groups]

    agree(program)


def test_tensor_learning_rates_are_filled_in_place():
    def program(lib):
        lr = lib.tensor(0.1)
        optimizer = lib.optim.SGD([lib.ones(2)], lr=lr)
        scheduler = lib.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
        optimizer.step()
        scheduler.step()
        return lr, optimizer.param_groups[0]["lr"] is lr, scheduler.get_last_lr()

    agree(program)


@pytest.mark.parametrize("last_epoch", [0, 4])
def test_resuming_needs_initial_lr(last_epoch):
    def program(lib):
        lib.optim.lr_scheduler.StepLR(_optimizer(lib), 2, last_epoch=last_epoch)

    agree(program, message=False)


@pytest.mark.parametrize("name", ["StepLR", "ExponentialLR", "CosineAnnealingLR", "LinearLR", "OneCycleLR", "CyclicLR"])
def test_resuming_from_an_epoch(name):
    arguments = {
        "StepLR": (2,),
        "ExponentialLR": (0.9,),
        "CosineAnnealingLR": (9,),
        "LinearLR": (),
        "OneCycleLR": (0.5, 90),
        "CyclicLR": (0.01, 0.1, 5),
    }[name]

    def program(lib):
        optimizer = _optimizer(lib)
        make = getattr(lib.optim.lr_scheduler, name)
        _walk(optimizer, make(optimizer, *arguments), 7)
        return _walk(optimizer, make(optimizer, *arguments, last_epoch=6), 20)

    assert program(torchlike) == program(torch)


WRONG = {
    "optimizer": lambda s, o: s.StepLR(5, 1),
    "lambdas": lambda s, o: s.LambdaLR(o, [lambda e: 1.0]),
    "not callable": lambda s, o: s.MultiplicativeLR(o, [1.0, 2.0]),
    "constant": lambda s, o: s.ConstantLR(o, 1.5),
    "linear start": lambda s, o: s.LinearLR(o, 0.0),
    "linear end": lambda s, o: s.LinearLR(o, 0.5, 1.5),
    "T_0": lambda s, o: s.CosineAnnealingWarmRestarts(o, 0),
    "T_mult": lambda s, o: s.CosineAnnealingWarmRestarts(o, 1, 0),
    "eta_min": lambda s, o: s.CosineAnnealingWarmRestarts(o, 1, 1, "0"),
    "factor": lambda s, o: s.ReduceLROnPlateau(o, factor=1.0),
    "plateau mode": lambda s, o: s.ReduceLROnPlateau(o, mode="mid"),
    "threshold mode": lambda s, o: s.ReduceLROnPlateau(o, threshold_mode="mid"),
    "min_lrs": lambda s, o: s.ReduceLROnPlateau(o, min_lr=[0.1]),
    "cyclic mode": lambda s, o: s.CyclicLR(o, 0.1, 0.2, mode="mid"),
    "cyclic lrs": lambda s, o: s.CyclicLR(o, [0.1], 0.2),
    "no length": lambda s, o: s.OneCycleLR(o, 0.1),
    "no steps": lambda s, o: s.OneCycleLR(o, 0.1, total_steps=0),
    "no epochs": lambda s, o: s.OneCycleLR(o, 0.1, epochs=-1, steps_per_epoch=3),
    "pct_start": lambda s, o: s.OneCycleLR(o, 0.1, total_steps=10, pct_start=1.5),
    "anneal": lambda s, o: s.OneCycleLR(o, 0.1, total_steps=10, anneal_strategy="step"),
    "sequence": lambda s, o: s.SequentialLR(o, [], []),
    "milestones": lambda s, o: s.SequentialLR(o, [s.StepLR(o, 1)], [1]),
    "plateau inside": lambda s, o: s.SequentialLR(o, [s.ReduceLROnPlateau(o)], []),
    "no optimizer": lambda s, o: s.ChainedScheduler([5], o),
    "chain": lambda s, o: s.ChainedScheduler([]),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_arguments_are_refused(what):
    agree(lambda lib: WRONG[what](lib.optim.lr_scheduler, _optimizer(lib)))


def test_one_cycle_ends():
    def program(lib):
        optimizer = _optimizer(lib)
        scheduler = lib.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=3)
        for _ in range(5):
            optimizer.step()
            scheduler.step()

    agree(program)


def _warnings(action):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        action()
    return [str(w.message)[:60] for w in caught]


def test_warnings_are_torchs():
    def program(lib):
        optimizer = _optimizer(lib)
        scheduler = lib.optim.lr_scheduler.StepLR(optimizer, 2)
        early = _warnings(scheduler.step)
        outside = _warnings(scheduler.get_lr)
        epoch = _warnings(lambda: scheduler.step(3))
        replaced = _optimizer(lib)
        second = lib.optim.lr_scheduler.StepLR(replaced, 2)
        replaced.step = lambda: None
        return early, outside, epoch, _warnings(second.step)

    agree(program)


def test_momentum_needs_an_optimizer_that_has_it():
    agree(lambda lib: lib.optim.lr_scheduler.CyclicLR(lib.optim.Rprop([lib.ones(1)]), 0.1, 0.2))


def test_a_scheduler_drives_training_as_in_torch():
    def program(lib):
        p = lib.ones(3, requires_grad=True)
        optimizer = lib.optim.Adam([p], lr=0.1)
        scheduler = lib.optim.lr_scheduler.OneCycleLR(optimizer, 0.5, total_steps=20)
        for _ in range(15):
            p.grad = p.detach().clone()
            optimizer.step()
            scheduler.step()
        return p.detach()

    agree(program)


def test_public_names_are_torchs():
    assert set(torchlike.optim.lr_scheduler.__all__) == set(torch.optim.lr_scheduler.__all__)
