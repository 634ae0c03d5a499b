"""A WhatsApp message that staff paste: its signed link, and what its text says of the quote."""

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import NamedTuple
from urllib.parse import unquote

from quoter import site, token
from quoter.engine import folio
from quoter.engine.quote import Quote
from quoter.token import IssuedQuote

_LINK = re.compile(r"(?P<token>[A-Za-z0-9_-]{60,}\.[A-Za-z0-9_-]{43})(?![A-Za-z0-9_-])(?:/?#(?P<seal>[A-Za-z0-9_-]+))?")
_LOOKS_SIGNED = re.compile(r"/q/[A-Za-z0-9_.-]{40,}")
_TOTAL = re.compile(r"total\W{0,4}(\d[\d.,]*)", re.IGNORECASE)


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
    """A pasted message. folio: of the quote it is about; issued: the quote of its link, once the signature is verified.

    has_person: the link carries name and phone, too. is_forged: it has a link like ours that we did not sign, or that
    is cut short. total: what its text says, or None.
    """

    folio: str
    issued: IssuedQuote | None
    has_person: bool
    is_forged: bool
    total: str | None

    def is_altered(self, quote: Quote) -> bool:
        """Return whether the text names another total than the quote has. A text that names none is not altered."""
        if self.total is None:
            return False
        try:
            return Decimal(self.total.replace(",", "")) != quote.total
        except InvalidOperation:
            return True


def message(text: str) -> PastedMessage | None:
    """Return what a pasted text says of a quote, or None where it names none. The signed link outweighs the rest."""
    plain = unquote(text)
    issued, seal = find(plain) or (None, None)
    number = issued.quote.folio if issued else folio.find(plain)
    if number is None:
        return None
    is_forged = issued is None and _LOOKS_SIGNED.search(plain) is not None
    said = _TOTAL.search(plain)
    return PastedMessage(number, issued, seal is not None, is_forged, said[1].rstrip(".,") if said else None)
