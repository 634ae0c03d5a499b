"""What happened to a lead, what was written about it, and whose details were erased."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.postgres.indexes import GinIndex
from django.db import connections, models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from leads.customer.matching import NoteWords


class LeadEventQuerySet(models.QuerySet["LeadEvent"]):
    def note(
        self, kind: LeadEvent.Kind, lead_ids: Sequence[int], *, by: User | None, now: datetime, detail: str
    ) -> None:
        """Add the same event to many leads in one statement."""
        with connections[self.db].cursor() as cursor:
            cursor.execute(
                "INSERT INTO lead_events (lead_id, at, actor_id, kind, detail) "
                "SELECT id, %s, %s, %s, %s FROM leads WHERE id = ANY(%s)",
                [now, by.pk if by else None, kind, detail, list(lead_ids)],
            )


class LeadEvent(models.Model):
    """What was done with a lead, when and by whom. Append-only; `detail` contains nothing about the person."""

    class Kind(models.TextChoices):
        CONTACTED = "contacted", _("Contacted")
        ASKED_AGAIN = "asked_again", _("Asked again")
        SET_ASIDE = "set_aside", _("Set aside")
        BROUGHT_BACK = "brought_back", _("Brought back")
        REVERTED = "reverted", _("Back to waiting")
        NOTED = "noted", _("Note changed")
        PLANNED = "planned", _("Next step")
        HANDED = "handed", _("Handed to a colleague")
        WON = "won", _("Sold")
        LOST = "lost", _("Lost")
        REOPENED = "reopened", _("Open again")
        CORRECTED = "corrected", _("Corrected")
        JOINED = "joined", _("Joined with another phone")
        SEPARATED = "separated", _("Separated again")
        RESTORED = "restored", _("Restored")
        EXPORTED = "exported", _("Exported")
        ANONYMISED = "anonymised", _("Anonymised")

    lead = models.ForeignKey("leads.Lead", on_delete=models.CASCADE, related_name="events", db_index=False)
    at = models.DateTimeField(db_default=Now())
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    kind = models.TextField(choices=Kind)
    detail = models.TextField(default="", db_default="")

    objects = LeadEventQuerySet.as_manager()

    class Meta:
        db_table = "lead_events"
        verbose_name = _("event")
        verbose_name_plural = _("events")
        indexes = [
            models.Index(fields=["lead", "-at"], name="lead_event_timeline"),
            models.Index(fields=["at"], condition=Q(kind="restored"), name="lead_event_restored"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.at:%Y-%m-%d %H:%M}"


class LeadNote(models.Model):
    """What a member of staff wrote about a lead. Append-only; deleted with its lead or with the lead's person."""

    MOST_CHARACTERS = 2_000

    # Postgres itself cascades (migration `lead_note`), so that programs that do not know this table can delete leads.
    lead = models.ForeignKey(
        "leads.Lead", on_delete=models.CASCADE, related_name="kept_notes", db_index=False, db_constraint=False
    )
    at = models.DateTimeField(db_default=Now())
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    text = models.TextField()

    class Meta:
        db_table = "lead_notes"
        verbose_name = _("note")
        verbose_name_plural = _("notes")
        indexes = [
            models.Index(fields=["lead", "-at"], name="lead_note_newest"),
            GinIndex(NoteWords("text"), name="lead_note_words"),
        ]

    def __str__(self) -> str:
        return f"note {self.pk}"


class Erasure(models.Model):
    """A person who was erased from a lead, so that a late delivery does not bring them back.

    person: a hash, as in leads.delivery.erasures; "" for everybody of the folio, as after a purge, and in erasures of
    before hashes were kept. at: when they were erased.
    """

    folio = models.TextField()
    person = models.TextField()
    at = models.DateTimeField()

    class Meta:
        db_table = "lead_erasures"
        constraints = [models.UniqueConstraint(fields=["folio", "person"], name="lead_erased_once")]

    def __str__(self) -> str:
        return f"{self.folio} {self.at:%Y-%m-%d}"
