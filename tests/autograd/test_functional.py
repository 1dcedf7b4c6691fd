"""autograd.functional, gradcheck, graph: jacobians, hessians and products with them; hooks on what is saved."""

from tests.programs import Table, programs, same

FUNCTIONAL = Table()


def _square(x):
    return x.pow(2) * x.sum()


@FUNCTIONAL
def jacobian(torch):
    return torch.autograd.functional.jacobian(_square, torch.tensor([1.0, 2.0, 3.0]))


@FUNCTIONAL
def jacobian_of_two_inputs(torch):
    return torch.autograd.functional.jacobian(
        lambda x, y: x * y.sum() + y[0], (torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0, 5.0]))
    )


@FUNCTIONAL
def jacobian_of_two_outputs(torch):
    return torch.autograd.functional.jacobian(lambda x: (x.exp(), x.sum()), torch.tensor([1.0, 2.0]))


@FUNCTIONAL
def jacobian_of_a_matrix(torch):
    return torch.autograd.functional.jacobian(lambda x: x @ x, torch.tensor([[1.0, 2.0], [3.0, 4.0]]))


@FUNCTIONAL
def jacobian_vectorized(torch):
    return torch.autograd.functional.jacobian(_square, torch.tensor([1.0, 2.0, 3.0]), vectorize=True)


@FUNCTIONAL
def jacobian_in_forward_mode(torch):
    return torch.autograd.functional.jacobian(_square, torch.tensor([1.0, 2.0, 3.0]), vectorize=True, strategy="forward-mode")


