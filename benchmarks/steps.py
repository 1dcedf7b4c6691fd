"""Time a step: every side in turn, many rounds, so that what the machine does meanwhile hits all of them alike."""

import dataclasses
import math
import multiprocessing
import statistics
import time
import warnings
from typing import Any

from benchmarks.sides import READ_EVERY, SIDES, prepare
from benchmarks.workloads import WORKLOADS

#: Steps before the clock starts: compiling, and filling caches and allocators.
WARM_UP = 2 * READ_EVERY


@dataclasses.dataclass
class Timing:
    """Milliseconds a step of one side, a value a round, and the facts that come with it."""

    milliseconds: list[float]
    loss: float
    facts: dict[str, Any]

    @property
    def best(self) -> float:
        return min(self.milliseconds)

    @property
    def median(self) -> float:
        return statistics.median(self.milliseconds)


def _serve(connection: Any) -> None:
    """A process that does what it is told: ``prepare side workload device``, ``train side steps``, ``facts side``."""
    warnings.simplefilter("ignore")
    trains: dict[str, Any] = {}
    while True:
        try:
            command, *arguments = connection.recv()
        except EOFError:  # whoever asked is gone
            return
        try:
            if command == "stop":
                return
            if command == "prepare":
                side, workload, device = arguments
                trains[side] = prepare(side, workload, device)
                start = time.perf_counter()
                loss = trains[side](WARM_UP)
                connection.send((time.perf_counter() - start, loss))
            elif command == "train":
                side, steps = arguments
                start = time.perf_counter()
                loss = trains[side](steps)
                connection.send((time.perf_counter() - start, loss))
            elif command == "facts":
                connection.send(_facts(*arguments, trains))
        except Exception as error:  # a side that cannot run this workload is a row in the table, not the end
            connection.send(error)


def _facts(side: str, trains: dict[str, Any]) -> dict[str, Any]:
    """What torchlike says about itself over 100 steps: programs built, runs a step, seconds compiling."""
    if side != "torchlike":
        return {}
    import torchlike

    before = torchlike.explain()
    programs, runs, seconds = before.programs, before.runs, before.compile_seconds
    trains[side](100)
    after = torchlike.explain()
    return {
        "programs_before": programs,
        "compile_seconds": seconds,
        "programs_in_100_steps": after.programs - programs,
        "runs_a_step": (after.runs - runs) / 100,
    }


class Process:
    """A serving process."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self.process.start()

    def ask(self, *command: Any) -> Any:
        self.connection.send(command)
        answer = self.connection.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def stop(self) -> None:
        self.connection.send(("stop",))
        self.process.join(10)


def compare(workload: str, sides: list[str], rounds: int, seconds: float, device: str = "cpu") -> dict[str, Timing | Exception]:
    """Time the sides on one workload, interleaved.

    Args:
        workload: its name.
        sides: of `SIDES`.
        rounds: how often each side gets its turn.
        seconds: roughly how long a turn takes; the steps in it are a multiple of `READ_EVERY`.
        device: for torchlike.
    """
    assert workload in WORKLOADS
    processes = {SIDES[side][1]: Process() for side in sides}
    results: dict[str, Timing | Exception] = {}
    turns: dict[str, int] = {}
    try:
        for side in sides:
            process = processes[SIDES[side][1]]
            try:
                process.ask("prepare", side, workload, device)
                spent, loss = process.ask("train", side, READ_EVERY)
                turns[side] = max(1, math.floor(seconds / max(spent, 1e-6))) * READ_EVERY
                results[side] = Timing([], loss, {})
            except Exception as error:
                results[side] = error
        for round_number in range(rounds):
            order = list(turns) if round_number % 2 else list(turns)[::-1]
            for side in order:
                spent, loss = processes[SIDES[side][1]].ask("train", side, turns[side])
                timing = results[side]
                assert isinstance(timing, Timing)
                timing.milliseconds.append(1e3 * spent / turns[side])
                timing.loss = loss
        for side in turns:
            results[side].facts = processes[SIDES[side][1]].ask("facts", side)
    finally:
        for process in processes.values():
            process.stop()
    return results


def ratio(results: dict[str, Any], side: str, to: str) -> float | None:
    """Fastest round of `side` over fastest round of `to`; None where one of them did not run."""
    a, b = results.get(side), results.get(to)
    return a.best / b.best if isinstance(a, Timing) and isinstance(b, Timing) else None


def paired(results: dict[str, Any], side: str, to: str) -> float | None:
    """The median over the rounds of the ratio within a round."""
    a, b = results.get(side), results.get(to)
    if not isinstance(a, Timing) or not isinstance(b, Timing):
        return None
    return statistics.median(x / y for x, y in zip(a.milliseconds, b.milliseconds, strict=True))
