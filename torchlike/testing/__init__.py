"""Helpers for tests, as in `torch.testing`. The databases of torch's own tests are in `testing.conformance`."""

from torchlike.testing._comparison import assert_allclose as assert_allclose, assert_close as assert_close
from torchlike.testing._creation import make_tensor as make_tensor

__all__ = ["assert_allclose", "assert_close", "make_tensor"]
