"""The site with one more view, as somebody adds it who knows Django and not this project; for gunicorn."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import path

from settings.wsgi import application  # noqa: F401  (for gunicorn; it also sets Django up for the imports below)

from leads.models import Lead  # isort: skip
from settings import urls  # isort: skip


def count(request: HttpRequest) -> HttpResponse:
    return HttpResponse(Lead.objects.count())


urlpatterns = [*urls.urlpatterns, path("count/", count)]
handler404, handler500 = urls.handler404, urls.handler500
settings.ROOT_URLCONF = __name__
