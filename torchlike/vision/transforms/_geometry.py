"""Transforms that move pixels. Random ones draw from torch's generator what torchvision's draw, in its order."""

import math
import numbers
import warnings
from collections.abc import Sequence
from typing import Any

import torchlike as torch
from torchlike.vision.transforms import functional
from torchlike.vision.transforms.functional import InterpolationMode


def uniform(low: float, high: float) -> float:
    """A number from a range."""
    return float(torch.empty(1).uniform_(float(low), float(high)).item())


def integer(low: int, high: int) -> int:
    """An integer from a range, whose end is left out."""
    return int(torch.randint(low, high, size=(1,)).item())


def happens(p: float) -> bool:
    """True with probability ``p``."""
    return torch.rand(1).item() < p


def pair(size: int | Sequence[int], message: str = "Please provide only two dimensions (h, w) for size.") -> tuple[int, int]:
    """``(height, width)`` from one number or two."""
    if isinstance(size, numbers.Number):
        return int(size), int(size)  # type: ignore[call-overload]
    if len(size) not in (1, 2):  # type: ignore[arg-type]
        raise ValueError(message)
    return size[0], size[-1]  # type: ignore[index]


class Resize(torch.nn.Module):
    """Resize to ``(height, width)``, or so that the smaller edge is ``size``; see `functional.resize`."""

    def __init__(
        self,
        size: int | Sequence[int],
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        if not isinstance(size, int | Sequence):
            raise TypeError(f"Size should be int or sequence. Got {type(size)}")
        if isinstance(size, Sequence) and len(size) not in (1, 2):
            raise ValueError("If size is a sequence, it should have 1 or 2 values")
        self.size = size
        self.max_size = max_size
        self.interpolation = interpolation
        self.antialias = antialias

    def forward(self, img: Any) -> Any:
        return functional.resize(img, self.size, self.interpolation, self.max_size, self.antialias)

    def __repr__(self) -> str:
        mode = getattr(self.interpolation, "value", self.interpolation)
        return (
            f"{type(self).__name__}(size={self.size}, interpolation={mode}, max_size={self.max_size}, antialias={self.antialias})"
        )


class CenterCrop(torch.nn.Module):
    """The middle; zeros around it where the image is smaller."""

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = pair(size)

    def forward(self, img: Any) -> Any:
        return functional.center_crop(img, self.size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size})"


class FiveCrop(torch.nn.Module):
    """The corners and the middle: a tuple of five images."""

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = pair(size)

    def forward(self, img: Any) -> tuple[Any, ...]:
        return functional.five_crop(img, self.size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size})"


class TenCrop(torch.nn.Module):
    """The corners and the middle of the image and of the flipped image: a tuple of ten."""

    def __init__(self, size: int | Sequence[int], vertical_flip: bool = False) -> None:
        super().__init__()
        self.size = pair(size)
        self.vertical_flip = vertical_flip

    def forward(self, img: Any) -> tuple[Any, ...]:
        return functional.ten_crop(img, self.size, self.vertical_flip)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, vertical_flip={self.vertical_flip})"


class Pad(torch.nn.Module):
    """A border; see `functional.pad`."""

    def __init__(self, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant") -> None:
        super().__init__()
        if not isinstance(padding, int | tuple | list):
            raise TypeError("Got inappropriate padding arg")
        if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
            raise ValueError("Padding mode should be either constant, edge, reflect or symmetric")
        if not isinstance(padding, int) and len(padding) not in (1, 2, 4):
            raise ValueError(f"Padding must be an int or a 1, 2, or 4 element tuple, not a {len(padding)} element tuple")
        self.padding = padding
        self.fill = fill
        self.padding_mode = padding_mode

    def forward(self, img: Any) -> Any:
        return functional.pad(img, self.padding, self.fill, self.padding_mode)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(padding={self.padding}, fill={self.fill}, padding_mode={self.padding_mode})"


class RandomCrop(torch.nn.Module):
    """A rectangle at a random place.

    Args:
        size: of the rectangle.
        padding: a border that is added first.
        pad_if_needed: add a border where the image is smaller.
        fill, padding_mode: of the border.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: str = "constant",
    ) -> None:
        super().__init__()
        self.size = pair(size)
        self.padding = padding
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = padding_mode

    @staticmethod
    def get_params(img: Any, output_size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Draw ``(top, left, height, width)``."""
        _, h, w = functional.get_dimensions(img)
        height, width = output_size
        if h < height or w < width:
            raise ValueError(f"Required crop size {(height, width)} is larger than input image size {(h, w)}")
        if (w, h) == (width, height):
            return 0, 0, h, w
        return integer(0, h - height + 1), integer(0, w - width + 1), height, width

    def forward(self, img: Any) -> Any:
        if self.padding is not None:
            img = functional.pad(img, self.padding, self.fill, self.padding_mode)
        if self.pad_if_needed:
            height, width = self.size
            for axis, needed in ((2, width), (1, height)):
                missing = needed - functional.get_dimensions(img)[axis]
                if missing > 0:
                    border = [missing, 0] if axis == 2 else [0, missing]
                    img = functional.pad(img, border, self.fill, self.padding_mode)
        return functional.crop(img, *self.get_params(img, self.size))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, padding={self.padding})"


