"""Reads the environment: each variable becomes a typed value, or an ImproperlyConfigured that names the variable.

Data fails open, secrets fail closed. A database URL that cannot be used is reported, and the site starts. A secret that
is missing, of the wrong kind or under a public prefix stops the start. No message repeats a secret's value.
"""

import base64
import binascii
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

import environ
from django.core.exceptions import ImproperlyConfigured

from settings import keys

# Build tools copy variables with these prefixes into pages that anyone can read.
PUBLIC_PREFIXES = (
    *("NEXT_PUBLIC_", "NUXT_PUBLIC_", "NUXT_ENV_", "EXPO_PUBLIC_", "BLITZ_PUBLIC_", "BUN_PUBLIC_", "NX_PUBLIC_"),
    *("PLASMO_PUBLIC_", "SNOWPACK_PUBLIC_", "PUBLIC_", "VITE_", "WXT_", "NX_", "STORYBOOK_", "RAZZLE_", "GATSBY_"),
    *("REACT_APP_", "VUE_APP_", "NG_APP_", "PREACT_APP_", "TARO_APP_", "UMI_APP_", "REDWOOD_ENV_"),
)
SECRET_NAMES = (
    "SECRET_KEY",
    "SECRET_KEY_FALLBACKS",
    "DATABASE_URL",
    "DATABASE_MIGRATION_URL",
    "SUPABASE_SERVICE_ROLE_KEY",
    # Supabase's own names of it since 2026; the second is JSON, with several.
    "SUPABASE_SECRET_KEY",
    "SUPABASE_SECRET_KEYS",
    "EMAIL_HOST_PASSWORD",
    "METRICS_TOKEN",
)
_SECRET_KEY = r"sb_secret_[A-Za-z0-9_-]{20,}"
_JWT = r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"
# A token of the management API, and the address of any database with a password that is no placeholder.
_OTHER_SECRETS = re.compile(
    r"sbp_[0-9a-f]{40}"
    r"|(?:postgres(?:ql)?|mysql|mariadb|mongodb|rediss?|amqps?|cockroachdb|sqlserver|mssql)(?:\+\w+)?://"
    r"[^\s:/@]*:(?!\[)[^\s@]+@"
)
# Notepad may begin a file with a byte order mark, which does not count.
UTF8 = "utf-8-sig"
# A shorter secret could be part of a public value by accident.
MIN_SECRET_LENGTH = 8


def load_file(path: Path) -> None:
    """Add the variables of a .env file, if it exists, to the environment; those already set win."""
    if not path.is_file():
        return
    try:
        content = path.read_text(encoding=UTF8)
    except UnicodeDecodeError:  # not repeated, because it may hold a secret
        raise ImproperlyConfigured(f"{path.name} is not saved as UTF-8. In Notepad: Save as, encoding UTF-8.") from None
    for number, line in enumerate(content.splitlines(), start=1):
        # read_env would skip such a line and log it, and it may hold a secret.
        if line.strip() and not re.match(r"#|(export )?[A-Za-z0-9_]+=", line):
            raise ImproperlyConfigured(f"Line {number} of {path.name} is not NAME=value.")
    environ.Env.read_env(path, encoding=UTF8)


_source: ContextVar[Mapping[str, str]] = ContextVar("environment", default=os.environ)


@contextmanager
def instead(given: Mapping[str, str]) -> Iterator[None]:
    """Read variables from this mapping and not from the environment, inside of the block."""
    token = _source.set(given)
    try:
        yield
    finally:
        _source.reset(token)


def text(name: str, default: str = "") -> str:
    """Return a variable's text, stripped; an empty one counts as not set."""
    # django-environ would read a value that begins with $ as the name of another variable.
    return _source.get().get(name, "").strip() or default


def required(name: str) -> str:
    if value := text(name):
        return value
    raise ImproperlyConfigured(f"{name} is not set; .env.example describes it.")


def boolean(name: str, *, default: bool) -> bool:
    """Return a switch; a text that is neither true nor false raises an error instead of counting as false."""
    value = text(name).lower()
    if value == "":
        return default
    if value in ("1", "true", "yes", "on", "y", "t"):
        return True
    if value in ("0", "false", "no", "off", "n", "f"):
        return False
    raise ImproperlyConfigured(f"{name} is neither true nor false.")


def integer(name: str, default: int, *, at_least: int = 0) -> int:
    value = text(name, str(default))
    if not re.fullmatch(r"[0-9]{1,9}", value) or int(value) < at_least:
        raise ImproperlyConfigured(f"{name} takes a whole number from {at_least} up.")
    return int(value)


def names(name: str, default: list[str]) -> list[str]:
    """Return a comma-separated list."""
    return [item.strip() for item in text(name).split(",") if item.strip()] or default


_ORIGIN = re.compile(
    r"https://(\*\.)?([a-z0-9-]+\.)+[a-z][a-z0-9-]*(:\d{1,5})?|http://(localhost|127\.0\.0\.1)(:\d{1,5})?", re.ASCII
)


