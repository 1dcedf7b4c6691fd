"""Sequences of different lengths: padded into one tensor, or packed without the padding.

A `PackedSequence` holds the steps of a batch one behind the other: first steps of all sequences, longest first,
then second steps of those that have one, and so on. Packing and unpacking are each one gather, by an index that is
computed here from the lengths.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

import torchlike as torch
from torchlike._src.tensor.core import Tensor
from torchlike.nn.modules._convert import parse_to

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]

_BATCH_SIZES_ON_CPU = (
    "batch_sizes should always be on CPU. Instances of PackedSequence should never be created manually. They should be "
    "instantiated by functions like pack_sequence and pack_padded_sequences in nn.utils.rnn. "
    "https://pytorch.org/docs/stable/nn.html#torch.nn.utils.rnn.pack_sequence"
)
_NOT_SORTED = (
    "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
    "`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement if you do not "
    "need ONNX exportability."
)


class PackedSequence_(NamedTuple):
    """The fields of a `PackedSequence`."""

    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


def bind(optional: Any, fn: Callable[[Any], Any]) -> Any:
    """``fn(optional)``, or None."""
    return None if optional is None else fn(optional)


class PackedSequence(PackedSequence_):
    """A batch of sequences without padding; made by `pack_padded_sequence` and `pack_sequence`.

    Attributes:
        data: ``(total length, *)``.
        batch_sizes: int64 on the CPU: how many sequences have a first step, a second step, ...
        sorted_indices: where each sequence, longest first, was in the batch; None if it was sorted.
        unsorted_indices: the inverse.
    """

    def __new__(
        cls,
        data: Any,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> PackedSequence:
        return super().__new__(cls, *_packed_sequence_init_args(data, batch_sizes, sorted_indices, unsorted_indices))

    def pin_memory(self) -> PackedSequence:
        """The same in pinned memory."""
        return self._map(lambda t: t.pin_memory(), with_batch_sizes=True)

    def _map(self, fn: Callable[[Tensor], Tensor], with_batch_sizes: bool = False) -> PackedSequence:
        batch_sizes = fn(self.batch_sizes) if with_batch_sizes else self.batch_sizes
        return type(self)(fn(self.data), batch_sizes, bind(self.sorted_indices, fn), bind(self.unsorted_indices, fn))

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """Move or cast ``data``, and move the indices with it; itself if that changes nothing."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        options = {k: v for k, v in kwargs.items() if k != "copy"}
        _, _, non_blocking, _ = parse_to(*args[:3], **options)
        place = {"device": data.device, "non_blocking": non_blocking}
        return type(self)(
            data,
            self.batch_sizes,
            bind(self.sorted_indices, lambda t: t.to(**place)),
            bind(self.unsorted_indices, lambda t: t.to(**place)),
        )

    def cuda(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """On a GPU."""
        return self.to(*args, **{"device": "cuda", **kwargs} if not args else kwargs)

    def cpu(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """On the host."""
        return self.to(*args, **{"device": "cpu", **kwargs} if not args else kwargs)

    def double(self) -> PackedSequence:
        """As float64."""
        return self.to(dtype=torch.double)

    def float(self) -> PackedSequence:
        """As float32."""
        return self.to(dtype=torch.float)

    def half(self) -> PackedSequence:
        """As float16."""
        return self.to(dtype=torch.half)

    def long(self) -> PackedSequence:
        """As int64."""
        return self.to(dtype=torch.long)

    def int(self) -> PackedSequence:
        """As int32."""
        return self.to(dtype=torch.int)

    def short(self) -> PackedSequence:
        """As int16."""
        return self.to(dtype=torch.short)

    def char(self) -> PackedSequence:
        """As int8."""
        return self.to(dtype=torch.int8)

    def byte(self) -> PackedSequence:
        """As uint8."""
        return self.to(dtype=torch.uint8)

    @property
    def is_cuda(self) -> bool:
        """Whether the data is on a GPU."""
        return self.data.is_cuda

    def is_pinned(self) -> bool:
        """Whether the data is in pinned memory."""
        return self.data.is_pinned()


def _packed_sequence_init_args(
    data: Any,
    batch_sizes: Tensor | None = None,
    sorted_indices: Tensor | None = None,
    unsorted_indices: Tensor | None = None,
) -> tuple[Any, Any, Tensor | None, Tensor | None]:
    if unsorted_indices is None:
        unsorted_indices = invert_permutation(sorted_indices)
    if batch_sizes is None:
        if not (isinstance(data, (list, tuple)) and len(data) == 2):
            raise AssertionError("Expected data to be a list or tuple of length 2")
        data, batch_sizes = data
    elif batch_sizes.device.type != "cpu":
        raise ValueError(_BATCH_SIZES_ON_CPU)
    return data, batch_sizes, sorted_indices, unsorted_indices


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes ``permutation``; None for None."""
    if permutation is None:
        return None
    output = torch.empty_like(permutation)
    order = torch.arange(0, permutation.numel(), device=permutation.device)
    return output.scatter_(0, permutation, order)


def pack_padded_sequence(
    input: Tensor, lengths: Tensor | Sequence[int], batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack a padded batch.

    Args:
        input: ``(T, B, *)``, or ``(B, T, *)`` with ``batch_first``.
        lengths: the length of each sequence, on the CPU.
        batch_first: see ``input``.
        enforce_sorted: the sequences come longest first; without it they are sorted.
    Raises:
        RuntimeError: for lengths that are not positive, not sorted, or not one a sequence.
    """
    if isinstance(lengths, Tensor):
        lengths = lengths.to(dtype=torch.int64)
    else:
        lengths = torch.as_tensor(lengths, dtype=torch.int64, device="cpu")
    sorted_indices = None
    if not enforce_sorted:
        lengths, sorted_indices = torch.sort(lengths, descending=True)
        sorted_indices = sorted_indices.to(input.device)
        input = input.index_select(0 if batch_first else 1, sorted_indices)
    counts = _checked_lengths(input, lengths, batch_first)
    batch_sizes = (np.arange(counts[0])[:, None] < counts).sum(axis=1)  # (T,)
    index = _packed_index(batch_sizes, input.size(0 if batch_first else 1), batch_first, input.size(1))
    data = input.flatten(0, 1).index_select(0, torch.from_numpy(index).to(input.device))
    return PackedSequence(data, torch.from_numpy(batch_sizes), sorted_indices, None)


def _checked_lengths(input: Tensor, lengths: Tensor, batch_first: bool) -> np.ndarray:
    if input.numel() == 0:
        raise RuntimeError("Cannot pack empty tensors.")
    if lengths.dim() != 1 or lengths.device.type != "cpu":
        raise RuntimeError(
            f"'lengths' argument should be a 1D CPU int64 tensor, but got {lengths.dim()}D {lengths.device.type} Long tensor"
        )
    batch = input.size(0 if batch_first else 1)
    if len(lengths) != batch:
        raise RuntimeError(f"Expected `len(lengths)` to be equal to batch_size, but got {len(lengths)} (batch_size={batch})")
    counts = np.array(lengths.tolist(), dtype=np.int64)
    if (counts <= 0).any():
        raise RuntimeError("Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0")
    if (np.diff(counts) > 0).any():
        raise RuntimeError(_NOT_SORTED)
    steps = input.size(1 if batch_first else 0)
    if counts[0] > steps:
        raise RuntimeError(f"Expected lengths of at most {steps}, the steps of the input, but got {counts[0]}")
    return counts


def _packed_index(batch_sizes: np.ndarray, batch: int, batch_first: bool, steps: int) -> np.ndarray:
    """Where each packed step is in the padded batch when its first two dimensions are flattened."""
    step = np.repeat(np.arange(len(batch_sizes)), batch_sizes)
    sample = np.concatenate([np.arange(n) for n in batch_sizes])
    return sample * steps + step if batch_first else step * batch + sample


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The padded batch and the lengths, in the order before packing.

    Args:
        sequence: what to unpack.
        batch_first: give ``(B, T, *)`` rather than ``(T, B, *)``.
        padding_value: what the padding holds.
        total_length: pad to this length rather than to the longest sequence.
    """
    batch_sizes = np.array(sequence.batch_sizes.tolist(), dtype=np.int64)
    longest = len(batch_sizes)
    if total_length is not None and total_length < longest:
        raise ValueError(
            "Expected total_length to be at least the length of the longest sequence in input, but got "
            f"total_length={total_length} and max sequence length being {longest}"
        )
    steps = longest if total_length is None else total_length
    batch = int(batch_sizes[0])
    data = sequence.data
    index = np.full(steps * batch, len(data), dtype=np.int64)  # behind the data: the padding
    index[_packed_index(batch_sizes, batch, batch_first, steps)] = np.arange(len(data))
    shape = (batch, steps) if batch_first else (steps, batch)
    with_padding = torch.cat([data, data.new_full((1, *data.shape[1:]), padding_value)])
    padded = with_padding.index_select(0, torch.from_numpy(index).to(data.device)).unflatten(0, shape)
    lengths = torch.from_numpy((np.arange(batch)[:, None] < batch_sizes).sum(axis=1))
    order = sequence.unsorted_indices
    if order is None:
        return padded, lengths
    return padded.index_select(0 if batch_first else 1, order), lengths[order.cpu()]


def pad_sequence(
    sequences: Tensor | Iterable[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Stack sequences ``(L, *)`` of different lengths, padded to the longest.

    Args:
        sequences: the sequences; the first one's dtype is the result's.
        batch_first: give ``(B, T, *)`` rather than ``(T, B, *)``.
        padding_value: what the padding holds.
        padding_side: ``"right"`` or ``"left"``.
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)}")
    sequences = tuple(sequences)
    if not sequences:
        raise RuntimeError("received an empty list of sequences")
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"Expected padding_side to be one of left or right, but got {padding_side}.")
    first = sequences[0]
    longest = max(len(s) for s in sequences)
    rows = []
    for sequence in sequences:
        missing = longest - len(sequence)
        sequence = _fitted(sequence, tuple(first.shape[1:])).to(first.dtype)
        if missing:
            padding = sequence.new_full((missing, *sequence.shape[1:]), padding_value)
            sequence = torch.cat([padding, sequence] if padding_side == "left" else [sequence, padding])
        rows.append(sequence)
    return torch.stack(rows, dim=0 if batch_first else 1)


def _fitted(sequence: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """A sequence broadcast to the first one's other sizes; RuntimeError, as of an assignment, if that cannot be."""
    shape, expected = tuple(sequence.shape), (len(sequence), *sizes)
    if shape == expected:
        return sequence
    dims = max(len(expected), len(shape))
    for back, (a, b) in enumerate(zip(reversed(expected), reversed(shape), strict=False), start=1):
        if a != b != 1:
            raise RuntimeError(
                f"The size of tensor a ({a}) must match the size of tensor b ({b}) at non-singleton dimension {dims - back}"
            )
    return sequence.expand(expected)


def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """The sequences of a padded batch ``(T, B, *)``, or ``(B, T, *)`` with ``batch_first``."""
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    pairs = zip(padded_sequences.unbind(0), lengths.tolist(), strict=True)
    return [sequence[:length].clone() for sequence, length in pairs]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack sequences ``(L, *)``; longest first unless ``enforce_sorted`` is False."""
    lengths = torch.as_tensor([s.size(0) for s in sequences])
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences of a packed batch, in the order before packing."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
