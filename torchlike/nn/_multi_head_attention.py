"""`multi_head_attention_forward`: what `MultiheadAttention` computes, as a function of its parameters.

torch checks the arguments by assertions, and so AssertionError is what its users see.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import torchlike as torch
from torchlike._src.tensor.core import Tensor
from torchlike.nn import functional as F

_CAUSAL_WITHOUT_MASK = (
    "Need attn_mask if specifying the is_causal hint. You may use the Transformer module method "
    "`generate_square_subsequent_mask` to create this mask."
)


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Project, attend with several heads, project back; see `nn.MultiheadAttention` for most arguments.

    Args:
        embed_dim_to_check: what ``query.size(-1)`` must be.
        use_separate_proj_weight: project by the three weights rather than by ``in_proj_weight``.
        static_k: ``(N * num_heads, S, head_dim)``, used instead of the projected key.
        static_v: likewise for the value.
    Returns:
        Output ``(L, N, E)`` and, with ``need_weights``, the attention weights; without N if the query has none.
    """
    batched = _mha_shape_check(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        query, key, value = query.unsqueeze(1), key.unsqueeze(1), value.unsqueeze(1)
        if key_padding_mask is not None:
            key_padding_mask = key_padding_mask.unsqueeze(0)
    tgt_len, bsz, embed_dim = query.shape
    heads = bsz * num_heads
    src_len = key.shape[0]

    key_padding_mask = _canonical_mask(key_padding_mask, "key_padding_mask", _none_or_dtype(attn_mask), "attn_mask", query.dtype)
    if is_causal and attn_mask is None:
        raise RuntimeError(_CAUSAL_WITHOUT_MASK)
    if is_causal and key_padding_mask is None and not need_weights:
        attn_mask = None  # scaled_dot_product_attention makes the causal mask itself
    else:
        attn_mask = _canonical_mask(attn_mask, "attn_mask", None, "", query.dtype, check_other=False)
        if key_padding_mask is not None:
            is_causal = False  # what the merged mask says is no longer just that
    head_dim = _checked_head_dim(embed_dim, embed_dim_to_check, num_heads)
    _check_key_and_value(key, value, use_separate_proj_weight)
    weights = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else (in_proj_weight,)
    q, k, v = _project(query, key, value, weights, in_proj_bias)
    if attn_mask is not None:
        attn_mask = _three_dimensional(attn_mask, tgt_len, src_len, heads)

    extra = 0
    if bias_k is not None or bias_v is not None:
        _check_bias_kv(bias_k, bias_v, static_k, static_v)
        k = torch.cat([k, bias_k.repeat(1, bsz, 1)])
        v = torch.cat([v, bias_v.repeat(1, bsz, 1)])
        extra += 1

    # Not view: chunks of a stacked projection are not contiguous.
    q = q.reshape(tgt_len, heads, head_dim).transpose(0, 1)  # (N * num_heads, L, head_dim)
    k = _by_head(k, static_k, "static_k", heads, head_dim)
    v = _by_head(v, static_v, "static_v", heads, head_dim)
    if add_zero_attn:
        k, v = (torch.cat([x, x.new_zeros((heads, 1, head_dim))], dim=1) for x in (k, v))
        extra += 1
    if extra and attn_mask is not None:
        attn_mask = F.pad(attn_mask, (0, extra))
    if extra and key_padding_mask is not None:
        key_padding_mask = F.pad(key_padding_mask, (0, extra))
    src_len = k.size(1)
    if key_padding_mask is not None:
        attn_mask = _merged(attn_mask, key_padding_mask, bsz, num_heads, src_len)
    if not training:
        dropout_p = 0.0

    if not need_weights:
        if attn_mask is not None:
            if attn_mask.size(0) == 1:
                attn_mask = attn_mask.unsqueeze(0)
            else:
                attn_mask = attn_mask.view(bsz, num_heads, -1, src_len)
        q = q.view(bsz, num_heads, tgt_len, head_dim)
        k = k.view(bsz, num_heads, src_len, head_dim)
        v = v.view(bsz, num_heads, src_len, head_dim)
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask, dropout_p, is_causal)
        attended = attended.permute(2, 0, 1, 3).reshape(tgt_len, bsz, embed_dim)
        output = F.linear(attended, out_proj_weight, out_proj_bias)
        return (output if batched else output.squeeze(1)), None

    if is_causal and attn_mask is None:
        raise AssertionError("FIXME: is_causal not implemented for need_weights")
    scaled = q * math.sqrt(1.0 / head_dim)
    if attn_mask is None:
        attention = torch.bmm(scaled, k.transpose(-2, -1))
    else:
        attention = torch.baddbmm(attn_mask, scaled, k.transpose(-2, -1))
    attention = F.softmax(attention, dim=-1)  # (N * num_heads, L, S)
    if dropout_p > 0.0:
        attention = F.dropout(attention, p=dropout_p)
    attended = torch.bmm(attention, v).transpose(0, 1).reshape(tgt_len, bsz, embed_dim)
    output = F.linear(attended, out_proj_weight, out_proj_bias)
    attention = attention.view(bsz, num_heads, tgt_len, src_len)
    if average_attn_weights:
        attention = attention.mean(dim=1)
    return (output, attention) if batched else (output.squeeze(1), attention.squeeze(0))


