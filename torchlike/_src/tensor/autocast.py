"""Autocast: the thread's state, and casting the arguments of the ops that `operators/autocast_policy.py` lists.

A cast is an op like others, recorded before the one it is for. So the programs, the tape and everything else need not know.
"""

import contextlib
import functools
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from torchlike._src.engine.trace import local
from torchlike._src.operators import autocast_policy as policy, promotion
from torchlike._src.tensor import dtypes
from torchlike._src.tensor.conversion import cast
from torchlike._src.tensor.core import Tensor
from torchlike._src.tensor.devices import device
from torchlike._src.tensor.dispatch import Kernel, recasts
from torchlike._src.tensor.install import KERNELS

_HALF, _BRAIN = dtypes.OF_NUMPY[np.dtype(np.float16)], dtypes.OF_NUMPY[promotion.BFLOAT16]
_FLOAT32, _FLOAT64 = dtypes.OF_NUMPY[np.dtype(np.float32)], dtypes.OF_NUMPY[np.dtype(np.float64)]
#: The types of devices that torch has autocast for, and the dtype of a region that names none. Tensors are on three of them.
_DTYPES = {
    "cpu": _BRAIN, "cuda": _HALF, "xla": _BRAIN, "ipu": _HALF, "xpu": _HALF, "mps": _HALF, "hpu": _BRAIN, "mtia": _HALF,
    "maia": _BRAIN, "privateuseone": _HALF,
}  # fmt: skip
_REFUSAL = (
    "torch.nn.functional.binary_cross_entropy and torch.nn.BCELoss are unsafe to autocast.\n"
    "Use torch.nn.functional.binary_cross_entropy_with_logits or torch.nn.BCEWithLogitsLoss on what went into the sigmoid: "
    "they are safe, and more accurate."
)
_UNKNOWN = "unknown device type for autocast in get_autocast_dispatch_key_from_device_type\nThere is no autocast for {!r}."


class State:
    """What autocast does in this thread.

    Attributes:
        enabled: the types of devices it is on for.
        lower: of each, the lower precision.
        caching: whether casts of parameters are kept until the outermost region ends, ``cache``: these, with the parameter.
        nesting: how many regions are open.
    """

    __slots__ = ("cache", "caching", "enabled", "lower", "nesting")

    def __init__(self) -> None:
        self.enabled: tuple[str, ...] = ()
        self.lower = dict(_DTYPES)
        self.caching = True
        self.cache: dict[tuple[int, Any], tuple[Tensor, Tensor]] = {}
        self.nesting = 0

    def cast(self, t: Tensor, to: dtypes.dtype, lower: dtypes.dtype) -> Tensor:
        """``t`` in another dtype; of a parameter, the same tensor each time."""
        if t.dtype is to:
            return t
        if not (
            self.caching and to is lower and t.dtype is _FLOAT32 and t.requires_grad and t.is_leaf and not t._is_view()
            and local.recorder.grad
        ):  # fmt: skip
            return cast(t, to)
        found = self.cache.get((id(t), to))
        if found is None:
            found = self.cache[id(t), to] = t, cast(t, to)  # the parameter is kept too: its id may not be given away
        return found[1]


def state() -> State:
    """This thread's."""
    modes = local.recorder.modes
    found = modes.get("autocast")
    if found is None:
        found = modes["autocast"] = State()
    return found


def _switch_on() -> None:
    """Have `record` ask for casts: from the first region on, since before that it costs nothing not to."""
    for where, table in policy.POLICIES.items():
        for name, rule in table.items():
            kernel = KERNELS.get(name, name)  # views are no ops of their own: they ask by name
            rules = recasts[kernel].args[1] if kernel in recasts else {}  # type: ignore[attr-defined]
            rules[where] = _RULES[rule]
            recasts[kernel] = functools.partial(_recast, kernel, rules)


def _recast(kernel: Any, rules: dict[str, Callable[..., Sequence[Any]]], args: Sequence[Any]) -> Sequence[Any]:
    """The arguments that an op is recorded with."""
    found = local.recorder.modes.get("autocast")
    if found is not None:
        for where in found.enabled:
            rule = rules.get(where)
            if rule is not None and any(_is_on(t, where) for t in _tensors(args)):
                args = rule(found, where, kernel, args)
    return args


