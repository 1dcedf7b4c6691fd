"""`torch.ops`: ATen's operators under their names, with ATen's arguments and overloads."""

import copy
import itertools
import pickle
import warnings
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

import torchlike
from tests.differential import Case, agree, check, randn, table
from torchlike._ops import _function
from torchlike._src.operators.registry import INPLACE, OPS
from torchlike.testing.conformance.bridge import Bridge, resolve
from torchlike.testing.conformance.compare import difference

#: ATen's operators and their overloads, TorchScript's own excepted.
REGISTRY: dict[str, set[str]] = {}
for _name in torch._C._dispatch_get_all_op_names():
    if _name.startswith("aten::"):
        _op, _, _overload = _name.removeprefix("aten::").partition(".")
        REGISTRY.setdefault(_op, set()).add(_overload or "default")

_SALT = itertools.count()


def noise(*shape: int) -> torch.Tensor:
    """Normal numbers, other ones for each tensor."""
    return randn(*shape, salt=next(_SALT))


INDEX = torch.tensor([[0, 3, 1, 2]])
IMAGE = noise(2, 3, 6, 5)
POOLED, PLACES = torch.nn.functional.max_pool2d(IMAGE, 2, return_indices=True)

CASES = [
    Case("ops.aten.add.Tensor", noise(3, 4), noise(4), alpha=2),
    Case("ops.aten.add.Scalar", noise(3, 4), 2, 3),  # alpha is no keyword here
    Case("ops.aten.add", noise(3, 4), noise(4)),
    Case("ops.aten.sum.dim_IntList", noise(3, 4), [0], True, dtype=torch.float64),
    Case("ops.aten.var.correction", noise(3, 4), [1], correction=0, keepdim=True),
    Case("ops.aten.mean.dim", noise(3, 4), [1]),
    Case("ops.aten.linalg_det", noise(3, 3)),
    Case("ops.aten.fft_fft", noise(8)),
    Case("ops.aten.special_erf", noise(8)),
    Case("ops.aten.gelu.default", noise(8), approximate="tanh"),
    Case("ops.aten.softplus", noise(8), 2.0, 0.5),
    Case("ops.aten.mse_loss", noise(3, 4), noise(3, 4), 2),
    Case("ops.aten.mse_loss", noise(3, 4), noise(3, 4)),
    Case("ops.aten.huber_loss", noise(3, 4), noise(3, 4), 0, 0.5),
    Case("ops.aten.smooth_l1_loss", noise(3, 4), noise(3, 4), 0, 0.5),
    Case("ops.aten.nll_loss", noise(4, 5), INDEX[0], None, 2, 1),
    Case("ops.aten.nll_loss_forward", noise(4, 5), INDEX[0], noise(5), 1, 2, grad=False),
    Case("ops.aten.cross_entropy_loss", noise(4, 5), INDEX[0], None, 0, -100, 0.1),
    Case("ops.aten.convolution", IMAGE, noise(4, 3, 2, 2), noise(4), [1, 1], [0, 1], [1, 1], False, [0, 0], 1),
    Case("ops.aten.native_layer_norm", noise(3, 4), [4], noise(4), noise(4), 1e-5),
    Case("ops.aten._softmax.default", noise(3, 4), 1, False),
    Case("ops.aten._softmax.default", noise(3, 4), 1, True, raises=RuntimeError, match="half to float conversion"),
    Case("ops.aten._log_softmax", noise(3, 4), -1, False),
    Case("ops.aten._safe_softmax", torch.tensor([[1.0, 2.0], [-torch.inf, -torch.inf]]), 1),
    Case("ops.aten._softmax_backward_data", noise(3, 4), noise(3, 4), 1, torch.float32, second=True),
    Case("ops.aten._log_softmax_backward_data", noise(3, 4), noise(3, 4), 1, torch.float32, second=True),
    Case("ops.aten._softmax_backward_data", noise(), noise(), 0, torch.float32),
    Case("ops.aten.slice.Tensor", noise(3, 6), 1, 1, 6, 2),
    Case("ops.aten.slice", noise(3, 6), -1, -4),
    Case("ops.aten.slice", noise(3, 6), 1, 5, 2),
    Case("ops.aten.slice", noise(3, 6)),
    Case("ops.aten.slice", noise(), raises=IndexError, match="0-dim tensor"),
    Case("ops.aten.slice", noise(3), 0, 0, 3, -1, raises=RuntimeError, match="step must be positive"),
    Case("ops.aten.slice", noise(3), 1, raises=IndexError, match="Dimension out of range"),
    Case("ops.aten.native_dropout_backward", noise(3, 4), noise(3, 4) > 0, 2.0, grad=False),
    Case("ops.aten.tanh_backward", noise(3, 4), noise(3, 4), second=True),
    Case("ops.aten.sigmoid_backward", noise(3, 4), noise(3, 4), second=True),
    Case("ops.aten.threshold_backward", noise(3, 4), noise(3, 4), 0),
    Case("ops.aten.leaky_relu_backward", noise(3, 4), noise(3, 4), 0.1, False, second=True),
    Case("ops.aten.gelu_backward", noise(3, 4), noise(3, 4), approximate="tanh"),
    Case("ops.aten.hardtanh_backward", noise(3, 4), noise(3, 4), -0.5, 0.5),
    Case("ops.aten.silu_backward", noise(3, 4), noise(3, 4), grad=False),
    Case("ops.aten.glu_backward", noise(3, 2), noise(3, 4), 1),
    Case("ops.aten.mse_loss_backward", noise(), noise(3, 4), noise(3, 4), 1),
    Case("ops.aten.mse_loss_backward", noise(3, 4), noise(3, 4), noise(3, 4), 0),
    Case("ops.aten.smooth_l1_loss_backward", noise(), noise(3, 4), noise(3, 4), 2, 0.5, grad=False),
    Case("ops.aten.huber_loss_backward", noise(), noise(3, 4), noise(3, 4), 1, 0.5, grad=False),
    Case("ops.aten.soft_margin_loss_backward", noise(), noise(3, 4), noise(3, 4), 1, grad=False),
    Case("ops.aten.select_backward", noise(3), [3, 4], 1, 2),
    Case("ops.aten.slice_backward", noise(3, 2), [3, 5], 1, 1, 4, 2),
    Case("ops.aten.diagonal_backward", noise(2), [3, 4], 2, 0, 1),
    Case("ops.aten.avg_pool2d_backward", noise(2, 3, 3, 2), IMAGE, [2, 2], [2, 2], [0, 0], False, True, None),
    Case("ops.aten.max_pool2d_with_indices", IMAGE, [2, 2]),
    Case("ops.aten.max_pool2d_with_indices_backward", POOLED, IMAGE, [2, 2], [2, 2], [0, 0], [1, 1], False, PLACES),
    Case("ops.aten._upsample_bilinear2d_aa", IMAGE, [3, 4], False),
    Case("ops.aten._upsample_bilinear2d_aa.vec", IMAGE, None, True, [0.5, 0.7]),
    Case("ops.aten.upsample_bilinear2d", IMAGE, [8, 8], True, None, None),
    Case("ops.aten.upsample_nearest2d", IMAGE, [8, 8], 1.4, 1.6),
    Case("ops.aten.upsample_nearest2d.vec", IMAGE, None, [2.0, 2.0]),
    Case("ops.aten.upsample_nearest1d", noise(2, 3, 4), [8], 2.0),
    Case("ops.aten._upsample_nearest_exact2d", IMAGE, [4, 4]),
    Case("ops.aten.reflection_pad2d", IMAGE, [1, 2, 0, 1]),
    Case("ops.aten.replication_pad1d", noise(2, 3, 4), [1, 2]),
    Case("ops.aten._unique2", INDEX, True, False, True),
    Case("ops.aten.log_sigmoid_forward", noise(3), grad=False),
    Case("ops.aten.unique_consecutive", INDEX, return_counts=True),
    Case("ops.aten.unique_dim", INDEX, 1),
    Case("ops.aten.split.Tensor", noise(3, 4), 2, 1),
    Case("ops.aten.unbind", noise(3, 4)),
    Case("ops.aten.unfold", noise(8), 0, 3, 2),
    Case("ops.aten._prelu_kernel", noise(3, 4), noise(1, 4)),
    Case("ops.aten.max_unpool2d", POOLED, PLACES, [6, 5]),
    Case("ops.aten.kl_div", noise(3, 4), noise(3, 4).abs()),
    Case("ops.aten.eye", 3, dtype=torch.float64, layout=torch.strided, device=torch.device("cpu"), pin_memory=False),
    Case("ops.aten._to_copy", noise(3), dtype=torch.float64),
    Case("ops.aten._unsafe_view", noise(3, 4), [2, 6]),
    Case("ops.aten._batch_norm_with_update", IMAGE, noise(3), noise(3), noise(3), noise(3), 0.1, 1e-5),
]


