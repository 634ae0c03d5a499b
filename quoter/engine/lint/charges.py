"""Proves that one code is charged once, and that discounts leave something to pay."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import combinations
from math import prod

from quoter.engine.conditions import Condition, Scope
from quoter.engine.fees import Fee, FeePrice
from quoter.engine.finding import BookFinding
from quoter.engine.lint.products import least_price
from quoter.engine.pricebook import PriceBook, Product
from quoter.engine.taxes import added_rate
from quoter.engine.tiers import FeeTier

Findings = Iterator[BookFinding]
Choices = Mapping[str, set[str]]

_NONE, _ALL = Decimal(0), Decimal(1)
_ENDLESS = Decimal("Infinity")


def findings(book: PriceBook) -> Findings:
    """Yield fees of one code that can both apply, and discounts that can take off everything."""
    added = [added_rate(book.taxes_on(tax.start)) for tax in book.taxes if not book.prices_include_tax]
    tax = max(added, default=_NONE)
    asked = {question.code: {choice.code for choice in question.choices} for question in book.questions}
    least_of_lines = []
    for number, sold in enumerate(book.products):
        place = f"products[{number}].fees"
        options = {option.code: {choice.code for choice in option.choices} for option in sold.options}
        yield from _twice(sold.fees, place, asked | options)
        least = _least_base(sold)
        part = yield from _discounts(sold.fees, least, place, tax=tax, sold=sold)
        least_of_lines.append(least * max(_ALL - part, _NONE))
    yield from _twice(book.fees, "fees", asked)
    yield from _discounts(book.fees, min(least_of_lines), "fees", tax=tax)


# --- One code, one charge ---------------------------------------------------------------------------------------------


def _twice(fees: Sequence[Fee], place: str, choices: Choices) -> Findings:
    for (first, one), (number, other) in combinations(enumerate(fees), 2):
        if one.code == other.code and not _exclude_each_other(one, other, choices):
            yield BookFinding(
                f"{place}[{number}]",
                "%(of)s: can be charged together with %(there)s, which has the same code",
                of=other.code,
                there=f"{place}[{first}]",
            )


def _exclude_each_other(one: Fee, other: Fee, choices: Choices) -> bool:
    """Return whether two fees can never apply to the same order: by their days, or by two of their conditions."""
    for earlier, later in ((one, other), (other, one)):
        if earlier.until and later.start and earlier.until < later.start:
            return True
    return any(_contradict(a, b, choices) for a in one.when for b in other.when)


def _contradict(a: Condition, b: Condition, choices: Choices) -> bool:
    if (a.name, a.amount_of, a.with_tax) != (b.name, b.amount_of, b.with_tax):
        return False
    if (a.one_of or a.is_not) and (b.one_of or b.is_not):
        known = choices.get(a.name, set()) | {*a.one_of, *b.one_of}
        return not (_left(a, known) & _left(b, known))
    if a.is_of_day and b.is_of_day:
        pairs = ((a.weekdays, b.weekdays), (a.months, b.months), (a.dates, b.dates))
        return any(ours and theirs and not {*ours} & {*theirs} for ours, theirs in pairs)
    if a.is_of_hour and b.is_of_hour:
        return not (_holds_when_begins(a, b) or _holds_when_begins(b, a))
    return a.has_bounds and b.has_bounds and (_ends_before(a, b) or _ends_before(b, a))


def _left(condition: Condition, known: set[str]) -> set[str]:
    return {code for code in known if (not condition.one_of or code in condition.one_of)} - {*condition.is_not}


def _holds_when_begins(condition: Condition, other: Condition) -> bool:
    begins = other.from_hour.isoformat() if other.from_hour else "00:00"
    return condition.holds(Scope({}, {condition.name: begins}, [], _NONE))


def _ends_before(a: Condition, b: Condition) -> bool:
    """Return whether every number of a is below every number of b."""
    for end, is_in in ((a.to, True), (a.below, False)):
        for begin, is_first in ((b.start, True), (b.above, False)):
            if end is not None and begin is not None and (end < begin or (end == begin and not (is_in and is_first))):
                return True
    return False


# --- Discounts --------------------------------------------------------------------------------------------------------


def _least_base(sold: Product) -> Decimal:
    """Return the least that a line of a product can come to before its extras, fees and discounts."""
    amounts = []
    for listed in sold.prices:
        minimum = sold.minimum if listed.minimum is None else listed.minimum
        smallest = sold.pack.size if sold.pack else sold.step
        if isinstance(smallest, Decimal) and not sold.exact_to:
            minimum = max(minimum, smallest)
        least = sold.least if listed.least is None else listed.least
        for tier in listed.tiers:
            # With tiers across lines, a small line can have the price of a large one.
            billed = minimum if sold.tiers_across == "product" else max(minimum, tier.low)
            amount = max(least_price(sold, tier), _NONE) * (_ALL if sold.pricing == "flat" else billed)
            amounts.append(max(amount, least or _NONE))
    return min(amounts)


def _discounts(
    fees: Sequence[Fee], least: Decimal, place: str, *, tax: Decimal, sold: Product | None = None
) -> Generator[BookFinding, None, Decimal]:
    """Yield the discount with which everything could be taken off, and return how much of it all of them can take off.

    least: what is charged at least before the fees; tax: the most that is added to it. Of discounts with one code only
    the larger counts, because they exclude each other.
    """
    parts: dict[str, Decimal] = {}
    for number, fee in enumerate(fees):
        part = _part_taken_off(fee, least, tax, sold)
        before = sum(parts.values(), _NONE)
        parts[fee.code] = max(part, parts.get(fee.code, _NONE))
        if before < _ALL <= sum(parts.values(), _NONE):
            yield BookFinding(
                f"{place}[{number}]",
                "%(of)s: could take off everything that was charged; give it a minimum, or a condition on the amount",
                of=fee.code,
            )
    return sum(parts.values(), _NONE)


def _part_taken_off(fee: Fee, least: Decimal, tax: Decimal, sold: Product | None) -> Decimal:
    """Return the largest part of what was charged that a fee can take off; one and more where nothing limits it."""
    floor = least
    for condition in fee.when:
        if condition.amount_of:
            bound = max(condition.start or _NONE, condition.above or _NONE)
            floor = max(floor, bound / (_ALL + tax) if condition.with_tax else bound)
    part = _NONE
    for row in fee.prices or (FeePrice(price=fee.price, rate=fee.rate, tiers=fee.tiers),):
        for tier in row.tiers or (FeeTier(price=row.price, rate=row.rate),):
            from_amount = max(floor, tier.low) if fee.by_amount else floor
            part = max(part, _part_of_a_price(fee, tier, from_amount, sold))
    if fee.minimum is not None:
        part = min(part, _part_of(-fee.minimum, floor))
    if fee.maximum is not None:
        part = max(part, _part_of(-fee.maximum, floor))
    return part


def _part_of_a_price(fee: Fee, tier: FeeTier, floor: Decimal, sold: Product | None) -> Decimal:
    once = _part_of(-tier.price, floor) + max(-tier.rate, _NONE)
    if not once or not fee.quantity or fee.pricing == "flat":
        return once
    count = _for_each_billed(fee.quantity, sold) if sold and sold.pricing == "unit" and tier.rate >= 0 else None
    if sold is None or count is None:
        return _ENDLESS
    unit_price = min(least_price(sold, each) for listed in sold.prices for each in listed.tiers)
    return _part_of(-tier.price * count / fee.each, unit_price)


def _for_each_billed(factors: Sequence[Decimal | str], sold: Product) -> Decimal | None:
    """Return how many there are at most for each billed unit, as one for ten; None when that is not known."""
    names = [factor for factor in factors if isinstance(factor, str)]
    times = prod((factor for factor in factors if isinstance(factor, Decimal)), start=_ALL)
    if names == ["billed"]:
        return times
    if names == ["packs"] and sold.pack and isinstance(sold.pack.size, Decimal) and sold.pack.size > 0:
        return times / sold.pack.size
    quantity = next((each for each in sold.quantities if [each.code] == names), None)
    if quantity is None or quantity.minimum is not None or (quantity.step is not None and quantity.round != "down"):
        return None
    counts = [_for_each_billed((*term, *quantity.multiply), sold) for term in quantity.add]
    divisors = [factor for factor in quantity.divide if isinstance(factor, Decimal) and factor > 0]
    if None in counts or len(divisors) != len(quantity.divide):
        return None
    return times * sum((count for count in counts if count is not None), _NONE) / prod(divisors, start=_ALL)


def _part_of(amount: Decimal, whole: Decimal) -> Decimal:
    if amount <= 0:
        return _NONE
    return amount / whole if whole > 0 else _ENDLESS
