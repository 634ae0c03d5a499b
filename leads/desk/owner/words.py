"""What the fields of a price book are called on the owner's page, and what stands beside them: money, units, %."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from quoter.engine import currency
from quoter.engine.text import Language
from quoter.engine.units import name_of
from quoter.shop.table.cells import Cell, Row, said

# By the field, or by the list that it is in and the field.
LABELS: dict[str | tuple[str, str], Any] = {
    "above": gettext_lazy("Above"),
    "add": gettext_lazy("Added"),
    "area_m2": gettext_lazy("Area (m²)"),
    "at_checkout": gettext_lazy("Asked only before the chat"),
    "below": gettext_lazy("Below"),
    "below_minimum": gettext_lazy("Less than the minimum"),
    "beside": gettext_lazy("Calculated beside the other taxes"),
    "beyond": gettext_lazy("What customers read who state more"),
    "bounds": gettext_lazy("Bounds"),
    "choose": gettext_lazy("How many are chosen"),
    "coefficients": gettext_lazy("Table"),
    "dates": gettext_lazy("Days"),
    "default": gettext_lazy("Counts when left empty"),
    "deposit": gettext_lazy("Deposit"),
    "divide": gettext_lazy("Divided by"),
    "each": gettext_lazy("For each so many"),
    "exact_to": gettext_lazy("Not rounded up to"),
    "factor": gettext_lazy("Multiplied by"),
    "factor_label": gettext_lazy("What it is multiplied for"),
    "falls": gettext_lazy("More may cost less"),
    "from": pgettext_lazy("quantity or day", "From"),
    "further": gettext_lazy("Each further one, of the price"),
    "gaps": gettext_lazy("Gaps are meant so"),
    "group": gettext_lazy("Heading"),
    "height_m": gettext_lazy("Height (m)"),
    "help": gettext_lazy("Explanation"),
    "hint": gettext_lazy("Hint"),
    "hints": gettext_lazy("Hint"),
    "is_usual": gettext_lazy("On unless declined"),
    "label": gettext_lazy("Name"),
    "least": gettext_lazy("Least amount"),
    "length_m": gettext_lazy("Length (m)"),
    "m": gettext_lazy("Metres"),
    "m2": gettext_lazy("Square metres"),
    "m3": gettext_lazy("Cubic metres"),
    "many": gettext_lazy("Several"),
    "max": gettext_lazy("Most"),
    "maximum": gettext_lazy("Most that is quoted online"),
    "message": gettext_lazy("What customers read"),
    "min": gettext_lazy("Least"),
    "minimum": gettext_lazy("Least that is charged"),
    "months": gettext_lazy("Months"),
    "multiply": gettext_lazy("Multiplied by"),
    "name": gettext_lazy("Name"),
    "one": gettext_lazy("One"),
    "pack": gettext_lazy("Pack"),
    "per": gettext_lazy("Charged"),
    "pieces": gettext_lazy("Pieces"),
    "price": gettext_lazy("Price"),
    "prices_include_tax": gettext_lazy("Prices include tax"),
    "pricing": gettext_lazy("How tiers count"),
    "rate": gettext_lazy("Per cent"),
    "reason": gettext_lazy("Why, for customers"),
    "required": gettext_lazy("Has to be answered"),
    "retained": gettext_lazy("Retained"),
    "round": gettext_lazy("Rounded"),
    "rounding": gettext_lazy("Rounding of amounts"),
    "size": gettext_lazy("Size"),
    "step": gettext_lazy("Steps of"),
    "subtract": gettext_lazy("Taken off"),
    "thickness_cm": gettext_lazy("Thickness (cm)"),
    "tiers_across": gettext_lazy("The tier is chosen by"),
    "title": gettext_lazy("What the list is called"),
    "to": pgettext_lazy("quantity", "To"),
    "until": gettext_lazy("Last day"),
    "up_to": gettext_lazy("Raised to this amount"),
    "validity_days": gettext_lazy("Days that a quote holds"),
    "values": gettext_lazy("Number"),
    "whole": gettext_lazy("Whole numbers only"),
    "width_m": gettext_lazy("Width (m)"),
    "with_tax": gettext_lazy("Compared with tax"),
    ("choices", "add"): gettext_lazy("Added to the price"),
    ("choices", "rate"): gettext_lazy("Added to the price, per cent"),
    ("fees", "maximum"): gettext_lazy("At most"),
    ("fees", "minimum"): gettext_lazy("At least"),
    ("quantities", "maximum"): gettext_lazy("Most"),
    ("quantities", "minimum"): gettext_lazy("Least"),
    ("taxes", "rate"): gettext_lazy("Rate"),
    ("deposit", "minimum"): gettext_lazy("At least"),
}
PARTS: dict[str, Any] = {
    "choices": gettext_lazy("Choices"),
    "extras": gettext_lazy("Extras"),
    "fees": gettext_lazy("Fees and discounts"),
    "groups": gettext_lazy("Groups of extras"),
    "inputs": gettext_lazy("What is asked for each line"),
    "limits": gettext_lazy("What is not sold online"),
    "measures": gettext_lazy("How it is measured"),
    "presets": gettext_lazy("Kinds of work"),
    "quantities": gettext_lazy("Calculated quantities"),
    "questions": gettext_lazy("What is asked for the order"),
    "taxes": gettext_lazy("Taxes"),
    "units": gettext_lazy("Units"),
    "when": gettext_lazy("Only when"),
}
CHOICES: dict[str | tuple[str, str], Any] = {
    ("tiers_across", "line"): gettext_lazy("each line"),
    "true": gettext_lazy("yes"),
    "false": gettext_lazy("no"),
    "at_most_one": gettext_lazy("at most one"),
    "down": gettext_lazy("down"),
    "flat": gettext_lazy("a tier's price is for the whole band"),
    "graduated": gettext_lazy("each part costs its own tier's price"),
    "line": gettext_lazy("once per line"),
    "nearest": gettext_lazy("to the nearest"),
    "one": gettext_lazy("exactly one"),
    "order": gettext_lazy("once per order"),
    "product": gettext_lazy("all lines together"),
    "raise": gettext_lazy("is charged as the minimum"),
    "refuse": gettext_lazy("is refused"),
    "unit": gettext_lazy("per unit"),
    "up": gettext_lazy("up"),
}
_MONEY = {"price", "least", "up_to"}
_OF_UNIT = {"step", "minimum", "maximum", "exact_to", "from", "to", "above", "below", "size"}
_TAKEN_BY_OTHERS = {"inputs", "questions", "asks", "quantities"}


def label_of(cell: Cell, language: Language) -> str:
    """Return what a cell is called beside its row's title."""
    group = cell.rows[-1].name if cell.rows else ""
    parts = [] if cell.names[-1] not in ("es", "en") else [_("Spanish") if cell.names[-1] == "es" else _("English")]
    for name in reversed(cell.names):
        if name not in ("es", "en") and not name.isdecimal():
            head = cell.names[0] if len(cell.names) > 1 else group
            known = LABELS.get((group, name)) or LABELS.get((head, name)) or LABELS.get(name)
            parts.insert(0, str(known) if known else name.replace("_", " "))
    return " · ".join(parts)


