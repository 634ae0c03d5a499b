"""GET /q/<token or folio>/pdf: the quote as a file. It is drawn when it is asked for, by a program beside the site.

A POST brings what the viewer has typed into the form of the page, so that the file names who it is for and no address
does.
"""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from hashlib import sha256
from threading import BoundedSemaphore, Lock
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_http_methods

from checkout import quote_page
from checkout.fallbacks import unavailable
from checkout.paper import document
from checkout.paper.document import Document
from quoter import incoming, site
from quoter.engine.text import Text

logger = logging.getLogger(__name__)

FILE_NAME = Text(es="cotizacion-{folio}.pdf", en="quote-{folio}.pdf")
# Raise it with each change of the layout.
_VERSION = 1
_PATIENCE_S = 10
# Of a process's four threads, one may wait for a drawing and one for that one; who comes then is told to come again.
_PLACES, _WAIT_S = 2, 3.0
_places, _turn = BoundedSemaphore(_PLACES), Lock()


class NotDrawn(Exception):
    """Others are being drawn, or the program failed."""


@require_http_methods(["GET", "HEAD", "POST"])
def quote_file(request: HttpRequest, reference: str) -> HttpResponse:
    """Return the quote's file; the page that offers the chat when it cannot be drawn now."""
    issued = quote_page.found(request, reference)
    if isinstance(issued, HttpResponse):
        return issued
    issued = site.translated(issued, site.language())
    folio = issued.quote.folio
    typed = incoming.read(request).form if request.method == "POST" else {}
    says = document.of(
        issued.quote,
        language=site.language(),
        link=quote_page.address(request, folio),
        now=timezone.now(),
        typed=typed,
    )
    etag = f'"{sha256(json.dumps([_VERSION, says]).encode()).hexdigest()[:16]}"'
    # Neither the folio's page nor a name is for caches that others share.
    headers = {"ETag": etag, "Cache-Control": "no-store" if typed else "private, max-age=600"}
    if not typed and (kept := get_conditional_response(request, etag=etag)):
        kept["Cache-Control"] = headers["Cache-Control"]
        return kept
    try:
        content = drawn(says) if typed else _drawn_lately(says)
    except NotDrawn:
        answer = unavailable(request, folio=folio)
        answer["Retry-After"] = "2"
        return answer
    headers["Content-Disposition"] = f'inline; filename="{FILE_NAME.say(site.language(), folio=folio)}"'
    return HttpResponse(content, content_type="application/pdf", headers={**headers, "X-Robots-Tag": "noindex"})


def drawn(says: Document) -> bytes:
    """Return the file, drawn by a process of its own; NotDrawn when others are being drawn, or it fails."""
    as_json = json.dumps({**says._asdict(), "rows": [row._asdict() for row in says.rows]})
    program = [sys.executable, "-m", "checkout.paper.layout"]
    options: Any = {"cwd": settings.BASE_DIR, "capture_output": True, "timeout": _PATIENCE_S, "check": True}
    with _a_turn():
        try:
            return bytes(subprocess.run(program, input=as_json.encode(), **options).stdout)
        except (OSError, subprocess.SubprocessError) as error:
            # Not what the program said, which may repeat a name.
            logger.warning("The file of a quote was not drawn: folio=%s error=%s", says.folio, type(error).__name__)
            raise NotDrawn from error


# Browsers ask for a file twice when they show it and then keep it. Only files that name nobody.
_drawn_lately = lru_cache(maxsize=8)(drawn)


@contextmanager
def _a_turn() -> Iterator[None]:
    if not _places.acquire(blocking=False):
        raise NotDrawn
    try:
        if not _turn.acquire(timeout=_WAIT_S):
            raise NotDrawn
        try:
            yield
        finally:
            _turn.release()
    finally:
        _places.release()