def origins(name: str) -> list[str]:
    """Return a comma-separated list of origins, such as https://www.example.com, as a content policy takes them."""
    given = names(name, default=[])
    if wrong := [origin for origin in given if not _ORIGIN.fullmatch(origin)]:
        raise ImproperlyConfigured(f"{name}: {wrong[0]} does not have the form of https://www.example.com.")
    return given


# For each day of the week, Monday first: the pairs of opening and closing time, as time since midnight.
Hours = tuple[tuple[tuple[timedelta, timedelta], ...], ...]

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_OPEN = re.compile(r"(\w{3})(?:-(\w{3}))? (\d{1,2}):([0-5]\d)-(\d{1,2}):([0-5]\d)", re.ASCII)
# Fewer than a year has, so that the shop opens at all.
_MOST_HOLIDAYS = 300


def business_hours(name: str, default: str) -> Hours:
    """Return the hours in a text such as "Mon-Fri 8:00-13:00, Mon-Fri 15:00-18:00, Sat 8:00-14:00".

    Hours that overlap become one span.
    """
    week: list[list[tuple[timedelta, timedelta]]] = [[] for _ in _DAYS]
    for part in text(name, default).split(","):
        spelling = _OPEN.fullmatch(" ".join(part.split()))
        days = [day.capitalize() for day in spelling.group(1, 2) if day] if spelling else []
        if not spelling or not days or any(day not in _DAYS for day in days):
            raise ImproperlyConfigured(f"{name}: {part.strip()} does not have the form of {default}.")
        opens, closes = (timedelta(hours=int(spelling[hour]), minutes=int(spelling[hour + 1])) for hour in (3, 5))
        first, last = _DAYS.index(days[0]), _DAYS.index(days[-1])
        if not (first <= last and opens < closes <= timedelta(days=1)):
            raise ImproperlyConfigured(f"{name}: {part.strip()} ends before it begins, or after 24:00.")
        for day in week[first : last + 1]:
            day.append((opens, closes))
    return tuple(_merged(day) for day in week)


def _merged(spans: list[tuple[timedelta, timedelta]]) -> tuple[tuple[timedelta, timedelta], ...]:
    merged: list[tuple[timedelta, timedelta]] = []
    for opens, closes in sorted(spans):
        if merged and opens <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], closes))
        else:
            merged.append((opens, closes))
    return tuple(merged)


def holidays(name: str) -> tuple[str, ...]:
    """Return the days in a text such as "12-25, 2026-11-16": every year's as MM-DD, one year's as YYYY-MM-DD."""
    days = names(name, [])
    for day in days:
        try:
            is_day = bool(re.fullmatch(r"(\d{4}-)?\d\d-\d\d", day, re.ASCII))
            date.fromisoformat(day if len(day) > 5 else f"2000-{day}")
        except ValueError:
            is_day = False
        if not is_day:
            raise ImproperlyConfigured(f"{name}: {day} is not a day such as 2026-12-25, or 12-25 for every year.")
    if len(days) > _MOST_HOLIDAYS:
        raise ImproperlyConfigured(f"{name} has more than {_MOST_HOLIDAYS} days.")
    return tuple(sorted(set(days)))


def message(name: str, default: str, *, fields: tuple[str, ...]) -> str:
    """Return a text with placeholders such as {name}; any other placeholder raises an error."""
    value = text(name, default)
    try:
        value.format(**dict.fromkeys(fields, ""))
    except (LookupError, ValueError, AttributeError):
        raise ImproperlyConfigured(f"{name} may use {{{'}, {'.join(fields)}}} and no other braces.") from None
    return value


def path(name: str, default: Path) -> Path:
    return Path(text(name, str(default)))


# The first bytes of each file type. An SVG has no fixed ones.
_PICTURES = {".svg": b"", ".png": b"\x89PNG\r\n\x1a\n", ".webp": b"RIFF"}
# Bytes. The budget of a customer's page is 40 kB in all.
_LARGEST_PICTURE = 20_000


def picture(name: str) -> Path | None:
    """Return the path of a picture that pages can show, or None if the variable is not set."""
    if not (value := text(name)):
        return None
    path = Path(value)
    signature = _PICTURES.get(path.suffix.lower())
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ImproperlyConfigured(f"{name} cannot be read: {value}") from error
    if signature is None or not content.startswith(signature) or (signature == b"" and b"<svg" not in content):
        raise ImproperlyConfigured(f"{name} is not an SVG, PNG or WebP file with the extension of its type: {value}")
    if len(content) > _LARGEST_PICTURE:
        raise ImproperlyConfigured(f"{name} has over {_LARGEST_PICTURE // 1000} kB, too much for a phone: {value}")
    return path


def color(name: str) -> str:
    """Return a colour as #rrggbb, or "" if the variable is not set."""
    value = text(name).removeprefix("#").lower()
    if re.fullmatch(r"[0-9a-f]{3}", value):
        value = "".join(digit * 2 for digit in value)
    if value and not re.fullmatch(r"[0-9a-f]{6}", value):
        raise ImproperlyConfigured(f"{name} is not a colour such as #0b5d4a.")
    return f"#{value}" if value else ""


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    value = text(name, default)
    if value not in allowed:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(allowed)}.")
    return value


