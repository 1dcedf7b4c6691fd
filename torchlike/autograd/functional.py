"""``torch.autograd.functional``: Jacobians, Hessians, and products of vectors with them."""

from collections.abc import Callable, Sequence
from typing import Any

import torchlike as torch
from torchlike._src.autograd.backward import grad
from torchlike._src.tensor.core import Tensor

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

Tensors = tuple[Tensor, ...]


def _as_tuple(x: Any, what: str, function: str) -> tuple[bool, Tensors]:
    """(whether it was one already, the tensors)."""
    many = isinstance(x, tuple)
    items = x if many else (x,)
    for i, item in enumerate(items):
        if not isinstance(item, Tensor):
            if many:
                raise TypeError(
                    f"The {what} given to {function} must be either a Tensor or a tuple of Tensors but the value at index {i} has "
                    f"type {type(item)}."
                )
            raise TypeError(
                f"The {what} given to {function} must be either a Tensor or a tuple of Tensors but the given {what} has type "
                f"{type(item)}."
            )
    return many, tuple(items)


def _as_before(x: Any, *many: bool) -> Any:
    """Nested tuples back in the form that the user gave them: one level for each of ``many``."""
    if len(many) == 1:
        return tuple(x) if many[0] else x[0]
    return tuple([_as_before(i, many[1]) for i in x]) if many[0] else _as_before(x[0], many[1])


def _differentiable(inputs: Sequence[Tensor], create_graph: bool) -> Tensors:
    """Inputs of their own for the function, connected to the user's if a graph is wanted."""
    if create_graph:
        return tuple([t.view_as(t) if t.requires_grad else t.detach().requires_grad_() for t in inputs])
    return tuple([t.detach().requires_grad_() for t in inputs])


def _finished(tensors: Any, create_graph: bool) -> Any:
    if create_graph:
        return tensors
    return tuple([_finished(t, False) for t in tensors]) if isinstance(tensors, tuple) else tensors.detach()


def _check_vector(v: Tensors, like: Tensors, many: bool) -> None:
    if len(v) != len(like):
        if many:
            raise RuntimeError(f"v is a tuple of invalid length: should be {len(like)} but got {len(v)}.")
        raise RuntimeError("The given v should contain a single Tensor.")
    for i, (a, b) in enumerate(zip(v, like, strict=True)):
        if a.size() != b.size():
            where = f"Entry {i} in " if many else ""
            raise RuntimeError(f"{where}v has invalid size: should be {b.size()} but got {a.size()}.")


def _check_strict(outputs: Tensors) -> None:
    for i, o in enumerate(outputs):
        if not o.requires_grad:
            raise RuntimeError(
                f"Output {i} of the user-provided function does not require gradients. The outputs must be computed in a "
                "differentiable manner from the input when running in strict mode."
            )


def _gradients(outputs: Tensors, inputs: Tensors, vectors: Sequence[Any], create_graph: bool) -> list[Tensor | None]:
    """Gradients of those outputs that need one; None for inputs that nothing depends on."""
    used = [(o, v) for o, v in zip(outputs, vectors, strict=True) if o.requires_grad]
    if not used:
        return [None] * len(inputs)
    found = grad(
        [o for o, _ in used], inputs, [v for _, v in used], create_graph=create_graph, retain_graph=True, allow_unused=True
    )
    return list(found)


def _filled(found: Sequence[Tensor | None], like: Tensors, strict: bool, message: Callable[[int], str]) -> Tensors:
    for i, g in enumerate(found):
        if g is None and strict:
            raise RuntimeError(message(i))
    return tuple([torch.zeros_like(t) if g is None else g for g, t in zip(found, like, strict=True)])


def _called(func: Callable[..., Any], inputs: Tensors, function: str) -> tuple[bool, Tensors]:
    return _as_tuple(func(*inputs), "outputs of the user-provided function", function)


