"""The mark in `quote_data` of a lead that is copied through Supabase's REST API (leads/delivery/copy). Plain Python.

It tells the trigger of `leads` which inserts are copies and, by hashes, whose lead it is, for who was erased. The
trigger takes it out, so no stored row has it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

_PERSONS = "copied_persons"

# Of the row that is inserted, as SQL of a trigger: whether it is a copy, its hashes, and its content without the mark.
IS_COPY = f"NEW.quote_data::jsonb ? '{_PERSONS}'"
PERSONS = f"ARRAY(SELECT jsonb_array_elements_text(NEW.quote_data::jsonb -> '{_PERSONS}'))"
UNMARKED = f"NEW.quote_data::jsonb - '{_PERSONS}'"


def can_be_marked(record: object) -> bool:
    """Return whether a journal's record has content that takes the mark: one of another shape is left to Postgres."""
    return isinstance(record, dict) and isinstance(record.get("quote_data"), dict)


def marked(record: Mapping[str, Any], persons: Sequence[str]) -> dict[str, Any]:
    """Return a journal's record with the mark. persons: `leads.delivery.erasures.persons` of its phone."""
    return {**record, "quote_data": {**record["quote_data"], _PERSONS: persons}}
