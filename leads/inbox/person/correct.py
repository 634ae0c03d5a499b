"""Correct a name or a phone that was typed wrong, with a history, and take a correction back.

The change is of the person: of all their leads with that name, and of all with that phone. Locks are taken in the order
in which leads are delivered.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Q

from leads import phones
from leads.inbox.person import arrange
from leads.inbox.person.arrange import NobodyToCall
from leads.models import FollowUp, Lead, LeadCorrection, LeadEvent

NAME, PHONE, BACK = "name", "phone", "back"
Contact = tuple[str, str]


class PhoneTaken(ValueError):
    """Somebody else, or the same person, has asked for the same quote with this phone already."""


def correct(lead_id: Any, name: str, phone: str, *, by: User, now: datetime) -> bool:
    """Give the person of a lead another name or phone; False when the lead has both already.

    NobodyToCall when the lead has no phone that is a number; PhoneTaken.
    """
    with transaction.atomic():
        lead, theirs = _person(lead_id)
        number = phones.key(lead.phone)
        changes = {
            each: (
                name if each.name == lead.name else each.name,
                phone if phones.key(each.phone or "") == number else each.phone,
            )
            for each in theirs
        }
        if (lead.name, lead.phone) == (name, phone):
            return False
        _join_whoever_has(phone, lead, theirs, by=by, now=now)
        _change(changes, by=by, now=now, detail="")
        _move_arrangement(number, phones.key(phone))
    return True


def take_back(lead_id: Any, *, by: User, now: datetime) -> bool:
    """Undo the last correction of a lead, with what it changed on other leads; False when there is none.

    What the customer has sent since stays. NobodyToCall and PhoneTaken, as for `correct`.
    """
    with transaction.atomic():
        lead, theirs = _person(lead_id)
        newest = LeadCorrection.objects.newest(each.pk for each in theirs)
        last = newest.get(lead.pk)
        if last is None:
            return False
        changes, undone = {}, []
        for each in theirs:
            done = newest.get(each.pk)
            if done and (done.at, done.by_id) == (last.at, last.by_id):
                name = done.name if each.name == done.new_name else each.name
                changes[each] = name, done.phone if each.phone == done.new_phone else each.phone
                undone.append(done.pk)
        LeadCorrection.objects.filter(pk__in=undone).update(taken_back_at=now, taken_back_by=by)
        _change(changes, by=by, now=now, detail=BACK)
        _move_arrangement(phones.key(last.new_phone), phones.key(last.phone))
    return True


def of_person(leads: Iterable[Lead]) -> list[LeadCorrection]:
    """Return the corrections of the leads of a person, the newest first, each that changed many leads once.

    Only the last that stands of its lead can be taken back: it has `is_last`.
    """
    found = LeadCorrection.objects.filter(lead__in=[lead.pk for lead in leads]).select_related("by", "taken_back_by")
    acts: dict[Any, LeadCorrection] = {}
    standing = set()
    for each in found.order_by("-at", "-pk"):
        each.is_last = each.taken_back_at is None and each.lead_id not in standing  # type: ignore[attr-defined]
        standing |= {each.lead_id} if each.is_last else set()  # type: ignore[attr-defined]
        acts.setdefault((each.at, each.by_id), each)
    return list(acts.values())


def _person(lead_id: Any) -> tuple[Lead, list[Lead]]:
    lead, theirs = Lead.objects.all().locked_with_person(lead_id)
    if lead is None or not phones.key(lead.phone or ""):
        raise NobodyToCall
    return lead, theirs


def _change(changes: dict[Lead, Contact], *, by: User, now: datetime, detail: str) -> None:
    """Give leads names and phones. detail: of the events, "" for what was corrected, which is then noted as well."""
    changes = {each: new for each, new in changes.items() if new != (each.name, each.phone)}
    kept = []
    for each, (name, phone) in changes.items():
        about = {"lead": each, "folio": each.folio or "", "at": now, "by": by, "name": each.name, "phone": each.phone}
        kept.append(LeadCorrection(**about, new_name=name, new_phone=phone))
        try:
            with transaction.atomic():
                Lead.objects.filter(pk=each.pk).update(name=name, phone=phone)
        except IntegrityError as error:
            raise PhoneTaken from error
        said = [NAME] * (name != each.name) + [PHONE] * (phone != each.phone)
        LeadEvent.objects.create(
            lead=each, kind=LeadEvent.Kind.CORRECTED, actor=by, at=now, detail=detail or " ".join(said)
        )
    if not detail:
        LeadCorrection.objects.bulk_create(kept)


def _join_whoever_has(phone: str, lead: Lead, theirs: Sequence[Lead], *, by: User, now: datetime) -> None:
    """Make the person and whoever is known by their right phone one, with what was arranged with both."""
    ours = Q(pk__in=[each.pk for each in theirs])
    if other := Lead.objects.of_phones([phone]).exclude(ours).without_quotes().order_by("-pk").first():
        arrange.join(lead.pk, other.pk, by=by, now=now)


def _move_arrangement(old: str, new: str) -> None:
    """Let what was arranged by one phone of a person stand under another one. Both are keys of `phones.key`."""
    is_left = Lead.objects.of_keys([old]).exists()
    FollowUp.objects.move(old, new, is_left=is_left)
