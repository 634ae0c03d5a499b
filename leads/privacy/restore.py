"""Bring back leads from the JSON lines of `export_leads` and of `outbox export`.

It only adds rows, so doing it twice is harmless. A lead is one person's request for one quote: a row is there already
when it has the same folio and a phone that ends in the same digits.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import IO, Any, NamedTuple

from django.contrib.auth.models import User
from django.db import DatabaseError, OperationalError, connection, transaction

from leads import paging, phones
from leads.delivery import erasures
from leads.delivery.erasures import HASH
from leads.errors import error_name
from leads.models import Lead, LeadCorrection, LeadEvent
from leads.privacy import exact_json, rearrange
from leads.privacy.rearrange import Rearranging, Told

_COLUMNS = (
    "folio, name, phone, quote_data, visitor_id, created_at, submitted_at, status, contacted_at, contacted_by, notes, "
    "set_aside"
)
# The status through the table's own row type, because an adopted table may have an enum.
# They are not announced, and stand among those who wait where they stood.
_INSERT = f"""
INSERT INTO leads ({_COLUMNS}, arrived_at, alert_stage, is_first)
SELECT {
    _COLUMNS.replace(" status,", " (jsonb_populate_record(NULL::leads, jsonb_build_object('status', status))).status,")
}, coalesce(arrived_at, submitted_at, created_at), 2,
    NOT EXISTS (SELECT FROM leads WHERE leads.folio = restored.folio)
    AND row_number() OVER (PARTITION BY folio ORDER BY submitted_at NULLS LAST) = 1
