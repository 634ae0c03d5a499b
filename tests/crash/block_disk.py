"""A disk whose every write is noted, as a file for a loop device: below it is FUSE's protocol, above it a real ext4.

What a disk has in its own cache is lost when the power fails, unless it was told to flush. So after a power cut it may
hold all that was written before the last flush, and any part of what was written since.

The file `marks` beside the file `disk` is for the one who uses the disk: what is written there is noted in its order
between the writes of the disk. One thread serves all requests, so that there is one order.
"""

import ctypes
import errno
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

WRITE, FLUSH, MARK = b"wfm"
_NOTE = struct.Struct("<BQI")  # kind, offset, length of the data that follows

_IN, _OUT = struct.Struct("<IIQQIIII"), struct.Struct("<IiQ")
_LOOKUP, _FORGET, _GETATTR, _SETATTR, _OPEN, _READ, _WRITE, _STATFS, _RELEASE, _FSYNC = (
    1,
    2,
    3,
    4,
    14,
    15,
    16,
    17,
    18,
    20,
)
_FLUSH, _INIT, _OPENDIR, _RELEASEDIR, _ACCESS, _INTERRUPT, _DESTROY, _BATCH_FORGET = 25, 26, 27, 29, 34, 36, 38, 42
_ROOT, _DISK, _MARKS = 1, 2, 3
_NAMES = {b"disk": _DISK, b"marks": _MARKS}
_DIRECT_IO = 1
_LARGEST = 1 << 20
_BIG_WRITES, _MAX_PAGES = 1 << 5, 1 << 22


class Noted(NamedTuple):
    """kind: WRITE, FLUSH or MARK."""

    kind: int
    offset: int
    data: bytes


def read(notes: Path) -> list[Noted]:
    """Return what was noted, in its order."""
    text, position, found = notes.read_bytes(), 0, []
    while position < len(text):
        kind, offset, length = _NOTE.unpack_from(text, position)
        position += _NOTE.size
        found.append(Noted(kind, offset, text[position : position + length]))
        position += length
    return found


def serve(image: bytes, notes: Path, folder: Path) -> int:
    """Mount the two files at a folder, with a process that serves them; return its number. It ends with the mount."""
    fd = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={fd},rootmode=40000,user_id={os.geteuid()},group_id={os.getegid()}"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"folio", os.fsencode(folder), b"fuse", 0, options.encode()):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(folder))
    if pid := os.fork():
        os.close(fd)
        return pid
    try:
        Server(fd, bytearray(image), notes).run()
    finally:
        os._exit(0)


class Server:
    """Answers the kernel. fd: of /dev/fuse; disk: what is on it."""

    def __init__(self, fd: int, disk: bytearray, notes: Path) -> None:
        self._fd, self._disk = fd, disk
        self._notes = open(notes, "wb", buffering=0)  # noqa: SIM115
        self._answers: dict[int, Callable[[int, bytes], bytes]] = {
            _INIT: self._init,
            _LOOKUP: self._lookup,
            _GETATTR: lambda node, body: struct.pack("<QII", 0, 0, 0) + self._attributes(node),
            _SETATTR: lambda node, body: struct.pack("<QII", 0, 0, 0) + self._attributes(node),
            _OPEN: lambda node, body: struct.pack("<QII", 0, _DIRECT_IO, 0),
            _OPENDIR: lambda node, body: struct.pack("<QII", 0, 0, 0),
            _READ: self._read,
            _WRITE: self._write,
            _FSYNC: self._fsync,
            _STATFS: lambda node, body: struct.pack("<QQQQQIIII6I", 0, 0, 0, 0, 0, 4096, 255, 4096, 0, *[0] * 6),
            **{each: lambda node, body: b"" for each in (_RELEASE, _RELEASEDIR, _FLUSH, _ACCESS, _DESTROY)},
        }

    def run(self) -> None:
        """Answer until the mount is gone."""
        while True:
            try:
                request = os.read(self._fd, _LARGEST + 4096)
            except OSError as error:
                if error.errno == errno.ENODEV:
                    return
                if error.errno in (errno.EINTR, errno.ENOENT):
                    continue
                raise
            _, kind, unique, node, *_ = _IN.unpack_from(request)
            if kind in (_FORGET, _BATCH_FORGET, _INTERRUPT):
                continue
            code, answer = 0, b""
            try:
                answer = self._answers[kind](node, request[_IN.size :])
            except KeyError:
                code = errno.ENOSYS
            except OSError as error:
                code = error.errno or errno.EIO
            os.write(self._fd, _OUT.pack(_OUT.size + len(answer), -code, unique) + answer)

    def _note(self, kind: int, offset: int = 0, data: bytes = b"") -> None:
        self._notes.write(_NOTE.pack(kind, offset, len(data)) + data)

    @staticmethod
    def _init(node: int, body: bytes) -> bytes:
        _, _, ahead, flags = struct.unpack_from("<IIII", body)
        flags &= _BIG_WRITES | _MAX_PAGES
        return struct.pack("<IIIIHHIIHHI7I", 7, 31, ahead, flags, 16, 12, _LARGEST, 1, _LARGEST // 4096, 0, 0, *[0] * 7)

    def _attributes(self, node: int) -> bytes:
        size = len(self._disk) if node == _DISK else 0
        mode = 0o40755 if node == _ROOT else 0o100600
        return struct.pack("<6Q10I", node, size, size // 512, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)

    def _lookup(self, node: int, body: bytes) -> bytes:
        if (found := _NAMES.get(body.rstrip(b"\0"))) is None:
            raise FileNotFoundError(errno.ENOENT, "no such file")
        return struct.pack("<QQQQII", found, 0, 3600, 3600, 0, 0) + self._attributes(found)

    def _read(self, node: int, body: bytes) -> bytes:
        _, offset, size = struct.unpack_from("<QQI", body)
        return bytes(self._disk[offset : offset + size]) if node == _DISK else b""

    def _write(self, node: int, body: bytes) -> bytes:
        _, offset, size = struct.unpack_from("<QQI", body)
        data = body[40 : 40 + size]
        if node == _DISK:
            self._disk[offset : offset + size] = data
        self._note(WRITE if node == _DISK else MARK, offset, data)
        return struct.pack("<II", size, 0)

    def _fsync(self, node: int, body: bytes) -> bytes:
        self._note(FLUSH)
        return b""
