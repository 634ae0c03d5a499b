"""The file on a machine's disk with the published versions of one kind. Plain Python.

It is replaced as a whole by a rename, so a crash at any moment leaves the old file or the new one. Each line is a
checksum and JSON. The first says how many versions follow and which state of the table they are; each of the others is
a version. A damaged line costs only its own version.
"""

import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from quoter.shop.durable import make_directory, private, sync_directory
from quoter.shop.version import Version, in_order

FOLDER = "published"


class Mark(NamedTuple):
    """A state of the table of one kind. It only ever grows. newest: a version's number; withdrawn: how many were."""

    newest: int = 0
    withdrawn: int = 0


@dataclass(frozen=True, slots=True)
class Shelf:
    """What a file holds: the versions that can be read, in order, and what is wrong with the others."""

    versions: tuple[Version, ...] = ()
    mark: Mark = Mark()
    faults: tuple[str, ...] = ()


class Signature(NamedTuple):
    """It changes whenever the file is replaced or written to."""

    inode: int
    size: int
    changed_ns: int


def path_of(directory: Path, kind: str) -> Path:
    return directory / FOLDER / kind


def signature(path: Path) -> Signature | None:
    """Return the state of a file, or None when it is missing or cannot be reached."""
    try:
        found = path.stat()
    except OSError:
        return None
    return Signature(found.st_ino, found.st_size, max(found.st_mtime_ns, found.st_ctime_ns))


def read(path: Path) -> Shelf:
    """Return what the file holds. A missing file is an empty shelf; one that cannot be read has a fault."""
    return _read(path, signature(path))


def best(shelves: Sequence[Shelf]) -> Shelf:
    """Return the newest of several copies; what is damaged in it comes from the others. Faults are of all."""
    newest = max(shelves, key=lambda shelf: (shelf.mark, -len(shelf.faults)), default=Shelf())
    versions = {version.number: version for shelf in shelves for version in shelf.versions if shelf.mark == newest.mark}
    return Shelf(
        versions=tuple(in_order(versions.values())),
        mark=newest.mark,
        faults=tuple(fault for shelf in shelves for fault in shelf.faults),
    )


def write(path: Path, versions: Iterable[Version], mark: Mark) -> None:
    """Replace the file. After an OSError, or a crash at any moment, it is the old one or the new one."""
    ordered = in_order(versions)
    lines = [_line({"versions": len(ordered), "mark": list(mark)}), *map(_line_of, ordered)]
    make_directory(path.parent)
    for left in path.parent.glob(f"{path.name}.*.tmp"):  # by a process that was killed
        left.unlink(missing_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with open(unfinished, "wb", opener=private) as file:
            file.write(b"".join(lines))
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError:
        with suppress(OSError):
            unfinished.unlink()
        raise
    sync_directory(path.parent)


@lru_cache(maxsize=16)
def _read(path: Path, signed: Signature | None) -> Shelf:
    try:
        first, *lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return Shelf()
    except OSError as error:
        return Shelf(faults=(f"{path} cannot be read: {error.strerror}",))
    faults, versions, mark, expected = [], [], Mark(), None
    try:
        header = _checked(first)
        expected, mark = int(header["versions"]), Mark(*header["mark"])
    except (ValueError, KeyError, TypeError):
        faults.append(f"{path} is damaged at its beginning")
    for number, line in enumerate(filter(None, lines), start=2):
        try:
            versions.append(Version(**_checked(line)))
        except (ValueError, TypeError):
            faults.append(f"{path} is damaged in line {number}")
    if expected is not None and len(versions) < expected and not faults:
        faults.append(f"{path} has lost {expected - len(versions)} of its {expected} versions")
    return Shelf(tuple(in_order(versions)), mark, tuple(faults))


def _line_of(version: Version) -> bytes:
    return _line(
        {
            "number": version.number,
            "content": version.content,
            "published_at": version.published_at,
            "starts_at": version.starts_at,
        }
    )


def _line(values: dict[str, Any]) -> bytes:
    text = json.dumps(values).encode()
    return sha256(text).hexdigest().encode() + b" " + text + b"\n"


def _checked(line: bytes) -> dict[str, Any]:
    """Return the values of a line; ValueError when a single byte of it is not as it was written."""
    checksum, _, text = line.partition(b" ")
    if sha256(text).hexdigest().encode() != checksum:
        raise ValueError("checksum")
    values: dict[str, Any] = json.loads(text)
    return values