def title_of(row: Row) -> str:
    """Return what tells a row from others; a condition has the name of what it looks at."""
    return f"{PARTS['when']} {row.data.get('name', '')}".strip() if row.name == "when" else row.title


def choice(field: str, value: str) -> str:
    return str(CHOICES.get((field, value)) or CHOICES.get(value, value))


def around(cell: Cell, data: Mapping[str, Any], language: Language) -> tuple[str, str]:
    """Return what stands before and after a number: $ and / m³, or per cent."""
    field, group = cell.field, cell.rows[-1].name if cell.rows else ""
    product = cell.rows[0].data if cell.rows and cell.rows[0].name == "products" else {}
    if cell.kind == "rate":
        return "", "%"
    if cell.kind != "number":
        return "", ""
    if field == "validity_days":
        return "", _("days")
    in_fee = any(row.name == "fees" for row in cell.rows)
    if field in _MONEY or (group == "choices" and field == "add") or (in_fee and field in ("minimum", "maximum")):
        return money_sign(data), _per(cell, product, data, language) if field == "price" else ""
    if group in _TAKEN_BY_OTHERS:
        return "", unit_text(str(cell.rows[-1].data.get("unit", "")), data, language)
    of_product = len(cell.rows) == 1 or (cell.rows[1].name == "prices" and field in _OF_UNIT)
    return "", unit_text(str(product.get("unit", "")), data, language) if field in _OF_UNIT and of_product else ""


def money_sign(data: Mapping[str, Any]) -> str:
    code = str(data.get("currency", ""))
    return currency.of(code).sign or code


def unit_text(code: str, data: Mapping[str, Any], language: Language) -> str:
    """Return a unit as people write it after several: as the book names it, or as everybody does."""
    for unit in data.get("units", ()):
        if unit.get("code") == code:
            return said(unit.get("many", code), language)
    return name_of(code).many.in_(language) if code else ""


def _one(code: str, data: Mapping[str, Any], language: Language) -> str:
    for unit in data.get("units", ()):
        if unit.get("code") == code:
            return said(unit.get("one", code), language)
    return name_of(code).one.in_(language) if code else ""


def _per(cell: Cell, product: Mapping[str, Any], data: Mapping[str, Any], language: Language) -> str:
    row = cell.rows[-1].data if cell.rows else {}
    if any(each.name == "fees" for each in cell.rows):
        fee = next(each.data for each in cell.rows if each.name == "fees")
        return f"/ {_one(fee['unit'], data, language)}" if fee.get("unit") else ""
    if cell.rows and cell.rows[-1].name == "extras" and row.get("per", "unit") != "unit":
        return choice("per", row["per"])
    if row.get("quantity") or product.get("pricing") == "flat" or not product.get("unit"):
        return ""
    return f"/ {_one(product['unit'], data, language)}"
