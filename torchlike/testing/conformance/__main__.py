"""``python -m torchlike.testing.conformance``: run the databases, print figures, write JSON and a coverage page."""

import argparse
import collections
import dataclasses
import importlib
import json
import sys
import time
import warnings

from torchlike._src.atomic import replacing
from torchlike.testing.conformance import expected as expectations
from torchlike.testing.conformance.runner import Job, Report, execute

#: Every check of the three databases, and the dtype it runs in unless asked otherwise.
DEFAULT_DTYPES = {
    "forward": "float32", "xla": "float32", "method": "float32", "inplace": "float32", "out": "float32", "errors": "float32",
    "gradient": "float64", "second": "float64", "forward-ad": "float64", "layer": "float32", "layer-gradient": "float64",
    "optimizer": "float64",
}  # fmt: skip
_LAYER_CHECKS = ("layer", "layer-gradient")
#: Every dtype that the library holds, the first ones preferred where an entry does not support a check's own.
ALL_DTYPES = (
    "float32 float64 complex64 complex128 int64 bool int32 int16 int8 uint8 float16 bfloat16 uint16 uint32 uint64 "
    "float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz"
).split()
#: In further dtypes XLA computes only so many samples of what it computes in the first one, too.
_XLA_SAMPLES = 3
#: The same for gradients, which are compared in double precision where possible.
_GRADIENT_DTYPES = "float64 complex128 float32 complex64 float16 bfloat16".split()


def plan(
    patterns: list[str] | None, checks: list[str], dtypes: list[str] | None = None, limit: int | None = None,
    further: int | None = None,
) -> list[Job]:  # fmt: skip
    """The jobs for these entries, checks and dtypes.

    Args:
        patterns: names of entries, see `entries.matches`; None: all.
        checks: keys of `DEFAULT_DTYPES`.
        dtypes: None: each check's own, or where the entry does not support that, another; ``["all"]``: forward, also by XLA, in
            every one that torch's CPU supports, the other checks in their own; else those, as far as they are supported.
        limit: at most so many samples a job.
        further: the same for ``["all"]`` in those dtypes that are not the check's own.
    """
    from torchlike.testing.conformance.entries import entries
    from torchlike.testing.conformance.layers import layers, optimizers

    jobs = []
    for entry in entries(patterns):
        for check in (c for c in checks if c not in (*_LAYER_CHECKS, "optimizer") and entry.applies(c)):
            preferred = _GRADIENT_DTYPES if DEFAULT_DTYPES[check] == "float64" else ALL_DTYPES
            supported = entry.dtypes(check)
            found = [d for d in preferred if d in supported] or [DEFAULT_DTYPES[check]]  # that the entry may not vanish
            if entry.skipped or dtypes is None or (dtypes == ["all"] and check not in ("forward", "xla")):
                found = found[:1]
            elif dtypes != ["all"]:
                found = [d for d in found if d in dtypes]
            most = further and min(further, _XLA_SAMPLES) if check == "xla" else further
            limits = [limit, *[most or limit] * (len(found) - 1)] if dtypes == ["all"] else [limit] * len(found)
            jobs.extend(Job(entry.name, check, dtype, n) for dtype, n in zip(found, limits, strict=True))
    others = [(layer.name, c) for layer in layers(patterns) for c in checks if c in _LAYER_CHECKS]
    others += [(optimizer.name, c) for optimizer in optimizers(patterns) for c in checks if c == "optimizer"]
    for name, check in others:
        chosen = (
            [DEFAULT_DTYPES[check]] if dtypes in (None, ["all"]) else [d for d in dtypes or () if d in ("float32", "float64")]
        )
        jobs.extend(Job(name, check, dtype, limit) for dtype in chosen)
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
        help="dtypes; 'all': forward in every dtype that torch's CPU supports; default: float32, gradients float64",
    )
    parser.add_argument("--samples", type=int, metavar="N", help="at most N samples an entry, evenly spread")
    parser.add_argument("--further", type=int, metavar="N", help="with --dtype all: the same for dtypes but a check's own")
    parser.add_argument("--processes", type=int, default=2, metavar="N", help="worker processes; 0: in this one")
    parser.add_argument("--library", default="torchlike", help="the module to test")
    parser.add_argument("--expected", metavar="FILE", help="list of expected failures to hold the run against")
    parser.add_argument("--show", action="store_true", help="print the first difference of everything that fails")
    parser.add_argument("--all-differences", action="store_true", help="print every difference")
    parser.add_argument("--missing", action="store_true", help="list the entries that the library lacks, and run nothing")
    parser.add_argument("--json", metavar="FILE", help="write every report")
    parser.add_argument("--markdown", metavar="FILE", help="write the coverage table (docs/coverage.md)")
    options = parser.parse_args(argv)
    warnings.simplefilter("ignore")

    if options.missing:
        print(*missing(options.ops, options.library), sep="\n")
        return 0
    expected = expectations.read(options.expected) if options.expected else {}
    jobs = plan(options.ops, options.checks, options.dtypes, options.samples, options.further)
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
    print(summary(reports))
    print(f"{time.perf_counter() - start:.0f} s")
    if options.json:
        _write(options.json, json.dumps([dataclasses.asdict(r) for r in reports], indent=1))
    if options.markdown:
        _write(options.markdown, markdown(reports, expected))
    if options.expected:
        verdict = expectations.judge(reports, expected)
        for report in verdict.unexpected:
            print(f"unexpected: {report.name} {report.check} {report.dtype} {report.first}")
        for line in verdict.obsolete:
            print(f"passes, delete its line: {line}")
        return int(bool(verdict.unexpected or verdict.obsolete))
    return 0


