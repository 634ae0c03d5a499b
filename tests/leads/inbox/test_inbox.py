"""The inbox: the list, the buttons that open the chat, and a lead's page."""

import re
from datetime import timedelta
from decimal import Decimal
from threading import Barrier

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission, User
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test import Client
from django.utils import timezone

from leads.delivery.record import lead_record, quote_record
from leads.inbox import greeting
from leads.models import Lead, LeadEvent
from quoter.reprice import reprice
from settings import env
from tests.support.factories import NAME, PHONE_E164, a_contact, a_line, an_issued_quote, store
from tests.support.live import at_once, message

pytestmark = pytest.mark.django_db

LIST = "/admin/leads/lead/"


def a_lead(*lines, **contact) -> Lead:
    issued = an_issued_quote(*lines)
    store(lead_record(issued, a_contact(**{"submitted_at": timezone.now(), **contact})))
    return Lead.objects.get(folio=issued.quote.folio)


def an_anonymous_quote() -> Lead:
    issued = an_issued_quote()
    store(quote_record(issued, visitor_id=""))
    return Lead.objects.get(folio=issued.quote.folio)


def a_colleague(*permissions: str, name: str = "luis") -> User:
    user = User.objects.create_user(name, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


def text_of(response) -> str:
    return response.content.decode()


def folios(page) -> list[str]:
    return re.findall(r'data-folio="([^"]+)"', text_of(page))


# --- The list ---------------------------------------------------------------------------------------------------------


def test_each_tab_lists_its_own_leads(admin_client, admin_user):
    waiting, done, anonymous = a_lead(), a_lead(phone="+526561234568"), an_anonymous_quote()
    Lead.objects.contact(done.pk, by=admin_user, now=timezone.now())
    tabs = {tab: set(folios(admin_client.get(LIST, {"status": tab}))) for tab in ("contacted", "anonymous", "all")}
    assert folios(admin_client.get(LIST)) == [waiting.folio]
    assert tabs["contacted"] == {done.folio}
    assert tabs["anonymous"] == {anonymous.folio}
    assert tabs["all"] == {waiting.folio, done.folio, anonymous.folio}


def test_every_view_of_the_list_shows_how_many_wait(admin_client):
    a_lead(), a_lead(phone="+526561234568"), an_anonymous_quote()
    for query in ({}, {"status": "all"}, {"q": "nobody"}):
        page = text_of(admin_client.get(LIST, query))
        assert "<title>(2) " in page
        assert '<span class="count">2</span>' in page


def test_a_list_counts_no_further_than_a_thousand(admin_client, monkeypatch):
    monkeypatch.setattr("leads.inbox.changelist.MOST_COUNTED", 3)
    for number in range(4):
        a_lead(phone=f"+52656123456{number}")
    assert '<span class="count">2+</span>' in text_of(admin_client.get(LIST))


def test_a_row_shows_the_person_the_quote_and_the_source(admin_client, admin_user):
    lead = a_lead(a_line(), a_line(), a_line(), attribution={"utm_source": "facebook"})
    a_lead(name="La misma")
    page = text_of(admin_client.get(LIST, {"q": lead.folio}, headers={"accept-language": "en"}))
    for shown in (NAME, "6 m³", "$52,866.30 MXN", "facebook", "and 2 more lines", "2 quotes"):
        assert shown in page, shown
    Lead.objects.contact(lead.pk, by=admin_user, now=timezone.now())
    assert admin_user.username in text_of(admin_client.get(LIST, {"q": lead.folio})).split("<main")[1]


@pytest.mark.parametrize(("minutes", "expected"), [(1, "in-time"), (16, "due"), (31, "late")])
def test_the_age_is_marked_by_urgency(admin_client, settings, minutes, expected):
    settings.BUSINESS_HOURS = (((timedelta(), timedelta(days=1)),),) * 7
    a_lead(submitted_at=timezone.now() - timedelta(minutes=minutes))
    assert f'<time class="{expected}"' in text_of(admin_client.get(LIST))


def test_a_longer_list_takes_no_more_queries(admin_client, django_assert_num_queries):
    for number in range(12):
        a_lead(phone=f"+5265612345{number:02}")
    # session, user, who waits, the page; of its rows what was arranged, the leads of the people, notes, who asked for
    # the same; the sellers to filter by; the counts of the tabs, the state of the live list, and the machines
    with django_assert_num_queries(12):
        assert len(folios(admin_client.get(LIST))) == 12


def test_a_lead_of_an_adopted_table_is_listed_whatever_its_quote_data_has(admin_client):
    for data in ({}, [], "text", {"total": "?", "lines": [{}, 3], "attribution": 7}, {"lines": 5, "total": {}}):
        Lead.objects.create(folio=f"old {data}", phone=PHONE_E164, name="Ana", quote_data=data)
    for lead in Lead.objects.all():
        assert admin_client.get(f"{LIST}{lead.pk}/change/").status_code == 200
        assert admin_client.post(f"{LIST}{lead.pk}/whatsapp/").status_code == 200
    assert text_of(admin_client.get(LIST, {"status": "all"})).count("data-lead=") == 5


# --- Buttons ----------------------------------------------------------------------------------------------------------


def chat_of(page) -> str:
    [url] = set(re.findall(r"https://wa\.me/\d+\?text=[^\"]+", text_of(page)))
    assert f'content="0;url={url}"' in text_of(page)
    assert f'href="{url}"' in text_of(page)
    return url


def test_a_tap_marks_the_lead_contacted_and_opens_the_chat_with_a_greeting(admin_client, admin_user):
    lead = a_lead()
    page = admin_client.post(f"{LIST}{lead.pk}/whatsapp/")
    assert page.status_code == 200
    url = chat_of(page)
    assert url.startswith("https://wa.me/526561234567?text=Hola%20Mar")
    for part in (NAME, lead.folio, "$17,622.10 MXN"):
        assert part in message(url)
    lead.refresh_from_db()
    assert (lead.status, lead.contacted_by) == ("contacted", admin_user)
    assert LeadEvent.objects.get().kind == "contacted"


def test_the_second_salesperson_sees_who_was_first_and_may_go_on(admin_client, client):
    lead = a_lead()
    Lead.objects.contact(lead.pk, by=a_colleague(), now=timezone.now())
    refused = admin_client.post(f"{LIST}{lead.pk}/whatsapp/")
    assert refused.status_code == 409
    assert "luis" in text_of(refused)
    assert "wa.me" not in text_of(refused)
    assert LeadEvent.objects.count() == 1

    chat_of(admin_client.post(f"{LIST}{lead.pk}/whatsapp/", {"anyway": "1"}))
    lead.refresh_from_db()
    assert lead.contacted_by.username == "luis"
    assert list(LeadEvent.objects.order_by("id").values_list("actor__username", flat=True)) == ["luis", "admin"]


def test_a_salesperson_opens_the_chat_of_their_own_lead_again_without_a_warning(admin_client):
    lead = a_lead()
    for _ in range(2):
        assert admin_client.post(f"{LIST}{lead.pk}/whatsapp/").status_code == 200
    assert LeadEvent.objects.count() == 1


def test_contacting_can_be_undone_and_both_are_in_the_history(admin_client, admin_user):
    lead = a_lead()
    back = f"{LIST}?status=all"
    page = admin_client.post(f"{LIST}{lead.pk}/contact/", {"next": back}, follow=True)
    assert page.redirect_chain == [(back, 302)]
    assert f'formaction="{LIST}{lead.pk}/revert/"' in text_of(page)
    for _ in range(2):
        admin_client.post(f"{LIST}{lead.pk}/revert/")
    lead.refresh_from_db()
    assert (lead.status, lead.contacted_at, lead.contacted_by) == ("new", None, None)
    assert list(LeadEvent.objects.order_by("id").values_list("kind", flat=True)) == ["contacted", "reverted"]


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:x", ""]
)
def test_no_redirect_goes_to_another_site(admin_client, elsewhere):
    answer = admin_client.post(f"{LIST}{a_lead().pk}/contact/", {"next": elsewhere})
    assert answer.url == LIST
    assert "evil" not in text_of(admin_client.post(f"{LIST}{a_lead().pk}/whatsapp/", {"next": elsewhere}))


