"""Signal processing, as ``torch.signal``."""

from torchlike.signal import windows as windows

__all__ = ["windows"]
