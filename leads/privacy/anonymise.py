"""Remove the person from a lead. The folio, the amounts and the events stay."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.contrib.auth.models import User
from django.db import OperationalError, connection

from leads import paging, snapshot
from leads.customer.matching import PhoneKey
from leads.delivery import erasures
from leads.delivery.erasures import HASH
from leads.delivery.journal.segment import Item
from leads.models import LeadEvent
from leads.privacy import columns, exact_json, foreign

_SEEN = "md5(jsonb_build_array(name, phone, visitor_id, notes, leads.quote_data::text)::text)"
# What a row says of its person. `others` are the columns of other programs, which may have more names of that person.
_READ = f"""
SELECT id, name, phone, visitor_id, notes, quote_data::text, {{others}}, {_SEEN},
    EXISTS (SELECT FROM lead_notes WHERE lead_id = leads.id),
    (SELECT jsonb_agg(jsonb_build_object(
        'name', known.name, 'phone', known.phone, 'new_name', known.new_name, 'new_phone', known.new_phone
    )) FROM lead_corrections AS known WHERE lead_id = leads.id)::text
FROM leads WHERE id = ANY(%s)
"""

# One statement, so that no row is changed without its event. A row that was changed since it was read is left for the
# next attempt. The comparison is with the columns of `leads` itself, so Postgres repeats it when it had to wait for
# another writer.
#
# Postgres's time, if this machine's clock is ahead: else whoever asks again before that time would count as erased.
_NOW = "least(%(now)s::timestamptz, clock_timestamp())"

# The erasure keeps a journal that is delivered late, or a link from a chat, from bringing the person back, also by a
# phone that staff corrected; a new checkout does. submitted_at is set to now, which marks the row as one whose person
# was erased: nobody else gets it. What staff arranged with a person goes with the last lead of theirs.
_KEY = PhoneKey.template % {"expressions": "phone"}
_ANONYMISE = f"""
WITH remembered AS (
    INSERT INTO lead_erasures (folio, person, at)
    SELECT DISTINCT folio, {HASH.format(key="%(key)s::text", phone="phone")}, {_NOW}
    FROM (
        SELECT id, folio, phone FROM leads
        UNION SELECT lead_id, folio, phone FROM lead_corrections
    ) AS known WHERE id = ANY(%(ids)s) AND phone > '' AND folio IS NOT NULL
    ON CONFLICT (folio, person) DO UPDATE SET at = greatest(excluded.at, lead_erasures.at)
), noted AS (
    DELETE FROM lead_notes WHERE lead_id = ANY(%(ids)s)
), uncorrected AS (
    DELETE FROM lead_corrections WHERE lead_id = ANY(%(ids)s)
), forgotten AS (
    DELETE FROM lead_follow_ups AS known
    WHERE key IN (SELECT {_KEY} FROM leads WHERE id = ANY(%(ids)s) AND phone > '')
    AND NOT EXISTS (SELECT FROM leads WHERE {_KEY} = known.key AND id <> ALL(%(ids)s))
    RETURNING key
), alone AS (
    UPDATE lead_follow_ups SET joined_to = '' WHERE joined_to IN (SELECT key FROM forgotten)
    AND key NOT IN (SELECT key FROM forgotten)
), gone AS (
    UPDATE leads SET
        name = '',
        phone = '',
        visitor_id = '',
        notes = '',
        quote_data = kept.quote_data::jsonb,
        submitted_at = CASE WHEN submitted_at IS NOT NULL THEN greatest(submitted_at, %(now)s) END
    FROM unnest(%(ids)s) WITH ORDINALITY AS listed (id, place)
    JOIN ROWS FROM (
        jsonb_to_recordset(%(rows)s::jsonb) AS (seen text, quote_data text)
    ) WITH ORDINALITY AS kept (seen, quote_data, place) USING (place)
    WHERE leads.id = listed.id AND {_SEEN} = kept.seen
    RETURNING leads.id
)
INSERT INTO lead_events (lead_id, at, actor_id, kind, detail)
SELECT id, %(now)s, %(by)s, %(kind)s, %(detail)s FROM gone
"""
_ATTEMPTS = 10


class _Row(NamedTuple):
    """A row with a person, as it was read. kept: the JSON text of `quote_data` without the person."""

    id: Any
    seen: str
    kept: str | None


def anonymise(lead_ids: Sequence[Any], *, by: User | None, now: datetime, detail: str) -> int:
    """Remove the person from leads, and add an event to each; return how many leads had a person.

    detail: of the event, the reason; nothing about the person. OperationalError when other programs change the rows
    again and again.
    """
    return sum(
        _anonymise_page(lead_ids[start : start + paging.PAGE], by=by, now=now, detail=detail)
        for start in range(0, len(lead_ids), paging.PAGE)
    )


def without_person(record: object) -> dict[str, Any]:
    """Return a journal's record without its person, as `anonymise` leaves a row; {} when it is no JSON object."""
    if not isinstance(record, dict):
        return {}
    quote = snapshot.without_person(record.get("quote_data"))
    return {**record, "name": "", "phone": "", "visitor_id": "", "quote_data": quote}


