"""Environment text becomes a typed value here and nowhere else, or a refusal that names the variable.

Data fails open, secrets fail closed: a database URL that cannot be used is reported and the site starts; a secret that
is missing, of the wrong kind or in a public place stops the start. A message never repeats a secret's value.
"""

import base64
import binascii
import json
import os
import re
import secrets
import ssl
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit
from zoneinfo import ZoneInfo

import environ
from django.core.exceptions import ImproperlyConfigured
from psycopg.pq import Conninfo

# Build tools copy variables with these prefixes into pages that anyone can read.
PUBLIC_PREFIXES = (
    "NEXT_PUBLIC_",
    "NUXT_PUBLIC_",
    "EXPO_PUBLIC_",
    "PUBLIC_",
    "VITE_",
    "REACT_APP_",
    "VUE_APP_",
    "GATSBY_",
)
SECRET_NAMES = (
    "SECRET_KEY",
    "DATABASE_URL",
    "DATABASE_MIGRATION_URL",
    "SUPABASE_SERVICE_ROLE_KEY",
    "EMAIL_HOST_PASSWORD",
)
# Supabase's hosts: db.PROJECT.supabase.co, and the shared poolers, aws-0-REGION.pooler.supabase.com.
SHARED_POOLER = ".pooler.supabase.com"
SUPABASE = (".supabase.co", SHARED_POOLER)
TRANSACTION_PORT = "6543"
# A shorter secret could stand in a public value by accident.
TELLING_LENGTH = 8


def load_file(path: Path) -> None:
    """Take variables from a .env file where there is one; the environment's own win."""
    if not path.is_file():
        return
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        # Left to read_env, such a line would be skipped and quoted in the log, its secret with it.
        if line.strip() and not re.match(r"#|(export )?[A-Za-z0-9_]+=", line):
            raise ImproperlyConfigured(f"Line {number} of {path.name} is not NAME=value.")
    environ.Env.read_env(path)


def text(name: str, default: str = "") -> str:
    """Return a variable; one that is set to nothing counts as not set."""
    # Not through environ: it takes a value that begins with $ for the name of another variable.
    return os.environ.get(name, "").strip() or default


def required(name: str) -> str:
    if value := text(name):
        return value
    raise ImproperlyConfigured(f"{name} is not set; .env.example describes it.")


def boolean(name: str, *, default: bool) -> bool:
    """Return a switch; a spelling that is neither yes nor no is refused rather than read as no."""
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


# Of each day of the week, Monday first: when the shop opens and closes, as times since midnight.
Hours = tuple[tuple[tuple[timedelta, timedelta], ...], ...]

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_OPEN = re.compile(r"(\w{3})(?:-(\w{3}))? (\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})")


def business_hours(name: str, default: str) -> Hours:
    """Return the hours in a text such as "Mon-Fri 8:00-13:00, Mon-Fri 15:00-18:00, Sat 8:00-14:00"."""
    week: list[list[tuple[timedelta, timedelta]]] = [[] for _ in _DAYS]
    for part in text(name, default).split(","):
        spelling = _OPEN.fullmatch(" ".join(part.split()))
        days = [day.capitalize() for day in spelling.group(1, 2) if day] if spelling else []
        if not spelling or not days or any(day not in _DAYS for day in days):
            raise ImproperlyConfigured(f"{name} is not like {default}.")
        opens, closes = (timedelta(hours=int(spelling[hour]), minutes=int(spelling[hour + 1])) for hour in (3, 5))
        first, last = _DAYS.index(days[0]), _DAYS.index(days[-1])
        if not (first <= last and opens < closes <= timedelta(days=1)):
            raise ImproperlyConfigured(f"{name}: {part.strip()} ends before it begins.")
        for day in week[first : last + 1]:
            day.append((opens, closes))
    return tuple(tuple(sorted(day)) for day in week)


def message(name: str, default: str, *, fields: tuple[str, ...]) -> str:
    """Return a text with places to fill in, such as {name}; one that names other places is refused."""
    value = text(name, default)
    try:
        value.format(**dict.fromkeys(fields, ""))
    except (LookupError, ValueError, AttributeError):
        raise ImproperlyConfigured(f"{name} takes {{{'}, {'.join(fields)}}} and no other braces.") from None
    return value


def path(name: str, default: Path) -> Path:
    return Path(text(name, str(default)))