@pytest.mark.parametrize("tap", ["whatsapp", "contact", "revert"])
def test_each_action_needs_a_post_the_permission_and_the_csrf_token(tap, admin_client, admin_user, client):
    lead = a_lead()
    path = f"{LIST}{lead.pk}/{tap}/"
    assert admin_client.get(path).url == f"{LIST}{lead.pk}/change/"
    assert admin_client.post(f"{LIST}999999/{tap}/").status_code == 404
    client.force_login(a_colleague("view_lead", "change_lead"))
    assert client.post(path).status_code == 403
    checking = type(client)(enforce_csrf_checks=True)
    checking.force_login(admin_user)
    assert checking.post(path).status_code == 403
    assert not LeadEvent.objects.exists()


def test_staff_who_may_only_view_leads_see_no_buttons(client):
    lead = a_lead()
    client.force_login(a_colleague("view_lead"))
    for page in (LIST, f"{LIST}{lead.pk}/change/"):
        assert "formaction" not in text_of(client.get(page))


def test_the_greeting_is_in_the_language_of_the_quote_and_leaves_out_unknown_values(settings):
    settings.GREETINGS = {"es": "Hola {name}, su cotización {folio}: {total}", "en": "Hello {name}: {folio}"}
    lead = Lead(folio="F", name="Ana", quote_data={"language": "en"})
    assert greeting.greeting(lead) == "Hello Ana: F"
    assert greeting.greeting(Lead(folio="F", quote_data={"total": "1234.50"})) == "Hola, su cotización F: $1,234.50"
    assert greeting.greeting(Lead(folio=None, name="{folio}", quote_data=None)) == "Hola {folio}, su cotización:"


