"""The region itself: what it switches, what it leaves as it was, and its functions under `torch`."""

import threading

import numpy as np
import pytest

import torchlike as torch
from tests.programs import Table, programs, same
from torchlike._src.tensor import autocast

PROGRAMS = Table({
    "a product": lambda torch: [(_in(torch) @ _in(torch)).dtype, _within(torch, lambda: (_in(torch) @ _in(torch)).dtype)],
    "a region of float16": lambda torch: _within(torch, lambda: (_in(torch) @ _in(torch)).dtype, dtype=torch.float16),
    "a region that is off": lambda torch: _within(torch, lambda: (_in(torch) @ _in(torch)).dtype, enabled=False),
    "float64 is left alone": lambda torch: _within(torch, lambda: (_in(torch).double() @ _in(torch).double()).dtype),
    "float64 with float32": lambda torch: _within(torch, lambda: torch.mm(_in(torch).double(), _in(torch))),
    "complex numbers are left alone": lambda torch: _within(torch, lambda: (_in(torch) + 0j) @ (_in(torch) + 0j)),
    "an unsupported dtype": lambda torch: torch.autocast("cpu", dtype=torch.float32)._enabled,
    "no device type": lambda torch: torch.autocast(3),
    "an unknown device type": lambda torch: torch.autocast("foo"),
    "a device without autocast": lambda torch: torch.autocast("meta"),
    "CUDA where there is none": lambda torch: torch.autocast("cuda")._enabled,
    "a TPU's": lambda torch: (torch.autocast("xla")._enabled, torch.autocast("xla").fast_dtype),
    "decorating a number": lambda torch: torch.autocast("cpu")(3),
    "dtypes by device": lambda torch: [torch.get_autocast_dtype(d) for d in "cpu cuda xla ipu xpu mps hpu mtia maia cuda:0".split()],
    "availability": lambda torch: [torch.amp.is_autocast_available(d) for d in "cpu cuda xla meta mps".split()],
    "availability of nothing": lambda torch: torch.amp.is_autocast_available("foo"),
    "is_autocast_enabled of meta": lambda torch: torch.is_autocast_enabled("meta"),
    "is_autocast_enabled of a number": lambda torch: torch.is_autocast_enabled(3),
    "get_autocast_dtype of a number": lambda torch: torch.get_autocast_dtype(3),
    "set_autocast_dtype of a number": lambda torch: torch.set_autocast_dtype("cpu", 3),
    "set_autocast_enabled of a number": lambda torch: torch.set_autocast_enabled("cpu", 3),
    "set_autocast_enabled of two numbers": lambda torch: torch.set_autocast_enabled(3, True),
    "set_autocast_enabled of one number": lambda torch: torch.set_autocast_enabled(3),
    "set_autocast_cache_enabled of a number": lambda torch: torch.set_autocast_cache_enabled(3),
    "set_autocast_gpu_dtype of a number": lambda torch: torch.set_autocast_gpu_dtype(3),
    "set_autocast_xla_enabled of a number": lambda torch: torch.set_autocast_xla_enabled(3),
    "halves of two kinds": lambda torch: _within(torch, lambda: torch.cat([_in(torch).half(), _in(torch).bfloat16()])),
    "halves and floats": lambda torch: _within(torch, lambda: torch.cat([_in(torch), _in(torch).bfloat16()])),
    "integers with bfloat16": lambda torch: _within(torch, lambda: torch.stack([torch.ones(2), torch.ones(2, dtype=torch.int64)])),
    "in place": lambda torch: _within(torch, lambda: _in(torch).addmm_(_in(torch), _in(torch)).dtype),
    "into a tensor": lambda torch: _within(torch, lambda: torch.mm(_in(torch), _in(torch), out=torch.empty(2, 2))),
    "view_as_complex of bfloat16": lambda torch: _within(torch, lambda: torch.view_as_complex(_in(torch).bfloat16())),
    "deprecated names": lambda torch: [
        torch.get_autocast_cpu_dtype(), torch.get_autocast_gpu_dtype(), torch.get_autocast_ipu_dtype(),
        torch.get_autocast_xla_dtype(), torch.is_autocast_cpu_enabled(), torch.is_autocast_ipu_enabled(),
        torch.is_autocast_xla_enabled(), torch.set_autocast_cpu_enabled(False), torch.set_autocast_cpu_dtype(torch.bfloat16),
        torch.set_autocast_gpu_dtype(torch.float16), torch.set_autocast_ipu_dtype(torch.float16),
        torch.set_autocast_xla_dtype(torch.bfloat16), torch.set_autocast_ipu_enabled(False), torch.set_autocast_xla_enabled(False),
    ],
    "torch.cuda.amp.autocast": lambda torch: torch.cuda.amp.autocast()._enabled,
    "torch.cuda.amp.custom_fwd": lambda torch: callable(torch.cuda.amp.custom_fwd(lambda ctx: 1)),
    "torch.cuda.amp.custom_bwd": lambda torch: callable(torch.cuda.amp.custom_bwd(lambda ctx: 1)),
    "custom_fwd of no device type": lambda torch: torch.amp.custom_fwd(lambda ctx: 1, device_type=3),
    "custom_bwd of no device type": lambda torch: torch.amp.custom_bwd(lambda ctx: 1, device_type=3),
    "amp_definitely_not_available": lambda torch: torch.cuda.amp.amp_definitely_not_available(),
})  # fmt: skip


def _in(lib):
    return lib.tensor([[1.0, 2.0], [3.0, 4.0]])


