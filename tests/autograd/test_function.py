"""autograd.Function: contexts, saved tensors, in-place, several outputs, double backward, errors."""

import pytest

from tests.programs import Table, programs, same

FUNCTIONS = Table()


def _exp(torch):
    class Exp(torch.autograd.Function):
        @staticmethod
        def forward(ctx, i):
            result = i.exp()
            ctx.save_for_backward(result)
            return result

        @staticmethod
        def backward(ctx, g):
            (result,) = ctx.saved_tensors
            return g * result

    return Exp


@FUNCTIONS
def a_result_is_saved(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = _exp(torch).apply(x)
    y.sum().backward()
    return y, x.grad, y.grad_fn.name(), type(y.grad_fn).__name__, y.requires_grad


@FUNCTIONS
def it_is_differentiable_twice(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (g,) = torch.autograd.grad(_exp(torch).apply(x).sum(), x, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), x, create_graph=True)
    return g, h, torch.autograd.grad(h.sum(), x)


@FUNCTIONS
def nothing_is_recorded_without_grad(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with torch.no_grad():
        y = _exp(torch).apply(x)
    z = _exp(torch).apply(torch.ones(2))
    return y.requires_grad, y.grad_fn, z.requires_grad


@FUNCTIONS
def grad_is_off_inside_forward(torch):
    seen = []

    class F(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            seen.append(torch.is_grad_enabled())
            return x * 2

        @staticmethod
        def backward(ctx, g):
            seen.append(torch.is_grad_enabled())
            return g * 2

    x = torch.ones(2, requires_grad=True)
    F.apply(x).sum().backward()
    F.apply(x).sum().backward(create_graph=True)
    return seen


@FUNCTIONS
def several_inputs_and_outputs(torch):
    class F(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, y, k):
            ctx.k = k
            ctx.save_for_backward(x, y)
            return x * y * k, x + y

        @staticmethod
        def backward(ctx, a, b):
            x, y = ctx.saved_tensors
            return a * y * ctx.k + b, a * x * ctx.k + b, None

    x, y = torch.tensor([1.0, 2.0], requires_grad=True), torch.tensor([3.0, 4.0], requires_grad=True)
    a, b = F.apply(x, y, 5)
    (a * b).sum().backward()
    return a, b, x.grad, y.grad, a.output_nr, b.output_nr


@FUNCTIONS
def needs_input_grad(torch):
    seen = []

    class F(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, y, k):
            seen.append(ctx.needs_input_grad)
            return x * y

        @staticmethod
        def backward(ctx, g):
            seen.append(ctx.needs_input_grad)
            return g, None, None

    F.apply(torch.ones(2, requires_grad=True), torch.ones(2), 3).sum().backward()
    return seen


@FUNCTIONS
def missing_gradients_arrive_as_zeros(torch):
    seen = []

    class F(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, a, b):
            seen.append((a, b))
            return a * 2 + b * 3

    x = torch.ones(2, requires_grad=True)
    F.apply(x)[0].sum().backward()
    return seen, x.grad


@FUNCTIONS
def missing_gradients_arrive_as_none(torch):
    seen = []

    class F(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, a, b):
            seen.append((a, b))
            return a * 2

    x = torch.ones(2, requires_grad=True)
    F.apply(x)[0].sum().backward()
    return seen, x.grad


@FUNCTIONS
def an_output_marked_as_not_differentiable(torch):
    class F(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            values, indices = x.sort()
            ctx.mark_non_differentiable(indices)
            ctx.save_for_backward(indices)
            return values, indices

        @staticmethod
        def backward(ctx, g, _):
            (i,) = ctx.saved_tensors
            return torch.zeros_like(g).scatter_(0, i, g)

    x = torch.tensor([3.0, 1.0, 2.0], requires_grad=True)
    v, i = F.apply(x)
    (v * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    return v.requires_grad, i.requires_grad, x.grad


@FUNCTIONS
def a_float_output_marked_as_not_differentiable(torch):
    class F(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            a, b = x * 2, x * 3
            ctx.mark_non_differentiable(b)
            return a, b

        @staticmethod
        def backward(ctx, a, b):
            return a * 2 + b

    x = torch.ones(2, requires_grad=True)
    a, b = F.apply(x)
    a.sum().backward()
    return a.requires_grad, b.requires_grad, x.grad


@FUNCTIONS
def an_in_place_function(torch):
    class F(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            x.mul_(3)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 3

    x = torch.ones(2, requires_grad=True)
    y = x * 2
    z = F.apply(y)
    z.sum().backward()
    return z is y, y.grad_fn.name(), x.grad, y


@FUNCTIONS
def an_in_place_function_on_a_leaf(torch):
    class F(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            x.mul_(3)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 3

    F.apply(torch.ones(2, requires_grad=True))


@FUNCTIONS
def an_input_returned_as_it_is(torch):
    class F(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 10

    x = torch.ones(2, requires_grad=True)
    y = F.apply(x)
    y.sum().backward()
    return y is x, x.grad, y.grad_fn.name(), y._is_view()


@FUNCTIONS
def a_view_of_an_input_returned(torch):
    class F(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.view_as(x)

        @staticmethod
        def backward(ctx, g):
            return g.neg() * 0.5

    x = torch.ones(2, requires_grad=True)
    F.apply(x * 1).sum().backward()
    return x.grad


@FUNCTIONS
def a_separate_setup_of_the_context(torch):
    class F(torch.autograd.Function):
        @staticmethod
        def forward(x, k):
            return x**k

        @staticmethod
        def setup_context(ctx, inputs, output):
            x, k = inputs
            ctx.save_for_backward(x)
            ctx.k = k

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * ctx.k * x ** (ctx.k - 1), None

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    F.apply(x, 3).sum().backward()
    return x.grad


@FUNCTIONS
def saved_tensors_after_an_in_place_write(torch):
    class F(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 2

    x = torch.ones(2, requires_grad=True)
    y = x * 1
    z = F.apply(y)
    y.add_(1)
    z.sum().backward()


@FUNCTIONS
def saved_tensors_after_they_were_freed(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = _exp(torch).apply(x).sum()
    y.backward()
    y.backward()


@FUNCTIONS
def saved_tensors_of_a_retained_graph(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = _exp(torch).apply(x).sum()
    y.backward(retain_graph=True)
    y.backward()
    return x.grad


@FUNCTIONS
def saving_what_is_no_tensor(torch):
    class F(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x, 3)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g

    F.apply(torch.ones(2, requires_grad=True))


@FUNCTIONS
def saving_none(torch):
    class F(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(None, x)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            n, x = ctx.saved_tensors
            return g * x if n is None else None

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    F.apply(x).sum().backward()
    return x.grad


@FUNCTIONS
def too_few_gradients(torch):
    class F(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            return x * y

        @staticmethod
        def backward(ctx, g):
            return g

    F.apply(torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)).sum().backward()


@FUNCTIONS
def too_many_gradients(torch):
    class F(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g, g

    F.apply(torch.ones(2, requires_grad=True)).sum().backward()


@FUNCTIONS
def too_many_gradients_that_are_none(torch):
    class F(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g, None, None

    x = torch.ones(2, requires_grad=True)
    F.apply(x).sum().backward()
    return x.grad


@FUNCTIONS
def a_gradient_of_a_wrong_shape(torch):
    class F(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return torch.ones(5)

    F.apply(torch.ones(2, requires_grad=True)).sum().backward()


@FUNCTIONS
def a_gradient_that_is_no_tensor(torch):
    class F(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return 3

    F.apply(torch.ones(2, requires_grad=True)).sum().backward()


@FUNCTIONS
def a_gradient_of_another_dtype(torch):
    class F(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g.double()

    x = torch.ones(2, requires_grad=True)
    F.apply(x).sum().backward()
    return x.grad


@FUNCTIONS
def a_gradient_that_broadcasts(torch):
    class F(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.expand(3, 2) * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = torch.ones(2, requires_grad=True)
    F.apply(x).sum().backward()
    return x.grad


@FUNCTIONS
def a_missing_forward(torch):
    class F(torch.autograd.Function):
        pass

    F.apply(torch.ones(2))


@FUNCTIONS
def a_missing_backward(torch):
    class F(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

    F.apply(torch.ones(2, requires_grad=True)).sum().backward()


@FUNCTIONS
def an_instance(torch):
    _exp(torch)()


@FUNCTIONS
def a_backward_that_returns_none(torch):
    class F(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return None

    x = torch.ones(2, requires_grad=True)
    (F.apply(x) + x).sum().backward()
    return x.grad


@FUNCTIONS
def once_differentiable(torch):
    class F(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**2

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 2 * g * x

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (g,) = torch.autograd.grad(F.apply(x).sum(), x, create_graph=True)
    seen = g, g.requires_grad
    torch.autograd.grad(g.sum(), x)
    return seen


@FUNCTIONS
def arguments_by_keyword(torch):
    class F(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, k=2):
            ctx.k = k
            return x * k

        @staticmethod
        def backward(ctx, g):
            return g * ctx.k, None

    x = torch.ones(2, requires_grad=True)
    F.apply(x, 5).sum().backward()
    return x.grad


@FUNCTIONS
def a_non_tensor_output(torch):
    class F(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2, "label", None

        @staticmethod
        def backward(ctx, g, a, b):
            return g * 2 if a is None and b is None else None

    x = torch.ones(2, requires_grad=True)
    y, label, nothing = F.apply(x)
    y.sum().backward()
    return label, nothing, x.grad


@FUNCTIONS
def a_list_of_outputs(torch):
    class F(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return [x * 2, x * 3]

        @staticmethod
        def backward(ctx, a, b):
            return a * 2 + b * 3

    out = F.apply(torch.ones(2, requires_grad=True))
    return type(out).__name__


@FUNCTIONS
def tensors_in_a_list_are_not_seen(torch):
    class F(torch.autograd.Function):
        @staticmethod
        def forward(ctx, xs):
            return xs[0] * 2

        @staticmethod
        def backward(ctx, g):
            return None

    return F.apply([torch.ones(2, requires_grad=True)]).requires_grad


@FUNCTIONS
def attributes_of_the_context(torch):
    class F(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.factor = 7
            ctx.shape = x.shape
            return x.sum()

        @staticmethod
        def backward(ctx, g):
            return (g * ctx.factor).expand(ctx.shape)

    x = torch.ones(2, 3, requires_grad=True)
    y = F.apply(x)
    y.backward()
    return x.grad, y.grad_fn.factor


@FUNCTIONS
def a_straight_through_estimator(torch):
    class Round(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.round()

        @staticmethod
        def backward(ctx, g):
            return g

    x = torch.tensor([0.4, 1.6], requires_grad=True)
    (Round.apply(x) * torch.tensor([2.0, 3.0])).sum().backward()
    return x.grad


@FUNCTIONS
def gradient_reversal(torch):
    class Reverse(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, alpha):
            ctx.alpha = alpha
            return x.view_as(x)

        @staticmethod
        def backward(ctx, g):
            return -ctx.alpha * g, None

    x = torch.tensor([0.4, 1.6], requires_grad=True)
    (Reverse.apply(x, 0.5) * 3).sum().backward()
    return x.grad


@FUNCTIONS
def double_backward_through_saved_inputs(torch):
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 3 * x**2

    x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    return torch.autograd.gradcheck(Cube.apply, (x,)), torch.autograd.gradgradcheck(Cube.apply, (x,))


@FUNCTIONS
def a_wrong_gradient_is_found(torch):
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x**3

        @staticmethod
        def backward(ctx, g):
            return g

    x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    return torch.autograd.gradcheck(Wrong.apply, (x,), raise_exception=False)


@FUNCTIONS
def next_functions_of_a_function(torch):
    x, y = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)

    class F(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, k, y, z):
            return x * y

        @staticmethod
        def backward(ctx, g):
            return g, None, g, None

    node = F.apply(x * 2, 3, y, torch.ones(2)).grad_fn
    return [(n and n.name(), k) for n, k in node.next_functions]


@FUNCTIONS
def a_function_inside_a_function(torch):
    exp = _exp(torch)

    class F(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            with torch.enable_grad():
                y = x.detach().requires_grad_()
                z = exp.apply(y) * 2
            ctx.save_for_backward(y, z)
            return z.detach()

        @staticmethod
        def backward(ctx, g):
            y, z = ctx.saved_tensors
            with torch.enable_grad():
                return torch.autograd.grad(z, y, g)

    x = torch.tensor([0.5, 1.0], requires_grad=True)
    F.apply(x).sum().backward()
    return x.grad


@programs(FUNCTIONS)
def test_functions(program):
    same(program, strides=False)


@pytest.mark.parametrize(
    "make", [lambda t: t, lambda t: t[0], lambda t: t.mT, lambda t: t.detach()], ids=["whole", "row", "turned", "detached"]
)
@pytest.mark.parametrize("needs", [True, False])
def test_a_function_in_place_writes_once_more(make, needs) -> None:
    def program(torch):
        class F(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                x.mul_(2)
                ctx.mark_dirty(x)
                ctx.save_for_backward(x)
                return x

            @staticmethod
            def backward(ctx, g):
                return g * ctx.saved_tensors[0]

        seen = []
        x = torch.tensor([[1.0, 1.5, 1.0], [0.5, 2.0, 0.5]], requires_grad=needs)
        base = x * x
        given = make(base)
        if given.requires_grad:
            given.register_hook(lambda g: seen.append(g.tolist()))
        made = F.apply(given)
        names = [t.grad_fn and t.grad_fn.name() for t in (base, made)]
        if needs:
            base.sum().backward(retain_graph=True)
        grad = x.grad
        made.add_(1)
        refused = ""
        if needs:
            try:
                base.sum().backward()
            except RuntimeError as error:
                refused = str(error)
        return base._version, made is given, names, seen, grad, refused

    same(program)
