"""Seeing inside: counters, and for each program what made it new, what forced its runs, and where the user stood."""

import logging
import os
import sys
from collections import Counter
from typing import Any

import jax

_PACKAGE = os.sep + "torchlike" + os.sep
log = logging.getLogger("torchlike.programs")


class Entry:
    """What is known of one program."""

    __slots__ = ("ops", "reasons", "runs", "where", "why")

    def __init__(self, ops: int, why: str, where: str) -> None:
        self.ops = ops
        self.why = why
        self.where = where
        self.runs = 0
        self.reasons: Counter[str] = Counter()


class Explanation:
    """Counters since the start, or since the last ``torchlike.explain.reset()``; ``str()`` is the report for people.

    Attributes:
        programs: XLA programs built by recorded ops: whole traces, and single ops.
        runs: times that something was run, a whole program or a trace op by op.
        ops: ops in these runs.
        compilations: times that XLA compiled something in this process, or read it from its cache.
        compile_seconds: seconds spent in XLA's compiler (and reading its cache).
        trace_seconds: seconds spent tracing and lowering for it.
    """

    def __init__(self) -> None:
        self.programs = 0
        self.single_programs = 0
        self.loaded = 0
        self.runs = 0
        self.whole_runs = 0
        self.ops = 0
        self.compilations = 0
        self.compile_seconds = 0.0
        self.trace_seconds = 0.0
        self.entries: list[Entry] = []
        self.reasons: Counter[str] = Counter()

    def __str__(self) -> str:
        lines = [
            f"{self.programs} programs built ({self.programs - self.single_programs} whole, {self.single_programs} of "
            f"one op; {self.loaded} were on disk), {self.runs} runs ({self.whole_runs} whole) of {self.ops} ops; "
            f"{self.compilations} XLA compilations in {self.compile_seconds:.2f} s, {self.trace_seconds:.2f} s tracing"
        ]
        for reason, count in self.reasons.most_common(12):
            lines.append(f"  {count} runs forced by {reason}")
        for k, e in enumerate(self.entries, 1):
            lines.append(f"program {k}: {e.ops} ops, {e.runs} runs; built at {e.where}")
            lines.append(f"    new because {e.why}")
            for reason, count in e.reasons.most_common(4):
                lines.append(f"    {count} runs forced by {reason}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)


current = Explanation()


def reset() -> None:
    """Start counting anew."""
    global current
    current = Explanation()


def user_location() -> str:
    """File and line of the innermost frame outside this package."""
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if _PACKAGE not in name and not name.startswith("<"):
            return f"{name}:{frame.f_lineno}"
        frame = frame.f_back
    return "?"


def building(program: Any, node: Any, reason: str) -> None:
    """A whole program is about to be built."""
    others = node.programs
    if len(others) > 1:
        (live, donated), (live0, donated0) = (program.live, program.donated), next(iter(others))
        if live != live0:
            why = f"other results are still held than before ({len(live)} against {len(live0)})"
        else:
            why = f"other inputs may be overwritten than before ({len(donated)} against {len(donated0)})"
    else:
        why = _first_difference(node)
    entry = Entry(node.depth, why, user_location())
    current.entries.append(entry)
    current.programs += 1
    program.entry = entry
    log.info("program of %d ops at %s (%s): %s", node.depth, entry.where, reason, why)


def _first_difference(node: Any) -> str:
    """Where the path to ``node`` left a path that was recorded before."""
    while node.parent is not None:
        siblings = [n for n in node.parent.children.values() if n is not node]
        if siblings:
            before = siblings[0]
            mine, other = _describe(node), _describe(before)
            return f"op {node.depth} is {mine}, where it was {other} before"
        node = node.parent
    return "nothing like it was recorded before"


def _describe(node: Any) -> str:
    inputs = ", ".join(map(repr, node.enters))
    template = getattr(node.call, "template", None)
    statics = "" if template is None else " " + repr(template).replace("ARRAY", "·")
    return f"{node.call.name}{statics}" + (f" with new inputs {inputs}" if inputs else "")


def ran(node: Any, reason: str, program: Any, new: int) -> None:
    """Something ran: ``program``, or the ops one by one, for which ``new`` programs were built."""
    current.runs += 1
    current.ops += node.depth
    current.programs += new
    current.single_programs += new
    current.reasons[reason] += 1
    if program is not None:
        current.whole_runs += 1
        program.entry.runs += 1
        program.entry.reasons[reason] += 1


def loaded() -> None:
    """A program was found on disk."""
    current.loaded += 1


#: Executables that this process has made.
executables = 0


def _listen(event: str, seconds: float, **_: Any) -> None:
    global executables
    if event == "/jax/core/compile/backend_compile_duration":
        executables += 1
        current.compilations += 1
        current.compile_seconds += seconds
    elif event in ("/jax/core/compile/jaxpr_trace_duration", "/jax/core/compile/jaxpr_to_mlir_module_duration"):
        current.trace_seconds += seconds


jax.monitoring.register_event_duration_secs_listener(_listen)
if "programs" in os.environ.get("TORCHLIKE_LOG", ""):
    logging.basicConfig()
    log.setLevel(logging.INFO)
