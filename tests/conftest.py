"""What every test needs: one thread a process, a compile cache of the tests' own, and a fresh random state."""

import os
from collections.abc import Iterator
from pathlib import Path

# Before torch and JAX are imported: two test processes share two cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Programs compiled by one run are found by the next, and the user's own cache stays as it is.
os.environ.setdefault("TORCHLIKE_CACHE_DIR", str(Path(__file__).parents[1] / ".pytest_cache" / "programs"))
# Most of the time goes into compiling programs, a part of it into noting for each instruction where in Python it came from.
os.environ.setdefault("JAX_TRACEBACK_IN_LOCATIONS_LIMIT", "0")

import numpy as np
import pytest
import torch

from torchlike.testing.conformance.runner import share_contexts

torch.set_num_threads(1)
share_contexts()


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    """The same random state at the start of every test, whichever ran before."""
    np.random.seed(0)
    torch.manual_seed(0)
    yield
