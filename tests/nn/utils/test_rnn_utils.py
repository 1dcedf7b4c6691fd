"""Packed and padded sequences."""

import pytest

from tests.differential import agree, randn
from tests.nn.told import told


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("enforce_sorted", [True, False])
def test_pack_and_pad_are_inverse(batch_first, enforce_sorted):
    def program(torch, x):
        rnn = torch.nn.utils.rnn
        x.requires_grad_()
        lengths = torch.tensor([4, 3, 1] if enforce_sorted else [3, 1, 4])
        packed = rnn.pack_padded_sequence(x, lengths, batch_first, enforce_sorted)
        plain = rnn.pad_packed_sequence(packed, batch_first)
        wide = rnn.pad_packed_sequence(packed, not batch_first, padding_value=-1.0, total_length=6)
        (plain[0] * wide[0].transpose(0, 1)[:4] if not batch_first else plain[0]).sum().backward()
        return tuple(packed), plain, wide, x.grad, rnn.unpack_sequence(packed)

    agree(program, randn(*(3, 4) if batch_first else (4, 3), 2))


def test_sequences_of_different_lengths():
    def program(torch, a, b, c):
        rnn = torch.nn.utils.rnn
        padded = [
            rnn.pad_sequence([a, b, c]),
            rnn.pad_sequence([a, b, c], batch_first=True, padding_value=7.0),
            rnn.pad_sequence([a, b, c], batch_first=True, padding_side="left"),
            rnn.pad_sequence(a),
            rnn.pad_sequence([a.long(), b]),
        ]
        packed = rnn.pack_sequence([b, a, c], enforce_sorted=False)
        return (
            padded,
            tuple(packed),
            rnn.unpack_sequence(packed),
            rnn.unpad_sequence(padded[1], torch.tensor([2, 4, 1]), batch_first=True),
            rnn.invert_permutation(torch.tensor([2, 0, 1])),
            rnn.invert_permutation(None),
        )

    agree(program, randn(2, 3), randn(4, 3), randn(1, 3))


def test_packed_sequences_convert():
    def program(torch, x):
        packed = torch.nn.utils.rnn.pack_padded_sequence(x, [1, 3, 2], enforce_sorted=False)
        names = ["double", "float", "half", "long", "int", "short", "char", "byte", "cpu"]
        return (
            [tuple(getattr(packed, name)()) for name in names],
            packed.to("cpu") is packed,
            packed.to(torch.float64).data.dtype,
            packed.to(device="cpu", dtype=torch.float64).sorted_indices,
            packed.is_cuda,
            packed.is_pinned(),
            repr(packed),
        )

    agree(program, randn(3, 3))


def test_errors_are_torchs():
    def program(torch, x):
        rnn = torch.nn.utils.rnn
        packed = rnn.pack_padded_sequence(x, [3, 2, 1])
        return told(
            lambda: rnn.pack_padded_sequence(x, [3, 2]),
            lambda: rnn.pack_padded_sequence(x, [3, 2, 0]),
            lambda: rnn.pack_padded_sequence(x, [2, 3, 1]),
            lambda: rnn.pack_padded_sequence(x, torch.tensor([[3, 2, 1]])),
            lambda: rnn.pack_padded_sequence(x[:0], [3, 2, 1]),
            lambda: rnn.pad_sequence([x[:, 0], x[:, 0, :1]]),
            lambda: rnn.pad_sequence([x[0], x]),
            lambda: rnn.pad_packed_sequence(packed, total_length=2),
            lambda: rnn.pad_sequence([]),
            lambda: rnn.pad_sequence(3),
            lambda: rnn.pad_sequence([x], padding_side="top"),
            lambda: rnn.PackedSequence(x),
            lambda: tuple(rnn.PackedSequence((x, torch.tensor([1])))),
            lambda: rnn.unpad_sequence(x.clone(), torch.tensor([1, 2])),  # torch transposes the argument in place
        )

    agree(program, randn(4, 3, 2))
