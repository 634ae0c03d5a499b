"""What the list shows of each person or lead: the content of its rows."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.utils.timesince import timesince
from django.utils.timezone import localtime
from django.utils.translation import gettext

from leads import phones
from leads.business_hours import Urgency, urgency
from leads.customer.answers import in_words
from leads.customer.matching import ComputedPhoneKey
from leads.inbox import flags, greeting, notes
from leads.inbox.person import steps
from leads.inbox.person.follow_ups import AFTER_EXPIRY, BEFORE_EXPIRY
from leads.models import BY_STAFF, Absence, FollowUp, Lead, LeadOutcome
from leads.snapshot import Snapshot
from quoter import site
from quoter.shop.values import shop

MOST_PEOPLE = 10
# Of all people of a page, so many leads are counted and read for notes; a flood of one phone has more.
MOST_LEADS = 5_000


@dataclass(frozen=True, slots=True)
class LeadRow:
    """What the list shows of a person, by their newest lead in it, or of one lead.

    stored: its quote; since: when the person asked who waits, else when the lead was asked for; age: the time since, in
    words; urgency: an `Urgency`, "" when nobody waits; quotes: how many leads the person has; number: the phone's
    digits with the country code, "" without a phone; doubt: of `flags.doubt`; flags: labels of the lead's flags;
    corrected: the person's leads with another phone, the newest first; people: the other people who asked for the same
    quote; note: the beginning of the person's newest note; answers: to what was asked at checkout, each with its label;
    follow_up: what staff arranged with the person; outcome: what became of them; now: when the row was made.
    """

    lead: Lead
    stored: Snapshot
    since: datetime
    age: str
    urgency: str
    quotes: int
    number: str
    doubt: tuple[str, str] | None
    flags: tuple[Any, ...]
    corrected: tuple[Lead, ...]
    people: tuple[Lead, ...]
    note: str
    answers: tuple[tuple[str, str], ...]
    follow_up: FollowUp | None
    outcome: LeadOutcome | None
    now: datetime

    @property
    def state(self) -> str:
        return state_of(self.lead)

    @property
    def key(self) -> str:
        return str(self.lead.pk)

    @property
    def folio(self) -> str:
        return str(self.lead)

    @property
    def shown(self) -> str:
        """What a screen reader says after the name of a button."""
        return self.lead.name or self.folio

    @property
    def amount(self) -> str:
        return "" if self.stored.total is None else str(self.stored.total)

    @property
    def readable(self) -> str:
        """The phone, grouped, without the country code of the shop's own country."""
        return phones.readable_at(self.number, shop=shop.WHATSAPP_NUMBER)

    @property
    def since_iso(self) -> str:
        return localtime(self.since).isoformat()

    @property
    def is_expired(self) -> bool:
        """Whether the total is not promised any more, and nobody has bought or gone for it."""
        return greeting.is_expired(self.stored, self.now) and self.outcome is None and not self.lead.set_aside

    @property
    def item(self) -> str:
        """The first line of the quote."""
        return str(self.stored.lines[0]) if self.stored.lines else ""

    @property
    def has_more(self) -> bool:
        """Whether there is anything to say besides what they ask for."""
        return bool(self.note or self.corrected or self.people or self.stored.source or self.stored.seller)

    @property
    def more(self) -> int:
        """How many lines there are besides the first."""
        return max(0, len(self.stored.lines) - 1)

    @property
    def code(self) -> str:
        """The end of the folio, which people read aloud."""
        return "-".join(str(self.lead).split("-")[-2:])

    @property
    def is_joined(self) -> bool:
        """Whether staff or the customer joined this phone to another one."""
        return self.follow_up is not None and self.follow_up.key != phones.key(self.lead.phone)

    @property
    def folio_start(self) -> str:
        return str(self.lead).removesuffix(self.code)

    @property
    def colleague(self) -> User | None:
        """Who has the person, as long as something is open with them."""
        return self.follow_up.seller if self.follow_up and self.follow_up.is_open else None

    @property
    def away_text(self) -> str:
        """Until when the colleague who has the person is away; "" for one who is here."""
        absence: Absence | None = getattr(self.colleague, "absence", None)
        is_away = absence is not None and absence.covers(self.now.astimezone(site.zone()).date())
        return steps.away_until(absence) if absence and is_away else ""

    @property
    def answered_text(self) -> str:
        """When the lead was answered: today 13:30, 12 Dec 9:00; "" as long as it waits."""
        at = self.lead.contacted_at
        return steps.in_words(at, self.now, site.zone()) if at else ""

    @property
    def is_overdue(self) -> bool:
        return bool(self.step and self.step.step_at and self.step.step_at < self.now)

    @property
    def step(self) -> FollowUp | None:
        return self.follow_up if self.follow_up and self.follow_up.is_open and self.follow_up.step_at else None

    @property
    def step_text(self) -> str:
        """When the next step is, and what: Monday 9:00 · call."""
        if self.step is None or self.step.step_at is None:
            return ""
        return " · ".join(filter(None, (steps.in_words(self.step.step_at, self.now, site.zone()), self.step.step)))

    @property
    def expires_text(self) -> str:
        """That the quote of a person without a next step is about to expire, or has expired."""
        until = self.follow_up.expires_at if self.follow_up and self.follow_up.is_open else None
        if until is None or not self.now - AFTER_EXPIRY < until < self.now + BEFORE_EXPIRY + timedelta(days=1):
            return ""
        said = gettext("expired {day}") if until < self.now else gettext("expires {day}")
        return said.format(day=steps.short_day(localtime(until)))


