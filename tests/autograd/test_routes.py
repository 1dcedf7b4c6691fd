"""A backward pass walked before is recorded at once, and only where the tape is the same: each loop runs here and in torch."""

import pytest
import torch

import torchlike
from torchlike._src.autograd import routes

STEPS = 6


@pytest.fixture
def followed(monkeypatch):
    """For each pass that asked, whether a route was followed."""
    answers = []
    follow = routes.follow

    def noted(*arguments):
        found = follow(*arguments)
        answers.append(found is not None)
        return found

    monkeypatch.setattr(routes, "follow", noted)
    return answers


def both(loop):
    theirs, ours = loop(torch), loop(torchlike)
    assert len(theirs) == len(ours)
    for a, b in zip(theirs, ours, strict=True):
        if isinstance(a, str) or a is None:
            assert a == b
        else:
            torch.testing.assert_close(torch.from_numpy(b.detach().numpy().copy()), a.detach())


def leaves(library):
    w = library.arange(12.0).reshape(3, 4).div(7).requires_grad_()
    b = library.linspace(-1, 1, 3).requires_grad_()
    x = library.arange(8.0).reshape(2, 4).sub(3)
    return w, b, x


def test_a_loop_follows_the_route_of_its_second_step(followed):
    def loop(library):
        w, b, x = leaves(library)
        seen = []
        for _ in range(STEPS):
            hidden = library.nn.functional.linear(x, w, b)
            loss = (library.relu(hidden) * hidden).sum() + hidden.max()
            loss.backward()
            seen += [w.grad, b.grad]
            w.grad = b.grad = None
            with library.no_grad():
                w -= 0.01
                b -= 0.01
            loss.item()
        return seen

    both(loop)
    assert followed[-3:] == [True] * 3


def test_gradients_accumulate_over_passes(followed):
    def loop(library):
        w, b, x = leaves(library)
        seen = []
        for step in range(STEPS):
            library.nn.functional.linear(x, w, b).square().sum().backward()
            seen.append(w.grad.clone())
            if step % 2:
                w.grad = b.grad = None
            seen[-1].sum().item()
        return seen

    both(loop)
    assert any(followed)


def test_what_changes_on_the_tape_alone_is_noticed():
    def loop(library):
        w, b, x = leaves(library)
        other = w.detach().requires_grad_()
        seen = []
        for step in range(2 * STEPS):
            weight = other if step % 3 == 2 else w  # the same value: the recorded ops are the same
            hidden = library.nn.functional.linear(x, weight, b)
            (hidden * library.nn.functional.linear(x, w, b)).sum().backward()
            seen += [w.grad, other.grad, b.grad]
            w.grad = other.grad = b.grad = None
            seen[-1].sum().item()
        return seen

    both(loop)


def test_hooks_run_wherever_they_are_put():
    def loop(library):
        w, b, x = leaves(library)
        seen = []
        for step in range(2 * STEPS):
            hidden = library.nn.functional.linear(x, w, b)
            product = hidden * hidden
            handles = []
            if step == 4:
                handles.append(hidden.register_hook(lambda g: g * 2))
            if step == 6:
                handles.append(w.register_hook(lambda g: g * 3))
            if step == 8:
                hidden.retain_grad()
            if step == 9:
                product.grad_fn.register_prehook(lambda g: (g[0] * 5,))
            if step == 10:
                product.grad_fn.register_hook(lambda g, _: (g[0] * 7, g[1]))
            product.sum().backward()
            seen += [w.grad, b.grad, hidden.grad if step == 8 else None]
            w.grad = b.grad = None
            for handle in handles:
                handle.remove()
            seen[-2].sum().item()
        return seen

    both(loop)


def test_errors_are_found_on_known_routes_too():
    def loop(library):
        w, b, x = leaves(library)
        seen = []
        for step in range(2 * STEPS):
            hidden = library.nn.functional.linear(x, w, b)
            squared = hidden * hidden
            loss = squared.sum()
            if step == 5:
                hidden.detach().add_(1)
            if step == 6:  # computed on the host at once: nothing is recorded
                x.add_(1)
            try:
                loss.backward(retain_graph=step == 7)
                if step in (7, 8):
                    loss.backward()
            except RuntimeError as error:
                seen.append(str(error).split(":")[0][:60])
            seen += [w.grad, b.grad]
            w.grad = b.grad = None
            loss.item()
        return seen

    both(loop)


def test_a_gradient_that_is_given_is_used(followed):
    def loop(library):
        w, b, x = leaves(library)
        seen = []
        for step in range(STEPS):
            hidden = library.nn.functional.linear(x, w, b)
            hidden.backward(library.full((2, 3), float(step)))
            seen.append(w.grad)
            w.grad = b.grad = None
            seen[-1].sum().item()
        return seen

    both(loop)


def test_several_outputs_of_one_op_keep_their_gradients_apart():
    def loop(library):
        w, b, x = leaves(library)
        seen = []
        for step in range(STEPS):
            first, second = library.nn.functional.linear(x, w, b).sort(dim=1)[0].unbind(0)
            (first if step % 2 else second).sum().backward()
            seen.append(w.grad)
            w.grad = b.grad = None
            seen[-1].sum().item()
        return seen

    both(loop)
