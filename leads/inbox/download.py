"""The CSV download of the list, filtered and searched as staff see it."""

from collections.abc import Iterator
from io import StringIO
from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.auth.models import User
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponseNotAllowed, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone

from leads.models import LeadQuerySet
from leads.privacy.export import BYTE_ORDER_MARK, ExportFormat, export


def csv_view(model_admin: Any, request: HttpRequest) -> HttpResponseBase:
    """Return a CSV of all pages of the list, and note the export on each lead.

    The query string filters as it does for the list. Only for a POST and with the permission to export.
    """
    if not (model_admin.has_view_permission(request) and request.user.has_perm("leads.export_lead")):
        raise PermissionDenied
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    try:
        leads = model_admin.get_changelist_instance(request).queryset
    except IncorrectLookupParameters as error:
        raise BadRequest("The list has no such filter.") from error
    response = StreamingHttpResponse(_pieces(leads, by=request.user), content_type="text/csv; charset=utf-8")  # type: ignore[arg-type]
    response["Content-Disposition"] = f'attachment; filename="leads-{timezone.localdate()}.csv"'
    response["Cache-Control"] = "no-store"
    return response


def _pieces(leads: LeadQuerySet, *, by: User) -> Iterator[str]:
    """Yield the file page by page. It streams after the bulkhead's place is free, so it does not block colleagues."""
    out = StringIO()
    out.write(BYTE_ORDER_MARK)
    for _progress in export(out, leads, only=Q(), form=ExportFormat.CSV, by=by, clock=timezone.now):
        yield _drained(out)
    yield _drained(out)


def _drained(out: StringIO) -> str:
    text = out.getvalue()
    out.seek(0)
    out.truncate()
    return text
