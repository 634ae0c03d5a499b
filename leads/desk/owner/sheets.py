"""The two things that an owner edits, as cells: the texts in force, the draft over them, and the document they make."""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from leads import phones
from quoter import site
from quoter.engine.pricebook import PriceBookInvalid, parse
from quoter.shop import details, publishing, served, sheet
from quoter.shop.models import Published


def content_in_force(kind: str) -> str:
    row = Published.objects.filter(kind=kind).begun().first()
    return row.content if row else publishing.first_content(kind)


class Prices:
    """The price list. sections: its cells in tables."""

    kind = served.PRICES

    def __init__(self, content: str) -> None:
        self.content, self._data = content, sheet.parse(content)
        self.sections = sheet.sections(self._data, site.language())
        self.texts = {cell.path: cell.text for each in self.sections for cell in (*each.cells, *each.lists)}

    def text(self, path: str, typed: str) -> str:
        """Return what was typed into a cell as the document has it; ValueError for what cannot be its value."""
        try:
            if path.endswith(f".{sheet.TIERS}"):
                sheet.changed(self._data, {path: typed})
                return "\n".join(line.rstrip() for line in typed.strip().splitlines())
            return sheet.number(typed)
        except (sheet.NotANumber, LookupError, TypeError):
            raise ValueError(_("Write a number such as 1890.00.")) from None

    def with_cells(self, texts: Mapping[str, str]) -> str:
        """Return the document with these cells, without another version's name."""
        return sheet.dumps(sheet.changed(self._data, texts)) if texts else self.content

    def to_publish(self, texts: Mapping[str, str], today: date) -> str:
        """Return the document under a version that no other prices have: the day, and a number if it needs one."""
        data = sheet.changed(self._data, texts)
        known = Published.objects.filter(kind=self.kind).values_list("content", flat=True)
        used = {_version(content) for content in [self.content, *known.filter(content__contains=str(today))]}
        names = (f"{today}.{number}" if number > 1 else str(today) for number in range(1, len(used) + 2))
        return sheet.dumps(data | {"version": next(name for name in names if name not in used)})


class Details:
    """The shop's settings. Its cells have the names of the variables."""

    kind = served.DETAILS

    def __init__(self, content: str) -> None:
        self.content, self._given = content, json.loads(content)
        self.texts = {**dict.fromkeys(details.names(), ""), **settings.SHOP_TEXTS, **self._given}

    def text(self, path: str, typed: str) -> str:
        text = typed.replace("\r\n", "\n").strip()
        value = details.value_of(path, text)
        if path == "WHATSAPP_NUMBER" and not phones.is_valid(value):
            raise ValueError(_("No phone has this number."))
        return text

    def with_cells(self, texts: Mapping[str, str]) -> str:
        return details.document(self._given | dict(texts))

    def to_publish(self, texts: Mapping[str, str], today: date) -> str:
        after = self._given | dict(texts)
        if any(path.startswith(details.NOTICE) for path in texts):
            number = 1 + str(self._given.get(details.NOTICE_VERSION, "")).startswith(str(today))
            after[details.NOTICE_VERSION] = f"{today}.{timezone.now():%H%M%S}" if number > 1 else str(today)
        return details.document(after)


def findings(kind: str, content: str) -> list[Any]:
    """Return what is wrong with a document; [] when it could be published."""
    try:
        served.check(kind, content)
    except PriceBookInvalid as invalid:
        return list(invalid.findings)
    return []


def _version(content: str) -> str:
    try:
        return parse(content).version
    except PriceBookInvalid:
        return ""
