"""``torch.backends``: flags that scripts set. XLA decides these things itself, so they are kept and change nothing."""

from types import SimpleNamespace
from typing import Any


class _Backend(SimpleNamespace):
    """Flags of a backend that is not there."""

    def is_available(self) -> bool:
        return False

    def is_built(self) -> bool:
        return False

    def version(self) -> Any:
        return None


cudnn = _Backend(benchmark=False, deterministic=False, enabled=True, allow_tf32=True, benchmark_limit=10)
cuda = _Backend(matmul=SimpleNamespace(allow_tf32=False, allow_fp16_reduced_precision_reduction=True))
mps, mkldnn, openmp, mkl = _Backend(), _Backend(enabled=False), _Backend(), _Backend()
