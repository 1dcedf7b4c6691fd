"""Transforms of colour and detail. Random ones draw from torch's generator what torchvision's draw, in its order."""

import math
import numbers
from collections.abc import Sequence
from typing import Any

import torchlike as torch
from torchlike.vision.transforms import functional
from torchlike.vision.transforms._geometry import happens, integer, uniform

Range = float | tuple[float, float]


class ColorJitter(torch.nn.Module):
    """Change brightness, contrast, saturation and hue at random, in random order.

    Args:
        brightness, contrast, saturation: the range of each factor; one number ``v`` means
            ``max(0, 1 - v)`` to ``1 + v``.
        hue: the range of the shift, within ±0.5; one number means ±.
    """

    def __init__(self, brightness: Range = 0, contrast: Range = 0, saturation: Range = 0, hue: Range = 0) -> None:
        super().__init__()
        self.brightness = _factors(brightness, "brightness")
        self.contrast = _factors(contrast, "contrast")
        self.saturation = _factors(saturation, "saturation")
        self.hue = _factors(hue, "hue", center=0.0, bounds=(-0.5, 0.5))

    @staticmethod
    def get_params(
        brightness: Sequence[float] | None,
        contrast: Sequence[float] | None,
        saturation: Sequence[float] | None,
        hue: Sequence[float] | None,
    ) -> tuple[list[int], float | None, float | None, float | None, float | None]:
        """Draw the order and the factors."""
        order = torch.randperm(4).tolist()
        drawn = [None if bounds is None else uniform(*bounds) for bounds in (brightness, contrast, saturation, hue)]
        return order, *drawn  # type: ignore[return-value]

    def forward(self, img: Any) -> Any:
        order, *factors = self.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        adjust = (
            functional.adjust_brightness,
            functional.adjust_contrast,
            functional.adjust_saturation,
            functional.adjust_hue,
        )
        for i in order:
            if factors[i] is not None:
                img = adjust[i](img, factors[i])
        return img

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(brightness={self.brightness}, contrast={self.contrast}, "
            f"saturation={self.saturation}, hue={self.hue})"
        )


def _factors(
    value: Range, name: str, center: float = 1.0, bounds: tuple[float, float] = (0.0, math.inf)
) -> tuple[float, float] | None:
    if isinstance(value, numbers.Number):
        if value < 0:  # type: ignore[operator]
            raise ValueError(f"If {name} is a single number, it must be non negative.")
        low, high = center - float(value), center + float(value)  # type: ignore[arg-type]
        if name != "hue":
            low = max(low, 0.0)
    elif isinstance(value, tuple | list) and len(value) == 2:
        low, high = float(value[0]), float(value[1])
    else:
        raise TypeError(f"{name} should be a single number or a list/tuple with length 2.")
    if not bounds[0] <= low <= high <= bounds[1]:
        raise ValueError(f"{name} values should be between {bounds}, but got {[low, high]}.")
    return None if low == high == center else (low, high)


class Grayscale(torch.nn.Module):
    """In grey, with one channel or three equal ones."""

    def __init__(self, num_output_channels: int = 1) -> None:
        super().__init__()
        self.num_output_channels = num_output_channels

    def forward(self, img: Any) -> Any:
        return functional.rgb_to_grayscale(img, self.num_output_channels)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(num_output_channels={self.num_output_channels})"


class RandomGrayscale(torch.nn.Module):
    """In grey with probability ``p``, with as many channels as before."""

    def __init__(self, p: float = 0.1) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        channels = functional.get_image_num_channels(img)
        return functional.rgb_to_grayscale(img, channels) if happens(self.p) else img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class GaussianBlur(torch.nn.Module):
    """Blur.

    Args:
        kernel_size: odd, or a pair of odds.
        sigma: the standard deviation, or the range that it is drawn from.
    """

    def __init__(self, kernel_size: int | Sequence[int], sigma: float | tuple[float, float] = (0.1, 2.0)) -> None:
        super().__init__()
        sizes = (kernel_size, kernel_size) if isinstance(kernel_size, int) else tuple(kernel_size)
        if any(size <= 0 or size % 2 == 0 for size in sizes):
            raise ValueError("Kernel size value should be an odd and positive number.")
        if isinstance(sigma, numbers.Number):
            if sigma <= 0:  # type: ignore[operator]
                raise ValueError("If sigma is a single number, it must be positive.")
            sigma = (float(sigma), float(sigma))  # type: ignore[arg-type]
        if not 0.0 < sigma[0] <= sigma[1]:  # type: ignore[index]
            raise ValueError("sigma values should be positive and of the form (min, max).")
        self.kernel_size = sizes
        self.sigma = sigma

    @staticmethod
    def get_params(sigma_min: float, sigma_max: float) -> float:
        """Draw the standard deviation."""
        return uniform(sigma_min, sigma_max)

    def forward(self, img: Any) -> Any:
        sigma = self.get_params(self.sigma[0], self.sigma[1])  # type: ignore[index]
        return functional.gaussian_blur(img, self.kernel_size, [sigma, sigma])

    def __repr__(self) -> str:
        return f"{type(self).__name__}(kernel_size={self.kernel_size}, sigma={self.sigma})"


