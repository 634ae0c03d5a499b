"""The quarantine: a folder beside the journal with one file for each lead that Postgres refused. Plain Python."""

import json
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from leads.delivery.journal.disk import make_directory, private, sync_directory
from leads.delivery.journal.segment import Item

QUARANTINE = "quarantine"


def quarantined(directories: Sequence[Path]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield each file of the quarantine with its content: reason, at (unix time), journaled_at and record."""
    for directory in directories:
        for path in sorted((directory / QUARANTINE).glob("*.json")):
            with suppress(OSError, ValueError):
                yield path, json.loads(path.read_bytes())


def put_aside(directory: Path, item: Item, *, reason: str, at: float) -> Path:
    """Write one refused record to the quarantine, its JSON unchanged, and sync it; OSError when that fails."""
    folder = directory / QUARANTINE
    make_directory(folder)
    # A new name each time, because a retry removes the old file when the record may already be refused again.
    path = folder / f"{item.folio}-{secrets.token_hex(4)}.json"
    about = json.dumps({"reason": reason, "at": at, "journaled_at": item.at})
    unfinished = path.with_suffix(".tmp")
    with open(unfinished, "wb", opener=private) as file:
        file.write(about[:-1].encode() + b', "record": ' + item.text + b"}")
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
    sync_directory(folder)
    return path
