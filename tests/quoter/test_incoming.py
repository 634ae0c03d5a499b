"""What a customer sends: a form is read as Django reads it."""

import pytest
from django.test import RequestFactory

from quoter import incoming

FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    "body",
    [
        b"name=Mar%C3%ADa+Pe%C3%B1a&phone=656%20123%204567&phone=&empty&=nameless",
        b"extras=a&extras=b&lines.0.extras=%2B&text=a%3Db%26c=d;e=f",
        "name=Peña".encode(),
        "name=Peña".encode("latin-1"),
        b"name=%FF%zz%&text=%00\xff",
        b"&&==&",
        b"",
    ],
)
@pytest.mark.parametrize("content_type", [FORM, f"{FORM.title()};charset=UTF-8"])
def test_a_form_is_read_as_django_reads_it(body, content_type):
    request = RequestFactory().post("/checkout/", body, content_type=content_type)
    sent = incoming.read(request)
    assert (dict(sent.form.lists()), sent.fields) == (dict(request.POST.lists()), request.POST.dict())


def test_a_form_with_too_many_fields_is_too_large(settings):
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 2
    request = RequestFactory().post("/checkout/", b"a=1&b=2&c=3", content_type=FORM)
    assert incoming.read(request).fault == incoming.TOO_LARGE
