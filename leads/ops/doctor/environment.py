"""Checks the environment variables: which are set, values that load but are wrong, and misspelt names."""

import platform
import re
import stat
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import django
import environ
from django.conf import settings
from django.core import checks

from leads.ops import hosts
from leads.ops.doctor.finding import Finding, error, ok, warning
from quoter.shop.values import shop

# The variables of .env.example, in its order; a test compares the two lists.
VARIABLES = (
    "SECRET_KEY",
    "SECRET_KEY_FALLBACKS",
    "DEBUG",
    "ALLOWED_HOSTS",
    "CSRF_TRUSTED_ORIGINS",
    "EMBED_ORIGINS",
    "DATABASE_URL",
    "DATABASE_MIGRATION_URL",
    "DATABASE_CA",
    "OUTBOX_DIR",
    "OUTBOX_SPARE_DIR",
    "OUTBOX_KEEP_DAYS",
    "MACHINE_NAME",
    "LEAD_WAIT_MS",
    "TRUSTED_PROXIES",
    "HSTS_SUBDOMAINS",
    "HSTS_PRELOAD",
    "DATABASE_LIMIT_MB",
    "WHATSAPP_NUMBER",
    "BUSINESS_NAME",
    "BRAND_LOGO",
    "BRAND_COLOR",
    "BRAND_ACCENT",
    "BUSINESS_TIME_ZONE",
    "LANGUAGE_CODE",
    "PRICE_BOOK",
    "PRIVACY_NOTICE",
    "GA4_MEASUREMENT_ID",
    "META_PIXEL_ID",
    "ANSWER_PROMISE",
    "BUSINESS_HOURS",
    "HOLIDAYS",
    "GREETING_ES",
    "GREETING_EN",
    "REQUIRE_SECOND_FACTOR",
    "ALERT_EMAILS",
    "ALERT_MANAGER_EMAILS",
    "ESCALATE_AFTER",
    "ALERT_NAMES",
    "EMAIL_HOST",
    "EMAIL_PORT",
    "EMAIL_HOST_USER",
    "EMAIL_HOST_PASSWORD",
    "DEFAULT_FROM_EMAIL",
    "SUPABASE_URL",
    "SUPABASE_SERVICE_ROLE_KEY",
    "SUPABASE_REST_COPY",
    "SENTRY_DSN",
    "SENTRY_ENVIRONMENT",
    "LOG_LEVEL",
    "LOG_FORMAT",
    "REQUEST_LOG",
    "METRICS_TOKEN",
)
# Customers are promised a redirect within a second, and may wait for the disk as well.
LONGEST_LEAD_WAIT_MS = 600
# A host's router behind Cloudflare is two.
MOST_PROXIES = 3
# Django's own rules for SECRET_KEY and SECRET_KEY_FALLBACKS; `settings.keys` has Folio's.
KEY_CHECKS = ("security.W009", "security.W025")
# The similarity, from 0 to 1, from which a name counts as a misspelling of another.
ALIKE = 0.85


def examine(environment: Mapping[str, str]) -> Iterator[Finding]:
    given = [name for name in VARIABLES if environment.get(name, "").strip()]
    yield ok("version", f"Folio {settings.VERSION}, Django {django.__version__}, Python {platform.python_version()}")
    yield ok("environment", f"{', '.join(given) or 'nothing'} set; the others have their defaults")
    yield from _misspelt(environment, given)
    yield from _quoted(environment)
    yield from _file(settings.BASE_DIR / ".env", environment)
    yield from _hosts()
    yield from _values()
    yield from _keys()
    yield from _projects()
    yield from _django_checks()


def _misspelt(environment: Mapping[str, str], given: list[str]) -> Iterator[Finding]:
    missing = [name for name in VARIABLES if name not in given]
    for name in environment:
        if name not in VARIABLES and (meant := get_close_matches(name, missing, n=1, cutoff=ALIKE)):
            yield warning("environment", f"Folio has no {name}, and {meant[0]} is not set", f"Call it {meant[0]}.")


