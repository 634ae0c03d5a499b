"""The cells of the owner's pages as the templates show them: label, where customers see it, value, what is wrong."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from leads import phones
from quoter import site
from quoter.engine.pricebook import BookFinding
from quoter.shop import details, draft, served, sheet
from quoter.shop.models import DraftCell

MOST_DIFFERENCES = 8

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
                ("INCLUDED", gettext_lazy("The price includes"), gettext_lazy("Below the calculator.")),
                ("LEAD_TIME", gettext_lazy("Lead time"), gettext_lazy("Below the calculator.")),
                ("PAYMENT", gettext_lazy("Payment"), gettext_lazy("Below the calculator.")),
                ("AREA", gettext_lazy("Where we serve"), gettext_lazy("Below the calculator.")),
                ("ADDRESS", gettext_lazy("Address"), gettext_lazy("Below the calculator, with the link to the map.")),
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


@dataclass(frozen=True)
class Field:
    """A cell. seen: the mark of what the draft has; was: what is in force, if that differs; by: who changed it."""

    path: str
    words: tuple[str, ...]
    value: str
    seen: str
    was: str | None
    by: str
    errors: tuple[str, ...]
    kind: str = "number"
    where: str = ""
    said: str = ""

    @property
    def id(self) -> str:
        return "".join(letter if letter.isalnum() else "-" for letter in self.path)


@dataclass
class Shown:
    """texts: of the draft; typed: what could not be saved; in_force; errors: by path; found: of the whole draft."""

    texts: Mapping[str, str]
    typed: Mapping[str, str]
    in_force: Mapping[str, str]
    cells: Mapping[str, DraftCell]
    errors: Mapping[str, str]
    found: Sequence[BookFinding]

    def field(self, path: str, words: Sequence[Any], **more: Any) -> Field:
        cell = self.cells.get(path)
        of_findings = [finding.message for finding in self.found if self._place(finding) == path]
        return Field(
            path=path,
            words=tuple(map(str, words)),
            value=self.typed.get(path, self.texts.get(path, "")),
            seen=draft.mark(self.texts.get(path, "")),
            was=self.in_force.get(path, "") if cell else None,
            by=cell.by if cell else "",
            errors=tuple([self.errors[path]] if path in self.errors else []) + tuple(of_findings),
            **more,
        )

    def general(self) -> list[str]:
        """Return the findings that stand beside no cell."""
        return [str(finding) for finding in self.found if not self._place(finding)]

    def _place(self, finding: BookFinding) -> str:
        """Return the cell of a finding: the changed one at or below its place, or else any there."""
        place = finding.place
        below = [path for path in self.texts if path == place or path.startswith((f"{place}.", f"{place}["))]
        return next((path for path in below if path in self.cells), below[0] if below and place else "")


@dataclass(frozen=True)
class Group:
    title: str
    fields: list[Field]
    lists: list[Field]


def of_prices(shown: Shown, content: str) -> list[Group]:
    """Return the cells of the draft. content: its document, which may have other rows than the version in force."""
    groups = []
    for section in sheet.sections(sheet.parse(content), site.language()):
        known = [cell for cell in section.cells if cell.path in shown.in_force]
        lists = [shown.field(cell.path, cell.words, kind="list") for cell in section.lists]
        title = section.title or _("The whole list")
        groups.append(Group(title, [shown.field(cell.path, cell.words) for cell in known], lists))
    return groups


def of_details(shown: Shown) -> list[Group]:
    groups = []
    for title, members in GROUPS:
        found = []
        for name, label, where, kind in members:
            language = next((str(words) for words, code in _BOTH if name.endswith(f"_{code}")), "")
            words = (f"{label} {language}".strip(),)
            said = phones.readable(shown.texts.get(name, "")) if kind == "tel" else ""
            found.append(shown.field(name, words, kind=kind, where=str(where), said=said))
        groups.append(Group(str(title), found, []))
    return groups


def differences(kind: str, before: str, after: str) -> list[tuple[str, str, str]]:
    """Return what a version changed: the words of a cell, before, after."""
    if kind == served.PRICES:
        changed = sheet.differences(sheet.parse(before), sheet.parse(after), site.language())
        return [(" · ".join(filter(None, cell.words)), old, cell.text) for cell, old in changed]
    old, new = json.loads(before), json.loads(after)
    labels = {name: str(label) for _title, members in GROUPS for name, label, *_rest in members}
    return [
        (labels.get(name, name), _short(old.get(name, "")), _short(new.get(name, "")))
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name) and name in labels
    ]


def in_words(path: str, fault: str) -> str:
    """Return what is wrong with what was typed, in the language of the page, with an example."""
    examples = {name: str(where) for _title, members in GROUPS for name, _label, where, _kind in members}
    return _("This cannot be used. %(example)s") % {"example": examples[path]} if path in examples else fault


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:79]}…"
