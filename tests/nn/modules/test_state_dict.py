"""State dicts: what is saved, strict reports, assignment, old versions, extra state."""

from collections import OrderedDict

from tests.differential import agree, randn
from tests.nn.told import told, warned


def test_strict_reports_list_everything():
    def program(torch):
        nn = torch.nn
        net = nn.Sequential(OrderedDict(a=nn.Linear(2, 3), b=nn.BatchNorm1d(3)))
        good = net.state_dict()

        def load(state, **options):
            return lambda: repr(net.load_state_dict(state, **options))

        def changed(**changes):
            state = OrderedDict(good)
            for key, value in changes.items():
                key = key.replace("__", ".")
                if value is None:
                    del state[key]
                else:
                    state[key] = value
            return state

        one = torch.ones(1)
        results = told(
            load(good),
            load({}),
            load({}, strict=False),
            load(changed(a__weight=None, c__d=one)),
            load(changed(a__weight=None, a__nothing=one, nothing=one), strict=False),
            load(changed(a__weight=torch.ones(2, 2), b__bias=torch.ones(4), x=one)),
            load(changed(a__weight=torch.ones(2, 2)), strict=False),
            load(changed(a__weight=3)),
            load([1, 2]),
            load(changed(b__num_batches_tracked=torch.ones(1, dtype=torch.long))),
            load(changed(a__weight=torch.ones(3, 2, dtype=torch.float64))),
        )
        return results, net.state_dict()

    agree(program)


def test_what_fits_is_loaded_before_the_report():
    def program(torch):
        net = torch.nn.Linear(2, 1)
        found = told(lambda: net.load_state_dict({"weight": torch.full((1, 2), 7.0), "nothing": torch.ones(1)}))
        return found, net.weight

    agree(program)


def test_values_are_shared_or_detached_as_torch_does():
    def program(torch):
        net = torch.nn.Linear(2, 1)
        state = net.state_dict()
        kept = net.state_dict(keep_vars=True)
        with torch.no_grad():
            net.weight.fill_(3.0)
        into = OrderedDict()
        return (
            state["weight"],
            state["weight"].requires_grad,
            kept["weight"] is net.weight,
            net.state_dict(destination=into) is into,
            list(into),
            hasattr(into, "_metadata"),
            type(state).__name__,
        )

    agree(program)


def test_positional_arguments_warn():
    def program(torch):
        net = torch.nn.Linear(2, 1)
        into = OrderedDict()
        return warned(lambda: net.state_dict(into, "p.", True)), list(into), into["p.weight"] is net.weight

    agree(program)


def test_loading_copies_and_casts_in_place():
    def program(torch, weight):
        net = torch.nn.Linear(2, 3)
        before = net.weight
        state = {"weight": weight.double(), "bias": torch.zeros(3)}
        net.load_state_dict(state)
        state["bias"].fill_(9.0)
        return net.weight is before, net.weight, net.weight.dtype, net.bias, net.weight.requires_grad

    agree(program, randn(3, 2))


def test_assign_puts_the_tensors_in():
    def program(torch, weight):
        net = torch.nn.Linear(2, 3)
        net.bias.requires_grad_(False)
        norm = torch.nn.BatchNorm1d(3)
        own = torch.nn.Parameter(torch.zeros(3), requires_grad=True)
        net.load_state_dict({"weight": weight.double(), "bias": own}, assign=True)
        mean = torch.full((3,), 2.0)
        norm.load_state_dict({**norm.state_dict(), "running_mean": mean}, assign=True)
        return (
            net.weight.dtype,
            net.weight,
            type(net.weight).__name__,
            net.weight.requires_grad,
            net.bias is own,
            net.bias.requires_grad,
            norm.running_mean is mean,
        )

    agree(program, randn(3, 2))


def test_extra_state():
    def program(torch):
        class Extra(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.value = 1

            def get_extra_state(self):
                return {"value": self.value}

            def set_extra_state(self, state):
                self.value = state["value"]

        net = torch.nn.Sequential(Extra(), torch.nn.Linear(1, 1))
        state = net.state_dict()
        state["0._extra_state"] = {"value": 5}
        net.load_state_dict(state)
        value = net[0].value
        del state["0._extra_state"]
        plain = torch.nn.Sequential(torch.nn.ReLU())
        return (
            list(state),
            value,
            told(
                lambda: net.load_state_dict(state),
                lambda: plain.load_state_dict({"0._extra_state": 1}),
                lambda: plain.get_extra_state(),
            ),
        )

    agree(program)


def test_older_versions_are_brought_up_to_date():
    def program(torch):
        norm = torch.nn.BatchNorm1d(2)
        norm.num_batches_tracked.fill_(4)
        old = OrderedDict((k, v) for k, v in norm.state_dict().items() if k != "num_batches_tracked")
        first = repr(norm.load_state_dict(old))
        old._metadata = {"": {"version": 2}}
        instance = torch.nn.InstanceNorm1d(2)
        return first, told(
            lambda: norm.load_state_dict(old),
            lambda: instance.load_state_dict({"running_mean": torch.ones(2), "running_var": torch.ones(2)}),
        )

    agree(program)


def test_prefixes_are_consumed():
    def program(torch):
        consume = torch.nn.modules.utils.consume_prefix_in_state_dict_if_present
        wrapper = torch.nn.Module()
        wrapper.module = torch.nn.Sequential(torch.nn.Linear(1, 1))
        state = wrapper.state_dict()
        consume(state, "module.")
        plain = {"a": 1, "module.b": 2}
        consume(plain, "module.")
        return list(state), list(state._metadata), plain

    agree(program)


def test_custom_loading_is_called_for_every_module():
    def program(torch):
        class Renamed(torch.nn.Linear):
            def _load_from_state_dict(self, state, prefix, *args, **kwargs):
                for old, new in (("w", "weight"), ("b", "bias")):
                    if prefix + old in state:
                        state[prefix + new] = state.pop(prefix + old)
                super()._load_from_state_dict(state, prefix, *args, **kwargs)

        net = torch.nn.Sequential(Renamed(1, 1), torch.nn.ReLU())
        given = {"0.w": torch.zeros(1, 1), "0.b": torch.ones(1)}
        return repr(net.load_state_dict(given)), list(given), net[0].bias

    agree(program)
