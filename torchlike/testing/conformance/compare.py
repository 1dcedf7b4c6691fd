"""Do two results agree? torch's value is the expectation, the library's is judged by it.

`difference` returns the first difference as a sentence, or None; it never raises on a disagreement.
"""

from typing import Any

import numpy as np
import torch

from torchlike.testing.conformance.bridge import from_numpy, name_of, to_numpy

#: (rtol, atol) by dtype: torch.testing's own; every other dtype must be exact.
TOLERANCES = {
    "float64": (1e-7, 1e-7), "complex128": (1e-7, 1e-7), "float32": (1.3e-6, 1e-5), "complex64": (1.3e-6, 1e-5),
    "complex32": (1e-3, 1e-5), "float16": (1e-3, 1e-5), "bfloat16": (1.6e-2, 1e-5),
}  # fmt: skip


def is_tensor(value: Any, library: Any) -> bool:
    return isinstance(value, torch.Tensor) or (library is not torch and isinstance(value, library.Tensor))


def tensors_in(value: Any, library: Any) -> list[Any]:
    """Every tensor in a nested result, in order."""
    if is_tensor(value, library):
        return [value]
    if isinstance(value, (list, tuple)):
        return [t for item in value for t in tensors_in(item, library)]
    if isinstance(value, dict):
        return [t for item in value.values() for t in tensors_in(item, library)]
    return []


def difference(
    theirs: Any, ours: Any, library: Any, *, values: bool = True, strides: bool = False, tolerance: float = 1.0
) -> str | None:
    """The first way in which `ours` differs from torch's `theirs`, or None.

    Args:
        theirs: torch's result: tensors, numbers, tuples, dicts, dtypes, ... nested.
        ours: the library's.
        library: the library.
        values: False compares only structure, dtype and shape, for results that are random or undefined.
        strides: also compare strides.
        tolerance: a factor on `TOLERANCES`.
    """
    if isinstance(theirs, torch.Tensor):
        return _tensor(theirs, ours, library, values, strides, tolerance)
    if isinstance(theirs, (list, tuple)):
        if not isinstance(ours, (list, tuple)) or isinstance(theirs, list) != isinstance(ours, list):
            return f"expected a {type(theirs).__name__}, got {type(ours).__name__}"
        if len(theirs) != len(ours):
            return f"expected {len(theirs)} items, got {len(ours)}"
        fields = (getattr(type(theirs), "n_fields", None) and _fields(theirs)) or getattr(theirs, "_fields", None)
        if fields and not all(hasattr(ours, field) for field in fields):
            return f"expected a named tuple with the fields {', '.join(fields)}, got {type(ours).__name__}"
        for i, (a, b) in enumerate(zip(theirs, ours, strict=True)):
            found = difference(a, b, library, values=values, strides=strides, tolerance=tolerance)
            if found:
                return f"item {i}: {found}"
        return None
    if isinstance(theirs, dict):
        if not isinstance(ours, dict) or list(theirs) != list(ours):
            return f"expected the keys {list(theirs)}, got {list(ours) if isinstance(ours, dict) else ours!r}"
        for key in theirs:
            found = difference(theirs[key], ours[key], library, values=values, strides=strides, tolerance=tolerance)
            if found:
                return f"[{key!r}]: {found}"
        return None
    if isinstance(theirs, (torch.dtype, torch.layout, torch.memory_format)):
        return None if name_of(theirs) == name_of(ours) else f"expected {theirs}, got {ours}"
    if isinstance(theirs, torch.device):
        return None if str(theirs) == str(ours) else f"expected device {theirs}, got {ours}"
    if isinstance(theirs, (bool, int, float, complex)):
        if isinstance(theirs, bool) != isinstance(ours, bool) or not isinstance(ours, (bool, int, float, complex)):
            return f"expected {theirs!r}, got {ours!r} ({type(ours).__name__})"
        if not values or np.isclose(theirs, ours, rtol=1.3e-6, atol=1e-5 if isinstance(theirs, float) else 0, equal_nan=True):
            return None
        return f"expected {theirs!r}, got {ours!r}"
    if theirs is None or isinstance(theirs, (str, bytes)):
        return None if theirs == ours else f"expected {theirs!r}, got {ours!r}"
    if isinstance(theirs, np.ndarray):
        return _tensor(from_numpy(theirs), ours, np, values, strides, tolerance)
    return None if type(theirs).__name__ == type(ours).__name__ else f"expected {theirs!r}, got {ours!r}"


