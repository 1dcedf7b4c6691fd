"""What torchvision's users import: datasets, transforms, models, and a few helpers.

Written against the public torch API, NumPy and Pillow only, so it is a porting example as well: with ``torch`` in
torchlike's place the same source runs on PyTorch.
"""

from torchlike.vision import datasets, models, transforms, utils
from torchlike.vision.version import __version__ as __version__

__all__ = ["datasets", "models", "transforms", "utils"]
