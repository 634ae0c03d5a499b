"""Bring back, with the leads of a file that are restored, what became of them, was corrected, and was arranged.

It only adds rows: what the table says of a person is newer, and stays.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from django.db import connection

from leads import phones
from leads.customer.matching import PhoneKey
from leads.models import FollowUp, Lead, LeadOutcome
from leads.privacy import exact_json

_OUTCOMES = """
INSERT INTO lead_outcomes (lead_id, kind, amount, reason, at, by_id)
SELECT added.id, kind, amount, reason, at, "by"
FROM unnest(%s) WITH ORDINALITY AS added (id, place)
JOIN ROWS FROM (
    jsonb_to_recordset(%s::jsonb) AS (kind text, amount numeric, reason text, at timestamptz, "by" bigint)
) WITH ORDINALITY AS told (kind, amount, reason, at, "by", place) USING (place)
ON CONFLICT DO NOTHING
"""
_CORRECTIONS = """
INSERT INTO lead_corrections (
    lead_id, folio, at, by_id, name, phone, new_name, new_phone, taken_back_at, taken_back_by_id
)
SELECT leads.id, coalesce(leads.folio, ''), told.at, told."by", told.name, told.phone, new_name, new_phone,
    taken_back_at, taken_back_by
FROM unnest(%s) WITH ORDINALITY AS added (id, place)
JOIN ROWS FROM (
    jsonb_to_recordset(%s::jsonb) AS (
        at timestamptz, "by" bigint, name text, phone text, new_name text, new_phone text, taken_back_at timestamptz,
        taken_back_by bigint
    )
) WITH ORDINALITY AS told (at, "by", name, phone, new_name, new_phone, taken_back_at, taken_back_by, place)
    USING (place)
