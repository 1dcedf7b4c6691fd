"""Scaled dot-product attention."""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from torchlike._src.operators.nn_checks import c_type
from torchlike._src.operators.precision import opmath
from torchlike._src.operators.promotion import COMPLEX, scalar_type
from torchlike._src.operators.registry import Array, composite, op, ops
from torchlike._src.operators.support import broadcast_shapes, refuse


@functools.partial(jax.custom_jvp)
def _softmax_or_zero(x: Array) -> Array:
    """Softmax along the last axis; a row that is masked altogether gives zeros, as in torch, not NaN."""
    high = jnp.max(x, -1, keepdims=True)
    shifted = jnp.exp(x - jnp.where(high == -jnp.inf, 0, high))
    total = jnp.sum(shifted, -1, keepdims=True)
    return shifted / jnp.where(total == 0, 1, total)


@_softmax_or_zero.defjvp
def _softmax_or_zero_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    y = _softmax_or_zero(primals[0])
    return y, y * (tangents[0] - jnp.sum(y * tangents[0], -1, keepdims=True))


def _check(query: Array, key: Array, value: Array, attn_mask: Array | None, is_causal: bool, enable_gqa: bool) -> None:
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise RuntimeError(
            "Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: "
            f"{query.ndim} key.dim: {key.ndim} and value.dim: {value.ndim} instead."
        )
    if not query.dtype == key.dtype == value.dtype:
        raise RuntimeError(
            "Expected query, key, and value to have the same dtype, but got query.dtype: "
            f"{c_type(query.dtype)} key.dtype: {c_type(key.dtype)} and value.dtype: {c_type(value.dtype)} instead."
        )
    if not jnp.issubdtype(query.dtype, jnp.floating):
        refuse("softmax_lastdim_kernel_impl", query, COMPLEX)
        raise RuntimeError(f"expected scalar type Float but found {scalar_type(query.dtype)}")
    if attn_mask is not None:
        if is_causal:
            raise RuntimeError("_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True")
        if attn_mask.dtype not in (jnp.bool_, jnp.float32, query.dtype):
            raise RuntimeError(
                "Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: "
                f"{c_type(attn_mask.dtype)} and  query.dtype: {c_type(query.dtype)} instead."
            )
    if enable_gqa and (query.shape[-3] % key.shape[-3] or query.shape[-3] % value.shape[-3]):
        raise RuntimeError("Number of heads in key and value must divide the number of heads in ")
    if query.shape[-1] != key.shape[-1]:
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{_batch(query)}, {query.shape[-1]}] "
            f"but got: [{_batch(key)}, {key.shape[-1]}]."
        )
    if key.shape[-2] != value.shape[-2]:
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{_batch(query)}, {key.shape[-2]}] "
            f"but got: [{_batch(value)}, {value.shape[-2]}]."
        )


def _batch(x: Array) -> int:
    return math.prod(x.shape[:-2])


def _common_batch(*arrays: Array) -> list[Array]:
    """Broadcast the leading dimensions, which `dot_general` does not."""
    lead = jnp.broadcast_shapes(*(a.shape[:-2] for a in arrays))
    return [jnp.broadcast_to(a, lead + a.shape[-2:]) for a in arrays]


def _scores(query: Array, key: Array, attn_mask: Array | None, is_causal: bool, scale: float | None) -> Array:
    """What the softmax is taken of, in float32 if the query is half precision."""
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    batch = tuple(range(query.ndim - 2))
    half = query.dtype in (jnp.float16, jnp.bfloat16)
    # torch scales the scores; XLA does so in the loop that takes their exponential.
    scores = lax.dot_general(
        query,
        key,
        (((query.ndim - 1,), (key.ndim - 1,)), (batch, batch)),
        preferred_element_type=jnp.float32 if half else None,
    )  # (*, L, S)
    scores = scores * scale
    if is_causal:
        rows, columns = (lax.broadcasted_iota(jnp.int32, scores.shape[-2:], i) for i in (0, 1))
        scores = jnp.where(columns <= rows, scores, -jnp.inf)
    elif attn_mask is not None:
        broadcast_shapes(scores.shape, attn_mask.shape)
        if attn_mask.dtype == jnp.bool_:
            scores = jnp.where(attn_mask, scores, -jnp.inf)
        else:
            scores = scores + attn_mask.astype(scores.dtype)
    return scores


