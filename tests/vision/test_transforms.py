"""Transforms give on torchlike what the same source gives on torch, and on PIL images what PIL gives."""

import random
import re

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
import torch as real

import torchlike
from tests.vision.on_torch import vision

LIBRARIES = (real, torchlike)


def photo(height=20, width=30, mode="RGB"):
    """A PIL image of smooth noise."""
    pixels = np.random.RandomState(3).randint(0, 256, (height, width, 3), dtype=np.uint8)
    return PIL.Image.fromarray(pixels).resize((width, height), PIL.Image.Resampling.BILINEAR).convert(mode)


def array_of(image):
    """The numbers of an image, tensor or tuple of these."""
    if isinstance(image, tuple | list):
        return [array_of(part) for part in image]
    return np.asarray(image) if isinstance(image, PIL.Image.Image) else image.numpy()


def run(make, image, seed=5, times=3):
    """A transform on both libraries, some times in a row."""
    found = []
    for torch in LIBRARIES:
        torch.manual_seed(seed)
        random.seed(seed)
        given = image(torch) if callable(image) else image
        transform = make(vision(torch).transforms)
        found.append([array_of(transform(given)) for _ in range(times)] + [torch.rand(1).item()])
    return found


def assert_same(theirs, ours, tolerance=0.0):
    """Equal numbers, and the same state of the generator afterwards."""
    if isinstance(theirs, list):
        assert len(theirs) == len(ours)
        for a, b in zip(theirs, ours, strict=True):
            assert_same(a, b, tolerance)
    elif isinstance(theirs, float):
        assert theirs == ours
    else:
        assert theirs.dtype == ours.dtype
        assert theirs.shape == ours.shape
        np.testing.assert_allclose(ours.astype(np.float64), theirs.astype(np.float64), rtol=tolerance, atol=tolerance)


ANY = {
    "Resize": lambda T: T.Resize(12),
    "Resize of two": lambda T: T.Resize((9, 17)),
    "Resize larger": lambda T: T.Resize(33, max_size=48),
    "Resize nearest": lambda T: T.Resize(12, interpolation=T.InterpolationMode.NEAREST),
    "Resize bicubic": lambda T: T.Resize((11, 13), T.InterpolationMode.BICUBIC),
    "CenterCrop": lambda T: T.CenterCrop(11),
    "CenterCrop larger": lambda T: T.CenterCrop((25, 35)),
    "FiveCrop": lambda T: T.FiveCrop(7),
    "TenCrop": lambda T: T.TenCrop((7, 9), vertical_flip=True),
    "Pad": lambda T: T.Pad(3),
    "Pad of two": lambda T: T.Pad((1, 2), fill=7),
    "Pad of four": lambda T: T.Pad((1, 2, 3, 4), padding_mode="reflect"),
    "Pad edge": lambda T: T.Pad(5, padding_mode="edge"),
    "Pad symmetric": lambda T: T.Pad((2, 5), padding_mode="symmetric"),
    "RandomCrop": lambda T: T.RandomCrop(12),
    "RandomCrop padded": lambda T: T.RandomCrop((20, 30), padding=4, fill=9),
    "RandomCrop where needed": lambda T: T.RandomCrop((25, 28), pad_if_needed=True),
    "RandomHorizontalFlip": lambda T: T.RandomHorizontalFlip(),
    "RandomVerticalFlip": lambda T: T.RandomVerticalFlip(),
    "RandomResizedCrop": lambda T: T.RandomResizedCrop(10),
    "RandomResizedCrop of slivers": lambda T: T.RandomResizedCrop((8, 6), scale=(0.9, 1.0), ratio=(4.0, 5.0)),
    "RandomRotation": lambda T: T.RandomRotation(30),
    "RandomRotation expanded": lambda T: T.RandomRotation((10, 50), expand=True, fill=5),
    "RandomRotation about a corner": lambda T: T.RandomRotation(30, T.InterpolationMode.BILINEAR, center=(0, 0)),
    "RandomAffine": lambda T: T.RandomAffine(20, (0.1, 0.2), (0.8, 1.2), 10),
    "RandomAffine, four shears": lambda T: T.RandomAffine(
        (0, 5), shear=(1, 5, 2, 6), interpolation=T.InterpolationMode.BILINEAR, fill=3
    ),
    "RandomPerspective": lambda T: T.RandomPerspective(p=0.9),
    "ColorJitter": lambda T: T.ColorJitter(0.4, 0.3, 0.2, 0.1),
    "ColorJitter of ranges": lambda T: T.ColorJitter(brightness=(0.5, 0.6), hue=(-0.2, 0.3)),
    "Grayscale": lambda T: T.Grayscale(),
    "Grayscale of three": lambda T: T.Grayscale(3),
    "RandomGrayscale": lambda T: T.RandomGrayscale(0.5),
    "GaussianBlur": lambda T: T.GaussianBlur(5),
    "GaussianBlur of two": lambda T: T.GaussianBlur((3, 7), 1.5),
    "RandomInvert": lambda T: T.RandomInvert(),
    "RandomPosterize": lambda T: T.RandomPosterize(2),
    "RandomSolarize": lambda T: T.RandomSolarize(100),
    "RandomAdjustSharpness": lambda T: T.RandomAdjustSharpness(2),
    "RandomAutocontrast": lambda T: T.RandomAutocontrast(),
    "RandomEqualize": lambda T: T.RandomEqualize(),
    "RandomApply": lambda T: T.RandomApply([T.CenterCrop(15), T.RandomCrop(12)], p=0.6),
    "RandomChoice": lambda T: T.RandomChoice([T.CenterCrop(9), T.RandomCrop(12)], p=[0.3, 0.7]),
    "RandomOrder": lambda T: T.RandomOrder([T.CenterCrop(15), T.RandomCrop(12), T.Pad(1)]),
    "Lambda": lambda T: T.Lambda(lambda image: T.functional.hflip(image)),
}