class RandomErasing(torch.nn.Module):
    """Overwrite a random rectangle of a tensor, with probability ``p``.

    Args:
        p: the probability.
        scale: range of the rectangle's area, as a share of the image's.
        ratio: range of its height by its width; log-uniform.
        value: a number, one a channel, or ``"random"`` for normal noise.
        inplace: change the tensor itself.
    Source:
        Zhong et al. 2017, https://arxiv.org/abs/1708.04896.
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: tuple[float, float] = (0.02, 0.33),
        ratio: tuple[float, float] = (0.3, 3.3),
        value: float | Sequence[float] | str = 0,
        inplace: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(value, numbers.Number | str | tuple | list):
            raise TypeError("Argument value should be either a number or str or a sequence")
        if isinstance(value, str) and value != "random":
            raise ValueError("If value is str, it should be 'random'")
        if scale[0] < 0 or scale[1] > 1:
            raise ValueError("Scale should be between 0 and 1")
        if p < 0 or p > 1:
            raise ValueError("Random erasing probability should be between 0 and 1")
        self.p = p
        self.scale = scale
        self.ratio = ratio
        self.value = value
        self.inplace = inplace

    @staticmethod
    def get_params(
        img: torch.Tensor, scale: Sequence[float], ratio: Sequence[float], value: list[float] | None = None
    ) -> tuple[int, int, int, int, torch.Tensor]:
        """Draw ``(top, left, height, width, value)``; after ten failures the image itself."""
        channels, height, width = img.shape[-3:]
        low, high = torch.log(torch.tensor(ratio)).tolist()
        for _ in range(10):
            area = height * width * uniform(*scale)
            aspect = torch.exp(torch.empty(1).uniform_(low, high)).item()
            h, w = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if not (h < height and w < width):
                continue
            if value is None:
                fill = torch.empty([channels, h, w], dtype=torch.float32).normal_()
            else:
                fill = torch.tensor(value)[:, None, None]
            return integer(0, height - h + 1), integer(0, width - w + 1), h, w, fill
        return 0, 0, height, width, img

    def forward(self, img: torch.Tensor) -> torch.Tensor:
        if not happens(self.p):
            return img
        if isinstance(self.value, str):
            value = None
        else:
            value = [float(v) for v in self.value] if isinstance(self.value, tuple | list) else [float(self.value)]
            if len(value) not in (1, img.shape[-3]):
                raise ValueError(
                    f"If value is a sequence, it should have either a single value or {img.shape[-3]} (number of input channels)"
                )
        return functional.erase(img, *self.get_params(img, self.scale, self.ratio, value), self.inplace)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(p={self.p}, scale={self.scale}, ratio={self.ratio}, value={self.value}, "
            f"inplace={self.inplace})"
        )


class _WithProbability(torch.nn.Module):
    """A function of `functional`, applied with probability ``p``; ``facts`` are its other arguments."""

    def __init__(self, p: float, **facts: Any) -> None:
        super().__init__()
        self.p = p
        for name, value in facts.items():
            setattr(self, name, value)
        self._facts = tuple(facts)

    def apply_to(self, img: Any) -> Any:
        raise NotImplementedError

    def forward(self, img: Any) -> Any:
        return self.apply_to(img) if happens(self.p) else img

    def __repr__(self) -> str:
        shown = [f"{name}={getattr(self, name)}" for name in (*self._facts, "p")]
        return f"{type(self).__name__}({','.join(shown)})"


class RandomInvert(_WithProbability):
    """Dark and light exchanged."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__(p)

    def apply_to(self, img: Any) -> Any:
        return functional.invert(img)


class RandomPosterize(_WithProbability):
    """Only so many bits of each value."""

    def __init__(self, bits: int, p: float = 0.5) -> None:
        super().__init__(p, bits=bits)

    def apply_to(self, img: Any) -> Any:
        return functional.posterize(img, self.bits)


class RandomSolarize(_WithProbability):
    """The values from a threshold on inverted."""

    def __init__(self, threshold: float, p: float = 0.5) -> None:
        super().__init__(p, threshold=threshold)

    def apply_to(self, img: Any) -> Any:
        return functional.solarize(img, self.threshold)


class RandomAdjustSharpness(_WithProbability):
    """Sharper, or less so."""

    def __init__(self, sharpness_factor: float, p: float = 0.5) -> None:
        super().__init__(p, sharpness_factor=sharpness_factor)

    def apply_to(self, img: Any) -> Any:
        return functional.adjust_sharpness(img, self.sharpness_factor)


class RandomAutocontrast(_WithProbability):
    """Each channel stretched to the whole range."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__(p)

    def apply_to(self, img: Any) -> Any:
        return functional.autocontrast(img)


class RandomEqualize(_WithProbability):
    """Each channel's values equally frequent."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__(p)

    def apply_to(self, img: Any) -> Any:
        return functional.equalize(img)
