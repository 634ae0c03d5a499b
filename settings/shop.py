"""Reads what the owner may change while the site runs, from the environment at first and from the owner's texts later.

Both are read by the same functions, so what one refuses the other refuses, too.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from settings import env

GREETING_FIELDS = ("name", "folio", "total", "business", "until", "link")
# The texts of variables that are not set.
DEFAULTS = {
    "BUSINESS_NAME": "Folio",
    "WHATSAPP_NUMBER": "",
    "BRAND_COLOR": "",
    "BRAND_ACCENT": "",
    "ANSWER_PROMISE": "30",
    "BUSINESS_HOURS": "Mon-Fri 8:00-18:00, Sat 8:00-14:00",
    "HOLIDAYS": "",
    # The message with which a salesperson opens the chat, in the language of the quote.
    "GREETING_ES": "Hola {name}, somos {business}. Te escribimos por tu cotización {folio}, con un total de {total}.",
    "GREETING_EN": (
        "Hello {name}, this is {business}. We are writing about your quote {folio}, with a total of {total}."
    ),
    "ALERT_EMAILS": "",
    "ALERT_MANAGER_EMAILS": "",
    "ESCALATE_AFTER": "60",
}
# The demo number cannot belong to anybody: Mexico has no area code 000.
DEMO_NUMBER = "520000000000"


def texts(*, debug: bool) -> dict[str, str]:
    """Return the text of each variable, or its default."""
    defaults = DEFAULTS | ({"WHATSAPP_NUMBER": DEMO_NUMBER} if debug else {})
    return {name: env.text(name, default) for name, default in defaults.items()}


def read(given: Mapping[str, str]) -> dict[str, Any]:
    """Return the value of each variable that is given; ImproperlyConfigured names one that cannot be read.

    An empty text is a variable that is not set.
    """
    with env.instead(given):
        return {name: _READERS[name](name) for name in given if name in _READERS}


def _minutes(default: str) -> Callable[[str], timedelta]:
    return lambda name: timedelta(minutes=env.integer(name, int(default), at_least=1))


_READERS: dict[str, Callable[[str], Any]] = {
    "BUSINESS_NAME": partial(env.text, default=DEFAULTS["BUSINESS_NAME"]),
    "WHATSAPP_NUMBER": partial(env.phone_number, demo=None),
    "BRAND_COLOR": env.color,
    "BRAND_ACCENT": env.color,
    # A lead is promised an answer within this many minutes of business hours.
    "ANSWER_PROMISE": _minutes(DEFAULTS["ANSWER_PROMISE"]),
    "BUSINESS_HOURS": partial(env.business_hours, default=DEFAULTS["BUSINESS_HOURS"]),
    "HOLIDAYS": env.holidays,
    "GREETING_ES": partial(env.message, default=DEFAULTS["GREETING_ES"], fields=GREETING_FIELDS),
    "GREETING_EN": partial(env.message, default=DEFAULTS["GREETING_EN"], fields=GREETING_FIELDS),
    # Who gets a mail for each new lead, and for leads that nobody answered within ESCALATE_AFTER (business hours).
    "ALERT_EMAILS": partial(env.names, default=[]),
    "ALERT_MANAGER_EMAILS": partial(env.names, default=[]),
    "ESCALATE_AFTER": _minutes(DEFAULTS["ESCALATE_AFTER"]),
}