def _within(lib, run, **options):
    with lib.autocast("cpu", **options):
        return run()


@PROGRAMS
def nested_regions(torch):
    def now():
        return (
            torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu"), torch.is_autocast_cache_enabled(),
            (_in(torch) @ _in(torch)).dtype,
        )  # fmt: skip

    seen = [now()]
    with torch.autocast("cpu", torch.float16, cache_enabled=False):
        seen.append(now())
        with torch.amp.autocast("cpu", enabled=False):
            seen.append(now())
            with torch.autocast("cpu"):
                seen.append(now())
            seen.append(now())
        seen.append(now())
    return [*seen, now()]


@PROGRAMS
def a_region_that_is_left_by_an_exception(torch):
    try:
        with torch.autocast("cpu"):
            raise KeyError
    except KeyError:
        return torch.is_autocast_enabled("cpu")


@PROGRAMS
def a_decorated_function(torch):
    @torch.autocast("cpu")
    def product(a, b):
        """What it says."""
        return a @ b

    return product(_in(torch), _in(torch)).dtype, product.__name__, product.__doc__, torch.is_autocast_enabled("cpu")


@PROGRAMS
def nesting_is_counted(torch):
    counts = [torch.autocast_increment_nesting(), torch.autocast_increment_nesting()]
    return [*counts, torch.autocast_decrement_nesting(), torch.autocast_decrement_nesting()]


@PROGRAMS
def switched_by_hand(torch):
    torch.set_autocast_enabled("cpu", True)
    try:
        return (_in(torch) @ _in(torch)).dtype
    finally:
        torch.set_autocast_enabled("cpu", False)


def _square(lib, cast_inputs=None):
    class Square(lib.autograd.Function):
        @staticmethod
        @lib.amp.custom_fwd(device_type="cpu", cast_inputs=cast_inputs)
        def forward(ctx, x, things):
            ctx.save_for_backward(x)
            ctx.seen = [x.dtype, things["t"][0].dtype, lib.is_autocast_enabled("cpu")]
            seen.extend(ctx.seen)
            return x @ x

        @staticmethod
        @lib.amp.custom_bwd(device_type="cpu")
        def backward(ctx, grad):
            (x,) = ctx.saved_tensors
            seen.extend([grad.dtype, lib.is_autocast_enabled("cpu"), (x @ x).dtype])
            return (grad.to(x.dtype) @ x.t() + x.t() @ grad.to(x.dtype)).to(x.dtype), None

    seen = []
    return Square, seen


def _custom(lib, cast_inputs, enabled):
    square, seen = _square(lib, cast_inputs)
    x = _in(lib).requires_grad_()
    with lib.autocast("cpu", enabled=enabled):
        y = square.apply(x, {"t": [lib.ones(1), "s", np.ones(2)]})
    y.float().sum().backward()
    return seen, y.dtype, x.grad.dtype


for _cast in (None, "float32", "bfloat16"):
    for _enabled in (True, False):
        PROGRAMS[f"a custom function, cast to {_cast}, autocast {_enabled}"] = lambda torch, cast=_cast, enabled=_enabled: (
            _custom(torch, cast and getattr(torch, cast), enabled)
        )


def test_an_op_in_place_takes_its_arguments_as_they_are():
    with torch.autocast("cpu"), pytest.raises(RuntimeError, match="same dtype"):
        _in(torch).addmm_(_in(torch).bfloat16(), _in(torch))


@programs(PROGRAMS)
def test_a_region_does_what_torchs_does(program):
    same(program, warned=True)


def test_binary_cross_entropy_is_refused_on_cuda(monkeypatch):
    monkeypatch.setattr(autocast, "_is_on", lambda t, device: device == "cuda")
    half = torch.full((3,), 0.5)
    torch.set_autocast_enabled("cuda", True)
    try:
        with pytest.raises(RuntimeError, match=r"unsafe to autocast.*\n.*binary_cross_entropy_with_logits"):
            torch.nn.functional.binary_cross_entropy(half, half)
        assert torch.nn.functional.binary_cross_entropy_with_logits(half.half(), half.half()).dtype is torch.float32
    finally:
        torch.set_autocast_enabled("cuda", False)
    assert torch.nn.functional.binary_cross_entropy(half, half).dtype is torch.float32


def test_the_state_belongs_to_the_thread():
    seen = []
    with torch.autocast("cpu"):
        thread = threading.Thread(target=lambda: seen.extend([torch.is_autocast_enabled("cpu"), (_in(torch) @ _in(torch)).dtype]))
        thread.start()
        thread.join()
    assert seen == [False, torch.float32]


def test_gradients_of_float32_parameters_are_float32_and_summed_in_the_lower_precision():
    w = torch.ones(2, 2, requires_grad=True)
    with torch.autocast("cpu"):
        y = (_in(torch) @ w) @ w
    y.float().sum().backward()
    assert w.grad.dtype is torch.float32
    assert w.grad.tolist() == [[18.0, 18.0], [22.0, 22.0]]


def test_transforms_work_inside_of_a_region():
    x = torch.arange(12.0).reshape(3, 2, 2)
    with torch.autocast("cpu"):
        mapped = torch.func.vmap(lambda a: a @ a)(x)
        value, tangent = torch.func.jvp(lambda a: a @ a, (x[0],), (torch.ones(2, 2),))
        gradient = torch.func.grad(lambda a: (a @ a).sum().float())(x[0])
    assert mapped.dtype is value.dtype is tangent.dtype is torch.bfloat16
    assert gradient.dtype is torch.float32
    assert torch.equal(mapped.float(), x @ x)
