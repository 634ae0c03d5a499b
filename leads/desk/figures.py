"""The figures of the managers' desk: what came in, how fast it was answered, and whether anything was lost."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import ceil
from zoneinfo import ZoneInfo

from django.urls import reverse
from django.utils.http import urlencode

from leads import snapshot
from leads.delivery import machines
from leads.desk.days import OTHERS, Day, Tally, add, begins, counted
from leads.inbox import changelist
from leads.inbox.restore import RestoreEffect
from leads.models import LeadEvent

PERIODS = (7, 30, 90)  # days
MOST_ROWS = 8
# The most ids in a link, so that its URL is short enough for every server.
MOST_RESTORED = 100
# There is no index on sources and products, so a list of a rare one among hundreds of thousands would exceed the
# deadline. A list that reads more leads than this gets no link.
MOST_READ = 50_000
# The space between two bars, as a fraction of a day's width.
GAP = 0.2


@dataclass(frozen=True, slots=True)
class Links:
    """URLs of the list with exactly the leads that a tally counts; "" for a list that would take too long."""

    quotes: str = ""
    leads: str = ""
    contacted: str = ""


@dataclass(frozen=True, slots=True)
class TallyRow:
    """One day, source or product. name: "" for no source or product, OTHERS for the rest together."""

    name: str | date
    tally: Tally
    links: Links


@dataclass(frozen=True, slots=True)
class Lost:
    """The leads that did not reach the database by themselves.

    restored: how many leads staff restored from a chat in the period. refused, unreadable: how many records that
    Postgres refused, and journal files with damaged lines, are on the disks of all web machines now.
    """

    restored: int
    refused: int
    unreadable: int
    restored_url: str

    @property
    def total(self) -> int:
        return self.restored + self.refused + self.unreadable


@dataclass(frozen=True, slots=True)
class Desk:
    """The figures of a period that ends today.

    median, p90: minutes of business hours until contact, None when no lead was contacted.
    """

    period: int
    total: TallyRow
    median: int | None
    p90: int | None
    waiting: str
    lost: Lost
    days: tuple[TallyRow, ...]  # oldest first
    sources: tuple[TallyRow, ...]
    products: tuple[TallyRow, ...]
    uncounted: int  # days that were never counted, because time ran out

    @property
    def waiting_url(self) -> str:
        return list_url(status="waiting")


def desk(period: int, *, now: datetime, zone: ZoneInfo) -> Desk:
    """Return the figures of the last `period` days, today included."""
    today = now.astimezone(zone).date()
    days = [today - timedelta(days=back) for back in range(period)]
    known = counted(days, now=now, zone=zone)
    since, until = begins(days[-1], zone), begins(today + timedelta(days=1), zone)
    by_day = {day: known.get(day, Day()) for day in reversed(days)}
    minutes: Counter[int] = Counter()
    for day in by_day.values():
        minutes.update(day.minutes)
    return Desk(
        period=period,
        total=TallyRow("", add(day.total for day in by_day.values()), links(since, until)),
        median=percentile(minutes, 0.5),
        p90=percentile(minutes, 0.9),
        waiting=changelist.count_text(changelist.people_waiting()),
        lost=lost(since),
        days=tuple(
            TallyRow(day, figures.total, links(begins(day, zone), begins(day + timedelta(days=1), zone)))
            for day, figures in by_day.items()
        ),
        sources=_rows((day.sources for day in by_day.values()), since, until, path=snapshot.SOURCE),
        products=_rows((day.products for day in by_day.values()), since, until, path=snapshot.PRODUCT),
        uncounted=len(days) - len(known),
    )


def percentile(minutes: Mapping[int, int], fraction: float) -> int | None:
    """Return within how many minutes the given fraction of the leads was contacted; None when there are no leads."""
    rank, reached = ceil(fraction * sum(minutes.values())), 0
    for value in sorted(minutes):
        reached += minutes[value]
        if reached >= rank:
            return value
    return None


def lost(since: datetime) -> Lost:
    """Return the leads that did not reach the database by themselves: restored since a moment, or on a disk now."""
    outboxes = [state.counts for state in machines.states()]
    restored = LeadEvent.objects.filter(
        kind=LeadEvent.Kind.RESTORED, at__gte=since, detail__in=[RestoreEffect.CREATED, RestoreEffect.COMPLETED]
    )
    leads = set(restored.values_list("lead", flat=True))
    keys = ",".join(map(str, sorted(leads)[:MOST_RESTORED]))
    return Lost(
        restored=len(leads),
        refused=sum(counts.quarantined for counts in outboxes),
        unreadable=sum(counts.damaged for counts in outboxes),
        restored_url=list_url(status="all", id__in=keys) if leads else "",
    )


def links(since: datetime, until: datetime, **more: str) -> Links:
    """Return the links to the lists of the leads quoted between two moments. more: further filters of the list."""
    between = {"created_at__gte": since.isoformat(), "created_at__lt": until.isoformat(), **more}
    return Links(
        quotes=list_url(status="all", **between),
        leads=list_url(status="all", phone__gt="", **between),
        contacted=list_url(status="contacted", phone__gt="", **between),
    )


def leads_to_read(tally: Tally, quotes: int) -> int:
    """Estimate how many of a period's leads the list must read to count the leads of a tally, up to its maximum.

    quotes: how many leads the period has.
    """
    fewest = min(tally)
    return quotes if fewest < changelist.MOST_COUNTED else changelist.MOST_COUNTED * quotes // fewest


def list_url(**filters: str) -> str:
    return f"{reverse('admin:leads_lead_changelist')}?{urlencode(filters)}"


def _rows(days: Iterable[Mapping[str, Tally]], since: datetime, until: datetime, *, path: str) -> tuple[TallyRow, ...]:
    tallies: dict[str, Tally] = {}
    for day in days:
        for name, tally in day.items():
            tallies[name] = tallies.get(name, Tally()).plus(tally)
    others = tallies.pop(OTHERS, Tally())
    ordered = sorted(tallies.items(), key=lambda named: named[1], reverse=True)
    quotes = add([others, *tallies.values()]).quotes
    others = add([others, *(tally for _name, tally in ordered[MOST_ROWS:])])
    rows = []
    for name, tally in ordered[:MOST_ROWS]:
        only = {path: name} if name else {f"{path}__isnull": "True"}
        is_quick = leads_to_read(tally, quotes) <= MOST_READ
        rows.append(TallyRow(name, tally, links(since, until, **only) if is_quick else Links()))
    return (*rows, *([TallyRow(OTHERS, others, Links())] if others.quotes else []))


@dataclass(frozen=True, slots=True)
class Bar:
    """One day in the chart, in per cent, as SVG takes it. quotes, leads: heights; tops: distances from above."""

    row: TallyRow
    x: str
    width: str
    quotes: str
    quotes_top: str
    leads: str
    leads_top: str


def bars(days: Sequence[TallyRow]) -> list[Bar]:
    """Return one bar per day; the tallest fills the chart."""
    tallest = max((day.tally.quotes for day in days), default=0) or 1
    step = 100 / len(days) if days else 0.0

    def bar(place: int, day: TallyRow) -> Bar:
        quotes, leads = 100 * day.tally.quotes / tallest, 100 * day.tally.leads / tallest
        return Bar(
            row=day,
            x=_percent(step * (place + GAP / 2)),
            width=_percent(step * (1 - GAP)),
            quotes=_percent(quotes),
            quotes_top=_percent(100 - quotes),
            leads=_percent(leads),
            leads_top=_percent(100 - leads),
        )

    return [bar(place, day) for place, day in enumerate(days)]


def _percent(value: float) -> str:
    return f"{value:.2f}%"
