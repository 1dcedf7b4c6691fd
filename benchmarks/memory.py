"""Does memory grow? Resident memory of a long training run, read after its first thousand steps and at its end."""

import gc
import json
import sys

from benchmarks.sides import prepare

STEPS, FIRST = 10_000, 1_000


def growth(side: str, workload: str = "mlp") -> dict[str, float]:
    """Megabytes resident after `FIRST` steps and after `STEPS`."""
    import psutil

    process = psutil.Process()
    train = prepare(side, workload)

    def resident() -> float:
        gc.collect()
        return process.memory_info().rss / 2**20

    train(FIRST)
    first = resident()
    train(STEPS - FIRST)
    return {"first": first, "last": resident()}


if __name__ == "__main__":
    print(json.dumps(growth(*sys.argv[1:])))
