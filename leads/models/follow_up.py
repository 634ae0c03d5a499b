"""What became of a person after the first message: whose they are, the next step, what was sold or why not."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connections, models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from leads import phones
from leads.customer.matching import ComputedPhoneKey, PhoneKey

if TYPE_CHECKING:
    from leads.models.lead import Lead


CENT = Decimal("0.01")
# Quotes of other programs may say anything.
MOST_WORTH = Decimal(10) ** 14
# A statement has five seconds.
SWEPT_AT_ONCE = 5_000
# A phone that was joined with one that goes is a person of its own again: it would else keep that one's digits.
_SWEEP = f"""
WITH gone AS (
    DELETE FROM lead_follow_ups AS known WHERE key = ANY(%s)
    AND NOT EXISTS (SELECT FROM leads WHERE {PhoneKey.template % {"expressions": "phone"}} = known.key)
    RETURNING key
), alone AS (
    UPDATE lead_follow_ups SET joined_to = ''
    WHERE joined_to IN (SELECT key FROM gone) AND key NOT IN (SELECT key FROM gone)
)
SELECT count(*) FROM gone
"""


class PersonKey(models.Func):
    """The key of the person whose phone it is; NULL for a phone without digits."""

    template = (
        "(SELECT coalesce(nullif(joined_to, ''), number) "
        f"FROM (SELECT nullif({ComputedPhoneKey.template}, '')) AS phone (number) "
        "LEFT JOIN lead_follow_ups ON key = number)"
    )
    output_field = models.TextField()


def amount_of(total: Decimal | None) -> Decimal | None:
    """Return the total of a quote as an amount in cents; None for none and for one that is beyond any real quote."""
    return total.quantize(CENT) if total is not None and abs(total) < MOST_WORTH else None


def joined_to_any(people: Collection[str]) -> Q:
    """Return the condition of phones that belong to one of these people as well, by their keys."""
    # Of a list of more than a hundred, Postgres does not see by itself that none is "", and reads the whole table.
    return Q(joined_to__gt="", joined_to__in=people)


def of_people(people: Collection[str]) -> Q:
    """Return the condition of all phones of these people, by their keys."""
    return Q(key__in=people) | joined_to_any(people)


class FollowUpQuerySet(models.QuerySet["FollowUp"]):
    def open(self) -> FollowUpQuerySet:
        """People who were written to, with no outcome yet."""
        return self.filter(is_open=True)

    def due(self, until: datetime, *, expires: tuple[datetime, datetime]) -> FollowUpQuerySet:
        """Open people whose next step is due before a moment, or without one, whose quote expires between two."""
        steps, since = Q(step_at__lt=until), Q(expires_at__gte=expires[0], expires_at__lt=expires[1])
        return self.open().filter(steps | (since & Q(step_at=None)))

    def begin(self, theirs: Sequence[Lead], *, by: User, now: datetime) -> FollowUp:
        """Note that `by` wrote to a person, who is theirs unless a colleague has the person already.

        theirs: all leads of the person, of which one has a phone with digits at least.
        """
        person = self.of_leads(theirs)
        newest = max((lead for lead in theirs if lead.phone), key=lambda lead: lead.asked_at)
        if not person.is_open or person.seller is None:
            person.seller = by
        stored = newest.snapshot
        person.is_open, person.written_at = True, now
        person.expires_at, person.worth = stored.valid_until, amount_of(stored.total)
        person.save()
        return person

    def of_leads(self, theirs: Sequence[Lead], *, seller: User | None = None) -> FollowUp:
        """Return the follow-up of a person, locked; a new one, of `seller`, when there is none.

        theirs: all leads of the person, of which one has a phone with digits at least. Other phones are joined to it.
        """
        keys = {phones.key(lead.phone or ""): None for lead in sorted(theirs, key=lambda lead: lead.asked_at)}
        keys.pop("", None)  # a phone without digits is nobody's
        known = self.select_for_update().in_bulk(list(keys))
        root = next((each.joined_to or each.key for each in known.values()), list(keys)[-1])
        person, _is_new = self.select_for_update().get_or_create(key=root, defaults={"seller": seller})
        for key in keys.keys() - {root}:
            self.update_or_create(key=key, defaults={"joined_to": root, "is_open": False})
        return person

    def of_people_of(self, theirs: Sequence[Lead]) -> FollowUpQuerySet:
        """The follow-ups of the person of these leads: one, or none."""
        keys = {phones.key(lead.phone or "") for lead in theirs} - {""}
        return self.filter(key__in=keys | set(self.joined(keys).values()), joined_to="")

    def undo(self, theirs: Sequence[Lead]) -> None:
        """Forget that somebody wrote to a person; the next step stays."""
        self.of_people_of(theirs).filter(step_at=None).delete()
        self.of_people_of(theirs).update(seller=None)

    def joined(self, keys: Collection[str]) -> dict[str, str]:
        """Return the person of each of these phones that belongs to another one, by its key."""
        return dict(self.filter(key__in=keys, joined_to__gt="").values_list("key", "joined_to"))

    def of_numbers(self, keys: Collection[str]) -> dict[str, FollowUp]:
        """Return the follow-up of the person of each of these phones that has one, and of the person's other phones.

        keys: as of `phones.key`. One query, and another when a person's first phone is not among them.
        """
        listed = self.select_related("seller__absence", "step_by")
        found = {each.key: each for each in listed.filter(of_people(keys))}
        if roots := {each.joined_to for each in found.values() if each.joined_to} - found.keys():
            found |= {each.key: each for each in listed.filter(of_people(roots))}
        return {key: found.get(each.joined_to, each) for key, each in found.items()}

    def move(self, old: str, new: str, *, is_left: bool) -> None:
        """Let what was arranged with the person of a phone stand under another phone of theirs.

        is_left: whether leads with the old phone are left, of a person who then has the same arrangement.
        """
        was = self.select_for_update().filter(key=old).first()
        if was is None or old == new:
            return
        if was.joined_to != new:
            names = [field.attname for field in self.model._meta.concrete_fields if field.attname != "key"]
            self.update_or_create(key=new, defaults={name: getattr(was, name) for name in names})
        if not is_left:
            self.filter(joined_to=old).exclude(key=new).update(joined_to=new)
            was.delete()

    def sweep(self) -> int:
        """Delete what was arranged with people of whom no lead is left; return how many they were.

        Erasing a person does this itself. Leads are deleted by a purge as well, and by other programs.
        """
        gone, last = 0, ""
        while keys := list(self.filter(key__gt=last).order_by("key").values_list("key", flat=True)[:SWEPT_AT_ONCE]):
            with connections[self.db].cursor() as cursor:
                cursor.execute(_SWEEP, [keys])
                gone += int(cursor.fetchone()[0])
            last = keys[-1]
        return gone

    def phones_of(self, keys: Collection[str]) -> dict[str, str]:
        """Return the person of each phone of these people, their first phones included, by its key."""
        others = self.filter(joined_to_any(keys)).values_list("key", "joined_to")
        return {**{key: key for key in keys}, **dict(others)}


class FollowUp(models.Model):
    """What staff arranged with a person: one row for each phone that somebody has written to or planned with.

    A person is all leads whose phones have the same key; deleted with the last of them.
    key: as `phones.key` returns it. joined_to: the key of the person that this phone belongs to as well, "" for none.
    seller: whose customer it is. is_open: whether an outcome is still awaited. step_at, step: what comes next and when.
    written_at: when somebody last wrote to them. expires_at, worth: of the newest quote then, the total with tax.
    """

    MOST_CHARACTERS = 200

    key = models.TextField(primary_key=True)
    joined_to = models.TextField(blank=True, default="", db_default="")
    seller = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    written_at = models.DateTimeField(null=True, blank=True)
    is_open = models.BooleanField(default=True, db_default=True)
    step_at = models.DateTimeField(null=True, blank=True)
    step = models.TextField(blank=True, default="", db_default="")
    step_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    expires_at = models.DateTimeField(null=True, blank=True)
    worth = models.DecimalField(max_digits=16, decimal_places=2, null=True, blank=True)

    objects = FollowUpQuerySet.as_manager()

    class Meta:
        db_table = "lead_follow_ups"
        indexes = [
            models.Index(fields=["seller", "written_at"], condition=Q(is_open=True), name="lead_follow_up_seller"),
            models.Index(
                fields=["step_at"], condition=Q(is_open=True, step_at__isnull=False), name="lead_follow_up_due"
            ),
            models.Index(
                fields=["expires_at"], condition=Q(is_open=True, step_at__isnull=True), name="lead_follow_up_expires"
            ),
            # The desk: what is open, since when, and the largest of those whom nobody follows up.
            models.Index(
                fields=["written_at"],
                include=["worth"],
                condition=Q(is_open=True, joined_to=""),
                name="lead_follow_up_written",
            ),
            models.Index(
                F("worth").desc(nulls_last=True),
                condition=Q(is_open=True, step_at__isnull=True, joined_to=""),
                name="lead_follow_up_worth",
            ),
            models.Index(fields=["joined_to"], condition=Q(joined_to__gt=""), name="lead_follow_up_joined"),
        ]

    def __str__(self) -> str:
        return f"follow-up {'open' if self.is_open else 'closed'}"


class LeadOutcome(models.Model):
    """What became of a person: the quote that was sold and for how much, or the one that was lost and why.

    One for each decision, on the person's newest quote. amount: with tax, what was paid, or what the lost quote said.
    reason: of the shop's own list, "" for a sale.
    """

    class Kind(models.TextChoices):
        WON = "won", _("Sold")
        LOST = "lost", _("Lost")

    # Postgres itself cascades, as for LeadNote.
    lead = models.OneToOneField(
        "leads.Lead", on_delete=models.CASCADE, primary_key=True, related_name="outcome", db_constraint=False
    )
    kind = models.TextField(choices=Kind)
    amount = models.DecimalField(max_digits=16, decimal_places=2, null=True, blank=True)
    reason = models.TextField(blank=True, default="", db_default="")
    at = models.DateTimeField()
    # Not checked by Postgres, so that the migration locks no table but `leads`. Users are switched off, never deleted.
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", db_constraint=False
    )

    class Meta:
        db_table = "lead_outcomes"
        indexes = [models.Index(fields=["at"], name="lead_outcome_at")]

    def __str__(self) -> str:
        return f"{self.kind} {self.at:%Y-%m-%d}"


class AbsenceQuerySet(models.QuerySet["Absence"]):
    def on(self, day: date) -> AbsenceQuerySet:
        """Absences of which a day is part."""
        return self.filter(Q(since=None) | Q(since__lte=day), until__gt=day)


class Absence(models.Model):
    """A member of staff who is away: meanwhile, what they planned is everybody's.

    since: the first day of it, None for any day so far; until: their first day back.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="absence"
    )
    since = models.DateField(null=True)
    until = models.DateField()

    objects = AbsenceQuerySet.as_manager()

    class Meta:
        db_table = "staff_absences"

    def __str__(self) -> str:
        return f"away until {self.until}"

    def covers(self, day: date) -> bool:
        return (self.since is None or self.since <= day) and day < self.until

    @property
    def last(self) -> date:
        """The last day of the absence."""
        return self.until - timedelta(days=1)