def _heads(key: Array, value: Array, query: Array, enable_gqa: bool) -> tuple[Array, Array]:
    if enable_gqa:
        key = jnp.repeat(key, query.shape[-3] // key.shape[-3], -3)
        value = jnp.repeat(value, query.shape[-3] // value.shape[-3], -3)
    return key, value


@op("_attention_weights", method=False, saves=("query", "key", "value", "attn_mask"))
def _attention_weights(
    query: Array,
    key: Array,
    value: Array,
    attn_mask: Array | None = None,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> tuple[Array, Array]:
    """The softmax of the scores, shape ``(*, L, S)``, and the values with their heads repeated."""
    _check(query, key, value, attn_mask, is_causal, enable_gqa)
    key, value = _heads(key, value, query, enable_gqa)
    query, key, value = _common_batch(query, key, value)
    return _softmax_or_zero(_scores(query, key, attn_mask, is_causal, scale)).astype(query.dtype), value


@op(
    "_scaled_dot_product_attention", method=False, saves=("query", "key", "value", "attn_mask"),
    grad_name="ScaledDotProductFlashAttentionForCpuBackward0",
)  # fmt: skip
def _scaled_dot_product_attention(
    query: Array,
    key: Array,
    value: Array,
    attn_mask: Array | None = None,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Array:
    """See `scaled_dot_product_attention`; without dropout."""
    _check(query, key, value, attn_mask, is_causal, enable_gqa)
    # torch's flash kernel, which takes four dimensions, multiplies the values by half precision and divides afterwards.
    flash = query.ndim == key.ndim == value.ndim == 4 and query.shape[:2] == key.shape[:2] == value.shape[:2]
    key, value = _heads(key, value, query, enable_gqa)
    query, key, value = _common_batch(query, key, value)
    scores = _scores(query, key, attn_mask, is_causal, scale)
    over = (((scores.ndim - 1,), (value.ndim - 2,)), (tuple(range(value.ndim - 2)),) * 2)
    if scores.dtype == query.dtype:
        return lax.dot_general(_softmax_or_zero(scores), value, over)
    if not flash:
        return lax.dot_general(_softmax_or_zero(scores), opmath(value), over).astype(query.dtype)
    high = lax.stop_gradient(jnp.max(scores, -1, keepdims=True))
    shifted = jnp.exp(scores - jnp.where(high == -jnp.inf, 0, high))
    total = jnp.sum(shifted, -1, keepdims=True)
    made = lax.dot_general(shifted.astype(query.dtype), value, over, preferred_element_type=jnp.float32)
    return (made / jnp.where(total == 0, 1, total)).astype(query.dtype)


@composite("nn.functional.scaled_dot_product_attention", "_C._nn.scaled_dot_product_attention")
def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """``softmax(query @ key.T * scale + mask) @ value``.

    Args:
        query: shape ``(*, L, E)``, usually ``(N, heads, L, E)``.
        key: shape ``(*, S, E)``.
        value: shape ``(*, S, V)``.
        attn_mask: broadcasts to ``(*, L, S)``: bool (True takes part) or floating (added to the scores).
        dropout_p: probability of dropping a weight; applied always, there is no training flag.
        is_causal: position ``i`` sees ``j <= i``; excludes ``attn_mask``.
        scale: by default ``1 / sqrt(E)``.
        enable_gqa: keys and values have fewer heads, each serving a group of queries.
    Returns:
        Shape ``(*, L, V)``; zeros where everything is masked.
    """
    if not dropout_p:
        return ops["_scaled_dot_product_attention"](query, key, value, attn_mask, is_causal, scale, enable_gqa)
    weights, value = ops["_attention_weights"](query, key, value, attn_mask, is_causal, scale, enable_gqa)
    return ops.matmul(ops["nn.functional.dropout"](weights, dropout_p, True), value)
