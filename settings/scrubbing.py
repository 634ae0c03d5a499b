"""Keeps personal data, secrets and tokens out of log lines and Sentry events; folio and kind of error remain.

A person's name cannot be recognised in a text. So events are built only from parts that hold no names, and an exception
is reported by its class instead of its message. The remaining text is searched for secrets, phones and query strings.
"""

import logging
import re
import traceback
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from telemetry import current

Redact = Callable[[str], str]

REDACTED = "[redacted]"
# Redacting a shorter secret would redact ordinary words.
MIN_SECRET_LENGTH = 8

_FOLIO = r"(?P<folio>\b\d{6}-\w{4}-\w{4}-\w\b)"
_TOKEN = r"""(?<=/q/)[^\s/?#'"]{25,}"""  # a folio is shorter
_AREA = r" ?\((?=\d{2,3}\))"  # only an area code in brackets: "8000 (4242)" is a port and a process
_PHONE = rf"(?<![\w.-])\+?(?:{_AREA})?\d(?:(?:{_AREA}|\) ?|[ .-]{{1,2}})?\d){{9,14}}(?![\w:])"
_LONGEST_PHONE = 60  # characters, with what separates its digits
_WORD = re.compile(r"""[^\s'"]+""")
# The longest traceback has a third of it. A stranger's text in a line may be longer.
MOST_LOGGED = 30_000

# The messages of these exceptions are about the code. Others may repeat what somebody typed, or a row of a table.
_QUOTABLE = frozenset(
    {
        "AttributeError",
        "FileNotFoundError",
        "ImportError",
        "ModuleNotFoundError",
        "NameError",
        "OSError",
        "PermissionError",
        "TemplateDoesNotExist",
        "TemplateSyntaxError",
        "TypeError",
    }
)

# The rest of an event is dropped: the request, the user, breadcrumbs, local variables, extra data of a log record.
_EVENT = ("event_id", "timestamp", "platform", "level", "logger", "environment", "release", "server_name", "sdk")
_EXCEPTION = ("type", "module")
_FRAME = (
    *("filename", "abs_path", "module", "function", "lineno", "in_app"),
    *("pre_context", "context_line", "post_context"),
)


def redaction(secrets: Iterable[str]) -> Redact:
    """Return a function that redacts these secrets, phones, query strings and quote tokens in a text.

    It takes time in proportion to the text, of which it returns MOST_LOGGED characters at most.
    """
    long_secrets = [secret for secret in secrets if len(secret) >= MIN_SECRET_LENGTH]
    spellings = {spelling for secret in long_secrets for spelling in (secret, quote(secret, safe=""))}
    sensitive = re.compile("|".join([_FOLIO, *sorted(map(re.escape, spellings)), _TOKEN, _PHONE]))
    # What the cut at the end has halved is not recognised, so it is left out.
    halved = max([_LONGEST_PHONE, *map(len, spellings)])

    def redact(text: str) -> str:
        clean = sensitive.sub(lambda match: match["folio"] or REDACTED, text[:MOST_LOGGED])
        if "?" in clean:
            clean = _WORD.sub(_without_query, clean)
        return clean if len(text) <= MOST_LOGGED else f"{clean[:-halved]}…"

    return redact


def _without_query(word: re.Match[str]) -> str:
    address, _mark, query = word[0].partition("?")
    return f"{address}?{REDACTED}" if "=" in query else word[0]


class LineFormatter(logging.Formatter):
    """Formats a log record and redacts it; a traceback has the classes of its exceptions, without their messages.

    fmt: as of logging.Formatter; `%(in_request)s` is the id of the request in brackets and a space, or "". zone: of the
    times, by default UTC.
    """

    def __init__(self, fmt: str, redact: Redact, zone: str = "") -> None:
        super().__init__(fmt)
        self._redact, self._zone = redact, ZoneInfo(zone) if zone else UTC

    def format(self, record: logging.LogRecord) -> str:
        record.exc_text = None  # another handler's formatter may have cached the exception's message here
        request_id = current.request_id()
        record.in_request = f"[{request_id}] " if request_id else ""
        return self._redact(super().format(record))

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        """Return the time with its offset: of the two hours in the night when the clock is set back, it tells which."""
        moment = datetime.fromtimestamp(record.created, self._zone)
        return moment.isoformat(sep=" ", timespec="milliseconds")

    def formatException(self, ei: Any) -> str:  # noqa: N802  (logging's name)
        error: BaseException = ei[1]
        return "\n".join(reversed([_traceback(cause) for cause in _chain(error)]))


def before_send(redact: Redact) -> Callable[[Any, Any], Any]:
    """Return Sentry's `before_send` hook, which replaces each event by one with only the parts that may be sent."""

    def scrubbed(event: Any, hint: Any) -> Any:
        clean = _only(event, _EVENT)
        if request_id := current.request_id():
            clean["tags"] = {"request_id": request_id}
        if "message" in event:
            clean["message"] = redact(event["message"])
        if entry := event.get("logentry"):
            clean["logentry"] = {part: redact(entry[part]) for part in ("message", "formatted") if part in entry}
        if exception := event.get("exception"):
            error = hint.get("exc_info", (None, None, None))[1]
            messages = {type(cause).__name__: redact(_message(cause)) for cause in _chain(error)}
            clean["exception"] = {"values": [_exception(value, messages) for value in exception["values"]]}
        return clean

    return scrubbed


def _exception(value: dict[str, Any], messages: dict[str, str]) -> dict[str, Any]:
    """messages: of the exceptions, by the names of their classes."""
    frames = (value.get("stacktrace") or {}).get("frames", [])
    return {
        **_only(value, _EXCEPTION),
        "value": messages.get(value["type"], ""),
        "stacktrace": {"frames": [_only(frame, _FRAME) for frame in frames]},
    }


def _only(given: Any, names: Iterable[str]) -> dict[str, Any]:
    return {name: given[name] for name in names if name in given}


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception, then its causes."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _message(error: BaseException) -> str:
    """Return an exception's message if it may be repeated, else its SQLSTATE if it has one, else ""."""
    if type(error).__name__ in _QUOTABLE:
        return str(error)
    return getattr(error, "sqlstate", None) or ""


def _traceback(error: BaseException) -> str:
    frames: TracebackType | None = error.__traceback__
    name = f"{type(error).__module__}.{type(error).__qualname__}: {_message(error)}".rstrip(": ")
    return "Traceback (most recent call last):\n" + "".join(traceback.format_tb(frames)) + name
