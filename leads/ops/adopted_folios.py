"""Gives folios to the leads of an adopted table, in batches: those that their customers have, or new ones."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.management.base import OutputWrapper
from django.db import connections, transaction

from leads import snapshot
from leads.ops.adoption import TABLE, columns_of, count_of, rows_of, table_exists
from leads.ops.progress import Progress
from quoter.engine import folio

BATCH = 2000

_TRIGGERS = """
SELECT quote_ident(tgname), tgenabled::text FROM pg_trigger
WHERE tgrelid = to_regclass(%s) AND NOT tgisinternal AND tgenabled IN ('O', 'A') AND tgtype & 16 > 0
"""


def fill_folios(using: str, *, out: OutputWrapper) -> str | None:
    """Give a folio to every lead that has none; return a sentence on what was done, or None when nothing was.

    A lead gets what its quote_data calls its folio, or a new one when that is missing or another lead has it. Each
    batch is its own transaction, so other writers never wait long, and a second run goes on where the first was
    stopped.
    """
    if not table_exists(using) or not (column := columns_of(using).get("folio")) or column.is_required:
        return None
    total = count_of(using, "folio IS NULL")
    if not total:
        return None
    kept = minted = 0
    with Progress("leads with a folio", out) as progress:
        # Repeated, because other programs may have added leads with smaller keys meanwhile.
        while True:
            before = kept + minted
            for more_kept, more_minted in _filled(using):
                kept, minted = kept + more_kept, minted + more_minted
                progress.show(kept + minted, min(1.0, (kept + minted) / total))
            if kept + minted == before:
                return f"Folios: {kept:,} taken from quote_data, {minted:,} new."


def _filled(using: str) -> Iterator[tuple[int, int]]:
    """Fill in folios in the order of the keys; yield for each batch how many are from quote_data, and how many new."""
    key_type, last = columns_of(using)["id"].type, None
    while True:
        with transaction.atomic(using=using), triggers_disabled(using):
            batch = rows_of(
                using,
                f"SELECT id, quote_data::text, created_at FROM {TABLE} WHERE folio IS NULL "
                f"AND (%s::{key_type} IS NULL OR id > %s::{key_type}) ORDER BY id LIMIT %s FOR UPDATE",
                [last, last, BATCH],
            )
            if not batch:
                return
            folios, kept = _assigned(using, batch)
            with connections[using].cursor() as cursor:
                cursor.execute(
                    f"UPDATE {TABLE} SET folio = given.folio "
                    f"FROM unnest(%s::{key_type}[], %s::text[]) AS given (id, folio) WHERE {TABLE}.id = given.id",
                    [[row[0] for row in batch], folios],
                )
        last = batch[-1][0]
        yield kept, len(batch) - kept


def _assigned(using: str, batch: list[tuple[Any, ...]]) -> tuple[list[str], int]:
    """Return a folio for each row, and how many of them come from quote_data."""
    zone = ZoneInfo(settings.TIME_ZONE)
    wanted = [snapshot.folio_of(snapshot.loads(data)) if data else "" for _, data, _ in batch]
    minted = [_mint(created_at.astimezone(zone).date()) for _, _, created_at in batch]
    looked_up = [*filter(None, wanted), *minted]
    taken = {name for (name,) in rows_of(using, f"SELECT folio FROM {TABLE} WHERE folio = ANY (%s)", [looked_up])}
    folios, kept = [], 0
    for (_, _, created_at), own, new in zip(batch, wanted, minted, strict=True):
        is_free = own and own not in taken
        while not is_free and new in taken:
            new = _mint(created_at.astimezone(zone).date())
        kept += bool(is_free)
        folios.append(own if is_free else new)
        taken.add(folios[-1])
    return folios, kept


def _mint(on: date) -> str:
    return folio.mint(on, random_bits=secrets.randbits(folio.RANDOM_BITS))


@contextmanager
def triggers_disabled(using: str) -> Iterator[None]:
    """Disable the table's own triggers, which would set an updated_at or notify others of every row.

    Other writers wait for the end of the transaction, so no trigger misses their rows.
    """
    triggers = rows_of(using, _TRIGGERS, [TABLE])
    with connections[using].cursor() as cursor:
        for name, _ in triggers:
            cursor.execute(f"ALTER TABLE {TABLE} DISABLE TRIGGER {name}")
        yield
        for name, state in triggers:
            always = "ALWAYS " if state == "A" else ""
            cursor.execute(f"ALTER TABLE {TABLE} ENABLE {always}TRIGGER {name}")
