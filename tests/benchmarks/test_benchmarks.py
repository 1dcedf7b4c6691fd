"""The benchmarks measure the same training on every side, and write what they measured where it belongs."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import recording, report, sides, steps
from benchmarks.workloads import WORKLOADS


@pytest.fixture(autouse=True)
def _parameters(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHLIKE_BENCH_PARAMETERS", str(tmp_path_factory.getbasetemp()))


def test_every_side_trains_the_same_thing() -> None:
    trains = {side: sides.prepare(side, "mlp") for side in ("torch", "torchlike", "jax", "jax-plain")}
    losses = {side: [train(1) for _ in range(12)] for side, train in trains.items()}
    for side, found in losses.items():
        np.testing.assert_allclose(found, losses["torch"], rtol=1e-4, err_msg=side)


@pytest.mark.parametrize("name", WORKLOADS)
def test_batches_are_the_same_each_time(name: str) -> None:
    for one, other in zip(WORKLOADS[name].batches(2), WORKLOADS[name].batches(2), strict=True):
        assert all((a == b).all() and a.dtype == b.dtype for a, b in zip(one, other, strict=True))


def test_sides_take_turns() -> None:
    results = steps.compare("mlp", ["torch"], rounds=2, seconds=0.01)
    timing = results["torch"]
    assert isinstance(timing, steps.Timing)
    assert len(timing.milliseconds) == 2
    assert steps.ratio(results, "torch", "torch") == 1.0
    assert steps.ratio(results, "torchlike", "torch") is None


def test_the_chain_has_as_many_ops_as_it_says() -> None:
    import torchlike

    x, step = recording.chain(torchlike, 120)
    step(x).sum().item()
    torchlike.explain.reset()
    step(x).sum().item()
    assert torchlike.explain().ops == pytest.approx(120, abs=8)


def test_figures_replace_older_ones_between_their_markers(tmp_path: Path) -> None:
    side = {"min_ms": 2.0, "median_ms": 2.0, "runs_a_step": 1.0, "programs_in_100_steps": 0}
    results = {
        "machine": {"cpu": "a CPU", "cores": 2, "python": "3.11", "jax": "0", "torch": "0"},
        "steps": {"mlp": {"torchlike": side, "jax": side | {"min_ms": 1.0}}, "gpt": {"torchlike": {"error": "oh"}}},
        "imports": {"jax": 1.0, "torchlike": 1.25},
        "memory": {"torchlike": {"first": 100.0, "last": 101.5}},
    }
    source, page = tmp_path / "results.json", tmp_path / "page.md"
    source.write_text(json.dumps(results))
    page.write_text(f"# Speed\n\nText.\n\n{report.BEGIN}\nold\n{report.END}\n\nMore.\n")
    report.main(str(source), str(page))
    text = page.read_text()
    assert text.startswith("# Speed\n\nText.\n")
    assert text.endswith(f"{report.END}\n\nMore.\n")
    assert "old" not in text
    assert "| 2.000 | 2.00 |" in text
    assert "| `import torchlike` ÷ `import jax` | 1.25 |" in text
    assert "+1.5 MB" in text
    report.main(str(source), str(page))
    assert page.read_text() == text
