"""Bounds a request's body before anything reads it: its length, and that it has no files, which no page asks for."""

import re
from collections.abc import Iterable
from io import BytesIO
from wsgiref.types import InputStream, StartResponse, WSGIApplication, WSGIEnvironment

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import FileUploadHandler

# A client that still sends cannot read the answer. So much of a body that was refused is thrown away, and gunicorn
# closes the connection of a longer one.
MOST_DISCARDED = 3 * 1024 * 1024
_CHUNK = 64 * 1024
_LENGTH = re.compile(r"[0-9]{1,18}")


def bounded(application: WSGIApplication) -> WSGIApplication:
    """Return a WSGI application whose requests have a length, also those whose bodies come in chunks.

    Django refuses a body by its length, and reads nothing of one without a length.
    """

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        sent: InputStream = environ["wsgi.input"]
        if "HTTP_TRANSFER_ENCODING" in environ and environ.get("wsgi.input_terminated"):
            body = sent.read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
            environ |= {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        if not _LENGTH.fullmatch(environ.get("CONTENT_LENGTH") or "0"):
            environ["CONTENT_LENGTH"] = "0"
        content = application(environ, start_response)
        if int(environ.get("CONTENT_LENGTH") or 0) <= MOST_DISCARDED:
            _discard(sent, most=MOST_DISCARDED)
        return content

    return answer


def _discard(sent: InputStream, *, most: int) -> None:
    while most > 0 and (chunk := sent.read(min(_CHUNK, most))):
        most -= len(chunk)


class NoFiles(FileUploadHandler):
    """Refuses a form that is too long before it is read. DATA_UPLOAD_MAX_NUMBER_FILES refuses the files in others."""

    def handle_raw_input(
        self, input_data: object, META: object, content_length: int, boundary: object, encoding: object = None
    ) -> None:
        if content_length > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            raise RequestDataTooBig("The form is longer than DATA_UPLOAD_MAX_MEMORY_SIZE.")
