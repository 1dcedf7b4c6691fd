"""Transforms of images: PIL images and tensors of shape ``(*, C, H, W)``."""

from torchlike.vision.transforms import functional as functional
from torchlike.vision.transforms.functional import InterpolationMode as InterpolationMode
from torchlike.vision.transforms.transforms import *  # noqa: F403 - the public names are listed there
from torchlike.vision.transforms.transforms import __all__

__all__ += ["InterpolationMode", "functional"]
