"""Disk functions for the journal: locks, rights, free space and the type of file system."""

import re
from contextlib import suppress

from leads.delivery.system import Path, fcntl, os
from quoter.shop.durable import make_directory as make_directory
from quoter.shop.durable import private as private
from quoter.shop.durable import sync_directory as sync_directory
from quoter.shop.durable import sync_names as sync_names

NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "beegfs", "gpfs"}
    | {f"fuse.{name}" for name in ("sshfs", "s3fs", "mount-s3", "goofys", "gcsfuse", "rclone", "juicefs", "glusterfs")}
)
EPHEMERAL_FILE_SYSTEMS = frozenset({"tmpfs", "ramfs", "overlay", "aufs", "fuse.fuse-overlayfs"})


def files(directory: Path, suffix: str) -> list[Path]:
    """Return the files in a directory by their suffix; none of one that is missing or that nobody can list.

    Path.glob hides errors in some releases of Python and raises them in others. What is no file, such as a pipe, would
    block its reader.
    """
    found = []
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.endswith(suffix) and os.path.isfile(entry.path):
                found.append(Path(entry.path))
    return found


def nearest_existing(path: Path) -> Path:
    """Return the path, or its nearest parent that this user can see."""
    return next(folder for folder in (path.absolute(), *path.absolute().parents) if os.path.lexists(folder))


def may_write(directory: Path) -> bool:
    """Return whether this user may list a directory and create files in it, or create the directory when it is missing.

    On a read-only file system nobody may.
    """
    nearest = nearest_existing(directory)
    rights = os.R_OK | os.W_OK | os.X_OK if nearest == directory.absolute() else os.W_OK | os.X_OK
    return os.path.isdir(nearest) and os.access(nearest, rights)


def file_system(path: Path) -> str:
    """Return the type of the file system of a path, which need not exist yet; "" when the system does not report it."""
    try:
        return file_system_in(os.fsdecode(Path("/proc/self/mountinfo").read_bytes()), _existing(path))
    except OSError:
        return ""


def file_system_in(mountinfo: str, path: Path) -> str:
    """Return the type of the file system of an absolute path, from a text such as /proc/self/mountinfo (proc(5))."""
    found, longest = "", -1
    for line in filter(None, mountinfo.split("\n")):
        before, _, after = line.partition(" - ")
        written = before.split(" ")[4]
        mount = Path(re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), written))
        # Of two mounts on one place the later one counts.
        if path.is_relative_to(mount) and len(mount.parts) >= longest:
            found, longest = after.split(" ")[0], len(mount.parts)
    return found


def is_ephemeral(directory: Path) -> bool:
    """Whether a restart of the machine, or a new release, deletes the directory."""
    return file_system(directory) in EPHEMERAL_FILE_SYSTEMS


def free_bytes(directory: Path) -> int:
    """Return how many bytes this user can write where a directory is, or will be."""
    space = os.statvfs(_existing(directory))
    return space.f_bavail * space.f_frsize


def _existing(path: Path) -> Path:
    """Return the path, or its nearest ancestor that exists, with symbolic links resolved."""
    real = os.path.realpath(path)
    while not os.path.exists(real):
        real = os.path.dirname(real)
    return Path(real)


def lock(fd: int) -> bool:
    """Lock a file for as long as it is open; return False when another process holds the lock."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
