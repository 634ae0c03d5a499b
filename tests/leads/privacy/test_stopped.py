"""Long commands that are stopped, killed, or have no disk: what they leave, with real processes and signals."""

import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from leads.privacy.unfinished import PREFIX
from tests.support import live, xlsx
from tests.support.eventually import PATIENCE_S, eventually
from tests.support.live import Postgres
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


@pytest.fixture
def start(shop: Postgres, tmp_path: Path) -> Any:
    """A function that starts a command. Its output and its temporary files are in folders of their own."""
    (tmp_path / "out").mkdir()
    (tmp_path / "tmp").mkdir()
    shop.query("TRUNCATE lead_events")
    started: list[subprocess.Popen[str]] = []
    outbox = {"OUTBOX_DIR": f"{tmp_path}/outbox", "OUTBOX_SPARE_DIR": f"{tmp_path}/outbox-spare"}
    environment = live.environment(shop.url, TMPDIR=f"{tmp_path}/tmp", **outbox)

    def run(*arguments: str, before: str = "import sys; ") -> subprocess.Popen[str]:
        command = [sys.executable, "-c", HEEDING + before + MANAGE, *arguments]
        started.append(
            subprocess.Popen(
                command, cwd=live.ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
        )
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def is_writing(tmp_path: Path, process: subprocess.Popen[str]) -> bool:
    """Return whether an export has begun to write: its file has no name, but the process has it open."""
    assert process.poll() is None, process.communicate()
    sizes = []
    for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
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
    [("csv", signal.SIGINT), ("jsonl", signal.SIGINT), ("xlsx", signal.SIGINT)]
    + [("xlsx", signal.SIGTERM), ("csv", signal.SIGHUP)],
)
def test_a_stopped_export_leaves_neither_a_file_nor_an_event(shop, start, tmp_path, form, number):
    process = start("export_leads", "--output", f"{tmp_path}/out/leads.{form}")
    eventually(lambda: is_writing(tmp_path, process))
    process.send_signal(number)
    _out, told = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 128 + number
    assert "leads when it was stopped" in told
    assert told.endswith("Stopped. No file was written.\n")
    assert "Traceback" not in told
    assert (files(tmp_path / "out"), files(tmp_path / "tmp"), events(shop)) == ([], [], 0)


def test_of_a_killed_export_nothing_is_left(shop, start, tmp_path):
    process = start("export_leads", "--output", f"{tmp_path}/out/leads.csv")
    eventually(lambda: is_writing(tmp_path, process))
    process.kill()
    process.wait()
    assert (files(tmp_path / "out"), files(tmp_path / "tmp"), events(shop)) == ([], [], 0)


@pytest.mark.parametrize("cleaner", ["export_leads", "purge_leads"])
def test_the_parts_of_a_killed_spreadsheet_are_removed_by_the_next_command(shop, start, tmp_path, cleaner):
    process = start("export_leads", "--output", f"{tmp_path}/out/leads.xlsx")
    eventually(lambda: is_writing(tmp_path, process))
    alive = start("export_leads", "--output", f"{tmp_path}/out/other.xlsx")
    eventually(lambda: is_writing(tmp_path, alive))
    process.kill()
    process.wait()
    assert files(tmp_path / "out") == []
    assert len(files(tmp_path / "tmp")) == 2

    if cleaner == "export_leads":
        start(cleaner, "--until", "2000-01-01", "--output", f"{tmp_path}/out/next.xlsx").communicate()
    else:
        out, _told = start(cleaner, "--older-than", "9999d", "--apply").communicate()
        assert "1 unfinished exports were deleted" in out

    [left] = files(tmp_path / "tmp")
    assert left.startswith(PREFIX)
    _out, told = alive.communicate(timeout=60)
    assert f"{LEADS} leads exported" in _out, told
    assert files(tmp_path / "tmp") == []
    assert events(shop) == LEADS


@pytest.mark.parametrize("form", ["csv", "jsonl", "xlsx"])
def test_a_full_disk_leaves_neither_a_file_nor_an_event(shop, start, tmp_path, form):
    process = start("export_leads", "--output", f"{tmp_path}/out/leads.{form}", before=LIMITED)
    _out, told = process.communicate(timeout=60)
    assert process.returncode == 1
    assert told.splitlines()[-1].endswith("does not take the leads: File too large.")
    assert "Traceback" not in told
    assert (files(tmp_path / "out"), files(tmp_path / "tmp"), events(shop)) == ([], [], 0)


def test_a_spreadsheet_takes_the_same_memory_however_many_leads_it_has(start, tmp_path):
    peaks = []
    for until in (timezone.localdate() - timedelta(hours=LEADS * 0.9), timezone.localdate()):
        file = tmp_path / "out" / "leads.xlsx"
        process = start("export_leads", "--output", str(file), "--until", str(until), before=MEASURED)
        out, told = process.communicate(timeout=120)
        assert process.returncode == 0, told
        peaks.append((int(out.split()[0]), int(told.split()[-1])))
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
        process = start(*arguments)
        eventually(lambda: shop.query(is_done))
        process.send_signal(signal.SIGINT)
        _out, told = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 130
        assert "when it was stopped" in told
        assert told.endswith("Stopped. What was done so far stays. Run it again: it goes on.\n")
        assert "Traceback" not in told
    finally:
        shop.query("TRUNCATE leads CASCADE")
        shop.query("INSERT INTO leads OVERRIDING SYSTEM VALUE SELECT * FROM copy")
        shop.query("DROP TABLE copy")


def test_a_signal_that_is_ignored_stays_ignored(start, tmp_path):
    ignoring = "import signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); "  # as nohup does
    process = start("export_leads", "--output", f"{tmp_path}/out/leads.csv", before=ignoring)
    eventually(lambda: is_writing(tmp_path, process))
    process.send_signal(signal.SIGHUP)
    out, told = process.communicate(timeout=60)
    assert f"{LEADS} leads exported" in out, told
