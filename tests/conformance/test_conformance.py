"""A sample of torch's operator, module and optimizer databases; `make conformance` runs all of them."""

from pathlib import Path

import pytest

from tests.differential import library
from torchlike.testing.conformance import expected
from torchlike.testing.conformance.__main__ import plan
from torchlike.testing.conformance.runner import Job, perform

EXPECTED = expected.read(Path(__file__).with_name("expected_failures.txt"))
#: Samples of one entry and check; few, since compiling them is what takes the time.
SAMPLES = 2
#: The other checks (second gradients, the rest of forward mode, in-place and out= forms, errors) are `make conformance`'s.
CHECKS = ["forward", "gradient", "layer", "layer-gradient", "optimizer"]


def _by_entry() -> dict[str, list[Job]]:
    """The jobs of each entry; what the library lacks fails, unless expected_failures.txt says so."""
    jobs: dict[str, list[Job]] = {}
    for job in plan(None, CHECKS, None, SAMPLES):
        jobs.setdefault(job.name, []).append(job)
    return jobs


def _spread(check: str, every: int) -> list[Job]:
    """One in so many jobs of a check that is run on a few entries only."""
    return plan(None, [check], None, 1)[::every]


@pytest.mark.parametrize(("name", "jobs"), _by_entry().items(), ids=lambda v: v if isinstance(v, str) else "")
def test_entry_agrees_with_torch(name: str, jobs: list[Job]) -> None:
    reports = [perform(job, library) for job in jobs]
    verdict = expected.judge(reports, EXPECTED)
    if all(r.status == "skip" for r in reports):
        pytest.skip(reports[0].first)
    problems = [f"{r.check} {r.dtype}: {r.first}" for r in verdict.unexpected]
    problems += [f"passes now, delete its line in expected_failures.txt: {line}" for line in verdict.obsolete]
    assert not problems, f"{name}\n" + "\n".join(problems)


@pytest.mark.parametrize("job", [*_spread("forward-ad", 16), *_spread("xla", 16)], ids=lambda job: f"{job.check} {job.name}")
def test_forward_mode_and_what_numpy_computes_agree_with_torch(job: Job) -> None:
    verdict = expected.judge([perform(job, library)], EXPECTED)
    assert not verdict.unexpected, verdict.unexpected[0].first
