"""Sending objects between processes: a pickle, with the memory of its arrays behind it instead of within.

Over a socket pair that is one copy in and one out, into memory that is aligned as XLA wants it. Measured against shared
memory (a fresh ``memfd`` for each batch) this was faster from 16 KB to 38 MB, since new shared pages fault on both
sides; and it needs no files, so nothing is left behind by a process that is killed.
"""

import io
import os
import pickle
import select
import struct
import sys
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np

_HEADER = struct.Struct("<QI")
_ALIGNMENT = 64
#: Arrays below this size travel within the pickle.
_SMALL = 1024


def dumps(obj: object) -> list[Any]:
    """The pickle of an object, then the buffers of its arrays. Errors show before anything is sent."""
    buffers: list[Any] = []

    def outside(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < _SMALL:
            return True  # serialize in-band
        buffers.append(raw)
        return False

    stream = io.BytesIO()
    ForkingPickler(stream, pickle.HIGHEST_PROTOCOL, True, outside).dump(obj)
    return [stream.getbuffer(), *buffers]


def send(connection: Connection, parts: list[Any]) -> None:
    """Write what `dumps` gave; waits while the other side is not reading."""
    sizes = struct.pack(f"<{len(parts)}Q", *(part.nbytes for part in parts))
    head = _HEADER.pack(len(sizes), len(parts)) + sizes
    if sys.platform == "win32":
        for part in (head, *parts):
            connection.send_bytes(part)
        return
    _write(connection.fileno(), [memoryview(head), *(memoryview(part).cast("B") for part in parts if part.nbytes)])


def receive(connection: Connection, timeout: float = 0) -> Any:
    """Read the next object.

    Args:
        timeout: seconds to wait for each part of it; 0 waits for ever.
    Raises:
        EOFError: if the other side is gone.
        TimeoutError: if it stops in the middle.
    """
    if sys.platform == "win32":
        head = connection.recv_bytes()
        _, count = _HEADER.unpack_from(head)
        parts = [bytearray(connection.recv_bytes()) for _ in range(count)]
        return pickle.loads(parts[0], buffers=parts[1:])
    fd = connection.fileno()
    size, count = _HEADER.unpack(_read(fd, bytearray(_HEADER.size), timeout))
    sizes = struct.unpack(f"<{count}Q", _read(fd, bytearray(size), timeout))
    parts = [_read(fd, _aligned(n), timeout) for n in sizes]
    return pickle.loads(parts[0], buffers=parts[1:])


def _aligned(size: int) -> memoryview:
    raw = np.empty(size + _ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % _ALIGNMENT
    return memoryview(raw[start : start + size])


def _read(fd: int, target: Any, timeout: float) -> Any:
    view = memoryview(target)
    poller = None
    while view:
        if timeout:
            if poller is None:
                poller = select.poll()
                poller.register(fd, select.POLLIN)
            if not poller.poll(timeout * 1000):
                raise TimeoutError
        try:
            count = os.readv(fd, [view])
        except ConnectionResetError:
            count = 0
        if not count:
            raise EOFError
        view = view[count:]
    return target


def _write(fd: int, views: list[memoryview]) -> None:
    while views:
        count = os.writev(fd, views[:64])
        while views and count >= views[0].nbytes:
            count -= views[0].nbytes
            del views[0]
        if count:
            views[0] = views[0][count:]
