"""The backward pass: what arrives where, once, twice, of higher order; and what is refused, in torch's words."""

import pytest

from tests.programs import Table, programs, same

BACKWARD = Table()


@BACKWARD
def a_scalar(torch):
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    (x**2).sum().backward()
    return x.grad


@BACKWARD
def a_given_gradient(torch):
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    (x**2).backward(torch.tensor([1.0, 0.5, -1.0]))
    return x.grad


@BACKWARD
def gradients_accumulate(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    for _ in range(3):
        (x * x).sum().backward()
    return x.grad


@BACKWARD
def gradients_accumulate_into_the_same_tensor(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    first = x.grad
    (x * x).sum().backward()
    return first is x.grad, first


@BACKWARD
def a_gradient_reset_to_none_and_to_zero(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    x.grad = None
    (x * 3).sum().backward()
    a = x.grad.clone()
    x.grad.zero_()
    (x * 5).sum().backward()
    return a, x.grad


@BACKWARD
def a_tensor_used_twice(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    (y * x + y).sum().backward()
    return x.grad


@BACKWARD
def a_diamond(torch):
    x = torch.tensor(0.5, requires_grad=True)
    a, b = x.sin(), x.exp()
    (a * b + a / b).backward()
    return x.grad


@BACKWARD
def several_leaves(torch):
    x, y = torch.tensor([1.0, 2.0], requires_grad=True), torch.tensor([3.0, 4.0], requires_grad=True)
    z = torch.ones(2)
    (x * y + z).sum().backward()
    return x.grad, y.grad, z.grad, z.requires_grad


@BACKWARD
def broadcasting_is_summed(torch):
    x, y = torch.ones(3, 1, requires_grad=True), torch.ones(4, requires_grad=True)
    (x * y * 2).sum().backward()
    return x.grad, y.grad


@BACKWARD
def a_freed_graph_is_refused(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    y.backward()
    y.backward()


@BACKWARD
def a_freed_graph_below_is_refused(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).exp()
    y.sum().backward()
    (y * 2).sum().backward()


@BACKWARD
def a_graph_that_saved_nothing_can_go_twice(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = (x + 1).sum()
    y.backward()
    y.backward()
    return x.grad


@BACKWARD
def sums_and_views_save_nothing(torch):
    x = torch.ones(2, 3, requires_grad=True)
    y = (x.t().reshape(-1)[1:] * 2 - 1).sum()
    y.backward()
    y.backward()
    return x.grad


@BACKWARD
def a_retained_graph(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    return x.grad


@BACKWARD
def a_non_scalar_without_gradient(torch):
    (torch.ones(2, requires_grad=True) * 2).backward()


@BACKWARD
def a_tensor_without_history(torch):
    torch.ones(1).backward()


@BACKWARD
def a_detached_tensor(torch):
    (torch.ones(1, requires_grad=True) * 2).detach().backward()


@BACKWARD
def a_leaf_itself(torch):
    x = torch.tensor(2.0, requires_grad=True)
    x.backward()
    return x.grad


@BACKWARD
def a_leaf_itself_with_a_gradient(torch):
    x = torch.ones(2, requires_grad=True)
    x.backward(torch.tensor([2.0, 3.0]))
    return x.grad


@BACKWARD
def a_gradient_of_a_wrong_shape(torch):
    (torch.ones(2, requires_grad=True) * 2).backward(torch.ones(3))


@BACKWARD
def a_gradient_of_a_wrong_dtype(torch):
    x = torch.ones(2, requires_grad=True)
    (x * 2).backward(torch.ones(2, dtype=torch.float64))
    return x.grad


@BACKWARD
def an_int_gradient(torch):
    x = torch.ones(2, requires_grad=True)
    (x * 2).backward(torch.ones(2, dtype=torch.int64))
    return x.grad


@BACKWARD
def a_gradient_that_is_a_list(torch):
    (torch.ones(2, requires_grad=True) * 2).backward([1.0, 1.0])


@BACKWARD
def a_complex_gradient_of_a_real_result(torch):
    (torch.ones(2, requires_grad=True) * 2).backward(torch.ones(2, dtype=torch.complex64))


@BACKWARD
def a_scalar_of_shape_one(torch):
    x = torch.ones(2, requires_grad=True)
    (x.sum() * 2).reshape(1, 1).backward()
    return x.grad


@BACKWARD
def a_complex_scalar_needs_a_gradient(torch):
    x = torch.ones(2, dtype=torch.complex64, requires_grad=True)
    x.sum().backward()


@BACKWARD
def several_roots(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    torch.autograd.backward([(x * 2).sum(), x * x], [None, torch.ones(2)])
    return x.grad


@BACKWARD
def several_roots_and_too_few_gradients(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    torch.autograd.backward([x.sum(), x.sum()], [None])


@BACKWARD
def roots_without_history(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    torch.autograd.backward([x.sum(), torch.ones(1)])


@BACKWARD
def backward_for_some_inputs(torch):
    x, y = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    (x * y).sum().backward(inputs=[x])
    return x.grad, y.grad


@BACKWARD
def backward_for_one_input(torch):
    x, y = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    (x * y).sum().backward(inputs=y)
    return x.grad, y.grad


@BACKWARD
def backward_for_no_inputs(torch):
    torch.ones(2, requires_grad=True).sum().backward(inputs=[])


@BACKWARD
def backward_for_a_non_leaf(torch):
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    (y * y).sum().backward(inputs=[y])
    return y.grad, x.grad


@BACKWARD
def backward_for_an_input_outside(torch):
    x, y = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    (x * 2).sum().backward(inputs=[y])
    return x.grad, y.grad


@BACKWARD
def backward_for_an_input_that_needs_no_gradient(torch):
    x, y = torch.ones(2, requires_grad=True), torch.ones(2)
    (x * y).sum().backward(inputs=[y])


@BACKWARD
def reading_the_gradient_of_a_non_leaf(torch):
    y = torch.ones(2, requires_grad=True) * 2
    y.sum().backward()
    return y.grad


@BACKWARD
def a_retained_gradient(torch):
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    y.retain_grad()
    before = y.retains_grad
    (y * y).sum().backward()
    return before, y.grad, x.grad, x.retains_grad


@BACKWARD
def a_retained_gradient_accumulates(torch):
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    y.retain_grad()
    z = (y * y).sum()
    z.backward(retain_graph=True)
    z.backward()
    return y.grad


@BACKWARD
def retaining_where_nothing_flows(torch):
    torch.ones(2).retain_grad()


@BACKWARD
def retaining_on_a_leaf(torch):
    x = torch.ones(2, requires_grad=True)
    x.retain_grad()
    return x.retains_grad


@BACKWARD
def assigning_a_gradient(torch):
    x = torch.ones(2, requires_grad=True)
    x.grad = torch.full((2,), 3.0)
    (x * 2).sum().backward()
    return x.grad


@BACKWARD
def deleting_a_gradient(torch):
    x = torch.ones(2, requires_grad=True)
    x.sum().backward()
    del x.grad
    return x.grad


@BACKWARD
def assigning_a_gradient_of_another_shape(torch):
    torch.ones(2).grad = torch.ones(3)


@BACKWARD
def assigning_a_gradient_of_another_dtype(torch):
    torch.ones(2).grad = torch.ones(2, dtype=torch.float64)


@BACKWARD
def assigning_a_gradient_that_is_no_tensor(torch):
    torch.ones(2).grad = 3


@BACKWARD
def assigning_itself_as_gradient(torch):
    x = torch.ones(2)
    x.grad = x


@BACKWARD
def the_gradient_of_a_leaf_without_history(torch):
    return torch.ones(2).grad, torch.ones(2, requires_grad=True).grad


@BACKWARD
def gradients_keep_the_dtype(torch):
    made = []
    for d in (torch.float16, torch.bfloat16, torch.float64):
        x = torch.ones(2, dtype=d, requires_grad=True)
        (x.float() * 2).sum().backward()
        made.append(x.grad)
    return made


@BACKWARD
def requires_grad_spreads(torch):
    x, y = torch.ones(2, requires_grad=True), torch.ones(2)
    return [(x + y).requires_grad, (y + y).requires_grad, (x > 0).requires_grad, x.argmax().requires_grad, x.detach().requires_grad,
            (x + y).is_leaf, (y + y).is_leaf, x.is_leaf, (x + y).grad_fn is None]  # fmt: skip


@BACKWARD
def requires_grad_of_a_non_leaf_cannot_be_cleared(torch):
    (torch.ones(2, requires_grad=True) * 2).requires_grad_(False)


@BACKWARD
def requires_grad_of_a_non_leaf_cannot_be_cleared_by_assignment(torch):
    (torch.ones(2, requires_grad=True) * 2).requires_grad = False


@BACKWARD
def requires_grad_of_ints(torch):
    torch.ones(2, dtype=torch.int64).requires_grad_()


@BACKWARD
def requires_grad_of_ints_by_assignment(torch):
    torch.ones(2, dtype=torch.int64).requires_grad = True


@BACKWARD
def requires_grad_turned_off(torch):
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    x.requires_grad_(False)
    z = x * 3
    y.sum().backward()
    return x.grad, z.requires_grad


@BACKWARD
def detach_cuts(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    (y.detach() * x).sum().backward()
    return x.grad


@BACKWARD
def detach_in_place(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    y.detach_()
    (y * x).sum().backward()
    return x.grad, y.requires_grad, y.is_leaf


@BACKWARD
def detach_in_place_of_a_view(torch):
    (torch.ones(2, requires_grad=True) * 2)[0].detach_()


@BACKWARD
def second_order(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (g,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)
    (h,) = torch.autograd.grad((g * x).sum(), x)
    return g, h


@BACKWARD
def third_order(torch):
    x = torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True)
    y = (x.sin() * x.exp()).sum()
    found = []
    for _ in range(3):
        (g,) = torch.autograd.grad(y, x, create_graph=True)
        found.append(g)
        y = g.sum()
    return found


@BACKWARD
def backward_of_a_backward(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (x**3).sum().backward(create_graph=True)
    g = x.grad
    x.grad = None
    g.sum().backward()
    return g, x.grad, g.requires_grad


@BACKWARD
def a_gradient_penalty(torch):
    x = torch.tensor([[1.0, 2.0], [3.0, -1.0]], requires_grad=True)
    w = torch.tensor([[0.5, -0.5], [1.0, 2.0]], requires_grad=True)
    y = torch.tanh(x @ w).sum()
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    ((g.norm(2, dim=1) - 1) ** 2).mean().backward()
    return w.grad, x.grad


@BACKWARD
def a_gradient_with_a_differentiable_cotangent(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    v = torch.tensor([3.0, 4.0], requires_grad=True)
    (g,) = torch.autograd.grad(x.exp(), x, v, create_graph=True)
    return torch.autograd.grad(g.sum(), [x, v])


@BACKWARD
def the_graph_of_a_gradient_that_is_constant(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (g,) = torch.autograd.grad((3 * x).sum(), x, create_graph=True)
    return g.requires_grad, g


@BACKWARD
def grad_of_several(torch):
    x, y = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    return torch.autograd.grad((x * y * y).sum(), (x, y))


@BACKWARD
def grad_does_not_accumulate(torch):
    x = torch.ones(2, requires_grad=True)
    torch.autograd.grad((x * x).sum(), x)
    return x.grad


@BACKWARD
def grad_of_an_unused_input(torch):
    x, y = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    return torch.autograd.grad((x * 2).sum(), [x, y])


@BACKWARD
def grad_of_an_unused_input_allowed(torch):
    x, y = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    return torch.autograd.grad((x * 2).sum(), [x, y], allow_unused=True)


@BACKWARD
def grad_of_an_unused_input_materialized(torch):
    x, y = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    return torch.autograd.grad((x * 2).sum(), [x, y], materialize_grads=True)


@BACKWARD
def materialized_and_not_allowed(torch):
    x = torch.ones(2, requires_grad=True)
    return torch.autograd.grad((x * 2).sum(), [x], materialize_grads=True, allow_unused=False)


@BACKWARD
def grad_of_an_input_that_needs_none(torch):
    x = torch.ones(2, requires_grad=True)
    return torch.autograd.grad((x * 2).sum(), torch.ones(2))


@BACKWARD
def grad_of_an_output_without_history(torch):
    return torch.autograd.grad(torch.ones(1), torch.ones(2, requires_grad=True))


@BACKWARD
def grad_of_a_non_scalar(torch):
    x = torch.ones(2, requires_grad=True)
    return torch.autograd.grad(x * 2, x)


@BACKWARD
def grad_with_respect_to_a_middle(torch):
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    z = (y * y).sum()
    return torch.autograd.grad(z, [y, x])


@BACKWARD
def grad_with_respect_to_itself(torch):
    x = torch.tensor(3.0, requires_grad=True)
    y = x * 2
    return torch.autograd.grad(y, y), torch.autograd.grad(x, x)


@BACKWARD
def grad_of_the_same_input_twice(torch):
    x = torch.ones(2, requires_grad=True)
    return torch.autograd.grad((x * 3).sum(), [x, x])


@BACKWARD
def grad_of_several_outputs(torch):
    x = torch.ones(2, requires_grad=True)
    return torch.autograd.grad([(x * 3).sum(), (x * x).sum()], x)


@BACKWARD
def grad_with_batched_cotangents(torch):
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    return torch.autograd.grad(x**2, x, torch.eye(3), is_grads_batched=True)


@BACKWARD
def grad_frees_the_graph(torch):
    x = torch.ones(2, requires_grad=True)
    y = (x * x).sum()
    torch.autograd.grad(y, x)
    torch.autograd.grad(y, x)


@BACKWARD
def grad_of_views(torch):
    x = torch.arange(6.0).reshape(2, 3).requires_grad_()
    y = x.t()[1] * x[0, :2]
    return torch.autograd.grad(y.sum(), x)


@BACKWARD
def integer_results_carry_no_gradient(torch):
    x = torch.tensor([1.0, 3.0, 2.0], requires_grad=True)
    values, indices = x.max(0)
    values.backward()
    return x.grad, indices.requires_grad


@BACKWARD
def complex_gradients(torch):
    x = torch.tensor([1 + 2j, -0.5 + 1j], requires_grad=True)
    (x * x.conj()).real.sum().backward()
    a = x.grad.clone()
    x.grad = None
    (x**2).abs().sum().backward()
    return a, x.grad


@BACKWARD
def complex_gradients_with_a_cotangent(torch):
    x = torch.tensor([1 + 2j, -0.5 + 1j], requires_grad=True)
    x.exp().backward(torch.tensor([1j, 2.0 + 1j]))
    return x.grad


@BACKWARD
def a_real_input_of_a_complex_result(torch):
    x = torch.tensor([1.0, -0.5], requires_grad=True)
    y = x * (1 + 2j)
    y.backward(torch.tensor([1j, 2.0 + 1j]))
    return x.grad, x.grad.dtype


@BACKWARD
def gradients_of_transposed_leaves_keep_strides(torch):
    x = torch.ones(2, 3).t().clone().requires_grad_()
    (x * 2).sum().backward()
    return x.grad, x.grad.stride()


@BACKWARD
def a_leaf_that_is_a_view(torch):
    base = torch.ones(2, 3)
    x = base[0].requires_grad_()
    (x * 2).sum().backward()
    return x.grad, base.requires_grad, x.is_leaf, x._is_view()


@BACKWARD
def nothing_flows_backward_for_an_empty_tensor(torch):
    x = torch.ones(0, 3, requires_grad=True)
    (x * 2).sum().backward()
    return x.grad


@BACKWARD
def a_long_chain(torch):
    x = torch.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(1500):
        y = y * 1.001
    y.backward()
    return x.grad


@programs(BACKWARD)
def test_backward(program):
    same(program)


@pytest.mark.parametrize("read", ["between forward and backward", "of every step", "eager"])
def test_when_values_are_read_makes_no_difference(read):
    def program(torch):
        x = torch.tensor([[0.5, -1.0], [2.0, 0.25]], requires_grad=True)
        w = torch.tensor([[1.0, 2.0], [-1.0, 0.5]], requires_grad=True)

        def look(t):
            if read == "of every step":
                t.detach().tolist()
            return t

        if read == "eager" and torch.__name__ == "torchlike":
            torch.eager(True) if not hasattr(torch.eager(), "__enter__") else None
        h = look(torch.tanh(look(x @ w)))
        y = look((h * x).exp())
        if read == "between forward and backward":
            y.detach().tolist()
        loss = look(y.sum())
        loss.backward()
        return loss, x.grad, w.grad

    same(program)


def test_the_graph_in_names():
    def names(node, depth=0):
        if node is None:
            return None
        return [node.name(), *[(names(n), k) for n, k in node.next_functions]]

    def program(torch):
        x, w, c = torch.ones(2, 2, requires_grad=True), torch.ones(2, 2, requires_grad=True), torch.ones(2)
        y = ((x @ w + c).relu() * x - 2).mean()
        return names(y.grad_fn), type(y.grad_fn).__name__, repr(y), x.grad_fn

    same(program)


NAMES = """add sub mul div neg exp log sin cos tanh sigmoid relu sqrt abs pow sum mean max min amax prod cumsum softmax log_softmax
clone t transpose permute view reshape unsqueeze squeeze expand select slice narrow index flatten unbind split chunk cat stack where
clamp masked_fill gather matmul mm bmm mv dot norm std var square reciprocal rsqrt sign round floor erf atan2 maximum minimum lerp
addmm linear gelu silu leaky_relu elu softplus dropout layer_norm mse_loss cross_entropy nll_loss embedding conv2d max_pool2d
avg_pool2d batch_norm diagonal tril triu roll flip sort topk repeat unfold contiguous to float masked_select index_select einsum outer
logsumexp detach alias real_part setitem copy_""".split()


def _call(torch, name):
    f = torch.nn.functional
    x = torch.arange(1.0, 10.0).reshape(3, 3).requires_grad_()
    y = x * 1
    z = x * 2
    calls = {
        "pow": lambda: y**2, "max": lambda: y.max(), "min": lambda: y.min(1)[0], "prod": lambda: y.prod(), "cumsum": lambda: y.cumsum(0),
        "softmax": lambda: y.softmax(0), "log_softmax": lambda: y.log_softmax(0), "transpose": lambda: y.transpose(0, 1),
        "permute": lambda: y.permute(1, 0), "view": lambda: y.view(9), "reshape": lambda: y.t().reshape(9), "unsqueeze": lambda: y.unsqueeze(0),
        "squeeze": lambda: y[:1].squeeze(), "expand": lambda: y[:1].expand(3, 3), "select": lambda: y[0], "slice": lambda: y[1:], "narrow": lambda: y.narrow(0, 0, 2),
        "index": lambda: y[torch.tensor([0, 1])], "unbind": lambda: y.unbind()[0], "split": lambda: y.split(2)[0], "chunk": lambda: y.chunk(2)[0],
        "cat": lambda: torch.cat([y, z]), "stack": lambda: torch.stack([y, z]), "where": lambda: torch.where(y > 1, y, z), "clamp": lambda: y.clamp(1, 2),
        "masked_fill": lambda: y.masked_fill(y > 1, 0.0), "gather": lambda: y.gather(0, torch.zeros(1, 1, dtype=torch.int64)), "matmul": lambda: y.reshape(1, 3, 3) @ z.reshape(1, 3, 3),
        "mm": lambda: y.mm(z), "bmm": lambda: y.unsqueeze(0).bmm(z.unsqueeze(0)), "mv": lambda: y.mv(z[0]), "dot": lambda: y[0].dot(z[0]), "add": lambda: y + z, "sub": lambda: y - z,
        "mul": lambda: y * z, "div": lambda: y / z, "atan2": lambda: y.atan2(z), "maximum": lambda: y.maximum(z), "minimum": lambda: y.minimum(z), "lerp": lambda: y.lerp(z, 0.5),
        "addmm": lambda: torch.addmm(y, y, z), "linear": lambda: f.linear(y, z, z[0]), "gelu": lambda: f.gelu(y), "silu": lambda: f.silu(y), "leaky_relu": lambda: f.leaky_relu(y),
        "elu": lambda: f.elu(y), "softplus": lambda: f.softplus(y), "dropout": lambda: f.dropout(y), "layer_norm": lambda: f.layer_norm(y, (3,)), "mse_loss": lambda: f.mse_loss(y, z),
        "cross_entropy": lambda: f.cross_entropy(y, torch.tensor([0, 1, 2])), "nll_loss": lambda: f.nll_loss(y, torch.tensor([0, 1, 2])), "embedding": lambda: f.embedding(torch.tensor([0]), y),
        "conv2d": lambda: f.conv2d(y.reshape(1, 1, 3, 3), z.reshape(1, 1, 3, 3)), "max_pool2d": lambda: f.max_pool2d(y.reshape(1, 1, 3, 3), 2), "avg_pool2d": lambda: f.avg_pool2d(y.reshape(1, 1, 3, 3), 2),
        "batch_norm": lambda: f.batch_norm(y, None, None, training=True), "diagonal": lambda: y.diagonal(), "roll": lambda: y.roll(1), "flip": lambda: y.flip(0), "sort": lambda: y.sort()[0],
        "topk": lambda: y.topk(2)[0], "repeat": lambda: y.repeat(2, 1), "unfold": lambda: y.unfold(0, 2, 1), "contiguous": lambda: y.t().contiguous(), "to": lambda: y.to(torch.float64),
        "float": lambda: y.half(), "masked_select": lambda: y.masked_select(y > 1), "index_select": lambda: y.index_select(0, torch.tensor([0])), "einsum": lambda: torch.einsum("ij,jk->ik", y, z),
        "outer": lambda: y[0].outer(z[0]), "logsumexp": lambda: y.logsumexp(0), "detach": lambda: y.detach(), "alias": lambda: y[...], "real_part": lambda: (y * 1j).real,
        "setitem": lambda: (y.__setitem__(0, 1.0), y)[1], "copy_": lambda: torch.zeros(3, 3).copy_(y), "sum": lambda: y.sum(0), "mean": lambda: y.mean(), "amax": lambda: y.amax(0), "norm": lambda: y.norm(),
        "std": lambda: y.std(), "var": lambda: y.var(), "flatten": lambda: y.flatten(),
    }  # fmt: skip
    return calls[name]() if name in calls else getattr(y, name)()


@pytest.mark.parametrize("name", NAMES)
def test_the_names_of_nodes(name):
    def program(torch):
        out = _call(torch, name)
        node = out.grad_fn
        return node and node.name(), name == "einsum" or out._is_view()

    same(program)
