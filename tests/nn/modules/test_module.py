"""`Module`: members and their rules, traversal, conversion, representation, copies."""

import copy
import pickle

from tests.differential import agree, randn
from tests.nn.told import told, warned


def _net(torch):
    nn = torch.nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(2, 3)
            self.second = nn.Linear(3, 2)
            self.second.weight = nn.Parameter(self.first.weight.detach().t())
            self.tied = self.first
            self.scale = nn.Parameter(torch.ones(2))
            self.register_buffer("offset", torch.zeros(2))
            self.register_buffer("hidden", torch.ones(1), persistent=False)
            self.register_parameter("absent", None)
            self.plain = torch.ones(3)

        def forward(self, x):
            return self.second(self.first(x)) * self.scale + self.offset

    return Net()


def test_members_are_found_by_name_in_torchs_order():
    def program(torch):
        net = _net(torch)
        return (
            [name for name, _ in net.named_parameters()],
            [name for name, _ in net.named_parameters(remove_duplicate=False)],
            [name for name, _ in net.named_parameters(prefix="net", recurse=False)],
            [name for name, _ in net.named_buffers()],
            [name for name, _ in net.named_buffers(prefix="p")],
            [name for name, _ in net.named_modules()],
            [name for name, _ in net.named_modules(prefix="p", remove_duplicate=False)],
            [name for name, _ in net.named_children()],
            len(list(net.modules())),
            len(list(net.children())),
            list(net.state_dict()),
            list(net.state_dict(prefix="a.")),
            dict(net.state_dict()._metadata),
            repr(net),
            [n for n in dir(net) if n in ("first", "scale", "offset", "hidden", "plain", "absent", "forward")],
        )

    agree(program)


def test_assignment_follows_torchs_rules():
    def program(torch):
        nn = torch.nn
        net = _net(torch)

        class Bare(nn.Module):
            def __init__(self, what):
                self.member = what

        def assign(name, value):
            def statement():
                setattr(net, name, value)
                kinds = [name in net._parameters, name in net._buffers, name in net._modules, name in vars(net)]
                return kinds, name in net._non_persistent_buffers_set

            return statement

        return told(
            lambda: Bare(nn.Parameter(torch.ones(1))) and None,
            lambda: Bare(nn.Linear(1, 1)) and None,
            lambda: Bare(torch.ones(1)) and None,
            assign("scale", torch.ones(2)),
            assign("scale", 3),
            assign("scale", None),
            assign("absent", nn.Parameter(torch.ones(1))),
            assign("first", 3),
            assign("first", None),
            assign("first", nn.ReLU()),
            assign("offset", 3),
            assign("offset", None),
            assign("offset", torch.ones(5)),
            assign("offset", nn.Parameter(torch.ones(5))),
            assign("hidden", torch.ones(5)),
            assign("hidden", nn.Buffer(torch.ones(5))),
            assign("hidden", nn.Buffer(torch.ones(5), persistent=False)),
            assign("plain", nn.Parameter(torch.ones(1))),
            assign("plain", nn.ReLU()),
            assign("other", torch.ones(1)),
            assign("other", nn.Buffer(torch.ones(1))),
        )

    agree(program)


def test_registration_refuses_what_torch_refuses():
    def program(torch):
        nn = torch.nn
        net = _net(torch)
        p = nn.Parameter(torch.ones(1))
        return told(
            lambda: net.register_parameter(3, p),
            lambda: net.register_parameter("a.b", p),
            lambda: net.register_parameter("", p),
            lambda: net.register_parameter("forward", p),
            lambda: net.register_parameter("a", torch.ones(1)),
            lambda: net.register_parameter("a", 3),
            lambda: net.register_parameter("first", p),
            lambda: net.register_buffer(3, torch.ones(1)),
            lambda: net.register_buffer("a.b", torch.ones(1)),
            lambda: net.register_buffer("", torch.ones(1)),
            lambda: net.register_buffer("forward", torch.ones(1)),
            lambda: net.register_buffer("a", 3),
            lambda: net.register_buffer("scale", torch.ones(1)),
            lambda: net.add_module("a", 3),
            lambda: net.add_module(3, nn.ReLU()),
            lambda: net.add_module("a.b", nn.ReLU()),
            lambda: net.add_module("", nn.ReLU()),
            lambda: net.add_module("forward", nn.ReLU()),
            lambda: net.add_module("scale", nn.ReLU()),
            lambda: net.register_module("fine", None),
            lambda: nn.Module(3),
            lambda: nn.Module(a=3),
            lambda: nn.Linear(2, 2, nonsense=1) and None,
        )

    agree(program)


def test_a_non_leaf_is_no_parameter():
    def program(torch):
        net = torch.nn.Module()
        p = torch.nn.Parameter(torch.ones(1))
        p.grad_fn_was_none = p.grad_fn is None
        computed = torch.nn.Parameter(torch.ones(1)) * 2
        return told(lambda: net.register_parameter("p", computed), lambda: setattr(net, "p", computed))

    agree(program)