@pytest.mark.parametrize(
    "name",
    [
        "Ana, su pago falló, pague en https://evil.example/p",
        "evil.example/p",
        "Ana evil.example",
        "Ana Evil.Example",
        "EVIL.EXAMPLE",
        "www evil",
        "bit.ly/x1",
        "T.Me/x",
        "Ma.Elena/x",
        "ana@evil.example",
        "evil。example",
        "ｅｖｉｌ．ｅｘａｍｐｌｅ",
        "10.0.0.1/x",
        "evil\u200b.exam\u200dple",
        "Ana llame al 656 555 0199",
        "Ana (656)-555.0199",
        "Ana " * 18,
    ],
)
def test_a_name_that_is_a_message_is_left_out_of_the_greeting(settings, name):
    settings.GREETINGS = {"es": "Hola {name}, su cotización {folio}"}
    assert greeting.greeting(Lead(folio="F", name=name, quote_data=None)) == "Hola, su cotización F"


@pytest.mark.parametrize(
    "name",
    [
        "Ma. Elena Ruiz",
        "Ma.Elena Ruiz",
        "Lic.Juan Pérez",
        "J.R. Pérez",
        "Concretos S.A. de C.V.",
        "Ana/Luis",
        "Obra 27-B",
        "María de los Ángeles Guadalupe Fernández de la Cruz Gutiérrez",
    ],
)
def test_a_name_with_an_abbreviation_is_in_the_greeting(settings, name):
    settings.GREETINGS = {"es": "Hola {name}"}
    assert greeting.greeting(Lead(folio="F", name=name, quote_data=None)) == f"Hola {name}"


