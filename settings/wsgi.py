"""The WSGI application."""

import logging
import os
import sys
from collections.abc import Iterable
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

    last_resort: headers and body of the page, for what the server itself refuses.
    """

    def __init__(self, application: "WSGIApplication", page: HttpResponse) -> None:
        self._application, self._page = application, page
        page["Content-Length"] = str(len(page.content))
        self.last_resort = page.serialize_headers() + b"\r\n\r\n" + page.content

    def __call__(self, environ: dict[str, Any], start_response: "StartResponse") -> Iterable[bytes]:
        try:
            return self._application(environ, start_response)
        except Exception as error:  # broad: whatever it is, the customer gets a page that leads to WhatsApp
            logger.error("A request failed outside of Django's error handlers.", exc_info=error)
            start_response("500 Internal Server Error", list(self._page.items()), sys.exc_info())
            return [self._page.content]


def _application() -> WithLastResort:
    from settings import preload  # it needs Django to be set up

    application = get_wsgi_application()
    return WithLastResort(application, preload.everything())


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
application = _application()
logger.info("Folio %s starts.", settings.VERSION)
