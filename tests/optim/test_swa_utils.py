"""Averaged models, batch norm statistics and `SWALR` against torch."""

import copy

import pytest
import torch

import torchlike
from tests.differential import agree

AVERAGES = {
    "mean": lambda swa: {},
    "ema of one": lambda swa: {"avg_fn": swa.get_ema_avg_fn(0.9)},
    "ema of many": lambda swa: {"multi_avg_fn": swa.get_ema_multi_avg_fn(0.9)},
    "mean of many": lambda swa: {"multi_avg_fn": swa.get_swa_multi_avg_fn()},
    "buffers too": lambda swa: {"multi_avg_fn": swa.get_ema_multi_avg_fn(0.8), "use_buffers": True},
}


def _model(lib):
    lib.manual_seed(0)
    return lib.nn.Sequential(lib.nn.Linear(3, 4), lib.nn.BatchNorm1d(4))


@pytest.mark.parametrize("what", AVERAGES)
def test_averaged_models(what):
    def program(lib):
        model = _model(lib)
        averaged = lib.optim.swa_utils.AveragedModel(model, **AVERAGES[what](lib.optim.swa_utils))
        for i in range(5):
            with lib.no_grad():
                for p in model.parameters():
                    p.add_(lib.ones_like(p), alpha=0.1 * (i + 1))
            model(lib.arange(18.0).view(6, 3) / (i + 1))
            averaged.update_parameters(model)
        saved = copy.deepcopy(averaged.state_dict())
        lib.optim.swa_utils.update_bn([lib.arange(12.0).view(4, 3), [lib.ones(4, 3), 5]], averaged)
        return saved, averaged.state_dict(), averaged(lib.arange(12.0).view(4, 3)).detach(), averaged.training

    agree(program)


def test_both_functions_are_refused():
    def program(lib):
        swa = lib.optim.swa_utils
        swa.AveragedModel(_model(lib), avg_fn=swa.get_ema_avg_fn(), multi_avg_fn=swa.get_ema_multi_avg_fn())

    agree(program)


@pytest.mark.parametrize("name", ["get_ema_avg_fn", "get_ema_multi_avg_fn"])
def test_a_decay_is_a_share(name):
    agree(lambda lib: getattr(lib.optim.swa_utils, name)(1.5))


def test_update_bn_leaves_models_without_it_alone():
    def program(lib):
        model = lib.nn.Linear(2, 2).eval()
        lib.optim.swa_utils.update_bn([lib.ones(1, 2)], model)
        return model.training

    agree(program)


@pytest.mark.parametrize(
    "options",
    [
        {"swa_lr": 0.05},
        {"swa_lr": 0.2, "anneal_epochs": 7, "anneal_strategy": "linear"},
        {"swa_lr": 0.2, "anneal_epochs": 0},
    ],
    ids=str,
)
def test_swalr(options):
    def program(lib):
        optimizer = lib.optim.SGD([lib.ones(2)], lr=0.1)
        scheduler = lib.optim.swa_utils.SWALR(optimizer, **options)
        seen = []
        for _ in range(20):
            optimizer.step()
            scheduler.step()
            seen += scheduler.get_last_lr()
        return seen, scheduler.state_dict()

    assert program(torchlike) == program(torch)


@pytest.mark.parametrize("options", [{"anneal_strategy": "step"}, {"anneal_epochs": -1}, {"anneal_epochs": 1.5}], ids=str)
def test_swalr_refuses(options):
    agree(lambda lib: lib.optim.swa_utils.SWALR(lib.optim.SGD([lib.ones(2)], lr=0.1), 0.1, **options))
