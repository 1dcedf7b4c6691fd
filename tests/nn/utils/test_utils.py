"""Clipping, vectors of parameters, parametrizations, old-style norms, fusion, functional calls."""

import copy

import pytest

from tests.differential import agree, randn
from tests.nn.told import told, warned


def _trained(torch, x):
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1))
    (net(x) * 10).sum().backward()
    return net


@pytest.mark.parametrize("norm_type", [2.0, 1, 0.5, float("inf")])
def test_clipping_by_norm(norm_type):
    def program(torch, x):
        clip = torch.nn.utils.clip_grad_norm_
        net = _trained(torch, x)
        first = clip(net.parameters(), 1.0, norm_type)
        again = clip(list(net.parameters()), 100.0, norm_type)
        one = clip(net[0].weight, 0.1, norm_type)
        return first, again, one, [p.grad for p in net.parameters()]

    agree(program, randn(4, 2), tolerance=5.0)  # roots of sums


def test_clipping_corner_cases():
    def program(torch, x):
        utils = torch.nn.utils
        net = _trained(torch, x)
        net[0].bias.grad = None
        utils.clip_grad_value_(net.parameters(), 0.5)
        clipped = [p.grad for p in net.parameters()]
        net[0].weight.grad.fill_(float("nan"))
        return (
            clipped,
            utils.clip_grad_norm_([], 1.0),
            utils.get_total_norm([torch.ones(2), torch.ones(3)]),
            warned(lambda: utils.clip_grad_norm_((p for p in []), 1.0)),
            warned(lambda: utils.clip_grad_norm(net[2].parameters(), 1.0)),
            told(lambda: utils.clip_grad_norm_(net.parameters(), 1.0, error_if_nonfinite=True)),
        )

    agree(program, randn(4, 2))


def test_parameters_as_a_vector():
    def program(torch, x):
        utils = torch.nn.utils
        net = _trained(torch, x)
        vector = utils.parameters_to_vector(net.parameters())
        utils.vector_to_parameters(vector * 2, net.parameters())
        return vector, net(x), told(lambda: utils.vector_to_parameters([1], net.parameters()))

    agree(program, randn(4, 2))


def test_parametrized_weights():
    def program(torch, x):
        parametrize = torch.nn.utils.parametrize

        class Symmetric(torch.nn.Module):
            def forward(self, w):
                return w.triu() + w.triu(1).transpose(-1, -2)

            def right_inverse(self, w):
                return w.triu()

        class Double(torch.nn.Module):
            def forward(self, w):
                return w * 2

        net = torch.nn.Linear(3, 3)
        parametrize.register_parametrization(net, "weight", Symmetric())
        parametrize.register_parametrization(net, "weight", Double())
        names = [n for n, _ in net.named_parameters()]
        value, result = net.weight, net(x)
        result.sum().backward()
        gradient = net.parametrizations.weight.original.grad
        with parametrize.cached():
            cached = net.weight is net.weight
        twin = copy.deepcopy(net)
        facts = (
            repr(net),
            type(net).__name__,
            parametrize.is_parametrized(net),
            parametrize.is_parametrized(net, "bias"),
            parametrize.type_before_parametrizations(net).__name__,
            cached,
            twin(x),
            list(net.state_dict()),
        )
        errors = told(
            lambda: setattr(net, "weight", torch.ones(3, 3)),
            lambda: copy.copy(net).__reduce_ex__(2),
            lambda: parametrize.register_parametrization(net, "nothing", Double()),
            lambda: parametrize.remove_parametrizations(net, "bias"),
        )
        parametrize.remove_parametrizations(net, "weight")
        return names, value, result, gradient, facts, [str(e).splitlines()[0] for e in errors], repr(net), net.weight

    agree(program, randn(2, 3))


def test_parametrizations_are_checked():
    def program(torch):
        parametrize = torch.nn.utils.parametrize

        class Fn(torch.nn.Module):
            def __init__(self, forward, inverse=None):
                super().__init__()
                self.forward = forward
                if inverse is not None:
                    self.right_inverse = inverse

        def register(*args, **kwargs):
            def statement():
                net = torch.nn.Linear(2, 2)
                parametrize.register_parametrization(net, "weight", Fn(lambda w: w))
                net = net if kwargs.pop("on_top", False) else torch.nn.Linear(2, 2)
                parametrize.register_parametrization(net, "weight", Fn(*args), **kwargs)
                return net.weight

            return statement

        return told(
            register(lambda w: w.double()),
            register(lambda w: w.double(), on_top=True),
            register(lambda w: w[:1]),
            register(lambda w: w[:1], on_top=True),
            register(lambda w: 3),
            register(lambda w: 3, on_top=True),
            register(lambda w: w, lambda w: 3),
            register(lambda w: w, lambda w: w.double()),
            register(lambda w: w, lambda w: w.double(), on_top=True),
            register(lambda w: w, lambda w: [3]),
            register(lambda w: w, lambda w: w[:1], on_top=True),
            lambda: parametrize.ParametrizationList([], torch.ones(1)),
        )

    agree(program)


