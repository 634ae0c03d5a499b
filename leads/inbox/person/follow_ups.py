"""Whose turn it is: the people with a step that is due, and those of one seller."""

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.contrib.auth.models import User
from django.db.models import F, Q

from leads.models import Absence, FollowUp, FollowUpQuerySet

# A quote without a next step comes forward so long before it expires, and stays for so long afterwards.
BEFORE_EXPIRY, AFTER_EXPIRY = timedelta(days=1), timedelta(days=3)
MOST_LISTED = 1001


def today(user: User, *, now: datetime, zone: ZoneInfo) -> list[FollowUp]:
    """Return what is due today for a member of staff, the earliest first: steps, then quotes that are about to expire.

    Theirs, nobody's, and those of whoever is away.
    """
    due = due_today(user, now=now, zone=zone)
    return list(due.order_by(F("step_at").asc(nulls_last=True), "expires_at", "key")[:MOST_LISTED])


def count_today(user: User, *, now: datetime, zone: ZoneInfo) -> int:
    return due_today(user, now=now, zone=zone)[:MOST_LISTED].count()


def count_own(user: User, *, now: datetime, zone: ZoneInfo) -> int:
    """Return how many people of a seller's own are due today."""
    return _due(now, zone).filter(seller=user)[:MOST_LISTED].count()


def due_today(user: User, *, now: datetime, zone: ZoneInfo) -> FollowUpQuerySet:
    """What `today` lists, in no order."""
    away = Absence.objects.on(now.astimezone(zone).date()).values("user")
    turn = Q(seller=user) | Q(seller=None) | Q(seller__in=away)
    return _due(now, zone).filter(turn)


def _due(now: datetime, zone: ZoneInfo) -> FollowUpQuerySet:
    until = tomorrow(now, zone)
    return FollowUp.objects.due(until, expires=(now - AFTER_EXPIRY, until + BEFORE_EXPIRY))


def mine(user: User) -> list[FollowUp]:
    """Return the open people of a seller: those with a next step first, then whoever was written to last."""
    by_turn = F("step_at").asc(nulls_last=True), F("written_at").desc(nulls_last=True)
    return list(open_of(user).order_by(*by_turn)[:MOST_LISTED])


def open_of(user: User) -> FollowUpQuerySet:
    """What `mine` lists, in no order."""
    return FollowUp.objects.open().filter(seller=user)


def tomorrow(now: datetime, zone: ZoneInfo) -> datetime:
    return datetime.combine(now.astimezone(zone).date() + timedelta(days=1), time(), zone)


def keys_in_order(people: Iterable[FollowUp]) -> dict[str, int]:
    """Return the place of each person, by key, for all phones of theirs."""
    places = {each.key: place for place, each in enumerate(people)}
    return {key: places[person] for key, person in FollowUp.objects.phones_of(list(places)).items()}