# What stands at the beginning of a picture's file. An SVG has no such mark.
_PICTURES = {".svg": b"", ".png": b"\x89PNG\r\n\x1a\n", ".webp": b"RIFF"}
# A customer's page has 40 kB altogether.
_LARGEST_PICTURE = 20_000


def picture(name: str) -> Path | None:
    """Return the path of a picture that pages can show, or None where there is none."""
    if not (value := text(name)):
        return None
    path = Path(value)
    mark = _PICTURES.get(path.suffix.lower())
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ImproperlyConfigured(f"{name} cannot be read: {value}") from error
    if mark is None or not content.startswith(mark) or (mark == b"" and b"<svg" not in content):
        raise ImproperlyConfigured(f"{name} is no SVG, PNG or WebP file with the ending of its kind: {value}")
    if len(content) > _LARGEST_PICTURE:
        raise ImproperlyConfigured(f"{name} has over {_LARGEST_PICTURE // 1000} kB, too much for a phone: {value}")
    return path


def color(name: str) -> str:
    """Return a colour as #rrggbb, or "" where there is none."""
    value = text(name).removeprefix("#").lower()
    if re.fullmatch(r"[0-9a-f]{3}", value):
        value = "".join(digit * 2 for digit in value)
    if value and not re.fullmatch(r"[0-9a-f]{6}", value):
        raise ImproperlyConfigured(f"{name} is no colour such as #0b5d4a.")
    return f"#{value}" if value else ""


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    value = text(name, default)
    if value not in allowed:
        raise ImproperlyConfigured(f"{name} is one of {', '.join(allowed)}.")
    return value


def spelt(name: str, pattern: str, *, example: str) -> str:
    """Return a text of one spelling, or "" when it is not set."""
    value = text(name)
    if value and not re.fullmatch(pattern, value):
        raise ImproperlyConfigured(f"{name} is not like {example}.")
    return value


def time_zone(name: str, default: str) -> str:
    value = text(name, default)
    try:
        ZoneInfo(value)
    except (ValueError, OSError, LookupError) as error:
        raise ImproperlyConfigured(f"{name} is no time zone, such as {default}.") from error
    return value


def phone_number(name: str, *, demo: str | None) -> str:
    """Return a WhatsApp number as wa.me takes it: digits, country code first."""
    value = re.sub(r"[\s+().-]", "", text(name, demo) if demo else required(name))
    if not re.fullmatch(r"[1-9][0-9]{9,14}", value):
        raise ImproperlyConfigured(f"{name} needs digits only, country code first, such as 526561234567.")
    return value


def secret_key(name: str, *, kept_in: Path | None) -> str:
    """Return the signing key. kept_in: where development keeps one that it made; None: it must be set."""
    if text(name) or kept_in is None:
        return required(name)
    if not kept_in.exists():
        kept_in.parent.mkdir(parents=True, exist_ok=True)
        # Renamed when whole, because another process may be starting meanwhile.
        whole = kept_in.with_name(f"{kept_in.name}.{os.getpid()}")
        whole.touch(mode=0o600)
        whole.write_text(secrets.token_urlsafe(50))
        whole.replace(kept_in)
    return kept_in.read_text().strip()


class Database(NamedTuple):
    """Connection settings, of which OPTIONS holds what the URL asks for and what its kind of connection needs.

    kind: "direct", "session pooler" and "transaction pooler" are Supabase's ways, or those of poolers like its own;
    "other"; "none" with a fault. fault: why they cannot be used, or ""; warnings: what was put right to use them.
    """

    config: dict[str, Any]
    kind: str
    fault: str
    warnings: tuple[str, ...]


def database(name: str, *, ca: str) -> Database:
    """Read a Postgres URL; one that is missing or malformed gives settings that refuse every connection at once.

    ca: the variable with the path of the CA certificate that the server's own must be signed with, when it is set.
    """
    url, certificate = text(name), text(ca)
    for variable, fault in ((name, _database_fault(name, url)), (ca, _certificate_fault(ca, certificate))):
        if fault:
            # libpq takes a host that starts with a slash for a socket's directory, fails without touching the network
            # and repeats the path in its error: the log then says what is wrong wherever a connection is tried.
            refusing = {"NAME": "none", "HOST": f"/{variable} cannot be used", "OPTIONS": {}}
            return Database(refusing, "none", fault, ())
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    host, port = parts.hostname or query["host"], str(parts.port or query.get("port", ""))
    kind = _database_kind(host, port, says_pgbouncer=query.pop("pgbouncer", "") == "true")
    known = {key: value for key, value in query.items() if key in _libpq_parameters()}
    warnings = [
        f"{name}: the parameter {key!r} is not one of Postgres's and was left out." for key in query if key not in known
    ]
    if host.endswith(SHARED_POOLER) and "." not in (parts.username or ""):
        warnings.append(f"{name}: the pooler's user is role.project, such as postgres.abcdefghijklmnopqrst.")
    options: dict[str, Any] = {}
    if host.endswith(SUPABASE):
        options["sslmode"] = "require"
    if kind == "transaction pooler":
        options["prepare_threshold"] = None  # the next transaction may find another server, without the statement
    config = environ.Env.db_url_config(urlunsplit(parts._replace(query=urlencode(known))))
    options |= config.pop("OPTIONS", {})
    if certificate:
        options |= {"sslmode": "verify-full", "sslrootcert": certificate}
    return Database({**config, "OPTIONS": options}, kind, "", tuple(warnings))


