"""autograd.Function: ops whose forward and backward the user writes.

A call makes a context, which the user's code sees, and a node of the tape, which holds the context. They are two
objects, so that users may give the context whatever attributes they like.
"""

import contextlib
import functools
import inspect
import warnings
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from torchlike._src.autograd import forward_mode, saving
from torchlike._src.autograd.backward import FREED, as_tensor
from torchlike._src.engine.trace import local
from torchlike._src.operators.registry import ops
from torchlike._src.tensor import view_functions, views
from torchlike._src.tensor.core import Tensor, alias, levels
from torchlike._src.tensor.tape import GradNode, Result


class FunctionCtx:
    """The ``ctx`` of a `Function`: what forward leaves for backward."""

    _to_save: tuple[Any, ...] = ()
    _dirty: tuple[Any, ...] = ()
    _not_differentiable: tuple[Any, ...] = ()
    _materialize = True
    _saved_now: tuple[Any, ...] | None = ()
    _node: Any = None  # a weak reference to the tape's node; None if there is none
    saved_for_forward: tuple[Any, ...] | None = None
    _in_forward_mode = False
    needs_input_grad: tuple[bool, ...] = ()

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep inputs or outputs for backward, where ``ctx.saved_tensors`` gives them back."""
        self._to_save = tensors

    def save_for_forward(self, *tensors: Any) -> None:
        """Keep tensors for forward mode."""
        self.saved_for_forward = tensors

    def mark_dirty(self, *args: Any) -> None:
        """These inputs were changed in place."""
        self._dirty = args

    def mark_non_differentiable(self, *args: Any) -> None:
        """These outputs carry no gradient."""
        self._not_differentiable = args

    def set_materialize_grads(self, value: bool) -> None:
        """Whether missing gradients arrive in backward as zeros (the default) or as None."""
        self._materialize = value

    def name(self) -> str:
        """The name of the function's node."""
        return self._node().name()

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What `save_for_backward` kept.

        Raises:
            RuntimeError: if the graph was freed, or one of them was changed in place since.
        """
        if self.saved_for_forward is not None and self._in_forward_mode:
            return self.saved_for_forward
        if self._saved_now is None:
            raise RuntimeError(FREED)
        node = self._node()
        if node is not None:
            node.check_saved()
        found = []
        for t, output in self._saved_now:
            if output == "packed":
                found.append(saving.unpacked(*t))
                continue
            if output is None or t is None:
                found.append(t)
                continue
            out = alias(t, Tensor.__new__(Tensor))  # an output holds the node: only its memory was kept
            out._node, out._number, out._requires_grad = node, output, True
            found.append(out)
        return tuple(found)

    saved_variables = saved_tensors

    def _freeze(self, node: "FunctionNode", outputs: Sequence[Any]) -> None:
        """At the end of forward: what was to be saved is saved."""
        dirty = {id(t) for t in self._dirty}
        numbers = {
            id(o): k
            for k, o in enumerate(outputs)
            if isinstance(o, Tensor) and (o._node is node or (id(o) in dirty and o._requires_grad))
        }
        kept, versions = [], []
        for i, t in enumerate(self._to_save):
            if t is None:
                kept.append((None, None))
                continue
            if not isinstance(t, Tensor):
                raise TypeError(f"save_for_backward can only save variables, but argument {i} is of type {type(t).__name__}")
            hooks = saving.current_hooks()
            if hooks is not None:
                kept.append(((hooks, saving.packed(hooks, t)), "packed"))
                continue
            number = numbers.get(id(t))
            holder = t
            if number is not None:
                holder = Result(t)
                holder.kind, holder.number = t._aval(), number
            versions.append((holder, t._counter(), t._counter().version))
            kept.append((t if number is None else alias(t, Tensor.__new__(Tensor)), number))
        self._saved_now = tuple(kept)
        node.saved = versions or None
        self._to_save = self._dirty = self._not_differentiable = ()


class FunctionNode(GradNode):
    """The tape's node of a `Function`; attributes of the context are its attributes too."""

    def __init__(self, function: type["Function"], ctx: FunctionCtx, args: Sequence[Any]) -> None:
        tensors = [t for t in args if isinstance(t, Tensor)]
        _refuse_sparse(function, [t for t in tensors if t.requires_grad])
        super().__init__(None, None, [t for t in tensors if t.requires_grad], [], None)
        self.function, self.ctx = function, ctx
        ctx._node = weakref.ref(self)
        #: For each argument, whether it is a tensor that needs a gradient, and then its shape and dtype.
        self.wanted = [(t.shape, t.dtype) if isinstance(t, Tensor) and t.requires_grad else None for t in args]
        self.is_tensor = [isinstance(t, Tensor) for t in args]
        #: Shape, dtype and device of each output that is a tensor.
        self.like: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        if name in ("ctx", "__setstate__"):
            raise AttributeError(name)
        return getattr(self.ctx, name)

    def inputs(self) -> list[int | None]:
        edge = iter(range(len(self.edges)))
        return [next(edge) if w is not None else None for w, t in zip(self.wanted, self.is_tensor, strict=True) if t]

    def release(self) -> None:
        super().release()
        if self.ctx._saved_now:
            self.ctx._saved_now = None

    def apply(self, cotangents: list[Any], create_graph: bool) -> Sequence[Any]:
        """Run the user's backward and check what it returns."""
        given = []
        for k, ct in enumerate(cotangents):
            if ct is None and self.ctx._materialize and self.like[k] is not None:
                shape, dtype, device = self.like[k]
                given.append(ops.zeros(shape, dtype=dtype, device=device))
            else:
                given.append(None if ct is None else as_tensor(ct, create_graph))
        cls = self.function
        own_vjp, own_backward = cls.vjp is not Function.vjp, cls.backward is not Function.backward
        if own_vjp and own_backward:
            raise RuntimeError(
                "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You should only implement one of them."
            )  # fmt: skip
        made = (cls.vjp if own_vjp else cls.backward)(self.ctx, *given)
        made = made if isinstance(made, tuple) else (made,)
        n = len(self.wanted)
        if len(made) < n or any(m is not None for m in made[n:]):
            raise RuntimeError(
                f"function {self.grad_name} returned an incorrect number of gradients (expected {n}, got {len(made)})"
            )
        found = []
        places = iter(range(n))
        for wanted, tensor, g in zip(self.wanted, self.is_tensor, made, strict=False):
            k = next(places) if tensor else -1
            if wanted is not None:
                g = self._fitting(g, wanted, k)
                found.append(None if g is None else g if create_graph else _detached(g))
        return found

    def _fitting(self, g: Any, wanted: Any, k: int) -> Tensor | None:
        """A gradient in the shape and dtype of its input."""
        if g is None:
            return None
        if not isinstance(g, Tensor):
            raise RuntimeError(f"expected Variable or None (got {type(g).__name__})")
        shape, dtype = wanted
        if g.shape != shape:
            g = _reduce_to(g, shape, self.grad_name, k)
        if g.dtype is not dtype:
            g = g.real.to(dtype) if g.is_complex() and not dtype.is_complex else g.to(dtype)
        return g


