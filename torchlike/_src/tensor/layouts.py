"""torch.layout and torch.memory_format objects."""

from torchlike._src.tensor.strides import channels_last_strides


class layout:
    """How a tensor is laid out; here always ``torch.strided``."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"torch.{self._name}"

    def __reduce__(self) -> str:
        return self._name


class memory_format(layout):
    """The order of dimensions in memory. Here it changes strides, not how programs lay out their data."""

    __slots__ = ()


strided = layout("strided")
sparse_coo = layout("sparse_coo")
sparse_csr = layout("sparse_csr")
sparse_csc = layout("sparse_csc")
sparse_bsr = layout("sparse_bsr")
sparse_bsc = layout("sparse_bsc")
jagged = layout("jagged")
contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")


def strides_for(shape: tuple[int, ...], wanted: memory_format) -> tuple[int, ...] | None:
    """The strides that a memory format asks for; None for contiguous ones."""
    if wanted is channels_last or wanted is channels_last_3d:
        need = 4 if wanted is channels_last else 5
        if len(shape) != need:
            raise RuntimeError(f"required rank {need} tensor to use {wanted._name} format")
        return channels_last_strides(shape)
    return None
