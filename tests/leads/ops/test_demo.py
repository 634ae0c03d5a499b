"""Demo leads: realistic, marked, removable, and never a real person's."""

from datetime import timedelta
from decimal import Decimal
from io import StringIO
from random import Random

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from leads import phones
from leads.delivery.record import lead_record
from leads.models import FollowUp, Lead, LeadEvent, LeadOutcome
from leads.ops import demo
from leads.ops.audit import audit
from quoter import site
from quoter.engine import folio
from quoter.engine.pricebook import read
from quoter.shop.values import shop
from tests.support.factories import a_contact, an_issued_quote, store
from tests.support.quotes import BOOKS

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("seed_demo", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_a_login_is_made_once_and_its_password_printed_once():
    assert "Staff login for /admin/: demo / " in run()
    assert run() == "A staff login exists; nothing to create.\n"
    assert User.objects.get().is_superuser
    assert not Lead.objects.exists()


def test_demo_leads_are_like_real_ones():
    run("--leads", "60")
    now, seller = timezone.now(), User.objects.get()
    leads = list(Lead.objects.order_by("created_at"))
    assert len(leads) == 60
    assert now - leads[0].created_at > timedelta(days=360)
    assert now - leads[-1].created_at < timedelta(days=8)
    for lead in leads:
        assert folio.parse(lead.folio) == lead.folio == lead.quote_data["folio"]
        assert lead.quote_data["customer"]["name"] == lead.name
        assert bool(lead.name) == bool(lead.phone) == bool(lead.submitted_at)
    statuses = {lead.status for lead in leads if lead.submitted_at and now - lead.submitted_at > timedelta(days=2)}
    assert statuses == {"contacted"}
    assert set(Lead.objects.exclude(contacted_by=None).values_list("contacted_by", flat=True)) == {seller.pk}
    assert LeadEvent.objects.filter(kind="contacted").count() == Lead.objects.filter(status="contacted").count()
    assert [page.findings for page in audit(Lead.objects.all(), zone=site.zone())] == [[]]


@pytest.mark.parametrize("book", sorted(BOOKS.glob("*.toml")), ids=lambda book: book.stem)
def test_every_shipped_book_gets_leads_that_it_prices_to_the_cent(book):
    arguments = {"book": read(book), "zone": site.zone(), "language": "es", "by": None}
    assert list(demo.add_leads(5, **arguments, now=timezone.now(), chance=Random(7))) == [5]
    assert [page.findings for page in audit(Lead.objects.all(), zone=site.zone())] == [[]]


def test_a_book_that_refuses_every_request_gets_none():
    book = read(BOOKS / "concrete.toml")
    unpriced = [part.model_copy(update={"maximum": Decimal(0)}) for part in book.products]
    arguments = {"book": book.model_copy(update={"products": tuple(unpriced)}), "zone": site.zone(), "language": "es"}
    with pytest.raises(demo.NoQuote, match="concrete refuses every request"):
        list(demo.add_leads(5, **arguments, by=None, now=timezone.now(), chance=Random(7)))


def test_demo_phones_belong_to_nobody():
    run("--leads", "20")
    found = Lead.objects.exclude(phone="").values_list("phone", flat=True)
    assert found
    assert all(phone.startswith("+52000") for phone in found)


def test_removing_demo_leads_removes_their_events_and_no_other_lead():
    issued = an_issued_quote()
    store(lead_record(issued, a_contact()))
    run("--leads", "20")
    run("--leads", "5")
    assert run("--remove") == "25 demo leads removed\n"
    assert run("--remove") == "0 demo leads removed\n"
    assert Lead.objects.get().folio == issued.quote.folio
    assert not LeadEvent.objects.exists()
    assert not LeadOutcome.objects.exists()
    assert not FollowUp.objects.exists()


def test_answered_demo_leads_are_sold_or_lost_within_a_week_and_the_newest_have_a_next_step():
    run("--leads", "3000")
    answered = Lead.objects.filter(status="contacted")
    outcomes = LeadOutcome.objects.select_related("lead")
    assert {outcome.kind for outcome in outcomes} == {"won", "lost"}
    assert {outcome.reason for outcome in outcomes if outcome.kind == "lost"} == set(shop.REASONS)
    assert all(outcome.amount == Decimal(outcome.lead.quote_data["total"]) for outcome in outcomes)
    a_week_ago = timezone.now() - timedelta(days=8)
    assert {lead.pk for lead in answered if lead.contacted_at < a_week_ago} <= {each.lead_id for each in outcomes}
    people = FollowUp.objects.all()
    assert {phones.key(lead.phone) for lead in answered} == {person.key for person in people}
    open_people = [person for person in people if person.is_open]
    assert 0 < len(open_people) < 150
    assert {bool(person.step_at) for person in open_people} == {bool(person.step) for person in open_people}
    assert LeadEvent.objects.filter(kind="won").count() == outcomes.filter(kind="won").count()


def test_a_number_of_leads_below_one_is_refused():
    with pytest.raises(CommandError, match="must be 1 or more"):
        run("--leads", "0")