class RandomHorizontalFlip(torch.nn.Module):
    """Left and right exchanged, with probability ``p``."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        return functional.hflip(img) if happens(self.p) else img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomVerticalFlip(torch.nn.Module):
    """Top and bottom exchanged, with probability ``p``."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        return functional.vflip(img) if happens(self.p) else img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomResizedCrop(torch.nn.Module):
    """A rectangle of random size, shape and place, resized.

    Args:
        size: of the result.
        scale: range of the rectangle's area, as a share of the image's.
        ratio: range of its width by its height; log-uniform.
        interpolation, antialias: of the resizing.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        scale: tuple[float, float] = (0.08, 1.0),
        ratio: tuple[float, float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.size = pair(size)
        if not isinstance(scale, Sequence):
            raise TypeError("Scale should be a sequence")
        if not isinstance(ratio, Sequence):
            raise TypeError("Ratio should be a sequence")
        if scale[0] > scale[1] or ratio[0] > ratio[1]:
            warnings.warn("Scale and ratio should be of kind (min, max)", stacklevel=2)
        self.interpolation = interpolation
        self.antialias = antialias
        self.scale = scale
        self.ratio = ratio

    @staticmethod
    def get_params(img: Any, scale: Sequence[float], ratio: Sequence[float]) -> tuple[int, int, int, int]:
        """Draw ``(top, left, height, width)``; ten attempts, then the largest middle of an allowed shape."""
        _, height, width = functional.get_dimensions(img)
        low, high = torch.log(torch.tensor(ratio)).tolist()
        for _ in range(10):
            area = height * width * uniform(*scale)
            aspect = torch.exp(torch.empty(1).uniform_(low, high)).item()
            w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < w <= width and 0 < h <= height:
                return integer(0, height - h + 1), integer(0, width - w + 1), h, w
        w, h = width, height
        if width / height < min(ratio):
            h = round(width / min(ratio))
        elif width / height > max(ratio):
            w = round(height * max(ratio))
        return (height - h) // 2, (width - w) // 2, h, w

    def forward(self, img: Any) -> Any:
        place = self.get_params(img, self.scale, self.ratio)
        return functional.resized_crop(img, *place, self.size, self.interpolation, antialias=self.antialias)

    def __repr__(self) -> str:
        mode = getattr(self.interpolation, "value", self.interpolation)
        return (
            f"{type(self).__name__}(size={self.size}, scale={tuple(round(s, 4) for s in self.scale)}, "
            f"ratio={tuple(round(r, 4) for r in self.ratio)}, interpolation={mode}, antialias={self.antialias})"
        )


def _angles(degrees: float | Sequence[float], name: str, sizes: tuple[int, ...] = (2,)) -> list[float]:
    """A range from one number, ±, or from its two ends."""
    if isinstance(degrees, numbers.Number):
        if degrees < 0:  # type: ignore[operator]
            raise ValueError(f"If {name} is a single number, it must be positive.")
        return [-float(degrees), float(degrees)]  # type: ignore[arg-type]
    if not isinstance(degrees, Sequence):
        raise TypeError(f"{name} should be a sequence of length {' or '.join(map(str, sizes))}.")
    if len(degrees) not in sizes:
        raise ValueError(f"{name} should be a sequence of length {' or '.join(map(str, sizes))}.")
    return [float(d) for d in degrees]


def _fills(fill: Any, img: Any) -> Any:
    """For a tensor, a number for each channel."""
    if isinstance(img, torch.Tensor):
        channels = functional.get_dimensions(img)[0]
        return [float(fill)] * channels if isinstance(fill, int | float) else [float(value) for value in fill]
    return fill


class RandomRotation(torch.nn.Module):
    """Turn by a random angle.

    Args:
        degrees: the range: ±, or from and to; counter-clockwise.
        interpolation, expand, center, fill: as of `functional.rotate`.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        self.degrees = _angles(degrees, "degrees")
        self.center = center
        self.interpolation = interpolation
        self.expand = expand
        self.fill = 0 if fill is None else fill

    @staticmethod
    def get_params(degrees: Sequence[float]) -> float:
        """Draw the angle."""
        return uniform(degrees[0], degrees[1])

    def forward(self, img: Any) -> Any:
        fill = _fills(self.fill, img)
        return functional.rotate(img, self.get_params(self.degrees), self.interpolation, self.expand, self.center, fill)

    def __repr__(self) -> str:
        mode = getattr(self.interpolation, "value", self.interpolation)
        center = "" if self.center is None else f", center={self.center}"
        fill = "" if self.fill is None else f", fill={self.fill}"
        return f"{type(self).__name__}(degrees={self.degrees}, interpolation={mode}, expand={self.expand}{center}{fill})"