@FUNCTIONAL
def jacobian_with_a_graph(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    j = torch.autograd.functional.jacobian(_square, x, create_graph=True)
    return j, j.requires_grad, torch.autograd.grad(j.sum(), x)


@FUNCTIONAL
def jacobian_of_an_independent_output(torch):
    return torch.autograd.functional.jacobian(lambda x: torch.ones(2), torch.ones(3))


@FUNCTIONAL
def jacobian_of_an_independent_output_strictly(torch):
    return torch.autograd.functional.jacobian(lambda x: torch.ones(2), torch.ones(3), strict=True)


@FUNCTIONAL
def jacobian_of_no_tensor(torch):
    return torch.autograd.functional.jacobian(_square, 3.0)


@FUNCTIONAL
def jacobian_of_a_function_that_returns_no_tensor(torch):
    return torch.autograd.functional.jacobian(lambda x: 3.0, torch.ones(2))


@FUNCTIONAL
def hessian(torch):
    return torch.autograd.functional.hessian(lambda x: (x**3).sum() * x[0], torch.tensor([1.0, 2.0, 3.0]))


@FUNCTIONAL
def hessian_of_two_inputs(torch):
    return torch.autograd.functional.hessian(
        lambda x, y: (x * x).sum() * y.sum(), (torch.tensor([1.0, 2.0]), torch.tensor([3.0]))
    )


@FUNCTIONAL
def hessian_of_a_vector(torch):
    return torch.autograd.functional.hessian(lambda x: x * 2, torch.ones(2))


@FUNCTIONAL
def vjp(torch):
    return torch.autograd.functional.vjp(_square, torch.tensor([1.0, 2.0]), torch.tensor([1.0, -1.0]))


@FUNCTIONAL
def vjp_of_a_scalar(torch):
    return torch.autograd.functional.vjp(lambda x: x.sum(), torch.tensor([1.0, 2.0]))


@FUNCTIONAL
def vjp_without_a_vector(torch):
    return torch.autograd.functional.vjp(_square, torch.tensor([1.0, 2.0]))


@FUNCTIONAL
def vjp_with_a_wrong_vector(torch):
    return torch.autograd.functional.vjp(_square, torch.tensor([1.0, 2.0]), torch.ones(3))


@FUNCTIONAL
def jvp(torch):
    return torch.autograd.functional.jvp(_square, torch.tensor([1.0, 2.0]), torch.tensor([1.0, -1.0]))


@FUNCTIONAL
def jvp_of_several(torch):
    return torch.autograd.functional.jvp(
        lambda x, y: (x * y, x + y), (torch.ones(2), torch.ones(2)), (torch.ones(2), torch.zeros(2))
    )


@FUNCTIONAL
def jvp_without_a_vector(torch):
    return torch.autograd.functional.jvp(_square, torch.tensor([1.0, 2.0]))


@FUNCTIONAL
def vhp(torch):
    return torch.autograd.functional.vhp(lambda x: (x**3).sum(), torch.tensor([1.0, 2.0]), torch.tensor([1.0, -1.0]))


@FUNCTIONAL
def hvp(torch):
    return torch.autograd.functional.hvp(lambda x: (x**3).sum(), torch.tensor([1.0, 2.0]), torch.tensor([1.0, -1.0]))


@FUNCTIONAL
def gradcheck_of_good_functions(torch):
    x = torch.tensor([[0.5, -1.0], [2.0, 0.25]], dtype=torch.float64, requires_grad=True)
    return [
        torch.autograd.gradcheck(f, (x,))
        for f in (torch.exp, torch.tanh, lambda t: t @ t, lambda t: t.t()[0], lambda t: (t.sum(), t * 2))
    ]


@FUNCTIONAL
def gradcheck_of_complex_functions(torch):
    x = torch.tensor([0.5 + 1j, -1.0 + 0.25j], dtype=torch.complex128, requires_grad=True)
    return [torch.autograd.gradcheck(f, (x,)) for f in (torch.exp, lambda t: t * t, lambda t: t.abs(), lambda t: t.real)]


@FUNCTIONAL
def gradcheck_without_inputs_that_need_grad(torch):
    return torch.autograd.gradcheck(torch.exp, (torch.ones(2),))


@FUNCTIONAL
def gradgradcheck_of_good_functions(torch):
    x = torch.tensor([0.5, -1.0], dtype=torch.float64, requires_grad=True)
    return [torch.autograd.gradgradcheck(f, (x,)) for f in (torch.exp, lambda t: t**3, lambda t: t * t.sum())]


@FUNCTIONAL
def checkpoint(torch):
    from importlib import import_module

    checkpoint = import_module(f"{torch.__name__}.utils.checkpoint").checkpoint
    x = torch.tensor([0.5, -1.0], requires_grad=True)
    w = torch.tensor([2.0, 3.0], requires_grad=True)
    calls = []

    def block(t):
        calls.append(torch.is_grad_enabled())
        return torch.tanh(t * w) * t

    found = []
    for reentrant in (True, False):
        x.grad = w.grad = None
        checkpoint(block, x, use_reentrant=reentrant).sum().backward()
        found += [x.grad, w.grad]
    return found, len(calls)


@FUNCTIONAL
def checkpoint_in_a_sequence(torch):
    from importlib import import_module

    run = import_module(f"{torch.__name__}.utils.checkpoint").checkpoint_sequential
    x = torch.tensor([0.5, -1.0], requires_grad=True)
    run([torch.tanh, torch.exp, torch.sin], 2, x, use_reentrant=False).sum().backward()
    return x.grad


@FUNCTIONAL
def saved_tensors_hooks_on_a_function(torch):
    seen = []

    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 2 * x * g

    x = torch.tensor([1.0, 2.0], requires_grad=True)

    def pack(t):
        seen.append(("pack", t.tolist()))
        return t * 10

    def unpack(t):
        seen.append(("unpack", t.tolist()))
        return t / 10

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        y = Square.apply(x)
    y.sum().backward()
    return seen, x.grad


@FUNCTIONAL
def saved_tensors_hooks_on_ops(torch):
    seen = []
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    w = torch.tensor([3.0, 4.0], requires_grad=True)

    def pack(t):
        seen.append(("pack", t.tolist()))
        return t.tolist()

    def unpack(data):
        seen.append(("unpack", data))
        return torch.tensor(data)

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        y = x * w
    (y + 1).sum().backward()
    return sorted(map(str, seen)), x.grad, w.grad


@FUNCTIONAL
def saved_tensors_hooks_change_what_is_saved(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t * 100):
        y = x**2
    y.sum().backward()
    return x.grad


@FUNCTIONAL
def save_on_cpu(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with torch.autograd.graph.save_on_cpu():
        y = (x * x).exp()
    y.sum().backward()
    return x.grad


@FUNCTIONAL
def disabled_saved_tensors_hooks(torch):
    graph = torch.autograd.graph
    with graph.disable_saved_tensors_hooks("not now"), graph.saved_tensors_hooks(lambda t: t, lambda t: t):
        pass


@FUNCTIONAL
def increment_version(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    z = y * y
    torch.autograd.graph.increment_version(y)
    z.sum().backward()


@programs(FUNCTIONAL)
def test_functional(program):
    same(program, strides=False)
