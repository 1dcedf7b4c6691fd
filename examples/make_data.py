"""Handwritten digits for the examples, without a download: scikit-learn's, in the file formats of MNIST and CIFAR-10.

The 1797 digits of 8 by 8 pixels are enlarged, split into 1536 to train on and 256 to test on (both are whole numbers of
batches), and written as ``MNIST/raw/*-ubyte`` and, in colour, as ``cifar-10-batches-py/*``. The real data can be put
in the same places.
"""

import argparse
import pathlib

import numpy as np

TRAINING, TESTING = 1536, 256


def digits() -> tuple[np.ndarray, np.ndarray]:
    """All digits in a fixed random order: images in [0, 1], shape ``(N, 8, 8)``, and labels."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.RandomState(0).permutation(len(data.target))[: TRAINING + TESTING]
    return data.images[order] / 16, data.target[order]


def enlarge(images: np.ndarray, size: int, margin: int) -> np.ndarray:
    """Linear interpolation to ``size - 2 * margin`` pixels, in the middle of ``size``."""
    inner = size - 2 * margin
    positions = np.linspace(0, images.shape[1] - 1, inner)
    weights = np.maximum(0, 1 - np.abs(positions[:, None] - np.arange(images.shape[1])))  # (inner, 8)
    return np.pad(weights @ images @ weights.T, ((0, 0), (margin, margin), (margin, margin)))


def write_mnist(root: pathlib.Path) -> None:
    """Write ``root/MNIST/raw``."""
    from torchlike.vision.datasets import formats

    images, labels = digits()
    pixels = np.rint(enlarge(images, 28, 4) * 255).astype(np.uint8)
    formats.write_mnist(root, *_split(pixels, labels))


def write_cifar10(root: pathlib.Path) -> None:
    """Write ``root/cifar-10-batches-py``, each digit in its own colours."""
    from torchlike.vision.datasets import formats

    images, labels = digits()
    shapes = enlarge(images, 32, 4)[..., None]  # (N, 32, 32, 1)
    random = np.random.RandomState(1)
    ink, paper = random.uniform(0.5, 1, (2, len(shapes), 1, 1, 3))
    noise = random.normal(0, 0.03, (len(shapes), 32, 32, 3))
    pixels = np.clip((shapes * ink + (1 - shapes) * 0.4 * paper + noise) * 255, 0, 255).astype(np.uint8)
    formats.write_cifar10(root, *_split(pixels, labels), classes=[str(i) for i in range(10)])


def _split(images: np.ndarray, labels: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(images[part], labels[part]) for part in (slice(TRAINING), slice(TRAINING, None))]


def ensure(root: pathlib.Path, name: str) -> pathlib.Path:
    """Write the data called ``name`` ("mnist" or "cifar10") unless its folder is there; returns ``root``."""
    folder, write = {
        "mnist": (root / "MNIST", write_mnist),
        "cifar10": (root / "cifar-10-batches-py", write_cifar10),
    }[name]
    if not folder.exists():
        print(f"Writing scikit-learn's digits to {folder}, in the file format of {name}.")
        write(root)
    return root


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path("data"))
    target = parser.parse_args().data
    write_mnist(target)
    write_cifar10(target)
