"""What delivery takes from the machine for the disk: `os`, `fcntl`, `open` and `Path`, on the disks of disk.py."""

import errno
import io
import os
from collections.abc import Callable, Iterator
from pathlib import PosixPath
from types import SimpleNamespace, TracebackType
from typing import Any

from tests.simulation.disk import Disk, Node, lock
from tests.simulation.threads import Killed, Scheduler

MOUNTINFO = b"1 1 0:1 / / rw - ext4 /dev/sda rw\n"


class Open:
    """An open file of a process: what a file descriptor stands for."""

    __slots__ = ("disk", "node", "flags", "position", "fd")

    def __init__(self, disk: Disk, node: Node, flags: int) -> None:
        self.disk, self.node, self.flags, self.position, self.fd = disk, node, flags, 0, -1


class Entry:
    def __init__(self, folder: str, name: str) -> None:
        self.name, self.path = name, f"{folder}/{name}"


class Listing:
    """What scandir returns."""

    def __init__(self, entries: list[Entry]) -> None:
        self._entries = entries

    def __enter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def __exit__(self, *error: object) -> None:
        pass


class Files:
    """The calls of one interpreter; each acts for the process that runs just now.

    process: returns it: an object with `machine.disks` (mount point to Disk), `is_dead`, `fds` and `pid`.
    """

    def __init__(self, world: Scheduler, process: Callable[[], Any]) -> None:
        self._world, self._process = world, process
        self._paths: dict[str, tuple[str, list[str]]] = {}

    # --- Finding ------------------------------------------------------------------------------------------------------

    def _me(self) -> Any:
        self._world.point()
        process = self._process()
        if process.is_dead:
            raise Killed
        return process

    def _disk(self, path: str) -> tuple[Disk | None, list[str]]:
        """Return the disk of a path and its parts below the mount; None for the machine's root."""
        if (known := self._paths.get(path)) is None:
            parts = path.strip("/").split("/")
            known = self._paths[path] = (parts[0], parts[1:])
        return self._process().machine.disks.get(known[0]), known[1]

    def _parent(self, path: str) -> tuple[Disk, Node, str]:
        disk, parts = self._disk(path)
        if disk is None or not parts:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)
        node = self._walk(disk, parts[:-1], path)
        return disk, node, parts[-1]

    @staticmethod
    def _walk(disk: Disk, parts: list[str], path: str) -> Node:
        if disk.fault is not None and disk.fault.kind == "gone":
            disk.check("list", path=path)
        node = disk.root
        for part in parts:
            if not node.is_directory:
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
            if (child := node.names.get(part)) is None:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
            node = child
        return node

    def _find(self, path: Any) -> tuple[Disk, Node]:
        path = os.fspath(path)
        disk, parts = self._disk(path)
        if disk is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return disk, self._walk(disk, parts, path)

    def _opened(self, fd: int) -> Open:
        me = self._me()
        if fd not in me.fds:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        found: Open = me.fds[fd]
        return found

    # --- os -----------------------------------------------------------------------------------------------------------

    def open(self, path: Any, flags: int, mode: int = 0o777) -> int:
        me, path = self._me(), os.fspath(path)
        if flags & os.O_CREAT:
            disk, parent, name = self._parent(path)
            node = parent.names.get(name)
            if node is None:
                disk.check("create", path=path)
                node = disk.new()
                disk.change((parent, name, node))
            elif flags & os.O_EXCL:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        else:
            disk, node = self._find(path)
        if flags & (os.O_WRONLY | os.O_RDWR):
            disk.check("create", path=path)
        if flags & os.O_TRUNC:
            disk.truncate(node)
        file = Open(disk, node, flags)
        me.next_fd += 1
        me.fds[me.next_fd] = file
        file.fd = me.next_fd
        return file.fd

    def close(self, fd: int) -> None:
        file = self._opened(fd)
        del self._process().fds[fd]
        if file.node.owner is file:
            file.node.owner = None

    def read(self, fd: int, size: int) -> bytes:
        file = self._opened(fd)
        data = self._pread(file, size, file.position)
        file.position += len(data)
        return data

    def pread(self, fd: int, size: int, offset: int) -> bytes:
        return self._pread(self._opened(fd), size, offset)

    @staticmethod
    def _pread(file: Open, size: int, offset: int) -> bytes:
        if file.disk.fault is not None:
            file.disk.check("read")
        return bytes(file.node.data[offset : offset + size])

    def write(self, fd: int, data: bytes) -> int:
        file = self._opened(fd)
        offset = len(file.node.data) if file.flags & os.O_APPEND else file.position
        took = file.disk.write(file.node, offset, bytes(data))
        file.position = offset + took
        return took

    def pwrite(self, fd: int, data: bytes, offset: int) -> int:
        file = self._opened(fd)
        return file.disk.write(file.node, offset, bytes(data))

    def fsync(self, fd: int) -> None:
        file = self._opened(fd)
        process, task = self._process(), self._world.current
        is_of_the_writer = task is not None and task.name == "journal writer"
        if is_of_the_writer:
            process.syncs_since = self._world.now
        try:
            file.disk.sync(file.node)
        finally:
            if is_of_the_writer:
                process.syncs_since = None
        self._me()

    def fstat(self, fd: int) -> SimpleNamespace:
        file = self._opened(fd)
        return self._stat(file.disk, file.node)

    @staticmethod
    def _stat(disk: Disk, node: Node) -> SimpleNamespace:
        return SimpleNamespace(
            st_nlink=node.links, st_size=len(node.data), st_mtime_ns=node.mtime_ns, st_mtime=node.mtime_ns / 1e9,
            st_uid=0, st_dev=disk.name, st_ino=node.number,
        )  # fmt: skip

    def statvfs(self, path: Any) -> SimpleNamespace:
        self._me()
        self._find(path)
        return SimpleNamespace(f_bavail=1 << 30, f_frsize=4096)

    def scandir(self, path: Any) -> Listing:
        self._me()
        disk, node = self._find(path)
        disk.check("list", path=os.fspath(path))
        return Listing([Entry(os.fspath(path), name) for name in sorted(node.names)])

    def unlink(self, path: Any) -> None:
        self._me()
        disk, parent, name = self._parent(os.fspath(path))
        if name not in parent.names:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fspath(path))
        disk.change((parent, name, None))

    def rename(self, source: Any, target: Any) -> None:
        self._me()
        disk, parent, name = self._parent(os.fspath(source))
        other, to, new_name = self._parent(os.fspath(target))
        if disk is not other:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        if (node := parent.names.get(name)) is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fspath(source))
        disk.change((to, new_name, node), (parent, name, None))

    def mkdir(self, path: Any) -> None:
        self._me()
        disk, parent, name = self._parent(os.fspath(path))
        if name in parent.names:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), os.fspath(path))
        disk.check("create", path=os.fspath(path))
        disk.change((parent, name, disk.new(is_directory=True)))

    def exists(self, path: Any) -> bool:
        self._me()
        path = os.fspath(path)
        disk, parts = self._disk(path)
        if disk is None or not parts:
            return disk is not None or path == "/"
        try:
            self._walk(disk, parts, path)
        except OSError:
            return False
        return True

    def is_directory(self, path: Any) -> bool:
        self._me()
        try:
            return self._find(path)[1].is_directory
        except OSError:
            return os.fspath(path) == "/"

    def is_file(self, path: Any) -> bool:
        return self.exists(path) and not self.is_directory(path)

    def access(self, path: Any, rights: int) -> bool:
        self._me()
        try:
            disk, _ = self._find(path)
        except OSError:
            return False
        return not (rights & os.W_OK and disk.fault is not None and disk.fault.kind == "read_only")

    def flock(self, fd: int, operation: int) -> None:
        file = self._opened(fd)
        if not lock(file.node, file):
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    def stat(self, path: Any) -> SimpleNamespace:
        self._me()
        if os.fspath(path) == "/":
            return SimpleNamespace(st_dev="/")
        return self._stat(*self._find(path))

    def touch(self, path: Any) -> None:
        self.close(self.open(path, os.O_WRONLY | os.O_CREAT))
        disk, node = self._find(path)
        node.mtime_ns = disk.now_ns()

    def read_bytes(self, path: Any) -> bytes:
        self._me()
        if os.fspath(path) == "/proc/self/mountinfo":
            return MOUNTINFO
        disk, node = self._find(path)
        disk.check("read", path=os.fspath(path))
        return bytes(node.data)


