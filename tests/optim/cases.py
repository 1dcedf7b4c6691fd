"""The options under which every optimizer is compared with torch: one table for all tests in this folder."""

from typing import Any

OPTIONS: dict[str, list[dict[str, Any]]] = {
    "SGD": [
        {"lr": 0.1},
        {"lr": 0.01, "weight_decay": 0.1},
        {"lr": 0.1, "momentum": 0.9},
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1},
        {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True},
    ],
    "Adam": [
        {"lr": 0.01},
        {"lr": 0.01, "amsgrad": True},
        {"weight_decay": 0.1, "maximize": True},
        {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True, "amsgrad": True},
        {"betas": (0.0, 0.9)},
        {"betas": (0.5, 0.999), "eps": 1e-3},
        {"betas": (0.3, 0.4)},
    ],
    "AdamW": [{"lr": 0.01}, {"lr": 0.01, "amsgrad": True, "weight_decay": 0.3}, {"weight_decay": 0, "maximize": True}],
    "RMSprop": [
        {"lr": 0.01},
        {"lr": 0.01, "centered": True},
        {"lr": 0.01, "momentum": 0.9, "alpha": 0.9},
        {"lr": 0.01, "centered": True, "momentum": 0.9, "weight_decay": 0.1, "maximize": True},
    ],
    "Adagrad": [
        {"lr": 0.1},
        {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.1},
        {"maximize": True, "eps": 1e-4},
    ],
    "Adadelta": [{}, {"lr": 0.5, "rho": 0.8, "weight_decay": 0.1}, {"maximize": True, "eps": 1e-3}],
    "Adafactor": [
        {},
        {"lr": 0.1, "beta2_decay": -0.5, "eps": (1e-4, 1e-2), "d": 1.5, "weight_decay": 0.1, "maximize": True},
    ],
    "Adamax": [{}, {"lr": 0.01, "weight_decay": 0.1, "maximize": True}],
    "NAdam": [
        {},
        {"lr": 0.01, "weight_decay": 0.1},
        {
            "lr": 0.01,
            "weight_decay": 0.1,
            "decoupled_weight_decay": True,
            "momentum_decay": 6e-3,
            "maximize": True,
        },
    ],
    "RAdam": [
        {},
        {"lr": 0.01, "weight_decay": 0.1},
        {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True},
        {"betas": (0.9, 0.9)},
    ],
    "ASGD": [
        {},
        {"lr": 0.1, "lambd": 0.01, "t0": 5, "weight_decay": 0.1},
        {"t0": 0, "alpha": 0.5, "maximize": True},
    ],
    "Rprop": [{}, {"lr": 0.1, "etas": (0.4, 1.3), "step_sizes": (1e-3, 1.0)}, {"maximize": True}],
}

#: One row an option set.
ROWS = [(name, options) for name, rows in OPTIONS.items() for options in rows]


def described(value: object) -> str:
    """A row's name in the test's id."""
    if isinstance(value, dict):
        return ",".join(f"{k}={v}" for k, v in value.items()) or "defaults"
    return str(value)
