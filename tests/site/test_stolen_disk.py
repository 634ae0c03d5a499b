"""After a day of everything, no file that the site has written names a customer: a stolen disk says nothing."""

import os
import signal
from pathlib import Path

import pytest
from django.test import override_settings

from leads.delivery.journal import sealing
from tests.site.test_canary import spellings
from tests.support import faults, live
from tests.support.customers import a_token, check_out
from tests.support.eventually import PATIENCE_S, eventually
from tests.support.live import Postgres, Site
from tests.support.processes import run

pytestmark = [pytest.mark.long, pytest.mark.quiet]

# Each person goes another way.
PHONES = {
    "Zoraida Ñandúcañada": "656 987 6511",  # is stored, and kept
    "Anacleta Güemes": "656 987 6512",  # waits in an outage
    "Brígida Ñíguez": "656 987 6513",  # is refused
    "Crisóstoma Yáñez": "656 987 6514",  # is in a damaged journal
    "Dorotea Peñafiel": "656 987 6515",  # is erased
    "Eufrasia Muñoz": "656 987 6516",  # comes while the first directory is gone
}
STORED, WAITING, REFUSED, DAMAGED, ERASED, SPARE = PHONES


def comes(site: Site, name: str) -> str:
    """Have a person check out, and return the folio."""
    answer = check_out(site, a_token(site), name=name, phone=PHONES[name]).json
    assert answer["success"]
    return answer["folio"]


def traces(name: str) -> set[str]:
    number = PHONES[name].replace(" ", "")
    parts = [*name.split(), number, f"+52{number}", PHONES[name]]
    return {spelling for part in parts for spelling in spellings(part)}


def written(folder: Path) -> dict[str, bytes]:
    """Return the content of each file below a folder, by its path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def names(postgres: Postgres) -> set[str]:
    return {row["name"] for row in postgres.query("SELECT name FROM leads WHERE name <> ''")}


def test_no_file_names_anybody_after_checkouts_outages_refusals_damage_and_an_erasure(postgres, tmp_path):
    (tmp_path / "tmp").mkdir()
    directories = {"OUTBOX_DIR": f"{tmp_path}/outbox", "OUTBOX_SPARE_DIR": f"{tmp_path}/outbox-spare"}
    with live.site(postgres.url, TMPDIR=f"{tmp_path}/tmp", **directories) as site:
        a_day(site, postgres, tmp_path)
        site_files = written(tmp_path)

    folders = {name.rpartition("/")[0] for name in site_files}
    assert {"outbox", "outbox/kept", "outbox/quarantine", "outbox/damaged"} <= folders
    assert any(name.startswith("outbox-spare/") for name in site_files)
    for name in PHONES:
        found = {file for file, text in site_files.items() for trace in traces(name) if trace.encode() in text}
        assert (name, found) == (name, set())

    # The shop itself can open all of it, except who was erased.
    with override_settings(SECRET_KEY=site.environment["SECRET_KEY"]):
        opened = b"".join(map(sealing.salvaged, site_files.values())).decode(errors="replace")
    assert [name for name in PHONES if name in opened] == [STORED, WAITING, REFUSED, DAMAGED, SPARE]


def a_day(site: Site, postgres: Postgres, folder: Path) -> None:
    folio = comes(site, DAMAGED).encode()
    # Postgres may have had it before the disk.
    journals = folder / "outbox"
    assert eventually(lambda: sum(each.read_bytes().count(folio) for each in journals.glob("*.journal")) == 2)
    a_journal_is_damaged(site, folder)
    for name in (STORED, ERASED):
        comes(site, name)
    assert eventually(lambda: {STORED, ERASED} <= names(postgres))
    with faults.rule(postgres, f"name <> '{REFUSED}'"):
        comes(site, REFUSED)
        assert eventually(lambda: site.get("/healthz").json["outbox"]["quarantined"] == 1)
    done = run("manage.py", "privacy", "erase", PHONES[ERASED], "--yes", environment=site.environment)
    assert done.stdout.startswith("1 leads anonymised")
    (folder / "outbox").rename(folder / "away")
    (folder / "outbox").write_text("in its place")
    with faults.stopped(postgres, None):
        comes(site, SPARE)
        (folder / "outbox").unlink()
        (folder / "away").rename(folder / "outbox")
        comes(site, WAITING)
        os.kill(site.process.pid, signal.SIGTERM)
        site.process.wait(PATIENCE_S)


def a_journal_is_damaged(site: Site, folder: Path) -> None:
    """Kill the site, change a byte of a record in each journal, and let the next process adopt them."""
    site.stop()
    for journal in (folder / "outbox").glob("*.journal"):
        text = bytearray(journal.read_bytes())
        text[-40] ^= 1
        journal.write_bytes(text)
    site.start()
    assert eventually(lambda: list((folder / "outbox" / "damaged").glob("*.journal")), or_show=lambda: site.log)
