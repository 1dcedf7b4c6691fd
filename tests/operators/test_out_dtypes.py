"""Which dtype an ``out`` may have: that of the result alone, or any to which the result can be cast."""

import pytest
import torch

from tests.differential import Case, check, randn, table
from torchlike.testing.conformance.bridge import resolve

A, B, BATCH = randn(3, 3), randn(3, 3), randn(2, 3, 3)
D = A @ A.mT + torch.eye(3)

#: Ops that insist on the dtype of the result, in one set of words or another.
EXACT = [
    ("mm", A, B), ("addmm", A, A, B), ("bmm", BATCH, BATCH), ("dot", A[0], B[0]), ("matmul", A, B), ("inner", A, B),
    ("tensordot", A, B), ("amax", A), ("amin", A, 0), ("sort", A), ("topk", A, 2), ("max", A, 0), ("min", A, 0), ("mode", A),
    ("cummax", A, 0), ("cummin", A, 0), ("logcumsumexp", A, 0), ("quantile", A, 0.5), ("tril", A), ("scatter", A, 0, A.long() * 0, B),
    ("where", A > 0, A, B), ("abs", A), ("ceil", A), ("neg", A), ("sign", A), ("round", A), ("nan_to_num", A),
    ("nn.functional.gelu", A), ("permute_copy", A, (1, 0)), ("narrow_copy", A, 0, 1, 1), ("float_power", A.bfloat16(), 2),
    ("linalg.det", A), ("linalg.inv", D), ("linalg.solve", D, A), ("linalg.cholesky", D), ("linalg.svd", A), ("linalg.vecdot", A, B),
    ("linalg.vector_norm", A), ("linalg.multi_dot", [A, B]), ("isin", A, B), ("signbit", A),
]  # fmt: skip
#: Ops that cast.
CASTING = [("add", A, B), ("sin", A), ("sum", A, 0), ("cumsum", A, 0), ("cholesky", D), ("cat", [A, B])]


def _empty(result, lib, dtype):
    """Tensors of ``dtype`` to hold what torch returned."""
    results = result if isinstance(result, tuple) else (result,)
    made = tuple(lib.empty(tuple(r.shape), dtype=getattr(lib, dtype)) for r in results)
    return made if isinstance(result, tuple) else made[0]


@pytest.mark.filterwarnings("ignore:torch.cholesky")
@pytest.mark.parametrize("call", [*EXACT, *CASTING], ids=lambda call: call[0])
@pytest.mark.parametrize("dtype", ["float64", "bfloat16", "float16"])
def test_out_of_another_dtype(call, dtype):
    import torchlike
    from torchlike.testing.conformance.bridge import Bridge

    name, *args = call
    plain = resolve(torch, name)(*args)
    outcomes = []
    for lib in (torch, torchlike):
        given = args if lib is torch else Bridge(lib).over(args)
        try:
            resolve(lib, name)(*given, out=_empty(plain, lib, dtype))
            outcomes.append(None)
        except RuntimeError as error:
            outcomes.append(str(error).partition("  (Could")[0])
    assert (outcomes[0] is None) == (call in CASTING or (name, dtype) == ("float_power", "float64")), outcomes
    if name == "narrow_copy":  # torch prints its own condition
        assert outcomes[1] is not None
    else:
        assert outcomes[1] == outcomes[0]


@table(
    [
        Case("Tensor.float_power_", A, 2, raises=RuntimeError, message="equal"),
        Case("Tensor.float_power_", A.double(), 2j, raises=RuntimeError, message="equal"),
        Case("Tensor.float_power_", A.double(), 2),
        Case("Tensor.abs_", torch.complex(A, B), raises=RuntimeError, message="equal"),
        Case("Tensor.eq_", torch.complex(A, B), 1),
        Case("float_power", A, B.abs()),
        Case("_chunk_cat", [A, A[0]], -1, 3, raises=RuntimeError, message="equal"),
        Case("_chunk_cat", [A, A[0]], 1, 3, raises=RuntimeError, message="equal"),
        Case("_chunk_cat", [A[:0], A], 0, 3, raises=RuntimeError, message="equal"),
        Case("_chunk_cat", [BATCH, BATCH[:1]], 1, 3, raises=RuntimeError, message="equal"),
        Case("_chunk_cat", [A, A[:2]], -2, 2, grad=False),
        Case("narrow_copy", A, 2, 0, 1, raises=RuntimeError),
        Case("narrow_copy", A, -3, 0, 1, raises=IndexError, message="equal"),
        Case("narrow_copy", A, 1, 1, 2, grad=False),
        Case("ormqr", randn(5, 0), randn(5), randn(5, 5), raises=RuntimeError, message="equal"),
        Case("masked_fill", A.long(), A > 0, torch.tensor(1j), raises=RuntimeError, message="equal"),
        Case("masked_fill", A.byte(), A > 0, torch.tensor(300), raises=RuntimeError, message="equal"),
        Case("masked_fill", A, torch.tensor([1, 0, 1]), 1.0, raises=RuntimeError, message="equal"),
    ]
)
def test_what_such_a_call_refuses(case):
    check(case)
