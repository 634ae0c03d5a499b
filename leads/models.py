"""Every table of leads."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.postgres.indexes import GinIndex
from django.core.exceptions import ValidationError
from django.db import connections, models, transaction
from django.db.models import F, Max, Q, Value
from django.db.models.functions import Collate, Now, Reverse
from django.utils.translation import gettext_lazy as _

from leads import snapshot
from leads.snapshot import Flag, Snapshot

MAILTO = "mailto:"


class LeadKey(models.BigAutoField):  # type: ignore[type-arg]
    """A bigint that also takes the UUIDs of an adopted table, which Postgres makes as it makes numbers."""

    def to_python(self, value: Any) -> Any:
        if isinstance(value, UUID):
            return value
        try:
            return super().to_python(value)
        except ValidationError:
            try:
                return UUID(str(value))
            except ValueError:
                raise ValidationError(self.error_messages["invalid"], params={"value": value}) from None

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, str):
            value = self.to_python(value)
        return value if isinstance(value, UUID) else super().get_prep_value(value)


class NameWords(models.Func):
    """The words of a name, accents and case aside. Immutable, so that it can be indexed; no extension needed."""

    template = "to_tsvector('simple', translate(lower(%(expressions)s), 'ÁÉÍÓÚÜÑáéíóúüñ', 'aeiouunaeiouun'))"
    output_field = models.TextField()


class MatchesWords(models.Func):
    """Whether words, as `NameWords` gives them, match a to_tsquery text."""

    template = "%(expressions)s"
    arg_joiner = " @@ "
    output_field = models.BooleanField()

    def __init__(self, words: NameWords, query: str) -> None:
        super().__init__(words, models.Func(Value(query), template="to_tsquery('simple', %(expressions)s)"))


class LeadQuerySet(models.QuerySet["Lead"]):
    def waiting(self) -> LeadQuerySet:
        """People whom nobody has answered."""
        return self.new().filter(phone__gt="")

    def anonymous(self) -> LeadQuerySet:
        """Quotes that nobody has put a name to."""
        return self.new().filter(phone="")

    def new(self) -> LeadQuerySet:
        return self.filter(status=Lead.Status.NEW)

    def contacted(self) -> LeadQuerySet:
        return self.filter(status=Lead.Status.CONTACTED)

    def with_phone_ending(self, digits: str) -> LeadQuerySet:
        return self.alias(reversed_phone=_REVERSED_PHONE).filter(reversed_phone__startswith=digits[::-1])

    def of_phones(self, phones: Collection[str]) -> LeadQuerySet:
        """Leads with exactly these phones; leads without a phone have none in common."""
        reversed_phones = [phone[::-1] for phone in phones if phone]
        return self.alias(reversed_phone=_REVERSED_PHONE).filter(reversed_phone__in=reversed_phones)

    def with_name_words(self, words: list[str]) -> LeadQuerySet:
        """words: letters and digits only, without accents."""
        return self.filter(MatchesWords(NameWords("name"), " & ".join(words)))

    def with_name_beginnings(self, prefixes: list[str]) -> LeadQuerySet:
        """prefixes: beginnings of words, as in `with_name_words`. Much slower where many names begin so."""
        return self.with_name_words([f"{prefix}:*" for prefix in prefixes])

    def flagged(self, flag: Flag) -> LeadQuerySet:
        return self.filter(**{f"{snapshot.FLAGS}__contains": [flag]})

    def contact(self, lead_id: int, *, by: User, now: datetime) -> bool:
        """Mark a new lead as contacted; False when a colleague was first."""
        with transaction.atomic():
            contacted = {"status": Lead.Status.CONTACTED, "contacted_at": now, "contacted_by": by}
            won = self.new().filter(pk=lead_id).update(**contacted) == 1
            if won:
                LeadEvent.objects.create(lead_id=lead_id, kind=LeadEvent.Kind.CONTACTED, actor=by, at=now)
        return won

    def revert(self, lead_id: int, *, by: User, now: datetime) -> bool:
        """Take a lead back to waiting; False when it was not contacted."""
        with transaction.atomic():
            new = {"status": Lead.Status.NEW, "contacted_at": None, "contacted_by": None}
            won = self.contacted().filter(pk=lead_id).update(**new) == 1
            if won:
                LeadEvent.objects.create(lead_id=lead_id, kind=LeadEvent.Kind.REVERTED, actor=by, at=now)
        return won


# The collation lets a btree answer "begins with"; the search and the index must spell the expression alike.
_REVERSED_PHONE = Collate(Reverse("phone"), "C")


class Lead(models.Model):
    """A quote that was given out, and who asked for it. Written by `record`; staff change only status and notes."""

    class Status(models.TextChoices):
        NEW = "new", _("New")
        CONTACTED = "contacted", _("Contacted")

    id = LeadKey("ID", primary_key=True)
    folio = models.TextField(_("folio"), unique=True, editable=False)
    name = models.TextField(_("name"), blank=True, default="", db_default="")
    phone = models.TextField(_("phone"), blank=True, default="", db_default="")
    # Read it through `snapshot`: a row may hold anything.
    quote_data = models.JSONField(
        _("quote"), help_text=_("The quote as the customer saw it."), decoder=snapshot.Decoder
    )
    status = models.TextField(_("status"), choices=Status, default=Status.NEW, db_default=Status.NEW)
    visitor_id = models.TextField(_("visitor"), blank=True, default="", db_default="")
    created_at = models.DateTimeField(_("quoted at"), db_default=Now())
    submitted_at = models.DateTimeField(_("asked at"), null=True, blank=True)
    contacted_at = models.DateTimeField(_("contacted at"), null=True, blank=True)
    contacted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("contacted by"),
        db_column="contacted_by",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    notes = models.TextField(_("notes"), blank=True, default="", db_default="")

    objects = LeadQuerySet.as_manager()

    class Meta:
        db_table = "leads"
        verbose_name = _("lead")
        verbose_name_plural = _("leads")
        permissions = [
            ("contact_lead", "Can mark a lead as contacted, or restore one"),
            ("export_lead", "Can export leads"),
            # Of the whole shop; it stands here because prices have no table.
            ("change_price_book", "Can change the price book"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(status__in=["new", "contacted"]), name="lead_status_known"),
            models.CheckConstraint(
                condition=Q(status="new", contacted_at=None, contacted_by=None)
                | Q(status="contacted", contacted_at__isnull=False, contacted_by__isnull=False),
                name="lead_contacted_by_someone",
            ),
        ]
        indexes = [
            models.Index(fields=["created_at", "id"], name="lead_created"),
            # Also for anonymous quotes: of the new ones, they are nearly all.
            models.Index(fields=["created_at", "id"], condition=Q(status="new"), name="lead_waiting"),
            models.Index(fields=["created_at", "id"], condition=Q(status="new", phone__gt=""), name="lead_unanswered"),
            # Those of an adopted table say no time, and come last.
            models.Index(
                F("contacted_at").desc(nulls_last=True),
                F("id").desc(),
                condition=Q(status="contacted"),
                name="lead_contacted",
            ),
            models.Index(_REVERSED_PHONE, name="lead_phone_reversed"),
            GinIndex(NameWords("name"), name="lead_name_words"),
        ]

    def __str__(self) -> str:
        return self.folio or f"#{self.pk}"  # of an adopted table, until the next migrate

    @property
    def snapshot(self) -> Snapshot:
        """What the quote says, whatever the row holds."""
        return snapshot.read(self.quote_data)

    @property
    def asked_at(self) -> datetime:
        """Since when somebody waits for an answer."""
        return self.submitted_at or self.created_at


class LeadEventQuerySet(models.QuerySet["LeadEvent"]):
    def note(
        self, kind: LeadEvent.Kind, lead_ids: Sequence[int], *, by: User | None, now: datetime, detail: str
    ) -> None:
        """Note, in one statement, one thing that was done with many leads."""
        with connections[self.db].cursor() as cursor:
            cursor.execute(
                "INSERT INTO lead_events (lead_id, at, actor_id, kind, detail) "
                "SELECT id, %s, %s, %s, %s FROM leads WHERE id = ANY(%s)",
                [now, by.pk if by else None, kind, detail, list(lead_ids)],
            )


class LeadEvent(models.Model):
    """What was done with a lead, when and by whom. Only ever added to; its detail holds no person."""

    class Kind(models.TextChoices):
        CONTACTED = "contacted", _("Contacted")
        REVERTED = "reverted", _("Back to waiting")
        NOTED = "noted", _("Note changed")
        RESTORED = "restored", _("Restored from the chat")
        EXPORTED = "exported", _("Exported")
        ANONYMISED = "anonymised", _("Anonymised")

    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="events")
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
        return f"{self.kind} {self.at:%Y-%m-%d %H:%M}"


class LeadDay(models.Model):
    """What the leads of one day came to, as `leads.desk.days` counted it last. May be emptied at any time.

    rules: what it was counted by; other rules make it worthless. last_event: the newest event that was known then.
    figures: {"sources": {name: [quotes, leads, contacted]}, "products": the same, "minutes": {minutes: leads}}.
    """

    day = models.DateField(primary_key=True)
    counted_at = models.DateTimeField()
    last_event = models.BigIntegerField()
    is_outdated = models.BooleanField(default=False, db_default=False)
    rules = models.TextField()
    figures = models.JSONField()

    class Meta:
        db_table = "lead_days"

    def __str__(self) -> str:
        return self.day.isoformat()


class Alert(models.Model):
    """Something to tell, once. Added by one transaction at a time, so whoever was told up to one has missed none.

    subject: the lead's folio or, for the daily sign of life, the day.
    """

    class Kind(models.TextChoices):
        CAME = "came"
        UNANSWERED = "unanswered"
        ALIVE = "alive"

    kind = models.TextField(choices=Kind)
    subject = models.TextField()
    at = models.DateTimeField()

    class Meta:
        db_table = "lead_alerts"
        constraints = [models.UniqueConstraint(fields=["kind", "subject"], name="lead_alert_once")]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"

    @classmethod
    def last_id(cls) -> int:
        """Return the id of the last one, 0 before the first."""
        return cls.objects.aggregate(last=Max("id"))["last"] or 0


class Recipient(models.Model):
    """Who is told, and of what already: a browser of a member of the staff, or an e-mail address."""

    # Whoever knows a browser's can write to it: it goes into no log.
    address = models.TextField(unique=True)  # the push service's https://..., or mailto:...
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+")
    p256dh = models.TextField(default="", db_default="")
    auth = models.TextField(default="", db_default="")
    told_up_to = models.BigIntegerField()  # the id of an Alert
    told_at = models.DateTimeField(null=True)
    next_try_at = models.DateTimeField()
    failures = models.IntegerField(default=0, db_default=0)  # since it last worked
    fault = models.TextField(default="", db_default="")

    class Meta:
        db_table = "alert_recipients"

    def __str__(self) -> str:
        return f"recipient {self.pk}"

    @property
    def email(self) -> str:
        """Return the e-mail address, or "" for a browser."""
        return self.address.removeprefix(MAILTO) if self.address.startswith(MAILTO) else ""

    def claim(self, now: datetime, *, until: datetime) -> bool:
        """Take the telling of this one upon oneself; False when another process was first."""
        due = Recipient.objects.filter(pk=self.pk, told_up_to=self.told_up_to, next_try_at__lte=now)
        return due.update(next_try_at=until) == 1
