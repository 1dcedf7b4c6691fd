"""``python -m torchlike.testing.conformance``: run the databases, print figures, write JSON and a coverage page."""

import argparse
import collections
import dataclasses
import json
import sys
import time
import warnings
from pathlib import Path

from torchlike.testing.conformance import expected as expectations
from torchlike.testing.conformance.runner import Job, Report, execute

#: Every check of the three databases, and the dtype it runs in unless asked otherwise.
DEFAULT_DTYPES = {
    "forward": "float32", "method": "float32", "inplace": "float32", "out": "float32", "errors": "float32",
    "gradient": "float64", "second": "float64", "forward-ad": "float64", "layer": "float32", "layer-gradient": "float64",
    "optimizer": "float64",
}  # fmt: skip
_LAYER_CHECKS = ("layer", "layer-gradient")
ALL_DTYPES = (
    "bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64 complex128".split()
)  # fmt: skip


def plan(patterns: list[str] | None, checks: list[str], dtypes: list[str] | None = None, limit: int | None = None) -> list[Job]:
    """The jobs for these entries, checks and dtypes (None: each check's own)."""
    import torch

    from torchlike.testing.conformance.entries import entries
    from torchlike.testing.conformance.layers import layers, optimizers

    jobs = []

    def add(name: str, check: str, supported: set[torch.dtype]) -> None:
        chosen = dtypes or [DEFAULT_DTYPES[check]]
        jobs.extend(Job(name, check, dtype, limit) for dtype in chosen if getattr(torch, dtype) in supported)

    floats = {torch.float32, torch.float64}
    differentiable = {*floats, torch.float16, torch.bfloat16, torch.complex64, torch.complex128}
    for entry in entries(patterns):
        for check in (c for c in checks if c not in (*_LAYER_CHECKS, "optimizer")):
            supported = entry.info.supported_dtypes("cpu")
            add(entry.name, check, supported if check not in ("gradient", "second", "forward-ad") else supported & differentiable)
    for layer in layers(patterns):
        for check in (c for c in checks if c in _LAYER_CHECKS):
            add(layer.name, check, floats)
    for optimizer in optimizers(patterns):
        if "optimizer" in checks:
            add(optimizer.name, "optimizer", floats)
    return jobs


def main(argv: list[str] | None = None) -> int:
    """Returns 0, or 1 if something failed that is not on the list, or a line of the list is obsolete."""
    parser = argparse.ArgumentParser(prog="python -m torchlike.testing.conformance", description=__doc__)
    parser.add_argument("--ops", nargs="*", metavar="NAME", help="entries by name or prefix: add linalg nn.Linear optim fft*")
    parser.add_argument("--checks", nargs="*", choices=DEFAULT_DTYPES, default=list(DEFAULT_DTYPES), metavar="CHECK",
                        help=f"of {', '.join(DEFAULT_DTYPES)}")  # fmt: skip
    parser.add_argument(
        "--dtype",
        nargs="*",
        dest="dtypes",
        metavar="DTYPE",
        help="dtypes, or 'all'; default: float32, gradients float64",
    )
    parser.add_argument("--samples", type=int, metavar="N", help="at most N samples an entry, evenly spread")
    parser.add_argument("--processes", type=int, default=2, metavar="N", help="worker processes; 0: in this one")
    parser.add_argument("--library", default="torchlike", help="the module to test")
    parser.add_argument("--expected", metavar="FILE", help="list of expected failures to hold the run against")
    parser.add_argument("--show", action="store_true", help="print the first difference of everything that fails")
    parser.add_argument("--all-differences", action="store_true", help="print every difference")
    parser.add_argument("--missing", action="store_true", help="list the entries that the library lacks")
    parser.add_argument("--json", metavar="FILE", help="write every report")
    parser.add_argument("--markdown", metavar="FILE", help="write the coverage table (docs/coverage.md)")
    options = parser.parse_args(argv)
    warnings.simplefilter("ignore")

    dtypes = list(ALL_DTYPES) if options.dtypes == ["all"] else options.dtypes
    jobs = plan(options.ops, options.checks, dtypes, options.samples)
    if not jobs:
        print("nothing matches", file=sys.stderr)
        return 2
    start = time.perf_counter()
    progress = Progress(len(jobs))
    reports: list[Report] = []
    try:
        for report in execute(jobs, options.library, options.processes):
            reports.append(report)
            progress.update(report)
    except KeyboardInterrupt:
        print(f"\ninterrupted: {len(reports)} of {len(jobs)} checks done", file=sys.stderr)
    progress.close()
    reports.sort(key=lambda r: (r.name, list(DEFAULT_DTYPES).index(r.check), r.dtype))

    if options.show or options.all_differences:
        show(reports, everything=options.all_differences)
    if options.missing:
        print("missing:", *sorted({r.name for r in reports if r.status == "missing"}), sep="\n  ")
    print(summary(reports))
    print(f"{time.perf_counter() - start:.0f} s")
    if options.json:
        Path(options.json).write_text(json.dumps([dataclasses.asdict(r) for r in reports], indent=1))
    if options.markdown:
        Path(options.markdown).write_text(markdown(reports))
    if options.expected:
        verdict = expectations.judge(reports, expectations.read(options.expected))
        for report in verdict.unexpected:
            print(f"unexpected: {report.name} {report.check} {report.dtype} {report.first}")
        for line in verdict.obsolete:
            print(f"passes, delete its line: {line}")
        return int(bool(verdict.unexpected or verdict.obsolete))
    return 0


