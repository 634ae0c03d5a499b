"""The desk for managers: its figures are right, fresh and cheap, and link to the leads that they count."""

import csv
import re
from datetime import date, datetime, timedelta
from html import unescape
from io import StringIO
from random import Random
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from leads.delivery.journal import quarantine
from leads.delivery.journal.segment import Item
from leads.desk import days, figures
from leads.desk.days import Day, Tally, count, counted
from leads.models import Lead, LeadDay, LeadEvent
from leads.ops import demo
from quoter import site
from tests.support.partitioned import of_one_table

pytestmark = pytest.mark.django_db

JUAREZ = ZoneInfo("America/Ciudad_Juarez")
# A Wednesday; the shop is open from 8 to 18, on Saturdays to 14.
NOON = datetime(2026, 11, 18, 12, 0, tzinfo=JUAREZ)
TODAY = NOON.date()
EXPORT = "/admin/leads/lead/export/"


def a_lead(at: datetime = NOON, *, phone: str = "+526561234567", source: str = "", product: str = "concrete") -> Lead:
    data = {"attribution": {"utm_source": source} if source else {}, "lines": [{"product": product}]}
    asked = {"name": "Ana", "phone": phone, "submitted_at": at} if phone else {}
    return Lead.objects.create(folio=f"F{Lead.objects.count()}", quote_data=data, created_at=at, **asked)


def the_last(number: int, now: datetime = NOON) -> list[date]:
    return [now.date() - timedelta(days=back) for back in range(number)]


def known(number: int = 7, now: datetime = NOON, **options) -> dict[date, Day]:
    return counted(the_last(number, now), now=now, zone=JUAREZ, **options)


# --- The count of a day ---------------------------------------------------------------------------------------------


def test_a_day_counts_quotes_those_with_a_phone_and_those_contacted(admin_user):
    a_lead(phone="")
    a_lead(source="facebook")
    done = a_lead(source="facebook", product="block", phone="+526561234568")
    Lead.objects.contact(done.pk, by=admin_user, now=NOON + timedelta(minutes=12, seconds=40))

    day = count(TODAY, zone=JUAREZ)

    assert day.total == Tally(quotes=3, leads=2, contacted=1)
    assert day.sources == {"": Tally(1, 0, 0), "facebook": Tally(2, 2, 1)}
    assert day.products == {"concrete": Tally(2, 1, 0), "block": Tally(1, 1, 1)}
    assert day.minutes == {12: 1}


def test_a_day_begins_at_midnight_in_the_business_s_zone(admin_user):
    a_lead(datetime(2026, 11, 18, 0, 0, tzinfo=JUAREZ))
    a_lead(datetime(2026, 11, 18, 23, 59, tzinfo=JUAREZ))
    a_lead(datetime(2026, 11, 19, 0, 0, tzinfo=JUAREZ))
    assert count(TODAY, zone=JUAREZ).total.quotes == 2


def test_only_business_hours_count_until_contact(admin_user):
    saturday, monday = datetime(2026, 11, 14, 13, 30, tzinfo=JUAREZ), datetime(2026, 11, 16, 8, 10, tzinfo=JUAREZ)
    Lead.objects.contact(a_lead(saturday).pk, by=admin_user, now=monday)
    assert count(saturday.date(), zone=JUAREZ).minutes == {40: 1}  # 30 on Saturday, 10 on Monday


def test_a_quote_of_another_shape_counts_without_source_and_product():
    Lead.objects.create(folio="OLD", quote_data=[], created_at=NOON)
    day = count(TODAY, zone=JUAREZ)
    assert (day.sources, day.products) == ({"": Tally(1, 0, 0)}, {"": Tally(1, 0, 0)})


def test_made_up_sources_do_not_grow_a_day_without_end():
    for number in range(days.MOST_NAMES + 5):
        a_lead(source=f"spam{number}", phone="")
    day = count(TODAY, zone=JUAREZ)
    assert len(day.sources) == days.MOST_NAMES + 1
    assert day.sources[days.OTHERS] == Tally(5, 0, 0)


