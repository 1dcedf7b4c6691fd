"""Moving and casting a module's tensors: the arguments of `to`, and replacing values behind a Parameter's back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torchlike as torch
from torchlike import __future__ as switches
from torchlike._src.tensor.core import Tensor
from torchlike.nn.parameter import Parameter

_TO_FORMS = """\
 * (torch.device device = None, torch.dtype dtype = None, bool non_blocking = False, bool copy = False, *, \
torch.memory_format memory_format = None)
 * (torch.dtype dtype, bool non_blocking = False, bool copy = False, *, torch.memory_format memory_format = None)
 * (Tensor tensor, bool non_blocking = False, bool copy = False, *, torch.memory_format memory_format = None)
"""


def parse_to(*args: Any, **kwargs: Any) -> tuple[Any, Any, bool, Any]:
    """Device, dtype, non_blocking and memory format out of any of `to`'s three forms; None where not given."""
    if len(args) > 4:
        raise TypeError(f"to() takes from 0 to 4 positional arguments but {len(args)} were given")
    first = args[0] if args else next((kwargs[k] for k in ("tensor", "dtype") if k in kwargs), None)
    if isinstance(first, Tensor):
        names = ("tensor", "non_blocking", "copy")
    elif isinstance(first, torch.dtype) and "device" not in kwargs:
        names = ("dtype", "non_blocking", "copy")
    else:
        names = ("device", "dtype", "non_blocking", "copy")
    given = dict(zip(names, args, strict=False))
    options = {**given, **kwargs}
    if (
        len(args) > len(names)
        or given.keys() & kwargs.keys()
        or options.keys() - {*names, "memory_format"}
        or not _types_fit(options)
    ):
        got = [_type_name(a) for a in args]
        got += [f"{name}={_type_name(value)}" for name, value in kwargs.items()]
        got_text = ", ".join(got) + (", " if kwargs and not args else "")  # as torch prints it
        raise TypeError(
            f"to() received an invalid combination of arguments - got ({got_text}), but expected one of:\n{_TO_FORMS}"
        )
    if options.get("copy"):
        raise RuntimeError(".to() does not accept copy argument")
    device, dtype = options.get("device"), options.get("dtype")
    if isinstance(first, Tensor):
        device, dtype = first.device, first.dtype
    elif device is not None and not isinstance(device, torch.device):
        device = torch.device(device)
    return device, dtype, bool(options.get("non_blocking", False)), options.get("memory_format")


def _types_fit(options: dict[str, Any]) -> bool:
    return (
        isinstance(options.get("device"), (type(None), str, int, torch.device))
        and isinstance(options.get("dtype"), (type(None), torch.dtype))
        and isinstance(options.get("tensor"), (type(None), Tensor))
        and all(isinstance(options.get(k, False), bool) for k in ("non_blocking", "copy"))
    )


def _type_name(value: Any) -> str:
    kind = type(value)
    return f"torch.{kind.__name__}" if isinstance(value, (torch.dtype, torch.device)) else kind.__name__


def replace_values(params: dict[str, Parameter | None], key: str, fn: Callable[[Tensor], Tensor], owner: str) -> None:
    """Apply ``fn`` to one parameter and its gradient.

    The Parameter object stays, so optimizers that hold it go on; only its values change. It is replaced
    where torch replaces it: to or from the meta device, or when
    ``torch.__future__.set_overwrite_module_params_on_conversion(True)`` asks for it.
    """
    param = params[key]
    if param is None:
        return
    with torch.no_grad():
        applied = fn(param)
    grad = param.grad
    if switches.get_swap_module_params_on_conversion():
        _swap(param, applied, fn, f"{owner}.{key}")
        return
    if _keeps_object(param, applied):
        param.data = applied
        result = param
    else:
        result = params[key] = Parameter(applied, param.requires_grad)
    if grad is None:
        return
    with torch.no_grad():
        grad_applied = fn(grad)
    if _keeps_object(grad, grad_applied) and result.grad is not None:
        result.grad.data = grad_applied
    else:
        result.grad = grad_applied.requires_grad_(grad.requires_grad)


def _keeps_object(tensor: Tensor, applied: Tensor) -> bool:
    return tensor.is_meta == applied.is_meta and not switches.get_overwrite_module_params_on_conversion()


def _swap(param: Parameter, applied: Tensor, fn: Callable[[Tensor], Tensor], name: str) -> None:
    """The ``set_swap_module_params_on_conversion(True)`` way: exchange the two tensors, gradient included."""
    grad = param.grad
    try:
        param.grad = None
        torch.utils.swap_tensors(param, Parameter(applied, requires_grad=param.requires_grad))
    except Exception as error:
        param.grad = grad
        raise RuntimeError(f"_apply(): Couldn't swap {name}") from error
    if grad is None:
        return
    with torch.no_grad():
        grad_applied = fn(grad).requires_grad_(grad.requires_grad)
    try:
        torch.utils.swap_tensors(grad, grad_applied)
    except Exception as error:
        raise RuntimeError(f"_apply(): Couldn't swap {name}.grad") from error
    param.grad = grad
