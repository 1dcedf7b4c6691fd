"""The shared harness of the tests: run something in real torch and here, and compare everything a user can see.

Two ways to use it. A table, one line a case, for ops and other functions with a public name::

    CASES = [
        Case("nn.functional.glu", rand(4, 6)),
        Case("nn.functional.glu", rand(4, 3), raises=RuntimeError, match="size"),
    ]

    @table(CASES)
    def test_gated_units(case): check(case)

and a function of the library, for everything longer than one call::

    def test_a_view_sees_what_is_written_to_its_base():
        def program(torch, x):
            y = x.view(-1)
            x.add_(1)
            return y
        agree(program, rand(2, 3))

Inputs are real torch tensors; they reach torchlike with value, dtype, strides, aliasing and ``requires_grad``.
Comparison helpers raise; they return nothing. ``DIFFERENTIAL_LIBRARY=torch`` runs torch against itself,
which is how the cases themselves are tested.
"""

import importlib
import os
import re
import warnings
import zlib
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch

from torchlike.testing.conformance.bridge import Bridge, name_of, resolve
from torchlike.testing.conformance.checks import described, disagree, run, seed
from torchlike.testing.conformance.compare import difference, tensors_in

#: The library under test.
library: Any = importlib.import_module(os.environ.get("DIFFERENTIAL_LIBRARY", "torchlike"))


class Case:
    """A call by public name, and what is expected of it beyond agreement with torch.

    Args:
        name: dotted path under ``torch``: ``"add"``, ``"Tensor.add_"``, ``"nn.functional.glu"``.
        args: positional arguments: torch tensors (see `rand` and its friends), numbers, anything.
        raises: the exception torch raises; without it, raising is a failure.
        match: a pattern its message must match, in torch and here.
        message: "equal" also demands torch's very message.
        values: False compares structure, dtype and shape only.
        strides: also compare strides of the results.
        grad: also compare gradients, of every floating-point input, if torch has any. False: not.
        second: also compare second gradients.
        inplace: also run the in-place form, ``name_``, as a method.
        out: also run with ``out=``.
        method: also run as a method of the first argument.
        tolerance: a factor on `torch.testing`'s tolerances, which takes a comment.
        kwargs: keyword arguments.
    """

    def __init__(
        self,
        name: str,
        *args: Any,
        raises: type[BaseException] | None = None,
        match: str | None = None,
        message: str | None = None,
        values: bool = True,
        strides: bool = False,
        grad: bool = True,
        second: bool = False,
        inplace: bool = False,
        out: bool = False,
        method: bool = False,
        tolerance: float = 1.0,
        **kwargs: Any,
    ) -> None:
        self.name, self.args, self.kwargs = name, args, kwargs
        self.raises, self.match, self.message = raises, match, message
        self.how: dict[str, Any] = {"values": values, "strides": strides, "tolerance": tolerance}
        self.grad, self.second, self.inplace, self.out, self.method = grad, second, inplace, out, method

    def __repr__(self) -> str:
        arguments = [_brief(a) for a in self.args] + [f"{k}={_brief(v)}" for k, v in self.kwargs.items()]
        return f"{self.name}({', '.join(arguments)})"


def _brief(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"{name_of(value.dtype)}[{','.join(map(str, value.shape))}]"
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(_brief, value))}]"
    return str(value)


def table(cases: Iterable[Case]) -> Callable[..., Any]:
    """Parametrise a test over cases, named after their calls."""
    return pytest.mark.parametrize("case", list(cases), ids=repr)


def rand(*shape: int, dtype: torch.dtype = torch.float32, low: float = 0.0, high: float = 1.0) -> torch.Tensor:
    """Uniform in [low, high): the same values for the same arguments, different ones for different shapes."""
    generator = _generator("rand", shape, dtype, low, high)
    if dtype.is_complex:
        return torch.complex(*(torch.rand(shape, generator=generator, dtype=torch.float64) for _ in "ri")).to(dtype)
    return (torch.rand(shape, generator=generator, dtype=torch.float64) * (high - low) + low).to(dtype)


def randn(*shape: int, dtype: torch.dtype = torch.float32, salt: int = 0) -> torch.Tensor:
    """Standard normal; another `salt` gives another tensor of the same shape."""
    generator = _generator("randn", shape, dtype, salt)
    wide = torch.complex128 if dtype.is_complex else torch.float64
    return torch.randn(shape, generator=generator, dtype=wide).to(dtype)


