"""What staff arrange with a person after the first message: the next step, whose they are, what became of them.

Each change is of the whole person: all leads of all phones that are theirs. Each is noted in the history of the lead on
which it was made, and can be taken back. Locks are taken in the order in which leads are delivered.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet

from leads import phones, snapshot
from leads.inbox import notes
from leads.models import BY_STAFF, FollowUp, Lead, LeadEvent, LeadOutcome
from leads.models.follow_up import amount_of


class NobodyToCall(ValueError):
    """The lead has no phone, so it is nobody's."""


@dataclass(frozen=True, slots=True)
class Step:
    """What comes next with a person. text: a few words, "" for none; by: who planned it."""

    at: datetime | None
    text: str = ""
    by: User | None = None


def plan(lead_id: Any, step: Step, *, by: User, now: datetime) -> Step:
    """Set the next step with a person, or with an empty one take it away; return the one before.

    A person with whom nothing was open is open again.
    """
    with transaction.atomic():
        lead, theirs = _person(lead_id)
        person = FollowUp.objects.of_leads(theirs, seller=by)
        before = Step(person.step_at, person.step, person.step_by)
        # Another time alone, as a card's dots give, leaves the words.
        _set_step(person, replace(step, text=step.text or person.step) if step.at else Step(None), lead, by=by, now=now)
        person.is_open = person.is_open or step.at is not None
        person.save()
        # The words may name somebody, and the history outlives the person.
        _note(LeadEvent.Kind.PLANNED, lead, by=by, now=now, detail=f"{step.at:%Y-%m-%d %H:%M%z}" if step.at else "")
    return before


def hand(lead_id: Any, to: User | None, *, by: User, now: datetime) -> User | None:
    """Give a person to a colleague, or to nobody; return whose they were."""
    with transaction.atomic():
        lead, theirs = _person(lead_id)
        person = FollowUp.objects.of_leads(theirs)
        before, person.seller = person.seller, to
        person.save()
        _note(LeadEvent.Kind.HANDED, lead, by=by, now=now, detail=str(to.pk) if to else "")
    return before


def sold(lead_id: Any, amount: Decimal, *, by: User, now: datetime) -> LeadOutcome:
    """Note that a person bought, for an amount with tax. Whatever else they wait for is answered with it."""
    return _close(lead_id, LeadOutcome.Kind.WON, amount, "", by=by, now=now)


def lost(lead_id: Any, reason: str, *, by: User, now: datetime) -> LeadOutcome:
    """Note that a person does not buy, and why: a reason of the shop's list."""
    return _close(lead_id, LeadOutcome.Kind.LOST, None, reason, by=by, now=now)


def reopen(lead_id: Any, *, by: User, now: datetime, is_undo: bool = False) -> bool:
    """Take back what became of a person last; False when nothing was noted.

    is_undo: whoever waited until that same tap waits again, too.
    """
    with transaction.atomic():
        _lead, theirs = _person(lead_id)
        last = LeadOutcome.objects.filter(lead__in=[each.pk for each in theirs]).order_by("at").last()
        if last is None:
            return False
        _take_back(LeadOutcome.objects.filter(pk=last.pk), but=None, by=by, now=now)
        person = FollowUp.objects.of_leads(theirs)
        person.is_open = True
        person.save()
        if is_undo and any((each.contacted_at, each.contacted_by_id) == (last.at, by.pk) for each in theirs):
            waited = next(each for each in theirs if each.contacted_at == last.at)
            Lead.objects.revert(waited.pk, by=by, now=now, only_own=True)
    return True


def put_aside(lead_id: Any, reason: str, *, by: User, now: datetime) -> int:
    """Take a person out of the lists and figures: nobody's customer, somebody's twice. reason: one of BY_STAFF.

    Return how many leads went. A lead with an outcome stays, and so does whoever asks later.
    """
    with transaction.atomic():
        lead, theirs = _person(lead_id)
        told = set(LeadOutcome.objects.filter(lead__in=[each.pk for each in theirs]).values_list("lead", flat=True))
        going = [each.pk for each in theirs if each == lead or (not each.set_aside and each.pk not in told)]
        Lead.objects.filter(pk__in=going).move_aside(reason, by=by, now=now)
        FollowUp.objects.of_people_of(theirs).update(is_open=False)
    return len(going)


