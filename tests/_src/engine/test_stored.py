"""Programs kept on disk: found again by what was recorded, and by nothing else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import torchlike as torch
from torchlike._src.engine import stored
from torchlike._src.engine.trace import local

SCRIPT = """
import json, sys
import torchlike as torch

if "double" in sys.argv:
    torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
layers = [m for _ in range(24) for m in (torch.nn.Linear(8, 8), torch.nn.Tanh())]
model = torch.nn.Sequential(*layers)
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01 if "slow" not in sys.argv else 0.001)
losses = []
for step in range(4):
    x = torch.randn(16, 8)
    loss = (model(x) - (x if "other" not in sys.argv else -x)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    losses.append(loss.item())
done = torch.explain()
print(json.dumps({"losses": losses, "loaded": done.loaded, "programs": done.programs, "compilations": done.compilations}))
"""


def run(folder: Path, *arguments: str) -> dict:
    script = folder / "script.py"
    script.write_text(SCRIPT)
    environment = {**os.environ, "TORCHLIKE_CACHE_DIR": str(folder / "cache")}
    done = subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True, env=environment, check=True)
    return json.loads(done.stdout)


def test_a_second_start_neither_traces_nor_compiles_and_computes_the_same(tmp_path):
    first, second = run(tmp_path), run(tmp_path)
    assert first["loaded"] == 0
    assert second["loaded"] == first["programs"] == second["programs"]
    assert second["compilations"] < first["compilations"]
    assert second["losses"] == first["losses"]

    slow = run(tmp_path, "slow")  # the learning rate is an input
    assert slow["loaded"] == slow["programs"]
    assert slow["losses"][0] == first["losses"][0]
    assert slow["losses"][1:] != first["losses"][1:]

    for argument in ("other", "double"):
        changed = run(tmp_path, argument)
        assert changed["loaded"] == 0
        assert changed["losses"] != first["losses"]

    kept = sorted((tmp_path / "cache" / "torchlike-programs").iterdir())
    assert kept
    for file in kept:
        file.write_bytes(file.read_bytes()[:1000])
    damaged = run(tmp_path)
    assert damaged["loaded"] == 0
    assert damaged["losses"] == first["losses"]


def key(record) -> str | None:
    recorder = local.recorder
    recorder.flush("a test")
    x, y = torch.ones(2, 2, requires_grad=True), torch.ones(2, 2)
    held = record(x, y)
    found = stored.key_of(recorder.node.path(), (0,), (), recorder.numbers)
    recorder.flush("a test")
    del held
    return found


def test_the_same_ops_have_the_same_key():
    assert key(lambda x, y: (x @ y + 1).sum()) == key(lambda x, y: (x @ y + 1).sum()) is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda x, y: x + 3, lambda x, y: x + 4),
        (lambda x, y: x + 3, lambda x, y: x + 3.0),
        (lambda x, y: x - y, lambda x, y: y - x),
        (lambda x, y: x * x, lambda x, y: x * y),
        (lambda x, y: x.sum(0), lambda x, y: x.sum(1)),
        (lambda x, y: x.sum(0), lambda x, y: x.sum(0, keepdim=True)),
        (lambda x, y: x.view(4) * 2, lambda x, y: x.view(1, 4) * 2),
        (lambda x, y: x[0] * 2, lambda x, y: x[1] * 2),
        (lambda x, y: x.double() * 2, lambda x, y: x.half() * 2),
        (lambda x, y: (x * x).exp(), lambda x, y: (x * x).detach().exp()),
        (lambda x, y: torch.nn.functional.gelu(x), lambda x, y: torch.nn.functional.gelu(x, approximate="tanh")),
        (lambda x, y: x * float("inf"), lambda x, y: x * float("-inf")),
    ],
)
def test_other_ops_have_another_key(one, other):
    assert len({key(one), key(other), None}) == 3


def test_settings_and_outputs_are_in_the_key():
    before = key(lambda x, y: x @ y)
    torch.set_float32_matmul_precision("medium")
    try:
        assert key(lambda x, y: x @ y) != before
    finally:
        torch.set_float32_matmul_precision("highest")
    assert key(lambda x, y: x @ y) == before


def test_what_has_no_name_is_not_kept():

    with pytest.raises(stored.Unnamed):
        stored.name_of(lambda x: x)
    with pytest.raises(stored.Unnamed):
        stored.name_of(json.dumps)
    with pytest.raises(stored.Unnamed):
        stored.plain((1, object()))
    assert stored.plain((1, 1.0, True, "1", (None,))) == ("tuple", 1, 1.0, True, "1", ("tuple", None))
    assert repr(stored.plain(-0.0)) != repr(stored.plain(0.0))


def test_what_was_used_longest_ago_makes_room(tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "ROOM", 250)
    for age, name in enumerate(["newest", "middle", "oldest"]):
        (tmp_path / name).write_bytes(b"x" * 100)
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    stored._make_room(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"newest", "middle"}
