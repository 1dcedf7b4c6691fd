"""Running lines of Python on real torch and here, and comparing all that can be seen after each; see `random_programs`."""

import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from tests import differential
from torchlike.testing.conformance.bridge import name_of, to_numpy

#: (rtol, atol) as `torch.testing.assert_close`; atol grows with the largest number that the program has seen.
TOLERANCES = {
    "float64": (1e-7, 1e-7), "float32": (1.3e-6, 1e-5), "complex64": (1.3e-6, 1e-5), "complex128": (1e-7, 1e-7),
    "float16": (1e-3, 1e-3),
}  # fmt: skip
#: Results with larger numbers are not used any more: their rounding errors would be the only thing compared.
LARGE = 1e4
_NAME = re.compile(r"t\d+")
#: What torch says was written to: for a product of other than two matrices, a view that it made of the factor.
_WRITTEN = re.compile(r"\[torch\.\w+ \[[\d, ]*\]\](, which is output \d+ of \w+,)?")


def floats(t: torch.Tensor) -> bool:
    return t.is_floating_point() or t.is_complex()


class Side:
    """A program as it runs in one library."""

    def __init__(self, library: Any) -> None:
        self.library = library
        self.env: dict[str, Any] = {"torch": library}
        self.twice = self.folds = False

    def run(self, line: str) -> tuple[str, str] | None:
        """Type and first line of the exception that a line of the program raises."""
        self.twice |= "create_graph" in line
        self.folds |= " @ " in line
        self.error = None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                exec(compile(line, line, "exec"), self.env)
            except Exception as error:  # the very thing under test
                self.error = error
                return type(error).__name__, differential._first_line(error)
        return None

    def tensors(self) -> dict[str, Any]:
        return {k: v for k, v in self.env.items() if _NAME.fullmatch(k)}


def _asked(question: Callable[[], Any]) -> Any:
    try:
        return question()
    except Exception as error:
        return type(error).__name__, differential._first_line(error)


