"""Activation functions: pointwise nonlinearities, gates, and softmax with its logarithm.

Every branch is written as ``where(input <= bound, ...)`` in the direction in which torch's derivative looks at
the bound, so that ties and NaN get torch's gradient from plain autodiff.
"""

import functools
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchlike._src.operators.nn_checks import is_complex, is_floating, normalize_dim, require_floating, scalar_type
from torchlike._src.operators.numbers import fitting
from torchlike._src.operators.precision import opmath
from torchlike._src.operators.registry import FOUND, Array, Number, composite, op, ops
from torchlike._src.operators.support import vetted

_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


def _like(value: Any, x: Array) -> Array:
    """A number in the dtype of ``x``: torch casts bounds to the tensor's dtype, also to integers."""
    return jnp.asarray(value).astype(x.dtype)


def _known(value: Any) -> bool:
    return isinstance(value, (bool, int, float, complex))


def _apply(name: str, inplace: bool, input: Any, *args: Any) -> Any:
    """The functional or the in-place form of an op, as ``inplace`` says."""
    return ops[name + "_" if inplace else name](input, *args)


@op("relu", inplace=True, saves=("result", "~input"))
def relu(input: Array) -> Array:
    """``max(input, 0)``; the derivative at 0 is 0.

    Raises:
        RuntimeError: for bool tensors.
    """
    if input.dtype == jnp.bool_:
        raise RuntimeError("Boolean inputs not supported for relu")
    if is_complex(input):
        raise NotImplementedError("clamp is not supported for complex types")
    return jnp.where(input <= 0, jnp.zeros((), input.dtype), input)


@composite("nn.functional.relu")
def functional_relu(input: Any, inplace: bool = False) -> Any:
    """``max(input, 0)``, in place if asked."""
    return _apply("relu", inplace, input)


def _check_limits(input: Any, min_val: Any = -1.0, *_: Any) -> None:
    if jnp.issubdtype(input.dtype, jnp.unsignedinteger) and _known(min_val) and min_val < 0:
        raise RuntimeError("cannot do hardtanh on an unsigned type with negative limits")


@op("_C._nn.hardtanh", inplace=True, saves=("input", "~input"))
@vetted(_check_limits)
def hardtanh(input: Array, min_val: Number = -1.0, max_val: Number = 1.0) -> Array:
    """``input`` limited to ``[min_val, max_val]``; unlike `clamp` the derivative at a bound is 0."""
    if input.dtype == jnp.bool_:
        raise RuntimeError("Bool inputs not supported for hardtanh")
    if is_complex(input):
        raise NotImplementedError("clamp is not supported for complex types")
    _check_limits(input, min_val)
    low, high = (_like(fitting(bound, np.dtype(input.dtype)), input) for bound in (min_val, max_val))
    return jnp.where(input <= low, low, jnp.where(input >= high, high, input))


@composite("nn.functional.hardtanh")
def functional_hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Any:
    """``input`` limited to ``[min_val, max_val]``."""
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    return _apply("_C._nn.hardtanh", inplace, input, min_val, max_val)


@op("_C._nn.relu6", inplace=True, saves=("input", "~input"), grad_name="HardtanhBackward0")
def relu6(input: Array) -> Array:
    """``min(max(input, 0), 6)``."""
    return hardtanh(input, 0, 6)


@composite("nn.functional.relu6")
def functional_relu6(input: Any, inplace: bool = False) -> Any:
    """``min(max(input, 0), 6)``, in place if asked."""
    return _apply("_C._nn.relu6", inplace, input)


@op("_C._nn.leaky_relu", inplace=True, saves=("input", "~input"))
def leaky_relu(input: Array, negative_slope: Number = 0.01) -> Array:
    """``input`` where positive, else ``negative_slope * input``."""
    require_floating(input, "leaky_relu_cpu")
    x = opmath(input)
    return jnp.where(input > 0, input, (x * _like(negative_slope, x)).astype(input.dtype))


@composite("nn.functional.leaky_relu")
def functional_leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Any:
    """``input`` where positive, else ``negative_slope * input``."""
    return _apply("_C._nn.leaky_relu", inplace, input, negative_slope)


@op("_C._nn.elu", inplace=True, saves=("input",))
def elu(input: Array, alpha: Number = 1.0, scale: Number = 1.0, input_scale: Number = 1.0) -> Array:
    """``scale * (max(0, x) + min(0, alpha * (exp(input_scale * x) - 1)))``.

    Source:
        Clevert et al. 2015, https://arxiv.org/abs/1511.07289.
    """
    require_floating(input, "elu_cpu")
    x = opmath(input)
    positive = x > 0
    # The exponential sees no positive input: its overflow would make the masked gradient NaN.
    negative_part = jnp.expm1(jnp.where(positive, 0, x) * input_scale) * (alpha * scale)
    return jnp.where(positive, x * scale, negative_part).astype(input.dtype)


