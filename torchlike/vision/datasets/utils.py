"""torchvision's names for the helpers in `download`."""

from torchlike.vision.datasets.download import (
    check_integrity,
    download_and_extract_archive,
    download_url,
    extract_archive,
    md5_of as calculate_md5,
)

__all__ = ["calculate_md5", "check_integrity", "download_and_extract_archive", "download_url", "extract_archive"]
