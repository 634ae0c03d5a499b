"""What a seller types about the customer and the discount."""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from leads.customer import CustomerField, FieldRefused
from leads.customer import form as customer_form
from leads.customer.answers import fields
from leads.inbox.person.forms import for_sellers
from leads.models.follow_up import MOST_WORTH
from leads.staff.selling import MOST, Seller
from quoter import site
from quoter.engine.discount import Discount
from quoter.engine.explain_fees import percent
from quoter.engine.numbers import decimal_places, money
from quoter.engine.questions import ANSWER
from quoter.incoming import Form
from quoter.shop.table.numbers import NotANumber, fraction, number
from quoter.shop.values import shop
from quoter.site import language

PERCENT, AMOUNT, REASON = "percent", "amount", "reason"
# Of a rate: ten thousandths, or hundredths of a per cent.
MOST_PLACES = 4
LONGEST = 20


class Typed:
    """The fields of an offer, checked.

    details: by field, as they are stored; discount: None for none; errors: by field, in the language of the page.
    charged: returns what a discount is taken off; it is asked only for an amount.
    """

    def __init__(self, form: Form, seller: Seller, *, charged: Callable[[], Decimal]) -> None:
        self.form = form
        self._charged = charged
        self.errors: dict[str, list[str]] = {}
        self.details = {each.name: self._checked(each) for each in fields(today=timezone.localdate())}
        self.discount = self._discount(seller)

    @property
    def answers(self) -> dict[str, str]:
        """The answers to what is asked at checkout, by code."""
        named = self.details.items()
        return {name.removeprefix(ANSWER): said for name, said in named if said and name.startswith(ANSWER)}

    @property
    def discount_errors(self) -> dict[str, list[str]]:
        return {name: messages for name, messages in self.errors.items() if name in (PERCENT, AMOUNT, REASON)}

    def _checked(self, field: CustomerField) -> str:
        """Return a value as it is stored. A seller may leave out what a customer must answer."""
        typed = self.form.get(field.name, "")
        if not typed.strip() and field.name.startswith(ANSWER):
            return ""
        try:
            return field.check(typed)
        except FieldRefused as refused:
            self.errors[field.name] = [for_sellers(refused)]
            return ""

    def _discount(self, seller: Seller) -> Discount | None:
        text, money_text = (self.form.get(name, "").strip() for name in (PERCENT, AMOUNT))
        if text and money_text:
            self.errors[AMOUNT] = [_("Write per cent or an amount, and leave the other one empty.")]
            return None
        if money_text:
            return self._of_amount(money_text, seller)
        return self._of_rate(text, seller) if text else None

    def _of_rate(self, text: str, seller: Seller) -> Discount | None:
        try:
            rate = Decimal(fraction(text[:LONGEST]))
        except NotANumber:
            rate = Decimal(-1)
        rate = rate.normalize()
        if rate == 0:
            return None
        if rate < 0 or -int(rate.as_tuple().exponent) > MOST_PLACES:
            self.errors[PERCENT] = [_("Write the discount in per cent, such as 5 or 7.5.")]
        elif rate > seller.most:
            self.errors[PERCENT] = [too_much(seller)]
        return self._with_reason(rate, Decimal(0))

    def _of_amount(self, text: str, seller: Seller) -> Discount | None:
        try:
            amount = Decimal(number(text[: 2 * LONGEST]))
        except NotANumber:
            amount = Decimal(-1)
        if amount == 0:
            return None
        if not 0 < amount < MOST_WORTH or decimal_places(amount) > 2:
            self.errors[AMOUNT] = [_("Write the amount like this: 1,234.50.")]
        elif amount > (most := most_money(seller, self._charged())):
            self.errors[AMOUNT] = [too_much(seller, most)]
        return self._with_reason(Decimal(0), amount)

    def _with_reason(self, rate: Decimal, amount: Decimal) -> Discount | None:
        reason = next((each for each in shop.DISCOUNT_REASONS if each.es == self.form.get(REASON)), None)
        if reason is None:
            self.errors[REASON] = [_("Choose a reason: the customer reads it.")]
        return None if self.discount_errors or reason is None else Discount.of(rate, reason, amount=amount)


def reason_of(discount: Discount) -> str:
    """Return the reason of an earlier discount as the form names it; "" for one that the shop has no more."""
    for each in shop.DISCOUNT_REASONS:
        if Discount.of(discount.rate, each, amount=discount.amount).says(discount):
            return each.es
    return ""


def may_give(seller: Seller, discount: Discount, *, charged: Callable[[], Decimal]) -> bool:
    """Return whether a discount is within what a seller may give. charged: what it is taken off."""
    return discount.amount <= most_money(seller, charged()) if discount.amount else discount.rate <= seller.most


def most_money(seller: Seller, charged: Decimal) -> Decimal:
    """Return the largest amount that a seller may take off: what the largest per cent comes to."""
    return (charged * seller.most).quantize(Decimal("0.01"), ROUND_HALF_UP)


def too_much(seller: Seller, amount: Decimal | None = None) -> str:
    """Return how much a seller may take off. amount: what that comes to, where an amount was typed."""
    if not seller.most:
        return _("You may give no discount: ask the owner.")
    if amount is None:
        return _("You may take off up to %(most)s.") % {"most": percent(seller.most)}
    most = {"amount": money(amount, site.price_book().currency), "most": percent(seller.most)}
    return _("You may take off up to %(amount)s, which is %(most)s.") % most


def shown(form: Form, errors: dict[str, list[str]], seller: Seller) -> dict[str, Any]:
    """Return the template context of the fields. form: with what was typed."""
    context = customer_form.context(form, errors)
    name, phone = context["fields"]
    name["label"], phone["label"], phone["help"] = _("Name"), _("Phone"), ""
    for field in (name, phone):
        field["described_by"] = f"{field['name']}-error" if field["messages"] else ""
        field["attributes"] = {**without(field, "title"), "autocomplete": "off"}
    for question in context["questions"]:
        question["attributes"] = without(question, "required")
    return {
        **context,
        "errors": errors,
        "may_discount": seller.most > 0,
        "most": percent(seller.most) if seller.most < MOST else "",
        "percent": form.get(PERCENT, "")[:LONGEST],
        "amount": form.get(AMOUNT, "")[: 2 * LONGEST],
        "reasons": [(each.es, each.in_(language())) for each in shop.DISCOUNT_REASONS],
        "reason": form.get(REASON, ""),
    }


def without(field: dict[str, Any], name: str) -> dict[str, str]:
    """Return the attributes of a field without one of them."""
    return {key: text for key, text in field["attributes"].items() if key != name}
