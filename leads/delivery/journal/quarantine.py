"""The quarantine: a folder beside the journal with one file for each lead that Postgres refused. Plain Python.

A file is JSON: why and when it was refused, and the record as in the journal, sealed. Releases that did not seal wrote
the record itself.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from leads.delivery.journal import sealing
from leads.delivery.journal.disk import files, make_directory, private, sync_names
from leads.delivery.journal.segment import Item, about_of
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
    """Return the content of a file, or None when it cannot be read or opened."""
    refused = _stored(path)
    if refused and isinstance(sealed := refused["record"], str):
        try:
            about = about_of(folio_of(path), float(refused["journaled_at"]))
            refused["record"] = _record(sealing.unseal(sealed.encode(errors="replace"), about=about))
        except (ValueError, TypeError):
            return None
    return refused


def missing_key(path: Path) -> str:
    """Return the mark of the key that a file needs and that is not in use, or ""."""
    refused = _stored(path)
    sealed = refused["record"] if refused else ""
    return sealing.missing_key(sealed.encode(errors="replace")) if isinstance(sealed, str) else ""


def _stored(path: Path) -> dict[str, Any] | None:
    try:
        refused = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return refused if isinstance(refused, dict) and refused.keys() >= _KEYS else None


def folio_of(path: Path) -> str:
    """Return the folio of the record in a file, by its name: the record itself may be anything."""
    return path.stem.rpartition("-")[0]


def put_aside(directory: Path, item: Item, *, reason: str, at: float) -> Path:
    """Write one refused record to the quarantine, and sync it; OSError when that fails."""
    folder = directory / QUARANTINE
    make_directory(folder)
    # A new name each time, because a retry removes the old file when the record may already be refused again.
    path = folder / f"{item.folio}-{secrets.token_hex(4)}{SUFFIX}"
    sealed = sealing.seal(item.text, about=about_of(item.folio, item.at)).decode()
    unfinished = path.with_suffix(".tmp")
    with open(unfinished, "wb", opener=private) as file:
        file.write(json.dumps({"reason": reason, "at": at, "journaled_at": item.at, "record": sealed}).encode())
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
    sync_names(folder)
    return path


def _record(text: bytes) -> Any:
    """Return the JSON value of a record; of what is no JSON, the text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text.decode(errors="replace")
