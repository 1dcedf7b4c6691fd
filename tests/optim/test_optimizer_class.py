"""The `Optimizer` class against torch: groups, names, hooks, closures, and refusals in torch's words."""

import warnings

import pytest
import torch

import torchlike
from tests.differential import agree

WRONG = [
    ("SGD", {"lr": -1.0}),
    ("SGD", {"momentum": -0.1}),
    ("SGD", {"weight_decay": -0.1}),
    ("SGD", {"nesterov": True}),
    ("SGD", {"nesterov": True, "momentum": 0.9, "dampening": 0.1}),
    ("SGD", {"fused": True, "foreach": True}),
    ("SGD", {"fused": True, "differentiable": True}),
    ("Adam", {"lr": -1.0}),
    ("Adam", {"eps": -1.0}),
    ("Adam", {"betas": (1.0, 0.9)}),
    ("Adam", {"betas": (0.9, -0.1)}),
    ("Adam", {"betas": (0, 0.9)}),
    ("Adam", {"weight_decay": -1}),
    ("Adam", {"fused": True, "foreach": True}),
    ("AdamW", {"weight_decay": -1}),
    ("RMSprop", {"lr": -1.0}),
    ("RMSprop", {"eps": -1.0}),
    ("RMSprop", {"alpha": -1.0}),
    ("RMSprop", {"momentum": -1.0}),
    ("Adagrad", {"lr_decay": -0.5}),
    ("Adagrad", {"initial_accumulator_value": -0.5}),
    ("Adagrad", {"eps": -0.5}),
    ("Adadelta", {"rho": 1.1}),
    ("Adadelta", {"eps": -0.5}),
    ("Adafactor", {"lr": -1.0}),
    ("Adafactor", {"beta2_decay": 0.8}),
    ("Adafactor", {"eps": (-1.0, 1e-3)}),
    ("Adafactor", {"eps": (None, -1e-3)}),
    ("Adafactor", {"d": 0.5}),
    ("Muon", {}),
    ("Muon", {"adjust_lr_fn": "none"}),
    ("Muon", {"momentum": -1.0}),
    ("Adamax", {"betas": (0.0, 1.0)}),
    ("NAdam", {"momentum_decay": -0.2}),
    ("RAdam", {"weight_decay": -1}),
    ("ASGD", {"weight_decay": -0.5}),
    ("Rprop", {"etas": (1.0, 0.5)}),
    ("SparseAdam", {"betas": (1.0, 0.0)}),
    ("LBFGS", {"lr": -1.0}),
]


@pytest.mark.parametrize(("name", "options"), WRONG, ids=str)
def test_numbers_out_of_range_are_refused(name, options):
    agree(lambda lib: getattr(lib.optim, name)([lib.ones(1, requires_grad=True)], **options))


BAD_PARAMETERS = {
    "none": lambda lib: [],
    "one tensor": lambda lib: lib.ones(2),
    "no tensor": lambda lib: [1.0],
    "text": lambda lib: ["weight"],
    "not a leaf": lambda lib: [lib.ones(2, requires_grad=True) * 2],
    "a set": lambda lib: [{"params": {lib.ones(2)}}],
    "a name is missing": lambda lib: [("a", lib.ones(2)), lib.ones(2)],
}


@pytest.mark.parametrize("what", BAD_PARAMETERS)
def test_parameters_that_cannot_be_optimized_are_refused(what):
    message = what != "one tensor"  # there the name of the tensor's class is in the sentence
    agree(lambda lib: lib.optim.SGD(BAD_PARAMETERS[what](lib), lr=0.1), message=message)


def test_a_parameter_is_in_one_group_only():
    def program(lib):
        p = lib.ones(2)
        lib.optim.SGD([{"params": [p]}, {"params": [p]}], lr=0.1)

    agree(program)


def test_a_parameter_twice_in_a_group_warns():
    p = torchlike.ones(2)
    with pytest.warns(UserWarning, match="duplicate parameters"):
        torchlike.optim.SGD([p, p], lr=0.1)


