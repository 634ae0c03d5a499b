"""Restore a lead from the link in its WhatsApp message, for leads that neither Postgres nor a disk has."""

from enum import StrEnum
from typing import NamedTuple

from django.contrib.auth.models import User

from leads.delivery.record import lead_record, quote_record
from leads.delivery.sealed import SealBroken, unseal
from leads.delivery.upsert import upsert
from leads.inbox import pasted
from leads.models import Lead, LeadEvent
from quoter.engine import folio


class NothingToRestore(ValueError):
    """The text holds no complete link of this site. folio: a folio in the text, or None."""

    def __init__(self, found_folio: str | None) -> None:
        super().__init__("no complete link in the text")
        self.folio = found_folio


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

    NothingToRestore when the text has no link, or one whose signature is wrong or cut short. Idempotent.
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

    before = Lead.objects.filter(folio=number).values_list("submitted_at", flat=True).first()
    existed = before is not None or Lead.objects.filter(folio=number).exists()
    row = lead_record(issued, contact) if contact else quote_record(issued, visitor_id="")
    upsert([row.as_json()])
    lead = Lead.objects.get(folio=number)
    if existed and lead.submitted_at == before:
        return Restored(lead, RestoreEffect.UNCHANGED)
    effect = RestoreEffect.COMPLETED if existed else RestoreEffect.CREATED
    LeadEvent.objects.create(lead=lead, actor=by, kind=LeadEvent.Kind.RESTORED, detail=effect)
    return Restored(lead, effect)