def _tensors(args: Sequence[Any]) -> Iterator[Tensor]:
    for a in args:
        if isinstance(a, Tensor):
            yield a
        elif isinstance(a, (tuple, list)):
            yield from (t for t in a if isinstance(t, Tensor))


def _eligible(t: Any, where: str) -> bool:
    return isinstance(t, Tensor) and t.is_floating_point() and t.dtype is not _FLOAT64 and _is_on(t, where)


def _is_on(t: Tensor, where: str) -> bool:
    return t.device.type == where


def _all_to(to: dtypes.dtype, now: State, where: str, args: Sequence[Any]) -> Sequence[Any]:
    lower = now.lower[where]

    def fitted(a: Any) -> Any:
        if isinstance(a, (tuple, list)):
            return tuple(map(fitted, a)) if any(isinstance(t, Tensor) for t in a) else a
        return now.cast(a, to, lower) if _eligible(a, where) else a

    return tuple(map(fitted, args))


def _lower(now: State, where: str, kernel: Kernel, args: Sequence[Any]) -> Sequence[Any]:
    return _all_to(now.lower[where], now, where, args)


def _float32(now: State, where: str, kernel: Kernel, args: Sequence[Any]) -> Sequence[Any]:
    return _all_to(_FLOAT32, now, where, args)


def _widest(now: State, where: str, kernel: Kernel, args: Sequence[Any]) -> Sequence[Any]:
    to = lower = now.lower[where]
    for t in _tensors(args):
        if _eligible(t, where):
            if t.dtype is _FLOAT32:
                to = _FLOAT32
            elif to is lower and t.dtype is not lower:
                raise RuntimeError(
                    f"Unexpected floating ScalarType in at::autocast::prioritize\n{kernel.name}() takes {lower} and torch.float32 "
                    f"here, not {t.dtype}. Cast that input, or disable autocast for this op."
                )
    return _all_to(to, now, where, args)


def _float32_result(now: State, where: str, kernel: Kernel, args: Sequence[Any]) -> Sequence[Any]:
    at = next(i for i, p in enumerate(kernel.params) if p.name == "dtype")
    if args[at] is not None or not _eligible(args[0], where):
        return args
    return (*args[:at], _FLOAT32, *args[at + 1 :])


def _as_state(now: State, where: str, kernel: Kernel, args: Sequence[Any]) -> Sequence[Any]:
    states = args[1] if isinstance(args[1], (tuple, list)) else (args[1],)
    wide = any(t.dtype is not now.lower[where] for t in states if _eligible(t, where))
    return _all_to(_FLOAT32 if wide else now.lower[where], now, where, args)


def _recurrent(now: State, where: str, kernel: Kernel, args: Sequence[Any]) -> Sequence[Any]:
    """Torch's CPU has one op for an LSTM of sequences of one length, and sees others step by step."""
    _, states, params, batch_sizes, mode, *_ = args
    projected = len(params) // states[0].shape[0] % 2 == 1
    if mode.startswith("rnn") or projected or (where == "cpu" and mode == "lstm" and batch_sizes is None):
        return _lower(now, where, kernel, args)
    return _as_state(now, where, kernel, args)


def _contraction(now: State, where: str, kernel: Kernel, args: Sequence[Any]) -> Sequence[Any]:
    return _lower(now, where, kernel, args) if _multiplies_matrices(kernel.name, args) else args


def _multiplies_matrices(name: str, args: Sequence[Any]) -> bool:
    if name == "_einsum":
        return _einsum_multiplies(*args)
    a, b = args[:2]
    if name == "inner":
        if not a.ndim or not b.ndim or a.ndim == b.ndim == 1:
            return False
        return a.numel() * b.numel() != a.shape[-1] ** 2
    first, second = args[2:4]
    inner = math.prod([a.shape[i] for i in first]) * math.prod([b.shape[i] for i in second])
    return a.numel() * b.numel() != inner