class Progress:
    """One line on a terminal, rewritten; in a file a line every hundred checks and for each that fails, as soon as it does."""

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
            return
        if report.status in ("fail", "crash"):
            print(f"fails: {report.name} {report.check} {report.dtype}: {report.first[:300]}", file=sys.stderr, flush=True)
        if self.done % 100 == 0:
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


def missing(patterns: list[str] | None, library: str) -> list[str]:
    """The entries that the library lacks, without running anything."""
    from torchlike.testing.conformance.entries import entries
    from torchlike.testing.conformance.layers import layers, optimizers

    module = importlib.import_module(library)
    found = [*(e for e in entries(patterns) if not e.skipped), *layers(patterns), *optimizers(patterns)]
    return [entry.name for entry in found if not entry.exists(module)]


def summary(reports: list[Report]) -> str:
    """The figures, a row a check.

    ``passing`` of ``entries``: an entry passes a check if all of its samples agree in all dtypes that were run. The database says
    for how many entries the check makes sense; those without a comparison (CUDA only) are counted, and count as not passing.
    """
    words = ("entries", "passing", "failing", "missing", "not run")
    rows = [f"{'check':15} {' '.join(f'{word:>8}' for word in words)} {'samples':>9} {'agree':>9} {'share':>8}"]
    for check in DEFAULT_DTYPES:
        statuses: dict[str, set[str]] = collections.defaultdict(set)
        mine = [r for r in reports if r.check == check]
        for report in mine:
            statuses[report.name].add(report.status)
        if not mine:
            continue
        kinds = collections.Counter(_of_all(found) for found in statuses.values())
        samples, agree = sum(r.samples for r in mine), sum(r.agree for r in mine)
        rows.append(
            f"{check:15} {len(statuses):8} {kinds['pass']:8} {kinds['fail']:8} {kinds['missing']:8} {kinds['skip']:8} "
            f"{samples:9} {agree:9} {100 * agree / samples if samples else 100:7.2f}%"
        )
    errors = [r for r in reports if r.check == "errors" and r.samples]
    if errors:
        total = sum(r.samples for r in errors)
        other = sum(not d.startswith("message:") for r in errors for d in r.differences)
        agree = sum(r.agree for r in errors)
        rows.append(
            f"errors: of {total} bad inputs {total - other} ({100 * (total - other) / total:.1f} %) raise the right type, "
            f"{agree} ({100 * agree / total:.1f} %) with the right message"
        )
    return "\n".join(rows)


def _of_all(statuses: set[str]) -> str:
    """One word for an entry that was run in several dtypes."""
    worst = next(status for status in ("missing", "crash", "fail", "pass", "skip") if status in statuses)
    return "fail" if worst == "crash" else worst


def markdown(reports: list[Report], expected: dict[tuple[str, str, str], str] | None = None) -> str:
    """The figures, a table of every entry and check, and the reason for everything in it that is no pass."""
    used = [c for c in DEFAULT_DTYPES if any(r.check == c for r in reports)]
    table: dict[str, dict[str, list[Report]]] = collections.defaultdict(lambda: collections.defaultdict(list))
    for report in reports:
        table[report.name][report.check].append(report)
    lines = ["# Coverage", "", "Written by `python -m torchlike.testing.conformance --markdown docs/coverage.md`.", ""]
    sampled = sum(not r.complete for r in reports)
    if sampled:
        lines += [f"{sampled} of {len(reports)} checks ran on some of the database's inputs (`--samples`, `--further`).", ""]
    lines += ["```", summary(reports), "```", "", f"| entry | {' | '.join(used)} |", "|" + " --- |" * (len(used) + 1)]
    for name in sorted(table):
        lines.append(f"| `{name}` | {' | '.join(_cell(table[name][c]) for c in used)} |")
    lines += ["", "## Why not", "", *_reasons(reports, expected or {})]
    return "\n".join(lines) + "\n"


def _cell(reports: list[Report]) -> str:
    if not reports:
        return ""
    passing = sum(r.status == "pass" for r in reports)
    word = _of_all({r.status for r in reports})
    if len(reports) > 1 and word != "missing":
        return f"{passing}/{len(reports)} dtypes"
    if word == "fail":
        return f"{reports[0].agree}/{reports[0].samples} samples"
    return {"skip": "not run"}.get(word, word)


def _reasons(reports: list[Report], expected: dict[tuple[str, str, str], str]) -> list[str]:
    """A line for every reason of every entry and check: the dtypes, how many samples agree, and the reason."""
    found: dict[tuple[str, str, str], list[Report]] = collections.defaultdict(list)
    for report in reports:
        if report.status == "pass":
            continue
        line = expectations.line_of(report, expected)
        reason = expected[line] if line else report.first
        found[report.name, report.check, reason[:200].replace("<", "&lt;").replace("*", "\\*")].append(report)
    lines = []
    for (name, check, reason), mine in found.items():
        samples = sum(r.samples for r in mine)
        how = f"{sum(r.agree for r in mine)} of {samples} samples agree" if samples else mine[0].status.replace("skip", "not run")
        lines.append(f"- `{name}` {check} {', '.join(r.dtype for r in mine)}: {how}: {reason}")
    return lines


def _write(path: str, text: str) -> None:
    with replacing(path) as file:
        file.write(text.encode())


if __name__ == "__main__":
    sys.exit(main())
