"""Sequential, ModuleList, ModuleDict, ParameterList and ParameterDict behave as lists and dicts, and as torch's."""

from collections import OrderedDict

from tests.differential import agree, randn
from tests.nn.told import told


def test_sequential_is_a_list():
    def program(torch):
        nn = torch.nn

        def fresh():
            return nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 3))

        def changed(change):
            def statement():
                s = fresh()
                result = change(s)
                return repr(s), repr(result)

            return statement

        named = nn.Sequential(OrderedDict(a=nn.ReLU(), b=nn.Tanh()))
        return told(
            changed(lambda s: s[0]),
            changed(lambda s: s[-1]),
            changed(lambda s: s[3]),
            changed(lambda s: s[1:]),
            changed(lambda s: s["a"]),
            changed(lambda s: s.__setitem__(1, nn.Tanh())),
            changed(lambda s: s.__setitem__(5, nn.Tanh())),
            changed(lambda s: s.__delitem__(0)),
            changed(lambda s: s.__delitem__(slice(0, 2))),
            changed(lambda s: s.__delitem__(-1)),
            changed(lambda s: s.append(nn.Tanh())),
            changed(lambda s: s.append(3)),
            changed(lambda s: s.extend([nn.Tanh(), nn.ELU()])),
            changed(lambda s: s.insert(0, nn.Tanh())),
            changed(lambda s: s.insert(-1, nn.Tanh())),
            changed(lambda s: s.insert(4, nn.Tanh())),
            changed(lambda s: s.insert(3, nn.Tanh())),
            changed(lambda s: s.pop(1)),
            changed(lambda s: s.pop(slice(1, 3))),
            changed(lambda s: s + nn.Sequential(nn.ELU())),
            changed(lambda s: s.__add__([nn.ELU()])),
            changed(lambda s: s.__iadd__(nn.Sequential(nn.ELU()))),
            changed(lambda s: s.__iadd__(3)),
            changed(lambda s: s * 2),
            changed(lambda s: 2 * s),
            changed(lambda s: s * 0),
            changed(lambda s: s * 1.5),
            changed(lambda s: s.__imul__(2)),
            changed(lambda s: s.__imul__(-1)),
            lambda: (len(named), repr(named), repr(named[1]), repr(named[:1]), named.a is named[0]),
            lambda: [type(m).__name__ for m in named],
            lambda: [n for n in dir(fresh()) if n.isdigit()],
            lambda: repr(nn.Sequential()),
            lambda: nn.Sequential(3),
            lambda: nn.Sequential(nn.ReLU())(3),
        )

    agree(program, message=False)


def test_sequential_runs_in_order():
    def program(torch, x):
        net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh())
        net.append(torch.nn.Linear(3, 1))
        return net(x), list(net.state_dict()), torch.nn.Sequential()(x)

    agree(program, randn(4, 2))


def test_module_list():
    def program(torch):
        nn = torch.nn

        def fresh():
            return nn.ModuleList([nn.Linear(1, 2), nn.Linear(1, 2), nn.ReLU()])

        def changed(change):
            def statement():
                s = fresh()
                result = change(s)
                return repr(s), repr(result)

            return statement

        return told(
            changed(lambda s: s[1]),
            changed(lambda s: s[-1]),
            changed(lambda s: s[-4]),
            changed(lambda s: s[1:]),
            changed(lambda s: s.__setitem__(1, nn.Tanh())),
            changed(lambda s: s.__setitem__(-1, nn.Tanh())),
            changed(lambda s: s.__setitem__(7, nn.Tanh())),
            changed(lambda s: s.__delitem__(0)),
            changed(lambda s: s.__delitem__(slice(None, None, 2))),
            changed(lambda s: s.__delitem__(3)),
            changed(lambda s: s.append(nn.Tanh())),
            changed(lambda s: s.extend(nn.ModuleList([nn.Tanh()]))),
            changed(lambda s: s.extend(3)),
            changed(lambda s: s.__iadd__([nn.Tanh()])),
            changed(lambda s: s.__add__([nn.Tanh()])),
            changed(lambda s: s.insert(1, nn.Tanh())),
            changed(lambda s: s.pop(0)),
            changed(lambda s: s.pop(5)),
            lambda: len(fresh()),
            lambda: [type(m).__name__ for m in fresh()],
            lambda: repr(nn.ModuleList()),
            lambda: repr(nn.ModuleList([fresh(), fresh()])),
            lambda: list(fresh().state_dict()),
            lambda: nn.ModuleList()(1),
        )

    agree(program)