@table(CASES)
def test_arguments_are_those_of_aten(case: Case) -> None:
    check(case)


def test_in_place_forms_write_and_out_is_filled() -> None:
    def program(torch: Any, x: Any, y: Any) -> Any:
        aten = torch.ops.aten
        returned = aten.add_.Tensor(x, y) is x
        sums = torch.empty(0)
        targets = torch.empty(0), torch.empty(0, dtype=torch.int64)
        aten.add.out(self=x, other=y, out=sums)
        aten.sort.values(y, 1, values=targets[0], indices=targets[1])
        grad = torch.empty(0)
        aten.tanh_backward.grad_input(x, y, grad_input=grad)
        return returned, x, sums, targets, grad, aten.silu_.default(x), aten.view.default(x, [4, 3])

    agree(program, noise(3, 4), noise(3, 4))


def test_batch_norm_with_update_moves_the_moments_and_fills_four_tensors() -> None:
    def program(torch: Any, x: Any, weight: Any, mean: Any, var: Any) -> Any:
        made = [torch.empty(n) for n in (tuple(x.shape), (3,), (3,))] + [torch.empty(0, dtype=torch.uint8)]
        names = "out save_mean save_invstd reserve".split()
        torch.ops.aten._batch_norm_with_update.out(x, weight, weight, mean, var, 0.1, 1e-5, **dict(zip(names, made, strict=True)))
        return made, mean, var

    agree(program, IMAGE, noise(3), noise(3), noise(3).abs())


