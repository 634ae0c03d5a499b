"""Quotes and checkouts on the running site, with the assertions that hold for each."""

import re
from datetime import timedelta
from itertools import count
from typing import Any

from django.test import override_settings

from quoter import site as site_of_quotes
from quoter import token
from quoter.engine.quote import LineRequest
from tests.support import live
from tests.support.live import Answer, Site, message

PERSON = {"name": "Zoila Vaca", "phone": "(656) 765-4321"}
TRACES_OF_THE_PERSON = ["Zoila", "Vaca", "765-4321", "7654321"]
A_LINE = {
    "product": "concrete",
    "options": {"strength": "200", "service": "direct"},
    "measure": {"kind": "volume", "m3": "5.6"},
    "extras": ["fiber"],
}
_numbers = count()
CHAT = f"https://wa.me/{live.WHATSAPP_NUMBER}?text="


def a_quote(site: Site) -> dict[str, Any]:
    return site.post_json("/quote/", {"lines": [A_LINE]}).json


def an_unhurried_quote(*lines: dict[str, Any]) -> dict[str, str]:
    """Return a quote of a minute ago, signed as the site does: whoever checks out within seconds is set aside."""
    with override_settings(SECRET_KEY=live.SECRET_KEY):
        quoted = site_of_quotes.issue([LineRequest.model_validate(line) for line in lines or [A_LINE]])
        quote = quoted.quote.model_copy(update={"issued_at": quoted.quote.issued_at - timedelta(minutes=1)})
        return {"folio": quote.folio, "token": token.dumps(token.issue(site_of_quotes.price_book(), quote))}


def a_token(site: Site) -> str:
    token: str = a_quote(site)["token"]
    return token


def check_out(site: Site, token: str = "", **changes: str) -> Answer:
    """Check out, each time from another address: many people from one would be set aside."""
    number = next(_numbers)
    address = {"X-Forwarded-For": f"198.18.{number // 256 % 256}.{number % 256}"}
    return site.post_json("/checkout/", {"token": token or a_token(site), **PERSON, **changes}, **address)


def check_out_with(site: Site, quote: dict[str, Any], **changes: str) -> Answer:
    """Check out a quote, and assert that the answer has a chat whose message carries the lead unless it is stored."""
    answer = check_out(site, quote["token"], **changes)
    assert (answer.status, answer.json["success"], answer.json["folio"]) == (200, True, quote["folio"])
    assert answer.json["whatsapp_url"].startswith(CHAT)
    carries_the_lead = re.search(r"/q/[\w.-]{200,}/#[\w-]{80,}$", message(answer.json["whatsapp_url"])) is not None
    assert carries_the_lead == ("warning" in answer.json)
    return answer


def traces_in(log: str) -> list[str]:
    return [trace for trace in TRACES_OF_THE_PERSON if trace in log]