def test_groups_are_dicts_and_all_named_or_none():
    def not_a_dict(lib):
        lib.optim.SGD([lib.ones(2)]).add_param_group([lib.ones(2)])

    def half_named(lib):
        lib.optim.SGD([("a", lib.ones(2))]).add_param_group({"params": [lib.ones(2)]})

    agree(not_a_dict)
    agree(half_named)


def test_names_travel_with_the_state_dict():
    def program(lib):
        model = lib.nn.Linear(2, 2)
        named = lib.optim.SGD(model.named_parameters(), lr=0.1)
        plain = lib.optim.SGD(model.parameters(), lr=0.2)
        saved = named.state_dict()
        plain.load_state_dict(saved)
        named.load_state_dict({**saved, "param_groups": [{k: v for k, v in g.items() if k != "param_names"}
                                                         for g in saved["param_groups"]]})  # fmt: skip
        return saved, plain.state_dict(), named.state_dict(), repr(named)

    agree(program)


@pytest.mark.parametrize("damage", ["groups", "sizes"])
def test_a_state_dict_that_does_not_fit_changes_nothing(damage):
    def program(lib):
        one, two = lib.optim.SGD([lib.ones(2)], lr=0.1), lib.optim.SGD([lib.ones(2), lib.ones(2)], lr=0.3)
        saved = two.state_dict()
        if damage == "groups":
            saved["param_groups"] = saved["param_groups"] * 2
        try:
            one.load_state_dict(saved)
        except ValueError as error:
            return str(error), one.state_dict()
        return None

    agree(program)


def test_loading_casts_to_the_parameters():
    def program(lib):
        saved = {
            "state": {0: {"step": lib.tensor(3.0), "exp_avg": lib.ones(2).double(), "exp_avg_sq": lib.ones(2).half()}},
            "param_groups": lib.optim.Adam([lib.ones(2)]).state_dict()["param_groups"],
        }
        optimizer = lib.optim.Adam([lib.ones(2, requires_grad=True)])
        optimizer.load_state_dict(saved)
        return optimizer.state_dict()

    agree(program)


def test_old_checkpoints_with_plain_numbers_load():
    def program(lib):
        saved = {
            "state": {0: {"step": 3, "exp_avg": lib.ones(2), "exp_avg_sq": lib.ones(2)}},
            "param_groups": [{"lr": 0.1, "betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": 0, "params": [0]}],
        }
        p = lib.ones(2, requires_grad=True)
        optimizer = lib.optim.AdamW([p])
        optimizer.load_state_dict(saved)
        p.grad = lib.ones(2)
        optimizer.step()
        return p.detach(), optimizer.state_dict()

    agree(program)


def test_zero_grad():
    def program(lib):
        p = lib.ones(2, requires_grad=True)
        optimizer = lib.optim.SGD([p], lr=0.1)
        p.grad = lib.ones(2)
        kept = p.grad
        optimizer.zero_grad(set_to_none=False)
        zeros = p.grad.clone()
        optimizer.zero_grad()
        return kept, zeros, p.grad

    agree(program)


def test_closures_run_with_grad_and_give_the_loss():
    def program(lib):
        p = lib.ones(2, requires_grad=True)
        optimizer = lib.optim.SGD([p], lr=0.1)

        def closure():
            optimizer.zero_grad()
            loss = (p * p).sum()
            loss.backward()
            return loss

        with lib.no_grad():
            losses = [optimizer.step(closure).detach() for _ in range(3)]
        return losses, p.detach()

    agree(program)


def test_hooks_are_called_in_order_and_can_be_removed():
    def program(lib):
        from importlib import import_module

        module = import_module(f"{lib.__name__}.optim.optimizer")
        seen = []

        def note(what):
            return lambda *_: seen.append(what)

        p = lib.ones(2, requires_grad=True)
        p.grad = lib.ones(2)
        optimizer = lib.optim.SGD([p], lr=0.1)
        handles = [
            optimizer.register_step_post_hook(note("post")),
            optimizer.register_step_pre_hook(note("pre")),
            module.register_optimizer_step_pre_hook(note("global pre")),
            module.register_optimizer_step_post_hook(note("global post")),
            optimizer.register_state_dict_pre_hook(note("state pre 1")),
            optimizer.register_state_dict_pre_hook(note("state pre 2"), prepend=True),
            optimizer.register_state_dict_post_hook(lambda o, state: {**state, "extra": 1}),
            optimizer.register_load_state_dict_pre_hook(lambda o, state: {k: state[k] for k in ("state", "param_groups")}),
            optimizer.register_load_state_dict_post_hook(note("loaded")),
        ]
        optimizer.step()
        saved = optimizer.state_dict()
        optimizer.load_state_dict(saved)
        for handle in handles:
            handle.remove()
        optimizer.step()
        return seen, saved["extra"], list(optimizer.state_dict())

    agree(program)


