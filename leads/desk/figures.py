"""The figures of the managers' desk: what was quoted and sold, who answered how fast, and what was lost."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import ceil
from zoneinfo import ZoneInfo

from django.contrib.auth.models import User

from leads.business_hours import due_since
from leads.delivery import machines
from leads.desk import people
from leads.desk.counting import begins
from leads.desk.days import counted
from leads.desk.links import Links, leads_url, links, list_url, of_seller, too_long
from leads.desk.people import FORGOTTEN, OPEN, PERIODS, Forgotten, people_url
from leads.desk.tallies import NOBODY, OTHERS, UNKNOWN, Day, Group, Tally, add
from leads.inbox import changelist
from leads.inbox.filters import CAMPAIGN, PRODUCT, WITHOUT
from leads.inbox.restore import RestoreEffect
from leads.models import Lead, LeadEvent, LeadOutcome
from quoter.shop.values import shop

__all__ = ["PERIODS", "Desk", "bars", "desk"]

MOST_ROWS = 8
MOST_FORGOTTEN = 5
# The most ids in a link, so that its URL is short enough for every server.
MOST_RESTORED = 100
# The space between two bars, as a fraction of a day's width.
GAP = 0.2


@dataclass(frozen=True, slots=True)
class Period:
    """The figures of some days together. median, p90: minutes of business hours until an answer, None without one."""

    total: Tally
    answered: int  # people
    anonymous: int
    lost: Group
    median: int | None
    p90: int | None

    @classmethod
    def of(cls, days: Iterable[Day]) -> "Period":
        days = list(days)
        minutes = _minutes(days)
        every = sum(minutes.values(), Counter())
        total = add(day.total for day in days)
        return cls(
            total=total,
            answered=total.people - add(day.sellers.get(NOBODY, Tally()) for day in days).people,
            anonymous=sum(day.anonymous for day in days),
            lost=by_reason(day.losses for day in days)[1],
            median=percentile(every, 0.5),
            p90=percentile(every, 0.9),
        )

    @property
    def is_empty(self) -> bool:
        return not (any(self.total) or self.anonymous or self.lost.people)


@dataclass(frozen=True, slots=True)
class Row:
    """One day, seller, source or product. part: how much of all sales it is, in per cent; median: as in Period.

    name: "" for no source or product, a name of a seller, OTHERS for the rest together.
    """

    name: str | date
    tally: Tally
    links: Links
    part: str = ""
    median: int | None = None


@dataclass(frozen=True, slots=True)
class LossRow:
    reason: str
    loss: Group
    url: str
    part: str


@dataclass(frozen=True, slots=True)
class Faults:
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

    before: those of the same days a year ago, None when there are none or not all are counted. urls: of the lists, by
    what they count.
    """

    period: int
    now: Period
    before: Period | None
    is_before_uncounted: bool
    links: Links
    urls: Mapping[str, str]
    open: Group
    forgotten: Group
    first_forgotten: Sequence[Forgotten]
    waiting: str
    late: int
    faults: Faults
    days: tuple[Row, ...]  # oldest first
    sellers: tuple[Row, ...]
    sources: tuple[Row, ...]
    products: tuple[Row, ...]
    losses: tuple[LossRow, ...]
    uncounted: int  # days that were never counted, because time ran out

    @property
    def best(self) -> Row | None:
        """The day on which the most was quoted."""
        best = max(self.days, key=lambda row: row.tally.quoted)
        return best if best.tally.quoted else None


