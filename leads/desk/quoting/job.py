"""What a seller quotes: the lines, the quote that it takes the place of, and for whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from django.utils import translation

from leads import phones
from leads.models import Lead
from quoter import site, token
from quoter.engine import discount as discounts
from quoter.engine import pricing
from quoter.engine.discount import Discount
from quoter.engine.quote import LineRequest
from quoter.engine.text import LANGUAGES, Language
from quoter.forms import begun, hidden_fields, typed_answers, typed_lines
from quoter.incoming import Form
from quoter.language import PAGE_LANGUAGES
from quoter.reprice import BEFORE, earlier
from quoter.shop.values import shop
from quoter.token import IssuedQuote

# The fields of a form with what is known of the customer: the key of their lead, name and phone.
LEAD, NAME, PHONE = "lead", "name", "phone"
# And with the language of the quote, which need not be that of the page.
LANGUAGE = "language"
_LONGEST = 200


@dataclass(frozen=True)
class Customer:
    """For whom: a lead of theirs, by key as text, or "", and what is known of them. Their details may be changed."""

    lead: str = ""
    name: str = ""
    phone: str = ""

    @classmethod
    def of(cls, lead: Lead) -> Customer:
        typed = lead.snapshot.customer.phone_raw
        is_typed = phones.normalise(typed, region=phones.region_of(shop.WHATSAPP_NUMBER)) == lead.phone
        return cls(str(lead.pk), lead.name, typed if is_typed else lead.phone)

    @classmethod
    def sent(cls, form: Form) -> Customer:
        """Return the customer in the hidden fields of a form."""
        return cls(*(form.get(name, "")[:_LONGEST] for name in (LEAD, NAME, PHONE)))

    def fields(self) -> Iterator[tuple[str, str]]:
        yield from filter(lambda pair: pair[1], ((LEAD, self.lead), (NAME, self.name), (PHONE, self.phone)))


@dataclass(frozen=True)
class Job:
    """language: of the quote; before: the quote that this one replaces, if any; answers: about the whole order."""

    lines: list[LineRequest]
    language: Language
    answers: dict[str, str] = field(default_factory=dict)
    before: IssuedQuote | None = None

    @classmethod
    def of(cls, issued: IssuedQuote) -> Job:
        """Return the job of a quote, to be quoted again."""
        return cls(pricing.requests(issued.quote), issued.language, dict(issued.quote.answers), issued)

    @classmethod
    def sent(cls, form: Form) -> Job:
        """Return the job in a form: the calculator's, or the hidden fields of `fields`."""
        typed, _errors = typed_lines(form)
        lines = [line.request() for line in begun(typed, site.price_book())]
        said = next((each for each in LANGUAGES if each == form.get(LANGUAGE)), site.language())
        return cls(lines, said, typed_answers(form), earlier(form.get(BEFORE)))

    def fields(self) -> list[tuple[str, str]]:
        """Return the hidden fields that carry the job from page to page."""
        before = [(BEFORE, token.short(self.before))] if self.before else []
        return [*hidden_fields(self.lines, self.answers), *before, (LANGUAGE, self.language)]

    def charged(self) -> Decimal:
        """Return what a discount is taken off, at today's prices; QuoteRefused as `pricing.price`."""
        return discounts.charged(site.preview(self.lines, self.answers))

    def issue(self, *, seller: str = "", discount: Discount | None = None, asker: str = "") -> IssuedQuote:
        """Return the quote at today's prices, in its own language; QuoteRefused as `pricing.price`.

        asker: who asks; the same one gets the same folio for the same job on the same day.
        """
        page = next(each for each in PAGE_LANGUAGES if each.code == self.language)
        with translation.override(page.django):
            return site.issue(
                self.lines,
                self.answers,
                replaces=self.before.quote.folio if self.before else "",
                visitor_id=asker,
                seller=seller,
                discount=discount,
            )
