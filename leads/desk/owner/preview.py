"""The calculator with the drafts of prices and settings, for owners only. Nothing is stored or sent from it."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.html import escape
from django.utils.translation import gettext as _

from leads.desk.owner.sheets import SHEETS
from leads.desk.owner.views import PERMISSIONS
from quoter import brand
from quoter import views as quoter_views
from quoter.shop import served

# Where the calculator's form and its buttons lead: to the calculator, or on to the quote.
_FORMS = re.compile(r'((?:form)?action)="/(?:quote/)?(?=["?])')
Page = Callable[..., HttpResponseBase]


def _shown(request: HttpRequest, view: Page, **arguments: str) -> HttpResponseBase:
    if not any(map(request.user.has_perm, PERMISSIONS.values())):
        raise PermissionDenied
    with _drafts(request):
        response = view(request, **arguments)
    if isinstance(response, HttpResponse) and response["Content-Type"].startswith("text/html"):
        response.content = _led_back(response.content.decode()).encode()
    return response


page = partial(_shown, view=quoter_views.calculator)
summary = partial(_shown, view=quoter_views.summary)
piece = partial(_shown, view=brand.piece)


@contextmanager
def _drafts(request: HttpRequest) -> Iterator[None]:
    """Show the drafts that this user may see; one with a fault is shown as what is in force."""
    shop = served.current()
    for kind, permission in PERMISSIONS.items():
        sheet = SHEETS[kind]()
        if sheet.drafted and request.user.has_perm(permission) and not sheet.findings:
            shop = replace(shop, **{kind: served.check(kind, sheet.drafted_content())}, key="draft")
    with served.one_version(shop):
        yield


def _led_back(html: str) -> str:
    """Let the page's links and buttons lead to the preview, and say what it is."""
    here = reverse("owner_preview")
    html = html.replace(f'="{reverse("quoter:summary")}', f'="{reverse("owner_preview_summary")}')
    html = html.replace('="/brand/', f'="{here}brand/')
    html = _FORMS.sub(rf'\1="{here}', html)
    note = f'<p class="alert" role="status">{escape(_("A preview of the draft: nothing here is published."))}</p>'
    return html.replace('<main id="content">', f'<main id="content">{note}')
