"""The harness itself: it must notice each kind of difference, and nothing else."""

import collections
import os
import re
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch

from torchlike.testing.conformance import expected, runner
from torchlike.testing.conformance.__main__ import main, markdown, plan
from torchlike.testing.conformance.bridge import Bridge, to_numpy, translate
from torchlike.testing.conformance.compare import difference
from torchlike.testing.conformance.runner import Job, Report, perform


def imitation(**replaced: Any) -> types.ModuleType:
    """Real torch under another name, with some functions replaced; None removes one."""
    module = types.ModuleType("imitation")

    def lookup(name: str) -> Any:
        if name in replaced and replaced[name] is None:
            raise AttributeError(name)
        return replaced.get(name) or getattr(torch, name)

    module.__getattr__ = lookup  # type: ignore[method-assign]
    return module


@pytest.mark.parametrize(
    ("entry", "check", "replacement", "sentence"),
    [
        ("exp", "forward", lambda x: torch.exp(x) * (1 + 1e-4), "values differ"),
        ("exp", "forward", lambda x: torch.exp(x).double(), "expected dtype float32, got float64"),
        ("exp", "forward", lambda x: torch.exp(x)[None], r"expected shape \(\w+"),
        ("exp", "forward", lambda x: [torch.exp(x)], "expected a tensor"),
        ("exp", "gradient", lambda x: torch.exp(x.detach()), "expected True, got False"),
        ("exp", "gradient", lambda x: torch.exp(x.detach()) + 2 * x - 2 * x.detach(), "'grad'.*values differ"),
        ("exp", "out", lambda x, out=None: torch.exp(x), "values differ"),
        ("max.reduction_with_dim", "forward", lambda x, *a, **k: tuple(torch.max(x, *a, **k)), "named tuple"),
        ("cat", "errors", lambda *a, **k: torch.cat([]), "expected .*Error: .*, got .*Error"),
        ("cat", "errors", lambda *a, **k: torch.zeros(()), "got a result"),
    ],
)  # fmt: skip
def test_a_wrong_function_is_noticed(entry: str, check: str, replacement: Any, sentence: str) -> None:
    job = Job(entry, check, "float64" if check == "gradient" else "float32", 3)
    assert perform(job, imitation()).status == "pass"
    report = perform(job, imitation(**{entry.split(".")[0]: replacement}))
    assert report.status == "fail"
    assert report.agree < report.samples
    assert any(re.search(sentence, line) for line in report.differences), report.differences


def _argsort(input: torch.Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False) -> torch.Tensor:
    """`torch.argsort`, with equal elements in reverse."""
    if not input.ndim:
        return torch.zeros((), dtype=torch.int64)
    mirrored = torch.argsort(input.flip(dim), dim=dim, descending=descending, stable=True)
    return (input.shape[dim] or 1) - 1 - mirrored


def test_indices_of_equal_elements_are_free_unless_the_sort_is_stable() -> None:
    job = Job("argsort", "forward", "bool")

    def free(*args: Any, **kwargs: Any) -> torch.Tensor:
        return (torch.argsort if kwargs.get("stable") else _argsort)(*args, **kwargs)

    assert perform(job, imitation(argsort=free)).status == "pass"
    assert perform(job, imitation(argsort=_argsort)).status == "fail"
    assert perform(job, imitation(argsort=lambda *a, **k: torch.argsort(*a, **k).clamp_min(1))).status == "fail"
    assert perform(job, imitation(argsort=lambda *a, **k: torch.argsort(*a, **k).flip(-1))).status == "fail"


def test_a_missing_function_is_missing_and_a_missing_form_is_a_failure() -> None:
    assert perform(Job("exp", "forward", "float32"), imitation(exp=None)).status == "missing"


@pytest.mark.parametrize("name", ["nn.Linear", "nn.LSTM", "nn.TransformerEncoderLayer"])
def test_a_wrong_layer_is_noticed(name: str) -> None:
    job = Job(name, "layer", "float32", 2)
    assert perform(job, imitation()).status == "pass"
    kind = name.removeprefix("nn.")
    wrong = type(kind, (getattr(torch.nn, kind),), {"forward": lambda self, *a, **k: torch.zeros(1)})
    layers = types.SimpleNamespace(**{**vars(torch.nn), kind: wrong})
    assert perform(job, imitation(nn=layers)).status == "fail"