def _detached(g: Tensor) -> Any:
    """A gradient without history; a sparse one stays a tensor."""
    return g.detach() if g._layout is not None else g.detach()._value()


def _refuse_sparse(function: type["Function"], tensors: Sequence[Any]) -> None:
    if any(t._layout is not None for t in tensors):
        raise NotImplementedError(
            f"{function.__name__}.apply: sparse tensors that require grad cannot go into or come out of a custom Function. "
            "Give it the values, and make the sparse tensor of them inside"
        )


def _reduce_to(g: Tensor, shape: tuple[int, ...], name: str, k: int) -> Tensor:
    """Sum a gradient that has the broadcast shape down to the input's."""
    lead = g.ndim - len(shape)
    if lead < 0 or any(n not in (1, m) for n, m in zip(shape, g.shape[lead:], strict=True)):
        raise RuntimeError(
            f"Function {name} returned an invalid gradient at index {k} - got {list(g.shape)} but expected shape compatible with "
            f"{list(shape)}"
        )
    dims = [*range(lead), *[lead + i for i, n in enumerate(shape) if n == 1 and g.shape[lead + i] != 1]]
    return g.sum(dims).reshape(shape) if dims else g.reshape(shape)


class Function:
    """An op whose forward and backward are given as static methods; see ``torch.autograd.Function``.

    Examples:
        >>> class Exp(Function):
        ...     @staticmethod
        ...     def forward(ctx, i):
        ...         result = i.exp()
        ...         ctx.save_for_backward(result)
        ...         return result
        ...     @staticmethod
        ...     def backward(ctx, grad_output):
        ...         (result,) = ctx.saved_tensors
        ...         return grad_output * result
    """

    generate_vmap_rule = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warnings.warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all static, so you should invoke them "
            "on the class itself. Instantiating an autograd function will raise an error in a future version of PyTorch.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use new-style autograd function with "
            "static forward method. (Example: https://pytorch.org/docs/stable/autograd.html#torch.autograd.Function)"
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the result; ``ctx`` comes first unless `setup_context` is there."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """Prepare ``ctx`` for backward."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The gradients of the inputs, for the gradients of the outputs."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with backward mode "
            "AD."
        )

    vjp = backward

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """The tangents of the outputs."""
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with forward mode AD."
        )

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Call the function; its node goes on the tape if an input needs a gradient."""
        rec = local.recorder
        separate = cls.setup_context is not Function.setup_context
        if kwargs:
            if not separate:
                raise TypeError("apply() takes no keyword arguments")
            bound = inspect.signature(cls.forward).bind(*args, **kwargs)
            bound.apply_defaults()
            args = bound.args
        ctx = FunctionCtx()
        ctx.needs_input_grad = tuple([isinstance(t, Tensor) and t.requires_grad for t in args])
        recording = rec.grad and any(ctx.needs_input_grad)
        node = _node_class(cls)(cls, ctx, args) if recording else None
        if rec.grad and levels and any(isinstance(t, Tensor) and levels[-1].whole(t) is not t and levels[-1].whole(t).requires_grad
                                       for t in args):  # fmt: skip
            raise NotImplementedError(
                "A gradient from outside through torch.func.vmap of an autograd.Function is not supported. Take the gradient inside "
                "of vmap, or call the Function outside of it."
            )
        carried = forward_mode.tangents_of(args) if levels else None
        before = rec.grad
        rec.grad = False
        try:
            with forward_mode.hidden(carried[0]) if carried else contextlib.nullcontext():
                if separate:
                    out = cls.forward(*args)
                    cls.setup_context(ctx, args, out)
                else:
                    out = cls.forward(ctx, *args)
        finally:
            rec.grad = before
        if not isinstance(out, (tuple, Tensor)):
            return out
        made = _outputs(ctx, node, list(out) if isinstance(out, tuple) else [out], args)
        if carried:
            _carry_tangents(cls, ctx, made, *carried)
        return tuple(made) if isinstance(out, tuple) else made[0]


def _carry_tangents(cls: type[Function], ctx: FunctionCtx, made: Sequence[Any], level: int, given: Sequence[Any]) -> None:
    """Give the results the tangents that the user's ``jvp`` makes of those of the inputs."""
    tangents = [
        ops.zeros_like(t.detach()) if tangent is None and isinstance(t, Tensor) and ctx._materialize else tangent
        for t, tangent in given
    ]
    with forward_mode.hidden(level):
        ctx._in_forward_mode = True
        try:
            moved = cls.jvp(ctx, *tangents)
        finally:
            ctx._in_forward_mode = False
    moved = moved if isinstance(moved, tuple) else (moved,)
    if len(moved) != len(made):
        raise RuntimeError(
            f"Function's jvp returned an invalid number of forward gradients (expected {len(made)} but got {len(moved)})"
        )
    for k, (o, tangent) in enumerate(zip(made, moved, strict=True)):
        if tangent is not None and not isinstance(tangent, Tensor):
            raise RuntimeError(f"expected Variable or None (got {type(tangent).__name__}) for grad output {k}.")
        if tangent is not None and isinstance(o, Tensor):
            forward_mode.check_tangent(o, tangent)
            forward_mode.set_tangent(o, tangent, level)