@pytest.mark.django_db(transaction=True)
def test_of_ten_simultaneous_taps_on_a_lead_exactly_one_succeeds():
    staff = [User.objects.create_user(f"ana{number}", is_staff=True, is_superuser=True) for number in range(10)]
    leads = [a_lead(phone=f"+5265612345{number:02}") for number in range(30)]
    together, turns = Barrier(len(staff)), iter(staff)

    def taps() -> list[int]:
        browser, statuses = Client(), []
        try:
            browser.force_login(next(turns))
            for lead in leads:
                together.wait(timeout=20)
                statuses.append(browser.post(f"{LIST}{lead.pk}/whatsapp/").status_code)
        finally:
            connection.close()
        return statuses

    for statuses in zip(*at_once(len(staff), taps), strict=True):
        # 503 when the bulkhead is full; in a browser, that page reloads by itself.
        assert sorted(set(statuses) - {503}) in ([200], [200, 409])
        assert statuses.count(200) == 1
    assert LeadEvent.objects.filter(kind="contacted").count() == 30
    assert set(Lead.objects.values_list("status", flat=True)) == {"contacted"}


# --- A lead's page ----------------------------------------------------------------------------------------------------


def test_the_page_shows_the_bill_the_person_the_history_and_the_other_quotes(admin_client, admin_user):
    lead, other = a_lead(), a_lead(a_line(extras=[]))
    stranger = a_lead(phone="+526560000000")
    Lead.objects.contact(lead.pk, by=admin_user, now=timezone.now())
    page = text_of(admin_client.get(f"{LIST}{lead.pk}/change/", headers={"accept-language": "en"}))
    for shown in ("$17,622.10", NAME, PHONE_E164, "656 123 4567", f"/q/{lead.folio}/", other.folio, "Contacted"):
        assert shown in page, shown
    assert stranger.folio not in page
    assert 'name="status"' not in page


def test_a_lead_s_page_takes_sixteen_queries_for_any_history(admin_client, admin_user, django_assert_num_queries):
    lead = a_lead()
    for _ in range(5):
        a_lead()
        Lead.objects.contact(lead.pk, by=admin_user, now=timezone.now())
        Lead.objects.revert(lead.pk, by=admin_user, now=timezone.now())
    # session, user, the lead; of its row what was arranged with the person, their leads, the newest note, who asked for
    # the same; of the page the person's leads in four queries, notes, corrections, events, sellers; and the machines
    with django_assert_num_queries(16):
        admin_client.get(f"{LIST}{lead.pk}/change/")


def a_dearer_book():
    book = apps.get_app_config("quoter").book
    [concrete] = [product for product in book.products if product.code == "concrete"]
    dearer = [
        listed.model_copy(update={"tiers": tuple(t.model_copy(update={"price": t.price + 100}) for t in listed.tiers)})
        for listed in concrete.prices
    ]
    changed = concrete.model_copy(update={"prices": tuple(dearer), "minimum": Decimal(7)})
    others = tuple(product for product in book.products if product.code != "concrete")
    return book.model_copy(update={"products": (changed, *others)})


def test_repricing_shows_the_difference_and_what_changed(monkeypatch):
    issued = an_issued_quote()
    assert (reprice(issued).difference, reprice(issued).changes) == (Decimal("0.00"), ())
    monkeypatch.setattr(apps.get_app_config("quoter"), "book", a_dearer_book())
    today = reprice(issued)
    changes = [(change.before, change.after) for change in today.changes]
    assert changes[:2] == [("3 m³", "7 m³"), ("6 m³", "7 m³")]
    assert len(changes) == 4  # also the unit price and the fibre for one more m³
    assert today.difference == today.quote.total - issued.quote.total > 0


def test_the_page_says_when_the_product_is_not_sold_any_more(monkeypatch, admin_client):
    lead = a_lead()
    book = apps.get_app_config("quoter").book
    fewer = tuple(product for product in book.products if product.code != "concrete")
    monkeypatch.setattr(apps.get_app_config("quoter"), "book", book.model_copy(update={"products": fewer}))
    assert "Elige un producto de la lista." in text_of(admin_client.get(f"{LIST}{lead.pk}/change/"))