def _database_kind(host: str, port: str, *, says_pgbouncer: bool) -> str:
    if host.endswith(SUPABASE):
        if port == TRANSACTION_PORT:
            return "transaction pooler"
        return "session pooler" if host.endswith(SHARED_POOLER) else "direct"
    # Elsewhere only the URL can say so, as Prisma has it say; 6543 is the port of a Supabase on one's own servers, too.
    return "transaction pooler" if says_pgbouncer or port == TRANSACTION_PORT else "other"


def _database_fault(name: str, url: str) -> str:
    if not url:
        return f"{name} is not set."
    if re.search(r"\[[A-Z -]*PASSWORD[A-Z -]*\]", url, re.IGNORECASE):
        return f"{name} still has the placeholder for the password."
    malformed = f"{name} has a wrong port, or bare special characters in the password: [ / ? # are %5B %2F %3F %23."
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return malformed
    if parts.scheme not in ("postgres", "postgresql"):
        return f"{name} does not begin with postgresql://."
    if parts.fragment or url.endswith("#"):
        return f"{name} has a bare #: in the password, write it %23."
    if port == 0 or "@" in parts.path:  # a slash before the @ was meant as the password's
        return malformed
    if not (parts.hostname or dict(parse_qsl(parts.query)).get("host")):
        return f"{name} names no host."
    if not parts.path.strip("/"):
        return f"{name} names no database after the host."
    return ""


def _certificate_fault(name: str, path: str) -> str:
    if not path:
        return ""
    try:
        ssl.create_default_context(cafile=path)
    except OSError:  # an unreadable certificate is one, too
        return f"{name} is no file with a certificate that can be read: {path}"
    return ""


def _libpq_parameters() -> set[str]:
    return {option.keyword.decode() for option in Conninfo.get_defaults()}


def service_role_key(name: str) -> str:
    """Return Supabase's service key, or "" when it is not set; any other kind of key is refused."""
    value = text(name)
    if value and not _is_service_key(value):
        raise ImproperlyConfigured(
            f"{name} is not a service key: it begins with sb_secret_, or is a JWT whose role is service_role."
        )
    return value


def refuse_public_secrets(environment: Mapping[str, str]) -> None:
    """Stop the start when a secret stands under a public prefix, by its name or by its value."""
    values = [environment[name].strip() for name in SECRET_NAMES if environment.get(name)]
    passwords = [password for value in values if (password := _password_of(value))]
    telling = [secret for secret in (*values, *passwords, *map(unquote, passwords)) if len(secret) >= TELLING_LENGTH]
    for name, value in environment.items():
        prefix = next((prefix for prefix in PUBLIC_PREFIXES if name.startswith(prefix)), None)
        if prefix is None:
            continue
        own_name = name.removeprefix(prefix)
        if own_name in SECRET_NAMES or re.search(r"SERVICE_(ROLE|KEY)|SECRET", own_name):
            raise ImproperlyConfigured(f"{name} is the name of a secret under the public prefix {prefix}.")
        if _is_service_key(value.strip()) or any(secret in value for secret in telling):
            raise ImproperlyConfigured(f"{name} holds a secret, and {prefix} makes it public.")


def _is_service_key(value: str) -> bool:
    if re.fullmatch(r"sb_secret_[A-Za-z0-9_-]{20,}", value):
        return True
    parts = value.split(".")
    if len(parts) != 3:
        return False
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return False
    return isinstance(claims, dict) and claims.get("role") == "service_role"


def _password_of(url: str) -> str | None:
    try:
        return urlsplit(url).password
    except ValueError:
        return None
