"""Whatever reads a stranger's text takes time in proportion to it, and little of it."""

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from time import thread_time
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.exceptions import TooManyFieldsSent, ValidationError
from django.http import HttpResponse, QueryDict
from django.test import RequestFactory
from hypothesis import given, settings
from hypothesis import strategies as st

from checkout import flood, visitor
from checkout.submission import OrderSubmission, SubmissionRefused
from leads import customer, phones
from leads.alerts import push
from leads.customer import FieldRefused
from leads.customer.answers import fields
from leads.inbox import greeting, notes, pasted, search
from leads.privacy import export, foreign
from leads.staff import unfinished
from quoter import incoming, origin, site, token
from quoter.engine import folio, lengths, numbers
from quoter.forms import edited, typed_lines
from quoter.incoming import json_lines
from quoter.language import LanguageMiddleware
from settings.scrubbing import LineFormatter, redaction

LONGEST = 20_000
# What takes less than this for the longest text costs nothing, and cannot be compared on a busy machine.
NOTHING_S = 0.05
MOST_S = 0.5
# A text twice as long takes twice as long. The square of it would take four times as long.
MOST_TIMES = 3

REDACT = redaction(["a secret of ours", "pa?ss=word"])
RECORD: Any = SimpleNamespace(name="Ana Peña", phone="+526561234567", folio="261122-7F3K-Q2M9-X")


def logged(text: str) -> str:
    record = logging.LogRecord("site", logging.WARNING, "", 0, "Invalid HTTP_HOST header: %r", (text,), None)
    return LineFormatter("%(message)s", redact=REDACT).format(record)


def submitted(text: str) -> None:
    with suppress(SubmissionRefused):
        sent = dict.fromkeys(("token", "name", "phone", "privacy_accepted", "website", "answers.notes"), text)
        OrderSubmission.read(sent, fields(today=None))


def checked(check: Callable[[str], str]) -> Callable[[str], None]:
    def run(text: str) -> None:
        with suppress(FieldRefused):
            check(text)

    return run


def number(text: str) -> None:
    with suppress(numbers.NumberUnclear):
        numbers.parse_decimal(text, unit="m³")


def length(text: str) -> None:
    lengths.converted(text, unit="m")


def broken_token(text: str) -> None:
    with suppress(token.BadToken):
        token.loads(text, zone=site.zone())


def a_note(text: str) -> None:
    with suppress(ValidationError):
        notes.NoteForm.base_fields["note"].clean(text)


def a_subscription(text: str) -> None:
    with suppress(push.InvalidSubscription):
        push.check(endpoint=f"https://{text}", p256dh=text, auth=text)


def request_of(text: str) -> Any:
    header = text.encode(errors="replace").decode("latin-1")
    names = ("REFERER", "ACCEPT_LANGUAGE", "USER_AGENT", "X_FORWARDED_FOR", "ORIGIN", "COOKIE", "ACCEPT")
    return RequestFactory().get("/", QUERY_STRING=f"lang={header}", **{f"HTTP_{name}": header for name in names})


def headers(text: str) -> None:
    request = request_of(text)
    with suppress(TooManyFieldsSent):
        LanguageMiddleware(lambda _request: HttpResponse())(request)
        origin.of_visit(request, landing="/")
    visitor.id_of(request)
    flood.client_address(request)
    unfinished.waiting_url(request)


def form(text: str) -> None:
    names = ("product", "preset", "options.strength", "measure.kind", "measure.volume.m3", "extras", text)
    sent = QueryDict(mutable=True)
    for name in names:
        sent.setlist(f"lines.0.{name}", [text, text])
    sent["edit"] = text
    lines, _errors = typed_lines(sent)
    edited(lines, text, site.price_book())


def json(text: str) -> None:
    line = {"product": text, "options": {text: text}, "measure": {"kind": "volume", "m3": text}, "extras": [text]}
    lines, _errors = json_lines({"lines": [line, {"options": {text: None}}]})
    with suppress(site.pricing.QuoteRefused):
        site.preview(lines)