#: Interpolated values of uint8 may round the other way.
ROUNDED = ("Resize", "Rotation", "Affine", "Perspective", "Blur", "Sharpness", "Jitter", "Choice", "Crop")


@pytest.mark.parametrize(("name", "make"), ANY.items(), ids=ANY)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_pil_images(name, make, mode):
    tolerance = 1.0 if "Blur" in name else 0.0  # computed by way of tensors
    assert_same(*run(make, photo(mode=mode)), tolerance)


#: What floats take another way through than bytes.
FLOATS = (
    "Resize",
    "Pad of four",
    "RandomRotation",
    "RandomPerspective",
    "ColorJitter",
    "GaussianBlur",
    "RandomAutocontrast",
)


@pytest.mark.parametrize(("name", "make"), ANY.items(), ids=ANY)
def test_tensors_of_bytes(name, make):
    rounded = any(word in name for word in ROUNDED)
    image = lambda torch: vision(torch).transforms.functional.pil_to_tensor(photo())
    assert_same(*run(make, image, times=2), 1.0 if rounded else 0.0)


@pytest.mark.parametrize("name", FLOATS)
def test_tensors_of_floats(name):
    image = lambda torch: vision(torch).transforms.functional.pil_to_tensor(photo()).to(torch.float32) / 255
    assert_same(*run(ANY[name], image, times=2), 1e-5)


@pytest.mark.parametrize("name", ["posterize", "equalize"])
def test_some_transforms_are_for_bytes(name):
    for torch in LIBRARIES:
        with pytest.raises(TypeError, match=r"Only torch\.uint8 image tensors are supported"):
            args = [3] if name == "posterize" else []
            getattr(vision(torch).transforms.functional, name)(torch.ones(3, 4, 4), *args)


@pytest.mark.parametrize(
    "name", ["RandomCrop", "Resize", "RandomAffine", "ColorJitter", "GaussianBlur", "Pad edge", "Pad symmetric"]
)
def test_batches_of_tensors(name):
    assert_same(*run(ANY[name], lambda torch: torch.linspace(0, 1, 2 * 3 * 20 * 30).view(2, 3, 20, 30), times=1), 1e-5)


