"""Give a database back the leads that it has forgotten, from the journals that this machine keeps.

A restored backup lacks what came after it, and a replica that was promoted what had not reached it. No row that exists
loses anything: what is missing is added, and newer details of a person win, as when they were delivered. Whoever was
erased stays so. Done twice, it is the same.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import DatabaseError, OperationalError, connection

from leads import phones, snapshot
from leads.delivery.journal import kept
from leads.delivery.journal.segment import Item
from leads.delivery.upsert import upsert
from leads.errors import error_name
from leads.models import Lead, LeadEvent
from leads.privacy.forgotten import deleted

_BATCH = 500
# Of a lead that came longer ago staff were told before the database forgot it.
ANNOUNCED_AFTER = timedelta(hours=1)
# The rows of folios, and for each phone that staff corrected, the row by the wrong one, with which the customer came.
# Arrays, because psycopg looks for placeholders in what Django makes of a list, which took half of the time.
_ROWS = """
SELECT id, folio, coalesce(phone, '') AS came_with, coalesce(phone, '') AS phone, submitted_at, false AS is_corrected
FROM leads WHERE folio = ANY(%(folios)s)
UNION ALL
SELECT own.id, known.folio, known.phone, own.phone, own.submitted_at, true
FROM lead_corrections AS known JOIN leads AS own ON own.id = known.lead_id
WHERE known.folio = ANY(%(folios)s) AND known.taken_back_at IS NULL AND known.phone <> known.new_phone
ORDER BY is_corrected DESC
"""
_TOLD = "UPDATE leads SET alert_stage = 2 WHERE id = ANY(%s) AND alert_stage < 2 AND arrived_at < %s"

Key = tuple[str, str]  # the folio, and the last digits of the phone


class Refusal(NamedTuple):
    """A lead that Postgres refused. reason: nothing about the person."""

    folio: str
    reason: str


class Replayed(NamedTuple):
    """What was done so far.

    read: records; restored: leads and quotes that were missing; updated: those that had older details;
    erased: leads whose person was erased since, and stays so; refused: leads that Postgres refuses; locked: records of
    which no key is in use; refusals: those since the last time this was yielded. fraction: from 0 to 1.
    """

    read: int = 0
    restored: int = 0
    updated: int = 0
    erased: int = 0
    refused: int = 0
    locked: int = 0
    refusals: Sequence[Refusal] = ()
    fraction: float = 0.0


class _Record(NamedTuple):
    """A record of the journal. key: of its row; submitted_at: None of a quote that nobody asked for."""

    key: Key
    phone: str
    text: bytes
    value: dict[str, Any]
    submitted_at: datetime | None


class _Row(NamedTuple):
    id: Any
    phone: str
    submitted_at: datetime | None


def replay(
    directories: Sequence[Any],
    *,
    now: datetime,
    since: datetime | None = None,
    only: Callable[[Item], bool] = lambda item: True,
) -> Iterator[Replayed]:
    """Write the leads of the kept journals that are missing; yield what was done, batch by batch, in constant memory.

    since: leave out what was journaled before; only: leave out the records for which it returns False.
    """
    so_far, batch = Replayed(), list[Item]()
    for record, fraction in kept.delivered(directories, since=since.timestamp() if since else 0.0):
        if isinstance(record, Item) and only(record):
            batch.append(record)
        elif record and not isinstance(record, Item):
            so_far = so_far._replace(locked=so_far.locked + 1)
        if len(batch) == _BATCH:
            so_far = _replay(batch, so_far, now=now)._replace(fraction=fraction)
            batch = []
            yield so_far
    yield _replay(batch, so_far, now=now)._replace(fraction=1.0)


def _replay(batch: Sequence[Item], so_far: Replayed, *, now: datetime) -> Replayed:
    """Write what is missing of some records, and newer details.

    1. Read the rows of their folios, and leave out what the table has.
    2. Write the rest. Postgres leaves out who was erased.
    3. Read the rows again: what is still missing was erased or refused.
    """
    records = _without_claimed_quotes([record for item in batch if (record := _read(item))])
    before = _rows_of(records)
    lacking = [record for record in records if _is_wanted(record, before)]
    # Postgres leaves out people who were erased, and not quotes that nobody asked for.
    gone = deleted([record.key[0] for record in lacking if not record.phone])
    wanted = _without_the_same([each for each in lacking if each.phone or each.key[0] not in gone], before)
    refusals = _write(wanted)
    after = _rows_of(wanted)
    missing = {record.key for record in wanted} - before.keys()
    back = missing & after.keys()
    refused = {refusal.folio for refusal in refusals}
    if people := [after[key].id for key in back if key[1]]:
        _note(people, now=now)
    return so_far._replace(
        read=so_far.read + len(batch),
        restored=so_far.restored + len(back),
        updated=so_far.updated + sum(record.key in before and record.key[0] not in refused for record in wanted),
        erased=so_far.erased + sum(folio not in refused for folio, _ in missing - back) + len(gone),
        refused=so_far.refused + len(refusals),
        refusals=refusals,
    )


def _read(item: Item) -> _Record | None:
    value = snapshot.loads(item.text)
    read = snapshot.journal_record(value)
    if not isinstance(value, dict) or not read.folio:
        return None
    return _Record((read.folio, phones.ending(read.phone)), read.phone, item.text, value, _moment(value))


def _moment(value: dict[str, Any]) -> datetime | None:
    with suppress(TypeError, ValueError):
        return datetime.fromisoformat(value["submitted_at"])
    return None


def _without_claimed_quotes(records: Sequence[_Record]) -> list[_Record]:
    """Leave out the quotes of which a person's record comes with them: it has the quote as well."""
    claimed = {record.value["folio"] for record in records if record.phone}
    return [record for record in records if record.phone or record.key[0] not in claimed]


