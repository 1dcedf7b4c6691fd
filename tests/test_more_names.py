"""Names that stand directly under ``torch`` beside their usual home, settings, and methods of old."""

import pytest
import torch as T

from tests.differential import Case, check, rand, randn, table, tensor
from tests.programs import Table, programs, same

CASES = [
    *[Case(f"{name}_window", *args) for name in ("bartlett", "blackman", "hamming", "hann", "kaiser")
      for args in ((0,), (1,), (2,), (7,), (7, False), (8, True))],
    *[Case(f"{name}_window", -1, raises=RuntimeError, match="non-negative window_length", message="equal")
      for name in ("bartlett", "blackman", "hamming", "hann", "kaiser")],
    Case("hann_window", 5, dtype=T.float64),
    Case("hann_window", 5, dtype=T.int64, raises=RuntimeError, match="expects floating point dtypes"),
    Case("hann_window", 5.5, raises=TypeError, message="equal"),
    Case("hamming_window", 5, True, 0.5, 0.25), Case("kaiser_window", 5, True, 3.0),
    Case("kl_div", rand(3, 4, low=-3, high=0), rand(3, 4)), Case("kl_div", rand(3, 4, low=-3, high=0), rand(3, 4), 2),
    Case("kl_div", rand(3, 4, low=-3, high=0), rand(3, 4, low=-2, high=0), 1, log_target=True),
    Case("poisson_nll_loss", rand(3), rand(3), True, False, 1e-8, 1),
    Case("poisson_nll_loss", rand(3, low=0.1), rand(3), False, True, 1e-8, 0),
    Case("binary_cross_entropy_with_logits", randn(3), rand(3)),
    Case("binary_cross_entropy_with_logits", randn(3), rand(3), rand(3), rand(3), 2),
    Case("frobenius_norm", randn(3, 4), 1), Case("frobenius_norm", randn(3, 4), (0, 1), True), Case("frobenius_norm", randn(3, 4), []),
    Case("nuclear_norm", randn(3, 4)), Case("nuclear_norm", randn(3, 4), True), Case("nuclear_norm", randn(2, 3, 4), (1, 2), True),
    Case("norm_except_dim", randn(3, 4)), Case("norm_except_dim", randn(3, 4), 2, 1), Case("norm_except_dim", randn(3, 4), 1, -1),
    Case("convolution", randn(1, 3, 5), randn(2, 3, 3), None, [1], [1], [1], False, [0], 1),
    Case("convolution", randn(1, 2, 5), randn(2, 3, 3), randn(3), [2], [0], [1], True, [1], 1),
    Case("convolution", randn(1, 3, 4, 4), randn(6, 1, 2, 2), None, [1, 1], [0, 0], [1, 1], False, [0, 0], 3),
    Case("fake_quantize_per_tensor_affine", tensor([-1.0, -0.3, 0.0, 0.3, 0.25, 2.0, 100.0]), 0.1, 10, 0, 25),
    Case("fake_quantize_per_tensor_affine", tensor([-1.0, 0.3, 0.25, 2.0]), tensor(0.1), tensor(10, T.int32), 0, 25),
    Case("fake_quantize_per_tensor_affine", rand(3), 0.1, 0, 5, 2, raises=RuntimeError, match="quant_min", message="equal"),
    Case("fake_quantize_per_tensor_affine", rand(3), 0.1, 30, 0, 25, raises=RuntimeError, match="zero_point", message="equal"),
    Case("fake_quantize_per_channel_affine", rand(3, 4), tensor([0.1, 0.2, 0.3]), tensor([0, 1, 2], T.int32), 0, 0, 5),
    Case("fake_quantize_per_channel_affine", rand(3, 4), rand(4), tensor([0, 1, 2, 0], T.int32), 1, -3, 5),
    Case("fake_quantize_per_channel_affine", rand(3, 4), rand(4), tensor([0, 1, 2, 0]), 1, -3, 5,
         raises=RuntimeError, match="Zero-point", message="equal"),
    Case("fake_quantize_per_channel_affine", rand(3, 4), rand(2), tensor([0, 1, 2], T.int32), 0, 0, 5,
         raises=RuntimeError, match="dimensions", message="equal"),
    Case("nn.functional.grouped_mm", randn(3, 4, 8, dtype=T.bfloat16), randn(3, 8, 16, dtype=T.bfloat16)),
    Case("nn.functional.grouped_mm", randn(8, 16, dtype=T.bfloat16), randn(2, 16, 8, dtype=T.bfloat16), offs=tensor([3, 8], T.int32)),
    Case("nn.functional.grouped_mm", randn(8, 16, dtype=T.bfloat16), randn(16, 8, dtype=T.bfloat16), offs=tensor([8, 16], T.int32)),
    Case("nn.functional.grouped_mm", randn(2, 8, 16, dtype=T.bfloat16), randn(16, 16, dtype=T.bfloat16), offs=tensor([8, 16], T.int32)),
    Case("is_same_size", rand(2, 3), rand(2, 3)), Case("is_same_size", rand(2, 3), rand(3, 2)), Case("is_signed", rand(2)),
    Case("is_distributed", rand(2)), Case("get_device", rand(2)), Case("is_vulkan_available"),
    Case("Tensor.fill_diagonal_", rand(3, 4), 9.0, grad=False), Case("Tensor.fill_diagonal_", rand(7, 3), 5.0, True, grad=False),
    Case("Tensor.fill_diagonal_", rand(3, 7), 5.0, True, grad=False), Case("Tensor.fill_diagonal_", rand(3, 3, 3), 5.0, grad=False),
    Case("Tensor.fill_diagonal_", rand(3, 3, 2), 1.0, raises=RuntimeError, match="equal length", message="equal"),
    Case("Tensor.fill_diagonal_", rand(3), 1.0, raises=RuntimeError, match="dimensions", message="equal"),
    Case("sym_max", 2, 3.0), Case("sym_min", 2, 3.0), Case("sym_max", 2, 3), Case("sym_not", True), Case("sym_ite", True, 1, 2),
    Case("sym_int", 3.7), Case("sym_float", 3), Case("sym_sqrt", 4), Case("sym_sum", [1, 2, 3]), Case("sym_sum", 1, 2),
    Case("sym_constrain_range", 3, min=1, max=5), Case("sym_fresh_size", 3),
    Case("sym_constrain_range", 9, min=1, max=5, raises=RuntimeError, match="Invalid value range", message="equal"),
]  # fmt: skip