@composite("nn.functional.elu")
def functional_elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """``x`` where positive, else ``alpha * (exp(x) - 1)``."""
    return _apply("_C._nn.elu", inplace, input, alpha)


@op("selu", inplace=True, method=False, saves=("input",), grad_name="EluBackward0")
def selu(input: Array) -> Array:
    """The self-normalising `elu`, with the constants of the paper.

    Source:
        Klambauer et al. 2017, https://arxiv.org/abs/1706.02515.
    """
    return elu(input, _SELU_ALPHA, _SELU_SCALE)


@composite("nn.functional.selu")
def functional_selu(input: Any, inplace: bool = False) -> Any:
    """The self-normalising `elu`, in place if asked."""
    return _apply("selu", inplace, input)


def _check_celu(input: Any, alpha: Any = 1.0) -> None:
    if _known(alpha) and alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")


@op("celu", inplace=True, method=False, saves=("input",))
@vetted(_check_celu)
def celu(input: Array, alpha: Number = 1.0) -> Array:
    """``max(0, x) + min(0, alpha * (exp(x / alpha) - 1))``.

    Source:
        Barron 2017, https://arxiv.org/abs/1704.07483.
    """
    _check_celu(input, alpha)
    return elu(input, alpha, 1.0, 1.0 / alpha)


@composite("nn.functional.celu")
def functional_celu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """`celu`, in place if asked."""
    return _apply("celu", inplace, input, alpha)


@op("nn.functional.gelu", "_C._nn.gelu", out=FOUND, saves=("input",))
def gelu(input: Array, *, approximate: str = "none") -> Array:
    """``x * Phi(x)`` with the normal distribution function ``Phi``, or its approximation by ``"tanh"``.

    Raises:
        RuntimeError: if ``approximate`` is neither ``"none"`` nor ``"tanh"``.
    Source:
        Hendrycks and Gimpel 2016, https://arxiv.org/abs/1606.08415.
    """
    if approximate not in ("none", "tanh"):
        raise RuntimeError("approximate argument must be either none or tanh.")
    require_floating(input, "GeluKernelImpl")
    x = opmath(input)
    if approximate == "none":
        result = x * (0.5 + 0.5 * jax.lax.erf(x * 0.7071067811865476))
    else:
        inner = 0.7978845608028654 * (x + 0.044715 * x * x * x)
        result = 0.5 * x * (1 + jnp.tanh(inner))
    return result.astype(input.dtype)


@op("_C._nn.silu", inplace=True, saves=("input",))
def silu(input: Array) -> Array:
    """``x * sigmoid(x)``, also called swish."""
    if not is_complex(input):
        require_floating(input, "silu_cpu")
    x = opmath(input)
    return (x * jax.nn.sigmoid(x)).astype(input.dtype)


@composite("nn.functional.silu")
def functional_silu(input: Any, inplace: bool = False) -> Any:
    """``x * sigmoid(x)``, in place if asked."""
    return _apply("_C._nn.silu", inplace, input)


@op("_C._nn.mish", inplace=True, saves=("input",))
def mish(input: Array) -> Array:
    """``x * tanh(softplus(x))``.

    Source:
        Misra 2019, https://arxiv.org/abs/1908.08681.
    """
    require_floating(input, "mish_cpu")
    x = opmath(input)
    return (x * jnp.tanh(jnp.logaddexp(x, jnp.zeros((), x.dtype)))).astype(input.dtype)


@composite("nn.functional.mish")
def functional_mish(input: Any, inplace: bool = False) -> Any:
    """``x * tanh(softplus(x))``, in place if asked."""
    return _apply("_C._nn.mish", inplace, input)


@op("_C._nn.hardswish", inplace=True, saves=("input",))
def hardswish(input: Array) -> Array:
    """``x * relu6(x + 3) / 6``.

    Source:
        Howard et al. 2019, https://arxiv.org/abs/1905.02244.
    """
    require_floating(input, "hardswish_cpu")
    x = opmath(input)
    result = jnp.where(x <= -3, 0, jnp.where(x >= 3, x, x * (x + 3) / 6))
    return result.astype(input.dtype)


@composite("nn.functional.hardswish")
def functional_hardswish(input: Any, inplace: bool = False) -> Any:
    """``x * relu6(x + 3) / 6``, in place if asked."""
    return _apply("_C._nn.hardswish", inplace, input)


