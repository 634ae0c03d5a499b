"""Checks what is built before the site starts: static files and translations."""

from collections.abc import Iterator

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.contrib.staticfiles.storage import ManifestFilesMixin, staticfiles_storage

from leads.ops.doctor.finding import Finding, error, ok, warning
from quoter.checks import catalogues_are_compiled

COLLECT = "Run `python manage.py collectstatic --noinput` when the site is built (make build)."


def examine() -> Iterator[Finding]:
    yield _static_files()
    stale = catalogues_are_compiled(None)
    for message in stale:
        yield warning("translations", message.msg, message.hint)
    if not stale:
        yield ok("translations", "compiled")


def _static_files() -> Finding:
    if settings.DEBUG:
        return ok("static files", "served from the sources, with DEBUG")
    if not isinstance(staticfiles_storage, ManifestFilesMixin) or staticfiles_storage.read_manifest() is None:
        return error("static files", f"none are collected in {settings.STATIC_ROOT}: no page can be shown", COLLECT)
    collected = staticfiles_storage.hashed_files
    missing = [
        path
        for finder in get_finders()
        for path, _ in finder.list([])
        if path not in collected or not staticfiles_storage.exists(collected[path])
    ]
    if missing:
        found = f"not collected in {settings.STATIC_ROOT}: {len(missing)}, such as {missing[0]}"
        return error("static files", found, COLLECT)
    return ok("static files", f"collected: {len(collected)}")