@table(CASES)
def test_a_name_does_what_it_does_in_torch(case: Case) -> None:
    check(case)


PROGRAMS = Table({
    "apply": lambda torch: (x := torch.arange(3.0), x.apply_(lambda v: v * 2), x._version),
    "apply to a view": lambda torch: (x := torch.arange(6.0).view(2, 3), x.t()[1].apply_(lambda v: -1), x),
    "apply to bools": lambda torch: torch.tensor([True, False]).apply_(lambda v: not v),
    "apply to what needs grad": lambda torch: torch.ones(3, requires_grad=True).apply_(lambda v: v),
    "map": lambda torch: torch.arange(3.0).map_(torch.ones(1), lambda a, b: a + b),
    "map over another dtype": lambda torch: torch.arange(3.0).map_(torch.ones(3).double(), lambda a, b: a + b),
    "map over another shape": lambda torch: torch.arange(3.0).map_(torch.ones(4), lambda a, b: a + b),
    "map two": lambda torch: torch.arange(3.0).map2_(torch.ones(3), torch.ones(3), lambda a, b, c: a + b + c),
    "dim_order": lambda torch: torch.empty(2, 3, 5, 7).transpose(1, 2).dim_order(),
    "dim_order of channels last": lambda torch: torch.empty(2, 3, 5, 7, memory_format=torch.channels_last).dim_order(),
    "dim_order, ambiguous": lambda torch: torch.empty(1, 2, 3, 4).dim_order(ambiguity_check=True),
    "dim_order, one of two": lambda torch: torch.empty(1, 2, 3, 4).dim_order(
        ambiguity_check=[torch.contiguous_format, torch.channels_last]),
    "dim_order, both of two": lambda torch: torch.empty(1, 1, 1, 4).dim_order(
        ambiguity_check=[torch.contiguous_format, torch.channels_last]),
    "dim_order, wrong check": lambda torch: torch.empty(2, 3).dim_order(ambiguity_check=3),
    "the old resize": lambda torch: torch.arange(12.0).view(3, 4).resize(4, 3),
    "the old resize to another size": lambda torch: torch.arange(12.0).view(3, 4).resize(4, 4),
    "resize_as": lambda torch: torch.arange(12.0).resize_as(torch.ones(2, 6)),
    "module_load": lambda torch: [torch.zeros(3).module_load(torch.ones(3), assign=a) for a in (True, False)],
    "storage_type": lambda torch: torch.ones(2, dtype=torch.int64).storage_type() is torch.LongStorage,
    "deterministic by name": lambda torch: [
        (torch.set_deterministic_debug_mode(m), torch.get_deterministic_debug_mode(), torch.are_deterministic_algorithms_enabled(),
         torch.is_deterministic_algorithms_warn_only_enabled()) for m in ("warn", "error", 0)],
    "deterministic by a wrong name": lambda torch: torch.set_deterministic_debug_mode("x"),
    "deterministic by a wrong number": lambda torch: torch.set_deterministic_debug_mode(5),
    "deterministic by a float": lambda torch: torch.set_deterministic_debug_mode(1.5),
    "warn always": lambda torch: (torch.is_warn_always_enabled(), torch.set_warn_always(True), torch.is_warn_always_enabled(),
                                  torch.set_warn_always(False)),
    "warn always, no bool": lambda torch: torch.set_warn_always(1),
    "anomaly": lambda torch: (torch.set_anomaly_enabled(True), torch.is_anomaly_enabled(), torch.set_anomaly_enabled(False),
                              torch.is_anomaly_enabled()),
    "default type": lambda torch: (torch.set_default_tensor_type(torch.DoubleTensor), torch.ones(1).dtype,
                                   torch.set_default_tensor_type("torch.FloatTensor"), torch.ones(1).dtype),
    "default type of ints": lambda torch: torch.set_default_tensor_type(torch.IntTensor),
    "interop threads": lambda torch: torch.set_num_interop_threads(0),
    "multithreading": lambda torch: torch.autograd.set_multithreading_enabled(False)(lambda: 3)(),
    "generator of no thread": lambda torch: torch.random.thread_safe_generator(),
    "typed storages": lambda torch: (torch.FloatStorage(3).size(), torch.LongStorage([1, 2]).tolist()),
    "Variable's old home": lambda torch: torch.autograd.variable.Variable is torch.autograd.Variable,
    "grid_sample's numbers": lambda torch: (torch.nn.functional.GRID_SAMPLE_INTERPOLATION_MODES,
                                            torch.nn.functional.GRID_SAMPLE_PADDING_MODES),
    "a pair": lambda torch: torch.nn.functional.assert_int_or_pair([1, 2], "a", "{} is none"),
    "no pair": lambda torch: torch.nn.functional.assert_int_or_pair([1, 2, 3], "a", "{} is none"),
    "dispatch by a flag": lambda torch: [
        torch.nn.functional.boolean_dispatch("f", 1, False, lambda *a, **k: "yes", lambda *a, **k: "no", "m", "n")(*a, **k)
        for a, k in (((1, True), {}), ((1,), {}), ((1,), {"f": True}))],
})  # fmt: skip


