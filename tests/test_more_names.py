"""Names that stand directly under ``torch`` beside their usual home, settings, and methods of old."""

import pytest
import torch as T

from tests.differential import Case, check, ints, rand, randn, table, tensor
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
    *[Case("embedding_bag", rand(6, 3), tensor([1, 2, 4, 5, 4, 3]), tensor([0, 3, 3, 4]), False, mode, False, None, False, padding)
      for mode in (0, 1, 2) for padding in (4, -1)],
    *[Case("embedding_bag", rand(6, 3, dtype=dtype), tensor([1, 2, 4, 5, 4, 3], index), tensor([0, 3, 4], index), mode=mode, grad=False)
      for dtype in (T.float32, T.float64, T.bfloat16) for mode in (0, 1, 2) for index in (T.int64, T.int32)],
    Case("embedding_bag", rand(6, 3), tensor([1, 2, 4]), tensor([0, 2, 3]), per_sample_weights=rand(3), include_last_offset=True),
    Case("embedding_bag", rand(6, 3), tensor([1, 2]), tensor([0]), mode=3, raises=RuntimeError, match="mode", message="equal"),
    Case("embedding_bag", rand(6, 3), tensor([1, 2]), tensor([1]), raises=RuntimeError, match="offsets", message="equal"),
    Case("embedding_bag", rand(6, 3), tensor([1, 2]), tensor([0, 5]), raises=RuntimeError, match="offsets", message="equal"),
    Case("embedding_bag", rand(6, 3), tensor([1, 2]), tensor([0]), mode=1, per_sample_weights=rand(2), raises=RuntimeError,
         match="per_sample", message="equal"),
    Case("batch_norm_update_stats", rand(2, 3, 4), rand(3), rand(3), 0.1, grad=False),
    Case("batch_norm_update_stats", rand(5, 3), None, None, 0.1, grad=False),
    Case("batch_norm_update_stats", rand(0, 3), None, None, 0.1, raises=RuntimeError, match="at least one", message="equal"),
    Case("batch_norm_update_stats", ints(2, 3), None, None, 0.1, raises=NotImplementedError, match="Long", message="equal"),
    Case("sym_max", 2, 3.0), Case("sym_min", 2, 3.0), Case("sym_max", 2, 3), Case("sym_not", True), Case("sym_ite", True, 1, 2),
    Case("sym_int", 3.7), Case("sym_float", 3), Case("sym_sqrt", 4), Case("sym_sum", [1, 2, 3]), Case("sym_sum", 1, 2),
    Case("sym_constrain_range", 3, min=1, max=5), Case("sym_fresh_size", 3),
    Case("sym_constrain_range", 9, min=1, max=5, raises=RuntimeError, match="Invalid value range", message="equal"),
]  # fmt: skip


@table(CASES)
def test_a_name_does_what_it_does_in_torch(case: Case) -> None:
    check(case)


def _scaled(torch, a="float8_e4m3fn", out="float32", scale="TensorWise"):
    how = getattr(torch.nn.functional.ScalingType, scale)
    x, y = (torch.arange(512.0).view(16, 32) % k / 3 for k in (7, 11))
    x, y = x.to(getattr(torch, a)), y.to(torch.float8_e4m3fn if "8" in a else torch.float32)
    return torch.nn.functional.scaled_mm(
        x, y.t(), torch.tensor(2.0), how, [torch.tensor(0.5)], how, output_dtype=getattr(torch, out)
    )


