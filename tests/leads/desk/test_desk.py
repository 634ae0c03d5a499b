"""The desk for managers: its figures are right and cheap, and link to the leads that they count."""

import re
from datetime import timedelta
from html import unescape
from random import Random

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from leads.delivery.journal import quarantine
from leads.delivery.journal.segment import Item
from leads.desk import figures, links
from leads.desk.days import counted
from leads.desk.tallies import Tally
from leads.inbox.person import arrange
from leads.models import Lead, LeadEvent
from leads.ops import demo
from quoter import site
from tests.support.desk import BETO, NOON, TODAY, a_lead, an_outcome, the_last, today_at_noon
from tests.support.partitioned import of_one_table

pytestmark = pytest.mark.django_db

EXPORT = "/admin/leads/lead/export/"


def page_of(client, period: int = 7) -> str:
    return client.get("/admin/", {"days": period}).content.decode()


def words(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def tile(page: str, term: str) -> tuple[str, str]:
    """Return what a figure says below its name, and the address that it links to."""
    link = re.search(rf'<a href="([^"]+)">\s*<small>{term}</small>(.*?)</a>', page, re.DOTALL)
    assert link, page
    return words(link[2]), unescape(link[1])


def row(page: str, name: str) -> tuple[str, list[str]]:
    """Return what a row of a table says, and the addresses that it links to."""
    found = re.search(rf"<tr>\s*<th scope=\"row\">\s*(?:<b>)?{name}(?=[\s<]).*?</tr>", page, re.DOTALL)
    assert found, page
    return words(found[0]), [unescape(url) for url in re.findall(r'href="([^"]+)"', found[0])]


def listed(client, url: str) -> set[str]:
    """Return the folios in the list at an address, which says what its parameters mean and not only lists something."""
    answer = client.get(url)
    assert answer.status_code == 200, url
    return set(re.findall(r"\bF\d+\b", answer.content.decode()))


def folios(*leads: Lead) -> set[str]:
    return {lead.folio for lead in leads}


def test_each_number_links_to_exactly_what_it_counts(admin_client, admin_user, english):
    now = today_at_noon()
    waits, again = a_lead(now, total="100"), a_lead(now - timedelta(hours=1), total="50")
    sold, lost = a_lead(now, phone=BETO, total="200.40"), a_lead(now, phone="+526561234569", total="300")
    arrange.sold(sold.pk, 190, by=admin_user, now=timezone.now())
    arrange.lost(lost.pk, "Price", by=admin_user, now=timezone.now())
    written = a_lead(now, phone="+526561234570", total="4000")
    Lead.objects.contact(written.pk, by=admin_user, now=timezone.now())
    nameless = a_lead(now, phone="", total="9")
    spam = a_lead(now, phone="+526561234571", total="7")
    Lead.objects.filter(pk=spam.pk).update(set_aside="spam")
    a_lead(now - timedelta(days=7), phone="+526561234572", total="800")  # the eighth day
    page = page_of(admin_client)
    expected = {
        "Sold": ("$190 1 sale · 4% of what was quoted a year ago: no figures", {sold}),
        "Quoted": ("$4,600 4 people, 5 quotes a year ago: no figures", {waits, again, sold, lost, written}),
        "Open": ("$4,000 1 person was written to", {written}),
        "Lost": ("$300 1 person a year ago: no figures", {lost}),
        "9 of 10 are answered within": ("0 min 3 of 4 people answered a year ago: no figures", {sold, lost, written}),
    }
    for term, (said, leads) in expected.items():
        text, url = tile(page, term)
        assert text == said or term.startswith("9 of") and "3 of 4 people answered" in text
        assert listed(admin_client, url) == folios(*leads), term
    [url] = re.findall(r'href="([^"]+)">\s*1 more quote has no phone', page)
    assert listed(admin_client, unescape(url)) == folios(nameless)
    said, [url] = row(page, "Price")
    assert said == "Price 1 $300"
    assert listed(admin_client, url) == folios(lost)
    said, [quoted, of_sales] = row(page, str(now.date()))
    assert said == f"{now.date()} 4 people, 5 quotes $4,600 $190 1 sale"
    assert listed(admin_client, quoted) == folios(waits, again, sold, lost, written)
    assert listed(admin_client, of_sales) == folios(sold)


def test_sellers_sources_and_products_link_to_theirs(admin_client, admin_user, english):
    User.objects.filter(pk=admin_user.pk).update(first_name="Ana", last_name="Ruiz")
    now = today_at_noon()
    waits, elsewhere = a_lead(now, total="100", source="fb & co"), a_lead(now, phone=BETO, total="70", product="")
    Lead.objects.filter(pk=elsewhere.pk).update(status="contacted")  # by another program
    done = a_lead(now, phone="+526561234569", total="200", source="fb & co")
    Lead.objects.contact(done.pk, by=admin_user, now=now + timedelta(minutes=6))
    an_outcome(done, "won", "180")
    page = page_of(admin_client)
    expected = {
        "Ana Ruiz": ("answered 1 person, 1 quote · answers in", "$200 $180 1 sale", [done, done]),
        "Nobody yet": ("1 person, 1 quote", "$100 –", [waits]),
        r"fb &amp; co": ("2 people, 2 quotes", "$300 $180 1 sale", [(waits, done), done]),
        "No campaign": ("1 person, 1 quote", "$70 –", [elsewhere]),
        "Ready-mix": ("2 people, 2 quotes", "$300 $180 1 sale", [(waits, done), done]),
    }
    for name, (first, last, lists) in expected.items():
        said, urls = row(page, name)
        assert first in said, name
        assert said.endswith(last), name
        assert [listed(admin_client, url) for url in urls] == [
            folios(*leads) if isinstance(leads, tuple) else folios(leads) for leads in lists
        ]
    by_seller = page[page.index("By seller") : page.index("By day")]
    said, [url] = row(by_seller, "Not known")
    assert said.endswith("$70 –")
    assert listed(admin_client, url) == folios(elsewhere)


def test_the_same_days_a_year_ago_stand_beside(admin_client, admin_user, english):
    now = today_at_noon()
    a_year_ago = now.replace(year=now.year - 1)
    sold = a_lead(a_year_ago - timedelta(days=6), total="1000")
    an_outcome(sold, "won", "900")
    lost = a_lead(a_year_ago, phone=BETO, total="500")
    an_outcome(lost, "lost", "500", reason="Date")
    Lead.objects.contact(lost.pk, by=admin_user, now=a_year_ago + timedelta(minutes=7))
    a_lead(a_year_ago - timedelta(days=7), phone="+526561234569", total="70")
    page = page_of(admin_client)
    assert tile(page, "Sold")[0] == "$0 0 sales a year ago: $900"
    assert tile(page, "Quoted")[0] == "$0 0 people, 0 quotes a year ago: $1,500"
    assert tile(page, "Lost")[0] == "$0 0 people a year ago: $500"
    assert re.search(r"a year ago: \d+ (min|h)", tile(page, "Half are answered within")[0])


def test_days_of_last_year_that_were_not_counted_in_time_say_so(admin_client, english, monkeypatch):
    now = today_at_noon()
    a_lead(now.replace(year=now.year - 1), total="5")
    monkeypatch.setattr("leads.desk.days.COUNT_S", -1)
    page = page_of(admin_client)
    assert tile(page, "Sold")[0] == "$0 0 sales a year ago: not counted yet"
    assert "13 days are not counted yet" in words(page)


def test_the_29th_of_february_is_beside_the_28th():
    assert [figures._a_year_before(TODAY.replace(2028, 2, day)).isoformat() for day in (28, 29)] == ["2027-02-28"] * 2


def test_who_was_written_to_once_is_listed_by_worth_until_there_is_a_next_step(admin_client, admin_user, english):
    User.objects.filter(pk=admin_user.pk).update(first_name="Ana", last_name="Ruiz")
    now, leads = timezone.now(), []
    for number in range(7):
        lead = a_lead(now - timedelta(days=8), phone=f"+52656000000{number}", total=f"{number + 1}000")
        Lead.objects.contact(lead.pk, by=admin_user, now=now - timedelta(days=2 if number == 6 else 5))
        leads.append(lead)
    later = a_lead(now, phone="+526560000005", total="1")  # the same person asked again, and waits
    arrange.plan(leads[4].pk, arrange.Step(now), by=admin_user, now=now)
    page = page_of(admin_client, 30)
    part = page[page.index("Without follow-up") : page.index("By day")]
    assert re.findall(r"\$([\d,]+)", part) == ["6,000", "4,000", "3,000", "2,000", "1,000", "16,000"]
    assert "Ana Ruiz's" in words(part)
    assert "5 days" in words(part)
    [url] = re.findall(r'<a href="([^"]+)">\s*See all: 5', part)
    assert listed(admin_client, unescape(url)) == folios(later, *leads[:4])
    said, url = tile(page, "Open")
    assert said == "$28,000 7 people were written to"
    assert listed(admin_client, url) == folios(later, *leads[:5], leads[6])
    assert listed(admin_client, "/admin/leads/lead/?status=all&follow=overdue") == folios(leads[4])


@pytest.mark.parametrize("value", ["open", "open-8", "all-7", "overdue-7", "open-7-7", "x"])
def test_the_list_of_people_refuses_what_the_desk_does_not_link_to(admin_client, value):
    assert admin_client.get(f"/admin/leads/lead/?status=all&follow={value}").status_code in (302, 400)


def test_who_waits_longer_than_promised_is_counted(admin_client, english, settings):
    settings.BUSINESS_HOURS = (((timedelta(0), timedelta(hours=24)),),) * 7
    now = timezone.now()
    late, soon = a_lead(now - timedelta(hours=2)), a_lead(now, phone=BETO)
    Lead.objects.filter(pk=late.pk).update(arrived_at=now - timedelta(hours=2))
    page = page_of(admin_client)
    assert tile(page, "Waiting now")[0] == "2"
    assert listed(admin_client, tile(page, "Waiting now")[1]) == folios(late, soon)
    [url] = re.findall(r'href="([^"]+)">1 longer than promised', page)
    assert listed(admin_client, unescape(url)) == folios(late)
    settings.BUSINESS_HOURS = ((),) * 7
    assert "nobody longer than promised" in page_of(admin_client)


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


@pytest.mark.parametrize(
    ("tally", "quotes", "read"),
    [
        (Tally(40), 30_000, 30_000),  # few: all of the period
        (Tally(40), 500_000, 500_000),
        (Tally(10_010), 500_000, 50_000),  # every fiftieth
    ],
)
def test_a_list_reads_until_it_has_counted_enough(tally, quotes, read):
    assert links.leads_to_read(tally, quotes) == read


def test_a_rare_source_among_very_many_leads_is_counted_and_not_linked(admin_client, monkeypatch, english):
    a_lead(today_at_noon(), source="facebook", total="5")
    assert row(page_of(admin_client), "facebook")[1]
    monkeypatch.setattr(links, "MOST_READ", 0)
    assert row(page_of(admin_client), "facebook") == ("facebook 1 person, 1 quote $5 –", [])


@pytest.mark.by_hand
def test_the_periods_are_seven_thirty_and_ninety_days(admin_client, english):
    a_lead(today_at_noon() - timedelta(days=29), total="5")
    said = [tile(page_of(admin_client, period), "Quoted")[0].split()[0] for period in (7, 30, 90)]
    assert said == ["$0", "$5", "$5"]
    assert page_of(admin_client, period=5).count("aria-current") == 1


def test_only_a_lead_that_staff_had_to_restore_counts_as_lost(admin_client, english):
    lead = a_lead(today_at_noon())
    assert "Lost to outages" in page_of(admin_client)
    assert figures.faults(today_at_noon() - timedelta(days=7)).total == 0
    LeadEvent.objects.create(lead=lead, kind=LeadEvent.Kind.RESTORED, detail="unchanged")
    assert figures.faults(today_at_noon() - timedelta(days=7)).total == 0
    LeadEvent.objects.create(lead=lead, kind=LeadEvent.Kind.RESTORED, detail="created")
    page = page_of(admin_client)
    url = re.search(r'<a href="([^"]+)">1 restored from the chat</a>', page)
    assert listed(admin_client, unescape(url[1])) == {lead.folio}


def test_a_lead_that_postgres_refused_counts_as_lost(settings):
    quarantine.put_aside(settings.OUTBOX_DIRECTORIES[0], Item("F1", 0.0, b"{}"), reason="22P05", at=0.0)
    assert figures.faults(NOON).refused == 1


def test_staff_who_may_not_see_leads_see_no_desk(client):
    client.force_login(User.objects.create_user("other", is_staff=True))
    with CaptureQueriesContext(connection) as queries:
        page = page_of(client)
    assert "desk" not in page.replace("dashboard", "")
    assert not [query for query in queries if "leads" in query["sql"]]


def test_the_tallest_bar_fills_the_chart():
    days = [
        figures.Row(TODAY, Tally(quoted=4, sold=2), links.Links()),
        figures.Row(TODAY, Tally(quoted=8, sold=0), links.Links()),
    ]
    drawn = figures.bars(days)
    assert [(bar.x, bar.width, bar.quoted, bar.quoted_top, bar.sold) for bar in drawn] == [
        ("5.00%", "40.00%", "50.00%", "50.00%", "25.00%"),
        ("55.00%", "40.00%", "100.00%", "0.00%", "0.00%"),
    ]


def test_days_without_a_quote_are_drawn_flat():
    [bar] = figures.bars([figures.Row(TODAY, Tally(), links.Links())])
    assert (bar.quoted, bar.quoted_top) == ("0.00%", "100.00%")


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
    today = timezone.localtime(now, site.zone())
    days = [*the_last(90, today), *the_last(90, today.replace(year=today.year - 1))]
    counted(days, now=now, zone=site.zone(), clock=lambda: 0)


def test_the_desk_takes_few_queries(admin_client, admin_user, django_assert_max_num_queries):
    now = timezone.now()
    for number in range(3):
        lead = a_lead(now - timedelta(days=5), phone=f"+52656000000{number}", total="5")
        Lead.objects.contact(lead.pk, by=admin_user, now=now - timedelta(days=4))
    a_lead(today_at_noon() - timedelta(days=370))
    count_every_day()
    # Session, user; 2 of last year and the events; 3 of today; 2 to keep it; days, waiting, late, open; 3 of who is
    # forgotten; sellers, restored, machines twice.
    with django_assert_max_num_queries(23):
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
