"""Sparse gradients: where they come from, how they add up, and what optimizers do with them."""

import pytest

from tests.programs import Table, programs, same


def rows(torch):
    return torch.arange(12.0).view(6, 2).requires_grad_()


def told(g):
    """A gradient without regard to how often it names a row."""
    return (g.is_sparse, g.to_dense(), g.coalesce().indices() if g.is_sparse else None)


def embedded(torch, weight, **options):
    index = torch.tensor([[1, 2, 4], [5, 4, 3]])
    out = torch.nn.functional.embedding(index, weight, sparse=True, **options)
    (out * torch.arange(12.0).view(2, 3, 2)).sum().backward()
    return out


PROGRAMS = Table({
    "of an embedding": lambda torch: (w := rows(torch), embedded(torch, w).detach(), told(w.grad), w.grad.is_coalesced())[1:],
    "with a padding row": lambda torch: (w := rows(torch), embedded(torch, w, padding_idx=4), told(w.grad), w.grad._nnz())[2:],
    "added up": lambda torch: (w := rows(torch), embedded(torch, w), embedded(torch, w), told(w.grad))[3:],
    "added to a dense one": lambda torch: (w := rows(torch), (w * 2).sum().backward(), embedded(torch, w), told(w.grad))[3:],
    "a dense one added": lambda torch: (w := rows(torch), embedded(torch, w), (w * 2).sum().backward(), told(w.grad))[3:],
    "and dense in one pass": lambda torch: (
        w := rows(torch), (torch.nn.functional.embedding(torch.tensor([1, 1]), w, sparse=True).sum() + w.sum()).backward(),
        told(w.grad))[2:],
    "by autograd.grad": lambda torch: (w := rows(torch), told(torch.autograd.grad(
        torch.nn.functional.embedding(torch.tensor([1, 1]), w, sparse=True).sum(), w)[0]))[1:],
    "of frequencies": lambda torch: embedded(torch, rows(torch), scale_grad_by_freq=True).shape,
    "of a bag": lambda torch: (w := rows(torch), torch.nn.functional.embedding_bag(
        torch.tensor([1, 2, 4, 4]), w, torch.tensor([0, 3]), mode="sum", sparse=True).sum().backward(), told(w.grad))[2:],
    "of a mean": lambda torch: (w := rows(torch), torch.nn.functional.embedding_bag(
        torch.tensor([[1, 2], [4, 4]]), w, sparse=True, padding_idx=2).sum().backward(), told(w.grad))[2:],
    "of a weighted bag": lambda torch: (
        w := rows(torch), p := torch.tensor([0.5, 2.0, 3.0]).requires_grad_(), torch.nn.functional.embedding_bag(
            torch.tensor([1, 4, 4]), w, torch.tensor([0, 1]), mode="sum", sparse=True, per_sample_weights=p).sum().backward(),
        told(w.grad), p.grad)[3:],
    "through a layer": lambda torch: (
        torch.manual_seed(0), m := torch.nn.Embedding(5, 3, sparse=True), m(torch.tensor([1, 3, 1])).pow(2).sum().backward(),
        told(m.weight.grad), m.weight.grad.size())[3:],
    "a hook sees it": lambda torch: (w := rows(torch), seen := [], w.register_hook(lambda g: seen.append(g.is_sparse)),
                                     embedded(torch, w), seen)[4],
    "from a Function of one's own": lambda torch: (w := rows(torch), Chosen(torch).apply(w).sum().backward(), told(w.grad))[2:],
    "set to zero": lambda torch: (w := rows(torch), embedded(torch, w), torch.optim.SGD([w]).zero_grad(set_to_none=False),
                                  w.grad.to_dense())[3],
})  # fmt: skip


def Chosen(torch):
    class Chosen(torch.autograd.Function):
        @staticmethod
        def forward(ctx, w):
            return w[:1] * 1

        @staticmethod
        def backward(ctx, g):
            return torch.sparse_coo_tensor([[0]], g, (6, 2))

    return Chosen


@programs(PROGRAMS)
def test_a_gradient_is_as_sparse_as_in_torch(program) -> None:
    same(program, strides=False)


@pytest.mark.parametrize("name, options", [
    ("SGD", {"lr": 0.1}), ("SGD", {"lr": 0.1, "momentum": 0.9}), ("SGD", {"lr": 1e-3, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.5, "maximize": True}), ("SGD", {"lr": 0.1, "weight_decay": 0.1}),
    ("Adagrad", {"lr": 0.1}), ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "maximize": True}), ("Adagrad", {"weight_decay": 0.1}),
    ("SparseAdam", {"lr": 0.1}), ("SparseAdam", {"lr": 0.1, "betas": (0.5, 0.7), "maximize": True}), ("Adam", {}), ("AdamW", {}),
    ("RMSprop", {}), ("Adadelta", {}), ("NAdam", {}), ("RAdam", {}), ("Adamax", {}), ("ASGD", {}), ("Rprop", {}),
], ids=str)  # fmt: skip
def test_optimizers_step_as_in_torch(name: str, options: dict) -> None:
    def program(torch):
        weight, other = rows(torch), torch.ones(2, requires_grad=True)
        params = [weight] if name == "SparseAdam" else [weight, other]
        optimizer = getattr(torch.optim, name)(params, **options)
        seen = []
        for step in range(4):
            optimizer.zero_grad()
            out = torch.nn.functional.embedding(torch.tensor([step, 4, 4]), weight, sparse=True)
            ((out * other) ** 2).sum().backward()
            optimizer.step()
            seen += [weight.detach().clone(), other.detach().clone()]
        return seen

    same(program, strides=False, message=name != "AdamW")  # torch calls AdamW "Adam" here
