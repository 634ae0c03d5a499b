"""The quarantine: a folder beside the journal with one file for each lead that Postgres refused. Plain Python."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from leads.delivery.journal.disk import files, make_directory, private, sync_names
from leads.delivery.journal.segment import Item
from leads.delivery.system import Path, open, os, secrets

QUARANTINE = "quarantine"
SUFFIX = ".json"
_KEYS = {"reason", "at", "journaled_at", "record"}


def quarantined(directories: Sequence[Path]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield each file of the quarantine with its content: reason, at (unix time), journaled_at and record.

    A file that cannot be read is left out; `census.census` names it.
    """
    for path in paths(directories):
        if refused := read(path):
            yield path, refused


def paths(directories: Sequence[Path]) -> list[Path]:
    return [path for directory in directories for path in sorted(files(directory / QUARANTINE, SUFFIX))]


def read(path: Path) -> dict[str, Any] | None:
    """Return the content of a file, or None when it cannot be read."""
    try:
        refused = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return refused if isinstance(refused, dict) and refused.keys() >= _KEYS else None


def folio_of(path: Path) -> str:
    """Return the folio of the record in a file, by its name: the record itself may be anything."""
    return path.stem.rpartition("-")[0]


def put_aside(directory: Path, item: Item, *, reason: str, at: float) -> Path:
    """Write one refused record to the quarantine, and sync it; OSError when that fails.

    Its JSON is unchanged. What is no JSON becomes a text.
    """
    folder = directory / QUARANTINE
    make_directory(folder)
    # A new name each time, because a retry removes the old file when the record may already be refused again.
    path = folder / f"{item.folio}-{secrets.token_hex(4)}{SUFFIX}"
    about = json.dumps({"reason": reason, "at": at, "journaled_at": item.at})
    unfinished = path.with_suffix(".tmp")
    with open(unfinished, "wb", opener=private) as file:
        file.write(about[:-1].encode() + b', "record": ' + _as_json(item.text) + b"}")
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
    sync_names(folder)
    return path


def _as_json(text: bytes) -> bytes:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return json.dumps(text.decode(errors="replace")).encode()
    return text
