"""The release of torchvision whose API this package has: the one that goes with the torch of `torchlike.version`."""

__version__ = "0.28.0"