def test_weight_norm():
    def program(torch, x):
        utils = torch.nn.utils
        net = utils.parametrizations.weight_norm(torch.nn.Linear(2, 3))
        result = net(x)
        result.sum().backward()
        grads = [p.grad for p in net.parameters()]
        keys = list(net.state_dict())
        old = warned(lambda: utils.weight_norm(torch.nn.Linear(2, 3)))
        hooked = utils.weight_norm(torch.nn.Conv1d(2, 3, 2), dim=None)
        state = {"weight_g": torch.ones(3, 1), "weight_v": torch.ones(3, 2), "bias": torch.zeros(3)}
        loaded = repr(net.load_state_dict(state)), net(x)
        before = hooked(x.t()), list(hooked.state_dict()), repr(hooked)
        after = utils.remove_weight_norm(hooked)(x.t()), list(hooked.state_dict())
        again = told(lambda: utils.remove_weight_norm(hooked))
        with torch.no_grad():
            net.weight = torch.eye(3, 2)
        return result, grads, keys, old, loaded, before, after, again, net.weight

    agree(program, randn(5, 2))


def test_spectral_norm():
    def program(torch, x):
        utils = torch.nn.utils
        net = utils.parametrizations.spectral_norm(torch.nn.Linear(2, 3), n_power_iterations=2)
        results = [net(x), net(x)]
        results[1].sum().backward()
        net.eval()
        results.append(net(x))
        hooked = utils.spectral_norm(torch.nn.ConvTranspose1d(2, 3, 2))
        results += [hooked(x.t()), hooked(x.t()), list(hooked.state_dict())]
        hooked.load_state_dict(hooked.state_dict())
        results += [utils.remove_spectral_norm(hooked)(x.t()), list(hooked.state_dict())]
        errors = told(
            lambda: utils.remove_spectral_norm(hooked),
            lambda: utils.spectral_norm(torch.nn.Linear(2, 2), n_power_iterations=0),
            lambda: utils.parametrizations.spectral_norm(torch.nn.Linear(2, 2), dim=5),
            lambda: utils.parametrizations.spectral_norm(torch.nn.ReLU()),
        )
        return results, [p.grad for p in net.parameters()], net.state_dict(), errors

    agree(program, randn(5, 2), tolerance=10.0)  # power iteration


def test_fusion_with_batch_norm():
    def program(torch, image, x):
        nn, utils = torch.nn, torch.nn.utils
        conv, up, linear = nn.Conv2d(2, 3, 3), nn.ConvTranspose2d(2, 3, 3, bias=False), nn.Linear(2, 3)
        norm, flat = nn.BatchNorm2d(3), nn.BatchNorm1d(3)
        for _ in range(3):
            norm(conv(image))
            flat(linear(x))
        for m in (conv, up, linear, norm, flat):
            m.eval()
        return (
            utils.fuse_conv_bn_eval(conv, norm)(image),
            norm(conv(image)),
            utils.fuse_conv_bn_eval(up, norm, transpose=True)(image),
            utils.fuse_linear_bn_eval(linear, flat)(x),
            told(
                lambda: utils.fuse_conv_bn_eval(conv.train(), norm),
                lambda: utils.fuse_linear_bn_eval(linear, nn.BatchNorm1d(2).eval()),
            ),
        )

    agree(program, randn(2, 2, 5, 5), randn(4, 2), tolerance=10.0)  # two roundings of the weight


def test_functional_calls():
    def program(torch, x):
        call = torch.nn.utils.stateless._functional_call
        net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
        net.tied = net[0]
        weight = torch.ones(2, 2, requires_grad=True)
        buffers = {"0.weight": weight, "1.running_mean": torch.zeros(2), "1.num_batches_tracked": torch.tensor(7)}
        result = call(torch.nn.Sequential(*net), buffers, x)
        result.sum().backward()

        class Tied(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.a = torch.nn.Linear(2, 2)
                self.b = self.a

            def forward(self, x, scale=1):
                return self.b(self.a(x)) * scale

        tied = Tied()
        other = torch.zeros(2, 2)
        return (
            result,
            weight.grad,
            buffers["1.num_batches_tracked"],
            net[1].num_batches_tracked,
            call(tied, {"a.weight": other}, (x,), {"scale": 2}),
            call(tied, {"a.weight": other}, x, tie_weights=False),
            told(
                lambda: call(tied, {"a.weight": other, "b.weight": other + 1}, x),
                lambda: call(tied, {"a.weight": other}, x, strict=True),
                lambda: call(tied, {"nothing": other}, x, strict=True),
            ),
            warned(lambda: torch.nn.utils.stateless.functional_call(tied, {}, x)),
        )

    agree(program, randn(4, 2))


def test_sdpa_kernel_is_accepted():
    def program(torch):
        attention = torch.nn.attention
        with attention.sdpa_kernel([attention.SDPBackend.MATH]):
            inside = attention._cur_sdpa_kernel_backends()
        return [str(b) for b in inside], told(lambda: attention.sdpa_kernel("math").__enter__())

    agree(program)


def test_skip_init_draws_nothing():
    def program(torch):
        skip = torch.nn.utils.skip_init
        made = skip(torch.nn.Linear, 2, 3, dtype=torch.float64)
        return (
            made.weight.shape,
            made.weight.dtype,
            made.weight.device,
            torch.rand(2),
            told(lambda: skip(torch.nn.ReLU), lambda: skip(dict)),
        )

    agree(program)


def test_memory_formats_of_convolutions():
    def program(torch):
        utils = torch.nn.utils
        net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 2), torch.nn.Conv3d(2, 3, 2), torch.nn.Linear(2, 2))
        before = [p.clone() for p in net.parameters()]
        utils.convert_conv2d_weight_memory_format(net, torch.channels_last)
        utils.convert_conv3d_weight_memory_format(net, torch.channels_last_3d)
        return before, [(p, p.stride(), p.requires_grad) for p in net.parameters()]

    agree(program)
