"""The model, the view and the URLs of the baseline."""

from django.core import signing
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_POST

from bench.plain import chat_url


class Lead(models.Model):
    folio = models.TextField(unique=True)
    name = models.TextField()
    phone = models.TextField()
    quote_data = models.JSONField()
    status = models.TextField(default="new")
    visitor_id = models.TextField(default="")
    created_at = models.DateTimeField()
    submitted_at = models.DateTimeField()
    notes = models.TextField(default="")

    class Meta:
        app_label = "bench"
        db_table = "baseline_leads"
        managed = False

    def __str__(self) -> str:
        return self.folio


@require_POST
def checkout(request: HttpRequest) -> HttpResponse:
    quote = signing.loads(request.POST["token"])
    lead = Lead.objects.create(
        folio=quote["folio"],
        name=request.POST["name"],
        phone=request.POST["phone"],
        quote_data=quote,
        created_at=quote["issued_at"],
        submitted_at=timezone.now(),
    )
    return HttpResponseRedirect(chat_url(lead.name, quote))


urlpatterns = [path("checkout/", checkout)]
