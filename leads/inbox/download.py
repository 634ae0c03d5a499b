"""The download of the list, filtered and searched as staff see it: a spreadsheet, or CSV for programs.

A gunicorn thread writes the whole file, which has no name, notes the export on each lead, and only then sends the first
byte. So a file that fails leaves no event, and no lead leaves without one. A download that is broken off keeps its
events, because nobody knows how much of it arrived. While a file is written, its thread has a place in the bulkhead;
while it is sent, it has none.
"""

import logging
import tempfile
import threading
from collections.abc import Iterator, Sequence
from decimal import Decimal
from io import TextIOWrapper
from typing import IO, Any

from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.auth.models import User
from django.core.exceptions import BadRequest, PermissionDenied
from django.db import transaction
from django.http import FileResponse, HttpRequest, HttpResponseNotAllowed, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from leads import paging
from leads.inbox.spreadsheet import Spreadsheet
from leads.models import Lead, LeadQuerySet
from leads.privacy.export import Csv, ExportFormat, Row, note_exported, rows_of
from leads.privacy.unfinished import private_directory
from quoter.engine.numbers import grouped

# What a thread writes in some five seconds: a host's proxy waits 30 for the first byte. `export_leads` has no limit.
MOST_LEADS = 10_000
CONTENT_TYPES = {
    ExportFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ExportFormat.CSV: "text/csv; charset=utf-8",
}
# One file at a time, so that the process's other threads stay free.
_turn = threading.Lock()

logger = logging.getLogger(__name__)


def download_view(model_admin: Any, request: HttpRequest) -> HttpResponseBase:
    """Return the first MOST_LEADS leads of the list as a file, and note the export on each.

    The query string filters as it does for the list; `format` in the form is one of CONTENT_TYPES, CSV by default. Only
    for a POST and with the permission to export.
    """
    if not (model_admin.has_view_permission(request) and request.user.has_perm("leads.export_lead")):
        raise PermissionDenied
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    form = next((each for each in CONTENT_TYPES if each == request.POST.get("format")), ExportFormat.CSV)
    try:
        leads = model_admin.get_changelist_instance(request).queryset
    except IncorrectLookupParameters as error:
        raise BadRequest("The list has no such filter.") from error
    if not _turn.acquire(blocking=False):
        messages.warning(request, gettext("A colleague's file is being written. Try again in some seconds."))
        return _back(request)
    try:
        file, is_whole = _write(leads, form=form, by=request.user)  # type: ignore[arg-type]
    except OSError as error:
        logger.error("download not written: %s", error.strerror)
        messages.error(request, gettext("There is no room for the file on the server's disk."))
        return _back(request)
    finally:
        _turn.release()
    limit = "" if is_whole else f"-first-{MOST_LEADS}"
    name = f"leads-{timezone.localdate()}{limit}.{form}"
    response = FileResponse(file, as_attachment=True, filename=name, content_type=CONTENT_TYPES[form])
    response["Cache-Control"] = "no-store"
    return response


def _back(request: HttpRequest) -> HttpResponseRedirect:
    return HttpResponseRedirect(f"{reverse('admin:leads_lead_changelist')}?{request.GET.urlencode()}")


def _write(leads: LeadQuerySet, *, form: ExportFormat, by: User) -> tuple[IO[bytes], bool]:
    """Return a file without a name that has the leads, and whether it has all of them."""
    keys = list(leads.values_list("pk", flat=True)[: MOST_LEADS + 1])
    is_whole, keys = len(keys) <= MOST_LEADS, keys[:MOST_LEADS]
    file = tempfile.TemporaryFile()  # noqa: SIM115  (the response closes it)
    try:
        if form is ExportFormat.XLSX:
            _write_spreadsheet(file, keys, is_whole=is_whole)
        else:
            text = TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
            table = Csv(text)
            for rows in _pages(keys):
                table.write(rows)
            text.detach()
        with transaction.atomic():
            note_exported(keys, by=by, now=timezone.now(), form=form)
    except BaseException:  # broad: whatever happens, closing the file deletes it
        file.close()
        raise
    file.seek(0)
    return file, is_whole


def _write_spreadsheet(file: IO[bytes], keys: Sequence[Any], *, is_whole: bool) -> None:
    with private_directory() as directory, Spreadsheet(file, directory=directory) as book:
        for rows in _pages(keys):
            book.write(rows)
        if not is_whole:
            most = grouped(Decimal(MOST_LEADS), places=0)
            book.write_remark(gettext("Only the first %(most)s leads of the list are in this file.") % {"most": most})
        book.close()


def _pages(keys: Sequence[Any]) -> Iterator[list[Row]]:
    """Yield the leads with these keys, in this order."""
    place = {key: number for number, key in enumerate(keys)}
    for start in range(0, len(keys), paging.PAGE):
        rows = rows_of(Lead.objects.filter(pk__in=keys[start : start + paging.PAGE]))
        yield sorted(rows, key=lambda row: place[row.pk])