READERS: dict[str, Callable[[str], object]] = {
    "log": logged,
    "redaction": REDACT,
    "pasted message": pasted.message,
    "pasted link": pasted.find,
    "folio": folio.find,
    "search of the outbox": lambda text: search.matcher(text)(RECORD),
    "name": checked(customer.name),
    "phone": checked(customer.phone),
    "other field": checked(partial(customer.words_typed, most=60)),
    "submission": submitted,
    "words": customer.words,
    "plain phone": phones.plain,
    "phone of any row": lambda text: phones.read_stored(text, text, shop="526561234567"),
    "dialled": lambda text: phones.dialled(text, shop="526561234567"),
    "stored digits": phones.stored_digits,
    "part of a phone": lambda text: phones.has_part(text, text),
    "quantity": number,
    "length": length,
    "origin": origin.read,
    "origin of a device": lambda text: origin.read(dict.fromkeys(origin.KEYS, text)),
    "headers": headers,
    "form": form,
    "json": json,
    "token": broken_token,
    "note": a_note,
    "subscription": a_subscription,
    "greeting": greeting.repeatable,
    "cell": export.csv_text,
}

PIECES = [
    *(
        "a",
        "A",
        "0",
        "l",
        "O0",
        "_",
        "-",
        ".",
        ",",
        ":",
        ";",
        "/",
        "?",
        "#",
        "@",
        "%",
        "=",
        "&",
        "+",
        "(",
        '"',
        "'",
        "|",
    ),
    *(" ", "\t", "\n", "\r\n", "\0", "\u202e", "\u200d", "\ufe0f", "ﷺ", "ñ", "😀", "\ud800"),
    *("a@", "a.", "a?", "?=", "1 ", "1,", "1.", "(656) ", "656 123 4567 ", "%C3", "/q/", "total 1", "=1;", "\t=", "' "),
    *("261122-7F3K-Q2M9-X ", "O" * 6 + "-", "\u0300\u0323", f"{'A' * 60}.{'b' * 43}#", f"{'A' * 60}.", "lines.0."),
    *("cAm", "http://", "es-mx,", "[", "{", "\\"),
]
# What makes a search go back: the last letter decides that the rest does not match.
TAILS = ["", "a", "=", "!"]


def seconds(read: Callable[[str], object], text: str) -> float:
    started = thread_time()
    read(text)
    return thread_time() - started


def assert_linear(read: Callable[[str], object], piece: str, tail: str) -> None:
    text = (piece * (LONGEST // len(piece)))[: LONGEST - len(tail)] + tail
    if seconds(read, text) < NOTHING_S:
        return
    half = text[len(text) // 2 :]
    whole_s, half_s = (min(seconds(read, each) for _ in range(3)) for each in (text, half))
    assert whole_s < MOST_S, f"{piece!r} {tail!r}: {whole_s:.2f} s"
    assert whole_s < max(2 * NOTHING_S, MOST_TIMES * half_s), (
        f"{piece!r} {tail!r}: {half_s:.2f} s, then {whole_s:.2f} s"
    )


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS.keys())
@pytest.mark.parametrize("tails", [TAILS[-1:], pytest.param(TAILS[:-1], marks=pytest.mark.by_hand)], ids=["one", "all"])
def test_a_text_takes_time_in_proportion_to_its_length(reader, tails):
    for piece in PIECES:
        for tail in tails:
            assert_linear(reader, piece, tail)


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS.keys())
@settings(max_examples=5)
@given(
    piece=st.text(min_size=1, max_size=6) | st.text("aO01.-_?=@% \t", min_size=1, max_size=4), tail=st.text(max_size=2)
)
def test_so_does_any_text_that_repeats_itself(reader, piece, tail):
    assert_linear(reader, piece, tail)


def test_another_program_s_quote_with_many_accents_takes_no_longer():
    juan = foreign.Person("Juan Pérez", "(656) 123-4567", "v-123456", {})
    assert_linear(lambda text: foreign.without_person({"note": text}, juan), "\u0300\u0323", "")


def test_a_log_line_is_bounded_and_what_its_end_has_halved_is_left_out():
    phones_of_all = REDACT("656 123 4567, " * 5_000)
    assert set(phones_of_all.removesuffix("…").replace("[redacted], ", "")) <= set("[redacted], ")
    secret = REDACT("x" * 29_990 + " a secret of ours" + "x" * 100)
    assert "secret" not in secret
    assert secret.endswith("x…")


def test_a_query_is_redacted_wherever_it_stands_and_a_question_is_not():
    assert (
        REDACT("Why? GET /?a?b?name=Ana&x=1 'then' /x?y=2\" ok?") == "Why? GET /?[redacted] 'then' /x?[redacted]\" ok?"
    )
    assert REDACT("pa?ss=word") == "[redacted]"


def test_a_refusal_in_json_is_bounded():
    errors = [site.pricing.FieldError("lines.0.options." + "ñ" * 100_000, customer.NO_NAME)] * 50_000
    assert len(incoming.refusal(errors).content) < 300_000
