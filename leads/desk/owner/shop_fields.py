"""The settings of the shop as its page shows them: labels, where customers see each, how it is typed."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from leads import phones
from leads.desk.owner.fields import Field, Shown
from quoter.shop import details

_BOTH = ((gettext_lazy("in Spanish"), "ES"), (gettext_lazy("in English"), "EN"))
# By group: the name, its label, where it is seen, and how it is typed: text, area, color, tel.
GROUPS: tuple[tuple[Any, tuple[tuple[str, Any, Any, str], ...]], ...] = (
    (
        gettext_lazy("What customers must not see wrong"),
        (
            ("BUSINESS_NAME", gettext_lazy("Name"), gettext_lazy("On every page, in messages and mails."), "text"),
            (
                "WHATSAPP_NUMBER",
                gettext_lazy("WhatsApp number"),
                gettext_lazy("Every chat goes there. Country code first: 526561234567."),
                "tel",
            ),
        ),
    ),
    (
        gettext_lazy("Look"),
        (
            ("BRAND_COLOR", gettext_lazy("Colour"), gettext_lazy("Buttons and links: #0b5d4a."), "text"),
            ("BRAND_ACCENT", gettext_lazy("Accent"), gettext_lazy("What catches the eye: #f2b441."), "text"),
            (
                details.LOGO,
                gettext_lazy("Logo"),
                gettext_lazy("At the top of every page, in place of the name: SVG, PNG or WebP of up to 20 kB."),
                "picture",
            ),
            (
                details.PHOTO,
                gettext_lazy("Photo"),
                gettext_lazy("Of your work, your shop or your people, by the title; below the calculator on phones."),
                "photo",
            ),
        ),
    ),
    (
        gettext_lazy("Hours and promise"),
        (
            (
                "BUSINESS_HOURS",
                gettext_lazy("Opening hours"),
                gettext_lazy("For search engines and the promise: Mon-Fri 8:00-18:00, Sat 8:00-14:00."),
                "text",
            ),
            ("HOLIDAYS", gettext_lazy("Holidays"), gettext_lazy("Closed on these days: 12-25, 2026-11-16."), "text"),
            ("ANSWER_PROMISE", gettext_lazy("Promise"), gettext_lazy("Minutes until somebody answers."), "text"),
        ),
    ),
    (
        gettext_lazy("What the shop says of itself"),
        tuple(
            (f"{name}_{code}", label, where, "area")
            for name, label, where in (
                ("INCLUDED", gettext_lazy("The price includes"), gettext_lazy("Below the title, and on the quote.")),
                ("LEAD_TIME", gettext_lazy("Lead time"), gettext_lazy("Below the title, and on the quote.")),
                ("PAYMENT", gettext_lazy("Payment"), gettext_lazy("At the foot of every page, and on the quote.")),
                ("AREA", gettext_lazy("Where we serve"), gettext_lazy("Above the title, and on the quote.")),
                ("ADDRESS", gettext_lazy("Address"), gettext_lazy("At the foot of every page, and on the quote.")),
                (
                    details.QUESTIONS,
                    gettext_lazy("Questions and answers"),
                    gettext_lazy("Up to four: the question in a line, the answer below it, then an empty line."),
                ),
            )
            for _language, code in _BOTH
        )
        + ((details.MAP_URL, gettext_lazy("Link to the map"), gettext_lazy("Beside the address."), "text"),),
    ),
    (
        gettext_lazy("Messages and alerts"),
        (
            (
                "GREETING_ES",
                gettext_lazy("Greeting"),
                gettext_lazy("Opens the chat with a customer. It may have {name}, {folio}, {total}, {business}."),
                "area",
            ),
            (
                "GREETING_EN",
                gettext_lazy("Greeting"),
                gettext_lazy("Opens the chat with a customer. It may have {name}, {folio}, {total}, {business}."),
                "area",
            ),
            *(
                (f"{name}_{code}", label, where, "area")
                for name, label, where in (
                    (
                        "QUOTE",
                        gettext_lazy("The quote"),
                        gettext_lazy("Goes with its link. {name}, {folio}, {total}, {until}, {link}."),
                    ),
                    (
                        "REMINDER",
                        gettext_lazy("Reminder"),
                        gettext_lazy("To whoever has not answered. {name}, {folio}, {total}."),
                    ),
                    (
                        "RENEWAL",
                        gettext_lazy("Renewal"),
                        gettext_lazy("When a quote has expired. {name}, {folio}, {total}."),
                    ),
                    (
                        "AFTER_SALE",
                        gettext_lazy("After the sale"),
                        gettext_lazy("When all is delivered. {name}, {folio}."),
                    ),
                )
                for _language, code in _BOTH
            ),
            (
                details.LOST_REASONS,
                gettext_lazy("Why a sale is lost"),
                gettext_lazy("What sellers choose from, a line each: price, date, bought elsewhere."),
                "area",
            ),
            (
                details.SELLER_DISCOUNT,
                gettext_lazy("Sellers' discount"),
                gettext_lazy("The most a seller may take off a quote, in per cent: 5. Empty: nothing."),
                "text",
            ),
            (
                details.MANAGER_DISCOUNT,
                gettext_lazy("Managers' discount"),
                gettext_lazy("The most a manager may take off a quote, in per cent: 15. The owner has no limit."),
                "text",
            ),
            (
                details.DISCOUNT_REASONS,
                gettext_lazy("Why a discount is given"),
                gettext_lazy("What sellers choose from and customers read, a line each: regular customer, volume."),
                "area",
            ),
            ("ALERT_EMAILS", gettext_lazy("Mail for each lead"), gettext_lazy("Addresses, between commas."), "text"),
            (
                "ALERT_MANAGER_EMAILS",
                gettext_lazy("Mail for unanswered leads"),
                gettext_lazy("Addresses, between commas."),
                "text",
            ),
            ("ESCALATE_AFTER", gettext_lazy("Unanswered after"), gettext_lazy("Minutes of opening hours."), "text"),
        ),
    ),
    (
        gettext_lazy("Privacy notice"),
        tuple(
            (
                f"{details.NOTICE}_{code}",
                gettext_lazy("Privacy notice"),
                gettext_lazy("The page that customers agree to. {business} is the name. Each change is a new version."),
                "area",
            )
            for _language, code in _BOTH
        ),
    ),
)


def groups(shown: Shown) -> list[tuple[str, list[Field]]]:
    """Return each group's title and its fields."""
    found = []
    for title, members in GROUPS:
        fields = []
        for name, label, where, kind in members:
            text = shown.typed.get(name, shown.text(name))
            said = phones.readable("".join(filter(str.isdigit, text))) if kind == "tel" and text else ""
            fields.append(shown.field(name, _label(name, label), kind=kind, where=str(where), said=said))
        found.append((str(title), fields))
    return found


def labels() -> dict[str, str]:
    """Return the label of each setting by its name, in the page's order."""
    return {name: _label(name, label) for _title, members in GROUPS for name, label, *_rest in members}


def in_words(name: str, fault: str) -> str:
    """Return what is wrong with what was typed, in the language of the page, with an example."""
    examples = {name: str(where) for _title, members in GROUPS for name, _label, where, _kind in members}
    return _("This cannot be used. %(example)s") % {"example": examples[name]} if name in examples else fault


def _label(name: str, label: Any) -> str:
    language = next((str(words) for words, code in _BOTH if name.endswith(f"_{code}")), "")
    return f"{label} {language}".strip()
