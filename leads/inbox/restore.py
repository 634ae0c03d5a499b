"""Restore a lead from the link in its WhatsApp message, for leads that neither Postgres nor a disk has."""

from dataclasses import replace
from enum import StrEnum
from typing import NamedTuple

from django.contrib.auth.models import User

from leads.delivery.record import lead_record, quote_record
from leads.delivery.sealed import SealBroken, unseal
from leads.delivery.upsert import upsert
from leads.inbox import pasted
from leads.inbox.pasted import PastedMessage
from leads.models import Lead, LeadCorrection, LeadEvent
from quoter.engine import folio


class NothingToRestore(ValueError):
    """The text holds no complete link of this site. folio: a folio in the text, or None."""

    def __init__(self, found_folio: str | None) -> None:
        super().__init__("no complete link in the text")
        self.folio = found_folio


class PersonErased(NothingToRestore):
    """The person in the link was erased since."""


class RestoreEffect(StrEnum):
    CREATED = "created"
    COMPLETED = "completed"
    UNCHANGED = "unchanged"


class Restored(NamedTuple):
    """effect: CREATED, a missing lead; COMPLETED, a lead with missing or older contact details; else UNCHANGED."""

    lead: Lead
    effect: RestoreEffect


def restore(text: str, *, by: User | None) -> Restored:
    """Write the lead in a link, or in a whole pasted message, into `leads`, as checkout would have written it.

    NothingToRestore when the text has no link, or one whose signature is wrong or cut short; PersonErased. Idempotent.
    """
    link = pasted.find(text)
    if not link:
        raise NothingToRestore(folio.find(text))
    issued, seal = link
    number = issued.quote.folio
    try:
        contact = unseal(seal, folio=number) if seal else None
    except SealBroken as broken:
        raise NothingToRestore(number) from broken

    # Whoever restores a lead has the customer's message, so it is not set aside.
    row = replace(lead_record(issued, contact), set_aside="") if contact else quote_record(issued, visitor_id="")
    before = list(Lead.objects.filter(folio=number).values_list("pk", "phone", "submitted_at"))
    upsert([row.as_json()])
    lead = stored(number, phone=row.phone)
    if lead is None:
        raise PersonErased(number)
    if (lead.pk, lead.phone, lead.submitted_at) in before:
        return Restored(lead, RestoreEffect.UNCHANGED)
    effect = RestoreEffect.COMPLETED if lead.pk in [pk for pk, *_ in before] else RestoreEffect.CREATED
    LeadEvent.objects.create(lead=lead, actor=by, kind=LeadEvent.Kind.RESTORED, detail=effect)
    return Restored(lead, effect)


def stored(number: str, *, phone: str) -> Lead | None:
    """Return the lead of a folio and a phone, or without a phone any lead of the folio; None when there is none.

    phone: also one that staff corrected.
    """
    leads = Lead.objects.filter(folio=number).order_by("-is_first", "pk")
    if not phone:
        return leads.first()
    was_wrong = LeadCorrection.objects.standing().filter(folio=number, phone=phone).values("lead")
    return leads.filter(phone=phone).first() or leads.filter(pk__in=was_wrong).first()


def lead_of(message: PastedMessage) -> Lead | None:
    """Return the lead that a pasted message is about; None when it is not stored, or not with this person."""
    try:
        contact = unseal(message.seal, folio=message.folio) if message.seal else None
    except SealBroken:
        contact = None
    return stored(message.folio, phone=contact.phone if contact else "")
