"""Arithmetic, unary functions, shapes, products and reductions of sparse tensors, and their gradients."""

from typing import Any

import pytest
import torch as reference

import torchlike
from tests.differential import agree

#: torch says once a process that its CSR is in beta, and that invariants are not checked.
pytestmark = pytest.mark.filterwarnings("ignore:Sparse")
COO = "coo"
LAYOUTS = ["coo", "repeated", "csr"]


def make(torch: Any, kind: str, seed: int = 0, rows: int = 4, columns: int = 5, dtype: Any = None) -> Any:
    """A sparse matrix with a few elements, half of its rows empty."""
    dtype = dtype or torch.float64
    generator = reference.Generator().manual_seed(seed)
    index = reference.randint(0, rows * columns, (6,), generator=generator).tolist()
    values = reference.rand(6, generator=generator, dtype=reference.float64).add(0.1).tolist()
    s = torch.sparse_coo_tensor(
        [[i // columns for i in index], [i % columns for i in index]], values, (rows, columns), dtype=dtype
    )
    if kind == "repeated":
        return s
    s = s.coalesce()
    return s if kind == "coo" else s.to_sparse(layout=getattr(torch, f"sparse_{kind}"))


def dense(torch: Any, *shape: int, seed: int = 1) -> Any:
    return torch.tensor(
        reference.randn(*shape, generator=reference.Generator().manual_seed(seed), dtype=reference.float64).tolist(),
        dtype=torch.float64,
    )


def parts(torch: Any, s: Any) -> Any:
    """A sparse result by its parts, in order."""
    if s.layout == torch.strided:
        return s
    if s.layout == torch.sparse_coo:
        c = s.detach().coalesce()
        return [s.shape, c.indices(), c.values()]
    return [s.shape, s.layout, s.to_dense()]


ARITHMETIC: dict[str, Any] = {
    "add": lambda torch, s, k: s + make(torch, k, 3),
    "add alpha": lambda torch, s, k: torch.add(s, make(torch, k, 3), alpha=-2.5),
    "sub": lambda torch, s, k: s - make(torch, k, 3) if k != "csr" else s + s,
    "sub itself": lambda torch, s, k: (s - s).to_dense() if k != "csr" else s + s,
    "dense plus sparse": lambda torch, s, k: dense(torch, 4, 5) + s,
    "dense plus scaled": lambda torch, s, k: torch.add(dense(torch, 4, 5), s, alpha=3.0),
    "dense minus sparse": lambda torch, s, k: dense(torch, 4, 5) - s if k != "csr" else s,
    "sparse plus dense": lambda torch, s, k: s + dense(torch, 4, 5),
    "plus a number": lambda torch, s, k: s + 1.0 if k != "csr" else s,
    "times a number": lambda torch, s, k: s * 2.5,
    "number times": lambda torch, s, k: 2 * s,
    "times 0-d": lambda torch, s, k: s * torch.tensor(3.0, dtype=torch.float64),
    "mul": lambda torch, s, k: (s * make(torch, k, 3)).to_dense(),
    "times dense": lambda torch, s, k: s * dense(torch, 4, 5),
    "dense times": lambda torch, s, k: dense(torch, 4, 5) * s,
    "times row": lambda torch, s, k: s * dense(torch, 5) if k != "csr" else s,
    "times column": lambda torch, s, k: s * dense(torch, 4, 1) if k != "csr" else s,
    "divided": lambda torch, s, k: s / 4.0 if k != "csr" else s,
    "divided by dense": lambda torch, s, k: s / dense(torch, 4, 5),
    "floor divided": lambda torch, s, k: torch.floor_divide(s, 0.3) if k != "csr" else s,
    "rounded": lambda torch, s, k: torch.div(s, 0.3, rounding_mode="trunc") if k != "csr" else s,
    "power": lambda torch, s, k: s**2 if k != "csr" else s,
    "power 0": lambda torch, s, k: s**0 if k != "csr" else s,
    "negative": lambda torch, s, k: -s,
    "positive": lambda torch, s, k: +s,
    "shapes that differ": lambda torch, s, k: s + make(torch, k, 3, 5, 4),
    "in place": lambda torch, s, k: s.mul_(2).add_(s) if k != "csr" else s.mul_(2),
    "operator in place": lambda torch, s, k: _in_place(s) if k != "csr" else s,
    "into dense": lambda torch, s, k: dense(torch, 4, 5).add_(s) if k != "csr" else s,
    "zero_": lambda torch, s, k: s.zero_(),
    "integers": lambda torch, s, k: (
        make(torch, k, dtype=torch.int64) * 3 + make(torch, k, 2, dtype=torch.int64) if k != "csr" else s
    ),
    "mixed dtypes": lambda torch, s, k: s + make(torch, k, 2, dtype=torch.float32) if k == "coo" else s,
}


def _in_place(s: Any) -> Any:
    t = s
    s *= 3
    s += s
    s /= 2
    assert s is t
    return s


@pytest.mark.parametrize("kind", LAYOUTS)
@pytest.mark.parametrize("program", ARITHMETIC.values(), ids=ARITHMETIC)
def test_arithmetic(program: Any, kind: str) -> None:
    agree(lambda torch: parts(torch, program(torch, make(torch, kind), kind)), message=False)


UNARY = """abs asin asinh atan atanh ceil deg2rad erf erfinv expm1 floor frac isinf isnan isneginf isposinf log1p nan_to_num neg
rad2deg relu round sgn sign signbit sin sinh sqrt square tan tanh trunc conj_physical""".split()


@pytest.mark.parametrize("kind", LAYOUTS)
@pytest.mark.parametrize("name", UNARY)
def test_functions_that_keep_zero(name: str, kind: str) -> None:
    if kind == "csr" and name in ("nan_to_num", "square"):
        pytest.skip("torch has it for COO only")
    agree(
        lambda torch: parts(
            torch,
            getattr(torch, name)(
                make(torch, kind).mul(0.5) - make(torch, kind).mul(0.9) if kind == "coo" else make(torch, kind).mul(0.4)
            ),
        )
    )


SHAPES: dict[str, Any] = {
    "t": lambda torch, s: s.t(),
    "torch.t": lambda torch, s: torch.t(s),
    "T": lambda torch, s: s.T,
    "mT": lambda torch, s: s.mT,
    "transpose": lambda torch, s: s.transpose(0, 1),
    "torch.transpose": lambda torch, s: torch.transpose(s, -1, 0),
    "transposed twice": lambda torch, s: s.t().t(),
    "t_": lambda torch, s: s.t_(),
    "permute": lambda torch, s: torch.stack([s, s]).permute(2, 0, 1),
    "hybrid permute": lambda torch, s: hybrid(torch).permute(0, 2, 1),
    "cat": lambda torch, s: torch.cat([s, make(torch, COO, 4)]),
    "cat columns": lambda torch, s: torch.cat([s, make(torch, COO, 4)], -1),
    "cat hybrid": lambda torch, s: torch.cat([hybrid(torch), hybrid(torch)], 1),
    "cat of sizes that differ": lambda torch, s: torch.cat([s, make(torch, COO, 4, 5, 4)]),
    "stack": lambda torch, s: torch.stack([s, make(torch, COO, 4)], 1),
    "unsqueeze": lambda torch, s: s.unsqueeze(1),
    "unsqueeze hybrid": lambda torch, s: hybrid(torch).unsqueeze(-1),
    "index_select": lambda torch, s: s.index_select(0, torch.tensor([1, 3, 1, 0])),
    "index_select columns": lambda torch, s: torch.index_select(s, 1, torch.tensor([4, 2])),
    "index_select hybrid": lambda torch, s: hybrid(torch).index_select(1, torch.tensor([1, 1])),
    "index_select out of range": lambda torch, s: s.index_select(0, torch.tensor([4])),
    "row": lambda torch, s: s[1],
    "last row": lambda torch, s: s[-1],
    "column": lambda torch, s: s[:, 2],
    "element": lambda torch, s: s[1, 2],
    "hybrid row": lambda torch, s: hybrid(torch)[2],
    "hybrid column": lambda torch, s: hybrid(torch).select(2, 1),
    "select out of range": lambda torch, s: s.select(0, 4),
    "rows": lambda torch, s: torch.stack(list(s)),
    "narrow_copy": lambda torch, s: s.narrow_copy(1, 1, 3),
    "resized": lambda torch, s: s.sparse_resize_((6, 7), 2, 0),
    "new_zeros": lambda torch, s: s.new_zeros(3, 2),
    "zeros_like": lambda torch, s: torch.zeros_like(s),
    "copy_": lambda torch, s: s.copy_(make(torch, COO, 9)),
}


def hybrid(torch: Any) -> Any:
    return torch.sparse_coo_tensor([[0, 2, 2]], dense(torch, 3, 2, 3), (4, 2, 3))


@pytest.mark.parametrize("kind", ["coo", "repeated"])
@pytest.mark.parametrize("program", SHAPES.values(), ids=SHAPES)
def test_shapes(program: Any, kind: str) -> None:
    agree(lambda torch: parts(torch, program(torch, make(torch, kind))), message=False)


def test_the_transpose_of_csr_is_csc() -> None:
    agree(lambda torch: [parts(torch, make(torch, "csr").t()), parts(torch, make(torch, "csr").transpose(0, 1).transpose(0, 1))])


PRODUCTS: dict[str, Any] = {
    "mm": lambda torch, s: torch.mm(s, dense(torch, 5, 3)),
    "sparse.mm": lambda torch, s: torch.sparse.mm(s, dense(torch, 5, 3)),
    "@": lambda torch, s: s @ dense(torch, 5, 3),
    "matmul": lambda torch, s: torch.matmul(s, dense(torch, 5, 3)),
    "mv": lambda torch, s: torch.mv(s, dense(torch, 5)),
    "@ vector": lambda torch, s: s @ dense(torch, 5),
    "dense @": lambda torch, s: dense(torch, 3, 4) @ s,
    "sparse @ sparse": lambda torch, s: s @ make(torch, "csr" if s.layout == torch.sparse_csr else "coo", 5, 5, 3),
    "nothing in common": lambda torch, s: s @ torch.zeros(5, 3, dtype=torch.float64, layout=s.layout),
    "addmm": lambda torch, s: torch.addmm(dense(torch, 4, 3), s, dense(torch, 5, 3, seed=2), beta=0.5, alpha=2),
    "sparse.addmm": lambda torch, s: torch.sparse.addmm(dense(torch, 4, 3), s, dense(torch, 5, 3, seed=2), beta=0.5, alpha=2),
    "sizes that do not fit": lambda torch, s: s @ dense(torch, 4, 3),
    "dtypes that differ": lambda torch, s: s @ dense(torch, 5, 3).float(),
    "transposed": lambda torch, s: s.t() @ dense(torch, 4, 3),
    "no columns": lambda torch, s: s @ torch.zeros(5, 0, dtype=torch.float64),
    "out": lambda torch, s: torch.mm(s, dense(torch, 5, 3), out=torch.zeros(4, 3, dtype=torch.float64)),
}


@pytest.mark.parametrize("kind", LAYOUTS)
@pytest.mark.parametrize("program", PRODUCTS.values(), ids=PRODUCTS)
def test_products(program: Any, kind: str) -> None:
    agree(lambda torch: parts(torch, program(torch, make(torch, kind))), message=False)


MORE: dict[str, Any] = {
    "hspmm": lambda torch: torch.hspmm(make(torch, COO), dense(torch, 5, 3)).to_dense(),
    "spmm": lambda torch: [torch.spmm(make(torch, COO), dense(torch, 5, 3)), torch.dsmm(dense(torch, 3, 4), make(torch, COO))],
    "smm": lambda torch: torch.smm(make(torch, COO), dense(torch, 5, 3)).to_dense(),
    "sspaddmm": lambda torch: torch.sspaddmm(
        make(torch, COO, 7, 4, 3), make(torch, COO), dense(torch, 5, 3), beta=2, alpha=3
    ).to_dense(),
    "bmm": lambda torch: torch.bmm(torch.stack([make(torch, COO), make(torch, COO, 3)]).coalesce(), dense(torch, 2, 5, 3)),
    "sampled_addmm": lambda torch: torch.sparse.sampled_addmm(
        make(torch, "csr"), dense(torch, 4, 2), dense(torch, 2, 5), beta=0.5, alpha=2.0
    ),
    "sampled_addmm of coo": lambda torch: torch.sparse.sampled_addmm(make(torch, COO), dense(torch, 4, 2), dense(torch, 2, 5)),
    **{
        f"reduce {r}": lambda torch, r=r: torch.sparse.mm(make(torch, "csr"), dense(torch, 5, 3), r)
        for r in ("sum", "mean", "amax", "amin")
    },
    "sum": lambda torch: [make(torch, k).sum() for k in LAYOUTS],
    "sparse.sum": lambda torch: [torch.sparse.sum(make(torch, k), d) for k in ("coo", "repeated") for d in (0, 1, -1, (0, 1))],
    "sum of a hybrid": lambda torch: [torch.sparse.sum(hybrid(torch), d) for d in (0, 1, 2, (1, 2), (0, 1), (0, 2))],
    "sum with dtype": lambda torch: torch.sparse.sum(make(torch, COO), 0, dtype=torch.float32),
    "sum keepdim": lambda torch: [make(torch, COO).sum(0, keepdim=True), make(torch, "csr").sum(1, keepdim=True)],
    "softmax": lambda torch: [torch.sparse.softmax(make(torch, "repeated"), d) for d in (0, 1, -1)],
    "log_softmax": lambda torch: [torch.sparse.log_softmax(make(torch, COO), d) for d in (0, 1)],
    "softmax of a hybrid": lambda torch: [torch.sparse.softmax(hybrid(torch), d) for d in (0, 1, 2)],
    "softmax with dtype": lambda torch: torch.sparse.softmax(make(torch, COO), 1, dtype=torch.float32),
    "norm": lambda torch: [make(torch, COO).norm(), torch.norm(make(torch, "repeated"))],
    "any": lambda torch: make(torch, COO).any(),
}


@pytest.mark.parametrize("program", MORE.values(), ids=MORE)
def test_more_products_and_reductions(program: Any) -> None:
    agree(lambda torch: program(torch), message=False)


GRADIENTS: dict[str, Any] = {
    "to_dense": lambda torch, s, d: s.to_dense() * dense(torch, 4, 5),
    "sparse.mm": lambda torch, s, d: torch.sparse.mm(s, d),
    "mm": lambda torch, s, d: torch.mm(s, d),
    "mv": lambda torch, s, d: torch.mv(s, d[:, 0]) if s.layout == torch.sparse_coo else torch.mm(s, d),
    "addmm": lambda torch, s, d: torch.sparse.addmm(dense(torch, 4, 3), s, d, beta=2, alpha=3),
    "scaled": lambda torch, s, d: (s * 3).to_dense(),
    "squared": lambda torch, s, d: (s * s).to_dense(),
    "added": lambda torch, s, d: (s + s).to_dense(),
    "added to dense": lambda torch, s, d: dense(torch, 4, 5) * (dense(torch, 4, 5) + s),
    "values": lambda torch, s, d: s.values() if s.layout != torch.sparse_coo else s.coalesce().values(),
    "transposed": lambda torch, s, d: s.t() @ dense(torch, 4, 2),
}
COO_GRADIENTS: dict[str, Any] = {
    "sparse.sum": lambda torch, s, d: torch.sparse.sum(s) * 3,
    "sparse.sum dim": lambda torch, s, d: torch.sparse.sum(s, 0).to_dense(),
    "softmax": lambda torch, s, d: torch.sparse.softmax(s, 1).to_dense(),
    "log_softmax": lambda torch, s, d: torch.sparse.log_softmax(s, 0).to_dense(),
    "sparse @ sparse": lambda torch, s, d: torch.sparse.mm(s, make(torch, COO, 5, 5, 3)).to_dense(),
    "times dense": lambda torch, s, d: (s * dense(torch, 4, 5)).to_dense(),
    "mask": lambda torch, s, d: dense(torch, 4, 5).mul(s.to_dense()).sparse_mask(make(torch, COO, 8)).to_dense(),
}


def _gradients(torch: Any, program: Any, kind: str) -> Any:
    """The gradients of a sparse leaf, where it has elements, and of a dense operand.

    torch gives some of the former as dense tensors, also where nothing is stored; here they never are.
    """
    s = make(torch, kind).requires_grad_()
    d = dense(torch, 5, 3).requires_grad_()
    (program(torch, s, d) ** 2).sum().backward()
    pattern = make(torch, "coo")
    found = s.grad.to_dense() if s.grad.layout != torch.strided else s.grad
    return [found.sparse_mask(pattern), d.grad, s.is_leaf]


@pytest.mark.parametrize("kind", LAYOUTS)
@pytest.mark.parametrize("program", GRADIENTS.values(), ids=GRADIENTS)
def test_gradients(program: Any, kind: str) -> None:
    if kind == "csr" and program is GRADIENTS["transposed"]:
        pytest.skip("in torch for COO only")
    agree(_gradients, program, kind)


@pytest.mark.parametrize("program", COO_GRADIENTS.values(), ids=COO_GRADIENTS)
def test_gradients_of_coo(program: Any) -> None:
    agree(_gradients, program, COO)


def test_the_gradient_of_a_sparse_leaf_is_sparse_and_adds_up() -> None:
    def program(torch: Any) -> Any:
        s = make(torch, COO).requires_grad_()
        first = torch.autograd.grad(torch.sparse.mm(s, dense(torch, 5, 3)).sum(), s)[0]
        torch.sparse.mm(s, dense(torch, 5, 3)).sum().backward()
        once = s.grad.to_dense()
        (s.to_dense() * 2).sum().backward()
        twice = s.grad
        s.grad = None
        return [parts(torch, first), once, parts(torch, twice), s.grad]

    agree(program)


def test_the_gradient_reaches_what_the_tensor_was_made_of() -> None:
    def program(torch: Any) -> Any:
        v = dense(torch, 3).requires_grad_()
        s = torch.sparse_coo_tensor([[0, 1, 1], [2, 0, 0]], v, (2, 3))
        (s.to_dense() ** 2).sum().backward()
        x = dense(torch, 3, 3).relu().requires_grad_()
        (x.to_sparse().to_dense() * 3).sum().backward()
        return [v.grad, s.is_leaf, s.requires_grad, s.grad_fn.name(), x.grad]

    agree(program)


def test_repeated_elements_share_one_gradient() -> None:
    def program(torch: Any) -> Any:
        s = torch.sparse_coo_tensor([[0, 0, 1]], [1.0, 2.0, 3.0], (3,)).requires_grad_()
        (s.to_dense() ** 2).sum().backward()
        return s.grad.to_dense()

    agree(program)


def test_hooks_and_backward_from_a_sparse_tensor() -> None:
    def program(torch: Any) -> Any:
        s = make(torch, COO).requires_grad_()
        s.register_hook(lambda g: g * 2)
        y = s * 3
        y.backward(torch.ones(4, 5, dtype=torch.float64).sparse_mask(make(torch, COO)))
        return parts(torch, s.grad)

    agree(program)


def test_no_grad_and_leaves() -> None:
    def program(torch: Any) -> Any:
        s = make(torch, COO).requires_grad_()
        with torch.no_grad():
            free = [(s + s).requires_grad, (s * 2).requires_grad]
        return [free, s.detach().requires_grad, (s * 2).requires_grad, (s * 2).is_leaf, s.t().is_leaf]

    agree(program)
    s = make(torchlike, COO).requires_grad_()
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        s.mul_(2)


def test_second_gradients() -> None:
    """torch cannot differentiate these twice: compared with the dense computation."""
    s = make(torchlike, COO).requires_grad_()
    d = dense(torchlike, 5, 3)
    (g,) = torchlike.autograd.grad((torchlike.sparse.mm(s, d) ** 3).sum(), s, create_graph=True)
    (second,) = torchlike.autograd.grad((g.to_dense() ** 2).sum(), s)
    x = make(torchlike, COO).to_dense().requires_grad_()
    (g,) = torchlike.autograd.grad(((x @ d) ** 3).sum(), x, create_graph=True)
    mask = make(torchlike, COO)
    (expected,) = torchlike.autograd.grad((g.sparse_mask(mask).to_dense() ** 2).sum(), x)
    torchlike.testing.assert_close(second.to_dense(), expected.sparse_mask(mask).to_dense())


def test_a_training_step_with_a_sparse_adjacency() -> None:
    """Two steps of a graph convolution: the pattern is constant, so that nothing is compiled anew."""

    def program(torch: Any) -> Any:
        a = make(torch, "csr", 0, 5, 5)
        w = dense(torch, 3, 2).requires_grad_()
        optimizer = torch.optim.SGD([w], lr=0.1)
        losses = []
        for _ in range(4):
            optimizer.zero_grad()
            loss = (a @ dense(torch, 5, 3) @ w).square().mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return [losses, w.detach()]

    agree(program)


REFUSED: dict[str, Any] = {
    "exp": lambda s: s.exp(),
    "cos": lambda s: torchlike.cos(s),
    "reshape": lambda s: s.reshape(-1),
    "view": lambda s: s.view(-1),
    "mean": lambda s: s.mean(),
    "max": lambda s: s.max(),
    "equal": lambda s: torchlike.equal(s, s),
    "comparison": lambda s: s > 0,
    "where": lambda s: torchlike.where(s.to_dense() > 0, s, s),
    "slice": lambda s: s[0:2],
    "setitem": lambda s: s.__setitem__(0, 1.0),
    "softmax": lambda s: s.softmax(1),
    "linear": lambda s: torchlike.nn.functional.linear(s, s),
    "dense in place": lambda s: dense(torchlike, 4, 5).mul_(s),
    "dense copy": lambda s: dense(torchlike, 4, 5).copy_(s),
    "sparse out": lambda s: torchlike.mul(s, s, out=dense(torchlike, 4, 5)),
    "fill": lambda s: s.fill_(1.0),
    "item": lambda s: s[:1] if s.ndim == 1 else torchlike.sparse_coo_tensor([[0]], [1.0], (1,)).item(),
    "tolist": lambda s: s.tolist(),
    "power -1": lambda s: s**-1,
    "cat with dense": lambda s: torchlike.cat([s, s.to_dense()]),
    "coo plus csr": lambda s: s + s.to_sparse_csr(),
    "setting the gradient": lambda s: setattr(s, "grad", s),
}


@pytest.mark.parametrize("program", REFUSED.values(), ids=REFUSED)
def test_what_is_not_there_says_so(program: Any) -> None:
    with pytest.raises(NotImplementedError, match=r"to_dense|layout"):
        program(make(torchlike, COO))


def test_custom_functions_take_and_give_values() -> None:
    class Product(torchlike.autograd.Function):
        @staticmethod
        def forward(ctx: Any, given: Any, sparse: bool) -> Any:
            return given.detach() * 2 if sparse else given.to_dense() * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g, None

    s = make(torchlike, COO)
    assert Product.apply(s, False).layout is torchlike.strided
    for given, sparse in ((s.detach().requires_grad_(), False), (torchlike.ones(2, requires_grad=True).to_sparse(), True)):
        with pytest.raises(NotImplementedError, match=r"Product\.apply: sparse tensors that require grad"):
            Product.apply(given, sparse)


def test_places_beyond_64_bits_are_refused() -> None:
    s = torchlike.sparse_coo_tensor([[0, 0], [1, 1]], [1.0, 2.0], (2**40, 2**40))
    with pytest.raises(RuntimeError, match="more places than 64 bits can count"):
        s.coalesce()


def test_an_optimizer_refuses_sparse_parameters() -> None:
    p = torchlike.nn.Parameter(make(torchlike, COO))
    torchlike.sparse.mm(p, dense(torchlike, 5, 3)).sum().backward()
    with pytest.raises(NotImplementedError, match="to_dense"):
        torchlike.optim.Adam([p]).step()