def _rows_of(records: Sequence[_Record]) -> dict[Key, _Row]:
    """Return the rows of these records' folios; each folio also has a row without a phone, as a quote has."""
    found: dict[Key, _Row] = {}
    with connection.cursor() as cursor:
        cursor.execute(_ROWS, {"folios": list({record.key[0] for record in records})})
        for pk, folio, came_with, phone, at, is_corrected in cursor:
            row = found[folio, phones.ending(came_with)] = _Row(pk, phone, at)
            if not is_corrected:
                found.setdefault((folio, ""), row)
    return found


def _is_wanted(record: _Record, rows: dict[Key, _Row]) -> bool:
    row = rows.get(record.key)
    if row is None or not record.phone or record.submitted_at is None:
        return row is None
    # A phone that is written in another way would be another row.
    return row.phone == record.phone and (row.submitted_at is None or record.submitted_at > row.submitted_at)


def _without_the_same(records: Sequence[_Record], rows: dict[Key, _Row]) -> list[_Record]:
    """Leave out what the rows have already, though with an earlier time: it came while the site's clock was ahead."""
    ids = {record.key: rows[record.key].id for record in records if record.key in rows}
    stored = {
        pk: snapshot.read(data)
        for pk, data in Lead.objects.filter(pk__in=ids.values()).values_list("pk", snapshot.COLUMN)
    }
    return [record for record in records if record.key not in ids or not _is_same(record, stored.get(ids[record.key]))]


def _is_same(record: _Record, stored: snapshot.Snapshot | None) -> bool:
    arrived = snapshot.journal_record(record.value).snapshot
    if stored is None or arrived.privacy.accepted_at is None:
        return False
    return (arrived.privacy, arrived.customer) == (stored.privacy, stored.customer)


def _write(records: Sequence[_Record]) -> list[Refusal]:
    """Write records, each folio at most once in a statement, and one by one where Postgres refuses one of them."""
    refusals, left = list[Refusal](), list(records)
    while left:
        first = {record.key[0]: record for record in reversed(left)}
        chosen = list(first.values())
        try:
            upsert([record.text for record in chosen], is_quick=True)
        except OperationalError:
            raise
        except DatabaseError:
            refusals += [refusal for record in chosen if (refusal := _written_alone(record))]
        left = [record for record in left if first[record.key[0]] is not record]
    return refusals


def _written_alone(record: _Record) -> Refusal | None:
    try:
        upsert([record.text])
    except OperationalError:
        raise
    except DatabaseError as error:
        return Refusal(record.key[0], f"Postgres refuses it ({error_name(error)})")
    return None


def _note(ids: Sequence[Any], *, now: datetime) -> None:
    LeadEvent.objects.note(LeadEvent.Kind.RESTORED, ids, by=None, now=now, detail="journal")
    with connection.cursor() as cursor:
        cursor.execute(_TOLD, [list(ids), now - ANNOUNCED_AFTER])
