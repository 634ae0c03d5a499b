"""The shop's settings that are in force for this request: the owner's, or else those of the environment.

from quoter.shop.values import shop
shop.BUSINESS_NAME
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.conf import settings

from quoter.engine.text import Language, Text
from quoter.shop import details, served


class _Values:
    """Has every setting of settings/shop.py by its name in `django.conf.settings`. It reads memory only."""

    def __getattr__(self, name: str) -> Any:
        given = served.current().details
        return given[name] if name in given else getattr(settings, name)

    @property
    def GREETINGS(self) -> dict[str, str]:  # noqa: N802  (as in the settings)
        given = served.current().details
        names = {"es": "GREETING_ES", "en": "GREETING_EN"}
        own = {language: given[name] for language, name in names.items() if given.get(name)}
        return {**settings.GREETINGS, **own}

    @property
    def REASONS(self) -> tuple[str, ...]:  # noqa: N802
        """Why customers do not buy, as the owner names the reasons."""
        own: tuple[str, ...] = served.current().details.get(details.LOST_REASONS, ())
        return own or details.reasons_of(details.REASONS.in_(_language()))

    @property
    def DISCOUNT_REASONS(self) -> tuple[Text, ...]:  # noqa: N802
        """Why customers get a discount: as the owner says it, else in both languages."""
        own: tuple[str, ...] = served.current().details.get(details.DISCOUNT_REASONS, ())
        both = zip(*map(details.reasons_of, (details.WHY_LESS.es, details.WHY_LESS.en)), strict=True)
        return tuple(Text(es=reason, en=reason) for reason in own) or tuple(Text(es=es, en=en) for es, en in both)

    @property
    def SELLER_DISCOUNT(self) -> Decimal:  # noqa: N802
        """The largest discount of a seller, as a fraction: none until the owner allows one."""
        return served.current().details.get(details.SELLER_DISCOUNT, Decimal(0))  # type: ignore[no-any-return]

    @property
    def MANAGER_DISCOUNT(self) -> Decimal:  # noqa: N802
        return served.current().details.get(details.MANAGER_DISCOUNT, Decimal(0))  # type: ignore[no-any-return]


def _language() -> Language:
    return "es" if settings.LANGUAGE_CODE.startswith("es") else "en"


shop = _Values()


@dataclass(frozen=True, slots=True)
class Facts:
    """What the shop says of itself to customers, in one language. A text that is not set is "", and leaves no hole."""

    address: str
    map_url: str
    area: str
    included: str
    payment: str
    lead_time: str
    questions: tuple[tuple[str, str], ...]

    def __bool__(self) -> bool:
        return any((self.address, self.area, self.included, self.payment, self.lead_time, self.questions))


def facts(language: Language) -> Facts:
    """Return the shop's facts; one that is written in the other language only is given in that."""
    given = served.current().details
    first, second = ("EN", "ES") if language == "en" else ("ES", "EN")

    def said(name: str) -> Any:
        return given.get(f"{name}_{first}") or given.get(f"{name}_{second}") or ""

    address, area, included, payment, lead_time, questions = map(said, details.FACTS)
    return Facts(address, given.get(details.MAP_URL, ""), area, included, payment, lead_time, questions or ())
