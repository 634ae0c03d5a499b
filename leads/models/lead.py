"""Leads: who asked for which quote, and who waits."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.postgres.indexes import GinIndex
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import Count, Exists, F, OuterRef, Q, Value
from django.db.models.functions import Cast, Coalesce, Concat, Now
from django.utils.translation import gettext_lazy as _

from leads import phones, snapshot
from leads.customer import matching
from leads.customer.matching import LongNoteWords, PhoneKey, PhonePieces, has_name_words, has_phone_part
from leads.models.follow_up import FollowUp, PersonKey
from leads.models.history import LeadEvent
from leads.snapshot import Flag, Snapshot


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
    """The words of a name as releases before 0.3 searched them: the first migration names it."""

    template = "to_tsvector('simple', translate(lower(%(expressions)s), 'ÁÉÍÓÚÜÑáéíóúüñ', 'aeiouunaeiouun'))"
    output_field = models.TextField()


class NewFolio(models.Func):
    """A folio of Postgres's own, for a row of another program that gives none (migration `other_programs`).

    It is spelled like the site's, so it is found however people write it, and its day is 60 too large, 261190 for
    2026-11-30, so it is never one of the site's.
    """

    function = "lead_new_folio"
    output_field = models.TextField()


# A person whom nobody has answered.
WAITS = Q(status="new", phone__gt="")
# The reasons of `Lead.SetAside` that staff give; all others are what a lead looked like when it came.
BY_STAFF = ("discarded", "not_customer", "duplicate", "wrong_number", "spam")
PUT_ASIDE = Q(set_aside__in=BY_STAFF)


class LeadQuerySet(models.QuerySet["Lead"]):
    # Those who wait are in the order of their index even where they are only counted. Postgres takes them for a quarter
    # of the table, and reads all of it for fifty of them without that order: 4 s at 2 million leads, instead of 0.4 ms.

    def waiting(self) -> LeadQuerySet:
        """People whom nobody has answered, each by their newest phone; without those that were set aside."""
        return self._queue(set_aside="").exclude(Exists(self.of_the_same_person(newer=True)))

    def set_aside(self) -> LeadQuerySet:
        """New leads that look like a bot's or a flood's."""
        return self._queue().exclude(set_aside__in=["", *BY_STAFF])

    def put_aside(self) -> LeadQuerySet:
        """Leads that staff took out: nobody's, somebody's twice, or no customer's."""
        return self.filter(PUT_ASIDE)

    def _queue(self, **of_these: str) -> LeadQuerySet:
        return self.filter(WAITS, **of_these).order_by("arrived_at", "id")

    @staticmethod
    def of_the_same_person(lead: Lead | None = None, *, newer: bool = False) -> LeadQuerySet:
        """Leads of the same quote with another phone of the same person: a number that the customer corrected.

        The name or the device says that it is the same person. lead: without one, the outer query's. newer: only those
        that were sent later.
        """
        folio, pk, name, visitor, sent = (
            getattr(lead, field) if lead else OuterRef(field)
            for field in ("folio", "pk", "name", "visitor_id", "submitted_at")
        )
        is_same = Q(name__iexact=name) | Q(visitor_id__gt="", visitor_id=visitor)
        others = Lead.objects.filter(is_same, folio=folio, phone__gt="").exclude(pk=pk)
        return others.filter(submitted_at__gt=sent) if newer else others

    def without_quotes(self) -> LeadQuerySet:
        """Leads whose quotes, the largest part of a row, are not fetched."""
        return self.defer("quote_data")

    def anonymous(self) -> LeadQuerySet:
        """New quotes without a phone."""
        return self.new().filter(phone="")

    def new(self) -> LeadQuerySet:
        return self.filter(status=Lead.Status.NEW)

    def contacted(self) -> LeadQuerySet:
        return self.filter(status=Lead.Status.CONTACTED).exclude(set_aside__in=BY_STAFF)

    def with_phone_part(self, digits: str) -> LeadQuerySet:
        """Leads whose phone has these digits, as `phones.has_part` says."""
        return self.filter(has_phone_part(digits))

    def of_phones(self, written: Collection[str]) -> LeadQuerySet:
        """Leads with these phones, however they are written. Empty phones are ignored."""
        return self.of_keys({phones.key(phone) for phone in written if phone} - {""})

    def of_keys(self, keys: Collection[str]) -> LeadQuerySet:
        """Leads with phones of these keys, as `phones.key` returns them."""
        return self.alias(phone_key=PhoneKey("phone")).filter(phone_key__in=list(keys))

    def with_name_words(self, words: Sequence[str]) -> LeadQuerySet:
        """Leads whose name has all these words. words: as `customer.words` returns them."""
        return self.filter(has_name_words(words))

    def with_name_beginnings(self, prefixes: Sequence[str]) -> LeadQuerySet:
        """Leads whose name has, for each prefix, a word that begins with it. Much slower when many names match.

        prefixes: as the words of `with_name_words`.
        """
        return self.filter(has_name_words(prefixes, beginnings=True))

    def flagged(self, flag: Flag) -> LeadQuerySet:
        return self.filter(**{f"{snapshot.FLAGS}__contains": [flag]})

    def with_person(self) -> LeadQuerySet:
        """Leads with `person`: the key of the person whose phone it is, or of the lead where no phone has digits."""
        own = Concat(Value("#", models.TextField()), Cast("pk", models.TextField()))
        return self.annotate(person=Coalesce(PersonKey("phone"), own))

    def count_people(self, most: int) -> int:
        """Return of how many people these leads are; `most` when there are so many leads."""
        first = self.with_person().values("person")[:most]  # type: ignore[misc]  # the stubs know no annotation
        counts = first.aggregate(leads=Count("*"), people=Count("person", distinct=True))
        return most if counts["leads"] == most else int(counts["people"])

    def of_person(self, lead: Lead) -> LeadQuerySet:
        """All leads of the person of a lead: of every phone that is theirs, however it is written."""
        numbers = {lead.phone, *self.of_the_same_person(lead).values_list("phone", flat=True)}
        keys = {phones.key(number) for number in numbers if number} - {""}
        if not keys:
            return Lead.objects.filter(pk=lead.pk)
        keys |= set(FollowUp.objects.joined(keys).values())
        of_phones = Q(phone_key__in=list(FollowUp.objects.phones_of(keys)))
        return Lead.objects.alias(phone_key=PhoneKey("phone")).filter(Q(pk=lead.pk) | of_phones)

    def contact(self, lead_id: Any, *, by: User, now: datetime) -> bool:
        """Mark a new lead, and all others that its person waits for, as contacted; False when a colleague was first."""
        contacted = {"status": Lead.Status.CONTACTED, "contacted_at": now, "contacted_by": by, "set_aside": ""}
        with transaction.atomic():
            lead, theirs = self.locked_with_person(lead_id)
            if lead is None or lead.status != Lead.Status.NEW:
                return False
            waiting = [each for each in theirs if each == lead or each.waits]
            self._change(waiting, contacted, LeadEvent.Kind.CONTACTED, by=by, now=now)
            if any(phones.key(each.phone or "") for each in theirs):
                FollowUp.objects.begin(theirs, by=by, now=now)
        return True

    def revert(self, lead_id: Any, *, by: User, now: datetime, only_own: bool = False) -> bool:
        """Make a contacted lead wait again, with all that the same tap has marked.

        False when it was not contacted, or not by them. only_own: only what `by` has contacted.
        """
        new = {"status": Lead.Status.NEW, "contacted_at": None, "contacted_by": None}
        with transaction.atomic():
            lead, theirs = self.locked_with_person(lead_id)
            if lead is None or lead.status != Lead.Status.CONTACTED or (only_own and lead.contacted_by_id != by.pk):
                return False
            tap = (lead.contacted_at, lead.contacted_by_id)
            marked = [each for each in theirs if (each.contacted_at, each.contacted_by_id) == tap]
            self._change(marked, new, LeadEvent.Kind.REVERTED, by=by, now=now)
            if all(each in marked or each.status == Lead.Status.NEW for each in theirs):
                FollowUp.objects.undo(theirs)
        return True

    def locked_with_person(self, lead_id: Any) -> tuple[Lead | None, list[Lead]]:
        """Return a lead and all leads of its person, itself included, locked until the transaction ends."""
        found = Lead.objects.without_quotes().filter(pk=lead_id).first()
        if found is None:
            return None, []
        # In the order in which leads are delivered, so that nobody waits for each other.
        theirs = Lead.objects.filter(pk__in=list(self.of_person(found).values_list("pk", flat=True)))
        locked = list(theirs.without_quotes().order_by("folio", "pk").select_for_update(no_key=True))
        return next((each for each in locked if each.pk == found.pk), None), locked

    def _change(
        self, leads: Sequence[Lead], values: dict[str, Any], kind: LeadEvent.Kind, *, by: User, now: datetime
    ) -> None:
        changed = [lead.pk for lead in leads]
        Lead.objects.filter(pk__in=changed).update(**values)
        LeadEvent.objects.note(kind, changed, by=by, now=now, detail="")

    def move_aside(self, reason: str, *, by: User, now: datetime) -> int:
        """Set these leads aside, or with "" bring them back; return how many. reason: a `SetAside`, or ""."""
        kind = LeadEvent.Kind.SET_ASIDE if reason else LeadEvent.Kind.BROUGHT_BACK
        with transaction.atomic():
            moved = list(self.order_by("pk").select_for_update().values_list("pk", flat=True))
            # They were announced already, or seen by whoever brings them back.
            Lead.objects.filter(pk__in=moved).update(set_aside=reason, alert_stage=Lead.AlertStage.CAME)
            LeadEvent.objects.note(kind, moved, by=by, now=now, detail=reason)
        return len(moved)


