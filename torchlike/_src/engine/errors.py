"""The errors of running a program, as torch names them."""

from typing import NoReturn


class OutOfMemoryError(RuntimeError):
    """A device has not enough memory for a program."""

    __module__ = "torch"


class AcceleratorError(RuntimeError):
    """A device failed while it ran a program."""

    __module__ = "torch"


def raise_as_torch(error: RuntimeError, on_accelerator: bool) -> NoReturn:
    """Raise what XLA says, in torch's type: on the CPU torch has a plain RuntimeError for everything."""
    text = str(error)
    if "RESOURCE_EXHAUSTED" in text or "Out of memory" in text:
        hint = " Use smaller batches, torch.utils.checkpoint, or 16-bit types; torchlike.explain() lists the programs."
        raise (OutOfMemoryError if on_accelerator else RuntimeError)(text + hint) from error
    if on_accelerator:
        raise AcceleratorError(text) from error
    raise error
