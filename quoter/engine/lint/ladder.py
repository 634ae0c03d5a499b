"""Checks tiers by their ends alone: each begins where the one before it ends, and the last reaches far enough."""

from collections.abc import Sequence
from decimal import Decimal

from quoter.engine.numbers import canonical
from quoter.engine.tiers import Tier


def ladder_faults(
    tiers: Sequence[Tier], *, step: Decimal, least: Decimal, most: Decimal | None
) -> list[tuple[int, str]]:
    """Return the faults of tiers with the number of the tier that has each.

    step: of the quantity that chooses the tier, 0 for one without a step: a gap of less than a step between two tiers
    is none. least, most: the smallest and the largest quantity there can be; without a most, the last has to be open.
    """
    faults: list[tuple[int, str]] = []
    reached, is_reached = least, False  # everything below `reached` has a price, and reached itself if is_reached
    for number, tier in enumerate(tiers):
        low, is_in = tier.low, tier.above is None or tier.start > tier.above
        if tier.high is not None and tier.high < low:
            faults.append((number, f"its from, {canonical(low)}, is above its to, {canonical(tier.high)}"))
            continue
        if number and (low < reached or (low == reached and is_in and is_reached)):
            faults.append((number, f"overlaps a tier before it, {canonical(low)} has two prices"))
        elif _is_gap(reached, is_reached, low, is_in, step, is_first=number == 0):
            faults.append((number, f"a gap, what is just above {canonical(reached)} has no price"))
        if tier.high is None:
            reached, is_reached = Decimal("Infinity"), True
        elif tier.high >= reached:
            reached, is_reached = tier.high, tier.below is None
    last = len(tiers) - 1
    if most is None and reached != Decimal("Infinity"):
        faults.append((last, f"the last tier ends at {canonical(reached)}, and more has no price"))
    elif most is not None and (reached < most or (reached == most and not is_reached)):
        faults.append((last, f"the last tier ends at {canonical(reached)}, below the maximum, {canonical(most)}"))
    return faults


def _is_gap(reached: Decimal, is_reached: bool, low: Decimal, is_in: bool, step: Decimal, *, is_first: bool) -> bool:
    if low > reached:
        return not is_reached or low > reached + step or is_first
    return low == reached and not is_in and not is_reached and not is_first