def desk(period: int, *, now: datetime, zone: ZoneInfo) -> Desk:
    """Return the figures of the last `period` days, today included."""
    today = now.astimezone(zone).date()
    days = [today - timedelta(days=back) for back in range(period)]
    earlier = [_a_year_before(today) - timedelta(days=back) for back in range(period)]
    # A young shop has nothing to count there.
    if not Lead.objects.filter(created_at__lt=begins(earlier[0] + timedelta(days=1), zone)).exists():
        earlier = []
    known = counted([*days, *earlier], now=now, zone=zone)
    since, until = begins(days[-1], zone), begins(today + timedelta(days=1), zone)
    by_day = {day: known.get(day, Day()) for day in reversed(days)}
    of_period, is_before_uncounted = Period.of(by_day.values()), any(day not in known for day in earlier)
    before = Period.of(known[day] for day in earlier) if earlier and not is_before_uncounted else None
    is_open, forgotten = people.count(since, now)
    promised = late_since(now, zone)
    return Desk(
        period=period,
        now=of_period,
        before=before if before and not before.is_empty else None,
        is_before_uncounted=is_before_uncounted,
        links=links(since, until),
        urls=_urls(period, since, until, promised),
        open=is_open,
        forgotten=forgotten,
        first_forgotten=people.first_forgotten(since, now, zone, MOST_FORGOTTEN) if forgotten.people else [],
        waiting=changelist.count_text(waiting := changelist.people_waiting()),
        late=late(promised) if waiting else 0,
        faults=faults(since),
        days=tuple(
            Row(day, figures.total, links(begins(day, zone), begins(day + timedelta(days=1), zone)))
            for day, figures in by_day.items()
        ),
        sellers=_sellers(list(by_day.values()), since, until),
        sources=_rows((day.sources for day in by_day.values()), of_period, since, until, named=CAMPAIGN),
        products=_rows((day.products for day in by_day.values()), of_period, since, until, named=PRODUCT),
        losses=_losses((day.losses for day in by_day.values()), since, until),
        uncounted=len(days) + len(earlier) - len(known),
    )


def percentile(minutes: Mapping[int, int], fraction: float) -> int | None:
    """Return within how many minutes the given fraction of the leads was contacted; None when there are no leads."""
    rank, reached = ceil(fraction * sum(minutes.values())), 0
    for value in sorted(minutes):
        reached += minutes[value]
        if reached >= rank:
            return value
    return None


def faults(since: datetime) -> Faults:
    """Return the leads that did not reach the database by themselves: restored since a moment, or on a disk now."""
    outboxes = [state.counts for state in machines.states()]
    restored = LeadEvent.objects.filter(
        kind=LeadEvent.Kind.RESTORED, at__gte=since, detail__in=[RestoreEffect.CREATED, RestoreEffect.COMPLETED]
    )
    leads = set(restored.values_list("lead", flat=True))
    keys = ",".join(map(str, sorted(leads)[:MOST_RESTORED]))
    return Faults(
        restored=len(leads),
        refused=sum(counts.quarantined for counts in outboxes),
        unreadable=sum(counts.damaged for counts in outboxes),
        restored_url=list_url(status="all", id__in=keys) if leads else "",
    )


def _urls(period: int, since: datetime, until: datetime, promised: datetime | None) -> dict[str, str]:
    return {
        "anonymous": leads_url(since, until, phone__exact=""),
        "answered": leads_url(since, until, phone__gt="", status__exact=Lead.Status.CONTACTED),
        "lost": leads_url(since, until, outcome=LeadOutcome.Kind.LOST),
        "open": people_url(OPEN, period),
        "forgotten": people_url(FORGOTTEN, period),
        "waiting": list_url(status="waiting"),
        "late": list_url(status="waiting", arrived_at__lte=promised.isoformat()) if promised else "",
    }


def _a_year_before(day: date) -> date:
    try:
        return day.replace(year=day.year - 1)
    except ValueError:  # the 29th of February
        return day.replace(year=day.year - 1, day=28)


def late_since(now: datetime, zone: ZoneInfo) -> datetime | None:
    """Return when somebody must have asked at the latest to have waited for longer than promised."""
    rules = {"hours": shop.BUSINESS_HOURS, "holidays": shop.HOLIDAYS}
    return due_since(now, promise=shop.ANSWER_PROMISE, zone=zone, **rules) if any(shop.BUSINESS_HOURS) else None


def late(since: datetime | None) -> int:
    """Return how many people have waited since a moment, of `late_since`."""
    if since is None:
        return 0
    return Lead.objects.waiting().filter(arrived_at__lte=since).count_people(changelist.MOST_COUNTED)


def _minutes(days: Iterable[Day]) -> dict[str, Counter[int]]:
    minutes: dict[str, Counter[int]] = {}
    for day in days:
        for seller, counts in day.minutes.items():
            minutes.setdefault(seller, Counter()).update(counts)
    return minutes


