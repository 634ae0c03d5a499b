"""What staff arranged with the people of leads, what became of each lead and what was corrected of it, for exports."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from django.contrib.auth.models import User
from django.utils import timezone

from leads import phones
from leads.models import FollowUp, LeadCorrection, LeadOutcome


class Arranged(NamedTuple):
    """phone: the lead's, as `phones.key` returns it; follow_up: the person's; outcome, corrections: this lead's own.

    A person who was sold one of three quotes has the outcome on one lead, so that amounts can be added up.
    """

    phone: str
    follow_up: FollowUp | None
    outcome: LeadOutcome | None
    corrections: list[dict[str, Any]]

    @property
    def step(self) -> FollowUp | None:
        """The follow-up while a next step is awaited."""
        return self.follow_up if self.follow_up and self.follow_up.is_open and self.follow_up.step_at else None

    @property
    def seller(self) -> User | None:
        """Whose customer the person is."""
        return self.follow_up.seller if self.follow_up else None


def of_leads(leads: Iterable[tuple[Any, str | None]]) -> dict[Any, Arranged]:
    """Return what was arranged for each lead, by id, with four queries at most. leads: ids and phones."""
    keys = {lead_id: phones.key(phone or "") for lead_id, phone in leads}
    people = FollowUp.objects.of_numbers(set(keys.values()) - {""})
    outcomes = LeadOutcome.objects.select_related("by").in_bulk(list(keys))
    corrected = corrections_of(keys)
    return {
        lead_id: Arranged(key, people.get(key), outcomes.get(lead_id), corrected[lead_id])
        for lead_id, key in keys.items()
    }


def corrections_of(lead_ids: Iterable[Any]) -> dict[Any, list[dict[str, Any]]]:
    """Return what staff corrected of each lead as JSON values, by id, oldest first, as `follow_up_data` does."""
    listed: dict[Any, list[dict[str, Any]]] = {lead_id: [] for lead_id in lead_ids}
    found = LeadCorrection.objects.filter(lead__in=list(listed)).select_related("by", "taken_back_by")
    for each in found.order_by("at", "pk"):
        listed[each.lead_id].append(
            {
                "at": _local(each.at),
                "by": _name(each.by),
                "name": each.name,
                "phone": each.phone,
                "new_name": each.new_name,
                "new_phone": each.new_phone,
                "taken_back_at": _local(each.taken_back_at),
                "taken_back_by": _name(each.taken_back_by),
            }
        )
    return listed


def as_data(arranged: Arranged) -> dict[str, Any]:
    """Return them as JSON values: `outcome` and `follow_up`, each None where there is none, and `corrections`."""
    return {
        "outcome": outcome_data(arranged.outcome) if arranged.outcome else None,
        "follow_up": follow_up_data(arranged.follow_up) if arranged.follow_up else None,
        "corrections": arranged.corrections,
    }


def follow_up_data(person: FollowUp) -> dict[str, Any]:
    """Return a follow-up as JSON values: users by name, times in the business's zone, the worth as text."""
    return {
        "phone": person.key,
        "joined_to": person.joined_to,
        "seller": _name(person.seller),
        "written_at": _local(person.written_at),
        "is_open": person.is_open,
        "step_at": _local(person.step_at),
        "step": person.step,
        "step_by": _name(person.step_by),
        "expires_at": _local(person.expires_at),
        "worth": None if person.worth is None else str(person.worth),
    }


def outcome_data(outcome: LeadOutcome) -> dict[str, Any]:
    """Return an outcome as JSON values, as `follow_up_data` does."""
    return {
        "kind": outcome.kind,
        "amount": None if outcome.amount is None else str(outcome.amount),
        "reason": outcome.reason,
        "at": _local(outcome.at),
        "by": _name(outcome.by),
    }


def _name(user: User | None) -> str | None:
    return user.get_username() if user else None


def _local(at: datetime | None) -> str | None:
    return timezone.localtime(at).isoformat() if at else None
