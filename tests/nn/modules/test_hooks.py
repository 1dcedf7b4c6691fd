"""Hooks of modules: before and after forward, on gradients, of state dicts, and global ones."""

import copy
import pickle

import pytest

from tests.differential import agree, randn
from tests.nn.told import told, warned


def test_forward_hooks_run_in_order_and_replace():
    def program(torch, x):
        net = torch.nn.Linear(2, 2)
        order = []

        def pre(name, add):
            def hook(module, args):
                order.append(name)
                return None if add is None else args[0] + add

            return hook

        def post(name, factor):
            def hook(module, args, out):
                order.append(name)
                return None if factor is None else out * factor

            return hook

        net.register_forward_pre_hook(pre("pre1", 1.0))
        net.register_forward_pre_hook(pre("pre0", None), prepend=True)
        net.register_forward_hook(post("post1", 2.0))
        handle = net.register_forward_hook(post("post0", 3.0), prepend=True)
        first = net(x)
        handle.remove()
        handle.remove()
        return first, net(x), order

    agree(program, randn(3, 2))


def test_forward_hooks_with_keywords():
    def program(torch, x):
        class Net(torch.nn.Module):
            def forward(self, x, *, factor=1):
                return x * factor

        net = Net()
        seen = []
        net.register_forward_pre_hook(lambda m, a, k: (a, {"factor": k["factor"] + 1}), with_kwargs=True)
        net.register_forward_hook(lambda m, a, k, out: seen.append((len(a), dict(k))), with_kwargs=True)
        result = net(x, factor=2)
        bad = Net()
        bad.register_forward_pre_hook(lambda m, a, k: "nonsense", with_kwargs=True)
        return result, seen, told(lambda: bad(x))

    agree(program, randn(3))


def test_hooks_that_are_always_called():
    def program(torch, x):
        class Fails(torch.nn.Module):
            def forward(self, x):
                raise ValueError("no")

        calls = []
        net = Fails()
        net.register_forward_hook(lambda m, a, out: calls.append("sometimes"))
        net.register_forward_hook(lambda m, a, out: calls.append(("always", out)), always_call=True)
        net.register_forward_hook(lambda m, a, k, out: calls.append(("with kwargs", out)), always_call=True, with_kwargs=True)
        errors = told(lambda: net(x))

        late = torch.nn.Identity()

        def fails(module, args, out):
            calls.append("fails")
            raise KeyError("hook")

        late.register_forward_hook(fails, always_call=True)
        late.register_forward_hook(lambda m, a, out: calls.append("after"), always_call=True)
        errors += told(lambda: late(x))

        class AlsoFails(Fails):
            pass

        also = AlsoFails()
        also.register_forward_hook(fails, always_call=True)
        return errors, len(calls), warned(lambda: errors.extend(told(lambda: also(x)))), errors

    agree(program, randn(3))


def test_global_forward_hooks():
    def program(torch, x):
        module = torch.nn.modules.module
        order = []
        net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU())
        net.register_forward_hook(lambda m, a, out: order.append("own"))
        handles = [
            module.register_module_forward_pre_hook(lambda m, a: order.append("pre " + type(m).__name__)),
            module.register_module_forward_hook(lambda m, a, out: order.append("post " + type(m).__name__)),
            module.register_module_forward_hook(
                lambda m, a, k, out: order.append("kwargs " + type(m).__name__), with_kwargs=True, always_call=True
            ),
        ]
        try:
            result = net(x)
        finally:
            for handle in handles:
                handle.remove()
        net(x)
        return result, order

    agree(program, randn(3, 2))


@pytest.mark.parametrize("inputs_need_grad", [True, False])
def test_full_backward_hooks_see_and_replace_gradients(inputs_need_grad):
    def program(torch, x):
        x.requires_grad_(inputs_need_grad)
        net = torch.nn.Linear(2, 3)
        seen = []

        def hook(module, grad_input, grad_output):
            seen.append((grad_input, grad_output))
            return None if grad_input[0] is None else (grad_input[0] * 2,)

        def pre(module, grad_output):
            seen.append(grad_output)
            return (grad_output[0] * 10,)

        net.register_full_backward_hook(hook)
        net.register_full_backward_pre_hook(pre)
        warnings = warned(lambda: (net(x) ** 2).sum().backward())
        return seen, x.grad, net.weight.grad, net.bias.grad, [w for w in warnings if "hook" in w]

    agree(program, randn(4, 2))


def test_full_backward_hooks_on_several_inputs_and_outputs():
    def program(torch, x, y):
        class Net(torch.nn.Module):
            def forward(self, x, factor, y):
                return x * factor, y * x, 3

        x.requires_grad_()
        net = Net()
        seen = []
        net.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
        a, b, three = net(x, 2.0, y)
        (a.sum() + (b * b).sum()).backward()
        return seen, x.grad, three

    agree(program, randn(3), randn(3, salt=1))


