"""Records a seller's quote as a lead, and opens the chat with its link."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.models import User
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import pgettext
from pydantic_core import from_json

from leads import phones
from leads.delivery.record import Contact, Outcome, lead_record, recorded
from leads.delivery.sealed import seal
from leads.desk.quoting.forms import Typed
from leads.inbox import greeting
from leads.inbox.views import colleague_of
from leads.models import Lead, LeadQuerySet
from leads.snapshot import journal_record
from quoter import site, token
from quoter.shop.values import shop
from quoter.token import IssuedQuote


@dataclass(frozen=True)
class Sent:
    """A quote that was recorded. lead: its row, if Postgres has it already; colleague: who writes to the person."""

    issued: IssuedQuote
    contact: Contact
    outcome: Outcome
    link: str
    lead: Lead | None = None
    colleague: User | None = None

    @property
    def chat_url(self) -> str:
        record = journal_record(from_json(lead_record(self.issued, self.contact).as_json()))
        return greeting.chat_url(record, greeting.QUOTE, link=self.link)


def send(request: HttpRequest, issued: IssuedQuote, typed: Typed, *, user: User | None) -> Sent:
    """Record a quote with its customer. user: the seller, who has the customer from now on; None in an outage.

    A quote that was sent already, as by a second tap, is not recorded again: its customer has not asked again.
    """
    now = timezone.now()
    contact = Contact(
        name=typed.details["name"],
        phone=phones.normalise(typed.details["phone"], region=phones.region_of(shop.WHATSAPP_NUMBER)),
        phone_raw=typed.details["phone"],
        submitted_at=now,
        attribution={"utm_source": _source()},
        answers=typed.answers,
    )
    is_known = user is not None and _is_known(issued, contact)
    outcome = Outcome.STORED if is_known else recorded(lead_record(issued, contact))
    lead = colleague = None
    if outcome is Outcome.STORED and user:
        # When the database goes now, the quote is safe, and its customer waits until somebody taps.
        with suppress(DatabaseError, InterfaceError):
            lead = _of(issued, contact).first()
            colleague = colleague_of(lead, user) if lead else None
            if lead and not colleague:
                Lead.objects.contact(lead.pk, by=user, now=now)
    return Sent(issued, contact, outcome, link_of(request, issued, contact, outcome), lead, colleague)


def _of(issued: IssuedQuote, contact: Contact) -> LeadQuerySet:
    return Lead.objects.filter(folio=issued.quote.folio, phone=contact.phone)


def _is_known(issued: IssuedQuote, contact: Contact) -> bool:
    """Return whether Postgres has the quote already, with these details of its customer."""
    with suppress(DatabaseError, InterfaceError):
        known = _of(issued, contact).first()
        return known is not None and (known.name, known.snapshot.customer.answers) == (contact.name, contact.answers)
    return False


def _source() -> str:
    """Return where these customers came from, among the sources of the desk, which are in the shop's language."""
    with translation.override(settings.LANGUAGE_CODE):
        return pgettext("source", "seller")


def link_of(request: HttpRequest, issued: IssuedQuote, contact: Contact, outcome: Outcome) -> str:
    """Return the link of a quote for the chat: short when it is stored; otherwise it carries the whole lead."""
    is_stored = outcome is Outcome.STORED
    path = reverse(settings.QUOTE_PAGE, args=[issued.quote.folio if is_stored else token.short(issued)])
    return f"{site.address(request)}{path}" + ("" if is_stored else f"#{seal(contact, folio=issued.quote.folio)}")
