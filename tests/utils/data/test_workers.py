"""Loaders with worker processes: torch's batches and seeds, and a clean end whatever happens to the workers."""

import gc
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

import torchlike
from tests.differential import agree

Loader = torchlike.utils.data.DataLoader


class Calls:
    """A dataset that calls a function of the index."""

    def __init__(self, function, size=6):
        self.function, self.size = function, size

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        return self.function(index)


@pytest.fixture(autouse=True)
def _nothing_is_left_behind():
    yield
    gc.collect()
    deadline = time.monotonic() + 30
    while multiprocessing.active_children() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("options", [{"shuffle": True}, {"batch_size": 4}, {"batch_size": None}, {"prefetch_factor": 1}], ids=str)
def test_batches_come_in_torchs_order(options, persistent):
    def program(torch):
        torch.manual_seed(3)
        data = torch.utils.data.TensorDataset(torch.arange(33.0).view(11, 3), torch.arange(11))
        loader = torch.utils.data.DataLoader(data, num_workers=2, persistent_workers=persistent, **options)
        return len(loader), list(loader), list(loader), torch.rand(1)

    agree(program)


def test_workers_are_seeded_as_torchs():
    def program(torch):
        def sample(index):
            info = torch.utils.data.get_worker_info()
            own = [random.random(), float(np.random.rand()), torch.rand(1).item()]
            return [
                index,
                info.id,
                info.num_workers,
                str(info.seed),
                str(torch.initial_seed()),
                len(info.dataset),
                *own,
            ]

        torch.manual_seed(5)
        loader = torch.utils.data.DataLoader(Calls(sample), num_workers=2)
        assert torch.utils.data.get_worker_info() is None
        return list(loader), list(loader)

    agree(program)


def test_worker_init_fn_runs_after_seeding():
    def program(torch):
        def begin(worker):
            torch.utils.data.get_worker_info().dataset.offset = 100 * worker + torch.randint(9, ()).item()

        torch.manual_seed(5)
        data = Calls(lambda index: index + data.offset)
        return list(torch.utils.data.DataLoader(data, num_workers=2, worker_init_fn=begin))

    agree(program)


def fail(index):
    """Raises at some indices."""
    if index == 2:
        raise ValueError("two is too many")
    if index == 3:
        raise KeyError("three")
    if index == 4:
        raise UnicodeDecodeError("utf-8", b"x", 0, 1, "needs five arguments")
    return index


def test_an_exception_arrives_with_its_type_and_traceback():
    def program(torch):
        found = []
        iterator = iter(torch.utils.data.DataLoader(Calls(fail), num_workers=2))
        while True:
            try:
                found.append(next(iterator))
            except StopIteration:
                return found
            except Exception as error:
                text = str(error)
                assert "Original Traceback (most recent call last):" in text
                assert "in fail" in text
                found.append((type(error).__name__, text.splitlines()[0]))

    agree(program)


@pytest.mark.parametrize("where", ["worker_init_fn", "stream"])
def test_a_worker_that_cannot_begin(where):
    class Broken(torchlike.utils.data.IterableDataset):
        def __iter__(self):
            raise OSError("no such stream")

    def begin(worker):
        raise OSError("no such worker")

    loader = Loader(Broken(), num_workers=1) if where == "stream" else Loader(range(4), num_workers=1, worker_init_fn=begin)
    with pytest.raises(OSError, match=r"Caught OSError in DataLoader worker process 0\.\nOriginal Traceback"):
        list(loader)


class Unpicklable:
    """Refuses to be sent."""

    def __reduce__(self):
        raise TypeError("not me")


def test_a_batch_that_cannot_be_sent_is_an_error():
    with pytest.raises(TypeError, match="not me"):
        list(Loader(Calls(lambda i: Unpicklable()), batch_size=None, num_workers=1))


def test_an_exception_that_cannot_be_sent_is_a_runtime_error():
    class Local(Exception):
        pass

    def sample(index):
        raise Local("here")

    with pytest.raises(RuntimeError, match="Local: here"):
        list(Loader(Calls(sample), num_workers=1))


