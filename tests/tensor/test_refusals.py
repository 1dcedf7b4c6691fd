"""Arguments that torch refuses: of ranges, of comparisons, of fills; and what it takes that looks odd."""

import pytest

from tests.programs import programs, same

RANGES = """
torch.linspace(0, 1, 3.0)
torch.linspace(0, 1)
torch.linspace(0, 1, -1)
torch.linspace('a', 1, 3)
torch.linspace(None, 1, 3)
torch.linspace(0, 1, True)
torch.linspace(0, 1, [3])
torch.linspace(torch.ones(1), 1, 3)
torch.linspace(1, torch.ones(1, 1), 3)
torch.linspace(torch.tensor(1.0), 2, 3)
torch.linspace(0, 1, torch.tensor(3))
torch.linspace(0, 1j, 3)
torch.linspace(start=0, end=1, steps=3)
torch.logspace(0, 1, 3.0)
torch.logspace(0, 1, 3, base='x')
torch.logspace(0, 1, -3)
torch.logspace(0, 1)
torch.logspace(torch.ones(1), 1, 3)
torch.logspace(0, 2, 3, 2)
torch.logspace(0, 2, 3, torch.tensor(2.0))
torch.arange('a')
torch.arange(None)
torch.arange()
torch.arange(0, 5, 0)
torch.arange(5, 0, 1)
torch.arange(0, float('inf'))
torch.arange(0, float('nan'))
torch.arange(5.0, step=2)
torch.arange(torch.tensor(3))
torch.arange(torch.tensor([3]))
torch.arange(torch.tensor([1, 2]))
torch.arange(1j)
torch.arange(True)
torch.arange([3])
torch.arange(0, 3, 1, 4)
torch.arange(0, 'a')
torch.arange(0, 4, 'a')
torch.arange(start=1, end=4)
torch.arange(start=1, end='a')
torch.arange(end=4)
torch.arange(start=4)
torch.arange(step=1, end=4)
torch.arange(1, step=1, end=4)
torch.arange(1, 2, end=4)
torch.range(0)
torch.range(0, 'x')
torch.range('a', 3)
torch.range(0, 3, 'a')
""".strip().splitlines()


@pytest.mark.parametrize("line", RANGES)
def test_ranges(line):
    same(lambda torch: eval(line, {"torch": torch}))


@pytest.mark.parametrize("name", "eq ne lt le gt ge fmod add sub mul div pow maximum bitwise_and logical_and".split())
def test_a_number_first(name):
    same(lambda torch: getattr(torch, name)(2, torch.arange(3)))


OUT = {
    "softmax": lambda torch, out: torch.softmax(torch.arange(3.0), 0, out=out),
    "log_softmax": lambda torch, out: torch.log_softmax(torch.arange(3.0), 0, out=out),
    "too few results": lambda torch, out: torch.topk(torch.arange(3.0), 1, out=(out,)),
}


@pytest.mark.parametrize("name", list(OUT))
def test_out(name):
    def program(torch):
        out = torch.empty(0)
        return OUT[name](torch, out), out

    same(program)


FILLS = {
    "normal_": (), "uniform_": (), "exponential_": (), "random_": (), "bernoulli_": (), "cauchy_": (), "geometric_": (0.5,),
    "log_normal_": (), "fill_": (1,), "zero_": (), "add_": (1,),
}  # fmt: skip


@pytest.mark.parametrize("name", list(FILLS))
def test_fills_of_expanded_tensors_draw_nothing(name):
    def program(torch):
        try:
            getattr(torch.zeros(1).expand(3), name)(*FILLS[name])
        except RuntimeError as e:
            return str(e), torch.rand(2)

    same(program)


def _checked_late(torch):
    x = torch.randn(4).add(1)
    try:
        x.index_select(0, torch.tensor([4]))
    except IndexError as e:
        found = str(e)
    return found, x.index_select(0, torch.tensor([3])), torch.ones(2)[torch.tensor([-1])]


INDICES = {
    "a refused index leaves the trace as it was": _checked_late,
    "an index that was in range before": lambda torch: [torch.arange(3.0).add(1).take(torch.tensor(i)) for i in (0, 2, 3)],
    "gather": lambda torch: torch.ones(2, 2).add(1).gather(0, torch.tensor([[2, 0]])),
    "index": lambda torch: torch.ones(2, 2).add(1)[torch.tensor([0]), torch.tensor([5])],
    "scatter": lambda torch: torch.ones(2).add(1).scatter(0, torch.tensor([2]), 1.0),
    "index_add": lambda torch: torch.ones(2).add(1).index_add(0, torch.tensor([-1]), torch.ones(1)),
    "division by zero": lambda torch: torch.arange(3).add(1) // torch.tensor(0),
}


@programs(INDICES)
def test_values_on_the_host_are_checked_when_an_op_is_recorded(program):
    same(program)
