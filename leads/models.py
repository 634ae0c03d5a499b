"""All tables of leads."""

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
    """A bigint, or a UUID in an adopted table that has UUID keys. Postgres generates either."""

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
    """The words of a name as a tsvector, without accents and case. Immutable, so that it can be indexed."""

    template = "to_tsvector('simple', translate(lower(%(expressions)s), 'ÁÉÍÓÚÜÑáéíóúüñ', 'aeiouunaeiouun'))"
    output_field = models.TextField()


class MatchesWords(models.Func):
    """Whether `NameWords` match a query in the syntax of to_tsquery."""

    template = "%(expressions)s"
    arg_joiner = " @@ "
    output_field = models.BooleanField()

    def __init__(self, words: NameWords, query: str) -> None:
        super().__init__(words, models.Func(Value(query), template="to_tsquery('simple', %(expressions)s)"))


class LeadQuerySet(models.QuerySet["Lead"]):
    def waiting(self) -> LeadQuerySet:
        """New leads with a phone: people whom nobody has answered."""
        return self.new().filter(phone__gt="")

    def anonymous(self) -> LeadQuerySet:
        """New quotes without a phone."""
        return self.new().filter(phone="")

    def new(self) -> LeadQuerySet:
        return self.filter(status=Lead.Status.NEW)

    def contacted(self) -> LeadQuerySet:
        return self.filter(status=Lead.Status.CONTACTED)

    def with_phone_ending(self, digits: str) -> LeadQuerySet:
        return self.alias(reversed_phone=_REVERSED_PHONE).filter(reversed_phone__startswith=digits[::-1])

    def of_phones(self, phones: Collection[str]) -> LeadQuerySet:
        """Leads with exactly these phones. Empty phones are ignored."""
        reversed_phones = [phone[::-1] for phone in phones if phone]
        return self.alias(reversed_phone=_REVERSED_PHONE).filter(reversed_phone__in=reversed_phones)

    def with_name_words(self, words: list[str]) -> LeadQuerySet:
        """Leads whose name has all these words. words: letters and digits only, without accents."""
        return self.filter(MatchesWords(NameWords("name"), " & ".join(words)))

    def with_name_beginnings(self, prefixes: list[str]) -> LeadQuerySet:
        """Leads whose name has, for each prefix, a word that begins with it. Much slower when many names match.

        prefixes: as the words of `with_name_words`.
        """
        return self.with_name_words([f"{prefix}:*" for prefix in prefixes])

    def flagged(self, flag: Flag) -> LeadQuerySet:
        return self.filter(**{f"{snapshot.FLAGS}__contains": [flag]})

    def contact(self, lead_id: int, *, by: User, now: datetime) -> bool:
        """Mark a new lead as contacted; False when a colleague was first."""
        with transaction.atomic():
            contacted = {"status": Lead.Status.CONTACTED, "contacted_at": now, "contacted_by": by}
            is_first = self.new().filter(pk=lead_id).update(**contacted) == 1
            if is_first:
                LeadEvent.objects.create(lead_id=lead_id, kind=LeadEvent.Kind.CONTACTED, actor=by, at=now)
        return is_first

    def revert(self, lead_id: int, *, by: User, now: datetime) -> bool:
        """Make a contacted lead wait again; False when it was not contacted."""
        with transaction.atomic():
            new = {"status": Lead.Status.NEW, "contacted_at": None, "contacted_by": None}
            is_reverted = self.contacted().filter(pk=lead_id).update(**new) == 1
            if is_reverted:
                LeadEvent.objects.create(lead_id=lead_id, kind=LeadEvent.Kind.REVERTED, actor=by, at=now)
        return is_reverted


# In this collation a btree can answer "begins with". The index and the searches need the same expression.
_REVERSED_PHONE = Collate(Reverse("phone"), "C")


class Lead(models.Model):
    """An issued quote, and who asked for it. `record` writes it; staff change only status and notes."""

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
            # Here because the price book has no table of its own.
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
            # Serves anonymous quotes: nearly all new ones are anonymous.
            models.Index(fields=["created_at", "id"], condition=Q(status="new"), name="lead_waiting"),
            models.Index(fields=["created_at", "id"], condition=Q(status="new", phone__gt=""), name="lead_unanswered"),
            # Leads of an adopted table have no contacted_at, and come last.
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
        return self.folio or f"#{self.pk}"  # a lead of an adopted table has no folio until the next migrate

    @property
    def snapshot(self) -> Snapshot:
        """The stored quote, as `snapshot.read` returns it: it never fails."""
        return snapshot.read(self.quote_data)

    @property
    def asked_at(self) -> datetime:
        """When the customer asked, or was quoted when the lead has no `submitted_at`."""
        return self.submitted_at or self.created_at


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
    """The figures of one day's leads, as `leads.desk.days` counted them last. A cache: rows may be deleted at any time.

    rules: those it was counted by; with other rules the row is ignored. last_event: the id of the newest event then.
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
    """An event that recipients are notified of once.

    One transaction at a time adds alerts, so ids become visible in order: a recipient who was notified up to an id has
    missed none below it. subject: the lead's folio or, for the daily heartbeat, the day.
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
        """Return the id of the newest alert, 0 when there is none."""
        return cls.objects.aggregate(last=Max("id"))["last"] or 0


class Recipient(models.Model):
    """Who is notified: a browser of a staff member, or an e-mail address."""

    # The push service's https://..., or mailto:... Secret: with a browser's address anybody can send to it.
    address = models.TextField(unique=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+")
    p256dh = models.TextField(default="", db_default="")
    auth = models.TextField(default="", db_default="")
    told_up_to = models.BigIntegerField()  # the id of the last Alert that was delivered
    told_at = models.DateTimeField(null=True)
    next_try_at = models.DateTimeField()
    failures = models.IntegerField(default=0, db_default=0)  # since the last delivery
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
        """Reserve this recipient for the caller until a moment; False when another process was first."""
        due = Recipient.objects.filter(pk=self.pk, told_up_to=self.told_up_to, next_try_at__lte=now)
        return due.update(next_try_at=until) == 1