@pytest.mark.parametrize(
    ("end", "cause"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "is killed by signal: Killed"),
        (lambda: os.kill(os.getpid(), signal.SIGSEGV), "is killed by signal: Segmentation fault"),
        (lambda: os._exit(3), "exited with code 3"),
    ],
    ids=["killed", "crashed", "exited"],
)
def test_a_worker_that_dies_is_an_error_within_seconds(end, cause):
    start = time.monotonic()
    with pytest.raises(RuntimeError, match=r"DataLoader worker \(pid\(s\) \d+\) exited unexpectedly") as caught:
        list(Loader(Calls(lambda i: end() if i == 3 else i), num_workers=2))
    assert cause in str(caught.value.__cause__)
    assert time.monotonic() - start < 20


def test_a_worker_that_dies_while_sending_is_an_error():
    def sample(index):
        if index == 1:
            import threading

            threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
        return np.zeros(4_000_000, np.float32)

    iterator = iter(Loader(Calls(sample), num_workers=1))
    next(iterator)
    time.sleep(0.6)
    with pytest.raises(RuntimeError, match="exited unexpectedly"):
        list(iterator)


def test_a_timeout_is_torchs_error():
    def program(torch):
        loader = torch.utils.data.DataLoader(Calls(lambda i: time.sleep(1.2 * (i == 1)) or i), num_workers=1, timeout=0.5)
        list(loader)

    agree(program)


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("batch_size", [None, 2])
def test_streams_that_end_at_different_times(batch_size, persistent):
    def program(torch):
        class Uneven(torch.utils.data.IterableDataset):
            def __iter__(self):
                info = torch.utils.data.get_worker_info()
                return iter(range(100 * info.id, 100 * info.id + (3, 8)[info.id]))

        loader = torch.utils.data.DataLoader(Uneven(), batch_size, num_workers=2, persistent_workers=persistent)
        return list(loader), list(loader)

    agree(program)


def test_any_order_gives_every_batch_once():
    others = multiprocessing.Event()  # set once something was received: only then are batches from the fifth on handed out

    def item(i):
        if i >= 4:
            others.set()
        elif i == 0:
            others.wait(30)
        return i

    loader = Loader(Calls(item, 12), num_workers=2, in_order=False)
    found = [batch.item() for batch in loader]
    assert sorted(found) == list(range(12))
    assert found[0] != 0


def test_persistent_workers_stay_and_forget_an_unfinished_pass():
    loader = Loader(Calls(lambda i: (i, os.getpid()), 8), num_workers=2, persistent_workers=True)
    pids = {pid.item() for _, pid in loader}
    for _ in range(3):
        iterator = iter(loader)
        assert next(iterator)[0].item() == 0
    second = list(loader)
    assert [i.item() for i, _ in second] == list(range(8))
    assert {pid.item() for _, pid in second} == pids


def test_a_loader_that_is_dropped_ends_its_persistent_workers_at_once():
    loader = Loader(range(8), num_workers=1, persistent_workers=True)
    list(loader)
    assert len(multiprocessing.active_children()) == 1
    gc.disable()
    try:
        del loader
        assert not multiprocessing.active_children()
    finally:
        gc.enable()


def test_an_iterator_that_is_dropped_ends_its_workers():
    iterator = iter(Loader(Calls(lambda i: np.zeros(2_000_000), 20), num_workers=2))
    next(iterator)
    assert len(multiprocessing.active_children()) == 2
    start = time.monotonic()
    del iterator
    gc.collect()
    assert not multiprocessing.active_children()
    assert time.monotonic() - start < 20


@pytest.mark.parametrize("factor", [1, 3])
def test_workers_run_ahead_by_the_prefetch_factor(factor):
    counter = multiprocessing.Value("i", 0)

    def sample(index):
        with counter.get_lock():
            counter.value += 1
        return index

    iterator = iter(Loader(Calls(sample, 50), num_workers=2, prefetch_factor=factor))
    next(iterator)
    deadline = time.monotonic() + 30
    while counter.value < 2 * factor + 1 and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.2)  # and no further
    assert counter.value == 2 * factor + 1


def test_everything_that_a_batch_may_hold():
    def program(torch):
        def sample(index):
            big = torch.arange(300_000, dtype=torch.int32).view(300, 1000)
            return {
                "big": big,
                "transposed": big[:4].t(),
                "part": big[3:5, ::7],
                "scalar": torch.tensor(index * 0.5),
                "empty": torch.ones(0, 3),
                "bool": torch.tensor([True, False]),
                "half": torch.ones(3000).to(torch.bfloat16),
                "complex": torch.ones(2, dtype=torch.complex64),
                "text": "ü",
                "none": [],
                "array": np.ones((2, 3)).T,
                "nested": [(1, {"a": torch.ones(2000)})],
            }

        loader = torch.utils.data.DataLoader(Calls(sample, 2), batch_size=None, num_workers=1)
        return [batch | {"half": (str(batch["half"].dtype), batch["half"].float())} for batch in loader]

    agree(program)


