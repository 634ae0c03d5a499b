"""Checks tiers by their ends alone: each begins where the one before it ends, and the last reaches far enough."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from quoter.engine.finding import BookFinding
from quoter.engine.numbers import canonical
from quoter.engine.tiers import Tier


def ladder_findings(
    tiers: Sequence[Tier], place: str, of: str, *, step: Decimal, least: Decimal, most: Decimal | None
) -> Iterator[BookFinding]:
    """Yield what is wrong with tiers, each at its own place.

    place: of what has the tiers; of: its name. step: of the quantity that chooses the tier, 0 for one without a step: a
    gap of less than a step between two tiers is none.
    least, most: the smallest and the largest quantity there can be; without a most, the last has to be open.
    """
    reached, is_reached = least, False  # everything below `reached` has a price, and reached itself if is_reached
    for number, tier in enumerate(tiers):
        here = f"{place}.tiers[{number}]"
        low, is_in = tier.low, tier.above is None or tier.start > tier.above
        if tier.high is not None and tier.high < low:
            yield BookFinding(
                here,
                "%(of)s: its from, %(start)s, is above its to, %(end)s",
                of=of,
                start=canonical(low),
                end=canonical(tier.high),
            )
            continue
        if number and (low < reached or (low == reached and is_in and is_reached)):
            yield BookFinding(
                here, "%(of)s: overlaps a tier before it, %(low)s has two prices", of=of, low=canonical(low)
            )
        elif _is_gap(reached, is_reached, low, is_in, step, is_first=number == 0):
            yield BookFinding(
                here, "%(of)s: a gap, what is just above %(low)s has no price", of=of, low=canonical(reached)
            )
        if tier.high is None:
            reached, is_reached = Decimal("Infinity"), True
        elif tier.high >= reached:
            reached, is_reached = tier.high, tier.below is None
    last = f"{place}.tiers[{len(tiers) - 1}]"
    if most is None and reached != Decimal("Infinity"):
        yield BookFinding(
            last, "%(of)s: the last tier ends at %(end)s, and more has no price", of=of, end=canonical(reached)
        )
    elif most is not None and (reached < most or (reached == most and not is_reached)):
        yield BookFinding(
            last,
            "%(of)s: the last tier ends at %(end)s, below the maximum, %(maximum)s",
            of=of,
            end=canonical(reached),
            maximum=canonical(most),
        )


def _is_gap(reached: Decimal, is_reached: bool, low: Decimal, is_in: bool, step: Decimal, *, is_first: bool) -> bool:
    if low > reached:
        return not is_reached or low > reached + step or is_first
    return low == reached and not is_in and not is_reached and not is_first