def _outputs(ctx: FunctionCtx, node: FunctionNode | None, outs: list[Any], args: Sequence[Any]) -> list[Any]:
    """Give the results of forward their history."""
    inputs = {id(t) for t in args if isinstance(t, Tensor)}
    dirty = {id(t) for t in ctx._dirty}
    fixed = {id(t) for t in ctx._not_differentiable}
    if not dirty <= {id(o) for o in outs}:
        raise RuntimeError(
            "Some elements marked as dirty during the forward method were not returned as output. The inputs that are modified "
            "inplace must all be outputs of the Function."
        )
    made = []
    for k, o in enumerate(outs):
        if not isinstance(o, Tensor):
            made.append(o)
            continue
        plain = id(o) in fixed or not (o.is_floating_point() or o.is_complex())
        if id(o) in inputs and id(o) not in dirty:  # an input returned as it is: another tensor on its memory
            o = o.detach() if plain and id(o) in fixed else _seen_through(o)
        if node is not None and not plain:
            _refuse_sparse(node.function, (o,))
            if id(o) in dirty and o is args[0] and node.wanted[0]:
                node.pass_by(o, node.edges[0][0])
            _give_history(o, node, k, id(o) in dirty)
        if id(o) in dirty and (node is None or plain or o._base_tensor is None):  # else `views.write` has counted it
            o._counter().version += 1
        made.append(o)
    if node is not None:
        node.like = [(o.shape, o.dtype, o.device) if isinstance(o, Tensor) else None for o in made]
        node.outputs = len(made)
        ctx._freeze(node, made)
    return made


