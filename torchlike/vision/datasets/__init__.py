"""Datasets that read the real files, and download them when asked to."""

from torchlike.vision.datasets.cifar import CIFAR10, CIFAR100
from torchlike.vision.datasets.fakedata import FakeData
from torchlike.vision.datasets.folder import DatasetFolder, ImageFolder
from torchlike.vision.datasets.mnist import KMNIST, MNIST, FashionMNIST
from torchlike.vision.datasets.vision import StandardTransform, VisionDataset

__all__ = [
    "CIFAR10", "CIFAR100", "KMNIST", "MNIST", "DatasetFolder", "FakeData", "FashionMNIST", "ImageFolder",
    "StandardTransform", "VisionDataset",
]  # fmt: skip