def test_paths_are_looked_up():
    def program(torch):
        nn = torch.nn
        net = nn.Sequential(_net(torch), nn.ReLU())
        return told(
            lambda: repr(net.get_submodule("0.first")),
            lambda: net.get_submodule("") is net,
            lambda: net.get_submodule("0.nothing"),
            lambda: net.get_submodule("0.scale"),
            lambda: net.get_parameter("0.first.weight"),
            lambda: net.get_parameter("0.first.nothing"),
            lambda: net.get_parameter("0.first"),
            lambda: net.get_parameter("0.nothing.weight"),
            lambda: net.get_buffer("0.offset"),
            lambda: net.get_buffer("0.scale"),
            lambda: net.get_buffer("0.nothing"),
            lambda: net.set_submodule("", nn.ReLU()),
            lambda: net.set_submodule("0.first", 3),
            lambda: net.set_submodule("0.nothing", nn.ReLU(), strict=True),
            lambda: net.set_submodule("0.scale", nn.ReLU()),
            lambda: net.set_submodule("0.first", nn.Linear(2, 3, bias=False)),
            lambda: net.set_submodule("2", nn.Tanh()),
            lambda: repr(net),
        )

    agree(program)


def test_missing_attributes_and_deletions():
    def program(torch):
        net = _net(torch)

        def delete(name):
            def statement():
                delattr(net, name)
                return hasattr(net, name)

            return statement

        return told(
            lambda: net.nothing,
            delete("nothing"),
            delete("scale"),
            delete("offset"),
            delete("hidden"),
            delete("second"),
            delete("plain"),
            lambda: repr(net),
            lambda: sorted(net._non_persistent_buffers_set),
            lambda: torch.nn.Module()(3),
        )

    agree(program)


def test_to_moves_and_casts():
    def program(torch, x):
        net = _net(torch)
        net(x).sum().backward()
        before = net.first.weight
        net.register_buffer("count", torch.tensor(3))
        dtypes = []
        for convert in (
            lambda: net.to(torch.float64),
            lambda: net.to("cpu"),
            lambda: net.to("cpu", torch.float16),
            lambda: net.to(torch.zeros(1, dtype=torch.float64)),
            lambda: net.to(dtype=torch.bfloat16, device="cpu", non_blocking=True),
            lambda: net.float(),
            lambda: net.double(),
            lambda: net.half(),
            lambda: net.bfloat16(),
            lambda: net.type(torch.float32),
            lambda: net.cpu(),
            lambda: net.to(memory_format=torch.channels_last),
        ):
            result = convert()
            dtypes.append(
                (
                    result is net,
                    net.first.weight is before,
                    net.first.weight.dtype,
                    net.first.weight.grad.dtype,
                    net.offset.dtype,
                    net.count.dtype,
                    net.scale.requires_grad,
                    net.scale.is_leaf,
                )
            )
        return dtypes, [p.grad for p in net.parameters()]

    agree(program, randn(3, 2), tolerance=1e4)  # the gradients have been through bfloat16


def test_to_refuses_what_torch_refuses():
    def program(torch):
        net = torch.nn.Linear(2, 2)
        return told(
            lambda: net.to(torch.int32),
            lambda: net.to("cpu", "cpu"),
            lambda: net.to(torch.float64, device="cpu"),
            lambda: net.to(1, 2, 3, 4, 5),
            lambda: net.to(foo=1),
            lambda: net.to(torch.float32, True, True),
        )

    agree(program)


def test_modes_gradients_and_apply():
    def program(torch, x):
        net = torch.nn.Sequential(_net(torch), torch.nn.Dropout(), torch.nn.Sequential(torch.nn.Dropout()))
        seen = []
        net.apply(lambda m: seen.append(type(m).__name__))
        modes = [[m.training for m in net.modules()]]
        modes.append((net.eval() is net, [m.training for m in net.modules()]))
        modes.append((net.train(True) is net, [m.training for m in net.modules()]))
        net.eval()
        net.requires_grad_(False)
        flags = [p.requires_grad for p in net.parameters()]
        net.requires_grad_()
        net(x).sum().backward()
        grads = [p.grad for p in net.parameters()]
        net.zero_grad(set_to_none=False)
        zeros = [p.grad.clone() for p in net.parameters()]
        net.zero_grad()
        return seen, modes, flags, grads, zeros, [p.grad for p in net.parameters()], told(lambda: net.train("yes"))

    agree(program, randn(3, 2))


def test_representation():
    def program(torch):
        nn = torch.nn

        class Many(nn.Module):
            def __init__(self):
                super().__init__()
                self.inner = nn.ModuleList([nn.Linear(1, 2), nn.Linear(1, 2), nn.ReLU()])
                self.none = None
                self.register_module("nothing", None)

            def extra_repr(self):
                return "one\ntwo"

        class Lines(nn.Module):
            def extra_repr(self):
                return "one\n\ntwo"

        class Line(nn.Module):
            def extra_repr(self):
                return "one"

        return [repr(m) for m in (Many(), Lines(), Line(), nn.Module(), nn.Sequential(Line(), Many()), nn.ModuleDict())]

    agree(program)


