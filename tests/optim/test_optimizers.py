"""Every optimizer through the public API against torch: parameters, state dicts and checkpoints after many steps."""

import copy
import io

import numpy as np
import pytest
import torch

import torchlike
from tests.differential import agree, assert_equal, both
from tests.optim.cases import OPTIONS, ROWS, described

LONG = 12


def _steps(lib, optimizer, params, start, stop):
    for i in range(start, stop):
        random = np.random.RandomState(i)
        for p in params:
            p.grad = lib.tensor(random.standard_normal(tuple(p.shape)).astype("float32"))
        optimizer.step()


def _make(lib, name, options):
    random = np.random.RandomState(100)
    shapes = ((3, 4), (5,))
    params = [lib.tensor(random.standard_normal(s).astype("float32")).requires_grad_() for s in shapes]
    return params, getattr(lib.optim, name)(params, **options)


@pytest.mark.parametrize(("name", "options"), ROWS, ids=described)
def test_steps_and_state_dict_equal_torchs(name, options):
    def program(lib):
        params, optimizer = _make(lib, name, options)
        _steps(lib, optimizer, params, 0, LONG)
        return [p.detach() for p in params], optimizer.state_dict(), repr(optimizer)

    agree(program)


@pytest.mark.parametrize(("name", "options"), [(name, rows[-1]) for name, rows in OPTIONS.items()], ids=described)
def test_checkpoints_go_both_ways(name, options):
    """Half of the steps in one library, the other half in the other."""
    theirs, reference = _make(torch, name, options)
    _steps(torch, reference, theirs, 0, LONG)

    def halfway(lib):
        params, optimizer = _make(lib, name, options)
        _steps(lib, optimizer, params, 0, LONG // 2)
        return params, optimizer

    def convert(value, lib):
        if isinstance(value, (torch.Tensor, torchlike.Tensor)):
            return lib.tensor(value.detach().numpy())
        if isinstance(value, dict):
            return {k: convert(v, lib) for k, v in value.items()}
        return [convert(v, lib) for v in value] if isinstance(value, list) else value

    for source, target in ((torch, torchlike), (torchlike, torch)):
        old_params, old = halfway(source)
        params, optimizer = _make(target, name, options)
        for p, q in zip(params, old_params, strict=True):
            p.data = target.tensor(q.detach().numpy())
        optimizer.load_state_dict(convert(old.state_dict(), target))
        _steps(target, optimizer, params, LONG // 2, LONG)
        for p, q in zip(params, theirs, strict=True):
            np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_files_of_torch_load_here_and_back():
    _, theirs = _make(torch, "Adam", {"lr": 0.1})
    params, ours = _make(torchlike, "Adam", {"lr": 0.1})
    _steps(torchlike, ours, params, 0, 5)
    file = io.BytesIO()
    torchlike.save(ours.state_dict(), file)
    file.seek(0)
    loaded = torch.load(file)
    theirs.load_state_dict(loaded)
    assert_equal(loaded, ours.state_dict())
    again = io.BytesIO()
    torch.save(theirs.state_dict(), again)
    again.seek(0)
    _make(torchlike, "Adam", {})[1].load_state_dict(torchlike.load(again))


@pytest.mark.parametrize("name", OPTIONS)
def test_numbers_may_change_at_every_step(name):
    def program(lib):
        params, optimizer = _make(lib, name, OPTIONS[name][-1])
        group = optimizer.param_groups[0]
        for i in range(8):
            _steps(lib, optimizer, params, i, i + 1)
            group["lr"] = 0.1 / (i + 1)
            if "betas" in group:
                group["betas"] = (0.9 - 0.05 * i, 0.99)
            if group.get("momentum"):
                group["momentum"] = 0.9 - 0.1 * i
        return [p.detach() for p in params]

    agree(program)


@pytest.mark.parametrize("name", OPTIONS)
def test_changing_numbers_build_no_programs(name):
    params, optimizer = _make(torchlike, name, {})
    _steps(torchlike, optimizer, params, 4, 8)
    torchlike.explain.reset()
    for i in range(8, 14):
        optimizer.param_groups[0]["lr"] = 0.1 / i
        _steps(torchlike, optimizer, params, i, i + 1)
    assert torchlike.explain().programs == 0


def test_groups_have_their_own_options():
    def program(lib):
        a, b, c = (lib.full((3,), float(i), requires_grad=True) for i in (1, 2, 3))
        groups = [{"params": [a]}, {"params": [b], "lr": 0.5, "amsgrad": True}]
        optimizer = lib.optim.Adam(groups, lr=0.1, weight_decay=0.1)
        optimizer.add_param_group({"params": c, "weight_decay": 0, "betas": (0.5, 0.5)})
        for i in range(5):
            for p in (a, b, c):
                p.grad = p.detach() * (i + 1)
            optimizer.step()
        return a.detach(), b.detach(), c.detach(), optimizer.state_dict()

    agree(program)


def test_parameters_that_start_late_count_their_own_steps():
    def program(lib):
        a, b = lib.ones(2, requires_grad=True), lib.ones(2, requires_grad=True)
        optimizer = lib.optim.Adam([a, b], lr=0.1)
        for i in range(6):
            a.grad = lib.ones(2)
            b.grad = lib.ones(2) if i % 2 else None
            optimizer.step()
        return a.detach(), b.detach(), optimizer.state_dict()

    agree(program)


def test_state_can_be_edited_between_steps():
    def program(lib):
        p = lib.ones(3, requires_grad=True)
        optimizer = lib.optim.Adam([p], lr=0.1)
        for i in range(4):
            p.grad = lib.ones(3)
            optimizer.step()
            if i == 1:
                optimizer.state[p]["step"].fill_(100)
                optimizer.state[p]["exp_avg"].mul_(2)
            if i == 2:
                optimizer.state[p]["exp_avg_sq"] = lib.full((3,), 0.5)
        return p.detach(), optimizer.state_dict()

    agree(program)


def test_copies_and_pickles_go_on_alike():
    def program(lib, how):
        params, optimizer = _make(lib, "AdamW", {"lr": 0.1})
        _steps(lib, optimizer, params, 0, 7)
        copied, twin = how((params, optimizer))
        _steps(lib, optimizer, params, 7, 9)
        _steps(lib, twin, copied, 7, 9)
        return [p.detach() for p in params], [p.detach() for p in copied], twin.state_dict()

    def through_a_file(lib, pair):
        file = io.BytesIO()
        lib.save(pair, file)
        file.seek(0)
        return lib.load(file, weights_only=False)

    agree(lambda lib: program(lib, copy.deepcopy))
    agree(lambda lib: program(lib, lambda pair: through_a_file(lib, pair)))


def test_gradients_and_training_end_where_torch_does():
    def program(lib, x, y):
        lib.manual_seed(0)
        model = lib.nn.Sequential(lib.nn.Linear(4, 8), lib.nn.Tanh(), lib.nn.Linear(8, 1))
        optimizer = lib.optim.Adam(model.parameters(), lr=0.05)
        losses = []
        for _ in range(10):
            optimizer.zero_grad()
            loss = lib.nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    random = np.random.RandomState(0)
    x, y = (torch.from_numpy(random.standard_normal((16, n)).astype("float32")) for n in (4, 1))
    theirs, ours = both(program, x, y)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_a_step_is_unseen_by_autograd_and_keeps_the_tensor():
    p = torchlike.ones(3, requires_grad=True)
    pointer, version = p.data_ptr(), p._version
    p.grad = torchlike.ones(3)
    torchlike.optim.SGD([p], lr=0.5).step()
    assert p.is_leaf
    assert p.requires_grad
    assert p.grad_fn is None
    assert p.data_ptr() == pointer
    assert p._version > version


def test_zero_size_and_zero_dim_parameters():
    def program(lib):
        params = [lib.ones(0, 3, requires_grad=True), lib.tensor(2.0, requires_grad=True)]
        optimizer = lib.optim.Adam(params, lr=0.1)
        for _ in range(3):
            for p in params:
                p.grad = p.detach() * 2
            optimizer.step()
        return [p.detach() for p in params], optimizer.state_dict()

    agree(program)


def test_tensor_learning_rates():
    def program(lib):
        p = lib.ones(3, requires_grad=True)
        lr = lib.tensor(0.1)
        optimizer = lib.optim.Adam([p], lr=lr)
        for _ in range(3):
            p.grad = lib.ones(3)
            optimizer.step()
            lr.mul_(0.5)
        return p.detach()

    agree(program)


@pytest.mark.parametrize(
    "options", [{}, {"nesterov": False, "adjust_lr_fn": "match_rms_adamw", "ns_steps": 3, "weight_decay": 0.5}], ids=str
)
def test_muon(options):
    def program(lib):
        random = np.random.RandomState(0)
        shapes = ((6, 4), (4, 9))
        params = [lib.tensor(random.standard_normal(s).astype("float32")).requires_grad_() for s in shapes]
        optimizer = lib.optim.Muon(params, lr=0.1, **options)
        _steps(lib, optimizer, params, 0, 5)
        return [p.detach() for p in params], optimizer.state_dict()

    agree(program, tolerance=100)  # a rounding in bfloat16 that falls the other way is 1/256 of a step


def test_muon_refuses_vectors_and_complex_matrices():
    def vector(lib):
        lib.optim.Muon([lib.ones(3)])

    def complex_matrix(lib):
        p = lib.ones(2, 2, dtype=lib.complex64, requires_grad=True)
        p.grad = lib.ones(2, 2, dtype=lib.complex64)
        lib.optim.Muon([p]).step()

    agree(vector)
    agree(complex_matrix)
