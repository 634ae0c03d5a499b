"""Every address of the site, by its URL patterns."""

import re
from collections.abc import Iterable, Iterator

from django.urls import URLPattern, URLResolver, get_resolver


def addresses(values: dict[str, str], other: str) -> Iterator[str]:
    """Yield an address for each pattern of the site. values: what stands for its parts; other: for those without."""
    for route in _routes(get_resolver().url_patterns):
        path = re.sub(r"\(\?P<(\w+)>[^)]*\)", r"<\1>", route).replace("^", "").replace("$", "")
        yield "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda name: values.get(name[1], other), path)


def _routes(patterns: Iterable[URLPattern | URLResolver]) -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from (f"{pattern.pattern}{inner}" for inner in _routes(pattern.url_patterns))
        else:
            yield str(pattern.pattern)
