"""What the PDF of a quote says, as texts in their order. Plain values, because another program draws them."""

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from leads import customer
from leads.customer import answers
from quoter import brand, palette
from quoter.engine.numbers import money
from quoter.engine.questions import ANSWER
from quoter.engine.quote import Quote, QuotedFee, QuoteLine
from quoter.engine.text import Language, Text
from quoter.shop import storefront
from quoter.shop.values import Facts, shop
from quoter.templatetags.figures import day, moment, percent, written_total

TITLE = Text(es="Cotización preliminar", en="Preliminary quote")
FOLIO = Text(es="Folio", en="Folio")
ISSUED = Text(es="Fecha", en="Issued")
VALID = Text(es="Vigente hasta el", en="Valid until")
EXPIRED = Text(es="Venció el", en="Expired on")
SELLER = Text(es="Atendió", en="Quoted by")
FOR = Text(es="Para", en="For")
PLACE = Text(es="Dirección de entrega", en="Delivery address")
WANTED = Text(es="Fecha deseada", en="Wanted on")
SUBTOTAL = Text(es="Subtotal", en="Subtotal")
INCLUDED = Text(es="El precio incluye", en="The price includes")
LEAD_TIME = Text(es="Tiempo de entrega", en="Lead time")
PAYMENT = Text(es="Forma de pago", en="Payment")
AREA = Text(es="Dónde damos servicio", en="Where we serve")
CHANGES = Text(es="Qué puede cambiar", en="What may change")
MAY_CHANGE = Text(
    es="Después de la fecha de arriba cotizamos de nuevo con los precios del día. El acceso, el horario y la cantidad "
    "se confirman contigo en el chat: si cambian, cambia el total.",
    en="After the date above we requote at current prices. Access, schedule and quantity are confirmed with you in the "
    "chat: if they change, so does the total.",
)
ACCEPTED = Text(es="Acepto: nombre, firma y fecha", en="Accepted: name, signature and date")
ONLINE = Text(es="Abre esta cotización en línea", en="Open this quote online")
PAGE = Text(es="página", en="page")


class Row(NamedTuple):
    """One row of the bill. kind: "item", "extra" or "note", which has no amount."""

    kind: str
    text: str
    more: str = ""
    amount: str = ""


class Document(NamedTuple):
    """Everything that the file says. logo: in base64, with its suffix; link: of the code to scan; color: #rrggbb.

    facts, blanks, totals, total, after, sections: a label and what belongs to it. A blank that is empty is a line to
    write on; totals stand before what is to be paid, `after` below it.
    """

    language: Language
    title: str
    shop: str
    contact: str
    color: str
    logo: str
    logo_suffix: str
    facts: tuple[tuple[str, str], ...]
    blanks: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]
    totals: tuple[tuple[str, str], ...]
    total: tuple[str, str]
    after: tuple[tuple[str, str], ...]
    sections: tuple[tuple[str, str], ...]
    signature: str
    online: str
    link: str
    page: str
    folio: str


def of(quote: Quote, *, language: Language, link: str, now: datetime, typed: Mapping[str, str]) -> Document:
    """Return what the file of a quote says.

    language: of the words around the bill; link: of the quote's page, short; typed: what the viewer has typed into the
    form of the page, of which name and optional fields are printed when they are right.
    """
    front = storefront.of_shop(language)
    said = front.facts
    logo = brand.logo()
    last_day = EXPIRED if quote.is_expired(now) else VALID
    return Document(
        language=language,
        title=TITLE.in_(language),
        shop=shop.BUSINESS_NAME,
        contact=" · ".join(filter(None, [_one_line(said.address), f"WhatsApp {front.phone}"])),
        color=shop.BRAND_COLOR or palette.COLOR,
        logo=b64encode(logo.content).decode() if logo else "",
        logo_suffix=f".{logo.name.rpartition('.')[2]}" if logo else "",
        facts=(
            (FOLIO.in_(language), quote.folio),
            (ISSUED.in_(language), day(quote.issued_at)),
            (last_day.in_(language), moment(quote.valid_until)),
        ),
        blanks=((SELLER.in_(language), quote.seller),) * bool(quote.seller) + tuple(_blanks(typed, language)),
        rows=tuple(_rows(quote)),
        totals=tuple(_totals(quote, language)),
        total=_total(quote, language),
        after=((quote.deposit.description, money(quote.deposit.amount, quote.currency)),) if quote.deposit else (),
        sections=tuple(_sections(said, language)),
        signature=ACCEPTED.in_(language),
        online=ONLINE.in_(language),
        link=link,
        page=PAGE.in_(language),
        folio=quote.folio,
    )


def _one_line(text: str) -> str:
    return ", ".join(filter(None, (line.strip(" ,") for line in text.splitlines())))


def _blanks(typed: Mapping[str, str], language: Language) -> Iterator[tuple[str, str]]:
    yield FOR.in_(language), _checked(customer.NAME, typed)
    asked = [field for field in answers.fields(today=None) if field not in (customer.NAME, customer.PHONE)]
    for field in asked:
        said = answers.in_words({field.name.removeprefix(ANSWER): _checked(field, typed)}, language)
        yield field.label.in_(language), "".join(words for _label, words in said)
    if not asked:
        yield PLACE.in_(language), ""
        yield WANTED.in_(language), ""


def _checked(field: customer.CustomerField, typed: Mapping[str, str]) -> str:
    try:
        return field.check(typed.get(field.name, ""))
    except customer.FieldRefused:
        return ""


def _rows(quote: Quote) -> Iterator[Row]:
    for line in quote.lines:
        yield Row("item", line.description, _priced(line, quote), money(line.base, quote.currency))
        if line.explanation:
            yield Row("note", line.explanation)
        for extra in line.extras:
            yield Row("extra", extra.description, amount=money(extra.amount, quote.currency))
        yield from _fees((*line.fees, *line.discounts), quote.currency)
    yield from _fees((*quote.fees, *quote.discounts), quote.currency)


def _priced(line: QuoteLine, quote: Quote) -> str:
    billed = line.billed_in(quote.language)
    return f"{billed} × {money(line.unit_price, quote.currency)}" if line.pricing == "unit" else billed


def _fees(fees: Iterable[QuotedFee], currency: str) -> Iterator[Row]:
    for fee in fees:
        yield Row("extra", fee.description, amount=money(fee.amount, currency))
        if fee.explanation:
            yield Row("note", fee.explanation)


def _totals(quote: Quote, language: Language) -> Iterator[tuple[str, str]]:
    if quote.is_taxed:
        yield SUBTOTAL.in_(language), money(quote.subtotal, quote.currency)
    for tax in quote.charged_taxes:
        yield f"{tax.name} {percent(tax.rate)}", money(tax.amount, quote.currency)


def _total(quote: Quote, language: Language) -> tuple[str, str]:
    label = written_total(quote, language)
    return label, f"{money(quote.total, quote.currency)} {quote.currency}"


def _sections(said: Facts, language: Language) -> Iterator[tuple[str, str]]:
    for label, text in (
        (INCLUDED, said.included),
        (LEAD_TIME, said.lead_time),
        (PAYMENT, said.payment),
        (AREA, said.area),
        (CHANGES, MAY_CHANGE.in_(language)),
    ):
        if text:
            yield label.in_(language), text
