"""Grids of images and image files."""

import io

import numpy as np
import PIL.Image
import pytest
import torch as real

import torchlike
from tests.vision.on_torch import vision

GRIDS = {
    "plain": {},
    "rows": {"nrow": 3, "padding": 1},
    "stretched": {"normalize": True, "pad_value": 0.5},
    "each": {"normalize": True, "scale_each": True},
    "range": {"normalize": True, "value_range": (0.2, 0.6)},
}
BATCHES = {
    "colour": lambda torch: torch.linspace(0, 1, 5 * 3 * 4 * 6).view(5, 3, 4, 6),
    "grey": lambda torch: torch.linspace(0, 1, 5 * 24).view(5, 1, 4, 6),
    "list": lambda torch: [torch.linspace(0, 1, 24).view(1, 4, 6) * i for i in range(4)],
    "one": lambda torch: torch.linspace(0, 1, 72).view(3, 4, 6),
    "plane": lambda torch: torch.linspace(0, 1, 24).view(4, 6),
}


@pytest.mark.parametrize("options", GRIDS.values(), ids=GRIDS)
@pytest.mark.parametrize("make", BATCHES.values(), ids=BATCHES)
def test_grids(make, options):
    theirs, ours = (vision(torch).utils.make_grid(make(torch), **options).numpy() for torch in (real, torchlike))
    assert theirs.shape == ours.shape
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_the_layout_of_a_grid():
    grid = vision(torchlike).utils.make_grid(torchlike.ones(5, 3, 4, 6), nrow=3, padding=2)
    assert grid.shape == (3, 2 * 6 + 2, 3 * 8 + 2)
    assert grid[0, 2:6, 2:8].tolist() == [[1.0] * 6] * 4
    assert grid[:, :2].sum().item() == 0
    assert grid[:, 8:, 18:].sum().item() == 0


def test_image_files(tmp_path):
    utils = vision(torchlike).utils
    image = torchlike.tensor([0.0, 0.5, 1.0]).view(3, 1, 1).expand(3, 4, 6)
    utils.save_image(image, tmp_path / "a.png")
    pixels = np.asarray(PIL.Image.open(tmp_path / "a.png"))
    assert pixels.shape == (4, 6, 3)
    assert pixels[0, 0].tolist() == [0, 128, 255]
    file = io.BytesIO()
    utils.save_image([image, image], file, format="png")
    assert PIL.Image.open(file).size == (2 * 8 + 2, 8)
    with pytest.raises(TypeError, match="tensor or list of tensors expected"):
        utils.make_grid("images")
