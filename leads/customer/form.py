"""The fields of a customer for the template: name, phone, and what the price book asks, such as day and place."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils import timezone

from leads.customer import CustomerField
from leads.customer.answers import fields
from quoter import site
from quoter.engine.text import Language
from quoter.fields import Fault

# So many characters of a field are shown again: more than a value that is refused as too long needs to be recognised.
MOST_SHOWN = 1_000


def context(form: Mapping[str, str], messages: Mapping[str, list[str]]) -> dict[str, Any]:
    """Return the template context. form: as it was sent; messages: by field, why it was refused."""
    asked = fields(today=timezone.localdate())
    faults = [
        Fault(field.name, f"{field.name}-error", field.label.in_(site.language()), message)
        for field in asked
        for message in messages.get(field.name, ())
    ]
    wrong_field = next((field.name for field in asked if field.name in messages), "")
    name, phone, *questions = [_shown(field, form, messages, wrong_field) for field in asked]
    return {
        "fields": [name, phone],
        "questions": questions,
        "is_when_and_where": {"date", "address"} <= {field["kind"] for field in questions},
        "is_unfolded": any(field["is_required"] or field["typed"] or field["messages"] for field in questions),
        "are_optional": not any(field["is_required"] for field in questions),
        # Nobody's: only such fields may be kept in memory.
        "is_blank": not form and not messages,
        "wrong_field": wrong_field,
        "faults": faults,
        "wants_news": form.get("marketing_accepted", ""),
    }


def placeholders(language: Language) -> Iterable[tuple[str, str]]:
    """Yield label and placeholder of each question, for a message that the page's script fills in."""
    for field in fields(today=None)[2:]:
        yield field.label.in_(language), f"{{{field.name}}}"


def _shown(
    field: CustomerField, form: Mapping[str, str], messages: Mapping[str, list[str]], wrong_field: str
) -> dict[str, Any]:
    """Return a field with what was typed in it and its error messages. wrong_field: which gets the focus."""
    language = site.language()
    label = field.label.in_(language)
    described_by = [f"{field.name}-help"] * bool(field.help) + [f"{field.name}-error"] * (field.name in messages)
    return {
        "name": field.name,
        "kind": field.kind,
        "label": label,
        # What browsers say of a phone that does not match its pattern.
        "attributes": {**field.attributes, **({} if field.kind else {"title": label})},
        "is_required": "required" in field.attributes,
        "choices": [(code, choice.in_(language)) for code, choice in field.choices],
        "unit": field.unit.in_(language) if field.unit else "",
        "help": field.help.in_(language) if field.help else "",
        "described_by": " ".join(described_by),
        "typed": form.get(field.name, ""),
        "value": form.get(field.name, field.usual)[:MOST_SHOWN],
        "messages": messages.get(field.name, []),
        "has_focus": field.name == wrong_field,
    }