def test_a_wrong_optimizer_is_noticed() -> None:
    class Slow(torch.optim.SGD):
        def __init__(self, params: Any, lr: float = 1e-3, **options: Any) -> None:
            super().__init__(params, lr * 0.9, **options)

    optim = types.SimpleNamespace(**{**vars(torch.optim), "SGD": Slow})
    assert perform(Job("optim.SGD", "optimizer", "float64"), imitation()).status == "pass"
    assert perform(Job("optim.SGD", "optimizer", "float64"), imitation(optim=optim)).status == "fail"


def test_the_bridge_keeps_strides_aliasing_and_requires_grad() -> None:
    base = torch.arange(12.0).reshape(3, 4)
    over = Bridge(imitation()).over([base, base.t(), base[1:, ::2], base.expand(2, 3, 4), base.clone().requires_grad_()])
    assert [t.stride() for t in over] == [(4, 1), (1, 4), (4, 2), (0, 4, 1), (4, 1)]
    over[0].fill_(7)
    assert all((t == 7).all() for t in over[:4])
    assert over[4].requires_grad
    assert over[4].is_leaf
    assert not over[4].eq(7).all()
    assert base[0, 0] == 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float8_e4m3fn, torch.complex64, torch.bool, torch.uint8])
@pytest.mark.parametrize("shape", [(), (0,), (2, 3)])
def test_every_dtype_crosses_unchanged(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    tensor = torch.ones(shape).mul(1.5).to(dtype)
    over = Bridge(imitation()).over(tensor)
    assert over.dtype == dtype
    assert over.shape == tensor.shape
    assert (to_numpy(over) == to_numpy(tensor)).all()


def test_helpers_of_torch_s_test_suite_mention_the_library_instead() -> None:
    library = imitation(exp=lambda x: "ours")
    assert translate(lambda x: torch.exp(x), library)(1) == "ours"
    assert translate(torch.exp, library)(1) == "ours"


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [(1, True), (1.0, 1.1), ("a", "b"), (None, 0), ([1], (1,)), ({"a": 1}, {"b": 1}), (torch.float32, torch.float64)],
)
def test_plain_values_are_compared_too(theirs: Any, ours: Any) -> None:
    assert difference(theirs, ours, torch)
    assert difference(theirs, theirs, torch) is None


def test_strides_are_compared_where_they_address_something() -> None:
    a = torch.zeros(2, 3)
    assert difference(a, torch.zeros(3, 2).t(), torch) is None
    assert "strides" in (difference(a, torch.zeros(3, 2).t(), torch, strides=True) or "")
    assert difference(torch.zeros(2, 1), torch.zeros(1, 2).t(), torch, strides=True) is None


def test_a_line_that_passes_is_obsolete_and_a_failure_without_a_line_unexpected(tmp_path: Path) -> None:
    path = tmp_path / "expected.txt"
    path.write_text("# a comment\nexp forward * a reason\nlog forward float32 a reason\n")
    lines = expected.read(path)
    good, bad = Report("exp", "forward", "float64", "pass"), Report("exp", "forward", "float32", "fail")
    assert expected.judge([good], lines).obsolete == ["exp forward *"]
    assert expected.judge([good, bad], lines) == expected.Verdict([], [])
    assert expected.judge([Report("log", "forward", "float32", "pass", complete=False)], lines).obsolete == []
    stray = Report("sin", "forward", "float32", "crash")
    assert expected.judge([stray], lines).unexpected == [stray]
    path.write_text("exp forward *\n")
    with pytest.raises(ValueError, match="entry check dtype reason"):
        expected.read(path)


def test_a_worker_that_dies_is_a_crash_and_the_rest_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deadly.py").write_text(
        "import os, torch\n"
        "def __getattr__(name):\n"
        "    return (lambda *a, **k: os._exit(9)) if name == 'exp' else getattr(torch, name)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    jobs = [Job("exp", "forward", "float32", 2), Job("sin", "forward", "float32", 2)]
    reports = {r.name: r for r in runner.execute(jobs, "deadly", processes=1)}
    assert reports["exp"].status == "crash"
    assert "died" in reports["exp"].first
    assert reports["sin"].status == "pass"