@pytest.mark.parametrize(
    ("minutes", "median", "p90"),
    [
        ({}, None, None),
        ({7: 1}, 7, 7),
        ({1: 5, 9: 5}, 1, 9),
        ({1: 4, 9: 6}, 9, 9),
        ({2: 9, 300: 1}, 2, 2),
        ({2: 8, 300: 2}, 2, 300),
    ],
)
def test_percentiles_are_those_of_the_leads(minutes, median, p90):
    assert (figures.percentile(minutes, 0.5), figures.percentile(minutes, 0.9)) == (median, p90)


# --- When a day is counted again ------------------------------------------------------------------------------------


def test_today_is_always_counted_again():
    a_lead()
    assert known()[TODAY].total.quotes == 1
    a_lead()
    assert known()[TODAY].total.quotes == 2


def test_a_day_that_is_over_is_not_read_again():
    yesterday = TODAY - timedelta(days=1)
    a_lead(NOON - timedelta(days=1))
    known()
    Lead.objects.all().delete()
    assert known()[yesterday].total.quotes == 1


@pytest.mark.parametrize("act", ["contact", "revert"])
def test_a_day_is_counted_again_after_staff_did_something_with_its_leads(admin_user, act):
    yesterday, month_ago = TODAY - timedelta(days=1), TODAY - timedelta(days=29)
    leads = [a_lead(NOON - timedelta(days=back)) for back in (1, 29)]
    if act == "revert":
        for lead in leads:
            Lead.objects.contact(lead.pk, by=admin_user, now=NOON)
    known(30)
    for lead in leads:
        getattr(Lead.objects, act)(lead.pk, by=admin_user, now=NOON)
    known(7)  # a look at a shorter period must not hide the event from a longer one
    contacted = 1 if act == "contact" else 0
    assert [known(30)[day].total.contacted for day in (yesterday, month_ago)] == [contacted, contacted]


def test_an_export_does_not_cause_a_new_count(admin_user):
    lead = a_lead(NOON - timedelta(days=1))
    known()
    LeadEvent.objects.note(LeadEvent.Kind.EXPORTED, [lead.pk], by=admin_user, now=NOON, detail="csv")
    known()
    assert not LeadDay.objects.filter(is_outdated=True).exists()


def test_a_late_lead_is_counted_the_later_the_longer_its_day_is_over():
    yesterday = TODAY - timedelta(days=1)
    known()
    a_lead(NOON - timedelta(days=1))  # the day ended twelve hours ago, so its count is good for one hour
    assert known(now=NOON + timedelta(minutes=59))[yesterday].total.quotes == 0
    assert known(now=NOON + timedelta(minutes=71))[yesterday].total.quotes == 1


def test_a_day_that_was_counted_before_its_end_is_counted_again_after_it():
    known(now=NOON)
    a_lead(NOON + timedelta(hours=3))
    assert known(now=NOON + timedelta(days=1))[TODAY].total.quotes == 1


def test_after_a_change_of_the_opening_hours_every_day_is_counted_again(settings, admin_user):
    asked = NOON - timedelta(days=1)
    Lead.objects.contact(a_lead(asked).pk, by=admin_user, now=asked + timedelta(minutes=30))
    assert known()[asked.date()].minutes == {30: 1}
    closed = timedelta(hours=12, minutes=10)
    settings.BUSINESS_HOURS = (((timedelta(hours=8), closed),),) * 7
    assert known()[asked.date()].minutes == {10: 1}


def test_after_a_change_of_the_holidays_every_day_is_counted_again(settings, admin_user):
    asked = NOON - timedelta(days=1)
    Lead.objects.contact(a_lead(asked).pk, by=admin_user, now=asked + timedelta(minutes=30))
    assert known()[asked.date()].minutes == {30: 1}
    settings.HOLIDAYS = (asked.date().isoformat(),)
    assert known()[asked.date()].minutes == {0: 1}