@op("_C._nn.hardsigmoid", inplace=True, saves=("input",))
def hardsigmoid(input: Array) -> Array:
    """``relu6(x + 3) / 6``."""
    require_floating(input, "hardsigmoid_cpu")
    x = opmath(input)
    result = jnp.where(x <= -3, 0, jnp.where(x >= 3, 1, (x + 3) / 6))
    return result.astype(input.dtype)


@composite("nn.functional.hardsigmoid")
def functional_hardsigmoid(input: Any, inplace: bool = False) -> Any:
    """``relu6(x + 3) / 6``, in place if asked."""
    return _apply("_C._nn.hardsigmoid", inplace, input)


@op("hardshrink", "nn.functional.hardshrink", out=FOUND, saves=("input", "~input"))
def hardshrink(input: Array, lambd: Number = 0.5) -> Array:
    """``input``, and 0 where its magnitude is at most ``lambd``."""
    require_floating(input, "hardshrink_cpu")
    bound = _like(fitting(lambd, np.dtype(input.dtype)), input)
    return jnp.where((input >= -bound) & (input <= bound), jnp.zeros((), input.dtype), input)


def _check_lambda(input: Any, lambd: Any = 0.5) -> None:
    require_floating(input, "softshrink_check")
    if _known(lambd) and not 0 <= lambd <= float(jnp.finfo(input.dtype).max):
        raise RuntimeError(
            f"lambda must be in range [0, {float(jnp.finfo(input.dtype).max):g}] for input dtype "
            f"{scalar_type(input.dtype)}, but found {lambd:g}"
        )


@op("nn.functional.softshrink", "_C._nn.softshrink", out=FOUND, saves=("input", "~input"))
@vetted(_check_lambda)
def softshrink(input: Array, lambd: Number = 0.5) -> Array:
    """``input`` moved towards 0 by ``lambd``, and 0 where its magnitude is at most that.

    Raises:
        RuntimeError: if ``lambd`` is negative.
    """
    _check_lambda(input, lambd)
    x = opmath(input)
    bound = _like(lambd, x)
    inside = x - jax.lax.stop_gradient(x)  # 0, and NaN for NaN
    value = jnp.where(x > bound, x - bound, jnp.where(x < -bound, x + bound, inside)).astype(input.dtype)
    # Backward compares with the rounded bound.
    return jnp.where(jnp.abs(input) <= _like(lambd, input), jax.lax.stop_gradient(value), value)


@op("nn.functional.tanhshrink", promote="float")
def tanhshrink(input: Array) -> Array:
    """``x - tanh(x)``."""
    return input - jnp.tanh(input)


@op("nn.functional.softsign", promote="float")
def softsign(input: Array) -> Array:
    """``x / (1 + |x|)``."""
    return input / (jnp.abs(input) + 1)


@op("threshold", inplace=True, method=False, saves=("input", "~input"))
def threshold(input: Array, threshold: Number, value: Number) -> Array:
    """``input`` where it is above ``threshold``, else ``value``."""
    if input.dtype == jnp.bool_:
        raise NotImplementedError("\"threshold_cpu\" not implemented for 'Bool'")
    if is_complex(input):
        raise NotImplementedError(f"\"threshold_cpu\" not implemented for '{scalar_type(input.dtype)}'")
    x = opmath(input)  # torch compares a bfloat16 with the float32 bound, not with the bound rounded
    return jnp.where(x <= _like(threshold, x), _like(fitting(value, np.dtype(input.dtype)), input), input)


@composite("nn.functional.threshold")
def functional_threshold(input: Any, threshold: float, value: float, inplace: bool = False) -> Any:
    """`threshold`, in place if asked."""
    return _apply("threshold", inplace, input, threshold, value)


@op("prelu", "nn.functional.prelu", saves=("input", "weight", "~input"), grad_name="PreluKernelBackward0")
def prelu(input: Array, weight: Array) -> Array:
    """``input`` where positive, else ``weight * input``.

    Args:
        input: shape ``(N, C, *)``.
        weight: one slope, or one for each of the ``C`` channels.
    """
    require_floating(input, "prelu_cpu")
    if input.dtype != weight.dtype:
        raise RuntimeError(f"prelu: Type promoting not supported. Got {scalar_type(input.dtype)} and {scalar_type(weight.dtype)}")
    if weight.ndim > 1:
        raise RuntimeError(f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}")
    if weight.size != 1:
        if input.ndim == 0:
            raise RuntimeError("Not allow zero-dim input tensor.")
        channels = input.shape[1] if input.ndim > 1 else 1
        if channels != weight.size:
            raise RuntimeError(
                "Mismatch of parameter numbers and input channel size. "
                f"Found parameter numbers = {weight.size} and channel size = {channels}."
            )
    shape = (1, -1) + (1,) * (input.ndim - 2) if input.ndim > 1 else (1,) * input.ndim
    return jnp.where(input > 0, input, weight.reshape(shape) * input)