# --- The settings -----------------------------------------------------------------------------------------------------


def test_business_hours_are_read_day_by_day(monkeypatch):
    monkeypatch.setenv("BUSINESS_HOURS", "mon-thu 9:00-17:30, Fri 15:00-24:00,Fri 9:00-13:00")
    hours = env.business_hours("BUSINESS_HOURS", "")
    assert hours[0] == hours[3] == ((timedelta(hours=9), timedelta(hours=17, minutes=30)),)
    assert hours[4] == ((timedelta(hours=9), timedelta(hours=13)), (timedelta(hours=15), timedelta(days=1)))
    assert hours[5:] == ((), ())


@pytest.mark.parametrize(
    "typed",
    [
        "always",
        "Mon",
        "Mon 18:00-8:00",
        "Fri-Mon 8:00-18:00",
        "Lun 8:00-18:00",
        "Mon 8:00-25:00",
        "Mon 8:00-24:30",
        "Mon 8-18,",
        "Mon 8:00-18:75",
        "Mon 7:60-18:00",
        "Mon 8:00-18:000",
    ],
)
def test_unreadable_business_hours_stop_the_start_and_name_the_variable(monkeypatch, typed):
    monkeypatch.setenv("BUSINESS_HOURS", typed)
    with pytest.raises(ImproperlyConfigured, match="BUSINESS_HOURS"):
        env.business_hours("BUSINESS_HOURS", "Mon-Fri 8:00-18:00")


@pytest.mark.parametrize(
    ("typed", "spans"),
    [
        ("Mon-Fri 8:00-18:00, Mon 8:00-20:00", [(8, 20)]),
        ("Mon 8:00-12:00, Mon 11:00-15:00, Mon 14:00-16:00", [(8, 16)]),
        ("Mon 9:00-10:00, Mon 8:00-18:00", [(8, 18)]),
        ("Mon 8:00-12:00, Mon 12:00-18:00, Mon 8:00-12:00", [(8, 18)]),
        ("Mon 15:00-18:00, Mon 8:00-13:00", [(8, 13), (15, 18)]),
    ],
)
def test_business_hours_that_overlap_count_once(monkeypatch, typed, spans):
    monkeypatch.setenv("BUSINESS_HOURS", typed)
    monday = env.business_hours("BUSINESS_HOURS", "")[0]
    assert monday == tuple((timedelta(hours=opens), timedelta(hours=closes)) for opens, closes in spans)


def test_holidays_are_read(monkeypatch):
    monkeypatch.setenv("HOLIDAYS", " 12-25,2026-11-16 ,02-29, 12-25,")
    assert env.holidays("HOLIDAYS") == ("02-29", "12-25", "2026-11-16")
    monkeypatch.delenv("HOLIDAYS")
    assert env.holidays("HOLIDAYS") == ()


@pytest.mark.parametrize(
    "typed",
    ["25-12", "2026-12-32", "2026-02-29", "12/25", "Dec 25", "20261225", "2026-W52-5", "12-5", "02-30", "1-1"]
    + [",".join(f"{year}-01-01" for year in range(2000, 2301))],
)
def test_unreadable_holidays_stop_the_start_and_name_the_variable(monkeypatch, typed):
    monkeypatch.setenv("HOLIDAYS", typed)
    with pytest.raises(ImproperlyConfigured, match="HOLIDAYS"):
        env.holidays("HOLIDAYS")


@pytest.mark.parametrize("typed", ["Hola {nombre}", "Hola {", "Hola {}", "{name.x}"])
def test_a_greeting_with_unknown_placeholders_stops_the_start(monkeypatch, typed):
    monkeypatch.setenv("GREETING_ES", typed)
    with pytest.raises(ImproperlyConfigured, match="GREETING_ES"):
        env.message("GREETING_ES", "", fields=("name",))