def matching(name: str, pattern: str, *, example: str) -> str:
    """Return a text that matches a regular expression, or "" if the variable is not set."""
    value = text(name)
    if value and not re.fullmatch(pattern, value):
        raise ImproperlyConfigured(f"{name} does not have the form of {example}.")
    return value


def time_zone(name: str, default: str) -> str:
    value = text(name, default)
    try:
        ZoneInfo(value)
    except (ValueError, OSError, LookupError) as error:
        raise ImproperlyConfigured(f"{name} is not a time zone such as {default}.") from error
    return value


def phone_number(name: str, *, demo: str | None) -> str:
    """Return a WhatsApp number as wa.me takes it: digits, country code first. demo: the default; None: required.

    The 1 after 52, which Mexico dropped in 2019, is left out.
    """
    value = re.sub(r"[\s+().-]", "", text(name, demo) if demo else required(name))
    value = re.sub(r"^521(?=[0-9]{10}$)", "52", value)
    if not re.fullmatch(r"[1-9][0-9]{9,14}", value):
        raise ImproperlyConfigured(f"{name} needs digits only, country code first, such as 526561234567.")
    return value


def secret_key(name: str, *, kept_in: Path | None) -> str:
    """Return the signing key. kept_in: where development keeps a generated one; None: a good one must be set."""
    if text(name) or kept_in is None:
        key = required(name)
        if kept_in is None:
            keys.refuse_guessable(name, key)
        return key
    return keys.generated(kept_in)


def token(name: str) -> str:
    """Return a secret that programs show, or "" if it is not set; one that could be guessed raises an error."""
    value = text(name)
    if value and (fault := keys.weakness(value)):
        raise ImproperlyConfigured(f"{name} {fault}. Make another with {keys.NEW_KEY}.")
    return value


def service_role_key(name: str) -> str:
    """Return Supabase's service key, or "" if it is not set; any other kind of key raises an error."""
    value = text(name)
    if value and not _is_service_key(value):
        raise ImproperlyConfigured(
            f"{name} is not a service key: it begins with sb_secret_, or is a JWT whose role is service_role."
        )
    return value


def rest_copy(name: str, *, url: str, key: str) -> bool:
    """Return the switch of leads/delivery/copy; an error when it is on without a key, or an address for the key.

    Without TLS the key is sent only to this machine, where `supabase start` serves its API.
    """
    is_on = boolean(name, default=False)
    if is_on and not key:
        raise ImproperlyConfigured(f"{name} is on, and SUPABASE_SERVICE_ROLE_KEY is not set.")
    if is_on and not re.fullmatch(r"(https://[A-Za-z0-9.-]+|http://(localhost|127\.0\.0\.1))(:[0-9]{1,5})?/?", url):
        raise ImproperlyConfigured(
            f"{name} is on, and SUPABASE_URL is not set to one such as https://PROJECT.supabase.co."
        )
    return is_on


def refuse_public_secrets(environment: Mapping[str, str]) -> None:
    """Raise ImproperlyConfigured if a variable with a public prefix has the name of a secret, or has one in its value.

    Secrets are those of SECRET_NAMES, Supabase's keys of any project, and the addresses of databases with a password.
    """
    values = [environment[name].strip() for name in SECRET_NAMES if environment.get(name)]
    values += [key.strip() for key in environment.get("SECRET_KEY_FALLBACKS", "").split(",")]
    passwords = [password for value in values if (password := _password_of(value))]
    candidates = (*values, *passwords, *map(unquote, passwords))
    long_secrets = [secret for secret in candidates if len(secret) >= MIN_SECRET_LENGTH]
    for name, value in environment.items():
        prefix = next((prefix for prefix in PUBLIC_PREFIXES if name.startswith(prefix)), None)
        if prefix is None:
            continue
        own_name = name.removeprefix(prefix)
        if own_name in SECRET_NAMES or re.search(r"SERVICE_(ROLE|KEY)|SECRET", own_name):
            raise ImproperlyConfigured(f"{name} is the name of a secret under the public prefix {prefix}.")
        if _holds_a_key(value) or any(secret in value for secret in long_secrets):
            raise ImproperlyConfigured(f"{name} holds a secret, and {prefix} makes it public.")


def claims(key: str) -> dict[str, object]:
    """Return what a JWT claims, unchecked, such as its role and its project's ref; {} when it is none."""
    parts = key.split(".")
    if len(parts) != 3:
        return {}
    try:
        claimed = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return {}
    return claimed if isinstance(claimed, dict) else {}


def _is_service_key(value: str) -> bool:
    return bool(re.fullmatch(_SECRET_KEY, value)) or claims(value).get("role") == "service_role"


def _holds_a_key(value: str) -> bool:
    """Return whether a text has a key of whatever project in it, also within JSON, a header or an address."""
    texts = {value, unquote(value)}
    return any(
        re.search(_SECRET_KEY, text)
        or _OTHER_SECRETS.search(text)
        or any(_is_service_key(token) for token in re.findall(_JWT, text))
        for text in texts
    )


def _password_of(url: str) -> str | None:
    try:
        return urlsplit(url).password
    except ValueError:
        return None
