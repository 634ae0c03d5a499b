"""Static files, each with a hash of its content in its name, so that browsers may cache it indefinitely.

A process reads its release's files once, when it starts, and serves them from memory. So nothing has to be collected
before, and no process serves files of another release in place of its own, whatever lies on the disk.

A page that is still open may be of another release: of the last one, or of the next one while both run. It asks for
names that this release does not have. For it each release keeps its files in STATIC_ROOT, too, if it may write there.
Without them it gets the file of today under that name, and no browser may cache that.
"""

import gzip
import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from hashlib import md5
from mimetypes import MimeTypes
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import HashedFilesMixin
from django.core.files.base import ContentFile, File
from django.core.files.storage import InMemoryStorage, Storage
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase

FOREVER = "public, max-age=31536000, immutable"
# Without DEBUG, Django's admin takes the minified ones; these are half of all bytes, and a third of a start's time.
UNMINIFIED = ["jquery.js", "xregexp.js", "select2.full.js", "select2.css"]
# Files of other releases are deleted when they are as old as this.
KEPT_DAYS = 90
_HASHED = re.compile(r"(?P<stem>[\w/.-]+)\.(?P<hash>[0-9a-f]{12})(?P<suffix>\.\w+)")
_TYPES = MimeTypes()  # Python's own, because the system's list differs between machines


class StaticFile(NamedTuple):
    """compressed: by gzip, or b"" for a format that is compressed by itself."""

    content: bytes
    compressed: bytes
    content_type: str


class Release(NamedTuple):
    """names: the hashed name of each file; files: by hashed name."""

    names: dict[str, str]
    files: dict[str, StaticFile]


class _Contents(Storage):
    """Files in memory. contents: of each by its name. Django's own has folders as well, and takes twice as long."""

    def __init__(self, contents: dict[str, bytes]) -> None:
        self.contents = contents

    def exists(self, name: str) -> bool:
        return name in self.contents

    def delete(self, name: str) -> None:
        del self.contents[name]

    def url(self, name: str | None) -> str:
        return name or ""

    def _open(self, name: str, mode: str = "rb") -> "ContentFile[bytes]":
        return ContentFile(self.contents[name], name)

    def _save(self, name: str, content: "File[bytes]") -> str:
        self.contents[name] = b"".join(content.chunks())
        return name


# The apps whose scripts import each other.
OURS = ("quoter", "leads", "checkout")
_, _IMPORTS = HashedFilesMixin._js_module_import_aggregation_patterns  # type: ignore[attr-defined]


class _Hashing(HashedFilesMixin, _Contents):  # type: ignore[misc]
    """Also rewrites the imports between scripts, so that a page never mixes the scripts of two releases.

    Only of our own: those of libraries import nothing, and looking for it would take an eighth of a start's time.
    """

    patterns = (*HashedFilesMixin.patterns, *((f"{folder}/*.js", _IMPORTS) for folder in OURS))


class StaticFiles(InMemoryStorage):
    """Gives `{% static %}` its addresses. `collectstatic`, which some hosts run by themselves, changes nothing."""

    def count(self) -> int:
        """Return how many there are; OSError or ValueError if they cannot be served."""
        return len(release().names)

    def url(self, name: str | None) -> str:
        """Return the address of a file; ValueError if there is none of that name."""
        name = name or ""
        if settings.DEBUG:
            return f"{settings.STATIC_URL}{name}"
        try:
            return f"{settings.STATIC_URL}{release().names[name]}"
        except KeyError:
            raise ValueError(f"There is no static file {name}.") from None


@cache
def release() -> Release:
    """Return the static files of this release, read at the first call."""
    contents: dict[str, bytes] = {}
    for finder in finders.get_finders():
        for path, source in finder.list(UNMINIFIED):
            if path not in contents:
                with source.open(path) as file:
                    contents[path] = file.read()
    storage = _Hashing(contents)
    paths = {path: (storage, path) for path in contents}
    for _name, _hashed, outcome in storage.post_process(paths):
        if isinstance(outcome, Exception):
            raise outcome
    names = {path: storage.stored_name(path) for path in paths}
    return Release(names, {name: _file(name, contents[name]) for name in names.values()})


def keep() -> None:
    """Keep this release's files on the disk for the pages of others, and delete what is too old.

    Without it only pages of another release notice, so an error ends it without a word.
    """
    with suppress(OSError):
        for name, file in release().files.items():
            path = Path(settings.STATIC_ROOT, name)
            if path.exists():
                os.utime(path)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                unfinished = path.with_suffix(f".{os.getpid()}")
                unfinished.write_bytes(file.content)
                unfinished.replace(path)
        oldest = time.time() - KEPT_DAYS * 24 * 3600
        for path in Path(settings.STATIC_ROOT).rglob("*"):
            if path.is_file() and path.stat().st_mtime < oldest:
                path.unlink()


class StaticFilesMiddleware:
    """Serves the static files."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith(settings.STATIC_URL):
            return self.get_response(request)
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        file, cache_control = _found(request.path_info.removeprefix(settings.STATIC_URL))
        if file is None:
            return self.get_response(request)
        headers = {"Cache-Control": cache_control, "Vary": "Accept-Encoding"}
        content = file.content
        if file.compressed and "gzip" in request.headers.get("Accept-Encoding", ""):
            content, headers["Content-Encoding"] = file.compressed, "gzip"
        headers["Content-Length"] = str(len(content))
        body = content if request.method == "GET" else b""
        return HttpResponse(body, content_type=file.content_type, headers=headers)


def _found(name: str) -> tuple[StaticFile | None, str]:
    """Return a file and how long it may be cached."""
    if settings.DEBUG:
        path = finders.find(name)
        return (_file(name, Path(path).read_bytes()) if path else None), "no-cache"
    names, files = release()
    if file := files.get(name) or _kept(name):
        return file, FOREVER
    unhashed = _HASHED.sub(r"\g<stem>\g<suffix>", name)
    return files.get(names.get(unhashed, "")), "no-cache"


def _kept(name: str) -> StaticFile | None:
    """Return a file that another release keeps. Its name proves its content, so a damaged one counts as missing."""
    hashed = _HASHED.fullmatch(name)
    if hashed and ".." not in name:
        with suppress(OSError):
            content = Path(settings.STATIC_ROOT, name).read_bytes()
            if md5(content, usedforsecurity=False).hexdigest().startswith(hashed["hash"]):
                return _file(name, content)
    return None


def _file(name: str, content: bytes) -> StaticFile:
    content_type = _TYPES.guess_type(name)[0] or "application/octet-stream"
    is_text = content_type.startswith("text/") or content_type == "application/javascript"
    compressed = gzip.compress(content, mtime=0) if is_text or content_type == "image/svg+xml" else b""
    return StaticFile(content, compressed, f"{content_type}; charset=utf-8" if is_text else content_type)
