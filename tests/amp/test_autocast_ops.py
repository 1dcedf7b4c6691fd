"""Which op autocast computes in which dtype: real torch is asked op by op, for CUDA through tensors that hold no numbers.

Torch registers its lists with its dispatcher, which tells them. Each op that has samples in torch's database is called with
float32, bfloat16, float16 and float64 inputs; the others stand in `OTHERS`. So what torch adds to a list fails here first.
"""

import math
import warnings

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from tests import differential
from tests.programs import Table
from torchlike._src.tensor import autocast
from torchlike.testing.conformance.bridge import name_of
from torchlike.testing.conformance.checks import call
from torchlike.testing.conformance.compare import tensors_in
from torchlike.testing.conformance.entries import entries

DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
LOWER = {"cpu": torch.bfloat16, "cuda": torch.float16}


def listed(where):
    """The ops on torch's lists for a type of device."""
    key, has = f"Autocast{where.upper()}", torch._C._dispatch_has_kernel_for_dispatch_key
    return {n.split("::")[1].split(".")[0] for n in torch._C._dispatch_get_all_op_names() if has(n, key)}


#: On the lists, but reached by no user's call of its own: parts of other ops, forms for other devices.
INNER = {
    "_addmm_activation", "_convolution", "_grid_sampler_2d_cpu_fallback", "_native_multi_head_attention", "mkldnn_rnn_layer",
    "multilabel_margin_loss_forward", "_scaled_dot_product_flash_attention", "_thnn_fused_gru_cell", "_thnn_fused_lstm_cell",
    "cudnn_convolution", "cudnn_convolution_transpose", "_upsample_bicubic2d_aa", "_upsample_bilinear2d_aa",
    "convolution", "frobenius_norm", "nuclear_norm", "_lu_with_info",
}  # fmt: skip

#: What differs, and why.
DIFFERENT = {
    ("cuda", "native_layer_norm"),  # on CUDA torch's statistics are float32 even without autocast, on the CPU not
    ("cuda", "nn.functional.multi_margin_loss"),
    ("cuda", "gru_cell"),
    ("cuda", "grid_sampler"),  # need a real device
    ("cuda", "inner with a number"),  # an error here for bfloat16 under float16; a mere product in torch
    ("cuda", "cross"),  # promotes by itself here; torch, which casts first, refuses bfloat16 under float16
    ("cuda", "norm.nuc"),  # torch refuses half precision in the linear algebra that its list leaves out
    ("cuda", "grid_sampler_3d"),  # one op for two names here, of which one is on the list: an error for bfloat16 under float16
    ("cpu", "nn.functional.linear_cross_entropy.chunked"),  # an op of its own in torch; here a `linear` and a loss
}

_ENTRIES = list(entries())


def _cases():
    for where in LOWER:
        names = listed(where)
        for entry in _ENTRIES:
            short = entry.info.name.removeprefix("nn.functional.").replace(".", "_")
            if {entry.info.aten_name, short} & names and (where, entry.name) not in DIFFERENT:
                yield pytest.param(where, entry, id=f"{where}-{entry.name}")


def _named(results, lib):
    return tuple(name_of(t.dtype) for t in tensors_in(results, lib))


def _dtypes(function, sample, lib, where, fake=None):
    """The dtypes of the results under autocast, or that there is an error."""
    args, kwargs = call(sample, lib)
    lower = getattr(lib, name_of(LOWER[where]))
    before = lib.get_autocast_dtype(where)
    lib.set_autocast_enabled(where, True)
    lib.set_autocast_dtype(where, lower)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if fake is None:
                return _named(function(*args, **kwargs), lib)
            with fake:
                return _named(function(*_on_cuda(args), **_on_cuda(kwargs)), lib)
    except Exception:  # which one, other tests ask
        return "an error"
    finally:
        lib.set_autocast_enabled(where, False)
        lib.set_autocast_dtype(where, before)


def _on_cuda(value):
    """Tensors that say they are on CUDA, and hold nothing; only under `FakeTensorMode`."""
    if isinstance(value, torch.Tensor):
        return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="cuda")
    if type(value) in (list, tuple):
        return type(value)(map(_on_cuda, value))
    return {k: _on_cuda(v) for k, v in value.items()} if isinstance(value, dict) else value