def inaccurate(theirs: Any, ours: Any, truth: Any, library: Any) -> str | None:
    """How far `ours` is from the truth, or None if it is about as near as torch is.

    Two right programs that add up the same numbers in another order differ by their rounding errors. How large these may be
    nobody knows beforehand, but torch's own result shows it: where float64 says what is right, ours may be wrong by twice
    torch's largest error in that tensor, or by the tolerance. A "truth" from which torch is further away than half of its
    digits is none (the function depends on the dtype), and proves nothing. Where torch has NaN or an infinity for a finite
    truth, ours must be the truth, or its infinity if the dtype does not hold it.

    Args:
        theirs: torch's result, in float32 or a narrower dtype.
        ours: the library's; of the same structure, shapes and dtypes.
        truth: torch's result for the same input in float64 or complex128.
        library: the library.
    """
    found = difference(theirs, ours, library, values=False)
    if found:
        return found
    triples = [tensors_in(value, lib) for value, lib in ((theirs, torch), (ours, library), (truth, torch))]
    if len({len(tensors) for tensors in triples}) != 1:
        return "the same call in float64 gives other results"
    for narrow, b, t in zip(*triples, strict=True):
        rtol, atol = TOLERANCES.get(name_of(narrow.dtype), (0.0, 0.0))
        eps = torch.finfo(narrow.dtype).eps if rtol else 0.0
        a, b, t = to_numpy(narrow), to_numpy(b, library), to_numpy(t)
        if a.shape != t.shape or not rtol:
            found = "the same call in float64 gives another shape" if a.shape != t.shape else _values(a, b, rtol, atol)
            if found:
                return found
            continue
        wide = np.complex128 if a.dtype.kind == "c" else np.float64
        with np.errstate(all="ignore"):
            a, b, t = a.astype(wide), b.astype(wide), t.astype(wide)
            finite = np.isfinite(a) & np.isfinite(t)
            own = float(np.max(np.abs(a - t)[finite], initial=0.0))
            scale = float(np.max(np.abs(t)[finite], initial=0.0)) or 1.0  # zeros have none of their own
            if own > eps**0.5 * scale:
                return "torch itself is too far from its result in float64"
            away, close = np.abs(b - t), atol + rtol * np.abs(t)
            fits = np.abs(t) <= torch.finfo(narrow.dtype).max
            overflowed = ~np.isfinite(a) & np.isfinite(t)  # on torch's way, if the result fits
            right = np.where(fits, away <= close, (b == t * np.inf) | (a == b))
            right = np.where(overflowed, right, np.isclose(b, a, rtol=rtol, atol=atol, equal_nan=True))
            wrong = ~np.where(finite, away <= np.maximum(2 * own, close), right)
        if wrong.any():
            index = tuple(int(i) for i in np.argwhere(wrong)[0])
            return f"{a[index]} in torch, {b[index]} here, but {t[index]} in float64; torch's largest error is {own:.2g}"
    return None


def _fields(structseq: Any) -> tuple[str, ...]:
    """The field names of a torch.return_types object."""
    names = [n for n in dir(structseq) if not n.startswith("_") and n not in ("count", "index") and "n_" not in n[:2]]
    return tuple(n for n in names if any(getattr(structseq, n) is item for item in structseq))


def _tensor(theirs: torch.Tensor, ours: Any, library: Any, values: bool, strides: bool, tolerance: float) -> str | None:
    if not isinstance(ours, library.ndarray if library is np else library.Tensor):
        return f"expected a tensor of shape {tuple(theirs.shape)}, got {type(ours).__name__}"
    if name_of(theirs.dtype) != name_of(ours.dtype):
        return f"expected dtype {name_of(theirs.dtype)}, got {name_of(ours.dtype)}"
    if tuple(theirs.shape) != tuple(ours.shape):
        return f"expected shape {tuple(theirs.shape)}, got {tuple(ours.shape)}"
    if library is np:
        ours, library = from_numpy(ours), torch
    if str(theirs.layout) != str(ours.layout):
        return f"expected layout {theirs.layout}, got {ours.layout}"
    if theirs.layout is not torch.strided:
        theirs, ours = theirs.to_dense(), ours.to_dense()
    elif strides and theirs.numel() > 1:
        # A stride along a dimension of size 1 addresses nothing.
        expected, got = ([s for s, n in zip(x.stride(), x.shape, strict=True) if n > 1] for x in (theirs, ours))
        if expected != got:
            return f"expected strides {theirs.stride()}, got {ours.stride()} for shape {tuple(theirs.shape)}"
    if not values:
        return None
    a, b = to_numpy(theirs), to_numpy(ours, library)
    rtol, atol = TOLERANCES.get(name_of(theirs.dtype), (0.0, 0.0))
    return _values(a, b, rtol * tolerance, atol * tolerance)


def _values(a: np.ndarray, b: np.ndarray, rtol: float, atol: float) -> str | None:
    exact = a.dtype.kind in "biu" or not rtol
    if exact:
        wrong = a != b
        if a.dtype.kind not in "biu":
            wrong &= ~((a != a) & (b != b))  # NaN equals NaN
    else:
        wide = np.complex128 if a.dtype.kind == "c" else np.float64
        with np.errstate(all="ignore"):
            a, b = a.astype(wide), b.astype(wide)
            wrong = ~np.isclose(b, a, rtol=rtol, atol=atol, equal_nan=True)
    if not wrong.any():
        return None
    index = tuple(int(i) for i in np.argwhere(wrong)[0])
    where = f" at {index}" if a.ndim else ""
    return f"{int(wrong.sum())} of {wrong.size} values differ; expected {a[index]}, got {b[index]}{where}"
