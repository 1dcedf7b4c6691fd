"""``python -m benchmarks.report results.json docs/performance.md``: the figures as tables, between two markers."""

import json
import math
import sys
from pathlib import Path
from typing import Any

from benchmarks.workloads import WORKLOADS

BEGIN, END = "<!-- figures: written by benchmarks/report.py -->", "<!-- end of figures -->"


def tables(results: dict[str, Any]) -> str:
    """The figures as Markdown."""
    machine = results["machine"]
    parts = [
        f"{machine['cpu']}, {machine['cores']} cores, Python {machine['python']}, jax {machine['jax']}, torch {machine['torch']}."
    ]
    if results.get("steps"):
        parts.append(_steps(results["steps"]))
    if results.get("startup"):
        parts.append(_startup(results["startup"]))
    others = []
    if imports := results.get("imports"):
        if "torchlike" in imports:
            others.append(f"| `import torchlike` ÷ `import jax` | {imports['torchlike'] / imports['jax']:.2f} |")
    if recording := results.get("recording"):
        others += [f"| recording an op, {k}, 600-op step | {v:.1f} µs |" for k, v in recording["microseconds_per_op"].items()]
        others += [f"| programs built after step 3, {k} | {v} |" for k, v in recording["programs"].items()]
    if memory := (results.get("memory") or {}).get("torchlike"):
        grown = memory["last"] - memory["first"]
        others.append(f"| resident memory, steps 1,000 to 10,000 of the MLP | {grown:+.1f} MB |")
    if others:
        parts.append("\n".join(["| what | figure |", "| --- | --- |", *others]))
    return "\n\n".join(parts)


def _steps(rows: dict[str, Any]) -> str:
    lines = [
        "| workload | torchlike, ms a step | ÷ JAX, same lowering | ÷ JAX, plain | ÷ eager torch | runs a step "
        "| programs in 100 steps |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    ratios: dict[str, list[float]] = {"jax": [], "jax-plain": [], "torch": []}
    for name, row in rows.items():
        ours = row.get("torchlike", {})
        if "min_ms" not in ours:
            lines.append(f"| {WORKLOADS[name].title} | {ours.get('error', 'not run')} | | | | | |")
            continue
        cells = []
        for other, values in ratios.items():
            if "min_ms" in row.get(other, {}):
                values.append(ours["min_ms"] / row[other]["min_ms"])
                cells.append(f"{values[-1]:.2f}")
            else:
                cells.append("")
        facts = f"{ours.get('runs_a_step', '')} | {ours.get('programs_in_100_steps', '')}"
        lines.append(f"| {WORKLOADS[name].title} | {ours['min_ms']:.3f} | {' | '.join(cells)} | {facts} |")
    means = [f"{math.exp(sum(map(math.log, v)) / len(v)):.2f}" if v else "" for v in ratios.values()]
    lines.append(f"| geometric mean | | {' | '.join(means)} | | |")
    return "\n".join(lines)


def _startup(rows: dict[str, Any]) -> str:
    lines = [
        "| seconds to the third step, after imports (with them) | torchlike, cold | JAX, cold "
        "| torchlike, warm cache | JAX, warm cache |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, row in rows.items():
        cells = [
            f"{row[side][state]['steps']:.2f} ({row[side][state]['total']:.2f})" if side in row else ""
            for state in ("cold", "warm")
            for side in ("torchlike", "jax")
        ]
        lines.append(f"| {WORKLOADS[name].title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def insert(page: str, figures: str) -> str:
    """The page with the figures between its markers, which are added at its end where they are missing."""
    if BEGIN not in page:
        page = f"{page.rstrip()}\n\n{BEGIN}\n{END}\n".lstrip()
    before, rest = page.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    return f"{before}{BEGIN}\n\n{figures}\n\n{END}{after}"


def main(source: str, page: str) -> None:
    path = Path(page)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = path.read_text() if path.exists() else "# Performance\n"
    path.write_text(insert(text, tables(json.loads(Path(source).read_text()))))


if __name__ == "__main__":
    main(*sys.argv[1:])