@programs(PROGRAMS)
def test_a_program_does_the_same(program) -> None:
    same(program)


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("general", [False, True])
def test_lobpcg_finds_the_pairs_that_torch_finds(largest: bool, general: bool) -> None:
    def program(torch):
        A = torch.diag(torch.arange(1.0, 11.0, dtype=torch.float64)) + 0.1
        B = torch.diag(torch.arange(2.0, 12.0, dtype=torch.float64)) if general else None
        torch.manual_seed(0)
        values, vectors = torch.lobpcg(A, 2, B, niter=200, tol=1e-9, largest=largest)
        residual = A @ vectors - (vectors if B is None else B @ vectors) * values
        return (values * 1e4).round(), vectors.shape, bool(residual.abs().max() < 1e-4)

    same(program)


def test_lobpcg_refuses_small_matrices() -> None:
    same(lambda torch: torch.lobpcg(torch.eye(10), 4))


def test_from_file_shares_or_copies_the_file(tmp_path) -> None:
    def program(torch):
        path = str(tmp_path / torch.__name__)
        t = torch.from_file(path, shared=True, size=4, dtype=torch.int32)
        t.copy_(torch.arange(4))
        alone = torch.from_file(path, size=3, dtype=torch.int32)
        alone.fill_(7)
        return t, alone, torch.from_file(path, shared=False, size=4, dtype=torch.int32)

    same(program)