PROGRAMS = Table({
    **{f"scaled {options}": lambda torch, options=options: _scaled(torch, **options) for options in (
        {}, {"out": "bfloat16"}, {"out": "float16"}, {"a": "float8_e5m2"})},
    "scaled rows": lambda torch: torch.nn.functional.scaled_mm(
        torch.arange(512.0).view(16, 32).to(torch.float8_e4m3fn), torch.ones(16, 32).to(torch.float8_e4m3fn).t(),
        torch.arange(16.0).view(16, 1), torch.nn.functional.ScalingType.RowWise, torch.ones(1, 16),
        [torch.nn.functional.ScalingType.RowWise], bias=torch.ones(16), output_dtype=torch.float32),
    **{f"{name}, removed": lambda torch, name=name, n=n: getattr(torch.eye(2), name)(*[torch.eye(2)] * n)
       for name, n in (("eig", 0), ("lstsq", 1), ("solve", 1), ("symeig", 0), ("reinforce", 1))},
    "volatile": lambda torch: (x := torch.ones(2), x.volatile, setattr(x, "volatile", True), x.volatile)[1:],
    "grad_dtype": lambda torch: (x := torch.ones(2, requires_grad=True), x.grad_dtype, setattr(x, "grad_dtype", torch.float16),
                                 (x * 2).sum().backward(), x.grad, x.grad_dtype)[1:],
    "grad_dtype of any": lambda torch: (x := torch.ones(2, requires_grad=True), setattr(x, "grad_dtype", None),
                                        setattr(x, "grad", torch.ones(2, dtype=torch.float64)), x.grad)[1:],
    "grad_dtype of a result": lambda torch: (torch.ones(2, requires_grad=True) * 2).grad_dtype,
    "grad_dtype, set on a result": lambda torch: setattr(torch.ones(2, requires_grad=True) * 2, "grad_dtype", torch.float64),
    "grad_dtype, too late": lambda torch: (x := torch.ones(2, requires_grad=True), x.sum().backward(),
                                           setattr(x, "grad_dtype", torch.float64)),
    "a grad of another dtype": lambda torch: setattr(torch.ones(2, requires_grad=True), "grad", torch.ones(2).double()),
    "values_copy": lambda torch: (s := torch.eye(3).to_sparse_csr(), torch.values_copy(s), torch.crow_indices_copy(s),
                                  torch.col_indices_copy(s), torch.ccol_indices_copy(torch.eye(3).to_sparse_csc()),
                                  torch.row_indices_copy(torch.eye(3).to_sparse_csc()))[1:],
    "values_copy, out": lambda torch: (out := torch.empty(0), torch.values_copy(torch.eye(3).to_sparse_csr(), out=out) is out, out),
    "row_indices_copy of rows": lambda torch: torch.row_indices_copy(torch.eye(3).to_sparse_csr()),
    "saddmm": lambda torch: (s := torch.eye(3).to_sparse(), torch.saddmm(s, s, torch.ones(3, 3), beta=2, alpha=3).to_dense())[1],
    "native_norm": lambda torch: (s := torch.eye(3).to_sparse(), [torch.native_norm(s, p) for p in (1, 2, float("inf"))],
                                  torch.native_norm(s, 2, [0, 1], False, None))[1:],
    "native_norm of rows": lambda torch: torch.native_norm(torch.eye(3).to_sparse(), 2, [0], False, None),
    "native_norm, kept": lambda torch: torch.native_norm(torch.eye(3).to_sparse(), 2, [0, 1], True, None),
    "resize_as_sparse_": lambda torch: (s := torch.eye(3).to_sparse(), torch.resize_as_sparse_(s, torch.eye(4).to_sparse()) is s,
                                        s.to_dense())[1:],
    "DLPack's numbers": lambda torch: [(int(d), d.name) for d in __import__(
        f"{torch.__name__}.utils.dlpack", fromlist=["x"]).DLDeviceType],
    "torch.types": lambda torch: [__import__(f"{torch.__name__}.types", fromlist=["x"]).Number == (int | float | bool)],
    "assert_allclose": lambda torch: torch.testing.assert_allclose(torch.ones(2), torch.ones(2) + 1e-5),
    "assert_allclose, numbers": lambda torch: torch.testing.assert_allclose([1, 2], [1, 2], rtol=1e-3),
    "not all close": lambda torch: torch.testing.assert_allclose(torch.ones(2), torch.zeros(2)),
    "writing to what was saved": lambda torch: _mutated(torch),
    "no budget": lambda torch: torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False),
    "device states": lambda torch: __import__(f"{torch.__name__}.utils.checkpoint", fromlist=["x"]).get_device_states(torch.ones(2)),
    "a version": lambda torch: [torch.serialization.check_module_version_greater_or_equal(__import__("numpy"), v) for v in ((1, 2), (99, 0))],
    "a malformed version": lambda torch: torch.serialization.check_module_version_greater_or_equal(torch.version, ("a", 0)),
    "storages by name": lambda torch: (torch.serialization.StorageType("FloatStorage").dtype, torch.serialization.get_default_load_endianness(),
                                       torch.serialization.get_default_mmap_options()),
    "a wrong order of bytes": lambda torch: torch.serialization.set_default_load_endianness(3),
    "a wrong way to map": lambda torch: torch.serialization.set_default_mmap_options(99),
    "gradcheck of sparse": lambda torch: [torch.sparse.as_sparse_gradcheck(torch.autograd.gradcheck)(
        f, (torch.eye(3, dtype=torch.float64).to_sparse().requires_grad_(),), masked=True)
        for f in (lambda x: torch.sparse.sum(x * x), lambda x: x * 3, lambda x: x.to_dense().sin())],
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


def _mutated(torch):
    with torch.autograd.graph.allow_mutation_on_saved_tensors():
        x = torch.ones(2, 3, requires_grad=True)
        y = x.clone()
        total = (y**2).sum()
        y.sin_()
        total.backward()
    return x.grad


@pytest.mark.parametrize("options", [{"a": "float32"}, {"scale": "BlockWise1x32"}], ids=str)
def test_scales_that_do_not_fit_are_refused(options: dict) -> None:
    same(lambda torch: _scaled(torch, **options), message=False)


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
