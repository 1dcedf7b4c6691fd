"""What op functions share: dimension numbers, broadcasting and numbers, with torch's wording when they are wrong."""

import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlike._src.operators.promotion import CATEGORY, COMPLEX, FLOAT, can_cast, scalar_type, to_real, type_name
from torchlike._src.operators.registry import EXACT, is_tensor

#: One dimension, several, or None for all of them.
Dims = int | Sequence[int] | None

_NUMBERS = (bool, int, float, complex)

#: What is said, of a function, when autograd would have to see ``out=``.
NOT_DIFFERENTIATED = (
    "{}(): functions with out=... arguments don't support automatic differentiation, but one of the arguments requires grad."
)


def class_name(value: Any) -> str:
    """What torch's messages call the class of ``value``: ``numpy.ndarray``, ``torch.dtype``, ``str``."""
    kind = type(value)
    home = "torch" if kind.__module__.startswith("torchlike._src.tensor.") else kind.__module__
    return f"{home}.{kind.__name__}" if home in ("numpy", "torch") and not is_tensor(value) else kind.__name__


def is_number(value: Any) -> bool:
    """Whether ``value`` is a Python number, on whose value a function may branch."""
    return isinstance(value, _NUMBERS)


def overload(name: str, tensors: int, **numbers: int) -> Callable[[dict[str, Any]], str]:
    """What ``grad_name`` an op has where torch numbers its overloads by which parameter is a number."""

    def named(bound: dict[str, Any]) -> str:
        return f"{name}Backward{next((k for param, k in numbers.items() if is_number(bound[param])), tensors)}"

    named.numbers = numbers  # type: ignore[attr-defined]
    return named


def is_array(value: Any) -> bool:
    """Whether ``value`` is an array, that is neither a number nor the weakly typed scalar a number became."""
    return not is_number(value) and not getattr(getattr(value, "aval", None), "weak_type", False)


def normalize_dim(dim: int, ndim: int) -> int:
    """``dim`` counted from the front; a 0-d array has the one dimension 0.

    Raises:
        IndexError: if there is no such dimension.
    """
    size = ndim or 1
    if not -size <= dim < size:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-size}, {size - 1}], but got {dim})")
    return dim % size


def normalize_dims(dim: Dims, ndim: int) -> tuple[int, ...]:
    """The dimensions to reduce, in order: all of them for None and for an empty sequence.

    Raises:
        IndexError: if one does not exist.
        RuntimeError: if one is given twice.
    """
    if dim is None or (not isinstance(dim, int) and len(dim) == 0):
        return tuple(range(ndim))
    dims = tuple(normalize_dim(d, ndim) for d in ((dim,) if isinstance(dim, int) else dim))
    for d in dims:
        if dims.count(d) > 1:
            raise RuntimeError(f"dim {d} appears multiple times in the list of dims")
    return tuple(sorted(dims)) if ndim else ()


