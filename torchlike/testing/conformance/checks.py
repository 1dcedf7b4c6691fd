"""The checks: one entry, one dtype, one aspect; each runs an entry's samples in torch and in the library.

A check yields for every sample None (agreed) or the first difference as a sentence.
"""

import contextlib
import copy
import random
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch

from torchlike._src.tensor import dispatch
from torchlike.testing.conformance.bridge import Bridge, from_numpy, to_numpy, translate
from torchlike.testing.conformance.compare import difference, inaccurate, tensors_in
from torchlike.testing.conformance.entries import TIES, Entry

#: Factors on the tolerance, by entry, each with its reason. Everything else meets torch.testing's own tolerance, or that of
#: `judged`.
LOOSER: dict[str, float] = {
    # torch's fitted coefficients are off by 3e-7 even in float64, 3 digits more than ours (J0(5.52) = -2.658e-5 by its zero
    # and slope there, DLMF table 10.21; torch says -2.674e-5).
    "special.bessel_j0": 10.0, "special.bessel_j1": 10.0, "special.bessel_y0": 10.0, "special.bessel_y1": 10.0,
    "special.airy_ai": 10.0,
    # The samples of this function have weights in float32 whatever the dtype; derivatives divide by a difference of their sums.
    "cov": 10.0,
}  # fmt: skip
#: Dtypes of which float64 or complex128 can tell the truth.
_WIDER = {
    torch.float16: torch.float64, torch.bfloat16: torch.float64, torch.float32: torch.float64,
    torch.complex64: torch.complex128,
}  # fmt: skip

_NARROWER = frozenset(_WIDER.values())
#: What the database draws each sample from.
_SEED = 1234

Outcome = str | None


class Skip(Exception):
    """The check does not apply to this entry, or this sample."""


