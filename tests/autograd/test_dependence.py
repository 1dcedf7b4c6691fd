"""Which second gradients exist: None where no path leads, zeros where torch saved what has no derivative."""

import math

import pytest

from tests.programs import Table, programs, same

PATHS = {
    "sum": lambda torch, x, w: x.sum(0),
    "mean": lambda torch, x, w: x.mean(),
    "product": lambda torch, x, w: x * w,
    "square": lambda torch, x, w: x * x,
    "relu": lambda torch, x, w: x.relu(),
    "abs": lambda torch, x, w: x.abs(),
    "exp": lambda torch, x, w: x.exp(),
    "sort": lambda torch, x, w: x.sort(0)[0],
    "max": lambda torch, x, w: x.max(0)[0],
    "cumsum": lambda torch, x, w: x.cumsum(0),
    "pad": lambda torch, x, w: torch.nn.functional.pad(x, (1, 1)),
    "linear": lambda torch, x, w: torch.nn.functional.linear(x, w),
    "matmul": lambda torch, x, w: x @ w,
    "softmax": lambda torch, x, w: x.softmax(0),
    "where": lambda torch, x, w: torch.where(x > 0.5, x, w),
    "maximum": lambda torch, x, w: torch.maximum(x, w),
    "lerp": lambda torch, x, w: torch.lerp(x, w, 0.3),
    "cat": lambda torch, x, w: torch.cat([x, w]),
    "tril": lambda torch, x, w: x.tril(),
    "average pool": lambda torch, x, w: torch.nn.functional.avg_pool1d(x, 2),
    "layer norm": lambda torch, x, w: torch.nn.functional.layer_norm(x, (3,)),
    "mse": lambda torch, x, w: torch.nn.functional.mse_loss(x, w),
    "floor": lambda torch, x, w: x.floor() * w,
    "einsum": lambda torch, x, w: torch.einsum("ij,kj->ik", x, w),
    "std": lambda torch, x, w: x.std(0),
}


@pytest.mark.parametrize("name", list(PATHS))
def test_second_gradients_exist_where_torch_has_them(name):
    def program(torch):
        x = torch.tensor([[0.1, 0.7, 0.4], [0.9, 0.2, 0.6], [0.3, 0.8, 0.5]], requires_grad=True)
        w = (x.detach() + 1).requires_grad_()
        y = PATHS[name](torch, x, w)
        c = torch.ones_like(y).requires_grad_()
        grads = torch.autograd.grad(y, [x, w], c, create_graph=True, allow_unused=True)
        grads = [g for g in grads if g is not None and g.requires_grad]
        return torch.autograd.grad(grads, [x, w, c], [torch.ones_like(g) for g in grads], allow_unused=True)

    same(program, strides=False)


EMPTY = {
    "reflections of no matrix": (lambda torch, a, t: torch.linalg.householder_product(a, t), (0, 3, 2), (0, 2)),
    "no reflections": (lambda torch, a, t: torch.linalg.householder_product(a, t), (3, 2), (0,)),
    "product with no reflections": (lambda torch, a, t, o: torch.ormqr(a, t, o), (3, 0), (0,), (3, 3)),
    "product of reflections with nothing": (lambda torch, a, t, o: torch.ormqr(a, t, o), (3, 2), (2,), (3, 0)),
    "no difference": (lambda torch, a, b: torch.diff(a, n=0, prepend=b), (3,), (1,)),
    "cat of nothing": (lambda torch, a, b: torch.cat([a, b]), (0,), (0,)),
    "cat with nothing": (lambda torch, a, b: torch.cat([a, b]), (0,), (2, 3)),
    "cat of empty matrices": (lambda torch, a, b: torch.cat([a, b]), (0, 3), (0, 3)),
    "no determinants": (lambda torch, a: torch.linalg.det(a), (0, 3, 3)),
    "determinants of nothing": (lambda torch, a: torch.linalg.det(a), (2, 0, 0)),
    "count of nonzeros": (lambda torch, a: torch.linalg.vector_norm(a, 0), (3,)),
    "count of nonzeros by its older name": (lambda torch, a: torch.norm(a, 0), (3,)),
    "normalized by a count": (lambda torch, a: torch.nn.functional.normalize(a, 0), (3, 2)),
    "norm of nothing": (lambda torch, a: torch.linalg.vector_norm(a, 0.5), (0,)),
    "product of nothing": (lambda torch, a: a.prod(), (0,)),
    "product of one": (lambda torch, a: a.prod(), (1,)),
    "product of a scalar": (lambda torch, a: a.prod(), ()),
    "running product of nothing": (lambda torch, a: a.cumprod(0), (3, 0)),
    "solved for nothing": (lambda torch, b, a: torch.lu_solve(b, *torch.linalg.lu_factor(a + 9 * torch.eye(3))), (3, 0), (3, 3)),
    "gathered by no bytes": (lambda torch, a: a.gather(0, torch.zeros(0, dtype=torch.uint8)), (5,)),
    "sum of nothing": (lambda torch, a: a.sum(0), (3, 0)),
    "no combinations": (lambda torch, a: torch.combinations(a, 3), (2,)),
    "repeated never": (lambda torch, a: a.repeat(0, 2), (3,)),
    "floor of nothing": (lambda torch, a: a.floor(), (0,)),
    "groups of nothing": (lambda torch, a, w, b: torch.native_group_norm(a, w, b, 0, 2, 1, 1, 1e-5), (0, 2), (2,), (2,)),
}


@pytest.mark.parametrize("name", list(EMPTY))
def test_gradients_of_what_is_empty_exist_where_torch_has_them(name):
    function, *shapes = EMPTY[name]

    def program(torch):
        leaves = [(torch.arange(float(math.prod(s))).reshape(s) + i + 1).requires_grad_() for i, s in enumerate(shapes)]
        results = function(torch, *leaves)
        results = list(results) if isinstance(results, tuple) else [results]
        cotangents = [torch.ones_like(r).requires_grad_() for r in results]
        first = torch.autograd.grad(results, leaves, cotangents, create_graph=True, allow_unused=True)
        some = [g for g in first if g is not None and g.requires_grad]
        ones = [torch.ones_like(g) for g in some]
        second = torch.autograd.grad(some, [*leaves, *cotangents], ones, allow_unused=True) if some else ()
        return first, [g is not None and g.requires_grad for g in first], second

    same(program, strides=False)


SHAPES = Table()


@SHAPES
def one_of_several_results_in_several_shapes(torch):
    found = []
    for shape in ((2, 3), (4, 5), (3,)):
        x = torch.ones(shape, requires_grad=True)
        for k in (0, 1):
            (g,) = torch.autograd.grad((torch.var_mean(x * x, 0)[k] ** 2).sum(), x, create_graph=True)
            g.sum().backward()
        found.append(x.grad)
    return found


@programs(SHAPES)
def test_shapes(program):
    same(program)
