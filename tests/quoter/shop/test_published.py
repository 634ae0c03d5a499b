"""Published prices: checked before, immutable after, carried to the disk and served from there."""

from dataclasses import replace
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from leads.delivery import trouble
from leads.delivery.health import outbox_state
from quoter import site
from quoter.engine.pricebook import parse
from quoter.shop import carrying, publishing, served, shelf
from quoter.shop.models import Published
from quoter.shop.publishing import CannotPublish
from tests.support.customers import A_LINE
from tests.support.quotes import BOOKS

pytestmark = pytest.mark.django_db
BOOK = (BOOKS / "concrete.toml").read_text()
FIRST = parse(BOOK)
PRICES = Published.Kind.PRICES


def a_book(version: str, *, validity: int = 7) -> str:
    return BOOK.replace(f'version = "{FIRST.version}"', f'version = "{version}"').replace(
        f"validity_days = {FIRST.validity_days}", f"validity_days = {validity}"
    )


def publish(version: str, **changes) -> Published:
    row, is_new = publishing.publish(PRICES, a_book(version), by="ana", **changes)
    assert is_new
    return row


def version_served() -> str:
    served.look()
    return site.price_book().version


def in_an_hour():
    return timezone.now() + timedelta(hours=1)


def test_what_is_published_is_served_once_the_disk_has_it():
    before = version_served()
    publish("spring")
    assert version_served() == before
    assert carrying.carry()
    assert version_served() == "spring"
    assert not carrying.carry()


def test_a_request_sees_one_version_from_its_beginning_to_its_end():
    before = version_served()
    with served.one_version():
        publish("spring")
        carrying.carry()
        assert version_served() == before
    assert site.price_book().version == "spring"


def test_a_start_without_postgres_serves_the_last_version(django_assert_num_queries):
    publish("spring")
    carrying.carry()
    served.forget()
    with django_assert_num_queries(0):
        assert site.price_book().version == "spring"


def test_a_start_without_disk_serves_the_first_version(outbox_directories):
    first = version_served()
    publish("spring")
    carrying.carry()
    for directory in outbox_directories:
        shelf.path_of(directory, PRICES).unlink()
    assert version_served() == first
    assert carrying.carry()
    assert version_served() == "spring"


def test_a_version_begins_at_its_time_without_postgres(django_assert_num_queries):
    publish("now")
    starts_at = in_an_hour()
    publish("monday", starts_at=starts_at)
    carrying.carry()
    with django_assert_num_queries(0):
        assert version_served() == "now"
        served.look(starts_at.timestamp() - 1)
        assert site.price_book().version == "now"
        served.look(starts_at.timestamp())
        assert site.price_book().version == "monday"


def test_what_is_published_now_does_not_cancel_what_is_to_come():
    starts_at = in_an_hour()
    publish("monday", starts_at=starts_at)
    publish("now")
    carrying.carry()
    assert version_served() == "now"
    served.look(starts_at.timestamp())
    assert site.price_book().version == "monday"


def test_a_withdrawn_version_never_begins():
    publish("now")
    starts_at = in_an_hour()
    row = publish("monday", starts_at=starts_at)
    carrying.carry()
    assert publishing.withdraw(row.pk, by="ana")
    assert not publishing.withdraw(row.pk, by="ana")
    assert carrying.carry()
    served.look(starts_at.timestamp())
    assert site.price_book().version == "now"


def test_what_has_begun_cannot_be_withdrawn():
    assert not publishing.withdraw(publish("now").pk, by="ana")


def test_going_back_publishes_the_version_before_again():
    publish("spring")
    summer = publish("summer")
    row, _is_new = publishing.go_back(PRICES, None, by="ana")
    carrying.carry()
    assert version_served() == "spring"
    assert row.pk > summer.pk
    assert row.repeats == Published.objects.order_by("pk").first().pk


