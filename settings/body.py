"""Bounds a request's body before anything reads it: its length, and that it has no files, which no page asks for."""

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import FileUploadHandler


class NoFiles(FileUploadHandler):
    """Refuses a form that is too long before it is read. DATA_UPLOAD_MAX_NUMBER_FILES refuses the files in others."""

    def handle_raw_input(
        self, input_data: object, META: object, content_length: int, boundary: object, encoding: object = None
    ) -> None:
        if content_length > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            raise RequestDataTooBig("The form is longer than DATA_UPLOAD_MAX_MEMORY_SIZE.")
