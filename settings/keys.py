"""The signing keys: which of them somebody could guess, since everybody with a quote's link can try guesses at home."""

import os
import re
import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

NEW_KEY = "python3 -c 'import secrets; print(secrets.token_urlsafe(50))'"
MIN_LENGTH, MIN_CHARACTERS = 32, 8
# Parts of examples that everybody can read: Django's startproject, templates, this project's documents and old tests.
_PUBLISHED = re.compile(
    r"django-insecure|(?:change|replace)[-_ ]?(?:me|this|it|with)|your[-_ ]?(?:own[-_ ]?)?(?:secret|key)|goes[-_ ]?here"
    r"|paste-what-the-command-printed|the tests sign with this",
    re.IGNORECASE,
)


def generated(kept_in: Path) -> str:
    """Return the key that a file keeps; the first call makes both."""
    if not kept_in.exists():
        kept_in.parent.mkdir(parents=True, exist_ok=True)
        # Written to another file and renamed, because another process may start and read it at the same time.
        new_file = kept_in.with_name(f"{kept_in.name}.{os.getpid()}")
        new_file.touch(mode=0o600)
        new_file.write_text(secrets.token_urlsafe(50))
        new_file.replace(kept_in)
    return kept_in.read_text().strip()


def earlier(text: str) -> list[str]:
    """Return the keys in a comma-separated list. If a part could be guessed, the whole may be one key with a comma."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    return list(dict.fromkeys([*parts, text])) if any(map(weakness, parts)) else parts


def refuse_guessable(name: str, key: str) -> None:
    """Raise ImproperlyConfigured for a key that somebody could guess. name: of its variable."""
    if fault := weakness(key):
        raise ImproperlyConfigured(
            f"{name} {fault}. Make another with {NEW_KEY} and, if the old one was in use, see docs/operations.md,"
            " Change the signing key."
        )


def weakness(key: str) -> str:
    """Return what makes a key easy to guess, as in "is too short", or "" for a good one. It never repeats the key."""
    if _PUBLISHED.search(key):
        return "is an example that everybody can read"
    if len(key) < MIN_LENGTH:
        return f"has fewer than {MIN_LENGTH} characters"
    if len(set(key)) < MIN_CHARACTERS or _repeats(key) or _counts(key):
        return "is a pattern that somebody could guess"
    return ""


def _repeats(key: str) -> bool:
    """Return whether the key is a shorter text again and again."""
    return any(key == (key[:period] * len(key))[: len(key)] for period in range(1, len(key) // 2 + 1))


def _counts(key: str) -> bool:
    """Return whether most characters equal their neighbour or follow it in the alphabet, as in abcdef or 987."""
    steps = [abs(ord(one) - ord(other)) for one, other in zip(key, key[1:], strict=False)]
    return sum(step <= 1 for step in steps) > len(steps) / 2
