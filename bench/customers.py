"""The checkouts that the sites get: each of another person, for a quote of its own, so that each is counted once."""

from datetime import UTC, datetime, timedelta
from random import Random
from urllib.parse import urlencode

from django.core import signing
from pydantic_core import from_json

from leads import snapshot
from leads.delivery.record import Contact, lead_record
from leads.ops import demo
from quoter import site, token
from quoter.engine import folio
from quoter.engine.quote import LineRequest
from quoter.token import IssuedQuote
from tests.support.lines import a_line

CSRF = "b" * 32
# Customers in a row have addresses (of 198.18.0.0/15), phones and folios that are far apart: how many there are, and a
# step that has no common factor with that, so that each comes once.
ADDRESSES, ADDRESS_STEP = 1 << 17, 81_001
PHONES, PHONE_STEP = 7_000_000, 4_324_757
FOLIOS, FOLIO_STEP = 1 << folio.RANDOM_BITS, 679_891_637_001


class Customers:
    """They ask for the same two lines, under different folios, five minutes ago."""

    def __init__(self) -> None:
        lines = [a_line(), a_line(options={"strength": "250", "service": "pumped"})]
        issued = site.issue([LineRequest.model_validate(line) for line in lines])
        self._as_stored = from_json(issued.text)
        self._at = issued.quote.issued_at - timedelta(minutes=5)
        self._contact = Contact(
            name="María Peña", phone="+526561234567", phone_raw="656 123 4567", submitted_at=datetime.now(UTC)
        )

    def folio(self, number: int) -> str:
        return folio.mint(self._at.date(), random_bits=number * FOLIO_STEP % FOLIOS)

    def of_folio(self, number: int) -> bytes:
        """Return what a browser sends to Folio."""
        # Many from one address, as many quotes of one phone, would be set aside as a flood.
        address = number * ADDRESS_STEP % ADDRESSES
        sent_from = f"198.{18 + (address >> 16)}.{address >> 8 & 255}.{address & 255}"
        proxy = f"X-Forwarded-Proto: https\r\nX-Forwarded-For: {sent_from}"
        return _post(proxy, {"token": token.dumps(self._quote(number)), "privacy_accepted": "on", **_person(number)})

    def of_a_plain_site(self, number: int) -> bytes:
        """Return the same checkout for the sites that sign what Folio stores, and know Django's CSRF token."""
        signed = signing.dumps(lead_record(self._quote(number), self._contact).quote_data, compress=True)
        form = {"token": signed, "csrfmiddlewaretoken": CSRF, **_person(number)}
        return _post(f"Cookie: csrftoken={CSRF}", form)

    def _quote(self, number: int) -> IssuedQuote:
        changes = {"folio": self.folio(number), "issued_at": self._at.isoformat()}
        this = snapshot.read({**self._as_stored, **changes}).issued
        assert this
        return this


def _person(number: int) -> dict[str, str]:
    digits = f"{2_000_000 + number * PHONE_STEP % PHONES}"
    return {"name": demo.random_name(Random(number)), "phone": f"656 {digits[:3]} {digits[3:]}"}


def _post(headers: str, form: dict[str, str]) -> bytes:
    body = urlencode(form).encode()
    head = (
        f"POST /checkout/ HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