CONVERSIONS = {
    "ToTensor": (lambda T: T.ToTensor(), photo()),
    "ToTensor of grey": (lambda T: T.ToTensor(), photo(mode="L")),
    "ToTensor of black and white": (lambda T: T.ToTensor(), photo(mode="1")),
    "ToTensor of RGBA": (lambda T: T.ToTensor(), photo(mode="RGBA")),
    "ToTensor of floats": (lambda T: T.ToTensor(), photo(mode="F")),
    "ToTensor of ints": (lambda T: T.ToTensor(), photo(mode="I")),
    "ToTensor of an array": (lambda T: T.ToTensor(), np.arange(24, dtype=np.uint8).reshape(2, 3, 4)),
    "ToTensor of a plane": (lambda T: T.ToTensor(), np.linspace(0, 1, 6).reshape(2, 3)),
    "PILToTensor": (lambda T: T.PILToTensor(), photo()),
    "PILToTensor of grey": (lambda T: T.PILToTensor(), photo(mode="L")),
    "ToPILImage": (lambda T: T.ToPILImage(), lambda torch: torch.arange(60).view(3, 4, 5) / 64),
    "ToPILImage of grey": (lambda T: T.ToPILImage(), lambda torch: torch.arange(20, dtype=torch.uint8).view(1, 4, 5)),
    "ToPILImage of a plane": (lambda T: T.ToPILImage(), lambda torch: torch.arange(20).view(4, 5) / 32),
    "ToPILImage of LA": (lambda T: T.ToPILImage(), lambda torch: torch.arange(40).view(2, 4, 5) / 64),
    "ToPILImage of HSV": (lambda T: T.ToPILImage("HSV"), lambda torch: torch.arange(60).view(3, 4, 5) / 64),
    "ToPILImage of int32": (lambda T: T.ToPILImage(), np.arange(20, dtype=np.int32).reshape(4, 5)),
    "Normalize": (
        lambda T: T.Normalize((0.1, 0.2, 0.3), (0.4, 0.5, 0.6)),
        lambda torch: torch.linspace(0, 1, 60).view(3, 4, 5),
    ),
    "Normalize by one": (lambda T: T.Normalize([0.1], [0.3]), lambda torch: torch.ones(2, 3, 4, 5)),
    "LinearTransformation": (lambda T: _whiten(T), lambda torch: torch.linspace(0, 1, 12).view(3, 2, 2)),
    "RandomErasing": (lambda T: T.RandomErasing(0.8), lambda torch: torch.ones(3, 20, 30)),
    "RandomErasing with noise": (lambda T: T.RandomErasing(1.0, value="random"), lambda torch: torch.zeros(3, 20, 30)),
    "RandomErasing with colours": (
        lambda T: T.RandomErasing(1.0, (0.1, 0.2), value=(1, 2, 3)),
        lambda torch: torch.zeros(3, 20, 30),
    ),
}


def _whiten(T):
    torch = real if T.__name__.startswith("vision_on_torch") else torchlike
    return T.LinearTransformation(torch.arange(144.0).view(12, 12), torch.ones(12))


@pytest.mark.parametrize(("make", "image"), CONVERSIONS.values(), ids=CONVERSIONS)
def test_conversions(make, image):
    assert_same(*run(make, image), 1e-5)


DTYPES = ["uint8", "int16", "int32", "int64", "float32", "float64"]


@pytest.mark.parametrize("before", DTYPES)
@pytest.mark.parametrize("after", DTYPES)
def test_convert_image_dtype(before, after):
    found = []
    for torch in LIBRARIES:
        start = torch.tensor([0.0, 0.2, 0.5, 0.999, 1.0]) if "float" in before else torch.tensor([0, 1, 77, 126, 127])
        try:
            out = vision(torch).transforms.ConvertImageDtype(getattr(torch, after))(start.to(getattr(torch, before)))
            found.append((str(out.dtype), out.tolist()))
        except RuntimeError as error:
            found.append(str(error))
    assert found[0] == found[1]


# Against PIL and by hand, since torchvision itself is not asked


