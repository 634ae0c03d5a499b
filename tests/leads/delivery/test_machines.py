"""Each web machine has a row, so staff pages at any machine tell of all of them."""

import shutil
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from leads.delivery import health, machine, machines
from leads.delivery.journal.outbox import Outbox
from leads.delivery.journal.quarantine import put_aside
from leads.delivery.journal.segment import Item
from leads.delivery.machines import OwnRow
from leads.models import Machine
from leads.ops.doctor import machines as doctor

pytestmark = pytest.mark.django_db

LIST = "/admin/leads/lead/"
REFUSED = f"{LIST}quarantine/"
FOLIO = "261122-7F3K-Q2M9-X"


@pytest.fixture(autouse=True)
def first_machine(settings) -> None:
    settings.LANGUAGE_CODE = "en"
    settings.MACHINE_NAME = "web-1"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Web:
    """A machine with an outbox of its own. Its code runs in this process while `at` it."""

    def __init__(self, settings: Any, name: str, directory: Path) -> None:
        self._settings, self.name, self.directories = settings, name, [directory, directory.with_name("spare")]
        self.clock, self.retried = Clock(), list[int]()
        self.start()

    def start(self) -> None:
        self._row = OwnRow(lambda: self.retried.append(1), clock=self.clock)

    def at(self) -> None:
        self._settings.OUTBOX_DIRECTORIES, self._settings.MACHINE_NAME = self.directories, self.name
        health.forget()

    def write(self) -> None:
        self.at()
        self._row.write()

    def refuse_a_lead(self) -> None:
        put_aside(self.directories[0], Item(FOLIO, 0.0, b'{"name": "Zoila"}'), reason="CheckViolation 23514", at=0.0)

    @property
    def row(self) -> Machine:
        return Machine.objects.get(key=machine.identity(self.directories).key)


@pytest.fixture
def web(settings, tmp_path):
    return lambda number: Web(settings, f"web-{number}", tmp_path / f"web-{number}" / "outbox")


def pass_s(seconds: float, *silent: Web) -> None:
    """Let time pass, in which these machines were not heard of, or with none, all were."""
    passed = timedelta(seconds=seconds)
    Machine.objects.update(heard_since=F("heard_since") - passed)
    for each in silent:
        Machine.objects.filter(key=each.row.key).update(seen_at=F("seen_at") - passed)


def page(client: Any, path: str = LIST) -> str:
    return " ".join(client.get(path, headers={"Accept-Language": "en"}).content.decode().split())


# --- The row ----------------------------------------------------------------------------------------------------------


def test_a_row_is_written_every_fifteen_seconds_and_when_something_changes(web):
    one = web(1)
    one.write()
    for passed_s, change, is_written in [
        (5, None, False),
        (5, None, False),
        (5, None, True),
        (5, lambda: (one.directories[0] / "damaged").mkdir(), False),
        (0, lambda: (one.directories[0] / "damaged" / "1.journal").touch(), True),
    ]:
        if change:
            change()
        one.clock.now += passed_s
        with CaptureQueriesContext(connection) as captured:
            one.write()
        assert any("INSERT" in query["sql"] for query in captured) == is_written
        assert len(captured) == 0 or is_written
    assert one.row.damaged == 1


def test_a_machine_stays_the_same_with_another_host_name_and_in_another_process(web):
    one = web(1)
    one.write()
    key = one.row.key
    one.name = "3f9c2a"
    one.start()
    one.write()
    assert [(row.key, row.name) for row in Machine.objects.all()] == [(key, "3f9c2a")]


def test_a_copy_of_an_outbox_is_another_machine_once_the_first_is_heard_of_beside_it(web):
    one, two = web(1), web(2)
    one.write()
    shutil.copytree(one.directories[0], two.directories[0])
    for _ in range(15):
        one.write()
        two.write()
        for each in (one, two):
            each.clock.now += 5
    assert sorted(Machine.objects.values_list("name", flat=True)) == ["web-1", "web-2"]
    assert one.row.key != two.row.key


