"""What the two statements of leads/delivery/upsert.py do, in Python. test_table.py holds it to the real Postgres."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from leads.snapshot.merge import MOST_EARLIER

Arrived = dict[str, Any]
_TEXTS = ("folio", "name", "phone", "visitor_id", "set_aside")
_OF_THE_PERSON = ("name", "phone", "quote_data", "visitor_id", "submitted_at", "arrived_at", "set_aside")
_AHEAD = timedelta(seconds=5)


@dataclass(eq=False, slots=True)
class Row:
    folio: str
    name: str
    phone: str
    quote_data: Any
    visitor_id: str
    created_at: datetime | None
    submitted_at: datetime | None
    arrived_at: datetime
    set_aside: str
    is_first: bool = True
    status: str = "new"
    contacted_at: datetime | None = None
    asked_again_at: datetime | None = None

    @property
    def is_unclaimed(self) -> bool:
        return not self.phone and self.submitted_at is None

    @property
    def has_details(self) -> bool:
        return bool(self.phone) and isinstance(self.quote_data.get("privacy"), dict)


@dataclass(slots=True)
class Erasure:
    """person: the last ten digits of the phone, or "" for everybody of the folio."""

    folio: str
    at: datetime
    person: str


@dataclass
class Table:
    """The rows of `leads` by folio, the first one first."""

    rows: dict[str, list[Row]] = field(default_factory=dict)
    events: set[tuple[str, str, datetime]] = field(default_factory=set)
    erasures: list[Erasure] = field(default_factory=list)

    def insert(self, arrived: Iterable[Arrived], *, now: datetime) -> int:
        """INSERT: write what is surely new, or the first person of a quote; return how many rows that are."""
        count = 0
        for record in sorted(arrived, key=lambda record: record["folio"]):
            new = _row(record, now)
            if _is_future(new.submitted_at, now) or any(erased.folio == new.folio for erased in self.erasures):
                continue
            first = self._first(new.folio)
            if first is None:
                self.rows.setdefault(new.folio, []).insert(0, new)
            elif first.is_unclaimed and first.status == "new" and new.phone and new.submitted_at is not None:
                for name in _OF_THE_PERSON:
                    setattr(first, name, getattr(new, name))
            else:
                continue
            count += 1
        return count

    def upsert(self, arrived: Iterable[Arrived], *, now: datetime) -> int:
        """UPSERT: write every case; return how many events were added."""
        new_rows = [_row(record, now) for record in arrived]
        for new in new_rows:
            if _is_future(new.submitted_at, now):
                new.submitted_at = now
        events = 0
        for new in sorted(new_rows, key=lambda row: row.folio):
            if self._is_erased(new, now):
                continue
            row = self._written(new, now)
            if row and row.asked_again_at is not None and row.asked_again_at == row.submitted_at:
                event = (row.folio, row.phone, row.asked_again_at)
                events += event not in self.events
                self.events.add(event)
        return events

    def contact(self, row: Row, at: datetime) -> None:
        row.status, row.contacted_at = "contacted", at

    def _first(self, folio: str) -> Row | None:
        rows = self.rows.get(folio)
        return rows[0] if rows and rows[0].is_first else None

    def _written(self, new: Row, now: datetime) -> Row | None:
        """Write a row where it belongs; return the row that was inserted or updated, or None."""
        rows = self.rows.setdefault(new.folio, [])
        own = next((row for row in rows if new.phone and row.phone == new.phone), None)
        if own is None or own.is_first:
            first = self._first(new.folio)
            if first is None:
                rows.insert(0, new)
                return new
            if _updated(first, new, now):
                return first
        if not new.phone:
            return None
        if own is None:
            new.is_first = False
            rows.append(new)
            return new
        return own if _updated(own, new, now) else None

    def _is_erased(self, new: Row, now: datetime) -> bool:
        digits = "".join(letter for letter in new.phone if letter in "0123456789")[-10:]
        is_late = "late" in (new.quote_data.get("flags") or [])
        return new.submitted_at is not None and any(
            new.submitted_at <= erased.at if not erased.person
            else (new.submitted_at <= erased.at or is_late) and erased.person == digits
            for erased in self.erasures
            if erased.folio == new.folio
        )  # fmt: skip


def _row(record: Arrived, now: datetime) -> Row:
    arrived_at = _moment(record.get("arrived_at")) or now
    return Row(
        **{name: record.get(name) or "" for name in _TEXTS},
        quote_data=record["quote_data"],
        created_at=_moment(record.get("created_at")),
        submitted_at=_moment(record.get("submitted_at")),
        arrived_at=min(arrived_at, now),
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _is_future(at: datetime | None, now: datetime) -> bool:
    return at is not None and at > now + _AHEAD


def _updated(held: Row, new: Row, now: datetime) -> bool:
    """Do what follows ON CONFLICT; return whether its WHERE was true."""
    is_newer = new.submitted_at is not None and (held.submitted_at is None or new.submitted_at > held.submitted_at)
    is_older = new.submitted_at is not None and held.submitted_at is not None and new.submitted_at < held.submitted_at
    is_same = held.phone == new.phone and bool(new.phone)
    if not (held.is_unclaimed and new.phone or is_same and (is_newer or held.has_details and is_older)):
        return False
    contact = held.contacted_at
    asks_again = (
        held.status == "contacted" and is_newer
        and (contact is None or _is_future(contact, now) or new.submitted_at > contact)  # type: ignore[operator]
    )  # fmt: skip
    quote_data = merged(held, new, is_newer=is_newer) if held.has_details else new.quote_data
    if asks_again or not held.phone:
        held.arrived_at = new.arrived_at
    if is_newer and not new.set_aside:
        held.set_aside = ""
    elif not held.phone:
        held.set_aside = new.set_aside
    if is_newer:
        held.name, held.phone, held.visitor_id = new.name, new.phone, new.visitor_id
        held.submitted_at = new.submitted_at
    held.quote_data = quote_data
    if asks_again:
        held.status, held.contacted_at, held.asked_again_at = "new", None, new.submitted_at
    return True


def merged(held: Row, new: Row, *, is_newer: bool) -> dict[str, Any]:
    """Do what leads/snapshot/merge.py does."""
    newer, older = (new.quote_data, held.quote_data) if is_newer else (held.quote_data, new.quote_data)
    older_at = held.submitted_at if is_newer else new.submitted_at
    earlier = held.quote_data.get("earlier")
    earlier = list(earlier) if isinstance(earlier, list) else []
    privacy = {name: value for name, value in newer["privacy"].items() if value is not None}
    if privacy.get("notice_version") == "":
        del privacy["notice_version"]
    result = {**newer, "privacy": {**older["privacy"], **privacy}}
    at = older_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f+00:00") if older_at else None
    version = {"submitted_at": at, "customer": older["customer"], "privacy": older["privacy"]}
    is_known = any(_contains(known, version) for known in earlier)
    if newer["customer"] != older["customer"] and not is_known and len(earlier) < MOST_EARLIER:
        result["earlier"] = [*earlier, version]
    elif earlier:
        result["earlier"] = earlier
    return result


def _contains(held: Any, part: Any) -> bool:
    """Whether one JSON value contains another, as @> says."""
    if isinstance(held, dict) and isinstance(part, dict):
        return all(name in held and _contains(held[name], value) for name, value in part.items())
    return bool(held == part)
