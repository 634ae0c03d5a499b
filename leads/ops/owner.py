"""Refuses commands of another user than the site's: the site could not read what that user writes to the outbox."""

import os
import pwd
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from leads.alerts.worker import LOCK
from leads.delivery.journal.disk import nearest_existing


def other_owner(directories: Sequence[Path]) -> str:
    """Return whose the outbox is, as sudo -u takes it, when that is neither this user nor root; else "".

    It is of whoever has run the site there, or owns the directory, or its nearest parent while it is missing. Nothing
    follows from root's directories: they are those of containers, and parents such as /var.
    """
    for directory in directories:
        owner = _owner(directory)
        if owner not in (0, os.geteuid()):
            return _name(owner)
    return ""


def this_user() -> str:
    return _name(os.geteuid())


def as_owner(owner: str, command: Sequence[str]) -> str:
    """Return the line that runs a command as the outbox's owner. command: as in sys.argv."""
    return f"sudo -u {shlex.quote(owner)} {shlex.join([sys.executable, *command])}"


class RunByOwner(BaseCommand):
    """A command that reads or writes the outbox. As another user it refuses before it touches anything."""

    def execute(self, *args: Any, **options: Any) -> Any:
        if owner := other_owner(settings.OUTBOX_DIRECTORIES):
            raise CommandError(
                f"The outbox is {owner}'s, and this is {this_user()}, whose files the site could not read. Nothing was "
                f"done. Run: {as_owner(owner, sys.argv)}"
            )
        return super().execute(*args, **options)


def _owner(directory: Path) -> int:
    for path in (directory / LOCK, nearest_existing(directory)):
        try:
            return path.stat().st_uid
        except OSError:
            continue
    return os.geteuid()


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"
