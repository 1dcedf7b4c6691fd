"""Getting files: download with checksums, mirrors and atomic writes; unpack archives safely."""

import gzip
import hashlib
import os
import pathlib
import shutil
import sys
import tarfile
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Iterable

_CHUNK = 1 << 18
_TIMEOUT = 60  # seconds without a byte
_USER_AGENT = "torchlike/vision"


def md5_of(path: str | os.PathLike[str]) -> str:
    """The MD5 sum of a file, in hexadecimal digits."""
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def check_integrity(path: str | os.PathLike[str], md5: str | None = None) -> bool:
    """Whether a file is there and has this MD5 sum (any, if None)."""
    return os.path.isfile(path) and (md5 is None or md5_of(path) == md5)


def download_url(
    url: str | Iterable[str], root: str | os.PathLike[str], filename: str | None = None, md5: str | None = None
) -> str:
    """Download a file unless it is there already.

    A file appears under its name only when it is complete and its checksum is right.

    Args:
        url: where it is, or several places to be tried in order.
        root: the folder that it goes to.
        filename: its name there; by default the last part of the URL.
        md5: its checksum.
    Returns:
        The path of the file.
    Raises:
        RuntimeError: if no place gave the right file; names each with the reason.
    """
    urls = [url] if isinstance(url, str) else list(url)
    target = os.path.join(os.path.expanduser(root), filename or os.path.basename(urllib.parse.urlparse(urls[0]).path))
    if check_integrity(target, md5):
        return target
    os.makedirs(os.path.dirname(target), exist_ok=True)
    failures = []
    for place in urls:
        try:
            _fetch(place, target, md5)
        except (OSError, ValueError) as error:  # URLError is an OSError
            failures.append(f"{place}: {getattr(error, 'reason', None) or error}")
        else:
            return target
    raise RuntimeError(
        f"Error downloading {os.path.basename(target)}:\n  " + "\n  ".join(failures) + "\nIf this machine is offline, "
        f"put the file into {os.path.dirname(target)!r} by other means."
    )


def _fetch(url: str, target: str, md5: str | None) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": _USER_AGENT})
    descriptor, temporary = tempfile.mkstemp(prefix=".download-", dir=os.path.dirname(target))
    try:
        digest = hashlib.md5(usedforsecurity=False)
        with open(descriptor, "wb") as file, urllib.request.urlopen(request, timeout=_TIMEOUT) as response:
            expected = int(response.headers.get("Content-Length") or 0)
            done = 0
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                digest.update(chunk)
                done += len(chunk)
                _show(os.path.basename(target), done, expected)
        if expected and done != expected:
            raise ValueError(f"the connection ended after {done} of {expected} bytes")
        if md5 is not None and digest.hexdigest() != md5:
            raise ValueError(f"the MD5 sum is {digest.hexdigest()}, not {md5}")
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


def _show(name: str, done: int, expected: int) -> None:
    if sys.stderr.isatty():
        share = f"{100 * done // expected:3d} %" if expected else f"{done >> 20} MB"
        print(f"\r{name}: {share}", end="\n" if done == expected else "", file=sys.stderr)


def extract_archive(from_path: str, to_path: str | None = None, remove_finished: bool = False) -> str:
    """Unpack a ``.tar``, ``.tar.gz``, ``.tgz``, ``.tar.xz``, ``.zip`` or ``.gz`` file.

    Members that would land outside of the folder are refused.

    Returns:
        The folder, or the file that a ``.gz`` gave.
    """
    folder = to_path if to_path is not None else os.path.dirname(from_path)
    if tarfile.is_tarfile(from_path):
        with tarfile.open(from_path) as tar:
            tar.extractall(folder, filter="data")
    elif zipfile.is_zipfile(from_path):
        with zipfile.ZipFile(from_path) as archive:
            archive.extractall(folder)
    elif from_path.endswith(".gz"):
        folder = os.path.join(folder, pathlib.Path(from_path).stem)
        with gzip.open(from_path) as source, open(folder, "wb") as out:
            shutil.copyfileobj(source, out)
    else:
        raise RuntimeError(f"Unknown compression or archive type of {from_path!r}")
    if remove_finished:
        os.remove(from_path)
    return folder


def download_and_extract_archive(
    url: str,
    download_root: str | os.PathLike[str],
    extract_root: str | None = None,
    filename: str | None = None,
    md5: str | None = None,
    remove_finished: bool = False,
) -> None:
    """Download an archive and unpack it beside itself, or in another folder."""
    path = download_url(url, download_root, filename, md5)
    extract_archive(path, extract_root, remove_finished)