def run(function: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[Any, Exception | None]:
    """(result, None), or (None, exception)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function(*args, **kwargs), None
    except Exception as error:  # the very thing under test
        return None, error


def described(error: Exception) -> str:
    """An exception on one line, with the place in the library that raised it."""
    place = ""
    trace = error.__traceback__
    while trace is not None:
        filename = trace.tb_frame.f_code.co_filename
        if "torchlike" in filename and "/testing/" not in filename:
            place = f" ({filename.rsplit('torchlike/', 1)[-1]}:{trace.tb_lineno})"
        trace = trace.tb_next
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}{place}"


def disagree(theirs: tuple[Any, Exception | None], ours: tuple[Any, Exception | None], library: Any, **how: Any) -> Outcome:
    """The difference between two outcomes of `run`. Where torch raises, the same type must be raised."""
    if theirs[1] is not None:
        if ours[1] is None:
            return f"expected {described(theirs[1])}, got a result"
        same = isinstance(ours[1], _counterpart(type(theirs[1]), library))
        return None if same else f"expected {described(theirs[1])}, got {described(ours[1])}"
    if ours[1] is not None:
        return f"raised {described(ours[1])}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return difference(theirs[0], ours[0], library, **how)
        except Exception as error:  # a result that cannot even be read
            return f"reading the result raised {described(error)}"


def judged(
    outcome: Outcome, theirs: tuple[Any, Exception | None], ours: tuple[Any, Exception | None], sample: Any, dtype: torch.dtype,
    library: Any, again: Callable[[Any], Any],
) -> Outcome:  # fmt: skip
    """A difference between results of low precision, once more in the light of the truth; see `inaccurate`.

    Args:
        outcome: what `disagree` found.
        again: what computed `theirs` in torch, of a sample.
    """
    if outcome is None or dtype not in _WIDER or theirs[1] is not None or ours[1] is not None:
        return outcome
    truth, error = run(again, _widened(sample))
    if error is not None:
        return outcome
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = run(inaccurate, theirs[0], ours[0], truth, library)
    return None if found == (None, None) else f"{outcome} [{found[0] or described(found[1])}]"


def _widened(value: Any) -> Any:
    """A sample with all its tensors, and the dtypes it names, in double precision."""
    if isinstance(value, torch.Tensor):
        return value.detach().to(_WIDER[value.dtype]).requires_grad_(value.requires_grad) if value.dtype in _WIDER else value
    if isinstance(value, torch.dtype):
        return _WIDER.get(value, value)
    if isinstance(value, (list, tuple)):
        made = [_widened(v) for v in value]
        return made if isinstance(value, list) else tuple(made)
    if isinstance(value, dict):
        return {key: _widened(v) for key, v in value.items()}
    if hasattr(value, "output_process_fn_grad"):
        made = copy.copy(value)
        made.input, made.args, made.kwargs = _widened(value.input), _widened(value.args), _widened(value.kwargs)
        return made
    return value


def chosen(outcome: Outcome, theirs: Any, ours: Any, sample: Any, entry: Entry, library: Any) -> Outcome:
    """A difference between indices, which are free among equal elements: do they name equal elements, and each once?

    Args:
        outcome: what `disagree` found.
        theirs: torch's indices, or ``(values, indices)``.
        ours: the library's, of the same structure.
    """
    if len(tensors_in(theirs, torch)) != (1 if entry.info.name == "argsort" else 2) or difference(
        theirs, ours, library, values=False
    ):
        return outcome
    dim = [*sample.args[TIES[entry.info.name] :], sample.kwargs.get("dim", -1)][0]
    results = []
    for value, lib in ((theirs, torch), (ours, library)):
        *values, index = [from_numpy(to_numpy(t, lib)) for t in tensors_in(value, lib)]
        if index.ndim < sample.input.ndim:
            index = index.unsqueeze(dim)
        if index.ndim and (index.sort(dim).values.diff(dim=dim) == 0).any():
            return f"{outcome} [an element is named twice]"
        results.append([*values, sample.input.gather(dim, index)])
    return difference(*results, torch)


def _counterpart(kind: Any, library: Any) -> Any:
    """`torch.linalg.LinAlgError` → the library's; built-in exceptions stand for themselves."""
    if isinstance(kind, tuple):
        return tuple(_counterpart(k, library) for k in kind)
    if kind.__name__ in ("LinAlgError", "_LinAlgError"):
        return library.linalg.LinAlgError
    if kind.__name__ == "OutOfMemoryError":
        return RuntimeError
    return kind


def seed(library: Any) -> None:
    """The same random state for both libraries."""
    torch.default_generator.manual_seed(42)  # torch.manual_seed asks every kind of device, which takes a millisecond
    if library is not torch and hasattr(library, "manual_seed"):
        library.manual_seed(42)


def samples(entry: Entry, dtype: torch.dtype, *, grad: bool, limit: int | None) -> list[Any]:
    """The entry's samples, at most `limit` of them, evenly spread."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = list(_drawn(entry.info.sample_inputs_func(entry.info, "cpu", dtype, requires_grad=grad)))
    if limit is not None and len(found) > limit:
        found = [found[i * len(found) // limit] for i in range(limit)]
    return found


def _drawn(found: Iterable[Any]) -> Iterator[Any]:
    """Samples as ``info.sample_inputs()`` draws them, each from the same seed; but that looks for a running test, too, and seeds
    every kind of device, which takes longer than most samples do."""
    waiting = iter(found)
    while True:
        torch.default_generator.manual_seed(_SEED)
        random.seed(_SEED)
        np.random.seed(_SEED)  # noqa: NPY002 (the database draws from the global generators)
        try:
            yield next(waiting)
        except StopIteration:
            return


def call(sample: Any, library: Any) -> tuple[list[Any], dict[str, Any]]:
    """Fresh copies of a sample's arguments for one library."""
    bridge = Bridge(library)
    return [bridge.over(sample.input), *map(bridge.over, sample.args)], bridge.over(sample.kwargs)


def _how(entry: Entry) -> dict[str, Any]:
    return {"values": entry.comparable and not _drew(), "tolerance": LOOSER.get(entry.name, 1.0)}


def _drew() -> bool:
    """Whether torch's call has drawn from its generator since `seed`: then its values are random (dropout in attention)."""
    return not torch.equal(torch.random.get_rng_state(), torch.Generator().manual_seed(42).get_state())


def _processed(sample: Any, library: Any) -> Callable[[Any], Any]:
    """The database's own way to take the gauge freedom (signs of eigenvectors, ...) out of a result."""
    return translate(sample.output_process_fn_grad, library)


def forward(entry: Entry, dtype: torch.dtype, library: Any, limit: int | None = None) -> Iterator[Outcome]:
    """The function form."""
    yield from _form(entry, dtype, library, limit, entry.info.op, entry.function(library))


def _form(
    entry: Entry,
    dtype: torch.dtype,
    library: Any,
    limit: int | None,
    theirs: Callable[..., Any],
    ours: Callable[..., Any],
) -> Iterator[Outcome]:
    for sample in samples(entry, dtype, grad=False, limit=limit):
        seed(library)
        expected = run(_called, theirs, sample, torch)
        _refuse_complex32(expected[0])
        got = run(_called, ours, sample, library)
        found = disagree(expected, got, library, **_how(entry))
        found = judged(found, expected, got, sample, dtype, library, lambda wide: _called(theirs, wide, torch))
        if found and entry.info.name in TIES and not sample.kwargs.get("stable") and (expected[1], got[1]) == (None, None):
            found = chosen(found, expected[0], got[0], sample, entry, library)
        yield found


def xla(entry: Entry, dtype: torch.dtype, library: Any, limit: int | None = None) -> Iterator[Outcome]:
    """The function form of what torchlike computes in NumPy if its inputs are small, computed by XLA."""
    asked: list[str] = []
    function = entry.function(library)

    def ours(*args: Any, **kwargs: Any) -> Any:
        with _without_numpy(asked):
            return function(*args, **kwargs)

    for outcome in _form(entry, dtype, library, limit, entry.info.op, ours):
        if not asked:
            raise Skip("NumPy computes nothing of it")
        yield outcome


@contextlib.contextmanager
def _without_numpy(asked: list[str]) -> Iterator[None]:
    """Have torchlike record what NumPy would compute at once; the names of these ops are added to ``asked``."""
    ours = dispatch._on_host

    def refuse(kernel: Any, args: Any, rec: Any) -> Any:
        asked.append(kernel.name)
        return NotImplemented

    dispatch._on_host = refuse
    try:
        yield
    finally:
        dispatch._on_host = ours


def _refuse_complex32(results: Any) -> None:
    if any(t.dtype is torch.complex32 for t in tensors_in(results, torch)):
        raise Skip("its result is complex32, which JAX has no dtype for")


def method(entry: Entry, dtype: torch.dtype, library: Any, limit: int | None = None) -> Iterator[Outcome]:
    """The method, operator and reflected forms."""
    found = False
    for kind in ("method", "operator"):
        theirs = entry.form(kind, torch)
        if theirs is not None and theirs is not entry.info.op:
            found = True
            yield from _form(entry, dtype, library, limit, theirs, entry.form(kind, library))
    if not found:
        raise Skip("no method or operator form")


def inplace(entry: Entry, dtype: torch.dtype, library: Any, limit: int | None = None) -> Iterator[Outcome]:
    """The in-place form: what is returned, that it is the very input, and what was written."""
    forms = [kind for kind in ("inplace", "inplace_operator") if entry.form(kind, torch) is not None]
    if not forms:
        raise Skip("no in-place form")
    for kind in forms:
        theirs, ours = entry.form(kind, torch), entry.form(kind, library)
        for sample in samples(entry, dtype, grad=False, limit=limit):
            if not isinstance(sample.input, torch.Tensor):
                continue
            args, kwargs = call(sample, torch)
            seed(library)
            expected = run(lambda a, k, f=theirs: _written(f, a, k), args, kwargs)
            got = run(lambda s, f=ours: _written(f, *call(s, library)), sample)
            found = disagree(expected, got, library, **_how(entry))
            yield judged(found, expected, got, sample, dtype, library, lambda wide, f=theirs: _written(f, *call(wide, torch)))


def _written(function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> Any:
    result = function(*args, **kwargs)
    return result, args[0], result is args[0]


def out(entry: Entry, dtype: torch.dtype, library: Any, limit: int | None = None) -> Iterator[Outcome]:
    """The ``out=`` form, into a fitting tensor and into an empty one that is resized."""
    if not entry.info.supports_out:
        raise Skip("takes no out=")
    theirs, ours = entry.info.op, entry.function(library)
    for sample in samples(entry, dtype, grad=False, limit=limit):
        args, kwargs = call(sample, torch)
        seed(library)
        plain, error = run(theirs, *args, **kwargs)
        if error is not None or not tensors_in(plain, torch):
            continue
        for resize in (False, True):

            def prepared(lib: Any, plain: Any = plain, resize: bool = resize) -> Any:
                made = [
                    lib.empty((0,) if resize else tuple(t.shape), dtype=Bridge(lib).over(t.dtype))
                    for t in tensors_in(plain, torch)
                ]
                return made[0] if isinstance(plain, torch.Tensor) else tuple(made)

            def into(function: Callable[..., Any], lib: Any, sample: Any = sample, prepared: Any = prepared) -> Any:
                a, k = call(sample, lib)
                target = prepared(lib)
                result = function(*a, **k, out=target)
                process = _processed(sample, lib)
                return process(result), process(target)

            seed(library)
            expected = run(into, theirs, torch)
            if expected[1] is None and _never_wrote(plain, expected[0][1], _processed(sample, torch), **_how(entry)):
                continue
            got = run(into, ours, library)
            found = disagree(expected, got, library, **_how(entry))
            found = judged(found, expected, got, sample, dtype, library, lambda wide: [_called(theirs, wide, torch)] * 2)
            if found and entry.info.name in TIES and (expected[1], got[1]) == (None, None):
                found = chosen(found, expected[0][1], got[0][1], sample, entry, library)
            yield found


def _never_wrote(plain: Any, written: Any, process: Callable[[Any], Any], **how: Any) -> bool:
    """Whether torch left its own ``out`` without the result: there is nothing to compare with in memory that was never written."""
    return difference(tensors_in(process(plain), torch), tensors_in(written, torch), torch, **how) is not None


def gradient(entry: Entry, dtype: torch.dtype, library: Any, limit: int | None = None) -> Iterator[Outcome]:
    """``backward()`` with random cotangents: every leaf's ``.grad``, and which results require grad."""
    yield from _gradients(entry, dtype, library, limit, second=False)


def second(entry: Entry, dtype: torch.dtype, library: Any, limit: int | None = None) -> Iterator[Outcome]:
    """The gradient of a random combination of gradients (``create_graph=True``)."""
    if not entry.info.supports_gradgrad:
        raise Skip("not twice differentiable")
    yield from _gradients(entry, dtype, library, limit, second=True)


def _gradients(entry: Entry, dtype: torch.dtype, library: Any, limit: int | None, *, second: bool) -> Iterator[Outcome]:
    if not entry.info.supports_autograd or dtype not in entry.info.supported_backward_dtypes("cpu"):
        raise Skip("not differentiable")
    theirs, ours = entry.info.op, entry.function(library)
    inputs = samples(entry, dtype, grad=True, limit=limit)
    failed = 0
    for sample in inputs:
        derive = _second if second else _first
        seed(library)
        expected = run(derive, theirs, sample, torch)
        if expected == (None, None) or _lacks_derivative(expected[1]):
            continue  # nothing here depends on an input that requires grad, or torch has nothing to compare with
        got = run(derive, ours, sample, library)
        if second and expected[1] is not None and got[1] is None and run(_first, theirs, sample, torch)[1] is None:
            failed += 1  # in the middle of torch's own backward, which the database says can be differentiated
            continue
        found = disagree(expected, got, library, **_how(entry))
        yield judged(found, expected, got, sample, dtype, library, lambda wide, f=derive: f(theirs, wide, torch, dtype))
    if inputs and failed == len(inputs):
        raise Skip("torch fails to differentiate it twice")


def _lacks_derivative(error: Exception | None) -> bool:
    """Whether torch said that it has no formula (for the gradient of a fused backward, as a rule)."""
    return isinstance(error, RuntimeError) and re.fullmatch(r"derivative for \S+ is not implemented", str(error)) is not None


def _differentiable(function: Callable[..., Any], sample: Any, library: Any) -> tuple[list[Any], list[Any], list[bool]]:
    """(leaves, results that require grad, which of the results do)."""
    args, kwargs = call(sample, library)
    leaves = [t for t in tensors_in([args, kwargs], library) if t.requires_grad]
    results = tensors_in(_processed(sample, library)(function(*args, **kwargs)), library)
    return leaves, [r for r in results if r.requires_grad], [r.requires_grad for r in results]


def _cotangents(results: list[Any], library: Any, salt: int, precision: torch.dtype = torch.float64) -> list[Any]:
    """Random cotangents, the same for both libraries, whose real and imaginary parts have no more than a precision."""
    generator = torch.Generator().manual_seed(salt)
    narrow = precision.to_real()
    made = []
    for r in results:
        dtype = getattr(torch, str(r.dtype).rsplit(".", 1)[-1])
        wide = torch.complex128 if dtype.is_complex else torch.float64
        drawn = torch.randn(tuple(r.shape), dtype=wide, generator=generator)
        if dtype in _NARROWER and narrow is not torch.float64:
            drawn = torch.view_as_real(drawn).to(narrow).to(torch.float64) if dtype.is_complex else drawn.to(narrow)
            drawn = torch.view_as_complex(drawn) if dtype.is_complex else drawn
        made.append(drawn.to(dtype))
    return Bridge(library).over(made)


def _first(function: Callable[..., Any], sample: Any, library: Any, precision: torch.dtype = torch.float64) -> Any:
    leaves, results, pattern = _differentiable(function, sample, library)
    if not results and library is torch:
        return None
    library.autograd.backward(results, _cotangents(results, library, 1, precision))
    return {"requires_grad": pattern, "grad": [leaf.grad for leaf in leaves]}


def _second(function: Callable[..., Any], sample: Any, library: Any, precision: torch.dtype = torch.float64) -> Any:
    leaves, results, _ = _differentiable(function, sample, library)
    if not results and library is torch:
        return None
    cotangents = [c.requires_grad_() for c in _cotangents(results, library, 1, precision)]
    grads = library.autograd.grad(results, leaves, cotangents, create_graph=True, allow_unused=True)
    grads = [g for g in grads if g is not None and g.requires_grad]
    if not grads:
        return {"grads": 0}
    again = library.autograd.grad(grads, [*leaves, *cotangents], _cotangents(grads, library, 2, precision), allow_unused=True)
    return {"grads": len(grads), "second": list(again)}


def forward_ad(entry: Entry, dtype: torch.dtype, library: Any, limit: int | None = None) -> Iterator[Outcome]:
    """Forward mode with random tangents: every result's tangent, and which results have one.

    The database's own wrapper keeps tangents where the function is defined: those of Hermitian matrices Hermitian.
    """
    if not entry.info.supports_forward_ad or dtype not in entry.info.supported_backward_dtypes("cpu"):
        raise Skip("has no forward mode")
    theirs, ours = entry.info.op, entry.function(library)
    wrapper = entry.info.gradcheck_wrapper
    if "masked" in wrapper.__name__:  # it hides what torch leaves undefined with helpers that only torch has
        wrapper = _as_it_is
    for sample in samples(entry, dtype, grad=True, limit=limit):
        seed(library)
        expected = run(_tangents, theirs, wrapper, sample, torch)
        if expected == (None, None) or isinstance(expected[1], NotImplementedError):
            continue  # no input that requires grad, or torch lacks the formula
        got = run(_tangents, ours, translate(wrapper, library), sample, library)
        found = disagree(expected, got, library, **_how(entry))
        yield judged(found, expected, got, sample, dtype, library, lambda wide: _tangents(theirs, wrapper, wide, torch, dtype))


def _as_it_is(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return function(*args, **kwargs)


def _tangents(
    function: Callable[..., Any], wrapper: Callable[..., Any], sample: Any, library: Any, precision: torch.dtype = torch.float64
) -> Any:
    args, kwargs = call(sample, library)
    leaves = {id(t): t for t in tensors_in([args, kwargs], library) if t.requires_grad}
    if not leaves:
        return None
    forward_ad = library.autograd.forward_ad
    with forward_ad.dual_level():
        plain = [t.detach() for t in leaves.values()]
        duals = dict(zip(leaves, map(forward_ad.make_dual, plain, _cotangents(plain, library, 1)), strict=True))
        args, kwargs = _replaced(args, duals), _replaced(kwargs, duals)
        results = tensors_in(_processed(sample, library)(wrapper(function, *args, **kwargs)), library)
        return [forward_ad.unpack_dual(r).tangent for r in results]


def _replaced(value: Any, by_id: dict[int, Any]) -> Any:
    if isinstance(value, dict):
        return {key: _replaced(item, by_id) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_replaced(item, by_id) for item in value)
    return by_id.get(id(value), value)


def errors(entry: Entry, dtype: torch.dtype, library: Any, limit: int | None = None) -> Iterator[Outcome]:
    """The database's bad inputs: torch's exception type, and its message where the database gives a pattern."""
    if entry.info.error_inputs_func is None or dtype != torch.float32:
        raise Skip("no error inputs")
    ours = entry.function(library)
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = list(entry.info.error_inputs("cpu"))
    for error_input in found:
        sample, kind, pattern = error_input.sample_input, error_input.error_type, error_input.error_regex
        # A bad input that NumPy cannot carry (meta tensors, 65 dimensions), or whose badness it takes away, is no test.
        _, expected = run(_called, entry.info.op, sample, torch)
        if not isinstance(expected, kind) or (pattern and not re.search(pattern, str(expected))):
            continue
        _, got = run(_called, ours, sample, library)
        if got is None:
            yield f"expected {described(expected)}, got a result"
        elif not isinstance(got, _counterpart(kind, library)):
            yield f"expected {described(expected)}, got {described(got)}"
        elif pattern and not re.search(pattern, str(got)):
            yield f"message: expected {described(expected)}, got {described(got)}"
        else:
            yield None


def _called(function: Callable[..., Any], sample: Any, library: Any) -> Any:
    args, kwargs = call(sample, library)
    return _processed(sample, library)(function(*args, **kwargs))


CHECKS: dict[str, Callable[..., Iterator[Outcome]]] = {
    "forward": forward,
    "xla": xla,
    "method": method,
    "inplace": inplace,
    "out": out,
    "gradient": gradient,
    "second": second,
    "forward-ad": forward_ad,
    "errors": errors,
}