def test_backward_hooks_must_return_as_many_gradients():
    def program(torch, x):
        def run(register, result):
            net = torch.nn.Linear(2, 2)
            getattr(net, register)(lambda *args: result)
            net(x.clone().requires_grad_()).sum().backward()

        one = torch.ones(1)
        return told(
            lambda: run("register_full_backward_hook", (one, one)),
            lambda: run("register_full_backward_pre_hook", (one, one)),
        )

    agree(program, randn(3, 2))


def test_the_two_kinds_of_backward_hooks_do_not_mix():
    def program(torch):
        module = torch.nn.modules.module
        first, second = torch.nn.ReLU(), torch.nn.ReLU()
        first.register_full_backward_hook(lambda *a: None)
        second.register_backward_hook(lambda *a: None)
        return told(
            lambda: first.register_backward_hook(lambda *a: None),
            lambda: second.register_full_backward_hook(lambda *a: None),
        ), [name for name in module.__all__ if not hasattr(module, name)]

    agree(program)


def test_plain_backward_hooks_see_the_last_node_and_warn():
    def program(torch, x):
        x.requires_grad_()
        seen = []

        def run(net):
            net.register_backward_hook(lambda m, gi, go: seen.append(go[0]))
            out = net(x)
            out = out[0] if isinstance(out, (list, tuple)) else out
            out.sum().backward()

        class Two(torch.nn.Module):
            def forward(self, x):
                return x * 2, x.exp()

        class Nested(torch.nn.Module):
            def forward(self, x):
                return [x * 2]

        class Chain(torch.nn.Module):
            def forward(self, x):
                return (x * 2).exp()

        return [warned(lambda net=net: run(net)) for net in (torch.nn.Tanh(), Two(), Nested(), Chain())], seen

    agree(program, randn(3))


def test_global_backward_hooks():
    def program(torch, x):
        module = torch.nn.modules.module
        seen = []
        net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Tanh())
        handles = [
            module.register_module_full_backward_hook(lambda m, gi, go: seen.append((type(m).__name__, gi, go))),
            module.register_module_full_backward_pre_hook(lambda m, go: seen.append(("pre " + type(m).__name__, go))),
        ]
        try:
            net(x.requires_grad_()).sum().backward()
            refused = told(lambda: module.register_module_backward_hook(lambda *a: None))
        finally:
            for handle in handles:
                handle.remove()
        return seen, refused, x.grad

    agree(program, randn(3, 2))


def test_a_handle_is_a_context():
    def program(torch, x):
        net = torch.nn.Identity()
        with net.register_forward_hook(lambda m, a, out: out + 1):
            inside = net(x)
        return inside, net(x)

    agree(program, randn(3))


def _double(module, args, out):
    return out * 2


def test_hooks_are_copied_and_pickled_with_the_module():
    def program(torch, x):
        net = torch.nn.Linear(2, 2)
        net.register_forward_hook(_double)
        return net(x), copy.deepcopy(net)(x), pickle.loads(pickle.dumps(net))(x)

    agree(program, randn(3, 2))


def test_state_dict_hooks():
    def program(torch):
        net = torch.nn.Sequential(torch.nn.Linear(1, 1))
        calls = []

        def public(module, state, prefix, metadata):
            calls.append((prefix, metadata))
            state[prefix + "extra"] = 1

        net.register_state_dict_pre_hook(lambda m, prefix, keep: calls.append((prefix, keep)))
        net[0].register_state_dict_post_hook(public)
        net._register_state_dict_hook(lambda m, state, prefix, metadata: {**state, "more": 2})
        keys = list(net.state_dict())
        bad = torch.nn.Linear(1, 1)
        bad.register_state_dict_post_hook(lambda *a: {})
        return keys, calls, told(lambda: bad.state_dict(), lambda: bad._register_state_dict_hook(public))

    agree(program)


def test_load_state_dict_hooks():
    def program(torch):
        net = torch.nn.Sequential(torch.nn.Linear(1, 1))
        calls = []

        def rename(module, state, prefix, metadata, strict, missing, unexpected, errors):
            calls.append((type(module).__name__, prefix, strict))
            if prefix + "w" in state:
                state[prefix + "weight"] = state.pop(prefix + "w")

        def forgive(module, incompatible):
            calls.append((list(incompatible.missing_keys), list(incompatible.unexpected_keys)))
            incompatible.missing_keys.clear()

        net[0].register_load_state_dict_pre_hook(rename)
        net[0]._register_load_state_dict_pre_hook(lambda *args: calls.append(len(args)))
        net.register_load_state_dict_post_hook(forgive)
        result = net.load_state_dict({"0.w": torch.full((1, 1), 5.0)})
        bad = torch.nn.Linear(1, 1)
        bad.register_load_state_dict_post_hook(lambda *a: 1)
        return repr(result), calls, net[0].weight, told(lambda: bad.load_state_dict(bad.state_dict()))

    agree(program)
