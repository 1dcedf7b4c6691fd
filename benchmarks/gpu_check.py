"""The examples on a GPU: do they run, and with the losses that they have on the CPU?

    python -m benchmarks.gpu_check --data DIR

Prints a row for each example: the largest relative difference of a loss over the steps, and the seconds each took.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = (
    "linear_regression", "mnist_two_layer", "mnist_mlp", "cifar_cnn", "gan", "vae", "collaborative_filtering", "lstm_sentiment",
    "transformer_lm",
)  # fmt: skip


def losses(found: Any) -> list[float]:
    """All numbers of a log, in order."""
    if isinstance(found, (int, float)):
        return [float(found)]
    items = found.values() if isinstance(found, dict) else found
    return [x for item in items if not isinstance(item, str) for x in losses(item)]


def run(command: list[str], log: Path) -> tuple[list[float], float]:
    """Run an example; its losses and the seconds it took."""
    start = time.perf_counter()
    done = subprocess.run(
        [*command, "--log", str(log)], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-600:])
    return losses(json.loads(log.read_text())), time.perf_counter() - start


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--steps", default="50")
    parser.add_argument("--device", default="cuda")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    failed = 0
    print(f"{'example':26s} {'steps':>5s} {'largest difference':>18s} {'cuda s':>7s} {'cpu s':>7s}")
    for name in EXAMPLES:
        script = [sys.executable, str(ROOT / "examples" / f"{name}.py"), "--data", options.data, "--steps", options.steps]
        try:
            there, seconds = run([*script, "--device", options.device], folder / "there.json")
            here, cpu_seconds = run([*script, "--device", "cpu"], folder / "here.json")
        except RuntimeError as error:
            failed += 1
            print(f"{name:26s} {error}")
            continue
        worst = max((abs(a - b) / max(abs(b), 1e-12) for a, b in zip(there, here, strict=True)), default=0.0)
        print(f"{name:26s} {len(here):5d} {worst:18.2e} {seconds:7.1f} {cpu_seconds:7.1f}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
