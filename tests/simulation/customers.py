"""What customers send, and what each was answered."""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

LATE = "late"


@dataclass(eq=False)
class Submission:
    """One request. outcome: "" as long as nobody has answered it; process: which one serves it."""

    folio: str
    phone: str  # "" for a quote that nobody has asked for yet
    name: str
    submitted_at: datetime | None
    outcome: str = ""
    process: Any = None


@dataclass
class Customers:
    """Makes requests, and keeps them by folio."""

    random: random.Random
    by_folio: dict[str, list[Submission]] = field(default_factory=dict)
    answered: int = 0
    _folios: list[str] = field(default_factory=list)
    _count: int = 0

    def next(self, now: float) -> Submission:
        """Return the next request. now: the site's wall clock.

        Two of three are the first checkout of a quote; the others are quotes without a person, the same person again
        with another name, another person for the same quote, and a request that a device has kept for a while.
        """
        self._count += 1
        kind = self.random.random()
        at: datetime | None = datetime.fromtimestamp(now, UTC)
        name, phone = f"Name {self._count}", f"+52656{self._count:07}"
        if kind < 0.12 or not self._folios:
            return self._made(self._new_folio(), "", "", None)
        if kind < 0.45:
            return self._made(self._new_folio(), phone, name, at)
        folio = self._folios[-1 - int(min(self.random.expovariate(0.2), len(self._folios) - 1))]
        known = [sent for sent in self.by_folio[folio] if sent.phone]
        if known and kind < 0.7:
            phone = self.random.choice(known).phone
            if kind < 0.5:
                assert at is not None
                at -= timedelta(seconds=self.random.expovariate(0.1))
        return self._made(folio, phone, name, at)

    def _new_folio(self) -> str:
        folio = f"F{self._count:06}"
        self._folios.append(folio)
        return folio

    def _made(self, folio: str, phone: str, name: str, at: datetime | None) -> Submission:
        submission = Submission(folio, phone, name, at)
        self.by_folio.setdefault(folio, []).append(submission)
        return submission


def lead(sent: Submission, now: float, record: Any) -> Any:
    """Return the record of a request. record: the class LeadRecord."""
    arrived_at = datetime.fromtimestamp(now, UTC).isoformat()
    return record(
        folio=sent.folio,
        name=sent.name,
        phone=sent.phone,
        quote=b'{"folio":"%s"}' % sent.folio.encode(),
        about={
            "customer": {"name": sent.name, "phone": sent.phone, "phone_raw": sent.phone},
            "privacy": {"accepted_at": None, "marketing_accepted_at": None, "notice_version": ""},
            "flags": [],
        },
        visitor_id="",
        created_at=arrived_at,
        submitted_at=sent.submitted_at.isoformat() if sent.submitted_at else None,
        arrived_at=arrived_at,
    )
