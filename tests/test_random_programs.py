"""Random programs do the same in torch and here, line by line; see `random_programs`.

``make programs`` runs 2,000 of them; ``RANDOM_PROGRAMS`` says how many and ``RANDOM_PROGRAMS_SEED`` which.
"""

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings, strategies as st

from tests.differential import library
from tests.random_programs import draw_program
from tests.side_by_side import Side, run_lines
from tests.view_programs import draw_view_program
from torchlike._src.engine import host
from torchlike._src.engine.value import CPU

COUNT = int(os.environ.get("RANDOM_PROGRAMS", "100"))
SEED = int(os.environ.get("RANDOM_PROGRAMS_SEED", "0"))

#: How a program runs: small tensors in NumPy, with memory that NumPy shares, all by XLA op by op, or recorded to the end. Of
#: what is recorded a part runs twice: from the second sight on it is one XLA program.
WAYS = ["host"] * 9 + ["shared"] * 4 + ["device"] * 4 + ["recorded"] * 2 + ["compiled"]


class Program:
    """The lines of a program; shown as a script."""

    def __init__(self, lines: list[str], way: str) -> None:
        self.lines, self.way = lines, way

    def __repr__(self) -> str:
        return f"a program, {self.way}:\n" + "\n".join(self.lines) + "\n"

    def difference(self) -> str | None:
        if self.way in ("recorded", "compiled"):
            times = 1 if self.way == "recorded" else 3
            found = [run_lines(self.lines, library, each=False, prepare=upload) for _ in range(times)]
            return next(filter(None, found), None)
        prepare = upload if self.way == "device" else None
        with library.eager():
            return run_lines(self.lines, library, each=True, shared=self.way == "shared", prepare=prepare)


def upload(side: Side) -> None:
    """Move what is still NumPy's to the device, so that the next op there is XLA's."""
    for t in side.tensors().values():
        value = t._storage.__dict__.get("value")
        if t._chain is None and value is not None and value.data.__class__ is np.ndarray:
            value.data = host.upload(value.data, CPU)


@st.composite
def programs(draw: st.DrawFn) -> Program:
    def roll(n: int) -> int:
        return draw(st.integers(0, n - 1))

    way = WAYS[roll(len(WAYS))]
    return Program(draw_program(roll, 5 + roll(26)), way)


@st.composite
def view_programs(draw: st.DrawFn) -> Program:
    return Program(draw_view_program(lambda n: draw(st.integers(0, n - 1))), "host")


drawn = settings(
    max_examples=COUNT, deadline=None, database=None, suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.shrink],
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(60 + 3 * COUNT)
@seed(SEED)
@drawn
@given(programs())
def test_a_random_program_does_the_same_in_torch_and_here(program: Program) -> None:
    found = program.difference()
    assert not found, found


@pytest.mark.slow
@pytest.mark.timeout(60 + COUNT)
@seed(SEED)
@drawn
@given(view_programs())
def test_a_random_program_about_views_does_the_same_in_torch_and_here(program: Program) -> None:
    found = program.difference()
    assert not found, found


def test_the_comparison_notices_what_differs() -> None:
    """The programs of this test say different things to the two libraries."""
    tell = "torch.__name__ == 'torch'"
    for line in (
        f"t1 = t0 + ({tell})", f"t1 = t0[{tell}:]", f"t1 = t0.requires_grad_({tell})", f"t0.add_(0) if {tell} else None",
        f"t1 = t0.to(torch.float32 if {tell} else torch.float64)", f"t1 = t0.view(3) if {tell} else t0.view(4)",
    ):  # fmt: skip
        assert run_lines(["t0 = torch.tensor([1.0, 2.0, 3.0])", line], library, each=True), line
