"""What each choice of an option costs beside the chosen one, for the calculator: +$35.00/m³."""

from collections.abc import Mapping
from decimal import Decimal

from quoter.engine.numbers import Number, canonical, money
from quoter.engine.pricebook import Choice, Option, PriceBook, Product, with_choices
from quoter.engine.text import Language, Text
from quoter.engine.tiers import NoTier, tier_for

SAME = Text(es="mismo precio", en="same price")
NOT_OFFERED = Text(es="no disponible", en="not available")


def differences(
    book: PriceBook,
    product: Product,
    option: Option,
    chosen: Mapping[str, str],
    *,
    quantity: Number | None,
    language: Language,
) -> dict[str, str]:
    """Return the price of the chosen choice of an option, or else of the first, and what each other one adds to it.

    chosen: the choice of each option, and the answer of each question that prices are listed by; quantity: what decides
    the tier, the smallest that is billed when it is None. Before the other options are known, only what choices add by
    themselves is in the result.
    """
    known = {**dict.fromkeys(product.by_questions, ""), **{each.code: "" for each in product.options}, **chosen}
    others = [*product.by_questions, *(each.code for each in product.priced_options if each is not option)]
    has_bands = product.pricing == "graduated" and any(len(listed.tiers) > 1 for listed in product.prices)
    if has_bands or not all(known[code] for code in others):
        return _by_themselves(book, option, known[option.code])
    prices = {
        choice.code: _unit_price(product, {**known, option.code: choice.code}, quantity) for choice in option.choices
    }
    offered = {code: price for code, price in prices.items() if price is not None}
    base_code = known[option.code] if known[option.code] in offered else next(iter(offered), "")
    per = f"/{book.unit_text(product.unit, Decimal(1)).in_(language)}" if product.pricing == "unit" else ""
    shown = dict.fromkeys(prices, NOT_OFFERED.in_(language))
    for code, price in offered.items():
        # Per cents may give any number of decimals.
        difference = round(price - offered[base_code], 4)
        shown[code] = f"{_signed(difference, book)}{per}" if difference else SAME.in_(language)
    if base_code:
        shown[base_code] = f"{money(round(offered[base_code], 4), book.currency)}{per}"
    return shown


def _unit_price(product: Product, chosen: Mapping[str, str], quantity: Number | None) -> Decimal | None:
    """Return the unit price of a combination; None when it is not offered."""
    keys = [*product.by_questions, *(option.code for option in product.options)]
    listed = product.price_list({code: chosen[code] for code in keys})
    if not listed:
        return None
    least = product.minimum if listed.minimum is None else listed.minimum
    try:
        tier = tier_for(listed.tiers, quantity or max(least, product.step))
    except NoTier:
        return None
    picked = (option.choice(chosen[option.code]) for option in product.options)
    return with_choices(tier.price, filter(None, picked))


def _by_themselves(book: PriceBook, option: Option, code: str) -> dict[str, str]:
    base = option.choice(code) or option.choices[0]
    return {choice.code: _added(book, choice, base) for choice in option.choices if choice is not base}


def _added(book: PriceBook, choice: Choice, base: Choice) -> str:
    if rate := (choice.rate or Decimal(0)) - (base.rate or Decimal(0)):
        return f"{'+' if rate > 0 else '−'}{canonical(abs(rate) * 100)} %"
    amount = (choice.add or Decimal(0)) - (base.add or Decimal(0))
    return _signed(amount, book) if amount else ""


def _signed(amount: Decimal, book: PriceBook) -> str:
    return f"{'+' if amount > 0 else '−'}{money(abs(amount), book.currency)}"