JOIN leads ON leads.id = added.id
"""
_FOLLOW_UPS = """
INSERT INTO lead_follow_ups (
    key, joined_to, seller_id, written_at, is_open, step_at, step, step_by_id, expires_at, worth
)
SELECT phone, joined_to, seller, written_at, is_open, step_at, step, step_by, expires_at, worth
FROM jsonb_to_recordset(%s::jsonb) AS told (
    phone text, joined_to text, seller bigint, written_at timestamptz, is_open boolean, step_at timestamptz, step text,
    step_by bigint, expires_at timestamptz, worth numeric
)
ON CONFLICT DO NOTHING
"""
_OUTCOME = {"kind": str, "amount": Decimal, "reason": str, "at": datetime, "by": str}
_FOLLOW_UP = {"phone": str, "seller": str, "written_at": datetime, "is_open": bool, "step_at": datetime, "step": str}
_FOLLOW_UP |= {"step_by": str, "expires_at": datetime, "worth": Decimal}
_CORRECTION = {"at": datetime, "by": str, "name": str, "phone": str, "new_name": str, "new_phone": str}
_CORRECTION |= {"taken_back_at": datetime, "taken_back_by": str}
# In each of them, the members that name a member of staff.
_USERS = {"by", "seller", "step_by", "taken_back_by"}
_REQUIRED = {"kind", "reason", "at", "phone", "is_open", "step", "name", "new_name", "new_phone"}


class Told(NamedTuple):
    """What a line says: the members of `arranged.outcome_data` and of `arranged.follow_up_data`, None for neither.

    corrections: those of each that `arranged.corrections_of` lists.
    """

    outcome: dict[str, Any] | None
    follow_up: dict[str, Any] | None
    corrections: tuple[dict[str, Any], ...]

    @property
    def users(self) -> set[str]:
        """The names of the staff in it."""
        said = [self.outcome or {}, self.follow_up or {}, *self.corrections]
        members = [each.get(name) for each in said for name in _USERS]
        return {name for name in members if name}


def read(line: Mapping[str, Any]) -> Told:
    """Return what a line of an export says. ValueError, with the name of the member, when it is not of an export."""
    outcome = _members(line.get("outcome"), "outcome", _OUTCOME)
    follow_up = _members(line.get("follow_up"), "follow_up", _FOLLOW_UP)
    if outcome and outcome["kind"] not in LeadOutcome.Kind.values:
        raise ValueError("outcome")
    listed = line.get("corrections") or []
    corrections = [_members(each, "corrections", _CORRECTION) for each in listed if isinstance(listed, list)]
    if not isinstance(listed, list) or None in corrections:
        raise ValueError("corrections")
    return Told(outcome, follow_up, tuple(filter(None, corrections)))


def _members(given: object, name: str, kinds: Mapping[str, type]) -> dict[str, Any] | None:
    if given is None:
        return None
    if not isinstance(given, dict) or not all(_is_of(given.get(each), kind, each) for each, kind in kinds.items()):
        raise ValueError(name)
    return {each: given.get(each) for each in kinds}


def _is_of(value: object, kind: type, name: str) -> bool:
    if value is None or kind is bool:
        return isinstance(value, bool) if kind is bool else name not in _REQUIRED
    if not isinstance(value, str) or isinstance(value, exact_json.Number):
        return False
    try:
        if kind is datetime:
            return datetime.fromisoformat(value).tzinfo is not None
        return kind is str or Decimal(value).is_finite()
    except (ValueError, InvalidOperation):
        return False


class Rearranging:
    """Adds what the lines of a file say, batch by batch.

    A phone whose person's first phone has no lead has the person until that lead comes: nobody erased comes back.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, set[str]] = {}

    def add(self, added: Sequence[tuple[Any, str, Told]], users: Mapping[str, int]) -> None:
        """Add what was told of leads that were just restored: id, phone and line of each. users: ids by name."""
        became = [(lead_id, _with_users(told.outcome, users)) for lead_id, _phone, told in added if told.outcome]
        if became:
            with connection.cursor() as cursor:
                cursor.execute(_OUTCOMES, [[key for key, _ in became], exact_json.dumps([each for _, each in became])])
        fixed = [(lead_id, _with_users(each, users)) for lead_id, _phone, told in added for each in told.corrections]
        if fixed:
            with connection.cursor() as cursor:
                cursor.execute(_CORRECTIONS, [[key for key, _ in fixed], exact_json.dumps([each for _, each in fixed])])
        people = {phones.key(phone): _with_users(told.follow_up, users) for _id, phone, told in added if told.follow_up}
        people.pop("", None)
        if people:
            self._add_people(people)

    def _add_people(self, people: Mapping[str, dict[str, Any]]) -> None:
        """people: what was arranged with the person of each phone, by its key; `phone` in it is the person's first."""
        firsts = {person["phone"] for person in people.values()}
        known = dict(FollowUp.objects.filter(key__in=firsts | people.keys()).values_list("key", "joined_to"))
        firsts |= {joined_to for joined_to in known.values() if joined_to}
        held = set(Lead.objects.of_keys(firsts).values_list(PhoneKey("phone"), flat=True).distinct())
        rows = []
        for key, person in people.items():
            first = known.get(person["phone"]) or person["phone"]
            if first not in held:
                rows.append(person | {"phone": key, "joined_to": ""})
                if key not in known:
                    self._waiting.setdefault(first, set()).add(key)
                continue
            rows.append(person | {"phone": first, "joined_to": ""})
            if key != first:
                rows.append({"phone": key, "joined_to": first, "is_open": False, "step": ""})
        with connection.cursor() as cursor:
            cursor.execute(_FOLLOW_UPS, [exact_json.dumps(rows)])
        for first in self._waiting.keys() & held:
            theirs = self._waiting.pop(first)
            FollowUp.objects.filter(key__in=theirs, joined_to="").update(joined_to=first, is_open=False)


def _with_users(members: dict[str, Any] | None, users: Mapping[str, int]) -> dict[str, Any]:
    """Return members with ids in place of names; None for who has no login here."""
    return {name: users.get(value) if name in _USERS else value for name, value in (members or {}).items()}
