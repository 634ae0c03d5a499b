"""Carry erasures over a restored backup, which brings back everybody who was erased after it was made.

The list has for each erasure the folio, the time, and a hash that nobody can test phones against without SECRET_KEY. It
names nobody, so it may be kept for longer than a backup.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime

from django.db import connection

from leads.delivery.erasures import IS_ERASED, joined_keys
from leads.models import Lead
from leads.paging import pages
from leads.privacy.anonymise import anonymise

_LIST = "SELECT folio, person, to_json(at)::text FROM lead_erasures ORDER BY at, folio, person"
_ADD = """
INSERT INTO lead_erasures (folio, person, at)
SELECT folio, person, max(at) FROM jsonb_to_recordset(%s::jsonb) AS listed (folio text, person text, at timestamptz)
GROUP BY folio, person
ON CONFLICT (folio, person) DO UPDATE SET at = greatest(excluded.at, lead_erasures.at)
"""
_BACK = f"SELECT id FROM leads AS a WHERE id = ANY(%s) AND phone > '' AND {IS_ERASED.replace('$2', '%s')}"


class NotAList(ValueError):
    """The file is not one of `listed`. The message names the line."""


def listed() -> Iterator[str]:
    """Yield a line of JSON for each erasure, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(_LIST)
        for folio, person, at in cursor:
            yield json.dumps({"folio": folio, "person": person, "at": json.loads(at)})


def add(lines: Iterable[str]) -> int:
    """Add the erasures of a list to the database's; return how many the list has. Done twice, it is the same.

    NotAList, with nothing changed, for any other file.
    """
    read = []
    for number, line in enumerate(lines, start=1):
        try:
            erasure = json.loads(line)
            read.append(
                {"folio": str(erasure["folio"]), "person": str(erasure["person"]), "at": _moment(erasure["at"])}
            )
        except (ValueError, TypeError, LookupError):
            raise NotAList(f"line {number} is no erasure") from None
    with connection.cursor() as cursor:
        cursor.execute(_ADD, [json.dumps(read)])
    return len(read)


def erase_again(*, now: datetime) -> Iterator[tuple[int, float]]:
    """Remove every erased person who is in `leads` again, a page at a time; yield how many so far, and the progress.

    Whoever asked again after the erasure stays.
    """
    erased = 0
    for page in pages(Lead.objects.all()):
        with connection.cursor() as cursor:
            cursor.execute(_BACK, [list(page.leads.values_list("pk", flat=True)), joined_keys()])
            back = [pk for (pk,) in cursor.fetchall()]
        erased += anonymise(back, by=None, now=now, detail="request")
        yield erased, page.fraction


def _moment(text: str) -> str:
    return datetime.fromisoformat(text).isoformat()
