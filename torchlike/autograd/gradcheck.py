"""Gradients against finite differences, as ``torch.autograd.gradcheck``.

A complex number counts as two reals here: for each part of each output, the gradient of that part is compared with
central differences along each part of each input.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import torchlike as torch
from torchlike._src.autograd.backward import grad
from torchlike._src.tensor.core import Tensor
from torchlike.autograd import forward_ad

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


class GradcheckError(RuntimeError):
    """A gradient differs from its finite difference."""


def _differentiable(outputs: Any) -> list[Tensor]:
    many = list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]
    return [o for o in many if isinstance(o, Tensor) and (o.is_floating_point() or o.is_complex())]


def _checked(inputs: Any) -> tuple[tuple[Any, ...], list[Tensor]]:
    args = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    found = [a for a in args if isinstance(a, Tensor) and a.requires_grad]
    if not found:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them have requires_grad=True."
        )
    for i, x in enumerate(args):
        if isinstance(x, Tensor) and x.requires_grad and x.dtype not in (torch.float64, torch.complex128):
            warnings.warn(
                f"Input #{i} requires gradient and is not a double precision floating point or complex. This check will likely "
                "fail if all the inputs are not of double precision floating point or complex. ",
                stacklevel=4,
            )
    return args, found


def gradcheck(
    func: Callable[..., Any], inputs: Any, *, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3,
    raise_exception: bool = True, nondet_tol: float = 0.0, check_undefined_grad: bool = True, check_grad_dtypes: bool = False,
    check_batched_grad: bool = False, check_batched_forward_grad: bool = False, check_forward_ad: bool = False,
    check_backward_ad: bool = True, fast_mode: bool = False, masked: bool | None = None,
) -> bool:  # fmt: skip
    """Whether the gradients of ``func`` agree with central differences, for every element of every input.

    Args:
        func: from tensors to a tensor or several.
        inputs: its arguments; those that require grad are checked, and should be float64 or complex128.
        eps: the step of the differences.
        raise_exception: raise `GradcheckError` instead of returning False.
        check_forward_ad: also compare the derivatives of forward mode.
        check_backward_ad: compare gradients.

    Raises:
        GradcheckError: if they differ.
        ValueError: if no input requires grad.
    """
    if not (check_forward_ad or check_backward_ad):
        raise AssertionError("Expected at least one of check_forward_ad or check_backward_ad to be True")
    args, checked = _checked(inputs)
    try:
        for k, out in enumerate(_differentiable(func(*args))):
            if not out.requires_grad:
                continue
            for n, x in enumerate(checked):
                numerical = _numerical(func, args, k, x, eps)
                found = [("Jacobian computed with forward mode", _forward(func, args, k, x))] if check_forward_ad else []
                found += [("Jacobian", _analytical(out, x))] if check_backward_ad else []
                for what, analytical in found:
                    if not np.allclose(analytical, numerical, rtol=rtol, atol=atol):
                        a, b = (torch.tensor(np.real_if_close(m)) for m in (numerical, analytical))
                        raise GradcheckError(
                            f"{what} mismatch for output {k} with respect to input {n},\nnumerical:{a}\nanalytical:{b}\n"
                        )
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _parts(x: Tensor) -> list[complex]:
    return [1.0, 1j] if x.is_complex() else [1.0]


def _analytical(out: Tensor, x: Tensor) -> np.ndarray:
    """Rows: elements of ``x``; columns: elements of the output, its real parts and then its imaginary ones."""
    columns = []
    for part in _parts(out):
        for i in range(out.numel()):
            v = torch.zeros_like(out).contiguous().detach()
            v.view(-1)[i] = part
            (g,) = grad(out, x, v, retain_graph=True, allow_unused=True)
            columns.append(np.zeros(x.numel()) if g is None else g.detach().resolve_conj().numpy().reshape(-1))
    return np.stack(columns, 1) if columns else np.zeros((x.numel(), 0))


def _forward(func: Callable[..., Any], args: tuple[Any, ...], k: int, x: Tensor) -> np.ndarray:
    """As `_analytical`, by forward mode."""
    rows = []
    for i in range(x.numel()):
        row: Any = 0
        for part in _parts(x):
            v = torch.zeros_like(x).contiguous().detach()
            v.view(-1)[i] = part
            with forward_ad.dual_level():
                given = [forward_ad.make_dual(a, v.view_as(a)) if a is x else a for a in args]
                out = _differentiable(func(*given))[k]
                tangent = forward_ad.unpack_dual(out).tangent
                slope = torch.zeros_like(out.detach()) if tangent is None else tangent.detach()
            slope = slope.resolve_conj().numpy().reshape(-1)
            row = row + part * (np.concatenate([slope.real, slope.imag]) if np.iscomplexobj(slope) else slope)
        rows.append(row)
    return np.stack(rows) if rows else np.zeros((0, 0))


def _numerical(func: Callable[..., Any], args: tuple[Any, ...], k: int, x: Tensor, eps: float) -> np.ndarray:
    start = x.detach().clone()
    flat = start.numpy().reshape(-1).copy()

    def at(i: int, step: complex) -> np.ndarray:
        moved = flat.copy()
        moved[i] += step
        x.data.copy_(torch.tensor(moved.reshape(tuple(x.shape))))
        with torch.no_grad():
            out = _differentiable(func(*args))[k].detach()
        return out.resolve_conj().numpy().reshape(-1).copy()

    rows = []
    try:
        for i in range(flat.size):
            row: Any = 0
            for part in _parts(x):
                slope = (at(i, eps * part) - at(i, -eps * part)) / (2 * eps)
                parts = np.concatenate([slope.real, slope.imag]) if np.iscomplexobj(slope) else slope
                row = row + part * parts
            rows.append(row)
    finally:
        x.data.copy_(start)
    return np.stack(rows) if rows else np.zeros((0, 0))


def gradgradcheck(
    func: Callable[..., Any], inputs: Any, grad_outputs: Any = None, *, eps: float = 1e-6, atol: float = 1e-5,
    rtol: float = 1e-3, gen_non_contig_grad_outputs: bool = False, raise_exception: bool = True, nondet_tol: float = 0.0,
    check_undefined_grad: bool = True, check_grad_dtypes: bool = False, check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False, check_rev_over_rev: bool = True, fast_mode: bool = False, masked: bool = False,
) -> bool:  # fmt: skip
    """`gradcheck` of the gradient of ``func``, as a function of its inputs and of the gradients of its outputs.

    Args:
        check_fwd_over_rev: compare forward mode over that gradient.
        check_rev_over_rev: compare its gradient.
    """
    args: Sequence[Any] = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    if grad_outputs is None:
        outs = [o for o in _differentiable(func(*args)) if o.requires_grad]
        vectors = [torch.rand_like(o.detach()).requires_grad_() for o in outs]
    else:
        vectors = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs)
    n = len(args)

    def gradient(*given: Any) -> Any:
        own = given[:n]
        checked = [a for a in own if isinstance(a, Tensor) and a.requires_grad]
        outs = [o for o in _differentiable(func(*own)) if o.requires_grad]
        return tuple([g for g in grad(outs, checked, given[n:], create_graph=True, allow_unused=True) if g is not None])

    def with_grad(*given: Any) -> Any:
        with torch.enable_grad():
            return gradient(*given)

    return gradcheck(
        with_grad, (*args, *vectors), eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception, nondet_tol=nondet_tol,
        check_forward_ad=check_fwd_over_rev, check_backward_ad=check_rev_over_rev,
    )  # fmt: skip
