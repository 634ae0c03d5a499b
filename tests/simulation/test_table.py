"""The simulation's model of the two statements does what the real ones do on the real Postgres, for any operations."""

import json
import os
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from leads.delivery.erasures import persons
from leads.delivery.upsert import upsert
from leads.models import Erasure, Lead, LeadEvent
from tests.simulation.table import Erasure as ModelErasure
from tests.simulation.table import Row, Table

pytestmark = pytest.mark.django_db

SEQUENCES, STEPS = int(os.environ.get("EXAMPLES", 25)) // 3, 40
BASE = datetime(2026, 11, 22, 19, 30, tzinfo=UTC)
PHONES = [f"+5265600000{n:02}" for n in range(4)]


class Pair:
    """The same rows in Postgres and in the model. prefix: of the folios of this sequence."""

    def __init__(self, chance: random.Random, prefix: str) -> None:
        self.chance, self.table = chance, Table()
        self.folios = [f"{prefix}-{n}" for n in range(3)]

    def arrive(self) -> None:
        """Leads arrive, some of them for the second time; the relay or somebody else writes them."""
        chosen = self.chance.sample(self.folios, self.chance.randint(1, len(self.folios)))
        records = [self.record(folio) for folio in chosen]
        is_quick, now = self.chance.random() < 0.6, timezone.now()
        upsert([json.dumps(record).encode() for record in records], is_quick=is_quick)
        if not is_quick or self.table.insert(records, now=now) < len(records):
            self.table.upsert(records, now=now)

    def record(self, folio: str) -> dict[str, Any]:
        chance = self.chance
        phone = chance.choice(["", *PHONES, *PHONES])
        name = chance.choice(["Ana", "Luis", "Eva"]) if phone else ""
        at = BASE + timedelta(minutes=chance.randint(0, 9))
        if chance.random() < 0.1:
            at = timezone.now() + timedelta(days=1)
        privacy = {
            "accepted_at": chance.choice([None, "2026-01-01T00:00:00+00:00"]),
            "notice_version": chance.choice(["", "1", "2"]),
        }
        data = {"customer": {"name": name, "phone": phone}, "privacy": privacy, "flags": chance.choice([[], ["late"]])}
        arrived_at = chance.choice([None, BASE, timezone.now() + timedelta(hours=1)])
        return {
            "folio": folio, "name": name, "phone": phone, "quote_data": data, "visitor_id": chance.choice(["", "v"]),
            "created_at": BASE.isoformat(), "submitted_at": at.isoformat() if phone else None,
            "arrived_at": arrived_at.isoformat() if arrived_at else None,
            "set_aside": chance.choice(["", "", "honeypot"]) if phone else "",
        }  # fmt: skip

    def contact(self) -> None:
        """Staff contact somebody, perhaps while the site's clock is ahead."""
        if (row := self.any_row()) and (row.phone or row.is_first):
            at = BASE + timedelta(minutes=self.chance.choice([3, 60 * 24 * 365]))
            Lead.objects.filter(folio=row.folio, phone=row.phone, is_first=row.is_first).update(
                status="contacted", contacted_at=at
            )
            self.table.contact(row, at)

    def erase(self) -> None:
        """A person is erased, as leads/privacy/anonymise.py does it."""
        row = self.any_row()
        if row is None or row.submitted_at is None or not row.phone:
            return
        at = BASE + timedelta(minutes=self.chance.randint(0, 12))
        is_of_all = self.chance.random() < 0.2  # as earlier releases noted it
        person = "" if is_of_all else persons(row.phone)[0]
        Erasure.objects.update_or_create(folio=row.folio, person=person, defaults={"at": at})
        known = self.table.erasures
        known[:] = [
            each for each in known if (each.folio, each.person) != (row.folio, "" if is_of_all else row.phone[-10:])
        ]
        known.append(ModelErasure(row.folio, at, "" if is_of_all else row.phone[-10:]))
        gone_at = max(at, row.submitted_at)
        changes = {"name": "", "phone": "", "visitor_id": "", "quote_data": {"flags": []}, "submitted_at": gone_at}
        Lead.objects.filter(folio=row.folio, phone=row.phone).update(**changes)
        for name, value in changes.items():
            setattr(row, name, value)

    def any_row(self) -> Row | None:
        rows = [row for rows in self.table.rows.values() for row in rows]
        return self.chance.choice(rows) if rows else None

    def in_postgres(self) -> tuple[list[Any], list[Any]]:
        leads = Lead.objects.filter(folio__in=self.folios)
        events = LeadEvent.objects.filter(lead__in=leads, kind="asked_again").select_related("lead")
        return (
            sorted(repr(described(lead)) for lead in leads),
            sorted(repr((event.lead.folio, when(event.at))) for event in events),
        )

    def in_the_model(self) -> tuple[list[Any], list[Any]]:
        rows = [row for rows in self.table.rows.values() for row in rows]
        return (
            sorted(repr(described(row)) for row in rows),
            sorted(repr((folio, when(at))) for folio, _, at in self.table.events),
        )


def described(row: Any) -> dict[str, Any]:
    texts = ("folio", "name", "phone", "visitor_id", "set_aside", "is_first", "status")
    times = ("created_at", "submitted_at", "arrived_at", "contacted_at", "asked_again_at")
    data = dict(row.quote_data)
    if "earlier" in data:
        data["earlier"] = [{**each, "submitted_at": when(each["submitted_at"])} for each in data["earlier"]]
    return {
        **{name: getattr(row, name) for name in texts},
        **{name: when(getattr(row, name)) for name in times},
        "quote_data": json.dumps(data, sort_keys=True),
    }


def when(at: datetime | str | None) -> str:
    """Return a time, or "now" for one that was taken from a clock, which is another in Postgres than here."""
    at = datetime.fromisoformat(at) if isinstance(at, str) else at
    if at is None:
        return ""
    return "now" if abs(at - timezone.now()) < timedelta(minutes=10) else at.isoformat()


@pytest.mark.parametrize("seed", range(SEQUENCES))
def test_the_model_has_the_same_rows_as_postgres_after_any_operations(seed):
    pair = Pair(random.Random(seed), f"M{seed}")
    for _ in range(STEPS):
        act = pair.chance.choices([pair.arrive, pair.contact, pair.erase], [12, 2, 1])[0]
        act()
        for mine, real in zip(pair.in_the_model(), pair.in_postgres(), strict=True):
            assert [each for each in mine if each not in real] == [each for each in real if each not in mine]
            assert mine == real
