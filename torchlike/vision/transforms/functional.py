"""Transforms as functions, of a PIL image or a tensor ``(*, C, H, W)``; the two kinds are in modules of their own."""

import functools
import math
import numbers
from collections.abc import Sequence
from enum import Enum
from typing import Any

import numpy as np
import PIL.Image

import torchlike as torch
from torchlike.vision.transforms import _functional_pil as pil, _functional_tensor as tensors


class InterpolationMode(Enum):
    """How values between pixels are found."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


_PIL_NUMBER = {"nearest": 0, "nearest-exact": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}
_BY_PIL_NUMBER = {_PIL_NUMBER[mode.value]: mode for mode in reversed(InterpolationMode)}


def _mode(interpolation: InterpolationMode | int) -> str:
    if isinstance(interpolation, int):
        return _BY_PIL_NUMBER[interpolation].value
    if not isinstance(interpolation, InterpolationMode):
        raise TypeError("Argument interpolation should be a InterpolationMode or a corresponding Pillow integer constant")
    return interpolation.value


def _is_tensor(image: Any) -> bool:
    """Whether it is a tensor rather than a PIL image; TypeError for anything else."""
    if isinstance(image, torch.Tensor):
        if image.ndim < 2:
            raise TypeError("Tensor is not a torch image.")
        return True
    if isinstance(image, PIL.Image.Image):
        return False
    raise TypeError(f"img should be PIL Image or Tensor. Got {type(image)}")


def get_dimensions(img: Any) -> list[int]:
    """``[channels, height, width]``."""
    if _is_tensor(img):
        return [1 if img.ndim == 2 else img.shape[-3], *img.shape[-2:]]
    return [len(img.getbands()), img.height, img.width]


def get_image_size(img: Any) -> list[int]:
    """``[width, height]``."""
    return get_dimensions(img)[:0:-1]


def get_image_num_channels(img: Any) -> int:
    """The number of channels."""
    return get_dimensions(img)[0]


# Between PIL, NumPy and tensors


def to_tensor(pic: PIL.Image.Image | np.ndarray) -> torch.Tensor:
    """An image, or an array ``(H, W, C)`` or ``(H, W)``, as a tensor ``(C, H, W)``; bytes become floats from 0 to 1."""
    if isinstance(pic, PIL.Image.Image):
        array = pil.to_array(pic)
    elif isinstance(pic, np.ndarray):
        if pic.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        array = pic
    else:
        raise TypeError(f"pic should be PIL Image or ndarray. Got {type(pic)}")
    array = array[:, :, None] if array.ndim == 2 else array
    array = array.transpose(2, 0, 1)
    if array.dtype != np.uint8:
        return torch.from_numpy(np.array(array, order="C"))
    # in NumPy, so that it is one pass over the memory; the quotients are torch's
    scaled = torch.from_numpy(np.divide(array, np.float32(255), dtype=np.float32, order="C"))
    default = torch.get_default_dtype()
    return scaled if default == torch.float32 else torch.from_numpy(np.array(array, order="C")).to(default).div(255)


def pil_to_tensor(pic: PIL.Image.Image) -> torch.Tensor:
    """An image as a tensor ``(C, H, W)`` of the same type."""
    if not isinstance(pic, PIL.Image.Image):
        raise TypeError(f"pic should be PIL Image. Got {type(pic)}")
    array = pil.to_array(pic)
    array = array[:, :, None] if array.ndim == 2 else array
    return torch.from_numpy(np.array(array.transpose(2, 0, 1), order="C"))


def convert_image_dtype(image: torch.Tensor, dtype: torch.dtype = torch.float) -> torch.Tensor:
    """Another dtype, with values scaled to its range: 0 to 1 for floats, 0 to the largest for ints."""
    if not isinstance(image, torch.Tensor):
        raise TypeError("Input img should be Tensor Image")
    return tensors.convert_image_dtype(image, dtype)


_MODES = {2: ("LA",), 3: ("RGB", "YCbCr", "HSV", "LAB"), 4: ("RGBA", "CMYK", "RGBX")}
_GREY = {np.dtype(np.uint8): "L", np.dtype(np.int16): "I;16", np.dtype(np.int32): "I", np.dtype(np.float32): "F"}


def to_pil_image(pic: torch.Tensor | np.ndarray, mode: str | None = None) -> PIL.Image.Image:
    """A tensor ``(C, H, W)`` or array ``(H, W, C)`` as an image; floats are taken to go from 0 to 1.

    Args:
        pic: with 1 to 4 channels, or none.
        mode: PIL's; by default L, I, F (by the dtype), LA, RGB or RGBA (by the channels).
    """
    if isinstance(pic, torch.Tensor):
        if pic.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        if pic.ndim == 3 and pic.shape[0] > 4:
            raise ValueError(f"pic should not have > 4 channels. Got {pic.shape[0]} channels.")
        array = pic.detach().cpu().numpy()
        array = array[None] if array.ndim == 2 else array
        if array.dtype.kind == "f" and mode != "F":
            array = (array * array.dtype.type(255)).astype(np.uint8)
        array = array.transpose(1, 2, 0)
    elif isinstance(pic, np.ndarray):
        if pic.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        array = pic[:, :, None] if pic.ndim == 2 else pic
        if array.shape[2] > 4:
            raise ValueError(f"pic should not have > 4 channels. Got {array.shape[2]} channels.")
    else:
        raise TypeError(f"pic should be Tensor or ndarray. Got {type(pic)}.")
    channels = array.shape[2]
    if channels == 1:
        expected = _GREY.get(array.dtype)
        if expected is None:
            raise TypeError(f"Input type {array.dtype} is not supported")
        if mode not in (None, expected):
            raise ValueError(f"Incorrect mode ({mode}) supplied for input type {array.dtype}. Should be {expected}")
        return PIL.Image.fromarray(np.ascontiguousarray(array[:, :, 0]))
    permitted = _MODES[channels]
    if mode not in (None, *permitted):
        raise ValueError(f"Only modes {permitted} are supported for {channels}D inputs")
    if array.dtype != np.uint8:
        raise TypeError(f"Input type {array.dtype} is not supported")
    mode = mode or {2: "LA", 3: "RGB", 4: "RGBA"}[channels]
    height, width = array.shape[:2]
    return PIL.Image.frombytes(mode, (width, height), np.ascontiguousarray(array).tobytes())


def normalize(tensor: torch.Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> torch.Tensor:
    """``(tensor - mean) / std``, channel by channel."""
    if not isinstance(tensor, torch.Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(tensor)}")
    if not tensor.is_floating_point():
        raise TypeError(f"Input tensor should be a float tensor. Got {tensor.dtype}.")
    if tensor.ndim < 3:
        raise ValueError(f"Expected tensor to be a tensor image of size (..., C, H, W). Got tensor.size() = {tensor.size()}")
    if any(float(value) == 0 for value in std):
        raise ValueError(f"std evaluated to zero after conversion to {tensor.dtype}, leading to division by zero.")
    center, spread = (
        _per_channel(tuple(values) if isinstance(values, Sequence) else values, tensor.dtype, tensor.device)
        for values in (mean, std)
    )
    if inplace:
        return tensor.sub_(center).div_(spread)
    return (tensor - center) / spread


def _per_channel(values: Any, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Numbers, or a tensor of them, as ``(C, 1, 1)``."""
    if isinstance(values, tuple):
        return _cached_per_channel(values, dtype, device)
    values = torch.as_tensor(values, dtype=dtype, device=device)
    return values.view(-1, 1, 1) if values.ndim == 1 else values


