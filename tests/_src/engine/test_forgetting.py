"""Code that never repeats: its programs are dropped before they fill the process, and everything goes on."""

import pytest

import torchlike as torch
from torchlike._src.engine import memory, tiering, trace
from torchlike._src.engine.program import Call


def step(n):
    x = torch.ones(40 + n, requires_grad=True)
    first = torch.autograd.grad((x * 2).sin().sum(), x, create_graph=True)[0]
    first.sum().backward()
    return x.grad.sum().item() / (40 + n)


@pytest.fixture
def full(monkeypatch):
    """Make the engine believe that the process is full after a few executables."""
    monkeypatch.setattr(tiering, "LOOK_EVERY", 10)
    monkeypatch.setattr(trace.trie, "next_look", 0)
    monkeypatch.setattr(memory, "mappings_run_out", lambda: True)


def test_programs_are_dropped_when_the_process_is_full(full):
    forgotten = 0
    for n in range(12):
        before = set(map(id, Call._all.values()))
        assert step(n) == pytest.approx(-4 * 0.9092974268256817)
        forgotten += not before <= set(map(id, Call._all.values()))
    assert forgotten


def test_what_was_recorded_before_is_still_there_after(full):
    x = torch.arange(3.0, requires_grad=True)
    y = (x * x).sum()
    for n in range(6):
        step(n)
    y.backward()
    assert x.grad.tolist() == [0.0, 2.0, 4.0]


def test_a_young_process_has_room():
    assert not memory.mappings_run_out()  # a test process is far from it