def _check_rrelu(input: Any) -> None:
    if input.dtype.np.name not in ("float32", "float64", "bfloat16", *(["float16"] if input.device.type != "cpu" else [])):
        raise NotImplementedError(f"\"rrelu_with_noise_out_cpu\" not implemented for '{scalar_type(input.dtype.np)}'")


@composite("rrelu", method=False)
def rrelu(input: Any, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, generator: Any = None) -> Any:
    """`leaky_relu` with a slope drawn from ``[lower, upper)`` for each element, or their mean outside training."""
    if lower > upper:
        raise RuntimeError("Lower bound should be less than or equal to the upper bound")
    if not training:
        return ops["_C._nn.leaky_relu"](input, (lower + upper) / 2)
    _check_rrelu(input)
    return ops._rrelu(input, ops._device_uniform_like(input.detach(), lower, upper, generator=generator))


@op("_rrelu", method=False, saves=("input", "noise", "~input"), grad_name="RreluWithNoiseBackward0")
def _rrelu(input: Array, noise: Array) -> Array:
    return jnp.where(input <= 0, input * jax.lax.stop_gradient(noise), input)


@composite("rrelu_", method=False)
def rrelu_(input: Any, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, generator: Any = None) -> Any:
    """`rrelu` in place."""
    if not training:
        return ops["_C._nn.leaky_relu_"](input, (lower + upper) / 2)
    _check_rrelu(input)
    slope = ops._device_uniform_like(input.detach(), lower, upper, generator=generator)
    return input.mul_(ops.where(input.detach() <= 0, slope, 1))


@composite("nn.functional.rrelu")
def functional_rrelu(
    input: Any, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False
) -> Any:
    """`rrelu`, in place if asked."""
    return _apply("rrelu", inplace, input, lower, upper, training)


@op("nn.functional.glu", "_C._nn.glu", saves=("input",))
def glu(input: Array, dim: int = -1) -> Array:
    """Gated linear unit: ``a * sigmoid(b)``, where ``a`` and ``b`` are the halves of ``input``.

    Args:
        input: floating point, shape ``(*, 2N, *)`` with ``2N`` at ``dim``.
        dim: dimension to halve; negative values count from the end.
    Returns:
        Shape ``(*, N, *)``, dtype of ``input``.
    Raises:
        RuntimeError: if the size at ``dim`` is odd.
    Source:
        Dauphin et al. 2017, https://arxiv.org/abs/1612.08083, eq. 1.
    """
    if input.ndim == 0:
        raise RuntimeError("glu does not support scalars because halving size must be even")
    require_floating(input, "glu_cpu")
    dim = normalize_dim(dim, input.ndim)
    if input.shape[dim] % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {dim} is size {input.shape[dim]}")
    value, gate = jnp.split(opmath(input), 2, axis=dim)
    return (value * jax.nn.sigmoid(gate)).astype(input.dtype)


@op(
    "nn.functional.logsigmoid",
    "_C._nn.log_sigmoid",
    out="expected scalar type {Made} but found {Given}",
    saves=("input",),
    layout=None,
    grad_name="LogSigmoidBackward0",
)
def logsigmoid(input: Array) -> Array:
    """``log(sigmoid(x))`` without overflow."""
    require_floating(input, "log_sigmoid_cpu")
    x = opmath(input)
    return (-jnp.logaddexp(-x, jnp.zeros((), x.dtype))).astype(input.dtype)


@op("nn.functional.softplus", "_C._nn.softplus", out=FOUND, saves=("input",))
def softplus(input: Array, beta: Number = 1.0, threshold: Number = 20.0) -> Array:
    """``log(1 + exp(beta * x)) / beta``, and ``x`` itself where ``beta * x > threshold``."""
    require_floating(input, "softplus_cpu")
    x = opmath(input)
    scaled = x * beta
    result = jnp.where(scaled > threshold, x, jnp.logaddexp(scaled, jnp.zeros((), x.dtype)) / beta)
    return result.astype(input.dtype)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _softmax(x: Array, axis: int) -> Array:
    shifted = jnp.exp(x - jnp.max(x, axis, keepdims=True))
    return shifted / jnp.sum(shifted, axis, keepdims=True)


