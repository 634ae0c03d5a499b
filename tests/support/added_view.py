"""The site with one more view, as somebody writes it who knows Django and has not read the rest; for gunicorn."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import path

from settings.wsgi import application  # noqa: F401  (gunicorn's; sets Django up, as what follows needs it)

from leads.models import Lead  # isort: skip
from settings import urls  # isort: skip


def count(request: HttpRequest) -> HttpResponse:
    return HttpResponse(Lead.objects.count())


urlpatterns = [*urls.urlpatterns, path("count/", count)]
handler404, handler500 = urls.handler404, urls.handler500
settings.ROOT_URLCONF = __name__