def test_every_entry_has_a_row_in_a_dtype_that_it_supports() -> None:
    from torch.testing._internal.common_methods_invocations import op_db

    jobs = plan(None, ["forward", "gradient", "second", "forward-ad", "out", "errors"])
    count = collections.Counter(job.check for job in jobs)
    assert count["forward"] == len(op_db)
    assert count["gradient"] == sum(e.supports_autograd for e in op_db)
    assert count["second"] == sum(e.supports_gradgrad for e in op_db)
    assert count["forward-ad"] == sum(e.supports_forward_ad for e in op_db)
    assert count["out"] == sum(e.supports_out for e in op_db)
    assert count["errors"] == sum(e.error_inputs_func is not None for e in op_db)
    dtypes = {(job.name, job.check): job.dtype for job in jobs}
    assert dtypes["add", "forward"] == "float32"
    assert dtypes["lcm", "forward"] == "int64"
    assert dtypes["add", "gradient"] == "float64"
    assert dtypes["istft", "gradient"] == "complex128"


def test_all_dtypes_are_those_of_torchs_cpu_and_only_forward_runs_in_them() -> None:
    jobs = plan(["full_like", "add"], ["forward", "out"], ["all"], None, 5)
    forward = {job.dtype: job.limit for job in jobs if job.name == "full_like" and job.check == "forward"}
    assert {"uint16", "uint32", "bool", "complex128"} <= {*forward}
    assert "complex32" not in forward
    assert forward.pop("float32") is None
    assert {*forward.values()} == {5}
    assert [job.dtype for job in jobs if job.check == "out"] == ["float32"]


def test_what_runs_on_cuda_alone_is_a_row_with_a_reason() -> None:
    (job,) = plan(["jiterator_unary"], ["forward"], ["all"])
    report = perform(job, imitation())
    assert (report.status, report.samples) == ("skip", 0)
    assert "CUDA" in report.first
    (job,) = plan(["nn.functional.batch_norm.without_cudnn"], ["forward"])
    assert "no dtype" in perform(job, imitation()).first


def test_what_is_missing_needs_a_line(tmp_path: Path) -> None:
    report = perform(Job("exp", "forward", "float32"), imitation(exp=None))
    assert expected.judge([report], {}).unexpected == [report]
    lines = {("exp", "missing", "*"): "a reason"}
    assert expected.judge([report], lines) == expected.Verdict([], [])
    assert expected.judge([Report("exp", "forward", "float32", "pass")], lines).obsolete == ["exp missing *"]


def test_missing_lists_and_runs_nothing(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "perform", None)
    monkeypatch.setitem(sys.modules, "imitation", imitation(exp=None))
    assert main(["--missing", "--ops", "exp", "sin", "jiterator_unary", "--library", "imitation"]) == 0
    assert capsys.readouterr().out.split() == ["exp"]


def test_the_page_counts_dtypes_and_gives_every_reason() -> None:
    reports = [
        Report("exp", "forward", "float32", "pass", 2, 2),
        Report("exp", "forward", "bfloat16", "fail", 3, 1, first="one differs"),
        Report("exp", "errors", "float32", "fail", 4, 2, first="m", differences=["message: m", "expected a, got b"]),
        Report("sin", "forward", "float32", "pass", 5, 5),
        Report("jiterator_unary", "forward", "float32", "skip", first="CUDA"),
    ]
    page = markdown(reports, {("exp", "forward", "bfloat16"): "rounds"})
    assert "| `exp` | 1/2 dtypes | 2/4 samples |" in page
    assert "| `sin` | pass |  |" in page
    assert "| `jiterator_unary` | not run |  |" in page
    assert "- `exp` forward bfloat16: 1 of 3 samples agree: rounds" in page
    assert "- `jiterator_unary` forward float32: not run: CUDA" in page
    forward = next(line for line in page.splitlines() if line.startswith("forward"))
    assert forward.split() == ["forward", "3", "1", "1", "0", "1", "10", "8", "80.00%"]
    assert "of 4 bad inputs 3 (75.0 %) raise the right type, 2 (50.0 %) with the right message" in page
