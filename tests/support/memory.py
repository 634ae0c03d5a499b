"""Pages in memory, as without DEBUG; with it, each is made anew."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.core.cache import caches
from django.test import override_settings


@contextmanager
def kept_in_memory() -> Iterator[None]:
    """Keep pages in the memory of this process inside of the block, which begins with none."""
    pages = {**settings.CACHES["pages"], "BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    with override_settings(CACHES={**settings.CACHES, "pages": pages}):
        caches["pages"].clear()
        yield
