"""Hooks on tensors, nodes and leaves: when they run, in which order, what they may change."""

import pytest

from tests.programs import Table, programs, same

HOOKS = Table()


@HOOKS
def a_hook_sees_the_gradient(torch):
    seen = []
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    y.register_hook(lambda g: seen.append(g.tolist()))
    (y * y).sum().backward()
    return seen, x.grad


@HOOKS
def a_hook_changes_the_gradient(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    y.register_hook(lambda g: g * 10)
    (y * y).sum().backward()
    return x.grad


@HOOKS
def a_hook_on_a_leaf(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    x.register_hook(lambda g: g + 1)
    (x * x).sum().backward()
    (x * x).sum().backward()
    return x.grad


@HOOKS
def a_leaf_hook_runs_once_for_the_sum(torch):
    seen = []
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    x.register_hook(lambda g: seen.append(g.tolist()))
    (x * x + x * 3).sum().backward()
    return seen


@HOOKS
def hooks_run_in_order(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    y.register_hook(lambda g: g + 1)
    y.register_hook(lambda g: g * 10)
    y.sum().backward()
    return x.grad


@HOOKS
def a_removed_hook_is_silent(torch):
    seen = []
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    handle = x.register_hook(lambda g: seen.append(1))
    x.sum().backward()
    handle.remove()
    handle.remove()
    x.sum().backward()
    return seen


@HOOKS
def a_handle_as_a_context(torch):
    seen = []
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with x.register_hook(lambda g: seen.append(1)):
        x.sum().backward()
    x.sum().backward()
    return seen


@HOOKS
def a_hook_where_nothing_flows(torch):
    torch.ones(2).register_hook(lambda g: g)


@HOOKS
def a_hook_that_returns_no_tensor(torch):
    x = torch.ones(2, requires_grad=True)
    x.register_hook(lambda g: 3)
    x.sum().backward()


@HOOKS
def a_hook_that_changes_the_shape(torch):
    x = torch.ones(2, requires_grad=True)
    x.register_hook(lambda g: torch.ones(3))
    x.sum().backward()


@HOOKS
def a_hook_that_raises(torch):
    def bad(g):
        raise ValueError("no such luck")

    x = torch.ones(2, requires_grad=True)
    x.register_hook(bad)
    x.sum().backward()


@HOOKS
def hooks_apply_to_grad_too(torch):
    x = torch.ones(2, requires_grad=True)
    x.register_hook(lambda g: g * 5)
    y = x * 2
    y.register_hook(lambda g: g * 7)
    return torch.autograd.grad(y.sum(), [x, y])


@HOOKS
def retain_grad_sees_what_hooks_made(torch):
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    y.retain_grad()
    y.register_hook(lambda g: g * 7)
    y.sum().backward()
    return y.grad, x.grad


@HOOKS
def a_hook_registered_before_retain_grad(torch):
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    y.register_hook(lambda g: g * 7)
    y.retain_grad()
    y.register_hook(lambda g: g + 1)
    y.sum().backward()
    return y.grad, x.grad


@HOOKS
def a_hook_under_create_graph(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    y.register_hook(lambda g: g * x)
    (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    return g, torch.autograd.grad(g.sum(), x)


@HOOKS
def an_in_place_change_in_a_hook(torch):
    x = torch.ones(2, requires_grad=True)
    x.register_hook(lambda g: g.mul_(3))
    (x * 2).sum().backward()
    return x.grad


@HOOKS
def a_hook_on_an_output_of_several(torch):
    x = torch.tensor([[3.0, 1.0], [2.0, 5.0]], requires_grad=True)
    values, _ = x.max(1)
    values.register_hook(lambda g: g * 2)
    a, b = x.unbind(0)
    a.register_hook(lambda g: g * 100)
    (values.sum() + a.sum() + b.sum()).backward()
    return x.grad


@HOOKS
def post_accumulate_hooks(torch):
    seen = []
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    x.register_post_accumulate_grad_hook(lambda p: seen.append((p is x, p.grad.tolist())))
    (x * 2).sum().backward()
    (x * 3).sum().backward()
    return seen


@HOOKS
def a_post_accumulate_hook_clears_the_gradient(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)

    def step(p):
        with torch.no_grad():
            p -= 0.1 * p.grad
        p.grad = None

    x.register_post_accumulate_grad_hook(step)
    (x * x).sum().backward()
    return x, x.grad


@HOOKS
def a_post_accumulate_hook_on_a_non_leaf(torch):
    (torch.ones(2, requires_grad=True) * 2).register_post_accumulate_grad_hook(lambda p: None)


@HOOKS
def a_post_accumulate_hook_where_nothing_flows(torch):
    torch.ones(2).register_post_accumulate_grad_hook(lambda p: None)


@HOOKS
def node_hooks(torch):
    seen = []
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    y.grad_fn.register_hook(lambda gi, go: seen.append((len(gi), len(go), gi[0].tolist(), go[0].tolist())))
    (y * y).sum().backward()
    return seen


@HOOKS
def a_node_hook_changes_the_gradients(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    w = torch.tensor([5.0, 6.0], requires_grad=True)
    y = x * w
    y.grad_fn.register_hook(lambda gi, go: (gi[0] * 10, gi[1]))
    y.sum().backward()
    return x.grad, w.grad


@HOOKS
def a_node_hook_that_returns_too_few(torch):
    x, w = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    y = x * w
    y.grad_fn.register_hook(lambda gi, go: (gi[0],))
    y.sum().backward()


@HOOKS
def a_node_prehook(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    y.grad_fn.register_prehook(lambda go: (go[0] * 10,))
    y.sum().backward()
    return x.grad


@HOOKS
def inputs_that_need_no_gradient_are_none_in_a_node_hook(torch):
    seen = []
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * torch.ones(2)
    y.grad_fn.register_hook(lambda gi, go: seen.append([g is None for g in gi]))
    y.sum().backward()
    return seen


@HOOKS
def the_order_of_all_kinds(torch):
    seen = []
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    y.register_hook(lambda g: seen.append("tensor"))
    y.grad_fn.register_prehook(lambda go: seen.append("pre"))
    y.grad_fn.register_hook(lambda gi, go: seen.append("post"))
    y.retain_grad()
    x.register_hook(lambda g: seen.append("leaf"))
    x.register_post_accumulate_grad_hook(lambda p: seen.append("accumulated"))
    y.sum().backward()
    return seen


@HOOKS
def hooks_on_the_accumulating_node(torch):
    seen = []
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    node = (x * 2).grad_fn.next_functions[0][0]
    node.register_hook(lambda *gs: seen.append("accumulated"))
    node.register_prehook(lambda gs: seen.append(gs[0].tolist()))
    (x * 2).sum().backward()
    return seen, node.variable is x, node.name(), type(node).__name__


@HOOKS
def multi_grad_hooks(torch):
    seen = []
    x, y, z = (torch.ones(2, requires_grad=True) for _ in range(3))
    a, b, c = x * 2, y * 3, z * 4
    torch.autograd.graph.register_multi_grad_hook(
        (a, b, c), lambda gs: seen.append([None if g is None else g.tolist() for g in gs])
    )
    (a * b).sum().backward()
    return seen


@HOOKS
def multi_grad_hooks_on_any(torch):
    seen = []
    x, y = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    a, b = x * 2, y * 3
    torch.autograd.graph.register_multi_grad_hook((a, b), lambda g: seen.append(g.tolist()), mode="any")
    (a + b).sum().backward()
    return seen


@HOOKS
def a_hook_after_an_in_place_write_belongs_to_the_new_value(torch):
    seen = []
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    y.register_hook(lambda g: seen.append(("before", g.tolist())))
    y.mul_(3)
    y.register_hook(lambda g: seen.append(("after", g.tolist())))
    y.sum().backward()
    return seen


@HOOKS
def retain_grad_moves_with_in_place_writes(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    y.retain_grad()
    y.mul_(3)
    y.sum().backward()
    return y.grad, x.grad


@HOOKS
def metadata_of_a_node(torch):
    node = (torch.ones(2, requires_grad=True) * 2).grad_fn
    node.metadata["a"] = 1
    return node.metadata


@HOOKS
def a_gradient_edge(torch):
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    edge = torch.autograd.graph.get_gradient_edge(y)
    return type(edge).__name__, edge.node.name(), edge.output_nr, torch.autograd.grad((y * y).sum(), edge)


@HOOKS
def a_gradient_edge_where_nothing_flows(torch):
    torch.autograd.graph.get_gradient_edge(torch.ones(2))


@HOOKS
def backward_inside_a_hook(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    w = torch.tensor([1.0, 1.0], requires_grad=True)
    y = x * 2
    y.register_hook(lambda g: (w * w).sum().backward())
    y.sum().backward()
    return x.grad, w.grad


@HOOKS
def of_a_result_without_a_gradient(torch):
    seen = []
    var, mean = torch.var_mean(torch.tensor([[1.0, 2.0], [4.0, 3.0]], requires_grad=True), 0)
    mean.register_hook(lambda g: seen.append(g))
    var.sum().backward()
    return seen


@HOOKS
def of_a_result_without_a_gradient_that_gives_one(torch):
    var, mean = torch.var_mean(torch.tensor([[1.0, 2.0], [4.0, 3.0]], requires_grad=True), 0)
    mean.register_hook(lambda g: torch.ones(2))
    var.sum().backward()


@programs(HOOKS)
def test_hooks(program):
    same(program, strides=False)


WATCH = {
    "hook": lambda view, seen: view.register_hook(lambda g: seen.append(g.tolist())),
    "hook of the node": lambda view, seen: view.grad_fn.register_hook(lambda gi, go: seen.append(gi[0].tolist())),
    "hook before the node": lambda view, seen: view.grad_fn.register_prehook(lambda go: seen.append(go[0].tolist())),
    "retained": lambda view, seen: view.retain_grad(),
}


@pytest.mark.parametrize("watch", WATCH.values(), ids=list(WATCH))
@pytest.mark.parametrize("summed", ["view", "base"])
@pytest.mark.parametrize("used", [False, True])
def test_what_watches_a_view_has_no_part_in_a_write_to_it(watch, summed, used) -> None:
    def program(torch):
        seen = []
        x = torch.tensor([[1.0, 1.5, 1.0], [0.5, 2.0, 0.5]], requires_grad=True)
        base = x * x
        view = base[0]
        watch(view, seen)
        before = view.sum() if used else 0
        view.mul_(3).mul_(view.detach().clone())
        view[1:].mul_(2)
        view[0] = 5
        ((view if summed == "view" else base) * torch.tensor([1.0, 2.0, 3.0])).sum().add(before).backward()
        return seen, x.grad, view.grad

    same(program)


SEVERAL = {
    "unbind": lambda t: t.unbind(0), "split": lambda t: t.split(1), "chunk": lambda t: t.chunk(3), "tensor_split": lambda t: t.tensor_split(3),
    "hsplit": lambda t: t.hsplit(3), "of a view": lambda t: t[1:].unbind(0),
}  # fmt: skip


@pytest.mark.parametrize("part", SEVERAL.values(), ids=list(SEVERAL))
@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("grad", [False, True])
def test_one_node_of_several_views_is_reached_by_all(part, which, grad) -> None:
    def program(torch):
        x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
        parts = part(x * 1)
        for p in parts[:2]:
            p.retain_grad()
        (parts[1] - parts[0]).sum().backward(retain_graph=True)
        total = (parts[0] * 3).sum() + parts[0].sum()
        if grad:
            found = torch.autograd.grad(total, [parts[which]], allow_unused=True)
        else:
            found = total.backward(inputs=[parts[which]])
        return found, [p.grad for p in parts[:2]], x.grad

    same(program)
