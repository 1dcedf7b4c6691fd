"""What recording costs: Python's share of a step, per op, with no run in it; and whether programs are found again."""

import json
import sys
import time
from typing import Any

OPS = 600


def chain(torch: Any, ops: int = OPS) -> Any:
    """``(inputs, step)``: a step of `ops` ops as scripts have them: half pointwise, the rest views, matmuls, sums."""
    x = torch.randn(16, 16)
    w = torch.randn(16, 16) / 4
    b = torch.randn(16)

    def step(x: Any) -> Any:
        for _ in range(ops // 12):
            y = torch.relu(x @ w + b)  # 3
            y = y.view(4, 4, 16).transpose(0, 1)  # 5
            y = torch.tanh(y * 0.5)  # 7
            y = y.reshape(16, 16)  # 8
            m = y.mean(dim=-1, keepdim=True)  # 9
            x = x + (y - m) * 0.1  # 12
        return x

    return x, step


def microseconds_per_op(repeats: int = 50) -> dict[str, float]:
    """Microseconds an op takes to record once its place in the trie is known, without and with grad."""
    import torchlike as torch

    x, step = chain(torch)
    result = {}
    for name, start in (("no_grad", x), ("grad", x.clone().requires_grad_())):
        best = float("inf")
        for _ in range(repeats):
            before = time.perf_counter()
            y = step(start)
            best = min(best, time.perf_counter() - before)
            y.sum().item()  # runs what was recorded, outside the clock
            del y
        result[name] = 1e6 * best / OPS
    return result


def programs_after_third_step() -> dict[str, int]:
    """Programs built after step 3 by loops that change a number a step: a scheduler's lr, a moving slice."""
    import torchlike as torch

    def count(step: Any) -> int:
        for i in range(3):
            step(i)
        before = torch.explain().programs
        for i in range(3, 40):
            step(i)
        return torch.explain().programs - before

    layer = torch.nn.Linear(8, 8)
    data = torch.randn(512, 8)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.99)

    def plain(i: int) -> None:
        optimizer.zero_grad()
        layer(data[:8]).square().mean().backward()
        optimizer.step()

    def scheduled(i: int) -> None:
        plain(i)
        scheduler.step()

    def sliced(i: int) -> None:
        optimizer.zero_grad()
        layer(data[8 * i : 8 * i + 8]).square().mean().backward()
        optimizer.step()

    return {"plain": count(plain), "scheduler": count(scheduled), "moving slice": count(sliced)}


if __name__ == "__main__":
    print(json.dumps({"microseconds_per_op": microseconds_per_op(), "programs": programs_after_third_step()}))
    sys.exit()