def test_a_pre_hook_may_replace_the_arguments():
    def program(lib):
        p = lib.ones(2, requires_grad=True)
        optimizer = lib.optim.SGD([p], lr=0.1)
        optimizer.register_step_pre_hook(lambda o, args, kwargs: ((args[0], lambda: 7), {}))
        result = optimizer.step()
        optimizer.register_step_pre_hook(lambda o, args, kwargs: 5)
        with pytest.raises(RuntimeError, match="must return None or a tuple"):
            optimizer.step()
        return result

    agree(program)


def test_own_optimizers_written_in_torch():
    def program(lib):
        class Sign(lib.optim.Optimizer):
            def __init__(self, params, lr):
                super().__init__(params, {"lr": lr})

            @lib.no_grad()
            def step(self, closure=None):
                for group in self.param_groups:
                    for p in group["params"]:
                        state = self.state[p]
                        state.setdefault("count", 0)
                        state["count"] += 1
                        p.add_(p.grad.sign(), alpha=-group["lr"])

        p = lib.tensor([1.0, -2.0], requires_grad=True)
        optimizer = Sign([p], 0.1)
        calls = []
        optimizer.register_step_post_hook(lambda *_: calls.append(1))
        for _ in range(3):
            optimizer.zero_grad()
            (p * p).sum().backward()
            optimizer.step()
        return p.detach(), optimizer.state_dict(), calls, repr(optimizer)

    agree(program)


def test_required_options():
    def program(lib):
        from importlib import import_module

        required = import_module(f"{lib.__name__}.optim.optimizer").required
        lib.optim.Optimizer([lib.ones(2)], {"lr": required})

    agree(program)


def test_capturable_is_for_accelerators():
    def program(lib):
        p = lib.ones(2, requires_grad=True)
        p.grad = lib.ones(2)
        lib.optim.Adam([p], capturable=True).step()

    agree(program)


def test_differentiable_says_what_to_use_instead():
    p = torchlike.ones(2, requires_grad=True)
    p.grad = torchlike.ones(2)
    with pytest.raises(NotImplementedError, match="transform"):
        torchlike.optim.Adam([p], differentiable=True).step()


def test_sparse_adam_wants_sparse_gradients():
    def program(lib):
        p = lib.ones(2, requires_grad=True)
        p.grad = lib.ones(2)
        lib.optim.SparseAdam([p]).step()

    agree(program)


def test_public_names_are_torchs():
    theirs = set(torch.optim.__all__)
    missing = theirs - set(torchlike.optim.__all__)
    assert missing == {"swap_in_optimizer_params_and_state"}  # new in 2.13, for distributed checkpoints
    assert set(torchlike.optim.__all__) - theirs == {"from_optax"}


def test_constructors_have_torchs_signatures():
    import inspect

    for name in sorted(set(torch.optim.__all__) & set(torchlike.optim.__all__)):
        theirs, ours = getattr(torch.optim, name), getattr(torchlike.optim, name)
        if not isinstance(theirs, type):
            continue
        expected, found = (
            [(p.name, p.kind, p.default) for p in inspect.signature(cls).parameters.values()] for cls in (theirs, ours)
        )
        assert found == expected, name


def test_nothing_warns_in_ordinary_use():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        p = torchlike.ones(2, requires_grad=True)
        optimizer = torchlike.optim.SGD([p], lr=0.1, momentum=0.9)
        scheduler = torchlike.optim.lr_scheduler.StepLR(optimizer, 1)
        p.grad = torchlike.ones(2)
        optimizer.step()
        scheduler.step()
