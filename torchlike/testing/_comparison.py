"""`assert_close`: nested structures of tensors, arrays and numbers, equal up to a tolerance that fits their dtype."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

import torchlike as torch
from torchlike._src.tensor import Tensor

#: (rtol, atol) by dtype name. Dtypes that are not here must be equal.
_TOLERANCES = {
    "float16": (1e-3, 1e-5), "bfloat16": (1.6e-2, 1e-5), "float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7),
    "complex64": (1.3e-6, 1e-5), "complex128": (1e-7, 1e-7),
}  # fmt: skip

Message = str | Callable[[str], str] | None


class _Mismatch(Exception):
    """Two leaves differ, or two structures. `path` leads to the leaves through the nested structure."""

    def __init__(
        self, text: str, path: tuple[Any, ...] = (), kind: type[Exception] = AssertionError, structural: bool = False
    ) -> None:
        super().__init__(text)
        self.path, self.kind, self.structural = path, kind, structural

    def full(self) -> str:
        if not self.path:
            return str(self)
        return f"{self}\n\nThe failure occurred for item {''.join(f'[{key!r}]' for key in self.path)}"


class _Options:
    def __init__(self, **options: Any) -> None:
        self.__dict__.update(options)

    rtol: float | None
    atol: float | None
    equal_nan: bool
    check_device: bool
    check_dtype: bool
    check_layout: bool
    check_stride: bool
    allow_subclasses: bool


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: Message = None,
) -> None:
    """Assert that ``|actual - expected| <= atol + rtol * |expected|`` everywhere, and that dtypes and shapes agree.

    Args:
        actual: a tensor, NumPy array, number or None, or a sequence or mapping of these.
        expected: the same structure.
        allow_subclasses: False demands the same types, not merely related ones.
        rtol: relative tolerance; by default torch's for the dtype. To be given together with `atol`.
        atol: absolute tolerance.
        equal_nan: NaN equals NaN.
        check_device: devices must agree; without it, both are compared on the CPU.
        check_dtype: dtypes must agree; without it, both are promoted.
        check_layout: layouts must agree.
        check_stride: strides must agree.
        msg: the message of the AssertionError, or a function that makes it from the usual one.
    Raises:
        AssertionError: they are not close; the message says where and by how much.
        TypeError: something that cannot be compared.
        ValueError: one tolerance without the other.
    """
    options = _Options(
        rtol=rtol, atol=atol, equal_nan=equal_nan, check_device=check_device, check_dtype=check_dtype,
        check_layout=check_layout, check_stride=check_stride, allow_subclasses=allow_subclasses,
    )  # fmt: skip
    # Outside the handler, so that the failing test shows one exception and not two.
    found = _first_mismatch(actual, expected, options)
    if found is not None:
        text = found.full()
        if found.kind is AssertionError and not found.structural and msg is not None:  # as torch: leaves alone
            text = msg(text) if callable(msg) else msg
        raise found.kind(text)


def _first_mismatch(actual: Any, expected: Any, options: _Options) -> _Mismatch | None:
    try:
        _compare(actual, expected, options, ())
    except _Mismatch as found:
        return found
    return None


def _compare(actual: Any, expected: Any, options: _Options, path: tuple[Any, ...]) -> None:
    if _sequences(actual, expected):
        if len(actual) != len(expected):
            raise _Mismatch(f"The length of the sequences mismatch: {len(actual)} != {len(expected)}", path, structural=True)
        for i, (a, b) in enumerate(zip(actual, expected, strict=True)):
            _compare(a, b, options, (*path, i))
    elif isinstance(actual, Mapping) and isinstance(expected, Mapping):
        if actual.keys() != expected.keys():
            missing = sorted(expected.keys() - actual.keys(), key=str)
            additional = sorted(actual.keys() - expected.keys(), key=str)
            raise _Mismatch(
                "The keys of the mappings do not match:\n"
                f"Missing keys in the actual mapping: {missing}\n"
                f"Additional keys in the actual mapping: {additional}",
                path,
                structural=True,
            )
        for key in sorted(actual, key=str):
            _compare(actual[key], expected[key], options, (*path, key))
    else:
        _leaf(actual, expected, options, path)


def _sequences(actual: Any, expected: Any) -> bool:
    plain = (Tensor, np.ndarray, str, bytes)
    return all(isinstance(v, Sequence) and not isinstance(v, plain) for v in (actual, expected))


def _leaf(actual: Any, expected: Any, options: _Options, path: tuple[Any, ...]) -> None:
    pair = (actual, expected)
    related = isinstance(actual, type(expected)) or isinstance(expected, type(actual))
    if all(isinstance(v, (bool, np.bool_)) for v in pair):
        if bool(actual) != bool(expected):
            raise _Mismatch(f"Booleans mismatch: {actual!r} is not {expected!r}", path)
    elif all(isinstance(v, (int, float, complex, np.number)) and not isinstance(v, bool) for v in pair):
        _numbers(actual, expected, options, path)
    elif None in (actual if actual is None else 0, expected if expected is None else 0):
        if actual is not expected:
            raise _Mismatch(f"None mismatch: {actual!r} is not {expected!r}", path)
    elif related and all(isinstance(v, Tensor) for v in pair) and (options.allow_subclasses or type(actual) is type(expected)):
        _tensors(actual, expected, options, path)
    elif related and all(isinstance(v, np.ndarray) for v in pair):
        _tensors(torch.from_numpy(np.array(actual)), torch.from_numpy(np.array(expected)), options, path)
    else:
        raise _Mismatch(
            f"No comparison pair was able to handle inputs of type {type(actual)} and {type(expected)}.",
            path,
            TypeError,
        )


def _numbers(actual: Any, expected: Any, options: _Options, path: tuple[Any, ...]) -> None:
    kinds = {complex: "complex128", float: "float64"}
    names = [kinds.get(type(v), getattr(getattr(v, "dtype", None), "name", "int64")) for v in (actual, expected)]
    rtol, atol = _tolerances(names, options, path)
    if options.check_dtype and type(actual) is not type(expected):
        raise _Mismatch(f"The (d)types do not match: {type(actual)} != {type(expected)}.", path)
    if _close(actual, expected, rtol, atol, options.equal_nan):
        return
    raise _Mismatch(_scalars(actual, expected, rtol, atol), path)


def _close(a: Any, b: Any, rtol: float, atol: float, equal_nan: bool) -> bool:
    if a == b or (equal_nan and a != a and b != b):
        return True
    difference = abs(a - b)
    return math.isfinite(difference) and difference <= atol + rtol * abs(b)


def _scalars(actual: Any, expected: Any, rtol: float, atol: float) -> str:
    absolute = abs(actual - expected)
    relative = float("inf") if expected == 0 else absolute / abs(expected)
    allowed = _allowed(rtol, atol)
    return (
        f"Scalars are not {'close' if rtol or atol else 'equal'}!\n\nExpected {expected} but got {actual}.\n"
        f"Absolute difference: {absolute}{allowed[1]}\nRelative difference: {relative}{allowed[0]}"
    )


def _allowed(rtol: float, atol: float) -> tuple[str, str]:
    if not rtol and not atol:
        return "", ""
    return f" (up to {rtol} allowed)", f" (up to {atol} allowed)"


def _tolerances(names: list[str], options: _Options, path: tuple[Any, ...]) -> tuple[float, float]:
    """The options', or the looser of the dtypes' own."""
    if (options.rtol is None) != (options.atol is None):
        missing = "rtol" if options.rtol is None else "atol"
        text = f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {missing}."
        raise _Mismatch(text, path, ValueError)
    if options.rtol is not None and options.atol is not None:
        return options.rtol, options.atol
    found = [_TOLERANCES.get(name, (0.0, 0.0)) for name in names]
    return max(f[0] for f in found), max(f[1] for f in found)


def _tensors(actual: Tensor, expected: Tensor, options: _Options, path: tuple[Any, ...]) -> None:
    rtol, atol = _tolerances([str(t.dtype).rsplit(".", 1)[-1] for t in (actual, expected)], options, path)

    def attribute(name: str, a: Any, b: Any) -> None:
        raise _Mismatch(f"The values for attribute '{name}' do not match: {a} != {b}.", path)

    if actual.shape != expected.shape:
        attribute("shape", actual.shape, expected.shape)
    if options.check_layout and actual.layout != expected.layout:
        attribute("layout", actual.layout, expected.layout)
    if options.check_stride and actual.stride() != expected.stride():
        attribute("stride()", actual.stride(), expected.stride())
    if options.check_device and actual.device != expected.device:
        attribute("device", actual.device, expected.device)
    if options.check_dtype and actual.dtype != expected.dtype:
        attribute("dtype", actual.dtype, expected.dtype)
    common = torch.promote_types(actual.dtype, expected.dtype)
    _arrays(_array(actual.to(common)), _array(expected.to(common)), rtol, atol, options, path)


def _array(tensor: Tensor) -> np.ndarray:
    """A tensor's values in NumPy; what NumPy lacks becomes float32, which holds all of it."""
    tensor = tensor.detach().cpu()
    if tensor.dtype.is_floating_point and (tensor.dtype.itemsize == 1 or tensor.dtype is torch.bfloat16):
        tensor = tensor.float()
    return tensor.numpy()