def test_going_back_from_the_only_version_serves_the_first_one():
    first = version_served()
    publish("spring")
    publishing.go_back(PRICES, None, by="ana")
    carrying.carry()
    assert version_served() == first
    assert served.current().numbers[PRICES] > 0


def test_published_twice_is_one_version():
    publish("spring")
    row, is_new = publishing.publish(PRICES, a_book("spring").replace("\n", "\r\n"), by="ana")
    assert (is_new, Published.objects.count()) == (False, 1)
    assert row.published_by == "ana"


# --- What cannot be published -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    ["", "not toml [", BOOK.replace("price = ", "price = -"), BOOK + "\nunknown = 1\n", "x" * 400_001, "a = \x00"],
    ids=["empty", "no TOML", "prices below zero", "a word that the language lacks", "endless", "NUL"],
)
def test_a_bad_book_is_never_published(content):
    with pytest.raises(CannotPublish) as refused:
        publishing.publish(PRICES, content, by="ana")
    assert refused.value.findings
    assert Published.objects.count() == 0


def test_other_prices_need_another_version():
    publish("spring", note="diesel")
    with pytest.raises(CannotPublish, match="spring was published already"):
        publishing.publish(PRICES, a_book("spring", validity=3), by="ana")


def test_prices_of_the_first_book_need_another_version_too():
    with pytest.raises(CannotPublish, match="published already"):
        publishing.publish(PRICES, a_book(FIRST.version, validity=3), by="ana")


