"""What a log line and a Sentry event may say: the folio and the kind of error, never a person, a secret or a token.

A name cannot be told from any other word, so nothing here relies on finding one: an event is made of the parts that
hold none, and an exception is named, not quoted. What is left is combed for secrets, phones and addresses.
"""

import logging
import re
import traceback
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any
from urllib.parse import quote

Redact = Callable[[str], str]

REDACTED = "[redacted]"
# A shorter secret would blank out ordinary words.
TELLING_LENGTH = 8

_FOLIO = r"(?P<folio>\b\d{6}-\w{4}-\w{4}-\w\b)"
_TOKEN = r"""(?<=/q/)[^\s/?#'"]{25,}"""  # a folio is shorter
_QUERY = r"""(?<=\?)[^\s'"]*=[^\s'"]*"""
_AREA = r" ?\((?=\d{2,3}\))"  # no other bracket: "8000 (4242)" is a port and a process
_PHONE = rf"(?<![\w.-])\+?(?:{_AREA})?\d(?:(?:{_AREA}|\) ?|[ .-]{{1,2}})?\d){{9,14}}(?![\w:])"

# These speak of our code. Any other message may repeat what somebody typed or, as Postgres does, a whole row.
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

# The rest of an event goes: the request, the user, breadcrumbs, local variables, what a log record carried beside.
_EVENT = ("event_id", "timestamp", "platform", "level", "logger", "environment", "release", "server_name", "sdk")
_EXCEPTION = ("type", "module")
_FRAME = (
    *("filename", "abs_path", "module", "function", "lineno", "in_app"),
    *("pre_context", "context_line", "post_context"),
)


def redaction(secrets: Iterable[str]) -> Redact:
    """Return a function that takes these secrets, phones, query strings and tokens of quotes out of a text."""
    telling = [secret for secret in secrets if len(secret) >= TELLING_LENGTH]
    spelt = {re.escape(spelling) for secret in telling for spelling in (secret, quote(secret, safe=""))}
    hidden = re.compile("|".join([_FOLIO, *sorted(spelt), _TOKEN, _QUERY, _PHONE]))
    return lambda text: hidden.sub(lambda found: found["folio"] or REDACTED, text)


class LineFormatter(logging.Formatter):
    """Writes a log record, its traceback with the exceptions named, and redacts the whole."""

    def __init__(self, fmt: str, redact: Redact) -> None:
        super().__init__(fmt)
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        record.exc_text = None  # the formatter of another handler keeps the exception's message here
        return self._redact(super().format(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802  (logging's name)
        error: BaseException = ei[1]
        return "\n".join(reversed([_told(cause) for cause in _chain(error)]))


def before_send(redact: Redact) -> Callable[[Any, Any], Any]:
    """Return the last thing that sees Sentry's event before it leaves: it makes another, of what may leave."""

    def scrubbed(event: Any, hint: Any) -> Any:
        kept = _only(event, _EVENT)
        if "message" in event:
            kept["message"] = redact(event["message"])
        if entry := event.get("logentry"):
            kept["logentry"] = {part: redact(entry[part]) for part in ("message", "formatted") if part in entry}
        if raised := event.get("exception"):
            error = hint.get("exc_info", (None, None, None))[1]
            said = {type(cause).__name__: redact(_message(cause)) for cause in _chain(error)}
            kept["exception"] = {"values": [_exception(value, said) for value in raised["values"]]}
        return kept

    return scrubbed


def _exception(value: dict[str, Any], said: dict[str, str]) -> dict[str, Any]:
    frames = (value.get("stacktrace") or {}).get("frames", [])
    return {
        **_only(value, _EXCEPTION),
        "value": said.get(value["type"], ""),
        "stacktrace": {"frames": [_only(frame, _FRAME) for frame in frames]},
    }


def _only(given: Any, names: Iterable[str]) -> dict[str, Any]:
    return {name: given[name] for name in names if name in given}


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception, then what it came of."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _message(error: BaseException) -> str:
    """Return what may be repeated of an exception's message: all of it, Postgres's code for it, or nothing."""
    if type(error).__name__ in _QUOTABLE:
        return str(error)
    return getattr(error, "sqlstate", None) or ""


def _told(error: BaseException) -> str:
    where: TracebackType | None = error.__traceback__
    named = f"{type(error).__module__}.{type(error).__qualname__}: {_message(error)}".rstrip(": ")
    return "Traceback (most recent call last):\n" + "".join(traceback.format_tb(where)) + named