def rows(leads: list[Lead], *, now: datetime, since: Mapping[Any, datetime] | None = None) -> Iterator[LeadRow]:
    """Yield the row of each lead, in five queries for any number of them, and six where phones are joined.

    since: by key, when the person of a lead began to wait, if that was with an earlier lead. The same person's other
    phones are at most MOST_PEOPLE, as are other people.
    """
    numbers = {phones.key(lead.phone) for lead in leads if lead.phone} - {""}
    arranged = FollowUp.objects.of_numbers(numbers) if numbers else {}
    people = {number: arranged[number].key if number in arranged else number for number in numbers}
    of_phones = {**{key: key for key in people.values()}, **{phone: each.key for phone, each in arranged.items()}}
    theirs = _leads_of_people(of_phones)
    counts = Counter(theirs.values())
    outcomes = _outcomes(theirs, arranged)
    noted = notes.newest(leads, theirs)
    of_quotes = _leads_of_quotes({lead.folio for lead in leads if lead.phone})
    for lead in leads:
        stored = lead.snapshot
        number = phones.key(lead.phone or "")
        person = people.get(number, number)
        others = [other for other in of_quotes.get(lead.folio, ()) if other.pk != lead.pk]
        written = (lead.phone, stored.customer.phone_raw) if lead.phone else None
        begun = (since or {}).get(lead.pk, lead.asked_at)
        yield LeadRow(
            lead=lead,
            stored=stored,
            since=begun,
            age=timesince(begun, now, depth=1),
            urgency=urgency_of(begun, now=now) if lead.waits else "",
            quotes=counts.get(person, 1),
            number=phones.dialled(*written, shop=shop.WHATSAPP_NUMBER) if written else "",
            doubt=flags.doubt(phones.read_stored(*written, shop=shop.WHATSAPP_NUMBER)) if written else None,
            flags=flags.labels(stored),
            corrected=tuple(other for other in others if other.is_same_person(lead))[:MOST_PEOPLE],
            people=tuple(other for other in others if not other.is_same_person(lead))[:MOST_PEOPLE],
            note=noted.get(person) or noted.get(lead.pk, ""),
            answers=tuple(in_words(stored.customer.answers, site.language())),
            follow_up=arranged.get(person),
            outcome=outcomes.get(person),
            now=now,
        )


def _leads_of_people(of_phones: Mapping[str, str]) -> dict[Any, str]:
    """Return the person of each of their leads, by key, of the newest MOST_LEADS. of_phones: of each phone, by key."""
    if not of_phones:
        return {}
    theirs = Lead.objects.of_keys(of_phones).annotate(number=ComputedPhoneKey("phone")).order_by("-pk")
    return {pk: of_phones[number] for pk, number in theirs.values_list("pk", "number")[:MOST_LEADS]}


def _outcomes(theirs: Mapping[Any, str], arranged: Mapping[str, FollowUp]) -> dict[str, LeadOutcome]:
    """Return the newest outcome of each person with whom nothing is open."""
    closed = [pk for pk, person in theirs.items() if person in arranged and not arranged[person].is_open]
    found = LeadOutcome.objects.filter(lead__in=closed).select_related("by").order_by("at") if closed else ()
    return {theirs[outcome.lead_id]: outcome for outcome in found}


def _leads_of_quotes(folios: set[str]) -> dict[str, list[Lead]]:
    """Return the leads with a phone of each folio, the newest first, without their quotes."""
    found: dict[str, list[Lead]] = {}
    with_phone = Lead.objects.filter(folio__in=folios, phone__gt="").without_quotes().order_by("-submitted_at", "-id")
    for lead in with_phone[: MOST_PEOPLE * max(1, len(folios))] if folios else ():
        found.setdefault(lead.folio, []).append(lead)
    return found


def state_of(lead: Lead) -> str:
    """Return the value of the tab that has a lead, besides ALL."""
    if lead.set_aside in BY_STAFF:
        return "put_aside"
    if lead.status == Lead.Status.CONTACTED:
        return "contacted"
    if lead.set_aside:
        return "set_aside"
    return "waiting" if lead.phone else "anonymous"


def urgency_of(since: datetime, *, now: datetime) -> Urgency:
    """Return how urgent it is to answer who has waited since a moment."""
    return urgency(
        since,
        now=now,
        promise=shop.ANSWER_PROMISE,
        hours=shop.BUSINESS_HOURS,
        zone=site.zone(),
        holidays=shop.HOLIDAYS,
    )