def test_a_machine_whose_outbox_moved_to_another_disk_goes_on_with_its_row(web):
    one, moved = web(1), web(2)
    one.write()
    key = one.row.key
    shutil.copytree(one.directories[0], moved.directories[0])
    pass_s(machines.PLACE_KEPT_S + 1, one)
    moved.write()
    assert [(row.key, row.name) for row in Machine.objects.all()] == [(key, "web-2")]


def test_without_a_disk_that_works_a_machine_has_no_row_and_nothing_fails(web, tmp_path, admin_client):
    one = web(1)
    (tmp_path / "file").touch()
    one.directories = [tmp_path / "file" / "outbox", tmp_path / "file" / "spare"]
    one.write()
    assert not Machine.objects.exists()
    assert admin_client.get(LIST).status_code == 200


@pytest.mark.parametrize("content", ["", "abc", "\N{SNOWMAN}" * 16, "x" * 100])
def test_a_damaged_file_of_the_key_is_replaced(web, content):
    one = web(1)
    one.directories[0].mkdir(parents=True)
    (one.directories[0] / machine.FILE).write_text(content)
    one.write()
    assert Machine.objects.get().key == one.row.key


def test_whatever_lies_in_the_quarantine_a_row_is_written(web):
    one = web(1)
    one.write()
    folder = one.directories[0] / "quarantine"
    folder.mkdir()
    text = '{"reason": "a\\u0000b", "at": "x", "journaled_at": null, "record": NaN}'
    (folder / "x\udcff\N{SNOWMAN}-1.json").write_text(text)
    (folder / "garbage-1.json").write_text("{")
    one.write()
    assert one.row.quarantined == 2
    assert one.row.refused == [{"folio": "x\N{SNOWMAN}", "reason": "ab"}]


def test_machines_on_disks_that_go_with_them_are_forgotten_unless_leads_were_lost(web):
    one, gone, lost = web(1), web(2), web(3)
    lost.refuse_a_lead()
    for each in (one, gone, lost):
        each.write()
    Machine.objects.exclude(key=one.row.key).update(is_durable=False, seen_at=F("seen_at") - timedelta(hours=2))
    one.clock.now += 15
    one.write()
    assert sorted(Machine.objects.values_list("name", flat=True)) == ["web-1", "web-3"]


# --- What pages and commands say --------------------------------------------------------------------------------------


def test_pages_at_every_machine_say_the_same_of_refused_leads_and_damage(web, admin_client):
    one, two = web(1), web(2)
    two.refuse_a_lead()
    (two.directories[0] / "damaged").mkdir()
    (two.directories[0] / "damaged" / "1.journal").touch()
    seen = set()
    for each in (one, two):
        each.write()
    for each in (one, two):
        each.at()
        index = page(admin_client, "/admin/")
        assert "1 lead was refused by the database" in page(admin_client)
        assert FOLIO in page(admin_client, REFUSED)
        seen.add(index[index.index("Lost to outages") :][:400])
    [figures] = seen
    assert "1 refused by the database" in figures
    assert "1 damaged journal" in figures


def test_a_refused_lead_of_another_machine_is_named_without_the_person_and_retried_from_here(web, admin_client):
    one, two = web(1), web(2)
    two.refuse_a_lead()
    for each in (one, two):
        each.write()
    one.at()
    text = page(admin_client, REFUSED)
    assert "On the web machine web-2: 1" in text
    assert "CheckViolation 23514" in text
    assert "Zoila" not in text
    assert "Zoila" not in str(Machine.objects.values())
    assert "1 lead is tried again" in " ".join(admin_client.post(REFUSED, follow=True).content.decode().split())
    two.write()
    two.write()
    assert two.retried == [1]
    assert one.retried == []


