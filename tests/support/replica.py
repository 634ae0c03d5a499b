"""A streaming replica of a Postgres, which confirms nothing before the server answers, and its promotion."""

import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import psycopg

from tests.support.eventually import eventually
from tests.support.live import Postgres


def pg(postgres: Postgres, program: str, *arguments: object) -> None:
    """Run one of Postgres's own programs as its account."""
    subprocess.run([postgres.programs / program, *map(str, arguments)], check=True, cwd="/", **postgres.account)


def started(postgres: Postgres, folder: Path) -> Postgres:
    """Return a new replica that runs. folder: an empty one, which it gets."""
    shutil.chown(folder, postgres.data.stat().st_uid)
    data = folder / "data"
    options = ("--username=postgres", "--write-recovery-conf", "--checkpoint=fast", "--no-sync")
    pg(postgres, "pg_basebackup", f"--pgdata={data}", f"--host={postgres.data}", *options)
    (data / ".s.PGSQL.5432.lock").unlink()  # of the server, whose sockets are in its data
    replica = Postgres(postgres.url.replace(str(postgres.data), str(data)), data, postgres.programs)
    replica.start()
    return replica


def killed(postgres: Postgres) -> None:
    """Stop a server at once, without a last word to its replicas."""
    pg(postgres, "pg_ctl", "stop", "--mode=immediate", "--wait", "--silent", f"--pgdata={postgres.data}")


def promoted(replica: Postgres) -> None:
    """Promote a replica. It starts anew if one of its processes was killed."""

    def is_promoted() -> bool:
        with suppress(psycopg.OperationalError):
            [found] = replica.query("SELECT pg_is_in_recovery() AS waits, pg_is_in_recovery() AND pg_promote(false)")
            return not found["waits"]
        return False

    assert eventually(is_promoted, or_show=lambda: replica.log)
