"""Random tensors: the public functions over `random/sampling.py`, which draws torch's numbers on the host."""

from typing import Any

import numpy as np

from torchlike._src.engine.trace import local
from torchlike._src.engine.value import CPU, Aval, host_value
from torchlike._src.operators import promotion
from torchlike._src.operators.registry import anonymous, composite, ops
from torchlike._src.operators.support import NOT_DIFFERENTIATED, an_int, broadcast_shapes, int_list
from torchlike._src.random import sampling
from torchlike._src.random.normal import uniforms
from torchlike._src.random.recorded import box_muller
from torchlike._src.tensor import devices, dtypes, layouts
from torchlike._src.tensor.conversion import keep_layout, write_result
from torchlike._src.tensor.core import Tensor, levels
from torchlike._src.tensor.creation import check_sizes, deliver, dense_only, prepared, with_values
from torchlike._src.tensor.dispatch import Kernel, _new, record
from torchlike._src.tensor.from_data import finish, np_dtype, on_place
from torchlike._src.tensor.strides import contiguous_strides, dense_like


def _draw(name: str, sample: Any, generator: Any, shape: tuple[int, ...], kind: Any, *args: Any, out: Any = None,
          dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """What a factory draws. An ``out`` is filled as its own method would: in its dtype, in the order of its memory."""
    check_sizes(shape)
    if out is None:
        return finish(on_place(sample(generator, shape, np_dtype(dtype, kind), *args), devices.place_of(device)), requires_grad)
    t = _fill(prepared(f"aten::{name}", out, shape, dtype, device), name, sample, generator, *args)
    return t.requires_grad_() if requires_grad else t


@composite("rand", method=False)
def rand(*size: Any, generator: Any = None, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
         requires_grad: bool = False, pin_memory: bool = False, **named: Any) -> Tensor:  # fmt: skip
    """Uniform numbers in ``[0, 1)``; the same as torch's for the same seed."""
    dense_only("rand", layout)
    shape = int_list((named.pop("size"),) if "size" in named else size, "rand")
    return _draw("rand", sampling.uniform, generator, shape, None, out=out, dtype=dtype, device=device,
                 requires_grad=requires_grad)  # fmt: skip


@composite("randn", method=False)
def randn(*size: Any, generator: Any = None, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
          requires_grad: bool = False, pin_memory: bool = False, **named: Any) -> Tensor:  # fmt: skip
    """Standard normal numbers; the same as torch's for the same seed."""
    dense_only("randn", layout)
    shape = int_list((named.pop("size"),) if "size" in named else size, "randn")
    return _draw("randn", sampling.normal, generator, shape, None, out=out, dtype=dtype, device=device,
                 requires_grad=requires_grad)  # fmt: skip


@composite("randint", method=False)
def randint(*args: Any, low: int = 0, high: int | None = None, size: Any = None, generator: Any = None, out: Any = None,
            dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False,
            pin_memory: bool = False) -> Tensor:  # fmt: skip
    """``randint(high, size)``, ``randint(low, high, size)``: integers in ``[low, high)``."""
    dense_only("randint", layout)
    given = list(args)
    if size is None and given and not hasattr(given[-1], "__index__"):
        size = given.pop()
    low, high = _ends("randint", given, low, high)
    if size is None:
        raise TypeError("randint() received an invalid combination of arguments: 'high' and 'size' are needed")
    shape = int_list((size,), "randint", position=len(args))
    return _draw("randint", sampling.random, generator, shape, np.dtype(np.int64), low, high, out=out, dtype=dtype, device=device,
                 requires_grad=requires_grad)  # fmt: skip


def _ends(function: str, given: list[Any], low: Any, high: Any, before: int = 0) -> tuple[int, int]:
    """``(high)`` or ``(low, high)``, some of them by name.

    Raises:
        TypeError: if ``high`` is missing, and for what is no int.
    """
    names = ("high",) if len(given) == 1 and high is None else ("low", "high")
    ends = {"low": low, "high": high} | dict(zip(names, given, strict=False))
    if ends["high"] is None or len(given) > 2:
        raise TypeError(f"{function}() received an invalid combination of arguments: 'high' is needed, 'low' may stand before it")
    return tuple([an_int(ends[n], function, n, before + 1 + (n in names and names.index(n))) for n in ("low", "high")])


@composite("randperm", method=False)
def randperm(n: int, *, generator: Any = None, out: Any = None, dtype: Any = None, layout: Any = None,
             device: Any = None, requires_grad: bool = False, pin_memory: bool = False) -> Tensor:  # fmt: skip
    """A random permutation of ``0 … n-1``."""
    dense_only("randperm", layout)
    kind = np_dtype(dtype, np.dtype(np.int64) if out is None else out._aval().dtype)
    return deliver("aten::randperm", sampling.randperm(generator, n, kind), out, dtype, device, requires_grad)


def _like(name: str, sample: Any) -> None:
    def make(input: Tensor, *, generator: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
             requires_grad: bool = False, pin_memory: bool = False,
             memory_format: Any = layouts.preserve_format) -> Tensor:  # fmt: skip
        if layout is None and input._layout is not None:
            if input._layout is layouts.sparse_coo:
                dense_only(name, input._layout)
            return with_values(
                input, make(input._data, generator=generator, dtype=dtype, device=device, requires_grad=requires_grad)
            )  # type: ignore[attr-defined]
        dense_only(name, layout)
        have = input._aval()
        place = have.place if device is None else devices.place_of(device)
        strides = None if input._geometry is None else dense_like(have.shape, input._geometry[0])
        if sample is sampling.normal and strides is None and place is have.place is CPU and input._value().data is None:
            t = _recorded_normal(generator, have, np_dtype(dtype, have.dtype))
            if t is not None:
                return finish(t, requires_grad)
        t = on_place(_values(have.shape, strides, np_dtype(dtype, have.dtype), sample, generator), place)
        keep_layout(input, t)
        return finish(t, requires_grad)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"`{name.removesuffix('_like')}` with the shape, dtype and device of ``input``."
    composite(name, method=False)(make)


_BOX_MULLER = Kernel(anonymous(box_muller, differentiable=False))


def _recorded_normal(generator: Any, like: Aval, kind: np.dtype) -> Tensor | None:
    """Normals for a step that is being recorded: only the uniforms are drawn here, the rest is part of the program."""
    if kind != np.float32:
        return None
    drawn = uniforms(generator, like.size)
    return None if drawn is None else record(_BOX_MULLER, (_new(host_value(drawn)), like.shape))


def _values(shape: tuple[int, ...], strides: tuple[int, ...] | None, kind: np.dtype, sample: Any, generator: Any,
            *args: Any) -> np.ndarray:  # fmt: skip
    """What torch fills a tensor with: in the order of its memory; normals that are not contiguous one by one."""
    if strides is None or strides == contiguous_strides(shape):
        return sample(generator, shape, kind, *args)
    named = {"contiguous": False} if sample is sampling.normal else {}

    def draw(shape: tuple[int, ...]) -> np.ndarray:
        return sample(generator, shape, kind, *args, **named)

    return np.ascontiguousarray(sampling.in_memory_order(draw, shape, strides))


_like("rand_like", sampling.uniform)
_like("randn_like", sampling.normal)


@composite("randint_like", method=False)
def randint_like(input: Tensor, *args: Any, low: int = 0, high: int | None = None, generator: Any = None,
                 dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False,
                 pin_memory: bool = False, memory_format: Any = layouts.preserve_format) -> Tensor:  # fmt: skip
    """`randint` with the shape, dtype and device of ``input``."""
    dense_only("randint_like", input._layout if layout is None else layout)
    low, high = _ends("randint_like", list(args), low, high, before=1)
    have = input._aval()
    place = have.place if device is None else devices.place_of(device)
    t = on_place(sampling.random(generator, have.shape, np_dtype(dtype, have.dtype), low, high), place)
    keep_layout(input, t)
    return finish(t, requires_grad)


def _tied(drawn: Tensor, parameters: list[Any], name: str) -> Tensor:
    """What was drawn, as autograd sees it: of gradient 0 for the tensors that it was drawn from."""
    tracked = local.recorder.grad
    parameters = [p for p in parameters if (tracked and p.requires_grad) or (levels and levels[-1].is_dual(p))]
    if not parameters or not drawn.is_floating_point():
        return drawn
    return ops._drawn(drawn, parameters, name)


def _host(x: Any) -> Any:
    return x.detach()._numpy("a random draw") if isinstance(x, Tensor) else x


@composite("normal", method=False)
def normal(mean: Any = 0.0, std: Any = 1.0, size: Any = None, *, generator: Any = None, out: Any = None,
           dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False,
           pin_memory: bool = False) -> Tensor:  # fmt: skip
    """Normal numbers of these means and standard deviations, tensors or numbers."""
    if size is not None:
        shape = int_list((size,), "normal", position=3)
        return _draw("normal", sampling.normal, generator, shape, None, mean, std, out=out, dtype=dtype, device=device,
                     requires_grad=requires_grad)  # fmt: skip
    tensors = [t for t in (mean, std) if isinstance(t, Tensor)]
    if not tensors:
        raise TypeError("normal() received an invalid combination of arguments: give a tensor, or a size")
    if not isinstance(std, Tensor):
        if not std >= 0:
            raise RuntimeError(f"normal expects std >= 0.0, but found std {std:g}")
    elif std.is_complex():
        raise RuntimeError("normal expects standard deviation to be non-complex")
    elif std.numel() and not (_host(std) >= 0).all():
        raise RuntimeError("normal expects all elements of std >= 0.0")
    if out is not None:
        return _normal_out(mean, std, generator, out)
    shape = broadcast_shapes(*[t.shape for t in tensors])
    kind = tensors[0]._aval().dtype
    z = sampling.normal(generator, shape, kind)
    values = ((z * _host(std)).astype(kind) + _host(mean)).astype(kind)
    number = {(True, False): 1, (False, True): 2}.get((isinstance(mean, Tensor), isinstance(std, Tensor)), 3)
    return _tied(finish(on_place(values, devices.place_of(device)), requires_grad), tensors, f"NormalBackward{number}")


def _normal_out(mean: Any, std: Any, generator: Any, out: Any) -> Tensor:
    """As torch: what ``out`` is, is drawn; it is resized only if mean and standard deviation are both tensors."""
    both = isinstance(mean, Tensor) and isinstance(std, Tensor)
    shape = broadcast_shapes(mean.shape, std.shape) if both else tuple(out.shape)
    if local.recorder.grad and any(isinstance(t, Tensor) and t.requires_grad for t in (mean, std)):
        raise RuntimeError(NOT_DIFFERENTIATED.format("normal"))
    prepared("normal", out, shape)
    if isinstance(std, Tensor):
        return _fill(out, "normal_", sampling.normal, generator, 0.0, 1.0).mul_(std).add_(mean)
    return _fill(out, "normal_", sampling.normal, generator, 0.0, std).add_(mean)


@composite("bernoulli")
def bernoulli(input: Tensor, p: Any = None, *, generator: Any = None, out: Any = None) -> Tensor:
    """1 with the probability given by ``input`` (or by ``p``), else 0."""
    have = input._aval()
    if p is None and have.dtype.kind not in "fV":
        kernel = "bernoulli_tensor_cpu_self_" if promotion.is_complex(have.dtype) else "bernoulli_tensor_cpu_p_"
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{promotion.scalar_type(have.dtype)}'")
    if out is not None and input.requires_grad and local.recorder.grad:
        raise RuntimeError(NOT_DIFFERENTIATED.format("bernoulli"))
    values = sampling.bernoulli(generator, have.shape, have.dtype, _host(input) if p is None else p)
    return _tied(deliver("bernoulli", values, out, None, input.device, False), [input], "BernoulliBackward0")


@composite("multinomial")
def multinomial(input: Tensor, num_samples: int, replacement: bool = False, *, generator: Any = None,
                out: Any = None) -> Tensor:  # fmt: skip
    """Indices drawn in proportion to the weights in each row."""
    if out is not None and out.dtype.name != "int64":
        raise RuntimeError(f"multinomial expects Long tensor out, got: {dtypes.SCALAR_NAMES[out.dtype]}")
    drawn = sampling.multinomial(generator, _host(input), num_samples, replacement)
    return deliver("multinomial", drawn, out, None, input.device, False)


@composite("poisson", method=False)
def poisson(input: Tensor, generator: Any = None) -> Tensor:
    """Poisson counts of these rates."""
    drawn = on_place(sampling.poisson(generator, _host(input)), input._aval().place)
    return _tied(drawn, [input], "PoissonBackward0")


@composite("binomial", method=False)
def binomial(count: Tensor, prob: Tensor, generator: Any = None) -> Tensor:
    """Binomial counts."""
    return on_place(sampling.binomial(generator, _host(count), _host(prob)), count._aval().place)


@composite("_standard_gamma", method=False)
def _standard_gamma(input: Tensor, generator: Any = None) -> Tensor:
    drawn = on_place(sampling.standard_gamma(generator, _host(input)), input._aval().place)
    return ops._drawn_gamma(drawn, input) if input.requires_grad and local.recorder.grad else drawn


@composite("_sample_dirichlet", method=False)
def _sample_dirichlet(input: Tensor, generator: Any = None) -> Tensor:
    return on_place(sampling.dirichlet(generator, _host(input)), input._aval().place)


def _fill(self: Tensor, name: str, sample: Any, generator: Any, *args: Any) -> Tensor:
    self._check_write(name)
    self._check_overlap()
    have = self._aval()
    strides = None if self.is_contiguous() else self.stride()
    array = _values(have.shape, strides, have.dtype, sample, generator, *args)
    return _write(self, name, on_place(array, have.place), [self])


def _write(self: Tensor, name: str, drawn: Tensor, parameters: list[Any]) -> Tensor:
    suffix = {"bernoulli_": 2 - (len(parameters) > 1), "random_": 2}.get(name, 0)
    drawn = _tied(drawn, parameters, "".join(map(str.capitalize, name.split("_"))) + f"Backward{suffix}")
    return write_result(self, drawn)


@composite("Tensor.uniform_")
def uniform_(self: Tensor, from_: float = 0.0, to: float = 1.0, *, generator: Any = None, **named: Any) -> Tensor:
    """Fill with uniform numbers in ``[from, to)``."""
    return _fill(self, "uniform_", sampling.uniform, generator, named.pop("from", from_), to)


@composite("Tensor.normal_")
def normal_(self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Any = None) -> Tensor:
    """Fill with normal numbers."""
    return _fill(self, "normal_", sampling.normal, generator, mean, std)


@composite("Tensor.random_")
def random_(self: Tensor, *args: Any, to: Any = None, generator: Any = None, **named: Any) -> Tensor:
    """``random_()``, ``random_(to)``, ``random_(from, to)``: fill with integers."""
    low: Any = named.pop("from", None)
    if len(args) == 2:
        low, to = args
    elif args:
        to = args[0]
    if to is not None and low is None:
        low = 0
    return _fill(self, "random_", sampling.random, generator, low, to)


@composite("Tensor.bernoulli_")
def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Any = None) -> Tensor:
    """Fill with 1 with probability ``p``, else 0."""
    if not isinstance(p, Tensor):
        return _fill(self, "bernoulli_", sampling.bernoulli, generator, p)
    self._check_write("bernoulli_")
    self._check_overlap()
    have = self._aval()
    array = sampling.bernoulli(generator, have.shape, have.dtype, _host(p))
    return _write(self, "bernoulli_", on_place(array, have.place), [self, p])


@composite("geometric_", method=True)
def geometric_(self: Tensor, p: float, *, generator: Any = None) -> Tensor:
    """Fill with the number of trials of probability ``p`` until the first success."""
    return _fill(self, "geometric_", sampling.geometric, generator, p)


def _filler(name: str, sample: Any, names: tuple[str, ...], defaults: tuple[float, ...]) -> None:
    def fill(self: Tensor, *args: float, generator: Any = None, **named: float) -> Tensor:
        values = [*args, *[named.get(n, d) for n, d in list(zip(names, defaults, strict=True))[len(args) :]]]
        return _fill(self, name, sample, generator, *values)

    fill.__name__ = fill.__qualname__ = name
    fill.__doc__ = f"Fill with random numbers; see ``torch.Tensor.{name}``."
    composite(f"Tensor.{name}")(fill)


_filler("exponential_", sampling.exponential, ("lambd",), (1.0,))
_filler("log_normal_", sampling.log_normal, ("mean", "std"), (1.0, 2.0))
_filler("cauchy_", sampling.cauchy, ("median", "sigma"), (0.0, 1.0))
