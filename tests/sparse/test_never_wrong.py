"""An op of torch's database either takes a sparse tensor and is right, or refuses it: never another number."""

import warnings
from typing import Any

import numpy as np
import pytest
import torch

import torchlike
from torchlike.testing.conformance.bridge import Bridge, to_numpy, translate
from torchlike.testing.conformance.compare import tensors_in
from torchlike.testing.conformance.entries import CUDA_ONLY

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.testing._internal.common_methods_invocations import op_db

#: Every eighth entry; all of them take minutes.
ENTRIES = [e for e in op_db if torch.float32 in e.dtypes and "sparse" not in e.name and e.name not in CUDA_ONLY][::8]
#: `to_sparse` leaves out minus zeros.
EXCEPT = {"signbit", "copysign"}


def _sample(entry: Any) -> Any:
    """A sample with a matrix, or else with any tensor that is not 0-d; None if there is neither."""
    samples = [s for s in entry.sample_inputs("cpu", torch.float32) if isinstance(s.input, torch.Tensor) and s.input.numel()]
    return next((s for n in (2, 3, 1, 4) for s in samples if s.input.ndim == n), None)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("layout", ["sparse_coo", "sparse_csr"])
@pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: e.full_name)
def test_right_or_refused(entry: Any, layout: str) -> None:
    sample = _sample(entry)
    function = translate(entry.op, torchlike)
    if sample is None or entry.name in EXCEPT:
        pytest.skip("no sample for it")
    bridge = Bridge(torchlike)
    args, kwargs = bridge.over(sample.args), bridge.over(sample.kwargs)
    x = bridge.over(sample.input).detach()
    x = x * (torchlike.arange(x.shape[-1]) % 2 == 0)  # as many in each row, and so in each matrix of a batch
    if x.ndim < 2 and layout == "sparse_csr":
        pytest.skip("CSR has at least two dimensions")
    sparse = x.to_sparse(layout=getattr(torchlike, layout))
    try:
        result = function(sparse, *args, **kwargs)
    except (NotImplementedError, RuntimeError, TypeError, AttributeError, AssertionError):
        return
    torchlike.manual_seed(0)
    expected = function(x.clone(), *args, **kwargs)
    if isinstance(expected, (bool, int, float)):
        assert result == expected
    if "rand" in entry.name or entry.name.startswith("empty"):
        return
    for ours, dense in zip(tensors_in(result, torchlike), tensors_in(expected, torchlike), strict=True):
        np.testing.assert_allclose(*[to_numpy(t.detach().to_dense(), torchlike) for t in (ours, dense)], rtol=1e-4, atol=1e-5)