def test_copies_and_pickles_are_independent():
    def program(torch, x):
        net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3), torch.nn.LSTM(3, 2))
        first = net[0](x)
        twin, thawed = copy.deepcopy(net), pickle.loads(pickle.dumps(net))
        with torch.no_grad():
            net[0].weight.zero_()
            net[1].running_mean.fill_(5.0)
        results = []
        for other in (twin, thawed):
            results += [other[0](x), other[1](first), other[2](first), repr(other), list(other.state_dict())]
            results += [type(other[0].weight).__name__, other[0].weight.requires_grad, other[0].weight.is_leaf]
            results += [other[2]._flat_weights[0] is other[2].weight_ih_l0]
        return results

    agree(program, randn(5, 2))


def test_shared_parameters_stay_shared_in_a_copy():
    def program(torch):
        net = _net(torch)
        twin = copy.deepcopy(net)
        return twin.tied is twin.first, twin.tied.weight is twin.first.weight, twin.scale is not net.scale

    agree(program)


def test_registration_hooks_may_replace():
    def program(torch):
        nn = torch.nn
        module = nn.modules.module
        seen = []

        def on_parameter(owner, name, param):
            seen.append((type(owner).__name__, name))
            return nn.Parameter(torch.zeros_like(param))

        handles = [
            module.register_module_parameter_registration_hook(on_parameter),
            module.register_module_buffer_registration_hook(lambda o, n, b: b if b is None else b + 1),
            module.register_module_module_registration_hook(lambda o, n, m: nn.ReLU() if n == "0" else None),
        ]
        try:
            linear, norm = nn.Linear(1, 1), nn.BatchNorm1d(1)
            stack = nn.Sequential(nn.Tanh(), nn.Tanh())
        finally:
            for handle in handles:
                handle.remove()
        return seen, linear.bias, norm.running_var, repr(stack), repr(nn.Sequential(nn.Tanh())), nn.Linear(1, 1).bias

    agree(program)


def test_a_buffer_registered_by_an_older_signature():
    def program(torch):
        class Old(torch.nn.Module):
            def register_buffer(self, name, tensor):
                super().register_buffer(name, tensor)

        old = Old()
        old.buffer = torch.nn.Buffer(torch.ones(1))
        return list(old.state_dict()), told(lambda: setattr(old, "other", torch.nn.Buffer(torch.ones(1), persistent=False)))

    agree(program)


def test_call_super_init_passes_arguments_on():
    def program(torch):
        class Other:
            def __init__(self, value):
                self.value = value

        class Both(torch.nn.Module, Other):
            call_super_init = True

            def __init__(self, value):
                super().__init__(value)

        return Both(3).value

    agree(program)


def test_to_empty_and_share_memory_keep_the_module():
    def program(torch):
        net = torch.nn.Linear(2, 3)
        weight = net.weight
        return net.to_empty(device="cpu") is net, net.weight is weight, net.weight.shape, net.share_memory() is net

    agree(program)


def test_parameters_follow_torchs_rules():
    def program(torch):
        nn = torch.nn
        data = torch.ones(2)
        param = nn.Parameter(data)
        with torch.no_grad():
            param.mul_(2)
        with torch.no_grad():
            inside = nn.Parameter(torch.ones(1))
        return (
            data,
            repr(param),
            repr(nn.Parameter(torch.ones(1), requires_grad=False)),
            repr(nn.Parameter()),
            inside.requires_grad,
            isinstance(param, torch.Tensor),
            type(param.data).__name__,
            type(param + 1).__name__,
            type(param.detach()).__name__,
            isinstance(nn.Buffer(torch.ones(1)), nn.Buffer),
            isinstance(torch.ones(1), nn.Buffer),
            isinstance(torch.ones(1), nn.Parameter),
            copy.deepcopy(param),
            type(copy.deepcopy(param)).__name__,
            pickle.loads(pickle.dumps(param)),
            told(lambda: nn.Parameter(torch.tensor([1])), lambda: nn.Parameter([1.0])),
        )

    agree(program)


def test_a_module_without_init_says_so():
    def program(torch):
        class Net(torch.nn.Module):
            def __init__(self):
                self.count = 3

        net = Net()
        return told(lambda: net(1), lambda: net.nothing, lambda: net.register_buffer("b", None))

    agree(program)


def test_complex_modules_warn():
    def program(torch):
        return warned(lambda: torch.nn.Linear(1, 1).to(torch.complex64))

    agree(program)


def test_compile_calls_the_module():
    def program(torch, x):
        net = torch.nn.Linear(2, 3)
        net.register_forward_hook(lambda m, args, out: out + 1)
        before = net(x)
        if torch.__name__ == "torchlike":  # torch's own compiler needs a C++ toolchain
            net.compile()
        return before, net(x)

    agree(program, randn(4, 2))