def test_what_workers_send_can_be_changed():
    batch = next(iter(Loader(Calls(lambda i: np.zeros(5000, np.float32)), batch_size=2, num_workers=1)))
    batch[0, 0] = 7
    assert batch[0, 0].item() == 7
    assert batch.sum().item() == 7


def test_samples_of_tensors_that_jax_has_computed():
    x = torchlike.arange(600_000.0).view(1000, 600) * 2 + 1
    x.sum().item()
    data = torchlike.utils.data.TensorDataset(x, x[:, 0])
    for rows, firsts in Loader(data, 250, num_workers=2):
        assert rows.shape == (250, 600)
        assert (rows[:, 0] == firsts).all()


def test_computing_with_jax_in_a_worker_is_an_error_not_a_hang():
    convolve = torchlike.nn.functional.conv1d  # has no host rule, and never will
    convolve(torchlike.ones(1, 1, 4), torchlike.ones(1, 1, 2)).sum().item()  # the parent has used JAX

    def sample(index):
        return convolve(torchlike.ones(1, 1, 5), torchlike.ones(1, 1, 2))

    with pytest.raises(RuntimeError, match="Cannot compute with JAX in a forked subprocess"):
        list(Loader(Calls(sample), num_workers=1))


def square(index):
    """Importable, as a spawned worker needs it."""
    return torchlike.tensor(index) ** 2


@pytest.mark.parametrize("context", ["spawn", multiprocessing.get_context("fork")])
def test_other_ways_to_start_workers(context):
    loader = Loader(Calls(square, 3), num_workers=1, multiprocessing_context=context)
    assert [batch.item() for batch in loader] == [0, 1, 4]


def test_a_job_that_does_not_pickle_is_an_error():
    with pytest.raises((AttributeError, TypeError)):
        list(Loader(Calls(lambda i: i), num_workers=1, multiprocessing_context="spawn"))


def test_more_workers_than_processors_warn():
    there = len(os.sched_getaffinity(0))
    with pytest.warns(UserWarning, match=f"will create {there + 1} worker processes in total"):
        Loader(range(3), num_workers=there + 1)


def test_pinning_without_a_gpu_warns():
    with pytest.warns(UserWarning, match="'pin_memory' argument is set as true but no accelerator is found"):
        list(Loader(range(3), pin_memory=True))


SCRIPT = """
    import os, signal, sys, time
    import torchlike as torch

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has what runs in its background ignore it

    class Slow:
        def __len__(self):
            return 1000
        def __getitem__(self, index):
            time.sleep(0.02)
            return torch.tensor([index, os.getpid()])

    torch.ones(3).add(1).sum().item()
    for batch in torch.utils.data.DataLoader(Slow(), 4, num_workers=2):
        print(batch[0, 1].item(), flush=True)
        {then}
"""


def start(then):
    """A script without a ``__main__`` guard, in a process of its own."""
    code = textwrap.dedent(SCRIPT).format(then=then)
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def is_alive(pid):
    """Whether a process exists and is no zombie."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pids, seconds):
    """Whether all processes end in this time."""
    deadline = time.monotonic() + seconds
    while any(map(is_alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not any(map(is_alive, pids))


def test_a_script_needs_no_guard_and_may_end_in_the_middle_of_a_pass():
    process = start("if batch[0, 0] >= 8: break")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert gone({int(line) for line in out.split()}, 30)
    assert "Traceback" not in err


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=["ctrl-c", "terminated", "killed"])
def test_workers_end_with_a_script_that_is_stopped(sent):
    process = start("pass")
    pids = {int(process.stdout.readline()) for _ in range(2)}
    if sent == signal.SIGINT:
        os.killpg(process.pid, sent)  # as a terminal does
    else:
        process.send_signal(sent)
    _, err = process.communicate(timeout=60)
    assert process.returncode != 0
    if sent == signal.SIGINT:
        assert err.strip().endswith("KeyboardInterrupt")
        assert err.count("Traceback") == 1
    assert gone(pids, 30)