def item_without_person(item: Item) -> bytes:
    """Return the text of a journal's item without its person."""
    return exact_json.dumps(without_person(exact_json.loads(item.text.decode()))).encode()


def _anonymise_page(lead_ids: Sequence[Any], *, by: User | None, now: datetime, detail: str) -> int:
    changed = 0
    for _attempt in range(_ATTEMPTS):
        rows = list(_rows_with_person(lead_ids))
        if not rows:
            return changed
        with connection.cursor() as cursor:
            cursor.execute(
                _ANONYMISE,
                {
                    "key": erasures.keys()[0],
                    "ids": [row.id for row in rows],
                    "rows": json.dumps([{"seen": row.seen, "quote_data": row.kept} for row in rows]),
                    "now": now,
                    "by": by.pk if by else None,
                    "kind": LeadEvent.Kind.ANONYMISED,
                    "detail": detail,
                },
            )
            changed += int(cursor.rowcount)
            if cursor.rowcount == len(rows):
                return changed
    raise OperationalError("other programs change these leads all the time")


def _rows_with_person(lead_ids: Sequence[Any]) -> Iterator[_Row]:
    """Yield the rows that still have a person."""
    others = ", ".join(f"leads.{connection.ops.quote_name(name)}" for name in columns.of_others())
    said = f"(SELECT row_to_json(said) FROM (SELECT {others}) AS said)::text" if others else "'{}'"
    with connection.cursor() as cursor:
        cursor.execute(_READ.format(others=said.replace("%", "%%")), [list(lead_ids)])
        found = cursor.fetchall()
    for key, name, phone, visitor, notes, quote, beside, seen, has_notes, corrected in found:
        # Another program's quote may name the person as they were before they were corrected.
        also = [json.loads(beside), json.loads(corrected or "[]")]
        stored, kept = _kept(quote, foreign.Person(name or "", phone or "", visitor or "", also))
        if has_notes or corrected or stored != kept or (name, phone, visitor, notes) != ("", "", "", ""):
            yield _Row(key, seen, None if quote is None else exact_json.dumps(kept))


def _kept(text: str | None, person: foreign.Person) -> tuple[Any, Any]:
    """Return a stored quote, and what stays of it. text: its JSON."""
    try:
        stored = exact_json.loads(text or "null")
        kept = foreign.without_person(stored, person) if _is_foreign(text) else snapshot.without_person(stored)
    except (ValueError, RecursionError):  # nobody can read it, so nobody knows whom it names
        return text, {}
    return stored, kept


def _is_foreign(text: str | None) -> bool:
    try:
        snapshot.parse_quote(snapshot.loads(text or "null"))
    except snapshot.NotAQuote:
        return True
    return False