@functools.lru_cache(maxsize=64)  # the same few numbers for every sample
def _cached_per_channel(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    return torch.tensor([float(value) for value in values], dtype=dtype, device=device).view(-1, 1, 1)


# Geometry


def resize(
    img: Any,
    size: int | Sequence[int],
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """Resize to ``(height, width)``, or so that the smaller edge is ``size``.

    Args:
        img: the image.
        size: an int, a sequence of one, or of two.
        interpolation: nearest, bilinear or bicubic for tensors; all for PIL images.
        max_size: for an int: the larger edge is at most this.
        antialias: for tensors (PIL always does): blur when making smaller.
    """
    mode = _mode(interpolation)
    _, height, width = get_dimensions(img)
    sizes = [size] if isinstance(size, int) else list(size)
    if len(sizes) not in (1, 2):
        raise ValueError("Size must be an int or a 1 or 2 element tuple/list")
    if len(sizes) == 1:
        sizes = _keep_aspect(height, width, sizes[0], max_size)
    elif max_size is not None:
        raise ValueError("max_size should only be passed if size specifies the length of the smaller edge")
    if sizes == [height, width]:
        return img
    if _is_tensor(img):
        return tensors.resize(img, sizes, mode, bool(antialias))
    return img.resize(sizes[::-1], _PIL_NUMBER[mode])


def _keep_aspect(height: int, width: int, size: int, max_size: int | None) -> list[int]:
    short, long = min(height, width), max(height, width)
    new_short, new_long = size, int(size * long / short)
    if max_size is not None:
        if max_size <= size:
            raise ValueError(
                f"max_size = {max_size} must be strictly greater than the requested size for the smaller edge size = {size}"
            )
        if new_long > max_size:
            new_short, new_long = int(max_size * new_short / new_long), max_size
    return [new_long, new_short] if width <= height else [new_short, new_long]


def pad(img: Any, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant") -> Any:
    """Add a border.

    Args:
        img: the image.
        padding: for all sides; or left/right and top/bottom; or left, top, right and bottom. Negative crops.
        fill: of a constant border; a number or one a channel.
        padding_mode: ``"constant"``, ``"edge"``, ``"reflect"`` or ``"symmetric"``.
    """
    if not isinstance(padding, int | tuple | list):
        raise TypeError("Got inappropriate padding arg")
    sides = [padding] if isinstance(padding, int) else list(padding)
    if len(sides) not in (1, 2, 4):
        raise ValueError(f"Padding must be an int or a 1, 2, or 4 element tuple, not a {len(sides)} element tuple")
    if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ValueError("Padding mode should be either constant, edge, reflect or symmetric")
    left, top, right, bottom = sides * (4 // len(sides))
    kind = tensors if _is_tensor(img) else pil
    return kind.pad(img, left, top, right, bottom, fill, padding_mode)


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """A rectangle of the image; zeros where it reaches over the edge."""
    if not _is_tensor(img):
        return img.crop((left, top, left + width, top + height))
    _, h, w = get_dimensions(img)
    right, bottom = left + width, top + height
    if left >= 0 and top >= 0 and right <= w and bottom <= h:
        return img[..., top:bottom, left:right]
    inner = img[..., max(top, 0) : bottom, max(left, 0) : right]
    border = (max(-left + min(0, right), 0), max(-top + min(0, bottom), 0), max(right - max(w, left), 0),
              max(bottom - max(h, top), 0))  # fmt: skip
    return tensors.pad(inner, *border, 0, "constant")


def center_crop(img: Any, output_size: int | Sequence[int]) -> Any:
    """The middle of the image; zeros around it where the image is smaller."""
    sizes = [int(output_size)] if isinstance(output_size, numbers.Number) else list(output_size)
    height, width = sizes * (2 // len(sizes))
    _, h, w = get_dimensions(img)
    if width > w or height > h:
        img = pad(img, [max((width - w) // 2, 0), max((height - h) // 2, 0), max((width - w + 1) // 2, 0),
                        max((height - h + 1) // 2, 0)], fill=0)  # fmt: skip
        _, h, w = get_dimensions(img)
        if (width, height) == (w, h):
            return img
    return crop(img, round((h - height) / 2.0), round((w - width) / 2.0), height, width)


def resized_crop(
    img: Any,
    top: int,
    left: int,
    height: int,
    width: int,
    size: Sequence[int],
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Any:
    """A rectangle of the image, resized."""
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)


def hflip(img: Any) -> Any:
    """Left and right exchanged."""
    return img.flip(-1) if _is_tensor(img) else img.transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT)


def vflip(img: Any) -> Any:
    """Top and bottom exchanged."""
    return img.flip(-2) if _is_tensor(img) else img.transpose(PIL.Image.Transpose.FLIP_TOP_BOTTOM)


def five_crop(img: Any, size: int | Sequence[int]) -> tuple[Any, Any, Any, Any, Any]:
    """The four corners (top left, top right, bottom left, bottom right) and the middle."""
    sizes = [int(size)] if isinstance(size, numbers.Number) else list(size)
    if len(sizes) not in (1, 2):
        raise ValueError("Please provide only two dimensions (h, w) for size.")
    height, width = sizes * (2 // len(sizes))
    _, h, w = get_dimensions(img)
    if width > w or height > h:
        raise ValueError(f"Requested crop size {(height, width)} is bigger than input size {(h, w)}")
    corners = [(0, 0), (0, w - width), (h - height, 0), (h - height, w - width)]
    return (*(crop(img, top, left, height, width) for top, left in corners), center_crop(img, [height, width]))  # type: ignore[return-value]


def ten_crop(img: Any, size: int | Sequence[int], vertical_flip: bool = False) -> tuple[Any, ...]:
    """`five_crop` of the image and of the flipped image."""
    return five_crop(img, size) + five_crop(vflip(img) if vertical_flip else hflip(img), size)


def rotate(
    img: Any,
    angle: float,
    interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Sequence[int] | None = None,
    fill: Any = None,
) -> Any:
    """Turn counter-clockwise, by degrees.

    Args:
        img: the image.
        angle: in degrees.
        interpolation: nearest or bilinear; for PIL images also bicubic.
        expand: make the image large enough to hold all of it.
        center: ``(x, y)``; by default the middle.
        fill: for what comes in from outside.
    """
    mode = _mode(interpolation)
    if not _is_tensor(img):
        return img.rotate(angle, _PIL_NUMBER[mode], expand, center, fillcolor=pil.fill_of(fill, img))
    _, height, width = get_dimensions(img)
    middle = (0.0, 0.0) if center is None else (center[0] - width * 0.5, center[1] - height * 0.5)
    matrix = inverse_affine_matrix(middle, -angle, (0.0, 0.0), 1.0, (0.0, 0.0))
    return tensors.affine(img, matrix, mode, fill, expand)


def affine(
    img: Any,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: float | Sequence[float],
    interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
    fill: Any = None,
    center: Sequence[int] | None = None,
) -> Any:
    """Turn clockwise (degrees), shear (degrees), scale and shift (pixels), in this order, about the middle."""
    mode = _mode(interpolation)
    if scale <= 0.0:
        raise ValueError("Argument scale should be positive")
    if len(translate) != 2:
        raise ValueError("Argument translate should be a sequence of length 2")
    shears = [float(shear), 0.0] if isinstance(shear, numbers.Number) else [*map(float, shear)]
    shears = [shears[0], 0.0] if len(shears) == 1 else shears
    if len(shears) != 2:
        raise ValueError(f"Shear should be a sequence containing two values. Got {shear}")
    _, height, width = get_dimensions(img)
    if not _is_tensor(img):
        middle = (width * 0.5, height * 0.5) if center is None else center
        matrix = inverse_affine_matrix(middle, angle, translate, scale, shears)
        options = {"fillcolor": pil.fill_of(fill, img)}
        return img.transform(img.size, PIL.Image.Transform.AFFINE, matrix, _PIL_NUMBER[mode], **options)
    middle = (0.0, 0.0) if center is None else (center[0] - width * 0.5, center[1] - height * 0.5)
    return tensors.affine(img, inverse_affine_matrix(middle, angle, translate, scale, shears), mode, fill)


def inverse_affine_matrix(
    center: Sequence[float], angle: float, translate: Sequence[float], scale: float, shear: Sequence[float]
) -> list[float]:
    """Where each pixel comes from, as six numbers: the inverse of shift · centre · rotate, shear, scale · -centre.

    With R(a) a rotation, S(x) a shear along x: rotating by a and shearing by (sx, sy) is R(a) S_y(sy) S_x(sx).
    """
    turn, (sx, sy) = math.radians(angle), map(math.radians, shear)
    a = math.cos(turn - sy) / math.cos(sy)
    b = -a * math.tan(sx) - math.sin(turn)
    c = math.sin(turn - sy) / math.cos(sy)
    d = -c * math.tan(sx) + math.cos(turn)
    inverse = [d / scale, -b / scale, -c / scale, a / scale]  # the determinant of rotation and shear is 1
    x, y = center[0] + translate[0], center[1] + translate[1]
    return [
        inverse[0], inverse[1], center[0] - inverse[0] * x - inverse[1] * y,
        inverse[2], inverse[3], center[1] - inverse[2] * x - inverse[3] * y,
    ]  # fmt: skip


def perspective(
    img: Any,
    startpoints: Sequence[Sequence[int]],
    endpoints: Sequence[Sequence[int]],
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    fill: Any = None,
) -> Any:
    """Move four points of the image (each ``(x, y)``), and everything between them, to four others."""
    mode = _mode(interpolation)
    coefficients = _perspective_coefficients(startpoints, endpoints)
    if _is_tensor(img):
        return tensors.perspective(img, coefficients, mode, fill)
    options = {"fillcolor": pil.fill_of(fill, img)}
    return img.transform(img.size, PIL.Image.Transform.PERSPECTIVE, coefficients, _PIL_NUMBER[mode], **options)


def _perspective_coefficients(start: Sequence[Sequence[int]], end: Sequence[Sequence[int]]) -> list[float]:
    """a to h with x' = (a x + b y + c) / (g x + h y + 1), y' = (d x + e y + f) / (g x + h y + 1), from end to start."""
    rows, values = [], []
    for (x, y), (u, v) in zip(end, start, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return np.linalg.lstsq(np.array(rows, np.float64), np.array(values, np.float64), rcond=None)[0].tolist()


# Colour


def adjust_brightness(img: Any, brightness_factor: float) -> Any:
    """0 is black, 1 the image, 2 twice as bright."""
    if _is_tensor(img):
        return tensors.adjust_brightness(img, brightness_factor)
    return pil.ImageEnhance.Brightness(img).enhance(brightness_factor)


def adjust_contrast(img: Any, contrast_factor: float) -> Any:
    """0 is grey, 1 the image."""
    if _is_tensor(img):
        return tensors.adjust_contrast(img, contrast_factor)
    return pil.ImageEnhance.Contrast(img).enhance(contrast_factor)


def adjust_saturation(img: Any, saturation_factor: float) -> Any:
    """0 is black and white, 1 the image."""
    if _is_tensor(img):
        return tensors.adjust_saturation(img, saturation_factor)
    return pil.ImageEnhance.Color(img).enhance(saturation_factor)


def adjust_hue(img: Any, hue_factor: float) -> Any:
    """Turn the colours on their circle: ±0.5 gives the complements."""
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"hue_factor ({hue_factor}) is not in [-0.5, 0.5].")
    return (tensors if _is_tensor(img) else pil).adjust_hue(img, hue_factor)


def adjust_gamma(img: Any, gamma: float, gain: float = 1) -> Any:
    """``gain * img ** gamma``, for values from 0 to 1."""
    if gamma < 0:
        raise ValueError("Gamma should be a non-negative real number")
    return (tensors if _is_tensor(img) else pil).adjust_gamma(img, gamma, gain)


def adjust_sharpness(img: Any, sharpness_factor: float) -> Any:
    """0 is blurred, 1 the image, 2 sharper."""
    if _is_tensor(img):
        return tensors.adjust_sharpness(img, sharpness_factor)
    return pil.ImageEnhance.Sharpness(img).enhance(sharpness_factor)


def to_grayscale(img: PIL.Image.Image, num_output_channels: int = 1) -> PIL.Image.Image:
    """A PIL image in grey, with one channel or three equal ones."""
    if not isinstance(img, PIL.Image.Image):
        raise TypeError("Input should be PIL Image")
    return pil.to_grayscale(img, num_output_channels)


def rgb_to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """The image in grey, with one channel or three equal ones."""
    return (tensors.rgb_to_grayscale if _is_tensor(img) else pil.to_grayscale)(img, num_output_channels)


def invert(img: Any) -> Any:
    """Dark and light exchanged."""
    return tensors.invert(img) if _is_tensor(img) else pil.ImageOps.invert(img)


def posterize(img: Any, bits: int) -> Any:
    """Keep only so many bits of each value, 0 to 8."""
    if not 0 <= bits <= 8:
        raise ValueError(f"The number if bits should be between 0 and 8. Got {bits}")
    return tensors.posterize(img, bits) if _is_tensor(img) else pil.ImageOps.posterize(img, bits)


def solarize(img: Any, threshold: float) -> Any:
    """Invert the values from a threshold on."""
    return tensors.solarize(img, threshold) if _is_tensor(img) else pil.ImageOps.solarize(img, threshold)


def autocontrast(img: Any) -> Any:
    """Stretch each channel to the whole range."""
    return tensors.autocontrast(img) if _is_tensor(img) else pil.ImageOps.autocontrast(img)


def equalize(img: Any) -> Any:
    """Make each channel's values equally frequent."""
    return tensors.equalize(img) if _is_tensor(img) else pil.ImageOps.equalize(img)


def gaussian_blur(img: Any, kernel_size: int | Sequence[int], sigma: float | Sequence[float] | None = None) -> Any:
    """Blur by a Gaussian kernel.

    Args:
        img: the image.
        kernel_size: odd, or a pair of odds for x and y.
        sigma: the standard deviation, or a pair; by default ``0.3 * ((kernel_size - 1) * 0.5 - 1) + 0.8``.
    """
    sizes = [kernel_size] * 2 if isinstance(kernel_size, int) else list(kernel_size)
    if len(sizes) != 2 or any(n % 2 == 0 or n < 0 for n in sizes):
        raise ValueError(f"kernel_size should have odd and positive integers. Got {kernel_size}")
    if sigma is None:
        sigmas = [0.3 * ((n - 1) * 0.5 - 1) + 0.8 for n in sizes]
    else:
        sigmas = [float(sigma)] * 2 if isinstance(sigma, numbers.Number) else [*map(float, sigma)]
        sigmas = sigmas * 2 if len(sigmas) == 1 else sigmas
    if len(sigmas) != 2 or any(s <= 0.0 for s in sigmas):
        raise ValueError(f"sigma should have positive values. Got {sigma}")
    if _is_tensor(img):
        return tensors.gaussian_blur(img, sizes, sigmas)
    return to_pil_image(tensors.gaussian_blur(pil_to_tensor(img), sizes, sigmas), mode=img.mode)


def erase(img: torch.Tensor, i: int, j: int, h: int, w: int, v: torch.Tensor, inplace: bool = False) -> torch.Tensor:
    """Overwrite the rectangle at row ``i``, column ``j`` by ``v``."""
    if not isinstance(img, torch.Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(img)}")
    if not inplace:
        img = img.clone()
    img[..., i : i + h, j : j + w] = v
    return img
