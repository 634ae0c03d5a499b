"""What staff corrected of a person's name and phone."""

from __future__ import annotations

from collections.abc import Iterable

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.db import models

from leads.customer.matching import NameWords, PhonePieces


class LeadCorrectionQuerySet(models.QuerySet["LeadCorrection"]):
    def standing(self) -> LeadCorrectionQuerySet:
        """Those that nobody has taken back."""
        return self.filter(taken_back_at=None)

    def newest(self, leads: Iterable[object]) -> dict[object, LeadCorrection]:
        """Return the newest standing correction of each of these leads, by the lead's key. leads: keys."""
        found = self.standing().filter(lead__in=list(leads)).order_by("at", "pk")
        return {each.lead_id: each for each in found}


class LeadCorrection(models.Model):
    """What staff corrected of a lead: name and phone as they were, and as they are since. One of both may be the same.

    What the customer sent stays in the lead's `quote_data`. Deleted with the lead, or with the lead's person.
    folio: the lead's. taken_back_at: when somebody took it back. Until then it also holds for what arrives later with
    the wrong name or phone (`leads.delivery.corrections`).
    """

    # Postgres itself cascades, as for LeadNote.
    lead = models.ForeignKey(
        "leads.Lead", on_delete=models.CASCADE, related_name="corrections", db_index=False, db_constraint=False
    )
    folio = models.TextField()
    at = models.DateTimeField()
    # Not checked by Postgres, as for LeadOutcome.
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", db_constraint=False
    )
    name = models.TextField()
    phone = models.TextField()
    new_name = models.TextField()
    new_phone = models.TextField()
    taken_back_at = models.DateTimeField(null=True)
    taken_back_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", db_constraint=False
    )

    objects = LeadCorrectionQuerySet.as_manager()

    class Meta:
        db_table = "lead_corrections"
        indexes = [
            models.Index(fields=["folio"], name="lead_correction_folio"),
            models.Index(fields=["lead", "at"], name="lead_correction_lead"),
            # People are found by what was wrong as well.
            GinIndex(PhonePieces("phone"), name="lead_correction_pieces"),
            GinIndex(NameWords("name"), name="lead_correction_words"),
        ]

    def __str__(self) -> str:
        return f"correction {self.pk}"

    @property
    def has_name(self) -> bool:
        return self.name != self.new_name

    @property
    def has_phone(self) -> bool:
        return self.phone != self.new_phone
