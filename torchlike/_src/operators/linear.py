"""Affine maps: ``linear`` and ``bilinear``."""

import jax.numpy as jnp
from jax import lax

from torchlike._src.operators.nn_checks import c_type, on_cpu, scalar_type, sizes
from torchlike._src.operators.precision import opmath, rounded
from torchlike._src.operators.promotion import BOOL
from torchlike._src.operators.registry import EXACT, Array, op
from torchlike._src.operators.support import refuse


@op("nn.functional.linear", "_C._nn.linear", out=EXACT, saves=("input:weight", "weight:input"), grad_name="AddmmBackward0")
def linear(input: Array, weight: Array, bias: Array | None = None) -> Array:
    """``input @ weight.T + bias``.

    Args:
        input: shape ``(*, in_features)``.
        weight: shape ``(out_features, in_features)``, or ``(in_features,)`` for one feature without its dimension.
        bias: shape ``(out_features,)``.
    Returns:
        Shape ``(*, out_features)``.
    Raises:
        RuntimeError: if sizes or dtypes do not fit.
    """
    if weight.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {weight.ndim}D")
    if input.dtype != weight.dtype:
        if bias is not None and input.ndim == 2:
            raise RuntimeError(
                f"mat1 and mat2 must have the same dtype, but got {scalar_type(input.dtype)} and {scalar_type(weight.dtype)}"
            )
        raise RuntimeError(f"expected m1 and m2 to have the same dtype, but got: {c_type(input.dtype)} != {c_type(weight.dtype)}")
    rows = 1
    for n in input.shape[:-1]:
        rows *= n
    if input.ndim == 0 or input.shape[-1] != weight.shape[-1]:
        if weight.ndim == 1:
            size = input.shape[-1] if input.ndim else 1
            if input.ndim == 1:
                raise RuntimeError(
                    f"inconsistent tensor size, expected tensor {sizes(input.shape)} and src {sizes(weight.shape)} "
                    "to have the same number of elements, but got "
                    f"{size} and {weight.shape[0]} elements respectively"
                )
            raise RuntimeError(f"size mismatch, got input ({rows}), mat ({rows}x{size}), vec ({weight.shape[0]})")
        if input.ndim == 0:
            raise RuntimeError("both arguments to linear need to be at least 1D, but they are 0D and 2D")
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({rows}x{input.shape[-1]} and {weight.shape[1]}x{weight.shape[0]})"
        )
    if input.size and weight.size:
        refuse("addmm_impl_cpu_", input, BOOL)
    # In half precision the bias is added before the sum is rounded.
    wide = jnp.float32 if bias is not None and input.dtype in (jnp.float16, jnp.bfloat16) and on_cpu() else None
    over = (((input.ndim - 1,), (weight.ndim - 1,)), ((), ()))
    result = lax.dot_general(input, weight, over, preferred_element_type=wide)
    if bias is None:
        return result
    if bias.dtype != input.dtype:
        raise RuntimeError(
            f"self and mat2 must have the same dtype, but got {scalar_type(bias.dtype)} and {scalar_type(input.dtype)}"
        )
    features = weight.shape[0] if weight.ndim == 2 else 1
    if bias.ndim and bias.shape[-1] not in (1, features):
        raise RuntimeError(
            f"The expanded size of the tensor ({features}) must match the existing size ({bias.shape[-1]}) at "
            f"non-singleton dimension 1.  Target sizes: {sizes((rows, features))}.  "
            f"Tensor sizes: {sizes(bias.shape)}"
        )
    return result + bias if wide is None else (result + opmath(bias)).astype(input.dtype)


@op(
    "bilinear",
    "nn.functional.bilinear",
    method=False,
    saves=("input1:input2,weight", "input2:input1,weight", "weight:input1,input2"),
)
def bilinear(input1: Array, input2: Array, weight: Array, bias: Array | None = None) -> Array:
    """``y[k] = input1 @ weight[k] @ input2 + bias[k]``.

    Args:
        input1: shape ``(*, in1_features)``.
        input2: shape ``(*, in2_features)``, with the same leading dimensions.
        weight: shape ``(out_features, in1_features, in2_features)``.
        bias: shape ``(out_features,)``.
    Returns:
        Shape ``(*, out_features)``.
    """
    if input1.ndim != input2.ndim:
        raise RuntimeError(f"bilinear(): input dimensions do not match: got {input1.ndim} and {input2.ndim}")
    for i, (m, n) in enumerate(zip(input1.shape[:-1], input2.shape[:-1], strict=True)):
        if m != n:
            raise RuntimeError(f"bilinear(): input batch dimensions do not match at dim {i}: got {m} and {n}")
    for name, x, axis in (("input1", input1, 1), ("input2", input2, 2)):
        if x.shape[-1] != weight.shape[axis]:
            raise RuntimeError(
                f"bilinear(): {name} size does not match weight size: got {x.shape[-1]} but expected {weight.shape[axis]}"
            )
    if bias is not None and bias.shape[0] != weight.shape[0]:
        raise RuntimeError(
            f"bilinear(): bias size does not match weight size: got {bias.shape[0]} but expected {weight.shape[0]}"
        )
    if input1.size:
        refuse("bmm", input1, BOOL)
    once = rounded(jnp.einsum("...i,kij->...kj", opmath(input1), opmath(weight)), input1.dtype)
    result = jnp.einsum("...kj,...j->...k", once, opmath(input2)).astype(input1.dtype)
    return result if bias is None else rounded(result, input1.dtype) + bias