def test_a_time_that_has_passed_is_refused():
    with pytest.raises(CannotPublish, match="has passed"):
        publish("spring", starts_at=timezone.now() - timedelta(minutes=1))


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE shop_published SET content = ''",
        "UPDATE shop_published SET published_by = 'x'",
        "UPDATE shop_published SET withdrawn_at = now()",
        "DELETE FROM shop_published",
    ],
)
def test_no_program_changes_what_was_published(sql):
    publish("spring")
    with pytest.raises(DatabaseError, match="never changed"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


# --- Damage -----------------------------------------------------------------------------------------------------------


def damage(directories, old: bytes, new: bytes) -> None:
    for directory in directories:
        path = shelf.path_of(directory, PRICES)
        assert old in path.read_bytes()
        path.write_bytes(path.read_bytes().replace(old, new))


def test_a_damaged_version_is_refused_and_the_one_before_serves_loudly(outbox_directories, caplog):
    publish("spring")
    publish("summer")
    carrying.carry()
    assert version_served() == "summer"
    damage(outbox_directories, b"summer", b"Summer")
    assert version_served() == "spring"
    assert "is damaged" in caplog.text
    assert trouble.Trouble.PUBLISHED in dict(trouble.on_disk(outbox_state(), outbox_directories, now=0))
    assert carrying.carry()  # Postgres has it whole
    assert version_served() == "summer"
    assert served.faults() == ()


def test_a_whole_version_that_this_release_cannot_read_is_refused_as_well(outbox_directories):
    publish("spring")
    [version] = carrying.versions_to_serve(PRICES)
    newer = shelf.Version(version.number + 1, "a = 'rule of a newer release'", version.published_at + 1)
    for directory in outbox_directories:
        shelf.write(shelf.path_of(directory, PRICES), [version, newer], shelf.Mark(newer.number))
    assert version_served() == "spring"
    assert f"version {newer.number} of the prices is refused" in served.faults()[0]


def test_a_version_in_which_a_later_release_finds_something_is_served_loudly(outbox_directories):
    publish("spring")
    [version] = carrying.versions_to_serve(PRICES)
    content = version.content.replace("minimum = ", "minimum = 0.3 # ", 1)
    assert content != version.content
    with pytest.raises(ValueError, match="minimum"):
        served.check(PRICES, content)
    of_before = replace(version, number=version.number + 1, content=content.replace("spring", "summer"))
    for directory in outbox_directories:
        shelf.write(shelf.path_of(directory, PRICES), [version, of_before], shelf.Mark(of_before.number))
    assert version_served() == "summer"
    assert "of the prices would not be published today: products[0].minimum" in served.faults()[0]


def test_a_database_without_versions_takes_none_off_the_disk():
    publish("spring")
    carrying.carry()
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE shop_published")
    assert not carrying.carry()
    assert version_served() == "spring"


def test_a_directory_that_cannot_be_written_leaves_it_to_the_other(outbox_directories):
    outbox_directories[0].write_text("a file in its place")
    publish("spring")
    assert carrying.carry()
    assert version_served() == "spring"


# --- Quotes -----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)  # the relay writes the lead on a connection of its own
def test_a_quote_keeps_its_prices(client):
    quote = client.post("/quote/", {"lines": [A_LINE]}, content_type="application/json").json()
    text = a_book("dearer").replace("price = 1", "price = 3")
    publishing.publish(PRICES, text, by="ana")
    carrying.carry()
    assert version_served() == "dearer"
    dearer = client.post("/quote/", {"lines": [A_LINE]}, content_type="application/json").json()
    assert dearer["quote"]["price_book"]["version"] == "dearer"
    assert dearer["quote"]["total"] != quote["quote"]["total"]
    person = {"token": quote["token"], "name": "Ana", "phone": "6567654321"}
    assert client.post("/checkout/", person, content_type="application/json").json()["folio"] == quote["folio"]
    page = client.get(f"/q/{quote['token']}/").content.decode()
    assert quote["quote"]["total"] in page.replace(",", "")


def test_a_device_gets_the_calculator_with_the_new_prices(client):
    before = client.get("/worker.js").content
    publishing.publish(PRICES, a_book("spring").replace('en = "Ready-mix', 'en = "Fresh ready-mix'), by="ana")
    carrying.carry()
    served.look()
    assert client.get("/worker.js").content != before
    assert "Fresh ready-mix" in client.get("/offline/?lang=en").content.decode()


# --- The command ------------------------------------------------------------------------------------------------------


def pricebook(*arguments: str) -> str:
    out = StringIO()
    call_command("pricebook", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_publishes_lists_goes_back_and_exports(tmp_path):
    file = tmp_path / "book.toml"
    file.write_text("\ufeff" + a_book("spring"))
    assert "is served in a few seconds" in pricebook("publish", str(file), "--by", "ana", "--note", "diesel")
    assert "has these prices already" in pricebook("publish", str(file))
    file.write_text(a_book("summer"))
    [monday] = [f"{in_an_hour() + timedelta(days=1):%Y-%m-%d} 8:00"]
    assert f"begins {monday.replace(' 8', ' 08')}" in pricebook("publish", str(file), "--at", monday)
    history = pricebook("history").splitlines()
    assert "ana  in force; diesel" in history[1]
    assert "from" in history[0]
    number = history[0].split()[0]
    assert "withdrawn" in pricebook("withdraw", number)
    with pytest.raises(CommandError, match="Nothing was changed"):
        pricebook("withdraw", number)
    assert pricebook("export") == a_book("spring")
    pricebook("back", "0")
    assert pricebook("export") == BOOK
    assert "as 0 again" in pricebook("history")


@pytest.mark.parametrize("time", ["monday", "2026-13-01 8:00", "2020-01-01 8:00"])
def test_the_command_refuses_a_time_that_is_none_or_has_passed(tmp_path, time):
    file = tmp_path / "book.toml"
    file.write_text(a_book("spring"))
    with pytest.raises(CommandError):
        pricebook("publish", str(file), "--at", time)


def test_the_command_names_what_is_wrong(tmp_path):
    file = tmp_path / "book.toml"
    file.write_text(BOOK.replace("price = ", "price = -", 1))
    with pytest.raises(CommandError, match="Nothing was published, findings: "):
        pricebook("publish", str(file))
    with pytest.raises(CommandError, match="There is no version 77"):
        pricebook("export", "77")
    with pytest.raises(CommandError, match="Nothing was published"):
        pricebook("back", "77")