def test_a_machine_that_is_not_heard_of_is_named_everywhere_until_it_is_back_or_forgotten(web, admin_client, caplog):
    one, two = web(1), web(2)
    for each in (one, two):
        each.write()
    Machine.objects.filter(key=two.row.key).update(pending=3)
    pass_s(90, two)
    one.at()
    at = f"{two.row.seen_at.astimezone(machines.UTC):%M}"
    text = page(admin_client)
    assert "The web machine web-2 was last heard of at" in text
    assert f":{at}. 3 records were waiting there." in text
    [line, silent] = doctor.examine()
    assert (line.level, "web-1 (this one), web-2" in line.found) == ("ok", True)
    assert (silent.level, "web-2 was last heard of" in silent.found, "3 leads" in silent.found) == (
        "warning",
        True,
        True,
    )

    two.clock.now += 15
    two.write()
    one.at()
    assert "last heard of" not in page(admin_client)
    assert len(list(doctor.examine())) == 1

    pass_s(90, two)
    one.at()
    out = StringIO()
    call_command("machines", stdout=out)
    assert "web-2" in out.getvalue().splitlines()[1]
    assert "not heard of" in out.getvalue().splitlines()[1]
    caplog.set_level("INFO", logger="leads.machines")
    call_command("machines", "forget", "web-2", stdout=out)
    assert "machine forgotten: name=web-2 pending=0" in caplog.text
    assert "web-2" not in page(admin_client)
    with pytest.raises(CommandError, match="No machine is called web-2"):
        call_command("machines", "forget", "web-2")
    two.start()
    two.write()
    one.at()
    assert [state.name for state in machines.states()] == ["web-1", "web-2"]


def test_a_machine_is_forgotten_in_the_admin_which_notes_it(web, admin_client):
    one, two = web(1), web(2)
    for each in (one, two):
        each.write()
    one.at()
    assert "web-2" in page(admin_client, "/admin/leads/machine/")
    address = f"/admin/leads/machine/{two.row.key}"
    assert admin_client.get(f"{address}/change/").status_code == 200
    admin_client.post(f"{address}/delete/", {"post": "yes"})
    assert list(Machine.objects.values_list("name", flat=True)) == ["web-1"]
    assert LogEntry.objects.get().object_repr.startswith("web-2-")


def test_after_an_outage_nobody_is_taken_for_silent_before_each_could_write(web):
    one, two = web(1), web(2)
    for each in (one, two):
        each.write()
    pass_s(600, one, two)
    one.clock.now += 600
    one.write()
    assert not any(state.is_silent for state in machines.states())
    pass_s(61)
    one.clock.now += 15
    one.write()
    assert [state.name for state in machines.states() if state.is_silent] == ["web-2"]


def test_each_machine_remembers_the_names_of_the_others_for_an_outage(web):
    one, two = web(1), web(2)
    one.write()
    assert machines.neighbours() == []
    two.write()
    assert machines.neighbours() == ["web-1"]
    one.clock.now += 15
    one.write()
    assert machines.neighbours() == ["web-2"]


def test_machines_of_one_name_are_told_apart(web):
    one, two = web(1), web(2)
    two.name = "web-1"
    for each in (one, two):
        each.write()
    names = [state.name for state in machines.states()]
    assert sorted(names) == sorted(f"web-1-{each.row.key[:4]}" for each in (one, two))


def test_without_its_row_a_machine_speaks_of_its_own_disk(web, admin_client):
    one, two = web(1), web(2)
    two.write()
    one.refuse_a_lead()
    one.at()
    assert "1 lead was refused" in page(admin_client)
    assert [(state.name, state.is_this) for state in machines.states()] == [("web-1", True), ("web-2", False)]


def test_leads_that_wait_on_another_machine_are_in_the_banner_and_those_on_their_way_are_not(web, admin_client):
    one, two = web(1), web(2)
    journal = Outbox(two.directories)
    journal.append(FOLIO, b"{}")
    for each in (one, two):
        each.write()
    one.at()
    assert "waits on the web machine" not in page(admin_client)
    old = Outbox(two.directories, clock=lambda: 1.0)
    old.append(FOLIO, b"{}")
    two.write()
    one.at()
    assert "<strong>web-2</strong>: 2 records wait on the web machine" in page(admin_client)
    [_, other] = doctor.examine()
    assert (other.level, "web-2: leads that wait for Postgres: 2" in other.found) == ("error", True)
