"""Run every reader of leads on rows of every kind: none may fail on a row or leave out the others.

The rows are in a real Postgres, in the journal and in quarantine. Hypothesis generates a part of them.
"""

import csv
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client, RequestFactory
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from leads.alerts import message
from leads.delivery.journal import quarantine
from leads.delivery.journal.segment import SUFFIX, Item, encode
from leads.inbox import live
from leads.models import Lead, LeadDay, WaitingCount
from leads.ops.doctor import database
from leads.staff.outage import outage_page
from quoter.engine import folio
from tests.support import stored
from tests.support.factories import NAME, PHONE, PHONE_E164

pytestmark = pytest.mark.django_db

LIST = "/admin/leads/lead/"
GENERATED, SIMPLEST = 12, 3


PHONE_BEGINS = "+526561234"


@dataclass(frozen=True)
class Shop:
    """A shop with leads of every kind. rows: folio and `quote_data` of each; the first is a sound one."""

    client: Client
    directories: Sequence[Path]
    rows: list[tuple[str, str]]
    at: datetime

    @property
    def folios(self) -> list[str]:
        return [number for number, _text in self.rows]

    @property
    def journal(self) -> Path:
        return self.directories[0] / f"1{SUFFIX}"

    def items(self) -> list[Item]:
        """Return the rows as records of the journal, without those that only Postgres can hold."""
        at, texts = self.at.isoformat(), {kind() for kind in stored.ONLY_IN_POSTGRES.values()}
        frame = {"name": NAME, "phone": PHONE_E164, "created_at": at, "submitted_at": at}
        return [
            Item(number, self.at.timestamp(), _with(frame | {"folio": number}, text))
            for number, text in self.rows
            if text not in texts
        ]

    def fill_table(self) -> None:
        Lead.objects.all().delete()
        LeadDay.objects.all().delete()
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO leads (folio, quote_data, name, phone, created_at, submitted_at) "
                "VALUES (%s, %s, %s, %s, %s, %s)",
                [(*row, NAME, PHONE_E164, self.at, self.at) for row in self.rows],
            )

    @contextmanager
    def rows_of_different_people(self) -> Iterator[None]:
        """Give each row a phone of its own, because the list has one person a row."""
        with connection.cursor() as cursor:
            cursor.execute("UPDATE leads SET phone = %s || lpad((id %% 1000)::text, 3, '0')", [PHONE_BEGINS])
            yield
            cursor.execute("UPDATE leads SET phone = %s", [PHONE_E164])

    def fill_journal(self) -> None:
        """Write the rows into a journal. Only for readers that start no relay, which would deliver them."""
        self.directories[0].mkdir(exist_ok=True)
        self.journal.write_bytes(b"".join(map(encode, self.items())))

    def fill_quarantine(self) -> None:
        for path, _refused in list(quarantine.quarantined(self.directories)):
            path.unlink()
        for item in self.items():
            quarantine.put_aside(self.directories[0], item, reason="DataError", at=2.0)

    def assert_all_folios_in(self, text: str) -> None:
        assert [number for number in self.folios if number not in text] == []

    def assert_all_folios_on_disk_in(self, text: str) -> None:
        assert [item.folio for item in self.items() if item.folio not in text] == []

    def ids(self) -> list[Any]:
        return list(Lead.objects.values_list("pk", flat=True))


def _with(frame: dict[str, str], quote_data: str) -> bytes:
    return f'{json.dumps(frame)[:-1]}, "quote_data": {quote_data}}}'.encode()


# --- The readers ------------------------------------------------------------------------------------------------------


def read_list(shop: Shop) -> None:
    with shop.rows_of_different_people():
        for query in ({}, {"status": "all"}, {"q": PHONE_BEGINS}, {"q": NAME}):
            page = shop.client.get(LIST, query)
            assert page.status_code == 200
            shop.assert_all_folios_in(page.content.decode())


