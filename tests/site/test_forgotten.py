"""A database that has forgotten leads gets them back: a restored backup, a new project, a promoted replica."""

import os
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from tempfile import mkdtemp
from threading import Event, Thread

import pytest

from tests.support import live
from tests.support import replica as replicas
from tests.support.customers import a_token, check_out
from tests.support.eventually import PATIENCE_S, eventually
from tests.support.live import Postgres, Site
from tests.support.processes import run
from tests.support.release import follow
from tests.support.replica import pg

pytestmark = [pytest.mark.long, pytest.mark.quiet]

DOCUMENT = "operations.md"
NAME = "Zoraida Ñandúcañada"
_phones = count(6_567_000_001)


@pytest.fixture(autouse=True)
def empty_tables(postgres: Postgres) -> None:
    postgres.empty("leads", restart_ids=True)


def variables(directory: Path) -> dict[str, str]:
    return {
        "OUTBOX_DIR": f"{directory}/outbox",
        "OUTBOX_SPARE_DIR": f"{directory}/outbox-spare",
        "ALLOWED_HOSTS": "quotes.example.com,127.0.0.1",
    }


def customers(site: Site, number: int) -> list[str]:
    """Return the folios of people who were answered that their lead is stored."""
    return [answered(check_out(site, name=NAME, phone=str(next(_phones))).json) for _ in range(number)]


def answered(answer: dict[str, str]) -> str:
    assert answer["success"]
    assert "warning" not in answer
    return answer["folio"]


def stored(postgres: Postgres) -> Counter[str]:
    rows = postgres.query("SELECT folio FROM leads WHERE name = %s", NAME)
    return Counter(row["folio"] for row in rows)


def of(postgres: Postgres, database: str) -> Postgres:
    """Return another database of a server, made anew."""
    postgres.query(f"CREATE DATABASE {database}")
    url = postgres.url.replace("@/postgres?", f"@/{database}?")
    return Postgres(url, postgres.data, postgres.programs)


def moved_to(site: Site, postgres: Postgres) -> None:
    """Restart the site with another database, as its host does when DATABASE_URL changes."""
    os.kill(site.process.pid, signal.SIGTERM)  # its journals end with it; those of a killed one are delivered again
    site.process.wait(PATIENCE_S)
    site.environment = {**site.environment, "DATABASE_URL": postgres.url}
    site.start()


def told_and_mended(site: Site) -> str:
    """Check that health and doctor say what is missing; follow the document, and return what it printed."""
    assert eventually(lambda: health(site) == ("degraded", "up"), or_show=lambda: site.log)
    told = run("manage.py", "doctor", environment=site.environment).stdout
    assert "are not in the database" in told
    [output] = follow(DOCUMENT, "The database has forgotten leads", environment=site.environment)
    assert "delivered last are in the database" in output
    assert eventually(lambda: health(site) == ("ok", "up"), or_show=lambda: site.log)
    return output


def health(site: Site) -> tuple[str, str]:
    answer = site.get("/healthz").json
    return answer["status"], answer["database"]


def test_a_restored_backup_has_every_lead_once_after_a_replay(postgres, tmp_path):
    dump = postgres.data / "last-night.dump"
    with live.site(postgres.url, **variables(tmp_path)) as site:
        before = customers(site, 3)
        pg(postgres, "pg_dump", "--format=custom", f"--file={dump}", postgres.url)
        since = customers(site, 8)
        restored = of(postgres, "restored")
        options = ("--schema=public", "--no-owner", "--no-privileges", "--single-transaction")
        pg(postgres, "pg_restore", *options, f"--dbname={restored.url}", dump)
        moved_to(site, restored)
        new = customers(site, 2)
        assert stored(restored) == Counter([*before, *new])

        output = told_and_mended(site)

        # A quote and the lead that it became are one row.
        assert "8 leads and quotes were missing and are back, 0 had older details, 0 stay erased" in output
        assert stored(restored) == Counter([*before, *since, *new])
        again = site.manage("outbox", "replay")
        assert "0 leads and quotes were missing" in again
        assert stored(restored) == Counter([*before, *since, *new])
        written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        assert NAME.encode() not in written


@pytest.mark.by_hand
def test_a_new_project_gets_every_lead_once(postgres, tmp_path):
    with live.site(postgres.url, **variables(tmp_path)) as site:
        answers = customers(site, 8)
        new = of(postgres, "anew")
        moved_to(site, new)
        for command in ("migrate", "ensure_roles"):
            site.manage(command)
        told_and_mended(site)
        assert stored(new) == Counter(answers)


@pytest.fixture
def replica(postgres: Postgres, empty_tables: None) -> Iterator[Postgres]:
    """A streaming replica of the server, which confirms nothing before the server answers."""
    folder = Path(mkdtemp(dir="/dev/shm", prefix="folio-replica-"))
    standby = replicas.started(postgres, folder)
    yield standby
    with suppress(subprocess.CalledProcessError):
        replicas.killed(standby)
    shutil.rmtree(folder)


@pytest.mark.by_hand
def test_a_promoted_replica_has_every_lead_once_after_a_replay(postgres, replica, tmp_path):
    way = Path(mkdtemp(dir="/dev/shm", prefix="folio-way-"))
    way.chmod(0o755)
    (way / "to").symlink_to(postgres.data)  # as a name of the server, which leads to the new one after the failover
    is_over, answers = Event(), list[str]()

    def come(site: Site) -> None:
        while not is_over.is_set():
            answer = check_out(site, a_token(site), name=NAME, phone=str(next(_phones))).json
            assert answer["success"]
            answers.append(answer["folio"])

    with live.site(postgres.url.replace(str(postgres.data), str(way / "to")), **variables(tmp_path)) as site:
        threads = [Thread(target=come, args=[site]) for _ in range(3)]
        for thread in threads:
            thread.start()
        assert eventually(lambda: len(stored(replica)) > 20)
        [receiver] = replica.query("SELECT pid FROM pg_stat_wal_receiver")
        os.kill(receiver["pid"], signal.SIGSTOP)  # it falls behind
        behind = len(stored(postgres))
        assert eventually(lambda: len(stored(postgres)) > behind + 20)
        replicas.killed(postgres)
        os.kill(receiver["pid"], signal.SIGKILL)
        replicas.promoted(replica)
        (way / "next").symlink_to(replica.data)
        (way / "next").rename(way / "to")
        promoted = len(stored(replica))
        assert eventually(lambda: len(stored(replica)) > promoted + 20, or_show=lambda: site.log)
        is_over.set()
        for thread in threads:
            thread.join()
        assert eventually(lambda: site.get("/healthz").json["outbox"]["pending"] == 0)
        missing = Counter(answers) - stored(replica)
        assert len(missing) >= 20

        told_and_mended(site)

        assert stored(replica) == Counter(answers)
    shutil.rmtree(way)
