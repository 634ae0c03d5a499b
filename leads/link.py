"""The link of a quote as it stands in a WhatsApp message, found in whatever was pasted around it."""

import re
from typing import NamedTuple
from urllib.parse import unquote

from quoter import site, token
from quoter.token import IssuedQuote

_LINK = re.compile(r"(?P<token>[A-Za-z0-9_-]{60,}\.[A-Za-z0-9_-]{43})(?![A-Za-z0-9_-])(?:/?#(?P<seal>[A-Za-z0-9_-]+))?")


class Link(NamedTuple):
    """seal: the customer's details, for leads.sealed; None where the link carries none."""

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