@_softmax.defjvp
def _softmax_jvp(axis: int, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    # Keeps only the result: autodiff would keep the exponentials and their sum.
    y = _softmax(primals[0], axis)
    return y, y * (tangents[0] - jnp.sum(y * tangents[0], axis, keepdims=True))


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _zero_softmax(x: Array, axis: int) -> Array:
    return jnp.where(jnp.all(x == -jnp.inf, axis, keepdims=True), 0, _softmax(x, axis))


@_zero_softmax.defjvp
def _zero_softmax_jvp(axis: int, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    y = _zero_softmax(primals[0], axis)
    return y, y * (tangents[0] - jnp.sum(y * tangents[0], axis, keepdims=True))


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _log_softmax(x: Array, axis: int) -> Array:
    shifted = x - jnp.max(x, axis, keepdims=True)
    return shifted - jnp.log(jnp.sum(jnp.exp(shifted), axis, keepdims=True))


@_log_softmax.defjvp
def _log_softmax_jvp(axis: int, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    y = _log_softmax(primals[0], axis)
    return y, tangents[0] - jnp.sum(jnp.exp(y) * tangents[0], axis, keepdims=True)


def _along(f: Any, kernel: str, input: Array, dim: int, dtype: np.dtype | None) -> Array:
    """Run a softmax over one axis: torch's checks, the cast before, half precision computed in float32."""
    if dtype is not None:
        input = input.astype(dtype)
    dim = normalize_dim(dim, input.ndim)
    if input.size == 0:
        return input
    if not is_floating(input):
        lastdim = "_lastdim" if dim == max(input.ndim, 1) - 1 else ""
        require_floating(input, f"{kernel}{lastdim}_kernel_impl")
    x = opmath(input)
    return (f(x, dim) if x.ndim else f(x[None], 0)[0]).astype(input.dtype)


@op("softmax", "special.softmax", out="exact", saves=("result",))
def softmax(input: Array, dim: int, dtype: np.dtype | None = None) -> Array:
    """``exp(x) / sum(exp(x))`` along ``dim``.

    Args:
        input: floating point, any shape.
        dim: the dimension that sums to 1.
        dtype: cast ``input`` to it first.
    """
    return _along(_softmax, "softmax", input, dim, dtype)


@op("_safe_softmax", "ops.aten._safe_softmax", method=False, saves=("result",))
def safe_softmax(input: Array, dim: int, dtype: np.dtype | None = None) -> Array:
    """`softmax`, and zeros instead of NaN where everything along ``dim`` is minus infinity; arguments as `softmax`."""
    return _along(_zero_softmax, "softmax", input, dim, dtype)


@op("log_softmax", "special.log_softmax", out="exact", saves=("result",))
def log_softmax(input: Array, dim: int, dtype: np.dtype | None = None) -> Array:
    """``x - log(sum(exp(x)))`` along ``dim``; arguments as `softmax`."""
    return _along(_log_softmax, "log_softmax", input, dim, dtype)


def _implicit_dim(name: str, ndim: int, stacklevel: int) -> int:
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.",
        stacklevel=stacklevel + 1,
    )
    return 0 if ndim in (0, 1, 3) else 1


@composite("nn.functional.softmax")
def functional_softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """`softmax`; without ``dim`` torch's deprecated choice, with its warning."""
    if dim is None:
        dim = _implicit_dim("softmax", input.ndim, _stacklevel)
    return ops.softmax(input, dim, dtype=dtype)


@composite("nn.functional.log_softmax")
def functional_log_softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """`log_softmax`; without ``dim`` torch's deprecated choice, with its warning."""
    if dim is None:
        dim = _implicit_dim("log_softmax", input.ndim, _stacklevel)
    return ops.log_softmax(input, dim, dtype=dtype)


@composite("nn.functional.softmin")
def softmin(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """`softmax` of ``-input``."""
    if dim is None:
        dim = _implicit_dim("softmin", input.ndim, _stacklevel)
    return ops.softmax(-input, dim, dtype=dtype)


def _publish_in_place(name: str, source: str) -> None:
    """Publish an in-place form under ``nn.functional`` too, where torch has it."""

    def in_place(input: Any, *args: Any, **kwargs: Any) -> Any:
        return ops[source](input, *args, **kwargs)

    in_place.__name__ = name
    in_place.__doc__ = f"`{name.removesuffix('_')}` in place."
    composite(f"nn.functional.{name}")(in_place)


for _name in ("relu_", "selu_", "celu_", "rrelu_", "threshold_"):
    _publish_in_place(_name, _name)
for _name in ("elu_", "hardtanh_", "leaky_relu_"):
    _publish_in_place(_name, f"_C._nn.{_name}")