def test_results_go_into_as_many_tensors_as_there_are() -> None:
    x = torchlike.ones(2, 3)
    with pytest.raises(RuntimeError, match="expected a Tensor for 'out', found tuple"):
        torchlike.ops.aten._batch_norm_with_update(x, None, None, x[0], x[0], 0.1, 1e-5, out=(x, x, x, x))
    with pytest.raises(RuntimeError, match="expected 4 tensors to write the results into, got 1"):
        torchlike.ops.aten._batch_norm_with_update.out(x, None, None, x[0], x[0], 0.1, 1e-5, out=x)


def test_names_read_as_in_torch() -> None:
    def program(torch: Any) -> Any:
        found = []
        for path in ("add.Tensor", "add_.Scalar", "relu.default", "sum.dim_IntList", "_softmax.out"):
            overload = resolve(torch.ops.aten, path)
            packet = overload.overloadpacket
            found += [str(overload), repr(overload), overload.__name__, overload.name(), overload.namespace, str(packet)]
            found += [repr(packet), packet.__name__, packet is resolve(torch.ops.aten, path.partition(".")[0])]
            found += [
                overload is resolve(torch.ops.aten, path),
                copy.deepcopy(overload) is overload,
                list(packet) == packet.overloads(),
            ]
        return [*found, torch.ops.aten.mm.overloads(), torch.ops.aten.silu.overloads()]

    agree(program)


def test_overloads_are_pickled_by_name() -> None:
    for thing in (torchlike.ops.aten.add, torchlike.ops.aten.add.Tensor):
        assert pickle.loads(pickle.dumps(thing)) is thing