def ints(*shape: int, low: int = 0, high: int = 10, dtype: torch.dtype = torch.int64) -> torch.Tensor:
    """Integers in [low, high)."""
    return torch.randint(low, high, shape, generator=_generator("ints", shape, dtype, low, high)).to(dtype)


def bools(*shape: int) -> torch.Tensor:
    return ints(*shape, high=2).bool()


def full(shape: tuple[int, ...], value: Any, dtype: torch.dtype | None = None) -> torch.Tensor:
    return torch.full(shape, value, dtype=dtype)


def tensor(data: Any, dtype: torch.dtype | None = None) -> torch.Tensor:
    return torch.tensor(data, dtype=dtype)


def noncontiguous(like: torch.Tensor) -> torch.Tensor:
    """The same values in every other element of a storage twice as large."""
    wide = torch.zeros(*like.shape, 2, dtype=like.dtype)
    wide[..., 0] = like
    return wide[..., 0]


def _generator(*key: Any) -> torch.Generator:
    return torch.Generator().manual_seed(zlib.crc32(repr(key).encode()))


def check(case: Case) -> None:
    """Run a case in both libraries and compare all that it asks for."""
    theirs = resolve(torch, case.name)
    try:
        ours = resolve(library, case.name)
    except AttributeError:
        pytest.fail(f"{library.__name__}.{case.name} is missing")
    if case.raises is not None:
        _check_raises(case, theirs, ours)
        return
    _compare(case, "result", _call, theirs, ours)
    if case.method:
        name = case.name.rsplit(".", 1)[-1]
        _compare(case, "as a method", _call, getattr(torch.Tensor, name), getattr(library.Tensor, name))
    if case.inplace:
        name = case.name.rsplit(".", 1)[-1] + "_"
        _compare(case, "in place", _in_place, getattr(torch.Tensor, name), getattr(library.Tensor, name))
    if case.out:
        _compare(case, "out=", _out, theirs, ours)
    if case.grad and _has_gradient(case, theirs):
        _compare(case, "gradient", _gradient, theirs, ours)
        if case.second:
            _compare(case, "second gradient", _second_gradient, theirs, ours)


def agree(program: Callable[..., Any], *inputs: Any, message: bool = True, values: bool = True, strides: bool = False,
          tolerance: float = 1.0) -> None:  # fmt: skip
    """Run ``program(torch, *inputs)`` with real torch and with torchlike and compare what comes of it.

    Results may be tensors, numbers, strings, dtypes, None, or lists, tuples and dicts of these. If torch raises,
    the same exception is expected here, with the same message unless `message` is False.
    """
    expected, got = (_run(program, lib, inputs) for lib in (torch, library))
    found = disagree(expected, got, library, values=values, strides=strides, tolerance=tolerance)
    if found is None and message and expected[1] is not None:
        found = _same_message(expected[1], got[1])
    if found:
        raise AssertionError(found) from got[1]


def both(program: Callable[..., Any], *inputs: Any) -> tuple[Any, Any]:
    """The results of ``program(torch, *inputs)`` in (torch, torchlike), for comparisons of one's own."""
    return program(torch, *Bridge(torch).over(list(inputs))), program(library, *Bridge(library).over(list(inputs)))


def assert_equal(theirs: Any, ours: Any, *, values: bool = True, strides: bool = False, tolerance: float = 1.0) -> None:
    """torch's result and ours agree in value, dtype and shape."""
    found = difference(theirs, ours, library, values=values, strides=strides, tolerance=tolerance)
    if found:
        raise AssertionError(found)


def _run(program: Callable[..., Any], lib: Any, inputs: Iterable[Any]) -> tuple[Any, Exception | None]:
    seed(lib)
    return run(lambda: program(lib, *Bridge(lib).over(list(inputs))))


def _same_message(theirs: Exception, ours: Exception | None) -> str | None:
    expected, got = (_first_line(e) for e in (theirs, ours))
    return None if expected == got else f"expected the message {expected!r}, got {got!r}"


def _first_line(error: BaseException | None) -> str:
    """The part of a message that users read: no C++ trace, no internal paths, no name of the library."""
    text = str(error).strip().split("\nException raised from")[0].splitlines()
    return text[0].replace("torchlike", "torch") if text else ""


