"""MaskedTensor: what torch's pages on it show, and its refusals."""

from tests.programs import Table, programs, same


def made(torch, **options):
    data = torch.arange(6.0).reshape(2, 3) - 2.5
    return torch.masked.masked_tensor(data, torch.tensor([[True, False, True], [False, False, True]]), **options)


def parts(m):
    """Data where it counts, the mask, and how it is shown."""
    return m.to_dense().to_tensor(0) if m.is_sparse else m.to_tensor(0), m.get_mask().to_dense(), repr(m), m.dtype, m.layout


def all_of(*ms):
    return [parts(m) for m in ms]


PROGRAMS = Table({
    "is shown": lambda torch: parts(made(torch)),
    "of numbers": lambda torch: repr(torch.masked.masked_tensor(torch.tensor([1, 200, 3]), torch.tensor([True, False, True]))),
    "of one": lambda torch: [repr(torch.masked.masked_tensor(torch.tensor(1.5), torch.tensor(b))) for b in (True, False)],
    "of three dimensions": lambda torch: repr(torch.masked.masked_tensor(
        torch.arange(8.0).view(2, 2, 2), torch.arange(8).view(2, 2, 2) % 3 == 0)),
    "is one": lambda torch: (torch.masked.is_masked_tensor(made(torch)), torch.masked.is_masked_tensor(torch.ones(2)),
                             isinstance(made(torch), torch.Tensor), made(torch).shape, made(torch).is_leaf),
    "copies its data": lambda torch: (d := torch.ones(2), m := torch.masked.masked_tensor(d, torch.tensor([True, True])),
                                      d.zero_(), m.get_data())[3],
    "unary": lambda torch: all_of(*[f(made(torch)) for f in (torch.abs, torch.exp, torch.sqrt, torch.neg, torch.sigmoid, torch.round)]),
    "unary methods": lambda torch: all_of(made(torch).cos(), -made(torch), made(torch).clamp(-1, 1), made(torch).pow(2), made(torch) ** 2),
    "binary": lambda torch: (m := made(torch), all_of(m + m, m * 2, m - 3, m / m, torch.maximum(m, m), m > 0, m < 0, m == m))[1],
    "with a dense one": lambda torch: (m := made(torch), all_of(m + torch.ones(2, 3), torch.ones(2, 3) * m))[1],
    "broadcast": lambda torch: (m := made(torch), all_of(m + torch.ones(2, 1), m[0] + torch.ones(2, 3)))[1],
    "in place": lambda torch: (m := made(torch), m.add_(1), m.abs_(), parts(m))[3],
    "masks differ": lambda torch: made(torch) + torch.masked.masked_tensor(torch.ones(2, 3), torch.ones(2, 3).bool()),
    "reductions": lambda torch: all_of(*[getattr(made(torch), n)() for n in ("sum", "mean", "amin", "amax", "prod", "var", "std")]),
    "reductions of rows": lambda torch: all_of(*[getattr(made(torch), n)(1) for n in (
        "sum", "mean", "amin", "amax", "prod", "argmin", "argmax")]),
    "reductions of columns": lambda torch: all_of(made(torch).sum(0), made(torch).amax(0, keepdim=True), made(torch).mean(dim=0)),
    "reductions by function": lambda torch: all_of(torch.sum(made(torch)), torch.mean(made(torch), 1), torch.amax(made(torch), 0)),
    "all": lambda torch: parts((made(torch) > -2).all(1)),
    "moves": lambda torch: (m := made(torch), all_of(m[0], m[:, 1:], m.t(), m.reshape(3, 2), m.unsqueeze(0), m.transpose(0, 1),
                                                     m.select(1, 2), m.expand(2, 2, 3), m.view(6)))[1],
    "joined": lambda torch: (m := made(torch), all_of(torch.cat([m, m]), torch.stack([m, m], 1)))[1],
    "split": lambda torch: all_of(*made(torch).split(2, 1)),
    "where": lambda torch: (m := made(torch), parts(torch.where(torch.tensor([True, False, True]), m, m * 2)))[1],
    "softmax": lambda torch: parts(made(torch).softmax(1)),
    "to_tensor": lambda torch: made(torch).to_tensor(7.0),
    "dtypes": lambda torch: (m := made(torch), all_of(m.double(), m.to(torch.int64)))[1],
    "clone and detach": lambda torch: all_of(made(torch).clone(), made(torch).detach()),
    "coo": lambda torch: (m := made(torch).to_sparse(), parts(m), parts(m.abs()), parts(m + m), parts(m.sum()), parts(m.to_dense()))[1:],
    "csr": lambda torch: (m := made(torch).to_sparse_csr(), parts(m), parts(m.sin()), parts(m * m))[1:],
    "made of sparse ones": lambda torch: parts(torch.masked.masked_tensor(
        torch.sparse_coo_tensor([[0, 1]], [2.0, 3.0], (4,)), torch.sparse_coo_tensor([[0, 1]], [True, False], (4,)))),
    "of other patterns": lambda torch: torch.masked.masked_tensor(
        torch.sparse_coo_tensor([[0, 1]], [2.0, 3.0], (4,)), torch.sparse_coo_tensor([[0, 2]], [True, False], (4,))),
    "gradient": lambda torch: (m := made(torch, requires_grad=True), (m * m).sum().backward(), parts(m.grad), m.is_leaf)[2:],
    "gradient of a mean": lambda torch: (m := made(torch, requires_grad=True), m.exp().mean().backward(), parts(m.grad))[2],
    "gradient through rows": lambda torch: (m := made(torch, requires_grad=True), (m[0] * 2).sum().backward(),
                                            m.grad.to_tensor(0))[2],
    "NaN behind the mask": lambda torch: (
        x := torch.tensor([1.0, 0.0], requires_grad=True), m := torch.masked.as_masked_tensor(x, torch.tensor([True, False])),
        m.log().sum().backward(), x.grad[0].item() if not torch.masked.is_masked_tensor(x.grad) else x.grad.to_tensor(0)[0].item())[3],
    "data must be a tensor": lambda torch: torch.masked.masked_tensor([1.0], torch.tensor([True])),
    "mask must be a tensor": lambda torch: torch.masked.masked_tensor(torch.ones(1), [True]),
    "mask must be bool": lambda torch: torch.masked.masked_tensor(torch.ones(1), torch.ones(1)),
    "shapes must be equal": lambda torch: torch.masked.masked_tensor(torch.ones(2), torch.ones(1).bool()),
    "dimensions must be equal": lambda torch: torch.masked.masked_tensor(torch.ones(2), torch.ones(1, 2).bool()),
    "layouts must be equal": lambda torch: torch.masked.masked_tensor(torch.ones(2), torch.ones(2).bool().to_sparse()),
    "complex": lambda torch: torch.masked.masked_tensor(torch.ones(2, dtype=torch.complex64), torch.ones(2).bool()),
    "csr of a vector": lambda torch: made(torch)[0].to_sparse_csr(),
    "contiguous of sparse": lambda torch: made(torch).to_sparse().is_contiguous(),
})  # fmt: skip


@programs(PROGRAMS)
def test_a_program_does_the_same(program) -> None:
    same(program, strides=False)


def test_an_op_without_a_rule_is_refused() -> None:
    same(lambda torch: torch.cumsum(made(torch), 0), message=False)


def test_making_one_warns_as_in_torch() -> None:
    same(lambda torch: made(torch).get_data(), warned=True)