FROM jsonb_to_recordset(%s::jsonb) AS restored (
    folio text, name text, phone text, quote_data jsonb, visitor_id text, created_at timestamptz,
    submitted_at timestamptz, status text, contacted_at timestamptz, contacted_by bigint, notes text,
    set_aside text, arrived_at timestamptz
)
ON CONFLICT DO NOTHING
RETURNING id, folio, phone
"""
_ERASED = f"""
SELECT folio, digits FROM unnest(%s::text[], %s::text[]) AS asked (folio, digits)
WHERE digits > '' AND EXISTS (
    SELECT FROM lead_erasures AS erased WHERE erased.folio = asked.folio AND (
        erased.person = ''
        OR erased.person = ANY (SELECT {HASH.format(key="key", phone="digits")} FROM unnest(%s::text[]) AS key)
    )
)
"""
_KNOWS_STATUSES = """
SELECT EXISTS (SELECT FROM pg_constraint WHERE conrelid = 'leads'::regclass AND conname = 'lead_status_known')
"""
_TEXTS = ("name", "phone", "visitor_id", "notes", "set_aside")
_REQUIRED = ("folio", "quote_data", "created_at")
_TIMES = ("created_at", "submitted_at", "contacted_at", "arrived_at")

Key = tuple[str, str]  # the folio, and the last digits of the phone


class Refusal(NamedTuple):
    """A line that was not restored. reason: nothing about the person."""

    line: int
    reason: str


class Restored(NamedTuple):
    """What was done with the lines so far. erased: leads whose person was erased since; they stay so.

    uncontacted: of the restored leads, those that wait again, because who contacted them has no login here.
    refused: how many lines; refusals: those of the last batch.
    """

    restored: int = 0
    present: int = 0
    erased: int = 0
    uncontacted: int = 0
    refused: int = 0
    refusals: Sequence[Refusal] = ()


class NotALead(ValueError):
    """A line is no lead of an export. The message says why, and nothing about a person."""


class _Record(NamedTuple):
    """A lead of the file. row: the columns as JSON values; seller: the user name of who contacted it."""

    line: int
    key: Key
    row: dict[str, Any]
    seller: str | None
    told: Told


def restore(file: IO[bytes], *, now: datetime, keep: bool = True) -> Iterator[Restored]:
    """Add the leads of a file that are missing, with all that was noted of them; yield what was done, batch by batch.

    keep: False changes nothing, and says what would be done.
    """
    lines, so_far, arranging = enumerate(file, start=1), Restored(), Rearranging()
    while batch := list(islice(lines, paging.PAGE)):
        with transaction.atomic():
            so_far = _restore(batch, so_far, arranging, now=now)
            transaction.set_rollback(not keep)
        yield so_far


def are_erased(keys: Sequence[Key]) -> set[Key]:
    """Return the leads whose person was erased."""
    with connection.cursor() as cursor:
        cursor.execute(_ERASED, [[folio for folio, _ in keys], [digits for _, digits in keys], erasures.keys()])
        return {(folio, digits) for folio, digits in cursor.fetchall()}


def _restore(batch: list[tuple[int, bytes]], so_far: Restored, arranging: Rearranging, *, now: datetime) -> Restored:
    records, refused = _read(batch)
    present = _present(records)
    missing = {record.key: record for record in records if record.key not in present}
    erased = are_erased(list(missing))
    wanted = [record for key, record in missing.items() if key not in erased]
    users = _users(wanted)
    uncontacted = _assign_sellers(wanted, users)
    added, failed = _insert(wanted, arranging, users)
    LeadEvent.objects.note(LeadEvent.Kind.RESTORED, list(added.values()), by=None, now=now, detail="file")
    refused += [
        Refusal(record.line, failed.get(record.key, "another person's row has this folio"))
        for record in wanted
        if record.key not in added
    ]
    return Restored(
        restored=so_far.restored + len(added),
        present=so_far.present + len(records) - len(missing),
        erased=so_far.erased + len(erased),
        uncontacted=so_far.uncontacted + len(uncontacted & added.keys()),
        refused=so_far.refused + len(refused),
        refusals=sorted(refused),
    )


def _read(batch: list[tuple[int, bytes]]) -> tuple[list[_Record], list[Refusal]]:
    records, refused = [], []
    for number, line in batch:
        if not line.strip():
            continue
        try:
            records.append(_record(number, line))
        except NotALead as error:
            refused.append(Refusal(number, str(error)))
    return records, refused


def _record(number: int, line: bytes) -> _Record:
    try:
        given = exact_json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise NotALead("it is not JSON") from None
    if not isinstance(given, dict):
        raise NotALead("it is no JSON object")
    if lacking := [name for name in _REQUIRED if given.get(name) is None]:
        raise NotALead(f"it has no {lacking[0]}")
    row = {name: given.get(name) or "" for name in _TEXTS} | {name: given.get(name) for name in (*_REQUIRED, *_TIMES)}
    row["status"] = given.get("status") or str(Lead.Status.NEW)
    if wrong := [name for name in ("folio", "status", *_TEXTS) if not _is_text(row[name])]:
        raise NotALead(f"its {wrong[0]} is no text")
    if wrong := [name for name in _TIMES if row[name] is not None and not _is_moment(row[name])]:
        raise NotALead(f"its {wrong[0]} is no time with an offset")
    seller = given.get("contacted_by")
    try:
        told = rearrange.read(given)
    except ValueError as error:
        raise NotALead(f"its {error} is not as an export has it") from None
    return _Record(number, _key(row["folio"], row["phone"]), row, seller if _is_text(seller) else None, told)


def _key(folio: str, phone: str | None) -> Key:
    return folio, phones.ending(phone or "")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and not isinstance(value, exact_json.Number)


def _is_moment(value: object) -> bool:
    try:
        return _is_text(value) and datetime.fromisoformat(str(value)).tzinfo is not None
    except ValueError:
        return False


def _present(records: Sequence[_Record]) -> set[Key]:
    """Return the keys whose rows exist. A quote without a phone exists when any row has its folio."""
    folios = [record.row["folio"] for record in records]
    rows = Lead.objects.filter(folio__in=folios).values_list("folio", "phone", "submitted_at")
    asked = {_key(folio, phone): at for folio, phone, at in rows}
    return asked.keys() | {(folio, "") for folio, _ in asked} | _corrected(records, folios, asked)


def _corrected(records: Sequence[_Record], folios: Sequence[str], asked: Mapping[Key, datetime | None]) -> set[Key]:
    """Return the keys of leads that exist with another phone, which staff corrected here, or before the file was made.

    Whoever asked for the same quote later with the wrong phone is somebody else. asked: when the rows were, by key.
    """
    here: dict[Key, list[datetime]] = {}
    standing = LeadCorrection.objects.standing().filter(folio__in=folios)
    for folio, phone, at in standing.values_list("folio", "phone", "at"):
        here.setdefault(_key(folio, phone), []).append(at)
    found = set()
    for record in records:
        of_row, of_file = (
            record.row["submitted_at"],
            [each for each in record.told.corrections if not each["taken_back_at"]],
        )
        was_sent = of_row is None or any(datetime.fromisoformat(of_row) <= at for at in here.get(record.key, ()))
        is_wrong_here = any(
            key in asked and (asked[key] is None or asked[key] <= datetime.fromisoformat(each["at"]))  # type: ignore[operator]
            for each in of_file
            if (key := _key(record.row["folio"], each["phone"]))
        )
        if (record.key in here and was_sent) or is_wrong_here:
            found.add(record.key)
    return found


def _users(records: Sequence[_Record]) -> dict[str, int]:
    """Return the ids of the staff whom the lines name and who have a login here, by user name."""
    names = {record.seller for record in records if record.seller}.union(*(record.told.users for record in records))
    return dict(User.objects.filter(username__in=names).values_list("username", "pk"))


def _assign_sellers(records: Sequence[_Record], users: Mapping[str, int]) -> set[Key]:
    """Set who contacted the leads; return those that become new again, because that user does not exist here.

    What another program marked as contacted names nobody, and stays contacted.
    """
    with connection.cursor() as cursor:
        cursor.execute(_KNOWS_STATUSES)
        (is_strict,) = cursor.fetchone()
    reset = set()
    for record in records:
        row, seller = record.row, users.get(record.seller or "")
        is_whole = (seller is not None or not record.seller) and row["contacted_at"] is not None
        if is_strict and row["status"] == Lead.Status.CONTACTED and record.seller and not is_whole:
            row["status"] = Lead.Status.NEW
            reset.add(record.key)
        is_whole = is_whole and not (is_strict and row["status"] == Lead.Status.NEW)
        row |= {"contacted_by": seller if is_whole else None}
        row |= {"contacted_at": row["contacted_at"] if is_whole else None}
    return reset


def _insert(
    records: Sequence[_Record], arranging: Rearranging, users: Mapping[str, int]
) -> tuple[dict[Key, Any], dict[Key, str]]:
    """Insert rows; return the ids of those that were added, and why Postgres refused others."""
    try:
        with transaction.atomic():
            return _insert_all(records, arranging, users), {}
    except OperationalError:
        raise
    except DatabaseError:  # one of them is refused
        pass
    added: dict[Key, Any] = {}
    failed: dict[Key, str] = {}
    for record in records:
        try:
            with transaction.atomic():
                added |= _insert_all([record], arranging, users)
        except OperationalError:
            raise
        except DatabaseError as error:
            failed[record.key] = f"Postgres refuses it ({error_name(error)})"
    return added, failed


def _insert_all(records: Sequence[_Record], arranging: Rearranging, users: Mapping[str, int]) -> dict[Key, Any]:
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [exact_json.dumps([record.row for record in records])])
        added = {_key(folio, phone): key for key, folio, phone in cursor.fetchall()}
    told = [(added[each.key], each.row["phone"], each.told) for each in records if each.key in added]
    arranging.add(told, users)
    return added