def test_counting_days_for_the_first_time_stops_after_two_seconds():
    a_lead(NOON - timedelta(days=80))
    seconds = iter(range(0, 1000, 1))  # each reading of the clock is a second later
    assert list(known(90, clock=lambda: next(seconds))) == the_last(3)
    assert len(known(90, clock=lambda: 0)) == 90


def test_the_desk_works_on_a_read_only_database():
    a_lead()
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
    assert known(1)[TODAY].total.quotes == 1


# --- The page -------------------------------------------------------------------------------------------------------


def today_at_noon() -> datetime:
    return datetime.combine(timezone.localdate(), NOON.time(), site.zone())


def page_of(client, period: int = 7) -> str:
    return client.get("/admin/", {"days": period}).content.decode()


def figure(page: str, term: str) -> tuple[str, str]:
    """Return a figure's number and the address that it links to."""
    link = re.search(rf"<dt>{term}</dt>\s*<dd><a href=\"([^\"]+)\">([^<]+)</a>", page)
    assert link, page
    return link[2], unescape(link[1])


def folios(page) -> set[str]:
    return set(re.findall(r"\bF\d+\b", page.content.decode()))


@pytest.fixture
def english(settings):
    settings.LANGUAGE_CODE = "en"


def test_each_number_links_to_its_leads(admin_client, admin_user, english):
    now = today_at_noon()
    anonymous, waiting = a_lead(now, phone=""), a_lead(now, source="facebook")
    done = a_lead(now, phone="+526561234568")
    Lead.objects.contact(done.pk, by=admin_user, now=now + timedelta(minutes=5))
    old = a_lead(now - timedelta(days=7), phone="+526561234569")  # the eighth day
    expected = {
        "Waiting now": {waiting, old},
        "Quotes": {anonymous, waiting, done},
        "With a phone": {waiting, done},
        "Contacted": {done},
    }
    page = page_of(admin_client)
    for term, leads in expected.items():
        number, url = figure(page, term)
        assert number == str(len(leads)), term
        assert folios(admin_client.get(url)) == {lead.folio for lead in leads}, term


def test_a_source_and_a_product_link_to_their_leads(admin_client, english):
    now = today_at_noon()
    named, nameless = a_lead(now, source="fb & co", product="concrete"), a_lead(now, product="")
    page = page_of(admin_client)
    for name, lead in (("fb &amp; co", named), ("No campaign", nameless), ("Ready-mix", named)):
        url = re.search(rf'<th scope="row">(?:{name})[^<]*</th>\s*<td><a href="([^"]+)">1</a>', page)
        assert url, name
        assert folios(admin_client.get(unescape(url[1]))) == {lead.folio}


@pytest.mark.parametrize(
    ("tally", "quotes", "read"),
    [
        (Tally(40, 20, 10), 30_000, 30_000),  # few: all of the period
        (Tally(40, 20, 10), 500_000, 500_000),
        (Tally(40_000, 30_000, 10_010), 500_000, 50_000),  # every fiftieth
    ],
)
def test_a_list_reads_until_it_has_counted_enough(tally, quotes, read):
    assert figures.leads_to_read(tally, quotes) == read


def test_a_rare_source_among_very_many_leads_is_counted_and_not_linked(admin_client, monkeypatch, english):
    now = today_at_noon()
    a_lead(now, source="facebook")
    assert "utm_source=facebook" in page_of(admin_client)
    monkeypatch.setattr(figures, "MOST_READ", 0)
    page = page_of(admin_client)
    assert "utm_source=facebook" not in page
    assert re.search(r'<th scope="row">facebook</th>\s*<td>1</td>', page)


