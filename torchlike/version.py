"""Versions: torchlike's own, and torch's whose behaviour it follows."""

#: What ``torch.__version__`` says: the release of PyTorch that is the reference.
__version__ = "2.13.0"
#: torchlike's own version.
torchlike = "0.1.0"
cuda = None
hip = None
git_version = "unknown"
debug = False