def _pretend(monkeypatch, where):
    """Have our tensors, which are on the CPU, count as tensors of another device."""
    monkeypatch.setattr(autocast, "_is_on", lambda t, device: device == where)


@pytest.mark.parametrize(("where", "entry"), list(_cases()))
def test_an_op_of_the_lists_gives_torchs_dtypes(where, entry, monkeypatch):
    _pretend(monkeypatch, where)
    ours = entry.function(differential.library)
    compared = 0
    for dtype in DTYPES:
        torch.manual_seed(0)
        try:
            sample = next(iter(entry.info.sample_inputs("cpu", dtype)))
        except (RuntimeError, NotImplementedError, TypeError):  # torch cannot make one of this dtype
            continue
        differential.seed(differential.library)
        expected = _dtypes(entry.info.op, sample, torch, where, FakeTensorMode() if where == "cuda" else None)
        assert _dtypes(ours, sample, differential.library, where) == expected, (dtype, sample)
        compared += 1
    assert compared


OTHERS = Table({
    "conv_tbc": lambda torch, x: torch.conv_tbc(x(5, 2, 3), x(2, 3, 4), x(4)),
    "cross_entropy_loss": lambda torch, x: torch.nn.functional.cross_entropy(x(2, 3), torch.tensor([0, 2])),
    "fake_quantize_per_tensor_affine": lambda torch, x: torch.fake_quantize_per_tensor_affine(x(3), 0.1, 0, 0, 255),
    "grid_sampler": lambda torch, x: torch.nn.functional.grid_sample(x(1, 1, 3, 3), x(1, 2, 2, 2), align_corners=False),
    "inverse": lambda torch, x: torch.inverse(x(2, 2) + 9 * torch.eye(2)),
    "nll_loss2d": lambda torch, x: torch.nn.functional.nll_loss(x(2, 3, 1, 1), torch.tensor([[[0]], [[2]]])),
    "orgqr": lambda torch, x: torch.orgqr(x(3, 2), x(2)),
    "reflection_pad1d": lambda torch, x: torch.nn.functional.pad(x(1, 3), (1, 1), "reflect"),
    "reflection_pad2d": lambda torch, x: torch.nn.functional.pad(x(1, 3, 3), (1, 1, 1, 1), "reflect"),
    "reflection_pad3d, which is not listed": lambda torch, x: torch.nn.functional.pad(x(1, 3, 3, 3), (1,) * 6, "reflect"),
    "replication_pad1d": lambda torch, x: torch.nn.functional.pad(x(1, 3), (1, 1), "replicate"),
    "replication_pad2d": lambda torch, x: torch.nn.functional.pad(x(1, 3, 3), (1, 1, 1, 1), "replicate"),
    "replication_pad3d": lambda torch, x: torch.nn.functional.pad(x(1, 3, 3, 3), (1,) * 6, "replicate"),
    "chain_matmul": lambda torch, x: torch.chain_matmul(x(2, 2), x(2, 3), x(3, 2)),
    "gru_cell": lambda torch, x: torch.gru_cell(x(2, 3), x(2, 4), x(12, 3), x(12, 4), x(12), x(12)),
    "lstm_cell": lambda torch, x: torch.lstm_cell(x(2, 3), (x(2, 4), x(2, 4)), x(16, 3), x(16, 4), x(16), x(16)),
    "rnn_relu_cell": lambda torch, x: torch.rnn_relu_cell(x(2, 3), x(2, 4), x(4, 3), x(4, 4), x(4), x(4)),
    "rnn_tanh_cell": lambda torch, x: torch.rnn_tanh_cell(x(2, 3), x(2, 4), x(4, 3), x(4, 4), x(4), x(4)),
    "_upsample_nearest_exact1d": lambda torch, x: _grown(torch, x(1, 1, 3), "nearest-exact"),
    "_upsample_nearest_exact2d": lambda torch, x: _grown(torch, x(1, 1, 3, 3), "nearest-exact"),
    "_upsample_nearest_exact3d": lambda torch, x: _grown(torch, x(1, 1, 3, 3, 3), "nearest-exact"),
    "upsample_bicubic2d": lambda torch, x: _grown(torch, x(1, 1, 3, 3), "bicubic"),
    "upsample_bilinear2d": lambda torch, x: _grown(torch, x(1, 1, 3, 3), "bilinear"),
    "upsample_linear1d": lambda torch, x: _grown(torch, x(1, 1, 3), "linear"),
    "upsample_nearest1d": lambda torch, x: _grown(torch, x(1, 1, 3), "nearest"),
    "upsample_nearest2d": lambda torch, x: _grown(torch, x(1, 1, 3, 3), "nearest"),
    "upsample_nearest3d": lambda torch, x: _grown(torch, x(1, 1, 3, 3, 3), "nearest"),
    "upsample_trilinear3d": lambda torch, x: _grown(torch, x(1, 1, 3, 3, 3), "trilinear"),
    "matmul of a matrix and a vector": lambda torch, x: torch.matmul(x(2, 3), x(3)),
    "matmul of a vector and a matrix": lambda torch, x: torch.matmul(x(3), x(3, 2)),
    "matmul of vectors": lambda torch, x: torch.matmul(x(3), x(3)),
    "mv": lambda torch, x: torch.mv(x(2, 3), x(3)),
    "dot": lambda torch, x: torch.dot(x(3), x(3)),
    "products in place": lambda torch, x: x(2, 2).addmm_(x(2, 2), x(2, 2)),
    "products into a tensor": lambda torch, x: torch.mm(x(2, 2), x(2, 2), out=x(2, 2)),
    "matmul into a tensor": lambda torch, x: torch.matmul(x(2, 2), x(2, 2), out=x(2, 2)),
    "exp in place": lambda torch, x: x(2, 2).exp_(),
    "a number over a tensor": lambda torch, x: 2 / x(2),
    "sum with a dtype": lambda torch, x: torch.sum(x(2), dtype=x(2).dtype),
    "einsum without a common subscript": lambda torch, x: torch.einsum("i,j->ij", x(2), x(3)),
    "einsum of one operand": lambda torch, x: torch.einsum("ij->i", x(2, 3)),
    "einsum of a size 1": lambda torch, x: torch.einsum("...i,...j->ij", x(1, 2), x(1, 3)),
    "einsum of three": lambda torch, x: torch.einsum("ij,jk,k", x(2, 3), x(3, 2), x(2)),
    "inner of vectors": lambda torch, x: torch.inner(x(3), x(3)),
    "inner with a number": lambda torch, x: torch.inner(x(3), x()),
    "inner with one result": lambda torch, x: torch.inner(x(1, 3), x(1, 3)),
    "inner of matrices": lambda torch, x: torch.inner(x(2, 3), x(2, 3)),
    "tensordot with one result": lambda torch, x: torch.tensordot(x(2, 3), x(2, 3), 2),
    "tensordot": lambda torch, x: torch.tensordot(x(2, 3), x(3, 2), 1),
})  # fmt: skip