class Progress:
    """One line on a terminal, rewritten; in a file a line every hundred checks."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self.failed = total, 0, 0
        self.start = time.perf_counter()

    def update(self, report: Report) -> None:
        self.done += 1
        self.failed += report.status in ("fail", "crash")
        if sys.stderr.isatty():
            width = 30 * self.done // self.total
            left = (time.perf_counter() - self.start) * (self.total - self.done) / self.done
            print(
                f"\r[{'█' * width}{'·' * (30 - width)}] {self.done}/{self.total}, {self.failed} failing, "
                f"{left:.0f} s left  {report.name[:40]:40}",
                end="", file=sys.stderr, flush=True,
            )  # fmt: skip
        elif self.done % 100 == 0:
            seconds = time.perf_counter() - self.start
            print(f"{self.done}/{self.total}, {self.failed} failing, {seconds:.0f} s", file=sys.stderr, flush=True)

    def close(self) -> None:
        if sys.stderr.isatty():
            print(file=sys.stderr)


def show(reports: list[Report], *, everything: bool) -> None:
    """Print what differs, grouped by entry."""
    for report in reports:
        if report.status in ("fail", "crash"):
            differ = f"{report.samples - report.agree} of {report.samples} differ"
            print(f"{report.name}  {report.check} {report.dtype}: {differ}")
            for line in report.differences if everything else [report.first]:
                print(f"    {line}")


def summary(reports: list[Report]) -> str:
    """The figures, a row a check: entries here, entries passing, samples agreeing."""
    rows = [f"{'check':15} {'entries':>8} {'missing':>8} {'passing':>8} {'samples':>9} {'agree':>9} {'share':>8}"]
    for check in DEFAULT_DTYPES:
        mine = [r for r in reports if r.check == check and r.status != "skip"]
        if not mine:
            continue
        here = [r for r in mine if r.status != "missing"]
        names = {r.name for r in here}
        failing = {r.name for r in here if r.status != "pass"}
        samples, agree = sum(r.samples for r in here), sum(r.agree for r in here)
        rows.append(
            f"{check:15} {len(names):8} {len({r.name for r in mine} - names):8} {len(names - failing):8} "
            f"{samples:9} {agree:9} {100 * agree / samples if samples else 100:7.2f}%"
        )
    if any(r.check == "errors" and r.status == "fail" for r in reports):
        differing = [d for r in reports if r.check == "errors" for d in r.differences]
        messages = sum(d.startswith("message:") for d in differing)
        rows.append(f"errors: {len(differing) - messages} of another type, {messages} with another message")
    return "\n".join(rows)


def markdown(reports: list[Report]) -> str:
    """A table of every entry and check: pass, or the reason why not."""
    used = [c for c in DEFAULT_DTYPES if any(r.check == c for r in reports)]
    table: dict[str, dict[str, list[Report]]] = collections.defaultdict(lambda: collections.defaultdict(list))
    for report in reports:
        table[report.name][report.check].append(report)
    lines = ["# Coverage", "", "Written by `python -m torchlike.testing.conformance --markdown docs/coverage.md`.", ""]
    lines += ["```", summary(reports), "```", "", f"| entry | {' | '.join(used)} |", "|" + " --- |" * (len(used) + 1)]
    for name in sorted(table):
        lines.append(f"| `{name}` | {' | '.join(_cell(table[name][c]) for c in used)} |")
    return "\n".join(lines) + "\n"


def _cell(reports: list[Report]) -> str:
    if any(r.status == "missing" for r in reports):
        return "missing"
    failing = [r for r in reports if r.status in ("fail", "crash")]
    if failing:
        reason = failing[0].first.replace("|", "\\|").replace("<", "&lt;")[:120]
        return f"{sum(r.agree for r in reports)}/{sum(r.samples for r in reports)}: {reason}"
    return "pass" if any(r.status == "pass" for r in reports) else ""


if __name__ == "__main__":
    sys.exit(main())
