"""Removes people's records from the quarantine and from the journals that were set aside on this machine's disk."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from leads.delivery.journal import quarantine, sealing
from leads.delivery.journal.disk import files, private
from leads.delivery.journal.segment import DAMAGED, LOCKED, SUFFIX, Item, Locked, records
from leads.delivery.system import Path, open, os

Record = dict[str, Any]


def clear_quarantine(
    directories: Sequence[Path], matches: Callable[[Record], bool], *, replace: Callable[[Record], Record] | None
) -> int:
    """Remove the refused records that match, or replace each by what `replace` returns; return how many changed."""
    changed = 0
    for path, refused in list(quarantine.quarantined(directories)):
        record = refused["record"]
        if not matches(record):
            continue
        kept = replace(record) if replace else None
        if kept == record:
            continue
        if kept:
            text = json.dumps(kept, separators=(",", ":")).encode()
            item = Item(quarantine.folio_of(path), refused["journaled_at"], text)
            quarantine.put_aside(path.parent.parent, item, reason=refused["reason"], at=refused["at"])
        path.unlink(missing_ok=True)
        changed += 1
    return changed


def clear_damaged(directories: Sequence[Path], matches: Callable[[Item], bool]) -> int:
    """Rewrite the journals that were set aside without the records that match; return how many lines were removed.

    `matches` is also called for what cannot be read: with an item that has no folio, the bytes, as far as they can be
    guessed, and the file's time; and with one that has no text for a record of which no key is in use.
    """
    changed = 0
    folders = [directory / name for directory in directories for name in (DAMAGED, LOCKED)]
    for path in [path for folder in folders for path in files(folder, SUFFIX)]:
        try:
            lines = path.read_bytes().splitlines(keepends=True)
        except OSError:
            continue  # census.inaccessible names it
        kept = [line for line in lines if not any(map(matches, _items_in(line, path)))]
        if len(kept) < len(lines):
            _rewrite(path, kept)
        changed += len(lines) - len(kept)
    return changed


def _items_in(line: bytes, path: Path) -> list[Item]:
    unreadable = Item("", path.stat().st_mtime, sealing.salvaged(line))
    return [Item("", item.at, b"") if isinstance(item, Locked) else item or unreadable for item, _ in records(line)]


def _rewrite(path: Path, lines: list[bytes]) -> None:
    if not lines:
        path.unlink()
        return
    unfinished = path.with_suffix(".tmp")
    with open(unfinished, "wb", opener=private) as file:
        file.writelines(lines)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
