"""Running many checks in worker processes that may crash or hang without taking the rest with them."""

import collections
import contextlib
import dataclasses
import functools
import importlib
import itertools
import multiprocessing
import multiprocessing.connection
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any

#: A sample is compiled to run once: XLA takes five to eight times as long to write machine code without these flags, and nobody
#: reads where in Python an instruction came from, or opens files of compiled programs again.
_QUICKLY = {
    "XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true --xla_cpu_use_fusion_emitters=false "
    "--xla_cpu_parallel_codegen_split_count=1",
    "JAX_TRACEBACK_IN_LOCATIONS_LIMIT": "0",
    "TORCHLIKE_CACHE_DIR": "",
}
#: A context keeps every type and constant of its programs.
_PROGRAMS_A_CONTEXT = 200
#: Seconds a single check of one entry may take before its worker is killed.
TIMEOUT = 1800.0


@dataclasses.dataclass
class Job:
    """One entry's check in one dtype. `name` finds the entry again in the worker."""

    name: str
    check: str
    dtype: str
    limit: int | None = None


@dataclasses.dataclass
class Report:
    """What became of a Job.

    Attributes:
        status: ``pass``, ``fail``, ``missing`` (the library lacks it), ``skip`` (torch has nothing to compare with) or ``crash``.
        samples: how many were compared.
        agree: how many agreed.
        complete: whether these were all the samples there are.
        first: the first difference, in words.
        seconds: time taken.
    """

    name: str
    check: str
    dtype: str
    status: str
    samples: int = 0
    agree: int = 0
    complete: bool = True
    first: str = ""
    seconds: float = 0.0
    differences: list[str] = dataclasses.field(default_factory=list)


def perform(job: Job, library: Any) -> Report:
    """Run one job here and now."""
    import torch

    from torchlike.testing.conformance import checks

    start = time.perf_counter()
    dtype = getattr(torch, job.dtype)
    entry = find(job.name)
    report = Report(job.name, job.check, job.dtype, "pass", complete=job.limit is None)
    try:
        if getattr(entry, "skipped", None):
            raise checks.Skip(entry.skipped)
        if not entry.exists(library):
            report.status, report.first = "missing", f"{job.name} is missing"
            return report
        if job.check in ("layer", "layer-gradient"):
            outcomes = entry.run(dtype, library, job.limit, grad=job.check == "layer-gradient")
        elif job.check == "optimizer":
            outcomes = entry.run(dtype, library, job.limit)
        else:
            outcomes = checks.CHECKS[job.check](entry, dtype, library, job.limit)
        for outcome in outcomes:
            report.samples += 1
            report.agree += outcome is None
            if outcome is not None:
                report.differences.append(outcome)
    except checks.Skip as reason:
        report.status, report.first = "skip", str(reason)
    except Exception as error:  # the form itself is missing, or the harness met something it cannot carry
        report.status, report.first = "fail", checks.described(error)
        report.samples += 1
        report.differences.append(report.first)
    if report.differences:
        report.status, report.first = "fail", report.differences[0]
    if job.limit is not None and report.samples < job.limit:
        report.complete = True
    report.seconds = time.perf_counter() - start
    return report


_ENTRIES: dict[str, Any] = {}


def find(name: str) -> Any:
    """The entry of that name, from any of the three databases."""
    if not _ENTRIES:
        from torchlike.testing.conformance.entries import entries
        from torchlike.testing.conformance.layers import layers, optimizers

        _ENTRIES.update((e.name, e) for source in (entries(), layers(), optimizers()) for e in source)
    return _ENTRIES[name]


def share_contexts() -> None:
    """JAX makes an MLIR context for each program, which takes a quarter of the time of compiling a small one: let many share it."""
    from jax._src.interpreters import mlir

    make = getattr(mlir, "make_ir_context", None)  # where JAX has another name for it, this takes longer, and that is all
    if make is not None:
        made = itertools.count()
        shared = functools.lru_cache(maxsize=1)(lambda generation: make())
        mlir.make_ir_context = lambda: shared(next(made) // _PROGRAMS_A_CONTEXT)


def _worker(connection: Any, library: str) -> None:
    import warnings

    import torch

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    share_contexts()
    module = importlib.import_module(library)
    while True:
        job = connection.recv()
        if job is None:
            return
        connection.send(perform(job, module))


class _Process:
    """A worker, its pipe, what it is busy with, and the entry that was last."""

    def __init__(self, library: str) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_worker, args=(theirs, library), daemon=True)
        self.process.start()
        theirs.close()
        self.job: Job | None = None
        self.name = ""
        self.since = 0.0
        self.done = 0

    def give(self, job: Job) -> None:
        self.job, self.name, self.since = job, job.name, time.monotonic()
        self.connection.send(job)

    def stop(self) -> None:
        if self.process.is_alive():
            with contextlib.suppress(OSError):
                self.connection.send(None)
            self.process.join(5)
        if self.process.is_alive():
            self.process.kill()
        self.connection.close()