OLD_NOTE_WORDS = LongNoteWords("notes")


class Lead(models.Model):
    """An issued quote, and one person who asked for it. `record` writes it; staff change the status and add notes.

    Several people may ask for the same quote. Each is a lead of their own, with the same folio and another phone.
    is_first: whether it is the folio's first lead. arrived_at: when it reached this site, by the site's clock; the
    order in which people wait. set_aside: why it is not among those who wait, a `SetAside`, or "". asked_again_at: when
    the person last asked again after having been contacted. alert_stage: what staff were told of it, an `AlertStage`.
    """

    class Status(models.TextChoices):
        NEW = "new", _("New")
        CONTACTED = "contacted", _("Contacted")

    class SetAside(models.TextChoices):
        HONEYPOT = Flag.HONEYPOT
        TOO_FAST = Flag.TOO_FAST
        MANY_FROM_ADDRESS = Flag.MANY_FROM_ADDRESS
        MANY_OF_PHONE = Flag.MANY_OF_PHONE
        # By staff. DISCARDED is what a flood is thrown into, without a reason for each.
        DISCARDED = "discarded", _("discarded")
        NOT_CUSTOMER = "not_customer", _("not a customer")
        DUPLICATE = "duplicate", _("duplicate")
        WRONG_NUMBER = "wrong_number", _("wrong number")
        SPAM = "spam", _("spam")

    class AlertStage(models.IntegerChoices):
        NOTHING = 0
        CAME = 1
        UNANSWERED = 2

    id = LeadKey("ID", primary_key=True)
    folio = models.TextField(_("folio"), editable=False, db_default=NewFolio())
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
    # Notes of releases before LeadNote, and of other programs: shown, searched, never written here.
    notes = models.TextField(_("notes"), blank=True, default="", db_default="")
    is_first = models.BooleanField(default=True, db_default=True, editable=False)
    arrived_at = models.DateTimeField(_("arrived at"), db_default=Now(), editable=False)
    set_aside = models.TextField(choices=SetAside, blank=True, default="", db_default="", editable=False)
    asked_again_at = models.DateTimeField(null=True, editable=False)
    alert_stage = models.SmallIntegerField(choices=AlertStage, default=0, db_default=0, editable=False)

    objects = LeadQuerySet.as_manager()

    class Meta:
        db_table = "leads"
        verbose_name = _("lead")
        verbose_name_plural = _("leads")
        permissions = [
            ("contact_lead", "Can mark a lead as contacted, or restore one"),
            ("export_lead", "Can export leads"),
            ("quote_lead", "Can quote for a customer"),
            ("discount_as_manager", "Can give the manager's discount"),
            ("discount_any", "Can give any discount"),
            # Here because the price book has no table of its own.
            ("change_price_book", "Can change the price book"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(status__in=["new", "contacted"]), name="lead_status_known"),
            models.CheckConstraint(
                condition=Q(status="new", contacted_at=None, contacted_by=None)
                # Other programs have no user here.
                | Q(Q(contacted_by=None) | Q(contacted_at__isnull=False), status="contacted"),
                name="lead_contacted_by_someone",
            ),
            # The upsert names these two as the conflicts that it resolves.
            models.UniqueConstraint(fields=["folio"], condition=Q(is_first=True), name="lead_first"),
            models.UniqueConstraint(fields=["folio", "phone"], condition=Q(phone__gt=""), name="lead_person"),
        ]
        indexes = [
            # The constraints above hold for a part of the rows each, so Postgres cannot look up a folio by them.
            models.Index(fields=["folio"], name="lead_folio"),
            models.Index(fields=["created_at", "id"], name="lead_created"),
            # Serves anonymous quotes: nearly all new ones are anonymous.
            models.Index(fields=["created_at", "id"], condition=Q(status="new"), name="lead_waiting"),
            models.Index(fields=["arrived_at", "id"], condition=WAITS & Q(set_aside=""), name="lead_queue"),
            models.Index(fields=["arrived_at", "id"], condition=WAITS & ~Q(set_aside=""), name="lead_set_aside"),
            models.Index(fields=["arrived_at", "id"], condition=PUT_ASIDE, name="lead_put_aside"),
            models.Index(
                fields=["alert_stage", "arrived_at", "id"],
                condition=WAITS & Q(set_aside="", alert_stage__lt=2),
                name="lead_to_announce",
            ),
            # Leads of an adopted table have no contacted_at, and come last.
            models.Index(
                F("contacted_at").desc(nulls_last=True),
                F("id").desc(),
                condition=Q(status="contacted"),
                name="lead_contacted",
            ),
            # Nobody whom a customer waits for writes to it.
            models.Index(
                fields=["contacted_by", "-created_at", "-id"],
                condition=Q(contacted_by__isnull=False),
                name="lead_of_seller",
            ),
            models.Index(PhoneKey("phone"), name="lead_phone_key"),
            # A lead that fills the list of pending entries, in kB, waits until they are in the index, so it is short.
            GinIndex(PhonePieces("phone"), gin_pending_list_limit=256, name="lead_phone_pieces"),
            GinIndex(
                matching.NameWords("name"),
                gin_pending_list_limit=256,
                name="lead_name_plain_words",
            ),
            GinIndex(OLD_NOTE_WORDS, condition=Q(notes__gt=""), name="lead_old_note_words"),
        ]

    def __str__(self) -> str:
        return self.folio or f"#{self.pk}"  # a lead of an adopted table has no folio until the next migrate

    @staticmethod
    def key_of(text: object) -> Any:
        """Return the key that a text from outside names, or None when no lead can have it."""
        try:
            key = Lead._meta.pk.to_python(text)
        except ValidationError:
            return None
        return None if isinstance(key, int) and key > models.BigIntegerField.MAX_BIGINT else key

    @property
    def snapshot(self) -> Snapshot:
        """The stored quote, as `snapshot.read` returns it: it never fails."""
        return snapshot.read(self.quote_data)

    def is_same_person(self, other: Lead) -> bool:
        """Return whether name or device say so, of two leads of one quote. As `LeadQuerySet.of_the_same_person`."""
        is_same_device = bool(self.visitor_id) and self.visitor_id == other.visitor_id
        return is_same_device or self.name.upper() == other.name.upper()

    @property
    def waits(self) -> bool:
        """Whether somebody waits for an answer to it."""
        return self.status == Lead.Status.NEW and bool(self.phone) and not self.set_aside

    @property
    def asked_at(self) -> datetime:
        """When the customer asked, or was quoted when the lead has no `submitted_at`."""
        return self.submitted_at or self.created_at