def _added(days: Iterable[Mapping[str, Tally]]) -> dict[str, Tally]:
    tallies: dict[str, Tally] = {}
    for day in days:
        for name, tally in day.items():
            tallies[name] = tallies.get(name, Tally()).plus(tally)
    return tallies


def by_reason(days: Iterable[Mapping[str, Group]]) -> tuple[dict[str, Group], Group]:
    """Return the losses of all days by reason, and in total."""
    losses, total = dict[str, Group](), Group()
    for day in days:
        for reason, loss in day.items():
            losses[reason], total = losses.get(reason, Group()).plus(loss), total.plus(loss)
    return losses, total


def _by_money(named: tuple[str, Tally]) -> tuple[int, ...]:
    _name, tally = named
    return tally.sold, tally.quoted, *tally


def _sellers(days: Sequence[Day], since: datetime, until: datetime) -> tuple[Row, ...]:
    """Return a row for each who answered somebody, the best seller first; at the end, those whom nobody answered."""
    tallies, minutes = _added(day.sellers for day in days), _minutes(days)
    users = User.objects.in_bulk([int(key) for key in tallies if key.isdecimal()])
    names = {str(key): user.get_full_name() or user.username for key, user in users.items()}
    sold = sum(tally.sold for tally in tallies.values())
    ordered = sorted(tallies.items(), key=lambda named: (named[0] != NOBODY, *_by_money(named)), reverse=True)
    return tuple(
        Row(
            names.get(key, key if key == NOBODY else UNKNOWN),
            tally,
            links(since, until, **of_seller(key)),
            _part(tally.sold, sold) if key != NOBODY else "",
            percentile(minutes.get(key, {}), 0.5),
        )
        for key, tally in ordered
    )


def _rows(
    days: Iterable[Mapping[str, Tally]], period: Period, since: datetime, until: datetime, *, named: str
) -> tuple[Row, ...]:
    tallies = _added(days)
    others = tallies.pop(OTHERS, Tally())
    ordered = sorted(tallies.items(), key=_by_money, reverse=True)
    others = add([others, *(tally for _name, tally in ordered[MOST_ROWS:])])
    quotes = period.total.quotes + period.anonymous
    rows = []
    for name, tally in ordered[:MOST_ROWS]:
        only = {named: name} if name else {WITHOUT: named}
        rows.append(Row(name, tally, Links() if too_long(tally, quotes) else links(since, until, **only)))
    return (*rows, *([Row(OTHERS, others, Links())] if any(others) else []))


def _losses(days: Iterable[Mapping[str, Group]], since: datetime, until: datetime) -> tuple[LossRow, ...]:
    losses, total = by_reason(days)
    ordered = sorted(losses.items(), key=lambda named: (named[1].amount, named[1].people), reverse=True)
    return tuple(
        LossRow(
            reason,
            loss,
            leads_url(since, until, outcome=f"{LeadOutcome.Kind.LOST}:{reason}"),
            _part(loss.amount, total.amount),
        )
        for reason, loss in ordered
    )


def _part(amount: int, total: int) -> str:
    return _percent(100 * amount / total) if total else ""


@dataclass(frozen=True, slots=True)
class Bar:
    """One day in the chart, in per cent, as SVG takes it. quoted, sold: heights; tops: distances from above."""

    row: Row
    x: str
    width: str
    quoted: str
    quoted_top: str
    sold: str
    sold_top: str


def bars(days: Sequence[Row]) -> list[Bar]:
    """Return one bar per day; the tallest fills the chart."""
    tallest = max((max(day.tally.quoted, day.tally.sold) for day in days), default=0) or 1
    step = 100 / len(days) if days else 0.0

    def bar(place: int, day: Row) -> Bar:
        quoted, sold = 100 * day.tally.quoted / tallest, 100 * day.tally.sold / tallest
        return Bar(
            row=day,
            x=_percent(step * (place + GAP / 2)),
            width=_percent(step * (1 - GAP)),
            quoted=_percent(quoted),
            quoted_top=_percent(100 - quoted),
            sold=_percent(sold),
            sold_top=_percent(100 - sold),
        )

    return [bar(place, day) for place, day in enumerate(days)]


def _percent(value: float) -> str:
    return f"{value:.2f}%"
