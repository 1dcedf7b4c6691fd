"""`MultiheadAttention` and the transformers: masks, batches, biases, errors, gradients."""

import pytest

from tests.differential import agree, bools, randn
from tests.nn.told import told, warned


def _gradients(net, *results):
    sum((r * r).sum() for r in results).backward()
    return {name: p.grad for name, p in net.named_parameters()}


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bias": False, "batch_first": True},
        {"add_bias_kv": True, "add_zero_attn": True},
        {"kdim": 3, "vdim": 5},
        {"kdim": 3, "vdim": 5, "add_bias_kv": True, "batch_first": True},
    ],
    ids=lambda o: "-".join(o) or "plain",
)
def test_attention_to_another_sequence(options, need_weights):
    def program(torch, query, key, value, padding, mask):
        net = torch.nn.MultiheadAttention(4, 2, **options)
        plain = net(query, key, value, need_weights=need_weights)
        masked = net(
            query, key, value, key_padding_mask=padding, attn_mask=mask, need_weights=need_weights,
            average_attn_weights=False,
        )  # fmt: skip
        return plain, masked, _gradients(net, plain[0], masked[0])

    batch_first = options.get("batch_first", False)

    def sequence(length, size):
        return randn(2, length, size) if batch_first else randn(length, 2, size)

    import torch

    padding = torch.tensor([[False, False, True, True], [False, False, False, False]])
    agree(
        program, sequence(3, 4), sequence(4, options.get("kdim", 4)), sequence(4, options.get("vdim", 4)), padding,
        torch.eye(3, 4).bool(), tolerance=5.0,
    )  # fmt: skip


def test_attention_to_itself():
    def program(torch, x):
        net = torch.nn.MultiheadAttention(4, 2, batch_first=True)
        causal = torch.nn.Transformer.generate_square_subsequent_mask(3)
        results = [
            net(x, x, x),
            net(x, x, x, attn_mask=causal, is_causal=True),
            net(x, x, x, attn_mask=causal, is_causal=True, need_weights=False),
            net(x[0], x[0], x[0]),
            net(x[0], x[0], x[0], attn_mask=causal, need_weights=False),
            net(x[0], x[0], x[0], attn_mask=causal.expand(2, 3, 3)),
            net(x, x, x, attn_mask=causal.expand(4, 3, 3), need_weights=False),
            net(x, x * 1, x),
        ]
        net.eval()
        with torch.no_grad():
            results.append(net(x, x, x))
        return results, _gradients(net, *[r[0] for r in results[:-1]])

    agree(program, randn(2, 3, 4), tolerance=5.0)  # sums of seven gradients


def test_errors_and_warnings_are_torchs():
    def program(torch, x):
        net = torch.nn.MultiheadAttention(4, 2)
        other = torch.nn.MultiheadAttention(4, 2, kdim=3, vdim=3)
        ones = torch.ones

        def call(*args, net=net, **kwargs):
            return lambda: net(*args, **kwargs)

        errors = told(
            call(x[None], x, x),
            call(x, x[0], x),
            call(x[:, 0], x, x),
            call(x, x, x[:2]),
            call(x, x, x, key_padding_mask=ones(3).bool()),
            call(x, x, x, key_padding_mask=ones(2, 5).bool()),
            call(x, x, x, key_padding_mask=ones(3, 3).bool()),
            call(x, x, x, key_padding_mask=ones(2, 3).int()),
            call(x, x, x, attn_mask=ones(3)),
            call(x, x, x, attn_mask=ones(3, 4)),
            call(x, x, x, attn_mask=ones(3, 3, 3)),
            call(x, x, x, attn_mask=ones(3, 3).int()),
            call(x, x, x, is_causal=True),
            call(x[:, 0], x[:, 0], x[:, 0], attn_mask=ones(3, 3, 3)),
            call(x[:, 0], x[:, 0], x[:, 0], key_padding_mask=ones(2, 3)),
            call(ones(3, 2, 6), ones(3, 2, 6), ones(3, 2, 6)),
            call(x, ones(3, 2, 4), ones(3, 2, 3), net=other),
            call(x, ones(3, 2, 3), ones(4, 2, 3), net=other),
        )
        mixed = warned(call(x, x, x, key_padding_mask=ones(2, 3).bool(), attn_mask=torch.zeros(3, 3)))
        return errors, mixed, net.merge_masks(None, None, x)

    agree(program, randn(3, 2, 4))


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_transformer_layers(norm_first, activation):
    def program(torch, x, memory, padding):
        nn = torch.nn
        causal = nn.Transformer.generate_square_subsequent_mask(3)
        options = {"dropout": 0.0, "activation": activation, "batch_first": True, "norm_first": norm_first}
        encoder = nn.TransformerEncoderLayer(4, 2, 8, **options)
        decoder = nn.TransformerDecoderLayer(4, 2, 8, **options)
        encoded = encoder(x, src_mask=causal, src_key_padding_mask=padding)
        decoded = decoder(x, memory, tgt_mask=causal, memory_key_padding_mask=padding)
        return encoded, decoded, encoder(x[0]), _gradients(encoder, encoded), _gradients(decoder, decoded)

    import torch

    padding = torch.tensor([[False, False, True], [False, False, False]])
    agree(program, randn(2, 3, 4), randn(2, 3, 4, salt=1), padding, tolerance=5.0)  # norms of small numbers


def test_transformer_stacks():
    def program(torch, source, target):
        nn = torch.nn
        net = nn.Transformer(4, 2, 2, 2, 8, dropout=0.0)
        causal = net.generate_square_subsequent_mask(3)
        output = net(source, target, tgt_mask=causal)
        stack = nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, 0.0), 2, nn.LayerNorm(4))
        encoded = stack(target, mask=causal), stack(target, mask=causal, is_causal=True), stack(target)
        distinct = stack.layers[0].linear1.weight is not stack.layers[1].linear1.weight
        errors = told(
            lambda: net(source[:, :1], target),
            lambda: net(source[..., :2], target),
            lambda: nn.Transformer(4, 2, 1, 1, custom_encoder=nn.Identity(), activation=torch.tanh).encoder(3),
        )
        return output, encoded, distinct, errors, _gradients(net, output)

    agree(program, randn(5, 2, 4), randn(3, 2, 4), tolerance=20.0)  # four layers of small numbers


def test_gumbel_softmax_is_nearly_one_hot():
    def program(torch, logits):
        functional = torch.nn.functional
        logits.requires_grad_()
        hard = functional.gumbel_softmax(logits, hard=True)
        soft = functional.gumbel_softmax(logits, tau=0.5)
        (hard * 2).sum().backward()
        ones = hard.sum(-1)
        return ones, soft.sum(-1), soft.shape, warned(lambda: functional.gumbel_softmax(logits, eps=1e-5))

    agree(program, randn(4, 5))


def test_boolean_masks_may_be_anything():
    def program(torch, x, mask):
        net = torch.nn.MultiheadAttention(4, 2)
        return net(x, x, x, attn_mask=mask & ~torch.eye(3, dtype=torch.bool))

    agree(program, randn(3, 2, 4), bools(3, 3))
