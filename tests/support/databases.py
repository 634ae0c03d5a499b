"""Prepares the databases of a test run: `make test` runs this first. Each process of pytest finds its own, migrated.

Migrations take two seconds, and a copy of what they make takes a tenth of one.
"""

import os
import shutil
import subprocess
import sys
from fcntl import LOCK_EX, flock

import psycopg

from tests.support.live import ROOT, VAR, migrated_postgres

DATA = VAR / "test-postgres"
# pytest-django's names, for a single process and for each of those that `make test` starts.
NAMES = ["test_postgres", *(f"test_postgres_gw{number}" for number in range(int(os.environ.get("PROCESSES", 1))))]


def prepare() -> None:
    """Make the data directory that `make test` copies, unless one of this state of the code is there."""
    made_of, state = DATA.with_name(f"{DATA.name}-of"), f"{migrated_postgres().name} {len(NAMES)}"
    with made_of.open("a+") as note:
        flock(note, LOCK_EX)
        note.seek(0)
        if note.read() == state and DATA.exists():
            return
        note.truncate(0)
        _make()
        note.write(state)


def _make() -> None:
    shutil.rmtree(DATA, ignore_errors=True)
    with_postgres = [ROOT / "bin" / "with-postgres", f"--data={DATA}", f"--copy-of={migrated_postgres()}"]
    copy = [sys.executable, "-m", "tests.support.databases", "copy"]
    subprocess.run([sys.executable, *with_postgres, *copy], cwd=ROOT, check=True)


def copy() -> None:
    """Copy the database of DATABASE_URL for each process."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        for name in NAMES:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE postgres")


if __name__ == "__main__":
    copy() if sys.argv[1:] else prepare()
