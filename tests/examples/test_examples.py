"""The examples: the same losses as under real torch, step by step, and no program built after the third step."""

import functools
import json
import os
import pathlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SCRIPTS = [
    "linear_regression",
    "logistic_regression",
    "autograd_basics",
    "mnist_two_layer",
    "mnist_mlp",
    "two_outputs",
    "dropout_net",
    "cifar_cnn",
    "lstm_sentiment",
    "gan",
    "vae",
    "collaborative_filtering",
    "transformer_lm",
]
STEPS = 50
#: These take a few seconds each; the others are part of `make test`.
QUICK = ["linear_regression", "autograd_basics", "mnist_mlp", "transformer_lm"]


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("data")
    sys.path.insert(0, str(ROOT / "examples"))
    try:
        import make_data
    finally:
        sys.path.pop(0)
    make_data.write_mnist(folder)
    make_data.write_cifar10(folder)
    return folder


@functools.cache
def drive(library: str, script: str, data: pathlib.Path, *more: str) -> dict[str, Any]:
    """Run an example in a process of its own; fails with its output if it fails."""
    command = [
        sys.executable,
        str(ROOT / "tests/examples/drive.py"),
        library,
        str(ROOT / f"examples/{script}.py"),
        f"--steps={STEPS}",
        f"--data={data}",
        *more,
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    *output, record = done.stdout.splitlines()
    return {"output": output, **json.loads(record)}


def scripts() -> list[Any]:
    return [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in SCRIPTS]


@pytest.mark.parametrize("script", scripts())
def test_losses_are_torchs_at_every_step(script: str, data: pathlib.Path) -> None:
    theirs, ours = (drive(library, script, data) for library in ("torch", "torchlike"))
    assert len(ours["losses"]) == len(theirs["losses"])
    np.testing.assert_allclose(ours["losses"], theirs["losses"], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("script", scripts())
def test_nothing_is_compiled_after_the_third_step(script: str, data: pathlib.Path) -> None:
    found = drive("torchlike", script, data)
    within_an_epoch = found["programs"][2:12]  # evaluation between epochs may add its own
    assert len(set(within_an_epoch)) == 1, found["programs"]


@pytest.mark.parametrize("script", scripts())
def test_examples_learn_and_say_so(script: str, data: pathlib.Path) -> None:
    found = drive("torchlike", script, data)
    losses = [step[0] for step in found["losses"]]  # of a GAN, the discriminator's
    assert np.mean(losses[-5:]) < np.mean(losses[:5])
    assert found["output"]


def test_the_wrong_example_of_a_tutorial_gives_torchs_error(data: pathlib.Path) -> None:
    found = drive("torchlike", "autograd_basics", data)
    assert "RuntimeError: element 0 of tensors does not require grad and does not have a grad_fn" in found["output"]
    assert found["output"] == drive("torch", "autograd_basics", data)["output"]


def test_tensors_prints_what_torch_prints(data: pathlib.Path) -> None:
    theirs, ours = (drive(library, "tensors", data) for library in ("torch", "torchlike"))
    assert ours["output"] == theirs["output"]


def test_logs_are_the_losses(tmp_path: pathlib.Path, data: pathlib.Path) -> None:
    log = tmp_path / "log.json"
    found = drive("torchlike", "linear_regression", data, f"--log={log}")
    written = [list(step.values()) for step in json.loads(log.read_text())]
    np.testing.assert_allclose(written, found["losses"], rtol=1e-6)
