"""Takes a photo of the shop from the owner's page into the draft: the only picture that the site is sent.

It comes as the body of a request of its own, which the page has made small before, so no form has a file.
"""

import subprocess
import sys
from base64 import b64encode

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from leads.desk.owner.sheets import Details
from leads.desk.owner.views import PERMISSIONS
from quoter.shop import details, draft, served

PATIENCE_S = 20


@require_POST
def upload(request: HttpRequest) -> HttpResponse:
    """POST /admin/shop/photo/ with a JPEG, PNG or WebP of up to 1 MB; answers {"error": "..."} unless it was kept."""
    if not request.user.has_perm(PERMISSIONS[served.DETAILS]):
        raise PermissionDenied
    program = [sys.executable, "-m", "quoter.shop.photo"]
    try:
        made = subprocess.run(
            program, input=request.body, capture_output=True, cwd=settings.BASE_DIR, timeout=PATIENCE_S, check=True
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return JsonResponse({"error": _("This is no photo that can be used: JPEG, PNG or WebP.")}, status=400)
    text = f"{details.PHOTO_START}{b64encode(made.stdout).decode()}"
    draft.put(served.DETAILS, {details.PHOTO: text}, base=Details().texts, by=request.user.get_username())
    return JsonResponse({})


@require_safe
def drafted(request: HttpRequest) -> HttpResponse:
    """GET /admin/shop/photo/draft.webp: the photo of the draft."""
    if not request.user.has_perm(PERMISSIONS[served.DETAILS]):
        raise PermissionDenied
    sheet = Details()
    content = details.photo_of(sheet.changes.get(details.PHOTO, sheet.texts[details.PHOTO]))
    if not content:
        raise Http404
    return HttpResponse(content, content_type="image/webp", headers={"Cache-Control": "no-store"})
