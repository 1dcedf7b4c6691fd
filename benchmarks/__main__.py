"""``python -m benchmarks``: measure everything, print tables, write JSON. Each section is one file."""

import argparse
import json
import math
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks import startup, steps
from benchmarks.sides import SIDES
from benchmarks.steps import Timing
from benchmarks.workloads import WORKLOADS

SECTIONS = ("steps", "startup", "imports", "recording", "memory")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--sections", nargs="*", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--workloads", nargs="*", choices=list(WORKLOADS), default=list(WORKLOADS))
    parser.add_argument("--sides", nargs="*", choices=list(SIDES), default=["torchlike", "jax", "jax-plain", "torch"])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.4, help="length of one side's turn")
    parser.add_argument("--device", default="cpu", help="for torchlike; JAX takes its default device")
    parser.add_argument("--json", metavar="FILE", help="write every figure; sections not run are kept from the file")
    options = parser.parse_args(argv)

    results: dict[str, Any] = {}
    if options.json and Path(options.json).exists():
        results = json.loads(Path(options.json).read_text())
    results["machine"] = machine()

    def keep(section: str, value: Any) -> None:
        results[section] = value
        if options.json:  # after each section: a long run that breaks leaves what it had
            Path(options.json).write_text(json.dumps(results, indent=1))

    if "steps" in options.sections:
        known = results.get("steps", {})
        for name in options.workloads:
            found = steps.compare(name, options.sides, options.rounds, options.seconds, options.device)
            known[name] = {side: record(timing) for side, timing in found.items()}
            print_row(name, found)
            keep("steps", known)
        print_summary(known)
    if "startup" in options.sections:
        known = results.get("startup", {})
        for name in options.workloads:
            known[name] = {}
            for side in (s for s in options.sides if s != "torchax"):
                try:
                    known[name][side] = found = startup.cold_and_warm(side, name)
                except RuntimeError as error:
                    print(error, file=sys.stderr)
                    continue
                cold, warm = found["cold"], found["warm"]
                print(
                    f"{name:9} {side:10} third step: cold {cold['total']:5.2f} s ({cold['steps']:5.2f} after imports), "
                    f"warm {warm['total']:5.2f} s ({warm['steps']:5.2f})"
                )
            keep("startup", known)
    if "imports" in options.sections:
        seconds = {m: startup.import_seconds(m) for m in ("jax", "torchlike", "torch") if importable(m)}
        print("imports:", ", ".join(f"{m} {s:.2f} s" for m, s in seconds.items()))
        keep("imports", seconds)
    if "recording" in options.sections and importable("torchlike"):
        keep("recording", subsidiary("benchmarks.recording"))
        print("recording:", results["recording"])
    if "memory" in options.sections:
        found = {side: subsidiary("benchmarks.memory", side) for side in options.sides if side in ("torchlike", "jax")}
        keep("memory", found)
        print("memory:", found)
    return 0


def importable(module: str) -> bool:
    return not subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True).returncode


def subsidiary(module: str, *arguments: str) -> Any:
    """The JSON that a module of ours prints, run in a process of its own."""
    done = subprocess.run([sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1]) if not done.returncode else None


def record(timing: Timing | Exception) -> dict[str, Any]:
    if isinstance(timing, Exception):
        return {"error": f"{type(timing).__name__}: {timing}"[:500]}
    return {
        "min_ms": timing.best,
        "median_ms": timing.median,
        "rounds_ms": timing.milliseconds,
        "loss": timing.loss,
        **timing.facts,
    }


def print_row(name: str, results: dict[str, Timing | Exception]) -> None:
    print(WORKLOADS[name].title)
    for side, timing in results.items():
        if isinstance(timing, Exception):
            print(f"    {SIDES[side][0]:20} {type(timing).__name__}: {str(timing)[:200]}")
            continue
        ratios = []
        for other in ("jax", "torch"):
            best, median = steps.ratio(results, side, other), steps.paired(results, side, other)
            if best is not None and other != side:
                ratios.append(f"{best:5.2f}× {other} (by rounds {median:5.2f}×)")
        print(f"    {SIDES[side][0]:20} {timing.best:8.3f} ms  {'  '.join(ratios)}  {timing.facts or ''}", flush=True)


def print_summary(known: dict[str, Any]) -> None:
    for other in ("jax", "torch"):
        ratios = [
            row["torchlike"]["min_ms"] / row[other]["min_ms"]
            for row in known.values()
            if "min_ms" in row.get("torchlike", {}) and "min_ms" in row.get(other, {})
        ]
        if ratios:
            mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
            print(f"torchlike ÷ {SIDES[other][0]}: largest {max(ratios):.2f}, geometric mean {mean:.2f}")


def machine() -> dict[str, Any]:
    from importlib.metadata import version

    return {
        "cores": os.cpu_count(),
        "cpu": next(
            (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
            platform.processor(),
        ),
        "python": platform.python_version(),
        **{package: version(package) for package in ("jax", "torch")},
    }


if __name__ == "__main__":
    sys.exit(main())
