"""L-BFGS against torch, on Rosenbrock's valley."""

import pytest

from tests.differential import agree


def _valley(lib, options, steps=5, dtype="float64"):
    kind = getattr(lib, dtype)
    x = lib.tensor([-1.5, 2.0, 0.3, -0.7], dtype=kind, requires_grad=True)
    y = lib.tensor([0.5, -0.3, 1.0], dtype=kind, requires_grad=True)
    optimizer = lib.optim.LBFGS([x, y], **options)

    def closure():
        optimizer.zero_grad()
        valley = (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()
        loss = valley + ((y - x[:3]) ** 2).sum()
        loss.backward()
        return loss

    losses = [optimizer.step(closure).item() for _ in range(steps)]
    state = optimizer.state_dict()["state"][0]
    return losses, x.detach(), y.detach(), state["func_evals"], state["n_iter"]


OPTIONS = [
    {"lr": 0.1, "max_iter": 5},
    {"line_search_fn": "strong_wolfe"},
    {"lr": 0.5, "max_iter": 7, "history_size": 3, "line_search_fn": "strong_wolfe"},
    {"line_search_fn": "strong_wolfe", "max_eval": 3, "tolerance_grad": 1.0},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_goes_down_the_valley_as_torch_does(options):
    agree(lambda lib: _valley(lib, options), tolerance=10)  # scalars are Python's here, torch's 0-d tensors there


def test_goes_on_from_its_state_dict():
    def program(lib):
        def start():
            p = lib.tensor([3.0, -2.0], dtype=lib.float64, requires_grad=True)
            return p, lib.optim.LBFGS([p], lr=0.3, max_iter=4)

        def steps(p, optimizer, count):
            def closure():
                optimizer.zero_grad()
                loss = (p**4).sum() + (p[0] * p[1]) ** 2
                loss.backward()
                return loss

            return [optimizer.step(closure).item() for _ in range(count)]

        p, first = start()
        steps(p, first, 2)
        q, second = start()
        q.data = p.detach().clone()
        second.load_state_dict(first.state_dict())
        return steps(q, second, 3), q.detach()

    agree(program)


def test_refusals_are_torchs():
    def groups(lib):
        lib.optim.LBFGS([{"params": [lib.ones(1)]}, {"params": [lib.ones(1)]}])

    def search(lib):
        _valley(lib, {"line_search_fn": "golden"})

    def no_closure(lib):
        lib.optim.LBFGS([lib.ones(1)]).step()

    agree(groups)
    agree(search)
    agree(no_closure)