def test_a_pil_image_goes_through_pils_own_functions():
    F = vision(torchlike).transforms.functional
    image = photo()
    same = [
        (F.hflip(image), PIL.ImageOps.mirror(image)),
        (F.vflip(image), PIL.ImageOps.flip(image)),
        (F.rotate(image, 30), image.rotate(30)),
        (F.resize(image, [7, 9]), image.resize((9, 7), PIL.Image.Resampling.BILINEAR)),
        (F.crop(image, 1, 2, 3, 4), image.crop((2, 1, 6, 4))),
        (F.invert(image), PIL.ImageOps.invert(image)),
        (F.equalize(image), PIL.ImageOps.equalize(image)),
        (F.autocontrast(image), PIL.ImageOps.autocontrast(image)),
        (F.posterize(image, 3), PIL.ImageOps.posterize(image, 3)),
        (F.solarize(image, 99), PIL.ImageOps.solarize(image, 99)),
    ]
    for ours, theirs in same:
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


@pytest.mark.parametrize("torch", LIBRARIES, ids=["torch", "torchlike"])
def test_tensors_agree_with_pil(torch):
    F = vision(torch).transforms.functional
    image = photo()
    tensor = F.pil_to_tensor(image)
    exact = {
        "hflip": [],
        "vflip": [],
        "invert": [],
        "posterize": [3],
        "solarize": [99],
        "crop": [-2, 3, 15, 40],
        "equalize": [],
        "center_crop": [[13, 50]],
        "pad": [[2, 1, 0, 3], 0, "reflect"],
    }
    for name, args in exact.items():
        on_tensor, on_pil = getattr(F, name)(tensor, *args), getattr(F, name)(image, *args)
        np.testing.assert_array_equal(on_tensor.numpy(), np.asarray(on_pil).transpose(2, 0, 1), err_msg=name)
    near = {
        "adjust_brightness": [0.7],
        "adjust_contrast": [1.3],
        "adjust_saturation": [0.4],
        "adjust_hue": [0.2],
        "adjust_gamma": [1.7],
        "adjust_sharpness": [0.3],
        "rgb_to_grayscale": [3],
        "resize": [[10, 15]],
        "autocontrast": [],
    }
    for name, args in near.items():
        on_tensor, on_pil = getattr(F, name)(tensor, *args), getattr(F, name)(image, *args)
        gap = np.abs(on_tensor.numpy().astype(int) - np.asarray(on_pil).transpose(2, 0, 1).astype(int))
        assert np.median(gap) <= 1, name
        assert gap.mean() < 3, name


