"""Random images, for trying out a script without data."""

from collections.abc import Callable
from typing import Any

import torchlike as torch
from torchlike.vision.datasets.vision import VisionDataset
from torchlike.vision.transforms import functional


class FakeData(VisionDataset):
    """Images of normal noise, the same each time for the same index.

    Args:
        size: how many.
        image_size: shape ``(C, H, W)`` of each.
        num_classes: the targets are below this.
        random_offset: added to the index to seed the noise.
    """

    def __init__(
        self,
        size: int = 1000,
        image_size: tuple[int, int, int] = (3, 224, 224),
        num_classes: int = 10,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        random_offset: int = 0,
    ) -> None:
        super().__init__(None, transform=transform, target_transform=target_transform)
        self.size = size
        self.image_size = image_size
        self.num_classes = num_classes
        self.random_offset = random_offset

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if index >= self.size:
            raise IndexError(f"{type(self).__name__} index out of range")
        state = torch.get_rng_state()
        torch.manual_seed(index + self.random_offset)
        image = torch.randn(*self.image_size)
        target = torch.randint(0, self.num_classes, size=(1,), dtype=torch.long)[0]
        torch.set_rng_state(state)
        return self._apply(functional.to_pil_image(image), int(target))

    def __len__(self) -> int:
        return self.size