def vjp(func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> Any:
    """(outputs, the product of the vector ``v`` with the Jacobian of ``func`` at ``inputs``).

    Args:
        v: of the outputs' shapes; may be left out for a single output of one element.
        strict: raise if an input has no influence on the outputs.
    """
    with torch.enable_grad():
        many_in, ins = _as_tuple(inputs, "inputs", "vjp")
        ins = _differentiable(ins, create_graph)
        many_out, outs = _called(func, ins, "vjp")
        if strict:
            _check_strict(outs)
        if v is not None:
            _, vs = _as_tuple(v, "v", "vjp")
            vs = _differentiable(vs, create_graph)
            _check_vector(vs, outs, many_out)
        elif len(outs) != 1 or outs[0].numel() != 1:
            raise RuntimeError(
                "The vector v can only be None if the user-provided function returns a single Tensor with a single element."
            )
        else:
            vs = (None,)  # type: ignore[assignment]
        found = _gradients(outs, ins, vs, create_graph)
        made = _filled(
            found, ins, strict,
            lambda i: f"The output of the user-provided function is independent of input {i}. This is not allowed in strict mode.",
        )  # fmt: skip
    return _as_before(_finished(outs, create_graph), many_out), _as_before(_finished(made, create_graph), many_in)


def jvp(func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> Any:
    """(outputs, the product of the Jacobian of ``func`` at ``inputs`` with the vector ``v``), by differentiating twice."""
    with torch.enable_grad():
        _, ins = _as_tuple(inputs, "inputs", "jvp")
        many_in = isinstance(inputs, tuple)
        ins = _differentiable(ins, create_graph)
        if v is not None:
            _, vs = _as_tuple(v, "v", "jvp")
            vs = _differentiable(vs, create_graph)
            _check_vector(vs, ins, many_in)
        elif len(ins) != 1 or ins[0].numel() != 1:
            raise RuntimeError(
                "The vector v can only be None if the input to the user-provided function is a single Tensor with a single element."
            )
        else:
            vs = (torch.ones_like(ins[0]),)
        many_out, outs = _called(func, ins, "jvp")
        if strict:
            _check_strict(outs)
        # The gradient is linear in the cotangents: its own gradient with respect to these is the product.
        cotangents = tuple([torch.zeros_like(o).requires_grad_() for o in outs])
        first = _filled(
            _gradients(outs, ins, cotangents, True), ins, strict,
            lambda i: f"The output of the user-provided function is independent of input {i}. This is not allowed in strict mode.",
        )  # fmt: skip
        found = _gradients(first, cotangents, vs, create_graph)
        made = _filled(found, outs, False, str)
    return _as_before(_finished(outs, create_graph), many_out), _as_before(_finished(made, create_graph), many_out)


def _jacobian_rows(out: Tensor, ins: Tensors, create_graph: bool) -> list[list[Tensor | None]]:
    flat = out.reshape(-1)
    return [_gradients((flat[i],), ins, (None,), create_graph) for i in range(flat.numel())]


def _forward_columns(func: Callable[..., Any], ins: Tensors, create_graph: bool) -> tuple[bool, Any]:
    many_out = False
    columns: list[list[list[Tensor]]] = []  # for each input, for each of its elements, the outputs' derivatives
    for k, x in enumerate(ins):
        mine = []
        for i in range(x.numel()):
            basis = [torch.zeros_like(t) for t in ins]
            basis[k].view(-1)[i] = 1
            _, out = jvp(func, tuple(ins), tuple(basis), create_graph=create_graph)
            many_out = isinstance(out, tuple)
            mine.append(list(out) if many_out else [out])
        columns.append(mine)
    outputs = range(len(columns[0][0]))
    return many_out, tuple(
        [
            tuple(
                [
                    torch.stack([c[o] for c in mine], -1).reshape((*mine[0][o].shape, *x.shape))
                    for mine, x in zip(columns, ins, strict=True)
                ]
            )
            for o in outputs
        ]
    )


def jacobian(
    func: Callable[..., Any], inputs: Any, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:  # fmt: skip
    """The Jacobian of ``func`` at ``inputs``.

    Returns:
        A tensor of shape ``(*output, *input)``; tuples of them for several inputs or outputs, outputs first.

    Raises:
        RuntimeError: with ``strict``, if an output does not depend on an input.
    """
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your function has more outputs than inputs, '
            '"forward-mode" tends to be more performant. Otherwise, prefer to use "reverse-mode".'
        )
    if strict and vectorize:
        raise RuntimeError(
            "torch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not supported together. Please either set "
            "`strict=False` or `vectorize=False`."
        )
    if strategy == "forward-mode" and not vectorize:
        raise NotImplementedError(
            "Computing Jacobian using forward-AD or forward-over-reverse Hessian isonly implemented for `vectorize=True`."
        )
    many_in, ins = _as_tuple(inputs, "inputs", "jacobian")
    if strategy == "forward-mode":
        many_out, made = _forward_columns(func, ins, create_graph)
        return _as_before(made, many_out, many_in)
    with torch.enable_grad():
        ins = _differentiable(ins, create_graph)
        many_out, outs = _called(func, ins, "jacobian")
        if strict:
            _check_strict(outs)
        made = []
        for k, out in enumerate(outs):
            rows = _jacobian_rows(out, ins, create_graph)
            blocks = []
            for i, x in enumerate(ins):
                column = [r[i] for r in rows]
                if strict and any(g is None for g in column):
                    raise RuntimeError(
                        f"Output {k} of the user-provided function is independent of input {i}. This is not allowed in strict mode."
                    )
                full = [torch.zeros_like(x) if g is None else g for g in column]
                blocks.append(torch.stack(full).reshape(*out.shape, *x.shape) if full else x.new_zeros((*out.shape, *x.shape)))
            made.append(tuple(blocks))
    return _as_before(_finished(tuple(made), create_graph), many_out, many_in)


def _scalar(out: Any, function: str) -> Tensor:
    if not isinstance(out, Tensor):
        if isinstance(out, tuple):
            raise RuntimeError(f"The function given to {function} should return a single Tensor")
        _as_tuple(out, "outputs of the user-provided function", function)
    if out.numel() != 1:
        raise RuntimeError(f"The Tensor returned by the function given to {function} should contain a single element")
    return out.squeeze()


def hessian(
    func: Callable[..., Any], inputs: Any, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:  # fmt: skip
    """The Hessian of a function that returns a single element; shape ``(*input, *input)``, tuples for several inputs."""
    many_in, ins = _as_tuple(inputs, "inputs", "hessian")

    def gradient(*given: Tensor) -> Tensors:
        out = _scalar(func(*given), "hessian")
        found = _gradients((out,), given, (None,), True)
        return _filled(found, given, False, str)

    made = jacobian(gradient, ins, create_graph, strict, vectorize, outer_jacobian_strategy)
    return _as_before(made, many_in, many_in)


def _second(func: Callable[..., Any], inputs: Any, v: Any, create_graph: bool, strict: bool, name: str) -> Any:
    """The Hessian is symmetric: a vector times it, and it times a vector, are the gradient of a directional derivative."""
    with torch.enable_grad():
        many_in, ins = _as_tuple(inputs, "inputs", name)
        ins = _differentiable(ins, create_graph)
        if v is not None:
            _, vs = _as_tuple(v, "v", name)
            vs = _differentiable(vs, create_graph)
            _check_vector(vs, ins, many_in)
        elif len(ins) != 1 or ins[0].numel() != 1:
            raise RuntimeError(
                "The vector v can only be None if the input to the user-provided function is a single Tensor with a single element."
            )
        else:
            vs = (torch.ones_like(ins[0]),)
        out = func(*ins)
        value = _scalar(out, name)
        if strict:
            _check_strict((value,))
        first = _filled(_gradients((value,), ins, (None,), True), ins, False, str)
        if strict:
            for i, g in enumerate(first):
                if not g.requires_grad:
                    raise RuntimeError(
                        "While computing the hessian, found that the jacobian of the user-provided function with respect to input "
                        f"{i} is independent of the input. This is not allowed in strict mode. You should ensure that your function "
                        "is twice differentiable and that the jacobian depends on the inputs (this would be violated by a linear "
                        "function for example)."
                    )
        made = _filled(_gradients(first, ins, vs, create_graph), ins, False, str)
    return _finished(out, create_graph), _as_before(_finished(made, create_graph), many_in)


def vhp(func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> Any:
    """(output, the product of the vector ``v`` with the Hessian of ``func``)."""
    return _second(func, inputs, v, create_graph, strict, "vhp")


def hvp(func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> Any:
    """(output, the product of the Hessian of ``func`` with the vector ``v``)."""
    return _second(func, inputs, v, create_graph, strict, "hvp")