def broadcast_shapes(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape to which ``shapes`` broadcast.

    Raises:
        RuntimeError: if they do not.
    """
    result: tuple[int, ...] = ()
    for shape in shapes:
        ndim = max(len(result), len(shape))
        a, b = (1,) * (ndim - len(result)) + result, (1,) * (ndim - len(shape)) + shape
        for i in range(ndim - 1, -1, -1):
            if a[i] != b[i] and a[i] != 1 and b[i] != 1:
                raise RuntimeError(
                    f"The size of tensor a ({a[i]}) must match the size of tensor b ({b[i]}) at non-singleton dimension {i}"
                )
        result = tuple(y if x == 1 else x for x, y in zip(a, b, strict=True))
    return result


def as_dtype(value: Any, dtype: np.dtype) -> Any:
    """A number or array in ``dtype``; Python integers wrap as they do in torch."""
    if is_number(value):
        return wrap(value, dtype)
    return value if value.dtype == dtype else value.astype(dtype)


def wrap(number: complex, dtype: np.dtype) -> np.ndarray:
    """A Python number as a 0-d NumPy array of ``dtype``."""
    if isinstance(number, int) and dtype.kind in "iu":
        bits = 8 * dtype.itemsize
        return np.asarray(number & ((1 << bits) - 1), dtype=f"u{dtype.itemsize}").view(dtype)
    with np.errstate(all="ignore"):
        return np.asarray(number).astype(dtype)


def operands(*values: Any) -> tuple[Any, ...]:
    """Arrays that broadcast, all of one dtype: numbers take the dtype of the arrays beside them."""
    arrays = [v for v in values if is_array(v)]
    if not arrays:
        return tuple(jnp.asarray(v) for v in values)
    if len(arrays) > 1:
        broadcast_shapes(*(a.shape for a in arrays))
    dtype = arrays[0].dtype
    return tuple(v if is_array(v) else as_dtype(v, dtype) for v in values)


def on_host(function: Callable[..., Any], but: str = "") -> Callable[..., Any]:
    """A NumPy function of arrays and numbers as the ``host`` form of an op: silent, numbers wrapped, 0-d kept.

    Args:
        function: what NumPy does.
        but: kinds of dtypes, as NumPy's letters, that are left to the device, which refuses or knows them.
    """

    def host(*args: Any) -> Any:
        dtype = next((a.dtype for a in args if isinstance(a, np.ndarray)), None)
        if dtype is None or dtype.kind in but:
            return NotImplemented
        args = tuple(wrap(a, dtype) if isinstance(a, _NUMBERS) else a for a in args)
        return np.asarray(function(*args))

    return host


def checked(check: Callable[..., None]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give an op a check of values that only the host can see: indices in range, divisors that are not zero.

    Dispatch calls ``check`` with the op's arguments when one of them is on the host; an argument that is not is then
    just its shape and dtype.
    """

    def attach(fn: Callable[..., Any]) -> Callable[..., Any]:
        fn.check = check  # type: ignore[attr-defined]
        return fn

    return attach


def vetted(check: Callable[..., None]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give an op a check of its numbers' values, for when these change between calls and the op itself sees traced scalars.

    Dispatch calls ``check`` as that of `checked`, but only for numbers that this place of a program has not seen before.
    """

    def attach(fn: Callable[..., Any]) -> Callable[..., Any]:
        fn.vet = check  # type: ignore[attr-defined]
        return fn

    return attach


def widen(*arrays: Any) -> tuple[Any, ...]:
    """float16 and bfloat16 arrays as float32: an op of several steps rounds once, at its end, as in torch."""
    return tuple(a.astype(jnp.float32) if a.dtype.itemsize == 2 and CATEGORY[np.dtype(a.dtype)] == FLOAT else a for a in arrays)


def underivable(name: str, function: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """``function``, whose result may ask for a gradient that, as in torch, does not exist.

    Raises:
        RuntimeError: when the gradient is asked for.
    """

    def backward(saved: Any, cotangent: Any) -> Any:
        raise RuntimeError(f"derivative for aten::{name} is not implemented")

    guarded = jax.custom_vjp(function)
    guarded.defvjp(lambda *args: (function(*args), None), backward)
    return guarded


def conj(x: jax.Array) -> jax.Array:
    """The complex conjugate; a real array as it is, the very object."""
    return lax.conj(x) if CATEGORY[np.dtype(x.dtype)] == COMPLEX else x


def real_dtype(x: jax.Array) -> np.dtype:
    """The dtype of ``abs(x)``."""
    return to_real(np.dtype(x.dtype))


def unbroadcast(x: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Sum ``x`` over the dimensions along which ``shape`` was broadcast: the gradient of broadcasting."""
    lead = x.ndim - len(shape)
    axes = tuple(range(lead)) + tuple(lead + i for i, n in enumerate(shape) if n == 1 and x.shape[lead + i] != 1)
    return x.sum(axes).reshape(shape) if axes else x


#: A category for `refuse`: float16 and bfloat16.
HALF = -1


def refuse(kernel: str, x: Any, *categories: int) -> None:
    """Raise torch's error for a dtype that a kernel does not have.

    Raises:
        NotImplementedError: if the dtype of ``x`` is in one of the categories.
    """
    dtype = np.dtype(x.dtype)
    found = CATEGORY[dtype]
    if found in categories or (HALF in categories and found == FLOAT and dtype.itemsize == 2):
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{scalar_type(dtype)}'")


def refuse_complex(message: str, x: Any, error: type[Exception] = RuntimeError) -> None:
    """Raise ``error(message)`` if ``x`` is complex."""
    if CATEGORY[np.dtype(x.dtype)] == COMPLEX:
        raise error(message)


def other_dtype(message: str, made: np.dtype, given: np.dtype) -> RuntimeError:
    """The error for an ``out`` of another dtype than the result, in words like those of `registry.EXACT`."""
    return RuntimeError(
        message.format(made=type_name(made), given=type_name(given), Made=scalar_type(made), Given=scalar_type(given))
    )


def into(out: Any, made: Any, *, cast: bool = False, name: str = "", message: str = EXACT) -> Any:
    """A composite's result, written into its ``out`` if that is given: one tensor, or several, of that dtype or (``cast``) any.

    Args:
        name: of torch's function, for the refusal of what autograd would have to see.
        message: what is said of an ``out`` of another dtype.
    """
    if out is None:
        return made
    if isinstance(made, tuple):
        return type(made)([into(o, m, cast=cast, name=name, message=message) for o, m in zip(out, made, strict=True)])
    if isinstance(out, (tuple, list)):
        caller = sys._getframe(1).f_code.co_name  # a composite has the name of torch's function
        raise TypeError(f"{caller}(): argument 'out' must be Tensor, not {class_name(out)}")
    if out.dtype is not made.dtype and not (cast and can_cast(made.dtype.np, out.dtype.np)):
        if cast and message is EXACT:
            message = "result type {Made} can't be cast to the desired output type {Given}"
        raise other_dtype(message, made.dtype.np, out.dtype.np)
    if name and (made.grad_fn is not None or out.requires_grad):
        raise RuntimeError(NOT_DIFFERENTIATED.format(name))
    if out.shape != made.shape:
        if out.numel():
            warn_resized(tuple(out.shape), tuple(made.shape))
        out.resize_(made.shape)
    return out.copy_(made)


def warn_resized(have: tuple[int, ...], shape: tuple[int, ...]) -> None:
    """Torch's warning for an ``out`` that held something of another shape."""
    warnings.warn(
        f"An output with one or more elements was resized since it had shape {list(have)}, which does not match "
        f"the required output shape {list(shape)}. This behavior is deprecated, and in a future PyTorch release outputs "
        "will not be resized unless they have zero elements. You can explicitly reuse an out tensor t by resizing it, "
        "inplace, to zero elements with t.resize_(0).",
        UserWarning,
        stacklevel=6,
    )


def int_list(size: Sequence[Any], function: str, name: str = "size", position: int = 1) -> tuple[int, ...]:
    """The ints of ``f(2, 3)`` or ``f((2, 3))``, which mean the same.

    Raises:
        TypeError: for what is no int and for ``f()``, naming the function and its argument as torch does.
    """
    if not size:
        raise TypeError(f'{function}() missing 1 required positional arguments: "{name}"')
    many = size
    if len(size) == 1 and size[0].__class__ is not int and _holds_several(size[0]):
        many = size[0]
    out = []
    for i, n in enumerate(many):
        if n.__class__ is not int:
            if not _is_int(n):
                raise TypeError(_no_size(n, i, many, size, f"{function}(): argument '{name}'", position))
            n = n.__index__()
        out.append(n)
    return tuple(out)


def an_int(value: Any, function: str, name: str, position: int) -> int:
    """An int, whatever class it has.

    Raises:
        TypeError: for what is no int, naming the function and its argument as torch does.
    """
    if not _is_int(value):
        raise TypeError(f"{function}(): argument '{name}' (position {position}) must be int, not {class_name(value)}")
    return value.__index__()


def _is_int(n: Any) -> bool:
    return hasattr(n, "__index__") and not isinstance(n, bool) and not (is_tensor(n) and n.is_floating_point())


def _holds_several(x: Any) -> bool:
    return hasattr(x, "__iter__") and not isinstance(x, str) and not (is_tensor(x) and x.numel() == 1)


def _no_size(n: Any, i: int, many: Any, given: Any, start: str, position: int) -> str:
    kind = class_name(n)
    if i == 0 and is_tensor(given[0]):
        return f"{start} (position {position}) must be tuple of ints, not Tensor"
    if i == 0:
        found = f"not {kind}" if many is given else f"but found element of type {kind} at pos 0"
        return f"{start} (position {position}) must be tuple of ints, {found}"
    return f'{start} failed to unpack the object at pos {i + 1} with error "type must be tuple of ints,but got {kind}"'
