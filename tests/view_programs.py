"""Random programs about one tensor and its views: who has which history, and who notices what.

`random_programs` draws from all there is and comes to such things seldom; here there is nothing else, so that a few thousand
programs of a few lines come close to all of them.
"""

from collections.abc import Callable

SETUPS = [
    ["t0 = torch.tensor([[1.0, 2.0], [3.0, 4.0]])", "t1 = t0[0:1]", "t2 = t1.t()"],
    ["t6 = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)", "t0 = t6 * 1", "t1 = t0[0:1]", "t2 = t1.t()"],
    ["t6 = torch.ones(2, 2, requires_grad=True)", "t0 = t6 * 1", "with torch.no_grad(): t1 = t0[0:1]", "t2 = t1.t()"],
    ["t0 = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)", "t1 = t0[0:1]", "t2 = t1.t()"],
    ["t6 = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)", "t0 = t6 * 1", "t1, t7 = t0.split(1)", "t2 = t1.t()"],
    ["t6 = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)", "t0 = t6 * 1", "t1 = t0.detach()", "t2 = t1[0:1]"],
    ["t0 = torch.ones(2, 2).requires_grad_()", "with torch.no_grad(): t1 = t0.expand(2, 2, 2)", "t2 = t1[0]"],
]
WRITES = [
    "{}.mul_(2)", "{}.mul_(t8)", "{}.copy_(t8)", "{}.zero_()", "{}.fill_(2)", "{}.sin_()", "{}.abs_()", "{}.neg_()", "{}.exp_()",
    "{}[:] = 1.0", "{}[0] = t8", "{}[...] *= 3", "{}.relu_()", "{}.clamp_(0, 1)", "with torch.no_grad(): {}.mul_(2)",
    "with torch.no_grad(): {}.add_(1)", "{}.index_fill_(0, torch.tensor([0]), 2.0)",
]  # fmt: skip
TURNS = ["{}.t_()", "{}.unsqueeze_(0)", "{}.detach_()", "{}.requires_grad_(False)"]
OTHERS = [
    "{}.requires_grad_()", "{}.retain_grad()", "{}.grad = None", "{}.sum().backward(retain_graph=True)", "t1 = t0[0:1]", "t2 = t1[:]",
    "with torch.no_grad(): t2 = t1[:]", "with torch.no_grad(): t3 = t0[:, 0:1]", "t3 = t0.t()", "t3 = t2.unsqueeze(0)", "t4 = {}.detach()",
    "t4.mul_(2)", "t3.mul_(t8)", "t5 = t1 * t2", "t5 = {} * 2", "t0 = t0 * 2", "t5 = t1.sum() + t2.sum()", "t5.sum().backward(retain_graph=True)",
    "torch.mul(t8, 2, out=t4)", "t8 = torch.ones(()).requires_grad_() * 1", "t8.mul_(2)", "t1.masked_fill_(t1 > 1, 0.5)", "t2 = t0.view(4)",
]  # fmt: skip


def draw_view_program(roll: Callable[[int], int]) -> list[str]:
    """A tensor, two views and a few lines about them, then backward through all of them; ``roll(n)`` is from 0 to n - 1."""
    lines = [*SETUPS[roll(len(SETUPS))], "t8 = torch.tensor(2.0, requires_grad=True)"]
    for _ in range(3 + roll(5)):
        kind, name = (WRITES, TURNS, OTHERS)[roll(3)], f"t{roll(3)}"
        if kind is TURNS and f"{name}.retain_grad()" in lines:
            kind = WRITES  # where torch itself comes to grief
        lines.append(kind[roll(len(kind))].replace("{}", name))
    ends = "[t.sum() for t in [t0, t1, t2] if t.requires_grad]"
    return [*lines, f"sum({ends}).backward()"]
