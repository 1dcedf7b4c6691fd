"""torch.func: gradients, Jacobian products, Jacobians and vmap, alone and in each other, as in torch."""

import importlib

import pytest

from tests.programs import same


def func_of(torch):
    return importlib.import_module(f"{torch.__name__}.func")


def data(torch):
    """(a vector, a batch of vectors, a matrix)"""
    n = torch.arange(12.0)
    return (n[:3] * 0.9 + 0.4).sin(), (n * 0.7 + 0.3).cos().view(4, 3), (n[:6] * 1.1 + 0.2).sin().view(2, 3)


def loss(w, x):
    return (w @ x).tanh().sum()


def cubes(a):
    return (a**3).prod()


PROGRAMS = {
    "grad": lambda t, f, x, X, W: f.grad(loss)(W, x),
    "grad of both arguments": lambda t, f, x, X, W: f.grad(loss, argnums=(0, 1))(W, x),
    "grad of a dictionary": lambda t, f, x, X, W: f.grad(lambda d: (d["b"] * d["a"][0]).sum())({"b": x, "a": [x]}),
    "grad of what does not depend": lambda t, f, x, X, W: f.grad(lambda a: t.tensor(2.0))(x),
    "grad with an auxiliary output": lambda t, f, x, X, W: f.grad(lambda a: (a.sum(), a * 2), has_aux=True)(x),
    "grad_and_value": lambda t, f, x, X, W: f.grad_and_value(lambda a: (a.exp().sum(), a * 2), has_aux=True)(x),
    "third derivative": lambda t, f, x, X, W: f.grad(f.grad(f.grad(lambda a: a**4)))(t.tensor(2.0)),
    "vjp": lambda t, f, x, X, W: (lambda o, p: (o, p((x, {"a": x[0]}))))(*f.vjp(lambda a: (a.sin(), {"a": a.sum()}), x)),
    "jvp": lambda t, f, x, X, W: f.jvp(loss, (W, x), (W * 2, x + 1)),
    "jvp of what does not depend": lambda t, f, x, X, W: f.jvp(lambda a: t.ones(2), (x,), (x,)),
    "linearize": lambda t, f, x, X, W: f.linearize(t.sin, x)[1](x),
    "jacrev": lambda t, f, x, X, W: f.jacrev(lambda a: {"o": a.outer(a), "s": a.sum()})(x),
    "jacrev in chunks": lambda t, f, x, X, W: f.jacrev(lambda a: a.outer(a), chunk_size=2)(x),
    "jacfwd": lambda t, f, x, X, W: f.jacfwd(lambda a, b: (a * b, b.sum()), argnums=(0, 1))(x, x + 1),
    "Jacobians with auxiliary outputs": lambda t, f, x, X, W: [
        j(lambda a: (a * a, a.sum()), has_aux=True)(x) for j in (f.jacrev, f.jacfwd)
    ],
    "hessian": lambda t, f, x, X, W: f.hessian(cubes)(x),
    "reverse over forward": lambda t, f, x, X, W: f.jacrev(f.jacfwd(cubes))(x),
    "reverse over reverse": lambda t, f, x, X, W: f.jacrev(f.jacrev(cubes))(x),
    "forward over forward": lambda t, f, x, X, W: f.jacfwd(f.jacfwd(cubes))(x),
    "forward over forward, no vmap": lambda t, f, x, X, W: f.jvp(lambda a: f.jvp(t.sin, (a,), (x,))[1], (x,), (x,)),
    "vmap": lambda t, f, x, X, W: f.vmap(lambda a: a.sum() * a)(X),
    "vmap with dims": lambda t, f, x, X, W: f.vmap(t.mv, in_dims=(None, 1), out_dims=1)(W, X.t()),
    "vmap in chunks": lambda t, f, x, X, W: f.vmap(lambda a: a * 2, chunk_size=3)(X),
    "vmap of a dictionary": lambda t, f, x, X, W: f.vmap(lambda d: d["a"] * d["b"], in_dims=({"a": 0, "b": None},))({"a": X, "b": x}),
    "vmap of what does not depend": lambda t, f, x, X, W: f.vmap(lambda a: t.ones(2))(X),
    "vmap in vmap": lambda t, f, x, X, W: f.vmap(lambda a: f.vmap(lambda b: (a * b).sum())(X))(X),
    "gradients by example": lambda t, f, x, X, W: f.vmap(f.grad(loss), in_dims=(None, 0))(W, X),
    "hessians by example": lambda t, f, x, X, W: f.vmap(f.hessian(cubes))(X),
    "grad of vmap": lambda t, f, x, X, W: f.grad(lambda w: f.vmap(lambda a: loss(w, a))(X).sum())(W),
    "jvp of vmap over a dual closure": lambda t, f, x, X, W: f.jvp(
        lambda a: f.vmap(lambda b: b * a.sum())(X * a), (x,), (t.ones(3),)
    ),
    "vmap of jvp": lambda t, f, x, X, W: f.vmap(lambda a: f.jvp(t.sin, (a,), (a * a,))[1])(X),
    "vmap of a pullback": lambda t, f, x, X, W: f.vmap(f.vjp(t.sin, x)[1])(X),
    "vmap of indices": lambda t, f, x, X, W: f.vmap(lambda a, i: a[i] + a[a.argmax()])(X, t.tensor([0, 1, 2, 0])),
    "vmap of views": lambda t, f, x, X, W: f.vmap(lambda a: a.view(3, 1).t().expand(2, 3))(X),
    "vmap of several results": lambda t, f, x, X, W: tuple(f.vmap(lambda a: a.max(0))(X)),
    "vmap of linear algebra": lambda t, f, x, X, W: f.vmap(t.linalg.inv)(X[:3] + t.eye(3) * t.ones(2, 1, 1)),
    "vmap of a window": lambda t, f, x, X, W: f.vmap(
        f.grad(lambda k, a: t.nn.functional.conv1d(a, k).tanh().sum()), in_dims=(None, 0)
    )(t.ones(1, 1, 2), X[:, None]),
    "one draw for all": lambda t, f, x, X, W: (
        lambda o: bool((o[0] == o[1]).all())
    )(f.vmap(t.nn.functional.dropout, randomness="same")(t.ones(2, 50))),
    "a draw for each": lambda t, f, x, X, W: (
        lambda o: bool((o[0] == o[1]).all())
    )(f.vmap(t.nn.functional.dropout, randomness="different")(t.ones(2, 50))),
    "no history outside": lambda t, f, x, X, W: [
        f.grad(cubes)(x).requires_grad, f.vmap(f.grad(loss), in_dims=(None, 0))(W, X).requires_grad,
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_agrees_with_torch(name):
    same(lambda torch: PROGRAMS[name](torch, func_of(torch), *data(torch)), strides=False)


def test_writes_of_one_example():
    def program(torch):
        def write(a):
            b = a.clone()
            b[0] = 5.0
            b[1:].mul_(a[1:])
            return b.fill_(a.sum()) + b

        return func_of(torch).vmap(write)(data(torch)[1])

    same(program, strides=False)


def test_a_gradient_keeps_the_history_that_leads_outside():
    def program(torch):
        x, _, W = data(torch)
        w = W.clone().requires_grad_()
        g = func_of(torch).grad(lambda a: (w @ a).sin().sum())(x)
        g.sum().backward()
        with torch.no_grad():
            off = func_of(torch).grad(lambda a: (w @ a).sin().sum())(x)
        return w.grad, off.requires_grad

    same(program, strides=False)


def test_an_ensemble_of_modules():
    def program(torch):
        f = func_of(torch)
        models = [torch.nn.Linear(3, 2) for _ in range(3)]
        with torch.no_grad():
            for k, m in enumerate(models):
                for p in m.parameters():
                    p.copy_(torch.arange(float(p.numel())).view(p.shape) * 0.1 * k)
        parameters, buffers = f.stack_module_state(models)
        X = data(torch)[1]
        call = lambda p, b, a: f.functional_call(models[0], (p, b), (a,))
        return f.vmap(call, in_dims=(0, 0, None))(parameters, buffers, X), f.grad(lambda p: call(p, {}, X).sum())(
            {k: v[0].detach() for k, v in parameters.items()}
        )

    same(program, strides=False)


REFUSED = {
    "not a scalar": lambda t, f, x, X, W: f.grad(lambda a: a)(x),
    "not a tensor": lambda t, f, x, X, W: f.grad(lambda a: 3)(x),
    "no such argument": lambda t, f, x, X, W: f.grad(cubes, argnums=1)(x),
    "no auxiliary output": lambda t, f, x, X, W: f.grad(cubes, has_aux=True)(x),
    "cotangents of another structure": lambda t, f, x, X, W: f.vjp(lambda a: (a, {"a": a}), x)[1](x),
    "primals that are no tuple": lambda t, f, x, X, W: f.jvp(t.sin, x, x),
    "a tangent of another shape": lambda t, f, x, X, W: f.jvp(t.sin, (x,), (x[:2],)),
    "independence, strictly": lambda t, f, x, X, W: f.jvp(lambda a: t.ones(2), (x,), (x,), strict=True),
    "batches of two sizes": lambda t, f, x, X, W: f.vmap(t.add)(X, W),
    "nothing to map": lambda t, f, x, X, W: f.vmap(t.sin, in_dims=(None,))(x),
    "a random number for nobody knows whom": lambda t, f, x, X, W: f.vmap(t.nn.functional.dropout)(X),
    "a tangent of other sizes": lambda t, f, x, X, W: f.linearize(t.sin, x)[1](x[:2]),
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_refuses_what_torch_refuses(name):
    same(lambda torch: REFUSED[name](torch, func_of(torch), *data(torch)))


def test_a_value_for_one_example_cannot_be_read():
    from tests.differential import library

    with pytest.raises(RuntimeError, match="reading the value of a Tensor"):
        func_of(library).vmap(lambda a: a.sum().item())(data(library)[1])


def test_a_value_for_each_example_cannot_be_left_in_a_tensor_from_outside():
    from tests.differential import library as torch

    norm = torch.nn.BatchNorm1d(3)
    with pytest.raises(RuntimeError, match="replace_all_batch_norm_modules_"):
        func_of(torch).vmap(norm)(torch.ones(2, 4, 3))
    assert norm.running_mean.tolist() == [0.0, 0.0, 0.0]
    func_of(torch).replace_all_batch_norm_modules_(norm)
    assert func_of(torch).vmap(norm)(torch.ones(2, 4, 3)).shape == (2, 4, 3)


PATTERNS = {
    "a b c -> c a b": {}, "a b c -> (a b) c": {}, "a (b d) c -> d a c b": {"b": 2}, "... c -> c ...": {}, "a ... -> ... a": {},
    "a b c -> a 1 b 1 c": {}, "a b c -> (c ...)": {}, "... -> (...)": {}, "(a e) ... -> e (a ...)": {"e": 3},
    "a b c ->": {}, "a b -> b a": {}, "a b c -> a b": {}, "a b c -> a b c d": {}, "a a c -> a c": {}, "a b c -> a b c": {"z": 2}, "(a b c -> a": {}, "a b c": {},
}  # fmt: skip


@pytest.mark.parametrize("pattern", list(PATTERNS))
def test_rearrange_agrees_with_torch(pattern):
    x = lambda torch: torch.arange(72.0).view(3, 4, 6)
    same(lambda torch: func_of(torch).rearrange(x(torch), pattern, **PATTERNS[pattern]), strides=False, message=False)
