"""Values of `quote_data`, as JSON: those of each release, those of adopted tables, and nonsense."""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st
from pydantic_core import to_json

from leads import snapshot
from leads.delivery.record import LeadRecord, lead_record, quote_record
from leads.snapshot import Customer, Flag, Line, Privacy
from tests.support.factories import a_contact, a_line, an_issued_quote

SOURCE = "facebook"
A_MOMENT = datetime(2026, 11, 22, 19, 30, tzinfo=UTC)


def a_lead(*lines: dict[str, Any], **contact: Any) -> LeadRecord:
    given = {"attribution": {"utm_source": SOURCE}, "marketing_accepted_at": A_MOMENT, **contact}
    return lead_record(an_issued_quote(*lines), a_contact(**given))


def late(lead: LeadRecord, *flags: str, **about: str) -> LeadRecord:
    """Return a lead as it is stored when a customer's device kept it."""
    received = {"received_at": A_MOMENT.isoformat(timespec="seconds"), **about}
    return replace(lead, about={**lead.about, "flags": [Flag.LATE, *flags], "late": received})


def unpriced() -> LeadRecord:
    """Return a lead that a device priced in an earlier release, of a product that the price book no longer had."""
    quote = json.loads(an_issued_quote().text)
    kept = {name: value for name, value in quote.items() if name not in ("subtotal", "tax", "total", "prices")}
    asked = json.dumps([a_line(product="gone")])
    lead = late(a_lead(), Flag.MADE_OFFLINE, Flag.UNPRICED, shown_total="17622.10", asked=asked)
    return replace(lead, folio=quote["folio"], quote=to_json({**kept, "lines": []}), submitted_at=None)


def _text_of(make: Callable[[], LeadRecord]) -> Callable[[], str]:
    return lambda: json.dumps(make().quote_data)


def _json(value: object) -> Callable[[], str]:
    return lambda: json.dumps(value)


# The first is a normal lead.
KINDS: dict[str, Callable[[], str]] = {
    "a lead": _text_of(a_lead),
    "a quote": _text_of(lambda: quote_record(an_issued_quote(), visitor_id="")),
    "late": _text_of(lambda: late(a_lead(), Flag.EXPIRED)),
    "priced offline": _text_of(lambda: late(a_lead(), Flag.MADE_OFFLINE, Flag.PRICE_MISMATCH, shown_total="1.00")),
    "unpriced": _text_of(unpriced),
    "anonymised": lambda: json.dumps(snapshot.without_person(a_lead().quote_data)),
    "adopted, with numbers": _json({"total": 1234.5, "currency": "MXN", "tax": 98, "attribution": {"source": "radio"}}),
    "adopted, otherwise": _json({"total": "$1,234", "lines": "6 m³", "customer": "Ana", "flags": "new", "late": True}),
    "nothing": _json({}),
    "a list": _json([{"total": "1.00"}, "lines"]),
    "a text": _json("6 m³ of concrete"),
    "a number": _json(17622.10),
    "null": _json(None),
    "true": _json(True),
    "no number of a shop": _json({"total": "1E+999999", "subtotal": "NaN", "tax": {"amount": "-Infinity"}}),
}
ONLY_IN_POSTGRES: dict[str, Callable[[], str]] = {
    "deeper than Python reads": lambda: "[" * 4000 + "]" * 4000,
    "longer than Python reads": lambda: '{"total": 1' + "0" * 5000 + ', "lines": []}',
}

_NAMES = [
    *snapshot.KEPT_KEYS,
    *snapshot.EMPTY_PERSON,
    *Customer._fields,
    *Privacy._fields,
    *Line._fields,
    "utm_source",
    "late",
]
_ODD = ["", "NaN", "-Infinity", "1E+999999", "1E-999999", "9" * 50, "0001-01-01T00:00:00+00:00", "2026-11-22", "={"]


def values(*, with_halves: bool = False) -> st.SearchStrategy[Any]:
    """Any JSON value. with_halves: its texts may have lone surrogates, which a jsonb column refuses."""
    letters = st.characters() if with_halves else st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    text = st.text(letters, max_size=20) | st.sampled_from(_ODD)
    number = st.integers() | st.floats(allow_nan=with_halves, allow_infinity=with_halves)
    names = st.sampled_from(_NAMES) | text
    return st.recursive(
        st.none() | st.booleans() | number | text,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=6),
        max_leaves=12,
    )


@st.composite
def spoilt(draw: st.DrawFn, *, with_halves: bool = False) -> Any:
    """A lead with one part replaced or removed."""
    data = deepcopy(a_lead().quote_data)
    *outer, last = draw(st.sampled_from(list(_paths(data))))
    part = data
    for step in outer:
        part = part[step]
    if draw(st.booleans()):
        part[last] = draw(values(with_halves=with_halves))
    else:
        del part[last]
    return data


def texts(*, with_halves: bool = False) -> st.SearchStrategy[str]:
    """Any value of a row, as JSON in Postgres or in the journal."""
    generated = values(with_halves=with_halves) | spoilt(with_halves=with_halves)
    return generated.map(json.dumps) | st.sampled_from(list(KINDS)).map(lambda kind: KINDS[kind]())


def _paths(value: Any) -> Iterator[tuple[Any, ...]]:
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        yield (step,)
        yield from ((step, *rest) for rest in _paths(inner))
