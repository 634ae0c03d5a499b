"""The names in ALLOWED_HOSTS. One that no request can have makes every customer who comes by it get a 400."""

import re
from urllib.parse import urlsplit

from django.http.request import host_validation_re

# The default of ALLOWED_HOSTS.
LOCAL = ("localhost", "127.0.0.1", "[::1]")


def malformed(hosts: list[str]) -> list[str]:
    """Return the entries of ALLOWED_HOSTS that no Host header matches: with a scheme, a port, a space, quotes..."""
    return [host for host in hosts if host != "*" and not _can_match(host)]


def corrected(hosts: list[str]) -> str:
    """Return what ALLOWED_HOSTS should be: the names alone, as browsers send them, comma-separated.

    What is left out cannot be mended, such as a star in the middle. Example names when nothing is left.
    """
    names = [_name(name) for host in hosts for name in re.split(r"[\s;,'\"]+", host) if name]
    return ",".join(dict.fromkeys(name for name in names if not malformed([name]))) or "quotes.example.com"


def _can_match(host: str) -> bool:
    # Django compares without the port and a last dot, and takes a first dot for a domain and all below it.
    spelling = host_validation_re.fullmatch(host.lower().removeprefix("."))
    return spelling is not None and spelling[2] is None and not host.endswith(".")


def _name(text: str) -> str:
    try:
        text = re.sub(r"^https?:(?=[^/\d])", "", text)
        name = urlsplit(text if "//" in text else f"//{text}").hostname or text
        name = name.removeprefix("*").removesuffix(".") or text
        return f"[{name}]" if ":" in name else name.encode("idna").decode() if not name.isascii() else name
    except ValueError:  # UnicodeError is one of them
        return text
