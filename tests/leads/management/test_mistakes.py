"""What an operator reads when a command cannot do its work: one line, a status, and never a traceback."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

from leads.management.commands.migrate import LOCK
from tests.support import live, mark
from tests.support.eventually import PATIENCE_S, eventually
from tests.support.processes import ROOT, run

pytestmark = pytest.mark.long

NO_DATABASE = (
    "The database cannot be used: nothing listens there: Postgres is stopped, or the host or the port is wrong. Start "
    "Postgres, or correct the host and the port (Supabase: 5432, or 6543 for the transaction pooler)."
)
NOWHERE = [
    (("privacy", "list-erased", "/none/file"), "/none/file does not take the list: No such file or directory."),
    (("privacy", "erase-listed", "/none/file"), "/none/file cannot be read: No such file or directory."),
    (("forget_second_factor", "ana"), NO_DATABASE),
    (("daily",), "The database does not answer (OperationalError): run this again."),
]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    outbox = {"OUTBOX_DIR": f"{tmp_path}/outbox", "OUTBOX_SPARE_DIR": f"{tmp_path}/outbox-spare"}
    return live.environment(live.NOBODY_LISTENS, **outbox)


@pytest.mark.parametrize(
    ("arguments", "told"), mark.by_hand_but(2, NOWHERE), ids=[" ".join(arguments) for arguments, _ in NOWHERE]
)
def test_a_command_without_its_file_or_its_database_says_so_in_a_line(environment, arguments, told):
    done = run("manage.py", *arguments, environment=environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].removeprefix("CommandError: ") == told
    assert "Traceback" not in done.stderr


def test_a_file_that_is_no_list_of_erasures_changes_nothing(environment, tmp_path):
    (tmp_path / "leads.jsonl").write_text('{"folio": "260101-1", "name": "Zoila"}\n')
    done = run("manage.py", "privacy", "erase-listed", str(tmp_path / "leads.jsonl"), environment=environment)
    assert done.returncode == 1
    assert "is no list of `privacy list-erased`: line 1 is no erasure. Nothing was changed." in done.stderr


def started(environment: dict[str, str], *arguments: str, **options: Any) -> subprocess.Popen[str]:
    # Whatever started the tests may ignore Ctrl-C, and processes inherit that.
    heeding = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    program = (
        f"{heeding}from runpy import run_path; sys.argv[0] = 'manage.py'; run_path('manage.py', run_name='__main__')"
    )
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.Popen(command, cwd=ROOT, env=environment, text=True, stderr=subprocess.PIPE, **options)


def test_a_reader_that_has_enough_ends_a_command_quietly(environment):
    process = started(environment, "help", stdout=subprocess.PIPE)
    process.stdout.close()
    _, told = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, told) == (141, "")


def test_a_migrate_waits_until_another_has_ended_and_can_be_stopped(postgres, environment):
    environment["DATABASE_URL"] = postgres.url
    with psycopg.connect(postgres.url) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        both = [started(environment, "migrate", "-v0", stdout=subprocess.DEVNULL) for _ in range(2)]
        waiting = "SELECT true FROM pg_stat_activity WHERE query LIKE 'SELECT pg_try_advisory_xact_lock%%'"
        assert eventually(lambda: len(postgres.query(waiting)) == 2)
        both[0].send_signal(signal.SIGINT)
        _, told = both[0].communicate(timeout=PATIENCE_S)
        assert both[0].returncode == 130
        assert told.splitlines() == [
            "Another migrate runs on this database; waiting until it ends.",
            "CommandError: Stopped. What was done so far stays. Run it again: it goes on.",
        ]
        assert both[1].poll() is None
    _, told = both[1].communicate(timeout=PATIENCE_S)
    assert (both[1].returncode, told) == (0, "Another migrate runs on this database; waiting until it ends.\n")
