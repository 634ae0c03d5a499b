"""Read a WhatsApp message that staff paste: its signed link, and the folio and total in its text."""

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import NamedTuple
from urllib.parse import unquote

from quoter import site, token
from quoter.engine import folio
from quoter.engine.quote import Quote
from quoter.token import IssuedQuote

# The first lookbehind lets a search try each run of letters once, and not again from every letter of it.
_LINK = re.compile(
    r"(?<![A-Za-z0-9_-])(?P<token>[A-Za-z0-9_-]{60,}+\.[A-Za-z0-9_-]{43})(?![A-Za-z0-9_-])(?:/?#(?P<seal>[A-Za-z0-9_-]+))?"
)
_LOOKS_SIGNED = re.compile(r"/q/[A-Za-z0-9_.-]{40,}")
_TOTAL = re.compile(r"total\W{0,4}(\d[\d.,]{0,30})", re.IGNORECASE)


class Link(NamedTuple):
    """seal: the customer's details, for leads.delivery.sealed; None where the link carries none."""

    issued: IssuedQuote
    seal: str | None


def find(text: str) -> Link | None:
    """Return the first link in a text that this site has signed, or None."""
    for found in _LINK.finditer(unquote(text)):
        try:
            return Link(token.loads(found["token"], zone=site.zone()), found["seal"])
        except token.BadToken:
            continue
    return None


@dataclass(frozen=True, slots=True)
class PastedMessage:
    """A pasted message.

    folio: of its quote; issued: the quote in its link, with a verified signature, or None; seal: the name and phone in
    that link, sealed, or None; is_forged: it has a link of this site's form whose signature is wrong or cut short;
    total: the total in its text, as written, or None.
    """

    folio: str
    issued: IssuedQuote | None
    seal: str | None
    is_forged: bool
    total: str | None

    def is_altered(self, quote: Quote) -> bool:
        """Return whether the total in the text differs from the quote's. A text without a total is not altered."""
        if self.total is None:
            return False
        try:
            return Decimal(self.total.replace(",", "")) != quote.total
        except InvalidOperation:
            return True


def message(text: str) -> PastedMessage | None:
    """Return what a pasted text says about a quote, or None when it names no quote.

    The folio of a signed link takes precedence over a folio in the text.
    """
    plain = unquote(text)
    issued, seal = find(plain) or (None, None)
    number = issued.quote.folio if issued else folio.find(plain)
    if number is None:
        return None
    is_forged = issued is None and _LOOKS_SIGNED.search(plain) is not None
    total = _TOTAL.search(plain)
    return PastedMessage(number, issued, seal, is_forged, total[1].rstrip(".,") if total else None)
