"""The list of expected failures: one file, one line each, and it can only shrink."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from torchlike.testing.conformance.runner import Report


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a run says about the list.

    Attributes:
        unexpected: reports that failed and are not on the list.
        obsolete: lines whose check passed on all of its samples: to be deleted.
    """

    unexpected: list[Report]
    obsolete: list[str]


def read(path: Path | str) -> dict[tuple[str, str, str], str]:
    """``entry check dtype reason`` lines as a dictionary; ``*`` for dtype means any; ``#`` starts a comment.

    The check ``missing`` says that the library lacks the entry altogether: ``entry missing * reason``.

    Raises:
        ValueError: a line without a reason.
    """
    expected = {}
    for number, line in enumerate(Path(path).read_text().splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        fields = line.split(maxsplit=3)
        if len(fields) < 4:
            raise ValueError(f"{path}:{number}: expected 'entry check dtype reason', got {line!r}")
        expected[tuple(fields[:3])] = fields[3]
    return expected


def line_of(report: Report, expected: dict[tuple[str, str, str], str]) -> tuple[str, str, str] | None:
    """The line that speaks of this entry, check and dtype."""
    key = (report.name, "missing" if report.status == "missing" else report.check, report.dtype)
    return next((k for k in (key, (*key[:2], "*")) if k in expected), None)


def judge(reports: Iterable[Report], expected: dict[tuple[str, str, str], str]) -> Verdict:
    """Compare reports with the list. What the library lacks altogether has a line with the check ``missing``."""
    unexpected, seen = [], {}
    for report in reports:
        absent = (report.name, "missing", "*")
        if report.status == "missing":
            if absent not in expected:
                unexpected.append(report)
            continue
        if absent in expected:
            seen[absent] = True
        line = line_of(report, expected)
        if report.status in ("fail", "crash"):
            if line is None:
                unexpected.append(report)
            else:
                seen[line] = False
        elif report.status == "pass" and line is not None and report.complete:
            seen.setdefault(line, True)
    return Verdict(unexpected, [" ".join(key) for key, passes in seen.items() if passes])
