"""Making sparse tensors, what they answer about themselves, and how they print."""

from typing import Any

import pytest

from tests.differential import agree
from tests.programs import Table, programs, same

#: torch says once a process that its CSR is in beta, and that invariants are not checked.
pytestmark = pytest.mark.filterwarnings("ignore:Sparse")
COO = "torch.sparse_coo_tensor([[0, 1, 1], [2, 0, 2]], [3.0, 4.0, 5.0], (2, 3))"
TENSORS = {
    "coo": COO,
    "repeated": "torch.sparse_coo_tensor([[0, 0, 1, 0], [2, 2, 2, 0]], [3.0, 4.0, 5.0, 6.0], (2, 3))",
    "coalesced": f"{COO}.coalesce()",
    "hybrid": "torch.sparse_coo_tensor([[0, 2]], [[1.0, 2.0], [3.0, 4.0]], (3, 2))",
    "no size": "torch.sparse_coo_tensor([[0, 1], [4, 2]], torch.tensor([1, 2]))",
    "no elements": "torch.sparse_coo_tensor(torch.zeros(2, 0, dtype=torch.int64), torch.zeros(0), (2, 3))",
    "only a size": "torch.sparse_coo_tensor((2, 3))",
    "one element": "torch.sparse_coo_tensor([[1], [1]], [2.0], (2, 2))",
    "0-d": "torch.sparse_coo_tensor(torch.zeros(0, 2, dtype=torch.int64), torch.tensor([1.0, 2.0]), ())",
    "float64": "torch.sparse_coo_tensor([[0, 1]], [1, 2], (4,), dtype=torch.float64)",
    "bool": "torch.sparse_coo_tensor([[0, 0]], [True, True], (2,))",
    "leaf": f"{COO}.requires_grad_()",
    "csr": "torch.sparse_csr_tensor([0, 1, 3], [2, 0, 2], [3.0, 4.0, 5.0], (2, 3))",
    "csr without size": "torch.sparse_csr_tensor([0, 1, 3], [2, 0, 2], [3.0, 4.0, 5.0])",
    "csr int32": "torch.sparse_csr_tensor(*[torch.tensor(i, dtype=torch.int32) for i in ([0, 1, 3], [2, 0, 2])], torch.ones(3), (2, 3))",
    "csr batch": "torch.sparse_csr_tensor([[0, 1, 3], [0, 2, 3]], [[2, 0, 2], [0, 1, 2]], torch.arange(6.0).reshape(2, 3), (2, 2, 3))",
    "csr hybrid": "torch.sparse_csr_tensor([0, 1, 3], [2, 0, 2], torch.arange(6.0).reshape(3, 2), (2, 3, 2))",
    "csc": "torch.sparse_csc_tensor([0, 1, 1, 3], [1, 0, 1], [3.0, 4.0, 5.0], (2, 3))",
    "bsr": "torch.sparse_bsr_tensor([0, 1, 2], [1, 0], torch.arange(8.0).reshape(2, 2, 2), (4, 4))",
    "bsc": "torch.sparse_bsc_tensor([0, 1, 2], [1, 0], torch.arange(12.0).reshape(2, 2, 3), (4, 6))",
    "compressed": "torch.sparse_compressed_tensor([0, 1, 3], [2, 0, 2], [3.0, 4.0, 5.0], layout=torch.sparse_csr)",
    "zeros": "torch.zeros(2, 3, layout=torch.sparse_coo)",
    "zero csr": "torch.zeros(2, 3, layout=torch.sparse_csr)",
    "zeros_like": f"torch.zeros_like({COO})",
    "zeros_like of dense": "torch.zeros_like(torch.ones(2, 3), layout=torch.sparse_coo)",
    "spdiags": "torch.sparse.spdiags(torch.arange(9.0).reshape(3, 3), torch.tensor([-1, 0, 1]), (3, 3))",
    "spdiags wide": "torch.sparse.spdiags(torch.arange(10.0).reshape(2, 5), torch.tensor([-1, 2]), (3, 4), layout=torch.sparse_csr)",
}


def facts(torch: Any, s: Any) -> Any:
    """What a sparse tensor shows of itself."""
    found = [repr(s), s.shape, s.dtype, s.layout, s.device, s._nnz(), s.sparse_dim(), s.dense_dim(), s.is_sparse, s.is_sparse_csr,
             s.requires_grad, s.is_leaf, s.ndim, s.numel(), len(s) if s.ndim else None, s.dim(), s.size()]  # fmt: skip
    if s.layout == torch.sparse_coo:
        found += [s._indices(), s._values(), s.is_coalesced(), s.coalesce().indices(), s.coalesce().values().detach()]
    elif s.layout in (torch.sparse_csr, torch.sparse_bsr):
        found += [s.crow_indices(), s.col_indices(), s.values()]
    else:
        found += [s.ccol_indices(), s.row_indices(), s.values()]
    return [*found, s.detach().to_dense()]


@pytest.mark.parametrize("text", TENSORS.values(), ids=TENSORS)
def test_made_as_in_torch(text: str) -> None:
    agree(lambda torch: facts(torch, eval(text, {"torch": torch})))