def _mha_shape_check(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    key_padding_mask: Tensor | None,
    attn_mask: Tensor | None,
    num_heads: int,
) -> bool:
    """Check the numbers of dimensions; returns whether there is a batch."""
    dims = query.dim()
    if dims not in (2, 3):
        raise AssertionError(f"query should be unbatched 2D or batched 3D tensor but received {dims}-D query tensor")
    kind = "batched (3-D)" if dims == 3 else "unbatched (2-D)"
    if key.dim() != dims or value.dim() != dims:
        raise AssertionError(
            f"For {kind} `query`, expected `key` and `value` to be {dims}-D but found {key.dim()}-D and "
            f"{value.dim()}-D tensors respectively"
        )
    if key_padding_mask is not None and key_padding_mask.dim() != dims - 1:
        raise AssertionError(
            f"For {kind} `query`, expected `key_padding_mask` to be `None` or {dims - 1}-D but found "
            f"{key_padding_mask.dim()}-D tensor instead"
        )
    if attn_mask is not None:
        if attn_mask.dim() not in (2, 3):
            raise AssertionError(
                f"For {kind} `query`, expected `attn_mask` to be `None`, 2-D or 3-D but found {attn_mask.dim()}-D tensor instead"
            )
        expected = (num_heads, query.shape[0], key.shape[0])
        if dims == 2 and attn_mask.dim() == 3 and attn_mask.shape != expected:
            raise AssertionError(f"Expected `attn_mask` shape to be {expected} but got {attn_mask.shape}")
    return dims == 3


def _canonical_mask(
    mask: Tensor | None,
    mask_name: str,
    other_type: Any,
    other_name: str,
    target_type: Any,
    check_other: bool = True,
) -> Tensor | None:
    """An attention mask as floats to add: minus infinity where a boolean mask is True."""
    if mask is None:
        return None
    is_float = mask.is_floating_point()
    if mask.dtype != torch.bool and not is_float:
        raise AssertionError(f"only bool and floating types of {mask_name} are supported")
    if check_other and other_type is not None and mask.dtype != other_type:
        warnings.warn(
            f"Support for mismatched {mask_name} and {other_name} is deprecated. Use same type for both instead.",
            stacklevel=2,
        )
    return mask if is_float else torch.zeros_like(mask, dtype=target_type).masked_fill_(mask, float("-inf"))


def _none_or_dtype(input: Tensor | None) -> Any:
    if input is None:
        return None
    if isinstance(input, Tensor):
        return input.dtype
    raise RuntimeError("input to _none_or_dtype() must be None or torch.Tensor")


def _checked_head_dim(embed_dim: int, expected: int, num_heads: int) -> int:
    if embed_dim != expected:
        raise AssertionError(f"was expecting embedding dimension of {expected}, but got {embed_dim}")
    head_dim, rest = divmod(embed_dim, num_heads)
    if rest:
        raise AssertionError(f"embed_dim {embed_dim} not divisible by num_heads {num_heads}")
    return head_dim


def _check_key_and_value(key: Tensor, value: Tensor, separate: bool) -> None:
    if separate and key.shape[:2] != value.shape[:2]:
        raise AssertionError(f"key's sequence and batch dims {key.shape[:2]} do not match value's {value.shape[:2]}")
    if not separate and key.shape != value.shape:
        raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape}")


def _project(query: Tensor, key: Tensor, value: Tensor, weights: tuple[Tensor | None, ...], bias: Tensor | None) -> list[Tensor]:
    """Query, key and value by one stacked weight or by three."""
    if len(weights) == 1:
        if weights[0] is None:
            raise AssertionError("use_separate_proj_weight is False but in_proj_weight is None")
        return _in_projection_packed(query, key, value, weights[0], bias)
    for name, weight in zip("qkv", weights, strict=True):
        if weight is None:
            raise AssertionError(f"use_separate_proj_weight is True but {name}_proj_weight is None")
    biases = (None, None, None) if bias is None else bias.chunk(3)
    return _in_projection(query, key, value, *weights, *biases)