def _arrays(a: np.ndarray, b: np.ndarray, rtol: float, atol: float, options: _Options, path: tuple[Any, ...]) -> None:
    if a.dtype.kind in "bui":  # differences of small or unsigned integers would wrap
        a, b = a.astype(np.int64), b.astype(np.int64)
    with np.errstate(all="ignore"):
        exact = a == b
        if options.equal_nan:
            exact |= (a != a) & (b != b)
        absolute = np.abs(a - b)
        matches = exact | (np.isfinite(absolute) & (absolute <= atol + rtol * np.abs(b)))
        if matches.all():
            return
        # torch divides integers in float32
        relative = np.true_divide(absolute, np.abs(b), dtype=np.float32 if a.dtype.kind == "i" else None)
    if not a.ndim:
        raise _Mismatch(_scalars(a.item(), b.item(), rtol, atol), path)
    absolute, relative = (np.where(matches, 0, d) for d in (absolute, relative))
    wrong, allowed = int((~matches).sum()), _allowed(rtol, atol)
    lines = [
        f"Tensor-likes are not {'close' if rtol or atol else 'equal'}!\n",
        f"Mismatched elements: {wrong} / {matches.size} ({wrong / matches.size:.1%})",
        f"Greatest absolute difference: {_greatest(absolute)}{allowed[1]}",
        f"Greatest relative difference: {_greatest(relative)}{allowed[0]}",
    ]
    raise _Mismatch("\n".join(lines), path)


