"""Writing a file so that others see the old contents or the new ones, never half of either."""

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator
from typing import BinaryIO


@contextlib.contextmanager
def replacing(path: str) -> Iterator[BinaryIO]:
    """Open a new file that takes the place of ``path`` when the block ends without an error.

    The new file grows beside the old one, since a rename is atomic only within a file system. Links are
    followed, the mode of an old file is kept; what is no regular file (a pipe, ``/dev/null``) and a file
    in a folder where nothing may be created are written directly.
    After an error the old file is as it was, and nothing is left beside it.

    Raises:
        RuntimeError: if the folder does not exist, or ``path`` is a folder (torch's types and words).
    """
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise RuntimeError(f"Parent directory {os.path.dirname(path) or folder} does not exist.")
    if os.path.isdir(target):
        raise RuntimeError(f"open file failed with strerror: Is a directory: {path!r}. Pass the name of a file in it.")
    old_mode = os.stat(target).st_mode if os.path.exists(target) else None
    if old_mode is not None and not os.access(target, os.W_OK):
        raise RuntimeError(f"open file failed with strerror: Permission denied: {path!r}")
    if old_mode is not None and not (stat.S_ISREG(old_mode) and os.access(folder, os.W_OK)):
        with open(target, "wb") as file:
            yield file
        return

    prefix = f".{os.path.basename(target)[:100]}."
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=prefix, suffix=".tmp", dir=folder)
    except PermissionError as error:
        raise RuntimeError(f"open file failed with strerror: {error.strerror}: {path!r}") from None
    try:
        os.close(descriptor)
        with open(temporary, "wb") as file:  # by name: some writers want `file.name`
            yield file
        # mkstemp makes files private; this is the mode that open() would have given
        os.chmod(temporary, stat.S_IMODE(old_mode) if old_mode is not None else 0o666 & ~_umask())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _umask() -> int:
    """The process's umask. Reading it means setting it, so Linux is asked through /proc, which threads survive."""
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1], 8) for line in status if line.startswith("Umask:"))
    except (OSError, StopIteration):
        mask = os.umask(0o077)
        os.umask(mask)
        return mask
