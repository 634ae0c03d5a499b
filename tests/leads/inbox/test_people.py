"""What staff see of several people who asked for one quote, and of what was set aside."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from leads.delivery.record import lead_record
from leads.inbox import tabs
from leads.models import Lead, LeadEvent
from leads.snapshot import Flag
from tests.support.factories import a_contact, an_issued_quote, store

pytestmark = pytest.mark.django_db

LIST = "/admin/leads/lead/"
ASIDE = f"{LIST}aside/"


def asks(issued=None, *, minute=0, **contact) -> Lead:
    """Store a lead of somebody on their own device."""
    issued = issued or an_issued_quote()
    given = {"submitted_at": timezone.now() + timedelta(minutes=minute), "visitor_id": "", **contact}
    store(lead_record(issued, a_contact(**given)))
    return Lead.objects.get(folio=issued.quote.folio, phone=given.get("phone", a_contact().phone))


def text(page) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<(?!input)[^>]+>", " ", page.content.decode()))


def test_two_people_of_one_quote_are_two_rows_that_name_each_other(admin_client, admin_user):
    issued = an_issued_quote()
    ana = asks(issued, name="Ana Ruiz", phone="+526560000001")
    Lead.objects.contact(ana.pk, by=admin_user, now=timezone.now())
    luis = asks(issued, name="Luis Peña", phone="+526560000002", minute=1)

    assert "Ana Ruiz pidió la misma cotización" in text(admin_client.get(LIST))
    both = admin_client.get(LIST, {"q": issued.quote.folio})
    assert len(both.context["cl"].rows) == 2
    assert "Luis Peña pidió la misma cotización" in text(both)
    for lead, other in ((ana, "Luis Peña"), (luis, "Ana Ruiz")):
        page = text(admin_client.get(f"{LIST}{lead.pk}/change/"))
        assert "También pidieron esta cotización" in page
        assert other in page


def test_a_corrected_number_is_one_row_with_both_and_one_tap_settles_both(admin_client, admin_user):
    issued = an_issued_quote()
    asks(issued, name="Ana Ruiz", phone="+526560000001")
    newer = asks(issued, name="ana ruiz", phone="+526560000002", minute=1)

    page = admin_client.get(LIST)
    [row] = page.context["cl"].rows
    assert (row.lead, [other.phone for other in row.corrected]) == (newer, ["+526560000001"])
    assert "también dio" in text(page)

    admin_client.post(f"{LIST}{newer.pk}/contact/")
    assert not Lead.objects.new().exists()
    assert LeadEvent.objects.filter(kind="contacted").count() == 2
    admin_client.post(f"{LIST}{newer.pk}/revert/")
    assert Lead.objects.new().count() == 2


def test_details_that_changed_are_on_the_page(admin_client):
    issued = an_issued_quote()
    asks(issued, name="Ana Rius")
    lead = asks(issued, name="Ana Ruiz", minute=1)
    page = text(admin_client.get(f"{LIST}{lead.pk}/change/"))
    assert "Ana Ruiz" in page
    assert "Ana Rius" in page


def test_whoever_asks_again_waits_again_and_the_row_and_the_history_say_so(admin_client, admin_user):
    issued = an_issued_quote()
    lead = asks(issued)
    Lead.objects.contact(lead.pk, by=admin_user, now=timezone.now())
    asks(issued, minute=1)
    assert "pidió de nuevo" in text(admin_client.get(LIST))
    assert "Pidió de nuevo" in text(admin_client.get(f"{LIST}{lead.pk}/change/"))


# --- Set aside --------------------------------------------------------------------------------------------------------


def test_what_is_set_aside_has_a_tab_with_its_count(admin_client):
    asks(name="Ana")
    asks(name="Bot", flags=(Flag.HONEYPOT,))
    page = admin_client.get(LIST)
    assert [row.lead.name for row in page.context["cl"].rows] == ["Ana"]
    assert re.search(r"Dudosos\s*<span class=\"count\">1</span>", page.content.decode())
    aside = admin_client.get(LIST, {"status": "set_aside"})
    assert [row.lead.name for row in aside.context["cl"].rows] == ["Bot"]


def test_hundreds_are_discarded_at_once_and_brought_back_with_events(admin_client, admin_user):
    kept = asks(name="Ana")
    for number in range(120):
        asks(name="Bot", phone=f"+5265600{number:05}", flags=(Flag.TOO_FAST,))

    answer = admin_client.post(f"{ASIDE}?all=set_aside", {"action": "discard"}, follow=True)
    assert "120 clientes descartados" in text(answer)
    assert (Lead.objects.set_aside().count(), Lead.objects.put_aside().count()) == (0, 120)
    assert [row.lead for row in answer.context["cl"].rows] == [kept]

    page = admin_client.get(LIST, {"status": "put_aside"})
    ticked = re.findall(r'name="lead" value="(\d+)"', page.content.decode())
    assert len(ticked) == 50
    admin_client.post(ASIDE, {"action": "bring_back", "lead": ticked[:2]})
    assert Lead.objects.waiting().count() == 3

    admin_client.post(f"{ASIDE}?all=put_aside", {"action": "bring_back"})
    assert Lead.objects.waiting().count() == 121
    kinds = LeadEvent.objects.values_list("kind", flat=True)
    assert (list(kinds).count("set_aside"), list(kinds).count("brought_back")) == (120, 120)
    assert set(LeadEvent.objects.values_list("actor", flat=True)) == {admin_user.pk}


@pytest.mark.parametrize("path", [LIST, f"{LIST}?status=set_aside", f"{LIST}?status=put_aside", "/admin/"])
def test_whoever_waits_is_counted_in_the_order_of_an_index(admin_client, path):
    with CaptureQueriesContext(connection) as captured:
        assert admin_client.get(path).status_code == 200
    of_the_queue = [query["sql"] for query in captured if '"leads"."status" = \'new\'' in query["sql"]]
    assert of_the_queue
    assert not [sql for sql in of_the_queue if not re.search(r'ORDER BY ("leads"\."arrived_at"|[12] DESC)', sql)]


def test_a_flood_that_looks_like_many_customers_can_be_ticked_where_it_waits(admin_client):
    for number in range(50):
        asks(name="Bot", phone=f"+5265600{number:05}")
    assert 'name="lead"' not in text(admin_client.get(LIST))
    asks(name="Ana")
    ticked = re.findall(r'name="lead" value="(\d+)" aria-label="\S+ · Bot', admin_client.get(LIST).content.decode())
    answer = admin_client.post(ASIDE, {"action": "discard", "lead": ticked, "next": LIST}, follow=True)
    assert len(ticked) == 49
    assert "49 clientes descartados" in text(answer)
    assert Lead.objects.waiting().count() == 2


@pytest.mark.parametrize("sent", [{}, {"lead": "x"}, {"lead": ["1", "999999999", "9" * 30]}, {"action": "discard"}])
def test_nothing_ticked_moves_nothing(admin_client, sent):
    asks(flags=(Flag.HONEYPOT,), name="Bot")
    Lead.objects.filter(name="Bot").update(id=7)
    assert admin_client.post(ASIDE, sent).status_code == 302
    assert not LeadEvent.objects.exists()


def test_only_who_may_contact_leads_may_move_them(client, django_user_model):
    user = django_user_model.objects.create_user("viewer", is_staff=True)
    client.force_login(user)
    assert client.post(ASIDE, {"action": "discard"}).status_code == 403


# --- A long queue -----------------------------------------------------------------------------------------------------


def test_who_has_just_asked_is_on_the_first_page_however_many_wait(admin_client):
    for number in range(60):
        asks(name=f"Fake {number}", phone=f"+5265600{number:05}")
    newest = asks(name="Ana", phone="+526561234567")

    first = admin_client.get(LIST)
    assert first.context["cl"].rows[0].lead == newest
    assert "Los más nuevos van primero" in text(first)
    oldest = admin_client.get(LIST, {"order": "oldest"})
    assert oldest.context["cl"].rows[0].lead.name == "Fake 0"


def test_a_list_of_one_page_has_the_oldest_first(admin_client):
    first, second = asks(), asks(phone="+526561234568")
    shown = admin_client.get(LIST).context["cl"]
    assert [row.lead for row in shown.rows] == [first, second]
    assert list(shown.queryset) == [first, second]  # for the download
    assert tabs.WAITING.ordering == ("arrived_at", "id")