def facts(t: Any) -> dict[str, Any]:
    """What can be asked about a tensor without reading it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "dtype": _asked(lambda: name_of(t.dtype)),
            "shape": _asked(lambda: tuple(t.shape)),
            # A stride along a dimension of size 1 addresses nothing.
            "stride": _asked(lambda: [s for s, n in zip(t.stride(), t.shape, strict=True) if n > 1] if t.numel() > 1 else None),
            # Where nothing begins depends on such strides.
            "storage_offset": _asked(lambda: t.storage_offset() if t.numel() else None),
            "grad_fn": _asked(lambda: t.grad_fn and t.grad_fn.name()),
            "requires_grad": _asked(lambda: t.requires_grad),
            "is_leaf": _asked(lambda: t.is_leaf),
            "_version": _asked(lambda: t._version),
            "_is_view": _asked(t._is_view),
            "output_nr": _asked(lambda: t.output_nr),
            "retains_grad": _asked(lambda: t.retains_grad),
            "is_conj": _asked(t.is_conj),
            "has grad": _asked(lambda: t.grad is not None),
        }


class Comparison:
    """What the two sides disagree about after a line.

    Args:
        shared: read tensors by ``numpy()``, which lets NumPy share their memory from then on.
    """

    def __init__(self, shared: bool = False) -> None:
        self.scale = 1.0
        self.shared = shared
        self.coarse = False  # whether a float16 was rounded: what is copied from it into a wider dtype keeps its error

    def facts(self, theirs: Side, ours: Side) -> str | None:
        without = refused(theirs)
        for name, t in theirs.tensors().items():
            if name in without:
                continue
            a, b = facts(t), facts(ours.env[name])
            for key in a:
                if a[key] != b[key]:
                    return f"{name}.{key}: expected {a[key]}, got {b[key]}"
        return None

    def values(self, theirs: Side, ours: Side) -> str | None:
        unsure = rounded_bits(theirs)
        tensors = theirs.tensors().values()
        self.coarse |= any(t.dtype == torch.float16 and t.numel() and not _is_exact(t.detach()) for t in tensors)
        for name, t in theirs.tensors().items():
            found = None if name in unsure else self._value(t, ours.env[name], ours.library)
            if found:
                return f"{name}: {found}"
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                grads = t.grad, ours.env[name].grad
            if grads[0] is not None:
                if tuple(grads[0].shape) != tuple(grads[1].shape) or facts(grads[0])["stride"] != facts(grads[1])["stride"]:
                    wanted, got = [(tuple(g.shape), g.stride()) for g in grads]
                    return f"{name}.grad: expected shape and stride {wanted}, got {got}"
                found = self._value(*grads, ours.library)
                if found:
                    return f"{name}.grad: {found}"
        return None

    def _value(self, theirs: Any, ours: Any, library: Any) -> str | None:
        a = to_numpy(theirs)
        try:
            ours = ours.detach()
            b = to_numpy(ours if self.shared and not ours.is_conj() else ours.clone(), library)
        except Exception as error:
            return f"cannot be read: {type(error).__name__}: {error}"
        rtol, atol = TOLERANCES.get("float16" if self.coarse and floats(theirs) else name_of(theirs.dtype), (0.0, 0.0))
        if not rtol:
            same = a == b
        else:
            with np.errstate(all="ignore"):
                wide = np.complex128 if a.dtype.kind == "c" else np.float64
                a, b = a.astype(wide), b.astype(wide)
                self.scale = max(self.scale, float(np.max(np.abs(a), where=np.isfinite(a), initial=0.0)))
                same = np.isclose(b, a, rtol=rtol, atol=atol * self.scale, equal_nan=True)
        return None if np.all(same) else f"expected {a.tolist()}, got {b.tolist()}"


def refused(side: Side) -> list[str]:
    """Views whose history torch refuses to tell from now on, since their base was written to."""
    return [name for name, t in side.tensors().items() if isinstance(_asked(lambda t=t: t.grad_fn), tuple)]


def too_large(side: Side) -> list[str]:
    """Tensors whose numbers have grown so much that rounding errors, or overflow, would decide all that follows."""
    found = []
    for name, t in side.tensors().items():
        with torch.no_grad():
            a = t.detach()
            if a.numel() and (a.dtype in (torch.int32, torch.int64) or floats(a)):
                a = a.abs().to(torch.float64) if not a.is_complex() else torch.view_as_real(a.resolve_conj()).abs().double()
                if not bool((a <= LARGE).all()):
                    found.append(name)
    return found


def rounded_bits(side: Side) -> list[str]:
    """Integers that are the bits of floats which were rounded: an ulp more or less is another number."""
    tensors = side.tensors()
    rounded = {_memory(t) for t in tensors.values() if floats(t) and t.numel() and not _is_exact(t.detach())}
    return [name for name, t in tensors.items() if not floats(t) and t.numel() and _memory(t) in rounded]


def _memory(t: torch.Tensor) -> int:
    return t.untyped_storage().data_ptr()


def _is_exact(t: torch.Tensor) -> bool:
    """Whether the numbers are so short that no rounding took place."""
    parts = torch.view_as_real(t.resolve_conj()) if t.is_complex() else t
    return bool((parts * 16 == (parts * 16).round()).all())


def run_lines(
    lines: list[str], library: Any, *, each: bool, shared: bool = False, prepare: Callable[[Side], None] | None = None
) -> str | None:
    """Run a program in torch and in a library; the first difference, or None.

    Args:
        lines: the program.
        library: the one under test.
        each: compare values after each line; else only at the end, so that everything is recorded.
        shared: see `Comparison`.
        prepare: called with our side after each line.
    """
    theirs, ours, comparison = Side(torch), Side(library), Comparison(shared)
    for k, line in enumerate(lines):
        found = step(line, theirs, ours, comparison, values=each or k == len(lines) - 1, prepare=prepare)
        if found:
            return f"{line}\n  {found}"
        if theirs.error is not None and "backward(" in line:
            break  # which gradients have arrived is an accident
    return None


def _written(error: tuple[str, str]) -> tuple[str, str]:
    return error[0], _WRITTEN.sub("", error[1])


def step(
    line: str, theirs: Side, ours: Side, comparison: Comparison, *, values: bool, prepare: Callable[[Side], None] | None = None
) -> str | None:  # fmt: skip
    """Run one line on both sides; the first difference that can be seen after it."""
    expected, got = theirs.run(line), ours.run(line)
    if prepare is not None:
        prepare(ours)
    modified = "modified by an inplace operation"
    if theirs.twice and expected and modified in expected[1] and (got is None or modified in got[1]):
        return None  # what a backward that has a gradient saved is not watched: its values stay as they were
    if expected and "backward(" in line and "Tensor must have a last dimension with stride 1" in expected[1] and got is None:
        return None  # torch saw an expanded gradient: here they are tensors of their own, see docs/porting.md
    if expected != got and not (theirs.folds and expected and got and _written(expected) == _written(got)):
        return f"expected {expected}, got {got}"
    if expected and "backward(" in line:
        return None
    found = comparison.facts(theirs, ours)
    return found or (comparison.values(theirs, ours) if values else None)
