"""The WSGI application."""

import logging
import os
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication

logger = logging.getLogger(__name__)


class WithLastResort:
    """Answers with the page for a fault of the site where Django answers nothing: when that page's own view fails too,
    or a signal's receiver. The server would send a bare page.

    page: as it was made at the start; again: makes it as it is now, from memory.
    """

    def __init__(
        self, application: "WSGIApplication", page: HttpResponse, again: Callable[[], HttpResponse] | None = None
    ) -> None:
        self._application, self._first, self._again = application, page, again

    @property
    def last_resort(self) -> bytes:
        """Return headers and body of the page, for what the server itself refuses."""
        page = self._page()
        return page.serialize_headers() + b"\r\n\r\n" + page.content

    def _page(self) -> HttpResponse:
        try:
            page = self._again() if self._again else self._first
        except Exception:  # broad: what fails may be that page's own view
            page = self._first
        page["Content-Length"] = str(len(page.content))
        return page

    def __call__(self, environ: dict[str, Any], start_response: "StartResponse") -> Iterable[bytes]:
        try:
            return self._application(environ, start_response)
        except Exception as error:  # broad: whatever it is, the customer gets a page that leads to WhatsApp
            logger.error("A request failed outside of Django's error handlers.", exc_info=error)
            page = self._page()
            start_response("500 Internal Server Error", list(page.items()), sys.exc_info())
            return [page.content]


def _application() -> WithLastResort:
    from settings import preload  # it needs Django to be set up

    application = get_wsgi_application()
    return WithLastResort(application, preload.everything(), preload.answer_to_a_fault)


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
application = _application()
logger.info("Folio %s starts.", settings.VERSION)
