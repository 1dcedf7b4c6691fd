"""Between dense and sparse layouts, dtypes, copies and files."""

import copy
import io
import pickle
from typing import Any

import numpy as np
import pytest
import torch as reference

import torchlike
from tests.differential import agree
from tests.sparse.test_creation import TENSORS, facts

#: torch says once a process that its CSR is in beta, and that invariants are not checked.
pytestmark = pytest.mark.filterwarnings("ignore:Sparse")
DENSE = np.array([[0.0, 1.5, 0.0, 0.0], [2.0, 0.0, 0.0, -1.0], [0.0, 0.0, 0.0, 0.0], [0.0, 3.0, 4.0, 0.0]], np.float32)
WAYS = {
    "to_sparse": lambda x: x.to_sparse(),
    "one sparse dimension": lambda x: x.to_sparse(1),
    "to_sparse_coo": lambda x: x.to_sparse_coo(),
    "csr": lambda x: x.to_sparse_csr(),
    "csc": lambda x: x.to_sparse_csc(),
    "bsr": lambda x: x.to_sparse_bsr((2, 2)),
    "bsc": lambda x: x.to_sparse_bsc((2, 1)),
    "csr to coo": lambda x: x.to_sparse_csr().to_sparse(),
    "csr to csc": lambda x: x.to_sparse_csr().to_sparse_csc(),
    "coo to csr": lambda x: x.to_sparse().to_sparse_csr(),
    "bsr to csr": lambda x: x.to_sparse_csr().to_sparse_bsr((2, 2)),
    "csr to bsr": lambda x: x.to_sparse_csr().to_sparse_bsr((1, 2)),
    "to_dense with a dtype": lambda x: x.to_sparse().double(),
    "itself": lambda x: x.to_sparse().to_sparse(),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize(
    "array", [DENSE, np.zeros_like(DENSE), DENSE.astype(np.int64), DENSE != 0], ids=["float", "zero", "int", "bool"]
)
def test_layouts(way: Any, array: np.ndarray) -> None:
    agree(lambda torch: facts(torch, way(torch.tensor(array))))


def test_dense_tensors_answer_too() -> None:
    def program(torch: Any) -> Any:
        x = torch.tensor(DENSE)
        return [x.to_dense() is x, x.sparse_dim(), x.dense_dim()]

    agree(program)


def test_batches_and_elements_with_dimensions() -> None:
    def program(torch: Any) -> Any:
        x = torch.arange(24.0).reshape(2, 3, 4) % 4
        return [
            facts(torch, x.to_sparse_csr()),
            facts(torch, x.to_sparse(2)),
            facts(torch, x[0].reshape(3, 2, 2).to_sparse_csr(dense_dim=1)),
        ]

    agree(program)


@pytest.mark.parametrize("layout", ["coo", "csr"])
def test_sparse_mask(layout: str) -> None:
    def program(torch: Any) -> Any:
        mask = torch.tensor(DENSE).to_sparse(layout=getattr(torch, f"sparse_{layout}"))
        x = torch.arange(16.0).reshape(4, 4)
        return [facts(torch, x.sparse_mask(mask))]

    agree(program)


@pytest.mark.parametrize("name", ["coo", "repeated", "hybrid", "csr", "bsr", "leaf"])
def test_copies_are_whole(name: str) -> None:
    def program(torch: Any) -> Any:
        s = eval(TENSORS[name], {"torch": torch})
        copies = [s.clone().detach(), torch.clone(s.detach()), s.detach(), s.to(torch.float64).detach(), s.half().detach(),
                  s.detach().to("cpu")]  # fmt: skip
        if s.layout == torch.sparse_coo:  # torch fails to copy the others deeply
            copies.append(copy.deepcopy(s))
        return [facts(torch, c) for c in copies] + [s.to(s.dtype) is s]

    agree(program)


@pytest.mark.parametrize("name", ["coo", "coalesced", "hybrid", "csr", "csc", "bsr"])
def test_files_go_between_the_libraries(name: str) -> None:
    made = {lib: eval(TENSORS[name], {"torch": lib}) for lib in (reference, torchlike)}
    for writer in (reference, torchlike):
        file = io.BytesIO()
        writer.save({"s": made[writer], "layout": made[writer].layout}, file)
        for reader in (reference, torchlike):
            file.seek(0)
            read = reader.load(file)
            assert repr(read["s"]) == repr(made[reference])
            assert str(read["layout"]) == str(made[reference].layout)
            if name in ("coo", "coalesced"):
                assert read["s"].is_coalesced() == made[reference].is_coalesced()


def test_parameters_are_pickled_and_saved_as_such() -> None:
    p = torchlike.nn.Parameter(eval(TENSORS["coalesced"], {"torch": torchlike}))
    again = pickle.loads(pickle.dumps(p))
    assert again.requires_grad
    assert repr(again.detach()) == repr(p.detach())
    file = io.BytesIO()
    torchlike.save(p, file)
    file.seek(0)
    read = reference.load(file)
    assert isinstance(read, reference.nn.Parameter)
    assert repr(read) == repr(p)


def test_modules_keep_sparse_buffers() -> None:
    """A graph's adjacency as a buffer: cast, saved and loaded with its module."""

    def program(torch: Any) -> Any:
        class Convolution(torch.nn.Module):
            def __init__(self, scale: float) -> None:
                super().__init__()
                self.linear = torch.nn.Linear(4, 2)
                self.register_buffer("adjacency", (torch.tensor(DENSE) * scale).to_sparse())

            def forward(self, x: Any) -> Any:
                return torch.sparse.mm(self.adjacency, self.linear(x))

        torch.manual_seed(0)
        one, two = Convolution(1.0), Convolution(2.0)
        two.load_state_dict(one.state_dict())
        x = torch.ones(4, 4)
        loss = two(x).square().sum()
        loss.backward()
        double = copy.deepcopy(two).double()
        return [
            facts(torch, two.adjacency),
            loss,
            two.linear.weight.grad,
            double.adjacency.dtype,
            double(x.double()),
            list(one.state_dict()),
        ]

    agree(program)


def test_detach_as_a_function() -> None:
    agree(lambda torch: facts(torch, torch.detach(eval(TENSORS["leaf"], {"torch": torch}))))