def _seen_through(t: Tensor) -> Tensor:
    rec = local.recorder
    before = rec.grad
    rec.grad = False
    try:
        return view_functions.detach_like(t)
    finally:
        rec.grad = before


def _give_history(o: Tensor, node: FunctionNode, k: int, dirty: bool) -> None:
    if dirty:
        if o._requires_grad and o.is_leaf:
            raise RuntimeError("a leaf Variable that requires grad has been used in an in-place operation.")
        if o._base_tensor is not None:
            views.write(o, o._value(), node, k, True)
            return
    elif o._base_tensor is not None:
        o._made = "function"
    o._node, o._number, o._requires_grad, o._leaf = node, k, True, None


@functools.cache
def _node_class(cls: type[Function]) -> type[FunctionNode]:
    name = cls.__name__ + "Backward"
    return type(name, (FunctionNode,), {"__module__": cls.__module__, "grad_name": name})


class InplaceFunction(Function):
    """A `Function` that may work in place; kept for old code."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace


class _NotTwice(GradNode):
    """Stands for the gradient of what a `once_differentiable` backward returned."""

    grad_name = "DelayedErrorBackward"

    def apply(self, cotangents: list[Any], create_graph: bool) -> Sequence[Any]:
        raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")


def once_differentiable(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A backward that cannot be differentiated again: trying to raises RuntimeError."""

    @functools.wraps(fn)
    def wrapper(ctx: Any, *args: Any) -> Any:
        rec = local.recorder
        before = rec.grad
        rec.grad = False
        try:
            out = fn(ctx, *args)
        finally:
            rec.grad = before
        sources = [a for a in args if isinstance(a, Tensor) and a.requires_grad]
        if not before or not sources:
            return out
        node = _NotTwice(None, None, sources, [], None)
        found = []
        for k, o in enumerate(out if isinstance(out, tuple) else (out,)):
            if isinstance(o, Tensor):
                o = o.detach()
                o._node, o._number, o._requires_grad = node, k, True
            found.append(o)
        node.outputs = len(found)
        return tuple(found)

    return wrapper
