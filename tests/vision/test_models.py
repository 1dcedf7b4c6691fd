"""Models have torchvision's names, sizes and outputs."""

import numpy as np
import pytest
import torch as real

import torchlike
from tests.vision.on_torch import vision

#: Parameters, from torchvision's documentation; entries of the state dict.
SIZES = {"resnet18": (11689512, 122), "resnet34": (21797672, 218), "resnet50": (25557032, 320)}


@pytest.mark.parametrize("name", SIZES)
def test_sizes_and_names(name):
    model = getattr(vision(torchlike).models, name)()
    state = model.state_dict()
    assert (sum(p.numel() for p in model.parameters()), len(state)) == SIZES[name]
    for key in (
        "conv1.weight",
        "bn1.running_mean",
        "layer2.0.downsample.0.weight",
        "layer4.1.bn2.num_batches_tracked",
        "fc.bias",
    ):
        assert key in state
    assert ("layer1.0.conv3.weight" in state) == (name == "resnet50")


def test_weights_from_torch_give_torchs_outputs(tmp_path):
    real.manual_seed(0)
    theirs = vision(real).models.resnet18(num_classes=10).eval()
    real.save(theirs.state_dict(), tmp_path / "weights.pt")
    ours = vision(torchlike).models.resnet18(num_classes=10).eval()
    ours.load_state_dict(torchlike.load(tmp_path / "weights.pt"))
    x = real.rand(2, 3, 32, 32)
    with real.no_grad(), torchlike.no_grad():
        expected = theirs(x).numpy()
        got = ours(torchlike.from_numpy(x.numpy())).numpy()
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-4)


def test_the_same_seed_gives_the_same_weights():
    weights = []
    for torch in (real, torchlike):
        torch.manual_seed(3)
        weights.append(vision(torch).models.resnet18(num_classes=4, zero_init_residual=True).state_dict())
    for (key, a), (_, b) in zip(weights[0].items(), weights[1].items(), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-6, err_msg=key)


def test_pretrained_weights_are_not_pretended():
    with pytest.raises(NotImplementedError, match="pretrained weights are not downloaded"):
        vision(torchlike).models.resnet18(weights="DEFAULT")