def filter_by_source(shop: Shop) -> None:
    page = shop.client.get(LIST, {"source": stored.SOURCE})
    assert page.status_code == 200
    assert shop.folios[0] in page.content.decode()


def open_leads(shop: Shop) -> None:
    for number, key in Lead.objects.values_list("folio", "pk"):
        page = shop.client.get(f"{LIST}{key}/change/")
        assert (page.status_code, number in page.content.decode()) == (200, True)


def open_chats(shop: Shop) -> None:
    for key in shop.ids():
        assert shop.client.post(f"{LIST}{key}/whatsapp/").status_code == 200


def find_pasted_messages(shop: Shop) -> None:
    for number in shop.folios:
        answer = shop.client.post(f"{LIST}find/", {"text": f"Me interesa *{number}*, total $1.00"})
        assert answer.status_code in (200, 302)


def download_csv(shop: Shop) -> None:
    answer = shop.client.post(f"{LIST}export/?status=all")
    sheet = csv.DictReader(StringIO(b"".join(answer).decode("utf-8-sig")))
    assert sorted(row["folio"] for row in sheet) == sorted(shop.folios)


def export_leads(shop: Shop) -> None:
    for form in ("csv", "jsonl"):
        file = shop.directories[0].parent / "leads"
        call_command("export_leads", "--format", form, "--output", str(file), stdout=StringIO(), stderr=StringIO())
        shop.assert_all_folios_in(file.read_text(encoding="utf-8"))


def export_person(shop: Shop) -> None:
    shop.fill_journal()
    shop.fill_quarantine()
    out = StringIO()
    call_command("privacy", "export", PHONE, stdout=out, stderr=StringIO())
    exported = json.loads(out.getvalue())
    on_disk = len(shop.items())
    held = {"leads": len(shop.folios), "follow_ups": 0, "waiting": on_disk, "refused": on_disk}
    assert {kind: len(rows) for kind, rows in exported.items()} == held
    out.getvalue().encode()


def write_alerts(shop: Shop) -> None:
    leads = list(Lead.objects.all())
    assert message.about_leads(leads, leads).lines
    for lead in leads:
        assert lead.folio in message.about_leads([lead], []).lines[0]


def read_desk(shop: Shop) -> None:
    page = shop.client.get("/admin/")
    assert page.status_code == 200
    assert f"1 persona, {len(shop.folios)} cotizaciones" in " ".join(page.content.decode().split())


def read_outage_page(shop: Shop) -> None:
    shop.fill_journal()
    shop.client.get(LIST)  # the machine then knows the session

    def search(text: str) -> str:
        request = RequestFactory().post(f"{LIST}find/", {"text": text})
        request.COOKIES = {name: cookie.value for name, cookie in shop.client.cookies.items()}
        return outage_page(request).content.decode()

    for text in ("", PHONE, NAME.split()[0]):
        page = search(text)
        shop.assert_all_folios_on_disk_in(page)
        assert page.count("https://wa.me/526561234567?text=") == len(shop.items())
    for item in shop.items():
        assert item.folio in search(item.folio)


def read_quarantine(shop: Shop) -> None:
    shop.fill_quarantine()
    page = shop.client.get(f"{LIST}quarantine/")
    assert page.status_code == 200
    shop.assert_all_folios_on_disk_in(page.content.decode())


def list_outbox(shop: Shop) -> None:
    shop.fill_journal()
    shop.fill_quarantine()
    out = StringIO()
    call_command("outbox", "list", stdout=out)
    assert out.getvalue().endswith(f"{2 * len(shop.items())} leads wait\n")
    shop.assert_all_folios_on_disk_in(out.getvalue())


def open_quote_pages(shop: Shop) -> None:
    answers = [shop.client.get(f"/q/{number}/").status_code for number in shop.folios]
    assert answers[0] == 200
    assert set(answers) <= {200, 404}