@pytest.mark.parametrize("path", ["aten.nothing", "aten.add.nothing", "aten.relu.Tensor", "other.nothing", "aten.add_.out"])
def test_what_is_not_there_is_said_in_torchs_words(path: str) -> None:
    messages = []
    for lib in (torch, torchlike):
        with pytest.raises(AttributeError) as caught:
            resolve_all(lib.ops, path)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def resolve_all(owner: Any, path: str) -> Any:
    for part in path.split("."):
        owner = getattr(owner, part)
    return owner


def test_every_public_function_is_an_operator_exactly_where_aten_has_one() -> None:
    names = {
        n.removeprefix("ops.aten.").removeprefix("_C._nn.").removeprefix("nn.functional.") for o in OPS.values() for n in o.names
    }
    names |= {*INPLACE} | {n for n in dir(torchlike.Tensor) if not n.startswith("_")}
    names = {n.replace(".", "_") for n in names} - {"storage_type", "type_name"}
    scripted = {s.name.removeprefix("aten::") for s in torch._C._jit_get_all_schemas()}
    found = {n for n in names if _function(n)}
    assert len(found) > 900
    assert not sorted(found - {*REGISTRY} - scripted)


def test_overloads_are_those_of_torchs_registry() -> None:
    wrong = {}
    for name, overloads in REGISTRY.items():
        if _function(name) is None:
            continue
        ours = getattr(torchlike.ops.aten, name).overloads()
        if ours != [o for o in getattr(torch.ops.aten, name).overloads() if o in overloads]:
            wrong[name] = (sorted(ours), sorted(overloads))
    assert not wrong


class Recorded(TorchDispatchMode):
    """Every ATen operator that runs, with its arguments and its result."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, Any, Any, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = tree_map(_copied, (args, kwargs or {}))
        result = func(*args, **(kwargs or {}))
        self.calls.append((str(func), *given, tree_map(_copied, result)))
        return result


def _copied(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, torch.Tensor) else value


def test_what_a_model_runs_in_torch_runs_here_operator_by_operator() -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.GELU(), torch.nn.MaxPool2d(2), torch.nn.Flatten(),
        torch.nn.Linear(8, 8), torch.nn.LayerNorm(8), torch.nn.Tanh(), torch.nn.Linear(8, 5),
    )  # fmt: skip
    with Recorded() as recorded, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.nn.functional.cross_entropy(model(IMAGE), torch.tensor([1, 4]))
    assert len({name for name, *_ in recorded.calls}) >= 12
    for name, args, kwargs, expected in recorded.calls:
        bridge = Bridge(torchlike)
        result = resolve(torchlike.ops, name)(*map(bridge.over, args), **bridge.over(kwargs))
        assert difference(expected, result, torchlike) is None, name


OF_NOTHING = {
    "amax": lambda torch: torch.zeros((2, 0), dtype=torch.complex64).amax(0),
    "amin": lambda torch: torch.zeros((2, 0), dtype=torch.complex64).amin(0, keepdim=True),
    "cumsum": lambda torch: torch.cumsum(torch.zeros(0, dtype=torch.bool), 0, out=torch.zeros(3, dtype=torch.bool)),
    "cumprod": lambda torch: torch.zeros((2, 0), dtype=torch.bool).cumprod(0, dtype=torch.bool),
    "cummax": lambda torch: torch.zeros((2, 0), dtype=torch.complex64).cummax(0).values,
    "softmax": lambda torch: torch.zeros((2, 0), dtype=torch.int64).softmax(0),
    "median": lambda torch: torch.zeros(0, dtype=torch.bool).median(),
    "mode": lambda torch: torch.zeros((0, 2), dtype=torch.complex64).mode(1).values,
}  # fmt: skip


@pytest.mark.parametrize("name", OF_NOTHING)
def test_of_no_elements_a_kernel_that_is_not_there_need_not_run(name: str) -> None:
    agree(OF_NOTHING[name])
