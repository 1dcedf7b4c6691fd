"""How a tensor prints: torch's text, letter by letter, from its values on the host."""

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Any

import ml_dtypes
import numpy as np

from torchlike._src.operators import promotion
from torchlike._src.tensor.core import Tensor


@dataclasses.dataclass
class _Options:
    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


_options = _Options()

_PROFILES = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors print, as ``torch.set_printoptions``.

    Args:
        precision: digits behind the decimal point.
        threshold: how many elements a tensor may have before its middle is left out.
        edgeitems: how many elements are shown at either end of a dimension then.
        linewidth: characters a line.
        profile: ``"default"``, ``"short"`` or ``"full"``; the other arguments override it.
        sci_mode: scientific notation; None lets the values decide, and is what every call without it sets.
    """
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    chosen = {**_PROFILES.get(profile or "", {}), **{k: v for k, v in given.items() if v is not None}}
    for name, value in chosen.items():
        setattr(_options, name, value)
    _options.sci_mode = sci_mode


def get_printoptions() -> dict[str, Any]:
    """The present options, such that ``set_printoptions(**options)`` sets them again."""
    return dataclasses.asdict(_options)


@contextlib.contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """Set print options within a ``with`` block."""
    before = get_printoptions()
    set_printoptions(**options)
    try:
        yield
    finally:
        set_printoptions(**before)


def tensor_repr(tensor: Tensor) -> str:
    """What ``repr(tensor)`` is."""
    cls = type(tensor)
    plain = cls is Tensor or "_instance_mark" in cls.__dict__  # Parameter and Buffer carry the mark
    node = tensor.grad_fn
    text = format_tensor(
        tensor._numpy("printing"),
        torch_dtype_name=tensor.dtype.name,
        device=None if tensor.device.type == "cpu" else str(tensor.device),
        requires_grad=tensor.requires_grad,
        grad_fn_name=None if node is None else type(node).__name__,
        class_name="tensor" if plain else cls.__name__,
        default_dtype=promotion.default_dtype().name,
    )
    return text if plain or not getattr(tensor, "_is_param", False) else f"Parameter({text})"


def format_tensor(
    array: np.ndarray,
    *,
    torch_dtype_name: str,
    device: str | None = None,
    requires_grad: bool = False,
    grad_fn_name: str | None = None,
    class_name: str = "tensor",
    default_dtype: str = "float32",
    tangent: Any = None,
) -> str:
    """The repr of a tensor.

    Args:
        array: its values.
        torch_dtype_name: ``"float32"``, ...; shown unless a reader would infer it.
        device: shown as ``device='...'``; None for the default device.
        grad_fn_name: ``"AddBackward0"``; shown instead of ``requires_grad``.
        class_name: what stands before the parenthesis; the class's name for subclasses.
        default_dtype: torch's default dtype.
        tangent: shown last.
    """
    prefix = class_name + "("
    indent = len(prefix)
    default_complex = "complex128" if default_dtype == "float64" else "complex64"
    suffixes = []
    if device is not None:
        suffixes.append(f"device='{device}'")
    if array.size == 0:
        if array.ndim != 1:
            suffixes.append(f"size={array.shape}")
        if torch_dtype_name != default_dtype:
            suffixes.append(f"dtype=torch.{torch_dtype_name}")
        text = "[]"
    else:
        if not _options.edgeitems:
            suffixes.append(f"size={array.shape}")
        if torch_dtype_name not in (default_dtype, default_complex, "int64", "bool"):
            suffixes.append(f"dtype=torch.{torch_dtype_name}")
        text = format_array(array, indent)
    if grad_fn_name is not None:
        suffixes.append(f"grad_fn=<{grad_fn_name}>")
    elif requires_grad:
        suffixes.append("requires_grad=True")
    if tangent is not None:
        suffixes.append(f"tangent={tangent}")
    return _with_suffixes(prefix + text, suffixes, indent)


def _with_suffixes(text: str, suffixes: list[str], indent: int) -> str:
    parts = [text]
    width = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if width + len(suffix) + 2 > _options.linewidth:
            parts.append(",\n" + " " * indent + suffix)
            width = indent + len(suffix)
        else:
            parts.append(", " + suffix)
            width += len(suffix) + 2
    return "".join(parts) + ")"


def format_array(array: np.ndarray, indent: int) -> str:
    """The bracketed values, for a text that begins in column ``indent``."""
    summarize = array.size > _options.threshold
    if array.dtype.kind == "c":
        shown = _edges(array) if summarize else array
        real, imag = _Formatter(shown.real), _Formatter(shown.imag)

        # The sign separates the parts; the imaginary part's padding goes.
        def show(value: complex) -> str:
            text = imag(value.imag).lstrip() + "j"
            return real(value.real) + (text if text[0] in "+-" else "+" + text)

        return _nested(array, indent, summarize, show, real.width + imag.width + 1)
    exponents = array.dtype == ml_dtypes.float8_e8m0fnu
    if array.dtype.kind not in "biuf":
        array = array.astype(np.float32)  # exact for bfloat16 and the float8 family, and NumPy can print it
    show = _Formatter(_edges(array) if summarize else array, exponents)
    return _nested(array, indent, summarize, show, show.width)


class _Formatter:
    """Gives numbers one notation and one width, chosen by all the numbers that are shown."""

    def __init__(self, array: np.ndarray, exponents: bool = False) -> None:
        self.width = 1
        self._format: Callable[[Any], str] = str
        self._floating = array.dtype.kind == "f"
        flat = array.ravel()
        if not self._floating:
            self.width = max([1, *(len(str(v)) for v in flat.tolist())])
            return
        self._format = _integral
        # float8_e8m0fnu has no zero (it makes 2**-127 of it), and torch takes its NaN for finite.
        counted = flat != 2.0**-127 if exponents else np.isfinite(flat) & (flat != 0)
        numbers = flat[counted].astype(np.float64)
        if not numbers.size:
            return
        integral = bool((numbers == np.ceil(numbers)).all())
        sizes = np.abs(numbers)
        smallest, largest = float(sizes.min()), float(sizes.max())
        scientific = _options.sci_mode
        if scientific is None:
            with np.errstate(over="ignore"):
                scientific = bool(sizes.max() / sizes.min() > 1000.0) or largest > 1.0e8 or smallest < 1.0e-4
        precision = _options.precision
        if scientific:
            self._format = f"{{:.{precision}e}}".format
        elif not integral:
            self._format = f"{{:.{precision}f}}".format
        # Only finite numbers other than zero make room for themselves; in the integral notation nan and inf are one
        # shorter than they are counted here, for want of the point.
        self.width = max([1, *(len(self._format(v)) for v in numbers.tolist())])

    def __call__(self, value: Any) -> str:
        return self._format(value).rjust(self.width)


def _integral(value: float) -> str:
    return f"{value:.0f}." if math.isfinite(value) else f"{value:.0f}"


def _edges(array: np.ndarray) -> np.ndarray:
    """The elements that are shown when the middle of each long dimension is left out."""
    n = _options.edgeitems
    for axis, size in enumerate(array.shape):
        if size > 2 * n:
            array = np.take(array, [*range(n), *range(size - n, size)], axis=axis)
    return array


def _nested(array: np.ndarray, indent: int, summarize: bool, show: Callable[[Any], str], width: int) -> str:
    if array.ndim == 0:
        return show(array.item())
    n = _options.edgeitems
    cut = summarize and len(array) > 2 * n
    if array.ndim == 1:
        if summarize and not n:
            items = ["..."]
        elif cut:
            items = [*map(show, array[:n].tolist()), " ...", *map(show, array[-n:].tolist())]
        else:
            items = [*map(show, array.tolist())]
        per_line = max(1, math.floor((_options.linewidth - indent) / (width + 2)))
        lines = [", ".join(items[i : i + per_line]) for i in range(0, len(items), per_line)]
        return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
    rows = [_nested(a, indent + 1, summarize, show, width) for a in (array[:n] if cut else array)]
    if cut:
        rows += ["...", *(_nested(a, indent + 1, summarize, show, width) for a in array[len(array) - n :])]
    return "[" + ("," + "\n" * (array.ndim - 1) + " " * (indent + 1)).join(rows) + "]"