def _greatest(difference: np.ndarray) -> str:
    index = np.unravel_index(int(np.argmax(difference)), difference.shape)
    return f"{difference[index].item()} at index {tuple(int(i) for i in index)}"


#: What `assert_allclose` allowed: (relative, absolute).
_OLD_TOLERANCES = {"float16": (1e-3, 1e-3), "float32": (1e-4, 1e-5), "float64": (1e-5, 1e-8)}


def assert_allclose(
    actual: Any, expected: Any, rtol: float | None = None, atol: float | None = None, equal_nan: bool = True, msg: str = ""
) -> None:
    """`assert_close` as it was before torch 1.12: no check of dtype, device or strides, and tolerances of its own; deprecated.

    Raises:
        AssertionError: if they differ.
        ValueError: if one tolerance is given without the other.
    """
    warnings.warn(
        "`torch.testing.assert_allclose()` is deprecated since 1.12 and will be removed in a future release. Please use "
        "`torch.testing.assert_close()` instead.",
        FutureWarning,
        stacklevel=2,
    )
    actual, expected = (t if isinstance(t, torch.Tensor) else torch.tensor(t) for t in (actual, expected))
    if rtol is None and atol is None:
        found = [_OLD_TOLERANCES.get(t.dtype.name, (0.0, 0.0)) for t in (actual, expected)]
        rtol, atol = max(r for r, _ in found), max(a for _, a in found)
    assert_close(
        actual, expected, rtol=rtol, atol=atol, equal_nan=equal_nan, check_device=True, check_dtype=False, check_stride=False,
        msg=msg or None,
    )  # fmt: skip