def audit_quotes(shop: Shop) -> None:
    out = StringIO()
    with suppress(CommandError):  # raised for the rows with findings
        call_command("audit_quotes", stdout=out, stderr=StringIO())
    assert f"{len(shop.folios)} quotes audited" in out.getvalue()
    assert shop.folios[0] not in out.getvalue()


def poll_live_list(shop: Shop) -> None:
    live.forget()
    WaitingCount.objects.all().delete()
    with shop.rows_of_different_people():
        assert shop.client.get(f"{LIST}live/").json()["waiting"] == len(shop.folios)


def examine_database(shop: Shop) -> None:
    for part in database.PARTS.values():
        list(part())


def remove_demo_leads(shop: Shop) -> None:
    call_command("seed_demo", "--remove", stdout=StringIO(), stderr=StringIO())
    assert Lead.objects.count() == len(shop.folios)


def erase_person(shop: Shop) -> None:
    shop.fill_quarantine()
    out = StringIO()
    call_command("privacy", "erase", PHONE, "--yes", stdout=out, stderr=StringIO())
    assert f"{len(shop.folios)} leads anonymised" in out.getvalue()
    assert not Lead.objects.exclude(name="", phone="").exists()
    read_list_of_all(shop)


def anonymise_old_leads(shop: Shop) -> None:
    purge(shop, "--anonymise")
    assert not Lead.objects.exclude(name="", phone="").exists()
    read_list_of_all(shop)
    assert all(refused["record"]["phone"] == "" for _path, refused in quarantine.quarantined(shop.directories))


def purge_old_leads(shop: Shop) -> None:
    purge(shop)
    assert not Lead.objects.exists()
    assert not list(quarantine.quarantined(shop.directories))


def purge(shop: Shop, *how: str) -> None:
    shop.fill_journal()
    shop.fill_quarantine()
    arguments = ["--older-than", "1d", *how]
    call_command("purge_leads", *arguments, stdout=StringIO(), stderr=StringIO())  # without --apply it only counts
    shop.journal.unlink()  # otherwise purging would deliver it first
    call_command("purge_leads", *arguments, "--apply", stdout=StringIO(), stderr=StringIO())


def read_list_of_all(shop: Shop) -> None:
    page = shop.client.get(LIST, {"status": "all"})
    assert page.status_code == 200
    shop.assert_all_folios_in(page.content.decode())


READERS = [
    read_list,
    filter_by_source,
    open_leads,
    open_chats,
    find_pasted_messages,
    download_csv,
    export_leads,
    export_person,
    write_alerts,
    read_desk,
    read_outage_page,
    read_quarantine,
    list_outbox,
    open_quote_pages,
    audit_quotes,
    poll_live_list,
    examine_database,
    remove_demo_leads,
    erase_person,
    anonymise_old_leads,
    purge_old_leads,
]


@pytest.fixture
def owner(client):
    client.force_login(User.objects.create_superuser("ana"))  # no password, because hashing is slow
    return client


@pytest.fixture(scope="module")
def generated() -> list[str]:
    """Texts that Hypothesis makes up: the simplest ones, and any."""
    drawn: list[list[str]] = []

    @settings(max_examples=2, phases=[Phase.generate], suppress_health_check=list(HealthCheck), database=None)
    @given(st.lists(stored.texts(), min_size=GENERATED, max_size=GENERATED, unique=True))
    def draw(texts: list[str]) -> None:
        drawn.append(texts)

    draw()
    return list(dict.fromkeys(drawn[0][:SIMPLEST] + drawn[-1]))


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
def test_no_row_breaks_a_reader_or_hides_another_row(reader, generated, owner, outbox_directories):
    at = timezone.now() - timedelta(days=2)
    texts = [*(kind() for kind in (stored.KINDS | stored.ONLY_IN_POSTGRES).values()), *generated]
    rows = [(folio.mint(at.date(), random_bits=number), text) for number, text in enumerate(texts)]
    shop = Shop(owner, outbox_directories, rows, at)
    shop.fill_table()
    reader(shop)
