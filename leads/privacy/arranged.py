"""What staff arranged with the people of leads, and what became of each lead, for exports."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from django.contrib.auth.models import User

from leads import phones
from leads.models import FollowUp, LeadOutcome


class Arranged(NamedTuple):
    """phone: the lead's, as `phones.key` returns it; follow_up: the person's; outcome: this lead's own.

    A person who was sold one of three quotes has the outcome on one lead, so that amounts can be added up.
    """

    phone: str
    follow_up: FollowUp | None
    outcome: LeadOutcome | None

    @property
    def step(self) -> FollowUp | None:
        """The follow-up while a next step is awaited."""
        return self.follow_up if self.follow_up and self.follow_up.is_open and self.follow_up.step_at else None

    @property
    def seller(self) -> User | None:
        """Whose customer the person is."""
        return self.follow_up.seller if self.follow_up else None


def of_leads(leads: Iterable[tuple[Any, str | None]]) -> dict[Any, Arranged]:
    """Return what was arranged for each lead, by id, with three queries at most. leads: ids and phones."""
    keys = {lead_id: phones.key(phone or "") for lead_id, phone in leads}
    people = FollowUp.objects.of_numbers(set(keys.values()) - {""})
    outcomes = LeadOutcome.objects.select_related("by").in_bulk(list(keys))
    return {lead_id: Arranged(key, people.get(key), outcomes.get(lead_id)) for lead_id, key in keys.items()}