WRONG = {
    "a size too small": "torch.sparse_coo_tensor([[0, 3]], [1.0, 2.0], (2,), check_invariants=True)",
    "a negative index": "torch.sparse_coo_tensor([[0, -1]], [1.0, 2.0], (2,), check_invariants=True)",
    "too few dimensions": "torch.sparse_coo_tensor([[0, 1]], [1.0, 2.0], (2, 2), check_invariants=True)",
    "too few values": "torch.sparse_coo_tensor([[0, 1, 1]], [1.0, 2.0], (2,), check_invariants=True)",
    "not coalesced": "torch.sparse_coo_tensor([[1, 0]], [1.0, 2.0], (2,), is_coalesced=True, check_invariants=True)",
    "a column too large": "torch.sparse_csr_tensor([0, 1], [5], [1.0], (1, 3), check_invariants=True)",
    "rows that do not begin at 0": "torch.sparse_csr_tensor([1, 1], [0], [1.0], (1, 3), check_invariants=True)",
    "rows that go back": "torch.sparse_csr_tensor([0, 2, 1], [0], [1.0], (2, 3), check_invariants=True)",
    "no layout": "torch.sparse_compressed_tensor([0, 1], [0], [1.0])",
    "indices of the uncoalesced": f"{COO}.indices()",
    "values of the uncoalesced": f"{COO}.values()",
    "indices of csr": f"{COO}.to_sparse_csr().indices()",
    "coalescing csr": f"{COO}.to_sparse_csr().coalesce()",
    "numpy": f"{COO}.numpy()",
    "ones_like": f"torch.ones_like({COO})",
    "indices of dense": "torch.ones(2).indices()",
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_refused_as_in_torch(text: str) -> None:
    agree(lambda torch: eval(text, {"torch": torch}), message=False)


def test_an_index_out_of_range_is_refused_without_being_asked() -> None:
    import torchlike

    with pytest.raises(RuntimeError, match="size is inconsistent with indices: for dim 1, size is 2 but found index 2"):
        torchlike.sparse_coo_tensor([[0], [2]], [1.0], (2, 2))
    with pytest.raises(RuntimeError, match="`0 <= col_indices < ncols` is not satisfied"):
        torchlike.sparse_csr_tensor([0, 1], [5], [1.0], (1, 3))


def test_checking_invariants_is_a_switch_a_context_and_a_decorator() -> None:
    def program(torch: Any) -> Any:
        check = torch.sparse.check_sparse_tensor_invariants
        found = [check.is_enabled()]
        with check():
            found.append(check.is_enabled())
            with check(enable=False):
                found.append(check.is_enabled())
        found.append(check.is_enabled())
        found.append(check()(lambda: check.is_enabled())())
        check.enable()
        found.append(check.is_enabled())
        check.disable()
        return [*found, check.is_enabled()]

    agree(program)


def test_the_values_share_their_memory() -> None:
    def program(torch: Any) -> Any:
        v = torch.tensor([3.0, 4.0])
        s = torch.sparse_coo_tensor([[0, 2]], v, (3,))
        v[0] = 7.0
        s._values().mul_(2)
        return [s.to_dense(), v]

    agree(program)


@programs(Table({
    **{f"{name} in {layout}": lambda torch, name=name, args=args, layout=layout: getattr(torch, name)(
        *args, layout=getattr(torch, layout)) for layout in ("sparse_coo", "sparse_csr") for name, args in {
        "rand": (2, 2), "randn": (2, 2), "full": ((2, 2), 3.0), "eye": (2,), "arange": (3,), "linspace": (0, 1, 3), "randperm": (3,),
        "randint": (3, (2,)), "ones": (2, 2), "zeros": (2, 2), "tril_indices": (2, 2)}.items()
        if (name, layout) not in (("ones", "sparse_csr"), ("full", "sparse_csr"), ("randn", "sparse_csr"))},
    **{f"{name} of {layout}": lambda torch, name=name, args=args, layout=layout: getattr(torch, name)(
        torch.eye(3).to_sparse(layout=getattr(torch, layout)), *args) for layout in ("sparse_coo", "sparse_csr") for name, args in {
        "randn_like": (), "ones_like": (), "full_like": (2.0,), "zeros_like": ()}.items()},
    "a dense one like a sparse one": lambda torch: torch.rand_like(torch.eye(3).to_sparse(), layout=torch.strided),
    "new_full of coo": lambda torch: torch.eye(3).to_sparse().new_full((2,), 3.0),
    "new_full, dense": lambda torch: torch.eye(3).to_sparse().new_full((2,), 3.0, layout=torch.strided),
    "new_ones of coo": lambda torch: torch.eye(3).to_sparse().new_ones(2),
    "new_zeros, sparse": lambda torch: torch.ones(3).new_zeros(2, 2, layout=torch.sparse_coo),
}))  # fmt: skip
def test_a_layout_is_made_or_refused_as_in_torch(program) -> None:
    def parts(torch):
        made = program(torch)
        return made if made.layout == torch.strided else (str(made.layout), made._nnz(), made.to_dense())

    same(lambda torch: _kind_of_error(parts, torch), strides=False)


def _kind_of_error(parts, torch):
    try:
        return parts(torch)
    except RuntimeError:  # torch has NotImplementedError for some, which is one, and a message about its kernels
        return "refused"