def _quoted(environment: Mapping[str, str]) -> Iterator[Finding]:
    for name in VARIABLES:
        value = environment.get(name, "").strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            cure = f"Write {name} without them: unlike .env, `docker --env-file` and dashboards keep quotes."
            yield error("environment", f"{name} is in quotes, which here belong to the value", cure)


class _Written(environ.Env):  # type: ignore[misc]
    """What a .env file says, apart from the environment."""

    ENVIRON: ClassVar[dict[str, str]] = {}


def _file(path: Path, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what is wrong with .env: anybody may read it, or the environment has another value."""
    if not path.is_file():
        return
    if path.stat().st_mode & stat.S_IROTH and not settings.DEBUG:
        found = ".env, which holds secrets, can be read by everybody on this machine"
        yield warning("environment", found, f"chmod o-rwx {path}")
    written = _Written()
    written.read_env(path, encoding="utf-8-sig")
    if ignored := [name for name, value in written.ENVIRON.items() if environment.get(name) not in (None, "", value)]:
        found = f"the environment has other values than .env, which therefore do not count: {', '.join(ignored)}"
        yield warning("environment", found, "Keep each variable in one of the two places.")


def _hosts() -> Iterator[Finding]:
    names = [host for host in settings.ALLOWED_HOSTS if host not in hosts.LOCAL]
    if settings.DEBUG:
        if names:
            yield error("environment", f"DEBUG is on for {names[0]}: error pages show code", "Set DEBUG=false.")
        else:
            yield ok("environment", "DEBUG is on: development, on this machine")
    elif not names:
        found = "ALLOWED_HOSTS has no public name: every customer gets a 400"
        yield error("environment", found, "Set ALLOWED_HOSTS to the names of the site, such as quotes.example.com.")
    if wrong := hosts.malformed(names):
        found = f"ALLOWED_HOSTS has {wrong[0]!r}, which is no host name: whoever comes by it gets a 400"
        yield error("environment", found, f"Set ALLOWED_HOSTS={hosts.corrected(settings.ALLOWED_HOSTS)}")
    if "*" in names:
        found = "ALLOWED_HOSTS is *: the site answers to any name, so an attacker can make its links lead elsewhere"
        yield warning("environment", found, "Set ALLOWED_HOSTS to the names of the site.")


def _values() -> Iterator[Finding]:
    if shop.BUSINESS_NAME == "Folio" and not settings.DEBUG:
        found = "BUSINESS_NAME is not set: customers read Folio"
        yield warning("environment", found, "Set BUSINESS_NAME to the name of the business.")
    if not settings.REQUIRE_SECOND_FACTOR and not settings.DEBUG:
        found = "REQUIRE_SECOND_FACTOR is off: a guessed password opens every lead"
        yield warning("environment", found, "Leave REQUIRE_SECOND_FACTOR out; its default is true.")
    if settings.SECURE_HSTS_PRELOAD and not settings.SECURE_HSTS_INCLUDE_SUBDOMAINS:
        found = "HSTS_PRELOAD has no effect without HSTS_SUBDOMAINS: the browsers' lists do not take the site"
        yield warning("environment", found, "Set both, or leave both out.")
    if not settings.DEBUG and not 1 <= settings.TRUSTED_PROXIES <= MOST_PROXIES:
        whose = "all visitors count as one address" if not settings.TRUSTED_PROXIES else "visitors choose their address"
        found = f"TRUSTED_PROXIES is {settings.TRUSTED_PROXIES}: behind a proxy {whose}"
        yield warning("environment", found, "Set it to how many proxies are in front (docs/deploy.md): mostly 1.")
    if settings.LOG_LEVEL in ("ERROR", "CRITICAL"):
        found = f"LOG_LEVEL is {settings.LOG_LEVEL}: the log says nothing of outages and of leads that wait"
        yield warning("environment", found, "Leave LOG_LEVEL out; its default is INFO.")
    if settings.LEAD_WAIT_MS > LONGEST_LEAD_WAIT_MS:
        found = f"LEAD_WAIT_MS is {settings.LEAD_WAIT_MS}: during an outage a customer may wait longer than a second"
        yield warning("environment", found, "Leave LEAD_WAIT_MS out; its default is 400.")


def _keys() -> Iterator[Finding]:
    yield ok("keys", f"SECRET_KEY: {len(settings.SECRET_KEY)} characters")
    earlier, guessable = settings.SECRET_KEY_FALLBACKS, settings.GUESSABLE_KEYS
    if guessable:
        found = f"SECRET_KEY_FALLBACKS: {len(guessable)} could be guessed, and then quotes of any price be made"
        yield warning("keys", found, "Leave them out as soon as you can (docs/operations.md, Change the signing key).")
    elif earlier:
        yield ok("keys", f"SECRET_KEY_FALLBACKS: earlier keys that still count: {len(earlier)}")
    key = settings.SUPABASE_SERVICE_ROLE_KEY
    if key.startswith("sb_secret_"):
        yield ok("keys", f"SUPABASE_SERVICE_ROLE_KEY: a secret key, {len(key)} characters")
    elif key:
        found = f"SUPABASE_SERVICE_ROLE_KEY: a JWT with role service_role, {len(key)} characters; Supabase retires them"
        yield warning("keys", found, "Make a secret key (Supabase: Project settings, API keys): sb_secret_...")


def _projects() -> Iterator[Finding]:
    if settings.SUPABASE_URL and not re.fullmatch(
        r"(https://[\w.-]+|http://(localhost|127\.0\.0\.1))(:\d+)?/?", settings.SUPABASE_URL
    ):
        cure = "Set it to https://PROJECT.supabase.co (Supabase: Project settings, API)."
        yield error("environment", "SUPABASE_URL is not the address of a project", cure)
        return
    api_project = re.fullmatch(r"([a-z0-9]+)\.supabase\.co", urlsplit(settings.SUPABASE_URL).hostname or "")
    projects = {
        "SUPABASE_URL": api_project[1] if api_project else "",
        "DATABASE_URL": _project_of(settings.DATABASES["default"]),
        "DATABASE_MIGRATION_URL": _project_of(settings.DATABASE_MIGRATION),
        "SUPABASE_SERVICE_ROLE_KEY": settings.SUPABASE_KEY_PROJECT,
    }
    known = {name: project for name, project in projects.items() if project}
    if len(set(known.values())) > 1:
        found = ", ".join(f"{name} of {project}" for name, project in known.items())
        found = found.replace(" of ", " is of the project ", 1)
        yield error("environment", found, "Copy them from the same project.")


def _project_of(connection: Mapping[str, Any]) -> str:
    """Return the project of a Supabase database, which the pooler's user or the direct host names, else ""."""
    login = f"{connection.get('USER', '')}@{connection.get('HOST', '')}"
    names = re.search(r"^\w+\.([a-z0-9]+)@|@db\.([a-z0-9]+)\.supabase\.co$", login)
    return names[1] or names[2] if names else ""


def _django_checks() -> Iterator[Finding]:
    """Run Django's own checks, except those that query the database.

    Folio's checks have no tag, so they do not run here; the doctor's other modules cover the same subjects.
    """
    is_deployed = not settings.DEBUG
    tags = set(checks.registry.registry.tags_available(is_deployed)) - {checks.Tags.database}
    messages = [
        message
        for message in checks.run_checks(tags=sorted(tags), include_deployment_checks=is_deployed)
        if message.level >= checks.WARNING and message.id not in KEY_CHECKS and not message.is_silenced()
    ]
    for message in messages:
        finding = error if message.level >= checks.ERROR else warning
        cure = message.hint or f"See {message.id} in Django's documentation of system checks."
        yield finding("settings", f"{' '.join(message.msg.split())} ({message.id})", " ".join(str(cure).split()))
    if not messages:
        yield ok("settings", "Django's own checks find nothing")