class File:
    """What `open` and `Path.open` return: a buffered file. Lines, read, write, seek, flush."""

    def __init__(self, files: Files, fd: int, mode: str) -> None:
        self._files, self._fd, self._is_text = files, fd, "b" not in mode
        self._buffer = b""
        self._reader: io.BytesIO | None = None

    def _content(self) -> io.BytesIO:
        if self._reader is None:
            self._reader = io.BytesIO(self._files.pread(self._fd, 1 << 40, 0))
        return self._reader

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._content())

    def seek(self, offset: int) -> None:
        self._content().seek(offset)

    def write(self, text: Any) -> None:
        self._buffer += text.encode() if self._is_text else text

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        if self._buffer:
            data, self._buffer = self._buffer, b""
            if self._files.write(self._fd, data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fileno(self) -> int:
        return self._fd

    def close(self) -> None:
        try:
            self.flush()
        finally:
            self._files.close(self._fd)

    def __enter__(self) -> "File":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def path_on(files: Files) -> type[PosixPath]:
    """Return `Path` on the simulated disks."""

    class Path(PosixPath):
        def exists(self) -> bool:
            return files.exists(self)

        def stat(self, *, follow_symlinks: bool = True) -> Any:
            return files.stat(self)

        def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
            for folder in (*reversed(self.parents), self) if parents else (self,):
                if not files.exists(folder):
                    try:
                        files.mkdir(folder)
                    except FileExistsError:
                        if not exist_ok:
                            raise

        def unlink(self, missing_ok: bool = False) -> None:
            try:
                files.unlink(self)
            except FileNotFoundError:
                if not missing_ok:
                    raise

        def rename(self, target: Any) -> Any:
            files.rename(self, target)
            return target

        replace = rename

        def touch(self, mode: int = 0o666, exist_ok: bool = True) -> None:
            files.touch(self)

        def read_bytes(self) -> bytes:
            return files.read_bytes(self)

        def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:
            return files.read_bytes(self).decode()

        def open(self, mode: str = "r", *arguments: Any, **named: Any) -> Any:
            return File(files, files.open(self, os.O_RDONLY), mode)

        def glob(self, pattern: str) -> Any:
            try:
                with files.scandir(self) as entries:
                    found = [self / entry.name for entry in entries]
            except OSError:
                return iter(())
            return iter([path for path in found if path.match(pattern)])

    return Path


def open_on(files: Files) -> Callable[..., File]:
    """Return `open` with an opener."""
    flags = {"w": os.O_WRONLY | os.O_CREAT | os.O_TRUNC, "a": os.O_WRONLY | os.O_CREAT | os.O_APPEND, "r": os.O_RDONLY}

    def open_(path: Any, mode: str = "r", *, encoding: str = "", opener: Any = None) -> File:
        fd = opener(os.fspath(path), flags[mode[0]]) if opener else files.open(path, flags[mode[0]])
        return File(files, fd, mode)

    return open_


def os_on(files: Files, process: Callable[[], Any]) -> SimpleNamespace:
    """Return `os` as far as delivery uses it."""
    constants = {
        name: getattr(os, name) for name in dir(os) if name.startswith("O_") or name in ("R_OK", "W_OK", "X_OK")
    }
    path = SimpleNamespace(
        lexists=files.exists, exists=files.exists, isdir=files.is_directory, isfile=files.is_file,
        realpath=os.fspath, dirname=os.path.dirname,
    )  # fmt: skip
    return SimpleNamespace(
        **constants, path=path, open=files.open, close=files.close, read=files.read, write=files.write,
        pread=files.pread, pwrite=files.pwrite, fsync=files.fsync, fdatasync=files.fsync, fstat=files.fstat,
        scandir=files.scandir, statvfs=files.statvfs, unlink=files.unlink, rename=files.rename, access=files.access,
        getpid=lambda: process().pid, geteuid=lambda: 0, fsdecode=os.fsdecode, fspath=os.fspath, link=None,
        stat_result=os.stat_result,
    )  # fmt: skip
