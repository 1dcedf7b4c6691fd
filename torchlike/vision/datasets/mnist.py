"""MNIST and the datasets that come in its file format."""

import os
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import PIL.Image

import torchlike as torch
from torchlike.vision.datasets import download as downloads
from torchlike.vision.datasets.formats import read_idx
from torchlike.vision.datasets.vision import VisionDataset


class MNIST(VisionDataset):
    """Handwritten digits, 28 × 28: 60,000 to train, 10,000 to test.

    Args:
        root: the files are in ``root/MNIST/raw``, unpacked or as ``.gz``.
        train: the training set, or else the test set.
        transform: for the image, a PIL image of mode L.
        target_transform: for the label, an int.
        download: get what is missing.
    Attributes:
        data: the images, uint8, shape ``(N, 28, 28)``.
        targets: the labels, int64, shape ``(N,)``.
    Source:
        LeCun et al. 1998, "Gradient-based learning applied to document recognition".
    """

    mirrors: ClassVar[list[Any]] = [
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ]
    resources: ClassVar[list[Any]] = [
        ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
        ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
        ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
    ]
    classes: ClassVar[list[Any]] = [
        "0 - zero", "1 - one", "2 - two", "3 - three", "4 - four", "5 - five", "6 - six", "7 - seven", "8 - eight",
        "9 - nine",
    ]  # fmt: skip

    def __init__(
        self,
        root: str | os.PathLike[str],
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        if download:
            self.download()
        if not self._check_exists():
            raise RuntimeError(f"Dataset not found in {self.raw_folder}. You can use download=True to download it")
        self.data, self.targets = self._load_data()
        self._arrays: dict[str, tuple[Any, Any]] = {}

    def _load_data(self) -> tuple[Any, Any]:
        prefix = "train" if self.train else "t10k"
        images = read_idx(self._file(f"{prefix}-images-idx3-ubyte.gz"))
        labels = read_idx(self._file(f"{prefix}-labels-idx1-ubyte.gz"))
        if images.dtype != np.uint8 or images.ndim != 3 or labels.dtype != np.uint8 or labels.ndim != 1:
            raise ValueError(
                f"{type(self).__name__} should hold uint8 images of shape (N, H, W) and uint8 labels, got "
                f"{images.dtype} {images.shape} and {labels.dtype} {labels.shape}"
            )
        if len(images) != len(labels):
            raise ValueError(f"{type(self).__name__} has {len(images)} images but {len(labels)} labels")
        return torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64))

    def _file(self, name: str) -> str:
        """Unpacked, as older versions left it, or compressed, as it is downloaded."""
        path = os.path.join(self.raw_folder, name)
        plain = path.removesuffix(".gz")
        return plain if os.path.isfile(plain) else path

    @property
    def raw_folder(self) -> str:
        """Where the files are."""
        return os.path.join(self.root, type(self).__name__, "raw")

    @property
    def class_to_idx(self) -> dict[str, int]:
        """From the classes' names to the labels."""
        return {name: i for i, name in enumerate(self.classes)}

    def _check_exists(self) -> bool:
        return all(os.path.isfile(self._file(name)) for name, _ in self.resources)

    def download(self) -> None:
        """Download the files that are missing."""
        for name, md5 in self.resources:
            if not os.path.isfile(self._file(name)):
                downloads.download_url([mirror + name for mirror in self.mirrors], self.raw_folder, name, md5)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = PIL.Image.fromarray(self._rows("data")[index])
        return self._apply(image, int(self._rows("targets")[index]))

    def _rows(self, name: str) -> Any:
        """An attribute's memory as an array: a row of that costs less than an op of torch.

        Scripts may write to the tensors, and replace them; both shows here.
        """
        values = getattr(self, name)
        owner, array = self._arrays.get(name, (None, None))
        if owner is not values:
            array = values.numpy() if torch.is_tensor(values) else np.asarray(values)
            self._arrays[name] = values, array
        return array

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train else 'Test'}"


class FashionMNIST(MNIST):
    """Zalando's articles of clothing, in MNIST's format and size.

    Source:
        Xiao, Rasul and Vollgraf 2017, https://arxiv.org/abs/1708.07747.
    """

    mirrors: ClassVar[list[Any]] = ["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"]
    resources: ClassVar[list[Any]] = [
        ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
        ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
        ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
    ]
    classes: ClassVar[list[Any]] = [
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ]  # fmt: skip


class KMNIST(MNIST):
    """Handwritten Hiragana, in MNIST's format and size.

    Source:
        Clanuwat et al. 2018, https://arxiv.org/abs/1812.01718.
    """

    mirrors: ClassVar[list[Any]] = ["http://codh.rois.ac.jp/kmnist/dataset/kmnist/"]
    resources: ClassVar[list[Any]] = [
        ("train-images-idx3-ubyte.gz", "bdb82020997e1d708af4cf47b453dcf7"),
        ("train-labels-idx1-ubyte.gz", "e144d726b3acfaa3e44228e80efcd344"),
        ("t10k-images-idx3-ubyte.gz", "5c965bf0a639b31b8f53240b1b52f4d7"),
        ("t10k-labels-idx1-ubyte.gz", "7320c461ea6c1c855c0b718fb2a4b134"),
    ]
    classes: ClassVar[list[Any]] = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]