def _check_raises(case: Case, theirs: Any, ours: Any) -> None:
    (_, expected), (_, got) = (
        _run(lambda lib, f=f: _call(f, case, lib), lib, ()) for f, lib in ((theirs, torch), (ours, library))
    )
    assert isinstance(expected, case.raises), f"torch itself gives {expected and described(expected)} for {case}"
    if got is None:
        raise AssertionError(f"{case}: expected {described(expected)}, got a result")
    if not isinstance(got, case.raises):
        raise AssertionError(f"{case}: expected {described(expected)}, got {described(got)}") from got
    for pattern in filter(None, [case.match]):
        assert re.search(pattern, str(expected)), f"torch's own message does not match {pattern!r}: {expected}"
        if not re.search(pattern, str(got)):
            raise AssertionError(f"{case}: expected a message matching {pattern!r}, got {got}") from got
    if case.message == "equal" and (found := _same_message(expected, got)):
        raise AssertionError(f"{case}: {found}") from got


def _compare(case: Case, what: str, form: Callable[..., Any], theirs: Any, ours: Any) -> None:
    seed(torch)
    expected = run(form, theirs, case, torch)
    assert expected[1] is None, f"torch itself raises {described(expected[1])} for {case}, {what}"
    seed(library)
    got = run(form, ours, case, library)
    found = disagree(expected, got, library, **case.how)
    if found:
        raise AssertionError(f"{case}, {what}: {found}") from got[1]


def _arguments(case: Case, lib: Any, *, grad: bool = False) -> tuple[list[Any], dict[str, Any]]:
    bridge = Bridge(lib)
    args, kwargs = bridge.over(list(case.args)), bridge.over(dict(case.kwargs))
    if grad:
        for leaf in tensors_in([args, kwargs], lib):
            if leaf.is_floating_point() or leaf.is_complex():
                leaf.requires_grad_()
    return args, kwargs


def _call(function: Any, case: Case, lib: Any) -> Any:
    args, kwargs = _arguments(case, lib)
    return function(*args, **kwargs)


def _in_place(function: Any, case: Case, lib: Any) -> Any:
    args, kwargs = _arguments(case, lib)
    result = function(*args, **kwargs)
    return result, args[0], result is args[0], args[0]._version > 0


def _out(function: Any, case: Case, lib: Any) -> Any:
    args, kwargs = _arguments(case, lib)
    plain = tensors_in(function(*args, **kwargs), lib)
    targets = [lib.zeros_like(t) for t in plain]
    result = function(*args, **kwargs, out=targets[0] if len(targets) == 1 else tuple(targets))
    same = [r is t for r, t in zip(tensors_in(result, lib), targets, strict=True)]
    empty = lib.empty(0, dtype=plain[0].dtype) if len(plain) == 1 else tuple(lib.empty(0, dtype=t.dtype) for t in plain)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return result, targets, same, function(*args, **kwargs, out=empty)


def _has_gradient(case: Case, theirs: Any) -> bool:
    results, error = run(lambda: theirs(*(a := _arguments(case, torch, grad=True))[0], **a[1]))
    return error is None and any(r.requires_grad and not r.is_leaf for r in tensors_in(results, torch))


def _graph(function: Any, case: Case, lib: Any) -> tuple[list[Any], list[Any], list[Any]]:
    args, kwargs = _arguments(case, lib, grad=True)
    leaves = [t for t in tensors_in([args, kwargs], lib) if t.requires_grad]
    results = tensors_in(function(*args, **kwargs), lib)
    return leaves, results, [r for r in results if r.requires_grad]


def _cotangents(results: list[Any], lib: Any, salt: int) -> list[Any]:
    made = [randn(*r.shape, dtype=getattr(torch, name_of(r.dtype)), salt=salt + i) for i, r in enumerate(results)]
    return Bridge(lib).over(made)


def _gradient(function: Any, case: Case, lib: Any) -> Any:
    leaves, results, graph = _graph(function, case, lib)
    facts = [(r.requires_grad, r.grad_fn is not None, r.is_leaf) for r in results]
    lib.autograd.backward(graph, _cotangents(graph, lib, 1))
    return facts, [leaf.grad for leaf in leaves]


def _second_gradient(function: Any, case: Case, lib: Any) -> Any:
    leaves, _, graph = _graph(function, case, lib)
    cotangents = [c.requires_grad_() for c in _cotangents(graph, lib, 1)]
    first = lib.autograd.grad(graph, leaves, cotangents, create_graph=True, allow_unused=True)
    first = [g for g in first if g is not None and g.requires_grad]
    inputs = [*leaves, *cotangents]
    return len(first), list(lib.autograd.grad(first, inputs, _cotangents(first, lib, 5), allow_unused=True))
