"""The WhatsApp link of a quote, and the message in it. Plain Python: no Django."""

from collections.abc import Iterable

from quoter.conversation import chat_url
from quoter.engine.numbers import decimal_places, grouped, money
from quoter.engine.quote import Quote, QuotedFee, QuoteLine
from quoter.engine.text import Language, Text
from quoter.engine.units import unit_text

# Labels and answers, in words.
Answers = Iterable[tuple[str, str]]

# WhatsApp documents no limit. Links of this length opened on every system tried.
MAX_URL = 2000

GREETING = Text(es="Hola, soy {name}.", en="Hello, this is {name}.")
HELLO = Text(es="Hola.", en="Hello.")
SUBJECT = Text(es="Me interesa la cotización *{folio}*:", en="I am interested in quote *{folio}*:")
LINE = Text(es="- {billed} {unit} de {description}", en="- {billed} {unit} of {description}")
EXTRAS = Text(es=" (con {extras})", en=" (with {extras})")
MORE = Text(es="- y {count} partidas más", en="- and {count} more lines")
ONE_MORE = Text(es="- y 1 partida más", en="- and 1 more line")
ALL = Text(es="- {count} partidas", en="- {count} lines")
REPLACES = Text(es="Reemplaza a la cotización {folio}.", en="It replaces quote {folio}.")
ALL_ONE = Text(es="- 1 partida", en="- 1 line")
FEE = Text(es="- {description}: {amount}", en="- {description}: {amount}")
TOTAL_ALONE = Text(es="*Total: {total} {currency}*.", en="*Total: {total} {currency}*.")
TOTAL = Text(es="*Total: {total} {currency}*, {tax} incluido.", en="*Total: {total} {currency}*, {tax} included.")


def quote_chat_url(
    number: str,
    quote: Quote,
    *,
    language: Language,
    link: str,
    name: str = "",
    answers: Answers = (),
    most: int = MAX_URL,
) -> str:
    """Return the URL of a chat with the quote as its message, at most `most` characters long if possible.

    link: of the quote's page; answers: to what is asked at checkout. A message that is too long leaves out lines from
    the end, then name and answers. Folio, total and link always stay: a link that carries a lead may be too long by
    itself, and a longer URL is better than a lost lead.
    """
    counts = range(len(quote.lines), -1, -1)
    for shown, shown_name, shown_answers in [*((shown, name, answers) for shown in counts), (0, "", ())]:
        text = message(quote, language=language, link=link, name=shown_name, shown=shown, answers=shown_answers)
        url = chat_url(number, text)
        if len(url) <= most:
            break
    return url


def message(quote: Quote, *, language: Language, link: str, name: str, shown: int, answers: Answers = ()) -> str:
    """Return the message of a quote with its first `shown` lines. No emoji: they arrive broken on desktops."""
    greeting = GREETING.say(language, name=name) if name else HELLO.in_(language)
    omitted = len(quote.lines) - shown
    singular, plural = (ONE_MORE, MORE) if shown else (ALL_ONE, ALL)
    omission = singular.in_(language) if omitted == 1 else plural.say(language, count=str(omitted))
    parts = [
        f"{greeting} {SUBJECT.say(language, folio=quote.folio)}",
        *(_line(line, language) for line in quote.lines[:shown]),
        *([omission] if omitted else []),
        *(_fee(fee, quote.currency, language) for fee in (*quote.fees, *quote.discounts)),
        _total(quote, language),
        *([REPLACES.say(language, folio=quote.replaces)] if quote.replaces else []),
        *(f"{label}{'' if label.endswith('?') else ':'} {value}" for label, value in answers),
        link,
    ]
    return "\n".join(parts)


def _total(quote: Quote, language: Language) -> str:
    words = TOTAL if quote.is_taxed else TOTAL_ALONE
    total = money(quote.total, quote.currency)
    return words.say(language, total=total, currency=quote.currency, tax=quote.tax.name)


def _fee(fee: QuotedFee, currency: str, language: Language) -> str:
    return FEE.say(language, description=fee.description, amount=money(fee.amount, currency))


def _line(line: QuoteLine, language: Language) -> str:
    billed = grouped(line.billed, places=decimal_places(line.billed))
    unit = line.unit_name or unit_text(line.unit, line.billed).in_(language)
    text = LINE.say(language, billed=billed, unit=unit, description=line.description)
    extras = ", ".join(part.description for part in line.added)
    return text + (EXTRAS.say(language, extras=extras) if extras else "")
