"""What a seller types about the customer and the discount."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from leads.customer import CustomerField, FieldRefused
from leads.customer import form as customer_form
from leads.customer.answers import fields
from leads.inbox.person.forms import for_sellers
from leads.staff.selling import MOST, Seller
from quoter.engine.discount import Discount
from quoter.engine.explain_fees import percent
from quoter.engine.questions import ANSWER
from quoter.incoming import Form
from quoter.shop.table.numbers import NotANumber, fraction
from quoter.shop.values import shop
from quoter.site import language

PERCENT, REASON = "percent", "reason"
# Of a rate: ten thousandths, or hundredths of a per cent.
MOST_PLACES = 4
LONGEST = 20


class Typed:
    """The fields of an offer, checked.

    details: by field, as they are stored; discount: None for none; errors: by field, in the language of the page.
    """

    def __init__(self, form: Form, seller: Seller) -> None:
        self.form = form
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
        return {name: messages for name, messages in self.errors.items() if name in (PERCENT, REASON)}

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
        text = self.form.get(PERCENT, "").strip()
        if not text:
            return None
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
        reason = next((each for each in shop.DISCOUNT_REASONS if each.es == self.form.get(REASON)), None)
        if reason is None:
            self.errors[REASON] = [_("Choose a reason: the customer reads it.")]
        return None if self.discount_errors or reason is None else Discount.of(rate, reason)


def reason_of(discount: Discount) -> str:
    """Return the reason of an earlier discount as the form names it; "" for one that the shop has no more."""
    return next((each.es for each in shop.DISCOUNT_REASONS if Discount.of(discount.rate, each).says(discount)), "")


def too_much(seller: Seller) -> str:
    if not seller.most:
        return _("You may give no discount: ask the owner.")
    return _("You may take off up to %(most)s.") % {"most": percent(seller.most)}


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
        "reasons": [(each.es, each.in_(language())) for each in shop.DISCOUNT_REASONS],
        "reason": form.get(REASON, ""),
    }


def without(field: dict[str, Any], name: str) -> dict[str, str]:
    """Return the attributes of a field without one of them."""
    return {key: text for key, text in field["attributes"].items() if key != name}