@pytest.mark.parametrize("torch", LIBRARIES, ids=["torch", "torchlike"])
@pytest.mark.parametrize("angle", [90, 180, 270, -90])
def test_a_quarter_turn_of_a_tensor_is_exact(torch, angle):
    F = vision(torch).transforms.functional
    tensor = torch.arange(25.0).view(1, 5, 5)
    expected = np.rot90(tensor.numpy()[0], angle // 90)
    np.testing.assert_array_equal(F.rotate(tensor, angle).numpy()[0], expected)


def test_the_identity_transforms_change_nothing():
    F = vision(torchlike).transforms.functional
    tensor = torchlike.linspace(0, 1, 60).view(3, 4, 5)
    same = [
        F.affine(tensor, 0, [0, 0], 1.0, 0.0),
        F.rotate(tensor, 0),
        F.adjust_brightness(tensor, 1),
        F.adjust_hue(tensor, 0),
        F.perspective(tensor, [[0, 0], [4, 0], [4, 3], [0, 3]], [[0, 0], [4, 0], [4, 3], [0, 3]]),
    ]
    for found in same:
        np.testing.assert_allclose(found.numpy(), tensor.numpy(), atol=1e-5)


def test_the_draws_of_a_crop_are_torchvisions():
    """Row first, then column; nothing is drawn when there is no choice."""
    T = vision(torchlike).transforms
    torchlike.manual_seed(1)
    i, j = torchlike.randint(0, 9, (1,)).item(), torchlike.randint(0, 19, (1,)).item()
    torchlike.manual_seed(1)
    assert T.RandomCrop.get_params(photo(), (12, 12)) == (i, j, 12, 12)
    torchlike.manual_seed(1)
    assert T.RandomCrop.get_params(photo(), (20, 30)) == (0, 0, 20, 30)
    assert torchlike.randint(0, 9, (1,)).item() == i


def test_how_transforms_are_shown():
    T = vision(torchlike).transforms
    composed = T.Compose([T.RandomCrop(32, padding=4), T.ToTensor(), T.Normalize((0.5,), (0.5,))])
    assert repr(composed) == (
        "Compose(\n    RandomCrop(size=(32, 32), padding=4)\n    ToTensor()\n    Normalize(mean=(0.5,), std=(0.5,))\n)"
    )
    assert repr(T.Resize(5)) == "Resize(size=5, interpolation=bilinear, max_size=None, antialias=True)"
    assert repr(T.RandomHorizontalFlip(0.3)) == "RandomHorizontalFlip(p=0.3)"
    assert repr(T.RandomSolarize(9, 0.1)) == "RandomSolarize(threshold=9,p=0.1)"


WRONG = {
    "an image that is none": (lambda T: T.ToTensor()("x"), TypeError, "pic should be PIL Image or ndarray"),
    "too many dimensions": (lambda T: T.ToTensor()(np.ones((1, 2, 3, 4))), ValueError, "2/3 dimensional. Got 4"),
    "five channels": (lambda T: T.ToPILImage()(np.ones((2, 2, 5), np.uint8)), ValueError, "> 4 channels"),
    "a mode that does not fit": (
        lambda T: T.ToPILImage("RGB")(np.ones((2, 2), np.uint8)),
        ValueError,
        "Incorrect mode",
    ),
    "ints to normalize": (
        lambda T: T.Normalize([0], [1])(torchlike.ones(1, 2, 2, dtype=torchlike.uint8)),
        TypeError,
        "float tensor",
    ),
    "a deviation of 0": (lambda T: T.Normalize([0], [0])(torchlike.ones(1, 2, 2)), ValueError, "std evaluated to zero"),
    "a crop that is too large": (lambda T: T.RandomCrop(99)(photo()), ValueError, r"crop size \(99, 99\) is larger"),
    "three sizes": (lambda T: T.CenterCrop((1, 2, 3)), ValueError, "two dimensions"),
    "three paddings": (lambda T: T.Pad((1, 2, 3)), ValueError, "1, 2, or 4 element tuple"),
    "a mode of padding": (lambda T: T.Pad(1, padding_mode="magic"), ValueError, "constant, edge, reflect or symmetric"),
    "an even kernel": (lambda T: T.GaussianBlur(4), ValueError, "odd and positive"),
    "a negative sigma": (lambda T: T.GaussianBlur(3, -1), ValueError, "positive"),
    "negative brightness": (lambda T: T.ColorJitter(-1), ValueError, "non negative"),
    "too much hue": (lambda T: T.ColorJitter(hue=0.6), ValueError, "hue values should be between"),
    "negative degrees": (lambda T: T.RandomRotation(-5), ValueError, "must be positive"),
    "a shift beyond the image": (lambda T: T.RandomAffine(0, (0.1, 1.5)), ValueError, "between 0 and 1"),
    "no function": (lambda T: T.Lambda(3), TypeError, "callable"),
    "erasing by a word": (lambda T: T.RandomErasing(value="black"), ValueError, "should be 'random'"),
    "max_size below size": (lambda T: T.Resize(9, max_size=9)(photo()), ValueError, "strictly greater"),
    "a negative factor": (
        lambda T: T.functional.adjust_contrast(torchlike.ones(3, 2, 2), -1),
        ValueError,
        "not non-negative",
    ),
    "nine bits": (lambda T: T.functional.posterize(photo(), 9), ValueError, "between 0 and 8"),
}


@pytest.mark.parametrize(("call", "kind", "words"), WRONG.values(), ids=WRONG)
def test_wrong_arguments(call, kind, words):
    with pytest.raises(kind, match=words):
        call(vision(torchlike).transforms)


def test_every_public_name_is_there():
    T = vision(torchlike).transforms
    for name in T.__all__:
        assert hasattr(T, name)
        assert not re.match("_", name)
