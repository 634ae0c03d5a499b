"""Long commands that are stopped, killed, or have no disk: what they leave, with real processes and signals."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone

from leads.delivery.journal.segment import KEPT, Item, encode
from leads.delivery.record import lead_record
from leads.privacy.unfinished import PREFIX
from tests.support import live, mark, xlsx
from tests.support.eventually import PATIENCE_S, eventually
from tests.support.factories import a_contact, an_issued_quote
from tests.support.live import Postgres
from tests.support.processes import Process
from tests.support.stored import KINDS

pytestmark = pytest.mark.long

LEADS = 5000
# Whatever started the tests may ignore Ctrl-C, as a job in a shell's background does, and processes inherit that.
HEEDING = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
# A limit for each file, which stands for a full disk. Python ignores the signal, so writing fails.
LIMITED = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000)); "
MEASURED = (
    "import atexit, resource, sys; atexit.register(lambda: print(resource.getrusage(0).ru_maxrss, file=sys.stderr)); "
)
MANAGE = "from runpy import run_path; sys.argv[0] = 'manage.py'; run_path('manage.py', run_name='__main__')"


@pytest.fixture(scope="module")
def shop(postgres: Postgres) -> Postgres:
    postgres.query(
        "INSERT INTO leads (folio, name, phone, quote_data, created_at) "
        "SELECT 'F' || n, 'Zoila ' || n, '+526561' || n, %s, now() - n * interval '1 hour' "
        "FROM generate_series(1, %s) AS n",
        KINDS["a lead"](),
        LEADS,
    )
    return postgres


class Command:
    """A management command in a process of its own, which has ended when it is asked for its output."""

    def __init__(self, *arguments: str, before: str, environment: dict[str, str], directory: Path) -> None:
        directory.mkdir()
        self._stdout, self._stderr = directory / "stdout", directory / "stderr"
        command = ["-c", HEEDING + before + MANAGE, *arguments]
        self.process = Process(command, environment=environment, stdout=self._stdout, stderr=self._stderr)

    def send(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        self.process.wait(PATIENCE_S)

    def end(self, timeout_s: float = PATIENCE_S) -> tuple[int, str, str]:
        """Wait for the end; return the exit status and what was printed as output and as errors."""
        status = self.process.wait(timeout_s)
        return status, self._stdout.read_text(), self._stderr.read_text()


@pytest.fixture
def environment(shop: Postgres, tmp_path: Path) -> dict[str, str]:
    """The variables of a command, whose output and temporary files are in folders of their own."""
    (tmp_path / "out").mkdir()
    (tmp_path / "tmp").mkdir()
    shop.empty("lead_events")
    outbox = {"OUTBOX_DIR": f"{tmp_path}/outbox", "OUTBOX_SPARE_DIR": f"{tmp_path}/outbox-spare"}
    return live.environment(shop.url, TMPDIR=f"{tmp_path}/tmp", **outbox)


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Any:
    """A function that starts a command."""
    started: list[Command] = []

    def run(*arguments: str, before: str = "import sys; ") -> Command:
        directory = tmp_path / f"process-{len(started)}"
        started.append(Command(*arguments, before=before, environment=environment, directory=directory))
        return started[-1]

    yield run
    for command in started:
        command.process.kill()
        command.process.wait(PATIENCE_S)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def is_writing(tmp_path: Path, command: Command) -> bool:
    """Return whether an export has begun to write: its file has no name, but the process has it open."""
    sizes = []
    for descriptor in Path(f"/proc/{command.process.pid}/fd").iterdir():
        try:
            if str(descriptor.readlink()).startswith(str(tmp_path)):
                sizes.append(descriptor.stat().st_size)
        except FileNotFoundError:
            continue
    return any(size > 100_000 for size in sizes)


def events(shop: Postgres) -> int:
    [row] = shop.query("SELECT count(*) AS count FROM lead_events")
    return int(row["count"])


@pytest.mark.parametrize(
    ("form", "number"),
    mark.by_hand_but(
        2,
        [("csv", signal.SIGINT), ("xlsx", signal.SIGTERM)]
        + [("csv", signal.SIGHUP), ("jsonl", signal.SIGINT), ("xlsx", signal.SIGINT)],
    ),
)
def test_a_stopped_export_leaves_neither_a_file_nor_an_event(shop, start, tmp_path, form, number):
    command = start("export_leads", "--output", f"{tmp_path}/out/leads.{form}")
    eventually(lambda: is_writing(tmp_path, command))
    command.send(number)
    status, _out, told = command.end()
    assert status == 128 + number
    assert "leads when it was stopped" in told
    assert told.endswith("Stopped. No file was written.\n")
    assert "Traceback" not in told
    assert (files(tmp_path / "out"), files(tmp_path / "tmp"), events(shop)) == ([], [], 0)


def test_of_a_killed_export_nothing_is_left(shop, start, tmp_path):
    command = start("export_leads", "--output", f"{tmp_path}/out/leads.csv")
    eventually(lambda: is_writing(tmp_path, command))
    command.kill()
    assert (files(tmp_path / "out"), files(tmp_path / "tmp"), events(shop)) == ([], [], 0)


@pytest.mark.parametrize("cleaner", mark.by_hand_but(1, ["export_leads", "purge_leads"]))
def test_the_parts_of_a_killed_spreadsheet_are_removed_by_the_next_command(shop, start, tmp_path, cleaner):
    command = start("export_leads", "--output", f"{tmp_path}/out/leads.xlsx")
    eventually(lambda: is_writing(tmp_path, command))
    alive = start("export_leads", "--output", f"{tmp_path}/out/other.xlsx")
    eventually(lambda: is_writing(tmp_path, alive))
    alive.send(signal.SIGSTOP)  # however quick it is
    command.kill()
    assert files(tmp_path / "out") == []
    assert len(files(tmp_path / "tmp")) == 2

    if cleaner == "export_leads":
        start(cleaner, "--until", "2000-01-01", "--output", f"{tmp_path}/out/next.xlsx").end()
    else:
        _status, out, _told = start(cleaner, "--older-than", "9999d", "--apply").end()
        assert "1 unfinished exports were deleted" in out

    [left] = files(tmp_path / "tmp")
    assert left.startswith(PREFIX)
    alive.send(signal.SIGCONT)
    _status, out, told = alive.end(timeout_s=60)
    assert f"{LEADS} leads exported" in out, told
    assert files(tmp_path / "tmp") == []
    assert events(shop) == LEADS


@pytest.mark.parametrize("form", mark.by_hand_but(1, ["xlsx", "csv", "jsonl"]))
def test_a_full_disk_leaves_neither_a_file_nor_an_event(shop, start, tmp_path, form):
    command = start("export_leads", "--output", f"{tmp_path}/out/leads.{form}", before=LIMITED)
    status, _out, told = command.end(timeout_s=60)
    assert status == 1
    assert told.splitlines()[-1].endswith("does not take the leads: File too large.")
    assert "Traceback" not in told
    assert (files(tmp_path / "out"), files(tmp_path / "tmp"), events(shop)) == ([], [], 0)


@pytest.mark.by_hand
def test_a_spreadsheet_takes_the_same_memory_however_many_leads_it_has(environment, tmp_path):
    peaks = []
    for until in (timezone.localdate() - timedelta(hours=LEADS * 0.9), timezone.localdate()):
        file = tmp_path / "out" / "leads.xlsx"
        # Not forked, because a forked process has memory of the one that it comes from.
        command = [sys.executable, "-c", MEASURED + MANAGE, "export_leads", "--output", file, "--until", str(until)]
        done = subprocess.run(command, cwd=live.ROOT, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        peaks.append((int(done.stdout.split()[0]), int(done.stderr.split()[-1])))
    (few, low), (many, high) = peaks
    assert many == LEADS > 9 * few
    assert high - low < 6_000  # kB
    [sheet] = xlsx.read(file.read_bytes())
    assert len(sheet.rows) == LEADS + 1


@pytest.mark.parametrize(
    ("arguments", "is_done"),
    [
        (("purge_leads", "--older-than", "1d", "--anonymise", "--apply"), "SELECT true FROM leads WHERE name = ''"),
        (("purge_leads", "--older-than", "1d", "--apply"), f"SELECT true FROM leads HAVING count(*) < {LEADS}"),
    ],
)
def test_a_stopped_purge_says_how_far_it_came_and_goes_on(shop, start, arguments, is_done):
    shop.query("CREATE TABLE copy AS TABLE leads")
    try:
        command = start(*arguments)
        eventually(lambda: shop.query(is_done))
        command.send(signal.SIGINT)
        status, _out, told = command.end()
        assert status == 130
        assert "when it was stopped" in told
        assert told.endswith("Stopped. What was done so far stays. Run it again: it goes on.\n")
        assert "Traceback" not in told
    finally:
        shop.empty("leads")
        shop.query("INSERT INTO leads OVERRIDING SYSTEM VALUE SELECT * FROM copy")
        shop.query("DROP TABLE copy")


def test_a_signal_that_is_ignored_stays_ignored(start, tmp_path):
    ignoring = "import signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); "  # as nohup does
    command = start("export_leads", "--output", f"{tmp_path}/out/leads.csv", before=ignoring)
    eventually(lambda: is_writing(tmp_path, command))
    command.send(signal.SIGHUP)
    _status, out, told = command.end(timeout_s=60)
    assert f"{LEADS} leads exported" in out, told


# --- A replay of what is kept on the disk -----------------------------------------------------------------------------


def kept_leads(environment: dict[str, str], number: int) -> None:
    """Write a kept journal with so many leads that no database has."""
    lead = lead_record(an_issued_quote(), a_contact())
    folder = Path(environment["OUTBOX_DIR"]) / KEPT
    folder.mkdir(parents=True)
    with override_settings(SECRET_KEY=environment["SECRET_KEY"]), (folder / "1-1-00000000.journal").open("wb") as file:
        for each in range(number):
            row = replace(lead, folio=f"K{each}", phone=f"+52656{each:07}")
            file.write(encode(Item(row.folio, 1795374600.0, row.as_json())))


def replayed(shop: Postgres) -> int:
    [row] = shop.query("SELECT count(*) AS count FROM leads WHERE folio LIKE 'K%%'", *())
    return int(row["count"])


@pytest.mark.parametrize("number", mark.by_hand_but(1, [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]))
def test_a_stopped_replay_goes_on_when_it_is_run_again(shop, start, environment, number):
    kept_leads(environment, LEADS)
    shop.query("DELETE FROM leads WHERE folio LIKE 'K%%'", *())
    command = start("outbox", "replay")
    eventually(lambda: replayed(shop))
    command.send(number)
    status, _out, told = command.end()
    assert status == 128 + number
    assert "records compared when it was stopped" in told
    assert told.endswith("Stopped. What was done so far stays. Run it again: it goes on.\n")
    assert "Traceback" not in told
    before = replayed(shop)
    assert 0 < before < LEADS

    status, out, _told = start("outbox", "replay").end()

    assert (status, replayed(shop)) == (0, LEADS)
    # The batch in which it was stopped may have been written and not counted.
    assert f"{LEADS} records compared: {LEADS - before} leads and quotes were missing" in out


@pytest.mark.by_hand
def test_a_replay_of_many_takes_no_more_memory_than_of_few(shop, start, environment):
    peaks = []
    for leads in (1_000, 30_000):
        shutil.rmtree(environment["OUTBOX_DIR"], ignore_errors=True)
        kept_leads(environment, leads)
        status, _out, told = start("outbox", "replay", before=MEASURED).end(10 * PATIENCE_S)
        assert status == 0
        peaks.append(int(told.split()[-1]))
    assert peaks[1] < peaks[0] + 10_000  # kB
