"""CIFAR-10 and CIFAR-100: small colour photographs."""

import os
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import PIL.Image

from torchlike.vision.datasets import download as downloads
from torchlike.vision.datasets.formats import read_cifar
from torchlike.vision.datasets.vision import VisionDataset


class CIFAR10(VisionDataset):
    """Photographs of ten kinds of things, 32 × 32: 50,000 to train, 10,000 to test.

    Args:
        root: the unpacked files are in ``root/cifar-10-batches-py``.
        train: the training set, or else the test set.
        transform: for the image, a PIL image of mode RGB.
        target_transform: for the label, an int.
        download: get what is missing.
        check_md5: compare the files' checksums with the real ones'; False reads files made by `formats.write_cifar10`.
    Attributes:
        data: the images, a NumPy array of uint8, shape ``(N, 32, 32, 3)``.
        targets: the labels, a list of ints.
        classes: the labels' names.
    Source:
        Krizhevsky 2009, "Learning multiple layers of features from tiny images".
    """

    base_folder = "cifar-10-batches-py"
    url = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    filename = "cifar-10-python.tar.gz"
    tgz_md5 = "c58f30108f718f92721af3b95e74349a"
    train_list: ClassVar[list[Any]] = [
        ["data_batch_1", "c99cafc152244af753f735de768cd75f"],
        ["data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"],
        ["data_batch_3", "54ebc095f3ab1f0389bbae665268c751"],
        ["data_batch_4", "634d18415352ddfa80567beed471001a"],
        ["data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"],
    ]
    test_list: ClassVar[list[Any]] = [["test_batch", "40351d587109b95175f43aff81a1287e"]]
    meta: ClassVar[Any] = {"filename": "batches.meta", "key": "label_names", "md5": "5ff9c542aee3614f3951f8cda6e48888"}

    def __init__(
        self,
        root: str | os.PathLike[str],
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
        *,
        check_md5: bool = True,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        self._check_md5 = check_md5
        if download:
            self.download()
        if not self._check_integrity():
            raise RuntimeError("Dataset not found or corrupted. You can use download=True to download it")
        batches = [self._read(name) for name, _ in (self.train_list if train else self.test_list)]
        rows = np.concatenate([batch["data"] for batch in batches])
        self.targets: list[int] = [
            int(label) for batch in batches for label in batch["labels" if "labels" in batch else "fine_labels"]
        ]
        if rows.dtype != np.uint8 or rows.ndim != 2 or rows.shape[1] != 3072 or len(rows) != len(self.targets):
            raise RuntimeError(
                f"{self.base_folder} should hold rows of 3072 uint8 and as many labels, got {rows.dtype} {rows.shape} "
                f"and {len(self.targets)} labels"
            )
        self.data = np.ascontiguousarray(rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        self.classes = self._read(self.meta["filename"])[self.meta["key"]]
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}

    def _path(self, name: str) -> str:
        return os.path.join(self.root, self.base_folder, name)

    def _read(self, name: str) -> dict[str, Any]:
        with open(self._path(name), "rb") as file:
            return read_cifar(file.read())

    def _check_integrity(self) -> bool:
        files = [*self.train_list, *self.test_list, [self.meta["filename"], self.meta["md5"]]]
        return all(downloads.check_integrity(self._path(name), md5 if self._check_md5 else None) for name, md5 in files)

    def download(self) -> None:
        """Download and unpack the files, if any is missing."""
        if not self._check_integrity():
            downloads.download_and_extract_archive(self.url, self.root, filename=self.filename, md5=self.tgz_md5)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._apply(PIL.Image.fromarray(self.data[index]), self.targets[index])

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train else 'Test'}"


class CIFAR100(CIFAR10):
    """As `CIFAR10`, of a hundred kinds of things."""

    base_folder = "cifar-100-python"
    url = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
    filename = "cifar-100-python.tar.gz"
    tgz_md5 = "eb9058c3a382ffc7106e4002c42a8d85"
    train_list: ClassVar[list[Any]] = [["train", "16019d7e3df5f24257cddd939b257f8d"]]
    test_list: ClassVar[list[Any]] = [["test", "f0ef6b0ae62326f3e7ffdfab6717acfc"]]
    meta: ClassVar[Any] = {"filename": "meta", "key": "fine_label_names", "md5": "7973b15100ade9c7d40fb424638fde48"}
