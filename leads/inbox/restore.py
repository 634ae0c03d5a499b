"""Restore a lead from the link in its WhatsApp message: the last copy, when the database was down."""

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
    """The text holds no complete link of ours. folio: one that was found all the same, or None."""

    def __init__(self, found_folio: str | None) -> None:
        super().__init__("no complete link in the text")
        self.folio = found_folio


class RestoreEffect(StrEnum):
    CREATED = "created"
    COMPLETED = "completed"
    UNCHANGED = "unchanged"


class Restored(NamedTuple):
    """effect: whether the lead was missing, lacked its contact details or older ones, or was all there."""

    lead: Lead
    effect: RestoreEffect


def restore(text: str, *, by: User | None) -> Restored:
    """Put the lead of a link, or of a whole pasted message, back into `leads`, exactly as it would have been written.

    NothingToRestore when the text holds no link, or one that we did not sign or that is cut short. Safe to run twice.
    """
    found = pasted.find(text)
    if not found:
        raise NothingToRestore(folio.find(text))
    issued, seal = found
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
