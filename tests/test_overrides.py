"""`torch.overrides`: the protocol for functions of one's own."""

from tests.programs import Table, programs, same


class Duck:
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return (func.__name__, [t.__name__ for t in types], len(args), kwargs)


class Bird(Duck):
    pass


class Silent:
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return NotImplemented


def wrapped(torch):
    @torch.overrides.wrap_torch_function(lambda a, b=None: (a, b))
    def mine(a, b=None):
        return "mine"

    return mine


def subclass(torch):
    class Sub(torch.Tensor):
        pass

    return torch.ones(2).as_subclass(Sub)


PROGRAMS = Table({
    "who takes part": lambda torch: [torch.overrides.has_torch_function((x,)) for x in (
        torch.ones(2), subclass(torch), Duck(), 3, torch.nn.Parameter(torch.ones(1)))],
    "one or several": lambda torch: (torch.nn.functional.has_torch_function_unary(Duck()),
                                     torch.nn.functional.has_torch_function_variadic(torch.ones(1), Duck()),
                                     torch.nn.functional.has_torch_function_variadic(torch.ones(1), 3)),
    "asked": lambda torch: torch.nn.functional.handle_torch_function(torch.add, (Duck(),), Duck(), torch.ones(2), alpha=2),
    "a subclass first": lambda torch: torch.overrides.handle_torch_function(torch.add, (Duck(), Bird()), 1),
    "in order": lambda torch: torch.overrides.handle_torch_function(torch.add, (Silent(), Duck(), Duck()), 1),
    "no answer": lambda torch: torch.overrides.handle_torch_function(torch.add, (Silent(),), 1),
    "a function of one's own": lambda torch: [wrapped(torch)(*a) for a in ((torch.ones(1),), (Duck(),), (torch.ones(1), Duck()))],
    "with a subclass": lambda torch: wrapped(torch)(subclass(torch)),
    "like a tensor": lambda torch: [torch.overrides.is_tensor_like(x) for x in (torch.ones(1), Duck(), 3, subclass(torch))],
    "names": lambda torch: [torch.overrides.resolve_name(f) for f in (
        torch.add, torch.nn.functional.relu, torch.linalg.norm, torch.Tensor.shape.__get__ if hasattr(torch.Tensor.shape, "__objclass__")
        else torch.Tensor.shape.fget, 3)],
    "methods": lambda torch: [torch.overrides.is_tensor_method_or_property(f) for f in (torch.Tensor.view, torch.nn.functional.relu)],
    "what may be overridden": lambda torch: [f in torch.overrides.get_overridable_functions()[torch] for f in (torch.add, torch.zeros)],
    "what may not": lambda torch: torch.zeros in torch.overrides.get_ignored_functions(),
})  # fmt: skip


@programs(PROGRAMS)
def test_a_program_does_the_same(program) -> None:
    same(program)