def test_a_day_links_to_its_leads(admin_client):
    now = today_at_noon()
    lead = a_lead(now - timedelta(days=2))
    a_lead(now)
    [cell] = re.findall(
        rf'<th scope="row">{(now - timedelta(days=2)).date()}</th>\s*<td><a href="([^"]+)">1<', page_of(admin_client)
    )
    assert folios(admin_client.get(unescape(cell))) == {lead.folio}


@pytest.mark.by_hand
def test_the_periods_are_seven_thirty_and_ninety_days(admin_client, english):
    a_lead(today_at_noon() - timedelta(days=29))
    assert [figure(page_of(admin_client, period), "Quotes")[0] for period in (7, 30, 90)] == ["0", "1", "1"]
    assert page_of(admin_client, period=5).count("aria-current") == 1


def test_only_a_lead_that_staff_had_to_restore_counts_as_lost(admin_client, english):
    lead = a_lead(today_at_noon())
    assert "Lost to outages" in page_of(admin_client)
    assert figures.lost(today_at_noon() - timedelta(days=7)).total == 0
    LeadEvent.objects.create(lead=lead, kind=LeadEvent.Kind.RESTORED, detail="unchanged")
    assert figures.lost(today_at_noon() - timedelta(days=7)).total == 0
    LeadEvent.objects.create(lead=lead, kind=LeadEvent.Kind.RESTORED, detail="created")
    page = page_of(admin_client)
    url = re.search(r'<a href="([^"]+)">1 restored from the chat</a>', page)
    assert folios(admin_client.get(unescape(url[1]))) == {lead.folio}


def test_a_lead_that_postgres_refused_counts_as_lost(settings):
    quarantine.put_aside(settings.OUTBOX_DIRECTORIES[0], Item("F1", 0.0, b"{}"), reason="22P05", at=0.0)
    assert figures.lost(NOON).refused == 1


def test_staff_who_may_not_see_leads_see_no_desk(client):
    client.force_login(User.objects.create_user("other", is_staff=True))
    with CaptureQueriesContext(connection) as queries:
        page = page_of(client)
    assert "desk" not in page.replace("dashboard", "")
    assert not [query for query in queries if "leads" in query["sql"]]


def test_the_tallest_bar_fills_the_chart():
    links = figures.links(NOON, NOON)
    days = [figures.TallyRow(TODAY, Tally(4, 2, 1), links), figures.TallyRow(TODAY, Tally(8, 8, 0), links)]
    drawn = figures.bars(days)
    assert [(bar.x, bar.width, bar.quotes, bar.quotes_top, bar.leads) for bar in drawn] == [
        ("5.00%", "40.00%", "50.00%", "50.00%", "25.00%"),
        ("55.00%", "40.00%", "100.00%", "0.00%", "100.00%"),
    ]


def test_days_without_a_quote_are_drawn_flat():
    [bar] = figures.bars([figures.TallyRow(TODAY, Tally(), figures.links(NOON, NOON))])
    assert (bar.quotes, bar.quotes_top) == ("0.00%", "100.00%")


# --- With many leads ------------------------------------------------------------------------------------------------


@pytest.fixture
def many_leads(admin_user):
    """Twenty thousand leads of one year; only a few are today's."""
    options = {"book": site.price_book(), "zone": site.zone(), "language": "es", "chance": Random(1)}
    for _written in demo.add_leads(1_000, by=admin_user, now=timezone.now(), **options):
        pass
    copied = ", ".join(field.column for field in Lead._meta.concrete_fields if field.column not in ("id", "folio"))
    of_an_event = ", ".join(field.column for field in LeadEvent._meta.concrete_fields if field.column != "id")
    with connection.cursor() as cursor:
        cursor.execute("SELECT (SELECT max(id) FROM leads), (SELECT max(id) FROM lead_events)")
        [[last, last_event]] = cursor.fetchall()
        for copies in ((1, 5), (6, 10), (11, 15), (16, 19)):  # one statement for all would take a busy machine too long
            cursor.execute(
                f"INSERT INTO leads (folio, {copied}) SELECT folio || n, {copied} "
                "FROM leads, generate_series(%s::int, %s::int) AS n WHERE id <= %s",
                [*copies, last],
            )
            cursor.execute(
                f"INSERT INTO lead_events ({of_an_event}) SELECT {of_an_event} "
                "FROM lead_events, generate_series(%s::int, %s::int) WHERE id <= %s",
                [*copies, last_event],
            )
        cursor.execute("ANALYZE leads")
        cursor.execute("ANALYZE lead_events")


