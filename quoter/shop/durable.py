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
    """Sync the names in a directory, and its own: who made it may have failed to, or not have come so far yet.

    Not those of its parents: a customer may wait for this, and other programs keep them busy.
    """
    sync_directory(directory)
    if directory.parent.stat().st_dev == directory.stat().st_dev:  # the name of a mount is on no disk
        with suppress(PermissionError):  # as in make_directory
            sync_directory(directory.parent)


def private(path: str, flags: int) -> int:
    """Open a file that only this user can read. It is an opener for `open`."""
    return os.open(path, flags, 0o600)
