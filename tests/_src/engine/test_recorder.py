"""The recorder: refused ops leave no trace, threads each have their own, and `eager()` runs every op at once."""

import os
import threading

import numpy as np
import pytest

import torchlike as torch
from torchlike._src.engine.trace import local


def test_a_refused_op_leaves_the_recorder_as_it_was():
    x, w = torch.ones(2, 3) @ torch.ones(3, 3), torch.ones(3, 4, requires_grad=True)
    y = x @ w
    rec = local.recorder
    place, size = rec.node, len(rec.values)
    fresh = torch.ones(5, 7, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"mat1 and mat2 shapes cannot be multiplied \(2x4 and 5x7\)") as refused:
        y @ fresh
    assert not getattr(refused.value, "__notes__", ()), "JAX's note on its own traceback is not for torch's users"
    assert rec.node is place
    assert len(rec.values) == size
    assert torch.equal(y, torch.full((2, 4), 9.0))
    assert torch.equal(fresh, torch.ones(5, 7))


def test_a_program_goes_on_after_a_refused_op_in_its_midst():
    w = torch.ones(3, requires_grad=True)
    for _ in range(3):
        loss = (w * 2).sum()
        with pytest.raises(RuntimeError):
            w + torch.ones(4)
        (loss * 3).backward()
        assert w.grad.tolist() == [6.0] * 3
        w.grad = None


def test_views_of_shared_memory_are_read_before_an_op_is_recorded():
    """Reading such a view anew is an op itself; in the midst of another it would number the values of the trace wrongly."""
    for n in (2, 3, 4):
        array = np.arange(n * 2.0)
        leaf = torch.from_numpy(array).requires_grad_()
        view = leaf.view(n, 2)
        extra = torch.ones(n, 2, requires_grad=True)
        out = extra * 2 + view.expand(n, 2) * view.t().reshape(n, 2)
        array[0] = 5.0
        again = extra * 3 + view
        assert again[0, 0].item() == 8.0
        (out.sum() + again.sum()).backward()
        assert extra.grad.tolist() == [[5.0, 5.0]] * n


def test_every_thread_records_for_itself_and_values_cross():
    x = torch.ones(4, requires_grad=True)
    product = (x * 3).detach()  # recorded here, read there
    found, errors = [], []

    def work(k):
        try:
            y = torch.full((4,), float(k), requires_grad=True)
            for _ in range(5):
                (y * product).sum().backward()
            found.append((k, (product + k).tolist(), y.grad.tolist()))
        except BaseException as error:  # reported in the main thread
            errors.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert not errors
    assert sorted(found) == [(k, [3.0 + k] * 4, [15.0] * 4) for k in range(4)]


def test_eager_runs_every_op_at_once():
    x = torch.ones(3, requires_grad=True) * 2
    x.sum().item()
    torch.explain.reset()
    with torch.eager():
        y = x + 1
        assert torch.explain().runs == 1
        y * y
        assert torch.explain().runs == 2
    y * y
    assert torch.explain().runs == 2


def test_eager_gives_the_same_numbers_as_one_program():
    def loss():
        torch.manual_seed(0)
        w = torch.randn(4, 4, requires_grad=True)
        (torch.tanh(w @ w).sum() ** 2).backward()
        return w.grad

    expected = loss()
    with torch.eager():
        found = loss()
    torch.testing.assert_close(found, expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_refuses_to_run_a_program_and_may_use_numpy():
    (torch.ones(3, requires_grad=True) * 2).sum().item()  # the parent has used JAX
    host = torch.arange(4)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            answer = str((host[1:] + 1).tolist())
            try:
                (torch.ones(3, requires_grad=True) * 2).sum().item()
            except RuntimeError as error:
                answer += " " + str(error)[:46]
            os.write(writer, answer.encode())
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(reader, 1000).decode() == "[2, 3, 4] Cannot compute with JAX in a forked subprocess"


def test_a_trace_that_grows_without_a_read_is_run_in_pieces():
    x = torch.ones(2, requires_grad=True).detach() * 1.0
    x = torch.ones(2, requires_grad=True) * x
    x = x.detach()
    torch.explain.reset()
    for _ in range(21_000):
        x = x + 1
    assert torch.explain().runs == 1
    assert x.tolist() == [21_001.0] * 2


def test_zero_minus_zero_and_nan_are_numbers_of_their_own():
    x = torch.ones(2, requires_grad=True)
    for number in (0.0, -0.0, float("nan"), 0.0, -0.0):
        np.testing.assert_array_equal((x * number).detach().numpy(), np.ones(2, np.float32) * np.float32(number))
        assert np.signbit((x * number)[0].item()) == np.signbit(np.float32(number))