def _einsum_multiplies(operands: Sequence[Tensor], equation: str) -> bool:
    """Whether a subscript is summed over that two operands have; one that one operand has is summed beforehand."""
    left, arrow, right = equation.partition("->")
    long: list[set[str]] = []  # the subscripts of each operand that are not of size 1
    for t, full in zip(operands, left.split(","), strict=False):
        term = full.replace("...", "")
        sizes = t.shape[t.ndim - len(term) :] if full.startswith("...") else t.shape
        long.append({c for c, n in zip(term, sizes, strict=False) if n > 1})
    kept = right if arrow else {c for c in left if left.count(c) == 1}
    return any(sum(c in letters for letters in long) > 1 for c in set().union(*long).difference(kept))


def _edges(now: State, where: str, kernel: Kernel, args: Sequence[Any]) -> Sequence[Any]:
    _, pad, mode, *_ = args
    return args if mode == "reflect" and len(pad) == 6 else _float32(now, where, kernel, args)


def _refused(now: State, where: str, kernel: Kernel, args: Sequence[Any]) -> Sequence[Any]:
    raise RuntimeError(_REFUSAL)


_RULES: dict[str, Callable[..., Sequence[Any]]] = {
    policy.LOWER: _lower, policy.FLOAT32: _float32, policy.WIDEST: _widest, policy.FLOAT32_RESULT: _float32_result,
    policy.AS_STATE: _as_state, policy.RECURRENT: _recurrent, policy.REFUSED: _refused, policy.CONTRACTION: _contraction,
    policy.EDGES: _edges,
}  # fmt: skip


@contextlib.contextmanager
def again(before: State | None) -> Iterator[None]:
    """Run what was run under ``before`` (see `remembered`), with casts of its own: for a part that is computed twice."""
    modes = local.recorder.modes
    now = modes.get("autocast")
    if before is None:
        modes.pop("autocast", None)
    else:
        modes["autocast"] = own = State()
        own.enabled, own.lower, own.caching, own.nesting = before.enabled, dict(before.lower), before.caching, 1
    try:
        yield
    finally:
        if now is None:
            modes.pop("autocast", None)
        else:
            modes["autocast"] = now


def remembered() -> State | None:
    """The state as it is now, for `again`; None if autocast is off."""
    found = local.recorder.modes.get("autocast")
    if found is None or not found.enabled:
        return None
    copy = State()
    copy.enabled, copy.lower, copy.caching = found.enabled, dict(found.lower), found.caching
    return copy


def _type_of(function: str, device_type: Any) -> str:
    if not isinstance(device_type, str):
        raise TypeError(f"{function}(): argument 'device_type' (position 1) must be str, not {type(device_type).__name__}")
    return device(device_type).type


def is_autocast_available(device_type: str) -> bool:
    """Whether there is autocast for a type of device; RuntimeError for what is none."""
    return _type_of("_is_autocast_available", device_type) in _DTYPES


def is_autocast_enabled(device_type: str | None = None) -> bool:
    """Whether ops on this type of device choose their own precision now; without one, whether CUDA's do."""
    where = "cuda" if device_type is None else _type_of("is_autocast_enabled", device_type)
    if where not in _DTYPES:
        raise RuntimeError(_UNKNOWN.format(where))
    return where in state().enabled


def is_any_autocast_enabled() -> bool:
    """Whether ops of any device choose their own precision now."""
    return bool(state().enabled)


def set_autocast_enabled(device_type: Any, enabled: Any = None) -> None:
    """Turn autocast on or off for a type of device; with one argument, for CUDA. `torch.autocast` undoes it again."""
    if enabled is None and not isinstance(device_type, str):
        device_type, enabled, position = "cuda", device_type, 1
    else:
        position = 2
    where = _type_of("set_autocast_enabled", device_type)
    if not isinstance(enabled, bool):
        kind = type(enabled).__name__
        raise TypeError(f"set_autocast_enabled(): argument 'enabled' (position {position}) must be bool, not {kind}")
    if where not in _DTYPES:
        raise RuntimeError(_UNKNOWN.format(where))
    now = state()
    others = tuple([d for d in now.enabled if d != where])
    now.enabled = (*others, where) if enabled else others
    if enabled and not recasts:
        _switch_on()


