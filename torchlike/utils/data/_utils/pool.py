"""The worker processes of one loader: starting them, talking to them, noticing their death, ending them."""

import contextlib
import multiprocessing
import os
import signal
import sys
import time
import warnings
import weakref
from multiprocessing import connection as connections
from typing import Any, NoReturn

from torchlike._src.explain import synchronize
from torchlike.utils.data._utils import MP_STATUS_CHECK_INTERVAL, transport, worker


class WorkerPool:
    """Workers that all do one job, each with a connection of its own.

    One pipe a worker, with no lock or thread between: a worker that is killed takes nothing with it, and shows
    at once, since the wait for results also waits for its end.

    Args:
        job: what they do.
        context: how they are started; None is a fork where the system has it.
        timeout: seconds to wait for a result; 0 waits for ever.
    """

    def __init__(self, job: worker.Job, context: Any, timeout: float) -> None:
        if context is None:
            context = multiprocessing.get_context("fork" if sys.platform == "linux" else None)
        self._timeout = timeout
        self._connections: list[Any] = []
        self._processes: list[Any] = []
        self._dismissed: set[int] = set()
        # Ends the workers when the pool is collected, and at exit before modules are torn down.
        self._end = weakref.finalize(self, _end, self._processes, self._connections, os.getpid())
        synchronize()  # what is still running would never end in a forked child
        try:
            for number in range(job.num_workers):
                self._start(job, number, context)
        except BaseException:
            self.shutdown()
            raise

    def _start(self, job: worker.Job, number: int, context: Any) -> None:
        ours, theirs = multiprocessing.Pipe(duplex=True)
        self._connections.append(ours)
        inherited = list(self._connections) if context.get_start_method() == "fork" else []
        process = context.Process(target=worker.run, args=(job, number, theirs, inherited), daemon=True)
        with warnings.catch_warnings():
            # JAX and Python 3.12 warn of forks in a process with threads; workers stay away from JAX.
            warnings.filterwarnings("ignore", message=".*fork.*", category=RuntimeWarning)
            warnings.filterwarnings("ignore", message=".*fork.*", category=DeprecationWarning)
            process.start()
        theirs.close()
        self._processes.append(process)

    def submit(self, number: int, task: Any) -> None:
        """Hand a task to a worker."""
        try:
            self._connections[number].send(task)
        except (BrokenPipeError, ConnectionResetError):
            self._raise_dead()
            raise

    def receive(self) -> Any:
        """The next result of any worker.

        Raises:
            RuntimeError: if a worker has died, or the time is up.
        """
        working = [n for n in range(len(self._processes)) if n not in self._dismissed]
        waited = {self._connections[n]: n for n in working} | {self._processes[n].sentinel: n for n in working}
        ready = connections.wait(list(waited), self._timeout or None)
        if not ready:
            raise RuntimeError(f"DataLoader timed out after {self._timeout} seconds")
        for source in ready:  # results first: a worker may have sent one and then died
            if isinstance(source, connections.Connection):
                try:
                    return transport.receive(source, self._timeout)
                except TimeoutError:
                    raise RuntimeError(f"DataLoader timed out after {self._timeout} seconds") from None
                except EOFError:
                    self._raise_dead()
        return self._raise_dead()

    def _raise_dead(self) -> NoReturn:
        """Report the workers that have ended though nobody asked them to."""
        dead = []
        deadline = time.monotonic() + MP_STATUS_CHECK_INTERVAL
        while not dead and time.monotonic() < deadline:  # a pipe may close a moment before its process ends
            dead = [p for n, p in enumerate(self._processes) if n not in self._dismissed and not p.is_alive()]
            if not dead:
                time.sleep(0.01)
        pids = ", ".join(str(process.pid) for process in dead)
        cause = RuntimeError("; ".join(_how_it_ended(process) for process in dead))
        self.shutdown()
        raise RuntimeError(f"DataLoader worker (pid(s) {pids}) exited unexpectedly") from cause

    def resume(self) -> None:
        """Begin a new pass; results of the last one that nobody asked for are dropped."""
        for number in range(len(self._processes)):
            self.submit(number, worker.Resume())
        waiting = len(self._processes)
        while waiting:
            number, _ = self.receive()
            waiting -= isinstance(number, worker.Resume)

    def dismiss(self, number: int) -> None:
        """Let a worker go that has nothing left to do."""
        self._dismissed.add(number)
        with contextlib.suppress(OSError):
            self._connections[number].send(None)

    def shutdown(self) -> None:
        """End all workers."""
        self._end()


def _end(processes: list[Any], ends: list[Any], owner: int) -> None:
    """Ask the workers to end, give them time for the sample that they are at, then make them."""
    if os.getpid() != owner:
        return  # inherited by a fork
    for end in ends:
        with contextlib.suppress(OSError, ValueError):
            end.send(None)
        end.close()
    deadline = time.monotonic() + MP_STATUS_CHECK_INTERVAL
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
    for stop in ("terminate", "kill"):
        for process in processes:
            if process.is_alive():
                getattr(process, stop)()
                process.join(MP_STATUS_CHECK_INTERVAL)
    for process in processes:
        if not process.is_alive():
            process.close()


def _how_it_ended(process: Any) -> str:
    code = process.exitcode
    if code is not None and code < 0:
        name = signal.strsignal(-code) or f"signal {-code}"
        hint = " Perhaps the machine ran out of memory." if -code == signal.SIGKILL else ""
        return f"DataLoader worker (pid {process.pid}) is killed by signal: {name}.{hint}"
    return f"DataLoader worker (pid {process.pid}) exited with code {code}"