def _quick_compilation() -> dict[str, str]:
    """`_QUICKLY`, or nothing for an XLA that does not know these flags: it would end the process."""
    trial = [sys.executable, "-c", "import jax; jax.devices('cpu')"]
    known = subprocess.run(trial, env={**os.environ, **_QUICKLY}, capture_output=True, check=False)
    return _QUICKLY if known.returncode == 0 else {}


@contextlib.contextmanager
def _environment(settings: dict[str, str]) -> Iterator[None]:
    """Have processes that are started now see these settings."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def execute(
    jobs: Iterable[Job],
    library: str = "torchlike",
    processes: int = 2,
    lifetime: int = 1000,
    quickly: bool = True,
) -> Iterator[Report]:
    """Run the jobs and yield their reports as they come.

    Args:
        jobs: what to run.
        library: name of the module to test.
        processes: workers; 0 runs everything in this process.
        lifetime: jobs after which a worker is replaced, since compiled programs pile up in it.
        quickly: compile by `_QUICKLY`, unless ``XLA_FLAGS`` are set. What fails then, runs once more at the end as users compile.
    """
    jobs = list(jobs)
    if not processes:
        module = importlib.import_module(library)
        yield from (perform(job, module) for job in jobs)
        return
    waiting: dict[str, collections.deque[Job]] = {}
    for job in jobs:
        waiting.setdefault(job.name, collections.deque()).append(job)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    quick = _quick_compilation() if quickly and "XLA_FLAGS" not in os.environ else {}
    again: list[Job] = []
    with _environment(quick):
        workers = [_Process(library) for _ in range(min(processes, len(jobs)))]
        try:
            for worker in workers:
                worker.give(_next(waiting, worker, workers))
            while any(w.job for w in workers):
                busy = [w for w in workers if w.job]
                multiprocessing.connection.wait([w.connection for w in busy], timeout=1.0)
                for worker in busy:
                    job, report = worker.job, _collect(worker)
                    if report is None:
                        continue
                    if quick and report.status == "fail":
                        again.append(job)  # type: ignore[arg-type]
                    else:
                        yield report
                    if report.status == "crash" or worker.done >= lifetime:
                        worker.stop()
                        workers[workers.index(worker)] = worker = _Process(library)
                    if waiting:
                        worker.give(_next(waiting, worker, workers))
        finally:
            for worker in workers:
                worker.stop()
    if again:
        yield from execute(again, library, processes, lifetime, quickly=False)


def _next(waiting: dict[str, collections.deque[Job]], worker: _Process, workers: list[_Process]) -> Job:
    """The job that a worker does next: of the entry whose programs it has compiled, or of one that no other is busy with."""
    taken = {w.name for w in workers}
    name = worker.name if worker.name in waiting else next((n for n in waiting if n not in taken), next(iter(waiting)))
    job = waiting[name].popleft()
    if not waiting[name]:
        del waiting[name]
    return job


def _collect(worker: _Process) -> Report | None:
    """The report of a worker's job; one that says "crash" if the worker died or hangs; None while it is busy."""
    job = worker.job
    assert job is not None
    try:
        if worker.connection.poll():
            report = worker.connection.recv()
            worker.job, worker.done = None, worker.done + 1
            return report
        if worker.process.is_alive() and time.monotonic() - worker.since < TIMEOUT:
            return None
        why = "no answer in time" if worker.process.is_alive() else "the process died"
    except (EOFError, OSError):
        worker.process.join(5)
        why = f"the process died (exit code {worker.process.exitcode})"
    worker.process.kill()
    worker.job = None
    return Report(job.name, job.check, job.dtype, "crash", first=why, samples=1, differences=[why])
