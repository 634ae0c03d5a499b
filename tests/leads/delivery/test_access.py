"""What the site may not read in its outbox is said everywhere, breaks nothing, and takes nothing else along."""

import os
from io import StringIO
from pathlib import Path
from tempfile import gettempdir

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from leads.alerts.trouble_mail import TroubleMail
from leads.delivery import health, relay
from leads.delivery.journal import census, quarantine
from leads.delivery.journal.outbox import Outbox
from leads.delivery.journal.segment import DAMAGED, Item
from leads.delivery.record import lead_record
from leads.models import Lead
from leads.ops.doctor import outbox as doctor
from leads.ops.doctor.finding import Level
from leads.staff import sessions
from tests.support import mark
from tests.support.eventually import eventually
from tests.support.factories import a_contact, an_issued_quote
from tests.support.users import OTHER_UID, SITE_UID, as_user

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/leads/lead/"
SAID = "no puede leer o escribir todos sus archivos"


def in_place(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def link_to_nothing(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to("nowhere")
    return path


def folder(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


def pipe(path: Path) -> Path:
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    return path


# What stands in an outbox's directory, or in its place. Each returns the path that cannot be read.
KINDS = {
    "a file for the directory": lambda outbox: in_place(outbox, ""),
    "a link to nothing for the directory": link_to_nothing,
    "a file for the quarantine": lambda outbox: in_place(outbox / quarantine.QUARANTINE, ""),
    "a link to nothing for the damaged": lambda outbox: link_to_nothing(outbox / DAMAGED),
    "a folder for a journal": lambda outbox: folder(outbox / "0.journal"),
    "a link to nothing for a journal": lambda outbox: link_to_nothing(outbox / "0.journal"),
    "a pipe for a journal": lambda outbox: pipe(outbox / "0.journal"),
    "a folder for a refused lead": lambda outbox: folder(outbox / quarantine.QUARANTINE / "F-1.json"),
    "a refused lead cut off": lambda outbox: in_place(outbox / quarantine.QUARANTINE / "F-1.json", '{"reason": "'),
    "a refused lead of another shape": lambda outbox: in_place(outbox / quarantine.QUARANTINE / "F-1.json", "[5]"),
    "a refused lead too deep": lambda outbox: in_place(outbox / quarantine.QUARANTINE / "F-1.json", "[" * 100_000),
}


EVERY_RUN = (
    "a file for the directory",
    "a link to nothing for the damaged",
    "a pipe for a journal",
    "a refused lead cut off",
)


def a_lead():
    return lead_record(an_issued_quote(), a_contact(name="Ana"))


def left_in(directory: Path):
    """Leave a lead as a dead process does, and return it."""
    lead, journal = a_lead(), Outbox([directory])
    journal.append(lead.folio, lead.as_json())
    journal.close()
    return lead


@pytest.mark.parametrize("kind", mark.by_hand_but(4, sorted(KINDS, key=lambda name: name not in EVERY_RUN)))
def test_what_cannot_be_read_is_said_everywhere_and_the_rest_is_listed_and_delivered(
    kind, admin_client, client, outbox_directories, settings, mailoutbox
):
    lead = left_in(outbox_directories[1])
    broken = KINDS[kind](outbox_directories[0])

    for command in ("status", "list", "verify", "export"):
        out = StringIO()
        with pytest.raises(CommandError, match=str(broken)):
            call_command("outbox", command, stdout=out, stderr=StringIO())
        assert command not in ("list", "export") or lead.folio in out.getvalue()
    found = [finding for finding in doctor.examine({}) if finding.level is Level.ERROR]
    assert any(str(broken) in finding.found for finding in found)

    health.forget()
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    for page in (LIST, f"{LIST}quarantine/", "/admin/"):
        answer = admin_client.get(page)
        assert (answer.status_code, SAID in answer.content.decode()) == (200, True)
    eventually(Lead.objects.filter(folio=lead.folio).exists)

    settings.LANGUAGE_CODE, settings.ALERT_MANAGER_EMAILS = "en", ["boss@example.com"]
    watch = TroubleMail(lambda: ["boss@example.com"], clock=iter([1000.0, 1020.0]).__next__)
    for _ in range(2):
        watch.look(database="up", alerts_fault="")
    [mail] = [mail for mail in mailoutbox if "may not read or write" in mail.body]
    assert str(broken) in mail.body


@pytest.mark.parametrize("kind", ["a file for the directory", "a link to nothing for a journal"])
def test_the_page_of_an_outage_says_it_and_shows_the_rest(kind, admin_client, outbox_directories):
    KINDS[kind](outbox_directories[0])
    admin_client.get(f"{LIST}restore/")
    health.forget()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE leads RENAME TO leads_away")
    lead = left_in(outbox_directories[1])
    try:
        for page in (admin_client.get(LIST), admin_client.post(f"{LIST}find/", {"text": "ana"})):
            text = page.content.decode()
            assert (page.status_code, SAID in text, lead.folio in text) == (503, True, True)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE leads_away RENAME TO leads")


def test_folders_that_are_not_the_outbox_s_and_missing_directories_are_no_fault(outbox_directories):
    (outbox_directories[0] / "lost+found").mkdir(parents=True)
    assert census.census(outbox_directories) == census.Census(0, None, 0, 0)


def test_a_journal_that_can_be_read_again_is_delivered_without_a_restart(outbox_directories, tmp_path):
    left_in(tmp_path / "elsewhere")
    [journal] = (tmp_path / "elsewhere").glob("*.journal")
    link_to_nothing(outbox_directories[0] / "0.journal")
    notices = []
    running = Outbox(outbox_directories, notice=lambda what, **details: notices.append(what))
    assert [running.adopt() for _ in range(3)] == [0, 0, 0]
    assert notices.count("unreadable") == 1

    (outbox_directories[0] / "nowhere").write_bytes(journal.read_bytes())

    assert running.adopt() == 1
    running.close()


def test_refused_leads_are_tried_again_whatever_stands_among_them(admin_client, outbox_directories):
    lead = a_lead()
    refused = [Item(lead.folio, 1.0, lead.as_json()), Item("F-1", 1.0, b"[5]"), Item("F-2", 1.0, b"no JSON \xff")]
    for item in [*refused, Item("F-3", 1.0, b'{"name": "\\ud800", "quote_data": 1e999}')]:
        quarantine.put_aside(outbox_directories[0], item, reason="X", at=2.0)
    in_place(outbox_directories[0] / quarantine.QUARANTINE / "mine.json", "not ours")

    text = admin_client.get(f"{LIST}quarantine/").content.decode()
    assert all(folio in text for folio in (lead.folio, "F-1", "F-2", "F-3"))
    out = StringIO()
    with pytest.raises(CommandError, match="mine.json"):
        call_command("outbox", "list", stdout=out, stderr=StringIO())
    assert "4 leads wait" in out.getvalue()

    admin_client.post(f"{LIST}quarantine/")
    eventually(Lead.objects.filter(folio=lead.folio).exists)
    assert eventually(lambda: census.census(outbox_directories).quarantined == 4)  # three are refused again


def test_a_disk_that_takes_nothing_breaks_no_page_when_leads_are_tried_again(admin_client, outbox_directories):
    lead = a_lead()
    quarantine.put_aside(outbox_directories[0], Item(lead.folio, 1.0, lead.as_json()), reason="X", at=2.0)
    relay.of_this_process().outbox.append = lambda *args: (_ for _ in ()).throw(OSError(28, "No space left"))

    page = admin_client.post(f"{LIST}quarantine/", follow=True)

    assert "no se puede escribir" in page.content.decode()
    assert lead.folio in page.content.decode()


# --- Users of this machine ------------------------------------------------------------------------------------------


def the_site_s(path: Path) -> Path:
    os.chown(path, SITE_UID, SITE_UID)
    return path


@pytest.fixture
def outbox_of_the_site(outbox_directories, tmp_path):
    for folder in (tmp_path, *tmp_path.parents):
        if folder == Path(gettempdir()):
            break
        folder.chmod(0o755)
    for directory in outbox_directories:
        directory.mkdir(mode=0o700)
        the_site_s(directory)
    return outbox_directories


@pytest.mark.needs("mounting")  # root
@pytest.mark.parametrize(
    "name", ["1.journal", "quarantine", "quarantine/F-1.json", "damaged/1.journal", "trouble.json"]
)
def test_files_of_root_are_not_taken_for_none(name, outbox_of_the_site):
    path = outbox_of_the_site[0] / name
    if name == "quarantine":
        path.mkdir(0o700)
    else:
        if path.parent != outbox_of_the_site[0]:
            path.parent.mkdir(0o700)
            the_site_s(path.parent)
        in_place(path, "{}").chmod(0o600)
    found = as_user(SITE_UID, lambda: [str(path) for path in census.census(outbox_of_the_site).inaccessible])
    assert found == [str(path)]


@pytest.mark.needs("mounting")
@pytest.mark.parametrize("mode", [0o000, 0o700, 0o755])
def test_a_directory_of_root_is_no_empty_outbox(mode, outbox_of_the_site):
    os.chown(outbox_of_the_site[0], 0, 0)
    outbox_of_the_site[0].chmod(mode)
    counts = as_user(SITE_UID, lambda: list(map(str, census.census(outbox_of_the_site).inaccessible)))
    assert counts == [str(outbox_of_the_site[0])]


@pytest.mark.needs("mounting")
def test_sessions_of_staff_that_the_site_may_not_list_are_unknown_and_no_error(outbox_of_the_site):
    in_place(outbox_of_the_site[0] / sessions.DIRECTORY / "a-session", "").parent.chmod(0o700)
    assert as_user(SITE_UID, lambda: sessions.confirm(timezone.now())) is None


@pytest.mark.needs("mounting")
def test_the_doctor_says_that_a_directory_can_be_written_and_not_listed(outbox_of_the_site):
    outbox_of_the_site[0].chmod(0o300)
    found = as_user(SITE_UID, lambda: [finding.found for finding in doctor.examine({}) if finding.level is Level.ERROR])
    assert ["may not list its files" in each for each in found] == [True]


COMMANDS = [["outbox", "status"], ["outbox", "flush"], ["outbox", "list"], ["purge_leads", "--older-than=1d"]]
COMMANDS += [["privacy", "export", "656 123 4567"]]


def refusal(arguments) -> str:
    try:
        call_command(*arguments, stdout=StringIO(), stderr=StringIO())
    except CommandError as error:
        return str(error)
    return ""


@pytest.mark.needs("mounting")
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
@pytest.mark.parametrize("uid", [0, OTHER_UID])
@pytest.mark.parametrize("has_started", [True, False])
def test_a_command_of_another_user_refuses_before_it_touches_anything(
    command, uid, has_started, outbox_of_the_site, tmp_path
):
    if not has_started:
        for directory in outbox_of_the_site:
            directory.rmdir()
        the_site_s(tmp_path)
    said = as_user(uid, lambda: refusal(command))
    assert f"sudo -u '#{SITE_UID}'" in said
    assert [file for directory in outbox_of_the_site for file in directory.glob("*")] == []
    assert [directory.exists() for directory in outbox_of_the_site] == [has_started] * 2


@pytest.mark.needs("mounting")
def test_the_doctor_of_another_user_says_so_and_checks_what_it_can(outbox_of_the_site):
    left_in(outbox_of_the_site[1])
    found = [(finding.level, finding.found, finding.cure) for finding in doctor.examine({})]
    [(level, said, cure)] = [each for each in found if f"#{SITE_UID}" in each[1]]
    assert (level, f"sudo -u '#{SITE_UID}'" in cure) == (Level.ERROR, True)
    assert any("leads that wait for Postgres: 1" in each[1] for each in found)
    assert list(outbox_of_the_site[0].iterdir()) == []


@pytest.mark.needs("mounting")
def test_where_everything_is_root_s_root_runs_commands(outbox_directories):
    assert refusal(["outbox", "status"]) == ""
    # A volume of root's that the site's user may write: whoever runs the site there owns its lock.
    outbox_directories[0].mkdir()
    outbox_directories[0].chmod(0o777)
    the_site_s(in_place(outbox_directories[0] / "alerts.lock", ""))
    assert f"sudo -u '#{SITE_UID}'" in refusal(["outbox", "status"])


@pytest.mark.parametrize(
    ("variables", "level", "said"),
    [
        ({"OUTBOX_DIR": "var/elsewhere"}, Level.WARNING, "OUTBOX_DIR=var/elsewhere is relative"),
        ({"OUTBOX_SPARE_DIR": "/tmp/outbox"}, Level.WARNING, "deletes"),  # the system, or if in memory, a restart
        ({"OUTBOX_DIR": "{static}/outbox"}, Level.ERROR, "anybody can download"),
        ({"OUTBOX_DIR": "/srv/o", "OUTBOX_SPARE_DIR": "/srv/x/../o"}, Level.WARNING, "OUTBOX_SPARE_DIR is OUTBOX_DIR"),
    ],
)
def test_the_doctor_says_what_is_wrong_with_a_directory_s_place(variables, level, said, settings):
    given = {name: value.format(static=settings.STATIC_ROOT) for name, value in variables.items()}
    for number, name in enumerate(doctor.VARIABLES):
        if name in given:
            settings.OUTBOX_DIRECTORIES[number] = settings.BASE_DIR / given[name]
    found = list(doctor.examine(given))
    assert any(finding.level is level and said in finding.found for finding in found)
