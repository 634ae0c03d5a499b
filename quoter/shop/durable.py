"""Directories and files on the disk that survive a crash, for this user alone. Plain Python."""

import os
from contextlib import suppress
from pathlib import Path


def make_directory(directory: Path) -> None:
    """Create a directory that only this user can read, and its parents, and sync them so that they survive a crash."""
    missing = [folder for folder in (directory, *directory.parents) if not os.path.lexists(folder)]
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for folder in missing:
        with suppress(PermissionError):  # a parent that this user may not read cannot be synced
            sync_directory(folder.parent)


def sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_names(directory: Path) -> None:
    """Sync the names in a directory, and its own name and those of its parents, as far as they are on the same disk.

    Whoever made a directory may have failed to sync its name, or not have come so far yet.
    """
    sync_directory(directory)
    disk = directory.stat().st_dev
    for parent in directory.parents:
        if parent.stat().st_dev != disk:  # the name of a mount is on no disk
            return
        with suppress(PermissionError):  # as in make_directory
            sync_directory(parent)


def private(path: str, flags: int) -> int:
    """Open a file that only this user can read. It is an opener for `open`."""
    return os.open(path, flags, 0o600)