class RandomAffine(torch.nn.Module):
    """Turn, shift, scale and shear at random.

    Args:
        degrees: range of the angle, clockwise: ±, or from and to.
        translate: the largest shifts, as shares of width and height.
        scale: range of the scale.
        shear: range of the shear along x, in degrees: ±, or from and to; with four numbers also along y.
        interpolation, fill, center: as of `functional.affine`.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
        fill: Any = 0,
        center: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.degrees = _angles(degrees, "degrees")
        if translate is not None and not (len(translate) == 2 and all(0.0 <= t <= 1.0 for t in translate)):
            raise ValueError("translation values should be between 0 and 1")
        if scale is not None and not (len(scale) == 2 and all(s > 0 for s in scale)):
            raise ValueError("scale values should be positive")
        self.translate = translate
        self.scale = scale
        self.shear = None if shear is None else _angles(shear, "shear", (2, 4))
        self.interpolation = interpolation
        self.fill = 0 if fill is None else fill
        self.center = center

    @staticmethod
    def get_params(
        degrees: Sequence[float],
        translate: Sequence[float] | None,
        scale_ranges: Sequence[float] | None,
        shears: Sequence[float] | None,
        img_size: Sequence[int],
    ) -> tuple[float, tuple[int, int], float, tuple[float, float]]:
        """Draw ``(angle, shifts, scale, shears)``."""
        angle = uniform(degrees[0], degrees[1])
        shifts = (0, 0)
        if translate is not None:
            far = [float(share * size) for share, size in zip(translate, img_size, strict=True)]
            shifts = round(uniform(-far[0], far[0])), round(uniform(-far[1], far[1]))
        scale = 1.0 if scale_ranges is None else uniform(scale_ranges[0], scale_ranges[1])
        x = y = 0.0
        if shears is not None:
            x = uniform(shears[0], shears[1])
            y = uniform(shears[2], shears[3]) if len(shears) == 4 else 0.0
        return angle, shifts, scale, (x, y)

    def forward(self, img: Any) -> Any:
        size = functional.get_image_size(img)
        drawn = self.get_params(self.degrees, self.translate, self.scale, self.shear, size)
        return functional.affine(img, *drawn, self.interpolation, _fills(self.fill, img), self.center)

    def __repr__(self) -> str:
        mode = getattr(self.interpolation, "value", self.interpolation)
        shown = {"translate": self.translate, "scale": self.scale, "shear": self.shear}
        facts = [f"degrees={self.degrees}", *(f"{k}={v}" for k, v in shown.items() if v is not None)]
        facts += [f"interpolation={mode}"] if mode != "nearest" else []
        facts += [f"fill={self.fill}"] if self.fill != 0 else []
        facts += [f"center={self.center}"] if self.center is not None else []
        return f"{type(self).__name__}({', '.join(facts)})"


class RandomPerspective(torch.nn.Module):
    """Move the corners at random, with probability ``p``.

    Args:
        distortion_scale: how far: 1 lets each corner reach the middle.
        p: the probability.
        interpolation, fill: as of `functional.perspective`.
    """

    def __init__(
        self,
        distortion_scale: float = 0.5,
        p: float = 0.5,
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        self.p = p
        self.interpolation = interpolation
        self.distortion_scale = distortion_scale
        self.fill = 0 if fill is None else fill

    @staticmethod
    def get_params(width: int, height: int, distortion_scale: float) -> tuple[list[list[int]], list[list[int]]]:
        """Draw where the corners (clockwise from the top left) go."""
        x = int(distortion_scale * (width // 2))
        y = int(distortion_scale * (height // 2))
        ends = [
            [integer(0, x + 1), integer(0, y + 1)],
            [integer(width - x - 1, width), integer(0, y + 1)],
            [integer(width - x - 1, width), integer(height - y - 1, height)],
            [integer(0, x + 1), integer(height - y - 1, height)],
        ]
        return [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], ends

    def forward(self, img: Any) -> Any:
        if not happens(self.p):
            return img
        _, height, width = functional.get_dimensions(img)
        corners = self.get_params(width, height, self.distortion_scale)
        return functional.perspective(img, *corners, self.interpolation, _fills(self.fill, img))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"