def bring_back(lead_id: Any, *, by: User, now: datetime) -> int:
    """Bring a person back to where they were before `put_aside`; return how many leads came."""
    with transaction.atomic():
        _lead, theirs = _person(lead_id)
        coming = [each.pk for each in theirs if each.set_aside in BY_STAFF]
        Lead.objects.filter(pk__in=coming).move_aside("", by=by, now=now)
        if not LeadOutcome.objects.filter(lead__in=[each.pk for each in theirs]).exists():
            FollowUp.objects.of_people_of(theirs).update(is_open=True)
    return len(coming)


def join(lead_id: Any, other_id: Any, *, by: User, now: datetime) -> bool:
    """Make two people one: the other's phones belong to the first. False when they are one already."""
    with transaction.atomic():
        lead, theirs = _person(lead_id)
        other, others = _person(other_id)
        if other in theirs:
            return False
        person, merged = FollowUp.objects.of_leads(theirs), FollowUp.objects.of_leads(others)
        if merged.step_at and (not person.step_at or (merged.is_open and merged.step_at < person.step_at)):
            _set_step(person, Step(merged.step_at, merged.step, merged.step_by), lead, by=by, now=now)
        person.seller = person.seller or merged.seller
        person.is_open = person.is_open or merged.is_open
        person.save()
        FollowUp.objects.filter(joined_to=merged.key).update(joined_to=person.key)
        merged.joined_to, merged.is_open = person.key, False
        merged.save()
        for each in (lead, other):
            _note(LeadEvent.Kind.JOINED, each, by=by, now=now)
    return True


def separate(lead_id: Any, *, by: User, now: datetime) -> bool:
    """Make the phone of a lead a person of its own again; False when it belongs to no other."""
    with transaction.atomic():
        lead, _theirs = _person(lead_id)
        changed = FollowUp.objects.filter(key=phones.key(lead.phone), joined_to__gt="").update(
            joined_to="", is_open=lead.status == Lead.Status.CONTACTED
        )
        if changed:
            _note(LeadEvent.Kind.SEPARATED, lead, by=by, now=now)
    return bool(changed)


def _close(
    lead_id: Any, kind: LeadOutcome.Kind, amount: Decimal | None, reason: str, *, by: User, now: datetime
) -> LeadOutcome:
    with transaction.atomic():
        lead, theirs = _person(lead_id)
        if any(each.waits for each in theirs):
            Lead.objects.contact(next(each for each in theirs if each.waits).pk, by=by, now=now)
        if lead.set_aside or lead.status == Lead.Status.NEW:
            Lead.objects.contact(lead.pk, by=by, now=now)
        person = FollowUp.objects.of_leads(theirs, seller=by)
        said = amount if amount is not None else amount_of(lead.snapshot.total)
        # Who buys again has bought before. But a sale that was lost after all, or sold after all, is one decision.
        earlier = LeadOutcome.objects.filter(lead__in=[each.pk for each in theirs])
        _take_back(earlier.filter(Q(lead=lead) | Q(kind=LeadOutcome.Kind.LOST)), but=lead, by=by, now=now)
        outcome = LeadOutcome.objects.create(lead=lead, kind=kind, amount=said, reason=reason, by=by, at=now)
        person.is_open = False
        person.save()
        detail = reason if kind == LeadOutcome.Kind.LOST else str(said)
        _note(LeadEvent.Kind(kind), lead, by=by, now=now, detail=detail)
    return outcome


def _set_step(person: FollowUp, step: Step, lead: Lead, *, by: User, now: datetime) -> None:
    """Change a step. Words that others take the place of, or that nobody needs any more, stay as a note on the lead."""
    if person.step and person.step != step.text:
        notes.add(lead, person.step, by=person.step_by or by, now=now)
    person.step_at, person.step, person.step_by = step.at, step.text, step.by


def _take_back(outcomes: QuerySet[LeadOutcome], *, but: Lead | None, by: User, now: datetime) -> None:
    """Delete outcomes, each with an event by which the desk counts its day again, but on one lead."""
    for outcome in outcomes.select_related("lead").defer(f"lead__{snapshot.COLUMN}"):
        if outcome.lead != but:
            _note(LeadEvent.Kind.REOPENED, outcome.lead, by=by, now=now)
        outcome.delete()


def _person(lead_id: Any) -> tuple[Lead, list[Lead]]:
    """Return a lead and all leads of its person, locked. NobodyToCall without a phone that has digits."""
    lead, theirs = Lead.objects.all().locked_with_person(lead_id)
    if lead is None or not phones.key(lead.phone or ""):
        raise NobodyToCall
    return lead, theirs


def _note(kind: LeadEvent.Kind, lead: Lead, *, by: User, now: datetime, detail: str = "") -> None:
    LeadEvent.objects.create(lead=lead, kind=kind, actor=by, at=now, detail=detail)