def _in_projection_packed(q: Tensor, k: Tensor, v: Tensor, w: Tensor, b: Tensor | None = None) -> list[Tensor]:
    """Project query, key and value by one stacked weight; as few products as there are different tensors."""
    size = q.size(-1)
    if k is v:
        if q is k:
            return list(F.linear(q, w, b).chunk(3, dim=-1))
        w_q, w_kv = w.split([size, size * 2])
        b_q, b_kv = (None, None) if b is None else b.split([size, size * 2])
        return [F.linear(q, w_q, b_q), *F.linear(k, w_kv, b_kv).chunk(2, dim=-1)]
    biases = (None, None, None) if b is None else b.chunk(3)
    return [F.linear(x, w_x, b_x) for x, w_x, b_x in zip((q, k, v), w.chunk(3), biases, strict=True)]


def _in_projection(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    w_q: Tensor,
    w_k: Tensor,
    w_v: Tensor,
    b_q: Tensor | None = None,
    b_k: Tensor | None = None,
    b_v: Tensor | None = None,
) -> list[Tensor]:
    """Project query, key and value, each by its own weight, to the size of the query."""
    size = q.size(-1)
    for name, x, weight in (("query", q, w_q), ("key", k, w_k), ("value", v, w_v)):
        if weight.shape != (size, x.size(-1)):
            raise AssertionError(f"expecting {name} weights shape of {(size, x.size(-1))}, but got {weight.shape}")
    for name, bias in (("query", b_q), ("key", b_k), ("value", b_v)):
        if bias is not None and bias.shape != (size,):
            raise AssertionError(f"expecting {name} bias shape of {(size,)}, but got {bias.shape}")
    return [F.linear(q, w_q, b_q), F.linear(k, w_k, b_k), F.linear(v, w_v, b_v)]


def _three_dimensional(mask: Tensor, tgt_len: int, src_len: int, heads: int) -> Tensor:
    """An attention mask as ``(1 or N * num_heads, L, S)``."""
    dims = mask.dim()
    if dims not in (2, 3):
        raise RuntimeError(f"attn_mask's dimension {dims} is not supported")
    expected = (tgt_len, src_len) if dims == 2 else (heads, tgt_len, src_len)
    if mask.shape != expected:
        raise RuntimeError(f"The shape of the {dims}D attn_mask is {mask.shape}, but should be {expected}.")
    return mask.unsqueeze(0) if dims == 2 else mask


def _check_bias_kv(bias_k: Tensor | None, bias_v: Tensor | None, static_k: Tensor | None, static_v: Tensor | None) -> None:
    if bias_v is None:
        raise AssertionError("bias_k is set but bias_v is None")
    if bias_k is None:
        raise AssertionError("bias_v is set but bias_k is None")
    if static_k is not None:
        raise AssertionError("bias cannot be added to static key.")
    if static_v is not None:
        raise AssertionError("bias cannot be added to static value.")


def _by_head(projected: Tensor, static: Tensor | None, name: str, heads: int, head_dim: int) -> Tensor:
    """Key or value as ``(N * num_heads, S, head_dim)``; a static one comes so."""
    if static is None:
        return projected.reshape(projected.shape[0], heads, head_dim).transpose(0, 1)
    for dim, expected in ((0, heads), (2, head_dim)):
        if static.size(dim) != expected:
            raise AssertionError(f"expecting {name}.size({dim}) of {expected}, but got {static.size(dim)}")
    return static


def _merged(attn_mask: Tensor | None, key_padding_mask: Tensor, bsz: int, num_heads: int, src_len: int) -> Tensor:
    """Both masks as one, ``(N * num_heads, 1 or L, S)``."""
    for dim, expected in ((0, bsz), (1, src_len)):
        if key_padding_mask.shape[dim] != expected:
            raise AssertionError(f"Expected key_padded_mask.shape[{dim}] to be {expected}, but got {key_padding_mask.shape[dim]}")
    padding = key_padding_mask.view(bsz, 1, 1, src_len).expand(-1, num_heads, -1, -1)
    padding = padding.reshape(bsz * num_heads, 1, src_len)
    return padding if attn_mask is None else attn_mask + padding