def get_autocast_dtype(device_type: str) -> dtypes.dtype:
    """The lower precision of autocast for a type of device."""
    found = state().lower.get(_type_of("get_autocast_dtype", device_type))
    if found is None:
        raise RuntimeError(f"unsupported scalarType\nThere is no autocast for {device_type!r}.")
    return found


def set_autocast_dtype(device_type: str, dtype: dtypes.dtype) -> None:
    """Choose the lower precision of autocast for a type of device."""
    where = _type_of("set_autocast_dtype", device_type)
    if not isinstance(dtype, dtypes.dtype):
        raise TypeError(f"set_autocast_dtype(): argument 'dtype' (position 2) must be torch.dtype, not {type(dtype).__name__}")
    if where not in _DTYPES:
        raise RuntimeError(_UNKNOWN.format(where))
    state().lower[where] = dtype


def is_autocast_cache_enabled() -> bool:
    """Whether the cast of a parameter is kept for the rest of the region."""
    return state().caching


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Choose whether the cast of a parameter is kept for the rest of the region."""
    if not isinstance(enabled, bool):
        raise TypeError(f"enabled must be a bool (got {type(enabled).__name__})")
    state().caching = enabled


def clear_autocast_cache() -> None:
    """Forget the casts of parameters."""
    state().cache.clear()


def autocast_increment_nesting() -> int:
    """Count a region that is entered; returns how many are open."""
    now = state()
    now.nesting += 1
    return now.nesting


def autocast_decrement_nesting() -> int:
    """Count a region that is left; returns how many are open."""
    now = state()
    now.nesting -= 1
    return now.nesting


def _deprecated(old: str, new: str) -> None:
    warnings.warn(f"torch.{old} is deprecated. Please use torch.{new} instead.", DeprecationWarning, stacklevel=3)


def _for(where: str, short: str) -> tuple[Callable[..., Any], ...]:
    """torch's deprecated functions for one type of device."""

    def get() -> dtypes.dtype:
        _deprecated(f"get_autocast_{short}_dtype()", f"get_autocast_dtype('{where}')")
        return get_autocast_dtype(where)

    def choose(dtype: dtypes.dtype, /) -> None:
        if not isinstance(dtype, dtypes.dtype):
            raise TypeError(f"dtype must be a torch.dtype (got {type(dtype).__name__})")
        _deprecated(f"set_autocast_{short}_dtype(dtype)", f"set_autocast_dtype('{where}', dtype)")
        set_autocast_dtype(where, dtype)

    def enabled() -> bool:
        _deprecated(f"is_autocast_{short}_enabled()", f"is_autocast_enabled('{where}')")
        return is_autocast_enabled(where)

    def enable(enabled: bool, /) -> None:
        if not isinstance(enabled, bool):
            raise TypeError(f"enabled must be a bool (got {type(enabled).__name__})")
        _deprecated(f"set_autocast_{short}_enabled(enabled)", f"set_autocast_enabled('{where}', enabled)")
        set_autocast_enabled(where, enabled)

    for made, name in (
        (get, f"get_autocast_{short}_dtype"), (choose, f"set_autocast_{short}_dtype"),
        (enabled, f"is_autocast_{short}_enabled"), (enable, f"set_autocast_{short}_enabled"),
    ):  # fmt: skip
        made.__name__ = made.__qualname__ = name
        made.__doc__ = f"Deprecated: `{name.replace(f'{short}_', '')}` takes ``'{where}'`` as its first argument."
    return get, choose, enabled, enable


get_autocast_cpu_dtype, set_autocast_cpu_dtype, is_autocast_cpu_enabled, set_autocast_cpu_enabled = _for("cpu", "cpu")
get_autocast_xla_dtype, set_autocast_xla_dtype, is_autocast_xla_enabled, set_autocast_xla_enabled = _for("xla", "xla")
get_autocast_ipu_dtype, set_autocast_ipu_dtype, is_autocast_ipu_enabled, set_autocast_ipu_enabled = _for("ipu", "ipu")
get_autocast_gpu_dtype, set_autocast_gpu_dtype, *_ = _for("cuda", "gpu")