def _grown(lib, x, mode):
    return lib.nn.functional.interpolate(x, scale_factor=2, mode=mode)


def _others():
    anywhere = listed("cpu") | listed("cuda")
    for where in LOWER:
        for name, program in OTHERS.items():
            if (name not in anywhere or name in listed(where)) and (where, name) not in DIFFERENT:
                yield pytest.param(where, program, id=f"{where}-{name}")


@pytest.mark.parametrize(("where", "program"), list(_others()))
def test_an_op_without_samples_gives_torchs_dtypes(where, program, monkeypatch):
    _pretend(monkeypatch, where)
    for dtype in DTYPES:
        assert _under(program, differential.library, where, dtype) == _under(program, torch, where, dtype), dtype


class _NoArguments:
    """A sample for programs that make their own inputs."""

    input, args, kwargs = 0, (), {}


def _under(program, lib, where, dtype):
    fake = FakeTensorMode() if where == "cuda" and lib is torch else None

    def numbers(*shape):
        return lib.arange(1, 1 + math.prod(shape), dtype=getattr(lib, name_of(dtype))).reshape(shape) / 10

    def called(_):
        with lib.device("cuda" if fake else "cpu"):
            return program(lib, numbers)

    return _dtypes(called, _NoArguments, lib, where, fake)


def test_every_op_of_torchs_lists_is_asked_for():
    for where in LOWER:
        named = {entry.info.aten_name for entry in _ENTRIES}
        named |= {entry.info.name.removeprefix("nn.functional.").replace(".", "_") for entry in _ENTRIES}
        assert listed(where) - named - INNER - set(OTHERS) == set()