def count_every_day() -> None:
    """Count what the desk shows, however slow the machine: the page itself stops after two seconds."""
    now = timezone.now()
    counted(the_last(90, timezone.localtime(now, site.zone())), now=now, zone=site.zone(), clock=lambda: 0)


def test_the_desk_takes_few_queries(admin_client, django_assert_max_num_queries):
    a_lead(today_at_noon())
    count_every_day()
    with django_assert_max_num_queries(14):  # session, user, 8 of the desk, 2 of its transaction, machines twice
        page_of(admin_client, 90)


@of_one_table
def test_the_desk_never_reads_the_whole_table(admin_client, admin_user, many_leads):
    count_every_day()
    Lead.objects.contact(Lead.objects.waiting().earliest("pk").pk, by=admin_user, now=timezone.now())
    with CaptureQueriesContext(connection) as queries:
        page_of(admin_client, 90)
    on_leads = [query["sql"] for query in queries if re.search(r'^SELECT .* FROM .*"lead(s|_events)"', query["sql"])]
    assert len(on_leads) >= 6  # one of them for the days that the contact concerns
    for sql in on_leads:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {sql}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
        assert not re.search(r"Seq Scan on lead(s|_events)", plan), f"{sql}\n{plan}"


# --- The spreadsheet ------------------------------------------------------------------------------------------------


def rows(answer) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))


def test_a_spreadsheet_has_all_leads_of_the_filtered_list_and_no_other(admin_client, admin_user):
    waiting, done = a_lead(), a_lead(phone="+526561234568")
    a_lead(phone="")
    Lead.objects.contact(done.pk, by=admin_user, now=NOON)

    assert [row["folio"] for row in rows(admin_client.post(EXPORT))] == [waiting.folio]
    assert [row["folio"] for row in rows(admin_client.post(f"{EXPORT}?status=contacted"))] == [done.folio]
    answer = admin_client.post(f"{EXPORT}?status=all&phone__gt=")
    assert answer["Content-Disposition"] == f'attachment; filename="leads-{timezone.localdate()}.csv"'
    assert [row["folio"] for row in rows(answer)] == [done.folio, waiting.folio]  # in the list's order
    assert [row["folio"] for row in rows(admin_client.post(f"{EXPORT}?q={done.folio}"))] == [done.folio]


def test_a_spreadsheet_has_more_than_one_page_of_the_list(admin_client):
    for _ in range(60):
        a_lead()
    assert len(rows(admin_client.post(EXPORT))) == 60


def test_every_exported_lead_has_an_event_with_the_person(admin_client, admin_user):
    lead = a_lead()
    rows(admin_client.post(EXPORT))
    [event] = LeadEvent.objects.all()
    assert (event.lead, event.kind, event.actor) == (lead, "exported", admin_user)


@pytest.mark.parametrize("permissions", [[], ["view_lead", "change_lead", "contact_lead"], ["export_lead"]])
def test_only_staff_who_may_see_and_export_leads_can_export_them(client, permissions):
    a_lead()
    user = User.objects.create_user("sales", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user)
    assert client.post(EXPORT).status_code == 403
    assert not LeadEvent.objects.exists()


def test_a_link_or_a_wrong_filter_exports_nothing(admin_client):
    a_lead()
    assert admin_client.get(EXPORT).status_code == 302
    assert admin_client.post(f"{EXPORT}?created_at__gte=yesterday").status_code == 400
    assert not LeadEvent.objects.exists()