def test_module_dict():
    def program(torch):
        nn = torch.nn
        d = nn.ModuleDict({"a": nn.ReLU(), "b": nn.Tanh()})

        def run(change):
            def statement():
                result = change()
                return repr(d), list(d), result if isinstance(result, (int, bool, str)) else repr(result)

            return statement

        return told(
            run(lambda: d["a"]),
            run(lambda: d["z"]),
            run(lambda: d.__setitem__("c", nn.ELU())),
            run(lambda: d.__setitem__("keys", nn.ELU())),
            run(lambda: d.__setitem__("d", 3)),
            run(lambda: "a" in d),
            run(lambda: len(d)),
            run(lambda: d.pop("b")),
            run(lambda: d.pop("b")),
            run(lambda: d.update([["x", nn.ReLU()], ["y", nn.Tanh()]])),
            run(lambda: d.update(nn.ModuleDict({"m": nn.ReLU()}))),
            run(lambda: d.update(3)),
            run(lambda: d.update([3])),
            run(lambda: d.update([[1, 2, 3]])),
            run(lambda: list(d.keys())),
            run(lambda: [type(v).__name__ for v in d.values()]),
            run(lambda: [k for k, _ in d.items()]),
            run(lambda: d.__delitem__("x")),
            run(lambda: d.clear()),
        )

    agree(program)


def test_parameter_list():
    def program(torch):
        nn = torch.nn
        p = nn.ParameterList([nn.Parameter(torch.ones(1)), torch.zeros(2, 3), "text"])

        def run(change):
            def statement():
                result = change()
                return repr(p), len(p), result if isinstance(result, (int, bool, str)) else repr(result)

            return statement

        return told(
            run(lambda: p[0]),
            run(lambda: p[-1]),
            run(lambda: p[1:]),
            run(lambda: p[3]),
            run(lambda: p.__setitem__(0, torch.ones(3))),
            run(lambda: p.__setitem__(9, torch.ones(3))),
            run(lambda: p.append(torch.ones(1, dtype=torch.float64))),
            run(lambda: p.extend([torch.ones(1)])),
            run(lambda: p.extend(torch.ones(1))),
            run(lambda: p.extend(3)),
            run(lambda: p.__iadd__([torch.ones(1)])),
            lambda: [name for name, _ in p.named_parameters()],
            lambda: list(p.state_dict()),
            lambda: [type(v).__name__ for v in p],
            lambda: p(1),
            lambda: repr(nn.ParameterList()),
            lambda: [n for n in dir(p) if n.isdigit()],
        )

    agree(program)


def test_parameter_dict():
    def program(torch):
        nn = torch.nn
        d = nn.ParameterDict({"b": torch.ones(1), "a": nn.Parameter(torch.zeros(2, 3)), "t": "text"})

        def run(change):
            def statement():
                result = change()
                return repr(d), list(d), result if isinstance(result, (int, bool, str)) else repr(result)

            return statement

        return told(
            run(lambda: d["a"]),
            run(lambda: d["z"]),
            run(lambda: d.__setitem__("c", torch.ones(3))),
            run(lambda: d[3]),
            run(lambda: "a" in d),
            run(lambda: len(d)),
            run(lambda: d.get("z", 3)),
            run(lambda: d.get("z")),
            run(lambda: d.setdefault("s", torch.ones(1))),
            run(lambda: d.setdefault("s", torch.zeros(1))),
            run(lambda: d.pop("s")),
            run(lambda: d.pop("s")),
            run(lambda: d.popitem()),
            run(lambda: d.copy()),
            run(lambda: d.fromkeys(["p", "q"], 1)),
            run(lambda: d | nn.ParameterDict({"o": torch.ones(1)})),
            run(lambda: d.__ior__(nn.ParameterDict({"o": torch.ones(1)}))),
            run(lambda: d.update({"z": torch.ones(1), "y": torch.ones(1)})),
            run(lambda: d.update([["x", torch.ones(1)]])),
            run(lambda: d.update(3)),
            run(lambda: d.update([[1]])),
            run(lambda: d.update([1])),
            run(lambda: list(reversed(d))),
            run(lambda: list(d.keys())),
            run(lambda: [type(v).__name__ for v in d.values()]),
            run(lambda: [k for k, _ in d.items()]),
            run(lambda: d.__delitem__("x")),
            lambda: [name for name, _ in d.named_parameters()],
            run(lambda: d.clear()),
            lambda: d(1),
        )

    agree(program)
